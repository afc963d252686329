//! What an application can read of its call: `_genesys` and the initial `_data`.

use model::{UserData, Value as Pair};
use scxml::Value;

use super::Caller;

/// `_genesys`: read access to the call.
pub(super) fn platform_objects(caller: &Caller) -> Value {
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Undefined, Value::from);
    let id = caller.call.conn_id.to_string();
    let voice: Value = [
        ("ani", text(&caller.call.ani)),
        ("dnis", text(&caller.call.dnis)),
        ("connid", Value::from(id.as_str())),
        ("callid", Value::from(caller.call.uuid.to_string())),
        ("type", Value::from(caller.call.call_type.as_str())),
        ("thisdn", Value::from(caller.this_dn.as_str())),
    ]
    .into_iter()
    .collect();
    let interaction: Value = [
        ("g_uid", Value::from(id.as_str())),
        ("category", Value::from(caller.call.call_type.as_str())),
        ("media", Value::from("voice")),
        ("voice", voice),
        ("udata", pairs_to_value(&caller.user_data)),
    ]
    .into_iter()
    .collect();
    let interactions = Value::Map(vec![(id, interaction)]);
    let ixn = Value::Map(vec![("interactions".to_owned(), interactions)]);
    Value::Map(vec![("ixn".to_owned(), ixn)])
}

/// `_data`: the session's initial data.
pub(in super::super) fn start_parameters(caller: &Caller) -> Value {
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Undefined, Value::from);
    [
        ("interactionid", Value::from(caller.call.conn_id.to_string())),
        ("ani", text(&caller.call.ani)),
        ("dnis", text(&caller.call.dnis)),
        ("routepoint", Value::from(caller.this_dn.as_str())),
        ("application", Value::from(caller.application.as_str())),
    ]
    .into_iter()
    .collect()
}

fn pairs_to_value(pairs: &UserData) -> Value {
    Value::Map(
        pairs
            .iter()
            .map(|(key, pair)| {
                let value = match pair {
                    Pair::Text(text) => Value::from(text.as_str()),
                    Pair::Int(number) => Value::Number(*number as f64),
                    Pair::List(list) => pairs_to_value(list),
                    Pair::Binary(_) => Value::Null,
                };
                (key.to_owned(), value)
            })
            .collect(),
    )
}
