//! A cluster whose spec was found good: all that is built from it can be built.

use super::labels::Labels;
use super::names::ClusterKey;
use dasklike_operator_api::{Idle, Journal, TlsMode};
use dasklike_scaling::Policy;
use k8s_openapi::api::core::v1::{LocalObjectReference, PodTemplateSpec, ResourceRequirements};
use std::num::NonZeroU32;

/// A spec that can be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedCluster {
    /// Namespace and name.
    pub key: ClusterKey,
    /// The object's uid, which its objects name as their owner.
    pub uid: String,
    /// The generation of the spec.
    pub generation: i64,
    /// The engine's image; never empty.
    pub image: String,
    /// Secrets for pulling it.
    pub pull_secrets: Vec<LocalObjectReference>,
    /// Labels of the cluster that its pods get.
    pub propagated: Labels,
    /// No pods are wanted.
    pub suspend: bool,
    /// What happens without work.
    pub idle: Option<Idle>,
    /// Who makes certificates.
    pub tls: TlsMode,
    /// The scheduler.
    pub scheduler: Part,
    /// Where it keeps named jobs.
    pub journal: Option<Journal>,
    /// The pools: `default` first, names differ.
    pub pools: Vec<Pool>,
}

/// What a kind of pod is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Of the engine's container.
    pub resources: ResourceRequirements,
    /// The user's template.
    pub template: PodTemplateSpec,
    /// Of all that its pods are made from: another hash, another pod.
    pub hash: String,
}

/// A pool of workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// The name.
    pub name: String,
    /// The spec's number of workers.
    pub replicas: u32,
    /// Threads of a worker; 0: its CPU limit.
    pub slots: u32,
    /// The threads that a worker is expected to have, until one has told.
    pub expected_slots: NonZeroU32,
    /// The bytes that a worker is expected to have; none where its container has no limit.
    pub expected_memory: Option<u64>,
    /// Bounds and rules for following the work.
    pub autoscaling: Option<Policy>,
    /// How many may be missing during a replacement.
    pub max_unavailable: MaxUnavailable,
    /// Seconds that a worker has to finish.
    pub drain_timeout_seconds: i64,
    /// What its pods are made from.
    pub part: Part,
}

/// How many workers may be missing during a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxUnavailable {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl MaxUnavailable {
    /// Of so many wanted workers: at least 1, or nothing could ever be replaced.
    pub fn of(self, wanted: u32) -> u32 {
        match self {
            MaxUnavailable::Count(count) => count.max(1),
            MaxUnavailable::Percent(percent) => {
                let share = u64::from(wanted) * u64::from(percent) / 100;
                u32::try_from(share).unwrap_or(u32::MAX).max(1)
            }
        }
    }
}

impl ValidatedCluster {
    /// The URL at which clients and workers find the scheduler.
    pub fn scheduler_url(&self) -> String {
        let scheme = match self.tls {
            TlsMode::Operator => "tls",
            TlsMode::Disabled => "tcp",
        };
        format!(
            "{scheme}://{}:{}",
            self.key.scheduler_host(),
            super::names::GRPC_PORT
        )
    }

    /// The pool of this name.
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::MaxUnavailable::{Count, Percent};

    #[test]
    fn something_may_always_be_missing() {
        for (rule, wanted, may_miss) in [
            (Percent(25), 100, 25),
            (Percent(25), 7, 1),
            (Percent(25), 8, 2),
            (Percent(25), 1, 1),
            (Percent(0), 100, 1),
            (Percent(100), 3, 3),
            (Count(0), 3, 1),
            (Count(5), 3, 5),
        ] {
            assert_eq!(rule.of(wanted), may_miss, "{rule:?} of {wanted}");
        }
    }
}
