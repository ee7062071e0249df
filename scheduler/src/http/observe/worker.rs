//! Workers' pictures, and those that were lost.

use super::{Names, Origin};
use crate::core::ids::{PoolName, WorkerId};
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
    /// Why slots were idle, over all workers that ever were. Without work counts only while there was work to
    /// give.
    idle: IdleTimes,
    /// Since when there has been work to give, in each pool that has some.
    ready_since_us: BTreeMap<PoolName, u64>,
}

#[derive(Debug)]
struct WorkerRecord {
    shown: Worker,
    /// As the last heartbeat said, which was heard at that moment.
    idle: IdleTimes,
    cpu_ns: u64,
    heartbeat_us: u64,
}

impl Workers {
    /// Takes note of all workers; what it gives is what to say of those that were lost.
    pub(super) fn look(&mut self, state: &State, origin: Origin, now_us: u64) -> Vec<ErrorLine> {
        let queues = state.queues();
        let ready = |pool: &PoolName| queues.get(pool).is_some_and(|q| q.ready > 0);
        self.ready_since_us.retain(|pool, _| ready(pool));
        for pool in queues.keys().filter(|pool| ready(pool)) {
            self.ready_since_us.entry(pool.clone()).or_insert(now_us);
        }
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
        let (idle, cpu_ns, heartbeat_us) = before.map_or((IdleTimes::default(), 0, now_us), |r| {
            (r.idle, r.cpu_ns, r.heartbeat_us)
        });
        // A slot without work waited for the scheduler only if there was work all the time.
        if self
            .ready_since_us
            .get(&view.hello.pool)
            .is_some_and(|since| *since <= heartbeat_us)
        {
            self.idle.work_ns += heard.idle.work_ns.saturating_sub(idle.work_ns);
        }
        self.idle.fetch_ns += heard.idle.fetch_ns.saturating_sub(idle.fetch_ns);
        self.idle.memory_ns += heard.idle.memory_ns.saturating_sub(idle.memory_ns);
        let is_new = (heard.idle, heard.cpu_ns) != (idle, cpu_ns);
        let cpu_percent = match before {
            Some(r) if !is_new => r.shown.cpu_percent,
            // The first heartbeat tells the CPU time since the process started, which is not of now.
            Some(_) if cpu_ns > 0 => {
                let micros = now_us.saturating_sub(heartbeat_us).max(1) as f64;
                let spent = heard.cpu_ns.saturating_sub(cpu_ns) as f64 / 1e3;
                (spent / micros * 1000.0).round() / 10.0
            }
            _ => 0.0,
        };
        let busy = view.busy_slots();
        let shown = Worker {
            name: name.to_string(),
            pool: view.hello.pool.to_string(),
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
            idle_since_us: view.idle_since.map(|since| origin.us(since)),
            last_seen_us: origin.us(view.last_heard),
        };
        let heartbeat_us = if is_new { now_us } else { heartbeat_us };
        let record = WorkerRecord {
            shown,
            idle: heard.idle,
            cpu_ns: heard.cpu_ns,
            heartbeat_us,
        };
        self.records.insert(view.id, record);
    }

    /// Why slots were idle since the scheduler started; without work, only while there was work to give.
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
