//! The evaluator: a stage's compiled passes, and the run of one tile through them.

use crate::accumulate::Reducer;
use crate::chunks::ChunkReader;
use crate::code::{Code, Operand};
use crate::error::{CompileError, RunError};
use crate::inputs::{Inlines, InputCode, Place};
use crate::pass::PassRun;
use crate::registers::allocate;
use crate::results::TileResult;
use crate::scratch::Scratch;
use crate::select::{Refused, select};
use crate::sinks::finish;
use dasklike_graph::mask;
use dasklike_graph::passing::groups_pass;
use dasklike_graph::plan::Source;
use dasklike_graph::program::Instr;
use dasklike_graph::stage::{Pass, Sink, Stage, Target, Tile};
use std::ops::Range;

/// A compiled stage of a job. Shared by all slots.
#[derive(Clone, Debug)]
pub struct Evaluator {
    stage: Stage,
    passes: Vec<PassCode>,
    /// Bytes of the chunks that are read, rising, each once.
    chunk_sizes: Vec<usize>,
}

/// A compiled pass.
#[derive(Clone, Debug)]
pub(crate) struct PassCode {
    pub(crate) code: Code,
    pub(crate) inputs: Vec<InputCode>,
    /// By sink; `None` for sinks that emit.
    pub(crate) reducers: Vec<Option<Reducer>>,
    /// Dims along which a sink's labels lie.
    pub(crate) group_dims: Vec<usize>,
    /// By sink: whether its groups pass.
    pub(crate) groups_pass: Vec<bool>,
    /// Whether there are chunks that need not be read where the guard selects nothing.
    pub(crate) guards_reads: bool,
}

impl Evaluator {
    /// Compiles a stage over the plan's sources.
    pub fn new(stage: &Stage, sources: &[Source]) -> Result<Evaluator, CompileError> {
        let passes = stage.passes.iter().enumerate();
        let passes: Vec<PassCode> = passes
            .map(|(p, pass)| compile(p, pass, stage, sources))
            .collect::<Result<_, _>>()?;
        let inputs = passes.iter().flat_map(|p| &p.inputs);
        let mut chunk_sizes: Vec<usize> = inputs.filter_map(InputCode::chunk_bytes).collect();
        chunk_sizes.sort_unstable();
        chunk_sizes.dedup();
        Ok(Evaluator {
            stage: stage.clone(),
            passes,
            chunk_sizes,
        })
    }

    /// Runs one tile. Chunks are read as the walk comes to them, each at most once a pass; those of which a mask
    /// says that nothing counts are not read.
    pub fn run<R: ChunkReader>(
        &self,
        scratch: &mut Scratch,
        tile: Tile,
        inlines: &dyn Inlines,
        reader: &mut R,
    ) -> Result<Vec<TileResult>, RunError<R::Error>> {
        self.check(tile)?;
        scratch.chunks.fit(&self.chunk_sizes);
        scratch
            .locals
            .resize_with(self.stage.locals.len(), Vec::new);
        let regions = self.local_regions(tile);
        let mut results = Vec::new();
        for (p, code) in self.passes.iter().enumerate() {
            let pass = &self.stage.passes[p];
            let region = self.stage.region(&pass.domain, tile);
            let arrays = arrays(code, inlines, &regions)?;
            let run = PassRun::new(pass, code, &region, &arrays, scratch, reader);
            let states = run.run()?;
            finish(
                &self.stage,
                p,
                tile,
                &region,
                states,
                &mut scratch.locals,
                &mut results,
            );
        }
        Ok(results)
    }

    /// Whether a tile needs more than the chunks of its mask's sources (see
    /// [`dasklike_graph::mask::asked_first`]), which are all that is read to tell.
    pub fn needs_more<R: ChunkReader>(
        &self,
        scratch: &mut Scratch,
        tile: Tile,
        inlines: &dyn Inlines,
        reader: &mut R,
    ) -> Result<bool, RunError<R::Error>> {
        self.check(tile)?;
        let [code] = &self.passes[..] else {
            return Ok(true);
        };
        let pass = &self.stage.passes[0];
        let region = self.stage.region(&pass.domain, tile);
        let arrays = arrays(code, inlines, &self.local_regions(tile))?;
        PassRun::new(pass, code, &region, &arrays, scratch, reader).selects_any_cell()
    }

    fn check<E>(&self, tile: Tile) -> Result<(), RunError<E>> {
        let (tile, tiles) = (tile.0, self.stage.tile_count());
        if tile < tiles {
            Ok(())
        } else {
            Err(RunError::NoTile { tile, tiles })
        }
    }

    fn local_regions(&self, tile: Tile) -> Vec<Vec<Range<u64>>> {
        let locals = self.stage.locals.iter();
        locals.map(|l| self.stage.region(&l.dims, tile)).collect()
    }
}

