//! Carriers that are asked by OPTIONS whether they are there: one that is not gets no call, and the next trunk is tried at once.
//!
//! Each address of a carrier is judged by itself, and each name by which it is asked: whoever asks by a wrong one hears nothing, and must not
//! move the calls of others. It is down after [`MISSES`] questions without an answer, and up after [`ANSWERS`] answers, so that one lost
//! datagram moves no calls.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{TenantId, Timestamp};

use crate::flow::Flow;
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::next_hop::{Hop, Lookup, UriHop};
use crate::proxy::exchange::{Origin, Stage, Target};
use crate::proxy::{Output, Proxy, Trunk};
use crate::status::StatusCode;
use crate::transaction::{ClientRequest, ServerId};

/// How often a carrier is asked.
pub const ASK_EACH: Duration = Duration::from_secs(10);
/// How long it has for an answer. Six repeats of the question have had no answer then.
const ANSWER_TIME: Duration = Duration::from_secs(4);
/// Questions without an answer, one after the other, after which an address is down.
pub const MISSES: u8 = 2;
/// Answers, one after the other, after which it is up again.
pub const ANSWERS: u8 = 2;
/// Carriers that are asked; further ones count as being there.
const CARRIERS_MAX: usize = 1_024;

/// The carriers that are asked.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Carriers {
    asked: HashMap<UriHop, AskedCarrier>,
    /// By address, then by the name by which it is asked. At most one for each address of a carrier that is asked.
    health: HashMap<Hop, HashMap<Box<str>, Health>>,
    next: Option<Timestamp>,
    /// Whether something may have been judged that nobody asks any more.
    is_stale: bool,
}

#[derive(Debug)]
struct AskedCarrier {
    due: Timestamp,
    /// The addresses that its name led to last.
    hops: Vec<Hop>,
}

impl AskedCarrier {
    /// After how many turns its next one is later than now. It keeps its place among the others, also after a suspension of the process.
    fn turns_until(&self, now: Timestamp) -> u32 {
        let missed = now.since(self.due).as_millis() / ASK_EACH.as_millis();
        u32::try_from(missed).unwrap_or_default().saturating_add(1)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    is_down: bool,
    /// Questions in a row that speak against `is_down`.
    against: u8,
    /// Whether it was ever shown. A name that is asked for the first time counts as being there, and says nothing about its address.
    is_shown: bool,
}

impl Health {
    const fn has_just_answered(self) -> bool {
        self.is_shown && !self.is_down && self.against == 0
    }
}

impl Carriers {
    /// Asks these from now on, and no others. New ones are asked one after the other, over the time in which each is asked once.
    pub(in crate::proxy) fn set(&mut self, places: impl Iterator<Item = UriHop>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.asked);
        let mut fresh = Vec::new();
        for place in places {
            if self.asked.len() >= CARRIERS_MAX {
                break;
            }
            if self.asked.contains_key(&place) {
                continue;
            }
            let known = before.remove(&place).unwrap_or_else(|| {
                fresh.push(place.clone());
                AskedCarrier { due: now, hops: Vec::new() }
            });
            self.asked.insert(place, known);
        }
        let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        for (turn, place) in (0..count).zip(&fresh) {
            if let Some(asked) = self.asked.get_mut(place) {
                asked.due = now + ASK_EACH * turn / count;
            }
        }
        self.forget_unasked();
        self.find_next();
    }

    /// Asks nobody any more.
    pub(in crate::proxy) fn stop(&mut self) {
        self.next = None;
        self.asked.values_mut().for_each(|asked| asked.due = Timestamp::MAX);
    }

    /// When one must be asked.
    pub(in crate::proxy) const fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Whether an address has not answered lately, by whichever name it was asked. Under TLS that by this one counts alone: the address may
    /// be unable to prove another.
    pub(in crate::proxy) fn is_down(&self, hop: &Hop, name: &str) -> bool {
        let Some(asked) = self.health.get(hop) else { return false };
        match hop.transport.is_secure() {
            true => asked.iter().any(|(asked, health)| asked.eq_ignore_ascii_case(name) && health.is_down),
            false => is_down_by_all(asked),
        }
    }

    /// Whether an address has answered the last question. Under TLS that by this name counts alone.
    pub(in crate::proxy) fn has_just_answered(&self, hop: &Hop, name: &str) -> bool {
        let Some(asked) = self.health.get(hop) else { return false };
        let counts = |asked: &str| !hop.transport.is_secure() || asked.eq_ignore_ascii_case(name);
        asked.iter().any(|(asked, health)| counts(asked) && health.has_just_answered())
    }

