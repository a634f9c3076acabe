//! The tables of `pg_catalog` that clients look into, with the columns that they look at.
//!
//! Tables of things that there are none of here have their columns and no rows.

use super::Caller;
use super::facts::{CATALOG, DATABASE, Facts, INFORMATION, OWNER, PUBLIC};
use super::oids;
use super::relation::{Cell, Kind, Relation};

use Kind::{Bool, Char, Int, Ints, Long, Oid, Real, Text, Texts};

/// The tables that have rows here.
const KNOWN: &[&str] = &[
    "pg_class",
    "pg_attribute",
    "pg_namespace",
    "pg_type",
    "pg_index",
    "pg_constraint",
    "pg_attrdef",
    "pg_database",
    "pg_roles",
    "pg_authid",
    "pg_user",
    "pg_am",
    "pg_tables",
    "pg_views",
    "pg_indexes",
    "pg_settings",
    "pg_extension",
    "pg_tablespace",
    "pg_stat_user_tables",
];

type Columns = &'static [(&'static str, Kind)];

/// The tables without rows.
const EMPTY: &[(&str, Columns)] = &[
    (
        "pg_collation",
        &[("oid", Oid), ("collname", Text), ("collnamespace", Oid), ("collowner", Oid)],
    ),
    (
        "pg_depend",
        &[
            ("classid", Oid),
            ("objid", Oid),
            ("objsubid", Int),
            ("refclassid", Oid),
            ("refobjid", Oid),
            ("refobjsubid", Int),
            ("deptype", Char),
        ],
    ),
    (
        "pg_description",
        &[("objoid", Oid), ("classoid", Oid), ("objsubid", Int), ("description", Text)],
    ),
    ("pg_shdescription", &[("objoid", Oid), ("classoid", Oid), ("description", Text)]),
    ("pg_enum", &[("oid", Oid), ("enumtypid", Oid), ("enumsortorder", Real), ("enumlabel", Text)]),
    ("pg_event_trigger", &[("oid", Oid), ("evtname", Text)]),
    ("pg_foreign_data_wrapper", &[("oid", Oid), ("fdwname", Text)]),
    ("pg_foreign_server", &[("oid", Oid), ("srvname", Text)]),
    ("pg_foreign_table", &[("ftrelid", Oid), ("ftserver", Oid), ("ftoptions", Texts)]),
    (
        "pg_inherits",
        &[("inhrelid", Oid), ("inhparent", Oid), ("inhseqno", Int), ("inhdetachpending", Bool)],
    ),
    ("pg_language", &[("oid", Oid), ("lanname", Text)]),
    ("pg_matviews", &[("schemaname", Text), ("matviewname", Text), ("definition", Text)]),
    ("pg_opclass", &[("oid", Oid), ("opcname", Text), ("opcmethod", Oid), ("opcdefault", Bool)]),
    ("pg_operator", &[("oid", Oid), ("oprname", Text)]),
    ("pg_partitioned_table", &[("partrelid", Oid), ("partstrat", Char)]),
    (
        "pg_policy",
        &[
            ("oid", Oid),
            ("polname", Text),
            ("polrelid", Oid),
            ("polcmd", Char),
            ("polpermissive", Bool),
            ("polroles", Ints),
            ("polqual", Text),
            ("polwithcheck", Text),
        ],
    ),
    (
        "pg_proc",
        &[
            ("oid", Oid),
            ("proname", Text),
            ("pronamespace", Oid),
            ("proowner", Oid),
            ("prorettype", Oid),
            ("prokind", Char),
            ("proargtypes", Ints),
            ("pronargs", Int),
            ("proargnames", Texts),
            ("prosrc", Text),
            ("prolang", Oid),
        ],
    ),
    ("pg_publication", &[("oid", Oid), ("pubname", Text), ("puballtables", Bool)]),
    ("pg_publication_namespace", &[("oid", Oid), ("pnpubid", Oid), ("pnnspid", Oid)]),
    ("pg_publication_rel", &[("oid", Oid), ("prpubid", Oid), ("prrelid", Oid), ("prqual", Text)]),
    ("pg_range", &[("rngtypid", Oid), ("rngsubtype", Oid), ("rngmultitypid", Oid)]),
    ("pg_rewrite", &[("oid", Oid), ("rulename", Text), ("ev_class", Oid), ("ev_type", Char)]),
    ("pg_seclabel", &[("objoid", Oid), ("label", Text)]),
    (
        "pg_sequence",
        &[("seqrelid", Oid), ("seqtypid", Oid), ("seqstart", Long), ("seqincrement", Long)],
    ),
    ("pg_sequences", &[("schemaname", Text), ("sequencename", Text)]),
    ("pg_shdepend", &[("objid", Oid), ("refobjid", Oid)]),
    ("pg_stat_activity", &[("pid", Int), ("usename", Text), ("state", Text), ("query", Text)]),
    ("pg_stat_gssapi", &[("pid", Int), ("gss_authenticated", Bool), ("encrypted", Bool)]),
    ("pg_stat_ssl", &[("pid", Int), ("ssl", Bool), ("version", Text)]),
    ("pg_statistic", &[("starelid", Oid), ("staattnum", Int)]),
    (
        "pg_statistic_ext",
        &[
            ("oid", Oid),
            ("stxrelid", Oid),
            ("stxname", Text),
            ("stxnamespace", Oid),
            ("stxkind", Texts),
            ("stxstattarget", Int),
        ],
    ),
    ("pg_subscription", &[("oid", Oid), ("subname", Text)]),
    (
        "pg_trigger",
        &[
            ("oid", Oid),
            ("tgrelid", Oid),
            ("tgname", Text),
            ("tgenabled", Char),
            ("tgisinternal", Bool),
            ("tgparentid", Oid),
            ("tgconstraint", Oid),
        ],
    ),
    (
        "pg_auth_members",
        &[("roleid", Oid), ("member", Oid), ("grantor", Oid), ("admin_option", Bool)],
    ),
    ("pg_db_role_setting", &[("setdatabase", Oid), ("setrole", Oid), ("setconfig", Texts)]),
    ("pg_default_acl", &[("oid", Oid), ("defaclrole", Oid), ("defaclnamespace", Oid)]),
    ("pg_cast", &[("oid", Oid), ("castsource", Oid), ("casttarget", Oid)]),
    ("pg_conversion", &[("oid", Oid), ("conname", Text)]),
    ("pg_aggregate", &[("aggfnoid", Oid)]),
    ("pg_ts_config", &[("oid", Oid), ("cfgname", Text)]),
    ("pg_locks", &[("pid", Int), ("locktype", Text), ("granted", Bool)]),
    ("pg_replication_slots", &[("slot_name", Text)]),
    ("pg_prepared_xacts", &[("gid", Text)]),
];

