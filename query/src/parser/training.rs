//! TRAIN, REFRESH, EVALUATE and EVALUATE FORGETTING.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use crate::ast::{
    Evaluate, EvaluateForgetting, Forgotten, Literal, Metric, OperandKind, StatementKind,
    TrainModel,
};
use crate::codes;
use crate::error::{Error, Result};

impl Cursor<'_> {
    /// `TRAIN MODEL …`
    pub(super) fn train(&mut self) -> Result<StatementKind> {
        self.train_model("train").map(StatementKind::TrainModel)
    }

    /// `REFRESH MODEL …`, `REFRESH EMBEDDING …` or `REFRESH INDEX name`
    pub(super) fn refresh(&mut self) -> Result<StatementKind> {
        if self.nth_is(1, "index") {
            self.words(&["refresh", "index"])?;
            return Ok(StatementKind::RefreshIndex(self.name("an index name")?));
        }
        if self.nth_is(1, "embedding") {
            return self.refresh_embedding();
        }
        if !self.nth_is(1, "model") {
            self.expect("refresh")?;
            self.expect_one_of(&["model", "embedding", "index"])?;
        }
        self.train_model("refresh").map(StatementKind::RefreshModel)
    }

    /// `word MODEL name [WITH (…)]`
    pub(super) fn train_model(&mut self, word: &'static str) -> Result<TrainModel> {
        self.expect(word)?;
        self.expect("model")?;
        Ok(TrainModel { model: self.name("a model name")?, options: self.with_options()? })
    }

    /// `EVALUATE source, … ON table [SPLIT BY expr] METRICS … [GROUP BY …] [WITH (…)]`
    pub(super) fn evaluate(&mut self) -> Result<StatementKind> {
        self.expect("evaluate")?;
        if self.is("forgetting") && !self.names_a_model() {
            return self.evaluate_forgetting();
        }
        let sources = self.list(|cursor| cursor.name("a model name"))?;
        super::cursor::distinct(sources.iter(), "model")?;
        self.expect("on")?;
        let table = self.name("a table name")?;
        let split = if self.accept("split") {
            self.expect("by")?;
            Some(self.expr()?)
        } else {
            None
        };
        self.expect_one_of(if split.is_some() { &["metrics"] } else { &["split", "metrics"] })?;
        let metrics = self.list(Cursor::metric)?;
        let group_by = if self.accept("group") {
            self.expect("by")?;
            self.list(Cursor::expr)?
        } else {
            Vec::new()
        };
        let options = self.with_options()?;
        Ok(StatementKind::Evaluate(Evaluate { sources, table, split, metrics, group_by, options }))
    }

    /// Whether FORGETTING is the name of a model here: what follows a list of models comes next.
    fn names_a_model(&self) -> bool {
        self.nth_is(1, "on") || self.peek_nth(1).token == Token::Comma
    }

    /// `FORGETTING [MODEL] name, … [OF what] [ON table [SPLIT BY expr]] [WITH (…)]`
    fn evaluate_forgetting(&mut self) -> Result<StatementKind> {
        self.expect("forgetting")?;
        let _ = self.accept("model");
        let models = self.list(|cursor| cursor.name("a model name"))?;
        super::cursor::distinct(models.iter(), "model")?;
        let what = match self.accept("of") {
            false => None,
            true => Some(match self.expect_one_of(&["users", "items", "interactions"])? {
                "users" => Forgotten::Users,
                "items" => Forgotten::Items,
                _ => Forgotten::Interactions,
            }),
        };
        let table = if self.accept("on") { Some(self.name("a table name")?) } else { None };
        let split = if table.is_some() && self.accept("split") {
            self.expect("by")?;
            Some(self.expr()?)
        } else {
            None
        };
        let options = self.with_options()?;
        let forgetting = EvaluateForgetting { models, what, table, split, options };
        Ok(StatementKind::EvaluateForgetting(forgetting))
    }

    /// `name(k)`
    fn metric(&mut self) -> Result<Metric> {
        let name = self.name("a metric, such as recall(20)")?;
        if self.peek().token != Token::LParen {
            return Err(self
                .expected("`(` and the length of the list")
                .hint(format!("write {name}(20)")));
        }
        self.expect_token(&Token::LParen)?;
        let k = self.operand()?;
        let k = match k.kind {
            OperandKind::Literal(Literal::Int(k)) if (1..=i64::from(u32::MAX)).contains(&k) => {
                u32::try_from(k).unwrap_or(u32::MAX)
            }
            _ => {
                return Err(Error::new(
                    &codes::SYNTAX,
                    "the length of the list is a whole number of 1 or more",
                )
                .at(k.span));
            }
        };
        self.close()?;
        let span = self.since(name.span);
        Ok(Metric { name, k, span })
    }
}
