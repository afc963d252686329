//! The counts of the edge, apart for phones and carriers.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use net::sip::tcp::MeterOf;
use runtime::{PeerMeter, RoleContext};
use sip::proxy::Trunks;

use super::listeners::{StreamListener, StreamListeners};

/// Sources on a trunk's list that are remembered as phones; the first one noted is forgotten for one more, until it authenticates again.
const PHONES_MAX: usize = 10_000;

/// The meters of the edge: a datagram or connection belongs to a trunk if its address is on a trunk's list, else to a phone.
/// A source on the list that authenticates as a phone is one all the same: on a single machine both have the same address.
#[derive(Clone)]
pub(super) struct Meters {
    phone: PeerMeter,
    carrier: PeerMeter,
    to_carrier: PeerMeter,
    trunks: Arc<RwLock<Arc<Trunks>>>,
    phones: Arc<RwLock<PhonesOfTrunks>>,
}

/// Phones at the addresses of trunks.
#[derive(Debug, Default)]
struct PhonesOfTrunks {
    known: HashSet<SocketAddr>,
    /// Each of them once, the first one noted in front.
    order: VecDeque<SocketAddr>,
}

impl PhonesOfTrunks {
    fn note(&mut self, remote: SocketAddr) {
        if !self.known.insert(remote) {
            return;
        }
        self.order.push_back(remote);
        if self.order.len() > PHONES_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.known.remove(&first);
        }
    }
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

    pub(super) fn set_trunks(&self, trunks: Arc<Trunks>) {
        *self.trunks.write().unwrap_or_else(std::sync::PoisonError::into_inner) = trunks;
    }

    fn is_trunk(&self, remote: SocketAddr) -> bool {
        self.trunks().contains(remote.ip()) && !self.is_phone(remote)
    }

    /// Whether an address alone makes a trunk of who sends from it, without a certificate or a password.
    pub(super) fn is_known(&self, remote: SocketAddr) -> bool {
        self.trunks().knows_by_address(remote.ip())
    }

    fn trunks(&self) -> RwLockReadGuard<'_, Arc<Trunks>> {
        // Written when configuration changes, read by the loop alone: never contended.
        self.trunks.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn is_phone(&self, remote: SocketAddr) -> bool {
        self.phones.read().unwrap_or_else(std::sync::PoisonError::into_inner).known.contains(&remote)
    }

    /// A phone has authenticated at the address of a trunk.
    pub(super) fn note_phone(&self, remote: SocketAddr) {
        self.phones.write().unwrap_or_else(std::sync::PoisonError::into_inner).note(remote);
    }

    fn of(&self, remote: SocketAddr) -> &PeerMeter {
        if self.is_trunk(remote) { &self.carrier } else { &self.phone }
    }

    pub(super) fn received(&self, remote: SocketAddr, bytes: &[u8]) {
        // A connection that failed before was not the only way.
        if bytes.starts_with(b"SIP/2.0 ") && self.is_trunk(remote) {
            self.to_carrier.answered();
        }
        // No carrier registers with us. Anybody can send such a datagram in its name, so that it says nothing of the next one.
        let meter = if bytes.starts_with(b"REGISTER ") { &self.phone } else { self.of(remote) };
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
    use sip::proxy::{InboundPassword, Network, Trunk};

    use super::*;

    /// The meters of an edge with the trunk of 192.0.2.9, and what they are read from.
    fn edge() -> (Meters, AllMeters) {
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
            inbound: InboundPassword::NotAsked,
        };
        meters.set_trunks(Arc::new([trunk].into_iter().collect()));
        (meters, all)
    }

    #[test]
    fn who_registers_at_the_address_of_a_carrier_is_a_phone_once_it_has_authenticated() {
        let (meters, _) = edge();
        let at = |port: u16| SocketAddr::from(([192, 0, 2, 9], port));
        meters.received(at(5_060), b"REGISTER sip:acme.example SIP/2.0");
        assert!(meters.is_trunk(at(5_060)), "anybody may have sent that");
        meters.note_phone(at(5_062));
        assert!(!meters.is_trunk(at(5_062)) && meters.is_trunk(at(5_060)));
        for port in 10_000..10_000 + u16::try_from(PHONES_MAX).unwrap() {
            meters.note_phone(at(port));
        }
        assert!(meters.is_trunk(at(5_062)), "the first one noted is forgotten");
        assert_eq!(meters.phones.read().unwrap().known.len(), PHONES_MAX);
    }

    #[test]
    fn a_carrier_that_answers_by_udp_has_not_failed() {
        let (meters, all) = edge();
        let state = || all.report().into_iter().find(|row| row.id == "voice-59").map(|row| row.state);
        meters.to_carrier.error();
        meters.sent("192.0.2.9:5060".parse().unwrap(), b"INVITE sip:1@192.0.2.9 SIP/2.0");
        meters.received("192.0.2.10:5060".parse().unwrap(), b"SIP/2.0 200 OK");
        assert_eq!(state(), Some(State::Failing), "somebody else");
        meters.received("192.0.2.9:5060".parse().unwrap(), b"SIP/2.0 100 Trying");
        assert_eq!(state(), Some(State::Idle));
    }
}
