//! What several messages share.

use super::{ConvertError, invalid, need};
use crate::pb;
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::grid::Axis;
use dasklike_graph::lower::Budget;
use dasklike_graph::partial::Partial;
use dasklike_graph::plan::PLAN_VERSION;
use dasklike_graph::pool::PoolName;
use std::ops::Range;

const DTYPES: [(DType, pb::DType); 11] = [
    (DType::Bool, pb::DType::Bool),
    (DType::U8, pb::DType::Uint8),
    (DType::U16, pb::DType::Uint16),
    (DType::U32, pb::DType::Uint32),
    (DType::U64, pb::DType::Uint64),
    (DType::I8, pb::DType::Int8),
    (DType::I16, pb::DType::Int16),
    (DType::I32, pb::DType::Int32),
    (DType::I64, pb::DType::Int64),
    (DType::F32, pb::DType::Float32),
    (DType::F64, pb::DType::Float64),
];

/// The pool of a message; those who name none are in the default one.
pub fn pool_from_proto(name: &str) -> Result<PoolName, ConvertError> {
    match name {
        "" => Ok(PoolName::default()),
        name => name
            .parse()
            .map_err(|e: dasklike_graph::pool::PoolNameError| invalid("pool", e.to_string())),
    }
}

pub(super) fn dtype_to_proto(dtype: DType) -> i32 {
    DTYPES
        .iter()
        .find(|(d, _)| *d == dtype)
        .map_or(0, |(_, p)| *p as i32)
}

pub(super) fn dtype_from_proto(value: i32) -> Result<DType, ConvertError> {
    let found = DTYPES.iter().find(|(_, p)| *p as i32 == value);
    found.map(|(d, _)| *d).ok_or(ConvertError::Unknown {
        what: "dtype",
        value,
    })
}

pub(super) fn scalar_to_proto(scalar: Scalar) -> pb::Scalar {
    use pb::scalar::Value;
    let value = match scalar {
        Scalar::Bool(v) => Value::Boolean(v),
        Scalar::I64(v) => Value::Int64(v),
        Scalar::U64(v) => Value::Uint64(v),
        Scalar::F32(v) => Value::Float32(v),
        Scalar::F64(v) => Value::Float64(v),
    };
    pb::Scalar { value: Some(value) }
}

pub(super) fn scalar_from_proto(scalar: &pb::Scalar) -> Result<Scalar, ConvertError> {
    use pb::scalar::Value;
    Ok(match need(scalar.value.as_ref(), "scalar value")? {
        Value::Boolean(v) => Scalar::Bool(*v),
        Value::Int64(v) => Scalar::I64(*v),
        Value::Uint64(v) => Scalar::U64(*v),
        Value::Float32(v) => Scalar::F32(*v),
        Value::Float64(v) => Scalar::F64(*v),
    })
}

pub(super) fn axis_to_proto(axis: &Axis) -> pb::Axis {
    use pb::axis::{Cuts, Explicit, Regular};
    let cuts = match axis {
        Axis::Regular { len, first, size } => Cuts::Regular(Regular {
            len: *len,
            first: *first,
            size: *size,
        }),
        Axis::Explicit { bounds } => Cuts::Explicit(Explicit {
            bounds: bounds.to_vec(),
        }),
    };
    pb::Axis { cuts: Some(cuts) }
}

pub(super) fn axis_from_proto(axis: pb::Axis) -> Result<Axis, ConvertError> {
    use pb::axis::{Cuts, Regular};
    match need(axis.cuts, "axis cuts")? {
        Cuts::Regular(Regular { len, first, size }) => {
            let fits = 1 <= first && first <= size && len.checked_add(size).is_some();
            if !fits {
                return Err(invalid(
                    "axis",
                    format!("{len} elements in parts of {first}, then {size}"),
                ));
            }
            Ok(Axis::Regular { len, first, size })
        }
        Cuts::Explicit(e) => {
            if e.bounds.first() != Some(&0) || !e.bounds.is_sorted_by(|a, b| a < b) {
                return Err(invalid("axis", "its cuts do not rise from 0"));
            }
            Ok(Axis::Explicit {
                bounds: e.bounds.into(),
            })
        }
    }
}

