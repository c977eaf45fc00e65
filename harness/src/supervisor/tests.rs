//! A supervisor by itself, with children that are no nodes: `cat` says again what it is told.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use schism_chaos::link::Link;
use schism_node::chain::Rules;
use schism_node::control::Question;

use super::protocol::Instructions;
use super::*;

/// What was said so far.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<u8>>>);

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Ear {
    /// Words said since the last call; lines that are none are left out.
    fn words(&self) -> Vec<Word> {
        let said = std::mem::take(&mut *self.0.lock().unwrap());
        said.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

fn supervisor(program: &[&str]) -> (Supervisor<Ear>, Ear) {
    let ear = Ear::default();
    let take_charge = |_: &[Neighbour]| Ok(Box::new(Unowned) as Box<dyn Network>);
    let program = program.iter().map(|&word| word.to_owned()).collect();
    (Supervisor::new(ear.clone(), program, Box::new(take_charge)), ear)
}

fn greeted(program: &[&str]) -> (Supervisor<Ear>, Ear) {
    let (mut supervisor, ear) = supervisor(program);
    order(&mut supervisor, What::Hello { version: VERSION, peers: Vec::new() });
    assert!(matches!(ear.words()[..], [Word::Done { id: 1, .. }]));
    (supervisor, ear)
}

fn order(supervisor: &mut Supervisor<Ear>, what: What) {
    supervisor.hear(&serde_json::to_vec(&Order { id: 1, what }).unwrap()).unwrap();
}

#[test]
fn who_is_told_to_stay_stays_so_long_and_need_not_be_greeted_first() {
    let (supervisor, ear) = supervisor(&["cat"]);
    let mut supervisor = supervisor.leased(Lease::of(Duration::ZERO));
    assert_eq!(supervisor.lease().left(), Some(Duration::ZERO));
    order(&mut supervisor, What::Stay { milliseconds: 60_000 });
    assert!(matches!(ear.words()[..], [Word::Done { id: 1, .. }]));
    assert!(supervisor.lease().left() > Some(Duration::from_secs(30)));
}

#[test]
fn a_supervisor_says_what_it_weighs() {
    let (mut supervisor, ear) = greeted(&["cat"]);
    order(&mut supervisor, What::Weigh);
    let [Word::Done { id: 1, with: Fruit::Weighed { resident_bytes, own_bytes } }] = ear.words()[..] else { panic!() };
    assert!(0 < own_bytes && own_bytes < resident_bytes, "{own_bytes} of {resident_bytes}");
}

fn start(store: &std::path::Path) -> What {
    What::Start(Box::new(Instructions {
        program: None,
        name: "cat".into(),
        secret: [1; 32],
        listen: "/ip4/127.0.0.1/tcp/1".parse().unwrap(),
        rules: Rules::lab(&[]),
        keep: Vec::new(),
        bootstrap: Vec::new(),
        degree: 0,
        most_connections: 1,
        defences: Default::default(),
        hashes_per_second: 0.0,
        payee: bitcoin::ScriptBuf::new(),
        purse: crate::backend::draws::purse(1, 0),
        chance: 1,
        store: store.to_owned(),
        log: None,
        unix_seconds: 0.0,
        clock_rate: 1.0,
        ways: None,
        gated: false,
        adversary: None,
    }))
}

/// The process state that the kernel shows for the child: `S`, `T`, …
fn state(supervisor: &Supervisor<Ear>) -> char {
    let process = supervisor.life().expect("it runs").process();
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap()
}

#[test]
fn a_frozen_child_stands_still_until_it_is_thawed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, ear) = greeted(&["cat"]);
    order(&mut supervisor, start(folder.path()));
    order(&mut supervisor, What::Freeze);
    assert_eq!(state(&supervisor), 'T');
    order(&mut supervisor, What::Thaw);
    assert_ne!(state(&supervisor), 'T');
    assert!(ear.words().iter().all(|word| matches!(word, Word::Done { id: 1, .. })));
}

#[test]
fn a_killed_child_is_gone_when_that_is_said_and_can_be_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, ear) = greeted(&["cat"]);
    for _ in 0..2 {
        order(&mut supervisor, start(folder.path()));
        let process = supervisor.life().expect("it runs").process();
        order(&mut supervisor, What::Kill { kind: CrashKind::Process });
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
        assert!(supervisor.life().is_none());
    }
    assert!(ear.words().iter().all(|word| matches!(word, Word::Done { .. })));
}

