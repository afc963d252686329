//! registrar: stores from SIP REGISTERs where phones can be reached (RFC 3261 §10, RFC 3327), by which flows (RFC 5626), and tells them
//! their GRUUs (RFC 5627).
//!
//! It keeps a connection to every sip-proxy (own-01), which has authenticated the phone. It writes bindings and their events to
//! the store (voice-36, voice-52), and ends expired bindings. The reporting log gets where phones are (voice-53).
//!
//! Over the same connections it registers the trunks that want it with their carriers (RFC 3261 §10.2), by the passwords that config has
//! (voice-32).

mod admin;
mod carriers;
mod event_loop;
mod expiry;
mod handler;
mod metrics;
mod trunks;

use std::time::Duration;

use contracts::provisioning::ObjectKind;
use net::configuration::Configuration;
use runtime::settings::SettingValue;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};
use sip::Seal;
use sip::registration::Policy;

use crate::trunk_accounts::{Secrets, TrunkAccounts};
use carriers::Carriers;

/// What registrar declares.
pub const SPEC: RoleSpec = RoleSpec {
    name: "registrar",
    number: 4,
    summary: "knows where phones are registered",
    listens: &[Listen { name: "http", protocol: Protocol::Http, port: 11_500, place: Place::Cluster, accepts: &[] }],
    opens: &["own-01", "voice-32", "voice-36", "voice-52", "voice-53"],
    settings: Settings::TABLE,
    metrics: &[metrics::Metrics::declared, crate::reporting::Metrics::declared, net::configuration::Metrics::declared],
    admin_port: 11_500,
    starts: Starts::InTurn,
    drains: Drains::Signalling,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

runtime::settings! {
    /// Settings of registrar.
    pub struct Settings {
        /// The shortest registration. A phone that asks for less is answered 423 with this time.
        expires_min: Duration = Duration::from_secs(30);
        /// The longest registration that is granted.
        expires_max: Duration = Duration::from_secs(3_600) => |s| {
            if s.expires_max >= s.expires_min {
                return Ok(());
            }
            Err(format!("{} is less than registrar.expires_min ({})", s.expires_max.show(), s.expires_min.show()))
        };
        /// The registration granted to a phone that names no time.
        expires_default: Duration = Duration::from_secs(600) => |s| {
            let (least, most, given) = (s.expires_min, s.expires_max, s.expires_default);
            if least > most || (least..=most).contains(&given) {
                return Ok(());
            }
            let bounds = format!("registrar.expires_min ({}) and registrar.expires_max ({})", least.show(), most.show());
            Err(format!("{} is not between {bounds}", given.show()))
        };
        /// Phones of one DN, at most 16. Beyond the limit the oldest are removed. With 1, the phone that registered last rings. A phone that
        /// is registered by several flows (RFC 5626) is one, but a DN has at most 16 flows in all.
        contacts_max: usize = 1;
    }
}

/// The objects that it reads: which trunks register.
const KINDS: &[ObjectKind] = &[ObjectKind::Trunk];

async fn run(ctx: RoleContext) -> anyhow::Result<()> {
    let settings: Settings = ctx.settings()?;
    let policy = Policy {
        expires_min: settings.expires_min,
        expires_max: settings.expires_max,
        expires_default: settings.expires_default,
        contacts_max: settings.contacts_max.clamp(1, sip::registration::CONTACTS_MAX),
    };
    let metrics = metrics::Metrics::register(&ctx.metrics);
    let reporter = crate::reporting::Reporter::start(&ctx, "voice-53", handler::TOPIC);
    let handler = handler::Handler::new(ctx.stores.clone(), policy, metrics.clone(), reporter);
    let told = admin::ToldRegistrations::default();
    net::http::serve(&ctx, "http", admin::router(told.clone())).await?;
    let configuration = Configuration::follow(&ctx, "voice-32", KINDS)?;
    let accounts = TrunkAccounts::follow(&ctx, "voice-32", configuration.clone(), Secrets::Passwords)?;
    let entropy = {
        let ctx = ctx.clone();
        Box::new(move || ctx.entropy())
    };
    let us = (ctx.owner(), ctx.address.to_string());
    let carriers = Carriers::new(us, entropy, (metrics.clone(), told));
    let trunks = trunks::Trunks::new(configuration, accounts, Seal::new(ctx.installation_key.bytes()));
    event_loop::EventLoop::new(ctx, handler, (trunks, carriers), metrics)?.run().await
}
