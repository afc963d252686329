//! Calls as versioned records.

use bytes::Bytes;
use call::CallSnapshot;
use contracts::v1;
use contracts::wire::user_data_to_wire;
use model::{Dn, Timestamp};
use prost::Message as _;
use sip::agent::UserAgent;

use super::entry::Entry;

/// The entry of the stream of new calls.
pub fn new_call(state: &CallSnapshot, point: &Dn, application: &str, owner: String, now: Timestamp) -> Bytes {
    let record = v1::NewCallRecord {
        call: Some(contracts::wire::call_ref_to_wire(&state.call_ref())),
        this_dn: point.to_string(),
        application: application.to_owned(),
        user_data: Some(user_data_to_wire(&state.user_data)),
        owner,
        at_us: now.as_micros(),
    };
    Bytes::from(record.encode_to_vec())
}

/// A call's record.
pub fn encode(entry: &Entry, agent: &UserAgent) -> Bytes {
    let _ = (entry, agent);
    Bytes::new()
}
