//! The example tenant, and its description `demo.json`: for `trunkline up --example` and `trunkline demo`.

mod cast;
mod own_certificates;
mod pins;
mod robot_load;
mod show;
mod users;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use contracts::provisioning::{DnKind, Person, TenantObjects};
use infra::Stores;
use model::TenantId;
use runtime::exit::Exit;
use runtime::listener::HostPort;
use runtime::log::LogLevel;
use runtime::process::Installation;
use runtime::{RoleSpec, data_dir, edge};
use serde_json::{Value, json};

use pins::DemoPins;
pub use robot_load::Load;
pub use show::Show;

/// The example tenant's id.
const TENANT: &str = "example";
/// Describes how to use the example; in the data directory.
const FILE: &str = "demo.json";
/// Lifetime of the printed tokens: a month for trials.
const TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Scopes of the operator: all that are issued to people.
const OPERATOR_SCOPES: &str = "operate calls:read calls:control calls:monitor config:read agents:control agents:supervise \
                               statistics:read topology:read trace:read trace:numbers";
/// Scopes of a wallboard, which is publicly visible: no phone numbers, no changes.
const WALLBOARD_SCOPES: &str = "statistics:read topology:read";
/// Scopes of the pages that explain calls, phone numbers masked.
const TRACES_SCOPES: &str = "statistics:read topology:read trace:read";
/// Number of people whose phones are printed; `demo.json` has all.
const PRINTED: usize = 2;

/// The example tenant's file and the applications that it names, by path.
const TENANT_FILE: &str = include_str!("../../../data/example-tenant.yaml");
const APPLICATIONS: &[(&str, &str)] = &[
    ("applications/sales.scxml", include_str!("../../../data/applications/sales.scxml")),
    ("applications/support.scxml", include_str!("../../../data/applications/support.scxml")),
    ("applications/menu.scxml", include_str!("../../../data/applications/menu.scxml")),
    ("applications/echo.scxml", include_str!("../../../data/applications/echo.scxml")),
    ("applications/closed.scxml", include_str!("../../../data/applications/closed.scxml")),
];

/// Additions to the roles.
pub enum Example {
    /// No addition.
    None,
    /// The example tenant.
    Tenant,
    /// The example tenant with robots at work.
    Robots(Box<Show>),
}

impl Example {
    /// Starts the log: on stdout, unless the show prints its answer there.
    pub fn start_log(&self, directives: &str) -> Result<LogLevel, String> {
        match self {
            Self::Robots(_) => runtime::log::start_beside_answer(directives),
            Self::None | Self::Tenant => runtime::log::start(directives),
        }
    }

    /// Creates the tenant if it is missing, before any role starts.
    pub async fn bring(&self, installation: &Installation, stores: &Stores) -> anyhow::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Tenant => bring(installation, stores, None).await,
            Self::Robots(show) => bring(installation, stores, Some(show.agents())).await,
        }
    }

    /// Called when every role is ready.
    pub async fn begin(&self, installation: &Installation, stores: &Stores) -> anyhow::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Tenant => announce(installation, stores, None).await,
            Self::Robots(show) => show.begin(installation, stores).await,
        }
    }

    /// The overall result, after the roles have ended.
    pub async fn ended(&self, roles: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
        match self {
            Self::None | Self::Tenant => roles,
            Self::Robots(show) => show.ended(roles).await,
        }
    }
}

