//! A queue between a synchronous sender and the stream that empties it: whatever has gathered since the last
//! look leaves together, so that batches grow under load and nothing waits when there is none.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio_stream::Stream;

/// The sending side. Clones share the queue.
#[derive(Debug)]
pub struct Outbox<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

/// The emptying side: yields batches, never empty ones, until the outbox is closed and empty. Dropping it
/// makes the outbox forget what it has and is given.
#[derive(Debug)]
pub struct Batches<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

#[derive(Debug)]
struct Shared<T> {
    queue: Vec<T>,
    limit: usize,
    waker: Option<Waker>,
    closed: bool,
    dropped: bool,
}

/// The reader has fallen behind by the whole limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A queue of at most `limit` messages.
pub fn outbox<T>(limit: usize) -> (Outbox<T>, Batches<T>) {
    let shared = Shared {
        queue: Vec::new(),
        limit,
        waker: None,
        closed: false,
        dropped: false,
    };
    let shared = Arc::new(Mutex::new(shared));
    (
        Outbox {
            shared: shared.clone(),
        },
        Batches { shared },
    )
}

/// A thread that panicked while it held the lock left a whole queue behind: nothing here stops half-way.
fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Outbox<T> {
    /// Adds a message; the reader is woken if it waits.
    pub fn push(&self, message: T) -> Result<(), Full> {
        self.extend(std::iter::once(message))
    }

    /// Adds messages that leave together.
    pub fn extend(&self, messages: impl IntoIterator<Item = T>) -> Result<(), Full> {
        let mut shared = lock(&self.shared);
        if shared.closed || shared.dropped {
            return Ok(());
        }
        shared.queue.extend(messages);
        let full = shared.queue.len() > shared.limit;
        let waker = if shared.queue.is_empty() {
            None
        } else {
            shared.waker.take()
        };
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
        if full { Err(Full) } else { Ok(()) }
    }

    /// Messages that wait for the reader.
    pub fn len(&self) -> usize {
        lock(&self.shared).queue.len()
    }

    /// Whether none wait.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nothing comes after what was added so far.
    pub fn close(&self) {
        let mut shared = lock(&self.shared);
        shared.closed = true;
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Outbox<T> {
        Outbox {
            shared: self.shared.clone(),
        }
    }
}

impl<T> Stream for Batches<T> {
    type Item = Vec<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Vec<T>>> {
        let mut shared = lock(&self.shared);
        if !shared.queue.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut shared.queue)));
        }
        if shared.closed {
            return Poll::Ready(None);
        }
        shared.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Batches<T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.dropped = true;
        let rest = std::mem::take(&mut shared.queue);
        // Messages may run code of their own when they are dropped; not under the lock.
        drop(shared);
        drop(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt;

    #[tokio::test]
    async fn what_gathered_leaves_together() {
        let (sender, mut batches) = outbox(3);
        assert_eq!(sender.push(1), Ok(()));
        assert_eq!(sender.extend([2, 3]), Ok(()));
        assert_eq!(batches.next().await, Some(vec![1, 2, 3]));
        let other = sender.clone();
        let late = tokio::spawn(async move { other.push(4) });
        assert_eq!(batches.next().await, Some(vec![4]));
        assert_eq!(late.await.unwrap(), Ok(()));
        assert_eq!(sender.extend(0..4), Err(Full));
        sender.close();
        assert_eq!(sender.push(9), Ok(()));
        assert_eq!(batches.next().await, Some(vec![0, 1, 2, 3]));
        assert_eq!(batches.next().await, None);
    }
}
