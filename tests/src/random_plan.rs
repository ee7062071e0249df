//! Random plans over random chunkings, from a seed.

use crate::naive::Naive;
use dasklike_graph::dtype::{DType, Lane, Scalar};
use dasklike_graph::grid::Axis;
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::plan::{Dim, Labels, NodeId, Op, Plan, PlanBuilder, SliceSpec, Source, Take};
use dasklike_graph::reduce::ReduceOp;
use ndarray::{ArrayD, IxDyn};

/// A small generator (splitmix64), so that a seed says everything.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// Whether a die of `n` sides shows 0.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    /// A random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// A plan and the arrays that its sources stand for.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct RandomPlan {
    pub plan: Plan,
    pub arrays: Vec<Naive>,
}

/// Binary operations whose results are exact, so that any order of evaluation must give the same bits.
const EXACT_BINARY: [BinaryOp; 20] = [
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::FloorDiv,
    BinaryOp::Mod,
    BinaryOp::Minimum,
    BinaryOp::Maximum,
    BinaryOp::And,
    BinaryOp::Or,
    BinaryOp::Xor,
    BinaryOp::LeftShift,
    BinaryOp::RightShift,
    BinaryOp::Eq,
    BinaryOp::Ne,
    BinaryOp::Lt,
    BinaryOp::Le,
    BinaryOp::Gt,
    BinaryOp::Ge,
    BinaryOp::Sub,
];

const EXACT_UNARY: [UnaryOp; 12] = [
    UnaryOp::Neg,
    UnaryOp::Abs,
    UnaryOp::Sign,
    UnaryOp::Invert,
    UnaryOp::Sqrt,
    UnaryOp::Floor,
    UnaryOp::Ceil,
    UnaryOp::Trunc,
    UnaryOp::Rint,
    UnaryOp::IsNan,
    UnaryOp::IsInf,
    UnaryOp::IsFinite,
];

const REDUCTIONS: [ReduceOp; 8] = [
    ReduceOp::Count,
    ReduceOp::Sum,
    ReduceOp::Mean,
    ReduceOp::Min,
    ReduceOp::Max,
    ReduceOp::Var { ddof: 0 },
    ReduceOp::Std { ddof: 1 },
    ReduceOp::Any,
];

struct Generator {
    rng: Rng,
    builder: PlanBuilder,
    arrays: Vec<Naive>,
    nodes: Vec<NodeId>,
    /// The dims of the cube with their sizes.
    dims: Vec<(Dim, u64)>,
    /// Reductions whose last bits depend on the order of their sums. They are only reduced further: after a
    /// comparison or a floor, two right answers could look different.
    rounded: Vec<NodeId>,
}

/// The plan of a seed.
pub fn random_plan(seed: u64) -> RandomPlan {
    let mut rng = Rng(seed);
    let dims = ["t", "y", "x"].map(|d| (Dim::from(d), 1 + rng.below(7)));
    let mut g = Generator {
        rng,
        builder: PlanBuilder::default(),
        arrays: Vec::new(),
        nodes: Vec::new(),
        dims: dims.to_vec(),
        rounded: Vec::new(),
    };
    for i in 0..1 + g.rng.below(3) {
        g.source(i);
    }
    for _ in 0..2 + g.rng.below(9) {
        g.step();
    }
    let outputs = 1 + g.rng.below(3);
    for i in 0..outputs {
        let mut node = g.rng.pick(&g.nodes.clone());
        for _ in 0..g.rng.below(3) {
            node = g.reduce(node).unwrap_or(node);
        }
        g.builder.output(&format!("o{i}"), node);
    }
    RandomPlan {
        plan: g.builder.finish(),
        arrays: g.arrays,
    }
}

fn value(rng: &mut Rng, dtype: DType) -> Scalar {
    let bits = rng.bits();
    match dtype.lane() {
        Lane::Bool => Scalar::Bool(bits & 1 == 1),
        // Mostly small numbers, sometimes the ends of the type.
        Lane::U64 | Lane::I64 => {
            let any = if rng.one_in(4) { bits } else { bits % 7 };
            Scalar::U64(any).cast(dtype)
        }
        Lane::F32 | Lane::F64 => {
            let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0];
            let any = (bits % 2001) as f64 / 8.0 - 125.0;
            let float = if rng.one_in(6) {
                rng.pick(&special)
            } else {
                any
            };
            Scalar::F64(float).cast(dtype)
        }
    }
}

