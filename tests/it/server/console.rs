//! The console: the page is what its sources give, and does in headless Chromium what it is there for.
//!
//! Both need Node and npm, and the clicks Chromium; where something is missing the test says so and ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{Served, tastedb};
use crate::support::skipped;

/// Besides what the demonstration makes: a model with a learning curve, and two that are not trained: one takes a
/// while, the curve of the other grows until somebody stops it.
const MODELS: &str = "
CREATE MODEL walk USING lightgcn ON ratings WITH (factors = 8, epochs = 10);
TRAIN MODEL walk;
CREATE MODEL slow USING graph_filter ON ratings;
CREATE MODEL endless USING bpr ON ratings
  WITH (epochs = 1000000, patience = 1000000, validate_every = 1);
";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn run(command: &mut Command) -> Option<Output> {
    command.stdin(Stdio::null()).output().ok()
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// Whether a folder with a package.json has what it needs, which is installed where it is missing.
fn ready(folder: &Path) -> bool {
    let npm = |arguments: &[&str]| run(Command::new("npm").args(arguments).current_dir(folder));
    let node = run(Command::new("node").arg("--version"));
    if node.is_none() || npm(&["--version"]).is_none() {
        skipped("node or npm is not there");
        return false;
    }
    if npm(&["ls"]).is_some_and(|listed| listed.status.success()) {
        return true;
    }
    match npm(&["ci", "--no-audit", "--no-fund"]) {
        Some(done) if done.status.success() => true,
        done => {
            let why = done.as_ref().map(text).unwrap_or_default();
            skipped(&format!("npm cannot install what {} needs: {why}", folder.display()));
            false
        }
    }
}

fn has_chromium() -> bool {
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    std::env::var_os("CHROMIUM").is_some() || usual.iter().any(|path| Path::new(path).exists())
}

#[test]
fn the_page_is_what_its_sources_give() {
    let sources = folder("src/server/http/console");
    if !ready(&sources) {
        return;
    }
    let check = run(Command::new("npm").args(["run", "check"]).current_dir(&sources)).unwrap();
    assert!(check.status.success(), "{}", text(&check));
}

#[test]
fn the_console_does_what_it_is_there_for() {
    let clicks = folder("tests/console");
    if !has_chromium() {
        return skipped("chromium is not there");
    }
    if !ready(&clicks) {
        return;
    }
    let made = TempDir::new().unwrap();
    let shop = made.path().join("shop.taste");
    let demo = tastedb().args(["demo", "--db"]).arg(&shop).output().unwrap();
    assert!(demo.status.success(), "{}", text(&demo));
    let models = tastedb().arg(&shop).args(["-c", MODELS]).output().unwrap();
    assert!(models.status.success(), "{}", text(&models));
    let key =
        tastedb().args(["user", "add"]).arg(&shop).args(["owner", "--role", "admin"]).output();
    let key = String::from_utf8(key.unwrap().stdout).unwrap();
    let served = Served::new(&shop);
    let empty = Served::new(&made.path().join("empty.taste"));
    let mut node = Command::new("node");
    node.arg("run.mjs").arg(&served.url).arg(key.trim()).arg(&empty.url).current_dir(&clicks);
    let clicked = run(&mut node).unwrap();
    assert!(clicked.status.success(), "{}\nthe server:\n{}", text(&clicked), served.log());
}
