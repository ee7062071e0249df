//! Instants as nanoseconds since 1970-01-01T00:00:00 UTC in an `i64`, as NumPy's `datetime64[ns]`: CF units,
//! ISO 8601, partial dates. The calendar is the proleptic Gregorian one.

use super::error::ArrayError;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

/// No time at all; NumPy's NaT.
pub const NAT: i64 = i64::MIN;

const SECOND: i128 = 1_000_000_000;

/// The calendar's view of an instant. Every `i64` is within jiff's years.
pub fn civil(ns: i64) -> DateTime {
    let timestamp = Timestamp::from_nanosecond(ns as i128).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::UTC.to_datetime(timestamp)
}

/// The instant of a date and time in UTC, if 64 bits hold it (the years 1678 to 2261).
pub fn instant(at: DateTime) -> Option<i64> {
    let timestamp = Offset::UTC.to_timestamp(at).ok()?;
    i64::try_from(timestamp.as_nanosecond())
        .ok()
        .filter(|ns| *ns != NAT)
}

/// The instant as ISO 8601 without a zone: `2019-01-27T00:00:00`, with as many decimals as it needs.
pub fn iso(ns: i64) -> String {
    if ns == NAT {
        return "NaT".to_owned();
    }
    let at = civil(ns);
    let (date, time) = (at.date(), at.time());
    let seconds = format!(
        "{date}T{:02}:{:02}:{:02}",
        time.hour(),
        time.minute(),
        time.second()
    );
    match time.subsec_nanosecond() {
        0 => seconds,
        ns => format!("{seconds}.{ns:09}")
            .trim_end_matches('0')
            .to_owned(),
    }
}

/// How finely a written time is given, coarsest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Resolution {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Finer,
}

impl Resolution {
    /// The coarsest resolution that tells all of `times` apart from their neighbours: whether an index of days
    /// is one of days, as pandas decides what a partial date means. Never coarser than a day.
    pub(crate) fn of(times: &[i64]) -> Resolution {
        let finest = |ns: &i64| {
            let units = [
                (Resolution::Day, 86_400 * SECOND),
                (Resolution::Hour, 3_600 * SECOND),
                (Resolution::Minute, 60 * SECOND),
                (Resolution::Second, SECOND),
            ];
            let whole = units
                .into_iter()
                .find(|(_, unit)| (*ns as i128).rem_euclid(*unit) == 0);
            whole.map_or(Resolution::Finer, |(resolution, _)| resolution)
        };
        times
            .iter()
            .filter(|ns| **ns != NAT)
            .map(finest)
            .max()
            .unwrap_or(Resolution::Day)
    }
}

/// A written time: the instants it covers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first nanosecond.
    pub first: i64,
    /// The last nanosecond.
    pub last: i64,
    /// How finely it was written.
    pub resolution: Resolution,
}

/// Reads `2019`, `2019-03`, `2019-03-05`, `2019-03-05T10`, `...T10:30`, `...T10:30:15`, `...T10:30:15.5`; a
/// space serves as the `T`, a `Z` at the end is allowed.
pub fn parse_period(text: &str) -> Result<Period, ArrayError> {
    parse_parts(text).ok_or_else(|| ArrayError::NotATime {
        text: text.to_owned(),
    })
}

fn parse_parts(text: &str) -> Option<Period> {
    let text = text.trim();
    let (date, clock) = match text.split_once(['T', ' ']) {
        Some((date, clock)) => (date, Some(clock.trim_end_matches('Z'))),
        None => (text, None),
    };
    let mut fields = date.split('-');
    let year = fields.next()?.parse::<i16>().ok()?;
    let mut field = || fields.next().map(str::parse::<i8>).transpose().ok();
    let (month, day) = (field()?, field()?);
    if fields.next().is_some() || (clock.is_some() && day.is_none()) {
        return None;
    }
    let date = Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).ok()?;
    let midnight = instant(date.to_datetime(jiff::civil::Time::midnight()))?;
    let (resolution, offset) = match (clock, day, month) {
        (Some(clock), ..) => parse_clock(clock)?,
        (None, Some(_), _) => (Resolution::Day, 0),
        (None, None, Some(_)) => (Resolution::Month, 0),
        _ => (Resolution::Year, 0),
    };
    let first = i64::try_from(midnight as i128 + offset).ok()?;
    // The last of the periods that 64 bits hold end where these end.
    let next = match resolution {
        Resolution::Year => year_start(year + 1).unwrap_or(i64::MAX),
        Resolution::Month => next_month(date).unwrap_or(i64::MAX),
        Resolution::Day => first.saturating_add((86_400 * SECOND) as i64),
        Resolution::Hour => first.saturating_add((3_600 * SECOND) as i64),
        Resolution::Minute => first.saturating_add((60 * SECOND) as i64),
        Resolution::Second => first.saturating_add(SECOND as i64),
        Resolution::Finer => first.saturating_add(1),
    };
    Some(Period {
        first,
        last: next - 1,
        resolution,
    })
}

