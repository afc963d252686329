//! `GET` and `POST /sign-in`: the page at which people show their passwords, and then the second factor where there is one.
//! Other ways in: `at_provider`, which asks the tenant's OpenID Provider by `upstream`, and `with_passkey`. Between the first step and the
//! session: `half_signed_in`, `second_step`, `made_passkey`, `new_password`. What people change themselves who have signed in:
//! `change_password`, `second_factor_page`.

mod at_provider;
pub(super) mod change_password;
mod half_signed_in;
mod made_passkey;
mod new_password;
mod page_query;
pub(super) mod second_factor_page;
mod second_step;
pub(super) mod upstream;
mod with_passkey;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use contracts::provisioning::{Person, UpstreamProvider};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::authorization::{self, AuthorizationRefusal};
use identity::redirect_uri;
use identity::secret::Digest;
use model::{TenantId, Timestamp};
use serde_json::json;

use super::Auth;
use super::answers::{self, Trouble};
use super::oauth::{authorize, issue};
use super::page::browser::RequestBrowser;
use super::page::form_request::FormRequest;
use super::page::{self, ProviderLink, SignInForm};
use super::people::{self, Tenants, tenancy, tenant_host};
use super::proofs::person_login::{self, PersonLogin};
use super::proofs::{client_login, passkeys, sign_in_address};
use super::records::BrowserSession;
use super::request::cookies::{Cookie, SessionCookie};
use super::request::parameters::Parameters;
use super::request::session;
use super::request::source::RequestSource;

use page_query::PageQuery;

pub(super) use at_provider::{begin as to_provider, come_back as from_provider};
pub(super) use second_step::{WRONG_CODE, WRONG_FIRST_CODE};
pub(super) use with_passkey::{show as show_passkey, submit as submit_passkey};

/// The same for a wrong password, an unknown person, an unknown tenant and a disabled person.
const WRONG: &str = "User name or password is wrong.";
/// Parameters that have had their effect once somebody has signed in.
const DONE_BY_SIGN_IN: [&str; 2] = ["prompt", "max_age"];
/// The name of its form.
const FORM: &str = "sign-in";

/// A request of the page.
#[derive(Clone, Copy)]
struct PageRequest<'a> {
    auth: &'a Auth,
    browser: RequestBrowser<'a>,
    /// Those of its query.
    parameters: &'a Parameters,
    setting: &'a Setting,
}

/// A session that has begun: where the browser goes on, and its cookies.
struct BegunSession {
    to: String,
    cookies: [Option<HeaderValue>; 2],
}

/// What stands around a form.
struct Setting {
    query: String,
    /// The tenant, where it need not be typed: also one that there is not, so that nobody learns which there are.
    tenant: Option<String>,
    /// What the tenant is called, where the host has named it: that there is the tenant is no secret then.
    tenant_name: Option<String>,
    /// Where the sign-in ends, as a source of the page's policy.
    leads_to: Option<String>,
    /// Who is expected (`login_hint`): the user name, until another one is typed.
    expected: String,
    /// The OpenID Provider of the tenant, where the tenant is known and has one.
    provider: Option<TenantProvider>,
    /// Whether a passkey may sign in alone, as far as the tenant is known.
    takes_passkeys: bool,
}

/// A tenant that there is, and its OpenID Provider.
#[derive(Clone)]
struct TenantProvider {
    tenant: TenantId,
    rules: UpstreamProvider,
}

/// What somebody has shown who begins a session.
struct ShownSteps {
    /// What the provider is called that has said who it is; none if the password or a passkey was shown.
    provider: Option<String>,
    /// Whether a second factor was shown too.
    by_two_factors: bool,
    /// Whether a passkey was shown.
    by_passkey: bool,
    /// As the audit calls it.
    way: SignInWay,
    /// When.
    authenticated_at: Timestamp,
}

/// `POST /auth-scheme`: how people sign in.
pub(super) async fn scheme() -> Response {
    answers::done(Some(json!({ "scheme": "basic" })))
}

/// The page.
pub(super) async fn show(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let shown = async {
        let parameters = match authorize::query(&uri) {
            Ok(parameters) => tenant_host::named(&auth, &source, parameters),
            Err(fault) => return Ok(page::fault(StatusCode::BAD_REQUEST, fault)),
        };
        // Who wants to sign in again, to change what is their own, does.
        let begins_anew = parameters.get("prompt") == Some("login");
        if parameters.get("client_id").is_none()
            && !begins_anew
            && let Some(signed_in) = session::of_browser(&auth, &headers, &source).await?
        {
            return Ok(match own_page(&parameters) {
                Some(to) => answers::redirect(&to),
                None => page::signed_in(&issue::full_name(&signed_in.person)),
            });
        }
        let setting = setting(&auth, &parameters).await?;
        let browser = RequestBrowser { headers: &headers, source: &source };
        let request = PageRequest { auth: &auth, browser, parameters: &parameters, setting: &setting };
        Ok(form(request, StatusCode::OK, &Parameters::default(), None))
    };
    shown.await.unwrap_or_else(page::trouble)
}

