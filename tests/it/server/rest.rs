//! REST: what each route does, and what it says when something is wrong.

use serde_json::{Value as Json, json};

use super::{SHOP, Served, database};

fn ids(answer: &Json) -> Vec<&str> {
    let rows = answer["rows"].as_array().unwrap_or_else(|| panic!("no rows: {answer}"));
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn a_click_changes_the_next_answer() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    let ask = json!({
        "table": "movies", "for": {"user": "u1"}, "using": [{"model": "taste"}],
        "columns": ["id", "score"], "limit": 4,
    });
    let (status, before) = served.post("/v1/recommend", ask.clone());
    assert_eq!(status, 200, "{before}");
    assert_eq!(ids(&before)[0], "m4");
    let (status, written) = served.post(
        "/v1/tables/likes/rows",
        json!({"user_id": "u1", "item_id": "m4", "at": "2024-06-01"}),
    );
    assert_eq!((status, &written["affected"]), (200, &json!(1)), "{written}");
    let (_, after) = served.post("/v1/recommend", ask);
    assert_eq!(ids(&after), ["m3"], "what was seen is left out");
}

#[test]
fn every_clause_of_a_recommendation_is_a_member() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    let (status, answer) = served.post(
        "/v1/recommend",
        json!({
            "table": "movies",
            "for": {"user": "u3", "likes": ["m1"]},
            "using": [{"model": "taste", "weight": 0.8}, {"model": "popular", "weight": 0.2}],
            "columns": ["rank", "id", "title", "score", "source", "propensity"],
            "where": "stock > $1 -- a comment\n AND year < 2020",
            "having": "count(DISTINCT year) >= 1",
            "diversify": {"by": "look", "strength": 0.2},
            "explore": {"share": 0.1},
            "limit_by": {"count": 1, "columns": ["year"]},
            "limit": 2, "offset": 0,
            "with": {"seed": 7},
            "params": [0],
        }),
    );
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["rows"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["rows"][0]["id"], "m4");
    for ask in [
        json!({"table": "movies", "for": {"session": ["m1", "m2"]}, "limit": 2}),
        json!({"table": "movies", "for": {"vector": {"look": [1.0, 0.0, 0.0]}}, "limit": 2}),
        json!({"table": "movies", "for": {"item": "m1"}, "order_by": "year DESC", "limit": 2}),
        json!({"table": "movies", "for": {"user": "u1"}, "with": {"seen": "include"}}),
    ] {
        let (status, answer) = served.post("/v1/recommend", ask.clone());
        assert_eq!(status, 200, "{ask}: {answer}");
        assert!(!answer["rows"].as_array().unwrap().is_empty(), "{ask}: {answer}");
    }
    let (status, similar) =
        served.post("/v1/similar", json!({"table": "movies", "item": "m1", "limit": 2}));
    assert_eq!((status, similar["rows"].as_array().unwrap().len()), (200, 2), "{similar}");
    let (status, session) =
        served.post("/v1/session", json!({"table": "movies", "items": ["m1"], "limit": 1}));
    assert_eq!(status, 200, "{session}");
    let (status, keys) = served.get("/api/recommend/u1?n=1&where=stock%20%3E%200");
    assert_eq!((status, &keys), (200, &json!(["m4"])));
}

#[test]
fn a_mistake_in_a_clause_is_told_at_its_place() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    let (status, problem) = served.post(
        "/v1/recommend",
        json!({"table": "movies", "for": {"user": "u1"}, "where": "stock > 0\n AND yaer = 1995"}),
    );
    assert_eq!((status, &problem["code"]), (404, &json!("TD0202")), "{problem}");
    let place = json!({"line": 2, "column": 6, "end_line": 2, "end_column": 10, "field": "where"});
    assert_eq!(problem["place"], place, "{problem}");
    assert_eq!(problem["type"], "urn:tastedb:error:TD0202");
    assert!(problem["detail"].as_str().unwrap().contains("yaer"));
}

#[test]
fn clauses_and_names_cannot_become_statements() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    for ask in [
        json!({"table": "movies", "for": {"user": "u1"}, "where": "1=1); DELETE FROM movies; --"}),
        json!({"table": "movies", "for": {"user": "u1"}, "order_by": "year; DROP TABLE movies"}),
        json!({"table": "movies\"; DROP TABLE movies; --", "for": {"user": "u1"}}),
        json!({"table": "movies", "for": {"user": "'; DROP TABLE movies; --"}}),
        json!({"table": "movies", "for": {"user": "u1"}, "columns": ["id FROM movies; VACUUM; --"]}),
        json!({"table": "movies", "for": {"user": "u1"}, "with": {"seed) ; VACUUM; --": 1}}),
    ] {
        let (status, problem) = served.post("/v1/recommend", ask.clone());
        assert!((400..500).contains(&status), "{ask}: {status} {problem}");
    }
    assert_eq!(served.get("/v1/tables/movies").1["rows"], 4);
}

