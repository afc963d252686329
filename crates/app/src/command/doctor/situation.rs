//! Input of the checks, gathered once: settings, the running instance, the stored configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contracts::carrier_registration::CarrierRegistration;
use contracts::provisioning::TenantObjects;
use contracts::quarantine::AsideRow;
use contracts::v1;
use contracts::v1::delivery::What;
use contracts::v1::events_client::EventsClient;
use infra::{Clock, ProvisioningStore, StoreError, SystemClock};
use model::{TenantId, Timestamp};
use net::admin::{AdminClient, ReplicaAnswer};
use runtime::exit::{Exit, ExitError};
use runtime::process::sections;
use runtime::process::stores::{Mode, SECTION, StoresSettings};
use runtime::settings::Values;
use runtime::topology::Topology;
use runtime::{Directory, data_dir, key_files, scope};

use super::InstallationOptions;
use crate::command::executor;
use crate::roles;
use crate::stores::{Looked, Servers, Troubles};

/// Timeout of a tenant's snapshot.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(3);
/// Lifetime of the token that the command makes for itself.
const TOKEN_LIFE: Duration = Duration::from_secs(60);
/// Maximum of tenants whose state is requested, so that the command ends.
const TENANTS_MAX: usize = 100;

/// Everything that the checks need.
pub struct Situation {
    /// Number of the instance.
    pub instance: u8,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The present time.
    pub now: Timestamp,
    /// The settings; invalid ones have their defaults.
    pub values: Values,
    /// The faults of the settings.
    pub settings_faults: Vec<(String, String)>,
    /// Why the data directory is not accessible.
    pub closed: Option<String>,
    /// The fault of the key with which commands query the roles.
    pub key_fault: Option<String>,
    /// The reports of the roles; none if no process was ever started with this data directory.
    pub topology: Option<Topology>,
    /// The metrics of each node that answers.
    pub metrics: Vec<(String, String)>,
    /// The servers of the stores and the report of each; none if the stores are embedded.
    pub servers: Vec<Troubles>,
    /// The stored tenants with their state, or why they cannot be read.
    pub tenants: Result<Vec<TenantSituation>, String>,
    /// Whether the stored configuration is of an earlier release, and therefore was not read.
    pub is_earlier: bool,
    /// The web edge's answer for the first page without a token: status and content type.
    pub first_page: Option<(u16, String)>,
}

/// One tenant.
pub struct TenantSituation {
    /// Its id.
    pub tenant: TenantId,
    /// Its stored objects.
    pub objects: TenantObjects,
    /// Its present state, if the instance is running.
    pub snapshot: Option<v1::Snapshot>,
    /// Its records in quarantine.
    pub quarantine: Vec<AsideRow>,
    /// Its registrations with carriers, as registrar knows them; none if registrar does not answer.
    pub carriers: Option<Vec<CarrierRegistration>>,
}

impl Situation {
    /// Whether the settings tell where the stores are: their section has no fault, nor has a file or a name that could
    /// concern them.
    pub fn knows_its_stores(&self) -> bool {
        let sections = sections::all(roles::TABLE);
        let is_elsewhere = |key: &str| {
            let section = key.split_once('.').map(|(section, _)| section);
            section.is_some_and(|name| name != SECTION && sections.iter().any(|section| section.name == name))
        };
        self.settings_faults.iter().all(|(key, _)| is_elsewhere(key))
    }

    /// Whether any role answers.
    pub fn runs(&self) -> bool {
        self.topology.as_ref().is_some_and(Topology::runs)
    }

    /// The tenants that could be read.
    pub fn tenants(&self) -> &[TenantSituation] {
        self.tenants.as_deref().unwrap_or_default()
    }

    /// The sum of a counter over the nodes of a role and its labels.
    pub fn metric(&self, role: &str, name: &str) -> f64 {
        let of_role = self.metrics.iter().filter(|(node, _)| node.rsplit_once('-').is_some_and(|(of, _)| of == role));
        of_role.flat_map(|(_, text)| text.lines()).filter_map(|line| sample(line, name)).sum()
    }

