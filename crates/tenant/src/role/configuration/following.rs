//! What followers are told: which tenants there are, and what changes in one of them. The database is asked when the tenant's own revision
//! has moved, and not otherwise.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::provisioning::{DnKind, Object, ObjectKey, folded_name};
use contracts::v1;
use infra::{HistoryPoint, ProvisioningStore, Revision, ToldChange};
use model::TenantId;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::person_view::ToldToPerson;
use super::{View, status};
use crate::role::stored_tenants::StoredTenants;

/// The most bytes of objects in one message, or one larger object: even an application of 512 KiB, all of it escaped, is below the 4 MiB
/// that a reader accepts.
const PART_BYTES: usize = 1 << 20;
/// The most bytes of what ids are to begin with: no id is longer.
const ID_BYTES_MAX: usize = 255;
/// The longest pause between answers.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Time for the database to name the hosts: a follower takes a stream that is silent for some seconds longer for broken.
const HOSTS_WITHIN: Duration = Duration::from_secs(2);

/// Where the answers of a stream go.
pub(super) type Teller<T> = mpsc::Sender<Result<T, Status>>;

/// The host names as the database has named them last, for all followers: streams end and begin while it is away, too.
#[derive(Clone, Default)]
pub(super) struct KnownHosts(Arc<Mutex<Option<Vec<v1::TenantHost>>>>);

/// The host names at which tenants are meant, for followers who want them.
#[derive(Default)]
pub(super) struct ToldHosts {
    /// Where they stand; none for who does not want them.
    store: Option<Arc<dyn ProvisioningStore>>,
    known: KnownHosts,
}

impl ToldHosts {
    /// Those of that database, or, while it is away, those that are known.
    pub fn of(store: Arc<dyn ProvisioningStore>, known: KnownHosts) -> Self {
        Self { store: Some(store), known }
    }

    /// Those of the tenants that are told, as they are now; while the database is away, as they were last. None before it has named them.
    async fn of_tenants(&self, tenants: &[String]) -> Option<Vec<v1::TenantHost>> {
        let Some(store) = &self.store else { return Some(Vec::new()) };
        let asked = tokio::time::timeout(HOSTS_WITHIN, store.hosts()).await;
        let known = || self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
        match asked {
            Ok(Ok(hosts)) => {
                let told = hosts.into_iter().map(|(host, of)| v1::TenantHost { host, tenant: of.to_string() });
                *known() = Some(told.collect());
            }
            Ok(Err(error)) => tracing::debug!(%error, "the database does not name the hosts: those known remain"),
            Err(late) => tracing::debug!(%late, "the database does not name the hosts: those known remain"),
        }
        let of_tenants =
            |all: &Vec<v1::TenantHost>| all.iter().filter(|host| tenants.contains(&host.tenant)).cloned().collect();
        known().as_ref().map(of_tenants)
    }
}

/// Tells which tenants there are, or whether that one is there, until the follower or the role has ended. Nothing is told before they are
/// known, hosts too if they are wanted: a follower takes what it is told for whole.
pub(super) async fn tell_tenants(
    answers: Teller<v1::FollowTenantsResponse>,
    mut stored: watch::Receiver<StoredTenants>,
    only: Option<TenantId>,
    hosts: ToldHosts,
) {
    let mut told: Option<Vec<String>> = None;
    loop {
        let is_news = |now: &StoredTenants| match (shown(now, only.as_ref()), &told) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(ids), Some(told)) => !ids.eq(told.iter().map(String::as_str)),
        };
        let listed =
            |now: &StoredTenants| shown(now, only.as_ref()).map(|ids| ids.map(str::to_owned).collect::<Vec<_>>());
        let news =
            tokio::time::timeout(SILENCE_MAX, stored.wait_for(is_news)).await.map(|news| news.map(|now| listed(&now)));
        match news {
            Ok(Ok(tenants)) => told = tenants,
            // Nobody looks at the database any more.
            Ok(Err(_)) => return,
            Err(_silence) if answers.is_closed() => return,
            Err(_silence) => {}
        }
        let Some(tenants) = told.clone() else { continue };
        let Some(hosts) = hosts.of_tenants(&tenants).await else { continue };
        if answers.send(Ok(v1::FollowTenantsResponse { tenants, hosts })).await.is_err() {
            return;
        }
    }
}

/// The ids that the follower may know; none before they are known.
fn shown<'a>(stored: &'a StoredTenants, only: Option<&'a TenantId>) -> Option<impl Iterator<Item = &'a str>> {
    let ids = stored.ids()?;
    Some(ids.filter(move |id| only.is_none_or(|only| only == *id)).map(TenantId::as_str))
}

/// Which objects of the kinds that it sees a follower wants.
#[derive(Clone, Debug, Default)]
pub(super) struct FollowFilter {
    /// What ids begin with, folded.
    id_prefix: String,
    /// The types of DNs; none means all.
    types: Vec<String>,
}

impl FollowFilter {
    /// What is asked for.
    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    pub fn of(id_prefix: &str, types: Vec<String>) -> Result<Self, Status> {
        if id_prefix.len() > ID_BYTES_MAX {
            return Err(Status::invalid_argument(format!("id_prefix: it has more than {ID_BYTES_MAX} bytes")));
        }
        if types.len() > DnKind::NAMES.len() {
            return Err(Status::invalid_argument(format!("types: there are more than {}", DnKind::NAMES.len())));
        }
        if types.iter().any(|name| !DnKind::NAMES.contains(&name.as_str())) {
            let known = DnKind::NAMES.join(", ");
            return Err(Status::invalid_argument(format!("types: each is one of {known}")));
        }
        Ok(Self { id_prefix: folded_name(id_prefix), types })
    }

