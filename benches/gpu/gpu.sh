#!/bin/sh
# Epochs of TasteDB by device, and those of a training loop in PyTorch on the same pairs, one after the
# other. Without a CUDA device both use the processor, PyTorch with THREADS threads (1).
#
#   make torch
#   benches/gpu/gpu.sh DATA [DATASET …]
#
# DATA is a folder with one folder per dataset: items.csv, train.csv, test.csv (or .gz) and embeddings, if
# there are any. PYTHON names an interpreter with PyTorch and NumPy, if not the one of `make torch`.
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
for dataset; do
    (
        . "$target/torch/env"
        TASTEDB_DATA=$data cargo bench --profile release --workspace --features torch --bench devices -- "$dataset" bpr lightgcn
    )
    "$python" benches/gpu/epochs.py "$data/$dataset" "$device"
done
