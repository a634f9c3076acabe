//! `.schema`: the statements that would make the tables and models of a database again.

use std::fmt::Write as _;

use tastedb::{Catalog, Column, ColumnType, KeyType, OnUnknown, Role, Table, Value};

/// `CREATE TABLE` for `table`.
pub(super) fn create_table(catalog: &Catalog, table: &Table) -> String {
    let mut lines: Vec<(u16, String)> = Vec::new();
    match &table.link {
        None => {
            let ty = match table.key_type {
                KeyType::Text => "TEXT",
                KeyType::BigInt => "BIGINT",
            };
            let line = format!("{} {ty} PRIMARY KEY", name(&table.key_column));
            lines.push((table.key_position, line));
        }
        Some(link) => {
            let refers = |to| catalog.table_by_id(to).map_or("?".into(), |t| name(&t.name));
            for (column, to, position) in [
                (&link.user_column, link.user_table, link.user_position),
                (&link.item_column, link.item_table, link.item_position),
            ] {
                // A reference has the type of the key that it refers to.
                let ty = match catalog.table_by_id(to).map(|t| t.key_type) {
                    Some(KeyType::BigInt) => "BIGINT",
                    Some(KeyType::Text) | None => "TEXT",
                };
                lines.push((position, format!("{} {ty} REFERENCES {}", name(column), refers(to))));
            }
        }
    }
    lines.sort();
    // The other columns keep their order in the places that are left.
    // Computed columns are made by statements of their own.
    let given = table.columns().filter(|column| !column.computed);
    let mut all: Vec<String> = given.map(column).collect();
    for (position, line) in lines {
        all.insert(usize::from(position).min(all.len()), line);
    }
    if let Some(key) = primary_key(table) {
        all.push(key);
    }
    format!("CREATE TABLE {} (\n  {}\n){};", name(&table.name), all.join(",\n  "), options(table))
}

fn column(column: &Column) -> String {
    let mut line = format!("{} {}", name(&column.name), column.ty);
    if column.not_null {
        line.push_str(" NOT NULL");
    }
    if let Some(expression) = &column.default_expr {
        let _ = write!(line, " DEFAULT {expression}");
    } else if let Some(value) = column.default.as_ref().and_then(|v| literal(v, column.ty)) {
        let _ = write!(line, " DEFAULT {value}");
    }
    line
}

fn primary_key(table: &Table) -> Option<String> {
    let link = table.link.as_ref()?;
    let extra = link.unique.as_ref()?;
    let mut columns = vec![name(&link.user_column), name(&link.item_column)];
    columns.extend(extra.iter().filter_map(|id| table.column_by_id(*id)).map(|c| name(&c.name)));
    Some(format!("PRIMARY KEY ({})", columns.join(", ")))
}

fn options(table: &Table) -> String {
    let role = match table.role {
        Role::User => "user",
        Role::Item => "item",
        Role::Interaction => "interaction",
    };
    let unknown = match table.link.as_ref().map(|link| link.on_unknown) {
        Some(OnUnknown::Create) => ", on_unknown = 'create'",
        Some(OnUnknown::Error) | None => "",
    };
    format!(" WITH (role = '{role}'{unknown})")
}

/// A name as it must be written: quoted, unless it is plain.
pub(super) fn name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A text as a literal.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn literal(value: &Value, ty: ColumnType) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Real(x) => x.to_string(),
        Value::Text(t) => text(t),
        Value::TextList(items) => {
            let items: Vec<String> = items.iter().map(|item| text(item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Date(days) => format!("{ty} {}", text(&date(i64::from(*days)))),
        Value::Timestamp(micros) => {
            let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
            let seconds = rest / 1_000_000;
            let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            let fraction = rest % 1_000_000;
            let clock = format!("{} {h:02}:{m:02}:{s:02}.{fraction:06}", date(days));
            format!("{ty} {}", text(&clock))
        }
    })
}

const DAY: i64 = 86_400_000_000;

/// The civil date of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
fn date(days: i64) -> String {
    // Years begin in March here, so that the leap day is the last one.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::{date, literal, name};
    use tastedb::{ColumnType, Value};

    #[test]
    fn dates_are_civil() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(19_782), "2024-02-29");
    }

    #[test]
    fn names_and_literals_can_be_read_back() {
        assert_eq!(name("movies_2"), "movies_2");
        assert_eq!(name("Two Words"), "\"Two Words\"");
        let text = literal(&Value::Text("it's".into()), ColumnType::Text);
        assert_eq!(text.as_deref(), Some("'it''s'"));
        let time = literal(&Value::Timestamp(-1), ColumnType::Timestamp);
        assert_eq!(time.as_deref(), Some("TIMESTAMP '1969-12-31 23:59:59.999999'"));
    }
}
