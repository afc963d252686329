//! The statistics engine: facts → actions → status → values. No I/O, no clock.
//!
//! A *statistic* is a definition on an object over a time profile. An event touches only the statistics of its objects. The cost of each
//! update does not grow with the number of earlier events.

pub mod action;
pub mod definition;
pub mod engine;
pub mod filter;
pub mod profile;
pub mod value;

pub use action::{Action, ActionKind, Mask};
pub use definition::{Category, Definition, Notification, ObjectId, ObjectType, Refused, Request, Subject, TimeRange};
pub use engine::{
    Bin, Engine, Joined, JoinedAgent, JoinedCall, JoinedParty, Output, PartyState, Snapshot, StatisticId,
};
pub use filter::Filter;
pub use profile::{Profile, Zone};
pub use value::{StateValue, Value};
