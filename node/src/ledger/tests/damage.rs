//! Files that were cut or altered are noticed, and the ledger is rebuilt from its blocks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bitcoin::Block;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use super::forge::Forge;
use super::{give, open};
use crate::chain::Rules;
use crate::control::LedgerState;
use crate::ledger::Opened;
use crate::ledger::store::FileStore;
use crate::ledger::store::files::{BLOCK_FILE, RECORDS};

/// A chain with payments, kept in files.
struct Kept {
    rules: Arc<Rules>,
    blocks: Vec<Arc<Block>>,
    folder: TempDir,
    state: LedgerState,
}

fn kept() -> Kept {
    let mut forge = Forge::new(6);
    let folder = tempfile::tempdir().expect("a folder");
    let mut blocks = Vec::new();
    let mut tip = forge.genesis();
    for coin in forge.spendable(tip) {
        let payment = forge.pay(&coin, 2, 1_000);
        blocks.push(forge.mine(tip, vec![payment]));
        tip = blocks[blocks.len() - 1].block_hash();
    }
    let mut ledger = open(&forge.rules, FileStore::open(folder.path()).expect("opens")).ledger;
    blocks.iter().for_each(|block| drop(give(&mut ledger, block)));
    ledger.sync().expect("syncs");
    let state = LedgerState { signature_checks: 0, ..ledger.state() };
    Kept { rules: forge.rules.clone(), blocks, folder, state }
}

impl Kept {
    /// Opens a copy of the folder after something was done to one of its files.
    fn opened_after(&self, file: &Path, harm: impl FnOnce(&mut Vec<u8>)) -> Opened {
        let copy = tempfile::tempdir().expect("a folder");
        copy_all(self.folder.path(), copy.path());
        let harmed = copy.path().join(file);
        let mut bytes = fs::read(&harmed).expect("a file");
        harm(&mut bytes);
        fs::write(&harmed, bytes).expect("a file");
        open(&self.rules, FileStore::open(copy.path()).expect("opens whatever happened"))
    }

    /// That the ledger is or becomes what it was, once it has been given what it lacks.
    fn check(&self, opened: &mut Opened) {
        self.blocks.iter().for_each(|block| drop(give(&mut opened.ledger, block)));
        assert_eq!(LedgerState { signature_checks: 0, ..opened.ledger.state() }, self.state);
    }

    /// Files of the record tree, the largest first.
    fn record_files(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join(RECORDS);
        let entries = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
        files.sort_by_key(|path| (std::cmp::Reverse(fs::metadata(path).expect("a file").len()), path.clone()));
        files.into_iter().map(|path| path.strip_prefix(self.folder.path()).expect("inside").to_owned()).collect()
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy_all(&path, &target),
            false => drop(fs::copy(&path, &target).expect("a file")),
        }
    }
}

/// Why the end of a machine need take nothing from the records: the end of the process has taken it already.
#[test]
fn of_the_records_the_system_has_what_was_synced_last_and_no_more() {
    let kept = kept();
    let folder = tempfile::tempdir().expect("a folder");
    let mut ledger = open(&kept.rules, FileStore::open(folder.path()).expect("opens")).ledger;
    let (first, rest) = kept.blocks.split_at(kept.blocks.len() / 2);
    first.iter().for_each(|block| drop(give(&mut ledger, block)));
    ledger.sync().expect("syncs");
    let synced = LedgerState { signature_checks: 0, ..ledger.state() };
    let bytes = fs::metadata(folder.path().join(BLOCK_FILE)).expect("a file").len();
    rest.iter().for_each(|block| drop(give(&mut ledger, block)));
    assert!(ledger.state().tip.height > synced.tip.height);
    // Its process ends now, and the blocks that were not synced go with the machine.
    let copy = tempfile::tempdir().expect("a folder");
    copy_all(folder.path(), copy.path());
    let blocks = fs::OpenOptions::new().write(true).open(copy.path().join(BLOCK_FILE)).expect("a file");
    blocks.set_len(bytes).expect("it can be cut");
    let mut opened = open(&kept.rules, FileStore::open(copy.path()).expect("opens"));
    assert_eq!(opened.rebuilt, None);
    assert_eq!(LedgerState { signature_checks: 0, ..opened.ledger.state() }, synced);
    kept.check(&mut opened);
}

