//! The operator on a cluster of kwok's fake nodes, against a bare client that creates the very same objects as fast
//! as the API server takes them.
//!
//! The operator goes first. What it made is read back and, stripped of what the API server added, is what the bare
//! client creates in another namespace, in the same run and with as many requests in flight.

mod bare;
mod child;
mod clusters;
pub(crate) mod follow;
mod kuberay;
mod pods;
mod process;
mod schedulers;
pub(crate) mod wake;

use crate::report::{Report, Target};
use anyhow::{Context, Result, ensure};
use clap::Args;
use clusters::Clusters;
use kube::Client;
use kuberay::{Size, Taken};
use pods::PodCount;
use process::{Operator, OperatorProcess};
use schedulers::Work;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Clusters that are scaled, one after the other.
const SCALED: usize = 5;

/// Requests that either side of a ratio has in flight.
const IN_FLIGHT: usize = 64;

/// What is asked for of some sizes.
struct Targets {
    /// Of one cluster alone its own time is asked for.
    ratio: Target,
    running: Target,
    cpu: Target,
    memory: Target,
}

impl Targets {
    fn of(args: &OperatorArgs) -> Targets {
        let only = |size, target| match (args.clusters, args.workers) == size {
            true => target,
            false => Target::None,
        };
        Targets {
            ratio: match args.clusters {
                1 => Target::None,
                _ => Target::AtMost(1.5),
            },
            running: only((1, 3), Target::AtMost(0.25)),
            cpu: only((100, 3), Target::AtMost(0.5)),
            memory: match (args.clusters, args.workers) {
                (100, 3) => Target::AtMost(20.0),
                (1000, 1) => Target::AtMost(40.0),
                (1000, 9) => Target::AtMost(64.0),
                _ => Target::None,
            },
        }
    }
}

/// What to measure.
#[derive(Args)]
pub(crate) struct OperatorArgs {
    /// Clusters, applied at once
    #[arg(long, default_value_t = 100)]
    clusters: usize,
    /// Workers of each
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// Then scale one of them to so many workers; 0 for not at all
    #[arg(long, default_value_t = 200)]
    scale_to: usize,
    /// How long the settled system is watched
    #[arg(long, default_value_t = 60)]
    settled_seconds: u64,
    /// Make every address of this range one of this machine's, and answer there as the schedulers that kwok's pods
    /// are not; needs root. Without it no scheduler tells its demand
    #[arg(long)]
    scripted_schedulers: Option<String>,
    /// The schedulers have work, and say once a second how much; without it they have none, and are silent
    #[arg(long)]
    working: bool,
    /// KubeRay's operator, to be measured on clusters of the same size; the definitions of its resources must be there
    #[arg(long)]
    kuberay: Option<PathBuf>,
    #[command(flatten)]
    operator: OperatorProcess,
}

/// `dasklike-bench operator`.
pub(crate) fn run(args: &OperatorArgs) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(measure(args))
}

fn work(args: &OperatorArgs) -> Work {
    match args.working {
        true => Work::Long,
        false => Work::None,
    }
}

async fn measure(args: &OperatorArgs) -> Result<()> {
    let client = args.operator.client().await?;
    let clusters = Clusters::prepare(&client, args.clusters, args.workers).await?;
    let scripted = match &args.scripted_schedulers {
        Some(range) => Some(schedulers::start(&client, range, work(args)).await?),
        None => None,
    };
    let operator = Operator::start(&args.operator).await?;
    let outcome = with_operator(args, &client, &clusters, &operator).await;
    if outcome.is_err() {
        operator.show_log();
    }
    let (mut report, taken) = outcome?;
    if let Some(scripted) = &scripted {
        report.fact(
            "schedulers",
            format_args!("{} streams of demand were open", scripted.open()),
        );
    }
    drop(operator);
    clusters.remove(&client).await?;
    if let Some(program) = &args.kuberay {
        let size = Size {
            clusters: args.clusters,
            workers: args.workers,
            settled: Duration::from_secs(args.settled_seconds),
        };
        kuberay::compare(program, &args.operator, size, taken, &mut report).await?;
    }
    report.print()
}

