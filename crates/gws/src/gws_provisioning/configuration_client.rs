//! Objects of a tenant as a person sees and changes them: gws-configuration is asked (gws-21), with the name of that person.

use std::sync::Once;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use net::http::{Answer, Call, CallError, Client, StatusCode};
use net::requester::{self, REQUESTER, REQUESTER_GRANT};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::RoleContext;
use serde_json::{Value, json};

use super::found_object::FoundObject;
use super::metrics::{AskOutcome, Metrics};
use super::remembered_numbers::RememberedNumbers;
use super::requesting_person::RequestingPerson;
use crate::sessions::answers::ApiRefusal;

/// Time for an answer to what reads; how long one replica may be silent then while another has not been asked; time for a change: more than
/// gws-configuration takes, less than gws-proxy waits.
const READ_WITHIN: Duration = Duration::from_secs(10);
const SILENT_MAX: Duration = Duration::from_secs(2);
const CHANGED_WITHIN: Duration = Duration::from_secs(22);
/// How long a request waits that found no place at tenant, time after time.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];
/// The most objects of a kind that are read for one answer, and some of the last page.
const OBJECTS_MAX: usize = 50_000;
/// Changes of a page, and the most pages of them that are read at once: who watches and is farther behind misses what was before.
const CHANGES_OF_PAGE: usize = 100;
const CHANGE_PAGES_MAX: usize = 50;
/// What is told where there is no answer.
const NOT_NOW: &str = "the configuration cannot be read or changed now";

/// What a question comes to.
pub(super) type Told<T> = Result<T, ApiRefusal>;

/// gws-configuration.
pub(super) trait ConfigurationSide: Send + Sync {
    /// Reads what stands below the asker's tenant.
    fn get(&self, asker: &RequestingPerson, below: &str) -> BoxFuture<'static, Told<Value>>;
    /// Which people have which numbers, as far as it is remembered.
    fn numbers(&self) -> Option<&RememberedNumbers> {
        None
    }
    /// Changes, or takes a table.
    fn post(&self, asker: &RequestingPerson, below: &str, body: &Value) -> BoxFuture<'static, Told<Value>>;
}

/// The client.
pub(super) struct ConfigurationClient {
    client: Client,
    metrics: Metrics,
    numbers: RememberedNumbers,
}

impl ConfigurationClient {
    /// By the role's connection to gws-configuration.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext, metrics: Metrics) -> anyhow::Result<Self> {
        Ok(Self { client: Client::new(ctx, "gws-21")?, metrics, numbers: RememberedNumbers::new(ctx.clock.clone()) })
    }

    fn send(&self, asker: &RequestingPerson, call: Call) -> BoxFuture<'static, Told<Value>> {
        let written = |text: Option<String>| text.and_then(|written| HeaderValue::try_from(written).ok());
        let (named, grant) = (written(requester::encoded(&asker.subject)), written(asker.grant.encoded()));
        let (client, metrics) = (asker.client, self.metrics.clone());
        async move {
            let rule = || ApiRefusal::bad_request(format!("{REQUESTER}: {}", requester::rule()));
            let call = call.header(HeaderName::from_static(REQUESTER), named.ok_or_else(rule)?);
            let rule = || ApiRefusal::bad_request(format!("{REQUESTER_GRANT}: it is too long"));
            let call = call.header(HeaderName::from_static(REQUESTER_GRANT), grant.ok_or_else(rule)?);
            let call = match &client {
                Some(client) => call.relayed_for(client),
                None => call,
            };
            let told = told(call).await;
            metrics.asks.inc(match &told {
                Ok(_) => AskOutcome::Answered,
                Err(refusal) if refusal.status().is_server_error() => AskOutcome::Unanswered,
                Err(_) => AskOutcome::Refused,
            });
            told
        }
        .boxed()
    }
}

/// What a request comes to. Tenant answers few at once: one that found no place was not begun, and is made again.
async fn told(call: Call) -> Told<Value> {
    for pause in PAUSES {
        match told_once(call.clone()).await {
            Err(refusal) if refusal.status() == StatusCode::TOO_MANY_REQUESTS => tokio::time::sleep(pause).await,
            told => return told,
        }
    }
    told_once(call).await
}

async fn told_once(call: Call) -> Told<Value> {
    call.send_any().await.map_err(|error| away(&error)).and_then(|answer| read(&answer))
}

