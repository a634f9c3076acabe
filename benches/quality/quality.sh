#!/bin/sh
# Trains the default model on public datasets and measures it on their test splits, all through the
# program and SQL. Prints one line per dataset, as rows of the table in README.md.
#
#   benches/quality/quality.sh TASTEDB DATA [DATASET …]
#
# TASTEDB is the program (target/release/tastedb), DATA a folder with one folder per dataset, each
# with items.csv, train.csv, test.csv (or .gz) and, where there are embeddings, text.npy, image.npy or
# audio.npy. Nothing of the test split is read before the model is trained. OPTIONS="ease = 0" and
# ALGORITHM=item_knn measure something else.
# Needs GNU time, which Debian has in its package `time`.
set -eu

program=$1
data=$2
shift 2
[ $# -gt 0 ] || set -- amazon-baby amazon-sports tiktok ml-1m gowalla yelp2018
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

file() { # the file of a split, compressed or not
    if [ -f "$1.csv" ]; then echo "$1.csv"; else echo "$1.csv.gz"; fi
}

echo "| dataset | recall(10) | ndcg(10) | recall(20) | ndcg(20) | fit, s | peak memory, MiB |"
echo "|---|---|---|---|---|---|---|"
for name; do
    folder=$data/$name
    script=$place/$name.sql
    columns=
    copies=
    for modality in text image audio; do
        [ -f "$folder/$modality.npy" ] || continue
        # The number of columns stands in the header: 'shape': (rows, columns).
        size=$(head -c 256 "$folder/$modality.npy" | tr -d '\0' | grep -ao "'shape': ([0-9]*, [0-9]*" |
            sed 's/.*, //')
        columns="$columns, $modality HALFVEC($size)"
        copies="$copies COPY things ($modality) FROM '$folder/$modality.npy' WITH (ids = '$folder/items.csv');"
    done
    cat >"$script" <<SQL
CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
CREATE TABLE things (id TEXT PRIMARY KEY$columns) WITH (role = 'item');
CREATE TABLE train (user_id TEXT REFERENCES people, item_id TEXT REFERENCES things)
  WITH (role = 'interaction', on_unknown = 'create');
CREATE TABLE test (user_id TEXT REFERENCES people, item_id TEXT REFERENCES things)
  WITH (role = 'interaction', on_unknown = 'create');
COPY things (id) FROM '$folder/items.csv';
$copies
COPY train (user_id, item_id) FROM '$(file "$folder/train")';
CREATE MODEL model USING ${ALGORITHM:-graph_filter} ON train${OPTIONS:+ WITH ($OPTIONS)};
TRAIN MODEL model;
COPY test (user_id, item_id) FROM '$(file "$folder/test")';
EVALUATE model ON test METRICS recall(10), ndcg(10), recall(20), ndcg(20);
SHOW TRAINING model;
SQL
    /usr/bin/env time -f '%M' -o "$place/memory" \
        "$program" "$place/$name.taste" -f "$script" --format csv >"$place/out" 2>"$place/log" || {
        cat "$place/log" >&2
        exit 1
    }
    figures=$(sed -n '2p' "$place/out")
    fit=$(sed -n 's/^fitting,\([0-9.]*\) s$/\1/p' "$place/out")
    echo "$figures" | awk -F, -v name="$name" -v fit="$fit" -v kib="$(cat "$place/memory")" '{
        printf "| %s | %.4f | %.4f | %.4f | %.4f | %s | %d |\n",
            name, $(NF - 3), $(NF - 2), $(NF - 1), $NF, fit, kib / 1024 }'
    [ -z "${SHOW:-}" ] || sed -n '/^property/,$p' "$place/out"
    rm -rf "$place/$name.taste"
done
