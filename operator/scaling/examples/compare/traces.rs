//! The work that the scalers are compared on, with at most twenty pods of two slots. Where nothing else is said, they
//! start within two to four seconds.

use dasklike_scaling::simulate::{Capacity, Job, Kind, Random, Stage, Trace, World};
use jiff::SignedDuration;

/// Each trace is drawn from each of these.
pub(crate) const SEEDS: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// The most workers.
pub(crate) const MAX: u32 = 20;

/// The others are so bad at this one that it alone would decide the total. So it is left out of it.
pub(crate) const NOT_IN_TOTAL: &str = "pods that start slowly";

/// After the last job so many seconds are looked at: pods that nobody needs cost as well.
const AFTER: f64 = 600.0;

/// A kind of work in a kind of world.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    draw: fn(&mut Random) -> Vec<Job>,
    change: fn(&mut World),
}

/// All of them.
pub(crate) const CASES: [Case; 10] = [
    Case::new("ramp", ramp),
    Case::new("square wave", square_wave),
    Case::new("single long job", long_job),
    Case::new("thousands of short jobs", short_jobs),
    Case::new("heavy tail", heavy_tail),
    Case::new("midnight cron", midnight_cron),
    Case::new("pods that never start", steady).in_a(|world| world.never_start_percent = 20.0),
    Case::new("nodes for eight pods only", steady).in_a(|world| {
        world.capacity = vec![Capacity {
            from_seconds: 0.0,
            pods: 8,
        }];
    }),
    Case::new(NOT_IN_TOTAL, square_wave).in_a(|world| world.start_seconds = (30.0, 50.0)),
    Case::new("workers that die", slow_tasks).in_a(|world| world.life_seconds = Some(90.0)),
];

impl Case {
    const fn new(name: &'static str, draw: fn(&mut Random) -> Vec<Job>) -> Case {
        Case {
            name,
            draw,
            change: |_| {},
        }
    }

    const fn in_a(self, change: fn(&mut World)) -> Case {
        Case { change, ..self }
    }

    /// The world and the work of a seed.
    pub(crate) fn of(&self, seed: u64) -> (World, Trace) {
        let mut world = World::new(seed, MAX);
        (self.change)(&mut world);
        let (jobs, last) = {
            let jobs = (self.draw)(&mut Random::new(seed));
            let last = jobs.iter().map(Job::at_seconds).fold(0.0, f64::max);
            (jobs, last)
        };
        let length = SignedDuration::from_millis(((last + AFTER) * 1e3) as i64);
        (world, Trace::new(jobs, length))
    }
}

/// One stage of so many tasks, each of about so many seconds.
fn job(random: &mut Random, at: f64, tasks: usize, seconds: f64) -> Job {
    let mut task = || random.between(0.5 * seconds, 1.5 * seconds);
    let tasks: Vec<f64> = (0..tasks).map(|_| task()).collect();
    Job::new(at, [Stage::new(Kind(0), tasks)])
}

/// Jobs that come at random, at a rate that may change.
fn arrivals(
    random: &mut Random,
    length: f64,
    most: f64,
    rate: impl Fn(f64) -> f64,
    job: impl Fn(&mut Random, f64) -> Job,
) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut at = random.exponential(1.0 / most);
    while at < length {
        if random.chance(rate(at) / most) {
            jobs.push(job(random, at));
        }
        at += random.exponential(1.0 / most);
    }
    jobs
}

/// For ten minutes more and more work, up to fourteen workers' worth, then less and less.
fn ramp(random: &mut Random) -> Vec<Job> {
    let rate = |at: f64| 3.5 * (1.0 - (at - 600.0).abs() / 600.0);
    arrivals(random, 1200.0, 3.5, rate, |random, at| {
        job(random, at, 8, 1.0)
    })
}

/// A minute of work for ten workers, a minute and a half of none, eight times.
fn square_wave(random: &mut Random) -> Vec<Job> {
    let rate = |at: f64| f64::from(u8::from(at % 150.0 < 60.0));
    arrivals(random, 1200.0, 1.0, rate, |random, at| {
        job(random, at, 20, 1.0)
    })
}

/// Two thousand tasks of three seconds, then a few that need them all.
fn long_job(random: &mut Random) -> Vec<Job> {
    let at = random.between(0.0, 60.0);
    let tasks: Vec<f64> = (0..2000).map(|_| random.between(2.0, 4.0)).collect();
    let last: Vec<f64> = (0..8).map(|_| random.between(4.0, 8.0)).collect();
    vec![Job::new(
        at,
        [Stage::new(Kind(0), tasks), Stage::new(Kind(1), last)],
    )]
}

/// Two a second, of a few tasks of a fraction of a second.
fn short_jobs(random: &mut Random) -> Vec<Job> {
    arrivals(
        random,
        1500.0,
        2.0,
        |_| 2.0,
        |random, at| {
            let tasks = 1 + (random.number() % 4) as usize;
            job(random, at, tasks, 0.25)
        },
    )
}

/// Mostly small jobs of short tasks, now and then a large one or one of long tasks.
fn heavy_tail(random: &mut Random) -> Vec<Job> {
    arrivals(
        random,
        1800.0,
        0.05,
        |_| 0.05,
        |random, at| {
            let tasks = random.pareto(4.0, 1.1).min(400.0) as usize;
            let seconds = (0..tasks).map(|_| random.pareto(0.5, 1.3).min(120.0));
            let seconds: Vec<f64> = seconds.collect();
            Job::new(at, [Stage::new(Kind(0), seconds)])
        },
    )
}

/// Ten jobs within five seconds, and an hour later again.
fn midnight_cron(random: &mut Random) -> Vec<Job> {
    (0..20)
        .map(|i| {
            let at = 60.0 + f64::from(i / 10) * 3600.0 + random.between(0.0, 5.0);
            job(random, at, 60, 3.0)
        })
        .collect()
}

/// Work for about six workers.
fn steady(random: &mut Random) -> Vec<Job> {
    arrivals(
        random,
        900.0,
        0.3,
        |_| 0.3,
        |random, at| job(random, at, 20, 2.0),
    )
}

/// Work for about five workers, in tasks that it hurts to lose.
fn slow_tasks(random: &mut Random) -> Vec<Job> {
    arrivals(
        random,
        900.0,
        0.05,
        |_| 0.05,
        |random, at| job(random, at, 20, 10.0),
    )
}
