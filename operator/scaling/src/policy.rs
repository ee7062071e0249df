//! What a pool's owner allows: bounds, and how fast the number of workers may move between them.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// Bounds and rules that have been checked. As JSON it is the `autoscaling` of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PolicyFields", into = "PolicyFields")]
pub struct Policy(PolicyFields);

/// A policy as it is written down. Only [`Policy::new`] tells whether it makes sense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyFields {
    /// The fewest workers.
    #[serde(default)]
    pub min_replicas: u32,
    /// The most workers.
    pub max_replicas: u32,
    /// Seconds in which the work that waits should be done.
    #[serde(default = "target_seconds")]
    pub target_seconds: u32,
    /// How fast workers are added.
    #[serde(default)]
    pub scale_up: ScaleUp,
    /// How fast workers are taken away.
    #[serde(default)]
    pub scale_down: ScaleDown,
    /// True: what would be done is told, and not done. The decision is the same.
    #[serde(default)]
    pub dry_run: bool,
}

/// How fast workers are added. With both bounds the larger one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScaleUp {
    /// The most workers added in a period. 0: no bound.
    pub max_pods: u32,
    /// The most workers added in a period, in percent of those at its start. 0: no bound.
    pub max_percent: u32,
    /// The length of a period in seconds.
    pub period_seconds: u32,
}

/// How fast workers are taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScaleDown {
    /// Workers that were needed this many seconds ago are kept. Where pods start so fast that a new one is cheaper
    /// than one that waits, only the last worker is kept for so long.
    pub stabilization_window_seconds: u32,
    /// The most workers taken away at once, in percent of those there are. Those that had nothing to do for the whole
    /// window do not count.
    pub max_percent: u32,
}

impl Default for ScaleUp {
    fn default() -> ScaleUp {
        ScaleUp {
            max_pods: 0,
            max_percent: 0,
            period_seconds: 15,
        }
    }
}

impl Default for ScaleDown {
    fn default() -> ScaleDown {
        ScaleDown {
            // Where pods start fast it hardly matters; where they take 40 s, 60 costs up to a third more.
            stabilization_window_seconds: 120,
            max_percent: 25,
        }
    }
}

/// Users wait for jobs, and a pod that is there a little sooner costs little more: in the comparison of
/// `examples/compare`, 5 costs less than 30 whether waiting is cheap or dear.
fn target_seconds() -> u32 {
    5
}

/// Why a policy makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The bounds are the wrong way round.
    #[error("minReplicas {min} is above maxReplicas {max}")]
    Bounds {
        /// The fewest workers.
        min: u32,
        /// The most workers.
        max: u32,
    },
    /// A field is outside what is possible.
    #[error("{field} is {value}; it must be in {from}..={to}")]
    Range {
        /// The field's name.
        field: &'static str,
        /// What it is.
        value: u32,
        /// The least it may be.
        from: u32,
        /// The most it may be.
        to: u32,
    },
}

impl Policy {
    /// The most workers that any policy allows.
    pub const MOST: u32 = 10_000;

    /// A policy, if it makes sense.
    pub fn new(fields: PolicyFields) -> Result<Policy, PolicyError> {
        let (up, down) = (&fields.scale_up, &fields.scale_down);
        for (field, value, from, to) in [
            ("minReplicas", fields.min_replicas, 0, Policy::MOST),
            ("maxReplicas", fields.max_replicas, 0, Policy::MOST),
            ("targetSeconds", fields.target_seconds, 1, 86_400),
            ("scaleUp.maxPods", up.max_pods, 0, Policy::MOST),
            ("scaleUp.maxPercent", up.max_percent, 0, 100_000),
            ("scaleUp.periodSeconds", up.period_seconds, 1, 1800),
            (
                "scaleDown.stabilizationWindowSeconds",
                down.stabilization_window_seconds,
                0,
                3600,
            ),
            ("scaleDown.maxPercent", down.max_percent, 1, 100),
        ] {
            if !(from..=to).contains(&value) {
                return Err(PolicyError::Range {
                    field,
                    value,
                    from,
                    to,
                });
            }
        }
        if fields.min_replicas > fields.max_replicas {
            return Err(PolicyError::Bounds {
                min: fields.min_replicas,
                max: fields.max_replicas,
            });
        }
        Ok(Policy(fields))
    }

