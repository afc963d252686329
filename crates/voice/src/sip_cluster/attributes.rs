//! What a tenant's business attributes say of the user data of calls, from config's copy. Until config has answered they say nothing.

use contracts::provisioning::{ATTACHED_DEFAULTS_MAX, BusinessAttribute, Object, ObjectKind};
use model::{RequestKind, UserData, Value};
use net::configuration::{Configuration, TenantConfig};

use super::node::calls::first_data::ReadDefaults;

/// The most values that a refusal names.
const NAMED_MAX: usize = 20;
/// The most characters of a refused value that are shown.
const SHOWN_MAX: usize = 64;

/// Reads the defaults with which calls from outside begin.
pub(super) fn defaults(configuration: Configuration) -> ReadDefaults {
    Box::new(move |tenant| configuration.tenant(tenant).map_or_else(UserData::new, |config| defaults_of(&config)))
}

fn defaults_of(config: &TenantConfig) -> UserData {
    let attached = attributes_of(config).filter(|attribute| attribute.attach_default);
    let defaults = attached.filter_map(|attribute| Some((attribute.name.as_str(), attribute.default.as_deref()?)));
    defaults.take(ATTACHED_DEFAULTS_MAX).collect()
}

/// Why a tenant does not let a request attach what it would: the first value that an attribute does not allow which is enforced. A pair that
/// the call has already may be passed on: `held` is what it has.
pub(super) fn refusal(config: &TenantConfig, request: &RequestKind, held: &UserData) -> Option<String> {
    let data = attached_by(request).filter(|data| !data.is_empty())?;
    attributes_of(config).filter(|attribute| attribute.enforced).find_map(|attribute| {
        let mut pairs = data.iter().filter(|(key, _)| key.eq_ignore_ascii_case(&attribute.name));
        let (key, value) =
            pairs.find(|(_, value)| !is_allowed(attribute, value) && !has(held, &attribute.name, value))?;
        Some(in_words(attribute, key, value))
    })
}

fn has(data: &UserData, name: &str, value: &Value) -> bool {
    data.iter().any(|(key, one)| key.eq_ignore_ascii_case(name) && one == value)
}

/// The pairs that a request attaches to a call.
fn attached_by(request: &RequestKind) -> Option<&UserData> {
    match request {
        RequestKind::UpdateUserData(_, data)
        | RequestKind::InitiateTransfer(_, _, data)
        | RequestKind::MuteTransfer(_, _, data)
        | RequestKind::MakeCall(_, data)
        | RequestKind::MakePredictiveCall(_, data) => Some(data),
        _ => None,
    }
}

fn attributes_of(config: &TenantConfig) -> impl Iterator<Item = &BusinessAttribute> {
    config.of_kind(ObjectKind::BusinessAttribute).filter_map(|object| match object {
        Object::BusinessAttribute(attribute) => Some(attribute),
        _ => None,
    })
}

/// A program may attach a number as such.
fn is_allowed(attribute: &BusinessAttribute, value: &Value) -> bool {
    match value {
        Value::Text(text) => attribute.allows(text),
        Value::Int(number) => attribute.allows(&number.to_string()),
        Value::Binary(_) | Value::List(_) => false,
    }
}

