//! What each node of a plan is, by numpy's and xarray's rules, and whether the plan makes sense.

use crate::dtype::DType;
use crate::grid::Axis;
use crate::plan::{Dim, INLINE_LIMIT, Labels, Meta, Op, Plan, PlanError, Source, Take};
use crate::reduce::ReduceOp;

/// The longest chain of operations in a plan. Lowering walks it on the stack of the thread that serves it.
pub const DEPTH_LIMIT: u32 = 1000;

/// Checks a whole plan and tells what each node is. The scheduler calls it on what a client sent.
pub fn check(plan: &Plan) -> Result<Vec<Meta>, PlanError> {
    let mut metas: Vec<Meta> = Vec::with_capacity(plan.nodes.len());
    let mut depths: Vec<u32> = Vec::with_capacity(plan.nodes.len());
    for (i, node) in plan.nodes.iter().enumerate() {
        let malformed = |what: &str| PlanError::Malformed {
            node: i as u32,
            what: what.to_owned(),
        };
        let inputs = node
            .inputs
            .iter()
            .map(|n| {
                metas
                    .get(n.0 as usize)
                    .ok_or_else(|| malformed("an input does not come before it"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let meta = infer(&plan.sources, &node.op, &inputs).map_err(|e| match e {
            PlanError::Malformed { what, .. } => malformed(&what),
            e => e,
        })?;
        metas.push(meta);
        let depth = 1 + node
            .inputs
            .iter()
            .map(|n| depths[n.0 as usize])
            .max()
            .unwrap_or(0);
        if depth > DEPTH_LIMIT {
            return Err(PlanError::TooDeep {
                depth,
                limit: DEPTH_LIMIT,
            });
        }
        depths.push(depth);
    }
    if let Some(o) = plan
        .outputs
        .iter()
        .find(|o| o.node.0 as usize >= metas.len())
    {
        return Err(PlanError::Malformed {
            node: o.node.0,
            what: format!("output {:?} has no node", o.name),
        });
    }
    Ok(metas)
}

/// What an operation makes of inputs of these shapes and dtypes; an `Op::Source` counts within `sources`.
pub fn infer(sources: &[Source], op: &Op, inputs: &[&Meta]) -> Result<Meta, PlanError> {
    let meta = result(sources, op, inputs)?;
    countable(&meta.shape)?;
    Ok(meta)
}

fn result(sources: &[Source], op: &Op, inputs: &[&Meta]) -> Result<Meta, PlanError> {
    let malformed = |what: &str| PlanError::Malformed {
        node: 0,
        what: what.to_owned(),
    };
    let wanted = match op {
        Op::Source(_) | Op::Full { .. } | Op::Inline { .. } => 0,
        Op::Cast(_) | Op::Unary(_) | Op::IsIn(_) | Op::Select(_) | Op::Reduce { .. } => 1,
        Op::Binary(_) => 2,
        Op::Where => 3,
    };
    if inputs.len() != wanted {
        return Err(malformed(&format!(
            "it has {} inputs, not {wanted}",
            inputs.len()
        )));
    }
    match op {
        Op::Source(id) => {
            let s = sources
                .get(id.0 as usize)
                .ok_or_else(|| malformed("no such source"))?;
            let rank = s.shape.len();
            if s.dims.len() != rank || s.chunks.len() != rank || s.chunks.contains(&0) {
                return Err(malformed(
                    "the source's dims, shape and chunks do not fit each other",
                ));
            }
            countable(&s.chunks)?;
            Ok(Meta {
                dtype: s.dtype,
                dims: s.dims.clone(),
                shape: s.shape.clone(),
            })
        }
        Op::Full {
            value,
            dtype,
            dims,
            axes,
        } => {
            if value.lane() != dtype.lane() || dims.len() != axes.len() {
                return Err(malformed("the value, dims and cuts do not fit each other"));
            }
            Ok(Meta {
                dtype: *dtype,
                dims: dims.clone(),
                shape: axes.iter().map(Axis::len).collect(),
            })
        }
        Op::Inline {
            dtype,
            dims,
            shape,
            bytes,
        } => {
            if bytes.len() as u64 > INLINE_LIMIT {
                return Err(PlanError::InlineTooLarge {
                    bytes: bytes.len() as u64,
                    limit: INLINE_LIMIT,
                });
            }
            countable(shape)?;
            let size = shape.iter().product::<u64>() * dtype.size() as u64;
            if dims.len() != shape.len() || size != bytes.len() as u64 {
                return Err(malformed("the values do not fill their shape"));
            }
            Ok(Meta {
                dtype: *dtype,
                dims: dims.clone(),
                shape: shape.clone(),
            })
        }
        Op::Cast(dtype) => Ok(Meta {
            dtype: *dtype,
            ..inputs[0].clone()
        }),
        Op::Unary(u) => {
            let of = inputs[0].dtype;
            let dtype = u.result(of).ok_or_else(|| PlanError::DType {
                op: format!("{u:?}"),
                dtype: of,
            })?;
            Ok(Meta {
                dtype,
                ..inputs[0].clone()
            })
        }
        Op::Binary(b) => {
            let dtype = same_dtype(&format!("{b:?}"), inputs[0], inputs[1])?;
            let dtype = b.result(dtype).ok_or_else(|| PlanError::DType {
                op: format!("{b:?}"),
                dtype,
            })?;
            broadcast(inputs, dtype)
        }
        Op::Where => {
            if inputs[0].dtype != DType::Bool {
                return Err(PlanError::DType {
                    op: "the condition of where".into(),
                    dtype: inputs[0].dtype,
                });
            }
            broadcast(inputs, same_dtype("where", inputs[1], inputs[2])?)
        }
        Op::IsIn(values) => {
            if values.iter().any(|v| v.lane() != inputs[0].dtype.lane()) {
                return Err(malformed("isin has values of another lane"));
            }
            Ok(Meta {
                dtype: DType::Bool,
                ..inputs[0].clone()
            })
        }
        Op::Select(takes) => select(inputs[0], takes),
        Op::Reduce {
            op, dims, labels, ..
        } => reduce(inputs[0], *op, dims, labels.as_ref()),
    }
}

fn same_dtype(op: &str, a: &Meta, b: &Meta) -> Result<DType, PlanError> {
    if a.dtype == b.dtype {
        return Ok(a.dtype);
    }
    Err(PlanError::DTypeMismatch {
        op: op.to_owned(),
        left: a.dtype,
        right: b.dtype,
    })
}

fn unknown(meta: &Meta, dim: &str) -> PlanError {
    let have = if meta.dims.is_empty() {
        "none".to_owned()
    } else {
        meta.dims.join(", ")
    };
    PlanError::UnknownDim {
        dim: dim.to_owned(),
        have,
    }
}

fn broadcast(inputs: &[&Meta], dtype: DType) -> Result<Meta, PlanError> {
    let mut out = Meta {
        dtype,
        dims: Vec::new(),
        shape: Vec::new(),
    };
    for input in inputs {
        for (dim, size) in input.dims.iter().zip(&input.shape) {
            match out.size_of(dim) {
                None => {
                    out.dims.push(dim.clone());
                    out.shape.push(*size);
                }
                Some(have) if have != *size => {
                    return Err(PlanError::ShapeMismatch {
                        dim: dim.to_string(),
                        left: have,
                        right: *size,
                    });
                }
                Some(_) => {}
            }
        }
    }
    Ok(out)
}

/// The bytes of an array of the widest dtype must be countable, or arithmetic on them would wrap.
fn countable(shape: &[u64]) -> Result<(), PlanError> {
    let bytes = shape
        .iter()
        .try_fold(8u64, |n, s| n.checked_mul((*s).max(1)));
    match bytes {
        Some(_) => Ok(()),
        None => Err(PlanError::Uncountable {
            shape: shape.to_vec(),
        }),
    }
}

fn select(input: &Meta, takes: &[(Dim, Take)]) -> Result<Meta, PlanError> {
    let mut out = input.clone();
    for (dim, take) in takes {
        let at = out
            .dims
            .iter()
            .position(|d| d == dim)
            .ok_or_else(|| unknown(&out, dim))?;
        let size = out.shape[at];
        let outside = |selection: String| PlanError::Selection {
            dim: dim.to_string(),
            selection,
            size,
        };
        match take {
            Take::Index(i) if *i < size => {
                out.dims.remove(at);
                out.shape.remove(at);
            }
            Take::Index(i) => return Err(outside(i.to_string())),
            Take::Slice(s) => {
                let last = s.start as i128 + s.step as i128 * (s.len as i128 - 1);
                let inside = s.len == 0 || (s.start < size && (0..size as i128).contains(&last));
                if s.step == 0 || !inside {
                    return Err(outside(format!(
                        "{} elements from {} by {}",
                        s.len, s.start, s.step
                    )));
                }
                out.shape[at] = s.len;
            }
        }
    }
    Ok(out)
}

fn reduce(
    input: &Meta,
    op: ReduceOp,
    dims: &[Dim],
    labels: Option<&Labels>,
) -> Result<Meta, PlanError> {
    if matches!(op, ReduceOp::Any | ReduceOp::All) && input.dtype != DType::Bool {
        return Err(PlanError::DType {
            op: op.name().to_owned(),
            dtype: input.dtype,
        });
    }
    let mut out = Meta {
        dtype: op.result(input.dtype),
        dims: Vec::new(),
        shape: Vec::new(),
    };
    for dim in dims {
        let size = input.size_of(dim).ok_or_else(|| unknown(input, dim))?;
        if size == 0 && matches!(op, ReduceOp::Min | ReduceOp::Max) {
            return Err(PlanError::EmptyReduction {
                op: op.name().to_owned(),
                dim: dim.to_string(),
            });
        }
    }
    if let Some(l) = labels {
        let size = input
            .size_of(&l.dim)
            .ok_or_else(|| unknown(input, &l.dim))?;
        let have = l.runs.iter().map(|r| r.1).sum();
        if have != size
            || !dims.contains(&l.dim)
            || l.runs.iter().any(|r| r.0.is_some_and(|g| g >= l.groups))
        {
            return Err(PlanError::Labels {
                dim: l.dim.to_string(),
                have,
                size,
            });
        }
    }
    for (dim, size) in input.dims.iter().zip(&input.shape) {
        match labels {
            Some(l) if l.dim == *dim => {
                out.dims.push(l.group_dim.clone());
                out.shape.push(l.groups as u64);
            }
            _ if dims.contains(dim) => {}
            _ => {
                out.dims.push(dim.clone());
                out.shape.push(*size);
            }
        }
    }
    Ok(out)
}
