//! Backups, restores and snapshots by the command line, beside a running installation; and tenants that come from elsewhere.

mod under_load;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::wallboard::{Shown, Wallboard};
use testkit::{Installation, wait};

use crate::workspace::agent;
use crate::workspace::desk::PlainDesk;

const TENANT: &str = "example";
const LATER: Duration = Duration::from_secs(90);

/// Where a command works.
struct StoresOfCommands(Vec<String>);

impl StoresOfCommands {
    /// Those of a running installation.
    fn of(site: &Installation) -> Self {
        let (number, folder) = (site.demo.instance.to_string(), site.data_dir().to_string_lossy().into_owned());
        let own = ["--instance".to_owned(), number, "--data-dir".to_owned(), folder];
        Self(own.into_iter().chain(site.stores().iter().map(|argument| (*argument).to_owned())).collect())
    }

    /// Embedded ones in a directory of its own.
    fn in_folder(folder: &Path) -> Self {
        let folder = folder.to_string_lossy().into_owned();
        Self(vec!["--data-dir".to_owned(), folder, "--set".to_owned(), "stores.mode=embedded".to_owned()])
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(std::process::Command::new(testkit::installation::binary()?)
            .args(arguments)
            .args(&self.0)
            .env("LOGNAME", "tester")
            .output()?)
    }

    /// What a command that succeeds prints.
    fn said(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments)?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The exit code and the message of a command that fails.
    fn refusal(&self, arguments: &[&str]) -> Result<(i32, String)> {
        let output = self.run(arguments)?;
        let code = output.status.code().context("it was killed")?;
        ensure!(code != 0, "{arguments:?} succeeds");
        Ok((code, String::from_utf8(output.stderr)?))
    }

    /// Writes the passphrase of backups with keys, and returns the arguments that name it.
    fn with_keys(files: &Path) -> Result<[String; 3]> {
        let file = files.join("passphrase");
        std::fs::write(&file, "tall green kettle\n")?;
        Ok(["--with-keys".to_owned(), "--passphrase-file".to_owned(), file.to_string_lossy().into_owned()])
    }

    fn history(&self) -> Result<Vec<Value>> {
        let told = self.said(&["tenant", "history", TENANT, "--json", "--limit", "1000"])?;
        told.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

#[test]
fn a_backup_beside_a_running_installation_brings_its_tenant_back() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let stores = StoresOfCommands::of(&site);
    let file = files.path().join("all.trunkline").to_string_lossy().into_owned();
    stores.said(&["tenant", "snapshot", "create", TENANT, "begin"])?;
    let [with_keys, named, passphrase] = &StoresOfCommands::with_keys(files.path())?;
    let told = stores.said(&["backup", &file, "--tenant", TENANT, with_keys, named, passphrase])?;
    let told: Value = serde_json::from_str(told.trim())?;
    assert_eq!((&told["tenant"], &told["snapshots"]), (&TENANT.into(), &1.into()));
    let all = stores.said(&["tenant", "list", TENANT, "--json"])?;
    let ada = stores.said(&["tenant", "show", TENANT, "person", "ada.adler"])?;

    // Where there is nothing it comes back with revisions, history and secrets.
    let elsewhere = StoresOfCommands::in_folder(&files.path().join("elsewhere"));
    assert_eq!(elsewhere.said(&["restore", &file, "--dry-run"])?.trim(), told.to_string());
    let (_, sealed) = elsewhere.refusal(&["restore", &file])?;
    ensure!(sealed.contains("sealed with the key of another installation"), "{sealed}");
    elsewhere.said(&["restore", &file, with_keys, named, passphrase])?;
    assert_eq!(elsewhere.said(&["tenant", "list", TENANT, "--json"])?, all);
    let (mut told, of_origin) = (elsewhere.history()?, stores.history()?);
    let restored = told.remove(0);
    assert_eq!(
        (&restored["way"], &restored["kind"], &restored["changed_by"]),
        (&"backup".into(), &"tenant".into(), &"user/tester".into())
    );
    assert_eq!(restored["revision"], of_origin[0]["revision"]);
    assert_eq!(told, of_origin);
    let [one, other] = [(&stores, "here"), (&elsewhere, "there")].map(|(stores, name)| {
        let folder = files.path().join(name);
        stores.said(&["tenant", "export", TENANT, &folder.to_string_lossy()])?;
        anyhow::Ok(std::fs::read_to_string(folder.join("example.yaml"))?)
    });
    ensure!(one? == other?, "the exports differ");

    // Where it is, it is replaced only if that is asked for, and its own history goes on.
    stores.said(&["tenant", "delete", TENANT, "person", "ada.adler"])?;
    let (code, refused) = stores.refusal(&["restore", &file])?;
    ensure!(code == 6 && refused.contains("there is a tenant example already"), "{refused}");
    let replaced: Value = serde_json::from_str(stores.said(&["restore", &file, "--replace"])?.trim())?;
    assert_eq!((&replaced["put"], &replaced["deleted"]), (&1.into(), &0.into()));
    assert_eq!(stores.said(&["tenant", "show", TENANT, "person", "ada.adler"])?, ada);
    let ways: Vec<Value> = stores.history()?.iter().take(2).map(|entry| entry["way"].clone()).collect();
    assert_eq!(ways, ["backup", "command_line"]);

    let damaged = files.path().join("damaged.trunkline");
    let mut bytes = std::fs::read(&file)?;
    bytes.truncate(bytes.len() - 20);
    std::fs::write(&damaged, bytes)?;
    let (code, refused) = stores.refusal(&["restore", &damaged.to_string_lossy(), "--replace"])?;
    ensure!(code == 6 && refused.contains("of the backup"), "{refused}");
    Ok(())
}

#[test]
fn contacts_that_are_missing_come_back_from_a_backup() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let stores = StoresOfCommands::of(&site);
    let file = files.path().join("all.trunkline").to_string_lossy().into_owned();
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    let contact = |name: &str| json!({"data": {"name": name, "numbers": [{"number": "7198"}]}});
    let added =
        |name: &str| -> Result<Value> { Ok(desk.succeeds("POST", "contacts", &contact(name), 0)?["data"].clone()) };
    let path_of = |contact: &Value| format!("contacts/{}", contact["id"].as_str().unwrap_or_default());
    let (lost, kept) = (added("Ines Iversen")?, added("Taxi")?);
    stores.said(&["backup", &file])?;
    desk.succeeds("DELETE", &path_of(&lost), &Value::Null, 0)?;
    desk.succeeds("PUT", &path_of(&kept), &contact("Taxi Nord"), 0)?;
    stores.said(&["restore", &file, "--replace"])?;
    let back = desk.succeeds("GET", &path_of(&lost), &Value::Null, 0)?;
    ensure!(back["data"] == lost, "it was {lost}, and is {back}");
    let stays = desk.succeeds("GET", &path_of(&kept), &Value::Null, 0)?;
    ensure!(stays["data"]["name"] == "Taxi Nord", "a contact that is there is changed: {stays}");
    Ok(())
}

