//! The state of all tenants. Only effects change it: the same ones at run time and when a journal is read back.

use std::collections::BTreeMap;

use contracts::v1;
use contracts::v1::effect::Effect;
use model::{Owner, Stamped, TenantId, Timestamp};

use super::leases::LeaseState;
use super::tenant::TenantState;
use crate::{Position, Refusal, Room};

/// The whole state.
pub(super) struct State {
    pub(super) tenants: BTreeMap<TenantId, TenantState>,
    pub(super) epochs: BTreeMap<String, u64>,
    pub(super) leases: LeaseState,
    /// The last position given in any stream.
    last_position: u64,
}

impl State {
    pub(super) fn new(now: Timestamp) -> Self {
        // Streams count from the clock, so that positions continue even if the last entries were not kept.
        Self {
            tenants: BTreeMap::new(),
            epochs: BTreeMap::new(),
            leases: LeaseState::new(now),
            last_position: now.as_micros(),
        }
    }

    /// Called once when everything is read back.
    pub(super) fn restored(&mut self, now: Timestamp) {
        for tenant in self.tenants.values_mut() {
            tenant.expire(now);
        }
    }

    /// The tenant's state, if there is any.
    pub(super) fn find(&self, tenant: &TenantId) -> Option<&TenantState> {
        self.tenants.get(tenant)
    }

    /// The tenant's state, made if there is none.
    pub(super) fn tenant(&mut self, tenant: &TenantId) -> &mut TenantState {
        self.tenants.entry(tenant.clone()).or_insert_with(TenantState::new)
    }

    /// The next position of any stream.
    pub(super) fn next_position(&mut self) -> u64 {
        self.last_position += 1;
        self.last_position
    }

    /// The effects that add facts, and the position of the last.
    pub(super) fn add_events(
        &mut self,
        tenant: &TenantId,
        owner: Option<&Owner>,
        events: &[Stamped],
        room: Room,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Position>, Refusal> {
        let mut last = None;
        if events.is_empty() {
            return Ok(last);
        }
        self.tenant(tenant).events.room(room)?;
        for event in events {
            let position = self.next_position();
            let envelope = contracts::wire::encode_stamped(event, owner).into();
            effects.push(Effect::Event(v1::EventAdded { tenant: tenant.to_string(), position, envelope }));
            last = Some(position_of(position));
        }
        Ok(last)
    }

    // === effects ===

    pub(super) fn apply_turn(&mut self, turn: v1::Turn) {
        for effect in turn.effects {
            if let Some(effect) = effect.effect {
                self.apply(effect);
            }
        }
    }

    fn apply(&mut self, effect: Effect) {
        if let Effect::Epoch(given) = effect {
            self.epochs.insert(given.node, given.epoch);
            return;
        }
        let Some(tenant) = tenant_of(&effect) else { return };
        let position = position_in(&effect);
        self.last_position = self.last_position.max(position);
        let state = self.tenant(&tenant);
        match effect {
            Effect::RecordPut(put) => {
                if let Some(table) = table(state, put.table) {
                    table.apply_put(put);
                }
            }
            Effect::RecordGone(gone) => {
                if let Some(table) = table(state, gone.table) {
                    table.apply_gone(gone);
                }
            }
            Effect::Event(added) => state.apply_event(added),
            Effect::View(put) => state.apply_view(put),
            Effect::Aside(put) => state.asides.apply_put(put),
            Effect::AsideGone(gone) => state.asides.apply_gone(&gone),
            Effect::WorkAdded(added) => state.work.entry(added.stream).or_default().add(added.position, added.body),
            Effect::WorkGone(gone) => {
                if let Some(work) = state.work.get_mut(&gone.stream) {
                    work.entries.remove(&gone.position);
                }
            }
            Effect::Consumed(consumed) => {
                state.consumed.insert(consumed.view, consumed.position);
            }
            Effect::QueueHead(head) => state.apply_queue_head(head),
            Effect::QueueItem(item) => state.apply_queue_item(item),
            Effect::ThreadsHead(head) => state.apply_threads_head(&head),
            Effect::ThreadItem(item) => state.apply_thread_item(item),
            Effect::Registration(put) => state.apply_registration(put),
            Effect::ConfigHead(head) => state.apply_config_head(&head),
            Effect::ConfigDocument(document) => state.apply_config_document(document),
            Effect::SignIn(put) => state.sign_ins.apply_put(put),
            Effect::SignInGone(gone) => state.sign_ins.apply_gone(gone),
            Effect::Exported(exported) => state.apply_exported(exported.position, exported.trimmed),
            Effect::Epoch(_) => {}
        }
    }

    /// The turns that recreate this state.
    pub(super) fn dump(&self) -> impl Iterator<Item = v1::Turn> + '_ {
        let epochs =
            self.epochs.iter().map(|(node, epoch)| Effect::Epoch(v1::EpochGiven { node: node.clone(), epoch: *epoch }));
        let effects = epochs.chain(self.tenants.iter().flat_map(|(name, tenant)| tenant.dump(name)));
        // Each by itself: a damaged frame costs only its own content.
        effects.map(|effect| v1::Turn { effects: vec![v1::Effect { effect: Some(effect) }] })
    }
}

/// A position as the traits give it.
pub(super) const fn position_of(minor: u64) -> Position {
    Position { major: 0, minor }
}

fn table(state: &mut TenantState, kind: i32) -> Option<&mut super::table::Table> {
    match v1::LedgerTable::try_from(kind) {
        Ok(v1::LedgerTable::Call) => Some(&mut state.calls),
        Ok(v1::LedgerTable::Agent) => Some(&mut state.agents),
        Ok(v1::LedgerTable::Session) => Some(&mut state.sessions),
        Ok(v1::LedgerTable::Media) => Some(&mut state.media),
        Ok(v1::LedgerTable::Unspecified) | Err(_) => None,
    }
}

fn tenant_of(effect: &Effect) -> Option<TenantId> {
    let name = match effect {
        Effect::RecordPut(e) => &e.tenant,
        Effect::RecordGone(e) => &e.tenant,
        Effect::Event(e) => &e.tenant,
        Effect::WorkAdded(e) => &e.tenant,
        Effect::WorkGone(e) => &e.tenant,
        Effect::Consumed(e) => &e.tenant,
        Effect::QueueHead(e) => &e.tenant,
        Effect::QueueItem(e) => &e.tenant,
        Effect::ThreadsHead(e) => &e.tenant,
        Effect::ThreadItem(e) => &e.tenant,
        Effect::Registration(e) => &e.tenant,
        Effect::ConfigHead(e) => &e.tenant,
        Effect::ConfigDocument(e) => &e.tenant,
        Effect::Exported(e) => &e.tenant,
        Effect::View(e) => &e.tenant,
        Effect::Aside(e) => &e.tenant,
        Effect::AsideGone(e) => &e.tenant,
        Effect::SignIn(e) => &e.tenant,
        Effect::SignInGone(e) => &e.tenant,
        Effect::Epoch(_) => return None,
    };
    TenantId::parse(name).ok()
}

fn position_in(effect: &Effect) -> u64 {
    match effect {
        Effect::Event(e) => e.position,
        Effect::WorkAdded(e) => e.position,
        Effect::Exported(e) => e.position,
        _ => 0,
    }
}
