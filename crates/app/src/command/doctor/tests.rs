use std::collections::HashSet;

use contracts::provisioning::TenantObjects;
use contracts::v1;
use model::{TenantId, Timestamp};
use runtime::admin_listener::AdminListener;
use runtime::process::sections;
use runtime::settings::Sources;
use runtime::topology::{ReplicaReport, Topology};

use super::situation::TenantSituation;
use super::*;
use crate::roles;

const NOW: Timestamp = Timestamp::from_millis(100 * 86_400_000);

fn situation(flags: &[&str]) -> Situation {
    let sources = Sources { flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..Sources::default() };
    Situation {
        instance: 219,
        data_dir: "/nowhere/of/a/test".into(),
        now: NOW,
        values: runtime::settings::load(&sections::all(roles::TABLE), &sources).unwrap(),
        settings_faults: Vec::new(),
        closed: None,
        key_fault: None,
        topology: None,
        metrics: Vec::new(),
        servers: Vec::new(),
        tenants: Ok(Vec::new()),
        is_earlier: false,
        first_page: None,
    }
}

fn with_snapshot(snapshot: v1::Snapshot) -> Situation {
    let tenant = TenantId::parse("acme").unwrap();
    let one = TenantSituation {
        tenant,
        objects: TenantObjects::new(record()),
        snapshot: Some(snapshot),
        quarantine: Vec::new(),
        carriers: None,
    };
    Situation { tenants: Ok(vec![one]), ..situation(&[]) }
}

fn record() -> contracts::provisioning::Tenant {
    let record = json!({
        "id": "acme", "name": "Acme", "realm": "acme.example", "codecs": [], "hold_music": "music", "no_answer_s": 15,
        "wrap_up_s": 0,
    });
    serde_json::from_value(record).unwrap()
}

fn ago(minutes: u64) -> u64 {
    NOW.as_micros() - minutes * 60_000_000
}

fn agent(ready: bool, work_mode: Option<v1::WorkMode>, minutes: u64) -> v1::AgentStatus {
    let work_mode = work_mode.map(Into::into);
    v1::AgentStatus { agent: "1001".into(), dn: "7101".into(), ready, work_mode, since_us: ago(minutes) }
}

fn agents_found(agent: v1::AgentStatus, registered: &[&str]) -> Vec<(Severity, String)> {
    let snapshot = v1::Snapshot {
        agents: vec![agent],
        dns_in_service: registered.iter().map(|dn| (*dn).to_owned()).collect(),
        ..v1::Snapshot::default()
    };
    running::agents(&with_snapshot(snapshot)).into_iter().map(|found| (found.severity, found.what)).collect()
}

#[test]
fn names_of_checks_are_unique_and_say_what_they_look_at() {
    let names: HashSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len());
    assert!(CHECKS.iter().all(|check| !check.looks_at.is_empty()));
}

#[test]
fn an_agent_without_a_phone_is_an_error_and_one_at_work_is_none() {
    assert_eq!(agents_found(agent(true, None, 5), &["7101"]), []);
    let found = agents_found(agent(true, None, 5), &[]);
    assert!(matches!(found.as_slice(), [(Severity::Error, what)] if what.contains("not registered")), "{found:?}");
}

#[test]
fn after_call_work_and_absence_have_their_limits() {
    let after_call = Some(v1::WorkMode::AfterCallWork);
    assert_eq!(agents_found(agent(false, after_call, 14), &["7101"]), []);
    let found = agents_found(agent(false, after_call, 16), &["7101"]);
    assert_eq!(found, [(Severity::Warning, "the agent has been in after-call work for 16 min".to_owned())]);
    assert_eq!(agents_found(agent(false, None, 11 * 60), &["7101"]), []);
    let found = agents_found(agent(false, None, 13 * 60), &["7101"]);
    assert_eq!(found, [(Severity::Warning, "the agent has been not ready for 13 h".to_owned())]);
}

