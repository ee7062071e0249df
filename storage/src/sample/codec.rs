//! How the chunks of the synthetic cube are encoded. Each carries a crc32c, so that any damage is seen.

use crate::checksum::crc32c;
use libdeflater::{CompressionLvl, Compressor};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use zarrs::array::codec::{BloscCodec, BloscCompressionLevel, BloscCompressor, BloscShuffleMode};
use zarrs::array::{BytesToBytesCodecTraits, CodecOptions};

/// A codec of the synthetic cube, by the name it has on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SampleCodec {
    /// `blosc-zstd`: blosc with zstd at level 5 behind a byte shuffle, what most cubes have.
    BloscZstd,
    /// `zstd` at level 5.
    Zstd,
    /// `zlib` at level 6, in Zarr v3 the codec `numcodecs.zlib`, which zarr-python reads with numcodecs.
    Zlib,
    /// `gzip` at level 6.
    Gzip,
    /// `none`.
    None,
}

const LEVEL: i32 = 5;
const DEFLATE_LEVEL: i32 = 6;

impl SampleCodec {
    /// All of them.
    pub const ALL: [SampleCodec; 5] = [
        SampleCodec::BloscZstd,
        SampleCodec::Zstd,
        SampleCodec::Zlib,
        SampleCodec::Gzip,
        SampleCodec::None,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            SampleCodec::BloscZstd => "blosc-zstd",
            SampleCodec::Zstd => "zstd",
            SampleCodec::Zlib => "zlib",
            SampleCodec::Gzip => "gzip",
            SampleCodec::None => "none",
        }
    }

    /// The list of codecs in the metadata, for elements of `size` bytes.
    pub(super) fn metadata(self, size: usize) -> Value {
        let bytes = if size == 1 {
            json!({"name": "bytes"})
        } else {
            json!({"name": "bytes", "configuration": {"endian": "little"}})
        };
        let own = match self {
            SampleCodec::BloscZstd => json!({"name": "blosc", "configuration": {
                "typesize": size, "cname": "zstd", "clevel": LEVEL, "shuffle": "shuffle", "blocksize": 0}}),
            SampleCodec::Zstd => {
                json!({"name": "zstd", "configuration": {"level": LEVEL, "checksum": false}})
            }
            SampleCodec::Zlib => {
                json!({"name": "numcodecs.zlib", "configuration": {"level": DEFLATE_LEVEL}})
            }
            SampleCodec::Gzip => json!({"name": "gzip", "configuration": {"level": DEFLATE_LEVEL}}),
            SampleCodec::None => return json!([bytes, {"name": "crc32c"}]),
        };
        json!([bytes, own, {"name": "crc32c"}])
    }
}

impl fmt::Display for SampleCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SampleCodec {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = SampleCodec::ALL.map(SampleCodec::name).join(", ");
        let codec = SampleCodec::ALL.into_iter().find(|c| c.name() == name);
        codec.ok_or_else(|| format!("no codec {name:?}: expected one of {names}"))
    }
}

/// Encodes chunks.
pub(super) struct Encoder {
    codec: SampleCodec,
    deflate: Compressor,
}

impl Encoder {
    pub(super) fn new(codec: SampleCodec) -> Encoder {
        Encoder {
            codec,
            deflate: Compressor::new(CompressionLvl::new(DEFLATE_LEVEL).unwrap_or_default()),
        }
    }

    /// Encodes elements of `size` bytes to `out`, in place of what is there.
    pub(super) fn encode(
        &mut self,
        bytes: &[u8],
        size: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        out.clear();
        match self.codec {
            SampleCodec::None => out.extend_from_slice(bytes),
            SampleCodec::BloscZstd => out.extend_from_slice(&blosc(bytes, size)?),
            SampleCodec::Zstd => {
                out.extend_from_slice(
                    &zstd::bulk::compress(bytes, LEVEL).map_err(|e| e.to_string())?,
                );
            }
            SampleCodec::Zlib => {
                out.resize(self.deflate.zlib_compress_bound(bytes.len()), 0);
                let len = self
                    .deflate
                    .zlib_compress(bytes, out)
                    .map_err(|e| e.to_string())?;
                out.truncate(len);
            }
            SampleCodec::Gzip => {
                out.resize(self.deflate.gzip_compress_bound(bytes.len()), 0);
                let len = self
                    .deflate
                    .gzip_compress(bytes, out)
                    .map_err(|e| e.to_string())?;
                out.truncate(len);
            }
        }
        out.extend_from_slice(&crc32c(out).to_le_bytes());
        Ok(())
    }
}

fn blosc(bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let level =
        BloscCompressionLevel::try_from(LEVEL as u8).map_err(|e| format!("blosc level {e}"))?;
    let codec = BloscCodec::new(
        BloscCompressor::Zstd,
        level,
        None,
        BloscShuffleMode::Shuffle,
        Some(size),
    );
    let codec = codec.map_err(|e| e.to_string())?;
    let encoded = codec.encode(Cow::Borrowed(bytes), &CodecOptions::default());
    encoded.map(Cow::into_owned).map_err(|e| e.to_string())
}
