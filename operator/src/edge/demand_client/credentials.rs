//! The operator's certificate for one cluster, as rustls wants it.

use crate::demand::EndpointFiles;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt::Display;
use std::sync::Arc;

/// A file is missing, or no PEM of the expected kind.
#[derive(Debug, thiserror::Error)]
#[error("{file} of the cluster's Secret cannot be used: {why}")]
pub(super) struct CredentialsError {
    file: &'static str,
    why: String,
}

/// What to dial a cluster's scheduler with.
pub(super) fn config(
    provider: &Arc<CryptoProvider>,
    files: &EndpointFiles,
) -> Result<ClientConfig, CredentialsError> {
    let mut roots = RootCertStore::empty();
    for ca in certificates("ca.crt", &files.ca)? {
        roots.add(ca).map_err(|e| unusable("ca.crt", &e))?;
    }
    let key =
        PrivateKeyDer::from_pem_slice(&files.key).map_err(|e| unusable("operator.key", &e))?;
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable("ca.crt", &e))?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates("operator.crt", &files.certificate)?, key)
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
