//! The certificates of a web edge: read at start and again whenever a file changes, so that a renewal needs no restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use rustls::ServerConfig;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::alpn_challenges::AlpnChallenges;
use super::expiry::{Complaint, Expiry};
use super::file_stamps::FileStamps;
use super::identity::{Identity, IdentityFault, IdentityFiles};
use super::issued_identity::IssuedIdentity;
use super::own_identity::OwnIdentity;
use super::watched_files::{self, WatchedFiles};

/// How often the files are looked at.
const LOOK_EACH: Duration = Duration::from_secs(5);

/// Gauges that tell how the certificates are.
#[derive(Clone, Debug, Default)]
pub struct CertificateGauges {
    /// The end of the one that ends first, in seconds of Unix time.
    pub ends: Gauge,
    /// 1 while one of the set files, or the one of what an ACME server has issued, cannot be used.
    pub unusable: Gauge,
}

/// A certificate that is set. It stands for itself: a broken file takes nothing from the others.
struct SetCertificate {
    files: IdentityFiles,
    /// What was last read of it; none if that was never possible.
    good: Option<Arc<Identity>>,
    /// Why its files cannot be used now.
    fault: Option<IdentityFault>,
}

impl SetCertificate {
    /// Reads it again; of files that cannot be used what was read before stays. Returns why they cannot be, where that is new.
    fn read(&mut self) -> Option<&IdentityFault> {
        let fault = match Identity::read(&self.files) {
            Ok(identity) => {
                self.good = Some(Arc::new(identity));
                None
            }
            Err(fault) => Some(fault),
        };
        let is_new = fault != self.fault;
        self.fault = fault;
        self.fault.as_ref().filter(|_| is_new)
    }
}

/// Reads and watches the files.
pub struct WebCertificates {
    set: Vec<SetCertificate>,
    /// Stands in where there is no other.
    own: OwnIdentity,
    /// What an ACME server issues, and how its challenges are answered.
    ordered: Option<(IssuedIdentity, AlpnChallenges)>,
    /// What was last read of that.
    issued: Option<Arc<Identity>>,
    /// Whether that could not be read for now: it is looked at again without a change.
    is_unread: bool,
    seen: FileStamps,
    expiry: Expiry,
    gauges: CertificateGauges,
}

impl WebCertificates {
    /// Those of the files; where none is set, `own`.
    pub fn new(set: Vec<IdentityFiles>, own: OwnIdentity, gauges: CertificateGauges) -> Self {
        let set = set.into_iter().map(|files| SetCertificate { files, good: None, fault: None });
        Self {
            set: set.collect(),
            own,
            ordered: None,
            issued: None,
            is_unread: false,
            seen: FileStamps::default(),
            expiry: Expiry::default(),
            gauges,
        }
    }

    /// Also what an ACME server has issued, from then on, for who asks for a name in it; without set files it is the usual one. Handshakes
    /// of its challenges are answered.
    #[must_use]
    pub fn with_issued(self, issued: IssuedIdentity, challenges: AlpnChallenges) -> Self {
        Self { ordered: Some((issued, challenges)), ..self }
    }

    /// Reads all again, each by itself: a broken file keeps neither another certificate nor a renewal from being used.
    fn load(&mut self, now: i64) -> Result<Arc<ServerConfig>> {
        for one in &mut self.set {
            let what_stays = match one.good {
                Some(_) => "the one before stays",
                None => "others are shown in its place, or one of our own making",
            };
            if let Some(fault) = one.read() {
                error!(
                    "a certificate of the web edge cannot be used, {what_stays}: {fault}; put the file right, it is read without a restart"
                );
            }
        }
        self.gauges.unusable.set(i64::from(self.set.iter().any(|one| one.fault.is_some())));
        self.read_issued();
        let config = self.configured(now)?;
        self.complain(now);
        Ok(config)
    }

    /// Of what was read; without any, one of our own making stands in.
    fn configured(&mut self, now: i64) -> Result<Arc<ServerConfig>> {
        let mut identities: Vec<Arc<Identity>> = self.set.iter().filter_map(|one| one.good.clone()).collect();
        if identities.is_empty() && self.issued.is_none() {
            identities.push(self.own.read_or_make(now)?);
        }
        let mut expiry = Expiry::of(&identities);
        if let Some(issued) = &self.issued {
            expiry = expiry.with_issued(issued);
            identities.push(issued.clone());
        }
        let config = super::web_server(identities, self.ordered.as_ref().map(|(_, challenges)| challenges))?;
        self.gauges.ends.set(expiry.ends());
        self.expiry = expiry;
        Ok(config)
    }