    /// Whether an object of that name is wanted, if it is of a wanted type.
    fn wants(&self, key: &ObjectKey) -> bool {
        self.id_prefix.is_empty() || folded_name(&key.id).starts_with(&self.id_prefix)
    }

    /// Whether it is of a wanted type.
    fn fits(&self, object: &Object) -> bool {
        match object {
            Object::Dn(dn) => self.types.is_empty() || self.types.iter().any(|name| name == dn.kind.as_str()),
            _ => true,
        }
    }
}

/// One follower of a tenant's objects.
pub(super) struct ObjectFollower {
    pub store: Arc<dyn ProvisioningStore>,
    pub stored: watch::Receiver<StoredTenants>,
    pub view: View,
    pub filter: FollowFilter,
    pub told: ToldToPerson,
    /// The point that it has.
    pub after: HistoryPoint,
}

impl ObjectFollower {
    /// Tells the changes until the follower or the role has ended, or the database fails.
    pub async fn tell(mut self, answers: Teller<v1::FollowResponse>) {
        loop {
            // Before the question, so that whatever changes after it is another point.
            let listed = self.stored.borrow_and_update().point(&self.view.tenant);
            let news = match self.news().await {
                Ok(news) => news,
                Err(refusal) => return drop(answers.send(Err(refusal)).await),
            };
            for part in news {
                if answers.send(Ok(part)).await.is_err() {
                    return;
                }
            }
            if !self.has_moved_from(listed, &answers).await {
                return;
            }
        }
    }

    /// The changes that the database has, in messages: everything to who has another history.
    async fn news(&mut self) -> Result<Vec<v1::FollowResponse>, Status> {
        let (rights, is_anew) = self.told.begin(self.view.person.as_ref(), &*self.store, &self.view.tenant).await?;
        let since = if is_anew { HistoryPoint::default() } else { self.after };
        let changes = self.store.changes(&self.view.tenant, since).await.map_err(status)?;
        if !changes.is_whole && self.after.revision > changes.point.revision {
            return Err(beyond(self.after.revision, changes.point.revision));
        }
        let before = std::mem::replace(&mut self.after, changes.point);
        let (view, filter, is_whole) = (&self.view, &self.filter, changes.is_whole);
        let is_wanted = |key: &ObjectKey| view.shows(key.kind) && filter.wants(key);
        let (annexes, told) = (HashMap::from_iter(changes.annexes), &mut self.told);
        let seen = changes.changes.into_iter().filter_map(|change| told.seen(&rights, change, &annexes));
        let told = seen.filter_map(|change| match change {
            ToldChange::Put(object) => match is_wanted(&object.key()) {
                true if filter.fits(&object) => Some(view.object(object)),
                // It may have been of a wanted type before.
                true if !is_whole => Some(gone(object.key())),
                _ => None,
            },
            ToldChange::Delete(key) => is_wanted(&key).then(|| gone(key)),
        });
        Ok(parts((before, self.after), is_whole, told))
    }

    /// Waits until the database lists the tenant with another point, and says meanwhile that nothing has changed. Returns `false` if
    /// the follower or the role has ended.
    async fn has_moved_from(&mut self, listed: Option<HistoryPoint>, answers: &Teller<v1::FollowResponse>) -> bool {
        let tenant = &self.view.tenant;
        loop {
            let moving = self.stored.wait_for(|now| now.point(tenant) != listed);
            let moved = tokio::time::timeout(SILENCE_MAX, moving).await.map(|moved| moved.is_ok());
            match moved {
                Ok(is_followed) => return is_followed,
                Err(_silence) => {
                    if answers.send(Ok(message(self.after))).await.is_err() {
                        return false;
                    }
                }
            }
        }
    }
}

fn gone(key: ObjectKey) -> v1::ConfigObject {
    v1::ConfigObject { kind: key.kind.as_str().to_owned(), id: key.id, json: String::new() }
}

/// A message without objects.
fn message(HistoryPoint { revision, stamp }: HistoryPoint) -> v1::FollowResponse {
    v1::FollowResponse { revision: revision.0, history: stamp.0, ..v1::FollowResponse::default() }
}

/// Splits the changes into messages that every reader accepts. A reader that continues after any but the last gets all of them again.
fn parts(
    (before, after): (HistoryPoint, HistoryPoint),
    whole: bool,
    objects: impl Iterator<Item = v1::ConfigObject>,
) -> Vec<v1::FollowResponse> {
    let last = || v1::FollowResponse { whole, ..message(after) };
    let mut parts = vec![last()];
    let mut bytes = 0;
    for object in objects {
        let more = object.encoded_len();
        let last_part = parts.last_mut().expect("there is a first one");
        if last_part.objects.is_empty() || bytes + more <= PART_BYTES {
            bytes += more;
            last_part.objects.push(object);
        } else {
            bytes = more;
            let objects = std::mem::take(&mut last_part.objects);
            *last_part = v1::FollowResponse { objects, whole, unfinished: true, ..message(before) };
            parts.push(v1::FollowResponse { objects: vec![object], ..last() });
        }
    }
    parts
}

/// Refuses a revision that has never existed: its reader would get nothing for a long time, and then miss changes.
fn beyond(after: Revision, last: Revision) -> Status {
    Status::out_of_range(format!("after_revision: {} is beyond the last, {}: read the objects again", after.0, last.0))
}

#[cfg(test)]
mod tests;
