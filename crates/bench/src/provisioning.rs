//! A large tenant: the time of its import, looking up a person by name, the way of one change to those who read it, and memory of the roles
//! that know the tenant; on SQLite, and on PostgreSQL and Redis where they are installed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use contracts::v1;
use contracts::v1::change_object::Action;
use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::provisioning_client::ProvisioningClient;
use model::TenantId;
use runtime::scope;
use testkit::facts::{bearing, connect};
use tonic::Streaming;
use tonic::transport::Channel;

use crate::Options;
use crate::http::KeptConnection;
use crate::percentile::percentile_99;
use crate::process::find;
use crate::report::{Figure, Goal, Report};
use crate::servers::Servers;
use crate::site::{PASSWORD, Roles, Site, TENANT, tenant_head};

/// How many objects a tenant has.
#[derive(Clone, Copy, Debug)]
struct TenantSize {
    people: u32,
    dns: u32,
    skills: u32,
    groups: u32,
}

/// The tenant that is wanted, the largest that a file may have if that one is refused, and that of a quick run.
const WANTED: TenantSize = TenantSize { people: 100_000, dns: 300_000, skills: 500, groups: 5_000 };
const OF_A_FILE: TenantSize = TenantSize { people: 16_000, dns: 48_000, skills: 500, groups: 1_000 };
const QUICK: TenantSize = TenantSize { people: 1_000, dns: 3_000, skills: 50, groups: 50 };
/// By how much the tenant is smaller that shows how the time of an import grows.
const SMALLER: u32 = 5;
/// Skills of a person.
const SKILLS_OF_PERSON: u32 = 3;
/// People of a group.
const PEOPLE_OF_GROUP: u32 = 20;
/// Look-ups that are measured, and changes: as many as there is time for.
const LOOK_UPS: u32 = 5_000;
const LOOK_UPS_QUICK: u32 = 200;
const CHANGES_MAX: u32 = 100;
const CHANGES_FOR: Duration = Duration::from_secs(30);
/// A reader that has not heard of a change by then never will.
const HEARD_WITHIN: Duration = Duration::from_secs(30);
/// The goals.
const IMPORT_MAX_S: f64 = 120.0;
const DATABASE_MAX_MS: f64 = 5.0;
const CACHE_MAX_MS: f64 = 1.0;
const CHANGE_MAX_MS: f64 = 1_000.0;
const TENANT_PORT: u16 = 8_888;
const CONFIG_PORT: u16 = 9_100;
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
/// Of the servers.
const PROGRAMS: [&str; 3] = ["redis-cli", "redis-server", "java"];

/// Where the tenant is stored, and which roles share a process there: embedded stores are of one process.
struct ProvisioningWay {
    name: &'static str,
    stores: &'static [&'static str],
    groups: &'static [&'static [&'static str]],
    /// The most memory of each process, in megabytes, with the tenant that is wanted.
    memory_max_mb: &'static [f64],
}

const EMBEDDED: ProvisioningWay = ProvisioningWay {
    name: "SQLite",
    stores: &[],
    groups: &[&["tenant", "config"], &["sip-proxy"]],
    // What the tenant needs while it comes in stays with the allocator of sip-proxy for a while: 217 to 308 MB in five runs.
    memory_max_mb: &[2_000.0, 350.0],
};
const SERVERS: ProvisioningWay = ProvisioningWay {
    name: "PostgreSQL and Redis",
    stores: &["--set", "stores.mode=real"],
    groups: &[&["tenant"], &["config"], &["sip-proxy"]],
    memory_max_mb: &[700.0, 400.0, 300.0],
};

/// What an import has come to.
struct ImportedTenant {
    size: TenantSize,
    took: Duration,
    /// Why it is not the tenant that was wanted.
    refusal: Option<String>,
}

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    measure(options, report, &EMBEDDED, folder).context(EMBEDDED.name)?;
    for program in PROGRAMS {
        if find(program).is_none() {
            report.missing("provisioning", program);
            return Ok(());
        }
    }
    let _servers = Servers::start(options.instance)?;
    measure(options, report, &SERVERS, folder).context(SERVERS.name)
}

