//! Engines that are elsewhere, that hang, and that fall silent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use libtest_mimic::{Failed, Trial};
use schism::backend::container::engine::Engine;
use schism::backend::container::leftovers;
use schism::backend::container::owner::Life;

use super::Named;

/// What the command says of something wrong.
const WRONG: i32 = 3;

/// Those that need no engine.
pub(super) fn without_an_engine() -> Vec<Trial> {
    let name = "an_engine_that_hangs_is_called_so";
    vec![Trial::test(name, an_engine_that_hangs).with_kind("command")]
}

/// Every other trial.
pub(super) fn trials() -> Vec<Named> {
    vec![
        ("an_engine_is_found_behind_a_link_to_its_socket".to_owned(), Box::new(an_engine_behind_a_link)),
        ("a_container_run_ends_when_its_engine_falls_silent".to_owned(), Box::new(an_engine_that_falls_silent)),
    ]
}

/// DOCKER_HOST may name a link. That it is heeded is seen where it leads nowhere.
fn an_engine_behind_a_link() -> Result<(), Failed> {
    let Some(socket) = socket() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(socket, &link)?;
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_schism"));
    doctor.args(["doctor", "--json"]).env("DOCKER_HOST", format!("unix://{}", link.display()));
    let said = String::from_utf8(doctor.output()?.stdout)?;
    let mut rows = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let found = rows.any(|row| row["name"] == "backend container" && row["fine"] == true);
    if found { Ok(()) } else { Err(said.into()) }
}

/// It says its version, as Docker does when it waits for a lock that nobody gives back, and nothing else.
fn an_engine_that_hangs() -> Result<(), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let host = format!("tcp://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || say_the_version(stream));
        }
    });
    let (code, said) = run(&host)?;
    let as_it_should = said.contains("it hangs") && said.contains(&host) && said.contains("systemctl restart docker");
    if code == Some(WRONG) && as_it_should { Ok(()) } else { Err(format!("{code:?}: {said}").into()) }
}

/// Answers what an engine is asked for its version; at anything else stays silent, and does not hang up.
fn say_the_version(stream: TcpStream) -> std::io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next().transpose()? {
        let body = match line.split(' ').nth(1) {
            Some(path) if path.ends_with("/version") => r#"{"Version":"20.10.24","ApiVersion":"1.41"}"#,
            Some(path) if path.ends_with("/_ping") => "OK",
            _ => continue,
        };
        let length = body.len();
        write!(answers, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")?;
    }
    Ok(())
}

/// It makes a network, a volume and containers, and says nothing any more when it is to start the first of them. The run
/// says so and ends; what it had made goes when the engine speaks again.
fn an_engine_that_falls_silent() -> Result<(), Failed> {
    let Some(socket) = socket() else { return Ok(()) };
    let (listener, silent) = (TcpListener::bind("127.0.0.1:0")?, Arc::new(AtomicBool::new(false)));
    let host = format!("tcp://{}", listener.local_addr()?);
    thread::spawn({
        let silent = silent.clone();
        move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(engine) = UnixStream::connect(&socket) else { return };
                let _ = pass_on(client, engine, &silent);
            }
        }
    });
    let (code, said) = run(&host)?;
    let told =
        ["its container cannot be started: the engine gave no answer in time", "something is left", "schism clean"];
    if code != Some(WRONG) || !told.iter().all(|words| said.contains(words)) {
        return Err(format!("{code:?}: {said}").into());
    }
    let cleaned = Command::new(env!("CARGO_BIN_EXE_schism")).arg("clean").output()?;
    let engine = Engine::find()?;
    let docker = engine.docker().clone();
    let mut left = engine.wait(async move { leftovers::find(&docker, None).await })?;
    left.retain(|leftover| leftover.life() == Life::Dead);
    let removed = String::from_utf8(cleaned.stdout)?;
    let all = ["removes container ", "removes network ", "removes volume "].iter().all(|kind| removed.contains(kind));
    if left.is_empty() && all { Ok(()) } else { Err(format!("{left:?} are left, gone are: {removed}").into()) }
}

/// Passes on both ways what is said, until it is silent, and then nothing.
fn pass_on(client: TcpStream, engine: UnixStream, silent: &Arc<AtomicBool>) -> std::io::Result<()> {
    let (mut asks, mut to_engine) = (client.try_clone()?, engine.try_clone()?);
    let (mut answers, mut to_client) = (engine, client);
    let (falls_silent, is_silent) = (silent.clone(), silent.clone());
    thread::spawn(move || -> std::io::Result<()> {
        let mut piece = vec![0; 1 << 16];
        loop {
            let length = asks.read(&mut piece)?;
            let first_line = piece[..length].split(|byte| *byte == b'\r').next().unwrap_or_default();
            if first_line.ends_with(b"/start HTTP/1.1") {
                falls_silent.store(true, Ordering::Relaxed);
            }
            if length == 0 {
                return to_engine.shutdown(Shutdown::Write);
            }
            if !falls_silent.load(Ordering::Relaxed) {
                to_engine.write_all(&piece[..length])?;
            }
        }
    });
    thread::spawn(move || -> std::io::Result<()> {
        let mut piece = vec![0; 1 << 16];
        loop {
            let length = answers.read(&mut piece)?;
            if length == 0 {
                return to_client.shutdown(Shutdown::Write);
            }
            if !is_silent.load(Ordering::Relaxed) {
                to_client.write_all(&piece[..length])?;
            }
        }
    });
    Ok(())
}

/// What a run in containers of this engine exits with and says.
fn run(host: &str) -> Result<(Option<i32>, String), Failed> {
    let (file, runs) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos/partition-heals.yaml"), tempfile::tempdir()?);
    let mut run = Command::new(env!("CARGO_BIN_EXE_schism"));
    run.arg("run").arg(file).args(["--backend", "container", "--runs"]).arg(runs.path()).env("DOCKER_HOST", host);
    let ended = run.output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    // Errors are broken into lines where there is a border.
    let words: Vec<_> = said.split_whitespace().filter(|word| *word != "│").collect();
    Ok((ended.status.code(), words.join(" ")))
}

/// The engine's socket, where it has one on this machine.
fn socket() -> Option<PathBuf> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let socket = host.strip_prefix("unix://").map(PathBuf::from).filter(|socket| socket.exists());
    if socket.is_none() {
        eprintln!("NOT TRIED: the engine at {host} has no socket on this machine");
    }
    socket
}
