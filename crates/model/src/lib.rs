//! The vocabulary: ids, nouns and facts of a contact centre. No serde, no I/O, no async.
//!
//! Every other crate uses these terms. A type that crosses a wire or a store has a counterpart in `contracts`; the conversions
//! are there and only there.

pub mod address_family;
pub mod agent;
pub mod answer;
pub mod encryption;
pub mod entropy;
pub mod event;
pub mod id;
pub mod owner;
pub mod pause;
pub mod plan;
pub mod request;
pub mod shared_map;
pub mod time;
pub mod turns;
pub mod userdata;

pub use address_family::AddressFamily;
pub use agent::{AgentState, WorkMode};
pub use encryption::Encryption;
pub use entropy::Entropy;
pub use event::{CallState, CallType, DnRole, Event, EventId, EventName, Stamped, Subject};
pub use id::{
    AgentId, AgentLoginCode, CallUuid, ConnId, Dn, LegId, PlaceName, QueueName, ReferenceId, SessionName, SkillName,
    TenantId,
};
pub use owner::{Epoch, NodeId, Owner, Seq, Token};
pub use pause::doubling_pause;
pub use request::{Request, RequestKind};
pub use shared_map::{SharedMap, SharedSet};
pub use time::Timestamp;
pub use userdata::{UserData, Value};
