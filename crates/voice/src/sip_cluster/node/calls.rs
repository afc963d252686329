//! The calls that the node owns: their legs, the way from SIP to the call model and back, and their records.

pub mod call;
mod caller_status;
mod details;
mod early_media;
pub mod explain;
mod flows;
mod from_sip;
mod incoming;
pub mod joining;
pub mod leg;
pub mod monitoring;
mod msml_request;
mod options;
mod originate;
pub mod pending;
mod probes;
pub mod prompts;
pub mod records;
mod refer;
mod renegotiation;
mod rooms;
mod run;
mod session;
pub mod table;
mod to_sip;
mod treatment;
