//! Embeddings as they lie: pending in RocksDB, or sealed in segments.
//!
//! This module reads both and merges them; changing them is the transaction's. A pending
//! embedding is its elements, little-endian, in the column's element type. Invariant: an id is
//! live in at most one of the places, so merging never has to choose.

use std::sync::Arc;

use half::f16;

use crate::catalog::Table;
use crate::codec::Place;
use crate::error::{Error, Result};
use crate::id::{ColumnId, EntityId};
use crate::key;
use crate::kv::{Cf, Cursor};
use crate::manifest::Segment;
use crate::segment::LiveRows;
use crate::value::{ColumnType, Element};

/// What the vectors of a column look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) dim: u32,
    pub(crate) element: Element,
}

impl Shape {
    /// Bytes of a stored vector.
    pub(crate) fn bytes(self) -> usize {
        self.dim as usize * self.element.bytes()
    }
}

/// The shape of a vector column.
pub(crate) fn shape(table: &Table, column: ColumnId) -> Result<Shape> {
    let column = table.need_column(column)?;
    match column.ty {
        ColumnType::Vector { dim, element } => Ok(Shape { dim, element }),
        _ => Err(Error::NotAVector { table: table.name.clone(), column: column.name.clone() }),
    }
}

/// The bytes of a pending embedding; refuses what its column cannot hold.
pub(crate) fn encode(
    table: &Table,
    column: ColumnId,
    shape: Shape,
    vector: &[f32],
) -> Result<Vec<u8>> {
    let name = || table.column_by_id(column).map(|c| c.name.clone()).unwrap_or_default();
    if vector.len() != shape.dim as usize {
        return Err(Error::DimensionMismatch {
            column: name(),
            expected: shape.dim as usize,
            actual: vector.len(),
        });
    }
    let mut out = Vec::with_capacity(shape.bytes());
    let finite = match shape.element {
        Element::F32 => {
            out.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
            vector.iter().position(|x| !x.is_finite())
        }
        Element::F16 => {
            out.extend(vector.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()));
            vector.iter().position(|x| !f16::from_f32(*x).is_finite())
        }
    };
    match finite {
        Some(position) => Err(Error::NotFinite { column: name(), position }),
        None => Ok(out),
    }
}

/// The vector of a pending embedding.
pub(crate) fn decode(bytes: &[u8], shape: Shape, place: Place<'_>) -> Result<Vec<f32>> {
    let mut out = Vec::with_capacity(shape.dim as usize);
    decode_into(bytes, shape, place, &mut out)?;
    Ok(out)
}

fn decode_into(bytes: &[u8], shape: Shape, place: Place<'_>, out: &mut Vec<f32>) -> Result<()> {
    if bytes.len() != shape.bytes() {
        return Err(place.corrupted("a vector of the wrong length"));
    }
    out.clear();
    match shape.element {
        Element::F32 => {
            let (elements, _) = bytes.as_chunks::<4>();
            out.extend(elements.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        }
        Element::F16 => {
            let (elements, _) = bytes.as_chunks::<2>();
            out.extend(elements.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()));
        }
    }
    Ok(())
}

/// The embedding of an id in the segments.
pub(crate) fn sealed(segments: &[Arc<Segment>], id: EntityId) -> Result<Option<Vec<f32>>> {
    for segment in segments {
        if let Some(row) = segment.find(id) {
            return Ok(segment.reader.row(row)?.map(|vector| vector.to_f32()));
        }
    }
    Ok(None)
}

/// Hands all embeddings to `each`, by ascending id.
pub(crate) fn each(
    mut pending: Box<dyn Cursor>,
    segments: &[Arc<Segment>],
    shape: Shape,
    each: &mut dyn FnMut(EntityId, &[f32]) -> Result<()>,
) -> Result<()> {
    let mut sealed = segments
        .iter()
        .map(|segment| Source::new(segment.reader.live(&segment.deleted)))
        .collect::<Result<Vec<_>>>()?;
    let mut buffer = Vec::with_capacity(shape.dim as usize);
    let mut next_pending = read_pending(&mut *pending, shape, &mut buffer)?;
    let mut vector = vec![0.0; shape.dim as usize];
    loop {
        let nearest = sealed
            .iter()
            .enumerate()
            .filter_map(|(at, source)| source.next.as_ref().map(|(id, _)| (*id, at)))
            .min();
        match (next_pending, nearest) {
            (None, None) => return Ok(()),
            (Some(id), nearest) if nearest.is_none_or(|(sealed, _)| id < sealed) => {
                each(id, &buffer)?;
                next_pending = read_pending(&mut *pending, shape, &mut buffer)?;
            }
            (_, Some((id, at))) => {
                let source = &mut sealed[at];
                match source.next.take() {
                    Some((_, crate::segment::Vector::F32(stored))) => each(id, stored)?,
                    Some((_, stored)) => {
                        if stored.len() == vector.len() {
                            stored.copy_to(&mut vector);
                        }
                        each(id, &vector)?;
                    }
                    None => {}
                }
                source.step()?;
            }
            (Some(_), None) => {}
        }
    }
}

/// Hands the pending embeddings of a cursor to `each`.
pub(crate) fn each_pending(
    cursor: &mut dyn Cursor,
    shape: Shape,
    each: &mut dyn FnMut(EntityId, &[f32]) -> Result<()>,
) -> Result<()> {
    let mut buffer = Vec::with_capacity(shape.dim as usize);
    while let Some(id) = read_pending(cursor, shape, &mut buffer)? {
        each(id, &buffer)?;
    }
    Ok(())
}

fn read_pending(
    cursor: &mut dyn Cursor,
    shape: Shape,
    out: &mut Vec<f32>,
) -> Result<Option<EntityId>> {
    let Some((key, bytes)) = cursor.next()? else { return Ok(None) };
    let place = Place { cf: Cf::Pending, key };
    let (_, _, id) =
        key::pending_parts(key).ok_or_else(|| place.corrupted("a key of the wrong length"))?;
    decode_into(bytes, shape, place, out)?;
    Ok(Some(id))
}

/// The live rows of one segment, one read ahead.
struct Source<'a> {
    rows: LiveRows<'a>,
    next: Option<(EntityId, crate::segment::Vector<'a>)>,
}

impl<'a> Source<'a> {
    fn new(rows: LiveRows<'a>) -> Result<Source<'a>> {
        let mut source = Source { rows, next: None };
        source.step()?;
        Ok(source)
    }

    fn step(&mut self) -> Result<()> {
        self.next = self.rows.next().transpose()?.map(|(id, _, vector)| (id, vector));
        Ok(())
    }
}