#[test]
fn a_call_that_rings_or_waits_too_long_is_found() {
    let call = |state: v1::PartyState, minutes: u64| {
        let since_us = ago(minutes);
        let party = v1::PartyStatus { dn: "7101".into(), state: state.into(), since_us, ..v1::PartyStatus::default() };
        let reference = v1::CallRef { conn_id: 0xab, ..v1::CallRef::default() };
        let call = v1::CallStatus {
            call: Some(reference),
            parties: vec![party],
            user_data: None,
            // A waiting call hears music, which produces facts again and again.
            changed_at_us: if state == v1::PartyState::Connected { since_us } else { ago(0) },
        };
        let found = running::calls(&with_snapshot(v1::Snapshot { calls: vec![call], ..v1::Snapshot::default() }));
        found.into_iter().map(|found| format!("{}: {}", found.place, found.what)).collect::<Vec<_>>()
    };
    assert_eq!(call(v1::PartyState::Alerting, 4), Vec::<String>::new());
    assert_eq!(
        call(v1::PartyState::Alerting, 6),
        ["tenant acme, call 00000000000000ab: it has rung at 7101 for 6 min"]
    );
    assert_eq!(call(v1::PartyState::Queued, 59), Vec::<String>::new());
    assert_eq!(
        call(v1::PartyState::Queued, 61),
        ["tenant acme, call 00000000000000ab: it has waited at 7101 for 61 min"]
    );
    assert_eq!(call(v1::PartyState::Connected, 59), Vec::<String>::new());
    assert!(call(v1::PartyState::Connected, 500)[0].contains("nothing has happened to it for 8 h"));
}

#[test]
fn an_address_that_nobody_elsewhere_can_reach_is_an_error() {
    let found = configuration::addresses(&situation(&[
        "sip-proxy.sip_udp_listen=192.0.2.7:5060",
        "sip-proxy.sip_udp_advertise=127.0.0.1",
    ]));
    assert!(
        found.iter().any(|f| f.severity == Severity::Error && f.place == "sip-proxy.sip_udp_advertise"),
        "{found:?}"
    );
    let found = configuration::addresses(&situation(&["sip-proxy.sip_udp_listen=192.0.2.7:5060"]));
    assert!(
        found
            .iter()
            .any(|f| f.place == "media.rtp_advertise" && f.what.contains("phones on other machines hear nothing")),
        "{found:?}"
    );
    let found = configuration::addresses(&situation(&[]));
    assert!(matches!(found.as_slice(), [one] if one.severity == Severity::Notice), "{found:?}");
}

#[test]
fn a_clock_that_was_set_while_the_roles_ran_is_found() {
    let listener = AdminListener { role: "rq", node: "rq-1".into(), address: "127.0.10.1:9090".parse().unwrap() };
    let clocks = |clock_ms: u64| {
        let report = runtime::admin::TopologyReport {
            role: "rq".into(),
            node: "rq-1".into(),
            ready: true,
            missing: Vec::new(),
            pid: 1,
            lives: 4,
            since_ms: 0,
            clock_ms,
            connections: Vec::new(),
        };
        let heard = ReplicaReport { listener: listener.clone(), report: Ok(report) };
        Situation { topology: Some(Topology::of(NOW, 219, roles::TABLE, &[heard])), ..situation(&[]) }
    };
    let set = |found: Vec<Finding>| found.into_iter().filter(|f| f.what.contains("was set after")).count();
    assert_eq!(set(machine::clock(&clocks(NOW.as_millis() + 500))), 0);
    assert_eq!(set(machine::clock(&clocks(NOW.as_millis() + 3_600_000))), 1);
    assert_eq!(set(machine::clock(&clocks(NOW.as_millis() - 3_600_000))), 1);
    let restarted = running::roles(&clocks(NOW.as_millis()));
    assert!(
        restarted.iter().any(|f| f.severity == Severity::Error && f.what.contains("restarted 3 times")),
        "{restarted:?}"
    );
}

