//! What ends a process: SIGTERM, SIGINT and, if it is supervised, the end of its supervisor.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The kernel is asked to send it to a supervised process when its supervisor ends.
///
/// When a thread that has children ends, the kernel gives them to the next thread of the same process and sends it: of a
/// supervisor that is killed it comes several times. Were it SIGTERM, the second one would cut the drain short.
pub const SUPERVISOR_ENDED: SignalKind = SignalKind::user_defined1();

/// The signals that end a process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    supervisor_ended: Signal,
}

impl Signals {
    /// Installs the handlers.
    pub fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            supervisor_ended: signal(SUPERVISOR_ENDED)?,
        })
    }

    /// Waits for what begins the end of the process, and returns its name.
    pub async fn first(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.terminate.recv() => "SIGTERM",
            Some(()) = self.interrupt.recv() => "SIGINT",
            Some(()) = self.supervisor_ended.recv() => "the end of the supervisor",
            else => std::future::pending().await,
        }
    }

    /// Waits for a signal that cuts the end short, and returns its name. The end of the supervisor does not: who drains goes on.
    pub async fn second(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.terminate.recv() => "SIGTERM",
            Some(()) = self.interrupt.recv() => "SIGINT",
            else => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(name: &str) {
        let pid = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success(), "{name}");
    }

    #[tokio::test]
    async fn a_supervisor_whose_end_is_told_twice_begins_the_drain_and_does_not_cut_it() {
        let mut signals = Signals::install().unwrap();
        send("USR1");
        assert_eq!(signals.first().await, "the end of the supervisor");
        send("USR1");
        send("TERM");
        assert_eq!(signals.second().await, "SIGTERM");
    }
}
