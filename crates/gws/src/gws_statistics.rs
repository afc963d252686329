//! gws-statistics: the published Statistics API. HTTP 80 (8080), paths under `/statistics/v3`, through gws-proxy (gws-02), and for
//! gws-workspace (gws-30).
//!
//! It counts nothing: the values come from tenant (tenant-09, port 2060), by a stream or a few for each tenant of whom anybody has
//! something open, and equal requests are one statistic there. A session begins by a handshake of Bayeux; what it has open is in the store
//! (own-32), so that any replica takes it over. Whose agent somebody is, tenant says (tenant-07); whether a token is still good, auth does
//! (gws-11).

mod asked;
mod endpoints;
mod feed;
mod followed;
mod known_tokens;
mod metrics;
mod openapi;
mod records;
mod server;
mod session;
mod sign_in_checks;
mod statistics_sign_in;
mod subscriptions;
mod tenant_statistics;
mod tenants;
mod visibility;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bayeux::UnknownClient;
use contracts::v1;
use identity::session_cookie::SessionCookie;
use net::http::{Capacity, Limits};
use runtime::server::CONNECTIONS_MAX;
use runtime::token::TokenVerifier;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

use metrics::{Metrics, StatisticsSessionEnd};
use records::KeptSession;
use session::{StatisticsChannels, StatisticsParts, StatisticsSession};
use sign_in_checks::SignInChecks;
use statistics_sign_in::StatisticsSignIn;
use tenants::StatisticsTenants;
use visibility::OwnAgents;

use crate::page_origin;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::held::{AdoptionTurn, HeldLimits};
use crate::sessions::parts::ReplicaParts;
use crate::sessions::replica::{self, NewPlace, ReplicaSessions, SoughtSession, TakenRecord, not_used};

