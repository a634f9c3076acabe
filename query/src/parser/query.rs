//! Queries explained, transactions, and the statements of forgetting.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use crate::ast::{Isolation, Statement, StatementKind};
use crate::codes;
use crate::error::{Error, Result};

impl Cursor<'_> {
    /// `EXPLAIN TRAIN MODEL …`, `EXPLAIN [ANALYZE] RECOMMEND … | SELECT …`
    pub(super) fn explain(&mut self) -> Result<StatementKind> {
        self.expect("explain")?;
        if self.is("train") {
            return self.train_model("train").map(StatementKind::ExplainTrain);
        }
        let analyze = self.accept("analyze");
        let start = self.here();
        let kind = if self.is("recommend") {
            StatementKind::Recommend(Box::new(self.recommend()?))
        } else if self.is_any(&["select", "with", "values"]) {
            StatementKind::Query(self.query()?)
        } else if self.is_any(&["insert", "update", "delete", "copy", "create", "evaluate"]) {
            return Err(Error::new(
                &codes::STATEMENT_UNSUPPORTED,
                "EXPLAIN takes a RECOMMEND, a query or a TRAIN MODEL",
            )
            .at(start));
        } else {
            let words = ["ANALYZE", "RECOMMEND", "SELECT", "TRAIN"];
            return Err(self
                .expected("ANALYZE, RECOMMEND, SELECT or TRAIN MODEL")
                .suggest(self.near(&words)));
        };
        let statement = Statement { kind, span: self.since(start), params: 0 };
        Ok(StatementKind::Explain { analyze, statement: Box::new(statement) })
    }

    /// `BEGIN`, `COMMIT`, `ROLLBACK` and their other spellings.
    pub(super) fn transaction(&mut self, word: &str) -> Result<StatementKind> {
        self.sql.advance_token();
        let kind = match word {
            "START" => {
                self.expect("transaction")?;
                return Ok(StatementKind::Begin(self.isolation()?));
            }
            "BEGIN" => {
                let _ = self.accept("transaction") || self.accept("work");
                return Ok(StatementKind::Begin(self.isolation()?));
            }
            "COMMIT" | "END" => StatementKind::Commit,
            _ => StatementKind::Rollback,
        };
        let _ = self.accept("transaction") || self.accept("work");
        if kind == StatementKind::Rollback && self.is("to") {
            return Err(Error::new(
                &codes::CLAUSE_UNSUPPORTED,
                "ROLLBACK TO a savepoint is not supported",
            )
            .at(self.here()));
        }
        if self.accept("and") {
            let no = self.accept("no");
            let place = self.here();
            self.expect("chain")?;
            if !no {
                let error = Error::new(&codes::CLAUSE_UNSUPPORTED, "AND CHAIN is not supported");
                return Err(error.at(place).hint("write BEGIN for the next transaction"));
            }
        }
        Ok(kind)
    }

    /// The modes of a transaction, with commas or without.
    fn isolation(&mut self) -> Result<Isolation> {
        let mut isolation = Isolation::Default;
        loop {
            if self.accept("isolation") {
                self.expect("level")?;
                isolation = match self.expect_one_of(&["read", "repeatable", "serializable"])? {
                    "read" => {
                        self.expect_one_of(&["committed", "uncommitted"])?;
                        Isolation::ReadCommitted
                    }
                    "repeatable" => {
                        self.expect("read")?;
                        Isolation::Serializable
                    }
                    _ => Isolation::Serializable,
                };
            } else if self.accept("read") {
                let place = self.here();
                if self.expect_one_of(&["write", "only"])? == "only" {
                    let what = "a transaction that only reads is not supported";
                    return Err(Error::new(&codes::CLAUSE_UNSUPPORTED, what)
                        .at(place)
                        .hint("leave READ ONLY out"));
                }
            } else if self.accept("not") {
                self.expect("deferrable")?;
            } else if !self.accept("deferrable") {
                return Ok(isolation);
            }
            let _ = self.accept_token(&Token::Comma);
        }
    }

    /// `VERIFY FORGET 'f_…'`
    pub(super) fn verify(&mut self) -> Result<StatementKind> {
        self.expect("verify")?;
        self.expect("forget")?;
        self.operand().map(StatementKind::VerifyForget)
    }

    /// `VACUUM`
    pub(super) fn vacuum(&mut self) -> Result<StatementKind> {
        self.expect("vacuum")?;
        Ok(StatementKind::Vacuum)
    }
}
