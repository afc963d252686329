//! API keys, as callers ask for them and read them.

use contracts::provisioning::{FaultCode, ObjectKey, ObjectKind};
use contracts::v1;
use identity::api_key;
use infra::{ApiKey, StoreError};
use model::{TenantId, Timestamp};
use tonic::Status;

use super::ObjectServer;
use super::refusals::{no_tenant, of_request, unread};
use crate::api_keys::{ApiKeyRefusal, ApiKeyWanted, MadeApiKey, no_client};
use crate::broken_rule::BrokenRule;
use crate::objects::{CallerRights, IndexedTenant};

impl ObjectServer {
    /// The keys of the tenant, without those of clients that who asks does not see.
    pub(super) async fn api_keys_seen(&self, tenant: &TenantId, person: Option<String>) -> Result<Vec<ApiKey>, Status> {
        let keys = self.keys.api_keys(tenant).await.map_err(unread)?;
        let Some(user) = person else { return Ok(keys) };
        let seen = move |held: &IndexedTenant, rights: &CallerRights| -> Vec<ApiKey> {
            keys.into_iter().filter(|key| !is_of_hidden(held, rights, key.client.as_deref())).collect()
        };
        self.look_as(tenant, user, seen).await
    }

    /// Refuses a person a key for a client that the person does not see, as if it were not there.
    pub(super) async fn needs_seen_client(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        client: Option<&str>,
    ) -> Result<(), Status> {
        let (Some(user), Some(client)) = (person, client.map(str::to_owned)) else { return Ok(()) };
        let named = client.clone();
        let hidden = move |held: &IndexedTenant, rights: &CallerRights| is_of_hidden(held, rights, Some(&named));
        if self.look_as(tenant, user, hidden).await? { Err(refused(no_client(&client))) } else { Ok(()) }
    }

    /// Refuses a person the end of a key of such a client, as if there were no such key.
    pub(super) async fn needs_seen_key(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        id: &str,
    ) -> Result<(), Status> {
        let Some(user) = person else { return Ok(()) };
        let keys = self.keys.api_keys(tenant).await.map_err(unread)?;
        let Some(client) = keys.into_iter().find(|key| key.id == id).and_then(|key| key.client) else { return Ok(()) };
        let hidden = move |held: &IndexedTenant, rights: &CallerRights| is_of_hidden(held, rights, Some(&client));
        let is_hidden = self.look_as(tenant, user, hidden).await?;
        if is_hidden { Err(refused(ApiKeyRefusal::NoKey(id.to_owned()))) } else { Ok(()) }
    }
}

/// Whether a key is of a client that a person does not see.
fn is_of_hidden(held: &IndexedTenant, rights: &CallerRights, client: Option<&str>) -> bool {
    let key = client.map(|client| ObjectKey { kind: ObjectKind::Client, id: client.to_owned() });
    key.and_then(|key| held.found(&key)).is_some_and(|found| !rights.may_see(found))
}

/// The key that a request asks for.
pub(super) fn wanted(asked: v1::CreateApiKeyRequest) -> ApiKeyWanted {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    ApiKeyWanted {
        name: asked.name,
        client: given(asked.client),
        scopes: asked.scopes,
        ends_at: Some(asked.ends_ms).filter(|ms| *ms > 0).map(Timestamp::from_millis),
        request: given(asked.request_id),
    }
}

/// The answer with a key: the only one that has it.
pub(super) fn answer(made: MadeApiKey) -> v1::CreateApiKeyResponse {
    v1::CreateApiKeyResponse {
        repeated_request: made.text.is_none(),
        key: made.text.unwrap_or_default(),
        record: Some(record(made.key)),
    }
}

/// What everybody may read of a key who reads the tenant's configuration.
pub(super) fn record(key: ApiKey) -> v1::ApiKeyRecord {
    let ms = |at: Option<Timestamp>| at.map(Timestamp::as_millis).unwrap_or_default();
    v1::ApiKeyRecord {
        id: key.id,
        name: key.name,
        client: key.client.unwrap_or_default(),
        scopes: key.scopes,
        made_by: key.made_by,
        made_ms: key.made_at.as_millis(),
        ends_ms: key.ends_at.as_millis(),
        used_ms: ms(key.used_at),
        used_from: key.used_from.unwrap_or_default(),
        revoked_ms: ms(key.revoked_at),
    }
}

