use contracts::provisioning::FaultCode;

use crate::file::{Faults, read, write};

const HEAD: &str = "\
tenant: x
name: x
realm: x
hold_music: m
prompts: {m: m.wav}
skills: [Sales, French]
people:
  - {user: ann, first_name: Ann, last_name: Adams, agent: {id: \"1\", skills: {Sales: 5}}}
  - {user: bob, first_name: Bob, last_name: Brown}
";

fn faults(more: &str) -> Vec<(String, String)> {
    let Faults(faults) = read(&format!("{HEAD}{more}"), |_| Ok(String::new())).expect_err("faults");
    faults.into_iter().map(|fault| (fault.key, fault.rule.words)).collect()
}

#[test]
fn groups_of_agents_come_back_from_an_export() {
    let text = format!(
        "{HEAD}agent_groups:\n  - {{name: Day team, agents: [ann], managers: [bob]}}\n  - {{name: Empty}}\n  \
         - {{name: Seniors, expression: 'Skill(\"Sales\") >= 5 & !(French > 2)'}}\n"
    );
    let objects = read(&text, |_| Ok(String::new())).expect("a tenant");
    let [team, empty, seniors] = objects.agent_groups.as_slice() else { panic!("{:?}", objects.agent_groups) };
    assert_eq!((team.agents.as_slice(), team.managers.as_slice()), (&["ann".to_owned()][..], &["bob".to_owned()][..]));
    assert!(empty.agents.is_empty() && empty.expression.is_none());
    assert_eq!(seniors.expression.as_deref(), Some("Skill(\"Sales\") >= 5 & !(French > 2)"));
    let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
    assert_eq!(again.agent_groups, objects.agent_groups);
}

#[test]
fn what_a_group_of_agents_names_must_be_there() {
    let told = faults(
        "agent_groups:\n  - {name: one, agents: [ann, eve], managers: [joe]}\n  - {name: two, expression: \"Sales >= 1 | Patience >= 1\"}\n  \
         - {name: three, expression: \"Sales >=\"}\n  - {name: four, agents: [ann], expression: \"Sales >= 1\"}\n  \
         - {name: 'fi\"ve'}\n  - {name: ONE}\n  - {name: six, agents: [ann, ann]}\n",
    );
    for (key, reason) in [
        ("agent_groups.one.agents", "there is no person eve"),
        ("agent_groups.one.managers", "there is no person joe"),
        ("agent_groups.two.expression", "there is no skill Patience"),
        ("agent_groups.three.expression", "column 9: a skill, a number or '(' is wanted, not the end"),
        ("agent_groups.four.expression", "it has a meaning without `agents` alone"),
        ("agent_groups.fi\"ve.name", "it may have no quotation mark (\")"),
        ("agent_groups[5]", "the name stands on line 11 already"),
        ("agent_groups[6].agents[1]", "ann stands there twice"),
    ] {
        assert!(told.contains(&(key.to_owned(), reason.to_owned())), "{key}: {reason} is not in {told:?}");
    }
    assert_eq!(told.len(), 8, "{told:?}");
    let skill = read(&HEAD.replace("French]", "\"group:x\"]"), |_| Ok(String::new())).expect_err("a fault").0;
    assert_eq!(skill[0].key, "skills.group:x");
}

#[test]
fn a_group_may_have_an_apostrophe_in_its_name_and_names_none_in_its_expression() {
    let text = format!("{HEAD}agent_groups:\n  - {{name: \"O'Brien's team\", agents: [ann]}}\n");
    let objects = read(&text, |_| Ok(String::new())).expect("a tenant");
    let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
    assert_eq!((again.agent_groups[0].name.as_str(), again.agent_groups.len()), ("O'Brien's team", 1));
    let told = faults("agent_groups:\n  - {name: a, agents: [ann]}\n  - {name: b, expression: '\"group:a\" >= 1'}\n");
    assert_eq!(told, [("agent_groups.b.expression".to_owned(), "there is no skill group:a".to_owned())]);
}

#[test]
fn a_tenant_has_more_groups_than_groups_with_expressions() {
    let text = |most: usize| {
        let groups = (0..most).map(|number| format!("  - {{name: g{number}, expression: \"Sales >= 1\"}}\n"));
        format!("{HEAD}agent_groups:\n{}  - {{name: named, agents: [ann]}}\n", groups.collect::<String>())
    };
    assert!(read(&text(100), |_| Ok(String::new())).is_ok());
    let Faults(faults) = read(&text(102), |_| Ok(String::new())).expect_err("faults");
    let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
    let expected =
        [("agent_groups.g100.expression", FaultCode::TooMany), ("agent_groups.g101.expression", FaultCode::TooMany)];
    assert_eq!(told, expected);
}

#[test]
fn groups_of_places_come_back_from_an_export_and_their_places_are_there() {
    let places = "places:\n  - {name: P1, dns: []}\n  - {name: P2, dns: []}\n";
    let text = format!("{HEAD}{places}place_groups:\n  - {{name: Floor 2, places: [P1, P2]}}\n  - {{name: Empty}}\n");
    let objects = read(&text, |_| Ok(String::new())).expect("a tenant");
    assert_eq!((objects.place_groups[0].places.len(), objects.place_groups[1].places.len()), (2, 0));
    let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
    assert_eq!(again.place_groups, objects.place_groups);
    let told = faults(&format!(
        "{places}place_groups:\n  - {{name: a, places: [P1, P3]}}\n  - {{name: b, places: [P2, P2]}}\n"
    ));
    let told: Vec<_> = told.iter().map(|(key, reason)| (key.as_str(), reason.as_str())).collect();
    assert_eq!(
        told,
        [("place_groups.a.places", "there is no place P3"), ("place_groups[1].places[1]", "P2 stands there twice")]
    );
}
