//! The event sequences of `docs/events.md`, and what holds over random inputs.

mod alerting;
mod call_recording;
mod conference;
mod consultation;
mod early_media;
mod feature;
mod forwarding;
mod further;
mod harness;
mod hold;
mod inbound;
mod internal;
mod invitation;
mod laws;
mod limits;
mod matrix;
mod monitor;
mod offered;
mod originate;
mod outside;
mod predictive;
mod recording;
mod replacement;
mod requests;
mod transfer;
mod trunks;
