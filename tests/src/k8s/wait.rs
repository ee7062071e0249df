//! Waiting for what a cluster does in its own time.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long a pod with its image at hand may take to be Ready, or gone: it takes 1 to 3 s; the rest is for busy
/// machines.
pub const POD: Duration = Duration::from_secs(90);

/// How often to look.
const EVERY: Duration = Duration::from_millis(100);

/// Looks until there is an answer. Until then `look` says why there is none; after `limit` the last reason fails
/// the test.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(answer) => return answer,
            Err(reason) => assert!(
                begun.elapsed() < limit,
                "waited {} s for {what}: {reason}",
                limit.as_secs()
            ),
        }
        tokio::time::sleep(EVERY).await;
    }
}
