//! What a REGISTER, and the passing of time, do to the bindings of a DN.

use std::collections::HashSet;

use contracts::json::rfc3339;
use futures::future::join_all;
use infra::{Binding, Registration, RegistrationWrite, RegistrationWritten, Stores};
use model::plan::Contact;
use model::{Dn, Event, EventId, EventName, Seq, Stamped, Subject, TenantId, Timestamp, Token};
use serde_json::{Value as Json, json};
use sip::proxy::headers;
use sip::registration::{self, Outcome, Policy};
use sip::transaction::ServerId;
use sip::{HeaderName, Message, StatusCode};
use tracing::{info, warn};

use super::metrics::Metrics;
use crate::reporting::Reporter;

/// The topic of where phones are.
pub(super) const TOPIC: &str = contracts::reporting::REGISTRATIONS;
/// Attempts of one write while other registrars are faster.
const ATTEMPTS_MAX: usize = 5;
/// Phones that one scan ends.
const SCAN_MAX: usize = 1_000;
/// The token of registration events: a DN's record has its own counter, whoever writes it.
const TOKEN: Token = Token(1);
/// Seconds after which a phone may try again when the store is away.
const RETRY_AFTER: u32 = 5;

/// A REGISTER that is to be carried out.
pub(super) struct Asked {
    /// Where its answer goes.
    pub server: ServerId,
    /// The request.
    pub request: Message,
    /// The To tag of the answer.
    pub to_tag: String,
}

/// A REGISTER that changes the bindings of its DN, on its way to the store.
struct Change {
    tenant: TenantId,
    dn: Dn,
    /// The record's version, and how many events it has given.
    known: (u64, u64),
    before: Vec<registration::Binding>,
    after: Vec<registration::Binding>,
    event: Option<EventName>,
}

