//! The run of one pass over one tile: cells, strips, kernels, sinks.

use crate::STRIP;
use crate::chunks::{ChunkReader, Chunks};
use crate::code::{Operand, Step};
use crate::error::RunError;
use crate::evaluator::{Array, PassCode};
use crate::inputs::Bound;
use crate::kernels::{Operands, load};
use crate::passing::Passing;
use crate::scratch::{Here, Scratch};
use crate::sinks::{self, SinkState};
use dasklike_graph::dtype::DType;
use dasklike_graph::stage::{Groups, Pass, Sink};
use std::ops::Range;

/// A pass that runs.
pub(crate) struct PassRun<'a, R> {
    pass: &'a Pass,
    pub(crate) code: &'a PassCode,
    region: &'a [Range<u64>],
    /// By input.
    arrays: &'a [Array<'a>],
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) reader: &'a mut R,
    pub(crate) states: Vec<SinkState>,
    /// By sink: whether the current part's label has a group.
    pub(crate) active: Vec<bool>,
}

impl<'a, R: ChunkReader> PassRun<'a, R> {
    /// Prepares the registers and sinks of a pass over `region`.
    pub(crate) fn new(
        pass: &'a Pass,
        code: &'a PassCode,
        region: &'a [Range<u64>],
        arrays: &'a [Array<'a>],
        scratch: &'a mut Scratch,
        reader: &'a mut R,
    ) -> Self {
        let states: Vec<SinkState> = pass
            .sinks
            .iter()
            .zip(&code.groups_pass)
            .map(|(s, passes)| sinks::begin(pass, s, *passes, region))
            .collect();
        scratch.registers.reserve(&code.code.registers);
        for c in &code.code.constants {
            load::splat(
                scratch.registers.get_mut(c.reg).words_mut(),
                1 << c.reg.class,
                c.bits,
            );
        }
        scratch.chunks.clear();
        let inputs = code.inputs.len();
        scratch.bound.clear();
        scratch.bound.resize(inputs, Bound::Unused);
        scratch.splats.clear();
        scratch.splats.resize(inputs, None);
        scratch.here.clear();
        scratch.here.resize(inputs, Here::Register);
        let rank = region.len();
        scratch.strides.clear();
        scratch
            .strides
            .resize((inputs + pass.sinks.len()) * rank, 0);
        for (i, input) in code.inputs.iter().enumerate() {
            input.strides(
                &arrays[i].shape,
                &mut scratch.strides[i * rank..(i + 1) * rank],
            );
        }
        for (s, sink) in pass.sinks.iter().enumerate() {
            let at = (inputs + s) * rank;
            sinks::strides(sink, region, &mut scratch.strides[at..at + rank]);
        }
        let active = vec![true; states.len()];
        PassRun {
            pass,
            code,
            region,
            arrays,
            scratch,
            reader,
            states,
            active,
        }
    }

    /// Walks all cells and returns what the sinks gathered.
    pub(crate) fn run(mut self) -> Result<Vec<SinkState>, RunError<R::Error>> {
        self.scratch.cells.start(&self.pass.domain, self.region);
        let mut part = Vec::with_capacity(self.region.len());
        while !self.scratch.cells.is_done() {
            self.cell(&mut part)?;
            self.scratch.cells.advance(&self.pass.domain, self.region);
        }
        Ok(self.states)
    }

    /// Whether the guard selects anything of any cell, or there is none to ask.
    pub(crate) fn selects_any_cell(mut self) -> Result<bool, RunError<R::Error>> {
        self.scratch.cells.start(&self.pass.domain, self.region);
        while !self.scratch.cells.is_done() {
            if self.ask_guard()? {
                return Ok(true);
            }
            self.scratch.cells.advance(&self.pass.domain, self.region);
        }
        Ok(false)
    }

    /// Runs the current cell, cut along grouped dims into parts of one label each. A cell none of whose
    /// elements any sink wants is not read.
    fn cell(&mut self, part: &mut Vec<Range<u64>>) -> Result<(), RunError<R::Error>> {
        part.clone_from(&self.scratch.cells.ranges);
        for d in &self.code.group_dims {
            part[*d].end = self.label_end(*d, part[*d].start);
        }
        let mut bound = false;
        loop {
            let wanted = self.place_sinks(part);
            if wanted && !bound {
                if !self.bind()? {
                    return Ok(());
                }
                bound = true;
                // The guard had its own walk.
                self.place_sinks(part);
            }
            if wanted {
                self.part(part);
            }
            if !self.next_part(part) {
                return Ok(());
            }
        }
    }

    /// Goes to the next part of the current cell; false after the last.
    fn next_part(&self, part: &mut [Range<u64>]) -> bool {
        for d in self.code.group_dims.iter().rev().copied() {
            let whole = &self.scratch.cells.ranges[d];
            let goes_on = part[d].end < whole.end;
            let start = if goes_on { part[d].end } else { whole.start };
            part[d] = start..self.label_end(d, start);
            if goes_on {
                return true;
            }
        }
        false
    }

    /// Where the next label of any sink's groups along `d` begins, or the cell ends.
    fn label_end(&self, d: usize, at: u64) -> u64 {
        let groups = self.pass.sinks.iter().filter_map(|s| match s {
            Sink::Reduce(r) => r.groups.as_ref().filter(|g| g.dim == d),
            Sink::Emit { .. } => None,
        });
        groups
            .map(|g| run_end(g, at))
            .fold(self.scratch.cells.ranges[d].end, u64::min)
    }

    /// Starts a nest and sets where the sinks' streams begin; false if no sink wants the part.
    fn place_sinks(&mut self, part: &[Range<u64>]) -> bool {
        let (rank, inputs) = (self.region.len(), self.code.inputs.len());
        self.scratch.nest.reset(inputs + self.states.len());
        for (s, sink) in self.pass.sinks.iter().enumerate() {
            let strides = &self.scratch.strides[(inputs + s) * rank..(inputs + s + 1) * rank];
            let base = sinks::base(sink, &mut self.states[s], strides, self.region, part);
            self.active[s] = base.is_some();
            self.scratch.nest.base[inputs + s] = base.unwrap_or(0);
        }
        self.active.contains(&true)
    }

    /// Runs a part of the current cell, strip by strip.
    fn part(&mut self, part: &[Range<u64>]) {
        self.start_walk(part);
        while self.scratch.walk.advance(&self.scratch.nest) {
            self.strip();
        }
    }

    /// Starts a walk over the strips of a part of the current cell.
    pub(crate) fn start_walk(&mut self, part: &[Range<u64>]) {
        self.place_inputs(part);
        let (rank, scratch) = (self.region.len(), &mut *self.scratch);
        for (d, range) in part.iter().enumerate() {
            let (strides, bound) = (&scratch.strides, &scratch.bound);
            scratch
                .nest
                .push((range.end - range.start) as usize, |s| match bound.get(s) {
                    Some(Bound::Uniform(_) | Bound::Unused) => 0,
                    _ => strides[s * rank + d],
                });
        }
        scratch.walk.start(&scratch.nest, self.code.code.strip);
    }

    /// Sets where the bound inputs' streams begin. An input of one value fills its register once.
    fn place_inputs(&mut self, part: &[Range<u64>]) {
        let scratch = &mut *self.scratch;
        let rank = self.region.len();
        for (i, input) in self.code.inputs.iter().enumerate() {
            let Some(reg) = self.code.code.inputs[i] else {
                continue;
            };
            if let Bound::Unused = scratch.bound[i] {
                continue;
            }
            let (array, size) = (&self.arrays[i], input.dtype.size());
            if !matches!(scratch.bound[i], Bound::Uniform(_)) {
                scratch.nest.base[i] = input.offset(&array.shape, |a| array.origin[a], part);
                let moves = (0..rank)
                    .any(|d| part[d].end - part[d].start > 1 && scratch.strides[i * rank + d] != 0);
                if moves {
                    scratch.splats[i] = None;
                    continue;
                }
            }
            let bits = match scratch.bound[i] {
                Bound::Uniform(bits) => bits,
                bound => {
                    let bytes = data(bound, array, &scratch.chunks, &scratch.locals);
                    load::element(bytes, size, scratch.nest.base[i] as usize)
                }
            };
            let bits = if input.dtype == DType::Bool {
                (bits != 0) as u64
            } else {
                bits
            };
            if scratch.splats[i] != Some(bits) {
                load::splat(scratch.registers.get_mut(reg).words_mut(), size, bits);
                scratch.splats[i] = Some(bits);
            }
        }
    }

    /// Runs the current strip through the kernels into the sinks.
    fn strip(&mut self) {
        self.load_strip();
        let code = &self.code.code;
        let mut steps = &code.steps[..];
        if let Some(guard) = code.guard.as_ref().filter(|g| g.thins) {
            self.run_steps(&steps[..guard.steps]);
            steps = &steps[guard.steps..];
            if !self.leaves_any(guard) {
                return;
            }
        }
        self.run_steps(steps);
        let mut states = std::mem::take(&mut self.states);
        for (s, state) in states
            .iter_mut()
            .enumerate()
            .filter(|(s, _)| self.active[*s])
        {
            self.feed(s, state);
        }
        self.states = states;
    }

    /// Makes the current strip's elements ready.
    pub(crate) fn load_strip(&mut self) {
        let n = self.scratch.walk.rows * self.scratch.walk.row_len;
        debug_assert!(n <= STRIP);
        self.scratch.count = n;
        self.scratch.thinned = false;
        self.load(n);
    }

    /// Runs kernels over the strip.
    pub(crate) fn run_steps(&mut self, steps: &[Step]) {
        let n = self.scratch.count;
        for step in steps {
            // Taken out, so that the others can be read while it is written.
            let mut out = std::mem::take(self.scratch.registers.get_mut(step.out));
            let args = step.args.map(|a| self.source(a));
            (step.kernel)(
                out.words_mut(),
                &Operands {
                    args,
                    consts: &step.consts,
                },
                n,
            );
            *self.scratch.registers.get_mut(step.out) = out;
        }
    }

    /// Finds each bound input's elements where they lie, or loads them into its register.
    fn load(&mut self, n: usize) {
        let Scratch {
            registers,
            chunks,
            locals,
            nest,
            walk,
            bound,
            splats,
            here,
            ..
        } = &mut *self.scratch;
        for (i, input) in self.code.inputs.iter().enumerate() {
            let Some(reg) = self.code.code.inputs[i] else {
                continue;
            };
            here[i] = Here::Register;
            if splats[i].is_some() || matches!(bound[i], Bound::Unused) {
                continue;
            }
            let size = input.dtype.size();
            let bytes = data(bound[i], &self.arrays[i], chunks, locals);
            let stride = nest.inner_stride(i);
            let stored_bool = input.dtype == DType::Bool && !matches!(bound[i], Bound::Local(_));
            if !stored_bool && (stride == 1 || n == 1) && walk.is_one_run(i, 1) {
                let from = walk.base(0, i) as usize * size;
                if bytes[from..].as_ptr().align_offset(size) == 0 {
                    here[i] = Here::Memory(from);
                    continue;
                }
            }
            let out = registers.get_mut(reg).words_mut();
            for row in 0..walk.rows {
                load::gather(
                    out,
                    row * walk.row_len,
                    walk.row_len,
                    bytes,
                    size,
                    walk.base(row, i),
                    stride,
                );
            }
            if stored_bool {
                load::to_bool(out, 0, n);
            }
        }
    }

    /// The bytes of an operand for the current strip.
    pub(crate) fn source(&self, operand: Operand) -> &[u8] {
        let n = self.scratch.count;
        match operand {
            Operand::None => &[],
            Operand::Reg(reg) => self.scratch.registers.get(reg),
            Operand::Input(i) => {
                let i = i as usize;
                match (self.scratch.here[i], self.code.code.inputs[i]) {
                    (Here::Memory(from), _) => {
                        let s = &*self.scratch;
                        let bytes = data(s.bound[i], &self.arrays[i], &s.chunks, &s.locals);
                        &bytes[from..from + n * self.code.inputs[i].dtype.size()]
                    }
                    (Here::Register, Some(reg)) => self.scratch.registers.get(reg),
                    (Here::Register, None) => &[],
                }
            }
        }
    }

    /// Lets the current strip into a sink.
    fn feed(&self, s: usize, state: &mut SinkState) {
        let (walk, nest) = (&self.scratch.walk, &self.scratch.nest);
        let stream = self.code.inputs.len() + s;
        let stride = nest.inner_stride(stream);
        let fed = &self.code.code.fed[s];
        let (values, mask) = (self.source(fed.value), self.source(fed.mask));
        match (state, &self.code.reducers[s]) {
            (SinkState::Emit { bytes, size }, _) => {
                sinks::emit(bytes, *size, walk, stream, stride, values)
            }
            (
                SinkState::Reduce { partial } | SinkState::Passing(Passing { partial, .. }),
                Some(reducer),
            ) => {
                let Sink::Reduce(sink) = &self.pass.sinks[s] else {
                    return;
                };
                let size = self.pass.program.dtype(sink.value).size();
                let cells = partial.groups as usize * partial.cells as usize;
                let mut row = 0;
                while row < walk.rows {
                    let end = walk.run_from(row, stream, stride);
                    let (from, n) = if self.scratch.thinned {
                        (0, self.scratch.count)
                    } else {
                        (row * walk.row_len, (end - row) * walk.row_len)
                    };
                    let place = crate::accumulate::Place {
                        cells,
                        cell: walk.base(row, stream) as usize,
                        stride: stride as usize,
                    };
                    let mask = if mask.is_empty() {
                        mask
                    } else {
                        &mask[from..from + n]
                    };
                    reducer.feed(
                        &mut partial.words,
                        place,
                        &values[from * size..(from + n) * size],
                        mask,
                        n,
                    );
                    row = end;
                }
            }
            (SinkState::Reduce { .. } | SinkState::Passing(_), None) => {}
        }
    }
}

/// The bytes of the array that an input lies in.
fn data<'b>(
    bound: Bound,
    array: &Array<'b>,
    chunks: &'b Chunks,
    locals: &'b [Vec<u8>],
) -> &'b [u8] {
    match bound {
        Bound::Chunk(slot) => chunks.held(slot).decoded(),
        Bound::Inline => array.bytes,
        Bound::Local(id) => &locals[id],
        Bound::Uniform(_) | Bound::Unused => &[],
    }
}

/// Where the run of one group that holds `at` ends.
fn run_end(groups: &Groups, at: u64) -> u64 {
    let group = groups.group_of(at);
    let from = groups.starts.partition_point(|(start, _)| *start <= at);
    groups.starts[from..]
        .iter()
        .find(|r| r.1 != group)
        .map_or(u64::MAX, |r| r.0)
}
