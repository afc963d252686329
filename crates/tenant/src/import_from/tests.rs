//! Configurations of other programs, and what becomes of them.

use contracts::provisioning::{DnKind, Encryption, TenantObjects};

use super::*;
use crate::file;

fn names() -> TenantNames {
    TenantNames { id: "town".into(), name: "Town".into(), realm: None }
}

fn source(name: &str, text: &str) -> SourceFile {
    SourceFile { name: name.into(), text: text.into() }
}

fn of_freeswitch() -> Conversion {
    let callcenter = source("callcenter.conf.xml", include_str!("fixtures/callcenter.conf.xml"));
    let directory = source("directory.xml", include_str!("fixtures/directory.xml"));
    freeswitch_callcenter(&names(), &callcenter, &[directory]).expect("the fixture")
}

fn of_asterisk() -> Conversion {
    let queues = source("queues.conf", include_str!("fixtures/queues.conf"));
    asterisk(&names(), &queues, &source("pjsip.conf", include_str!("fixtures/pjsip.conf"))).expect("the fixture")
}

/// What stands in a written file is what was converted.
fn reads_back(objects: &TenantObjects) {
    let written = file::write(objects);
    let document = |path: &std::path::Path| {
        let found = written.documents.iter().find(|(known, _)| known == path);
        found.map(|(_, text)| text.clone()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    assert_eq!(file::read(&written.yaml, document).as_ref(), Ok(objects));
}

fn told(conversion: &Conversion) -> Vec<String> {
    let line = |one: &Remark| format!("{}:{} {}={}", one.file, one.line, one.key, one.value);
    conversion.remarks.list().iter().map(line).collect()
}

fn level(objects: &TenantObjects, user: &str, skill: &str) -> u16 {
    let person = objects.people.iter().find(|person| person.user_name == user).expect("the person");
    let levels = &person.agent.as_ref().expect("an agent").skills;
    levels.iter().find(|level| level.skill == skill).map_or(0, |level| level.level)
}

#[test]
fn queues_agents_and_tiers_of_freeswitch_become_a_tenant_that_reads_back() {
    let conversion = of_freeswitch();
    assert_eq!(conversion.faults, []);
    let objects = &conversion.objects;
    reads_back(objects);
    assert_eq!(objects.tenant.realm, "mail-order.example");
    let skills: Vec<_> = objects.skills.iter().map(|skill| skill.name.as_str()).collect();
    assert_eq!(skills, ["orders", "returns_and_refunds"]);
    assert_eq!(level(objects, "2001", "orders"), 10);
    assert_eq!(level(objects, "2002", "orders"), 9);
    assert_eq!(level(objects, "2002", "returns_and_refunds"), 10);
    let nora = &objects.people[0];
    assert_eq!((nora.first_name.as_str(), nora.last_name.as_str()), ("Nora", "van Dijk"));
    let agent = nora.agent.as_ref().expect("an agent");
    assert_eq!((agent.default_place.as_deref(), agent.wrap_up_s), (Some("P2001"), Some(20)));
    let home = objects.people.iter().find(|person| person.user_name == "home").expect("the agent at home");
    assert_eq!(home.agent.as_ref().expect("an agent").default_place, None);
    let DnKind::Extension { password, no_answer_s, .. } = &objects.dns[0].kind else { panic!("no phone") };
    assert_eq!((password.reveal(), *no_answer_s), ("Tulip&Rose-41", Some(12)));
    let DnKind::Extension { password, .. } = &objects.dns[1].kind else { panic!("no phone") };
    assert_eq!(password.reveal(), file::GENERATED);
    assert!(objects.applications[0].document.contains("timeout=\"600\""));
    assert!(objects.applications[1].document.contains("queue=\"&quot;returns-and-refunds&quot;\">"));
}

#[test]
fn what_freeswitch_says_and_a_tenant_cannot_is_told_with_its_line() {
    let told = told(&of_freeswitch());
    for expected in [
        "callcenter.conf.xml:3 dbname=/dev/shm/callcenter.db",
        "callcenter.conf.xml:9 moh-sound=local_stream://moh",
        "callcenter.conf.xml:13 tier-rules-apply=true",
        "callcenter.conf.xml:14 tier-rule-wait-second=60",
        "callcenter.conf.xml:19 strategy=round-robin",
        "callcenter.conf.xml:26 status=Available",
        "callcenter.conf.xml:30 contact=sofia/gateway/carrier/15550123",
        "callcenter.conf.xml:35 position=2",
        "callcenter.conf.xml:36 agent=2009@mail-order.example",
        "directory.xml:9 vm-password=(a secret)",
        "directory.xml:14 toll_allow=domestic",
        "directory.xml:19 password=$${default_password}",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected} in {told:#?}");
    }
    assert!(!told.iter().any(|line| line.contains("Tulip") || line.contains("discard-abandoned-after")), "{told:#?}");
}

#[test]
fn an_include_is_refused_with_its_line() {
    let text =
        "<configuration name=\"callcenter.conf\">\n<X-PRE-PROCESS cmd=\"include\" data=\"q/*.xml\"/>\n</configuration>";
    let refused = freeswitch_callcenter(&names(), &source("c.xml", text), &[]).unwrap_err();
    assert!(refused.to_string().starts_with("c.xml:2: X-PRE-PROCESS include is not followed"), "{refused}");
    for (text, line) in [("<configuration>", 1), ("<a/>", 1), ("<a>\n</b>", 2), ("<!DOCTYPE a>\n<a/>", 1)] {
        let refused = freeswitch_callcenter(&names(), &source("c.xml", text), &[]).unwrap_err();
        assert_eq!((refused.file.as_str(), refused.line), ("c.xml", line), "{refused}");
    }
}

#[test]
fn queues_and_endpoints_of_asterisk_become_a_tenant_that_reads_back() {
    let conversion = of_asterisk();
    assert_eq!(conversion.faults, []);
    let objects = &conversion.objects;
    reads_back(objects);
    assert_eq!((objects.tenant.realm.as_str(), objects.tenant.no_answer_s), ("town.invalid", 18));
    assert_eq!((level(objects, "311", "permits"), level(objects, "312", "permits")), (10, 8));
    assert_eq!((level(objects, "311", "waste_collection"), level(objects, "312", "waste_collection")), (0, 10));
    let DnKind::Extension { password, encryption, call_waiting, .. } = &objects.dns[0].kind else { panic!("no phone") };
    assert_eq!((password.reveal(), *encryption, *call_waiting), ("hyacinth;field", Encryption::Required, true));
    let DnKind::Extension { encryption, call_waiting, .. } = &objects.dns[1].kind else { panic!("no phone") };
    assert_eq!((*encryption, *call_waiting), (Encryption::Dtls, false));
    let users: Vec<_> = objects.people.iter().map(|one| (one.user_name.as_str(), one.last_name.as_str())).collect();
    assert_eq!(users, [("311", "Sund"), ("312", "Berg"), ("319", "Lind")]);
    let point = |dn: &contracts::provisioning::Dn| match dn.kind {
        DnKind::RoutePoint { service_level_s, wrap_up_s, .. } => Some((dn.number.clone(), service_level_s, wrap_up_s)),
        _ => None,
    };
    let points: Vec<_> = objects.dns.iter().filter_map(point).collect();
    assert_eq!(points, [("9000".to_owned(), 40, Some(10)), ("9001".to_owned(), 40, Some(10))]);
    let [trunk] = objects.trunks.as_slice() else { panic!("{:?}", objects.trunks) };
    assert_eq!((trunk.contact.as_deref(), trunk.user.as_deref()), (Some("sip.carrier.example:5060"), Some("line-77")));
    assert!(trunk.register && trunk.allow == ["203.0.113.0/28"], "{trunk:?}");
}

#[test]
fn what_asterisk_says_and_a_tenant_cannot_is_told_once_with_its_line() {
    let conversion = of_asterisk();
    let told = told(&conversion);
    for expected in [
        "queues.conf:3 persistentmembers=yes",
        "queues.conf:9 joinempty=yes",
        "queues.conf:14 musicclass=town-hall",
        "queues.conf:15 announce-frequency=45",
        "queues.conf:17 penalty=2",
        "queues.conf:18 member=Local/313@agents",
        "queues.conf:21 strategy=ringall",
        "queues.conf:22 weight=3",
        "queues.conf:24 member=PJSIP/319,0,\"Tove Lind\"",
        "pjsip.conf:4 protocol=udp",
        "pjsip.conf:9 context=internal",
        "pjsip.conf:20 max_contacts=2",
        "pjsip.conf:35 callerid=Ola Berg <5550312>",
        "pjsip.conf:39 username=ola",
        "pjsip.conf:64 match=sip.carrier.example",
    ] {
        assert_eq!(told.iter().filter(|line| *line == expected).count(), 1, "{expected} in {told:#?}");
    }
    let all = conversion.remarks.markdown() + &conversion.remarks.json().to_string();
    for secret in ["hyacinth", "snowdrop", "given-by-the-carrier"] {
        assert!(!all.contains(secret), "{all}");
    }
    assert!(all.contains("| queues.conf:3 | persistentmembers | yes | left out"), "{all}");
}
