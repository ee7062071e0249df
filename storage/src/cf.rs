//! Which stored value means "missing", by the rules xarray follows.

use dasklike_graph::dtype::{DType, Lane, Scalar};
use serde_json::{Map, Value};

/// The value that is masked, and a second one where `missing_value` differs from the fill value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Missing {
    pub(crate) fill: Option<Scalar>,
    pub(crate) other: Option<Scalar>,
}

/// In Zarr v2 the metadata's own fill value is the mask (`v2_fill`; `None` if it is null); in v3 only the
/// attribute `_FillValue` is, whose floats are base64 of eight bytes. `missing_value` masks in both.
pub(crate) fn missing(
    dtype: DType,
    v2_fill: Option<Scalar>,
    attributes: &Map<String, Value>,
) -> Missing {
    let attribute = |name: &str| attributes.get(name).and_then(|v| value(dtype, v));
    let fill = v2_fill.or_else(|| attribute("_FillValue"));
    match (fill, attribute("missing_value")) {
        (None, other) => Missing {
            fill: other,
            other: None,
        },
        (fill, other) if fill == other => Missing { fill, other: None },
        (fill, other) => Missing { fill, other },
    }
}

/// An attribute as a value of the array; `None` if the array cannot hold it, so that nothing equals it.
fn value(dtype: DType, value: &Value) -> Option<Scalar> {
    match (value, dtype.lane()) {
        (Value::Array(values), _) => match values.as_slice() {
            [one] => self::value(dtype, one),
            _ => None,
        },
        (Value::Bool(v), Lane::Bool) => Some(Scalar::Bool(*v)),
        (Value::String(s), Lane::F32 | Lane::F64) => Some(Scalar::F64(float(s)?).cast(dtype)),
        (Value::Number(n), Lane::F32 | Lane::F64) => Some(Scalar::F64(n.as_f64()?).cast(dtype)),
        (Value::Number(n), _) => {
            let whole = n
                .as_i64()
                .map(i128::from)
                .or_else(|| n.as_u64().map(i128::from));
            let float = || {
                n.as_f64()
                    .filter(|f| f.fract() == 0.0 && f.abs() < 1e18)
                    .map(|f| f as i128)
            };
            integer(dtype, whole.or_else(float)?)
        }
        _ => None,
    }
}

fn integer(dtype: DType, value: i128) -> Option<Scalar> {
    let bits = dtype.size() as u32 * 8;
    match dtype.lane() {
        Lane::Bool => (value == 0 || value == 1).then_some(Scalar::Bool(value == 1)),
        Lane::U64 => (0..1i128 << bits)
            .contains(&value)
            .then_some(Scalar::U64(value as u64)),
        Lane::I64 => {
            let half = 1i128 << (bits - 1);
            (-half..half)
                .contains(&value)
                .then_some(Scalar::I64(value as i64))
        }
        Lane::F32 | Lane::F64 => None,
    }
}

fn float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => base64(text).map(f64::from_le_bytes),
    }
}

/// Eight bytes from their base64.
fn base64(text: &str) -> Option<[u8; 8]> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits = text.strip_suffix('=').filter(|d| d.len() == 11)?;
    // Eleven digits are 66 bits; the last two are padding.
    let bits = digits
        .bytes()
        .try_fold(0u128, |n, c| Some(n << 6 | u128::from(digit(c)?)))?;
    Some(u64::try_from(bits >> 2).ok()?.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(dtype: DType, v2_fill: Option<Scalar>, attributes: Value) -> Missing {
        missing(dtype, v2_fill, attributes.as_object().unwrap())
    }

    #[test]
    fn v3_masks_by_attribute_alone() {
        let nan = of(DType::F32, None, json!({"_FillValue": "AAAAAAAA+H8="})).fill;
        assert_eq!(nan, Some(Scalar::F32(f32::NAN)));
        // base64 of the eight bytes of -9999.0
        let number = of(DType::F64, None, json!({"_FillValue": "AAAAAICHw8A="})).fill;
        assert_eq!(number, Some(Scalar::F64(-9999.0)));
        assert_eq!(
            of(DType::U16, None, json!({"_FillValue": 65535})).fill,
            Some(Scalar::U64(65535))
        );
        assert_eq!(
            of(DType::U16, None, json!({"scale_factor": 1.0})),
            Missing::default()
        );
    }

    #[test]
    fn v2_masks_by_its_fill_value() {
        let fill = Some(Scalar::U64(0));
        assert_eq!(of(DType::U16, fill, json!({"_FillValue": 7})).fill, fill);
        assert_eq!(
            of(DType::F64, None, json!({"_FillValue": "NaN"})).fill,
            Some(Scalar::F64(f64::NAN))
        );
    }

    #[test]
    fn missing_value_masks_too() {
        let both = of(
            DType::I16,
            Some(Scalar::I64(-1)),
            json!({"missing_value": [-999]}),
        );
        assert_eq!(
            both,
            Missing {
                fill: Some(Scalar::I64(-1)),
                other: Some(Scalar::I64(-999))
            }
        );
        assert_eq!(
            of(DType::I16, None, json!({"missing_value": 5.0})).fill,
            Some(Scalar::I64(5))
        );
        assert_eq!(
            of(DType::I8, Some(Scalar::I64(3)), json!({"missing_value": 3})).other,
            None
        );
    }

    #[test]
    fn what_the_array_cannot_hold_masks_nothing() {
        assert_eq!(of(DType::U8, None, json!({"_FillValue": 256})).fill, None);
        assert_eq!(of(DType::U8, None, json!({"_FillValue": -1})).fill, None);
        assert_eq!(of(DType::I16, None, json!({"_FillValue": 0.5})).fill, None);
        assert_eq!(
            of(DType::I16, None, json!({"_FillValue": "AAAAAAAA+H8="})).fill,
            None
        );
    }
}
