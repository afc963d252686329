//! Media: the real node, with its dialogs, its MSML and its audio. It is killed like others, and continues from the ledger.

use std::time::Duration;

use infra::{Claim, Claimed, MediaSessionId, MediaWrite, Record, Written};
use model::{Epoch, NodeId, Owner, Timestamp};
use sip::proxy::headers;
use sip::{ConnectionId, Flow, Message};

use super::super::bench::{seal, tenant};
use super::ledger::Cut;
use super::nodes::{Connection, at_once};
use super::plan::{Fault, Moment};
use super::world::{Action, Addr, Payload, World};
use crate::media_server::in_memory::{InMemory, Place, PreviousRunLegs, claim_of};
use crate::media_server::limits::Limits;

/// Its role.
pub const ROLE: &str = "media";
/// The address of its audio.
pub const ADDRESS: &str = "192.0.2.50";
/// Pause before a start that has not reached the ledger is tried again.
const START_AGAIN: Duration = Duration::from_millis(250);
/// Packets leave only at these times, several at once: a step for each would be most of the simulation.
const TICK: Duration = Duration::from_millis(60);

/// Media, through all its runs.
pub struct Media {
    pub core: Option<InMemory>,
    pub life: u64,
    pub doomed: Option<Fault>,
    owner: Owner,
    connections: [Option<Connection>; 2],
    former: Vec<Record<MediaSessionId>>,
    /// How its connection to the ledger is cut.
    pub cut: Option<Cut>,
    seed: u64,
}

impl Media {
    pub fn new(seed: u64) -> Self {
        Self {
            core: None,
            life: 0,
            doomed: None,
            owner: Owner { node: NodeId::parse("media-1").expect("a node"), epoch: Epoch(0) },
            connections: [None; 2],
            former: Vec::new(),
            cut: None,
            seed: seed ^ 0x3ED1_A000,
        }
    }

    /// How many legs there are.
    pub fn legs(&self) -> usize {
        self.core.as_ref().map_or(0, |core| core.node.legs())
    }

    /// Whether it can be reached and can store its changes.
    pub fn serves(&self) -> bool {
        let is_up = |connection: &Option<Connection>| connection.is_some_and(|it| it.up);
        self.core.is_some() && self.cut.is_none() && self.connections.iter().all(is_up)
    }

    pub fn connection(&self, proxy: usize) -> Option<ConnectionId> {
        self.connections[proxy].map(|connection| connection.number)
    }

    fn proxy_of(&self, number: ConnectionId) -> Option<usize> {
        (0..2).find(|proxy| self.connection(*proxy) == Some(number))
    }

    pub fn next_timeout(&self) -> Option<Timestamp> {
        let due = self.core.as_ref()?.next_timeout();
        let tick = TICK.as_micros() as u64;
        (due < Timestamp::MAX).then(|| Timestamp::from_micros(due.as_micros().div_ceil(tick) * tick))
    }
}

// === its runs ===

impl World {
    /// Media starts a run: it claims what its previous runs have left, and connects.
    pub fn start_media(&mut self) {
        if self.media.cut.is_some() {
            return self.after(START_AGAIN, Action::StartMedia);
        }
        let epoch = at_once(self.stores.leases.next_epoch(&self.media.owner.node)).expect("an epoch");
        let owner = Owner { epoch, ..self.media.owner.clone() };
        self.say(|| format!("*** {owner} begins"));
        let former = self.claim_legs(&owner);
        self.seen.media_legs += former.len() as u64;
        let place = Place {
            owner: owner.clone(),
            seal: seal(),
            addresses: ADDRESS.parse::<std::net::IpAddr>().expect("an address").into(),
            ports: 20_000..=20_999,
            seed: self.media.seed ^ owner.epoch.0,
            // The built-in prompts, and tones; no recording can be written, whoever runs the test.
            prompts: "/dev/null/prompts".into(),
            clock: self.clock.clone(),
        };
        let core = Some(InMemory::start(place, Limits::default()));
        self.media = Media { core, owner, former, life: self.media.life + 1, ..Media::new(self.media.seed) };
        for proxy in 0..2 {
            self.connect_media(self.media.life, proxy);
        }
    }

