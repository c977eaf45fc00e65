//! Stories on real nodes: the same words as in simulations, in real time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::Failed;
use schism::backend::Backend as _;
use schism::backend::container::engine::{Engine, told};
use schism::backend::container::leftovers::{self, Kind};
use schism::backend::container::owner::Owner;
use schism::backend::container::{Containers, subnets};
use schism::backend::process::Processes;
use schism::backend::process::loopback::Loopbacks;
use schism::backend::real::site::Site;
use schism::backend::real::{Real, Settings};
use schism::interrupt::Interrupt;
use schism::report::{Colour, Verdict, text};
use schism::run::Broken;
use schism::run::story::{self, Story, seconds};
use schism::suite::{Backend, Job, Setup, play_on};
use schism::topology::Topology;
use schism_chaos::evidence::LinkCounters;
use schism_chaos::fault::{CrashKind, Fault, Links};
use testcontainers::bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use testcontainers::bollard::query_parameters::{InspectContainerOptions, InspectNetworkOptions};

use super::{Named, sabotage, watch};
use crate::{experiments, stories};

/// Real seconds that a second of these stories takes.
const PACE: f64 = 0.05;
/// The same where blocks are a second apart.
const SLOWER: f64 = 0.25;

/// The network that a cluster finds where it would be. The next cluster sweeps it up if it stays behind.
const TAKEN: &str = "schism-taken";

/// Twice as fast as the files say: machines that are not containers carry it.
const FAST: &[&str] = &["pace.process=0.05"];
/// A disk torn every second, in short.
const TORN: &[&str] = &["profile=quick", "faults.0.restart.kind=torn"];

/// Every story of a backend.
pub(super) fn trials(backend: Backend) -> Vec<Named> {
    if backend == Backend::Container {
        return vec![
            story("a_killed_container_returns_to_the_chain", "pair.yaml", Containers::new, async |story| {
                a_killed_node_returns_to_the_chain(story).await
            }),
            story("containers_share_a_busy_processor_with_others", "pair.yaml", Containers::new, shares_are_their_own),
            story("containers_go_where_their_first_subnet_is_taken", "pair.yaml", beside_a_network, on_the_next_subnet),
            experiment("containers_pass_partition_heals", "partition-heals", &[], backend),
            experiment("containers_pass_every_fault", "every-fault", &[], backend),
            experiment("containers_notice_every_torn_disk", "real/killing", TORN, backend),
        ];
    }
    vec![
        story("processes_agree_after_meeting", "mesh-10.yaml", Processes::new, async |story| {
            stories::agreement::halves_agree_after_meeting(story).await
        }),
        story("a_killed_process_returns_to_the_chain", "pair.yaml", Processes::new, async |story| {
            a_killed_node_returns_to_the_chain(story).await
        }),
        story("the_kernel_holds_what_is_cut_and_keeps_what_is_slow", "pair.yaml", Processes::new, async |story| {
            links_obey(story).await
        }),
        story("a_transport_holds_what_is_cut_and_keeps_what_is_slow", "pair.yaml", Loopbacks::new, async |story| {
            links_obey(story).await
        }),
        story("processes_on_the_loopback_agree_after_meeting", "mesh-10.yaml", Loopbacks::new, async |story| {
            stories::agreement::halves_agree_after_meeting(story).await
        }),
        story("a_process_killed_on_the_loopback_returns_to_the_chain", "pair.yaml", Loopbacks::new, async |story| {
            a_killed_node_returns_to_the_chain(story).await
        }),
        experiment("processes_pass_partition_heals", "partition-heals", FAST, backend),
        experiment("processes_pass_every_fault", "every-fault", FAST, backend),
        (
            "processes_on_the_loopback_pass_every_fault_but_a_full_disk".to_owned(),
            Box::new(every_fault_on_the_loopback),
        ),
        experiment("processes_open_their_ledgers_after_every_kill", "real/killing", &["profile=quick"], backend),
        experiment("processes_notice_every_torn_disk", "real/killing", TORN, backend),
        story("processes_ask_nobody_where_their_neighbours_are", "mesh-10.yaml", Processes::new, neighbours_are_known),
        story("a_frozen_process_says_nothing", "pair.yaml", Processes::new, a_frozen_process_says_nothing),
        story("a_selfish_process_makes_others_waste_blocks", "selfish-5.yaml", Processes::new, a_selfish_process),
    ]
}

/// Loss, jitter, bandwidth, cuts of one way, flaps and all others by the transport under each node.
fn every_fault_on_the_loopback() -> Result<(), Failed> {
    let experiment = sabotage::every_fault_but_a_full_disk()?;
    // A machine that tests other things meanwhile may take its time.
    let setup = Setup { timeout_factor: 3.0, ..super::setup(Backend::Process) };
    let results = play_on(Loopbacks::new, &experiment, &setup)?;
    if results.verdict == Verdict::Passed { Ok(()) } else { Err(text(&results, Colour::Never).into()) }
}

