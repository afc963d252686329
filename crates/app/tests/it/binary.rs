//! Runs the built binary with an instance number and a data directory of the test's own.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use infra::{Clock as _, SystemClock};

/// A test that takes longer has failed; a busy machine needs a good part of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Instance numbers of this crate's tests; the system tests have lower ones.
const INSTANCES: std::ops::RangeInclusive<u8> = 230..=254;

/// An installation of one test, with an instance number that no other test of this machine uses at the same time.
pub struct Site {
    pub instance: u8,
    pub data_dir: PathBuf,
    _claim: File,
}

impl Site {
    pub fn new() -> Self {
        let claims = std::env::temp_dir().join("trunkline-test-instances");
        std::fs::create_dir_all(&claims).unwrap();
        let claim = |instance: u8| {
            let file = File::create(claims.join(format!("{instance}.lock"))).unwrap();
            (file.try_lock().is_ok() && !is_in_use(instance)).then_some((instance, file))
        };
        let (instance, claim) = INSTANCES.into_iter().find_map(claim).expect("a free instance number");
        let data_dir = std::env::temp_dir().join(format!("trunkline-app-{instance}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&data_dir);
        Self { instance, data_dir, _claim: claim }
    }

    /// The command with instance and data directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
        let instance = self.instance.to_string();
        command.args(arguments).args(["--instance", &instance, "--data-dir"]).arg(&self.data_dir);
        command
    }

    /// Runs it to its end: exit code, stdout, stderr.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Starts it and waits until a log line has that message.
    pub fn start(&self, arguments: &[&str], until: &str) -> Running {
        self.start_until(arguments, until, 1)
    }

    /// Starts it and waits until `times` log lines have had that message.
    pub fn start_until(&self, arguments: &[&str], until: &str, times: usize) -> Running {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (log, mut complaints) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let running = Running { child };
        let (tell, lines) = sync_channel(1);
        // Keep reading while it writes, or it would block on a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(std::io::Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut seen = String::new();
        let clock = SystemClock::start();
        let end = clock.now() + PATIENCE;
        while seen.matches(until).count() < times {
            match lines.recv_timeout(end.since(clock.now())) {
                Ok(line) => seen += &(line + "\n"),
                Err(RecvTimeoutError::Timeout) => panic!("it does not say {until:?}\n{seen}"),
                Err(RecvTimeoutError::Disconnected) => {
                    let mut said = String::new();
                    let _ = complaints.read_to_string(&mut said);
                    panic!("it ended before {until:?}\n{seen}\n{said}");
                }
            }
        }
        std::thread::spawn(move || std::io::copy(&mut complaints, &mut std::io::sink()));
        running
    }

    /// One HTTP request to a role's address: status and whole answer.
    pub fn http(&self, number: u8, port: u16, head: &str) -> (u16, String) {
        let answer = self.http_as_written(number, port, &format!("{head}host: x\r\nconnection: close\r\n\r\n"));
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        (status, answer)
    }

    /// Sends those bytes to a role's address and returns the answer.
    pub fn http_as_written(&self, number: u8, port: u16, request: &str) -> String {
        let address: SocketAddr = format!("127.{}.{number}.1:{port}", self.instance).parse().unwrap();
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// Whether a socket listens on an address of that instance: one started by hand makes no claims.
fn is_in_use(instance: u8) -> bool {
    const LISTENING: &str = "0A";
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    sockets.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let Some(address) = fields.get(1).and_then(|local| u32::from_str_radix(local.split(':').next()?, 16).ok())
        else {
            return false;
        };
        address.to_ne_bytes()[..2] == [127, instance] && fields.get(3) == Some(&LISTENING)
    })
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.data_dir);
    }
}

/// A running binary; killed on drop.
pub struct Running {
    child: Child,
}

impl Running {
    /// The processor time that it has used.
    pub fn cpu_time(&self) -> Duration {
        /// The kernel's clock tick for programs.
        const TICK: Duration = Duration::from_millis(10);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: u32 = fields[11..=12].iter().map(|ticks| ticks.parse::<u32>().unwrap()).sum();
        TICK * ticks
    }

    /// Sends SIGTERM and waits for the exit code.
    pub fn terminate(mut self) -> i32 {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
