//! A cluster of this machine computes plans that need no store: every connection is the real one. Clusters of
//! processes start the `dasklike` command, which `cargo test --workspace` builds (alone: `cargo build --release`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

use dasklike::cluster::{ClusterError, LocalCluster, LocalClusterConfig};
use dasklike::submit::{CancelToken, Client, ComputeError, ComputeOptions, OutputArray};
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::grid::Axis;
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::plan::{NodeId, Op, Plan, PlanBuilder};
use dasklike_graph::reduce::ReduceOp;
use dasklike_scheduler::{DashboardConfig, Scheduler, SchedulerConfig, StartError};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

fn cluster(workers: u32, slots: u32, processes: bool) -> LocalCluster {
    let memory_limit = 256 << 20;
    LocalCluster::start(&LocalClusterConfig {
        workers,
        slots,
        memory_limit,
        processes,
        dashboard: None,
    })
    .unwrap()
}

fn full(b: &mut PlanBuilder, value: f64, shape: &[u64], chunks: &[u64]) -> NodeId {
    let dims = ["y", "x"][..shape.len()]
        .iter()
        .map(|d| (*d).into())
        .collect();
    let axes = shape
        .iter()
        .zip(chunks)
        .map(|(n, c)| Axis::regular(*n, *c))
        .collect();
    b.add(
        Op::Full {
            value: Scalar::F64(value),
            dtype: DType::F64,
            dims,
            axes,
        },
        &[],
    )
    .unwrap()
}

fn reduce(b: &mut PlanBuilder, op: ReduceOp, of: NodeId, dims: &[&str]) -> NodeId {
    let dims = dims.iter().map(|d| (*d).into()).collect();
    b.add(
        Op::Reduce {
            op,
            dims,
            skipna: true,
            labels: None,
        },
        &[of],
    )
    .unwrap()
}

/// Counts the elements of a grid of so many one-element tiles.
fn count_plan(tiles: u64) -> Plan {
    let mut b = PlanBuilder::default();
    let ones = full(&mut b, 1.0, &[tiles], &[1]);
    let count = reduce(&mut b, ReduceOp::Count, ones, &["y"]);
    b.output("count", count);
    b.finish()
}

/// Counts with work in each tile: about 0.3 ms.
fn slow_plan(tiles: u64) -> Plan {
    let mut b = PlanBuilder::default();
    let mut x = full(&mut b, 0.5, &[tiles, 10_000], &[1, 10_000]);
    let ramp: Vec<u8> = (0..10_000)
        .flat_map(|i| f64::from(i).to_le_bytes())
        .collect();
    let inline = Op::Inline {
        dtype: DType::F64,
        dims: vec!["x".into()],
        shape: vec![10_000],
        bytes: ramp.into(),
    };
    let ramp = b.add(inline, &[]).unwrap();
    x = b.add(Op::Binary(BinaryOp::Add), &[x, ramp]).unwrap();
    for _ in 0..4 {
        x = b.add(Op::Unary(UnaryOp::Sin), &[x]).unwrap();
    }
    let count = reduce(&mut b, ReduceOp::Count, x, &["y", "x"]);
    b.output("count", count);
    b.finish()
}

fn one_tile() -> ComputeOptions {
    // As many elements as a tile of the slow plan has: lowering joins no tiles.
    ComputeOptions {
        chunks: vec![("y".into(), 1)],
        ..ComputeOptions::default()
    }
}

fn i64s(array: &OutputArray) -> Vec<i64> {
    assert_eq!(array.meta.dtype, DType::I64);
    array
        .bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|b| i64::from_le_bytes(*b))
        .collect()
}

fn f64s(array: &OutputArray) -> Vec<f64> {
    assert_eq!(array.meta.dtype, DType::F64);
    array
        .bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|b| f64::from_le_bytes(*b))
        .collect()
}

fn compute(client: &Client, plan: &Plan, options: &ComputeOptions) -> Vec<OutputArray> {
    client.compute(plan, options, |_| {}).unwrap()
}

