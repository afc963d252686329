//! The calls known to rq: attributes and business data for the events of virtual queues.
//!
//! The attributes come with every fact of the tenant's stream. The data comes from the call's owner (voice-25), which sends it again
//! whenever rq restarts.

use std::collections::HashMap;

use model::event::CallRef;
use model::{ConnId, UserData};

/// The most calls whose attributes are kept for the events of virtual queues; events of further calls have only the ids.
const CALLS_MAX: usize = 100_000;
/// The most bytes of business data kept for a tenant's calls; further data is left out of the events.
const DATA_BYTES_MAX: usize = 64 << 20;

/// The calls of a tenant.
#[derive(Debug, Default)]
pub(super) struct Calls {
    known: HashMap<ConnId, Known>,
    data_bytes: usize,
}

#[derive(Debug)]
struct Known {
    call: CallRef,
    data: UserData,
    bytes: usize,
}

impl Calls {
    /// Remembers a new call; a known call stays unchanged.
    pub fn remember(&mut self, call: &CallRef) {
        if self.has_room(call.conn_id) {
            let new = || Known { call: call.clone(), data: UserData::new(), bytes: 0 };
            self.known.entry(call.conn_id).or_insert_with(new);
        }
    }

    /// Takes over a call's details from its owner; `bytes` is the size of its data.
    pub fn tell(&mut self, call: CallRef, data: UserData, bytes: usize) {
        let conn_id = call.conn_id;
        if !self.has_room(conn_id) {
            return;
        }
        self.forget(conn_id);
        let (data, bytes) =
            if self.data_bytes + bytes <= DATA_BYTES_MAX { (data, bytes) } else { (UserData::new(), 0) };
        self.data_bytes += bytes;
        self.known.insert(conn_id, Known { call, data, bytes });
    }

    /// Forgets a call that is over.
    pub fn forget(&mut self, conn_id: ConnId) {
        if let Some(known) = self.known.remove(&conn_id) {
            self.data_bytes -= known.bytes;
        }
    }

    /// A call's attributes.
    pub fn call(&self, conn_id: ConnId) -> Option<&CallRef> {
        self.known.get(&conn_id).map(|known| &known.call)
    }

    /// A call's business data, as last sent by its owner.
    pub fn data(&self, conn_id: ConnId) -> UserData {
        self.known.get(&conn_id).map(|known| known.data.clone()).unwrap_or_default()
    }

    fn has_room(&self, conn_id: ConnId) -> bool {
        self.known.len() < CALLS_MAX || self.known.contains_key(&conn_id)
    }
}

#[cfg(test)]
mod tests {
    use model::{CallType, CallUuid};

    use super::*;

    fn call(number: u64) -> CallRef {
        CallRef {
            conn_id: ConnId(number),
            uuid: CallUuid(7),
            thread: CallUuid(7),
            previous: None,
            call_type: CallType::Inbound,
            propagated_type: None,
            ani: Some("+15550199".to_owned()),
            dnis: None,
        }
    }

    #[test]
    fn data_beyond_the_bound_is_left_out_until_calls_are_over() {
        let mut calls = Calls::default();
        let data = || -> UserData { [("Segment", "Gold")].into_iter().collect() };
        calls.tell(call(1), data(), DATA_BYTES_MAX - 10);
        calls.tell(call(2), data(), 11);
        assert_eq!((calls.data(ConnId(1)), calls.data(ConnId(2))), (data(), UserData::new()));
        assert_eq!(calls.call(ConnId(2)), Some(&call(2)));
        calls.tell(call(1), data(), 5);
        calls.tell(call(2), data(), 11);
        assert_eq!(calls.data(ConnId(2)), data(), "the first has become smaller");
        calls.forget(ConnId(1));
        calls.forget(ConnId(2));
        assert_eq!((calls.data_bytes, calls.call(ConnId(1))), (0, None));
    }

    #[test]
    fn a_fact_does_not_take_away_what_the_owner_has_told() {
        let mut calls = Calls::default();
        let data: UserData = [("Segment", "Gold")].into_iter().collect();
        calls.tell(call(1), data.clone(), 20);
        calls.remember(&CallRef { ani: None, ..call(1) });
        assert_eq!((calls.call(ConnId(1)), calls.data(ConnId(1))), (Some(&call(1)), data));
    }
}
