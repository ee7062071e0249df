//! When a status is worth a request.

use crate::core::events::ORDINARY;
use dasklike_operator_api::{ConditionType, DaskLikeClusterStatus, Truth};
use jiff::{SignedDuration, Timestamp};

/// A queue's length changes all the time, and nobody acts on it: it is written only so often.
const QUEUE_PERIOD: SignedDuration = SignedDuration::from_secs(5);

/// Pods that come one by one are told together. The requests that this saves are then free for pods.
const PROGRESS_PERIOD: SignedDuration = SignedDuration::from_secs(1);

/// Whether to write a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Nothing changed.
    No,
    /// Now.
    Now,
    /// Then, if it is still so.
    At(Timestamp),
}

/// Whether to write `next` over `previous`, which was last written at `written` and of which something is untold since
/// `untold`.
pub fn writing(
    previous: &DaskLikeClusterStatus,
    next: &DaskLikeClusterStatus,
    written: Option<Timestamp>,
    untold: Option<Timestamp>,
    now: Timestamp,
) -> Write {
    if previous == next {
        return Write::No;
    }
    let but_for_the_queue = DaskLikeClusterStatus {
        queue_tasks: previous.queue_tasks,
        ..next.clone()
    };
    let later = if but_for_the_queue == *previous {
        written.and_then(|written| written.checked_add(QUEUE_PERIOD).ok())
    } else if is_progress(previous, next) {
        let since = untold.unwrap_or(now);
        since.checked_add(PROGRESS_PERIOD).ok()
    } else {
        None
    };
    match later {
        Some(due) if now < due => Write::At(due),
        _ => Write::Now,
    }
}

/// Whether only pods came or went in the ordinary course of things: nobody waits for that.
fn is_progress(previous: &DaskLikeClusterStatus, next: &DaskLikeClusterStatus) -> bool {
    let begins = previous.observed_generation.is_none();
    let same = previous.observed_generation == next.observed_generation
        && previous.desired_replicas == next.desired_replicas
        && previous.last_scale == next.last_scale
        && previous.scaling_decisions == next.scaling_decisions
        && previous.last_termination == next.last_termination;
    let (was, is) = (truth(previous), truth(next));
    (begins || same) && (was == is || begins && is != Some(Truth::True)) && is_ordinary(next)
}

fn truth(status: &DaskLikeClusterStatus) -> Option<Truth> {
    let mut conditions = status.conditions.iter();
    conditions
        .find(|condition| condition.type_ == ConditionType::Ready)
        .map(|condition| condition.status)
}

fn is_ordinary(status: &DaskLikeClusterStatus) -> bool {
    use ConditionType::{Ready, SchedulerReady, WorkersReady};
    let mut conditions = status.conditions.iter();
    conditions.all(|condition| {
        let of_pods = matches!(condition.type_, Ready | SchedulerReady | WorkersReady);
        !of_pods || ORDINARY.contains(&condition.reason.as_str())
    })
}