/// What this program was told, without the folders of the machine it was told on.
fn arguments() -> Vec<String> {
    let named = |path: &str| {
        let path = Path::new(path);
        let name = path.file_name().filter(|_| path.is_absolute());
        name.map(|n| n.to_string_lossy().into_owned())
    };
    let told = std::env::args().skip(1);
    let told = told.map(|a| match a.split_once('=') {
        Some((flag, value)) => named(value)
            .map(|name| format!("{flag}={name}"))
            .unwrap_or(a),
        None => named(&a).unwrap_or(a),
    });
    told.collect()
}

async fn with_operator(
    args: &OperatorArgs,
    client: &Client,
    clusters: &Clusters,
    operator: &Operator,
) -> Result<(Report, Taken)> {
    let pods = args.clusters * (1 + args.workers);
    let targets = Targets::of(args);
    let mut until = Until::watch(args, client, clusters.namespace()).await?;
    clusters.apply(client).await?;
    until.reached(pods).await?;
    let began = until.began;
    clusters.wait_until_ready(client).await?;
    let ready = began.elapsed();
    let busy = operator.usage()?;

    let objects = bare::read_back(client, clusters.namespace()).await?;
    let kinds = bare::counts(&objects);
    let mut bare = Until::watch(args, client, clusters.bare_namespace()).await?;
    bare::create(client, clusters.bare_namespace(), &objects).await?;
    bare.reached(pods).await?;
    bare::delete(client, clusters.bare_namespace()).await?;

    let mut report = Report::new(
        "operator",
        "DaskLikeClusters until their pods exist, against a bare client that creates the same objects",
    );
    report.fact("arguments", arguments().join(" "));
    report.fact(
        "clusters",
        format_args!("{} of 1 + {}", args.clusters, args.workers),
    );
    report.fact("objects", kinds);
    report.fact("in flight", IN_FLIGHT);
    report.figure(
        "\nthe operator starts and leads",
        operator.led_after().as_secs_f64(),
        " s",
        Target::AtMost(1.0),
    );
    report.figure("until all pods exist", until.exist, " s", Target::None);
    report.figure("the bare client", bare.exist, " s", Target::None);
    let ratio = until.exist / bare.exist;
    report.figure("the operator takes", ratio, " times as long", targets.ratio);
    if let (Some(ours), Some(theirs)) = (until.run, bare.run) {
        report.figure("until all pods are Running", ours, " s", targets.running);
        report.figure("the bare client", theirs, " s", Target::None);
    }
    report.figure(
        "until all clusters are Ready",
        ready.as_secs_f64(),
        " s",
        Target::None,
    );
    report.figure(
        "operator's processor time until then",
        busy.cpu.as_secs_f64(),
        " s",
        targets.cpu,
    );
    settled(args, operator, &mut report).await?;
    let peak = operator.usage()?.peak_megabytes;
    report.figure("operator's peak memory so far", peak, " MB", targets.memory);
    if args.scale_to > 0 {
        scale(args, client, clusters, &mut report).await?;
        let peak = operator.usage()?.peak_megabytes;
        report.figure("and with that", peak, " MB", Target::None);
    }
    let taken = Taken {
        exist: until.exist,
        cpu: busy.cpu,
    };
    Ok((report, taken))
}

/// Seconds until the pods of a namespace are there.
struct Until {
    began: Instant,
    existing: PodCount,
    running: Option<PodCount>,
    exist: f64,
    run: Option<f64>,
}

