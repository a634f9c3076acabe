//! Every statement of the language, compared with its canonical text.

use super::*;
use crate::ast::{
    Context, CopySource, DataType, Existing, InsertSource, Literal, OperandKind, StatementKind,
};

/// The canonical text of each statement; parsing that gives it again.
fn canonical(sql: &str) -> String {
    let text = one(sql).to_string();
    assert_eq!(one(&text).to_string(), text, "canonical text of {sql}");
    text
}

/// Statements that are canonical already.
fn stays(sql: &str) {
    assert_eq!(canonical(sql), sql);
}

#[test]
fn definitions() {
    stays(
        "CREATE TABLE people (id TEXT, country TEXT, birth_year INT, PRIMARY KEY (id)) WITH (role = 'user')",
    );
    assert_eq!(
        canonical(
            "create table if not exists Movies (
                id varchar primary key, title TEXT NOT NULL, year INTEGER, genres TEXT[],
                price REAL DEFAULT 1.5, big bigint null, d double precision, f float8,
                ok BOOLEAN DEFAULT true, born DATE, at TIMESTAMP WITH TIME ZONE, tz timestamptz,
                text VECTOR(384), image HALFVEC(512)) WITH (role = item, on_unknown = 'create');"
        ),
        "CREATE TABLE IF NOT EXISTS movies (id TEXT, title TEXT NOT NULL, year INT, genres TEXT[], \
         price REAL DEFAULT 1.5, big BIGINT, d DOUBLE, f DOUBLE, ok BOOL DEFAULT true, born DATE, \
         at TIMESTAMP, tz TIMESTAMP, text VECTOR(384), image HALFVEC(512), PRIMARY KEY (id)) \
         WITH (role = 'item', on_unknown = 'create')"
    );
    let by_column = "CREATE TABLE ratings (user_id TEXT REFERENCES people (id), item_id TEXT REFERENCES movies, \
                     kind TEXT DEFAULT 'rating' NOT NULL, rating REAL, ts TIMESTAMP DEFAULT now(), \
                     PRIMARY KEY (user_id, item_id, kind)) WITH (role = 'interaction')";
    let by_table = "CREATE TABLE ratings (user_id TEXT, item_id TEXT, kind TEXT NOT NULL DEFAULT 'rating', \
                    rating REAL, ts TIMESTAMP DEFAULT now(), CONSTRAINT pk PRIMARY KEY (user_id, item_id, kind), \
                    FOREIGN KEY (user_id) REFERENCES people (id) ON DELETE CASCADE, \
                    FOREIGN KEY (item_id) REFERENCES movies) WITH (role = 'interaction')";
    assert_eq!(canonical(by_column), canonical(by_table));
    stays(
        "CREATE INDEX movies_text ON movies USING hnsw (text vector_cosine_ops) WITH (m = 16, ef_construction = 200)",
    );
    stays("CREATE INDEX IF NOT EXISTS a ON b (c, d)");
    stays("CREATE MODEL best ON ratings");
    stays(
        "CREATE MODEL best ON purchases WEIGHT 3, clicks WHERE kind = 'view', likes WEIGHT a \
         WHERE b WITH (lambda = 2)",
    );
    stays("CREATE EMBEDDING text ON movies FROM (title, plot)");
    stays(
        "CREATE EMBEDDING IF NOT EXISTS \"Text\" ON movies FROM (title) USING tfidf_svd \
         WITH (dim = 256, max_df = 0.5)",
    );
    stays("CREATE OR REPLACE EMBEDDING text ON movies FROM (title)");
    stays("REFRESH EMBEDDING text ON movies");
    stays("DROP EMBEDDING IF EXISTS text ON movies");
    stays("SHOW EMBEDDINGS");
    stays("CREATE OR REPLACE MODEL best USING ease ON ratings WITH (lambda = 250.5)");
    stays(
        "CREATE MODEL IF NOT EXISTS taste USING freedom ON ratings WEIGHT rating WHERE rating >= 4 \
           WITH (factors = 64, modalities = 'text,image', unlearn = 'exact')",
    );
    stays("ALTER TABLE movies ADD COLUMN audio VECTOR(128)");
    stays("ALTER TABLE IF EXISTS movies ADD COLUMN IF NOT EXISTS n INT NOT NULL DEFAULT 0");
    assert_eq!(canonical("ALTER TABLE movies ADD n INT"), "ALTER TABLE movies ADD COLUMN n INT");
    stays("ALTER TABLE movies DROP COLUMN IF EXISTS audio");
    stays("ALTER TABLE movies RENAME COLUMN audio TO sound");
    stays("ALTER TABLE movies RENAME TO films");
    for statement in ["DROP TABLE a", "DROP MODEL IF EXISTS a", "DROP INDEX a"] {
        stays(statement);
    }
    for statement in [
        "SHOW TABLES",
        "SHOW MODELS",
        "SHOW INDEXES",
        "SHOW GRAPHS",
        "SHOW TRAINING taste",
        "DESCRIBE movies",
    ] {
        stays(statement);
    }
    assert_eq!(canonical("desc table movies"), "DESCRIBE movies");
}