#[test]
fn counters_are_summed_over_labels_and_nodes() {
    let text = "# TYPE x counter\nx_total{a=\"1\"} 2\nx_total{a=\"2\"} 3\nxy_total 9\n";
    let metrics = [("sip-proxy-1", text), ("sip-proxy-2", "x 1\n"), ("rq-1", "x_total 100\n")];
    let metrics = metrics.map(|(node, text)| (node.to_owned(), text.to_owned())).to_vec();
    assert_eq!(Situation { metrics, ..situation(&[]) }.metric("sip-proxy", "x"), 6.0);
}

#[test]
fn nodes_that_know_no_new_key_or_revocation_are_found() {
    let found = |keys: u32, revocations: u32| -> Vec<String> {
        let text = format!("token_keys_age_seconds {keys}\ntoken_revocations_age_seconds {revocations}\n");
        let metrics = ["rq-1", "ors-1"].map(|node| (node.to_owned(), text.clone())).to_vec();
        let found = tokens::tokens(&Situation { metrics, ..situation(&[]) });
        found.into_iter().map(|one| format!("{}: {}", one.place, one.what)).collect()
    };
    assert_eq!(found(1, 1), Vec::<String>::new());
    let old = found(1, 45);
    assert!(
        matches!(old.as_slice(), [one] if one.starts_with("rq-1, ors-1: for 45 s") && one.contains("revoked")),
        "{old:?}"
    );
    assert_eq!(found(45, 45).len(), 2);
}

#[test]
fn statistics_that_began_at_zero_or_are_not_kept_are_found() {
    let found = |text: &str| -> Vec<Severity> {
        let metrics = vec![("tenant-1".to_owned(), text.to_owned())];
        let found = running::statistics(&Situation { metrics, ..situation(&[]) });
        found.into_iter().map(|one| one.severity).collect()
    };
    assert_eq!(found("tenant_statistics_begun_anew_total 0\n"), []);
    assert_eq!(found("tenant_statistics_begun_anew_total 2\n"), [Severity::Notice]);
    let both = "tenant_statistics_faults_total 1\ntenant_statistics_writes_failed_total 3\n";
    assert_eq!(found(both), [Severity::Warning, Severity::Notice]);
}

#[test]
fn a_carrier_that_is_away_and_contested_calls_are_found() {
    let found = |text: &str| -> Vec<(Severity, String)> {
        let metrics = vec![("sip-proxy-1".to_owned(), text.to_owned())];
        let found = configuration::trunks(&Situation { metrics, ..situation(&[]) });
        found.into_iter().map(|one| (one.severity, one.what)).collect()
    };
    let away = found("# TYPE sip_proxy_carriers_down gauge\nsip_proxy_carriers_down 2\n");
    assert!(away.len() == 1 && away[0].0 == Severity::Warning && away[0].1.contains("(2 in all"), "{away:?}");
    let contested = found("# TYPE sip_proxy_calls_contested counter\nsip_proxy_calls_contested_total 1\n");
    assert!(contested.len() == 1 && contested[0].1.contains("several tenants"), "{contested:?}");
    assert_eq!(found("sip_proxy_carriers_down 0\n"), []);
}

#[test]
fn a_certificate_name_of_two_tenants_and_one_that_nobody_is_asked_for_are_found() {
    let tenant = |id: &str, name: &str| {
        let mut objects = TenantObjects::new(record());
        let trunk = json!({ "name": "carrier", "allow": ["192.0.2.9"], "certificate_names": [name] });
        objects.trunks.push(serde_json::from_value(trunk).unwrap());
        let tenant = TenantId::parse(id).unwrap();
        TenantSituation { tenant, objects, snapshot: None, quarantine: Vec::new(), carriers: None }
    };
    let found = |second: &str| -> Vec<String> {
        let tenants = Ok(vec![tenant("acme", "sbc.example"), tenant("zenith", second)]);
        let found = configuration::trunks(&Situation { tenants, ..situation(&[]) });
        found.into_iter().map(|one| format!("{}: {}", one.place, one.what)).collect()
    };
    let unasked = |one: &String| one.contains("nobody who connects is asked");
    let shared = found("SBC.example");
    assert_eq!(shared.iter().filter(|one| unasked(one)).count(), 2, "{shared:?}");
    assert!(shared.iter().any(|one| one.starts_with("certificate name sbc.example: ")), "{shared:?}");
    let apart = found("other.example");
    assert!(apart.iter().all(unasked), "the same address does not matter: {apart:?}");
}

