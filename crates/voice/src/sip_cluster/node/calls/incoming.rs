//! An INVITE from a proxy becomes a call.

use std::net::IpAddr;

use call::call::CALLER_LEG;
use call::dial_plan::EMERGENCY_SERVICE;
use call::{Incoming, Thread};
use infra::{CallIndex, DialogKey};
use model::plan::Caller;
use model::{ConnId, Dn, Encryption, LegId, TenantId, Timestamp};
use sip::agent::{DialogId, Reply};
use sip::dialog::MAX_FORWARDS;
use sip::diversion::Diversions;
use sip::header::HeaderName;
use sip::location::Geolocation;
use sip::params::unquote;
use sip::proxy::headers;
use sip::uri::Scheme;
use sip::uri::escape::unescape;
use sip::{ConnectionId, Flow, Instance, Message, NameAddr, StatusCode, Uri, stir, user_to_user};

use super::call::{Entry, Stored};
use super::explain::TraceBegin;
use super::leg::{Leg, LegStage, Place, Side};
use super::session::{self, Refusal};
use super::sips::CallerWay;
use super::verdict::CallerVerdict;
use crate::sip_cluster::node::Node;

/// From whom an INVITE comes, as the proxy has established it.
pub(super) struct InviteSource {
    pub(super) tenant: TenantId,
    /// For a trunk with the number that it presents.
    pub(super) caller: Caller,
}

impl InviteSource {
    pub(super) fn of(request: &Message) -> Option<Self> {
        let tenant = TenantId::parse(request.header(&headers::TENANT)?).ok()?;
        Some(Self { tenant, caller: caller(request)? })
    }
}

/// What a new call takes from its INVITE.
pub(super) struct NewCallParts {
    pub(super) tenant: TenantId,
    pub(super) caller: Caller,
    caller_name: String,
    diverted: Diversions,
    identity: Vec<String>,
    pub(super) verdict: Option<CallerVerdict>,
    user_to_user: Vec<String>,
    location: Option<Geolocation>,
    dialled: String,
    instance: Option<Instance>,
    pub(super) dialog: DialogId,
    pub(super) link: ConnectionId,
    party: Option<IpAddr>,
    hops_left: u8,
    encryption: Encryption,
    invite: DialogKey,
    pub(super) way: CallerWay,
}

impl NewCallParts {
    /// With what a phone says of where it is; a carrier knows nothing that we would pass on.
    fn with_location(self, location: Option<Geolocation>) -> Self {
        let is_phone = matches!(self.caller, Caller::Phone(_));
        Self { location: location.filter(|_| is_phone), ..self }
    }
}

/// The Retry-After of a 503, in seconds.
pub(super) const RETRY_AFTER_S: &str = "5";
/// The number of a caller that shows none.
pub(super) const ANONYMOUS: &str = "anonymous";
/// The longest display name that is passed on, in bytes.
const NAME_MAX: usize = 128;

impl Node {
    /// An INVITE that begins a dialog.
    pub(in crate::sip_cluster::node) fn incoming(
        &mut self,
        dialog: DialogId,
        request: &Message,
        location: Option<Geolocation>,
        flow: Flow,
        now: Timestamp,
    ) {
        if self.is_overloaded_for(request) {
            return self.refuse_overloaded(dialog, now);
        }
        if let Some(trunk) = self.untold_trunk(request) {
            return self.wait_for_trunk(trunk, (dialog, request, location, flow), now);
        }
        let edited = self.by_header_rules(request);
        let request = edited.as_ref().unwrap_or(request);
        let accepted = self.accept(dialog, request, flow).map(|call| call.with_location(location));
        if let Err(refusal) = accepted.and_then(|call| self.verify_and_begin(call, request, now)) {
            self.refuse_call(dialog, refusal.into(), now);
        }
    }

    /// Whether this node takes no new calls, and the INVITE begins one.
    pub(super) fn is_overloaded_for(&self, request: &Message) -> bool {
        !self.takes_calls() && !Self::seeks_a_call(request)
    }

