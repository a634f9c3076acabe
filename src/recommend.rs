//! Recommending without SQL.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use tastedb_engine::{Context, Request, Seen, Similarity, Source};
use tastedb_storage::{ItemId, Link, Read, Role, Table, TableId, UserId};

use crate::error::{Error, Result};
use crate::slate::Clauses;
use crate::snapshot::Snapshot;
use crate::write::column_of;

/// A question: for whom, from which models, among which candidates. See
/// [`Database::recommend`](crate::Database::recommend).
///
/// Contexts add up: the history of a user, the items of a session, items liked and disliked.
#[derive(Debug)]
#[must_use = "nothing is asked before `run`"]
pub struct Recommend {
    snapshot: Snapshot,
    table: String,
    contexts: Vec<Keyed>,
    sources: Vec<Source>,
    candidates: Option<Vec<String>>,
    include_seen: bool,
    k: usize,
    offset: usize,
    reasons: usize,
    seed: u64,
    metric: Option<Similarity>,
    correct_hubs: bool,
    pub(crate) slate: Clauses,
}

/// A context as the application says it: by keys.
#[derive(Debug)]
enum Keyed {
    User(String),
    Item(String),
    Session(Vec<String>),
    Likes(Vec<String>),
    Dislikes(Vec<String>),
    Vector(String, Vec<f32>),
}

/// The answer, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendations {
    /// The rows; fewer than asked for only where there are no more.
    pub rows: Vec<Recommendation>,
    /// What should be known: which fallback answered and why.
    pub notices: Vec<String>,
}

/// One recommended item (or user).
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendation {
    /// From 1.
    pub rank: usize,
    /// The application's key.
    pub key: String,
    /// Higher is better. Comparable within one answer only.
    pub score: f32,
    /// The model or built-in source that gave it.
    pub source: String,
    /// The version of the model, where a model gave it.
    pub model_version: Option<u64>,
    /// The probability that it stands at its place, given the rows before it; 1 unless places are
    /// explored.
    pub propensity: f64,
    /// What it rests on, strongest first; empty unless asked for.
    pub reasons: Vec<Because>,
}

/// One thing that a recommendation rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Because {
    /// The key of an item in the history or context.
    pub key: String,
    /// Its share of the positive part of the score, 0 to 1.
    pub share: f32,
    /// The modality that linked the two, for models that look at content.
    pub modality: Option<String>,
    /// The words that weigh most in both, the heaviest first, where that modality is an embedding that
    /// the database computes from text.
    pub terms: Vec<String>,
}

impl Recommend {
    pub(crate) fn new(snapshot: Snapshot, table: String) -> Recommend {
        Recommend {
            snapshot,
            table,
            contexts: Vec::new(),
            sources: Vec::new(),
            candidates: None,
            include_seen: false,
            k: 10,
            offset: 0,
            reasons: 0,
            seed: 0,
            metric: None,
            correct_hubs: false,
            slate: Clauses::default(),
        }
    }

    /// For this user, by their history as it is now.
    pub fn user(self, key: impl Into<String>) -> Recommend {
        self.context(Keyed::User(key.into()))
    }

    /// Like this item; from a table of users: who would like it.
    pub fn item(self, key: impl Into<String>) -> Recommend {
        self.context(Keyed::Item(key.into()))
    }

    /// For somebody unknown who has looked at these items, the oldest first.
    pub fn session<K: Into<String>>(self, keys: impl IntoIterator<Item = K>) -> Recommend {
        self.context(Keyed::Session(keys.into_iter().map(K::into).collect()))
    }

    /// For somebody who likes these items.
    pub fn likes<K: Into<String>>(self, keys: impl IntoIterator<Item = K>) -> Recommend {
        self.context(Keyed::Likes(keys.into_iter().map(K::into).collect()))
    }

    /// For somebody who dislikes these items: they count against what is like them.
    pub fn dislikes<K: Into<String>>(self, keys: impl IntoIterator<Item = K>) -> Recommend {
        self.context(Keyed::Dislikes(keys.into_iter().map(K::into).collect()))
    }

    /// Near this vector, in the space of an embedding column of the table.
    pub fn vector(self, column: impl Into<String>, vector: impl Into<Vec<f32>>) -> Recommend {
        self.context(Keyed::Vector(column.into(), vector.into()))
    }

    /// What is near to the vectors, where they are all there is and no model is named; by cosine unless
    /// said.
    pub fn metric(mut self, metric: Similarity) -> Recommend {
        self.metric = Some(metric);
        self
    }

    /// Holds rows back whose vectors are near to everything; of vectors alone, by cosine.
    pub fn correct_hubs(mut self) -> Recommend {
        self.correct_hubs = true;
        self
    }

