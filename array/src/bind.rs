//! Binding: a pass' inputs find or read what they need for a cell, unless the guard says that nothing counts.

use crate::chunks::ChunkReader;
use crate::error::RunError;
use crate::guard::Guard;
use crate::inputs::{Bound, InputCode, Place};
use crate::pass::PassRun;

impl<R: ChunkReader> PassRun<'_, R> {
    /// Finds or reads what the inputs need for the current cell; false if the guard selects nothing of it, so
    /// that there is nothing to do and what lies behind the guard was not read.
    pub(crate) fn bind(&mut self) -> Result<bool, RunError<R::Error>> {
        if !self.ask_guard()? {
            return Ok(false);
        }
        for i in 0..self.code.inputs.len() {
            if let Bound::Unused = self.scratch.bound[i] {
                self.bind_input(i)?;
            }
        }
        Ok(true)
    }

    /// Whether the guard selects anything of the current cell, or there is none to ask. Reads what it needs and no
    /// more.
    pub(crate) fn ask_guard(&mut self) -> Result<bool, RunError<R::Error>> {
        let code = self.code;
        self.scratch.bound.fill(Bound::Unused);
        let Some(guard) = code.code.guard.as_ref().filter(|_| code.guards_reads) else {
            return Ok(true);
        };
        for i in &guard.reads {
            self.bind_input(*i as usize)?;
        }
        Ok(self.selects_any(guard))
    }

    /// Finds or reads what one input needs.
    fn bind_input(&mut self, i: usize) -> Result<(), RunError<R::Error>> {
        if self.code.code.inputs[i].is_none() {
            return Ok(());
        }
        self.scratch.bound[i] = match &self.code.inputs[i].place {
            Place::Inline(_) => Bound::Inline,
            Place::Local(id) => Bound::Local(id.0 as usize),
            Place::Stored { fill, .. } => {
                let slot = self.chunk(i)?;
                if self.scratch.chunks.held(slot).fill {
                    Bound::Uniform(*fill)
                } else {
                    Bound::Chunk(slot)
                }
            }
        };
        Ok(())
    }

    /// Whether the guard, whose inputs are bound, selects any element of the current cell. Stops at the first
    /// strip with one, which is mostly the first strip.
    fn selects_any(&mut self, guard: &Guard) -> bool {
        let cell = self.scratch.cells.ranges.clone();
        let streams = self.code.inputs.len() + self.states.len();
        self.scratch.nest.reset(streams);
        self.start_walk(&cell);
        let mut found = false;
        while !found && self.scratch.walk.advance(&self.scratch.nest) {
            self.load_strip();
            self.run_steps(&self.code.code.steps[..guard.steps]);
            found = self.selects_any_of_strip(guard);
        }
        found
    }

    /// The slot of the chunk that stored input `i` needs, which is read if it is not held.
    fn chunk(&mut self, i: usize) -> Result<usize, RunError<R::Error>> {
        let (inputs, scratch) = (&self.code.inputs, &mut *self.scratch);
        let Place::Stored {
            source,
            chunk,
            bytes,
            ..
        } = &inputs[i].place
        else {
            return Ok(0);
        };
        inputs[i].chunk_index(chunk, &scratch.cells.ranges, &mut scratch.index);
        if let Some(slot) = scratch.chunks.find(*source, &scratch.index) {
            return Ok(slot);
        }
        let cells = &scratch.cells;
        scratch.chunks.retain(|of, index| {
            let reads = |input: &InputCode| matches!(&input.place, Place::Stored { source, .. } if *source == of);
            inputs.iter().any(|input| reads(input) && input.needs(index, cells))
        });
        let read = scratch
            .chunks
            .read(self.reader, *source, &scratch.index, *bytes);
        read.map_err(|error| RunError::Read {
            source_id: *source,
            index: scratch.index.clone(),
            error,
        })
    }
}
