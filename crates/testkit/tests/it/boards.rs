//! Rules and boards of `deploy`: promtool and a Prometheus that watches an installation find no fault in them, and they show something.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Installation, Prometheus, Visitor, wait};

use crate::metrics::samples_of;
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
/// Rules about all roles alike, whose metrics are those of every role.
const OF_ALL: (&str, &str) = ("roles", "*");
/// Labels that Prometheus gives to each series.
const OF_PROMETHEUS: [&str; 2] = ["instance", "job"];
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
    // A board shows metrics of several roles.
    let metrics: Vec<&Value> =
        reference.as_object().context("no reference")?.values().filter_map(Value::as_array).flatten().collect();
    for (name, boards) in ROLES.into_iter().chain([(OF_ALL.0, &[] as &[&str])]) {
        let file = deploy().join(format!("prometheus/{name}.rules.yaml"));
        let tests = file.with_extension("test.yaml");
        for (action, file) in [("check", &file), ("test", &tests)] {
            let output = Command::new("promtool")
                .args([action, "rules"])
                .arg(file)
                .output()
                .context("promtool: script/bootstrap installs it")?;
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            ensure!(output.status.success(), "{said}");
        }
        let boards = boards.iter().map(|name| board(name)).collect::<Result<Vec<_>>>()?;
        let (rules, tests) = (std::fs::read_to_string(file)?, std::fs::read_to_string(tests)?);
        // What begins like metrics of the role, or of every role, is one of them.
        let (begin, of) = if name == OF_ALL.0 { ("role", OF_ALL.1) } else { (name, name) };
        names_what_is_served(begin, &reference[of], &rules, &boards)?;
        let asked = boards.iter().map(|board| board.replace("\\\"", "\"")).chain([rules.clone(), tests.clone()]);
        let unknown: Vec<String> = asked.flat_map(|text| unknown_labels(&text, &metrics)).collect();
        ensure!(unknown.is_empty(), "{name}: no series is labelled so: {unknown:?}");
        every_alert_is_tried(&rules, &tests)?;
    }
    every_role_is_watched(&reference)
}

/// Rules and boards of a role name its own metrics, and what the rules record.
fn names_what_is_served(begin: &str, metrics: &Value, rules: &str, boards: &[String]) -> Result<()> {
    let metrics = metrics.as_array().with_context(|| format!("{begin} has no metrics"))?;
    let known: BTreeSet<String> = metrics.iter().flat_map(samples_of).collect();
    let of_rules = |what: &str| -> BTreeSet<&str> {
        rules.lines().filter_map(|line| line.trim().strip_prefix(what)).map(str::trim).collect()
    };
    let (groups, recorded) = (of_rules("- name: "), of_rules("- record: "));
    for text in boards.iter().map(String::as_str).chain([rules]) {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        let begins = |word: &&str| [format!("{begin}_"), format!("{begin}:")].iter().any(|own| word.starts_with(own));
        let is_known = |word: &str| known.contains(word) || groups.contains(word) || recorded.contains(word);
        let is_unknown = |word: &&str| !is_known(word);
        let unknown: BTreeSet<&str> = words.filter(begins).filter(is_unknown).collect();
        ensure!(unknown.is_empty(), "metrics that nobody serves: {unknown:?}");
    }
    Ok(())
}

/// Selectors of metrics with a label or a value that the metric does not have, and groupings by a label that none has.
fn unknown_labels(text: &str, metrics: &[&Value]) -> Vec<String> {
    let mut unknown = Vec::new();
    for metric in metrics {
        let begins: Vec<String> = samples_of(metric).map(|name| format!("{name}{{")).collect();
        for (at, begin) in begins.iter().flat_map(|begin| text.match_indices(begin.as_str())) {
            let is_longer =
                text[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || "_:".contains(before));
            let selector = text[at + begin.len()..].split('}').next().unwrap_or_default();
            for matcher in selector.split(',').filter(|_| !is_longer) {
                let (label, value) = matcher.split_once('"').unwrap_or((matcher, ""));
                let label = label.trim().trim_end_matches(['=', '!', '~']);
                let is_known = match &metric["labels"][label] {
                    Value::Null => OF_PROMETHEUS.contains(&label),
                    Value::Array(listed) => {
                        value.trim_end_matches('"').split('|').all(|value| listed.contains(&json!(value)))
                    }
                    _ => true,
                };
                if !is_known {
                    unknown.push(format!("{begin}{matcher}}}"));
                }
            }
        }
    }
    let has = |label: &str| metrics.iter().any(|metric| metric["labels"].get(label).is_some());
    let groupings = text.split(" by (").skip(1).filter_map(|rest| rest.split(')').next());
    let labels = groupings.flat_map(|labels| labels.split(',')).map(str::trim);
    unknown.extend(
        labels.filter(|label| !has(label) && !OF_PROMETHEUS.contains(label)).map(|label| format!("by ({label})")),
    );
    unknown
}

