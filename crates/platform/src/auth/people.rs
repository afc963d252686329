//! People and clients, as tenant has them (tenant-11), and which tenants there are. Which of these is meant: `tenancy`, and by the host
//! that was asked `tenant_host`, but for the installation's `own_hosts`. The client of our own pages is built in (`first_party`), and so are
//! those of the Workspace and the Provisioning API (`session_client`). What takes long to read is remembered: whose mail address is which
//! (`people_by_email`), the redirect URIs of all clients (`listed_uris`).

pub(super) mod first_party;
mod listed_uris;
pub(super) mod own_hosts;
mod people_by_email;
pub(super) mod session_client;
pub(super) mod tenancy;
pub(super) mod tenant_host;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::provisioning::{DnKind, Object, ObjectKind, Person, PersonField, Privilege, Tenant, UpstreamProvider};
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use identity::built_in_client::SessionClient;
use identity::login_name;
use identity::secret::Digest;
use infra::Clock;
use model::{Dn, TenantId, Timestamp};
use net::grpc::Channel;
pub(super) use net::tenant::TenantList as Tenants;
use net::tenant::{ObjectReader, ReadError, TenantHosts, follow_list_with_hosts};
use runtime::RoleContext;
use tokio::sync::watch;

use super::answers::Trouble;
use super::request::source::RequestSource;
use listed_uris::{ListedUri, ListedUris};
use own_hosts::OwnHosts;
use people_by_email::PeopleByEmail;

/// The connection to tenant, and its port.
const CONNECTION: &str = "tenant-11";
const PORT: u16 = 8888;
/// How long an object that was read is used again: whoever is disabled is refused within this time and the next question.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// The most objects that are remembered; then all are forgotten.
const REMEMBERED_MAX: usize = 4_096;
/// Time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The most DNs of a place that are looked at for the phone of its agent.
const DNS_OF_PLACE_MAX: usize = 8;

type Key = (TenantId, ObjectKind, String);

/// What a person's sessions and sign-ins are bound to: another password is another one.
pub(super) fn credential(person: &Person) -> Digest {
    Digest::of(person.password.as_ref().map_or("", |hash| hash.reveal()))
}

/// Reads objects of tenants.
pub(super) struct People {
    client: ConfigurationClient<Channel>,
    objects: ObjectReader,
    tenants: watch::Receiver<Tenants>,
    hosts: watch::Receiver<TenantHosts>,
    read: Mutex<HashMap<Key, (Option<Object>, Timestamp)>>,
    listed_uris: ListedUris,
    by_email: PeopleByEmail,
    issuer: String,
    own_hosts: OwnHosts,
    clock: Arc<dyn Clock>,
}

/// The subject of the tokens of the person with that user name.
pub(super) fn subject_of(user: &str) -> String {
    format!("person/{user}")
}

impl People {
    /// Begins to follow the tenants, which may have host names of that list.
    pub fn start(ctx: &RoleContext, hosts_of_tenants: &[String]) -> anyhow::Result<Self> {
        let client = ConfigurationClient::new(net::grpc::channel(ctx, CONNECTION, PORT)?);
        let (tenants, hosts) = follow_list_with_hosts(ctx, CONNECTION);
        Ok(Self {
            tenants,
            hosts,
            objects: ObjectReader::new(client.clone()),
            client,
            read: Mutex::default(),
            listed_uris: ListedUris::default(),
            by_email: PeopleByEmail::default(),
            issuer: ctx.tokens.issuer().to_owned(),
            own_hosts: OwnHosts::of(ctx.tokens.issuer(), hosts_of_tenants),
            clock: ctx.clock.clone(),
        })
    }

    /// The tenants that there are.
    pub fn tenants(&self) -> Tenants {
        self.tenants.borrow().clone()
    }

    /// The tenant that is meant at a host name in lower case: none where everybody comes, or no tenant may, whichever has claimed it.
    pub fn tenant_at(&self, host: &str) -> Option<TenantId> {
        let tenant = self.hosts.borrow().get(host).cloned()?;
        (!self.own_hosts.refuse(host, &tenant)).then_some(tenant)
    }

    /// What a tenant is called; none if there is none of that id.
    pub async fn tenant_name(&self, tenant: &TenantId) -> Result<Option<String>, Trouble> {
        Ok(self.settings(tenant).await?.map(|settings| settings.name))
    }

