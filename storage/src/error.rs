//! What can go wrong, a kind for each step: naming a store, opening what is in it, reading a chunk.

use std::fmt;

/// Why a location is not a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The scheme is none of ours.
    #[error(
        "cannot open {location:?}: expected a path, or a file://, http://, https:// or s3:// URL"
    )]
    Scheme {
        /// What was given.
        location: String,
    },
    /// The URL has no host, no bucket or no valid form.
    #[error("{location:?} is not a valid URL: {what}")]
    Url {
        /// What was given.
        location: String,
        /// What is wrong with it.
        what: String,
    },
    /// An option that no store has, or a value it cannot have.
    #[error("option {name:?} = {value:?}: {what}")]
    Option {
        /// The option.
        name: String,
        /// Its value.
        value: String,
        /// What was expected.
        what: String,
    },
    /// A local path that is not there or may not be read.
    #[error("cannot open {location:?}: {what}")]
    Path {
        /// What was given.
        location: String,
        /// The system's words.
        what: String,
    },
    /// The client for remote stores could not be set up.
    #[error("cannot set up a client for {location:?}: {what}")]
    Client {
        /// What was given.
        location: String,
        /// What is missing.
        what: String,
    },
}

/// Why there is no dataset or array to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The location itself is no good.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no Zarr metadata.
    #[error(
        "{store} is not a zarr store: it has no zarr.json, .zgroup or .zarray; give the folder or URL of a zarr group or array"
    )]
    NotZarr {
        /// The store.
        store: String,
    },
    /// A remote group whose arrays cannot be found without listing it.
    #[error(
        "{store} has no consolidated metadata, and remote stores are not listed: consolidate it (zarr.consolidate_metadata), or give the URL of one array"
    )]
    NotConsolidated {
        /// The store.
        store: String,
    },
    /// A metadata document that cannot be understood.
    #[error("{store}: {document} is malformed: {what}")]
    Metadata {
        /// The store.
        store: String,
        /// The document's name.
        document: String,
        /// What is wrong with it.
        what: String,
    },
    /// An array that this build cannot read.
    #[error("array {array:?} in {store} cannot be read: {reason}")]
    Unreadable {
        /// The store.
        store: String,
        /// The array.
        array: String,
        /// The dtype, codec or other thing that is not supported.
        reason: String,
    },
    /// No array of that name.
    #[error("no array {array:?} in {store}: it has {have}")]
    NoSuchArray {
        /// The store.
        store: String,
        /// What was asked for.
        array: String,
        /// What there is.
        have: String,
    },
    /// What a plan says of an array is not what its metadata says.
    #[error("array {array:?} in {store} is not as the plan says: {what}; build the plan again")]
    Mismatch {
        /// The store.
        store: String,
        /// The array.
        array: String,
        /// The difference.
        what: String,
    },
    /// The store could not be read.
    #[error("cannot read {key} of {store}: {kind}")]
    Read {
        /// The store.
        store: String,
        /// The document.
        key: String,
        /// Why.
        kind: ReadErrorKind,
    },
}

/// A chunk that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The store, as in the plan.
    pub store: String,
    /// The array's path in it.
    pub array: String,
    /// The chunk's index; empty for an array without dims.
    pub chunk: Vec<u64>,
    /// What was wrong.
    pub kind: ReadErrorKind,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index: Vec<String> = self.chunk.iter().map(u64::to_string).collect();
        let (chunk, array, store) = (index.join(","), &self.array, &self.store);
        write!(
            f,
            "chunk [{chunk}] of array {array:?} in {store}: {}",
            self.kind
        )
    }
}

impl std::error::Error for ReadError {}

/// What was wrong with a chunk or a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadErrorKind {
    /// It ends too early.
    #[error("truncated: {have} bytes where {need} are needed")]
    Truncated {
        /// Bytes there are.
        have: u64,
        /// Bytes there must be.
        need: u64,
    },
    /// It is larger than its codecs can make it, and so than the memory that was declared for it.
    #[error("{bytes} encoded bytes, but a chunk of this array has {bound} at most")]
    TooLarge {
        /// Its bytes.
        bytes: u64,
        /// The most it may have.
        bound: u64,
    },
    /// It decodes to another size than a chunk has.
    #[error("decodes to {have} bytes, but a chunk has {need}")]
    Size {
        /// Bytes it decodes to.
        have: u64,
        /// Bytes of a chunk.
        need: u64,
    },
    /// The codec refuses it.
    #[error("damaged: {codec} says: {what}")]
    Codec {
        /// The codec.
        codec: String,
        /// Its words.
        what: String,
    },
    /// The bytes are not those that were written.
    #[error("damaged: {codec} checksum is {have:08x}, expected {need:08x}")]
    Checksum {
        /// The codec.
        codec: &'static str,
        /// What the bytes give.
        have: u32,
        /// What is stored.
        need: u32,
    },
    /// The caller asked for a chunk that the array does not have, or gave a buffer of another size.
    #[error("asked for wrongly: {0}")]
    Request(String),
    /// 401 or 403, or a file that may not be read.
    #[error(
        "access denied: {0}; give credentials, or the option anonymous=true for public buckets"
    )]
    Forbidden(String),
    /// A thing that must be there is not.
    #[error("not found: {0}")]
    NotFound(String),
    /// The server did not answer in time.
    #[error("timed out: {0}")]
    Timeout(String),
    /// Any other failure to read.
    #[error("cannot be read: {0}")]
    Io(String),
}

impl From<std::io::Error> for ReadErrorKind {
    fn from(e: std::io::Error) -> Self {
        match e.kind() {
            std::io::ErrorKind::PermissionDenied => ReadErrorKind::Forbidden(e.to_string()),
            std::io::ErrorKind::NotFound => ReadErrorKind::NotFound(e.to_string()),
            std::io::ErrorKind::TimedOut => ReadErrorKind::Timeout(e.to_string()),
            _ => ReadErrorKind::Io(e.to_string()),
        }
    }
}
