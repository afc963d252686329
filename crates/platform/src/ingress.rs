//! ingress, the web edge: pages and APIs for browsers and programs of the tenant. HTTPS 8443 with HTTP/2 and HTTP/1.1, and on this
//! machine HTTP 8080.
//!
//! `/api/voice/v1/{tenant}/...` goes to frontend (own-16) with the caller's own token, so that frontend decides what
//! the caller may do. `/api/voice/v1/{tenant}/events` comes from tenant (own-22). `/api/operations/v1/...` is answered here, from the roles' own reports (own-21). `/pulse/...` and
//! the pages come from pulse (pulse-20). `/auth/v3/...` goes to auth (own-11), which asks for its own proofs, `/telemetry/...` to telemetry (telemetry-03), `/agent-setup/api/...` and `/scim/v2/...` to agent-setup (own-27), `/wfm/...` to wfm-adapter (own-26). `/workspace/v3/...` and `/statistics/v3/...` go to gws-proxy (own-31): desktops and programs ask there by a session of their own; so do `/desktop` and `/ui/wwe`, the desktop's page. `/salesforce/...` goes there too, to salesforce-adapter behind it. `/session` is that of our own pages, which hold no tokens. An API key, in the place of a token, is exchanged for one at auth. `/sip`, the WebSocket of phones in browsers, goes to sip-proxy (own-24); `/webrtc`, that of phones with a ticket of their desktop, to webrtc (own-33).
//!
//! Where a site has two edges in a row, the outer one passes all of this on to the inner one, its controller (telemetry-02).

mod acme;
mod agent_setup;
mod api_keys;
mod auth;
mod certificates;
mod controller;
mod desktop;
mod desktop_frames;
mod edge;
mod events;
mod forward;
mod hand_on;
mod openapi;
mod operations;
mod page_origins;
mod page_session;
mod pages;
mod passed_headers;
mod phones;
mod retry_after;
mod routes;
mod salesforce;
mod scim;
mod telemetry;
mod webhooks;
mod workforce;

pub use acme::{OrderTurn, OrderedCertificate};
pub use certificates::OWN_FILE;
pub use openapi::{events_openapi, openapi};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::telemetry::cors::TenantOrigins;
use anyhow::{Result, anyhow};
use identity::grant::SIGN_IN_LIFE;
use model::Timestamp;
use net::http::{Client, HttpsHandshakes, Limits, Method, TrustedProxies};
use net::tls::identity::IdentityFiles;
use runtime::around::Entrance;
use runtime::installation_key::InstallationKey;
use runtime::settings::{Secret, Values};
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

use acme::AcmeAtEdge;
use api_keys::ApiKeysAtEdge;
use desktop_frames::DesktopFrames;
use page_origins::PageOrigins;
use page_session::PageSessions;

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "ingress",
    number: 40,
    summary: "the web edge: hands requests of browsers and programs to the roles that serve them",
    listens: &[
        Listen { name: "web", protocol: Protocol::Http, port: 8080, place: Place::Edge, accepts: &["pulse-27"] },
        Listen { name: "webs", protocol: Protocol::Https, port: 8443, place: Place::Edge, accepts: &["pulse-27"] },
    ],
    opens: &[
        "own-11",
        "own-16",
        "own-21",
        "own-22",
        "own-23",
        "own-24",
        "own-26",
        "own-27",
        "own-31",
        "own-33",
        "pulse-20",
        "telemetry-02",
        "telemetry-03",
    ],
    settings: Settings::TABLE,
    metrics: &[
        edge::Metrics::declared,
        acme::Metrics::declared,
        pages::Metrics::declared,
        events::Metrics::declared,
        webhooks::Metrics::declared,
        page_session::Metrics::declared,
        desktop::Metrics::declared,
        api_keys::Metrics::declared,
    ],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// Sessions of pages that are shorter sign people out while they read; and each tenth of it a session that is used is written.
const SESSION_LIFE_MIN: Duration = Duration::from_secs(300);

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

