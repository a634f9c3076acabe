//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side: a password is proved without being sent, and
//! without being known here.
//!
//! Channel binding is not offered. Invariant: an exchange for a name that is unknown goes on like one for
//! a name that is known, and fails at the end in the same way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::accounts::ScramVerifier;

/// The name of the mechanism.
pub(super) const NAME: &str = "SCRAM-SHA-256";

/// An exchange after the client's first message.
pub(super) struct Exchange {
    verifier: ScramVerifier,
    /// The client's first message without its header.
    client_first: String,
    /// The server's answer to it.
    pub(super) server_first: String,
    /// Both nonces.
    nonce: String,
    /// What the client said of channel binding, as it must say again.
    header: String,
}

impl Exchange {
    /// Answers the client's first message; `nonce` is the server's own. `None` where it is none.
    pub(super) fn begin(verifier: ScramVerifier, message: &[u8], nonce: &str) -> Option<Exchange> {
        let message = std::str::from_utf8(message).ok()?;
        // `n` and `y`: the client does not bind to the channel. An identity of its own is not taken.
        let mut parts = message.splitn(3, ',');
        let (binding, identity, first) = (parts.next()?, parts.next()?, parts.next()?);
        if !matches!(binding, "n" | "y") || !identity.is_empty() {
            return None;
        }
        let mut fields = first.split(',');
        fields.next()?.strip_prefix("n=")?;
        let theirs = fields.next()?.strip_prefix("r=")?;
        if theirs.is_empty() || !theirs.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let nonce = format!("{theirs}{nonce}");
        let server_first = format!("r={nonce},s={},i={}", verifier.salt, verifier.iterations);
        Some(Exchange {
            verifier,
            client_first: first.to_owned(),
            server_first,
            nonce,
            header: format!("{binding},,"),
        })
    }

    /// Checks the client's last message; what the server proves itself with, if the proof holds.
    pub(super) fn finish(&self, message: &[u8]) -> Option<String> {
        let message = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut fields = without_proof.split(',');
        let header = STANDARD.decode(fields.next()?.strip_prefix("c=")?).ok()?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        if header != self.header.as_bytes() || nonce != self.nonce {
            return None;
        }
        let proof = STANDARD.decode(proof).ok()?;
        let signed = format!("{},{},{without_proof}", self.client_first, self.server_first);
        let signature = self.verifier.signature(signed.as_bytes(), &proof)?;
        Some(format!("v={}", STANDARD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::Exchange;
    use crate::server::accounts::ScramVerifier;

    /// The exchange of RFC 7677, chapter 3.
    fn exchange() -> Exchange {
        let verifier = ScramVerifier {
            iterations: 4096,
            salt: "W22ZaJ0SNY7soEsUEjb6gQ==".to_owned(),
            stored_key: "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=".to_owned(),
            server_key: "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=".to_owned(),
        };
        let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        Exchange::begin(verifier, first, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0").expect("a first message")
    }

    #[test]
    fn the_example_of_the_rfc_holds() {
        let exchange = exchange();
        assert_eq!(
            exchange.server_first,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(
            exchange.finish(last).as_deref(),
            Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        );
    }

    #[test]
    fn another_proof_nonce_or_header_is_refused() {
        let exchange = exchange();
        for last in [
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=",
            "nonsense",
        ] {
            assert_eq!(exchange.finish(last.as_bytes()), None, "{last}");
        }
        let verifier = exchange.verifier.clone();
        assert!(
            Exchange::begin(verifier.clone(), b"p=tls-server-end-point,,n=,r=x", "y").is_none()
        );
        assert!(Exchange::begin(verifier, b"n,,n=,r=", "y").is_none());
    }
}
