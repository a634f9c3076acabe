//! `tastedb demo`: the main job told step by step, on a made-up catalogue or on MovieLens.
//!
//! Every step shows the SQL that it runs, so that a reader can do the same in the shell. The
//! database lies in a temporary folder, unless it is to be kept.

mod madeup;
mod movielens;
mod narrator;
mod plan;
mod scratch;
mod story;

use tastedb::{Create, Database, Options};

use super::args;
use super::interrupt;
use super::runner::Stop;
use narrator::Narrator;
use scratch::Scratch;

/// Tells the story.
pub(crate) fn run(args: &args::Demo) -> Result<(), Stop> {
    interrupt::install(interrupt::Idle::Leave);
    let scratch = Scratch::new()?;
    let plan = match &args.data {
        Some(folder) => movielens::plan(folder)?,
        None => madeup::plan(&scratch)?,
    };
    let path = args.db.clone().unwrap_or_else(|| scratch.path().join("demo.taste"));
    let options = Options::new().create(Create::MustBeNew);
    let database = Database::open_with(&path, options).map_err(Stop::of)?;
    let mut narrator = Narrator::new(&database)?;
    story::tell(&mut narrator, &plan)?;
    story::farewell(&mut narrator, args.db.as_deref())
}
