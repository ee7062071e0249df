//! `any` and `all` of one strip.

use crate::element::Element;

/// Whether any value is true, and whether all are. NaN is true.
pub(super) fn truth<T: Element>(values: &[T]) -> (bool, bool) {
    let zeros = values.iter().filter(|v| v.is_zero()).count();
    (zeros < values.len(), zeros == 0)
}
