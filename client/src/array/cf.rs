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
    /// The integer dtype that the stored bits are read as, where `_Unsigned` says that it is not the array's.
    pub(crate) read_as: Option<DType>,
    pub(crate) scale: Option<f64>,
    pub(crate) offset: Option<f64>,
    /// The float dtype of the result where there is a choice; xarray's if `None`.
    pub(crate) float: Option<DType>,
}

impl Encoding {
    /// The encoding of a stored array; scale and offset that are given take the place of its attributes. The error
    /// says which attribute makes no sense: a factor that is left out would give wrong numbers in silence.
    pub(crate) fn of(
        array: &ArrayInfo,
        (scale, offset): (Option<f64>, Option<f64>),
    ) -> Result<Encoding, String> {
        let unsigned = array.attributes.get("_Unsigned").and_then(Value::as_str);
        let read_as = read_as(array.source.dtype, unsigned);
        let missing = array.fill_is_missing.into_iter().chain(array.also_missing);
        let number = |key: &str, given: Option<f64>| match (given, array.attributes.get(key)) {
            (None, Some(attribute)) => number(key, attribute),
            (given, _) => Ok(given),
        };
        Ok(Encoding {
            missing: missing.map(|m| read_as.map_or(m, |d| m.cast(d))).collect(),
            read_as,
            scale: number("scale_factor", scale)?,
            offset: number("add_offset", offset)?,
            float: None,
        })
    }

    /// A stored number, read as the dtype that it means.
    pub(crate) fn read(&self, stored: Scalar) -> Scalar {
        self.read_as.map_or(stored, |dtype| stored.cast(dtype))
    }

    /// Whether numbers are what is stored, or stored bits read as another integer dtype.
    pub(crate) fn is_plain(&self) -> bool {
        self.missing.is_empty() && self.scale.is_none() && self.offset.is_none()
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
    pub(crate) fn decode(&self, stored: &Arc<Expr>) -> Result<Arc<Expr>, ArrayError> {
        let raw = &match self.read_as {
            Some(dtype) => stored.cast(dtype)?,
            None => stored.clone(),
        };
        let dtype = self.result(raw.meta.dtype);
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

/// The integer dtype that `_Unsigned` means, if that is not the stored one: netCDF had no unsigned integers once.
fn read_as(stored: DType, unsigned: Option<&str>) -> Option<DType> {
    Some(match (unsigned?, stored) {
        ("true", DType::I8) => DType::U8,
        ("true", DType::I16) => DType::U16,
        ("true", DType::I32) => DType::U32,
        ("true", DType::I64) => DType::U64,
        ("false", DType::U8) => DType::I8,
        ("false", DType::U16) => DType::I16,
        ("false", DType::U32) => DType::I32,
        ("false", DType::U64) => DType::I64,
        _ => return None,
    })
}

/// A number, or an array of one number; null is none.
fn number(key: &str, value: &Value) -> Result<Option<f64>, String> {
    let one = value.as_array().filter(|a| a.len() == 1).map(|a| &a[0]);
    let value = one.unwrap_or(value);
    match value.as_f64() {
        Some(number) => Ok(Some(number)),
        None if value.is_null() => Ok(None),
        None => Err(format!("its attribute {key} is {value}, expected a number")),
    }
}
