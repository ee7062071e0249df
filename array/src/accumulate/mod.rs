//! Accumulators: how strips of values enter the cells of a partial.
//!
//! Where the strip belongs to one cell, [`run`] reduces it in lanes and the summary is merged into the cell;
//! where each element has a cell of its own, [`cells`] updates the cells one by one. Both leave the words that
//! [`dasklike_graph::reduce::State`] describes.

mod cells;
mod extremes;
mod lanes;
mod moments;
mod run;
mod truth;

use crate::element::Element;
use crate::kernels::with_type;
use dasklike_graph::dtype::{DType, Lane};
use dasklike_graph::reduce::{Column, State};

/// Every element counts.
pub(crate) const KEEP: u8 = 0;
/// NaN are left out.
pub(crate) const SKIP: u8 = 1;
/// NaN are left out, and elements that a mask does not select.
pub(crate) const MASKED: u8 = 2;

/// The lanes of every sum. Part of the meaning of a sum: the same on every machine.
pub(crate) const LANES: usize = 16;

/// The position of each column in a cell, where the state has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    pub(crate) count: Option<usize>,
    pub(crate) sum_float: Option<usize>,
    pub(crate) sum_int: Option<usize>,
    pub(crate) m2: Option<usize>,
    pub(crate) min: Option<usize>,
    pub(crate) max: Option<usize>,
    pub(crate) any: Option<usize>,
    pub(crate) all: Option<usize>,
}

impl Columns {
    fn of(state: &State) -> Columns {
        Columns {
            count: state.position(Column::Count),
            sum_float: state.position(Column::SumFloat),
            sum_int: state.position(Column::SumInt),
            m2: state.position(Column::M2),
            min: state.position(Column::Min),
            max: state.position(Column::Max),
            any: state.position(Column::Any),
            all: state.position(Column::All),
        }
    }
}

/// Where a strip's values go in the words of a partial of `cells` cells (all groups together).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) cells: usize,
    pub(crate) cell: usize,
    /// Cells from one element to the next; 0 where all elements go into one cell.
    pub(crate) stride: usize,
}

/// Lets `n` values into the words of a partial: columns, words, place, values, mask, `n`.
type Feed = fn(&Columns, &mut [u64], Place, &[u8], &[u8], usize);

/// The compiled accumulator of a sink.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reducer {
    columns: Columns,
    feed: Feed,
}

impl Reducer {
    /// An accumulator of values of `dtype`; `masked` says that a mask comes with them. `None` if the state is
    /// not one for such values.
    pub(crate) fn new(state: &State, dtype: DType, masked: bool) -> Option<Reducer> {
        let columns = Columns::of(state);
        let float = matches!(state.lane, Lane::F32 | Lane::F64);
        // Columns are sorted, so both lie before the squared distances.
        let moments = matches!(
            (columns.count, columns.sum_float, columns.m2),
            (Some(count), Some(sum), Some(m2)) if count < m2 && sum < m2
        );
        if state.lane != dtype.lane()
            || (columns.m2.is_some() && !moments)
            || (float && columns.sum_int.is_some())
        {
            return None;
        }
        let mode = match (float && state.skipna, masked) {
            (false, false) => KEEP,
            (true, false) => SKIP,
            (true, true) => MASKED,
            (false, true) => return None,
        };
        let feed = with_type!(dtype, T => match mode {
            SKIP if T::FLOAT => feed::<T, SKIP>,
            MASKED if T::FLOAT => feed::<T, MASKED>,
            _ => feed::<T, KEEP>,
        });
        Some(Reducer { columns, feed })
    }

    /// Lets `n` values in. `mask` is empty where there is none.
    pub(crate) fn feed(
        &self,
        words: &mut [u64],
        place: Place,
        values: &[u8],
        mask: &[u8],
        n: usize,
    ) {
        (self.feed)(&self.columns, words, place, values, mask, n)
    }
}

fn feed<T: Element, const MODE: u8>(
    columns: &Columns,
    words: &mut [u64],
    place: Place,
    values: &[u8],
    mask: &[u8],
    n: usize,
) {
    let values = &bytemuck::cast_slice::<u8, T>(values)[..n];
    let mask = if MODE == MASKED { &mask[..n] } else { &[] };
    if place.stride == 0 {
        run::feed::<T, MODE>(columns, words, place, values, mask);
    } else {
        cells::feed::<T, MODE>(columns, words, place, values, mask);
    }
}
