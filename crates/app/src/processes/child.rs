//! One process of a role, and its consecutive runs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use runtime::Drain;
use runtime::exit::{Exit, ExitError};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Maximum pause before a restart, unless the setting is longer.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A run of this length shows that the process works: the next pause is the shortest again.
const LASTS: Duration = Duration::from_secs(60);
/// How long the last output of an ended process is awaited.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Exit codes after which a restart is useless. Unreachable servers are not among them: the supervisor itself has
/// reached them.
const HOPELESS: [Exit; 4] = [Exit::Usage, Exit::Settings, Exit::Address, Exit::DataDirectory];

/// How a process is started.
pub struct Start {
    pub program: PathBuf,
    pub role: &'static str,
    pub number: u8,
    pub node: String,
    pub arguments: Vec<OsString>,
    pub restart_after: Duration,
    /// Receives the lines of its log.
    pub log_line: fn(&str),
}

/// How its last run ended.
pub enum Ended {
    /// It drained.
    Drained,
    /// It was ended before it had drained.
    Cut,
    /// It cannot be started.
    GaveUp(anyhow::Error),
}

/// One supervised process.
pub struct Child {
    start: Start,
    drain: Drain,
    cut: CancellationToken,
}

impl Child {
    pub fn new(start: Start, drain: Drain, cut: CancellationToken) -> Self {
        Self { start, drain, cut }
    }

    /// Starts it, and restarts it whenever it has ended, until it is drained.
    pub async fn supervised(self) -> Ended {
        let mut pause = self.start.restart_after;
        let mut has_lasted = false;
        loop {
            let began = Instant::now();
            let status = match self.run().await {
                Ok(Some(status)) => status,
                Ok(None) => return Ended::Cut,
                Err(error) => return Ended::GaveUp(error.into()),
            };
            if self.drain.is_draining() {
                return if status.success() { Ended::Drained } else { Ended::Cut };
            }
            let lasted = began.elapsed();
            let hopeless = HOPELESS.iter().find(|exit| status.code() == Some(i32::from(exit.code())));
            if let Some(exit) = hopeless.filter(|_| !has_lasted) {
                let message = format!("it cannot be started: it ended with {}; its log says why", exit.code());
                return Ended::GaveUp(ExitError::new(*exit, message).into());
            }
            has_lasted |= lasted >= LASTS;
            if lasted >= LASTS {
                pause = self.start.restart_after;
            }
            let node = &self.start.node;
            tracing::warn!(node, %status, again_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), "a process has ended");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.drain.begun() => return Ended::Drained,
            }
            pause = (pause * 2).min(PAUSE_MAX.max(self.start.restart_after));
        }
    }

    /// One run; none when it was cut short.
    async fn run(&self) -> std::io::Result<Option<ExitStatus>> {
        let mut child = Command::new(&self.start.program)
            .args(["run", self.start.role, "--supervised-by", &std::process::id().to_string()])
            .args(["--replica", &self.start.number.to_string()])
            .args(&self.start.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at a terminal is for the supervisor, which ends the processes in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        tracing::info!(
            node = self.start.node,
            pid = pid.map(Pid::as_raw_nonzero).map(|pid| pid.get()),
            "a process starts"
        );
        let (log, words) = (child.stdout.take(), child.stderr.take());
        let (node, log_line) = (self.start.node.clone(), self.start.log_line);
        let mut copying = tokio::spawn(async move {
            let told = copy(log, |line| log_line(&marked(&node, line)));
            tokio::join!(told, copy(words, |line| eprintln!("{node}: {line}")))
        });
        let drained = async {
            self.drain.begun().await;
            if let Some(pid) = pid {
                // It may have ended by itself.
                let _ = kill_process(pid, Signal::TERM);
            }
            std::future::pending::<()>().await
        };
        let status = tokio::select! {
            status = child.wait() => Some(status?),
            () = self.cut.cancelled() => None,
            () = drained => None,
        };
        if status.is_none() {
            child.kill().await?;
        }
        // Its last output; a grandchild may hold its streams open.
        if tokio::time::timeout(LAST_WORDS, &mut copying).await.is_err() {
            copying.abort();
        }
        Ok(status)
    }
}

/// Passes on each line until the process closes its end.
async fn copy(stream: Option<impl AsyncRead + Unpin>, tell: impl Fn(&str)) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).split(b'\n');
    // Invalid UTF-8 is passed on too: a process blocks on a pipe that is not read.
    while let Ok(Some(line)) = lines.next_segment().await {
        tell(&String::from_utf8_lossy(&line));
    }
}

/// Marks a line of a log with its process, as the first field of JSON.
fn marked(node: &str, line: &str) -> String {
    match line.strip_prefix('{') {
        Some(rest) => format!("{{\"process\":\"{node}\",{rest}"),
        None => format!("{node}: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_says_which_process_it_is_of() {
        assert_eq!(marked("ors-1", "{\"level\":\"INFO\"}"), "{\"process\":\"ors-1\",\"level\":\"INFO\"}");
        assert_eq!(marked("ors-1", "words"), "ors-1: words");
        let line: serde_json::Value = serde_json::from_str(&marked("ors-1", "{\"a\":1}")).unwrap();
        assert_eq!((&line["process"], &line["a"]), (&"ors-1".into(), &1.into()));
    }
}
