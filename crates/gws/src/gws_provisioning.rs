//! gws-provisioning: programs change the configuration of a tenant by the published Provisioning API. HTTP 80 (8080), paths under
//! `/provisioning/v3`, through gws-proxy (gws-07).
//!
//! A session begins by a person's token, or by a code of the built-in client, and goes on by a cookie. What is read and changed goes by
//! gws-configuration (gws-21), which names the person to tenant: that person's rights count, by the tenant as it is now, and the history
//! names the person. What the published shapes are made of stands in `published`, without I/O.
//!
//! Any replica takes a session over that it does not have: its record is in the store (own-34), written before whoever waits is answered.
//! Operations with an outcome that comes later only read; whoever takes a session over carries those out again of which some client may not
//! have heard. Of tables of people that were sent the database has how they came out (gws-23).

mod configuration_client;
mod endpoints;
mod found_object;
mod import_history;
mod metrics;
mod openapi;
mod operation_places;
mod people;
mod published;
mod records;
mod remembered_numbers;
mod request;
mod requesting_person;
mod server;
mod session;
mod sign_in;
#[cfg(test)]
mod test_objects;
mod unserved_operations;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bayeux::{HubSettings, ServedConnections, UnknownClient};
use futures::StreamExt as _;
use identity::built_in_client::SessionClient;
use identity::grant::ACCESS_LIFE;
use identity::session_cookie::SessionCookie;
use model::{TenantId, Timestamp};
use net::http::{Capacity, Client, Limits};
use runtime::server::CONNECTIONS_MAX;
use runtime::token::TokenVerifier;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

use configuration_client::present_revision;
use import_history::ImportHistory;
use metrics::{AskOutcome, SessionEnd};
use records::KeptProvisioning;
use requesting_person::RequestingPerson;
use session::{ProvisioningParts, ProvisioningSession};
use sign_in::ProvisioningSignIn;

use crate::page_origin;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::held::{AdoptionTurn, HeldLimits};
use crate::sessions::parts::ReplicaParts;
use crate::sessions::person_sign_in::PersonSignIn;
use crate::sessions::replica::{self, NewPlace, ReplicaSessions, SoughtSession, TakenRecord, not_used};
use crate::sessions::session_code::CodeRedeemer;
use crate::sessions::token_standing::{StandingAtAuth, TokenStanding};

pub use openapi::openapi;

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "gws-provisioning",
    number: 28,
    summary: "people and objects of a tenant: the published Provisioning API",
    listens: &[Listen {
        name: "provisioning",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["gws-07"],
    }],
    opens: &["gws-20", "gws-21", "gws-23", "own-34"],
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
const PATH: &str = "/provisioning/v3";

/// Shorter, and a session ends while somebody reads what it shows.
const IDLE_MIN: Duration = Duration::from_secs(60);
/// A working day.
const IDLE_LONGEST: Duration = Duration::from_secs(12 * 3_600);

runtime::settings! {
    /// Settings of gws-provisioning.
    pub struct Settings {
        /// How long a session of the Provisioning API may be without a request; then it ends.
        /// A program that follows its notifications asks each half minute.
        session_idle: Duration = Duration::from_secs(1_800), |v| runtime::settings::declare::within(v, &IDLE_MIN, &IDLE_LONGEST);
    }
}

/// How often sessions are looked at: as late an answer that is due may be.
const TICK: Duration = Duration::from_millis(200);
/// Each so many times it is looked whether they may go on, and whether objects that are watched have changed.
const THOROUGH_EACH: u32 = 10;
/// For how long nobody may have looked whether a session's sign-in was revoked: what was, is known for about as long.
const UNCHECKED_MAX: Duration = ACCESS_LIFE;
/// How many sessions a replica has.
const HELD: HeldLimits = HeldLimits { sessions_max: 1_000, tenants_share: 1 };
/// Sessions of a tenant for which changes are read at once.
const LOOKED_AT_ONCE: usize = 4;
/// Time until an answer begins: more than a poll waits, less than gws-proxy does.
const ANSWER_WITHIN: Duration = Duration::from_secs(70);
/// Polls of one address have half of the places at most.
const WAITS: Capacity = Capacity { all: 2 * CONNECTIONS_MAX };
const REQUESTS: Capacity = Capacity { all: 256 };
/// The largest body: a table of people.
const BODY_BYTES_MAX: usize = 1 << 20;

