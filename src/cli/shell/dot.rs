//! The dot commands: what is about the shell or a look at the database, not a statement. They work
//! in scripts too, on lines of their own between statements.

use std::io::{self, Write};
use std::path::Path;

use tastedb::TableId;

use super::grammar;
use super::near::nearest;
use super::schema;
use crate::cli::args::Format;
use crate::cli::input::Place;
use crate::cli::runner::{Runner, Stop, say};

/// The code of a command that does not exist: the same as for a statement.
const UNKNOWN: &str = "TD0104";

/// One command.
struct Command {
    name: &'static str,
    arguments: &'static str,
    /// The most arguments that it takes.
    most: usize,
    /// How it is called, to be shown where it is called in another way.
    example: &'static str,
    about: &'static str,
    run: fn(&mut Runner, &[String]) -> Result<(), Stop>,
}

/// Every command, in the order in which `.help` shows them.
const COMMANDS: &[Command] = &[
    Command {
        name: ".help",
        arguments: "[COMMAND | STATEMENT]",
        most: usize::MAX,
        example: ".help recommend",
        about: "what there is, or how a statement is written",
        run: help,
    },
    Command {
        name: ".tables",
        arguments: "",
        most: 0,
        example: ".tables",
        about: "the tables and their sizes",
        run: tables,
    },
    Command {
        name: ".schema",
        arguments: "[TABLE]",
        most: 1,
        example: ".schema movies",
        about: "the statements that make the tables and models",
        run: schema_of,
    },
    Command {
        name: ".models",
        arguments: "",
        most: 0,
        example: ".models",
        about: "the models and their versions",
        run: models,
    },
    Command {
        name: ".import",
        arguments: "FILE TABLE",
        most: 2,
        example: ".import ratings.csv ratings",
        about: "the same as COPY TABLE FROM 'FILE'",
        run: import,
    },
    Command {
        name: ".read",
        arguments: "FILE",
        most: 1,
        example: ".read nightly.sql",
        about: "run the statements of a file",
        run: read,
    },
    Command {
        name: ".mode",
        arguments: "[table|json|jsonl|csv]",
        most: 1,
        example: ".mode csv",
        about: "how result rows are written",
        run: mode,
    },
    Command {
        name: ".rows",
        arguments: "[NUMBER|all]",
        most: 1,
        example: ".rows 50",
        about: "how many rows of a table are shown",
        run: rows,
    },
    Command {
        name: ".timer",
        arguments: "[on|off]",
        most: 1,
        example: ".timer off",
        about: "whether to tell how long a statement took",
        run: timer,
    },
    Command {
        name: ".quit",
        arguments: "",
        most: 0,
        example: ".quit",
        about: "leave; Ctrl-D does the same",
        run: quit,
    },
];

/// The names of the commands.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

/// Runs the command that `line` holds.
pub(crate) fn run(runner: &mut Runner, line: &str) -> Result<(), Stop> {
    let words = split(line)?;
    let Some((name, arguments)) = words.split_first() else {
        return Ok(());
    };
    let command = find(name)?;
    if arguments.len() > command.most {
        return Err(usage(command.name));
    }
    (command.run)(runner, arguments)
}

/// The command of this name, or the only one that begins so.
fn find(name: &str) -> Result<&'static Command, Stop> {
    let name = name.trim_end_matches(';').to_ascii_lowercase();
    if let Some(command) = COMMANDS.iter().find(|c| c.name == name) {
        return Ok(command);
    }
    if name == ".exit" {
        return find(".quit");
    }
    let begins: Vec<&Command> = COMMANDS.iter().filter(|c| c.name.starts_with(&name)).collect();
    match begins.as_slice() {
        [only] if name.len() > 1 => Ok(only),
        [_, ..] if name.len() > 1 => {
            let names: Vec<&str> = begins.iter().map(|c| c.name).collect();
            let message = format!("`{name}` may be {}", names.join(" or "));
            Err(Stop::mistake(UNKNOWN, message, "write more of its name"))
        }
        _ => Err(match nearest(&name, names()) {
            Some(near) => {
                Stop::said(format!("error {UNKNOWN}: no command `{name}`; did you mean `{near}`?"))
            }
            None => Stop::mistake(UNKNOWN, format!("no command `{name}`"), "`.help` lists them"),
        }),
    }
}