    /// Reads what an ACME server has issued. One that cannot be used is ordered again; while the disk does not say, the one before stays.
    fn read_issued(&mut self) {
        let Some((issued, _)) = &self.ordered else { return };
        let read = issued.read();
        self.is_unread = read.as_ref().is_err_and(IdentityFault::is_unreadable);
        match read {
            Ok(present) => self.issued = present.map(|present| Arc::new(present.identity)),
            Err(fault) if self.is_unread => {
                self.gauges.unusable.set(1);
                error!("the web edge's certificate from ACME cannot be read for now, the one before stays: {fault}");
            }
            Err(fault) => {
                self.gauges.unusable.set(1);
                self.issued = None;
                error!("the web edge's certificate from ACME cannot be used, it is ordered again: {fault}");
            }
        }
    }

    /// Whether what could not be read can be read by now.
    fn is_back(&self) -> bool {
        let is_readable = |issued: &IssuedIdentity| !issued.read().as_ref().is_err_and(IdentityFault::is_unreadable);
        self.is_unread && self.ordered.as_ref().is_some_and(|(issued, _)| is_readable(issued))
    }

    /// Complains once a day of a certificate that ends soon.
    fn complain(&mut self, now: i64) {
        match self.expiry.complaint(now) {
            Some(Complaint::Expired) => warn!("a certificate of the web edge has expired: browsers refuse it"),
            Some(Complaint::EndsIn(days)) => warn!(days, "a certificate of the web edge ends soon"),
            None => {}
        }
    }

    fn stamps(&self) -> FileStamps {
        let set = self.set.iter().flat_map(|one| [one.files.chain.as_path(), one.files.key.as_path()]);
        let own: Option<&Path> = self.set.is_empty().then(|| self.own.path());
        let issued = self.ordered.as_ref().map(|(issued, _)| issued.path());
        FileStamps::of(set.chain(own).chain(issued))
    }
}

impl WatchedFiles for WebCertificates {
    type Made = Arc<ServerConfig>;

    /// What the edge begins with. Files that cannot be used are logged, and a certificate of our own making stands in for them.
    fn first(&mut self, now: i64) -> Result<Arc<ServerConfig>> {
        self.seen = self.stamps();
        let first = self.load(now);
        self.seen.note(self.own.path());
        first
    }

    /// A new configuration, if a file has changed; of files that cannot be used it has what they had before.
    fn renewed(&mut self, now: i64) -> Option<Arc<ServerConfig>> {
        let stamps = self.stamps();
        let is_due = stamps != self.seen || self.is_back();
        let config = is_due.then(|| self.load(now)).and_then(|loaded| match loaded {
            Ok(config) => {
                if self.gauges.unusable.get() == 0 {
                    info!("the web edge's certificates have been read again");
                }
                Some(config)
            }
            Err(fault) => {
                self.gauges.unusable.set(1);
                error!("the web edge's certificates cannot be used, the old ones stay: {fault:#}");
                None
            }
        });
        self.seen = stamps;
        self.seen.note(self.own.path());
        self.complain(now);
        config
    }
}

