//! Random stages over random stored arrays.

use super::Random;
use super::programs::program;
use super::sinks::{groups, reduce_sink};
use dasklike_graph::dtype::{DType, Lane, Scalar};
use dasklike_graph::grid::Axis;
use dasklike_graph::plan::{OutputId, Source, SourceId};
use dasklike_graph::program::{Instr, Program, Value};
use dasklike_graph::reduce::{ReduceOp, State};
use dasklike_graph::stage::*;
use std::collections::BTreeMap;

/// A stored array with its elements (of the padded chunk grid), and which chunks are not stored.
pub struct Stored {
    pub source: Source,
    /// Elements of the array, C order of its shape.
    pub values: Vec<Scalar>,
    /// By chunk in C order of the grid.
    pub missing: Vec<bool>,
}

pub struct InlineData {
    pub shape: Vec<u64>,
    pub dtype: DType,
    pub bytes: Vec<u8>,
}

pub struct Case {
    pub stage: Stage,
    pub stored: Vec<Stored>,
    pub inlines: Vec<InlineData>,
    /// By output: the dtype and the shape.
    pub outputs: Vec<(DType, Vec<u64>)>,
}

/// A value in which edges are frequent.
pub fn value(r: &mut Random, dtype: DType) -> Scalar {
    let small = r.below(9) as i64 - 4;
    match dtype.lane() {
        Lane::Bool => Scalar::Bool(r.one_in(2)),
        Lane::I64 | Lane::U64 => match r.below(6) {
            0 => Scalar::U64(r.next()).cast(dtype),
            1 => Scalar::I64(i64::MAX >> (64 - 8 * dtype.size())).cast(dtype),
            2 => Scalar::I64(i64::MIN >> (64 - 8 * dtype.size())).cast(dtype),
            _ => Scalar::I64(small).cast(dtype),
        },
        _ => {
            let v = match r.below(24) {
                0 | 1 => f64::NAN,
                2 => f64::INFINITY,
                3 => f64::NEG_INFINITY,
                4 => -0.0,
                5 => 1e10,
                6 => -2.5,
                7 => 0.5,
                8..14 => r.below(1 << 20) as f64 / 1024.0 - 500.0,
                _ => small as f64,
            };
            Scalar::F64(v).cast(dtype)
        }
    }
}

fn stored(r: &mut Random, dtype: DType, shape: Vec<u64>, n: usize) -> Stored {
    let chunks: Vec<u64> = shape
        .iter()
        .map(|n| {
            if r.one_in(3) {
                *n
            } else {
                r.range(1, (*n).min(700))
            }
        })
        .collect();
    let fill = value(r, dtype);
    let source = Source {
        store: format!("memory:{n}"),
        options: BTreeMap::new(),
        path: String::new(),
        metadata: String::new(),
        dtype,
        dims: (0..shape.len())
            .map(|i| format!("s{n}a{i}").into())
            .collect(),
        shape: shape.clone(),
        chunks,
        fill,
        encoded_bound: 0,
        decode_scratch: 0,
    };
    let axes = source.axes();
    let count = dasklike_graph::grid::block_count(&axes);
    let missing: Vec<bool> = (0..count).map(|_| r.one_in(6)).collect();
    let total: u64 = shape.iter().product();
    let mut values: Vec<Scalar> = (0..total).map(|_| value(r, dtype)).collect();
    for (i, v) in values.iter_mut().enumerate() {
        let (mut left, mut chunk, mut weight) = (i as u64, 0, 1);
        for d in (0..shape.len()).rev() {
            chunk += axes[d].index_of(left % shape[d]) * weight;
            weight *= axes[d].count();
            left /= shape[d];
        }
        if missing[chunk as usize] {
            *v = fill;
        }
    }
    Stored {
        source,
        values,
        missing,
    }
}

/// The dims of a random domain: lengths, and the tiles' cuts where there are any.
struct Domain {
    lens: Vec<u64>,
    tiles: Vec<Option<Axis>>,
}

fn domain(r: &mut Random) -> Domain {
    let rank = r.range(1, 3) as usize;
    let mut lens: Vec<u64> = (0..rank).map(|_| r.range(1, 9)).collect();
    if r.one_in(3) {
        let d = r.below(rank as u64) as usize;
        lens[d] = r.range(10, if rank == 1 { 5000 } else { 1500 / rank as u64 });
    }
    if r.one_in(25) {
        let d = r.below(rank as u64) as usize;
        lens[d] = 0;
    }
    let tiles = lens
        .iter()
        .map(|n| {
            (*n > 0 && r.one_in(2)).then(|| {
                if r.one_in(2) {
                    Axis::regular(*n, r.range(1, *n))
                } else {
                    Axis::from_bounds(*n, (0..r.below(4)).map(|_| r.below(*n + 1)).collect())
                }
            })
        })
        .collect();
    Domain { lens, tiles }
}

