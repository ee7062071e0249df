//! Random stages give what an interpreter of one element at a time gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use proptest::prelude::*;
use support::{build, masked, run};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_pass_equals_the_interpreter(seed: u64) {
        let case = build::one_pass(seed);
        if let Err(e) = run::check(&case) {
            prop_assert!(false, "seed {}: {}\n{:#?}", seed, e, case.stage);
        }
    }

    #[test]
    fn what_a_mask_leaves_out_counts_nowhere(seed: u64) {
        let case = masked::masked_pass(seed);
        if let Err(e) = run::check(&case) {
            prop_assert!(false, "seed {}: {}\n{:#?}", seed, e, case.stage);
        }
    }

    #[test]
    fn two_passes_equal_the_interpreter(seed: u64) {
        let case = build::two_passes(seed);
        if let Err(e) = run::check(&case) {
            prop_assert!(false, "seed {}: {}\n{:#?}", seed, e, case.stage);
        }
    }

    #[test]
    fn the_same_tile_gives_the_same_bits(seed: u64) {
        let case = build::one_pass(seed);
        prop_assert_eq!(run::outputs(&case), run::outputs(&case));
    }
}