#[test]
fn records_cut_or_deleted_are_rebuilt_from_the_blocks() {
    let kept = kept();
    for file in kept.record_files() {
        let length = fs::metadata(kept.folder.path().join(&file)).expect("a file").len() as usize;
        for left in [0, 1, length / 2, length.saturating_sub(1)] {
            let mut opened = kept.opened_after(&file, |bytes| bytes.truncate(left));
            assert_eq!(opened.ledger.standing().tip, kept.state.tip, "{} cut to {left}", file.display());
            kept.check(&mut opened);
        }
    }
}

#[test]
fn flipped_bits_in_records_never_reach_the_ledger() {
    let kept = kept();
    let mut chance = StdRng::seed_from_u64(1);
    let mut noticed = 0;
    let file = kept.record_files().remove(0);
    let bytes = fs::read(kept.folder.path().join(&file)).expect("a file");
    // Most of sled's file is empty: flips are drawn where something stands.
    let written: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    for _ in 0..24 {
        let (at, bit) = (written[chance.random_range(0..written.len())], chance.random_range(0..8));
        let mut opened = kept.opened_after(&file, |bytes| bytes[at] ^= 1 << bit);
        assert_eq!(opened.ledger.standing().tip, kept.state.tip, "byte {at}, bit {bit}");
        noticed += usize::from(opened.replayed > 0);
        kept.check(&mut opened);
    }
    // sled itself cuts its log off where a checksum fails; then the blocks after it are judged again.
    assert!(noticed > 12, "{noticed} of 24 flips noticed");
}

#[test]
fn a_block_file_cut_short_is_noticed() {
    let kept = kept();
    let length = fs::metadata(kept.folder.path().join(BLOCK_FILE)).expect("a file").len() as usize;
    for left in (0..length).step_by(197).chain([length - 1]) {
        let mut opened = kept.opened_after(Path::new(BLOCK_FILE), |bytes| bytes.truncate(left));
        let rebuilt = opened.rebuilt.as_ref().expect("it is noticed");
        assert_eq!(rebuilt.blocks, u64::from(opened.ledger.standing().tip.height), "all that is left counts");
        kept.check(&mut opened);
    }
}

#[test]
fn every_flipped_byte_of_the_block_file_is_noticed() {
    let kept = kept();
    let length = fs::metadata(kept.folder.path().join(BLOCK_FILE)).expect("a file").len() as usize;
    for at in (0..length).step_by(41) {
        let mut opened = kept.opened_after(Path::new(BLOCK_FILE), |bytes| bytes[at] ^= 1 << (at % 8));
        assert!(opened.rebuilt.is_some(), "byte {at}");
        kept.check(&mut opened);
    }
}

#[test]
fn a_store_of_another_chain_is_not_touched() {
    let kept = kept();
    let other = Arc::new(Rules::lab(&[]));
    let copy = tempfile::tempdir().expect("a folder");
    copy_all(kept.folder.path(), copy.path());
    let open_as = |rules: &Arc<Rules>| {
        let store = Box::new(FileStore::open(copy.path()).expect("opens"));
        let (verifier, work) = (Arc::new(super::Inline), Arc::new(super::RealWork));
        crate::ledger::Ledger::open(rules.clone(), store, verifier, work, super::NOW)
    };
    assert!(open_as(&other).is_err());
    assert_eq!(open_as(&kept.rules).expect("opens").ledger.standing().tip, kept.state.tip);
}

#[test]
fn a_frame_cut_short_by_a_crash_is_cut_off_without_a_word() {
    let kept = kept();
    let path = kept.folder.path().join(BLOCK_FILE);
    let whole = fs::read(&path).expect("a file");
    fs::write(&path, [&whole[..], &whole[..100]].concat()).expect("a file");
    let mut opened = open(&kept.rules, FileStore::open(kept.folder.path()).expect("opens"));
    assert_eq!((&opened.rebuilt, opened.replayed), (&None, 0), "it was never acknowledged");
    assert_eq!(fs::read(&path).expect("a file"), whole);
    kept.check(&mut opened);
}

#[test]
fn a_store_that_is_in_use_is_left_alone() {
    let kept = kept();
    let ledger = open(&kept.rules, FileStore::open(kept.folder.path()).expect("opens")).ledger;
    let refused = FileStore::open(kept.folder.path()).err().expect("somebody else has it");
    assert_eq!(refused.why, "it is open elsewhere");
    drop(ledger);
    let opened = open(&kept.rules, FileStore::open(kept.folder.path()).expect("opens"));
    assert_eq!((opened.rebuilt, opened.ledger.standing().tip), (None, kept.state.tip));
}
