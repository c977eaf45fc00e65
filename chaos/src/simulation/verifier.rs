//! A memo of signature checks, shared by the nodes of one simulation: the same bytes have the same answer, so what
//! one node has checked no other needs to. A node is charged virtual work all the same.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schism_node::chain::SignatureCheck;
use schism_node::surroundings::Verifier;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Answers remembered at most, in two generations of half as many: 48 MB, an hour of a busy simulation.
const REMEMBERED: usize = 1 << 20;

/// The memo.
#[derive(Default)]
pub struct Memo(Mutex<State>);

/// How often a signature was really checked, and how often it was remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Checks executed.
    pub executed: u64,
    /// Checks answered from memory.
    pub remembered: u64,
}

#[derive(Default)]
struct State {
    /// Looked up, never walked through: its order does not matter.
    young: HashMap<Key, bool>,
    old: HashMap<Key, bool>,
    checked: Checked,
}

/// SHA-256 of everything a check depends on.
type Key = [u8; 32];

impl Memo {
    /// What it has done so far.
    pub fn checked(&self) -> Checked {
        self.lock().checked
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verifier for Memo {
    fn verify(&self, checks: &[SignatureCheck]) -> Result<(), usize> {
        let mut state = self.lock();
        match checks.iter().position(|check| !state.answer(key(check), || check.holds())) {
            Some(index) => Err(index),
            None => Ok(()),
        }
    }
}

impl State {
    fn answer(&mut self, key: Key, holds: impl FnOnce() -> bool) -> bool {
        if let Some(answer) = self.young.get(&key) {
            self.checked.remembered += 1;
            return *answer;
        }
        let answer = match self.old.remove(&key) {
            Some(answer) => {
                self.checked.remembered += 1;
                answer
            }
            None => {
                self.checked.executed += 1;
                holds()
            }
        };
        if self.young.len() >= REMEMBERED / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, answer);
        answer
    }
}

fn key(check: &SignatureCheck) -> Key {
    Sha256::digest(check.bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn a_check_is_executed_once_and_keeps_its_answer() {
        let mut state = State::default();
        assert!(!state.answer(number(1), || false));
        assert!(!state.answer(number(1), || panic!("executed twice")));
        assert_eq!(state.checked, Checked { executed: 1, remembered: 1 });
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_recent_stays() {
        let mut state = State::default();
        for index in 0..3 * REMEMBERED {
            state.answer(number(index), || true);
            assert!(state.young.len() + state.old.len() <= REMEMBERED);
        }
        assert!(state.answer(number(3 * REMEMBERED - 1), || panic!("forgotten")));
    }
}
