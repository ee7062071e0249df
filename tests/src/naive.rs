//! What a plan means, computed the slow way: whole arrays of [`Scalar`]s on `ndarray`, one operation after the
//! other, with the arithmetic written out per dtype. It shares no code with lowering or the evaluator.

mod scalars;

use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::ops::BinaryOp;
use dasklike_graph::plan::{Dim, Labels, NodeId, Op, Plan, SourceId, Take};
use dasklike_graph::reduce::ReduceOp;
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use scalars::{binary, unary};

/// An array with named dims.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Naive {
    pub dims: Vec<Dim>,
    pub dtype: DType,
    pub values: ArrayD<Scalar>,
}

/// The arrays of a plan's outputs. `sources` gives the stored arrays.
pub fn evaluate(plan: &Plan, sources: &dyn Fn(SourceId) -> Naive) -> Vec<Naive> {
    let mut done: Vec<Naive> = Vec::new();
    for node in &plan.nodes {
        let inputs: Vec<&Naive> = node
            .inputs
            .iter()
            .map(|NodeId(n)| &done[*n as usize])
            .collect();
        let next = operation(&node.op, &inputs, sources);
        done.push(next);
    }
    plan.outputs
        .iter()
        .map(|o| done[o.node.0 as usize].clone())
        .collect()
}

fn operation(op: &Op, inputs: &[&Naive], sources: &dyn Fn(SourceId) -> Naive) -> Naive {
    match op {
        Op::Source(id) => sources(*id),
        Op::Full {
            value,
            dtype,
            dims,
            axes,
        } => {
            let shape: Vec<usize> = axes.iter().map(|a| a.len() as usize).collect();
            Naive {
                dims: dims.clone(),
                dtype: *dtype,
                values: ArrayD::from_elem(shape, *value),
            }
        }
        Op::Inline {
            dtype,
            dims,
            shape,
            bytes,
        } => {
            let shape: Vec<usize> = shape.iter().map(|n| *n as usize).collect();
            let elements = bytes
                .chunks_exact(dtype.size())
                .map(|b| Scalar::from_le_bytes(*dtype, b));
            let values = ArrayD::from_shape_vec(shape, elements.collect()).unwrap();
            Naive {
                dims: dims.clone(),
                dtype: *dtype,
                values,
            }
        }
        Op::Cast(dtype) => elementwise(inputs, *dtype, |v| v[0].cast(*dtype)),
        Op::Unary(u) => {
            let of = inputs[0].dtype;
            elementwise(inputs, u.result(of).unwrap(), |v| unary(*u, of, v[0]))
        }
        Op::Binary(b) => {
            let of = inputs[0].dtype;
            elementwise(inputs, b.result(of).unwrap(), |v| {
                binary(*b, of, v[0], v[1])
            })
        }
        Op::Where => elementwise(inputs, inputs[1].dtype, |v| {
            if v[0] == Scalar::Bool(true) {
                v[1]
            } else {
                v[2]
            }
        }),
        Op::IsIn(values) => {
            let is = |v: Scalar| values.iter().any(|x| same(v, *x));
            elementwise(inputs, DType::Bool, |v| Scalar::Bool(is(v[0])))
        }
        Op::Select(takes) => select(inputs[0], takes),
        Op::Reduce {
            op,
            dims,
            skipna,
            labels,
        } => reduce(inputs[0], *op, dims, *skipna, labels.as_ref()),
    }
}

/// Equal as numbers: NaN is not equal to itself, and zeros are equal.
fn same(a: Scalar, b: Scalar) -> bool {
    match (a, b) {
        (Scalar::F32(a), Scalar::F32(b)) => a == b,
        (Scalar::F64(a), Scalar::F64(b)) => a == b,
        _ => a == b,
    }
}

fn elementwise(inputs: &[&Naive], dtype: DType, f: impl Fn(&[Scalar]) -> Scalar) -> Naive {
    let mut dims: Vec<Dim> = Vec::new();
    let mut shape = Vec::new();
    for input in inputs {
        for (d, dim) in input.dims.iter().enumerate() {
            if !dims.contains(dim) {
                dims.push(dim.clone());
                shape.push(input.values.shape()[d]);
            }
        }
    }
    let values = ArrayD::from_shape_fn(IxDyn(&shape), |at| {
        let operands: Vec<Scalar> = inputs
            .iter()
            .map(|input| {
                let place = |dim: &Dim| at[dims.iter().position(|d| d == dim).unwrap()];
                let index: Vec<usize> = input.dims.iter().map(place).collect();
                input.values[IxDyn(&index)]
            })
            .collect();
        f(&operands)
    });
    Naive {
        dims,
        dtype,
        values,
    }
}

