//! Rules and boards of `deploy`: promtool and a Prometheus that watches an installation find no fault in them, and they show something.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Installation, Prometheus, Visitor, wait};

use crate::telemetry::{CONTRACTS, batch, post, token};

const LATER: Duration = Duration::from_secs(90);
/// Where Prometheus is: the last octet of its address, and its port.
const PROMETHEUS: (u8, u16) = (9, 9_099);
/// Roles that have rules, each with those boards that show its metrics.
const ROLES: [(&str, &[&str]); 5] = [
    ("telemetry", &["telemetry"]),
    ("bds", &[]),
    ("ingress", &["identity"]),
    ("tenant", &["identity"]),
    ("auth", &["identity"]),
];
/// How long Grafana lets a rate be, at the least.
const RATE_INTERVAL: (&str, &str) = ("$__rate_interval", "1m");

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn board(name: &str) -> Result<String> {
    let file = deploy().join(format!("grafana/{name}.json"));
    std::fs::read_to_string(&file).with_context(|| file.display().to_string())
}

/// What the panels of a board ask Prometheus.
fn asked_by(name: &str) -> Result<Vec<String>> {
    let board: Value = serde_json::from_str(&board(name)?).context("the board is not JSON")?;
    let list = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
    let panels = list(&board, "panels");
    let targets = panels.iter().flat_map(|panel| list(panel, "targets"));
    let asked = targets.map(|target| {
        let expression = target["expr"].as_str().with_context(|| target.to_string())?;
        Ok(expression.replace(RATE_INTERVAL.0, RATE_INTERVAL.1))
    });
    let asked = asked.collect::<Result<Vec<_>>>()?;
    ensure!(!asked.is_empty(), "{name} asks nothing");
    Ok(asked)
}

#[test]
fn rules_and_boards_name_metrics_that_exist_and_promtool_finds_no_fault() -> Result<()> {
    let printed = Command::new(testkit::installation::binary()?).args(["specs", "--metrics", "--json"]).output()?;
    let reference: Value = serde_json::from_slice(&printed.stdout)?;
    for (role, boards) in ROLES {
        let rules = deploy().join(format!("prometheus/{role}.rules.yaml"));
        for (action, file) in [("check", &rules), ("test", &rules.with_extension("test.yaml"))] {
            let output = Command::new("promtool")
                .args([action, "rules"])
                .arg(file)
                .output()
                .context("promtool: script/bootstrap installs it")?;
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            ensure!(output.status.success(), "{said}");
        }
        let boards = boards.iter().map(|name| board(name)).collect::<Result<Vec<_>>>()?;
        names_what_is_served(role, &reference, &std::fs::read_to_string(rules)?, &boards)?;
    }
    Ok(())
}

/// Rules and boards of a role name its own metrics, and what the rules record.
fn names_what_is_served(role: &str, reference: &Value, rules: &str, boards: &[String]) -> Result<()> {
    let metrics = reference[role].as_array().with_context(|| format!("{role} has no metrics"))?;
    let known: BTreeSet<&str> = metrics.iter().filter_map(|metric| metric["name"].as_str()).collect();
    let of_rules = |what: &str| -> BTreeSet<&str> {
        rules.lines().filter_map(|line| line.trim().strip_prefix(what)).map(str::trim).collect()
    };
    let (groups, recorded) = (of_rules("- name: "), of_rules("- record: "));
    for text in boards.iter().map(String::as_str).chain([rules]) {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        let begins = |word: &&str| [format!("{role}_"), format!("{role}:")].iter().any(|own| word.starts_with(own));
        let is_unknown = |word: &&str| ![&known, &groups, &recorded].into_iter().any(|names| names.contains(word));
        let unknown: BTreeSet<&str> = words.filter(begins).filter(is_unknown).collect();
        ensure!(unknown.is_empty(), "metrics that nobody serves: {unknown:?}");
    }
    Ok(())
}