#[test]
fn rows_come_and_go() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    let lines =
        "{\"id\":\"m5\",\"title\":\"Alien\",\"year\":1979}\n\n{\"id\":\"m1\",\"stock\":9}\n";
    let kind = [("content-type", "application/x-ndjson")];
    let (status, written) = served.send("POST", "/v1/tables/movies/rows", &kind, Some(lines));
    assert_eq!((status, &written["affected"]), (200, &json!(2)), "{written}");
    let (_, row) = served.get("/v1/tables/movies/rows/m1");
    assert_eq!((&row["title"], &row["stock"]), (&json!("Heat"), &json!(9)), "others stay");
    let put = json!({"title": "Aliens", "genres": ["space", "fear"], "look": [0, 0, 1]});
    let (status, _) = served.ask("PUT", "/v1/tables/movies/rows/m5", Some(&put));
    assert_eq!(status, 200);
    let (_, row) = served.get("/v1/tables/movies/rows/m5");
    assert_eq!((&row["title"], &row["genres"]), (&json!("Aliens"), &json!(["space", "fear"])));
    let (status, embedding) = served.get("/v1/tables/movies/rows/m5/embeddings/look");
    assert_eq!((status, &embedding["vector"]), (200, &json!([0.0, 0.0, 1.0])));
    let vector = json!({"vector": [0.0, 1.0]});
    let (status, problem) =
        served.ask("PUT", "/v1/tables/movies/rows/m5/embeddings/look", Some(&vector));
    assert_eq!((status, &problem["code"]), (400, &json!("TD0304")), "{problem}");
    let vector = json!({"vector": [0.0, 1.0, 0.0]});
    let (status, _) = served.ask("PUT", "/v1/tables/movies/rows/m5/embeddings/look", Some(&vector));
    assert_eq!(status, 204);
    let (_, page) = served.get("/v1/tables/movies/rows?limit=2&after=m1");
    assert_eq!(ids(&page), ["m2", "m3"]);
    let (_, history) = served.get("/v1/tables/people/rows/u2/history?limit=2");
    assert_eq!(history["rows"][0]["item_id"], "m4", "{history}");
    let (status, gone) = served.ask("DELETE", "/v1/tables/movies/rows/m5", None);
    assert_eq!((status, &gone["affected"]), (200, &json!(1)), "{gone}");
    assert_eq!(served.get("/v1/tables/movies/rows/m5").0, 404);
    assert_eq!(served.ask("DELETE", "/v1/tables/movies/rows/m5", None).0, 404);
    let (status, gone) =
        served.ask("DELETE", "/v1/tables/likes/interactions?user=u2&item=m4", None);
    assert_eq!((status, &gone["affected"]), (200, &json!(1)), "{gone}");
}

#[test]
fn a_batch_is_written_whole_or_not_at_all() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    let batch = json!([
        {"user_id": "u1", "item_id": "m3"},
        {"user_id": "u1", "item_id": "nothing"},
    ]);
    let (status, problem) = served.post("/v1/tables/likes/rows", batch);
    assert_eq!((status, &problem["row"]), (404, &json!(1)), "{problem}");
    assert_eq!(served.get("/v1/tables/likes").1["rows"], 6);
}

#[test]
fn a_repeated_request_is_carried_out_once() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    let headers = [("content-type", "application/json"), ("idempotency-key", "order-1")];
    let send = |body| served.send("POST", "/v1/tables/likes/rows", &headers, Some(body));
    let body = "{\"user_id\":\"u3\",\"item_id\":\"m1\"}";
    assert_eq!(send(body), (200, json!({"affected": 1})));
    assert_eq!(send(body), (200, json!({"affected": 1})));
    assert_eq!(served.get("/v1/tables/likes").1["rows"], 7, "written once");
    let (status, problem) = send("{\"user_id\":\"u3\",\"item_id\":\"m2\"}");
    assert_eq!((status, &problem["code"]), (409, &json!("TD1010")), "{problem}");
}

