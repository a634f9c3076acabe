//! Limits, slow clients, malformed requests, and a stop that finishes what runs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::{SHOP, Served, database};

fn raw(served: &Served, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(served.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may have closed it already, which is its right.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_too_large_or_too_long_is_refused() {
    let (_folder, path) = database(SHOP);
    let served = Served::with(&path, "max_body = 1000\nmax_rows = 3\nstatement_timeout = 0.3");
    let (status, problem) = served.post("/v1/sql", json!({"sql": "x".repeat(2000)}));
    assert_eq!((status, &problem["code"]), (413, &json!("TD1005")), "{problem}");
    let (status, problem) = served.post("/v1/sql", json!({"sql": "SELECT * FROM movies"}));
    assert_eq!((status, &problem["code"]), (422, &json!("TD1008")), "{problem}");
    let (status, problem) = served.post("/v1/sql", json!({ "sql": long() }));
    assert_eq!((status, &problem["code"]), (408, &json!("TD1007")), "{problem}");
    let (status, _) = served.post("/v1/sql", json!({"sql": "SELECT 1"}));
    assert_eq!(status, 200, "it goes on");
}

/// A query of some billion rows.
fn long() -> String {
    let tables: Vec<String> = (0..16).map(|n| format!("movies t{n}")).collect();
    format!("SELECT sum(t0.year + t15.year) AS n FROM {}", tables.join(", "))
}

#[test]
fn a_write_that_would_return_too_many_rows_changes_nothing() {
    let (_folder, path) = database(SHOP);
    let served = Served::with(&path, "max_rows = 2");
    let run = |sql: &str| served.post("/v1/sql", json!({ "sql": sql }));
    let count = |table: &str| {
        let (status, told) = run(&format!("SELECT count(*) AS n FROM {table}"));
        assert_eq!(status, 200, "{told}");
        told["results"][0]["rows"][0]["n"].as_u64().unwrap()
    };
    let before = (count("people"), count("movies"), count("likes"));
    for sql in [
        "INSERT INTO people VALUES ('a', 'NO'), ('b', 'NO'), ('c', 'NO') RETURNING id",
        "INSERT INTO people SELECT id || 'x', 'NO' FROM people RETURNING *",
        "INSERT INTO likes SELECT 'u3', id, NULL FROM movies WHERE id <> 'm3' RETURNING item_id",
        "UPDATE people SET country = 'DK' RETURNING id",
        "UPDATE likes SET at = NULL RETURNING user_id",
        "DELETE FROM people RETURNING id",
        "DELETE FROM likes RETURNING item_id",
        "DELETE FROM movies RETURNING forget_id() WITH (confirm = true)",
        "BEGIN; INSERT INTO people VALUES ('d', 'NO'); UPDATE people SET country = 'DK' RETURNING id; COMMIT",
    ] {
        let (status, problem) = run(sql);
        assert_eq!((status, &problem["code"]), (422, &json!("TD1008")), "{sql}: {problem}");
    }
    assert_eq!((count("people"), count("movies"), count("likes")), before);
    assert_eq!(
        run("SELECT id FROM people WHERE country = 'DK'").1["results"][0]["rows"],
        json!([])
    );
    let (status, told) = run("UPDATE people SET country = 'DK' WHERE id < 'u3' RETURNING id");
    assert_eq!((status, &told["results"][0]["affected"]), (200, &json!(2)), "{told}");
    // Whoever forgets is told of one ticket, however many rows go.
    let (status, told) =
        served.ask("DELETE", "/v1/tables/likes/interactions?user=u2&forget=true", None);
    assert_eq!((status, &told["affected"]), (200, &json!(3)), "{told}");
    assert!(told["ticket"].is_string(), "{told}");
}

#[test]
fn recommendations_do_not_queue_behind_statements() {
    let (_folder, path) = database(SHOP);
    let served = Served::with(&path, "max_statements = 1\nstatement_timeout = 7");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| served.post("/v1/sql", json!({ "sql": long() })));
        std::thread::sleep(Duration::from_millis(500));
        let second = scope.spawn(|| served.post("/v1/sql", json!({"sql": "SELECT 1"})));
        let ask = json!({"table": "movies", "for": {"user": "u1"}});
        assert_eq!(served.post("/v1/recommend", ask).0, 200, "it has a place of its own");
        let (status, problem) = second.join().unwrap();
        assert_eq!((status, &problem["code"]), (503, &json!("TD1006")), "{problem}");
        assert_eq!(first.join().unwrap().0, 408);
    });
}

