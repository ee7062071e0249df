//! The election's steps: what is read, what is written, and when work must have stopped.

use super::election::*;
use core::time::Duration;

const LEASE: u64 = 15;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn candidate() -> Election {
    Election::new("me".into(), Timing::default())
}

fn record(version: &str, holder: Option<&str>) -> Record {
    Record {
        version: version.into(),
        holder: holder.map(Into::into),
        lease: s(LEASE),
        transitions: 3,
    }
}

fn written(effects: &[Effect]) -> Option<&Draft> {
    effects.iter().find_map(|e| match e {
        Effect::Write(draft) => Some(draft),
        _ => None,
    })
}

fn leader_since(now: Duration) -> Election {
    let mut election = candidate();
    election.handle(now, Event::Woke);
    election.handle(now, Event::Read(None));
    let effects = election.handle(now, Event::Written(record("1", Some("me"))));
    assert_eq!(effects, [Effect::Lead, Effect::WakeAt(now + s(2))]);
    election
}

#[test]
fn without_a_lease_it_leads_after_one_read_and_one_write() {
    let mut election = candidate();
    assert_eq!(election.handle(s(0), Event::Woke)[0], Effect::Read);
    let effects = election.handle(s(0), Event::Read(None));
    let draft = written(&effects).unwrap();
    assert_eq!((draft.replaces.as_deref(), draft.transitions), (None, 0));
    assert_eq!(draft.holder.as_deref(), Some("me"));
    let effects = election.handle(s(0), Event::Written(record("1", Some("me"))));
    assert_eq!(effects[0], Effect::Lead);
    assert!(election.leads());
}

#[test]
fn a_released_lease_and_a_former_life_s_are_taken_at_once() {
    for (holder, transitions) in [(None, 4), (Some("me"), 3)] {
        let mut election = candidate();
        election.handle(s(0), Event::Woke);
        let effects = election.handle(s(0), Event::Read(Some(record("7", holder))));
        let draft = written(&effects).unwrap();
        assert_eq!(draft.replaces.as_deref(), Some("7"));
        assert_eq!(draft.transitions, transitions);
        assert!(draft.acquires);
    }
}

#[test]
fn another_s_lease_is_taken_only_when_seen_unchanged_for_its_duration() {
    let mut election = candidate();
    election.handle(s(100), Event::Woke);
    let read = |election: &mut Election, now, version| {
        election.handle(s(now), Event::Read(Some(record(version, Some("other")))))
    };
    assert_eq!(read(&mut election, 100, "7"), [Effect::WakeAt(s(102))]);
    // A renewal starts the wait anew.
    assert_eq!(read(&mut election, 114, "8"), [Effect::WakeAt(s(116))]);
    // The last wait ends exactly when the Lease does.
    assert_eq!(read(&mut election, 128, "8"), [Effect::WakeAt(s(129))]);
    let effects = read(&mut election, 129, "8");
    assert_eq!(written(&effects).unwrap().transitions, 4);
}

#[test]
fn who_is_overtaken_looks_again_and_waits() {
    let mut election = candidate();
    election.handle(s(0), Event::Woke);
    election.handle(s(0), Event::Read(None));
    assert_eq!(election.handle(s(0), Event::Overtaken)[0], Effect::Read);
    let effects = election.handle(s(0), Event::Read(Some(record("1", Some("other")))));
    assert_eq!(effects, [Effect::WakeAt(s(2))]);
    assert!(!election.leads());
}

#[test]
fn a_leader_renews_without_reading() {
    let mut election = leader_since(s(0));
    let effects = election.handle(s(2), Event::Woke);
    let draft = written(&effects).unwrap();
    assert_eq!(draft.replaces.as_deref(), Some("1"));
    assert!(!draft.acquires);
    let effects = election.handle(s(2), Event::Written(record("2", Some("me"))));
    assert_eq!(effects, [Effect::WakeAt(s(4))]);
}