fn read(answer: &Answer) -> Told<Value> {
    match answer.status {
        status if status.is_success() => answer.json().map_err(|error| away(&error)),
        StatusCode::BAD_REQUEST
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::CONFLICT
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::TOO_MANY_REQUESTS => Err(answer.problem().into()),
        status => {
            tracing::debug!(problem = %answer.problem(), "gws-configuration refuses");
            // What is wrong behind it, as a tenant that does not answer to the end, leaves open what was done there.
            Err(if status.is_server_error() {
                ApiRefusal::unanswered(NOT_NOW)
            } else {
                ApiRefusal::unavailable(NOT_NOW)
            })
        }
    }
}

fn away(error: &CallError) -> ApiRefusal {
    tracing::debug!(%error, "gws-configuration does not answer");
    match error {
        CallError::Deadline(_) => ApiRefusal::late(),
        CallError::Broken(..) | CallError::Shape(_) => ApiRefusal::unanswered(NOT_NOW),
        CallError::Nowhere(_) | CallError::Connect(..) | CallError::Refused(_) => ApiRefusal::unavailable(NOT_NOW),
    }
}

impl ConfigurationSide for ConfigurationClient {
    fn get(&self, asker: &RequestingPerson, below: &str) -> BoxFuture<'static, Told<Value>> {
        let call = self.client.get(&path(asker, below)).deadline(READ_WITHIN).idempotent().silent_max(SILENT_MAX);
        self.send(asker, call)
    }

    fn numbers(&self) -> Option<&RememberedNumbers> {
        Some(&self.numbers)
    }

    fn post(&self, asker: &RequestingPerson, below: &str, body: &Value) -> BoxFuture<'static, Told<Value>> {
        let call = self.client.post(&path(asker, below)).json(body).deadline(CHANGED_WITHIN);
        self.send(asker, call)
    }
}

