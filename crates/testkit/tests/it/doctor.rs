//! `trunkline doctor`: each fault is provoked, found, and reported with its place and a remedy.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::agents::sipp_register;
use testkit::caller::prompt;
use testkit::{Installation, Sipp, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(60);

/// The result of a doctor's run.
pub(crate) struct Visit {
    code: i32,
    document: Value,
}

impl Visit {
    /// The findings of a check, as `severity: where: what`.
    pub(crate) fn of(&self, check: &str) -> Vec<String> {
        let all = self.document["findings"].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        all.filter(|found| found["check"] == check)
            .map(|f| format!("{}: {}: {}", text(&f["severity"]), text(&f["where"]), text(&f["what"])))
            .collect()
    }

    pub(crate) fn has(&self, check: &str, words: &str) -> bool {
        self.of(check).iter().any(|found| found.contains(words))
    }
}

pub(crate) fn visit(site: &Installation, arguments: &[&str]) -> Result<Visit> {
    let output = Command::new(testkit::installation::binary()?)
        .args(["doctor", "--json", "--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .args(arguments)
        .output()?;
    let document = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no document: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(Visit { code: output.status.code().unwrap_or(-1), document })
}

/// An installation with all its servers.
fn whole() -> Result<Installation> {
    let mut site = Installation::start()?;
    if site.is_on_servers() {
        site.servers()?.start_kafka()?;
    }
    Ok(site)
}

#[test]
fn a_sound_instance_has_no_error_and_each_provoked_fault_is_one() -> Result<()> {
    let site = whole()?;
    let errors = |visit: &Visit| {
        let all = visit.document["findings"].as_array().into_iter().flatten();
        all.filter(|found| found["severity"] == "error").map(ToString::to_string).collect::<Vec<_>>()
    };
    // A role that stands still for a moment is an error, until it goes on.
    let mut last = Vec::new();
    let sound = wait::until(SOON, || {
        let seen = visit(&site, &[])?;
        last = errors(&seen);
        Ok(last.is_empty().then_some(seen))
    })
    .with_context(|| format!("{last:?}"))?;
    assert_eq!(sound.document["running"], true);
    assert!(sound.has("phones", "phones of people are not registered"), "{:?}", sound.of("phones"));
    let findings = sound.document["findings"].as_array().context("no findings")?;
    assert!(findings.iter().all(|found| found["do"].as_str().is_some_and(|text| !text.is_empty())));

    // An instance that should have two dialplans has only one.
    let lacking = visit(&site, &["--set", "replicas.dialplan=2"])?;
    assert_eq!(lacking.code, 6);
    assert!(lacking.has("roles", "error: dialplan-2: it does not run"), "{:?}", lacking.of("roles"));
    assert!(lacking.has("connections", "sip-cluster-1 needs dialplan-2"), "{:?}", lacking.of("connections"));

    // An agent is logged in at an extension without a phone.
    site.log_in("7101")?;
    wait::until(SOON, || Ok(visit(&site, &[])?.has("agents", "agent 1001 at 7101").then_some(())))?;
    sipp_register(&site, 10, "7101")?;
    wait::until(SOON, || Ok((!visit(&site, &[])?.has("agents", "agent 1001 at 7101")).then_some(())))?;

    // A sound file of the tenant's cannot be played.
    let folder = site.data_dir().join("prompts/example");
    fs::create_dir_all(&folder)?;
    fs::copy(prompt("announcement"), folder.join("holiday.wav"))?;
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        ensure!(text.contains("prompts:\n  music:"), "the example has changed");
        Ok(fs::write(&file, text.replace("prompts:\n  music:", "prompts:\n  holiday: holiday.wav\n  music:"))?)
    })?;
    assert_eq!(visit(&site, &[])?.of("prompts"), Vec::<String>::new());
    fs::write(folder.join("holiday.wav"), "this is no sound")?;
    let unplayable = visit(&site, &[])?;
    assert!(unplayable.has("prompts", "error: tenant example, prompt holiday"), "{:?}", unplayable.of("prompts"));

    // A key is readable for other users.
    let key = site.data_dir().join("keys/signing.keys");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    assert!(visit(&site, &[])?.has("data directory", "keys/signing.keys: others on this machine may read this key"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    assert_eq!(visit(&site, &[])?.of("data directory"), Vec::<String>::new());
    Ok(())
}

#[test]
fn wrong_passwords_of_phones_are_found() -> Result<()> {
    let site = Installation::start()?;
    assert!(!visit(&site, &[])?.has("phones", "wrong password"));
    let refused = Sipp::new("register.xml", site.peer_address(11), &site.sip())
        .with(&["-key", "user", "7102", "-au", "7102", "-ap", "not-the-password"])
        .calls(1, 1, 1)
        .run(LATER)?;
    ensure!(refused.code != 0, "a wrong password was accepted");
    wait::until(SOON, || Ok(visit(&site, &[])?.has("phones", "wrong password").then_some(())))
}

#[test]
fn a_stopped_instance_is_looked_at_too() -> Result<()> {
    let mut site = whole()?;
    site.stop()?;
    let stopped = visit(&site, &[])?;
    assert_eq!(stopped.document["running"], false);
    assert_eq!(stopped.of("ports"), Vec::<String>::new());
    let checks = stopped.document["checks"].as_array().context("no checks")?;
    assert!(checks.iter().any(|check| check["name"] == "roles" && check["looked"] == false));
    assert!(checks.iter().any(|check| check["name"] == "ports" && check["looked"] == true));

    // Another process holds the SIP port.
    let held = UdpSocket::bind((Ipv4Addr::new(127, site.demo.instance, 0, 1), 5_060))?;
    let taken = visit(&site, &[])?;
    assert_eq!(taken.code, 6);
    let own = format!("(process {})", std::process::id());
    assert!(taken.has("ports", "udp port 5060 on") && taken.has("ports", &own), "{:?}", taken.of("ports"));
    drop(held);

    // Wrong settings do not prevent the other checks.
    let faulty = visit(&site, &["--set", "media.rtp_port_first=80"])?;
    assert_eq!(faulty.code, 6);
    assert!(faulty.has("settings", "error: media.rtp_port_first: "), "{:?}", faulty.of("settings"));

    // A shell with a low limit of open files.
    let trunkline = testkit::installation::binary()?;
    let line = format!(
        "ulimit -n 256; exec {} doctor --json --instance {} --data-dir {}",
        trunkline.display(),
        site.demo.instance,
        site.data_dir().display()
    );
    let output = Command::new("sh").args(["-c", &line]).output()?;
    let document = serde_json::from_slice(&output.stdout).context("no document")?;
    let few = Visit { code: output.status.code().unwrap_or(-1), document };
    assert!(few.has("file limit", "at most 256 files"), "{:?}", few.of("file limit"));
    assert_eq!(few.code, 11, "a warning, and no error: {}", few.document);
    // The program itself raises a limit that is only soft.
    let output = Command::new("sh").args(["-c", &line.replace("ulimit -n", "ulimit -Sn")]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("at most 256 files"), "{said}");
    Ok(())
}

/// A doctor that may not read the data directory reports that, and no false findings.
#[test]
fn somebody_elses_data_directory_is_said_to_be_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("closed");
    fs::create_dir(&place)?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    fs::set_permissions(&place, fs::Permissions::from_mode(0o000))?;
    // root can read everything: without this capability it is like any other user.
    const AS_ANYBODY: &str =
        "[ $(id -u) != 0 ] || set -- setpriv --bounding-set=-dac_override,-dac_read_search \"$@\"; exec \"$@\"";
    let trunkline = testkit::installation::binary()?;
    let run = |words: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", AS_ANYBODY, "sh"]).arg(&trunkline).args(words).args(["--instance", "219", "--data-dir"]);
        command.arg(&place).output()
    };
    let visit = run(&["doctor", "--json", "--set", "stores.mode=embedded"])?;
    let document = serde_json::from_slice(&visit.stdout).context("no document")?;
    let closed = Visit { code: visit.status.code().unwrap_or(-1), document };
    assert!(closed.has("data directory", "cannot look into"), "{:?}", closed.of("data directory"));
    assert_eq!((closed.of("tenants"), closed.of("ports")), (Vec::new(), Vec::new()));
    assert_eq!(closed.code, 6);
    let asked = run(&["topology"])?;
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.code() == Some(5) && said.contains("run this as that user"), "{said}");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o700))?;
    Ok(())
}

