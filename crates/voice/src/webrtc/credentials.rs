//! By what challenges to phones with tickets are answered: config is asked (own-07), for each phone when its WebSocket opens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contracts::configuration::{Credentials, CredentialsQuestion};
use model::{Dn, TenantId};
use net::http::Client;
use runtime::RoleContext;
use tokio::sync::{Semaphore, mpsc};

use super::gateway::{FlowKey, PhoneCredentials};
use crate::path_segment::segment;

/// The connection of the table.
const CONNECTION: &str = "own-07";
/// Questions at once; more wait for these.
const AT_ONCE: usize = 32;
/// Answers that wait for the loop.
const ANSWERS_MAX: usize = 1_024;
/// Time for an answer: a phone waits for it.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// An answer, for the flow that waits for it; without credentials if nobody has told any.
pub(super) type FoundCredentials = (FlowKey, Option<PhoneCredentials>);

/// Asks config.
pub(super) struct CredentialsAsker {
    client: Client,
    turns: Arc<Semaphore>,
    found: mpsc::Sender<FoundCredentials>,
    answers: mpsc::Receiver<FoundCredentials>,
}

impl CredentialsAsker {
    /// By the role's connection to config.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub(super) fn start(ctx: &RoleContext) -> Result<Self> {
        let (found, answers) = mpsc::channel(ANSWERS_MAX);
        Ok(Self { client: Client::new(ctx, CONNECTION)?, turns: Arc::new(Semaphore::new(AT_ONCE)), found, answers })
    }

    /// Asks for one phone; [`Self::next`] has the answer. There are at most as many questions as flows.
    pub(super) fn ask(&self, flow: FlowKey, tenant: TenantId, dn: Dn) {
        let (client, turns, found) = (self.client.clone(), self.turns.clone(), self.found.clone());
        tokio::spawn(async move {
            // It is never closed.
            let _turn = turns.acquire().await;
            let credentials = credentials(&client, &tenant, &dn).await;
            // Nobody waits once the role has ended.
            let _ = found.send((flow, credentials)).await;
        });
    }

    /// Waits for the next answer. Cancel-safe.
    pub(super) async fn next(&mut self) -> FoundCredentials {
        loop {
            // `self` keeps a sender, so the channel never closes.
            if let Some(found) = self.answers.recv().await {
                return found;
            }
        }
    }
}

async fn credentials(client: &Client, tenant: &TenantId, dn: &Dn) -> Option<PhoneCredentials> {
    let path = format!("/tenants/{}/credentials", segment(tenant.as_str()));
    let question = CredentialsQuestion { of: vec![dn.as_str().to_owned()] };
    let call = client.post(&path).json(&question).idempotent().deadline(ANSWER_WITHIN);
    match call.fetch::<Vec<Credentials>>().await {
        Ok(told) => {
            let of_phone = told.into_iter().find(|told| told.dn == dn.as_str())?;
            Some(PhoneCredentials { realm: of_phone.realm, md5: of_phone.md5, sha256: of_phone.sha256 })
        }
        Err(error) => {
            tracing::warn!(%tenant, %error, "config does not give the credentials of a phone in a browser");
            None
        }
    }
}
