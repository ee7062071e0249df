//! Coordinates: the labels of a dim, in memory.

use super::error::ArrayError;
use super::time;
use std::sync::Arc;

/// The labels of a dim.
#[derive(Clone, Debug, PartialEq)]
pub enum Coord {
    /// Integers.
    Int(Arc<[i64]>),
    /// Floats.
    Float(Arc<[f64]>),
    /// Instants: nanoseconds since 1970-01-01T00:00:00 UTC. [`time::NAT`] is no time.
    Time(Arc<[i64]>),
    /// Texts, such as seasons.
    Text(Arc<[Arc<str>]>),
    /// Labels that are stored in a form that cannot be decoded; an error when they are needed.
    Undecoded {
        /// How many there are.
        len: usize,
        /// Why.
        reason: Arc<str>,
    },
}

impl Coord {
    /// The number of labels.
    pub fn len(&self) -> usize {
        match self {
            Coord::Int(v) | Coord::Time(v) => v.len(),
            Coord::Float(v) => v.len(),
            Coord::Text(v) => v.len(),
            Coord::Undecoded { len, .. } => *len,
        }
    }

    /// Whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the labels are, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Coord::Int(_) => "integers",
            Coord::Float(_) => "floats",
            Coord::Time(_) => "times",
            Coord::Text(_) => "texts",
            Coord::Undecoded { .. } => "labels that cannot be decoded",
        }
    }

    /// Label `i` as text: times in ISO 8601, floats in their shortest form. `i` is below [`Coord::len`].
    pub fn label(&self, i: usize) -> String {
        match self {
            Coord::Int(v) => v[i].to_string(),
            Coord::Float(v) => v[i].to_string(),
            Coord::Time(v) => time::iso(v[i]),
            Coord::Text(v) => v[i].to_string(),
            Coord::Undecoded { .. } => i.to_string(),
        }
    }

    /// Times as nanoseconds since 1970. `dim` is for the message.
    ///
    /// # Errors
    /// When the labels are others, or cannot be decoded.
    pub fn times(&self, dim: &str) -> Result<&Arc<[i64]>, ArrayError> {
        match self {
            Coord::Time(v) => Ok(v),
            Coord::Undecoded { reason, .. } => Err(ArrayError::Undecoded {
                dim: dim.to_owned(),
                reason: reason.to_string(),
            }),
            _ => Err(ArrayError::CoordKind {
                dim: dim.to_owned(),
                have: self.kind(),
                wanted: "times (units like \"days since 2000-01-01\")".to_owned(),
            }),
        }
    }

    /// The labels at `positions`, which are below [`Coord::len`].
    pub(crate) fn take(&self, positions: impl ExactSizeIterator<Item = usize>) -> Coord {
        match self {
            Coord::Int(v) => Coord::Int(positions.map(|i| v[i]).collect()),
            Coord::Float(v) => Coord::Float(positions.map(|i| v[i]).collect()),
            Coord::Time(v) => Coord::Time(positions.map(|i| v[i]).collect()),
            Coord::Text(v) => Coord::Text(positions.map(|i| v[i].clone()).collect()),
            Coord::Undecoded { reason, .. } => Coord::Undecoded {
                len: positions.len(),
                reason: reason.clone(),
            },
        }
    }

    /// Whether both label alike; NaN equals NaN, and integers equal floats of the same value.
    pub(crate) fn same(&self, other: &Coord) -> bool {
        self.len() == other.len() && self.first_difference(other).is_none()
    }

    fn first_difference(&self, other: &Coord) -> Option<usize> {
        match (self, other) {
            (Coord::Float(a), Coord::Float(b)) => {
                (0..a.len()).find(|i| a[*i] != b[*i] && !(a[*i].is_nan() && b[*i].is_nan()))
            }
            (Coord::Int(a), Coord::Float(b)) | (Coord::Float(b), Coord::Int(a)) => {
                (0..a.len()).find(|i| a[*i] as f64 != b[*i])
            }
            (Coord::Int(a), Coord::Int(b)) | (Coord::Time(a), Coord::Time(b)) => {
                (0..a.len()).find(|i| a[*i] != b[*i])
            }
            (Coord::Text(a), Coord::Text(b)) => (0..a.len()).find(|i| a[*i] != b[*i]),
            (Coord::Undecoded { .. }, Coord::Undecoded { .. }) => None,
            _ => Some(0),
        }
    }

    /// Where the two first differ, in words.
    pub(crate) fn difference(&self, other: &Coord) -> String {
        if self.len() != other.len() {
            return format!("{} labels, {}", self.len(), other.len());
        }
        match self.first_difference(other) {
            Some(i) if !self.is_empty() => {
                format!("label {i} is {} and {}", self.label(i), other.label(i))
            }
            _ => format!("{}, {}", self.kind(), other.kind()),
        }
    }
}

impl From<Vec<f64>> for Coord {
    fn from(labels: Vec<f64>) -> Coord {
        Coord::Float(labels.into())
    }
}

impl From<Vec<i64>> for Coord {
    fn from(labels: Vec<i64>) -> Coord {
        Coord::Int(labels.into())
    }
}
