//! From a request to a statement: texts that are put together, values that become parameters, the role
//! that is checked, the outcome as JSON.
//!
//! Names are quoted and values are parameters, so that nothing in them is read as language. A clause that
//! is language by nature (`where`) stands on lines of its own, so that an error in it is told at its place
//! in what the client sent; and what was put together must be the one statement that it was meant to be.

use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tastedb::{Outcome, Place, Script, Session, Value};
use utoipa::ToSchema;

use crate::rows::json::objects;
use crate::server::access::Principal;
use crate::server::jobs::{Report, Task};
use crate::server::problem::Problem;
use crate::server::state::Server;
use crate::server::work::Lane;

/// Rows, with what the database remarks.
#[derive(Serialize, ToSchema)]
pub(super) struct RowsAnswer {
    /// One object for each row.
    #[schema(value_type = Vec<Object>)]
    pub(super) rows: Vec<Json>,
    /// Remarks that are no errors: a fallback that answered, a condition that could not be met.
    pub(super) notices: Vec<String>,
    /// Seconds that the statement took.
    pub(super) seconds: f64,
}

impl RowsAnswer {
    /// The rows of the last of some outcomes.
    pub(super) fn of(outcomes: &[Outcome]) -> Result<RowsAnswer, Problem> {
        let Some(outcome) = outcomes.last() else {
            return Err(Problem::internal("a statement without outcome"));
        };
        Ok(RowsAnswer {
            rows: rows_of(outcome)?,
            notices: outcome.notices.clone(),
            seconds: outcome.elapsed.map_or(0.0, |elapsed| elapsed.as_secs_f64()),
        })
    }
}

/// The rows of an outcome as objects; none where it has none by nature.
pub(super) fn rows_of(outcome: &Outcome) -> Result<Vec<Json>, Problem> {
    let Some(rows) = &outcome.rows else { return Ok(Vec::new()) };
    objects(rows).map_err(|error| Problem::internal(error.to_string()))
}

/// Everything of an outcome: tag, rows, notices.
pub(crate) fn whole(outcome: &Outcome) -> Result<Json, Problem> {
    Ok(json!({
        "tag": outcome.tag,
        "rows": rows_of(outcome)?,
        "notices": outcome.notices,
        "affected": outcome.affected,
    }))
}

/// Checks every statement of a script against a role, then has `run` run each, by its place. The first error
/// ends it.
pub(super) fn checked(
    server: &Server,
    session: &mut Session,
    who: &Principal,
    script: &Script,
    run: &mut dyn FnMut(&mut Session, usize) -> Result<Outcome, Problem>,
) -> Result<Vec<Outcome>, Problem> {
    let statements: Vec<_> = (0..script.len()).filter_map(|at| script.get(at)).collect();
    for statement in &statements {
        who.may(statement.access)?;
    }
    let mut outcomes = Vec::with_capacity(statements.len());
    for (at, statement) in statements.iter().enumerate() {
        let start = Instant::now();
        let done = run(session, at);
        let code = done.as_ref().err().map(|problem| problem.code);
        server.metrics.statement("http", statement.name, code, start.elapsed());
        outcomes.push(done?);
    }
    Ok(outcomes)
}

/// A statement that is put together.
#[derive(Debug, Default)]
pub(super) struct Composed {
    text: String,
    params: Vec<Value>,
    /// Where clauses of the client stand: the first line of each, and the member it came in.
    clauses: Vec<(usize, &'static str)>,
    /// Whether its rows may be as many as there are: they are not sent.
    unlimited: bool,
}

impl Composed {
    /// A statement that begins like this, with parameters that the client's clauses may use.
    pub(super) fn new(begin: &str, params: Vec<Value>) -> Composed {
        Composed { text: begin.to_owned(), params, ..Composed::default() }
    }

    /// Words of the language.
    pub(super) fn words(&mut self, words: &str) -> &mut Composed {
        self.text.push(' ');
        self.text.push_str(words);
        self
    }

    /// A name, quoted.
    pub(super) fn name(&mut self, name: &str) -> &mut Composed {
        self.text.push(' ');
        self.text.push_str(&quoted(name));
        self
    }

    /// A value, as a parameter.
    pub(super) fn value(&mut self, value: Value) -> &mut Composed {
        use std::fmt::Write;

        self.params.push(value);
        // Writing to a String cannot fail.
        let _ = write!(self.text, " ${}", self.params.len());
        self
    }

    /// Values in parentheses, as parameters.
    pub(super) fn values(&mut self, values: impl IntoIterator<Item = Value>) -> &mut Composed {
        self.text.push_str(" (");
        for (n, value) in values.into_iter().enumerate() {
            if n > 0 {
                self.text.push(',');
            }
            self.value(value);
        }
        self.text.push(')');
        self
    }

    /// A clause in the language, as the client wrote it in the member `field`.
    pub(super) fn clause(&mut self, field: &'static str, text: &str) -> &mut Composed {
        self.text.push('\n');
        let line = self.text.matches('\n').count() + 1;
        self.clauses.push((line, field));
        self.text.push_str(text);
        // A comment in it ends here.
        self.text.push('\n');
        self
    }

    /// Asks for the ticket of a DELETE that forgets. It comes with each of the rows, none of which is sent.
    pub(super) fn ticket(&mut self) -> &mut Composed {
        self.unlimited = true;
        self.words("RETURNING forget_id() AS ticket")
    }