    /// Whether programs may use the grants `password` and `jwt_bearer` in the tenant at all.
    pub async fn takes_published_grants(&self, tenant: &TenantId) -> Result<bool, Trouble> {
        Ok(self.settings(tenant).await?.is_none_or(|settings| settings.sign_in.published_grants))
    }

    /// Whether people of the tenant sign in, and stay signed in, from where a request comes.
    pub async fn come_from(&self, tenant: &TenantId, source: &RequestSource) -> Result<bool, Trouble> {
        let settings = self.settings(tenant).await?;
        Ok(settings.is_none_or(|settings| settings.sign_in.lets_in_from(source.sender)))
    }

    /// A person, found without regard to case: by the folding by which wrong passwords are counted, whatever the store's is.
    pub async fn person(&self, tenant: &TenantId, user: &str) -> Result<Option<Person>, Trouble> {
        match self.object(tenant, ObjectKind::Person, user).await? {
            Some(Object::Person(person)) if login_name::is_same(&person.user_name, user) => Ok(Some(*person)),
            _ => Ok(None),
        }
    }

    /// Forgets what is remembered of a person, by whatever spelling it was read.
    pub fn forget(&self, tenant: &TenantId, user: &str) {
        let is_that =
            |(of, kind, name): &Key| of == tenant && *kind == ObjectKind::Person && login_name::is_same(name, user);
        self.lock().retain(|key, _| !is_that(key));
    }

    /// A person who may be signed in: there is one, and it is not disabled.
    pub async fn active(&self, tenant: &TenantId, user: &str) -> Result<Option<Person>, Trouble> {
        Ok(self.person(tenant, user).await?.filter(|person| !person.disabled))
    }

    /// The same as tenant has it now, whatever is remembered.
    pub async fn active_now(&self, tenant: &TenantId, user: &str) -> Result<Option<Person>, Trouble> {
        let read = self.ask(tenant, ObjectKind::Person, user).await?;
        let mut people = read.into_iter().filter_map(|object| match object {
            Object::Person(person) => Some(*person),
            _ => None,
        });
        Ok(people.find(|person| !person.disabled && login_name::is_same(&person.user_name, user)))
    }

    /// The same with that credential still. Before it is said that there is none, the person is read anew: what is remembered may be older
    /// than the credential.
    pub async fn active_with(&self, tenant: &TenantId, user: &str, seen: Digest) -> Result<Option<Person>, Trouble> {
        let is_that = |person: &Person| !person.disabled && credential(person) == seen;
        if let Some(person) = self.person(tenant, user).await?.filter(is_that) {
            return Ok(Some(person));
        }
        self.forget(tenant, user);
        Ok(self.person(tenant, user).await?.filter(is_that))
    }

    /// Whoever was signed in with that credential and may go on: there is the person, not disabled, with that credential still, and was
    /// signed in by two factors or needs but one. Sessions, refresh tokens and what is said of these are decided here.
    pub async fn who_may_go_on(
        &self,
        tenant: &TenantId,
        user: &str,
        seen: Digest,
        by_two_factors: bool,
    ) -> Result<Option<Person>, Trouble> {
        let Some(person) = self.active_with(tenant, user, seen).await? else { return Ok(None) };
        // Who was signed in by the password alone shows more once the tenant asks for it.
        let is_enough = by_two_factors || !self.requires_second_factor(tenant, &person).await?;
        Ok(is_enough.then_some(person))
    }

    /// Replaces a person's password, if it still is the one that was seen.
    pub async fn replace_password(
        &self,
        tenant: &TenantId,
        user: &str,
        seen: &str,
        password: String,
    ) -> Result<bool, Trouble> {
        let asked = v1::ReplacePasswordRequest { user: user.to_owned(), seen: seen.to_owned(), password };
        let asked = net::grpc::for_tenant(tonic::Request::new(asked), tenant);
        let mut client = self.client.clone();
        let answer = tokio::time::timeout(ANSWER_WITHIN, client.replace_password(asked)).await;
        self.forget(tenant, user);
        match answer {
            Ok(Ok(answer)) => Ok(answer.into_inner().replaced),
            Ok(Err(status)) => Err(Trouble::away("tenant", &status)),
            Err(late) => Err(Trouble::away("tenant", &late)),
        }
    }

