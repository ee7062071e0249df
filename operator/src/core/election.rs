//! Leader election: what a candidate does about the Lease, given what it saw and when.
//!
//! The rules are client-go's. Whoever holds the Lease renews it every [`Timing::retry`]. A candidate takes over a
//! Lease that nobody holds, or whose record it has *itself* seen unchanged for the Lease's duration: the times
//! written in a Lease come from other machines' clocks and are for people only. A leader that could not renew for
//! [`Timing::renew_deadline`], which is shorter than the Lease's duration, stops acting before another can start.

use core::fmt;
use core::time::Duration;

/// How long things take. client-go's standard values are the [`Default`].
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a Lease holds after its last renewal.
    pub lease: Duration,
    /// For how long the leader may fail to renew before it stops leading. Shorter than `lease`.
    pub renew_deadline: Duration,
    /// The time between two attempts.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// The Lease as the API server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its resource version, which changes with each write.
    pub version: String,
    /// Who holds it; `None` if it was released.
    pub holder: Option<String>,
    /// How long it holds after a renewal.
    pub lease: Duration,
    /// How often it changed hands.
    pub transitions: i32,
}

/// A Lease to write. The edge adds the times, which only people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The version it replaces, `None` to create it: the API server refuses it if another wrote in between.
    pub replaces: Option<String>,
    /// The new holder; `None` releases it.
    pub holder: Option<String>,
    /// How long it holds.
    pub lease: Duration,
    /// How often it changed hands.
    pub transitions: i32,
    /// Whether the holder changes with it.
    pub acquires: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The time asked for by [`Effect::WakeAt`] has come, or the candidate starts.
    Woke,
    /// The answer to [`Effect::Read`]; `None` if there is no Lease.
    Read(Option<Record>),
    /// [`Effect::Write`] was accepted.
    Written(Record),
    /// [`Effect::Write`] was refused because another wrote first.
    Overtaken,
    /// A read or a write failed in another way; it may or may not have been applied.
    Failed,
    /// The program wants to end.
    Stop,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Read the Lease. What was under way is given up.
    Read,
    /// Write the Lease. What was under way is given up.
    Write(Draft),
    /// From now on this candidate leads.
    Lead,
    /// From now on this candidate must not act: what it is doing stops at once.
    StopLeading(Why),
    /// Send [`Event::Woke`] at this time, instead of at any time asked for before: the next attempt is due, or the
    /// one under way takes too long.
    WakeAt(Duration),
    /// Nothing is left to do.
    Finished,
}

/// Why a leader stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The program ends.
    Asked,
    /// Another holds the Lease, or it is gone or was released by someone.
    Lost {
        /// Who holds it now.
        holder: Option<String>,
    },
    /// It could not be renewed in time.
    NotRenewed,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Asked => f.write_str("it was asked to end"),
            Why::Lost { holder: None } => f.write_str("the lease is gone or was released"),
            Why::Lost {
                holder: Some(holder),
            } => write!(f, "{holder} holds the lease"),
            Why::NotRenewed => f.write_str("the lease could not be renewed in time"),
        }
    }
}

#[derive(Clone, Debug)]
enum State {
    /// Not the leader. `seen` is the last record and when its version was first seen.
    Follower { seen: Option<(Record, Duration)> },
    /// The leader, whose last accepted write was *sent* at `renewed`.
    Leader { record: Record, renewed: Duration },
    /// It has given up or handed over, and does nothing any more.
    Done,
}

/// A candidate.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    state: State,
    /// When the write under way was sent: the Lease counts from then, not from the answer.
    sent: Duration,
    /// Whether the Lease's release is under way.
    releasing: bool,
}

impl Election {
    /// A candidate that is called `identity`, which no other candidate may be.
    pub fn new(identity: String, timing: Timing) -> Election {
        Election {
            identity,
            timing,
            state: State::Follower { seen: None },
            sent: Duration::ZERO,
            releasing: false,
        }
    }

    /// Whether this candidate leads.
    pub fn leads(&self) -> bool {
        matches!(self.state, State::Leader { .. })
    }