fn example() -> anyhow::Result<TenantObjects> {
    let document = |path: &Path| {
        let found = APPLICATIONS.iter().find(|(name, _)| path == Path::new(name));
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    Ok(tenant::file::read(TENANT_FILE, document)?)
}

/// Creates the example tenant, with this number of robots that are agents if there are robots; an existing one keeps its user's changes, but for what the demo's people and program sign in with. An old `demo.json`
/// is removed: it would announce readiness too early.
async fn bring(installation: &Installation, stores: &Stores, robots: Option<usize>) -> anyhow::Result<()> {
    let _ = std::fs::remove_file(installation.data_dir.join(FILE));
    let tenant = TenantId::parse(TENANT)?;
    let stored = stores.provisioning.load(&tenant).await?;
    let mut objects = stored.map_or_else(example, |(_, objects)| Ok(objects))?;
    cast::complete(&mut objects, robots.unwrap_or_default());
    if robots.is_some() {
        cast::complete_outside(&mut objects, sip_edge(installation)?.robots_address()?);
    }
    users::complete(&mut objects, &passwords(installation)?);
    let note = crate::author::note(infra::ChangeWay::Import);
    let mut made = pins::in_clear(&objects);
    made.extend(tenant::import::import(&*stores.provisioning, &objects, &note).await?.pins);
    if !made.is_empty() {
        let (_, stored) = load(stores).await?;
        DemoPins::of(&installation.data_dir)?.keep(&installation.data_dir, &made, &stored)?;
    }
    Ok(())
}

fn passwords(installation: &Installation) -> anyhow::Result<users::Passwords> {
    users::Passwords::of(&installation.data_dir, &mut runtime::entropy::Strong::seeded_by_system())
}

/// Writes `demo.json` into the data directory and prints what to dial. Called when every role is ready.
async fn announce(installation: &Installation, stores: &Stores, robots: Option<&str>) -> anyhow::Result<()> {
    let (tenant, objects) = load(stores).await?;
    let demo = describe(installation, &tenant, &objects)?;
    own_certificates::write_that_of_web(installation)?;
    let path = installation.data_dir.join(FILE);
    data_dir::write_whole(&path, serde_json::to_string_pretty(&demo)?.as_bytes())
        .with_context(|| format!("writing {}", path.display()))?;
    // To stderr: stdout is the log or an answer, and secrets must not be logged.
    eprint!("{}", in_words(&demo, &path.display().to_string(), &own_command(installation), robots));
    Ok(())
}

/// The command line of this program for this installation: a built program is seldom on the PATH.
fn own_command(installation: &Installation) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "trunkline".into());
    let mut words = quoted(&program);
    if installation.instance != 0 {
        words.push_str(&format!(" --instance {}", installation.instance));
    }
    let home = std::env::home_dir();
    if installation.data_dir != runtime::process::default_data_dir(home.as_deref(), installation.instance) {
        words.push_str(&format!(" --data-dir {}", quoted(&installation.data_dir)));
    }
    words
}

/// A path quoted for a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = path.chars().all(|c| c.is_alphanumeric() || "/._-+=:@,".contains(c));
    if is_plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

async fn load(stores: &Stores) -> anyhow::Result<(TenantId, TenantObjects)> {
    let tenant = TenantId::parse(TENANT)?;
    let (_, objects) = stores.provisioning.load(&tenant).await?.context("the example tenant is not there")?;
    Ok((tenant, objects))
}

/// The address of a listener as others know it.
fn advertised(installation: &Installation, spec: &RoleSpec, listener: &str) -> anyhow::Result<HostPort> {
    let listen = spec.listen(listener).with_context(|| format!("{} has no listener {listener}", spec.name))?;
    Ok(edge::bound(spec, listen, installation.instance, 1, &installation.values)?.advertise)
}

fn sip_edge(installation: &Installation) -> anyhow::Result<robots::Edge> {
    let sip = advertised(installation, &voice::sip_proxy::SPEC, "sip-udp")?;
    Ok(robots::Edge { host: sip.host, port: sip.port })
}

fn describe(installation: &Installation, tenant: &TenantId, objects: &TenantObjects) -> anyhow::Result<Value> {
    let sip = sip_edge(installation)?;
    let ingress = &platform::ingress::SPEC;
    let (web, webs) = (advertised(installation, ingress, "web")?, advertised(installation, ingress, "webs")?);
    let issuer = installation.token_issuer()?;
    let issue = |sub: &str, scope: &str| issuer.issue(Some(tenant), sub, scope, TOKEN_LIFE);
    let numbers: serde_json::Map<String, Value> =
        objects.numbers.iter().map(|number| (number.name.clone(), json!(number.number))).collect();
    let pins = DemoPins::of(&installation.data_dir)?;
    let people = objects.people.iter().filter_map(|person| describe_person(person, objects, &pins));
    let people: Vec<Value> = people.collect();
    let passwords = passwords(installation)?;
    let web = format!("http://{web}");
    Ok(json!({
        "instance": installation.instance,
        "sip": { "host": sip.host, "port": sip.port },
        "web": web,
        "webs": format!("https://{webs}"),
        // What clients have to be told to trust, where the edge has a certificate of its own making.
        "webs_ca": own_certificates::of_web(installation).map(|path| path.display().to_string()),
        "issuer": installation.public_issuer(),
        "tenant": tenant.as_str(),
        "numbers": numbers,
        "people": people,
        "users": users::describe(objects, &passwords, &web),
        "clients": users::describe_clients(objects, &passwords),
        "tokens": {
            "operator": issue("operator/demo", OPERATOR_SCOPES)?,
            "wallboard": issue("wallboard/demo", WALLBOARD_SCOPES)?,
            "traces": issue("traces/demo", TRACES_SCOPES)?,
        },
    }))
}