impl Generator {
    fn source(&mut self, i: u64) {
        let mut dims = self.dims.clone();
        dims.retain(|_| !self.rng.one_in(5));
        if self.rng.one_in(4) {
            self.rng.shuffle(&mut dims);
        }
        let dtype = self.rng.pick(&DType::ALL);
        let shape: Vec<u64> = dims.iter().map(|d| d.1).collect();
        let chunks: Vec<u64> = shape.iter().map(|n| 1 + self.rng.below(*n)).collect();
        let rng = &mut self.rng;
        let values = ArrayD::from_shape_fn(
            IxDyn(&shape.iter().map(|n| *n as usize).collect::<Vec<_>>()),
            |_| value(rng, dtype),
        );
        let names: Vec<Dim> = dims.into_iter().map(|d| d.0).collect();
        let chunk_bytes = chunks.iter().product::<u64>() * dtype.size() as u64;
        let source = Source {
            store: "memory".into(),
            options: Default::default(),
            path: format!("a{i}"),
            metadata: String::new(),
            dtype,
            dims: names.clone(),
            shape,
            chunks,
            fill: value(&mut self.rng, dtype),
            encoded_bound: chunk_bytes,
            decode_scratch: 0,
        };
        self.arrays.push(Naive {
            dims: names,
            dtype,
            values,
        });
        let node = self.builder.source(source).unwrap();
        self.nodes.push(node);
    }

    fn dtype(&self, node: NodeId) -> DType {
        self.builder.meta(node).dtype
    }

    fn cast(&mut self, node: NodeId, dtype: DType) -> NodeId {
        self.builder.add(Op::Cast(dtype), &[node]).unwrap()
    }

    /// Adds one operation, or nothing where the dice give one that is not defined.
    fn step(&mut self) {
        let a = self.rng.pick(&self.nodes.clone());
        let b = self.rng.pick(&self.nodes.clone());
        let made = match self.rng.below(12) {
            0 => self.unary(a),
            1..=4 => self.binary(a, b),
            5 => self.where_(a, b),
            6 => self.is_in(a),
            7 | 8 => self.select(a),
            9 => self.constant(a),
            10 => self.reduce(a).filter(|r| !self.rounded.contains(r)),
            _ => {
                // A cast of floats to integers is left to the hardware where they do not fit.
                let to = self.rng.pick(&DType::ALL);
                let defined = !self.dtype(a).is_float() || to.is_float() || to == DType::Bool;
                defined.then(|| self.cast(a, to))
            }
        };
        self.nodes.extend(made);
    }

    fn unary(&mut self, a: NodeId) -> Option<NodeId> {
        let op = self.rng.pick(&EXACT_UNARY);
        self.builder.add(Op::Unary(op), &[a]).ok()
    }

    fn binary(&mut self, a: NodeId, b: NodeId) -> Option<NodeId> {
        let op = self.rng.pick(&EXACT_BINARY);
        let mut dtype = self.dtype(a).promote(self.dtype(b));
        if op == BinaryOp::Div && !dtype.is_float() {
            dtype = DType::F64;
        }
        op.result(dtype)?;
        let (a, b) = (self.cast(a, dtype), self.cast(b, dtype));
        self.builder.add(Op::Binary(op), &[a, b]).ok()
    }

    fn where_(&mut self, a: NodeId, b: NodeId) -> Option<NodeId> {
        let condition = self.rng.pick(&self.nodes.clone());
        let condition = self.cast(condition, DType::Bool);
        let dtype = self.dtype(a).promote(self.dtype(b));
        let (a, b) = (self.cast(a, dtype), self.cast(b, dtype));
        self.builder.add(Op::Where, &[condition, a, b]).ok()
    }

    fn is_in(&mut self, a: NodeId) -> Option<NodeId> {
        let dtype = self.dtype(a);
        let values = (0..self.rng.below(6))
            .map(|_| value(&mut self.rng, dtype))
            .collect();
        self.builder.add(Op::IsIn(values), &[a]).ok()
    }

