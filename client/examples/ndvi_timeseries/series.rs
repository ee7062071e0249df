//! The computed series, as a table and as CSV.

use anyhow::{Context, bail};
use dasklike::Computed;
use dasklike::array::time;
use std::fmt::Write;

/// The statistics of every time step.
pub(crate) struct Series {
    /// Nanoseconds since 1970.
    pub(crate) times: Vec<i64>,
    pub(crate) mean: Vec<f64>,
    pub(crate) std: Vec<f64>,
    pub(crate) min: Vec<f64>,
    pub(crate) max: Vec<f64>,
    pub(crate) count: Vec<i64>,
    /// Pixels of one step.
    pub(crate) pixels: u64,
}

impl Series {
    /// From the pipeline's five results; `pixels` is the number of pixels of one step.
    pub(crate) fn new(results: &[Computed], pixels: u64) -> anyhow::Result<Series> {
        let [mean, std, min, max, count] = results else {
            bail!("expected five results, got {}", results.len())
        };
        let times = mean.coord("time").context("the series has no times")?;
        Ok(Series {
            times: times.times("time")?.to_vec(),
            mean: mean.values_f64(),
            std: std.values_f64(),
            min: min.values_f64(),
            max: max.values_f64(),
            count: count.values::<i64>().context("the number of pixels")?,
            pixels,
        })
    }

    /// The steps that have a time, earliest first: those that an axis of time can show.
    pub(crate) fn dated(&self) -> Series {
        let mut steps: Vec<usize> = (0..self.times.len())
            .filter(|i| self.times[*i] != time::NAT)
            .collect();
        steps.sort_by_key(|i| self.times[*i]);
        let of = |column: &[f64]| steps.iter().map(|i| column[*i]).collect();
        Series {
            times: steps.iter().map(|i| self.times[*i]).collect(),
            mean: of(&self.mean),
            std: of(&self.std),
            min: of(&self.min),
            max: of(&self.max),
            count: steps.iter().map(|i| self.count[*i]).collect(),
            pixels: self.pixels,
        }
    }

    /// The share of step `i`'s pixels that count, from 0 to 1.
    pub(crate) fn share(&self, i: usize) -> f64 {
        if self.pixels == 0 {
            0.0
        } else {
            self.count[i] as f64 / self.pixels as f64
        }
    }

    /// `time,mean,std,min,max,count`, one line a step: ISO 8601, every digit of the doubles, nothing for NaN and for
    /// no time.
    pub(crate) fn csv(&self) -> String {
        let mut csv = "time,mean,std,min,max,count\n".to_owned();
        for i in 0..self.times.len() {
            if self.times[i] != time::NAT {
                csv.push_str(&time::iso(self.times[i]));
            }
            for column in [&self.mean, &self.std, &self.min, &self.max] {
                // The shortest text that reads back as the same double.
                let _ = if column[i].is_nan() {
                    write!(csv, ",")
                } else {
                    write!(csv, ",{}", column[i])
                };
            }
            let _ = writeln!(csv, ",{}", self.count[i]);
        }
        csv
    }

    /// The same for a person: four decimals, and the share of pixels that count.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        let days = self
            .times
            .iter()
            .all(|t| time::iso(*t).ends_with("T00:00:00"));
        let width = if days { 10 } else { 19 };
        let _ = writeln!(
            table,
            "{:width$}  {:>8}  {:>8}  {:>8}  {:>8}  {:>10}  {:>6}",
            "time", "mean", "std", "min", "max", "count", "valid"
        );
        for i in 0..self.times.len() {
            let number = |x: f64| {
                if x.is_nan() {
                    "-".to_owned()
                } else {
                    format!("{x:.4}")
                }
            };
            let _ = writeln!(
                table,
                "{:width$.width$}  {:>8}  {:>8}  {:>8}  {:>8}  {:>10}  {:>5.1}%",
                time::iso(self.times[i]),
                number(self.mean[i]),
                number(self.std[i]),
                number(self.min[i]),
                number(self.max[i]),
                self.count[i],
                100.0 * self.share(i),
            );
        }
        table
    }
}
