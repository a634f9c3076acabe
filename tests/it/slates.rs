//! The clauses of a slate through the builder, beside what SQL says.

use std::time::Duration;

use tastedb::{ColumnType, Database, Diversity, ErrorKind, NewTable, Recommend, Session, Value};

/// Ten goods of three brands; the first were bought most.
fn shop() -> Database {
    let db = Database::in_memory().unwrap();
    let mut write = db.begin_write().unwrap();
    write.create_table(NewTable::users("people")).unwrap();
    let goods = NewTable::items("goods").column("brand", ColumnType::Text);
    let goods = goods.column("tags", ColumnType::TextList).column("price", ColumnType::Double);
    write.create_table(goods).unwrap();
    for table in ["buys", "clicks", "views"] {
        let table = NewTable::interactions(table, "people", "goods");
        write.create_table(table.column("at", ColumnType::Timestamp)).unwrap();
    }
    for n in 0..10 {
        let tags: Vec<String> = (0..n % 3).map(|tag| format!("t{tag}")).collect();
        let brand = ["acme", "acme", "bolt", "cord", "acme"][n % 5];
        let fields = [
            ("brand", Value::Text(brand.to_string())),
            ("tags", Value::TextList(tags)),
            ("price", Value::Real(n as f64)),
        ];
        write.put_item("goods", &format!("g{n}"), fields).unwrap();
        write.put_user("people", &format!("p{n}"), ()).unwrap();
    }
    for n in 0..10 {
        for person in 0..10 - n {
            write.record("buys", &format!("p{person}"), &format!("g{n}"), ()).unwrap();
        }
    }
    write.commit().unwrap();
    db
}

fn ask(db: &Database) -> Recommend {
    db.recommend("goods").user("p1").using("popular").include_seen().k(4).seed(5)
}

fn keys(asked: Recommend) -> String {
    let answer = asked.run().unwrap();
    assert!(answer.notices.is_empty(), "{:?}", answer.notices);
    answer.rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>().join(" ")
}

