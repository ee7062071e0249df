//! Decoding a chunk: the codecs of an array, parsed once, run over one chunk after the other in used memory.

mod blosc;
mod shuffle;

use crate::buffer::Buffer;
use crate::checksum::crc32c;
use crate::error::ReadErrorKind;
use std::borrow::Cow;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use zarrs::array::{
    ArrayToBytesCodecTraits, BytesRepresentation, BytesToBytesCodecTraits, CodecChain,
    CodecMetadataOptions, CodecOptions, DataType, FillValue,
};
use zarrs::plugin::ExtensionName;

/// Memory that decoding uses again and again. One for each thread that reads.
#[derive(Default)]
pub struct ReadScratch {
    /// The encoded bytes of the chunk that is being read.
    pub(crate) encoded: Buffer,
    contexts: Contexts,
}

/// The codecs' own state.
#[derive(Default)]
struct Contexts {
    /// A block of a blosc container, before it is unshuffled.
    block: Buffer,
    /// Buffers between the steps of a chain.
    between: Vec<Buffer>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    deflate: Option<libdeflater::Decompressor>,
}

/// What a decompression context of zstd and one of libdeflate take.
const CONTEXT_BYTES: u64 = 192 << 10;

impl Contexts {
    fn zstd(&mut self) -> Result<&mut zstd::bulk::Decompressor<'static>, ReadErrorKind> {
        if self.zstd.is_none() {
            self.zstd = Some(zstd::bulk::Decompressor::new()?);
        }
        self.zstd
            .as_mut()
            .ok_or_else(|| ReadErrorKind::Io("no zstd context".to_owned()))
    }

    fn deflate(&mut self) -> &mut libdeflater::Decompressor {
        self.deflate
            .get_or_insert_with(libdeflater::Decompressor::new)
    }
}

/// One bytes-to-bytes codec and how many bytes it decodes to, as far as that is known.
struct Step {
    kind: Kind,
    name: String,
    decoded: BytesRepresentation,
    codec: Arc<dyn BytesToBytesCodecTraits>,
}

/// How a step is decoded.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Blosc,
    Zstd,
    Zlib,
    Gzip,
    /// A checksum behind the bytes.
    Crc32c,
    /// By `zarrs`, into memory of its own.
    Library,
}

/// How the decoded bytes become elements.
enum Elements {
    /// They are.
    Plain,
    /// They are big-endian numbers of so many bytes.
    Swapped(usize),
    /// A transposition or the like, by `zarrs`.
    Library(Box<CodecChain>),
}

/// The codecs of an array and the shape they are for.
pub(crate) struct Pipeline {
    /// The last one to encode, and so the first to decode, comes first.
    steps: Vec<Step>,
    elements: Elements,
    /// Bytes before the first bytes-to-bytes codec encoded them; unknown when the array is a shard.
    raw: BytesRepresentation,
    shape: Vec<NonZeroU64>,
    data_type: DataType,
    fill: FillValue,
    /// Bytes of the decoded chunk.
    bytes: usize,
}

impl Pipeline {
    /// Prepares the codecs for chunks of `shape`. Says what is wrong if they do not fit the dtype.
    pub(crate) fn new(
        chain: &CodecChain,
        shape: &[NonZeroU64],
        data_type: &DataType,
        fill: &FillValue,
        bytes: usize,
    ) -> Result<Pipeline, String> {
        let (to_array, to_bytes) = (chain.array_to_array_codecs(), chain.array_to_bytes_codec());
        let array_only = CodecChain::new(to_array.to_vec(), to_bytes.clone(), Vec::new());
        let raw = array_only
            .encoded_representation(shape, data_type, fill)
            .map_err(|e| e.to_string())?;
        let mut steps = Vec::new();
        let mut decoded = raw;
        for codec in chain.bytes_to_bytes_codecs() {
            let name = codec
                .name_v3()
                .or_else(|| codec.name_v2())
                .unwrap_or_default()
                .into_owned();
            let encoded = codec.encoded_representation(&decoded);
            let kind = kind(codec.as_ref(), &name, &decoded);
            steps.insert(
                0,
                Step {
                    kind,
                    name,
                    decoded,
                    codec: codec.clone(),
                },
            );
            decoded = encoded;
        }
        let plain = to_array.is_empty() && to_bytes.name_v3().as_deref() == Some("bytes");
        let size = data_type.fixed_size().unwrap_or(0);
        let elements = match plain {
            true if size > 1 && is_big_endian(to_bytes.as_ref()) => Elements::Swapped(size),
            true => Elements::Plain,
            false => Elements::Library(Box::new(array_only)),
        };
        let (shape, data_type, fill) = (shape.to_vec(), data_type.clone(), fill.clone());
        Ok(Pipeline {
            steps,
            elements,
            raw,
            shape,
            data_type,
            fill,
            bytes,
        })
    }

