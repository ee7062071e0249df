//! `/api/v1/events`: server-sent events. The first, `snapshot`, is the whole picture; each `update` after it
//! carries what changed, at most [`UPDATES_PER_SECOND`] times a second.

use crate::http::snapshot::{
    ErrorLine, Interval, Job, LimitShares, Pool, Rate, Snapshot, Totals, Worker,
};
use crate::http::stream::Stream;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a reader hears of changes, at most.
pub const UPDATES_PER_SECOND: u32 = 5;

/// Silence after which a comment is sent, so that proxies keep the connection and readers notice its loss.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How soon a browser that lost the connection tries again.
const RETRY: Duration = Duration::from_secs(1);

/// The snapshot with the task stream: what `/api/v1/snapshot` and the first event carry.
#[derive(Debug, Serialize)]
pub struct Full<'a> {
    #[serde(flatten)]
    snapshot: &'a Snapshot,
    /// The latest intervals of all slots, oldest first.
    stream: Vec<Interval>,
}

impl Full<'_> {
    /// The picture now, and the number of the first interval that it does not have.
    pub fn new<'a>(snapshot: &'a Snapshot, stream: &Stream) -> (Full<'a>, u64) {
        let (stream, next) = stream.since(0);
        (Full { snapshot, stream }, next)
    }
}

/// What changed between two snapshots. Lists that are short are sent whole.
#[derive(Debug, Serialize)]
struct Update<'a> {
    at_us: u64,
    /// Ids of all jobs, in order: what is not among them is gone.
    job_ids: Vec<&'a str>,
    /// Those that changed.
    jobs: Vec<&'a Job>,
    workers: &'a [Worker],
    pools: &'a [Pool],
    /// Those after the last that was sent.
    rates: &'a [Rate],
    limit: LimitShares,
    errors: &'a [ErrorLine],
    totals: &'a Totals,
    /// Those after the last that was sent.
    stream: Vec<Interval>,
}

impl<'a> Update<'a> {
    fn between(before: &Snapshot, now: &'a Snapshot, stream: Vec<Interval>) -> Update<'a> {
        let same = |job: &Arc<Job>| {
            let old = before.jobs.iter().find(|j| j.id == job.id);
            old.is_some_and(|old| Arc::ptr_eq(old, job) || old == job)
        };
        let sent_until = before.rates.last().map_or(0, |r| r.at_us);
        let new_rates = now.rates.partition_point(|r| r.at_us <= sent_until);
        Update {
            at_us: now.at_us,
            job_ids: now.jobs.iter().map(|j| j.id.as_str()).collect(),
            jobs: now
                .jobs
                .iter()
                .filter(|j| !same(j))
                .map(Arc::as_ref)
                .collect(),
            workers: &now.workers,
            pools: &now.pools,
            rates: &now.rates[new_rates..],
            limit: now.limit,
            errors: &now.errors,
            totals: &now.totals,
            stream,
        }
    }
}

/// What one reader has.
struct Reader {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    stream: Arc<Stream>,
    stop: watch::Receiver<bool>,
    sent: Option<Sent>,
}

struct Sent {
    snapshot: Arc<Snapshot>,
    next_interval: u64,
    at: Instant,
}

impl Reader {
    /// The next event; `None` when the server stops or the driver is gone, and the last picture was sent.
    async fn next(&mut self) -> Option<Result<Event, axum::Error>> {
        let Some(sent) = &self.sent else {
            let snapshot = self.snapshots.borrow_and_update().clone();
            let (full, next_interval) = Full::new(&snapshot, &self.stream);
            let event = Event::default()
                .event("snapshot")
                .retry(RETRY)
                .json_data(&full);
            self.sent = Some(Sent {
                snapshot,
                next_interval,
                at: Instant::now(),
            });
            return Some(event);
        };
        let due = sent.at + Duration::from_secs(1) / UPDATES_PER_SECOND;
        let snapshots = &mut self.snapshots;
        let over = tokio::select! {
            // The wait comes first: what is sent then is the latest, not what woke us.
            changed = async { tokio::time::sleep_until(due).await; snapshots.changed().await } => changed.is_err(),
            _ = self.stop.wait_for(|stop| *stop) => true,
        };
        // No more is to come, but the reader may not have the last picture yet.
        if over && Arc::ptr_eq(&sent.snapshot, &self.snapshots.borrow()) {
            return None;
        }
        let snapshot = self.snapshots.borrow_and_update().clone();
        let (intervals, next_interval) = self.stream.since(sent.next_interval);
        let update = Update::between(&sent.snapshot, &snapshot, intervals);
        let event = Event::default().event("update").json_data(&update);
        self.sent = Some(Sent {
            snapshot,
            next_interval,
            at: Instant::now(),
        });
        Some(event)
    }
}

/// The response: events until the server stops.
pub fn respond(
    snapshots: watch::Receiver<Arc<Snapshot>>,
    stream: Arc<Stream>,
    stop: watch::Receiver<bool>,
) -> Sse<KeepAliveStream<impl futures::Stream<Item = Result<Event, axum::Error>>>> {
    let reader = Reader {
        snapshots,
        stream,
        stop,
        sent: None,
    };
    let events = futures::stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((event, reader))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}
