//! The state of one tenant in the embedded stores.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use contracts::v1;
use contracts::v1::effect::Effect;
use model::{Dn, Owner, Stamped, TenantId, Timestamp, Token};

use super::config_state::ConfigState;
use super::open_threads::OpenThreads;
use super::quarantined::QuarantinedRecords;
use super::sign_in_table::SignInTable;
use super::stored_view::StoredView;
use super::table::Table;
use crate::{ConfigVersion, KeptView, Refusal, Registration, Room, bounds, wire};

/// One tenant's part of the state.
pub(super) struct TenantState {
    pub(super) calls: Table,
    pub(super) agents: Table,
    pub(super) sessions: Table,
    pub(super) media: Table,
    pub(super) events: EventLog,
    /// Streams that consumers share, by name.
    pub(super) work: BTreeMap<String, WorkStream>,
    pub(super) consumed: HashMap<String, u64>,
    pub(super) queues: Option<QueueState>,
    pub(super) threads: Option<OpenThreads>,
    pub(super) registrations: BTreeMap<Dn, Registration>,
    /// No binding expires before this.
    pub(super) ends_from: Timestamp,
    pub(super) configuration: ConfigState,
    pub(super) views: BTreeMap<String, StoredView>,
    pub(super) asides: QuarantinedRecords,
    pub(super) sign_ins: SignInTable,
}

/// The facts of a tenant.
#[derive(Default)]
pub(super) struct EventLog {
    pub(super) entries: VecDeque<EventSlot>,
    pub(super) bytes: usize,
    /// The position of the last entry ever added.
    pub(super) end: u64,
    /// Entries up to here may have been trimmed.
    pub(super) trimmed: u64,
    /// Entries up to here have been exported.
    pub(super) exported: u64,
}

/// A fact in memory: as it is read, and as it is journalled.
pub(super) struct EventSlot {
    pub(super) position: u64,
    pub(super) event: Arc<Stamped>,
    pub(super) owner: Option<Owner>,
    envelope: Bytes,
}

/// A stream whose entries are held by one consumer each.
#[derive(Default)]
pub(super) struct WorkStream {
    pub(super) entries: BTreeMap<u64, WorkEntry>,
}

/// An entry and its holder.
pub(super) struct WorkEntry {
    pub(super) body: Bytes,
    pub(super) held: Option<Hold>,
    pub(super) deliveries: u32,
}

/// The holder of an entry, and since when.
pub(super) struct Hold {
    pub(super) by: Owner,
    pub(super) since: Timestamp,
}

/// The routing state.
#[derive(Clone)]
pub(super) struct QueueState {
    pub(super) owner: Owner,
    pub(super) token: Token,
    pub(super) state: Bytes,
    pub(super) requests: BTreeMap<String, Bytes>,
    pub(super) reservations: BTreeMap<String, Bytes>,
}

impl TenantState {
    pub(super) fn new() -> Self {
        Self {
            calls: Table::new(v1::LedgerTable::Call),
            agents: Table::new(v1::LedgerTable::Agent),
            sessions: Table::new(v1::LedgerTable::Session),
            media: Table::new(v1::LedgerTable::Media),
            events: EventLog::default(),
            work: BTreeMap::new(),
            consumed: HashMap::new(),
            queues: None,
            threads: None,
            registrations: BTreeMap::new(),
            ends_from: Timestamp::MAX,
            configuration: ConfigState::default(),
            views: BTreeMap::new(),
            asides: QuarantinedRecords::default(),
            sign_ins: SignInTable::default(),
        }
    }

