//! HTTP 8800.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use call::dial_plan::{AtPhone, FORWARDS_MAX, PhoneState, Question as Lookup, forwarded_by};
use infra::{Clock, Registration, Stores};
use model::plan::{
    Caller as CallingParty, Contact, DayLimit, Destination, ForwardedBy, Occasion, Outside, PlanAnswer, Way,
};
use model::{Dn, Entropy, TenantId};
use net::http::JsonBody;
use runtime::{Caller, Problem, RoleContext};
use serde::Deserialize;
use serde_json::Value as Json;
use sip::Instance;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::metrics::Metrics;
use super::phones::phones;
use super::plans::Plans;
use crate::phone_settings::{self, PhoneRecord};
use crate::service_routes;

/// How long unavailable registrations are queried again; sip-cluster waits a little longer for the destination.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// How long a call outside waits for who is logged in at the phone that calls.
const AGENT_WITHIN: Duration = Duration::from_millis(500);
/// Phones that are looked up in the stores at once; more are refused. A listener takes 512 questions: numbers outside, for which no phone has to
/// be known, have room while the stores are away and each phone waits for them.
const PHONES_AT_ONCE: usize = 384;
/// How long a call outside waits for the way that its carrier wants.
const ROUTES_WITHIN: Duration = Duration::from_millis(500);
/// As above, of an emergency call: it goes to `contact` rather than wait.
const EMERGENCY_ROUTES_WITHIN: Duration = Duration::from_millis(100);
/// The pause between these queries.
const READ_AGAIN: Duration = Duration::from_millis(100);

/// The inputs of a resolution.
#[derive(Clone)]
pub(super) struct Resolver {
    plans: Plans,
    stores: Stores,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// Draws among trunks.
    entropy: Arc<Mutex<Box<dyn Entropy>>>,
    /// Turns of phones that are looked up.
    phones: Arc<Semaphore>,
}

impl Resolver {
    pub fn new(ctx: &RoleContext, plans: Plans, metrics: Metrics) -> Self {
        let entropy = Arc::new(Mutex::new(ctx.entropy()));
        let phones = Arc::new(Semaphore::new(PHONES_AT_ONCE));
        Self { plans, stores: ctx.stores.clone(), clock: ctx.clock.clone(), metrics, entropy, phones }
    }
}

pub(super) fn router(resolver: Resolver) -> Router {
    Router::new().route("/tenants/{tenant}/resolve", post(resolve)).with_state(resolver)
}

