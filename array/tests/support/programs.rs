//! Random programs over a stage's inputs.

use super::Random;
use super::build::value;
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::program::{Instr, Program, Value};
use dasklike_graph::stage::*;

/// A random value of a program, cast to `dtype` where that is given.
fn operand(r: &mut Random, p: &mut Program, dtype: Option<DType>) -> Value {
    // Late values more often, so that chains grow.
    let n = p.instrs.len() as u64;
    let v = Value(if r.one_in(2) {
        n - 1 - r.below(n.min(3))
    } else {
        r.below(n)
    } as u32);
    match dtype {
        Some(d) if p.dtype(v) != d => {
            if r.one_in(3) {
                let s = value(r, d);
                return p.push(Instr::Const(s), d);
            }
            p.push(Instr::Cast(v), d)
        }
        _ => v,
    }
}

/// Decoding by CF conventions, in one of its forms.
fn decoded(r: &mut Random, p: &mut Program) -> Value {
    let x = operand(r, p, None);
    let from = p.dtype(x);
    let to = *r.pick(&[DType::F32, DType::F64]);
    let cast = p.push(Instr::Cast(x), to);
    let mut v = cast;
    let nan = p.push(Instr::Const(Scalar::F64(f64::NAN).cast(to)), to);
    let (tested, test) = if r.one_in(3) { (cast, to) } else { (x, from) };
    let missing = value(r, test);
    let missing = p.push(Instr::Const(missing), test);
    let early = r.one_in(2);
    let mask = |r: &mut Random, p: &mut Program, v: Value| {
        if r.one_in(2) {
            let c = p.push(Instr::Binary(BinaryOp::Eq, tested, missing), DType::Bool);
            p.push(
                Instr::Select {
                    cond: c,
                    a: nan,
                    b: v,
                },
                to,
            )
        } else {
            let c = p.push(Instr::Binary(BinaryOp::Ne, tested, missing), DType::Bool);
            p.push(
                Instr::Select {
                    cond: c,
                    a: v,
                    b: nan,
                },
                to,
            )
        }
    };
    if early {
        v = mask(r, p, v);
    }
    if !r.one_in(4) {
        let s = p.push(Instr::Const(Scalar::F64(0.0001).cast(to)), to);
        v = p.push(Instr::Binary(BinaryOp::Mul, v, s), to);
    }
    if !r.one_in(4) {
        let s = p.push(Instr::Const(Scalar::F64(-0.1).cast(to)), to);
        let op = if r.one_in(2) {
            BinaryOp::Add
        } else {
            BinaryOp::Sub
        };
        v = p.push(Instr::Binary(op, v, s), to);
    }
    if !early && r.one_in(2) {
        v = mask(r, p, v);
    }
    v
}

pub fn program(r: &mut Random, inputs: &[Input]) -> Program {
    let mut p = Program::default();
    for (i, input) in inputs.iter().enumerate() {
        p.push(Instr::Load(i as u32), input.dtype);
    }
    let dtype = *r.pick(&DType::ALL);
    let constant = value(r, dtype);
    p.push(Instr::Const(constant), dtype);
    for _ in 0..r.range(1, 14) {
        match r.below(9) {
            0 => {
                let (v, d) = (operand(r, &mut p, None), *r.pick(&DType::ALL));
                p.push(Instr::Cast(v), d);
            }
            1 | 2 => {
                let (v, op) = (operand(r, &mut p, None), *r.pick(&UnaryOp::ALL));
                if let Some(d) = op.result(p.dtype(v)) {
                    p.push(Instr::Unary(op, v), d);
                }
            }
            3 => {
                let cond = operand(r, &mut p, Some(DType::Bool));
                let a = operand(r, &mut p, None);
                let d = p.dtype(a);
                let b = if d.is_float() && r.one_in(2) {
                    p.push(Instr::Const(Scalar::F64(f64::NAN).cast(d)), d)
                } else {
                    operand(r, &mut p, Some(d))
                };
                p.push(Instr::Select { cond, a, b }, d);
            }
            4 => {
                let v = operand(r, &mut p, None);
                let d = p.dtype(v);
                let n = if r.one_in(8) { 40 } else { r.below(6) };
                let list = (0..n).map(|_| value(r, d)).collect();
                p.push(Instr::IsIn(v, list), DType::Bool);
            }
            5 => {
                decoded(r, &mut p);
            }
            _ => {
                let a = operand(r, &mut p, None);
                let dtype = p.dtype(a);
                let b = operand(r, &mut p, Some(dtype));
                let op = *r.pick(&BinaryOp::ALL);
                if let Some(d) = op.result(p.dtype(a)) {
                    let (a, b) = if r.one_in(2) { (a, b) } else { (b, a) };
                    p.push(Instr::Binary(op, a, b), d);
                }
            }
        }
    }
    p
}
