//! Finished tiles: folded until there is reason to report them.

use super::effect::{Effect, PushId, Slot};
use super::event::TileOutput;
use super::{Push, Running, Sealed, State, is_pushed};
use dasklike_graph::finish::finish;
use dasklike_graph::protocol::{
    AssignmentId, Block, Commit, ErrorKind, INLINE_BLOCK_LIMIT, Instant, JobId, Node, SinkId, Span,
    TaskError, TaskStats, ToScheduler,
};
use dasklike_graph::stage::{Sink, Stage, StageId, Tile};
use dasklike_graph::tree::{PartialTree, TreeKey};
use std::ops::Range;

/// What finished tiles of a stage left since the last report.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// When the first of its tiles finished.
    pub(super) since: Instant,
    ranges: Vec<(AssignmentId, Range<u64>)>,
    trees: Vec<(SinkId, PartialTree)>,
    roots: Vec<Node>,
    blocks: Vec<Block>,
    pushes: Vec<PushId>,
    /// Bytes of roots and blocks.
    bytes: u64,
    stats: TaskStats,
    spans: Vec<Span>,
}

impl Report {
    fn new(since: Instant) -> Report {
        Report {
            since,
            ranges: Vec::new(),
            trees: Vec::new(),
            roots: Vec::new(),
            blocks: Vec::new(),
            pushes: Vec::new(),
            bytes: 0,
            stats: TaskStats::default(),
            spans: Vec::new(),
        }
    }

    fn add_tile(&mut self, assignment: AssignmentId, tile: u64) {
        match self.ranges.last_mut() {
            Some((a, range)) if *a == assignment && range.end == tile => range.end += 1,
            _ => self.ranges.push((assignment, tile..tile + 1)),
        }
    }

    fn add_span(&mut self, slot: Slot, tile: u64, start: Instant, end: Instant) {
        /// A picture shows no more: spans of one slot that are so close or so short are one.
        const GAP_NS: u64 = 500_000;
        const JOINED_NS: u64 = 5_000_000;
        let last = self.spans.iter_mut().rev().find(|s| s.slot == slot.0);
        match last.filter(|s| start.since(s.end) < GAP_NS && end.since(s.start) < JOINED_NS) {
            Some(span) => {
                span.end = end;
                span.tiles += 1;
            }
            None => self.spans.push(Span {
                slot: slot.0,
                tile,
                tiles: 1,
                start,
                end,
            }),
        }
    }

    /// Adds a tile's partial. Gives blocks if it completes an output tile whose state is too large to send.
    fn add_partial(
        &mut self,
        stage: &Stage,
        leaves: u64,
        sink_id: SinkId,
        tile: Tile,
        partial: dasklike_graph::partial::Partial,
    ) -> Vec<Block> {
        let pass = &stage.passes[sink_id.pass as usize];
        let Sink::Reduce(sink) = &pass.sinks[sink_id.sink as usize] else {
            return Vec::new();
        };
        let at = self
            .trees
            .iter()
            .position(|(id, _)| *id == sink_id)
            .unwrap_or_else(|| {
                self.trees.push((sink_id, PartialTree::default()));
                self.trees.len() - 1
            });
        let place = stage.place(pass, sink, tile);
        let leaf = TreeKey::leaf(place.output_tile, place.leaf);
        let Some(root) = self.trees[at].1.insert(&sink.state, leaves, leaf, partial) else {
            return Vec::new();
        };
        if root.bytes() > INLINE_BLOCK_LIMIT {
            return finish(stage, pass, sink, place.output_tile, &root);
        }
        self.bytes += root.bytes();
        self.roots.push(Node {
            sink: sink_id,
            key: TreeKey::root(place.output_tile, leaves),
            partial: root,
        });
        Vec::new()
    }

    fn total_bytes(&self) -> u64 {
        self.bytes + self.trees.iter().map(|(_, t)| t.bytes()).sum::<u64>()
    }

    fn into_commit(mut self, job: JobId, stage: StageId, now: Instant) -> (Commit, Vec<PushId>) {
        // Slots finish out of order; in order, most ranges join.
        self.ranges.sort_unstable_by_key(|(a, r)| (*a, r.start));
        self.ranges.dedup_by(|(a, next), (b, range)| {
            let joins = a == b && range.end == next.start;
            if joins {
                range.end = next.end;
            }
            joins
        });
        let mut nodes = self.roots;
        for (sink, tree) in &mut self.trees {
            nodes.extend(tree.drain().map(|(key, partial)| Node {
                sink: *sink,
                key,
                partial,
            }));
        }
        let (ranges, blocks, stats, spans) = (self.ranges, self.blocks, self.stats, self.spans);
        (
            Commit {
                job,
                stage,
                ranges,
                nodes,
                blocks,
                stats,
                spans,
                now,
            },
            self.pushes,
        )
    }
}

