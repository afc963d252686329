use model::ReferenceId;
use model::event::ErrorCode;
use serde_json::Value;

use super::super::facts::FRAME;
use super::*;
use crate::json::correction;

/// A fact with every attribute.
fn full() -> Stamped {
    let mut stamped = example().unwrap();
    let some = Some("x".to_owned());
    let event = &mut stamped.event;
    if let Some(call) = &mut event.call {
        call.previous = Some(ConnId(7));
        call.propagated_type = Some(CallType::Inbound);
    }
    event.third_party_dn = some.clone();
    event.third_party_role = Some(DnRole::Destination);
    event.collected_digits = some.clone();
    event.work_mode = Some(model::agent::WorkMode::ManualIn);
    event.requester = some;
    event.reference = ReferenceId(3);
    for list in [&mut event.user_data, &mut event.reasons, &mut event.extensions] {
        list.set("Key", "value");
    }
    event.error = Some((ErrorCode::TIMEOUT, "late".to_owned()));
    stamped
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Object(_) => "object",
        Value::Bool(_) => "boolean",
        _ => "another",
    }
}

#[test]
fn every_attribute_of_a_fact_is_declared_with_its_type_and_none_besides() {
    let event = correction(&full());
    for (object, declared) in [(&event, ENVELOPE), (&event["data"], FRAME)] {
        let mut found: Vec<(&str, &str)> =
            object.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), json_type(value))).collect();
        let mut told: Vec<(&str, &str)> = declared.iter().map(|a| (a.name, a.json)).collect();
        found.sort_unstable();
        told.sort_unstable();
        assert_eq!(found, told);
    }
}

#[test]
fn the_page_names_every_topic_and_its_records() {
    let page = markdown();
    for topic in TOPICS {
        assert!(page.contains(&format!("| `{}` |", topic.name)));
        assert!(topic.records.iter().all(|record| page.contains(&format!("## `{}`", record.name))));
    }
    assert!(page.contains("\"id\": \"call:194d04e7b9808000:1:9\""));
}
