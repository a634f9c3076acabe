//! Execution: one file for each family of statements, and the dispatch over them.
//!
//! A statement reads one view of the database and writes through one transaction; it returns all
//! of its rows or an error. Nothing here parses, and nothing here knows what a model is.

mod copy_from;
mod copy_to;
mod ddl;
mod delete;
mod describe;
mod embedding;
mod evaluate;
mod export;
pub(crate) mod failure;
mod forget;
mod forgetting;
mod index;
mod insert;
mod model;
mod names;
mod options;
mod recommend;
mod returning;
mod select;
pub(crate) mod show;
pub(crate) mod template;
mod titles;
mod update;
mod writer;

use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

pub use describe::Description;
pub(crate) use describe::describe;
pub(crate) use index::class_of;
pub(crate) use names::{Shapes, normal};

use crate::ast::{ObjectKind, Show, Statement, StatementKind};
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::session::Session;
use crate::storage::Value;

/// Runs one statement. `text` is the script that it stands in.
pub(crate) fn execute(
    session: &mut Session,
    statement: &Statement,
    text: &str,
    params: &[Value],
) -> Result<Outcome> {
    let kind = &statement.kind;
    let own = || statement.span.text(text);
    match kind {
        StatementKind::Recommend(recommend) => recommend::run(session, recommend, params),
        StatementKind::Query(query) => {
            select::run(session, &SqlStatement::Query(query.clone()), params)
        }
        StatementKind::Insert(insert) => insert::run(session, insert, params),
        StatementKind::Update(update) => update::run(session, update, params),
        StatementKind::Delete(delete) => delete::run(session, delete, params),
        StatementKind::CopyFrom(copy) => copy_from::run(session, copy, params),
        StatementKind::CopyTo(copy) => copy_to::run(session, copy, params),
        StatementKind::Export(folder) => export::export(session, folder, params),
        StatementKind::Import(folder) => export::import(session, folder, params),
        StatementKind::Backup(folder) => export::backup(session, folder, params),
        StatementKind::CreateTable(create) => ddl::create_table(session, create, params),
        StatementKind::AlterTable(alter) => ddl::alter_table(session, alter, params),
        StatementKind::CreateModel(create) => model::create(session, create, params, own()),
        StatementKind::CreateEmbedding(create) => embedding::create(session, create, params, own()),
        StatementKind::RefreshEmbedding(refresh) => embedding::refresh(session, refresh),
        StatementKind::CreateIndex(create) => index::create(session, create, params),
        StatementKind::RefreshIndex(name) => index::refresh(session, name),
        StatementKind::Drop(drop) => match drop.kind {
            ObjectKind::Table => ddl::drop_table(session, drop),
            ObjectKind::Model => model::drop_model(session, drop),
            ObjectKind::Index => index::drop(session, drop),
            ObjectKind::Embedding => embedding::drop(session, drop),
        },
        StatementKind::Show(Show::Tables) => show::tables(session),
        StatementKind::Show(Show::Models) => show::models(session),
        StatementKind::Show(Show::Indexes) => show::indexes(session),
        StatementKind::Show(Show::Graphs) => show::graphs(session),
        StatementKind::Show(Show::Embeddings) => show::embeddings(session),
        StatementKind::Show(Show::Forgets) => forget::show(session),
        StatementKind::Show(Show::Training(name)) => model::show_training(session, name),
        StatementKind::Describe(name) => show::describe(session, name),
        StatementKind::Begin(isolation) => {
            session.begin(*isolation)?;
            Ok(Outcome::done(kind.name()))
        }
        StatementKind::Commit => {
            session.commit()?;
            Ok(Outcome::done(kind.name()))
        }
        StatementKind::Rollback => {
            session.rollback()?;
            Ok(Outcome::done(kind.name()))
        }
        StatementKind::TrainModel(train) => model::train(session, train, params, own()),
        StatementKind::RefreshModel(refresh) => model::refresh(session, refresh, params, own()),
        StatementKind::ExplainTrain(train) => model::explain_train(session, train, params, own()),
        StatementKind::VerifyForget(id) => forget::verify(session, id, params),
        StatementKind::Vacuum => forget::vacuum(session, statement.span),
        StatementKind::Evaluate(evaluate) => evaluate::run(session, evaluate, params),
        StatementKind::EvaluateForgetting(evaluate) => forgetting::run(session, evaluate, params),
        StatementKind::Explain { analyze, statement } => match (&statement.kind, analyze) {
            (StatementKind::Recommend(recommend), true) => {
                recommend::explain_analyze(session, recommend, params)
            }
            (StatementKind::Recommend(recommend), false) => {
                recommend::explain(session, recommend, params)
            }
            (StatementKind::Query(query), analyze) => {
                select::explain(session, &SqlStatement::Query(query.clone()), params, *analyze)
            }
            _ => Err(Error::statement_unsupported("EXPLAIN of this statement").at(statement.span)),
        },
    }
}
