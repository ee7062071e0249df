//! Random stages that reduce what a mask selects, where the mask goes on and off in runs as clouds do.

use super::Random;
use super::build::{self, Case};
use dasklike_graph::dtype::{DType, Lane, Scalar};
use dasklike_graph::ops::BinaryOp;
use dasklike_graph::plan::OutputId;
use dasklike_graph::program::{Instr, Program, Value};
use dasklike_graph::reduce::{ReduceOp, State};
use dasklike_graph::stage::*;

const OPS: [ReduceOp; 5] = [
    ReduceOp::Mean,
    ReduceOp::Std { ddof: 0 },
    ReduceOp::Min,
    ReduceOp::Max,
    ReduceOp::Count,
];

/// A stage of one pass: statistics of an expression where a class is 1, over some or all dims.
pub fn masked_pass(seed: u64) -> Case {
    let r = &mut Random(seed);
    let (mut case, domain, inputs) = build::inputs(r, 2);
    let run = r.range(1, 120);
    let dtype = inputs[1].dtype;
    // An inline array keeps its random values.
    if let Origin::Stored(id) = inputs[1].origin {
        let classes = &mut case.stored[id.0 as usize];
        classes.missing.fill(false);
        for (i, value) in classes.values.iter_mut().enumerate() {
            // Most runs are of a class that is left out.
            let class = Random(seed ^ (i as u64 / run)).one_in(4);
            *value = Scalar::I64(class.into()).cast(dtype);
        }
    }
    let program = program(r, inputs[0].dtype, dtype);
    let lens: Vec<u64> = domain.iter().map(|d| d.len).collect();
    let kept: Vec<usize> = (0..lens.len()).filter(|_| r.one_in(4)).collect();
    let shape: Vec<u64> = kept.iter().map(|d| lens[*d]).collect();
    let results = OPS
        .iter()
        .map(|op| {
            case.outputs.push((op.result(DType::F64), shape.clone()));
            SinkResult {
                op: *op,
                dtype: op.result(DType::F64),
                target: Target::Output(OutputId(case.outputs.len() as u32 - 1)),
            }
        })
        .collect();
    let sink = Sink::Reduce(ReduceSink {
        value: Value(program.instrs.len() as u32 - 1),
        state: State::for_ops(Lane::F64, true, &OPS),
        kept,
        groups: None,
        results,
    });
    case.stage.passes.push(Pass {
        domain,
        inputs,
        program,
        sinks: vec![sink],
    });
    case
}

/// `where(class == 1 [and y != 3], y, NaN)` with `y = 2x + x`.
fn program(r: &mut Random, x: DType, class: DType) -> Program {
    let mut p = Program::default();
    let loaded = p.push(Instr::Load(0), x);
    let x = match x {
        DType::F64 => loaded,
        _ => p.push(Instr::Cast(loaded), DType::F64),
    };
    let two = p.push(Instr::Const(Scalar::F64(2.0)), DType::F64);
    let twice = p.push(Instr::Binary(BinaryOp::Mul, x, two), DType::F64);
    let y = p.push(Instr::Binary(BinaryOp::Add, twice, x), DType::F64);
    let of = p.push(Instr::Load(1), class);
    let one = vec![Scalar::I64(1).cast(class)];
    let mut mask = p.push(Instr::IsIn(of, one), DType::Bool);
    if r.one_in(2) {
        let three = p.push(Instr::Const(Scalar::F64(3.0)), DType::F64);
        let other = p.push(Instr::Binary(BinaryOp::Ne, y, three), DType::Bool);
        mask = p.push(Instr::Binary(BinaryOp::And, mask, other), DType::Bool);
    }
    let nan = p.push(Instr::Const(Scalar::F64(f64::NAN)), DType::F64);
    let select = Instr::Select {
        cond: mask,
        a: y,
        b: nan,
    };
    p.push(select, DType::F64);
    p
}
