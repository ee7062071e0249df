//! What is true between any two events. Tests check it after each; it costs time in the number of ranges.

use super::State;
use super::ids::{AssignmentId, JobId};
use super::job::Job;
use super::stage::{Phase, StageRun};
use dasklike_graph::stage::StageId;
use std::collections::BTreeMap;
use std::ops::Range;

type Held = BTreeMap<(JobId, StageId), Vec<Range<u64>>>;

impl State {
    /// Says which rule is broken, if one is.
    pub fn check_invariants(&self) -> Result<(), String> {
        let mut held = Held::new();
        for (id, w) in &self.workers {
            let (mut tiles, mut alone) = (0, 0);
            for a in w.assignments.values() {
                let live = self.jobs.get(&a.job).is_some_and(|j| j.state.is_live());
                ensure(live, || {
                    format!("{id} has an assignment of {}, which has ended", a.job)
                })?;
                ensure(w.knows.contains_key(&a.job), || {
                    format!("{id} was never told of {}", a.job)
                })?;
                let parts: Vec<Range<u64>> = a.remaining().collect();
                let left: u64 = parts.iter().map(|r| r.end - r.start).sum();
                ensure(left == a.left && left > 0, || {
                    format!("{id} has {left} tiles where {} are counted", a.left)
                })?;
                tiles += left;
                alone += 1;
                held.entry((a.job, a.stage)).or_default().extend(parts);
            }
            ensure(tiles == w.tiles, || {
                format!("{id} has {tiles} tiles, counted are {}", w.tiles)
            })?;
            ensure(!w.alone || alone == 1, || {
                format!("{id} runs a suspect beside others")
            })?;
            ensure(!w.assignments.is_empty() || w.load_ns == 0, || {
                format!("{id} has load without tiles")
            })?;
            let ours = |job: &Job| job.pool == w.hello.pool;
            let foreign = w
                .assignments
                .values()
                .find(|a| !self.jobs.get(&a.job).is_some_and(ours));
            ensure(foreign.is_none(), || {
                format!(
                    "{id} of pool {} has tiles of another pool: {foreign:?}",
                    w.hello.pool
                )
            })?;
            let ready = self.jobs.values().any(|j| ours(j) && !j.ready.is_empty());
            let idles = ready && !w.draining && w.assignments.is_empty();
            ensure(!idles, || format!("{id} has nothing and tiles are waiting"))?;
            let known = |a: &AssignmentId| a.0 < w.next;
            ensure(w.revoking.iter().all(known), || {
                format!("{id} was asked for an assignment it never had")
            })?;
        }
        for job in self.jobs.values() {
            self.check_job(job, &mut held)?;
        }
        ensure(held.is_empty(), || {
            format!("tiles of no running stage are with workers: {held:?}")
        })
    }

    fn check_job(&self, job: &Job, held: &mut Held) -> Result<(), String> {
        let id = job.id;
        for (i, stage) in job.stages.iter().enumerate() {
            let sid = StageId(i as u32);
            let parts = held.remove(&(id, sid)).unwrap_or_default();
            if !job.state.is_live() {
                ensure(parts.is_empty() && stage.assigned == 0, || {
                    format!("{id} has ended and has tiles")
                })?;
                continue;
            }
            check_tiles(stage, parts).map_err(|e| format!("{id}, stage {i}: {e}"))?;
            let ready = stage.phase == Phase::Running && !stage.unassigned.is_empty();
            ensure(job.ready.contains(&sid) == ready, || {
                format!("{id}, stage {i}: ready is {}", !ready)
            })?;
            let after = &job.lowered.stages[i].after;
            let open = after
                .iter()
                .all(|s| job.stages[s.0 as usize].phase == Phase::Done);
            ensure(open != (stage.phase == Phase::Blocked), || {
                format!("{id}, stage {i} is {:?}", stage.phase)
            })?;
        }
        let all_done = job.stages.iter().all(|s| s.phase == Phase::Done);
        ensure(!job.state.is_live() || !all_done, || {
            format!("{id} is done and does not end")
        })
    }
}

fn ensure(holds: bool, message: impl Fn() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

/// Every tile is in one place.
fn check_tiles(stage: &StageRun, held: Vec<Range<u64>>) -> Result<(), String> {
    if stage.phase == Phase::Done {
        let empty = held.is_empty() && stage.trees.is_empty() && stage.assigned == 0;
        return ensure(empty && stage.done == stage.tiles, || {
            "done, and something is left".to_owned()
        });
    }
    let assigned: u64 = held.iter().map(|r| r.end - r.start).sum();
    ensure(assigned == stage.assigned, || {
        format!("{assigned} tiles are assigned, counted {}", stage.assigned)
    })?;
    let counted = stage.unassigned.count() + stage.assigned + stage.done;
    ensure(counted == stage.tiles, || {
        format!("{counted} of {} tiles are somewhere", stage.tiles)
    })?;
    let mut all: Vec<Range<u64>> = stage.unassigned.iter().chain(held).collect();
    all.sort_unstable_by_key(|r| r.start);
    let apart = all.windows(2).all(|w| w[0].end <= w[1].start);
    ensure(apart, || format!("tiles are in two places: {all:?}"))?;
    let inside = all.iter().all(|r| r.end <= stage.tiles);
    ensure(inside, || format!("tiles beyond {}: {all:?}", stage.tiles))?;
    let cells = stage.cells.cells();
    let (a, d): (u64, u64) = cells.iter().fold((0, 0), |(a, d), c| {
        (a + c.assigned as u64, d + c.done as u64)
    });
    ensure((a, d) == (stage.assigned, stage.done), || {
        format!("cells show {a} assigned, {d} done")
    })?;
    for tree in &stage.trees {
        // What waits in the tree covers no tile that is not done.
        let covered: u64 = tree
            .tree
            .keys()
            .map(|k| {
                let first = k.index << k.level;
                (first + (1 << k.level)).min(tree.leaves) - first
            })
            .sum();
        ensure(covered <= stage.done, || {
            format!("{covered} tiles wait in a tree, {} are done", stage.done)
        })?;
    }
    Ok(())
}
