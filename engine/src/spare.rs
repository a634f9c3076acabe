//! Buffers that finished work leaves for the next: those as long as a catalogue take longer to make than most
//! work that needs one takes. Not a cache: what is in them means nothing to whoever takes one.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// The buffers of one kind that nobody uses now.
pub(crate) struct Spare<T>(Mutex<Vec<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Spare(Mutex::default())
    }
}

impl<T: Default> Spare<T> {
    /// Takes one, or what is made where none is left. Whoever takes it leaves it as it was made.
    pub(crate) fn take(&self, make: impl FnOnce() -> T) -> Taken<'_, T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Taken { spare: self, own: kept.unwrap_or_else(make) }
    }
}

/// A buffer in use, which goes back when it is dropped.
pub(crate) struct Taken<'a, T: Default> {
    spare: &'a Spare<T>,
    own: T,
}

impl<T: Default> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.own
    }
}

impl<T: Default> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.own
    }
}

impl<T: Default> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        // What was left in the middle of something is not as it was made.
        if !std::thread::panicking() {
            let own = std::mem::take(&mut self.own);
            self.spare.0.lock().unwrap_or_else(PoisonError::into_inner).push(own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_used_again_unless_its_user_panicked() {
        let spare: Spare<Vec<u32>> = Spare::default();
        let mut first = spare.take(|| vec![1]);
        assert_eq!(*spare.take(|| vec![2]), [2], "one is in use");
        assert_eq!(*spare.take(|| vec![3]), [2]);
        first.push(4);
        drop(first);
        assert_eq!(*spare.take(|| vec![3]), [1, 4]);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _both = (spare.take(Vec::new), spare.take(Vec::new));
            panic!("in the middle");
        }));
        assert!(panicked.is_err());
        assert_eq!(*spare.take(|| vec![5]), [5]);
    }
}
