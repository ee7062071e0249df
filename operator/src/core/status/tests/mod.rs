//! Tables of what is said about what was seen.

mod conditions;
mod history;
mod writes;

use super::*;
use crate::core::events::notes;
use crate::core::observed::{Phase, Termination, Trouble};
use crate::core::testing::{Fleet, at, cluster, demand, object, say};
use crate::core::validate::{Facts as ValidateFacts, validate};
use jiff::SignedDuration;
use serde_json::{Value, json};

fn first(cluster: &ValidatedCluster, pods: &Pods, refusals: &[Refusal]) -> DaskLikeClusterStatus {
    say(
        cluster,
        pods,
        None,
        refusals,
        &DaskLikeClusterStatus::default(),
        at(100),
    )
}

fn of(status: &DaskLikeClusterStatus, type_: ConditionType) -> (Truth, &str, &str) {
    let condition = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .unwrap();
    (
        condition.status,
        condition.reason.as_str(),
        condition.message.as_str(),
    )
}

fn two() -> ValidatedCluster {
    cluster(json!({"worker": {"replicas": 2}}))
}
