//! The proxy core: stateful and record-routing (RFC 3261 §16), with nodes that come and go behind it.

pub mod headers;
