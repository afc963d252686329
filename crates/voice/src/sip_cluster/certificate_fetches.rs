//! Fetches the certificates for which INVITEs wait, beside the loop. A fetch ends by its answer, its deadline, or because its caller has
//! given up. If its INVITE has waited long enough, it goes on: what it finds is good for the next one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::TenantId;
use sip::stir::{Authorities, StirRefusal};
use tokio_util::task::AbortOnDropHandle;

use super::certificates::Certificates;
use super::inbox::Inbox;

/// How long a fetch takes at most: it waits for one of its tenant's places and for one of all, and then for its host, each 2 s; and the
/// certificate is checked.
const ENDS_WITHIN: Duration = Duration::from_secs(7);

/// The fetches under way.
pub struct CertificateFetches {
    certificates: Arc<Certificates>,
    inbox: Inbox,
    /// By the number of the INVITE. The node bounds how many wait; one goes on for no longer than three times as long.
    under_way: HashMap<u64, AbortOnDropHandle<()>>,
}

impl CertificateFetches {
    /// None yet. Their answers come to this inbox.
    pub fn new(certificates: Certificates, inbox: Inbox) -> Self {
        Self { certificates: Arc::new(certificates), inbox, under_way: HashMap::new() }
    }

    /// Fetches the certificate for an INVITE, `again` if the one that is kept does not fit. One of these authorities has to have signed for it.
    pub fn begin(&mut self, id: u64, tenant: TenantId, url: String, authorities: Arc<Authorities>, again: bool) {
        let (certificates, inbox) = (self.certificates.clone(), self.inbox.clone());
        let task = tokio::spawn(async move {
            let fetch = certificates.fetch(&tenant, &url, &authorities, again);
            let late = || Err(StirRefusal::BadInfo("it did not come in time".to_owned()));
            let fetched = tokio::time::timeout(ENDS_WITHIN, fetch).await.unwrap_or_else(|_| late());
            inbox.certificate_fetched(id, fetched).await;
        });
        self.under_way.insert(id, AbortOnDropHandle::new(task));
    }

    /// The INVITE has its answer, or its caller has given up.
    pub fn end(&mut self, id: u64) {
        self.under_way.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use net::document::DocumentClient;
    use net::public_address::Reach;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;
    use crate::sip_cluster::certificates::FETCHED_OF_TENANT_MAX;
    use crate::sip_cluster::inbox::InboxMessage;
    use crate::test_stores::set_clock;

    /// Fetches from a host that never answers.
    struct Lab {
        host: TcpListener,
        fetches: CertificateFetches,
        messages: mpsc::Receiver<InboxMessage>,
    }

    impl Lab {
        async fn new() -> Self {
            let nobody = net::tls::authorities::of_files(&[] as &[&str]).unwrap();
            let client = DocumentClient::new(Reach::Everywhere, nobody).unwrap();
            let (inbox, messages) = Inbox::new();
            let fetches = CertificateFetches::new(Certificates::new(client, set_clock()), inbox);
            Self { host: TcpListener::bind("127.0.0.1:0").await.unwrap(), fetches, messages }
        }

        /// Each INVITE names another certificate.
        fn begin(&mut self, id: u64) {
            let url = format!("https://{}/{id}", self.host.local_addr().unwrap());
            self.fetches.begin(id, TenantId::parse("acme").unwrap(), url, Arc::new(Authorities::default()), false);
        }
    }

    #[tokio::test]
    async fn a_fetch_ends_when_its_invite_waits_no_longer() {
        let mut lab = Lab::new().await;
        lab.begin(1);
        let (mut connection, _) = lab.host.accept().await.unwrap();
        lab.fetches.end(1);
        connection.read_to_end(&mut Vec::new()).await.unwrap();
        assert!(lab.messages.try_recv().is_err(), "nobody waits for its answer");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_waits_for_others_of_its_tenant_ends_in_its_time() {
        let mut lab = Lab::new().await;
        (0..=FETCHED_OF_TENANT_MAX as u64).for_each(|id| lab.begin(id));
        let mut told = 0;
        while timeout(ENDS_WITHIN, lab.messages.recv()).await.is_ok() {
            told += 1;
        }
        assert_eq!(told, FETCHED_OF_TENANT_MAX + 1);
    }
}
