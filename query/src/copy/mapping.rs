//! Which field of a file goes into which column of a table.
//!
//! Names are compared without case. A name that the table lacks may still be one of the usual
//! words for a user, an item, a rating or a time; it then stands for the column of that meaning.
//! Every field must find its column or be named as superfluous: nothing is dropped in silence.

use crate::batch::{Field, Shape};
use crate::storage::{ColumnType, Role};

/// Where each column's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// For each column of the shape, the field of the record; `None`: not in the file.
    pub(crate) fields: Vec<Option<usize>>,
}

/// Why a file does not fit a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Fields that no column takes.
    Extra(Vec<String>),
    /// A column that was asked for, or that cannot do without, is not in the file.
    Absent(String),
    /// The file does not name its fields, and their number is not that of the columns.
    Count {
        /// Columns to fill.
        expected: usize,
    },
    /// A field would go into a column that the database computes.
    Computed(String),
    /// Two fields go into one column.
    Twice(String),
}

/// What is done with fields that no column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    /// They are a misfit.
    Refuse,
    /// They are passed over.
    Ignore,
}

/// Usual words for the same thing.
const USERS: &[&str] = &["user_id", "userid", "user", "uid", "customer_id", "visitor_id"];
const ITEMS: &[&str] =
    &["item_id", "itemid", "item", "iid", "movie_id", "movieid", "product_id", "productid", "asin"];
const RATINGS: &[&str] = &["rating", "score", "stars", "weight", "value"];
const TIMES: &[&str] = &["timestamp", "ts", "time", "datetime", "unixreviewtime", "created_at"];

impl Mapping {
    /// Pairs the fields of a file with the columns of a table. `wanted` are the positions of the
    /// columns to fill, where a column list was given.
    pub(crate) fn new(
        shape: &Shape,
        names: &[String],
        wanted: Option<&[usize]>,
        extra: Extra,
    ) -> Result<Mapping, Misfit> {
        let mut fields = vec![None; shape.fields.len()];
        if names.is_empty() {
            let given = || (0..shape.fields.len()).filter(|at| !shape.is_computed(*at)).collect();
            let order: Vec<usize> = wanted.map_or_else(given, <[usize]>::to_vec);
            for (field, column) in order.iter().enumerate() {
                fields[*column] = Some(field);
            }
            return Ok(Mapping { fields });
        }
        let mut taken = vec![false; names.len()];
        for (field, name) in names.iter().enumerate() {
            if let Some(column) = shape.position(name) {
                if shape.is_computed(column) {
                    if wanted.is_none() && extra == Extra::Refuse {
                        return Err(Misfit::Computed(shape.names[column].clone()));
                    }
                    taken[field] = true;
                    continue;
                }
                if fields[column].replace(field).is_some() {
                    return Err(Misfit::Twice(shape.names[column].clone()));
                }
                taken[field] = true;
            }
        }
        for (field, name) in names.iter().enumerate() {
            if taken[field] {
                continue;
            }
            if let Some(column) = by_meaning(shape, name).filter(|at| fields[*at].is_none()) {
                fields[column] = Some(field);
                taken[field] = true;
            }
        }
        if let Some(wanted) = wanted {
            for (column, field) in fields.iter_mut().enumerate() {
                if !wanted.contains(&column) {
                    *field = None;
                } else if field.is_none() {
                    return Err(Misfit::Absent(shape.names[column].clone()));
                }
            }
        } else if extra == Extra::Refuse && taken.contains(&false) {
            let left = names.iter().zip(&taken).filter(|(_, taken)| !**taken);
            return Err(Misfit::Extra(left.map(|(name, _)| name.clone()).collect()));
        }
        for (column, field) in shape.fields.iter().enumerate() {
            let needed = matches!(field, Field::Key(_) | Field::User(_) | Field::Item(_));
            if needed && fields[column].is_none() {
                return Err(Misfit::Absent(shape.names[column].clone()));
            }
        }
        Ok(Mapping { fields })
    }

    /// Checks a file without names against the number of its fields.
    pub(crate) fn check_count(&self, found: usize) -> Result<(), Misfit> {
        let expected = self.fields.iter().flatten().count();
        if found == expected { Ok(()) } else { Err(Misfit::Count { expected }) }
    }
}

/// The column that a usual word stands for.
fn by_meaning(shape: &Shape, name: &str) -> Option<usize> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    let place = |wanted: fn(&Field) -> bool| shape.fields.iter().position(wanted);
    let named = |words: &[&str]| {
        shape.names.iter().position(|n| words.iter().any(|word| word.eq_ignore_ascii_case(n)))
    };
    if is(USERS) {
        return match shape.table.role {
            Role::Interaction => place(|field| matches!(field, Field::User(_))),
            Role::User => place(|field| matches!(field, Field::Key(_))),
            Role::Item => None,
        };
    }
    if is(ITEMS) {
        return match shape.table.role {
            Role::Interaction => place(|field| matches!(field, Field::Item(_))),
            Role::Item => place(|field| matches!(field, Field::Key(_))),
            Role::User => None,
        };
    }
    if is(RATINGS) {
        return named(RATINGS);
    }
    if is(TIMES) {
        let mut times = shape
            .fields
            .iter()
            .enumerate()
            .filter(|(_, field)| matches!(field, Field::Value(_, ColumnType::Timestamp)));
        let first = times.next().map(|(at, _)| at);
        return named(TIMES).or(first.filter(|_| times.next().is_none()));
    }
    if name.eq_ignore_ascii_case("id") && !shape.is_interaction() {
        return place(|field| matches!(field, Field::Key(_)));
    }
    None
}
