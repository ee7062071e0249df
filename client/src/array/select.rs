//! Selection by position (`isel`) and by label (`sel`).

use super::coord::Coord;
use super::data_array::{DataArray, size_of};
use super::error::ArrayError;
use super::expr::Expr;
use super::time::{self, Resolution};
use dasklike_graph::plan::{Dim, Op, SliceSpec, Take};
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use std::sync::Arc;

/// Positions along a dim, as Python's `start:stop:step`: negative ones count from the end, those beyond the
/// ends are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
}

/// What [`DataArray::isel`] takes: a position (the dim goes) or a slice (the dim stays).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Index {
    At(i64),
    Slice(Slice),
}

/// A slice from a range, to give it a step: `slice(..).step(-1)`.
pub fn slice(range: impl Into<Slice>) -> Slice {
    range.into()
}

impl Slice {
    /// Python's `start:stop:step`; `None` leaves an end out. A negative step runs downwards: `Slice::new(8, 2, -2)`.
    pub fn new(start: impl Into<Option<i64>>, stop: impl Into<Option<i64>>, step: i64) -> Slice {
        Slice {
            start: start.into(),
            stop: stop.into(),
            step,
        }
    }

    /// The same slice with another step, which is not 0.
    pub fn step(self, step: i64) -> Slice {
        Slice { step, ..self }
    }

    /// The elements it takes of a dim of `size`, as Python's `slice.indices`.
    fn resolve(self, size: u64) -> Option<SliceSpec> {
        let n = i64::try_from(size).ok()?;
        if self.step == 0 {
            return None;
        }
        let (low, high) = if self.step > 0 { (0, n) } else { (-1, n - 1) };
        let clamp = |at: i64| (if at < 0 { at.saturating_add(n) } else { at }).clamp(low, high);
        let (first, end) = if self.step > 0 { (0, n) } else { (n - 1, -1) };
        let start = self.start.map_or(first, clamp);
        let stop = self.stop.map_or(end, clamp);
        let span = if self.step > 0 {
            stop - start
        } else {
            start - stop
        };
        let len = if span <= 0 {
            0
        } else {
            (span as u64 - 1) / self.step.unsigned_abs() + 1
        };
        Some(SliceSpec {
            start: if len == 0 { 0 } else { start as u64 },
            step: self.step,
            len,
        })
    }
}

macro_rules! indices {
    ($($int:ty),*) => {$(
        impl From<$int> for Index {
            fn from(at: $int) -> Index {
                Index::At(at as i64)
            }
        }
        impl From<Range<$int>> for Slice {
            fn from(r: Range<$int>) -> Slice {
                Slice { start: Some(r.start as i64), stop: Some(r.end as i64), step: 1 }
            }
        }
        impl From<RangeFrom<$int>> for Slice {
            fn from(r: RangeFrom<$int>) -> Slice {
                Slice { start: Some(r.start as i64), stop: None, step: 1 }
            }
        }
        impl From<RangeTo<$int>> for Slice {
            fn from(r: RangeTo<$int>) -> Slice {
                Slice { start: None, stop: Some(r.end as i64), step: 1 }
            }
        }
    )*};
}
indices!(i32, i64);

impl From<RangeFull> for Slice {
    fn from(_: RangeFull) -> Slice {
        Slice {
            start: None,
            stop: None,
            step: 1,
        }
    }
}

macro_rules! slice_indices {
    ($($range:ty),*) => {$(
        impl From<$range> for Index {
            fn from(r: $range) -> Index {
                Index::Slice(r.into())
            }
        }
    )*};
}
slice_indices!(
    Slice,
    Range<i32>,
    Range<i64>,
    RangeFrom<i32>,
    RangeFrom<i64>,
    RangeTo<i32>,
    RangeTo<i64>,
    RangeFull
);

/// A label as written: a number, or a text (a time like `2019-03`, a season).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Label {
    Number(f64),
    Text(String),
}

/// What [`DataArray::sel`] takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Selector {
    /// The element with this label; the dim goes. A time written more coarsely than the coordinate (a month in
    /// a series of days) takes all of it; the dim stays.
    Exact(Label),
    /// The element whose label is nearest; the dim goes.
    Nearest(Label),
    /// All from one label to another, both included; the dim stays. Labels need not occur.
    Between(Option<Label>, Option<Label>),
}

/// The element whose label is nearest to `label`.
pub fn nearest(label: impl Into<Label>) -> Selector {
    Selector::Nearest(label.into())
}

impl From<&str> for Label {
    fn from(text: &str) -> Label {
        Label::Text(text.to_owned())
    }
}

impl From<String> for Label {
    fn from(text: String) -> Label {
        Label::Text(text)
    }
}

impl From<f64> for Label {
    fn from(number: f64) -> Label {
        Label::Number(number)
    }
}

impl From<i32> for Label {
    fn from(number: i32) -> Label {
        Label::Number(number as f64)
    }
}

impl<T: Into<Label>> From<T> for Selector {
    fn from(label: T) -> Selector {
        Selector::Exact(label.into())
    }
}

