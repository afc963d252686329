//! bds: a tenant's inventory for accounting, once a day as files: people, skills, places, DNs, numbers, queues.
//!
//! It reads from tenant (voice-03, which is tenant-01 too) and writes a folder for each tenant and day. It listens nowhere. What is in the
//! files stands in `tables`, when they are due in `due_day`, how a folder comes to be whole in `day_folder`.

mod daily;
mod day_folder;
mod due_day;
mod tables;
mod tenant_zone;

use std::path::PathBuf;

use anyhow::Result;
use contracts::v1::configuration_client::ConfigurationClient;
use net::tenant::{self, ObjectReader};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::{Drains, Replicas, Role, RoleContext, RoleSpec, Starts};

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "bds",
    number: 43,
    summary: "a tenant's inventory as files, once a day",
    listens: &[],
    opens: &[CONNECTION],
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
/// The folder below the data directory, where none is set.
const FOLDER: &str = "inventory";
/// The most days that folders may be kept: ten years.
const KEEP_DAYS_MAX: u32 = 3_660;

runtime::settings! {
    /// Settings of bds.
    pub struct Settings {
        /// When the files of a day are written, by the tenant's clocks, as `02:30`.
        at: String = "02:30".to_owned(), |v| due_day::time_of_day(v).map(drop);
        /// The folder for the files; each tenant has one in it. Empty: `inventory` in the data directory.
        folder: PathBuf = PathBuf::new();
        /// For how many days the folder of a day is kept.
        keep_days: u32 = 90, |v| runtime::settings::declare::within(v, &1, &KEEP_DAYS_MAX);
    }
}

runtime::metrics! {
    /// Metrics of bds.
    #[derive(Clone)]
    struct Metrics {
        /// When the files of the tenant that has waited longest for new ones were written, in seconds since 1970; 0 while a tenant has none.
        last_success: Gauge = "bds_last_success_seconds";
        /// Folders of a tenant's day that were written.
        folders: Counter = "bds_folders";
        /// Rows that were written.
        rows: Counter = "bds_rows";
        /// Attempts that failed; they are repeated.
        failures: Counter = "bds_failures";
        /// Tenants whose last attempt failed.
        tenants_failing: Gauge = "bds_tenants_failing";
    }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let settings: Settings = ctx.settings()?;
    let folder = Some(settings.folder).filter(|folder| !folder.as_os_str().is_empty());
    let client = ConfigurationClient::new(net::grpc::channel(&ctx, CONNECTION, PORT)?);
    let tenants = tenant::follow_list(&ctx, CONNECTION);
    let daily = daily::Daily {
        objects: ObjectReader::new(client),
        folder: folder.unwrap_or_else(|| ctx.data_dir.join(FOLDER)),
        at: due_day::time_of_day(&settings.at).map_err(anyhow::Error::msg)?,
        keep_days: settings.keep_days,
        metrics: Metrics::register(&ctx.metrics),
        ctx: ctx.clone(),
    };
    ctx.ready.started();
    daily.run(tenants).await
}
