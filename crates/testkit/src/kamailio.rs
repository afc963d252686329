//! Kamailio as a carrier that demands registration and digest, with the configuration `scenarios/kamailio-carrier.cfg`.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait;

const START_LIMIT: Duration = Duration::from_secs(20);
/// The account's user.
pub const ACCOUNT: &str = "trunkline-1";

/// A running Kamailio; it is ended when dropped.
pub struct Kamailio {
    child: Child,
    folder: tempfile::TempDir,
}

impl Kamailio {
    /// Starts a carrier at port 5060 of an address, UDP and TCP. Numbers that match `dialled` lead to the account with this password;
    /// registrations end after so many seconds.
    pub fn carrier(address: Ipv4Addr, password: &str, dialled: &str, expires_s: u32) -> Result<Self> {
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
        let kamailio = Self { child, folder };
        started.with_context(|| kamailio.log())?;
        Ok(kamailio)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        let _ = crate::process::signal(self.child.id(), "TERM");
        let child = &mut self.child;
        // Its worker processes end with it; a killed one would leave them with its sockets.
        if wait::until(Duration::from_secs(10), || Ok(child.try_wait()?)).is_err() {
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
