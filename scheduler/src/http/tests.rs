//! The server as a whole, asked over loopback sockets.

use super::host::Hosts;
use super::snapshot::*;
use super::{HttpError, HttpHandle, bind, bind_first_free, metrics, serve};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, watch};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn job(id: &str, done: u64) -> Job {
    let done_ms = |c: u64| if c < done { 250 } else { -1 };
    let times: Vec<i64> = (0..4).map(done_ms).collect();
    let cells = Cells {
        done: (0..4).map(|c| u32::from(c < done)).collect(),
        running: (0..4).map(|c| u32::from(c == done)).collect(),
        failed: vec![0; 4],
        first_done_ms: times.clone(),
        last_done_ms: times,
    };
    Job {
        id: id.into(),
        name: Some("ndvi".into()),
        pool: "default".into(),
        state: JobState::Running,
        submitted_us: 1_000_000,
        started_us: Some(1_000_100),
        finished_us: None,
        error: None,
        stages: vec![Stage {
            id: 0,
            name: "mean over y, x".into(),
            op: "reduce".into(),
            grid: vec![GridDim {
                name: "time".into(),
                tiles: 4,
            }],
            after: Vec::new(),
            tiles: 4,
            done,
            running: 1,
            failed: 0,
            cells,
        }],
        stored_bytes: 70,
        decoded_bytes: 100,
        expected_decoded_bytes: 400,
        rates: Vec::new(),
        plan: Some(Arc::new(PlanGraph {
            nodes: vec![PlanNode {
                id: 0,
                label: "red".into(),
                detail: "uint16".into(),
                kind: PlanNodeKind::Source,
                stage: Some(0),
            }],
            edges: Vec::new(),
            formulas: Vec::new(),
            notes: Vec::new(),
        })),
    }
}

fn worker(name: &str, state: WorkerState) -> Worker {
    Worker {
        name: name.into(),
        pool: "default".into(),
        state,
        slots: 2,
        busy: 1,
        cpu_percent: 150.0,
        resident_bytes: 300,
        reserved_bytes: 200,
        limit_bytes: 1000,
        stored_bytes: 70,
        decoded_bytes: 100,
        tasks_done: 2,
        queued_tasks: 1,
        idle_since_us: None,
        last_seen_us: 2_000_000,
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        at_us: 2_000_000,
        jobs: vec![Arc::new(job("7", 2))],
        workers: vec![
            worker("a", WorkerState::Connected),
            worker("b", WorkerState::Lost),
            Worker {
                busy: 0,
                idle_since_us: Some(1_500_000),
                ..worker("c", WorkerState::Draining)
            },
        ],
        pools: vec![Pool {
            name: "default".into(),
            ready_tasks: 1,
            running_tasks: 1,
            blocked_tasks: 0,
            queue_seconds: 0.5,
        }],
        limit: LimitShares {
            binds: Some(Limit::Decode),
            decode: 0.7,
            ..LimitShares::default()
        },
        totals: Totals {
            tasks: vec![TaskTotal {
                op: "reduce".into(),
                result: TaskResult::Done,
                count: 2,
            }],
            seconds: vec![PhaseTotal {
                op: "reduce".into(),
                phase: Phase::Decode,
                seconds: 1.5,
            }],
            stored_bytes: 70,
            decoded_bytes: 100,
            reruns: vec![RerunTotal {
                cause: RerunCause::WorkerLost,
                count: 3,
            }],
        },
        ..Snapshot::default()
    }
}

fn interval(first_tile: u64) -> Interval {
    Interval {
        worker: "a".into(),
        slot: 1,
        job: "7".into(),
        stage: 0,
        first_tile,
        tiles: 1,
        start_us: 1_100_000,
        end_us: 1_200_000,
        wait_us: 0,
        decode_us: 60_000,
        compute_us: 40_000,
    }
}

struct Served {
    handle: HttpHandle,
    snapshots: watch::Sender<Arc<Snapshot>>,
    intervals: broadcast::Sender<Arc<[Interval]>>,
}

async fn served(first: Snapshot) -> Served {
    let (snapshots, shown) = watch::channel(Arc::new(first));
    let (intervals, stream) = broadcast::channel(16);
    let listener = bind(LOOPBACK, 0).await.unwrap();
    let handle = serve(
        listener,
        shown,
        stream,
        Hosts::new(["dash.example".to_owned()]),
    )
    .unwrap();
    Served {
        handle,
        snapshots,
        intervals,
    }
}