    /// Refuses an INVITE for which this node has no room; another node may have some.
    pub(super) fn refuse_overloaded(&mut self, dialog: DialogId, now: Timestamp) {
        self.metrics.call_overloaded();
        let reply = Reply::from(Refusal::from(StatusCode::SERVICE_UNAVAILABLE));
        self.refuse_call(dialog, reply.header(HeaderName::RetryAfter, RETRY_AFTER_S), now);
    }

    /// Refuses an INVITE that has not become a call.
    pub(super) fn refuse_call(&mut self, dialog: DialogId, reply: Reply, now: Timestamp) {
        self.metrics.call_refused();
        if let Err(error) = self.agent.reject(dialog, reply, now) {
            tracing::debug!(%error, "an INVITE ended before it was refused");
        }
    }

    /// The INVITE joins a call that is there, adds one to the thread in which its phone talks, or opens a new one.
    pub(super) fn begin(&mut self, call: NewCallParts, request: &Message, now: Timestamp) -> Result<(), Refusal> {
        if let Some(joins) = self.joins(&call.tenant, request)? {
            // It calls nobody outside.
            return Ok(self.join(joins, call.with_location(None), now)?);
        }
        let thread = match &call.caller {
            Caller::Phone(dn) => self.calls.thread_of_phone(&call.tenant, dn),
            Caller::Trunk { .. } => None,
        };
        match thread {
            Some(thread) => self.add_call(thread, call, now),
            None => self.open_call(call, now),
        }
        Ok(())
    }

    /// Opens a new call for an INVITE and asks the dial plan. Nothing is stored before it has answered.
    fn open_call(&mut self, call: NewCallParts, now: Timestamp) {
        let NewCallParts { tenant, caller, caller_name, diverted, dialled, dialog, link, party, .. } = call;
        let NewCallParts { hops_left, encryption, invite, user_to_user, location, identity, verdict, way, .. } = call;
        let instance = call.instance;
        let conn_id = self.ids.next_conn_id(now);
        let uuid = self.ids.next_uuid();
        let dtmf = self.dtmf_of_caller(&tenant, &caller);
        let terms = self.terms_of_caller(&tenant, &caller);
        self.agent.set_terms(dialog, terms);
        let data = self.first_data(&tenant, &caller, verdict.as_ref());
        let incoming = Incoming { tenant: tenant.clone(), conn_id, uuid, token: model::Token(1), caller, dialled };
        let mut thread = Thread::new(incoming, now);
        if self.may_go_directly(&tenant, &thread.first().caller, dialog) {
            thread.answer_late();
        }
        if !data.is_empty() {
            thread.bring(data);
        }
        let mut leg = Leg::new(CALLER_LEG, link, LegStage::Offered, now);
        leg.phone = Some(dialog);
        (leg.party, leg.hops_left, leg.encryption, leg.dtmf) = (party, hops_left, encryption, dtmf);
        (leg.user_to_user, leg.location, leg.sips) = (user_to_user, location, way == CallerWay::Sips);
        (leg.instance, leg.sips_in_the_clear) = (instance, way == CallerWay::SipsInTheClear);
        let place = Place { conn_id, leg: leg.id, side: Side::Phone };
        self.calls.bind(dialog, place);
        let entry = Entry {
            caller_name,
            diverted,
            identity,
            verdict,
            index: vec![CallIndex::Invite(invite.clone())],
            invite: Some(invite),
            ..Entry::new(tenant.clone(), thread, vec![leg])
        };
        self.begin_call(conn_id, entry, now);
        self.explain_diversions(conn_id, now);
        self.explain_verdict(conn_id, now);
        let identity = self.identity(tenant, place, link);
        if let Err(error) = self.agent.identify(dialog, identity) {
            tracing::warn!(%conn_id, %error, "an INVITE ended before it was processed");
        }
        self.call_changed(conn_id, now);
    }

    /// A phone that talks in a thread makes a further call: it may be about to transfer the first one, by REFER with Replaces.
    fn add_call(&mut self, thread: ConnId, call: NewCallParts, now: Timestamp) {
        let (conn_id, uuid) = (self.ids.next_conn_id(now), self.ids.next_uuid());
        let Some(entry) = self.calls.get_mut(&thread) else { return };
        let (tenant, caller, dialled) = (call.tenant.clone(), call.caller.clone(), call.dialled.clone());
        let incoming = Incoming { tenant, conn_id, uuid, token: entry.thread.token(), caller, dialled };
        let id = entry.thread.add(incoming, now);
        let invite = call.invite.clone();
        self.add_leg(thread, id, call, now);
        if let Some(leg) = self.leg_mut(thread, id) {
            leg.unindexed = Some(invite);
        }
    }

