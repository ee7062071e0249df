//! Any expression over any chunking means what plain `ndarray` says it means.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what they expect"
)]

use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::lower::{Budget, Limits, lower_with};
use dasklike_graph::plan::Dim;
use dasklike_tests::naive::{self, Naive};
use dasklike_tests::random_plan::{Rng, random_plan};
use dasklike_tests::run_plan::run;

fn close(dtype: DType, got: Scalar, want: Scalar) -> bool {
    let (g, w) = (got.as_f64(), want.as_f64());
    if !dtype.is_float() {
        return got == want;
    }
    if g.is_nan() || w.is_nan() || g == w {
        return g.is_nan() == w.is_nan() && (g.is_nan() || g == w);
    }
    // Sums in another order, of values that may themselves be means rounded to f32.
    let eps = 1e-5;
    (g - w).abs() <= eps * w.abs().max(1.0)
}

fn compare(seed: u64, what: &str, got: &[Naive], want: &[Naive]) {
    for (o, (g, w)) in got.iter().zip(want).enumerate() {
        assert_eq!(&g.dims, &w.dims, "dims of output {o} of seed {seed}");
        assert_eq!(
            g.values.shape(),
            w.values.shape(),
            "shape of output {o} of seed {seed}"
        );
        for (at, value) in g.values.indexed_iter() {
            let wanted = w.values[&at];
            assert!(
                close(g.dtype, *value, wanted),
                "seed {seed}, {what}: output {o} at {at:?} is {value}, should be {wanted}"
            );
        }
    }
}

/// How many plans a run tries, numbered from 0, so that every run tries the same ones.
const PLANS: u64 = 3000;

#[test]
fn a_random_plan_means_what_ndarray_says() {
    (0..PLANS).for_each(try_plan);
}

fn try_plan(seed: u64) {
    let random = random_plan(seed);
    let arrays = random.arrays.clone();
    let want = naive::evaluate(&random.plan, &|s| arrays[s.0 as usize].clone());
    let mut rng = Rng(seed ^ 0x5eed);
    // Every way to lower: results inline or local, partials sent or finished, tiles joined or not.
    for round in 0..4 {
        let limits = Limits {
            inline_result_bytes: rng.pick(&[0, 40, 1 << 16]),
            partial_bytes: rng.pick(&[0, 100, 1 << 16]),
            tile_bytes: rng.pick(&[0, 200, 1 << 16]),
        };
        let asked = ["t", "y", "x"].map(|d| (Dim::from(d), 1 + rng.below(5)));
        let chunks = if round == 3 {
            asked.to_vec()
        } else {
            Vec::new()
        };
        let budget = Budget {
            task_bytes: 1 << 30,
            chunks,
        };
        let lowered = lower_with(&random.plan, &budget, limits).unwrap();
        let got = run(&random.plan, &lowered, &random.arrays, &mut rng);
        compare(seed, &format!("{limits:?}, round {round}"), &got, &want);
    }
}
