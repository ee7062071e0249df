//! Contenders that take turns, so that all meet the same machine, noise included.

use anyhow::{Context, Result, bail};

/// How far two results may lie apart: peers compute in `float32`.
const TOLERANCE: f64 = 1e-6;

/// One timed computation.
pub(crate) struct Run {
    /// The seconds of each repetition.
    pub(crate) seconds: Vec<f64>,
    /// What was computed, so that no contender wins by computing something else; empty where
    /// there is nothing to compare.
    pub(crate) result: Vec<f64>,
}

/// Somebody who computes.
pub(crate) struct Contender<'a> {
    /// The name in the report.
    pub(crate) name: String,
    run: Box<dyn FnMut() -> Result<Run> + 'a>,
}

/// All timings of one contender.
pub(crate) struct Timing {
    /// The name in the report.
    pub(crate) name: String,
    /// Ascending.
    seconds: Vec<f64>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut() -> Result<Run> + 'a) -> Self {
        Contender {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

impl Timing {
    fn new(name: String, mut seconds: Vec<f64>) -> Result<Timing> {
        if seconds.is_empty() {
            bail!("{name} was never timed");
        }
        seconds.sort_by(f64::total_cmp);
        Ok(Timing { name, seconds })
    }

    /// The least disturbed run, in seconds.
    pub(crate) fn min(&self) -> f64 {
        self.seconds[0]
    }

    /// In seconds.
    pub(crate) fn median(&self) -> f64 {
        self.seconds[self.seconds.len() / 2]
    }

    /// How many runs were timed.
    pub(crate) fn runs(&self) -> usize {
        self.seconds.len()
    }
}

/// Lets every contender run once in each of `rounds` rounds. Fails when their results differ.
pub(crate) fn race(mut contenders: Vec<Contender<'_>>, rounds: usize) -> Result<Vec<Timing>> {
    let mut seconds = vec![Vec::new(); contenders.len()];
    let mut expected: Option<(String, Vec<f64>)> = None;
    for round in 1..=rounds {
        for (contender, seconds) in contenders.iter_mut().zip(&mut seconds) {
            eprint!("round {round} of {rounds}: {} ...", contender.name);
            let run = (contender.run)().with_context(|| format!("{} failed", contender.name))?;
            eprintln!(
                " {:.3} s",
                run.seconds.iter().copied().fold(f64::INFINITY, f64::min)
            );
            seconds.extend(&run.seconds);
            if run.result.is_empty() {
                continue;
            }
            match &expected {
                None => expected = Some((contender.name.clone(), run.result)),
                Some((name, result)) => compare((name, result), (&contender.name, &run.result))?,
            }
        }
    }
    contenders
        .into_iter()
        .zip(seconds)
        .map(|(contender, seconds)| Timing::new(contender.name, seconds))
        .collect()
}

fn compare(expected: (&str, &[f64]), got: (&str, &[f64])) -> Result<()> {
    let ((name, left), (other, right)) = (expected, got);
    if left.len() != right.len() {
        bail!(
            "{name} has {} numbers and {other} has {}",
            left.len(),
            right.len()
        );
    }
    for (place, (a, b)) in left.iter().zip(right).enumerate() {
        let same = (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * a.abs().max(1.0);
        if !same {
            bail!("number {place} is {a} for {name} and {b} for {other}");
        }
    }
    Ok(())
}

/// The least time in seconds of the contenders whose names have all of `words`.
pub(crate) fn fastest(timings: &[Timing], words: &[&str]) -> f64 {
    let named = timings
        .iter()
        .filter(|timing| words.iter().all(|word| timing.name.contains(word)));
    named.map(Timing::min).fold(f64::INFINITY, f64::min)
}

/// Times one computation once.
pub(crate) fn timed(compute: impl FnOnce() -> Result<Vec<f64>>) -> Result<Run> {
    let start = std::time::Instant::now();
    let result = compute()?;
    Ok(Run {
        seconds: vec![start.elapsed().as_secs_f64()],
        result,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_differ_end_the_race() {
        let run = |value: f64| {
            move || {
                Ok(Run {
                    seconds: vec![1.0],
                    result: vec![value, f64::NAN],
                })
            }
        };
        assert!(
            race(
                vec![
                    Contender::new("a", run(0.5)),
                    Contender::new("b", run(0.5 + 1e-7))
                ],
                2
            )
            .is_ok()
        );
        assert!(
            race(
                vec![Contender::new("a", run(0.5)), Contender::new("b", run(0.6))],
                1
            )
            .is_err()
        );
    }

    #[test]
    fn a_timing_knows_its_least_and_its_middle() {
        let timing = Timing::new("a".to_owned(), vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!(
            (timing.min(), timing.median(), timing.runs()),
            (1.0, 2.0, 3)
        );
    }
}
