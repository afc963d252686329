//! The requests about webhooks.
//!
//! | path under `/api/voice/v1/{tenant}/webhooks` | methods |
//! |---|---|
//! | | GET, POST |
//! | `/{id}` | GET, PUT, DELETE |
//! | `/{id}/dead-letters` | GET |
//! | `/{id}/dead-letters/redeliver` | POST |

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::openapi::{Get, Method, OpenApi};
use contracts::v1;
use infra::{KnownLife, StoreError, TenantLife};
use model::TenantId;
use net::http::{Caller, JsonBody, Problem, Query};
use runtime::scope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::WebhookShop;
use super::dead_letters::DEAD_MAX;
use super::definition::{WEBHOOKS_MAX, Webhook, WebhookFilter, WebhookWanted};
use super::kept_key::KeptSigningKey;
use super::signature::{NEW_SECRET_BYTES, SigningKey};
use super::store::RecordPart;

/// Bytes of a webhook's id.
const ID_BYTES: usize = 12;
/// The most wishes to deliver again that wait to be carried out; together they name at most [`DEAD_MAX`] letters.
const AGAIN_MAX: usize = 32;
/// The longest id of a message, in bytes.
const MESSAGE_ID_BYTES_MAX: usize = 256;
/// Dead letters in one answer, unless it is asked for more.
const LETTERS: usize = 100;
/// What is said of a webhook whose deliveries cannot be signed.
const UNSIGNED: &str = "secret: it cannot be opened, so nothing is delivered: set another one";

const WEBHOOKS: Get = Get {
    path: "/api/voice/v1/{tenant}/webhooks",
    id: "webhooks",
    summary: "The webhooks",
    scope: scope::WEBHOOKS,
    query: &[],
};
const WEBHOOK: Get =
    Get { path: "/api/voice/v1/{tenant}/webhooks/{id}", id: "webhook", summary: "A webhook", ..WEBHOOKS };
const DEAD_LETTERS: Get = Get {
    path: "/api/voice/v1/{tenant}/webhooks/{id}/dead-letters",
    id: "deadLetters",
    summary: "What the webhook did not take, oldest first",
    query: &[("limit", "integer", "at most so many; 100 without it")],
    ..WEBHOOKS
};
const REDELIVER: Get = Get {
    path: "/api/voice/v1/{tenant}/webhooks/{id}/dead-letters/redeliver",
    id: "redeliver",
    summary: "Deliver dead letters again",
    ..WEBHOOKS
};

/// A webhook as it is shown.
#[derive(Serialize, JsonSchema)]
struct WebhookShown {
    /// Its name.
    id: String,
    /// Where deliveries are sent.
    url: String,
    /// Only in the answer to the request that has set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// For people.
    description: String,
    /// Whether deliveries are made.
    enabled: bool,
    /// Which events.
    filter: WebhookFilter,
    /// When it was made.
    created_at: String,
    /// Who has made it: a token's subject.
    created_by: String,
    /// How it goes; about a second old.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<WebhookState>,
}

/// How a webhook's deliveries go.
#[derive(Serialize, JsonSchema)]
struct WebhookState {
    /// The position in the stream of events up to which everything is delivered, waits or is a dead letter.
    position: String,
    /// Deliveries that wait.
    waiting: usize,
    /// Deliveries that were taken.
    delivered: u64,
    /// Dead letters.
    dead_letters: usize,
    /// Dead letters that were dropped because there were too many.
    dead_letters_dropped: u64,
    /// How often events were lost because the stream did not keep them long enough.
    gaps: u64,
    /// Why the last attempt failed; absent after a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// The webhooks of a tenant.
#[derive(Serialize, JsonSchema)]
struct List {
    /// In the order in which they were made.
    webhooks: Vec<WebhookShown>,
}

/// What a webhook did not take.
#[derive(Serialize, JsonSchema)]
struct Letters {
    /// Oldest first.
    dead_letters: Vec<DeadLetter>,
    /// How many more there are.
    more: usize,
}

/// A delivery that was given up.
#[derive(Serialize, JsonSchema)]
struct DeadLetter {
    /// Its `webhook-id`.
    id: String,
    /// How often it was tried.
    attempts: u32,
    /// When it was given up.
    dead_at: String,
    /// Why.
    error: String,
    /// The event.
    event: Value,
}

/// Which dead letters are delivered again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Again {
    /// Their ids; all of them without it.
    #[serde(default)]
    ids: Vec<String>,
}

