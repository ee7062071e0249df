//! A plan's picture: that of EXPLAIN, and the same formulas.

use crate::http::snapshot::{PassFormula, PlanGraph, PlanNode, PlanNodeKind};
use dasklike_graph::explain::{Explanation, StageExplanation};
use dasklike_graph::picture::{PictureKind, picture};

pub(super) fn graph(explanation: &Explanation) -> PlanGraph {
    let drawn = picture(explanation);
    let node = |(id, n): (usize, dasklike_graph::picture::PictureNode)| PlanNode {
        id: id as u32,
        label: n.label,
        detail: n.detail,
        kind: match n.kind {
            PictureKind::Source => PlanNodeKind::Source,
            PictureKind::Fused => PlanNodeKind::Fused,
            PictureKind::Reduce => PlanNodeKind::Reduce,
            PictureKind::Output => PlanNodeKind::Output,
        },
        stage: n.stage,
    };
    let formulas = explanation.stages.iter().flat_map(|s| {
        s.passes.iter().map(|p| PassFormula {
            stage: s.stage,
            lines: p.formula.clone(),
            results: p.results.clone(),
        })
    });
    PlanGraph {
        nodes: drawn.nodes.into_iter().enumerate().map(node).collect(),
        edges: drawn.edges,
        formulas: formulas.collect(),
        notes: explanation.notes.clone(),
    }
}

/// What a stage reads and leaves, in a few words.
pub(super) fn stage_name(stage: &StageExplanation) -> String {
    let mut reads: Vec<&str> = Vec::new();
    for input in stage
        .passes
        .iter()
        .flat_map(|p| &p.inputs)
        .filter(|i| i.source.is_some())
    {
        if !reads.contains(&input.name.as_str()) {
            reads.push(&input.name);
        }
    }
    let results: Vec<&str> = stage
        .passes
        .iter()
        .flat_map(|p| &p.results)
        .map(String::as_str)
        .collect();
    let results = results.join("; ");
    if reads.is_empty() {
        results
    } else {
        format!("read {}; {results}", reads.join(", "))
    }
}
