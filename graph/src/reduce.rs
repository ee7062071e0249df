//! Reductions as mergeable state: which columns a cell keeps, how two states merge, how a result is read.
//!
//! Float sums accumulate in `f64`; variances merge by the pairwise rule of Chan, Golub and LeVeque (1979), so
//! partials of any sizes can be folded. One set of columns serves every statistic of the same values.

use crate::dtype::{DType, Lane};

/// A reduction over one or more dims, named as xarray names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ReduceOp {
    /// How many values are not missing.
    Count,
    Sum,
    Mean,
    Min,
    Max,
    /// `ddof` as NumPy's: the divisor is `n - ddof`.
    Var {
        ddof: u32,
    },
    Std {
        ddof: u32,
    },
    Any,
    All,
}

impl ReduceOp {
    /// The dtype of the result, as NumPy's on a 64-bit machine.
    pub fn result(self, operand: DType) -> DType {
        match self {
            ReduceOp::Count => DType::I64,
            ReduceOp::Sum => match operand.lane() {
                Lane::Bool | Lane::I64 => DType::I64,
                Lane::U64 => DType::U64,
                _ => operand,
            },
            ReduceOp::Mean | ReduceOp::Var { .. } | ReduceOp::Std { .. } => {
                if operand == DType::F32 {
                    DType::F32
                } else {
                    DType::F64
                }
            }
            ReduceOp::Min | ReduceOp::Max => operand,
            ReduceOp::Any | ReduceOp::All => DType::Bool,
        }
    }

    /// xarray's name of the method.
    pub const fn name(self) -> &'static str {
        match self {
            ReduceOp::Count => "count",
            ReduceOp::Sum => "sum",
            ReduceOp::Mean => "mean",
            ReduceOp::Min => "min",
            ReduceOp::Max => "max",
            ReduceOp::Var { .. } => "var",
            ReduceOp::Std { .. } => "std",
            ReduceOp::Any => "any",
            ReduceOp::All => "all",
        }
    }
}

/// One 64-bit word that a cell keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// `u64`: how many values went into the cell.
    Count,
    /// `f64`: their sum, for float values and for means of integers.
    SumFloat,
    /// `i64` or `u64` with wrapping: the sum of integers or bools.
    SumInt,
    /// `f64`: the sum of squared distances from the mean; needs `Count` and `SumFloat`.
    M2,
    /// The least value as bits of the lane, `f32` widened to `f64`. For floats with `skipna`, NaN says that
    /// there was none.
    Min,
    /// The greatest value, in the same form.
    Max,
    /// 0 or 1. As NumPy's, NaN counts as true.
    Any,
    /// 0 or 1.
    All,
}

/// What a cell keeps: the values' lane, whether NaN are left out, and the columns in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The lane of the reduced values.
    pub lane: Lane,
    /// Leave NaN out. Without it they enter sums, minima and maxima, as NumPy's plain reductions have it;
    /// `Count` then counts every element.
    pub skipna: bool,
    /// Sorted, without repeats.
    pub columns: Vec<Column>,
}

impl State {
    /// The state that serves all of `ops`.
    pub fn for_ops(lane: Lane, skipna: bool, ops: &[ReduceOp]) -> State {
        let float = matches!(lane, Lane::F32 | Lane::F64);
        let mut columns = Vec::new();
        for op in ops {
            match op {
                ReduceOp::Count => columns.push(Column::Count),
                ReduceOp::Sum if float => columns.push(Column::SumFloat),
                ReduceOp::Sum => columns.push(Column::SumInt),
                ReduceOp::Mean => columns.extend([Column::Count, Column::SumFloat]),
                ReduceOp::Var { .. } | ReduceOp::Std { .. } => {
                    columns.extend([Column::Count, Column::SumFloat, Column::M2]);
                }
                ReduceOp::Min => columns.push(Column::Min),
                ReduceOp::Max => columns.push(Column::Max),
                ReduceOp::Any => columns.push(Column::Any),
                ReduceOp::All => columns.push(Column::All),
            }
        }
        columns.sort_unstable();
        columns.dedup();
        State {
            lane,
            skipna: skipna && float,
            columns,
        }
    }

    /// The position of a column, if the state has it.
    pub fn position(&self, column: Column) -> Option<usize> {
        self.columns.iter().position(|c| *c == column)
    }

    /// Bytes of one cell.
    pub fn cell_bytes(&self) -> u64 {
        8 * self.columns.len() as u64
    }

    /// The word of a column before any value.
    pub fn identity(&self, column: Column) -> u64 {
        let float = matches!(self.lane, Lane::F32 | Lane::F64);
        match column {
            Column::Count | Column::SumInt | Column::Any => 0,
            Column::SumFloat | Column::M2 => 0f64.to_bits(),
            Column::All => 1,
            Column::Min | Column::Max if float && self.skipna => f64::NAN.to_bits(),
            Column::Min if float => f64::INFINITY.to_bits(),
            Column::Max if float => f64::NEG_INFINITY.to_bits(),
            Column::Min if self.lane == Lane::I64 => i64::MAX as u64,
            Column::Max if self.lane == Lane::I64 => i64::MIN as u64,
            Column::Min => u64::MAX,
            Column::Max => 0,
        }
    }

    /// The word of a minimum (`least`) or maximum after `x` and `y`.
    pub(crate) fn extreme(&self, x: u64, y: u64, least: bool) -> u64 {
        let take_y = match self.lane {
            Lane::F32 | Lane::F64 => {
                let (fx, fy) = (f64::from_bits(x), f64::from_bits(y));
                match (fx.is_nan(), fy.is_nan()) {
                    (true, _) => self.skipna,
                    (_, true) => !self.skipna,
                    _ if least => fy < fx,
                    _ => fy > fx,
                }
            }
            Lane::I64 if least => (y as i64) < x as i64,
            Lane::I64 => (y as i64) > x as i64,
            _ if least => y < x,
            _ => y > x,
        };
        if take_y { y } else { x }
    }
}
