//! Clients: what they ask for, what they get, and whether that is right.

use super::kernel;
use super::machine::{Fault, Work};
use dasklike_graph::pool::PoolName;
use dasklike_graph::protocol::{Block, Epoch, ErrorKind, JobId};
use dasklike_graph::stage::{Lowered, Target};
use dasklike_scheduler::core::effect::JobEnd;
use std::sync::Arc;

/// A job that clients ask for.
pub(super) struct Template {
    pub(super) lowered: Arc<Lowered>,
    pub(super) salt: u64,
    pub(super) work: Work,
    pub(super) pool: PoolName,
    pub(super) name: Option<String>,
    pub(super) max_range: Option<u64>,
}

/// A client that asked for a template's job.
pub(super) struct User {
    pub(super) template: usize,
    pub(super) job: Option<JobId>,
    /// The scheduler that gave the job its number.
    pub(super) epoch: Epoch,
    pub(super) arrays: Vec<Vec<u8>>,
    pub(super) end: Option<JobEnd>,
    /// It went away, or was refused.
    pub(super) gone: bool,
    /// It, or another, may have cancelled the job.
    pub(super) may_be_cancelled: bool,
}

impl User {
    pub(super) fn new(template: usize, of: &Template) -> User {
        let bytes = |shape: &[u64]| vec![0xff; shape.iter().product::<u64>() as usize * 8];
        let arrays = of.lowered.outputs.iter().map(|o| bytes(&o.shape)).collect();
        User {
            template,
            job: None,
            epoch: Epoch(0),
            arrays,
            end: None,
            gone: false,
            may_be_cancelled: false,
        }
    }

    pub(super) fn deliver(&mut self, template: &Template, block: &Block) {
        assert!(self.end.is_none(), "a block came after the end");
        let Target::Output(output) = block.target else {
            panic!("a block for {:?} came", block.target)
        };
        let meta = &template.lowered.outputs[output.0 as usize];
        kernel::place(
            &mut self.arrays[output.0 as usize],
            &meta.shape,
            block,
            meta.dtype.size(),
        );
    }

    /// Checks how the job ended and what it gave.
    pub(super) fn check(&self, template: &Template) {
        if self.gone {
            return;
        }
        let fault = template.work.fault.as_ref().map(|f| f.0);
        match (self.end.as_ref(), fault) {
            (Some(JobEnd::Cancelled), _) if self.may_be_cancelled => {}
            (Some(JobEnd::Failed(e)), Some(Fault::Fails)) => {
                assert_eq!(e.kind, ErrorKind::Chunk, "{e}")
            }
            (Some(JobEnd::Failed(e)), Some(Fault::Kills)) => {
                assert_eq!(e.kind, ErrorKind::WorkersLost, "{e}")
            }
            (Some(JobEnd::Finished), None) => {
                let expected = kernel::results(template.salt, &template.lowered);
                for (i, (got, want)) in self.arrays.iter().zip(&expected).enumerate() {
                    assert!(got == want, "output {i} of {:?} is wrong", self.job);
                }
            }
            (end, fault) => panic!("{:?} ended as {end:?}, its fault is {fault:?}", self.job),
        }
    }
}
