# What the loads begin with, for sh to read: a database of ml-1m with a model that serves and one that takes long to
# train, and a server over it. Wants DATA in $1; sets $place, $server, $port and $url, and ends the server by a trap.
here=$(cd "$(dirname "$0")" && pwd)
tastedb=${TASTEDB:-tastedb}
port=${PORT:-8790}
url=http://127.0.0.1:$port
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
COPY movies (id, title, year) FROM '$1/ml-1m/items.csv';
COPY ratings (user_id, item_id) FROM '$1/ml-1m/train.csv.gz';
CREATE MODEL taste USING ease ON ratings, clicks WITH (lambda = 300);
TRAIN MODEL taste;
CREATE MODEL slow USING lightgcn ON ratings WITH (epochs = 100000, patience = 1000);
SQL
"$tastedb" serve "$db" --http "127.0.0.1:$port" --pg off --config "$here/server.toml" 2>"$place/log" &
server=$!
until curl -s -o /dev/null "$url/readyz"; do sleep 0.1; done

# Sends the load `$2` (recommend or mixed) through `$1` connections for `$3` seconds.
load() {
    wrk -t "$(($1 < 2 ? 1 : 2))" -c "$1" -d "$3" -s "$here/load.lua" "$url" -- "$2" "$1" | grep '^|'
}

train() { curl -s -X POST -d '{}' "$url/v1/models/slow/train" >/dev/null; }
