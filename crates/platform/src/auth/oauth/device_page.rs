//! `GET` and `POST /device`: a person who is signed in enters the code that a device shows, and says whether it may (RFC 8628 section 3.3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use identity::grant::device::{self, Allowance, DeviceDecision, DeviceGrant};
use identity::scope;

use super::super::Auth;
use super::super::answers::{self, Trouble};
use super::super::guard::Guess;
use super::super::page;
use super::super::page::browser::RequestBrowser;
use super::super::page::device::{self as device_pages, DeviceQuestion};
use super::super::page::form_request::FormRequest;
use super::super::proofs::client_login;
use super::super::request::parameters::Parameters;
use super::super::request::session::{self, SignedIn};
use super::super::request::source::RequestSource;
use super::super::store::ReadDevice;
use super::{authorize, issue};

/// The name of its form.
const FORM: &str = "device";
/// For what the device shows no more, and what it has never shown.
const WRONG: &str = "No device shows that code now. Codes are good for ten minutes.";
/// For who would let it in to nothing.
const NOTHING: &str = "You may do nothing of what the device asks for.";

/// How often a decision is written when the device asks at the same time.
const DECISIONS_MAX: usize = 8;

/// The page.
pub(in crate::auth) async fn show(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let parameters = match authorize::query(&uri) {
        Ok(parameters) => parameters,
        Err(fault) => return page::fault(StatusCode::BAD_REQUEST, fault),
    };
    let shown = async {
        let code = parameters.get("user_code");
        let Some(signed_in) = session::of_browser(&auth, &headers, &source).await? else { return Ok(sign_in(code)) };
        let browser = RequestBrowser { headers: &headers, source: &source };
        Ok::<_, Trouble>(asks_code(&auth, browser, &signed_in, StatusCode::OK, code.unwrap_or_default(), None))
    };
    shown.await.unwrap_or_else(page::trouble)
}

/// What is sent from it: the code, and then what the person has said.
pub(in crate::auth) async fn submit(State(auth): State<Arc<Auth>>, form: FormRequest) -> Response {
    submitted(&auth, form.browser(), &form.typed).await.unwrap_or_else(page::trouble)
}

fn sign_in(code: Option<&str>) -> Response {
    answers::redirect(&answers::with_query(page::SIGN_IN, &[("then", Some(FORM)), ("user_code", code)]))
}

async fn submitted(auth: &Auth, browser: RequestBrowser<'_>, typed: &Parameters) -> Result<Response, Trouble> {
    let entered = typed.get("user_code").unwrap_or_default();
    let Some(signed_in) = session::of_browser(auth, browser.headers, browser.source).await? else {
        return Ok(sign_in(Some(entered)));
    };
    let again = |status, error: &str| asks_code(auth, browser, &signed_in, status, entered, Some(error));
    if !browser.has_sent(auth, &form_of(&signed_in), typed) {
        return Ok(again(StatusCode::FORBIDDEN, page::STALE));
    }
    let Some(code) = device::read_user_code(entered) else { return Ok(again(StatusCode::BAD_REQUEST, WRONG)) };
    let read = match entered_code(auth, browser, &signed_in, &code).await? {
        EnteredCode::Shown(read) => *read,
        EnteredCode::Wrong => return Ok(again(StatusCode::BAD_REQUEST, WRONG)),
        EnteredCode::Wait(seconds) => {
            let text = format!("There were too many wrong codes. Please try again in {seconds} seconds.");
            let mut response = again(StatusCode::TOO_MANY_REQUESTS, &text);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            return Ok(response);
        }
    };
    let tenant = &signed_in.cookie.tenant;
    let Some(client) = auth.people.client(tenant, &read.grant.client).await? else {
        return Ok(again(StatusCode::FORBIDDEN, NOTHING));
    };
    let rights = issue::rights_at(auth, tenant, &client_login::of_configured(&client), &signed_in.person).await?;
    let Some(granted) = scope::granted(rights.scopes.iter().copied(), read.grant.scope.as_deref()) else {
        return Ok(again(StatusCode::FORBIDDEN, NOTHING));
    };
    let decision = match typed.get("decision") {
        Some("allow") => DeviceDecision::Allowed(Allowance {
            user: signed_in.person.user_name.clone(),
            credential: signed_in.session.credential,
            scope: granted,
            authenticated_at: signed_in.session.authenticated_at,
            by_two_factors: signed_in.session.by_two_factors,
            by_provider_or_passkey: signed_in.session.is_by_provider_or_passkey(),
            session: Some(signed_in.session.id.clone()),
            sign_in: auth.id(),
        }),
        Some("deny") => DeviceDecision::Denied,
        _ => {
            let question = DeviceQuestion {
                code: &code,
                client: &client.name,
                person: &issue::full_name(&signed_in.person),
                scopes: &granted.split_whitespace().collect::<Vec<_>>(),
            };
            return Ok(browser.with_form(auth, &form_of(&signed_in), |token| device_pages::question(token, &question)));
        }
    };
    let is_allowed = matches!(decision, DeviceDecision::Allowed(_));
    if !decide(auth, &signed_in, &code, read, decision).await? {
        return Ok(again(StatusCode::BAD_REQUEST, WRONG));
    }
    tracing::info!(%tenant, user = signed_in.person.user_name, client = client.id, is_allowed, "somebody has decided about a device");
    Ok(device_pages::decided(is_allowed))
}