    /// The number of addresses that are down, under TLS by a name.
    pub(in crate::proxy) fn down(&self) -> usize {
        let down_of = |(hop, asked): (&Hop, &HashMap<Box<str>, Health>)| match hop.transport.is_secure() {
            true => asked.values().filter(|health| health.is_down).count(),
            false => usize::from(is_down_by_all(asked)),
        };
        self.health.iter().map(down_of).sum()
    }

    fn take_due(&mut self, now: Timestamp) -> Vec<UriHop> {
        // Once for all names that have led elsewhere since: each time looks at every carrier.
        if std::mem::take(&mut self.is_stale) {
            self.forget_unasked();
        }
        let mut due = Vec::new();
        for (place, asked) in &mut self.asked {
            if asked.due <= now {
                asked.due = asked.due + ASK_EACH * asked.turns_until(now);
                due.push(place.clone());
            }
        }
        self.find_next();
        due
    }

    fn find_next(&mut self) {
        self.next = self.asked.values().map(|asked| asked.due).min();
    }

    fn note_hops(&mut self, place: &UriHop, hops: &[Hop]) {
        let Some(asked) = self.asked.get_mut(place) else { return };
        // Another order, as name servers vary it, leaves nobody unasked.
        self.is_stale |= asked.hops.iter().any(|hop| !hops.contains(hop));
        asked.hops = hops.to_vec();
    }

    /// What nobody asks any more is not down.
    fn forget_unasked(&mut self) {
        let places = self.asked.iter();
        let asked: HashSet<(&Hop, &str)> =
            places.flat_map(|(place, asked)| asked.hops.iter().map(move |hop| (hop, &*place.host))).collect();
        self.health.retain(|hop, judged| {
            judged.retain(|host, _| asked.contains(&(hop, &**host)));
            !judged.is_empty()
        });
    }

    /// Takes the outcome of a question by this name; true if the address is down for it now and was not, or the reverse.
    fn judge(&mut self, hop: Hop, host: &str, is_there: bool) -> bool {
        let health = self.health.entry(hop).or_default().entry(host.into()).or_insert_with(|| {
            // Its trunk may be gone, since it was asked.
            self.is_stale = true;
            Health::default()
        });
        if is_there != health.is_down {
            (health.against, health.is_shown) = (0, true);
            return false;
        }
        health.against += 1;
        let enough = health.against >= if health.is_down { ANSWERS } else { MISSES };
        if enough {
            *health = Health { is_down: !health.is_down, against: 0, is_shown: true };
        }
        enough
    }
}

/// Whether an address has not answered by any of the names by which it is asked.
fn is_down_by_all(asked: &HashMap<Box<str>, Health>) -> bool {
    let mut shown = asked.values().filter(|health| health.is_shown).peekable();
    shown.peek().is_some() && shown.all(|health| health.is_down)
}

/// The places of the carriers that trunks want asked: one of each tenant, then the next of each, so that none takes the room of all.
pub(in crate::proxy) fn asked_in_turn(trunks: &[Arc<Trunk>]) -> impl Iterator<Item = UriHop> {
    let mut of_tenant: HashMap<&TenantId, usize> = HashMap::new();
    let mut places = Vec::new();
    for trunk in trunks {
        let Some(place) = &trunk.asked else { continue };
        let before = of_tenant.entry(&trunk.tenant).or_default();
        places.push((*before, place.clone()));
        *before += 1;
    }
    places.sort_by_key(|(before, _)| *before);
    places.into_iter().map(|(_, place)| place)
}

impl Proxy {
    /// Asks the carriers that are due.
    pub(in crate::proxy) fn ask_carriers(&mut self, now: Timestamp) {
        for place in self.carriers.take_due(now) {
            if let Lookup::None(hop) = place.lookup() {
                self.carriers.note_hops(&place, &[hop]);
                self.ask(hop, &place.host, now);
                continue;
            }
            let stage = Stage::Locating { place: Box::new(place.clone()) };
            if let Some(lookup) = self.hold_own(stage) {
                self.wake(lookup, now + ANSWER_TIME);
                self.outputs.push_back(Output::NeedHops { lookup, place });
            }
        }
    }

    /// The addresses of a carrier that is to be asked. A name that leads nowhere says nothing about an address.
    pub(in crate::proxy) fn located(&mut self, id: u64, hops: Option<Vec<Hop>>, now: Timestamp) {
        let Some(held) = self.exchanges.remove(id) else { return };
        let Stage::Locating { place } = held.stage else { return };
        let Some(hops) = hops else { return };
        self.carriers.note_hops(&place, &hops);
        for hop in hops {
            self.ask(hop, &place.host, now);
        }
    }

