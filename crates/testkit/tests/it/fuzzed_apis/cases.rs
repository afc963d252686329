//! Requests of an operation: those that are right, then those with one thing wrong.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::audio::{RATE, wav_at};

use super::nul;
use super::operations::Operation;
use super::schema::{alternatives, fitting};

const JSON: &str = "application/json";
/// The media type of recordings.
pub const WAV: &str = "audio/wav";
/// What is wrong with a request that is right.
pub const RIGHT: &str = "right";
/// Requests of one operation at most, beside those that are right: of one with a document, of changes, which have every kind of object, and
/// of a path without a document. All of them together take some seconds.
const CASES_MAX: usize = 400;
const CHANGES_MAX: usize = 1_200;
const ROUTED_MAX: usize = 40;
/// An object of every kind with many of its fields, as the example may have it besides.
const OBJECTS: &str = include_str!("objects.json");
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
/// Headers that nobody needs, each with what no such header has.
const WRONG_HEADERS: [&str; 17] = [
    "Accept: image/png",
    "Accept-Encoding: ;q=2,,",
    "Accept-Language: 9999;q=x",
    "Content-Encoding: nonsense",
    "Content-Language: \u{e9}",
    "Cookie: =;;=",
    "Forwarded: for=;;,",
    "Idempotency-Key: \u{20}",
    "If-Match: nothing",
    "If-None-Match: nothing",
    "Last-Event-ID: nothing",
    "Origin: null",
    "Range: bytes=9-1",
    "X-Forwarded-For: nowhere",
    "X-Forwarded-Proto: gopher",
    "X-HTTP-Method-Override: DELETE",
    "traceparent: 00-zz-zz-zz",
];
/// Queries of paths without a document.
const WRONG_QUERIES: [&str; 8] = [
    "filter=%28",
    "filter=userName%20eq%20%22x",
    "count=-1",
    "startIndex=99999999999999999999",
    "from=nothing&to=-1",
    "app=%00",
    "client_id=%ff",
    "redirect_uri=%00",
];
/// Tables of people with one thing wrong, but for the first ones, which are odd and right.
const TABLES: [&str; 15] = [
    "\u{feff}user_name,first_name,last_name\nfuzzed.row,Fuzz,Row\n",
    "user_name;first_name;last_name\nfuzzed.row;Fuzz;Row\n",
    "user_name,first_name,last_name\r\n\r\n\n,,\n",
    "user_name,nothing\na,b\n",
    "user_name,user_name\na,a\n",
    "first_name\nFuzz\n",
    "user_name,first_name,last_name\n\"a,b,c\n",
    "user_name,first_name,last_name\na,b,c,d\n",
    "user_name,first_name,last_name\nfuzzed.b,b,c\nFUZZED.B,b,c\n",
    "user_name,first_name,last_name\n=1+1,b,c\n",
    "user_name,first_name,last_name\n\0,\0,\0\n",
    "user_name,first_name,last_name,disabled\nfuzzed.b,b,c,maybe\n",
    "user_name,first_name,last_name,agent_id,skills\nfuzzed.b,b,c,9802,Sales=99999999999\n",
    "user_name,first_name,last_name,agent_id,skills\nfuzzed.b,b,c,9802,Sales=9|Sales=9\n",
    "user_name,first_name,last_name,agent_id,place,wrap_up_s\nfuzzed.b,b,c,1001,Nowhere,-1\n",
];
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
    /// A header besides.
    pub header: Option<String>,
    pub body: Option<Vec<u8>>,
    /// What it says of the length of its body, where that is not its length.
    pub declared_length: Option<usize>,
}

impl Case {
    /// A request without a body that is right.
    pub fn right(path: String) -> Self {
        Self { what: RIGHT.to_owned(), path, media_type: None, header: None, body: None, declared_length: None }
    }
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

/// What a parameter of a path is in a request that is right.
fn parameter<'o>(operation: &'o Operation, name: &str) -> &'o str {
    match name {
        "tenant" => "example",
        "kind" => "skill",
        _ => &operation.known,
    }
}

