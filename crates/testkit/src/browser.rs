//! The scripts of `web/e2e`, which report their progress and result: they drive Chromium as a browser for the pages, sign in, or work as an
//! agent.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

use crate::{Installation, wait};

/// A task in a browser, concurrent with the test; it is ended when dropped.
pub struct Browser {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    errors: tempfile::NamedTempFile,
}

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web")
}

/// A script of `web/e2e`, to be run by Node.js.
fn script(name: &str) -> Result<Command> {
    ensure!(web().join("node_modules").exists(), "the scripts' packages are missing: script/web install");
    let mut command = Command::new("node");
    command.arg(format!("e2e/{name}")).current_dir(web()).stdin(Stdio::null());
    Ok(command)
}

/// Runs a script of `web/e2e` that needs no browser, told this by its environment; the lines that it has printed. The error is what it
/// says.
pub fn run_script(name: &str, environment: &[(&str, &str)], limit: Duration) -> Result<Vec<String>> {
    let files = tempfile::tempdir()?;
    let (said, errors) = (files.path().join("said"), files.path().join("errors"));
    let mut command = script(name)?;
    command.envs(environment.iter().copied()).stdout(File::create(&said)?).stderr(File::create(&errors)?);
    let mut child = command.spawn().context("node is needed: script/bootstrap")?;
    let ended = wait::until(limit, || Ok(child.try_wait()?));
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let said = std::fs::read_to_string(said)?;
    let is_done = ended.as_ref().is_ok_and(ExitStatus::success);
    ensure!(is_done, "{name}: {ended:?}\n{said}{}", std::fs::read_to_string(errors)?);
    Ok(said.lines().map(str::to_owned).collect())
}

/// What a script prints, line by line, for as long as it is there.
fn collected(output: ChildStdout) -> (Arc<Mutex<Vec<String>>>, JoinHandle<()>) {
    let said = Arc::<Mutex<Vec<String>>>::default();
    let notes = Arc::clone(&said);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            notes.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    (said, reader)
}

impl Browser {
    /// Starts a task of `web/e2e/tasks.mjs` at an installation, with one of its tokens; `paths` are the pages to open.
    pub fn start(task: &str, site: &Installation, token: &str, paths: &[String]) -> Result<Self> {
        Self::spawn(task, site, token, paths, None)
    }

    /// As [`Self::start`] with the wallboard's token, for pages that hear a WAV as their microphone.
    pub fn start_with_microphone(task: &str, site: &Installation, paths: &[String], says: &Path) -> Result<Self> {
        Self::spawn(task, site, "wallboard", paths, Some(says))
    }

    /// Starts a task that needs nothing but a link, with pages that hear a WAV as their microphone.
    pub fn start_by_link(task: &str, link: &str, paths: &[String], says: &Path) -> Result<Self> {
        Self::run_task(task, link, paths, Some(says))
    }

    fn spawn(
        task: &str,
        site: &Installation,
        token: &str,
        paths: &[String],
        microphone: Option<&Path>,
    ) -> Result<Self> {
        let token = site.demo.tokens.get(token).with_context(|| format!("the demo has no token {token}"))?;
        Self::run_task(task, &format!("{}/#token={token}", site.demo.web), paths, microphone)
    }

    fn run_task(task: &str, link: &str, paths: &[String], microphone: Option<&Path>) -> Result<Self> {
        let errors = tempfile::NamedTempFile::new()?;
        let mut child = script("run.mjs")?
            .arg(task)
            .arg(link)
            .args(paths)
            .envs(microphone.map(|file| ("TRUNKLINE_MICROPHONE", file)))
            .stdout(Stdio::piped())
            .stderr(File::create(errors.path())?)
            .spawn()
            .context("node is needed: script/bootstrap")?;
        let (said, _) = collected(child.stdout.take().context("no output")?);
        Ok(Self { child, said, errors })
    }

    /// Runs a task to its end.
    pub fn run(task: &str, site: &Installation, token: &str, paths: &[String], limit: Duration) -> Result<()> {
        Self::start(task, site, token, paths)?.finish(limit)
    }

