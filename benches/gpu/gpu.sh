#!/bin/sh
# Epochs of TasteDB by device, and those of a training loop in PyTorch on the same pairs, one after the
# other. Without a CUDA device both use the processor, PyTorch with THREADS threads (1).
#
#   make torch
#   benches/gpu/gpu.sh DATA [DATASET …]
#
# DATA is a folder with one folder per dataset: items.csv, train.csv, test.csv (or .gz) and embeddings, if
# there are any. PYTHON names an interpreter with PyTorch and NumPy, if not the one of `make torch`. MADE_UP is
# the users, items and pairs of a made-up dataset that is measured at the end, in steps of a 48th of it:
# MADE_UP="1000000 1000000 50000000" wants 16 GiB of memory.
set -eu

data=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- amazon-sports gowalla
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
[ -e "$target/torch/env" ] || {
    echo "run make torch first" >&2
    exit 1
}
device=cpu
if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then
    device=cuda
    nvidia-smi --query-gpu=name,memory.total --format=csv,noheader
fi
python=${PYTHON:-$target/torch/venv/bin/python}
epochs() { # of a dataset, and of the folder that it is in
    (
        . "$target/torch/env"
        TASTEDB_DATA=$data cargo bench --profile release --workspace --features torch --bench devices -- "$1" bpr lightgcn
    )
    "$python" benches/gpu/epochs.py "$2" "$device"
}
for dataset; do
    epochs "$dataset" "$data/$dataset"
done
if [ -n "${MADE_UP:-}" ]; then
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    # shellcheck disable=SC2086
    "$python" benches/gpu/made_up.py "$place" $MADE_UP
    BATCH=$((${MADE_UP##* } / 48))
    export BATCH
    epochs "$place" "$place"
fi
