//! Writes: many in one request, each by the id of its document. What the server had no room for at that moment is sent again.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use infra::search::spellings;
use infra::{Collection, MonitoredState, Result, StoreError, Swept, TargetDocument};
use model::TenantId;
use serde_json::{Map, Value, json};

use super::exchange::{LINES, SearchExchange, unavailable};
use super::indices::{ANY, COLLECTION, Indices, document_id, key_of};
use super::query::{NOTED, TARGET};

/// How often lines are sent that the server has no room for, and the pause before the second time; each further one doubles it.
const ATTEMPTS_MAX: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);
/// The most bytes of one request.
const REQUEST_BYTES_MAX: usize = 5 << 20;
/// The most suffixes of a word: what begins further in is not found.
const SUFFIXES_MAX: usize = 64;
const STATE: &str = "state";
/// What the server calls it where there is no index.
const INDEX_GONE: &str = "index_not_found_exception";

/// Lines of a request: what is to be done, and with which document.
#[derive(Default)]
pub(super) struct BulkLines(Vec<String>);

/// The texts of a target as they are searched.
#[derive(Default)]
struct SearchedTexts {
    whole: Map<String, Value>,
    words: Map<String, Value>,
    parts: Map<String, Value>,
}

fn push(texts: &mut Map<String, Value>, field: &str, text: &str) {
    let list = texts.entry(field).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|known| known == text)
    {
        list.push(json!(text));
    }
}

impl SearchedTexts {
    fn of(target: &TargetDocument) -> Self {
        let mut texts = Self::default();
        for (field, text) in &target.fields {
            for spelt in spellings(text) {
                for field in [field.as_str(), ANY] {
                    texts.add(field, &spelt);
                }
            }
        }
        texts
    }

    fn add(&mut self, field: &str, text: &str) {
        push(&mut self.whole, field, text);
        for word in text.split_whitespace() {
            push(&mut self.words, field, word);
            // Whatever is in a word begins one of its ends.
            for (at, _) in word.char_indices().take(SUFFIXES_MAX) {
                push(&mut self.parts, field, &word[at..]);
            }
        }
    }
}

impl BulkLines {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, index: &str, tenant: &TenantId, key: &str, document: &Value) {
        let at = json!({"_index": index, "_id": document_id(tenant, key), "routing": tenant.as_str()});
        self.0.push(format!("{}\n{document}\n", json!({"index": at})));
    }

    pub fn target(&mut self, indices: &Indices, tenant: &TenantId, build: u64, target: &TargetDocument) {
        let SearchedTexts { whole, words, parts } = SearchedTexts::of(target);
        let document = json!({
            "tenant": tenant.as_str(), "kind": TARGET, "build": build, "type": target.target_type,
            "groups": target.groups, "sort": target.sorted_by, "key": target.key, "shown": target.shown,
            "whole": whole, "words": words, "parts": parts,
        });
        self.put(indices.name(Swept::Targets), tenant, &target.key, &document);
    }

    pub fn collection(&mut self, indices: &Indices, tenant: &TenantId, collection: &Collection) {
        let document = json!({
            "tenant": tenant.as_str(), "kind": NOTED, "build": collection.build, "revision": collection.revision,
            "targets": collection.targets, "checkedAt": collection.checked_at.as_millis(),
            "heardAt": collection.heard_at.as_millis(),
        });
        self.put(indices.name(Swept::Targets), tenant, COLLECTION, &document);
    }

    pub fn state(&mut self, indices: &Indices, tenant: &TenantId, build: u64, state: &MonitoredState) {
        let document = json!({
            "tenant": tenant.as_str(), "kind": STATE, "build": build, "key": state.id,
            "at": state.at.as_millis(), "shown": state.value,
        });
        self.put(indices.name(Swept::States), tenant, &state.id, &document);
    }

    pub fn removal(&mut self, indices: &Indices, tenant: &TenantId, key: &str) {
        let index = indices.name(Swept::Targets);
        let at = json!({"_index": index, "_id": document_id(tenant, key), "routing": tenant.as_str()});
        self.0.push(format!("{}\n", json!({"delete": at})));
    }

    /// The first of them, as many as one request takes.
    fn first(&self) -> usize {
        let mut bytes = 0;
        let fits = |line: &&String| {
            bytes += line.len();
            bytes <= REQUEST_BYTES_MAX
        };
        self.0.iter().take_while(fits).count().max(1).min(self.0.len())
    }
}

/// The removal of documents that a search has found, where nobody has written them since.
pub(super) fn removing(index: &str, tenant: &TenantId, told: &Value) -> BulkLines {
    let hits = told["hits"]["hits"].as_array().into_iter().flatten();
    let line = |hit: &Value| {
        let id = hit["_id"].as_str().filter(|id| key_of(tenant, id).is_some())?;
        let at = json!({
            "_index": index, "_id": id, "routing": tenant.as_str(),
            "if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"],
        });
        Some(format!("{}\n", json!({"delete": at})))
    };
    BulkLines(hits.filter_map(line).collect())
}