/// How many dead letters are shown.
#[derive(Deserialize)]
struct LetterLimit {
    limit: Option<usize>,
}

#[derive(Clone)]
struct Api {
    shared: Arc<WebhookShop>,
    changed: mpsc::Sender<TenantId>,
}

/// The OpenAPI document of events and webhooks at the web edge.
pub(in crate::ingress) fn openapi(document: OpenApi) -> OpenApi {
    document
        .document::<List>(&WEBHOOKS)
        .body::<WebhookWanted, WebhookShown>(
            Method::Post,
            &Get { id: "makeWebhook", summary: "Make a webhook", ..WEBHOOKS },
        )
        .document::<WebhookShown>(&WEBHOOK)
        .body::<WebhookWanted, WebhookShown>(
            Method::Put,
            &Get { id: "replaceWebhook", summary: "Replace a webhook", ..WEBHOOK },
        )
        .removal(&Get { id: "removeWebhook", summary: "Remove a webhook, with what waits for it", ..WEBHOOK })
        .document::<Letters>(&DEAD_LETTERS)
        .body::<Again, Value>(Method::Post, &REDELIVER)
        .refusal((WEBHOOKS.path, "post"), "409", "there are as many webhooks as there may be")
        .refusal((REDELIVER.path, "post"), "409", "the webhook is off, or its secret cannot be opened")
}

pub(super) fn router(shared: Arc<WebhookShop>, changed: mpsc::Sender<TenantId>) -> Router {
    Router::new()
        .route(WEBHOOKS.path, get(list).post(make))
        .route(WEBHOOK.path, get(show).put(replace).delete(remove))
        .route(DEAD_LETTERS.path, get(dead_letters))
        .route(REDELIVER.path, post(redeliver))
        .with_state(Api { shared, changed })
}

/// A problem that a change may end in.
struct ChangeRefusal(Problem);

impl From<StoreError> for ChangeRefusal {
    fn from(error: StoreError) -> Self {
        Self(away(&error))
    }
}

fn away(error: &StoreError) -> Problem {
    tracing::warn!(%error, "webhooks cannot be read or written");
    Problem::unavailable("webhooks cannot be read or written now")
}

impl Api {
    /// The tenant, if the caller may do this.
    fn tenant(&self, tenant: &str, caller: &Caller) -> Result<TenantId, Problem> {
        let tenant = TenantId::parse(tenant).map_err(|error| Problem::not_found(error.to_string()))?;
        caller.may_act_for(&tenant)?;
        caller.needs_scope(scope::WEBHOOKS)?;
        Ok(tenant)
    }

    async fn change<T>(
        &self,
        tenant: &TenantId,
        change: impl FnMut(&mut Vec<Webhook>) -> Result<T, ChangeRefusal>,
    ) -> Result<T, Problem> {
        let outcome = self.shared.store.change(tenant, change).await.map_err(|ChangeRefusal(problem)| problem)?;
        // If many changes wait to be looked at, the next look finds this one too.
        let _ = self.changed.try_send(tenant.clone());
        Ok(outcome)
    }

    async fn find(&self, tenant: &TenantId, id: &str) -> Result<Webhook, Problem> {
        let webhooks = self.shared.store.webhooks(tenant).await.map_err(|error| away(&error))?.webhooks;
        webhooks.into_iter().find(|each| each.id == id).ok_or_else(none)
    }

    /// Which tenant of its id it is.
    async fn life(&self, tenant: &TenantId) -> Result<TenantLife, Problem> {
        match self.shared.store.life(tenant).await.map_err(|error| away(&error))? {
            KnownLife::Present(life) => Ok(life),
            KnownLife::Over => Err(Problem::not_found("there is no such tenant")),
            KnownLife::Unknown => Err(Problem::unavailable("the tenant is not known yet: try again")),
        }
    }

    async fn deliveries(&self, tenant: &TenantId, of: &Webhook) -> Result<v1::WebhookDeliveriesRecord, Problem> {
        let held =
            self.shared.store.read::<v1::WebhookDeliveriesRecord>(tenant, RecordPart::Deliveries, of.place).await;
        let record = held.map_err(|error| away(&error))?.record;
        Ok(if record.webhook == of.id { record } else { v1::WebhookDeliveriesRecord::default() })
    }

    async fn letters(&self, tenant: &TenantId, of: &Webhook) -> Result<v1::WebhookDeadLettersRecord, Problem> {
        let held =
            self.shared.store.read::<v1::WebhookDeadLettersRecord>(tenant, RecordPart::DeadLetters, of.place).await;
        let record = held.map_err(|error| away(&error))?.record;
        Ok(if record.webhook == of.id { record } else { v1::WebhookDeadLettersRecord::default() })
    }
}

