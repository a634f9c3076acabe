//! What a statement does to a database, for whoever has to allow it: a server with roles.
//!
//! It looks at the kind of the statement only, at no name and no row. Invariant: a statement that
//! can change what is stored, or that reads or writes a file, is never [`Access::Read`].

use crate::ast::{Endpoint, Statement, StatementKind};

/// How far a statement reaches. Each includes what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// It reads: queries, recommendations, evaluations, lists.
    Read,
    /// It changes rows, or brings a model up to date with them.
    Write,
    /// It changes definitions, touches files of the machine, or reorganises the database.
    Admin,
}

impl Statement {
    /// How far the statement reaches.
    pub fn access(&self) -> Access {
        match &self.kind {
            StatementKind::Show(_)
            | StatementKind::Describe(_)
            | StatementKind::Begin(_)
            | StatementKind::Commit
            | StatementKind::Rollback
            | StatementKind::ExplainTrain(_)
            | StatementKind::Evaluate(_)
            | StatementKind::EvaluateForgetting(_)
            | StatementKind::Recommend(_)
            | StatementKind::Query(_) => Access::Read,
            StatementKind::Explain { statement, .. } => statement.access(),
            StatementKind::Insert(_)
            | StatementKind::Update(_)
            | StatementKind::Delete(_)
            | StatementKind::TrainModel(_)
            | StatementKind::RefreshModel(_)
            | StatementKind::RefreshEmbedding(_)
            | StatementKind::RefreshIndex(_)
            | StatementKind::VerifyForget(_) => Access::Write,
            // What the client sends and gets itself touches no file of the machine.
            StatementKind::CopyFrom(copy) => match copy.from {
                Endpoint::Client(_) => Access::Write,
                Endpoint::File(_) => Access::Admin,
            },
            StatementKind::CopyTo(copy) => match copy.to {
                Endpoint::Client(_) => Access::Read,
                Endpoint::File(_) => Access::Admin,
            },
            StatementKind::CreateTable(_)
            | StatementKind::CreateIndex(_)
            | StatementKind::CreateModel(_)
            | StatementKind::CreateEmbedding(_)
            | StatementKind::AlterTable(_)
            | StatementKind::Drop(_)
            | StatementKind::Export(_)
            | StatementKind::Import(_)
            | StatementKind::Backup(_)
            | StatementKind::Vacuum => Access::Admin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Access;
    use crate::parse_one;

    fn access(sql: &str) -> Access {
        parse_one(sql).expect("a statement").access()
    }

    #[test]
    fn what_changes_something_is_not_reading() {
        for sql in [
            "SELECT 1",
            "RECOMMEND movies FOR USER 'u1'",
            "SHOW MODELS",
            "EXPLAIN ANALYZE RECOMMEND movies FOR USER 'u1'",
            "EVALUATE taste ON held METRICS recall(20)",
            "EXPLAIN TRAIN MODEL taste",
            "COPY movies TO STDOUT",
        ] {
            assert_eq!(access(sql), Access::Read, "{sql}");
        }
        for sql in [
            "INSERT INTO movies VALUES ('m1')",
            "UPDATE movies SET title = 'x'",
            "DELETE FROM movies WHERE id = 'm1'",
            "TRAIN MODEL taste",
            "VERIFY FORGET 'f_1'",
            "COPY movies FROM STDIN",
        ] {
            assert_eq!(access(sql), Access::Write, "{sql}");
        }
        for sql in [
            "CREATE TABLE movies (id TEXT PRIMARY KEY) WITH (role = 'item')",
            "DROP MODEL taste",
            "COPY movies FROM '/etc/passwd'",
            "COPY (SELECT 1) TO '/tmp/x.csv'",
            "BACKUP DATABASE TO '/tmp/x'",
            "EXPORT DATABASE '/tmp/x'",
            "VACUUM",
        ] {
            assert_eq!(access(sql), Access::Admin, "{sql}");
        }
    }
}