macro_rules! selectors {
    ($($range:ident: $r:ident => $from:expr, $to:expr);*) => {$(
        impl<T: Into<Label> + Clone> From<$range<T>> for Selector {
            fn from($r: $range<T>) -> Selector {
                Selector::Between($from, $to)
            }
        }
    )*};
}
selectors!(
    Range: r => Some(r.start.into()), Some(r.end.into());
    RangeInclusive: r => Some(r.start().clone().into()), Some(r.end().clone().into());
    RangeFrom: r => Some(r.start.into()), None;
    RangeTo: r => None, Some(r.end.into());
    RangeToInclusive: r => None, Some(r.end.into())
);

impl DataArray {
    /// Selects by position along `dim`: one element (the dim goes; negative counts from the end) or a slice.
    pub fn isel(&self, dim: &str, index: impl Into<Index>) -> Result<DataArray, ArrayError> {
        let size = size_of(self.meta()?, dim)?;
        let outside = |selection: String| ArrayError::Index {
            dim: dim.to_owned(),
            selection,
            size,
        };
        match index.into() {
            Index::At(at) => {
                let from_start = if at < 0 {
                    at as i128 + size as i128
                } else {
                    at as i128
                };
                let position = u64::try_from(from_start).ok().filter(|i| *i < size);
                self.take(
                    dim,
                    Take::Index(position.ok_or_else(|| outside(format!("position {at}")))?),
                )
            }
            Index::Slice(s) => {
                let spec = s
                    .resolve(size)
                    .ok_or_else(|| outside(format!("a slice by {}", s.step)))?;
                self.take(dim, Take::Slice(spec))
            }
        }
    }

    /// Selects by label along `dim`: exact, [`nearest`], or from one label to another (both included). Times
    /// may be partial dates: `sel("time", "2019-03".."2019-06")` takes March to June. Ranges of numbers may be
    /// given in either order, whether the coordinate rises or falls.
    pub fn sel(&self, dim: &str, labels: impl Into<Selector>) -> Result<DataArray, ArrayError> {
        let size = size_of(self.meta()?, dim)?;
        let coord = self.coord(dim).ok_or_else(|| ArrayError::NoCoord {
            dim: dim.to_owned(),
        })?;
        debug_assert_eq!(
            coord.len() as u64,
            size,
            "coordinates are checked where they are attached"
        );
        self.take(dim, locate(dim, coord, &labels.into())?)
    }

    fn take(&self, dim: &str, take: Take) -> Result<DataArray, ArrayError> {
        let mut coords = self.coords()?.clone();
        if let Some(coord) = coords.remove(dim)
            && let Take::Slice(s) = &take
        {
            let positions =
                (0..s.len as usize).map(|i| (s.start as i64 + s.step * i as i64) as usize);
            coords.insert(Dim::from(dim), Arc::new(coord.take(positions)));
        }
        let expr = Expr::new(Op::Select(vec![(dim.into(), take)]), &[self.expr()?])?;
        self.with_expr_and_coords(expr, coords)
    }
}

/// The positions of labels.
fn locate(dim: &str, coord: &Coord, labels: &Selector) -> Result<Take, ArrayError> {
    let keys = keys(dim, coord)?;
    match labels {
        Selector::Exact(label) => {
            let span = span(dim, coord, label)?;
            // As pandas: a time written more coarsely than the index is a range of it.
            if span.partial {
                between(dim, &keys, span.first, span.last)
            } else {
                exact(dim, coord, &keys, &span, label)
            }
        }
        Selector::Nearest(label) => {
            let wanted = span(dim, coord, label)?.first;
            let distances = keys
                .iter()
                .enumerate()
                .filter(|(_, k)| k.is_known())
                .map(|(i, k)| (i, k.distance(wanted)));
            let best = distances.min_by(|a, b| a.1.total_cmp(&b.1));
            best.map(|(i, _)| Take::Index(i as u64))
                .ok_or_else(|| no_label(dim, coord, label))
        }
        Selector::Between(from, to) => {
            let from = from.as_ref().map(|l| span(dim, coord, l)).transpose()?;
            let to = to.as_ref().map(|l| span(dim, coord, l)).transpose()?;
            let (first, last) = match (from, to) {
                (Some(a), Some(b)) if a.first.distance_sign(b.first) > 0 => (b.first, a.last),
                (a, b) => (
                    a.map_or(Key::LOWEST, |s| s.first),
                    b.map_or(Key::HIGHEST, |s| s.last),
                ),
            };
            between(dim, &keys, first, last)
        }
    }
}

/// A label as a point on a line: times in nanoseconds keep all their bits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    Time(i64),
    Number(f64),
    Lowest,
    Highest,
}

impl Key {
    const LOWEST: Key = Key::Lowest;
    const HIGHEST: Key = Key::Highest;

    fn is_known(self) -> bool {
        match self {
            Key::Time(t) => t != time::NAT,
            Key::Number(x) => !x.is_nan(),
            _ => true,
        }
    }

