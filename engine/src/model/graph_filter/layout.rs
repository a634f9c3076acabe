//! In which order the terms of a score lie, wherever there is one number for each. Not what they are: see `terms`.

use super::terms::Term;

/// Terms of a modality.
pub(super) const CONTENT_TERMS: usize = 3;

/// Where the terms are: `first`, `second`, three for each modality, popularity, `ease`, `ials`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) modalities: usize,
    pub(super) ease: bool,
    pub(super) ials: bool,
}

impl Layout {
    /// The terms that chains give, and popularity.
    pub(super) fn of_chains(modalities: usize) -> Layout {
        Layout { modalities, ease: false, ials: false }
    }

    /// Where a term is that a chain gives.
    pub(super) fn of(self, term: Term) -> usize {
        match term {
            Term::First => Self::FIRST,
            Term::Second => Self::SECOND,
            Term::Content(modality, which) => self.content(modality) + which,
        }
    }

    /// How many terms chains give.
    pub(super) fn chains(self) -> usize {
        self.popularity()
    }

    pub(super) const FIRST: usize = 0;
    pub(super) const SECOND: usize = 1;

    /// The first of the terms of a modality.
    pub(super) fn content(self, modality: usize) -> usize {
        2 + CONTENT_TERMS * modality
    }

    pub(super) fn popularity(self) -> usize {
        2 + CONTENT_TERMS * self.modalities
    }

    pub(super) fn ease(self) -> usize {
        self.popularity() + 1
    }

    pub(super) fn ials(self) -> usize {
        self.ease() + usize::from(self.ease)
    }

    /// How many there are.
    pub(super) fn width(self) -> usize {
        self.ials() + usize::from(self.ials)
    }

    /// Whether a term is taken times d^−t.
    pub(super) fn takes_power(self, term: usize) -> bool {
        let of_content = term >= 2 && term < self.popularity();
        term == Self::FIRST || of_content && (term - 2) % CONTENT_TERMS == 2
    }
}
