//! What a plan means, computed the slow way: whole arrays of [`Scalar`]s on `ndarray`, one operation after the
//! other, with the arithmetic written out per dtype. It shares no code with lowering or the evaluator.

use dasklike_graph::dtype::{DType, Lane, Scalar};
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::plan::{Dim, Labels, NodeId, Op, Plan, SourceId, Take};
use dasklike_graph::reduce::ReduceOp;
use ndarray::{ArrayD, Axis, IxDyn, Slice};

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

fn unary(op: UnaryOp, dtype: DType, v: Scalar) -> Scalar {
    let float = |f32_fn: fn(f32) -> f32, f64_fn: fn(f64) -> f64| match v {
        Scalar::F32(x) => Scalar::F32(f32_fn(x)),
        Scalar::F64(x) => Scalar::F64(f64_fn(x)),
        _ => panic!("{op:?} of {dtype}"),
    };
    let x = v.as_f64();
    match op {
        UnaryOp::IsNan => Scalar::Bool(x.is_nan()),
        UnaryOp::IsInf => Scalar::Bool(x.is_infinite()),
        UnaryOp::IsFinite => Scalar::Bool(x.is_finite()),
        UnaryOp::Invert => match v {
            Scalar::Bool(b) => Scalar::Bool(!b),
            Scalar::I64(i) => Scalar::I64(!i),
            Scalar::U64(u) => Scalar::U64(!u).cast(dtype),
            _ => panic!("invert of {dtype}"),
        },
        UnaryOp::Neg if !dtype.is_float() => {
            binary(BinaryOp::Sub, dtype, Scalar::I64(0).cast(dtype), v)
        }
        UnaryOp::Neg => float(|x| -x, |x| -x),
        UnaryOp::Abs => match v {
            Scalar::I64(i) => Scalar::I64(i.wrapping_abs()).cast(dtype),
            Scalar::F32(_) | Scalar::F64(_) => float(f32::abs, f64::abs),
            v => v,
        },
        UnaryOp::Sign => match v {
            Scalar::I64(i) => Scalar::I64(i.signum()),
            Scalar::U64(u) => Scalar::U64(u.min(1)),
            Scalar::Bool(_) => panic!("sign of bool"),
            _ if x.is_nan() || x == 0.0 => {
                if x.is_nan() {
                    v
                } else {
                    float(|_| 0.0, |_| 0.0)
                }
            }
            _ => float(f32::signum, f64::signum),
        },
        UnaryOp::Sqrt => float(f32::sqrt, f64::sqrt),
        UnaryOp::Exp => float(f32::exp, f64::exp),
        UnaryOp::Expm1 => float(f32::exp_m1, f64::exp_m1),
        UnaryOp::Log => float(f32::ln, f64::ln),
        UnaryOp::Log2 => float(f32::log2, f64::log2),
        UnaryOp::Log10 => float(f32::log10, f64::log10),
        UnaryOp::Log1p => float(f32::ln_1p, f64::ln_1p),
        UnaryOp::Sin => float(f32::sin, f64::sin),
        UnaryOp::Cos => float(f32::cos, f64::cos),
        UnaryOp::Tan => float(f32::tan, f64::tan),
        UnaryOp::Arcsin => float(f32::asin, f64::asin),
        UnaryOp::Arccos => float(f32::acos, f64::acos),
        UnaryOp::Arctan => float(f32::atan, f64::atan),
        UnaryOp::Sinh => float(f32::sinh, f64::sinh),
        UnaryOp::Cosh => float(f32::cosh, f64::cosh),
        UnaryOp::Tanh => float(f32::tanh, f64::tanh),
        UnaryOp::Floor => float(f32::floor, f64::floor),
        UnaryOp::Ceil => float(f32::ceil, f64::ceil),
        UnaryOp::Trunc => float(f32::trunc, f64::trunc),
        UnaryOp::Rint => float(f32::round_ties_even, f64::round_ties_even),
    }
}

fn binary(op: BinaryOp, dtype: DType, a: Scalar, b: Scalar) -> Scalar {
    if op.is_comparison() {
        return compare(op, a, b);
    }
    match dtype.lane() {
        Lane::Bool => {
            let (a, b) = (a.to_bits() != 0, b.to_bits() != 0);
            Scalar::Bool(match op {
                BinaryOp::Add | BinaryOp::Or | BinaryOp::Maximum => a | b,
                BinaryOp::Mul | BinaryOp::And | BinaryOp::Minimum => a & b,
                BinaryOp::Xor => a ^ b,
                _ => panic!("{op:?} of bool"),
            })
        }
        Lane::F32 => {
            let (Scalar::F32(a), Scalar::F32(b)) = (a, b) else {
                panic!("lanes")
            };
            Scalar::F32(match op {
                BinaryOp::Pow => a.powf(b),
                BinaryOp::Arctan2 => a.atan2(b),
                BinaryOp::Hypot => a.hypot(b),
                BinaryOp::Mod => floor_mod_f32(a, b),
                BinaryOp::FloorDiv => floor_div_f32(a, b),
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div => a / b,
                BinaryOp::Minimum if a.is_nan() || b.is_nan() => f32::NAN,
                BinaryOp::Maximum if a.is_nan() || b.is_nan() => f32::NAN,
                BinaryOp::Minimum => {
                    if b < a {
                        b
                    } else {
                        a
                    }
                }
                BinaryOp::Maximum => {
                    if b > a {
                        b
                    } else {
                        a
                    }
                }
                _ => panic!("{op:?} of f32"),
            })
        }
        Lane::F64 => {
            let (Scalar::F64(a), Scalar::F64(b)) = (a, b) else {
                panic!("lanes")
            };
            Scalar::F64(match op {
                BinaryOp::Pow => a.powf(b),
                BinaryOp::Arctan2 => a.atan2(b),
                BinaryOp::Hypot => a.hypot(b),
                BinaryOp::Mod => floor_mod(a, b),
                BinaryOp::FloorDiv => floor_div(a, b),
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div => a / b,
                BinaryOp::Minimum if a.is_nan() || b.is_nan() => f64::NAN,
                BinaryOp::Maximum if a.is_nan() || b.is_nan() => f64::NAN,
                BinaryOp::Minimum => {
                    if b < a {
                        b
                    } else {
                        a
                    }
                }
                BinaryOp::Maximum => {
                    if b > a {
                        b
                    } else {
                        a
                    }
                }
                _ => panic!("{op:?} of f64"),
            })
        }
        Lane::I64 | Lane::U64 => integer(op, dtype, wide(a), wide(b)),
    }
}

