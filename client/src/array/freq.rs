//! Frequencies of resampling: from sorted times to bins, as pandas cuts them (closed and labelled on the left;
//! days and hours count from the first day's midnight).

use super::error::ArrayError;
use super::time::{civil, instant};
use jiff::civil::{Date, Time};

/// A rule of pandas' resampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frequency {
    /// Starts of months: every `step` months from the start of the `anchor` months (a quarter, a year) in
    /// which the first time lies.
    Months { anchor: i32, step: i32 },
    /// Every so many nanoseconds from the first day's midnight.
    Fixed { step: i64 },
}

impl Frequency {
    /// Reads `MS`, `QS`, `YS`, `D`, `h`, or one of them with a number before it.
    pub(crate) fn parse(text: &str) -> Result<Frequency, ArrayError> {
        let wrong = || ArrayError::Frequency {
            freq: text.to_owned(),
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let n = if digits == 0 {
            1
        } else {
            text[..digits].parse::<u16>().map_err(|_| wrong())?
        };
        if n == 0 {
            return Err(wrong());
        }
        let months = |anchor: i32| Frequency::Months {
            anchor,
            step: anchor * n as i32,
        };
        let fixed = |hours: i64| Frequency::Fixed {
            step: hours * 3_600_000_000_000 * n as i64,
        };
        match &text[digits..] {
            "MS" => Ok(months(1)),
            "QS" => Ok(months(3)),
            "YS" => Ok(months(12)),
            "D" => Ok(fixed(24)),
            "h" => Ok(fixed(1)),
            _ => Err(wrong()),
        }
    }

    /// The starts of all bins from the one that holds `first` to the one that holds `last`.
    pub(crate) fn bins(self, first: i64, last: i64) -> Vec<i64> {
        match self {
            Frequency::Fixed { step } => {
                let day = 86_400_000_000_000;
                let midnight = first.div_euclid(day) * day;
                let start = midnight + (first - midnight) / step * step;
                // What lies between the first time and the last may be more than 64 bits hold.
                let next = |start: &i64| start.checked_add(step).filter(|next| *next <= last);
                std::iter::successors(Some(start), next).collect()
            }
            Frequency::Months { anchor, step } => {
                let month = |ns: i64| {
                    let date = civil(ns).date();
                    date.year() as i32 * 12 + date.month() as i32 - 1
                };
                let start = month(first).div_euclid(anchor) * anchor;
                (start..=month(last))
                    .step_by(step as usize)
                    .filter_map(month_start)
                    .collect()
            }
        }
    }
}

/// The start of a month, counted from January of the year 0.
fn month_start(month: i32) -> Option<i64> {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    instant(
        Date::new(year as i16, month as i8, 1)
            .ok()?
            .to_datetime(Time::midnight()),
    )
}