    /// Runs it: it must be one statement of this name.
    pub(super) async fn run(
        self,
        server: &Arc<Server>,
        who: Principal,
        lane: Lane,
        name: &'static str,
    ) -> Result<Vec<Outcome>, Problem> {
        let shared = Arc::clone(server);
        let work = Arc::clone(&server.work);
        work.run(lane, move |session| self.run_in(&shared, session, &who, name)).await
    }

    /// The same in a session that is there.
    pub(super) fn run_in(
        &self,
        server: &Server,
        session: &mut Session,
        who: &Principal,
        name: &'static str,
    ) -> Result<Vec<Outcome>, Problem> {
        let mut run = || {
            let script = session.script(&self.text)?;
            if script.len() != 1 || script.get(0).is_none_or(|statement| statement.name != name) {
                let message = "a clause holds more than one clause";
                return Err(Problem::bad_request(message));
            }
            session.set_row_limit((!self.unlimited).then_some(server.config.max_rows));
            checked(server, session, who, &script, &mut |session, at| {
                Ok(session.execute_at(&script, at, &self.params)?)
            })
        };
        run().map_err(|problem| self.placed(problem))
    }

    /// Runs it as a job: it must be one statement of this name.
    pub(super) fn start(
        self,
        server: &Arc<Server>,
        who: &Principal,
        name: &'static str,
    ) -> Result<(StatusCode, axum::Json<Report>), Problem> {
        let (shared, account) = (Arc::clone(server), who.clone());
        let statement = self.text.clone();
        let task: Task = Box::new(move |session| {
            let outcomes = self.run_in(&shared, session, &account, name)?;
            outcomes.last().map_or(Ok(Json::Null), whole)
        });
        let report = server.jobs.start(name, &statement, &who.name, task)?;
        Ok((StatusCode::ACCEPTED, axum::Json(report)))
    }

    /// The problem with its place in the clause of the client, or with none.
    fn placed(&self, mut problem: Problem) -> Problem {
        let Some(place) = problem.place.take() else { return problem };
        let within = self.clauses.iter().rev().find(|(line, _)| *line <= place.line);
        if let Some((line, field)) = within {
            problem.field = Some(field);
            problem.place = Some(Place {
                line: place.line - line + 1,
                end_line: place.end_line.saturating_sub(line - 1).max(1),
                ..place
            });
        }
        problem
    }
}

/// A name of the language in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A JSON value as a parameter: a list of numbers is a vector, a list of texts a list.
pub(super) fn param(value: &Json) -> Result<Value, Problem> {
    let wrong = |what: &str| Problem::bad_request(format!("{what} is no value of a column"));
    Ok(match value {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) => Value::Int(n),
            (None, Some(x)) if x.is_finite() => Value::Real(x),
            _ => return Err(wrong("a number beyond 64 bits")),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(values) if values.is_empty() => Value::TextList(Vec::new()),
        Json::Array(values) if values.iter().all(Json::is_number) => {
            let numbers: Vec<String> = values.iter().map(Json::to_string).collect();
            Value::Text(format!("[{}]", numbers.join(",")))
        }
        Json::Array(values) => {
            let texts = values.iter().map(|value| match value {
                Json::String(text) => Ok(text.clone()),
                _ => Err(wrong("a list of anything but texts or numbers")),
            });
            Value::TextList(texts.collect::<Result<_, _>>()?)
        }
        Json::Object(_) => return Err(wrong("an object")),
    })
}

/// JSON values as parameters.
pub(super) fn params(values: &[Json]) -> Result<Vec<Value>, Problem> {
    values.iter().map(param).collect()
}

/// The key of a user or an item.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a key is a text or a whole number")]
pub(super) enum Key {
    /// Of a table whose keys are whole numbers.
    Number(i64),
    /// Of any other.
    Text(String),
}

impl From<Key> for Value {
    fn from(key: Key) -> Value {
        match key {
            Key::Number(key) => Value::Int(key),
            Key::Text(key) => Value::Text(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tastedb::{Place, Value};

    use super::{Composed, Problem, param, quoted};

    #[test]
    fn values_never_become_language() {
        let mut composed = Composed::new("RECOMMEND", vec![Value::Int(1)]);
        composed
            .name("mo\"vies; DROP TABLE x")
            .words("FOR USER")
            .value(Value::Text("'; --".into()));
        assert_eq!(composed.text, "RECOMMEND \"mo\"\"vies; DROP TABLE x\" FOR USER $2");
        assert_eq!(quoted("a"), "\"a\"");
    }

    #[test]
    fn a_place_is_one_in_the_clients_text() {
        let mut composed = Composed::new("RECOMMEND m FOR USER $1", Vec::new());
        composed.words("WHERE (").clause("where", "a = 1\nAND b =").words(")");
        let place = Place { line: 3, column: 8, end_line: 3, end_column: 9 };
        let mut problem = Problem::bad_request("x");
        problem.place = Some(place);
        let placed = composed.placed(problem);
        assert_eq!(placed.field, Some("where"));
        assert_eq!(placed.place.map(|place| (place.line, place.column)), Some((2, 8)));
    }

    #[test]
    fn json_becomes_what_columns_take() {
        assert_eq!(param(&json!([1, 0.5])).ok(), Some(Value::Text("[1,0.5]".into())));
        assert_eq!(param(&json!(["a"])).ok(), Some(Value::TextList(vec!["a".into()])));
        assert_eq!(param(&json!(3)).ok(), Some(Value::Int(3)));
        assert!(param(&json!({})).is_err());
        assert!(param(&json!(["a", 1])).is_err());
    }
}