runtime::settings! {
    /// Settings of ingress.
    pub struct Settings {
        /// Pages of other origins that may use the APIs of every tenant with a token, as `https://desk.example`. Pages of the edge itself
        /// and programs always may.
        origins: Vec<String> = Vec::new(), |v| page_origins::check(v);
        /// The same for single tenants, as JSON: tenant to `{"urls": [], "domains": []}`; by HTTPS, or on the browser's own machine. A page
        /// may read what is answered to a token of that tenant.
        cors: String = String::new(), |v| TenantOrigins::read(v).map(drop).map_err(|fault| fault.to_string());
        /// Origins of pages that may have the agents' desktop in a frame, as `https://crm.example`. Nothing else of the edge is shown in a
        /// frame, but the softphone page for the Salesforce orgs that its tenant lets in. A browser sends the cookies of the edge to a frame
        /// in a page of the same site alone.
        desktop_frames: Vec<String> = Vec::new(), |v| page_origins::check_named(v);
        /// Certificates of HTTPS, each a PEM file with the certificate, those of its authorities and the private key, or two files as
        /// `chain.pem:key.pem`. The first is the usual one; another is used for who asks for a name in it. If there is none, and none by
        /// ACME, ingress makes a self-signed one. Changed files are read without a restart.
        certificates: Vec<String> = Vec::new(), |v| certificates::check(v);
        /// The URL of the directory of an ACME server (RFC 8555) that issues the certificate of HTTPS, as
        /// `https://acme-v02.api.letsencrypt.org/directory`. Empty: none is ordered. It must reach the listener `webs` at port 443 of each
        /// domain. Needs `acme_domains` and `acme_terms_agreed`.
        acme_directory: String = String::new(), |v| acme::check_directory(v) => |all| acme::check_together(all);
        /// The names of hosts that the ordered certificate is for, as `["centre.example"]`; without `*`.
        acme_domains: Vec<String> = Vec::new(), |v| acme::check_domains(v);
        /// Whether you have read the terms of service of the authority behind `acme_directory`, and agree to them.
        acme_terms_agreed: bool = false;
        /// Whom the authority writes to, as `["mailto:edge@acme.example"]`.
        acme_contact: Vec<String> = Vec::new(), |v| acme::check_contacts(v);
        /// File of certificates (PEM) of the authorities that vouch for the ACME server itself, instead of those of this machine: for a
        /// server of your own.
        acme_authorities: Option<PathBuf> = None;
        /// The id of the account that the authority already knows you by (external account binding), where it asks for one.
        acme_external_account: String = String::new();
        /// The key of that account, in base64url as the authority gives it.
        acme_external_key: Secret = Secret::new(""), |v| acme::check_external_key(v);
        /// The wait after the first order that has failed; each further one is twice as long, at most 6 h, and never shorter than the
        /// server asks for. A server that is not reached is tried again after a tenth of it.
        acme_first_wait: Duration = Duration::from_secs(300),
            |v| runtime::settings::declare::within(v, &Duration::from_secs(1), &Duration::from_secs(3_600));
        /// What becomes of requests without TLS that do not stay on this machine: `redirect` tells them the address by HTTPS, `serve`
        /// answers them, where a web server before ingress ends TLS and is not named in `trusted_proxies`, or the network is trusted.
        plain_off_loopback: String = "redirect".to_owned(), |v| edge::PlainOffLoopback::parse(v).map(drop);
        /// Web servers in front of ingress, as `["192.0.2.80"]` or `["192.0.2.0/24"]`: from whom a request is and whether by TLS is read in
        /// their `X-Forwarded-For` and `X-Forwarded-Proto`. They must write both themselves, whatever a client has sent.
        trusted_proxies: Vec<String> = Vec::new(), |v| TrustedProxies::parse(v).map(drop);
        /// Another ingress, as `https://inside.example:8443`, to which this one passes every request on. It answers nothing itself then but
        /// `/live` and `/ready`; that one must name this one's address in its `trusted_proxies`. Empty: this one leads to the roles.
        controller: String = String::new(), |v| controller::check(v);
        /// File of certificates (PEM) of the authorities that vouch for `controller`, instead of those of this machine.
        controller_authorities: Option<PathBuf> = None;
        /// Whether each request is a line of the log (target `access`): method, path without its query, status, bytes, time, source and
        /// request id. Off, since a line costs more than many a request.
        access_log: bool = false;
        /// How long our own pages stay signed in without being used; each use begins it anew. 5 minutes to 30 days. Set `auth.refresh_life` too: no sign-in outlives it.
        page_session_life: Duration = Duration::from_secs(12 * 3_600),
            |v| runtime::settings::declare::within(v, &SESSION_LIFE_MIN, &SIGN_IN_LIFE);
        /// How long a replica of a role behind the edge may be silent before another one is asked what changes nothing, though it is there
        /// by all other signs; 1 s to 20 s. Longer than `gws-proxy.silent_max`: that role asks another replica itself meanwhile. It says
        /// nothing where a role has one replica.
        silent_max: Duration = Duration::from_secs(15),
            |v| runtime::settings::declare::within(v, &Duration::from_secs(1), &Duration::from_secs(20));
        /// Whether webhooks may be sent to addresses that are not of the public Internet: this machine, its networks.
        webhook_private: bool = false;
        /// How often a webhook's delivery is tried before it is a dead letter.
        webhook_attempts: u32 = 9, |n| if (1..=20).contains(n) { Ok(()) } else { Err("it must be 1 to 20".to_owned()) };
        /// The wait after a delivery's first failure; each further one is four times as long, at most 4 h.
        webhook_first_wait: Duration = Duration::from_secs(5),
            |v| runtime::settings::declare::within(v, &Duration::from_millis(100), &Duration::from_secs(3_600));
    }
}

