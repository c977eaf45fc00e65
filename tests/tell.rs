//! How a story is told: the test binary starts itself again, with the story's name in its environment.

use std::io::Read;
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use libtest_mimic::Failed;
use schism::run::story::{self, Story};
use schism::topology::Topology;
use schism_chaos::simulation::{Settings, simulate};

/// A story with its name, its cluster and its seed.
pub struct Told {
    /// What is true at the end.
    pub name: &'static str,
    /// A file in `topologies/`.
    pub topology: &'static str,
    /// Decides everything that is drawn.
    pub seed: u64,
    /// What happens.
    pub tell: fn(Story) -> Telling,
}

/// A story being told.
pub type Telling = Pin<Box<dyn Future<Output = Result<(), story::Failed>>>>;

/// Where a process finds the name of the story it was started for.
pub const STORY: &str = "SCHISM_STORY";
/// A story that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(300);

/// Tells a story here.
pub fn in_this_process(name: &str, all: &'static [Told]) -> ExitCode {
    let Some(told) = all.iter().find(|told| told.name == name) else {
        eprintln!("no story is called {name}");
        return ExitCode::from(3);
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../topologies").join(told.topology);
    let topology = match Topology::load(&file, &[]) {
        Ok(topology) => topology,
        Err(refusal) => {
            eprintln!("{refusal:?}");
            return ExitCode::from(3);
        }
    };
    let finished = simulate(Settings::seeded(told.seed), move |simulation| {
        let story = Story::of(simulation, &topology);
        (told.tell)(story)
    });
    match finished {
        Ok(finished) => match finished.value {
            Ok(()) => {
                println!(
                    "{} virtual seconds in {:.2} s",
                    finished.virtual_time.as_secs(),
                    finished.real_time.as_secs_f64()
                );
                ExitCode::SUCCESS
            }
            Err(failed) => {
                eprintln!("{failed} (seed {})", told.seed);
                ExitCode::FAILURE
            }
        },
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Starts this binary again with one variable set; its end must be a good one, before the deadline.
pub fn in_a_process(variable: &str, value: &str) -> Result<(), Failed> {
    what_a_process_says(variable, value).map(drop)
}

/// The same; what it said.
pub fn what_a_process_says(variable: &str, value: &str) -> Result<String, Failed> {
    let Ended { good, said } = process(variable, value, Surroundings::Here)?;
    if good {
        return Ok(said);
    }
    Err(format!("{said}\nrepeat with: {variable}='{value}' cargo test --test stories").into())
}

/// What a process finds around it: nothing of it may show in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surroundings {
    /// What this process has.
    Here,
    /// Another folder, home and time zone.
    Elsewhere,
}

/// How a process ended.
pub struct Ended {
    /// Whether it said that all was well.
    pub good: bool,
    /// What it printed.
    pub said: String,
}

/// Starts this binary again with one variable set, and waits for its end.
///
/// # Errors
/// When it cannot be started or does not end before the deadline.
pub fn process(variable: &str, value: &str, surroundings: Surroundings) -> Result<Ended, Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(variable, value).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if surroundings == Surroundings::Elsewhere {
        let elsewhere = std::env::temp_dir();
        command.current_dir(&elsewhere).env("HOME", &elsewhere).env("TZ", "Asia/Tokyo");
    }
    let mut child = command.spawn()?;
    let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
    let (heard, listening) = mpsc::channel();
    std::thread::spawn(move || {
        let all = [out, err].map(|stream| stream.join().unwrap_or_default()).concat();
        let _ = heard.send(String::from_utf8_lossy(&all).into_owned());
    });
    let said = listening.recv_timeout(DEADLINE);
    if said.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    match said {
        Ok(said) => Ok(Ended { good: status.success(), said }),
        Err(_) => Err(format!("did not end within {DEADLINE:?}: {variable}='{value}'").into()),
    }
}

/// Reads a stream on a thread of its own: who is not read from stands still, and both streams must be.
fn read(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stream.map(|mut stream| stream.read_to_end(&mut said));
        said
    })
}
