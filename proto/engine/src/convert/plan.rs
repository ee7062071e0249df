//! The plan.

use super::common::{
    axis_from_proto, axis_to_proto, dtype_from_proto, dtype_to_proto, scalar_from_proto,
    scalar_to_proto,
};
use super::ops::{
    binary_from_proto, binary_to_proto, reduce_from_proto, reduce_to_proto, unary_from_proto,
    unary_to_proto,
};
use super::{ConvertError, invalid, need};
use crate::pb;
use dasklike_graph::plan::{
    Dim, Labels, Node, NodeId, Op, Output, PLAN_VERSION, Plan, SliceSpec, Source, SourceId, Take,
};

/// A plan as a message.
pub fn plan_to_proto(plan: &Plan) -> pb::Plan {
    pb::Plan {
        plan_version: PLAN_VERSION,
        sources: plan.sources.iter().map(source_to_proto).collect(),
        nodes: plan.nodes.iter().map(node_to_proto).collect(),
        outputs: plan
            .outputs
            .iter()
            .map(|o| pb::Output {
                name: o.name.clone(),
                node: o.node.0,
            })
            .collect(),
    }
}

/// The plan of a message. It is well formed, but whether it makes sense is for `graph::plan::check`.
pub fn plan_from_proto(plan: pb::Plan) -> Result<Plan, ConvertError> {
    if plan.plan_version != PLAN_VERSION {
        return Err(ConvertError::PlanVersion {
            theirs: plan.plan_version,
            ours: PLAN_VERSION,
        });
    }
    Ok(Plan {
        sources: plan
            .sources
            .into_iter()
            .map(source_from_proto)
            .collect::<Result<_, _>>()?,
        nodes: plan
            .nodes
            .into_iter()
            .map(node_from_proto)
            .collect::<Result<_, _>>()?,
        outputs: plan
            .outputs
            .into_iter()
            .map(|o| Output {
                name: o.name,
                node: NodeId(o.node),
            })
            .collect(),
    })
}

fn names(dims: &[Dim]) -> Vec<String> {
    dims.iter().map(|d| d.to_string()).collect()
}

fn dims(names: Vec<String>) -> Vec<Dim> {
    names.into_iter().map(Dim::from).collect()
}

fn source_to_proto(source: &Source) -> pb::Source {
    pb::Source {
        store: source.store.clone(),
        options: source.options.clone(),
        path: source.path.clone(),
        metadata: source.metadata.clone(),
        dtype: dtype_to_proto(source.dtype),
        dims: names(&source.dims),
        shape: source.shape.clone(),
        chunks: source.chunks.clone(),
        fill: Some(scalar_to_proto(source.fill)),
        encoded_bound: source.encoded_bound,
        decode_scratch: source.decode_scratch,
    }
}

fn source_from_proto(source: pb::Source) -> Result<Source, ConvertError> {
    let dtype = dtype_from_proto(source.dtype)?;
    let fill = scalar_from_proto(&need(source.fill, "fill value")?)?;
    if fill.lane() != dtype.lane() {
        return Err(invalid("fill value", format!("{fill:?} is no {dtype}")));
    }
    Ok(Source {
        store: source.store,
        options: source.options,
        path: source.path,
        metadata: source.metadata,
        dtype,
        dims: dims(source.dims),
        shape: source.shape,
        chunks: source.chunks,
        fill,
        encoded_bound: source.encoded_bound,
        decode_scratch: source.decode_scratch,
    })
}

fn node_to_proto(node: &Node) -> pb::Node {
    use pb::node::Op as P;
    let named = |name: &str, op: P| (name.to_owned(), op);
    let numbered =
        |name: &str, prefix: &str, op: P| (name.trim_start_matches(prefix).to_lowercase(), op);
    let (name, op) = match &node.op {
        Op::Source(id) => named("source", P::Source(id.0)),
        Op::Full {
            value,
            dtype,
            dims,
            axes,
        } => {
            let full = pb::Full {
                value: Some(scalar_to_proto(*value)),
                dtype: dtype_to_proto(*dtype),
                dims: names(dims),
                axes: axes.iter().map(axis_to_proto).collect(),
            };
            named("full", P::Full(full))
        }
        Op::Inline {
            dtype,
            dims,
            shape,
            bytes,
        } => {
            let inline = pb::Inline {
                dtype: dtype_to_proto(*dtype),
                dims: names(dims),
                shape: shape.clone(),
                values: bytes.to_vec(),
            };
            named("inline", P::Inline(inline))
        }
        Op::Cast(dtype) => named("cast", P::Cast(dtype_to_proto(*dtype))),
        Op::Unary(op) => {
            let op = unary_to_proto(*op);
            numbered(op.as_str_name(), "UNARY_OP_", P::Unary(op as i32))
        }
        Op::Binary(op) => {
            let op = binary_to_proto(*op);
            numbered(op.as_str_name(), "BINARY_OP_", P::Binary(op as i32))
        }
        Op::Where => named("where", P::Where(pb::Where {})),
        Op::IsIn(values) => named(
            "isin",
            P::Isin(pb::IsIn {
                values: values.iter().map(|v| scalar_to_proto(*v)).collect(),
            }),
        ),
        Op::Select(takes) => named(
            "select",
            P::Select(pb::Select {
                takes: takes.iter().map(take_to_proto).collect(),
            }),
        ),
        Op::Reduce {
            op,
            dims,
            skipna,
            labels,
        } => {
            let (kind, ddof) = reduce_to_proto(*op);
            let reduce = pb::Reduce {
                op: kind as i32,
                ddof,
                dims: names(dims),
                skipna: *skipna,
                labels: labels.as_ref().map(labels_to_proto),
            };
            named(op.name(), P::Reduce(reduce))
        }
    };
    pb::Node {
        name,
        inputs: node.inputs.iter().map(|n| n.0).collect(),
        op: Some(op),
    }
}

