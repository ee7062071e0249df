//! Runs a lowered plan in one thread, tiles in any order, on arrays in memory: lowering, evaluator and merge
//! tree without scheduler and workers.

use crate::naive::Naive;
use crate::random_plan::Rng;
use dasklike_array::{Chunk, ChunkReader, Evaluator, Inlines, Scratch, TileResult};
use dasklike_graph::block::place_block;
use dasklike_graph::dtype::Scalar;
use dasklike_graph::finish::finish;
use dasklike_graph::plan::{Plan, Source, SourceId};
use dasklike_graph::stage::{InlineId, InlineValues, Lowered, Sink, Stage, Target, Tile};
use dasklike_graph::tree::{PartialTree, TreeKey};
use ndarray::{ArrayD, IxDyn};
use std::collections::HashMap;
use std::convert::Infallible;

struct Memory<'a> {
    sources: &'a [Source],
    arrays: &'a [Naive],
}

impl ChunkReader for Memory<'_> {
    type Error = Infallible;

    fn read(
        &mut self,
        source: SourceId,
        index: &[u64],
        into: &mut [u8],
    ) -> Result<Chunk, Infallible> {
        let (s, array) = (
            &self.sources[source.0 as usize],
            &self.arrays[source.0 as usize],
        );
        let mut bytes = Vec::with_capacity(into.len());
        let chunk: Vec<usize> = s.chunks.iter().map(|c| *c as usize).collect();
        for at in ndarray::indices(IxDyn(&chunk)) {
            let element: Vec<usize> = (0..chunk.len())
                .map(|d| index[d] as usize * chunk[d] + at[d])
                .collect();
            // Elements of an edge chunk that lie outside of the array are there and mean nothing.
            let value = array.values.get(IxDyn(&element)).copied().unwrap_or(s.fill);
            value.write_le(s.dtype, &mut bytes);
        }
        into.copy_from_slice(&bytes);
        Ok(Chunk::Decoded)
    }
}

struct Arrays {
    values: Vec<(Vec<u64>, Vec<u8>)>,
}

impl Inlines for Arrays {
    fn bytes(&self, id: InlineId) -> Option<(&[u64], &[u8])> {
        self.values
            .get(id.0 as usize)
            .map(|(shape, bytes)| (&shape[..], &bytes[..]))
    }
}

/// Runs the stages and returns the outputs. `order` shuffles the tiles.
pub fn run(plan: &Plan, lowered: &Lowered, arrays: &[Naive], order: &mut Rng) -> Vec<Naive> {
    let mut outputs: Vec<Vec<u8>> = lowered
        .outputs
        .iter()
        .map(|o| vec![0; o.shape.iter().product::<u64>() as usize * o.dtype.size()])
        .collect();
    let values = lowered.inlines.iter().map(|i| match &i.values {
        InlineValues::Known(bytes) => (i.shape.clone(), bytes.to_vec()),
        InlineValues::From(_) => (
            i.shape.clone(),
            vec![0; i.shape.iter().product::<u64>() as usize * i.dtype.size()],
        ),
    });
    let mut inlines = Arrays {
        values: values.collect(),
    };
    for stage in &lowered.stages {
        let blocks = run_stage(plan, stage, arrays, &inlines, order);
        for (target, region, bytes) in blocks {
            match target {
                Target::Output(o) => {
                    let meta = &lowered.outputs[o.0 as usize];
                    place_block(
                        &mut outputs[o.0 as usize],
                        &meta.shape,
                        &region,
                        &bytes,
                        meta.dtype.size(),
                    );
                }
                Target::Inline(i) => {
                    let size = lowered.inlines[i.0 as usize].dtype.size();
                    let (shape, array) = &mut inlines.values[i.0 as usize];
                    place_block(array, shape, &region, &bytes, size);
                }
                Target::Local(_) => panic!("a local result left its tile"),
            }
        }
    }
    let named = lowered.outputs.iter().zip(outputs).map(|(meta, bytes)| {
        let elements = bytes
            .chunks_exact(meta.dtype.size())
            .map(|b| Scalar::from_le_bytes(meta.dtype, b));
        let shape: Vec<usize> = meta.shape.iter().map(|n| *n as usize).collect();
        let values = ArrayD::from_shape_vec(shape, elements.collect()).unwrap();
        Naive {
            dims: meta.dims.clone(),
            dtype: meta.dtype,
            values,
        }
    });
    named.collect()
}

type PlacedBlock = (Target, Vec<std::ops::Range<u64>>, Vec<u8>);

fn run_stage(
    plan: &Plan,
    stage: &Stage,
    arrays: &[Naive],
    inlines: &Arrays,
    order: &mut Rng,
) -> Vec<PlacedBlock> {
    let evaluator = Evaluator::new(stage, &plan.sources).unwrap();
    let mut scratch = Scratch::default();
    let mut reader = Memory {
        sources: &plan.sources,
        arrays,
    };
    let mut trees: HashMap<(usize, usize), PartialTree> = HashMap::new();
    let mut blocks = Vec::new();
    let mut tiles: Vec<u64> = (0..stage.tile_count()).collect();
    order.shuffle(&mut tiles);
    for tile in tiles {
        for result in evaluator
            .run(&mut scratch, Tile(tile), inlines, &mut reader)
            .unwrap()
        {
            match result {
                TileResult::Block {
                    target,
                    region,
                    bytes,
                } => blocks.push((target, region, bytes)),
                TileResult::Partial {
                    pass,
                    sink,
                    output_tile,
                    leaf,
                    partial,
                } => {
                    let Sink::Reduce(reduce) = &stage.passes[pass].sinks[sink] else {
                        panic!("not a reduction")
                    };
                    let leaves = stage.place(&stage.passes[pass], reduce, Tile(tile)).leaves;
                    assert!(
                        leaves > 1,
                        "a lone partial should have been finished in its tile"
                    );
                    let key = TreeKey::leaf(output_tile, leaf);
                    let tree = trees.entry((pass, sink)).or_default();
                    if let Some(root) = tree.insert(&reduce.state, leaves, key, partial) {
                        let done = finish(stage, &stage.passes[pass], reduce, output_tile, &root);
                        blocks.extend(done.into_iter().map(|b| (b.target, b.region, b.bytes)));
                    }
                }
            }
        }
    }
    assert!(
        trees.values().all(PartialTree::is_empty),
        "partials are left without a sibling"
    );
    blocks
}
