//! PostgreSQL's functions about its catalogue, as far as clients call them.
//!
//! Each is a plain function from values to a value; what they look up was gathered before. What there is
//! nothing to tell about (descriptions, triggers, permissions) is NULL, or true where it is asked for
//! leave: who may do what, the server decides.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

use super::Caller;
use super::facts::{CATALOG, Facts, INFORMATION, PUBLIC, quoted};
use super::oids;
use super::relation::{Cell, Kind, arrow};

/// What a function does with the values of one row.
type Body = Arc<dyn Fn(&[ScalarValue]) -> Cell + Send + Sync>;

/// A function by what it is called.
struct Function {
    name: &'static str,
    signature: Signature,
    returns: Kind,
    body: Body,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(arrow(self.returns))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let mut values = Vec::with_capacity(rows);
        let mut row = Vec::with_capacity(args.args.len());
        for at in 0..rows {
            row.clear();
            for arg in &args.args {
                row.push(match arg {
                    ColumnarValue::Scalar(value) => value.clone(),
                    ColumnarValue::Array(array) => ScalarValue::try_from_array(array, at)?,
                });
            }
            values.push((self.body)(&row));
        }
        let array = super::relation::array(self.returns, values.iter());
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)),
            false => Ok(ColumnarValue::Array(array)),
        }
    }
}

/// Functions whose answer is always NULL, a text.
const NOTHING: &[&str] = &[
    "obj_description",
    "col_description",
    "shobj_description",
    "pg_get_viewdef",
    "pg_get_triggerdef",
    "pg_get_ruledef",
    "pg_get_functiondef",
    "pg_get_function_arguments",
    "pg_get_function_identity_arguments",
    "pg_get_function_result",
    "pg_get_partkeydef",
    "pg_get_partition_constraintdef",
    "pg_get_serial_sequence",
    "pg_get_statisticsobjdef_columns",
    "inet_server_addr",
    "inet_client_addr",
];

/// Functions whose answer is always true.
const TRUE: &[&str] = &[
    "pg_table_is_visible",
    "pg_type_is_visible",
    "pg_function_is_visible",
    "pg_operator_is_visible",
    "pg_collation_is_visible",
    "pg_opclass_is_visible",
    "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible",
    "pg_conversion_is_visible",
    "has_table_privilege",
    "has_schema_privilege",
    "has_database_privilege",
    "has_column_privilege",
    "has_any_column_privilege",
    "has_function_privilege",
    "has_sequence_privilege",
    "has_tablespace_privilege",
    "pg_has_role",
];

/// Functions whose answer is always false.
const FALSE: &[&str] = &[
    "pg_is_in_recovery",
    "pg_is_other_temp_schema",
    "pg_relation_is_publishable",
    "pg_is_wal_replay_paused",
];

/// Functions whose answer is always NULL, a number.
const SIZES: &[&str] = &[
    "pg_relation_size",
    "pg_total_relation_size",
    "pg_table_size",
    "pg_indexes_size",
    "pg_database_size",
    "pg_tablespace_size",
    "pg_stat_get_numscans",
];

/// Functions that look something up.
const OTHERS: &[&str] = &[
    "version",
    "current_database",
    "current_catalog",
    "current_user",
    "session_user",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_setting",
    "set_config",
    "pg_backend_pid",
    "pg_my_temp_schema",
    "pg_encoding_to_char",
    "pg_size_pretty",
    "pg_get_userbyid",
    "pg_get_expr",
    "pg_get_indexdef",
    "pg_get_constraintdef",
    "pg_partition_ancestors",
    "pg_tablespace_location",
    "format_type",
    "quote_ident",
    "quote_literal",
    "to_regclass",
    "to_regtype",
    "generate_subscripts",
];

/// The names of relations, types and schemas for their numbers, which casts become.
pub(super) const REGCLASS: &str = "__regclass";
pub(super) const REGTYPE: &str = "__regtype";
pub(super) const REGNAMESPACE: &str = "__regnamespace";

