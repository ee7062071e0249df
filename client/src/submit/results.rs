//! Results as their blocks arrive.

use super::{ComputeError, OutputArray, ResultBytes};
use dasklike_graph::block::{place_part, region_elements};
use dasklike_graph::plan::OutputId;
use dasklike_graph::stage::OutputMeta;
use dasklike_proto_engine::convert::Piece;
use std::ops::Range;

/// The outputs as their blocks arrive.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) arrays: Vec<OutputArray>,
    block: Option<Arriving>,
}

impl Results {
    pub(super) fn new(outputs: Vec<OutputMeta>) -> Result<Results, ComputeError> {
        let array = |meta: OutputMeta| {
            let bytes = meta.shape.iter().fold(meta.dtype.size() as u128, |n, s| {
                n.saturating_mul(u128::from(*s))
            });
            match usize::try_from(bytes).ok().and_then(ResultBytes::zeros) {
                Some(bytes) => Ok(OutputArray { meta, bytes }),
                None => Err(ComputeError::TooLarge {
                    name: meta.name,
                    bytes,
                }),
            }
        };
        Ok(Results {
            arrays: outputs.into_iter().map(array).collect::<Result<_, _>>()?,
            ..Results::default()
        })
    }

    /// Puts a piece of a block where it belongs.
    pub(super) fn take(&mut self, piece: Piece) -> Result<(), ComputeError> {
        let block = match self.block.take() {
            Some(block) => block,
            None => self.begin(&piece)?,
        };
        let placed = block.placed + piece.data.len();
        if block.output != piece.output || placed as u64 > block.bytes {
            return Err(ComputeError::Protocol(
                "the pieces of a block do not fit together".to_owned(),
            ));
        }
        let array = &mut self.arrays[block.output.0 as usize];
        place_part(
            &mut array.bytes,
            &array.meta.shape,
            &block.region,
            block.placed,
            &piece.data,
            array.meta.dtype.size(),
        );
        if (placed as u64) < block.bytes {
            self.block = Some(Arriving { placed, ..block });
        }
        Ok(())
    }

    /// The block whose first piece this is. It must lie within its output and fill its region.
    fn begin(&self, first: &Piece) -> Result<Arriving, ComputeError> {
        let fits = self
            .arrays
            .get(first.output.0 as usize)
            .is_some_and(|array| {
                let shape = &array.meta.shape;
                let inside = first.region.iter().zip(shape).all(|(r, n)| r.end <= *n);
                let elements = region_elements(&first.region);
                first.region.len() == shape.len()
                    && inside
                    && elements.checked_mul(array.meta.dtype.size() as u64)
                        == Some(first.total_bytes)
            });
        if fits {
            Ok(Arriving {
                output: first.output,
                region: first.region.clone(),
                bytes: first.total_bytes,
                placed: 0,
            })
        } else {
            Err(ComputeError::Protocol(
                "a block does not fit its output".to_owned(),
            ))
        }
    }
}

/// A block whose pieces are arriving.
#[derive(Debug)]
struct Arriving {
    output: OutputId,
    region: Vec<Range<u64>>,
    /// Of the whole block.
    bytes: u64,
    /// Bytes that are in their place.
    placed: usize,
}
