//! A block file: every body a node holds, appended in order of arrival, in bootstrap.dat framing.
//!
//! The file needs no index beside it: opening reads it whole and checks that each body is the one its header commits
//! to. A frame cut short at the end was never acknowledged and is cut off; anything else that is broken is damage,
//! and the file is written anew without it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bitcoin::consensus::deserialize;
use bitcoin::{Block, BlockHash};

use super::frames::{self, Breakage, Frames, HEAD_BYTES, MAGIC};

/// A file of bodies.
pub struct BlockFile {
    file: File,
    places: BTreeMap<BlockHash, Place>,
    arrivals: Vec<BlockHash>,
    end: u64,
    dirty: bool,
}

/// Where a body stands.
#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    bytes: u64,
}

impl BlockFile {
    /// Opens or makes the file; says what was damaged, if anything was.
    pub fn open(path: &Path) -> io::Result<(Self, Option<String>)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let found = survey(&file)?;
        let this = match &found.damage {
            None => {
                file.set_len(found.end)?;
                Self::over(file, found.frames, found.end)
            }
            Some(_) => Self::rewritten(file, found.frames, path)?,
        };
        sync_folder_of(path)?;
        Ok((this, found.damage))
    }

    /// The hashes of all bodies, in order of arrival.
    pub fn arrivals(&self) -> &[BlockHash] {
        &self.arrivals
    }

    /// Reads a body.
    pub fn get(&self, hash: &BlockHash) -> io::Result<Option<Block>> {
        let Some(place) = self.places.get(hash) else { return Ok(None) };
        let bytes = read_at(&self.file, *place)?;
        let block: Block = deserialize(&bytes[HEAD_BYTES as usize..]).map_err(io::Error::other)?;
        if block.block_hash() != *hash {
            return Err(io::Error::other(format!("byte {}: not block {hash} any more", place.offset)));
        }
        Ok(Some(block))
    }

    /// Appends a body unless it is here.
    pub fn append(&mut self, block: &Block) -> io::Result<()> {
        let hash = block.block_hash();
        if self.places.contains_key(&hash) {
            return Ok(());
        }
        self.dirty = true;
        self.file.seek(SeekFrom::Start(self.end))?;
        let bytes = frames::write(block, &mut self.file)?;
        self.places.insert(hash, Place { offset: self.end, bytes });
        self.arrivals.push(hash);
        self.end += bytes;
        Ok(())
    }

    /// Returns when everything appended would survive the end of the machine.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }

    fn over(file: File, frames: Vec<(BlockHash, Place)>, end: u64) -> Self {
        let mut this = Self { file, places: BTreeMap::new(), arrivals: Vec::new(), end, dirty: false };
        for (hash, place) in frames {
            if this.places.insert(hash, place).is_none() {
                this.arrivals.push(hash);
            }
        }
        this
    }

    /// The good frames of a damaged file in a new one, which then takes its place.
    fn rewritten(damaged: File, frames: Vec<(BlockHash, Place)>, path: &Path) -> io::Result<Self> {
        let beside = beside(path);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside)?;
        let mut moved = Vec::with_capacity(frames.len());
        let mut end = 0;
        for (hash, place) in frames {
            io::Write::write_all(&mut file, &read_at(&damaged, place)?)?;
            moved.push((hash, Place { offset: end, bytes: place.bytes }));
            end += place.bytes;
        }
        file.sync_all()?;
        fs::rename(&beside, path)?;
        Ok(Self::over(file, moved, end))
    }
}

/// What a file was found to hold.
struct Survey {
    frames: Vec<(BlockHash, Place)>,
    /// Where the last good frame ends.
    end: u64,
    damage: Option<String>,
}

fn survey(file: &File) -> io::Result<Survey> {
    let mut found = Survey { frames: Vec::new(), end: 0, damage: None };
    let mut from = 0;
    // Why the frame at the end of what is good so far was not: forgiven only if nothing good follows.
    let mut broken: Option<String> = None;
    loop {
        let mut reader = file;
        reader.seek(SeekFrom::Start(from))?;
        for frame in Frames::new(BufReader::with_capacity(1 << 20, file), from) {
            match frame {
                Ok(frame) if is_whole(&frame.block) => {
                    if let Some(why) = broken.take() {
                        found.damage.get_or_insert(why);
                    }
                    found.end = frame.offset + frame.bytes;
                    from = found.end;
                    let place = Place { offset: frame.offset, bytes: frame.bytes };
                    found.frames.push((frame.block.block_hash(), place));
                }
                Ok(frame) => {
                    broken.get_or_insert(format!("byte {}: transactions are not the header's", frame.offset));
                    break;
                }
                Err(error) => {
                    if let Breakage::Unreadable(why) = error.breakage {
                        return Err(io::Error::other(why));
                    }
                    broken.get_or_insert(error.to_string());
                    break;
                }
            }
        }
        match broken {
            None => return Ok(found),
            Some(_) => match next_magic(file, from + 1)? {
                Some(next) => from = next,
                None => return Ok(found),
            },
        }
    }
}

/// Whether the transactions and witnesses are those that the header commits to.
fn is_whole(block: &Block) -> bool {
    block.check_merkle_root() && block.check_witness_commitment()
}

/// Where the magic stands next.
fn next_magic(mut file: &File, from: u64) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(from))?;
    let mut window = [0; MAGIC.len()];
    for (read, byte) in BufReader::with_capacity(1 << 20, file).bytes().enumerate() {
        window.rotate_left(1);
        window[MAGIC.len() - 1] = byte?;
        if read + 1 >= MAGIC.len() && window == MAGIC {
            return Ok(Some(from + (read + 1 - MAGIC.len()) as u64));
        }
    }
    Ok(None)
}

fn read_at(mut file: &File, place: Place) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; place.bytes as usize];
    file.seek(SeekFrom::Start(place.offset))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("anew")
}

/// A file's name is durable only when its folder is.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