fn in_words(attribute: &BusinessAttribute, key: &str, value: &Value) -> String {
    let given = match value {
        Value::Text(text) => format!("{:?}", text.chars().take(SHOWN_MAX).collect::<String>()),
        Value::Int(number) => number.to_string(),
        Value::Binary(_) => "what is no text".to_owned(),
        Value::List(_) => "a list".to_owned(),
    };
    let named: Vec<&str> = attribute.values.iter().map(|one| one.value.as_str()).take(NAMED_MAX).collect();
    let more = attribute.values.len() - named.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("UserData: {key}: {given} is none of the values that it may have: {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contracts::configuration::{Changes, Listed};
    use model::ConnId;
    use serde_json::json;

    use super::*;

    fn config(attributes: &[(&str, serde_json::Value)]) -> Arc<TenantConfig> {
        let listed = |(name, rest): &(&str, serde_json::Value)| {
            let mut object = rest.clone();
            object["name"] = json!(name);
            Listed { kind: ObjectKind::BusinessAttribute, id: (*name).to_owned(), object }
        };
        let objects = attributes.iter().map(listed).collect();
        TenantConfig::after(
            None,
            Changes { version: "1-1".to_owned(), whole: true, objects, gone: Vec::new(), next: None },
        )
    }

    fn values(values: &[&str]) -> serde_json::Value {
        values.iter().map(|value| json!({ "value": value })).collect()
    }

    fn update(pairs: Vec<(&str, Value)>) -> RequestKind {
        RequestKind::UpdateUserData(ConnId(1), pairs.into_iter().collect())
    }

    #[test]
    fn an_enforced_attribute_refuses_other_values_by_key_value_and_what_is_allowed() {
        let config = config(&[
            ("Language", json!({ "values": values(&["en", "de"]), "enforced": true })),
            ("Segment", json!({ "values": values(&["gold"]) })),
            ("Tier", json!({ "values": values(&["1", "2"]), "enforced": true })),
        ]);
        let told = |pairs| refusal(&config, &update(pairs), &UserData::new());
        assert_eq!(told(vec![("Language", "de".into()), ("Segment", "lead".into()), ("Other", "x".into())]), None);
        assert_eq!(told(vec![("Tier", Value::Int(2))]), None);
        let expected = "UserData: language: \"nl\" is none of the values that it may have: en, de";
        assert_eq!(told(vec![("language", "nl".into())]).as_deref(), Some(expected));
        for (value, given) in [
            (Value::from("DE"), "\"DE\""),
            (Value::from(""), "\"\""),
            (Value::Int(3), "3"),
            (Value::Binary(vec![1]), "what is no text"),
            (Value::List(UserData::new()), "a list"),
        ] {
            let told = told(vec![("Language", value)]).unwrap_or_default();
            assert!(told.starts_with(&format!("UserData: Language: {given} is none")), "{told}");
        }
        // Each value of a repeated key counts.
        let repeated: UserData = [("Language", "en"), ("LANGUAGE", "nl")].into_iter().collect();
        assert!(refusal(&config, &RequestKind::UpdateUserData(ConnId(1), repeated), &UserData::new()).is_some());
    }

    #[test]
    fn what_attaches_nothing_to_a_call_is_not_asked_about() {
        let config = config(&[("Language", json!({ "values": values(&["en"]), "enforced": true }))]);
        let data = || UserData::from_iter([("Language", "nl")]);
        let dn = || model::Dn::parse("7101").unwrap();
        for (request, is_refused) in [
            (RequestKind::MakeCall(dn(), data()), true),
            (RequestKind::MakePredictiveCall(dn(), data()), true),
            (RequestKind::InitiateTransfer(ConnId(1), dn(), data()), true),
            (RequestKind::MuteTransfer(ConnId(1), dn(), data()), true),
            (RequestKind::UserEvent(data()), false),
            (RequestKind::DeletePair(ConnId(1), "Language".to_owned()), false),
            (RequestKind::MakeCall(dn(), UserData::new()), false),
        ] {
            assert_eq!(refusal(&config, &request, &UserData::new()).is_some(), is_refused, "{request:?}");
        }
    }

    #[test]
    fn what_the_call_has_already_may_be_passed_on() {
        let config = config(&[("Language", json!({ "values": values(&["en"]), "enforced": true }))]);
        let transfer = |value: Value| {
            let data = [("language", value)].into_iter().collect();
            RequestKind::InitiateTransfer(ConnId(1), model::Dn::parse("7101").unwrap(), data)
        };
        let held = UserData::from_iter([("Language", "nl"), ("Other", "fr")]);
        assert_eq!(refusal(&config, &transfer("nl".into()), &held), None);
        for value in ["fr", "NL"] {
            assert!(refusal(&config, &transfer(value.into()), &held).is_some(), "{value}");
        }
        assert!(refusal(&config, &transfer("nl".into()), &UserData::new()).is_some());
    }

    #[test]
    fn a_refusal_is_bounded() {
        let many: Vec<String> = (0..1_000).map(|number| format!("v{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let config = config(&[("Language", json!({ "values": values(&many), "enforced": true }))]);
        let told = refusal(&config, &update(vec![("Language", "x".repeat(10_000).into())]), &UserData::new())
            .unwrap_or_default();
        assert!(told.len() < 300 && told.ends_with("v18, v19 and 980 more"), "{told}");
    }

    #[test]
    fn a_call_begins_with_the_defaults_of_those_attributes_that_say_so() {
        let two = config(&[
            ("Language", json!({ "values": values(&["en"]), "default": "en", "attach_default": true })),
            ("Segment", json!({ "values": values(&["gold"]), "default": "gold" })),
        ]);
        assert_eq!(defaults_of(&two), UserData::from_iter([("Language", "en")]));
        let names: Vec<String> = (0..40).map(|number| format!("a{number:02}")).collect();
        let one = json!({ "values": values(&["x"]), "default": "x", "attach_default": true });
        let many: Vec<(&str, serde_json::Value)> = names.iter().map(|name| (name.as_str(), one.clone())).collect();
        let defaults = defaults_of(&config(&many));
        assert_eq!(
            (defaults.len(), defaults.text("a31"), defaults.text("a32")),
            (ATTACHED_DEFAULTS_MAX, Some("x"), None)
        );
    }
}
