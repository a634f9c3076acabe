#!/bin/sh
# A server under load on ml-1m, over loopback: recommendations with 1, 8, 64 and 256 connections, then 90 %
# recommendations and 10 % clicks while a model trains. Both the server and the load run on this machine.
#
#   benches/serve/serve.sh DATA [SECONDS]
#
# DATA is a folder with ml-1m/{users,items}.csv and ml-1m/train.csv.gz. Needs wrk (Debian: apt-get install wrk) and
# the program `tastedb`, in the PATH or named by TASTEDB.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=$1 seconds=${2:-15}
tastedb=${TASTEDB:-tastedb}
port=${PORT:-8790}
place=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$place"' EXIT
db=$place/movies.taste

"$tastedb" "$db" >/dev/null <<SQL
CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT, year INT) WITH (role = 'item');
CREATE TABLE ratings (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies)
  WITH (role = 'interaction', on_unknown = 'create');
CREATE TABLE clicks (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies)
  WITH (role = 'interaction', on_unknown = 'create');
COPY movies (id, title, year) FROM '$data/ml-1m/items.csv';
COPY ratings (user_id, item_id) FROM '$data/ml-1m/train.csv.gz';
CREATE MODEL taste USING ease ON ratings, clicks WITH (lambda = 300);
TRAIN MODEL taste;
CREATE MODEL slow USING lightgcn ON ratings WITH (epochs = 100000, patience = 1000);
SQL
"$tastedb" serve "$db" --http "127.0.0.1:$port" --pg off --config "$here/server.toml" 2>"$place/log" &
server=$!
until curl -s -o /dev/null "http://127.0.0.1:$port/readyz"; do sleep 0.1; done
memory() { awk '/VmRSS/ {printf "%d MB", $2 / 1024}' "/proc/$server/status"; }

load() {
    threads=$(($1 < 2 ? 1 : 2))
    wrk -t "$threads" -c "$1" -d "$seconds" -s "$here/load.lua" "http://127.0.0.1:$port" -- "$2" "$1" | grep '^|'
}

echo "| load | connections | requests/s | p50 ms | p99 ms | p99.9 ms | errors |"
echo "|---|---|---|---|---|---|---|"
for connections in 1 8 64 256; do load "$connections" recommend; done
curl -s -X POST -d '{}' "http://127.0.0.1:$port/v1/models/slow/train" >/dev/null
sleep 1
for connections in 8 64; do load "$connections" mixed; done
echo
echo "memory of the server: $(memory)"
