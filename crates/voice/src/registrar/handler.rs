//! What a REGISTER, and the passing of time, do to the bindings of a DN.

use contracts::json::rfc3339;
use infra::{Binding, Registration, RegistrationWrite, RegistrationWritten, Stores};
use model::plan::Contact;
use model::{Dn, Event, EventId, EventName, Seq, Stamped, Subject, TenantId, Timestamp, Token};
use serde_json::{Value as Json, json};
use sip::proxy::headers;
use sip::registration::{self, Outcome, Policy};
use sip::{HeaderName, Message, StatusCode};
use tracing::{info, warn};

use super::metrics::Metrics;
use crate::reporting::Reporter;

/// The topic of where phones are.
pub(super) const TOPIC: &str = "voice-registrations";
/// Attempts of one write while other registrars are faster.
const ATTEMPTS_MAX: usize = 5;
/// Phones that one scan ends.
const SCAN_MAX: usize = 1_000;
/// The token of registration events: a DN's record has its own counter, whoever writes it.
const TOKEN: Token = Token(1);
/// Seconds after which a phone may try again when the store is away.
const RETRY_AFTER: u32 = 5;

/// Decides about registrations.
#[derive(Clone)]
pub(super) struct Handler {
    stores: Stores,
    policy: Policy,
    metrics: Metrics,
    reporter: Reporter,
}

impl Handler {
    pub fn new(stores: Stores, policy: Policy, metrics: Metrics, reporter: Reporter) -> Self {
        Self { stores, policy, metrics, reporter }
    }

    /// Answers a REGISTER.
    pub async fn register(&self, request: Message, to_tag: String) -> Message {
        let now = self.stores.clock.now();
        let outcome = match self.outcome(&request, now).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.metrics.store_failed();
                warn!(%error, "a REGISTER waits for the store");
                return unavailable(&request, &to_tag);
            }
        };
        let answer = registration::answer(&request, &outcome, &self.policy, &to_tag, now);
        self.metrics.request_answered(answer.status().map_or(0, |status| status.0));
        answer
    }

    async fn outcome(&self, request: &Message, now: Timestamp) -> infra::Result<Outcome> {
        let Some((tenant, dn)) = address_of_record(request) else {
            return Ok(Outcome::Refused(StatusCode::FORBIDDEN));
        };
        for _ in 0..ATTEMPTS_MAX {
            let known = self.stores.registrations.load(&tenant, &dn).await?;
            let bindings: Vec<_> = known.bindings.iter().map(from_store).collect();
            let outcome = registration::register(request, &bindings, &self.policy, now);
            let Outcome::Accepted(after) = &outcome else { return Ok(outcome) };
            if *after == bindings || self.write(&tenant, &dn, &known, after, now).await? {
                return Ok(outcome);
            }
            self.metrics.write_conflicted();
        }
        Ok(Outcome::Refused(StatusCode::SERVICE_UNAVAILABLE))
    }

    /// Writes the bindings of a DN; `false` when another registrar was faster.
    async fn write(
        &self,
        tenant: &TenantId,
        dn: &Dn,
        known: &Registration,
        after: &[registration::Binding],
        now: Timestamp,
    ) -> infra::Result<bool> {
        // What the record says last, not what the clock makes of it: a phone is told as gone once.
        let event = match (known.bindings.is_empty(), after.is_empty()) {
            (true, false) => Some(EventName::DNBackInService),
            (false, true) => Some(EventName::DNOutOfService),
            _ => None,
        };
        let write = RegistrationWrite {
            tenant: tenant.clone(),
            dn: dn.clone(),
            expected: known.version,
            bindings: after.iter().map(to_store).collect(),
            events: event.map(|name| stamped(name, tenant, dn, known.events + 1, now)).into_iter().collect(),
        };
        let written = self.stores.registrations.commit(vec![write]).await?;
        let done = matches!(written.first(), Some(RegistrationWritten::Done(_)));
        if let (true, Some(event)) = (done, event) {
            info!(%tenant, dn = %runtime::Pii(dn.as_str()), event = event.as_str(), "phone");
        }
        if done {
            self.report(tenant, dn, known, after, now);
        }
        Ok(done)
    }

    /// Tells the reporting log where a phone is now. A refresh changes nothing and is not told.
    fn report(
        &self,
        tenant: &TenantId,
        dn: &Dn,
        known: &Registration,
        after: &[registration::Binding],
        now: Timestamp,
    ) {
        let before: Vec<&str> = known.bindings.iter().map(|binding| binding.contact.uri.as_str()).collect();
        if after.iter().map(|binding| binding.uri.as_str()).eq(before) {
            return;
        }
        let contact = |binding: &registration::Binding| {
            let expires_at = rfc3339(binding.expires_at);
            json!({ "Contact": binding.uri, "UserAgent": binding.user_agent, "ExpiresAt": expires_at })
        };
        let contacts: Vec<Json> = after.iter().map(contact).collect();
        let name = if after.is_empty() { "PhoneUnregistered" } else { "PhoneRegistered" };
        let data = json!({ "DN": dn.as_str(), "Contacts": contacts });
        self.reporter.report(tenant, name, &format!("dn:{dn}"), now, data);
    }

    /// Ends the bindings whose time is over.
    pub async fn expire(&self) -> infra::Result<()> {
        let now = self.stores.clock.now();
        for (tenant, dn) in self.stores.registrations.ending(now, SCAN_MAX).await? {
            let known = self.stores.registrations.load(&tenant, &dn).await?;
            let live = known.bindings.iter().filter(|binding| binding.expires_at > now);
            let after: Vec<_> = live.map(from_store).collect();
            // A conflict means that the phone is just registering: the next scan looks again.
            if self.write(&tenant, &dn, &known, &after, now).await? && after.is_empty() {
                self.metrics.phone_expired();
            }
        }
        Ok(())
    }
}

