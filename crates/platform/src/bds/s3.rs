//! A bucket of a store that speaks Amazon S3's REST interface, as MinIO, Ceph and others do: objects are put and got.
//!
//! Ours, since two kinds of requests are needed and what they need is there: hyper, rustls by aws-lc, and HMAC. A client for all clouds
//! (`object_store`) would bring a second HTTP client (reqwest) and second versions of quick-xml, rand, base64 and md-5 into every build.

mod address;
mod client;
mod file_body;
mod signature;

pub(super) use address::{S3Server, bucket_path, check_bucket, check_endpoint, check_region};
pub(super) use client::{ObjectContent, PutCondition, PutOutcome, S3Client, S3Object};
pub(super) use signature::{AccessKey, check_key_id};
