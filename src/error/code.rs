//! Codes of the errors that come from below, and the kind that goes with each code.
//!
//! The list of codes with their meaning is the query layer's (`tastedb_query::codes`), which a
//! library without SQL does not have; a test holds the two together.

use tastedb_engine::Error as Engine;
use tastedb_storage::Error as Storage;

use super::ErrorKind;

pub(super) const NO_TABLE: &str = "TD0201";
pub(super) const NO_COLUMN: &str = "TD0202";
pub(super) const WRONG_ROLE: &str = "TD0208";
pub(super) const UNKNOWN_ENTITY: &str = "TD0307";
pub(super) const NO_USER: &str = "TD0701";
pub(super) const NO_ITEM: &str = "TD0702";
pub(super) const CONTEXT: &str = "TD0703";
pub(super) const SLATE: &str = "TD0706";
pub(super) const INTERNAL: &str = "TD0899";

/// The code of an error of storage.
pub(super) fn of_storage(error: &Storage) -> &'static str {
    match error {
        Storage::Io { .. } | Storage::Leftover { .. } => "TD0801",
        Storage::Kv { .. } => "TD0802",
        error if error.is_corruption() => "TD0803",
        Storage::Locked { .. } => "TD0504",
        Storage::Busy { .. } => "TD0503",
        Storage::Held { .. } => "TD0510",
        Storage::UnsupportedFormat { .. } | Storage::UnknownFlags { .. } => "TD0804",
        Storage::NotADatabase { .. } => "TD0805",
        Storage::NotFound { .. } => "TD0806",
        Storage::DatabaseExists { .. } => "TD0807",
        Storage::Poisoned => "TD0808",
        Storage::Unsupported { .. } => "TD0809",
        Storage::ReadOnly => "TD0506",
        Storage::Aborted => "TD0505",
        Storage::NoSuchTable { .. } => NO_TABLE,
        Storage::NoSuchColumn { .. } => NO_COLUMN,
        Storage::AlreadyExists { .. } => "TD0205",
        Storage::WrongRole { .. } => WRONG_ROLE,
        Storage::InvalidSchema { .. } => "TD0212",
        Storage::StillReferenced { .. } => "TD0209",
        Storage::DimensionMismatch { .. } => "TD0304",
        Storage::NotFinite { .. } => "TD0305",
        Storage::NotNull { .. } => "TD0303",
        Storage::NotAVector { .. } => "TD0312",
        Storage::Computed { .. } => "TD0314",
        Storage::TypeMismatch { .. } => "TD0301",
        Storage::InvalidKey { .. } => "TD0308",
        Storage::TooLarge { .. } => "TD0310",
        Storage::UnknownUser { .. } | Storage::UnknownItem { .. } => UNKNOWN_ENTITY,
        Storage::DuplicateInteraction { .. } => "TD0306",
        _ => INTERNAL,
    }
}

