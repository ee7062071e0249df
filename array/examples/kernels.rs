//! How fast the evaluator is, pipeline by pipeline, beside a loop written by hand for NDVI.
//!
//! `cargo run --release -p dasklike-array --example kernels [side of a chunk]` prints a table: bytes of decoded
//! input a second, nanoseconds a pixel, and the time a byte as a multiple of NDVI's. Nothing is read or decoded.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use dasklike_array::{Chunk, ChunkReader, Evaluator, Inlines, Scratch};
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::lower::{Budget, lower};
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::plan::{Labels, NodeId, Op, Plan, PlanBuilder, Source, SourceId};
use dasklike_graph::reduce::ReduceOp;
use dasklike_graph::stage::{InlineId, Tile};
use std::collections::{BTreeMap, HashSet};
use std::hint::black_box;
use std::time::Instant;

const STEPS: u64 = 12;

struct Builder {
    b: PlanBuilder,
    side: u64,
}

impl Builder {
    fn source(&mut self, name: &str, dtype: DType) -> NodeId {
        let source = Source {
            store: "memory".into(),
            options: BTreeMap::new(),
            path: name.into(),
            metadata: String::new(),
            dtype,
            dims: vec!["time".into(), "y".into(), "x".into()],
            shape: vec![STEPS, self.side, self.side],
            chunks: vec![1, self.side, self.side],
            fill: Scalar::I64(0).cast(dtype),
            encoded_bound: 0,
            decode_scratch: 0,
        };
        self.b.source(source).unwrap()
    }

    fn constant(&mut self, v: f64, dtype: DType) -> NodeId {
        let value = Scalar::F64(v).cast(dtype);
        self.b
            .add(
                Op::Full {
                    value,
                    dtype,
                    dims: vec![],
                    axes: vec![],
                },
                &[],
            )
            .unwrap()
    }

    fn op(&mut self, op: BinaryOp, a: NodeId, b: NodeId) -> NodeId {
        self.b.add(Op::Binary(op), &[a, b]).unwrap()
    }

    fn with(&mut self, op: BinaryOp, a: NodeId, v: f64) -> NodeId {
        let k = self.constant(v, self.b.meta(a).dtype);
        self.op(op, a, k)
    }

    fn select(&mut self, cond: NodeId, a: NodeId, b: NodeId) -> NodeId {
        self.b.add(Op::Where, &[cond, a, b]).unwrap()
    }

    /// A band as CF conventions decode it: fill value 0, scale, offset.
    fn band(&mut self, name: &str, float: DType) -> NodeId {
        let raw = self.source(name, DType::U16);
        let missing = self.with(BinaryOp::Eq, raw, 0.0);
        let nan = self.constant(f64::NAN, float);
        let cast = self.b.add(Op::Cast(float), &[raw]).unwrap();
        let v = self.select(missing, nan, cast);
        let v = self.with(BinaryOp::Mul, v, 0.0001);
        self.with(BinaryOp::Add, v, -0.1)
    }

    fn keep(&mut self, classes: &[u64]) -> NodeId {
        let scl = self.source("scl", DType::U8);
        self.b
            .add(
                Op::IsIn(classes.iter().map(|c| Scalar::U64(*c)).collect()),
                &[scl],
            )
            .unwrap()
    }

    fn ratio(&mut self, a: NodeId, b: NodeId) -> (NodeId, NodeId) {
        let (difference, sum) = (self.op(BinaryOp::Sub, a, b), self.op(BinaryOp::Add, a, b));
        (self.op(BinaryOp::Div, difference, sum), sum)
    }

    fn ndvi(&mut self, float: DType) -> NodeId {
        let (red, nir, keep) = (
            self.band("red", float),
            self.band("nir", float),
            self.keep(&[4, 5, 6, 7]),
        );
        let (ndvi, sum) = self.ratio(nir, red);
        let not_zero = self.with(BinaryOp::Ne, sum, 0.0);
        let valid = self.op(BinaryOp::And, keep, not_zero);
        let nan = self.constant(f64::NAN, float);
        self.select(valid, ndvi, nan)
    }

    fn finish(mut self, value: NodeId, ops: &[ReduceOp], labels: Option<Labels>) -> Plan {
        for op in ops {
            let mut dims: Vec<_> = vec!["y".into(), "x".into()];
            if labels.is_some() {
                dims.insert(0, "time".into());
            }
            let op = Op::Reduce {
                op: *op,
                dims,
                skipna: true,
                labels: labels.clone(),
            };
            let node = self.b.add(op, &[value]).unwrap();
            self.b.output("out", node);
        }
        self.b.finish()
    }
}

