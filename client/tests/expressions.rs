//! Expressions: broadcasting, coordinates, errors that travel, and the plans they become.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::DataArray;
use dasklike::array::{ArrayError, plan, where_};
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::plan::{Dim, Labels, Meta, Op, PlanError, infer};
use dasklike_graph::reduce::ReduceOp;

fn cube() -> DataArray {
    DataArray::ones(DType::F64, &[("time", 3, 1), ("y", 4, 2), ("x", 5, 5)]).rename("cube")
}

fn dims(array: &DataArray) -> Vec<String> {
    array.check().unwrap();
    array.dims().iter().map(ToString::to_string).collect()
}

#[test]
fn arrays_broadcast_by_the_names_of_their_dims() {
    let plane = DataArray::ones(DType::F64, &[("y", 4, 4), ("x", 5, 5)]);
    assert_eq!(dims(&(cube() + &plane)), ["time", "y", "x"]);
    assert_eq!(dims(&(&plane + cube())), ["y", "x", "time"]);
    // The dims of the array come first, not those of the condition.
    let mask = DataArray::ones(DType::Bool, &[("y", 4, 4), ("x", 5, 5)]);
    assert_eq!(dims(&cube().where_(&mask)), ["time", "y", "x"]);
    assert_eq!(dims(&cube().where_else(&mask, 0)), ["time", "y", "x"]);
    assert_eq!(dims(&where_(&mask, cube(), 0)), ["y", "x", "time"]);
}

#[test]
fn the_first_error_is_reported_at_the_end() {
    let small = DataArray::ones(DType::F64, &[("y", 3, 3)]);
    let sum = ((cube() + &small) * 2 + &small.sum("nothing")).mean("time");
    assert!(sum.dims().is_empty());
    let expected = PlanError::ShapeMismatch {
        dim: "y".into(),
        left: 4,
        right: 3,
    };
    assert_eq!(plan([&sum]).unwrap_err(), ArrayError::Plan(expected));
    assert_eq!(plan([]).unwrap_err(), ArrayError::NoOutputs);
    let message = cube().mean("t").check().unwrap_err().to_string();
    assert!(
        message.contains("\"t\"") && message.contains("time, y, x"),
        "{message}"
    );
}

#[test]
fn arrays_that_cannot_be_counted_are_refused() {
    let long = |dim| DataArray::ones(DType::U8, &[(dim, 1 << 40, 1 << 20)]);
    let message = (long("y") * long("x")).check().unwrap_err().to_string();
    assert!(message.contains("1099511627776"), "{message}");
    // Groups, of which a client may claim more than there are elements, count too.
    let (t, y) = (Dim::from("t"), Dim::from("y"));
    let grouped = Op::Reduce {
        op: ReduceOp::Count,
        dims: vec![t.clone()],
        skipna: true,
        labels: Some(Labels {
            dim: t.clone(),
            group_dim: "group".into(),
            groups: u32::MAX,
            runs: vec![(Some(0), 2)],
        }),
    };
    let two = Meta {
        dtype: DType::U8,
        dims: vec![t, y],
        shape: vec![2, 1 << 59],
    };
    let refused = infer(&[], &grouped, &[&two]).unwrap_err();
    assert!(
        matches!(refused, PlanError::Uncountable { .. }),
        "{refused}"
    );
    let part = long("y") * long("x").isel("x", ..8).unwrap();
    assert_eq!(part.shape(), [1 << 40, 8]);
}

#[test]
fn other_labels_are_refused_and_the_way_out_works() {
    let at = |labels: [f64; 4]| {
        DataArray::ones(DType::F64, &[("y", 4, 4)])
            .with_coord("y", labels.to_vec().into())
            .unwrap()
    };
    let (a, b) = (at([1.0, 2.0, 3.0, 4.0]), at([1.0, 2.0, 3.5, 4.0]));
    let message = (&a + &b).check().unwrap_err().to_string();
    assert!(
        message.contains("\"y\"") && message.contains("label 2 is 3 and 3.5"),
        "{message}"
    );
    assert!((&a + b.without_coord("y")).check().is_ok());
    assert!((&a + &a).coord("y").is_some());
    assert!(a.with_coord("y", vec![1.0].into()).is_err());
}

#[test]
fn equal_expressions_become_one_node() {
    let (a, b) = (cube(), cube());
    let (x, y) = ((&a + 1) * 2, (&b + 1) * 3);
    // Full, 1, +, 2, *, 3, *
    assert_eq!(plan([&x, &y]).unwrap().nodes.len(), 7);
    let names: Vec<String> = plan([&x, &y.sum(..).rename("total")])
        .unwrap()
        .outputs
        .into_iter()
        .map(|o| o.name)
        .collect();
    assert_eq!(names, ["cube", "total"]);
}

#[test]
fn isin_keeps_only_values_that_the_dtype_has() {
    let of = |dtype: DType, values: &[f64]| {
        let found = DataArray::ones(dtype, &[("x", 1, 1)]).isin(values.iter().copied());
        let Some(Op::IsIn(values)) = plan([&found]).unwrap().nodes.pop().map(|n| n.op) else {
            panic!("no isin")
        };
        values
    };
    assert_eq!(
        of(DType::U8, &[7.0, 4.0, 2.5, 300.0, -1.0, 4.0]),
        [Scalar::U64(4), Scalar::U64(7)]
    );
    assert_eq!(of(DType::F32, &[0.5, 0.1, f64::NAN]), [Scalar::F32(0.5)]);
    assert_eq!(of(DType::Bool, &[1.0, 2.0]), [Scalar::Bool(true)]);
}

#[test]
fn names_and_attributes_survive_where_all_agree() {
    let a = cube();
    assert_eq!((&a + 1).name(), Some("cube"));
    assert_eq!((&a + a.rename("other")).name(), None);
    assert_eq!(a.mean("time").name(), Some("cube"));
}

#[test]
fn truth_is_not_zero() {
    let any = plan([&cube().any(..)]).unwrap();
    assert!(
        any.nodes
            .iter()
            .any(|n| n.op == Op::Binary(dasklike_graph::ops::BinaryOp::Ne))
    );
}
