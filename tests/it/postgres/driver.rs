//! tokio-postgres: prepared statements, binary values, portals, COPY, notices, errors, cancel.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt, TryStreamExt, pin_mut};
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};

use super::Postgres;

/// A client of a server, and the runtime that it needs.
pub(crate) struct Connected {
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
}

/// Connects as somebody.
pub(crate) fn connect(port: u16, more: &str) -> Result<Connected, tokio_postgres::Error> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = format!("host=127.0.0.1 port={port} dbname=shop {more}");
    let (client, connection) = runtime.block_on(tokio_postgres::connect(&config, NoTls))?;
    runtime.spawn(connection);
    Ok(Connected { runtime, client })
}

pub(super) fn local(server: &Postgres) -> Connected {
    connect(server.port, "user=ann").unwrap()
}

impl Connected {
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

#[test]
fn values_go_in_and_out_in_their_binary_forms() {
    let server = Postgres::shop();
    let it = local(&server);
    it.wait(async {
        it.client
            .batch_execute(
                "CREATE TABLE things (id BIGINT PRIMARY KEY, yes BOOL, small INT, part REAL, whole DOUBLE,
                 name TEXT, day DATE, at TIMESTAMP, words TEXT[], look VECTOR(2)) WITH (role = 'item')",
            )
            .await
            .unwrap();
        let insert = it
            .client
            .prepare("INSERT INTO things VALUES ($1, $2, $3, $4, $5, $6, '2020-02-29', '2020-02-29 12:00:00.5', $7, $8::text)")
            .await
            .unwrap();
        assert_eq!(
            insert.params(),
            [
                Type::INT8, Type::BOOL, Type::INT4, Type::FLOAT4, Type::FLOAT8, Type::TEXT,
                Type::TEXT_ARRAY, Type::TEXT
            ]
        );
        let words = vec!["a b".to_owned(), String::new(), "ü\"".to_owned()];
        let written = it
            .client
            .execute(&insert, &[&7i64, &true, &-3i32, &0.25f32, &1e300f64, &"x'y", &words, &"[0.5,1]"])
            .await
            .unwrap();
        assert_eq!(written, 1);
        let row = it.client.query_one("SELECT * FROM things WHERE id = $1", &[&7i64]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 7);
        assert!(row.get::<_, bool>("yes"));
        assert_eq!(row.get::<_, i32>("small"), -3);
        assert_eq!(row.get::<_, f32>("part"), 0.25);
        assert_eq!(row.get::<_, f64>("whole"), 1e300);
        assert_eq!(row.get::<_, &str>("name"), "x'y");
        assert_eq!(row.get::<_, Vec<String>>("words"), words);
        assert_eq!(row.columns()[6].type_(), &Type::DATE);
        assert_eq!(row.columns()[7].type_(), &Type::TIMESTAMP);
        assert_eq!(row.columns()[9].type_().name(), "vector");
        let at = row.get::<_, std::time::SystemTime>("at");
        let since = at.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(since, Duration::from_millis(1_582_977_600_500));
        let none = it
            .client
            .query_one("SELECT name FROM things WHERE id = $1 AND words IS NOT NULL", &[&7i64])
            .await
            .unwrap();
        assert_eq!(none.get::<_, Option<&str>>(0), Some("x'y"));
    });
}

#[test]
fn recommend_is_prepared_like_any_query() {
    let server = Postgres::shop();
    let it = local(&server);
    it.wait(async {
        let statement = it
            .client
            .prepare("RECOMMEND id, title, score FROM movies FOR USER $1 WHERE year > $2 LIMIT $3")
            .await
            .unwrap();
        assert_eq!(statement.params(), [Type::TEXT, Type::INT4, Type::INT8]);
        let names: Vec<&str> = statement.columns().iter().map(|column| column.name()).collect();
        assert_eq!(names, ["id", "title", "score"]);
        for _ in 0..3 {
            let rows = it.client.query(&statement, &[&"u1", &2000i32, &1i64]).await.unwrap();
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0].get::<_, &str>("id"), "m3");
            assert!(rows[0].get::<_, f32>("score") > 0.0);
        }
        let rows = it
            .client
            .query("SELECT r.id FROM recommend('movies', user => $1, k => $2) r", &[&"u1", &2i64])
            .await
            .unwrap();
        assert_eq!(rows.len(), 2);
        for sql in [
            "SHOW MODELS",
            "SHOW TABLES",
            "DESCRIBE movies",
            "EXPLAIN RECOMMEND movies FOR USER 'u1'",
            "EXPLAIN SELECT 1",
            "SELECT count(*), max(year), avg(year) FROM movies",
            "SELECT * FROM indexes",
            "INSERT INTO people VALUES ('u9', 'FI') RETURNING id, country",
            "UPDATE people SET country = 'DK' WHERE id = 'u9' RETURNING country",
            "DELETE FROM people WHERE id = 'u9' RETURNING id, forget_id()",
        ] {
            let statement = it.client.prepare(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            let rows = it.client.query(&statement, &[]).await;
            let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            assert!(
                rows.iter().all(|row| row.columns().len() == statement.columns().len()),
                "{sql}"
            );
        }
    });
}

