//! What the processes of the installation share of their orders: account, history, a certificate that was requested and not fetched yet,
//! and challenges that are to be answered. Each is a file of the data directory, sealed with the installation's key, as the keys that sign
//! tokens are. The certificate itself is in [`net::tls::issued_identity`].

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use model::Timestamp;
use net::tls::alpn_challenges::{AlpnChallenge, DIGEST_BYTES};
use runtime::installation_key::InstallationKey;
use runtime::{data_dir, sealed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schedule::OrderHistory;

const ACCOUNT: AcmeFile = AcmeFile { name: "acme-account.sealed", sealed_for: b"trunkline acme account" };
const HISTORY: AcmeFile = AcmeFile { name: "acme-orders.sealed", sealed_for: b"trunkline acme orders" };
const REQUESTED: AcmeFile = AcmeFile { name: "acme-requested.sealed", sealed_for: b"trunkline acme requested" };
const CHALLENGES: AcmeFile = AcmeFile { name: "acme-challenges.sealed", sealed_for: b"trunkline acme challenges" };

/// A file, and what it is sealed for.
struct AcmeFile {
    name: &'static str,
    sealed_for: &'static [u8],
}

/// Our account at a server. It has no `Debug`: its private key is in it.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptAccount {
    /// The URL of the server's directory.
    pub directory: String,
    /// The id of the account that the authority already knew us by; empty if it needed none.
    pub external_account: String,
    /// Whom the authority writes to.
    pub contact: Vec<String>,
    /// URL and key of the account, as the client writes them.
    pub credentials: Value,
}

/// A certificate that the server has been asked to issue, or is about to be, and that was not fetched yet. It has no `Debug`: its private
/// key is in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RequestedCertificate {
    /// The URL of our account at the server: nobody else may fetch it.
    pub account: String,
    /// The URL of the order.
    pub url: String,
    /// The domains that it is for.
    pub domains: Vec<String>,
    /// Its private key, as PEM.
    pub key: String,
    /// When it was requested, in milliseconds of Unix time.
    pub at_ms: u64,
}

/// Challenges as they are kept.
#[derive(Default, Serialize, Deserialize)]
struct KeptChallenges {
    /// Until then they are answered, in milliseconds of Unix time.
    until_ms: u64,
    /// Domains with their digests.
    challenges: Vec<(String, [u8; DIGEST_BYTES])>,
}

/// The files. All calls wait for the disk. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct AcmeFiles {
    folder: PathBuf,
    key: InstallationKey,
}

impl AcmeFiles {
    /// Those of an installation.
    pub fn of_installation(data_dir: &Path, key: InstallationKey) -> Self {
        Self { folder: data_dir.to_owned(), key }
    }

    /// The account; none if there is none that can be opened.
    pub fn account(&self) -> Result<Option<KeptAccount>> {
        self.read(&ACCOUNT)
    }

    /// Keeps the account in place of the one before.
    pub fn keep_account(&self, account: &KeptAccount) -> Result<()> {
        self.write(&ACCOUNT, account)
    }

    /// Forgets the account.
    pub fn forget_account(&self) -> Result<()> {
        self.remove(&ACCOUNT)
    }

    /// The certificate that was requested and not fetched.
    pub fn requested(&self) -> Result<Option<RequestedCertificate>> {
        self.read(&REQUESTED)
    }

    /// Keeps what is requested, in place of what was before.
    pub fn keep_requested(&self, requested: &RequestedCertificate) -> Result<()> {
        self.write(&REQUESTED, requested)
    }

    /// Forgets what was requested.
    pub fn forget_requested(&self) -> Result<()> {
        self.remove(&REQUESTED)
    }

    /// The file of the history.
    pub fn history_path(&self) -> PathBuf {
        self.path(&HISTORY)
    }

    /// How the orders went; nothing if there were none.
    pub fn history(&self) -> Result<OrderHistory> {
        self.read(&HISTORY).map(Option::unwrap_or_default)
    }

    /// Keeps how the orders went.
    pub fn keep_history(&self, history: &OrderHistory) -> Result<()> {
        self.write(&HISTORY, history)
    }

    /// The file of the challenges.
    pub fn challenges_path(&self) -> PathBuf {
        self.path(&CHALLENGES)
    }

    /// The challenges that are to be answered, and until when.
    pub fn challenges(&self) -> Result<(Vec<AlpnChallenge>, Timestamp)> {
        let kept: KeptChallenges = self.read(&CHALLENGES)?.unwrap_or_default();
        let of = |(domain, digest)| AlpnChallenge { domain, digest };
        Ok((kept.challenges.into_iter().map(of).collect(), Timestamp::from_millis(kept.until_ms)))
    }

