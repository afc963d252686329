//! Roles as data: settings, supervision, readiness, drain, admin HTTP, caller tokens, logs, metrics, topology.
//!
//! A role crate exports `pub const SPEC: RoleSpec`, its declaration, and `pub const ROLE: Role`, which pairs it with the
//! function that runs it. The composition passes the table of roles to [`process::run`], which reads the settings, starts
//! each role with a [`RoleContext`], restarts failed roles and drains all on a signal.

pub mod address;
pub mod admin;
pub mod api_family;
pub mod around;
pub mod audience;
pub mod caller;
pub mod claims;
pub mod connections;
pub mod context;
pub mod counted;
pub mod counted_connector;

pub mod admin_listener;
pub mod data_dir;
pub mod directory;
pub mod discovery;
pub mod drain;
pub mod edge;
pub mod entropy;
pub mod exit;
pub mod fact_in_hand;
pub mod fault;
pub mod gate;
pub mod installation_key;
pub mod issuer;
pub mod key_files;
pub mod lease;
pub mod listener;
pub mod log;
pub mod meter;
pub mod metrics;
pub mod metrics_page;
pub mod problem;
pub mod process;
pub mod query;
pub mod readiness;
mod refused_roles;
pub mod role;
pub mod scope;
pub mod sealed;
pub mod server;
pub mod settings;
mod sources;
pub mod spans;
pub mod spec;
pub mod supervisor;
pub mod token;
pub mod topology;
pub mod trace;
pub mod trace_data;
pub mod trace_parent;
mod unread_body;

pub use api_family::ApiFamily;
pub use caller::Caller;
pub use context::RoleContext;
pub use directory::Directory;
pub use drain::Drain;
pub use log::Pii;
pub use meter::{Meter, PeerMeter};
pub use metrics::Metrics;
pub use problem::Problem;
pub use query::Query;
pub use readiness::Readiness;
pub use role::Role;
pub use settings::{ByteSize, Secret, Setting};
pub use spec::{Drains, Listen, Place, Protocol, Replicas, RoleSpec, Starts};
pub use token::TokenVerifier;
pub use trace::Recorder;