fn year_start(year: i16) -> Option<i64> {
    let start = Date::new(year, 1, 1).ok()?;
    instant(start.to_datetime(jiff::civil::Time::midnight()))
}

fn next_month(date: Date) -> Option<i64> {
    let (year, month) = if date.month() == 12 {
        (date.year() + 1, 1)
    } else {
        (date.year(), date.month() + 1)
    };
    instant(
        Date::new(year, month, 1)
            .ok()?
            .to_datetime(jiff::civil::Time::midnight()),
    )
}

/// `10`, `10:30`, `10:30:15`, `10:30:15.25`: how fine, and nanoseconds since midnight.
fn parse_clock(clock: &str) -> Option<(Resolution, i128)> {
    let fields: Vec<&str> = clock.split(':').collect();
    let whole = |text: &str, below: i128| {
        text.parse::<u8>()
            .ok()
            .map(i128::from)
            .filter(|v| *v < below)
    };
    let hour = whole(fields[0], 24)?;
    let mut ns = hour * 3_600 * SECOND;
    let mut resolution = Resolution::Hour;
    if let Some(minute) = fields.get(1) {
        ns += whole(minute, 60)? * 60 * SECOND;
        resolution = Resolution::Minute;
    }
    if let Some(second) = fields.get(2) {
        let (second, decimals) = second.split_once('.').unwrap_or((second, ""));
        ns += whole(second, 60)? * SECOND;
        resolution = if decimals.is_empty() {
            Resolution::Second
        } else {
            Resolution::Finer
        };
        if decimals.len() > 9 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        ns += format!("{decimals:0<9}").parse::<i128>().ok()?;
    }
    (fields.len() <= 3).then_some((resolution, ns))
}

/// How a stored time coordinate is decoded: `unit since reference` in a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CfTime {
    unit: i128,
    reference: i128,
}

impl CfTime {
    /// Whether `units` are those of a time.
    pub(crate) fn is_time(units: &str) -> bool {
        units
            .split_whitespace()
            .nth(1)
            .is_some_and(|w| w.eq_ignore_ascii_case("since"))
    }

    /// Reads CF `units` and `calendar`; the error says what cannot be read.
    pub(crate) fn parse(units: &str, calendar: Option<&str>) -> Result<CfTime, String> {
        let wrong = || format!("its units {units:?} are not like \"days since 1970-01-01\"");
        let (unit, reference) = units.split_once(char::is_whitespace).ok_or_else(wrong)?;
        let reference = reference.trim_start();
        let reference = reference
            .get(..5)
            .filter(|w| w.eq_ignore_ascii_case("since"))
            .map(|_| reference[5..].trim())
            .ok_or_else(wrong)?;
        let unit = unit_ns(unit)
            .ok_or_else(|| format!("the unit of {units:?} is not one from days to nanoseconds"))?;
        let reference = parse_reference(reference).ok_or_else(wrong)?;
        let calendar = calendar.unwrap_or("standard").to_ascii_lowercase();
        match calendar.as_str() {
            "proleptic_gregorian" => {}
            // The mixed calendar is Julian before this day.
            "standard" | "gregorian" if reference >= GREGORIAN_START => {}
            "standard" | "gregorian" => {
                return Err(format!(
                    "{units:?} counts from before 1582-10-15 in the calendar {calendar:?}"
                ));
            }
            other => {
                return Err(format!(
                    "the calendar {other:?} is not proleptic_gregorian or standard"
                ));
            }
        }
        Ok(CfTime { unit, reference })
    }

    /// The instant of a whole number of units; [`NAT`] where 64 bits do not hold it.
    pub(crate) fn decode_int(self, value: i64) -> i64 {
        self.at(value as i128 * self.unit)
    }

    /// The instant of a number of units, to the nearest nanosecond; NaN is [`NAT`].
    pub(crate) fn decode_float(self, value: f64) -> i64 {
        if !value.is_finite() {
            return NAT;
        }
        // Whole units first: a product in f64 would lose nanoseconds.
        let whole = (value.trunc() as i128).saturating_mul(self.unit);
        self.at(whole.saturating_add((value.fract() * self.unit as f64).round() as i128))
    }

    fn at(self, offset: i128) -> i64 {
        i64::try_from(self.reference.saturating_add(offset)).unwrap_or(NAT)
    }
}

/// 1582-10-15T00:00:00 in nanoseconds since 1970.
const GREGORIAN_START: i128 = -12_219_292_800 * SECOND;

