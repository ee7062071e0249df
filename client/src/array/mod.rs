//! Lazy arrays with xarray's semantics: named dims, coordinates, NumPy's promotion (NEP 50), skipna
//! reductions. An array holds an expression and what is known without computing: dims, shape, dtype and
//! coordinates.

mod arithmetic;
mod build;
mod cf;
mod computed;
mod conditional;
mod coord;
mod create;
mod data_array;
mod dataset;
mod error;
mod expr;
mod freq;
mod group;
mod operand;
mod reduce;
mod select;
pub mod time;
mod unary;

pub use build::plan;
pub use computed::{Computed, ValuesError};
pub use conditional::where_;
pub use coord::Coord;
pub use create::Element;
pub use data_array::{Attrs, DataArray};
pub use dataset::{Dataset, DecodeFloat, OpenError, OpenOptions};
pub use error::ArrayError;
pub use group::GroupBy;
pub use operand::{Literal, Operand};
pub use reduce::{Dims, Reducer};
pub use select::{Index, Label, Selector, Slice, nearest, slice};
