//! The replica counts in the options of a running supervisor. Other commands do not have these options, but must query
//! every replica.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use runtime::data_dir::write_whole;
use runtime::exit::{Exit, ExitError};

/// In the data directory while a supervisor runs: its process, then one replica setting a line.
const FILE: &str = "supervisor";
/// Field of `/proc/PID/stat` with a process's start time (proc(5)), counted from the first one after the program's
/// name.
const STARTED_AT: usize = 19;

/// The replica counts in the options of that data directory's supervisor, as `--set` takes them; none if none is
/// running.
pub fn replicas_told(data_dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(data_dir.join(FILE)).unwrap_or_default();
    let runs = supervisor_runs(&text);
    text.lines().skip(1).filter(|_| runs).map(str::to_owned).collect()
}

/// The supervisor's file; removed on drop.
pub(super) struct SupervisorFile {
    path: PathBuf,
    own: String,
    follows_another: bool,
}

impl SupervisorFile {
    /// # Errors
    /// [`Exit::DataDirectory`] if another supervisor is running.
    pub(super) fn write(data_dir: &Path, replicas: &[String]) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE);
        let held = std::fs::read_to_string(&path).unwrap_or_default();
        if supervisor_runs(&held) {
            let pid = held.split(' ').next().unwrap_or_default();
            let message = format!("process {pid} runs the roles of {} already; stop it first", data_dir.display());
            return Err(ExitError::new(Exit::DataDirectory, message).into());
        }
        let own = process(&std::process::id().to_string()).context("/proc does not show this process")?;
        let lines = [std::slice::from_ref(&own), replicas].concat();
        write_whole(&path, lines.join("\n").as_bytes()).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { path, own, follows_another: !held.is_empty() })
    }

    /// Whether a previous supervisor has left its file: it was killed, and left its processes behind.
    pub(super) const fn follows_another(&self) -> bool {
        self.follows_another
    }
}

impl Drop for SupervisorFile {
    fn drop(&mut self) {
        let is_own = |text: String| text.lines().next() == Some(&self.own);
        if std::fs::read_to_string(&self.path).is_ok_and(is_own) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether the process that the file names still runs, and is not another one with the same number: in a container that
/// number is always the same.
fn supervisor_runs(text: &str) -> bool {
    let named = text.lines().next().unwrap_or_default();
    named.split_once(' ').is_some_and(|(pid, _)| process(pid).as_deref() == Some(named))
}

/// A running process: its number and start time.
fn process(pid: &str) -> Option<String> {
    let pid: u32 = pid.parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    Some(format!("{pid} {}", fields.split_whitespace().nth(STARTED_AT)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_known_while_their_supervisor_runs() {
        let folder = tempfile::tempdir().unwrap();
        let replicas = ["replicas.dialplan=2".to_owned()];
        let file = SupervisorFile::write(folder.path(), &replicas).unwrap();
        assert_eq!(replicas_told(folder.path()), replicas);
        let second = SupervisorFile::write(folder.path(), &[]).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(second.contains(&format!("process {} runs", std::process::id())), "{second}");
        drop(file);
        assert!(replicas_told(folder.path()).is_empty());
    }

    #[test]
    fn what_a_former_supervisor_with_the_same_number_was_told_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let left = format!("{} 1\nreplicas.dialplan=2", std::process::id());
        std::fs::write(folder.path().join(FILE), left).unwrap();
        assert!(replicas_told(folder.path()).is_empty());
        let _file = SupervisorFile::write(folder.path(), &["replicas.config=2".to_owned()]).unwrap();
        assert_eq!(replicas_told(folder.path()), ["replicas.config=2"]);
    }
}
