//! gws-setting: what people keep for themselves at their desktops: favourites, recents, settings, contacts. HTTP 8080, paths under
//! `/setting/v3`, for gws-workspace (gws-31), which has verified who is at the desktop.
//!
//! It keeps them in the database (gws-09), where they belong to persons of the configuration and go with them; contacts that people share
//! belong to their tenant. In memory it has nothing: any replica answers.

mod contacts;
mod entries;
mod served;
mod server;

use std::time::Duration;

use anyhow::Result;
use net::http::Limits;
use prometheus_client::metrics::counter::Counter;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

use served::ServedSettings;

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "gws-setting",
    number: 26,
    summary: "favourites, recents and settings of people",
    listens: &[Listen {
        name: "setting",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["gws-31"],
    }],
    opens: &["gws-09"],
    settings: &[],
    metrics: &[Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The largest body: a setting as large as all of a person may be, and what JSON adds.
const BODY_BYTES_MAX: usize = 128 << 10;
/// Time until an answer begins: more than the database has.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

runtime::metrics! {
    /// Metrics of gws-setting.
    #[derive(Clone)]
    struct Metrics {
        /// Questions for favourites, recents and settings of a person.
        read: Counter = "gws_setting_reads";
        /// Favourites, recents and settings that were kept, removed or acknowledged, or were to be.
        written: Counter = "gws_setting_writes";
        /// Reads and writes that failed at the database.
        failed: Counter = "gws_setting_failures";
        /// Kept entries that cannot be read; they are left out of answers.
        unreadable: Counter = "gws_setting_entries_unreadable";
    }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = Metrics::register(&ctx.metrics);
    let (records, contacts) = (ctx.stores.personal_records.clone(), ctx.stores.contacts.clone());
    let router = server::router(ServedSettings { records, contacts, metrics });
    let limits = Limits { body_bytes_max: BODY_BYTES_MAX, answer_within: ANSWER_WITHIN, ..Limits::default() };
    net::http::serve_with(&ctx, "setting", router, limits, |_, _| false).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