#[test]
fn a_definition_keeps_types_and_keys_apart() {
    let statement = one("CREATE TABLE t (id TEXT PRIMARY KEY, v HALFVEC(3)) WITH (role = 'item')");
    let StatementKind::CreateTable(table) = statement.kind else { panic!("not a table") };
    assert_eq!(table.existing, Existing::Refuse);
    assert_eq!(table.columns.len(), 2);
    assert!(matches!(table.columns[1].ty.ty, DataType::Vector { dim: 3, .. }));
    let key = table.primary_key.expect("there is a key");
    assert_eq!(key.columns[0].value, "id");
    assert_eq!(table.options.get("role").and_then(|role| role.value.text()), Some("item"));
}

#[test]
fn data() {
    stays("COPY movies FROM 'items.csv'");
    stays("COPY movies (text) FROM 'text.npy' WITH (ids = 'items.csv')");
    assert_eq!(
        canonical(
            "COPY r FROM $1 WITH (FORMAT csv, HEADER, DELIMITER ';', NULL '', on_error = skip)"
        ),
        "COPY r FROM $1 WITH (format = 'csv', header = TRUE, delimiter = ';', null = '', on_error = 'skip')"
    );
    stays("COPY movies TO 'out.parquet'");
    stays("COPY movies (id, title) TO 'out.csv' WITH (header = FALSE)");
    stays("COPY (SELECT id FROM movies WHERE year > 1990) TO 'out.parquet'");
    stays("COPY (RECOMMEND movies FOR USERS (SELECT id FROM people) LIMIT 10) TO 'out.jsonl'");
    stays("EXPORT DATABASE 'folder'");
    stays("IMPORT DATABASE 'folder'");
    stays("BACKUP DATABASE TO 'folder'");
    stays("INSERT INTO ratings VALUES ('u42', 'm7', 'click', 1, now()) RETURNING item_id");
    stays(
        "INSERT INTO movies (id, title) VALUES ('m7', 'Heat'), ($1, DEFAULT) \
           ON CONFLICT (id) DO UPDATE SET title = excluded.title, year = NULL WHERE movies.stock > 0 RETURNING *",
    );
    stays("INSERT INTO movies SELECT * FROM films ON CONFLICT DO NOTHING");
    stays("INSERT INTO movies (id) SELECT id FROM films RETURNING id AS key");
    stays("INSERT INTO movies DEFAULT VALUES");
    stays("UPDATE movies SET stock = 0, price = price * 1.1 WHERE id = 'm7' RETURNING id, stock");
    assert_eq!(canonical("UPDATE movies m SET stock = 0"), "UPDATE movies AS m SET stock = 0");
    stays("DELETE FROM people WHERE id = 'u42' RETURNING forget_id()");
    stays("DELETE FROM ratings AS r WHERE r.user_id = 'u42' AND ts < TIMESTAMP '2001-01-01'");
    stays("DELETE FROM ratings");
    for sql in ["BEGIN", "begin transaction", "START TRANSACTION", "BEGIN WORK"] {
        assert_eq!(canonical(sql), "BEGIN");
    }
    for sql in ["COMMIT", "END", "COMMIT WORK", "end transaction"] {
        assert_eq!(canonical(sql), "COMMIT");
    }
    for sql in ["ROLLBACK", "ABORT", "ROLLBACK TRANSACTION"] {
        assert_eq!(canonical(sql), "ROLLBACK");
    }
}

