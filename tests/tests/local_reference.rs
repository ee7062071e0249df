//! The whole engine against `reference.json`, whose numbers were computed by NumPy and xarray: every store as Zarr
//! v2 and v3, one worker and three, workers as threads and as processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::array::{Computed, DataArray, time};
use dasklike::{
    Client, ComputeOptions, Dataset, LocalCluster, LocalClusterConfig, OpenOptions, compute,
    compute_with,
};
use dasklike_tests::processes::{Process, free_port};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const STORES: [&str; 5] = [
    "s2_field_2019",
    "s2_cloudy_2023q4",
    "s2_tile_33TWM_202308",
    "s2_tile_33TWM_202308_boaoffset",
    "s2_dem_climate_monthly_2021",
];

fn data() -> Option<PathBuf> {
    let path = PathBuf::from("../../shared/data");
    if !path.join("reference.json").exists() {
        assert!(
            std::env::var_os("DASKLIKE_WITHOUT_DATA").is_some(),
            "there is no {}: bring the data, or set DASKLIKE_WITHOUT_DATA to leave out what needs it",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn reference(data: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(data.join("reference.json")).unwrap()).unwrap()
}

fn cluster(workers: u32, processes: bool) -> LocalCluster {
    let memory_limit = 1 << 30;
    LocalCluster::start(&LocalClusterConfig {
        workers,
        slots: 1,
        memory_limit,
        processes,
        dashboard: None,
    })
    .unwrap()
}

fn open(data: &Path, store: &str) -> Dataset {
    Dataset::open(data.join(store).to_str().unwrap(), &OpenOptions::default()).unwrap()
}

/// NDVI as the reference defines it.
fn ndvi(ds: &Dataset, keep: Option<&[i64]>) -> DataArray {
    let (red, nir) = (&ds["red"], &ds["nir"]);
    let sum = nir + red;
    let mut valid = sum.ne(0);
    if let Some(keep) = keep {
        valid = valid & ds["scl"].isin(keep.iter().copied());
    }
    ((nir - red) / sum).where_(valid)
}

/// `null` in the reference is NaN here.
fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap_or(f64::NAN))
        .collect()
}

fn assert_close(what: &str, have: &[f64], expected: &[f64]) {
    assert_eq!(have.len(), expected.len(), "{what}");
    for (i, (h, e)) in have.iter().zip(expected).enumerate() {
        let close = (h.is_nan() && e.is_nan()) || (h - e).abs() <= 1e-9 * e.abs().max(1e-30);
        assert!(
            close,
            "{what}, element {i}: {h} where the reference has {e}"
        );
    }
}

/// Everything that is compared for one store, in one plan.
struct Checks {
    arrays: Vec<DataArray>,
    expected: Vec<(String, Vec<f64>)>,
}

impl Checks {
    fn add(&mut self, what: &str, array: DataArray, expected: Vec<f64>) {
        self.arrays.push(array);
        self.expected.push((what.to_owned(), expected));
    }

    fn of(ds: &Dataset, facts: &Value) -> Checks {
        let mut checks = Checks {
            arrays: Vec::new(),
            expected: Vec::new(),
        };
        let keep: Option<Vec<i64>> = facts["valid_scl"]
            .as_array()
            .map(|v| v.iter().map(|c| c.as_i64().unwrap()).collect());
        let (all, masked) = (ndvi(ds, None), ndvi(ds, keep.as_deref()));
        let m = &facts["ndvi_masked"];
        let pixels = ["y", "x"];
        checks.add("mean", masked.mean(pixels), numbers(&m["mean_per_step"]));
        checks.add("std", masked.std(pixels, 0), numbers(&m["std_per_step"]));
        checks.add("min", masked.min(pixels), numbers(&m["min_per_step"]));
        checks.add("max", masked.max(pixels), numbers(&m["max_per_step"]));
        checks.add("count", masked.count(pixels), numbers(&m["valid_count"]));
        checks.add(
            "unmasked mean",
            all.mean(pixels),
            numbers(&facts["ndvi_unmasked_mean_per_step"]),
        );
        checks.add(
            "overall mean",
            masked.mean(..),
            vec![m["overall_mean"].as_f64().unwrap()],
        );
        let over_time: [(&str, DataArray); 3] = [
            ("time_mean_mean", masked.mean("time")),
            ("time_max_mean", masked.max("time")),
            ("time_std_mean", masked.std("time", 0)),
        ];
        for (name, array) in over_time {
            checks.add(name, array.mean(..), vec![m[name].as_f64().unwrap()]);
        }
        checks.months(&masked, m);
        checks
    }

