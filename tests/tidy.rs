//! What must hold of the sources as text: who may name whom, what every file begins with, that a
//! document says what the code does. The gate is `cargo test`; nothing is compiled against here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders with Rust sources of the project.
const SOURCES: &[&str] =
    &["src", "storage", "engine", "query", "tests", "benches", "examples", "fuzz"];

/// Each heavy dependency is named in one place only, so that it can be replaced.
const DOORS: &[(&str, &[&str])] = &[
    ("rocksdb::", &["storage/src/kv"]),
    ("memmap2::", &["storage/src/segment"]),
    ("bincode::", &["storage/src/codec.rs"]),
    ("faer::", &["engine/src/linalg"]),
    ("unicode_segmentation::", &["engine/src/text/terms.rs"]),
    ("sha2::", &["engine/src/forget/digest.rs"]),
    ("tch::", &["engine/src/compute/torch"]),
    ("datafusion::", &["query/src"]),
    ("clap::", &["src/cli"]),
    ("rustyline::", &["src/cli/shell"]),
    ("comfy_table::", &["src/cli/output"]),
    ("indicatif::", &["src/cli/progress.rs"]),
    ("rustls::", &["src/server/tls.rs"]),
    ("ring::", &["src/server/accounts/secret.rs", "src/server/tls.rs"]),
    ("prometheus_client::", &["src/server/metrics.rs"]),
    ("tracing_subscriber::", &["src/server/log.rs"]),
    ("toml::", &["src/server/config.rs"]),
];

/// Which of the workspace's crates a crate may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("storage/Cargo.toml", &[]),
    ("engine/Cargo.toml", &["tastedb-storage"]),
    ("query/Cargo.toml", &["tastedb-engine"]),
    ("Cargo.toml", &["tastedb-engine", "tastedb-storage", "tastedb-query"]),
];

#[test]
fn crates_depend_downwards_only() {
    for (manifest, allowed) in EDGES {
        let text = read(&root().join(manifest));
        let named = dependencies(&text);
        let wrong: Vec<&String> =
            named.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(wrong.is_empty(), "{manifest} depends on {wrong:?}, allowed are {allowed:?}");
    }
}

