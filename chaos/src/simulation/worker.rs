//! A worker: a process that runs one job, because a process can hold one simulation. It is this very executable,
//! started again: it reads a job from its standard input, writes the result to its standard output, and dies when
//! its parent does, for then its input ends.
//!
//! ```text
//! parent ── {"seed": 7}⏎ ──▶ worker        one line of JSON; the pipe stays open for as long as the parent lives
//! parent ── stop⏎ ─────────▶ worker        where the parent is interrupted: end early, and say with what
//! parent ◀── ⏎MARK{"hash": …}⏎ ── worker   one line of JSON behind a mark, among whatever else it prints
//! ```

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio, exit};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::clock::Stopwatch;

/// In front of a result, so that what a test harness prints around it does no harm.
const MARK: &str = "schism-worker-result ";
/// Bytes of a worker's last words that are kept.
const LAST_WORDS: usize = 64 * 1024;
/// What a worker exits with whose parent has gone.
const ORPHANED: i32 = 125;
/// How often a parent that waits for a worker looks whether it shall stop it.
const LOOK: Duration = Duration::from_millis(50);

/// How jobs are given to workers.
#[derive(Clone, Copy)]
pub struct Workers<'a> {
    /// Places for workers, of which each takes what its job takes; at least one.
    pub places: usize,
    /// Real time each may take; nothing is without limit.
    pub deadline: Option<Duration>,
    /// Says that workers shall end early, and that no other shall begin.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// Why a worker has no result.
#[derive(Debug, thiserror::Error)]
pub enum Dead {
    /// It could not be started or spoken to.
    #[error("the worker could not be started: {0}")]
    Start(#[from] io::Error),
    /// It ended without a result.
    #[error("the worker ended without a result ({status}); its last words:\n{last_words}")]
    Ended {
        /// Exit code or signal.
        status: ExitStatus,
        /// The end of its standard error.
        last_words: String,
    },
    /// It took too long and was killed.
    #[error("the worker took more than {deadline:?} and was killed; its last words:\n{last_words}")]
    Deadline {
        /// What it was given.
        deadline: Duration,
        /// The end of its standard error.
        last_words: String,
    },
    /// A job or a result could not be said in JSON.
    #[error("the job or its result cannot be said in JSON: {0}")]
    Words(#[from] serde_json::Error),
}

impl Workers<'_> {
    /// Runs all jobs and hands each result to `done` with the job's number, in the order in which they end. Once they
    /// are told to stop, jobs that have not begun have no result.
    ///
    /// `takes` says how many places a job takes; more than there are is all of them. Those that take most begin first,
    /// and who has room meanwhile does not wait for who has none. `launch` says how to start a worker, which then calls
    /// [`serve`]. Its standard streams are taken over.
    pub fn run<J, R>(
        &self,
        jobs: &[J],
        takes: impl Fn(&J) -> usize,
        launch: impl Fn() -> io::Result<Command> + Sync,
        mut done: impl FnMut(usize, Result<R, Dead>),
    ) where
        J: Serialize + Sync,
        R: DeserializeOwned + Send,
    {
        let mut queue = Queue::of(jobs.iter().map(takes), self.places);
        let (say, results) = mpsc::channel();
        thread::scope(|scope| {
            let mut running = 0_u32;
            loop {
                while !(self.stop)()
                    && let Some(number) = queue.begin()
                {
                    running += 1;
                    let (say, launch) = (say.clone(), &launch);
                    // Nobody hears it only where `done` has panicked.
                    scope.spawn(move || say.send((number, self.run_one(&jobs[number], launch))));
                }
                if running == 0 {
                    break;
                }
                let Ok((number, result)) = results.recv() else { break };
                running -= 1;
                queue.end(number);
                done(number, result);
            }
        });
    }

    fn run_one<J: Serialize, R: DeserializeOwned>(
        &self,
        job: &J,
        launch: impl Fn() -> io::Result<Command>,
    ) -> Result<R, Dead> {
        let mut job = serde_json::to_vec(job)?;
        job.push(b'\n');
        let mut command = launch()?;
        // A terminal's Ctrl-C is for the parent, which tells its workers.
        command.process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // Kept open to the end of this function: its end is the worker's.
        let mut input = child.stdin.take().ok_or_else(|| io::Error::other("no standard input"))?;
        let told = input.write_all(&job).and_then(|()| input.flush());
        let (said, last_words) = listen(&mut child)?;
        let said = self.wait(&said, &mut input);
        if said.is_err() {
            // Harmless when it has ended by itself; what is left to learn is how.
            let _ = child.kill();
        }
        drop(input);
        let status = child.wait()?;
        let last_words = || last_words.join().unwrap_or_default();
        match (said, self.deadline) {
            (Ok(Some(result)), _) => Ok(serde_json::from_str(&result)?),
            (Err(RecvTimeoutError::Timeout), Some(deadline)) => {
                Err(Dead::Deadline { deadline, last_words: last_words() })
            }
            _ => {
                // A worker that died at once never read its job; how it died says more than the broken pipe.
                let last_words = last_words();
                match told {
                    Err(error) if status.success() => Err(error.into()),
                    _ => Err(Dead::Ended { status, last_words }),
                }
            }
        }
    }
}

impl Workers<'_> {
    /// Waits for what a worker says, and tells it to stop when that is asked.
    fn wait<T>(&self, said: &mpsc::Receiver<T>, input: &mut ChildStdin) -> Result<T, RecvTimeoutError> {
        let waited = Stopwatch::start();
        let mut told = false;
        loop {
            match said.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => {}
                ended => return ended,
            }
            if self.deadline.is_some_and(|deadline| waited.elapsed() >= deadline) {
                return Err(RecvTimeoutError::Timeout);
            }
            if !told && (self.stop)() {
                told = true;
                // Whoever does not listen any more has ended.
                let _ = writeln!(input, "stop").and_then(|()| input.flush());
            }
        }
    }
}

