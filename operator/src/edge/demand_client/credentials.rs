//! The operator's certificate for one cluster, out of the cluster's Secret.

use crate::core::names::ClusterKey;
use crate::demand::EndpointTls;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialsError {
    /// The API server did not give the Secret.
    #[error("cannot read the secret {secret}: {source}")]
    Read {
        /// Its name.
        secret: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// A key is missing.
    #[error("the secret {secret} has no {key}")]
    Missing {
        /// Its name.
        secret: String,
        /// The key.
        key: &'static str,
    },
    /// A key is no PEM of the expected kind.
    #[error("{key} in the secret {secret} cannot be used: {why}")]
    Unusable {
        /// Its name.
        secret: String,
        /// The key.
        key: &'static str,
        /// Why.
        why: String,
    },
}

/// Reads certificates.
pub(super) struct Credentials {
    client: Client,
    provider: Arc<CryptoProvider>,
}

impl Credentials {
    pub(super) fn new(client: Client) -> Credentials {
        Credentials {
            client,
            // One for all connections.
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        }
    }

    /// What to dial this cluster's scheduler with.
    pub(super) async fn read(
        &self,
        cluster: &ClusterKey,
        tls: &EndpointTls,
    ) -> Result<ClientConfig, CredentialsError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &cluster.namespace);
        let secret = api
            .get(&tls.secret)
            .await
            .map_err(|source| CredentialsError::Read {
                secret: tls.secret.clone(),
                source: Box::new(source),
            })?;
        let files = Files {
            secret: &tls.secret,
            data: secret.data.unwrap_or_default(),
        };
        self.config(&files)
    }

    fn config(&self, files: &Files<'_>) -> Result<ClientConfig, CredentialsError> {
        let mut roots = RootCertStore::empty();
        for ca in files.certificates("ca.crt")? {
            roots.add(ca).map_err(|e| files.unusable("ca.crt", &e))?;
        }
        let key = PrivateKeyDer::from_pem_slice(files.get("operator.key")?)
            .map_err(|e| files.unusable("operator.key", &e))?;
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let mut config = builder
            .with_safe_default_protocol_versions()
            .map_err(|e| files.unusable("ca.crt", &e))?
            .with_root_certificates(roots)
            .with_client_auth_cert(files.certificates("operator.crt")?, key)
            .map_err(|e| files.unusable("operator.crt", &e))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A table of sessions for each cluster would cost more memory than its connection, and be used once.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

struct Files<'a> {
    secret: &'a str,
    data: BTreeMap<String, ByteString>,
}

impl Files<'_> {
    fn get(&self, key: &'static str) -> Result<&[u8], CredentialsError> {
        let found = self.data.get(key).map(|bytes| bytes.0.as_slice());
        found.ok_or_else(|| CredentialsError::Missing {
            secret: self.secret.to_owned(),
            key,
        })
    }

    fn certificates(
        &self,
        key: &'static str,
    ) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
        CertificateDer::pem_slice_iter(self.get(key)?)
            .collect::<Result<_, _>>()
            .map_err(|e| self.unusable(key, &e))
    }

    fn unusable(&self, key: &'static str, why: &dyn std::fmt::Display) -> CredentialsError {
        CredentialsError::Unusable {
            secret: self.secret.to_owned(),
            key,
            why: why.to_string(),
        }
    }
}
