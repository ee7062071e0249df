//! Random jobs, as stages built by hand.

use super::rng::Rng;
use dasklike_graph::dtype::{DType, Lane};
use dasklike_graph::grid::Axis;
use dasklike_graph::plan::OutputId;
use dasklike_graph::program::{Program, Value};
use dasklike_graph::reduce::{ReduceOp, State};
use dasklike_graph::stage::{
    DomainDim, Groups, InlineArray, InlineId, InlineValues, Input, Lowered, Origin, OutputMeta,
    Pass, ReduceSink, Sink, SinkResult, Stage, StageDim, StageId, Target, TileCost,
};
use std::sync::Arc;

/// What a random job looks like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Tiles of a stage, at most.
    pub(super) tiles: u64,
    /// Stages, at most.
    pub(super) stages: u64,
}

/// A job of one to a few stages, where later ones read what earlier ones left.
pub(super) fn random(rng: &mut Rng, shape: Shape) -> Lowered {
    let mut lowered = Lowered {
        stages: Vec::new(),
        inlines: Vec::new(),
        outputs: Vec::new(),
        notes: Vec::new(),
    };
    let stages = rng.range(1, shape.stages);
    for i in 0..stages {
        let last = i + 1 == stages;
        add_stage(rng, &mut lowered, StageId(i as u32), last, shape.tiles);
    }
    lowered
}

fn add_stage(rng: &mut Rng, lowered: &mut Lowered, id: StageId, last: bool, most: u64) {
    let across = rng.spread(1, 24.min(most));
    let along = if rng.one_in(60) {
        0
    } else {
        rng.spread(1, (most / across).max(1))
    };
    let (dims, domain) = dims(rng, along, across);
    let mut after: Vec<StageId> = Vec::new();
    let mut inputs = Vec::new();
    for (n, inline) in lowered.inlines.iter().enumerate() {
        let InlineValues::From(stage) = inline.values else {
            continue;
        };
        if !rng.one_in(4) {
            after.push(stage);
            let origin = Origin::Inline(InlineId(n as u32));
            inputs.push(Input {
                origin,
                dtype: inline.dtype,
                axes: Vec::new(),
            });
        }
    }
    after.sort_unstable();
    after.dedup();
    let mut sinks = Vec::new();
    for _ in 0..rng.range(1, 2) {
        // Another stage than the last is there for what it leaves.
        let inline = !last && (sinks.is_empty() || rng.one_in(2));
        if !inline && rng.one_in(3) && along > 0 {
            sinks.push(emit(lowered, &domain));
        } else {
            sinks.push(Sink::Reduce(reduce(
                rng,
                lowered,
                &domain,
                inline.then_some(id),
            )));
        }
    }
    let passes = vec![Pass {
        domain,
        inputs,
        program: Program::default(),
        sinks,
    }];
    let peak_bytes = rng.range(100, 1000);
    let tile_cost = TileCost {
        reads: 1,
        decoded_bytes: rng.spread(1, 5_000_000),
        encoded_bytes: rng.range(1, peak_bytes),
        asking_bytes: 0,
        elements: 1,
    };
    lowered.stages.push(Stage {
        dims,
        passes,
        locals: Vec::new(),
        after,
        peak_bytes,
        tile_cost,
    });
}

fn dims(rng: &mut Rng, along: u64, across: u64) -> (Vec<StageDim>, Vec<DomainDim>) {
    let mut dims = Vec::new();
    let mut domain = Vec::new();
    for (i, (name, count)) in [("t", along), ("x", across)].into_iter().enumerate() {
        // Blocks of a stage with few tiles may be large enough to be pushed.
        let size = if along * across < 8 && rng.one_in(3) {
            110
        } else {
            rng.range(1, 3)
        };
        let len = (count * size).saturating_sub(rng.range(0, size - 1));
        let tiles = Axis::regular(len, size);
        domain.push(DomainDim {
            name: name.into(),
            len,
            stage_dim: Some(i),
            cells: tiles.clone(),
        });
        dims.push(StageDim {
            name: name.into(),
            tiles,
        });
    }
    (dims, domain)
}

fn emit(lowered: &mut Lowered, domain: &[DomainDim]) -> Sink {
    let shape: Vec<u64> = domain.iter().map(|d| d.len).collect();
    Sink::Emit {
        value: Value(0),
        output: add_output(lowered, shape),
    }
}

fn add_output(lowered: &mut Lowered, shape: Vec<u64>) -> OutputId {
    let name = format!("out{}", lowered.outputs.len());
    let dims = shape
        .iter()
        .enumerate()
        .map(|(i, _)| format!("d{i}").into())
        .collect();
    lowered.outputs.push(OutputMeta {
        name,
        dtype: DType::F64,
        dims,
        shape,
    });
    OutputId(lowered.outputs.len() as u32 - 1)
}

fn reduce(
    rng: &mut Rng,
    lowered: &mut Lowered,
    domain: &[DomainDim],
    inline: Option<StageId>,
) -> ReduceSink {
    let ops = [
        ReduceOp::Sum,
        ReduceOp::Mean,
        ReduceOp::Var { ddof: 0 },
        ReduceOp::Max,
    ];
    let ops = &ops[..rng.range(1, 4) as usize];
    // The first dim is always reduced, so that it may be grouped; the second may stay.
    let kept = if rng.one_in(2) { vec![1] } else { Vec::new() };
    let groups = (rng.one_in(3) && domain[0].len > 0).then(|| groups(rng, domain[0].len));
    let mut shape: Vec<u64> = groups.iter().map(|g: &Groups| g.count as u64).collect();
    shape.extend(kept.iter().map(|k: &usize| domain[*k].len));
    let results = ops.iter().map(|op| {
        let target = match inline {
            None => Target::Output(add_output(lowered, shape.clone())),
            Some(stage) => {
                let values = InlineValues::From(stage);
                lowered.inlines.push(InlineArray {
                    dtype: DType::F64,
                    shape: shape.clone(),
                    values,
                });
                Target::Inline(InlineId(lowered.inlines.len() as u32 - 1))
            }
        };
        SinkResult {
            op: *op,
            dtype: DType::F64,
            target,
        }
    });
    let results = results.collect();
    ReduceSink {
        value: Value(0),
        state: State::for_ops(Lane::F64, true, ops),
        kept,
        groups,
        results,
    }
}

fn groups(rng: &mut Rng, len: u64) -> Groups {
    let count = rng.range(1, 4) as u32;
    let mut starts: Vec<(u64, Option<u32>)> = Vec::new();
    let mut at = 0;
    while at < len {
        let group = if rng.one_in(6) {
            None
        } else {
            Some(rng.range(0, count as u64 - 1) as u32)
        };
        starts.push((at, group));
        at += rng.range(1, 5);
    }
    Groups {
        dim: 0,
        count,
        starts: Arc::from(starts),
    }
}