/// What is sent from it.
pub(super) async fn submit(State(auth): State<Arc<Auth>>, query: PageQuery, sent: FormRequest) -> Response {
    let (request, typed) = (query.request(&auth), &sent.typed);
    let submitted = match (typed.get("half"), typed.get("steps")) {
        (Some(half), Some(steps)) => new_password::submitted(request, half, steps, typed).await,
        (Some(half), None) => second_step::submitted(request, half, typed).await,
        (None, _) => password_submitted(request, typed).await,
    };
    submitted.unwrap_or_else(page::trouble)
}

async fn password_submitted(request: PageRequest<'_>, typed: &Parameters) -> Result<Response, Trouble> {
    let PageRequest { auth, browser, setting, .. } = request;
    let again = |status, error: &str| form(request, status, typed, Some(error));
    if !browser.has_sent(auth, FORM, typed) {
        return Ok(again(StatusCode::FORBIDDEN, page::STALE));
    }
    let field = typed.get("tenant").or(setting.tenant.as_deref());
    let user = typed.get("username").unwrap_or_default();
    let who = tenancy::of_person(&auth.people.tenants(), user, field);
    match person_login::check(auth, &who, typed.get("password").unwrap_or_default(), browser.source).await? {
        PersonLogin::Right(tenant, person) => second_step::after_password(request, &tenant, &person).await,
        PersonLogin::Wrong => Ok(again(StatusCode::UNAUTHORIZED, WRONG)),
        PersonLogin::AtProvider(name) => {
            let why = format!("Passwords are not used here: people of your company sign in with {name}.");
            Ok(again(StatusCode::FORBIDDEN, &why))
        }
        PersonLogin::Wait(wait) => {
            let seconds = wait.as_secs() + 1;
            let mut response = again(
                StatusCode::TOO_MANY_REQUESTS,
                &format!("There were too many wrong passwords. Please try again in {seconds} seconds."),
            );
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            Ok(response)
        }
    }
}

/// Begins a session under a new secret, and ends the one that the browser had. Whoever signs in again goes on in the same session: what has
/// come of it before ends with it, too.
async fn begin(
    request: PageRequest<'_>,
    tenant: &TenantId,
    person: &Person,
    shown: ShownSteps,
) -> Result<BegunSession, Trouble> {
    let PageRequest { auth, browser: RequestBrowser { headers, source }, parameters, .. } = request;
    let refused = SignInRecord::of(SignInEvent::Refused).by_way(shown.way).about_person(&person.user_name);
    sign_in_address::check(auth, tenant, source, refused).await?;
    let (cookie, credential) = (Cookie::Session.of(headers, source), people::credential(person));
    let cookie = cookie.and_then(SessionCookie::read);
    let before = match &cookie {
        Some(cookie) if cookie.tenant == *tenant => auth.store.session(tenant, cookie.digest).await?,
        _ => None,
    };
    let goes_on = before.filter(|before| before.user == person.user_name && before.credential == credential);
    let (secret, now, ShownSteps { provider, by_two_factors, by_passkey, way, authenticated_at }) =
        (auth.secret(), auth.now(), shown);
    let session = BrowserSession {
        id: goes_on.map_or_else(|| auth.id(), |before| before.id),
        user: person.user_name.clone(),
        credential,
        authenticated_at,
        begun_at: now,
        by_two_factors,
        provider,
        by_passkey,
        until: now + auth.settings.session_life,
    };
    auth.store.begin_session(tenant, Digest::of(&secret), &session, now).await?;
    // Only now, so that a session that goes on is there all the time.
    if let Some(cookie) = cookie {
        auth.store.end_session(&cookie.tenant, cookie.digest).await?;
    }
    let provider = session.provider.as_deref();
    tracing::info!(%tenant, user = person.user_name, source = source.address, provider, by_two_factors, "somebody has signed in");
    let record = SignInRecord::of(SignInEvent::SignedIn).by_way(way).about_person(&person.user_name);
    auth.note(tenant, source, record.in_session(&session.id));
    let cookies = [Cookie::Session.set(&SessionCookie::write(tenant, &secret), source), Cookie::Form.remove(source)];
    Ok(BegunSession { to: way_on(parameters), cookies })
}

/// Where the browser goes on to after the sign-in. Who is not signed in is asked there to do it.
fn way_on(parameters: &Parameters) -> String {
    match parameters.get("client_id") {
        Some(_) => format!("/auth/v3/oauth/authorize?{}", parameters.query_without(&DONE_BY_SIGN_IN)),
        None => own_page(parameters).unwrap_or_else(|| page::SIGN_IN.to_owned()),
    }
}

impl BegunSession {
    /// Goes on.
    fn redirect(self) -> Response {
        let response = answers::redirect(&self.to);
        self.with(response)
    }

