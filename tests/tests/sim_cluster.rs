//! The whole cluster under thousands of seeds.
//!
//! `DASKLIKE_SIM_SEED=17 cargo test --release -p dasklike-tests --test sim_cluster` replays one and writes down
//! every event.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike_tests::sim::{Report, Sim};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

const SEEDS: u64 = 2000;

#[test]
fn every_seed_ends_well() {
    if let Ok(seed) = std::env::var("DASKLIKE_SIM_SEED") {
        let seed = seed.parse().expect("DASKLIKE_SIM_SEED is a number");
        eprintln!("seed {seed}: {:?}", Sim::new(seed, true).run());
        return;
    }
    let mut total = Report::default();
    for seed in 0..SEEDS {
        match catch_unwind(AssertUnwindSafe(|| Sim::new(seed, false).run())) {
            Ok(report) => {
                total.events += report.events;
                total.started += report.started;
                total.stolen += report.stolen;
                total.rerun += report.rerun;
                total.restored += report.restored;
                for (all, one) in total.ended.iter_mut().zip(report.ended) {
                    *all += one;
                }
            }
            Err(cause) => {
                eprintln!("seed {seed} failed: replay it with DASKLIKE_SIM_SEED={seed}");
                resume_unwind(cause);
            }
        }
    }
    eprintln!("{SEEDS} seeds: {total:?}");
    // Seeds that never come into trouble prove nothing.
    assert!(total.restored > 0);
    assert!(total.stolen > 0 && total.rerun > 0 && total.ended.iter().all(|n| *n > 0));
    // Tiles that go to and fro between a busy worker and the scheduler are stolen again and again.
    assert!(
        total.stolen * 25 < total.started,
        "more than one tile in 25 was stolen"
    );
}