fn none() -> Problem {
    Problem::not_found("there is no such webhook")
}

fn shown(webhook: &Webhook, with_secret: bool, state: Option<WebhookState>) -> WebhookShown {
    WebhookShown {
        id: webhook.id.clone(),
        url: webhook.url.clone(),
        secret: webhook.secret.opened().filter(|_| with_secret).map(SigningKey::shown),
        description: webhook.description.clone(),
        enabled: webhook.enabled,
        filter: WebhookFilter::of(&webhook.filter),
        created_at: contracts::json::rfc3339(webhook.created_at),
        created_by: webhook.created_by.clone(),
        state,
    }
}

fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Problem::internal())?;
    Ok(bytes)
}

async fn list(State(api): State<Api>, Path(tenant): Path<String>, caller: Caller) -> Result<Json<List>, Problem> {
    let tenant = api.tenant(&tenant, &caller)?;
    let webhooks = api.shared.store.webhooks(&tenant).await.map_err(|error| away(&error))?.webhooks;
    Ok(Json(List { webhooks: webhooks.iter().map(|each| shown(each, false, None)).collect() }))
}

async fn make(
    State(api): State<Api>,
    Path(tenant): Path<String>,
    caller: Caller,
    JsonBody(wanted): JsonBody<WebhookWanted>,
) -> Result<(StatusCode, Json<WebhookShown>), Problem> {
    let tenant = api.tenant(&tenant, &caller)?;
    let filter = wanted.check(api.shared.reach)?;
    let secret = match wanted.named_secret()? {
        Some(named) => named,
        None => SigningKey::new(random::<NEW_SECRET_BYTES>()?.to_vec()).ok_or_else(Problem::internal)?,
    };
    let id: String = random::<ID_BYTES>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut made = Webhook {
        id: format!("wh_{id}"),
        place: 0,
        url: wanted.url,
        secret: KeptSigningKey::Opened(secret),
        description: wanted.description,
        enabled: wanted.enabled,
        filter,
        created_at: api.shared.clock.now(),
        created_by: caller.subject().to_owned(),
        again: Vec::new(),
        begins_after: begins_after(&api, &tenant).await,
        life: api.life(&tenant).await?,
    };
    let made = api.change(&tenant, |webhooks| {
        let places = 1..=u32::try_from(WEBHOOKS_MAX).unwrap_or(u32::MAX);
        let free = places.into_iter().find(|place| webhooks.iter().all(|each| each.place != *place));
        let full = || ChangeRefusal(Problem::conflict(format!("there are {WEBHOOKS_MAX} webhooks already")));
        made.place = free.ok_or_else(full)?;
        webhooks.push(made.clone());
        Ok(made.clone())
    });
    let made = made.await?;
    tracing::info!(%tenant, webhook = made.id, by = made.created_by, "a webhook is made");
    Ok((StatusCode::CREATED, Json(shown(&made, true, None))))
}

/// Where a webhook that is made now begins. Empty if the events cannot be read: then where they can be read again.
async fn begins_after(api: &Api, tenant: &TenantId) -> String {
    let end = api.shared.upstream.end(tenant).await;
    end.inspect_err(|problem| tracing::warn!(%tenant, %problem, "a new webhook begins when events can be read again"))
        .unwrap_or_default()
}

async fn show(
    State(api): State<Api>,
    Path((tenant, id)): Path<(String, String)>,
    caller: Caller,
) -> Result<Json<WebhookShown>, Problem> {
    let tenant = api.tenant(&tenant, &caller)?;
    let webhook = api.find(&tenant, &id).await?;
    let (deliveries, letters) = (api.deliveries(&tenant, &webhook).await?, api.letters(&tenant, &webhook).await?);
    let state = WebhookState {
        position: deliveries.position,
        waiting: deliveries.waiting.len(),
        delivered: deliveries.delivered,
        dead_letters: letters.messages.len(),
        dead_letters_dropped: letters.dropped,
        gaps: deliveries.gaps,
        last_error: if webhook.secret.opened().is_none() { Some(UNSIGNED.to_owned()) } else { deliveries.last_error },
    };
    Ok(Json(shown(&webhook, false, Some(state))))
}

