//! Who may do what: keys, passwords, roles, what is refused.

use serde_json::{Value as Json, json};

use super::{SHOP, Served, database, tastedb};

/// Makes an account and returns what it printed.
fn made(path: &std::path::Path, arguments: &[&str]) -> String {
    let mut command = tastedb();
    command.args(["user", "add"]).arg(path).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A request for each role, the lowest that may.
fn requests(folder: &std::path::Path) -> Vec<(&'static str, String, Json, &'static str)> {
    let file = folder.join("written").display().to_string();
    let sql = |text: &str| ("POST", "/v1/sql".to_owned(), json!({ "sql": text }));
    let mut all = Vec::new();
    let mut add = |(method, path, body): (&'static str, String, Json), role| {
        all.push((method, path, body, role));
    };
    let at = |method, path: &str, body| (method, path.to_owned(), body);
    add(at("POST", "/v1/recommend", json!({"table": "movies", "for": {"user": "u1"}})), "read");
    add(at("POST", "/v1/similar", json!({"table": "movies", "item": "m1"})), "read");
    add(at("POST", "/v1/session", json!({"table": "movies", "items": ["m1"]})), "read");
    add(at("GET", "/api/recommend/u1", Json::Null), "read");
    add(at("GET", "/v1/tables", Json::Null), "read");
    add(at("GET", "/v1/tables/movies/rows/m1", Json::Null), "read");
    add(at("GET", "/v1/tables/people/rows/u1/history", Json::Null), "read");
    add(at("GET", "/v1/tables/movies/rows/m1/embeddings/look", Json::Null), "read");
    add(at("GET", "/v1/tables/movies/map?column=look", Json::Null), "read");
    add(at("GET", "/v1/models", Json::Null), "read");
    add(at("GET", "/v1/jobs", Json::Null), "read");
    add(at("GET", "/v1/forgets", Json::Null), "read");
    add(at("GET", "/metrics", Json::Null), "read");
    add(sql("SELECT 1"), "read");
    add(sql("EXPLAIN RECOMMEND movies FOR USER 'u1'"), "read");
    add(at("POST", "/v1/tables/likes/rows", json!({"user_id": "u1", "item_id": "m3"})), "write");
    add(at("PUT", "/v1/tables/movies/rows/m1", json!({"stock": 1})), "write");
    add(at("DELETE", "/v1/tables/movies/rows/m3", Json::Null), "write");
    add(at("DELETE", "/v1/tables/likes/interactions?user=u1", Json::Null), "write");
    add(
        at("PUT", "/v1/tables/movies/rows/m1/embeddings/look", json!({"vector": [1, 0, 0]})),
        "write",
    );
    add(at("DELETE", "/v1/tables/movies/rows/m1/embeddings/look", Json::Null), "write");
    add(at("POST", "/v1/models/taste/train", json!({})), "write");
    add(at("POST", "/v1/models/taste/refresh", json!({})), "write");
    add(at("POST", "/v1/forgets", json!({"table": "people", "key": "u3"})), "write");
    add(sql("INSERT INTO people VALUES ('u9', NULL)"), "write");
    add(sql("SELECT 1; DELETE FROM people WHERE id = 'u9'"), "write");
    add(at("POST", "/v1/models", json!({"name": "m", "on": ["likes"]})), "admin");
    add(at("DELETE", "/v1/models/m", Json::Null), "admin");
    add(at("POST", "/v1/backups", json!({"name": "b"})), "admin");
    add(at("POST", "/v1/backups/restore", json!({"from": "b", "to": "c"})), "admin");
    add(at("POST", "/v1/vacuum", Json::Null), "admin");
    add(sql("CREATE TABLE t (id TEXT PRIMARY KEY) WITH (role = 'item')"), "admin");
    add(sql(&format!("COPY (SELECT 1) TO '{file}.csv'")), "admin");
    add(sql("COPY movies FROM '/etc/passwd'"), "admin");
    add(sql(&format!("EXPORT DATABASE '{file}'")), "admin");
    add(sql(&format!("BACKUP DATABASE TO '{file}-too'")), "admin");
    all
}

#[test]
fn no_route_works_below_its_role() {
    let (folder, path) = database(SHOP);
    let roles = ["read", "write", "admin"];
    let keys = roles.map(|role| made(&path, &[role, "--role", role]));
    let mut served = Served::with(&path, "backups = 'backups'");
    for (method, path, body, needed) in requests(folder.path()) {
        let body = (!body.is_null()).then_some(&body);
        served.key = None;
        let (status, problem) = served.ask(method, &path, body);
        assert_eq!((status, &problem["code"]), (401, &json!("TD1001")), "{method} {path}");
        for (role, key) in roles.iter().zip(&keys) {
            if *role == needed {
                break;
            }
            served.key = Some(key.clone());
            let (status, problem) = served.ask(method, &path, body);
            let what = format!("{method} {path} {body:?} as {role}: {problem}");
            assert_eq!((status, &problem["code"]), (403, &json!("TD1002")), "{what}");
        }
    }
    assert!(!folder.path().join("written").exists() && !folder.path().join("written.csv").exists());
    // And each works with its role: nothing above was refused for another reason.
    for (method, path, body, needed) in requests(folder.path()) {
        let key = keys[roles.iter().position(|role| *role == needed).unwrap()].clone();
        served.key = Some(key);
        let body = (!body.is_null()).then_some(&body);
        let (status, problem) = served.ask(method, &path, body);
        assert!(
            ![401, 403].contains(&status) && status < 500,
            "{method} {path}: {status} {problem}"
        );
    }
    for public in ["/healthz", "/readyz", "/openapi.json", "/"] {
        served.key = None;
        assert!(!served.text(public).is_empty(), "{public}");
    }
}

#[test]
fn wrong_and_old_credentials_are_refused() {
    let (_folder, path) = database(SHOP);
    let key = made(&path, &["shop", "--role", "read"]);
    let old = made(&path, &["guest", "--expires", "0"]);
    let password = made(&path, &["ann", "--role", "read", "--password"]);
    let served = Served::new(&path);
    let ask = |headers: &[(&str, &str)]| served.send("GET", "/v1/tables", headers, None).0;
    assert_eq!(ask(&[("authorization", &format!("Bearer {key}"))]), 200);
    assert_eq!(ask(&[("x-api-key", &key)]), 200);
    assert_eq!(ask(&[("authorization", &format!("Bearer {key}x"))]), 401);
    assert_eq!(ask(&[("authorization", &format!("Bearer {old}"))]), 401, "expired");
    assert_eq!(ask(&[("authorization", "Bearer")]), 401);
    assert_eq!(ask(&[("authorization", "Negotiate x")]), 401);
    let basic = |pair: String| format!("Basic {}", base64(pair.as_bytes()));
    assert_eq!(ask(&[("authorization", &basic(format!("ann:{password}")))]), 200);
    assert_eq!(ask(&[("authorization", &basic("ann:wrong".into()))]), 401);
    assert_eq!(ask(&[("authorization", &basic(format!("bob:{password}")))]), 401);
    let log = served.log();
    assert!(!log.contains(&key) && !log.contains(&password), "{log}");
}

#[test]
fn accounts_change_while_it_runs() {
    let (_folder, path) = database(SHOP);
    let first = made(&path, &["first"]);
    let mut served = Served::new(&path);
    let second = made(&path, &["second"]);
    served.key = Some(second);
    assert_eq!(served.get("/v1/tables").0, 401, "not read yet");
    served.signal("-HUP");
    let mut known = false;
    for _ in 0..200 {
        known = served.get("/v1/tables").0 == 200;
        if known {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(known, "{}", served.log());
    // A file that is gone lets nobody in.
    std::fs::remove_file(path.join("accounts.json")).unwrap();
    served.signal("-HUP");
    std::thread::sleep(std::time::Duration::from_millis(200));
    served.key = None;
    assert_eq!(served.get("/v1/tables").0, 401);
    served.key = Some(first);
    assert_eq!(served.get("/v1/tables").0, 200, "the accounts stay");
}

#[test]
fn it_does_not_open_to_strangers_by_omission() {
    let (_folder, path) = database(SHOP);
    let mut command = tastedb();
    command.arg("serve").arg(&path).args(["--http", "0.0.0.0:0", "--pg", "off"]);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("TD1009") && said.contains("no accounts"), "{said}");
    // Without accounts a page of another site, in a browser on this machine, cannot ask.
    let served = Served::new(&path);
    let foreign = [("origin", "https://evil.example"), ("content-type", "text/plain")];
    let body = json!({"sql": "SELECT 1"}).to_string();
    assert_eq!(served.send("POST", "/v1/sql", &foreign, Some(&body)).0, 401);
    assert_eq!(served.send("GET", "/v1/tables", &[("host", "evil.example")], None).0, 401);
}

#[test]
fn accounts_are_made_listed_and_removed() {
    let (_folder, path) = database(SHOP);
    made(&path, &["shop", "--role", "write"]);
    let run = |arguments: &[&str]| {
        let mut command = tastedb();
        command.arg("user").arg(arguments[0]).arg(&path).args(&arguments[1..]);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(run(&["list"]).1, "shop\twrite\tkey\n");
    let (ok, _, said) = run(&["add", "shop"]);
    assert!(!ok && said.contains("TD1011"), "{said}");
    let (ok, _, said) = run(&["add", "x", "--role", "root"]);
    assert!(!ok && said.contains("TD1011") && said.contains("read, write or admin"), "{said}");
    assert!(run(&["password", "shop"]).0);
    assert_eq!(run(&["list"]).1, "shop\twrite\tkey, password\n");
    assert!(run(&["remove", "shop"]).0);
    assert_eq!(run(&["list"]).1, "");
    // The accounts are no part of the database: it is sound, and opens, beside them.
    let checked = tastedb().arg("check").arg(&path).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let all = chunk.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for n in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * n)) as usize & 63];
            out.push(if n <= chunk.len() { letter as char } else { '=' });
        }
    }
    out
}
