//! The Bayeux protocol (CometD): clients with subscriptions and what waits for them, as a state machine without I/O.
//!
//! [`Hub`] is the server's side: one owner with its clients. [`Consumer`] is a client that reads a hub. Both take messages as text and
//! `now`, and say what is to be sent; HTTP is the caller's.

mod channel;
mod client_id;
mod consumer;
mod hub;
pub mod limits;
mod message;
mod reply;

pub use channel::{ChannelFault, ChannelName, ChannelPattern};
pub use client_id::ClientId;
pub use consumer::{Consumer, ConsumerFault, ConsumerNews, ConsumerRequest};
pub use hub::{
    ClientEnd as Ended, ClientSnapshot, ExchangeId as Exchange, HeldMessage, Hub, HubSettings, HubSnapshot, Output,
    ServedConnections, UnknownClient,
};
pub use message::{BatchFault, MessageBatch as Batch};
