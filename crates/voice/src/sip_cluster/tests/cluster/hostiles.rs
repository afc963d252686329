//! Hostile parties beside the honest ones: `simnet::hostile`, as callers, as phones, behind a carrier. Their own calls may end in
//! any way. No other call may, a turn's work and a record's size stay bounded, and nothing of these parties is left.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use model::Entropy;
use model::entropy::Seeded;
use model::plan::{Contact, Destination};
use model::{ConnId, Dn, Timestamp};
use simnet::hostile::{Party, Place, Role, Validity};

use super::plan::ACTIVE;
use super::proxies::{CARRIER, EDGES, addr, phone_address};
use super::world::{Action, Addr, Payload, World};

/// Prefix of the Call-IDs of hostile callers.
pub const CALL_IDS: &str = "hostile-";
/// Prefix of the numbers of hostile phones.
const NUMBERS: &str = "720";
/// Hostile parties that are called, in every seed; the others call.
const CALLED: usize = 2;

/// Random numbers that the cores may draw within one step: a request takes three, and a node whose connection is back sends a
/// message in each of its calls. A core that exceeds it draws without end.
const DRAWS_MAX: u64 = 2_000;
/// Messages that one turn of a node may send: an answer to each of its inputs, and the effects in other legs.
const MESSAGES_MAX: usize = 150;
/// Bytes of a call's record: all that the parties of one call may make us store.
const RECORD_MAX: usize = infra::bounds::STATE_MAX;
/// Steps at one point in time: the worst case of the seeds has some hundred.
const STEPS_AT_ONCE_MAX: u64 = 5_000;
/// How long after the last message of a hostile party a call may be stuck.
const FREE_WITHIN: Duration = Duration::from_secs(60);
/// How soon a stuck call is judged again where media was away.
const JUDGED_AGAIN: Duration = Duration::from_secs(5);
/// When nothing is left of hostile parties: 20 s until media misses them, 8 s until they are dropped, 64*T1 for a BYE without an
/// answer, and as long again for what lingers.
const REST: Duration = Duration::from_secs(130);

thread_local! {
    static DRAWN: Cell<u64> = const { Cell::new(0) };
}

/// Entropy that counts its draws.
pub struct Counted(Seeded);

impl Counted {
    pub fn new(seed: u64) -> Box<Self> {
        Box::new(Self(Seeded::new(seed)))
    }
}

impl Entropy for Counted {
    fn next_u64(&mut self) -> u64 {
        let drawn = DRAWN.get() + 1;
        DRAWN.set(drawn);
        assert!(drawn <= DRAWS_MAX, "a step draws {drawn} random numbers");
        self.0.next_u64()
    }
}

/// A hostile party, and the proxy to which it sends.
pub struct Hostile {
    pub party: Party,
    proxy: usize,
}

/// Counts steps, to find work without an end.
#[derive(Default)]
pub struct Meter {
    at: Timestamp,
    steps: u64,
}

fn address(at: usize) -> String {
    // A caller comes from the carrier's network, which needs no password; a phone is where its registration says.
    if at < CALLED { format!("203.0.113.{}:5060", 60 + at) } else { format!("198.51.100.{}:5060", 20 + at) }
}

/// Where a hostile phone's number leads.
pub fn destination(dialled: &str, dn: &Dn) -> Option<Destination> {
    let at = dialled.strip_prefix(NUMBERS)?.parse::<usize>().ok().filter(|at| *at < CALLED)?;
    // The second one rings at two places, one of which is the first phone.
    let contact = |at| Contact::new(format!("sip:{dialled}@{}", address(at)), Vec::new());
    let contacts = (0..=at).rev().map(contact).collect();
    Some(Destination::Extension { dn: dn.clone(), contacts, no_answer_ms: 8_000 })
}

/// Whether a number is that of a hostile phone, which refuses and leaves calls at will.
pub fn is_theirs(number: &str) -> bool {
    number.starts_with(NUMBERS)
}

impl World {
    /// The same seed, with hostile parties.
    pub fn besieged(seed: u64, loud: bool) -> Self {
        let mut world = Self::new(seed, loud);
        let now = world.now();
        for at in 0..CALLED + 1 + world.chance.below(3) as usize {
            let proxy = world.chance.below(2) as usize;
            let place = Place {
                sent_by: address(at),
                edge: EDGES[proxy].to_owned(),
                user: format!("{NUMBERS}{at}"),
                call_ids: CALL_IDS.to_owned(),
                audio_port: 4_000,
            };
            let role = if at < CALLED { Role::Callee } else { Role::Caller(world.hostile_number()) };
            let begins = now + world.between(1_000, 25_000);
            let party = Party::new(seed << 3 | at as u64, role, place, begins);
            world.hostiles.push(Hostile { party, proxy });
        }
        // Some honest callers call them too.
        for call in 0..world.scripts.len() {
            if world.percent(15) {
                world.scripts[call].number = format!("{NUMBERS}{}", world.chance.below(CALLED as u64));
                world.rules.gives_up(format!("caller-{call}"));
            }
        }
        world.after(ACTIVE, Action::HostilesFallSilent);
        world.after(ACTIVE + FREE_WITHIN, Action::JudgeCalls);
        world.agenda.retain(|_, action| !matches!(action, Action::Judge { last: true }));
        world.after(ACTIVE + REST, Action::Judge { last: true });
        world
    }

