//! Random reductions of a program's values, some by groups.

use super::Random;
use super::build::Case;
use dasklike_graph::dtype::DType;
use dasklike_graph::plan::OutputId;
use dasklike_graph::program::{Program, Value};
use dasklike_graph::reduce::{ReduceOp, State};
use dasklike_graph::stage::*;

/// Reductions that make sense for a dtype.
pub fn reductions(r: &mut Random, dtype: DType) -> Vec<ReduceOp> {
    let all = if dtype == DType::Bool {
        vec![
            ReduceOp::Any,
            ReduceOp::All,
            ReduceOp::Sum,
            ReduceOp::Count,
            ReduceOp::Mean,
        ]
    } else {
        vec![
            ReduceOp::Count,
            ReduceOp::Sum,
            ReduceOp::Mean,
            ReduceOp::Min,
            ReduceOp::Max,
            ReduceOp::Var { ddof: 0 },
            ReduceOp::Std { ddof: 1 },
        ]
    };
    let mut some: Vec<ReduceOp> = all.iter().copied().filter(|_| r.one_in(2)).collect();
    if some.is_empty() {
        some.push(*r.pick(&all));
    }
    some
}

pub fn groups(r: &mut Random, dim: usize, len: u64) -> Groups {
    let count = r.range(1, 5) as u32;
    let mut starts = Vec::new();
    let mut at = 0;
    while at < len {
        starts.push((at, (!r.one_in(5)).then(|| r.below(count as u64) as u32)));
        at += r.range(1, len.div_ceil(6).max(2));
    }
    // As of a series: groups one after the other.
    if r.one_in(2) {
        let mut labels: Vec<u32> = starts.iter().filter_map(|s| s.1).collect();
        labels.sort_unstable();
        let mut labels = labels.into_iter();
        for start in &mut starts {
            start.1 = start.1.and_then(|_| labels.next());
        }
    }
    Groups {
        dim,
        count,
        starts: starts.into(),
    }
}

pub fn reduce_sink(r: &mut Random, p: &Program, lens: &[u64], case: &mut Case) -> Sink {
    let value = Value(p.instrs.len() as u32 - 1 - r.below(2.min(p.instrs.len() as u64)) as u32);
    let dtype = p.dtype(value);
    let kept: Vec<usize> = (0..lens.len()).filter(|_| r.one_in(2)).collect();
    let reduced: Vec<usize> = (0..lens.len()).filter(|d| !kept.contains(d)).collect();
    let groups = (!reduced.is_empty() && r.one_in(3)).then(|| {
        let d = *r.pick(&reduced);
        groups(r, d, lens[d])
    });
    let ops = reductions(r, dtype);
    let state = State::for_ops(dtype.lane(), r.one_in(2), &ops);
    let mut shape = Vec::new();
    for (d, len) in lens.iter().enumerate() {
        match &groups {
            Some(g) if g.dim == d => shape.push(g.count as u64),
            _ if kept.contains(&d) => shape.push(*len),
            _ => {}
        }
    }
    let results = ops
        .iter()
        .map(|op| {
            case.outputs.push((op.result(dtype), shape.clone()));
            let target = Target::Output(OutputId(case.outputs.len() as u32 - 1));
            SinkResult {
                op: *op,
                dtype: op.result(dtype),
                target,
            }
        })
        .collect();
    Sink::Reduce(ReduceSink {
        value,
        state,
        kept,
        groups,
        results,
    })
}