/// As the table of routes says. Of the APIs, the sockets of events ask for their tokens themselves, and a browser that asks what a page of
/// another origin may do has none: telemetry answers it where the edge has not.
fn is_open(method: &Method, path: &str) -> bool {
    routes::is_open(path) || events::is_socket(path) || telemetry::is_preflight(method, path)
}

async fn run(ctx: RoleContext) -> Result<()> {
    let settings: Settings = ctx.settings()?;
    if !settings.controller.is_empty() {
        listen(&ctx, &settings, controller::routers(&ctx, &settings)?).await?;
        ctx.ready.started();
        ctx.drain.begun().await;
        return Ok(());
    }
    let frontend = Client::new(&ctx, routes::leads_to(routes::VOICE)?.connection)?;
    frontend.watch_replicas();
    let operations = operations::Operations::new(&ctx)?;
    let configured = webhooks::Configured {
        private: settings.webhook_private,
        attempts: settings.webhook_attempts,
        first_wait: settings.webhook_first_wait,
    };
    let webhooks = webhooks::Webhooks::start(&ctx, &configured)?;
    let sessions = page_session::PageSessions::new(&ctx, settings.page_session_life)?;
    let origins = PageOrigins::new(&settings.origins, TenantOrigins::read(&settings.cors)?);
    let router = forward::router(frontend)
        .merge(events::router(&ctx, &origins)?)
        .merge(webhooks.router.clone())
        .merge(operations::router(operations))
        .merge(phones::router(&ctx)?)
        .merge(auth::router(&ctx)?)
        .merge(sessions.router())
        .merge(agent_setup::router(&ctx)?)
        .merge(scim::router(&ctx)?)
        .merge(telemetry::router(&ctx)?)
        .merge(workforce::router(&ctx)?)
        .merge(desktop::router(&ctx, DesktopFrames::new(&settings.desktop_frames))?)
        .merge(salesforce::router(&ctx)?)
        .merge(pages::router(&ctx)?)
        .merge(openapi::router());
    let router = router.merge(crate::trace::serve::router(crate::trace::serve::Traced::of_role(&ctx)?));
    let proofs = WebProofs { keys: ApiKeysAtEdge::new(&ctx)?, sessions, origins };
    listen(&ctx, &settings, behind_gates(&ctx, &proofs, router)?).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    webhooks.end().await;
    Ok(())
}

/// What requests pass before the gate looks for their tokens: those who give tokens to requests that bring none, and what pages of other
/// origins may read.
struct WebProofs {
    /// For API keys.
    keys: Arc<ApiKeysAtEdge>,
    /// For the cookies of our own pages.
    sessions: Arc<PageSessions>,
    /// For pages of other origins.
    origins: Arc<PageOrigins>,
}

impl WebProofs {
    fn around(&self, behind: Entrance) -> Entrance {
        self.origins.around(self.keys.around(self.sessions.around(behind)))
    }
}

