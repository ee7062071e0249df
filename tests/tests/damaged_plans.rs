//! Whatever a client sends is lowered or refused: no panic, and no walk over more chunks than anyone has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what they expect"
)]

use dasklike_graph::dtype::DType;
use dasklike_graph::explain::explain;
use dasklike_graph::grid::Axis;
use dasklike_graph::lower::{Budget, lower};
use dasklike_graph::plan::{Dim, NodeId, Op, Plan, SliceSpec, Source, SourceId, Take};
use dasklike_proto_engine::convert::{plan_from_proto, plan_to_proto};
use dasklike_tests::random_plan::{Rng, random_plan};

/// How many plans a run tries, numbered from 0, so that every run tries the same ones.
const PLANS: u64 = 30_000;

/// Sizes at which arithmetic goes wrong where it can.
const SIZES: [u64; 16] = [
    0,
    1,
    2,
    3,
    7,
    256,
    1 << 16,
    1 << 31,
    1 << 32,
    1 << 40,
    1 << 59,
    1 << 60,
    1 << 61,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// Says which plan it was that failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

fn size(rng: &mut Rng) -> u64 {
    rng.pick(&SIZES)
}

fn dim(rng: &mut Rng) -> Dim {
    Dim::from(rng.pick(&["t", "y", "x", ""]))
}

#[test]
fn a_damaged_plan_is_lowered_or_refused() {
    let (mut lowered, mut refused) = (0, 0);
    for seed in 0..PLANS {
        let _shown = Seed(seed);
        let mut rng = Rng(seed);
        let mut plan = random_plan(seed).plan;
        for _ in 0..1 + rng.below(3) {
            damage(&mut plan, &mut rng);
        }
        let asked = ["t", "y"].map(|d| (Dim::from(d), size(&mut rng)));
        let budget = Budget {
            task_bytes: rng.pick(&[0, 1, 1 << 16, 1 << 30, u64::MAX]),
            chunks: if rng.one_in(3) {
                asked.to_vec()
            } else {
                Vec::new()
            },
        };
        match taken(&plan, &budget) {
            Some(()) => lowered += 1,
            None => refused += 1,
        }
    }
    assert!(lowered > PLANS / 20 && refused > PLANS / 20);
}

/// What a scheduler does with a plan that comes in; `None` if it refuses it.
fn taken(plan: &Plan, budget: &Budget) -> Option<()> {
    let plan = plan_from_proto(plan_to_proto(plan)).ok()?;
    let lowered = lower(&plan, budget).ok()?;
    assert!(!explain(&plan, &lowered).to_string().is_empty());
    Some(())
}

/// Changes one thing in a plan.
fn damage(plan: &mut Plan, rng: &mut Rng) {
    let nodes = plan.nodes.len() as u64;
    let other = NodeId(rng.below(nodes + 2) as u32);
    let node = rng.below(nodes) as usize;
    match rng.below(8) {
        0..4 if !plan.sources.is_empty() => {
            let source = rng.below(plan.sources.len() as u64) as usize;
            damage_source(&mut plan.sources[source], rng);
        }
        4 => {
            if let Some(input) = plan.nodes[node].inputs.first_mut() {
                *input = other;
            }
        }
        5 => plan.outputs[0].node = other,
        _ => damage_op(&mut plan.nodes[node].op, rng),
    }
}

fn damage_source(source: &mut Source, rng: &mut Rng) {
    if source.shape.is_empty() {
        return;
    }
    let d = rng.below(source.shape.len() as u64) as usize;
    match rng.below(5) {
        0 => source.shape[d] = size(rng),
        1 => source.chunks[d] = size(rng),
        2 => source.encoded_bound = size(rng),
        3 => source.decode_scratch = size(rng),
        _ => source.dims[d] = dim(rng),
    }
}

fn damage_op(op: &mut Op, rng: &mut Rng) {
    match op {
        Op::Source(source) => *source = SourceId(rng.below(5) as u32),
        Op::Full { axes, dims, .. } => {
            dims.push(dim(rng));
            axes.push(axis(rng));
        }
        Op::Inline { shape, bytes, .. } => match rng.one_in(2) {
            true => shape.push(size(rng)),
            false => *bytes = vec![1; rng.below(64) as usize].into(),
        },
        Op::Cast(dtype) => *dtype = rng.pick(&DType::ALL),
        Op::Select(takes) => {
            let slice = SliceSpec {
                start: size(rng),
                step: size(rng) as i64,
                len: size(rng),
            };
            let take = match rng.one_in(3) {
                true => Take::Index(slice.start),
                false => Take::Slice(slice),
            };
            takes.push((dim(rng), take));
        }
        Op::Reduce {
            labels: Some(labels),
            ..
        } => match rng.below(3) {
            0 => labels.groups = size(rng) as u32,
            1 => labels.runs.push((Some(size(rng) as u32), size(rng))),
            _ => labels.group_dim = dim(rng),
        },
        Op::Reduce { dims, .. } => dims.push(dim(rng)),
        Op::Unary(_) | Op::Binary(_) | Op::Where | Op::IsIn(_) => {}
    }
}

fn axis(rng: &mut Rng) -> Axis {
    match rng.below(3) {
        0 => Axis::regular(size(rng), size(rng)),
        1 => Axis::Regular {
            len: size(rng),
            first: size(rng),
            size: size(rng),
        },
        _ => Axis::Explicit {
            bounds: (0..rng.below(5)).map(|_| size(rng)).collect(),
        },
    }
}