    /// Has these answered until then by every process of the installation, and none of those before.
    pub fn keep_challenges(&self, challenges: &[AlpnChallenge], until: Timestamp) -> Result<()> {
        let of = |challenge: &AlpnChallenge| (challenge.domain.clone(), challenge.digest);
        let challenges = challenges.iter().map(of).collect();
        self.write(&CHALLENGES, &KeptChallenges { until_ms: until.as_millis(), challenges })
    }

    fn path(&self, file: &AcmeFile) -> PathBuf {
        self.folder.join(file.name)
    }

    /// What is in a file; nothing if there is none, or none that can be opened. A fault is one of the disk: nobody knows what is in it.
    fn read<T: DeserializeOwned>(&self, file: &AcmeFile) -> Result<Option<T>> {
        let sealed = match std::fs::read(self.path(file)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(file.name),
        };
        let opened = sealed::open(&self.key, file.sealed_for, &sealed);
        let read = opened.and_then(|plain| serde_json::from_slice(&plain).ok());
        if read.is_none() {
            let name = file.name;
            tracing::warn!("{name}: another installation has sealed it, or it was changed; it counts for nothing");
        }
        Ok(read)
    }

    fn remove(&self, file: &AcmeFile) -> Result<()> {
        match std::fs::remove_file(self.path(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context(file.name),
            _ => Ok(()),
        }
    }

    fn write(&self, file: &AcmeFile, content: &impl Serialize) -> Result<()> {
        let plain = serde_json::to_vec(content).context(file.name)?;
        let sealed = sealed::seal(&self.key, file.sealed_for, plain);
        let sealed = sealed.with_context(|| format!("{}: it cannot be sealed", file.name))?;
        data_dir::write_whole(&self.path(file), &sealed).context(file.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_keeps_another_one_of_the_installation_reads_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let of = |byte| AcmeFiles::of_installation(folder.path(), InstallationKey::from_bytes([byte; 32]));
        let (ours, theirs) = (of(1), of(2));
        assert!(ours.account().unwrap().is_none());
        assert_eq!(ours.history().unwrap(), OrderHistory::default());
        assert!(ours.challenges().unwrap().0.is_empty());
        let account = KeptAccount {
            directory: "https://ca.example/directory".to_owned(),
            external_account: String::new(),
            contact: vec!["mailto:edge@acme.example".to_owned()],
            credentials: serde_json::json!({ "key_pkcs8": "hush-hush" }),
        };
        ours.keep_account(&account).unwrap();
        let stored = std::fs::read(folder.path().join(ACCOUNT.name)).unwrap();
        assert!(!String::from_utf8_lossy(&stored).contains("hush"), "it is sealed");
        assert_eq!(of(1).account().unwrap().unwrap().credentials, account.credentials);
        assert!(theirs.account().unwrap().is_none(), "it counts for nothing there");
        let challenges = [AlpnChallenge { domain: "edge.example".to_owned(), digest: [7; DIGEST_BYTES] }];
        ours.keep_challenges(&challenges, Timestamp::from_millis(7)).unwrap();
        assert_eq!(of(1).challenges().unwrap(), (challenges.to_vec(), Timestamp::from_millis(7)));
        std::fs::rename(ours.challenges_path(), ours.history_path()).unwrap();
        assert_eq!(ours.history().unwrap(), OrderHistory::default(), "one is not taken for another");
        ours.forget_account().unwrap();
        ours.forget_account().unwrap();
        assert!(ours.account().unwrap().is_none());
    }

    #[test]
    fn what_was_requested_is_kept_with_its_key_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let files = AcmeFiles::of_installation(folder.path(), InstallationKey::from_bytes([1; 32]));
        let requested = RequestedCertificate {
            account: "https://ca.example/account/1".to_owned(),
            url: "https://ca.example/order/7".to_owned(),
            domains: vec!["edge.example".to_owned()],
            key: "hush-hush".to_owned(),
            at_ms: 7,
        };
        files.keep_requested(&requested).unwrap();
        let stored = std::fs::read(folder.path().join(REQUESTED.name)).unwrap();
        assert!(!String::from_utf8_lossy(&stored).contains("hush"), "it is sealed");
        assert!(files.requested().unwrap() == Some(requested));
        files.forget_requested().unwrap();
        assert!(files.requested().unwrap().is_none());
    }

    #[test]
    fn what_the_disk_does_not_tell_is_not_taken_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = AcmeFiles::of_installation(folder.path(), InstallationKey::from_bytes([1; 32]));
        for file in [&ACCOUNT, &HISTORY, &REQUESTED] {
            std::fs::create_dir(folder.path().join(file.name)).unwrap();
        }
        assert!(files.account().is_err() && files.history().is_err() && files.requested().is_err());
    }
}