/// What a REGISTER came to before anything is written.
enum Decided {
    /// This is the answer, and nothing is written.
    Outcome(Outcome),
    /// This is to be written first.
    Change(Change),
    /// An earlier one of the same batch is about the same DN: it waits until that is written.
    Behind,
}

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

    /// Answers REGISTERs that came together: with one read for each and one write for all of them.
    pub async fn register(&self, asked: Vec<Asked>) -> Vec<(ServerId, Message)> {
        let now = self.stores.clock.now();
        let mut decided = self.decide(&asked, now).await;
        let changes: Vec<&Change> = decided.iter().filter_map(Decided::change).collect();
        let written = self.write(&changes, now).await;
        let mut written = written.map(Vec::into_iter);
        let mut answers = Vec::with_capacity(asked.len());
        for (one, decided) in asked.iter().zip(decided.drain(..)) {
            let outcome = match decided {
                Ok(Decided::Outcome(outcome)) => Ok(outcome),
                Ok(Decided::Change(change)) => match written.as_mut().map(Iterator::next) {
                    Ok(Some(true)) => Ok(Outcome::Accepted(change.after)),
                    // Another registrar was faster.
                    Ok(_) => self.again(&one.request, now).await,
                    Err(error) => Err(infra::StoreError::Unavailable { reason: error.to_string() }),
                },
                Ok(Decided::Behind) => self.again(&one.request, now).await,
                Err(error) => Err(error),
            };
            answers.push((one.server, self.answer(one, outcome, now)));
        }
        answers
    }

    fn answer(&self, one: &Asked, outcome: infra::Result<Outcome>, now: Timestamp) -> Message {
        match outcome {
            Ok(outcome) => {
                let answer = registration::answer(&one.request, &outcome, &self.policy, &one.to_tag, now);
                self.metrics.request_answered(answer.status().map_or(0, |status| status.0));
                answer
            }
            Err(error) => {
                self.metrics.store_failed();
                warn!(%error, "a REGISTER waits for the store");
                unavailable(&one.request, &one.to_tag)
            }
        }
    }

    /// What each of them comes to.
    async fn decide(&self, asked: &[Asked], now: Timestamp) -> Vec<infra::Result<Decided>> {
        let mut seen = HashSet::with_capacity(asked.len());
        let first = |one: &Asked| {
            let named = address_of_record(&one.request);
            let is_first = named.clone().is_none_or(|named| seen.insert(named));
            (named, is_first)
        };
        let named: Vec<_> = asked.iter().map(first).collect();
        join_all(asked.iter().zip(named).map(|(one, (named, is_first))| self.decide_named(one, named, is_first, now)))
            .await
    }

    async fn decide_named(
        &self,
        one: &Asked,
        named: Option<(TenantId, Dn)>,
        is_first: bool,
        now: Timestamp,
    ) -> infra::Result<Decided> {
        match named {
            None => Ok(Decided::Outcome(Outcome::Refused(StatusCode::FORBIDDEN))),
            Some(_) if !is_first => Ok(Decided::Behind),
            Some((tenant, dn)) => self.decide_one(&one.request, tenant, dn, now).await,
        }
    }

    async fn decide_one(&self, request: &Message, tenant: TenantId, dn: Dn, now: Timestamp) -> infra::Result<Decided> {
        let Registration { version, events, bindings } = self.stores.registrations.load(&tenant, &dn).await?;
        let before: Vec<_> = bindings.into_iter().map(from_store).collect();
        Ok(match registration::register(request, &before, &self.policy, now) {
            Outcome::Accepted(after) if after != before => {
                Decided::Change(Change::of((tenant, dn), (version, events), before, after))
            }
            outcome => Decided::Outcome(outcome),
        })
    }

    /// One by itself, as often as another registrar is faster.
    async fn again(&self, request: &Message, now: Timestamp) -> infra::Result<Outcome> {
        let Some((tenant, dn)) = address_of_record(request) else {
            return Ok(Outcome::Refused(StatusCode::FORBIDDEN));
        };
        for _ in 0..ATTEMPTS_MAX {
            let change = match self.decide_one(request, tenant.clone(), dn.clone(), now).await? {
                Decided::Outcome(outcome) => return Ok(outcome),
                Decided::Change(change) => change,
                Decided::Behind => continue,
            };
            if self.write(&[&change], now).await?.first() == Some(&true) {
                return Ok(Outcome::Accepted(change.after));
            }
        }
        Ok(Outcome::Refused(StatusCode::SERVICE_UNAVAILABLE))
    }

    /// Writes what the bindings of some DNs are from now on; `false` where another registrar was faster.
    async fn write(&self, changes: &[&Change], now: Timestamp) -> infra::Result<Vec<bool>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let writes = changes.iter().map(|change| change.write(now)).collect();
        let written = self.stores.registrations.commit(writes).await?;
        let written = written.iter().map(|written| matches!(written, RegistrationWritten::Done(_)));
        let done: Vec<bool> = written.chain(std::iter::repeat(false)).take(changes.len()).collect();
        for (change, done) in changes.iter().zip(&done) {
            if !done {
                self.metrics.write_conflicted();
                continue;
            }
            if let Some(event) = change.event {
                let (tenant, dn) = (&change.tenant, runtime::Pii(change.dn.as_str()));
                info!(%tenant, %dn, event = event.as_str(), "phone");
            }
            self.report(change, now);
        }
        Ok(done)
    }

    /// Tells the reporting log where a phone is now. A refresh changes nothing and is not told.
    fn report(&self, Change { tenant, dn, before, after, .. }: &Change, now: Timestamp) {
        if after.iter().map(|binding| &binding.uri).eq(before.iter().map(|binding| &binding.uri)) {
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
            let Registration { version, events, bindings } = self.stores.registrations.load(&tenant, &dn).await?;
            let before: Vec<_> = bindings.into_iter().map(from_store).collect();
            let after: Vec<_> = before.iter().filter(|binding| binding.expires_at > now).cloned().collect();
            let gone = after.is_empty();
            // A conflict means that the phone is just registering: the next scan looks again.
            if self.write(&[&Change::of((tenant, dn), (version, events), before, after)], now).await?.first()
                == Some(&true)
                && gone
            {
                self.metrics.phone_expired();
            }
        }
        Ok(())
    }
}

impl Decided {
    fn change(decided: &infra::Result<Self>) -> Option<&Change> {
        match decided {
            Ok(Self::Change(change)) => Some(change),
            _ => None,
        }
    }
}

impl Change {
    fn of(
        (tenant, dn): (TenantId, Dn),
        known: (u64, u64),
        before: Vec<registration::Binding>,
        after: Vec<registration::Binding>,
    ) -> Self {
        // What the record says last, not what the clock makes of it: a phone is told as gone once.
        let event = match (before.is_empty(), after.is_empty()) {
            (true, false) => Some(EventName::DNBackInService),
            (false, true) => Some(EventName::DNOutOfService),
            _ => None,
        };
        Self { tenant, dn, known, before, after, event }
    }

    fn write(&self, now: Timestamp) -> RegistrationWrite {
        let Self { tenant, dn, known: (version, events), after, event, .. } = self;
        RegistrationWrite {
            tenant: tenant.clone(),
            dn: dn.clone(),
            expected: *version,
            bindings: after.iter().map(to_store).collect(),
            events: event.map(|name| stamped(name, tenant, dn, events + 1, now)).into_iter().collect(),
        }
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

fn from_store(binding: Binding) -> registration::Binding {
    let Binding { contact, call_id, cseq, refreshed_at, expires_at, q, user_agent } = binding;
    registration::Binding {
        uri: contact.uri,
        path: contact.path,
        call_id,
        cseq,
        refreshed_at,
        expires_at,
        q,
        user_agent,
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