pub use openapi::openapi;

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "gws-statistics",
    number: 25,
    summary: "the published Statistics API: values and updates of a tenant's statistics",
    listens: &[Listen {
        name: "statistics",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["gws-02", "gws-30"],
    }],
    opens: &[CONFIGURATION_ROW, STATISTICS_ROW, sign_in_checks::ROW, "own-32"],
    settings: Settings::TABLE,
    metrics: &[Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// What the paths begin with.
const PATH: &str = "/statistics/v3";
/// The connections to tenant, and their ports.
const STATISTICS_ROW: &str = "tenant-09";
const STATISTICS_PORT: u16 = 2060;
const CONFIGURATION_ROW: &str = "tenant-07";
const CONFIGURATION_PORT: u16 = 8888;

/// Shorter, and a client loses what it has open in a moment without network.
const IDLE_MIN: Duration = Duration::from_secs(60);
const IDLE_LONGEST: Duration = Duration::from_secs(12 * 3_600);

runtime::settings! {
    /// Settings of gws-statistics.
    pub struct Settings {
        /// How long a session of the Statistics API may be without a request; then what it has open is closed, and it ends.
        /// A client that is there asks for updates each half minute.
        session_idle: Duration = Duration::from_secs(300), |v| runtime::settings::declare::within(v, &IDLE_MIN, &IDLE_LONGEST);
    }
}

/// How often sessions are looked at: as late an update may be.
const TICK: Duration = Duration::from_millis(200);
/// Each so many times those that have ended are forgotten.
const THOROUGH_EACH: u32 = 5;
/// How long a request waits for first values.
const VALUES_WITHIN: Duration = Duration::from_millis(1_200);
/// The same of a question of gws-workspace, which asks another replica after a second.
const VALUES_FOR_DESKTOPS_WITHIN: Duration = Duration::from_millis(800);
/// How many sessions a replica has.
const HELD: HeldLimits = HeldLimits { sessions_max: 10_000, tenants_share: 3 };
/// The largest body: as gws-proxy passes it on, and 500 statistics with definitions of 2 KB each.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Time until an answer begins: more than a poll waits, less than gws-proxy does.
const ANSWER_WITHIN: Duration = Duration::from_secs(70);
/// The clients of one address, as of an office, have half of the places at most: as many as there are connections.
const WAITS: Capacity = Capacity { all: 2 * CONNECTIONS_MAX };
const REQUESTS: Capacity = Capacity { all: 1_024 };

/// What every endpoint needs.
struct ServedStatistics {
    parts: Arc<StatisticsParts>,
    sessions: ReplicaSessions<StatisticsSession>,
    tenants: StatisticsTenants,
    own_agents: OwnAgents,
    sign_ins: SignInChecks,
    tokens: TokenVerifier,
}

impl ServedStatistics {
    fn new(ctx: &RoleContext) -> Result<Self> {
        let settings: Settings = ctx.settings()?;
        let metrics = Metrics::register(&ctx.metrics);
        let replica = ReplicaParts::new(ctx, settings.session_idle, metrics.counts());
        let channels = StatisticsChannels::new()?;
        let parts = StatisticsParts { replica: replica.clone(), metrics: metrics.clone(), channels };
        Ok(Self {
            parts: Arc::new(parts),
            sessions: ReplicaSessions::new(ctx, replica, HELD),
            tenants: StatisticsTenants::new(ctx, &metrics),
            own_agents: OwnAgents::new(ctx)?,
            sign_ins: SignInChecks::new(ctx, metrics)?,
            tokens: ctx.tokens.clone(),
        })
    }

    /// The session of a cookie, which is used by that. One that is not here is taken over.
    async fn session(
        &self,
        cookie: &SessionCookie,
        sign_in: &StatisticsSignIn,
    ) -> Result<Arc<StatisticsSession>, ApiRefusal> {
        self.sessions.takes_requests()?;
        if cookie.tenant != sign_in.tenant {
            return Err(of_another());
        }
        let session = match self.sessions.sought(cookie).await? {
            SoughtSession::Here(session) => session,
            SoughtSession::Elsewhere(turn) => self.adopted(cookie, turn).await?,
        };
        if session.subject != sign_in.subject {
            return Err(of_another());
        }
        if !session.is_used() {
            return Err(not_used(&*session));
        }
        self.judge(&session, sign_in).await?;
        Ok(session)
    }

    /// Closes what is open and may be seen no longer: a token may have less than the one by which it was opened, and an agent another id.
    async fn judge(&self, session: &StatisticsSession, sign_in: &StatisticsSignIn) -> Result<(), ApiRefusal> {
        if sign_in.sees_others {
            return Ok(());
        }
        let needs_names = session.has_open(|asked| visibility::needs_names(sign_in, asked));
        match self.own_agents.sight(sign_in, needs_names).await {
            Some(sight) => session.close_hidden(&sight).await,
            None => Ok(()),
        }
    }

    /// Makes a record this replica's own, and goes on with the session.
    async fn adopted(
        &self,
        cookie: &SessionCookie,
        turn: AdoptionTurn<StatisticsSession>,
    ) -> Result<Arc<StatisticsSession>, ApiRefusal> {
        let TakenRecord { kept, seen, .. } = self.sessions.taken_to_go_on(cookie, |_, _| false).await?;
        let followed = self.tenants.follow(&cookie.tenant)?;
        let (parts, cookie) = (self.parts.clone(), cookie.clone());
        let session = StatisticsSession::new(parts, cookie, kept, seen, followed, UnknownClient::Adopt);
        self.sessions.adopted(turn, &session);
        Ok(session)
    }

    /// A new session, which does that with clients that it does not know, and the value of its cookie.
    async fn begun(
        &self,
        sign_in: &StatisticsSignIn,
        unknown_client: UnknownClient,
    ) -> Result<(Arc<StatisticsSession>, String), ApiRefusal> {
        let NewPlace { value, cookie, turn } = self.sessions.place(&sign_in.tenant)?;
        self.make_room(sign_in).await?;
        let followed = self.tenants.follow(&sign_in.tenant)?;
        let (now, holder) = (self.parts.now(), self.parts.replica.holder.clone());
        let kept = KeptSession { subject: sign_in.subject.clone(), holder, used_at: now, subscriptions: Vec::new() };
        let seen = self.sessions.kept(&cookie, &kept).await?;
        let session = StatisticsSession::new(self.parts.clone(), cookie, kept, seen, followed, unknown_client);
        self.sessions.begun(turn, &session);
        Ok((session, value))
    }

    /// Ends what somebody has beyond the sessions that there may be with one more. Other replicas see it at their next look.
    async fn make_room(&self, sign_in: &StatisticsSignIn) -> Result<(), ApiRefusal> {
        for cookie in self.sessions.surplus(&sign_in.tenant, &sign_in.subject).await? {
            match self.sessions.held.find(&cookie) {
                Some(session) => session.end(StatisticsSessionEnd::Replaced),
                None => self.sessions.end_record(&cookie).await?,
            }
        }
        Ok(())
    }

    fn on_tick(&self, is_thorough: bool) {
        let sessions = self.sessions.held.all();
        for session in &sessions {
            session.look();
        }
        if is_thorough {
            for session in self.sign_ins.ended(&sessions, &self.tokens) {
                session.end(StatisticsSessionEnd::Revoked);
            }
            self.sessions.forget_ended(sessions.len());
        }
    }
}

fn of_another() -> ApiRefusal {
    ApiRefusal::forbidden("the token is of another person than the session")
}

/// A refusal of port 2060 as the API tells it.
fn refusal_of(refused: &v1::StatisticRefused) -> ApiRefusal {
    use v1::StatisticRefusal as Why;
    let message = refused.message.clone();
    match refused.why() {
        Why::Unknown => ApiRefusal::not_found(message),
        Why::NotImplemented => ApiRefusal::not_implemented(message),
        Why::Full => ApiRefusal::unavailable(message),
        Why::Faulty | Why::Unspecified => ApiRefusal::bad_request(message),
    }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let served = Arc::new(ServedStatistics::new(&ctx)?);
    let limits = Limits {
        body_bytes_max: BODY_BYTES_MAX,
        requests: REQUESTS,
        waits: WAITS,
        answer_within: ANSWER_WITHIN,
        ..Limits::default()
    };
    let router = server::router(served.clone());
    let gated = net::http::gated(&ctx, "statistics", router, limits, server::is_open)?;
    let gated = net::http::with_published_refusals(gated, server::is_open);
    net::http::bind_and_serve(&ctx, "statistics", page_origin::told_by_proxy(ctx.directory.clone(), gated)).await?;
    ctx.spawn("times of tenants", served.tenants.clone().keep_time());
    ctx.ready.started();
    replica::looks(&ctx.drain, TICK, THOROUGH_EACH, |is_thorough| served.on_tick(is_thorough)).await;
    served.sessions.hand_over().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn what_port_2060_refuses_has_a_status_of_http() {
        use v1::StatisticRefusal as Why;
        for (why, status) in [
            (Why::Unknown, StatusCode::NOT_FOUND),
            (Why::NotImplemented, StatusCode::NOT_IMPLEMENTED),
            (Why::Full, StatusCode::SERVICE_UNAVAILABLE),
            (Why::Faulty, StatusCode::BAD_REQUEST),
            (Why::Unspecified, StatusCode::BAD_REQUEST),
        ] {
            let refused = v1::StatisticRefused { reference: 1, message: "x".to_owned(), why: why.into() };
            assert_eq!(refusal_of(&refused).status(), status, "{why:?}");
        }
    }
}
