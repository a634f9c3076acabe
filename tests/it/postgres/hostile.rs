//! Bytes that are no messages, and messages in no order: each connection ends or goes on, the server stays.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::Postgres;
use super::driver::local;

/// A startup and some messages as a client would send them.
fn session() -> Vec<u8> {
    let mut bytes = packet(None, b"\0\x03\0\0user\0ann\0database\0shop\0\0");
    for (kind, body) in [
        (b'Q', b"SELECT id, look FROM movies\0".as_slice()),
        (b'P', b"s\0SELECT title FROM movies WHERE id = $1\0\0\x01\0\0\0\x19"),
        (b'D', b"Ss\0"),
        (b'B', b"\0s\0\0\x01\0\0\0\x01\0\0\0\x02m1\0\x01\0\x01"),
        (b'D', b"P\0"),
        (b'E', b"\0\0\0\0\x01"),
        (b'C', b"Ss\0"),
        (b'H', b""),
        (b'S', b""),
        (b'Q', b"COPY people FROM STDIN\0"),
        (b'd', b"h1\tNO\n"),
        (b'f', b"enough\0"),
        (b'Q', b"BEGIN; SELECT 1/0\0"),
        (b'F', b"\0\0\0\x01"),
        (b'S', b""),
    ] {
        bytes.extend(packet(Some(kind), body));
    }
    bytes
}

fn packet(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = kind.into_iter().collect();
    let length = i32::try_from(body.len() + 4).unwrap();
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Sends bytes, ends, and reads what comes.
fn send(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may have hung up in the middle.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn nothing_that_is_sent_brings_the_server_down() {
    let mut server = Postgres::shop();
    let good = session();
    let answer = send(server.port, &good);
    assert!(answer.iter().filter(|byte| **byte == b'Z').count() >= 4, "{answer:?}");
    let mutated = (
        prop::collection::vec((0..good.len(), any::<u8>()), 0..12),
        0..good.len(),
        prop::collection::vec(any::<u8>(), 0..40),
    );
    let startup = packet(None, b"\0\x03\0\0user\0ann\0\0");
    let noise = (prop::collection::vec(any::<u8>(), 0..400), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 150, ..Config::default() });
    let port = server.port;
    runner
        .run(&mutated, |(changes, cut, tail)| {
            let mut bytes = good.clone();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            bytes.truncate(cut);
            bytes.extend(tail);
            send(port, &bytes);
            Ok(())
        })
        .unwrap();
    runner
        .run(&noise, |(noise, begun)| {
            let mut bytes = if begun { startup.clone() } else { Vec::new() };
            bytes.extend(noise);
            send(port, &bytes);
            Ok(())
        })
        .unwrap();
    assert!(server.is_alive(), "{}", server.log());
    assert!(!server.log().contains("panicked"), "{}", server.log());
    let it = local(&server);
    let row = it.wait(it.client.query_one("SELECT count(*) FROM movies", &[])).unwrap();
    assert_eq!(row.get::<_, i64>(0), 4);
}

#[test]
fn messages_in_no_order_are_errors_and_the_connection_goes_on() {
    let server = Postgres::shop();
    let mut bytes = packet(None, b"\0\x03\0\0user\0ann\0\0");
    for (kind, body) in [
        (b'E', b"nothing\0\0\0\0\0".as_slice()),
        (b'S', b""),
        (b'B', b"\0nothing\0\0\0\0\0\0\0"),
        (b'P', b"a\0SELECT 1; SELECT 2\0\0\0"),
        (b'S', b""),
        (b'P', b"a\0SELECT $1::int\0\0\0"),
        (b'B', b"\0a\0\0\0\0\0\0\0"),
        (b'S', b""),
        (b'c', b""),
        (b'Q', b"SELECT 'still here'\0"),
    ] {
        bytes.extend(packet(Some(kind), body));
    }
    let answer = send(server.port, &bytes);
    let text = String::from_utf8_lossy(&answer);
    for part in ["34000", "26000", "08P01", "still here"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
