//! Drivers of the protocol cores: SIP over UDP, TCP and TLS, RTP sockets, HTTP and gRPC.

pub mod admin;
pub mod configuration;
pub mod connector;
pub mod consul;
pub mod document;
mod forwarded_for;
pub mod grpc;
pub mod guarded;
pub mod header_rules;
pub mod http;
pub mod lookups;
pub mod public_address;
pub mod requester;
pub mod resolver;
pub mod rtp;
pub mod sip;
mod source_block;
pub mod stir;
pub mod tenant;
pub mod tls;
pub mod topology;
