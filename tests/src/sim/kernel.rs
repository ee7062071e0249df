//! A stand-in for the evaluator: values of tiles are hashes of where they are, and the results of whole jobs
//! are computed from them by plain recursion, without scheduler, worker or merge trees.

use super::rng::hash;
use dasklike_graph::block::{place_block, region_elements};
use dasklike_graph::finish::{finish, finish_nothing};
use dasklike_graph::partial::Partial;
use dasklike_graph::protocol::{Block, SinkId, TaskStats};
use dasklike_graph::reduce::Column;
use dasklike_graph::stage::{
    InlineId, InlineValues, Lowered, Origin, Pass, ReduceSink, Sink, Stage, StageId, Target, Tile,
};
use dasklike_worker::core::event::TileOutput;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The inline arrays that a job's stages left.
pub(super) type Inlines = BTreeMap<InlineId, Arc<[u8]>>;

/// What the tile leaves.
///
/// # Errors
/// Names the inline array that is missing.
pub(super) fn run_tile(
    salt: u64,
    lowered: &Lowered,
    stage: StageId,
    tile: Tile,
    inlines: &Inlines,
) -> Result<TileOutput, String> {
    let s = &lowered.stages[stage.0 as usize];
    let mut output = TileOutput::default();
    for (p, pass) in s.passes.iter().enumerate() {
        let salt = hash(&[
            salt,
            stage.0 as u64,
            p as u64,
            seen(pass, lowered, inlines)?,
        ]);
        for (n, sink) in pass.sinks.iter().enumerate() {
            let salt = hash(&[salt, n as u64]);
            match sink {
                Sink::Reduce(sink) => {
                    let id = SinkId {
                        pass: p as u32,
                        sink: n as u32,
                    };
                    output
                        .partials
                        .push((id, partial(salt, s, pass, sink, tile)));
                }
                Sink::Emit { output: to, .. } => {
                    let region = s.region(&pass.domain, tile);
                    let values =
                        (0..region_elements(&region)).map(|i| hash(&[salt, tile.0, i]) as f64);
                    let bytes = values.flat_map(f64::to_le_bytes).collect();
                    output.blocks.push(Block {
                        target: Target::Output(*to),
                        region,
                        bytes,
                    });
                }
            }
        }
    }
    output.stats = TaskStats {
        reads: 1,
        ..TaskStats::default()
    };
    Ok(output)
}

/// A number that tells whether a pass saw the right arrays of earlier stages.
fn seen(pass: &Pass, lowered: &Lowered, inlines: &Inlines) -> Result<u64, String> {
    let mut all = 0;
    for input in &pass.inputs {
        let Origin::Inline(id) = input.origin else {
            continue;
        };
        if let InlineValues::From(_) = lowered.inlines[id.0 as usize].values {
            let bytes = inlines
                .get(&id)
                .ok_or_else(|| format!("{id:?} has not arrived"))?;
            all = bytes.iter().fold(all, |h, b| hash(&[h, *b as u64]));
        }
    }
    Ok(all)
}

fn partial(salt: u64, stage: &Stage, pass: &Pass, sink: &ReduceSink, tile: Tile) -> Partial {
    let region = stage.region(&pass.domain, tile);
    let groups = sink.group_span(&region);
    let cells = sink.cells(&region);
    let mut partial = Partial::empty(&sink.state, groups.start, groups.end - groups.start, cells);
    let n = (partial.groups as u64 * cells) as usize;
    for (k, column) in sink.state.columns.iter().enumerate() {
        for i in 0..n {
            let h = hash(&[salt, tile.0, i as u64, k as u64]);
            // Of many magnitudes, so that another order of adding gives other bits.
            let float = (h >> 40) as f64 * [1e-6, 1.0, 1e5][(h % 3) as usize] + 0.1;
            partial.words[k * n + i] = match column {
                Column::Count => 1 + h % 5,
                Column::SumFloat | Column::M2 | Column::Min | Column::Max => float.to_bits(),
                Column::SumInt => h % 1000,
                Column::Any | Column::All => h & 1,
            };
        }
    }
    partial
}

