//! Any plan comes back as it was, and whatever else comes is refused.

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
        (1u64..1000, vec(0u64..1000, 0..6)).prop_map(|(len, cuts)| Axis::from_bounds(len, cuts)),
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
    let ddof =
        any::<(bool, u32)>().prop_map(|(std, ddof)| if std { Std { ddof } } else { Var { ddof } });
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