/// The lines of `docs/backup.md` that try a restore out, in a shell.
#[test]
fn the_drill_of_the_documentation_restores_a_tenant_beside_its_installation() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let path = |name: &str| files.path().join(name).to_string_lossy().into_owned();
    StoresOfCommands::of(&site).said(&["backup", &path("all.trunkline")])?;
    let page = include_str!("../../../../docs/backup.md");
    let (_, drill) = page.split_once("## A drill\n").context("no drill")?;
    let block = drill.lines().skip_while(|line| !line.starts_with("    ")).take_while(|line| line.starts_with("    "));
    let program = testkit::installation::binary()?.to_string_lossy().into_owned();
    let mut listed = String::new();
    for line in block.map(str::trim) {
        let named = match line.strip_prefix("trunkline ") {
            Some(rest) => format!("{program} {}", rest.replace(" acme ", &format!(" {TENANT} "))),
            None => line.to_owned(),
        };
        let named =
            named.replace("/tmp/drill", &path("drill")).replace("/backup/tenants.trunkline", &path("all.trunkline"));
        let named = named.replace("/var/lib/trunkline", &site.data_dir().to_string_lossy());
        let done = std::process::Command::new("sh").args(["-c", &named]).env("LOGNAME", "tester").output()?;
        ensure!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        listed += &String::from_utf8(done.stdout)?;
    }
    ensure!(listed.contains("ada.adler"), "{listed}");
    ensure!(!files.path().join("drill").exists(), "keys are left behind");
    Ok(())
}