/// The array that an input lies in, apart from stored ones: its shape, the element at which each axis begins,
/// and for inline arrays the bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Array<'a> {
    pub(crate) shape: Vec<u64>,
    pub(crate) origin: Vec<u64>,
    pub(crate) bytes: &'a [u8],
}

/// The arrays of a pass' inputs.
fn arrays<'a, E>(
    code: &PassCode,
    inlines: &'a dyn Inlines,
    regions: &[Vec<Range<u64>>],
) -> Result<Vec<Array<'a>>, RunError<E>> {
    let array = |input: &InputCode| match &input.place {
        Place::Stored { chunk, .. } => Ok(Array {
            shape: chunk.clone(),
            origin: vec![0; chunk.len()],
            bytes: &[],
        }),
        Place::Inline(id) => {
            let (shape, bytes) = inlines.bytes(*id).ok_or(RunError::MissingInline(*id))?;
            let size = shape.iter().product::<u64>() as usize * input.dtype.size();
            if shape.len() != input.axes.len() || bytes.len() != size {
                return Err(RunError::InlineShape(*id));
            }
            Ok(Array {
                shape: shape.to_vec(),
                origin: vec![0; shape.len()],
                bytes,
            })
        }
        Place::Local(id) => {
            let region = &regions[id.0 as usize];
            let shape = region.iter().map(|r| r.end - r.start).collect();
            Ok(Array {
                shape,
                origin: region.iter().map(|r| r.start).collect(),
                bytes: &[],
            })
        }
    };
    code.inputs.iter().map(array).collect()
}

fn compile(
    p: usize,
    pass: &Pass,
    stage: &Stage,
    sources: &[Source],
) -> Result<PassCode, CompileError> {
    let mut inputs = Vec::with_capacity(pass.inputs.len());
    for (i, input) in pass.inputs.iter().enumerate() {
        let code = InputCode::new(input, sources, pass.domain.len(), stage.locals.len());
        inputs.push(code.map_err(|what| CompileError::Input {
            pass: p,
            input: i,
            what,
        })?);
    }
    for (v, instr) in pass.program.instrs.iter().enumerate() {
        if let Instr::Load(i) = instr
            && pass.inputs.get(*i as usize).map(|i| i.dtype) != pass.program.dtypes.get(v).copied()
        {
            return Err(CompileError::Unsupported {
                pass: p,
                instr: v,
                what: format!("{instr:?}"),
            });
        }
    }
    let selected = select(&pass.program, &pass.sinks).map_err(|refused| match refused {
        Refused::Undefined(instr) => CompileError::Undefined { pass: p, instr },
        Refused::Unsupported(instr, what) => CompileError::Unsupported {
            pass: p,
            instr,
            what,
        },
    })?;
    let sizes: Vec<usize> = pass.inputs.iter().map(|i| i.dtype.size()).collect();
    let code = allocate(selected, &sizes);
    let mut reducers = Vec::with_capacity(pass.sinks.len());
    for (s, sink) in pass.sinks.iter().enumerate() {
        let masked = code.fed[s].mask != Operand::None;
        let reducer = reducer(stage, pass, sink, masked);
        reducers.push(reducer.map_err(|what| CompileError::Sink {
            pass: p,
            sink: s,
            what,
        })?);
    }
    let groups = pass.sinks.iter().filter_map(|s| match s {
        Sink::Reduce(r) => r.groups.as_ref().map(|g| g.dim),
        Sink::Emit { .. } => None,
    });
    let mut group_dims: Vec<usize> = groups.collect();
    group_dims.sort_unstable();
    group_dims.dedup();
    Ok(PassCode {
        code,
        inputs,
        reducers,
        group_dims,
        groups_pass: pass.sinks.iter().map(|s| passes(stage, pass, s)).collect(),
        guards_reads: mask::read_order(pass).is_some(),
    })
}

fn passes(stage: &Stage, pass: &Pass, sink: &Sink) -> bool {
    matches!(sink, Sink::Reduce(r) if groups_pass(stage, pass, r))
}

fn reducer(
    stage: &Stage,
    pass: &Pass,
    sink: &Sink,
    masked: bool,
) -> Result<Option<Reducer>, &'static str> {
    let Sink::Reduce(r) = sink else {
        return Ok(None);
    };
    let rank = pass.domain.len();
    if r.kept.iter().any(|k| *k >= rank) || !r.kept.is_sorted_by(|a, b| a < b) {
        return Err("its kept dims are not dims of the domain in order");
    }
    if r.groups
        .as_ref()
        .is_some_and(|g| g.dim >= rank || r.kept.contains(&g.dim))
    {
        return Err("its labels do not lie along a reduced dim");
    }
    let unknown = |t: Target| matches!(t, Target::Local(id) if id.0 as usize >= stage.locals.len());
    if r.results.iter().any(|r| unknown(r.target)) {
        return Err("it leaves a local array that the stage does not have");
    }
    let dtype = pass.program.dtype(r.value);
    Reducer::new(&r.state, dtype, masked)
        .map(Some)
        .ok_or("its state is not one for the value's dtype")
}
