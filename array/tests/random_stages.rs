//! Random stages give what an interpreter of one element at a time gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use dasklike_graph::dtype::Scalar;
use dasklike_graph::mask;
use dasklike_graph::passing::groups_pass;
use dasklike_graph::stage::{Origin, Sink, Stage};
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
    fn chunks_of_which_nothing_counts_are_not_read(seed: u64) {
        let case = masked::masked_pass(seed);
        let pass = &case.stage.passes[0];
        let inputs = &pass.inputs;
        let order = mask::read_order(pass);
        // Chunks of one array that is both are read as the mask's.
        if inputs[0].origin != inputs[1].origin && matches!(inputs[0].origin, Origin::Stored(_)) {
            let order = order.unwrap();
            prop_assert_eq!((order.first, order.then), (vec![1], vec![0]));
            let one = Scalar::I64(1).cast(inputs[1].dtype);
            let counts = |at: &[u64]| run::element(&case, &inputs[1], at, &Vec::new()) == one;
            for [read, wanted] in run::chunks_read_and_wanted(&case, 0, counts) {
                prop_assert_eq!(read, wanted, "seed {}", seed);
            }
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

/// Few random stages have such groups; those that do are looked for.
#[test]
fn groups_that_pass_equal_the_interpreter() {
    let passes = |stage: &Stage| {
        stage.passes.iter().any(|pass| {
            pass.sinks
                .iter()
                .any(|sink| matches!(sink, Sink::Reduce(r) if groups_pass(stage, pass, r)))
        })
    };
    let cases = (0..20_000).flat_map(|seed| [build::one_pass(seed), build::two_passes(seed)]);
    let mut found = 0;
    for case in cases.filter(|case| passes(&case.stage)).take(500) {
        found += 1;
        if let Err(e) = run::check(&case) {
            panic!("{e}\n{:#?}", case.stage);
        }
    }
    assert_eq!(found, 500);
}
