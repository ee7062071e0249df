//! Who holds a certificate: what its subject's common name begins with, as in `worker.demo.lab`.

use rustls::pki_types::CertificateDer;
use std::fmt;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What the holder of a client's certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Computes: `worker.`
    Worker,
    /// Submits jobs, and drains workers: `client.`
    Client,
    /// Watches the demand, and drains workers: `operator.`
    Operator,
}

/// Who is at the other end of a connection with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The common name in its certificate; empty if there is none.
    pub name: String,
    /// What the name says; none if it says nothing of the kind.
    pub role: Option<Role>,
}

impl Peer {
    /// The holder of the first of these certificates, which were verified.
    pub(super) fn of(chain: Option<&[CertificateDer<'_>]>) -> Peer {
        let name = chain.and_then(<[_]>::first).and_then(common_name);
        let name = name.unwrap_or_default();
        Peer {
            role: role(&name),
            name,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => f.write_str("a certificate without a common name"),
            name => write!(f, "the certificate of {name}"),
        }
    }
}

fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}

fn role(name: &str) -> Option<Role> {
    match name.split_once('.')?.0 {
        "worker" => Some(Role::Worker),
        "client" => Some(Role::Client),
        "operator" => Some(Role::Operator),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_the_first_part_of_a_name() {
        let cases = [
            ("worker.demo.lab", Some(Role::Worker)),
            ("client.demo.lab", Some(Role::Client)),
            ("operator.demo.lab", Some(Role::Operator)),
            ("scheduler.demo.lab", None),
            ("worker", None),
            ("Worker.demo.lab", None),
            ("workers.demo.lab", None),
            ("demo.worker", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(role(name), expected, "{name}");
        }
        assert_eq!(Peer::of(None).role, None);
        let nonsense = [CertificateDer::from(vec![1, 2, 3])];
        assert_eq!(Peer::of(Some(&nonsense)).role, None);
    }
}