#[test]
fn rows_of_a_portal_are_fetched_in_parts() {
    let server = Postgres::shop();
    let mut it = local(&server);
    let Connected { runtime, client } = &mut it;
    runtime.block_on(async {
        let transaction = client.transaction().await.unwrap();
        let statement = transaction.prepare("SELECT id FROM movies ORDER BY id").await.unwrap();
        let portal = transaction.bind(&statement, &[]).await.unwrap();
        let mut all = Vec::new();
        loop {
            let rows = transaction.query_portal(&portal, 3).await.unwrap();
            if rows.is_empty() {
                break;
            }
            all.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        }
        assert_eq!(all, ["m1", "m2", "m3", "m4"]);
        transaction.commit().await.unwrap();
    });
}

#[test]
fn errors_have_sqlstate_code_hint_and_place() {
    let server = Postgres::shop();
    let it = local(&server);
    let failure = |sql: &str| {
        let error = it.wait(it.client.simple_query(sql)).expect_err(sql);
        error.as_db_error().unwrap_or_else(|| panic!("{error:?}")).clone()
    };
    let error = failure("SELECT id\nFROM moveis");
    assert_eq!(error.code(), &SqlState::UNDEFINED_TABLE);
    assert_eq!(error.detail(), Some("TasteDB error TD0201"));
    assert!(error.message().contains("movies"), "{error}");
    let at = tokio_postgres::error::ErrorPosition::Original(16);
    assert_eq!(error.position(), Some(&at));
    let second = failure("SELECT 1; SELEC 2");
    assert_eq!(second.code(), &SqlState::SYNTAX_ERROR);
    let at = tokio_postgres::error::ErrorPosition::Original(11);
    assert_eq!(second.position(), Some(&at));
    for (sql, code) in [
        ("SELECT nope FROM movies", SqlState::UNDEFINED_COLUMN),
        ("INSERT INTO people VALUES ('u1', 'NO')", SqlState::UNIQUE_VIOLATION),
        ("INSERT INTO likes VALUES ('nobody', 'm1', NULL)", SqlState::FOREIGN_KEY_VIOLATION),
        (
            "CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user')",
            SqlState::DUPLICATE_OBJECT,
        ),
        ("SELECT 1 / 0", SqlState::DATA_EXCEPTION),
        ("SAVEPOINT s", SqlState::NO_ACTIVE_SQL_TRANSACTION),
        ("TRUNCATE people", SqlState::FEATURE_NOT_SUPPORTED),
        ("RECOMMEND movies FOR USER 'nobody'", SqlState::NO_DATA),
        ("TRAIN MODEL nope", SqlState::UNDEFINED_OBJECT),
    ] {
        let error = failure(sql);
        assert_eq!(error.code(), &code, "{sql}: {error}");
    }
    // The connection goes on.
    assert!(it.wait(it.client.simple_query("SELECT 1")).is_ok());
}

#[test]
fn simple_queries_and_settings() {
    let server = Postgres::shop();
    let it = local(&server);
    it.wait(async {
        let messages = it
            .client
            .simple_query("SET application_name = 'tests'; SHOW application_name; ; SELECT 1 AS one, NULL AS none;")
            .await
            .unwrap();
        let rows: Vec<Vec<Option<&str>>> = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at)).collect()),
                _ => None,
            })
            .collect();
        assert_eq!(rows, [vec![Some("tests")], vec![Some("1"), None]]);
        let row = it.client.query_one("SHOW server_version", &[]).await.unwrap();
        assert!(row.get::<_, &str>(0).starts_with("15.0 (TasteDB "));
        let row = it
            .client
            .query_one("SELECT current_user, current_database(), current_schema()", &[])
            .await
            .unwrap();
        let told: Vec<&str> = (0..3).map(|at| row.get(at)).collect();
        assert_eq!(told, ["ann", "shop", "public"]);
        assert!(it.client.simple_query("SET DateStyle = 'German'").await.is_err());
        it.client.batch_execute("DISCARD ALL").await.unwrap();
        let statement = it.client.prepare("SELECT 1").await.unwrap();
        drop(statement);
        it.client.batch_execute("").await.unwrap();
    });
}