/// The outputs of the whole job, whole.
pub(super) fn results(salt: u64, lowered: &Lowered) -> Vec<Vec<u8>> {
    let bytes =
        |size: usize, shape: &[u64]| vec![0u8; shape.iter().product::<u64>() as usize * size];
    let mut outputs: Vec<_> = lowered
        .outputs
        .iter()
        .map(|o| bytes(o.dtype.size(), &o.shape))
        .collect();
    let mut arrays: Vec<_> = lowered
        .inlines
        .iter()
        .map(|i| bytes(i.dtype.size(), &i.shape))
        .collect();
    for (i, stage) in lowered.stages.iter().enumerate() {
        let inlines = arrays
            .iter()
            .enumerate()
            .map(|(n, a)| (InlineId(n as u32), Arc::from(a.as_slice())));
        let inlines: Inlines = inlines.collect();
        let tiles = (0..stage.tile_count())
            .map(|t| run_tile(salt, lowered, StageId(i as u32), Tile(t), &inlines));
        let tiles: Vec<TileOutput> = tiles.map(|t| t.unwrap_or_default()).collect();
        for block in blocks(stage, &tiles) {
            match block.target {
                Target::Output(o) => {
                    let meta = &lowered.outputs[o.0 as usize];
                    place(
                        &mut outputs[o.0 as usize],
                        &meta.shape,
                        &block,
                        meta.dtype.size(),
                    );
                }
                Target::Inline(n) => {
                    let meta = &lowered.inlines[n.0 as usize];
                    place(
                        &mut arrays[n.0 as usize],
                        &meta.shape,
                        &block,
                        meta.dtype.size(),
                    );
                }
                Target::Local(_) => {}
            }
        }
    }
    outputs
}

/// Puts a block into an array.
pub(super) fn place(array: &mut [u8], shape: &[u64], block: &Block, size: usize) {
    place_block(array, shape, &block.region, &block.bytes, size);
}

fn blocks(stage: &Stage, tiles: &[TileOutput]) -> Vec<Block> {
    let mut blocks: Vec<Block> = tiles.iter().flat_map(|t| t.blocks.clone()).collect();
    for (p, pass) in stage.passes.iter().enumerate() {
        for (n, sink) in pass.sinks.iter().enumerate() {
            let Sink::Reduce(sink) = sink else { continue };
            let id = SinkId {
                pass: p as u32,
                sink: n as u32,
            };
            let mut leaves: BTreeMap<u64, BTreeMap<u64, Partial>> = BTreeMap::new();
            for (t, tile) in tiles.iter().enumerate() {
                let place = stage.place(pass, sink, Tile(t as u64));
                let found = tile.partials.iter().find(|(i, _)| *i == id);
                if let Some((_, partial)) = found {
                    leaves
                        .entry(place.output_tile)
                        .or_default()
                        .insert(place.leaf, partial.clone());
                }
            }
            if tiles.is_empty() {
                let nothing = |t| finish_nothing(stage, pass, sink, t);
                blocks.extend((0..stage.output_tiles(pass, sink)).flat_map(nothing));
            }
            for (output_tile, leaves) in leaves {
                let n = leaves.len() as u64;
                if let Some(root) = fold(sink, &leaves, 0, n.next_power_of_two()) {
                    blocks.extend(finish(stage, pass, sink, output_tile, &root));
                }
            }
        }
    }
    blocks
}

/// The leaves `first..first + span`, halved again and again.
fn fold(
    sink: &ReduceSink,
    leaves: &BTreeMap<u64, Partial>,
    first: u64,
    span: u64,
) -> Option<Partial> {
    if span == 1 {
        return leaves.get(&first).cloned();
    }
    let left = fold(sink, leaves, first, span / 2)?;
    match fold(sink, leaves, first + span / 2, span / 2) {
        Some(right) => Some(left.merge(&sink.state, &right)),
        None => Some(left),
    }
}
