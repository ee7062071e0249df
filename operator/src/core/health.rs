//! Whether the operator makes progress, and in words why not.
//!
//! A failed `/healthz` makes Kubernetes restart the operator, so it fails only for what a restart can cure: a
//! reconcile that hangs, or a watch that nobody asks for any more. An API server that cannot be reached is neither.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

/// How long is too long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest that one reconcile may take.
    pub reconcile: Duration,
    /// The longest time between two requests for one watch. The API server ends each watch after a few minutes, so
    /// that a living one is asked for again and again.
    pub watch: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            reconcile: Duration::from_secs(5 * 60),
            watch: Duration::from_secs(15 * 60),
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A reconcile of this object began; `id` is unique.
    ReconcileStarted {
        /// Its number.
        id: u64,
        /// What is reconciled.
        object: String,
    },
    /// A reconcile ended, well or not.
    ReconcileEnded {
        /// Its number.
        id: u64,
    },
    /// A watch was asked for.
    WatchAsked {
        /// What is watched.
        resource: String,
    },
    /// The API server answered a request for a watch.
    WatchAnswered {
        /// What is watched.
        resource: String,
        /// Whether it granted it.
        granted: bool,
    },
    /// The Lease was seen for the first time: the operator leads or stands by.
    LeaseSeen,
    /// The operator ends on purpose: it is no longer ready, and its watches may rest.
    Stopping,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A reconcile takes too long.
    Hangs {
        /// Of which object.
        object: String,
        /// For how long it has run.
        since: Duration,
    },
    /// Nobody has asked for this watch for too long.
    DeadWatch {
        /// What is watched.
        resource: String,
        /// How long ago it was asked for.
        since: Duration,
    },
    /// The API server did not grant the last request for this watch.
    RefusedWatch {
        /// What is watched.
        resource: String,
    },
    /// The Lease has not been seen yet.
    NoLease,
    /// The operator ends.
    Stopping,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Hangs { object, since } => write!(
                f,
                "the reconcile of {object} has run for {} s without an end",
                since.as_secs()
            ),
            Problem::DeadWatch { resource, since } => write!(
                f,
                "the watch of {resource} has not been asked for since {} s: its task has ended or hangs",
                since.as_secs()
            ),
            Problem::RefusedWatch { resource } => write!(
                f,
                "the API server does not grant the watch of {resource}: see the log for its words"
            ),
            Problem::NoLease => f.write_str("the API server has not yet answered for the Lease"),
            Problem::Stopping => f.write_str("the operator is stopping"),
        }
    }
}

#[derive(Clone, Debug)]
struct Watch {
    asked: Duration,
    granted: bool,
}

/// What is known about the operator's progress.
#[derive(Clone, Debug, Default)]
pub struct Health {
    limits: Limits,
    reconciles: BTreeMap<u64, (String, Duration)>,
    watches: BTreeMap<String, Watch>,
    lease_seen: bool,
    stopping: bool,
}

impl Health {
    /// Nothing has happened yet.
    pub fn new(limits: Limits) -> Health {
        Health {
            limits,
            ..Health::default()
        }
    }

    /// Takes note of an event at `now`, the time since any fixed moment.
    pub fn handle(&mut self, now: Duration, event: Event) {
        match event {
            Event::ReconcileStarted { id, object } => {
                self.reconciles.insert(id, (object, now));
            }
            Event::ReconcileEnded { id } => {
                self.reconciles.remove(&id);
            }
            Event::WatchAsked { resource } => {
                let watch = self.watches.entry(resource).or_insert(Watch {
                    asked: now,
                    granted: false,
                });
                watch.asked = now;
            }
            Event::WatchAnswered { resource, granted } => {
                if let Some(watch) = self.watches.get_mut(&resource) {
                    watch.granted = granted;
                }
            }
            Event::LeaseSeen => self.lease_seen = true,
            Event::Stopping => self.stopping = true,
        }
    }

    /// What only a restart can cure; nothing if all is well.
    pub fn sick(&self, now: Duration) -> Vec<Problem> {
        let hangs = self.reconciles.values().filter_map(|(object, started)| {
            let since = now.saturating_sub(*started);
            (since > self.limits.reconcile).then(|| Problem::Hangs {
                object: object.clone(),
                since,
            })
        });
        let dead = self.watches.iter().filter_map(|(resource, watch)| {
            let since = now.saturating_sub(watch.asked);
            (since > self.limits.watch && !self.stopping).then(|| Problem::DeadWatch {
                resource: resource.clone(),
                since,
            })
        });
        hangs.chain(dead).collect()
    }

    /// Why the operator cannot do its work now, be it as the leader or in waiting; nothing if it can.
    pub fn unready(&self) -> Vec<Problem> {
        if self.stopping {
            return vec![Problem::Stopping];
        }
        let refused = self.watches.iter().filter(|(_, watch)| !watch.granted);
        let refused = refused.map(|(resource, _)| Problem::RefusedWatch {
            resource: resource.clone(),
        });
        let lease = (!self.lease_seen).then_some(Problem::NoLease);
        lease.into_iter().chain(refused).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn m(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    #[test]
    fn a_reconcile_that_hangs_is_named_until_it_ends() {
        let mut health = Health::new(Limits::default());
        let object = "DaskLikeCluster lab/demo".to_owned();
        health.handle(m(1), Event::ReconcileStarted { id: 1, object });
        assert!(health.sick(m(6)).is_empty());
        let sick = health.sick(m(7));
        assert_eq!(
            sick[0].to_string(),
            "the reconcile of DaskLikeCluster lab/demo has run for 360 s without an end"
        );
        health.handle(m(7), Event::ReconcileEnded { id: 1 });
        assert!(health.sick(m(60)).is_empty());
    }

    #[test]
    fn a_watch_that_nobody_asks_for_is_dead_and_a_refused_one_is_not() {
        let mut health = Health::new(Limits::default());
        let resource = || "pods".to_owned();
        let asked = || Event::WatchAsked {
            resource: resource(),
        };
        health.handle(m(0), Event::LeaseSeen);
        assert!(health.unready().is_empty());
        health.handle(m(0), asked());
        for minute in 1..100 {
            health.handle(m(minute), asked());
            health.handle(
                m(minute),
                Event::WatchAnswered {
                    resource: resource(),
                    granted: false,
                },
            );
            assert!(health.sick(m(minute)).is_empty());
            assert_eq!(
                health.unready(),
                [Problem::RefusedWatch {
                    resource: resource()
                }]
            );
        }
        let sick = health.sick(m(115));
        assert!(
            sick[0].to_string().contains("the watch of pods"),
            "{sick:?}"
        );
    }

    #[test]
    fn it_is_ready_once_the_lease_is_seen_and_until_it_stops() {
        let mut health = Health::new(Limits::default());
        assert_eq!(health.unready(), [Problem::NoLease]);
        health.handle(m(0), Event::LeaseSeen);
        assert!(health.unready().is_empty());
        health.handle(m(1), Event::Stopping);
        assert_eq!(health.unready(), [Problem::Stopping]);
        assert!(health.sick(m(1)).is_empty());
    }
}
