//! Operations on one array.

use super::data_array::DataArray;
use super::expr::Expr;
use dasklike_graph::dtype::DType;
use dasklike_graph::ops::UnaryOp;
use dasklike_graph::plan::Op;

impl DataArray {
    /// The values as `dtype`, as `numpy.astype`: integers wrap, floats truncate towards zero.
    pub fn astype(&self, dtype: DType) -> DataArray {
        DataArray::lift(|| self.with_expr(self.expr()?.cast(dtype)?))
    }

    pub(crate) fn unary(&self, op: UnaryOp) -> DataArray {
        DataArray::lift(|| self.with_expr(Expr::new(Op::Unary(op), &[self.expr()?])?))
    }

    /// Float maths: integers and bools become floats first, `float32` up to two bytes, else `float64`.
    fn maths(&self, op: UnaryOp) -> DataArray {
        DataArray::lift(|| Ok(self.astype(self.dtype()?.unary_float()).unary(op)))
    }

    /// Rounding leaves integers and bools as they are.
    fn rounding(&self, op: UnaryOp) -> DataArray {
        DataArray::lift(|| {
            if self.dtype()?.is_float() {
                Ok(self.unary(op))
            } else {
                Ok(self.clone())
            }
        })
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $how:ident $op:ident),* $(,)?) => {
        impl DataArray {$(
            $(#[$doc])*
            pub fn $name(&self) -> DataArray {
                self.$how(UnaryOp::$op)
            }
        )*}
    };
}
methods!(
    /// The absolute value.
    abs => unary Abs,
    /// -1, 0 or 1; NaN stays.
    sign => unary Sign,
    /// The square root; NaN below 0.
    sqrt => maths Sqrt,
    /// e to the power of each value.
    exp => maths Exp,
    /// `exp(x) - 1`, exact near 0.
    expm1 => maths Expm1,
    /// The natural logarithm.
    log => maths Log,
    /// The logarithm to the base of 2.
    log2 => maths Log2,
    /// The logarithm to the base of 10.
    log10 => maths Log10,
    /// `log(1 + x)`, exact near 0.
    log1p => maths Log1p,
    /// The sine of radians.
    sin => maths Sin,
    /// The cosine of radians.
    cos => maths Cos,
    /// The tangent of radians.
    tan => maths Tan,
    /// The inverse sine, in radians.
    arcsin => maths Arcsin,
    /// The inverse cosine, in radians.
    arccos => maths Arccos,
    /// The inverse tangent, in radians.
    arctan => maths Arctan,
    /// The hyperbolic sine.
    sinh => maths Sinh,
    /// The hyperbolic cosine.
    cosh => maths Cosh,
    /// The hyperbolic tangent.
    tanh => maths Tanh,
    /// Down to a whole number.
    floor => rounding Floor,
    /// Up to a whole number.
    ceil => rounding Ceil,
    /// Towards zero to a whole number.
    trunc => rounding Trunc,
    /// To the nearest whole number, halves to even.
    round => rounding Rint,
    /// Whether each value is infinite.
    isinf => unary IsInf,
    /// Whether each value is neither infinite nor NaN.
    isfinite => unary IsFinite,
);

impl std::ops::Neg for &DataArray {
    type Output = DataArray;
    fn neg(self) -> DataArray {
        self.unary(UnaryOp::Neg)
    }
}

impl std::ops::Neg for DataArray {
    type Output = DataArray;
    fn neg(self) -> DataArray {
        -&self
    }
}

impl std::ops::Not for &DataArray {
    type Output = DataArray;
    fn not(self) -> DataArray {
        self.unary(UnaryOp::Invert)
    }
}

impl std::ops::Not for DataArray {
    type Output = DataArray;
    fn not(self) -> DataArray {
        !&self
    }
}
