//! A client that does not read holds the cluster back instead of filling its memory. Alone in its file, because it
//! looks at the memory of the process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::array::DataArray;
use dasklike::{ComputeOptions, LocalCluster, LocalClusterConfig, compute_with};
use dasklike_graph::dtype::DType;
use std::time::{Duration, Instant};

#[test]
fn blocks_wait_at_the_workers() {
    // The result is 1 GiB in blocks of 32 KiB, which travel in reports.
    let elements = 1 << 27;
    let memory_limit = 64 << 20;
    let config = LocalClusterConfig {
        workers: 2,
        slots: 1,
        memory_limit,
        processes: false,
        dashboard: None,
    };
    let cluster = LocalCluster::start(&config).unwrap();
    let ones = DataArray::ones(DType::F64, &[("x", elements, 1 << 12)]);
    let options = ComputeOptions {
        chunks: vec![("x".into(), 1 << 12)],
        ..ComputeOptions::default()
    };
    let mut waited = false;
    let outputs = compute_with(&cluster.client(), [&ones], &options, |_| {
        if !std::mem::replace(&mut waited, true) {
            let most = settled_memory();
            assert!(
                most < 600 << 20,
                "{most} bytes are resident while the client does not read"
            );
        }
    })
    .unwrap();
    assert!(waited, "progress was told");
    assert!(
        outputs[0]
            .bytes()
            .as_chunks::<8>()
            .0
            .iter()
            .all(|b| f64::from_le_bytes(*b) == 1.0)
    );
}

/// The resident memory, once it has not grown for a while.
fn settled_memory() -> u64 {
    let (begun, mut since, mut most) = (Instant::now(), Instant::now(), 0);
    while since.elapsed() < Duration::from_millis(700) && begun.elapsed() < Duration::from_secs(20)
    {
        let now = resident();
        if now > most + (1 << 20) {
            (most, since) = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    most
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
