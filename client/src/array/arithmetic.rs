//! Operations on two operands: promotion as NumPy's, broadcasting by dim name.

use super::data_array::{DataArray, merge_coords, merge_names};
use super::error::ArrayError;
use super::expr::Expr;
use super::operand::{Literal, Operand, fits};
use dasklike_graph::dtype::DType;
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::plan::Op;
use std::sync::Arc;

/// `left op right`. At least one of them is an array; two literals meet as if one were a 0-d array.
pub(crate) fn binary(op: BinaryOp, left: &Operand, right: &Operand) -> DataArray {
    DataArray::lift(|| {
        if let Some(known) = out_of_bounds(op, left, right)? {
            return Ok(known);
        }
        if let (BinaryOp::Pow, Operand::Literal(Literal::Int(exponent))) = (op, right)
            && *exponent < 0
            && common_dtype(&[left, right])?.is_integer()
        {
            return Err(ArrayError::NegativePower {
                exponent: *exponent,
            });
        }
        let dtype = match op {
            BinaryOp::Arctan2 | BinaryOp::Hypot => floats(left, right)?,
            _ => operand_dtype(op, common_dtype(&[left, right])?),
        };
        elementwise(Op::Binary(op), &[left, right], dtype, &[])
    })
}

/// An elementwise operation on `operands` cast to `dtype`, after the arrays `first` in the node's inputs.
pub(crate) fn elementwise(
    op: Op,
    operands: &[&Operand],
    dtype: DType,
    first: &[&DataArray],
) -> Result<DataArray, ArrayError> {
    let arrays: Vec<&DataArray> = operands.iter().filter_map(|o| array(o)).collect();
    let mut inputs: Vec<Arc<Expr>> = Vec::new();
    for a in first {
        inputs.push(a.expr()?.clone());
    }
    for operand in operands {
        inputs.push(match operand {
            Operand::Array(a) => a.expr()?.cast(dtype)?,
            Operand::Literal(l) => Expr::constant(l.scalar(dtype)?, dtype)?,
        });
    }
    let all: Vec<&DataArray> = arrays
        .iter()
        .copied()
        .chain(first.iter().copied())
        .collect();
    let expr = Expr::new(op, &inputs.iter().collect::<Vec<_>>());
    // Shapes are compared before labels: their message is the plainer one.
    let expr = expr?;
    let (name, attrs) = merge_names(if arrays.is_empty() { &all } else { &arrays });
    Ok(DataArray::new(name, expr, merge_coords(&all)?, attrs))
}

fn array(operand: &Operand) -> Option<&DataArray> {
    match operand {
        Operand::Array(a) => Some(a),
        Operand::Literal(_) => None,
    }
}

/// The dtype in which operands meet: arrays promote, literals follow.
pub(crate) fn common_dtype(operands: &[&Operand]) -> Result<DType, ArrayError> {
    let mut dtype: Option<DType> = None;
    for a in operands.iter().filter_map(|o| array(o)) {
        let of = a.dtype()?;
        dtype = Some(dtype.map_or(of, |d| d.promote(of)));
    }
    let mut literals = operands.iter().filter_map(|o| match o {
        Operand::Literal(l) => Some(*l),
        Operand::Array(_) => None,
    });
    let dtype = match dtype {
        Some(d) => d,
        None => literals.next().map_or(DType::F64, |l| match l {
            Literal::Bool(_) => DType::Bool,
            Literal::Int(_) => DType::I64,
            Literal::Float(_) => DType::F64,
        }),
    };
    Ok(literals.fold(dtype, |d, l| l.promote(d)))
}

/// The dtype that both operands of `op` are cast to, as the loops that NumPy has.
fn operand_dtype(op: BinaryOp, common: DType) -> DType {
    match op {
        BinaryOp::Div if !common.is_float() => DType::F64,
        BinaryOp::FloorDiv
        | BinaryOp::Mod
        | BinaryOp::Pow
        | BinaryOp::LeftShift
        | BinaryOp::RightShift
            if common == DType::Bool =>
        {
            DType::I8
        }
        _ => common,
    }
}

/// The dtype of float maths on two operands: arrays become floats before they meet.
fn floats(left: &Operand, right: &Operand) -> Result<DType, ArrayError> {
    match (left, right) {
        (Operand::Array(a), Operand::Array(b)) => {
            Ok(a.dtype()?.unary_float().promote(b.dtype()?.unary_float()))
        }
        _ => Ok(common_dtype(&[left, right])?.unary_float()),
    }
}

