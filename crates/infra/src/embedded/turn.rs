//! A ledger's turn in progress: each write is checked by itself, and the effects of all writes are journalled together.

use std::collections::HashSet;
use std::ops::Range;

use contracts::v1;
use contracts::v1::effect::Effect;
use model::{Stamped, TenantId};

use super::streams::NEW_CALLS;
use super::table::{RowWrite, Table};
use super::tenant::TenantState;
use super::{Inner, turn_of};
use crate::record::{Consumed, Written};
use crate::{NewCall, Position, Refusal, Result, Room, Size, StoreError, wire};

/// One of a tenant's tables.
pub(super) type Pick = fn(&TenantState) -> &Table;

/// A turn in progress: effects that are journalled together, and the answers so far.
#[derive(Default)]
pub(super) struct Turn {
    effects: Vec<Effect>,
    /// Writes whose effects are not journalled yet.
    pending: Vec<Pending>,
    answers: Vec<Written>,
    /// Keys and links that the effects touch: the checks read the state before the turn.
    touched: HashSet<(TenantId, String)>,
}

struct Pending {
    answer: usize,
    effects: Range<usize>,
    room: Room,
}

/// The parts of a write besides its state.
pub(super) struct Along<'a> {
    pub(super) events: &'a [Stamped],
    pub(super) new_call: Option<&'a NewCall>,
    /// An entry of the stream of new calls that it acknowledges.
    pub(super) acknowledges: Option<Position>,
}

impl Turn {
    /// Checks a write and adds its effects.
    pub(super) fn take(&mut self, inner: &mut Inner, pick: Pick, row: RowWrite<'_>, along: &Along<'_>) -> Result<()> {
        let tenant = row.tenant.clone();
        let absorbed = row.absorbs.iter().map(|(key, _)| key.clone());
        let names: Vec<String> =
            std::iter::once(row.key.to_owned()).chain(row.links.iter().cloned()).chain(absorbed).collect();
        if names.iter().any(|name| self.touched.contains(&(tenant.clone(), name.clone()))) {
            self.flush(inner)?;
        }
        let room = Room::of(&row.change);
        let before = self.effects.len();
        let written = match self.add(inner, pick, row, along, room) {
            Ok(position) => {
                let effects = before..self.effects.len();
                self.pending.push(Pending { answer: self.answers.len(), effects, room });
                self.touched.extend(names.into_iter().map(|name| (tenant.clone(), name)));
                Written::Done { position }
            }
            Err(refused) => {
                self.effects.truncate(before);
                refused
            }
        };
        self.answers.push(written);
        Ok(())
    }

    /// Whether the writer has lost its first record: it is not the owner any more. Then the next write is answered as that one.
    pub(super) fn is_next_fenced(&mut self) -> bool {
        let fenced = self.answers.first().filter(|first| matches!(first, Written::Fenced { .. })).cloned();
        let is_fenced = fenced.is_some();
        self.answers.extend(fenced);
        is_fenced
    }

    fn add(
        &mut self,
        inner: &mut Inner,
        pick: Pick,
        row: RowWrite<'_>,
        along: &Along<'_>,
        room: Room,
    ) -> std::result::Result<Option<Position>, Written> {
        let (tenant, owner) = (row.tenant.clone(), row.owner);
        let mut size = Size::of(&row.change);
        size.links = row.links.iter().map(String::len).sum();
        let table = pick(inner.state.tenant(&tenant));
        if let Some(refusal) = table.taken(row.key, &row.links) {
            return Err(refusal);
        }
        self.effects.extend(table.absorption(&row)?);
        self.effects.extend(table.check(row)?);
        let body = along.new_call.map(wire::new_call_to_wire);
        size.new_call = body.as_ref().map_or(0, bytes::Bytes::len);
        let facts = self.effects.len();
        let position = inner
            .state
            .add_events(&tenant, Some(owner), along.events, room, &mut self.effects)
            .map_err(Written::Refused)?;
        let lengths = self.effects.iter().skip(facts).map(|effect| match effect {
            Effect::Event(added) => added.envelope.len(),
            _ => 0,
        });
        // An end is accepted whatever its size: a record that cannot be removed holds its parties for ever.
        if let Some(refusal) = size.with_facts(lengths).refusal()
            && room != Room::Ends
        {
            return Err(Written::Refused(refusal));
        }
        self.add_work(inner, &tenant, (body, room), along.acknowledges)?;
        Ok(position)
    }