/// Whether a function is one of the catalogue's.
pub(super) fn is_known(name: &str) -> bool {
    [NOTHING, TRUE, FALSE, SIZES, OTHERS].iter().any(|list| list.contains(&name))
}

/// Every function, for one statement.
pub(super) fn all(facts: &Facts, caller: &Caller) -> Vec<Arc<ScalarUDF>> {
    let mut all = Vec::new();
    let mut add = |name: &'static str, returns: Kind, body: Body| {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        let signature = Signature::one_of(any, Volatility::Stable);
        all.push(Arc::new(ScalarUDF::from(Function { name, signature, returns, body })));
    };
    for name in NOTHING {
        add(name, Kind::Text, Arc::new(|_| Cell::Null));
    }
    for name in TRUE {
        add(name, Kind::Bool, Arc::new(|_| Cell::Bool(true)));
    }
    for name in FALSE {
        add(name, Kind::Bool, Arc::new(|_| Cell::Bool(false)));
    }
    for name in SIZES {
        add(name, Kind::Long, Arc::new(|_| Cell::Null));
    }
    let version = format!("PostgreSQL 15.0 (TasteDB {})", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("version", version),
        ("current_database", caller.database.clone()),
        ("current_catalog", caller.database.clone()),
        ("current_user", caller.user.clone()),
        ("session_user", caller.user.clone()),
        ("current_role", caller.user.clone()),
        ("current_schema", "public".to_owned()),
        ("pg_encoding_to_char", "UTF8".to_owned()),
        ("pg_get_userbyid", "tastedb".to_owned()),
        ("pg_tablespace_location", String::new()),
    ] {
        add(name, Kind::Text, Arc::new(move |_| Cell::Text(value.clone())));
    }
    let process = caller.process;
    add("pg_backend_pid", Kind::Int, Arc::new(move |_| Cell::Int(process)));
    add("pg_my_temp_schema", Kind::Int, Arc::new(|_| Cell::Int(0)));
    add("pg_partition_ancestors", Kind::Oid, Arc::new(|row| number(row, 0).into()));
    add(
        "current_schemas",
        Kind::Texts,
        Arc::new(|row| {
            let implied = matches!(row.first(), Some(ScalarValue::Boolean(Some(true))));
            let names: &[&str] = if implied { &["pg_catalog", "public"] } else { &["public"] };
            Cell::Texts(names.iter().map(|name| (*name).to_owned()).collect())
        }),
    );
    add("current_setting", Kind::Text, Arc::new(|row| setting(row).into()));
    add("set_config", Kind::Text, Arc::new(|row| text(row, 1).into()));
    add(
        "pg_size_pretty",
        Kind::Text,
        Arc::new(|row| text(row, 0).map(|bytes| format!("{bytes} bytes")).into()),
    );
    add("pg_get_expr", Kind::Text, Arc::new(|row| text(row, 0).into()));
    add("quote_ident", Kind::Text, Arc::new(|row| text(row, 0).map(|name| quoted(&name)).into()));
    add(
        "quote_literal",
        Kind::Text,
        Arc::new(|row| text(row, 0).map(|text| format!("'{}'", text.replace('\'', "''"))).into()),
    );
    add(
        "format_type",
        Kind::Text,
        Arc::new(|row| {
            let modifier = number(row, 1).unwrap_or(-1);
            number(row, 0)
                .map(|oid| oids::spelled(oid, modifier).unwrap_or("???".to_owned()))
                .into()
        }),
    );
    add(
        "to_regtype",
        Kind::Int,
        Arc::new(|row| text(row, 0).and_then(|name| oids::named(&name)).into()),
    );
    looked_up(facts, &mut add);
    all
}