#[test]
fn a_training_is_a_job() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    let new = json!({"name": "second", "algorithm": "item_knn", "on": ["likes"], "with": {"k": 5}});
    let (status, made) = served.post("/v1/models", new);
    assert_eq!(status, 201, "{made}");
    let (status, job) = served.post("/v1/models/second/train", json!({}));
    assert_eq!(status, 202, "{job}");
    let report = served.finished(&job);
    assert_eq!(report["state"], "done", "{report}");
    let (_, model) = served.get("/v1/models/second");
    assert_eq!(model["name"], "second", "{model}");
    assert_eq!(served.get("/v1/models/second/training").0, 200);
    let events = served.text(&format!("/v1/jobs/{}/events", job["id"]));
    assert!(events.contains("event: job") && events.contains("\"state\":\"done\""), "{events}");
    let held = "CREATE TABLE held (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies)
        WITH (role = 'interaction'); INSERT INTO held VALUES ('u1', 'm4'), ('u3', 'm1')";
    assert_eq!(served.post("/v1/sql", json!({ "sql": held })).0, 200);
    let asked = json!({"models": ["second", "popular"], "on": "held", "metrics": ["recall(2)"]});
    let (status, job) = served.post("/v1/evaluate", asked);
    assert_eq!(status, 202, "{job}");
    let report = served.finished(&job);
    assert_eq!(report["state"], "done", "{report}");
    assert!(!report["result"]["rows"].as_array().unwrap().is_empty(), "{report}");
    let (status, job) = served.post("/v1/models/second/refresh", json!({}));
    assert_eq!((status, served.finished(&job)["state"].clone()), (202, json!("done")));
    assert_eq!(served.ask("DELETE", "/v1/models/second", None).0, 204);
    assert_eq!(served.get("/v1/models/second").0, 404);
    assert_eq!(served.get("/v1/jobs/999").1["code"], "TD1012");
    assert_eq!(served.post("/v1/models/nothing/train", json!({})).0, 404);
}

#[test]
fn a_person_is_forgotten_with_a_receipt() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    let (status, ticket) = served.post("/v1/forgets", json!({"table": "people", "key": "u2"}));
    assert_eq!(status, 202, "{ticket}");
    let id = ticket["ticket"].as_str().unwrap().to_owned();
    let (status, job) = served.post("/v1/vacuum", json!(null));
    let done = served.finished(&job);
    assert_eq!((status, done["state"].as_str()), (202, Some("done")), "{done}");
    let (status, receipt) = served.ask("POST", &format!("/v1/forgets/{id}/verify"), None);
    assert_eq!(status, 200, "{receipt}");
    assert!(!receipt["rows"].as_array().unwrap().is_empty());
    let (_, state) = served.get(&format!("/v1/forgets/{id}"));
    assert_eq!(state["state"], "verified", "{state}");
    assert_eq!(served.get("/v1/forgets").1["rows"].as_array().unwrap().len(), 1);
    assert_eq!(served.post("/v1/forgets", json!({"table": "people", "key": "u2"})).0, 404);
    assert_eq!(served.ask("POST", "/v1/forgets/f_99/verify", None).1["code"], "TD0216");
}

#[test]
fn statements_answer_as_json_and_as_arrow() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    let asked = json!({"sql": "SELECT id, year FROM movies WHERE year < $1 ORDER BY id; SHOW TABLES",
        "params": [1996]});
    let (status, answer) = served.post("/v1/sql", asked);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["results"][0]["rows"],
        json!([{"id": "m1", "year": 1995}, {"id": "m4", "year": 1981}])
    );
    assert_eq!(answer["results"][0]["columns"][1]["name"], "year");
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    let (status, problem) = served.post("/v1/sql", json!({"sql": "SELECT * FROM moveis"}));
    assert_eq!((status, &problem["code"]), (404, &json!("TD0201")));
    assert_eq!(problem["place"]["column"], 15, "{problem}");
    let arrow = "application/vnd.apache.arrow.stream";
    let request = ureq::http::Request::post(format!("{}/v1/sql", served.url))
        .header("accept", arrow)
        .body(json!({"sql": "SELECT id FROM movies ORDER BY id"}).to_string())
        .unwrap();
    let mut response = ureq::run(request).unwrap();
    assert_eq!(response.headers()["content-type"], arrow);
    let bytes = response.body_mut().read_to_vec().unwrap();
    let reader =
        tastedb::arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 4);
}

