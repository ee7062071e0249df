//! The plan as a picture: what is read, the fused passes, the reductions and the outputs, left to right.

use crate::explain::{Explanation, human_bytes};
use serde::Serialize;
use std::fmt::Write;

/// Nodes and the way of the data between them. Edges name nodes by their place in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Picture {
    pub nodes: Vec<PictureNode>,
    pub edges: Vec<(u32, u32)>,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct PictureNode {
    pub label: String,
    pub detail: String,
    pub kind: PictureKind,
    pub stage: Option<u32>,
    /// Columns to the right of the sources.
    pub layer: u32,
}

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum PictureKind {
    Source,
    Fused,
    Reduce,
    Output,
}

/// Draws an explanation.
pub fn picture(explanation: &Explanation) -> Picture {
    let mut p = Picture::default();
    let mut sources: Vec<(u32, u32)> = Vec::new();
    let outputs: Vec<u32> = explanation
        .outputs
        .iter()
        .map(|o| {
            let dims: Vec<String> = o.dims.iter().map(|(d, n)| format!("{d} {n}")).collect();
            let detail = format!("{} {}", o.dtype, dims.join(" x "));
            p.add(PictureNode {
                label: o.name.clone(),
                detail,
                kind: PictureKind::Output,
                stage: None,
                layer: 0,
            })
        })
        .collect();
    let mut last_of_stage: Vec<Vec<u32>> = Vec::new();
    let mut layer = 0;
    for stage in &explanation.stages {
        let mut before: Vec<u32> = stage
            .after
            .iter()
            .flat_map(|s| last_of_stage[*s as usize].iter().copied())
            .collect();
        for pass in &stage.passes {
            let fused = p.add(PictureNode {
                label: format!("fused: {} operations", pass.operations),
                detail: format!("{} tasks", stage.tasks),
                kind: PictureKind::Fused,
                stage: Some(stage.stage),
                layer: layer + 1,
            });
            for input in &pass.inputs {
                let Some(source) = input.source else { continue };
                let node = match sources.iter().find(|s| s.0 == source) {
                    Some((_, node)) => *node,
                    None => {
                        let detail = format!(
                            "{}, {} of {} chunks, {}",
                            input.dtype,
                            input.chunks_read,
                            input.chunks_stored,
                            human_bytes(input.decoded_bytes)
                        );
                        let node = p.add(PictureNode {
                            label: input.name.clone(),
                            detail,
                            kind: PictureKind::Source,
                            stage: None,
                            layer,
                        });
                        sources.push((source, node));
                        node
                    }
                };
                p.edges.push((node, fused));
            }
            p.edges.extend(before.iter().map(|b| (*b, fused)));
            before.clear();
            for (result, to) in pass.results.iter().zip(&pass.outputs) {
                let reduce = p.add(PictureNode {
                    label: result.clone(),
                    detail: String::new(),
                    kind: PictureKind::Reduce,
                    stage: Some(stage.stage),
                    layer: layer + 2,
                });
                p.edges.push((fused, reduce));
                p.edges
                    .extend(to.iter().map(|o| (reduce, outputs[*o as usize])));
                before.push(reduce);
            }
            layer += 2;
        }
        last_of_stage.push(before);
    }
    for output in outputs {
        p.nodes[output as usize].layer = layer + 1;
    }
    p
}

const BOX: (u32, u32) = (250, 46);
const GAP: (u32, u32) = (60, 16);

impl Picture {
    fn add(&mut self, node: PictureNode) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// The picture as a self-contained SVG that follows the reader's light or dark colours.
    pub fn to_svg(&self) -> String {
        let layers = self.nodes.iter().map(|n| n.layer).max().unwrap_or(0) + 1;
        let mut rows = vec![0u32; layers as usize];
        let place: Vec<(u32, u32)> = self
            .nodes
            .iter()
            .map(|n| {
                let row = &mut rows[n.layer as usize];
                *row += 1;
                (
                    20 + n.layer * (BOX.0 + GAP.0),
                    20 + (*row - 1) * (BOX.1 + GAP.1),
                )
            })
            .collect();
        let width = 40 + layers * (BOX.0 + GAP.0) - GAP.0;
        let height = 40 + rows.iter().max().unwrap_or(&1) * (BOX.1 + GAP.1) - GAP.1;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n{STYLE}"
        );
        for (from, to) in &self.edges {
            let ((x0, y0), (x1, y1)) = (place[*from as usize], place[*to as usize]);
            let (x0, y0, y1) = (x0 + BOX.0, y0 + BOX.1 / 2, y1 + BOX.1 / 2);
            let middle = (x0 + x1) / 2;
            let _ = writeln!(
                svg,
                "<path class=\"edge\" d=\"M{x0} {y0}C{middle} {y0} {middle} {y1} {x1} {y1}\"/>"
            );
        }
        for (node, (x, y)) in self.nodes.iter().zip(&place) {
            let kind = format!("{:?}", node.kind).to_lowercase();
            let (label, detail) = (escape(&node.label), escape(&node.detail));
            let (tx, ty, dy) = (x + 10, y + if detail.is_empty() { 27 } else { 19 }, y + 36);
            let _ = writeln!(
                svg,
                "<g><title>{label} {detail}</title><rect class=\"{kind}\" x=\"{x}\" y=\"{y}\" width=\"{}\" \
                 height=\"{}\" rx=\"6\"/><text x=\"{tx}\" y=\"{ty}\">{}</text>\
                 <text class=\"detail\" x=\"{tx}\" y=\"{dy}\">{}</text></g>",
                BOX.0,
                BOX.1,
                escape(&shorten(&node.label, 36)),
                escape(&shorten(&node.detail, 40)),
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

const STYLE: &str = "<style>text{fill:#1b1f24}.detail{fill:#59636e}.edge{fill:none;stroke:#8c959f}\
rect{fill:#fff;stroke-width:1.5}.source{stroke:#0072b2}.fused{stroke:#e69f00}.reduce{stroke:#009e73}\
.output{stroke:#cc79a7}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.detail{fill:#9198a1}\
rect{fill:#161b22}}</style>\n";

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