#[test]
fn a_carrier_of_a_family_in_which_nobody_listens_is_found() {
    let found = |contact: &str, listen: &str| {
        let mut objects = TenantObjects::new(record());
        let trunk = json!({ "name": "carrier", "allow": ["192.0.2.9"], "contact": contact, "prefix": "+" });
        objects.trunks.push(serde_json::from_value(trunk).unwrap());
        let tenant = TenantId::parse("acme").unwrap();
        let one = TenantSituation { tenant, objects, snapshot: None, quarantine: Vec::new(), carriers: None };
        let listens = situation(&[&format!("sip-proxy.sip_udp_listen={listen}")]);
        let found = configuration::trunks(&Situation { tenants: Ok(vec![one]), ..listens });
        found.into_iter().any(|one| one.what.contains("does not listen in"))
    };
    let (one, both) = ("127.0.0.1:5060", "127.0.0.1:5060,[::1]:5060");
    assert!(found("[2001:db8::20]:5060", one));
    assert!(!found("[2001:db8::20]:5060", both));
    assert!(!found("192.0.2.9:5060", one) && !found("sip.example", one));
}

#[test]
fn a_tenant_whose_calls_go_out_is_told_of_the_rules_that_it_lacks() {
    let found = |contact: Option<&str>, actions: &[serde_json::Value]| -> Vec<String> {
        let mut objects = TenantObjects::new(record());
        let trunk =
            json!({ "name": "carrier", "allow": ["192.0.2.9"], "contact": contact, "prefix": contact.map(|_| "+") });
        objects.trunks.push(serde_json::from_value(trunk).unwrap());
        for action in actions {
            let mut rule = json!({ "name": action["action"], "place": 0, "pattern": "11[02]" });
            rule.as_object_mut().unwrap().extend(action.as_object().unwrap().clone());
            objects.dial_rules.push(serde_json::from_value(rule).unwrap());
        }
        let tenant = TenantId::parse("acme").unwrap();
        let one = TenantSituation { tenant, objects, snapshot: None, quarantine: Vec::new(), carriers: None };
        let found = configuration::trunks(&Situation { tenants: Ok(vec![one]), ..situation(&[]) });
        found.into_iter().map(|one| one.remedy).collect()
    };
    let emergency = json!({ "action": "emergency", "trunk": null });
    let limit = json!({ "action": "limit", "per": "tenant", "calls": 100, "minutes": null });
    let contact = Some("192.0.2.9:5060");
    let remedies = found(contact, &[]);
    assert_eq!(remedies.len(), 2, "{remedies:?}");
    let remedies = found(contact, std::slice::from_ref(&limit));
    assert!(remedies.len() == 1 && remedies[0].contains("action: emergency"), "{remedies:?}");
    assert_eq!(found(contact, &[emergency, limit]), Vec::<String>::new());
    assert_eq!(found(None, &[]), Vec::<String>::new(), "nobody calls out");
}