#[test]
fn what_is_wrong_is_4xx_with_a_code() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    for (method, path, body, code) in [
        ("GET", "/v1/nothing", "", "TD1003"),
        ("PATCH", "/v1/recommend", "{}", "TD1003"),
        ("POST", "/v1/recommend", "", "TD1004"),
        ("POST", "/v1/recommend", "{", "TD1004"),
        ("POST", "/v1/recommend", "{\"table\":\"movies\"}", "TD1004"),
        ("POST", "/v1/recommend", "{\"table\":\"movies\",\"for\":{}}", "TD1004"),
        ("POST", "/v1/recommend", "{\"table\":\"movies\",\"for\":{\"user\":{}}}", "TD1004"),
        ("POST", "/v1/recommend", "{\"table\":\"x\",\"for\":{\"user\":\"u1\"}}", "TD0201"),
        ("POST", "/v1/recommend", "{\"table\":\"movies\",\"for\":{\"user\":\"nobody\"}}", "TD0701"),
        (
            "POST",
            "/v1/recommend",
            "{\"table\":\"movies\",\"for\":{\"user\":\"u1\"},\"limit\":-1}",
            "TD1004",
        ),
        (
            "POST",
            "/v1/recommend",
            "{\"table\":\"movies\",\"for\":{\"user\":\"u1\"},\"typo\":1}",
            "TD1004",
        ),
        ("GET", "/v1/tables/nothing", "", "TD0201"),
        ("GET", "/v1/tables/movies/rows?limit=many", "", "TD1004"),
        ("GET", "/v1/tables/likes/rows/1", "", "TD1004"),
        ("POST", "/v1/tables/movies/rows", "[1]", "TD1004"),
        ("POST", "/v1/tables/movies/rows", "{}", "TD1004"),
        ("POST", "/v1/tables/movies/rows", "{\"id\":\"m9\",\"year\":\"soon\"}", "TD0301"),
        ("POST", "/v1/tables/movies/rows", "{\"id\":\"m9\",\"look\":[1,2]}", "TD0304"),
        ("POST", "/v1/tables/movies/rows?on_conflict=error", "{\"id\":\"m1\"}", "TD0306"),
        ("POST", "/v1/sql", "{\"sql\":\"SELECT $2\",\"params\":[1]}", "TD0106"),
        ("POST", "/v1/sql", "{\"sql\":\"COPY movies FROM '/nothing/here.csv'\"}", "TD0401"),
        ("GET", "/v1/tables/movies/map?column=title", "", "TD0703"),
        ("POST", "/v1/backups", "{\"name\":\"x\"}", "TD1004"),
    ] {
        let body = (!body.is_empty()).then_some(body);
        let (status, problem) =
            served.send(method, path, &[("content-type", "application/json")], body);
        assert!((400..500).contains(&status), "{method} {path}: {status} {problem}");
        assert_eq!(problem["code"], code, "{method} {path} {body:?}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
}

#[test]
fn backups_are_made_and_restored_while_it_serves() {
    let (folder, path) = database(SHOP);
    let served = Served::with(&path, "backups = 'backups'");
    let (status, job) = served.post("/v1/backups", json!({"name": "monday"}));
    assert_eq!(status, 202, "{job}");
    let report = served.finished(&job);
    assert_eq!(report["state"], "done", "{report}");
    served.post("/v1/forgets", json!({"table": "people", "key": "u2"}));
    let (_, job) = served.post("/v1/backups/restore", json!({"from": "monday", "to": "tuesday"}));
    let report = served.finished(&job);
    assert_eq!(report["state"], "done", "{report}");
    assert_eq!(report["result"]["forgotten_again"], 1, "{report}");
    let restored = tastedb::Database::open(folder.path().join("backups/tuesday")).unwrap();
    assert_eq!(restored.snapshot().count("people").unwrap(), 2, "nobody comes back");
    for name in ["../x", "/x", "a/b", "", ".hidden", "x\u{0}"] {
        let (status, problem) = served.post("/v1/backups", json!({"name": name}));
        assert_eq!((status, &problem["code"]), (400, &json!("TD1004")), "{name}: {problem}");
    }
}

#[test]
fn an_embedding_is_mapped() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    let (status, map) = served.get("/v1/tables/movies/map?column=look&color=year");
    assert_eq!(status, 200, "{map}");
    assert_eq!(map["points"].as_array().unwrap().len(), 4);
    assert_eq!(map["points"][0]["value"], 1995);
}

#[test]
fn health_metrics_and_the_document_are_there() {
    let (_folder, path) = database(SHOP);
    let served = Served::new(&path);
    assert_eq!(served.text("/healthz"), "ok\n");
    assert_eq!(served.text("/readyz"), "ready\n");
    served.post("/v1/recommend", json!({"table": "movies", "for": {"user": "u1"}}));
    let metrics = served.text("/metrics");
    for line in [
        "tastedb_http_requests_total{method=\"POST\",route=\"/v1/recommend\",status=\"200\"} 1",
        "tastedb_statements_total{protocol=\"http\",statement=\"RECOMMEND\",code=\"none\"} 1",
        "tastedb_rows{name=\"movies\"} 4",
        "tastedb_model_version{name=\"taste\"} 1",
        "tastedb_connections{protocol=\"http\"} 1",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    let (status, document) = served.get("/openapi.json");
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let paths = document["paths"].as_object().unwrap();
    for path in ["/v1/recommend", "/v1/tables/{table}/rows", "/v1/sql", "/v1/jobs/{job}/events"] {
        assert!(paths.contains_key(path), "{path}");
    }
    let page = served.text("/");
    assert!(page.contains("<title>TasteDB"), "the console");
}
