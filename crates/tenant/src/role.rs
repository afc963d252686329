//! tenant: the only writer of a tenant's objects. It publishes them into the cache (tenant-21), serves them on 8888, the tenant's call
//! events on 8000 and its statistics on 2060, sends rq its agents (voice-16), and checks that config serves the published state (voice-26).
//! What it and auth note in the tables of the audit it carries into the reporting log (own-30).

mod agents;
mod audit_export;
mod caller_rights;
mod configuration;
mod events;
mod filter;
mod live;
mod metrics;
mod objects;
mod own_secrets;
mod pruning;
mod publish;
mod records;
mod request_texts;
mod served;
mod statistics;
mod stored_tenants;
mod subscription;
#[cfg(test)]
mod test_database;
mod view;
mod views;
mod waiting_calls;

use std::sync::Arc;

use contracts::v1::configuration_server::ConfigurationServer;
use contracts::v1::events_server::EventsServer;
use contracts::v1::provisioning_server::ProvisioningServer;
use contracts::v1::schedules_server::SchedulesServer;
use contracts::v1::statistics_server::StatisticsServer;
use contracts::v1::waiting_calls_server::WaitingCallsServer;
use infra::ConfigVersion;
use model::{SharedMap, TenantId};
use runtime::spec::{Listen, Place, Protocol};
use runtime::{Drains, Replicas, Role, RoleContext, RoleSpec, Starts};
use tokio::sync::watch;
use tonic::service::Routes;

use crate::objects::HeldTenants;
use agents::AgentObjects;
use stored_tenants::StoredTenants;

/// The declaration of the tenant role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "tenant",
    number: 16,
    summary: "a tenant's objects, call events and requests",
    listens: &[
        Listen {
            name: "configuration",
            protocol: Protocol::Grpc,
            port: 8888,
            place: Place::Cluster,
            accepts: &[
                "voice-01",
                "voice-02",
                "voice-03",
                "voice-04",
                "voice-05",
                "tenant-01",
                "tenant-02",
                "tenant-04",
                "tenant-07",
                "tenant-11",
                "tenant-12",
                "own-28",
                "own-35",
                "own-37",
            ],
        },
        Listen {
            name: "events",
            protocol: Protocol::Grpc,
            port: 8000,
            place: Place::Cluster,
            accepts: &["voice-02", "voice-04", "tenant-03", "tenant-08", "tenant-13", "own-22"],
        },
        Listen {
            name: "statistics",
            protocol: Protocol::Grpc,
            port: 2060,
            place: Place::Cluster,
            accepts: &["voice-04", "voice-05", "tenant-06", "tenant-09"],
        },
    ],
    opens: &["voice-13", "tenant-21", "voice-14", "voice-16", "voice-26", "voice-31", "own-30"],
    settings: Settings::TABLE,
    metrics: &[
        metrics::Metrics::declared,
        audit_export::Metrics::declared,
        pruning::Metrics::declared,
        publish::Metrics::declared,
        served::Metrics::declared,
        statistics::Metrics::declared,
        runtime::fact_in_hand::FactCounts::declared,
    ],
    admin_port: 15000,
    starts: Starts::First,
    drains: Drains::Last,
    replicas: Replicas::One,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The least and the most days for which the history may be kept: a batch may be repeated within a day.
const HISTORY_DAYS_MIN: u32 = 7;
const HISTORY_DAYS_MAX: u32 = 36_500;

runtime::settings! {
    /// Settings of tenant.
    pub struct Settings {
        /// For how many days it is kept who has changed which object, and how the object stood.
        history_days: u32 = 400, |v| runtime::settings::declare::within(v, &HISTORY_DAYS_MIN, &HISTORY_DAYS_MAX);
    }
}

/// The largest request about single objects: a table of people, and what is said of it.
const REQUEST_BYTES_MAX: usize = crate::people::TABLE_BYTES_MAX + (1 << 20);

/// The largest request about shifts: a table of them, and what is said of it.
const SHIFTS_BYTES_MAX: usize = crate::shifts::TABLE_BYTES_MAX + (1 << 20);

/// Each published tenant's version and agent objects.
type PublishedTenants = SharedMap<TenantId, (ConfigVersion, AgentObjects)>;

async fn run(ctx: RoleContext) -> anyhow::Result<()> {
    let settings: Settings = ctx.settings()?;
    ctx.ready.require("configuration published");
    let (tell_stored, stored) = watch::channel(StoredTenants::default());
    let (held, store) = (Arc::new(HeldTenants::default()), ctx.stores.provisioning.clone());
    ctx.spawn("tenants of the database", stored_tenants::run(ctx.clone(), tell_stored, held.clone()));
    let (tell_published, published) = watch::channel(PublishedTenants::default());
    ctx.spawn("publisher", publish::run(ctx.clone(), tell_published));
    ctx.spawn("agents to rq", agents::run(ctx.clone(), published.clone(), stored.clone()));
    ctx.spawn("what config serves", served::run(ctx.clone(), published));
    ctx.spawn("audit", audit_export::run(ctx.clone()));
    ctx.spawn("old history", pruning::run(ctx.clone(), settings.history_days));
    let rights = Arc::<caller_rights::KeptRights>::default();
    let view_metrics = metrics::Metrics::register(&ctx.metrics);
    let views = views::Views::new(records::Sources::of(&ctx.stores), view_metrics.clone());
    let statistics = statistics::begin(&ctx, views.clone(), stored.clone());
    let configuration = configuration::Server::new(store, stored, held.clone(), rights.clone(), ctx.clock.clone());
    let directory = ctx.directory.clone();
    let (stores, issuer) = (&ctx.stores, ctx.tokens.issuer());
    let objects = Arc::new(objects::ObjectServer::new(stores, held, rights, ctx.clock.clone(), directory, issuer));
    let schedules = SchedulesServer::from_arc(objects.clone()).max_decoding_message_size(SHIFTS_BYTES_MAX);
    let objects = ProvisioningServer::from_arc(objects).max_decoding_message_size(REQUEST_BYTES_MAX);
    let routes = Routes::new(ConfigurationServer::new(configuration)).add_service(objects).add_service(schedules);
    net::grpc::serve(&ctx, "configuration", routes).await?;
    let events = events::Server::new(&ctx, views, view_metrics)?;
    let waiting_calls = WaitingCallsServer::new(waiting_calls::WaitingExplainer::new(&ctx)?);
    let events = Routes::new(EventsServer::new(events)).add_service(waiting_calls);
    net::grpc::serve(&ctx, "events", events).await?;
    net::grpc::serve(&ctx, "statistics", Routes::new(StatisticsServer::new(statistics))).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
