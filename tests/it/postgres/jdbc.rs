//! pgJDBC, in a Java program that asserts by itself: simple and extended queries, binary values, batches,
//! metadata, portals in parts, cancel, COPY. Where Java or the driver is missing, that is said.

use std::path::Path;
use std::process::Command;

use super::Postgres;
use crate::support::skipped;

/// Where Debian's package puts the driver.
const DRIVER: &str = "/usr/share/java/postgresql.jar";

#[test]
fn pgjdbc_works() {
    let driver = std::env::var("TASTEDB_PGJDBC").unwrap_or_else(|_| DRIVER.to_owned());
    if !Path::new(&driver).exists() {
        return skipped(&format!("pgJDBC is not at {driver}"));
    }
    // A runtime without a compiler cannot run a source file.
    if !Command::new("javac").arg("-version").output().is_ok_and(|told| told.status.success()) {
        return skipped("there is no JDK");
    }
    let server = Postgres::shop();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/postgres/Jdbc.java");
    let output = Command::new("java")
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-Duser.timezone=America/St_Johns", "-cp"])
        .arg(&driver)
        .arg(program)
        .arg(server.port.to_string())
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.trim_end().ends_with("passed"), "{out}\n{err}");
}
