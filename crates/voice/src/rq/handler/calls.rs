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
mod tests;