/// NumPy's float remainder: the sign of the divisor (npy_divmod).
fn floor_mod(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        r + b
    } else if r == 0.0 {
        0f64.copysign(b)
    } else {
        r
    }
}

fn floor_mod_f32(a: f32, b: f32) -> f32 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        r + b
    } else if r == 0.0 {
        0f32.copysign(b)
    } else {
        r
    }
}

/// NumPy's float floor division (npy_floor_divide).
fn floor_div(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let r = a % b;
    let mut d = (a - r) / b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        d -= 1.0;
    }
    if d == 0.0 {
        return 0f64.copysign(a / b);
    }
    let floor = d.floor();
    if d - floor > 0.5 { floor + 1.0 } else { floor }
}

fn floor_div_f32(a: f32, b: f32) -> f32 {
    if b == 0.0 {
        return a / b;
    }
    let r = a % b;
    let mut d = (a - r) / b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        d -= 1.0;
    }
    if d == 0.0 {
        return 0f32.copysign(a / b);
    }
    let floor = d.floor();
    if d - floor > 0.5 { floor + 1.0 } else { floor }
}

fn wide(v: Scalar) -> i128 {
    match v {
        Scalar::I64(v) => v as i128,
        Scalar::U64(v) => v as i128,
        v => panic!("{v} is no integer"),
    }
}

/// The low bits of a mathematical integer, as NumPy's wrapping arithmetic keeps them.
fn narrow(dtype: DType, v: i128) -> Scalar {
    match dtype {
        DType::U8 => Scalar::U64(v as u8 as u64),
        DType::U16 => Scalar::U64(v as u16 as u64),
        DType::U32 => Scalar::U64(v as u32 as u64),
        DType::U64 => Scalar::U64(v as u64),
        DType::I8 => Scalar::I64(v as i8 as i64),
        DType::I16 => Scalar::I64(v as i16 as i64),
        DType::I32 => Scalar::I64(v as i32 as i64),
        DType::I64 => Scalar::I64(v as i64),
        _ => panic!("{dtype} is no integer"),
    }
}

fn integer(op: BinaryOp, dtype: DType, a: i128, b: i128) -> Scalar {
    let bits = 8 * dtype.size() as i128;
    let outside = !(0..bits).contains(&b);
    let value = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::FloorDiv | BinaryOp::Mod if b == 0 => 0,
        BinaryOp::FloorDiv => a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0),
        BinaryOp::Mod => {
            let r = a % b;
            if r != 0 && (r < 0) != (b < 0) {
                r + b
            } else {
                r
            }
        }
        BinaryOp::Pow => (0..b.max(0)).fold(1i128, |x, _| wide(narrow(dtype, x.wrapping_mul(a)))),
        BinaryOp::Minimum => a.min(b),
        BinaryOp::Maximum => a.max(b),
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::LeftShift if outside => 0,
        BinaryOp::LeftShift => a << b,
        BinaryOp::RightShift if outside => {
            if a < 0 {
                -1
            } else {
                0
            }
        }
        BinaryOp::RightShift => a >> b,
        op => panic!("{op:?} of {dtype}"),
    };
    narrow(dtype, value)
}

fn compare(op: BinaryOp, a: Scalar, b: Scalar) -> Scalar {
    let order = match (a, b) {
        (Scalar::F32(a), Scalar::F32(b)) => a.partial_cmp(&b),
        (Scalar::F64(a), Scalar::F64(b)) => a.partial_cmp(&b),
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(&b)),
        (a, b) => Some(wide(a).cmp(&wide(b))),
    };
    Scalar::Bool(match op {
        BinaryOp::Eq => order.is_some_and(|o| o.is_eq()),
        BinaryOp::Ne => order.is_none_or(|o| o.is_ne()),
        BinaryOp::Lt => order.is_some_and(|o| o.is_lt()),
        BinaryOp::Le => order.is_some_and(|o| o.is_le()),
        BinaryOp::Gt => order.is_some_and(|o| o.is_gt()),
        _ => order.is_some_and(|o| o.is_ge()),
    })
}