#[test]
fn labels_that_no_series_has_are_found() {
    let metric = json!({ "name": "a_total", "labels": { "outcome": ["right", "wrong"], "app": "an application" } });
    let found = |text: &str| unknown_labels(text, &[&metric]);
    let known = r#"sum by (app) (rate(a_total{outcome=~"right|wrong",app="x",job="a"}[5m])) + b_a_total{x="y"}"#;
    assert_eq!(found(known), [""; 0]);
    assert_eq!(found(r#"a_total{outcome!="late"}"#), [r#"a_total{outcome!="late"}"#]);
    assert_eq!(found(r#"sum by (ap) (a_total{zone="x"})"#), [r#"a_total{zone="x"}"#, "by (ap)"]);
    let histogram = json!({ "name": "b_seconds", "type": "histogram", "labels": { "le": "an upper bound" } });
    let found = |text: &str| unknown_labels(text, &[&histogram]);
    assert_eq!(found(r#"sum by (le) (b_seconds_bucket{le="0.1"}) / b_seconds_count"#), [""; 0]);
    assert_eq!(found(r#"b_seconds_bucket{zone="x"}"#), [r#"b_seconds_bucket{zone="x"}"#]);
}

/// Each alert fires in a test of its rules, and is silent in one.
fn every_alert_is_tried(rules: &str, tests: &str) -> Result<()> {
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let named = format!("alertname: {alert}");
        let expected = tests.split(named.as_str()).skip(1).filter(|rest| rest.starts_with([',', '\n']));
        let expected =
            expected.filter_map(|rest| rest.trim_start_matches([',', ' ', '\n']).strip_prefix("exp_alerts:"));
        let (silent, fires): (Vec<&str>, Vec<&str>) = expected.partition(|rest| rest.starts_with(" []"));
        ensure!(
            !fires.is_empty() && !silent.is_empty(),
            "no test in which {alert} fires, or none in which it is silent"
        );
    }
    Ok(())
}

/// The rule about roles that are down means all that there are.
fn every_role_is_watched(reference: &Value) -> Result<()> {
    let text = std::fs::read_to_string(deploy().join(format!("prometheus/{}.rules.yaml", OF_ALL.0)))?;
    let jobs =
        text.split_once("up{job=~\"").and_then(|(_, rest)| rest.split_once('"')).context("no rule asks for up")?.0;
    let watched: BTreeSet<&str> = jobs.split('|').collect();
    let all = reference.as_object().context("no reference")?.keys().map(String::as_str);
    let roles: BTreeSet<&str> = all.filter(|role| *role != OF_ALL.1).collect();
    ensure!(watched == roles, "these are watched: {watched:?}, and there are {roles:?}");
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

/// Items of a client of which each panel tells something: one is monitored by its name, one by its value, and one has an Apdex.
fn items() -> Value {
    json!([
        { "type": "log", "name": "call_start" },
        { "type": "event", "name": "error_js" },
        { "type": "metric", "name": "jitter", "value": 40 },
        { "type": "metric", "name": "mos", "value": 2.5 },
    ])
}

#[test]
fn a_prometheus_that_watches_an_installation_answers_its_rules_and_boards() -> Result<()> {
    let site = Installation::start_with(&["--set", CONTRACTS])?;
    let prometheus = watching(&site)?;

    // Every rule is loaded, and can be evaluated.
    let written = ROLES.iter().map(|(name, _)| *name).chain([OF_ALL.0]).map(|name| {
        let text = std::fs::read_to_string(deploy().join(format!("prometheus/{name}.rules.yaml")))?;
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

    // What is asked is answered, and each panel shows a number.
    let user = &site.demo.users[0];
    let visitor = Visitor::new(&site)?;
    ensure!(visitor.sign_in(&user.user, "a wrong one")?.status != 303, "a wrong password is let in");
    ensure!(visitor.sign_in(&user.user, &user.password)?.status == 303, "the password is refused");
    let mut shown = [asked_by("identity")?, asked_by("telemetry")?].concat();
    shown.extend(
        ["right", "wrong"].map(|outcome| format!("increase(auth_sign_ins_total{{outcome=\"{outcome}\"}}[5m]) > 0")),
    );
    let mut silent = Vec::new();
    let all_show = wait::until(LATER, || {
        // Again and again, since a series that begins with an event has no rate before the next one.
        post(&site, &batch("softphone", &items()), &[])?;
        silent.clear();
        for expression in &shown {
            if !prometheus.query(expression)?.iter().any(|value| value.is_finite()) {
                silent.push(expression.clone());
            }
        }
        Ok(silent.is_empty().then_some(()))
    });
    all_show.with_context(|| format!("they show nothing: {silent:?}"))
}