impl Served {
    /// Status, head and body of an answer.
    async fn ask(&self, method: &str, path: &str, host: &str) -> (u16, String, String) {
        let mut socket = TcpStream::connect(self.handle.addr()).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    async fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.ask("GET", path, "localhost").await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

#[test]
fn metrics_have_the_names_and_labels_that_are_promised() {
    let text = metrics::text(&snapshot()).unwrap();
    let expected = [
        r#"dasklike_queue_tasks{pool="default",state="ready"} 1"#,
        r#"dasklike_queue_tasks{pool="default",state="running"} 1"#,
        r#"dasklike_queue_tasks{pool="default",state="blocked"} 0"#,
        r#"dasklike_queue_seconds{pool="default"} 0.5"#,
        r#"dasklike_workers{pool="default",state="connected"} 1"#,
        r#"dasklike_workers{pool="default",state="draining"} 1"#,
        r#"dasklike_worker_slots{pool="default",state="busy"} 1"#,
        r#"dasklike_worker_slots{pool="default",state="idle"} 3"#,
        r#"dasklike_worker_idle_since_timestamp_seconds{pool="default",worker="c"} 1.5"#,
        r#"dasklike_held_bytes{pool="default"} 0"#,
        r#"dasklike_worker_memory_bytes{kind="reserved",worker="a"} 200"#,
        r#"dasklike_worker_memory_bytes{kind="resident",worker="a"} 300"#,
        r#"dasklike_worker_memory_bytes{kind="limit",worker="a"} 1000"#,
        r#"dasklike_tasks_total{op="reduce",result="done"} 2"#,
        r#"dasklike_task_seconds_total{op="reduce",phase="decode"} 1.5"#,
        r#"dasklike_read_bytes_total{kind="stored"} 70"#,
        r#"dasklike_read_bytes_total{kind="decoded"} 100"#,
        r#"dasklike_tasks_rerun_total{cause="worker_lost"} 3"#,
        r#"dasklike_jobs{state="running"} 1"#,
        r#"dasklike_jobs{state="failed"} 0"#,
        r#"dasklike_limit{limit="decode"} 0.7"#,
        r#"dasklike_limit{limit="scheduler"} 0"#,
    ];
    for line in expected {
        assert!(
            text.lines().any(|l| l == line),
            "{line} is missing in\n{text}"
        );
    }
    assert!(
        !text.contains("worker=\"b\""),
        "a lost worker has no memory"
    );
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        assert!(line.starts_with("dasklike_"), "{line}");
    }
}

#[tokio::test]
async fn the_snapshot_is_versioned_json_with_the_task_stream() {
    let served = served(snapshot()).await;
    served.intervals.send(Arc::new([interval(0)])).unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let value = loop {
        let value = served.json("/api/v1/snapshot").await;
        // The stream is filled by a task of its own.
        if value["stream"] != json!([]) {
            break value;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the interval did not arrive"
        );
    };
    assert_eq!(value["version"], json!(SNAPSHOT_VERSION));
    assert_eq!(value["jobs"][0]["state"], "running");
    assert_eq!(
        value["jobs"][0]["stages"][0]["cells"]["done"],
        json!([1, 1, 0, 0])
    );
    assert_eq!(
        value["jobs"][0]["stages"][0]["cells"]["running"],
        json!([0, 0, 1, 0])
    );
    assert_eq!(
        value["jobs"][0]["stages"][0]["cells"]["last_done_ms"],
        json!([250, 250, -1, -1])
    );
    assert_eq!(
        value["jobs"][0].get("plan"),
        None,
        "the plan is sent only when asked for"
    );
    assert_eq!(value["limit"]["binds"], "decode");
    assert_eq!(value["stream"][0]["decode_us"], 60_000);
    assert_eq!(
        served.json("/api/v1/jobs/7").await["plan"]["nodes"][0]["kind"],
        "source"
    );
    assert_eq!(
        served.ask("GET", "/api/v1/jobs/8", "localhost").await.0,
        404
    );
    served.handle.shutdown().await;
}

#[tokio::test]
async fn every_file_of_the_page_is_served_with_headers_that_let_it_load_nothing_else() {
    let served = served(snapshot()).await;
    for asset in super::assets::ASSETS {
        let (status, head, body) = served
            .ask("GET", &format!("/{}", asset.path), "127.0.0.1:8787")
            .await;
        assert_eq!(status, 200, "{}", asset.path);
        assert!(
            head.contains(&format!("content-type: {}", asset.media_type)),
            "{head}"
        );
        assert!(
            head.contains("content-security-policy: default-src 'none'; script-src 'self'"),
            "{head}"
        );
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert_eq!(body, asset.body);
    }
    served.handle.shutdown().await;
}

#[tokio::test]
async fn other_names_and_other_methods_are_refused() {
    let served = served(snapshot()).await;
    for path in ["/", "/api/v1/snapshot", "/metrics"] {
        let (status, _, body) = served.ask("GET", path, "attacker.example:8787").await;
        assert_eq!(status, 421, "{path}");
        assert!(
            body.contains("attacker.example") && !body.contains("jobs"),
            "{body}"
        );
        assert_eq!(served.ask("GET", path, "dash.example").await.0, 200);
        assert_eq!(served.ask("POST", path, "localhost").await.0, 405);
        assert_eq!(served.ask("DELETE", path, "localhost").await.0, 405);
    }
    assert_eq!(served.ask("GET", "/nothing", "localhost").await.0, 404);
    served.handle.shutdown().await;
}

#[tokio::test]
async fn health_follows_the_driver() {
    let served = served(Snapshot::default()).await;
    assert_eq!(served.ask("GET", "/healthz", "localhost").await.0, 200);
    assert_eq!(
        served.ask("GET", "/readyz", "localhost").await.0,
        503,
        "nothing was published yet"
    );
    served.snapshots.send_replace(Arc::new(snapshot()));
    assert_eq!(served.ask("GET", "/readyz", "localhost").await.0, 200);
    let Served {
        handle,
        snapshots,
        intervals,
    } = served;
    drop(snapshots);
    let (snapshots, _) = watch::channel(Arc::default());
    let served = Served {
        handle,
        snapshots,
        intervals,
    };
    assert_eq!(served.ask("GET", "/healthz", "localhost").await.0, 503);
}

/// The next event's name and data; comments and other fields are passed over.
async fn next_event(lines: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let mut name = None;
    loop {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(10), lines.read_line(&mut line));
        if read.await.unwrap().unwrap() == 0 {
            return None;
        }
        if let Some(word) = line.strip_prefix("event: ") {
            name = Some(word.trim().to_owned());
        }
        if let (Some(data), Some(name)) = (line.strip_prefix("data: "), &name) {
            return Some((name.clone(), serde_json::from_str(data).unwrap()));
        }
    }
}

