//! Requests of an operation: those that its document describes, then those with one thing wrong.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::operations::Operation;
use super::schema::{alternatives, fitting};

const JSON: &str = "application/json";
/// More than any listener takes, said and not sent.
const TOO_LONG: usize = 1_000_000_000;
/// What stands in a path or a query where something else belongs.
const WRONG_TEXTS: [&str; 14] = [
    "",
    "-1",
    "1.5",
    "99999999999999999999999999",
    "null",
    "[]",
    "%7B%7D",
    "%00",
    "%ff",
    "%F0%9F%98%80",
    "%2e%2e%2f",
    "%27--",
    "nowhere",
    LONG,
];
/// 2,048 characters.
const LONG: &str = const_long();
const WRONG_MEDIA_TYPES: [Option<&str>; 5] =
    [None, Some("text/plain"), Some("application/xml"), Some("multipart/form-data"), Some(";;;")];
const BROKEN: [&[u8]; 11] =
    [b"", b"{", b"null", b"[]", b"\"x\"", b"1", b"{}", b"{\"a\":1,\"a\":2}", b"\0", b"\xff\xfe", b"{\"a\":1e999}"];

const fn const_long() -> &'static str {
    const BYTES: [u8; 2_048] = [b'a'; 2_048];
    match str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// A request.
#[derive(Clone)]
pub struct Case {
    /// What is wrong with it.
    pub what: String,
    pub path: String,
    pub media_type: Option<String>,
    pub body: Option<Vec<u8>>,
    /// What it says of the length of its body, where that is not its length.
    pub declared_length: Option<usize>,
}

/// Numbers by a seed: xorshift.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap_or_default()
    }
}

/// What a parameter of a path is in a request that is right. Nothing that is deleted or put is there.
fn parameter(operation: &Operation, name: &str) -> &'static str {
    match name {
        "tenant" => "example",
        "kind" => "skill",
        "call" => "0000000000000001",
        "id" if operation.method == "GET" && operation.path.contains("{kind}") => "Sales",
        _ => "none",
    }
}

/// The path with one parameter otherwise.
fn path(operation: &Operation, changed: Option<(&str, &str)>) -> String {
    let mut parts = operation.path.split('{');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        let value = changed.filter(|(other, _)| *other == name).map_or(parameter(operation, name), |(_, value)| value);
        path.push_str(value);
        path.push_str(rest);
    }
    path
}

/// The names in braces.
fn parameters(operation: &Operation) -> Vec<&str> {
    operation.path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect()
}

/// Bodies that are right: one for each alternative. Where any text would do for the schema and none for the operation, they stand here.
fn right_bodies(operation: &Operation) -> Vec<Value> {
    let Some((JSON, schema)) = operation.body() else { return Vec::new() };
    if operation.path.ends_with("/changes") {
        let put = json!({
            "kind": "skill", "id": "Fuzzed", "action": "put", "object": {"name": "Fuzzed"}, "expected_revision": null, "fields": [],
        });
        return vec![json!({"request_id": "", "dry_run": true, "edits": [put]})];
    }
    if operation.path.ends_with("/restore") {
        return vec![json!({"kind": "skill", "id": "Nobody", "revision": 1, "expected_revision": null})];
    }
    alternatives(schema, &operation.schemas).into_iter().map(|one| fitting(one, &operation.schemas)).collect()
}

/// The request that is right but for its body.
fn plain(operation: &Operation, right: Option<&Value>) -> Case {
    let body = match operation.body() {
        None => None,
        Some((JSON, _)) => right.map(|body| body.to_string().into_bytes()),
        Some(_) => Some(b"user_name,first_name,last_name\n".to_vec()),
    };
    Case {
        what: "right".to_owned(),
        path: path(operation, None),
        media_type: operation.body().map(|(media_type, _)| media_type.to_owned()),
        body,
        declared_length: None,
    }
}