    /// Drops expired tombstones, views whose time is over, and some of the records of signing in that are over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.sign_ins.expire(now);
        self.views.retain(|_, stored| stored.is_there(now));
        for table in [&mut self.calls, &mut self.agents, &mut self.sessions, &mut self.media] {
            table.expire(now);
        }
    }

    // === effects ===

    pub(super) fn apply_event(&mut self, added: v1::EventAdded) {
        self.events.end = self.events.end.max(added.position);
        // A later release may have journalled a name unknown to this one: the event is skipped, its position is not.
        let Ok((event, owner)) = contracts::wire::decode_entry(added.envelope.clone()) else { return };
        self.events.bytes += added.envelope.len();
        let slot = EventSlot { position: added.position, event: Arc::new(event), owner, envelope: added.envelope };
        self.events.entries.push_back(slot);
        self.events.trim(&self.consumed);
    }

    pub(super) fn apply_exported(&mut self, position: u64, trimmed: u64) {
        self.events.exported = self.events.exported.max(position);
        self.events.end = self.events.end.max(position);
        self.events.trimmed = self.events.trimmed.max(trimmed);
        self.events.trim(&self.consumed);
    }

    pub(super) fn apply_queue_head(&mut self, head: v1::QueueHead) {
        let Ok(owner) = head.owner.parse::<Owner>() else { return };
        let queues = self.queues.get_or_insert_with(|| QueueState {
            owner: owner.clone(),
            token: Token(0),
            state: Bytes::new(),
            requests: BTreeMap::new(),
            reservations: BTreeMap::new(),
        });
        queues.owner = owner;
        queues.token = Token(head.token);
        if let Some(state) = head.state {
            queues.state = state;
        }
    }

    pub(super) fn apply_queue_item(&mut self, item: v1::QueueItem) {
        let Some(queues) = &mut self.queues else { return };
        let items = if item.reservation { &mut queues.reservations } else { &mut queues.requests };
        match item.body {
            Some(body) => items.insert(item.id, body),
            None => items.remove(&item.id),
        };
    }

    pub(super) fn apply_threads_head(&mut self, head: &v1::ThreadsHead) {
        self.threads = OpenThreads::claimed(self.threads.take(), head);
    }

    pub(super) fn apply_thread_item(&mut self, item: v1::ThreadItem) {
        if let Some(threads) = &mut self.threads {
            threads.apply_item(item);
        }
    }

    pub(super) fn apply_registration(&mut self, put: v1::RegistrationPut) {
        let Ok(dn) = Dn::parse(&put.dn) else { return };
        let registration = wire::registration_from_wire(put);
        self.ends_from = registration.bindings.iter().map(|b| b.expires_at).fold(self.ends_from, Timestamp::min);
        self.registrations.insert(dn, registration);
    }

    /// The DNs with a binding that expires at or before `now`. Searches all of them only if there may be one: phones refresh
    /// long before their time is over.
    pub(super) fn ending(&mut self, now: Timestamp, max: usize) -> Vec<Dn> {
        if self.ends_from > now {
            return Vec::new();
        }
        let first = |r: &Registration| r.bindings.iter().map(|b| b.expires_at).min();
        self.ends_from = self.registrations.values().filter_map(first).min().unwrap_or(Timestamp::MAX);
        let ending = self.registrations.iter().filter(|(_, r)| first(r).is_some_and(|first| first <= now));
        ending.take(max).map(|(dn, _)| dn.clone()).collect()
    }

    pub(super) fn apply_config_head(&mut self, head: &v1::ConfigHead) {
        let version = ConfigVersion { generation: head.generation, revision: head.revision };
        self.configuration.begin(version, head.whole);
    }

    pub(super) fn apply_config_document(&mut self, document: v1::ConfigDocument) {
        self.configuration.put((document.kind, document.id), (document.revision, document.body));
    }

    pub(super) fn apply_view(&mut self, put: v1::ViewPut) {
        let v1::ViewPut { view, position, state, ends_us, .. } = put;
        if ends_us == Some(0) {
            self.views.remove(&view);
            return;
        }
        let kept = KeptView { position, state };
        self.views.insert(view, StoredView { kept, ends_at: ends_us.map(Timestamp::from_micros) });
    }

    /// The effects that recreate this tenant's state.
    pub(super) fn dump(&self, tenant: &TenantId) -> Vec<Effect> {
        let name = || tenant.to_string();
        let mut effects: Vec<Effect> = Vec::new();
        for table in [&self.calls, &self.agents, &self.sessions, &self.media] {
            effects.extend(table.dump(tenant));
        }
        effects.extend(self.asides.dump(tenant));
        effects.extend(self.sign_ins.dump(tenant));
        // Before the facts: those that a view has not read are kept when they are read back, too.
        effects.extend(self.consumed.iter().map(|(view, position)| {
            Effect::Consumed(v1::ConsumedTo { tenant: name(), view: view.clone(), position: *position })
        }));
        let EventLog { exported, trimmed, .. } = self.events;
        effects.push(Effect::Exported(v1::ExportedTo { tenant: name(), position: exported, trimmed }));
        effects.extend(self.events.entries.iter().map(|slot| {
            let envelope = slot.envelope.clone();
            Effect::Event(v1::EventAdded { tenant: name(), position: slot.position, envelope })
        }));
        for (stream, work) in &self.work {
            effects.extend(work.entries.iter().map(|(position, entry)| {
                let (stream, body) = (stream.clone(), entry.body.clone());
                Effect::WorkAdded(v1::WorkAdded { tenant: name(), stream, position: *position, body })
            }));
        }
        if let Some(queues) = &self.queues {
            effects.extend(queues.dump(tenant));
        }
        effects.extend(self.threads.iter().flat_map(|threads| threads.dump(tenant)));
        effects.extend(self.registrations.iter().map(|(dn, r)| registration_put(tenant, dn, r.clone())));
        let ConfigVersion { generation, revision } = self.configuration.version;
        if generation > 0 || self.configuration.is_withdrawn() {
            effects.push(Effect::ConfigHead(v1::ConfigHead { tenant: name(), generation, revision, whole: true }));
        }
        effects.extend(self.views.iter().map(|(view, stored)| super::views::view_put(tenant, view, stored)));
        effects.extend(self.configuration.documents().map(|((kind, id), (revision, body))| {
            let (kind, id, body) = (kind.clone(), id.clone(), body.clone());
            Effect::ConfigDocument(v1::ConfigDocument { tenant: name(), kind, id, revision: *revision, body })
        }));
        effects
    }
}

