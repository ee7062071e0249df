//! Pools: workers of one kind, and the jobs that run on them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a pool. A job runs on the workers of one pool. It is a DNS label, as names in Kubernetes are: at most
/// 63 small letters, digits and hyphens, neither first nor last a hyphen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolName(Arc<str>);

/// A pool cannot have the name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a pool: it takes 1 to 63 small letters, digits and hyphens, no hyphen first or last"
)]
pub struct PoolNameError(String);

impl PoolName {
    /// The pool of those who name none.
    pub const DEFAULT: &'static str = "default";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for PoolName {
    fn default() -> PoolName {
        PoolName(PoolName::DEFAULT.into())
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PoolName {
    type Err = PoolNameError;

    fn from_str(name: &str) -> Result<PoolName, PoolNameError> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let good = (1..=63).contains(&name.len())
            && name.bytes().all(plain)
            && !name.starts_with('-')
            && !name.ends_with('-');
        if good {
            Ok(PoolName(name.into()))
        } else {
            Err(PoolNameError(name.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        let long = "a".repeat(63);
        for good in ["default", "a", "0", "big-memory-2", &long] {
            assert_eq!(
                good.parse::<PoolName>().map(|p| p.to_string()),
                Ok(good.to_owned())
            );
        }
        let longer = "a".repeat(64);
        for bad in ["", "-a", "a-", "Big", "a.b", "a_b", "ä", "a b", &longer] {
            assert!(bad.parse::<PoolName>().is_err(), "{bad:?}");
        }
    }
}
