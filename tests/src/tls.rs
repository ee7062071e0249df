//! Certificates for tests: an authority, what it issues, and a folder that holds them as Kubernetes mounts a Secret.

use dasklike::ClientTls;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// What every client verifies, whatever address it dials.
pub const NAME: &str = "demo-scheduler.ns.svc";

/// An authority, as the operator keeps one for each cluster.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, for those who are to trust it.
    pub pem: String,
}

/// What a leaf certificate is for.
#[derive(Clone, Copy)]
pub struct Leaf {
    /// What its holder is, which its common name begins with.
    pub role: &'static str,
    /// The names of its holder.
    pub names: &'static [&'static str],
    /// Which end of a connection its holder is.
    pub usage: ExtendedKeyUsage,
    /// Whether its time is over.
    pub expired: bool,
}

/// The ends of a connection.
#[derive(Clone, Copy)]
pub enum ExtendedKeyUsage {
    /// Who listens.
    Server,
    /// Who dials.
    Client,
}

/// A scheduler's.
pub const SERVER: Leaf = Leaf {
    role: "scheduler",
    names: &["demo-scheduler", NAME, "localhost"],
    usage: ExtendedKeyUsage::Server,
    expired: false,
};
/// A client's.
pub const CLIENT: Leaf = Leaf {
    role: "client",
    names: &[],
    usage: ExtendedKeyUsage::Client,
    expired: false,
};
/// A worker's.
pub const WORKER: Leaf = Leaf {
    role: "worker",
    ..CLIENT
};
/// An operator's.
pub const OPERATOR: Leaf = Leaf {
    role: "operator",
    ..CLIENT
};

impl Authority {
    /// All have the same subject, as those of one cluster's name do.
    pub fn generate() -> Authority {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "demo.ns");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate and its key.
    pub fn issue(&self, leaf: Leaf) -> (String, String) {
        let names: Vec<String> = leaf.names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        let name = format!("{}.demo.ns", leaf.role);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![match leaf.usage {
            ExtendedKeyUsage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        if leaf.expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A folder as Kubernetes mounts a Secret: links to files in another folder, all of which change at once.
pub struct Mounted {
    folder: TempDir,
    versions: AtomicU64,
}

impl Mounted {
    /// A folder with the authority's certificate and a leaf with its key.
    pub fn new(ca: &str, leaf: &(String, String)) -> Mounted {
        let mounted = Mounted {
            folder: tempfile::tempdir().unwrap(),
            versions: AtomicU64::new(0),
        };
        mounted.replace(ca, leaf);
        for name in ["ca.crt", "tls.crt", "tls.key"] {
            let link = mounted.path().join(name);
            std::os::unix::fs::symlink(Path::new("..data").join(name), link).unwrap();
        }
        mounted
    }

    /// Changes all files in one moment.
    pub fn replace(&self, ca: &str, leaf: &(String, String)) {
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        let name = format!("..version_{version}");
        let inner = self.path().join(&name);
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("ca.crt"), ca).unwrap();
        std::fs::write(inner.join("tls.crt"), &leaf.0).unwrap();
        std::fs::write(inner.join("tls.key"), &leaf.1).unwrap();
        let fresh = self.path().join("..data_tmp");
        std::os::unix::fs::symlink(&name, &fresh).unwrap();
        std::fs::rename(&fresh, self.path().join("..data")).unwrap();
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A client that shows what is in the folder.
    pub fn as_client(&self) -> ClientTls {
        ClientTls {
            server_name: Some(NAME.into()),
            ..ClientTls::folder(self.path())
        }
    }
}