/// Jobs that have not begun, and the places that are free.
struct Queue {
    takes: Vec<usize>,
    waiting: Vec<usize>,
    free: usize,
}

impl Queue {
    fn of(takes: impl Iterator<Item = usize>, places: usize) -> Self {
        let free = places.max(1);
        let takes: Vec<usize> = takes.map(|takes| takes.clamp(1, free)).collect();
        let mut waiting: Vec<usize> = (0..takes.len()).collect();
        waiting.sort_by_key(|&number| Reverse(takes[number]));
        Self { takes, waiting, free }
    }

    /// The largest that there is room for.
    fn begin(&mut self) -> Option<usize> {
        let place = self.waiting.iter().position(|&number| self.takes[number] <= self.free)?;
        let number = self.waiting.remove(place);
        self.free -= self.takes[number];
        Some(number)
    }

    /// It has ended.
    fn end(&mut self, number: usize) {
        self.free += self.takes[number];
    }
}

/// Listens to a worker: to its result (nothing when its output ended before it), and to its last words.
fn listen(child: &mut Child) -> io::Result<(mpsc::Receiver<Option<String>>, thread::JoinHandle<String>)> {
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let (say, said) = mpsc::sync_channel(2);
    // That the system has no thread left is an answer, too: a panic here would leave who waits for one waiting.
    thread::Builder::new().spawn(move || {
        let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines().map_while(Result::ok));
        // Read to the end: a worker may go on printing, and must not find its output closed. That nobody listens any
        // more, once the deadline has passed, does no harm.
        for line in lines {
            if let Some(result) = line.strip_prefix(MARK) {
                let _ = say.send(Some(result.to_owned()));
            }
        }
        let _ = say.send(None);
    })?;
    let last_words = thread::Builder::new().spawn(move || errors.map(tail).unwrap_or_default())?;
    Ok((said, last_words))
}

/// The end of what can be read.
fn tail(mut from: impl Read) -> String {
    let mut kept = VecDeque::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        kept.extend(&buffer[..length]);
        kept.drain(..kept.len().saturating_sub(LAST_WORDS));
    }
    String::from_utf8_lossy(kept.make_contiguous()).into_owned()
}

/// Does a worker's part: reads the job, does it, writes the result. From now on the process ends when its parent
/// does, in the middle of whatever it does; `stop` is called when the parent wants it to end early, and when it is gone.
///
/// # Errors
/// When the job cannot be read or the result not be written.
pub fn serve<J: DeserializeOwned, R: Serialize>(
    stop: impl Fn() + Send + 'static,
    work: impl FnOnce(J) -> R,
) -> Result<(), Dead> {
    let mut input = BufReader::new(io::stdin());
    let mut job = String::new();
    input.read_line(&mut job)?;
    let job = serde_json::from_str(&job)?;
    thread::Builder::new().name("orphan watch".into()).spawn(move || {
        // A line is the wish to stop; that the pipe ends means that the parent has.
        while matches!(input.read_line(&mut String::new()), Ok(1..)) {
            stop();
        }
        stop();
        exit(ORPHANED);
    })?;
    let result = serde_json::to_string(&work(job))?;
    let mut output = io::stdout().lock();
    write!(output, "\n{MARK}{result}\n")?;
    output.flush()?;
    Ok(())
}

