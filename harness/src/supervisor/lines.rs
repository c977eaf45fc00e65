//! Lines put together from the pieces in which a pipe gives them.

use super::protocol::LONGEST_LINE;

/// Pieces of which no line has come of yet.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Takes a piece and gives the lines that are whole now, without their ends. What is longer than any line may be
    /// is given as it is, so that it is refused and not kept.
    pub fn take(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(part);
            if self.0.last() == Some(&b'\n') {
                self.0.pop();
                lines.push(std::mem::take(&mut self.0));
            } else if self.0.len() > LONGEST_LINE {
                lines.push(std::mem::take(&mut self.0));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_come(text in "[a\n]{0,60}", cut in 0_usize..60) {
            let (first, second) = text.as_bytes().split_at(cut.min(text.len()));
            let mut lines = Lines::default();
            let mut taken = lines.take(first);
            taken.extend(lines.take(second));
            let mut expected: Vec<Vec<u8>> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
            expected.pop(); // what follows the last end is no line yet
            prop_assert_eq!(taken, expected);
        }
    }
}
