#!/bin/sh
# Similar items over PostgreSQL's protocol: TasteDB and pgvector on PostgreSQL, both asked by pgbench, one after the
# other, on the embeddings of ml-1m (3,883 × 384).
#
#   benches/serve/similar.sh DATA [SECONDS]
#
# Needs pgbench, PostgreSQL with pgvector (its programs in PGBIN), Python with numpy (in PYTHON), the user `postgres`,
# and `tastedb` (in TASTEDB). TasteDB compares all vectors; pgvector walks an HNSW index (m 16, ef_construction 200,
# ef_search 40).
set -eu
data=$1 seconds=${2:-10}
tastedb=${TASTEDB:-tastedb} python=${PYTHON:-python3} bin=${PGBIN:-/usr/lib/postgresql/15/bin}
place=$(mktemp -d)
chmod 755 "$place"
server=
finish() {
    kill $server 2>/dev/null || true
    [ -d "$place/pg" ] && su postgres -c "$bin/pg_ctl -D $place/pg -m immediate stop" >/dev/null 2>&1 || true
    rm -rf "$place"
}
trap finish EXIT

"$python" - "$data/ml-1m/text.npy" "$place" <<'PY'
import sys
import numpy as np

vectors = np.load(sys.argv[1]).astype("<f4")
np.save(f"{sys.argv[2]}/text.npy", vectors)
with open(f"{sys.argv[2]}/items.csv", "w") as ids, open(f"{sys.argv[2]}/items.tsv", "w") as rows:
    ids.write("id\n")
    for n, vector in enumerate(vectors, 1):
        ids.write(f"{n}\n")
        rows.write(f"{n}\t[{','.join(f'{x:.6g}' for x in vector)}]\n")
PY
items=$(($(wc -l <"$place/items.csv") - 1))

measure() { # name, port, user, database, script
    for clients in 1 8 64; do
        rm -f "$place"/log.*
        threads=$((clients < 2 ? 1 : 2))
        (cd "$place" && "$bin/pgbench" -n -M prepared -c "$clients" -j "$threads" -T "$seconds" -l --log-prefix=log \
            -D items="$items" -f "$5" -h 127.0.0.1 -p "$2" -U "$3" "$4" >"$place/out" 2>&1) || cat "$place/out"
        rate=$(awk '/^tps/ {printf "%.0f", $3}' "$place/out")
        cat "$place"/log.* | awk '{print $3}' | sort -n >"$place/times"
        count=$(wc -l <"$place/times")
        at() { sed -n "$((count * $1 / 1000 + 1))p" "$place/times" | awk '{printf "%.2f", $1 / 1000}'; }
        echo "| $1 | $clients | $rate | $(at 500) | $(at 990) |"
    done
}

echo "| engine | connections | queries/s | p50 ms | p99 ms |"
echo "|---|---|---|---|---|"

"$tastedb" "$place/shop.taste" >/dev/null 2>&1 <<SQL
CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
CREATE TABLE items (id TEXT PRIMARY KEY, text VECTOR(384)) WITH (role = 'item');
CREATE TABLE views (user_id TEXT REFERENCES people, item_id TEXT REFERENCES items)
  WITH (role = 'interaction', on_unknown = 'create');
COPY items FROM '$place/items.csv';
COPY items (text) FROM '$place/text.npy' WITH (ids = '$place/items.csv');
INSERT INTO views VALUES ('u1', '1'), ('u1', '2'), ('u2', '2'), ('u2', '3');
CREATE MODEL alike USING content ON views;
TRAIN MODEL alike;
SQL
cat >"$place/tastedb.sql" <<'SQL'
\set id random(1, :items)
RECOMMEND id FROM items FOR ITEM :id::text USING alike LIMIT 10;
SQL
"$tastedb" serve "$place/shop.taste" --http 127.0.0.1:0 --pg 127.0.0.1:8791 2>"$place/serve.log" &
server=$!
sleep 2
measure TasteDB 8791 bench shop "$place/tastedb.sql"
kill $server

chown -R postgres "$place"
su postgres -c "$bin/initdb -D $place/pg -A trust >/dev/null && $bin/pg_ctl -D $place/pg -o '-p 8792 -k $place' -l $place/pg.log -w start >/dev/null"
su postgres -c "$bin/psql -q -h 127.0.0.1 -p 8792 -d postgres" <<SQL
CREATE EXTENSION vector;
CREATE TABLE items (id text PRIMARY KEY, text vector(384));
\copy items FROM '$place/items.tsv'
CREATE INDEX ON items USING hnsw (text vector_cosine_ops) WITH (m = 16, ef_construction = 200);
ANALYZE items;
SQL
cat >"$place/pgvector.sql" <<'SQL'
\set id random(1, :items)
SELECT i.id FROM items i WHERE i.id <> :id::text ORDER BY i.text <=> (SELECT text FROM items WHERE id = :id::text) LIMIT 10;
SQL
chmod -R a+rwX "$place"
measure "PostgreSQL with pgvector" 8792 postgres postgres "$place/pgvector.sql"
