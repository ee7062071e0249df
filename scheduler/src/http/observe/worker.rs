//! Workers' pictures, and those that were lost.

use super::{Names, Origin, POOL};
use crate::core::ids::WorkerId;
use crate::core::{State, WorkerView};
use crate::http::snapshot::{ErrorLine, Worker, WorkerState};
use dasklike_graph::protocol::IdleTimes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a lost worker is shown.
const LOST_SHOWN_US: u64 = 120_000_000;

/// Names are remembered for so many workers, so that spans of those that are gone have one.
const NAMES_LIMIT: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Workers {
    records: BTreeMap<WorkerId, WorkerRecord>,
    names: Names,
    /// Why slots were idle, over all workers that ever were.
    idle: IdleTimes,
}

#[derive(Debug)]
struct WorkerRecord {
    shown: Worker,
    idle: IdleTimes,
    /// The latest CPU time of its process, and when it was first heard.
    cpu: (u64, u64),
}

impl Workers {
    /// Takes note of all workers; what it gives is what to say of those that were lost.
    pub(super) fn look(&mut self, state: &State, origin: Origin, now_us: u64) -> Vec<ErrorLine> {
        let mut here = BTreeMap::new();
        for view in state.workers() {
            here.insert(view.id, ());
            self.note(&view, origin, now_us);
        }
        let mut lines = Vec::new();
        for (id, record) in &mut self.records {
            let worker = &mut record.shown;
            if here.contains_key(id) || worker.state == WorkerState::Lost {
                continue;
            }
            if worker.state == WorkerState::Connected {
                lines.push(ErrorLine {
                    at_us: now_us,
                    job: None,
                    worker: Some(worker.name.clone()),
                    message: format!(
                        "the worker is gone without having drained; what it had not committed, of {} tasks that it \
                         held, runs again on others",
                        worker.queued_tasks + u64::from(worker.busy)
                    ),
                });
            }
            worker.state = WorkerState::Lost;
            (
                worker.busy,
                worker.queued_tasks,
                worker.cpu_percent,
                worker.reserved_bytes,
            ) = (0, 0, 0.0, 0);
        }
        self.records.retain(|_, r| {
            r.shown.state != WorkerState::Lost || now_us < r.shown.last_seen_us + LOST_SHOWN_US
        });
        lines
    }

    fn note(&mut self, view: &WorkerView<'_>, origin: Origin, now_us: u64) {
        if !self.names.contains_key(&view.id) {
            let taken = self
                .records
                .values()
                .any(|r| r.shown.name == view.hello.name);
            let name = if taken {
                format!("{} ({})", view.hello.name, view.id.0)
            } else {
                view.hello.name.clone()
            };
            self.names.insert(view.id, name.into());
            if self.names.len() > NAMES_LIMIT {
                self.names.pop_first();
            }
        }
        let name = self
            .names
            .get(&view.id)
            .cloned()
            .unwrap_or_else(|| view.hello.name.as_str().into());
        let heard = view.heartbeat;
        let before = self.records.get(&view.id);
        let idle = before.map(|r| r.idle).unwrap_or_default();
        self.idle.work_ns += heard.idle.work_ns.saturating_sub(idle.work_ns);
        self.idle.fetch_ns += heard.idle.fetch_ns.saturating_sub(idle.fetch_ns);
        self.idle.memory_ns += heard.idle.memory_ns.saturating_sub(idle.memory_ns);
        let (cpu, cpu_percent) = match before {
            Some(r) if r.cpu.0 == heard.cpu_ns => (r.cpu, r.shown.cpu_percent),
            Some(r) if r.cpu.0 > 0 => {
                let seconds = now_us.saturating_sub(r.cpu.1).max(1) as f64 / 1e6;
                let spent = heard.cpu_ns.saturating_sub(r.cpu.0) as f64 / 1e9;
                (
                    (heard.cpu_ns, now_us),
                    (spent / seconds * 1000.0).round() / 10.0,
                )
            }
            _ => ((heard.cpu_ns, now_us), 0.0),
        };
        // Heartbeats are rare beside tasks: who holds tiles and said nothing yet is taken to work on them.
        let holds = u32::try_from(view.tiles).unwrap_or(u32::MAX);
        let most = view.hello.slots.min(holds);
        let busy = if heard.busy == 0 {
            most
        } else {
            heard.busy.min(most)
        };
        let shown = Worker {
            name: name.to_string(),
            pool: POOL.to_owned(),
            state: if view.draining {
                WorkerState::Draining
            } else {
                WorkerState::Connected
            },
            slots: view.hello.slots,
            busy,
            cpu_percent,
            resident_bytes: heard.resident_bytes,
            reserved_bytes: heard.reserved_bytes,
            limit_bytes: view.hello.memory_limit,
            stored_bytes: view.stats.stored_bytes,
            decoded_bytes: view.stats.decoded_bytes,
            tasks_done: view.stats.tiles,
            queued_tasks: view.tiles.saturating_sub(u64::from(busy)),
            last_seen_us: origin.us(view.last_heard),
        };
        self.records.insert(
            view.id,
            WorkerRecord {
                shown,
                idle: heard.idle,
                cpu,
            },
        );
    }

    /// Why slots were idle since the scheduler started.
    pub(super) fn idle(&self) -> IdleTimes {
        self.idle
    }

    pub(super) fn name(&self, id: WorkerId) -> Option<Arc<str>> {
        self.names.get(&id).cloned()
    }

    pub(super) fn draw(&self) -> Vec<Worker> {
        self.records.values().map(|r| r.shown.clone()).collect()
    }
}
