//! Statements as text again, in one canonical spelling.
//!
//! Invariant: the text parses to the same statement (places aside), so it can stand for the
//! statement in a model's lineage and in tests.

use std::fmt::{self, Display, Formatter};

use super::{
    AlterAction, AlterTable, Assignment, ColumnDef, ConflictAction, Context, CopySource,
    CreateEmbedding, CreateIndex, CreateModel, CreateTable, DataType, Delete, Drop, Element,
    Endpoint, Evaluate, EvaluateForgetting, Events, Existing, Forgotten, Insert, InsertSource,
    Isolation, Literal, Name, NamedValue, ObjectKind, Operand, OperandKind, Rate, Recommend,
    SelectItem, Show, Statement, StatementKind, TrainModel, TrainingTable, Update, WithOptions,
};

/// Items with a comma and a space between them.
struct Commas<'a, T>(&'a [T]);

impl<T: Display> Display for Commas<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (n, item) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// A clause in front of what there may be.
fn clause(f: &mut Formatter<'_>, words: &str, what: Option<&impl Display>) -> fmt::Result {
    match what {
        Some(what) => write!(f, " {words} {what}"),
        None => Ok(()),
    }
}

/// A clause in front of a list, unless the list is empty.
fn clause_list<T: Display>(f: &mut Formatter<'_>, words: &str, list: &[T]) -> fmt::Result {
    if list.is_empty() { Ok(()) } else { write!(f, " {words} {}", Commas(list)) }
}

fn columns(f: &mut Formatter<'_>, columns: Option<&[Name]>) -> fmt::Result {
    match columns {
        Some(columns) => write!(f, " ({})", Idents(columns)),
        None => Ok(()),
    }
}

fn returning(f: &mut Formatter<'_>, items: Option<&[SelectItem]>) -> fmt::Result {
    clause_list(f, "RETURNING", items.unwrap_or_default())
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Display for StatementKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            StatementKind::CreateTable(it) => it.fmt(f),
            StatementKind::CreateIndex(it) => it.fmt(f),
            StatementKind::CreateModel(it) => it.fmt(f),
            StatementKind::CreateEmbedding(it) => it.fmt(f),
            StatementKind::RefreshEmbedding(it) => {
                write!(f, "REFRESH EMBEDDING {} ON {}", Ident(&it.name), Ident(&it.table))
            }
            StatementKind::RefreshIndex(name) => write!(f, "REFRESH INDEX {}", Ident(name)),
            StatementKind::AlterTable(it) => it.fmt(f),
            StatementKind::Drop(it) => it.fmt(f),
            StatementKind::Show(Show::Tables) => f.write_str("SHOW TABLES"),
            StatementKind::Show(Show::Models) => f.write_str("SHOW MODELS"),
            StatementKind::Show(Show::Indexes) => f.write_str("SHOW INDEXES"),
            StatementKind::Show(Show::Graphs) => f.write_str("SHOW GRAPHS"),
            StatementKind::Show(Show::Embeddings) => f.write_str("SHOW EMBEDDINGS"),
            StatementKind::Show(Show::Forgets) => f.write_str("SHOW FORGETS"),
            StatementKind::Show(Show::Training(model)) => {
                write!(f, "SHOW TRAINING {}", Ident(model))
            }
            StatementKind::Describe(name) => write!(f, "DESCRIBE {}", Ident(name)),
            StatementKind::CopyFrom(it) => {
                write!(f, "COPY {}", Ident(&it.table))?;
                columns(f, it.columns.as_deref())?;
                match &it.from {
                    Endpoint::File(path) => write!(f, " FROM {path}{}", it.options),
                    Endpoint::Client(_) => write!(f, " FROM STDIN{}", it.options),
                }
            }
            StatementKind::CopyTo(it) => match &it.to {
                Endpoint::File(path) => write!(f, "COPY {} TO {path}{}", it.source, it.options),
                Endpoint::Client(_) => write!(f, "COPY {} TO STDOUT{}", it.source, it.options),
            },
            StatementKind::Export(it) => write!(f, "EXPORT DATABASE {}{}", it.path, it.options),
            StatementKind::Import(it) => write!(f, "IMPORT DATABASE {}{}", it.path, it.options),
            StatementKind::Backup(it) => write!(f, "BACKUP DATABASE TO {}{}", it.path, it.options),
            StatementKind::Insert(it) => it.fmt(f),
            StatementKind::Update(it) => it.fmt(f),
            StatementKind::Delete(it) => it.fmt(f),
            StatementKind::Begin(isolation) => f.write_str(match isolation {
                Isolation::Default => "BEGIN",
                Isolation::ReadCommitted => "BEGIN ISOLATION LEVEL READ COMMITTED",
                Isolation::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            }),
            StatementKind::Commit => f.write_str("COMMIT"),
            StatementKind::Rollback => f.write_str("ROLLBACK"),
            StatementKind::TrainModel(it) => write!(f, "TRAIN {it}"),
            StatementKind::RefreshModel(it) => write!(f, "REFRESH {it}"),
            StatementKind::ExplainTrain(it) => write!(f, "EXPLAIN TRAIN {it}"),
            StatementKind::Evaluate(it) => it.fmt(f),
            StatementKind::EvaluateForgetting(it) => it.fmt(f),
            StatementKind::Recommend(it) => it.fmt(f),
            StatementKind::Explain { analyze, statement } => {
                write!(f, "EXPLAIN {}{statement}", if *analyze { "ANALYZE " } else { "" })
            }
            StatementKind::VerifyForget(id) => write!(f, "VERIFY FORGET {id}"),
            StatementKind::Vacuum => f.write_str("VACUUM"),
            StatementKind::Query(query) => query.fmt(f),
        }
    }
}

