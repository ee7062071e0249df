//! Certificates as files: read from a Secret, and made as the plan of `core::certificates` says.

mod issue;
mod read;

pub use issue::carry_out;
pub use read::read;

use crate::core::certificates::Role;
use crate::core::names::ClusterKey;
use std::collections::{BTreeMap, BTreeSet};

/// What the Secret holds, by the file's name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The bundle of CAs that every part trusts; the first one signs.
const CA_CERTIFICATES: &str = "ca.crt";
/// The key of the CA that signs.
const CA_KEY: &str = "ca.key";
/// The key of the CA that will sign, while there is one.
const NEXT_CA_KEY: &str = "ca-next.key";

fn certificate_file(role: Role) -> String {
    format!("{}.crt", role.name())
}

fn key_file(role: Role) -> String {
    format!("{}.key", role.name())
}

/// The names that each role's certificate carries: its own, and for the scheduler those that clients may verify.
pub fn names(key: &ClusterKey) -> BTreeMap<Role, BTreeSet<String>> {
    Role::ALL
        .into_iter()
        .map(|role| {
            let mut names = BTreeSet::from([common_name(key, role)]);
            if role == Role::Scheduler {
                names.extend(server_names(key));
            }
            (role, names)
        })
        .collect()
}

fn common_name(key: &ClusterKey, role: Role) -> String {
    format!("{}.{}.{}", role.name(), key.name, key.namespace)
}

fn server_names(key: &ClusterKey) -> Vec<String> {
    vec![
        key.scheduler(),
        format!("{}.{}", key.scheduler(), key.namespace),
        key.scheduler_host(),
        "localhost".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::certificates::{BACKDATE, CA_LIFE, PROPAGATION, Step, plan};
    use jiff::{SignedDuration, Timestamp};

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn key() -> ClusterKey {
        ClusterKey::new("ns", "demo")
    }

    fn start() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    /// One look at the Secret: what was done.
    fn look(files: &mut Files, now: Timestamp) -> Vec<Step> {
        let plan = plan(&read(files), &names(&key()), now);
        assert!(plan.recheck_at > now);
        *files = carry_out(files, &plan.steps, &key(), now).unwrap();
        let again = crate::core::certificates::plan(&read(files), &names(&key()), now);
        assert_eq!(again.steps, [], "what was made is as it should be");
        plan.steps
    }

    #[test]
    fn the_first_time_all_is_made() {
        let mut files = Files::new();
        assert_eq!(look(&mut files, start()).len(), 5);
        let mut expected: Vec<String> = ["scheduler", "worker", "client", "operator", "ca"]
            .iter()
            .flat_map(|name| [format!("{name}.crt"), format!("{name}.key")])
            .collect();
        expected.sort();
        assert_eq!(files.keys().cloned().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn certificates_are_good_for_tls() {
        let mut files = Files::new();
        let now = Timestamp::now();
        look(&mut files, now);
        assert!(handshake(&files, &files).is_ok());
        let mut other = Files::new();
        look(&mut other, now);
        assert!(
            handshake(&files, &other).is_err(),
            "another cluster's client"
        );
        assert!(
            handshake(&other, &files).is_err(),
            "another cluster's server"
        );
    }

    /// Two years, looked at every day and an hour after: at any time, who has read the files up to an hour ago
    /// and who has read them now trust each other.
    #[test]
    fn a_rotation_breaks_nobody() {
        let mut files = Files::new();
        look(&mut files, start());
        let (mut staged, mut promoted, mut dropped) = (0, 0, 0);
        let mut day = start();
        for _ in 0..730 {
            for now in [day, day + PROPAGATION + SignedDuration::from_mins(1)] {
                let before = files.clone();
                let steps = look(&mut files, now);
                staged += usize::from(steps.contains(&Step::StageCa));
                promoted += usize::from(steps.contains(&Step::PromoteCa));
                dropped += usize::from(steps.contains(&Step::DropCas));
                assert!(!steps.contains(&Step::Begin));
                if !steps.is_empty() {
                    for (a, b) in [(&before, &files), (&files, &before), (&files, &files)] {
                        trusts(a, b, now);
                    }
                }
            }
            day += DAY;
        }
        assert_eq!((staged, promoted), (2, 2));
        assert!(dropped >= 1);
        assert!(CA_LIFE > BACKDATE);
    }

    /// Every certificate of `shown` is signed by a CA in the bundle of `reader`, and both are valid.
    fn trusts(reader: &Files, shown: &Files, now: Timestamp) {
        use x509_parser::pem::Pem;
        let bundle: Vec<Pem> = Pem::iter_from_buffer(&reader["ca.crt"])
            .map(Result::unwrap)
            .collect();
        for role in Role::ALL {
            let pem = x509_parser::pem::parse_x509_pem(&shown[&certificate_file(role)])
                .unwrap()
                .1;
            let leaf = pem.parse_x509().unwrap();
            let at = x509_parser::time::ASN1Time::from_timestamp(now.as_second()).unwrap();
            assert!(leaf.validity().is_valid_at(at));
            let trusted = bundle.iter().any(|ca| {
                let ca = ca.parse_x509().unwrap();
                ca.validity().is_valid_at(at)
                    && leaf.verify_signature(Some(ca.public_key())).is_ok()
            });
            assert!(trusted, "{role:?} at {now}");
        }
    }

    /// A TLS handshake in memory: the scheduler of `server` and the client of `client`.
    fn handshake(server: &Files, client: &Files) -> Result<(), rustls::Error> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
        use std::sync::Arc;
        let chain = |files: &Files, role: &str| {
            CertificateDer::pem_slice_iter(&files[&format!("{role}.crt")])
                .collect::<Result<Vec<_>, _>>()
                .unwrap()
        };
        let private = |files: &Files, role: &str| {
            PrivateKeyDer::from_pem_slice(&files[&format!("{role}.key")]).unwrap()
        };
        let roots = |files: &Files| {
            let mut store = rustls::RootCertStore::empty();
            for ca in chain(files, "ca") {
                store.add(ca).unwrap();
            }
            Arc::new(store)
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            roots(server),
            provider.clone(),
        )
        .build()
        .unwrap();
        let server_config = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain(server, "scheduler"), private(server, "scheduler"))
            .unwrap();
        let client_config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots(client))
            .with_client_auth_cert(chain(client, "client"), private(client, "client"))
            .unwrap();
        let name = ServerName::try_from("demo-scheduler.ns.svc").unwrap();
        let mut server = rustls::ServerConnection::new(Arc::new(server_config)).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(client_config), name).unwrap();
        while server.is_handshaking() || client.is_handshaking() {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            let mut input = bytes.as_slice();
            while !input.is_empty() {
                server.read_tls(&mut input).unwrap();
                server.process_new_packets()?;
            }
            let mut bytes = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            let mut input = bytes.as_slice();
            while !input.is_empty() {
                client.read_tls(&mut input).unwrap();
                client.process_new_packets()?;
            }
        }
        Ok(())
    }
}
