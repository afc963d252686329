//! Transactions (RFC 3261 §17 with RFC 6026 and RFC 4320): a request and its responses, which may be lost, duplicated or late.
//!
//! [`TransactionLayer`] holds all transactions of one node. User agent and proxy core pass it every incoming message
//! ([`TransactionLayer::receive`]) and every outgoing request and response. It absorbs repeats, repeats what may be lost, and
//! reports missing answers.
//!
//! The four machines are pure values in modules of their own, one per figure of the RFC.

mod answered;
mod arena;
mod client;
mod key;
mod layer;
mod server;
mod snapshot;
mod timer;
mod timer_queue;

pub(crate) use arena::Arena;
pub use client::{ClientState, InviteClient, NonInviteClient};
pub(crate) use layer::hop_request;
pub use layer::{
    ClientId, ClientRequest, NewRequest, Received, ServerId, TransactionError, TransactionEvent, TransactionLayer,
};
pub use server::{InviteServer, NonInviteServer, ServerState};
pub use snapshot::{ClientSnapshot, ServerSnapshot};
pub use timer::{Intervals, Repeat, Schedule, Timer};
pub(crate) use timer_queue::TimerQueue;
