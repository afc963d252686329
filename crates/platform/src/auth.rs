//! auth: who is who. It signs people in at a page, programs by their secrets, and issues their tokens (OAuth 2.1, OpenID Connect).
//! HTTP 8080 (80 in the table: the gateway's port is moved, as ingress's is), paths under `/auth/v3`.
//!
//! Which requests are right is decided by crate `identity`; people and clients come from tenant (tenant-11), what is signed in is kept in
//! Redis (own-09), and what happens at signing in is noted in the database (own-08), which has the API keys too, and knows which tenants
//! have ended. Ingress is its door (own-11), and tells it of uses of API keys. Processes of other roles may ask it for the keys that verify
//! tokens and for what was revoked (own-15).

mod answers;
mod audit;
mod guard;
mod metrics;
mod oauth;
mod openapi;
mod outside;
mod page;
mod people;
mod proofs;
mod records;
mod request;
mod server;
mod sign_in;
mod sign_out;
mod store;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use identity::grant::SIGN_IN_LIFE;
use model::{Entropy, Timestamp};
use net::http::{Capacity, Limits};
use net::public_address::Reach;
use runtime::key_files;
use runtime::token::TokenIssuer;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

use guard::hashing;
use oauth::{api_keys, key_rotation, role_keys};
pub use openapi::openapi;
use page::forms;
use proofs::client_assertion;
pub use proofs::second_factor::opens_second_factor;
use sign_in::upstream;
use store::{backchannel, people_ends, tenant_ends};

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "auth",
    number: 41,
    summary: "who is who: signs people and programs in and issues their tokens",
    listens: &[Listen {
        name: "auth",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["own-11", "telemetry-04", "gws-11", "gws-14", "gws-20", "own-15"],
    }],
    opens: &["tenant-11", "own-08", "own-09"],
    settings: Settings::TABLE,
    metrics: &[metrics::Metrics::declared, net::tenant::Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// A sign-in that is shorter signs people out while they type.
const LIFE_MIN: Duration = Duration::from_secs(60);
/// What is noted of signing in may be kept for ten years.
const AUDIT_DAYS_MAX: u32 = 3_650;

runtime::settings! {
    /// Settings of auth.
    pub struct Settings {
        /// The issuer of tokens: the public base URL with `/auth/v3`, as `https://centre.example/auth/v3`. Every process must be told the same. Empty: from the address of ingress by HTTPS.
        issuer: String = String::new(), |v| runtime::issuer::check(v);
        /// The host names that tenants may have by `sign_in.hosts`: names, and `*.` with a domain for all below it, as `["phone.acme.example", "*.centre.example"]`. At no other name a tenant is meant, so that none claims one by which all come.
        tenant_hosts: Vec<String> = Vec::new(), |v| people::own_hosts::check(v);
        /// How long a browser stays signed in after the password.
        session_life: Duration = Duration::from_secs(12 * 3_600), |v| runtime::settings::declare::within(v, &LIFE_MIN, &SIGN_IN_LIFE);
        /// How long a refresh token may lie unused; whatever it does, a sign-in ends after 30 days.
        refresh_life: Duration = Duration::from_secs(12 * 3_600), |v| runtime::settings::declare::within(v, &LIFE_MIN, &SIGN_IN_LIFE);
        /// Whether OpenID Providers of tenants, and programs that are told of the ends of sign-ins, may be at addresses that are not of the public Internet: this machine, private networks. Link-local addresses, at which clouds tell their secrets, are never asked.
        private_servers: bool = false;
        /// For how many days it is kept what happens at signing in.
        audit_days: u32 = 365, |v| runtime::settings::declare::within(v, &1, &AUDIT_DAYS_MAX);
    }
}

/// So long before the deadline of draining it ends, whatever is unwritten by then: the last tries need some time.
const ENDS_BEFORE: Duration = Duration::from_secs(2);
/// The largest body of a request, in bytes: a form with a code or a token.
const BODY_BYTES_MAX: usize = 16 << 10;
const _: () = assert!(crate::key_uses::BYTES_MAX <= BODY_BYTES_MAX, "what the web edge tells is refused");

/// What every endpoint needs.
struct Auth {
    ctx: RoleContext,
    /// Signs the tokens of people and programs: no other role has one.
    token_issuer: TokenIssuer,
    /// What other processes are told of keys and revocations.
    role_keys: role_keys::RoleKeys,
    settings: Settings,
    people: people::People,
    upstream: upstream::Upstream,
    /// Tells programs of the ends of sign-ins.
    outside: outside::OutsideClient,
    store: store::SignInStore,
    guesses: guard::Guesses,
    assertion_rates: client_assertion::AssertionRates,
    hashing: hashing::Hashing,
    forms: forms::Forms,
    metrics: metrics::Metrics,
    audit: audit::AuditQueue,
    entropy: Mutex<Box<dyn Entropy>>,
}

impl Auth {
    fn now(&self) -> Timestamp {
        self.ctx.clock.now()
    }

    fn issuer(&self) -> &str {
        self.ctx.tokens.issuer()
    }

    /// A new secret, or a name that nobody guesses: `WORDS` times 64 bits, as text.
    fn random<const WORDS: usize>(&self) -> String {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = (0..WORDS).flat_map(|_| entropy.next_u64().to_be_bytes()).collect();
        identity::secret::text(&bytes)
    }

    /// A number that nobody guesses.
    fn number(&self) -> u64 {
        self.entropy.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }

    /// Bytes that nobody guesses: a salt, or what a secret is made of.
    fn bytes<const COUNT: usize>(&self) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        for part in bytes.chunks_mut(8) {
            for (byte, random) in part.iter_mut().zip(self.number().to_be_bytes()) {
                *byte = random;
            }
        }
        bytes
    }

    /// A secret that is handed out.
    fn secret(&self) -> String {
        self.random::<{ identity::secret::SECRET_BYTES / 8 }>()
    }

    /// A name that is no secret.
    fn id(&self) -> String {
        self.random::<2>()
    }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let (revoker, revocations) = key_files::revoker(&ctx.data_dir, ctx.clock.clone())?;
    ctx.spawn("revocations", revocations.run(ctx.drain.clone(), metrics.revocations_unwritten.clone()));
    let (tell, ended) = backchannel::EndedSignIns::new(metrics.logouts_dropped.clone());
    let store = store::SignInStore::new(ctx.stores.sign_ins.clone(), revoker.clone(), tell);
    let settings: Settings = ctx.settings()?;
    let reach = if settings.private_servers { Reach::Inside } else { Reach::Public };
    let outside = outside::OutsideClient::new(reach)?;
    let (audit, noticed) = audit::queue();
    let auth = Arc::new(Auth {
        upstream: upstream::Upstream::new(outside.clone(), ctx.tokens.issuer(), ctx.clock.clone()),
        outside: outside.of_another_kind(),
        token_issuer: key_files::issuer(&ctx.data_dir, ctx.clock.clone())?,
        role_keys: role_keys::RoleKeys::new(ctx.key_statements()),
        people: people::People::start(&ctx, &settings.tenant_hosts)?,
        settings,
        guesses: guard::Guesses::new(store.clone(), ctx.clock.clone())?,
        assertion_rates: client_assertion::AssertionRates::default(),
        store,
        hashing: hashing::Hashing::new(metrics.clone()),
        forms: forms::Forms::new(ctx.installation_key.bytes()),
        metrics,
        audit,
        entropy: Mutex::new(ctx.entropy()),
        ctx: ctx.clone(),
    });
    ctx.spawn("keys of tokens", key_rotation::run(auth.clone()));
    ctx.spawn("API keys", api_keys::run(auth.clone()));
    ctx.spawn("tenants that have ended", tenant_ends::run(auth.clone()));
    ctx.spawn("people who may not sign in any more", people_ends::run(auth.clone()));
    ctx.spawn("sign-in audit", audit::run(auth.clone(), noticed));
    ctx.spawn("back-channel logouts", backchannel::run(auth.clone(), ended));
    let limits = Limits {
        body_bytes_max: BODY_BYTES_MAX,
        // All of them come by ingress, without tokens of their own: it alone gets at most half of the places.
        requests: Capacity { all: 1_024 },
        ..Limits::default()
    };
    net::http::serve_with(&ctx, "auth", server::router(auth.clone()), limits, server::is_open).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    // What this process alone knows as revoked would be good again once it has ended.
    let left = || ctx.drain.deadline().map_or(Duration::ZERO, |deadline| deadline.since(ctx.clock.now()));
    revoker.is_written(left().saturating_sub(ENDS_BEFORE)).await;
    if !auth.is_audit_written(left().saturating_sub(ENDS_BEFORE)).await {
        tracing::warn!("the last of what has happened at signing in may not be noted: the database does not answer");
    }
    Ok(())
}