    /// The nodes at which a gauge is above that, with its value there.
    pub fn nodes_above(&self, name: &str, limit: f64) -> Vec<(String, f64)> {
        let mut above = Vec::new();
        for (node, text) in &self.metrics {
            let values = text.lines().filter_map(|line| sample(line, name)).filter(|value| *value > limit);
            above.extend(values.map(|value| (node.clone(), value)));
        }
        above
    }
}

/// The value of a line of metrics, if it is of that metric.
fn sample(line: &str, name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    let rest = rest.strip_prefix("_total").unwrap_or(rest);
    if rest.starts_with([' ', '{']) { rest.rsplit(' ').next()?.parse().ok() } else { None }
}

/// Gathers the situation. It changes and creates nothing.
pub fn gather(options: &InstallationOptions) -> anyhow::Result<Situation> {
    let clock = SystemClock::start();
    let (mut situation, has_run) = begin(options, &clock);
    executor()?.block_on(async {
        let servers = servers_of(&mut situation);
        if let Some(servers) = &servers {
            situation.servers = servers.examine().await;
        }
        situation.tenants = if situation.knows_its_stores() {
            read_tenants(&mut situation, servers.as_ref()).await
        } else {
            Err("the settings do not say where they are".to_owned())
        };
        if matches!(has_run, Ok(true)) {
            ask_running(&mut situation, &clock).await?;
        }
        anyhow::Ok(())
    })?;
    Ok(situation)
}

/// The stored tenants alone.
pub fn stored_tenants(options: &InstallationOptions) -> anyhow::Result<Vec<TenantSituation>> {
    let (mut situation, _) = begin(options, &SystemClock::start());
    let servers = servers_of(&mut situation);
    if !situation.knows_its_stores() {
        return Err(ExitError::new(Exit::Settings, "the settings have faults: see `trunkline settings --check`").into());
    }
    executor()?.block_on(read_tenants(&mut situation, servers.as_ref())).map_err(|error| anyhow::anyhow!(error))
}

/// What is known without asking anybody, and whether an instance was ever started here.
fn begin(options: &InstallationOptions, clock: &SystemClock) -> (Situation, Result<bool, ExitError>) {
    let (values, faults) = options.sound_values_of_running();
    let data_dir = options.data_dir();
    // The keys are created at the first start: without them nothing has ever run here, and the doctor creates none.
    let has_run = data_dir::is_there(&data_dir.join(data_dir::INSTALLATION_KEY));
    let situation = Situation {
        instance: options.instance,
        data_dir,
        now: clock.now(),
        values,
        settings_faults: faults.into_iter().map(|fault| (fault.key, fault.reason)).collect(),
        closed: has_run.as_ref().err().map(|error| error.message.clone()),
        key_fault: None,
        topology: None,
        metrics: Vec::new(),
        servers: Vec::new(),
        tenants: Ok(Vec::new()),
        is_earlier: false,
        first_page: None,
    };
    (situation, has_run)
}

/// The servers of the stores, by the settings; none if the stores are embedded or the settings are invalid.
fn servers_of(situation: &mut Situation) -> Option<Servers> {
    if !situation.knows_its_stores() {
        return None;
    }
    let servers = match situation.values.read::<StoresSettings>(SECTION) {
        Ok(settings) if settings.mode() == Mode::Real => Servers::of(situation.instance, &settings)
            .and_then(|servers| Ok(servers.sealed_by(crate::stores::seals(&situation.data_dir)?))),
        Ok(_) => return None,
        Err(faults) => Err(faults.into()),
    };
    servers.map_err(|error| situation.settings_faults.push((SECTION.to_owned(), format!("{error:#}")))).ok()
}

/// Reads the stored tenants without changing anything.
async fn read_tenants(situation: &mut Situation, servers: Option<&Servers>) -> Result<Vec<TenantSituation>, String> {
    let read = async {
        let store: Arc<dyn ProvisioningStore> = match servers {
            Some(servers) => Arc::new(servers.provisioning()?),
            None => match crate::stores::look(&situation.data_dir).await? {
                None => return Ok(Vec::new()),
                Some(Looked::Present(store)) => Arc::new(store),
                Some(Looked::Earlier) => {
                    situation.is_earlier = true;
                    return Ok(Vec::new());
                }
            },
        };
        let mut all = Vec::new();
        let known = match store.tenants().await {
            // Created by the first start.
            Err(StoreError::Missing { .. }) => Vec::new(),
            known => known?,
        };
        for (tenant, _) in known {
            if let Some((_, objects)) = store.load(&tenant).await? {
                all.push(TenantSituation { tenant, objects, snapshot: None, quarantine: Vec::new(), carriers: None });
            }
        }
        anyhow::Ok(all)
    };
    let place = if servers.is_some() { "PostgreSQL: " } else { "" };
    read.await.map_err(|error| format!("{place}{error:#}"))
}