/// A budget as a message.
pub fn budget_to_proto(budget: &Budget) -> pb::Budget {
    let chunks = budget.chunks.iter().map(|(dim, size)| pb::DimChunk {
        dim: dim.to_string(),
        size: *size,
    });
    pb::Budget {
        task_bytes: budget.task_bytes,
        chunks: chunks.collect(),
    }
}

/// The budget of a message.
pub fn budget_from_proto(budget: pb::Budget) -> Budget {
    let chunks = budget
        .chunks
        .into_iter()
        .map(|c| (c.dim.into(), c.size))
        .collect();
    Budget {
        task_bytes: budget.task_bytes,
        chunks,
    }
}

/// A region as a message.
pub fn region_to_proto(region: &[Range<u64>]) -> Vec<pb::Range> {
    region
        .iter()
        .map(|r| pb::Range {
            start: r.start,
            end: r.end,
        })
        .collect()
}

/// The region of a message.
pub fn region_from_proto(region: &[pb::Range]) -> Result<Vec<Range<u64>>, ConvertError> {
    let part = |r: &pb::Range| match r.start <= r.end {
        true => Ok(r.start..r.end),
        false => Err(invalid("range", format!("{} to {}", r.start, r.end))),
    };
    region.iter().map(part).collect()
}

pub(super) fn partial_to_proto(partial: &Partial) -> pb::Partial {
    let mut words = Vec::with_capacity(partial.words.len() * 8);
    for word in &partial.words {
        words.extend_from_slice(&word.to_le_bytes());
    }
    pb::Partial {
        first_group: partial.first_group,
        groups: partial.groups,
        cells: partial.cells,
        words,
    }
}

pub(super) fn partial_from_proto(partial: &pb::Partial) -> Result<Partial, ConvertError> {
    let (words, rest) = partial.words.as_chunks::<8>();
    let column = (partial.groups as u64).checked_mul(partial.cells);
    let whole = match column {
        Some(0) => words.is_empty(),
        Some(n) => (words.len() as u64).is_multiple_of(n),
        None => false,
    };
    if !rest.is_empty() || !whole || partial.first_group.checked_add(partial.groups).is_none() {
        return Err(invalid(
            "partial",
            format!(
                "{} bytes for {} groups of {} cells",
                partial.words.len(),
                partial.groups,
                partial.cells
            ),
        ));
    }
    Ok(Partial {
        first_group: partial.first_group,
        groups: partial.groups,
        cells: partial.cells,
        words: words.iter().map(|w| u64::from_le_bytes(*w)).collect(),
    })
}

/// What this program says of itself first.
pub fn hello() -> pb::Hello {
    pb::Hello {
        version: crate::VERSION.to_owned(),
        plan_version: PLAN_VERSION,
    }
}

/// Refuses the other side if it is of another major version. Before 1.0, the minor counts as the major.
pub fn check_hello(hello: Option<&pb::Hello>) -> Result<(), ConvertError> {
    let theirs = hello.map_or("", |h| &h.version);
    if major(theirs).is_none() || major(theirs) != major(crate::VERSION) {
        return Err(ConvertError::Version {
            theirs: theirs.to_owned(),
            ours: crate::VERSION.to_owned(),
        });
    }
    Ok(())
}

fn major(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().ok());
    match (parts.next()??, parts.next()??) {
        (0, minor) => Some((0, minor)),
        (major, _) => Some((major, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors_must_agree() {
        let of = |v: &str| pb::Hello {
            version: v.to_owned(),
            plan_version: PLAN_VERSION,
        };
        assert_eq!(check_hello(Some(&hello())), Ok(()));
        for other in ["7.1.0", "", "not a version"] {
            let error = check_hello(Some(&of(other))).unwrap_err().to_string();
            assert!(
                error.contains(crate::VERSION) && error.contains(other),
                "{error}"
            );
        }
        assert_eq!(major("0.3.9"), Some((0, 3)));
        assert_eq!(major("2.3.9"), major("2.0.0"));
        assert!(check_hello(None).is_err());
    }

    #[test]
    fn a_partial_of_the_wrong_size_is_refused() {
        let partial = Partial {
            first_group: 1,
            groups: 2,
            cells: 3,
            words: (0..12).collect(),
        };
        let mut message = partial_to_proto(&partial);
        assert_eq!(partial_from_proto(&message), Ok(partial));
        message.words.pop();
        assert!(partial_from_proto(&message).is_err());
    }
}
