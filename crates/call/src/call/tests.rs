//! The event sequences of the domain's section 1.6, and its invariants over random inputs.

mod alerting;
mod conference;
mod consultation;
mod feature;
mod harness;
mod hold;
mod inbound;
mod internal;
mod invitation;
mod laws;
mod limits;
mod monitor;
mod offered;
mod originate;
mod outside;
mod requests;
mod transfer;