/// Whether that caller may change objects of those kinds. A key changes no clients: by one of its making it would go on after it was
/// revoked, with scopes that it does not have.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub(super) fn may_change(by: &str, mut kinds: impl Iterator<Item = ObjectKind>) -> Result<(), Status> {
    if api_key::is_subject(by) && kinds.any(|kind| kind == ObjectKind::Client) {
        return Err(Status::permission_denied("an API key changes no clients"));
    }
    Ok(())
}

/// Whether that caller may put a whole tenant back: its clients are among what changes.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub(super) fn may_restore_all(by: &str) -> Result<(), Status> {
    may_change(by, std::iter::once(ObjectKind::Client))
}

/// A refusal as gRPC says it.
pub(super) fn refused(refusal: ApiKeyRefusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        ApiKeyRefusal::NoTenant(tenant) => no_tenant(&tenant),
        ApiKeyRefusal::NoKey(_) => Status::not_found(message),
        ApiKeyRefusal::Fault { field, rule } => of_request(field, BrokenRule::other(rule)),
        ApiKeyRefusal::BeyondMaker(_) | ApiKeyRefusal::ByApiKey => Status::permission_denied(message),
        // It does not pass by itself: the rule is about what the tenant has.
        ApiKeyRefusal::Store(StoreError::Full { bound, .. }) => {
            let words = format!("the tenant has {bound} API keys that are good");
            of_request("", BrokenRule::new(FaultCode::TooMany, words).naming("most", bound.to_string()))
        }
        ApiKeyRefusal::Store(error) => unread(error),
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::super::test_hiding_tenant::hiding_tenant;
    use super::*;

    #[test]
    fn keys_of_a_client_that_a_folder_hides_are_of_nothing() {
        let held = hiding_tenant();
        let hides = |user: &str, client: Option<&str>| is_of_hidden(&held, &CallerRights::of(&held, user), client);
        for user in ["dora", "rita"] {
            assert!(hides(user, Some("crm")) && !hides(user, Some("open")) && !hides(user, None), "{user}");
        }
        assert!(!hides("root", Some("crm")));
    }

    #[test]
    fn what_a_request_leaves_out_is_not_said() {
        let bare = wanted(v1::CreateApiKeyRequest { name: "crm".to_owned(), ..v1::CreateApiKeyRequest::default() });
        assert_eq!(bare, ApiKeyWanted { name: "crm".to_owned(), ..ApiKeyWanted::default() });
        let full = wanted(v1::CreateApiKeyRequest {
            client: "app".to_owned(),
            ends_ms: 7,
            request_id: "r".to_owned(),
            ..v1::CreateApiKeyRequest::default()
        });
        assert_eq!((full.client.as_deref(), full.request.as_deref()), (Some("app"), Some("r")));
        assert_eq!(full.ends_at, Some(Timestamp::from_millis(7)));
    }

    #[test]
    fn a_key_changes_no_clients_and_whatever_else_it_may() {
        let kinds = || ObjectKind::ALL.into_iter();
        assert!(may_change("person/ann", kinds()).is_ok() && may_change("client/api-key", kinds()).is_ok());
        let by_key = api_key::subject("x");
        assert_eq!(may_change(&by_key, kinds()).unwrap_err().code(), Code::PermissionDenied);
        assert!(may_change(&by_key, kinds().filter(|kind| *kind != ObjectKind::Client)).is_ok());
        assert!(may_restore_all("person/ann").is_ok() && may_restore_all(&by_key).is_err());
    }

    #[test]
    fn a_refusal_has_the_code_of_its_reason() {
        let full = StoreError::Full { what: "the list", bound: 3 };
        for (refusal, code) in [
            (ApiKeyRefusal::NoTenant(TenantId::parse("acme").unwrap()), Code::NotFound),
            (ApiKeyRefusal::NoKey("x".to_owned()), Code::NotFound),
            (ApiKeyRefusal::Fault { field: "name", rule: "x".to_owned() }, Code::InvalidArgument),
            (ApiKeyRefusal::BeyondMaker("operate".to_owned()), Code::PermissionDenied),
            (ApiKeyRefusal::ByApiKey, Code::PermissionDenied),
            (ApiKeyRefusal::Store(full), Code::InvalidArgument),
            (ApiKeyRefusal::Store(StoreError::Unavailable { reason: "x".to_owned() }), Code::Unavailable),
        ] {
            let said = refusal.to_string();
            assert_eq!(refused(refusal).code(), code, "{said}");
        }
    }
}