    /// The most bytes an encoded chunk can have. Codecs differ in how much they add to what does not compress;
    /// this allows for any that works at all.
    pub(crate) fn encoded_bound(&self) -> u64 {
        let mut bound = self.raw.size().unwrap_or(self.bytes as u64 * 2);
        for step in self.steps.iter().rev() {
            bound = match step.kind {
                Kind::Crc32c => bound + 4,
                Kind::Blosc => bound + bound / 64 + 1024,
                _ => bound + bound / 8 + bound / 64 + 1024,
            };
        }
        bound
    }

    /// Bytes that decoding needs beside input and output.
    pub(crate) fn scratch_bound(&self) -> u64 {
        let chunk = self.bytes as u64;
        let step = |s: &Step| {
            let between = s.decoded.size().unwrap_or(2 * chunk);
            match s.kind {
                Kind::Crc32c => 0,
                Kind::Blosc => between + 2 * chunk,
                Kind::Library => 2 * between,
                _ => between,
            }
        };
        // The last step decodes into the output, so a lone one needs no buffer but blosc's block.
        let steps = match self
            .steps
            .iter()
            .filter(|s| s.kind != Kind::Crc32c)
            .collect::<Vec<_>>()[..]
        {
            [s] if self.is_direct() && s.kind == Kind::Blosc => 2 * chunk,
            [s] if self.is_direct() && s.kind != Kind::Library => 0,
            _ => self.steps.iter().map(step).sum(),
        };
        let elements = if matches!(self.elements, Elements::Library(_)) {
            4 * chunk
        } else {
            0
        };
        CONTEXT_BYTES + steps + elements
    }

    fn is_direct(&self) -> bool {
        !matches!(self.elements, Elements::Library(_))
    }

    /// Decodes a chunk into `out`, which has the size of one.
    pub(crate) fn decode(
        &self,
        input: &[u8],
        scratch: &mut ReadScratch,
        out: &mut [u8],
    ) -> Result<(), ReadErrorKind> {
        let contexts = &mut scratch.contexts;
        match &self.elements {
            Elements::Plain => run(&self.steps, input, contexts, out),
            Elements::Swapped(size) => {
                run(&self.steps, input, contexts, out)?;
                out.chunks_exact_mut(*size).for_each(<[u8]>::reverse);
                Ok(())
            }
            Elements::Library(chain) => match self.raw {
                BytesRepresentation::FixedSize(size) => {
                    with_buffer(contexts, size, |contexts, raw| {
                        run(&self.steps, input, contexts, raw)?;
                        self.library(chain, raw, out)
                    })
                }
                // How large a shard is only its bytes tell.
                _ => self.library(chain, &run_unsized(&self.steps, input)?, out),
            },
        }
    }

    fn library(&self, chain: &CodecChain, raw: &[u8], out: &mut [u8]) -> Result<(), ReadErrorKind> {
        let codec = chain.array_to_bytes_codec().name_v3().unwrap_or_default();
        let options = CodecOptions::default().with_concurrent_target(1);
        let array = guarded(&codec, || {
            chain.decode(
                Cow::Borrowed(raw),
                &self.shape,
                &self.data_type,
                &self.fill,
                &options,
            )
        })?;
        let array = array
            .into_fixed()
            .map_err(|e| refused(&codec, e.to_string()))?;
        copy(&array, out)
    }
}

fn kind(codec: &dyn BytesToBytesCodecTraits, name: &str, decoded: &BytesRepresentation) -> Kind {
    // Our own decoders need to know how many bytes they must give.
    if !matches!(decoded, BytesRepresentation::FixedSize(_)) {
        return if name == "crc32c" && !is_at_start(codec) {
            Kind::Crc32c
        } else {
            Kind::Library
        };
    }
    match name {
        "blosc" => Kind::Blosc,
        "zstd" => Kind::Zstd,
        "gzip" => Kind::Gzip,
        "numcodecs.zlib" => Kind::Zlib,
        "crc32c" if !is_at_start(codec) => Kind::Crc32c,
        _ => Kind::Library,
    }
}

fn is_at_start(codec: &dyn BytesToBytesCodecTraits) -> bool {
    let configuration = codec.configuration_v3(&CodecMetadataOptions::default());
    configuration.is_some_and(|c| c.get("location").and_then(|l| l.as_str()) == Some("start"))
}

fn is_big_endian(codec: &dyn ArrayToBytesCodecTraits) -> bool {
    let configuration = codec.configuration_v3(&CodecMetadataOptions::default());
    configuration.is_some_and(|c| c.get("endian").and_then(|e| e.as_str()) == Some("big"))
}

fn refused(codec: &str, what: impl Into<String>) -> ReadErrorKind {
    ReadErrorKind::Codec {
        codec: codec.to_owned(),
        what: what.into(),
    }
}

