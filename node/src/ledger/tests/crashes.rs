//! A crash at every operation of a store leaves a ledger that opens at a valid tip, has lost nothing it told, and
//! ends where all others end.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bitcoin::{Amount, Block, BlockHash, OutPoint};

use super::forge::Forge;
use super::{NOW, open};
use crate::chain::{Coin, Rules, Tip};
use crate::control::LedgerState;
use crate::ledger::Ledger;
use crate::ledger::coins::Standing;
use crate::ledger::store::{Disk, FileStore, HeaderRecord, Step, Store, StoreFailure, Undo};
use crate::ledger::verifier::Inline;
use crate::messages::Source;
use crate::surroundings::RealWork;

/// Blocks with a payment, a reorganisation, and an invalid block on the heaviest branch; in order of arrival.
fn history() -> (Arc<Rules>, Vec<Arc<Block>>) {
    let mut forge = Forge::new(2);
    let coins = forge.spendable(forge.genesis());
    let (one, other) = (forge.pay(&coins[0], 2, 1_000), forge.pay(&coins[0], 3, 2_000));
    let a1 = forge.mine(forge.genesis(), vec![one]);
    let a2 = forge.mine(a1.block_hash(), Vec::new());
    let b1 = forge.mine(forge.genesis(), vec![other]);
    let payment = forge.pay(&coins[1], 1, 500);
    let b2 = forge.mine(b1.block_hash(), vec![payment]);
    let b3 = forge.mine(b2.block_hash(), Vec::new());
    let c3 = forge.mine_claiming(a2.block_hash(), Vec::new(), Amount::from_int_btc(60));
    let c4 = forge.mine(c3.block_hash(), Vec::new());
    let b4 = forge.mine(b3.block_hash(), Vec::new());
    (forge.rules.clone(), vec![a1, a2, b1, b2, b3, c3, c4, b4])
}

/// What an observer may rely on: tips that were told, in order.
type Told = Vec<Tip>;

fn try_open(rules: &Arc<Rules>, store: impl Store + 'static) -> Result<Ledger, StoreFailure> {
    let opened = Ledger::open(rules.clone(), Box::new(store), Arc::new(Inline), Arc::new(RealWork), NOW)?;
    assert_eq!(opened.rebuilt, None, "a crash is no damage");
    Ok(opened.ledger)
}

/// Gives all blocks to a ledger on this store, and tells what is durable, until the store fails.
fn run(
    rules: &Arc<Rules>,
    store: impl Store + 'static,
    blocks: &[Arc<Block>],
    told: &mut dyn FnMut(Tip),
) -> Result<LedgerState, StoreFailure> {
    let mut ledger = try_open(rules, store)?;
    for block in blocks {
        ledger.accept_block(block.clone(), NOW, Source::Own)?;
        ledger.sync()?;
        told(ledger.standing().tip);
    }
    let state = ledger.state();
    assert_eq!(state.subsidies, state.unspent + state.unclaimed + state.unspendable);
    Ok(LedgerState { signature_checks: 0, ..state })
}

/// That a ledger opened after a crash has all that was told.
fn check_told(ledger: &Ledger, told: &[Tip]) {
    for tip in told {
        let id = ledger.tree().find(&tip.hash);
        assert!(id.is_some_and(|id| ledger.tree().has_body(id)), "{} was told and is gone", tip.hash);
    }
    let last = told.last().map(|tip| tip.work);
    assert!(last <= Some(ledger.standing().tip.work), "it stands below what was told");
}

#[test]
fn a_crash_at_every_operation_of_memory_loses_nothing_told() {
    let (rules, blocks) = history();
    let whole = Disk::new();
    let expected = run(&rules, whole.open(), &blocks, &mut |_| {}).expect("no fault");
    assert_eq!(expected.tip.hash, blocks[7].block_hash());
    let (mut crashes, mut most_unsynced) = (0, 0);
    for operation in 0..whole.operations() {
        for survivors in 0.. {
            let disk = Disk::new();
            disk.fail_from(operation);
            let mut told = Told::new();
            run(&rules, disk.open(), &blocks, &mut |tip| told.push(tip)).expect_err("it fails");
            let unsynced = disk.unsynced();
            most_unsynced = most_unsynced.max(unsynced);
            disk.lose_unsynced_but(survivors);
            crash_while_opening(&rules, &disk);
            let ledger = try_open(&rules, disk.open()).expect("it opens");
            check_told(&ledger, &told);
            drop(ledger);
            assert_eq!(run(&rules, disk.open(), &blocks, &mut |_| {}).expect("mended"), expected);
            crashes += 1;
            if survivors >= unsynced {
                break;
            }
        }
    }
    // Some reorganisation was cut in the middle, and not only between blocks.
    assert!(most_unsynced >= 4 && crashes > 60, "{crashes} crashes, at most {most_unsynced} writes unsynced");
}