    /// -1, 0 or 1 as `self` lies before, at or after `other`.
    fn distance_sign(self, other: Key) -> i32 {
        match (self, other) {
            (Key::Time(a), Key::Time(b)) => a.cmp(&b) as i32,
            (Key::Number(a), Key::Number(b)) => a.total_cmp(&b) as i32,
            (Key::Lowest, _) | (_, Key::Highest) => -1,
            _ => 1,
        }
    }

    fn distance(self, other: Key) -> f64 {
        match (self, other) {
            (Key::Time(a), Key::Time(b)) => a.abs_diff(b) as f64,
            (Key::Number(a), Key::Number(b)) => (a - b).abs(),
            _ => f64::INFINITY,
        }
    }
}

/// What a written label covers.
struct Span {
    first: Key,
    last: Key,
    /// Written more coarsely than the coordinate.
    partial: bool,
}

fn keys(dim: &str, coord: &Coord) -> Result<Vec<Key>, ArrayError> {
    match coord {
        Coord::Int(v) => Ok(v.iter().map(|x| Key::Number(*x as f64)).collect()),
        Coord::Float(v) => Ok(v.iter().map(|x| Key::Number(*x)).collect()),
        // Texts are found by equality: their key is the position.
        Coord::Text(v) => Ok((0..v.len()).map(|i| Key::Number(i as f64)).collect()),
        Coord::Time(_) | Coord::Undecoded { .. } => {
            Ok(coord.times(dim)?.iter().map(|t| Key::Time(*t)).collect())
        }
    }
}

fn span(dim: &str, coord: &Coord, label: &Label) -> Result<Span, ArrayError> {
    let point = |key: Key| Span {
        first: key,
        last: key,
        partial: false,
    };
    match (coord, label) {
        (Coord::Int(_) | Coord::Float(_), Label::Number(x)) => Ok(point(Key::Number(*x))),
        (Coord::Time(times), Label::Text(text)) => {
            let period = time::parse_period(text)?;
            let partial = period.resolution < Resolution::of(times);
            let partial = partial || period.resolution < Resolution::Day;
            Ok(Span {
                first: Key::Time(period.first),
                last: Key::Time(period.last),
                partial,
            })
        }
        (Coord::Text(labels), Label::Text(text)) => {
            let at = labels.iter().position(|l| **l == **text);
            at.map(|i| point(Key::Number(i as f64)))
                .ok_or_else(|| no_label(dim, coord, label))
        }
        (Coord::Undecoded { .. }, _) => {
            Err(coord.times(dim).err().unwrap_or(ArrayError::NoCoord {
                dim: dim.to_owned(),
            }))
        }
        (_, Label::Number(_)) => Err(wrong_kind(dim, coord, "numbers")),
        (_, Label::Text(_)) => Err(wrong_kind(dim, coord, "times or texts")),
    }
}

fn wrong_kind(dim: &str, coord: &Coord, wanted: &str) -> ArrayError {
    ArrayError::CoordKind {
        dim: dim.to_owned(),
        have: coord.kind(),
        wanted: wanted.to_owned(),
    }
}

fn no_label(dim: &str, coord: &Coord, label: &Label) -> ArrayError {
    let label = match label {
        Label::Number(x) => x.to_string(),
        Label::Text(text) => text.clone(),
    };
    let have = match coord.len() {
        0 => "it has none".to_owned(),
        n => format!(
            "it has {} to {}; nearest(..) takes the closest",
            coord.label(0),
            coord.label(n - 1)
        ),
    };
    ArrayError::NoLabel {
        dim: dim.to_owned(),
        label,
        have,
    }
}

fn exact(
    dim: &str,
    coord: &Coord,
    keys: &[Key],
    span: &Span,
    label: &Label,
) -> Result<Take, ArrayError> {
    let mut found = keys
        .iter()
        .enumerate()
        .filter(|(_, k)| **k == span.first)
        .map(|(i, _)| i);
    let first = found.next().ok_or_else(|| no_label(dim, coord, label))?;
    match found.count() {
        0 => Ok(Take::Index(first as u64)),
        more => Err(ArrayError::ManyLabels {
            dim: dim.to_owned(),
            label: coord.label(first),
            count: more + 1,
        }),
    }
}

/// All elements whose label lies from `first` to `last`: one run, since the labels rise or fall.
fn between(dim: &str, keys: &[Key], first: Key, last: Key) -> Result<Take, ArrayError> {
    let sorted = |down: i32| {
        keys.windows(2)
            .all(|w| w[0].distance_sign(w[1]) * down <= 0)
    };
    if keys.iter().any(|k| !k.is_known()) || !(sorted(1) || sorted(-1)) {
        return Err(ArrayError::Unsorted {
            dim: dim.to_owned(),
        });
    }
    let inside = |k: &Key| k.distance_sign(first) >= 0 && k.distance_sign(last) <= 0;
    let start = keys.iter().position(inside).unwrap_or(0);
    let len = keys[start..].iter().take_while(|k| inside(k)).count();
    Ok(Take::Slice(SliceSpec {
        start: start as u64,
        step: 1,
        len: len as u64,
    }))
}
