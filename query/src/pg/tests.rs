//! Queries of clients, as they send them, over a small database.

use crate::session::Session;
use crate::tests::support::sql;
use datafusion::arrow::array::{Array, AsArray};

fn shop() -> Session {
    let mut session = sql().session();
    session
        .execute(
            "CREATE TABLE people (id TEXT PRIMARY KEY, age INT) WITH (role = 'user');
             CREATE TABLE films (id BIGINT PRIMARY KEY, title TEXT NOT NULL DEFAULT 'none',
                 tags TEXT[], look VECTOR(3)) WITH (role = 'item');
             CREATE TABLE seen (person TEXT REFERENCES people, film BIGINT REFERENCES films,
                 stars REAL, at TIMESTAMP, PRIMARY KEY (person, film)) WITH (role = 'interaction');",
        )
        .expect("three tables");
    session
}

/// The rows of the only statement, as texts.
fn rows(session: &mut Session, sql: &str) -> Vec<Vec<String>> {
    let outcomes = session.execute(sql).unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
    let rows = outcomes[0].rows.as_ref().expect("a query has rows");
    let mut out = Vec::new();
    for batch in &rows.batches {
        for row in 0..batch.num_rows() {
            let columns = batch.columns().iter();
            let shown = columns.map(|column| {
                let text = datafusion::arrow::compute::cast(
                    column.as_ref(),
                    &datafusion::arrow::datatypes::DataType::Utf8,
                );
                match text {
                    Ok(text) if text.is_null(row) => String::new(),
                    Ok(text) => text.as_string::<i32>().value(row).to_owned(),
                    Err(_) => format!("{:?}", column.slice(row, 1)),
                }
            });
            out.push(shown.collect());
        }
    }
    out
}

#[test]
fn psql_lists_tables() {
    let mut session = shop();
    let sql = "SELECT n.nspname as \"Schema\",
  c.relname as \"Name\",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END as \"Type\",
  pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;";
    let listed = rows(&mut session, sql);
    let names: Vec<&str> = listed.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(names, ["films", "people", "seen"]);
    assert_eq!(listed[0], ["public", "films", "table", "tastedb"]);
}

#[test]
fn psql_describes_a_table() {
    let mut session = shop();
    let sql = "SELECT c.oid,
  n.nspname,
  c.relname
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(films)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 2, 3;";
    let found = rows(&mut session, sql);
    assert_eq!(found.len(), 1);
    let oid = &found[0][0];
    let sql = format!(
        "SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, '', c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname
FROM pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid)
LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
WHERE c.oid = '{oid}';"
    );
    assert_eq!(rows(&mut session, &sql)[0][1], "r");
    let sql = format!(
        "SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)
   FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull,
  (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
   WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity,
  a.attgenerated
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = '{oid}' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;"
    );
    let columns = rows(&mut session, &sql);
    let told: Vec<(&str, &str, &str)> =
        columns.iter().map(|row| (row[0].as_str(), row[1].as_str(), row[2].as_str())).collect();
    assert_eq!(
        told,
        [
            ("id", "bigint", ""),
            ("title", "text", "'none'"),
            ("tags", "text[]", ""),
            ("look", "vector(3)", "")
        ]
    );
    let sql = format!(
        "SELECT c2.relname, i.indisprimary, i.indisunique, i.indisclustered, i.indisvalid, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true),
  pg_catalog.pg_get_constraintdef(con.oid, true), contype, condeferrable, condeferred, i.indisreplident, c2.reltablespace
FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i
  LEFT JOIN pg_catalog.pg_constraint con ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x'))
WHERE c.oid = '{oid}' AND c.oid = i.indrelid AND i.indexrelid = c2.oid
ORDER BY i.indisprimary DESC, c2.relname;"
    );
    let indexes = rows(&mut session, &sql);
    assert_eq!(indexes[0][0], "films_pkey");
    assert_eq!(indexes[0][6], "PRIMARY KEY (id)");
}

