//! Lowering, seen from outside: what the stages of small plans look like.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::dtype::Scalar;
use crate::ops::BinaryOp;
use crate::plan::{Labels, PlanBuilder, SliceSpec, Source, Take};
use crate::reduce::ReduceOp;
use crate::stage::{Origin, Sink, Stage, StageId, Target};

fn source(name: &str, dims: &[&str], shape: &[u64], chunks: &[u64]) -> Source {
    Source {
        store: "memory".into(),
        options: Default::default(),
        path: name.into(),
        metadata: String::new(),
        dtype: DType::F64,
        dims: dims.iter().map(|d| (*d).into()).collect(),
        shape: shape.to_vec(),
        chunks: chunks.to_vec(),
        fill: Scalar::F64(0.0),
        encoded_bound: 8 * chunks.iter().product::<u64>() + 16,
        decode_scratch: 0,
    }
}

fn cube(b: &mut PlanBuilder, name: &str, chunks: &[u64]) -> NodeId {
    b.source(source(name, &["time", "y", "x"], &[48, 2048, 2048], chunks))
        .unwrap()
}

fn reduce(
    b: &mut PlanBuilder,
    node: NodeId,
    op: ReduceOp,
    dims: &[&str],
    labels: Option<Labels>,
) -> NodeId {
    let dims = dims.iter().map(|d| (*d).into()).collect();
    b.add(
        Op::Reduce {
            op,
            dims,
            skipna: true,
            labels,
        },
        &[node],
    )
    .unwrap()
}

fn months(groups: u32, steps: u64) -> Option<Labels> {
    let run = steps / groups as u64;
    let runs = (0..groups).map(|g| (Some(g), run)).collect();
    Some(Labels {
        dim: "time".into(),
        group_dim: "month".into(),
        groups,
        runs,
    })
}

fn budget(mib: u64) -> Budget {
    Budget {
        task_bytes: mib << 20,
        chunks: Vec::new(),
    }
}

fn tiles(stage: &Stage) -> Vec<(String, u64)> {
    stage
        .dims
        .iter()
        .map(|d| (d.name.to_string(), d.tiles.count()))
        .collect()
}

fn sinks(stage: &Stage) -> usize {
    stage.passes.iter().map(|p| p.sinks.len()).sum()
}

#[test]
fn five_statistics_of_an_expression_share_one_pass_and_one_state() {
    let mut b = PlanBuilder::default();
    let (red, nir) = (
        cube(&mut b, "red", &[1, 512, 512]),
        cube(&mut b, "nir", &[1, 512, 512]),
    );
    let sum = b.add(Op::Binary(BinaryOp::Add), &[nir, red]).unwrap();
    let difference = b.add(Op::Binary(BinaryOp::Sub), &[nir, red]).unwrap();
    let ndvi = b
        .add(Op::Binary(BinaryOp::Div), &[difference, sum])
        .unwrap();
    for op in [
        ReduceOp::Mean,
        ReduceOp::Std { ddof: 0 },
        ReduceOp::Min,
        ReduceOp::Max,
        ReduceOp::Count,
    ] {
        let node = reduce(&mut b, ndvi, op, &["y", "x"], None);
        b.output(op.name(), node);
    }
    let lowered = lower(&b.finish(), &budget(64)).unwrap();
    let [stage] = &lowered.stages[..] else {
        panic!("{} stages", lowered.stages.len())
    };
    assert_eq!(stage.tile_count(), 48 * 16);
    assert_eq!((stage.passes.len(), sinks(stage)), (1, 1));
    assert_eq!(stage.passes[0].inputs.len(), 2);
    assert_eq!(stage.tile_cost.reads, 2);
    assert_eq!(stage.tile_cost.decoded_bytes, 2 * 512 * 512 * 8);
    let Sink::Reduce(sink) = &stage.passes[0].sinks[0] else {
        panic!()
    };
    assert_eq!(sink.results.len(), 5);
    assert_eq!(sink.state.columns.len(), 5);
    let place = stage.place(&stage.passes[0], sink, crate::stage::Tile(17));
    assert_eq!((place.output_tile, place.leaf, place.leaves), (1, 1, 16));
    assert_eq!(stage.output_region(&stage.passes[0], sink, 1), vec![1..2]);
}