/// A person with a phone; `None` for people without one.
fn describe_person(person: &Person, objects: &TenantObjects, pins: &DemoPins) -> Option<Value> {
    let agent = person.agent.as_ref()?;
    let place = objects.places.iter().find(|place| Some(&place.name) == agent.default_place.as_ref())?;
    place.dns.iter().find_map(|number| {
        let dn = objects.dns.iter().find(|dn| dn.number == *number)?;
        let DnKind::Extension { password, .. } = &dn.kind else { return None };
        // A robot already uses this phone.
        (!cast::is_robot(number)).then(|| {
            json!({
                "extension": number,
                "password": password.reveal(),
                "agent": agent.id,
                "pin": pins.of_agent(agent),
            })
        })
    })
}

/// One person of each kind who signs in at pages, with the page of that kind.
fn sign_ins(demo: &Value) -> String {
    let text = |user: &Value, field: &str| user[field].as_str().unwrap_or_default().to_owned();
    let mut words = "\nSign in at the pages\n".to_owned();
    let mut kinds = Vec::new();
    for user in demo["users"].as_array().into_iter().flatten() {
        let kind = text(user, "kind");
        if !kinds.contains(&kind) {
            words.push_str(&format!(
                "  {kind:<14} user {:<11} password {}   {}\n",
                text(user, "user"),
                text(user, "password"),
                text(user, "page")
            ));
            kinds.push(kind);
        }
    }
    words
}

fn in_words(demo: &Value, path: &str, program: &str, robots: Option<&str>) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (sip, web) = (format!("{}:{}", text(&demo["sip"]["host"]), demo["sip"]["port"]), text(&demo["web"]));
    let mut words = format!(
        "\nTrunkline is ready.\n\n  Setup      {web}/agent-setup/\n  Desktop    {web}/desktop\n  Wallboard  {web}/#token={}\n  \
         Traces     {web}/trace#token={}\n  HTTPS      {}\n  SIP        {sip} (UDP and TCP)\n",
        text(&demo["tokens"]["wallboard"]),
        text(&demo["tokens"]["traces"]),
        text(&demo["webs"])
    );
    if let Some(robots) = robots {
        words.push_str(&format!("  Robots     {robots}\n"));
    }
    words.push_str(&sign_ins(demo));
    words.push_str(
        "\nTalk in the browser: open Desktop as the browser agent, Start work, and press R: the next caller rings, A answers.\n",
    );
    words.push_str("\nYour own phone: register a softphone at that SIP address, for example with baresip\n");
    let people = demo["people"].as_array().map(Vec::as_slice).unwrap_or_default();
    for person in people.iter().take(PRINTED) {
        let (user, password) = (text(&person["extension"]), text(&person["password"]));
        words.push_str(&format!("  user {user}   password {password}\n"));
    }
    if let Some(first) = people.first() {
        let (user, password) = (text(&first["extension"]), text(&first["password"]));
        words.push_str(&format!(
            "  /uanew <sip:{user}@{sip}>;auth_user={user};auth_pass={password};outbound=\"sip:{sip};lr\"\n"
        ));
    }
    words.push_str(
        "  Dial *50 to log in and *52 to be ready: calls ring there. *53 is not ready, *51 logs out.\n\nDial\n",
    );
    for (name, number) in demo["numbers"].as_object().into_iter().flatten() {
        words.push_str(&format!("  {:<12} {name}\n", text(number)));
    }
    words.push_str(&format!(
        "\nLook inside\n  {program} topology         every connection with what goes through it\n  \
         {program} trace --last     what happened to the latest call\n  \
         {program} doctor           what is stuck or misconfigured\n\n\
         All {} phones and the operator's token are in {path}\nCtrl-C ends it.\n\n",
        people.len()
    ));
    words
}
