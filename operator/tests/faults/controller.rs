//! The whole controller through a day in the life of two clusters, while everything goes wrong: what it leaves
//! behind after each step is what it leaves behind when nothing goes wrong.

use crate::fake_api::fault::{ALL, Fault, Faults, Life};
use crate::fake_api::normal::normal;
use crate::fake_api::{FakeApi, Seen, kubelet};
use dasklike_operator::clock::Clock;
use dasklike_operator::core::demand::{Demand, PoolDemand, WorkerDemand};
use dasklike_operator::core::health::Limits;
use dasklike_operator::core::names::ClusterKey;
use dasklike_operator::demand::{Demands, Endpoints};
use dasklike_operator::edge::progress::Progress;
use dasklike_operator::metrics::Metrics;
use dasklike_operator::{Settings, controller};
use dasklike_operator_api::{ConditionType, DaskLikeCluster, Truth};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// A day without a change for so long is over: all twelve faults of a step may be a minute of silence, one after
/// the other, each with the wait before the next try.
const QUIET: Duration = Duration::from_secs(3600);
/// A step that takes longer than this, in virtual time, does not end.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// A server, its kubelet, and the operator, which is started anew whenever a life ends.
struct World {
    api: FakeApi,
    tasks: Vec<JoinHandle<()>>,
    current: Arc<std::sync::Mutex<Life>>,
    clock: Clock,
    /// What schedulers say, which a test puts here.
    demands: Arc<Demands>,
}

impl World {
    fn new(lives: impl IntoIterator<Item = Life>) -> World {
        let api = FakeApi::new();
        // One for all lives: time does not go back when the operator starts anew.
        let clock = Clock::tokio();
        api.install(&serde_json::to_value(dasklike_operator_api::definition()).unwrap());
        let mut lives: VecDeque<Life> = lives.into_iter().collect();
        let current = Arc::new(std::sync::Mutex::new(
            lives.pop_front().unwrap_or_else(Life::long),
        ));
        let demands = Arc::new(Demands::default());
        let operators = {
            let (api, current, demands) = (api.clone(), current.clone(), demands.clone());
            tokio::spawn(async move {
                loop {
                    let life = current.lock().unwrap().clone();
                    let work = operator(&api, &life, clock, demands.clone());
                    tokio::select! {
                        () = work => panic!("the controller ended without being asked"),
                        () = life.over() => {}
                    }
                    *current.lock().unwrap() = lives.pop_front().unwrap_or_else(Life::long);
                }
            })
        };
        let kubelet = kubelet::start(&api, 1);
        World {
            api,
            tasks: vec![operators, kubelet],
            current,
            clock,
            demands,
        }
    }

    fn writes(&self) -> u64 {
        self.current.lock().unwrap().writes()
    }

    /// The cluster's scheduler says that its pool has this to do.
    fn work(&self, cluster: &str, pool: PoolDemand) {
        let demand = Demand {
            epoch: 1,
            unfinished_jobs: u32::from(pool.ready_tasks > 0),
            idle_since: (pool.ready_tasks == 0).then(|| self.clock.now()),
            pools: BTreeMap::from([("default".to_owned(), Box::new(pool))]),
            received: self.clock.now(),
        };
        self.demands.put(&ClusterKey::new("lab", cluster), demand);
    }