#[test]
fn a_selection_is_pushed_down_to_the_reads() {
    let mut b = PlanBuilder::default();
    let (red, nir) = (
        cube(&mut b, "red", &[1, 512, 512]),
        cube(&mut b, "nir", &[1, 512, 512]),
    );
    let sum = b.add(Op::Binary(BinaryOp::Add), &[nir, red]).unwrap();
    let mean = reduce(&mut b, sum, ReduceOp::Mean, &["y", "x"], None);
    let slice = Take::Slice(SliceSpec {
        start: 10,
        step: 2,
        len: 3,
    });
    let some = b
        .add(Op::Select(vec![("time".into(), slice)]), &[mean])
        .unwrap();
    b.output("some", some);
    let lowered = lower(&b.finish(), &budget(64)).unwrap();
    assert_eq!(lowered.stages.len(), 1);
    assert_eq!(
        tiles(&lowered.stages[0]),
        [("time".into(), 3), ("y".into(), 4), ("x".into(), 4)]
    );
    assert_eq!(lowered.outputs[0].shape, [3]);
    assert!(
        lowered.notes.iter().any(|n| n.contains("pushed down")),
        "{:?}",
        lowered.notes
    );
}

#[test]
fn a_large_inner_reduction_becomes_a_pass_and_tiles_span_its_dims() {
    let mut b = PlanBuilder::default();
    let red = cube(&mut b, "red", &[8, 512, 512]);
    let monthly = reduce(&mut b, red, ReduceOp::Mean, &["time"], months(12, 48));
    let mean = reduce(&mut b, monthly, ReduceOp::Mean, &["y", "x"], None);
    b.output("monthly", mean);
    let lowered = lower(&b.finish(), &budget(256)).unwrap();
    let [stage] = &lowered.stages[..] else {
        panic!("{} stages", lowered.stages.len())
    };
    assert_eq!(tiles(stage), [("y".into(), 4), ("x".into(), 4)]);
    assert_eq!(stage.passes.len(), 2);
    assert_eq!(stage.tile_cost.reads, 6);
    assert_eq!(
        stage.passes[1].inputs[0].origin,
        Origin::Local(crate::stage::LocalId(0))
    );
    // A chunk of eight steps, decoded and encoded; twelve months of 512 x 512 means, and the state behind one of them.
    let step = 512 * 512 * 8;
    assert!(stage.peak_bytes > (2 * 8 + 12 + 2) * step);
    assert!(stage.peak_bytes < (2 * 8 + 12 + 4) * step);
}

#[test]
fn a_tile_holds_the_states_of_all_groups_only_if_they_return() {
    let peak = |labels: Vec<(Option<u32>, u64)>| {
        let mut b = PlanBuilder::default();
        let red = cube(&mut b, "red", &[1, 512, 512]);
        let labels = Labels {
            runs: labels,
            ..months(12, 48).unwrap()
        };
        let monthly = reduce(&mut b, red, ReduceOp::Mean, &["time"], Some(labels));
        b.output("monthly", monthly);
        let lowered = lower(&b.finish(), &budget(512)).unwrap();
        lowered.stages[0].peak_bytes
    };
    let years = |n: u64| (0..12 * n as u32).map(|m| (Some(m % 12), 4 / n)).collect();
    // A count and a sum for each cell; what leaves the tile is a float64 or as much as the state.
    let (month, state) = (512 * 512 * 8, 512 * 512 * 16);
    let held = |bytes: u64, results: u64| bytes - results - crate::lower::memory::EVALUATOR_BYTES;
    let (once, twice) = (peak(years(1)), peak(years(2)));
    let others = held(once, 12 * month) - state;
    assert_eq!(held(twice, 12 * state), 12 * state + others);
}

#[test]
fn a_small_inner_reduction_ends_a_stage_and_travels_inline() {
    let mut b = PlanBuilder::default();
    let red = cube(&mut b, "red", &[1, 512, 512]);
    let mean = reduce(&mut b, red, ReduceOp::Mean, &["time", "y", "x"], None);
    let anomaly = b.add(Op::Binary(BinaryOp::Sub), &[red, mean]).unwrap();
    let largest = reduce(&mut b, anomaly, ReduceOp::Max, &["y", "x"], None);
    b.output("largest", largest);
    b.output("mean", mean);
    let lowered = lower(&b.finish(), &budget(64)).unwrap();
    assert_eq!(lowered.stages.len(), 2);
    assert_eq!(lowered.stages[1].after, [StageId(0)]);
    assert_eq!(lowered.stages[1].tile_count(), 48 * 16);
    let Sink::Reduce(sink) = &lowered.stages[0].passes[0].sinks[0] else {
        panic!()
    };
    assert_eq!(sink.results.len(), 2);
    assert!(
        sink.results
            .iter()
            .any(|r| matches!(r.target, Target::Inline(_)))
    );
}

