//! Reductions over dims, plain and grouped.

use super::data_array::{DataArray, size_of};
use super::error::ArrayError;
use super::expr::Expr;
use super::group::{GroupBy, Grouping};
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::ops::BinaryOp;
use dasklike_graph::plan::{Dim, Labels, Op};
use dasklike_graph::reduce::ReduceOp;
use std::sync::Arc;

/// The dims of a reduction: a name, several, or `..` for all.
#[derive(Clone, Debug)]
pub struct Dims(Option<Vec<Dim>>);

impl From<std::ops::RangeFull> for Dims {
    fn from(_: std::ops::RangeFull) -> Dims {
        Dims(None)
    }
}

impl From<&str> for Dims {
    fn from(dim: &str) -> Dims {
        Dims(Some(vec![dim.into()]))
    }
}

impl<const N: usize> From<[&str; N]> for Dims {
    fn from(dims: [&str; N]) -> Dims {
        Dims(Some(dims.iter().map(|d| Dim::from(*d)).collect()))
    }
}

impl From<&[Dim]> for Dims {
    fn from(dims: &[Dim]) -> Dims {
        Dims(Some(dims.to_vec()))
    }
}

impl From<&Vec<Dim>> for Dims {
    fn from(dims: &Vec<Dim>) -> Dims {
        Dims(Some(dims.clone()))
    }
}

/// An array whose reductions treat NaN as said; see [`DataArray::skipna`].
#[derive(Clone, Debug)]
pub struct Reducer {
    array: DataArray,
    skipna: bool,
}

impl DataArray {
    /// Reductions that leave NaN out (`true`, what they do anyway) or let it through (`false`):
    /// `a.skipna(false).mean("time")`.
    pub fn skipna(&self, skipna: bool) -> Reducer {
        Reducer {
            array: self.clone(),
            skipna,
        }
    }

    fn reduce(&self, op: ReduceOp, dims: Dims) -> DataArray {
        reduce(self, op, &dims, true, None)
    }
}

impl Reducer {
    fn reduce(&self, op: ReduceOp, dims: Dims) -> DataArray {
        reduce(&self.array, op, &dims, self.skipna, None)
    }
}

impl GroupBy {
    /// As [`DataArray::skipna`].
    pub fn skipna(mut self, skipna: bool) -> GroupBy {
        self.skipna = skipna;
        self
    }

    fn reduce(&self, op: ReduceOp, dims: Dims) -> DataArray {
        reduce(&self.array, op, &dims, self.skipna, Some(&self.grouping))
    }
}

fn reduce(
    array: &DataArray,
    op: ReduceOp,
    dims: &Dims,
    skipna: bool,
    by: Option<&Grouping>,
) -> DataArray {
    DataArray::lift(|| {
        let meta = array.meta()?;
        if let Some(named) = &dims.0 {
            for dim in named {
                size_of(meta, dim)?;
            }
        }
        let goes = |dim: &Dim| dims.0.as_ref().is_none_or(|named| named.contains(dim));
        let over: Vec<Dim> = meta.dims.iter().filter(|d| goes(d)).cloned().collect();
        if let Some(g) = by
            && !over.contains(&g.labels.dim)
        {
            return Err(ArrayError::GroupDim {
                dim: g.labels.dim.to_string(),
            });
        }
        let holes = by.is_some_and(|g| g.filled.iter().any(|f| !f));
        let values = operand(array, op, holes)?;
        // As xarray, `count` never counts NaN.
        let skipna = skipna || op == ReduceOp::Count;
        let node = Op::Reduce {
            op,
            dims: over,
            skipna,
            labels: by.map(|g| g.labels.clone()),
        };
        let mut expr = Expr::new(node, &[&values])?;
        let mut coords = array.coords()?.clone();
        if let Some(g) = by {
            coords.remove(&g.labels.dim);
            coords.insert(g.labels.group_dim.clone(), g.coord.clone());
            if holes && !natural_nan(op, skipna) {
                expr = punched(&expr, g)?;
            }
        }
        array.with_expr_and_coords(expr, coords)
    })
}