    /// Waits until nothing changes any more.
    async fn settle(&self, story: &str) {
        let settled = async {
            let mut seen = self.api.changed(0).await;
            while let Ok(newest) = timeout(QUIET, self.api.changed(seen)).await {
                seen = newest;
            }
        };
        if timeout(LIMIT, settled).await.is_err() {
            panic!("{story}: it does not settle");
        }
        for task in &self.tasks {
            assert!(!task.is_finished(), "{story}: a task has ended");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn operator(api: &FakeApi, life: &Life, clock: Clock, demands: Arc<Demands>) {
    let settings = Settings {
        namespaces: Vec::new(),
        default_image: "dasklike:1".into(),
        concurrency: 16,
        identity: Some("test".into()),
        clock,
    };
    let endpoints = Arc::new(Endpoints::default());
    let progress = Progress::new(Metrics::new().unwrap(), Limits::default());
    controller::run(
        api.client(life),
        settings,
        demands,
        endpoints,
        progress,
        std::future::pending(),
    )
    .await;
}

fn cluster(name: &str, spec: Value) -> DaskLikeCluster {
    serde_json::from_value(json!({
        "apiVersion": "dasklike.dev/v1alpha1", "kind": "DaskLikeCluster",
        "metadata": {"name": name, "namespace": "lab"}, "spec": spec,
    }))
    .unwrap()
}

/// What people do, step by step.
const STEPS: [&str; 8] = [
    "create",
    "scale up",
    "roll",
    "scale down",
    "lose",
    "suspend",
    "resume",
    "delete",
];

async fn step(api: &FakeApi, name: &str) {
    let clusters: Api<DaskLikeCluster> = Api::namespaced(api.person(), "lab");
    let pods: Api<Pod> = Api::namespaced(api.person(), "lab");
    let services: Api<Service> = Api::namespaced(api.person(), "lab");
    let edit = async |cluster: &str, spec: Value| {
        let patch = Patch::Merge(json!({ "spec": spec }));
        clusters
            .patch(cluster, &PatchParams::default(), &patch)
            .await
            .unwrap();
    };
    let post = PostParams::default();
    match name {
        "create" => {
            clusters
                .create(&post, &cluster("one", json!({"worker": {"replicas": 2}})))
                .await
                .unwrap();
            let two = json!({
                "tls": {"mode": "Disabled"}, "worker": {"replicas": 1},
                "pools": [{"name": "gpu", "replicas": 2, "template": {"spec": {"nodeSelector": {"gpu": "yes"}}}}],
            });
            clusters.create(&post, &cluster("two", two)).await.unwrap();
        }
        "scale up" => edit("one", json!({"worker": {"replicas": 6}})).await,
        "roll" => {
            edit("one", json!({"image": "dasklike:2"})).await;
            edit(
                "two",
                json!({"worker": {"template": {"metadata": {"labels": {"team": "x"}}}}}),
            )
            .await;
        }
        "scale down" => edit("one", json!({"worker": {"replicas": 1}})).await,
        "lose" => {
            services
                .delete("one-scheduler", &DeleteParams::default())
                .await
                .unwrap();
            pods.delete("two-scheduler", &DeleteParams::default())
                .await
                .unwrap();
            kubelet::finish(api, "lab", "two-gpu-0", 137, "OOMKilled");
        }
        "suspend" => edit("two", json!({"suspend": true})).await,
        "resume" => edit("two", json!({"suspend": false, "pools": []})).await,
        "delete" => drop(
            clusters
                .delete("one", &DeleteParams::default())
                .await
                .unwrap(),
        ),
        other => panic!("no step is called {other}"),
    }
}

type Snapshots = Vec<BTreeMap<String, Value>>;

/// Goes through all steps with the same kind of fault in each; gives what was there after each.
async fn day(
    lives: Vec<Life>,
    fault: Option<(u64, Fault)>,
    story: &str,
) -> (Snapshots, World, usize) {
    let world = World::new(lives);
    let mut snapshots = Vec::new();
    let mut met = 0;
    for (number, name) in STEPS.into_iter().enumerate() {
        if let Some((seed, fault)) = fault {
            let seed = seed * 1000 + number as u64;
            world.api.set_faults(Faults::seeded(seed, fault, 12));
            if fault == Fault::WatchCut || fault == Fault::Expired {
                // Watches that are open meet no fault until they are asked for again.
                world.api.cut_watches();
            }
        }
        step(&world.api, name).await;
        world.settle(&format!("{story}, step {name:?}")).await;
        met += world.api.faults_met();
        snapshots.push(normal(&world.api));
    }
    (snapshots, world, met)
}

fn compare(expected: &Snapshots, found: &Snapshots, story: &str) {
    for ((name, expected), found) in STEPS.iter().zip(expected).zip(found) {
        for key in expected.keys().chain(found.keys()) {
            let (expected, found) = (expected.get(key), found.get(key));
            if expected != found {
                let show = |v: Option<&Value>| {
                    v.map_or("nothing".into(), |v| {
                        serde_json::to_string_pretty(v).unwrap()
                    })
                };
                panic!(
                    "{story}, after the step {name:?}: {key} is not as without faults\nexpected {}\nfound {}",
                    show(expected),
                    show(found)
                );
            }
        }
    }
}

/// What the day leaves behind when nothing goes wrong, and how many writes it takes.
async fn calm() -> (Snapshots, u64) {
    let (snapshots, world, _) = day(Vec::new(), None, "without faults").await;
    (snapshots, world.writes())
}

#[tokio::test(start_paused = true)]
async fn without_faults_the_steps_lead_where_they_should() {
    let (snapshots, world, _) = day(Vec::new(), None, "without faults").await;
    let names = |step: usize, kind: &str| -> Vec<String> {
        let keys = snapshots[step]
            .keys()
            .filter_map(|k| k.strip_prefix(&format!("{kind} lab/")));
        keys.map(str::to_owned).collect()
    };
    let pods = names(0, "pods");
    assert_eq!(
        pods,
        [
            "one-default-0",
            "one-default-1",
            "one-scheduler",
            "two-default-0",
            "two-gpu-0",
            "two-gpu-1",
            "two-scheduler"
        ]
    );
    assert_eq!(names(0, "secrets"), ["one-tls"]);
    assert_eq!(names(0, "services"), ["one-scheduler", "two-scheduler"]);
    assert_eq!(names(0, "networkpolicies"), ["one", "two"]);
    let ready = |step: usize, name: &str| {
        let cluster = &snapshots[step][&format!("dasklikeclusters lab/{name}")];
        let conditions = cluster["status"]["conditions"].as_array().unwrap().clone();
        conditions
            .iter()
            .any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    for (step, name) in STEPS.iter().enumerate().take(5) {
        assert!(ready(step, "one") && ready(step, "two"), "after {name:?}");
    }
    let workers = |step: usize| {
        names(step, "pods")
            .iter()
            .filter(|n| n.starts_with("one-default"))
            .count()
    };
    assert_eq!((workers(1), workers(2), workers(3)), (6, 6, 1));
    let images = |step: usize| {
        let pods = snapshots[step]
            .iter()
            .filter(|(k, _)| k.starts_with("pods lab/one"));
        let images: Vec<Value> = pods
            .map(|(_, p)| p["spec"]["containers"][0]["image"].clone())
            .collect();
        images
    };
    assert!(
        images(2).iter().all(|i| i == "dasklike:2"),
        "{:?}",
        images(2)
    );
    assert_eq!(names(4, "services"), ["one-scheduler", "two-scheduler"]);
    assert!(
        names(5, "pods").iter().all(|n| n.starts_with("one")),
        "{:?}",
        names(5, "pods")
    );
    assert_eq!(names(6, "pods").len(), 4);
    let left = snapshots[7]
        .keys()
        .filter(|k| k.contains("lab/one"))
        .count();
    assert_eq!(left, 0, "{:?}", snapshots[7].keys());
    drop(world);
}

#[tokio::test(start_paused = true)]
async fn a_settled_system_makes_no_requests() {
    let world = World::new([]);
    step(&world.api, "create").await;
    world.settle("created").await;
    world.api.take_seen();
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let seen = world.api.take_seen();
    let asked: Vec<_> = seen.iter().filter(|s| s.verb != "watch").collect();
    assert!(asked.is_empty(), "{asked:?}");
    // Watches end and are asked for again, so the operator did live.
    assert!(
        seen.len() > 10,
        "{} requests in {:?}",
        seen.len(),
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_number_that_the_work_raises_is_said_before_pods_are_made() {
    let world = World::new([]);
    let spec = json!({"worker": {"autoscaling": {"minReplicas": 0, "maxReplicas": 3}}});
    let clusters: Api<DaskLikeCluster> = Api::namespaced(world.api.person(), "lab");
    clusters
        .create(&PostParams::default(), &cluster("one", spec))
        .await
        .unwrap();
    world.settle("created").await;
    world.api.take_seen();
    let work = PoolDemand {
        ready_tasks: 1000,
        queue_seconds: 1000.0,
        ..PoolDemand::default()
    };
    world.work("one", work);
    world.settle("there is work").await;
    let seen = world.api.take_seen();
    let first = |verb: &str, resource: &str| {
        let found = seen
            .iter()
            .position(|s| s.verb == verb && s.resource == resource);
        found.unwrap_or_else(|| panic!("no {verb} of {resource} in {seen:?}"))
    };
    assert!(
        first("patch", "dasklikeclusters/status") < first("create", "pods"),
        "{seen:?}"
    );

    // There is none any more: the number only falls, and the workers go.
    let idle = WorkerDemand {
        slots: 1,
        idle_seconds: 1000.0,
        ..WorkerDemand::default()
    };
    let workers = (0..3).map(|i| (format!("one-default-{i}"), idle.clone()));
    let none = PoolDemand {
        workers: workers.collect(),
        ..PoolDemand::default()
    };
    world.work("one", none);
    world.settle("there is no work").await;
    let pods: Api<Pod> = Api::namespaced(world.api.person(), "lab");
    let left = pods.list(&ListParams::default()).await.unwrap();
    assert_eq!(left.items.len(), 1, "the scheduler stays");
    let told = clusters.get("one").await.unwrap().status.unwrap();
    let to: Vec<i32> = told.scaling_decisions.iter().map(|d| d.to).collect();
    assert_eq!((to.first(), to.last()), (Some(&0), Some(&3)), "{to:?}");
    assert!(to.is_sorted(), "the latest first: {to:?}");
}

#[tokio::test(start_paused = true)]
async fn pods_are_made_while_services_wait_for_their_addresses() {
    const CLUSTERS: usize = 100;
    let world = World::new([]);
    let clusters: Api<DaskLikeCluster> = Api::namespaced(world.api.person(), "lab");
    for number in 0..CLUSTERS {
        let cluster = cluster(&format!("c{number}"), json!({"worker": {"replicas": 1}}));
        clusters
            .create(&PostParams::default(), &cluster)
            .await
            .unwrap();
    }
    world.settle("created").await;
    let seen = world.api.take_seen();
    let services = |seen: &[Seen]| {
        seen.iter()
            .filter(|s| s.resource == "services" && s.writes())
            .count()
    };
    let is_pod = |s: &Seen| s.resource == "pods" && s.verb == "create";
    let last_pod = seen.iter().rposition(is_pod).unwrap();
    assert_eq!(seen.iter().filter(|s| is_pod(s)).count(), 2 * CLUSTERS);
    assert_eq!(services(&seen), CLUSTERS);
    // Each takes as long as dozens of pods.
    let before = services(&seen[..last_pod]);
    assert!(
        before < CLUSTERS / 4,
        "{before} Services were made before the last pod"
    );
    for cluster in clusters.list(&ListParams::default()).await.unwrap() {
        let conditions = cluster.status.unwrap().conditions;
        let ready = conditions
            .iter()
            .find(|c| c.type_ == ConditionType::Ready)
            .unwrap();
        assert_eq!(ready.status, Truth::True, "{}", ready.message);
    }
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_fault_leads_to_the_same_end() {
    let (expected, _) = calm().await;
    for fault in ALL {
        for seed in seeds() {
            let story = format!("{fault:?}, seed {seed}");
            let (found, world, met) = day(Vec::new(), Some((seed, fault)), &story).await;
            assert!(met > 0, "{story}: nothing went wrong");
            compare(&expected, &found, &story);
            drop(world);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_after_any_write_leads_to_the_same_end() {
    let (expected, writes) = calm().await;
    assert!(writes > 40, "the day takes {writes} writes");
    for n in 1..=writes {
        let story = format!("a stop with write {n} of {writes}");
        let (found, world, _) = day(vec![Life::ends_with_write(n)], None, &story).await;
        compare(&expected, &found, &story);
        drop(world);
    }
}

#[tokio::test(start_paused = true)]
async fn many_short_lives_lead_to_the_same_end() {
    let (expected, _) = calm().await;
    for seed in seeds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let lives: Vec<Life> = (0..30)
            .map(|_| Life::ends_with_write(rng.u64(1..5)))
            .collect();
        let fault = ALL[rng.usize(0..ALL.len())];
        let story = format!("thirty short lives with {fault:?}, seed {seed}");
        let (found, world, _) = day(lives, Some((seed, fault)), &story).await;
        compare(&expected, &found, &story);
        drop(world);
    }
}

/// A few seeds, or the one in `DASKLIKE_SEED`.
fn seeds() -> Vec<u64> {
    match std::env::var("DASKLIKE_SEED") {
        Ok(seed) => vec![seed.parse().expect("DASKLIKE_SEED is a number")],
        Err(_) => (1..=3).collect(),
    }
}
