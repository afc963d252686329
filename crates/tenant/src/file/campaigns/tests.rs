use contracts::provisioning::{DialingMode, FaultCode, PacingMeasure};

use crate::file::{Faults, read, write};

const HEAD: &str = "\
tenant: x
name: x
realm: x
hold_music: m
prompts: {m: m.wav}
applications: {a: a.scxml}
route_points: [{number: \"9000\", application: a}]
queues: [q]
schedules: [{name: office, open: [\"Mon-Fri 08:00-18:00\"]}]
agent_groups: [{name: Day}]
";

fn told(more: &str) -> Vec<(String, FaultCode)> {
    let Faults(faults) = read(&format!("{HEAD}{more}"), |_| Ok(String::new())).expect_err("faults");
    faults.into_iter().map(|fault| (fault.key, fault.rule.code)).collect()
}

fn expected(faults: &[(&str, FaultCode)]) -> Vec<(String, FaultCode)> {
    faults.iter().map(|(key, code)| ((*key).to_owned(), *code)).collect()
}

#[test]
fn lists_campaigns_and_their_groups_come_back_from_an_export() {
    let text = "\
calling_lists:
  - {name: Spring, fields: [{name: mobile, type: phone}, {name: \"no\", type: text}], source: \"table: spring\", schedule: office,
     attempts_max: 5, treatments: [{result: busy, action: retry, after_min: 10}, {result: fax, action: hang_up}]}
  - {name: Bare, fields: [{name: p, type: phone}]}
campaigns:
  - {name: Offers, calling_lists: [{calling_list: Spring, weight: 7}, {calling_list: Bare}]}
  - {name: Empty}
campaign_groups:
  - {name: Evening, campaign: Offers, agent_group: Day, mode: predictive, pacing: abandon_percent, target: 3, route_point: \"9000\"}
  - {name: Morning, campaign: Offers, agent_group: Day, mode: preview}
";
    let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
    let [spring, bare] = objects.calling_lists.as_slice() else { panic!("{:?}", objects.calling_lists) };
    assert_eq!((spring.fields[1].name.as_str(), spring.attempts_max, bare.attempts_max), ("no", 5, 3));
    let weights: Vec<u32> = objects.campaigns[0].calling_lists.iter().map(|list| list.weight).collect();
    assert_eq!(weights, [7, 1]);
    let evening = &objects.campaign_groups[0];
    assert_eq!((evening.mode, evening.pacing), (DialingMode::Predictive, Some(PacingMeasure::AbandonPercent)));
    let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
    assert_eq!(again, objects);
}

#[test]
fn a_calling_list_has_a_number_to_call_and_says_once_what_follows_a_result() {
    let text = "\
calling_lists:
  - {name: a, fields: [{name: n, type: text}], schedule: night}
  - {name: b, fields: [{name: p, type: phone}, {name: p, type: phone}]}
  - {name: c, fields: [{name: p, type: phone}], treatments: [{result: busy, action: connect}, {result: fax, action: hang_up, after_min: 5}]}
  - {name: d, fields: [{name: p, type: phone}], treatments: [{result: busy, action: retry}, {result: busy, action: finish}]}
  - {name: e, fields: [], attempts_max: 0}
";
    let mut faults = expected(&[
        ("calling_lists.a.fields", FaultCode::Needed),
        ("calling_lists.a.schedule", FaultCode::Unknown),
        ("calling_lists.b.fields", FaultCode::Twice),
        ("calling_lists.c.treatments", FaultCode::OnlyWith),
        ("calling_lists.c.treatments", FaultCode::OneOf),
        ("calling_lists.d.treatments", FaultCode::NeededWith),
        ("calling_lists.d.treatments", FaultCode::Twice),
        ("calling_lists.e.fields", FaultCode::Needed),
        ("calling_lists[4].attempts_max", FaultCode::OutOfRange),
    ]);
    let mut told = told(text);
    told.sort();
    faults.sort();
    assert_eq!(told, faults);
}

#[test]
fn what_campaigns_and_their_groups_name_is_there_and_a_pace_is_for_predictive_calls() {
    let text = "\
calling_lists: [{name: l, fields: [{name: p, type: phone}]}]
campaigns:
  - {name: c, calling_lists: [{calling_list: l}, {calling_list: none}]}
  - {name: t, calling_lists: [{calling_list: l}, {calling_list: l}]}
campaign_groups:
  - {name: a, campaign: none, agent_group: Night, mode: preview, route_point: \"9000\"}
  - {name: b, campaign: c, agent_group: Day, mode: predictive}
  - {name: d, campaign: c, agent_group: Day, mode: progressive, pacing: busy_percent, target: 80}
  - {name: e, campaign: c, agent_group: Day, mode: predictive, pacing: busy_percent, target: 101, route_point: q}
  - {name: f, campaign: c, agent_group: Day, mode: predictive, pacing: waiting_s, route_point: \"9001\"}
  - {name: g, campaign: c, agent_group: Day, mode: progressive, target: 5}
";
    let mut faults = expected(&[
        ("campaigns.c.calling_lists", FaultCode::Unknown),
        ("campaigns.t.calling_lists", FaultCode::Twice),
        ("campaign_groups.a.agent_group", FaultCode::Unknown),
        ("campaign_groups.a.campaign", FaultCode::Unknown),
        ("campaign_groups.a.route_point", FaultCode::OnlyWithout),
        ("campaign_groups.b.pacing", FaultCode::NeededWith),
        ("campaign_groups.b.route_point", FaultCode::NeededWith),
        ("campaign_groups.d.pacing", FaultCode::OnlyWith),
        ("campaign_groups.e.route_point", FaultCode::DnType),
        ("campaign_groups.e.target", FaultCode::OutOfRange),
        ("campaign_groups.f.route_point", FaultCode::Unknown),
        ("campaign_groups.f.target", FaultCode::NeededWith),
        ("campaign_groups.g.target", FaultCode::OnlyWith),
    ]);
    let mut told = told(text);
    told.sort();
    faults.sort();
    assert_eq!(told, faults);
}