    /// The dial plan has answered a further call of a thread, so that its INVITE will not join another thread: from now on it leads here.
    pub(in crate::sip_cluster::node) fn index_invite(&mut self, conn_id: ConnId, ask: u32) {
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        let Some(leg) = entry.thread.asks_on(ask) else { return };
        let invite = entry.leg_mut(leg).and_then(|leg| leg.unindexed.take());
        entry.index.extend(invite.map(CallIndex::Invite));
    }

    /// Gives a thread the leg of an INVITE. The index of the ledger does not get that INVITE: if the phone has used its Call-ID and tag for
    /// another call, the ledger would refuse the whole thread.
    pub(super) fn add_leg(&mut self, thread: ConnId, id: LegId, call: NewCallParts, now: Timestamp) {
        let NewCallParts { tenant, dialog, link, party, hops_left, encryption, .. } = call;
        let NewCallParts { invite, user_to_user, location, instance, way, .. } = call;
        let Some(entry) = self.calls.get_mut(&thread) else { return };
        let mut leg = Leg::new(id, link, LegStage::Offered, now);
        (leg.phone, leg.party, leg.hops_left) = (Some(dialog), party, hops_left);
        (leg.encryption, leg.user_to_user, leg.location) = (encryption, user_to_user, location);
        (leg.sips, leg.instance) = (way == CallerWay::Sips, instance);
        leg.sips_in_the_clear = way == CallerWay::SipsInTheClear;
        entry.legs.push(leg);
        self.trace.name(&tenant, thread, &invite.call_id, now);
        let place = Place { conn_id: thread, leg: id, side: Side::Phone };
        self.calls.bind(dialog, place);
        self.calls.know_phone(thread, id);
        self.metrics.call_offered();
        let identity = self.identity(tenant, place, link);
        if let Err(error) = self.agent.identify(dialog, identity) {
            tracing::warn!(conn_id = %thread, %error, "an INVITE ended before it was processed");
        }
        self.set_current(thread);
        self.call_changed(thread, now);
    }

    /// Takes a new call in.
    pub(super) fn begin_call(&mut self, conn_id: ConnId, entry: Entry, now: Timestamp) {
        self.trace_call(&entry, TraceBegin::NewCall, now);
        self.calls.insert(conn_id, entry);
        self.metrics.calls.set(i64::try_from(self.calls.len()).unwrap_or(i64::MAX));
        self.metrics.call_offered();
    }

    /// Whether this node takes new calls.
    pub(super) fn takes_calls(&self) -> bool {
        let few = self.calls.len() < self.limits.asking_max;
        let asking = || self.calls.values().filter(|entry| entry.stored == Stored::No).count();
        let full = self.calls() >= self.limits.calls_max || (!few && asking() >= self.limits.asking_max);
        !self.draining && self.has_room && !full
    }

    /// Whether a call comes by a trunk that has as many as it takes, which is counted.
    pub(super) fn comes_by_full_trunk(&mut self, tenant: &TenantId, caller: &Caller) -> bool {
        let is_full = matches!(caller, Caller::Trunk { trunk, .. } if self.is_full(tenant, trunk));
        if is_full {
            self.metrics.trunk_full();
        }
        is_full
    }

