//! By what challenges to phones with tickets are answered: config is asked (own-07), for each phone when its WebSocket opens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
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

/// Questions that wait for their turn, each with the flows that wait for its answer. There is one for each phone, however often its page
/// comes back while config says nothing.
#[derive(Debug, Default)]
struct PendingQuestions {
    waiting: HashMap<(TenantId, Dn), Vec<FlowKey>>,
}

impl PendingQuestions {
    /// A flow waits for the credentials of a phone; whether that is a new question.
    fn add(&mut self, phone: (TenantId, Dn), flow: FlowKey) -> bool {
        let is_new = !self.waiting.contains_key(&phone);
        self.waiting.entry(phone).or_default().push(flow);
        is_new
    }

    /// Forgets flows that have ended.
    fn retain(&mut self, is_there: impl Fn(FlowKey) -> bool) {
        self.waiting.values_mut().for_each(|flows| flows.retain(|flow| is_there(*flow)));
    }

    /// The turn of a question: who waits for it. Who asks from now on gets another answer, which is not older than its question.
    fn begin(&mut self, phone: &(TenantId, Dn)) -> Vec<FlowKey> {
        self.waiting.remove(phone).unwrap_or_default()
    }
}

/// Asks config.
pub(super) struct CredentialsAsker {
    client: Client,
    turns: Arc<Semaphore>,
    pending: Arc<Mutex<PendingQuestions>>,
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
        let client = Client::new(ctx, CONNECTION)?;
        Ok(Self { client, turns: Arc::new(Semaphore::new(AT_ONCE)), pending: Arc::default(), found, answers })
    }

    /// Asks for one phone; [`Self::next`] has the answer. At most as many questions wait as there are phones with tickets.
    pub(super) fn ask(&self, flow: FlowKey, tenant: TenantId, dn: Dn) {
        let phone = (tenant, dn);
        if !self.pending.lock().unwrap_or_else(PoisonError::into_inner).add(phone.clone(), flow) {
            return;
        }
        let (client, turns) = (self.client.clone(), self.turns.clone());
        let (pending, found) = (self.pending.clone(), self.found.clone());
        tokio::spawn(async move {
            // It is never closed.
            let _turn = turns.acquire().await;
            let flows = pending.lock().unwrap_or_else(PoisonError::into_inner).begin(&phone);
            if flows.is_empty() {
                return;
            }
            let credentials = credentials(&client, &phone.0, &phone.1).await;
            for flow in flows {
                // Nobody waits once the role has ended.
                let _ = found.send((flow, credentials.clone())).await;
            }
        });
    }

    /// Forgets flows that have ended: a question for which nobody waits any more is not asked.
    pub(super) fn retain(&self, is_there: impl Fn(FlowKey) -> bool) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).retain(is_there);
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

#[cfg(test)]
mod tests {
    use sip::ConnectionId;

    use super::*;

    #[test]
    fn a_page_that_comes_again_and_again_asks_one_question_and_who_has_gone_waits_for_none() {
        let phone = |dn: &str| (TenantId::parse("acme").unwrap(), Dn::parse(dn).unwrap());
        let flow = |number| FlowKey(ConnectionId(number));
        let mut pending = PendingQuestions::default();
        assert!(pending.add(phone("7101"), flow(1)) && pending.add(phone("7102"), flow(2)));
        for number in 10..1_000 {
            assert!(!pending.add(phone("7101"), flow(number)), "it is asked already");
        }
        pending.retain(|flow| flow.0.0 == 999);
        assert!(!pending.add(phone("7102"), flow(1_000)), "its turn is yet to come");
        pending.retain(|flow| flow.0.0 == 999);
        assert_eq!(pending.begin(&phone("7101")), [flow(999)]);
        assert!(pending.begin(&phone("7102")).is_empty());
        assert!(pending.add(phone("7101"), flow(1_001)), "the answer that is under way may be too old");
    }
}
