//! For whom a request is made. The role gws-configuration asks for people who provision a tenant by the published API, and names each of
//! them, with what the token opened by which the person came: the request then has the rights of both and no others, by the tenant as it is
//! now, and the history names the person, the client and the sign-in. The role itself may change nothing. Whom any other caller names is
//! ignored.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Person, Privilege};
use identity::built_in_client;
use identity::scope::Privilege as Granted;
use infra::ChangeOrigin;
use model::TenantId;
use net::requester::{self, REQUESTER, REQUESTER_GRANT, RequesterGrant};
use runtime::Caller;
use tonic::{Request, Status};

use super::refusals::ends;
use super::shares::SharedPlace;
use super::{ObjectServer, REQUESTS_MAX, REQUESTS_OF_TENANT_MAX};
use crate::objects::{IndexedTenant, privileges_of};
use crate::role::request_texts::{RequestTexts, expect_texts};

/// The role that is believed.
const PROVISIONER: &str = "gws-configuration";
/// What subjects of people begin with.
const PERSON: &str = "person/";

/// The person for whom a role asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedPerson {
    /// The user name.
    pub user: String,
    /// What the token opened by which the person came.
    grant: RequesterGrant,
}

/// The person for whom a request is made, if its caller is the role that asks for others and names one.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub(super) fn named<T>(request: &Request<T>) -> Result<Option<NamedPerson>, Status> {
    named_by(net::grpc::caller(request)?, request)
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn named_by<T>(caller: &Caller, request: &Request<T>) -> Result<Option<NamedPerson>, Status> {
    if caller.role() != Some(PROVISIONER) {
        return Ok(None);
    }
    let Some(named) = request.metadata().get(REQUESTER) else { return Ok(None) };
    let name = named.to_str().ok().and_then(requester::read);
    let user = name.as_deref().and_then(|name| name.strip_prefix(PERSON)).filter(|user| !user.is_empty());
    let rule = || Status::invalid_argument(format!("{REQUESTER}: it must name a person, as person/ann"));
    let user = user.ok_or_else(rule)?.to_owned();
    let grant = request.metadata().get(REQUESTER_GRANT).and_then(|grant| grant.to_str().ok());
    let rule = || Status::invalid_argument(format!("{REQUESTER_GRANT}: it must say what the person's token opened"));
    let grant = grant.and_then(RequesterGrant::read).ok_or_else(rule)?;
    Ok(Some(NamedPerson { user, grant }))
}

/// Who has made a change, and by which client and sign-in, as the history names them; it is added from where the request came.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub(super) fn author<T>(request: &Request<T>) -> Result<(String, ChangeOrigin), Status> {
    if let Some(NamedPerson { user, grant }) = named(request)? {
        let origin = ChangeOrigin { client: grant.client, session: grant.session, source: None };
        return Ok((format!("{PERSON}{user}"), origin));
    }
    let caller = net::grpc::caller(request)?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let origin = ChangeOrigin { client: owned(caller.client()), session: owned(caller.session()), source: None };
    Ok((caller.subject().to_owned(), origin))
}

impl ObjectServer {
    /// The tenant of a caller with that scope, and the right to an answer. Who asks for a person has what that person has, as far as the
    /// token opened it by which the person came. Nothing behind it sees a text that a store may not have.
    pub(super) async fn admit<T: RequestTexts + Sync>(
        &self,
        request: &Request<T>,
        scope: &'static str,
    ) -> Result<(TenantId, SharedPlace<'_>), Status> {
        let (caller, person) = (net::grpc::caller(request)?, named(request)?);
        if person.is_none() {
            caller.needs_scope(scope).map_err(|problem| Status::permission_denied(problem.to_string()))?;
        }
        let tenant = net::grpc::tenant(request)?;
        expect_texts(request.get_ref())?;
        let place = self.requests.take_now(&tenant).ok_or_else(|| {
            let text = "requests are being answered already";
            Status::resource_exhausted(format!("{REQUESTS_MAX} {text}, or {REQUESTS_OF_TENANT_MAX} of the tenant"))
        })?;
        if let Some(person) = person {
            let has = move |held: &IndexedTenant| person.has_scope(held, scope);
            if !self.readable(&tenant).await?.look(has).await.ok_or_else(ends)? {
                let words = format!("whoever asks does not have the scope {scope:?}, or may not sign in");
                return Err(Status::permission_denied(words));
            }
        }
        Ok((tenant, place))
    }
}