/// The same by SQL: the clauses, and the options behind those that every question has.
fn by_sql(session: &mut Session, clauses: &str, options: &str) -> String {
    let sql = format!(
        "RECOMMEND id FROM goods FOR USER 'p1' USING popular {clauses} \
         WITH (seen = 'include', seed = 5{options})"
    );
    let outcome = session.execute(&sql).unwrap().remove(0);
    let rows = outcome.rows.unwrap();
    let keys = rows.batches.iter().flat_map(|batch| {
        use tastedb::arrow::array::AsArray;
        let column = batch.column(0).as_string::<i32>();
        column.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    });
    keys.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_builder_chooses_what_sql_chooses() {
    let db = shop();
    let mut session = db.session();
    let mut same = |asked: Recommend, clauses: &str, options: &str| {
        let found = keys(asked);
        assert_eq!(found, by_sql(&mut session, clauses, options), "{clauses}");
        found
    };
    let plain = same(ask(&db), "LIMIT 4", "");
    assert_eq!(plain, "g0 g1 g2 g3");
    assert_eq!(same(ask(&db).at_most(1, ["brand"]), "LIMIT 1 BY brand 4", ""), "g0 g2 g3");
    same(
        ask(&db).at_most(1, ["brand", "price"]).offset(2),
        "LIMIT 1 BY brand, price 4 OFFSET 2",
        "",
    );
    same(ask(&db).at_most(1, ["tags"]), "LIMIT 1 BY tags 4", "");
    let share = ask(&db).share("brand", "bolt", 0.5..);
    assert_eq!(same(share, "HAVING share(brand = 'bolt') >= 0.5 LIMIT 4", ""), "g0 g1 g2 g7");
    let several =
        ask(&db).share("brand", "acme", ..0.5).different("brand", 3..).different("tags", ..=2);
    same(
        several,
        "HAVING share(brand = 'acme') < 0.5 AND count(DISTINCT brand) >= 3 \
         AND count(DISTINCT tags) <= 2 LIMIT 4",
        "",
    );
    same(ask(&db).diversify("brand", 0.9), "DIVERSIFY BY brand STRENGTH 0.9 LIMIT 4", "");
    let dpp = ask(&db).diversify("tags", 0.5).diversity(Diversity::Dpp);
    same(dpp, "DIVERSIFY BY tags STRENGTH 0.5 LIMIT 4", ", diversify = 'dpp'");
    same(ask(&db).explore(0.7), "EXPLORE 0.7 LIMIT 4", "");
    same(ask(&db).explore(1.0).pool(4), "EXPLORE 1 LIMIT 4", ", pool = 4");
    same(
        ask(&db).explore(0.9).share("brand", "bolt", 0.5..),
        "HAVING share(brand = 'bolt') >= 0.5 EXPLORE 0.9 LIMIT 4",
        "",
    );
    let week = Duration::from_secs(7 * 86_400);
    same(
        ask(&db).explore_by(1.0, "clicks", "views").half_life(week),
        "EXPLORE 1 BY clicks PER views LIMIT 4",
        ", half_life = 7",
    );
}

#[test]
fn propensities_and_reasons_come_with_the_rows() {
    let db = shop();
    let rows = ask(&db).run().unwrap().rows;
    assert!(rows.iter().all(|row| row.propensity == 1.0));
    let rows = ask(&db).explore(1.0).run().unwrap().rows;
    for (row, left) in rows.iter().zip([10.0, 9.0, 8.0, 7.0]) {
        assert!((row.propensity - 1.0 / left).abs() < 1e-12, "{row:?}");
    }
    assert_eq!(rows[0].rank, 1);
    let mut write = db.begin_write().unwrap();
    for person in 0..9 {
        write.record("views", &format!("p{person}"), "g7", ()).unwrap();
        write.record("clicks", &format!("p{person}"), "g7", ()).unwrap();
        write.record("views", &format!("p{person}"), "g0", ()).unwrap();
    }
    write.commit().unwrap();
    let rows = ask(&db).explore_by(0.5, "clicks", "views").k(1).run().unwrap().rows;
    let expected = if rows[0].key == "g7" { 0.25..0.5 } else { 0.0..1.0 };
    assert!(expected.contains(&rows[0].propensity), "{rows:?}");
    db.create_model("taste", "item_knn", "buys").create().unwrap();
    db.train("taste").run().unwrap();
    let of = |asked: Recommend| asked.using("taste").reasons(2).k(2).run().unwrap().rows;
    let (plain, spread) = (
        of(db.recommend("goods").user("p8")),
        of(db.recommend("goods").user("p8").diversify("brand", 0.0)),
    );
    assert!(!plain[0].reasons.is_empty());
    assert_eq!(plain, spread);
}

#[test]
fn what_cannot_be_met_is_a_notice_and_what_makes_no_sense_an_error() {
    let db = shop();
    let answer = ask(&db).share("brand", "bolt", 0.9..).run().unwrap();
    assert_eq!(answer.rows.len(), 4);
    let expected = "share(brand = Text(\"bolt\")) is not met: 2 of 4 rows; no slate does better";
    assert_eq!(answer.notices, [expected]);
    for (asked, code) in [
        (ask(&db).at_most(0, ["brand"]), "TD0706"),
        (ask(&db).at_most(1, ["brnd"]), "TD0202"),
        (ask(&db).diversify("brand", 1.5), "TD0706"),
        (ask(&db).diversify("price", 0.5), "TD0706"),
        (ask(&db).explore(-0.5), "TD0706"),
        (ask(&db).explore(f64::NAN), "TD0706"),
        (ask(&db).share("brand", "bolt", ..1.5), "TD0706"),
        (ask(&db).share("brand", "bolt", 0.5..).explore(0.5).k(501), "TD0706"),
        (ask(&db).different("brand", 2..).k(10_001), "TD0706"),
        (ask(&db).explore_by(0.5, "clicks", "people"), "TD0208"),
        (ask(&db).explore_by(0.5, "clicks", "nothing"), "TD0201"),
    ] {
        let error = asked.run().unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound), "{error}");
    }
}