#[test]
fn a_child_that_ends_by_itself_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, ear) = greeted(&["false"]);
    order(&mut supervisor, start(folder.path()));
    ear.words();
    while supervisor.life().is_some() {
        let out = supervisor.life().unwrap().streams().0;
        nix::poll::poll(&mut [out], nix::poll::PollTimeout::NONE).unwrap();
        supervisor.hear_node().unwrap();
    }
    assert!(matches!(&ear.words()[..], [Word::Ended { how }] if how.contains('1')));
}

#[test]
fn unsynced_blocks_go_with_the_machine_and_stay_with_the_process() {
    use schism_node::ledger::blocks::BlockFile;
    use schism_node::ledger::store::files::BLOCK_FILE;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(BLOCK_FILE);
    let (mut blocks, _) = BlockFile::open(&path).unwrap();
    blocks.append(&Rules::lab(&[]).genesis).unwrap();
    let synced = disk::block_file_bytes(folder.path());
    blocks.append(&Rules::bitcoin_mainnet().genesis).unwrap();
    assert_eq!(disk::cut_back(folder.path(), u64::MAX).unwrap(), 0);
    assert_eq!(disk::cut_back(folder.path(), synced).unwrap(), 1);
    assert_eq!(disk::block_file_bytes(folder.path()), synced);
}

#[test]
fn a_torn_store_is_noticed_when_it_is_opened() {
    use schism_node::ledger::store::FileStore;
    use schism_node::ledger::verifier::Pool;
    use schism_node::ledger::{Ledger, Opened};
    use schism_node::surroundings::RealWork;
    let folder = tempfile::tempdir().unwrap();
    let open = || -> Opened {
        let store = Box::new(FileStore::open(folder.path()).expect("it opens whatever happened"));
        let rules = Arc::new(Rules::lab(&[]));
        Ledger::open(rules, store, Arc::new(Pool::of_all_cores()), Arc::new(RealWork), 0).expect("it opens")
    };
    assert_eq!(open().rebuilt, None);
    assert_eq!(open().rebuilt, None, "a whole store is not taken for a damaged one");
    disk::tear(folder.path()).unwrap();
    assert!(open().rebuilt.is_some());
}

#[test]
fn orders_that_cannot_be_carried_out_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let link = (Ipv4Addr::LOCALHOST, Link::default());
    let (mut supervisor, ear) = greeted(&["cat"]);
    for what in [
        What::Freeze,
        What::Kill { kind: CrashKind::Machine },
        What::Ask(Question::Ledger),
        What::Links(vec![link]),
        What::Hello { version: VERSION, peers: Vec::new() },
    ] {
        order(&mut supervisor, what.clone());
        assert!(matches!(ear.words()[..], [Word::Refused { id: 1, .. }]), "{what:?}");
    }
    order(&mut supervisor, start(folder.path()));
    order(&mut supervisor, start(folder.path()));
    assert!(matches!(ear.words()[..], [Word::Done { .. }, Word::Refused { id: 1, .. }]));
}

#[test]
fn nobody_is_heard_who_speaks_another_version_or_none() {
    let (mut supervisor, ear) = supervisor(&["cat"]);
    order(&mut supervisor, What::Count);
    order(&mut supervisor, What::Hello { version: VERSION + 1, peers: Vec::new() });
    order(&mut supervisor, What::Count);
    assert!(ear.words().iter().all(|word| matches!(word, Word::Refused { .. })));
}

proptest! {
    #[test]
    fn no_line_makes_it_stumble(lines in proptest::collection::vec(line(), 0..20)) {
        let (mut supervisor, ear) = greeted(&["cat"]);
        for line in &lines {
            supervisor.hear(line).unwrap();
        }
        // One word an order, whatever it was.
        prop_assert_eq!(ear.words().len(), lines.len());
    }
}

/// Bytes, text that looks like an order, and orders.
fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..100),
        "\\{\"id\":[0-9]{1,25},\"what\":(\"freeze\"|\"erase\"|\"count\"|\"fly\"|\\{\"kill\":\\{\"kind\":\"(process|moon)\"\\}\\})\\}"
            .prop_map(String::into_bytes),
        r#"\{"id":1,"what":\{"links":\[\["[0-9.]{1,9}",\{"loss":[0-9.]{1,5}\}\]\]\}\}"#.prop_map(String::into_bytes),
    ]
}
