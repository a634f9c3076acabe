#!/bin/sh
# The vector index and other engines on the same made-up vectors, one after the other, on two cores.
#
#   benches/peers/vectors.sh [ROWS DIM CLUSTERS NOISE]
#
# Installs the other engines into a virtual environment of its own (kept in ${TMPDIR:-/tmp}); prints one
# table after the other.
set -eu
cd "$(dirname "$0")/../.."
rows=${1:-200000} dim=${2:-64} clusters=${3:-500} noise=${4:-0.7}
place=${TMPDIR:-/tmp}/tastedb-peers
mkdir -p "$place/vectors"
if [ ! -x "$place/venv/bin/python" ]; then
    python3 -m venv "$place/venv"
    "$place/venv/bin/pip" install --quiet -r benches/peers/requirements-vectors.txt
fi
cores=0-1
export SAVE="$place/vectors"
taskset -c $cores cargo bench --profile release --workspace --bench vectors -- "$rows" "$dim" "$clusters" "$noise"
# LanceDB writes warnings about its own defaults to standard error.
taskset -c $cores "$place/venv/bin/python" benches/peers/vectors.py "$SAVE" "$dim" 2>/dev/null
rm -r "$SAVE"
