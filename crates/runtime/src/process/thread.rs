//! The thread of a role: its own executor, named after the node.
//!
//! A role with a long computation delays no other role. A role's loop wakes no second thread for its own work. The
//! kernel shows the CPU time of each role (`top -H`, `/proc/PID/task`).

use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::replica::RoleReplica;
use crate::supervisor::Ended;

/// Stack of each role's thread.
const STACK_BYTES: usize = 1 << 20;
/// Disk threads of one role; more of them would wait for the same disk.
const BLOCKING_MAX: usize = 16;

/// A running role's thread.
pub(super) struct RoleThread {
    name: Arc<str>,
    ended: oneshot::Receiver<Ended>,
}

/// Runs the role on its own thread, named `name`; `cut` ends it at once.
pub(super) fn start(name: &str, replica: RoleReplica, cut: CancellationToken) -> io::Result<RoleThread> {
    let name: Arc<str> = name.into();
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name(name.to_string())
        .thread_stack_size(STACK_BYTES)
        .max_blocking_threads(BLOCKING_MAX)
        .build()?;
    let (tell, ended) = oneshot::channel();
    let body = move || {
        // On the heap: a role's future is large, and this stack is small.
        let runs = Box::pin(async { replica.supervised().await });
        let outcome = executor.block_on(async {
            tokio::select! {
                outcome = runs => Some(outcome),
                () = cut.cancelled() => None,
            }
        });
        // A blocking call (a disk that hangs) must not keep the thread.
        executor.shutdown_background();
        if let Some(outcome) = outcome {
            // The process may no longer wait for the outcome.
            let _ = tell.send(outcome);
        }
    };
    std::thread::Builder::new().name(name.to_string()).stack_size(STACK_BYTES).spawn(body)?;
    Ok(RoleThread { name, ended })
}

impl RoleThread {
    /// Waits for the end of the role.
    pub(super) async fn ended(self) -> Ended {
        let gone = || Ended::GaveUp(anyhow::anyhow!("the thread of {} has ended unexpectedly", self.name));
        self.ended.await.unwrap_or_else(|_| gone())
    }
}