/// One random input over the domain; refines the domain's cells.
fn input(r: &mut Random, lens: &[u64], cells: &mut [Axis], case: &mut Case) -> Input {
    let dtype = *r.pick(&DType::ALL);
    let inline = r.one_in(5);
    let mut dims: Vec<usize> = (0..lens.len()).filter(|_| !r.one_in(4)).collect();
    if r.one_in(3) {
        dims.reverse();
    }
    let (mut axes, mut shape) = (Vec::new(), Vec::new());
    for d in dims {
        if r.one_in(8) {
            let n = r.range(1, 4);
            axes.push(AxisView::Fixed(r.below(n)));
            shape.push(n);
        }
        let step = if r.one_in(2) {
            1
        } else {
            *r.pick(&[1i64, -1, 2, -2, 3, -3])
        };
        let reach = (lens[d].max(1) - 1) * step.unsigned_abs();
        let before = r.below(3);
        let start = if step > 0 { before } else { before + reach };
        axes.push(AxisView::Along {
            dim: d,
            start,
            step,
        });
        shape.push(before + reach + 1 + r.below(3));
    }
    let origin = if inline {
        let n: u64 = shape.iter().product();
        let mut bytes = Vec::new();
        (0..n).for_each(|_| value(r, dtype).write_le(dtype, &mut bytes));
        case.inlines.push(InlineData {
            shape: shape.clone(),
            dtype,
            bytes,
        });
        Origin::Inline(InlineId(case.inlines.len() as u32 - 1))
    } else {
        let s = stored(r, dtype, shape, case.stored.len());
        for (a, view) in axes.iter().enumerate() {
            if let AxisView::Along { dim, start, step } = *view
                && lens[dim] > 0
            {
                cells[dim] = cells[dim].refine(&s.source.axes()[a].view(start, step, lens[dim]));
            }
        }
        case.stored.push(s);
        Origin::Stored(SourceId(case.stored.len() as u32 - 1))
    };
    Input {
        origin,
        dtype,
        axes,
    }
}

/// A stage without passes yet, and `n` stored or inline inputs for one, over its domain.
pub fn inputs(r: &mut Random, n: usize) -> (Case, Vec<DomainDim>, Vec<Input>) {
    let d = domain(r);
    let mut case = Case {
        stage: Stage {
            dims: Vec::new(),
            passes: Vec::new(),
            locals: Vec::new(),
            after: Vec::new(),
            peak_bytes: 0,
            tile_cost: TileCost::default(),
        },
        stored: Vec::new(),
        inlines: Vec::new(),
        outputs: Vec::new(),
    };
    let mut cells: Vec<Axis> = d.lens.iter().map(|n| Axis::whole(*n)).collect();
    let inputs = (0..n)
        .map(|_| input(r, &d.lens, &mut cells, &mut case))
        .collect();
    let domain = dims(&d, &cells, &mut case.stage);
    (case, domain, inputs)
}

/// A stage of one pass.
pub fn one_pass(seed: u64) -> Case {
    let r = &mut Random(seed);
    let d = domain(r);
    let stage = Stage {
        dims: Vec::new(),
        passes: Vec::new(),
        locals: Vec::new(),
        after: Vec::new(),
        peak_bytes: 0,
        tile_cost: TileCost::default(),
    };
    let mut case = Case {
        stage,
        stored: Vec::new(),
        inlines: Vec::new(),
        outputs: Vec::new(),
    };
    let mut cells: Vec<Axis> = d.lens.iter().map(|n| Axis::whole(*n)).collect();
    let inputs: Vec<Input> = (0..r.range(1, 4))
        .map(|_| input(r, &d.lens, &mut cells, &mut case))
        .collect();
    let p = program(r, &inputs);
    let mut sinks = Vec::new();
    for _ in 0..r.range(1, 3) {
        if r.one_in(2) {
            let value =
                Value(p.instrs.len() as u32 - 1 - r.below(3.min(p.instrs.len() as u64)) as u32);
            case.outputs.push((p.dtype(value), d.lens.clone()));
            sinks.push(Sink::Emit {
                value,
                output: OutputId(case.outputs.len() as u32 - 1),
            });
        } else {
            sinks.push(reduce_sink(r, &p, &d.lens, &mut case));
        }
    }
    let domain = dims(&d, &cells, &mut case.stage);
    case.stage.passes.push(Pass {
        domain,
        inputs,
        program: p,
        sinks,
    });
    case
}

