//! Runs a case through the evaluator and through the interpreter, and compares.

use super::build::{Case, InlineData, Stored};
use super::{interpret, reduce};
use dasklike_array::{Chunk, ChunkReader, Evaluator, Inlines, Scratch, TileResult};
use dasklike_graph::block::place_block;
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::grid::{block_count, block_index};
use dasklike_graph::plan::{Source, SourceId};
use dasklike_graph::reduce::ReduceOp;
use dasklike_graph::stage::*;
use dasklike_graph::tree::{PartialTree, TreeKey};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

pub struct Memory<'a> {
    pub stored: &'a [Stored],
    /// How often each chunk was read since the last pass began.
    pub reads: HashMap<(u32, Vec<u64>), u32>,
}

impl ChunkReader for Memory<'_> {
    type Error = String;

    fn read(&mut self, id: SourceId, index: &[u64], into: &mut [u8]) -> Result<Chunk, String> {
        *self.reads.entry((id.0, index.to_vec())).or_default() += 1;
        let s = &self.stored[id.0 as usize];
        let axes = s.source.axes();
        let number = index
            .iter()
            .zip(&axes)
            .fold(0, |n, (i, a)| n * a.count() + i);
        if index.iter().zip(&axes).any(|(i, a)| *i >= a.count()) {
            return Err(format!("no chunk {index:?}"));
        }
        assert_eq!(into.len() as u64, s.source.chunk_bytes());
        into.fill(0xcd);
        if s.missing[number as usize] {
            return Ok(Chunk::Fill);
        }
        let (shape, chunk, size) = (&s.source.shape, &s.source.chunks, s.source.dtype.size());
        for i in 0..chunk.iter().product::<u64>() {
            let (mut left, mut at, mut weight, mut inside) = (i, 0, 1, true);
            for d in (0..shape.len()).rev() {
                let e = index[d] * chunk[d] + left % chunk[d];
                inside &= e < shape[d];
                at += e * weight;
                weight *= shape[d];
                left /= chunk[d];
            }
            if inside {
                let mut bytes = Vec::new();
                s.values[at as usize].write_le(s.source.dtype, &mut bytes);
                into[i as usize * size..][..size].copy_from_slice(&bytes);
            }
        }
        Ok(Chunk::Decoded)
    }
}

struct InlineSet<'a>(&'a [InlineData]);

impl Inlines for InlineSet<'_> {
    fn bytes(&self, id: InlineId) -> Option<(&[u64], &[u8])> {
        self.0
            .get(id.0 as usize)
            .map(|i| (&i.shape[..], &i.bytes[..]))
    }
}

/// The outputs' bytes, as the evaluator's tiles give them.
pub fn outputs(case: &Case) -> Vec<Vec<u8>> {
    let sources: Vec<Source> = case.stored.iter().map(|s| s.source.clone()).collect();
    let evaluator = Evaluator::new(&case.stage, &sources).unwrap();
    let mut scratch = Scratch::new();
    let empty = |(dtype, shape): &(DType, Vec<u64>)| {
        vec![0xee; shape.iter().product::<u64>() as usize * dtype.size()]
    };
    let mut outputs: Vec<Vec<u8>> = case.outputs.iter().map(empty).collect();
    let mut trees: BTreeMap<(usize, usize), PartialTree> = BTreeMap::new();
    // Backwards: the order of tiles must not matter.
    for t in (0..case.stage.tile_count()).rev() {
        let mut reader = Memory {
            stored: &case.stored,
            reads: HashMap::new(),
        };
        let results = evaluator
            .run(
                &mut scratch,
                Tile(t),
                &InlineSet(&case.inlines),
                &mut reader,
            )
            .unwrap();
        let most = reader.reads.values().copied().max().unwrap_or(0);
        assert!(
            most as usize <= case.stage.passes.len(),
            "a chunk was read {most} times"
        );
        for result in results {
            match result {
                TileResult::Block {
                    target: Target::Output(id),
                    region,
                    bytes,
                } => {
                    let (dtype, shape) = &case.outputs[id.0 as usize];
                    place_block(
                        &mut outputs[id.0 as usize],
                        shape,
                        &region,
                        &bytes,
                        dtype.size(),
                    );
                }
                TileResult::Partial {
                    pass,
                    sink,
                    output_tile,
                    leaf,
                    partial,
                } => {
                    let p = &case.stage.passes[pass];
                    let Sink::Reduce(r) = &p.sinks[sink] else {
                        panic!("a partial of no reduction")
                    };
                    let leaves = case.stage.place(p, r, Tile(t)).leaves;
                    let tree = trees.entry((pass, sink)).or_default();
                    let key = TreeKey::leaf(output_tile, leaf);
                    let Some(root) = tree.insert(&r.state, leaves, key, partial) else {
                        continue;
                    };
                    finish(case, p, r, output_tile, &root, &mut outputs);
                }
                r => panic!("unexpected {r:?}"),
            }
        }
    }
    outputs
}

