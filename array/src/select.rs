//! Instruction selection: from a program's instructions to kernels over values.
//!
//! Each live value becomes a constant, another value, a load, or a call of a kernel. Patterns over several
//! instructions are in [`crate::patterns`]; what they leave unused is dropped here.

use crate::fold::fold;
use crate::guard;
use crate::kernels::unary::{Unary, unary};
use crate::kernels::{Kernel, affine, binary, cast, compare, isin, ternary};
use crate::patterns;
use dasklike_graph::dtype::{DType, Lane, Scalar};
use dasklike_graph::mask;
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::program::{Instr, Program, Value};
use dasklike_graph::stage::Sink;

/// What an instruction became.
#[derive(Clone, Debug)]
pub(crate) enum Def {
    /// Nothing needs it.
    Dead,
    /// The same native bits everywhere.
    Const(u64),
    /// The same bytes as another value.
    Same(Arg),
    /// A kernel call.
    Call(Call),
}

/// An operand before registers are allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Arg {
    None,
    Input(u32),
    Value(u32),
    /// Native bits of an element of `size` bytes.
    Const {
        bits: u64,
        size: usize,
    },
}

/// A kernel call before registers are allocated.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) kernel: Kernel,
    pub(crate) args: [Arg; 3],
    pub(crate) consts: Vec<u64>,
}

/// A program over values.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    /// Calls that something needs, in order, with the value each defines and the bytes of its elements.
    pub(crate) calls: Vec<(u32, usize, Call)>,
    /// By sink: its value and its mask.
    pub(crate) fed: Vec<(Arg, Arg)>,
    /// What is to be evaluated first, and thins the strip for the rest.
    pub(crate) guard: Option<guard::Selection>,
}

/// An instruction that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Undefined(usize),
    Unsupported(usize, String),
}

/// Selects the kernels of a pass.
pub(crate) fn select(program: &Program, sinks: &[Sink]) -> Result<Selected, Refused> {
    let mut s = Selector {
        program,
        uses: uses(program, sinks)?,
        defs: vec![Def::Dead; program.instrs.len()],
    };
    for v in 0..program.instrs.len() {
        if s.uses[v] > 0 {
            s.defs[v] = s.define(v)?;
        }
    }
    let fed: Vec<(Arg, Arg)> = sinks.iter().map(|sink| s.fed(sink)).collect();
    let mut calls = s.needed(&fed);
    let guard = guard::select(&s, sinks, &mut calls);
    Ok(Selected { calls, fed, guard })
}

/// How often each value is used by live instructions and sinks.
fn uses(program: &Program, sinks: &[Sink]) -> Result<Vec<u32>, Refused> {
    if program.dtypes.len() != program.instrs.len() {
        return Err(Refused::Undefined(program.instrs.len()));
    }
    let mut uses = vec![0u32; program.instrs.len()];
    for sink in sinks {
        let value = sink_value(sink);
        *uses
            .get_mut(value.0 as usize)
            .ok_or(Refused::Undefined(value.0 as usize))? += 1;
    }
    for v in (0..program.instrs.len()).rev() {
        if uses[v] == 0 {
            continue;
        }
        for o in program.instrs[v].operands() {
            if o.0 as usize >= v {
                return Err(Refused::Undefined(v));
            }
            uses[o.0 as usize] += 1;
        }
    }
    Ok(uses)
}

fn sink_value(sink: &Sink) -> Value {
    match sink {
        Sink::Emit { value, .. } => *value,
        Sink::Reduce(r) => r.value,
    }
}

/// The state of a selection.
pub(crate) struct Selector<'a> {
    pub(crate) program: &'a Program,
    /// Uses of each value in the program as it was given.
    pub(crate) uses: Vec<u32>,
    pub(crate) defs: Vec<Def>,
}