#[test]
fn a_renewal_whose_answer_was_lost_is_found_by_reading() {
    let mut election = leader_since(s(0));
    election.handle(s(2), Event::Woke);
    assert_eq!(election.handle(s(3), Event::Failed), [Effect::WakeAt(s(5))]);
    election.handle(s(5), Event::Woke);
    assert_eq!(election.handle(s(5), Event::Overtaken)[0], Effect::Read);
    let effects = election.handle(s(5), Event::Read(Some(record("2", Some("me")))));
    let draft = written(&effects).unwrap();
    assert_eq!(draft.replaces.as_deref(), Some("2"));
    assert_eq!((draft.transitions, draft.acquires), (3, false));
}

#[test]
fn a_leader_that_cannot_renew_stops_before_another_may_start() {
    let mut election = leader_since(s(0));
    for now in [2, 4, 6, 8] {
        election.handle(s(now), Event::Woke);
        election.handle(s(now), Event::Failed);
    }
    // The last wait is cut short by the deadline.
    election.handle(s(9), Event::Woke);
    assert_eq!(
        election.handle(s(9), Event::Failed),
        [Effect::WakeAt(s(10))]
    );
    let effects = election.handle(s(10), Event::Woke);
    assert_eq!(
        effects,
        [Effect::StopLeading(Why::NotRenewed), Effect::Finished]
    );
    assert!(s(10) < s(LEASE));
}

#[test]
fn the_deadline_counts_from_the_sending_of_the_last_renewal() {
    let mut election = leader_since(s(0));
    election.handle(s(2), Event::Woke);
    // The answer took five seconds, but the Lease may count from any moment after the sending.
    election.handle(s(7), Event::Written(record("2", Some("me"))));
    election.handle(s(9), Event::Woke);
    assert_eq!(
        election.handle(s(11), Event::Failed),
        [Effect::WakeAt(s(12))]
    );
    assert_eq!(
        election.handle(s(12), Event::Woke)[0],
        Effect::StopLeading(Why::NotRenewed)
    );
}

#[test]
fn a_request_that_hangs_leaves_time_for_another() {
    let mut election = leader_since(s(0));
    let effects = election.handle(s(2), Event::Woke);
    assert_eq!(effects[1], Effect::WakeAt(s(7)));
    let effects = election.handle(s(7), Event::Woke);
    assert!(written(&effects).is_some());
    assert_eq!(effects[1], Effect::WakeAt(s(10)));
}

#[test]
fn a_leader_that_sees_another_holder_stops_at_once() {
    let mut election = leader_since(s(0));
    election.handle(s(2), Event::Woke);
    election.handle(s(2), Event::Overtaken);
    let effects = election.handle(s(2), Event::Read(Some(record("9", Some("other")))));
    let why = Why::Lost {
        holder: Some("other".into()),
    };
    assert_eq!(why.to_string(), "other holds the lease");
    assert_eq!(effects, [Effect::StopLeading(why), Effect::Finished]);
    assert!(election.handle(s(3), Event::Woke).is_empty());
}

#[test]
fn a_leader_whose_lease_was_deleted_stops() {
    let mut election = leader_since(s(0));
    election.handle(s(2), Event::Woke);
    election.handle(s(2), Event::Overtaken);
    let effects = election.handle(s(2), Event::Read(None));
    assert_eq!(effects[0], Effect::StopLeading(Why::Lost { holder: None }));
}

#[test]
fn a_stop_releases_after_the_work_has_stopped_and_waits_for_the_answer_but_not_for_ever() {
    for last in [
        Event::Written(record("2", None)),
        Event::Failed,
        Event::Overtaken,
        Event::Woke,
    ] {
        let mut election = leader_since(s(0));
        let effects = election.handle(s(1), Event::Stop);
        assert_eq!(effects[0], Effect::StopLeading(Why::Asked));
        let Effect::Write(draft) = &effects[1] else {
            panic!("{effects:?}")
        };
        assert_eq!((draft.holder.as_deref(), draft.transitions), (None, 3));
        assert_eq!(effects[2], Effect::WakeAt(s(3)));
        assert!(!election.leads());
        assert_eq!(election.handle(s(3), last), [Effect::Finished]);
        assert!(election.handle(s(3), Event::Woke).is_empty());
    }
}

#[test]
fn a_follower_stops_without_a_word() {
    let mut election = candidate();
    election.handle(s(0), Event::Woke);
    election.handle(s(0), Event::Read(Some(record("1", Some("other")))));
    assert_eq!(election.handle(s(1), Event::Stop), [Effect::Finished]);
}
