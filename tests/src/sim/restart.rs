//! The scheduler dies, and another begins with what the journal has.

use super::cluster::{Happening, MS, Sim};
use super::user::User;
use dasklike_graph::protocol::{Epoch, JobId};
use dasklike_scheduler::core as scheduler;
use dasklike_scheduler::core::event::Event;
use dasklike_scheduler::core::journal::Record;
use std::collections::BTreeMap;

/// What the journal was told, in order.
pub(super) enum Written {
    Keep(JobId, Record),
    Drop(JobId),
}

impl Sim {
    pub(super) fn restart_scheduler(&mut self) {
        // The last of it may not have reached the disk.
        let lost = self.rng.range(0, 4) as usize;
        self.journal
            .truncate(self.journal.len().saturating_sub(lost));
        self.count_totals();
        let epoch = Epoch(self.scheduler.epoch().0.wrapping_add(1));
        self.scheduler = scheduler::State::new(self.config.clone(), epoch);
        self.alarm = u64::MAX;
        for m in 0..self.machines.len() {
            if let Some(worker) = self.machines[m].connection {
                self.close(worker);
            }
        }
        for (job, records) in self.files() {
            for record in records {
                if let Record::Done(commit) = &record {
                    let tiles = commit.ranges.iter().map(|(_, r)| r.end - r.start);
                    self.report.restored += tiles.sum::<u64>();
                }
                self.tell_scheduler(Event::Restore { job, record });
                self.check();
            }
        }
        // Who waited asks again for the same.
        for number in 0..self.users.len() {
            let user = &self.users[number];
            if user.job.is_some() && !user.gone && user.end.is_none() {
                let asks = User::new(user.template, &self.templates[user.template]);
                let may_be_cancelled = user.may_be_cancelled;
                self.users[number] = User {
                    may_be_cancelled,
                    ..asks
                };
                self.later(MS, 500 * MS, Happening::Submit(number));
            }
        }
    }

    /// The journal's files as the next scheduler finds them.
    fn files(&self) -> BTreeMap<JobId, Vec<Record>> {
        let mut files: BTreeMap<JobId, Vec<Record>> = BTreeMap::new();
        for written in &self.journal {
            match written {
                Written::Keep(job, record @ Record::Begun(_)) => {
                    files.insert(*job, vec![record.clone()]);
                }
                Written::Keep(job, record) => {
                    let file = files
                        .get_mut(job)
                        .expect("a job's first record is that it began");
                    file.push(record.clone());
                }
                Written::Drop(job) => drop(files.remove(job)),
            }
        }
        files
    }
}