    fn months(&mut self, masked: &DataArray, m: &Value) {
        let months = masked.groupby("time.month").unwrap();
        let per_pixel = months.mean("time");
        let coord = per_pixel.coord("month").unwrap();
        let names: Vec<String> = (0..coord.len()).map(|i| coord.label(i)).collect();
        let groups = m["groupby_month"].as_object().unwrap();
        assert_eq!(groups.len(), names.len());
        let of = |key: &str| {
            names
                .iter()
                .map(|n| groups[n][key].as_f64().unwrap_or(f64::NAN))
                .collect::<Vec<_>>()
        };
        self.add(
            "mean of pixel means by month",
            per_pixel.mean(["y", "x"]),
            of("mean_of_pixel_means"),
        );
        self.add("pixels by month", per_pixel.count(["y", "x"]), of("pixels"));
        self.add("pooled mean by month", months.mean(..), of("pooled_mean"));
        let resampled = masked.resample("time", "MS").unwrap().mean("time");
        let expected = &m["resample_MS_mean_then_spatial_mean"];
        let coord = resampled.coord("time").unwrap();
        let starts: Vec<String> = (0..coord.len())
            .map(|i| coord.label(i)[..10].to_owned())
            .collect();
        let texts: Vec<&str> = expected["time"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t.as_str().unwrap())
            .collect();
        assert_eq!(starts, texts);
        self.add(
            "resampled to months",
            resampled.mean(["y", "x"]),
            numbers(&expected["value"]),
        );
    }

    fn compare(&self, store: &str, results: &[Computed]) {
        for (result, (what, expected)) in results.iter().zip(&self.expected) {
            assert_close(
                &format!("{what} of {store}"),
                &result.values_f64(),
                expected,
            );
        }
    }
}

fn compare_stores(cluster: &LocalCluster, stores: &[&str]) {
    let Some(data) = data() else { return };
    let reference = reference(&data);
    for store in stores {
        for version in ["v2", "v3"] {
            let name = format!("{store}.{version}.zarr");
            let ds = open(&data, &name);
            let checks = Checks::of(&ds, &reference["stores"][store]);
            checks.compare(&name, &compute(&cluster.client(), &checks.arrays).unwrap());
        }
    }
}

#[test]
fn all_stores_on_one_worker() {
    compare_stores(&cluster(1, false), &STORES);
}

#[test]
fn all_stores_on_three_workers() {
    compare_stores(&cluster(3, false), &STORES);
}

#[test]
fn all_stores_on_processes() {
    for workers in [1, 3] {
        compare_stores(&cluster(workers, true), &STORES);
    }
}

#[test]
fn a_worker_killed_in_the_middle_changes_no_number() {
    let Some(data) = data() else { return };
    let (store, name) = ("s2_tile_33TWM_202308", "s2_tile_33TWM_202308.v2.zarr");
    let ds = open(&data, name);
    let checks = Checks::of(&ds, &reference(&data)["stores"][store]);
    // Tiles far smaller than chunks: each decodes its chunks anew, so that the job is long enough to lose one in.
    let options = || ComputeOptions {
        chunks: vec![("y".into(), 16), ("x".into(), 16)],
        ..ComputeOptions::default()
    };
    for processes in [false, true] {
        let mut cluster = cluster(3, processes);
        let client = cluster.client();
        let (tell, told) = std::sync::mpsc::channel();
        let results = std::thread::scope(|s| {
            let running = s.spawn(|| {
                // Nobody listens any more once the worker is gone.
                compute_with(&client, &checks.arrays, &options(), move |p| {
                    let _ = tell.send(p);
                })
                .unwrap()
            });
            let begun = told
                .iter()
                .find(|p| p.tasks_done > 0)
                .expect("the job ended before it was seen");
            assert!(
                begun.tasks_done < begun.tasks / 2,
                "{begun:?} is too late to lose a worker"
            );
            assert!(cluster.kill_worker(1));
            running.join().unwrap()
        });
        checks.compare(name, &results);
        assert_eq!(cluster.client().cluster().unwrap().workers.len(), 2);
    }
}