impl EventLog {
    /// Drops the oldest entries beyond the bound, but none that is not exported yet. The bound is larger for those that a view has not
    /// read, going by how far each view has read.
    fn trim(&mut self, consumed: &HashMap<String, u64>) {
        // A view that was passed over is told so at its next read, and holds nothing back any more.
        let read = consumed.values().copied().filter(|position| *position >= self.trimmed).min().unwrap_or(u64::MAX);
        while let Some(slot) = self.entries.front() {
            let bound = if slot.position > read { bounds::STREAM_BYTES_UNREAD } else { bounds::STREAM_BYTES };
            if self.bytes <= bound || slot.position > self.exported {
                return;
            }
            self.bytes -= slot.envelope.len();
            self.trimmed = slot.position;
            self.entries.pop_front();
        }
    }

    /// Refuses more while the existing entries are not exported.
    pub(super) fn room(&self, room: Room) -> Result<(), Refusal> {
        let bound = room.stream_bytes();
        if self.bytes < bound {
            return Ok(());
        }
        Err(Refusal::NoRoom { what: "the event stream", bound: bound as u64 })
    }
}

impl QueueState {
    fn dump(&self, tenant: &TenantId) -> Vec<Effect> {
        let head = v1::QueueHead {
            tenant: tenant.to_string(),
            owner: self.owner.to_string(),
            token: self.token.0,
            state: Some(self.state.clone()),
        };
        let item = |reservation: bool| {
            move |(id, body): (&String, &Bytes)| {
                Effect::QueueItem(v1::QueueItem {
                    tenant: tenant.to_string(),
                    reservation,
                    id: id.clone(),
                    body: Some(body.clone()),
                })
            }
        };
        let requests = self.requests.iter().map(item(false));
        let reservations = self.reservations.iter().map(item(true));
        std::iter::once(Effect::QueueHead(head)).chain(requests).chain(reservations).collect()
    }
}

/// The effect of a registration's write.
pub(super) fn registration_put(tenant: &TenantId, dn: &Dn, registration: Registration) -> Effect {
    Effect::Registration(wire::registration_to_wire(tenant, dn, registration))
}