/// Gives a running installation an empty database in the place of its own, as somebody does who restores a dump or a backup: the rows of
/// the audit let nobody empty the one that is there.
fn empty_database(site: &mut Installation) -> Result<()> {
    if site.is_on_servers() {
        let aside = "BEGIN; ALTER SCHEMA public RENAME TO aside; CREATE SCHEMA public; COMMIT";
        return site.servers()?.psql(aside).map(drop);
    }
    let file = site.data_dir().join("configuration.sqlite");
    let sqlite = |sql: &str| {
        let mut command = std::process::Command::new("sqlite3");
        let output = command.args(["-cmd", ".timeout 10000"]).arg(&file).arg(sql).output();
        let output = output.context("sqlite3 is not installed")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        anyhow::Ok(String::from_utf8(output.stdout)?)
    };
    // The processes have the file open: it stays, and its tables go.
    let tables = sqlite("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")?;
    ensure!(tables.lines().any(|table| table == "change_log"), "{tables}");
    let drops: String = tables.lines().map(|table| format!("DROP TABLE {table}; ")).collect();
    sqlite(&format!("BEGIN IMMEDIATE; {drops}COMMIT;")).map(drop)
}

/// The agents that workforce tools are told of; none while they are told of nobody.
fn agents_of_workforce(site: &Installation) -> Result<Vec<String>> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let answer = site.http(web, "GET", "/wfm/v1/example/agents", "")?;
    if answer.status != 200 {
        return Ok(Vec::new());
    }
    let document: Value = serde_json::from_str(&answer.body)?;
    let rows = document["items"].as_array().context("no items")?;
    Ok(rows.iter().filter_map(|row| Some(row["id"].as_str()?.to_owned())).collect())
}

/// The agents on the wallboard; none while there is no wallboard.
fn agents_of_wallboard(site: &Installation) -> Result<Vec<String>> {
    let Ok(board) = Wallboard::listen(site, None) else { return Ok(Vec::new()) };
    let all = |shown: &Shown| (!shown.messages.is_empty()).then(|| shown.agents.keys().cloned().collect());
    board.becomes("a snapshot", LATER, all)
}

#[test]
fn readers_show_a_tenant_that_was_restored_beside_them_though_they_know_its_revision() -> Result<()> {
    let files = tempfile::tempdir()?;
    let mut site = Installation::start()?;
    let stores = StoresOfCommands::of(&site);
    let path = |name: &str| files.path().join(name).to_string_lossy().into_owned();
    let are_shown = |site: &Installation, here: &str, gone: &str| {
        for agents in [agents_of_wallboard, agents_of_workforce] {
            wait::until(LATER, || {
                let agents = agents(site)?;
                let has = |wanted: &str| agents.iter().any(|agent| agent == wanted);
                Ok((has(here) && !has(gone)).then_some(()))
            })
            .with_context(|| format!("never {here} without {gone}"))?;
        }
        anyhow::Ok(())
    };

    // The history of the backup goes on elsewhere, and comes to the revision at which the readers are.
    let [with_keys, named, passphrase] = &StoresOfCommands::with_keys(files.path())?;
    stores.said(&["backup", &path("before"), with_keys, named, passphrase])?;
    let elsewhere = StoresOfCommands::in_folder(&files.path().join("elsewhere"));
    elsewhere.said(&["restore", &path("before"), with_keys, named, passphrase])?;
    elsewhere.said(&["tenant", "delete", TENANT, "person", "ben.brook"])?;
    elsewhere.said(&["backup", &path("after")])?;
    stores.said(&["tenant", "delete", TENANT, "person", "ada.adler"])?;
    are_shown(&site, "1002", "1001")?;
    let revision = |stores: &StoresOfCommands| Ok::<_, anyhow::Error>(stores.history()?[0]["revision"].clone());
    assert_eq!(revision(&stores)?, revision(&elsewhere)?);

    empty_database(&mut site)?;
    stores.said(&["restore", &path("after")])?;
    are_shown(&site, "1001", "1002")?;
    // And they go on from there.
    stores.said(&["tenant", "delete", TENANT, "person", "cleo.carter"])?;
    are_shown(&site, "1001", "1003")
}

