//! Between stored values and Arrow: the shape of a table as a schema, rows into batches, and cells
//! of batches back into values.
//!
//! Nothing here evaluates an expression or touches the store. Invariant: a value that goes into a
//! batch and comes back by [`Cell::read`] and [`coerce`] is the same value.

mod build;
mod cell;
mod shape;

pub(crate) use build::BatchBuilder;
pub(crate) use cell::{
    Cell, MICROS_PER_DAY, Unfit, coerce, describe, misfit, parse_text, parse_text_list,
    parse_vector,
};
pub(crate) use shape::{Field, ID_COLUMN, OWNER_COLUMN, Shape, arrow_type};
