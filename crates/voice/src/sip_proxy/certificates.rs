//! The certificates of the edge: read at start and again whenever a file changes, so that a renewal needs no restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use net::tls::expiry::{Complaint, Expiry};
use net::tls::file_stamps::FileStamps;
use net::tls::identity::IdentityFiles;
use net::tls::own_identity::OwnIdentity;
use net::tls::watched_files::{self, WatchedFiles};
use net::tls::{Identity, Tls, authorities};
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use tokio::sync::watch;
use tracing::{error, info, warn};

/// Where none is set: a certificate of our own making, in the data directory.
pub const OWN_FILE: &str = "edge-certificate.pem";
/// How often the files are looked at.
const LOOK_EACH: Duration = Duration::from_secs(10);

/// The files that the settings name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CertificateFiles {
    /// Who we are. None: a certificate of our own making.
    pub identities: Vec<IdentityFiles>,
    /// Whom we believe when we connect. None: the system's authorities.
    pub servers: Vec<PathBuf>,
    /// Whom we believe when others connect. None: nobody is asked.
    pub clients: Vec<PathBuf>,
}

/// Gauges that tell how the certificates are.
#[derive(Clone, Debug)]
pub(super) struct ShownCertificates {
    pub ends: Gauge,
    pub unusable: Gauge,
}

/// Reads and watches the files.
pub(super) struct Certificates {
    files: CertificateFiles,
    own: OwnIdentity,
    seen: FileStamps,
    expiry: Expiry,
    shown: ShownCertificates,
}

// === impl Certificates ===

impl Certificates {
    pub(super) fn new(files: CertificateFiles, data_dir: &Path, names: Vec<String>, shown: ShownCertificates) -> Self {
        let own = OwnIdentity::new(data_dir.join(OWN_FILE), names);
        Self { files, own, seen: FileStamps::default(), expiry: Expiry::default(), shown }
    }

    fn begin(&mut self, now: i64) -> Result<Tls> {
        let fault = match self.load(now) {
            Ok(tls) => return Ok(tls),
            Err(fault) => fault,
        };
        self.shown.unusable.set(1);
        error!("certificates cannot be used, the edge begins without what they are for: {fault:#}");
        let set = self.set_identities().unwrap_or_default();
        let shown = set.first().cloned();
        let identities = if set.is_empty() { vec![self.own.read_or_make(now)?] } else { set };
        self.use_until(&identities);
        let servers = self.believed_servers().unwrap_or_else(|_| authorities::Roots::empty());
        let clients = self.believed_clients().unwrap_or_else(|_| {
            error!("nobody who connects is asked for a certificate: calls that are known by one are refused");
            None
        });
        Ok(Tls::new(identities, shown.as_deref(), servers, clients)?)
    }

    /// Reading may have written our own. Another file that has changed meanwhile is read the next time.
    fn note_own(&mut self) {
        self.seen.note(self.own.path());
    }

    fn load(&mut self, now: i64) -> Result<Tls> {
        let set = self.set_identities()?;
        let shown = set.first().cloned();
        let identities = if set.is_empty() { vec![self.own.read_or_make(now)?] } else { set };
        let tls = Tls::new(identities.clone(), shown.as_deref(), self.believed_servers()?, self.believed_clients()?)?;
        self.use_until(&identities);
        self.shown.unusable.set(0);
        self.complain(now);
        Ok(tls)
    }

    fn set_identities(&self) -> Result<Vec<Arc<Identity>>> {
        self.files.identities.iter().map(|files| Ok(Arc::new(Identity::read(files)?))).collect()
    }

    fn believed_servers(&self) -> Result<authorities::Roots> {
        Ok(match &*self.files.servers {
            [] => system_authorities(),
            files => authorities::of_files(files)?,
        })
    }

    fn believed_clients(&self) -> Result<Option<authorities::Roots>> {
        Ok(match &*self.files.clients {
            [] => None,
            files => Some(authorities::of_files(files)?),
        })
    }

    fn use_until(&mut self, identities: &[Arc<Identity>]) {
        self.expiry = Expiry::of(identities);
        self.shown.ends.set(self.expiry.ends());
    }

    /// Complains once a day of a certificate that ends soon.
    fn complain(&mut self, now: i64) {
        match self.expiry.complaint(now) {
            Some(Complaint::Expired) => warn!("a certificate of the edge has expired: phones and carriers refuse it"),
            Some(Complaint::EndsIn(days)) => warn!(days, "a certificate of the edge ends soon"),
            None => {}
        }
    }

    fn stamps(&self) -> FileStamps {
        let identities = self.files.identities.iter().flat_map(|files| [&files.chain, &files.key]);
        let own = self.files.identities.is_empty().then(|| self.own.path());
        let set = identities.chain(&self.files.servers).chain(&self.files.clients);
        FileStamps::of(set.map(PathBuf::as_path).chain(own))
    }
}

impl WatchedFiles for Certificates {
    type Made = Tls;

    /// What the edge begins with. Files that cannot be used are logged, and until they are mended the edge does without what they are
    /// for: phones on UDP must not lose it. A certificate of our own making stands in for the set ones; without its authorities no server
    /// is believed, rather than those of others.
    fn first(&mut self, now: i64) -> Result<Tls> {
        self.seen = self.stamps();
        let first = self.begin(now);
        self.note_own();
        first
    }

    /// New certificates, if a file has changed and they can be used; else the old ones stay.
    fn renewed(&mut self, now: i64) -> Option<Tls> {
        let stamps = self.stamps();
        let changed = stamps != self.seen;
        let tls = changed.then(|| self.load(now)).and_then(|loaded| match loaded {
            Ok(tls) => {
                info!("the certificates have been read again");
                Some(tls)
            }
            Err(fault) => {
                self.shown.unusable.set(1);
                error!("the changed certificates cannot be used, the old ones stay: {fault:#}");
                None
            }
        });
        self.seen = stamps;
        self.note_own();
        self.complain(now);
        tls
    }
}

fn system_authorities() -> authorities::Roots {
    let (roots, fault) = authorities::of_system();
    if let Some(fault) = fault.filter(|_| roots.is_empty()) {
        warn!(fault, "this system believes no authority: no carrier is called over TLS");
    }
    roots
}

/// Watches the files until the role ends.
pub(super) fn watch(ctx: &RoleContext, certificates: Certificates) -> Result<watch::Receiver<Tls>> {
    watched_files::watch(ctx, "certificates", LOOK_EACH, certificates)
}

#[cfg(test)]
mod tests;