/// Says to a test that it runs as a worker.
const TEST_WORKER: &str = "SCHISM_TEST_WORKER";

/// Runs jobs in worker processes from inside a test, each worker being this test again: `test` is its full name as
/// `cargo test` shows it. Results are in the order of the jobs.
///
/// # Panics
/// When a worker dies: the test fails with the worker's last words.
pub fn in_test_workers<J, R>(test: &str, jobs: &[J], work: impl FnOnce(J) -> R) -> Vec<R>
where
    J: Serialize + DeserializeOwned + Sync,
    R: Serialize + DeserializeOwned + Send,
{
    let results = try_in_test_workers(test, jobs, work).into_iter().enumerate();
    results.map(|(number, result)| result.unwrap_or_else(|dead| panic!("job {number} of {test}: {dead}"))).collect()
}

/// The same, for tests in which workers are meant to die.
///
/// # Panics
/// In a worker that cannot speak to its parent.
pub fn try_in_test_workers<J, R>(test: &str, jobs: &[J], work: impl FnOnce(J) -> R) -> Vec<Result<R, Dead>>
where
    J: Serialize + DeserializeOwned + Sync,
    R: Serialize + DeserializeOwned + Send,
{
    if std::env::var_os(TEST_WORKER).is_some() {
        serve(|| (), work).expect("a worker's streams are its parent's");
        exit(0);
    }
    let launch = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([test, "--exact", "--nocapture", "--include-ignored"]).env(TEST_WORKER, "1");
        Ok(command)
    };
    let mut results: Vec<Option<Result<R, Dead>>> = jobs.iter().map(|_| None).collect();
    let workers = Workers { places: 2, deadline: Some(Duration::from_secs(300)), stop: &|| false };
    workers.run(jobs, |_| 1, launch, |number, result| results[number] = Some(result));
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_done_in_a_process_of_its_own() {
        let test = "simulation::worker::tests::a_job_is_done_in_a_process_of_its_own";
        let results = in_test_workers(test, &[1, 2, 3], |number: u32| (number * 2, std::process::id()));
        assert_eq!(results.iter().map(|(doubled, _)| *doubled).collect::<Vec<_>>(), [2, 4, 6]);
        assert!(results.iter().all(|(_, process)| *process != std::process::id()));
    }

    #[test]
    fn a_dead_worker_is_told_apart_with_its_last_words() {
        let test = "simulation::worker::tests::a_dead_worker_is_told_apart_with_its_last_words";
        let results = try_in_test_workers(test, &[1, 2], |number: u32| {
            if number == 1 {
                let _ = io::stderr().write_all(b"goodbye");
                exit(42);
            }
            number
        });
        match &results[0] {
            Err(Dead::Ended { status, last_words }) => {
                assert_eq!((status.code(), last_words.ends_with("goodbye")), (Some(42), true));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(results[1], Ok(2)));
    }

    #[test]
    fn a_worker_that_takes_too_long_is_killed() {
        let workers = Workers { places: 1, deadline: Some(Duration::from_millis(50)), stop: &|| false };
        let launch = || {
            let mut command = Command::new("sh");
            command.args(["-c", "echo waiting >&2; exec sleep 600"]);
            Ok(command)
        };
        workers.run(
            &[()],
            |()| 1,
            launch,
            |_, result: Result<(), Dead>| {
                assert!(matches!(result, Err(Dead::Deadline { .. })), "{result:?}");
            },
        );
    }

    #[test]
    fn the_largest_begins_first_and_others_take_the_room_it_leaves() {
        let mut queue = Queue::of([1, 9, 3, 2].into_iter(), 4);
        assert_eq!((queue.begin(), queue.begin()), (Some(1), None));
        queue.end(1);
        assert_eq!((queue.begin(), queue.begin(), queue.begin()), (Some(2), Some(0), None));
        queue.end(0);
        assert_eq!(queue.begin(), None);
        queue.end(2);
        assert_eq!((queue.begin(), queue.begin()), (Some(3), None));
    }

    #[test]
    fn a_worker_dies_when_its_parent_goes() {
        let name = "simulation::worker::tests::a_worker_dies_when_its_parent_goes";
        if std::env::var_os(TEST_WORKER).is_some() {
            let _ = serve(
                || (),
                |(): ()| -> () {
                    loop {
                        thread::park();
                    }
                },
            );
            exit(0);
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact", "--nocapture"]).env(TEST_WORKER, "1");
        let mut worker = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut input = worker.stdin.take().unwrap();
        input.write_all(b"null\n").unwrap();
        drop(input);
        assert_eq!(worker.wait().unwrap().code(), Some(ORPHANED));
    }
}