#[test]
fn what_is_faulty_does_not_hide_the_rest() -> Result<()> {
    let mut site = whole()?;
    site.stop()?;
    let key = site.data_dir().join("keys/signing.keys");
    fs::write(&key, "")?;
    let damaged = visit(&site, &["--set", "media.rtp_port_first=80"])?;
    assert!(damaged.has("data directory", "signing.keys"), "{}", damaged.document);
    assert!(damaged.has("settings", "media.rtp_port_first"), "{:?}", damaged.of("settings"));
    assert!(!damaged.has("tenants", "there is no tenant"), "what is set right counts: {:?}", damaged.of("tenants"));
    let file = site.data_dir().join("site.toml");
    fs::write(&file, "[stores\nmode = 'real'")?;
    let unread = visit(&site, &["--settings", &file.display().to_string()])?;
    assert!(unread.has("tenants", "the settings do not say where they are"), "{:?}", unread.of("tenants"));
    let unknown = visit(&site, &["--set", "stores.mode=imaginary"])?;
    assert!(unknown.has("tenants", "the settings do not say where they are"), "{:?}", unknown.of("tenants"));
    Ok(())
}

#[test]
fn a_new_data_directory_is_left_as_it_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("not-there");
    let output = Command::new(testkit::installation::binary()?)
        .args(["doctor", "--set", "stores.mode=embedded", "--instance", "219", "--data-dir"])
        .arg(&place)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("there is no tenant") && said.contains("Instance 219 does not run"), "{said}");
    assert!(!place.exists(), "a doctor makes nothing");
    Ok(())
}