#[test]
fn a_network_that_trunks_of_two_tenants_name_is_found_however_it_is_written() {
    let site = |first: &str, second: &str| {
        let tenant = |id: &str, allow: &str| {
            let mut objects = TenantObjects::new(record());
            let trunk = json!({ "name": "carrier", "allow": [allow], "contact": null, "prefix": null });
            objects.trunks.push(serde_json::from_value(trunk).unwrap());
            TenantSituation {
                tenant: TenantId::parse(id).unwrap(),
                objects,
                snapshot: None,
                quarantine: Vec::new(),
                carriers: None,
            }
        };
        Situation { tenants: Ok(vec![tenant("acme", first), tenant("zenith", second)]), ..situation(&[]) }
    };
    let found = |first, second| -> Vec<String> {
        let found = configuration::trunks(&site(first, second));
        found.into_iter().map(|one| format!("{}: {}", one.place, one.what)).collect()
    };
    for (first, second) in
        [("192.0.2.9", "192.0.2.9/32"), ("192.0.2.0/24", "192.0.2.77/24"), ("2001:db8::/32", "2001:db8:1::/32")]
    {
        let found = found(first, second);
        let [one] = found.as_slice() else { panic!("{first} and {second}: {found:?}") };
        assert!(one.contains("carrier of tenant acme") && one.contains("carrier of tenant zenith"), "{one}");
    }
    // sip-proxy knows whose calls these are; the tenant with the wider network may not.
    for (first, second) in [("192.0.2.0/24", "192.0.2.9"), ("192.0.2.9", "192.0.2.0/24")] {
        let found = found(first, second);
        let [one] = found.as_slice() else { panic!("{first} and {second}: {found:?}") };
        assert!(one.starts_with("network 192.0.2.9/32: it lies in 192.0.2.0/24 of another tenant"), "{one}");
    }
    assert_eq!(found("192.0.2.9", "192.0.3.0/24"), Vec::<String>::new());
}

#[test]
fn phones_whose_passwords_are_soon_guessed_are_found() {
    let found = |password: &str| -> Vec<String> {
        let mut objects = TenantObjects::new(record());
        let phone = json!({ "number": "7101", "type": "extension", "password": password, "no_answer_s": null });
        objects.dns.push(serde_json::from_value(phone).unwrap());
        let tenant = TenantId::parse("acme").unwrap();
        let one = TenantSituation { tenant, objects, snapshot: None, quarantine: Vec::new(), carriers: None };
        let found = configuration::tenants(&Situation { tenants: Ok(vec![one]), ..situation(&[]) });
        found.into_iter().map(|one| one.what).collect()
    };
    let what = "passwords of phones have fewer than 8 characters, and are soon guessed: 7101";
    assert_eq!(found("abc"), [what]);
    assert_eq!(found("abcdefgh"), Vec::<String>::new());
}

#[test]
fn a_registration_says_what_is_under_way_and_why_the_carrier_was_not_reached() {
    let found = |changes: serde_json::Value| -> Vec<(Severity, String)> {
        let mut row = json!({
            "trunk": "main", "registrar": "203.0.113.9:5061;transport=tls", "user": "we", "state": "unreachable",
            "last_at_ms": NOW.as_millis() - 1_000,
        });
        row.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let mut objects = TenantObjects::new(record());
        let trunk = json!({ "name": "main", "allow": [], "contact": "203.0.113.9:5061;transport=tls", "user": "we", "register": true });
        objects.trunks.push(serde_json::from_value(trunk).unwrap());
        let carriers = Some(vec![serde_json::from_value(row).unwrap()]);
        let tenant = TenantId::parse("acme").unwrap();
        let one = TenantSituation { tenant, objects, snapshot: None, quarantine: Vec::new(), carriers };
        let found = running::carriers(&Situation { tenants: Ok(vec![one]), ..situation(&[]) });
        found.into_iter().map(|found| (found.severity, found.what)).collect()
    };
    let waiting = found(json!({ "next_try_ms": NOW.as_millis() + 3_000, "problem": "nobody vouches for it" }));
    let text = "it is not registered with its carrier: the last REGISTER had no answer (nobody vouches for it); \
                the next REGISTER is sent in 3 s";
    assert_eq!(waiting, [(Severity::Error, text.to_owned())]);
    let asked = found(json!({ "asked_since_ms": NOW.as_millis() - 9_000 }));
    let words = "a REGISTER to 203.0.113.9:5061;transport=tls is under way since 9 s";
    assert!(asked[0].1.ends_with(words), "{asked:?}");
}
