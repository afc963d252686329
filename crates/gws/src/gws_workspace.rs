//! gws-workspace: the desktops of agents, by the published Workspace API. HTTP 80 (8080), paths under `/workspace/v3`, through gws-proxy
//! (gws-06); the desktop in the browser at `/desktop`, and at `/ui/wwe` as GWS has it.
//!
//! A session begins by a person's token, or a code for one, and goes on by a cookie. What a desktop is told and what its operations become,
//! its desk decides (`desk`), without I/O. Here are the paths, the sessions in memory and in the store (gws-18), the way to gws-voice
//! (gws-29), the configuration (gws-16), the directory with the states of who is in it (gws-15), the values of statistics (gws-30), what
//! people keep for themselves (gws-31), and auth (gws-14), which says whether a token is still good and ends rights to phones. Mailboxes,
//! work items, chats and contacts are those of services beside GWS, where their addresses are set (gws-17, gws-26, gws-27, gws-28); what a
//! person has open of them, gws-interaction keeps (own-36).
//!
//! Any replica takes a session over that it does not have: its record is in the store, written before whoever waits is answered.

mod availability;
mod behind;
mod collector_client;
mod configuration_client;
mod desk;
mod desk_sign_in;
mod endpoints;
mod interaction_client;
mod metrics;
mod openapi;
mod peer_client;
mod published_pages;
mod records;
mod reporter;
mod reporting;
mod request;
mod server;
mod session;
mod setting_client;
mod shared_configurations;
mod standing_checks;
mod statistics_client;
mod store;
mod token_authority;
mod unfinished_ends;
mod unserved_operations;
mod voice_client;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bayeux::{HubSettings, ServedConnections, UnknownClient};
use identity::grant::ACCESS_LIFE;
use identity::session_cookie::SessionCookie;
use model::Timestamp;
use net::http::{Capacity, Limits};
use runtime::server::CONNECTIONS_MAX;
use runtime::token::TokenVerifier;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

use behind::TokenAuthority;
use desk::{Desk, DeskEnd, DeskSettings};
use desk_sign_in::DeskSignIn;
use records::KeptSession;
use reporter::StatisticsReporter;
use session::{AdoptedSession, DeskParts, DeskSession};

use crate::page_origin;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::held::{AdoptionTurn, HeldLimits};
use crate::sessions::parts::ReplicaParts;
use crate::sessions::person_sign_in::PersonSignIn;
use crate::sessions::replica::{self, NewPlace, ReplicaSessions, SoughtSession, TakenRecord, not_used};