#[test]
fn copy_in_and_out() {
    let server = Postgres::shop();
    let it = local(&server);
    it.wait(async {
        let sink = it.client.copy_in("COPY people FROM STDIN").await.unwrap();
        pin_mut!(sink);
        sink.send(axum::body::Bytes::from_static(b"c1\tNO\nc2\t\\")).await.unwrap();
        sink.send(axum::body::Bytes::from_static(b"N\nc3\ta\\tb\n")).await.unwrap();
        assert_eq!(sink.finish().await.unwrap(), 3);
        let read = it
            .client
            .copy_out("COPY (SELECT id, country FROM people WHERE id LIKE 'c%' ORDER BY id) TO STDOUT")
            .await
            .unwrap();
        let chunks: Vec<axum::body::Bytes> = read.try_collect().await.unwrap();
        let text: Vec<u8> = chunks.concat();
        assert_eq!(String::from_utf8(text).unwrap(), "c1\tNO\nc2\t\\N\nc3\ta\\tb\n");
        assert_eq!(chunks.len(), 3, "one message for each row");
        let read = it
            .client
            .copy_out("COPY (RECOMMEND id, rank FROM movies FOR USER 'u1' WHERE year > 2000 LIMIT 2) TO STDOUT WITH (FORMAT csv, HEADER)")
            .await
            .unwrap();
        let chunks: Vec<axum::body::Bytes> = read.try_collect().await.unwrap();
        assert_eq!(String::from_utf8(chunks.concat()).unwrap(), "id,rank\nm3,1\n");
        // A row that is wrong: nothing of the COPY stays, and the connection goes on.
        let sink = it.client.copy_in("COPY people FROM STDIN (FORMAT csv)").await.unwrap();
        pin_mut!(sink);
        sink.send(axum::body::Bytes::from_static(b"d1,NO\nd2\n")).await.unwrap();
        let error = sink.finish().await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::BAD_COPY_FILE_FORMAT), "{error:?}");
        let row = it.client.query_one("SELECT count(*) FROM people WHERE id LIKE 'd%'", &[]).await;
        assert_eq!(row.unwrap().get::<_, i64>(0), 0);
        let error = it.client.copy_in::<_, axum::body::Bytes>("COPY nothing FROM STDIN").await;
        assert!(error.is_err());
        assert!(it.client.simple_query("SELECT 1").await.is_ok());
    });
}

#[test]
fn a_statement_is_cancelled_from_another_connection_and_by_its_time() {
    let server = Postgres::shop();
    let it = local(&server);
    let endless = "SELECT count(*) FROM (SELECT unnest(range(1, 2000000)) AS a) a, (SELECT unnest(range(1, 2000000)) AS b) b WHERE a.a % 7 = b.b % 5";
    it.wait(async {
        let token = it.client.cancel_token();
        let began = Instant::now();
        let cancel = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            token.cancel_query(NoTls).await
        });
        let error = it.client.simple_query(endless).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
        cancel.await.unwrap().unwrap();
        it.client.batch_execute("SET statement_timeout = '200ms'").await.unwrap();
        let error = it.client.simple_query(endless).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
        assert_eq!(error.as_db_error().unwrap().detail(), Some("TasteDB error TD1007"));
        assert!(began.elapsed() < Duration::from_secs(20));
        it.client.batch_execute("RESET statement_timeout").await.unwrap();
        assert!(it.client.simple_query("SELECT 1").await.is_ok());
    });
}

#[test]
fn remarks_of_a_statement_are_notices() {
    let server = Postgres::shop();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = runtime.block_on(async {
        let config = format!("host=127.0.0.1 port={} user=ann dbname=shop", server.port);
        let (client, mut connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        let messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
        let notices = tokio::spawn(async move {
            let mut told = Vec::new();
            pin_mut!(messages);
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notice(notice) = message {
                    told.push(notice.message().to_owned());
                }
            }
            told
        });
        client.batch_execute("TRAIN MODEL taste").await.unwrap();
        drop(client);
        notices.await.unwrap()
    });
    assert!(told.iter().any(|notice| notice.contains("model `taste` version 2")), "{told:?}");
}

#[test]
fn a_recommend_does_not_wait_for_a_training() {
    let server = Postgres::shop();
    let (busy, asking) = (local(&server), local(&server));
    // Enough for a training that takes a while, on any machine.
    busy.wait(busy.client.batch_execute(
        "INSERT INTO people SELECT 'p' || n, 'NO' FROM (SELECT unnest(range(1, 1501)) AS n) a;
         INSERT INTO movies (id, title) SELECT 'x' || n, 'x' FROM (SELECT unnest(range(1, 1501)) AS n) a;
         INSERT INTO likes SELECT 'p' || a.n, 'x' || ((a.n * 31 + b.n * 17) % 1500 + 1), NULL
           FROM (SELECT unnest(range(1, 1501)) AS n) a, (SELECT unnest(range(1, 21)) AS n) b;
         CREATE MODEL slow USING bpr ON likes WITH (epochs = 60);",
    ))
    .unwrap();
    let training = std::thread::spawn(move || {
        let trained = busy.wait(busy.client.batch_execute("TRAIN MODEL slow"));
        (busy, trained)
    });
    let mut answers = 0;
    let mut slowest = Duration::ZERO;
    while !training.is_finished() {
        let began = Instant::now();
        let rows = asking
            .wait(asking.client.query("RECOMMEND movies FOR USER 'u1' USING taste LIMIT 2", &[]));
        assert_eq!(rows.unwrap().len(), 2);
        slowest = slowest.max(began.elapsed());
        answers += 1;
    }
    let (_busy, trained) = training.join().unwrap();
    trained.unwrap();
    assert!(answers > 3, "{answers} answers during the training");
    assert!(slowest < Duration::from_secs(2), "the slowest answer took {slowest:?}");
}