    /// All defaults, with at most this many workers (and never more than [`Policy::MOST`]).
    pub fn up_to(max: u32) -> Policy {
        Policy(PolicyFields {
            min_replicas: 0,
            max_replicas: max.min(Policy::MOST),
            target_seconds: target_seconds(),
            scale_up: ScaleUp::default(),
            scale_down: ScaleDown::default(),
            dry_run: false,
        })
    }

    /// As it is written down.
    pub fn fields(&self) -> &PolicyFields {
        &self.0
    }

    /// The fewest workers.
    pub fn min(&self) -> u32 {
        self.0.min_replicas
    }

    /// The most workers.
    pub fn max(&self) -> u32 {
        self.0.max_replicas
    }

    /// The number itself where it is allowed, else the nearest that is.
    pub fn clamp(&self, workers: u32) -> u32 {
        workers.clamp(self.min(), self.max())
    }

    /// In what time the work that waits should be done.
    pub fn target(&self) -> SignedDuration {
        seconds(self.0.target_seconds)
    }

    /// The time in which additions are counted.
    pub fn up_period(&self) -> SignedDuration {
        seconds(self.0.scale_up.period_seconds)
    }

    /// How many workers may be added in a period that began with `at_start`. `None`: any number.
    pub fn up_bound(&self, at_start: u32) -> Option<u32> {
        let up = &self.0.scale_up;
        if up.max_pods == 0 && up.max_percent == 0 {
            return None;
        }
        // A percentage of none would keep a pool at zero for ever.
        Some(percent(at_start, up.max_percent).max(up.max_pods).max(1))
    }

    /// How long at most a worker is kept that was needed.
    pub fn window(&self) -> SignedDuration {
        seconds(self.0.scale_down.stabilization_window_seconds)
    }

    /// How many of so many workers may be taken away in a step.
    pub fn down_bound(&self, workers: u32) -> u32 {
        percent(workers, self.0.scale_down.max_percent).max(1)
    }

    /// Whether what is decided is only told.
    pub fn dry_run(&self) -> bool {
        self.0.dry_run
    }
}

impl TryFrom<PolicyFields> for Policy {
    type Error = PolicyError;

    fn try_from(fields: PolicyFields) -> Result<Policy, PolicyError> {
        Policy::new(fields)
    }
}

impl From<Policy> for PolicyFields {
    fn from(policy: Policy) -> PolicyFields {
        policy.0
    }
}

fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(seconds.into())
}

/// Rounded up.
fn percent(of: u32, percent: u32) -> u32 {
    let whole = (u64::from(of) * u64::from(percent)).div_ceil(100);
    u32::try_from(whole).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_of_a_cluster_is_a_policy() {
        let policy: Policy = serde_json::from_str(
            r#"{"minReplicas": 1, "maxReplicas": 9, "scaleDown": {"maxPercent": 50}}"#,
        )
        .unwrap();
        assert_eq!((policy.min(), policy.max()), (1, 9));
        assert_eq!(policy.down_bound(9), 5);
        assert_eq!(policy.window(), seconds(120));
        assert_eq!(policy.up_bound(3), None);
        let again: Policy = serde_json::from_str(&serde_json::to_string(&policy).unwrap()).unwrap();
        assert_eq!(again, policy);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_field() {
        for (text, says) in [
            (r#"{}"#, "maxReplicas"),
            (
                r#"{"maxReplicas": 1, "minReplicas": 2}"#,
                "minReplicas 2 is above",
            ),
            (
                r#"{"maxReplicas": 1, "targetSeconds": 0}"#,
                "targetSeconds is 0",
            ),
            (
                r#"{"maxReplicas": 1, "scaleDown": {"maxPercent": 101}}"#,
                "scaleDown.maxPercent",
            ),
            (r#"{"maxReplicas": 1, "maxPods": 3}"#, "maxPods"),
            (r#"{"maxReplicas": -1}"#, "-1"),
        ] {
            let error = serde_json::from_str::<Policy>(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn the_larger_bound_counts_and_one_may_always_come() {
        let mut fields = Policy::up_to(100).fields().clone();
        fields.scale_up.max_percent = 100;
        let policy = Policy::new(fields.clone()).unwrap();
        assert_eq!(policy.up_bound(0), Some(1));
        fields.scale_up.max_pods = 4;
        let policy = Policy::new(fields).unwrap();
        assert_eq!((policy.up_bound(2), policy.up_bound(9)), (Some(4), Some(9)));
    }
}
