//! Any message comes back as it was, and whatever else comes is refused.

use super::*;
use dasklike_graph::lower::Budget;
use dasklike_graph::partial::Partial;
use dasklike_graph::plan::Plan;
use prost::Message;

#[test]
fn messages_to_workers_survive_the_wire() {
    let budget = Budget {
        task_bytes: 99,
        chunks: vec![("x".into(), 4)],
    };
    let assign = Assignment {
        id: AssignmentId(1),
        job: JobId(2),
        stage: StageId(3),
        range: 4..9,
    };
    let messages = [
        ToWorker::Welcome {
            worker: WorkerId(7),
        },
        ToWorker::Job {
            job: JobId(2),
            spec: Arc::new(JobSpec {
                plan: Plan::default(),
                budget,
            }),
        },
        ToWorker::Inline {
            job: JobId(2),
            inline: InlineId(1),
            bytes: vec![1, 2, 3].into(),
        },
        ToWorker::Assign(assign),
        ToWorker::Revoke {
            assignment: AssignmentId(1),
            from: 6,
        },
        ToWorker::Free { job: JobId(2) },
        ToWorker::Drain,
    ];
    for message in messages {
        let bytes = to_worker_to_proto(&message).encode_to_vec();
        assert_eq!(
            to_worker_from_proto(pb::ToWorker::decode(&*bytes).unwrap()),
            Ok(message)
        );
    }
}

#[test]
fn messages_to_the_scheduler_survive_the_wire() {
    let partial = Partial {
        first_group: 2,
        groups: 1,
        cells: 2,
        words: vec![1, u64::MAX],
    };
    let key = TreeKey {
        output_tile: 5,
        level: 3,
        index: 9,
    };
    let commit = Commit {
        job: JobId(1),
        stage: StageId(2),
        ranges: vec![(AssignmentId(3), 4..6), (AssignmentId(7), 0..1)],
        nodes: vec![Node {
            sink: SinkId { pass: 1, sink: 2 },
            key,
            partial,
        }],
        blocks: vec![Block {
            target: Target::Inline(InlineId(4)),
            region: vec![0..2, 3..4],
            bytes: vec![8, 9],
        }],
        stats: TaskStats {
            tiles: 3,
            wait_ns: 4,
            decoded_bytes: 5,
            ..TaskStats::default()
        },
        spans: vec![Span {
            slot: 1,
            tile: 4,
            tiles: 2,
            start: Instant(10),
            end: Instant(20),
        }],
        now: Instant(30),
    };
    let heartbeat = Heartbeat {
        busy: 1,
        queued: 2,
        running: vec![(AssignmentId(3), Tile(5))],
        reserved_bytes: 6,
        idle: IdleTimes {
            work_ns: 7,
            fetch_ns: 8,
            memory_ns: 9,
        },
        resident_bytes: 10,
        cpu_ns: 11,
    };
    let error = TaskError {
        kind: ErrorKind::Chunk,
        message: "chunk 1,2 of red is truncated".into(),
    };
    let messages = [
        ToScheduler::Commit(commit),
        ToScheduler::Revoked {
            assignment: AssignmentId(1),
            range: 6..6,
        },
        ToScheduler::Failed {
            job: JobId(1),
            task: Some((StageId(2), Tile(3))),
            error: error.clone(),
        },
        ToScheduler::Failed {
            job: JobId(1),
            task: None,
            error,
        },
        ToScheduler::Heartbeat(heartbeat),
        ToScheduler::Draining,
        ToScheduler::Drained,
    ];
    for message in messages {
        let bytes = to_scheduler_to_proto(&message).encode_to_vec();
        assert_eq!(
            to_scheduler_from_proto(pb::ToScheduler::decode(&*bytes).unwrap()),
            Ok(message)
        );
    }
}
