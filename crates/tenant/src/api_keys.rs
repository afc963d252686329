//! API keys of a tenant, as those who administer it make and revoke them: over REST and gRPC by the role, and by the command line.
//!
//! Role auth exchanges them for tokens. Nothing here ever has a key again that was handed out.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::provisioning::{Object, ObjectKey, ObjectKind};
use identity::api_key::{self, MintedApiKey, NAME_CHARACTERS_MAX};
use identity::scope;
use infra::{ApiKey, ApiKeys, ChangeNote, ChangeOrigin, NewApiKey, ProvisioningStore, StoreError};
use model::{TenantId, Timestamp};

/// For how long the same request makes no second key.
const REQUEST_KNOWN_FOR: Duration = Duration::from_secs(86_400);

/// A key that somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyWanted {
    /// What people call it.
    pub name: String,
    /// The client for which it is; none: for the tenant as a whole.
    pub client: Option<String>,
    /// What its bearer may.
    pub scopes: Vec<String>,
    /// When it ends; none: in a year.
    pub ends_at: Option<Timestamp>,
    /// Names the request: the same one makes no second key within a day.
    pub request: Option<String>,
}

/// Who makes a key.
pub struct ApiKeyMaker<'a> {
    /// The subject of a token, or the user of the machine.
    pub by: &'a str,
    /// Whether the maker has that scope.
    pub may: &'a (dyn Fn(&str) -> bool + Sync),
    /// When.
    pub now: Timestamp,
    /// From where.
    pub origin: &'a ChangeOrigin,
}

/// A key that was made.
pub struct MadeApiKey {
    /// The key, without its secret.
    pub key: ApiKey,
    /// As programs show it; none if an earlier request has made it.
    pub text: Option<String>,
}

/// Why no key is made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyRefusal {
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    NoTenant(TenantId),
    /// The tenant has no key with that id.
    #[error("there is no API key {0}")]
    NoKey(String),
    /// A field breaks a rule.
    #[error("{field}: {rule}")]
    Fault {
        /// The field of the request.
        field: &'static str,
        /// The rule, for a human reader.
        rule: String,
    },
    /// Nobody hands out more than they have.
    #[error("scopes: who makes the key does not have the scope {0:?}")]
    BeyondMaker(String),
    /// A key would go on by another after it was revoked.
    #[error("an API key makes no API keys")]
    ByApiKey,
    /// The store has refused, or does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key with a secret of the operating system's randomness, which nobody knows yet.
pub fn mint() -> MintedApiKey {
    MintedApiKey::mint(&mut runtime::entropy::Strong::seeded_by_system())
}

/// Makes a key.
///
/// # Errors
/// The rule that it breaks, or that of the store.
pub async fn make(
    store: &dyn ProvisioningStore,
    keys: &dyn ApiKeys,
    tenant: &TenantId,
    wanted: ApiKeyWanted,
    maker: &ApiKeyMaker<'_>,
    minted: MintedApiKey,
) -> Result<MadeApiKey, ApiKeyRefusal> {
    if api_key::is_subject(maker.by) {
        return Err(ApiKeyRefusal::ByApiKey);
    }
    let scopes = allowed(&wanted.scopes, maker)?;
    let name = named(&wanted.name)?;
    // To the millisecond, as it is kept: the answer says the same as any list.
    let now = Timestamp::from_millis(maker.now.as_millis());
    let ends_at = api_key::end(wanted.ends_at, now).map_err(|rule| fault("expires_at", rule))?;
    let settings = ObjectKey { kind: ObjectKind::Tenant, id: String::new() };
    if store.find_versioned(tenant, &settings).await?.is_none() {
        return Err(ApiKeyRefusal::NoTenant(tenant.clone()));
    }
    let client = match wanted.client {
        Some(id) => Some(within_client(store, tenant, id, &scopes).await?),
        None => None,
    };
    let MintedApiKey { id, text, digest } = minted;
    let key = ApiKey {
        id,
        name,
        client,
        scopes,
        made_by: maker.by.to_owned(),
        made_at: now,
        ends_at,
        used_at: None,
        used_from: None,
        revoked_at: None,
    };
    let new = NewApiKey {
        key,
        digest: digest.text(),
        request: wanted.request,
        request_since: now - REQUEST_KNOWN_FOR,
        origin: maker.origin.clone(),
    };
    Ok(match keys.keep_api_key(tenant, &new).await? {
        Some(made_before) => MadeApiKey { key: made_before, text: None },
        None => MadeApiKey { key: new.key, text: Some(text) },
    })
}

/// Revokes a key. Role auth sees it within a second, and tells the other roles.
///
/// # Errors
/// If the tenant has no such key, or the store does not answer.
pub async fn revoke(keys: &dyn ApiKeys, tenant: &TenantId, id: &str, note: &ChangeNote) -> Result<(), ApiKeyRefusal> {
    match keys.revoke_api_key(tenant, id, note).await? {
        true => Ok(()),
        false => Err(ApiKeyRefusal::NoKey(id.to_owned())),
    }
}

