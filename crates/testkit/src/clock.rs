//! The wall clock, common to SIPp, the facts and the programs that judge them; and pauses that SIGINT and SIGTERM end.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use tokio::signal::unix::{SignalKind, signal};

/// Microseconds since 1970.
pub type Micros = u64;

/// A second.
pub const SECOND: Micros = 1_000_000;

/// The current time.
#[allow(clippy::disallowed_methods, reason = "whole processes live in real time")]
pub fn now() -> Micros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// Whether the program was asked to end.
static ENDS: AtomicBool = AtomicBool::new(false);
/// Interval of checks of `ENDS`.
const LOOK: Duration = Duration::from_millis(200);

/// Waits while the load goes on.
///
/// # Errors
/// If the program was asked to end (SIGINT, SIGTERM): its child processes are ended as it exits.
#[allow(clippy::disallowed_methods, reason = "the moments are what a seed has chosen")]
pub fn pass(time: Duration) -> Result<()> {
    let mut left = time;
    loop {
        ensure!(!ENDS.load(Relaxed), "it was told to end");
        if left.is_zero() {
            return Ok(());
        }
        let step = left.min(LOOK);
        std::thread::sleep(step);
        left -= step;
    }
}

/// Waits, in a thread that ends with the run.
#[allow(clippy::disallowed_methods, reason = "a client paces its requests in real time")]
pub fn rest(time: Duration) {
    std::thread::sleep(time);
}

/// Makes SIGINT and SIGTERM end the program in order.
pub fn heed_signals() {
    drop(std::thread::spawn(wait_for_signal));
}

fn wait_for_signal() -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        ENDS.store(true, Relaxed);
        Ok(())
    })
}