fn counts(client: &Client) {
    let mut told = None;
    let outputs = client
        .compute(&count_plan(5_000), &one_tile(), |p| told = Some(p))
        .unwrap();
    assert_eq!(outputs.len(), 1);
    assert_eq!(i64s(&outputs[0]), [5_000]);
    let told = told.expect("progress is told at the end at the latest");
    assert_eq!((told.tasks_done, told.tasks), (5_000, 5_000));
}

#[test]
fn threads_count() {
    counts(&cluster(2, 1, false).client());
}

#[test]
fn processes_count_and_end_with_their_cluster() {
    let cluster = cluster(2, 1, true);
    counts(&cluster.client());
    let pids = cluster.worker_pids();
    assert_eq!(pids.len(), 2);
    drop(cluster);
    for pid in pids {
        assert!(
            !std::path::Path::new(&format!("/proc/{pid}")).exists(),
            "process {pid} is left"
        );
    }
}

#[test]
fn large_blocks_arrive_whole() {
    // 32 MB in blocks of 2 MB: pushed in pieces, beside small outputs in commits.
    let mut b = PlanBuilder::default();
    let twos = full(&mut b, 2.0, &[2048, 2048], &[256, 1024]);
    let ramp: Vec<u8> = (0..2048).flat_map(|i| f64::from(i).to_le_bytes()).collect();
    let inline = Op::Inline {
        dtype: DType::F64,
        dims: vec!["x".into()],
        shape: vec![2048],
        bytes: ramp.into(),
    };
    let ramp = b.add(inline, &[]).unwrap();
    let product = b.add(Op::Binary(BinaryOp::Mul), &[twos, ramp]).unwrap();
    let sums = reduce(&mut b, ReduceOp::Sum, product, &["y"]);
    b.output("product", product);
    b.output("sums", sums);
    let plan = b.finish();
    for processes in [false, true] {
        let outputs = compute(
            &cluster(2, 2, processes).client(),
            &plan,
            &ComputeOptions::default(),
        );
        let product = f64s(&outputs[0]);
        assert_eq!(product.len(), 2048 * 2048);
        assert!(
            product
                .iter()
                .enumerate()
                .all(|(i, v)| *v == 2.0 * (i % 2048) as f64)
        );
        let sums = f64s(&outputs[1]);
        assert!(
            sums.iter()
                .enumerate()
                .all(|(i, v)| *v == 4096.0 * i as f64),
            "{:?}",
            &sums[..4]
        );
    }
}

#[test]
fn later_stages_get_what_earlier_ones_left() {
    // The mean travels to all workers before the differences from it are counted.
    let mut b = PlanBuilder::default();
    let ones = full(&mut b, 1.5, &[64, 64], &[8, 8]);
    let mean = reduce(&mut b, ReduceOp::Mean, ones, &["y", "x"]);
    let same = b.add(Op::Binary(BinaryOp::Eq), &[ones, mean]).unwrap();
    let count = reduce(&mut b, ReduceOp::Sum, same, &["y", "x"]);
    b.output("same", count);
    let outputs = compute(
        &cluster(2, 1, false).client(),
        &b.finish(),
        &ComputeOptions::default(),
    );
    assert_eq!(i64s(&outputs[0]), [4096]);
}

#[test]
fn a_killed_worker_costs_nothing_but_time() {
    for processes in [false, true] {
        let mut cluster = cluster(3, 1, processes);
        let client = cluster.client();
        let plan = slow_plan(3_000);
        let (tell, told) = std::sync::mpsc::channel();
        let running = std::thread::spawn(move || {
            client
                .compute(&plan, &one_tile(), |p| tell.send(p.tasks_done).unwrap())
                .unwrap()
        });
        // The worker goes when the job is under way, and the job is not over then.
        while told.recv().unwrap() == 0 {}
        assert!(cluster.kill_worker(1));
        let outputs = running.join().unwrap();
        assert_eq!(i64s(&outputs[0]), [30_000_000], "processes: {processes}");
        assert_eq!(cluster.client().cluster().unwrap().workers.len(), 2);
    }
}