impl State {
    pub(super) fn finished(
        &mut self,
        slot: Slot,
        result: Result<TileOutput, TaskError>,
        out: &mut Vec<Effect>,
    ) {
        let Some(running) = self.slots.get_mut(slot.0 as usize).and_then(Option::take) else {
            return;
        };
        self.idle.push((slot, self.now));
        self.reserved -= running.reserved;
        if running.stale {
            return;
        }
        let task = running.task;
        match result {
            Ok(output) => {
                if let Err(message) = self.add_output(slot, &running, output, out) {
                    self.fail(
                        task.job,
                        Some(task),
                        TaskError {
                            kind: ErrorKind::Internal,
                            message,
                        },
                        out,
                    );
                }
            }
            Err(error) => self.fail(task.job, Some(task), error, out),
        }
    }

    fn add_output(
        &mut self,
        slot: Slot,
        running: &Running,
        output: TileOutput,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let task = running.task;
        let Some(job) = self.jobs.get(&task.job) else {
            return Ok(());
        };
        let stage = &job.stages.lowered.stages[task.stage.0 as usize];
        let sinks = &job.sinks[task.stage.0 as usize];
        let now = self.now;
        let report = self
            .reports
            .entry((task.job, task.stage))
            .or_insert_with(|| Report::new(now));
        let mut blocks = output.blocks;
        // A reduction with a single leaf is finished inside its task and comes as blocks.
        let missing = |id: &SinkId| !output.partials.iter().any(|(p, _)| p == id);
        if let Some((id, _)) = sinks.iter().find(|(id, leaves)| *leaves > 1 && missing(id)) {
            return Err(format!("a task left no partial for {id:?}"));
        }
        for (id, partial) in output.partials {
            let Some((_, leaves)) = sinks.iter().find(|(s, _)| *s == id) else {
                return Err(format!(
                    "a task left a partial for {id:?}, which is not in the plan"
                ));
            };
            blocks.extend(report.add_partial(stage, *leaves, id, task.tile, partial));
        }
        report.add_tile(running.assignment, task.tile.0);
        report.stats.add(&TaskStats {
            tiles: 1,
            busy_ns: now.since(running.since),
            wait_ns: running.wait_ns,
            ..output.stats
        });
        report.add_span(slot, task.tile.0, running.since, now);
        for block in blocks {
            let bytes = block.bytes.len() as u64;
            if !is_pushed(&block) {
                report.bytes += bytes;
                report.blocks.push(block);
                continue;
            }
            let push = PushId(self.next_push);
            self.next_push += 1;
            self.reserved += bytes;
            self.pushes.insert(
                push,
                Push {
                    job: task.job,
                    bytes,
                },
            );
            report.pushes.push(push);
            out.push(Effect::Push {
                push,
                job: task.job,
                block,
            });
        }
        Ok(())
    }

    /// Reports what should not wait longer: the scheduler must hear before the queue runs dry, so tiles are
    /// reported when as many have finished as are still queued; otherwise after a while, or when they are many
    /// bytes.
    pub(super) fn report_due(&mut self, out: &mut Vec<Effect>) {
        if self.reports.is_empty() {
            return;
        }
        let finished: u64 = self.reports.values().map(|r| r.stats.tiles).sum();
        let dry = finished >= self.queued;
        let (now, config) = (self.now, &self.config);
        let due = |r: &Report| {
            dry || r.since.after(config.report_ns) <= now || r.total_bytes() >= config.report_bytes
        };
        let keys: Vec<_> = self
            .reports
            .iter()
            .filter(|(_, r)| due(r))
            .map(|(k, _)| *k)
            .collect();
        for key in keys {
            let Some(report) = self.reports.remove(&key) else {
                continue;
            };
            let (commit, mut pushes) = report.into_commit(key.0, key.1, now);
            pushes.retain(|p| self.pushes.contains_key(p));
            if pushes.is_empty() {
                out.push(Effect::Send(ToScheduler::Commit(commit)));
            } else {
                self.sealed.push(Sealed { commit, pushes });
            }
        }
    }

    pub(super) fn pushed(&mut self, push: PushId, out: &mut Vec<Effect>) {
        let Some(Push { bytes, .. }) = self.pushes.remove(&push) else {
            return;
        };
        self.reserved -= bytes;
        for sealed in &mut self.sealed {
            sealed.pushes.retain(|p| *p != push);
        }
        let ready = self.sealed.extract_if(.., |s| s.pushes.is_empty());
        out.extend(ready.map(|s| Effect::Send(ToScheduler::Commit(s.commit))));
    }
}
