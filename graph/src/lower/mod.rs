//! Lowering: from a plan to stages.

use crate::plan::{Dim, Plan, PlanError};
use crate::stage::Lowered;

/// What lowering must fit into. The same plan and budget give the same stages everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most bytes that one task may hold at once.
    pub task_bytes: u64,
    /// Tile sizes the user asked for, by dim; the planner chooses for the others.
    pub chunks: Vec<(Dim, u64)>,
}

/// Why a plan has no stages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum LowerError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("a task of this plan needs {needed} bytes, a worker's slot may hold {allowed}: {help}")]
    Memory { needed: u64, allowed: u64, help: String },
    #[error("{0}")]
    Unsupported(String),
}

/// Lowers a plan.
pub fn lower(plan: &Plan, budget: &Budget) -> Result<Lowered, LowerError> {
    let _ = (crate::plan::check(plan)?, budget);
    Err(LowerError::Unsupported("lowering is not written yet".into()))
}
