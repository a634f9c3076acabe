//! Killed under write load, again and again: what was acknowledged is there.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{Served, database};

const ROUNDS: usize = 50;
const WRITERS: usize = 4;

#[test]
fn every_acknowledged_write_is_there_after_a_kill() {
    let (_folder, path) =
        database("CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user')");
    let acknowledged = Mutex::new(Vec::<String>::new());
    for round in 0..ROUNDS {
        let mut served = Served::new(&path);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (served, over, acknowledged) = (&served, &over, &acknowledged);
                scope.spawn(move || {
                    let agent: ureq::Agent =
                        ureq::Agent::config_builder().http_status_as_error(false).build().into();
                    for n in 0.. {
                        if over.load(Ordering::Relaxed) {
                            return;
                        }
                        let key = format!("r{round}-w{writer}-{n}");
                        let body = json!({ "id": key }).to_string();
                        let url = format!("{}/v1/tables/people/rows", served.url);
                        // Once it is killed, nothing is acknowledged any more.
                        match agent.post(url).send(body) {
                            Ok(answer) if answer.status() == 200 => {
                                acknowledged.lock().unwrap().push(key);
                            }
                            Ok(answer) => panic!("{}", answer.status()),
                            Err(_) => return,
                        }
                    }
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(20 + 7 * (round as u64 % 10)));
            served.signal("-KILL");
            over.store(true, Ordering::Relaxed);
        });
        assert!(!served.wait(), "it was killed");
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > ROUNDS, "only {} writes were made", acknowledged.len());
    let database = tastedb::Database::open(&path).unwrap();
    let snapshot = database.snapshot();
    for key in &acknowledged {
        assert!(snapshot.get("people", key).unwrap().is_some(), "{key} is lost");
    }
    drop(snapshot);
    drop(database);
    let report = tastedb::Database::check(&path).unwrap();
    assert!(report.is_sound(), "{report:?}");
}
