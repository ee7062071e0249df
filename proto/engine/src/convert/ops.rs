//! The numbers of operations.

use super::ConvertError;
use crate::pb;
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::reduce::ReduceOp;

macro_rules! numbers {
    ($($op:ident),+ $(,)?; $table:ident of $kind:ident, $to:ident, $from:ident) => {
        const $table: &[($kind, pb::$kind)] = &[$(($kind::$op, pb::$kind::$op)),+];

        pub(super) fn $to(op: $kind) -> pb::$kind {
            $table.iter().find(|(o, _)| *o == op).map_or(pb::$kind::Unspecified, |(_, p)| *p)
        }

        pub(super) fn $from(value: i32, name: &str) -> Result<$kind, ConvertError> {
            let found = $table.iter().find(|(_, p)| *p as i32 == value);
            found.map(|(o, _)| *o).ok_or_else(|| ConvertError::UnknownOperation { name: name.to_owned() })
        }
    };
}

numbers! {
    Neg, Abs, Sign, Invert, Sqrt, Exp, Expm1, Log, Log2, Log10, Log1p, Sin, Cos, Tan, Arcsin, Arccos,
    Arctan, Sinh, Cosh, Tanh, Floor, Ceil, Trunc, Rint, IsNan, IsInf, IsFinite;
    UNARY of UnaryOp, unary_to_proto, unary_from_proto
}

numbers! {
    Add, Sub, Mul, Div, FloorDiv, Mod, Pow, Minimum, Maximum, Arctan2, Hypot, And, Or, Xor, LeftShift,
    RightShift, Eq, Ne, Lt, Le, Gt, Ge;
    BINARY of BinaryOp, binary_to_proto, binary_from_proto
}

pub(super) fn reduce_to_proto(op: ReduceOp) -> (pb::ReduceOp, u32) {
    match op {
        ReduceOp::Count => (pb::ReduceOp::Count, 0),
        ReduceOp::Sum => (pb::ReduceOp::Sum, 0),
        ReduceOp::Mean => (pb::ReduceOp::Mean, 0),
        ReduceOp::Min => (pb::ReduceOp::Min, 0),
        ReduceOp::Max => (pb::ReduceOp::Max, 0),
        ReduceOp::Var { ddof } => (pb::ReduceOp::Var, ddof),
        ReduceOp::Std { ddof } => (pb::ReduceOp::Std, ddof),
        ReduceOp::Any => (pb::ReduceOp::Any, 0),
        ReduceOp::All => (pb::ReduceOp::All, 0),
    }
}

pub(super) fn reduce_from_proto(
    value: i32,
    ddof: u32,
    name: &str,
) -> Result<ReduceOp, ConvertError> {
    match pb::ReduceOp::try_from(value).unwrap_or(pb::ReduceOp::Unspecified) {
        pb::ReduceOp::Unspecified => Err(ConvertError::UnknownOperation {
            name: name.to_owned(),
        }),
        pb::ReduceOp::Count => Ok(ReduceOp::Count),
        pb::ReduceOp::Sum => Ok(ReduceOp::Sum),
        pb::ReduceOp::Mean => Ok(ReduceOp::Mean),
        pb::ReduceOp::Min => Ok(ReduceOp::Min),
        pb::ReduceOp::Max => Ok(ReduceOp::Max),
        pb::ReduceOp::Var => Ok(ReduceOp::Var { ddof }),
        pb::ReduceOp::Std => Ok(ReduceOp::Std { ddof }),
        pb::ReduceOp::Any => Ok(ReduceOp::Any),
        pb::ReduceOp::All => Ok(ReduceOp::All),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_number_of_its_own() {
        for op in UnaryOp::ALL {
            assert_eq!(unary_from_proto(unary_to_proto(op) as i32, ""), Ok(op));
        }
        for op in BinaryOp::ALL {
            assert_eq!(binary_from_proto(binary_to_proto(op) as i32, ""), Ok(op));
        }
        let unknown = ConvertError::UnknownOperation {
            name: "erfinv".into(),
        };
        assert_eq!(unary_from_proto(0, "erfinv"), Err(unknown));
    }
}