    /// Takes note of an event at `now`, the time since any fixed moment, and says what to do.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        if matches!(self.state, State::Done) {
            return match (self.releasing, event) {
                (false, _) | (_, Event::Stop) => Vec::new(),
                // Released, or not: the next leader then waits for the Lease to expire.
                (true, _) => self.finish(),
            };
        }
        match event {
            Event::Stop => self.stop(now),
            Event::Woke => self.attempt(now),
            Event::Read(None) => self.on_absent(now),
            Event::Read(Some(record)) => self.on_read(now, record),
            Event::Written(record) => self.on_written(now, record),
            // The record known is out of date, so the next attempt has to start from a new one.
            Event::Overtaken => self.read(now),
            Event::Failed => self.on_failed(now),
        }
    }

    fn attempt(&mut self, now: Duration) -> Vec<Effect> {
        match &self.state {
            State::Leader { renewed, .. } if now >= *renewed + self.timing.renew_deadline => {
                self.state = State::Done;
                vec![Effect::StopLeading(Why::NotRenewed), Effect::Finished]
            }
            State::Leader { record, .. } => {
                let draft = Draft {
                    acquires: false,
                    ..self.draft(Some(record))
                };
                self.write(now, draft)
            }
            State::Follower { .. } | State::Done => self.read(now),
        }
    }

    fn on_absent(&mut self, now: Duration) -> Vec<Effect> {
        let draft = self.draft(None);
        match self.state {
            // Somebody deleted it: whoever creates it first leads.
            State::Leader { .. } => self.lose(None),
            State::Follower { .. } | State::Done => self.write(now, draft),
        }
    }

    fn on_read(&mut self, now: Duration, record: Record) -> Vec<Effect> {
        let ours = record.holder.as_deref() == Some(self.identity.as_str());
        match &mut self.state {
            State::Leader { record: known, .. } if ours => {
                // A write of ours was applied though its answer never came, or someone edited the Lease.
                *known = record;
                let draft = Draft {
                    acquires: false,
                    ..self.draft(self.known().cloned().as_ref())
                };
                self.write(now, draft)
            }
            State::Leader { .. } => self.lose(record.holder),
            State::Follower { seen } => {
                let since = match seen {
                    Some((known, since)) if known.version == record.version => *since,
                    _ => now,
                };
                // Ours without our leading: a former life of this candidate held it, and is over.
                let free = record.holder.is_none() || ours || now >= since + record.lease;
                let (expires, draft) = (since + record.lease, self.draft(Some(&record)));
                self.state = State::Follower {
                    seen: Some((record, since)),
                };
                match free {
                    true => self.write(now, draft),
                    false => vec![Effect::WakeAt(expires.min(now + self.timing.retry))],
                }
            }
            State::Done => Vec::new(),
        }
    }

    fn on_written(&mut self, now: Duration, record: Record) -> Vec<Effect> {
        let led = self.leads();
        self.state = State::Leader {
            record,
            renewed: self.sent,
        };
        let wake = self.wake(now);
        match led {
            true => vec![wake],
            false => vec![Effect::Lead, wake],
        }
    }

    fn on_failed(&mut self, now: Duration) -> Vec<Effect> {
        match self.state {
            // The write may have been applied, then the version known is not the newest: read first.
            State::Leader { .. } if now < self.deadline() => vec![self.wake(now)],
            State::Leader { .. } => self.attempt(now),
            State::Follower { .. } | State::Done => vec![self.wake(now)],
        }
    }

    fn stop(&mut self, now: Duration) -> Vec<Effect> {
        let record = self.known().cloned();
        let led = self.leads();
        self.state = State::Done;
        match record {
            Some(record) if led => {
                self.releasing = true;
                let release = Draft {
                    replaces: Some(record.version),
                    holder: None,
                    // client-go's value: whoever looks only at the duration need not wait either.
                    lease: Duration::from_secs(1),
                    transitions: record.transitions,
                    acquires: false,
                };
                // In this order: nobody may lead before this candidate has stopped.
                vec![
                    Effect::StopLeading(Why::Asked),
                    Effect::Write(release),
                    Effect::WakeAt(now + self.timing.retry),
                ]
            }
            _ => vec![Effect::Finished],
        }
    }

    fn lose(&mut self, holder: Option<String>) -> Vec<Effect> {
        self.state = State::Done;
        vec![Effect::StopLeading(Why::Lost { holder }), Effect::Finished]
    }

    fn finish(&mut self) -> Vec<Effect> {
        self.releasing = false;
        vec![Effect::Finished]
    }

    fn read(&self, now: Duration) -> Vec<Effect> {
        vec![Effect::Read, self.give_up(now)]
    }

    fn write(&mut self, now: Duration, draft: Draft) -> Vec<Effect> {
        self.sent = now;
        vec![Effect::Write(draft), self.give_up(now)]
    }

    /// The Lease with this candidate as its holder, in the place of `known`.
    fn draft(&self, known: Option<&Record>) -> Draft {
        Draft {
            replaces: known.map(|k| k.version.clone()),
            holder: Some(self.identity.clone()),
            lease: self.timing.lease,
            transitions: known.map_or(0, |k| {
                k.transitions.saturating_add(i32::from(
                    k.holder.as_deref() != Some(self.identity.as_str()),
                ))
            }),
            acquires: true,
        }
    }

    fn known(&self) -> Option<&Record> {
        match &self.state {
            State::Leader { record, .. } => Some(record),
            State::Follower { seen } => seen.as_ref().map(|(record, _)| record),
            State::Done => None,
        }
    }

    /// When a leader must have renewed.
    fn deadline(&self) -> Duration {
        match self.state {
            State::Leader { renewed, .. } => renewed + self.timing.renew_deadline,
            _ => Duration::MAX,
        }
    }

    /// The next attempt, or the deadline if that comes first.
    fn wake(&self, now: Duration) -> Effect {
        Effect::WakeAt((now + self.timing.retry).min(self.deadline()))
    }

    /// The end of patience with a request: early enough that a leader can try another before its deadline.
    fn give_up(&self, now: Duration) -> Effect {
        Effect::WakeAt((now + self.timing.renew_deadline / 2).min(self.deadline()))
    }
}
