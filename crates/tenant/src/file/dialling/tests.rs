use super::super::{Faults, read, write};
use super::*;

const HEAD: &str = "\
tenant: x
name: x
realm: x
hold_music: m
prompts: {m: m.wav}
phones: [{number: \"7101\", password: x}]
services: [{number: \"8000\", type: echo}]
feature_codes: [{code: \"*72\", action: forward_always}, {code: \"*78\", action: dnd_on}]
trunks:
  - {name: world, allow: [], contact: \"192.0.2.1:5060\", prefix: \"+\", priority: 1, weight: 2, try_s: 3}
  - {name: asks, allow: [], user: acme, password: \"a \\\"b\\\": #c\"}
  - {name: in, allow: []}
";

fn tenant(rest: &str) -> Result<TenantObjects, Faults> {
    read(&format!("{HEAD}{rest}"), |_| Err(std::io::ErrorKind::NotFound.into()))
}

/// The keys of the faults, each with what it says.
fn faults(rest: &str) -> Vec<(String, String)> {
    tenant(rest).expect_err("faults").0.into_iter().map(|fault| (fault.key, fault.rule.words)).collect()
}

#[test]
fn schedules_and_rules_come_back_from_their_export() {
    let objects = tenant(
        "\
schedules:
  - {name: office, time_zone: Europe/Berlin, open: [\"Mon-Fri 08:00-18:00\"], exceptions: [\"2026-12-25 closed\"]}
  - {name: always, open: [\"Mon-Sun 00:00-24:00\"]}
numbers:
  - {number: \"+15550100\", name: sales, dn: \"7101\", schedule: office, closed_dn: \"8000\"}
dial_rules:
  - {name: z, pattern: \"112\", action: emergency, trunk: world}
  - {name: a, pattern: \"+1900.\", action: block}
  - {name: m, pattern: \"9.\", action: translate, remove: 1}
  - {name: n, pattern: \"88\", action: translate, remove: 2, add: \"+49\"}
  - {name: k, pattern: \"+4[39]x.\", action: caller_id, caller_id: \"+15550100\", trunk: world}
  - {name: s, pattern: \"+1900.\", action: limit, calls: 3}
  - {name: u, pattern: \"+49.\", action: route, trunk: world, cost: 3, schedule: office}
  - {name: v, pattern: \"+49.\", action: send, remove: 3, add: \"0\", trunk: world}
  - {name: w, pattern: \"0.\", action: receive, remove: 1, add: \"+49\"}
  - {name: t, pattern: \"+.\", action: limit, per: tenant, calls: 5000, minutes: 0}
",
    )
    .expect("a tenant");
    assert_eq!(objects.dial_rules.iter().map(|rule| rule.name.as_str()).collect::<String>(), "zamnksuvwt");
    assert_eq!(objects.trunks[0].try_s, Some(3));
    assert_eq!(objects.trunks[1].password.as_ref().map(contracts::provisioning::Secret::reveal), Some("a \"b\": #c"));
    let again = read(&write(&objects).yaml, |_| Err(std::io::ErrorKind::NotFound.into()));
    assert_eq!(again, Ok(objects));
}

#[test]
fn a_fault_of_a_rule_names_it_and_its_key() {
    let found = faults(
        "\
dial_rules:
  - {name: a, pattern: \"1.2\", action: block}
  - {name: b, pattern: \"7xxx\", action: emergency}
  - {name: c, pattern: \"112\", action: emergency, trunk: in}
  - {name: d, pattern: \"112\", action: emergency, trunk: nowhere}
  - {name: e, pattern: \"+.\", action: caller_id}
  - {name: f, pattern: \"+.\", action: caller_id, caller_id: Ann}
  - {name: g, pattern: \"9.\", action: translate, add: x}
  - {name: h, pattern: \"*7x\", action: emergency}
  - {name: i, pattern: \"+.\", action: limit, per: tenant}
  - {name: j, pattern: \"+.\", action: route}
  - {name: k, pattern: \"+.\", action: route, trunk: in, schedule: never}
  - {name: l, pattern: \"+.\", action: send, add: x}
",
    );
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "dial_rules.a.pattern",
            "dial_rules.b.pattern",
            "dial_rules.c.trunk",
            "dial_rules.d.trunk",
            "dial_rules.e.caller_id",
            "dial_rules.f.caller_id",
            "dial_rules.g.add",
            "dial_rules.h.pattern",
            "dial_rules.i.calls",
            "dial_rules.j.trunk",
            "dial_rules.k.schedule",
            "dial_rules.k.trunk",
            "dial_rules.l.add",
        ]
    );
    assert_eq!(found[1].1, "nobody could call the DN 7101 any more");
    assert_eq!(found[7].1, "nobody could call the feature code *72 any more");
}

#[test]
fn an_emergency_number_needs_a_way_out() {
    let text = HEAD.replace("contact: \"192.0.2.1:5060\", ", "")
        + "dial_rules: [{name: a, pattern: \"112\", action: emergency}]\n";
    let found = read(&text, |_| Err(std::io::ErrorKind::NotFound.into())).expect_err("a fault").0;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].key, "dial_rules.a.action");
}

#[test]
fn a_fault_of_a_schedule_names_it_and_its_key() {
    let found = faults(
        "\
schedules:
  - {name: s, time_zone: Nowhere, open: [\"Mon 8-18\"], exceptions: [\"soon closed\"]}
numbers:
  - {number: \"+1\", name: a, dn: \"7101\", schedule: none, closed_dn: \"8000\"}
  - {number: \"+2\", name: a, dn: \"7101\", schedule: s}
  - {number: \"+3\", name: a, dn: \"7101\", closed_dn: \"8000\"}
  - {number: \"+4\", name: a, dn: \"7101\", schedule: s, closed_dn: \"8009\"}
",
    );
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "schedules.s.exceptions",
            "schedules.s.open",
            "schedules.s.time_zone",
            "numbers.+1.schedule",
            "numbers.+2.closed_dn",
            "numbers.+3.closed_dn",
            "numbers.+4.closed_dn",
        ]
    );
}
