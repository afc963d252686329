//! Two replicas of a role, of which one is killed, and one is stopped as a process that hangs: it takes connections and answers nothing.

use std::time::Duration;

use anyhow::{Context, Result};
use testkit::process::signal;
use testkit::{Installation, kernel, wait};

const LATER: Duration = Duration::from_secs(90);

/// The replicas of a role in an installation that has two of it.
pub(crate) struct TwoReplicas<'a> {
    site: &'a Installation,
    role: &'static str,
}

/// A replica that is stopped. It goes on once this is dropped.
pub(crate) struct HungReplica(u32);

impl Drop for HungReplica {
    fn drop(&mut self) {
        // It may be gone.
        let _ = signal(self.0, "CONT");
    }
}

/// Starts an installation with two replicas of a role; a killed one stays away long enough for the other one to be needed.
pub(crate) fn start_with_two(role: &str) -> Result<Installation> {
    let two = format!("replicas.{}=2", role.replace('-', "_"));
    Installation::start_on_servers(&["--processes", "--set", &two, "--set", "process.restart_after=5s"])
}

impl<'a> TwoReplicas<'a> {
    pub(crate) fn of(site: &'a Installation, role: &'static str) -> Self {
        Self { site, role }
    }

    fn process(&self, replica: u8) -> Result<Option<u32>> {
        Ok(kernel::processes(self.site.pid())?.get(&format!("{}-{replica}", self.role)).copied())
    }

    fn there(&self, replica: u8) -> Result<u32> {
        self.process(replica)?.with_context(|| format!("no process {}-{replica}", self.role))
    }

    pub(crate) fn kill(&self, replica: u8) -> Result<()> {
        signal(self.there(replica)?, "KILL")
    }

    pub(crate) fn stop(&self, replica: u8) -> Result<HungReplica> {
        let pid = self.there(replica)?;
        signal(pid, "STOP")?;
        Ok(HungReplica(pid))
    }

    /// Waits until a killed replica is there again, so that the other one can fail.
    pub(crate) fn comes_back(&self, replica: u8) -> Result<()> {
        let back = wait::until(LATER, || {
            if self.process(replica)?.is_none() {
                return Ok(None);
            }
            let ready = self.site.http(self.site.admin_of(self.role, replica)?, "GET", "/ready", "");
            Ok(ready.is_ok_and(|answer| answer.status == 200).then_some(()))
        });
        back.with_context(|| format!("{}-{replica} does not come back", self.role))
    }
}

/// Waits until something is done that may fail while a replica does; the last failure is told.
pub(crate) fn comes_to_work(what: &str, mut work: impl FnMut() -> Result<()>) -> Result<()> {
    let mut last = None;
    let done = wait::until(LATER, || match work() {
        Ok(()) => Ok(Some(())),
        Err(error) => {
            last = Some(error);
            Ok(None)
        }
    });
    done.with_context(|| format!("{what}: {last:?}"))
}
