//! Who may come in: passwords by SCRAM, roles, TLS, and how little a stranger can do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

use super::Postgres;
use super::driver::connect;
use crate::server::{SHOP, database, tastedb};
use crate::support::skipped;

/// Makes an account; its password.
fn account(path: &Path, name: &str, role: &str) -> String {
    let made = tastedb()
        .args(["user", "add"])
        .arg(path)
        .args([name, "--role", role, "--password"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(made.stdout).unwrap();
    let password = text.split_whitespace().last().unwrap();
    password.to_owned()
}

#[test]
fn a_password_opens_and_a_role_limits() {
    let (_folder, path) = database(SHOP);
    let reader = account(&path, "reader", "read");
    let writer = account(&path, "writer", "write");
    let server = Postgres::with(&path, "");
    let refused = |user: &str, password: &str| {
        let error = connect(server.port, &format!("user={user} password={password}"));
        let Err(error) = error else { panic!("{user} came in") };
        assert_eq!(error.code(), Some(&SqlState::INVALID_PASSWORD), "{error:?}");
    };
    refused("reader", "wrong");
    refused("nobody", &reader);
    refused("writer", &reader);
    let it = connect(server.port, &format!("user=reader password={reader}")).unwrap();
    let code = |sql: &str| {
        let ran = it.wait(it.client.batch_execute(sql));
        ran.err().map(|error| error.code().unwrap_or_else(|| panic!("{error:?}")).clone())
    };
    assert_eq!(code("SELECT * FROM movies; RECOMMEND movies FOR USER 'u1'; SHOW MODELS"), None);
    for sql in [
        "INSERT INTO people VALUES ('x', 'NO')",
        "DELETE FROM people",
        "TRAIN MODEL taste",
        "COPY people FROM STDIN",
        "DROP TABLE likes",
        "COPY people TO '/tmp/should-not-be.csv'",
        "BACKUP DATABASE TO '/tmp/should-not-be'",
    ] {
        assert_eq!(code(sql), Some(SqlState::INSUFFICIENT_PRIVILEGE), "{sql}");
        let prepared = it.wait(it.client.prepare(sql)).err();
        if let Some(error) = prepared {
            assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}");
        }
    }
    let it = connect(server.port, &format!("user=writer password={writer}")).unwrap();
    it.wait(it.client.batch_execute("INSERT INTO people VALUES ('x', 'NO')")).unwrap();
    let error = it.wait(it.client.batch_execute("DROP TABLE likes")).unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    let log = server.log();
    assert!(!log.contains(&reader) && !log.contains(&writer), "no password is logged");
}

#[test]
fn tls_is_taken_up_when_it_is_asked_for() {
    let (folder, path) = database(SHOP);
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args(["-days", "2", "-subj", "/CN=localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        return skipped("there is no openssl to make a certificate with");
    }
    let config =
        format!("tls_certificate = '{}'\ntls_key = '{}'", certificate.display(), key.display());
    let server = Postgres::with(&path, &config);
    let ask = |mode: &str| {
        Command::new("psql")
            .args(["-XAtq", "-c", "SELECT count(*) FROM movies"])
            .arg(format!(
                "host=localhost hostaddr=127.0.0.1 port={} user=ann dbname=shop sslmode={mode} sslrootcert={}",
                server.port,
                certificate.display()
            ))
            .output()
    };
    let Ok(output) = ask("require") else {
        return skipped("there is no psql");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "4");
    let verified = ask("verify-ca").unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    assert!(ask("disable").unwrap().status.success(), "on this machine it may be without");
    // Bytes that come before TLS has begun are not taken as protected.
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let mut bytes = vec![0, 0, 0, 8, 4, 210, 22, 47];
    bytes.extend_from_slice(b"\0\0\0\x11\0\x03\0\0user\0ann\0\0");
    stream.write_all(&bytes).unwrap();
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.contains(&b'Z'), "no session began");
}

#[test]
fn a_stranger_has_little_time_and_little_room() {
    let (_folder, path) = database(SHOP);
    let password = account(&path, "reader", "read");
    let mut server = Postgres::with(&path, "body_timeout = 1.0\nmax_connections = 4");
    let began = Instant::now();
    let mut slow = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    slow.write_all(b"\0\0").unwrap();
    let mut rest = Vec::new();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = slow.read_to_end(&mut rest);
    assert!(began.elapsed() < Duration::from_secs(10), "it was let go");
    // A packet larger than a stranger may send.
    let mut large = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    large.write_all(&[0x7f, 0, 0, 0, 0, 3, 0, 0]).unwrap();
    large.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = large.read_to_end(&mut rest);
    let login = format!("user=reader password={password}");
    let places: Vec<_> = (0..4).map(|_| connect(server.port, &login)).collect();
    let error = connect(server.port, &login).err();
    let error = error.expect("there is no fifth place");
    assert_eq!(error.code(), Some(&SqlState::TOO_MANY_CONNECTIONS), "{error:?}");
    drop(places);
    std::thread::sleep(Duration::from_millis(500));
    assert!(connect(server.port, &login).is_ok(), "places come back");
    assert!(server.is_alive());
}