#[tokio::test]
async fn events_begin_with_the_whole_and_go_on_with_what_changed() {
    let served = served(snapshot()).await;
    let mut socket = TcpStream::connect(served.handle.addr()).await.unwrap();
    socket
        .write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut lines = BufReader::new(socket);
    let (name, whole) = next_event(&mut lines).await.unwrap();
    assert_eq!(
        (name.as_str(), whole["jobs"][0]["id"].as_str()),
        ("snapshot", Some("7"))
    );

    let mut next = snapshot();
    next.jobs.insert(0, Arc::new(job("8", 1)));
    served.intervals.send(Arc::new([interval(3)])).unwrap();
    served.snapshots.send_replace(Arc::new(next.clone()));
    let (name, update) = next_event(&mut lines).await.unwrap();
    assert_eq!(name, "update");
    assert_eq!(update["job_ids"], json!(["8", "7"]));
    assert_eq!(
        update["jobs"].as_array().unwrap().len(),
        1,
        "job 7 did not change"
    );
    assert_eq!(update["jobs"][0]["id"], "8");
    assert_eq!(update["stream"][0]["first_tile"], 3);

    // Many changes at once are one update: the last.
    for at_us in 3_000_000..3_000_050 {
        served.snapshots.send_replace(Arc::new(Snapshot {
            at_us,
            ..next.clone()
        }));
    }
    let (_, update) = next_event(&mut lines).await.unwrap();
    assert_eq!(update["at_us"], 3_000_049);
    assert_eq!(
        (&update["jobs"], &update["stream"]),
        (&json!([]), &json!([]))
    );

    let Served { handle, .. } = served;
    handle.shutdown().await;
    assert_eq!(
        next_event(&mut lines).await,
        None,
        "the stream ends with the server"
    );
}

#[tokio::test]
async fn a_taken_port_is_named_and_the_next_free_one_is_found() {
    let taken = bind(LOOPBACK, 0).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = bind(LOOPBACK, port).await.unwrap_err();
    assert!(matches!(refused, HttpError::PortTaken { port: p, .. } if p == port));
    assert!(refused.to_string().contains(&port.to_string()), "{refused}");
    assert!(matches!(
        bind_first_free(LOOPBACK, port, 1).await,
        Err(HttpError::PortsTaken { .. })
    ));
    let next = bind_first_free(LOOPBACK, port, 100).await.unwrap();
    assert!(next.local_addr().unwrap().port() > port);
}
