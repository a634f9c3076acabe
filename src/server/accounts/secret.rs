//! Keys and passwords: made, turned into what may be stored, compared.
//!
//! An API key is 256 random bits, so its SHA-256 is stored as it is. A password is stored as a SCRAM
//! verifier (RFC 5802, RFC 7677): it proves a password without the server, or whoever steals the file,
//! being able to log in with it. This is the one door to `ring`'s primitives.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use serde::{Deserialize, Serialize};

use crate::server::problem::Problem;

/// Rounds of PBKDF2, as PostgreSQL's default is.
const ROUNDS: u32 = 4096;
/// Bytes of a SHA-256.
const LENGTH: usize = digest::SHA256_OUTPUT_LEN;

/// What proves a password: SCRAM-SHA-256's salt, rounds and keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScramVerifier {
    /// Rounds of PBKDF2.
    pub(crate) iterations: u32,
    /// Random bytes, in base64.
    pub(crate) salt: String,
    /// SHA-256 of the client key, in base64.
    pub(crate) stored_key: String,
    /// The server key, in base64.
    pub(crate) server_key: String,
}

impl ScramVerifier {
    /// The verifier of a password, with a new salt.
    pub(crate) fn of(password: &str) -> Result<ScramVerifier, Problem> {
        let mut salt = [0; 16];
        fill(&mut salt)?;
        Ok(ScramVerifier::with(password.as_bytes(), &salt, ROUNDS))
    }

    /// A verifier that no password fulfils, for a name that has none.
    pub(super) fn decoy(name: &str, secret: &[u8]) -> ScramVerifier {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let made = |what: &str| hmac::sign(&key, format!("{what} {name}").as_bytes());
        ScramVerifier {
            iterations: ROUNDS,
            salt: STANDARD.encode(&made("salt").as_ref()[..16]),
            stored_key: STANDARD.encode(made("stored")),
            server_key: STANDARD.encode(made("server")),
        }
    }

    /// Whether this is the verifier's password.
    pub(crate) fn proves(&self, password: &str) -> bool {
        let Ok(salt) = STANDARD.decode(&self.salt) else { return false };
        let other = ScramVerifier::with(password.as_bytes(), &salt, self.iterations);
        equal(self.stored_key.as_bytes(), other.stored_key.as_bytes())
    }

    /// What the server proves itself with, if a client's proof over a message holds.
    pub(crate) fn signature(&self, message: &[u8], proof: &[u8]) -> Option<Vec<u8>> {
        let (stored, server) =
            (STANDARD.decode(&self.stored_key).ok()?, STANDARD.decode(&self.server_key).ok()?);
        let sign = |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
        let signature = sign(&stored);
        let signature = signature.as_ref();
        if proof.len() != signature.len() {
            return None;
        }
        let client: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let proved = equal(digest::digest(&digest::SHA256, &client).as_ref(), &stored);
        proved.then(|| sign(&server).as_ref().to_vec())
    }

    fn with(password: &[u8], salt: &[u8], iterations: u32) -> ScramVerifier {
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        let mut salted = [0; LENGTH];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, password, &mut salted);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        let server_key = hmac::sign(&key, b"Server Key");
        ScramVerifier {
            iterations,
            salt: STANDARD.encode(salt),
            stored_key: STANDARD.encode(digest::digest(&digest::SHA256, client_key.as_ref())),
            server_key: STANDARD.encode(server_key),
        }
    }
}

/// A new API key: `tdb_` and 256 random bits.
pub(super) fn random_key() -> Result<String, Problem> {
    let mut bytes = [0; 32];
    fill(&mut bytes)?;
    Ok(format!("tdb_{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// A new password of 144 random bits.
pub(crate) fn random_password() -> Result<String, Problem> {
    let mut bytes = [0; 18];
    fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A random number.
pub(crate) fn random_number() -> Result<i32, Problem> {
    let mut bytes = [0; 4];
    fill(&mut bytes)?;
    Ok(i32::from_le_bytes(bytes))
}

pub(super) fn random_bytes() -> Result<Vec<u8>, Problem> {
    let mut bytes = vec![0; LENGTH];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// The SHA-256 of a text, in hexadecimal.
pub(super) fn digest(text: &str) -> String {
    use std::fmt::Write;

    let mut out = String::with_capacity(2 * LENGTH);
    for byte in digest::digest(&digest::SHA256, text.as_bytes()).as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Whether two digests are the same, in a time that does not tell where they differ.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y)) == 0
}

fn fill(bytes: &mut [u8]) -> Result<(), Problem> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| Problem::internal("the system gives no random numbers"))
}

#[cfg(test)]
mod tests {
    use super::ScramVerifier;

    #[test]
    fn a_verifier_is_that_of_rfc_7677() {
        // The RFC's example gives salt, rounds and password, and the server's signature, which
        // follows from the server key; PostgreSQL stores the same two keys.
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        use ring::hmac;

        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let verifier = ScramVerifier::with(b"pencil", &salt, 4096);
        let key = STANDARD.decode(&verifier.server_key).expect("base64");
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), message.as_bytes());
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(verifier.proves("pencil") && !verifier.proves("Pencil"));
    }
}
