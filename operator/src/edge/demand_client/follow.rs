//! One scheduler, for as long as it is there: connect, listen, and again when the connection breaks.

use super::call::{CallError, Messages};
use super::dial::{DialError, dial};
use super::{Shared, convert};
use crate::demand::{ClusterKey, Endpoint};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The wait before the second attempt; it doubles with each one that fails, up to the longest.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum EndError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the scheduler took longer than {0:?} to answer")]
    DialTimeout(Duration),
    #[error("the scheduler said nothing for {0:?}")]
    Silent(Duration),
    #[error(transparent)]
    Call(#[from] CallError),
}

pub(super) struct Follower {
    shared: Arc<Shared>,
    cluster: ClusterKey,
    endpoint: watch::Receiver<Endpoint>,
    /// When what is known stops to count; none if nothing is known.
    stale_at: Option<Instant>,
    /// Attempts in a row that brought no message.
    failures: u32,
}

impl Follower {
    pub(super) fn new(
        shared: Arc<Shared>,
        cluster: ClusterKey,
        endpoint: watch::Receiver<Endpoint>,
    ) -> Follower {
        Follower {
            shared,
            cluster,
            endpoint,
            stale_at: None,
            failures: 0,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let Err(error) = self.attempt().await;
            self.failures = self.failures.saturating_add(1);
            // One line for a stretch of failures, not one for each attempt.
            if self.failures == 1 {
                tracing::info!(
                    namespace = %self.cluster.namespace,
                    cluster = %self.cluster.name,
                    %error,
                    "no demand from the scheduler"
                );
            }
            let wait = wait(self.failures, fastrand::f64());
            self.until_stale(sleep(wait)).await;
        }
    }

    async fn attempt(&mut self) -> Result<std::convert::Infallible, EndError> {
        let endpoint = self.endpoint.borrow_and_update().clone();
        let patience = self.shared.patience.dial;
        let shared = self.shared.clone();
        // Boxed, so that the task is no larger than what it mostly does, which is to listen.
        let dialled = Box::pin(async move {
            // It is never closed, so that an error cannot come.
            let _turn = shared.dials.acquire().await;
            timeout(patience, dial(&endpoint)).await
        });
        let messages = self.until_stale(dialled).await;
        let messages = messages.map_err(|_| EndError::DialTimeout(patience))??;
        self.listen(messages).await
    }

    async fn listen(
        &mut self,
        mut messages: Messages,
    ) -> Result<std::convert::Infallible, EndError> {
        let _open = self.shared.opened();
        let stale = self.shared.patience.stale;
        let mut silent_at = Some(Instant::now() + stale);
        loop {
            let message = tokio::select! {
                biased;
                message = messages.next() => message,
                () = until(silent_at) => {
                    self.forget();
                    return Err(EndError::Silent(stale));
                }
            };
            match message {
                Ok(said) => {
                    silent_at = (said.unfinished_jobs > 0).then(|| Instant::now() + stale);
                    self.stale_at = Some(Instant::now() + stale);
                    self.failures = 0;
                    let demand = convert::demand(said, Timestamp::now());
                    self.shared.demands.put(&self.cluster, demand);
                }
                Err(error) => {
                    if silent_at.is_none() {
                        // It held until now.
                        self.stale_at = Some(Instant::now() + stale);
                    }
                    return Err(error.into());
                }
            }
        }
    }

    /// Waits for something, and forgets what is known when it gets too old meanwhile.
    async fn until_stale<T>(&mut self, what: impl Future<Output = T>) -> T {
        let mut what = std::pin::pin!(what);
        if let Some(stale_at) = self.stale_at {
            tokio::select! {
                done = &mut what => return done,
                () = sleep_until(stale_at) => self.forget(),
            }
        }
        what.await
    }

    fn forget(&mut self) {
        self.stale_at = None;
        self.shared.demands.forget(&self.cluster);
    }
}

/// Never, without a moment.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// How long to wait after so many failures. `chance`, in 0..1, spreads those that failed at the same moment.
fn wait(failures: u32, chance: f64) -> Duration {
    let doubled = SHORTEST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(LONGEST_WAIT).mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let ms = |failures, chance| wait(failures, chance).as_millis();
        assert_eq!((ms(1, 1.0), ms(2, 1.0), ms(3, 1.0)), (250, 500, 1000));
        assert_eq!((ms(1, 0.0), ms(7, 0.0)), (125, 7500));
        assert_eq!((ms(7, 1.0), ms(u32::MAX, 1.0)), (15_000, 15_000));
    }
}
