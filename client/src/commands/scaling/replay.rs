//! `dasklike scaling replay`: yesterday's work under another policy.

use crate::commands::{print, print_json};
use anyhow::{Context, Result, ensure};
use dasklike_scaling::replay::{Replay, by_pool};
use dasklike_scaling::simulate::Report;
use dasklike_scaling::{Policy, parse};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Simulate the work in an operator's log under a policy; print a timeline and its cost
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// The operator's log, as `kubectl logs` gives it; - for stdin. Lines that are no decisions are passed over
    #[arg(value_name = "FILE")]
    log: PathBuf,
    /// A pool's `autoscaling` as YAML or JSON: a file, or the text itself [default: the policy in the log]
    #[arg(long, value_name = "FILE_OR_TEXT")]
    policy: Option<String>,
    /// Only this cluster, as namespace/name
    #[arg(long, value_name = "NAMESPACE/NAME")]
    cluster: Option<String>,
    /// Only this pool
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// Print JSON, one line for each pool
    #[arg(long)]
    json: bool,
}

impl ReplayArgs {
    pub(crate) fn run(self) -> Result<()> {
        let policy = self.policy.as_deref().map(policy).transpose()?;
        let asked = |name: &Option<String>, value: &str| name.as_deref().is_none_or(|n| n == value);
        let mut records = parse(&read(&self.log)?)?;
        records.retain(|r| asked(&self.cluster, &r.cluster) && asked(&self.pool, &r.pool));
        ensure!(
            !records.is_empty(),
            "{} has no scaling decision{}: expected the operator's log in JSON, of a cluster with `autoscaling`",
            self.log.display(),
            match self.cluster.is_some() || self.pool.is_some() {
                true => " of the cluster and pool that you ask for",
                false => "",
            }
        );
        for (name, records) in by_pool(records) {
            let replay = Replay::new(&records)?;
            let last = records.last().context("a group has members")?;
            let policy = policy.as_ref().unwrap_or(&last.policy);
            let report = replay.run(policy);
            match self.json {
                true => print_json(&as_json(&name, policy, &replay, &report))?,
                false => print(&as_text(&name, policy, &replay, &report))?,
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().read_to_string(&mut text).map(|_| text),
        false => std::fs::read_to_string(path),
    };
    read.with_context(|| format!("cannot read {}", path.display()))
}

fn policy(given: &str) -> Result<Policy> {
    let path = Path::new(given);
    let text = match path.is_file() {
        true => read(path)?,
        false => given.to_owned(),
    };
    serde_saphyr::from_str(&text).with_context(|| {
        format!("{given:?} is neither a file nor a policy like {{minReplicas: 0, maxReplicas: 5}}")
    })
}

fn as_text(name: &str, policy: &Policy, replay: &Replay, report: &Report) -> String {
    let recorded = replay.recorded();
    let mut text = format!("{name}, {} to {} workers\n\n", policy.min(), policy.max());
    text.push_str("TIME                  TASKS  SLOT-SECONDS  WORKERS  DRAINING  WANTED  WHY\n");
    for frame in &report.timeline {
        let why = frame.reason.as_ref().map_or("", |reason| reason.name());
        text.push_str(&format!(
            "{:.0}  {:>5}  {:>12.1}  {:>7}  {:>8}  {:>6}  {why}\n",
            frame.time,
            frame.demand.tasks(),
            frame.demand.queue_seconds.get(),
            frame.workers,
            frame.draining,
            frame.replicas,
        ));
    }
    text.push_str(&format!(
        "\n{:<42}{:>12}{:>12}\n",
        "", "replayed", "in the log"
    ));
    let rows = [
        (
            "pod-seconds",
            report.pod_seconds,
            Some(recorded.pod_seconds),
        ),
        ("seconds that jobs waited", report.waiting_seconds, None),
        (
            "changes of the number of workers",
            f64::from(report.scale_events()),
            Some(f64::from(recorded.scale_events)),
        ),
        (
            "slot-seconds computed again",
            report.rerun_scaled_seconds,
            None,
        ),
    ];
    for (what, ours, theirs) in rows {
        let theirs = theirs.map_or_else(|| "-".to_owned(), |number| format!("{number:.1}"));
        text.push_str(&format!("{what:<42}{ours:>12.1}{theirs:>12}\n"));
    }
    text
}

fn as_json(name: &str, policy: &Policy, replay: &Replay, report: &Report) -> Value {
    let recorded = replay.recorded();
    let frames = report.timeline.iter().map(|frame| {
        json!({
            "time": frame.time.to_string(),
            "tasks": frame.demand.tasks(),
            "slot_seconds": frame.demand.queue_seconds.get(),
            "workers": frame.workers,
            "draining": frame.draining,
            "wanted": frame.replicas,
            "why": frame.reason.as_ref().map(|reason| reason.name()),
        })
    });
    json!({
        "pool": name,
        "policy": policy,
        "pod_seconds": report.pod_seconds,
        "waiting_seconds": report.waiting_seconds,
        "changes": report.scale_events(),
        "slot_seconds_computed_again": report.rerun_scaled_seconds,
        "recorded": {"pod_seconds": recorded.pod_seconds, "changes": recorded.scale_events},
        "timeline": frames.collect::<Vec<_>>(),
    })
}
