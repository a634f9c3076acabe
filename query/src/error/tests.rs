//! How errors look, and how those of other layers become ours.

use super::*;
use crate::codes;
use crate::span::Position;
use datafusion::common::{Column, DataFusionError, SchemaError};

fn span(line: u32, from: u32, to: u32) -> Span {
    Span::new(Position::new(line, from), Position::new(line, to))
}

#[test]
fn an_error_shows_code_line_caret_and_suggestion() {
    let name = Name { value: "moveis".into(), quoted: false, span: span(1, 11, 17) };
    let error = Error::unknown(&codes::NO_SUCH_TABLE, "table", &name, ["people", "movies"]);
    assert_eq!(
        error.render("RECOMMEND moveis FOR USER 'u42';"),
        "error TD0201: no table `moveis`; did you mean `movies`?\n \
         --> line 1, column 11\n  \
         |\n\
         1 | RECOMMEND moveis FOR USER 'u42';\n  \
         |           ^^^^^^"
    );
    assert!(matches!(error, Error::Name(_)));
    assert_eq!(error.code(), "TD0201");
}

#[test]
fn an_error_in_a_long_line_shows_the_part_around_it() {
    let source = format!("{}oops{}", "a".repeat(500), "b".repeat(500));
    let shown = Error::new(&codes::SYNTAX, "wrong").at(span(1, 501, 505)).render(&source);
    let lines: Vec<&str> = shown.lines().collect();
    let caret = lines[4].find('^').expect("there is a caret");
    let column = lines[4][..caret].chars().count();
    let pointed: String = lines[3].chars().skip(column).take(4).collect();
    assert_eq!(pointed, "oops");
    assert!(lines[3].chars().count() < 120);
}

#[test]
fn an_error_beyond_the_text_or_without_a_place_still_renders() {
    let error = Error::new(&codes::SYNTAX, "wrong").at(span(7, 3, 9)).hint("mend it");
    assert_eq!(
        error.render("one line"),
        "error TD0101: wrong\n --> line 7, column 3\nhint: mend it"
    );
    assert_eq!(
        Error::new(&codes::BUSY, "busy").render(""),
        "error TD0503: busy\nhint: try again; keep transactions short"
    );
    let at_end = Error::new(&codes::SYNTAX, "wrong").at(span(1, 9, 9)).render("SELECT a");
    assert!(at_end.ends_with("  |         ^"), "{at_end}");
}

#[test]
fn the_next_step_is_the_hint_or_that_of_the_code_unless_it_is_said_already() {
    let next = |error: Error| error.problem().next_step();
    let table = || Error::new(&codes::NO_SUCH_TABLE, "no table `x`");
    assert_eq!(next(table()).as_deref(), Some("SHOW TABLES lists the tables"));
    assert_eq!(next(table().hint("look again")).as_deref(), Some("look again"));
    assert_eq!(next(table().suggest(Some("y"))), None);
    assert_eq!(next(Error::new(&codes::SYNTAX, "expected a name")), None);
    assert_eq!(next(Error::new(&codes::OPTION_VALUE, "option `k` takes 1 to 9")), None);
    for code in codes::ALL {
        let step = next(Error::new(code, "x")).unwrap_or_default();
        assert!(!step.ends_with('.'), "{code}: {step}");
    }
}

#[test]
fn the_first_place_given_stays() {
    let error = Error::new(&codes::SYNTAX, "x").at(span(1, 1, 2)).at(span(2, 2, 3));
    assert_eq!(error.span(), Some(span(1, 1, 2)));
    assert_eq!(Error::new(&codes::SYNTAX, "x").at(Span::default()).span(), None);
}

#[test]
fn our_errors_come_back_through_datafusion_unchanged() {
    let ours = Error::new(&codes::DIMENSION, "wrong length").at(span(1, 4, 5));
    let wrapped = DataFusionError::Context(
        "while scanning".into(),
        Box::new(DataFusionError::External(Box::new(ours))),
    );
    let back = Error::from(wrapped);
    assert_eq!((back.code(), back.to_string().as_str()), ("TD0304", "wrong length"));
    assert_eq!(back.span(), Some(span(1, 4, 5)));
}

#[test]
fn a_missing_column_of_a_query_gets_a_suggestion() {
    let error = DataFusionError::SchemaError(
        Box::new(SchemaError::FieldNotFound {
            field: Box::new(Column::new_unqualified("titel")),
            valid_fields: vec![Column::from_name("id"), Column::from_name("title")],
        }),
        Box::new(None),
    );
    let error = Error::from(error);
    assert_eq!(error.code(), "TD0202");
    assert_eq!(error.to_string(), "no column `titel`; did you mean `title`?");
}

#[test]
fn planner_texts_get_codes_and_lose_catalogue_names() {
    let table = DataFusionError::Plan("table 'datafusion.public.moveis' not found".into());
    assert_eq!(Error::from(table).to_string(), "no table `moveis`");
    let function = DataFusionError::Plan("Invalid function 'lowr'.\nDid you mean 'lower'?".into());
    let function = Error::from(function);
    assert_eq!(function.code(), "TD0204");
}

#[test]
fn engine_errors_keep_their_words_and_cause() {
    let error = Error::from(tastedb_engine::Error::NotFitted { model: "taste".into() });
    assert_eq!(error.code(), "TD0601");
    assert_eq!(error.to_string(), "model `taste` is not trained: run TRAIN MODEL taste");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn what_goes_wrong_on_a_device_has_codes_and_next_steps() {
    use tastedb_engine::Error as Engine;
    let code = |error: Engine| Error::from(error).code();
    assert_eq!(code(Engine::Diverged { epoch: 3 }), "TD0612");
    assert_eq!(code(Engine::NoDevice { device: "gpu", why: "no" }), "TD0611");
    let full = Engine::DeviceFailed { device: "cuda:0".into(), what: "out of memory".into() };
    let full = Error::from(full);
    assert_eq!(full.code(), "TD0613");
    assert_eq!(full.to_string(), "cuda:0: out of memory");
    let next = full.problem().next_step();
    assert!(next.is_some_and(|step| step.contains("device = 'cpu'")));
}
