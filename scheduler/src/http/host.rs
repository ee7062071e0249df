//! Which `Host` headers are answered.
//!
//! A page elsewhere can make a browser ask a server on this machine by pointing its own name at 127.0.0.1 (DNS
//! rebinding), and would then read the answer. Such a request carries that page's name in `Host`, so a name that
//! is not known to be ours is refused. An address cannot be pointed elsewhere: literal addresses are all answered.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The names under which this server may be asked for, beside `localhost` and literal addresses.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// Adds names, such as that of a Kubernetes service or of a proxy before this server.
    pub fn new(names: impl IntoIterator<Item = String>) -> Hosts {
        Hosts {
            names: names.into_iter().map(|n| n.to_ascii_lowercase()).collect(),
        }
    }

    /// Whether a request with this `Host` header (a name or address, and maybe a port) is answered.
    pub fn allow(&self, header: &str) -> bool {
        let Some(host) = without_port(header) else {
            return false;
        };
        if let Some(inner) = host.strip_prefix('[') {
            return inner
                .strip_suffix(']')
                .is_some_and(|a| a.parse::<Ipv6Addr>().is_ok());
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        host.parse::<Ipv4Addr>().is_ok()
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.names.contains(&host)
    }
}

/// The header without its port; `None` if what follows the host is no port.
fn without_port(header: &str) -> Option<&str> {
    let end = header.find(']').map_or(0, |i| i + 1);
    let Some(colon) = header[end..].find(':') else {
        return Some(header);
    };
    let (host, port) = header.split_at(end + colon);
    port[1..]
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered() {
        let hosts = Hosts::new(["Dash.Example.org".to_owned()]);
        let ours = [
            "localhost",
            "LOCALHOST:8787",
            "127.0.0.1:8787",
            "[::1]:8787",
            "[::1]",
            "10.1.2.3",
            "dash.example.org",
            "dash.example.org.:80",
            "a.localhost:1",
        ];
        for host in ours {
            assert!(hosts.allow(host), "{host}");
        }
        let others = [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "evil.com:8787",
            "[::1",
            "[evil]",
            "localhost:x",
            "xlocalhost",
            "::1",
        ];
        for host in others {
            assert!(!hosts.allow(host), "{host}");
        }
    }
}
