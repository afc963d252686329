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
    assert_eq!(objects.people.iter().filter(|p| p.agent.is_some()).count(), 40);
    let exported = write(&objects);
    let again = read(&exported.yaml, |path| {
        let found = exported.documents.iter().find(|(name, _)| name == path);
        found.map(|(_, text)| text.clone()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    });
    assert_eq!(again, Ok(objects));
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
