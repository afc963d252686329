//! What a REGISTER, and the passing of time, change in the bindings of a DN.

use std::collections::{HashMap, HashSet};

use contracts::json::rfc3339;
use infra::{Binding, Refusal, Registration, RegistrationWrite, RegistrationWritten, StoreError, Stores};
use model::plan::Contact;
use model::{Dn, Event, EventId, EventName, Seq, Stamped, Subject, TenantId, Timestamp, Token};
use serde_json::{Value as Json, json};
use sip::params::unquote;
use sip::proxy::headers;
use sip::registration::{self, Outcome, Policy};
use sip::transaction::ServerId;
use sip::{HeaderName, Instance, Message, StatusCode};
use tracing::{info, warn};

use super::metrics::Metrics;
use crate::reporting::Reporter;

/// The reporting topic of registrations.
pub(super) const TOPIC: &str = contracts::reporting::REGISTRATIONS;
/// Attempts of one write while other registrars write first.
const ATTEMPTS_MAX: usize = 5;
/// The token of registration events. A DN's record has its own counter, whichever registrar writes it.
const TOKEN: Token = Token(1);
/// Seconds after which a phone may try again when the store is away, or has no room.
const RETRY_AFTER: u32 = 5;

/// A REGISTER to process.
pub(super) struct Asked {
    /// The transaction of its answer.
    pub server: ServerId,
    /// The request.
    pub request: Message,
    /// The To tag of the answer.
    pub to_tag: String,
}

/// What has become of REGISTERs that came together.
#[derive(Default)]
pub(super) struct RegisterBatch {
    /// The answers that are known.
    pub answers: Vec<(ServerId, Message)>,
    /// Those that have to be handled again, by their phones, in order of arrival: another REGISTER of the same phone was written first. None of
    /// the others waits for them.
    pub behind: HashMap<(TenantId, Dn), Vec<Asked>>,
}

/// A REGISTER's change to the bindings of its DN, to be stored.
struct Change {
    write: RegistrationWrite,
    /// The report that follows the write; none for a refresh, which moves no phone.
    told: Option<PhoneChange>,
}

/// A phone's change, to be reported.
struct PhoneChange {
    tenant: TenantId,
    dn: Dn,
    /// The phone has come into service, or gone out of service.
    event: Option<EventName>,
    /// Name and data of the record for the reporting log.
    record: (&'static str, Json),
}

/// The decision about a REGISTER, before anything is written.
#[expect(clippy::large_enum_variant, reason = "nearly every one is a change; a box would cost an allocation each")]
enum Decided {
    /// The answer; nothing is written.
    Answer(Message),
    /// A change to write, and the answer that follows.
    Change(Change, Message),
    /// An earlier REGISTER of the batch concerns the same DN: this one waits until that is written.
    Behind,
}

/// State of the answer to a REGISTER.
enum Ready {
    /// Complete.
    Now(infra::Result<Message>),
    /// Valid once the change is written.
    Written(Message),
    /// Not decided yet.
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
    pub async fn register(&self, asked: Vec<Asked>) -> RegisterBatch {
        let now = self.stores.clock.now();
        let (mut answers, mut changes) = (Vec::with_capacity(asked.len()), Vec::with_capacity(asked.len()));
        for decided in self.decide(&asked, now).await {
            answers.push(match decided {
                Ok(Decided::Answer(answer)) => Ready::Now(Ok(answer)),
                Ok(Decided::Change(change, answer)) => {
                    changes.push(change);
                    Ready::Written(answer)
                }
                Ok(Decided::Behind) => Ready::Behind,
                Err(error) => Ready::Now(Err(error)),
            });
        }
        let mut written = self.write(changes, now).await.map(Vec::into_iter);
        let mut batch = RegisterBatch::default();
        for (one, ready) in asked.into_iter().zip(answers) {
            let answer = match ready {
                Ready::Now(answer) => Some(answer),
                Ready::Written(answer) => match written.as_mut().map(Iterator::next) {
                    Ok(written) => self.after_write(&one, written, answer),
                    Err(error) => Some(Err(StoreError::Unavailable { reason: error.to_string() })),
                },
                Ready::Behind => None,
            };
            let phone = if answer.is_none() { address_of_record(&one.request) } else { None };
            match phone {
                Some(phone) => batch.behind.entry(phone).or_default().push(one),
                None => {
                    let answer = answer.unwrap_or_else(|| Ok(self.refused(&one)));
                    batch.answers.push((one.server, self.counted(&one, answer)));
                }
            }
        }
        batch
    }

