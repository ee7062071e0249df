//! The plan: a typed expression graph over named dims. What a client sends, and all that it sends.

use crate::dtype::{DType, Scalar};
use crate::grid::Axis;
use crate::ops::{BinaryOp, UnaryOp};
use crate::reduce::ReduceOp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use crate::infer::{DEPTH_LIMIT, check, infer};

/// The version of the plan's meaning. A scheduler refuses a plan of another version.
pub const PLAN_VERSION: u32 = 1;

/// The name of a dim.
pub type Dim = Arc<str>;

/// A node's number in its plan; inputs have lower numbers than their users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// A source's number in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// An output's number in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutputId(pub u32);

/// A stored array, as the client found it when it opened the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The store: a path, or a `file://`, `http(s)://` or `s3://` URL.
    pub store: String,
    /// Options of the store that are no secrets (endpoint, region, anonymous); sorted.
    pub options: BTreeMap<String, String>,
    /// The array's path in the store, without slashes at its ends.
    pub path: String,
    /// The array's own metadata document as JSON, so that workers need not fetch it again.
    pub metadata: String,
    /// The dtype as stored.
    pub dtype: DType,
    /// Names of the dims, in the array's order.
    pub dims: Vec<Dim>,
    /// Elements along each dim.
    pub shape: Vec<u64>,
    /// The shape of what is read and decoded at once: the chunk, or a shard's inner chunk.
    pub chunks: Vec<u64>,
    /// The value of chunks that are not stored.
    pub fill: Scalar,
    /// The most bytes an encoded chunk can have.
    pub encoded_bound: u64,
    /// Bytes that decoding a chunk needs beside its input and its output.
    pub decode_scratch: u64,
}

impl Source {
    /// How each axis is cut.
    pub fn axes(&self) -> Vec<Axis> {
        self.shape
            .iter()
            .zip(&self.chunks)
            .map(|(n, c)| Axis::regular(*n, *c))
            .collect()
    }

    /// Bytes of one decoded chunk.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunks.iter().product::<u64>() * self.dtype.size() as u64
    }
}

/// A slice of one dim: `len` elements from `start` by `step` (never 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct SliceSpec {
    pub start: u64,
    pub step: i64,
    pub len: u64,
}

/// What to take of one dim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Take {
    /// One element; the dim goes.
    Index(u64),
    /// A slice; the dim stays.
    Slice(SliceSpec),
}

/// Labels along a dim, for grouped reductions: run lengths, so that a sorted label costs one entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Labels {
    /// The dim that is grouped; it must be among the reduced dims.
    pub dim: Dim,
    /// The dim of groups that takes its place in the result.
    pub group_dim: Dim,
    /// The number of groups.
    pub groups: u32,
    /// `(group, length)`; a group of `None` is left out. Lengths add up to the dim's size.
    pub runs: Vec<(Option<u32>, u64)>,
}

/// What a node does. Elementwise operations broadcast by dim name: a result's dims are those of its inputs in
/// order of first appearance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A stored array.
    Source(SourceId),
    /// One value everywhere, on a chunk grid. Without dims: a constant.
    Full {
        /// The value, in the lane of `dtype`.
        value: Scalar,
        /// The dtype.
        dtype: DType,
        /// The dims' names.
        dims: Vec<Dim>,
        /// The cuts of each dim.
        axes: Vec<Axis>,
    },
    /// Values that travel in the plan: coordinates and other small arrays, at most [`INLINE_LIMIT`] bytes.
    Inline {
        /// The dtype.
        dtype: DType,
        /// The dims' names.
        dims: Vec<Dim>,
        /// Elements along each dim.
        shape: Vec<u64>,
        /// Little-endian elements in C order.
        bytes: Arc<[u8]>,
    },
    /// `numpy.astype`.
    Cast(DType),
    /// One input.
    Unary(UnaryOp),
    /// Two inputs of one dtype.
    Binary(BinaryOp),
    /// `numpy.where`: inputs are a bool and two arrays of one dtype.
    Where,
    /// Whether an element is one of the values, which are in the input's lane.
    IsIn(Vec<Scalar>),
    /// Basic selection, dim by dim; dims not named are taken whole.
    Select(Vec<(Dim, Take)>),
    /// A reduction over `dims`.
    Reduce {
        /// Which reduction.
        op: ReduceOp,
        /// The dims that go, in the input's order.
        dims: Vec<Dim>,
        /// Leave NaN out (only floats have any).
        skipna: bool,
        /// Groups along one of the reduced dims.
        labels: Option<Labels>,
    },
}

/// The most bytes of an array that travels in a plan.
pub const INLINE_LIMIT: u64 = 1 << 20;

