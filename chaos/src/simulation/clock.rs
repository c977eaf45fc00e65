//! The clock: time and randomness as the simulation's thread sees them.
//!
//! libp2p, std and tokio ask the C library what time it is and for random bytes, in places nobody can pass a clock
//! or a generator into. So this module defines the two symbols they end at, `clock_gettime` and `getrandom`, each
//! with a switch per thread: on the simulation's thread time is a fixed base plus tokio's paused clock, and bytes are a stream
//! from the seed; every other thread gets the kernel's answer, as if this module were not there.
//!
//! It is the one module of the workspace with unsafe code, because defining a C function and answering through its
//! caller's pointers cannot be said otherwise. What must hold is said at each place.
//!
//! The static build needs two more things. There, `dlsym` finds nothing, so the real clock is called by its other
//! name, `__clock_gettime`; and getrandom 0.3 and 0.4 must be told to link the symbol instead of looking it up (the
//! cfg in `.cargo/config.toml`). If either is missing, the check at the start of every simulation refuses to run.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::time::Duration;

use libc::{c_int, c_uint, c_void, clockid_t, size_t, ssize_t, timespec};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::chance::Chance;

/// What monotonic clocks show when a simulation starts, in seconds: large, so that "an hour ago" is never negative.
pub const MONOTONIC_BASE: i64 = 1_000_000;
/// What the wall clock shows when a simulation starts, in seconds since the Unix epoch.
pub const WALL_BASE: i64 = schism_node::clock::LAB_EPOCH.as_secs() as i64;

// No destructors in these: the functions below are called while a thread is taken down, when others are gone.
thread_local! {
    /// Where random bytes come from; nothing is the kernel.
    static BYTES: Cell<Option<Chance>> = const { Cell::new(None) };
    static TIME: Cell<Time> = const { Cell::new(Time::Real) };
}

#[derive(Clone, Copy)]
enum Time {
    Real,
    /// The base: before the runtime started, or while asking it.
    Still,
    /// The base plus tokio's clock since this instant.
    Since(Instant),
}

/// Draws this thread's random bytes from a seed from now on.
pub(super) fn seed_this_thread(seed: u64) {
    BYTES.set(Some(Chance::from_seed(seed)));
}

/// Stops this thread's clocks at the base. To be called before the runtime is built, so that it starts there.
pub(super) fn stop_this_threads_clock() {
    TIME.set(Time::Still);
}

/// Lets this thread's clocks follow the runtime's paused clock, which reads the base now.
pub(super) fn follow_the_runtime() {
    TIME.set(Time::Since(Instant::now()));
}

/// Virtual time since the simulation of this thread started; zero where there is none.
pub fn elapsed() -> Duration {
    match TIME.get() {
        Time::Since(start) => Instant::now().saturating_duration_since(start),
        Time::Real | Time::Still => Duration::ZERO,
    }
}

/// A stopwatch on the machine's own monotonic clock, on every thread: for progress and for figures in real seconds,
/// never for anything a node does.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Duration);

impl Stopwatch {
    /// Starts it.
    pub fn start() -> Self {
        Self(real(libc::CLOCK_MONOTONIC))
    }

    /// What the machine's clock reads, in nanoseconds: to plant in a test what must never be in a node.
    #[cfg(test)]
    pub(super) fn start_reading() -> u64 {
        Self::start().0.as_nanos() as u64
    }

    /// Real time since it was started.
    pub fn elapsed(&self) -> Duration {
        real(libc::CLOCK_MONOTONIC).saturating_sub(self.0)
    }
}

fn real(clock: clockid_t) -> Duration {
    let mut shown = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `shown` is a valid timespec for the length of the call.
    if unsafe { kernel::clock_gettime(clock, &mut shown) } != 0 {
        return Duration::ZERO;
    }
    Duration::new(shown.tv_sec as u64, shown.tv_nsec as u32)
}

/// What this thread's clocks show, unless they are real or the clock asked for measures something else (a
/// processor's time).
fn virtual_time(clock: clockid_t) -> Option<Duration> {
    let base = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => WALL_BASE,
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_BOOTTIME => {
            MONOTONIC_BASE
        }
        _ => return None,
    };
    let passed = match TIME.try_with(Cell::get).ok()? {
        Time::Real => return None,
        Time::Still => Duration::ZERO,
        Time::Since(start) if Handle::try_current().is_ok() => {
            // tokio must not come back here while it answers.
            TIME.set(Time::Still);
            let passed = Instant::now().saturating_duration_since(start);
            TIME.set(Time::Since(start));
            passed
        }
        // The runtime is being taken down: whoever still asks gets the base, not the machine's time.
        Time::Since(_) => Duration::ZERO,
    };
    Some(Duration::from_secs(base as u64) + passed)
}

/// The C library's `clock_gettime`.
///
/// # Safety
/// As the C library's: `answer` points to a timespec the caller owns.
#[cfg(target_os = "linux")]
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, answer: *mut timespec) -> c_int {
    match virtual_time(clock) {
        Some(time) => {
            let time = timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
            // SAFETY: the caller's promise.
            unsafe { answer.write(time) };
            0
        }
        // SAFETY: the caller's promise, passed on.
        None => unsafe { kernel::clock_gettime(clock, answer) },
    }
}

/// The C library's `getrandom`.
///
/// # Safety
/// As the C library's: `buffer` points to `length` writable bytes the caller owns.
#[cfg(target_os = "linux")]
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    let Some(mut chance) = BYTES.try_with(Cell::get).ok().flatten() else {
        // SAFETY: the caller's promise, passed on to the kernel, which checks it.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) } as ssize_t;
    };
    if length > 0 {
        // SAFETY: the caller's promise; bytes have no invalid values, and nobody else has this buffer meanwhile.
        let buffer = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
        for bytes in buffer.chunks_mut(8) {
            bytes.copy_from_slice(&chance.draw().to_le_bytes()[..bytes.len()]);
        }
    }
    BYTES.set(Some(chance));
    length as ssize_t
}

/// The real clock, past our own symbol. A system call would do too, ten times slower: these answer from the vDSO.
mod kernel {
    #[cfg(target_feature = "crt-static")]
    pub(super) unsafe fn clock_gettime(clock: libc::clockid_t, answer: *mut libc::timespec) -> libc::c_int {
        unsafe extern "C" {
            fn __clock_gettime(clock: libc::clockid_t, answer: *mut libc::timespec) -> libc::c_int;
        }
        // SAFETY: the same function as `clock_gettime`, under the name that the static C library keeps for itself.
        unsafe { __clock_gettime(clock, answer) }
    }

    #[cfg(not(target_feature = "crt-static"))]
    pub(super) unsafe fn clock_gettime(clock: libc::clockid_t, answer: *mut libc::timespec) -> libc::c_int {
        use std::mem::transmute;
        use std::sync::atomic::{AtomicPtr, Ordering};
        type ClockGettime = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> libc::c_int;
        static NEXT: AtomicPtr<libc::c_void> = AtomicPtr::new(std::ptr::null_mut());

        let mut next = NEXT.load(Ordering::Relaxed);
        if next.is_null() {
            // SAFETY: a constant name that ends in zero.
            next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"clock_gettime".as_ptr()) };
            NEXT.store(next, Ordering::Relaxed);
        }
        if next.is_null() {
            // SAFETY: the caller's promise, passed on to the kernel, which checks it.
            return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, answer) } as libc::c_int;
        }
        // SAFETY: the C library's function of this name has this signature; the caller's promise is passed on.
        unsafe { transmute::<*mut libc::c_void, ClockGettime>(next)(clock, answer) }
    }
}
