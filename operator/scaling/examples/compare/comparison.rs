//! All scalers on all traces, and what that comes to.

use crate::rivals::{Always, DaskAdaptive, KedaHpa, RayV2};
use crate::traces::{CASES, Case, MAX, NOT_IN_TOTAL, SEEDS};
use dasklike_scaling::Policy;
use dasklike_scaling::simulate::{Ours, Report, Scaler, run};

/// What a second of waiting costs, in seconds of a pod.
pub(crate) const PRICES: [f64; 3] = [1.0, 5.0, 20.0];

/// Ours first.
pub(crate) const NAMES: [&str; 4] = ["dasklike", "Dask adaptive", "KEDA + HPA", "Ray v2"];

/// What each scaler came to on one trace with one seed.
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) seed: u64,
    pub(crate) reports: [Report; 4],
    /// What nobody can do better than: the waiting with the most workers all the time.
    pub(crate) least_waiting: f64,
}

/// Runs all.
pub(crate) fn compare(policy: &Policy) -> Vec<Row> {
    let rows = CASES.iter().flat_map(|case| SEEDS.map(|seed| (case, seed)));
    rows.map(|(case, seed)| row(policy, case, seed)).collect()
}

fn row(policy: &Policy, case: &Case, seed: u64) -> Row {
    let (world, trace) = case.of(seed);
    let mut scalers: [Box<dyn Scaler>; 4] = [
        Box::new(Ours::new(policy.clone())),
        Box::new(DaskAdaptive::new(0, MAX)),
        Box::new(KedaHpa::new(MAX)),
        Box::new(RayV2 { min: 0, max: MAX }),
    ];
    Row {
        case: case.name,
        seed,
        least_waiting: run(&world, &trace, &mut Always(MAX)).waiting_seconds,
        reports: scalers
            .each_mut()
            .map(|scaler| run(&world, &trace, &mut **scaler)),
    }
}

/// The sum over all rows of each scaler, but for the trace that is not in the total.
pub(crate) fn totals(rows: &[Row], number: impl Fn(&Report) -> f64) -> [f64; 4] {
    let mut sums = [0.0; 4];
    for row in rows.iter().filter(|row| row.case != NOT_IN_TOTAL) {
        for (sum, report) in sums.iter_mut().zip(&row.reports) {
            *sum += number(report);
        }
    }
    sums
}

/// Where a rival is better than ours by more than a twentieth both in waiting and in pods.
pub(crate) fn beaten(rows: &[Row]) -> Vec<String> {
    let mut beaten = Vec::new();
    for row in rows {
        let [ours, rivals @ ..] = &row.reports;
        for (rival, name) in rivals.iter().zip(&NAMES[1..]) {
            let waits = rival.waiting_seconds < 0.95 * ours.waiting_seconds;
            if waits && rival.pod_seconds < 0.95 * ours.pod_seconds {
                beaten.push(format!("{name} on {} with seed {}", row.case, row.seed));
            }
        }
    }
    beaten
}

/// What waiting is, as [`Report`] has it.
pub(crate) fn waiting(report: &Report) -> f64 {
    report.waiting_seconds
}

/// Waiting and the time of computing, which is the same for all.
pub(crate) fn job(report: &Report) -> f64 {
    report.job_seconds
}

/// The price of all, where a second of `seconds` costs as much as so many of a pod.
pub(crate) fn cost(rows: &[Row], seconds: fn(&Report) -> f64, price: f64) -> [f64; 4] {
    totals(rows, |report| price * seconds(report) + report.pod_seconds)
}

/// By how much less than the best rival ours costs in total, as a share of that, at each price.
pub(crate) fn savings(rows: &[Row], seconds: fn(&Report) -> f64) -> [f64; 3] {
    PRICES.map(|price| {
        let [ours, rivals @ ..] = cost(rows, seconds, price);
        1.0 - ours / rivals.into_iter().fold(f64::INFINITY, f64::min)
    })
}
