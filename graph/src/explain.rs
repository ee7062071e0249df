//! EXPLAIN: what a lowered plan will do, before it runs.

use crate::formula;
use crate::grid::Axis;
use crate::mask;
use crate::plan::{Plan, Source, SourceId};
use crate::program::{Instr, Value};
use crate::stage::{AxisView, Input, Lowered, Origin, Pass, Sink, Stage, Target};
use serde::Serialize;
use std::fmt;

/// What a plan will do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Explanation {
    pub stages: Vec<StageExplanation>,
    pub outputs: Vec<OutputExplanation>,
    /// Tasks in all.
    pub tasks: u64,
    /// Chunks read in all.
    pub reads: u64,
    /// Bytes after decoding, in all.
    pub decoded_bytes: u64,
    /// The most bytes that the store can be asked for; real chunks are smaller.
    pub encoded_bytes_at_most: u64,
    /// The most bytes that one task holds.
    pub peak_task_bytes: u64,
    /// What was pushed down, joined, or left whole.
    pub notes: Vec<String>,
}

/// What a stage will do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct StageExplanation {
    pub stage: u32,
    pub tasks: u64,
    pub tiles: Vec<TileExplanation>,
    pub passes: Vec<PassExplanation>,
    /// Stages that must be complete before.
    pub after: Vec<u32>,
    pub peak_task_bytes: u64,
}

/// How a dim is cut into tiles.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct TileExplanation {
    pub dim: String,
    pub tiles: u64,
    pub longest: u64,
}

/// What one pass reads, computes and leaves.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct PassExplanation {
    pub domain: Vec<(String, u64)>,
    pub inputs: Vec<InputExplanation>,
    /// Operations in the fused program.
    pub operations: usize,
    pub formula: Vec<String>,
    /// What leaves the pass, such as `mean, std over y, x`.
    pub results: Vec<String>,
    /// By result: the outputs it goes to.
    pub outputs: Vec<Vec<u32>>,
}

/// An array that a pass reads.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct InputExplanation {
    pub name: String,
    pub dtype: &'static str,
    /// The source in the plan, for stored arrays.
    pub source: Option<u32>,
    pub chunks_read: u64,
    pub chunks_stored: u64,
    pub decoded_bytes: u64,
    /// The condition without which it is not read: where it selects nothing of a chunk.
    pub only_where: Option<String>,
}

/// A result of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct OutputExplanation {
    pub name: String,
    pub dtype: &'static str,
    pub dims: Vec<(String, u64)>,
}

/// Explains a plan and what lowering made of it.
pub fn explain(plan: &Plan, lowered: &Lowered) -> Explanation {
    let stages: Vec<StageExplanation> = lowered
        .stages
        .iter()
        .enumerate()
        .map(|(i, s)| explain_stage(plan, i, s))
        .collect();
    let inputs = || {
        stages
            .iter()
            .flat_map(|s| &s.passes)
            .flat_map(|p| &p.inputs)
    };
    let bound = |i: &InputExplanation| {
        i.source.map_or(0, |s| {
            i.chunks_read * plan.sources[s as usize].encoded_bound
        })
    };
    let named = |dims: &[crate::plan::Dim], shape: &[u64]| {
        dims.iter()
            .map(ToString::to_string)
            .zip(shape.iter().copied())
            .collect()
    };
    Explanation {
        tasks: stages.iter().map(|s| s.tasks).sum(),
        reads: inputs().map(|i| i.chunks_read).sum(),
        decoded_bytes: inputs().map(|i| i.decoded_bytes).sum(),
        encoded_bytes_at_most: inputs().map(bound).sum(),
        peak_task_bytes: stages.iter().map(|s| s.peak_task_bytes).max().unwrap_or(0),
        outputs: lowered
            .outputs
            .iter()
            .map(|o| OutputExplanation {
                name: o.name.clone(),
                dtype: o.dtype.name(),
                dims: named(&o.dims, &o.shape),
            })
            .collect(),
        notes: lowered.notes.clone(),
        stages,
    }
}

fn explain_stage(plan: &Plan, number: usize, stage: &Stage) -> StageExplanation {
    let tile = |d: &crate::stage::StageDim| TileExplanation {
        dim: d.name.to_string(),
        tiles: d.tiles.count(),
        longest: d.tiles.max_part(),
    };
    StageExplanation {
        stage: number as u32,
        tasks: stage.tile_count(),
        tiles: stage.dims.iter().map(tile).collect(),
        passes: stage.passes.iter().map(|p| explain_pass(plan, p)).collect(),
        after: stage.after.iter().map(|s| s.0).collect(),
        peak_task_bytes: stage.peak_bytes,
    }
}

