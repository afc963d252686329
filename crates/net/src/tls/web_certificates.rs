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
use super::identity::{Identity, IdentityFiles};
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
    /// 1 while the set files, or the one of what an ACME server has issued, cannot be used.
    pub unusable: Gauge,
}

/// Reads and watches the files.
pub struct WebCertificates {
    set: Vec<IdentityFiles>,
    /// Stands in where there is no other.
    own: OwnIdentity,
    /// What an ACME server issues, and how its challenges are answered.
    ordered: Option<(IssuedIdentity, AlpnChallenges)>,
    seen: FileStamps,
    expiry: Expiry,
    gauges: CertificateGauges,
}

impl WebCertificates {
    /// Those of the files; where none is set, `own`.
    pub fn new(set: Vec<IdentityFiles>, own: OwnIdentity, gauges: CertificateGauges) -> Self {
        Self { set, own, ordered: None, seen: FileStamps::default(), expiry: Expiry::default(), gauges }
    }

    /// Also what an ACME server has issued, from then on, for who asks for a name in it; without set files it is the usual one. Handshakes
    /// of its challenges are answered.
    #[must_use]
    pub fn with_issued(self, issued: IssuedIdentity, challenges: AlpnChallenges) -> Self {
        Self { ordered: Some((issued, challenges)), ..self }
    }

    fn load(&mut self, now: i64) -> Result<Arc<ServerConfig>> {
        let set: Result<Vec<Arc<Identity>>> =
            self.set.iter().map(|files| Ok(Arc::new(Identity::read(files)?))).collect();
        self.gauges.unusable.set(0);
        let config = self.configured(set?, now)?;
        self.complain(now);
        Ok(config)
    }

    /// Of these and what was issued; without either, one of our own making stands in.
    fn configured(&mut self, set: Vec<Arc<Identity>>, now: i64) -> Result<Arc<ServerConfig>> {
        let issued = self.issued();
        let mut identities = set;
        if identities.is_empty() && issued.is_none() {
            identities.push(self.own.read_or_make(now)?);
        }
        let mut expiry = Expiry::of(&identities);
        if let Some(issued) = issued {
            expiry = expiry.with_issued(&issued);
            identities.push(issued);
        }
        let config = super::web_server(identities, self.ordered.as_ref().map(|(_, challenges)| challenges))?;
        self.gauges.ends.set(expiry.ends());
        self.expiry = expiry;
        Ok(config)
    }

    /// What an ACME server has issued, if it can be used: it is ordered again where it cannot.
    fn issued(&self) -> Option<Arc<Identity>> {
        let (issued, _) = self.ordered.as_ref()?;
        match issued.read() {
            Ok(issued) => issued.map(|(_, identity)| Arc::new(identity)),
            Err(fault) => {
                self.gauges.unusable.set(1);
                error!("the web edge's certificate from ACME cannot be used, it is ordered again: {fault}");
                None
            }
        }
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
        let set = self.set.iter().flat_map(|files| [files.chain.as_path(), files.key.as_path()]);
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
        let first = match self.load(now) {
            Err(fault) if !self.set.is_empty() => {
                self.gauges.unusable.set(1);
                error!("the web edge's certificates cannot be used, another one stands in for them: {fault:#}");
                self.configured(Vec::new(), now)
            }
            loaded => loaded,
        };
        self.seen.note(self.own.path());
        first
    }

    /// A new configuration, if a file has changed and they can be used; else the old one stays.
    fn renewed(&mut self, now: i64) -> Option<Arc<ServerConfig>> {
        let stamps = self.stamps();
        let has_changed = stamps != self.seen;
        let config = has_changed.then(|| self.load(now)).and_then(|loaded| match loaded {
            Ok(config) => {
                info!("the web edge's certificates have been read again");
                Some(config)
            }
            Err(fault) => {
                self.gauges.unusable.set(1);
                error!("the web edge's changed certificates cannot be used, the old ones stay: {fault:#}");
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
        fs::write(&set, "half a certific").unwrap();
        assert!(certificates.renewed(NOW).is_none());
        assert_eq!(gauges.unusable.get(), 1);
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
        issued.write(&IssuedCertificate { directory: String::new(), pem }).unwrap();
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
