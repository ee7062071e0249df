//! What one client's stream carries, and what holds workers back while clients are slow.

use crate::core::effect::{JobEnd, Refusal};
use dasklike_graph::protocol::Block;
use dasklike_proto_engine::convert::{JobEvent, Progress};
use dasklike_proto_engine::outbox::Outbox;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Notify, oneshot};

/// Bytes of blocks that may wait for clients before workers are held back.
const WAITING_LIMIT: u64 = 128 << 20;

/// Something for a client.
#[derive(Debug)]
pub(crate) enum FeedItem {
    Accepted(JobEvent),
    Refused(Refusal),
    Progress(Progress),
    /// The holds are dropped when the block has left.
    Block {
        block: Block,
        holds: (Ticket, Option<Arc<Ack>>),
    },
    End(JobEnd),
}

/// The way to a client. The driver never waits for it.
pub(crate) type Feed = Outbox<FeedItem>;

/// Bytes of blocks that wait for clients, of all clients together.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    bytes: AtomicU64,
    less: Notify,
}

impl Waiting {
    /// Counts a block until the ticket is dropped.
    pub(crate) fn count(self: &Arc<Waiting>, bytes: u64) -> Ticket {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ticket {
            waiting: self.clone(),
            bytes,
        }
    }

    /// Whether workers should be held back.
    pub(crate) fn is_too_much(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > WAITING_LIMIT
    }

    /// Ends when a block has left; may end sooner.
    pub(crate) async fn less(&self) {
        self.less.notified().await;
    }
}

/// A block that waits.
#[derive(Debug)]
pub(crate) struct Ticket {
    waiting: Arc<Waiting>,
    bytes: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.waiting.less.notify_waiters();
    }
}

/// Tells a worker, when the last copy is dropped, that its block has left for all of its clients.
#[derive(Debug)]
pub(crate) struct Ack(Option<oneshot::Sender<()>>);

impl Ack {
    pub(crate) fn new(sender: oneshot::Sender<()>) -> Ack {
        Ack(Some(sender))
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            // The worker may be gone, then nobody waits.
            let _ = sender.send(());
        }
    }
}