/// What the listeners `webs` and `web` serve: the routes behind their gates and what requests pass before those.
fn behind_gates(ctx: &RoleContext, proofs: &WebProofs, router: impl Into<Entrance>) -> Result<[Entrance; 2]> {
    let within = proofs.origins.within_gate(router);
    let limits = Limits { wider: routes::wider, polls: desktop::POLLS, ..Limits::default() };
    let by_tls = net::http::gated(ctx, "webs", within.clone(), limits, is_open)?;
    let plain = net::http::gated(ctx, "web", within, limits, is_open)?;
    let worded = |behind: Entrance| desktop::worded(scim::worded(behind));
    Ok([by_tls, plain].map(|gated| worded(pages::with_page_for_unlisted(proofs.around(gated)))))
}

/// Serves what `webs` and `web` serve by those listeners.
async fn listen(ctx: &RoleContext, settings: &Settings, [by_tls, plain]: [Entrance; 2]) -> Result<()> {
    let fault = |key: &str, reason: String| anyhow!("{key}: {reason}");
    let trusted = TrustedProxies::parse(&settings.trusted_proxies).map_err(|why| fault("trusted_proxies", why))?;
    let plain_off_loopback = edge::PlainOffLoopback::parse(&settings.plain_off_loopback);
    let (web, webs) = (ctx.bound("web")?, ctx.bound("webs")?);
    let edge = edge::Edge {
        trusted: trusted.clone(),
        plain: plain_off_loopback.map_err(|why| fault("plain_off_loopback", why))?,
        https_port: webs.advertise.port,
        is_logged: settings.access_log,
        ids: Arc::new(edge::RequestIds::new(&mut *ctx.entropy())),
        metrics: edge::Metrics::register(&ctx.metrics),
    };
    let is_half = !web.listen.ip().is_loopback() && webs.listen.ip().is_loopback();
    if is_half && edge.plain == edge::PlainOffLoopback::Redirect && settings.trusted_proxies.is_empty() {
        tracing::warn!(
            web = %web.listen,
            webs = %webs.listen,
            "others who ask without TLS are sent to HTTPS, which listens for this machine alone: set ingress.webs_listen"
        );
    }
    let set = certificates::files(&settings.certificates);
    let acme = AcmeAtEdge::of_role(ctx, settings);
    let config = certificates::watched(ctx, set, acme.as_ref(), edge.metrics.certificates())?;
    let (by_tls, plain) = (edge.around(by_tls, webs.listen.ip()), edge.around(plain, web.listen.ip()));
    net::http::bind_and_serve_https(ctx, "webs", by_tls, HttpsHandshakes::new(config, trusted.clone())).await?;
    if let Some(acme) = acme {
        acme.begin(ctx);
    }
    net::http::bind_and_serve_behind(ctx, "web", plain, trusted).await
}

/// Whether requests without TLS from other machines are sent to HTTPS, and no web server is named that passes them on.
pub fn redirects_plain(values: &Values) -> bool {
    values.read::<Settings>(SPEC.name).is_ok_and(|settings| {
        let plain = edge::PlainOffLoopback::parse(&settings.plain_off_loopback);
        plain == Ok(edge::PlainOffLoopback::Redirect) && settings.trusted_proxies.is_empty()
    })
}

/// The files of the certificates, for whoever checks them; `None` if the settings are faulty.
pub fn certificate_files(values: &Values) -> Option<Vec<IdentityFiles>> {
    Some(certificates::files(&values.read::<Settings>(SPEC.name).ok()?.certificates))
}

/// What is known of the certificate that an ACME server issues; `None` if none is ordered, or the settings are faulty.
pub fn ordered_certificate(
    values: &Values,
    data_dir: &Path,
    key: &InstallationKey,
    now: Timestamp,
) -> Option<OrderedCertificate> {
    acme::ordered(&values.read::<Settings>(SPEC.name).ok()?, data_dir, key, now)
}

/// Has the certificate ordered as soon as the ACME server allows, whatever has failed before; `None` if none is ordered.
///
/// # Errors
/// If the settings are faulty, or files of the data directory cannot be read or written.
pub fn order_certificate_at_once(
    values: &Values,
    data_dir: &Path,
    key: &InstallationKey,
    now: Timestamp,
) -> Result<Option<OrderTurn>> {
    acme::order_at_once(&values.read::<Settings>(SPEC.name)?, data_dir, key, now)
}

/// Whether an ACME server issues the certificate.
pub fn orders_certificate(values: &Values) -> bool {
    values.read::<Settings>(SPEC.name).is_ok_and(|settings| !settings.acme_directory.is_empty())
}