    fn ask(&mut self, hop: Hop, host: &str, now: Timestamp) {
        let Some(flow) = self.flow_to(hop, (host, false)) else { return };
        let Some(id) = self.hold_own(Stage::Answered { client_open: false }) else { return };
        let mut message = self.question(hop, host, flow);
        let branch = self.put_via(&mut message, Target::Edge(flow));
        self.note_asked(flow);
        match self.layer.send(ClientRequest { message: &message, branch: &branch, flow, owner: id }, now) {
            Ok(client) => {
                if let Some(held) = self.exchanges.get_mut(id) {
                    held.stage = Stage::Asked { client, hop, host: host.into() };
                }
                self.wake(id, now + ANSWER_TIME);
            }
            // The table of transactions is full: this says nothing about the carrier.
            Err(_) => drop(self.exchanges.remove(id)),
        }
    }

    fn question(&mut self, hop: Hop, host: &str, flow: Flow) -> Message {
        let us = self.edge_at(flow).to_owned();
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let uri = format!("sip:{bracketed}:{}{}", hop.remote.port(), hop.transport.uri_parameter());
        let random = self.entropy.next_u64();
        Message::request(Method::Options, &uri)
            .header(&HeaderName::MaxForwards, 70)
            .header(&HeaderName::From, format_args!("<sip:{us}>;tag={random:x}"))
            .header(&HeaderName::To, format_args!("<sip:{bracketed}>"))
            .header(&HeaderName::CallId, format_args!("{random:x}@{us}"))
            .header(&HeaderName::CSeq, "1 OPTIONS")
            .header(&HeaderName::Contact, format_args!("<sip:{us}{}>", flow.transport().uri_parameter()))
            .header(&HeaderName::Accept, crate::agent::SDP)
            .build()
    }

    /// Holds something that the proxy itself does, for which nobody waits.
    fn hold_own(&mut self, stage: Stage) -> Option<u64> {
        let nobody = Origin::Edge(Flow::Udp { listener: 0, remote: ([0, 0, 0, 0], 0).into() });
        self.hold(ServerId::NONE, false, nobody, stage, Bytes::new())
    }