fn explain_pass(plan: &Plan, pass: &Pass) -> PassExplanation {
    let mut inputs: Vec<InputExplanation> = pass
        .inputs
        .iter()
        .map(|i| explain_input(plan, pass, i))
        .collect();
    let names: Vec<String> = inputs.iter().map(|i| i.name.clone()).collect();
    if let Some(order) = mask::read_order(pass) {
        let condition = formula::condition(&pass.program, &names, &order.parts);
        for i in order.then {
            inputs[i as usize].only_where = Some(condition.clone());
        }
    }
    let mut values: Vec<(String, Value)> = Vec::new();
    let (mut results, mut outputs) = (Vec::new(), Vec::new());
    for sink in &pass.sinks {
        let (value, to) = match sink {
            Sink::Emit { value, output } => (*value, vec![output.0]),
            Sink::Reduce(r) => {
                let to = r.results.iter().filter_map(|r| match r.target {
                    Target::Output(o) => Some(o.0),
                    _ => None,
                });
                (r.value, to.collect())
            }
        };
        let name = match values.iter().find(|v| v.1 == value) {
            Some((name, _)) => name.clone(),
            None => {
                let name = if pass.sinks.len() == 1 {
                    "x".to_owned()
                } else {
                    format!("x{}", values.len())
                };
                values.push((name.clone(), value));
                name
            }
        };
        results.push(describe(pass, sink, &name));
        outputs.push(to);
    }
    let is_step = |i: &&Instr| !matches!(i, Instr::Load(_) | Instr::Const(_));
    PassExplanation {
        domain: pass
            .domain
            .iter()
            .map(|d| (d.name.to_string(), d.len))
            .collect(),
        operations: pass.program.instrs.iter().filter(is_step).count(),
        formula: formula::lines(&pass.program, &names, &values),
        inputs,
        results,
        outputs,
    }
}

fn describe(pass: &Pass, sink: &Sink, value: &str) -> String {
    let Sink::Reduce(r) = sink else {
        return format!("every element of {value}");
    };
    let mut ops: Vec<&str> = r.results.iter().map(|r| r.op.name()).collect();
    ops.dedup();
    let reduced = pass
        .domain
        .iter()
        .enumerate()
        .filter(|(d, _)| !r.kept.contains(d));
    let dims: Vec<&str> = reduced.map(|(_, d)| &*d.name).collect();
    let groups = r
        .groups
        .as_ref()
        .map(|g| format!(", {} groups along {}", g.count, pass.domain[g.dim].name));
    let over = if dims.is_empty() {
        String::new()
    } else {
        format!(" over {}", dims.join(", "))
    };
    format!(
        "{} of {value}{over}{}",
        ops.join(", "),
        groups.unwrap_or_default()
    )
}

fn explain_input(plan: &Plan, pass: &Pass, input: &Input) -> InputExplanation {
    let dtype = input.dtype.name();
    let beside = |name: String| InputExplanation {
        name,
        dtype,
        source: None,
        chunks_read: 0,
        chunks_stored: 0,
        decoded_bytes: 0,
        only_where: None,
    };
    match input.origin {
        Origin::Inline(i) => beside(format!("inline{}", i.0)),
        Origin::Local(l) => beside(format!("local{}", l.0)),
        Origin::Stored(SourceId(s)) => {
            let source = &plan.sources[s as usize];
            let read = chunks_read(source, pass, input);
            InputExplanation {
                name: source.path.clone(),
                dtype,
                source: Some(s),
                chunks_read: read,
                chunks_stored: source.axes().iter().map(Axis::count).product(),
                decoded_bytes: read * source.chunk_bytes(),
                only_where: None,
            }
        }
    }
}

/// How many chunks of a source the whole domain needs.
fn chunks_read(source: &Source, pass: &Pass, input: &Input) -> u64 {
    let along = |(axis, view): (&Axis, &AxisView)| match *view {
        AxisView::Fixed(_) => 1,
        AxisView::Along { dim, .. } if pass.domain[dim].len == 0 => 0,
        AxisView::Along { dim, start, step } => {
            axis.view(start, step, pass.domain[dim].len).count()
        }
    };
    source.axes().iter().zip(&input.axes).map(along).product()
}

/// Bytes as people read them.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} tasks, {} chunk reads, {} decoded (at most {} stored), {} a task at most",
            self.tasks,
            self.reads,
            human_bytes(self.decoded_bytes),
            human_bytes(self.encoded_bytes_at_most),
            human_bytes(self.peak_task_bytes)
        )?;
        for stage in &self.stages {
            write!(f, "{stage}")?;
        }
        for output in &self.outputs {
            let dims: Vec<String> = output
                .dims
                .iter()
                .map(|(d, n)| format!("{d}: {n}"))
                .collect();
            writeln!(
                f,
                "output {}: {} ({})",
                output.name,
                output.dtype,
                dims.join(", ")
            )?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for StageExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tiles: Vec<String> = self
            .tiles
            .iter()
            .map(|t| format!("{} {} of {}", t.tiles, t.dim, t.longest))
            .collect();
        let tiles = if tiles.is_empty() {
            "the whole domain".to_owned()
        } else {
            tiles.join(" x ")
        };
        write!(f, "stage {}: {} tasks ({tiles})", self.stage, self.tasks)?;
        if !self.after.is_empty() {
            let after: Vec<String> = self.after.iter().map(ToString::to_string).collect();
            write!(f, ", after stage {}", after.join(", "))?;
        }
        writeln!(f, ", {} a task", human_bytes(self.peak_task_bytes))?;
        for pass in &self.passes {
            for input in &pass.inputs {
                match input.source {
                    Some(_) => {
                        write!(
                            f,
                            "  read {} {}: {} of {} chunks, {}",
                            input.dtype,
                            input.name,
                            input.chunks_read,
                            input.chunks_stored,
                            human_bytes(input.decoded_bytes)
                        )?;
                        match &input.only_where {
                            Some(condition) => {
                                writeln!(f, ", less where {condition} selects nothing")?
                            }
                            None => writeln!(f)?,
                        }
                    }
                    None => writeln!(f, "  take {} {}", input.dtype, input.name)?,
                }
            }
            writeln!(f, "  fused, {} operations:", pass.operations)?;
            for line in &pass.formula {
                writeln!(f, "    {line}")?;
            }
            for result in &pass.results {
                writeln!(f, "  -> {result}")?;
            }
        }
        Ok(())
    }
}
