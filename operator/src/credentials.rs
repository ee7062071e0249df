//! The operator's certificate for one cluster, as rustls wants it. It is read once: for the connection it has to be there
//! anyway.

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt::{self, Display};
use std::sync::Arc;

/// A file is missing, or no PEM of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} of the cluster's Secret cannot be used: {why}")]
pub struct CredentialsError {
    file: &'static str,
    why: String,
}

/// The operator's part of a cluster's Secret, as PEM. It made them itself, so nobody has to be asked for them.
#[derive(Clone, Copy)]
pub struct Pem<'a> {
    /// `ca.crt`.
    pub ca: &'a [u8],
    /// `operator.crt`.
    pub certificate: &'a [u8],
    /// `operator.key`.
    pub key: &'a [u8],
}

/// What a cluster's scheduler is dialled with. Two are the same only if one is a copy of the other.
#[derive(Clone)]
pub struct Credentials {
    config: Result<Arc<ClientConfig>, CredentialsError>,
}

impl Credentials {
    /// Reads them. `provider` is one for all clusters.
    pub fn read(pem: Pem<'_>, provider: &Arc<CryptoProvider>) -> Credentials {
        Credentials {
            config: config(pem, provider).map(Arc::new),
        }
    }

    /// How to connect.
    ///
    /// # Errors
    /// What could not be read.
    pub fn config(&self) -> Result<Arc<ClientConfig>, CredentialsError> {
        self.config.clone()
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Credentials) -> bool {
        match (&self.config, &other.config) {
            (Ok(one), Ok(other)) => Arc::ptr_eq(one, other),
            (Err(one), Err(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Credentials {}

/// A key must not get into a log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

fn config(pem: Pem<'_>, provider: &Arc<CryptoProvider>) -> Result<ClientConfig, CredentialsError> {
    let mut roots = RootCertStore::empty();
    for ca in certificates("ca.crt", pem.ca)? {
        roots.add(ca).map_err(|e| unusable("ca.crt", &e))?;
    }
    let key = PrivateKeyDer::from_pem_slice(pem.key).map_err(|e| unusable("operator.key", &e))?;
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable("ca.crt", &e))?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates("operator.crt", pem.certificate)?, key)
        .map_err(|e| unusable("operator.crt", &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A table of sessions for each cluster would cost more memory than its connection, and be used once.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn certificates(
    file: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|e| unusable(file, &e))
}

fn unusable(file: &'static str, why: &dyn Display) -> CredentialsError {
    CredentialsError {
        file,
        why: why.to_string(),
    }
}
