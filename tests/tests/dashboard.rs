//! The dashboard of a real cluster in a headless browser: it fills while a job runs, keeps the timeline after,
//! and says why a job failed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

use dasklike::cluster::{LocalCluster, LocalClusterConfig};
use dasklike::submit::{CancelToken, ComputeOptions};
use dasklike::{Dataset, OpenOptions, compute_with};
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::grid::Axis;
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::plan::{Op, Plan, PlanBuilder};
use dasklike_graph::reduce::ReduceOp;
use dasklike_storage::sample::{SampleCodec, SampleSpec, write_sample};
use dasklike_tests::browser::Browser;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How long the page may take to show what has happened.
const SOON: Duration = Duration::from_secs(20);

/// A cluster and its dashboard in a browser. The page is open before the first job.
struct Watched {
    browser: Browser,
    cluster: LocalCluster,
}

impl Watched {
    fn start() -> Watched {
        let cluster = LocalCluster::start(&LocalClusterConfig {
            workers: 2,
            slots: 1,
            memory_limit: 256 << 20,
            processes: false,
            dashboard: Some(0),
        })
        .unwrap();
        let mut browser = Browser::start().unwrap();
        browser.resize(1280, 1000).unwrap();
        browser.open(&cluster.dashboard_url().unwrap()).unwrap();
        let mut watched = Watched { browser, cluster };
        watched.wait("document.querySelectorAll('#workers tbody tr').length === 2");
        watched
    }

    fn wait(&mut self, expression: &str) {
        self.browser.wait_for(SOON, expression).unwrap();
    }

    fn number(&mut self, expression: &str) -> u64 {
        let value = self.browser.eval(expression).unwrap();
        value
            .as_u64()
            .unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    fn text(&mut self, selector: &str) -> String {
        let found = self
            .browser
            .eval(&format!("document.querySelector({selector:?}).innerText"))
            .unwrap();
        found.as_str().unwrap().to_owned()
    }

    /// Moves the pointer to the middle of an element, and gives what the tooltip says then.
    fn point_at(&mut self, selector: &str) -> String {
        let at = format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'center' }}); \
             const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
        );
        let at = self.browser.eval(&at).unwrap();
        self.browser
            .point_at(at[0].as_f64().unwrap(), at[1].as_f64().unwrap())
            .unwrap();
        self.wait("!document.getElementById('tip').hidden");
        self.text("#tip")
    }

    /// Nothing that the page ran went wrong.
    fn end(mut self) {
        assert_eq!(self.browser.problems().unwrap(), Vec::<String>::new());
    }
}

/// A plan that takes minutes: sines of a number in each of so many tiles.
fn slow_plan(tiles: u64) -> Plan {
    let mut b = PlanBuilder::default();
    let (dims, width) = (vec!["y".into(), "x".into()], 10_000);
    let axes = vec![Axis::regular(tiles, 1), Axis::regular(width, width)];
    let full = Op::Full {
        value: Scalar::F64(0.5),
        dtype: DType::F64,
        dims,
        axes,
    };
    let bytes: Vec<u8> = (0..width).flat_map(|i| (i as f64).to_le_bytes()).collect();
    let ramp = Op::Inline {
        dtype: DType::F64,
        dims: vec!["x".into()],
        shape: vec![width],
        bytes: bytes.into(),
    };
    let (full, ramp) = (b.add(full, &[]).unwrap(), b.add(ramp, &[]).unwrap());
    let mut x = b.add(Op::Binary(BinaryOp::Add), &[full, ramp]).unwrap();
    for _ in 0..4 {
        x = b.add(Op::Unary(UnaryOp::Sin), &[x]).unwrap();
    }
    let dims = vec!["y".into(), "x".into()];
    let mean = Op::Reduce {
        op: ReduceOp::Mean,
        dims,
        skipna: true,
        labels: None,
    };
    let mean = b.add(mean, &[x]).unwrap();
    b.output("mean", mean);
    b.finish()
}