#[test]
fn an_insert_of_values_is_kept_apart_from_one_of_a_query() {
    let StatementKind::Insert(values) = one("INSERT INTO t VALUES (1, 'a'), (2, 'b')").kind else {
        panic!("not an INSERT")
    };
    assert!(matches!(&values.source, InsertSource::Values(rows) if rows.len() == 2));
    assert!(values.columns.is_none());
    let StatementKind::Insert(query) =
        one("INSERT INTO t (a) WITH x AS (SELECT 1) SELECT * FROM x").kind
    else {
        panic!("not an INSERT")
    };
    assert!(matches!(query.source, InsertSource::Query(_)));
    let StatementKind::CopyTo(copy) = one("COPY t (a) TO 'x'").kind else { panic!("not a COPY") };
    assert!(
        matches!(copy.source, CopySource::Table { columns: Some(columns), .. } if columns.len() == 1)
    );
}

#[test]
fn training() {
    stays("TRAIN MODEL taste WITH (epochs = 50, seed = 7, device = 'auto')");
    stays("REFRESH MODEL taste");
    stays("EXPLAIN TRAIN MODEL taste");
    stays(
        "EVALUATE taste, popular ON ratings SPLIT BY ts > TIMESTAMP '2003-01-01' \
           METRICS recall(10), recall(20), ndcg(20), coverage(20) GROUP BY country",
    );
    stays("EVALUATE taste ON test_ratings METRICS recall(20), ndcg(20)");
    stays(
        "EVALUATE a ON b SPLIT BY random() < 0.1 METRICS hit(5) GROUP BY country, birth_year / 10 WITH (seed = 7)",
    );
}

#[test]
fn recommending() {
    stays("RECOMMEND movies FOR USER 'u42' LIMIT 10");
    let whole = "RECOMMEND id, title, score, reason FROM movies FOR USER 'u42' \
         USING taste WEIGHT 0.8, trending WEIGHT 0.2 \
         WHERE stock > 0 AND year BETWEEN 1990 AND 2000 AND NOT seen('purchase', INTERVAL '90 days') \
         HAVING share(seller = 'new') >= 0.2 AND count(DISTINCT genre) >= 4 \
         DIVERSIFY BY text STRENGTH 0.3 EXPLORE 0.05 \
         ORDER BY score * CASE WHEN brand = 'acme' THEN 1.3 ELSE 1 END DESC \
         LIMIT 2 BY brand LIMIT 20 OFFSET 5 WITH (seed = 7)";
    stays(whole);
    assert_eq!(canonical(&whole.replace("brand LIMIT 20", "brand 20")), whole);
    stays("RECOMMEND movies FOR USER 'u1' EXPLORE 0.2 BY clicks PER views ORDER BY score LIMIT 3");
    stays(
        "RECOMMEND movies FOR USER 'u1' EXPLORE $1 BY events WHERE kind = 'click' PER events \
         WHERE kind = 'view' AND ts > TIMESTAMP '2024-01-01' LIMIT 3",
    );
    stays("RECOMMEND movies FOR ITEM 'm9' LIMIT 12");
    stays("RECOMMEND movies FOR SESSION ('m3', 'm8', 'm9') LIMIT 10");
    stays("RECOMMEND movies FOR USER $1, LIKES ($2, 'b'), DISLIKES ('c') LIMIT $3 OFFSET $4");
    stays("RECOMMEND movies FOR VECTOR (text => $1) WHERE year > 1995 LIMIT 10");
    stays(
        "RECOMMEND movies FOR VECTOR (text => [1.0, 2.0], image => (SELECT image FROM movies WHERE id = 'm1'))",
    );
    stays("RECOMMEND movies FOR PROFILE (country => 'NO', birth_year => 1980 + 1)");
    stays("RECOMMEND people FOR ITEM 'm9' LIMIT 500");
    stays("RECOMMEND movies FOR USERS (SELECT id FROM people WHERE country = 'NO') LIMIT 10");
    stays("RECOMMEND * FROM movies FOR USER lower('U42') USING random");
    stays("RECOMMEND EXTRACT(YEAR FROM ts) AS y FROM movies FOR ITEM 7 LIMIT 1 BY a, b LIMIT 3");
    stays("RECOMMEND movies FOR USER 'u' LIMIT 2 BY brand");
    stays("EXPLAIN ANALYZE RECOMMEND movies FOR USER 'u42' WHERE stock > 0 LIMIT 10");
    stays("EXPLAIN SELECT 1");
    stays("SELECT r.rank, i.title FROM recommend('movies', user => 'u42', k => 20) r JOIN movies i USING (id)"
        .replace("k => 20) r", "k => 20) AS r").replace("movies i USING (", "movies AS i USING(").as_str());
}