    /// Handles REGISTERs of one phone one after the other, and repeats each while another registrar writes first.
    pub async fn again(&self, asked: Vec<Asked>) -> RegisterBatch {
        let now = self.stores.clock.now();
        let mut batch = RegisterBatch::default();
        for one in asked {
            let answer = self.again_one(&one, now).await;
            batch.answers.push((one.server, self.counted(&one, answer)));
        }
        batch
    }

    /// The answer to a REGISTER whose change was written, or is not by the store's own decision; an error if the store has not said, and `None`
    /// if another registrar wrote first.
    fn after_write(
        &self,
        one: &Asked,
        written: Option<RegistrationWritten>,
        answer: Message,
    ) -> Option<infra::Result<Message>> {
        match written {
            Some(RegistrationWritten::Done(_)) => Some(Ok(answer)),
            Some(RegistrationWritten::Refused(refusal)) => Some(Ok(self.refused_by_store(one, &refusal))),
            Some(RegistrationWritten::Unanswered { reason }) => Some(Err(StoreError::Unavailable { reason })),
            Some(RegistrationWritten::Conflict(_)) | None => None,
        }
    }

    /// A further attempt would be refused, too.
    fn refused_by_store(&self, one: &Asked, refusal: &Refusal) -> Message {
        warn!(%refusal, "the store refuses a registration");
        unavailable(&one.request, &one.to_tag)
    }