/// At most so many requests of an operation, those that are right first; where there are more, the seed says which are left out.
pub fn of(operation: &Operation, seed: u64, cases_max: usize) -> Result<Vec<Case>> {
    let bodies = right_bodies(operation);
    let base = plain(operation, bodies.first());
    let mut cases: Vec<Case> = bodies.iter().map(|body| plain(operation, Some(body))).collect();
    if cases.is_empty() {
        cases.push(base.clone());
    }
    let right = cases.len();
    cases.extend(wrong_places(operation, &base));
    if operation.body().is_some() {
        cases.extend(wrong_wholes(&base));
    }
    for body in &bodies {
        cases.extend(wrong_members(&base, body)?);
    }
    let mut draws = Draws(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    while cases.len() > cases_max.max(right) {
        let at = right + draws.below(cases.len() - right);
        cases.swap_remove(at);
    }
    Ok(cases)
}

/// Wrong paths and queries.
fn wrong_places(operation: &Operation, base: &Case) -> Vec<Case> {
    let with = |what: String, path: String| Case { what, path, ..base.clone() };
    let mut cases = Vec::new();
    for name in parameters(operation) {
        for wrong in WRONG_TEXTS {
            cases.push(with(format!("{name} in the path"), path(operation, Some((name, wrong)))));
        }
    }
    for name in operation.query() {
        for wrong in WRONG_TEXTS {
            cases.push(with(format!("{name} in the query"), format!("{}?{name}={wrong}", base.path)));
        }
        cases.push(with(format!("{name} twice"), format!("{}?{name}=1&{name}=2", base.path)));
    }
    for query in ["unheard=of", "&&=&", "%ff=%ff", "a=%"] {
        cases.push(with("an unknown query".to_owned(), format!("{}?{query}", base.path)));
    }
    cases
}

/// Wrong media types, and bodies that are wrong as a whole.
fn wrong_wholes(base: &Case) -> Vec<Case> {
    let media_types = WRONG_MEDIA_TYPES.iter().map(|media_type| Case {
        what: "the media type".to_owned(),
        media_type: media_type.map(str::to_owned),
        ..base.clone()
    });
    let bodies = BROKEN.iter().map(|body| (body.to_vec(), None));
    let nested = (b"[".repeat(5_000), None);
    let too_long = (Vec::new(), Some(TOO_LONG));
    let bodies = bodies.chain([nested, too_long]).map(|(body, declared_length)| Case {
        what: "the body".to_owned(),
        body: Some(body),
        declared_length,
        ..base.clone()
    });
    media_types.chain(bodies).collect()
}

fn wrong_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("x".repeat(5_000)),
        json!("\u{202e}\u{1f600}\u{0}\r\n"),
        json!([]),
        json!({}),
        json!([[]]),
        json!({"": {"": null}}),
    ]
}

/// The places of all members and items, as JSON pointers (RFC 6901).
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), member)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(number, item)| (number.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    for (name, member) in members {
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        pointers(member, &place, found);
        found.push(place);
    }
}

/// Bodies with one member that is missing, one too many, or another value in its place.
fn wrong_members(base: &Case, right: &Value) -> Result<Vec<Case>> {
    let with = |what: String, body: &Value| Case { what, body: Some(body.to_string().into_bytes()), ..base.clone() };
    let mut cases = Vec::new();
    let mut more = right.clone();
    if let Some(members) = more.as_object_mut() {
        members.insert("unheard_of".to_owned(), json!(1));
        cases.push(with("a further member".to_owned(), &more));
    }
    let mut places = Vec::new();
    pointers(right, "", &mut places);
    for place in places {
        let (parent, name) = place.rsplit_once('/').context("a pointer")?;
        let mut without = right.clone();
        if let Some(members) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
            members.remove(name);
            cases.push(with(format!("{place} is missing"), &without));
        }
        for wrong in wrong_values() {
            let mut changed = right.clone();
            *changed.pointer_mut(&place).context("it is there")? = wrong;
            cases.push(with(place.clone(), &changed));
        }
    }
    Ok(cases)
}