/// A name as it is written: in quotes if it was.
struct Ident<'a>(&'a Name);

impl Display for Ident<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.quoted {
            write!(f, "\"{}\"", self.0.value.replace('"', "\"\""))
        } else {
            f.write_str(&self.0.value)
        }
    }
}

/// Names with a comma and a space between them.
struct Idents<'a>(&'a [Name]);

impl Display for Idents<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (n, name) in self.0.iter().enumerate() {
            write!(f, "{}{}", if n > 0 { ", " } else { "" }, Ident(name))?;
        }
        Ok(())
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("NULL"),
            Literal::Bool(value) => f.write_str(if *value { "TRUE" } else { "FALSE" }),
            Literal::Int(value) => value.fmt(f),
            // Debug keeps the point or the exponent, and with it the type.
            Literal::Real(value) => write!(f, "{value:?}"),
            Literal::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
        }
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            OperandKind::Literal(literal) => literal.fmt(f),
            OperandKind::Param(number) => write!(f, "${number}"),
            OperandKind::Expr(expr) => expr.fmt(f),
        }
    }
}

impl Display for WithOptions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.items.is_empty() {
            return Ok(());
        }
        f.write_str(" WITH (")?;
        for (n, option) in self.items.iter().enumerate() {
            let comma = if n > 0 { ", " } else { "" };
            write!(f, "{comma}{} = {}", Ident(&option.name), option.value)?;
        }
        f.write_str(")")
    }
}

impl Display for Existing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Existing::Keep { "IF NOT EXISTS " } else { "" })
    }
}

impl Display for ObjectKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ObjectKind::Table => "TABLE",
            ObjectKind::Model => "MODEL",
            ObjectKind::Index => "INDEX",
            ObjectKind::Embedding => "EMBEDDING",
        })
    }
}

impl Display for DataType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DataType::Bool => "BOOL",
            DataType::Int => "INT",
            DataType::BigInt => "BIGINT",
            DataType::Real => "REAL",
            DataType::Double => "DOUBLE",
            DataType::Text => "TEXT",
            DataType::Date => "DATE",
            DataType::Timestamp => "TIMESTAMP",
            DataType::TextList => "TEXT[]",
            DataType::Vector { dim, element: Element::F32 } => return write!(f, "VECTOR({dim})"),
            DataType::Vector { dim, element: Element::F16 } => return write!(f, "HALFVEC({dim})"),
        })
    }
}

impl Display for ColumnDef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Ident(&self.name), self.ty.ty)?;
        if let Some(references) = &self.references {
            write!(f, " REFERENCES {}", Ident(&references.table))?;
            if let Some(column) = &references.column {
                write!(f, " ({})", Ident(column))?;
            }
        }
        if self.not_null {
            f.write_str(" NOT NULL")?;
        }
        clause(f, "DEFAULT", self.default.as_ref())
    }
}

