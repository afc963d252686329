//! Values between SCXML, JSON and QuickJS.

use rquickjs::{Ctx, IntoJs, Object};
use scxml::{Event, Value};

/// To JSON; `Undefined` becomes null.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Undefined | Value::Null => serde_json::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < SAFE_INTEGER => (*number as i64).into(),
        Value::Number(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(pairs) => pairs
            .iter()
            .filter(|(_, v)| *v != Value::Undefined)
            .map(|(k, v)| (k.clone(), to_json(v)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// From JSON. The parser has bounded the depth already.
pub(crate) fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(pairs) => Value::Map(pairs.into_iter().map(|(k, v)| (k, from_json(v))).collect()),
    }
}

pub(super) fn to_js<'js>(ctx: &Ctx<'js>, value: &Value) -> rquickjs::Result<rquickjs::Value<'js>> {
    match value {
        Value::Undefined => Ok(rquickjs::Value::new_undefined(ctx.clone())),
        Value::Null => Ok(rquickjs::Value::new_null(ctx.clone())),
        Value::Bool(truth) => Ok(rquickjs::Value::new_bool(ctx.clone(), *truth)),
        Value::Number(number) => Ok(rquickjs::Value::new_number(ctx.clone(), *number)),
        Value::Text(text) => text_to_js(ctx, text),
        Value::List(_) | Value::Map(_) => ctx.json_parse(to_json(value).to_string()),
    }
}

pub(super) fn text_to_js<'js>(ctx: &Ctx<'js>, text: &str) -> rquickjs::Result<rquickjs::Value<'js>> {
    text.into_js(ctx)
}

/// Plain values directly, others by way of JSON: values that JSON cannot express (functions, cycles) are omitted or an error.
pub(super) fn from_js<'js>(ctx: &Ctx<'js>, value: rquickjs::Value<'js>) -> rquickjs::Result<Value> {
    if let Some(truth) = value.as_bool() {
        return Ok(Value::Bool(truth));
    }
    if let Some(number) = value.as_number() {
        return Ok(Value::Number(number));
    }
    if let Some(text) = value.as_string() {
        return Ok(Value::Text(text.to_string()?));
    }
    if value.is_null() {
        return Ok(Value::Null);
    }
    let Some(text) = ctx.json_stringify(value)? else { return Ok(Value::Undefined) };
    match serde_json::from_str(&text.to_string()?) {
        Ok(json) => Ok(from_json(json)),
        Err(error) => Err(rquickjs::Exception::throw_message(ctx, &error.to_string())),
    }
}

/// `_event` with its fields (W3C SCXML 5.10.1); fields without a value are undefined.
pub(super) fn event_to_js<'js>(ctx: &Ctx<'js>, event: &Event) -> rquickjs::Result<rquickjs::Value<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("name", event.name.as_str())?;
    object.set("type", event.kind.as_str())?;
    for (field, text) in
        [("sendid", &event.send_id), ("origin", &event.origin), ("origintype", &event.origin_type), ("invokeid", &None)]
    {
        match text {
            Some(text) => object.set(field, text.as_str())?,
            None => object.set(field, rquickjs::Value::new_undefined(ctx.clone()))?,
        }
    }
    object.set("data", to_js(ctx, &event.data)?)?;
    Ok(object.into_value())
}

/// 2^53: whole numbers below it are exact in Rust and in JavaScript.
const SAFE_INTEGER: f64 = 9_007_199_254_740_992.0;
