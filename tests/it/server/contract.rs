//! The server keeps to what its OpenAPI document says: schemathesis makes requests of it, right ones and
//! wrong ones, and no answer is a 5xx or unlike its schema.

use std::process::Command;

use super::{SHOP, Served, database};
use crate::support::{python, skipped};

/// Requests of each kind for each route.
const EXAMPLES: &str = "15";

#[test]
fn answers_are_what_the_document_says() {
    let Some(venv) = python("schemathesis", &["schemathesis==4.32.5"]) else {
        skipped("schemathesis cannot be installed here");
        return;
    };
    let (_folder, path) = database(SHOP);
    let served = Served::with(&path, "backups = 'backups'");
    let output = Command::new(venv.join("bin/schemathesis"))
        .arg("run")
        .arg(format!("{}/openapi.json", served.url))
        .args(["--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing", "--seed", "1"])
        .args(["--continue-on-failure", "--request-timeout", "60", "--suppress-health-check", "all"])
        .arg("--checks")
        .arg("not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance")
        .current_dir(path.parent().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", served.log());
    assert_eq!(served.get("/v1/tables").0, 200, "it goes on");
}
