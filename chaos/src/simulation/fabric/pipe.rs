//! A pipe: the bytes of one stream in one direction, on their way or waiting to be read.
//!
//! The bytes lie here from the moment they are written; what travels is only how many, so that a frame costs no
//! allocation.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::task::Waker;

/// Bytes of one pipe that may be written and not yet read: yamux' initial window.
pub(super) const WINDOW: usize = 256 * 1024;
/// Room an empty pipe keeps, so that thousands of idle streams cost little.
const KEPT: usize = 2 * 1024;

/// One direction of one stream.
#[derive(Default)]
pub(super) struct Pipe {
    /// What has arrived, and behind it what is under way.
    bytes: VecDeque<u8>,
    arrived: usize,
    /// How it ended for its reader, once everything before the end is read.
    pub(super) end: Option<ErrorKind>,
    /// Its reader has gone: what arrives is thrown away.
    abandoned: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Pipe {
    /// Takes what fits into the window; zero when nothing does.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let length = bytes.len().min(WINDOW.saturating_sub(self.bytes.len()));
        self.bytes.extend(&bytes[..length]);
        length
    }

    /// Lets so many more bytes arrive.
    pub(super) fn arrive(&mut self, length: usize) {
        if self.abandoned {
            self.bytes.drain(..length.min(self.bytes.len()));
            self.shrink();
        } else {
            self.arrived = (self.arrived + length).min(self.bytes.len());
        }
    }

    /// Reads what has arrived; zero when nothing has.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let wanted = buffer.len().min(self.arrived);
        // Reading from memory cannot fail.
        let length = self.bytes.read(&mut buffer[..wanted]).unwrap_or(0);
        self.arrived -= length;
        self.shrink();
        length
    }

    /// The reader leaves.
    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
        self.bytes.drain(..self.arrived);
        self.arrived = 0;
        self.reader = None;
    }

    fn shrink(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT {
            self.bytes = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the sizes of writes, arrivals and reads: what is read is what was written, in order, and nothing
        /// is read before it arrived.
        #[test]
        fn bytes_come_out_as_they_went_in(steps in proptest::collection::vec((0u8..3, 0usize..5_000), 0..200)) {
            let mut pipe = Pipe::default();
            let (mut written, mut arrived, mut read) = (0usize, 0usize, 0usize);
            for (step, size) in steps {
                match step {
                    0 => {
                        let bytes: Vec<u8> = (written..written + size).map(|index| index as u8).collect();
                        written += pipe.write(&bytes);
                    }
                    1 => {
                        let length = size.min(written - arrived);
                        pipe.arrive(length);
                        arrived += length;
                    }
                    _ => {
                        let mut buffer = vec![0; size];
                        let length = pipe.read(&mut buffer);
                        prop_assert!((0..length).all(|index| buffer[index] == (read + index) as u8));
                        read += length;
                    }
                }
                prop_assert!(read <= arrived && written - read <= WINDOW);
            }
        }
    }

    #[test]
    fn the_window_is_full_until_something_is_read() {
        let mut pipe = Pipe::default();
        assert_eq!(pipe.write(&vec![1; WINDOW + 1]), WINDOW);
        assert_eq!(pipe.write(&[1]), 0);
        pipe.arrive(WINDOW);
        assert_eq!(pipe.write(&[1]), 0);
        assert_eq!(pipe.read(&mut [0; 10]), 10);
        assert_eq!(pipe.write(&[1; 20]), 10);
    }

    #[test]
    fn what_nobody_reads_makes_room() {
        let mut pipe = Pipe::default();
        pipe.write(&vec![1; WINDOW]);
        pipe.arrive(WINDOW / 2);
        pipe.abandon();
        assert_eq!(pipe.write(&vec![1; WINDOW]), WINDOW / 2);
        pipe.arrive(WINDOW);
        assert_eq!(pipe.write(&[1]), 1);
    }
}
