//! The language reference, run: every example of `sql/reference.md`, in order, in one fresh
//! database. An example that should fail is fenced with its code: ```` ```sql error TD0201 ````.

use std::path::Path;

use tastedb::Database;

/// The examples: line, expected code (if it should fail), text.
fn examples(text: &str) -> Vec<(usize, Option<String>, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, Option<String>, String)> = None;
    for (n, line) in text.lines().enumerate() {
        match &mut open {
            Some((_, _, body)) if line.trim() != "```" => {
                body.push_str(line);
                body.push('\n');
            }
            Some(_) => found.extend(open.take()),
            None => {
                if let Some(rest) = line.trim().strip_prefix("```sql") {
                    let code = rest.trim().strip_prefix("error ").map(str::to_string);
                    open = Some((n + 2, code, String::new()));
                }
            }
        }
    }
    found
}

#[test]
fn every_example_of_the_reference_does_what_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/reference.md");
    let text = std::fs::read_to_string(&path).expect("the reference is there");
    let folder = tempfile::tempdir().expect("a folder");
    let db = Database::in_memory().expect("it opens");
    let mut session = db.session();
    let place = format!("'{}/reference-", folder.path().display());
    let examples = examples(&text);
    assert!(examples.len() > 30, "found only {} examples", examples.len());
    let mut wrong = Vec::new();
    for (line, expected, body) in examples {
        let body = body.replace("'reference-", &place);
        match (session.execute(&body), expected) {
            (Ok(_), None) => {}
            (Ok(_), Some(code)) => wrong.push(format!("line {line}: {code} expected, but it ran")),
            (Err(error), None) => wrong.push(format!("line {line}: {}", error.render(&body))),
            (Err(error), Some(code)) if error.code() == code => {}
            (Err(error), Some(code)) => {
                wrong.push(format!("line {line}: {code} expected: {}", error.render(&body)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} examples are wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}
