//! Rows of numbers: where they are, which of them are looked at, and how they move.

use std::borrow::{Borrow, Cow};
use std::ops::Range;

use crate::Result;
use crate::trainer::Table;

/// The place of a row that is not there: zeros are found in it.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// A place that has rows of numbers.
pub(crate) trait Tables: Copy {
    /// Rows of numbers of one length.
    type Table;
    /// Rows that belong to somebody here and do not change.
    type Lent<'a>: Borrow<Self::Table>;
    /// The numbers of rows of a table, which may be [`NOWHERE`].
    type Places;
    /// One number for each row.
    type Numbers;
    /// The moments of all rows of a table.
    type Adam;

    /// Rows with these values.
    fn table(self, values: Table) -> Result<Self::Table>;

    /// The same, of values that stay here.
    fn lend(self, values: &Table) -> Result<Self::Lent<'_>>;

    /// Rows of zeros.
    fn zeros(self, rows: usize, dim: usize) -> Result<Self::Table>;

    /// The values of rows.
    fn read(self, table: &Self::Table) -> Result<Cow<'_, Table>>;

    /// The values of rows that are not needed there any more.
    fn bring(self, table: Self::Table) -> Result<Table>;

    /// The same rows once more.
    fn copy(self, table: &Self::Table) -> Result<Self::Table>;

    /// Makes a table one of so many rows of zeros.
    fn clear(self, table: &mut Self::Table, rows: usize) -> Result<()>;

    /// Adds the numbers of as many rows of that length.
    fn add(self, to: &mut Self::Table, from: &Self::Table) -> Result<()>;

    /// Places of rows.
    fn places(self, places: Vec<u32>) -> Result<Self::Places>;

    /// A number for each row.
    fn numbers(self, numbers: Vec<f32>) -> Result<Self::Numbers>;

    /// The rows at some places, which are all that `to` has then.
    fn gather(self, from: &Self::Table, places: &Self::Places, to: &mut Self::Table) -> Result<()>;

    /// Adds rows to those at some places, none of which comes twice or is [`NOWHERE`]: the backward of
    /// [`Tables::gather`].
    fn scatter(self, to: &mut Self::Table, places: &Self::Places, from: &Self::Table)
    -> Result<()>;

    /// Copies the rows at some places to others, none of which comes twice or is [`NOWHERE`].
    fn carry(
        self,
        from: (&Self::Table, &Self::Places),
        to: (&mut Self::Table, &Self::Places),
    ) -> Result<()>;

    /// Some rows from a column on, as far as those of `to` go; they are all that it has then.
    fn cut(
        self,
        from: &Self::Table,
        rows: Range<usize>,
        column: usize,
        to: &mut Self::Table,
    ) -> Result<()>;

    /// Puts rows in the place of those from `row` on, from a column on.
    fn paste(
        self,
        from: &Self::Table,
        to: &mut Self::Table,
        row: usize,
        column: usize,
    ) -> Result<()>;

    /// Scales rows to length one; what one over their lengths was. See
    /// [`normalise`](crate::trainer::normalise).
    fn normalise(self, table: &mut Self::Table) -> Result<Self::Numbers>;

    /// Replaces the gradient of scaled rows by that of the rows before.
    fn normalise_back(
        self,
        unit: &Self::Table,
        scales: &Self::Numbers,
        gradient: &mut Self::Table,
    ) -> Result<()>;

    /// Copies rows, with what is dropped out of them by what each is about; see
    /// [`drop_out`](crate::trainer::drop_out).
    fn drop_out(
        self,
        from: &Self::Table,
        about: &Self::Places,
        rate: f32,
        seed: u64,
        to: &mut Self::Table,
    ) -> Result<()>;

    /// Moments of zero for these rows.
    fn adam(self, values: &Self::Table, rate: f32) -> Result<Self::Adam>;

    /// A step of Adam of all rows.
    fn step(
        self,
        adam: &mut Self::Adam,
        values: &mut Self::Table,
        gradient: &Self::Table,
    ) -> Result<()>;
}