#[test]
fn a_cut_connection_is_opened_again() {
    let cluster = cluster(1, 1, false);
    let client = cluster.client();
    let (tell, told) = std::sync::mpsc::channel();
    let running = std::thread::spawn(move || {
        client
            .compute(&slow_plan(1_000), &one_tile(), |p| {
                tell.send(p.tasks_done).unwrap();
            })
            .unwrap()
    });
    while told.recv().unwrap() == 0 {}
    assert!(cluster.cut_worker(0));
    assert_eq!(i64s(&running.join().unwrap()[0]), [10_000_000]);
}

/// Such a cluster cannot wait for its end, and the client holds a way to its scheduler.
#[test]
fn a_cluster_dropped_among_asynchronous_code_ends_its_jobs() {
    let cluster = cluster(1, 1, false);
    let client = cluster.client();
    let (begin, begun) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Nobody listens any more once the cluster is gone.
        let outcome = client.compute(&slow_plan(30_000_000), &one_tile(), |_| {
            let _ = begin.send(());
        });
        end.send(outcome)
    });
    let deadline = Duration::from_secs(20);
    begun.recv_timeout(deadline).expect("the job begins");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let within = runtime.enter();
    drop(cluster);
    drop(within);
    let outcome = ended.recv_timeout(deadline).expect("the job ends");
    assert!(
        matches!(outcome, Err(ComputeError::Lost { .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_cancelled_job_ends_and_leaves_the_cluster_usable() {
    let cluster = cluster(1, 1, false);
    let client = cluster.client();
    let options = one_tile();
    let cancel = options.cancel.clone();
    let begun = Instant::now();
    let outcome = client.compute(&slow_plan(1_000_000), &options, |_| cancel.cancel());
    assert!(
        matches!(outcome, Err(ComputeError::Cancelled)),
        "{outcome:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(20));
    counts(&client);
}

#[test]
fn a_named_job_outlives_its_client() {
    let cluster = cluster(1, 1, false);
    let client = cluster.client();
    let options = ComputeOptions {
        name: Some("nightly".into()),
        ..one_tile()
    };
    let outputs = compute(&client, &count_plan(10), &options);
    assert_eq!(i64s(&outputs[0]), [10]);
    let missing = client.attach("weekly", &CancelToken::default(), |_| {});
    let Err(ComputeError::Refused(why)) = missing else {
        panic!("{missing:?}")
    };
    assert!(why.contains("weekly"), "{why}");
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let mut plan = count_plan(3);
    plan.outputs[0].node = NodeId(99);
    let outcome = cluster(1, 1, false)
        .client()
        .compute(&plan, &ComputeOptions::default(), |_| {});
    let Err(ComputeError::Refused(why)) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(why.contains("count"), "{why}");
}

#[test]
fn no_scheduler_is_told_soon_and_clearly() {
    let begun = Instant::now();
    let outcome = Client::connect("tcp://127.0.0.1:9");
    let Err(error @ ComputeError::Connect(_)) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(error.to_string().contains("tcp://127.0.0.1:9"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(Client::connect("not an address").is_err());
}

#[test]
fn a_taken_port_is_named() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let taken = std::net::TcpListener::bind((local, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = SchedulerConfig {
        listen: Some(SocketAddr::new(local, port)),
        ..SchedulerConfig::default()
    };
    let outcome = runtime.block_on(Scheduler::start(config));
    let Err(error @ StartError::PortTaken(_)) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    let dashboard = DashboardConfig {
        host: local,
        port,
        tries: 1,
        hosts: Vec::new(),
    };
    let config = SchedulerConfig {
        dashboard: Some(dashboard),
        ..SchedulerConfig::default()
    };
    let error = runtime.block_on(Scheduler::start(config)).unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[test]
fn an_empty_cluster_is_refused() {
    let config = LocalClusterConfig {
        workers: 0,
        dashboard: None,
        ..LocalClusterConfig::default()
    };
    assert!(matches!(
        LocalCluster::start(&config),
        Err(ClusterError::Empty { .. })
    ));
}
