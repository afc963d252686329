//! `GET /sign-in/provider` and `GET /sign-in/callback/{tenant}`: the code flow with PKCE, state and nonce by which somebody signs in with
//! the tenant's own OpenID Provider (OpenID Connect Core section 3.1).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use contracts::provisioning::{Person, UpstreamProvider};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::provider::answer::{AnswerFault, BegunAtProvider, ProviderAnswer};
use model::TenantId;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::super::answers::{self, Trouble};
use super::super::guard::ProviderReturn;
use super::super::metrics::ProviderOutcome;
use super::super::oauth::authorize;
use super::super::page::browser::RequestBrowser;
use super::super::request::parameters::Parameters;
use super::super::request::source::RequestSource;
use super::super::{Auth, page};
use super::page_query::PageQuery;
use super::upstream::pending::{self, PendingUpstream};
use super::upstream::{ProviderFault, ProviderSaid, RedeemTurn, TURN_WITHIN, UpstreamRequest};
use super::{PageRequest, Setting, TenantProvider, WRONG, form, second_step, setting};

/// The tenant has no provider, or not any more.
const NONE: &str = "Your company has no such way to sign in.";
/// The browser comes back from elsewhere, or late.
const STALE: &str = "This sign-in took too long, or was begun in another browser. Please try again.";
const TOO_LONG: &str = "its request is too long for a sign-in at a provider";

/// Begins: sends the browser to the provider.
pub(in crate::auth) async fn begin(State(auth): State<Arc<Auth>>, query: PageQuery) -> Response {
    let request = query.request(&auth);
    match &request.setting.provider {
        Some(at) => sent_to(request, at).await,
        None => again(request, StatusCode::NOT_FOUND, NONE),
    }
}

async fn sent_to(request: PageRequest<'_>, at: &TenantProvider) -> Response {
    let PageRequest { auth, browser, parameters, setting } = request;
    if setting.query.len() > pending::QUERY_BYTES_MAX {
        return page::fault(StatusCode::BAD_REQUEST, TOO_LONG);
    }
    let pending = PendingUpstream {
        state: auth.secret(),
        nonce: auth.secret(),
        verifier: auth.secret(),
        tenant: at.tenant.to_string(),
        issuer: at.rules.issuer.clone(),
        query: setting.query.clone(),
        until_us: (auth.now() + pending::LIFE).as_micros(),
        // A time that cannot be read is the shortest.
        max_age_s: parameters.get("max_age").map(|max_age| max_age.parse().unwrap_or(0)),
    };
    let asks_anew = parameters.get("max_age").is_some()
        || parameters.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|one| one == "login"));
    let asked =
        UpstreamRequest { pending: &pending, signs_in_again: asks_anew, login_hint: parameters.get("login_hint") };
    match auth.upstream.authorization(&at.tenant, &at.rules, &asked).await {
        Ok(to) => match pending.seal(&auth.ctx.installation_key) {
            Some(sealed) => with_cookie(answers::redirect(&to), pending::set(&sealed, browser.source)),
            None => page::trouble(Trouble::away("randomness", &"nothing can be sealed")),
        },
        Err(fault) => fails(request, at, &fault),
    }
}

/// Ends: the browser has come back from the provider.
pub(in crate::auth) async fn come_back(
    State(auth): State<Arc<Auth>>,
    Path(tenant): Path<String>,
    source: RequestSource,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let browser = RequestBrowser { headers: &headers, source: &source };
    let done = match ended(&auth, browser, &tenant, &uri).await {
        Ok(done) => done,
        // Nothing was decided: who loads the page again, whose state is not spent yet, comes back as now.
        Err(trouble) => return page::trouble(trouble),
    };
    let said = authorize::query(&uri).ok();
    let state = said.as_ref().and_then(|said| said.get("state"));
    let is_over = |sealed: &str| PendingUpstream::is_over(&auth.ctx.installation_key, sealed, state, auth.now());
    let removed =
        pending::of(&headers, &source).filter(|sealed| is_over(sealed)).and_then(|_| pending::remove(&source));
    with_cookie(done, removed)
}

