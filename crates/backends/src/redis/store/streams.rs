//! Facts by position; new calls and requests by consumer group.

pub(in crate::redis) mod audience;
mod events;
mod new_calls;
mod received_facts;
mod requests;
mod work;

pub(in crate::redis) use received_facts::ReceivedFacts;
pub(in crate::redis) use work::Given;

use infra::{Position, Result};

use crate::redis::connection::reply::{self, position};

fn at(value: Option<&redis::Value>) -> Result<Position> {
    position(&reply::text(value)?)?.ok_or_else(|| reply::corrupt("a position", "it is empty"))
}
