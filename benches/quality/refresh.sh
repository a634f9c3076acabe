#!/bin/sh
# Refreshes a model after a tenth of the interactions has come, and trains another on all of them: the
# quality and the seconds of both, all through the program and SQL. Prints two lines per dataset.
#
#   benches/quality/refresh.sh TASTEDB DATA [DATASET …]
#
# TASTEDB and DATA are as for quality.sh. ALGORITHM=ials measures another model, OPTIONS="ease = 0"
# fixes settings, HELD_OUT=valid measures on another split than test.
set -eu

program=$1
data=$2
shift 2
[ $# -gt 0 ] || set -- amazon-baby amazon-sports
held=${HELD_OUT:-test}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

rows() { # the lines of a split, compressed or not
    if [ -f "$1.csv" ]; then cat "$1.csv"; else gzip -dc "$1.csv.gz"; fi
}

echo "| dataset | | recall(20) | ndcg(20) | read, s | fit, s |"
echo "|---|---|---|---|---|---|"
for name; do
    folder=$data/$name
    rows "$folder/train" | awk 'NR == 1 || NR % 10' >"$place/old.csv"
    rows "$folder/train" | awk 'NR == 1 || NR % 10 == 0' >"$place/new.csv"
    rows "$folder/$held" >"$place/held.csv"
    columns=
    copies=
    for modality in text image audio; do
        [ -f "$folder/$modality.npy" ] || continue
        size=$(head -c 256 "$folder/$modality.npy" | tr -d '\0' | grep -ao "'shape': ([0-9]*, [0-9]*" |
            sed 's/.*, //')
        columns="$columns, $modality HALFVEC($size)"
        copies="$copies COPY things ($modality) FROM '$folder/$modality.npy' WITH (ids = '$folder/items.csv');"
    done
    model="USING ${ALGORITHM:-graph_filter} ON train${OPTIONS:+ WITH ($OPTIONS)}"
    cat >"$place/$name.sql" <<SQL
CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
CREATE TABLE things (id TEXT PRIMARY KEY$columns) WITH (role = 'item');
CREATE TABLE train (user_id TEXT REFERENCES people, item_id TEXT REFERENCES things)
  WITH (role = 'interaction', on_unknown = 'create');
CREATE TABLE held (user_id TEXT REFERENCES people, item_id TEXT REFERENCES things)
  WITH (role = 'interaction', on_unknown = 'create');
COPY things (id) FROM '$folder/items.csv';
$copies
COPY train (user_id, item_id) FROM '$place/old.csv';
CREATE MODEL refreshed $model;
TRAIN MODEL refreshed;
COPY train (user_id, item_id) FROM '$place/new.csv';
CREATE MODEL trained $model;
REFRESH MODEL refreshed;
TRAIN MODEL trained;
COPY held (user_id, item_id) FROM '$place/held.csv';
EVALUATE refreshed, trained ON held METRICS recall(20), ndcg(20);
SHOW TRAINING refreshed;
SHOW TRAINING trained;
SQL
    "$program" "$place/$name.taste" -f "$place/$name.sql" --format csv >"$place/out" 2>"$place/log" || {
        cat "$place/log" >&2
        exit 1
    }
    awk -F, -v name="$name" '
        $1 == "refreshed" || $1 == "trained" { recall[$1] = $(NF - 1); ndcg[$1] = $NF }
        $1 == "reading" { seconds[++n] = $2 }
        $1 == "fitting" { fitted[n] = $2 }
        END {
            split("refreshed trained", models, " ")
            for (at = 1; at <= 2; at++)
                printf "| %s | %s | %.4f | %.4f | %s | %s |\n", name, models[at],
                    recall[models[at]], ndcg[models[at]], seconds[at], fitted[at]
        }' "$place/out"
    [ -z "${SHOW:-}" ] || sed -n '/^property/,$p' "$place/out"
    rm -rf "$place/$name.taste"
done
