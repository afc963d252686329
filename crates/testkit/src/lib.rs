//! Drives the built binary with independent programs: SIPp, baresip, curl, openid-client, grpc-js,
//! genesys-workspace-client-js. Links no role.

pub mod agents;
pub mod audio;
pub mod authenticator;
pub mod authority;
pub mod baresip;
pub mod browser;
pub mod caller;
pub mod clock;
pub mod collector;
pub mod consul;
pub mod facts;
pub mod infra;
pub mod installation;
pub mod kamailio;
pub mod keep_alive;
pub mod kernel;
pub mod names;
pub mod object_store;
pub mod observe;
pub mod process;
pub mod prometheus;
pub mod rtp;
pub mod servers;
pub mod siege;
pub mod sipp;
pub mod tenants;
pub mod visitor;
pub mod wait;
pub mod wallboard;

pub use self::infra::Infra;
pub use authenticator::Authenticator;
pub use authority::Authority;
pub use baresip::{Answer, Encrypts, Phone, Setup};
pub use caller::Caller;
pub use consul::Consul;
pub use facts::{Fact, Watch};
pub use installation::Installation;
pub use keep_alive::KeepAlive;
pub use object_store::ObjectStore;
pub use prometheus::Prometheus;
pub use rtp::Endpoint;
pub use servers::Servers;
pub use sipp::Sipp;
pub use visitor::Visitor;
