//! TLS: certificates read from PEM files, and read again when the server is told to.
//!
//! This is the one door to `rustls`, whose primitives are ring's. A reload that fails keeps what was
//! there before.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::problem::Problem;

/// What TLS connections are accepted with.
#[derive(Debug)]
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    /// Replaced as a whole by a reload; connections that are there keep theirs.
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads a chain of certificates and its private key.
    pub(crate) fn open(certificate: &Path, key: &Path) -> Result<Tls, Problem> {
        let config = RwLock::new(read(certificate, key)?);
        Ok(Tls { certificate: certificate.to_path_buf(), key: key.to_path_buf(), config })
    }

    /// Reads the files again.
    pub(crate) fn reload(&self) -> Result<(), Problem> {
        let config = read(&self.certificate, &self.key)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// TLS over a socket whose thread waits for it; the handshake is part of the first read or write.
    pub(crate) fn blocking(
        &self,
        socket: TcpStream,
    ) -> std::io::Result<StreamOwned<ServerConnection, TcpStream>> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
        Ok(StreamOwned::new(connection, socket))
    }

    /// What the next connection is accepted with.
    pub(crate) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        tokio_rustls::TlsAcceptor::from(Arc::clone(&config))
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Problem> {
    let wrong = |path: &Path, why: String| Problem::config(format!("{}: {why}", path.display()));
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, format!("no certificates: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "holds no certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong(key, format!("no private key: {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::internal(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| wrong(certificate, format!("does not go with its key: {error}")))?;
    Ok(Arc::new(config))
}
