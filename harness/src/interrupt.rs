//! An interrupt: somebody wants runs to end before their time. The first one heals, stops and collects; a second one
//! ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::report::Verdict;

/// Whether somebody wants it. Clones are handles to the same wish.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// One that Ctrl-C (SIGINT) and SIGTERM ask for, from now on. The handlers only set a flag, so the thread of a
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
