//! A name server with records of the test's own: dnsmasq.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::wait;

const SOON: Duration = Duration::from_secs(45);
/// The port on which it answers.
pub const PORT: u16 = 5353;

/// A running name server; it ends with this value.
pub struct NameServer {
    process: Child,
    _folder: tempfile::TempDir,
}

impl NameServer {
    /// One at this address with these lines of dnsmasq's configuration, as `address=/sbc.example/127.0.0.1` or
    /// `srv-host=_sip._udp.carrier.example,sbc.example,5060,10,1`. Nothing else has a name.
    pub fn start(address: Ipv4Addr, records: &[String]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("dnsmasq.conf");
        fs::write(&file, format!("{}\n", records.join("\n")))?;
        let process = Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
                "--local-ttl=1",
                "--user=root",
            ])
            .arg(format!("--port={PORT}"))
            .arg(format!("--listen-address={address}"))
            .arg("--local=/example/")
            .arg(format!("--pid-file={}", folder.path().join("pid").display()))
            .arg(format!("--conf-file={}", file.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log"))?)
            .spawn()
            .context("dnsmasq (script/bootstrap installs it)")?;
        let server = Self { process, _folder: folder };
        wait::until(SOON, || Ok(TcpStream::connect((address, PORT)).ok())).context("dnsmasq does not answer")?;
        Ok(server)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
