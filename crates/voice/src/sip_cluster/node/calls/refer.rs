//! Transfers that a phone makes by itself, with REFER (RFC 3515, RFC 5589).

use call::Input;
use model::{ConnId, Dn, LegId, Timestamp};
use sip::agent::{Body, CommandError, DialogId, IncomingId, Reply};
use sip::uri::escape::unescape;
use sip::{HeaderName, Message, StatusCode};

use super::leg::{LegStage, Place, Side};
use super::to_sip::note;
use crate::sip_cluster::node::Node;

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
            match (place.filter(|place| place.side == Side::Phone).filter(is_up), destination(message)) {
                (None, _) => (StatusCode::FORBIDDEN, None),
                (_, Err(status)) => (status, None),
                (Some(place), Ok(to)) => (StatusCode::ACCEPTED, Some((place, to))),
            };
        note("the answer to a REFER", self.agent.respond(request, Reply::new(status), now));
        if let Some((Place { conn_id, leg, .. }, to)) = place {
            self.notify_transfer(conn_id, leg, StatusCode::TRYING, ACTIVE, now);
            self.feed(conn_id, Input::LegTransfers { leg, to }, now);
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
        self.notify_transfer(conn_id, leg, status, TERMINATED, now);
    }

    fn notify_transfer(&mut self, conn_id: ConnId, leg: LegId, status: StatusCode, state: &str, now: Timestamp) {
        let phone = self.leg(conn_id, leg).and_then(|leg| leg.phone);
        let headers = vec![(HeaderName::Event, PACKAGE.to_owned()), (HeaderName::SubscriptionState, state.to_owned())];
        let body = Body::new(SIPFRAG, format!("SIP/2.0 {} {}\r\n", status.0, status.reason()));
        let sent = phone.ok_or(CommandError::Gone).and_then(|phone| self.agent.notify(phone, body, headers, now));
        note("a notice of a transfer", sent.map(drop));
    }
}

/// The number that a REFER names.
fn destination(message: &Message) -> Result<Dn, StatusCode> {
    let mut named = message.addresses(HeaderName::ReferTo);
    let (Some(Ok(to)), None) = (named.next(), named.next()) else { return Err(StatusCode::BAD_REQUEST) };
    let uri = to.uri().map_err(|_| StatusCode::BAD_REQUEST)?;
    // Replaces: the phone has another call with the destination (RFC 3891). REFER of another method transfers nothing.
    if !uri.headers().is_empty() || uri.params().get("method").is_some() {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    let user = uri.user().ok_or(StatusCode::BAD_REQUEST)?;
    Dn::parse(&unescape(user)).map_err(|_| StatusCode::NOT_FOUND)
}
