//! Where a date axis is labelled.

use dasklike::array::time;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

/// A label of the axis.
pub(crate) struct Tick {
    /// Nanoseconds since 1970.
    pub(crate) at: f64,
    pub(crate) label: String,
    /// The year, where it begins and at the first tick.
    pub(crate) year: Option<String>,
}

/// At most `most` ticks from one instant to another, at round dates.
pub(crate) fn date_ticks(from: f64, to: f64, most: usize) -> Vec<Tick> {
    let (first, last) = (time::civil(from as i64), time::civil(to as i64));
    let days = ((to - from) / 86_400e9).max(1.0);
    let months = [1, 2, 3, 6, 12, 24, 60, 120, 240];
    let by_month = months
        .into_iter()
        .find(|m| days / 30.4 / *m as f64 <= most as f64);
    let by_day = [1, 2, 3, 7, 14]
        .into_iter()
        .find(|d| days / *d as f64 <= most as f64);
    let dates = match (by_day, by_month) {
        (Some(step), _) => every_days(first, last, step),
        (None, step) => every_months(first, last, step.unwrap_or(600)),
    };
    let with_day = by_day.is_some();
    let mut year = None;
    let shown = dates
        .into_iter()
        .filter_map(|date| Some((date, nanoseconds(date)?)))
        .filter(|(_, at)| (from..=to).contains(at));
    let ticks = shown.map(|(date, at)| {
        let name = MONTHS[date.month() as usize - 1];
        let label = if with_day {
            format!("{} {name}", date.day())
        } else {
            name.to_owned()
        };
        let new_year = (year != Some(date.year())).then(|| date.year().to_string());
        year = Some(date.year());
        Tick {
            at,
            label,
            year: new_year,
        }
    });
    ticks.collect()
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn every_days(first: DateTime, last: DateTime, step: i64) -> Vec<Date> {
    let mut dates = Vec::new();
    let mut date = first.date();
    while date <= last.date() {
        dates.push(date);
        let Ok(next) = date.checked_add(step.days()) else {
            break;
        };
        date = next;
    }
    dates
}

fn every_months(first: DateTime, last: DateTime, step: i32) -> Vec<Date> {
    let month = |at: DateTime| at.year() as i32 * 12 + at.month() as i32 - 1;
    let start = (month(first) + step - 1).div_euclid(step) * step;
    let in_month = |m: i32| Date::new(m.div_euclid(12) as i16, m.rem_euclid(12) as i8 + 1, 1).ok();
    (start - step..=month(last))
        .step_by(step as usize)
        .filter_map(in_month)
        .collect()
}

/// None of a date that 64 bits of nanoseconds do not reach.
fn nanoseconds(date: Date) -> Option<f64> {
    let midnight = date.to_datetime(jiff::civil::Time::midnight());
    time::instant(midnight).map(|ns| ns as f64)
}