    /// From this model or built-in source (`popular`, `trending`, `latest`, `random`). Without
    /// any, the model that was created first answers.
    pub fn using(self, source: impl Into<String>) -> Recommend {
        self.using_weighted(source, 1.0)
    }

    /// One of several sources, with its share in the blend.
    pub fn using_weighted(mut self, source: impl Into<String>, weight: f32) -> Recommend {
        self.sources.push(Source { name: source.into(), weight });
        self
    }

    /// Only these rows, by key; unknown keys are passed over.
    pub fn among<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Recommend {
        self.candidates = Some(keys.into_iter().map(K::into).collect());
        self
    }

    /// Also what the user has had before. It is left out otherwise.
    pub fn include_seen(mut self) -> Recommend {
        self.include_seen = true;
        self
    }

    /// How many rows at most; 10 unless said.
    pub fn k(mut self, k: usize) -> Recommend {
        self.k = k;
        self
    }

    /// How many of the best rows to skip.
    pub fn offset(mut self, offset: usize) -> Recommend {
        self.offset = offset;
        self
    }

    /// How many reasons to tell with each row.
    pub fn reasons(mut self, reasons: usize) -> Recommend {
        self.reasons = reasons;
        self
    }

    /// The seed of sources and of exploration, which draw at random.
    pub fn seed(mut self, seed: u64) -> Recommend {
        self.seed = seed;
        self
    }

    /// Asks.
    ///
    /// # Errors
    ///
    /// Where a table, a key, a source or a column is unknown, a model was named that is not
    /// trained, a metric was given without vectors or with a model, or no context was given.
    pub fn run(self) -> Result<Recommendations> {
        let snapshot = &self.snapshot;
        let table = snapshot.table(&self.table)?;
        if self.contexts.is_empty() {
            return Err(Error::no_context(
                "a recommendation is for somebody: say user, item, session, likes or vector",
            ));
        }
        let source = self.sources.first().map(|source| source.name.as_str());
        let resolver = Resolver { snapshot, table, source };
        let contexts = self.contexts.iter().map(|c| resolver.context(c)).collect::<Result<_>>()?;
        let request = Request {
            table: table.id,
            contexts,
            sources: self.sources.clone(),
            candidates: self.allowed(table)?,
            seen: if self.include_seen { Vec::new() } else { vec![Seen::Default] },
            k: self.k,
            offset: self.offset,
            reasons: 0,
            interactions: None,
            users: resolver.user_table().ok(),
            items: match self.contexts.as_slice() {
                [Keyed::Item(key)] => Some(resolver.item(key)?.0),
                _ => None,
            },
            seed: self.seed,
            metric: self.metric,
            correct_hubs: self.correct_hubs,
        };
        let engine = &snapshot.engine;
        let end = self.offset.saturating_add(self.k);
        let (mut response, places, notices) = match self.slate.bind(snapshot, table, end)? {
            None => {
                let response = engine.recommend(&snapshot.state, &request)?;
                let places = (0..response.rows.len()).map(|place| (place, 1.0)).collect();
                (response, places, Vec::new())
            }
            Some(slate) => {
                let first = Request { k: slate.pool(end), offset: 0, ..request.clone() };
                let seed = match request.contexts.first() {
                    Some(Context::User(user)) => self.seed ^ user.0.rotate_left(32),
                    _ => self.seed,
                };
                let mut response = engine.recommend(&snapshot.state, &first)?;
                let mut picked = slate.pick(&response, end, seed)?;
                if picked.short && response.rows.len() == first.k {
                    // What the best rows cannot give, all of them may.
                    let all = Request { k: usize::MAX, ..first };
                    response = engine.recommend(&snapshot.state, &all)?;
                    picked = slate.pick(&response, end, seed)?;
                }
                let places = picked.places.split_off(self.offset.min(picked.places.len()));
                (response, places, picked.notices)
            }
        };
        let mut chosen: Vec<_> =
            places.iter().map(|(place, _)| response.rows[*place].clone()).collect();
        if self.reasons > 0 {
            engine.explain(&snapshot.state, &request, &response, &mut chosen, self.reasons)?;
        }
        response.notices.extend(notices);
        let mut rows = Vec::with_capacity(chosen.len());
        for (i, (row, (_, propensity))) in chosen.iter().zip(places).enumerate() {
            let reasons = row.reasons.iter().map(|reason| {
                let key = snapshot.key(reason.table, reason.item)?;
                let (modality, terms) = (reason.modality.clone(), reason.terms.clone());
                Ok(Because { key, share: reason.share, modality, terms })
            });
            rows.push(Recommendation {
                rank: self.offset + i + 1,
                key: response.entities.key(row.row).to_string(),
                score: row.score,
                source: row.source.to_string(),
                model_version: row.model_version,
                propensity,
                reasons: reasons.collect::<Result<_>>()?,
            });
        }
        Ok(Recommendations { rows, notices: response.notices })
    }