    fn add_work(
        &mut self,
        inner: &mut Inner,
        tenant: &TenantId,
        (new_call, room): (Option<bytes::Bytes>, Room),
        acknowledges: Option<Position>,
    ) -> std::result::Result<(), Written> {
        if let Some(body) = new_call {
            let waiting = inner.state.tenant(tenant).work.get(NEW_CALLS).map_or(0, |w| w.entries.len());
            if waiting >= room.new_calls() {
                let (what, bound) = ("the stream of new calls", room.new_calls() as u64);
                return Err(Written::Refused(Refusal::NoRoom { what, bound }));
            }
            self.effects.push(Effect::WorkAdded(v1::WorkAdded {
                tenant: tenant.to_string(),
                stream: NEW_CALLS.to_owned(),
                position: inner.state.next_position(),
                body,
            }));
        }
        if let Some(position) = acknowledges {
            self.effects.push(Effect::WorkGone(v1::WorkGone {
                tenant: tenant.to_string(),
                stream: NEW_CALLS.to_owned(),
                position: position.minor,
            }));
        }
        Ok(())
    }

    /// Journals the remaining effects and the view's position; the answers are in the order of the writes.
    pub(super) fn finish(
        mut self,
        inner: &mut Inner,
        tenant: &TenantId,
        consumed: Option<&Consumed>,
    ) -> Result<Vec<Written>> {
        // A writer that has lost its first record, or all of them, is not the owner any more: the successor reads on from its own position.
        let knows_none = !self.answers.is_empty() && self.answers.iter().all(|answer| *answer == Written::Unknown);
        let is_owner = !matches!(self.answers.first(), Some(Written::Fenced { .. })) && !knows_none;
        let consumed = consumed.filter(|_| is_owner);
        self.effects.extend(consumed.map(|consumed| consumed_effect(tenant, consumed)));
        self.end(inner)
    }

    /// Journals the remaining effects; the answers are in the order of the writes.
    pub(super) fn end(mut self, inner: &mut Inner) -> Result<Vec<Written>> {
        self.flush(inner)?;
        Ok(self.answers)
    }

    /// If the disk is full, records that have begun continue in memory, and new ones are refused.
    fn flush(&mut self, inner: &mut Inner) -> Result<()> {
        self.touched.clear();
        let (effects, pending) = (std::mem::take(&mut self.effects), std::mem::take(&mut self.pending));
        if effects.is_empty() {
            return Ok(());
        }
        let mut turn = turn_of(effects);
        match inner.journal(&turn) {
            Err(StoreError::DiskFull { .. }) => {}
            journalled => {
                journalled?;
                inner.apply(turn);
                return Ok(());
            }
        }
        for Pending { answer, effects, .. } in pending.into_iter().rev().filter(|one| one.room == Room::Begins) {
            turn.effects.drain(effects);
            if let Some(answer) = self.answers.get_mut(answer) {
                *answer = Written::Refused(Refusal::NoRoom { what: "the disk", bound: 0 });
            }
        }
        inner.go_on(turn);
        Ok(())
    }
}

/// The effect of a view's progress.
pub(super) fn consumed_effect(tenant: &TenantId, consumed: &Consumed) -> Effect {
    Effect::Consumed(v1::ConsumedTo {
        tenant: tenant.to_string(),
        view: consumed.view.to_owned(),
        position: consumed.position.minor,
    })
}
