//! Rows into record batches, column by column.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Date32Builder, Float32Builder, Float64Builder,
    Int32Builder, Int64Builder, ListBuilder, RecordBatch, RecordBatchOptions, StringBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::SchemaRef;

use super::shape::Field;
use crate::error::{Error, Result};
use crate::storage::{ColumnType, KeyType, Value};

/// Collects rows of some columns of one table.
pub(crate) struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<Builder>,
    rows: usize,
}

enum Builder {
    Bool(BooleanBuilder),
    Int(Int32Builder),
    BigInt(Int64Builder),
    Real(Float32Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    TextList(ListBuilder<StringBuilder>),
    Vector(ListBuilder<Float32Builder>),
}

impl BatchBuilder {
    /// A builder of the columns `fields`, whose Arrow schema is `schema`.
    pub(crate) fn new(schema: SchemaRef, fields: &[Field]) -> BatchBuilder {
        let columns = fields.iter().map(|field| Builder::new(field.column_type())).collect();
        BatchBuilder { schema, columns, rows: 0 }
    }

    /// Rows collected since the last batch.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Appends a key: the external id of an entity, a number where the key type says so.
    pub(crate) fn key(&mut self, column: usize, key_type: KeyType, key: &str) {
        match key_type {
            KeyType::Text => self.columns[column].text(key),
            KeyType::BigInt => match key.parse() {
                Ok(number) => self.columns[column].value(&Value::Int(number)),
                Err(_) => self.columns[column].value(&Value::Null),
            },
        }
    }

    /// Appends a value; one of another kind than the column's counts as NULL.
    pub(crate) fn value(&mut self, column: usize, value: &Value) {
        self.columns[column].value(value);
    }

    /// Appends an embedding or its absence.
    pub(crate) fn vector(&mut self, column: usize, vector: Option<&[f32]>) {
        self.columns[column].vector(vector);
    }

    /// Says that every column has its value for one more row.
    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// The rows so far as a batch; the builder is empty again.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = self.columns.iter_mut().map(Builder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|cause| Error::internal(format!("a batch does not fit its schema: {cause}")))
    }
}

impl Builder {
    fn new(ty: ColumnType) -> Builder {
        match ty {
            ColumnType::Bool => Builder::Bool(BooleanBuilder::new()),
            ColumnType::Int => Builder::Int(Int32Builder::new()),
            ColumnType::BigInt => Builder::BigInt(Int64Builder::new()),
            ColumnType::Real => Builder::Real(Float32Builder::new()),
            ColumnType::Double => Builder::Double(Float64Builder::new()),
            ColumnType::Text => Builder::Text(StringBuilder::new()),
            ColumnType::Date => Builder::Date(Date32Builder::new()),
            ColumnType::Timestamp => Builder::Timestamp(TimestampMicrosecondBuilder::new()),
            ColumnType::TextList => Builder::TextList(ListBuilder::new(StringBuilder::new())),
            ColumnType::Vector { .. } => Builder::Vector(ListBuilder::new(Float32Builder::new())),
        }
    }

    fn text(&mut self, text: &str) {
        if let Builder::Text(builder) = self {
            builder.append_value(text);
        } else {
            self.value(&Value::Null);
        }
    }

    fn vector(&mut self, vector: Option<&[f32]>) {
        match (&mut *self, vector) {
            (Builder::Vector(builder), Some(vector)) => {
                builder.values().append_slice(vector);
                builder.append(true);
            }
            _ => self.value(&Value::Null),
        }
    }

    fn value(&mut self, value: &Value) {
        match (self, value) {
            (Builder::Bool(b), Value::Bool(v)) => b.append_value(*v),
            (Builder::Bool(b), _) => b.append_null(),
            (Builder::Int(b), Value::Int(v)) => b.append_option(i32::try_from(*v).ok()),
            (Builder::Int(b), _) => b.append_null(),
            (Builder::BigInt(b), Value::Int(v)) => b.append_value(*v),
            (Builder::BigInt(b), _) => b.append_null(),
            (Builder::Real(b), Value::Real(v)) => b.append_value(*v as f32),
            (Builder::Real(b), _) => b.append_null(),
            (Builder::Double(b), Value::Real(v)) => b.append_value(*v),
            (Builder::Double(b), _) => b.append_null(),
            (Builder::Text(b), Value::Text(v)) => b.append_value(v),
            (Builder::Text(b), _) => b.append_null(),
            (Builder::Date(b), Value::Date(v)) => b.append_value(*v),
            (Builder::Date(b), _) => b.append_null(),
            (Builder::Timestamp(b), Value::Timestamp(v)) => b.append_value(*v),
            (Builder::Timestamp(b), _) => b.append_null(),
            (Builder::TextList(b), Value::TextList(v)) => {
                for text in v {
                    b.values().append_value(text);
                }
                b.append(true);
            }
            (Builder::TextList(b), _) => b.append_null(),
            (Builder::Vector(b), _) => b.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Bool(b) => ArrayBuilder::finish(b),
            Builder::Int(b) => ArrayBuilder::finish(b),
            Builder::BigInt(b) => ArrayBuilder::finish(b),
            Builder::Real(b) => ArrayBuilder::finish(b),
            Builder::Double(b) => ArrayBuilder::finish(b),
            Builder::Text(b) => ArrayBuilder::finish(b),
            Builder::Date(b) => ArrayBuilder::finish(b),
            Builder::Timestamp(b) => ArrayBuilder::finish(b),
            Builder::TextList(b) => ArrayBuilder::finish(b),
            Builder::Vector(b) => ArrayBuilder::finish(b),
        }
    }
}