impl NamedPerson {
    /// Whether the person has a scope: by the privileges that the person has now, by the token, and by the client of it as it is now. Who
    /// may not sign in has none.
    fn has_scope(&self, held: &IndexedTenant, scope: &str) -> bool {
        let person = held.person(&self.user).filter(|person| !person.disabled);
        self.grant.opens(scope)
            && self.grant.client.as_deref().is_none_or(|client| client_opens(held, client, scope))
            && person.is_some_and(|person| opens(held, person, scope))
    }
}

/// Whether people get a scope by a client: one that is there, and whose list, if it has one, has the scope.
fn client_opens(held: &IndexedTenant, client: &str, scope: &str) -> bool {
    if built_in_client::is_built_in(client) {
        return true;
    }
    match held.spelled(&ObjectKey { kind: ObjectKind::Client, id: client.to_owned() }) {
        Some(Object::Client(client)) => client.scopes.is_empty() || client.scopes.iter().any(|own| own == scope),
        _ => false,
    }
}

fn opens(held: &IndexedTenant, person: &Person, scope: &str) -> bool {
    let privileges = Privilege::with_implied(&privileges_of(held, person));
    privileges.into_iter().any(|privilege| granted(privilege).scopes().contains(&scope))
}

/// A privilege as `identity` knows it, whose scopes are those of tokens.
const fn granted(privilege: Privilege) -> Granted {
    match privilege {
        Privilege::Agent => Granted::Agent,
        Privilege::Supervisor => Granted::Supervisor,
        Privilege::Administrator => Granted::Administrator,
        Privilege::Designer => Granted::Designer,
        Privilege::Integrator => Granted::Integrator,
        Privilege::FolderAdministrator => Granted::FolderAdministrator,
        Privilege::ViewDashboard => Granted::ViewDashboard,
        Privilege::ViewDashboardRestricted => Granted::ViewDashboardRestricted,
        Privilege::ManageTabs => Granted::ManageTabs,
        Privilege::EditWidgetDisplay => Granted::EditWidgetDisplay,
        Privilege::ManageWidgets => Granted::ManageWidgets,
        Privilege::ManageSharedDashboards => Granted::ManageSharedDashboards,
        Privilege::ManageTemplates => Granted::ManageTemplates,
        Privilege::AddDashboardsWithoutLimit => Granted::AddDashboardsWithoutLimit,
        Privilege::AddWidgetsWithoutLimit => Granted::AddWidgetsWithoutLimit,
        Privilege::ManageUsers => Granted::ManageUsers,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use contracts::provisioning::OAuthClient;
    use infra::{HistoryPoint, Revision, SystemClock, VersionedObjects};
    use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};
    use runtime::{ApiFamily, RoleSpec};
    use tonic::Code;

    use super::*;

    static GWS: RoleSpec = RoleSpec { opens: &["tenant-07"], ..RoleSpec::bare(PROVISIONER, 21) };
    static PULSE: RoleSpec = RoleSpec { opens: &["voice-02"], ..RoleSpec::bare("pulse", 30) };

    /// The role gws-configuration, another role, and a program that calls itself like the first.
    fn callers() -> [Caller; 3] {
        let clock = Arc::new(SystemClock::start());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let [gws, pulse] = [&GWS, &PULSE].map(|spec| ServiceIssuer::of_new_key(spec, clock.clone()).unwrap());
        let verifier = TokenVerifier::of(&issuer, &[&gws, &pulse]);
        let hour = Duration::from_secs(3_600);
        let program = issuer.issue(None, "gws-configuration/gws-configuration-1", "config:write", hour).unwrap();
        let of_role = |of: &ServiceIssuer| of.token(&format!("{}-1", of.spec().name), "tenant").unwrap();
        [of_role(&gws), of_role(&pulse), program]
            .map(|token| verifier.verify(&token, "tenant", &[ApiFamily::Tenant]).unwrap())
    }

    fn asking_for(named: Option<&str>) -> Request<()> {
        let mut request = Request::new(());
        if let Some(named) = named {
            request.metadata_mut().insert(REQUESTER, named.parse().unwrap());
            request.metadata_mut().insert(REQUESTER_GRANT, "scope=config:read;client=crm;session=s-1".parse().unwrap());
        }
        request
    }

    fn named_person(user: &str, scopes: &[&str], client: Option<&str>) -> NamedPerson {
        let scopes = scopes.iter().copied().map(str::to_owned).collect();
        let grant = RequesterGrant { scopes, client: client.map(str::to_owned), session: None };
        NamedPerson { user: user.to_owned(), grant }
    }

    #[test]
    fn one_role_alone_names_for_whom_it_asks_and_it_names_people() {
        let [gws, pulse, program] = callers();
        let ann = asking_for(Some("person/%C3%A4nne"));
        let named = named_by(&gws, &ann).unwrap().unwrap();
        assert_eq!((named.user.as_str(), named.grant.client.as_deref()), ("\u{e4}nne", Some("crm")));
        assert_eq!(named_by(&gws, &asking_for(None)).unwrap(), None);
        assert_eq!((named_by(&pulse, &ann).unwrap(), named_by(&program, &ann).unwrap()), (None, None));
        for wrong in ["", "ann", "person/", "client/crm"] {
            assert_eq!(named_by(&gws, &asking_for(Some(wrong))).unwrap_err().code(), Code::InvalidArgument, "{wrong}");
        }
        let mut unbounded = asking_for(Some("person/ann"));
        unbounded.metadata_mut().remove(REQUESTER_GRANT);
        assert_eq!(named_by(&gws, &unbounded).unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn the_history_names_the_person_with_the_client_and_the_sign_in_and_not_those_of_the_role() {
        let [gws, _, program] = callers();
        let by = |caller: Caller, named: Option<&str>| {
            let mut request = asking_for(named);
            request.extensions_mut().insert(caller);
            author(&request).unwrap()
        };
        let (person, origin) = by(gws.clone(), Some("person/ann"));
        assert_eq!((person.as_str(), origin.client.as_deref()), ("person/ann", Some("crm")));
        assert_eq!(origin.session.as_deref(), Some("s-1"));
        assert_eq!(by(gws, None).0, "gws-configuration/gws-configuration-1");
        assert_eq!(by(program, Some("person/ann")).0, "gws-configuration/gws-configuration-1");
    }

    fn held() -> IndexedTenant {
        let person = |user: &str, privilege: Privilege| Person {
            user_name: user.to_owned(),
            privileges: vec![privilege],
            ..Person::default()
        };
        let mut objects = infra::conformance::provisioning::objects("acme");
        objects.annexes.clear();
        objects.access_groups.clear();
        objects.roles.clear();
        objects.folders.clear();
        objects.people = vec![
            person("root", Privilege::Administrator),
            person("fred", Privilege::FolderAdministrator),
            person("dora", Privilege::Designer),
            person("ann", Privilege::Agent),
            Person { disabled: true, ..person("gone", Privilege::Administrator) },
        ];
        let client = |id: &str, scopes: &[&str]| OAuthClient {
            id: id.to_owned(),
            scopes: scopes.iter().copied().map(str::to_owned).collect(),
            ..OAuthClient::default()
        };
        objects.clients = vec![client("Open", &[]), client("reads", &["config:read"])];
        let point = HistoryPoint::unstamped(Revision(3));
        IndexedTenant::of(VersionedObjects { point, objects, revisions: HashMap::new() })
    }

    #[test]
    fn a_person_has_the_scopes_of_the_privileges_that_the_tenant_gives_now() {
        let held = held();
        let opens = |user: &str, scope: &str| opens(&held, held.person(user).unwrap(), scope);
        for (user, reads, writes) in
            [("root", true, true), ("fred", true, true), ("dora", true, false), ("ann", false, false)]
        {
            assert_eq!((opens(user, "config:read"), opens(user, "config:write")), (reads, writes), "{user}");
        }
    }

    #[test]
    fn whoever_is_named_has_no_more_than_privileges_token_and_client_open_together() {
        const BOTH: &[&str] = &["config:read", "config:write"];
        let held = held();
        for (named, reads, writes) in [
            (named_person("root", BOTH, None), true, true),
            (named_person("root", BOTH, Some("open")), true, true),
            (named_person("root", BOTH, Some("trunkline-pages")), true, true),
            (named_person("root", &["config:read"], None), true, false),
            (named_person("root", &[], None), false, false),
            (named_person("root", BOTH, Some("reads")), true, false),
            (named_person("root", BOTH, Some("removed")), false, false),
            (named_person("dora", BOTH, None), true, false),
            (named_person("ann", BOTH, None), false, false),
            (named_person("gone", BOTH, None), false, false),
            (named_person("nobody", BOTH, None), false, false),
        ] {
            let has = |scope: &str| named.has_scope(&held, scope);
            assert_eq!((has("config:read"), has("config:write")), (reads, writes), "{named:?}");
        }
    }
}