fn path(asker: &RequestingPerson, below: &str) -> String {
    format!("/configuration/v3/{}/{below}", encoded(asker.tenant.as_str()))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Where the next page of an answer begins; an empty text if it is the last one.
///
/// # Errors
/// If it does not say so: what is told would be taken for all there is.
fn next_page(told: &Value) -> Told<String> {
    static LACKING: Once = Once::new();
    let next = told["nextPageToken"].as_str().map(str::to_owned);
    next.ok_or_else(|| {
        LACKING.call_once(|| tracing::warn!("gws-configuration tells pages without nextPageToken"));
        ApiRefusal::unavailable("the configuration cannot be read now")
    })
}

/// All objects of a kind that the asker sees; of their documents these fields, or all.
pub(super) async fn all(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    kind: &str,
    fields: &str,
) -> Told<Vec<FoundObject>> {
    let (mut found, mut page) = (Vec::new(), String::new());
    loop {
        let below = format!("objects/{}?fields={}&pageToken={}", encoded(kind), encoded(fields), encoded(&page));
        let told = configuration.get(asker, &below).await?;
        found.extend(told["objects"].as_array().into_iter().flatten().map(FoundObject::of));
        page = next_page(&told)?;
        if page.is_empty() {
            return Ok(found);
        }
        if found.len() >= OBJECTS_MAX {
            tracing::warn!(tenant = %asker.tenant, kind, most = OBJECTS_MAX, "there are more objects than are told");
            return Ok(found);
        }
    }
}

/// An object, if the asker sees it.
pub(super) async fn one(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    kind: &str,
    id: &str,
) -> Told<Option<FoundObject>> {
    match configuration.get(asker, &format!("objects/{}/{}", encoded(kind), encoded(id))).await {
        Ok(told) => Ok(Some(FoundObject::of(&told))),
        Err(refusal) if refusal.status() == StatusCode::NOT_FOUND => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Makes changes, all or none; the objects as they are told then, without their documents.
pub(super) async fn change(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    changes: &[Value],
) -> Told<Vec<FoundObject>> {
    let told = configuration.post(asker, "objects", &json!({ "changes": changes })).await?;
    Ok(told["objects"].as_array().into_iter().flatten().map(FoundObject::of).collect())
}

/// The revision of the asker's tenant.
pub(super) async fn present_revision(configuration: &dyn ConfigurationSide, asker: &RequestingPerson) -> Told<u64> {
    let told = configuration.get(asker, "revision").await?;
    told["revision"].as_u64().ok_or_else(ApiRefusal::internal)
}

/// What the asker sees of the changes behind that one and that revision, the first one first.
pub(super) async fn changes_after(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    (after, revision): (u64, u64),
) -> Told<Vec<Value>> {
    let (mut found, mut page) = (Vec::new(), String::new());
    for _ in 0..CHANGE_PAGES_MAX {
        let below = format!("object-history?limit={CHANGES_OF_PAGE}&pageToken={}", encoded(&page));
        let told = configuration.get(asker, &below).await?;
        let entries = told["entries"].as_array().cloned().unwrap_or_default();
        let is_behind = |entry: &Value| {
            let is = |name: &str, than: u64| entry[name].as_u64().is_some_and(|own| own > than);
            is("number", after) && is("revision", revision)
        };
        let is_whole = !entries.iter().all(is_behind);
        found.extend(entries.into_iter().filter(is_behind));
        page = next_page(&told)?;
        if is_whole || page.is_empty() {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::test_objects::{KnownObjects, ada};
    use super::*;

    #[test]
    fn without_an_answer_it_is_known_that_nothing_was_done_only_where_nothing_was_sent() {
        let replica = SocketAddr::from(([127, 0, 0, 1], 80));
        let broken = CallError::Broken(replica, "reset".into());
        for (error, may_be_done) in [
            (CallError::Deadline(replica), true),
            (broken, true),
            (CallError::Shape("no JSON".to_owned()), true),
            (CallError::Nowhere("gws-configuration"), false),
        ] {
            assert_eq!(away(&error).may_be_done(), may_be_done, "{error}");
        }
        let answered = |status: StatusCode| Answer { status, headers: Default::default(), body: Default::default() };
        for (status, may_be_done) in [
            (StatusCode::SERVICE_UNAVAILABLE, true),
            (StatusCode::GATEWAY_TIMEOUT, true),
            (StatusCode::TOO_MANY_REQUESTS, false),
            (StatusCode::FORBIDDEN, false),
            (StatusCode::UNAUTHORIZED, false),
        ] {
            assert_eq!(read(&answered(status)).unwrap_err().may_be_done(), may_be_done, "{status}");
        }
    }

    #[tokio::test]
    async fn changes_are_told_in_their_order_and_those_before_are_not() {
        let entry = |number: u64| json!({"number": number, "revision": number - 2, "kind": "skill", "id": "French"});
        let known = KnownObjects {
            answers: vec![("object-history", json!({"entries": [entry(9), entry(7), entry(5)], "nextPageToken": "5"}))],
            ..KnownObjects::default()
        };
        for (behind, due) in [((5, 0), vec![7, 9]), ((0, 3), vec![7, 9]), ((0, 5), vec![9]), ((9, 0), vec![])] {
            let found = changes_after(&known, &ada(), behind).await.unwrap();
            let numbers: Vec<u64> = found.iter().filter_map(|entry| entry["number"].as_u64()).collect();
            assert_eq!(numbers, due, "{behind:?}");
        }
    }

    #[tokio::test]
    async fn a_page_that_does_not_say_whether_it_is_the_last_is_not_taken_for_all() {
        let answers = vec![
            ("objects/skill", json!({"objects": []})),
            ("objects/queue", json!({"objects": [], "nextPageToken": ""})),
            ("object-history", json!({"entries": []})),
        ];
        let known = KnownObjects { answers, ..KnownObjects::default() };
        let refused = Err(ApiRefusal::unavailable("the configuration cannot be read now"));
        assert_eq!(all(&known, &ada(), "skill", "").await, refused);
        assert_eq!(all(&known, &ada(), "queue", "").await, Ok(Vec::new()));
        assert!(changes_after(&known, &ada(), (0, 0)).await.is_err());
    }

    #[tokio::test]
    async fn an_object_that_is_not_seen_is_none() {
        let told = json!({"kind": "skill", "id": "French", "dbid": 5, "revision": 3, "document": {"name": "French"}});
        let known = KnownObjects { answers: vec![("objects/skill/French", told)], ..KnownObjects::default() };
        let found = one(&known, &ada(), "skill", "French").await.unwrap().unwrap();
        assert_eq!((found.number, found.revision, found.text("/name")), (5, 3, Some("French")));
        assert_eq!(one(&known, &ada(), "skill", "German").await.unwrap(), None);
    }
}