/// A cube of 12 steps of 8 x 8 chunks.
fn sample(path: &Path) {
    let spec = SampleSpec {
        steps: 12,
        size: 512,
        chunk: 64,
        codec: SampleCodec::BloscZstd,
    };
    write_sample(path, &spec, &mut |_, _| {}).unwrap();
}

/// The mean NDVI of each step, as a named job with a tile for each chunk.
fn mean_ndvi(cluster: &LocalCluster, cube: &Path) -> Result<(), dasklike::Error> {
    let cube = Dataset::open(cube.to_str().unwrap(), &OpenOptions::default()).unwrap();
    let (red, nir) = (&cube["red"], &cube["nir"]);
    let ndvi = (nir - red) / (nir + red);
    let chunks = vec![("time".into(), 1), ("y".into(), 64), ("x".into(), 64)];
    let options = ComputeOptions {
        name: Some("mean ndvi".to_owned()),
        chunks,
        ..ComputeOptions::default()
    };
    let mean = ndvi.mean(["y", "x"]);
    compute_with(&cluster.client(), [&mean], &options, |_| {}).map(drop)
}

const DONE: &str = "document.querySelectorAll('.stage .cells i.done').length";

#[test]
fn cells_fill_while_a_job_runs() {
    let mut watched = Watched::start();
    assert_eq!(watched.text("#job h2"), "No job yet");
    let client = watched.cluster.client();
    let cancel = CancelToken::default();
    let options = ComputeOptions {
        cancel: cancel.clone(),
        chunks: vec![("y".into(), 1)],
        ..ComputeOptions::default()
    };
    let job = std::thread::spawn(move || client.compute(&slow_plan(100_000), &options, |_| {}));

    watched.wait("document.getElementById('job').dataset.state === 'running'");
    watched.wait("document.querySelector('.stage .cells i.running') !== null");
    watched.wait(&format!("{DONE} > 0"));
    let cells = watched.number("document.querySelectorAll('.stage .cells i').length");
    assert_eq!(cells, 1024, "each stage has at most so many cells");
    for _ in 0..3 {
        let before = watched.number(DONE);
        assert!(before < cells, "the job must be long enough to be watched");
        watched.wait(&format!("{DONE} > {before}"));
    }
    watched.wait("Number(document.querySelector('#time canvas').dataset.intervals) > 0");
    watched.wait("document.querySelector('.limit.binds') !== null");
    let percent =
        watched.number("Number(document.querySelector('.bar.big').getAttribute('aria-valuenow'))");
    assert!(percent < 100, "{percent}");

    cancel.cancel();
    job.join().unwrap().unwrap_err();
    watched.wait("document.getElementById('job').dataset.state === 'cancelled'");
    watched.end();
}

#[test]
fn the_timeline_stays_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let cube = folder.path().join("cube.zarr");
    sample(&cube);
    let mut watched = Watched::start();
    mean_ndvi(&watched.cluster, &cube).unwrap();

    let finished = "document.getElementById('job').dataset.state === 'finished'";
    let coloured = "new Set([...document.querySelectorAll('.stage .cells i')]\
                    .map((c) => c.style.getPropertyValue('--colour')).filter((c) => c.startsWith('rgb'))).size";
    // The second time, the page has seen nothing of the job itself.
    for _ in 0..2 {
        watched.wait(finished);
        let cells = watched.number("document.querySelectorAll('.stage .cells i').length");
        assert_eq!(cells, 12 * 8 * 8);
        watched.wait(&format!("{DONE} === {cells}"));
        assert!(
            watched.number(coloured) > 3,
            "colours say when each cell was done"
        );
        assert_eq!(watched.text(".percent"), "100 %");
        assert_eq!(watched.text("#job .title"), "mean ndvi");
        let tip = watched.point_at(".stage .cells i:nth-child(65)");
        assert!(
            tip.contains("time 1, y 0, x 0") && tip.contains("after submission"),
            "{tip}"
        );
        // A cursor in the past shows the cells as they were then.
        let tip = watched.point_at(".curve canvas");
        assert!(tip.contains("after submission"), "{tip}");
        watched.wait(&format!("{DONE} < {cells}"));
        watched.browser.point_at(1.0, 1.0).unwrap();
        watched.wait(&format!("{DONE} === {cells}"));
        watched.wait("Number(document.querySelector('#time canvas').dataset.intervals) > 0");
        watched.wait("document.querySelector('svg.plan .node') !== null");
        assert!(watched.text("#plan").contains("stage 0 evaluates"));
        let url = watched.cluster.dashboard_url().unwrap();
        watched.browser.open(&url).unwrap();
    }
    watched.end();
}