/// Changes the stored configuration without the program, which offers no such change.
fn spoil(site: &mut Installation, statement: &str) -> Result<()> {
    if site.is_on_servers() {
        // Foreign keys forbid the change there; a superuser may leave them unchecked.
        let unchecked = format!("SET session_replication_role = replica; {statement}");
        return site.servers()?.psql(&unchecked).map(drop);
    }
    let file = site.data_dir().join("configuration.sqlite");
    let output = Command::new("sqlite3").arg(file).arg(statement).output().context("sqlite3 is not installed")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn what_is_wrong_in_the_stored_configuration_is_named_and_nothing_is_changed_by_looking() -> Result<()> {
    let mut site = Installation::start()?;
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let trunks = "trunks:\n  - {name: nowhere, allow: [192.0.2.9], contact: \"sbc..nowhere.invalid\", prefix: \"9\"}\n  - {name: idle, allow: []}\n  - {name: open, allow: [198.51.100.0/24]}\n";
        ensure!(text.contains("trunks:\n"), "the example has changed");
        Ok(fs::write(&file, text.replacen("trunks:\n", trunks, 1))?)
    })?;
    let reachable = visit(&site, &["--set", "sip-proxy.sip_udp_listen=192.0.2.7:5060"])?;
    for words in [
        "warning: tenant example, trunk nowhere: its `contact` has no effect: it must be a name or an address",
        "warning: tenant example, trunk idle: no call comes from it",
    ] {
        assert!(reachable.has("trunks", words), "{words}: {:?}", reachable.of("trunks"));
    }

    site.stop()?;
    let before = everything_in(site.data_dir())?;
    assert_eq!(visit(&site, &[])?.of("applications"), Vec::<String>::new());
    assert_eq!(everything_in(site.data_dir())?, before, "a doctor changes nothing");

    // An import of an earlier release did not refuse it.
    spoil(&mut site, "UPDATE trunk_source SET source = '0.0.0.0/0' WHERE name = 'open'")?;
    let reachable = visit(&site, &["--set", "sip-proxy.sip_udp_listen=192.0.2.7:5060"])?;
    let words = "error: tenant example, trunk open: whoever reaches this machine may send calls as this carrier";
    assert!(reachable.has("trunks", words), "{:?}", reachable.of("trunks"));
    assert!(!visit(&site, &[])?.has("trunks", "trunk open"), "nobody elsewhere reaches it");

    spoil(&mut site, "UPDATE application SET document = '<scxml' WHERE name = 'support'")?;
    let unloadable = visit(&site, &[])?;
    assert_eq!(unloadable.code, 6);
    assert!(unloadable.has("applications", "error: tenant example, application support: it does not load"));
    for (statement, words) in [
        ("UPDATE number SET dn = '9999' WHERE name = 'support'", "there is no DN 9999"),
        ("UPDATE dn SET default_dn = '9998' WHERE type = 'route_point'", "there is no DN 9998"),
        ("UPDATE dn SET application = 'gone' WHERE application = 'sales'", "there is no application gone"),
        (
            "UPDATE person SET default_place = 'attic' WHERE user_name = (SELECT min(user_name) FROM person)",
            "there is no place attic",
        ),
    ] {
        spoil(&mut site, statement)?;
        let found = visit(&site, &[])?;
        assert!(found.has("tenants", words), "{words}: {:?}", found.of("tenants"));
    }
    if site.is_on_servers() {
        site.servers()?.psql("DROP TABLE person_skill, person CASCADE")?;
    } else {
        fs::write(site.data_dir().join("configuration.sqlite"), "this is no configuration")?;
    }
    let broken = visit(&site, &[])?;
    assert!(broken.has("tenants", "error: configuration: the tenants cannot be read"), "{:?}", broken.of("tenants"));
    Ok(())
}