    fn accept(&mut self, dialog: DialogId, request: &Message, flow: Flow) -> Result<NewCallParts, Refusal> {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        let Flow::Stream { connection: link } = flow else {
            return Err(StatusCode::FORBIDDEN.into());
        };
        let InviteSource { tenant, mut caller } = InviteSource::of(request).ok_or(StatusCode::FORBIDDEN)?;
        if let Caller::Trunk { trunk, number } = &mut caller
            && let Some(meant) = (self.received)(&tenant, trunk, number)
        {
            *number = meant;
        }
        if self.comes_by_full_trunk(&tenant, &caller) {
            // Without Retry-After: for that time its carrier would send no call by any other trunk either, nor any to another tenant
            // (RFC 3261 section 21.5.4).
            return Err(StatusCode::SERVICE_UNAVAILABLE.into());
        }
        request.request_uri().ok_or(BAD)?;
        let way = CallerWay::of(request);
        if matches!(caller, Caller::Trunk { .. }) && way == CallerWay::SipsInTheClear {
            let warning = Some(super::sips::NOT_ALLOWED.to_owned());
            return Err(Refusal { warning, ..StatusCode::TEMPORARILY_UNAVAILABLE.into() });
        }
        let dialled = dialled(request).ok_or(StatusCode::NOT_FOUND)?;
        let instance = meant(request);
        let from = request.from().map_err(|_| BAD)?;
        // Refused before a phone rings for a call without usable audio.
        let encryption = self.encryption_of_caller(&tenant, &caller);
        let offer = self.agent.leg(dialog).and_then(|leg| leg.offer_answer.open());
        if let Some(refusal) =
            offer.and_then(|offer| session::refusal(offer, &self.codecs_of_caller(&tenant, &caller), encryption))
        {
            return Err(refusal);
        }
        let invite = DialogKey {
            call_id: request.call_id().map_err(|_| BAD)?.to_owned(),
            from_tag: from.tag().unwrap_or_default().to_owned(),
        };
        let mut caller_name = from.display_name().into_owned();
        truncate(&mut caller_name, NAME_MAX);
        let hops_left = request.max_forwards().map_err(|_| BAD)?.unwrap_or(MAX_FORWARDS).min(MAX_FORWARDS);
        let party = party(request);
        // A phone says nothing about others that its carrier would have to believe, and signs for nobody.
        let (diverted, identity) = match &caller {
            Caller::Trunk { .. } => (Diversions::read(request), stir::passed_on(request)),
            Caller::Phone(_) => (Diversions::default(), Vec::new()),
        };
        Ok(NewCallParts {
            tenant,
            caller,
            caller_name,
            diverted,
            identity,
            verdict: None,
            user_to_user: user_to_user::passed_on(request),
            location: None,
            dialled,
            instance,
            dialog,
            link,
            party,
            hops_left,
            encryption,
            invite,
            way,
        })
    }
}

/// The host that a message comes from, as the proxy has seen it.
pub(in crate::sip_cluster::node) fn party(message: &Message) -> Option<IpAddr> {
    message.header(&headers::PARTY)?.parse().ok()
}

/// The number that the Request-URI names. Of the emergency service the dial plan knows it.
pub(in crate::sip_cluster::node) fn dialled(request: &Message) -> Option<String> {
    let uri = Uri::parse(request.request_uri()?).ok()?;
    if uri.is_emergency() {
        return Some(EMERGENCY_SERVICE.to_owned());
    }
    uri.user().map(|user| unescape(user).into_owned())
}

/// The one phone that the Request-URI names, if it is a GRUU. Whether that is one of ours, the dial plan says: an emergency number is reached
/// whatever stands behind it.
pub(in crate::sip_cluster::node) fn meant(request: &Message) -> Option<Instance> {
    sip::instance::meant(&Uri::parse(request.request_uri()?).ok()?)
}

/// The caller: the source that the proxy has established, and for a trunk the number that it presents.
fn caller(request: &Message) -> Option<Caller> {
    let source = request.header(&headers::SOURCE)?;
    let (kind, parameter) = source.split_once(';')?;
    let (name, value) = parameter.trim().split_once('=')?;
    let value = unquote(value);
    match (kind.trim(), name) {
        ("phone", "dn") => Some(Caller::Phone(Dn::parse(&value).ok()?)),
        ("trunk", "name") => Some(Caller::Trunk { trunk: value.into_owned(), number: presented(request) }),
        _ => None,
    }
}

/// The number that a trunk presents.
fn presented(request: &Message) -> String {
    let is_private = request.headers(&HeaderName::Privacy).any(wants_privacy);
    let shown = asserted(request).filter(|(_, is_hidden)| !is_hidden && !is_private);
    let mut number = shown.map_or_else(|| ANONYMOUS.to_owned(), |(number, _)| number);
    truncate(&mut number, NAME_MAX);
    number
}

