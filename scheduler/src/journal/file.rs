//! A job's file: a line that says what it is, then records, each with its length and checksum.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The first bytes of a file.
const MAGIC: &[u8] = b"dasklike journal 1\n";
/// Length and checksum before each record, of 4 bytes each, little-endian.
const HEAD: usize = 8;
/// No record is longer; what says so is damaged.
const MOST_BYTES: u32 = 1 << 30;

/// A file that records are appended to.
pub(super) struct Writer(BufWriter<File>);

impl Writer {
    /// A new file, instead of one that may be there.
    pub(super) fn create(path: &Path) -> io::Result<Writer> {
        // What someone computes is nobody else's business.
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = BufWriter::new(options.open(path)?);
        file.write_all(MAGIC)?;
        Ok(Writer(file))
    }

    /// Behind the last record of a file that was read to its end.
    pub(super) fn append(path: &Path) -> io::Result<Writer> {
        let file = File::options().append(true).open(path)?;
        Ok(Writer(BufWriter::new(file)))
    }

    pub(super) fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let length = u32::try_from(record.len())
            .ok()
            .filter(|n| *n <= MOST_BYTES);
        let length = length.ok_or(io::ErrorKind::FileTooLarge)?;
        self.0.write_all(&length.to_le_bytes())?;
        self.0.write_all(&checksum(record).to_le_bytes())?;
        self.0.write_all(record)
    }

    /// Waits until the disk has it.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.0.flush()?;
        self.0.get_ref().sync_data()
    }
}

/// Reads a file's records up to its end, or to the first that is not whole, and cuts off what comes after.
pub(super) struct Reader {
    file: BufReader<File>,
    /// Bytes that were read and are good,
    good: u64,
    /// and those before the last record.
    before: u64,
}

impl Reader {
    /// `None` if it is no journal's file, or one of another version.
    pub(super) fn open(path: &Path) -> io::Result<Option<Reader>> {
        let mut file = BufReader::new(File::options().read(true).write(true).open(path)?);
        let mut magic = [0; MAGIC.len()];
        match file.read_exact(&mut magic) {
            Ok(()) if magic == MAGIC => Ok(Some(Reader {
                file,
                good: MAGIC.len() as u64,
                before: MAGIC.len() as u64,
            })),
            Ok(()) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next record; `None` at the end.
    pub(super) fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.whole()? {
            Some(record) => {
                self.before = self.good;
                self.good += (HEAD + record.len()) as u64;
                Ok(Some(record))
            }
            None => {
                self.file.get_ref().set_len(self.good)?;
                Ok(None)
            }
        }
    }

    /// Cuts off the last record and what comes after it.
    pub(super) fn reject(&mut self) -> io::Result<()> {
        self.file.get_ref().set_len(self.before)
    }

    fn whole(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (mut length, mut sum) = ([0; 4], [0; 4]);
        if !fill(&mut self.file, &mut length)? || !fill(&mut self.file, &mut sum)? {
            return Ok(None);
        }
        let length = u32::from_le_bytes(length);
        if length > MOST_BYTES {
            return Ok(None);
        }
        let mut record = Vec::new();
        let read = (&mut self.file)
            .take(length.into())
            .read_to_end(&mut record)?;
        let good = read as u64 == u64::from(length) && checksum(&record) == u32::from_le_bytes(sum);
        Ok(good.then_some(record))
    }
}

/// Whether there were so many bytes.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn checksum(record: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, record) as u32
}
