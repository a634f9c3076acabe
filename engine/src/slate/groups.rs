//! Which values of an attribute each row has, as small integers. It knows no column and no type.

/// The code of rows that have no value: NULL or an empty list.
pub const NONE: u32 = 0;

/// The codes of every row, ascending; a list has several, a row without a value has [`NONE`].
#[derive(Clone, Debug)]
pub struct Groups {
    starts: Vec<usize>,
    codes: Vec<u32>,
    values: usize,
}

impl Groups {
    /// No rows yet.
    pub fn new() -> Groups {
        Groups { starts: vec![0], codes: Vec::new(), values: 1 }
    }

    /// Appends a row with these codes, in any order; none stands for [`NONE`].
    pub fn push(&mut self, codes: &[u32]) {
        let start = self.codes.len();
        match codes {
            [] => self.codes.push(NONE),
            codes => self.codes.extend_from_slice(codes),
        }
        self.codes[start..].sort_unstable();
        let mut kept = start;
        for at in start..self.codes.len() {
            if at == start || self.codes[at] != self.codes[at - 1] {
                self.codes.swap(kept, at);
                kept += 1;
            }
        }
        self.codes.truncate(kept);
        let most = self.codes[start..].iter().max().map_or(0, |code| *code as usize);
        self.values = self.values.max(most + 1);
        self.starts.push(kept);
    }

    /// The codes of a row; [`NONE`] where the row is not known.
    pub fn of(&self, row: u32) -> &[u32] {
        let row = row as usize;
        match self.starts.get(row + 1) {
            Some(end) => &self.codes[self.starts[row]..*end],
            None => &[NONE],
        }
    }

    /// All codes are below this.
    pub fn values(&self) -> usize {
        self.values
    }
}

impl Default for Groups {
    fn default() -> Groups {
        Groups::new()
    }
}
