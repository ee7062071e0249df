//! Bad input ends the example with exit code 2, an error that names the thing, and no files; Ctrl-C ends it at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn example() -> Command {
    // `cargo test` builds the package's examples beside its programs.
    let folder = Path::new(env!("CARGO_BIN_EXE_dasklike")).parent().unwrap();
    Command::new(folder.join("examples/ndvi_timeseries"))
}

fn field() -> Option<PathBuf> {
    let path = std::env::current_dir()
        .unwrap()
        .join("../../shared/data/s2_field_2019.v2.zarr");
    if !path.exists() {
        assert!(
            std::env::var_os("DASKLIKE_WITHOUT_DATA").is_some(),
            "there is no {}: bring the data, or set DASKLIKE_WITHOUT_DATA to leave out what needs it",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// A copy of a real store, to be damaged.
fn copied(folder: &TempDir) -> Option<PathBuf> {
    let store = folder.path().join("cube.zarr");
    copy(&field()?, &store);
    Some(store)
}

/// Edits a metadata document of a store, and its copy in the consolidated one.
fn edit(store: &Path, document: &str, change: impl Fn(&mut serde_json::Value)) {
    for file in [document, ".zmetadata"] {
        let path = store.join(file);
        let mut value: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(match file {
            ".zmetadata" => &mut value["metadata"][document],
            _ => &mut value,
        });
        fs::write(&path, value.to_string()).unwrap();
    }
}

fn run(folder: &TempDir, input: &str, more: &[&str]) -> Output {
    let out = folder.path().join("out");
    fs::create_dir_all(&out).unwrap();
    let png = out.join("a.png");
    let csv = out.join("a.csv");
    example()
        .args([
            "--input",
            input,
            "--output",
            png.to_str().unwrap(),
            "--csv",
            csv.to_str().unwrap(),
            "--workers",
            "2",
        ])
        .args(more)
        .output()
        .unwrap()
}

/// The run failed as bad input, says all of `words`, and left nothing.
fn assert_refused(folder: &TempDir, input: &str, more: &[&str], words: &[&str]) {
    let output = run(folder, input, more);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let error = said
        .lines()
        .find(|l| l.starts_with("error: "))
        .unwrap_or_else(|| panic!("no error in {said}"));
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error}");
    }
    assert!(output.stdout.is_empty());
    let left: Vec<_> = fs::read_dir(folder.path().join("out")).unwrap().collect();
    assert!(left.is_empty(), "{left:?} was left");
}

#[test]
fn stores_that_are_none() {
    let folder = TempDir::new().unwrap();
    assert_refused(
        &folder,
        "/no/such/cube.zarr",
        &[],
        &["/no/such/cube.zarr", "no such"],
    );
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert_refused(
        &folder,
        empty.to_str().unwrap(),
        &[],
        &["empty", "not a zarr store"],
    );
    assert_refused(
        &folder,
        "ftp://somewhere/cube.zarr",
        &[],
        &["ftp://somewhere/cube.zarr"],
    );
}

#[test]
fn variables_and_times_that_are_not_there() {
    let Some(field) = field() else { return };
    let (folder, input) = (TempDir::new().unwrap(), field.to_str().unwrap());
    assert_refused(
        &folder,
        input,
        &["--red", "B04"],
        &["\"B04\"", "nir, red, scl"],
    );
    assert_refused(&folder, input, &["--mask", "qa"], &["\"qa\"", "--no-mask"]);
    assert_refused(&folder, input, &["--red", "x", "--nir", "y"], &["time"]);
    // Their dims would broadcast: pixels that there are not would count.
    let (band, mask) = (["--red", "time"], ["--mask", "spatial_ref"]);
    assert_refused(&folder, input, &band, &["\"nir\"", "(time)"]);
    assert_refused(&folder, input, &mask, &["\"spatial_ref\"", "(time, y, x)"]);
    assert_refused(&folder, input, &["--time", "2031..2032"], &["2031..2032"]);
    assert_refused(
        &folder,
        input,
        &["--chunks", "1,64"],
        &["2 sizes", "3 dims"],
    );
}

#[test]
fn times_shapes_and_factors_that_make_no_sense() {
    let cases: [(&str, &str, serde_json::Value, &[&str]); 6] = [
        (
            "time/.zattrs",
            "calendar",
            "noleap".into(),
            &["time", "noleap"],
        ),
        (
            "time/.zattrs",
            "units",
            "days since 2000-01-01 00:00 +aéb".into(),
            &["time", "aéb"],
        ),
        (
            "time/.zattrs",
            "units",
            "metres".into(),
            &["time", "days since"],
        ),
        ("time/.zarray", "dtype", "|S8".into(), &["time", "|S8"]),
        (
            "red/.zarray",
            "shape",
            vec![33, 1u64 << 40, 1 << 40].into(),
            &["red", "1099511627776"],
        ),
        (
            "red/.zattrs",
            "scale_factor",
            "tenth".into(),
            &["red", "scale_factor", "tenth"],
        ),
    ];
    for (document, key, value, words) in cases {
        let folder = TempDir::new().unwrap();
        let Some(store) = copied(&folder) else { return };
        edit(&store, document, |d| d[key] = value.clone());
        assert_refused(&folder, store.to_str().unwrap(), &[], words);
    }
}

#[test]
fn a_factor_that_is_given_takes_the_place_of_one_that_makes_no_sense() {
    let folder = TempDir::new().unwrap();
    let Some(store) = copied(&folder) else { return };
    edit(&store, "red/.zattrs", |d| d["scale_factor"] = "1e-4".into());
    let output = run(&folder, store.to_str().unwrap(), &["--scale", "1e-4"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Pixels of a picture in the colour of the curve.
fn curve(png: &[u8]) -> usize {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    reader.next_frame(&mut pixels).unwrap();
    let pixels = pixels.chunks_exact(4);
    pixels.filter(|p| p[..3] == [0x1b, 0x7a, 0x3d]).count()
}

#[test]
fn a_step_without_a_time_leaves_the_others_in_the_picture() {
    let drawn = [None, Some(1_549_411_200)].map(|missing: Option<i64>| {
        let folder = TempDir::new().unwrap();
        let store = copied(&folder)?;
        edit(&store, "time/.zarray", |d| d["fill_value"] = missing.into());
        let output = run(&folder, store.to_str().unwrap(), &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let csv = fs::read_to_string(folder.path().join("out/a.csv")).unwrap();
        let without = csv.lines().filter(|l| l.starts_with(',')).count();
        assert_eq!(without, missing.iter().count());
        Some(curve(&fs::read(folder.path().join("out/a.png")).unwrap()))
    });
    let [Some(all), Some(some)] = drawn else {
        return;
    };
    assert!(some < all && some > all / 2, "{some} pixels of {all}");
}

#[test]
fn arrays_that_do_not_align() {
    let folder = TempDir::new().unwrap();
    let Some(store) = copied(&folder) else { return };
    edit(&store, "nir/.zarray", |array| {
        array["shape"] = serde_json::json!([33, 57, 40]);
    });
    assert_refused(
        &folder,
        store.to_str().unwrap(),
        &[],
        &["\"x\"", "40", "56"],
    );
}

#[test]
fn chunks_that_are_damaged() {
    let folder = TempDir::new().unwrap();
    let Some(store) = copied(&folder) else { return };
    let chunk = store.join("red/2.1.0");
    let whole = fs::read(&chunk).unwrap();
    fs::write(&chunk, &whole[..whole.len() / 2]).unwrap();
    assert_refused(
        &folder,
        store.to_str().unwrap(),
        &[],
        &["red", "2,1,0", "cube.zarr"],
    );
    assert_refused(
        &folder,
        store.to_str().unwrap(),
        &["--processes"],
        &["red", "2,1,0", "cube.zarr"],
    );
}

#[test]
fn codecs_that_are_unknown() {
    let folder = TempDir::new().unwrap();
    let Some(store) = copied(&folder) else { return };
    edit(&store, "red/.zarray", |array| {
        array["compressor"] = serde_json::json!({"id": "shrinkwrap"});
    });
    assert_refused(
        &folder,
        store.to_str().unwrap(),
        &[],
        &["red", "shrinkwrap"],
    );
}

#[test]
fn what_does_not_fit_or_answer() {
    let Some(field) = field() else { return };
    let (folder, input) = (TempDir::new().unwrap(), field.to_str().unwrap());
    assert_refused(&folder, input, &["--memory-limit", "200kB"], &["bytes"]);
    // Port 1 is nobody's.
    let output = example()
        .args(["--input", input, "--scheduler", "tcp://127.0.0.1:1"])
        .current_dir(folder.path())
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("127.0.0.1:1"), "{said}");
    assert!(!folder.path().join("ndvi_timeseries.png").exists());
    let nowhere = example()
        .args(["--input", input, "--output", "no/folder/a.png"])
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    for csv in ["a.x", "./a.x", folder.path().join("a.x").to_str().unwrap()] {
        let one_file = example()
            .args(["--input", input, "--output", "a.x", "--csv", csv])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&one_file.stderr);
        assert_eq!(one_file.status.code(), Some(2), "{said}");
        assert!(said.contains("expected two files"), "{said}");
        assert!(!folder.path().join("a.x").exists());
    }
}

#[test]
fn what_is_no_file_is_written_to_and_not_replaced() {
    let Some(field) = field() else { return };
    let folder = TempDir::new().unwrap();
    let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("linked.png", &link).unwrap();
    fs::write(folder.path().join("linked.png"), "old").unwrap();
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    let run = |csv: &Path, output: &Path| {
        let mut example = example();
        example.arg("--input").arg(&field);
        example.arg("--csv").arg(csv).arg("--output").arg(output);
        example.output().unwrap()
    };
    let output = run(&pipe, &link);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(reader.join().unwrap().starts_with("time,mean,std"));
    assert!(link.is_symlink());
    let picture = fs::read(folder.path().join("linked.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    let null = Path::new("/dev/null");
    assert!(run(null, null).status.success());
    let full = run(Path::new("/dev/full"), null);
    let said = String::from_utf8_lossy(&full.stderr);
    assert_eq!(full.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot write /dev/full"), "{said}");
    for device in [null, Path::new("/dev/full")] {
        assert!(!fs::metadata(device).unwrap().is_file());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for option in ["--port", "--dashboard-port"] {
        let other = if option == "--port" {
            "--dashboard-port"
        } else {
            "--port"
        };
        let output = Command::new(env!("CARGO_BIN_EXE_dasklike"))
            .args(["scheduler", option, &port, other, "0"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&port) && said.contains("taken"), "{said}");
    }
}

fn wait(child: &mut Child, what: &str) -> std::process::ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let parent = |p: &u32| {
        let stat = fs::read_to_string(format!("/proc/{p}/stat")).ok()?;
        stat.rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse::<u32>()
            .ok()
    };
    processes.filter(|p| parent(p) == Some(pid)).collect()
}

#[test]
fn ctrl_c_ends_it_and_its_workers() {
    let Some(field) = field() else { return };
    let folder = TempDir::new().unwrap();
    let mut child = example()
        .args([
            "--input",
            field.to_str().unwrap(),
            "--processes",
            "--workers",
            "2",
            "--hold",
        ])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while children(child.id()).len() < 2 {
        assert!(
            Instant::now() < deadline && child.try_wait().unwrap().is_none(),
            "no workers came"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let workers = children(child.id());
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let status = wait(&mut child, "it does not end");
    // 0 if everything was written already and it only held the dashboard.
    assert!(matches!(status.code(), Some(130 | 0)), "{status}");
    let gone = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_err_and(|_| true)
            || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| s.contains(") Z "))
    };
    while !workers.iter().all(gone) {
        assert!(Instant::now() < deadline, "workers were left behind");
        std::thread::sleep(Duration::from_millis(5));
    }
}
