//! config: the tenants' configuration over HTTP (9100), for the voice roles. It reads the cache that the tenant role writes.
//!
//! | path below `/tenants/{tenant}` | answer |
//! |---|---|
//! | (none) | the tenant |
//! | `/dns`, `/dns/{number}`, `/skills`, `/prompts`, `/places`, `/people`, `/people/{user}` | objects |
//! | `/numbers`, `/trunks`, `/feature-codes`, `/schedules`, `/dial-rules`, `/applications/{name}` | objects |
//! | `/agents/{id}`, `/agent-logins/{code}` | the person with that agent id or login code; `/agent-logins` are the codes that are objects |
//! | `/route-points/{dn}` | the route point with its application's document |
//! | `/credentials/{dn}` | the data to check a phone's digest with (scope `config:secrets`) |
//! | `POST /credentials` | the same for several phones at once |
//! | `/trunk-credentials` | user names and passwords of trunks, and the keys of those that sign (scope `config:secrets`) |
//! | `/trunk-digests` | the data to check the digests of those with who call by trunks (scope `config:secrets`) |
//! | `/logins` (POST) | whether that is the PIN of the agent who logs in (scope `config:secrets`) |
//! | `/pins/{dn}` (POST) | whether that is the PIN of the agent at the phone, or the PIN's length (scope `config:secrets`) |
//! | `/objects?after=G-R&kinds=dn,trunk&from=` | objects of the kinds, or those changed after a version; `from` pages by `next` |
//!
//! `/tenants` lists ids; `/versions?etag=..&wait_s=5` answers as soon as any tenant's version differs; `/keep-alive` answers at once.
//! Answers have an `ETag` (the tenant's version; of one object the version that wrote it) and honour `If-None-Match`. Secrets are blank everywhere but in `/credentials`, `/trunk-credentials` and `/trunk-digests`.

mod copies;
mod metrics;
mod pins;
mod server;

use runtime::spec::{Listen, Place, Protocol};
use runtime::{Drains, Replicas, Role, RoleContext, RoleSpec, Starts};

use copies::Copies;
use pins::Pins;

/// The declaration of the config role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "config",
    number: 6,
    summary: "the tenants' configuration, for the voice roles",
    listens: &[Listen {
        name: "http",
        protocol: Protocol::Http,
        port: 9100,
        place: Place::Cluster,
        accepts: &[
            "voice-15", "voice-22", "voice-23", "voice-26", "voice-28", "voice-32", "voice-34", "voice-35", "own-03",
            "own-04", "own-07",
        ],
    }],
    opens: &["voice-17"],
    settings: &[],
    metrics: &[metrics::Metrics::declared],
    admin_port: 9090,
    starts: Starts::First,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

async fn run(ctx: RoleContext) -> anyhow::Result<()> {
    ctx.ready.require("configuration");
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let copies = Copies::new(metrics.clone());
    let pins = Pins::new(ctx.clock.clone(), metrics);
    net::http::serve(&ctx, "http", server::router(copies.clone(), pins)).await?;
    let following = copies.clone().follow(ctx.stores.configuration.clone(), ctx.drain.clone(), ctx.ready.clone());
    ctx.spawn("configuration follower", following);
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}