impl Selector<'_> {
    /// Where a value's strip is.
    pub(crate) fn arg(&self, value: Value) -> Arg {
        let v = value.0 as usize;
        match &self.defs[v] {
            Def::Const(bits) => Arg::Const {
                bits: *bits,
                size: self.program.dtype(value).size(),
            },
            Def::Same(arg) => *arg,
            _ => Arg::Value(value.0),
        }
    }

    /// A value's native bits, if it is a constant.
    pub(crate) fn constant(&self, value: Value) -> Option<u64> {
        match self.arg(value) {
            Arg::Const { bits, .. } => Some(bits),
            _ => None,
        }
    }

    fn define(&self, v: usize) -> Result<Def, Refused> {
        let instr = &self.program.instrs[v];
        let refused = || Refused::Unsupported(v, format!("{instr:?}"));
        if !self.is_typed(instr, self.program.dtypes[v]) {
            return Err(refused());
        }
        if let Some(l) = patterns::linear(self, Value(v as u32)) {
            let kernel = affine::linear(l.dtype);
            let consts = vec![l.factors[0], l.factors[1], l.scale, l.offset];
            let [a, b] = l.of.map(|of| self.arg(of));
            return Ok(self.call(kernel, [a, b, Arg::None], consts));
        }
        if let Some(a) = patterns::affine(self, Value(v as u32)) {
            let kernel = affine::affine(a.from, a.to, a.missing.is_some());
            let consts = vec![a.scale, a.offset, a.missing.unwrap_or(0)];
            return Ok(self.call(kernel, [self.arg(a.of), Arg::None, Arg::None], consts));
        }
        if let Some(c) = patterns::affine_select(self, Value(v as u32)) {
            let (mask, x, other) = (self.arg(c.mask), self.arg(c.affine.of), self.arg(c.other));
            let (other, constant) = match other {
                Arg::Const { bits, .. } => (Arg::None, Some(bits)),
                arg => (arg, None),
            };
            let kernel = affine::choice(c.affine.to, constant.is_some(), c.inverted);
            let consts = vec![c.affine.scale, c.affine.offset, constant.unwrap_or(0)];
            return Ok(self.call(kernel, [mask, x, other], consts));
        }
        Ok(match instr {
            Instr::Load(input) => Def::Same(Arg::Input(*input)),
            Instr::Const(scalar) => Def::Const(scalar.to_bits()),
            Instr::Cast(a) => match cast::cast(self.program.dtype(*a), self.program.dtypes[v]) {
                None => Def::Same(self.arg(*a)),
                Some(kernel) => self.call(kernel, [self.arg(*a), Arg::None, Arg::None], Vec::new()),
            },
            Instr::Unary(op, a) => match unary(*op, self.program.dtype(*a)).ok_or_else(refused)? {
                Unary::Same => Def::Same(self.arg(*a)),
                Unary::Always(value) => Def::Const(value as u64),
                Unary::Kernel(kernel) => {
                    self.call(kernel, [self.arg(*a), Arg::None, Arg::None], Vec::new())
                }
            },
            Instr::Binary(op, a, b) => self.binary(*op, *a, *b).ok_or_else(refused)?,
            Instr::Select { cond, a, b } => self.select(*cond, *a, *b),
            Instr::IsIn(a, values) => self.isin(*a, values).ok_or_else(refused)?,
        })
    }

    /// Whether an instruction's operands have dtypes for which it gives `dtype`. Kernels rely on it.
    fn is_typed(&self, instr: &Instr, dtype: DType) -> bool {
        let of = |v: &Value| self.program.dtype(*v);
        match instr {
            Instr::Load(_) | Instr::Cast(_) => true,
            Instr::Const(scalar) => scalar.lane() == dtype.lane(),
            Instr::Unary(op, a) => op.result(of(a)) == Some(dtype),
            Instr::Binary(op, a, b) => of(a) == of(b) && op.result(of(a)) == Some(dtype),
            Instr::Select { cond, a, b } => {
                of(cond) == DType::Bool && of(a) == dtype && of(b) == dtype
            }
            Instr::IsIn(_, _) => dtype == DType::Bool,
        }
    }

    fn binary(&self, op: BinaryOp, a: Value, b: Value) -> Option<Def> {
        let dtype = self.program.dtype(a);
        let forms = if op.is_comparison() {
            compare::compare(op, dtype)
        } else {
            binary::binary(op, dtype)
        }?;
        let (x, y) = (self.arg(a), self.arg(b));
        Some(match (x, y, forms) {
            (Arg::Const { .. }, Arg::Const { .. }, f) => {
                self.call(f.vv, [x, y, Arg::None], Vec::new())
            }
            (_, Arg::Const { bits, .. }, binary::Forms { vs: Some(vs), .. }) => {
                self.call(vs, [x, Arg::None, Arg::None], vec![bits])
            }
            (Arg::Const { bits, .. }, _, binary::Forms { sv: Some(sv), .. }) => {
                self.call(sv, [y, Arg::None, Arg::None], vec![bits])
            }
            (_, _, f) => self.call(f.vv, [x, y, Arg::None], Vec::new()),
        })
    }

    fn select(&self, cond: Value, a: Value, b: Value) -> Def {
        let size = self.program.dtype(a).size();
        let (m, x, y) = (self.arg(cond), self.arg(a), self.arg(b));
        if let Arg::Const { bits, .. } = m {
            return match if bits != 0 { x } else { y } {
                Arg::Const { bits, .. } => Def::Const(bits),
                arg => Def::Same(arg),
            };
        }
        match (x, y) {
            (Arg::Const { bits: a, .. }, Arg::Const { bits: b, .. }) => {
                self.call(ternary::consts(size), [m, Arg::None, Arg::None], vec![a, b])
            }
            (_, Arg::Const { bits, .. }) => {
                self.call(ternary::else_const(size), [m, x, Arg::None], vec![bits])
            }
            (Arg::Const { bits, .. }, _) => {
                self.call(ternary::then_const(size), [m, y, Arg::None], vec![bits])
            }
            _ => self.call(ternary::both(size), [m, x, y], Vec::new()),
        }
    }

    fn isin(&self, a: Value, values: &[Scalar]) -> Option<Def> {
        let dtype = self.program.dtype(a);
        if dtype.lane() == Lane::Bool {
            // A bool is one of two values: the list says yes to it, to its opposite, to both or to none.
            let has = |v: u64| values.iter().any(|s| s.to_bits() == v);
            return Some(match (has(0), has(1)) {
                (false, false) => Def::Const(0),
                (true, true) => Def::Const(1),
                (false, true) => Def::Same(self.arg(a)),
                (true, false) => match unary(UnaryOp::Invert, DType::Bool)? {
                    Unary::Kernel(k) => {
                        self.call(k, [self.arg(a), Arg::None, Arg::None], Vec::new())
                    }
                    _ => return None,
                },
            });
        }
        let (kernel, consts) = isin::isin(dtype, values)?;
        if consts.is_empty() {
            return Some(Def::Const(0));
        }
        Some(self.call(kernel, [self.arg(a), Arg::None, Arg::None], consts))
    }

    /// A call, or its result if all operands are constants.
    fn call(&self, kernel: Kernel, args: [Arg; 3], consts: Vec<u64>) -> Def {
        let known: Option<Vec<u64>> = args
            .iter()
            .filter(|a| **a != Arg::None)
            .map(|a| match a {
                Arg::Const { bits, .. } => Some(*bits),
                _ => None,
            })
            .collect();
        match known {
            Some(known) => Def::Const(fold(kernel, &known, &consts)),
            None => Def::Call(Call {
                kernel,
                args,
                consts,
            }),
        }
    }

    /// A sink's value and mask.
    fn fed(&self, sink: &Sink) -> (Arg, Arg) {
        match mask::masked(self.program, sink) {
            Some((value, mask)) => (self.arg(value), self.arg(mask)),
            None => (self.arg(sink_value(sink)), Arg::None),
        }
    }

    /// The calls that the sinks need, in order.
    fn needed(&self, fed: &[(Arg, Arg)]) -> Vec<(u32, usize, Call)> {
        let mut needed = vec![false; self.defs.len()];
        let mark = |arg: &Arg, needed: &mut Vec<bool>| {
            if let Arg::Value(v) = arg {
                needed[*v as usize] = true;
            }
        };
        for (value, mask) in fed {
            mark(value, &mut needed);
            mark(mask, &mut needed);
        }
        let mut calls = Vec::new();
        for v in (0..self.defs.len()).rev() {
            if let (true, Def::Call(call)) = (needed[v], &self.defs[v]) {
                call.args.iter().for_each(|a| mark(a, &mut needed));
                calls.push((v as u32, self.program.dtypes[v].size(), call.clone()));
            }
        }
        calls.reverse();
        calls
    }
}
