//! gws-interaction: the part of a desktop's session that is about interactions of media other than calls. HTTP 80 (8080), paths under
//! `/interaction/v3/{tenant}`, for gws-workspace (own-36), which has verified who is at the desktop.
//!
//! Which interactions a person has open, as chats and work items, it keeps in Redis (gws-24). In memory it has nothing: any replica
//! answers, and a desktop that was loaded again, or whose replica has gone, shows them. What Interaction Server would carry out, as the
//! states of media channels, queues and workbins, is asked here too, and refused with the reason until there is one.

mod metrics;
mod open_interactions;
mod server;

use std::time::Duration;

use anyhow::Result;
use net::http::Limits;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "gws-interaction",
    number: 23,
    summary: "the chats and work items that people have open at their desktops",
    listens: &[Listen {
        name: "interaction",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["own-36"],
    }],
    opens: &["gws-24"],
    settings: &[],
    metrics: &[metrics::Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The largest body: one interaction.
const BODY_BYTES_MAX: usize = 4 << 10;
/// Time until an answer begins: more than Redis has.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let router = server::router(open_interactions::OpenInteractions::new(&ctx), metrics);
    let limits = Limits { body_bytes_max: BODY_BYTES_MAX, answer_within: ANSWER_WITHIN, ..Limits::default() };
    net::http::serve_with(&ctx, "interaction", router, limits, |_, _| false).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
