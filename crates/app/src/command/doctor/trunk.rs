//! `trunkline doctor trunk`: tries a trunk step by step, from this machine and with sockets of its own.

mod call;
mod line;
mod planned_call;
mod recognition;
mod report;
mod signatures;
mod steps;

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use contracts::provisioning::{TenantObjects, Trunk};
use infra::{Clock as _, SystemClock};
use model::{ConnId, TenantId};
use net::document::DocumentClient;
use net::tls::{Identity, TlsClient, authorities};
use runtime::exit::{Exit, ExitError};
use voice::sip_cluster;
use voice::sip_proxy::{self, CertificateFiles};

use super::situation::{self, TenantSituation};
use crate::command::{InstallationOptions, executor};
use planned_call::PlannedCall;
use report::TrunkReport;
use steps::Believed;

/// In the place of a call's ConnID in rules about headers: what is tried here is no call.
pub(super) const NO_CALL: ConnId = ConnId(0);

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
    let tenants = situation::stored_tenants(options)?;
    let (tenant, objects, trunk) = chosen(tenants, arguments.tenant.as_deref(), &arguments.name)?;
    say_line!("trunk {} of tenant {tenant}", trunk.name);
    let mut report = TrunkReport::default();
    let surroundings = Surroundings::of(options)?;
    let call = arguments.call.as_deref().and_then(|number| PlannedCall::of(&objects, &trunk, number));
    executor()?.block_on(take(&trunk, &surroundings, call, &mut report));
    match report.failures() {
        0 => Ok(Exit::Done),
        count => {
            let text = format!("{count} step{} failed", if count == 1 { "" } else { "s" });
            Err(ExitError::new(Exit::CheckFailed, text).into())
        }
    }
}

/// Takes the steps; each that fails ends those that need it.
async fn take(trunk: &Trunk, at: &Surroundings, call: Option<PlannedCall<'_>>, report: &mut TrunkReport) {
    let _ = report.take("calls in", recognition::of(trunk, at.asks_for_certificates));
    if let Some(sign) = &trunk.stir.sign {
        let _ = report.take("signing", signatures::published(sign, &at.certificates, at.now).await);
    }
    if trunk.stir.authorities.is_some() {
        let _ = report.take("verifying", signatures::authorities(&trunk.stir, at.now));
    }
    let Some(carrier) = report.take("contact", steps::carrier_of(trunk)) else { return };
    let Some(hops) = report.take("address", steps::resolve(&carrier, &at.name_servers).await) else { return };
    let Some(mut line) = report.take("way", steps::open(&carrier, &hops, (&at.tls, at.believed)).await) else { return };
    if report.take("OPTIONS", steps::options(&carrier, &mut line).await).is_none() {
        // Some carriers answer none; a REGISTER tells more, unless there was no answer because nothing is there.
        report.skipped("", "the other steps go on: they show whether the carrier leaves only OPTIONS unanswered");
    }
    match carrier.account {
        Some(_) => drop(report.take("registration", steps::registration(&carrier, trunk, &mut line).await)),
        None => report.skipped("registration", "the trunk has no `user`: the carrier knows us by our address"),
    }
    match call {
        Some(mut call) => drop(report.take("call", call::make(&carrier, &mut call, &mut line).await)),
        None => report.skipped("call", "not asked for: --call NUMBER rings a number and says which codec is chosen"),
    }
}

/// What the settings of sip-proxy and sip-cluster say about names and certificates: the command does as they do.
struct Surroundings {
    name_servers: Vec<SocketAddr>,
    tls: TlsClient,
    believed: Believed,
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
        let (roots, believed) = match &*servers {
            [] => (authorities::of_system().0, Believed::OfMachine),
            files => (authorities::of_files(files).context("sip-proxy.server_authorities")?, Believed::Named),
        };
        let tls = TlsClient::new(shown.as_ref(), roots)?;
        let certificates = sip_cluster::certificate_client(&values).context("sip-cluster.certificate_authorities")?;
        let now = i64::try_from(SystemClock::start().now().as_secs()).unwrap_or(i64::MAX);
        Ok(Self { name_servers, tls, believed, certificates, now, asks_for_certificates: !clients.is_empty() })
    }
}