    /// Replaces a person's second factor, sealed, if it still is the one that was seen.
    pub async fn replace_second_factor(
        &self,
        tenant: &TenantId,
        user: &str,
        seen: Option<String>,
        second_factor: Option<String>,
    ) -> Result<bool, Trouble> {
        let asked = v1::ReplaceSecondFactorRequest { user: user.to_owned(), seen, second_factor };
        let asked = net::grpc::for_tenant(tonic::Request::new(asked), tenant);
        let mut client = self.client.clone();
        let answer = tokio::time::timeout(ANSWER_WITHIN, client.replace_second_factor(asked)).await;
        self.forget(tenant, user);
        match answer {
            Ok(Ok(answer)) => Ok(answer.into_inner().replaced),
            Ok(Err(status)) => Err(Trouble::away("tenant", &status)),
            Err(late) => Err(Trouble::away("tenant", &late)),
        }
    }

    /// Whether the tenant wants a second factor of the person: it names the privileges whose people need one, by
    /// whichever other privilege they have them.
    pub async fn requires_second_factor(&self, tenant: &TenantId, person: &Person) -> Result<bool, Trouble> {
        let settings = self.settings(tenant).await?;
        let needs_it = |settings: &Tenant| {
            let privileges = Privilege::with_implied(&person.privileges);
            privileges.iter().any(|privilege| settings.require_second_factor.contains(privilege))
        };
        Ok(settings.is_some_and(|settings| needs_it(&settings)))
    }

    /// Whether a passkey signs people of the tenant in alone. It does not where passwords, or the provider, are the only first step.
    pub async fn takes_passkeys_alone(&self, tenant: &TenantId) -> Result<bool, Trouble> {
        let rules = self.settings(tenant).await?.map(|settings| settings.sign_in).unwrap_or_default();
        let has_only_a_provider = rules.upstream.is_some_and(|provider| provider.only);
        Ok(!rules.passkeys_need_password && !has_only_a_provider)
    }

    /// The tenant's own OpenID Provider, if it has one.
    pub async fn upstream(&self, tenant: &TenantId) -> Result<Option<UpstreamProvider>, Trouble> {
        Ok(self.settings(tenant).await?.and_then(|settings| settings.sign_in.upstream))
    }

