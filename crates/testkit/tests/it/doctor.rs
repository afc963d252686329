//! `trunkline doctor`: each fault is provoked, found, and named with its place and a remedy.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::agents::sipp_register;
use testkit::caller::prompt;
use testkit::{Installation, Sipp, wait};

const SOON: Duration = Duration::from_secs(15);
const LATER: Duration = Duration::from_secs(60);

/// What a visit came to.
struct Visit {
    code: i32,
    document: Value,
}

impl Visit {
    /// The findings of a check, as `severity: where: what`.
    fn of(&self, check: &str) -> Vec<String> {
        let all = self.document["findings"].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        all.filter(|found| found["check"] == check)
            .map(|f| format!("{}: {}: {}", text(&f["severity"]), text(&f["where"]), text(&f["what"])))
            .collect()
    }

    fn has(&self, check: &str, words: &str) -> bool {
        self.of(check).iter().any(|found| found.contains(words))
    }
}

fn visit(site: &Installation, arguments: &[&str]) -> Result<Visit> {
    let output = Command::new(testkit::installation::binary()?)
        .args(["doctor", "--json", "--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(arguments)
        .output()?;
    let document = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no document: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(Visit { code: output.status.code().unwrap_or(-1), document })
}

#[test]
fn a_sound_instance_has_no_error_and_each_provoked_fault_is_one() -> Result<()> {
    let site = Installation::start()?;
    let sound = visit(&site, &[])?;
    let errors = |visit: &Visit| {
        let all = visit.document["findings"].as_array().into_iter().flatten();
        all.filter(|found| found["severity"] == "error").map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(errors(&sound), Vec::<String>::new());
    assert_eq!(sound.document["running"], true);
    assert!(sound.has("phones", "phones of people are not registered"), "{:?}", sound.of("phones"));
    let findings = sound.document["findings"].as_array().context("no findings")?;
    assert!(findings.iter().all(|found| found["do"].as_str().is_some_and(|text| !text.is_empty())));

    // An instance that should have two dialplans has one.
    let lacking = visit(&site, &["--set", "replicas.dialplan=2"])?;
    assert_eq!(lacking.code, 6);
    assert!(lacking.has("roles", "error: dialplan-2: it does not run"), "{:?}", lacking.of("roles"));
    assert!(lacking.has("connections", "sip-cluster-1 needs dialplan-2"), "{:?}", lacking.of("connections"));

    // An agent who is logged in where no phone is.
    site.log_in("7101")?;
    wait::until(SOON, || Ok(visit(&site, &[])?.has("agents", "agent 1001 at 7101").then_some(())))?;
    sipp_register(&site, 10, "7101")?;
    wait::until(SOON, || Ok((!visit(&site, &[])?.has("agents", "agent 1001 at 7101")).then_some(())))?;

    // A sound file of the tenant's own that cannot be played any more.
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

    // A key that others may read.
    let key = site.data_dir().join("keys/caller.p8");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    assert!(visit(&site, &[])?.has("data directory", "keys/caller.p8: others on this machine may read this key"));
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
    let mut site = Installation::start()?;
    site.stop()?;
    let stopped = visit(&site, &[])?;
    assert_eq!(stopped.document["running"], false);
    assert_eq!(stopped.of("ports"), Vec::<String>::new());
    let checks = stopped.document["checks"].as_array().context("no checks")?;
    assert!(checks.iter().any(|check| check["name"] == "roles" && check["looked"] == false));
    assert!(checks.iter().any(|check| check["name"] == "ports" && check["looked"] == true));

    // Somebody holds the port of SIP.
    let held = UdpSocket::bind((Ipv4Addr::new(127, site.demo.instance, 0, 1), 5_060))?;
    let taken = visit(&site, &[])?;
    assert_eq!(taken.code, 6);
    let own = format!("(process {})", std::process::id());
    assert!(taken.has("ports", "udp port 5060 on") && taken.has("ports", &own), "{:?}", taken.of("ports"));
    drop(held);

    // Settings that are wrong do not keep the doctor from looking at the rest.
    let faulty = visit(&site, &["--set", "media.rtp_port_first=80"])?;
    assert_eq!(faulty.code, 6);
    assert!(faulty.has("settings", "error: media.rtp_port_first: "), "{:?}", faulty.of("settings"));

    // A shell with few open files.
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
    Ok(())
}

#[test]
fn a_new_data_directory_is_left_as_it_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("not-there");
    let output = Command::new(testkit::installation::binary()?)
        .args(["doctor", "--instance", "219", "--data-dir"])
        .arg(&place)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("there is no tenant") && said.contains("Instance 219 does not run"), "{said}");
    assert!(!place.exists(), "a doctor makes nothing");
    Ok(())
}
