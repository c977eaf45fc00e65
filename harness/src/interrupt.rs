//! An interrupt: somebody wants runs to end before their time. The first one heals, stops and collects; a second one
//! ends the process at once. That the terminal is gone (SIGHUP) is an interrupt, too, except under `nohup`.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::report::Verdict;

/// Whether somebody wants it. Clones are handles to the same wish.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// One that Ctrl-C (SIGINT), SIGTERM and, where it is not ignored, SIGHUP ask for, from now on. The handlers only set a
    /// flag, so the thread of a
    /// virtual clock needs no driver for them: it looks at the flag between two events.
    ///
    /// # Errors
    /// When the system takes no handler.
    pub fn by_signals() -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: only the second signal finds the flag set.
            let code = Verdict::Interrupted.exit_code();
            flag::register_conditional_shutdown(signal, code, interrupt.0.clone())?;
            flag::register(signal, interrupt.0.clone())?;
        }
        // The end of a terminal is told twice, by the kernel and by a shell: that is one wish.
        if !ignores(&fs::read_to_string("/proc/self/status").unwrap_or_default(), SIGHUP) {
            flag::register(SIGHUP, interrupt.0.clone())?;
        }
        Ok(interrupt)
    }

    /// Asks for it.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether a process of this status (proc_pid_status(5)) ignores a signal.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_which_signals_are_ignored() {
        let status = "SigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(ignores(status, SIGHUP));
        assert!(!ignores(status, SIGINT));
        assert!(!ignores("Name:\tschism\n", SIGHUP));
    }
}
