//! Watches a run, waits until all witnesses have reported everything, and compares.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::compare::{Testimonies, compare};
use crate::reporting::Source;
use crate::robots::Robots;
use crate::stream::Stream;
use crate::verdict::Verdict;
use crate::wallboard::Board;

/// Time for the witnesses to report the rest; facts missing after that are a disagreement.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);
/// After this time without new facts, everything was reported.
const QUIET: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(250);

/// How to reach the installation, from its `demo.json`.
struct Place {
    web: String,
    tenant: String,
    token: String,
}

impl Place {
    fn read(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("demo.json");
        let bytes = std::fs::read(&path).with_context(|| format!("{}: does the installation run?", path.display()))?;
        let demo: Value = serde_json::from_slice(&bytes).context("demo.json")?;
        let text =
            |value: &Value, what: &str| value.as_str().map(str::to_owned).context(format!("demo.json: no {what}"));
        Ok(Self {
            web: text(&demo["web"], "web")?,
            tenant: text(&demo["tenant"], "tenant")?,
            token: text(&demo["tokens"]["operator"], "operator's token")?,
        })
    }

    /// The wallboard now, or why it cannot be read: the verdict reports that.
    async fn board(&self) -> Result<Board, String> {
        Board::get(&self.web, &self.tenant, &self.token).await.map_err(|error| format!("{error:#}"))
    }
}

/// Watches, waits for the robots' result on stdin, compares. `None` if stdin ended before there was a result.
#[allow(clippy::print_stdout, reason = "this is what the caller waits for")]
pub async fn run(instance: u8, data_dir: &Path, brokers: Option<&str>, silent_end: bool) -> Result<Option<Verdict>> {
    let place = Place::read(data_dir)?;
    let before = place.board().await;
    let mut log = Source::from_now(data_dir, brokers)?;
    let stream = Stream::open(&format!("127.{instance}.16.1:8000"), &place.token).await?;
    println!("watching");
    let Some(path) = tokio::task::spawn_blocking(first_line).await?? else {
        anyhow::ensure!(silent_end, "stdin ended before it had brought the path of the robots' result");
        return Ok(None);
    };
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let robots: Robots = serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?;
    let begun = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        log.read_on()?;
        let quiet = stream.look(|told| {
            anyhow::ensure!(told.ended.is_none(), "{}", told.ended.as_deref().unwrap_or_default());
            Ok(told.last.is_none_or(|last| last.elapsed() >= QUIET))
        })?;
        let late = begun.elapsed() >= SETTLE_WITHIN;
        if !quiet && !late {
            continue;
        }
        let after = place.board().await;
        let boards = match (&before, &after) {
            (Ok(before), Ok(after)) => Ok((before, after)),
            (Err(reason), _) | (_, Err(reason)) => Err(reason.as_str()),
        };
        let verdict = stream.look(|told| {
            compare(&Testimonies {
                robots: &robots,
                stream: &told.facts,
                before: &told.calls_before,
                log: log.log(),
                boards,
            })
        });
        if verdict.agreed() || late {
            return Ok(Some(verdict));
        }
        tokio::time::sleep(LOOK * 4).await;
    }
}

fn first_line() -> Result<Option<PathBuf>> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let path = line.trim();
    Ok((!path.is_empty()).then(|| PathBuf::from(path)))
}
