//! A role's copy of the tenants' configuration, followed over HTTP from config (9100).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use contracts::configuration::{Changes, Listed, Versions};
use contracts::provisioning::{Object, ObjectKey, ObjectKind};
use model::TenantId;
use runtime::RoleContext;
use tokio::sync::watch;

use crate::http::{CallError, Client};

/// How long config holds an answer while nothing changes.
const WAIT_S: u64 = 20;
/// How long that answer is waited for.
const DEADLINE: Duration = Duration::from_secs(WAIT_S + 5);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// The most tenants that are followed; more are left out with an error in the log.
const TENANTS_MAX: usize = 10_000;

/// The condition of readiness: the configuration was read once.
const CONDITION: &str = "configuration";

/// One tenant's objects, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantConfig {
    /// `generation-revision`.
    pub version: String,
    objects: BTreeMap<ObjectKey, Object>,
}

impl TenantConfig {
    /// The object of that kind and name.
    pub fn get(&self, kind: ObjectKind, id: &str) -> Option<&Object> {
        self.objects.get(&ObjectKey { kind, id: id.to_owned() })
    }

    /// The objects of a kind.
    pub fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(move |(key, _)| key.kind == kind).map(|(_, object)| object)
    }

    /// The tenant's own record.
    pub fn tenant(&self) -> Option<&contracts::provisioning::Tenant> {
        match self.get(ObjectKind::Tenant, "") {
            Some(Object::Tenant(tenant)) => Some(tenant),
            _ => None,
        }
    }

    fn with(&self, changes: Changes) -> Self {
        let mut next = if changes.whole { Self::default() } else { self.clone() };
        next.version = changes.version;
        for Listed { kind, id, .. } in changes.gone {
            next.objects.remove(&ObjectKey { kind, id });
        }
        for Listed { kind, id, object } in changes.objects {
            match Object::from_json(kind, object.to_string().as_bytes()) {
                Ok(object) => {
                    next.objects.insert(ObjectKey { kind, id }, object);
                }
                Err(error) => tracing::error!(?kind, %id, %error, "an object cannot be read"),
            }
        }
        next
    }
}

/// All tenants as last read.
pub type Tenants = Arc<HashMap<TenantId, Arc<TenantConfig>>>;

/// Follows the configuration. Cheap to clone.
#[derive(Clone)]
pub struct Configuration {
    tenants: watch::Receiver<Tenants>,
}

impl Configuration {
    /// Begins to follow over the connection `id` (the role's row to config); the role is ready once it was read.
    pub fn follow(ctx: &RoleContext, id: &str) -> anyhow::Result<Self> {
        ctx.ready.require(CONDITION);
        let client = Client::new(ctx, id)?;
        let (publish, tenants) = watch::channel(Tenants::default());
        let (ready, drain) = (ctx.ready.clone(), ctx.drain.clone());
        ctx.spawn("configuration follower", async move {
            let mut etag = None;
            loop {
                let turn = turn(&client, etag.clone(), &publish);
                let outcome = tokio::select! {
                    () = drain.ended() => return Ok(()),
                    outcome = turn => outcome,
                };
                match outcome {
                    Ok(Some(now)) => {
                        etag = Some(now);
                        ready.holds(CONDITION);
                    }
                    Ok(None) => {
                        etag = None;
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "config does not answer; what is held stays good");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
        Ok(Self { tenants })
    }

    /// All tenants as last read.
    pub fn tenants(&self) -> Tenants {
        self.tenants.borrow().clone()
    }

    /// A tenant as last read.
    pub fn tenant(&self, tenant: &TenantId) -> Option<Arc<TenantConfig>> {
        self.tenants.borrow().get(tenant).cloned()
    }

    /// Told of every change.
    pub fn changes(&self) -> watch::Receiver<Tenants> {
        self.tenants.clone()
    }
}

/// Waits for versions that differ, reads what changed and publishes it; gives the etag of that state. None when what was read is not what
/// the etag stands for.
async fn turn(
    client: &Client,
    etag: Option<String>,
    publish: &watch::Sender<Tenants>,
) -> Result<Option<String>, CallError> {
    let path = match &etag {
        Some(etag) => format!("/versions?wait_s={WAIT_S}&etag={}", escaped(etag)),
        None => "/versions".to_owned(),
    };
    let versions: Versions = client.get(&path).idempotent().deadline(DEADLINE).fetch().await?;
    if etag.as_ref() == Some(&versions.etag) {
        return Ok(Some(versions.etag));
    }
    let held = publish.borrow().clone();
    let mut next = HashMap::new();
    for (name, version) in &versions.tenants {
        let Ok(tenant) = TenantId::parse(name) else { continue };
        if next.len() >= TENANTS_MAX {
            tracing::error!(most = TENANTS_MAX, "too many tenants: the rest is not served here");
            break;
        }
        let before = held.get(&tenant).cloned().unwrap_or_default();
        let now = if before.version == *version {
            before
        } else {
            let path = format!("/tenants/{}/objects?after={}", escaped(name), before.version);
            Arc::new(before.with(client.get(&path).idempotent().fetch().await?))
        };
        next.insert(tenant, now);
    }
    let is_as_listed = is_as_listed(&versions, &next);
    publish.send_replace(Arc::new(next));
    Ok(is_as_listed.then_some(versions.etag))
}

/// Whether each tenant is as the versions say. Replicas of config see a change one after the other, and each question may go to another
/// one: who said that there is a new version need not be who gave the objects. With the etag of the one the objects of the other would
/// stay until the next change.
fn is_as_listed(versions: &Versions, held: &HashMap<TenantId, Arc<TenantConfig>>) -> bool {
    held.iter().all(|(tenant, config)| versions.tenants.get(tenant.as_str()) == Some(&config.version))
}

/// A text as part of a path or query.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_a_replica_that_is_behind_are_asked_for_again() {
        let tenants = BTreeMap::from([("example".to_owned(), "1-2".to_owned())]);
        let versions = Versions { etag: "b".to_owned(), tenants };
        let held = |version: &str| {
            let config = TenantConfig { version: version.to_owned(), ..TenantConfig::default() };
            HashMap::from([(TenantId::parse("example").unwrap(), Arc::new(config))])
        };
        assert!(is_as_listed(&versions, &held("1-2")));
        assert!(!is_as_listed(&versions, &held("1-1")));
        assert!(is_as_listed(&versions, &HashMap::new()), "a name that cannot be read is no reason to ask for ever");
    }
}