fn dims(d: &Domain, cells: &[Axis], stage: &mut Stage) -> Vec<DomainDim> {
    let mut domain = Vec::new();
    for (i, len) in d.lens.iter().enumerate() {
        let stage_dim = d.tiles[i].as_ref().map(|tiles| {
            stage.dims.push(StageDim {
                name: format!("d{i}").into(),
                tiles: tiles.clone(),
            });
            stage.dims.len() - 1
        });
        domain.push(DomainDim {
            name: format!("d{i}").into(),
            len: *len,
            stage_dim,
            cells: cells[i].clone(),
        });
    }
    domain
}

/// A stage of two passes: a reduction over dims that lie whole in every tile, and a pass that uses it, and the
/// stored array again.
pub fn two_passes(seed: u64) -> Case {
    let r = &mut Random(seed);
    let mut d = domain(r);
    let rank = d.lens.len();
    let reduced = r.below(rank as u64) as usize;
    d.tiles[reduced] = None;
    let stage = Stage {
        dims: Vec::new(),
        passes: Vec::new(),
        locals: Vec::new(),
        after: Vec::new(),
        peak_bytes: 0,
        tile_cost: TileCost::default(),
    };
    let mut case = Case {
        stage,
        stored: Vec::new(),
        inlines: Vec::new(),
        outputs: Vec::new(),
    };
    let mut cells: Vec<Axis> = d.lens.iter().map(|n| Axis::whole(*n)).collect();
    let first = input(r, &d.lens, &mut cells, &mut case);
    let mut p = Program::default();
    let x = p.push(Instr::Load(0), first.dtype);
    let value = p.push(Instr::Cast(x), DType::F64);
    let kept: Vec<usize> = (0..rank).filter(|k| *k != reduced).collect();
    let by_group = r.one_in(2).then(|| groups(r, reduced, d.lens[reduced]));
    let ops = [ReduceOp::Min, ReduceOp::Count];
    let state = State::for_ops(Lane::F64, true, &ops);
    let results = vec![
        SinkResult {
            op: ReduceOp::Min,
            dtype: DType::F64,
            target: Target::Local(LocalId(0)),
        },
        SinkResult {
            op: ReduceOp::Count,
            dtype: DType::I64,
            target: Target::Local(LocalId(1)),
        },
    ];
    let sink = Sink::Reduce(ReduceSink {
        value,
        state,
        kept: kept.clone(),
        groups: by_group.clone(),
        results,
    });
    let domain = dims(&d, &cells, &mut case.stage);
    let local_dims: Vec<DomainDim> = (0..rank)
        .filter_map(|k| match &by_group {
            _ if k != reduced => Some(domain[k].clone()),
            Some(g) => Some(DomainDim {
                name: "group".into(),
                len: g.count as u64,
                stage_dim: None,
                cells: Axis::whole(g.count as u64),
            }),
            None => None,
        })
        .collect();
    for dtype in [DType::F64, DType::I64] {
        case.stage.locals.push(LocalArray {
            dtype,
            dims: local_dims.clone(),
        });
    }
    let view = |fixed: u64| -> Vec<AxisView> {
        (0..rank)
            .filter_map(|k| match &by_group {
                _ if k != reduced => Some(AxisView::Along {
                    dim: k,
                    start: 0,
                    step: 1,
                }),
                Some(_) => Some(AxisView::Fixed(fixed)),
                None => None,
            })
            .collect()
    };
    let fixed = by_group.as_ref().map_or(0, |g| r.below(g.count as u64));
    let local = |id: u32, dtype| Input {
        origin: Origin::Local(LocalId(id)),
        dtype,
        axes: view(fixed),
    };
    let inputs = vec![first.clone(), local(0, DType::F64), local(1, DType::I64)];
    case.stage.passes.push(Pass {
        domain: domain.clone(),
        inputs: vec![first],
        program: p,
        sinks: vec![sink],
    });
    let q = program(r, &inputs);
    let value = Value(q.instrs.len() as u32 - 1);
    case.outputs.push((q.dtype(value), d.lens.clone()));
    let mut sinks = vec![Sink::Emit {
        value,
        output: OutputId(0),
    }];
    sinks.push(reduce_sink(r, &q, &d.lens, &mut case));
    case.stage.passes.push(Pass {
        domain,
        inputs,
        program: q,
        sinks,
    });
    case
}
