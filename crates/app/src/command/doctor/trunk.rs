//! `trunkline doctor trunk`: tries a trunk step by step, from this machine and with sockets of its own.

mod call;
mod line;
mod recognition;
mod report;
mod signatures;
mod steps;

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use contracts::provisioning::Trunk;
use infra::{Clock as _, SystemClock};
use model::TenantId;
use net::document::DocumentClient;
use net::tls::{Identity, TlsClient, authorities};
use runtime::exit::{Exit, ExitError};
use voice::sip_cluster;
use voice::sip_proxy::{self, CertificateFiles};

use super::situation;
use crate::command::{InstallationOptions, executor};
use report::TrunkReport;

/// Examples of the command.
pub const EXAMPLES: &str = "Examples:\n  trunkline doctor trunk carrier\n  trunkline doctor trunk carrier --tenant acme\n  \
                            trunkline doctor trunk carrier --call +4930123456    rings that number\n\nIt sends from this machine, from ports \
                            of its own: a carrier that allows only the address or the port of sip-proxy may answer otherwise there.";

#[derive(Args)]
pub struct Arguments {
    /// The trunk's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Its tenant; needed where several tenants have a trunk of that name
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Call this number too: it rings, and the call ends when it is answered, or after 20 s of ringing
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    call: Option<String>,
}

/// Tries the trunk; the exit code says whether something failed.
pub fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (tenant, trunk) = find(options, arguments.tenant.as_deref(), &arguments.name)?;
    say_line!("trunk {} of tenant {tenant}", trunk.name);
    let mut report = TrunkReport::default();
    let surroundings = Surroundings::of(options)?;
    executor()?.block_on(take(&trunk, &surroundings, arguments.call.as_deref(), &mut report));
    match report.failures() {
        0 => Ok(Exit::Done),
        count => {
            let text = format!("{count} step{} failed", if count == 1 { "" } else { "s" });
            Err(ExitError::new(Exit::CheckFailed, text).into())
        }
    }
}

/// Takes the steps; each that fails ends those that need it.
async fn take(trunk: &Trunk, at: &Surroundings, number: Option<&str>, report: &mut TrunkReport) {
    let _ = report.take("calls in", recognition::of(trunk, at.asks_for_certificates));
    if let Some(sign) = &trunk.stir.sign {
        let _ = report.take("signing", signatures::published(sign, &at.certificates, at.now).await);
    }
    if trunk.stir.authorities.is_some() {
        let _ = report.take("verifying", signatures::authorities(&trunk.stir, at.now));
    }
    let Some(carrier) = report.take("contact", steps::carrier_of(trunk)) else { return };
    let Some(hops) = report.take("address", steps::resolve(&carrier, &at.name_servers).await) else { return };
    let Some(mut line) = report.take("way", steps::open(&carrier, &hops, &at.tls).await) else { return };
    if report.take("OPTIONS", steps::options(&carrier, &mut line).await).is_none() {
        // Some carriers answer none; a REGISTER tells more, unless there was no answer because nothing is there.
        report.skipped("", "the other steps go on: they show whether the carrier leaves only OPTIONS unanswered");
    }
    match carrier.account {
        Some(_) => drop(report.take("registration", steps::registration(&carrier, trunk, &mut line).await)),
        None => report.skipped("registration", "the trunk has no `user`: the carrier knows us by our address"),
    }
    match number {
        Some(number) => drop(report.take("call", call::make(&carrier, number, &mut line).await)),
        None => report.skipped("call", "not asked for: --call NUMBER rings a number and says which codec is chosen"),
    }
}

/// What the settings of sip-proxy and sip-cluster say about names and certificates: the command does as they do.
struct Surroundings {
    name_servers: Vec<SocketAddr>,
    tls: TlsClient,
    /// Fetches certificates as sip-cluster does.
    certificates: DocumentClient,
    /// The time, in seconds since 1970.
    now: i64,
    /// Whether who connects by TLS is asked for a certificate.
    asks_for_certificates: bool,
}

impl Surroundings {
    fn of(options: &InstallationOptions) -> anyhow::Result<Self> {
        let (values, _) = options.sound_values_of_running();
        let name_servers = sip_proxy::name_servers(&values).unwrap_or_default();
        let CertificateFiles { identities, servers, clients } =
            sip_proxy::certificate_files(&values).unwrap_or_default();
        let shown = identities.first().and_then(|files| Identity::read(files).ok());
        let roots = match &*servers {
            [] => authorities::of_system().0,
            files => authorities::of_files(files).context("sip-proxy.server_authorities")?,
        };
        let tls = TlsClient::new(shown.as_ref(), roots)?;
        let certificates = sip_cluster::certificate_client(&values).context("sip-cluster.certificate_authorities")?;
        let now = i64::try_from(SystemClock::start().now().as_secs()).unwrap_or(i64::MAX);
        Ok(Self { name_servers, tls, certificates, now, asks_for_certificates: !clients.is_empty() })
    }
}

/// The stored trunk of that name, of that tenant if it is said.
pub(super) fn find(options: &InstallationOptions, of: Option<&str>, name: &str) -> anyhow::Result<(TenantId, Trunk)> {
    let tenants = situation::stored_tenants(options)?;
    let is_meant = |tenant: &TenantId| of.is_none_or(|meant| tenant.as_str() == meant);
    let mut found: Vec<(TenantId, Trunk)> = tenants
        .into_iter()
        .filter(|one| is_meant(&one.tenant))
        .flat_map(|one| one.objects.trunks.into_iter().map(move |trunk| (one.tenant.clone(), trunk)))
        .filter(|(_, trunk)| trunk.name == name)
        .collect();
    match (found.pop(), found.len()) {
        (Some(found), 0) => Ok(found),
        (Some(_), _) => {
            let text = format!("several tenants have a trunk {name}: say which with --tenant");
            Err(ExitError::new(Exit::Usage, text).into())
        }
        (None, _) => {
            let text = format!("there is no trunk {name}; `trunkline tenant export TENANT DIR` shows those there are");
            Err(ExitError::new(Exit::Unknown, text).into())
        }
    }
}

fn number(text: &str) -> Result<String, String> {
    let is_dialled = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"+*#".contains(&byte));
    if is_dialled { Ok(text.to_owned()) } else { Err("it may have digits, +, * and #".to_owned()) }
}
