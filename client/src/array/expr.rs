//! The expression behind a lazy array: shared nodes, each with what is known of its result.

use super::error::ArrayError;
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::plan::{Meta, Op, Source, SourceId, infer};
use std::sync::Arc;

/// What a node does. Sources keep their description until the plan numbers them.
#[derive(Debug)]
pub(crate) enum ExprOp {
    Source(Source),
    Op(Op),
}

/// A node of an expression.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) op: ExprOp,
    pub(crate) inputs: Vec<Arc<Expr>>,
    pub(crate) meta: Meta,
}

impl Expr {
    /// A stored array.
    pub(crate) fn source(source: Source) -> Result<Arc<Expr>, ArrayError> {
        let meta = infer(std::slice::from_ref(&source), &Op::Source(SourceId(0)), &[])?;
        Ok(Arc::new(Expr {
            op: ExprOp::Source(source),
            inputs: Vec::new(),
            meta,
        }))
    }

    /// An operation on other expressions.
    pub(crate) fn new(op: Op, inputs: &[&Arc<Expr>]) -> Result<Arc<Expr>, ArrayError> {
        let metas: Vec<&Meta> = inputs.iter().map(|e| &e.meta).collect();
        let meta = infer(&[], &op, &metas)?;
        Ok(Arc::new(Expr {
            op: ExprOp::Op(op),
            inputs: inputs.iter().map(|e| Arc::clone(e)).collect(),
            meta,
        }))
    }

    /// A value without dims.
    pub(crate) fn constant(value: Scalar, dtype: DType) -> Result<Arc<Expr>, ArrayError> {
        Expr::new(
            Op::Full {
                value: value.cast(dtype),
                dtype,
                dims: Vec::new(),
                axes: Vec::new(),
            },
            &[],
        )
    }

    /// The expression as `dtype`; itself if it is that already.
    pub(crate) fn cast(self: &Arc<Expr>, dtype: DType) -> Result<Arc<Expr>, ArrayError> {
        if self.meta.dtype == dtype {
            Ok(Arc::clone(self))
        } else {
            Expr::new(Op::Cast(dtype), &[self])
        }
    }
}
