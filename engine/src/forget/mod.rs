//! Forgetting: a deletion that is followed until nothing is left of what was deleted.
//!
//! ```text
//! masked      the rows are gone from every answer            with the commit of the deletion
//! unlearned   no serving model has learned from them         vacuum: models are made anew
//! erased      no file of the database holds them             vacuum: files are rewritten
//! verified    the database was searched and nothing found    verify: a receipt
//! ```
//!
//! A ticket is a record that says how far it has come. It is made in the commit of the deletion and
//! each further step is a commit of its own, made after what it says is true: a crash loses a step's
//! time, never its meaning. Sizes, times and salted hashes are all that a ticket keeps.
//!
//! Not here: a clock, which the caller brings; how files are rewritten, which is storage's; how a
//! model unlearns, which is the model's. Invariant: no version of a model that read a state from
//! before a deletion is published after the ticket of it.

mod again;
mod behaviour;
mod compare;
mod content;
mod corrections;
mod deleting;
mod digest;
mod evaluation;
mod forget_set;
mod ledger;
mod membership;
mod protocol;
mod receipt;
mod search;
#[cfg(test)]
mod tests;
mod ticket;
mod unlearn;
mod values;

pub(crate) use again::again;
pub use behaviour::Behaviour;
pub(crate) use corrections::Corrections;
pub use deleting::Forgetting;
pub use evaluation::ForgettingRequest;
pub(crate) use evaluation::evaluate_forgetting;
pub(crate) use forget_set::{Removed, since as removed_since};
pub(crate) use ledger::{all, newest, newest_of};
pub use protocol::{Amount, ForgettingReport, ForgettingStage, Protocol, measure_forgetting};
pub use receipt::{Receipt, ReceiptLine};
pub(crate) use receipt::{receipts, verify};
pub use ticket::{Scope, State, Ticket};
pub use unlearn::Vacuumed;
pub(crate) use unlearn::vacuum;