#[test]
fn a_reduction_with_large_partials_ends_inside_its_tiles() {
    let mut b = PlanBuilder::default();
    let red = cube(&mut b, "red", &[1, 512, 512]);
    let map = reduce(&mut b, red, ReduceOp::Mean, &["time"], None);
    b.output("map", map);
    let lowered = lower(&b.finish(), &budget(64)).unwrap();
    assert_eq!(
        tiles(&lowered.stages[0]),
        [("y".into(), 4), ("x".into(), 4)]
    );
    assert_eq!(lowered.stages[0].tile_cost.reads, 48);
}

#[test]
fn a_plan_over_the_budget_is_refused_with_the_numbers() {
    let mut b = PlanBuilder::default();
    let red = cube(&mut b, "red", &[48, 2048, 2048]);
    let map = reduce(&mut b, red, ReduceOp::Mean, &["y", "x"], None);
    b.output("mean", map);
    let error = lower(&b.finish(), &budget(64)).unwrap_err();
    let LowerError::Memory {
        needed, allowed, ..
    } = error
    else {
        panic!("{error}")
    };
    assert!(needed > 48 * 2048 * 2048 * 8);
    assert_eq!(allowed, 64 << 20);
}

#[test]
fn grids_that_differ_share_tiles_where_their_cuts_meet() {
    let mut b = PlanBuilder::default();
    let (red, scl) = (
        cube(&mut b, "red", &[1, 256, 256]),
        cube(&mut b, "scl", &[2, 512, 512]),
    );
    let sum = b.add(Op::Binary(BinaryOp::Add), &[red, scl]).unwrap();
    let mean = reduce(&mut b, sum, ReduceOp::Mean, &["time", "y", "x"], None);
    b.output("mean", mean);
    let lowered = lower(&b.finish(), &budget(64)).unwrap();
    let stage = &lowered.stages[0];
    assert_eq!(
        tiles(stage),
        [("time".into(), 24), ("y".into(), 4), ("x".into(), 4)]
    );
    assert_eq!(stage.tile_cost.reads, 8 + 1);
}

#[test]
fn a_million_chunks_cost_no_more_to_lower_than_one() {
    let mut b = PlanBuilder::default();
    let axes = vec![crate::grid::Axis::regular(1_000_000, 1)];
    let full = Op::Full {
        value: Scalar::F64(1.0),
        dtype: DType::F64,
        dims: vec!["i".into()],
        axes,
    };
    let ones = b.add(full, &[]).unwrap();
    let count = reduce(&mut b, ones, ReduceOp::Count, &["i"], None);
    b.output("count", count);
    let lowered = lower(&b.finish(), &budget(64)).unwrap();
    assert_eq!(lowered.stages[0].tile_count(), 1_000_000);
}

#[test]
fn a_reduction_of_nothing_still_has_a_tile_that_says_so() {
    let mut b = PlanBuilder::default();
    let red = cube(&mut b, "red", &[1, 512, 512]);
    let none = Take::Slice(SliceSpec {
        start: 0,
        step: 1,
        len: 0,
    });
    let empty = b
        .add(Op::Select(vec![("time".into(), none)]), &[red])
        .unwrap();
    let sum = reduce(&mut b, empty, ReduceOp::Sum, &["time", "y", "x"], None);
    b.output("sum", sum);
    let lowered = lower(&b.finish(), &budget(64)).unwrap();
    assert!(lowered.stages[0].tile_count() >= 1);
}

#[test]
fn explain_counts_chunks_and_draws() {
    let mut b = PlanBuilder::default();
    let (red, nir) = (
        cube(&mut b, "red", &[1, 512, 512]),
        cube(&mut b, "nir", &[1, 512, 512]),
    );
    let sum = b.add(Op::Binary(BinaryOp::Add), &[nir, red]).unwrap();
    let slice = Take::Slice(SliceSpec {
        start: 10,
        step: 1,
        len: 3,
    });
    let some = b
        .add(Op::Select(vec![("time".into(), slice)]), &[sum])
        .unwrap();
    let mean = reduce(&mut b, some, ReduceOp::Mean, &["y", "x"], None);
    b.output("mean", mean);
    let plan = b.finish();
    let lowered = lower(&plan, &budget(64)).unwrap();
    let explanation = crate::explain::explain(&plan, &lowered);
    assert_eq!((explanation.tasks, explanation.reads), (48, 96));
    assert_eq!(
        explanation.stages[0].passes[0].inputs[0].chunks_stored,
        48 * 16
    );
    let text = explanation.to_string();
    assert!(
        text.contains("read float64 nir: 48 of 768 chunks"),
        "{text}"
    );
    assert!(text.contains("x = nir + red"), "{text}");
    let svg = crate::picture::picture(&explanation).to_svg();
    assert_eq!(svg.matches("<rect").count(), 2 + 1 + 1 + 1);
}