impl Display for CreateTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CREATE TABLE {}{} ({}",
            self.existing,
            Ident(&self.name),
            Commas(&self.columns)
        )?;
        if let Some(key) = &self.primary_key {
            write!(f, ", PRIMARY KEY ({})", Idents(&key.columns))?;
        }
        write!(f, "){}", self.options)
    }
}

impl Display for CreateIndex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE INDEX {}{} ON {}", self.existing, Ident(&self.name), Ident(&self.table))?;
        clause(f, "USING", self.method.as_ref().map(Ident).as_ref())?;
        f.write_str(" (")?;
        for (n, column) in self.columns.iter().enumerate() {
            write!(f, "{}{}", if n > 0 { ", " } else { "" }, Ident(&column.column))?;
            if let Some(class) = &column.class {
                write!(f, " {}", Ident(class))?;
            }
        }
        write!(f, "){}", self.options)
    }
}

impl Display for CreateModel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let replace = if self.existing == Existing::Replace { "OR REPLACE " } else { "" };
        write!(f, "CREATE {replace}MODEL {}{}", self.existing, Ident(&self.name))?;
        clause(f, "USING", self.algorithm.as_ref().map(Ident).as_ref())?;
        write!(f, " ON {}", Commas(&self.tables))?;
        self.options.fmt(f)
    }
}

impl Display for TrainingTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Ident(&self.table).fmt(f)?;
        clause(f, "WEIGHT", self.weight.as_ref())?;
        clause(f, "WHERE", self.filter.as_ref())
    }
}

impl Display for CreateEmbedding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let replace = if self.existing == Existing::Replace { "OR REPLACE " } else { "" };
        write!(f, "CREATE {replace}EMBEDDING {}{}", self.existing, Ident(&self.name))?;
        write!(f, " ON {} FROM ({})", Ident(&self.table), Idents(&self.sources))?;
        clause(f, "USING", self.method.as_ref().map(Ident).as_ref())?;
        self.options.fmt(f)
    }
}

impl Display for AlterTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let exists = |exists: bool| if exists { "IF EXISTS " } else { "" };
        write!(f, "ALTER TABLE {}{} ", exists(self.if_exists), Ident(&self.name))?;
        match &self.action {
            AlterAction::AddColumn { if_not_exists, column } => {
                let if_not_exists = if *if_not_exists { "IF NOT EXISTS " } else { "" };
                write!(f, "ADD COLUMN {if_not_exists}{column}")
            }
            AlterAction::DropColumn { if_exists, column } => {
                write!(f, "DROP COLUMN {}{}", exists(*if_exists), Ident(column))
            }
            AlterAction::RenameColumn { from, to } => {
                write!(f, "RENAME COLUMN {} TO {}", Ident(from), Ident(to))
            }
            AlterAction::RenameTable { to } => write!(f, "RENAME TO {}", Ident(to)),
        }
    }
}

impl Display for Drop {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP {} {if_exists}{}", self.kind, Ident(&self.name))?;
        clause(f, "ON", self.table.as_ref().map(Ident).as_ref())
    }
}

impl Display for CopySource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            CopySource::Table { table, columns: given } => {
                Ident(table).fmt(f)?;
                columns(f, given.as_deref())
            }
            CopySource::Query(query) => write!(f, "({query})"),
            CopySource::Recommend(recommend) => write!(f, "({recommend})"),
        }
    }
}

impl Display for Assignment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", Ident(&self.column), self.value)
    }
}

impl Display for Insert {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "INSERT INTO {}", Ident(&self.table))?;
        columns(f, self.columns.as_deref())?;
        match &self.source {
            InsertSource::Values(rows) => {
                f.write_str(" VALUES ")?;
                for (n, row) in rows.iter().enumerate() {
                    write!(f, "{}({})", if n > 0 { ", " } else { "" }, Commas(&row.node))?;
                }
            }
            InsertSource::Query(query) => write!(f, " {query}")?,
            InsertSource::Defaults => f.write_str(" DEFAULT VALUES")?,
        }
        if let Some(conflict) = &self.on_conflict {
            f.write_str(" ON CONFLICT")?;
            if !conflict.target.is_empty() {
                columns(f, Some(&conflict.target))?;
            }
            match &conflict.action {
                ConflictAction::Nothing => f.write_str(" DO NOTHING")?,
                ConflictAction::Update { assignments, filter } => {
                    write!(f, " DO UPDATE SET {}", Commas(assignments))?;
                    clause(f, "WHERE", filter.as_ref())?;
                }
            }
        }
        returning(f, self.returning.as_deref())
    }
}

