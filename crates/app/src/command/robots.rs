//! `trunkline robots`: robot callers and agents.

use std::io::Read as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use robots::{Site, Stop};
use runtime::exit::{Exit, ExitError};
use tokio::signal::unix::{SignalKind, signal};

use super::executor;
use crate::demo::Load;

pub const EXAMPLES: &str = "Examples:\n  trunkline robots --site ~/.local/share/trunkline/instance-0/robots.json\n  \
                            trunkline robots --site robots.json --calls 200 --rate 10 --agents 10 --json";

#[derive(Args)]
pub struct Arguments {
    /// The robots' description of the installation; `trunkline demo` writes it to robots.json in its data directory.
    /// The demo's own robots use the same phones: run these against `trunkline up --example`, or when the demo has
    /// ended
    #[arg(long, value_name = "FILE")]
    site: PathBuf,
    #[command(flatten)]
    load: Load,
    /// Every call and every sum as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// End when stdin ends, which it does with the process that started this one
    #[arg(long, hide = true)]
    with_stdin: bool,
}

/// Without this check, an installation that does not run would be reported after a minute as phones that do not answer.
fn expect_running(site: &Site) -> Result<(), ExitError> {
    const WITHIN: Duration = Duration::from_secs(5);
    let place = site.web.trim_start_matches("http://").trim_end_matches('/');
    let addresses = place.to_socket_addrs().into_iter().flatten();
    let mut why = "it is no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, WITHIN) {
            Ok(_) => return Ok(()),
            Err(error) => why = error.to_string(),
        }
    }
    let message =
        format!("nothing answers at {}: {why}; is the installation of tenant {} running?", site.web, site.tenant);
    Err(ExitError::new(Exit::NotRunning, message))
}

/// Runs the robots until the plan is done, or a signal comes.
pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let site = Site::read(&arguments.site).map_err(|error| ExitError::new(Exit::Usage, format!("{error:#}")))?;
    expect_running(&site)?;
    let plan = arguments.load.plan();
    let stop = Stop::default();
    if arguments.with_stdin {
        let stop = stop.clone();
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            // The input is ignored; only its end matters.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            stop.stop();
        })?;
    }
    let results = executor()?.block_on(async {
        let at_signal = stop.clone();
        let mut working = tokio::task::spawn_blocking(move || {
            robots::run(site, plan, &stop, &mut |text| eprintln!("robots: {text}"))
        });
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        loop {
            tokio::select! {
                done = &mut working => return done?,
                Some(()) = terminate.recv() => at_signal.stop(),
                Some(()) = interrupt.recv() => at_signal.stop(),
            }
        }
    })?;
    if arguments.json {
        say_line!("{}", serde_json::to_string(&results)?);
    } else {
        say!("{}", results.table());
    }
    Ok(if results.is_flawless() { Exit::Done } else { Exit::CheckFailed })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command};
    use super::*;

    fn load(line: &[&str]) -> Load {
        let start = ["trunkline", "robots", "--site", "robots.json"];
        match Cli::try_parse_from(start.iter().chain(line)).unwrap().command {
            Command::Robots(arguments) => arguments.load,
            _ => panic!("another command"),
        }
    }

    #[test]
    fn whoever_answers_must_be_heard_within_a_second_unless_told_otherwise() {
        assert_eq!(load(&[]).plan().hear_within, Duration::from_secs(1));
        assert_eq!(load(&["--calls", "5"]).plan().hear_within, Duration::from_secs(1));
        assert_eq!(load(&["--hear-within", "2.5"]).plan().hear_within, Duration::from_millis(2_500));
    }

    #[test]
    fn robots_that_a_demo_starts_have_its_whole_plan() {
        let line = [
            ["--calls", "9"],
            ["--rate", "2"],
            ["--agents", "4"],
            ["--talk", "1..2"],
            ["--moves", "0.5"],
            ["--hear-within", "3"],
            ["--seed", "7"],
        ]
        .concat();
        let told = load(&line);
        let arguments = told.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(format!("{:?}", load(&arguments).plan()), format!("{:?}", told.plan()));
    }
}