fn node_from_proto(node: pb::Node) -> Result<Node, ConvertError> {
    use pb::node::Op as P;
    let name = &node.name;
    let op = match node.op {
        // An operation of a later version is a field that this one has no number for.
        None => return Err(ConvertError::UnknownOperation { name: node.name }),
        Some(P::Source(id)) => Op::Source(SourceId(id)),
        Some(P::Full(full)) => full_from_proto(full)?,
        Some(P::Inline(inline)) => Op::Inline {
            dtype: dtype_from_proto(inline.dtype)?,
            dims: dims(inline.dims),
            shape: inline.shape,
            bytes: inline.values.into(),
        },
        Some(P::Cast(dtype)) => Op::Cast(dtype_from_proto(dtype)?),
        Some(P::Unary(op)) => Op::Unary(unary_from_proto(op, name)?),
        Some(P::Binary(op)) => Op::Binary(binary_from_proto(op, name)?),
        Some(P::Where(pb::Where {})) => Op::Where,
        Some(P::Isin(isin)) => Op::IsIn(
            isin.values
                .iter()
                .map(scalar_from_proto)
                .collect::<Result<_, _>>()?,
        ),
        Some(P::Select(select)) => Op::Select(
            select
                .takes
                .into_iter()
                .map(take_from_proto)
                .collect::<Result<_, _>>()?,
        ),
        Some(P::Reduce(reduce)) => Op::Reduce {
            op: reduce_from_proto(reduce.op, reduce.ddof, name)?,
            dims: dims(reduce.dims),
            skipna: reduce.skipna,
            labels: reduce.labels.map(labels_from_proto).transpose()?,
        },
    };
    Ok(Node {
        op,
        inputs: node.inputs.into_iter().map(NodeId).collect(),
    })
}

fn full_from_proto(full: pb::Full) -> Result<Op, ConvertError> {
    let axes = full
        .axes
        .into_iter()
        .map(axis_from_proto)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Op::Full {
        value: scalar_from_proto(&need(full.value, "value of a full array")?)?,
        dtype: dtype_from_proto(full.dtype)?,
        dims: dims(full.dims),
        axes,
    })
}

fn take_to_proto((dim, take): &(Dim, Take)) -> pb::select::Take {
    use pb::select::{Slice, take};
    let take = match take {
        Take::Index(i) => take::Take::Index(*i),
        Take::Slice(s) => take::Take::Slice(Slice {
            start: s.start,
            step: s.step,
            len: s.len,
        }),
    };
    pb::select::Take {
        dim: dim.to_string(),
        take: Some(take),
    }
}

fn take_from_proto(take: pb::select::Take) -> Result<(Dim, Take), ConvertError> {
    use pb::select::take;
    let dim = Dim::from(take.dim);
    Ok(match need(take.take, "selection")? {
        take::Take::Index(i) => (dim, Take::Index(i)),
        take::Take::Slice(s) => (
            dim,
            Take::Slice(SliceSpec {
                start: s.start,
                step: s.step,
                len: s.len,
            }),
        ),
    })
}

fn labels_to_proto(labels: &Labels) -> pb::Labels {
    pb::Labels {
        dim: labels.dim.to_string(),
        group_dim: labels.group_dim.to_string(),
        groups: labels.groups,
        runs: labels
            .runs
            .iter()
            .map(|(group, len)| pb::labels::Run {
                group: *group,
                len: *len,
            })
            .collect(),
    }
}

fn labels_from_proto(labels: pb::Labels) -> Result<Labels, ConvertError> {
    let total = labels
        .runs
        .iter()
        .try_fold(0u64, |n, r| n.checked_add(r.len));
    total.ok_or_else(|| invalid("labels", "their lengths cannot be added"))?;
    Ok(Labels {
        dim: labels.dim.into(),
        group_dim: labels.group_dim.into(),
        groups: labels.groups,
        runs: labels.runs.into_iter().map(|r| (r.group, r.len)).collect(),
    })
}

#[cfg(test)]
mod tests;
