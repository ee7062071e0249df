//! Where the time of day comes from.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A clock.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// Tokio's from a moment on: where that one is stopped and moved on by hand, so is this.
    Tokio {
        /// The moment.
        began: Instant,
        /// The time of day at it.
        at: Timestamp,
    },
}

impl Clock {
    /// Tokio's clock from the present time of day on.
    pub fn tokio() -> Clock {
        Clock::Tokio {
            began: Instant::now(),
            at: Timestamp::now(),
        }
    }

    /// The time of day.
    pub fn now(self) -> Timestamp {
        match self {
            Clock::System => Timestamp::now(),
            Clock::Tokio { began, at } => SignedDuration::try_from(began.elapsed())
                .ok()
                .and_then(|passed| at.checked_add(passed).ok())
                .unwrap_or(Timestamp::MAX),
        }
    }
}
