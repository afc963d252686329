use contracts::provisioning::{DnKind, DtmfForm, Encryption, NoAnswerAction, Secret};

use super::*;

const GOOD: &str = include_str!("../../../../data/example-tenant.yaml");

fn read_with_documents(text: &str) -> Result<TenantObjects, Faults> {
    read(text, |path| {
        let known = path.extension().is_some_and(|e| e == "scxml");
        if known { Ok(format!("<!-- {} -->", path.display())) } else { Err(std::io::ErrorKind::NotFound.into()) }
    })
}

#[test]
fn the_example_has_no_fault_and_comes_back_from_its_export() {
    let objects = read_with_documents(GOOD).expect("the example");
    assert_eq!(objects.people.iter().filter(|p| p.agent.is_some()).count(), 51);
    let exported = write(&objects);
    let again = read(&exported.yaml, |path| {
        let found = exported.documents.iter().find(|(name, _)| name == path);
        found.map(|(_, text)| text.clone()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    });
    assert_eq!(again, Ok(objects));
}

#[test]
fn sealed_secrets_come_back_from_an_export_though_they_are_longer_than_those_in_clear() {
    let sealed = Secret::of_sealed(&"A".repeat(210));
    let text = GOOD
        .replacen("password: generated", &format!("password: \"{}\"", sealed.reveal()), 1)
        .replacen("pin: generated", &format!("pin: \"{}\"", sealed.reveal()), 1)
        .replacen("action: login}", "action: login, ask_pin: true}", 1);
    let objects = read_with_documents(&text).expect("a tenant");
    let pin = objects.people.iter().find_map(|person| person.agent.as_ref()?.pin.as_ref());
    assert_eq!(pin, Some(&sealed));
    let again = read_with_documents(&write(&objects).yaml).expect("what was exported");
    assert_eq!((&again.people, &again.dns), (&objects.people, &objects.dns));
    let faults = read_with_documents(&text.replace("sealed:v1:", "")).expect_err("too long in clear").0;
    assert_eq!(faults.iter().filter(|fault| fault.rule.to_string().contains("128 bytes")).count(), 2, "{faults:?}");
}

#[test]
fn the_file_of_the_guide_to_carriers_has_no_fault() {
    const GUIDE: &str = include_str!("../../../../docs/connect-a-carrier.md");
    let from_tenant = GUIDE.lines().skip_while(|line| *line != "    tenant: acme");
    let block = from_tenant.take_while(|line| line.is_empty() || line.starts_with("    "));
    let lines: Vec<&str> = block.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    let objects = read_with_documents(&lines.join("\n")).expect("a tenant");
    assert_eq!((objects.trunks.len(), objects.dns.len()), (1, 1));
}

#[test]
fn what_holds_for_agents_comes_back_from_an_export() {
    let text = GOOD
        .replace("no_answer_action: not_ready", "no_answer_action: logout")
        .replace("legal_guard_s: 0", "legal_guard_s: 5")
        .replace("auto_logout_min: 0", "auto_logout_min: 30")
        .replace("timed_acw_in_idle: true", "timed_acw_in_idle: false")
        .replacen("short_abandon_s: 5}", "short_abandon_s: 5, wrap_up_s: 12}", 1)
        .replacen("wrap_up_s: 1, skills", "wrap_up_s: 1, legal_guard_s: 2, no_answer_action: none, skills", 1);
    let objects = read_with_documents(&text).expect("a tenant");
    assert_eq!((objects.tenant.agents.legal_guard_s, objects.tenant.agents.auto_logout_min), (5, 30));
    assert!(!objects.tenant.agents.timed_acw_in_idle && objects.tenant.agents.acw_in_idle_force_ready);
    let agent = objects.people[0].agent.as_ref().expect("an agent");
    assert_eq!(agent.legal_guard_s.zip(agent.no_answer_action), Some((2, NoAnswerAction::None)));
    let again = read_with_documents(&write(&objects).yaml).expect("what was exported");
    let what = |objects: &TenantObjects| (objects.tenant.clone(), objects.dns.clone(), objects.people.clone());
    assert_eq!(what(&again), what(&objects));
    let wrong = text.replace("no_answer_action: logout", "no_answer_action: sleep");
    let faults = read_with_documents(&wrong).expect_err("a fault").0;
    assert_eq!(faults[0].key, "agents.no_answer_action");
}

#[test]
fn encryption_of_phones_and_trunks_comes_back_from_an_export() {
    let text = |word: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x.invalid\nhold_music: music\nphones:\n  - {{number: \"7101\", password: y, encryption: {word}}}\n\
             trunks:\n  - {{name: t, allow: [192.0.2.0/24], encryption: {word}}}\nprompts:\n  music: music.wav\n"
        )
    };
    for encryption in [Encryption::Off, Encryption::Offered, Encryption::Required] {
        let objects = read_with_documents(&text(encryption.as_str())).expect("a tenant");
        let DnKind::Extension { encryption: of_phone, .. } = objects.dns[0].kind else { panic!("a phone") };
        assert_eq!((of_phone, objects.trunks[0].encryption), (encryption, encryption));
        let again = read_with_documents(&write(&objects).yaml).expect("what was exported");
        assert_eq!((&again.dns, &again.trunks), (&objects.dns, &objects.trunks));
    }
    let faults = read_with_documents(&text("sometimes")).expect_err("faults").0;
    let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["phones[0].encryption", "trunks[0].encryption"]);
}

