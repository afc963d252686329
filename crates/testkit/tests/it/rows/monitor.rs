//! What a Redis server is told and by whom, as the server itself prints it (`MONITOR`): commands, and those of their scripts.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::{Installation, wait};

const SOON: Duration = Duration::from_secs(45);

/// A command with its client.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    client: String,
    command: String,
}

/// Watches the Redis server of an installation until it is dropped.
pub(crate) struct Monitor {
    watcher: Child,
    said: Arc<Mutex<Vec<Said>>>,
}

impl Monitor {
    /// Starts, and waits until the server has accepted it.
    pub fn start(site: &Installation, port: u16) -> Result<Self> {
        let host = format!("127.{}.255.1", site.demo.instance);
        let mut watcher = Command::new("redis-cli")
            .args(["-h", &host, "-p", &port.to_string(), "MONITOR"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let lines = BufReader::new(watcher.stdout.take().context("no output")?).lines();
        let said: Arc<Mutex<Vec<Said>>> = Arc::default();
        let (notes, accepted) = (Arc::clone(&said), Arc::new(Mutex::new(false)));
        let has_begun = Arc::clone(&accepted);
        std::thread::spawn(move || {
            let mut client = String::new();
            for line in lines.map_while(Result::ok) {
                *has_begun.lock().unwrap_or_else(PoisonError::into_inner) = true;
                if let Some(said) = read(&line, &mut client) {
                    notes.lock().unwrap_or_else(PoisonError::into_inner).push(said);
                }
            }
        });
        let monitor = Self { watcher, said };
        wait::until(SOON, || Ok(accepted.lock().unwrap_or_else(PoisonError::into_inner).then_some(())))
            .context("the server accepts no MONITOR")?;
        Ok(monitor)
    }

    /// How many commands there were so far.
    pub fn count(&self) -> usize {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether one of these clients has sent one command that contains all these texts, after the first `before` commands.
    pub fn has_said(&self, before: usize, clients: &[String], texts: &[&str]) -> bool {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |one: &Said| clients.contains(&one.client) && texts.iter().all(|text| one.command.contains(text));
        said.iter().skip(before).any(fits)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
    }
}

/// Reads a line as `1795396444.193864 [0 127.0.0.1:55036] "SET" "a" "b"`. A script's own commands have `lua` in place of the client;
/// they follow the command that has called the script.
fn read(line: &str, client: &mut String) -> Option<Said> {
    let (_, rest) = line.split_once(" [")?;
    let (source, command) = rest.split_once("] ")?;
    let (_, by) = source.split_once(' ')?;
    if by != "lua" {
        by.clone_into(client);
    }
    Some(Said { client: client.clone(), command: command.to_owned() })
}

/// The addresses of the clients whose name lists the row, such as `trunkline/ors-1/voice-45+voice-46`.
pub(crate) fn clients_of(site: &mut Installation, port: u16, row: &str) -> Result<Vec<String>> {
    let list = site.servers()?.redis_cli(port, &["CLIENT", "LIST"])?;
    let of_line = |line: &str| {
        let field = |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name));
        let mut name = field("name=")?.strip_prefix("trunkline/")?.split('/');
        name.nth(1)?.split('+').any(|id| id == row).then(|| field("addr=").map(str::to_owned))?
    };
    Ok(list.lines().filter_map(of_line).collect())
}

#[test]
fn a_scripts_commands_belong_to_the_client_that_has_called_it() {
    let mut client = String::new();
    let lines = [
        "OK",
        r#"1795396444.203704 [0 127.0.0.1:55052] "EVALSHA" "8088a2" "1" "ev:{example}" "] hello""#,
        r#"1795396444.203743 [0 lua] "XADD" "ev:{example}" "*" "e" "hello""#,
    ];
    let said: Vec<Said> = lines.iter().filter_map(|line| read(line, &mut client)).collect();
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|said| said.client == "127.0.0.1:55052"), "{said:?}");
    assert!(said[0].command.ends_with("\"] hello\"") && said[1].command.starts_with("\"XADD\""), "{said:?}");
}
