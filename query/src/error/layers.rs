//! Errors of the engine and of storage as ours: a code for each, in the words they have.
//!
//! Invariant: the error below stays as the cause, so nothing of it is lost.

use tastedb_engine as engine;
use tastedb_engine::storage;

use super::Error;
use crate::codes::{self, Code};
use crate::suggest;

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        if let engine::Error::Expression { what, source } = error {
            return match source.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(_) => Error::new(&codes::EVALUATION, what),
            };
        }
        let near = match &error {
            engine::Error::NoSuchModel { name, known }
            | engine::Error::NoSuchModality { name, known }
            | engine::Error::NoSuchOption { option: name, known, .. } => {
                suggest::nearest(name, known.iter().map(String::as_str)).map(str::to_owned)
            }
            engine::Error::NoSuchAlgorithm { name, known } => {
                suggest::nearest(name, known.iter().copied()).map(str::to_owned)
            }
            _ => None,
        };
        let hint = hint(&error);
        let converted = Error::new(engine_code(&error), error.to_string())
            .suggest(near.as_deref())
            .caused_by(error);
        match hint {
            Some(hint) => converted.hint(hint),
            None => converted,
        }
    }
}

fn engine_code(error: &engine::Error) -> &'static Code {
    match error {
        engine::Error::NoSuchAlgorithm { .. } => &codes::NO_SUCH_ALGORITHM,
        engine::Error::NoSuchModality { .. } => &codes::NO_SUCH_MODALITY,
        engine::Error::DimensionMismatch { .. } => &codes::DIMENSION,
        engine::Error::NotFinite { .. } => &codes::NOT_FINITE,
        engine::Error::NotFitted { .. } | engine::Error::NeedsModel { .. } => &codes::NOT_TRAINED,
        engine::Error::NoSuchOption { .. } => &codes::UNKNOWN_OPTION,
        engine::Error::InvalidOption { .. } => &codes::OPTION_VALUE,
        engine::Error::FrozenOption { .. } => &codes::FROZEN_OPTION,
        engine::Error::EmptyTraining { .. } => &codes::EMPTY_TRAINING,
        engine::Error::EmptyText { .. } => &codes::EMPTY_TEXT,
        engine::Error::NotText { .. } => &codes::TYPE_MISMATCH,
        engine::Error::TooLarge { .. } => &codes::MODEL_TOO_LARGE,
        engine::Error::NotPositiveDefinite { .. } => &codes::NOT_SOLVABLE,
        engine::Error::Diverged { .. } => &codes::DIVERGED,
        engine::Error::NoDevice { .. } => &codes::NO_DEVICE,
        engine::Error::DeviceFailed { .. } => &codes::DEVICE_FAILED,
        engine::Error::Cancelled => &codes::CANCELLED,
        engine::Error::CorruptModel { .. } => &codes::MODEL_DAMAGED,
        engine::Error::CorruptRecord { .. } => &codes::DAMAGED,
        engine::Error::UnsupportedModel { .. } => &codes::NEWER_FORMAT,
        engine::Error::Storage(error) => storage_code(error),
        engine::Error::InvalidName { .. } => &codes::INVALID_DEFINITION,
        engine::Error::NoSuchTable(_) => &codes::NO_SUCH_TABLE,
        engine::Error::WrongRole { .. } => &codes::WRONG_ROLE,
        engine::Error::MissingColumn { .. } => &codes::NO_SUCH_COLUMN,
        engine::Error::WrongTable { .. } => &codes::SOURCE,
        engine::Error::NoSuchModel { .. } => &codes::NO_SUCH_MODEL,
        engine::Error::NoSuchIndex { .. } => &codes::NO_SUCH_INDEX,
        engine::Error::AlreadyIndexed { .. } => &codes::EXISTS,
        engine::Error::NotAVector { .. } => &codes::NOT_A_VECTOR,
        engine::Error::NoSuchForget { .. } => &codes::NO_SUCH_FORGET,
        engine::Error::AlreadyExists { .. } => &codes::EXISTS,
        engine::Error::Nearness { .. } => &codes::OPTION_VALUE,
        engine::Error::NothingHeldOut => &codes::NOTHING_HELD_OUT,
        engine::Error::Conflict { .. } => &codes::CONFLICT,
        engine::Error::NotSupported { .. } | engine::Error::NotOnDevice { .. } => {
            &codes::CLAUSE_UNSUPPORTED
        }
        engine::Error::Write(_) => &codes::IO,
        _ => &codes::INTERNAL,
    }
}

