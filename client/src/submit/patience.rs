//! How long a scheduler that was lost is asked again, and how often.

use std::time::{Duration, Instant};

/// A pod that moves to another node, image and all, comes back within this.
const LONGEST: Duration = Duration::from_secs(60);
/// The first wait; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Since when a scheduler has not been heard.
#[derive(Debug)]
pub(super) struct Patience {
    since: Option<Instant>,
    wait: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            since: None,
            wait: FIRST_WAIT,
        }
    }
}

impl Patience {
    /// Whether an attempt has failed already.
    pub(super) fn has_begun(&self) -> bool {
        self.since.is_some()
    }

    /// How long to wait before the next attempt; `None` when it is time to give up.
    pub(super) fn next(&mut self, now: Instant) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= LONGEST {
            return None;
        }
        let wait = self.wait;
        self.wait = (2 * wait).min(LONGEST_WAIT);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_longer_and_longer_and_ends() {
        let start = Instant::now();
        let mut patience = Patience::default();
        let (mut now, mut waits) = (start, Vec::new());
        while let Some(wait) = patience.next(now) {
            waits.push(wait.as_millis());
            now += wait;
        }
        assert_eq!(waits[..6], [100, 200, 400, 800, 1600, 2000]);
        assert!((60..63).contains(&(now - start).as_secs()));
    }
}