/// Calls `zarrs`, which may panic over bytes that are not what they should be.
fn guarded<T, E: std::fmt::Display>(
    codec: &str,
    f: impl FnOnce() -> Result<T, E>,
) -> Result<T, ReadErrorKind> {
    let panicked = |_| refused(codec, "the decoder panicked");
    catch_unwind(AssertUnwindSafe(f))
        .map_err(panicked)?
        .map_err(|e| refused(codec, e.to_string()))
}

/// Lends a used buffer of `size` bytes.
fn with_buffer<T>(
    contexts: &mut Contexts,
    size: u64,
    f: impl FnOnce(&mut Contexts, &mut [u8]) -> T,
) -> T {
    let mut buffer = contexts.between.pop().unwrap_or_default();
    let result = f(contexts, buffer.room(size as usize));
    contexts.between.push(buffer);
    result
}

fn copy(from: &[u8], out: &mut [u8]) -> Result<(), ReadErrorKind> {
    let (have, need) = (from.len() as u64, out.len() as u64);
    if have < need {
        return Err(ReadErrorKind::Truncated { have, need });
    }
    if have > need {
        return Err(ReadErrorKind::Size { have, need });
    }
    out.copy_from_slice(from);
    Ok(())
}

/// Runs the steps over `input`; the last one writes to `out`.
fn run(
    steps: &[Step],
    input: &[u8],
    contexts: &mut Contexts,
    out: &mut [u8],
) -> Result<(), ReadErrorKind> {
    let Some((step, rest)) = steps.split_first() else {
        return copy(input, out);
    };
    match (step.kind, &step.decoded) {
        (Kind::Crc32c, _) => run(rest, checked(input)?, contexts, out),
        (Kind::Library, _) => {
            let options = CodecOptions::default();
            let decoded = guarded(&step.name, || {
                step.codec
                    .decode(Cow::Borrowed(input), &step.decoded, &options)
            })?;
            run(rest, &decoded, contexts, out)
        }
        _ if rest.is_empty() => step.decode(input, contexts, out),
        (_, decoded) => with_buffer(contexts, decoded.size().unwrap_or(0), |contexts, buffer| {
            step.decode(input, contexts, buffer)?;
            run(rest, buffer, contexts, out)
        }),
    }
}

/// Runs the steps over bytes whose decoded size is not known before.
fn run_unsized<'a>(steps: &[Step], input: &'a [u8]) -> Result<Cow<'a, [u8]>, ReadErrorKind> {
    let options = CodecOptions::default();
    steps.iter().try_fold(Cow::Borrowed(input), |bytes, step| {
        guarded(&step.name, || {
            step.codec.decode(bytes, &step.decoded, &options)
        })
        .map(|b| Cow::Owned(b.into_owned()))
    })
}

/// The bytes before their checksum.
fn checked(input: &[u8]) -> Result<&[u8], ReadErrorKind> {
    let Some((bytes, sum)) = input.split_last_chunk::<4>() else {
        return Err(ReadErrorKind::Truncated {
            have: input.len() as u64,
            need: 4,
        });
    };
    let (have, need) = (crc32c(bytes), u32::from_le_bytes(*sum));
    if have == need {
        Ok(bytes)
    } else {
        Err(ReadErrorKind::Checksum {
            codec: "crc32c",
            have,
            need,
        })
    }
}

impl Step {
    /// Decodes with one of the decoders that need to know the size, which is that of `out`.
    fn decode(
        &self,
        input: &[u8],
        contexts: &mut Contexts,
        out: &mut [u8],
    ) -> Result<(), ReadErrorKind> {
        let have = match self.kind {
            Kind::Zstd => {
                let have = contexts.zstd()?.decompress_to_buffer(input, out);
                have.map_err(|e| refused("zstd", e.to_string()))?
            }
            Kind::Gzip => {
                let have = contexts.deflate().gzip_decompress(input, out);
                have.map_err(|e| refused("gzip", deflate_words(&e)))?
            }
            Kind::Zlib => {
                let have = contexts.deflate().zlib_decompress(input, out);
                have.map_err(|e| refused("zlib", deflate_words(&e)))?
            }
            Kind::Blosc => match blosc::decode(input, out, contexts)? {
                blosc::Done::Yes => out.len(),
                blosc::Done::NeedsLibrary => {
                    let options = CodecOptions::default();
                    let decoded = guarded("blosc", || {
                        self.codec
                            .decode(Cow::Borrowed(input), &self.decoded, &options)
                    })?;
                    return copy(&decoded, out);
                }
            },
            Kind::Crc32c | Kind::Library => {
                return Err(refused(&self.name, "it has no decoder of ours"));
            }
        };
        let need = out.len();
        if have == need {
            Ok(())
        } else {
            Err(ReadErrorKind::Size {
                have: have as u64,
                need: need as u64,
            })
        }
    }
}

fn deflate_words(e: &libdeflater::DecompressionError) -> &'static str {
    match e {
        libdeflater::DecompressionError::BadData => "the data is corrupt or ends too early",
        libdeflater::DecompressionError::InsufficientSpace => "there is more data than a chunk has",
    }
}
