//! The vocabulary on the wire: generated records and services, REST types, and every conversion from and to `model`.

pub mod provisioning;
