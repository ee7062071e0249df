//! The log of what autoscaling decided and from what: one line for each change, and in between one a second at most
//! while the work changes. `dasklike scaling replay` reads it.

use crate::core::autoscale::Scaled;
use crate::core::cluster::ValidatedCluster;
use crate::core::plan::Plan;
use crate::memory::{Logged, Memory};
use dasklike_scaling::Record;
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

/// Changes of the work alone are logged no more often.
const LEAST_GAP: SignedDuration = SignedDuration::from_secs(1);

/// Logs what was decided about the pools that follow their work.
pub(crate) fn log_decisions(
    cluster: &ValidatedCluster,
    plan: &Plan,
    memory: &mut Memory,
    now: Timestamp,
) {
    for (pool, scaled) in cluster.pools.iter().zip(&plan.sizing.scaled) {
        let Some(scaled) = scaled else {
            memory.logged.remove(&pool.name);
            continue;
        };
        let logged = Logged {
            at: now,
            demand: scaled.observed.demand,
            connected: scaled.observed.connected(),
            hold: scaled.decision.hold.map(|hold| hold.name()),
        };
        if !worth_it(memory.logged.get(&pool.name), &logged, scaled) {
            continue;
        }
        memory.logged.insert(pool.name.clone(), logged);
        let record = Record {
            time: now,
            cluster: cluster.key.to_string(),
            pool: pool.name.clone(),
            policy: scaled.policy.clone(),
            observed: scaled.observed.clone(),
            decision: scaled.decision.clone(),
        };
        match record.to_line() {
            Ok(line) => info!(
                cluster = %cluster.key,
                pool = pool.name,
                from = scaled.observed.current,
                to = scaled.decision.replicas,
                reason = scaled.decision.reason.name(),
                why = %scaled.decision.reason,
                decision = line,
                "a scaling decision"
            ),
            Err(error) => warn!(cluster = %cluster.key, %error, "a decision cannot be logged"),
        }
    }
}

fn worth_it(last: Option<&Logged>, new: &Logged, scaled: &Scaled) -> bool {
    let Some(last) = last else { return true };
    let changed = scaled.decision.replicas != scaled.observed.current || new.hold != last.hold;
    let moved = new.demand != last.demand || new.connected != last.connected;
    changed || (moved && new.at.duration_since(last.at) >= LEAST_GAP)
}
