//! What can be wrong with a lazy expression.

use dasklike_graph::dtype::DType;
use dasklike_graph::plan::PlanError;

/// Why an array cannot be computed. An operator that fails gives an array that carries the error; the first
/// one of an expression is reported when it is computed or explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ArrayError {
    /// The shapes, dims or dtypes do not fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The dataset has no such array.
    #[error("no variable {name:?} in {store}: it has {have}")]
    UnknownVariable {
        name: String,
        store: String,
        have: String,
    },
    /// The array is there, but of a kind that cannot be read.
    #[error("variable {name:?} in {store} cannot be read: {reason}")]
    Unreadable {
        name: String,
        store: String,
        reason: String,
    },
    /// Both sides label the dim differently.
    #[error(
        "dim {dim:?} has other coordinates on the left than on the right ({detail}): \
         select the same labels of both with sel, or drop one side's with without_coord({dim:?})"
    )]
    Coords { dim: String, detail: String },
    /// Selection and grouping need labels.
    #[error("dim {dim:?} has no coordinate: select by position with isel")]
    NoCoord { dim: String },
    /// A coordinate has more or fewer labels than the dim has elements.
    #[error("the coordinate of dim {dim:?} has {have} labels, the dim has {size} elements")]
    CoordLength { dim: String, have: usize, size: u64 },
    /// The coordinate is stored in a form that cannot be decoded.
    #[error("the coordinate of dim {dim:?} cannot be decoded: {reason}")]
    Undecoded { dim: String, reason: String },
    /// The coordinate is of another kind than the operation needs.
    #[error("the coordinate of dim {dim:?} holds {have}, {wanted} was expected")]
    CoordKind {
        dim: String,
        have: &'static str,
        wanted: String,
    },
    /// No element has that label.
    #[error("no element of dim {dim:?} has the label {label}: {have}")]
    NoLabel {
        dim: String,
        label: String,
        have: String,
    },
    /// More than one element has that label.
    #[error(
        "{count} elements of dim {dim:?} have the label {label}: select a range, or one by position with isel"
    )]
    ManyLabels {
        dim: String,
        label: String,
        count: usize,
    },
    /// Ranges and resampling need labels in order.
    #[error(
        "the coordinate of dim {dim:?} neither rises nor falls throughout: select by position with isel"
    )]
    Unsorted { dim: String },
    /// A date or a time that cannot be read.
    #[error("{text:?} is not a date or time like 2019, 2019-03, 2019-03-05 or 2019-03-05T10:30:00")]
    NotATime { text: String },
    /// A position outside of the dim, or a step of 0.
    #[error("{selection} is outside of dim {dim:?}, which has {size} elements")]
    Index {
        dim: String,
        selection: String,
        size: u64,
    },
    /// As NumPy, a literal must fit the array it meets.
    #[error(
        "the integer {literal} is out of bounds for {dtype}: cast the array to a wider dtype first"
    )]
    LiteralBounds { literal: i128, dtype: DType },
    /// As NumPy.
    #[error(
        "integers to the negative power {exponent} have no integer value: cast the array to float64 first"
    )]
    NegativePower { exponent: i128 },
    /// The rule of a grouping cannot be read.
    #[error("{key:?} is no grouping: use DIM.month, .year, .season, .hour, .dayofyear or .date")]
    GroupKey { key: String },
    /// The rule of a resampling cannot be read.
    #[error(
        "{freq:?} is no frequency: use MS, QS, YS, D or h, with a number before it for more than one"
    )]
    Frequency { freq: String },
    /// A grouped reduction goes over the grouped dim.
    #[error("a reduction grouped along {dim:?} must reduce it: add it to the dims")]
    GroupDim { dim: String },
    /// A compute call without arrays.
    #[error("nothing to compute: give at least one array")]
    NoOutputs,
}