/// Whether the catalogue has a table of this name.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name) || is_empty(name)
}

/// Whether a table has no rows, whatever is in the database.
pub(super) fn is_empty(name: &str) -> bool {
    EMPTY.iter().any(|(known, _)| *known == name)
}

/// The rows of a table.
pub(super) fn table(facts: &Facts, caller: &Caller, name: &str) -> Option<Relation> {
    Some(match name {
        "pg_class" => class(facts),
        "pg_attribute" => attributes(facts),
        "pg_namespace" => namespaces(),
        "pg_type" => all_types(),
        "pg_index" => indexes(facts),
        "pg_indexes" => shown_indexes(facts),
        "pg_constraint" => constraints(facts),
        "pg_attrdef" => defaults(facts),
        "pg_database" => databases(caller),
        "pg_roles" | "pg_authid" => roles(caller),
        "pg_user" => users(caller),
        "pg_am" => methods(),
        "pg_tables" | "pg_stat_user_tables" => shown(facts, false),
        "pg_views" => shown(facts, true),
        "pg_settings" => settings(),
        "pg_extension" => extensions(),
        "pg_tablespace" => tablespaces(),
        other => Relation::new(EMPTY.iter().find(|(known, _)| *known == other)?.1),
    })
}

/// A row, by the names of its columns.
macro_rules! row {
    ($relation:expr, $($name:literal: $value:expr),* $(,)?) => {
        $relation.push(vec![$(($name, Cell::from($value))),*])
    };
}