/// Every file in a folder with its bytes, except those in which SQLite records its current readers.
fn everything_in(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(everything_in(&path)?);
        } else if !path.to_string_lossy().ends_with("-shm") {
            all.insert(path.clone(), fs::read(&path)?);
        }
    }
    Ok(all)
}

#[test]
fn a_disk_that_fills_and_a_process_near_its_limit_of_files_are_found() -> Result<()> {
    let site = Installation::start()?;
    assert_eq!(visit(&site, &[])?.of("file limit").iter().filter(|found| found.contains("are open")).count(), 0);
    let open = fs::read_dir(format!("/proc/{}/fd", site.pid()))?.count();
    let limited = Command::new("prlimit")
        .args(["--pid", &site.pid().to_string(), &format!("--nofile={}:", open + 4)])
        .output()
        .context("prlimit is not installed")?;
    ensure!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stderr));
    let near = visit(&site, &[])?;
    let words = format!("error: process {}: ", site.pid());
    assert!(
        near.has("file limit", &words) && near.has("file limit", "files and sockets are open"),
        "{:?}",
        near.of("file limit")
    );
    assert_eq!(near.code, 6);

    // Sparse files need no disk space and count with their full size.
    for (folder, size, words) in [
        ("stores", 2_u64 << 30, "the journal and its snapshot have"),
        ("reporting", 21 << 30, "the reporting log has 21 GB"),
    ] {
        let folder = site.data_dir().join(folder);
        fs::create_dir_all(&folder)?;
        let file = folder.join("of-a-test");
        fs::File::create(&file)?.set_len(size)?;
        let large = visit(&site, &[])?;
        assert!(large.has("disk", words), "{words}: {:?}", large.of("disk"));
        fs::remove_file(&file)?;
        assert!(!visit(&site, &[])?.has("disk", words));
    }

    // A small separate disk, visible to this doctor alone.
    let folder = tempfile::tempdir()?;
    let line = format!(
        "mount -t tmpfs -o size=16m tmpfs {0} && exec {1} doctor --json --instance 219 --data-dir {0}/data",
        folder.path().display(),
        testkit::installation::binary()?.display()
    );
    let output =
        Command::new("unshare").args(["-rm", "sh", "-c", &line]).output().context("unshare is not installed")?;
    let document = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no document: {}", String::from_utf8_lossy(&output.stderr)))?;
    let small = Visit { code: output.status.code().unwrap_or(-1), document };
    assert!(small.has("disk", "MB are free on its disk") && small.code == 6, "{:?}", small.of("disk"));
    Ok(())
}
