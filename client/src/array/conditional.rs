//! Choosing between values, and missing ones.

use super::arithmetic::{binary, common_dtype, elementwise};
use super::data_array::{DataArray, merge_coords};
use super::error::ArrayError;
use super::expr::Expr;
use super::operand::{Literal, Operand, bounds};
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::grid::Axis;
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::plan::Op;
use std::sync::Arc;

/// `a` where `condition` holds, `b` elsewhere; the dtype in which both meet. The condition is `bool`.
pub fn where_(condition: &DataArray, a: impl Into<Operand>, b: impl Into<Operand>) -> DataArray {
    select(condition, &a.into(), &b.into())
}

fn select(condition: &DataArray, a: &Operand, b: &Operand) -> DataArray {
    DataArray::lift(|| elementwise(Op::Where, &[a, b], common_dtype(&[a, b])?, &[condition]))
}

impl DataArray {
    /// The values where `condition` holds, NaN elsewhere. Integers become floats first: `float32` up to two
    /// bytes, else `float64`.
    pub fn where_(&self, condition: impl std::borrow::Borrow<DataArray>) -> DataArray {
        DataArray::lift(|| {
            let floats = self.astype(self.dtype()?.maybe_promote());
            self.ordered_where(
                condition.borrow(),
                &floats.into(),
                &Literal::Float(f64::NAN).into(),
            )
        })
    }

    /// The values where `condition` holds, `other` elsewhere.
    pub fn where_else(
        &self,
        condition: impl std::borrow::Borrow<DataArray>,
        other: impl Into<Operand>,
    ) -> DataArray {
        DataArray::lift(|| self.ordered_where(condition.borrow(), &self.into(), &other.into()))
    }

    /// `where`, with this array's dims first, as xarray's method has it.
    fn ordered_where(
        &self,
        condition: &DataArray,
        a: &Operand,
        b: &Operand,
    ) -> Result<DataArray, ArrayError> {
        let (own, other) = (self.meta()?, condition.meta()?);
        let follows = own.dims.starts_with(&other.dims) && own.dims.len() == other.dims.len();
        if follows || other.dtype != DType::Bool {
            return Ok(select(condition, a, b));
        }
        let everywhere = Op::Full {
            value: Scalar::Bool(true),
            dtype: DType::Bool,
            dims: own.dims.clone(),
            axes: own.shape.iter().map(|n| Axis::whole(*n)).collect(),
        };
        let shaped = Expr::new(
            Op::Binary(BinaryOp::And),
            &[&Expr::new(everywhere, &[])?, condition.expr()?],
        )?;
        let coords = merge_coords(&[self, condition])?;
        let condition = DataArray::new(None, shaped, coords, Arc::default());
        let chosen = select(&condition, a, b);
        chosen.check()?;
        Ok(chosen)
    }

    /// Whether each value is one of `values`. NaN is none of them, as in NumPy.
    pub fn isin<V: Into<Literal>>(&self, values: impl IntoIterator<Item = V>) -> DataArray {
        DataArray::lift(|| {
            let dtype = self.dtype()?;
            // A value that the dtype does not have is never met.
            let mut known: Vec<Scalar> = values
                .into_iter()
                .filter_map(|v| v.into().exact(dtype))
                .collect();
            known.sort_by(|a, b| {
                a.as_f64()
                    .total_cmp(&b.as_f64())
                    .then(a.to_bits().cmp(&b.to_bits()))
            });
            known.dedup();
            self.with_expr(Expr::new(Op::IsIn(known), &[self.expr()?])?)
        })
    }

    /// Whether each value is NaN. Only floats can be.
    pub fn isnull(&self) -> DataArray {
        self.unary(UnaryOp::IsNan)
    }

    /// Whether each value is not NaN.
    pub fn notnull(&self) -> DataArray {
        self.isnull().unary(UnaryOp::Invert)
    }

    /// `value` in the place of NaN.
    pub fn fillna(&self, value: impl Into<Operand>) -> DataArray {
        self.where_else(self.notnull(), value)
    }

    /// The values no lower than `low` and no higher than `high`; NaN stays. Bounds that are literals beyond an
    /// integer dtype's own do nothing.
    pub fn clip(&self, low: impl Into<Operand>, high: impl Into<Operand>) -> DataArray {
        DataArray::lift(|| {
            let (low, high) = (low.into(), high.into());
            let dtype = self.dtype()?;
            let raised = match &low {
                Operand::Literal(Literal::Int(v))
                    if dtype.is_integer() && *v <= bounds(dtype).0 =>
                {
                    self.clone()
                }
                low => binary(BinaryOp::Maximum, &self.into(), low),
            };
            Ok(match &high {
                Operand::Literal(Literal::Int(v))
                    if dtype.is_integer() && *v >= bounds(dtype).1 =>
                {
                    raised
                }
                high => binary(BinaryOp::Minimum, &raised.into(), high),
            })
        })
    }
}