/// The machine under one of two nodes dies; on what its disk kept it comes back to the other's chain.
async fn a_killed_node_returns_to_the_chain<S: Site>(mut story: Story<Real<S>>) -> Result<(), story::Failed> {
    story.start().await?;
    story.wait_until("three blocks", seconds(300), |view| view.mined() >= 3).await?;
    let dead = story.crash("miner-0", CrashKind::Machine).await?;
    let mined = story.view().mined();
    story.wait_until("three more blocks", seconds(600), move |view| view.mined() >= mined + 3).await?;
    story.heal(dead).await?;
    story.converge(seconds(120)).await
}

/// A process that was stopped is heard no more, and goes on where it stood.
async fn a_frozen_process_says_nothing(mut story: Story<Processes>) -> Result<(), story::Failed> {
    story.start().await?;
    let frozen = story.freeze("miner-0").await?;
    let backend = story.run().cluster().backend();
    let before = backend.node_counters(0);
    story.pass(seconds(60)).await?;
    let after = story.run().cluster().backend().node_counters(0);
    assert_eq!((after.words, after.withheld), (before.words, 1));
    story.heal(frozen).await?;
    story.converge(seconds(120)).await
}

/// Every node's machine was told where all others are, for good: what the kernel finds out by asking counts against a limit that all
/// clusters of a system share.
async fn neighbours_are_known(mut story: Story<Processes>) -> Result<(), story::Failed> {
    story.start().await?;
    let trial = std::env::var(super::TRIAL).expect("a trial has a name");
    let is_node = |process: &PathBuf| fs::read(process.join("cmdline")).is_ok_and(|line| line.ends_with(b"\0node\0"));
    let tables: Vec<String> = watch::with_variable(super::TRIAL, &trial)
        .filter(is_node)
        .map(|process| fs::read_to_string(process.join("net/arp")).expect("a node lives"))
        .collect();
    // Behind a line of titles: the flags are complete (2) and permanent (4).
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let flags: Vec<&str> = lines.filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(flags, ["0x6"; 10 * 9], "{tables:?}");
    Ok(())
}

/// Each container stands beside the engine's group of all others, not in it; systemd and podman place theirs themselves.
async fn shares_are_their_own(mut story: Story<Containers>) -> Result<(), story::Failed> {
    story.start().await?;
    let engine = Engine::find().map_err(Broken::Backend)?;
    let docker = engine.docker().clone();
    let processes = engine.wait(async move {
        let mut own = leftovers::find(&docker, None).await?;
        own.retain(|one| {
            let process = Owner::read(&one.owner).map(|owner| owner.process());
            one.kind == Kind::Container && process == Some(std::process::id())
        });
        let mut processes = Vec::new();
        for one in own {
            let about = docker.inspect_container(&one.id, None::<InspectContainerOptions>).await.map_err(told)?;
            processes.extend(about.state.and_then(|state| Some((one.id, state.pid?))));
        }
        Ok(processes)
    });
    let processes = processes.map_err(Broken::Backend)?;
    assert_eq!(processes.len(), 2, "{processes:?}");
    for (id, process) in processes {
        let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).expect("a container lives on this machine");
        // A hierarchy's number, its controllers, the place of the group.
        let mut places = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        let own = places.any(|place| place == format!("/{id}"));
        assert_eq!(own, engine.about().groups && !engine.about().is_podman(), "{groups}");
    }
    Ok(())
}

/// A cluster whose first choice of a subnet is taken already.
fn beside_a_network(settings: Settings) -> Result<Containers, String> {
    let (engine, owner) = (Engine::find()?, Owner::this());
    let (docker, labels) = (engine.docker().clone(), owner.labels(TAKEN));
    engine.wait(async move {
        // This process has had none: its next cluster is its first.
        let subnet = subnets(&network(0)).next();
        let config = vec![IpamConfig { subnet, ..Default::default() }];
        let ipam = Some(Ipam { config: Some(config), ..Default::default() });
        let request = NetworkCreateRequest { name: TAKEN.to_owned(), ipam, labels: Some(labels), ..Default::default() };
        docker.create_network(request).await.map_err(told).map(drop)
    })?;
    Containers::new(settings)
}