/// The values to reduce. Truth is "not zero"; minima and maxima of groups without elements are NaN, so integers
/// become floats that have it.
fn operand(array: &DataArray, op: ReduceOp, holes: bool) -> Result<Arc<Expr>, ArrayError> {
    let (expr, dtype) = (array.expr()?, array.dtype()?);
    match op {
        ReduceOp::Any | ReduceOp::All if dtype != DType::Bool => {
            let zero = Expr::constant(Scalar::I64(0), dtype)?;
            Expr::new(Op::Binary(BinaryOp::Ne), &[expr, &zero])
        }
        ReduceOp::Min | ReduceOp::Max if holes => expr.cast(dtype.maybe_promote()),
        _ => Ok(expr.clone()),
    }
}

/// Whether the reduction of no values is NaN by itself.
fn natural_nan(op: ReduceOp, skipna: bool) -> bool {
    match op {
        ReduceOp::Mean | ReduceOp::Var { .. } | ReduceOp::Std { .. } => true,
        ReduceOp::Min | ReduceOp::Max => skipna,
        _ => false,
    }
}

/// NaN in the groups without elements.
fn punched(reduced: &Arc<Expr>, by: &Grouping) -> Result<Arc<Expr>, ArrayError> {
    let Labels {
        group_dim, groups, ..
    } = &by.labels;
    let filled = Op::Inline {
        dtype: DType::Bool,
        dims: vec![group_dim.clone()],
        shape: vec![*groups as u64],
        bytes: by.filled.iter().map(|f| *f as u8).collect(),
    };
    let dtype = reduced.meta.dtype.maybe_promote();
    // The reduced array comes first among the operands of `and`-like shapes, so that its order of dims stays.
    let shape = Expr::new(
        Op::Full {
            value: Scalar::Bool(true),
            dtype: DType::Bool,
            dims: reduced.meta.dims.clone(),
            axes: reduced
                .meta
                .shape
                .iter()
                .map(|n| dasklike_graph::grid::Axis::whole(*n))
                .collect(),
        },
        &[],
    )?;
    let filled = Expr::new(filled, &[])?;
    let filled = if reduced.meta.dims.len() == 1 {
        filled
    } else {
        Expr::new(Op::Binary(BinaryOp::And), &[&shape, &filled])?
    };
    let nan = Expr::constant(Scalar::F64(f64::NAN), dtype)?;
    Expr::new(Op::Where, &[&filled, &reduced.cast(dtype)?, &nan])
}

macro_rules! statistics {
    ($($type:ident),*) => {$(
        impl $type {
            /// How many values are not NaN.
            pub fn count(&self, dims: impl Into<Dims>) -> DataArray {
                self.reduce(ReduceOp::Count, dims.into())
            }
            /// The sum; 0 of no values.
            pub fn sum(&self, dims: impl Into<Dims>) -> DataArray {
                self.reduce(ReduceOp::Sum, dims.into())
            }
            /// The mean; NaN of no values.
            pub fn mean(&self, dims: impl Into<Dims>) -> DataArray {
                self.reduce(ReduceOp::Mean, dims.into())
            }
            /// The least value; NaN of no values.
            pub fn min(&self, dims: impl Into<Dims>) -> DataArray {
                self.reduce(ReduceOp::Min, dims.into())
            }
            /// The greatest value; NaN of no values.
            pub fn max(&self, dims: impl Into<Dims>) -> DataArray {
                self.reduce(ReduceOp::Max, dims.into())
            }
            /// The variance; the divisor is the number of values less `ddof`.
            pub fn var(&self, dims: impl Into<Dims>, ddof: u32) -> DataArray {
                self.reduce(ReduceOp::Var { ddof }, dims.into())
            }
            /// The standard deviation; the divisor is the number of values less `ddof`.
            pub fn std(&self, dims: impl Into<Dims>, ddof: u32) -> DataArray {
                self.reduce(ReduceOp::Std { ddof }, dims.into())
            }
            /// Whether any value is not zero.
            pub fn any(&self, dims: impl Into<Dims>) -> DataArray {
                self.reduce(ReduceOp::Any, dims.into())
            }
            /// Whether all values are not zero.
            pub fn all(&self, dims: impl Into<Dims>) -> DataArray {
                self.reduce(ReduceOp::All, dims.into())
            }
        }
    )*};
}
statistics!(DataArray, Reducer, GroupBy);
