//! Ways in which work goes away: a job ends, the connection is lost, the worker is to go.

use super::effect::Effect;
use super::{Draining, State};
use dasklike_graph::protocol::{AssignmentId, JobId, ToScheduler};
use std::collections::BTreeMap;
use std::ops::Range;

impl State {
    /// Forgets a job. Its tasks on slots run to their end unheard.
    pub(super) fn free(&mut self, job: JobId, out: &mut Vec<Effect>) {
        self.unqueue(|of| of == job, out);
        for running in self
            .slots
            .iter_mut()
            .flatten()
            .filter(|r| r.task.job == job)
        {
            running.stale = true;
        }
        self.reports.retain(|(of, _), _| *of != job);
        self.sealed.retain(|s| s.commit.job != job);
        self.pushes.retain(|_, p| {
            let goes = p.job == job;
            self.reserved -= if goes { p.bytes } else { 0 };
            !goes
        });
        self.jobs.remove(&job);
        out.push(Effect::Forget { job });
    }

    pub(super) fn disconnected(&mut self, out: &mut Vec<Effect>) {
        self.session = None;
        self.wake = None;
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in jobs {
            self.free(job, out);
        }
    }

    /// Gives back all that has not started, and takes nothing more.
    pub(super) fn drain(&mut self, out: &mut Vec<Effect>) {
        if self.draining != Draining::No {
            return;
        }
        self.draining = Draining::Yes;
        let mut back: BTreeMap<AssignmentId, Vec<Range<u64>>> = BTreeMap::new();
        for a in self.ahead.drain(..) {
            self.reserved -= a.encoded;
            out.push(Effect::DropFetch { fetch: a.fetch });
            back.entry(a.assignment)
                .or_default()
                .push(a.task.tile.0..a.task.tile.0 + 1);
        }
        for q in self
            .local
            .drain(..)
            .chain(self.remote.drain(..))
            .filter(|q| q.next < q.end)
        {
            back.entry(q.id).or_default().push(q.next..q.end);
        }
        self.queued = 0;
        for (assignment, ranges) in back {
            for range in ranges {
                out.push(Effect::Send(ToScheduler::Revoked { assignment, range }));
            }
        }
    }

    /// Says so when a draining worker has nothing left.
    pub(super) fn finish_drain(&mut self, out: &mut Vec<Effect>) {
        let busy = self.slots.iter().flatten().any(|r| !r.stale)
            || !self.reports.is_empty()
            || !self.sealed.is_empty();
        if self.draining != Draining::Yes || busy {
            return;
        }
        self.draining = Draining::Done;
        if self.session.is_some() {
            out.push(Effect::Send(ToScheduler::Drained));
        }
        out.push(Effect::Exit);
    }
}
