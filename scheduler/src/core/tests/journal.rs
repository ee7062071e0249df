//! What is kept of named jobs gives them back.

use super::*;
use crate::core::journal::Record;

fn kept(effects: &[Effect]) -> Vec<(JobId, Record)> {
    let records = effects.iter().filter_map(|e| match e {
        Effect::Journal { job, record } => Some((*job, record.clone())),
        _ => None,
    });
    records.collect()
}

fn dropped(effects: &[Effect]) -> usize {
    let drops = effects
        .iter()
        .filter(|e| matches!(e, Effect::DropJournal { .. }));
    drops.count()
}

fn with_journal() -> Bench {
    let mut b = Bench::new();
    let config = Config {
        journal: true,
        ..Config::default()
    };
    b.state = State::new(config, EPOCH);
    b
}

fn tiles_of(effects: &[Effect], worker: u64) -> u64 {
    let ranges = assignments(effects, worker).into_iter().map(|a| a.range);
    ranges.map(|r| r.end - r.start).sum()
}

#[test]
fn any_beginning_of_what_was_kept_gives_the_job_back() {
    let mut b = with_journal();
    b.connect(1);
    let submitted = b.submit(1, Some("n"), 40);
    let all = b.work(1, submitted);
    assert_eq!(ended(&all, 1), Some(JobEnd::Finished));
    let records = kept(&all);
    assert!(records.len() > 3, "{records:?}");

    for n in 1..=records.len() {
        let mut b = with_journal();
        let mut done = 0;
        for (job, record) in records[..n].iter().cloned() {
            if let Record::Done(commit) = &record {
                let ranges = commit.ranges.iter();
                done += ranges.map(|(_, r)| r.end - r.start).sum::<u64>();
            }
            let effects = b.tell(Event::Restore { job, record });
            assert!(kept(&effects).is_empty(), "it is kept already");
        }
        let view = b.state.jobs().next().unwrap();
        let stage = &view.stages[0];
        assert_eq!((stage.done, stage.stats.tiles), (done, done));
        // Which is no work of this scheduler.
        assert_eq!(stage.restored, stage.stats);
        assert!(b.state.totals().done.is_empty());
        let connected = b.connect(1);
        let mut effects = b.work(1, connected);
        assert_eq!(tiles_of(&effects, 1), 40 - done, "after {n} records");
        // Who asks for the same again joins it.
        effects.extend(b.submit(2, Some("n"), 40));
        assert_eq!(delivered(&effects, 2), count(40), "after {n} records");
        assert_eq!(dropped(&effects), 1);
        // Another job gets another number.
        assert!(b.state.jobs().all(|j| j.id == records[0].0));
        b.submit(3, None, 1);
        assert_eq!(b.state.jobs().count(), 2);
    }
}

#[test]
fn only_named_jobs_are_kept_and_only_with_a_journal() {
    let mut b = with_journal();
    b.connect(1);
    let anonymous = b.submit(1, None, 3);
    let mut effects = b.work(1, anonymous);
    b.state = State::new(Config::default(), EPOCH);
    b.connect(1);
    let named = b.submit(1, Some("n"), 3);
    effects.extend(b.work(1, named));
    assert!(kept(&effects).is_empty() && dropped(&effects) == 0);
}

#[test]
fn what_nobody_needs_is_dropped_once() {
    let ends: [fn(&mut Bench) -> Vec<Effect>; 2] = [
        |b| b.tell(Event::Cancel { job: JobId(1) }),
        |b| {
            let connected = b.connect(1);
            b.work(1, connected)
        },
    ];
    for end in ends {
        let mut b = with_journal();
        assert_eq!(kept(&b.submit(1, Some("n"), 3)).len(), 1);
        assert_eq!(dropped(&end(&mut b)), 1);
        b.now += 2 * Config::default().kept_ns;
        assert_eq!(dropped(&b.tell(Event::Tick)), 0);
    }
}

#[test]
fn results_that_wait_are_kept_until_they_are_too_old() {
    let mut b = with_journal();
    b.submit(1, Some("n"), 3);
    b.tell(Event::ClientGone {
        client: ClientId(1),
    });
    let connected = b.connect(1);
    let effects = b.work(1, connected);
    assert_eq!(dropped(&effects), 0);
    b.now += 2 * Config::default().kept_ns;
    assert_eq!(dropped(&b.tell(Event::Tick)), 1);
}

#[test]
fn records_that_do_not_fit_fail_their_job() {
    let mut b = with_journal();
    b.connect(1);
    let submitted = b.submit(1, Some("n"), 4);
    let records = kept(&b.work(1, submitted));
    let mut b = with_journal();
    for (job, record) in records[..2].iter().chain(&records[1..2]).cloned() {
        b.tell(Event::Restore { job, record });
    }
    let states: Vec<JobState> = b.state.jobs().map(|j| j.state.clone()).collect();
    assert!(
        matches!(&states[..], [JobState::Failed(e)] if e.message.contains("are done")),
        "{states:?}"
    );
}