async fn ask_running(situation: &mut Situation, clock: &SystemClock) -> anyhow::Result<()> {
    let issuer = match key_files::issuer_of_existing(&situation.data_dir, Arc::new(*clock)) {
        Ok(issuer) => issuer,
        Err(error) => {
            situation.key_fault = Some(error.message);
            return Ok(());
        }
    };
    let scopes = [scope::TOPOLOGY_READ, scope::CALLS_READ, scope::OPERATE].join(" ");
    let token = issuer.issue(None, "operator/doctor", &scopes, TOKEN_LIFE)?;
    let directory = sections::directory(situation.instance, roles::TABLE, &situation.values)?;
    let admin = AdminClient::of_operator(roles::TABLE, directory.clone(), token.clone());
    let topology = net::topology::observe(&admin, situation.instance, roles::TABLE, clock).await;
    let runs = topology.runs();
    situation.topology = Some(topology);
    if !runs {
        return Ok(());
    }
    for told in admin.ask("/metrics").await {
        if let Ok(answer) = told.answer {
            situation.metrics.push((told.listener.node, String::from_utf8_lossy(&answer.body).into_owned()));
        }
    }
    situation.first_page = first_page(situation).await;
    for one in situation.tenants.iter_mut().flatten().take(TENANTS_MAX) {
        let told = admin.ask_role(voice::sip_cluster::SPEC.name, &format!("/quarantine/{}", one.tenant)).await;
        one.quarantine = told.iter().find_map(ReplicaAnswer::json).unwrap_or_default();
        let told = admin.ask_role(voice::registrar::SPEC.name, &format!("/carriers/{}", one.tenant)).await;
        // Each replica has its own trunks.
        let known: Vec<Vec<CarrierRegistration>> = told.iter().filter_map(ReplicaAnswer::json).collect();
        one.carriers = (!known.is_empty()).then(|| known.into_iter().flatten().collect());
    }
    let Some(place) = events_of_tenants(&directory) else { return Ok(()) };
    for one in situation.tenants.iter_mut().flatten().take(TENANTS_MAX) {
        let asked = tokio::time::timeout(SNAPSHOT_WITHIN, snapshot(place, &one.tenant, &token)).await;
        one.snapshot = asked.ok().and_then(Result::ok).flatten();
    }
    Ok(())
}

/// Where the first replica of the tenant role serves events.
fn events_of_tenants(directory: &Directory) -> Option<std::net::SocketAddr> {
    let spec = &tenant::role::SPEC;
    directory.addresses(spec.name, spec.listen("events")?.port).first().copied()
}

/// A snapshot of the tenant's state, as its events add up to.
async fn snapshot(place: std::net::SocketAddr, tenant: &TenantId, token: &str) -> anyhow::Result<Option<v1::Snapshot>> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{place}"))?.connect().await?;
    let mut request = tonic::Request::new(v1::SubscribeRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    let request = net::grpc::for_tenant(request, tenant);
    let mut deliveries = EventsClient::new(channel).subscribe(request).await?.into_inner();
    match deliveries.message().await?.and_then(|delivery| delivery.what) {
        Some(What::Snapshot(snapshot)) => Ok(Some(snapshot)),
        _ => Ok(None),
    }
}

/// Requests the first page from the web edge, as a browser does.
async fn first_page(situation: &Situation) -> Option<(u16, String)> {
    let spec = &platform::ingress::SPEC;
    let listen = spec.listen("web")?;
    let bound = runtime::edge::bound(spec, listen, situation.instance, 1, &situation.values).ok()?;
    let asked = tokio::time::timeout(SNAPSHOT_WITHIN, net::http::get_once(bound.listen, "/", "")).await;
    let answer = asked.ok()?.ok()?;
    let content_type = answer.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    Some((answer.status.as_u16(), content_type.to_owned()))
}
