//! Rows of a result as plain values and as JSON: what the command line and the server both write.

pub(crate) mod json;
pub(crate) mod value;
