//! What is on each DN of a tenant: the parties of calls there, folded from facts, and whether its phone is registered.
//!
//! Facts may be repeated, and a call that is known already may be put in: the last fact decides. Nothing here outlives its process; a
//! successor begins with the calls' records.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{CallType, ConnId, Dn, DnRole, Event, EventName, Timestamp};

#[cfg(test)]
mod tests;

/// The most parties of one tenant; as many as the ledger has calls. A party beyond it is not shown.
pub const PARTIES_MAX: usize = 100_000;

/// The state of a party (`docs/events.md`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartyState {
    /// It calls a number.
    Dialing,
    /// It rings.
    Alerting,
    /// It has answered, or is through.
    Connected,
    /// It has put the others on hold.
    Held,
    /// The call waits here.
    Queued,
    /// Whom it has dialled is busy.
    Failed,
}

impl PartyState {
    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dialing => "Dialing",
            Self::Alerting => "Alerting",
            Self::Connected => "Connected",
            Self::Held => "Held",
            Self::Queued => "Queued",
            Self::Failed => "Failed",
        }
    }

    /// The published number: the lowest four bits, and bit 16 of who dials.
    const fn number(self) -> u32 {
        match self {
            Self::Dialing => 0x1_0001,
            Self::Queued => 0x9,
            Self::Alerting => 0xa,
            Self::Connected => 0xc,
            Self::Held => 0xe,
            Self::Failed => 0xf,
        }
    }
}

/// What a party does besides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// It does not hear the others.
    pub no_listen: bool,
    /// The others do not hear it.
    pub no_talk: bool,
    /// It observes a call of others.
    pub audit: bool,
    /// A treatment is applied to it.
    pub treatment: bool,
    /// It waits for instructions.
    pub routing: bool,
}

impl Flags {
    const NAMES: [&'static str; 5] = ["NoListen", "NoTalk", "Audit", "Treatment", "Routing"];
    const BITS: [u32; 5] = [0x10, 0x20, 0x80, 0x200, 0x800];

    const fn all(self) -> [bool; 5] {
        [self.no_listen, self.no_talk, self.audit, self.treatment, self.routing]
    }

    /// The published names of those that hold.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().zip(self.all()).filter_map(|(name, holds)| holds.then_some(name))
    }
}

/// A party on a DN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartyOn {
    /// The type of its call.
    pub call_type: CallType,
    /// Its state.
    pub state: PartyState,
    /// Since when.
    pub since: Timestamp,
    /// What it does besides.
    pub flags: Flags,
    /// Its role.
    pub role: Option<DnRole>,
    /// Its peer.
    pub other_dn: Option<String>,
    /// The queue or route point that delivered the call.
    pub this_queue: Option<String>,
}

impl PartyOn {
    /// The published number of state and flags.
    pub fn number(&self) -> u32 {
        let flags = Flags::BITS.into_iter().zip(self.flags.all()).filter_map(|(bit, holds)| holds.then_some(bit));
        self.state.number() | flags.sum::<u32>()
    }
}

/// The parties of a tenant's calls, by their DNs, and its registered phones.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    parties: HashMap<Dn, BTreeMap<ConnId, PartyOn>>,
    on: HashMap<ConnId, BTreeSet<Dn>>,
    count: usize,
    /// DNs that a first party has come to, or the last has left, since they were taken.
    turned: BTreeSet<Dn>,
    left_out: u64,
    in_service: BTreeSet<Dn>,
}

impl Addresses {
    /// Takes over a party from its call's record.
    pub fn stands(&mut self, dn: Dn, conn_id: ConnId, party: PartyOn) {
        if self.party(&dn, conn_id).is_none() {
            if self.count >= PARTIES_MAX {
                self.left_out += 1;
                return;
            }
            self.count += 1;
        }
        self.on.entry(conn_id).or_default().insert(dn.clone());
        let here = self.parties.entry(dn.clone()).or_default();
        if here.is_empty() {
            self.turned.insert(dn);
        }
        here.insert(conn_id, party);
    }

    /// Takes over a registered phone.
    pub fn registered(&mut self, dn: Dn) {
        self.in_service.insert(dn);
    }

    /// The parties on a DN, in the order of their calls.
    pub fn on(&self, dn: &Dn) -> impl ExactSizeIterator<Item = (ConnId, &PartyOn)> {
        static NONE: BTreeMap<ConnId, PartyOn> = BTreeMap::new();
        self.parties.get(dn).unwrap_or(&NONE).iter().map(|(conn_id, party)| (*conn_id, party))
    }

    /// Whether a phone is registered there.
    pub fn is_in_service(&self, dn: &Dn) -> bool {
        self.in_service.contains(dn)
    }

    /// How many calls there are.
    pub fn calls(&self) -> usize {
        self.on.len()
    }

    /// The DNs that a first party has come to, or the last has left, since the last call of this function.
    pub fn take_turned(&mut self) -> BTreeSet<Dn> {
        std::mem::take(&mut self.turned)
    }

