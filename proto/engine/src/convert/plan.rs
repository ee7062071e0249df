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

/// Elements must be countable, or arithmetic on them would wrap.
fn countable(what: &'static str, shape: &[u64]) -> Result<(), ConvertError> {
    let elements = shape
        .iter()
        .try_fold(8u64, |n, s| n.checked_mul(*s.max(&1)));
    elements.map(|_| ()).ok_or_else(|| {
        invalid(
            what,
            format!("the bytes of shape {shape:?} cannot be counted"),
        )
    })
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
    countable("source", &source.shape)?;
    countable("source", &source.chunks)?;
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
        Some(P::Inline(inline)) => {
            countable("inline array", &inline.shape)?;
            Op::Inline {
                dtype: dtype_from_proto(inline.dtype)?,
                dims: dims(inline.dims),
                shape: inline.shape,
                bytes: inline.values.into(),
            }
        }
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
    countable(
        "full array",
        &axes.iter().map(|a| a.len()).collect::<Vec<_>>(),
    )?;
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
mod tests {
    use super::*;
    use dasklike_graph::dtype::{DType, Lane, Scalar};
    use dasklike_graph::grid::Axis;
    use dasklike_graph::ops::{BinaryOp, UnaryOp};
    use dasklike_graph::reduce::ReduceOp;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use proptest::sample::select;
    use prost::Message;

    fn dtype() -> impl Strategy<Value = DType> {
        select(DType::ALL.to_vec())
    }

    fn scalar() -> impl Strategy<Value = Scalar> {
        let lane = select(vec![Lane::Bool, Lane::I64, Lane::U64, Lane::F32, Lane::F64]);
        (lane, any::<u64>()).prop_map(|(lane, bits)| Scalar::from_bits(lane, bits))
    }

    fn of_dtype() -> impl Strategy<Value = (DType, Scalar)> {
        (dtype(), any::<u64>()).prop_map(|(d, bits)| (d, Scalar::from_bits(d.lane(), bits)))
    }

    fn axis() -> impl Strategy<Value = Axis> {
        prop_oneof![
            (0u64..1000, 1u64..50).prop_map(|(len, size)| Axis::regular(len, size)),
            (1u64..1000, vec(0u64..1000, 0..6))
                .prop_map(|(len, cuts)| Axis::from_bounds(len, cuts)),
        ]
    }

    fn dim() -> impl Strategy<Value = Dim> {
        "[a-zä]{0,4}".prop_map(Dim::from)
    }

    fn take() -> impl Strategy<Value = Take> {
        prop_oneof![
            any::<u64>().prop_map(Take::Index),
            any::<(u64, i64, u64)>().prop_map(|(start, step, len)| Take::Slice(SliceSpec {
                start,
                step,
                len
            })),
        ]
    }

    fn labels() -> impl Strategy<Value = Labels> {
        (
            dim(),
            dim(),
            any::<u32>(),
            vec((any::<Option<u32>>(), 0u64..1 << 40), 0..5),
        )
            .prop_map(|(dim, group_dim, groups, runs)| Labels {
                dim,
                group_dim,
                groups,
                runs,
            })
    }

    fn reduce_op() -> impl Strategy<Value = ReduceOp> {
        use ReduceOp::*;
        let plain = select(vec![Count, Sum, Mean, Min, Max, Any, All]);
        let ddof = any::<(bool, u32)>()
            .prop_map(|(std, ddof)| if std { Std { ddof } } else { Var { ddof } });
        prop_oneof![plain, ddof]
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            any::<u32>().prop_map(|i| Op::Source(SourceId(i))),
            (of_dtype(), vec(dim(), 0..4), vec(axis(), 0..4)).prop_map(
                |((dtype, value), dims, axes)| Op::Full {
                    value,
                    dtype,
                    dims,
                    axes
                }
            ),
            (
                dtype(),
                vec(dim(), 0..4),
                vec(0u64..100, 0..4),
                vec(any::<u8>(), 0..40)
            )
                .prop_map(|(dtype, dims, shape, bytes)| Op::Inline {
                    dtype,
                    dims,
                    shape,
                    bytes: bytes.into()
                }),
            dtype().prop_map(Op::Cast),
            select(UnaryOp::ALL.to_vec()).prop_map(Op::Unary),
            select(BinaryOp::ALL.to_vec()).prop_map(Op::Binary),
            Just(Op::Where),
            vec(scalar(), 0..4).prop_map(Op::IsIn),
            vec((dim(), take()), 0..4).prop_map(Op::Select),
            (
                reduce_op(),
                vec(dim(), 0..3),
                any::<bool>(),
                proptest::option::of(labels())
            )
                .prop_map(|(op, dims, skipna, labels)| Op::Reduce {
                    op,
                    dims,
                    skipna,
                    labels
                }),
        ]
    }

    fn source() -> impl Strategy<Value = Source> {
        let names = (
            "[a-z/:.]{0,12}",
            btree_map("[a-z]{1,5}", ".{0,5}", 0..3),
            "[a-z/]{0,8}",
            ".{0,20}",
        );
        let shape = (
            vec(dim(), 0..4),
            vec(0u64..1 << 15, 0..4),
            vec(0u64..1 << 15, 0..4),
        );
        (names, of_dtype(), shape, any::<(u64, u64)>()).prop_map(
            |(
                (store, options, path, metadata),
                (dtype, fill),
                (dims, shape, chunks),
                (encoded_bound, decode_scratch),
            )| {
                Source {
                    store,
                    options,
                    path,
                    metadata,
                    dtype,
                    dims,
                    shape,
                    chunks,
                    fill,
                    encoded_bound,
                    decode_scratch,
                }
            },
        )
    }

    prop_compose! {
        fn plan()(
            sources in vec(source(), 0..3),
            nodes in vec((op(), vec(any::<u32>(), 0..4)), 0..8),
            outputs in vec((".{0,5}", any::<u32>()), 0..3),
        ) -> Plan {
            let node = |(op, inputs): (Op, Vec<u32>)| Node { op, inputs: inputs.into_iter().map(NodeId).collect() };
            Plan {
                sources,
                nodes: nodes.into_iter().map(node).collect(),
                outputs: outputs.into_iter().map(|(name, n)| Output { name, node: NodeId(n) }).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_plan_survives_the_wire(plan in plan()) {
            let bytes = plan_to_proto(&plan).encode_to_vec();
            let back = plan_from_proto(pb::Plan::decode(bytes.as_slice()).unwrap());
            prop_assert_eq!(back, Ok(plan));
        }

        /// Bytes from anywhere give a plan or an error, never a crash.
        #[test]
        fn any_bytes_are_refused_or_read(mut bytes in vec(any::<u8>(), 0..60), plan in plan(), at in any::<usize>()) {
            if let Ok(message) = pb::Plan::decode(bytes.as_slice()) {
                let _ = plan_from_proto(message);
            }
            let mut damaged = plan_to_proto(&plan).encode_to_vec();
            damaged.truncate(at % (damaged.len() + 1));
            damaged.append(&mut bytes);
            if let Ok(message) = pb::Plan::decode(damaged.as_slice()) {
                let _ = plan_from_proto(message);
            }
        }
    }

    #[test]
    fn an_unknown_operation_is_refused_by_name() {
        // Field 99 stands for an operation that a later version adds.
        let mut node = pb::Node {
            name: "median".into(),
            inputs: vec![0],
            op: None,
        }
        .encode_to_vec();
        node.extend_from_slice(&[0x9a, 0x06, 0x00]);
        let node = pb::Node::decode(node.as_slice()).unwrap();
        let plan = pb::Plan {
            plan_version: PLAN_VERSION,
            nodes: vec![node],
            ..pb::Plan::default()
        };
        let error = plan_from_proto(plan).unwrap_err().to_string();
        assert!(error.contains("\"median\""), "{error}");

        let node = pb::Node {
            name: "erfinv".into(),
            inputs: vec![0],
            op: Some(pb::node::Op::Unary(4000)),
        };
        let plan = pb::Plan {
            plan_version: PLAN_VERSION,
            nodes: vec![node],
            ..pb::Plan::default()
        };
        let error = plan_from_proto(plan).unwrap_err().to_string();
        assert!(error.contains("\"erfinv\""), "{error}");
    }

    #[test]
    fn another_plan_version_is_refused() {
        let plan = pb::Plan {
            plan_version: PLAN_VERSION + 1,
            ..pb::Plan::default()
        };
        assert_eq!(
            plan_from_proto(plan),
            Err(ConvertError::PlanVersion {
                theirs: PLAN_VERSION + 1,
                ours: PLAN_VERSION
            })
        );
    }
}