async fn ended(auth: &Arc<Auth>, browser: RequestBrowser<'_>, tenant: &str, uri: &Uri) -> Result<Response, Trouble> {
    let came = Instant::now();
    let pending = pending::of(browser.headers, browser.source)
        .and_then(|sealed| PendingUpstream::open(&auth.ctx.installation_key, sealed, tenant, auth.now()));
    // Of a sign-in that is not known, neither is what it was for.
    let query = pending.as_ref().map_or("", |pending| pending.query.as_str());
    let parameters = Parameters::read(query.as_bytes()).unwrap_or_default();
    let setting = setting(auth, &parameters).await?;
    let request = PageRequest { auth, browser, parameters: &parameters, setting: &setting };
    let is_of = |at: &&TenantProvider, pending: &PendingUpstream| {
        at.tenant.as_str() == pending.tenant && at.rules.issuer == pending.issuer
    };
    let (Ok(said), Some(pending)) = (authorize::query(uri), &pending) else { return Ok(stale(request)) };
    let Some(at) = setting.provider.as_ref().filter(|at| is_of(at, pending)) else { return Ok(stale(request)) };
    let said = ProviderAnswer {
        state: said.get("state"),
        iss: said.get("iss"),
        code: said.get("code"),
        error: said.get("error"),
    };
    let says_iss = match auth.upstream.says_iss(&at.tenant, &at.rules).await {
        Ok(says_iss) => says_iss,
        Err(fault) => return Ok(fails(request, at, &fault)),
    };
    let begun = BegunAtProvider { state: &pending.state, issuer: &pending.issuer, until: pending.until() };
    let code = match said.code_for(&begun, says_iss, auth.now()) {
        Ok(code) => code,
        Err(AnswerFault::Refused) => {
            return Ok(fails(request, at, &ProviderFault::Refused(AnswerFault::Refused.to_string())));
        }
        Err(fault) => {
            tracing::info!(tenant = %at.tenant, source = browser.source.address, %fault, "an answer of a provider was refused");
            return Ok(stale(request));
        }
    };
    let turn = auth.guesses.sources().wait_for_return(&at.tenant, browser.source);
    let back = match timeout_at(came + TURN_WITHIN, turn).await.map_err(|_| Trouble::Busy)?? {
        Ok(back) => back,
        Err(wait) => return Ok(waits(request, at, wait)),
    };
    let turn = auth.upstream.turn_to_redeem(&at.tenant, &at.rules, came).await?;
    let TenantProvider { tenant, rules } = at.clone();
    let asked =
        AskedReturn { auth: auth.clone(), tenant, rules, pending: pending.clone(), code: code.to_owned(), back, turn };
    // It goes on when the browser has gone: what comes of the code counts as it is.
    let came_of = tokio::spawn(asked.ask()).await.map_err(|error| Trouble::away("task", &error))??;
    match came_of {
        ReturnOutcome::Spent => Ok(stale(request)),
        ReturnOutcome::Wait(wait) => Ok(waits(request, at, wait)),
        ReturnOutcome::Said(Ok(said)) => signed_in(request, at, &said).await,
        ReturnOutcome::Said(Err(fault)) => Ok(fails(request, at, &fault)),
    }
}

/// A browser that has come back, whose turn it is.
struct AskedReturn {
    auth: Arc<Auth>,
    tenant: TenantId,
    rules: UpstreamProvider,
    pending: PendingUpstream,
    code: String,
    back: ProviderReturn,
    turn: RedeemTurn,
}

/// What has come of it.
enum ReturnOutcome {
    /// It has come back before.
    Spent,
    /// None is taken from there for so long.
    Wait(Duration),
    /// The provider has said this.
    Said(Result<ProviderSaid, ProviderFault>),
}

impl AskedReturn {
    async fn ask(self) -> Result<ReturnOutcome, Trouble> {
        let Self { auth, tenant, rules, pending, code, back, turn } = self;
        // The cookie is taken away, but whoever has kept it could come back with it: that asks the provider nothing, and counts nothing.
        if !auth.store.spend_state(&tenant, &pending.state, pending.until()).await? {
            return Ok(ReturnOutcome::Spent);
        }
        // Anybody can begin, and come back with any code, of which the provider is asked: it counts as wrong until that has answered.
        if let Some(wait) = auth.guesses.sources().count_return(&back).await? {
            return Ok(ReturnOutcome::Wait(wait));
        }
        let said = auth.upstream.redeem(&tenant, &rules, &pending, &code, turn).await;
        if !matches!(said, Err(ProviderFault::Refused(_))) {
            // The browser does not wait for that.
            tokio::spawn(async move { auth.guesses.sources().give_back_return(back).await });
        }
        Ok(ReturnOutcome::Said(said))
    }
}

