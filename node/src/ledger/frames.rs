//! A frame: one block in a bootstrap.dat file: magic, length (little-endian), consensus bytes. Blocks follow each other
//! in any order.

use std::io::{self, Read, Write};

use bitcoin::Block;
use bitcoin::consensus::{deserialize, serialize};

use crate::bounds::FRAME_BYTES;

/// Four bytes before every block: those of Bitcoin's main network, whatever chain the blocks are of.
pub const MAGIC: [u8; 4] = [0xf9, 0xbe, 0xb4, 0xd9];
/// Bytes before a block: the magic and the length.
pub const HEAD_BYTES: u64 = 8;

/// A block and where its frame stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where its magic starts.
    pub offset: u64,
    /// Bytes of the whole frame.
    pub bytes: u64,
    /// The block.
    pub block: Block,
}

/// Why a file of frames cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {breakage}")]
pub struct BrokenFrame {
    /// Where the broken frame starts.
    pub offset: u64,
    /// What is wrong with it.
    pub breakage: Breakage,
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breakage {
    /// It does not start with the magic.
    #[error("starts with {0:02x?} instead of the magic {MAGIC:02x?}")]
    Magic([u8; 4]),
    /// It says it is longer than any block.
    #[error("states a block of {0} bytes, more than any has")]
    Length(u32),
    /// The file ends within it.
    #[error("the file ends after {had} of its {wanted} bytes")]
    Truncated {
        /// Bytes it should have.
        wanted: u64,
        /// Bytes it has.
        had: u64,
    },
    /// The bytes are not one block.
    #[error("not a block: {0}")]
    Undecodable(String),
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// Frames of a file, one after the other, until one is broken.
pub struct Frames<R> {
    from: R,
    offset: u64,
    broken: bool,
}

impl<R: Read> Frames<R> {
    /// Reads frames; `offset` is where `from` stands in its file.
    pub fn new(from: R, offset: u64) -> Self {
        Self { from, offset, broken: false }
    }

    fn read(&mut self) -> Result<Option<Frame>, Breakage> {
        let mut head = [0; HEAD_BYTES as usize];
        match fill(&mut self.from, &mut head)? {
            0 => return Ok(None),
            had if had < head.len() => {
                // A head cut short within the magic is still told apart from something that is no frame at all.
                let shown = had.min(MAGIC.len());
                if head[..shown] != MAGIC[..shown] {
                    return Err(Breakage::Magic([head[0], head[1], head[2], head[3]]));
                }
                return Err(Breakage::Truncated { wanted: HEAD_BYTES, had: had as u64 });
            }
            _ => {}
        }
        let [m0, m1, m2, m3, length @ ..] = head;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(Breakage::Magic([m0, m1, m2, m3]));
        }
        let length = u32::from_le_bytes(length);
        if length > FRAME_BYTES {
            return Err(Breakage::Length(length));
        }
        let mut body = vec![0; length as usize];
        let had = fill(&mut self.from, &mut body)?;
        let bytes = HEAD_BYTES + u64::from(length);
        if had < body.len() {
            return Err(Breakage::Truncated { wanted: bytes, had: HEAD_BYTES + had as u64 });
        }
        let block = deserialize(&body).map_err(|error| Breakage::Undecodable(error.to_string()))?;
        let offset = self.offset;
        self.offset += bytes;
        Ok(Some(Frame { offset, bytes, block }))
    }
}

impl<R: Read> Iterator for Frames<R> {
    type Item = Result<Frame, BrokenFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let offset = self.offset;
        let read = self.read().map_err(|breakage| BrokenFrame { offset, breakage });
        self.broken = read.is_err();
        read.transpose()
    }
}

/// Writes a frame in one go; gives its bytes.
pub fn write(block: &Block, to: &mut impl Write) -> io::Result<u64> {
    let body = serialize(block);
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= FRAME_BYTES);
    let length = length.ok_or_else(|| io::Error::other("the block is larger than a frame may be"))?;
    let frame = [&MAGIC[..], &length.to_le_bytes(), &body].concat();
    to.write_all(&frame)?;
    Ok(frame.len() as u64)
}

/// Reads until `buffer` is full or the file ends; gives how much it read.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Breakage> {
    let mut had = 0;
    while had < buffer.len() {
        match from.read(&mut buffer[had..]) {
            Ok(0) => break,
            Ok(read) => had += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Breakage::Unreadable(error.to_string())),
        }
    }
    Ok(had)
}
