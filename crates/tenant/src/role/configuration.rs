//! gRPC 8888: reads and follows the tenant's objects, and replaces the passwords and second factors that people have changed.

mod following;
mod person_view;
mod roles;

use std::sync::Arc;

use contracts::provisioning::{Object, ObjectKey, ObjectKind};
use contracts::v1;
use contracts::v1::configuration_server::Configuration;
use contracts::v1::read_objects_response::What;
use futures::StreamExt as _;
use infra::{Clock, HistoryPoint, HistoryStamp, ProvisioningStore, Revision, StoreError};
use model::TenantId;
use net::grpc::{Answers, Streams, until_token_expires};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::caller_rights::KeptRights;
use super::own_secrets::{self, OwnSecret, SecretReplacement};
use super::request_texts::{RequestTexts, expect_texts};
use super::stored_tenants::StoredTenants;
use crate::objects::{HeldTenants, IndexedTenant, SharedTenant};
use following::{FollowFilter, KnownHosts, ObjectFollower, ToldHosts, tell_tenants};
use person_view::{PersonView, ToldToPerson};
use roles::{with_roles, with_roles_of};

/// The most messages that wait for a slow reader; its own flow control holds the rest back.
const WAITING_MAX: usize = 2;
/// The most kinds in one request; fewer kinds exist.
const KINDS_MAX: usize = 64;

/// The gRPC service.
pub(super) struct Server {
    store: Arc<dyn ProvisioningStore>,
    stored: watch::Receiver<StoredTenants>,
    held: Arc<HeldTenants>,
    rights: Arc<KeptRights>,
    clock: Arc<dyn Clock>,
    streams: Streams,
    hosts: KnownHosts,
}

/// The objects that a caller may see.
#[derive(Clone)]
struct View {
    tenant: TenantId,
    kinds: Vec<String>,
    secrets: Secrets,
    /// Who asks, if that is a person: then folders limit what is shown.
    person: Option<PersonView>,
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

impl View {
    fn shows(&self, kind: ObjectKind) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|name| name == kind.as_str())
    }

    fn object(&self, object: Object) -> v1::ConfigObject {
        let key = object.key();
        let object = match self.secrets {
            Secrets::None => object.without_secrets(),
            Secrets::OfLines => object.without_hashes().without_pin().without_sealed(),
            Secrets::All => object.without_pin().without_sealed(),
        };
        let json = String::from_utf8(object.to_json()).unwrap_or_default();
        v1::ConfigObject { kind: key.kind.as_str().to_owned(), id: key.id, json }
    }
}

impl Server {
    pub fn new(
        store: Arc<dyn ProvisioningStore>,
        stored: watch::Receiver<StoredTenants>,
        held: Arc<HeldTenants>,
        rights: Arc<KeptRights>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, stored, held, rights, clock, streams: Streams::default(), hosts: KnownHosts::default() }
    }

    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    fn view<T: RequestTexts>(&self, request: &Request<T>, kinds: Vec<String>) -> Result<View, Status> {
        let caller = net::grpc::caller(request)?;
        caller
            .needs_scope(runtime::scope::CONFIG_READ)
            .map_err(|problem| Status::permission_denied(problem.to_string()))?;
        let secrets = match caller.has_scope(runtime::scope::CONFIG_SECRETS) {
            true if caller.role() == Some(AUTH) => Secrets::All,
            true => Secrets::OfLines,
            false => Secrets::None,
        };
        expect_texts(request.get_ref())?;
        if kinds.len() > KINDS_MAX {
            return Err(Status::invalid_argument(format!("kinds: there are more than {KINDS_MAX}")));
        }
        let person = caller.person().map(|user| PersonView {
            user: user.to_owned(),
            held: self.held.clone(),
            kept: self.rights.clone(),
        });
        Ok(View { tenant: net::grpc::tenant(request)?, kinds, secrets, person })
    }
}

impl Server {
    /// The objects that a request asks for. One of one kind is looked up: somebody who signs in waits for it. The tenant itself has no id.
    /// Others are shared with the tenant in memory, so that a large answer begins at once and copies nothing.
    async fn wanted(&self, view: &View, id: String) -> Result<(HistoryPoint, Vec<Arc<Object>>), Status> {
        if let Some(person) = &view.person {
            let kinds = ObjectKind::ALL.into_iter().filter(|kind| view.shows(*kind)).collect();
            return person.seen(&*self.store, &view.tenant, kinds, id).await;
        }
        let kind = match view.kinds.as_slice() {
            [kind] => ObjectKind::parse(kind).filter(|kind| !id.is_empty() || *kind == ObjectKind::Tenant),
            _ => None,
        };
        if let Some(kind) = kind {
            let point = self.point(&view.tenant).await?;
            let key = ObjectKey { kind, id };
            let (is_for_auth, named) = (view.secrets == Secrets::All, key.clone());
            let asked = async {
                let found = self.store.find(&view.tenant, &key).await?;
                // Who signs a person in needs what the person may do by roles, too.
                if is_for_auth { with_roles(&self.store, &self.held, &view.tenant, found).await } else { Ok(found) }
            };
            let known = move |held: &IndexedTenant| {
                let found = held.get(&named).cloned();
                if is_for_auth { with_roles_of(held, found) } else { found }
            };
            let found = self.held.asked_or_known(&view.tenant, asked, known).await.map_err(status)?;
            return Ok((point, found.into_iter().map(Arc::new).collect()));
        }
        let kinds: Vec<ObjectKind> = ObjectKind::ALL.into_iter().filter(|kind| view.shows(*kind)).collect();
        let wanted = move |held: &IndexedTenant| {
            let named = kinds.iter().flat_map(|kind| held.of_kind(*kind));
            let wanted = named.filter(|(name, _)| id.is_empty() || *name == id.as_str());
            (held.point(), wanted.map(|(_, object)| object.clone()).collect::<Vec<_>>())
        };
        self.readable(&view.tenant).await?.look(wanted).await.ok_or_else(unread)
    }