fn finish(
    case: &Case,
    p: &Pass,
    r: &ReduceSink,
    output_tile: u64,
    root: &dasklike_graph::partial::Partial,
    outputs: &mut [Vec<u8>],
) {
    let at = case.stage.output_region(p, r, output_tile);
    let groups = r.groups.as_ref().map_or(1, |g| g.count);
    // The domain's region of the output tile: what `in_result_order` counts kept dims in.
    let mut kept = at.iter().cloned();
    let region: Vec<Range<u64>> = (0..p.domain.len())
        .map(|d| {
            let shown = r.kept.contains(&d) || r.groups.as_ref().is_some_and(|g| g.dim == d);
            if shown {
                kept.next().unwrap()
            } else {
                0..p.domain[d].len
            }
        })
        .collect();
    for result in &r.results {
        let bytes = root.finish(&r.state, result.op, result.dtype, groups);
        let bytes = r.in_result_order(bytes, groups as u64, &region, result.dtype.size());
        let Target::Output(id) = result.target else {
            panic!("no output")
        };
        place_block(
            &mut outputs[id.0 as usize],
            &case.outputs[id.0 as usize].1,
            &at,
            &bytes,
            result.dtype.size(),
        );
    }
}

/// All values of a local array, over all tiles: whole, as if there were one tile.
pub type Locals = Vec<Vec<Scalar>>;

/// Compares the evaluator's outputs with the interpreter's.
pub fn check(case: &Case) -> Result<(), String> {
    let got = outputs(case);
    let mut locals: Locals = vec![Vec::new(); case.stage.locals.len()];
    for pass in &case.stage.passes {
        let lens: Vec<u64> = pass.domain.iter().map(|d| d.len).collect();
        let total: u64 = lens.iter().product();
        let index = |i: u64| {
            block_index(
                &pass
                    .domain
                    .iter()
                    .map(|d| dasklike_graph::grid::Axis::regular(d.len, 1))
                    .collect::<Vec<_>>(),
                i,
            )
        };
        let elements: Vec<(Vec<u64>, Vec<Scalar>)> = (0..total)
            .map(|i| {
                let at = index(i);
                let values = interpret::evaluate(&pass.program, |n| {
                    element(case, &pass.inputs[n as usize], &at, &locals)
                });
                (at, values)
            })
            .collect();
        for sink in &pass.sinks {
            match sink {
                Sink::Emit { value, output } => {
                    let dtype = case.outputs[output.0 as usize].0;
                    for (i, (at, values)) in elements.iter().enumerate() {
                        let have = read(&got[output.0 as usize], dtype, i);
                        let want = values[value.0 as usize];
                        if !same(want, have) {
                            return Err(format!(
                                "element {at:?}: want {want:?}, got {have:?}; {values:?}"
                            ));
                        }
                    }
                }
                Sink::Reduce(r) => check_reduce(case, pass, r, &elements, &got, &mut locals)?,
            }
        }
    }
    Ok(())
}

fn check_reduce(
    case: &Case,
    pass: &Pass,
    r: &ReduceSink,
    elements: &[(Vec<u64>, Vec<Scalar>)],
    got: &[Vec<u8>],
    locals: &mut Locals,
) -> Result<(), String> {
    let shape: Vec<u64> = (0..pass.domain.len())
        .filter_map(|d| match &r.groups {
            Some(g) if g.dim == d => Some(g.count as u64),
            _ if r.kept.contains(&d) => Some(pass.domain[d].len),
            _ => None,
        })
        .collect();
    let cells: u64 = shape.iter().product();
    let mut lists: Vec<Vec<Scalar>> = vec![Vec::new(); cells as usize];
    for (at, values) in elements {
        let mut cell = 0;
        let mut left_out = false;
        for (d, i) in at.iter().enumerate() {
            match &r.groups {
                Some(g) if g.dim == d => {
                    match g.starts.iter().rev().find(|s| s.0 <= *i).and_then(|s| s.1) {
                        Some(group) => cell = cell * g.count as u64 + group as u64,
                        None => left_out = true,
                    }
                }
                _ if r.kept.contains(&d) => cell = cell * pass.domain[d].len + i,
                _ => {}
            }
        }
        if !left_out {
            lists[cell as usize].push(values[r.value.0 as usize]);
        }
    }
    for result in &r.results {
        match result.target {
            Target::Output(id) => {
                // No tile, no result: nothing to compare.
                if block_count(&case.stage.axes()) == 0 {
                    continue;
                }
                for (c, list) in lists.iter().enumerate() {
                    let have = read(&got[id.0 as usize], result.dtype, c);
                    reduce::matches(result.op, list, r.state.skipna, result.dtype, have).map_err(
                        |e| format!("cell {c} of {shape:?}, {} values: {e}", list.len()),
                    )?;
                }
            }
            Target::Local(id) => {
                let value = |list: &Vec<Scalar>| {
                    let kept: Vec<f64> = list
                        .iter()
                        .map(|v| v.as_f64())
                        .filter(|v| !v.is_nan())
                        .collect();
                    match result.op {
                        ReduceOp::Count => Scalar::I64(kept.len() as i64),
                        _ if kept.is_empty() => Scalar::F64(f64::NAN),
                        _ => Scalar::F64(
                            kept.iter()
                                .copied()
                                .fold(f64::INFINITY, |a, b| if b < a { b } else { a }),
                        ),
                    }
                };
                locals[id.0 as usize] = lists.iter().map(value).collect();
            }
            Target::Inline(_) => panic!("no inline results here"),
        }
    }
    Ok(())
}