#[derive(Deserialize)]
struct NumberQuestion {
    caller: Calling,
    dialled: String,
    /// A name of [`Occasion`]; without it somebody calls the number.
    #[serde(default)]
    occasion: Option<String>,
    /// The one phone that is called, by the name that it has registered (RFC 5627).
    #[serde(default)]
    instance: Option<String>,
    /// The DNs that have forwarded the call so far.
    #[serde(default)]
    forwarded_by: Vec<String>,
    /// Why they have, by the names of [`model::request::ForwardMode`].
    #[serde(default)]
    forward_modes: Vec<String>,
    /// The number that whoever calls wants to show outside.
    #[serde(default)]
    shows: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Calling {
    Phone { phone: String },
    Trunk { trunk: String, number: String },
}

async fn resolve(
    State(resolver): State<Resolver>,
    caller: Caller,
    Path(tenant): Path<String>,
    JsonBody(question): JsonBody<NumberQuestion>,
) -> Result<axum::Json<Json>, Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|e| Problem::bad_request(e.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(runtime::scope::DIALPLAN)?;
    let calling = match question.caller {
        Calling::Phone { phone } => {
            CallingParty::Phone(Dn::parse(&phone).map_err(|e| Problem::bad_request(e.to_string()))?)
        }
        Calling::Trunk { trunk, number } => CallingParty::Trunk { trunk, number },
    };
    let occasion = question.occasion.as_deref().map_or(Ok(Occasion::Called), |name| {
        Occasion::parse(name).ok_or_else(|| Problem::bad_request(format!("occasion: {name} is not known")))
    })?;
    let instance = question.instance.as_deref().map(|name| {
        Instance::parse(name).ok_or_else(|| Problem::bad_request("instance: it is no URN, or one that is too long"))
    });
    let named = question.forwarded_by.get(..FORWARDS_MAX).unwrap_or(&question.forwarded_by);
    let forwarded_by = contracts::json::forwarded_by_from_json(named, &question.forward_modes)
        .map_err(|e| Problem::bad_request(e.to_string()))?;
    let number = NumberQuery {
        caller: calling,
        dialled: question.dialled,
        instance: instance.transpose()?,
        occasion,
        forwarded_by,
        shows: question.shows,
    };
    let answer = resolver.resolve(&tenant, number).await?;
    Ok(axum::Json(contracts::json::plan_answer_to_json(&answer)))
}

/// A number to be looked up.
struct NumberQuery {
    caller: CallingParty,
    dialled: String,
    /// The one phone that is called.
    instance: Option<Instance>,
    occasion: Occasion,
    /// The phones that have forwarded the call so far.
    forwarded_by: Vec<ForwardedBy>,
    /// The number that whoever calls wants to show outside.
    shows: Option<String>,
}

impl Resolver {
    async fn resolve(&self, tenant: &TenantId, number: NumberQuery) -> Result<PlanAnswer, Problem> {
        let mut answer = self.follow(tenant, number).await?;
        self.lead_by_service_routes(tenant, &mut answer.destination).await;
        let is_refused = matches!(answer.destination, Destination::Reject { .. });
        let counter = if is_refused { &self.metrics.refused } else { &self.metrics.resolved };
        counter.inc();
        Ok(answer)
    }

    /// Follows the number from phone to phone, as far as they forward the call. Each is one more of those that have forwarded it, of which
    /// there are [`FORWARDS_MAX`] at most.
    async fn follow(&self, tenant: &TenantId, number: NumberQuery) -> Result<PlanAnswer, Problem> {
        let plan = self.plans.of(tenant)?;
        let NumberQuery { mut caller, mut dialled, instance, mut occasion, forwarded_by: mut chain, mut shows } =
            number;
        if instance.is_some() {
            // A GRUU means that phone and nobody in its place.
            occasion = Occasion::RoutedToAgent;
        }
        let mut notes = Vec::new();
        loop {
            let is_forwarded = !chain.is_empty() && occasion == Occasion::Called;
            let (now, wanted) = (self.clock.now(), shows.as_deref());
            let lookup = Lookup { caller: &caller, dialled: &dialled, now, is_forwarded, shows: wanted };
            let mut answer = {
                let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
                call::dial_plan::resolve(&plan, &lookup, &mut **entropy)
            };
            notes.append(&mut answer.notes);
            if let (Destination::Outside(outside), CallingParty::Phone(phone)) = (&mut answer.destination, &caller) {
                self.name_agent(tenant, phone, outside).await;
            }
            if instance.as_ref().is_some_and(|instance| is_of_no_phone(instance, &answer.destination)) {
                let reason = "no phone has that address of its own".to_owned();
                answer.destination = Destination::Reject { status: 404, reason };
            }
            // The rules are pure; what concerns a phone is in the stores.
            let next = match &mut answer.destination {
                Destination::Extension { dn, contacts, .. } => {
                    let (registered, phone) = self.phone(tenant, dn, instance.as_ref(), occasion).await?;
                    *contacts = registered;
                    let state = match contacts.as_slice() {
                        [] => PhoneState::Unregistered,
                        _ if phone.in_call && plan.takes_one_call(dn) => PhoneState::InCall,
                        _ => PhoneState::Free,
                    };
                    Some((dn.clone(), phone.settings.at_phone(occasion, state)))
                }
                _ => None,
            };
            let next = match next {
                Some((dn, AtPhone::Forward(to, mode))) => {
                    match forwarded_by(&mut chain, ForwardedBy { dn: dn.clone(), mode }) {
                        Ok(()) => Some((dn, to)),
                        Err(refusal) => {
                            answer.destination = refusal;
                            None
                        }
                    }
                }
                Some((dn, AtPhone::Busy)) => {
                    let reason = format!("{dn} takes no calls now");
                    answer.destination = Destination::Reject { status: 486, reason };
                    None
                }
                Some((_, AtPhone::Rings(forwards))) => {
                    answer.forwards = forwards;
                    None
                }
                None => None,
            };
            let Some((by, to)) = next else {
                return Ok(PlanAnswer { forwarded_by: chain, notes, ..answer });
            };
            // The phone calls in its turn: who calls it may be outside, and the phone may call outside. It shows what it always does.
            shows = None;
            (caller, dialled, occasion) = (CallingParty::Phone(by), to.to_string(), Occasion::Called);
        }
    }

