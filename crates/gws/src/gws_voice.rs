//! gws-voice: the calls and agents of a tenant's DNs as the published Workspace API shows them, for gws-workspace (gws-29), and the
//! requests of desktops on their way to tenant. HTTP 8080, paths under `/voice/v3/{tenant}`.
//!
//! It folds the events of each tenant that somebody follows (tenant-08, port 8000) into a picture, and tells the changes of each DN on a
//! Bayeux channel of its own. Whoever asks is told what a call has come through, which calls wait, and, as tenant tells it, why. It owns
//! nothing: what it knows comes from tenant's snapshot and the events after it. A replica that begins goes on from what another one, or
//! itself before, has kept a moment ago (gws-25): so no event is lost where all of them were gone.

mod feed;
mod followed;
mod kept_voices;
mod picture;
mod position_record;
mod recent;
mod registrations;
mod requests;
mod server;
mod tenant_voice;
mod tenants;

use std::time::Duration;

use anyhow::Result;
use net::http::Limits;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "gws-voice",
    number: 24,
    summary: "calls and agents of DNs for desktops, and their requests",
    listens: &[Listen {
        name: "voice",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["gws-29"],
    }],
    opens: &[EVENTS, "gws-25"],
    settings: &[],
    metrics: &[Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The connection to tenant, and its port.
const EVENTS: &str = "tenant-08";
const EVENTS_PORT: u16 = 8000;

/// Time until an answer begins: more than a connect is parked.
const ANSWER_WITHIN: Duration = Duration::from_secs(75);

runtime::metrics! {
    /// Metrics of gws-voice.
    #[derive(Clone)]
    struct Metrics {
        /// Facts folded into the pictures of tenants.
        facts: Counter = "gws_voice_facts";
        /// Facts that are unreadable.
        facts_unreadable: Counter = "gws_voice_facts_unreadable";
        /// Phones and calls that have no picture, for lack of room.
        left_out: Counter = "gws_voice_entries_left_out";
        /// Subscriptions of event streams that broke; they are continued.
        subscriptions_broken: Counter = "gws_voice_subscriptions_broken";
        /// Number of times a tenant's picture began anew, because the stream no longer had the position.
        begun_anew: Counter = "gws_voice_begun_anew";
        /// What is known of a tenant's DNs, kept for replicas that begin later.
        voices_kept: Counter = "gws_voice_voices_kept";
        /// The same, where the store has not taken it.
        voices_unkept: Counter = "gws_voice_voices_unkept";
        /// Tenants whose events went on from what was kept.
        voices_taken_over: Counter = "gws_voice_voices_taken_over";
        /// Faults that ended the picture of a tenant; it began anew.
        faults: Counter = "gws_voice_tenant_faults";
        /// Requests of desktops that tenant has taken.
        requests: Counter = "gws_voice_requests";
        /// Requests of desktops that were refused, or have no answer.
        requests_refused: Counter = "gws_voice_requests_refused";
        /// Tenants whose events are followed.
        tenants: Gauge = "gws_voice_tenants";
        /// Tenants of which no events come: their readers are sent to another replica.
        tenants_cut_off: Gauge = "gws_voice_tenants_cut_off";
    }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = Metrics::register(&ctx.metrics);
    let tenants = tenants::VoiceTenants::new(&ctx, &metrics)?;
    let router = server::router(&ctx, tenants.clone(), feed::waiting_client(&ctx)?, metrics);
    let limits = Limits { answer_within: ANSWER_WITHIN, ..Limits::default() };
    net::http::serve_with(&ctx, "voice", router, limits, |_, _| false).await?;
    ctx.spawn("times of tenants", tenants.keep_time());
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