#[test]
fn slow_and_malformed_requests_end() {
    let (_folder, path) = database(SHOP);
    let served = Served::with(&path, "body_timeout = 0.5");
    let host = served.url.trim_start_matches("http://");
    let head = format!("POST /v1/sql HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    let slow = raw(&served, format!("{head}content-length: 100\r\n\r\n{{").as_bytes());
    assert!(slow.starts_with("HTTP/1.1 408") && slow.contains("TD1005"), "{slow}");
    let slow = raw(&served, b"GET / HT");
    assert!(slow.is_empty() || slow.starts_with("HTTP/1.1 4"), "{slow}");
    for bytes in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"POST /v1/sql HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/sql HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let answer = raw(&served, bytes);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{bytes:?}: {answer}");
    }
    let huge = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let answer = raw(&served, huge.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(served.get("/v1/tables").0, 200, "it goes on");
}

#[test]
fn connections_beyond_the_limit_are_let_go() {
    let (_folder, path) = database(SHOP);
    let served = Served::with(&path, "max_connections = 2");
    let address = served.url.trim_start_matches("http://").to_owned();
    let held: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(&address).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(raw(&served, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"), "");
    drop(held);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(served.text("/healthz"), "ok\n");
}

#[test]
fn a_stop_finishes_what_runs_and_leaves_no_lock() {
    let (_folder, path) = database(SHOP);
    let mut served = Served::new(&path);
    assert_eq!(
        served.post("/v1/sql", json!({"sql": "INSERT INTO people VALUES ('u9', NULL)"})).0,
        200
    );
    served.signal("-TERM");
    assert!(served.wait(), "{}", served.log());
    let database = tastedb::Database::open(&path).unwrap();
    assert_eq!(database.snapshot().count("people").unwrap(), 4);
}

#[test]
fn a_recommendation_does_not_wait_for_a_training() {
    let rows: String = (0..400)
        .map(|n| format!("INSERT INTO people VALUES ('p{n}', NULL);"))
        .chain((0..400).map(|n| format!("INSERT INTO movies (id) VALUES ('i{n}');")))
        .chain((0..400).flat_map(|u| {
            (0..10).map(move |n| {
                format!("INSERT INTO likes VALUES ('p{u}','i{}',NULL);", (u * 7 + n * n * 13) % 400)
            })
        }))
        .collect();
    let script = format!(
        "{SHOP} BEGIN; {rows} COMMIT; CREATE MODEL long USING lightgcn ON likes WITH (epochs = 100000, patience = 1000, validate_every = 1000)"
    );
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("shop.taste");
    let mut session = tastedb::Database::open(&path).unwrap().session();
    session.execute(&script).unwrap();
    drop(session);
    let served = Served::new(&path);
    let (status, job) = served.post("/v1/models/long/train", json!({}));
    assert_eq!(status, 202, "{job}");
    let ask = json!({"table": "movies", "for": {"user": "p1"}, "using": [{"model": "taste"}]});
    for _ in 0..50 {
        assert_eq!(served.post("/v1/recommend", ask.clone()).0, 200);
    }
    let id = job["id"].as_u64().unwrap();
    let (_, report) = served.get(&format!("/v1/jobs/{id}"));
    assert_eq!(report["state"], "running", "{report}");
    let (status, _) = served.ask("DELETE", &format!("/v1/jobs/{id}"), None);
    assert_eq!(status, 200);
    assert_eq!(served.finished(&job)["state"], "cancelled");
}

#[test]
fn logs_hold_no_keys_of_people() {
    let (_folder, path) = database(SHOP);
    let served = Served::with(&path, "log_json = true");
    served.get("/v1/tables/people/rows/u1/history");
    served.get("/api/recommend/u1");
    served.post("/v1/recommend", json!({"table": "movies", "for": {"user": "u1"}}));
    served.post("/v1/sql", json!({"sql": "SELECT * FROM people WHERE id = 'u1'; nonsense u1"}));
    std::thread::sleep(Duration::from_millis(200));
    let log = served.log();
    assert!(log.contains("/v1/tables/{table}/rows/{key}/history"), "{log}");
    assert!(!log.contains("u1"), "{log}");
}
