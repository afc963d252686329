//! Secrets of a tenant stand in clear in no store and in nothing that is made of one; who needs them has them all the same. PINs are there
//! as hashes alone.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::agents::baresip_phone;
use testkit::{Answer, Installation, installation, wait};

const TENANT: &str = "example";
const SOON: Duration = Duration::from_secs(45);
/// Long enough not to occur in a time or an address.
const PIN: &str = "80917264";
const OF_TRUNK: &str = "hush-hush-carrier-55";
/// The key of a webhook's signatures: its bytes, as a record would have them, and as one gives them.
const OF_WEBHOOK: (&str, &str) = ("hush-hush-webhook-7310", "whsec_aHVzaC1odXNoLXdlYmhvb2stNzMxMC1odXNoLWh1c2g=");
/// What a sealed secret begins with.
const SEALED: &str = "sealed:v1:";
/// What the demo keeps for whoever tries it out.
const OF_DEMO: [&str; 3] = ["demo.json", "demo-passwords.json", "demo-pins.json"];
/// What the hash of a PIN begins with.
const HASH: &str = "$argon2id$";

/// The example with [`PIN`] and [`OF_TRUNK`].
fn site() -> Result<Installation> {
    let site = Installation::start()?;
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let (pin, trunk) = ("login_code: \"1001\", pin: generated", "{name: carrier, allow: [127.0.0.0/8]}");
        ensure!(text.contains(pin) && text.contains(trunk), "the example has changed");
        let inbound =
            format!("{{name: carrier, allow: [127.0.0.0/8], inbound_user: acme, inbound_password: {OF_TRUNK}}}");
        let text = text.replace(trunk, &inbound).replace(pin, &pin.replace("generated", &format!("\"{PIN}\"")));
        Ok(fs::write(&file, text)?)
    })?;
    Ok(site)
}

fn ran(site: &Installation, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(installation::binary()?);
    command.args(arguments).args(["--instance", &site.demo.instance.to_string(), "--data-dir"]);
    Ok(command.arg(site.data_dir()).args(site.stores()).env("LOGNAME", "tester").output()?)
}