/// The number from which a trunk says that a call comes, and whether its address hides it: P-Asserted-Identity (RFC 3325), since trunks are
/// trusted; else From. The header may have two addresses, a SIP and a tel URI (section 9.1); the first with a number counts.
pub(super) fn asserted(request: &Message) -> Option<(String, bool)> {
    let addresses = request.addresses(HeaderName::PAssertedIdentity).filter_map(Result::ok);
    let mut numbers = addresses.filter_map(|address| Some((number_of(&address)?, is_hidden(&address))));
    let of_from = || Some((request.from().ok().as_ref().and_then(number_of)?, false));
    numbers.next().or_else(of_from)
}

/// Whether an address says of itself that nobody is to see it, as Remote-Party-ID does, which a rule of the trunk may have put there.
fn is_hidden(address: &NameAddr<'_>) -> bool {
    address.params().find("privacy").is_some_and(|privacy| !privacy.unquoted().eq_ignore_ascii_case("off"))
}

/// The number that an address names; none if it names a host alone.
pub(super) fn number_of(address: &NameAddr<'_>) -> Option<String> {
    let uri = address.uri().ok()?;
    // tel:+1-555;phone-context=... (RFC 3966)
    let tel = || (uri.scheme() == Scheme::Tel).then(|| uri.opaque().split(';').next()).flatten();
    // Parameters of a number, like verstat, are no part of it (RFC 3966 section 3).
    let user = uri.user().and_then(|user| user.split(';').next()).filter(|user| !user.is_empty());
    let number = unescape(user.or_else(tel)?);
    // Nor are they where they were escaped: written out again, they would be parameters of ours.
    number.split(';').next().filter(|number| !number.is_empty()).map(str::to_owned)
}

/// Whether a caller wants its number to be shown to nobody (RFC 3323 section 4.2, RFC 3325 section 9.3).
fn wants_privacy(value: &str) -> bool {
    value.split(';').any(|word| ["id", "user", "header"].iter().any(|wanted| word.trim().eq_ignore_ascii_case(wanted)))
}

fn truncate(text: &mut String, max: usize) {
    if text.len() > max {
        let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented_by(headers: &str) -> String {
        let text = format!(
            "INVITE sip:1@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:anonymous@anonymous.invalid>;tag=a\r\n\
             To: <sip:1@b>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        presented(&Message::parse(text.into()).unwrap())
    }

    #[test]
    fn a_trunk_presents_the_asserted_number_and_else_from() {
        assert_eq!(presented_by(""), "anonymous");
        assert_eq!(presented_by("P-Asserted-Identity: \"Ann\" <sip:+15550100@carrier.example>\r\n"), "+15550100");
        let pair = "P-Asserted-Identity: <sip:carrier.example>, <sip:+15550100@carrier.example>\r\n";
        assert_eq!(presented_by(pair), "+15550100");
        let pair = "p-asserted-identity: <sip:+15550100@carrier.example>, <tel:+15550100>\r\n";
        assert_eq!(presented_by(pair), "+15550100");
        assert_eq!(presented_by("P-Asserted-Identity: <tel:+15550100;phone-context=carrier.example>\r\n"), "+15550100");
        assert_eq!(presented_by("P-Asserted-Identity: nobody knows\r\n"), "anonymous");
        let verified = "P-Asserted-Identity: <sip:+15550100;verstat=TN-Validation-Passed@carrier.example>\r\n";
        assert_eq!(presented_by(verified), "+15550100");
        assert_eq!(presented_by(&format!("{verified}Privacy: id; critical\r\n")), "anonymous");
        let of_party = "P-Asserted-Identity: <sip:+15550100@carrier.example>;party=calling;privacy=";
        assert_eq!(presented_by(&format!("{of_party}full\r\n")), "anonymous");
        assert_eq!(presented_by(&format!("{of_party}off\r\n")), "+15550100");
        assert_eq!(presented_by("P-Asserted-Identity: <tel:>\r\n"), "anonymous");
        let escaped = "P-Asserted-Identity: <sip:+15550100%3Bverstat=TN-Validation-Passed@carrier.example>\r\n";
        assert_eq!(presented_by(escaped), "+15550100");
    }
}