    /// A carrier has answered, or has not in time. One that says that it takes nothing now is not there either.
    pub(in crate::proxy) fn carrier_said(&mut self, id: u64, status: Option<StatusCode>) {
        if status.is_some_and(StatusCode::is_provisional) {
            return;
        }
        let Some(held) = self.exchanges.remove(id) else { return };
        let Stage::Asked { client, hop, host } = held.stage else { return };
        if status.is_none() {
            self.layer.abandon(client);
        }
        let away = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::REQUEST_TIMEOUT];
        let is_there = status.is_some_and(|status| !away.contains(&status));
        if self.carriers.judge(hop, &host, is_there) {
            self.outputs.push_back(Output::Carrier { host, hop, is_there });
        }
    }

    /// Whether none of these addresses has answered lately: then the call is better tried elsewhere at once.
    pub(in crate::proxy) fn are_all_down(&self, hops: &[Hop], name: &str) -> bool {
        !hops.is_empty() && hops.iter().all(|hop| self.carriers.is_down(hop, name))
    }

    /// Whether this is the client transaction of a question to a carrier.
    pub(in crate::proxy) fn is_question(&self, id: u64) -> bool {
        self.exchanges.get(id).is_some_and(|held| matches!(held.stage, Stage::Asked { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Transport;
    use crate::proxy::InboundPassword;

    const NAME: &str = "sip.carrier.example";

    #[test]
    fn an_address_is_down_after_two_misses_and_up_after_two_answers() {
        let hop = Hop { transport: Transport::Udp, remote: "192.0.2.1:5060".parse().unwrap() };
        let mut carriers = Carriers::default();
        let mut said = Vec::new();
        for is_there in [true, false, true, false, false, false, true, false, true, true, true] {
            carriers.judge(hop, NAME, is_there);
            said.push(carriers.is_down(&hop, NAME));
        }
        let down = [false, false, false, false, true, true, true, true, true, false, false];
        assert_eq!(said, down);
    }

    #[test]
    fn no_tenant_takes_the_room_of_another_ones_carrier() {
        let trunk = |tenant: &str, host: String| Trunk {
            tenant: TenantId::parse(tenant).unwrap(),
            name: "carrier".into(),
            allow: Vec::new(),
            certificate_names: Vec::new(),
            asked: Some(UriHop { host: host.into(), port: None, transport: None, secure: false }),
            user: None,
            registrar: None,
            inbound: InboundPassword::NotAsked,
        };
        let many = (0..CARRIERS_MAX).map(|at| trunk("acme", format!("c{at}.example")));
        let trunks: Vec<Arc<Trunk>> = many.chain([trunk("zenith", NAME.into())]).map(Arc::new).collect();
        let mut carriers = Carriers::default();
        carriers.set(asked_in_turn(&trunks), Timestamp::from_millis(1_000_000));
        assert_eq!(carriers.asked.len(), CARRIERS_MAX);
        assert!(carriers.asked.keys().any(|place| *place.host == *NAME));
    }

    #[test]
    fn carriers_are_asked_one_after_the_other_also_after_a_suspension() {
        let start = Timestamp::from_millis(1_000_000);
        let place =
            |at: u8| UriHop { host: format!("c{at}.example").into(), port: None, transport: None, secure: false };
        let mut carriers = Carriers::default();
        carriers.set((0..100).map(place), start);
        // How many are asked within ten seconds, and the most of them within a tenth of one.
        let within = |carriers: &mut Carriers, from: u64| {
            let at = (from..from + 10_000).step_by(100).map(|passed| start + Duration::from_millis(passed));
            let asked: Vec<usize> = at.map(|now| carriers.take_due(now).len()).collect();
            (asked.iter().sum::<usize>(), asked.into_iter().max())
        };
        assert_eq!(within(&mut carriers, 0), (100, Some(1)));
        assert_eq!(carriers.take_due(start + Duration::from_secs(25)).len(), 100);
        assert_eq!(within(&mut carriers, 25_100), (100, Some(1)));
        // What is known keeps its turn, and a new one is asked at once.
        carriers.set((0..101).map(place), start + Duration::from_millis(35_050));
        assert_eq!(carriers.take_due(start + Duration::from_millis(35_050)), [place(100)]);
    }

    #[test]
    fn what_nobody_asks_any_more_is_forgotten_once_a_turn_and_only_if_there_is_any() {
        let now = Timestamp::from_millis(1_000_000);
        let hop = |last: u8| Hop { transport: Transport::Udp, remote: ([192, 0, 2, last], 5060).into() };
        let place = |host: &str| UriHop { host: host.into(), port: None, transport: None, secure: false };
        let mut carriers = Carriers::default();
        carriers.set([NAME, "other.example"].map(place).into_iter(), now);
        for host in [NAME, "other.example"] {
            carriers.note_hops(&place(host), &[hop(1), hop(2)]);
            carriers.judge(hop(1), host, false);
        }
        carriers.take_due(now);
        // The same addresses in another order.
        carriers.note_hops(&place(NAME), &[hop(2), hop(1)]);
        assert!(!carriers.is_stale);
        for host in [NAME, "other.example"] {
            carriers.note_hops(&place(host), &[hop(2)]);
        }
        assert_eq!((carriers.is_stale, carriers.health.len()), (true, 1), "it is left to the next turn");
        carriers.take_due(now + ASK_EACH);
        assert_eq!((carriers.is_stale, carriers.health.len()), (false, 0));
    }

    #[test]
    fn a_name_that_is_new_says_nothing_about_an_address_that_is_down() {
        let hop = Hop { transport: Transport::Udp, remote: "203.0.113.5:5060".parse().unwrap() };
        let mut carriers = Carriers::default();
        for _ in 0..MISSES {
            carriers.judge(hop, NAME, false);
        }
        for name in ["a.example", "b.example"] {
            carriers.judge(hop, name, false);
            assert!(carriers.is_down(&hop, NAME), "asked as {name}");
            assert_eq!(carriers.down(), 1);
        }
        carriers.judge(hop, "b.example", true);
        assert!(!carriers.is_down(&hop, NAME), "somebody is there");
    }

    #[test]
    fn who_asks_by_a_name_that_the_address_does_not_have_moves_no_calls_of_others() {
        for transport in [Transport::Tls, Transport::Udp] {
            let hop = Hop { transport, remote: "203.0.113.5:5061".parse().unwrap() };
            let mut carriers = Carriers::default();
            let ask = |carriers: &mut Carriers, is_there: bool| {
                for _ in 0..MISSES.max(ANSWERS) {
                    carriers.judge(hop, "203.0.113.5", false);
                    carriers.judge(hop, NAME, is_there);
                }
                (carriers.is_down(&hop, NAME), carriers.is_down(&hop, "203.0.113.5"))
            };
            let of_other = transport == Transport::Tls;
            assert_eq!(ask(&mut carriers, true), (false, of_other), "{transport}");
            assert_eq!(ask(&mut carriers, false), (true, true), "{transport}");
            assert_eq!(ask(&mut carriers, true), (false, of_other), "{transport}: after an outage");
            assert_eq!(carriers.down(), usize::from(of_other));
        }
    }
}
