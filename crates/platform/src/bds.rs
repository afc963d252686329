//! bds: a tenant's inventory for accounting, once a day as files: people, skills, places, DNs, numbers, queues.
//!
//! It reads from tenant (voice-03, which is tenant-01 too) and writes a folder for each tenant and day, or puts the same files into object
//! storage (own-29). It listens nowhere. What is in the files stands in `tables`, their formats in `table_file`, when they are due in
//! `due_day`, how a folder comes to be whole in `day_folder` and goes again in `old_days`, and how a day in a bucket comes to be in `bucket_days`.

mod bucket_days;
mod daily;
mod day_folder;
mod due_day;
mod old_days;
mod s3;
mod table_file;
mod tables;
mod tenant_zone;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use bucket_days::BucketDays;
use contracts::v1::configuration_client::ConfigurationClient;
use net::tenant::{self, ObjectReader};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::counted_connector::CountedConnector;
use runtime::metrics::GaugeIfKnown;
use runtime::{Drains, Replicas, Role, RoleContext, RoleSpec, Secret, Starts};
use s3::{AccessKey, S3Client, S3Server};

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "bds",
    number: 43,
    summary: "a tenant's inventory as files, once a day",
    listens: &[],
    opens: &[CONNECTION, OBJECT_STORAGE],
    settings: Settings::TABLE,
    metrics: &[Metrics::declared, tenant::Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The connection to tenant, and its port.
const CONNECTION: &str = "voice-03";
const PORT: u16 = 8888;
/// Time until tenant gives the first object of a whole tenant: it reads the largest one behind two others that are as large. Nobody waits
/// for the files.
const BEGINS_WITHIN: Duration = Duration::from_secs(180);
/// The connection to object storage, where the settings name a bucket.
const OBJECT_STORAGE: &str = "own-29";
/// The folder below the data directory, where none is set.
const FOLDER: &str = "inventory";
/// The most days that folders may be kept: ten years.
const KEEP_DAYS_MAX: u32 = 3_660;

runtime::settings! {
    /// Settings of bds.
    pub struct Settings {
        /// When the files of a day are written, by the tenant's clocks, as `02:30`.
        at: String = "02:30".to_owned(), |v| due_day::time_of_day(v).map(drop);
        /// The formats of the files: `csv`, `parquet`.
        formats: Vec<String> = vec!["csv".to_owned(), "parquet".to_owned()], |v| table_file::formats(v).map(drop);
        /// The folder for the files; each tenant has one in it. Empty: `inventory` in the data directory. With `s3` it has files only on
        /// their way.
        folder: PathBuf = PathBuf::new();
        /// Where the files go instead: a bucket of object storage that speaks Amazon S3's interface, with what keys begin with, as
        /// `s3://bucket/prefix`. Each installation needs a prefix of its own. Empty: into the folder.
        s3: String = String::new(), |v| s3::check_bucket(v) => |all| has_key(all);
        /// The server of the bucket, as `https://minio.example:9000`; its name then stands in paths. Empty: Amazon's of the region.
        s3_endpoint: String = String::new(), |v| s3::check_endpoint(v);
        /// The region of the bucket.
        s3_region: String = "us-east-1".to_owned(), |v| s3::check_region(v);
        /// The id of the access key.
        s3_access_key: String = String::new(), |v| s3::check_key_id(v);
        /// The access key itself.
        s3_secret_key: Secret = Secret::new("");
        /// For how many days the folder of a day is kept, also when its tenant is no more; in a bucket, its own rules say so.
        keep_days: u32 = 90, |v| runtime::settings::declare::within(v, &1, &KEEP_DAYS_MAX);
    }
}

runtime::metrics! {
    /// Metrics of bds.
    #[derive(Clone)]
    struct Metrics {
        /// When the files of the tenant that has waited longest for new ones were written, in seconds since 1970; 0 while a tenant has none.
        /// Tenants of which that is not known since the start do not count, and there is no value while it is known of none.
        last_success: GaugeIfKnown = "bds_last_success_seconds";
        /// Days of a tenant that were written, be it as a folder or into object storage.
        folders: Counter = "bds_folders";
        /// Rows that were written.
        rows: Counter = "bds_rows";
        /// Attempts that failed; they are repeated.
        failures: Counter = "bds_failures";
        /// Tenants whose last attempt failed.
        tenants_failing: Gauge = "bds_tenants_failing";
    }
}

/// Checks that a bucket can be written.
fn has_key(all: &Settings) -> Result<(), String> {
    if !all.s3.is_empty() && (all.s3_access_key.is_empty() || all.s3_secret_key.expose().is_empty()) {
        return Err("it needs bds.s3_access_key and bds.s3_secret_key".to_owned());
    }
    Ok(())
}

/// The days in the bucket that the settings name, if they name one.
fn bucket_of(ctx: &RoleContext, settings: &Settings) -> Result<Option<BucketDays>> {
    if settings.s3.is_empty() {
        return Ok(None);
    }
    let path = s3::bucket_path(&settings.s3).map_err(anyhow::Error::msg)?;
    let server = S3Server::of(&settings.s3_endpoint, &settings.s3_region, &path.bucket).map_err(anyhow::Error::msg)?;
    let key = AccessKey {
        id: settings.s3_access_key.clone(),
        secret: settings.s3_secret_key.clone(),
        region: settings.s3_region.clone(),
    };
    let meter = ctx.meter(OBJECT_STORAGE).peer(&server.host);
    // From the role's own address where that reaches the store, as spans and telemetry go to their collector.
    let connector = CountedConnector { source: ctx.address, meter };
    let client = S3Client::new(server, key, ctx.clock.clone(), connector)?;
    Ok(Some(BucketDays::new(client, path.prefix)))
}

async fn run(ctx: RoleContext) -> Result<()> {
    let settings: Settings = ctx.settings()?;
    let bucket = bucket_of(&ctx, &settings)?;
    let formats = table_file::formats(&settings.formats).map_err(anyhow::Error::msg)?;
    let folder = Some(settings.folder).filter(|folder| !folder.as_os_str().is_empty());
    let client = ConfigurationClient::new(net::grpc::channel(&ctx, CONNECTION, PORT)?);
    let patient = net::grpc::channel_answering_within(&ctx, CONNECTION, PORT, BEGINS_WITHIN)?;
    let tenants = tenant::follow_list(&ctx, CONNECTION);
    let daily = daily::Daily {
        objects: ObjectReader::new(client),
        whole: ObjectReader::new(ConfigurationClient::new(patient)).beginning_within(BEGINS_WITHIN),
        folder: folder.unwrap_or_else(|| ctx.data_dir.join(FOLDER)),
        bucket,
        formats,
        at: due_day::time_of_day(&settings.at).map_err(anyhow::Error::msg)?,
        keep_days: settings.keep_days,
        metrics: Metrics::register(&ctx.metrics),
        ctx: ctx.clone(),
    };
    ctx.ready.started();
    daily.run(tenants).await
}