/// The path with one parameter otherwise.
pub fn path(operation: &Operation, changed: Option<(&str, &str)>) -> String {
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
pub fn parameters(operation: &Operation) -> Vec<&str> {
    operation.path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect()
}

/// Bodies that are right: one for each alternative. Where any text would do for the schema and none for the operation, they stand here.
fn right_bodies(operation: &Operation) -> Result<Vec<Value>> {
    if let Some(routed) = &operation.routed {
        return Ok(serde_json::from_str(routed.body).into_iter().collect());
    }
    let Some((JSON, schema)) = operation.body() else { return Ok(Vec::new()) };
    if operation.path.ends_with("/changes") {
        let objects: Vec<Value> = serde_json::from_str(OBJECTS)?;
        ensure!(objects.len() > 28, "{} objects are too few for a kind each", objects.len());
        return Ok(objects.iter().map(put).collect());
    }
    if operation.path.ends_with("/restore") {
        return Ok(vec![json!({"kind": "skill", "id": "Sales", "revision": 1, "expected_revision": null})]);
    }
    if operation.path.ends_with("/api-keys") {
        return Ok(vec![
            json!({"name": "Fuzzed", "client": null, "scopes": ["config:read"], "expires_at": null, "request_id": ""}),
        ]);
    }
    if operation.path.contains("/webhooks") && !operation.path.ends_with("/redeliver") {
        let filter = json!({"dns": ["7101"], "agents": [], "queues": [], "calls": [], "events": []});
        return Ok(vec![json!({"url": "https://crm.example/", "description": "", "enabled": true, "filter": filter})]);
    }
    let all = alternatives(schema, &operation.schemas).into_iter();
    Ok(all.map(|one| fitting(one, &operation.schemas)).collect())
}

/// A trial to put an object, after the one that it names where the example has none.
fn put(of: &Value) -> Value {
    let edit = |of: &Value| {
        json!({
            "kind": of["kind"], "id": of["id"], "action": "put", "object": of["object"], "expected_revision": null,
            "fields": [],
        })
    };
    let edits: Vec<Value> = [&of["with"], of].into_iter().filter(|of| of.is_object()).map(edit).collect();
    json!({"request_id": "", "dry_run": true, "edits": edits})
}

/// A second of silence, as somebody uploads it for a prompt.
pub fn recording() -> Vec<u8> {
    // The length of a WAV file of a second cannot be too long.
    wav_at(RATE, &[1_000; RATE]).unwrap_or_default()
}

/// The request that is right but for its body.
fn plain(operation: &Operation, right: Option<&Value>) -> Case {
    let json_body = right.map(|body| body.to_string().into_bytes());
    let (media_type, body) = match (&operation.routed, operation.body()) {
        (Some(routed), _) if routed.body.is_empty() => (None, None),
        // Not all of them are JSON.
        (Some(routed), _) => (Some(JSON), Some(routed.body.as_bytes().to_vec())),
        (None, None) => (None, None),
        (None, Some((JSON, _))) => (Some(JSON), json_body),
        (None, Some((media_type @ WAV, _))) => (Some(media_type), Some(recording())),
        (None, Some((media_type, _))) => {
            (Some(media_type), Some(b"user_name,first_name,last_name\nfuzzed.row,Fuzz,Row\n".to_vec()))
        }
    };
    Case { media_type: media_type.map(str::to_owned), body, ..Case::right(path(operation, None)) }
}

/// Those that are right first, then some that are wrong; where there are more of them, the seed says which are left out. Those with the
/// character 0 come behind, all of them.
pub fn of(operation: &Operation, seed: u64) -> Result<Vec<Case>> {
    let bodies = right_bodies(operation)?;
    let base = plain(operation, bodies.first());
    let mut cases: Vec<Case> = bodies.iter().map(|body| plain(operation, Some(body))).collect();
    if cases.is_empty() {
        cases.push(base.clone());
    }
    let right = cases.len();
    cases.extend(wrong_places(operation, &base));
    cases.extend(WRONG_HEADERS.map(|header| Case {
        what: header.to_owned(),
        header: Some(header.to_owned()),
        ..base.clone()
    }));
    cases.push(Case { what: "a long header".to_owned(), header: Some(format!("X-Long: {LONG}")), ..base.clone() });
    if base.body.is_some() {
        cases.extend(wrong_wholes(&base));
    }
    if base.media_type.as_deref() == Some("text/csv") {
        let table = |table: &str| Case { what: "the table".to_owned(), body: Some(table.into()), ..base.clone() };
        cases.extend(TABLES.map(table));
    }
    for body in &bodies {
        cases.extend(wrong_members(&base, body)?);
    }
    let most = match &operation.routed {
        Some(_) => ROUTED_MAX,
        None if operation.path.ends_with("/changes") => CHANGES_MAX,
        None => CASES_MAX,
    };
    let mut draws = Draws(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    while cases.len() > most + right {
        let at = right + draws.below(cases.len() - right);
        cases.swap_remove(at);
    }
    cases.extend(nul::of(operation, &base, &bodies)?);
    Ok(cases)
}

/// Wrong paths and queries.
fn wrong_places(operation: &Operation, base: &Case) -> Vec<Case> {
    let with = |what: String, path: String| Case { what, path, ..base.clone() };
    let mut cases = Vec::new();
    if operation.routed.is_some() {
        let whole = base.path.split('?').next().unwrap_or_default();
        let folder = whole.rsplit_once('/').map_or("", |(folder, _)| folder);
        cases
            .extend(WRONG_TEXTS.map(|wrong| with("the last part of the path".to_owned(), format!("{folder}/{wrong}"))));
        cases.extend(WRONG_QUERIES.map(|query| with(query.to_owned(), format!("{whole}?{query}"))));
    }
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
pub fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
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