const MEAN: [ReduceOp; 2] = [ReduceOp::Mean, ReduceOp::Count];
const FIVE: [ReduceOp; 5] = [
    ReduceOp::Mean,
    ReduceOp::Count,
    ReduceOp::Min,
    ReduceOp::Max,
    ReduceOp::Std { ddof: 0 },
];

/// The pipelines by name.
fn pipelines(side: u64) -> Vec<(&'static str, Plan)> {
    let new = || Builder {
        b: PlanBuilder::default(),
        side,
    };
    let mut plans = Vec::new();
    for (name, float, ops) in [
        ("ndvi f32: mean, count", DType::F32, &MEAN[..]),
        ("ndvi f32: five statistics", DType::F32, &FIVE[..]),
        ("ndvi f64: mean, count", DType::F64, &MEAN[..]),
        ("ndvi f64: five statistics", DType::F64, &FIVE[..]),
    ] {
        let mut b = new();
        let v = b.ndvi(float);
        plans.push((name, b.finish(v, ops, None)));
    }
    let mut b = new();
    let [red, nir, blue] = ["red", "nir", "blue"].map(|n| b.band(n, DType::F32));
    let keep = b.keep(&[4, 5, 6, 7]);
    let (six, seven) = (
        b.with(BinaryOp::Mul, red, 6.0),
        b.with(BinaryOp::Mul, blue, 7.5),
    );
    let (d, s) = (b.op(BinaryOp::Sub, nir, red), b.op(BinaryOp::Add, nir, six));
    let s = b.op(BinaryOp::Sub, s, seven);
    let (s, d) = (b.with(BinaryOp::Add, s, 1.0), b.with(BinaryOp::Mul, d, 2.5));
    let evi = b.op(BinaryOp::Div, d, s);
    let nan = b.constant(f64::NAN, DType::F32);
    let v = b.select(keep, evi, nan);
    plans.push(("evi f32: mean, count", b.finish(v, &MEAN, None)));

    let mut b = new();
    let (red, nir) = (b.band("red", DType::F32), b.band("nir", DType::F32));
    let scl = b.source("scl", DType::U8);
    let mut v = b.constant(f64::NAN, DType::F32);
    for (class, term) in [(4.0, 0.5), (5.0, 0.6), (6.0, 0.7), (7.0, 0.8), (2.0, 0.9)] {
        let is = b.with(BinaryOp::Eq, scl, class);
        let with = if class == 4.0 || class == 6.0 || class == 2.0 {
            red
        } else {
            nir
        };
        let term = b.with(BinaryOp::Mul, with, term);
        v = b.select(is, term, v);
    }
    plans.push(("five-term where f32: mean, count", b.finish(v, &MEAN, None)));

    let mut b = new();
    let (red, nir) = (b.source("red", DType::F32), b.source("nir", DType::F32));
    let (v, _) = b.ratio(nir, red);
    plans.push((
        "normalised difference of f32: mean, count",
        b.finish(v, &MEAN, None),
    ));

    let mut b = new();
    let v = b.ndvi(DType::F32);
    let runs = (0..STEPS as u32).map(|m| (Some(m / 2), 1)).collect();
    let labels = Labels {
        dim: "time".into(),
        group_dim: "month".into(),
        groups: 6,
        runs,
    };
    plans.push((
        "ndvi f32 by month: mean, count",
        b.finish(v, &MEAN, Some(labels)),
    ));

    for (name, ops) in [
        ("ndvi f32 a pixel, over time: mean, count", &MEAN[..]),
        ("ndvi f32 a pixel, over time: five statistics", &FIVE[..]),
    ] {
        let mut b = new();
        let v = b.ndvi(DType::F32);
        for op in ops {
            let dims = vec!["time".into()];
            let op = Op::Reduce {
                op: *op,
                dims,
                skipna: true,
                labels: None,
            };
            let node = b.b.add(op, &[v]).unwrap();
            b.b.output("out", node);
        }
        plans.push((name, b.b.finish()));
    }

    let mut b = new();
    let raw = b.source("red", DType::U16);
    plans.push((
        "u16 sum, min, max",
        b.finish(raw, &[ReduceOp::Sum, ReduceOp::Min, ReduceOp::Max], None),
    ));

    let mut b = new();
    let raw = b.source("red", DType::F32);
    let v = b.b.add(Op::Unary(UnaryOp::Sqrt), &[raw]).unwrap();
    plans.push(("sqrt f32: sum", b.finish(v, &[ReduceOp::Sum], None)));
    plans
}

