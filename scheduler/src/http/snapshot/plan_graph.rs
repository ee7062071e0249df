//! The plan as the dashboard draws it.

use serde::Serialize;

/// The plan as a picture: nodes in layers are laid out by the page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlanGraph {
    /// The nodes; an edge names them by `id`.
    pub nodes: Vec<PlanNode>,
    /// `(from, to)`, the way of the data.
    pub edges: Vec<(u32, u32)>,
    /// What each pass evaluates, as text.
    pub formulas: Vec<PassFormula>,
    /// What lowering did, in words.
    pub notes: Vec<String>,
}

/// What one fused pass evaluates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassFormula {
    /// The stage's number.
    pub stage: u32,
    /// One assignment a line.
    pub lines: Vec<String>,
    /// What leaves the pass, such as `mean of x over y, x`.
    pub results: Vec<String>,
}

/// A node of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanNode {
    /// Its number.
    pub id: u32,
    /// A short first line: the operation.
    pub label: String,
    /// More, such as dtype and shape; may be empty.
    pub detail: String,
    /// Which colour it has.
    pub kind: PlanNodeKind,
    /// The stage that computes it, if it is known.
    pub stage: Option<u32>,
}

/// The kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum PlanNodeKind {
    Source,
    Fused,
    Reduce,
    Output,
}