#[test]
fn a_scheduler_killed_in_the_middle_changes_no_number() {
    let Some(data) = data() else { return };
    let (store, name) = ("s2_tile_33TWM_202308", "s2_tile_33TWM_202308.v2.zarr");
    let checks = Checks::of(&open(&data, name), &reference(&data)["stores"][store]);
    let journal = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let scheduler = || {
        let args = ["scheduler", "--port", &port, "--dashboard-port", "0"];
        let journal = ["--journal", journal.path().to_str().unwrap()];
        Process::start(args.into_iter().chain(journal))
    };
    let url = format!("tcp://127.0.0.1:{port}");
    let worker = || Process::start(["worker", "--slots", "1", "--scheduler", &url]);
    let first = scheduler();
    let _workers = [worker(), worker()];
    let client = connect(&url);
    // As above, so that the job is long enough to lose a scheduler in.
    let options = ComputeOptions {
        chunks: vec![("y".into(), 16), ("x".into(), 16)],
        name: Some("season".into()),
        ..ComputeOptions::default()
    };
    let (tell, told) = std::sync::mpsc::channel();
    let (results, _second) = std::thread::scope(|s| {
        let running = s.spawn(|| {
            // Nobody listens any more once enough was seen.
            compute_with(&client, &checks.arrays, &options, move |p| {
                let _ = tell.send(p);
            })
            .unwrap()
        });
        let before = told.iter().find(|p| p.tasks_done > p.tasks / 5);
        let before = before.expect("the job ended before it was seen");
        assert!(
            before.tasks_done < before.tasks * 3 / 4,
            "{before:?} is too late to lose the scheduler"
        );
        drop(first);
        let second = scheduler();
        let results = running.join().unwrap();
        // What was done stays done, but for the last moments before the end.
        let least = told.iter().map(|p| p.tasks_done).min();
        assert!(
            least.is_some_and(|least| least > before.tasks_done / 2),
            "{before:?}, and {least:?} after the restart"
        );
        (results, second)
    });
    checks.compare(name, &results);
    // Who got the results needs no journal.
    let begun = Instant::now();
    while std::fs::read_dir(journal.path()).unwrap().count() > 1 {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it is not dropped"
        );
        std::thread::yield_now();
    }
}

/// As soon as it listens.
fn connect(url: &str) -> Client {
    let begun = Instant::now();
    loop {
        match Client::connect(url) {
            Ok(client) => return client,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
        }
    }
}

#[test]
fn the_same_plan_gives_the_same_bits() {
    let Some(data) = data() else { return };
    let ds = open(&data, "s2_tile_33TWM_202308.v3.zarr");
    let ndvi = ndvi(&ds, Some(&[4, 5, 6, 7]));
    let arrays = [
        ndvi.mean(["y", "x"]),
        ndvi.std(["y", "x"], 0),
        ndvi.mean("time").mean(..),
    ];
    let bits = |cluster: &LocalCluster| {
        let results = compute(&cluster.client(), &arrays).unwrap();
        results
            .iter()
            .map(|r| r.bytes().to_vec())
            .collect::<Vec<_>>()
    };
    let three = cluster(3, false);
    let first = bits(&three);
    for _ in 0..5 {
        assert_eq!(bits(&three), first);
    }
    assert_eq!(bits(&cluster(1, false)), first);
}

#[test]
fn a_climate_series_by_hour_and_day() {
    let Some(data) = data() else { return };
    let reference = reference(&data);
    let facts = &reference["stores"]["climate_era5_t2m_uk_201903"];
    let cluster = cluster(2, false);
    for version in ["v2", "v3"] {
        let name = format!("climate_era5_t2m_uk_201903.{version}.zarr");
        let t2m = open(&data, &name)["t2m"].astype(dasklike_graph::dtype::DType::F64);
        let days = t2m.resample("time", "D").unwrap();
        let all = [
            ("mean", t2m.mean(..), vec![facts["mean"].as_f64().unwrap()]),
            ("min", t2m.min(..), vec![facts["min"].as_f64().unwrap()]),
            ("max", t2m.max(..), vec![facts["max"].as_f64().unwrap()]),
            (
                "by hour",
                t2m.groupby("time.hour").unwrap().mean(..),
                numbers(&facts["groupby_hour_mean"]),
            ),
            ("by day", days.mean(..), numbers(&facts["daily_mean"])),
            (
                "greatest of a day",
                days.max(..),
                numbers(&facts["daily_max_of_grid"]),
            ),
        ];
        let arrays: Vec<DataArray> = all.iter().map(|c| c.1.clone()).collect();
        let results = compute(&cluster.client(), &arrays).unwrap();
        for (result, (what, _, expected)) in results.iter().zip(&all) {
            assert_close(&format!("{what} of {name}"), &result.values_f64(), expected);
        }
        let first = results[4].coord("time").unwrap();
        assert_eq!(
            first.label(0),
            time::iso(time::parse_period("2019-03-01").unwrap().first)
        );
    }
}
