//! Grouping along a dim by its times: `groupby("time.month")` and `resample("time", "MS")`.

use super::coord::Coord;
use super::data_array::{DataArray, size_of};
use super::error::ArrayError;
use super::freq::Frequency;
use super::time::{NAT, civil, instant};
use dasklike_graph::plan::{Dim, Labels};
use jiff::civil::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An array with its groups; its reductions go over the grouped dim, and over further dims if they are given.
#[derive(Clone, Debug)]
pub struct GroupBy {
    pub(crate) array: DataArray,
    pub(crate) grouping: Grouping,
    pub(crate) skipna: bool,
}

/// The groups along a dim.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grouping {
    pub(crate) labels: Labels,
    /// The labels of the groups, by group.
    pub(crate) coord: Arc<Coord>,
    /// Which groups have elements.
    pub(crate) filled: Vec<bool>,
}

/// What times are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Month,
    Year,
    Season,
    Hour,
    DayOfYear,
    Date,
}

impl DataArray {
    /// Groups by part of the times of a dim: `"time.month"`, `.year`, `.season`, `.hour`, `.dayofyear` or
    /// `.date`. The groups are those that occur, sorted; the result's dim has the part's name.
    pub fn groupby(&self, key: &str) -> Result<GroupBy, ArrayError> {
        let wrong = || ArrayError::GroupKey {
            key: key.to_owned(),
        };
        let (dim, part) = key.rsplit_once('.').ok_or_else(wrong)?;
        let by = match part {
            "month" => Key::Month,
            "year" => Key::Year,
            "season" => Key::Season,
            "hour" => Key::Hour,
            "dayofyear" => Key::DayOfYear,
            "date" => Key::Date,
            _ => return Err(wrong()),
        };
        let times = self.times(dim)?;
        let keys: Vec<Option<i64>> = times
            .iter()
            .map(|t| (*t != NAT).then(|| by.of(*t)))
            .collect();
        let numbers: BTreeMap<i64, u32> = keys
            .iter()
            .flatten()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .zip(0..)
            .map(|(k, i)| (*k, i))
            .collect();
        let groups = keys
            .iter()
            .map(|k| k.and_then(|k| numbers.get(&k).copied()));
        let coord = by.coord(numbers.keys().copied());
        Ok(self.grouped(Grouping::new(dim, part, groups, coord)))
    }

    /// Bins the times of a dim at a frequency: `MS`, `QS`, `YS` (starts of months, quarters, years), `D`, `h`,
    /// with a number before it for more than one. Bins without elements are kept, their results are NaN.
    /// The times must rise.
    pub fn resample(&self, dim: &str, freq: &str) -> Result<GroupBy, ArrayError> {
        let freq = Frequency::parse(freq)?;
        let times = self.times(dim)?;
        let known: Vec<i64> = times.iter().copied().filter(|t| *t != NAT).collect();
        if known.windows(2).any(|w| w[0] > w[1]) {
            return Err(ArrayError::Unsorted {
                dim: dim.to_owned(),
            });
        }
        let bins = match (known.first(), known.last()) {
            (Some(first), Some(last)) => freq.bins(*first, *last),
            _ => Vec::new(),
        };
        let groups = times.iter().map(|t| {
            let bin = bins.partition_point(|start| start <= t);
            (*t != NAT).then(|| bin.saturating_sub(1) as u32)
        });
        let coord = Coord::Time(bins.clone().into());
        Ok(self.grouped(Grouping::new(dim, dim, groups, coord)))
    }

    fn grouped(&self, grouping: Grouping) -> GroupBy {
        GroupBy {
            array: self.clone(),
            grouping,
            skipna: true,
        }
    }

    fn times(&self, dim: &str) -> Result<Arc<[i64]>, ArrayError> {
        size_of(self.meta()?, dim)?;
        let coord = self.coord(dim).ok_or_else(|| ArrayError::NoCoord {
            dim: dim.to_owned(),
        })?;
        coord.times(dim).cloned()
    }
}

impl Grouping {
    fn new(
        dim: &str,
        name: &str,
        groups: impl Iterator<Item = Option<u32>>,
        coord: Coord,
    ) -> Grouping {
        let mut runs: Vec<(Option<u32>, u64)> = Vec::new();
        let mut filled = vec![false; coord.len()];
        for group in groups {
            if let Some(g) = group {
                filled[g as usize] = true;
            }
            match runs.last_mut() {
                Some((last, n)) if *last == group => *n += 1,
                _ => runs.push((group, 1)),
            }
        }
        let labels = Labels {
            dim: dim.into(),
            group_dim: Dim::from(name),
            groups: coord.len() as u32,
            runs,
        };
        Grouping {
            labels,
            coord: Arc::new(coord),
            filled,
        }
    }
}

impl Key {
    /// The number of a time's group; groups sort as xarray sorts them.
    fn of(self, ns: i64) -> i64 {
        let at = civil(ns);
        match self {
            Key::Month => at.month() as i64,
            Key::Year => at.year() as i64,
            // In the order of the names: DJF, JJA, MAM, SON.
            Key::Season => [0, 2, 1, 3][(at.month() as usize % 12) / 3],
            Key::Hour => at.hour() as i64,
            Key::DayOfYear => at.day_of_year() as i64,
            Key::Date => instant(at.date().to_datetime(Time::midnight())).unwrap_or(NAT),
        }
    }

    fn coord(self, groups: impl Iterator<Item = i64>) -> Coord {
        match self {
            Key::Season => Coord::Text(
                groups
                    .map(|g| ["DJF", "JJA", "MAM", "SON"][g as usize].into())
                    .collect(),
            ),
            Key::Date => Coord::Time(groups.collect()),
            _ => Coord::Int(groups.collect()),
        }
    }
}
