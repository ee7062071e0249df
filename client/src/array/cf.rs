//! CF decoding as xarray does it: missing values to NaN, then scale and offset, in xarray's result dtypes.

use super::error::ArrayError;
use super::expr::Expr;
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::ops::BinaryOp;
use dasklike_graph::plan::Op;
use dasklike_storage::ArrayInfo;
use serde_json::Value;
use std::sync::Arc;

/// How stored numbers become values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Encoding {
    /// Stored numbers that mean "missing".
    pub(crate) missing: Vec<Scalar>,
    pub(crate) scale: Option<f64>,
    pub(crate) offset: Option<f64>,
    /// The float dtype of the result where there is a choice; xarray's if `None`.
    pub(crate) float: Option<DType>,
}

impl Encoding {
    /// The encoding of a stored array.
    pub(crate) fn of(array: &ArrayInfo) -> Encoding {
        let missing = array
            .fill_is_missing
            .into_iter()
            .chain(array.also_missing)
            .collect();
        let attribute = |key: &str| array.attributes.get(key).and_then(number);
        Encoding {
            missing,
            scale: attribute("scale_factor"),
            offset: attribute("add_offset"),
            float: None,
        }
    }

    /// The dtype of the decoded array. Scale and offset are JSON numbers, which are doubles, so with either the
    /// result is `float64`; a mask alone promotes as little as it can.
    fn result(&self, stored: DType) -> DType {
        if self.scale.is_some() || self.offset.is_some() {
            self.float.unwrap_or(DType::F64)
        } else if self.missing.is_empty() {
            stored
        } else {
            stored.maybe_promote()
        }
    }

    /// `where(raw == missing, NaN, cast(raw)) * scale + offset`, in this order.
    pub(crate) fn decode(&self, raw: &Arc<Expr>) -> Result<Arc<Expr>, ArrayError> {
        let stored = raw.meta.dtype;
        let dtype = self.result(stored);
        let mut value = raw.cast(dtype)?;
        if let Some(masked) = self.masked(raw)? {
            let nan = Expr::constant(Scalar::F64(f64::NAN), dtype)?;
            value = Expr::new(Op::Where, &[&masked, &nan, &value])?;
        }
        for (op, number) in [(BinaryOp::Mul, self.scale), (BinaryOp::Add, self.offset)] {
            if let Some(number) = number {
                let number = Expr::constant(Scalar::F64(number), dtype)?;
                value = Expr::new(Op::Binary(op), &[&value, &number])?;
            }
        }
        Ok(value)
    }

    /// Where the stored number is a missing one. NaN among floats needs no mask: it is missing as it is.
    fn masked(&self, raw: &Arc<Expr>) -> Result<Option<Arc<Expr>>, ArrayError> {
        let stored = raw.meta.dtype;
        let mut masked: Option<Arc<Expr>> = None;
        for fill in self.missing.iter().filter(|f| !f.as_f64().is_nan()) {
            let is = Expr::new(
                Op::Binary(BinaryOp::Eq),
                &[raw, &Expr::constant(*fill, stored)?],
            )?;
            masked = Some(match masked {
                Some(m) => Expr::new(Op::Binary(BinaryOp::Or), &[&m, &is])?,
                None => is,
            });
        }
        Ok(masked)
    }
}

/// A number, or an array of one number.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| {
        value
            .as_array()
            .filter(|a| a.len() == 1)
            .and_then(|a| a[0].as_f64())
    })
}