#[test]
fn what_finds_nothing_is_not_planned() {
    let mut session = shop();
    for sql in [
        "SELECT pol.polname, pol.polpermissive,
  CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(select rolname from pg_catalog.pg_roles where oid = any (pol.polroles) order by 1),',') END,
  pg_catalog.pg_get_expr(pol.polqual, pol.polrelid),
  pg_catalog.pg_get_expr(pol.polwithcheck, pol.polrelid),
  CASE pol.polcmd
    WHEN 'r' THEN 'SELECT'
    END AS cmd
FROM pg_catalog.pg_policy pol
WHERE pol.polrelid = '20008' ORDER BY 1;",
        "SELECT pubname
     , NULL
     , NULL
FROM pg_catalog.pg_publication p
     JOIN pg_catalog.pg_publication_namespace pn ON p.oid = pn.pnpubid
     JOIN pg_catalog.pg_class pc ON pc.relnamespace = pn.pnnspid
WHERE pc.oid ='20008' and pg_catalog.pg_relation_is_publishable('20008')
UNION
SELECT pubname
     , pg_get_expr(pr.prqual, c.oid)
     , (CASE WHEN pr.prattrs IS NOT NULL THEN
         (SELECT string_agg(attname, ', ')
           FROM pg_catalog.generate_series(0, pg_catalog.array_upper(pr.prattrs::pg_catalog.int2[], 1)) s,
                pg_catalog.pg_attribute
          WHERE attrelid = pr.prrelid AND attnum = prattrs[s])
        ELSE NULL END) FROM pg_catalog.pg_publication p
     JOIN pg_catalog.pg_publication_rel pr ON p.oid = pr.prpubid
     JOIN pg_catalog.pg_class c ON c.oid = pr.prrelid
WHERE pr.prrelid = '20008'
UNION
SELECT pubname
     , NULL
     , NULL
FROM pg_catalog.pg_publication p
WHERE p.puballtables AND pg_catalog.pg_relation_is_publishable('20008')
ORDER BY 1;",
        "SELECT c.oid::pg_catalog.regclass
FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
WHERE c.oid = i.inhparent AND i.inhrelid = '20008'
  AND c.relkind != 'p' AND c.relkind != 'I'
ORDER BY inhseqno;",
    ] {
        assert_eq!(rows(&mut session, sql), Vec::<Vec<String>>::new(), "{sql}");
    }
}

#[test]
fn references_are_told_from_both_ends() {
    let mut session = shop();
    let sql = "SELECT true as sametable, conname,
  pg_catalog.pg_get_constraintdef(r.oid, true) as condef,
  conrelid::pg_catalog.regclass AS ontable
FROM pg_catalog.pg_constraint r
WHERE r.conrelid = 'seen'::regclass AND r.contype = 'f'
     AND conparentid = 0
ORDER BY conname";
    let found = rows(&mut session, sql);
    assert_eq!(found.len(), 2);
    assert_eq!(
        found[0][1..],
        ["seen_film_fkey", "FOREIGN KEY (film) REFERENCES films(id)", "seen"]
    );
    let sql = "SELECT conname, conrelid::pg_catalog.regclass AS ontable,
       pg_catalog.pg_get_constraintdef(oid, true) AS condef
  FROM pg_catalog.pg_constraint c
 WHERE confrelid IN (SELECT pg_catalog.pg_partition_ancestors('films'::regclass)
                     UNION ALL VALUES ('films'::pg_catalog.regclass))
       AND contype = 'f' AND conparentid = 0
ORDER BY conname;";
    assert_eq!(rows(&mut session, sql).len(), 1);
}

#[test]
fn functions_tell_who_and_where() {
    let mut session = shop();
    let sql =
        "SELECT current_schema(), current_database(), current_user, pg_backend_pid(), version()";
    let told = rows(&mut session, sql);
    assert_eq!(told[0][..4], ["public", "tastedb", "local", "0"]);
    assert!(told[0][4].starts_with("PostgreSQL 15.0 (TasteDB "), "{told:?}");
    let outcomes = session.execute("SELECT pg_catalog.version()").expect("a version");
    let schema = &outcomes[0].rows.as_ref().expect("rows").schema;
    assert_eq!(schema.field(0).name(), "version");
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'
               AND table_type = 'BASE TABLE' ORDER BY table_name";
    assert_eq!(rows(&mut session, sql), [["films"], ["people"], ["seen"]]);
}