/// The functions that look into the database.
fn looked_up(facts: &Facts, add: &mut dyn FnMut(&'static str, Kind, Body)) {
    let mut names: HashMap<i32, String> = HashMap::new();
    let mut oids: HashMap<String, i32> = HashMap::new();
    let mut constraints: HashMap<i32, String> = HashMap::new();
    for relation in &facts.relations {
        names.insert(relation.oid, quoted(&relation.name));
        oids.insert(relation.name.clone(), relation.oid);
        if !relation.key.is_empty() {
            constraints.insert(relation.key_constraint(), relation.key_definition());
        }
        for reference in &relation.references {
            constraints.insert(reference.oid, reference.definition());
        }
    }
    let mut indexes: HashMap<i32, (String, Vec<String>)> = HashMap::new();
    for index in &facts.indexes {
        names.insert(index.oid, quoted(&index.name));
        oids.insert(index.name.clone(), index.oid);
        let table = facts.relations.iter().find(|relation| relation.oid == index.table);
        let columns = index.columns.iter().filter_map(|at| {
            let column = table?.columns.get(usize::try_from(at - 1).ok()?)?;
            Some(quoted(&column.name))
        });
        indexes.insert(index.oid, (index.definition.clone(), columns.collect()));
    }
    add(
        "pg_get_constraintdef",
        Kind::Text,
        Arc::new(move |row| number(row, 0).and_then(|oid| constraints.get(&oid).cloned()).into()),
    );
    add(
        "pg_get_indexdef",
        Kind::Text,
        Arc::new(move |row| {
            let known = number(row, 0).and_then(|oid| indexes.get(&oid));
            let column =
                number(row, 1).and_then(|column| usize::try_from(column).ok()).unwrap_or(0);
            match (known, column) {
                (None, _) => Cell::Null,
                (Some((definition, _)), 0) => definition.as_str().into(),
                (Some((_, columns)), at) => columns.get(at - 1).cloned().into(),
            }
        }),
    );
    add(
        "to_regclass",
        Kind::Int,
        Arc::new(move |row| {
            let name = text(row, 0);
            let name = name.as_deref().map(|name| name.strip_prefix("public.").unwrap_or(name));
            name.and_then(|name| oids.get(name.trim_matches('"')).copied()).into()
        }),
    );
    add(
        REGCLASS,
        Kind::Text,
        Arc::new(move |row| {
            number(row, 0).map(|oid| names.get(&oid).cloned().unwrap_or(oid.to_string())).into()
        }),
    );
    add(
        REGTYPE,
        Kind::Text,
        Arc::new(|row| {
            number(row, 0).map(|oid| oids::spelled(oid, -1).unwrap_or(oid.to_string())).into()
        }),
    );
    add(
        REGNAMESPACE,
        Kind::Text,
        Arc::new(|row| {
            number(row, 0)
                .map(|oid| match oid {
                    PUBLIC => "public".to_owned(),
                    CATALOG => "pg_catalog".to_owned(),
                    INFORMATION => "information_schema".to_owned(),
                    other => other.to_string(),
                })
                .into()
        }),
    );
}

/// What a setting is, for those who ask by a function.
fn setting(row: &[ScalarValue]) -> Option<String> {
    let value = match text(row, 0)?.to_ascii_lowercase().as_str() {
        "server_version" => return Some(format!("15.0 (TasteDB {})", env!("CARGO_PKG_VERSION"))),
        "server_version_num" => "150000",
        "server_encoding" | "client_encoding" => "UTF8",
        "search_path" => "public",
        "standard_conforming_strings" | "integer_datetimes" => "on",
        "timezone" => "UTC",
        "datestyle" => "ISO, MDY",
        "max_identifier_length" => "63",
        "max_index_keys" => "32",
        "is_superuser" | "transaction_read_only" | "default_transaction_read_only" => "off",
        "transaction_isolation" | "default_transaction_isolation" => "read committed",
        _ => return None,
    };
    Some(value.to_owned())
}

/// An argument as text.
fn text(row: &[ScalarValue], at: usize) -> Option<String> {
    match row.get(at)? {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.clone()
        }
        value if value.is_null() => None,
        value => Some(value.to_string()),
    }
}

/// An argument as a number.
fn number(row: &[ScalarValue], at: usize) -> Option<i32> {
    text(row, at)?.trim().parse().ok()
}