fn class(facts: &Facts) -> Relation {
    let mut out = Relation::new(&[
        ("oid", Oid),
        ("relname", Text),
        ("relnamespace", Oid),
        ("reltype", Oid),
        ("reloftype", Oid),
        ("relowner", Oid),
        ("relam", Oid),
        ("relfilenode", Oid),
        ("reltablespace", Oid),
        ("relpages", Int),
        ("reltuples", Real),
        ("relallvisible", Int),
        ("reltoastrelid", Oid),
        ("relhasindex", Bool),
        ("relisshared", Bool),
        ("relpersistence", Char),
        ("relkind", Char),
        ("relnatts", Int),
        ("relchecks", Int),
        ("relhasrules", Bool),
        ("relhastriggers", Bool),
        ("relhassubclass", Bool),
        ("relrowsecurity", Bool),
        ("relforcerowsecurity", Bool),
        ("relispopulated", Bool),
        ("relreplident", Char),
        ("relispartition", Bool),
        ("relrewrite", Oid),
        ("relfrozenxid", Int),
        ("relminmxid", Int),
        ("relacl", Texts),
        ("reloptions", Texts),
        ("relpartbound", Text),
    ]);
    let mut add = |oid: i32, name: &str, kind: &str, am: i32, columns: usize, has: [bool; 2]| {
        let [indexed, referring] = has;
        row!(out,
            "oid": oid, "relname": name, "relnamespace": PUBLIC, "reltype": 0, "reloftype": 0,
            "relowner": OWNER, "relam": am, "relfilenode": oid, "reltablespace": 0, "relpages": 0,
            "reltuples": Cell::Real(-1.0), "relallvisible": 0, "reltoastrelid": 0,
            "relhasindex": indexed, "relisshared": false, "relpersistence": "p", "relkind": kind,
            "relnatts": i32::try_from(columns).unwrap_or(0), "relchecks": 0, "relhasrules": false,
            "relhastriggers": referring, "relhassubclass": false, "relrowsecurity": false,
            "relforcerowsecurity": false, "relispopulated": true, "relreplident": "d",
            "relispartition": false, "relrewrite": 0, "relfrozenxid": 0, "relminmxid": 0,
        );
    };
    for relation in &facts.relations {
        let indexed = facts.indexes.iter().any(|index| index.table == relation.oid);
        let (kind, am) = if relation.is_view { ("v", 0) } else { ("r", 2) };
        // psql looks for references only where there are triggers, by which PostgreSQL keeps them.
        let referring = !relation.references.is_empty()
            || facts.relations.iter().any(|other| {
                other.references.iter().any(|reference| reference.table == relation.oid)
            });
        let has = [indexed, referring];
        add(relation.oid, &relation.name, kind, am, relation.columns.len(), has);
    }
    for index in &facts.indexes {
        let am = if index.is_primary { 403 } else { 16_390 };
        add(index.oid, &index.name, "i", am, index.columns.len(), [false, false]);
    }
    out
}

fn attributes(facts: &Facts) -> Relation {
    let mut out = Relation::new(&[
        ("attrelid", Oid),
        ("attname", Text),
        ("atttypid", Oid),
        ("attstattarget", Int),
        ("attlen", Int),
        ("attnum", Int),
        ("attndims", Int),
        ("attcacheoff", Int),
        ("atttypmod", Int),
        ("attbyval", Bool),
        ("attalign", Char),
        ("attstorage", Char),
        ("attcompression", Char),
        ("attnotnull", Bool),
        ("atthasdef", Bool),
        ("atthasmissing", Bool),
        ("attidentity", Char),
        ("attgenerated", Char),
        ("attisdropped", Bool),
        ("attislocal", Bool),
        ("attinhcount", Int),
        ("attcollation", Oid),
        ("attacl", Texts),
        ("attoptions", Texts),
        ("attfdwoptions", Texts),
        ("attmissingval", Text),
    ]);
    let place = |at: usize| i32::try_from(at + 1).unwrap_or(0);
    let mut add = |relation: i32, number: i32, column: &super::facts::Column| {
        let ty = oids::all().into_iter().find(|(ty, _)| ty.oid == column.oid);
        let length = ty.as_ref().map_or(-1, |(ty, _)| ty.length);
        let lists = ty.is_some_and(|(ty, _)| ty.item != 0);
        row!(out,
            "attrelid": relation, "attname": column.name.as_str(), "atttypid": column.oid,
            "attstattarget": -1, "attlen": length, "attnum": number, "attndims": i32::from(lists),
            "attcacheoff": -1, "atttypmod": column.modifier, "attbyval": length > 0 && length <= 8,
            "attalign": "i", "attstorage": if length > 0 { "p" } else { "x" }, "attcompression": "",
            "attnotnull": column.not_null,
            "atthasdef": column.default.is_some() || column.computed,
            "atthasmissing": false, "attidentity": "",
            "attgenerated": if column.computed { "s" } else { "" }, "attisdropped": false,
            "attislocal": true, "attinhcount": 0, "attcollation": 0,
        );
    };
    for relation in &facts.relations {
        for (at, column) in relation.columns.iter().enumerate() {
            add(relation.oid, place(at), column);
        }
    }
    for index in &facts.indexes {
        let of = facts.relations.iter().find(|relation| relation.oid == index.table);
        for (at, column) in index.columns.iter().enumerate() {
            let column = usize::try_from(column - 1).ok();
            if let Some(column) = column.and_then(|column| of?.columns.get(column)) {
                add(index.oid, place(at), column);
            }
        }
    }
    out
}