fn select(input: &Naive, takes: &[(Dim, Take)]) -> Naive {
    let mut out = input.clone();
    for (dim, take) in takes {
        let axis = out.dims.iter().position(|d| d == dim).unwrap();
        match take {
            Take::Index(i) => {
                out.values = out.values.index_axis(Axis(axis), *i as usize).to_owned();
                out.dims.remove(axis);
            }
            Take::Slice(s) if s.len == 0 => {
                out.values = out
                    .values
                    .slice_axis(Axis(axis), Slice::from(0..0))
                    .to_owned();
            }
            Take::Slice(s) => {
                let at: Vec<usize> = (0..s.len as i64)
                    .map(|i| (s.start as i64 + s.step * i) as usize)
                    .collect();
                out.values = out.values.select(Axis(axis), &at);
            }
        }
    }
    out
}

fn reduce(
    input: &Naive,
    op: ReduceOp,
    dims: &[Dim],
    skipna: bool,
    labels: Option<&Labels>,
) -> Naive {
    let group_axis = labels.map(|l| input.dims.iter().position(|d| *d == l.dim).unwrap());
    let group_of: Vec<Option<u32>> = labels
        .iter()
        .flat_map(|l| &l.runs)
        .flat_map(|(g, n)| std::iter::repeat_n(*g, *n as usize))
        .collect();
    let mut out_dims: Vec<Dim> = Vec::new();
    let mut shape = Vec::new();
    for (d, dim) in input.dims.iter().enumerate() {
        match labels {
            Some(l) if l.dim == *dim => {
                out_dims.push(l.group_dim.clone());
                shape.push(l.groups as usize);
            }
            _ if dims.contains(dim) => {}
            _ => {
                out_dims.push(dim.clone());
                shape.push(input.values.shape()[d]);
            }
        }
    }
    let mut cells: ArrayD<Vec<Scalar>> = ArrayD::from_elem(IxDyn(&shape), Vec::new());
    for (at, value) in input.values.indexed_iter() {
        let mut cell = Vec::new();
        let mut left_out = false;
        for (d, dim) in input.dims.iter().enumerate() {
            if Some(d) == group_axis {
                match group_of[at[d]] {
                    Some(g) => cell.push(g as usize),
                    None => left_out = true,
                }
            } else if !dims.contains(dim) {
                cell.push(at[d]);
            }
        }
        if !left_out {
            cells[IxDyn(&cell)].push(*value);
        }
    }
    let dtype = op.result(input.dtype);
    let values = cells.map(|cell| statistic(op, input.dtype, dtype, skipna, cell));
    Naive {
        dims: out_dims,
        dtype,
        values,
    }
}

fn statistic(op: ReduceOp, of: DType, dtype: DType, skipna: bool, cell: &[Scalar]) -> Scalar {
    let valid: Vec<Scalar> = cell
        .iter()
        .copied()
        .filter(|v| !v.as_f64().is_nan())
        .collect();
    let used = if skipna && of.is_float() || op == ReduceOp::Count {
        &valid[..]
    } else {
        cell
    };
    let n = used.len() as f64;
    let float_sum = || used.iter().map(|v| v.as_f64()).sum::<f64>();
    match op {
        ReduceOp::Count => Scalar::I64(used.len() as i64),
        ReduceOp::Sum if of.is_float() => Scalar::F64(float_sum()).cast(dtype),
        ReduceOp::Sum => used.iter().fold(Scalar::I64(0).cast(dtype), |sum, v| {
            binary(BinaryOp::Add, dtype, sum, v.cast(dtype))
        }),
        ReduceOp::Mean => Scalar::F64(float_sum() / n).cast(dtype),
        ReduceOp::Var { ddof } | ReduceOp::Std { ddof } => {
            let mean = float_sum() / n;
            let squares: f64 = used.iter().map(|v| (v.as_f64() - mean).powi(2)).sum();
            let free = n - ddof as f64;
            let var = if free > 0.0 { squares / free } else { f64::NAN };
            Scalar::F64(if matches!(op, ReduceOp::Std { .. }) {
                var.sqrt()
            } else {
                var
            })
            .cast(dtype)
        }
        ReduceOp::Min | ReduceOp::Max => {
            let op = if op == ReduceOp::Min {
                BinaryOp::Minimum
            } else {
                BinaryOp::Maximum
            };
            let nan = Scalar::F64(f64::NAN);
            let extreme = used.iter().copied().reduce(|a, b| binary(op, of, a, b));
            extreme.unwrap_or_else(|| nan.cast(dtype))
        }
        ReduceOp::Any => Scalar::Bool(used.contains(&Scalar::Bool(true))),
        ReduceOp::All => Scalar::Bool(!used.contains(&Scalar::Bool(false))),
    }
}
