//! One write of a ledger, as it is sent to Redis and may wait for it.

use bytes::Bytes;
use infra::{Change, Matter, NewCall, Position, Record, RecordKey, Refusal, Room, Size, Written, wire};
use model::{Owner, TenantId, Timestamp, Token};

use crate::redis::scripts::Call;
use crate::redis::store::Facts;

/// One write, in the same form for all ledgers.
#[derive(Clone)]
pub(in crate::redis) struct Row {
    pub(in crate::redis) tenant: TenantId,
    pub(in crate::redis) key: String,
    pub(in crate::redis) owner: Owner,
    pub(in crate::redis) token: Token,
    pub(in crate::redis) change: Change,
    pub(in crate::redis) due: Option<Timestamp>,
    pub(in crate::redis) links: Vec<String>,
    pub(in crate::redis) facts: Facts,
    pub(in crate::redis) new_call: Option<NewCall>,
    pub(in crate::redis) began_with: Option<Position>,
    /// Greater than the number of every earlier write by the same owner; 0 for a write that is never repeated.
    pub(in crate::redis) number: u64,
    /// The record that becomes part of it, and the token that the writer holds of that one.
    pub(in crate::redis) absorbs: Option<(String, Token)>,
}

impl Row {
    pub(in crate::redis) fn put_into(&self, call: &mut Call<'_>) {
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
        call.about(Matter::Facts).list(self.facts.iter().map(|fact| &fact[..]));
        call.about(Matter::Work).bytes(&self.new_call.as_ref().map(wire::new_call_to_wire).unwrap_or_default());
        call.arg(self.began_with.map(|position| position.to_string()).unwrap_or_default()).about(Matter::Records);
        call.arg(self.number);
        let absorbed = self.absorbs.iter().flat_map(|(key, token)| [key.clone(), token.0.to_string()]);
        call.list(absorbed.collect::<Vec<_>>().iter());
    }

    /// The refusal that needs no query to the store. An end is accepted whatever its size.
    fn refusal(&self) -> Option<Refusal> {
        let size = Size::of(&self.change).with_facts(self.facts.iter().map(Bytes::len));
        let links = self.links.iter().map(String::len).sum();
        let new_call = self.new_call.as_ref().map_or(0, |call| call.body.len());
        Size { links, new_call, ..size }.refusal().filter(|_| Room::of(&self.change) != Room::Ends)
    }

    /// Bytes that it brings.
    pub(in crate::redis) fn size(&self) -> usize {
        Size::of(&self.change).state + self.facts.iter().map(Bytes::len).sum::<usize>()
    }
}

/// Writes that no store accepts, by their index in the batch.
pub(in crate::redis) struct TooLarge(Vec<(usize, Refusal)>);

/// Removes the rows that no store accepts: they alone are refused.
pub(in crate::redis) fn refuse_too_large(rows: Vec<Row>) -> (Vec<Row>, TooLarge) {
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
    pub(in crate::redis) fn among(self, mut written: Vec<Written>) -> Vec<Written> {
        for (at, refusal) in self.0 {
            written.insert(at.min(written.len()), Written::Refused(refusal));
        }
        written
    }
}

/// A record as a row that saves it.
pub(in crate::redis) fn row_of<K: RecordKey>(tenant: &TenantId, record: &Record<K>) -> Row {
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
        absorbs: None,
    }
}

/// The numbers of a batch's writes.
pub(in crate::redis) fn numbers_from(first: u64) -> impl Iterator<Item = u64> {
    (first..).map(move |number| if first == 0 { 0 } else { number })
}

#[cfg(test)]
pub(in crate::redis) use tests::row_of_size;

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that saves a state of that many bytes.
    pub(in crate::redis) fn row_of_size(key: usize, size: usize) -> Row {
        Row {
            tenant: TenantId::parse("acme").unwrap(),
            key: key.to_string(),
            owner: "sip-cluster-1.5".parse().unwrap(),
            token: Token(1),
            change: Change::Save { state: vec![0; size].into(), intentions: Bytes::new() },
            due: None,
            links: Vec::new(),
            facts: Facts::default(),
            new_call: None,
            began_with: None,
            number: 0,
            absorbs: None,
        }
    }
}
