//! gRPC 8888: reads and follows the tenant's objects, and replaces the passwords and second factors that people have changed.

use std::sync::Arc;
use std::time::Duration;

use contracts::provisioning::{Object, ObjectKey, ObjectKind};
use contracts::v1;
use contracts::v1::configuration_server::Configuration;
use contracts::v1::read_objects_response::What;
use futures::StreamExt as _;
use infra::{Clock, ObjectChange, ProvisioningStore, Revision, StoreError};
use model::TenantId;
use net::grpc::{Answers, Streams, until_token_expires};
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::Held;
use super::own_secrets::{self, OwnSecret, SecretReplacement};

/// The most messages that wait for a slow reader; its own flow control holds the rest back.
const WAITING_MAX: usize = 2;
/// The most bytes of objects in one message, or one larger object: even an application of 512 KiB, all of it escaped, is below the 4 MiB
/// that a reader accepts.
const PART_BYTES: usize = 1 << 20;
/// The most kinds in one request; fewer kinds exist.
const KINDS_MAX: usize = 64;
/// The longest pause between answers.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// The gRPC service.
pub(super) struct Server {
    store: Arc<dyn ProvisioningStore>,
    held: watch::Receiver<Held>,
    clock: Arc<dyn Clock>,
    streams: Streams,
}

/// The objects that a caller may see.
#[derive(Clone)]
struct View {
    tenant: TenantId,
    kinds: Vec<String>,
    secrets: Secrets,
}

/// Which secrets a caller may see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrets {
    None,
    /// Those that phones and carriers are asked for.
    OfLines,
    /// The hashes too by which people and clients sign in: for the role auth alone.
    All,
}

/// The role that signs people in.
const AUTH: &str = "auth";
/// The roles that write down or show what they read: they need no secret, so they are told none.
const SHOWN_TO_OTHERS: [&str; 2] = ["bds", "wfm-adapter"];

impl View {
    fn shows(&self, key: &ObjectKey) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == key.kind.as_str())
    }

    fn object(&self, object: Object) -> v1::ConfigObject {
        let key = object.key();
        let object = match self.secrets {
            Secrets::None => object.without_secrets(),
            Secrets::OfLines => object.without_hashes(),
            Secrets::All => object,
        };
        let json = String::from_utf8(object.to_json()).unwrap_or_default();
        v1::ConfigObject { kind: key.kind.as_str().to_owned(), id: key.id, json }
    }
}

impl Server {
    pub fn new(store: Arc<dyn ProvisioningStore>, held: watch::Receiver<Held>, clock: Arc<dyn Clock>) -> Self {
        Self { store, held, clock, streams: Streams::default() }
    }

    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    fn view<T>(request: &Request<T>, kinds: Vec<String>) -> Result<View, Status> {
        let caller = net::grpc::caller(request)?;
        caller
            .needs_scope(runtime::scope::CONFIG_READ)
            .map_err(|problem| Status::permission_denied(problem.to_string()))?;
        let secrets = match caller.needs_scope(runtime::scope::CONFIG_SECRETS) {
            Ok(()) if caller.role() == Some(AUTH) => Secrets::All,
            Ok(()) if caller.role().is_some_and(|role| SHOWN_TO_OTHERS.contains(&role)) => Secrets::None,
            Ok(()) => Secrets::OfLines,
            Err(_) => Secrets::None,
        };
        if kinds.len() > KINDS_MAX {
            return Err(Status::invalid_argument(format!("kinds: there are more than {KINDS_MAX}")));
        }
        Ok(View { tenant: net::grpc::tenant(request)?, kinds, secrets })
    }
}

impl Server {
    /// The objects that a request asks for. One of one kind is looked up: somebody who signs in waits for it. The tenant itself has no id.
    async fn wanted(&self, view: &View, id: String) -> Result<(Revision, Vec<Object>), Status> {
        let kind = match view.kinds.as_slice() {
            [kind] => ObjectKind::parse(kind).filter(|kind| !id.is_empty() || *kind == ObjectKind::Tenant),
            _ => None,
        };
        if let Some(kind) = kind {
            let revision = self.held.borrow().get(&view.tenant).map(|(revision, _)| *revision);
            let revision = revision.ok_or_else(|| no_tenant(&view.tenant))?;
            let found = self.store.find(&view.tenant, &ObjectKey { kind, id }).await.map_err(status)?;
            return Ok((revision, found.into_iter().collect()));
        }
        let stored = self.store.load(&view.tenant).await.map_err(status)?;
        let (revision, objects) = stored.ok_or_else(|| no_tenant(&view.tenant))?;
        let is_wanted = |object: &Object| {
            let key = object.key();
            view.shows(&key) && (id.is_empty() || key.id == id)
        };
        Ok((revision, objects.objects().filter(is_wanted).collect()))
    }

