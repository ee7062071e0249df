//! What a job tells its clients.

use super::common::{dtype_from_proto, dtype_to_proto, region_from_proto, region_to_proto};
use super::{ConvertError, need};
use crate::pb;
use dasklike_graph::plan::{Dim, OutputId};
use dasklike_graph::protocol::{Epoch, ErrorKind, JobId};
use dasklike_graph::stage::OutputMeta;
use std::ops::Range;
use tonic::codegen::Bytes;

/// What happens to a job, as its clients hear it.
#[derive(Clone, Debug, PartialEq)]
pub enum JobEvent {
    /// The job exists. Always first.
    Accepted {
        /// Its number.
        job: JobId,
        /// Its results.
        outputs: Vec<OutputMeta>,
        /// Tiles of all stages.
        tasks: u64,
        /// The scheduler's incarnation, in which the number means this job.
        epoch: Epoch,
    },
    /// How far it is.
    Progress(Progress),
    /// Part of a block. The pieces of a block follow one another.
    Piece(Piece),
    /// Every block was sent.
    Finished,
    /// It cannot go on.
    Failed {
        /// Whose fault it is.
        category: FailureCategory,
        /// What to tell the user.
        message: String,
    },
    /// Someone cancelled it.
    Cancelled,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Tiles that are done, of all stages.
    pub tasks_done: u64,
    /// Tiles of all stages.
    pub tasks: u64,
    /// Bytes read as stored.
    pub stored_bytes: u64,
    /// Bytes after decoding.
    pub decoded_bytes: u64,
}

/// Part of a block of an output.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The output.
    pub output: OutputId,
    /// Where the block lies in the output; empty on all pieces but the first.
    pub region: Vec<Range<u64>>,
    /// Bytes of the whole block; 0 on all pieces but the first.
    pub total_bytes: u64,
    /// Little-endian elements in C order.
    pub data: Bytes,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCategory {
    /// The plan, the store or its data.
    BadInput,
    /// The cluster or the program.
    Internal,
}

impl From<ErrorKind> for FailureCategory {
    fn from(kind: ErrorKind) -> FailureCategory {
        match kind {
            ErrorKind::Store | ErrorKind::Array | ErrorKind::Chunk | ErrorKind::Memory => {
                FailureCategory::BadInput
            }
            ErrorKind::Compute | ErrorKind::WorkersLost | ErrorKind::Internal => {
                FailureCategory::Internal
            }
        }
    }
}

/// An event as a message.
pub fn event_to_proto(event: JobEvent) -> pb::JobEvent {
    use pb::job_event::Event as E;
    let event = match event {
        JobEvent::Accepted {
            job,
            outputs,
            tasks,
            epoch,
        } => E::Accepted(pb::Accepted {
            job: job.0,
            outputs: outputs.iter().map(meta_to_proto).collect(),
            tasks,
            epoch: epoch.0,
        }),
        JobEvent::Progress(Progress {
            tasks_done,
            tasks,
            stored_bytes,
            decoded_bytes,
        }) => E::Progress(pb::Progress {
            tasks_done,
            tasks,
            stored_bytes,
            decoded_bytes,
        }),
        JobEvent::Piece(p) => E::Block(pb::BlockPiece {
            output: p.output.0,
            region: region_to_proto(&p.region),
            total_bytes: p.total_bytes,
            data: p.data,
        }),
        JobEvent::Finished => E::Finished(pb::Finished {}),
        JobEvent::Failed { category, message } => {
            let category = match category {
                FailureCategory::BadInput => pb::FailureCategory::BadInput,
                FailureCategory::Internal => pb::FailureCategory::Internal,
            };
            E::Failed(pb::Failed {
                category: category as i32,
                message,
            })
        }
        JobEvent::Cancelled => E::Cancelled(pb::Cancelled {}),
    };
    pb::JobEvent { event: Some(event) }
}

/// The event of a message.
pub fn event_from_proto(event: pb::JobEvent) -> Result<JobEvent, ConvertError> {
    use pb::job_event::Event as E;
    Ok(match need(event.event, "event")? {
        E::Accepted(a) => JobEvent::Accepted {
            job: JobId(a.job),
            outputs: a
                .outputs
                .into_iter()
                .map(meta_from_proto)
                .collect::<Result<_, _>>()?,
            tasks: a.tasks,
            epoch: Epoch(a.epoch),
        },
        E::Progress(pb::Progress {
            tasks_done,
            tasks,
            stored_bytes,
            decoded_bytes,
        }) => JobEvent::Progress(Progress {
            tasks_done,
            tasks,
            stored_bytes,
            decoded_bytes,
        }),
        E::Block(p) => JobEvent::Piece(Piece {
            output: OutputId(p.output),
            region: region_from_proto(&p.region)?,
            total_bytes: p.total_bytes,
            data: p.data,
        }),
        E::Finished(pb::Finished {}) => JobEvent::Finished,
        E::Failed(f) => {
            let category = match f.category() {
                pb::FailureCategory::BadInput => FailureCategory::BadInput,
                pb::FailureCategory::Internal | pb::FailureCategory::Unspecified => {
                    FailureCategory::Internal
                }
            };
            JobEvent::Failed {
                category,
                message: f.message,
            }
        }
        E::Cancelled(pb::Cancelled {}) => JobEvent::Cancelled,
    })
}

fn meta_to_proto(meta: &OutputMeta) -> pb::OutputMeta {
    pb::OutputMeta {
        name: meta.name.clone(),
        dtype: dtype_to_proto(meta.dtype),
        dims: meta.dims.iter().map(|d| d.to_string()).collect(),
        shape: meta.shape.clone(),
    }
}

fn meta_from_proto(meta: pb::OutputMeta) -> Result<OutputMeta, ConvertError> {
    Ok(OutputMeta {
        name: meta.name,
        dtype: dtype_from_proto(meta.dtype)?,
        dims: meta.dims.into_iter().map(Dim::from).collect(),
        shape: meta.shape,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dasklike_graph::dtype::DType;
    use prost::Message;

    #[test]
    fn events_survive_the_wire() {
        let meta = OutputMeta {
            name: "mean".into(),
            dtype: DType::F64,
            dims: vec!["time".into()],
            shape: vec![4],
        };
        let piece = Piece {
            output: OutputId(1),
            region: vec![0..4, 1..2],
            total_bytes: 32,
            data: Bytes::from_static(&[1, 2]),
        };
        let events = [
            JobEvent::Accepted {
                job: JobId(3),
                outputs: vec![meta],
                tasks: 9,
                epoch: Epoch(4),
            },
            JobEvent::Progress(Progress {
                tasks_done: 1,
                tasks: 2,
                stored_bytes: 3,
                decoded_bytes: 4,
            }),
            JobEvent::Piece(piece),
            JobEvent::Finished,
            JobEvent::Failed {
                category: FailureCategory::BadInput,
                message: "no such path".into(),
            },
            JobEvent::Cancelled,
        ];
        for event in events {
            let bytes = event_to_proto(event.clone()).encode_to_vec();
            assert_eq!(
                event_from_proto(pb::JobEvent::decode(&*bytes).unwrap()),
                Ok(event)
            );
        }
    }
}
