//! `trunkline quarantine`: records of calls, sessions and audio that could not be processed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use contracts::quarantine::{AsideRecord, AsideRow};
use infra::SystemClock;
use model::TenantId;
use net::http::{Method, StatusCode};
use runtime::exit::{Exit, ExitError};
use runtime::process::sections;
use runtime::{RoleSpec, key_files, scope};

use super::{InstallationOptions, executor, tenant};
use crate::roles;

/// Lifetime of the token that the command makes for itself.
const TOKEN_LIFE: Duration = Duration::from_secs(60);
/// Timeout of an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The role that answers, on its admin port.
const ROLE: &RoleSpec = &voice::sip_cluster::SPEC;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The quarantined records, a line each
    List {
        /// Only of this tenant
        #[arg(long)]
        tenant: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One record with its state, as JSON
    Show(One),
    /// Puts a record back: it is processed again, which may work with a new release
    Release(One),
    /// Deletes a record
    Discard(One),
}

#[derive(Args)]
struct One {
    /// The tenant
    tenant: String,
    /// The record's number, as `list` shows it
    id: u64,
}

impl One {
    fn path(&self) -> anyhow::Result<String> {
        let tenant = TenantId::parse(&self.tenant).map_err(|error| ExitError::new(Exit::Usage, error.to_string()))?;
        Ok(format!("/quarantine/{tenant}/{}", self.id))
    }
}

/// Lists, shows, releases or discards.
pub fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    executor()?.block_on(async {
        let asker = Asker::of(options)?;
        match &arguments.what {
            What::List { tenant, json } => list(options, &asker, tenant.as_deref(), *json).await,
            What::Show(one) => {
                let record: AsideRecord = serde_json::from_slice(&asker.ask(Method::GET, &one.path()?).await?)?;
                say_line!("{}", serde_json::to_string_pretty(&record)?);
                Ok(Exit::Done)
            }
            What::Release(one) => {
                asker.ask(Method::POST, &format!("{}/release", one.path()?)).await?;
                eprintln!("{} is back: a node takes it over within seconds", one.id);
                Ok(Exit::Done)
            }
            What::Discard(one) => {
                asker.ask(Method::DELETE, &one.path()?).await?;
                eprintln!("{} is gone", one.id);
                Ok(Exit::Done)
            }
        }
    })
}

async fn list(options: &InstallationOptions, asker: &Asker, tenant: Option<&str>, json: bool) -> anyhow::Result<Exit> {
    let tenants: Vec<String> = match tenant {
        Some(tenant) => vec![tenant.to_owned()],
        None => {
            tenant::open(options).await?.tenants().await?.into_iter().map(|(tenant, _)| tenant.to_string()).collect()
        }
    };
    let mut rows = Vec::new();
    for tenant in tenants {
        let of_tenant: Vec<AsideRow> =
            serde_json::from_slice(&asker.ask(Method::GET, &format!("/quarantine/{tenant}")).await?)?;
        rows.extend(of_tenant.into_iter().map(|row| (tenant.clone(), row)));
    }
    if json {
        let rows: Vec<_> =
            rows.iter().map(|(tenant, row)| serde_json::json!({ "tenant": tenant, "record": row })).collect();
        say_line!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(Exit::Done);
    }
    for (tenant, row) in &rows {
        let since = platform::trace::text::clock(row.since as f64);
        say_line!("{tenant}  {}  {} {}  {} UTC  {} bytes  {}", row.id, row.ledger, row.key, since, row.bytes, row.why);
    }
    if rows.is_empty() {
        eprintln!("nothing is in quarantine");
    }
    Ok(Exit::Done)
}

/// Queries a node of the installation with a token of its own key.
struct Asker {
    places: Vec<SocketAddr>,
    token: String,
    instance: u8,
}

impl Asker {
    fn of(options: &InstallationOptions) -> anyhow::Result<Self> {
        let issuer = key_files::issuer_of_existing(&options.data_dir(), Arc::new(SystemClock::start()))?;
        let token = issuer.issue(None, "operator/cli", scope::OPERATE, TOKEN_LIFE)?;
        let directory = sections::directory(options.instance, roles::TABLE, &options.values_of_running()?)?;
        Ok(Self { places: directory.addresses(ROLE.name, ROLE.admin_port), token, instance: options.instance })
    }

    /// The answer of the first node that answers.
    async fn ask(&self, method: Method, path: &str) -> anyhow::Result<Vec<u8>> {
        for place in &self.places {
            let asked = net::http::send_once(method.clone(), *place, path, &self.token);
            let Ok(Ok(answer)) = tokio::time::timeout(ANSWER_WITHIN, asked).await else { continue };
            return match answer.status {
                status if status.is_success() => Ok(answer.body.to_vec()),
                StatusCode::NOT_FOUND => Err(ExitError::new(Exit::Unknown, "no such record in quarantine").into()),
                status => anyhow::bail!("{status}: {}", String::from_utf8_lossy(&answer.body)),
            };
        }
        let message = format!("no sip-cluster of instance {} answers", self.instance);
        Err(ExitError::new(Exit::NotRunning, message).into())
    }
}
