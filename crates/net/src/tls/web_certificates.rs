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

use super::expiry::{Complaint, Expiry};
use super::file_stamps::FileStamps;
use super::identity::{Identity, IdentityFiles};
use super::own_identity::OwnIdentity;
use super::watched_files::{self, WatchedFiles};

/// How often the files are looked at.
const LOOK_EACH: Duration = Duration::from_secs(5);

/// Gauges that tell how the certificates are.
#[derive(Clone, Debug, Default)]
pub struct CertificateGauges {
    /// The end of the one that ends first, in seconds of Unix time.
    pub ends: Gauge,
    /// 1 while the set files cannot be used.
    pub unusable: Gauge,
}

/// Reads and watches the files.
pub struct WebCertificates {
    /// None: a certificate of our own making.
    set: Vec<IdentityFiles>,
    own: OwnIdentity,
    seen: FileStamps,
    expiry: Expiry,
    gauges: CertificateGauges,
}

impl WebCertificates {
    /// Those of the files; where none is set, `own`.
    pub fn new(set: Vec<IdentityFiles>, own: OwnIdentity, gauges: CertificateGauges) -> Self {
        Self { set, own, seen: FileStamps::default(), expiry: Expiry::default(), gauges }
    }

    fn load(&mut self, now: i64) -> Result<Arc<ServerConfig>> {
        let set: Result<Vec<Arc<Identity>>> =
            self.set.iter().map(|files| Ok(Arc::new(Identity::read(files)?))).collect();
        let set = set?;
        let identities = if set.is_empty() { vec![self.own.read_or_make(now)?] } else { set };
        let config = self.configured(identities)?;
        self.gauges.unusable.set(0);
        self.complain(now);
        Ok(config)
    }

    fn configured(&mut self, identities: Vec<Arc<Identity>>) -> Result<Arc<ServerConfig>> {
        let expiry = Expiry::of(&identities);
        let config = super::web_server(identities)?;
        self.gauges.ends.set(expiry.ends());
        self.expiry = expiry;
        Ok(config)
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
        FileStamps::of(set.chain(own))
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
                error!("the web edge's certificates cannot be used, one of its own stands in for them: {fault:#}");
                self.own.read_or_make(now).and_then(|own| self.configured(vec![own]))
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

    use super::*;
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
    fn an_edge_that_is_set_none_makes_its_own_and_offers_both_versions_of_http() {
        let folder = tempfile::tempdir().unwrap();
        let own = OwnIdentity::new(folder.path().join("own.pem"), vec!["localhost".to_owned(), "192.0.2.1".to_owned()]);
        let mut certificates = WebCertificates::new(Vec::new(), own, CertificateGauges::default());
        let config = certificates.first(NOW).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(certificates.renewed(NOW).is_none(), "we have written it ourselves");
    }
}