/// Opening goes on with what was cut short, and may be cut short too.
fn crash_while_opening(rules: &Arc<Rules>, disk: &Disk) {
    for operations in 0..3 {
        disk.fail_from(disk.operations() + operations);
        let _ = try_open(rules, disk.open());
        disk.lose_unsynced();
    }
    disk.mend();
}

/// What the killed process is told to do: which operation to stop at, and where.
const STOP_AT: &str = "SCHISM_TEST_STOP_AT";
const FOLDER: &str = "SCHISM_TEST_FOLDER";

#[test]
fn a_kill_at_every_operation_of_files_loses_nothing_told() {
    let (rules, blocks) = history();
    let whole = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(whole.path()).expect("opens");
    let expected = run(&rules, store, &blocks, &mut |_| {}).expect("no fault");
    let mut operation = 0;
    loop {
        let folder = tempfile::tempdir().expect("a folder");
        let (told, killed) = run_and_kill(folder.path(), operation);
        let opened = open(&rules, FileStore::open(folder.path()).expect("opens"));
        assert_eq!(opened.rebuilt, None, "a kill is no damage");
        for hash in &told {
            let id = opened.ledger.tree().find(hash);
            assert!(id.is_some_and(|id| opened.ledger.tree().has_body(id)), "{hash} was told and is gone");
        }
        drop(opened);
        let store = FileStore::open(folder.path()).expect("opens");
        assert_eq!(run(&rules, store, &blocks, &mut |_| {}).expect("goes on"), expected, "killed at {operation}");
        if !killed {
            break;
        }
        operation += 1;
    }
    assert!(operation > 20, "{operation} operations");
}

/// Runs the history in another process, which stops at an operation of its store and is killed there. Gives the tips
/// it told, and whether it came to that operation.
fn run_and_kill(folder: &Path, operation: u32) -> (Vec<BlockHash>, bool) {
    let mut child = Command::new(std::env::current_exe().expect("a test binary"))
        .args(["--exact", "ledger::tests::crashes::the_process_that_is_killed", "--ignored", "--nocapture"])
        .env(STOP_AT, operation.to_string())
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let (mut told, mut stopped) = (Vec::new(), false);
    for line in output.lines() {
        let line = line.expect("text");
        if let Some((_, hash)) = line.split_once("told ") {
            told.push(hash.parse().expect("a hash"));
        }
        if line.ends_with("stopped") {
            stopped = true;
            break;
        }
    }
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    (told, stopped)
}

#[test]
#[ignore = "runs in a process of its own, which is killed"]
fn the_process_that_is_killed() {
    let (Ok(stop_at), Ok(folder)) = (std::env::var(STOP_AT), std::env::var(FOLDER)) else { return };
    let (rules, blocks) = history();
    let inner = FileStore::open(Path::new(&folder)).expect("opens");
    let store = Stopping { inner, left: stop_at.parse().expect("a number") };
    run(&rules, store, &blocks, &mut |tip| say(&format!("told {}", tip.hash))).expect("no fault");
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).expect("somebody listens");
}

/// A store that stops for ever before an operation.
struct Stopping {
    inner: FileStore,
    left: u32,
}

impl Stopping {
    fn operate(&mut self) {
        if self.left == 0 {
            say("stopped");
            loop {
                std::thread::park();
            }
        }
        self.left -= 1;
    }
}

impl Store for Stopping {
    fn standing(&self) -> Result<Option<Standing>, StoreFailure> {
        self.inner.standing()
    }
    fn headers(&self) -> Result<Vec<HeaderRecord>, StoreFailure> {
        self.inner.headers()
    }
    fn bodies(&self) -> Result<Vec<BlockHash>, StoreFailure> {
        self.inner.bodies()
    }
    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreFailure> {
        self.inner.block(hash)
    }
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreFailure> {
        self.inner.coin(outpoint)
    }
    fn each_coin(&self, show: &mut dyn FnMut(&OutPoint, &Coin) -> bool) -> Result<(), StoreFailure> {
        self.inner.each_coin(show)
    }
    fn undo(&self, hash: &BlockHash) -> Result<Option<Undo>, StoreFailure> {
        self.inner.undo(hash)
    }
    fn keep(&mut self, block: Arc<Block>) -> Result<Arc<Block>, StoreFailure> {
        self.operate();
        self.inner.keep(block)
    }
    fn step(&mut self, step: Step) -> Result<(), StoreFailure> {
        self.operate();
        self.inner.step(step)
    }
    fn sync(&mut self) -> Result<(), StoreFailure> {
        self.operate();
        self.inner.sync()
    }
    fn take_damage(&mut self) -> Option<String> {
        self.inner.take_damage()
    }
    fn forget(&mut self) -> Result<(), StoreFailure> {
        self.operate();
        self.inner.forget()
    }
}
