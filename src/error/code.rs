//! Codes of the errors that come from below, and the kind that goes with each code.
//!
//! The list of codes with their meaning is the query layer's (`tastedb_query::codes`), which a
//! library without SQL does not have; a test holds the two together.

use tastedb_engine::Error as Engine;
use tastedb_storage::Error as Storage;

use super::ErrorKind;

pub(super) const NO_TABLE: &str = "TD0201";
pub(super) const NO_COLUMN: &str = "TD0202";
pub(super) const NO_USER: &str = "TD0206";
pub(super) const NO_ITEM: &str = "TD0207";
pub(super) const WRONG_ROLE: &str = "TD0208";
pub(super) const NO_CONTEXT: &str = "TD0101";
pub(super) const INTERNAL: &str = "TD0999";

/// The code of an error of storage.
pub(super) fn of_storage(error: &Storage) -> &'static str {
    match error {
        Storage::Io { .. } | Storage::Kv { .. } => "TD0805",
        Storage::Locked { .. } => "TD0801",
        Storage::Busy { .. } => "TD0502",
        error if error.is_corruption() => "TD0804",
        Storage::UnsupportedFormat { .. } | Storage::UnknownFlags { .. } => "TD0803",
        Storage::NotADatabase { .. } | Storage::NotFound { .. } => "TD0802",
        Storage::DatabaseExists { .. } | Storage::AlreadyExists { .. } => "TD0205",
        Storage::Poisoned => "TD0806",
        Storage::ReadOnly => "TD0505",
        Storage::NoSuchTable { .. } => NO_TABLE,
        Storage::NoSuchColumn { .. } => NO_COLUMN,
        Storage::WrongRole { .. } => WRONG_ROLE,
        Storage::InvalidSchema { .. } => "TD0210",
        Storage::StillReferenced { .. } => "TD0209",
        Storage::DimensionMismatch { .. } => "TD0303",
        Storage::NotFinite { .. } => "TD0304",
        Storage::NotNull { .. } => "TD0302",
        Storage::TypeMismatch { .. } => "TD0301",
        Storage::InvalidKey { .. } => "TD0307",
        Storage::TooLarge { .. } => "TD0308",
        Storage::UnknownUser { .. } => NO_USER,
        Storage::UnknownItem { .. } => NO_ITEM,
        Storage::DuplicateInteraction { .. } => "TD0305",
        _ => INTERNAL,
    }
}

/// The code of an error of the engine.
pub(super) fn of_engine(error: &Engine) -> &'static str {
    match error {
        Engine::Storage(error) => of_storage(error),
        Engine::Cancelled => "TD0503",
        Engine::NoSuchModel { .. } => "TD0203",
        Engine::NoSuchTable(_) => NO_TABLE,
        Engine::NoSuchAlgorithm { .. } => "TD0211",
        Engine::NoSuchModality { .. } | Engine::MissingColumn { .. } => NO_COLUMN,
        Engine::DimensionMismatch { .. } => "TD0303",
        Engine::NotFinite { .. } => "TD0304",
        Engine::NotFitted { .. } => "TD0601",
        Engine::InvalidOption { .. } => "TD0603",
        Engine::EmptyTraining { .. } | Engine::NothingHeldOut => "TD0602",
        Engine::TooLarge { .. } => "TD0604",
        Engine::NotPositiveDefinite { .. } => "TD0605",
        Engine::CorruptModel { .. } | Engine::CorruptRecord { .. } => "TD0804",
        Engine::UnsupportedModel { .. } => "TD0803",
        Engine::InvalidName { .. } => "TD0212",
        Engine::WrongRole { .. } => WRONG_ROLE,
        Engine::WrongTable { .. } => "TD0606",
        Engine::AlreadyExists { .. } => "TD0205",
        Engine::NeedsModel { .. } => "TD0607",
        Engine::Conflict { .. } => "TD0504",
        Engine::NotSupported { .. } | Engine::NeedsSql { .. } => "TD0901",
        Engine::Write(_) => "TD0805",
        _ => INTERNAL,
    }
}

/// The kind that goes with a code.
pub(super) fn kind(code: &str) -> ErrorKind {
    match code {
        "TD0201" | "TD0202" | "TD0203" | "TD0204" | "TD0206" | "TD0207" | "TD0211" | "TD0802" => {
            ErrorKind::NotFound
        }
        "TD0205" | "TD0305" => ErrorKind::AlreadyExists,
        "TD0209" | "TD0501" | "TD0504" => ErrorKind::Conflict,
        "TD0502" | "TD0801" => ErrorKind::Locked,
        "TD0503" => ErrorKind::Cancelled,
        "TD0505" => ErrorKind::ReadOnly,
        "TD0401" | "TD0805" => ErrorKind::Io,
        "TD0601" | "TD0602" | "TD0604" | "TD0607" => ErrorKind::Unavailable,
        "TD0803" | "TD0901" => ErrorKind::Unsupported,
        "TD0804" => ErrorKind::Corrupted,
        "TD0806" => ErrorKind::Poisoned,
        INTERNAL => ErrorKind::Internal,
        _ => ErrorKind::InvalidInput,
    }
}

/// Whether the same call may succeed later without anything being changed.
pub(super) fn is_retryable(code: &str) -> bool {
    matches!(code, "TD0502" | "TD0504" | "TD0801")
}

#[cfg(all(test, feature = "sql"))]
mod tests {
    use super::{Engine, Storage, of_engine, of_storage};

    #[test]
    fn codes_agree_with_those_of_the_query_layer() {
        let storage: Vec<fn() -> Storage> = vec![
            || Storage::Poisoned,
            || Storage::ReadOnly,
            || Storage::Locked { path: "x".into() },
            || Storage::NotFound { path: "x".into() },
            || Storage::MissingFile { path: "x".into() },
            || Storage::DatabaseExists { path: "x".into() },
            || Storage::NoSuchTable { name: "t".into() },
            || Storage::StillReferenced { table: "t".into(), dependents: vec![] },
            || Storage::NotFinite { column: "c".into(), position: 0 },
            || Storage::NotNull { table: "t".into(), column: "c".into() },
        ];
        for make in storage {
            let above = tastedb_query::Error::from(make());
            assert_eq!(of_storage(&make()), above.code(), "{above}");
        }
        let engine: Vec<fn() -> Engine> = vec![
            || Engine::Cancelled,
            || Engine::NothingHeldOut,
            || Engine::Storage(Storage::Poisoned),
            || Engine::NoSuchTable("t".into()),
            || Engine::NotFitted { model: "m".into() },
            || Engine::EmptyTraining { algorithm: "ease", why: "nothing" },
            || Engine::NoSuchModel { name: "m".into(), known: vec![] },
            || Engine::AlreadyExists { what: "model", name: "m".into() },
        ];
        for make in engine {
            let above = tastedb_query::Error::from(make());
            assert_eq!(of_engine(&make()), above.code(), "{above}");
        }
    }
}