    /// The legs of media's previous runs. Suspect ones come last, one by one.
    fn claim_legs(&self, owner: &Owner) -> Vec<Record<MediaSessionId>> {
        let ledger = &self.stores.media;
        let PreviousRunLegs { mut claimed, suspects } =
            at_once(claim_of(&**ledger, owner, &[tenant()])).expect("a ledger");
        for suspect in suspects {
            let claim = Claim { tenant: suspect.tenant, key: suspect.key, seen: Some(suspect.token) };
            let outcomes = at_once(ledger.claim(owner, vec![claim])).expect("a ledger");
            claimed.extend(outcomes.into_iter().filter_map(|outcome| match outcome {
                Claimed::Yours(record) => Some(record),
                Claimed::Raced { .. } | Claimed::Ended | Claimed::Unknown => None,
            }));
        }
        claimed
    }

    /// Opens a connection to a proxy and announces the node.
    pub fn connect_media(&mut self, life: u64, proxy: usize) {
        let now = self.now();
        if self.media.life != life || self.media.core.is_none() {
            return;
        }
        if self.proxies[proxy].is_down {
            return self.connect_media_again(proxy);
        }
        let number = self.links.next_number();
        self.media.connections[proxy] = Some(Connection { number, up: false, heard_at: now });
        let announcement = super::proxies::announcement(ROLE, &self.media.owner, number);
        self.send(Addr::Media, Addr::Proxy(proxy), Payload::Open(number));
        self.send(Addr::Media, Addr::Proxy(proxy), Payload::Stream(number, announcement));
    }

    fn connect_media_again(&mut self, proxy: usize) {
        let (life, pause) = (self.media.life, self.between(50, 300));
        self.after(pause, Action::ConnectMedia(life, proxy));
    }

    pub fn kill_media(&mut self, back: Duration) {
        self.seen.media_kills += 1;
        self.say(|| "*** media is killed".to_owned());
        self.absences.media_goes(self.now());
        self.phones_lose_media();
        let lost = self.percent(50);
        for proxy in 0..2 {
            if let Some(connection) = self.media.connection(proxy) {
                if lost {
                    self.links.lose(connection);
                }
                self.links.close(connection);
                self.send(Addr::Media, Addr::Proxy(proxy), Payload::Close(connection));
            }
        }
        let Media { owner, life, seed, cut, .. } = &self.media;
        self.media = Media { owner: owner.clone(), life: life + 1, cut: *cut, ..Media::new(*seed) };
        self.after(back, Action::StartMedia);
    }

    /// Media reaches the ledger again.
    pub fn mend_media(&mut self) {
        self.say(|| "*** media reaches the ledger".to_owned());
        self.media.cut = None;
        self.media_turns();
    }

    /// The fault's moment has not come: it happens now.
    pub fn media_fault_now(&mut self, life: u64) {
        if self.media.life == life
            && let Some(Fault::KillMedia { back, .. }) = self.media.doomed.take_if(|_| self.media.cut.is_none())
        {
            self.kill_media(back);
        }
    }

    /// Whether the moment of a kill has come. It does not come while the ledger cannot be reached: state that only media has
    /// would be lost.
    fn media_meets_doom(&mut self, here: Moment) -> bool {
        match self.media.doomed {
            Some(Fault::KillMedia { moment, back }) if moment == here && self.media.cut.is_none() => {
                self.kill_media(back);
                true
            }
            _ => false,
        }
    }
}

// === its turns ===