/// One that watches all roles with rules, and has seen each of them.
fn watching(site: &Installation) -> Result<Prometheus> {
    let token = token(site, &["--sub", "prometheus/main", "--scope", "topology:read"])?;
    let roles = ROLES.iter().map(|(role, _)| Ok((*role, site.admin(role)?))).collect::<Result<Vec<_>>>()?;
    let at = (site.peer_address(PROMETHEUS.0), PROMETHEUS.1).into();
    let prometheus = Prometheus::start(at, &token, &roles, &deploy().join("prometheus"))?;
    let all_are_seen = format!("count(up == 1) == {}", ROLES.len());
    wait::until(LATER, || Ok((!prometheus.query(&all_are_seen)?.is_empty()).then_some(())))
        .context("a role is not scraped")?;
    Ok(prometheus)
}

/// Panels of telemetry whose series are there once a client has sent something that is taken.
const SHOWN_OF_TELEMETRY: [&str; 5] = [
    "telemetry:batches_taken:ratio_rate5m",
    "telemetry:batch_seconds:mean5m",
    "telemetry:items_kept:ratio_rate5m",
    "sum by (outcome) (rate(telemetry_batches_total[1m]))",
    "sum by (app, type) (rate(telemetry_client_items_total[1m]))",
];

#[test]
fn a_prometheus_that_watches_an_installation_answers_its_rules_and_boards() -> Result<()> {
    let site = Installation::start_with(&["--set", CONTRACTS])?;
    let prometheus = watching(&site)?;

    // Every rule is loaded, and can be evaluated.
    let written = ROLES.iter().map(|(role, _)| {
        let text = std::fs::read_to_string(deploy().join(format!("prometheus/{role}.rules.yaml")))?;
        let is_rule = |line: &&str| ["- alert:", "- record:"].iter().any(|begin| line.trim().starts_with(begin));
        Ok(text.lines().filter(is_rule).count())
    });
    let written: usize = written.collect::<Result<Vec<_>>>()?.into_iter().sum();
    let rules = wait::until(LATER, || {
        let rules = prometheus.rules()?;
        let faulty = rules.iter().find(|rule| rule["health"] == "err");
        ensure!(faulty.is_none(), "{faulty:?}");
        Ok(rules.iter().all(|rule| rule["health"] == "ok").then_some(rules))
    })?;
    ensure!(rules.len() == written, "{} of {written} rules are loaded", rules.len());
    for rule in &rules {
        prometheus.query(rule["query"].as_str().context("no expression")?)?;
    }

    // What is asked is answered; of signing in, the web edge and the tenants each panel shows something, and of telemetry the main ones.
    let user = &site.demo.users[0];
    let visitor = Visitor::new(&site)?;
    ensure!(visitor.sign_in(&user.user, "a wrong one")?.status != 303, "a wrong password is let in");
    ensure!(visitor.sign_in(&user.user, &user.password)?.status == 303, "the password is refused");
    let of_telemetry = asked_by("telemetry")?;
    for expression in &of_telemetry {
        prometheus.query(expression)?;
    }
    for shown in SHOWN_OF_TELEMETRY {
        ensure!(of_telemetry.iter().any(|asked| asked == shown), "no panel asks {shown}");
    }
    let mut shown = asked_by("identity")?;
    shown.extend(SHOWN_OF_TELEMETRY.map(str::to_owned));
    shown.extend(
        ["right", "wrong"].map(|outcome| format!("increase(auth_sign_ins_total{{outcome=\"{outcome}\"}}[5m]) > 0")),
    );
    let items = json!([{ "type": "log", "name": "call_start" }]);
    let mut silent = Vec::new();
    let all_show = wait::until(LATER, || {
        // Again and again, since a series that begins with an event has no rate before the next one.
        post(&site, &batch("softphone", &items), &[])?;
        silent.clear();
        for expression in &shown {
            if prometheus.query(expression)?.is_empty() {
                silent.push(expression.clone());
            }
        }
        Ok(silent.is_empty().then_some(()))
    });
    all_show.with_context(|| format!("they show nothing: {silent:?}"))
}