fn measure(options: &Options, report: &mut Report, way: &ProvisioningWay, folder: &Path) -> Result<()> {
    let folder = folder.join(if way.stores.is_empty() { "embedded" } else { "servers" });
    fs::create_dir_all(&folder)?;
    let site = Site::empty(options.instance, &folder, way.stores);
    let imported = import(&site, if options.quick { QUICK } else { WANTED }, &folder)?;
    let smaller = smaller(options, way, imported.size, &folder)?;
    let begun = Instant::now();
    let mut running = Vec::new();
    // Nothing behind the proxy runs, and without a live node or this it would not say that it is ready.
    let route = format!("sip-proxy.static_route={}:5060", site.peer(2));
    let settings: &[&str] = &[&route];
    for roles in way.groups {
        let mut group = site.run(roles, settings)?;
        for role in *roles {
            site.wait_ready(role, &mut group)?;
        }
        running.push((roles.join(" and "), group));
    }
    let ready = begun.elapsed();
    let rows = SizeRows { way, size: imported.size };
    rows.import(report, &imported, smaller);
    rows.add(report, "from the start of the roles until all know it", "s", ready.as_secs_f64(), Goal::None, "");
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    executor.block_on(read(options, report, &site, &rows))?;
    for ((roles, group), most) in running.iter_mut().zip(way.memory_max_mb) {
        memory(report, &rows, (roles, *most), group)?;
    }
    Ok(())
}

fn memory(report: &mut Report, rows: &SizeRows<'_>, (roles, most): (&str, f64), group: &mut Roles) -> Result<()> {
    group.process.expect_running()?;
    let what = format!("memory (VmRSS) of {roles}");
    rows.add(report, &what, "MB", group.process.resident() as f64 / 1e6, Goal::AtMost(most), "after all that is above");
    Ok(())
}

// === the import ===

/// Imports the tenant of that size; if it is refused, the largest that a file may have.
fn import(site: &Site, wanted: TenantSize, folder: &Path) -> Result<ImportedTenant> {
    match timed_import(site, wanted, folder) {
        Ok(took) => Ok(ImportedTenant { size: wanted, took, refusal: None }),
        Err(error) => {
            let took = timed_import(site, OF_A_FILE, folder)?;
            let said = format!("{error:#}");
            let refusal = said.lines().take(3).map(str::trim).collect::<Vec<_>>().join(" ");
            Ok(ImportedTenant { size: OF_A_FILE, took, refusal: Some(refusal) })
        }
    }
}

fn timed_import(site: &Site, size: TenantSize, folder: &Path) -> Result<Duration> {
    let file = folder.join(format!("tenant-{}.yaml", size.people));
    fs::write(&file, tenant(size))?;
    let begun = Instant::now();
    site.import(&file)?;
    Ok(begun.elapsed())
}

/// The time that a smaller tenant takes, in a data directory of its own; servers have one for all.
fn smaller(
    options: &Options,
    way: &ProvisioningWay,
    size: TenantSize,
    folder: &Path,
) -> Result<Option<(TenantSize, Duration)>> {
    if !way.stores.is_empty() {
        return Ok(None);
    }
    let size = TenantSize { people: size.people / SMALLER, dns: size.dns / SMALLER, ..size };
    let folder = folder.join("smaller");
    fs::create_dir_all(&folder)?;
    let site = Site::empty(options.instance, &folder, way.stores);
    Ok(Some((size, timed_import(&site, size, &folder)?)))
}

/// People are agents without passwords for pages: a hash of each would be what is measured.
fn tenant(size: TenantSize) -> String {
    let mut text = tenant_head();
    let skills: Vec<String> = (0..size.skills).map(skill).collect();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "skills: [{}]\nphones:", skills.join(", "));
    for number in 0..size.dns {
        let _ = writeln!(text, "  - {{number: \"{}\", password: \"{PASSWORD}\"}}", 1_000_000 + number);
    }
    text.push_str("people:\n");
    for number in 0..size.people {
        let of_person = (0..SKILLS_OF_PERSON).map(|n| skill((number * SKILLS_OF_PERSON + n) % size.skills));
        let skills = of_person.map(|skill| format!("{skill}: 5")).collect::<Vec<_>>().join(", ");
        let user = user(number);
        let _ = writeln!(
            text,
            "  - {{user: {user}, first_name: Pat, last_name: Bench, agent: {{id: \"{number:06}\", skills: {{{skills}}}}}}}"
        );
    }
    text.push_str("agent_groups:\n");
    for number in 0..size.groups {
        let members = (0..PEOPLE_OF_GROUP.min(size.people)).map(|n| user((number * PEOPLE_OF_GROUP + n) % size.people));
        let members = members.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "  - {{name: g{number:04}, agents: [{members}]}}");
    }
    text
}

