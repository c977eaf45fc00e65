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
fn only_a_build_that_speaks_this_version_may_be_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, ear) = greeted(&["cat", "node"]);
    order(&mut supervisor, start(folder.path()));
    ear.words();
    let node = supervisor.life().expect("it runs").process();
    let script = |name: &str, says: &str| {
        let (path, text) = (folder.path().join(name), format!("#!/bin/sh\n[ \"$*\" = 'node --protocol' ] && {says}\n"));
        // Not by this process: what another test starts meanwhile would have it open for writing, too, and nobody could run it.
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", r#"printf '%s' "$1" > "$0" && chmod +x "$0""#]).arg(&path).arg(text);
        assert!(shell.status().unwrap().success());
        path
    };
    let mut refused = |program: std::path::PathBuf| {
        order(&mut supervisor, What::Examine { program });
        match &ear.words()[..] {
            [Word::Done { .. }] => None,
            [Word::Refused { id: 1, why }] => Some(why.clone()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(script("same", &format!("echo {}", candidate::answer()))), None);
    let other = refused(script("other", &format!("echo {}", candidate::answer().replace(char::is_numeric, "1"))));
    assert!(other.is_some_and(|why| why.contains("speaks version 1 ")));
    for program in [script("silent", "true"), script("talker", "echo 5"), "/bin/true".into(), "/no/such".into()] {
        let why = refused(program.clone()).unwrap_or_default();
        assert!(why.contains("no build of schism"), "{}: {why}", program.display());
    }
    assert_eq!(supervisor.life().map(|life| life.process()), Some(node));
    let waits = [script("waits", "exec sleep 1000").display().to_string(), "node".to_owned()];
    assert!(candidate::examine(&waits, Duration::from_millis(10)).is_err());
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

#[test]
fn who_stands_still_already_is_not_waited_for_and_who_does_not_neither() {
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, ear) = greeted(&["cat"]);
    order(&mut supervisor, start(folder.path()));
    ear.words();
    for (what, done) in
        [(What::Thaw, false), (What::Freeze, true), (What::Freeze, false), (What::Thaw, true), (What::Thaw, false)]
    {
        order(&mut supervisor, what.clone());
        let said = matches!(ear.words()[..], [Word::Done { .. }]);
        assert_eq!(said, done, "{what:?}");
    }
}

/// A network that notes whether the child still ran when its machine fell silent.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<(bool, bool)>>>, Arc<Mutex<Option<nix::unistd::Pid>>>);

impl Network for Noted {
    fn queueing(&self) -> Option<crate::supervisor::filter::Queueing> {
        None
    }

    fn set(&mut self, _: &[(Ipv4Addr, Link)]) -> io::Result<()> {
        Ok(())
    }

    fn count(&mut self) -> io::Result<Vec<(Ipv4Addr, super::protocol::Counted)>> {
        Ok(Vec::new())
    }

    fn silence(&mut self, silent: bool) -> io::Result<()> {
        let runs = self.1.lock().unwrap().is_some_and(|child| nix::sys::signal::kill(child, None).is_ok());
        self.0.lock().unwrap().push((silent, runs));
        Ok(())
    }
}

#[test]
fn a_machine_falls_silent_before_its_node_ends_and_keeps_what_was_synced() {
    use schism_node::ledger::blocks::BlockFile;
    use schism_node::ledger::store::files::BLOCK_FILE;
    let folder = tempfile::tempdir().unwrap();
    let (mut blocks, _) = BlockFile::open(&folder.path().join(BLOCK_FILE)).unwrap();
    blocks.append(&Rules::lab(&[]).genesis).unwrap();
    let synced = disk::block_file_bytes(folder.path());
    blocks.append(&Rules::bitcoin_mainnet().genesis).unwrap();
    // A child that says how far it has synced, as a node does, and goes on.
    let says = format!("echo '{{\"synced\":{{\"bytes\":{synced}}}}}'; exec cat");
    let (noted, ear) = (Noted::default(), Ear::default());
    let network = noted.clone();
    let take_charge = move |_: &[Neighbour]| Ok(Box::new(network.clone()) as Box<dyn Network>);
    let program = ["sh", "-c", &says].map(str::to_owned).to_vec();
    let mut supervisor = Supervisor::new(ear.clone(), program, Box::new(take_charge));
    order(&mut supervisor, What::Hello { version: VERSION, peers: Vec::new() });
    order(&mut supervisor, start(folder.path()));
    *noted.1.lock().unwrap() = supervisor.life().map(Life::process);
    while supervisor.synced != synced {
        let out = supervisor.life().expect("it runs").streams().0;
        nix::poll::poll(&mut [out], nix::poll::PollTimeout::NONE).unwrap();
        supervisor.hear_node().unwrap();
    }
    ear.words();
    order(&mut supervisor, What::Kill { kind: CrashKind::Machine });
    assert!(matches!(ear.words()[..], [Word::Done { with: Fruit::Lost(1), .. }]));
    assert_eq!(disk::block_file_bytes(folder.path()), synced);
    // Heard at its start, before there was a child, and silent while the child still ran.
    assert_eq!(*noted.0.lock().unwrap(), [(false, false), (true, true)]);
}

/// A supervisor that serves a line, with a child that runs; the child, and how the serving ended.
fn served(lease: Lease, told: impl FnOnce(std::io::PipeWriter)) -> (nix::unistd::Pid, io::Result<()>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, _) = greeted(&["cat"]);
    order(&mut supervisor, start(folder.path()));
    let child = supervisor.life().expect("it runs").process();
    let (line, harness) = std::io::pipe().unwrap();
    told(harness);
    (child, super::serve::serve(supervisor.leased(lease), line))
}