    /// Writes who is logged in at the phone that calls into the limits that are about agents. Without an answer, and where nobody is logged
    /// in, the phone counts for itself.
    async fn name_agent(&self, tenant: &TenantId, phone: &Dn, outside: &mut Outside) {
        let ways = std::iter::once(&mut outside.way).chain(&mut outside.further);
        let mut limits: Vec<&mut DayLimit> =
            ways.flat_map(|way| &mut way.limits.a_day).filter(|limit| limit.per_agent).collect();
        if limits.is_empty() {
            return;
        }
        let agent = self.kept(tenant, phone, AGENT_WITHIN).await.agent;
        limits.iter_mut().for_each(|limit| limit.agent.clone_from(&agent));
    }

    /// What is kept of a phone; nothing without an answer.
    async fn kept(&self, tenant: &TenantId, dn: &Dn, within: Duration) -> PhoneRecord {
        let read = tokio::time::timeout(within, phone_settings::read(&self.stores, tenant, dn)).await;
        let read = read.map_err(|_| "no answer in time".to_owned()).and_then(|read| read.map_err(|e| e.to_string()));
        read.unwrap_or_else(|error| {
            tracing::warn!(%tenant, %dn, error, "what is kept of a phone cannot be read: it rings, and counts for itself");
            PhoneRecord::default()
        })
    }

    /// Leads a call outside by the ways that the carriers want which we register with (RFC 3608). Where the store does not say in time which,
    /// the call goes to `contact`, as before they were registered.
    async fn lead_by_service_routes(&self, tenant: &TenantId, destination: &mut Destination) {
        let (Destination::Outside(outside), Ok(plan)) = (destination, self.plans.of(tenant)) else { return };
        let now = self.clock.now();
        let within = if outside.way.is_emergency { EMERGENCY_ROUTES_WITHIN } else { ROUTES_WITHIN };
        let ways = std::iter::once(&mut outside.way).chain(&mut outside.further);
        let registered = ways.filter_map(|way| {
            let trunk = plan.trunks.iter().find(|trunk| trunk.registers && trunk.name == way.trunk)?;
            Some((way, trunk.contact.as_str()))
        });
        let reads = registered.map(|(way, contact)| async move {
            let read = service_routes::read(&self.stores, tenant, (&way.trunk, contact), now);
            let read = tokio::time::timeout(within, read).await;
            match read.map_err(|_| "no answer in time".to_owned()).and_then(|read| read.map_err(|e| e.to_string())) {
                Ok(routes) => way.contact.path = routes,
                Err(error) => {
                    let trunk = &way.trunk;
                    tracing::warn!(%tenant, trunk, error, "the way that a carrier wants for calls is not known: they go to `contact`");
                }
            }
        });
        futures::future::join_all(reads).await;
        try_contacts_too(outside);
    }