fn namespaces() -> Relation {
    let mut out =
        Relation::new(&[("oid", Oid), ("nspname", Text), ("nspowner", Oid), ("nspacl", Texts)]);
    for (oid, name) in
        [(PUBLIC, "public"), (CATALOG, "pg_catalog"), (INFORMATION, "information_schema")]
    {
        row!(out, "oid": oid, "nspname": name, "nspowner": OWNER);
    }
    out
}

fn all_types() -> Relation {
    let mut out = Relation::new(&[
        ("oid", Oid),
        ("typname", Text),
        ("typnamespace", Oid),
        ("typowner", Oid),
        ("typlen", Int),
        ("typbyval", Bool),
        ("typtype", Char),
        ("typcategory", Char),
        ("typispreferred", Bool),
        ("typisdefined", Bool),
        ("typdelim", Char),
        ("typrelid", Oid),
        ("typsubscript", Text),
        ("typelem", Oid),
        ("typarray", Oid),
        ("typinput", Text),
        ("typoutput", Text),
        ("typreceive", Text),
        ("typsend", Text),
        ("typmodin", Text),
        ("typmodout", Text),
        ("typanalyze", Text),
        ("typalign", Char),
        ("typstorage", Char),
        ("typnotnull", Bool),
        ("typbasetype", Oid),
        ("typtypmod", Int),
        ("typndims", Int),
        ("typcollation", Oid),
        ("typdefaultbin", Text),
        ("typdefault", Text),
        ("typacl", Texts),
    ]);
    for (ty, name) in oids::all() {
        let own = ty.oid >= 16_384;
        let input = if ty.item != 0 { "array_in".to_owned() } else { format!("{name}in") };
        let subscript = if ty.item != 0 { "array_subscript_handler" } else { "-" };
        row!(out,
            "oid": ty.oid, "typname": name, "typnamespace": if own { PUBLIC } else { CATALOG },
            "typowner": OWNER, "typlen": ty.length, "typbyval": ty.length > 0 && ty.length <= 8,
            "typtype": if ty.category == "P" { "p" } else { "b" }, "typcategory": ty.category,
            "typispreferred": matches!(ty.oid, 16 | 25 | 26 | 701 | 1184 | 1186), "typisdefined": true,
            "typdelim": ",", "typrelid": 0, "typsubscript": subscript, "typelem": ty.item,
            "typarray": ty.list, "typinput": input.as_str(), "typoutput": "-", "typreceive": "-",
            "typsend": "-", "typmodin": "-", "typmodout": "-", "typanalyze": "-", "typalign": "i",
            "typstorage": if ty.length > 0 { "p" } else { "x" }, "typnotnull": false,
            "typbasetype": 0, "typtypmod": -1, "typndims": 0, "typcollation": 0,
        );
    }
    out
}

fn indexes(facts: &Facts) -> Relation {
    let mut out = Relation::new(&[
        ("indexrelid", Oid),
        ("indrelid", Oid),
        ("indnatts", Int),
        ("indnkeyatts", Int),
        ("indisunique", Bool),
        ("indnullsnotdistinct", Bool),
        ("indisprimary", Bool),
        ("indisexclusion", Bool),
        ("indimmediate", Bool),
        ("indisclustered", Bool),
        ("indisvalid", Bool),
        ("indcheckxmin", Bool),
        ("indisready", Bool),
        ("indislive", Bool),
        ("indisreplident", Bool),
        ("indkey", Ints),
        ("indcollation", Ints),
        ("indclass", Ints),
        ("indoption", Ints),
        ("indexprs", Text),
        ("indpred", Text),
    ]);
    for index in &facts.indexes {
        let count = i32::try_from(index.columns.len()).unwrap_or(0);
        let zeros = || Cell::Ints(vec![0; index.columns.len()]);
        row!(out,
            "indexrelid": index.oid, "indrelid": index.table, "indnatts": count,
            "indnkeyatts": count, "indisunique": index.is_primary, "indnullsnotdistinct": false,
            "indisprimary": index.is_primary, "indisexclusion": false, "indimmediate": true,
            "indisclustered": false, "indisvalid": true, "indcheckxmin": false, "indisready": true,
            "indislive": true, "indisreplident": false, "indkey": Cell::Ints(index.columns.clone()),
            "indcollation": zeros(), "indclass": zeros(), "indoption": zeros(),
        );
    }
    out
}

