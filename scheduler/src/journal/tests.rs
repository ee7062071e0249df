//! Folders as an earlier scheduler may have left them.

use super::*;
use crate::core::event::Order;
use dasklike_graph::lower::{Budget, lower};
use dasklike_graph::plan::{OutputId, Plan};
use dasklike_graph::protocol::{AssignmentId, Block, Commit, Instant, JobSpec, TaskStats};
use dasklike_graph::stage::{StageId, Target};
use std::path::Path;

const JOB: JobId = JobId(3);

fn order() -> Order {
    let budget = Budget {
        task_bytes: 1 << 20,
        chunks: Vec::new(),
    };
    let plan = Plan::default();
    Order {
        name: Some("season".into()),
        pool: "gpu".parse().unwrap(),
        lowered: Arc::new(lower(&plan, &budget).unwrap()),
        spec: Arc::new(JobSpec { plan, budget }),
        max_range: Some(5),
    }
}

fn records() -> Vec<Record> {
    let block = |byte: u8| Block {
        target: Target::Output(OutputId(1)),
        region: vec![0..2, 3..4],
        bytes: vec![byte; 16],
    };
    let done = |tile: u64| {
        Record::Done(Commit {
            job: JOB,
            stage: StageId(0),
            ranges: vec![(AssignmentId(0), tile..tile + 2)],
            nodes: Vec::new(),
            blocks: vec![block(tile as u8)],
            stats: TaskStats::default(),
            spans: Vec::new(),
            now: Instant(tile),
        })
    };
    vec![
        Record::Begun(order()),
        done(4),
        Record::Pushed(block(9)),
        done(0),
    ]
}

fn write(folder: &Path, records: &[Record]) {
    let mut journal = open(folder).unwrap().journal;
    for record in records {
        journal.keep(JOB, record.clone());
    }
}

fn read(folder: &Path) -> Vec<Record> {
    let opened = open(folder).unwrap();
    let jobs = opened.jobs.into_iter();
    jobs.flat_map(|kept| {
        assert_eq!(kept.job, JOB);
        kept
    })
    .collect()
}

fn file(folder: &Path) -> PathBuf {
    open::path_of(folder, JOB)
}

#[test]
fn what_was_written_is_read_and_more_can_follow() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("not/there/yet");
    let all = records();
    write(&folder, &all[..3]);
    assert_eq!(read(&folder), all[..3]);
    write(&folder, &all[3..]);
    assert_eq!(read(&folder), all);
    open(&folder).unwrap().journal.drop_job(JOB);
    assert!(!file(&folder).exists());
    assert_eq!(read(&folder), []);
}

#[test]
fn of_a_damaged_file_what_comes_before_is_read_and_more_can_follow() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = records();
    write(folder, &all);
    let whole = std::fs::read(file(folder)).unwrap();
    for at in 0..whole.len() {
        for cut in [true, false] {
            let mut bytes = whole.clone();
            match cut {
                true => bytes.truncate(at),
                false => bytes[at] ^= 0x20,
            }
            std::fs::write(file(folder), &bytes).unwrap();
            let found = read(folder);
            assert!(found.len() < all.len(), "byte {at}");
            assert_eq!(found, all[..found.len()], "byte {at}");
            if found.is_empty() {
                assert!(!file(folder).exists(), "byte {at}");
                continue;
            }
            write(folder, &all[found.len()..]);
            assert_eq!(read(folder), all, "byte {at}");
        }
    }
}

#[test]
fn a_record_that_makes_no_sense_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = records();
    write(folder, &all[..2]);
    let mut writer = file::Writer::append(&file(folder)).unwrap();
    writer.write(b"no message").unwrap();
    writer.sync().unwrap();
    assert_eq!(read(folder), all[..2]);
    write(folder, &all[2..]);
    assert_eq!(read(folder), all);
}

#[test]
fn a_job_whose_tasks_have_other_numbers_now_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut all = records();
    let mut other = order();
    let mut lowered = (*other.lowered).clone();
    lowered.notes.push("as an older version did".into());
    other.lowered = Arc::new(lowered);
    all[0] = Record::Begun(other);
    write(folder, &all);
    assert_eq!(read(folder), [Record::Begun(order())]);
    let more = records().split_off(1);
    write(folder, &more);
    assert_eq!(read(folder), records());
}

#[test]
fn two_schedulers_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    assert!(matches!(
        open(folder.path()),
        Err(JournalError::InUse(at)) if at == folder.path()
    ));
    drop(first);
    assert!(open(folder.path()).is_ok());
    let no_folder = folder.path().join("lock");
    let error = open(&no_folder).err().unwrap().to_string();
    assert!(error.contains("may write"), "{error}");
}

#[test]
fn jobs_with_which_schedulers_die_one_after_another_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let jobs_after = |deaths: &[bool]| {
        write(folder, &records());
        for got_something_done in deaths {
            let mut journal = open(folder).unwrap().journal;
            let kept = folder.join("starts");
            let starts = std::fs::read(&kept).unwrap();
            if *got_something_done {
                journal.keep(JOB, records()[1].clone());
            }
            drop(journal);
            // One that dies leaves the count; that of one that did something is gone before.
            if !got_something_done {
                std::fs::write(&kept, starts).unwrap();
            }
        }
        let opened = open(folder).unwrap();
        opened.jobs.len()
    };
    assert_eq!(jobs_after(&[false, false]), 1);
    assert_eq!(jobs_after(&[false, false, true, false, false]), 1);
    assert_eq!(jobs_after(&[false, false, false]), 0);
    // The next begin with nothing, and are counted anew.
    assert_eq!(jobs_after(&[false, false]), 1);
}

#[test]
fn a_job_that_cannot_be_written_is_given_up_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut journal = open(folder).unwrap().journal;
    // Nothing can be created in its place.
    std::fs::create_dir(file(folder)).unwrap();
    for record in records() {
        journal.keep(JOB, record);
    }
    drop(journal);
    std::fs::remove_dir(file(folder)).unwrap();
    assert_eq!(read(folder), []);

    let mut journal = open(folder).unwrap().journal;
    let huge = Block {
        bytes: vec![0; WAITING_LIMIT as usize],
        ..match &records()[2] {
            Record::Pushed(block) => block.clone(),
            other => panic!("{other:?}"),
        }
    };
    journal.keep(JOB, records()[0].clone());
    journal.keep(JOB, Record::Pushed(huge));
    journal.keep(JOB, records()[1].clone());
    drop(journal);
    assert_eq!(read(folder), []);
}