fn unit_ns(name: &str) -> Option<i128> {
    Some(match name.to_ascii_lowercase().as_str() {
        "days" | "day" | "d" => 86_400 * SECOND,
        "hours" | "hour" | "hrs" | "hr" | "h" => 3_600 * SECOND,
        "minutes" | "minute" | "mins" | "min" => 60 * SECOND,
        "seconds" | "second" | "secs" | "sec" | "s" => SECOND,
        "milliseconds" | "millisecond" | "msecs" | "msec" | "ms" => 1_000_000,
        "microseconds" | "microsecond" | "us" => 1_000,
        "nanoseconds" | "nanosecond" | "ns" => 1,
        _ => return None,
    })
}

/// `1970-1-1`, `1970-01-01 00:00:00.0`, `1970-01-01T00:00:00Z`, `1970-01-01 00:00 +01:00`.
fn parse_reference(text: &str) -> Option<i128> {
    let (date, rest) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        None => (text, ""),
    };
    let mut fields = date.split('-').map(str::parse::<i16>);
    let (year, month, day) = (
        fields.next()?.ok()?,
        fields.next()?.ok()?,
        fields.next()?.ok()?,
    );
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let midnight = Offset::UTC
        .to_timestamp(date.to_datetime(jiff::civil::Time::midnight()))
        .ok()?
        .as_nanosecond();
    let rest = rest
        .trim_end_matches("UTC")
        .trim_end_matches("GMT")
        .trim_end_matches('Z')
        .trim();
    let (clock, zone) = match rest.find(['+', '-']) {
        Some(at) => (rest[..at].trim(), parse_zone(&rest[at..])?),
        None => (rest, 0),
    };
    let clock = if clock.is_empty() {
        0
    } else {
        parse_clock(clock)?.1
    };
    Some(midnight + clock - zone)
}

/// `+01:00`, `-0330` or `+1` in nanoseconds east of UTC.
fn parse_zone(text: &str) -> Option<i128> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = &text[1..];
    let (hours, minutes) = match digits.split_once(':') {
        Some((h, m)) => (h, m),
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    Some(sign * (hours as i128 * 3_600 + minutes as i128 * 60) * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_iso() {
        let period = parse_period("2019-02").unwrap();
        assert_eq!(iso(period.first), "2019-02-01T00:00:00");
        assert_eq!(iso(period.last), "2019-02-28T23:59:59.999999999");
        assert_eq!(
            iso(parse_period("2023-08-10T09:57:57").unwrap().first),
            "2023-08-10T09:57:57"
        );
        assert_eq!(
            iso(parse_period("2023-08-10 09:57:57.5Z").unwrap().first),
            "2023-08-10T09:57:57.5"
        );
        assert_eq!(
            iso(parse_period("1969-12-31T23").unwrap().last),
            "1969-12-31T23:59:59.999999999"
        );
        let last_day = parse_period("2262-04-11").unwrap();
        assert_eq!(iso(last_day.first), "2262-04-11T00:00:00");
        assert!(last_day.first < last_day.last);
        assert_eq!(iso(NAT), "NaT");
        for wrong in [
            "",
            "march",
            "2019-13",
            "2019-02-30",
            "2019-02-01T25",
            "2019T10",
            "2019-01-01-01",
            // 257 is 1 in eight bits.
            "2019-257",
            "2019-01-257",
            "3000",
        ] {
            assert!(parse_period(wrong).is_err(), "{wrong:?} was read");
        }
    }

    #[test]
    fn decodes_cf_times() {
        let decode = |units: &str, v: f64| iso(CfTime::parse(units, None).unwrap().decode_float(v));
        assert_eq!(decode("days since 2000-01-01", 1.5), "2000-01-02T12:00:00");
        assert_eq!(
            decode("hours since 1900-01-01 00:00:0.0", 24.0),
            "1900-01-02T00:00:00"
        );
        assert_eq!(
            decode("seconds since 1970-01-01T00:00:00Z", 1548547200.0),
            "2019-01-27T00:00:00"
        );
        assert_eq!(
            decode("minutes since 1970-1-1 1:00 +01:00", 1.0),
            "1970-01-01T00:01:00"
        );
        assert_eq!(
            CfTime::parse("days since 1970-01-01", None)
                .unwrap()
                .decode_float(f64::NAN),
            NAT
        );
        assert_eq!(decode("days since 2000-01-01", 1e30), "NaT");
        // The reference may lie outside of what 64 bits hold.
        let old = CfTime::parse("days since 0001-01-01", Some("proleptic_gregorian")).unwrap();
        assert_eq!(iso(old.decode_int(719_162)), "1970-01-01T00:00:00");
    }

    #[test]
    fn names_what_it_cannot_decode() {
        let error = |units: &str, calendar| CfTime::parse(units, calendar).unwrap_err();
        assert!(error("days since 2000-01-01", Some("noleap")).contains("noleap"));
        assert!(error("months since 2000-01-01", None).contains("months"));
        assert!(error("days since 0001-01-01", None).contains("1582"));
        assert!(error("days since then", None).contains("since then"));
        // Four bytes, which are no two hours and two minutes.
        assert!(error("days since 2000-01-01 00:00 +aéb", None).contains("aéb"));
    }
}