#[test]
fn codecs_of_a_trunk_come_back_from_an_export_in_their_order_and_are_at_least_one_known_one() {
    let text = |codecs: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x.invalid\nhold_music: music\nprompts:\n  music: music.wav\n\
             trunks:\n  - {{name: t, allow: []{codecs}}}\n"
        )
    };
    for (codecs, read) in [("", vec![]), (", codecs: [opus, PCMA]", vec!["opus", "PCMA"])] {
        let objects = read_with_documents(&text(codecs)).expect("a tenant");
        assert_eq!(objects.trunks[0].codecs, read);
        assert_eq!(objects.tenant.codecs.len(), 4, "those of the tenant are its own");
        assert_eq!(read_with_documents(&write(&objects).yaml), Ok(objects));
    }
    let wrong = [
        ("[]", "trunks[0].codecs", "it is empty: leave the key out, or name at least one"),
        ("[G729]", "trunks[0].codecs[0]", "it must be one of PCMU, PCMA, G722, opus"),
        ("[PCMA, PCMA]", "trunks[0].codecs[1]", "PCMA stands there twice"),
        ("PCMA", "trunks[0].codecs", "a list is needed, this is text"),
    ];
    for (codecs, key, reason) in wrong {
        let faults = read_with_documents(&text(&format!(", codecs: {codecs}"))).expect_err(codecs).0;
        assert_eq!((faults[0].key.as_str(), faults[0].rule.words.as_str()), (key, reason));
    }
}

#[test]
fn how_keys_go_to_a_carrier_comes_back_from_an_export() {
    let text = |dtmf: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x.invalid\nhold_music: music\nprompts:\n  music: music.wav\n\
             trunks:\n  - {{name: t, allow: []{dtmf}}}\n"
        )
    };
    let ways =
        [DtmfForm::Events, DtmfForm::Info, DtmfForm::Tones].map(|form| (format!(", dtmf: {}", form.as_str()), form));
    assert_eq!(read_with_documents(&text("")).expect("a tenant").trunks[0].dtmf, None);
    for (key, form) in ways {
        let objects = read_with_documents(&text(&key)).expect("a tenant");
        assert_eq!(objects.trunks[0].dtmf, Some(form));
        assert_eq!(read_with_documents(&write(&objects).yaml), Ok(objects));
    }
    let faults = read_with_documents(&text(", dtmf: smoke")).expect_err("faults").0;
    assert_eq!(faults[0].key, "trunks[0].dtmf");
    assert_eq!(faults[0].rule.words, "it must be one of events, info, tones");
}

#[test]
fn the_session_interval_of_a_trunk_comes_back_from_an_export_and_is_one_of_rfc_4028() {
    let text = |seconds: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x.invalid\nhold_music: music\nprompts:\n  music: music.wav\n\
             trunks:\n  - {{name: t, allow: [], session_expires_s: {seconds}}}\n"
        )
    };
    let objects = read_with_documents(&text("600")).expect("a tenant");
    assert_eq!(objects.trunks[0].session_expires_s, Some(600));
    assert_eq!(read_with_documents(&write(&objects).yaml), Ok(objects));
    for (seconds, reason) in [("0", "0 is not from 90 to 86400"), ("89", "89 is not from 90 to 86400")] {
        let faults = read_with_documents(&text(seconds)).expect_err(seconds).0;
        assert_eq!((&*faults[0].key, &*faults[0].rule.words), ("trunks[0].session_expires_s", reason));
    }
}

#[test]
fn whether_a_trunk_is_reliable_comes_back_from_an_export() {
    for (keys, reliable) in [("", None), (", reliable: true", Some(true)), (", reliable: false", Some(false))] {
        let text = format!(
            "tenant: x\nname: x\nrealm: x.invalid\nhold_music: music\nprompts:\n  music: music.wav\n\
             trunks:\n  - {{name: t, allow: []{keys}}}\n"
        );
        let objects = read_with_documents(&text).expect("a tenant");
        assert_eq!(objects.trunks[0].reliable, reliable);
        assert_eq!(read_with_documents(&write(&objects).yaml), Ok(objects));
    }
}

