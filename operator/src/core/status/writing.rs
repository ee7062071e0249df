//! When a status is worth a request.

use dasklike_operator_api::DaskLikeClusterStatus;
use jiff::{SignedDuration, Timestamp};

/// A queue's length changes all the time, and nobody acts on it: it is written only so often.
const QUEUE_PERIOD: SignedDuration = SignedDuration::from_secs(5);

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

/// Whether to write `next` over `previous`, which was last written at `written`.
pub fn writing(
    previous: &DaskLikeClusterStatus,
    next: &DaskLikeClusterStatus,
    written: Option<Timestamp>,
    now: Timestamp,
) -> Write {
    if previous == next {
        return Write::No;
    }
    let but_for_the_queue = DaskLikeClusterStatus {
        queue_tasks: previous.queue_tasks,
        ..next.clone()
    };
    let due = written.and_then(|written| written.checked_add(QUEUE_PERIOD).ok());
    match due {
        Some(due) if now < due && but_for_the_queue == *previous => Write::At(due),
        _ => Write::Now,
    }
}