async fn replace(
    State(api): State<Api>,
    Path((tenant, id)): Path<(String, String)>,
    caller: Caller,
    JsonBody(wanted): JsonBody<WebhookWanted>,
) -> Result<Json<WebhookShown>, Problem> {
    let tenant = api.tenant(&tenant, &caller)?;
    let filter = wanted.check(api.shared.reach)?;
    let named = wanted.named_secret()?;
    let replaced = api.change(&tenant, |webhooks| {
        let webhook = webhooks.iter_mut().find(|each| each.id == id).ok_or_else(|| ChangeRefusal(none()))?;
        webhook.url.clone_from(&wanted.url);
        webhook.description.clone_from(&wanted.description);
        webhook.enabled = wanted.enabled;
        webhook.filter = filter.clone();
        if let Some(secret) = &named {
            webhook.secret = KeptSigningKey::Opened(secret.clone());
        }
        Ok(webhook.clone())
    });
    let replaced = replaced.await?;
    tracing::info!(%tenant, webhook = id, by = caller.subject(), "a webhook is replaced");
    Ok(Json(shown(&replaced, named.is_some(), None)))
}

async fn remove(
    State(api): State<Api>,
    Path((tenant, id)): Path<(String, String)>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let tenant = api.tenant(&tenant, &caller)?;
    let removed = api.change(&tenant, |webhooks| {
        let at = webhooks.iter().position(|each| each.id == id).ok_or_else(|| ChangeRefusal(none()))?;
        Ok(webhooks.remove(at))
    });
    let removed = removed.await?;
    if let Err(error) = api.shared.store.wipe(&tenant, &removed).await {
        tracing::warn!(%tenant, webhook = id, %error, "the messages of a removed webhook stay until its place is used again");
    }
    tracing::info!(%tenant, webhook = id, by = caller.subject(), "a webhook is removed");
    Ok(StatusCode::NO_CONTENT)
}

async fn dead_letters(
    State(api): State<Api>,
    Path((tenant, id)): Path<(String, String)>,
    caller: Caller,
    Query(limit): Query<LetterLimit>,
) -> Result<Json<Letters>, Problem> {
    let tenant = api.tenant(&tenant, &caller)?;
    let webhook = api.find(&tenant, &id).await?;
    let messages = api.letters(&tenant, &webhook).await?.messages;
    let limit = limit.limit.unwrap_or(LETTERS).min(DEAD_MAX);
    let more = messages.len().saturating_sub(limit);
    let letter = |message: v1::WebhookMessage| DeadLetter {
        id: message.id,
        attempts: message.attempts,
        dead_at: contracts::json::rfc3339(model::Timestamp::from_micros(message.dead_at_us)),
        error: message.error,
        event: serde_json::from_slice(&message.body).unwrap_or_default(),
    };
    Ok(Json(Letters { dead_letters: messages.into_iter().take(limit).map(letter).collect(), more }))
}

async fn redeliver(
    State(api): State<Api>,
    Path((tenant, id)): Path<(String, String)>,
    caller: Caller,
    JsonBody(again): JsonBody<Again>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let tenant = api.tenant(&tenant, &caller)?;
    if again.ids.len() > DEAD_MAX {
        return Err(Problem::unprocessable(format!("ids: there are more than {DEAD_MAX}")));
    }
    if again.ids.iter().any(|id| id.len() > MESSAGE_ID_BYTES_MAX) {
        return Err(Problem::unprocessable(format!("ids: one has more than {MESSAGE_ID_BYTES_MAX} bytes")));
    }
    let done = api.deliveries(&tenant, &api.find(&tenant, &id).await?).await?.again_done;
    let asked = api.change(&tenant, |webhooks| {
        let webhook = webhooks.iter_mut().find(|each| each.id == id).ok_or_else(|| ChangeRefusal(none()))?;
        let last = webhook.again.iter().map(|wish| wish.number).fold(done, u64::max);
        webhook.again.retain(|wish| wish.number > done);
        if !webhook.enabled {
            return Err(ChangeRefusal(Problem::conflict("the webhook is off: nothing is delivered until it is on")));
        }
        if webhook.secret.opened().is_none() {
            return Err(ChangeRefusal(Problem::conflict(UNSIGNED)));
        }
        let named = webhook.again.iter().map(|wish| wish.ids.len()).sum::<usize>();
        if webhook.again.len() >= AGAIN_MAX || named + again.ids.len() > DEAD_MAX {
            return Err(ChangeRefusal(Problem::too_many("wishes to deliver again wait already")));
        }
        webhook.again.push(v1::WebhookAgain { number: last + 1, ids: again.ids.clone() });
        Ok(())
    });
    asked.await?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}
