//! The vocabulary on the wire: generated records and services, REST types, and every conversion from and to `model`.

pub mod call_record;
pub mod carrier_registration;
pub mod configuration;
pub mod json;
pub mod openapi;
pub mod provisioning;
pub mod quarantine;
pub mod reporting;
pub mod sign_in_audit;
pub mod spreadsheet;
pub mod wire;

/// The messages and services of `proto/`, as `cargo xtask gen` wrote them.
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod v1 {
    include!("generated/trunkline.v1.rs");
}
