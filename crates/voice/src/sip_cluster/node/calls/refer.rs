//! Transfers that a phone makes by itself, with REFER (RFC 3515, RFC 5589).

use call::Input;
use model::{ConnId, Dn, LegId, Timestamp};
use sip::agent::{Body, CommandError, DialogId, IncomingId, Reply};
use sip::uri::Scheme;
use sip::uri::escape::unescape;
use sip::{HeaderName, Instance, Message, Method, Replaces, StatusCode};

use super::leg::{LegStage, Place, ReferNo, Side};
use super::to_sip::note;
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::lookup::Lookup;

/// The event package of the implicit subscription.
const PACKAGE: &str = "refer";
/// The body of its notices: the status line of a response (RFC 3420).
const SIPFRAG: &str = "message/sipfrag;version=2.0";
/// How long the dial plan may take, with a margin.
const ACTIVE: &str = "active;expires=60";
const TERMINATED: &str = "terminated;reason=noresource";

impl Node {
    /// A party's phone transfers the call.
    pub(in crate::sip_cluster::node) fn referred(
        &mut self,
        dialog: DialogId,
        request: IncomingId,
        message: &Message,
        now: Timestamp,
    ) {
        let place = self.place(dialog);
        let is_up = |place: &Place| self.leg(place.conn_id, place.leg).is_some_and(|leg| leg.stage == LegStage::Up);
        let (status, place) =
            match (place.filter(|place| place.side == Side::Phone).filter(is_up), Self::referred_to(message)) {
                (None, _) => (StatusCode::FORBIDDEN, None),
                (_, Err(status)) => (status, None),
                (Some(place), Ok(to)) => (StatusCode::ACCEPTED, Some((place, to))),
            };
        note("the answer to a REFER", self.agent.respond(request, Reply::new(status), now));
        if let Some((place, to)) = place {
            self.transfer(place, message, to, now);
        }
    }

    fn transfer(&mut self, place: Place, refer: &Message, to: ReferredTo, now: Timestamp) {
        let Place { conn_id, leg: id, .. } = place;
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        let is_first = !std::mem::replace(&mut leg.has_referred, true);
        let number = ReferNo(refer.cseq().ok().filter(|_| !is_first).map(|cseq| cseq.number));
        let before = (leg.refer.replace(number), leg.instance.clone(), leg.refers_to_sips);
        self.notify_transfer(conn_id, id, number, (StatusCode::TRYING, ACTIVE), now);
        match to {
            ReferredTo::Number { number: to, instance, by_tls } => {
                if let Some(leg) = self.leg_mut(conn_id, id) {
                    (leg.instance, leg.refers_to_sips) = (instance, by_tls);
                }
                self.feed(conn_id, Input::LegTransfers { leg: id, to }, now);
            }
            ReferredTo::Dialog(replaces) => self.transfer_by(place, &replaces, now),
        }
        // One that is refused at once leaves the one before under way, to the phone that that one has named.
        if let Some(leg) = self.leg_mut(conn_id, id)
            && leg.refer.is_none()
        {
            (leg.refer, leg.instance, leg.refers_to_sips) = before;
        }
    }

    /// A phone transfers to the other end of a dialog whose call is not here: that one is claimed first.
    pub(in crate::sip_cluster::node) fn sought_by_refer(&self, message: &Message) -> Option<Lookup> {
        if message.method() != Method::Refer || !message.is_request() {
            return None;
        }
        let place = self.calls.place_of(self.agent.dialog_by_tag(message.to().ok()?.tag()?)?)?;
        let tenant = &self.calls.get(&place.conn_id)?.tenant;
        let Ok(ReferredTo::Dialog(replaces)) = Self::referred_to(message) else { return None };
        let tags = Replaces::parse(&replaces)?.tags();
        let other = tags.into_iter().find_map(|tag| self.ids.open(tag)).filter(|tag| tag.tenant == *tenant)?.call;
        let is_here = self.calls.thread_of(other).is_some();
        (!is_here).then(|| Lookup::to_join(tenant.clone(), other))
    }

