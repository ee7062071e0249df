//! What an operator hears of a scheduler: the demand of each pool, as it changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::array::DataArray;
use dasklike::{Client, ComputeOptions, PoolName, compute_with};
use dasklike_graph::dtype::DType;
use dasklike_proto_admin::pb;
use dasklike_proto_admin::pb::admin_client::AdminClient;
use dasklike_proto_engine::transport::Connector;
use dasklike_scheduler::{Scheduler, SchedulerConfig, SchedulerHandle};
use dasklike_worker::{Worker, WorkerConfig};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tonic::Streaming;

const DEADLINE: Duration = Duration::from_secs(30);
/// A scheduler at work says something every five seconds.
const LONGER_THAN_ANY_GAP: Duration = Duration::from_secs(7);

async fn start() -> (SchedulerHandle, String) {
    let config = SchedulerConfig {
        listen: Some((Ipv4Addr::LOCALHOST, 0).into()),
        ..SchedulerConfig::default()
    };
    let scheduler = Scheduler::start(config).await.unwrap();
    let url = format!("tcp://{}", scheduler.address().unwrap());
    (scheduler, url)
}

async fn watch(url: &str) -> Streaming<pb::Demand> {
    watch_telling(url, Vec::new()).await.unwrap()
}

async fn watch_telling(
    url: &str,
    shapes: Vec<pb::WorkerShape>,
) -> Result<Streaming<pb::Demand>, tonic::Status> {
    let channel = Connector::tcp(url).unwrap().connect().await.unwrap();
    let answer = AdminClient::new(channel)
        .watch_demand(pb::WatchDemandRequest { shapes })
        .await;
    Ok(answer?.into_inner())
}

async fn next(stream: &mut Streaming<pb::Demand>) -> pb::Demand {
    let message = tokio::time::timeout(DEADLINE, stream.message()).await;
    message.expect("a message in time").unwrap().unwrap()
}