/// By tile: the chunks of the pass' stored input `i` that are read, and those that hold an element for which
/// `wanted` is true.
pub fn chunks_read_and_wanted(
    case: &Case,
    i: usize,
    wanted: impl Fn(&[u64]) -> bool,
) -> Vec<[BTreeSet<Vec<u64>>; 2]> {
    let sources: Vec<Source> = case.stored.iter().map(|s| s.source.clone()).collect();
    let evaluator = Evaluator::new(&case.stage, &sources).unwrap();
    let pass = &case.stage.passes[0];
    let input = &pass.inputs[i];
    let Origin::Stored(id) = input.origin else {
        return Vec::new();
    };
    let chunks = &case.stored[id.0 as usize].source.chunks;
    let tiles = (0..case.stage.tile_count()).map(Tile);
    tiles
        .map(|tile| {
            let mut reader = Memory {
                stored: &case.stored,
                reads: HashMap::new(),
            };
            let inlines = InlineSet(&case.inlines);
            let run = evaluator.run(&mut Scratch::new(), tile, &inlines, &mut reader);
            run.unwrap();
            let of_input = reader.reads.into_keys().filter(|(s, _)| *s == id.0);
            let region = case.stage.region(&pass.domain, tile);
            let elements: u64 = region.iter().map(|r| r.end - r.start).product();
            let singles: Vec<_> = region
                .iter()
                .map(|r| dasklike_graph::grid::Axis::regular(r.end - r.start, 1))
                .collect();
            let at = |i| {
                let offsets = block_index(&singles, i).into_iter().zip(&region);
                offsets.map(|(o, r)| o + r.start).collect::<Vec<u64>>()
            };
            let places = (0..elements).map(at).filter(|at| wanted(at));
            let holding = places.map(|at| {
                let axes = input.axes.iter().zip(chunks);
                axes.map(|(view, chunk)| place(*view, &at) / chunk)
                    .collect()
            });
            [
                of_input.map(|(_, index)| index).collect(),
                holding.collect(),
            ]
        })
        .collect()
}

/// The element along an axis that an element of the domain needs.
fn place(view: AxisView, at: &[u64]) -> u64 {
    match view {
        AxisView::Fixed(e) => e,
        AxisView::Along { dim, start, step } => (start as i64 + step * at[dim] as i64) as u64,
    }
}

pub fn element(case: &Case, input: &Input, at: &[u64], locals: &Locals) -> Scalar {
    let (shape, values): (Vec<u64>, Box<dyn Fn(usize) -> Scalar + '_>) = match input.origin {
        Origin::Stored(id) => {
            let s = &case.stored[id.0 as usize];
            (s.source.shape.clone(), Box::new(|i| s.values[i]))
        }
        Origin::Inline(id) => {
            let s = &case.inlines[id.0 as usize];
            (s.shape.clone(), Box::new(|i| read(&s.bytes, s.dtype, i)))
        }
        Origin::Local(id) => {
            let dims = &case.stage.locals[id.0 as usize].dims;
            let values = &locals[id.0 as usize];
            (
                dims.iter().map(|d| d.len).collect(),
                Box::new(|i| values[i]),
            )
        }
    };
    let mut i = 0;
    for (view, n) in input.axes.iter().zip(&shape) {
        let e = place(*view, at);
        assert!(e < *n);
        i = i * n + e;
    }
    values(i as usize)
}

fn read(bytes: &[u8], dtype: DType, i: usize) -> Scalar {
    Scalar::from_le_bytes(dtype, &bytes[i * dtype.size()..])
}

/// Equal bits; any NaN equals any NaN.
fn same(a: Scalar, b: Scalar) -> bool {
    a == b || (a.as_f64().is_nan() && b.as_f64().is_nan())
}
