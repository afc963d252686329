//! A batch of a client: `{app, attributes, items}`, read and checked.

use model::Timestamp;
use serde_json::{Map, Value};

use crate::field_fault::{FieldFault, known_members, list, name, object, text};
use crate::limits::{ITEMS_MAX, NAME_BYTES_MAX, SKEW_MAX};

/// What a client sends at once.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The application, which has a contract.
    pub app: String,
    /// Its version; empty if it does not say.
    pub version: String,
    /// The session of the browser or program; empty if it does not say.
    pub session: String,
    /// What holds for every item, before it is cleaned.
    pub attributes: Map<String, Value>,
    /// The items, or the fault of each that has one.
    pub items: Vec<Result<ClientItem, FieldFault>>,
}

/// One thing that a client tells.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientItem {
    /// What it is.
    pub kind: ItemKind,
    /// When it was, by the client's clock; none if it does not say.
    pub at: Option<Timestamp>,
    /// Its name.
    pub name: String,
    /// How grave it is.
    pub level: ItemLevel,
    /// Its value; the duration of a span, in milliseconds.
    pub value: Option<f64>,
    /// Its properties, before they are cleaned.
    pub properties: Map<String, Value>,
}

/// The kinds of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A line of a log.
    Log,
    /// Something that happened.
    Event,
    /// A number that was measured.
    Metric,
    /// Something that took time.
    Span,
}

impl ItemKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Log, Self::Event, Self::Metric, Self::Span];

    /// As clients write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Event => "event",
            Self::Metric => "metric",
            Self::Span => "span",
        }
    }
}

/// How grave an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemLevel {
    /// For developers.
    Debug,
    /// As usual.
    Info,
    /// It should not be.
    Warn,
    /// Something failed.
    Error,
}

impl ItemLevel {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// As clients write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Why a batch is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchFault {
    /// A field breaks a rule.
    Field(FieldFault),
    /// It has too many items.
    TooMany(usize),
}

impl From<FieldFault> for BatchFault {
    fn from(fault: FieldFault) -> Self {
        Self::Field(fault)
    }
}

/// The members of a batch.
const MEMBERS: [&str; 3] = ["app", "attributes", "items"];
/// The members of an item.
const ITEM_MEMBERS: [&str; 6] = ["type", "ts", "name", "level", "value", "props"];

impl Batch {
    /// Whether a document is a batch of ours: OpenTelemetry's documents, which come to the same path, name no application.
    pub fn is_ours(document: &Value) -> bool {
        document.get("app").is_some() || document.get("items").is_some()
    }

    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with the batch as a whole. An item with a fault does not refuse the others.
    pub fn read(document: &Value) -> Result<Self, BatchFault> {
        let members = object(document, "batch")?;
        known_members(members, "batch", &MEMBERS)?;
        let app = members.get("app").ok_or_else(|| FieldFault::new("app", "it is missing"))?;
        let app = object(app, "app")?;
        known_members(app, "app", &["name", "version", "sessionId"])?;
        let items = members.get("items").ok_or_else(|| FieldFault::new("items", "it is missing"))?;
        if let Some(count) = items.as_array().map(Vec::len).filter(|count| *count > ITEMS_MAX) {
            return Err(BatchFault::TooMany(count));
        }
        let items = list(items, "items", ITEMS_MAX)?.iter().enumerate();
        let optional = |key: &str| match app.get(key) {
            Some(value) => text(Some(value), &format!("app.{key}"), NAME_BYTES_MAX).map(str::to_owned),
            None => Ok(String::new()),
        };
        Ok(Self {
            app: name(app.get("name"), "app.name", NAME_BYTES_MAX)?.to_owned(),
            version: optional("version")?,
            session: optional("sessionId")?,
            attributes: members_of(members.get("attributes"), "attributes")?,
            items: items.map(|(at, item)| read_item(item, &format!("items[{at}]"))).collect(),
        })
    }
}

fn read_item(value: &Value, field: &str) -> Result<ClientItem, FieldFault> {
    let item = object(value, field)?;
    known_members(item, field, &ITEM_MEMBERS)?;
    let written = |key: &str| item.get(key).and_then(Value::as_str);
    let kind = ItemKind::ALL.into_iter().find(|kind| Some(kind.as_str()) == written("type"));
    let kind = kind.ok_or_else(|| FieldFault::new(format!("{field}.type"), "it must be log, event, metric or span"))?;
    let level = match item.get("level") {
        None => ItemLevel::Info,
        Some(_) => ItemLevel::ALL
            .into_iter()
            .find(|level| Some(level.as_str()) == written("level"))
            .ok_or_else(|| FieldFault::new(format!("{field}.level"), "it must be debug, info, warn or error"))?,
    };
    let value = number(item.get("value"), &format!("{field}.value"))?;
    if kind == ItemKind::Metric && value.is_none() {
        return Err(FieldFault::new(format!("{field}.value"), "a metric must have one"));
    }
    Ok(ClientItem {
        kind,
        at: number(item.get("ts"), &format!("{field}.ts"))?.map(of_millis),
        name: name(item.get("name"), &format!("{field}.name"), NAME_BYTES_MAX)?.to_owned(),
        level,
        value,
        properties: members_of(item.get("props"), &format!("{field}.props"))?,
    })
}

