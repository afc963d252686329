//! One write of a ledger, as it is sent to Redis and may wait for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use infra::{
    CallWrite, Change, DialogKey, LedgerKind, Matter, NewCall, Position, Record, RecordKey, Refusal, Room, Size,
    Written, bounds, wire,
};
use model::{Owner, Stamped, TenantId, Timestamp, Token};

use super::script::Call;

/// A ledger, and how long it remembers ended records.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) remembers: Duration,
    /// Whether its owners continue while Redis is unavailable.
    pub(super) goes_on: bool,
}

pub(super) const CALL: Kind = Kind { name: "call", remembers: bounds::TOMBSTONE, goes_on: true };
pub(super) const AGENT: Kind = Kind { name: "agent", remembers: Duration::ZERO, goes_on: false };
pub(super) const SESSION: Kind = Kind { name: "session", remembers: bounds::TOMBSTONE, goes_on: false };
pub(super) const MEDIA: Kind = Kind { name: "media", remembers: Duration::ZERO, goes_on: true };

impl Kind {
    pub(super) const fn of(ledger: LedgerKind) -> Self {
        match ledger {
            LedgerKind::Call => CALL,
            LedgerKind::Agent => AGENT,
            LedgerKind::Session => SESSION,
            LedgerKind::Media => MEDIA,
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [CALL, AGENT, SESSION, MEDIA].into_iter().find(|kind| kind.name == name)
    }
}

/// One write, in the same form for all ledgers.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) tenant: TenantId,
    pub(super) key: String,
    pub(super) owner: Owner,
    pub(super) token: Token,
    pub(super) change: Change,
    pub(super) due: Option<Timestamp>,
    pub(super) links: Vec<String>,
    pub(super) facts: Facts,
    pub(super) new_call: Option<NewCall>,
    pub(super) began_with: Option<Position>,
    /// Greater than the number of every earlier write by the same owner; 0 for a write that is never repeated.
    pub(super) number: u64,
}

impl Row {
    pub(super) fn put_into(&self, call: &mut Call<'_>) {
        let nothing = Bytes::new();
        let (change, state, intentions) = match &self.change {
            Change::Create { state, intentions } => ("create", state, intentions),
            Change::Save { state, intentions } => ("save", state, intentions),
            Change::Keep => ("keep", &nothing, &nothing),
            Change::End => ("end", &nothing, &nothing),
        };
        call.arg(&self.key).arg(self.owner.to_string()).arg(self.token.0).arg(change);
        call.bytes(state).bytes(intentions).arg(self.due.map(|due| due.as_micros().to_string()).unwrap_or_default());
        call.list(self.links.iter());
        call.about(Matter::Facts).list(self.facts.envelopes.iter().map(|envelope| &envelope[..]));
        call.about(Matter::Work).bytes(&self.new_call.as_ref().map(wire::new_call_to_wire).unwrap_or_default());
        call.arg(self.began_with.map(|position| position.to_string()).unwrap_or_default()).about(Matter::Records);
        call.arg(self.number);
    }

    /// The refusal that needs no query to the store. An end is accepted whatever its size.
    fn refusal(&self) -> Option<Refusal> {
        let size = Size::of(&self.change).with_facts(self.facts.envelopes.iter().map(Bytes::len));
        let links = self.links.iter().map(String::len).sum();
        let new_call = self.new_call.as_ref().map_or(0, |call| call.body.len());
        Size { links, new_call, ..size }.refusal().filter(|_| Room::of(&self.change) != Room::Ends)
    }

    /// Bytes that it brings.
    pub(super) fn size(&self) -> usize {
        Size::of(&self.change).state + self.facts.envelopes.iter().map(Bytes::len).sum::<usize>()
    }
}

/// What happened, as events and as encoded for the stream.
#[derive(Clone, Default)]
pub(super) struct Facts {
    pub(super) events: Arc<[Stamped]>,
    pub(super) envelopes: Arc<[Bytes]>,
}

impl From<Vec<Stamped>> for Facts {
    fn from(events: Vec<Stamped>) -> Self {
        let envelopes = super::envelopes(&events).map(Bytes::from).collect();
        Self { events: events.into(), envelopes }
    }
}

/// Writes that no store accepts, by their index in the batch.
pub(super) struct TooLarge(Vec<(usize, Refusal)>);

/// Removes the rows that no store accepts: they alone are refused.
pub(super) fn sort_out(rows: Vec<Row>) -> (Vec<Row>, TooLarge) {
    let (mut taken, mut refused) = (Vec::with_capacity(rows.len()), Vec::new());
    for (at, row) in rows.into_iter().enumerate() {
        match row.refusal() {
            None => taken.push(row),
            Some(refusal) => refused.push((at, refusal)),
        }
    }
    (taken, TooLarge(refused))
}

impl TooLarge {
    /// Inserts these refusals into the answers to the other rows of the batch.
    pub(super) fn among(self, mut written: Vec<Written>) -> Vec<Written> {
        for (at, refusal) in self.0 {
            written.insert(at.min(written.len()), Written::Refused(refusal));
        }
        written
    }
}

pub(super) fn row_of_call(write: CallWrite) -> Row {
    Row {
        key: write.conn_id.text(),
        tenant: write.tenant,
        owner: write.owner,
        token: write.token,
        change: write.change,
        due: write.due,
        links: write.dialogs.iter().map(dialog_link).collect(),
        facts: write.events.into(),
        new_call: write.new_call,
        began_with: None,
        number: 0,
    }
}

/// A record as a row that saves it.
pub(super) fn row_of<K: RecordKey>(tenant: &TenantId, record: &Record<K>) -> Row {
    Row {
        tenant: tenant.clone(),
        key: record.key.text(),
        owner: record.owner.clone(),
        token: record.token,
        change: Change::Save { state: record.state.clone(), intentions: record.intentions.clone() },
        due: record.due,
        links: Vec::new(),
        facts: Facts::default(),
        new_call: None,
        began_with: None,
        number: 0,
    }
}

/// The numbers of a batch's writes.
pub(super) fn numbers_from(first: u64) -> impl Iterator<Item = u64> {
    (first..).map(move |number| if first == 0 { 0 } else { number })
}

/// The index entry of a dialog; neither part contains a line break.
pub(super) fn dialog_link(dialog: &DialogKey) -> String {
    format!("{}\n{}", dialog.call_id, dialog.from_tag)
}