/// Words apart by space; quotes hold space together, and a doubled quote inside is one.
fn split(line: &str) -> Result<Vec<String>, Stop> {
    let mut words = Vec::new();
    let mut chars = line.trim().trim_end_matches(';').chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
            continue;
        }
        let mut word = String::new();
        if c == '\'' || c == '"' {
            chars.next();
            loop {
                match chars.next() {
                    Some(d) if d == c && chars.peek() == Some(&c) => {
                        chars.next();
                        word.push(c);
                    }
                    Some(d) if d == c => break,
                    Some(d) => word.push(d),
                    None => {
                        let message = format!("a quote ({c}) is not closed");
                        return Err(Stop::mistake("TD0102", message, "close it on the same line"));
                    }
                }
            }
        } else {
            while let Some(d) = chars.next_if(|d| !d.is_whitespace()) {
                word.push(d);
            }
        }
        words.push(word);
    }
    Ok(words)
}

fn usage(name: &str) -> Stop {
    let command = COMMANDS.iter().find(|command| command.name == name);
    let (arguments, example) = command.map_or(("", name), |c| (c.arguments, c.example));
    let takes = if arguments.is_empty() { "no arguments" } else { arguments };
    Stop::mistake("TD0101", format!("`{name}` takes {takes}"), format!("as in `{example}`"))
}

fn help(_runner: &mut Runner, arguments: &[String]) -> Result<(), Stop> {
    if let [name, ..] = arguments {
        let forms = grammar::forms(&arguments.join(" "));
        if !forms.is_empty() {
            say(&forms.join("\n\n"));
            return Ok(());
        }
        let dotted = if name.starts_with('.') { name.clone() } else { format!(".{name}") };
        let Ok(command) = find(&dotted) else {
            let message = format!("no command or statement `{}`", arguments.join(" "));
            return Err(Stop::mistake(UNKNOWN, message, "`.help` lists what there is"));
        };
        let call = format!("{} {}", command.name, command.arguments);
        say(&format!("{}: {}", call.trim_end(), command.about));
        return Ok(());
    }
    for command in COMMANDS {
        let call = format!("{} {}", command.name, command.arguments);
        say(&format!("{call:<31}{}", command.about));
    }
    say("");
    say(
        "Everything else is a statement and ends with a semicolon, over as many lines as it takes:",
    );
    say("  RECOMMEND movies FOR USER 'u42' LIMIT 10;");
    say("`.help recommend` shows how that is written; so do the first words of any statement.");
    say("Tab completes words and names. Ctrl-C cancels a statement or drops a line.");
    Ok(())
}

fn tables(runner: &mut Runner, _arguments: &[String]) -> Result<(), Stop> {
    statement(runner, "SHOW TABLES;")
}

fn models(runner: &mut Runner, _arguments: &[String]) -> Result<(), Stop> {
    let columns = "name, algorithm, table_name, version, users, items, pairs, options";
    statement(runner, &format!("SELECT {columns} FROM models ORDER BY name;"))
}

fn schema_of(runner: &mut Runner, arguments: &[String]) -> Result<(), Stop> {
    let catalog = runner.database.catalog();
    if let [wanted] = arguments {
        let Some(table) = catalog.table(wanted) else {
            let near = nearest(wanted, catalog.tables().map(|t| t.name.as_str()));
            return Err(match near {
                Some(near) => {
                    Stop::said(format!("error TD0201: no table `{wanted}`; did you mean `{near}`?"))
                }
                None => {
                    let message = format!("no table `{wanted}`");
                    Stop::mistake("TD0201", message, "`.tables` lists the tables")
                }
            });
        };
        writeln!(io::stdout(), "{}", schema::create_table(&catalog, table))?;
        return embeddings_of(runner, Some(table.id));
    }
    let mut out = io::stdout().lock();
    for table in catalog.tables() {
        writeln!(out, "{}", schema::create_table(&catalog, table))?;
    }
    drop(out);
    embeddings_of(runner, None)?;
    let mut out = io::stdout().lock();
    for model in runner.database.models().map_err(Stop::of)? {
        writeln!(out, "{};", model.definition.statement.trim().trim_end_matches(';'))?;
    }
    Ok(())
}

