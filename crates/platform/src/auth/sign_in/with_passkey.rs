//! `GET` and `POST /sign-in/passkey`: a passkey that signs in alone. It says who it is, and the authenticator has asked for a PIN or a
//! finger: two factors at once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use contracts::sign_in_audit::SignInWay;
use identity::passkey::PasskeyChallenge;

use super::super::Auth;
use super::super::answers::Trouble;
use super::super::page;
use super::super::page::form_request::FormRequest;
use super::super::page::passkey::{self as pages, AskedOfBrowser, PasskeyPage};
use super::super::proofs::passkeys::{self, PasskeyFields, PasskeySignIn};
use super::super::request::parameters::Parameters;
use super::page_query::PageQuery;
use super::second_step::NO_PASSKEY;
use super::{PageRequest, ShownSteps, begin, form};

/// The name of its form, before the challenge.
const FORM: &str = "passkey";
/// The same for one that is wrong, that was removed, that nobody has, or whose person is disabled.
const WRONG: &str = "This passkey signs nobody in here.";
/// The tenant wants it so, or there are no passkeys.
const NOT_ALONE: &str = "A passkey alone is not enough here. Please sign in first, and use it then.";

/// The page.
pub(in crate::auth) async fn show(State(auth): State<Arc<Auth>>, query: PageQuery) -> Response {
    asks(query.request(&auth), StatusCode::OK, None)
}

/// What is sent from it.
pub(in crate::auth) async fn submit(State(auth): State<Arc<Auth>>, query: PageQuery, sent: FormRequest) -> Response {
    passkey_shown(query.request(&auth), &sent.typed).await.unwrap_or_else(page::trouble)
}

async fn passkey_shown(request: PageRequest<'_>, typed: &Parameters) -> Result<Response, Trouble> {
    let PageRequest { auth, browser, setting, .. } = request;
    if !setting.takes_passkeys {
        return Ok(asks(request, StatusCode::FORBIDDEN, Some(NOT_ALONE)));
    }
    let text = typed.get("challenge").unwrap_or_default();
    let challenge = PasskeyChallenge::parse(text, auth.now());
    let Some(challenge) = challenge.filter(|_| browser.has_sent(auth, &form_of(text), typed)) else {
        return Ok(asks(request, StatusCode::FORBIDDEN, Some(page::STALE)));
    };
    let Some(shown) = PasskeyFields::read(typed) else {
        return Ok(asks(request, StatusCode::BAD_REQUEST, Some(NO_PASSKEY)));
    };
    match passkeys::check_alone(auth, setting.tenant.as_deref(), &shown, &challenge, browser.source).await? {
        PasskeySignIn::Right(tenant, person) => {
            let steps = ShownSteps {
                provider: None,
                by_two_factors: true,
                by_passkey: true,
                way: SignInWay::PasskeyAlone,
                authenticated_at: auth.now(),
            };
            Ok(begin(request, &tenant, &person, steps).await?.redirect())
        }
        PasskeySignIn::Wrong => Ok(asks(request, StatusCode::UNAUTHORIZED, Some(WRONG))),
        PasskeySignIn::NeedsFirstStep => {
            Ok(form(request, StatusCode::FORBIDDEN, &Parameters::default(), Some(NOT_ALONE)))
        }
        PasskeySignIn::Wait(wait) => {
            let seconds = wait.as_secs() + 1;
            let text = format!("There were too many wrong passkeys. Please try again in {seconds} seconds.");
            let mut response = asks(request, StatusCode::TOO_MANY_REQUESTS, Some(&text));
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            Ok(response)
        }
    }
}

/// The form is that of its challenge.
fn form_of(challenge: &str) -> String {
    format!("{FORM}/{challenge}")
}

/// The page with a new challenge; where a passkey signs nobody in alone, that of the sign-in.
fn asks(request: PageRequest<'_>, status: StatusCode, error: Option<&str>) -> Response {
    let PageRequest { auth, browser, setting, .. } = request;
    let Some(at) = passkeys::relying_party(auth).filter(|_| setting.takes_passkeys) else {
        return form(request, StatusCode::FORBIDDEN, &Parameters::default(), Some(error.unwrap_or(NOT_ALONE)));
    };
    let challenge = passkeys::challenge(auth).text();
    browser.with_form(auth, &form_of(&challenge), |token| {
        let asked = AskedOfBrowser { challenge: &challenge, host: at.id(), ids: "" };
        let leads_to = setting.leads_to.as_deref();
        pages::alone(status, &PasskeyPage { query: &setting.query, token, asked, error, leads_to })
    })
}
