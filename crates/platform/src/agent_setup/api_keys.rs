//! `GET` and `POST …/api-keys`, `DELETE …/api-keys/{id}`: keys by which programs of others ask the APIs of the tenant.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::json::{read_rfc3339, rfc3339};
use contracts::v1;
use model::Timestamp;
use net::http::{JsonBody, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::SetupRefusal;
use super::provisioning::{Provisioning, SetupCaller};

/// A key that is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKeyAsked {
    /// What people call it, in at most 100 characters.
    name: String,
    /// The client for which it is, whose scopes bound it; without it the key is of the tenant.
    #[serde(default)]
    client: Option<String>,
    /// What its bearer may: at least one, and none that the caller does not have.
    scopes: Vec<String>,
    /// When it ends (RFC 3339), within two years; in a year without it.
    #[serde(default)]
    expires_at: Option<String>,
    /// Names the request: the same one sent again within a day makes no second key, and its answer has none.
    #[serde(default)]
    request_id: String,
}

/// A key, without its secret.
#[derive(Serialize, JsonSchema)]
pub(super) struct ShownApiKeyRecord {
    /// The part of the key between `tlk_` and its secret.
    id: String,
    name: String,
    /// Null: of the tenant.
    client: Option<String>,
    scopes: Vec<String>,
    /// Who has made it: a token's subject, or the user of the machine.
    made_by: String,
    made_at: String,
    /// When it ends by itself.
    expires_at: String,
    /// When it was last used, to about two minutes; null: never.
    used_at: Option<String>,
    /// From which address it was last used, of IPv6 from which network; null: it is not known, or not any more.
    used_from: Option<String>,
    /// Null: it is not revoked.
    revoked_at: Option<String>,
}

/// A key that was made.
#[derive(Serialize, JsonSchema)]
pub(super) struct ApiKeyMade {
    api_key: ShownApiKeyRecord,
    /// The key, as programs show it. It is kept nowhere: null in the answer to a repeated request.
    key: Option<String>,
}

/// The keys of the tenant.
#[derive(Serialize, JsonSchema)]
pub(super) struct ApiKeysShown {
    /// The latest first; those that have ended stay for 30 days, and of more than 400 the latest.
    items: Vec<ShownApiKeyRecord>,
}

fn shown(record: v1::ApiKeyRecord) -> ShownApiKeyRecord {
    let at = |ms: u64| rfc3339(Timestamp::from_millis(ms));
    let perhaps = |ms: u64| Some(ms).filter(|ms| *ms > 0).map(at);
    ShownApiKeyRecord {
        id: record.id,
        name: record.name,
        client: Some(record.client).filter(|client| !client.is_empty()),
        scopes: record.scopes,
        made_by: record.made_by,
        made_at: at(record.made_ms),
        expires_at: at(record.ends_ms),
        used_at: perhaps(record.used_ms),
        used_from: Some(record.used_from).filter(|address| !address.is_empty()),
        revoked_at: perhaps(record.revoked_ms),
    }
}

fn asked(wanted: ApiKeyAsked) -> Result<v1::CreateApiKeyRequest, SetupRefusal> {
    let ends_ms = match wanted.expires_at {
        Some(text) => {
            let at = read_rfc3339(&text).map(Timestamp::as_millis).filter(|ms| *ms > 0);
            let rule = "expires_at: it must be a time as RFC 3339 has it, as 2027-07-02T08:15:00Z";
            at.ok_or_else(|| Problem::unprocessable(rule))?
        }
        None => 0,
    };
    Ok(v1::CreateApiKeyRequest {
        name: wanted.name,
        client: wanted.client.unwrap_or_default(),
        scopes: wanted.scopes,
        ends_ms,
        request_id: wanted.request_id,
    })
}

pub(super) async fn create(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    JsonBody(wanted): JsonBody<ApiKeyAsked>,
) -> Result<Response, SetupRefusal> {
    let asked = asker.asks(asked(wanted)?)?;
    let made = provisioning.client().create_api_key(asked).await?.into_inner();
    let key = Some(made.key).filter(|key| !key.is_empty());
    let api_key = shown(made.record.unwrap_or_default());
    // No cache keeps a secret.
    let head = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, head, Json(ApiKeyMade { api_key, key })).into_response())
}

pub(super) async fn list(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
) -> Result<Json<ApiKeysShown>, SetupRefusal> {
    let answer = provisioning.client().api_keys(asker.asks(v1::ApiKeysRequest {})?).await?.into_inner();
    Ok(Json(ApiKeysShown { items: answer.records.into_iter().map(shown).collect() }))
}

pub(super) async fn revoke(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, SetupRefusal> {
    provisioning.client().revoke_api_key(asker.asks(v1::RevokeApiKeyRequest { id })?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(wanted: Value) -> Result<v1::CreateApiKeyRequest, SetupRefusal> {
        asked(serde_json::from_value(wanted).unwrap())
    }

    #[test]
    fn an_end_is_a_time_or_left_to_tenant() {
        let bare = read(json!({"name": "crm", "scopes": ["webhooks"]})).unwrap();
        assert_eq!((bare.ends_ms, bare.client.as_str(), bare.request_id.as_str()), (0, "", ""));
        let ends = |text: &str| read(json!({"name": "crm", "scopes": [], "expires_at": text}));
        assert_eq!(ends("2025-11-20T07:00:00Z").unwrap().ends_ms, 1_763_622_000_000);
        for wrong in ["", "tomorrow", "1970-01-01T00:00:00Z"] {
            assert!(ends(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_has_not_happened_is_null() {
        let record = v1::ApiKeyRecord { id: "x".to_owned(), made_ms: 1, ends_ms: 2, ..v1::ApiKeyRecord::default() };
        let shown = json!(shown(record));
        assert_eq!(
            (&shown["used_at"], &shown["revoked_at"], &shown["client"], &shown["used_from"]),
            (&json!(null), &json!(null), &json!(null), &json!(null))
        );
        assert_eq!(shown["made_at"], "1970-01-01T00:00:00.001000Z");
    }
}