    /// Waits until the task prints a line with this beginning.
    pub fn says(&mut self, beginning: &str, limit: Duration) -> Result<String> {
        let (child, said, errors) = (&mut self.child, &self.said, &self.errors);
        wait::until(limit, || {
            let lines = said.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(line) = lines.iter().find(|line| line.starts_with(beginning)) {
                return Ok(Some(line.clone()));
            }
            drop(lines);
            match child.try_wait()? {
                Some(status) => bail!("the browser ended with {status}: {}", std::fs::read_to_string(errors.path())?),
                None => Ok(None),
            }
        })
        .with_context(|| format!("waiting for {beginning:?} from the browser"))
    }

    /// Waits for its end; the error is the failed check.
    pub fn finish(mut self, limit: Duration) -> Result<()> {
        let child = &mut self.child;
        let status = wait::until(limit, || Ok(child.try_wait()?))?;
        ensure!(status.success(), "in the browser: {}", std::fs::read_to_string(self.errors.path())?);
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A script that says its steps as lines of JSON, each with the member `step`, and goes on behind some of them once it is told to. It is
/// concurrent with the test, and ended when dropped.
pub struct SteppedScript {
    child: Child,
    orders: ChildStdin,
    said: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    errors: tempfile::NamedTempFile,
}

impl SteppedScript {
    /// Starts a script of `web/e2e`, told the rest by its environment.
    pub fn start(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let errors = tempfile::NamedTempFile::new()?;
        let mut command = script(name)?;
        command.args(arguments).envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(errors.path())?);
        let mut child = command.spawn().context("node is needed: script/bootstrap")?;
        let orders = child.stdin.take().context("no input")?;
        let (said, reader) = collected(child.stdout.take().context("no output")?);
        Ok(Self { child, orders, said, reader: Some(reader), errors })
    }

    /// What it has said so far.
    pub fn steps(&self) -> Result<Vec<Value>> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().map(|line| serde_json::from_str(line).with_context(|| line.clone())).collect()
    }

    /// Waits for the first result of `find` over what it has said.
    pub fn says<T>(&mut self, what: &str, limit: Duration, mut find: impl FnMut(&[Value]) -> Option<T>) -> Result<T> {
        let found = wait::until(limit, || {
            if let Some(found) = find(&self.steps()?) {
                return Ok(Some(found));
            }
            match self.child.try_wait()? {
                // Its last words may come a moment later.
                Some(_) if self.reader.as_ref().is_some_and(|reader| !reader.is_finished()) => Ok(None),
                Some(status) => bail!("it ended with {status}"),
                None => Ok(None),
            }
        });
        found.with_context(|| self.state(&format!("{what} does not come")))
    }

    /// Waits until it has done that step; returns what it says of it.
    pub fn comes_to(&mut self, step: &str, limit: Duration) -> Result<Value> {
        self.says(step, limit, |steps| steps.iter().find(|said| said["step"] == step).cloned())
    }

    /// Tells it to go on.
    pub fn go_on(&mut self) -> Result<()> {
        self.orders
            .write_all(b"go on\n")
            .and_then(|()| self.orders.flush())
            .with_context(|| self.state("it is not there"))
    }

    /// Waits for its end; returns what it has said. The error is what it says went wrong.
    pub fn finish(mut self, limit: Duration) -> Result<Vec<Value>> {
        let child = &mut self.child;
        let ended = wait::until(limit, || Ok(child.try_wait()?));
        let is_done = ended.as_ref().is_ok_and(ExitStatus::success);
        ensure!(is_done, "{}", self.state(&format!("{ended:?}")));
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| anyhow!("nobody reads what it says"))?;
        }
        self.steps()
    }

    /// What is to be told of a failure.
    fn state(&self, what: &str) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
        format!("{what}\n{said}\n{}", std::fs::read_to_string(self.errors.path()).unwrap_or_default())
    }
}

impl Drop for SteppedScript {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
