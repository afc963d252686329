//! The counts of the edge, apart for phones and carriers.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use net::sip::tcp::MeterOf;
use runtime::{PeerMeter, RoleContext};
use sip::proxy::Trunks;

use super::listeners::{StreamListener, StreamListeners};

/// Sources on a trunk's list that are remembered as registered; more are counted as carriers.
const PHONES_MAX: usize = 10_000;

/// The meters of the edge: a datagram or connection belongs to a trunk if its address is on a trunk's list, else to a phone.
/// A source on the list that registers is a phone all the same: on a single machine both have the same address.
#[derive(Clone)]
pub(super) struct Meters {
    phone: PeerMeter,
    carrier: PeerMeter,
    to_carrier: PeerMeter,
    trunks: Arc<RwLock<Trunks>>,
    phones: Arc<RwLock<HashSet<SocketAddr>>>,
}

impl Meters {
    pub(super) fn new(ctx: &RoleContext) -> Self {
        Self {
            phone: ctx.meter("own-17").peer("phones"),
            carrier: ctx.meter("own-18").peer("carriers"),
            to_carrier: ctx.meter("voice-59").peer("carriers"),
            trunks: Arc::default(),
            phones: Arc::default(),
        }
    }

    /// Chooses the meter of each connection.
    pub(super) fn of_connections(&self, ctx: &RoleContext, listeners: StreamListeners) -> MeterOf {
        let (edge, ctx) = (self.clone(), ctx.clone());
        Box::new(move |remote, listener| match listeners.kind(listener) {
            None => Some(edge.to_carrier.clone()),
            Some(StreamListener::Edge) => Some(edge.of(remote).clone()),
            Some(StreamListener::Ingress) => Some(ctx.meter("own-24").peer(&ctx.directory.node_at(remote.ip()))),
            Some(StreamListener::WebEdge) => Some(edge.phone.clone()),
            Some(StreamListener::Nodes) => {
                let id = match ctx.directory.role_at(remote.ip())? {
                    "sip-cluster" => "voice-51",
                    "media" => "voice-58",
                    "registrar" => "own-01",
                    _ => return None,
                };
                Some(ctx.meter(id).peer(&ctx.directory.node_at(remote.ip())))
            }
        })
    }

    pub(super) fn set_trunks(&self, trunks: Trunks) {
        *self.trunks.write().unwrap_or_else(std::sync::PoisonError::into_inner) = trunks;
    }

    fn is_trunk(&self, remote: SocketAddr) -> bool {
        self.is_listed(remote) && !self.has_registered(remote)
    }

    /// Whether an address is on a trunk's list.
    pub(super) fn is_listed(&self, remote: SocketAddr) -> bool {
        // Written when configuration changes, read by the loop alone: never contended.
        let trunks = self.trunks.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        trunks.contains(remote.ip())
    }

    fn has_registered(&self, remote: SocketAddr) -> bool {
        self.phones.read().unwrap_or_else(std::sync::PoisonError::into_inner).contains(&remote)
    }

    fn note_registration(&self, remote: SocketAddr) {
        if self.is_trunk(remote) {
            let mut phones = self.phones.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            if phones.len() < PHONES_MAX {
                phones.insert(remote);
            }
        }
    }

    fn of(&self, remote: SocketAddr) -> &PeerMeter {
        if self.is_trunk(remote) { &self.carrier } else { &self.phone }
    }

    pub(super) fn received(&self, remote: SocketAddr, bytes: &[u8]) {
        if bytes.starts_with(b"REGISTER ") {
            self.note_registration(remote);
        }
        // A connection that failed before was not the only way.
        if bytes.starts_with(b"SIP/2.0 ") && self.is_trunk(remote) {
            self.to_carrier.answered();
        }
        let meter = self.of(remote);
        meter.request();
        meter.bytes_in(bytes.len());
    }

    pub(super) fn sent(&self, remote: SocketAddr, bytes: &[u8]) {
        let meter = match self.is_trunk(remote) {
            true if bytes.starts_with(b"SIP/2.0 ") => &self.carrier,
            true => &self.to_carrier,
            false => &self.phone,
        };
        meter.request();
        meter.bytes_out(bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use infra::SystemClock;
    use model::TenantId;
    use runtime::meter::{Meters as AllMeters, Side, State};
    use sip::proxy::{Network, Trunk};

    use super::*;

    #[test]
    fn a_carrier_that_answers_by_udp_has_not_failed() {
        let all = AllMeters::new(Arc::new(SystemClock::start()));
        let peer = |id: &str, side: Side| all.meter(id, side).peer("carriers");
        let meters = Meters {
            phone: peer("own-17", Side::Accepts),
            carrier: peer("own-18", Side::Accepts),
            to_carrier: peer("voice-59", Side::Opens),
            trunks: Arc::default(),
            phones: Arc::default(),
        };
        let trunk = Trunk {
            tenant: TenantId::parse("acme").unwrap(),
            name: "carrier".into(),
            allow: vec![Network::parse("192.0.2.9").unwrap()],
            certificate_names: Vec::new(),
            asked: None,
            user: None,
            registrar: None,
        };
        meters.set_trunks([trunk].into_iter().collect());
        let state = || all.report().into_iter().find(|row| row.id == "voice-59").map(|row| row.state);
        meters.to_carrier.error();
        meters.sent("192.0.2.9:5060".parse().unwrap(), b"INVITE sip:1@192.0.2.9 SIP/2.0");
        meters.received("192.0.2.10:5060".parse().unwrap(), b"SIP/2.0 200 OK");
        assert_eq!(state(), Some(State::Failing), "somebody else");
        meters.received("192.0.2.9:5060".parse().unwrap(), b"SIP/2.0 100 Trying");
        assert_eq!(state(), Some(State::Idle));
    }
}