/// Fills a buffer once; later reads find the same chunk there, so that no copy is measured.
struct Pattern {
    sources: Vec<DType>,
    filled: HashSet<(usize, u32)>,
}

impl ChunkReader for Pattern {
    type Error = std::convert::Infallible;

    fn read(&mut self, source: SourceId, _: &[u64], into: &mut [u8]) -> Result<Chunk, Self::Error> {
        if self.filled.insert((into.as_ptr() as usize, source.0)) {
            let dtype = self.sources[source.0 as usize];
            let mut state = u64::from(source.0) + 1;
            let mut bytes = Vec::with_capacity(into.len());
            for _ in 0..into.len() / dtype.size() {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                let v = (state >> 40) % 10_000;
                let v = if dtype == DType::U8 { v % 12 } else { v };
                Scalar::U64(v).cast(dtype).write_le(dtype, &mut bytes);
            }
            into.copy_from_slice(&bytes);
        }
        Ok(Chunk::Decoded)
    }
}

struct None_;

impl Inlines for None_ {
    fn bytes(&self, _: InlineId) -> Option<(&[u64], &[u8])> {
        None
    }
}

/// Seconds of the fastest of many runs of `f`.
fn fastest(mut f: impl FnMut()) -> f64 {
    f();
    let begin = Instant::now();
    let mut best = f64::MAX;
    while begin.elapsed().as_secs_f64() < 0.4 {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
    }
    best
}

/// NDVI, mean and count in `f32`, as one would write it in Rust.
fn by_hand(red: &[u16], nir: &[u16], scl: &[u8]) -> (f64, u64) {
    let (mut sum, mut count) = (0f64, 0u64);
    for ((r, n), s) in red.iter().zip(nir).zip(scl) {
        if *r == 0 || *n == 0 || !matches!(s, 4..=7) {
            continue;
        }
        let (r, n) = (*r as f32 * 0.0001 - 0.1, *n as f32 * 0.0001 - 0.1);
        if n + r != 0.0 {
            sum += ((n - r) / (n + r)) as f64;
            count += 1;
        }
    }
    (sum, count)
}

fn main() {
    let side: u64 = std::env::args().nth(1).map_or(512, |a| a.parse().unwrap());
    let only = std::env::args().nth(2);
    let pixels = side * side;
    let noise = |n: u64| move |i: u64| ((i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n) >> 40) % 10_000;
    let red: Vec<u16> = (0..pixels).map(noise(1)).map(|v| v as u16).collect();
    let nir: Vec<u16> = (0..pixels).map(noise(2)).map(|v| v as u16).collect();
    let scl: Vec<u8> = (0..pixels).map(noise(3)).map(|v| (v % 12) as u8).collect();
    let hand = fastest(|| {
        black_box(by_hand(black_box(&red), black_box(&nir), black_box(&scl)));
    });
    let row = |name: &str, seconds: f64, bytes: u64, unit: f64| {
        let a_byte = seconds / bytes as f64;
        let speed = bytes as f64 / seconds / 1e9;
        println!(
            "{name:44} {speed:7.2} GB/s {:7.3} ns/px {:6.2}x",
            seconds / pixels as f64 * 1e9,
            a_byte / unit
        );
    };
    println!("chunks of {side} x {side}; last column: time a byte against ndvi f32");
    let mut unit = hand / (5 * pixels) as f64;
    for (i, (name, plan)) in pipelines(side).into_iter().enumerate() {
        if only.as_ref().is_some_and(|o| !name.contains(o)) && i > 0 {
            continue;
        }
        let lowered = lower(
            &plan,
            &Budget {
                task_bytes: 1 << 30,
                chunks: vec![(
                    "time".into(),
                    if name.contains("a pixel") { STEPS } else { 1 },
                )],
            },
        )
        .unwrap();
        let stage = &lowered.stages[0];
        let evaluator = Evaluator::new(stage, &plan.sources).unwrap();
        let mut scratch = Scratch::new();
        let bytes: u64 = plan.sources.iter().map(Source::chunk_bytes).sum();
        let mut reader = Pattern {
            sources: plan.sources.iter().map(|s| s.dtype).collect(),
            filled: HashSet::new(),
        };
        let steps = STEPS / stage.tile_count();
        let seconds = fastest(|| {
            black_box(
                evaluator
                    .run(&mut scratch, Tile(0), &None_, &mut reader)
                    .unwrap(),
            );
        }) / steps as f64;
        if i == 0 {
            unit = seconds / bytes as f64;
            row("by hand, scalar: ndvi f32", hand, 5 * pixels, unit);
        }
        row(name, seconds, bytes, unit);
    }
}