    /// An answer that tells the browser of it.
    fn with(self, mut response: Response) -> Response {
        for cookie in self.cookies.into_iter().flatten() {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

async fn setting(auth: &Auth, parameters: &Parameters) -> Result<Setting, Trouble> {
    let tenants = auth.people.tenants();
    let found = client_login::find(auth, parameters).await?;
    let leads_to = found.as_ref().and_then(|(_, client)| {
        // Whatever is wrong with the rest of the request is sent there too.
        match authorization::check(Some(client), &authorize::asked(parameters)) {
            Ok(request) => redirect_uri::content_security_source(&request.redirect_uri),
            Err(AuthorizationRefusal::SentOn(refusal)) => redirect_uri::content_security_source(&refusal.redirect_uri),
            Err(AuthorizationRefusal::Shown(_)) => None,
        }
    });
    let tenant = named_tenant(&tenants, found.map(|(tenant, _)| tenant), parameters);
    let expected = parameters.get("login_hint").unwrap_or_default().to_owned();
    let (mut provider, mut takes_passkeys) = (None, passkeys::relying_party(auth).is_some());
    let mut tenant_name = None;
    if let Some(tenant) = tenant.as_deref().and_then(|named| tenants.get(named).cloned()) {
        if tenant_host::said(auth, parameters).as_ref() == Some(&tenant) {
            tenant_name = auth.people.tenant_name(&tenant).await?;
        }
        takes_passkeys = takes_passkeys && auth.people.takes_passkeys_alone(&tenant).await?;
        provider = auth.people.upstream(&tenant).await?.map(|rules| TenantProvider { tenant, rules });
    }
    let query = parameters.query_without(&[]);
    Ok(Setting { query, tenant, tenant_name, leads_to, expected, provider, takes_passkeys })
}

/// The tenant of the program, else the one that the request names, else the only one.
fn named_tenant(tenants: &Tenants, of_program: Option<TenantId>, parameters: &Parameters) -> Option<String> {
    let of_program = of_program.map(|tenant| tenant.to_string());
    let named = || parameters.get("tenant").map(str::to_owned);
    of_program.or_else(named).or_else(|| tenancy::only(tenants).map(|tenant| tenant.to_string()))
}

fn form(request: PageRequest<'_>, status: StatusCode, typed: &Parameters, error: Option<&str>) -> Response {
    let setting = request.setting;
    let rules = setting.provider.as_ref().map(|at| &at.rules);
    // At the issuer's host, to which the provider sends the browser back: there it keeps what it needs then. Passkeys are of that host too.
    let [href, passkey_href] =
        [upstream::BEGIN, page::passkey::BELOW_ISSUER].map(|below| match setting.query.as_str() {
            "" => format!("{}{below}", request.auth.issuer()),
            query => format!("{}{below}?{query}", request.auth.issuer()),
        });
    request.browser.with_form(request.auth, FORM, |token| {
        let form = SignInForm {
            query: &setting.query,
            token,
            asks_tenant: setting.tenant.is_none(),
            tenant: typed.get("tenant").unwrap_or_default(),
            tenant_name: setting.tenant_name.as_deref(),
            user: typed.get("username").unwrap_or(&setting.expected),
            error,
            leads_to: setting.leads_to.as_deref(),
            provider: rules.map(|rules| ProviderLink { name: &rules.name, href: &href }),
            takes_password: rules.is_none_or(|rules| !rules.only),
            passkey_href: setting.takes_passkeys.then_some(passkey_href.as_str()),
        };
        page::sign_in(status, &form)
    })
}

/// The page of ours to which somebody goes on who signs in for no program.
fn own_page(parameters: &Parameters) -> Option<String> {
    match parameters.get("then")? {
        "device" => Some(answers::with_query(page::device::PATH, &[("user_code", parameters.get("user_code"))])),
        "sessions" => Some(page::sessions::PATH.to_owned()),
        "second-factor" => Some(page::second_factor::PATH.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_tenant_that_is_named_is_asked_for_no_more_whether_there_is_one_or_not() {
        let id = |id: &str| TenantId::parse(id).unwrap();
        let two: Tenants = Arc::new([id("acme"), id("globex")].into());
        let tenant =
            |of_program, query: &str| named_tenant(&two, of_program, &Parameters::read(query.as_bytes()).unwrap());
        for named in ["acme", "nobody", "no tenant's name"] {
            assert_eq!(tenant(None, &format!("tenant={named}")).as_deref(), Some(named));
        }
        assert_eq!(tenant(None, ""), None, "it has to be typed");
        assert_eq!(tenant(Some(id("globex")), "tenant=acme").as_deref(), Some("globex"));
        let one: Tenants = Arc::new([id("acme")].into());
        assert_eq!(named_tenant(&one, None, &Parameters::default()).as_deref(), Some("acme"));
    }
}