/// An operation and its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Node {
    pub op: Op,
    pub inputs: Vec<NodeId>,
}

/// A named result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Output {
    pub name: String,
    pub node: NodeId,
}

/// A whole computation as data.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// The stored arrays it reads.
    pub sources: Vec<Source>,
    /// The operations; inputs come before their users.
    pub nodes: Vec<Node>,
    /// The results.
    pub outputs: Vec<Output>,
}

/// What is known of a node's array without computing it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Meta {
    pub dtype: DType,
    pub dims: Vec<Dim>,
    pub shape: Vec<u64>,
}

impl Meta {
    /// The size of a dim, if the array has it.
    pub fn size_of(&self, dim: &str) -> Option<u64> {
        self.dims
            .iter()
            .position(|d| &**d == dim)
            .map(|i| self.shape[i])
    }

    /// Elements in all.
    pub fn elements(&self) -> u64 {
        self.shape.iter().product()
    }
}

/// Why a plan or an operation makes no sense. Names what the user wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PlanError {
    #[error("no dim {dim:?}: the array has {have}")]
    UnknownDim { dim: String, have: String },
    #[error(
        "dim {dim:?} has {left} elements on one side and {right} on the other: select the same part of both, or rename one"
    )]
    ShapeMismatch { dim: String, left: u64, right: u64 },
    #[error("{op} is not defined for {dtype}")]
    DType { op: String, dtype: DType },
    #[error("operands of {op} are {left} and {right}: cast one to the other first")]
    DTypeMismatch {
        op: String,
        left: DType,
        right: DType,
    },
    #[error("selection {selection} is outside of dim {dim:?} with {size} elements")]
    Selection {
        dim: String,
        selection: String,
        size: u64,
    },
    #[error("an array of the shape {shape:?} has more bytes than 64 bits can count")]
    Uncountable { shape: Vec<u64> },
    #[error("labels along {dim:?} cover {have} elements, the dim has {size}")]
    Labels { dim: String, have: u64, size: u64 },
    #[error(
        "an array in the plan has {bytes} bytes, {limit} at most travel with it: store it and open it instead"
    )]
    InlineTooLarge { bytes: u64, limit: u64 },
    #[error("{op} of no elements along {dim:?} has no value: numpy refuses it too")]
    EmptyReduction { op: String, dim: String },
    #[error(
        "the plan is {depth} operations deep, {limit} at most: compute an intermediate result first"
    )]
    TooDeep { depth: u32, limit: u32 },
    #[error("node {node} of the plan is malformed: {what}")]
    Malformed { node: u32, what: String },
}

/// Builds a plan node by node; equal nodes are one.
#[derive(Clone, Debug, Default)]
pub struct PlanBuilder {
    plan: Plan,
    metas: Vec<Meta>,
    known: HashMap<Node, NodeId>,
}

impl PlanBuilder {
    /// A builder that numbers these sources as they stand here.
    pub fn with_sources(sources: Vec<Source>) -> PlanBuilder {
        PlanBuilder {
            plan: Plan {
                sources,
                ..Plan::default()
            },
            ..PlanBuilder::default()
        }
    }

    /// Adds a stored array.
    pub fn source(&mut self, source: Source) -> Result<NodeId, PlanError> {
        let id = match self.plan.sources.iter().position(|s| *s == source) {
            Some(i) => SourceId(i as u32),
            None => {
                self.plan.sources.push(source);
                SourceId(self.plan.sources.len() as u32 - 1)
            }
        };
        self.add(Op::Source(id), &[])
    }

    /// Adds an operation, or finds the equal one that is there.
    pub fn add(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId, PlanError> {
        let node = Node {
            op,
            inputs: inputs.to_vec(),
        };
        if let Some(id) = self.known.get(&node) {
            return Ok(*id);
        }
        let metas: Vec<&Meta> = inputs.iter().map(|n| &self.metas[n.0 as usize]).collect();
        let meta = infer(&self.plan.sources, &node.op, &metas)?;
        let id = NodeId(self.plan.nodes.len() as u32);
        self.metas.push(meta);
        self.plan.nodes.push(node.clone());
        self.known.insert(node, id);
        Ok(id)
    }

    /// What is known of a node of this builder.
    pub fn meta(&self, id: NodeId) -> &Meta {
        &self.metas[id.0 as usize]
    }

    /// Names a result.
    pub fn output(&mut self, name: &str, node: NodeId) {
        self.plan.outputs.push(Output {
            name: name.to_owned(),
            node,
        });
    }

    /// The plan.
    pub fn finish(self) -> Plan {
        self.plan
    }
}