/// Its nodes stand on its second choice, and find each other there.
async fn on_the_next_subnet(mut story: Story<Containers>) -> Result<(), story::Failed> {
    story.start().await?;
    let engine = Engine::find().map_err(Broken::Backend)?;
    let docker = engine.docker().clone();
    let found = engine.wait(async move {
        docker.remove_network(TAKEN).await.map_err(told)?;
        docker.inspect_network(&network(0), None::<InspectNetworkOptions>).await.map_err(told)
    });
    let config = found.map_err(Broken::Backend)?.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let subnet = config.into_iter().find_map(|config| config.subnet);
    assert_eq!(subnet, subnets(&network(0)).nth(1));
    Ok(())
}

/// What the network of this process's cluster of this number is called.
fn network(number: u64) -> String {
    format!("schism-{}", Owner::this().session(number))
}

/// An adversary stands between the actors of a real node as it does in a simulation: without it everyone's blocks, a
/// second apart and known everywhere within milliseconds, would stay.
async fn a_selfish_process(mut story: Story<Processes>) -> Result<(), story::Failed> {
    story.start().await?;
    story.wait_until("a hundred blocks", seconds(300), |view| view.mined() >= 100).await?;
    let view = story.view();
    let highest = view.blocks().all().iter().map(|block| block.height).max();
    let wasted = view.mined() - u64::from(highest.unwrap_or(0));
    assert!((4..60).contains(&wasted), "{wasted} blocks of {} were wasted", view.mined());
    Ok(())
}

/// Counters of links: nothing crosses a cut, frames cross again after it, and a delay is as long as was asked.
async fn links_obey<S: Site>(mut story: Story<Real<S>>) -> Result<(), story::Failed> {
    story.start().await?;
    let start = count(&mut story).await;
    story.wait_until("two blocks", seconds(600), |view| view.mined() >= 2).await?;
    let cut = story.partition(&["miner-0"]).await?;
    let during = count(&mut story).await;
    story.pass(seconds(100)).await?;
    let cut_off = count(&mut story).await - during;
    assert!(during.carried > start.carried && cut_off.held > 0 && cut_off.carried == 0, "{during:?} {cut_off:?}");
    story.heal(cut).await?;
    let healed = count(&mut story).await;
    story.pass(seconds(100)).await?;
    let again = count(&mut story).await - healed;
    assert!(again.held == 0 && again.carried > 0, "{again:?}");

    let by = seconds(2);
    let slow = story.apply(Fault::Latency { links: Links::Every, by, jitter: Duration::ZERO }).await?;
    // What is under way keeps the delay it set out with.
    story.pass(seconds(10)).await?;
    let before = count(&mut story).await;
    story.pass(seconds(200)).await?;
    let slowed = count(&mut story).await - before;
    story.heal(slow).await?;
    // A frame is counted when it comes and its delay when it goes on, so that one or two of the last are not in the sum.
    // None is early, though a busy machine may be late; without the fault none takes near as long.
    let mean = |counters: LinkCounters| counters.travel.div_f64(counters.carried.max(1) as f64);
    assert!(mean(slowed) >= by.mul_f64(0.95) && mean(again) < by, "{slowed:?} {again:?}");
    Ok(())
}

/// What the link into `miner-0` has done.
async fn count<S: Site>(story: &mut Story<Real<S>>) -> LinkCounters {
    let cluster = story.run().cluster();
    cluster.count().await;
    cluster.link_counters(1, 0)
}

/// A story on the cluster that `begin` makes.
fn story<S, F>(
    name: &'static str,
    topology: &'static str,
    begin: fn(Settings) -> Result<Real<S>, String>,
    tell: F,
) -> Named
where
    S: Site + 'static,
    F: AsyncFnOnce(Story<Real<S>>) -> Result<(), story::Failed> + 'static,
{
    let run = move || -> Result<(), Failed> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../topologies").join(topology);
        let topology = Topology::load(&file, &[]).map_err(|refusal| refusal.to_string())?;
        let pace = if topology.chain.interval() < seconds(10) { SLOWER } else { PACE };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let story = Story::on(begin(Settings::plain(7, pace))?, &topology, 7);
            tell(story).await.map_err(|failed| failed.to_string().into())
        })
    };
    (name.to_owned(), Box::new(run))
}

/// An experiment of `chaos/`, at the pace its file gives it.
fn experiment(name: &'static str, file: &'static str, settings: &'static [&str], backend: Backend) -> Named {
    let run = move || -> Result<(), Failed> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../chaos/{file}.yaml"));
        // A machine that tests other things meanwhile may take its time.
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let job = Job { backend, seed: 7, settings, timeout_factor: 3.0, ..experiments::template(&file) };
        let results = job.work(&Interrupt::default(), Box::new(|_, _| {}));
        if results.verdict == Verdict::Passed { Ok(()) } else { Err(text(&results, Colour::Never).into()) }
    };
    (name.to_owned(), Box::new(run))
}
