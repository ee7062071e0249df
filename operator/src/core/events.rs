//! What is told as Kubernetes Events: one for each change, in words that make the story of a cluster.

use super::plan::{Delete, Why};
use dasklike_operator_api::{
    Condition, ConditionType, DaskLikeClusterStatus, ScalingDecision, Truth, reasons,
};
use std::collections::BTreeMap;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// It asks for somebody's attention.
    pub warning: bool,
    /// In one word.
    pub reason: String,
    /// What the operator was at.
    pub action: &'static str,
    /// For people.
    pub message: String,
}

/// Reasons that come and go in the ordinary course of things and need nobody's attention.
pub(crate) const ORDINARY: [&str; 8] = [
    reasons::MISSING,
    reasons::STARTING,
    reasons::TERMINATING,
    reasons::SUSPENDED,
    reasons::WORKERS_NOT_READY,
    reasons::SCHEDULER_NOT_READY,
    reasons::NONE_WANTED,
    reasons::READY,
];

/// What keeps a pool from following its work and somebody may want to mend. That a scheduler does not say what work
/// there is has a cause that is told by itself.
const HOLDS: [&str; 2] = ["Unschedulable", "Ineffective"];

/// What happened between two statuses, and the pods that were made and let go in between.
pub fn notes(
    previous: &DaskLikeClusterStatus,
    next: &DaskLikeClusterStatus,
    created: usize,
    deleted: &[Delete],
) -> Vec<Note> {
    let mut notes = Vec::new();
    if created > 0 {
        notes.push(normal(
            "PodsCreated",
            "Create",
            format!("made {}", pods(created)),
        ));
    }
    notes.extend(of_deletes(deleted));
    let decided: Vec<Note> = next
        .scaling_decisions
        .iter()
        .take_while(|new| previous.scaling_decisions.first() != Some(new))
        .map(of_decision)
        .collect();
    if next.last_scale != previous.last_scale
        && decided.is_empty()
        && let Some(scale) = &next.last_scale
    {
        notes.push(normal(
            "Scaled",
            "Scale",
            format!(
                "from {} to {} workers: {}",
                scale.from, scale.to, scale.reason
            ),
        ));
    }
    notes.extend(decided);
    if next.last_termination != previous.last_termination
        && let Some(ended) = &next.last_termination
    {
        let code = ended
            .exit_code
            .map_or_else(String::new, |code| format!(", exit code {code}"));
        let told = format!("pod {} ended: {}{code}", ended.pod, ended.message);
        notes.push(match ended.exit_code {
            Some(0) => normal(&ended.reason, "Run", told),
            _ => warning(&ended.reason, "Run", told),
        });
    }
    notes.extend(next.conditions.iter().filter_map(|new| {
        let old = previous
            .conditions
            .iter()
            .find(|old| old.type_ == new.type_);
        of_condition(old, new)
    }));
    notes
}

fn of_decision(decision: &ScalingDecision) -> Note {
    let ScalingDecision { pool, from, to, .. } = decision;
    let (reason, verb) = match (decision.dry_run, to > from) {
        (true, _) => ("WouldScale", "would go"),
        (false, true) => ("ScaledUp", "goes"),
        (false, false) => ("ScaledDown", "goes"),
    };
    let message = format!(
        "pool {pool} {verb} from {from} to {to} workers: {} ({})",
        decision.message, decision.reason
    );
    normal(reason, "Scale", message)
}

fn of_deletes(deleted: &[Delete]) -> Vec<Note> {
    let mut by_reason: BTreeMap<Why, Vec<&str>> = BTreeMap::new();
    for delete in deleted {
        by_reason.entry(delete.why).or_default().push(&delete.name);
    }
    by_reason
        .into_iter()
        .map(|(why, names)| {
            let (verb, warn) = match why {
                Why::ScaledDown | Why::Idle | Why::Suspended | Why::PoolRemoved => {
                    ("drains", false)
                }
                Why::Outdated | Why::Disrupted => ("replaces", false),
                Why::Failed => ("replaces", true),
                Why::Completed => ("removes", false),
            };
            Note {
                warning: warn,
                reason: why.word().to_owned(),
                action: "Delete",
                message: format!("{verb} {}: {}", pods(names.len()), some(&names)),
            }
        })
        .collect()
}

/// Only a change of truth or of reason is told, and only of what the others do not follow from.
fn of_condition(old: Option<&Condition>, new: &Condition) -> Option<Note> {
    let changed = old.is_none_or(|old| old.status != new.status || old.reason != new.reason);
    if !changed {
        return None;
    }
    let invalid = new.reason == reasons::INVALID_SPEC;
    match (new.type_, new.status) {
        (ConditionType::Ready, Truth::True) => {
            Some(normal(reasons::READY, "Reconcile", new.message.clone()))
        }
        (ConditionType::Ready, _) if invalid => {
            Some(warning(&new.reason, "Validate", new.message.clone()))
        }
        (ConditionType::Ready, _) if new.reason == reasons::SUSPENDED => {
            Some(normal(&new.reason, "Reconcile", new.message.clone()))
        }
        (ConditionType::ScalingActive, Truth::False) if HOLDS.contains(&new.reason.as_str()) => {
            Some(warning(&new.reason, "Scale", new.message.clone()))
        }
        (ConditionType::SchedulerReady | ConditionType::WorkersReady, Truth::False)
            if !ORDINARY.contains(&new.reason.as_str()) =>
        {
            Some(warning(&new.reason, "Reconcile", new.message.clone()))
        }
        _ => None,
    }
}

fn normal(reason: &str, action: &'static str, message: String) -> Note {
    Note {
        warning: false,
        reason: reason.to_owned(),
        action,
        message,
    }
}

fn warning(reason: &str, action: &'static str, message: String) -> Note {
    Note {
        warning: true,
        ..normal(reason, action, message)
    }
}

fn pods(number: usize) -> String {
    match number {
        1 => "1 pod".to_owned(),
        number => format!("{number} pods"),
    }
}

/// A few names: an event has room for a thousand characters.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    match names.len() {
        0..=SHOWN => names.join(", "),
        more => format!("{} and {} more", names[..SHOWN].join(", "), more - SHOWN),
    }
}