fn storage_code(error: &storage::Error) -> &'static Code {
    match error {
        storage::Error::Io { .. } | storage::Error::Leftover { .. } => &codes::IO,
        storage::Error::Kv { .. } => &codes::KV,
        storage::Error::CorruptedKv { .. }
        | storage::Error::Corrupted { .. }
        | storage::Error::CorruptedRecord { .. }
        | storage::Error::ChecksumMismatch { .. }
        | storage::Error::MissingFile { .. }
        | storage::Error::Unsound { .. } => &codes::DAMAGED,
        storage::Error::Locked { .. } => &codes::LOCKED,
        storage::Error::Busy { .. } => &codes::BUSY,
        storage::Error::Held { .. } => &codes::HELD,
        storage::Error::UnsupportedFormat { .. } | storage::Error::UnknownFlags { .. } => {
            &codes::NEWER_FORMAT
        }
        storage::Error::NotADatabase { .. } => &codes::NOT_A_DATABASE,
        storage::Error::NotFound { .. } => &codes::NO_DATABASE,
        storage::Error::DatabaseExists { .. } => &codes::DATABASE_EXISTS,
        storage::Error::Poisoned => &codes::POISONED,
        storage::Error::Unsupported { .. } => &codes::STORAGE_UNSUPPORTED,
        storage::Error::ReadOnly => &codes::READ_ONLY,
        storage::Error::NoSuchTable { .. } => &codes::NO_SUCH_TABLE,
        storage::Error::NoSuchColumn { .. } => &codes::NO_SUCH_COLUMN,
        storage::Error::AlreadyExists { .. } => &codes::EXISTS,
        storage::Error::WrongRole { .. } => &codes::WRONG_ROLE,
        storage::Error::InvalidSchema { .. } => &codes::INVALID_DEFINITION,
        storage::Error::StillReferenced { .. } => &codes::STILL_REFERENCED,
        storage::Error::DimensionMismatch { .. } => &codes::DIMENSION,
        storage::Error::NotFinite { .. } => &codes::NOT_FINITE,
        storage::Error::NotNull { .. } => &codes::NOT_NULL,
        storage::Error::NotAVector { .. } => &codes::NOT_A_VECTOR,
        storage::Error::Computed { .. } => &codes::COMPUTED,
        storage::Error::TypeMismatch { .. } => &codes::TYPE_MISMATCH,
        storage::Error::InvalidKey { .. } => &codes::INVALID_KEY,
        storage::Error::TooLarge { .. } => &codes::TOO_LARGE,
        storage::Error::UnknownUser { .. } | storage::Error::UnknownItem { .. } => {
            &codes::UNKNOWN_ENTITY
        }
        storage::Error::DuplicateInteraction { .. } => &codes::DUPLICATE_KEY,
        storage::Error::Aborted => &codes::ABORTED,
        _ => &codes::INTERNAL,
    }
}

/// What to do, where the message does not say it.
fn hint(error: &engine::Error) -> Option<&'static str> {
    let engine::Error::Storage(error) = error else { return None };
    match error {
        storage::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            Some("the disk is full: free some space, then reopen the database")
        }
        storage::Error::Locked { .. } => Some("close it there, or open a backup"),
        storage::Error::Busy { .. } => Some("try again; keep transactions short"),
        storage::Error::Poisoned => Some("close the database and open it again"),
        error if error.is_corruption() => {
            Some("run `tastedb check` for the extent, and restore a backup")
        }
        _ => None,
    }
}
