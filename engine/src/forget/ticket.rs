//! One ticket: what is to be forgotten, in sizes, and how far that has come.

use tastedb_storage::{Catalog, Role, TableId};

use super::behaviour::Behaviour;
use crate::error::{Error, Result};
use crate::model::{Embeddings, algorithm};
use crate::registry::{Fields, ModelDefinition};

/// What a ticket is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Users, with all that is theirs.
    User,
    /// Items, with all that is theirs.
    Item,
    /// Some interactions.
    Interactions,
    /// Vectors of rows that stay.
    Modality,
    /// Other values of rows that stay.
    Attribute,
    /// Values of interactions that stay.
    InteractionAttribute,
}

/// How far a ticket has come; it only moves forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No answer shows it.
    Masked,
    /// No file of the database holds it.
    Erased,
    /// No model that serves has learned from it, either.
    Unlearned,
    /// The database was searched, and a receipt says so.
    Verified,
}

/// What is to be forgotten, and how far that has come. Times are in microseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    /// The number in its id.
    pub number: u64,
    /// What it is about.
    pub scope: Scope,
    /// The table that the deleted rows were in.
    pub table: TableId,
    /// The name that the table had.
    pub table_name: String,
    /// The columns whose values are forgotten; none where whole rows are.
    pub columns: Vec<String>,
    /// Rows of that table that were deleted.
    pub rows: u64,
    /// Interactions that were deleted.
    pub interactions: u64,
    /// Embeddings that were deleted.
    pub embeddings: u64,
    /// The commit that deleted them.
    pub generation: u64,
    /// When that was.
    pub requested: i64,
    /// When the files are to be rewritten at the latest.
    pub deadline: i64,
    /// When no file held them any more.
    pub erased: Option<i64>,
    /// When no serving model had learned from them any more.
    pub unlearned: Option<i64>,
    /// When it was verified for the first time.
    pub verified: Option<i64>,
    /// Of each model concerned, how it unlearned, or why it could not.
    pub methods: Vec<(String, String)>,
    /// What models that were asked gave away of the interactions before they unlearned, and after.
    pub behaviour: Vec<Behaviour>,
}

impl Scope {
    pub(super) fn of(role: Role) -> Scope {
        match role {
            Role::User => Scope::User,
            Role::Item => Scope::Item,
            Role::Interaction => Scope::Interactions,
        }
    }

    /// Whether what is computed from the rows of a table, its embeddings and graphs, held it.
    pub(super) fn has_content(self) -> bool {
        matches!(self, Scope::Item | Scope::Modality | Scope::Attribute)
    }

    /// Whether it is of rows that stay.
    pub(super) fn is_of_values(self) -> bool {
        matches!(self, Scope::Modality | Scope::Attribute | Scope::InteractionAttribute)
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::User => "user",
            Scope::Item => "item",
            Scope::Interactions => "interactions",
            Scope::Modality => "modality",
            Scope::Attribute => "attribute",
            Scope::InteractionAttribute => "interaction attribute",
        }
    }
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Masked => "masked",
            State::Erased => "erased",
            State::Unlearned => "unlearned",
            State::Verified => "verified",
        }
    }
}

impl Ticket {
    /// Its id: `f_` and its number.
    pub fn id(&self) -> String {
        format!("f_{}", self.number)
    }

    /// The number in an id.
    pub(super) fn number_of(id: &str) -> Option<u64> {
        let number: u64 = id.strip_prefix("f_")?.parse().ok()?;
        (format!("f_{number}") == id).then_some(number)
    }

    /// How far it has come.
    pub fn state(&self) -> State {
        match (self.erased, self.unlearned, self.verified) {
            (Some(_), Some(_), Some(_)) => State::Verified,
            (Some(_), Some(_), None) => State::Unlearned,
            (Some(_), None, _) => State::Erased,
            (None, ..) => State::Masked,
        }
    }

    /// Whether a vacuum has something to do for it.
    pub fn is_open(&self) -> bool {
        self.state() < State::Unlearned
    }

    /// Whether a vacuum has taken it up, and its forget set away.
    pub(super) fn is_vacuumed(&self) -> bool {
        self.erased.is_some() || self.unlearned.is_some() || !self.methods.is_empty()
    }