    /// The registrations of a phone, and what is kept of it. Without an answer about that it has set nothing: it rings.
    async fn phone(
        &self,
        tenant: &TenantId,
        dn: &Dn,
        instance: Option<&Instance>,
        occasion: Occasion,
    ) -> Result<(Vec<Contact>, PhoneRecord), Problem> {
        let _turn = self.phones.try_acquire().map_err(|_| Problem::unavailable("too many phones are looked up"))?;
        let set = async {
            if occasion == Occasion::OwnPhone {
                return PhoneRecord::default();
            }
            self.kept(tenant, dn, READ_WITHIN).await
        };
        let (contacts, set) = tokio::join!(self.contacts(tenant, dn, instance), set);
        Ok((contacts?, set))
    }

    /// The registrations of a phone. An unavailable store is queried again: the caller then hears ringing a little later.
    async fn registration(&self, tenant: &TenantId, dn: &Dn) -> infra::Result<Registration> {
        let until = Instant::now() + READ_WITHIN;
        loop {
            match self.stores.registrations.load(tenant, dn).await {
                Err(infra::StoreError::Unavailable { .. }) if Instant::now() + READ_AGAIN < until => {
                    tokio::time::sleep(READ_AGAIN).await;
                }
                answer => return answer,
            }
        }
    }

    /// The phones of a DN, newest first.
    async fn contacts(&self, tenant: &TenantId, dn: &Dn, instance: Option<&Instance>) -> Result<Vec<Contact>, Problem> {
        let registration = self.registration(tenant, dn).await.map_err(|error| {
            tracing::warn!(%tenant, %dn, %error, "the registrations cannot be read");
            Problem::unavailable("the registrations cannot be read")
        })?;
        Ok(phones(registration.bindings, instance, self.clock.now()))
    }
}

/// An emergency that does not get through by a carrier's own way goes to its contact, too, behind all others.
fn try_contacts_too(outside: &mut Outside) {
    if !outside.way.is_emergency {
        return;
    }
    let ways = std::iter::once(&outside.way).chain(&outside.further);
    let led = ways.filter(|way| !way.contact.path.is_empty()).cloned();
    let direct = |way: Way| Way { contact: Contact::new(way.contact.uri.clone(), Vec::new()), ..way };
    let direct: Vec<Way> = led.map(direct).collect();
    outside.further.extend(direct);
}

/// Whether a GRUU does not lead to where its number does: what has no phones has no such address, and no phone has one that is not ours.
fn is_of_no_phone(instance: &Instance, destination: &Destination) -> bool {
    match destination {
        Destination::Extension { .. } => *instance == Instance::nobody(),
        other => !is_emergency(other),
    }
}

/// An emergency call goes out whatever else was asked for.
const fn is_emergency(destination: &Destination) -> bool {
    matches!(destination, Destination::Outside(outside) if outside.way.is_emergency)
}

#[cfg(test)]
mod tests {
    use model::plan::OutsideLimits;

    use super::*;

    fn outside(is_emergency: bool) -> Destination {
        let way = Way {
            trunk: "carrier".to_owned(),
            contact: Contact::new("sip:112@carrier.example".to_owned(), Vec::new()),
            caller_id: None,
            try_ms: 10_000,
            is_emergency,
            limits: OutsideLimits::default(),
        };
        let number = Dn::parse("112").expect("a number");
        Destination::Outside(Outside { number, way, further: Vec::new(), no_answer_ms: 90_000 })
    }

    #[test]
    fn an_emergency_number_is_reached_whatever_its_gr_says_and_nothing_else_is() {
        let dn = Dn::parse("7101").expect("a number");
        let phone = Destination::Extension { dn, contacts: Vec::new(), no_answer_ms: 15_000 };
        let desk = Instance::parse("urn:uuid:00000000-0000-1000-8000-00000000000a").expect("an instance");
        for (destination, by_desk, by_nobody) in
            [(outside(true), false, false), (outside(false), true, true), (phone, false, true)]
        {
            assert_eq!(is_of_no_phone(&desk, &destination), by_desk, "{destination:?}");
            assert_eq!(is_of_no_phone(&Instance::nobody(), &destination), by_nobody, "{destination:?}");
        }
    }
}