    /// The person whose field has that value, as a provider says it. Letters beyond ASCII must be the same: a provider whose people choose
    /// their names lets nobody in as somebody whose name only looks like theirs.
    pub async fn by_field(
        &self,
        tenant: &TenantId,
        field: PersonField,
        value: &str,
    ) -> Result<Option<Person>, Trouble> {
        if field == PersonField::UserName {
            let found = self.person(tenant, value).await?;
            return Ok(found.filter(|person| person.user_name.eq_ignore_ascii_case(value)));
        }
        // What is remembered of whose address is which may be older than the person.
        for looks_again in [false, true] {
            let reading = self.users_by_email(tenant);
            let user = self.by_email.user_of(tenant, value, looks_again, self.clock.now(), reading).await?;
            let Some(user) = user else { continue };
            let has_it = |person: &Person| person.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(value));
            if let Some(person) = self.person(tenant, &user).await?.filter(has_it) {
                return Ok(Some(person));
            }
        }
        Ok(None)
    }

    /// Reads whose address is which.
    fn users_by_email(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<people_by_email::UsersByEmail, Trouble>> + Send + use<> {
        let (objects, tenant) = (ObjectReader::new(self.client.clone()), tenant.clone());
        async move {
            let mut users = people_by_email::UsersByEmail::new();
            let reading = objects.read(&tenant, &[ObjectKind::Person], "", |object| {
                if let Object::Person(person) = object
                    && let Some(email) = &person.email
                {
                    people_by_email::add(&mut users, email, person.user_name.clone());
                }
                Ok::<(), ReadError>(())
            });
            reading.await.map_err(|error| Trouble::away("tenant", &error))?;
            Ok(users)
        }
    }

    /// The settings of a tenant.
    async fn settings(&self, tenant: &TenantId) -> Result<Option<Box<Tenant>>, Trouble> {
        Ok(match self.remembered(tenant, ObjectKind::Tenant, "").await? {
            Some(Object::Tenant(settings)) => Some(settings),
            _ => None,
        })
    }

    /// A client, found as people are. Those of our own pages and of the published APIs are there in every tenant.
    pub async fn client(
        &self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<contracts::provisioning::OAuthClient>, Trouble> {
        if first_party::is_meant(id) {
            return Ok(Some(first_party::client(&self.issuer)));
        }
        if let Some(of) = SessionClient::named(id) {
            let listed = self.redirect_uris(tenant).await?;
            return Ok(Some(session_client::client(of, &listed, None)));
        }
        match self.object(tenant, ObjectKind::Client, id).await? {
            Some(Object::Client(client)) if login_name::is_same(&client.id, id) => Ok(Some(client)),
            _ => Ok(None),
        }
    }

    /// Every redirect URI of a tenant's clients, as they were some seconds ago at most.
    pub async fn redirect_uris(&self, tenant: &TenantId) -> Result<Arc<Vec<ListedUri>>, Trouble> {
        let reading = async {
            let clients = self.ask(tenant, ObjectKind::Client, "").await?;
            let uris = clients.into_iter().filter_map(|object| match object {
                Object::Client(client) => Some(ListedUri::of(client)),
                _ => None,
            });
            Ok::<Vec<ListedUri>, Trouble>(uris.flatten().collect())
        };
        self.listed_uris.of(tenant, self.clock.now(), reading).await
    }

    /// The DN of the phone at the place of an agent.
    pub async fn dn_of(&self, tenant: &TenantId, person: &Person) -> Result<Option<Dn>, Trouble> {
        let place = person.agent.as_ref().and_then(|agent| agent.default_place.as_deref());
        let Some(place) = place else { return Ok(None) };
        let Some(Object::Place(place)) = self.object(tenant, ObjectKind::Place, place).await? else { return Ok(None) };
        for number in place.dns.iter().take(DNS_OF_PLACE_MAX) {
            if let Some(Object::Dn(dn)) = self.object(tenant, ObjectKind::Dn, number).await?
                && matches!(dn.kind, DnKind::Extension { .. })
            {
                return Ok(Dn::parse(&dn.number).ok());
            }
        }
        Ok(None)
    }

    async fn object(&self, tenant: &TenantId, kind: ObjectKind, id: &str) -> Result<Option<Object>, Trouble> {
        // An empty id would ask for all of them.
        if id.is_empty() || id.len() > model::id::NAME_MAX {
            return Ok(None);
        }
        self.remembered(tenant, kind, id).await
    }

    async fn remembered(&self, tenant: &TenantId, kind: ObjectKind, id: &str) -> Result<Option<Object>, Trouble> {
        let key = (tenant.clone(), kind, id.to_owned());
        let now = self.clock.now();
        if let Some((object, at)) = self.lock().get(&key)
            && now.since(*at) < FRESH_FOR
        {
            return Ok(object.clone());
        }
        let object = self.ask(tenant, kind, id).await?.into_iter().next();
        let mut read = self.lock();
        if read.len() >= REMEMBERED_MAX {
            read.clear();
        }
        read.insert(key, (object.clone(), now));
        Ok(object)
    }

    async fn ask(&self, tenant: &TenantId, kind: ObjectKind, id: &str) -> Result<Vec<Object>, Trouble> {
        // Tenant would call the request faulty, but nobody has such a name: it is a wrong one.
        if id.contains('\0') {
            return Ok(Vec::new());
        }
        let (mut objects, kinds) = (Vec::new(), [kind]);
        let reading = self.objects.read(tenant, &kinds, id, |object| {
            objects.push(object);
            Ok::<(), ReadError>(())
        });
        match tokio::time::timeout(ANSWER_WITHIN, reading).await {
            Ok(Ok(_)) => Ok(objects),
            // That there is no such tenant, while there is one, says that tenant is beginning: nobody is taken for gone.
            Ok(Err(error)) if error.is_no_tenant() && !self.tenants().contains(tenant) => Ok(Vec::new()),
            Ok(Err(error)) => Err(Trouble::away("tenant", &error)),
            Err(late) => Err(Trouble::away("tenant", &late)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, (Option<Object>, Timestamp)>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