/// The provider is not asked: too many have come back from there with what it has refused.
fn waits(request: PageRequest<'_>, at: &TenantProvider, wait: Duration) -> Response {
    let (auth, source, seconds) = (request.auth, request.browser.source, wait.as_secs() + 1);
    auth.metrics.provider_sign_ins.inc(ProviderOutcome::Refused);
    tracing::info!(tenant = %at.tenant, source = source.address, wait_s = seconds, "a sign-in at a provider was refused: too many wrong ones");
    auth.note(&at.tenant, source, SignInRecord::of(SignInEvent::LockedOut).by_way(SignInWay::Provider));
    let why = format!("There were too many wrong sign-ins from here. Please try again in {seconds} seconds.");
    let mut response = again(request, StatusCode::TOO_MANY_REQUESTS, &why);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The provider has said who it is.
async fn signed_in(request: PageRequest<'_>, at: &TenantProvider, said: &ProviderSaid) -> Result<Response, Trouble> {
    let PageRequest { auth, browser, .. } = request;
    let TenantProvider { tenant, rules } = at;
    let found = person_of(auth, at, &said.claims).await?;
    let Some(person) = found.as_ref().filter(|person| !person.disabled) else {
        auth.metrics.provider_sign_ins.inc(ProviderOutcome::Unknown);
        tracing::info!(%tenant, source = browser.source.address, claim = rules.naming_claim(), "a sign-in at a provider was refused: nobody of the tenant has what the claim says, or the person is disabled");
        note_refused(request, at, found.as_ref());
        return Ok(again(request, StatusCode::UNAUTHORIZED, WRONG));
    };
    auth.metrics.provider_sign_ins.inc(ProviderOutcome::Right);
    second_step::after_provider(request, tenant, person, rules, said.authenticated_at).await
}

/// The person of the tenant whom the claims name.
async fn person_of(auth: &Auth, at: &TenantProvider, claims: &Value) -> Result<Option<Person>, Trouble> {
    let Some(name) = named(&at.rules, claims) else { return Ok(None) };
    auth.people.by_field(&at.tenant, at.rules.person, name).await
}

/// What the claims say of who it is. An address that the provider has not verified may be anybody's (OpenID Connect Core section 5.1).
fn named<'c>(rules: &UpstreamProvider, claims: &'c Value) -> Option<&'c str> {
    let claim = rules.naming_claim();
    // Some write it as a text.
    let is_true = |verified: &Value| *verified == true || *verified == "true";
    let is_unverified = claim == "email" && claims.get("email_verified").is_some_and(|verified| !is_true(verified));
    let name = claims.get(claim)?.as_str()?;
    (!is_unverified && !name.is_empty()).then_some(name)
}

fn again(request: PageRequest<'_>, status: StatusCode, error: &str) -> Response {
    form(request, status, &Parameters::default(), Some(error))
}

fn stale(request: PageRequest<'_>) -> Response {
    request.auth.metrics.provider_sign_ins.inc(ProviderOutcome::Refused);
    if let Some(at) = &request.setting.provider {
        note_refused(request, at, None);
    }
    again(request, StatusCode::BAD_REQUEST, STALE)
}

/// The provider has not said who it is.
fn fails(request: PageRequest<'_>, at: &TenantProvider, fault: &ProviderFault) -> Response {
    let (auth, name) = (request.auth, &at.rules.name);
    tracing::warn!(tenant = %at.tenant, source = request.browser.source.address, %fault, "an OpenID Provider has signed nobody in");
    match fault {
        ProviderFault::Away(_) => {
            auth.metrics.provider_sign_ins.inc(ProviderOutcome::Away);
            let why =
                format!("{name} does not answer now.{} Please try again in a moment.", or_password(request.setting));
            let mut response = again(request, StatusCode::SERVICE_UNAVAILABLE, &why);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        }
        ProviderFault::Refused(_) | ProviderFault::RefusedUs(_) => {
            auth.metrics.provider_sign_ins.inc(ProviderOutcome::Refused);
            note_refused(request, at, None);
            again(request, StatusCode::FORBIDDEN, &format!("{name} has not signed you in. Please try again."))
        }
    }
}

/// Notes that nobody was signed in; about the person, if it is known who it is.
fn note_refused(request: PageRequest<'_>, at: &TenantProvider, person: Option<&Person>) {
    let record = SignInRecord::of(SignInEvent::Refused).by_way(SignInWay::Provider);
    let record = match person {
        Some(person) => record.about_person(&person.user_name),
        None => record,
    };
    request.auth.note(&at.tenant, request.browser.source, record);
}

fn or_password(setting: &Setting) -> &'static str {
    let takes_password = setting.provider.as_ref().is_some_and(|at| !at.rules.only);
    if takes_password { " You can sign in with your password." } else { "" }
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::PersonField;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_is_named_by_a_claim_that_is_a_text_and_verified() {
        let rules = |claim: Option<&str>| UpstreamProvider {
            name: "Acme ID".to_owned(),
            issuer: "https://id.example".to_owned(),
            client_id: "trunkline".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
            claim: claim.map(str::to_owned),
            person: PersonField::Email,
            only: false,
            trusted_factor: false,
        };
        let claims = json!({ "email": "ann@acme.example", "upn": "ann", "groups": ["a"], "none": "" });
        for (claim, name) in
            [(None, Some("ann@acme.example")), (Some("upn"), Some("ann")), (Some("groups"), None), (Some("none"), None)]
        {
            assert_eq!(named(&rules(claim), &claims), name, "{claim:?}");
        }
        for (verified, is_named) in
            [(json!(true), true), (json!("true"), true), (json!(false), false), (json!("false"), false)]
        {
            let mut claims = claims.clone();
            claims["email_verified"] = verified;
            assert_eq!(named(&rules(None), &claims).is_some(), is_named);
            assert!(named(&rules(Some("upn")), &claims).is_some());
        }
    }
}
