//! A fused elementwise expression as straight-line code over typed values.

use crate::dtype::{DType, Scalar};
use crate::ops::{BinaryOp, UnaryOp};

/// The number of the instruction that defines a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

/// One step. Each defines one value; operands are defined before.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Instr {
    /// An element of the pass' input of that number, in its dtype.
    Load(u32),
    Const(Scalar),
    /// To the value's dtype.
    Cast(Value),
    Unary(UnaryOp, Value),
    /// Both operands have one dtype.
    Binary(BinaryOp, Value, Value),
    /// `cond ? a : b`.
    Select {
        cond: Value,
        a: Value,
        b: Value,
    },
    IsIn(Value, Vec<Scalar>),
}

/// The instructions of a pass. Integers narrower than their lane wrap at their own width after each step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// In order; instruction `i` defines `Value(i)`.
    pub instrs: Vec<Instr>,
    /// The dtype of each value.
    pub dtypes: Vec<DType>,
}

impl Program {
    /// Appends an instruction, or finds the equal one.
    pub fn push(&mut self, instr: Instr, dtype: DType) -> Value {
        let found = self
            .instrs
            .iter()
            .zip(&self.dtypes)
            .position(|(i, d)| *i == instr && *d == dtype);
        let at = found.unwrap_or_else(|| {
            self.instrs.push(instr);
            self.dtypes.push(dtype);
            self.instrs.len() - 1
        });
        Value(at as u32)
    }

    /// The dtype of a value.
    pub fn dtype(&self, value: Value) -> DType {
        self.dtypes[value.0 as usize]
    }
}

impl Instr {
    /// The values it uses.
    pub fn operands(&self) -> Vec<Value> {
        match self {
            Instr::Load(_) | Instr::Const(_) => Vec::new(),
            Instr::Cast(v) | Instr::Unary(_, v) | Instr::IsIn(v, _) => vec![*v],
            Instr::Binary(_, a, b) => vec![*a, *b],
            Instr::Select { cond, a, b } => vec![*cond, *a, *b],
        }
    }
}