    /// The tenant as it is now; while the database is away, as it was known last. It is read to its end even if the caller leaves: whoever asks next finds it.
    async fn readable(&self, tenant: &TenantId) -> Result<SharedTenant, Status> {
        let (store, held, of) = (self.store.clone(), self.held.clone(), tenant.clone());
        let reading = tokio::spawn(async move { held.readable(&*store, &of).await });
        let fresh = reading.await.map_err(|_| unread())?;
        fresh.map_err(status)?.ok_or_else(|| no_tenant(tenant))
    }

    /// The point of a tenant's history. Only the database says that there is no such tenant: the list may not be known yet, or be older.
    async fn point(&self, tenant: &TenantId) -> Result<HistoryPoint, Status> {
        let listed = self.stored.borrow().point(tenant);
        if let Some(listed) = listed {
            return Ok(listed);
        }
        self.store.point(tenant).await.map_err(status)?.ok_or_else(|| no_tenant(tenant))
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
fn tenant_of_auth<T: RequestTexts>(request: &Request<T>) -> Result<TenantId, Status> {
    if net::grpc::caller(request)?.role() != Some(AUTH) {
        return Err(Status::permission_denied("auth alone replaces what people sign in with"));
    }
    expect_texts(request.get_ref())?;
    net::grpc::tenant(request)
}

fn no_tenant(tenant: &TenantId) -> Status {
    Status::not_found(format!("no tenant {tenant}"))
}

fn unread() -> Status {
    Status::unavailable("the tenant could not be read: try again")
}

fn status(error: StoreError) -> Status {
    match error {
        StoreError::Missing { .. } => Status::not_found(error.to_string()),
        StoreError::NulInText => Status::invalid_argument(error.to_string()),
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
        let view = self.view(&request, request.get_ref().kinds.clone())?;
        let permit = self.streams.open(Some(&view.tenant), net::grpc::caller(&request)?.subject())?;
        let id = request.into_inner().id;
        let (HistoryPoint { revision, stamp }, wanted) = self.wanted(&view, id).await?;
        let last = v1::ReadObjectsResponse { history: stamp.0, what: Some(What::Revision(revision.0)) };
        let objects = futures::stream::iter(wanted).map(move |object| {
            let object = view.object(Arc::unwrap_or_clone(object));
            v1::ReadObjectsResponse { history: 0, what: Some(What::Object(object)) }
        });
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
        let (answers, stream) = mpsc::channel(WAITING_MAX);
        let stream = until_token_expires(ReceiverStream::new(stream), caller, self.clock.clone());
        let hosts = match request.get_ref().hosts {
            true => ToldHosts::of(self.store.clone(), self.hosts.clone()),
            false => ToldHosts::default(),
        };
        tokio::spawn(tell_tenants(answers, self.stored.clone(), only, hosts));
        Ok(Response::new(permit.with(stream)))
    }

    type FollowStream = Answers<v1::FollowResponse>;

    async fn follow(&self, request: Request<v1::FollowRequest>) -> Result<Response<Self::FollowStream>, Status> {
        let view = self.view(&request, request.get_ref().kinds.clone())?;
        let (answers, stream) = mpsc::channel(WAITING_MAX);
        let permit = self.streams.open(Some(&view.tenant), net::grpc::caller(&request)?.subject())?;
        let stream = until_token_expires(ReceiverStream::new(stream), net::grpc::caller(&request)?, self.clock.clone());
        let asked = request.into_inner();
        let filter = FollowFilter::of(&asked.id_prefix, asked.types)?;
        let after = HistoryPoint { revision: Revision(asked.after_revision), stamp: HistoryStamp(asked.history) };
        let told = ToldToPerson::default();
        let follower =
            ObjectFollower { store: self.store.clone(), stored: self.stored.clone(), view, filter, told, after };
        tokio::spawn(follower.tell(answers));
        Ok(Response::new(permit.with(stream)))
    }
}

#[cfg(test)]
mod tests;