/// The statements that made the text embeddings of a table, or of all.
fn embeddings_of(runner: &Runner, table: Option<TableId>) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    for embedding in runner.database.embeddings().map_err(Stop::of)? {
        if table.is_none_or(|table| table == embedding.table) {
            writeln!(out, "{};", embedding.statement.trim().trim_end_matches(';'))?;
        }
    }
    Ok(())
}

fn import(runner: &mut Runner, arguments: &[String]) -> Result<(), Stop> {
    let [file, table] = arguments else {
        return Err(usage(".import"));
    };
    let sql = format!("COPY {} FROM {};", schema::name(table), schema::text(file));
    statement(runner, &sql)
}

fn read(runner: &mut Runner, arguments: &[String]) -> Result<(), Stop> {
    let [file] = arguments else {
        return Err(usage(".read"));
    };
    runner.read(Path::new(file))
}

fn mode(runner: &mut Runner, arguments: &[String]) -> Result<(), Stop> {
    match arguments {
        [] => say(&format!("mode: {}", runner.settings.format.name())),
        [name] => {
            let wanted = name.to_ascii_lowercase();
            let names = || Format::ALL.iter().map(|format| format.name());
            match Format::ALL.iter().find(|format| format.name() == wanted) {
                Some(format) => runner.settings.format = *format,
                None => {
                    let known = names().collect::<Vec<_>>().join(", ");
                    return Err(match nearest(&wanted, names()) {
                        Some(near) => Stop::said(format!(
                            "error TD0109: no mode `{name}`; did you mean `{near}`?"
                        )),
                        None => {
                            let message = format!("no mode `{name}`");
                            Stop::mistake("TD0109", message, format!("the modes are {known}"))
                        }
                    });
                }
            }
        }
        _ => return Err(usage(".mode")),
    }
    Ok(())
}

fn rows(runner: &mut Runner, arguments: &[String]) -> Result<(), Stop> {
    match arguments {
        [] => match runner.settings.fit.rows {
            usize::MAX => say("rows: all"),
            rows => say(&format!("rows: {rows}")),
        },
        [number] => {
            let rows = if number == "all" { Some(usize::MAX) } else { number.parse().ok() };
            runner.settings.fit.rows = rows.ok_or_else(|| usage(".rows"))?;
        }
        _ => return Err(usage(".rows")),
    }
    Ok(())
}

fn timer(runner: &mut Runner, arguments: &[String]) -> Result<(), Stop> {
    let on = |timer| if timer { "on" } else { "off" };
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => say(&format!("timer: {}", on(runner.settings.timer))),
        ["on"] => runner.settings.timer = true,
        ["off"] => runner.settings.timer = false,
        _ => return Err(usage(".timer")),
    }
    Ok(())
}

fn quit(_runner: &mut Runner, _arguments: &[String]) -> Result<(), Stop> {
    Err(Stop::Quit)
}

/// Runs a statement that nobody typed: an error in it has no place worth showing.
fn statement(runner: &mut Runner, sql: &str) -> Result<(), Stop> {
    runner.run_statement("", sql, Place { line: 1, column: 1 })
}

#[cfg(test)]
mod tests {
    use super::{find, split};

    #[test]
    fn commands_are_found_by_name_by_beginning_and_by_likeness() {
        assert_eq!(find(".tables").map(|c| c.name).ok(), Some(".tables"));
        assert_eq!(find(".q").map(|c| c.name).ok(), Some(".quit"));
        assert_eq!(find(".EXIT;").map(|c| c.name).ok(), Some(".quit"));
        let message = |name| find(name).err().and_then(|stop| stop.message().map(str::to_string));
        assert_eq!(
            message(".tabels").as_deref(),
            Some("error TD0104: no command `.tabels`; did you mean `.tables`?")
        );
        assert_eq!(
            message(".r").as_deref(),
            Some("error TD0104: `.r` may be .read or .rows\nhint: write more of its name")
        );
        assert!(message(".").is_some());
    }

    #[test]
    fn quotes_hold_words_together() {
        let words = split(".import 'my file''s.csv' movies").expect("closed");
        assert_eq!(words, [".import", "my file's.csv", "movies"]);
        assert!(split(".read 'open").is_err());
    }
}