#[test]
fn a_table_of_ours_may_be_called_like_one_of_the_catalogues() {
    let mut session = sql().session();
    session
        .execute("CREATE TABLE pg_class (id TEXT PRIMARY KEY) WITH (role = 'item')")
        .expect("a name like any other");
    assert_eq!(rows(&mut session, "SELECT count(*) FROM pg_class"), [["0"]]);
}

#[test]
fn pgjdbc_finds_keys_by_records_of_lists() {
    let mut session = shop();
    let keys = |session: &mut Session, table: &str| {
        let sql = format!(
            "SELECT result.TABLE_CAT, result.TABLE_SCHEM, result.TABLE_NAME, result.COLUMN_NAME, result.KEY_SEQ, result.PK_NAME
             FROM (SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, ct.relname AS TABLE_NAME, a.attname AS COLUMN_NAME,
               (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, ci.relname AS PK_NAME,
               information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM
             FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid)
               JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid)
               JOIN pg_catalog.pg_index i ON ( a.attrelid = i.indrelid)
               JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid)
             WHERE true AND ct.relname = '{table}' AND i.indisprimary ) result
             where result.A_ATTNUM = (result.KEYS).x ORDER BY result.table_name, result.pk_name, result.key_seq"
        );
        let found = rows(session, &sql);
        found.into_iter().map(|row| format!("{} {}", row[4], row[3])).collect::<Vec<_>>()
    };
    assert_eq!(keys(&mut session, "films"), ["1 id"]);
    assert_eq!(keys(&mut session, "seen"), ["1 person", "2 film"]);
    let best = "SELECT a.attname, a.atttypid, atttypmod FROM pg_catalog.pg_class ct
          JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid)
          JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid)
          JOIN (SELECT i.indexrelid, i.indrelid, i.indisprimary, information_schema._pg_expandarray(i.indkey) AS keys
            FROM pg_catalog.pg_index i) i ON (a.attnum = (i.keys).x AND a.attrelid = i.indrelid)
        WHERE true AND ct.relname = 'films' AND i.indisprimary ORDER BY a.attnum";
    assert_eq!(rows(&mut session, best), [["id", "20", "-1"]]);
}

#[test]
fn pgjdbc_numbers_places_by_a_series_among_tables() {
    let mut session = shop();
    let keys = "SELECT pkc.relname, fka.attname, pos.n AS KEY_SEQ, con.conname
        FROM pg_catalog.pg_class pkc, pg_catalog.pg_attribute pka, pg_catalog.pg_class fkc,
          pg_catalog.pg_attribute fka, pg_catalog.pg_constraint con, pg_catalog.generate_series(1, 32) pos(n)
        WHERE pkc.oid = pka.attrelid AND pka.attnum = con.confkey[pos.n] AND con.confrelid = pkc.oid
          AND fkc.oid = fka.attrelid AND fka.attnum = con.conkey[pos.n] AND con.conrelid = fkc.oid
          AND con.contype = 'f' AND fkc.relname = 'seen' ORDER BY pkc.relname, con.conname, pos.n";
    assert_eq!(
        rows(&mut session, keys),
        [["films", "film", "1", "seen_film_fkey"], ["people", "person", "1", "seen_person_fkey"]]
    );
    let is_list = "SELECT typinput='pg_catalog.array_in'::regproc as is_array, typtype, typname, pg_type.oid
          FROM pg_catalog.pg_type LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r from pg_namespace as ns
            join ( select s.r, (current_schemas(false))[s.r] as nspname
              from generate_series(1, array_upper(current_schemas(false), 1)) as s(r) ) as r using ( nspname )
          ) as sp ON sp.nspoid = typnamespace
        WHERE pg_type.oid = 1009 ORDER BY sp.r, pg_type.oid DESC;";
    assert_eq!(rows(&mut session, is_list), [["true", "b", "_text", "1009"]]);
}
