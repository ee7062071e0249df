//! When a tile may start: a slot is free, its bytes are there, and what it declares fits into memory.

use super::effect::{Effect, FetchId, Task};
use super::queue::{Ahead, front};
use super::{Running, State, WaitsFor};
use dasklike_graph::protocol::{AssignmentId, TaskError};
use dasklike_graph::stage::Tile;

/// A tile that could start.
struct Candidate {
    task: Task,
    assignment: AssignmentId,
    peak: u64,
    /// Where it is in `ahead`, and what its bytes hold already.
    fetch: Option<(usize, FetchId, u64)>,
}

impl State {
    /// Starts and fetches what can be.
    pub(super) fn pump(&mut self, out: &mut Vec<Effect>) {
        while self.start_one(out) {}
        self.fetch_ahead(out);
    }

    fn start_one(&mut self, out: &mut Vec<Effect>) -> bool {
        let Some((slot, since)) = self.idle.last().copied() else {
            return false;
        };
        let Some(next) = self.next_candidate() else {
            self.waits_for = if self.ahead.is_empty() {
                WaitsFor::Work
            } else {
                WaitsFor::Fetch
            };
            return false;
        };
        let held = next.fetch.map_or(0, |f| f.2);
        if self.reserved - held + next.peak > self.config.memory_limit
            && !self.make_room(&next, out)
        {
            // Later tiles might fit, but then this one could wait for ever.
            self.waits_for = WaitsFor::Memory;
            return false;
        }
        match next.fetch {
            Some((at, ..)) => drop(self.ahead.remove(at)),
            None => {
                if let Some(q) = front(&mut self.local) {
                    q.next += 1;
                }
            }
        }
        self.queued -= 1;
        self.reserved = self.reserved - held + next.peak;
        self.idle.pop();
        let wait_ns = if self.waits_for == WaitsFor::Work {
            0
        } else {
            self.now.since(since)
        };
        let Candidate {
            task,
            assignment,
            peak,
            fetch,
        } = next;
        self.slots[slot.0 as usize] = Some(Running {
            task,
            assignment,
            since: self.now,
            wait_ns,
            reserved: peak,
            stale: false,
        });
        out.push(Effect::Start {
            slot,
            task,
            assignment,
            fetch: fetch.map(|f| f.1),
        });
        true
    }

    /// The first tile whose bytes are at hand, in the order of assignments.
    fn next_candidate(&mut self) -> Option<Candidate> {
        let held = self
            .ahead
            .iter()
            .enumerate()
            .find(|(_, a)| a.held)
            .map(|(i, a)| Candidate {
                task: a.task,
                assignment: a.assignment,
                peak: a.peak,
                fetch: Some((i, a.fetch, a.encoded)),
            });
        let local = front(&mut self.local).map(|q| Candidate {
            task: Task {
                job: q.job,
                stage: q.stage,
                tile: Tile(q.next),
            },
            assignment: q.id,
            peak: q.peak,
            fetch: None,
        });
        match (held, local) {
            (Some(h), Some(l)) => Some(if h.assignment < l.assignment { h } else { l }),
            (h, l) => h.or(l),
        }
    }

    /// With no task running, only fetches and blocks on their way are in the way of a start. Blocks leave by
    /// themselves; fetches are undone, the last ones first, and done again later.
    fn make_room(&mut self, next: &Candidate, out: &mut Vec<Effect>) -> bool {
        if self.slots.iter().any(Option::is_some) {
            return false;
        }
        let fits = |s: &State| {
            s.reserved - next.fetch.map_or(0, |f| f.2) + next.peak <= s.config.memory_limit
        };
        while !fits(self) {
            let mine = next.fetch.map(|f| f.1);
            let Some(at) = self.ahead.iter().rposition(|a| Some(a.fetch) != mine) else {
                return false;
            };
            // Removing behind the candidate keeps its place valid; one before it means it is the last.
            if next.fetch.is_some_and(|f| at < f.0) {
                return false;
            }
            let Some(a) = self.ahead.remove(at) else {
                return false;
            };
            self.reserved -= a.encoded;
            out.push(Effect::DropFetch { fetch: a.fetch });
            self.unfetch(a);
        }
        true
    }

    /// Puts a tile whose fetch was undone back to the front of what is to be fetched.
    fn unfetch(&mut self, a: Ahead) {
        let (id, tile) = (a.assignment, a.task.tile.0);
        match self
            .remote
            .front_mut()
            .filter(|q| q.id == id && q.next == tile + 1)
        {
            Some(q) => q.next = tile,
            None => self.remote.push_front(super::queue::Queued {
                id,
                job: a.task.job,
                stage: a.task.stage,
                next: tile,
                end: tile + 1,
                peak: a.peak,
                encoded: a.encoded,
            }),
        }
    }

    /// Starts fetches for the tiles that come next, as far as memory allows beside one more task.
    fn fetch_ahead(&mut self, out: &mut Vec<Effect>) {
        if self.remote.is_empty() {
            return;
        }
        let mut under_way = self.ahead.iter().filter(|a| !a.held).count();
        while under_way < self.config.fetches && self.ahead.len() < self.config.fetched_tiles {
            let nothing_else = self.ahead.is_empty() && self.slots.iter().all(Option::is_none);
            let Some(q) = front(&mut self.remote) else {
                return;
            };
            let fits = self.reserved + q.encoded + q.peak <= self.config.memory_limit;
            if !fits && !nothing_else {
                return;
            }
            let task = Task {
                job: q.job,
                stage: q.stage,
                tile: Tile(q.next),
            };
            q.next += 1;
            let (assignment, peak, encoded) = (q.id, q.peak, q.encoded);
            let fetch = FetchId(self.next_fetch);
            self.next_fetch += 1;
            self.reserved += encoded;
            self.ahead.push_back(Ahead {
                fetch,
                task,
                assignment,
                held: false,
                peak,
                encoded,
            });
            under_way += 1;
            out.push(Effect::Fetch { fetch, task });
        }
    }

    pub(super) fn fetched(
        &mut self,
        fetch: FetchId,
        result: Result<(), TaskError>,
        out: &mut Vec<Effect>,
    ) {
        // Fetches are numbered in the order of `ahead`, but for the few that were undone and done again.
        let Some(a) = self.ahead.iter_mut().find(|a| a.fetch == fetch) else {
            return;
        };
        match result {
            Ok(()) => a.held = true,
            Err(error) => {
                let task = a.task;
                self.fail(task.job, Some(task), error, out);
            }
        }
    }
}