/// What comes of a code.
enum EnteredCode {
    /// A device shows it.
    Shown(Box<ReadDevice>),
    /// None does.
    Wrong,
    /// It was not looked at, nor is another one for so many seconds.
    Wait(u64),
}

async fn entered_code(
    auth: &Auth,
    browser: RequestBrowser<'_>,
    signed_in: &SignedIn,
    code: &str,
) -> Result<EnteredCode, Trouble> {
    let tenant = &signed_in.cookie.tenant;
    let guess = match auth.guesses.of_user_code(tenant, &signed_in.person.user_name, browser.source).await? {
        Guess::Taken(guess) => guess,
        Guess::Wait(wait) => return Ok(EnteredCode::Wait(wait.as_secs() + 1)),
    };
    match auth.store.device_showing(tenant, code).await? {
        Some(read) if read.grant.is_open(auth.now()) => {
            // It does not wipe out wrong ones: somebody could enter the code of an own device between guesses.
            guess.undone().await;
            Ok(EnteredCode::Shown(Box::new(read)))
        }
        _ => Ok(EnteredCode::Wrong),
    }
}

/// Writes what was decided; `false` if the device is no longer there, or somebody else was faster.
async fn decide(
    auth: &Auth,
    signed_in: &SignedIn,
    code: &str,
    mut read: ReadDevice,
    decision: DeviceDecision,
) -> Result<bool, Trouble> {
    let tenant = &signed_in.cookie.tenant;
    // The device asks meanwhile, and so changes its record.
    for _ in 0..DECISIONS_MAX {
        let next = DeviceGrant { decision: decision.clone(), ..read.grant.clone() };
        if auth.store.replace_device(tenant, &read, &next).await? {
            auth.store.forget_user_code(tenant, code).await?;
            return Ok(true);
        }
        match auth.store.device_showing(tenant, code).await? {
            Some(again) if again.grant.is_open(auth.now()) => read = again,
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// The form is the session's: one of before it is none of it.
fn form_of(signed_in: &SignedIn) -> String {
    format!("{FORM}/{}", signed_in.session.id)
}

fn asks_code(
    auth: &Auth,
    browser: RequestBrowser<'_>,
    signed_in: &SignedIn,
    status: StatusCode,
    typed: &str,
    error: Option<&str>,
) -> Response {
    browser.with_form(auth, &form_of(signed_in), |token| device_pages::code(status, token, typed, error))
}
