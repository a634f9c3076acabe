//! The steps of the demonstration, from an empty folder to a person who is forgotten.

use std::collections::HashSet;
use std::path::Path;

use tastedb::Rows;
use tastedb::arrow::array::{Array, AsArray};
use tastedb::arrow::compute::cast;
use tastedb::arrow::datatypes::DataType;

use super::narrator::Narrator;
use super::plan::{Plan, Test};
use crate::cli::runner::Stop;

/// How many items an answer shows.
const K: usize = 10;

/// Tells everything.
pub(super) fn tell(narrator: &mut Narrator, plan: &Plan) -> Result<(), Stop> {
    create(narrator, plan)?;
    import(narrator, plan)?;
    train(narrator, plan)?;
    evaluate(narrator, plan)?;
    let person = choose_person(narrator)?;
    recommend(narrator, plan, &person)?;
    similar(narrator, plan)?;
    click(narrator, plan, &person)?;
    forget(narrator, &person)
}

/// What a reader can do next.
pub(super) fn farewell(narrator: &mut Narrator, kept: Option<&Path>) -> Result<(), Stop> {
    narrator.line("")?;
    match kept {
        Some(path) => narrator.say(&format!(
            "That was all. The database is in {path}: `tastedb {path}` opens a shell on it.",
            path = path.display()
        )),
        None => narrator.say(
            "That was all; the database is gone with its temporary folder. `--db PATH` keeps it, \
             `--data FOLDER` tells the same on MovieLens, `tastedb PATH` opens a shell.",
        ),
    }
}

fn create(narrator: &mut Narrator, plan: &Plan) -> Result<(), Stop> {
    narrator.step(
        "Create",
        "A database is a folder. It holds tables of users, of items and of interactions between \
         them; the role tells which is which.",
    )?;
    for table in &plan.tables {
        narrator.run(table)?;
    }
    Ok(())
}

fn import(narrator: &mut Narrator, plan: &Plan) -> Result<(), Stop> {
    narrator.step("Import", &plan.about)?;
    for copy in &plan.copies {
        narrator.run(copy)?;
    }
    narrator.run("SHOW TABLES;")?;
    Ok(())
}

fn train(narrator: &mut Narrator, plan: &Plan) -> Result<(), Stop> {
    narrator.step(
        "Train",
        "A model is part of the database: its definition, its versions, and what each was trained \
         on. Training reads a snapshot and is in nobody's way.",
    )?;
    let model = &plan.model;
    narrator.run(&format!(
        "CREATE MODEL taste USING {} ON ratings WITH ({});",
        model.algorithm, model.options
    ))?;
    narrator.run("TRAIN MODEL taste;")?;
    Ok(())
}

fn evaluate(narrator: &mut Narrator, plan: &Plan) -> Result<(), Stop> {
    let data = match plan.test {
        Test::None => return Ok(()),
        Test::Table => "ON held_out".to_string(),
        Test::Latest => {
            let total = text_of(&narrator.ask("SELECT count(*) FROM ratings;")?, 0);
            let offset = total.parse::<u64>().unwrap_or(0) / 10 * 9;
            let at = narrator
                .ask(&format!("SELECT ts FROM ratings ORDER BY ts LIMIT 1 OFFSET {offset};"))?;
            format!("ON ratings SPLIT BY ts > TIMESTAMP '{}'", text_of(&at, 0).replace('T', " "))
        }
    };
    narrator.step(
        "Evaluate",
        "How much of what people went on to choose is among the first twenty? All items are \
         ranked for every person, without those they are known to have chosen before. Popularity \
         is the line to beat.",
    )?;
    narrator.run(&format!(
        "EVALUATE taste, popular {data}\n  METRICS recall(20), ndcg(20), coverage(20);"
    ))?;
    Ok(())
}

/// Somebody with a history that can be taken in at a glance.
fn choose_person(narrator: &mut Narrator) -> Result<String, Stop> {
    let rows = narrator.ask(
        "SELECT user_id FROM ratings GROUP BY user_id \
         ORDER BY abs(count(*) - 25), user_id LIMIT 1;",
    )?;
    if rows.is_empty() {
        return Err(Stop::said("error: the data has no interactions to tell a story about"));
    }
    Ok(quoted(&text_of(&rows, 0)))
}

fn recommend(narrator: &mut Narrator, plan: &Plan, person: &str) -> Result<(), Stop> {
    narrator.step(
        "Recommend",
        &format!(
            "What person {person} liked, and what the model makes of it. Every answer says where \
             it comes from (`source`) and which of the known items it rests on (`reason`)."
        ),
    )?;
    let shown = plan.shown.join(", ");
    let best = if plan.rated { " ORDER BY r.rating DESC, i.id" } else { " ORDER BY i.id" };
    let rating = if plan.rated { ", r.rating" } else { "" };
    let columns: Vec<String> = plan.shown.iter().map(|column| format!("i.{column}")).collect();
    narrator.run(&format!(
        "SELECT i.id, {}{rating} FROM ratings r JOIN movies i ON i.id = r.item_id\n  \
         WHERE r.user_id = {person}{best} LIMIT 8;",
        columns.join(", ")
    ))?;
    narrator.run(&format!(
        "RECOMMEND id, {shown}, score, source, reason\n  FROM movies FOR USER {person} LIMIT {K};"
    ))?;
    Ok(())
}