/// How sessions treat their clients.
const HUB: HubSettings = HubSettings {
    connect_timeout: Duration::from_secs(30),
    interval: Duration::ZERO,
    client_idle_max: Duration::from_secs(180),
    clients_max: 4,
    // Published clients have one.
    subscriptions_max: 16,
    queue_messages_max: 256,
    // The people of a large tenant are one message.
    queue_bytes_max: 8 << 20,
    // Published clients stay deaf after a second handshake; whoever has the cookie belongs here.
    unknown_client: UnknownClient::Adopt,
    connections: ServedConnections::SocketsToo,
};

/// What every endpoint needs.
struct Provisioning {
    parts: Arc<ProvisioningParts>,
    sessions: ReplicaSessions<ProvisioningSession>,
    imports: ImportHistory,
    tokens: TokenVerifier,
    authority: StandingAtAuth,
    codes: CodeRedeemer,
    /// The address of the edge, as people know it.
    base: String,
}

impl Provisioning {
    fn new(ctx: &RoleContext) -> Result<Self> {
        let settings: Settings = ctx.settings()?;
        let metrics = metrics::Metrics::register(&ctx.metrics);
        let replica = ReplicaParts::new(ctx, settings.session_idle, metrics.counts());
        let imports = ImportHistory::new(ctx.stores.people_imports.clone(), ctx.clock.clone(), metrics.clone());
        let parts = ProvisioningParts {
            replica: replica.clone(),
            configuration: Arc::new(configuration_client::ConfigurationClient::new(ctx, metrics.clone())?),
            tokens: ctx.tokens.clone(),
            operating: operation_places::OperationPlaces::default(),
            metrics,
        };
        let issuer = ctx.tokens.issuer();
        let auth = Client::new(ctx, "gws-20")?;
        Ok(Self {
            parts: Arc::new(parts),
            sessions: ReplicaSessions::new(ctx, replica, HELD),
            imports,
            tokens: ctx.tokens.clone(),
            authority: StandingAtAuth::new(auth.clone()),
            codes: CodeRedeemer::new(SessionClient::Provisioning, auth),
            base: issuer.strip_suffix(runtime::issuer::PATH).unwrap_or(issuer).to_owned(),
        })
    }

    /// Whether auth says that a token is good; so it is too where auth does not answer.
    async fn is_good(&self, token: &str) -> bool {
        let standing = self.authority.of(token).await;
        self.parts.metrics.auth_calls.inc(match standing {
            TokenStanding::Good => AskOutcome::Answered,
            TokenStanding::Over => AskOutcome::Refused,
            TokenStanding::Unanswered => AskOutcome::Unanswered,
        });
        standing.is_good_enough()
    }

    /// The session of a cookie, which is used by that. One that is not here is taken over.
    async fn session(&self, cookie: &SessionCookie) -> Result<Arc<ProvisioningSession>, ApiRefusal> {
        match self.sessions.sought(cookie).await? {
            SoughtSession::Here(session) => {
                if session.is_used().await {
                    Ok(session)
                } else {
                    Err(not_used(&*session))
                }
            }
            SoughtSession::Elsewhere(turn) => self.adopted(cookie, turn).await,
        }
    }

    /// Makes a record this replica's own, and goes on with the session.
    async fn adopted(
        &self,
        cookie: &SessionCookie,
        turn: AdoptionTurn<ProvisioningSession>,
    ) -> Result<Arc<ProvisioningSession>, ApiRefusal> {
        let is_over = |kept: &KeptProvisioning, now: Timestamp| {
            self.tokens.is_revoked(&kept.sign_in.person.claims())
                || now >= kept.ends_at()
                || now.since(kept.checked_at) > UNCHECKED_MAX
        };
        let TakenRecord { kept, seen, .. } = self.sessions.taken_to_go_on(cookie, is_over).await?;
        let session = ProvisioningSession::new(self.parts.clone(), cookie.clone(), kept, seen);
        self.sessions.adopted(turn, &session);
        Ok(session)
    }