fn skill(number: u32) -> String {
    format!("s{number:04}")
}

fn user(number: u32) -> String {
    format!("person{number:06}")
}

// === readers ===

/// Those who read the tenant, each by its own connection.
struct TenantReaders {
    objects: ProvisioningClient<Channel>,
    token: String,
    config: KeptConnection,
}

async fn read(options: &Options, report: &mut Report, site: &Site, rows: &SizeRows<'_>) -> Result<()> {
    let scopes = format!("{} {}", scope::CONFIG_READ, scope::CONFIG_WRITE);
    let (tenant, issuer) = (TenantId::parse(TENANT)?, site.token_issuer()?);
    let token = issuer.issue(Some(&tenant), "client/bench", &scopes, TOKEN_LIFE)?;
    let channel = connect(site.role("tenant", TENANT_PORT)?).await?;
    let mut readers = TenantReaders {
        objects: ProvisioningClient::new(channel.clone()),
        token,
        config: KeptConnection::open(site.role("config", CONFIG_PORT)?)?,
    };
    let count = if options.quick { LOOK_UPS_QUICK } else { LOOK_UPS };
    let (mut of_database, mut of_cache) = (Vec::new(), Vec::new());
    for number in 0..count {
        // Others than the one before, all over the tenant.
        let user = user((u64::from(number) * 7_919 % u64::from(rows.size.people)) as u32);
        let begun = Instant::now();
        readers.look_up(&user).await?;
        of_database.push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        readers.cached(&user)?;
        of_cache.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let (database, cache) = (p99(of_database)?, p99(of_cache)?);
    let note = format!("of {count}, one after the other");
    let what = "a person by name from tenant (8888), p99";
    rows.add(report, what, "ms", database, Goal::AtMost(DATABASE_MAX_MS), &note);
    let what = "a person by name from config (9100), p99";
    rows.add(report, what, "ms", cache, Goal::AtMost(CACHE_MAX_MS), &note);
    let delays = change_delays(options, &mut readers, ConfigurationClient::new(channel)).await?;
    let note = format!("of {} changes, one after the other", delays.len());
    let what = "from the request to change one person until config and a follower of 8888 have it, p99";
    rows.add(report, what, "ms", p99(delays)?, Goal::AtMost(CHANGE_MAX_MS), &note);
    Ok(())
}

fn p99(values: Vec<f64>) -> Result<f64> {
    percentile_99(values).context("nothing was measured")
}

/// Changes one person again and again; returns how long each change took to reach its readers, in milliseconds.
async fn change_delays(
    options: &Options,
    readers: &mut TenantReaders,
    mut configuration: ConfigurationClient<Channel>,
) -> Result<Vec<f64>> {
    let user = user(0);
    let after_revision = readers.rename(&user, "First").await?;
    let asked = v1::FollowRequest { after_revision, kinds: vec!["person".to_owned()], ..Default::default() };
    let mut changes = configuration.follow(bearing(asked, &readers.token)?).await?.into_inner();
    let most = if options.quick { 5 } else { CHANGES_MAX };
    let (begun, mut delays) = (Instant::now(), Vec::new());
    for number in 0..most {
        if begun.elapsed() > CHANGES_FOR && !delays.is_empty() {
            break;
        }
        let name = format!("Edit{number}");
        let changed = Instant::now();
        readers.rename(&user, &name).await?;
        tokio::time::timeout(HEARD_WITHIN, heard(&mut changes, &name))
            .await
            .context("the follower hears nothing")??;
        while !readers.cached(&user)?.contains(&name) {
            ensure!(changed.elapsed() < HEARD_WITHIN, "config does not have the change");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        delays.push(changed.elapsed().as_secs_f64() * 1e3);
    }
    Ok(delays)
}

/// Waits for the change with that name.
async fn heard(changes: &mut Streaming<v1::FollowResponse>, name: &str) -> Result<()> {
    loop {
        let told = changes.message().await?.context("the stream of changes has ended")?;
        if told.objects.iter().any(|object| object.json.contains(name)) {
            return Ok(());
        }
    }
}

impl TenantReaders {
    /// Looks a person up in the database.
    async fn look_up(&mut self, user: &str) -> Result<()> {
        let asked = v1::GetObjectRequest { kind: "person".to_owned(), id: user.to_owned(), fields: Vec::new() };
        let found = self.objects.get(bearing(asked, &self.token)?).await?.into_inner();
        ensure!(found.id == user, "{} instead of {user}", found.id);
        Ok(())
    }

    /// What config says of a person.
    fn cached(&mut self, user: &str) -> Result<String> {
        let headers = format!("Authorization: Bearer {}\r\n", self.token);
        let answer = self.config.ask("GET", &format!("/tenants/{TENANT}/people/{user}"), &headers, b"")?.expect(200)?;
        Ok(String::from_utf8(answer)?)
    }

    /// Gives a person another last name; returns the tenant's revision.
    async fn rename(&mut self, user: &str, name: &str) -> Result<u64> {
        let put = v1::PutObject { json: format!("{{\"last_name\":\"{name}\"}}"), fields: vec!["last_name".to_owned()] };
        let change = v1::ChangeObject {
            kind: "person".to_owned(),
            id: user.to_owned(),
            expected_revision: None,
            action: Some(Action::Put(put)),
        };
        let asked = v1::ChangeObjectsRequest { changes: vec![change], ..v1::ChangeObjectsRequest::default() };
        Ok(self.objects.change(bearing(asked, &self.token)?).await?.into_inner().revision)
    }
}

// === rows ===

/// The rows about a tenant of that size.
struct SizeRows<'a> {
    way: &'a ProvisioningWay,
    size: TenantSize,
}

impl SizeRows<'_> {
    fn add(&self, report: &mut Report, what: &str, unit: &'static str, ours: f64, goal: Goal, note: &str) {
        let void = Vec::new();
        self.add_judged(report, what, Figure { unit, ours, goal, note: note.to_owned(), void, ..empty() });
    }

    fn add_judged(&self, report: &mut Report, what: &str, figure: Figure) {
        let TenantSize { people, dns, groups, .. } = self.size;
        let what = format!("{what}; {people} people, {dns} DNs, {groups} groups on {}", self.way.name);
        report.add(Figure { what, ..figure });
    }

    fn import(&self, report: &mut Report, imported: &ImportedTenant, smaller: Option<(TenantSize, Duration)>) {
        let each = |size: TenantSize, took: Duration| took.as_secs_f64() * 1e6 / f64::from(size.objects());
        let mut note = format!("{:.0} µs for each object", each(imported.size, imported.took));
        if let Some((size, took)) = smaller {
            let (took_s, each) = (took.as_secs_f64(), each(size, took));
            // Writing into a String cannot fail.
            let _ = write!(note, "; a fifth of the people and DNs in {took_s:.1} s, {each:.0} µs each");
        }
        let mut void = Vec::new();
        if let Some(refusal) = &imported.refusal {
            let TenantSize { people, dns, groups, .. } = WANTED;
            void.push(format!("ours: no file with {people} people, {dns} DNs and {groups} groups is taken: {refusal}"));
            let whole_s = each(imported.size, imported.took) * f64::from(WANTED.objects()) / 1e6;
            let _ = write!(note, "; at that rate the wanted tenant would take {whole_s:.0} s");
        }
        let (ours, goal) = (imported.took.as_secs_f64(), Goal::AtMost(IMPORT_MAX_S));
        let figure = Figure { unit: "s", ours, goal, note, void, ..empty() };
        self.add_judged(report, "import of a tenant's file", figure);
    }
}

impl TenantSize {
    const fn objects(self) -> u32 {
        self.people + self.dns + self.skills + self.groups
    }
}

fn empty() -> Figure {
    Figure {
        bench: "provisioning",
        what: String::new(),
        unit: "",
        ours: 0.0,
        peer: None,
        goal: Goal::None,
        note: String::new(),
        void: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_what_its_size_says() {
        let text = tenant(TenantSize { people: 4, dns: 12, skills: 5, groups: 2 });
        assert_eq!(text.lines().filter(|line| line.contains("number: ")).count(), 12);
        assert_eq!(text.lines().filter(|line| line.contains("user: ")).count(), 4);
        assert!(text.contains("skills: [s0000, s0001, s0002, s0003, s0004]\n"), "{text}");
        assert!(
            text.contains("{name: g0001, agents: [person000000, person000001, person000002, person000003]}"),
            "{text}"
        );
        assert!(text.contains("agent: {id: \"000001\", skills: {s0003: 5, s0004: 5, s0000: 5}}"), "{text}");
    }
}
