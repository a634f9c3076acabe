#!/bin/sh
# A server under load on ml-1m, over loopback: recommendations with 1, 8, 64 and 256 connections, then 90 %
# recommendations and 10 % clicks while a model trains. Both the server and the load run on this machine.
#
#   benches/serve/serve.sh DATA [SECONDS]
#
# DATA is a folder with ml-1m/{users,items}.csv and ml-1m/train.csv.gz. Needs wrk (Debian: apt-get install wrk) and
# the program `tastedb`, in the PATH or named by TASTEDB.
set -eu
. "$(dirname "$0")/movies.sh"
seconds=${2:-15}

echo "| load | connections | requests/s | p50 ms | p99 ms | p99.9 ms | errors |"
echo "|---|---|---|---|---|---|---|"
for connections in 1 8 64 256; do load "$connections" recommend "$seconds"; done
train
sleep 1
for connections in 8 64; do load "$connections" mixed "$seconds"; done
echo
awk '/VmRSS/ {printf "memory of the server: %d MB\n", $2 / 1024}' "/proc/$server/status"