/// The result of comparing integers with a literal that their dtype does not have: NumPy compares the values,
/// so it is the same for every element.
fn out_of_bounds(
    op: BinaryOp,
    left: &Operand,
    right: &Operand,
) -> Result<Option<DataArray>, ArrayError> {
    let (array, literal, array_is_left) = match (left, right) {
        (Operand::Array(a), Operand::Literal(Literal::Int(l))) => (a, *l, true),
        (Operand::Literal(Literal::Int(l)), Operand::Array(a)) => (a, *l, false),
        _ => return Ok(None),
    };
    let dtype = array.dtype()?;
    if !op.is_comparison() || !dtype.is_integer() || fits(literal, dtype) {
        return Ok(None);
    }
    let array_is_less = literal > 0;
    let holds = match op {
        BinaryOp::Ne => true,
        BinaryOp::Lt | BinaryOp::Le => array_is_less == array_is_left,
        BinaryOp::Gt | BinaryOp::Ge => array_is_less != array_is_left,
        _ => false,
    };
    // Integers are never NaN: an array of `false` in the operand's shape.
    let nowhere = Expr::new(Op::Unary(UnaryOp::IsNan), &[array.expr()?])?;
    let expr = if holds {
        Expr::new(Op::Unary(UnaryOp::Invert), &[&nowhere])?
    } else {
        nowhere
    };
    array.with_expr(expr).map(Some)
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $op:ident),* $(,)?) => {
        impl DataArray {$(
            $(#[$doc])*
            pub fn $name(&self, other: impl Into<Operand>) -> DataArray {
                binary(BinaryOp::$op, &self.into(), &other.into())
            }
        )*}
    };
}
methods!(
    /// `self == other`, element by element.
    eq => Eq,
    /// `self != other`; true for NaN.
    ne => Ne,
    /// `self < other`.
    lt => Lt,
    /// `self <= other`.
    le => Le,
    /// `self > other`.
    gt => Gt,
    /// `self >= other`.
    ge => Ge,
    /// Division that rounds towards minus infinity; an integer divided by zero gives 0.
    floor_div => FloorDiv,
    /// `self` to the power of `other`.
    pow => Pow,
    /// The lesser; NaN if either is.
    minimum => Minimum,
    /// The greater; NaN if either is.
    maximum => Maximum,
    /// The angle of the point `(other, self)` in radians.
    arctan2 => Arctan2,
    /// `sqrt(self² + other²)` without overflow on the way.
    hypot => Hypot,
    /// Bits to the left; integers only.
    left_shift => LeftShift,
    /// Bits to the right; integers only.
    right_shift => RightShift,
);

macro_rules! operators {
    ($($trait:ident $method:ident $op:ident),*) => {$(
        impl<T: Into<Operand>> std::ops::$trait<T> for &DataArray {
            type Output = DataArray;
            fn $method(self, other: T) -> DataArray {
                binary(BinaryOp::$op, &self.into(), &other.into())
            }
        }
        impl<T: Into<Operand>> std::ops::$trait<T> for DataArray {
            type Output = DataArray;
            fn $method(self, other: T) -> DataArray {
                binary(BinaryOp::$op, &self.into(), &other.into())
            }
        }
    )*};
}
operators!(
    Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, Rem rem Mod,
    BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor, Shl shl LeftShift, Shr shr RightShift
);

// One integer and one float type on the left, so that a bare literal there has only one meaning.
macro_rules! literal_operators {
    ($literal:ty: $($trait:ident $method:ident $op:ident),*) => {$(
        impl std::ops::$trait<&DataArray> for $literal {
            type Output = DataArray;
            fn $method(self, other: &DataArray) -> DataArray {
                binary(BinaryOp::$op, &self.into(), &other.into())
            }
        }
        impl std::ops::$trait<DataArray> for $literal {
            type Output = DataArray;
            fn $method(self, other: DataArray) -> DataArray {
                binary(BinaryOp::$op, &self.into(), &other.into())
            }
        }
    )*};
}
literal_operators!(f64: Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, Rem rem Mod);
literal_operators!(
    i32: Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, Rem rem Mod,
    BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor, Shl shl LeftShift, Shr shr RightShift
);
