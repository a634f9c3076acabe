//! Salted hashes: what a ticket knows its subjects by, and what chains receipts.
//!
//! SHA-256, with the identity of the database as salt, so that equal ids in two databases are not
//! seen to be equal. Whoever has the database can still try ids one by one: a hash keeps an id from
//! being read, not from being confirmed.

use sha2::{Digest, Sha256};
use tastedb_storage::{DatabaseId, EntityId, TableId};

/// The length of a subject's hash, in bytes.
pub(super) const SHORT: usize = 16;

/// A hash of 32 bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash of several parts, each with its length, so that no two lists of parts are the same.
pub(super) fn of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// What the rows of one table are known by.
#[derive(Clone, Copy)]
pub(super) struct Salted {
    salt: DatabaseId,
    table: TableId,
}

impl Salted {
    pub(super) fn new(salt: DatabaseId, table: TableId) -> Salted {
        Salted { salt, table }
    }

    /// Of the application's key.
    pub(super) fn key(&self, key: &str) -> [u8; SHORT] {
        self.hash(b"key", key.as_bytes())
    }

    /// Of the row's own number.
    pub(super) fn id(&self, id: EntityId) -> [u8; SHORT] {
        self.hash(b"id", &id.to_le_bytes())
    }

    /// Of the number of a ticket.
    pub(super) fn set(&self, ticket: u64) -> [u8; SHORT] {
        self.hash(b"set", &ticket.to_le_bytes())
    }

    fn hash(&self, kind: &[u8], bytes: &[u8]) -> [u8; SHORT] {
        let whole = of(&[&self.salt.0, kind, &self.table.0.to_le_bytes(), bytes]);
        let mut short = [0; SHORT];
        short.copy_from_slice(&whole[..SHORT]);
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha_256_of_lengths_and_parts() {
        // Of eight zero bytes and nothing, which is the length of one empty part.
        let known = "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc";
        assert_eq!(hex(&of(&[b""])), known);
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
    }

    #[test]
    fn another_database_table_or_kind_gives_another_hash() {
        let salted = |salt, table| Salted::new(DatabaseId([salt; 16]), TableId(table));
        let one = salted(1, 1).key("u42");
        assert_eq!(one, salted(1, 1).key("u42"));
        assert_ne!(one, salted(2, 1).key("u42"));
        assert_ne!(one, salted(1, 2).key("u42"));
        assert_ne!(salted(1, 1).id(1), salted(1, 1).key("\u{1}\0\0\0\0\0\0\0"));
    }
}