#[test]
fn heavy_dependencies_have_one_door() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let name = relative(&file);
        if name == "tests/tidy.rs" || name.starts_with("fuzz/") {
            continue;
        }
        for (package, doors) in DOORS {
            if doors.iter().any(|door| name.starts_with(door)) {
                continue;
            }
            for (n, line) in read(&file).lines().enumerate() {
                if names(code_of(line), package) {
                    wrong.push(format!("{name}:{}: {}", n + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "named outside its door:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let wrong: Vec<String> = rust_files()
        .iter()
        .filter(|file| !read(file).starts_with("//! "))
        .map(|file| relative(file))
        .collect();
    assert!(wrong.is_empty(), "without a `//!` header:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_a_drawer() {
    const DRAWERS: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "types"];
    for file in rust_files() {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        assert!(!DRAWERS.contains(&stem), "{}: name it after what it holds", relative(&file));
    }
}

#[test]
fn no_file_has_grown_too_large() {
    for file in rust_files() {
        let text = read(&file);
        let lines = text.split("#[cfg(test)]").next().map_or(0, |text| text.lines().count());
        assert!(lines <= 800, "{}: {lines} lines; two nouns share a room", relative(&file));
    }
}

#[test]
fn statements_in_tests_are_not_bare_questions() {
    // `matches!(…);` as a statement asks and does not look at the answer.
    for file in rust_files() {
        let mut before = String::new();
        for (n, line) in read(&file).lines().enumerate() {
            let line = line.trim();
            let asks = line.starts_with(concat!("matches", "!(")) && line.ends_with(");");
            // The second line of `let x =` has somebody who looks at the answer.
            let bare = asks && !before.ends_with('=');
            before = line.to_string();
            assert!(!bare, "{}:{}: {line}", relative(&file), n + 1);
        }
    }
}

/// The one code that no test can reach by name: an internal error is a mistake nobody knows of yet.
const NOT_REACHED: &[&str] = &["TD0899"];

#[test]
fn every_error_code_is_tested() {
    let codes = declared_codes();
    assert!(codes.len() > 20, "found only {codes:?}: has the table of codes moved?");
    let mut tests = String::new();
    for folder in ["sql", "tests"] {
        for file in files(&root().join(folder)) {
            let name = relative(&file);
            if name.ends_with(".slt")
                || name == "sql/reference.md"
                || (name.ends_with(".rs") && name != "tests/tidy.rs")
            {
                tests.push_str(&read(&file));
            }
        }
    }
    for crate_tests in ["query/src", "engine/src", "storage/src"] {
        for file in files(&root().join(crate_tests)) {
            let name = relative(&file);
            if name.ends_with("tests.rs") || name.contains("/tests/") {
                tests.push_str(&read(&file));
            }
        }
    }
    let missing: Vec<&str> =
        codes.iter().map(String::as_str).filter(|code| !tests.contains(code)).collect();
    assert_eq!(missing, NOT_REACHED, "the codes that no script and no test mentions");
}

#[test]
fn the_format_document_knows_the_format_files() {
    let document = read(&root().join("docs/format.md"));
    let mut missing = Vec::new();
    for line in document.lines() {
        // | `storage/src/segment/format.rs` | `0123456789abcdef` |
        let cells: Vec<&str> = line.split('|').map(|c| c.trim().trim_matches('`')).collect();
        let [_, file, hash, ..] = cells.as_slice() else {
            continue;
        };
        if !file.ends_with(".rs") || hash.len() != 16 {
            continue;
        }
        let path = root().join(file);
        let now = format!("{:016x}", fingerprint(&read(&path)));
        if now != *hash {
            missing.push(format!("| `{file}` | `{now}` |"));
        }
    }
    assert!(
        missing.is_empty(),
        "these files changed since docs/format.md was written. Say there what changed in the \
         bytes on disk, then note:\n{}",
        missing.join("\n")
    );
    let noted = document.lines().filter(|line| line.contains(".rs` | `")).count();
    assert!(noted >= 3, "docs/format.md lists only {noted} format files with their hash");
}

// ---- reading -----------------------------------------------------------------------------

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in SOURCES {
        found.extend(files(&root().join(folder)));
    }
    found.retain(|file| file.extension().is_some_and(|ending| ending == "rs"));
    assert!(found.len() > 50, "found only {} files", found.len());
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if ["target", "corpus", "node_modules"].contains(&&*name) || name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The workspace's crates among the `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim();
        } else if section == "[dependencies]"
            && line.starts_with("tastedb")
            && let Some(name) = line.split(['=', '.', ' ']).next()
        {
            found.push(name.to_string());
        }
    }
    found
}

/// A line without its comment.
fn code_of(line: &str) -> &str {
    match line.trim_start() {
        comment if comment.starts_with("//") => "",
        code => code.split("// ").next().unwrap_or(code),
    }
}

/// Whether code names a package's path, and not one that merely ends like it.
fn names(code: &str, package: &str) -> bool {
    code.match_indices(package).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// Every code `TDxxxx` in the sources of the libraries.
fn declared_codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for folder in ["src", "query/src", "engine/src", "storage/src"] {
        for file in files(&root().join(folder)) {
            let name = relative(&file);
            if !name.ends_with(".rs") || name.ends_with("tests.rs") || name.contains("/tests/") {
                continue;
            }
            let text = read(&file);
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (at, _) in text.match_indices("\"TD") {
                let code: String = text[at + 1..].chars().take(6).collect();
                if code[2..].bytes().all(|b| b.is_ascii_digit()) {
                    codes.insert(code);
                }
            }
        }
    }
    codes
}

/// FNV-1a over the code without comments and space, so that only a change of code changes it.
fn fingerprint(text: &str) -> u64 {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for line in text.lines() {
        for byte in code_of(line).bytes().filter(|byte| !byte.is_ascii_whitespace()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}