#[test]
fn when_the_line_ends_the_supervisor_does_and_its_child() {
    let (child, ended) = served(Lease::endless(), drop);
    ended.unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{child}")).exists());
}

#[test]
fn when_the_lease_ends_the_supervisor_does_though_the_line_is_there() {
    let mut open = None;
    let (child, ended) = served(Lease::of(Duration::ZERO), |harness| open = Some(harness));
    ended.unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{child}")).exists());
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

    #[test]
    fn no_order_of_orders_makes_it_stall(orders in proptest::collection::vec(any_order(), 0..20)) {
        let folder = tempfile::tempdir().unwrap();
        let (mut supervisor, ear) = greeted(&["cat"]);
        for what in orders {
            let what = match what {
                What::Start(_) => start(folder.path()),
                what => what,
            };
            order(&mut supervisor, what);
        }
        ear.words();
        order(&mut supervisor, What::Stay { milliseconds: u64::MAX });
        let stays = matches!(ear.words()[..], [Word::Done { .. }]);
        prop_assert!(stays);
    }
}

/// Every order that a supervisor itself obeys; a start goes to a child that lives.
fn any_order() -> impl Strategy<Value = What> {
    use schism_chaos::fault::Actor;
    use schism_chaos::gate::Passage;
    let kind = prop_oneof![Just(CrashKind::Process), Just(CrashKind::Machine), Just(CrashKind::Torn)];
    let peers = proptest::collection::vec(any::<u32>().prop_map(Ipv4Addr::from), 0..5);
    let neighbours = peers.clone().prop_map(|peers| {
        peers.into_iter().map(|address| Neighbour { address, hardware: None }).collect::<Vec<Neighbour>>()
    });
    prop_oneof![
        (0..9_u32, neighbours).prop_map(|(version, peers)| What::Hello { version, peers }),
        any::<u64>().prop_map(|milliseconds| What::Stay { milliseconds }),
        Just(start(std::path::Path::new("/nowhere"))),
        kind.prop_map(|kind| What::Kill { kind }),
        Just(What::Freeze),
        Just(What::Thaw),
        Just(What::Erase),
        any::<bool>().prop_map(What::FillDisk),
        peers.clone().prop_map(|peers| What::Links(peers.into_iter().map(|peer| (peer, Link::default())).collect())),
        Just(What::Count),
        Just(What::Disciplines),
        (0..3_usize, 0..3_u32).prop_map(|(some, times)| What::Call {
            to: vec![Ipv4Addr::LOCALHOST; some],
            times,
            bytes: 9
        }),
        Just(What::Ask(Question::Ledger)),
        Just(What::Gate { actor: Actor::Ledger, passage: Passage::Hold }),
        any::<f64>().prop_map(|by_seconds| What::Clock { by_seconds, rate: 1.0 }),
        Just(What::Ways(Vec::new())),
        Just(What::FailSyncs),
        Just(What::Report),
    ]
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
