//! PostgreSQL's types: their numbers and names, and which one a column has.

use crate::storage::ColumnType;

/// The number of the type `vector`, which is pgvector's: extensions get numbers from 16384 on.
pub const VECTOR_OID: u32 = 16_385;

/// A type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    pub(super) oid: i32,
    /// Its name in `pg_type`.
    pub(super) name: &'static str,
    /// Its name in SQL.
    pub(super) sql: &'static str,
    /// Bytes, -1 where they vary.
    pub(super) length: i32,
    /// Its category: numbers, texts, ….
    pub(super) category: &'static str,
    /// The type of lists of it, 0 where there is none.
    pub(super) list: i32,
    /// The type of its items, 0 where it is no list.
    pub(super) item: i32,
}

macro_rules! types {
    ($($oid:literal $name:literal $sql:literal $length:literal $category:literal $list:literal;)*) => {
        &[$(Type { oid: $oid, name: $name, sql: $sql, length: $length, category: $category, list: $list, item: 0 }),*]
    };
}

/// The types that are no lists.
const SCALARS: &[Type] = types! {
    16 "bool" "boolean" 1 "B" 1000;
    17 "bytea" "bytea" -1 "U" 1001;
    18 "char" "\"char\"" 1 "Z" 1002;
    19 "name" "name" 64 "S" 1003;
    20 "int8" "bigint" 8 "N" 1016;
    21 "int2" "smallint" 2 "N" 1005;
    22 "int2vector" "int2vector" -1 "A" 1006;
    23 "int4" "integer" 4 "N" 1007;
    24 "regproc" "regproc" 4 "N" 1008;
    25 "text" "text" -1 "S" 1009;
    26 "oid" "oid" 4 "N" 1028;
    30 "oidvector" "oidvector" -1 "A" 1013;
    114 "json" "json" -1 "U" 199;
    700 "float4" "real" 4 "N" 1021;
    701 "float8" "double precision" 8 "N" 1022;
    705 "unknown" "unknown" -2 "X" 0;
    1042 "bpchar" "character" -1 "S" 1014;
    1043 "varchar" "character varying" -1 "S" 1015;
    1082 "date" "date" 4 "D" 1182;
    1083 "time" "time without time zone" 8 "D" 1183;
    1114 "timestamp" "timestamp without time zone" 8 "D" 1115;
    1184 "timestamptz" "timestamp with time zone" 8 "D" 1185;
    1186 "interval" "interval" 16 "T" 1187;
    1700 "numeric" "numeric" -1 "N" 1231;
    2205 "regclass" "regclass" 4 "N" 2210;
    2206 "regtype" "regtype" 4 "N" 2211;
    2249 "record" "record" -1 "P" 2287;
    2277 "anyarray" "anyarray" -1 "P" 0;
    2278 "void" "void" 4 "P" 0;
    2950 "uuid" "uuid" 16 "U" 2951;
    3802 "jsonb" "jsonb" -1 "U" 3807;
    16385 "vector" "vector" -1 "U" 16386;
};

/// Every type: those above, and the lists of them.
pub(super) fn all() -> Vec<(Type, String)> {
    let scalars = SCALARS.iter().map(|ty| (*ty, ty.name.to_owned()));
    let lists = SCALARS.iter().filter(|ty| ty.list != 0).map(|ty| {
        let list = Type { oid: ty.list, length: -1, category: "A", list: 0, item: ty.oid, ..*ty };
        (list, format!("_{}", ty.name))
    });
    scalars.chain(lists).collect()
}

/// The number of a column's type.
pub(super) fn of(ty: ColumnType) -> i32 {
    match ty {
        ColumnType::Bool => 16,
        ColumnType::Int => 23,
        ColumnType::BigInt => 20,
        ColumnType::Real => 700,
        ColumnType::Double => 701,
        ColumnType::Text => 25,
        ColumnType::Date => 1082,
        ColumnType::Timestamp => 1114,
        ColumnType::TextList => 1009,
        ColumnType::Vector { .. } => 16_385,
    }
}

/// What `format_type` tells of a type with a modifier, which is the dimension of a vector.
pub(super) fn spelled(oid: i32, modifier: i32) -> Option<String> {
    let scalar = SCALARS.iter().find(|ty| ty.oid == oid);
    if let Some(ty) = scalar {
        return Some(match (ty.name, modifier) {
            ("vector", 1..) => format!("vector({modifier})"),
            ("varchar" | "bpchar", 5..) => format!("{}({})", ty.sql, modifier - 4),
            _ => ty.sql.to_owned(),
        });
    }
    let of = SCALARS.iter().find(|ty| ty.list != 0 && ty.list == oid)?;
    Some(format!("{}[]", of.sql))
}

/// The number of a type by either of its names.
pub(super) fn named(name: &str) -> Option<i32> {
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    match name.strip_suffix("[]") {
        Some(item) => SCALARS.iter().find(|ty| ty.name == item || ty.sql == item).map(|ty| ty.list),
        None => SCALARS.iter().find(|ty| ty.name == name || ty.sql == name).map(|ty| ty.oid),
    }
}
