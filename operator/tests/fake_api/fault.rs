//! What goes wrong, from a seed.

use super::refusal::Refusal;
use fastrand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Writes are refused with 409, reason Conflict: another wrote first, or a quota was being counted.
    Conflict,
    /// Watches and pages are refused with 410, and the past is forgotten.
    Expired,
    /// Writes are refused with 422.
    Invalid,
    /// 429 with Retry-After.
    TooManyRequests,
    /// 500.
    Internal,
    /// No answer for a minute, then 504; the request was not carried out.
    TimeoutIgnored,
    /// No answer for a minute, then 504; the request was carried out.
    TimeoutApplied,
    /// The connection breaks after the request was carried out.
    ResetApplied,
    /// Watches end in the middle, cleanly or not.
    WatchCut,
    /// Watches tell of changes up to three seconds late, so that what the operator sees is old.
    SlowWatch,
}

/// Every kind.
pub const ALL: [Fault; 10] = [
    Fault::Conflict,
    Fault::Expired,
    Fault::Invalid,
    Fault::TooManyRequests,
    Fault::Internal,
    Fault::TimeoutIgnored,
    Fault::TimeoutApplied,
    Fault::ResetApplied,
    Fault::WatchCut,
    Fault::SlowWatch,
];

/// What becomes of one request.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It is served.
    Serve,
    /// It is refused at once.
    Refuse(Refusal),
    /// It is refused, and the past is forgotten.
    Compact(Refusal),
    /// It is carried out or not, and the answer is late and bad.
    Timeout {
        /// Whether it is carried out.
        applied: bool,
    },
    /// It is carried out and the connection breaks.
    Reset,
}

/// What becomes of one watch.
#[derive(Clone, Debug)]
pub struct WatchFate {
    rng: Rng,
    /// After so many events it ends.
    events_left: Option<u32>,
    slow: bool,
}

impl WatchFate {
    /// A watch that nothing happens to.
    pub fn calm(rng: &mut Rng) -> WatchFate {
        WatchFate {
            rng: rng.fork(),
            events_left: None,
            slow: false,
        }
    }

    /// Whether it ends now, and if so whether cleanly.
    pub fn cut_after_event(&mut self) -> Option<bool> {
        let left = self.events_left.as_mut()?;
        match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                None
            }
            None => Some(self.rng.bool()),
        }
    }

    /// How late it tells of a change.
    pub fn delay(&mut self) -> Duration {
        let longest = if self.slow { 3000 } else { 3 };
        Duration::from_millis(self.rng.u64(0..=longest))
    }
}

/// What goes wrong with the requests of one run.
#[derive(Debug)]
pub struct Faults {
    rng: Rng,
    fault: Option<Fault>,
    /// How many more requests meet it. Bounded, so that each run comes to an end.
    left: usize,
    met: usize,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Faults {
        Faults {
            rng: Rng::with_seed(0),
            fault: None,
            left: 0,
            met: 0,
        }
    }

    /// About one in three requests meets this fault, `times` in all.
    pub fn seeded(seed: u64, fault: Fault, times: usize) -> Faults {
        Faults {
            rng: Rng::with_seed(seed),
            fault: Some(fault),
            left: times,
            met: 0,
        }
    }

    /// How many requests met it so far.
    pub fn met(&self) -> usize {
        self.met
    }

    /// How long the server takes.
    pub fn latency(&mut self) -> Duration {
        Duration::from_micros(self.rng.u64(500..4000))
    }

    /// What becomes of a request.
    pub fn fate(&mut self, verb: &str, pages_on: bool) -> Fate {
        let writes = !matches!(verb, "list" | "watch" | "get");
        let Some(fault) = self.fault else {
            return Fate::Serve;
        };
        let meets = match fault {
            Fault::Conflict | Fault::Invalid => writes,
            Fault::Expired => verb == "watch" || pages_on,
            Fault::WatchCut | Fault::SlowWatch => false,
            _ => true,
        };
        if !meets || !self.draw() {
            return Fate::Serve;
        }
        match fault {
            Fault::Conflict => Fate::Refuse(Refusal::conflict("object", "x", "another was faster")),
            Fault::Invalid => Fate::Refuse(Refusal::invalid("object", "x", "spec: Invalid value")),
            Fault::TooManyRequests => Fate::Refuse(Refusal::too_many(self.rng.u32(1..5))),
            Fault::Internal => Fate::Refuse(Refusal::internal()),
            Fault::Expired => Fate::Compact(Refusal::expired()),
            Fault::TimeoutIgnored => Fate::Timeout { applied: false },
            Fault::TimeoutApplied => Fate::Timeout { applied: true },
            Fault::ResetApplied => Fate::Reset,
            Fault::WatchCut | Fault::SlowWatch => Fate::Serve,
        }
    }

    /// What becomes of a watch that was granted.
    pub fn watch_fate(&mut self) -> WatchFate {
        let calm = WatchFate::calm(&mut self.rng);
        match self.fault {
            Some(Fault::WatchCut) if self.left > 0 => {
                self.left -= 1;
                self.met += 1;
                WatchFate {
                    events_left: Some(self.rng.u32(0..6)),
                    ..calm
                }
            }
            Some(Fault::SlowWatch) => {
                self.met += 1;
                WatchFate { slow: true, ..calm }
            }
            _ => calm,
        }
    }

    fn draw(&mut self) -> bool {
        let hit = self.left > 0 && self.rng.u8(0..3) == 0;
        if hit {
            self.left -= 1;
            self.met += 1;
        }
        hit
    }
}

/// The life of one client: it may end after a number of writes, in the middle of whatever it does.
#[derive(Clone, Debug)]
pub struct Life {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dies_after: Option<u64>,
    writes: watch::Sender<u64>,
}

impl Life {
    /// It lives on.
    pub fn long() -> Life {
        Life::new(None)
    }

    /// It ends with its `writes`-th write, which is carried out and whose answer it does not see.
    pub fn ends_with_write(writes: u64) -> Life {
        Life::new(Some(writes))
    }

    fn new(dies_after: Option<u64>) -> Life {
        Life {
            inner: Arc::new(Inner {
                dies_after,
                writes: watch::Sender::new(0),
            }),
        }
    }

    /// How many writes it has made.
    pub fn writes(&self) -> u64 {
        *self.inner.writes.borrow()
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.ended(self.writes())
    }

    /// Waits until it is over.
    pub async fn over(&self) {
        let mut writes = self.inner.writes.subscribe();
        let _ = writes.wait_for(|n| self.ended(*n)).await;
    }

    /// Counts a write that was carried out.
    pub fn wrote(&self) {
        self.inner.writes.send_modify(|n| *n += 1);
    }

    fn ended(&self, writes: u64) -> bool {
        self.inner.dies_after.is_some_and(|n| writes >= n)
    }
}
