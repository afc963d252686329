//! Desktops that ask for as little as they can (`optimize_config`): user properties are plain objects, and of the configuration they are
//! told what they need at once; the rest they read part by part.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Desk, DeskConfiguration, Unstored};

/// What such a desktop is told of the configuration at once.
const AT_ONCE: [&str; 2] = ["agentGroups", "environment"];
/// The fields that are lists of pairs.
const PROPERTIES: &str = "userProperties";

impl Desk {
    /// Whether the desktop reads the configuration part by part.
    pub fn optimise(&mut self, is_optimised: bool) {
        if self.is_optimised != is_optimised {
            (self.is_optimised, self.unstored) = (is_optimised, Unstored::State);
        }
    }

    /// Whether the desktop reads the configuration part by part.
    pub fn is_optimised(&self) -> bool {
        self.is_optimised
    }

    /// The person, with what of the session is active already, and the configuration, as the desktop is told them.
    pub(super) fn told_configuration<'a>(&self, known: &'a DeskConfiguration) -> (Value, Cow<'a, Value>) {
        if !self.is_optimised {
            return (self.current_user(known.user.clone()), Cow::Borrowed(&*known.configuration));
        }
        let user = self.current_user(with_plain_properties(&known.user));
        (user, Cow::Owned(with_plain_properties(&reduced(&known.configuration))))
    }
}

fn reduced(configuration: &Value) -> Value {
    let part = |name: &str| Some((name.to_owned(), configuration.get(name)?.clone()));
    Value::Object(AT_ONCE.into_iter().filter_map(part).collect())
}

/// The same with user properties as plain objects.
pub fn with_plain_properties(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(with_plain_properties).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match value {
                Value::Array(pairs) if name == PROPERTIES => (name.clone(), plain(pairs)),
                _ => (name.clone(), with_plain_properties(value)),
            };
            Value::Object(fields.iter().map(field).collect())
        }
        _ => value.clone(),
    }
}

/// A list of pairs as an object. Of a key that is there twice the last counts.
fn plain(pairs: &[Value]) -> Value {
    let pair = |pair: &Value| {
        let value = match (pair.get("type").and_then(Value::as_str), pair.get("value")) {
            (Some("kvlist"), Some(Value::Array(nested))) => plain(nested),
            (_, value) => value.cloned().unwrap_or_default(),
        };
        Some((pair.get("key")?.as_str()?.to_owned(), value))
    };
    Value::Object(pairs.iter().filter_map(pair).collect::<Map<String, Value>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_become_objects_wherever_they_are_and_nothing_else_does() {
        let list = json!([
            {"key": "desk", "type": "kvlist", "value": [{"key": "ring", "type": "str", "value": "soft"}]},
            {"key": "n", "type": "int", "value": 7},
        ]);
        let value = json!({"actionCodes": [{"name": "Lunch", "userProperties": list}], "settings": list});
        let wanted = json!({
            "actionCodes": [{"name": "Lunch", "userProperties": {"desk": {"ring": "soft"}, "n": 7}}], "settings": list,
        });
        assert_eq!(with_plain_properties(&value), wanted);
    }

    #[test]
    fn of_the_configuration_two_parts_are_told_at_once() {
        let configuration = json!({"agentGroups": [1], "environment": {}, "actionCodes": [2]});
        assert_eq!(reduced(&configuration), json!({"agentGroups": [1], "environment": {}}));
    }
}
