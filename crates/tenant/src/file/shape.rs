//! Shapes: the vocabulary of declarations, the validation of a tree against them, and their JSON Schema.

use std::collections::HashSet;

use contracts::provisioning::{FaultCode, FolderRight, Secret};
use serde_json::{Map, Value as Json, json};

use super::tree::{Node, Value};
use super::{BrokenRule, Fault};

/// The shape of a value.
pub(super) enum Shape {
    /// Text of 1 to `max` bytes.
    Text { max: usize },
    /// The same of a secret, which may be sealed with the installation's key: then it is longer.
    Secret { max: usize },
    /// A text of several lines.
    Lines { max: usize },
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A whole number within bounds, both included.
    Number { min: i64, max: i64 },
    /// True or false.
    Flag,
    /// A list of at most `max` items.
    List { of: &'static Shape, max: usize },
    /// A list of 1 to `max` texts, each of which stands there once.
    Choice { of: &'static Shape, max: usize },
    /// A map whose keys are names.
    Named { of: &'static Shape, max: usize },
    /// A map with these keys.
    Record(&'static [Field]),
    /// An object: a map with these keys and those of [`ANNEX`].
    Object(&'static [Field]),
    /// An object that is one value, or a map with that value under `key`, with `more` keys and those of [`ANNEX`].
    ShortObject { value: &'static Shape, key: &'static str, doc: &'static str, more: &'static [Field] },
}

/// The most entries about an object that it has itself.
const OWN_PERMISSIONS_MAX: usize = 100;
/// The most sections of an object's own properties, and the most keys of one.
const SECTIONS_MAX: usize = 50;
const KEYS_MAX: usize = 200;

static PROPERTY: Shape = Shape::Text { max: 1_024 };
static PROPERTIES: Shape = Shape::Named { of: &PROPERTY, max: KEYS_MAX };
static SECTIONS: Shape = Shape::Named { of: &PROPERTIES, max: SECTIONS_MAX };

/// What any object may have besides the keys of its kind.
pub(super) static ANNEX: [Field; 3] = [
    field("folder", Need::Optional, &NAME, "The folder in which it is, by its path in `folders`. Without it in none."),
    USER_PROPERTIES,
    OWN_PERMISSIONS,
];

/// The own properties alone, of what is in no folder of its own.
pub(super) const USER_PROPERTIES: Field = field(
    "user_properties",
    Need::Optional,
    &SECTIONS,
    "Texts of your own by section and key, as {TServer: {wrap-up-time: \"30\"}}: programs of others read them.",
);

static OBJECT_RIGHT: Shape = Shape::OneOf(&FolderRight::NAMES_OF_OBJECTS);
static OBJECT_RIGHTS: Shape = Shape::Choice { of: &OBJECT_RIGHT, max: FolderRight::OF_OBJECTS.len() };

static OWN_PERMISSION_LIST: Shape = Shape::List {
    of: &Shape::Record(&[
        field(
            "group",
            Need::Optional,
            &NAME,
            "An access group, Everyone or Administrators. One of `group` and `person` is there.",
        ),
        field("person", Need::Optional, &NAME, "A person, by `user`."),
        field("rights", Need::Optional, &OBJECT_RIGHTS, "What they may do with it, besides what folders give."),
        field(
            "no_access",
            Need::Optional,
            &Shape::Flag,
            "They may do nothing with it, whatever other entries give; without it false.",
        ),
    ]),
    max: OWN_PERMISSIONS_MAX,
};

/// The entries about who may do what with an object alone. Folders and the tenant itself have none.
const OWN_PERMISSIONS: Field = field(
    "own_permissions",
    Need::Optional,
    &OWN_PERMISSION_LIST,
    "Who may do what with this one, together with what its folder and those around it say.",
);

/// The name of something.
pub(super) const NAME: Shape = Shape::Text { max: 255 };

/// A key of a record.
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) doc: &'static str,
    pub(super) shape: &'static Shape,
    pub(super) need: Need,
}

/// Whether a key is mandatory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

/// Declares a key of a record.
pub(super) const fn field(key: &'static str, need: Need, shape: &'static Shape, doc: &'static str) -> Field {
    Field { key, doc, shape, need }
}

/// Adds every fault of `node` to `faults`; `at` is its key.
pub(super) fn check(node: &Node, shape: &Shape, at: &str, faults: &mut Vec<Fault>) {
    match shape {
        Shape::Text { max } => check_text(node, *max, &[], at, faults),
        Shape::Secret { max } => {
            let is_sealed = node.text().is_some_and(|text| Secret(text.to_owned()).is_sealed());
            check_text(node, if is_sealed { sealed_max(*max) } else { *max }, &[], at, faults);
        }
        Shape::Lines { max } => check_text(node, *max, &['\r', '\n'], at, faults),
        Shape::OneOf(names) => {
            if !node.text().is_some_and(|text| names.contains(&text)) {
                let names = names.join(", ");
                let rule = BrokenRule::new(FaultCode::OneOf, format!("it must be one of {names}"));
                fault(faults, node.line, at, rule.naming("names", names));
            }
        }
        Shape::Number { min, max } => match node.value {
            Value::Number(number) if (*min..=*max).contains(&number) => {}
            Value::Number(number) => {
                let rule = BrokenRule::new(FaultCode::OutOfRange, format!("{number} is not from {min} to {max}"));
                fault(faults, node.line, at, rule.naming("least", min.to_string()).naming("most", max.to_string()));
            }
            _ => fault(faults, node.line, at, wrong_type("number", "a number", node)),
        },
        Shape::Flag => {
            if !matches!(node.value, Value::Bool(_)) {
                fault(faults, node.line, at, wrong_type("flag", "true or false", node));
            }
        }
        Shape::List { of, max } => check_list(node, of, *max, at, faults),
        Shape::Choice { of, max } => {
            check_list(node, of, *max, at, faults);
            check_choice(node, at, faults);
        }
        Shape::Named { of, max } => check_named(node, of, *max, at, faults),
        Shape::Record(fields) => check_record(node, &[fields], at, faults),
        Shape::Object(fields) => check_record(node, &[fields, &ANNEX], at, faults),
        &Shape::ShortObject { value, key, doc, more } => {
            if matches!(node.value, Value::Map(_)) {
                check_record(node, &[&[field(key, Need::Required, value, doc)], more, &ANNEX], at, faults);
            } else {
                check(node, value, at, faults);
            }
        }
    }
}

fn check_text(node: &Node, max: usize, also: &[char], at: &str, faults: &mut Vec<Fault>) {
    let is_bad = |c: char| c.is_control() && !also.contains(&c);
    let rule = match &node.value {
        Value::Text(text) if text.is_empty() => BrokenRule::empty(),
        Value::Text(text) if text.len() > max => {
            BrokenRule::new(FaultCode::TooLong, format!("it has more than {max} bytes")).naming("most", max.to_string())
        }
        Value::Text(text) if text.chars().any(is_bad) => {
            BrokenRule::new(FaultCode::ControlCharacter, "it has a control character")
        }
        Value::Text(_) => return,
        Value::Number(_) | Value::Bool(_) | Value::Fraction => {
            let words = format!("text is needed, this is {}: put it in quotes", node.noun());
            BrokenRule::wrong_type("text", words)
        }
        _ => wrong_type("text", "text", node),
    };
    fault(faults, node.line, at, rule);
}

fn check_list(node: &Node, of: &Shape, max: usize, at: &str, faults: &mut Vec<Fault>) {
    let Value::List(items) = &node.value else {
        return fault(faults, node.line, at, wrong_type("list", "a list", node));
    };
    if items.len() > max {
        fault(faults, node.line, at, too_many(max));
    }
    for (index, item) in items.iter().enumerate() {
        check(item, of, &format!("{at}[{index}]"), faults);
    }
}

fn check_choice(node: &Node, at: &str, faults: &mut Vec<Fault>) {
    let Value::List(items) = &node.value else { return };
    if items.is_empty() {
        let rule = BrokenRule::new(FaultCode::Needed, "it is empty: leave the key out, or name at least one");
        fault(faults, node.line, at, rule);
    }
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(again) = item.text().filter(|text| !seen.insert(*text)) {
            let rule = BrokenRule::new(FaultCode::Twice, format!("{again} stands there twice")).naming("name", again);
            fault(faults, item.line, &format!("{at}[{index}]"), rule);
        }
    }
}

fn check_named(node: &Node, of: &Shape, max: usize, at: &str, faults: &mut Vec<Fault>) {
    let Value::Map(entries) = &node.value else {
        return fault(faults, node.line, at, wrong_type("map", "a map", node));
    };
    if entries.len() > max {
        fault(faults, node.line, at, too_many(max));
    }
    for entry in entries {
        if let Some(noun) = entry.key_noun {
            let words = format!("a key here is text, this is {noun}: put it in quotes");
            fault(faults, entry.line, &join(at, &entry.key), BrokenRule::wrong_type("text", words));
        }
        // PostgreSQL has no text with it.
        if entry.key.contains('\0') {
            let rule = BrokenRule::new(FaultCode::ControlCharacter, "a key here has the character 0");
            fault(faults, entry.line, at, rule);
        }
        check(&entry.node, of, &join(at, &entry.key), faults);
    }
}

fn check_record(node: &Node, fields: &[&[Field]], at: &str, faults: &mut Vec<Fault>) {
    let fields = || fields.iter().copied().flatten();
    let Value::Map(entries) = &node.value else {
        return fault(faults, node.line, at, wrong_type("map", "a map", node));
    };
    for entry in entries {
        match fields().find(|field| field.key == entry.key) {
            Some(field) => check(&entry.node, field.shape, &join(at, field.key), faults),
            None => {
                let known: Vec<_> = fields().map(|field| field.key).collect();
                let words = format!("there is no such key; the keys here are {}", known.join(", "));
                let rule = BrokenRule::new(FaultCode::UnknownField, words);
                fault(faults, entry.line, &join(at, &entry.key), rule);
            }
        }
    }
    for field in fields().filter(|field| field.need == Need::Required) {
        if node.get(field.key).is_none() {
            fault(faults, node.line, &join(at, field.key), BrokenRule::needed());
        }
    }
}

/// The most entries that the list or the map at that key of a record may have.
pub(super) fn most(shape: &Shape, key: &str) -> Option<usize> {
    let Shape::Record(fields) = shape else { return None };
    match fields.iter().find(|field| field.key == key)?.shape {
        Shape::List { max, .. } | Shape::Named { max, .. } => Some(*max),
        _ => None,
    }
}

/// The key of an entry within another entry.
pub(super) fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn fault(faults: &mut Vec<Fault>, line: usize, key: &str, rule: BrokenRule) {
    faults.push(Fault { line, key: key.to_owned(), rule });
}

fn wrong_type(wanted: &str, named: &str, node: &Node) -> BrokenRule {
    BrokenRule::wrong_type(wanted, format!("{named} is needed, this is {}", node.noun()))
}

fn too_many(max: usize) -> BrokenRule {
    BrokenRule::new(FaultCode::TooMany, format!("it has more than {max} entries")).naming("most", max.to_string())
}

/// The longest text, in bytes, of a secret of so many bytes that is sealed: base64 of it, of its nonce and its tag, behind a name.
const fn sealed_max(max: usize) -> usize {
    max * 2 + 64
}

/// The JSON Schema (2020-12) of a shape.
pub(super) fn schema(shape: &Shape) -> Json {
    match shape {
        Shape::Text { max } | Shape::Lines { max } => json!({ "type": "string", "minLength": 1, "maxLength": max }),
        Shape::Secret { max } => json!({ "type": "string", "minLength": 1, "maxLength": sealed_max(*max) }),
        Shape::OneOf(names) => json!({ "enum": names }),
        Shape::Number { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::List { of, max } => json!({ "type": "array", "items": schema(of), "maxItems": max }),
        Shape::Choice { of, max } => {
            json!({ "type": "array", "items": schema(of), "minItems": 1, "maxItems": max, "uniqueItems": true })
        }
        Shape::Named { of, max } => {
            json!({ "type": "object", "additionalProperties": schema(of), "maxProperties": max })
        }
        Shape::Record(fields) => record_schema(&[fields]),
        Shape::Object(fields) => record_schema(&[fields, &ANNEX]),
        &Shape::ShortObject { value, key, doc, more } => {
            let whole = record_schema(&[&[field(key, Need::Required, value, doc)], more, &ANNEX]);
            json!({ "anyOf": [schema(value), whole] })
        }
    }
}

fn record_schema(fields: &[&[Field]]) -> Json {
    let fields = || fields.iter().copied().flatten();
    let described = |field: &Field| {
        let mut described = schema(field.shape);
        described["description"] = json!(field.doc);
        (field.key.to_owned(), described)
    };
    let properties: Map<String, Json> = fields().map(described).collect();
    let required: Vec<_> = fields().filter(|field| field.need == Need::Required).map(|field| field.key).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}
