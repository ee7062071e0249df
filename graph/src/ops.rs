//! The elementwise operations, with NumPy's semantics. Operands have been promoted: both sides of a binary
//! operation have one dtype, so an operation here never converts.

use crate::dtype::{DType, Lane};

/// Operations on one array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum UnaryOp {
    Neg,
    Abs,
    /// -1, 0 or 1; NaN stays NaN.
    Sign,
    /// Logical not for bool, bitwise not for integers.
    Invert,
    Sqrt,
    Exp,
    Expm1,
    Log,
    Log2,
    Log10,
    Log1p,
    Sin,
    Cos,
    Tan,
    Arcsin,
    Arccos,
    Arctan,
    Sinh,
    Cosh,
    Tanh,
    Floor,
    Ceil,
    Trunc,
    /// To the nearest, halves to even, as `numpy.rint`.
    Rint,
    /// `bool` results; false for all integers.
    IsNan,
    IsInf,
    IsFinite,
}

/// Operations on two arrays of one dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    /// True division: floats only (integers are cast before).
    Div,
    /// Rounds towards minus infinity; an integer divided by zero gives 0, as NumPy.
    FloorDiv,
    /// The sign of the divisor; an integer by zero gives 0, as NumPy.
    Mod,
    Pow,
    /// NaN if either is NaN, as `numpy.minimum`.
    Minimum,
    Maximum,
    Arctan2,
    Hypot,
    /// Logical for bool, bitwise for integers.
    And,
    Or,
    Xor,
    /// Shifts by the width or more give 0 (or -1 for negative values shifted right), as NumPy.
    LeftShift,
    RightShift,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl UnaryOp {
    /// Every operation.
    pub const ALL: [UnaryOp; 27] = [
        UnaryOp::Neg,
        UnaryOp::Abs,
        UnaryOp::Sign,
        UnaryOp::Invert,
        UnaryOp::Sqrt,
        UnaryOp::Exp,
        UnaryOp::Expm1,
        UnaryOp::Log,
        UnaryOp::Log2,
        UnaryOp::Log10,
        UnaryOp::Log1p,
        UnaryOp::Sin,
        UnaryOp::Cos,
        UnaryOp::Tan,
        UnaryOp::Arcsin,
        UnaryOp::Arccos,
        UnaryOp::Arctan,
        UnaryOp::Sinh,
        UnaryOp::Cosh,
        UnaryOp::Tanh,
        UnaryOp::Floor,
        UnaryOp::Ceil,
        UnaryOp::Trunc,
        UnaryOp::Rint,
        UnaryOp::IsNan,
        UnaryOp::IsInf,
        UnaryOp::IsFinite,
    ];

    /// The result's dtype, or `None` where NumPy has no such operation.
    pub fn result(self, operand: DType) -> Option<DType> {
        use UnaryOp::*;
        match self {
            Neg | Sign => (operand != DType::Bool).then_some(operand),
            Abs => Some(operand),
            Invert => (!operand.is_float()).then_some(operand),
            IsNan | IsInf | IsFinite => Some(DType::Bool),
            Floor | Ceil | Trunc | Rint => operand.is_float().then_some(operand),
            _ => operand.is_float().then_some(operand),
        }
    }
}

impl BinaryOp {
    /// Every operation.
    pub const ALL: [BinaryOp; 22] = [
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::FloorDiv,
        BinaryOp::Mod,
        BinaryOp::Pow,
        BinaryOp::Minimum,
        BinaryOp::Maximum,
        BinaryOp::Arctan2,
        BinaryOp::Hypot,
        BinaryOp::And,
        BinaryOp::Or,
        BinaryOp::Xor,
        BinaryOp::LeftShift,
        BinaryOp::RightShift,
        BinaryOp::Eq,
        BinaryOp::Ne,
        BinaryOp::Lt,
        BinaryOp::Le,
        BinaryOp::Gt,
        BinaryOp::Ge,
    ];

    /// Whether the result is `bool` whatever the operands.
    pub const fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge)
    }

    /// The result's dtype for operands of one dtype, or `None` where NumPy has no such operation.
    pub fn result(self, operands: DType) -> Option<DType> {
        use BinaryOp::*;
        let lane = operands.lane();
        match self {
            _ if self.is_comparison() => Some(DType::Bool),
            Add | Mul | Minimum | Maximum => Some(operands),
            Sub | FloorDiv | Mod | Pow => (lane != Lane::Bool).then_some(operands),
            Div | Arctan2 | Hypot => operands.is_float().then_some(operands),
            And | Or | Xor => (!operands.is_float()).then_some(operands),
            LeftShift | RightShift => operands.is_integer().then_some(operands),
            _ => None,
        }
    }
}
