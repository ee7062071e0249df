//! Pushes selections through elementwise operations and reductions down to the arrays they select from, so
//! that chunks outside of a selection are never read. Drops casts to the same dtype. Equal nodes become one
//! ([`PlanBuilder`] does that). No rewrite changes a value.

use crate::grid::Axis;
use crate::plan::{Dim, Meta, NodeId, Op, Plan, PlanBuilder, PlanError, SliceSpec, Take};
use std::collections::HashMap;

type Takes = Vec<(Dim, Take)>;

struct Simplifier<'a> {
    plan: &'a Plan,
    metas: &'a [Meta],
    builder: PlanBuilder,
    done: HashMap<(NodeId, Takes), NodeId>,
    pushed: usize,
}

/// The plan with selections at its leaves. Only groups are selected after their reduction.
pub(super) fn simplify(
    plan: &Plan,
    metas: &[Meta],
    notes: &mut Vec<String>,
) -> Result<Plan, PlanError> {
    // Stages name sources by the numbers of the plan as it was sent.
    let builder = PlanBuilder::with_sources(plan.sources.clone());
    let mut s = Simplifier {
        plan,
        metas,
        builder,
        done: HashMap::new(),
        pushed: 0,
    };
    for output in &plan.outputs {
        let node = s.rewrite(output.node, Vec::new())?;
        s.builder.output(&output.name, node);
    }
    if s.pushed > 0 {
        let what = if s.pushed == 1 {
            "operation"
        } else {
            "operations"
        };
        notes.push(format!(
            "selections pushed down to the reads through {} {what}",
            s.pushed
        ));
    }
    Ok(s.builder.finish())
}

impl Simplifier<'_> {
    /// The node with `takes` applied to its result.
    fn rewrite(&mut self, id: NodeId, takes: Takes) -> Result<NodeId, PlanError> {
        let key = (id, takes);
        if let Some(done) = self.done.get(&key) {
            return Ok(*done);
        }
        let new = self.rewrite_new(id, &key.1)?;
        self.done.insert(key, new);
        Ok(new)
    }

    fn rewrite_new(&mut self, id: NodeId, takes: &Takes) -> Result<NodeId, PlanError> {
        let node = &self.plan.nodes[id.0 as usize];
        match &node.op {
            Op::Source(source) => {
                let leaf = self
                    .builder
                    .source(self.plan.sources[source.0 as usize].clone())?;
                self.select(leaf, takes)
            }
            Op::Full {
                value,
                dtype,
                dims,
                axes,
            } => {
                let mut kept = (Vec::new(), Vec::new());
                for (dim, axis) in dims.iter().zip(axes) {
                    match takes.iter().find(|t| t.0 == *dim).map(|t| &t.1) {
                        None => kept.1.push(axis.clone()),
                        Some(Take::Slice(s)) => kept.1.push(slice_axis(axis, s)),
                        Some(Take::Index(_)) => continue,
                    }
                    kept.0.push(dim.clone());
                }
                let op = Op::Full {
                    value: *value,
                    dtype: *dtype,
                    dims: kept.0,
                    axes: kept.1,
                };
                self.builder.add(op, &[])
            }
            Op::Inline { .. } => {
                let leaf = self.builder.add(node.op.clone(), &[])?;
                self.select(leaf, takes)
            }
            Op::Select(inner) => {
                let input = node.inputs[0];
                let composed = compose(inner, takes);
                self.rewrite(input, composed)
            }
            Op::Cast(dtype) if self.metas[node.inputs[0].0 as usize].dtype == *dtype => {
                self.rewrite(node.inputs[0], takes.clone())
            }
            Op::Reduce {
                op,
                dims,
                skipna,
                labels,
            } => {
                let group = labels.as_ref().map(|l| l.group_dim.clone());
                let (above, below): (Takes, Takes) = takes
                    .iter()
                    .cloned()
                    .partition(|(d, _)| Some(d) == group.as_ref());
                self.pushed += usize::from(!below.is_empty());
                let input = self.rewrite(node.inputs[0], below)?;
                let op = Op::Reduce {
                    op: *op,
                    dims: dims.clone(),
                    skipna: *skipna,
                    labels: labels.clone(),
                };
                let reduced = self.builder.add(op, &[input])?;
                self.select(reduced, &above)
            }
            elementwise => {
                self.pushed += usize::from(!takes.is_empty());
                let mut inputs = Vec::with_capacity(node.inputs.len());
                for input in &node.inputs {
                    let has = &self.metas[input.0 as usize].dims;
                    let theirs = takes
                        .iter()
                        .filter(|(d, _)| has.contains(d))
                        .cloned()
                        .collect();
                    inputs.push(self.rewrite(*input, theirs)?);
                }
                self.builder.add(elementwise.clone(), &inputs)
            }
        }
    }

    fn select(&mut self, node: NodeId, takes: &Takes) -> Result<NodeId, PlanError> {
        if takes.is_empty() {
            Ok(node)
        } else {
            self.builder.add(Op::Select(takes.clone()), &[node])
        }
    }
}

fn slice_axis(axis: &Axis, s: &SliceSpec) -> Axis {
    if s.len == 0 {
        Axis::whole(0)
    } else {
        axis.view(s.start, s.step, s.len)
    }
}

/// `outer` applied to the result of `inner`, as one selection of `inner`'s array.
fn compose(inner: &[(Dim, Take)], outer: &[(Dim, Take)]) -> Takes {
    let mut takes: Takes = Vec::new();
    for (dim, take) in inner {
        let further = outer.iter().find(|t| t.0 == *dim).map(|t| &t.1);
        let both = match (take, further) {
            // The dim is gone, so nothing can select from it further; a dim of that name in `outer` belongs to
            // nobody, which the plan's check has refused.
            (Take::Index(i), _) => Take::Index(*i),
            (Take::Slice(s), None) => Take::Slice(*s),
            (Take::Slice(s), Some(Take::Index(i))) => Take::Index(at(s, *i)),
            (Take::Slice(s), Some(Take::Slice(t))) => {
                let start = if t.len == 0 { 0 } else { at(s, t.start) };
                Take::Slice(SliceSpec {
                    start,
                    step: s.step * t.step,
                    len: t.len,
                })
            }
        };
        takes.push((dim.clone(), both));
    }
    takes.extend(
        outer
            .iter()
            .filter(|(d, _)| !inner.iter().any(|t| t.0 == *d))
            .cloned(),
    );
    takes.sort_by(|a, b| a.0.cmp(&b.0));
    takes
}

fn at(s: &SliceSpec, i: u64) -> u64 {
    (s.start as i64 + s.step * i as i64) as u64
}