impl Display for Update {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "UPDATE {}", Ident(&self.table))?;
        clause(f, "AS", self.alias.as_ref().map(Ident).as_ref())?;
        write!(f, " SET {}", Commas(&self.assignments))?;
        clause(f, "WHERE", self.filter.as_ref())?;
        returning(f, self.returning.as_deref())
    }
}

impl Display for Delete {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "DELETE FROM {}", Ident(&self.table))?;
        clause(f, "AS", self.alias.as_ref().map(Ident).as_ref())?;
        clause(f, "WHERE", self.filter.as_ref())?;
        returning(f, self.returning.as_deref())?;
        write!(f, "{}", self.options)
    }
}

impl Display for TrainModel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "MODEL {}{}", Ident(&self.model), self.options)
    }
}

impl Display for Evaluate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "EVALUATE {} ON {}", Idents(&self.sources), Ident(&self.table))?;
        clause(f, "SPLIT BY", self.split.as_ref())?;
        f.write_str(" METRICS ")?;
        for (n, metric) in self.metrics.iter().enumerate() {
            write!(f, "{}{}({})", if n > 0 { ", " } else { "" }, Ident(&metric.name), metric.k)?;
        }
        clause_list(f, "GROUP BY", &self.group_by)?;
        self.options.fmt(f)
    }
}

impl Display for EvaluateForgetting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "EVALUATE FORGETTING MODEL {}", Idents(&self.models))?;
        clause(f, "OF", self.what.map(Forgotten::word).as_ref())?;
        clause(f, "ON", self.table.as_ref().map(Ident).as_ref())?;
        clause(f, "SPLIT BY", self.split.as_ref())?;
        self.options.fmt(f)
    }
}

impl Display for NamedValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} => {}", Ident(&self.name), self.value)
    }
}

impl Display for Context {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Context::User(id) => write!(f, "USER {id}"),
            Context::Item(id) => write!(f, "ITEM {id}"),
            Context::Session(ids) => write!(f, "SESSION ({})", Commas(&ids.node)),
            Context::Likes(ids) => write!(f, "LIKES ({})", Commas(&ids.node)),
            Context::Dislikes(ids) => write!(f, "DISLIKES ({})", Commas(&ids.node)),
            Context::Vector(values) => write!(f, "VECTOR ({})", Commas(&values.node)),
            Context::Profile(values) => write!(f, "PROFILE ({})", Commas(&values.node)),
            Context::Users(query) => write!(f, "USERS ({})", query.node),
        }
    }
}

impl Display for Rate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} PER {}", self.clicks, self.shown)
    }
}

impl Display for Events {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Ident(&self.table).fmt(f)?;
        clause(f, "WHERE", self.filter.as_ref())
    }
}

impl Display for Recommend {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("RECOMMEND ")?;
        if let Some(columns) = &self.columns {
            write!(f, "{} FROM ", Commas(columns))?;
        }
        write!(f, "{} FOR {}", Ident(&self.table), Commas(&self.contexts))?;
        for (n, source) in self.sources.iter().enumerate() {
            write!(f, "{} {}", if n > 0 { "," } else { " USING" }, Ident(&source.name))?;
            clause(f, "WEIGHT", source.weight.as_ref())?;
        }
        clause(f, "WHERE", self.filter.as_ref())?;
        clause(f, "HAVING", self.having.as_ref().map(|having| &having.node))?;
        if let Some(diversify) = &self.diversify {
            write!(f, " DIVERSIFY BY {}", Ident(&diversify.column))?;
            clause(f, "STRENGTH", diversify.strength.as_ref())?;
        }
        if let Some(explore) = &self.explore {
            write!(f, " EXPLORE {}", explore.share)?;
            clause(f, "BY", explore.rate.as_ref())?;
        }
        clause_list(f, "ORDER BY", &self.order_by)?;
        if let Some(by) = &self.limit_by {
            write!(f, " LIMIT {} BY {}", by.count, Idents(&by.columns))?;
        }
        clause(f, "LIMIT", self.limit.as_ref())?;
        clause(f, "OFFSET", self.offset.as_ref())?;
        self.options.fmt(f)
    }
}