pub use openapi::openapi;

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "gws-workspace",
    number: 27,
    summary: "the desktops of agents: the published Workspace API",
    listens: &[Listen {
        name: "workspace",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["gws-06"],
    }],
    opens: &[
        "gws-14", "gws-15", "gws-16", "gws-17", "gws-18", "gws-26", "gws-27", "gws-28", "gws-29", "gws-30", "gws-31",
        "own-36",
    ],
    settings: Settings::TABLE,
    metrics: &[metrics::Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// What the paths begin with.
const PATH: &str = "/workspace/v3";

/// Shorter, and an agent is logged out who looks out of the window.
const IDLE_MIN: Duration = Duration::from_secs(60);
/// A working day.
const IDLE_LONGEST: Duration = Duration::from_secs(12 * 3_600);

runtime::settings! {
    /// Settings of gws-workspace.
    pub struct Settings {
        /// How long a desktop's session may be without a request; then its agent is logged out, and it ends.
        /// An open desktop asks for its events each half minute.
        session_idle: Duration = Duration::from_secs(1_800), |v| runtime::settings::declare::within(v, &IDLE_MIN, &IDLE_LONGEST);
        /// Address of a voicemail service (HTTP), as `192.0.2.1:8081`, which counts the messages of mailboxes. Empty: there is none, and
        /// requests for them get 503.
        voicemail: Option<SocketAddr> = None;
        /// Address of a service of work items, as `192.0.2.1:8080`. Empty: there is none, as before.
        iwd: Option<SocketAddr> = None;
        /// Address of a service of chats, as `192.0.2.1:8080`. Empty: there is none, as before.
        digital_channels: Option<SocketAddr> = None;
        /// Address of a service of contacts, as `192.0.2.1:8080`. Empty: there is none, as before.
        ucs: Option<SocketAddr> = None;
    }
}

/// How often sessions are looked at: as late an event that is due may be.
const TICK: Duration = Duration::from_millis(200);
/// Each so many times it is looked whether they may go on.
const THOROUGH_EACH: u32 = 5;
/// For how long nobody may have looked whether a session's sign-in was revoked. What was, is known for a minute longer, and then no more:
/// auth is asked by tokens, and that of a session is over by then.
const UNCHECKED_MAX: Duration = ACCESS_LIFE;
/// How many sessions a replica has: with a poll each they have all its connections twice over.
const HELD: HeldLimits = HeldLimits { sessions_max: 10_000, tenants_share: 3 };
/// Time until an answer begins: more than a poll waits, less than gws-proxy does.
const ANSWER_WITHIN: Duration = Duration::from_secs(70);
/// The desktops of one address, as of an office, have half of the places at most: as many as there are connections.
const WAITS: Capacity = Capacity { all: 2 * CONNECTIONS_MAX };
const REQUESTS: Capacity = Capacity { all: 1_024 };

/// How desks treat the clients of their sessions.
const DESK: DeskSettings = DeskSettings {
    hub: HubSettings {
        connect_timeout: Duration::from_secs(30),
        interval: Duration::ZERO,
        // A desktop whose machine sleeps for a moment is there again.
        client_idle_max: Duration::from_secs(180),
        clients_max: 8,
        // Published clients have nine; what all clients have stands in the record, within its 16 KiB.
        subscriptions_max: 16,
        queue_messages_max: 512,
        // The configuration of a large tenant is one message.
        queue_bytes_max: 4 << 20,
        // Published clients stay deaf after a second handshake; whoever has the cookie belongs here.
        unknown_client: UnknownClient::Adopt,
        connections: ServedConnections::SocketsToo,
    },
};

/// What every endpoint needs.
struct Workspace {
    parts: Arc<DeskParts>,
    sessions: ReplicaSessions<DeskSession>,
    tokens: TokenVerifier,
    authority: Arc<dyn TokenAuthority>,
    /// The address of the edge, as people know it.
    base: String,
}

impl Workspace {
    fn new(ctx: &RoleContext) -> Result<Self> {
        let settings: Settings = ctx.settings()?;
        let metrics = metrics::Metrics::register(&ctx.metrics);
        let replica = ReplicaParts::new(ctx, settings.session_idle, metrics.counts());
        let authority: Arc<dyn TokenAuthority> = Arc::new(token_authority::AskedAuth::new(ctx, metrics.clone())?);
        let parts = DeskParts {
            replica: replica.clone(),
            voice: Arc::new(voice_client::VoiceClient::new(ctx, metrics.clone())?),
            configuration: Arc::new(configuration_client::ConfigurationClient::new(ctx)?),
            collector: Arc::new(collector_client::CollectorClient::new(ctx, metrics.clone())?),
            setting: Arc::new(setting_client::SettingClient::new(ctx)?),
            statistics: Arc::new(statistics_client::StatisticsClient::new(ctx, metrics.clone())?),
            interaction: Arc::new(interaction_client::InteractionClient::new(ctx, metrics.clone())?),
            peers: Arc::new(peer_client::PeerClient::new(ctx, &settings, metrics.clone())?),
            authority: authority.clone(),
            configurations: shared_configurations::SharedConfigurations::default(),
            metrics,
        };
        let issuer = ctx.tokens.issuer();
        Ok(Self {
            parts: Arc::new(parts),
            sessions: ReplicaSessions::new(ctx, replica, HELD),
            tokens: ctx.tokens.clone(),
            authority,
            base: issuer.strip_suffix(runtime::issuer::PATH).unwrap_or(issuer).to_owned(),
        })
    }

    /// The session of a cookie, which is used by that. One that is not here is taken over.
    async fn session(&self, cookie: &SessionCookie) -> Result<Arc<DeskSession>, ApiRefusal> {
        match self.sessions.sought(cookie).await? {
            SoughtSession::Here(session) if session.is_used() => Ok(session),
            SoughtSession::Here(session) => Err(not_used(&*session)),
            SoughtSession::Elsewhere(turn) => self.adopted(cookie, turn).await,
        }
    }

    async fn adopted(
        &self,
        cookie: &SessionCookie,
        turn: AdoptionTurn<DeskSession>,
    ) -> Result<Arc<DeskSession>, ApiRefusal> {
        let is_over = |kept: &KeptSession, now: Timestamp| {
            let is_unchecked = now.since(kept.checked_at) > UNCHECKED_MAX;
            let is_revoked = self.tokens.is_revoked(&kept.sign_in.person.claims());
            kept.desk.ending.is_some() || is_revoked || is_unchecked || kept.sign_in.is_over(now)
        };
        // One that is over is taken over, too: its agent is logged out.
        let TakenRecord { kept, seen, is_over } = self.sessions.taken(cookie, is_over).await?;
        let desk = Desk::restore(kept.sign_in.desk_person(), DESK, kept.desk.clone(), kept.used_at);
        let adopted = AdoptedSession::new(DeskSession::new(self.parts.clone(), cookie.clone(), desk, &kept, seen));
        adopted.session.adopt_reporting().await;
        let session = adopted.held();
        self.sessions.adopted(turn, &session);
        if is_over {
            session.end(DeskEnd::SignedOut);
            return Err(ApiRefusal::without_session());
        }
        Ok(session)
    }

    /// The session that goes on, or begins, by a sign-in, and the value of its cookie. `shown` is the value that the request has. With a
    /// place it begins here though the role may end meanwhile: no other replica could begin it by the same code.
    async fn begun(
        &self,
        sign_in: DeskSignIn,
        shown: Option<&str>,
        place: Option<NewPlace<DeskSession>>,
    ) -> Result<(Arc<DeskSession>, String), ApiRefusal> {
        if let Some((value, cookie)) = shown.and_then(|value| Some((value, SessionCookie::read(value)?)))
            && let Ok(session) = self.session(&cookie).await
        {
            if session.sign_in().person.is_of_same_person(&sign_in.person) {
                session.renew(sign_in);
                return Ok((session, value.to_owned()));
            }
            // Somebody else sits at that browser now, who gets another cookie.
            session.end(DeskEnd::SignedOut);
        }
        let NewPlace { value, cookie, turn } = match place.filter(|place| place.cookie.tenant == sign_in.person.tenant)
        {
            Some(place) => place,
            None => self.sessions.place(&sign_in.person.tenant)?,
        };
        self.make_room(&sign_in.person).await?;
        let (now, holder) = (self.parts.now(), self.parts.replica.holder.clone());
        let mut desk = Desk::new(sign_in.desk_person(), DESK);
        // It is in the first record, so that whoever takes the session over goes on with it.
        desk.initialise(now);
        let kept = KeptSession { sign_in, holder, checked_at: now, used_at: now, desk: desk.snapshot() };
        let seen = self.sessions.kept(&cookie, &kept).await?;
        let session = DeskSession::new(self.parts.clone(), cookie, desk, &kept, seen);
        self.sessions.begun(turn, &session);
        Ok((session, value))
    }

    /// Ends what a person has beyond the sessions that there may be with one more, wherever it is: its agent is logged out.
    async fn make_room(&self, person: &PersonSignIn) -> Result<(), ApiRefusal> {
        for cookie in self.sessions.surplus(&person.tenant, &person.user).await? {
            // One that cannot be had now ends before the next one begins.
            if let Ok(session) = self.session(&cookie).await {
                session.end(DeskEnd::SignedOut);
            }
        }
        Ok(())
    }

    fn on_tick(&self, is_thorough: bool) {
        let sessions = self.sessions.held.all();
        for session in &sessions {
            session.look(&self.tokens, is_thorough);
        }
        if is_thorough {
            self.sessions.forget_ended(sessions.len());
        }
    }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let workspace = Arc::new(Workspace::new(&ctx)?);
    let limits = Limits {
        body_bytes_max: bayeux::limits::BATCH_BYTES_MAX,
        requests: REQUESTS,
        waits: WAITS,
        answer_within: ANSWER_WITHIN,
        ..Limits::default()
    };
    let router = server::router(workspace.clone());
    let gated = net::http::gated(&ctx, "workspace", router, limits, server::is_open)?;
    let gated = net::http::with_published_refusals(gated, server::is_open);
    net::http::bind_and_serve(&ctx, "workspace", page_origin::told_by_proxy(ctx.directory.clone(), gated)).await?;
    let reporter =
        StatisticsReporter { held: workspace.sessions.held.clone(), statistics: workspace.parts.statistics.clone() };
    ctx.spawn("statistics of desktops", reporter.run(ctx.drain.clone()));
    ctx.spawn("what people may", standing_checks::run(workspace.clone(), ctx.drain.clone()));
    ctx.spawn("ends of sessions", unfinished_ends::run(workspace.clone(), ctx.drain.clone()));
    ctx.ready.started();
    replica::looks(&ctx.drain, TICK, THOROUGH_EACH, |is_thorough| workspace.on_tick(is_thorough)).await;
    workspace.sessions.hand_over().await;
    Ok(())
}

#[cfg(test)]
mod tests;