    fn hostile_number(&mut self) -> String {
        match self.chance.below(10) {
            0..5 => "9000".to_owned(),
            5..7 => format!("{NUMBERS}{}", self.chance.below(CALLED as u64)),
            7..9 => format!("710{}", self.chance.below(self.phones.len() as u64)),
            _ => "what%20a%22number".to_owned(),
        }
    }

    /// The hostile phone to which the desk sends half of the hostile callers.
    pub fn hostile_agent(&self, conn_id: ConnId) -> Option<Dn> {
        let hostile = self.rules.is_hostile(conn_id) && conn_id.0 >> 24 & 1 == 0;
        hostile.then(|| Dn::parse(&format!("{NUMBERS}{}", conn_id.0 >> 25 & 1)).expect("a DN"))
    }

    /// Handles a proxy's datagram to a hostile party, or to an address that one has named, where nothing listens. It need not be
    /// readable: the answer to nonsense has the nonsense's Vias.
    pub fn goes_to_strangers(&mut self, proxy: usize, remote: std::net::SocketAddr, bytes: &Bytes) -> bool {
        if self.hostiles.is_empty() {
            return false;
        }
        let hostile = (0..self.hostiles.len()).find(|at| Self::hostile_address(*at) == remote);
        if let Some(hostile) = hostile {
            self.send(Addr::Proxy(proxy), Addr::Hostile(hostile), Payload::Raw(bytes.clone()));
        }
        let is_honest = (0..self.phones.len()).any(|at| addr(&phone_address(at)) == remote) || remote == addr(CARRIER);
        hostile.is_some() || !is_honest
    }

    pub fn hostile_address(at: usize) -> std::net::SocketAddr {
        addr(&address(at))
    }

    pub fn hostile_receives(&mut self, at: usize, payload: Payload) {
        let now = self.now();
        if let Payload::Raw(bytes) = payload {
            self.hostiles[at].party.receive(&String::from_utf8_lossy(&bytes), now);
            self.drain_hostile(at);
        }
    }

    pub fn hostile_due(&mut self, at: usize) {
        let now = self.now();
        self.hostiles[at].party.handle_timeout(now);
        self.drain_hostile(at);
    }

    fn drain_hostile(&mut self, at: usize) {
        let proxy = self.hostiles[at].proxy;
        while let Some(said) = self.hostiles[at].party.poll_transmit() {
            self.seen.hostile += 1;
            self.seen.invalid += u64::from(said.validity == Validity::Lost);
            self.say(|| format!("{} says {:?}\n{}", self.hostiles[at].party, said.deviations, said.text));
            self.send(Addr::Hostile(at), Addr::Proxy(proxy), Payload::Raw(Bytes::from(said.bytes())));
        }
    }

    pub fn hostiles_fall_silent(&mut self) {
        for at in 0..self.hostiles.len() {
            self.seen.hostile_calls += u64::from(self.hostiles[at].party.talks());
            self.hostiles[at].party.fall_silent();
            self.drain_hostile(at);
        }
    }

    /// Every party that a hostile party has left must be free.
    pub fn judge_calls(&mut self) {
        let live = |node: &super::nodes::SimNode| {
            let core = node.core.as_ref()?;
            core.table()
                .iter()
                .find(|(_, entry)| !entry.thread.is_over())
                .map(|(id, entry)| format!("{id}: {:?}", entry.legs))
        };
        let stuck = self.nodes.iter().find_map(live);
        let busy = |at: &usize| !self.phones[*at].lines.is_empty();
        let phone = (0..self.phones.len()).find(busy).map(|at| format!("phone {at}: {:?}", self.phones[at].lines));
        let Some(who) = stuck.or(phone) else { return };
        // Media that has begun anew counts the silence of its legs from then.
        let before = self.now() - FREE_WITHIN;
        if self.absences.media_since(before) {
            self.after(JUDGED_AGAIN, Action::JudgeCalls);
        } else {
            self.rules.break_rule("nobody is stuck", who);
        }
    }

    /// A step begins.
    pub fn meter_step(&mut self) {
        DRAWN.set(0);
        let now = self.now();
        self.meter.steps = if self.meter.at == now { self.meter.steps + 1 } else { 0 };
        self.meter.at = now;
        if self.meter.steps > STEPS_AT_ONCE_MAX {
            self.rules.break_rule("time goes on", format!("{STEPS_AT_ONCE_MAX} steps at {now:?}"));
        }
    }

    /// A turn has sent this number of messages.
    pub fn meter_turn(&mut self, at: usize, sent: usize) {
        self.seen.messages_of_a_turn = self.seen.messages_of_a_turn.max(sent as u64);
        if sent > MESSAGES_MAX {
            self.rules.break_rule("a turn's work is bounded", format!("node {at} sends {sent} messages"));
        }
    }

    /// A record of this size is written.
    pub fn meter_record(&mut self, conn_id: ConnId, bytes: usize) {
        self.seen.bytes_of_a_record = self.seen.bytes_of_a_record.max(bytes as u64);
        if bytes > RECORD_MAX {
            self.rules.break_rule("a record is bounded", format!("{conn_id} has {bytes} bytes"));
        }
    }
}
