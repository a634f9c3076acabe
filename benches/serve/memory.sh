#!/bin/sh
# Whether a server's memory stays what it is: a load of 64 connections for minutes, and what the process takes every
# ten seconds.
#
#   benches/serve/memory.sh DATA [SECONDS] [recommend|mixed]
#
# `recommend`, the default, only asks; `mixed` writes 10 % clicks, and a model trains meanwhile. DATA and what is
# needed are those of serve.sh. Prints MB: the whole (VmRSS), of that the heap (RssAnon) and mapped files (RssFile),
# and how large the database's files are.
set -eu
. "$(dirname "$0")/movies.sh"
seconds=${2:-600} kind=${3:-recommend}

sample() {
    files=$(du -sm "$db" | cut -f1)
    awk -v at="$1" -v files="$files" '
        /^VmRSS/ {all = $2} /^RssAnon/ {heap = $2} /^RssFile/ {mapped = $2}
        END {printf "| %d | %.0f | %.0f | %.0f | %d |\n", at, all / 1024, heap / 1024, mapped / 1024, files}
    ' "/proc/$server/status"
}

[ "$kind" = recommend ] || train
echo "| seconds | memory, MB | heap | mapped | files, MB |"
echo "|---|---|---|---|---|"
sample 0
load 64 "$kind" "$seconds" >"$place/rate" &
wrk=$!
at=0
while [ "$at" -lt "$seconds" ]; do
    sleep 10
    at=$((at + 10))
    sample "$at"
done
wait "$wrk"
echo
echo "| load | connections | requests/s | p50 ms | p99 ms | p99.9 ms | errors |"
echo "|---|---|---|---|---|---|---|"
cat "$place/rate"
