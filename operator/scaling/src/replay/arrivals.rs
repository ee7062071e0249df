//! What work came when.

use super::samples::Sample;
use crate::simulate::{Micros, to_seconds};

/// Tasks that came at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arrival {
    pub(super) at: Micros,
    pub(super) tasks: usize,
    pub(super) task_seconds: f64,
}

/// More than a simulation needs, should a log say something absurd.
const MOST_TASKS: f64 = 1e6;

/// All that came.
pub(super) fn of(samples: &[Sample]) -> Vec<Arrival> {
    busy_times(samples)
        .into_iter()
        .flat_map(in_busy_time)
        .collect()
}

/// The samples from the first with work to the first without, again and again.
fn busy_times(samples: &[Sample]) -> Vec<&[Sample]> {
    let mut times = Vec::new();
    let mut rest = samples;
    while let Some(begin) = rest.iter().position(|sample| sample.tasks > 0) {
        let busy = &rest[begin..];
        let idle = busy.iter().position(|sample| sample.tasks == 0);
        let end = idle.map_or(busy.len(), |idle| idle + 1);
        times.push(&busy[..end]);
        rest = &busy[end..];
    }
    times
}

fn in_busy_time(samples: &[Sample]) -> Vec<Arrival> {
    let mean = learned_mean(samples);
    let came = came(samples, mean);
    let tasks: f64 = came.iter().map(|(_, tasks)| *tasks as f64).sum();
    let work = work(samples, mean);
    // What is too short for the log to show takes what it was thought to.
    let task_seconds = match work > 0.0 {
        true => work / tasks.max(1.0),
        false => mean,
    };
    let arrival = |(at, tasks)| Arrival {
        at,
        tasks,
        task_seconds,
    };
    came.into_iter().map(arrival).collect()
}

/// What a task takes, as it was known when the most was known.
fn learned_mean(samples: &[Sample]) -> f64 {
    let last = samples.iter().rfind(|sample| sample.tasks > 0);
    last.map_or(0.0, |sample| sample.mean_seconds)
}

/// How many tasks have come by each moment: as many as came before and those that the number grew by, but no fewer
/// than are there and are done. Of what was computed, a part is of tasks that still run.
fn came(samples: &[Sample], mean: f64) -> Vec<(Micros, usize)> {
    let mut came = Vec::new();
    let mut all: f64 = 0.0;
    let mut told: f64 = 0.0;
    let mut computed = 0.0;
    let mut before: Option<&Sample> = None;
    for sample in samples {
        if let Some(before) = before {
            computed += before.runs * to_seconds(sample.at - before.at);
        }
        let had = before.map_or(0, |before| before.tasks);
        let grew = sample.tasks.saturating_sub(had) as f64;
        let done = computed / mean.max(1e-6) - sample.runs;
        all = (all + grew).max(sample.tasks as f64 + done);
        let new = (all - told).floor().min(MOST_TASKS);
        if new >= 1.0 {
            came.push((sample.at, new as usize));
            told += new;
        }
        before = Some(sample);
    }
    came
}

/// What slots have computed, and what was left in the end.
fn work(samples: &[Sample], mean: f64) -> f64 {
    let computed = |pair: &[Sample]| pair[0].runs * to_seconds(pair[1].at - pair[0].at);
    let left = samples.last().map_or(0.0, |last| last.tasks as f64 * mean);
    samples.windows(2).map(computed).sum::<f64>() + left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: u64, tasks: u64, mean_seconds: f64, runs: f64) -> Sample {
        Sample {
            at: second * 1_000_000,
            tasks,
            mean_seconds,
            runs,
            pods: 1,
        }
    }

    fn arrivals(samples: &[Sample]) -> Vec<(u64, usize, f64)> {
        let seconds = |arrival: &Arrival| arrival.at / 1_000_000;
        of(samples)
            .iter()
            .map(|arrival| (seconds(arrival), arrival.tasks, arrival.task_seconds))
            .collect()
    }

    #[test]
    fn one_batch_is_one_arrival_though_the_estimate_was_wrong_first() {
        let samples = [
            sample(0, 0, 0.0, 0.0),
            sample(5, 10, 0.5, 0.0),
            sample(8, 10, 0.5, 2.0),
            sample(18, 8, 10.0, 2.0),
            sample(28, 6, 10.0, 2.0),
            sample(38, 4, 10.0, 2.0),
            sample(48, 2, 10.0, 2.0),
            sample(58, 0, 0.0, 0.0),
        ];
        assert_eq!(arrivals(&samples), [(5, 10, 10.0)]);
    }

    #[test]
    fn what_comes_as_fast_as_it_is_done_is_seen() {
        let mut samples: Vec<Sample> = (0..20).map(|second| sample(second, 4, 1.0, 4.0)).collect();
        samples.push(sample(20, 0, 0.0, 0.0));
        let came = arrivals(&samples);
        let steady: Vec<usize> = came.iter().map(|(_, tasks, _)| *tasks).collect();
        assert_eq!(steady, [4; 20]);
        let work: f64 = came.iter().map(|(_, n, seconds)| *n as f64 * seconds).sum();
        assert_eq!(work, 80.0);
    }

    #[test]
    fn what_is_left_at_the_end_came_too_and_busy_times_are_apart() {
        let samples = [
            sample(0, 1, 2.0, 1.0),
            sample(2, 0, 0.0, 0.0),
            sample(100, 3, 4.0, 0.0),
        ];
        assert_eq!(arrivals(&samples), [(0, 1, 2.0), (100, 3, 4.0)]);
        assert_eq!(arrivals(&[]), []);
    }
}