    /// Joins who talks with a phone by this leg with who does so by another dialog of it, which may be in another thread.
    pub(super) fn transfer_by(&mut self, place: Place, replaces: &str, now: Timestamp) {
        let Place { conn_id, leg, .. } = place;
        let other = match self.leg_named(place, replaces) {
            // Not a 481: that would end the dialog that it comes in (RFC 3261 section 12.2.1.2).
            None => return self.tell_transfer(conn_id, leg, StatusCode::CALL_DOES_NOT_EXIST, now),
            Some((thread, other)) if thread == conn_id => Some(other),
            Some(other) => self.meet_at(place, other, now),
        };
        match other {
            Some(other) => {
                self.feed(conn_id, Input::LegTransfersTo { leg, other }, now);
                self.sound_again(conn_id, now);
            }
            None => self.tell_transfer(conn_id, leg, StatusCode::DECLINE, now),
        }
    }

    /// Tells the phone how its transfer went.
    pub(in crate::sip_cluster::node) fn tell_transfer(
        &mut self,
        conn_id: ConnId,
        leg: LegId,
        status: StatusCode,
        now: Timestamp,
    ) {
        self.note_transfer(conn_id, leg, status);
        let refer = self.leg_mut(conn_id, leg).and_then(|leg| leg.refer.take());
        self.notify_transfer(conn_id, leg, refer.unwrap_or(ReferNo(None)), (status, TERMINATED), now);
    }

    fn notify_transfer(
        &mut self,
        conn_id: ConnId,
        leg: LegId,
        refer: ReferNo,
        (status, state): (StatusCode, &str),
        now: Timestamp,
    ) {
        let phone = self.leg(conn_id, leg).and_then(|leg| leg.phone);
        let event = refer.0.map_or_else(|| PACKAGE.to_owned(), |number| format!("{PACKAGE};id={number}"));
        let headers = vec![(HeaderName::Event, event), (HeaderName::SubscriptionState, state.to_owned())];
        let body = Body::new(SIPFRAG, format!("SIP/2.0 {} {}\r\n", status.0, status.reason()));
        let sent = phone.ok_or(CommandError::Gone).and_then(|phone| self.agent.notify(phone, body, headers, now));
        note("a notice of a transfer", sent.map(drop));
    }
}

/// To whom a REFER transfers.
enum ReferredTo {
    /// A number.
    Number {
        number: Dn,
        /// The one phone of it that is meant.
        instance: Option<Instance>,
        /// Whether it is to be rung by TLS: the URI is one of `sips:`.
        by_tls: bool,
    },
    /// Who talks with the phone by another dialog, as a Replaces names it.
    Dialog(String),
}

impl Node {
    /// The destination that a REFER names.
    fn referred_to(message: &Message) -> Result<ReferredTo, StatusCode> {
        let mut named = message.addresses(HeaderName::ReferTo);
        let (Some(Ok(to)), None) = (named.next(), named.next()) else { return Err(StatusCode::BAD_REQUEST) };
        let uri = to.uri().map_err(|_| StatusCode::BAD_REQUEST)?;
        // REFER of another method transfers nothing.
        if uri.params().get("method").is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
            return Err(StatusCode::NOT_IMPLEMENTED);
        }
        let replaces = uri.headers().split('&').find_map(|header| {
            let (name, value) = header.split_once('=')?;
            name.eq_ignore_ascii_case("Replaces").then(|| unescape(value).into_owned())
        });
        match replaces {
            Some(replaces) => Ok(ReferredTo::Dialog(replaces)),
            None if !uri.headers().is_empty() => Err(StatusCode::NOT_IMPLEMENTED),
            None => {
                let user = uri.user().ok_or(StatusCode::BAD_REQUEST)?;
                let number = Dn::parse(&unescape(user)).map_err(|_| StatusCode::NOT_FOUND)?;
                let by_tls = uri.scheme() == Scheme::Sips;
                Ok(ReferredTo::Number { number, instance: sip::instance::meant(&uri), by_tls })
            }
        }
    }

    /// The leg that a Replaces names, and its thread; the other phone may still ring.
    fn leg_named(&self, place: Place, replaces: &str) -> Option<(ConnId, LegId)> {
        let tenant = &self.calls.get(&place.conn_id)?.tenant;
        let (thread, leg) = self.replaced(tenant, &Replaces::parse(replaces)?)?;
        let is_open = self.leg(thread, leg).is_some_and(|leg| leg.stage != LegStage::Closing);
        is_open.then_some((thread, leg))
    }
}