#[test]
fn the_plain_recommend_makes_no_expressions() {
    let StatementKind::Recommend(it) = one("RECOMMEND movies FOR USER $1 LIMIT 10").kind else {
        panic!("not a RECOMMEND")
    };
    assert!(matches!(&it.contexts[..], [Context::User(id)] if id.kind == OperandKind::Param(1)));
    assert_eq!(it.limit.and_then(|limit| limit.literal().cloned()), Some(Literal::Int(10)));
    assert!(it.columns.is_none() && it.sources.is_empty() && it.filter.is_none());
}

#[test]
fn forgetting() {
    stays("VERIFY FORGET 'f_1'");
    stays("VACUUM");
    stays("SELECT * FROM forgets");
}

#[test]
fn queries_go_to_sqlparser() {
    for sql in [
        "SELECT 1",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
        "VALUES (1, 2)",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT count(*) FILTER (WHERE a > 1) FROM t GROUP BY b HAVING count(*) > 1 ORDER BY 1 DESC LIMIT 3 OFFSET 1",
        "SELECT a::TEXT, b -> 'x', x[1] FROM t WHERE c LIKE 'a%' AND d IS NOT NULL",
    ] {
        assert!(matches!(one(sql).kind, StatementKind::Query(_)), "{sql}");
    }
}

#[test]
fn likely_column_names_need_no_quotes() {
    for word in [
        "user",
        "item",
        "session",
        "text",
        "image",
        "audio",
        "title",
        "year",
        "month",
        "day",
        "date",
        "time",
        "timestamp",
        "ts",
        "kind",
        "type",
        "name",
        "value",
        "key",
        "rating",
        "rank",
        "score",
        "source",
        "reason",
        "price",
        "stock",
        "genre",
        "brand",
        "seller",
        "country",
        "language",
        "position",
        "level",
        "format",
        "first",
        "last",
        "model",
        "index",
        "weight",
        "vector",
        "profile",
        "likes",
        "metrics",
        "count",
        "role",
    ] {
        let sql = format!(
            "RECOMMEND {word} FROM t FOR USER 'u' WHERE {word} > 1 AND t.{word} IS NOT NULL ORDER BY {word} DESC"
        );
        assert_eq!(canonical(&sql), sql);
        one(&format!("CREATE TABLE t ({word} INT)"));
        one(&format!("SELECT {word} FROM t WHERE {word} = 1"));
        one(&format!("INSERT INTO t ({word}) VALUES (1) RETURNING {word}"));
    }
}