    fn context(mut self, context: Keyed) -> Recommend {
        self.contexts.push(context);
        self
    }

    fn allowed(&self, table: &Table) -> Result<Option<Arc<FixedBitSet>>> {
        let Some(keys) = &self.candidates else {
            return Ok(None);
        };
        let snapshot = &self.snapshot;
        let engine = &snapshot.engine;
        let entities = engine.live().entities(engine.store(), &snapshot.state, table.id)?;
        let mut allowed = FixedBitSet::with_capacity(entities.len());
        for key in keys {
            if let Some(row) =
                snapshot.state.lookup(table.id, key)?.and_then(|id| entities.row_of(id))
            {
                allowed.insert(row as usize);
            }
        }
        Ok(Some(Arc::new(allowed)))
    }
}

/// Turns keys into ids: which table a key belongs to depends on what is asked for.
struct Resolver<'a> {
    snapshot: &'a Snapshot,
    table: &'a Table,
    /// The first source that is named.
    source: Option<&'a str>,
}

impl Resolver<'_> {
    fn context(&self, keyed: &Keyed) -> Result<Context> {
        let items = |keys: &[String]| -> Result<Vec<ItemId>> {
            keys.iter().map(|key| Ok(self.item(key)?.1)).collect()
        };
        Ok(match keyed {
            Keyed::User(key) => Context::User(UserId(self.id(self.user_table()?, key)?)),
            Keyed::Item(key) => Context::Item(self.item(key)?.1),
            Keyed::Session(keys) => Context::Session(items(keys)?),
            Keyed::Likes(keys) => Context::Likes(items(keys)?),
            Keyed::Dislikes(keys) => Context::Dislikes(items(keys)?),
            Keyed::Vector(column, vector) => {
                Context::Vector(column_of(self.table, column)?, vector.clone())
            }
        })
    }

    fn id(&self, table: TableId, key: &str) -> Result<u64> {
        let found = self.snapshot.state.lookup(table, key)?;
        found.ok_or_else(|| Error::no_row(self.snapshot.state.catalog(), table, key))
    }

    /// An item with its table: one of the table that is recommended from or, where that has none of the
    /// key, of the others whose items the model knows too; where users are, one that the model knows.
    fn item(&self, key: &str) -> Result<(TableId, ItemId)> {
        let own = match self.table.role {
            Role::Item => Some(self.table.id),
            Role::User | Role::Interaction => None,
        };
        let find = |table: TableId| -> Result<Option<(TableId, ItemId)>> {
            let id = self.snapshot.state.lookup(table, key)?;
            Ok(id.map(|id| (table, ItemId(id))))
        };
        if let Some(found) = own.map(find).transpose()?.flatten() {
            return Ok(found);
        }
        let mut tables = self.items_of_model()?;
        if tables.is_empty() && own.is_none() {
            tables.push(self.link()?.item_table);
        }
        for table in &tables {
            if let Some(found) = find(*table)? {
                return Ok(found);
            }
        }
        let table = own.or(tables.first().copied()).unwrap_or(self.table.id);
        Err(Error::no_row(self.snapshot.state.catalog(), table, key))
    }

    /// The tables of the items that the model knows that is to answer; none where none is.
    fn items_of_model(&self) -> Result<Vec<TableId>> {
        let (engine, state) = (&self.snapshot.engine, &self.snapshot.state);
        let model = match (self.source, self.table.role) {
            (Some(name), _) => engine.model(state, name).ok(),
            (None, Role::Item) => engine.default_model(state, self.table.id)?,
            (None, _) => None,
        };
        Ok(model.map_or_else(Vec::new, |model| model.item_tables(state.catalog())))
    }

    fn user_table(&self) -> Result<TableId> {
        match self.table.role {
            Role::User => Ok(self.table.id),
            Role::Item | Role::Interaction => Ok(self.link()?.user_table),
        }
    }

    /// The first interactions that the table takes part in.
    fn link(&self) -> Result<&Link> {
        let catalog = self.snapshot.state.catalog();
        let mut links = catalog.dependents(self.table.id).filter_map(|table| table.link.as_ref());
        links.next().ok_or_else(|| {
            Error::no_context(format!(
                "table `{}` has no interactions: nobody's history refers to it",
                self.table.name
            ))
        })
    }
}
