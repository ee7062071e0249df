//! Leaving out of a strip what its guard does not select, before the costly steps run.

use crate::accumulate::LANES;
use crate::chunks::ChunkReader;
use crate::code::Operand;
use crate::guard::{self, Guard};
use crate::pass::PassRun;
use crate::scratch::Here;

impl<R: ChunkReader> PassRun<'_, R> {
    /// Whether the guard, whose steps have run, leaves anything of the current strip. Where elements need not keep
    /// their places, blocks that it rules out are gone.
    pub(crate) fn leaves_any(&mut self, guard: &Guard) -> bool {
        if self.is_one_cell() {
            self.thin(guard);
            self.scratch.count > 0
        } else {
            self.selects_any_of_strip(guard)
        }
    }

    /// Whether the whole strip enters one cell of every sink, so that elements have no place to keep.
    fn is_one_cell(&self) -> bool {
        let (walk, nest) = (&self.scratch.walk, &self.scratch.nest);
        (0..self.states.len()).all(|s| {
            let stream = self.code.inputs.len() + s;
            !self.active[s] || (nest.inner_stride(stream) == 0 && walk.is_one_run(stream, 0))
        })
    }

    /// Whether the guard, whose steps have run, selects anything of the current strip.
    pub(crate) fn selects_any_of_strip(&mut self, guard: &Guard) -> bool {
        let mut live = std::mem::take(&mut self.scratch.live);
        let masks: Vec<&[u8]> = guard.masks.iter().map(|m| self.source(*m)).collect();
        let any = guard::selects_any(&masks, self.scratch.count, &mut live);
        self.scratch.live = live;
        any
    }

    /// Takes the blocks out of the strip of which the guard selects nothing.
    fn thin(&mut self, guard: &Guard) {
        let n = self.scratch.count;
        let mut live = std::mem::take(&mut self.scratch.live);
        let masks: Vec<&[u8]> = guard.masks.iter().map(|m| self.source(*m)).collect();
        guard::live_blocks(&masks, n, &mut live);
        let left = live.len() * LANES + n % LANES;
        // Copying a strip to leave out little of it costs more than it saves.
        if left <= n / 8 * 7 {
            self.take_out(guard, &live, n);
            self.scratch.count = left;
            self.scratch.thinned = true;
        }
        self.scratch.live = live;
    }

    /// Leaves only the `live` blocks in what is read behind the guard.
    fn take_out(&mut self, guard: &Guard, live: &[u16], n: usize) {
        for reg in &guard.registers {
            let register = self.scratch.registers.get_mut(*reg).words_mut();
            guard::close_up(register, 1 << reg.class, live, n);
        }
        for input in &guard.inputs {
            let i = *input as usize;
            let Some(reg) = self.code.code.inputs[i].filter(|_| self.scratch.splats[i].is_none())
            else {
                continue;
            };
            let size = 1 << reg.class;
            if let Here::Register = self.scratch.here[i] {
                let register = self.scratch.registers.get_mut(reg).words_mut();
                guard::close_up(register, size, live, n);
                continue;
            }
            // Taken out, so that the chunk can be read while it is written.
            let mut out = std::mem::take(self.scratch.registers.get_mut(reg));
            guard::gather(
                out.words_mut(),
                self.source(Operand::Input(*input)),
                size,
                live,
                n,
            );
            *self.scratch.registers.get_mut(reg) = out;
            self.scratch.here[i] = Here::Register;
        }
    }
}