#[test]
fn a_damaged_tenant_does_not_keep_the_others_from_their_backup() -> Result<()> {
    let files = tempfile::tempdir()?;
    let path = |name: &str| files.path().join(name).to_string_lossy().into_owned();
    let stores = StoresOfCommands::in_folder(&files.path().join("data"));
    stores.said(&["tenant", "import", concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/example-tenant.yaml")])?;
    let (_, refused) = stores.refusal(&["tenant", "export", TENANT, &path("exported")])?;
    ensure!(refused.contains("no installation has begun"), "{refused}");
    stores.said(&["tenant", "export", TENANT, &path("exported"), "--reveal-secrets"])?;
    let text = std::fs::read_to_string(path("exported/example.yaml"))?;
    let other = text.replacen("tenant: example\n", "tenant: other\n", 1);
    std::fs::write(path("exported/other.yaml"), other.replace("example.trunkline", "other.trunkline"))?;
    stores.said(&["tenant", "import", &path("exported/other.yaml")])?;
    stores.said(&["backup", &path("all")])?;
    let damage = "UPDATE tenant SET login_password = 'hologram' WHERE id = 'example'";
    let done = std::process::Command::new("sqlite3").arg(path("data/configuration.sqlite")).arg(damage).output();
    ensure!(done.context("sqlite3 is not installed")?.status.success(), "the table cannot be changed");

    let (code, told) = stores.refusal(&["backup", &path("all")])?;
    let whole = "all.incomplete is whole but for tenant example (table tenant is damaged";
    ensure!(code == 6 && told.contains(whole), "{code} {told}");
    ensure!(told.contains("all stays as it was, since it has what the new file lacks: tenant example"), "{told}");
    let before = stores.said(&["restore", &path("all"), "--dry-run"])?;
    ensure!(before.contains("\"tenant\":\"example\""), "{before}");
    let elsewhere = StoresOfCommands::in_folder(&files.path().join("elsewhere"));
    let (code, told) = elsewhere.refusal(&["restore", &path("all.incomplete"), "--tenant", TENANT])?;
    ensure!(code == 10 && told.contains("it was left out"), "{code} {told}");
    elsewhere.said(&["restore", &path("all.incomplete")])?;
    let listed = |stores: &StoresOfCommands| stores.said(&["tenant", "list", "other", "--json"]);
    assert_eq!(listed(&elsewhere)?, listed(&stores)?);

    let (code, told) = stores.refusal(&["backup", &path("alone"), "--tenant", TENANT])?;
    ensure!(code == 6 && told.contains("no tenant can be read whole"), "{code} {told}");
    ensure!(!files.path().join("alone").exists(), "a file without a tenant is no backup");
    Ok(())
}

#[test]
fn keys_come_with_a_backup_under_a_passphrase_alone() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let stores = StoresOfCommands::of(&site);
    let path = |name: &str| files.path().join(name).to_string_lossy().into_owned();
    let (file, right, wrong) = (path("all.trunkline"), path("right"), path("wrong"));
    std::fs::write(&right, "tall green kettle\n")?;
    std::fs::write(&wrong, "tall brown kettle\n")?;
    stores.said(&["backup", &file, "--with-keys", "--passphrase-file", &right])?;
    let folder = files.path().join("elsewhere");
    let elsewhere = StoresOfCommands::in_folder(&folder);
    let (code, refused) = elsewhere.refusal(&["restore", &file, "--with-keys", "--passphrase-file", &wrong])?;
    ensure!(code == 6 && refused.contains("the passphrase is another one"), "{refused}");
    elsewhere.said(&["restore", &file, "--with-keys", "--passphrase-file", &right])?;
    let key = "keys/installation.key";
    ensure!(std::fs::read(folder.join(key))? == std::fs::read(site.data_dir().join(key))?, "it is the same key");
    let (code, refused) = stores.refusal(&["restore", &file, "--with-keys", "--passphrase-file", &right])?;
    ensure!(code == 5 && refused.contains("has keys of its own"), "{refused}");
    Ok(())
}

#[test]
fn a_snapshot_shows_what_it_changes_and_brings_the_tenant_back() -> Result<()> {
    let files = tempfile::tempdir()?;
    let folder = files.path().join("data");
    let stores = StoresOfCommands::in_folder(&folder);
    stores.said(&["tenant", "import", concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/example-tenant.yaml")])?;
    stores.said(&["tenant", "snapshot", "create", TENANT, "before-easter"])?;
    let (code, taken) = stores.refusal(&["tenant", "snapshot", "create", TENANT, "before-easter"])?;
    ensure!(code == 6 && taken.contains("there is a snapshot before-easter already"), "{taken}");
    let (code, _) = stores.refusal(&["tenant", "snapshot", "create", TENANT, "a/b"])?;
    assert_eq!(code, 2);
    stores.said(&["tenant", "delete", TENANT, "person", "ada.adler"])?;
    let trial = stores.run(&["tenant", "snapshot", "restore", TENANT, "before-easter", "--dry-run"])?;
    assert_eq!(trial.status.code(), Some(11));
    assert_eq!(String::from_utf8(trial.stdout)?, "+ person ada.adler\n1 new, 0 changed, 0 deleted\n");
    stores.said(&["tenant", "snapshot", "restore", TENANT, "before-easter"])?;
    stores.said(&["tenant", "show", TENANT, "person", "ada.adler"])?;
    assert_eq!(stores.history()?[0]["way"], "snapshot");
    let shown = stores.said(&["tenant", "snapshot", "show", TENANT, "before-easter", "--reveal-secrets"])?;
    ensure!(shown.starts_with("tenant: example\n"), "{shown}");
    let listed: Value = serde_json::from_str(stores.said(&["tenant", "snapshot", "list", TENANT, "--json"])?.trim())?;
    assert_eq!((&listed["name"], &listed["made_by"]), (&"before-easter".into(), &"user/tester".into()));
    stores.said(&["tenant", "snapshot", "delete", TENANT, "before-easter"])?;
    let (code, _) = stores.refusal(&["tenant", "snapshot", "show", TENANT, "before-easter"])?;
    assert_eq!(code, 10);
    Ok(())
}

#[test]
fn a_tenant_that_no_restore_would_take_gets_no_snapshot_and_one_that_is_kept_is_still_shown() -> Result<()> {
    let files = tempfile::tempdir()?;
    let folder = files.path().join("data");
    let stores = StoresOfCommands::in_folder(&folder);
    stores.said(&["tenant", "import", concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/example-tenant.yaml")])?;
    stores.said(&["tenant", "snapshot", "create", TENANT, "good"])?;
    let sqlite = |sql: &str| {
        let done = std::process::Command::new("sqlite3").arg(folder.join("configuration.sqlite")).arg(sql).output();
        ensure!(done.context("sqlite3 is not installed")?.status.success(), "{sql}");
        anyhow::Ok(())
    };
    // As a release before has taken them.
    sqlite(
        "INSERT INTO trunk (tenant, name) VALUES ('example', 'Old');
         INSERT INTO trunk_source (tenant, name, place, source) VALUES ('example', 'Old', 0, '0.0.0.0/0');",
    )?;
    let (code, refused) = stores.refusal(&["tenant", "snapshot", "create", TENANT, "later"])?;
    ensure!(code == 6 && refused.contains("trunk Old allow: 0.0.0.0/0 is everybody"), "{code} {refused}");
    assert_eq!(stores.said(&["tenant", "snapshot", "list", TENANT])?.lines().count(), 1);

    sqlite("UPDATE tenant_snapshot SET file = file || 'nothing_we_know: 1' || char(10)")?;
    let (code, refused) = stores.refusal(&["tenant", "snapshot", "restore", TENANT, "good"])?;
    ensure!(code == 6 && refused.contains("nothing_we_know"), "{code} {refused}");
    let shown = stores.said(&["tenant", "snapshot", "show", TENANT, "good", "--reveal-secrets"])?;
    ensure!(shown.starts_with("tenant: example\n") && shown.contains("nothing_we_know: 1"), "{shown}");
    Ok(())
}

#[test]
fn what_comes_from_elsewhere_passes_the_check_and_is_imported() -> Result<()> {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../tenant/src/import_from/fixtures");
    let files = tempfile::tempdir()?;
    let stores = StoresOfCommands::in_folder(&files.path().join("data"));
    let users = files.path().join("users");
    std::fs::create_dir(&users)?;
    std::fs::copy(format!("{fixtures}/directory.xml"), users.join("directory.xml"))?;
    let into = |name: &str| files.path().join(name).to_string_lossy().into_owned();
    let (callcenter, queues) = (format!("{fixtures}/callcenter.conf.xml"), format!("{fixtures}/queues.conf"));
    let (mail, town, report) = (into("mail"), into("town"), into("report.json"));
    let users = users.to_string_lossy().into_owned();
    let from = ["tenant", "import-from"];
    let freeswitch = ["freeswitch-callcenter", &callcenter, "--directory", &users, "--tenant", "mail", "--into", &mail];
    stores.said(&[&from[..], &freeswitch, &["--report", &report]].concat())?;
    let pjsip = format!("{fixtures}/pjsip.conf");
    let asterisk = ["asterisk", "--queues", &queues, "--pjsip", &pjsip, "--tenant", "town", "--into", &town];
    let told = stores.run(&[&from[..], &asterisk].concat())?;
    ensure!(String::from_utf8(told.stderr)?.contains("queues.conf:3: persistentmembers yes: left out"));
    let remarks: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&report)?)?;
    ensure!(remarks.iter().any(|one| one["key"] == "strategy" && one["line"] == 19), "{remarks:?}");
    for (folder, tenant) in [(&mail, "mail"), (&town, "town")] {
        let file = format!("{folder}/{tenant}.yaml");
        stores.said(&["tenant", "check", &file])?;
        stores.said(&["tenant", "apply", &file])?;
        let listed = stores.said(&["tenant", "list", tenant, "--kind", "skill"])?;
        assert_eq!(listed.lines().count(), 2);
    }
    Ok(())
}
