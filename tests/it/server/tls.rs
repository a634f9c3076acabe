//! TLS, with curl as the client and certificates made by openssl.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{SHOP, Served, database, tastedb};
use crate::support::skipped;

/// Makes a certificate for 127.0.0.1 that signs itself.
fn certificate(folder: &Path, name: &str) {
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
        .args(["-subj", "/CN=tastedb", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-keyout")
        .arg(folder.join(format!("{name}.key")))
        .arg("-out")
        .arg(folder.join(format!("{name}.crt")))
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
}

/// What curl says: the status, or 000 where there is no connection.
fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"])
        .args(arguments)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn both_ends_speak_tls_and_nothing_else() {
    let there = |name: &str| Command::new(name).arg("--version").output().is_ok();
    if !there("curl") || !there("openssl") {
        skipped("curl and openssl are not both installed");
        return;
    }
    let (folder, path) = database(SHOP);
    certificate(folder.path(), "server");
    certificate(folder.path(), "other");
    let served = Served::with(&path, "tls_certificate = 'server.crt'\ntls_key = 'server.key'");
    let url = format!("{}/healthz", served.url);
    assert!(url.starts_with("https://"), "{url}");
    let root = |name: &str| folder.path().join(name).display().to_string();
    assert_eq!(curl(&["--cacert", &root("server.crt"), &url]), "200");
    assert_eq!(curl(&["--cacert", &root("other.crt"), &url]), "000", "another's certificate");
    assert_eq!(curl(&[&url.replace("https", "http")]), "000", "no TLS");
    assert_eq!(
        curl(&["--cacert", &root("server.crt"), "--tls-max", "1.1", &url]),
        "000",
        "old TLS"
    );
    assert_eq!(curl(&["--cacert", &root("server.crt"), &url]), "200", "it goes on");
    // A new certificate is taken at SIGHUP; one that cannot be read leaves the old one.
    std::fs::copy(root("other.crt"), root("server.crt")).unwrap();
    std::fs::write(root("server.key"), "nonsense").unwrap();
    served.signal("-HUP");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(curl(&["-k", &url]), "200");
    std::fs::copy(root("other.key"), root("server.key")).unwrap();
    served.signal("-HUP");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(curl(&["--cacert", &root("other.crt"), &url]), "200");
    assert!(served.log().contains("TD1009"), "{}", served.log());
}

#[test]
fn a_certificate_that_is_none_is_told_before_it_listens() {
    let (folder, path) = database(SHOP);
    std::fs::write(folder.path().join("x.crt"), "nonsense").unwrap();
    std::fs::write(folder.path().join("x.key"), "nonsense").unwrap();
    let config = folder.path().join("server.toml");
    std::fs::write(&config, "tls_certificate = 'x.crt'\ntls_key = 'x.key'").unwrap();
    let mut command = tastedb();
    command.arg("serve").arg(&path).args(["--http", "0", "--config"]).arg(&config);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("TD1009") && said.contains("x.crt"),
        "{said}"
    );
}
