# What this project can do, by name. `make` alone prints the list.
#
# Everything is built with --release: one profile serves run, test, clippy, doc and bench, so that
# RocksDB and DataFusion (some 20 minutes on two cores) are compiled once. Set CARGO_TARGET_DIR to
# a folder outside the checkout to keep that work between checkouts.

# A feature of a dependency that only tests switch on (tokio's `net`, for the example with a web
# server) would make cargo compile DataFusion twice, once with and once without. So every target
# here selects something that needs the test dependencies, and all share one compilation.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help setup setup-tests demo test check bench fmt torch test-torch

help:
	@echo "make demo              the whole story on a small made-up catalogue"
	@echo "make demo DATA=FOLDER  the same on MovieLens (as GroupLens ships it, or split into csv files)"
	@echo "make test              every test"
	@echo "make check             formatting, lints, documentation, and that the benches compile"
	@echo "make bench             the benchmarks"
	@echo "make fmt               format the sources"
	@echo "make torch             the program with training on a GPU (docs/gpu.md)"
	@echo "make test-torch        the tests that compare libtorch with the trainer"
	@echo "make setup             install what the build needs and this machine lacks (Debian, Ubuntu)"
	@echo "make setup-tests       install what some tests need and are skipped without: psql, Python, Java, Node, Chromium"

setup:
	@sh scripts/setup

setup-tests:
	@sh scripts/setup-tests

# DATA=FOLDER takes MovieLens from there; DB=PATH keeps the database that the demo makes.
demo: setup
	$(CARGO) build --release --workspace --bin tastedb --example quickstart
	$(TARGET)/release/tastedb demo $(if $(DATA),--data "$(DATA)") $(if $(DB),--db "$(DB)")

test: setup
	$(CARGO) test --release --workspace

check: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	$(CARGO) clippy --release -p tastedb --lib --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --no-deps --lib --examples
	$(CARGO) bench --profile release --workspace --bench '*' --no-run

bench: setup
	$(CARGO) bench --profile release --workspace --bench '*'

fmt:
	$(CARGO) fmt --all

# Nothing else needs libtorch. TORCH=FOLDER takes an installed `torch` package instead of fetching one.
torch: setup
	@sh scripts/torch "$(TARGET)/torch"
	. "$(TARGET)/torch/env" && $(CARGO) build --release --workspace --features torch --bin tastedb --example quickstart
	@echo "before running $(TARGET)/release/tastedb: . $(TARGET)/torch/env"

# The same selection as `torch`, so that both share one compilation of DataFusion and RocksDB.
test-torch: setup
	@sh scripts/torch "$(TARGET)/torch"
	. "$(TARGET)/torch/env" && $(CARGO) test --release --workspace --features torch --lib -- compute:: parity::