    fn constant(&mut self, a: NodeId) -> Option<NodeId> {
        let dtype = self.dtype(a);
        let full = if self.rng.one_in(3) {
            let (dim, size) = self.rng.pick(&self.dims.clone());
            let axes = vec![Axis::regular(size, 1 + self.rng.below(size))];
            Op::Full {
                value: value(&mut self.rng, dtype),
                dtype,
                dims: vec![dim],
                axes,
            }
        } else if self.rng.one_in(2) {
            let (dim, size) = self.rng.pick(&self.dims.clone());
            let mut bytes = Vec::new();
            (0..size).for_each(|_| value(&mut self.rng, dtype).write_le(dtype, &mut bytes));
            Op::Inline {
                dtype,
                dims: vec![dim],
                shape: vec![size],
                bytes: bytes.into(),
            }
        } else {
            Op::Full {
                value: value(&mut self.rng, dtype),
                dtype,
                dims: Vec::new(),
                axes: Vec::new(),
            }
        };
        let c = self.builder.add(full, &[]).unwrap();
        self.binary(a, c)
    }

    fn select(&mut self, a: NodeId) -> Option<NodeId> {
        let meta = self.builder.meta(a).clone();
        let (dim, size) = meta
            .dims
            .iter()
            .cloned()
            .zip(meta.shape)
            .nth(self.rng.below(3) as usize)?;
        if size == 0 {
            return None;
        }
        let take = match self.rng.below(8) {
            0 => Take::Slice(SliceSpec {
                start: 0,
                step: 1,
                len: 0,
            }),
            1..=3 => Take::Index(self.rng.below(size)),
            _ => {
                let start = self.rng.below(size);
                let stride = 1 + self.rng.below(3);
                let (step, room) = if self.rng.one_in(2) {
                    (stride as i64, size - 1 - start)
                } else {
                    (-(stride as i64), start)
                };
                Take::Slice(SliceSpec {
                    start,
                    step,
                    len: 1 + self.rng.below(room / stride + 1),
                })
            }
        };
        self.builder.add(Op::Select(vec![(dim, take)]), &[a]).ok()
    }

    fn reduce(&mut self, a: NodeId) -> Option<NodeId> {
        let meta = self.builder.meta(a).clone();
        let mut dims = meta.dims.clone();
        dims.retain(|_| !self.rng.one_in(3));
        let op = self.rng.pick(&REDUCTIONS);
        // Means of 64-bit integers near the ends of their type lose the digits that a small spread is made of.
        let spread = matches!(op, ReduceOp::Var { .. } | ReduceOp::Std { .. });
        if spread
            && !matches!(
                meta.dtype,
                DType::U8 | DType::I8 | DType::U16 | DType::I16 | DType::Bool
            )
        {
            return None;
        }
        let a = if op == ReduceOp::Any {
            self.cast(a, DType::Bool)
        } else {
            a
        };
        let labels = match dims.first() {
            Some(dim) if self.rng.one_in(3) && !matches!(op, ReduceOp::Min | ReduceOp::Max) => {
                Some(self.labels(dim, meta.size_of(dim)?))
            }
            _ => None,
        };
        if meta
            .dims
            .iter()
            .any(|d| labels.as_ref().is_some_and(|l| l.group_dim == *d))
        {
            return None;
        }
        let skipna = !self.rng.one_in(4);
        let rounds = match op {
            ReduceOp::Sum => self.dtype(a).is_float(),
            ReduceOp::Mean | ReduceOp::Var { .. } | ReduceOp::Std { .. } => true,
            _ => false,
        };
        let node = self
            .builder
            .add(
                Op::Reduce {
                    op,
                    dims,
                    skipna,
                    labels,
                },
                &[a],
            )
            .ok()?;
        if rounds {
            self.rounded.push(node);
        }
        Some(node)
    }

    fn labels(&mut self, dim: &Dim, size: u64) -> Labels {
        let groups = 1 + self.rng.below(4) as u32;
        let mut runs = Vec::new();
        let mut left = size;
        while left > 0 {
            let run = 1 + self.rng.below(left);
            let group = (!self.rng.one_in(5)).then(|| self.rng.below(groups as u64) as u32);
            runs.push((group, run));
            left -= run;
        }
        Labels {
            dim: dim.clone(),
            group_dim: "group".into(),
            groups,
            runs,
        }
    }
}