fn fault(field: &'static str, rule: impl Into<String>) -> ApiKeyRefusal {
    ApiKeyRefusal::Fault { field, rule: rule.into() }
}

fn named(name: &str) -> Result<String, ApiKeyRefusal> {
    let name = name.trim();
    if name.is_empty() {
        return Err(fault("name", "a key needs one, by which people know it"));
    }
    if name.chars().count() > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
        return Err(fault("name", format!("it has more than {NAME_CHARACTERS_MAX} characters, or control characters")));
    }
    Ok(name.to_owned())
}

/// The scopes of a key, each once: those that a program of a tenant may have and that its maker has.
fn allowed(wanted: &[String], maker: &ApiKeyMaker<'_>) -> Result<Vec<String>, ApiKeyRefusal> {
    let scopes: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    if scopes.is_empty() {
        return Err(fault("scopes", "a key needs at least one"));
    }
    if let Some(other) = scopes.iter().find(|name| !scope::is_of_tenant(name)) {
        let meant = runtime::scope::near(other).filter(|near| scope::is_of_tenant(near));
        let meant = meant.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
        return Err(fault("scopes", format!("no program of a tenant has the scope {other:?}{meant}")));
    }
    if let Some(beyond) = scopes.iter().find(|name| !(maker.may)(name)) {
        return Err(ApiKeyRefusal::BeyondMaker((*beyond).to_owned()));
    }
    Ok(scopes.into_iter().map(str::to_owned).collect())
}

/// The refusal of a key for a client that is not there.
pub(crate) fn no_client(id: &str) -> ApiKeyRefusal {
    fault("client", format!("there is no client {id:?}"))
}

/// The client's id as it is spelled; the client has all of those scopes.
async fn within_client(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    id: String,
    scopes: &[String],
) -> Result<String, ApiKeyRefusal> {
    let key = ObjectKey { kind: ObjectKind::Client, id };
    let Some((_, Object::Client(client))) = store.find_versioned(tenant, &key).await? else {
        return Err(no_client(&key.id));
    };
    match scopes.iter().find(|scope| !client.scopes.contains(scope)) {
        Some(beyond) => Err(fault("scopes", format!("the client {} does not list the scope {beyond:?}", client.id))),
        None => Ok(client.id),
    }
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    async fn refusal(wanted: ApiKeyWanted, by: &str, may: &(dyn Fn(&str) -> bool + Sync)) -> String {
        let (store, tenant) = (infra::conformance::NoProvisioning, TenantId::parse("acme").unwrap());
        let maker = ApiKeyMaker { by, may, now: NOW, origin: &ChangeOrigin::default() };
        let minted = MintedApiKey::mint(&mut Seeded::new(7));
        let made = make(&store, &store, &tenant, wanted, &maker, minted).await;
        made.err().map(|refusal| refusal.to_string()).unwrap_or_default()
    }

    fn wanted(scopes: &[&str]) -> ApiKeyWanted {
        let scopes = scopes.iter().map(|name| (*name).to_owned()).collect();
        ApiKeyWanted { name: "crm".to_owned(), scopes, ..ApiKeyWanted::default() }
    }

    #[tokio::test]
    async fn nobody_hands_out_more_than_they_have_and_nothing_of_the_installation() {
        let administrator = |name: &str| ["config:read", "config:write", "webhooks"].contains(&name);
        for (scopes, reason) in [
            (&["calls:read"][..], "scopes: who makes the key does not have the scope \"calls:read\""),
            (&["operate"], "scopes: no program of a tenant has the scope \"operate\""),
            (&["webhook"], "scopes: no program of a tenant has the scope \"webhook\"; did you mean \"webhooks\"?"),
            (&[], "scopes: a key needs at least one"),
            // These are right so far, and the store is asked, which refuses everything.
            (&["webhooks", "config:read", "webhooks"], "not a valid write: there is no provisioning store"),
        ] {
            assert_eq!(refusal(wanted(scopes), "person/ann", &administrator).await, reason);
        }
        let by_key = refusal(wanted(&["webhooks"]), &api_key::subject("x"), &|_| true).await;
        assert_eq!(by_key, "an API key makes no API keys");
    }

    #[tokio::test]
    async fn a_key_has_a_name_and_an_end_within_bounds() {
        let named = |name: &str| ApiKeyWanted { name: name.to_owned(), ..wanted(&["webhooks"]) };
        for name in ["  ".to_owned(), "a\u{7}".to_owned(), "x".repeat(NAME_CHARACTERS_MAX + 1)] {
            let refused = refusal(named(&name), "person/ann", &|_| true).await;
            assert!(refused.starts_with("name: "), "{name}: {refused}");
        }
        for ends_at in [NOW, Timestamp::MAX] {
            let wanted = ApiKeyWanted { ends_at: Some(ends_at), ..named("crm") };
            let refused = refusal(wanted, "person/ann", &|_| true).await;
            assert!(refused.starts_with("expires_at: "), "{ends_at}: {refused}");
        }
    }
}