/// Watches the files until the role ends.
///
/// # Errors
/// If there is no certificate at all: none is set, and none can be made.
pub fn watch(ctx: &RoleContext, certificates: WebCertificates) -> Result<watch::Receiver<Arc<ServerConfig>>> {
    watched_files::watch(ctx, "certificates of the web edge", LOOK_EACH, certificates)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use runtime::installation_key::InstallationKey;

    use super::*;
    use crate::tls::issued_identity::IssuedCertificate;
    use crate::tls::self_signed;

    /// 2027.
    const NOW: i64 = 1_800_000_000;
    const YEAR: i64 = 366 * 86_400;

    #[test]
    fn changed_files_are_read_and_broken_ones_leave_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let (set, own) = (folder.path().join("web.pem"), folder.path().join("own.pem"));
        let write = |now: i64| {
            let beside = folder.path().join("new");
            fs::write(&beside, self_signed::generate(&["edge.example".to_owned()], now).unwrap()).unwrap();
            fs::rename(beside, &set).unwrap();
        };
        let gauges = CertificateGauges::default();
        let files = IdentityFiles { chain: set.clone(), key: set.clone() };
        let own = OwnIdentity::new(own, vec!["localhost".to_owned()]);
        let mut certificates = WebCertificates::new(vec![files], own, gauges.clone());
        certificates.first(NOW).unwrap();
        assert_eq!(gauges.unusable.get(), 1, "there is no file yet, and one of our own stands in");
        write(NOW);
        assert!(certificates.renewed(NOW).is_some());
        let ends = gauges.ends.get();
        assert!(certificates.renewed(NOW).is_none(), "nothing has changed");
        write(NOW + 2 * YEAR);
        assert!(certificates.renewed(NOW).is_some());
        assert!(gauges.ends.get() > ends);
        let ends = gauges.ends.get();
        fs::write(&set, "half a certific").unwrap();
        assert!(certificates.renewed(NOW).is_some());
        assert_eq!((gauges.unusable.get(), gauges.ends.get()), (1, ends), "what was stays");
        assert!(certificates.renewed(NOW).is_none());
    }

    #[test]
    fn a_broken_file_takes_nothing_from_the_other_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second, own] = ["first.pem", "second.pem", "own.pem"].map(|name| folder.path().join(name));
        let write = |to: &Path, at: i64| {
            let beside = folder.path().join("new");
            fs::write(&beside, self_signed::generate(&["edge.example".to_owned()], at).unwrap()).unwrap();
            fs::rename(beside, to).unwrap();
        };
        write(&first, NOW);
        fs::write(&second, "half a certific").unwrap();
        let files = [&first, &second].map(|file| IdentityFiles { chain: file.clone(), key: file.clone() });
        let of_first = Identity::read(&files[0]).unwrap().valid_to();
        let gauges = CertificateGauges::default();
        let ours = OwnIdentity::new(own.clone(), vec!["localhost".to_owned()]);
        let mut certificates = WebCertificates::new(files.to_vec(), ours, gauges.clone());
        certificates.first(NOW).unwrap();
        assert!(!own.exists(), "the good one is used, and none of our own stands in");
        assert_eq!((gauges.ends.get(), gauges.unusable.get()), (of_first, 1));
        write(&first, NOW + 2 * YEAR);
        assert!(certificates.renewed(NOW).is_some());
        let ends = gauges.ends.get();
        assert!(ends > of_first && gauges.unusable.get() == 1, "a renewal of the good one is used");
        assert!(certificates.set[1].read().is_none(), "what is wrong with the other one was said already");
        write(&second, NOW);
        assert!(certificates.renewed(NOW).is_some());
        assert!(gauges.ends.get() < ends && gauges.unusable.get() == 0, "both are used");
        fs::write(&first, "half a certific").unwrap();
        write(&second, NOW + YEAR);
        assert!(certificates.renewed(NOW).is_some());
        assert!((of_first..ends).contains(&gauges.ends.get()) && gauges.unusable.get() == 1);
        assert!(gauges.ends.get() > of_first, "the second one's renewal is used beside the first as it was");
    }

    #[test]
    fn a_broken_file_keeps_no_renewal_by_acme_from_being_used() {
        let folder = tempfile::tempdir().unwrap();
        let set = folder.path().join("web.pem");
        let pem = |at: i64| self_signed::generate(&["edge.example".to_owned()], at).unwrap();
        fs::write(&set, pem(NOW)).unwrap();
        let issued = IssuedIdentity::of_installation(folder.path(), InstallationKey::from_bytes([7; 32]));
        let keep = |at: i64| {
            issued.write(&IssuedCertificate { directory: String::new(), pem: pem(at), renew_at_ms: 0 }).unwrap();
        };
        keep(NOW - 2 * YEAR);
        let gauges = CertificateGauges::default();
        let files = IdentityFiles { chain: set.clone(), key: set.clone() };
        let of_set = Identity::read(&files).unwrap().valid_to();
        let own = OwnIdentity::new(folder.path().join("own.pem"), vec!["localhost".to_owned()]);
        let certificates = WebCertificates::new(vec![files], own, gauges.clone());
        let mut certificates = certificates.with_issued(issued.clone(), AlpnChallenges::default());
        certificates.first(NOW).unwrap();
        assert!(gauges.ends.get() < of_set, "the issued one ends first");
        fs::write(&set, "half a certific").unwrap();
        keep(NOW + 2 * YEAR);
        assert!(certificates.renewed(NOW).is_some());
        assert_eq!((gauges.ends.get(), gauges.unusable.get()), (of_set, 1), "the renewal, and the last good file");
        keep(NOW - 2 * YEAR);
        assert!(certificates.renewed(NOW).is_some(), "also while the file stays broken");
        assert!(gauges.ends.get() < of_set && gauges.unusable.get() == 1);
    }

    #[test]
    fn what_was_issued_stays_while_it_cannot_be_read_and_is_read_once_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let issued = IssuedIdentity::of_installation(folder.path(), InstallationKey::from_bytes([7; 32]));
        let pem = self_signed::generate(&["edge.example".to_owned()], NOW + 2 * YEAR).unwrap();
        issued.write(&IssuedCertificate { directory: String::new(), pem, renew_at_ms: 0 }).unwrap();
        let gauges = CertificateGauges::default();
        let own = OwnIdentity::new(folder.path().join("own.pem"), vec!["localhost".to_owned()]);
        let certificates = WebCertificates::new(Vec::new(), own, gauges.clone());
        let mut certificates = certificates.with_issued(issued.clone(), AlpnChallenges::default());
        certificates.first(NOW).unwrap();
        let ends = gauges.ends.get();
        let aside = folder.path().join("aside");
        fs::rename(issued.path(), &aside).unwrap();
        fs::create_dir(issued.path()).unwrap();
        certificates.renewed(NOW).unwrap();
        assert_eq!((gauges.ends.get(), gauges.unusable.get()), (ends, 1), "our own does not stand in");
        assert!(certificates.renewed(NOW).is_none(), "nothing has changed");
        // The disk answers again, and no stamp tells that.
        fs::remove_dir(issued.path()).unwrap();
        fs::rename(&aside, issued.path()).unwrap();
        certificates.seen = certificates.stamps();
        certificates.renewed(NOW).unwrap();
        assert_eq!((gauges.ends.get(), gauges.unusable.get()), (ends, 0));
    }

    #[test]
    fn what_was_issued_takes_the_place_of_our_own_and_leaves_those_of_files_the_usual_ones() {
        let folder = tempfile::tempdir().unwrap();
        let key = InstallationKey::from_bytes([7; 32]);
        let issued = IssuedIdentity::of_installation(folder.path(), key);
        let gauges = CertificateGauges::default();
        let own = OwnIdentity::new(folder.path().join("own.pem"), vec!["localhost".to_owned()]);
        let certificates = WebCertificates::new(Vec::new(), own, gauges.clone());
        let mut certificates = certificates.with_issued(issued.clone(), AlpnChallenges::default());
        let config = certificates.first(NOW).unwrap();
        assert_eq!(config.alpn_protocols.last().unwrap(), b"acme-tls/1");
        let ends = gauges.ends.get();
        let pem = self_signed::generate(&["edge.example".to_owned()], NOW + 2 * YEAR).unwrap();
        issued.write(&IssuedCertificate { directory: String::new(), pem, renew_at_ms: 0 }).unwrap();
        assert!(certificates.renewed(NOW).is_some());
        assert!(gauges.ends.get() > ends, "our own is not used any more");
        assert!(certificates.renewed(NOW).is_none());
        fs::write(issued.path(), "half of what was seal").unwrap();
        assert!(certificates.renewed(NOW).is_some(), "our own stands in again");
        assert_eq!((gauges.ends.get(), gauges.unusable.get()), (ends, 1));
    }

    #[test]
    fn an_edge_that_is_set_none_makes_its_own_and_offers_both_versions_of_http() {
        let folder = tempfile::tempdir().unwrap();
        let own = OwnIdentity::new(folder.path().join("own.pem"), vec!["localhost".to_owned(), "192.0.2.1".to_owned()]);
        let mut certificates = WebCertificates::new(Vec::new(), own, CertificateGauges::default());
        let config = certificates.first(NOW).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(certificates.renewed(NOW).is_none(), "we have written it ourselves");
    }
}