fn members_of(value: Option<&Value>, field: &str) -> Result<Map<String, Value>, FieldFault> {
    value.map_or(Ok(Map::new()), |value| object(value, field).cloned())
}

fn number(value: Option<&Value>, field: &str) -> Result<Option<f64>, FieldFault> {
    let Some(value) = value else { return Ok(None) };
    value.as_f64().map(Some).ok_or_else(|| FieldFault::new(field, "it must be a number"))
}

/// Milliseconds since 1970, of any size and sign.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
fn of_millis(millis: f64) -> Timestamp {
    Timestamp::from_millis(millis as u64)
}

/// The time of an item, at most a day from ours: a client's clock may be wrong by any amount.
pub fn clamped(at: Option<Timestamp>, now: Timestamp) -> Timestamp {
    at.map_or(now, |at| at.clamp(now - SKEW_MAX, now + SKEW_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(document: Value) -> Result<Batch, String> {
        Batch::read(&document).map_err(|fault| match fault {
            BatchFault::Field(fault) => fault.to_string(),
            other => format!("{other:?}"),
        })
    }

    fn item(item: Value) -> Result<ClientItem, String> {
        let batch = read(json!({ "app": { "name": "a" }, "items": [item] })).unwrap();
        batch.items.into_iter().next().unwrap().map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_batch_is_read_and_its_faults_name_the_field() {
        let batch = json!({
            "app": { "name": "wwe_ui", "version": "9.0", "sessionId": "s1" },
            "attributes": { "connId": "1" },
            "items": [{ "type": "metric", "ts": 1_000, "name": "mos", "value": 4.1 }, { "type": "x", "name": "y" }],
        });
        let batch = read(batch).unwrap();
        assert_eq!((batch.app.as_str(), batch.version.as_str(), batch.session.as_str()), ("wwe_ui", "9.0", "s1"));
        let first = batch.items[0].as_ref().unwrap();
        assert_eq!((first.kind, first.value, first.level), (ItemKind::Metric, Some(4.1), ItemLevel::Info));
        assert_eq!(
            batch.items[1].as_ref().unwrap_err().to_string(),
            "items[1].type: it must be log, event, metric or span"
        );
        for (document, expected) in [
            (json!([]), "batch: it must be an object"),
            (json!({ "items": [] }), "app: it is missing"),
            (json!({ "app": {}, "items": [] }), "app.name: it is missing"),
            (json!({ "app": { "name": "a" } }), "items: it is missing"),
            (json!({ "app": { "name": "a" }, "items": 1 }), "items: it must be a list"),
            (
                json!({ "app": { "name": "a" }, "items": [], "x": 1 }),
                "batch.x: it is not one of app, attributes, items",
            ),
            (json!({ "app": { "name": "a", "version": 9 }, "items": [] }), "app.version: it must be a text"),
        ] {
            assert_eq!(read(document).unwrap_err(), expected);
        }
        let many = json!({ "app": { "name": "a" }, "items": vec![1; ITEMS_MAX + 1] });
        assert_eq!(Batch::read(&many).unwrap_err(), BatchFault::TooMany(ITEMS_MAX + 1));
    }

    #[test]
    fn an_item_says_what_it_is() {
        assert!(item(json!({ "type": "log", "name": "x", "level": "warn" })).is_ok());
        for (wrong, expected) in [
            (json!(1), "items[0]: it must be an object"),
            (json!({ "type": "log" }), "items[0].name: it is missing"),
            (
                json!({ "type": "log", "name": "x", "level": "loud" }),
                "items[0].level: it must be debug, info, warn or error",
            ),
            (json!({ "type": "metric", "name": "x" }), "items[0].value: a metric must have one"),
            (json!({ "type": "log", "name": "x", "ts": "now" }), "items[0].ts: it must be a number"),
            (json!({ "type": "log", "name": "x", "props": [] }), "items[0].props: it must be an object"),
        ] {
            assert_eq!(item(wrong).unwrap_err(), expected);
        }
    }

    proptest! {
        #[test]
        fn the_time_of_an_item_is_within_a_day_of_ours(ts in proptest::num::f64::ANY) {
            let now = Timestamp::from_millis(1_800_000_000_000);
            let at = clamped(Some(of_millis(ts)), now);
            prop_assert!(at >= now - SKEW_MAX && at <= now + SKEW_MAX);
        }

        #[test]
        fn any_document_is_read_or_refused(text in ".{0,200}") {
            if let Ok(document) = serde_json::from_str::<Value>(&text) {
                let _ = Batch::read(&document);
            }
        }
    }
}
