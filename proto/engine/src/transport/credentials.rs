//! What a program shows and what it trusts in mutual TLS: a certificate, its key, and authorities.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, RootCertStore};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The authorities to trust: more than one while they are being replaced.
const CA: &str = "ca.crt";
/// The certificate to show, and those between it and its authority.
const CERTIFICATE: &str = "tls.crt";
/// Its key.
const KEY: &str = "tls.key";

/// Why credentials cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {file} for TLS: {why}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// A file, or part of a context, is not what it should be.
    #[error("{file} is not usable for TLS: {why}")]
    Content {
        /// The file, or the part.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The name that the certificate of the other side must carry is none.
    #[error(
        "{0:?} is not a name that a certificate can carry: give --tls-server-name a DNS name or an address"
    )]
    ServerName(String),
}

/// What a client needs for TLS.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// What it shows and trusts.
    pub credentials: Credentials,
    /// The name that the scheduler's certificate must carry; `None`: the host of the address.
    pub server_name: Option<String>,
}

impl ClientTls {
    /// The credentials in a folder, for a scheduler whose certificate carries the host of its address.
    pub fn folder(folder: impl Into<PathBuf>) -> ClientTls {
        ClientTls {
            credentials: Credentials::Folder(folder.into()),
            server_name: None,
        }
    }
}

/// Where a certificate, its key and the authorities come from.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// `ca.crt`, `tls.crt` and `tls.key` in a folder, read whenever they are used.
    Folder(PathBuf),
    /// Texts, as a context holds them.
    Pem(Arc<Pem>),
}

/// Credentials as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// The authorities to trust.
    pub ca: String,
    /// The certificate to show, and those between it and its authority.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// A key must not get into a log.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem").finish_non_exhaustive()
    }
}

/// Credentials, read.
pub(super) struct Material {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Credentials {
    /// Reads them. Blocks on files.
    pub(super) fn load(&self) -> Result<Material, TlsError> {
        match self {
            Credentials::Folder(folder) => {
                let read = |name: &str| -> Result<(String, Vec<u8>), TlsError> {
                    let file = folder.join(name);
                    let text = std::fs::read(&file).map_err(|e| unreadable(&file, &e))?;
                    Ok((file.display().to_string(), text))
                };
                material(read(CA)?, read(CERTIFICATE)?, read(KEY)?)
            }
            Credentials::Pem(pem) => {
                let part = |name: &str, text: &str| {
                    (format!("the context's {name}"), text.as_bytes().to_vec())
                };
                material(
                    part(CA, &pem.ca),
                    part(CERTIFICATE, &pem.certificate),
                    part(KEY, &pem.key),
                )
            }
        }
    }

    /// Their names, for errors about how the parts fit together.
    pub(super) fn certificate_name(&self) -> String {
        match self {
            Credentials::Folder(folder) => folder.join(CERTIFICATE).display().to_string(),
            Credentials::Pem(_) => format!("the context's {CERTIFICATE}"),
        }
    }
}

/// Changes whenever the files of a folder do. Kubernetes replaces all of them at once by the link `..data`; elsewhere
/// they are looked at one by one. Blocks on the file system, and reads nothing.
pub(super) fn stamp(folder: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let look = |name: &str| {
        let found = std::fs::symlink_metadata(folder.join(name)).ok()?;
        Some((found.ino(), found.mtime(), found.mtime_nsec(), found.len()))
    };
    match look("..data") {
        Some(link) => Stamp([Some(link), None, None]),
        None => Stamp([CA, CERTIFICATE, KEY].map(look)),
    }
}

/// See [`stamp`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp([Option<(u64, i64, i64, u64)>; 3]);

/// Ring, with the fastest cipher of TLS 1.3 first: both ends are ours, and the payload is in bulk.
pub(super) fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|s| s.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

fn material(
    ca: (String, Vec<u8>),
    certificate: (String, Vec<u8>),
    key: (String, Vec<u8>),
) -> Result<Material, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(&ca)? {
        roots.add(authority).map_err(|e| unusable(&ca.0, e))?;
    }
    let chain = certificates(&certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&key.1).map_err(|e| unusable(&key.0, e))?;
    Ok(Material {
        roots: Arc::new(roots),
        chain,
        key,
    })
}

fn certificates(
    (file, text): &(String, Vec<u8>),
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = all.map_err(|e| unusable(file, e))?;
    if all.is_empty() {
        return Err(unusable(file, "it holds no certificate"));
    }
    Ok(all)
}

fn unreadable(file: &Path, error: &io::Error) -> TlsError {
    TlsError::Read {
        file: file.display().to_string(),
        why: error.to_string(),
    }
}

pub(super) fn unusable(file: &str, why: impl fmt::Display) -> TlsError {
    TlsError::Content {
        file: file.to_owned(),
        why: why.to_string(),
    }
}