impl World {
    pub fn media_receives(&mut self, payload: Payload) {
        let now = self.now();
        match payload {
            Payload::Stream(number, message) => {
                let Some(proxy) = self.media.proxy_of(number) else { return };
                if let Some(answer) = super::proxies::keep_alive_answer(ROLE, &self.media.owner, &message) {
                    self.send(Addr::Media, Addr::Proxy(proxy), Payload::Stream(number, answer));
                }
                self.media_takes(proxy, number, message);
            }
            Payload::Close(number) => {
                let Some(proxy) = self.media.proxy_of(number) else { return };
                let connection = self.media.connections[proxy].take();
                if let (Some(core), Some(_)) = (&mut self.media.core, connection.filter(|it| it.up)) {
                    core.node.link_down(number, now);
                }
                self.connect_media_again(proxy);
            }
            Payload::Open(_) | Payload::Datagram(_) | Payload::Raw(_) => {}
        }
        self.media_turns();
    }

    fn media_takes(&mut self, proxy: usize, number: ConnectionId, message: Message) {
        let now = self.now();
        let Media { core: Some(core), connections, former, .. } = &mut self.media else { return };
        let Some(connection) = &mut connections[proxy] else { return };
        if connection.up {
            if !(message.is_request() && message.header(&headers::LIVE).is_some()) {
                core.receive(message, number, now);
            }
            return;
        }
        let Some(edge) = message.header(&headers::EDGE) else { return };
        connection.up = true;
        core.node.link_up(number, edge, now);
        for record in std::mem::take(former) {
            if let Err(error) = core.node.restore(&record, now) {
                self.rules.break_rule("media goes on with its legs", format!("{}: {error}", record.key.0));
            }
        }
        if self.media.serves() {
            self.absences.media_is_back(now);
        }
    }

    /// A turn, as in the role's loop.
    pub fn media_turns(&mut self) {
        let now = self.now();
        let Some(core) = &mut self.media.core else { return };
        core.handle_timeout(now);
        let batch = core.stored(now);
        if !batch.is_empty() {
            if self.media_meets_doom(Moment::BeforeCommit) {
                return;
            }
            self.store_media(batch);
        }
        self.media_says();
        self.carry_audio();
    }

    /// While the ledger does not answer, media continues, and writes the batch again.
    fn store_media(&mut self, batch: Vec<MediaWrite>) {
        let done = |world: &Self| at_once(world.stores.media.commit(batch.clone())).expect("a ledger");
        let answers = match self.media.cut {
            None => Some(done(self)),
            Some(Cut::AtCommit) => {
                drop(done(self));
                self.media.cut = Some(Cut::Refused);
                None
            }
            Some(_) => None,
        };
        for (write, answer) in batch.iter().zip(answers.iter().flatten()) {
            if let Written::Fenced { owner, .. } | Written::Exists { owner, .. } = answer
                && *owner != self.media.owner
            {
                let how = format!("{answer:?} to {}", write.session.0);
                self.rules.break_rule("media's legs are its own", how);
            }
        }
        if let Some(core) = &mut self.media.core {
            core.kept(&batch, answers);
        }
    }

    fn media_says(&mut self) {
        let mut sent = 0;
        loop {
            if self.media_meets_doom(Moment::Sent(sent)) {
                return;
            }
            let Some(transmit) = self.media.core.as_mut().and_then(InMemory::poll_transmit) else { break };
            sent += 1;
            let Flow::Stream { connection } = transmit.flow else { continue };
            let message = Message::parse(transmit.bytes).expect("media speaks SIP");
            if let Some(proxy) = self.media.proxy_of(connection).filter(|_| self.links.is_open(connection)) {
                self.send(Addr::Media, Addr::Proxy(proxy), Payload::Stream(connection, message));
            }
        }
        while let Some(question) = self.media.core.as_mut().and_then(|core| core.node.poll_question()) {
            let (life, pause) = (self.media.life, self.between(1, 800));
            self.after(pause, Action::CallData(life, question.dialog));
        }
    }

    /// The application's answer about a call whose data names a prompt.
    pub fn call_data_comes(&mut self, life: u64, dialog: sip::agent::DialogId) {
        let now = self.now();
        if self.media.life == life
            && let Some(core) = &mut self.media.core
        {
            core.node.call_data_came(dialog, &[("desk".to_owned(), "support".to_owned())].into(), now);
            self.media_turns();
        }
    }
}