    async fn replaced(
        &self,
        tenant: &TenantId,
        user: &str,
        replacement: &SecretReplacement<'_>,
    ) -> Result<bool, Status> {
        own_secrets::replace(&*self.store, tenant, user, replacement, self.clock.now()).await.map_err(status)
    }
}

/// The tenant that the role auth means: it alone replaces what people sign in with.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn tenant_of_auth<T>(request: &Request<T>) -> Result<TenantId, Status> {
    if net::grpc::caller(request)?.role() != Some(AUTH) {
        return Err(Status::permission_denied("auth alone replaces what people sign in with"));
    }
    net::grpc::tenant(request)
}

fn no_tenant(tenant: &TenantId) -> Status {
    Status::not_found(format!("no tenant {tenant}"))
}

fn status(error: StoreError) -> Status {
    match error {
        StoreError::Missing { .. } => Status::not_found(error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}

#[tonic::async_trait]
impl Configuration for Server {
    type ReadObjectsStream = Answers<v1::ReadObjectsResponse>;

    async fn read_objects(
        &self,
        request: Request<v1::ReadObjectsRequest>,
    ) -> Result<Response<Self::ReadObjectsStream>, Status> {
        let view = Self::view(&request, request.get_ref().kinds.clone())?;
        let permit = self.streams.open(Some(&view.tenant), net::grpc::caller(&request)?.subject())?;
        let id = request.into_inner().id;
        let (revision, wanted) = self.wanted(&view, id).await?;
        let last = v1::ReadObjectsResponse { what: Some(What::Revision(revision.0)) };
        let objects = futures::stream::iter(wanted)
            .map(move |object| v1::ReadObjectsResponse { what: Some(What::Object(view.object(object))) });
        Ok(Response::new(permit.with(Box::pin(objects.chain(futures::stream::iter([last])).map(Ok)))))
    }

    async fn replace_password(
        &self,
        request: Request<v1::ReplacePasswordRequest>,
    ) -> Result<Response<v1::ReplacePasswordResponse>, Status> {
        let tenant = tenant_of_auth(&request)?;
        let asked = request.into_inner();
        if !identity::password::is_hash(&asked.password) {
            return Err(Status::invalid_argument("password: it is no Argon2id hash"));
        }
        let (seen, next) = (Some(asked.seen.as_str()), Some(asked.password.as_str()));
        let replacement = SecretReplacement { secret: OwnSecret::Password, seen, next };
        let replaced = self.replaced(&tenant, &asked.user, &replacement).await?;
        Ok(Response::new(v1::ReplacePasswordResponse { replaced }))
    }

    async fn replace_second_factor(
        &self,
        request: Request<v1::ReplaceSecondFactorRequest>,
    ) -> Result<Response<v1::ReplaceSecondFactorResponse>, Status> {
        let tenant = tenant_of_auth(&request)?;
        let asked = request.into_inner();
        let next = asked.second_factor.as_deref();
        if next.is_some_and(|next| identity::second_factor::sealed(next).is_none()) {
            return Err(Status::invalid_argument("second_factor: it is not sealed"));
        }
        let replacement = SecretReplacement { secret: OwnSecret::SecondFactor, seen: asked.seen.as_deref(), next };
        let replaced = self.replaced(&tenant, &asked.user, &replacement).await?;
        Ok(Response::new(v1::ReplaceSecondFactorResponse { replaced }))
    }

    type FollowTenantsStream = Answers<v1::FollowTenantsResponse>;

    async fn follow_tenants(
        &self,
        request: Request<v1::FollowTenantsRequest>,
    ) -> Result<Response<Self::FollowTenantsStream>, Status> {
        let caller = net::grpc::caller(&request)?;
        caller
            .needs_scope(runtime::scope::CONFIG_READ)
            .map_err(|problem| Status::permission_denied(problem.to_string()))?;
        let only = caller.tenant().cloned();
        let permit = self.streams.open(only.as_ref(), caller.subject())?;
        let mut held = self.held.clone();
        let (answers, stream) = mpsc::channel(WAITING_MAX);
        let stream = until_token_expires(ReceiverStream::new(stream), caller, self.clock.clone());
        tokio::spawn(async move {
            loop {
                let shown = |tenant: &&TenantId| only.as_ref().is_none_or(|only| only == *tenant);
                let tenants = held.borrow_and_update().keys().filter(shown).map(ToString::to_string).collect();
                if answers.send(Ok(v1::FollowTenantsResponse { tenants })).await.is_err() {
                    return;
                }
                // The wait fails only when its time is over.
                let _ = tokio::time::timeout(SILENCE_MAX, held.changed()).await;
            }
        });
        Ok(Response::new(permit.with(stream)))
    }

    type FollowStream = Answers<v1::FollowResponse>;

    async fn follow(&self, request: Request<v1::FollowRequest>) -> Result<Response<Self::FollowStream>, Status> {
        let view = Self::view(&request, request.get_ref().kinds.clone())?;
        let (answers, stream) = mpsc::channel(WAITING_MAX);
        let permit = self.streams.open(Some(&view.tenant), net::grpc::caller(&request)?.subject())?;
        let stream = until_token_expires(ReceiverStream::new(stream), net::grpc::caller(&request)?, self.clock.clone());
        let mut after = Revision(request.into_inner().after_revision);
        let (store, mut held) = (self.store.clone(), self.held.clone());
        tokio::spawn(async move {
            loop {
                let changes = match store.changes(&view.tenant, after).await {
                    Ok(changes) => changes,
                    Err(error) => return drop(answers.send(Err(status(error))).await),
                };
                if after > changes.revision {
                    return drop(answers.send(Err(beyond(after, changes.revision))).await);
                }
                let before = std::mem::replace(&mut after, changes.revision);
                let shown = changes.changes.into_iter().filter_map(|change| match change {
                    ObjectChange::Put(object) => view.shows(&object.key()).then(|| view.object(object)),
                    ObjectChange::Delete(key) => view.shows(&key).then(|| v1::ConfigObject {
                        kind: key.kind.as_str().to_owned(),
                        id: key.id,
                        json: String::new(),
                    }),
                });
                for part in parts(before, after, shown) {
                    if answers.send(Ok(part)).await.is_err() {
                        return;
                    }
                }
                // The wait fails only when its time is over.
                let _ = tokio::time::timeout(SILENCE_MAX, held.changed()).await;
            }
        });
        Ok(Response::new(permit.with(stream)))
    }
}

/// Splits the changes into messages that every reader accepts. A reader that continues after any but the last gets all of them again.
fn parts(
    before: Revision,
    after: Revision,
    objects: impl Iterator<Item = v1::ConfigObject>,
) -> Vec<v1::FollowResponse> {
    let mut parts = vec![v1::FollowResponse { revision: after.0, objects: Vec::new() }];
    let mut bytes = 0;
    for object in objects {
        let more = object.encoded_len();
        let last = parts.last_mut().expect("there is a first one");
        if last.objects.is_empty() || bytes + more <= PART_BYTES {
            bytes += more;
            last.objects.push(object);
        } else {
            bytes = more;
            last.revision = before.0;
            parts.push(v1::FollowResponse { revision: after.0, objects: vec![object] });
        }
    }
    parts
}

/// Refuses a revision that has never existed: its reader would get nothing for a long time, and then miss changes.
fn beyond(after: Revision, last: Revision) -> Status {
    Status::out_of_range(format!("after_revision: {} is beyond the last, {}: read the objects again", after.0, last.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: usize, bytes: usize) -> v1::ConfigObject {
        v1::ConfigObject { kind: "application".to_owned(), id: id.to_string(), json: "x".repeat(bytes) }
    }

    #[test]
    fn many_documents_come_in_messages_that_are_read_and_the_last_names_their_revision() {
        let objects: Vec<_> = (0..60).map(|id| object(id, if id % 7 == 0 { 3 << 20 } else { 150_000 })).collect();
        let parts = parts(Revision(4), Revision(9), objects.clone().into_iter());
        assert!(parts.iter().all(|part| part.encoded_len() < 4 << 20 && !part.objects.is_empty()));
        let (last, others) = parts.split_last().unwrap();
        assert!(last.revision == 9 && others.iter().all(|part| part.revision == 4));
        let told: Vec<_> = parts.iter().flat_map(|part| part.objects.clone()).collect();
        assert_eq!(told, objects);
    }

    #[test]
    fn that_nothing_has_changed_is_one_message() {
        let told = parts(Revision(9), Revision(9), std::iter::empty());
        assert_eq!(told, [v1::FollowResponse { revision: 9, objects: Vec::new() }]);
    }
}
