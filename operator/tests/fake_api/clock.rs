//! The time of day, which follows tokio's clock: with that one paused, hours pass in no time.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
    at: Timestamp,
}

impl Clock {
    /// Starts at the present time of day.
    pub fn start() -> Clock {
        Clock {
            began: Instant::now(),
            at: Timestamp::now(),
        }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap();
        self.at.checked_add(passed).unwrap()
    }

    /// As Kubernetes writes it, in whole seconds.
    pub fn stamp(&self, after: SignedDuration) -> String {
        let at = self.now().checked_add(after).unwrap();
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}
