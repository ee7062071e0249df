//! Results as their blocks arrive.

use super::{ComputeError, OutputArray};
use dasklike_graph::block::{place_block, region_elements};
use dasklike_graph::plan::OutputId;
use dasklike_graph::stage::OutputMeta;
use dasklike_proto_engine::convert::Piece;
use std::ops::Range;

/// The outputs as their blocks arrive.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) arrays: Vec<OutputArray>,
    /// The block whose pieces are arriving.
    block: Option<(OutputId, Vec<Range<u64>>, u64)>,
    bytes: Vec<u8>,
}

impl Results {
    pub(super) fn new(outputs: Vec<OutputMeta>) -> Result<Results, ComputeError> {
        let array = |meta: OutputMeta| {
            let bytes = meta.shape.iter().fold(meta.dtype.size() as u128, |n, s| {
                n.saturating_mul(u128::from(*s))
            });
            let fits = usize::try_from(bytes)
                .ok()
                .filter(|n| Vec::<u8>::new().try_reserve_exact(*n).is_ok());
            match fits {
                Some(n) => Ok(OutputArray {
                    meta,
                    bytes: vec![0; n],
                }),
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

    pub(super) fn take(&mut self, piece: Piece) -> Result<(), ComputeError> {
        if self.block.is_none() {
            self.check(&piece)?;
            self.block = Some((piece.output, piece.region, piece.total_bytes));
        }
        let Some((output, region, total)) = &self.block else {
            return Ok(());
        };
        let whole = self.bytes.len() as u64 + piece.data.len() as u64;
        if *output != piece.output || whole > *total {
            return Err(ComputeError::Protocol(
                "the pieces of a block do not fit together".to_owned(),
            ));
        }
        // Most blocks are one piece, which needs no copy of its own.
        let alone = self.bytes.is_empty() && whole == *total;
        if !alone {
            self.bytes.extend_from_slice(&piece.data);
        }
        if whole < *total {
            return Ok(());
        }
        let array = &mut self.arrays[output.0 as usize];
        let block: &[u8] = if alone { &piece.data } else { &self.bytes };
        place_block(
            &mut array.bytes,
            &array.meta.shape,
            region,
            block,
            array.meta.dtype.size(),
        );
        self.bytes.clear();
        self.block = None;
        Ok(())
    }

    /// A block must lie within its output and fill its region.
    fn check(&self, first: &Piece) -> Result<(), ComputeError> {
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
            Ok(())
        } else {
            Err(ComputeError::Protocol(
                "a block does not fit its output".to_owned(),
            ))
        }
    }
}
