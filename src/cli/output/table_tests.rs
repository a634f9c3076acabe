//! Tests of the table format: what people see.

use std::sync::Arc;

use tastedb::Rows;
use tastedb::arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};

use super::{Fit, Value, decimals, float_text, list_text, printable, write};

fn rows(columns: Vec<(&str, ArrayRef)>) -> Rows {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    Rows { schema: batch.schema(), batches: vec![batch] }
}

fn shown(rows: &Rows, fit: Fit) -> String {
    let mut out = Vec::new();
    write(&mut out, rows, fit).expect("memory");
    String::from_utf8(out).expect("utf-8")
}

#[test]
fn numbers_stand_right_with_the_digits_they_need() {
    let rows = rows(vec![
        ("title", Arc::new(StringArray::from(vec![Some("Heat"), None])) as ArrayRef),
        ("score", Arc::new(Float32Array::from(vec![0.5, 12.25]))),
        ("n", Arc::new(Int64Array::from(vec![7, 1000]))),
    ]);
    let expected = "\
┌───────┬───────┬──────┐
│ title ┆ score ┆ n    │
╞═══════╪═══════╪══════╡
│ Heat  ┆  0.50 ┆    7 │
│ NULL  ┆ 12.25 ┆ 1000 │
└───────┴───────┴──────┘
(2 rows)
";
    assert_eq!(shown(&rows, Fit::WHOLE), expected);
}

#[test]
fn a_table_never_exceeds_the_terminal() {
    let long = "a word and another word ".repeat(20);
    let rows = rows(vec![
        ("id", Arc::new(StringArray::from(vec!["m1"])) as ArrayRef),
        ("plot", Arc::new(StringArray::from(vec![long.as_str()]))),
    ]);
    let text = shown(&rows, Fit { width: Some(40), rows: 10 });
    assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    assert!(text.contains('…') && text.contains("m1"), "{text}");
    assert_eq!(text.lines().count(), 6, "one line a row: {text}");
    // Without a terminal nothing is lost.
    assert!(shown(&rows, Fit::WHOLE).contains(long.trim_end()));
}

#[test]
fn more_columns_than_fit_become_lines() {
    let names = ["name", "algorithm", "table_name", "condition", "options", "version"];
    let column = || Arc::new(StringArray::from(vec!["a value", "千と千尋"])) as ArrayRef;
    let wide = rows(names.into_iter().map(|name| (name, column())).collect());
    let fit = Fit { width: Some(50), rows: 10 };
    let text = shown(&wide, fit);
    assert!(text.starts_with("row 1\n  name        a value\n  algorithm   a value\n"), "{text}");
    assert!(text.contains("row 2\n  name        千と千尋\n"), "{text}");
    assert!(text.ends_with("(2 rows)\n"), "{text}");
    assert_eq!(text.lines().count(), 2 * 7 + 1);
    assert!(shown(&wide, Fit { width: Some(90), rows: 10 }).contains("┆"));
    assert!(shown(&wide, Fit::WHOLE).contains("┆"));
}

#[test]
fn rows_beyond_the_limit_are_counted() {
    let numbers = Arc::new(Int64Array::from_iter_values(0..50)) as ArrayRef;
    let text = shown(&rows(vec![("n", numbers)]), Fit { width: Some(40), rows: 3 });
    assert!(text.ends_with("(50 rows; the first 3 are shown)\n"), "{text}");
    assert_eq!(text.lines().count(), 8);
}

#[test]
fn digits_follow_the_size_of_the_numbers() {
    assert_eq!(decimals([1.0, 2.0].into_iter()), 1);
    assert_eq!(decimals([0.123456, 0.5].into_iter()), 4);
    assert_eq!(decimals([1234.5678].into_iter()), 2);
    assert_eq!(float_text(0.00001, 4), "1.00e-5");
    assert_eq!(float_text(0.0, 4), "0.0000");
    assert_eq!(float_text(f64::NAN, 4), "NaN");
    assert_eq!(float_text(-2.0, 1), "-2.0");
}

#[test]
fn long_vectors_are_cut_and_lists_are_read() {
    let fit = Fit { width: Some(80), rows: 10 };
    let vector: Vec<Value> = (0..384).map(|_| Value::Single(0.25)).collect();
    assert_eq!(list_text(&vector, fit), "[0.25, 0.25, 0.25, … 384 in all]");
    let whole = list_text(&vector, Fit::WHOLE);
    assert_eq!(whole.matches("0.25").count(), 384, "without a terminal nothing is cut");
    let genres = [Value::Text("Crime".into()), Value::Text("Drama".into())];
    assert_eq!(list_text(&genres, fit), "[Crime, Drama]");
}

#[test]
fn control_characters_cannot_reach_the_terminal() {
    assert_eq!(printable("a\u{1b}[31mb\nc\td"), "a\\u{1b}[31mb\\nc\\td");
    assert_eq!(printable("Amélie … 千と千尋"), "Amélie … 千と千尋");
}
