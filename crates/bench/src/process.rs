//! A process under measurement: started in a process group of its own, so that its CPU time includes all its
//! children, and ended when dropped.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long a process may take to terminate.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Interval between two checks of a condition.
const LOOK: Duration = Duration::from_millis(20);

/// A tick of the kernel's accounts: USER_HZ is 100 on every architecture of Linux.
const TICK_MS: u64 = 10;

/// A running program and its children.
pub struct Process {
    child: Child,
    name: String,
}

/// CPU time in the kernel's ticks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu(u64);

impl std::iter::Sum for Cpu {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        Self(all.map(|cpu| cpu.0).sum())
    }
}

impl Process {
    /// Starts the program; its output goes into `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let log = File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0).spawn();
        let child = child.with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { child, name: name.to_owned() })
    }

    /// User and system time so far of every process of the group.
    pub fn cpu(&self) -> Result<Cpu> {
        let ticks = self.members().iter().filter_map(|pid| Some(stat(*pid)?.1)).sum();
        Ok(Cpu(ticks))
    }

    /// Memory of the group in bytes; a shared page is divided among its users.
    pub fn memory(&self) -> u64 {
        self.members().into_iter().filter_map(memory_of).sum()
    }

    /// Memory of the group in bytes that is in use now (`VmRSS`); a shared page counts for each of its users.
    pub fn resident(&self) -> u64 {
        self.members().into_iter().filter_map(resident_of).sum()
    }

    /// Open sockets of the group.
    pub fn sockets(&self) -> usize {
        self.members().into_iter().map(sockets_of).sum()
    }

    /// Fails if the program has ended.
    pub fn expect_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} has ended: {status}", self.name),
        }
    }

    /// Waits until the program ends by itself.
    pub fn finish(&mut self, limit: Duration) -> Result<i32> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code().unwrap_or(-1));
            }
            if Instant::now() > deadline {
                bail!("{} has not ended within {limit:?}", self.name);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Ends the program as a crash does.
    pub fn kill(mut self) -> Result<()> {
        self.signal("-KILL");
        self.child.wait()?;
        Ok(())
    }

    fn members(&self) -> Vec<u32> {
        let group = self.child.id();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| stat(*pid).is_some_and(|(of, _)| of == group)).collect()
    }

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        // A group that no longer exists needs no signal.
        let _ = Command::new("kill").args([name, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("-TERM");
        if self.finish(END_LIMIT).is_err() {
            self.signal("-KILL");
        }
        let _ = self.child.wait();
    }
}

/// Wait after a load: a UDP transaction lingers for 32 s (timer J), and its removal is part of a request's cost.
const LINGER: Duration = Duration::from_secs(34);
/// How long the CPU time of idle processes is observed: the kernel counts in ticks of 10 ms, and a shorter time would be scaled up.
const IDLE: Duration = LINGER;

/// CPU seconds of each process for cleaning up after a load, minus its idle use. Negative if there was nothing to
/// clean up and the process was less idle afterwards.
pub fn lingering(processes: &[&Process]) -> Result<Vec<f64>> {
    let (taken, linger) = used_within(processes, LINGER)?;
    let (used, idle) = used_within(processes, IDLE)?;
    Ok(taken.iter().zip(used).map(|(taken, used)| taken - used / idle * linger).collect())
}

/// CPU seconds of each process during `time`, and its exact length in seconds.
fn used_within(processes: &[&Process], time: Duration) -> Result<(Vec<f64>, f64)> {
    let read = || processes.iter().map(|process| process.cpu()).collect::<Result<Vec<Cpu>>>();
    let (before, began) = (read()?, Instant::now());
    std::thread::sleep(time);
    let used = read()?.into_iter().zip(before).map(|(now, before)| now.since(before).as_secs_f64()).collect();
    Ok((used, began.elapsed().as_secs_f64()))
}

/// User and system time so far of a process and all its descendants.
pub fn cpu_of_tree(root: u32) -> Cpu {
    tree(root).into_iter().map(cpu_of).sum()
}

/// A process and all its descendants.
pub fn tree(root: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let seen: Vec<(u32, u32)> = pids.filter_map(|pid| ticks(pid).map(|(parent, ..)| (pid, parent))).collect();
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(parent) = tree.get(at).copied() {
        tree.extend(seen.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    tree
}

/// User and system time so far of one process; nothing if it has ended.
pub fn cpu_of(pid: u32) -> Cpu {
    Cpu(ticks(pid).map_or(0, |(.., cpu)| cpu))
}

/// The first number of the kernel's account of this thread: nanoseconds of CPU.
pub fn thread_cpu_ns() -> Result<u64> {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    account.split(' ').next().and_then(|ns| ns.parse().ok()).context("no account of the thread's CPU time")
}

/// Memory of one process in bytes; a shared page is divided among its users.
pub fn memory_of(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Resident memory of one process in bytes.
fn resident_of(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Open sockets of one process.
fn sockets_of(pid: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

impl Cpu {
    /// The CPU time so far, in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0 * TICK_MS
    }

    /// The CPU time between two readings.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0) * TICK_MS)
    }
}

/// Process group and CPU ticks of a process, without its waited-for children.
fn stat(pid: u32) -> Option<(u32, u64)> {
    ticks(pid).map(|(_, group, cpu)| (group, cpu))
}

/// Parent, process group and CPU ticks.
fn ticks(pid: u32) -> Option<(u32, u32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in brackets and may contain anything; the fields after it are regular.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((fields.get(1)?.parse().ok()?, fields.get(2)?.parse().ok()?, ticks(11)? + ticks(12)?))
}

/// Waits for a condition.
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !holds()? {
        if Instant::now() > deadline {
            bail!("{what}: not within {limit:?}");
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// The path of a program, if it is installed.
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}