fn said(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = ran(site, arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The files below a folder with what they contain, but for those that the demo keeps.
fn files(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
            continue;
        }
        if path.file_name().is_some_and(|name| OF_DEMO.iter().any(|kept| name == *kept)) {
            continue;
        }
        match fs::read(&path) {
            Ok(bytes) => found.push((path, bytes)),
            // It has gone since, or is a socket of a server (ENXIO).
            Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(6) => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    Ok(())
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// The secrets that phones, carriers and agents are asked for.
fn secrets(site: &Installation) -> Vec<String> {
    let of_phones = site.demo.people.iter().map(|person| person.password.clone());
    of_phones.chain([PIN.to_owned(), OF_TRUNK.to_owned()]).collect()
}

/// Has a webhook made that signs with [`OF_WEBHOOK`], and asked for.
fn make_webhook(site: &Installation) -> Result<()> {
    let output = Command::new(installation::binary()?)
        .args(["token", "--tenant", TENANT, "--sub", "test/webhooks", "--scope", "webhooks"])
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let headers = format!("Authorization: Bearer {}\r\n", String::from_utf8(output.stdout)?.trim());
    let (web, path) =
        (site.demo.web.trim_start_matches("http://").parse()?, format!("/api/voice/v1/{TENANT}/webhooks"));
    let body = format!(r#"{{"url": "https://crm.example/hook", "enabled": false, "secret": "{}"}}"#, OF_WEBHOOK.1);
    let made = site.http_with(web, "POST", &path, &headers, &body)?;
    ensure!(made.status == 201 && made.body.contains(OF_WEBHOOK.1), "{}: {}", made.status, made.body);
    let listed = site.http_with(web, "GET", &path, &headers, "")?;
    ensure!(listed.status == 200 && !listed.body.contains(OF_WEBHOOK.1), "{}: {}", listed.status, listed.body);
    Ok(())
}

/// What the cache has of the tenant; nothing of an embedded one, whose file is looked through.
fn cached(site: &mut Installation) -> Result<String> {
    if !site.is_on_servers() {
        return Ok(String::new());
    }
    let documents = format!("cfg:{{{TENANT}}}:documents");
    wait::until(SOON, || {
        let held = site.servers()?.redis_cli(6_379, &["HVALS", &documents])?;
        Ok(held.contains(SEALED).then_some(held))
    })
}

#[test]
fn no_store_and_no_copy_of_one_has_a_secret_in_clear() -> Result<()> {
    let mut site = site()?;
    make_webhook(&site)?;
    let made = tempfile::tempdir()?;
    let path = |name: &str| made.path().join(name).to_string_lossy().into_owned();
    said(&site, &["tenant", "snapshot", "create", TENANT, "begin"])?;
    said(&site, &["tenant", "export", TENANT, &path("exported")])?;
    said(&site, &["backup", &path("all.trunkline")])?;
    // The file is packed.
    let unpacked = Command::new("gzip").args(["-dc", &path("all.trunkline")]).output()?;
    ensure!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    fs::write(made.path().join("unpacked"), &unpacked.stdout)?;
    fs::write(made.path().join("shown"), said(&site, &["tenant", "snapshot", "show", TENANT, "begin"])?)?;
    fs::write(made.path().join("cached"), cached(&mut site)?)?;

    let mut secrets = secrets(&site);
    secrets.extend([OF_WEBHOOK.0.to_owned(), OF_WEBHOOK.1.to_owned()]);
    ensure!(secrets.len() > 10 && secrets.iter().all(|secret| secret.len() >= 8), "{} secrets", secrets.len());
    let folders: Vec<PathBuf> = site.stored_in().into_iter().chain([made.path().to_owned()]).collect();
    let mut found = Vec::new();
    folders.iter().try_for_each(|folder| files(folder, &mut found))?;
    for (path, bytes) in &found {
        let told = secrets.iter().find(|secret| contains(bytes, secret));
        ensure!(told.is_none(), "a secret is in {}", path.display());
    }
    for name in ["exported/example.yaml", "unpacked", "shown"] {
        let (_, bytes) = found.iter().find(|(path, _)| path.ends_with(name)).with_context(|| format!("no {name}"))?;
        ensure!(contains(bytes, SEALED), "{name} has no secret, not even a sealed one");
    }
    let (_, exported) = found.iter().find(|(path, _)| path.ends_with("exported/example.yaml")).context("no export")?;
    ensure!(contains(exported, &format!("pin: \"{HASH}")), "an export has no hash of a PIN");
    Ok(())
}

/// Rows of the database, by another way than the product's own.
fn rows(site: &mut Installation, statement: &str) -> Result<String> {
    if site.is_on_servers() {
        return Ok(site.servers()?.psql(statement)?.trim().to_owned());
    }
    let file = site.data_dir().join("configuration.sqlite");
    let output = Command::new("sqlite3").arg("-readonly").arg(file).arg(statement).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A tenant's file in which agent 1001 has another PIN.
fn with_pin(file: &str, pin: &str) -> Result<String> {
    let agent = "agent: {id: \"1001\", login_code: \"1001\", pin: ";
    let (before, behind) = file.split_once(agent).context("no agent 1001")?;
    let (_, rest) = behind.split_once(", place").context("no place of agent 1001")?;
    Ok(format!("{before}{agent}{pin}, place{rest}"))
}

#[test]
fn pins_are_kept_as_hashes_and_the_same_file_changes_nothing_and_a_new_one_is_shown_once() -> Result<()> {
    let mut site = site()?;
    let of_agent = "select count(*) from person where agent_id = '1001' and pin like '$argon2id$%#8'";
    assert_eq!(rows(&mut site, of_agent)?, "1", "a hash with the number of digits");
    let others = "select count(*) from person where pin is not null and pin not like '$argon2id$%#%'";
    assert_eq!(rows(&mut site, others)?, "0");
    ensure!(!site.is_on_servers() || cached(&mut site)?.contains(HASH), "config has no PIN to compare with");

    let made = tempfile::tempdir()?;
    let folder = made.path().to_string_lossy().into_owned();
    let file = made.path().join("example.yaml");
    let path = file.to_string_lossy().into_owned();
    said(&site, &["tenant", "export", TENANT, &folder])?;
    let exported = fs::read_to_string(&file)?;
    fs::write(&file, with_pin(&exported, &format!("\"{PIN}\""))?)?;
    assert_eq!(said(&site, &["tenant", "plan", &path])?, "0 new, 0 changed, 0 deleted\n", "the PIN in clear");
    fs::write(&file, with_pin(&exported, "\"80917265\"")?)?;
    let planned = changed(&site, &path)?;
    ensure!(planned.contains("agent.pin: changed, a secret") && !planned.contains("80917265"), "{planned}");

    // One is made where there is none, and shown by that import alone.
    fs::write(&file, with_pin(&exported, "generated")?)?;
    let kept: Value = serde_json::from_str(&said(&site, &["tenant", "import", &path])?)?;
    ensure!(kept["pins"].is_null() && kept["put"] == 0, "{kept}");
    let agent = exported.replace("id: \"1001\", login_code: \"1001\"", "id: \"1991\", login_code: \"1001\"");
    let (before, behind) = agent.split_once("id: \"1991\", login_code: \"1001\", pin: ").context("no agent 1991")?;
    let (_, rest) = behind.split_once(", place").context("no place of agent 1991")?;
    fs::write(&file, format!("{before}id: \"1991\", login_code: \"1001\", pin: generated, place{rest}"))?;
    let told: Value = serde_json::from_str(&said(&site, &["tenant", "import", &path])?)?;
    let pin = told["pins"]["1991"].as_str().context("no PIN is shown")?;
    ensure!(pin.len() == 6 && pin.bytes().all(|byte| byte.is_ascii_digit()), "{told}");
    let again: Value = serde_json::from_str(&said(&site, &["tenant", "import", &path])?)?;
    ensure!(again["pins"].is_null() && again["put"] == 0, "{again}");
    Ok(())
}

/// What a plan says that is not empty.
fn changed(site: &Installation, path: &str) -> Result<String> {
    let output = Command::new(installation::binary()?)
        .args(["tenant", "plan", path, "--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    ensure!(output.status.code() == Some(11), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn phones_register_and_a_sealed_export_comes_back_and_who_shows_secrets_is_noted() -> Result<()> {
    let site = site()?;
    let made = tempfile::tempdir()?;
    let file = |folder: &str| made.path().join(folder).join("example.yaml").to_string_lossy().into_owned();
    // With the password that the demo has told.
    drop(baresip_phone(&site, 10, "7101", Answer::Auto)?);

    let folder = |name: &str| made.path().join(name).to_string_lossy().into_owned();
    said(&site, &["tenant", "export", TENANT, &folder("sealed")])?;
    assert_eq!(said(&site, &["tenant", "plan", &file("sealed")])?, "0 new, 0 changed, 0 deleted\n");
    // A secret that is moved to another phone is none there.
    let text = fs::read_to_string(file("sealed"))?;
    let of = |number: &str| {
        let line = text.lines().find(|line| line.contains(&format!("number: \"{number}\", password: ")))?;
        line.split('"').find(|part| part.starts_with(SEALED))
    };
    let (one, other) = (of("7101").context("no 7101")?, of("7102").context("no 7102")?);
    let moved = made.path().join("sealed/moved.yaml").to_string_lossy().into_owned();
    fs::write(&moved, text.replace(one, other))?;
    let refused = said(&site, &["tenant", "import", &moved]).err().context("it is imported")?;
    ensure!(format!("{refused:#}").contains("for another object"), "{refused:#}");

    said(&site, &["tenant", "export", TENANT, &folder("clear"), "--reveal-secrets"])?;
    let shown = fs::read_to_string(file("clear"))?;
    let lacking: Vec<String> = secrets(&site).into_iter().filter(|secret| !shown.contains(secret.as_str())).collect();
    assert_eq!(lacking, [PIN], "all are shown but a PIN, which nobody can read");
    ensure!(shown.contains(HASH), "its hash is there");
    let told = said(&site, &["tenant", "history", TENANT, "--json"])?;
    let latest: Value = serde_json::from_str(told.lines().next().context("no history")?)?;
    assert_eq!((&latest["way"], &latest["changed_by"]), (&"reveal".into(), &"user/tester".into()));
    Ok(())
}

#[test]
fn who_has_lost_the_key_is_told_which_secrets_are_gone_and_goes_on_without_them() -> Result<()> {
    let mut site = site()?;
    let file = site.data_dir().join("acme.yaml");
    fs::write(&file, ACME)?;
    said(&site, &["tenant", "import", &file.to_string_lossy()])?;
    let (key, aside) = (site.data_dir().join("keys/installation.key"), site.data_dir().join("aside.key"));
    fs::rename(&key, &aside)?;
    let live = ran(&site, &["tenant", "forget-secrets", "--yes"])?;
    ensure!(live.status.code() == Some(5), "secrets of running processes are emptied: {live:?}");
    fs::rename(&aside, &key)?;
    site.stop()?;
    fs::remove_file(&key)?;
    // Nobody can read acme any more.
    by_hand(&mut site, "UPDATE tenant SET login_password = 'hologram' WHERE id = 'acme'")?;
    let refused = said(&site, &["tenant", "list"]).err().context("a command goes on without the key")?;
    ensure!(format!("{refused:#}").contains("trunkline tenant forget-secrets"), "{refused:#}");

    let looked = ran(&site, &["tenant", "forget-secrets", TENANT, "--json"])?;
    ensure!(looked.status.code() == Some(11), "{looked:?}");
    let told: Value = serde_json::from_slice(&looked.stdout)?;
    let all = told["secrets"].as_array().context("no secrets")?;
    for (kind, field) in [("dn", "password"), ("trunk", "inbound_password")] {
        ensure!(all.iter().any(|one| one["kind"] == kind && one["field"] == field), "no {field} of a {kind}: {told}");
    }
    ensure!(said(&site, &["tenant", "list"]).is_err(), "a look has emptied them");

    let emptied: Value = serde_json::from_str(&said(&site, &["tenant", "forget-secrets", TENANT, "--json", "--yes"])?)?;
    assert_eq!((&emptied["emptied"], &emptied["secrets"]), (&true.into(), &told["secrets"]));
    let damaged = ran(&site, &["tenant", "forget-secrets", "--json"])?;
    let told: Value = serde_json::from_slice(damaged.stdout.split(|byte| *byte == b'\n').next().context("a line")?)?;
    let of_phone = serde_json::json!([{ "kind": "dn", "id": "7101", "field": "password" }]);
    ensure!(told["tenant"] == "acme" && told["secrets"] == of_phone && told["damaged"].is_string(), "{told}");
    ensure!(damaged.status.code() == Some(11) && said(&site, &["tenant", "list"]).is_err(), "{damaged:?}");
    said(&site, &["tenant", "forget-secrets", "--yes"])?;
    let looked = ran(&site, &["tenant", "forget-secrets"])?;
    ensure!(looked.status.success() && looked.stdout.is_empty(), "{looked:?}");
    said(&site, &["tenant", "list"]).context("what a damaged tenant had keeps nobody from beginning")?;
    let history = said(&site, &["tenant", "history", TENANT, "--json"])?;
    let latest: Value = serde_json::from_str(history.lines().next().context("no history")?)?;
    assert_eq!((&latest["way"], &latest["changed_by"]), (&"command_line".into(), &"user/tester".into()));
    Ok(())
}

/// A tenant with one secret that can be sealed.
const ACME: &str = "tenant: acme\nname: Acme\nrealm: acme.invalid\nhold_music: music\nprompts: {music: music.wav}\n\
    phones: [{number: \"7101\", password: hush-hush-7101}]\n";

/// Changes the tables past all rules.
fn by_hand(site: &mut Installation, sql: &str) -> Result<()> {
    if site.is_on_servers() {
        return site.servers()?.psql(sql).map(drop);
    }
    let file = site.data_dir().join("configuration.sqlite");
    let done = Command::new("sqlite3").arg(file).arg(sql).output().context("sqlite3 is not installed")?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