    fn counted(&self, one: &Asked, answer: infra::Result<Message>) -> Message {
        match answer {
            Ok(answer) => {
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

    /// Decides about each of them.
    async fn decide(&self, asked: &[Asked], now: Timestamp) -> Vec<infra::Result<Decided>> {
        let named: Vec<Option<(TenantId, Dn)>> = asked.iter().map(|one| address_of_record(&one.request)).collect();
        let mut seen = HashSet::with_capacity(asked.len());
        let of: Vec<(TenantId, Dn)> = named.iter().flatten().filter(|named| seen.insert(*named)).cloned().collect();
        let mut known = self.stores.registrations.load_all(&of).await.into_iter();
        let mut wanted = of.iter().peekable();
        let mut decide = |one: &Asked, named: Option<(TenantId, Dn)>| {
            let Some(named) = named else { return Ok(Decided::Answer(self.refused(one))) };
            if wanted.next_if(|next| **next == named).is_none() {
                return Ok(Decided::Behind);
            }
            let known = known.next().unwrap_or_else(|| Ok(Registration::default()))?;
            Ok(self.decide_one(one, named, known, now))
        };
        asked.iter().zip(named).map(|(one, named)| decide(one, named)).collect()
    }

    fn decide_one(&self, one: &Asked, named: (TenantId, Dn), known: Registration, now: Timestamp) -> Decided {
        let Registration { version, events, bindings } = known;
        let before: Vec<_> = bindings.into_iter().map(from_store).collect();
        let outcome = registration::register(&one.request, &before, &self.policy, now);
        let answer = registration::answer(&one.request, &outcome, &self.policy, &one.to_tag, now);
        match outcome {
            Outcome::Accepted(after) if after != before => {
                Decided::Change(Change::of(named, (version, events), &before, after, now), answer)
            }
            _ => Decided::Answer(answer),
        }
    }

    fn refused(&self, one: &Asked) -> Message {
        Message::response_to(&one.request, StatusCode::FORBIDDEN).to_tag(&one.to_tag).build()
    }

    async fn again_one(&self, one: &Asked, now: Timestamp) -> infra::Result<Message> {
        let Some((tenant, dn)) = address_of_record(&one.request) else { return Ok(self.refused(one)) };
        for _ in 0..ATTEMPTS_MAX {
            let known = self.stores.registrations.load(&tenant, &dn).await?;
            let (change, answer) = match self.decide_one(one, (tenant.clone(), dn.clone()), known, now) {
                Decided::Answer(answer) => return Ok(answer),
                Decided::Change(change, answer) => (change, answer),
                Decided::Behind => continue,
            };
            let written = self.write(vec![change], now).await?.pop();
            if let Some(answer) = self.after_write(one, written, answer) {
                return answer;
            }
        }
        Ok(unavailable(&one.request, &one.to_tag))
    }

    /// Writes the new bindings of some DNs, and tells of those that are written.
    async fn write(&self, changes: Vec<Change>, now: Timestamp) -> infra::Result<Vec<RegistrationWritten>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let (writes, told): (Vec<_>, Vec<_>) = changes.into_iter().map(|change| (change.write, change.told)).unzip();
        let written = self.stores.registrations.commit(writes).await?;
        for (told, written) in told.into_iter().zip(&written) {
            match (written, told) {
                (RegistrationWritten::Done(_), Some(told)) => self.tell(told, now),
                (RegistrationWritten::Done(_), None) => {}
                (RegistrationWritten::Conflict(_), _) => self.metrics.write_conflicted(),
                (RegistrationWritten::Refused(_), _) => self.metrics.write_refused(),
                // Who waits for it counts it.
                (RegistrationWritten::Unanswered { .. }, _) => {}
            }
        }
        Ok(written)
    }

    /// Reports a change to the log and to the reporting log.
    fn tell(&self, PhoneChange { tenant, dn, event, record }: PhoneChange, now: Timestamp) {
        if let Some(event) = event {
            info!(%tenant, dn = %runtime::Pii(dn.as_str()), event = event.as_str(), "phone");
        }
        let (name, data) = record;
        self.reporter.report(&tenant, name, &format!("dn:{dn}"), now, data);
    }

    /// The phones with expired bindings, at most `max`.
    pub async fn ending(&self, max: usize) -> infra::Result<Vec<(TenantId, Dn)>> {
        self.stores.registrations.ending(self.stores.clock.now(), max).await
    }

    /// Ends the expired bindings of those phones, with one read and one write for all of them. Returns the phones whose records
    /// cannot be read or written; fails when the store is away.
    pub async fn end(&self, of: &[(TenantId, Dn)]) -> infra::Result<Vec<Fault>> {
        let now = self.stores.clock.now();
        let (mut changes, mut named, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (one, known) in of.iter().zip(self.stores.registrations.load_all(of).await) {
            match known {
                // A phone without a binding has unregistered in between.
                Ok(known) if known.bindings.is_empty() => {}
                Ok(known) => {
                    named.push(one);
                    changes.push(ended(one, known, now));
                }
                Err(error) => faults.push(fault(one, error)?),
            }
        }
        match self.end_all(&named, changes, now).await {
            Err(StoreError::Unavailable { reason }) => return Err(StoreError::Unavailable { reason }),
            // One of them is refused: single writes find out which.
            Err(_) => {
                for one in named {
                    match self.end_one(one, now).await {
                        Ok(refused) => faults.extend(refused),
                        Err(error) => faults.push(fault(one, error)?),
                    }
                }
            }
            Ok(refused) => faults.extend(refused),
        }
        Ok(faults)
    }

    async fn end_one(&self, one: &(TenantId, Dn), now: Timestamp) -> infra::Result<Vec<Fault>> {
        let known = self.stores.registrations.load(&one.0, &one.1).await?;
        self.end_all(&[one], vec![ended(one, known, now)], now).await
    }

    /// Writes the ends; returns those that the store refuses, or an error if it has not answered to some. A conflict means that the phone is
    /// registering at the same time: the next scan checks it again.
    async fn end_all(&self, of: &[&(TenantId, Dn)], changes: Vec<Change>, now: Timestamp) -> infra::Result<Vec<Fault>> {
        let gone: Vec<bool> = changes.iter().map(|change| change.write.bindings.is_empty()).collect();
        let (mut expired, mut refused, mut away) = (0, Vec::new(), None);
        for ((written, gone), phone) in self.write(changes, now).await?.into_iter().zip(gone).zip(of) {
            match written {
                RegistrationWritten::Done(_) => expired += u64::from(gone),
                RegistrationWritten::Conflict(_) => {}
                RegistrationWritten::Refused(refusal) => refused.push(((*phone).clone(), refusal.into())),
                RegistrationWritten::Unanswered { reason } => away = Some(StoreError::Unavailable { reason }),
            }
        }
        self.metrics.phones_expired(expired);
        away.map_or(Ok(refused), Err)
    }
}

/// A phone whose record cannot be read or written, and why.
pub(super) type Fault = ((TenantId, Dn), StoreError);

/// A fault of one phone alone; an error if the store is away, which concerns all phones.
fn fault(of: &(TenantId, Dn), error: StoreError) -> infra::Result<Fault> {
    match error {
        StoreError::Unavailable { .. } => Err(error),
        error => Ok((of.clone(), error)),
    }
}

/// Drops the expired bindings of a phone.
fn ended((tenant, dn): &(TenantId, Dn), known: Registration, now: Timestamp) -> Change {
    let Registration { version, events, bindings } = known;
    let before: Vec<_> = bindings.into_iter().map(from_store).collect();
    let after: Vec<_> = before.iter().filter(|binding| binding.expires_at > now).cloned().collect();
    Change::of((tenant.clone(), dn.clone()), (version, events), &before, after, now)
}

impl Change {
    fn of(
        (tenant, dn): (TenantId, Dn),
        (version, events): (u64, u64),
        before: &[registration::Binding],
        after: Vec<registration::Binding>,
        now: Timestamp,
    ) -> Self {
        // Compares with the stored record, not with the clock: a phone is reported as gone only once.
        let event = match (before.is_empty(), after.is_empty()) {
            (true, false) => Some(EventName::DNBackInService),
            (false, true) => Some(EventName::DNOutOfService),
            _ => None,
        };
        // Each of a phone's flows is refreshed in its turn, which moves it to the front and nothing else.
        let moved = places(before) != places(&after);
        let told =
            moved.then(|| PhoneChange { tenant: tenant.clone(), dn: dn.clone(), event, record: record(&dn, &after) });
        let events = event.map(|name| stamped(name, &tenant, &dn, events + 1, now)).into_iter().collect();
        let bindings = after.into_iter().map(to_store).collect();
        Self { write: RegistrationWrite { tenant, dn, expected: version, bindings, events }, told }
    }
}

/// Where a DN's phones are, whichever was refreshed last.
fn places(bindings: &[registration::Binding]) -> Vec<&str> {
    let mut places: Vec<&str> = bindings.iter().map(|binding| binding.uri.as_str()).collect();
    places.sort_unstable();
    places
}

/// The record for the reporting log of where a phone is now.
fn record(dn: &Dn, bindings: &[registration::Binding]) -> (&'static str, Json) {
    let contact = |binding: &registration::Binding| {
        let expires_at = rfc3339(binding.expires_at);
        json!({ "Contact": binding.uri, "UserAgent": binding.user_agent, "ExpiresAt": expires_at })
    };
    let contacts: Vec<Json> = bindings.iter().map(contact).collect();
    let name = if bindings.is_empty() { "PhoneUnregistered" } else { "PhoneRegistered" };
    (name, json!({ "DN": dn.as_str(), "Contacts": contacts }))
}

/// The tenant and DN that the proxy has authenticated, if the To names that DN.
fn address_of_record(request: &Message) -> Option<(TenantId, Dn)> {
    let tenant = TenantId::parse(request.header(&headers::TENANT)?).ok()?;
    let dn = Dn::parse(&unquote(request.header(&headers::SOURCE)?.strip_prefix("phone;dn=")?)).ok()?;
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
    let Binding { contact, call_id, cseq, refreshed_at, expires_at, q, user_agent, instance, reg_id } = binding;
    registration::Binding {
        uri: contact.uri,
        path: contact.path,
        call_id,
        cseq,
        refreshed_at,
        expires_at,
        q,
        user_agent,
        instance: instance.as_deref().and_then(Instance::parse),
        reg_id,
    }
}

fn to_store(binding: registration::Binding) -> Binding {
    let registration::Binding { uri, path, call_id, cseq, refreshed_at, expires_at, q, user_agent, instance, reg_id } =
        binding;
    let (contact, instance) = (Contact::new(uri, path), instance.map(|instance| instance.to_string()));
    Binding { contact, call_id, cseq, refreshed_at, expires_at, q, user_agent, instance, reg_id }
}