/// Tenant and DN: what the proxy has authenticated, if it is what the To names.
fn address_of_record(request: &Message) -> Option<(TenantId, Dn)> {
    let tenant = TenantId::parse(request.header(&headers::TENANT)?).ok()?;
    let dn = Dn::parse(request.header(&headers::SOURCE)?.strip_prefix("phone;dn=")?).ok()?;
    let to = request.to().ok()?;
    let user = sip::uri::escape::unescape(to.uri().ok()?.user()?).into_owned();
    (user == dn.as_str()).then_some((tenant, dn))
}

fn unavailable(request: &Message, to_tag: &str) -> Message {
    Message::response_to(request, StatusCode::SERVICE_UNAVAILABLE)
        .to_tag(to_tag)
        .header(&HeaderName::RetryAfter, RETRY_AFTER)
        .build()
}

fn stamped(name: EventName, tenant: &TenantId, dn: &Dn, seq: u64, at: Timestamp) -> Stamped {
    Stamped {
        id: EventId { subject: Subject::Dn(dn.clone()), token: TOKEN, seq: Seq(seq) },
        tenant: tenant.clone(),
        at,
        trace: None,
        event: Event { this_dn: Some(dn.clone()), ..Event::new(name) },
    }
}

fn from_store(binding: &Binding) -> registration::Binding {
    registration::Binding {
        uri: binding.contact.uri.clone(),
        path: binding.contact.path.clone(),
        call_id: binding.call_id.clone(),
        cseq: binding.cseq,
        refreshed_at: binding.refreshed_at,
        expires_at: binding.expires_at,
        q: binding.q,
        user_agent: binding.user_agent.clone(),
    }
}

fn to_store(binding: &registration::Binding) -> Binding {
    Binding {
        contact: Contact { uri: binding.uri.clone(), path: binding.path.clone() },
        call_id: binding.call_id.clone(),
        cseq: binding.cseq,
        refreshed_at: binding.refreshed_at,
        expires_at: binding.expires_at,
        q: binding.q,
        user_agent: binding.user_agent.clone(),
    }
}
