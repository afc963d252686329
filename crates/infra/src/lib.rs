//! What the roles need from storage, as traits with domain verbs; the embedded implementations; their conformance suite.

pub mod bounds;
pub mod clock;
pub mod configuration;
pub mod conformance;
pub mod embedded;
pub mod error;
pub mod exporter;
pub mod leases;
pub mod ledger;
pub mod provisioning;
pub mod quarantine;
pub mod record;
pub mod refusal;
pub mod registrations;
pub mod reporting;
pub mod spool;
pub mod stores;
pub mod stream;
pub mod views;
pub mod watch;
pub mod wire;

pub use clock::{Clock, SystemClock};
pub use configuration::*;
pub use error::*;
pub use leases::*;
pub use ledger::*;
pub use provisioning::*;
pub use quarantine::*;
pub use record::*;
pub use refusal::*;
pub use registrations::*;
pub use reporting::*;
pub use stores::Stores;
pub use stream::*;
pub use views::*;
pub use watch::{Client, Line, Matter, Watch};
