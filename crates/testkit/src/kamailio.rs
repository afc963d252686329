//! Kamailio as a carrier that demands registration and digest, with the configuration `scenarios/kamailio-carrier.cfg`.

use std::fs;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{children, signal};
use crate::wait;

const START_LIMIT: Duration = Duration::from_secs(60);
/// How long its processes may take to end, and its address to be free after they were killed.
const END_LIMIT: Duration = Duration::from_secs(30);
/// The account's user.
pub const ACCOUNT: &str = "trunkline-1";

/// A running Kamailio; it is ended when dropped.
pub struct Kamailio {
    child: Child,
    address: Ipv4Addr,
    folder: tempfile::TempDir,
    /// Its processes that stand still.
    hanging: Vec<u32>,
}

/// What is wrong with a carrier, for calls of its account that have proved the password.
#[derive(Clone, Default, Debug)]
pub struct CarrierFault {
    /// How long such a call gets nothing but 100.
    pub silent: Duration,
    /// The status and the phrase with which it is then refused, as `(503, "Service Unavailable")`.
    pub refuses: Option<(u16, &'static str)>,
    /// The URI in the Contact of that refusal.
    pub moved_to: Option<String>,
}

impl CarrierFault {
    /// A carrier that refuses at once.
    pub fn refusing(status: u16, phrase: &'static str) -> Self {
        Self { refuses: Some((status, phrase)), ..Self::default() }
    }

    /// The arguments that define it for the configuration.
    fn definitions(&self) -> Vec<String> {
        let silent = (!self.silent.is_zero()).then(|| format!("SLOW_US={}", self.silent.as_micros()));
        let refuses = self.refuses.map(|(status, phrase)| format!("REFUSES=\"{status}\", \"{phrase}\""));
        let moved = self.moved_to.as_ref().map(|uri| format!("MOVED=\"Contact: <{uri}>\\r\\n\""));
        [silent, refuses, moved].into_iter().flatten().flat_map(|definition| ["-A".to_owned(), definition]).collect()
    }
}

impl Kamailio {
    /// Starts a carrier at port 5060 of an address, UDP and TCP. Numbers that match `dialled` lead to the account with this password;
    /// registrations end after so many seconds.
    pub fn carrier(address: Ipv4Addr, password: &str, dialled: &str, expires_s: u32) -> Result<Self> {
        Self::start(address, (password, dialled, expires_s), &[])
    }

    /// As [`Self::carrier`], with flows (RFC 5626): it wants a ping each so many seconds, and closes connections on which nothing comes after 25 s.
    pub fn carrier_with_flows(
        address: Ipv4Addr,
        password: &str,
        dialled: &str,
        expires_s: u32,
        ping_each_s: u32,
    ) -> Result<Self> {
        let definitions = ["-A".to_owned(), format!("FLOW_TIMER={ping_each_s}")];
        Self::start(address, (password, dialled, expires_s), &definitions)
    }

    /// As [`Self::carrier`], also by TLS at port 5061 with this certificate and its key; of the account it has room for one Contact, and says 503
    /// to another one.
    pub fn carrier_with_room_for_one(
        address: Ipv4Addr,
        password: &str,
        dialled: &str,
        expires_s: u32,
        certificate: &Path,
    ) -> Result<Self> {
        let listen = format!("TLS_LISTEN=tls:{address}:5061");
        let certificate = format!("PEM=\"{}\"", certificate.display());
        let definitions = [listen, certificate, "CONTACTS_MAX=1".to_owned()];
        let definitions: Vec<String> = definitions.into_iter().flat_map(|one| ["-A".to_owned(), one]).collect();
        Self::start(address, (password, dialled, expires_s), &definitions)
    }

    /// As [`Self::carrier`], with this fault.
    pub fn faulty_carrier(
        address: Ipv4Addr,
        password: &str,
        dialled: &str,
        expires_s: u32,
        fault: &CarrierFault,
    ) -> Result<Self> {
        Self::start(address, (password, dialled, expires_s), &fault.definitions())
    }

    fn start(
        address: Ipv4Addr,
        (password, dialled, expires_s): (&str, &str, u32),
        definitions: &[String],
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/kamailio-carrier.cfg");
        let mut child = Command::new("kamailio")
            // In the foreground, with its log on stderr.
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-f"])
            .arg(config.canonicalize()?)
            .arg("-Y")
            .arg(folder.path())
            .args(["-A", &format!("LISTEN={address}:5060")])
            .args(["-A", &format!("ACCOUNT=\"{ACCOUNT}\"")])
            .args(["-A", &format!("PASSWORD=\"{password}\"")])
            .args(["-A", &format!("DIALLED=\"{dialled}\"")])
            .args(["-A", &format!("EXPIRES={expires_s}")])
            .args(definitions)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log"))?)
            .spawn()
            .context("Kamailio is not installed: script/bootstrap installs it")?;
        let probe = UdpSocket::bind((address, 0))?;
        probe.set_read_timeout(Some(Duration::from_millis(200)))?;
        probe.connect((address, 5060))?;
        let started = wait::until(START_LIMIT, || {
            if let Some(status) = child.try_wait()? {
                bail!("Kamailio ended with {status}");
            }
            Ok(answers(&probe, address).then_some(()))
        });
        let kamailio = Self { child, address, folder, hanging: Vec::new() };
        started.with_context(|| kamailio.log())?;
        Ok(kamailio)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Makes all its processes stand still: it takes what comes and says nothing, until [`Self::go_on`].
    pub fn hang(&mut self) -> Result<()> {
        self.hanging = vec![self.child.id()];
        self.hanging.extend(children(self.child.id())?);
        self.hanging.iter().try_for_each(|pid| signal(*pid, "STOP"))
    }

    /// Lets it go on after [`Self::hang`].
    pub fn go_on(&mut self) -> Result<()> {
        let sent: Vec<Result<()>> = self.hanging.drain(..).map(|pid| signal(pid, "CONT")).collect();
        sent.into_iter().collect()
    }

    /// Kills all its processes, like a crash, and waits until nobody listens at its address.
    pub fn crash(&mut self) -> Result<()> {
        // None may notice the end of another one, and say goodbye.
        self.hang()?;
        self.hanging.drain(..).try_for_each(|pid| signal(pid, "KILL"))?;
        self.child.wait()?;
        let place = (self.address, 5060);
        wait::until(END_LIMIT, || Ok(TcpStream::connect(place).is_err().then_some(())))
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // What stands still does not end.
        let _ = self.go_on();
        let _ = signal(self.child.id(), "TERM");
        let child = &mut self.child;
        // Its worker processes end with it; a killed one would leave them with its sockets.
        if wait::until(END_LIMIT, || Ok(child.try_wait()?)).is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn answers(probe: &UdpSocket, address: Ipv4Addr) -> bool {
    let Ok(own) = probe.local_addr() else { return false };
    let options = format!(
        "OPTIONS sip:{address}:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKstarted;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:probe@{own}>;tag=p\r\nTo: <sip:{address}>\r\nCall-ID: probe@{own}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let mut answer = [0; 2_048];
    probe.send(options.as_bytes()).is_ok() && probe.recv(&mut answer).is_ok()
}
