//! Addresses of schedulers as people write them.

use super::ConnectError;
use std::str::FromStr;
use tonic::codegen::http::uri::Authority;

/// The port of a scheduler's gRPC, if none is said.
pub const DEFAULT_PORT: u16 = 8786;

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// As they are.
    Plain,
    /// With mutual TLS.
    Tls,
}

/// A scheduler's address: `tcp://host:port` or `tls://host:port`; scheme and port may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// A name or an address; IPv6 stands in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// The host as the system's resolver takes it: IPv6 without brackets.
    pub fn bare_host(&self) -> &str {
        let inner = self
            .host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'));
        inner.unwrap_or(&self.host)
    }
}

impl FromStr for Address {
    type Err = ConnectError;

    fn from_str(url: &str) -> Result<Address, ConnectError> {
        let bad = || ConnectError::Address(url.to_owned());
        let (scheme, host) = match url.split_once("://") {
            None => (Scheme::Plain, url),
            Some(("tcp" | "http" | "grpc", host)) => (Scheme::Plain, host),
            Some(("tls", host)) => (Scheme::Tls, host),
            Some(_) => return Err(bad()),
        };
        let host = host.trim_end_matches('/');
        let authority: Authority = host.parse().map_err(|_| bad())?;
        let port = match host.strip_prefix(authority.host()) {
            Some("") => DEFAULT_PORT,
            Some(port) => port
                .strip_prefix(':')
                .and_then(|p| p.parse::<u16>().ok())
                .ok_or_else(bad)?,
            None => return Err(bad()),
        };
        if authority.host().is_empty() {
            return Err(bad());
        }
        Ok(Address {
            scheme,
            host: authority.host().to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (good, scheme, host, port) in [
            ("tcp://127.0.0.1:8786", Scheme::Plain, "127.0.0.1", 8786),
            ("http://host:1", Scheme::Plain, "host", 1),
            ("host", Scheme::Plain, "host", 8786),
            ("tcp://[::1]:99", Scheme::Plain, "::1", 99),
            ("grpc://a.b.c/", Scheme::Plain, "a.b.c", 8786),
            (
                "tls://demo-scheduler.ns.svc",
                Scheme::Tls,
                "demo-scheduler.ns.svc",
                8786,
            ),
            ("tls://[fd00::1]:7", Scheme::Tls, "fd00::1", 7),
        ] {
            let address: Address = good.parse().unwrap();
            assert_eq!(
                (address.scheme, address.bare_host(), address.port),
                (scheme, host, port),
                "{good}"
            );
        }
        for bad in [
            "",
            "tcp://",
            "tls://",
            "ftp://host",
            "host:",
            "host:99999",
            "a b",
        ] {
            assert!(
                matches!(bad.parse::<Address>(), Err(ConnectError::Address(_))),
                "{bad}"
            );
        }
    }
}