/// The code of an error of the engine.
pub(super) fn of_engine(error: &Engine) -> &'static str {
    match error {
        Engine::Storage(error) => of_storage(error),
        Engine::Cancelled => "TD0507",
        Engine::EmptyText { .. } => "TD0610",
        Engine::NoDevice { .. } => "TD0611",
        Engine::Diverged { .. } => "TD0612",
        Engine::DeviceFailed { .. } => "TD0613",
        Engine::NotText { .. } => "TD0301",
        Engine::NoSuchModel { .. } => "TD0203",
        Engine::NoSuchForget { .. } => "TD0216",
        Engine::NoSuchTable(_) => NO_TABLE,
        Engine::NoSuchAlgorithm { .. } => "TD0206",
        Engine::NoSuchModality { .. } => "TD0213",
        Engine::MissingColumn { .. } => NO_COLUMN,
        Engine::DimensionMismatch { .. } => "TD0304",
        Engine::NotFinite { .. } => "TD0305",
        Engine::NotFitted { .. } | Engine::NeedsModel { .. } => "TD0601",
        Engine::NoSuchOption { .. } => "TD0108",
        Engine::InvalidOption { .. } | Engine::Nearness { .. } => "TD0109",
        Engine::EmptyTraining { .. } => "TD0602",
        Engine::TooLarge { .. } => "TD0603",
        Engine::NotPositiveDefinite { .. } => "TD0604",
        Engine::CorruptModel { .. } => "TD0605",
        Engine::NothingHeldOut => "TD0606",
        Engine::FrozenOption { .. } => "TD0607",
        Engine::CorruptRecord { .. } => "TD0803",
        Engine::UnsupportedModel { .. } => "TD0804",
        Engine::InvalidName { .. } => "TD0212",
        Engine::WrongRole { .. } => WRONG_ROLE,
        Engine::WrongTable { .. } => "TD0704",
        Engine::AlreadyExists { .. } => "TD0205",
        Engine::Conflict { .. } => "TD0508",
        Engine::NotSupported { .. } | Engine::NotOnDevice { .. } | Engine::NeedsSql { .. } => {
            "TD0902"
        }
        Engine::Write(_) => "TD0801",
        _ => INTERNAL,
    }
}

/// The kind that goes with a code.
pub(super) fn kind(code: &str) -> ErrorKind {
    match code {
        "TD0201" | "TD0202" | "TD0203" | "TD0204" | "TD0206" | "TD0210" | "TD0211" | "TD0213"
        | "TD0216" | "TD0307" | "TD0701" | "TD0702" | "TD0806" => ErrorKind::NotFound,
        "TD0205" | "TD0306" | "TD0408" | "TD0807" => ErrorKind::AlreadyExists,
        "TD0209" | "TD0501" | "TD0502" | "TD0505" | "TD0508" => ErrorKind::Conflict,
        "TD0503" | "TD0504" | "TD0510" => ErrorKind::Locked,
        "TD0506" => ErrorKind::ReadOnly,
        "TD0507" => ErrorKind::Cancelled,
        "TD0401" | "TD0407" | "TD0801" | "TD0802" => ErrorKind::Io,
        "TD0601" | "TD0602" | "TD0603" | "TD0606" | "TD0611" | "TD0613" | "TD0810" => {
            ErrorKind::Unavailable
        }
        "TD0605" | "TD0803" => ErrorKind::Corrupted,
        "TD0804" | "TD0809" | "TD0901" | "TD0902" | "TD0903" => ErrorKind::Unsupported,
        "TD0808" => ErrorKind::Poisoned,
        INTERNAL => ErrorKind::Internal,
        _ => ErrorKind::InvalidInput,
    }
}

/// Whether the same call may succeed later without anything being changed.
pub(super) fn is_retryable(code: &str) -> bool {
    matches!(code, "TD0503" | "TD0504" | "TD0508" | "TD0510")
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
            || Engine::Nearness { option: "metric", why: "it is alone" },
            || Engine::Storage(Storage::Poisoned),
            || Engine::NoSuchTable("t".into()),
            || Engine::NotFitted { model: "m".into() },
            || Engine::Diverged { epoch: 3 },
            || Engine::NoDevice { device: "gpu", why: "none" },
            || Engine::NotOnDevice { algorithm: "ease".into(), device: "gpu", known: vec![] },
            || Engine::DeviceFailed { device: "cuda:0".into(), what: "out of memory".into() },
            || Engine::EmptyTraining { algorithm: "ease", why: "nothing" },
            || Engine::FrozenOption { model: "m".into(), option: "o".into() },
            || Engine::NoSuchModel { name: "m".into(), known: vec![] },
            || Engine::AlreadyExists { what: "model", name: "m".into() },
        ];
        for make in engine {
            let above = tastedb_query::Error::from(make());
            assert_eq!(of_engine(&make()), above.code(), "{above}");
        }
    }
}