/// The stored trunk of that name, of that tenant if it is said.
pub(super) fn find(options: &InstallationOptions, of: Option<&str>, name: &str) -> anyhow::Result<(TenantId, Trunk)> {
    let (tenant, _, trunk) = chosen(situation::stored_tenants(options)?, of, name)?;
    Ok((tenant, trunk))
}

/// The trunk of that name among these tenants, with its tenant.
fn chosen(
    tenants: Vec<TenantSituation>,
    of: Option<&str>,
    name: &str,
) -> Result<(TenantId, TenantObjects, Trunk), ExitError> {
    if let Some(of) = of.filter(|of| tenants.iter().all(|one| one.tenant.as_str() != *of)) {
        let known = tenants.iter().map(|one| one.tenant.to_string()).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "there is none at all".to_owned() } else { format!("there are {known}") };
        return Err(ExitError::new(Exit::Unknown, format!("there is no tenant {of}; {known}")));
    }
    let is_meant = |one: &TenantSituation| of.is_none_or(|meant| one.tenant.as_str() == meant);
    let has_one = |one: &TenantSituation| one.objects.trunks.iter().any(|trunk| trunk.name == name);
    let mut found: Vec<TenantSituation> = tenants.into_iter().filter(|one| is_meant(one) && has_one(one)).collect();
    let one = found.pop();
    if !found.is_empty() {
        let text = format!("several tenants have a trunk {name}: say which with --tenant");
        return Err(ExitError::new(Exit::Usage, text));
    }
    let trunk = |one: TenantSituation| {
        let trunk = one.objects.trunks.iter().find(|trunk| trunk.name == name)?.clone();
        Some((one.tenant, one.objects, trunk))
    };
    one.and_then(trunk).ok_or_else(|| {
        let text = format!("there is no trunk {name}; `trunkline tenant export TENANT DIR` shows those there are");
        ExitError::new(Exit::Unknown, text)
    })
}

fn number(text: &str) -> Result<String, String> {
    let is_dialled = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"+*#".contains(&byte));
    if is_dialled { Ok(text.to_owned()) } else { Err("it may have digits, +, * and #".to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenant(id: &str, trunks: &[&str]) -> TenantSituation {
        let tenant = json!({
            "id": id, "name": id, "realm": "acme.example", "codecs": [], "hold_music": "", "no_answer_s": 15, "wrap_up_s": 0,
        });
        let mut objects = TenantObjects::new(serde_json::from_value(tenant).unwrap());
        objects.trunks.extend(trunks.iter().map(|name| Trunk { name: (*name).to_owned(), ..Trunk::default() }));
        let tenant = TenantId::parse(id).unwrap();
        TenantSituation { tenant, objects, snapshot: None, quarantine: Vec::new(), carriers: None }
    }

    #[test]
    fn a_trunk_is_found_by_its_name_and_where_needed_its_tenant() {
        let found = |of: Option<&str>, name: &str| {
            let tenants = vec![tenant("acme", &["main", "spare"]), tenant("zenith", &["main"])];
            chosen(tenants, of, name)
                .map(|(tenant, _, trunk)| format!("{tenant} {}", trunk.name))
                .map_err(|e| e.message)
        };
        assert_eq!(found(None, "spare"), Ok("acme spare".to_owned()));
        assert_eq!(found(Some("zenith"), "main"), Ok("zenith main".to_owned()));
        assert!(found(None, "main").is_err_and(|text| text.contains("--tenant")));
        assert!(found(None, "third").is_err_and(|text| text.starts_with("there is no trunk third")));
        let unknown = found(Some("nobody"), "main");
        assert_eq!(unknown, Err("there is no tenant nobody; there are acme, zenith".to_owned()));
    }
}