#[test]
fn every_fault_is_reported_with_line_and_key() {
    let text = "\
tenant: Example!
name: Example
realm: example.invalid
hold_music: nothing
wrapup: 3
phones:
  - {number: 7101, password: secret}
  - {number: \"7102\"}
  - {number: \"7103\", password: x, no_answer_s: 0}
  - {number: \"7103\", password: y}
route_points:
  - {number: \"9000\", application: sales}
people:
  - user: ann
    first_name: Ann
    last_name: Adams
    agent:
      id: \"1\"
      place: P1
      skills: {Sales: 5}
trunks:
  - {name: carrier, allow: [anywhere]}
";
    let faults = read_with_documents(text).expect_err("faults").0;
    let found: Vec<(usize, &str)> = faults.iter().map(|fault| (fault.line, fault.key.as_str())).collect();
    let expected = [
        (1, "hold_music"),
        (1, "tenant"),
        (5, "wrapup"),
        (7, "phones[0].number"),
        (8, "phones[1].password"),
        (9, "phones[2].no_answer_s"),
        (10, "phones[3]"),
        (12, "9000.application"),
        (14, "people.ann.agent.place"),
        (14, "people.ann.agent.skills.Sales"),
        (22, "trunks.carrier.allow"),
    ];
    assert_eq!(found, expected, "{}", Faults(faults.clone()));
}

#[test]
fn a_pin_is_asked_for_at_login_and_is_one_that_a_phone_can_type() {
    let text = |action: &str, pin: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\nfeature_codes:\n  \
             - {{code: \"*50\", action: {action}, ask_pin: true}}\npeople:\n  - user: ann\n    first_name: A\n    \
             last_name: B\n    agent: {{id: \"1\", pin: \"{pin}\"}}\n"
        )
    };
    let read = read_with_documents(&text("login", "4711")).expect("a tenant");
    assert!(read.feature_codes[0].ask_pin);
    let keys = |text: String| -> Vec<String> {
        read_with_documents(&text).expect_err("a fault").0.into_iter().map(|fault| fault.key).collect()
    };
    assert_eq!(keys(text("ready", "4711")), ["feature_codes.*50.ask_pin"]);
    assert_eq!(keys(text("login", "47a1")), ["people.ann.agent.pin"]);
    assert_eq!(keys(text("login", "12345678901234567")), ["people.ann.agent.pin"]);
}

#[test]
fn defaults_that_lead_in_a_circle_are_told_once_with_the_way() {
    let text = "\
tenant: example
name: Example
realm: example.invalid
hold_music: music
wrapup_s: 3
prompts: {music: music.wav}
phones: [{number: \"7101\", password: x}]
route_points:
  - {number: \"9000\", default_dn: \"9001\"}
  - {number: \"9001\", default_dn: \"9002\"}
  - {number: \"9002\", default_dn: \"9001\"}
  - {number: \"9003\", default_dn: \"9003\"}
  - {number: \"9004\", default_dn: \"7101\"}
";
    let faults = read_with_documents(text).expect_err("faults").to_string();
    for expected in [
        "line 10: 9001.default_dn: it leads in a circle: 9001 to 9002 to 9001",
        "line 12: 9003.default_dn: it leads in a circle: 9003 to 9003",
    ] {
        assert!(faults.contains(expected), "{expected} is not in\n{faults}");
    }
    assert_eq!(faults.matches("circle").count(), 2, "{faults}");
}

#[test]
fn what_is_no_yaml_says_where() {
    let faults = read_with_documents("tenant: x\nname: [unclosed\n").expect_err("a fault").0;
    assert_eq!(faults.len(), 1);
    assert!(faults[0].line >= 2, "{faults:?}");
    assert!(read_with_documents("").is_err());
}

#[test]
fn a_document_outside_the_folder_is_refused() {
    let text = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\napplications: {a: ../a.scxml}\n";
    let faults = read_with_documents(text).expect_err("a fault").0;
    assert_eq!(faults[0].key, "applications.a");
    assert_eq!(faults[0].line, 6);
}

#[test]
fn the_published_schema_is_that_of_the_declaration() {
    let published: serde_json::Value =
        serde_json::from_str(include_str!("../../../../data/tenant.schema.json")).expect("JSON");
    assert_eq!(published, json_schema());
}

#[test]
fn the_book_has_a_row_for_every_key_of_a_trunk() {
    let page = include_str!("../../../../docs/trunk-keys.md");
    let schema = json_schema();
    let keys = schema.pointer("/properties/trunks/items/properties").and_then(serde_json::Value::as_object);
    for key in keys.expect("the keys of a trunk").keys() {
        assert!(page.contains(&format!("\n| `{key}` | ")), "{key}");
    }
}

#[test]
fn a_name_that_stands_twice_is_a_fault_on_the_same_line_too() {
    let text = "\
tenant: x
name: x
realm: x
hold_music: m
skills: [Sales, sales]
queues: [waiting, waiting]
prompts: {m: m.wav}
phones:
  - {number: \"7101\", password: p}
places:
  - {name: P1, dns: [\"7101\", \"7101\"]}
feature_codes:
  - {code: \"7101\", action: ready}
";
    let faults = read_with_documents(text).expect_err("faults").0;
    let found: Vec<(usize, &str)> = faults.iter().map(|fault| (fault.line, fault.key.as_str())).collect();
    assert_eq!(
        found,
        [(5, "skills[1]"), (6, "queues[1]"), (11, "places.P1.dns"), (13, "feature_codes.7101")],
        "{}",
        Faults(faults.clone())
    );
}

#[test]
fn a_key_that_stands_twice_is_a_fault() {
    for twice in ["prompts: {m: m.wav, m: m.wav}\n", "prompts: {m: m.wav}\nname: y\n"] {
        let text = format!("tenant: x\nname: x\nrealm: x\nhold_music: m\n{twice}");
        assert!(read_with_documents(&text).is_err(), "{twice}");
    }
}

/// Reports a fault for every application and every prompt.
struct Severe;

impl Companions for Severe {
    fn document(&mut self, _: &Path) -> std::io::Result<String> {
        Ok("<scxml/>".to_owned())
    }

    fn application(&mut self, document: &str) -> Vec<String> {
        vec![format!("line 1, {document}: it has no state"), "line 2: another".to_owned()]
    }

    fn prompt(&mut self, tenant: &str, name: &str) -> Option<String> {
        Some(format!("there is no prompts/{tenant}/{name}.wav"))
    }
}

#[test]
fn applications_and_prompts_that_cannot_be_used_are_told_with_their_line_and_hinder_no_import() {
    let text = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts:\n  m: m.wav\napplications:\n  a: a.scxml\n";
    let examined = examine(text, &mut Severe);
    assert!(examined.faults.is_empty() && examined.objects.is_some());
    let said: Vec<String> = examined.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "line 6: prompts.m: there is no prompts/x/m.wav",
            "line 8: applications.a: a.scxml: line 1, <scxml/>: it has no state",
            "line 8: applications.a: a.scxml: line 2: another",
        ]
    );
}

/// Every application names two groups.
struct Naming;

impl Companions for Naming {
    fn document(&mut self, _: &Path) -> std::io::Result<String> {
        Ok("<scxml/>".to_owned())
    }

    fn named_groups(&mut self, _: &str) -> Vec<(u32, String)> {
        vec![(3, "Day team".to_owned()), (9, "Day Team".to_owned())]
    }
}

#[test]
fn a_group_that_an_application_names_and_nobody_has_made_is_told_and_hinders_no_import() {
    let text = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\napplications:\n  a: a.scxml\nagent_groups: [{name: Day team}]\n";
    let examined = examine(text, &mut Naming);
    assert!(examined.faults.is_empty() && examined.warnings.is_empty());
    let said: Vec<String> = examined.notices.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["line 7: applications.a: a.scxml: line 9: there is no group Day Team, so calls for it wait"]);
}

#[test]
fn a_password_of_a_phone_that_is_soon_guessed_is_told_and_hinders_no_import() {
    let text = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\nphones:\n  - {number: \"7101\", password: abc}\n  \
                - {number: \"7102\", password: abcdefgh}\n  - {number: \"7103\", password: generated}\n";
    let examined = examine(text, &mut Documents(|_: &Path| Ok(String::new())));
    assert!(examined.faults.is_empty() && examined.warnings.is_empty(), "{examined:?}");
    let said: Vec<String> = examined.notices.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["line 7: 7101.password: its password has fewer than 8 characters, and is soon guessed"]);
}

#[test]
fn a_trunk_has_a_user_with_a_password_or_neither() {
    for (keys, fault) in [
        ("user: acme", "trunks.T.password: a trunk with `user` needs it"),
        ("password: hush", "trunks.T.user: a trunk with `password` needs it"),
        ("user: acme, password: generated", "trunks.T.password: the carrier gives it: it cannot be generated"),
        ("register: true", "trunks.T.user: a trunk with `register` needs it"),
        ("register: true, user: acme", "trunks.T.password: a trunk with `user` needs it"),
        ("user: acme, password: \"\"", "trunks.T.password: it is empty"),
    ] {
        let text = format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\n\
             trunks: [{{name: T, allow: [], contact: \"192.0.2.1:5060\", prefix: \"+\", {keys}}}]\n"
        );
        let faults = read_with_documents(&text).expect_err("a fault").to_string();
        assert!(faults.contains(fault), "{keys}: {faults}");
    }
}

#[test]
fn who_calls_by_a_trunk_with_a_password_is_known_by_something_else_first() {
    let text = |keys: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\n\
             trunks:\n  - {{name: T, {keys}}}\n  - {{name: U, allow: [192.0.2.0/24], inbound_user: other, inbound_password: p}}\n"
        )
    };
    for (keys, fault) in [
        ("allow: [192.0.2.1], inbound_user: a", "trunks.T.inbound_password: a trunk with `inbound_user` needs it"),
        ("allow: [192.0.2.1], inbound_password: p", "trunks.T.inbound_user: a trunk with `inbound_password` needs it"),
        ("allow: [192.0.2.1], inbound_user: a, inbound_password: \"\"", "trunks.T.inbound_password: it is empty"),
        ("allow: [], inbound_user: a, inbound_password: p", "trunks.T.allow: a trunk with `inbound_user` needs it"),
        ("allow: [192.0.2.1], inbound_user: other, inbound_password: p", "trunks.U.inbound_user: the trunk T has it"),
    ] {
        let faults = read_with_documents(&text(keys)).expect_err("a fault").to_string();
        assert!(faults.contains(fault), "{keys}: {faults}");
    }
    for known in ["allow: [192.0.2.1]", "allow: [], certificate_names: [sbc.example]"] {
        let read = read_with_documents(&text(&format!("{known}, inbound_user: a, inbound_password: \"p \\\"q\\\"\"")))
            .expect("a tenant");
        let password = read.trunks[0].inbound_password.as_ref().map(contracts::provisioning::Secret::reveal);
        assert_eq!((read.trunks[0].inbound_user.as_deref(), password), (Some("a"), Some("p \"q\"")));
        assert_eq!(read_with_documents(&write(&read).yaml), Ok(read));
    }
    // The password is ours to give, and so ours to make.
    let mut entropy = model::entropy::Seeded::new(7);
    let made = text("allow: [192.0.2.1], inbound_user: a, inbound_password: generated");
    let mut first = read_with_documents(&made).expect("a tenant");
    fill(&mut first, None, &mut entropy).unwrap();
    assert!(first.trunks[0].inbound_password.as_ref().is_some_and(|made| made.reveal().len() == 16), "it is made");
    let mut again = read_with_documents(&made).expect("a tenant");
    fill(&mut again, Some(&first), &mut entropy).unwrap();
    assert_eq!(again, first, "and kept");
}

#[test]
fn everybody_is_no_carrier_unless_something_else_is_asked_for() {
    let text = |keys: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\n\
             trunks:\n  - {{name: T, {keys}}}\n"
        )
    };
    for everybody in ["0.0.0.0/0", "\"::/0\"", "\"::ffff:0.0.0.0/96\""] {
        let faults = read_with_documents(&text(&format!("allow: [{everybody}]"))).expect_err("a fault").to_string();
        assert!(faults.contains("trunks.T.allow: ") && faults.contains("is everybody"), "{faults}");
        for more in ["inbound_user: a, inbound_password: p", "certificate_names: [sbc.example]"] {
            read_with_documents(&text(&format!("allow: [{everybody}], {more}"))).expect("a tenant");
        }
    }
    let notices = |allow: &str| {
        examine(&text(&format!("allow: [{allow}]")), &mut Documents(|_: &Path| Ok(String::new()))).notices
    };
    for (allow, is_wide) in
        [("10.0.0.0/8", false), ("10.0.0.0/7", true), ("\"2001::/16\"", false), ("\"2000::/3\"", true)]
    {
        let found = notices(allow).iter().any(|notice| notice.rule.words.contains("wider than any carrier's network"));
        assert_eq!(found, is_wide, "{allow}");
    }
}

#[test]
fn a_trunk_that_registers_says_where() {
    let text = |contact: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\n\
             trunks: [{{name: T, allow: [], {contact}user: acme, password: hush, register: true}}]\n"
        )
    };
    let faults = read_with_documents(&text("")).expect_err("a fault").to_string();
    assert!(faults.contains("trunks.T.contact: a trunk with `register` needs it"), "{faults}");
    let read = read_with_documents(&text("contact: \"192.0.2.1:5060\", ")).expect("a tenant");
    assert_eq!(read.trunks[0].registers(), Some(("192.0.2.1:5060", "acme")));
    assert_eq!(read_with_documents(&write(&read).yaml), Ok(read));
}

#[test]
fn names_in_certificates_are_host_names_and_are_written_as_they_were_read() {
    let text = |names: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\n\
             trunks:\n  - {{name: T, allow: [], certificate_names: {names}}}\n"
        )
    };
    let read = read_with_documents(&text("[sbc.carrier.example, SBC2.carrier.example]")).expect("a tenant");
    assert_eq!(read.trunks[0].certificate_names, ["sbc.carrier.example", "SBC2.carrier.example"]);
    assert_eq!(read_with_documents(&write(&read).yaml), Ok(read));
    for wrong in ["*.carrier.example", "192.0.2.1", "sip:carrier.example", "carrier..example"] {
        let faults = read_with_documents(&text(&format!("[\"{wrong}\"]"))).expect_err(wrong).0;
        assert_eq!(faults.iter().map(|fault| &*fault.key).collect::<Vec<_>>(), ["trunks.T.certificate_names"]);
    }
    let many = (0..40).map(|at| format!("a{at}.example")).collect::<Vec<_>>().join(", ");
    assert!(read_with_documents(&text(&format!("[{many}]"))).is_err());
}

#[test]
fn keys_that_nobody_reads_are_told_and_hinder_no_import() {
    let text = "\
tenant: x
name: x
realm: x
hold_music: m
prompts: {m: m.wav}
trunks:
  - {name: Plain, allow: [192.0.2.0/24]}
  - {name: Out, allow: [192.0.2.0/24], contact: \"sbc..example\", prefix: \"9\"}
  - name: More
    allow: []
    prefix: \"0\"
";
    let examined = examine(text, &mut Documents(|_: &Path| Err(std::io::ErrorKind::NotFound.into())));
    assert!(examined.faults.is_empty() && examined.warnings.is_empty(), "{examined:?}");
    let said: Vec<String> = examined.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "line 8: trunks.Out.contact: it has no effect: it must be a name or an address, as sip.carrier.example or \
             203.0.113.9:5060, with ;transport=udp, tcp or tls where one is wanted",
            "line 9: trunks.More.prefix: it has no effect: calls go out only if `contact` says where to",
        ]
    );
    let trunks = read_with_documents(text).expect("a tenant").trunks;
    assert_eq!(trunks[1].contact.as_deref(), Some("sbc..example"), "and kept");
}

#[test]
fn numbers_that_cannot_be_in_full_are_told_and_a_contact_with_a_scheme_is_refused() {
    let text = |contact: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\ncountry_prefix: \"49\"\nnational_prefix: \"0\"\n\
             trunks:\n  - {{name: T, allow: [], contact: \"{contact}\", prefix: \"0\", caller_id: \"030123450\"}}\n"
        )
    };
    let examined = examine(
        &text("192.0.2.1:5061;transport=TLS"),
        &mut Documents(|_: &Path| Err(std::io::ErrorKind::NotFound.into())),
    );
    assert!(examined.faults.is_empty(), "{examined:?}");
    let keys: Vec<&str> = examined.notices.iter().map(|notice| &*notice.key).collect();
    assert_eq!(keys, ["country_prefix", "trunks.T.caller_id", "trunks.T.prefix"]);
    let faults = read_with_documents(&text("sips:sbc.example")).expect_err("a fault").to_string();
    assert!(
        faults.contains("trunks.T.contact: it is written without `sips:`, as \"sbc.example;transport=tls\""),
        "{faults}"
    );
}

#[test]
fn secrets_that_are_left_to_us_are_made_once_and_kept() {
    let mut entropy = model::entropy::Seeded::new(7);
    let mut first = read_with_documents(GOOD).expect("the example");
    fill(&mut first, None, &mut entropy).unwrap();
    let secrets = |objects: &TenantObjects| -> Vec<String> {
        let passwords = objects.dns.iter().filter_map(|dn| match &dn.kind {
            contracts::provisioning::DnKind::Extension { password, .. } => Some(password.reveal().to_owned()),
            _ => None,
        });
        let pins =
            objects.people.iter().filter_map(|person| Some(person.agent.as_ref()?.pin.as_ref()?.reveal().to_owned()));
        passwords.chain(pins).collect()
    };
    let made = secrets(&first);
    let apart: std::collections::HashSet<&String> = made.iter().filter(|secret| secret.len() > 6).collect();
    assert!(apart.len() >= 40 && made.iter().all(|secret| secret != GENERATED), "{made:?}");
    let mut again = read_with_documents(GOOD).expect("the example");
    fill(&mut again, Some(&first), &mut entropy).unwrap();
    assert_eq!(again, first);
    let mut elsewhere = read_with_documents(GOOD).expect("the example");
    fill(&mut elsewhere, None, &mut entropy).unwrap();
    assert!(secrets(&elsewhere).iter().zip(&made).all(|(theirs, ours)| theirs != ours));
}

#[test]
fn rules_about_headers_are_read_written_and_checked() {
    let text = |rules: &str| {
        format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\ntrunks:\n  - name: carrier\n    allow: []\n    \
             contact: \"203.0.113.9:5060\"\n    prefix: \"+\"\n    headers:\n{rules}"
        )
    };
    let good = "      - {on: sent, action: set, header: X-Caller, value: \"<sip:{caller}@b>\"}\n      \
                - {on: sent, action: remove, header: user-agent}\n      \
                - {on: received, action: rewrite, header: P-Called-Party-ID, pattern: '^tel:(\\d+)', replace: \"$1\"}\n";
    let read = read_with_documents(&text(good)).expect("a tenant");
    assert_eq!(read.trunks[0].headers.len(), 3);
    assert_eq!(read.trunks[0].headers[2].pattern.as_deref(), Some("^tel:(\\d+)"));
    let again = read_with_documents(&write(&read).yaml).expect("what was exported");
    assert_eq!(again.trunks, read.trunks);
    let bad = "      - {on: sent, action: set, header: v, value: \"1\"}\n      \
               - {on: received, action: remove, header: X-1, pattern: \"(\"}\n      \
               - {on: sent, action: add, header: X-1, value: \"{who}\"}\n";
    let faults = Faults(read_with_documents(&text(bad)).expect_err("faults").0).to_string();
    for said in [
        "trunks.carrier.headers[0]: Via cannot be changed: it leads messages on their way",
        "trunks.carrier.headers[1]: `pattern`: unclosed group",
        "trunks.carrier.headers[2]: `value`: there is no variable {who}",
    ] {
        assert!(faults.contains(said), "{said} is not in\n{faults}");
    }
    let many = "      - {on: sent, action: remove, header: X-1}\n".repeat(33);
    assert!(read_with_documents(&text(&many)).is_err());
    let folded = "      - {on: sent, action: add, header: X-1, value: \"a\\r\\nVia: b\"}\n";
    assert!(read_with_documents(&text(folded)).is_err());
}

#[test]
fn names_of_a_file_are_such_as_new_objects_may_have() {
    let text = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\nskills: [Sales, \"Zoe\u{308}\"]\n";
    let faults = examine(text, &mut Documents(|_: &Path| Ok(String::new()))).faults;
    assert_eq!((faults.len(), faults[0].line, faults[0].key.as_str()), (1, 6, "skills.Zoe\u{308}"), "{faults:?}");
    assert!(faults[0].rule.words.contains("NFKC"), "{faults:?}");
    assert!(read(text, |_| Ok(String::new())).is_ok(), "a snapshot of an earlier release is read");
}

#[test]
fn a_hash_that_an_earlier_release_took_is_read_of_snapshots_and_of_no_file() {
    let hash = format!("$argon2id$v=19$m=262144,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA${}", "A".repeat(43));
    let text = format!(
        "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\npeople:\n  \
         - {{user: ann, first_name: Ann, last_name: Adams, password: \"{hash}\"}}\nclients:\n  \
         - {{id: app, name: App, secret: \"{hash}\", grants: [client_credentials]}}\n"
    );
    let faults = examine(&text, &mut Documents(|_: &Path| Ok(String::new()))).faults;
    let told: Vec<(usize, &str)> = faults.iter().map(|fault| (fault.line, fault.key.as_str())).collect();
    assert_eq!(told, [(7, "people.ann.password"), (9, "clients.app.secret")], "{faults:?}");
    assert!(read(&text, |_| Ok(String::new())).is_ok());
}

#[test]
fn no_key_of_a_file_has_the_character_0() {
    let text = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\napplications: {\"a\\0\": a.scxml}\n";
    let faults = read(text, |_| Ok(String::new())).expect_err("a fault").0;
    assert!(
        faults.iter().any(|fault| fault.key == "applications" && fault.rule.words.contains("character 0")),
        "{faults:?}"
    );
}

#[test]
fn the_key_that_signs_calls_is_read_written_and_checked() {
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::default().self_signed(&key).expect("a certificate").pem();
    let block = |text: &str| text.lines().map(|line| format!("          {line}\n")).collect::<String>();
    let text = |url: &str, key: &str, certificate: &str| {
        let (key, certificate) = (block(key), block(certificate));
        format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\ntrunks:\n  - name: carrier\n    allow: []\n    \
             contact: \"203.0.113.9:5060\"\n    prefix: \"+\"\n    stir:\n      sign:\n        certificate_url: {url}\n        \
             private_key: |\n{key}        certificate: |\n{certificate}"
        )
    };
    let good = "https://certificates.example/shaken.pem";
    let read = read_with_documents(&text(good, &key.serialize_pem(), &certificate)).expect("a tenant");
    let sign = read.trunks[0].stir.sign.as_ref().expect("a key");
    assert_eq!(
        sign.private_key.as_ref().map(|key| key.reveal().lines().count()),
        Some(key.serialize_pem().lines().count())
    );
    let again = read_with_documents(&write(&read).yaml).expect("what was exported");
    assert_eq!(again.trunks, read.trunks);
    let other = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    for (url, key, certificate, said) in [
        (
            "http://a/b",
            &*key.serialize_pem(),
            &*certificate,
            "certificate_url: the address of the certificate: it must begin",
        ),
        (good, "hush-hush", &certificate, "private_key: the private key is not PEM"),
        (good, &other, &certificate, "certificate: it is not the certificate of `private_key`"),
        (good, &other, "nothing", "certificate: there is no certificate in it"),
    ] {
        let faults = Faults(read_with_documents(&text(url, key, certificate)).expect_err("faults").0).to_string();
        assert!(faults.contains(&format!("trunks.carrier.stir.sign.{said}")), "{said} is not in\n{faults}");
        assert!(!faults.contains("hush"), "{faults}");
    }
}

const WHERE: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\n\
    location: {country: DE, city: Berlin, street: \"Hauptstraße\", house_number: \"7\", postal_code: \"10115\"}\n\
    phones:\n  - {number: \"7101\", password: p, location: {room: \"4.12\", latitude: \"52.520008\", longitude: \"-13.404954\"}}\n  \
    - {number: \"7102\", password: p}\n\
    places:\n  - {name: desk, dns: [\"7102\"], location: {country: DE, city: Berlin, street: \"Amtsweg\", floor: \"4\", name: \"Acme: \\\"North\\\"\"}}\n\
    trunks:\n  - {name: carrier, allow: [], contact: \"203.0.113.9:5060\", prefix: \"+\", location: true}\n";

#[test]
fn locations_are_read_and_written() {
    let read = read_with_documents(WHERE).expect("a tenant");
    let DnKind::Extension { location: Some(location), .. } = &read.dns[0].kind else {
        panic!("a phone with a location")
    };
    assert_eq!((location.room.as_deref(), location.point()), (Some("4.12"), Some(("52.520008", "-13.404954"))));
    assert_eq!(read.places[0].location.as_ref().and_then(|at| at.name.as_deref()), Some("Acme: \"North\""));
    assert_eq!(read.tenant.location.as_ref().and_then(|at| at.street.as_deref()), Some("Hauptstraße"));
    assert!(read.trunks[0].location);
    let again = read_with_documents(&write(&read).yaml).expect("what was exported");
    assert_eq!(again, read);
}

#[test]
fn a_location_that_nobody_finds_is_refused() {
    for (from, to, said) in [
        ("country: DE, city", "country: Germany, city", "location.country: it is a country by its two letters"),
        (
            "country: DE, city: Berlin, street: \"Amtsweg\"",
            "country: \"4\"",
            "places.desk.location.country: it is a country",
        ),
        ("latitude: \"52.520008\", ", "", "7101.location.latitude: a point needs `latitude`"),
        ("\"-13.404954\"", "\"181\"", "7101.location.longitude: it is a number of degrees from -180 to 180"),
        (
            "\"52.520008\"",
            "52.520008",
            "location.latitude: text is needed, this is a number with a fraction: put it in quotes",
        ),
        (
            "{room: \"4.12\", latitude: \"52.520008\", longitude: \"-13.404954\"}",
            "{}",
            "7101.location: nobody finds it",
        ),
        (", street: \"Amtsweg\", floor", ", floor", "places.desk.location: nobody finds it"),
        ("location: true", "location: {}", "location: true or false is needed"),
    ] {
        let text = WHERE.replacen(from, to, 1);
        assert_ne!(text, WHERE);
        let faults = Faults(read_with_documents(&text).expect_err("faults").0).to_string();
        assert!(faults.contains(said), "{said} is not in\n{faults}");
    }
}

#[test]
fn a_large_tenant_has_room() {
    let list = |of: &str, count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("{of}{number}")).collect();
        names.join(", ")
    };
    let text = |skills: usize, queues: usize| {
        format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\nskills: [{}]\nqueues: [{}]\n",
            list("s", skills),
            list("q", queues)
        )
    };
    let objects = read(&text(10_000, 5_000), |_| Ok(String::new())).expect("they are as many as may be");
    assert_eq!((objects.skills.len(), objects.dns.len()), (10_000, 5_000));
    let faults = read(&text(10_001, 1), |_| Ok(String::new())).unwrap_err().to_string();
    assert!(faults.contains("skills: it has more than 10000 entries"), "{faults}");
}