impl Until {
    /// Starts to watch, and to count the time. Whether pods run is watched of one cluster only: for many,
    /// one more watch of every pod would slow the API server down, which both sides wait for.
    async fn watch(args: &OperatorArgs, client: &Client, namespace: &str) -> Result<Until> {
        let running = match args.clusters {
            1 => Some(PodCount::running(client, namespace).await?),
            _ => None,
        };
        Ok(Until {
            existing: PodCount::start(client, namespace).await?,
            running,
            began: Instant::now(),
            exist: 0.0,
            run: None,
        })
    }

    async fn reached(&mut self, pods: usize) -> Result<()> {
        self.existing.reach(pods).await?;
        self.exist = self.began.elapsed().as_secs_f64();
        if let Some(running) = &self.running {
            running.reach(pods).await?;
            self.run = Some(self.began.elapsed().as_secs_f64());
        }
        Ok(())
    }
}

/// What the operator does when there is nothing to do.
async fn settled(args: &OperatorArgs, operator: &Operator, report: &mut Report) -> Result<()> {
    let before = operator.settled().await?;
    let wait = Duration::from_secs(args.settled_seconds);
    tokio::time::sleep(wait).await;
    let (usage, requests) = (operator.usage()?, operator.requests().await?);
    let requests = requests - before.requests;
    let cpu = usage.cpu.saturating_sub(before.usage.cpu);
    report.figure(
        &format!(
            "settled, requests in {} s but for the Lease and watches",
            args.settled_seconds
        ),
        requests,
        "",
        Target::AtMost(0.0),
    );
    report.figure(
        &format!("settled, processor time in {} s", args.settled_seconds),
        cpu.as_secs_f64(),
        " s",
        match (args.clusters, args.settled_seconds) {
            (100, 60) => Target::AtMost(0.05),
            _ => Target::None,
        },
    );
    Ok(())
}

async fn scale(
    args: &OperatorArgs,
    client: &Client,
    clusters: &Clusters,
    report: &mut Report,
) -> Result<()> {
    ensure!(
        args.scale_to > args.workers,
        "--scale-to has to be more than --workers: a scale-down waits for pods to end"
    );
    let rounds = SCALED.min(args.clusters);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..rounds {
        let (our, their) = scale_one(args, client, clusters, number).await?;
        ours.push(our);
        theirs.push(their);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    report.figure(
        &format!(
            "one cluster scaled from {} to {} workers, until the pods exist, median of {rounds}",
            args.workers, args.scale_to
        ),
        ours.as_secs_f64(),
        " s",
        Target::None,
    );
    report.figure("the bare client", theirs.as_secs_f64(), " s", Target::None);
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    report.figure(
        "the operator takes",
        ratio,
        " times as long",
        Target::AtMost(1.5),
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// How long the operator takes, and how long the bare client.
async fn scale_one(
    args: &OperatorArgs,
    client: &Client,
    clusters: &Clusters,
    number: usize,
) -> Result<(Duration, Duration)> {
    let added = args.scale_to - args.workers;
    let count = PodCount::start(client, clusters.namespace()).await?;
    let before = count.now();
    let began = Instant::now();
    clusters.scale(client, number, args.scale_to).await?;
    count.reach(before + added).await?;
    let ours = began.elapsed();

    let objects = bare::read_back(client, clusters.namespace()).await?;
    let pods = bare::workers_of(&objects, number, args.workers);
    ensure!(
        pods.len() == added,
        "{} new pods instead of {added}",
        pods.len()
    );
    let count = PodCount::start(client, clusters.bare_namespace()).await?;
    let before = count.now();
    let began = Instant::now();
    bare::create(client, clusters.bare_namespace(), &pods).await?;
    count.reach(before + added).await?;
    Ok((ours, began.elapsed()))
}

/// The first address of a range like `10.0.0.0/24`, which must be one.
fn is_range(range: &str) -> bool {
    let Some((address, bits)) = range.split_once('/') else {
        return false;
    };
    address.parse::<IpAddr>().is_ok() && bits.parse::<u8>().is_ok_and(|b| b <= 128)
}