    /// Whether a model can have learned from what was deleted.
    pub(super) fn concerns(&self, model: &ModelDefinition, catalog: &Catalog) -> bool {
        let linked = |table: TableId| {
            let link = catalog.table_by_id(table).and_then(|table| table.link.as_ref());
            link.is_some_and(|link| [link.user_table, link.item_table].contains(&self.table))
        };
        match self.scope {
            Scope::Interactions | Scope::InteractionAttribute => model.learns_from(self.table),
            // Models know no users, only what they did.
            Scope::User if self.interactions == 0 => false,
            Scope::User | Scope::Item => model.tables.iter().any(|own| linked(own.table)),
            // A model learns of an attribute by the text embeddings that are made of it.
            Scope::Modality | Scope::Attribute => {
                let looks = algorithm(&model.algorithm)
                    .is_ok_and(|algorithm| algorithm.embeddings != Embeddings::Unused);
                looks && model.tables.iter().any(|own| linked(own.table))
            }
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::new();
        fields
            .set("scope", self.scope.name())
            .set("table", self.table)
            .set("table_name", &self.table_name)
            .set_opt("columns", (!self.columns.is_empty()).then(|| self.columns.join("\n")))
            .set("rows", self.rows)
            .set("interactions", self.interactions)
            .set("embeddings", self.embeddings)
            .set("generation", self.generation)
            .set("requested", self.requested)
            .set("deadline", self.deadline)
            .set_opt("erased", self.erased)
            .set_opt("unlearned", self.unlearned)
            .set_opt("verified", self.verified);
        for (model, method) in &self.methods {
            fields.set(&format!("method.{model}"), method);
        }
        for behaviour in &self.behaviour {
            fields.set(&format!("behaviour.{}", behaviour.model), behaviour.encode());
        }
        fields.encode()
    }

    pub(super) fn decode(record: &str, number: u64, bytes: &[u8]) -> Result<Ticket> {
        let fields = Fields::decode(record, bytes)?;
        let time = |name: &str| match fields.get(name) {
            Some(_) => fields.number(record, name).map(Some),
            None => Ok(None),
        };
        let scopes = [
            Scope::User,
            Scope::Item,
            Scope::Interactions,
            Scope::Modality,
            Scope::Attribute,
            Scope::InteractionAttribute,
        ];
        let scope = fields.text(record, "scope")?;
        let scope = scopes.into_iter().find(|known| known.name() == scope);
        let methods = fields.with_prefix("method.");
        let behaviour = fields.with_prefix("behaviour.");
        let behaviour = behaviour.map(|(model, text)| Behaviour::decode(model, text));
        Ok(Ticket {
            number,
            scope: scope.ok_or_else(|| Error::CorruptRecord {
                record: record.to_owned(),
                what: "its scope is none".to_owned(),
            })?,
            table: TableId(fields.number(record, "table")?),
            table_name: fields.text(record, "table_name")?.to_owned(),
            columns: match fields.get("columns") {
                Some(columns) => columns.lines().map(str::to_owned).collect(),
                None => Vec::new(),
            },
            rows: fields.number(record, "rows")?,
            interactions: fields.number(record, "interactions")?,
            embeddings: fields.number(record, "embeddings")?,
            generation: fields.number(record, "generation")?,
            requested: fields.number(record, "requested")?,
            deadline: fields.number(record, "deadline")?,
            erased: time("erased")?,
            unlearned: time("unlearned")?,
            verified: time("verified")?,
            methods: methods.map(|(model, how)| (model.to_owned(), how.to_owned())).collect(),
            behaviour: behaviour.collect::<Option<_>>().ok_or_else(|| Error::CorruptRecord {
                record: record.to_owned(),
                what: "what a model gave away is no such thing".to_owned(),
            })?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            number: 7,
            scope: Scope::Item,
            table: TableId(3),
            table_name: "movies".to_owned(),
            columns: vec!["image".to_owned(), "sound".to_owned()],
            rows: 1,
            interactions: 20,
            embeddings: 2,
            generation: 9,
            requested: -5,
            deadline: 3_600_000_000,
            erased: None,
            unlearned: None,
            verified: None,
            methods: vec![("home".to_owned(), "counts patched".to_owned())],
            behaviour: Behaviour::decode("home", "7 0.9 - 0.02 3 - 100").into_iter().collect(),
        }
    }

    #[test]
    fn a_ticket_comes_back_in_every_state_and_every_cut_is_an_error() {
        let mut ticket = ticket();
        let mut states = Vec::new();
        for step in 0..4 {
            match step {
                1 => ticket.erased = Some(1),
                2 => ticket.unlearned = Some(2),
                3 => ticket.verified = Some(3),
                _ => {}
            }
            states.push(ticket.state());
            let bytes = ticket.encode();
            assert_eq!(Ticket::decode("forget/7", 7, &bytes).unwrap(), ticket);
            for cut in 0..bytes.len() {
                assert!(Ticket::decode("forget/7", 7, &bytes[..cut]).is_err(), "cut at {cut}");
            }
        }
        assert_eq!(states, [State::Masked, State::Erased, State::Unlearned, State::Verified]);
        assert!(states.is_sorted());
        ticket.erased = None;
        assert!(ticket.is_open(), "what is in a file is not forgotten");
    }

    #[test]
    fn an_id_is_its_number_and_nothing_else_is_an_id() {
        assert_eq!(ticket().id(), "f_7");
        assert_eq!(Ticket::number_of("f_7"), Some(7));
        for wrong in ["", "7", "f7", "f_", "f_07", "f_+7", "f_x", "f_-1", "F_7", "f_7 "] {
            assert_eq!(Ticket::number_of(wrong), None, "{wrong}");
        }
    }
}