fn pool<'a>(demand: &'a pb::Demand, name: &str) -> Option<&'a pb::PoolDemand> {
    demand.pools.iter().find(|p| p.pool == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_for_an_empty_pool_is_planned_for_the_workers_that_will_come() {
    let (scheduler, url) = start().await;
    let shape = |slots, memory_limit| pb::WorkerShape {
        pool: "small".into(),
        slots,
        memory_limit,
    };
    let wrong = watch_telling(&url, vec![shape(0, 32)]).await;
    assert_eq!(wrong.unwrap_err().code(), tonic::Code::InvalidArgument);
    let mut stream = watch_telling(&url, vec![shape(4, 32)]).await.unwrap();
    next(&mut stream).await;
    // No task can do with eight bytes, which is said before any worker is there.
    let job = tokio::task::spawn_blocking(move || {
        let client = Client::connect(&url).unwrap();
        let array = DataArray::ones(DType::F64, &[("x", 100_000, 10)]).sum(..);
        let options = ComputeOptions {
            pool: "small".parse().unwrap(),
            ..ComputeOptions::default()
        };
        compute_with(&client, [&array], &options, |_| ()).map(|_| ())
    });
    let said = job.await.unwrap().unwrap_err().to_string();
    assert!(said.contains("may hold 8:"), "{said}");
    drop(scheduler);
}

#[tokio::test(flavor = "multi_thread")]
async fn demand_follows_a_job_from_its_pool_being_empty_to_its_end() {
    let (scheduler, url) = start().await;
    let mut stream = watch(&url).await;
    let first = next(&mut stream).await;
    assert!(first.epoch > 0);
    assert_eq!((first.unfinished_jobs, first.pools.len()), (0, 1));
    assert_eq!(pool(&first, "default").unwrap().workers.len(), 0);

    // A job waits for workers of its pool.
    let client_url = url.clone();
    let job = tokio::task::spawn_blocking(move || {
        let client = Client::connect(&client_url).unwrap();
        let array = DataArray::ones(DType::F64, &[("x", 100_000, 10)]).count(..);
        let options = ComputeOptions {
            pool: "big".parse().unwrap(),
            chunks: vec![("x".into(), 10)],
            ..ComputeOptions::default()
        };
        let values = compute_with(&client, [&array], &options, |_| ()).unwrap();
        values[0].values_f64()[0]
    });
    let waiting = loop {
        let demand = next(&mut stream).await;
        if demand.unfinished_jobs > 0 {
            break demand;
        }
    };
    let big = pool(&waiting, "big").unwrap();
    assert_eq!((big.ready_tasks, big.running_tasks), (10_000, 0));
    assert!(big.queue_seconds > 0.0 && big.workers.is_empty());
    assert_eq!(waiting.idle_seconds, 0.0);

    let worker = Worker::start(WorkerConfig {
        name: "demo-big-0".into(),
        slots: 2,
        memory_limit: 256 << 20,
        pool: "big".parse::<PoolName>().unwrap(),
        connector: Connector::tcp(&url).unwrap(),
    })
    .unwrap();
    assert_eq!(job.await.unwrap(), 100_000.0);
    let done = loop {
        let demand = next(&mut stream).await;
        if demand.unfinished_jobs == 0 {
            break demand;
        }
    };
    let [w] = pool(&done, "big").unwrap().workers.as_slice() else {
        panic!("{done:?}")
    };
    assert_eq!(
        (w.name.as_str(), w.slots, w.busy_slots, w.draining),
        ("demo-big-0", 2, 0, false)
    );
    assert!(
        done.idle_seconds < DEADLINE.as_secs_f64() && w.idle_seconds >= done.idle_seconds - 1.0
    );

    // Time alone is not told while there is no work, and who asks anew is told how much went by.
    let begun = Instant::now();
    while let Ok(said) = tokio::time::timeout(LONGER_THAN_ANY_GAP, stream.message()).await {
        assert!(begun.elapsed() < DEADLINE, "{said:?}");
    }
    let later = next(&mut watch(&url).await).await;
    let gone_by = LONGER_THAN_ANY_GAP.as_secs_f64();
    assert!(later.idle_seconds >= done.idle_seconds + gone_by - 1.0);
    tokio::task::spawn_blocking(|| worker.stop()).await.unwrap();
    scheduler.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_scheduler_says_so_at_most_four_times_a_second_and_then_the_stream_ends() {
    let (scheduler, url) = start().await;
    let worker = Worker::start(WorkerConfig {
        name: "w".into(),
        slots: 1,
        memory_limit: 256 << 20,
        pool: PoolName::default(),
        connector: scheduler.in_memory_connector(),
    })
    .unwrap();
    let options = ComputeOptions::default();
    let cancel = options.cancel.clone();
    let client_url = url.clone();
    let job = tokio::task::spawn_blocking(move || {
        let client = Client::connect(&client_url).unwrap();
        let array = DataArray::ones(DType::F64, &[("x", 1 << 40, 1 << 14)]).count(..);
        compute_with(&client, [&array], &options, |_| ()).is_err()
    });
    let mut stream = watch(&url).await;
    while next(&mut stream).await.unfinished_jobs == 0 {}
    let begun = Instant::now();
    let mut messages = 0;
    let mut busy = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        let demand = next(&mut stream).await;
        messages += 1;
        busy = busy.max(pool(&demand, "default").unwrap().workers[0].busy_slots);
    }
    assert!(
        busy == 1 && (3..=9).contains(&messages),
        "{messages} messages, {busy} busy"
    );
    cancel.cancel();
    assert!(job.await.unwrap());
    tokio::task::spawn_blocking(|| worker.stop()).await.unwrap();
    scheduler.shutdown().await;
    let ended = tokio::time::timeout(DEADLINE, async {
        while let Ok(Some(_)) = stream.message().await {}
    });
    ended.await.expect("the stream ends with the scheduler");
}
