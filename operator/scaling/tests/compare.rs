//! Nobody is better than our default policy: see `examples/compare`, whose numbers these are.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../examples/compare/comparison.rs"]
#[allow(
    dead_code,
    reason = "the example prints more of it than is asserted here"
)]
mod comparison;
#[path = "../examples/compare/rivals/mod.rs"]
mod rivals;
#[path = "../examples/compare/traces.rs"]
mod traces;

use comparison::{PRICES, beaten, compare, savings, waiting};
use dasklike_scaling::Policy;

#[test]
fn the_default_policy_costs_a_fifth_less_than_the_best_of_the_others_and_is_nowhere_beaten() {
    let rows = compare(&Policy::up_to(traces::MAX));
    assert_eq!(beaten(&rows), Vec::<String>::new());
    for (price, saved) in PRICES.into_iter().zip(savings(&rows, waiting)) {
        assert!(
            saved >= 0.2,
            "waiting at {price}: {:.1} % saved",
            100.0 * saved
        );
    }
    let rerun: u32 = rows.iter().map(|row| row.reports[0].rerun_scaled).sum();
    assert_eq!(rerun, 0, "tasks ran again because of scaling");
    let open: usize = rows.iter().map(|row| row.reports[0].unfinished).sum();
    assert_eq!(open, 0, "jobs were not done");
}
