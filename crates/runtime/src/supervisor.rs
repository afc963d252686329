//! Runs a role, restarts it with back-off when it fails, and stops after too many failures.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::drain::Drain;
use crate::fault::panic_text;

/// Pause before the first restart; doubles with each failure.
pub const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
/// Maximum pause before a restart.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// After this many failures without a run of [`QUIET`] between them, the supervisor stops restarting.
pub const FAILURES_MAX: u32 = 12;
/// A run of this length resets the count of failures.
pub const QUIET: Duration = Duration::from_secs(60);
/// How long the tasks of a role may take to end after the drain signal.
const TASKS_END: Duration = Duration::from_secs(2);
/// Capacity for unread failures of tasks; the first ends the run, so more are not needed.
const TASK_FAILURES_MAX: usize = 16;

/// The tasks of one run of a role.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    drain: Drain,
    failures: mpsc::Sender<anyhow::Error>,
}

impl Tasks {
    /// Starts without tasks; the receiver gets their failures.
    pub(crate) fn new(drain: Drain) -> (Self, mpsc::Receiver<anyhow::Error>) {
        let (failures, reported) = mpsc::channel(TASK_FAILURES_MAX);
        (Self { tracker: TaskTracker::new(), drain, failures }, reported)
    }

    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let (drain, failures) = (self.drain.clone(), self.failures.clone());
        self.tracker.spawn(async move {
            let ended = async {
                drain.ended().await;
                // Tasks that watch the signal get time to finish; this ends the others.
                tokio::time::sleep(TASKS_END).await;
            };
            let outcome = tokio::select! {
                outcome = caught(task) => outcome,
                () = ended => Ok(()),
            };
            if let Err(error) = outcome {
                // Full means that other tasks have failed before: the run ends anyway.
                let _ = failures.try_send(error.context(format!("task {name}")));
            }
        });
    }
}

/// How a supervised role ended.
#[derive(Debug)]
pub enum Ended {
    /// It drained.
    Drained,
    /// It failed too often; the last failure.
    GaveUp(anyhow::Error),
}

/// Steps that the supervisor reports about a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A run begins; the number counts from 1.
    Started(u32),
    /// It failed and is restarted after the pause.
    Restarts(Duration),
}

/// Calls `run` until it drains, and again after each failure.
///
/// `run` gets the parts of one run; it makes the context and calls the role's `start`.
pub async fn supervise<F, Fut>(role: &str, drain: &Drain, mut run: F, mut report: impl FnMut(Step)) -> Ended
where
    F: FnMut(Drain, Tasks) -> Fut,
    Fut: Future<Output = anyhow::Result<()>> + Send,
{
    let (mut failures, mut runs) = (0, 0);
    loop {
        runs += 1;
        report(Step::Started(runs));
        let began = tokio::time::Instant::now();
        let of_run = drain.of_run();
        let outcome = run_once(&of_run, &mut run).await;
        let error = match outcome {
            Ok(()) if drain.is_draining() => return Ended::Drained,
            Ok(()) => anyhow::anyhow!("the role returned although no drain was requested"),
            Err(error) => error,
        };
        if drain.is_draining() {
            tracing::warn!(role, error = format!("{error:#}"), "role failed while draining");
            return Ended::Drained;
        }
        failures = if began.elapsed() >= QUIET { 1 } else { failures + 1 };
        if failures >= FAILURES_MAX || crate::exit::of(&error) == crate::exit::Exit::Address && runs == 1 {
            tracing::error!(role, failures, error = format!("{error:#}"), "role failed for good");
            return Ended::GaveUp(error);
        }
        let pause = back_off(failures);
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::error!(role, failures, pause_ms, error = format!("{error:#}"), "role failed and is restarted");
        report(Step::Restarts(pause));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = drain.begun() => return Ended::Drained,
        }
    }
}

/// The pause after that many consecutive failures.
pub fn back_off(failures: u32) -> Duration {
    model::doubling_pause(BACK_OFF_FIRST, BACK_OFF_MAX, failures)
}

async fn run_once<F, Fut>(drain: &Drain, run: &mut F) -> anyhow::Result<()>
where
    F: FnMut(Drain, Tasks) -> Fut,
    Fut: Future<Output = anyhow::Result<()>> + Send,
{
    let (tasks, mut failures) = Tasks::new(drain.clone());
    let tracker = tasks.tracker.clone();
    let outcome = tokio::select! {
        outcome = caught(run(drain.clone(), tasks)) => outcome,
        Some(error) = failures.recv() => Err(error),
    };
    drain.end();
    tracker.close();
    // Tasks end themselves after TASKS_END; the second half is a margin for a busy machine.
    let _ = tokio::time::timeout(TASKS_END * 2, tracker.wait()).await;
    outcome
}

/// Turns a panic into an error with its message.
async fn caught(task: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => Err(anyhow::anyhow!("panicked: {}", panic_text(&*panic))),
    }
}

#[cfg(test)]
mod tests;