/// Writes them all.
pub(super) async fn write(exchange: &SearchExchange, lines: BulkLines, within: Duration) -> Result<()> {
    let mut left = lines;
    while !left.is_empty() {
        let further = left.0.split_off(left.first());
        written(exchange, left, within).await?;
        left = BulkLines(further);
    }
    Ok(())
}

async fn written(exchange: &SearchExchange, lines: BulkLines, within: Duration) -> Result<()> {
    let (mut left, mut pause) = (lines, PAUSE);
    for attempt in 1..=ATTEMPTS_MAX {
        match sent(exchange, &left, within).await {
            Ok(refused) if refused.is_empty() => return Ok(()),
            Ok(refused) => left = refused,
            Err(error) if !error.passes() || attempt == ATTEMPTS_MAX => return Err(error),
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(unavailable("the server has too much to do"))
}

/// Sends lines once. Returns those that the server has no room for.
async fn sent(exchange: &SearchExchange, lines: &BulkLines, within: Duration) -> Result<BulkLines> {
    const PATH: &str =
        "/_bulk?require_alias=true&filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";
    let body = Bytes::from(lines.0.concat());
    let answer = exchange.send(Method::POST, PATH, (LINES, body), within).await?.success()?;
    settled(&answer.json()?, lines)
}

/// What came of lines.
fn settled(told: &Value, lines: &BulkLines) -> Result<BulkLines> {
    if told["errors"] == false {
        return Ok(BulkLines::default());
    }
    let items = told["items"].as_array().filter(|items| items.len() == lines.0.len());
    let items = items.ok_or_else(|| unavailable("the answer is not that to the request"))?;
    let mut again = Vec::new();
    for (item, line) in items.iter().zip(&lines.0) {
        let outcome = item.as_object().and_then(|item| item.values().next()).unwrap_or(&Value::Null);
        if outcome["error"]["type"] == INDEX_GONE {
            return Err(StoreError::Missing { key: "an index of what is searched".to_owned() });
        }
        match outcome["status"].as_u64().unwrap_or_default() {
            // What is to go and is not there is gone; what was written since stays.
            200..=299 | 404 | 409 => {}
            429 | 502..=504 => again.push(line.clone()),
            status => {
                let of = |field: &str| outcome["error"][field].as_str().unwrap_or("no reason given").to_owned();
                return Err(StoreError::Invalid(format!("status {status}: {}: {:.200}", of("type"), of("reason"))));
            }
        }
    }
    Ok(BulkLines(again))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> BulkLines {
        BulkLines((0..count).map(|n| format!("{n}\n")).collect())
    }

    #[test]
    fn what_the_server_has_no_room_for_is_sent_again_and_nothing_else() {
        let told = json!({"errors": true, "items": [
            {"index": {"status": 201}}, {"index": {"status": 429}}, {"delete": {"status": 404}},
            {"delete": {"status": 409}}, {"index": {"status": 503}},
        ]});
        assert_eq!(settled(&told, &lines(5)).unwrap().0, ["1\n", "4\n"]);
        assert!(settled(&json!({"errors": false}), &lines(5)).unwrap().is_empty());
        let wrong =
            json!({"errors": true, "items": [{"index": {"status": 400, "error": {"type": "mapper_exception"}}}]});
        assert!(matches!(settled(&wrong, &lines(1)), Err(StoreError::Invalid(_))));
        assert!(matches!(settled(&json!({}), &lines(1)), Err(StoreError::Unavailable { .. })));
        let gone = json!({"errors": true, "items": [{"index": {"status": 404, "error": {"type": INDEX_GONE}}}]});
        assert!(matches!(settled(&gone, &lines(1)), Err(StoreError::Missing { .. })));
    }

    #[test]
    fn one_request_has_as_many_lines_as_its_bytes_allow() {
        let large =
            BulkLines(vec!["x".repeat(REQUEST_BYTES_MAX / 2), "x".repeat(REQUEST_BYTES_MAX / 2), "x".to_owned()]);
        assert_eq!(large.first(), 2);
        let larger = BulkLines(vec!["x".repeat(REQUEST_BYTES_MAX + 1), "x".to_owned()]);
        assert_eq!((larger.first(), lines(3).first()), (1, 3));
    }

    #[test]
    fn a_text_is_searched_by_its_words_and_their_ends() {
        let fields = vec![("name".to_owned(), "Jo Mü".to_owned())];
        let SearchedTexts { whole, words, parts } = SearchedTexts::of(&TargetDocument { fields, ..Default::default() });
        assert_eq!(whole["name"], json!(["jo mu", "jo mue"]));
        assert_eq!(words["any"], json!(["jo", "mu", "mue"]));
        assert_eq!(parts["name"], json!(["jo", "o", "mu", "u", "mue", "ue", "e"]));
    }

    #[test]
    fn no_document_of_another_tenant_is_removed() {
        let acme = TenantId::parse("acme").unwrap();
        let hit = |id: &str| json!({"_id": id, "_seq_no": 3, "_primary_term": 1});
        let told = json!({"hits": {"hits": [hit("acme/agent/ann"), hit("globex/agent/ann")]}});
        let lines = removing("t", &acme, &told);
        assert_eq!(lines.0.len(), 1);
        assert!(lines.0[0].contains("\"if_seq_no\":3"), "{}", lines.0[0]);
    }
}
