//! Certificates made by the `openssl` program: an authority, and what it vouches for.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::wait;

/// The authorities made so far.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A certificate for 0 days has expired by then.
const EXPIRED_WITHIN: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// An authority in a folder of its own.
pub struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self> {
        let made = Self { folder: tempfile::tempdir()? };
        // Of two with one name, a certificate of the other would be one with a wrong signature, not one of somebody unknown.
        let subject = format!("/CN=authority {} of a test", MADE.fetch_add(1, Ordering::Relaxed));
        made.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-subj",
            &subject,
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ])?;
        Ok(made)
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Makes `<name>.pem`, which has a certificate for these subjects (`DNS:edge.example`, `IP:127.0.0.1`), valid for `days`, and its
    /// key; with 0 it has expired when this returns. A file of that name is replaced as renewal programs do it.
    pub fn issue(&self, name: &str, subjects: &str, days: u16) -> Result<PathBuf> {
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=of a test",
            "-keyout",
            "new.key",
            "-out",
            "new.csr",
        ])?;
        fs::write(self.folder.path().join("new.ext"), format!("subjectAltName={subjects}\n"))?;
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            "new.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            &days.to_string(),
            "-extfile",
            "new.ext",
            "-out",
            "new.crt",
        ])?;
        if days == 0 {
            // It is valid in the second in which it was made.
            wait::until(EXPIRED_WITHIN, || Ok((self.age_of("new.crt")? > SECOND).then_some(())))?;
        }
        let read = |file: &str| fs::read_to_string(self.folder.path().join(file));
        let (beside, whole) = (self.folder.path().join("new.pem"), self.folder.path().join(format!("{name}.pem")));
        fs::write(&beside, read("new.crt")? + &read("new.key")?)?;
        fs::rename(beside, &whole)?;
        Ok(whole)
    }

    /// How long ago a file was written, by the clock of the files.
    fn age_of(&self, file: &str) -> Result<Duration> {
        let written = |file: &str| fs::metadata(self.folder.path().join(file))?.modified();
        fs::write(self.folder.path().join("clock"), [])?;
        Ok(written("clock")?.duration_since(written(file)?).unwrap_or_default())
    }

    fn openssl(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new("openssl").args(arguments).current_dir(self.folder.path()).output()?;
        ensure!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

/// What `openssl s_client` says of a handshake with a server: its certificate's end and issuer are in it, and whether it was
/// verified by that authority.
pub fn shake_hands(server: &str, authority: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("timeout");
    command.args(["60", "openssl", "s_client", "-connect", server, "-CAfile"]).arg(authority).args(arguments);
    let output = command.stdin(std::process::Stdio::null()).output()?;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// The first line with which a SIP server answers a request, by `openssl s_client`; none if the connection does not come about, or ends
/// without an answer.
pub fn first_answer(server: &str, authority: &Path, arguments: &[&str], request: &str) -> Result<Option<String>> {
    let mut command = Command::new("timeout");
    command.args(["60", "openssl", "s_client", "-quiet", "-connect", server, "-CAfile"]).arg(authority);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut to = child.stdin.take().context("no way to s_client")?;
    // Who is refused during the handshake reads nothing.
    let _ = to.write_all(request.as_bytes());
    let from = child.stdout.take().context("no way from s_client")?;
    let mut line = String::new();
    BufReader::new(from).read_line(&mut line)?;
    drop(to);
    crate::process::signal(child.id(), "TERM")?;
    child.wait()?;
    Ok(Some(line.trim_end().to_owned()).filter(|line| !line.is_empty()))
}