fn shown_indexes(facts: &Facts) -> Relation {
    let mut out = Relation::new(&[
        ("schemaname", Text),
        ("tablename", Text),
        ("indexname", Text),
        ("tablespace", Text),
        ("indexdef", Text),
    ]);
    for index in &facts.indexes {
        row!(out,
            "schemaname": "public", "tablename": facts.name_of(index.table),
            "indexname": index.name.as_str(), "indexdef": index.definition.as_str(),
        );
    }
    out
}

fn constraints(facts: &Facts) -> Relation {
    let mut out = Relation::new(&[
        ("oid", Oid),
        ("conname", Text),
        ("connamespace", Oid),
        ("contype", Char),
        ("condeferrable", Bool),
        ("condeferred", Bool),
        ("convalidated", Bool),
        ("conrelid", Oid),
        ("contypid", Oid),
        ("conindid", Oid),
        ("conparentid", Oid),
        ("confrelid", Oid),
        ("confupdtype", Char),
        ("confdeltype", Char),
        ("confmatchtype", Char),
        ("conislocal", Bool),
        ("coninhcount", Int),
        ("connoinherit", Bool),
        ("conkey", Ints),
        ("confkey", Ints),
        ("conpfeqop", Ints),
        ("conbin", Text),
    ]);
    for relation in &facts.relations {
        let mut add = |oid, name: String, kind, index, other, columns: Vec<i32>, keys: Cell| {
            row!(out,
                "oid": oid, "conname": name, "connamespace": PUBLIC, "contype": kind,
                "condeferrable": false, "condeferred": false, "convalidated": true,
                "conrelid": relation.oid, "contypid": 0, "conindid": index, "conparentid": 0,
                "confrelid": other, "confupdtype": if other == 0 { " " } else { "a" },
                "confdeltype": if other == 0 { " " } else { "c" },
                "confmatchtype": if other == 0 { " " } else { "s" }, "conislocal": true,
                "coninhcount": 0, "connoinherit": true, "conkey": Cell::Ints(columns),
                "confkey": keys,
            );
        };
        if !relation.key.is_empty() {
            let name = format!("{}_pkey", relation.name);
            let (oid, index) = (relation.key_constraint(), relation.oid + 1);
            add(oid, name, "p", index, 0, relation.key.clone(), Cell::Null);
        }
        for reference in &relation.references {
            let name = format!("{}_{}_fkey", relation.name, reference.column_name);
            let keys = Cell::Ints(vec![reference.key]);
            let index = facts.indexes.iter();
            let index = index.filter(|index| index.is_primary && index.table == reference.table);
            let index = index.map(|index| index.oid).next().unwrap_or(0);
            add(reference.oid, name, "f", index, reference.table, vec![reference.column], keys);
        }
    }
    out
}

fn defaults(facts: &Facts) -> Relation {
    let mut out = Relation::new(&[("oid", Oid), ("adrelid", Oid), ("adnum", Int), ("adbin", Text)]);
    for relation in &facts.relations {
        for (at, column) in relation.columns.iter().enumerate() {
            let computed = column.computed.then(|| "computed from text".to_owned());
            if let Some(text) = column.default.clone().or(computed) {
                let number = i32::try_from(at + 1).unwrap_or(0);
                row!(out,
                    "oid": relation.oid + number, "adrelid": relation.oid, "adnum": number,
                    "adbin": text,
                );
            }
        }
    }
    out
}

fn databases(caller: &Caller) -> Relation {
    let mut out = Relation::new(&[
        ("oid", Oid),
        ("datname", Text),
        ("datdba", Oid),
        ("encoding", Int),
        ("datlocprovider", Char),
        ("datistemplate", Bool),
        ("datallowconn", Bool),
        ("datconnlimit", Int),
        ("datfrozenxid", Int),
        ("datminmxid", Int),
        ("dattablespace", Oid),
        ("datcollate", Text),
        ("datctype", Text),
        ("daticulocale", Text),
        ("datcollversion", Text),
        ("datacl", Texts),
    ]);
    row!(out,
        "oid": DATABASE, "datname": caller.database.as_str(), "datdba": OWNER, "encoding": 6,
        "datlocprovider": "c", "datistemplate": false, "datallowconn": true, "datconnlimit": -1,
        "datfrozenxid": 0, "datminmxid": 0, "dattablespace": 1663, "datcollate": "C",
        "datctype": "C",
    );
    out
}