    /// How many parties were left out since the last call of this function: there were too many.
    pub fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }

    /// Folds a fact in.
    pub fn fold(&mut self, event: &Event, at: Timestamp) {
        if event.name == EventName::CallDeleted {
            return self.call_over(event);
        }
        let Some(dn) = &event.this_dn else { return };
        match event.name {
            EventName::DNBackInService => drop(self.in_service.insert(dn.clone())),
            EventName::DNOutOfService => drop(self.in_service.remove(dn)),
            EventName::PartyChanged => self.moved(dn, event, at),
            EventName::Released | EventName::Abandoned | EventName::Diverted => self.gone(dn, event),
            _ => self.fold_party(dn, event, at),
        }
    }

    fn call_over(&mut self, event: &Event) {
        let Some(conn_id) = event.call.as_ref().map(|call| call.conn_id) else { return };
        for dn in self.on.get(&conn_id).cloned().unwrap_or_default() {
            self.remove(&dn, conn_id);
        }
    }

    fn gone(&mut self, dn: &Dn, event: &Event) {
        if let Some(conn_id) = event.call.as_ref().map(|call| call.conn_id) {
            self.remove(dn, conn_id);
        }
    }

    fn remove(&mut self, dn: &Dn, conn_id: ConnId) -> Option<PartyOn> {
        let here = self.parties.get_mut(dn)?;
        let party = here.remove(&conn_id)?;
        if here.is_empty() {
            self.parties.remove(dn);
            self.turned.insert(dn.clone());
        }
        if let Some(dns) = self.on.get_mut(&conn_id) {
            dns.remove(dn);
            if dns.is_empty() {
                self.on.remove(&conn_id);
            }
        }
        self.count -= 1;
        Some(party)
    }

    fn party(&self, dn: &Dn, conn_id: ConnId) -> Option<&PartyOn> {
        self.parties.get(dn)?.get(&conn_id)
    }

    fn fold_party(&mut self, dn: &Dn, event: &Event, at: Timestamp) {
        let Some(call) = &event.call else { return };
        let conn_id = call.conn_id;
        let Some(state) = state_after(event) else {
            if let Some(party) = self.parties.get_mut(dn).and_then(|here| here.get_mut(&conn_id)) {
                set_flags(&mut party.flags, event);
            }
            return;
        };
        let before = self.party(dn, conn_id);
        let mut flags = before.map(|party| party.flags).unwrap_or_default();
        set_flags(&mut flags, event);
        let since = before.filter(|party| party.state == state).map_or(at, |party| party.since);
        let party = PartyOn {
            call_type: call.call_type,
            state,
            since,
            flags,
            role: event.this_role,
            other_dn: event.other_dn.clone(),
            this_queue: event.this_queue.clone(),
        };
        self.stands(dn.clone(), conn_id, party);
    }

    /// A party of a transferred call sees another one. It may itself have come from a consultation.
    fn moved(&mut self, dn: &Dn, event: &Event, at: Timestamp) {
        let Some(call) = &event.call else { return };
        if let Some(party) = self.parties.get_mut(dn).and_then(|here| here.get_mut(&call.conn_id)) {
            party.role = event.this_role.or(party.role);
            party.other_dn = event.other_dn.clone();
            return;
        }
        let Some(party) = call.previous.and_then(|previous| self.remove(dn, previous)) else { return };
        let party = PartyOn {
            call_type: call.call_type,
            since: at,
            role: event.this_role.or(party.role),
            other_dn: event.other_dn.clone(),
            this_queue: event.this_queue.clone(),
            ..party
        };
        self.stands(dn.clone(), call.conn_id, party);
    }
}

/// The state of a party after the fact; `None` if it does not change it.
fn state_after(event: &Event) -> Option<PartyState> {
    match event.name {
        // Who took a party in has come back to the call without a fact of its own.
        EventName::PartyAdded if event.third_party_dn.as_deref() == event.this_dn.as_ref().map(Dn::as_str) => {
            Some(PartyState::Connected)
        }
        EventName::Dialing | EventName::NetworkReached => Some(PartyState::Dialing),
        EventName::Ringing => Some(PartyState::Alerting),
        EventName::Established | EventName::Retrieved => Some(PartyState::Connected),
        EventName::Held => Some(PartyState::Held),
        EventName::Queued | EventName::RouteRequest => Some(PartyState::Queued),
        EventName::DestinationBusy => Some(PartyState::Failed),
        _ => None,
    }
}

fn set_flags(flags: &mut Flags, event: &Event) {
    flags.audit |= event.this_role == Some(DnRole::Observer);
    match event.name {
        EventName::MuteOn => flags.no_talk = true,
        EventName::MuteOff => flags.no_talk = false,
        EventName::ListenDisconnected => flags.no_listen = true,
        EventName::ListenReconnected => flags.no_listen = false,
        EventName::TreatmentApplied => flags.treatment = true,
        EventName::TreatmentEnd => flags.treatment = false,
        EventName::RouteRequest => flags.routing = true,
        EventName::RouteUsed => flags.routing = false,
        _ => {}
    }
}