fn similar(narrator: &mut Narrator, plan: &Plan) -> Result<(), Stop> {
    let best = narrator.ask(
        "SELECT item_id FROM ratings GROUP BY item_id ORDER BY count(*) DESC, item_id LIMIT 1;",
    )?;
    let item = quoted(&text_of(&best, 0));
    let title = title_of(narrator, plan, &item)?;
    narrator.step(
        "Similar items",
        &format!("The same model the other way: what goes with {title}, the most chosen of all."),
    )?;
    let shown = plan.shown.join(", ");
    narrator.run(&format!("RECOMMEND id, {shown}, score FROM movies FOR ITEM {item} LIMIT 6;"))?;
    Ok(())
}

fn click(narrator: &mut Narrator, plan: &Plan, person: &str) -> Result<(), Stop> {
    let Some(item) = something_else(narrator, person)? else {
        return Ok(());
    };
    let title = title_of(narrator, plan, &item)?;
    narrator.step(
        "A click",
        &format!(
            "Person {person} now chooses {title}, which the model would not have offered. Nothing \
             is trained again: the history is read at the moment of the question."
        ),
    )?;
    let top = format!("RECOMMEND id FROM movies FOR USER {person} LIMIT {K};");
    let before: HashSet<String> = texts_of(&narrator.ask(&top)?).into_iter().collect();
    let (column, value) = if plan.rated { (", rating", ", 5") } else { ("", "") };
    narrator.run(&format!(
        "INSERT INTO ratings (user_id, item_id{column}) VALUES ({person}, {item}{value});"
    ))?;
    let shown = plan.shown.join(", ");
    narrator.run(&format!(
        "RECOMMEND id, {shown}, score, reason\n  FROM movies FOR USER {person} LIMIT {K};"
    ))?;
    let after = texts_of(&narrator.ask(&top)?);
    let new: Vec<String> = after.into_iter().filter(|id| !before.contains(id)).collect();
    let mut titles = Vec::with_capacity(new.len());
    for id in &new {
        titles.push(title_of(narrator, plan, &quoted(id))?);
    }
    match titles.len() {
        0 => narrator.say("The same ten, with other scores: one choice among many weighs little."),
        n => narrator.say(&format!("{n} of the {K} are new: {}.", titles.join(", "))),
    }
}

/// Among what many choose, the item that this person would be offered last.
fn something_else(narrator: &mut Narrator, person: &str) -> Result<Option<String>, Stop> {
    let popular = narrator.ask(
        "SELECT item_id FROM ratings GROUP BY item_id ORDER BY count(*) DESC, item_id LIMIT 100;",
    )?;
    let popular: HashSet<String> = texts_of(&popular).into_iter().collect();
    let all = narrator.ask(&format!("RECOMMEND id FROM movies FOR USER {person} LIMIT 100000;"))?;
    Ok(texts_of(&all).into_iter().rfind(|id| popular.contains(id)).map(|id| quoted(&id)))
}

fn forget(narrator: &mut Narrator, person: &str) -> Result<(), Stop> {
    narrator.step(
        "Forget",
        &format!(
            "Person {person} leaves, and is to be forgotten. One statement removes the row and all \
             that hangs on it, from every answer and at once; it makes a ticket."
        ),
    )?;
    narrator.run(&format!("DELETE FROM people WHERE id = {person} RETURNING forget_id();"))?;
    narrator.run(&format!("SELECT count(*) AS left FROM ratings WHERE user_id = {person};"))?;
    narrator.run_to_fail(&format!("RECOMMEND movies FOR USER {person} LIMIT {K};"))?;
    narrator.say(
        "The model has still learned from what is gone, and the bytes are still in the files. The \
         database sees to both within the hour; VACUUM does it now. The receipt says what was \
         looked at.",
    )?;
    narrator.run("VACUUM;")?;
    narrator.run("VERIFY FORGET 'f_1';")?;
    narrator.run("SELECT id, scope, state, methods FROM forgets;")?;
    Ok(())
}

/// What an item is called; its key, where nothing tells.
fn title_of(narrator: &mut Narrator, plan: &Plan, item: &str) -> Result<String, Stop> {
    let Some(column) = plan.shown.first() else {
        return Ok(item.to_string());
    };
    let rows = narrator.ask(&format!("SELECT {column} FROM movies WHERE id = {item};"))?;
    Ok(if rows.is_empty() { item.to_string() } else { text_of(&rows, 0) })
}

fn quoted(key: &str) -> String {
    format!("'{}'", key.replace('\'', "''"))
}

/// The first column as texts.
fn texts_of(rows: &Rows) -> Vec<String> {
    let mut texts = Vec::with_capacity(rows.len());
    for batch in &rows.batches {
        // Everything that is asked for here has a text form.
        let Ok(column) = cast(batch.column(0), &DataType::Utf8) else {
            continue;
        };
        let column = column.as_string::<i32>();
        texts.extend(
            (0..column.len()).map(|i| {
                if column.is_null(i) { String::new() } else { column.value(i).to_string() }
            }),
        );
    }
    texts
}

fn text_of(rows: &Rows, row: usize) -> String {
    texts_of(rows).into_iter().nth(row).unwrap_or_default()
}
