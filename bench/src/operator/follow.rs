//! Many clusters that follow their work, on kwok's fake nodes: work comes to all of them in one moment, and each must
//! soon be told to grow.

use super::clusters::{Clusters, api, name};
use super::process::{Operator, OperatorProcess};
use super::schedulers::{self, Schedulers, Work};
use crate::report::{Report, Target};
use anyhow::{Context, Result, bail};
use clap::Args;
use futures::TryStreamExt;
use kube::Client;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Nothing takes longer, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);
/// The most workers of a cluster: it has work for all of them.
const MOST: i64 = 3;

/// What to measure.
#[derive(Args)]
pub(crate) struct FollowArgs {
    /// Clusters
    #[arg(long, default_value_t = 200)]
    clusters: usize,
    /// A range that holds the addresses of kwok's pods, which become this machine's; needs root
    #[arg(long, default_value = "10.0.0.0/16")]
    scripted_schedulers: String,
    #[command(flatten)]
    operator: OperatorProcess,
}

/// `dasklike-bench follow`.
pub(crate) fn run(args: &FollowArgs) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(async {
        let client = args.operator.client().await?;
        let clusters = Clusters::prepare(&client, args.clusters, 0).await?;
        let clusters = clusters.autoscaled(json!({"maxReplicas": MOST}));
        let schedulers = schedulers::start(&client, &args.scripted_schedulers, Work::None).await?;
        let operator = Operator::start(&args.operator).await?;
        let outcome = measure(args, &client, &clusters, &schedulers, &operator).await;
        if outcome.is_err() {
            operator.show_log();
        }
        drop(operator);
        clusters.remove(&client).await?;
        outcome?.print()
    })
}

async fn measure(
    args: &FollowArgs,
    client: &Client,
    clusters: &Clusters,
    schedulers: &Schedulers,
    operator: &Operator,
) -> Result<Report> {
    clusters.apply(client).await?;
    clusters.wait_until_ready(client).await?;
    let heard = async {
        while schedulers.open() < args.clusters {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, heard)
        .await
        .with_context(|| {
            format!(
                "the operator hears {} of {} schedulers",
                schedulers.open(),
                args.clusters
            )
        })?;
    let before = operator.settled().await?;
    let (began_to_watch, watching) = oneshot::channel();
    let watch = tokio::spawn(grown(client.clone(), args.clusters, began_to_watch));
    watching.await.context("the watch has ended")?;
    let began = Instant::now();
    schedulers.say(Work::Long);
    let grown = tokio::time::timeout(PATIENCE, watch).await???;
    // The pods come after the words.
    let after = operator.settled().await?;
    let used = after.usage.cpu.saturating_sub(before.usage.cpu);
    let mut seconds: Vec<f64> = grown
        .iter()
        .map(|moment| moment.duration_since(began).as_secs_f64())
        .collect();
    seconds.sort_by(f64::total_cmp);
    let quantile = |share: f64| seconds[((seconds.len() - 1) as f64 * share).round() as usize];
    let mut report = Report::new(
        "follow",
        "work comes to many autoscaled clusters at once: until each wants more workers, as a watcher of the statuses sees it",
    );
    report.fact(
        "clusters",
        format_args!("{} of 0 to {MOST} workers", args.clusters),
    );
    report.figure(
        "\nuntil the wanted number is raised, p50",
        quantile(0.5),
        " s",
        Target::None,
    );
    report.figure("p90", quantile(0.9), " s", Target::None);
    report.figure("p99", quantile(0.99), " s", Target::AtMost(1.0));
    report.figure(
        &format!(
            "operator's processor time for it, {} pods made included",
            args.clusters * 3
        ),
        used.as_secs_f64(),
        " s",
        Target::None,
    );
    report.figure(
        "operator's peak memory",
        operator.usage()?.peak_megabytes,
        " MB",
        Target::None,
    );
    Ok(report)
}

/// When each cluster first wanted all of its workers.
async fn grown(
    client: Client,
    clusters: usize,
    begun: oneshot::Sender<()>,
) -> Result<Vec<Instant>> {
    let mut begun = Some(begun);
    let mut when: BTreeMap<String, Instant> = BTreeMap::new();
    let mut listed = 0;
    let mut seen = Box::pin(watcher(api(&client), watcher::Config::default()).applied_objects());
    while let Some(cluster) = seen.try_next().await? {
        listed += 1;
        if listed == clusters {
            // Nobody listens any more only if the benchmark has failed.
            let _ = begun.take().map(|begun| begun.send(()));
        }
        if cluster.data["status"]["desiredReplicas"] == MOST {
            let found = cluster.metadata.name.unwrap_or_default();
            when.entry(found).or_insert_with(Instant::now);
        }
        if when.len() == clusters {
            return Ok(when.into_values().collect());
        }
    }
    bail!(
        "the watch has ended; the last cluster is {}",
        name(clusters - 1)
    )
}
