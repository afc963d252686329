//! The thread of a role: an executor of its own, named as the node.
//!
//! So a role that computes for long holds up no other one, a role's loop wakes no second thread for work that it does
//! itself a moment later, and the kernel tells each role's CPU time apart (`top -H`, `/proc/PID/task`).

use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::replica::OneRole;
use crate::supervisor::Ended;

/// Of each thread of ours.
const STACK_BYTES: usize = 1 << 20;
/// Disk work of one role; more threads than this would wait for the same disk.
const BLOCKING_MAX: usize = 16;

/// A role's thread, to be waited for.
pub(super) struct RoleThread {
    name: Arc<str>,
    ended: oneshot::Receiver<Ended>,
}

/// Starts the role's lives on a thread of their own, named `name`; `cut` ends them at once.
pub(super) fn start(name: &str, one: OneRole, cut: CancellationToken) -> io::Result<RoleThread> {
    let name: Arc<str> = name.into();
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name(name.to_string())
        .thread_stack_size(STACK_BYTES)
        .max_blocking_threads(BLOCKING_MAX)
        .build()?;
    let (tell, ended) = oneshot::channel();
    let body = move || {
        // On the heap: a role's future is long, and this stack is not.
        let lives = Box::pin(async { one.supervised().await });
        let outcome = executor.block_on(async {
            tokio::select! {
                outcome = lives => Some(outcome),
                () = cut.cancelled() => None,
            }
        });
        // What still blocks (a disk that hangs) must not keep the thread.
        executor.shutdown_background();
        if let Some(outcome) = outcome {
            // The process no longer asks.
            let _ = tell.send(outcome);
        }
    };
    std::thread::Builder::new().name(name.to_string()).stack_size(STACK_BYTES).spawn(body)?;
    Ok(RoleThread { name, ended })
}

impl RoleThread {
    /// Waits for the end of the role.
    pub(super) async fn ended(self) -> Ended {
        let gone = || Ended::GaveUp(anyhow::anyhow!("the thread of {} is gone", self.name));
        self.ended.await.unwrap_or_else(|_| gone())
    }
}
