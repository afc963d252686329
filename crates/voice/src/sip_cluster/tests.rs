//! The node between user agents that play caller, media and agent's phone, on virtual time.

mod bench;
mod calls;
mod carriers;
mod cluster;
mod consultation;
mod direct;
mod diversion;
mod early_media;
mod encryption;
mod endings;
mod faults;
mod header_rules;
mod identity;
mod joining;
mod meeting;
mod monitoring;
mod options;
mod originate;
mod phones;
mod recording;
mod renegotiation;
mod restart;
mod sessions;
mod spending;
mod trunk_limits;
mod user_to_user;