fn roles(caller: &Caller) -> Relation {
    let mut out = Relation::new(&[
        ("oid", Oid),
        ("rolname", Text),
        ("rolsuper", Bool),
        ("rolinherit", Bool),
        ("rolcreaterole", Bool),
        ("rolcreatedb", Bool),
        ("rolcanlogin", Bool),
        ("rolreplication", Bool),
        ("rolconnlimit", Int),
        ("rolpassword", Text),
        ("rolvaliduntil", Text),
        ("rolbypassrls", Bool),
        ("rolconfig", Texts),
    ]);
    let mut add = |oid: i32, name: &str| {
        row!(out,
            "oid": oid, "rolname": name, "rolsuper": false, "rolinherit": true,
            "rolcreaterole": false, "rolcreatedb": false, "rolcanlogin": true,
            "rolreplication": false, "rolconnlimit": -1, "rolbypassrls": false,
        );
    };
    add(OWNER, "tastedb");
    if caller.user != "tastedb" {
        add(OWNER + 1, &caller.user);
    }
    out
}

fn users(caller: &Caller) -> Relation {
    let mut out = Relation::new(&[
        ("usename", Text),
        ("usesysid", Oid),
        ("usecreatedb", Bool),
        ("usesuper", Bool),
    ]);
    row!(out,
        "usename": caller.user.as_str(), "usesysid": OWNER + 1, "usecreatedb": false,
        "usesuper": false,
    );
    out
}

fn methods() -> Relation {
    let mut out =
        Relation::new(&[("oid", Oid), ("amname", Text), ("amhandler", Text), ("amtype", Char)]);
    for (oid, name, kind) in [(2, "heap", "t"), (403, "btree", "i"), (16_390, "hnsw", "i")] {
        row!(out, "oid": oid, "amname": name, "amhandler": "-", "amtype": kind);
    }
    out
}

fn shown(facts: &Facts, views: bool) -> Relation {
    let mut out = Relation::new(&[
        ("schemaname", Text),
        ("tablename", Text),
        ("viewname", Text),
        ("relname", Text),
        ("tableowner", Text),
        ("viewowner", Text),
        ("tablespace", Text),
        ("hasindexes", Bool),
        ("hasrules", Bool),
        ("hastriggers", Bool),
        ("rowsecurity", Bool),
        ("definition", Text),
    ]);
    for relation in facts.relations.iter().filter(|relation| relation.is_view == views) {
        let name = relation.name.as_str();
        row!(out,
            "schemaname": "public", "tablename": name, "viewname": name, "relname": name,
            "tableowner": "tastedb", "viewowner": "tastedb", "hasindexes": !relation.key.is_empty(),
            "hasrules": false, "hastriggers": false, "rowsecurity": false,
        );
    }
    out
}

fn settings() -> Relation {
    let mut out = Relation::new(&[
        ("name", Text),
        ("setting", Text),
        ("unit", Text),
        ("category", Text),
        ("short_desc", Text),
        ("context", Text),
        ("vartype", Text),
        ("source", Text),
    ]);
    for (name, setting) in [
        ("bytea_output", "hex"),
        ("client_encoding", "UTF8"),
        ("max_index_keys", "32"),
        ("server_encoding", "UTF8"),
        ("server_version_num", "150000"),
        ("standard_conforming_strings", "on"),
        ("TimeZone", "UTC"),
    ] {
        row!(out,
            "name": name, "setting": setting, "category": "TasteDB", "context": "internal",
            "vartype": "string", "source": "default",
        );
    }
    out
}

fn extensions() -> Relation {
    let mut out = Relation::new(&[
        ("oid", Oid),
        ("extname", Text),
        ("extowner", Oid),
        ("extnamespace", Oid),
        ("extversion", Text),
    ]);
    // The type `vector` and how it travels are pgvector's, which its clients look for here.
    row!(out,
        "oid": 16_384, "extname": "vector", "extowner": OWNER, "extnamespace": PUBLIC,
        "extversion": "0.8.0",
    );
    out
}

fn tablespaces() -> Relation {
    let mut out = Relation::new(&[("oid", Oid), ("spcname", Text), ("spcowner", Oid)]);
    row!(out, "oid": 1663, "spcname": "pg_default", "spcowner": OWNER);
    out
}