#[test]
fn names_fold_unless_quoted() {
    let StatementKind::Describe(name) = one("DESCRIBE MovieS").kind else { panic!("wrong kind") };
    assert_eq!((name.as_str(), name.quoted), ("movies", false));
    let StatementKind::Describe(name) = one("DESCRIBE \"Movie\"\"S\"").kind else {
        panic!("wrong kind")
    };
    assert_eq!((name.as_str(), name.quoted), ("Movie\"S", true));
    stays("DESCRIBE \"Movie\"\"S\"");
    stays("DESCRIBE \"select\"");
}

#[test]
fn constants_have_the_type_they_look_like() {
    let value = |text: &str| {
        let sql = format!("TRAIN MODEL m WITH (x = {text})");
        let StatementKind::TrainModel(train) = one(&sql).kind else { panic!("wrong kind") };
        train.options.items[0].value.kind.clone()
    };
    let literal = OperandKind::Literal;
    assert_eq!(value("7"), literal(Literal::Int(7)));
    assert_eq!(value("-7"), literal(Literal::Int(-7)));
    assert_eq!(value("-9223372036854775808"), literal(Literal::Int(i64::MIN)));
    assert_eq!(value("9223372036854775808"), literal(Literal::Real(9_223_372_036_854_775_808.0)));
    assert_eq!(value("1_000"), literal(Literal::Int(1000)));
    assert_eq!(value("0.5"), literal(Literal::Real(0.5)));
    assert_eq!(value("-1e-3"), literal(Literal::Real(-0.001)));
    assert_eq!(value("TRUE"), literal(Literal::Bool(true)));
    assert_eq!(value("null"), literal(Literal::Null));
    assert_eq!(value("Auto"), literal(Literal::Text("auto".into())));
    assert_eq!(value("'it''s'"), literal(Literal::Text("it's".into())));
    assert_eq!(value("E'a\\nb'"), literal(Literal::Text("a\nb".into())));
    assert_eq!(value("$$a'b$$"), literal(Literal::Text("a'b".into())));
    assert_eq!(value("$2"), OperandKind::Param(2));
    assert!(matches!(value("2 * 3"), OperandKind::Expr(_)));
    assert!(matches!(value("'a' || 'b'"), OperandKind::Expr(_)));
}

#[test]
fn statements_know_their_place_and_parameters() {
    let sql = "SELECT $2, $1;\n\n  RECOMMEND movies\n FOR USER $3 ; COMMIT";
    let all = parse(sql).expect("it parses");
    let texts: Vec<&str> = all.iter().map(|statement| statement.span.text(sql)).collect();
    assert_eq!(texts, ["SELECT $2, $1", "RECOMMEND movies\n FOR USER $3", "COMMIT"]);
    assert_eq!(all.iter().map(|statement| statement.params).collect::<Vec<_>>(), [2, 3, 0]);
}

#[test]
fn empty_statements_and_comments_are_nothing() {
    for sql in ["", " ;; ; ", "-- a comment", "/* a /* nested */ one */;"] {
        assert_eq!(
            parse(sql).map(|all| all.len()).map_err(|error| error.to_string()),
            Ok(0),
            "{sql}"
        );
    }
}

#[test]
fn statements_before_a_mistake_are_read_first() {
    let mut all = statements("BEGIN; COMIT; ROLLBACK");
    assert!(matches!(all.next(), Some(Ok(Statement { kind: StatementKind::Begin(_), .. }))));
    assert!(matches!(all.next(), Some(Err(error)) if error.code() == "TD0104"));
    assert!(all.next().is_none());
    let mut all = statements("BEGIN; SELECT 'open");
    assert!(matches!(all.next(), Some(Ok(_))));
    assert!(matches!(all.next(), Some(Err(error)) if error.code() == "TD0102"));
    assert!(all.next().is_none());
}