    /// The session that goes on, or begins, by a sign-in, and the value of its cookie. `shown` is the value that the request has, `place` one
    /// that is free for it already.
    async fn begun(
        &self,
        sign_in: ProvisioningSignIn,
        shown: Option<&str>,
        place: Option<NewPlace<ProvisioningSession>>,
    ) -> Result<(Arc<ProvisioningSession>, String), ApiRefusal> {
        if let Some((value, cookie)) = shown.and_then(|value| Some((value, SessionCookie::read(value)?)))
            && let Ok(session) = self.session(&cookie).await
        {
            if session.renew(&sign_in).await? {
                return Ok((session, value.to_owned()));
            }
            // Somebody else works there now, who gets another cookie.
            session.end(SessionEnd::Logout).await;
        }
        let NewPlace { value, cookie, turn } = match place.filter(|place| place.cookie.tenant == sign_in.person.tenant)
        {
            Some(place) => place,
            None => self.sessions.place(&sign_in.person.tenant)?,
        };
        self.make_room(&sign_in.person).await?;
        let kept = KeptProvisioning::begun(sign_in, self.parts.replica.holder.clone(), self.parts.now());
        let seen = self.sessions.kept(&cookie, &kept).await?;
        let session = ProvisioningSession::new(self.parts.clone(), cookie, kept, seen);
        self.sessions.begun(turn, &session);
        Ok((session, value))
    }

    /// Ends what a person has beyond the sessions that there may be with one more, wherever they are.
    async fn make_room(&self, person: &PersonSignIn) -> Result<(), ApiRefusal> {
        for cookie in self.sessions.surplus(&person.tenant, &person.user).await? {
            match self.sessions.held.find(&cookie) {
                Some(session) => session.end(SessionEnd::Replaced).await,
                None => self.sessions.end_record(&cookie).await?,
            }
        }
        Ok(())
    }

    fn on_tick(&self, is_thorough: bool) {
        let sessions = self.sessions.held.all();
        for session in &sessions {
            session.look(is_thorough);
        }
        if is_thorough {
            self.watch(&sessions);
            self.sessions.forget_ended(sessions.len());
        }
    }

    /// Asks once for each tenant whether objects have changed, for all its sessions that watch some.
    fn watch(&self, sessions: &[Arc<ProvisioningSession>]) {
        let mut watching: HashMap<TenantId, (RequestingPerson, Vec<Arc<ProvisioningSession>>)> = HashMap::new();
        for session in sessions {
            if let Some(asker) = session.begin_watching() {
                let of_tenant = watching.entry(asker.tenant.clone()).or_insert_with(|| (asker, Vec::new()));
                of_tenant.1.push(session.clone());
            }
        }
        for (asker, sessions) in watching.into_values() {
            let configuration = self.parts.configuration.clone();
            tokio::spawn(async move {
                let revision = present_revision(&*configuration, &asker).await.ok();
                let sessions = futures::stream::iter(sessions);
                let look = |session: Arc<ProvisioningSession>| async move { session.look_for_changes(revision).await };
                sessions.for_each_concurrent(LOOKED_AT_ONCE, look).await;
            });
        }
    }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let provisioning = Arc::new(Provisioning::new(&ctx)?);
    let limits = Limits {
        body_bytes_max: BODY_BYTES_MAX,
        requests: REQUESTS,
        waits: WAITS,
        answer_within: ANSWER_WITHIN,
        ..Limits::default()
    };
    let router = server::router(provisioning.clone());
    let gated = net::http::gated(&ctx, "provisioning", router, limits, server::is_open)?;
    let gated = net::http::with_published_refusals(gated, server::is_open);
    net::http::bind_and_serve(&ctx, "provisioning", page_origin::told_by_proxy(ctx.directory.clone(), gated)).await?;
    let ended = ctx.drain.clone();
    let imports = provisioning.imports.clone();
    ctx.spawn("past imports", imports.keep_short(async move { ended.ended().await }));
    ctx.ready.started();
    replica::looks(&ctx.drain, TICK, THOROUGH_EACH, |is_thorough| provisioning.on_tick(is_thorough)).await;
    provisioning.sessions.hand_over().await;
    Ok(())
}
