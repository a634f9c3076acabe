//! Jobs that somebody waits for: statements over `/v1/sql` and over PostgreSQL's protocol that take long.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio_postgres::error::SqlState;

use super::Served;
use crate::postgres::{Connected, Postgres, connect};

/// A database with a model whose training takes longer than anybody waits, and what is in the shop.
fn slow(config: &str) -> (TempDir, Postgres) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.taste");
    let mut session = tastedb::Database::open(&path).unwrap().session();
    session
        .execute(
            "CREATE TABLE people (id BIGINT PRIMARY KEY) WITH (role = 'user');
             CREATE TABLE movies (id BIGINT PRIMARY KEY) WITH (role = 'item');
             CREATE TABLE likes (user_id BIGINT REFERENCES people, item_id BIGINT REFERENCES movies)
               WITH (role = 'interaction');
             INSERT INTO people SELECT unnest(range(1, 401));
             INSERT INTO movies SELECT unnest(range(1, 401));
             INSERT INTO likes SELECT a.n, (a.n * 31 + b.n * 17) % 400 + 1
               FROM (SELECT unnest(range(1, 401)) AS n) a, (SELECT unnest(range(1, 11)) AS n) b;
             CREATE MODEL taste USING popular ON likes;
             TRAIN MODEL taste;
             CREATE MODEL endless USING bpr ON likes
               WITH (epochs = 1000000, patience = 1000000, validate_every = 1);",
        )
        .unwrap();
    drop(session);
    let server = Postgres::with(&path, config);
    (folder, server)
}

/// Waits until some job is as it should be; its report.
fn until(served: &Served, is: impl Fn(&Json) -> bool) -> Json {
    let began = Instant::now();
    loop {
        let (status, all) = served.get("/v1/jobs");
        assert_eq!(status, 200, "{all}");
        if let Some(found) = all.as_array().unwrap().iter().find(|job| is(job)) {
            return found.clone();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{all}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is(job: &Json, state: &str, kind: &str) -> bool {
    job["state"] == state && job["kind"] == kind
}

fn failure(it: &Connected, sql: &str) -> SqlState {
    let error = it.wait(it.client.batch_execute(sql)).expect_err(sql);
    error.code().unwrap_or_else(|| panic!("{error:?}")).clone()
}

#[test]
fn a_training_over_either_protocol_is_a_job() {
    let (_folder, server) = slow("max_jobs = 1\nstatement_timeout = 20");
    let served = &server.served;
    let it = connect(server.port, "user=ann").unwrap();
    it.wait(it.client.batch_execute("TRAIN MODEL taste")).unwrap();
    let (status, told) = served
        .post("/v1/sql", json!({"sql": "SELECT 1; EVALUATE taste ON likes METRICS recall(5)"}));
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["results"][1]["tag"], "EVALUATE 1", "{told}");
    let (_, jobs) = served.get("/v1/jobs");
    let told: Vec<[&Json; 3]> = jobs
        .as_array()
        .unwrap()
        .iter()
        .map(|job| [&job["state"], &job["statement"], &job["account"]])
        .collect();
    assert_eq!(
        told,
        [
            [&json!("done"), &json!("EVALUATE taste ON likes METRICS recall(5)"), &json!("local")],
            [&json!("done"), &json!("TRAIN MODEL taste"), &json!("ann")],
        ]
    );
    assert_eq!(jobs[1]["result"]["tag"], "TRAIN MODEL", "{jobs}");
    // What fails is told as it is everywhere.
    assert_eq!(failure(&it, "TRAIN MODEL nothing"), SqlState::UNDEFINED_OBJECT);
    let failed = until(served, |job| is(job, "failed", "TRAIN MODEL"));
    assert_eq!(failed["error"]["code"], "TD0203", "{failed}");
}

#[test]
fn whoever_waits_is_cancelled_by_the_job_and_waits_in_the_queue() {
    let (_folder, server) = slow("max_jobs = 1\nstatement_timeout = 60");
    let served = &server.served;
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let it = connect(server.port, "user=ann").unwrap();
            failure(&it, "TRAIN MODEL endless")
        });
        let running =
            until(served, |job| is(job, "running", "TRAIN MODEL") && job["stage"] == "epochs");
        let curve = until(served, |job| job["curve"].as_array().unwrap().len() > 2);
        let points = curve["curve"].as_array().unwrap();
        assert!(points.iter().all(|point| point["loss"].is_number()), "{curve}");
        assert!(points[0]["epoch"].as_u64() < points[1]["epoch"].as_u64(), "{curve}");
        // The second waits for its turn, over the other protocol.
        let second = scope.spawn(|| served.post("/v1/sql", json!({"sql": "REFRESH MODEL taste"})));
        let queued = until(served, |job| is(job, "queued", "REFRESH MODEL"));
        // A third is cancelled while it waits.
        let it = connect(server.port, "user=ann").unwrap();
        let third = scope.spawn(move || {
            it.wait(it.client.batch_execute("SET statement_timeout = '300ms'")).unwrap();
            failure(&it, "VACUUM")
        });
        assert_eq!(third.join().unwrap(), SqlState::QUERY_CANCELED);
        until(served, |job| is(job, "cancelled", "VACUUM"));
        // A transaction may hold what the others wait for, and does not wait itself.
        let it = connect(server.port, "user=ann").unwrap();
        let refused = failure(&it, "BEGIN; EVALUATE taste ON likes METRICS recall(5)");
        assert_eq!(refused, SqlState::from_code("53300"));
        // Answers go on.
        let ask = json!({"table": "movies", "for": {"user": 1}, "using": [{"model": "taste"}]});
        assert_eq!(served.post("/v1/recommend", ask).0, 200);
        assert_eq!(served.ask("DELETE", &format!("/v1/jobs/{}", running["id"]), None).0, 200);
        assert_eq!(first.join().unwrap(), SqlState::QUERY_CANCELED);
        let (status, told) = second.join().unwrap();
        assert_eq!(status, 200, "{told}");
        assert_eq!(served.finished(&queued)["state"], "done");
        assert_eq!(served.finished(&running)["state"], "cancelled");
    });
}

#[test]
fn a_client_that_goes_stops_its_job() {
    let (_folder, server) = slow("max_jobs = 1\nstatement_timeout = 1");
    let served = &server.served;
    // Its time is over.
    let (status, problem) = served.post("/v1/sql", json!({"sql": "TRAIN MODEL endless"}));
    assert_eq!((status, &problem["code"]), (408, &json!("TD1007")), "{problem}");
    until(served, |job| is(job, "cancelled", "TRAIN MODEL"));
    // It cancels by the protocol's own means.
    let it = connect(server.port, "user=ann").unwrap();
    let token = it.client.cancel_token();
    std::thread::scope(|scope| {
        let training = scope.spawn(|| failure(&it, "TRAIN MODEL endless"));
        let running = until(served, |job| is(job, "running", "TRAIN MODEL"));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(token.cancel_query(tokio_postgres::NoTls)).unwrap();
        assert_eq!(training.join().unwrap(), SqlState::QUERY_CANCELED);
        assert_eq!(served.finished(&running)["state"], "cancelled");
    });
    let it = connect(server.port, "user=ann").unwrap();
    it.wait(it.client.batch_execute("TRAIN MODEL taste")).unwrap();
}
