//! `script/infra` as operators use it: it starts, restarts and empties servers, and leaves nothing behind.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::installation::Instance;
use testkit::wait;

const NOT_ALL_ANSWER: i32 = 3;
const SOON: Duration = Duration::from_secs(60);

fn infra(instance: u8, what: &[&str]) -> Result<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/infra");
    Ok(Command::new(script)
        .args(["--instance", &instance.to_string()])
        .args(what)
        .env_remove("TRUNKLINE_INFRA_DIR")
        .output()?)
}

fn done(instance: u8, what: &[&str]) -> Result<String> {
    let output = infra(instance, what)?;
    ensure!(output.status.success(), "script/infra {what:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn redis(instance: u8, command: &[&str]) -> Result<String> {
    let output = Command::new("redis-cli").args(["-h", &format!("127.{instance}.255.1")]).args(command).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// What `status` says once so many servers answer: it does not wait for one that a busy machine keeps from its turn.
fn answering(instance: u8, servers: usize) -> Result<String> {
    let mut last = String::new();
    let come = wait::until(SOON, || {
        last = String::from_utf8(infra(instance, &["status"])?.stdout)?;
        let answer = last.lines().filter(|line| line.contains("answers (pid ")).count();
        Ok((answer == servers).then(|| last.clone()))
    });
    come.with_context(|| format!("not {servers} servers answer: {last}"))
}

/// Stops the servers after a failed test.
struct Down(u8);

impl Drop for Down {
    fn drop(&mut self) {
        let _ = infra(self.0, &["down"]);
    }
}

#[test]
fn servers_start_again_with_their_data_or_without_and_leave_nothing_behind() -> Result<()> {
    let instance = Instance::without_servers()?;
    let number = instance.number();
    let _down = Down(number);
    done(number, &["up"])?;
    let status = answering(number, 4)?;
    // A second `up` changes nothing.
    done(number, &["up"])?;
    ensure!(answering(number, 4)? == status);
    redis(number, &["SET", "kept", "17"])?;
    done(number, &["restart", "redis"])?;
    ensure!(redis(number, &["GET", "kept"])? == "17", "its data are there after a restart");
    done(number, &["empty", "redis"])?;
    ensure!(redis(number, &["GET", "kept"])?.is_empty(), "its data are gone");
    done(number, &["stop", "redis-pulse"])?;
    ensure!(infra(number, &["status"])?.status.code() == Some(NOT_ALL_ANSWER));
    let pid = |line: &str| line.rsplit_once("(pid ")?.1.trim_end_matches(')').parse::<u32>().ok();
    let pids: Vec<u32> = answering(number, 3)?.lines().filter_map(pid).collect();
    ensure!(pids.len() == 3, "{pids:?} run before the end");
    done(number, &["down"])?;
    let folder = format!("/tmp/trunkline-infra-{}/{number}", id()?);
    ensure!(!Path::new(&folder).exists(), "{folder} is still there");
    let left: Vec<&u32> = pids.iter().filter(|pid| !testkit::process::is_gone(**pid)).collect();
    ensure!(left.is_empty(), "processes {left:?} are still there");
    Ok(())
}

/// The user's id, as used by the script's folder.
fn id() -> Result<String> {
    let output = Command::new("id").arg("-u").output().context("id")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