#[test]
fn a_failed_job_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let cube = folder.path().join("cube.zarr");
    sample(&cube);
    let chunk = cube.join("nir/c/7/3/2");
    let bytes = std::fs::read(&chunk).unwrap();
    std::fs::write(&chunk, &bytes[..bytes.len() / 2]).unwrap();
    let mut watched = Watched::start();
    let error = mean_ndvi(&watched.cluster, &cube).unwrap_err().to_string();

    watched.wait("document.getElementById('job').dataset.state === 'failed'");
    let shown = watched.text(".failure");
    assert!(
        shown.contains("nir") && shown.contains("[7,3,2]"),
        "the page says: {shown}\nthe client says: {error}"
    );
    assert!(watched.text("#errors").contains("mean ndvi"));
    let failed = watched
        .browser
        .eval("[...document.querySelectorAll('.stage .cells i.failed')].map((c) => c.dataset.c)");
    let tile = (7 * 8 + 3) * 8 + 2;
    assert_eq!(failed.unwrap(), json!([tile.to_string()]));
    let tip = watched.point_at(".stage .cells i.failed");
    assert!(
        tip.contains("time 7, y 3, x 2") && tip.contains("failed"),
        "{tip}"
    );
    watched.end();
}

/// Not a test: takes the pictures of the documentation, on a cube large enough to be watched.
#[test]
#[ignore = "writes docs/dashboard*.png"]
fn pictures_for_the_documentation() {
    let folder = tempfile::tempdir().unwrap();
    let cube = folder.path().join("cube.zarr");
    let spec = SampleSpec {
        steps: 48,
        size: 2048,
        chunk: 512,
        codec: SampleCodec::Zlib,
    };
    write_sample(&cube, &spec, &mut |_, _| {}).unwrap();
    let mut watched = Watched::start();
    let docs = Path::new("../docs");
    watched.browser.resize(1280, 800).unwrap();
    let client = watched.cluster.client();
    let job = std::thread::spawn(move || {
        let cube = Dataset::open(cube.to_str().unwrap(), &OpenOptions::default()).unwrap();
        let (red, nir) = (&cube["red"], &cube["nir"]);
        let ndvi = (nir - red) / (nir + red);
        let clear = ndvi.where_(cube["scl"].isin([4, 5, 6, 7]));
        let pixels = ["y", "x"];
        let outputs = [
            clear.mean(pixels).rename("mean"),
            clear.std(pixels, 0).rename("std"),
            clear.count(pixels).rename("count"),
        ];
        let options = ComputeOptions {
            name: Some("ndvi".to_owned()),
            ..ComputeOptions::default()
        };
        compute_with(&client, &outputs, &options, |_| {}).unwrap();
    });
    watched.wait("parseInt(document.querySelector('.percent')?.innerText) > 60");
    watched
        .browser
        .screenshot(&docs.join("dashboard.png"))
        .unwrap();
    job.join().unwrap();
    watched.wait("document.getElementById('job').dataset.state === 'finished'");
    watched.browser.prefer_dark(true).unwrap();
    watched.wait("matchMedia('(prefers-color-scheme: dark)').matches");
    watched.wait("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
    watched
        .browser
        .screenshot(&docs.join("dashboard-dark.png"))
        .unwrap();
    watched.end();
}
