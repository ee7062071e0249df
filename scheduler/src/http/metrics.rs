//! `/metrics`: the snapshot in Prometheus' text format.
//!
//! A scrape builds its families from the snapshot and drops them: there is no second set of counters that could
//! disagree with what the dashboard shows.

use crate::http::snapshot::{JobState, Limit, Snapshot, WorkerState};
use prometheus::{CounterVec, GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};
use std::collections::BTreeMap;

/// The text of `/metrics`.
pub fn text(snapshot: &Snapshot) -> Result<String, prometheus::Error> {
    let families = Families {
        registry: Registry::new(),
    };
    families.queue(snapshot)?;
    families.workers(snapshot)?;
    families.totals(snapshot)?;
    families.jobs(snapshot)?;
    families.limit(snapshot)?;
    TextEncoder::new().encode_to_string(&families.registry.gather())
}

struct Families {
    registry: Registry,
}

impl Families {
    fn gauge(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<GaugeVec, prometheus::Error> {
        let family = GaugeVec::new(Opts::new(name, help), labels)?;
        self.registry.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn counter(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let family = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.registry.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn queue(&self, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
        let tasks = self.gauge(
            "dasklike_queue_tasks",
            "Tasks of unfinished jobs.",
            &["pool", "state"],
        )?;
        let seconds = self.gauge(
            "dasklike_queue_seconds",
            "Slot time that ready and running tasks still need, as estimated.",
            &["pool"],
        )?;
        let held = self.gauge(
            "dasklike_held_bytes",
            "Bytes that workers keep for later tasks, which would be lost with them.",
            &["pool"],
        )?;
        for pool in &snapshot.pools {
            let name = pool.name.as_str();
            tasks
                .with_label_values(&[name, "ready"])
                .set(pool.ready_tasks as f64);
            tasks
                .with_label_values(&[name, "running"])
                .set(pool.running_tasks as f64);
            tasks
                .with_label_values(&[name, "blocked"])
                .set(pool.blocked_tasks as f64);
            seconds.with_label_values(&[name]).set(pool.queue_seconds);
            // Workers keep nothing between tasks: what they compute leaves with the commit.
            held.with_label_values(&[name]).set(0.0);
        }
        Ok(())
    }

    fn workers(&self, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
        let workers = self.gauge("dasklike_workers", "Workers.", &["pool", "state"])?;
        let slots = self.gauge(
            "dasklike_worker_slots",
            "Slots of workers.",
            &["pool", "state"],
        )?;
        let memory = self.gauge(
            "dasklike_worker_memory_bytes",
            "Memory of a worker.",
            &["worker", "kind"],
        )?;
        let idle = self.gauge(
            "dasklike_worker_idle_since_timestamp_seconds",
            "When a worker had its last task; none while it has one.",
            &["pool", "worker"],
        )?;
        let pools = snapshot.pools.iter().map(|p| p.name.as_str());
        // A series that is zero is there from the start, so that a rate or an alert on it works.
        for pool in pools.chain(snapshot.workers.iter().map(|w| w.pool.as_str())) {
            for state in ["connected", "draining"] {
                workers.with_label_values(&[pool, state]);
            }
            for state in ["busy", "idle"] {
                slots.with_label_values(&[pool, state]);
            }
        }
        for worker in &snapshot.workers {
            let state = match worker.state {
                WorkerState::Connected => "connected",
                WorkerState::Draining => "draining",
                WorkerState::Lost => continue,
            };
            workers
                .with_label_values(&[worker.pool.as_str(), state])
                .inc();
            let busy = worker.busy.min(worker.slots);
            slots
                .with_label_values(&[worker.pool.as_str(), "busy"])
                .add(f64::from(busy));
            slots
                .with_label_values(&[worker.pool.as_str(), "idle"])
                .add(f64::from(worker.slots - busy));
            let name = worker.name.as_str();
            if let Some(since) = worker.idle_since_us {
                idle.with_label_values(&[worker.pool.as_str(), name])
                    .set(since as f64 / 1e6);
            }
            memory
                .with_label_values(&[name, "reserved"])
                .set(worker.reserved_bytes as f64);
            memory
                .with_label_values(&[name, "resident"])
                .set(worker.resident_bytes as f64);
            memory
                .with_label_values(&[name, "limit"])
                .set(worker.limit_bytes as f64);
        }
        Ok(())
    }

    fn totals(&self, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
        let totals = &snapshot.totals;
        let tasks = self.counter(
            "dasklike_tasks_total",
            "Tasks that ended.",
            &["op", "result"],
        )?;
        for t in &totals.tasks {
            tasks
                .with_label_values(&[t.op.as_str(), t.result.name()])
                .inc_by(t.count);
        }
        let opts = Opts::new(
            "dasklike_task_seconds_total",
            "Time of tasks by what they spent it on.",
        );
        let seconds = CounterVec::new(opts, &["op", "phase"])?;
        self.registry.register(Box::new(seconds.clone()))?;
        for t in &totals.seconds {
            seconds
                .with_label_values(&[t.op.as_str(), t.phase.name()])
                .inc_by(t.seconds.max(0.0));
        }
        let read = self.counter(
            "dasklike_read_bytes_total",
            "Bytes of chunks read.",
            &["kind"],
        )?;
        read.with_label_values(&["stored"])
            .inc_by(totals.stored_bytes);
        read.with_label_values(&["decoded"])
            .inc_by(totals.decoded_bytes);
        let reruns = self.counter(
            "dasklike_tasks_rerun_total",
            "Tasks that had to run again.",
            &["cause"],
        )?;
        for t in &totals.reruns {
            reruns.with_label_values(&[t.cause.name()]).inc_by(t.count);
        }
        Ok(())
    }

    fn jobs(&self, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
        let family = self.gauge(
            "dasklike_jobs",
            "Jobs that the scheduler remembers.",
            &["state"],
        )?;
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for name in ["queued", "running", "finished", "failed", "cancelled"] {
            counts.insert(name, 0);
        }
        for job in &snapshot.jobs {
            let name = match job.state {
                JobState::Queued => "queued",
                JobState::Running => "running",
                JobState::Finished => "finished",
                JobState::Failed => "failed",
                JobState::Cancelled => "cancelled",
            };
            *counts.entry(name).or_default() += 1;
        }
        for (name, count) in counts {
            family.with_label_values(&[name]).set(count as f64);
        }
        Ok(())
    }

    fn limit(&self, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
        let family = self.gauge(
            "dasklike_limit",
            "Share of slot time that each limit took lately; the largest one binds.",
            &["limit"],
        )?;
        for limit in Limit::ALL {
            family
                .with_label_values(&[limit.name()])
                .set(snapshot.limit.share(limit));
        }
        Ok(())
    }
}
