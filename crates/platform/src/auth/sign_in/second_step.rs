//! What comes after the right password, or after a provider has said who somebody is: the code or the passkey
//! of the second factor, or the passkey or the app that the tenant wants the person to have.

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::Response;
use contracts::provisioning::{Person, UpstreamProvider};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::passkey::PasskeyChallenge;
use identity::totp::TotpSecret;
use model::{TenantId, Timestamp};

use super::super::answers::Trouble;
use super::super::oauth::issue;
use super::super::page;
use super::super::page::passkey::AskedOfBrowser;
use super::super::page::second_factor::{self as pages, ShownTexts};
use super::super::proofs::passkeys::{self, PasskeyFields, PasskeyLogin};
use super::super::proofs::second_factor::{self, CodeLogin, Enrolment, NewRecoveryCodes};
use super::super::request::parameters::Parameters;
use super::super::store::AskingSignIn;
use super::half_signed_in::HalfSignedIn;
use super::made_passkey::{self, MakingFault};
use super::{BegunSession, PageRequest, ShownSteps, begin, form, new_password, way_on};

/// Whose second factor is set up at the sign-in has no session yet: it begins after this.
const NOTHING_YET: AskingSignIn<'static> = AskingSignIn { session: None, sign_in: None };

/// The same for a wrong code and one that was shown before.
pub(in crate::auth) const WRONG_CODE: &str = "The code is wrong, or was used before. Please enter the next one.";
/// The same for a passkey that is wrong, was removed, or whose page was open for too long.
const WRONG_PASSKEY: &str = "This passkey is not taken. Please try again, or enter a code.";
/// The script has not filled in the form.
pub(super) const NO_PASSKEY: &str = "Your browser has shown no passkey. Does it run scripts?";
/// A code of a new app that is not of its key.
pub(in crate::auth) const WRONG_FIRST_CODE: &str =
    "The code is not that of the key above. Is the clock of your device right?";

/// The person's password was right: goes on to the second factor, or begins the session of who needs none.
pub(super) async fn after_password(
    request: PageRequest<'_>,
    tenant: &TenantId,
    person: &Person,
) -> Result<Response, Trouble> {
    after_first_step(request, tenant, person, None, request.auth.now()).await
}

/// A provider has said that it is the person, who has signed in there at that time.
pub(super) async fn after_provider(
    request: PageRequest<'_>,
    tenant: &TenantId,
    person: &Person,
    provider: &UpstreamProvider,
    authenticated_at: Timestamp,
) -> Result<Response, Trouble> {
    let name = Some(provider.name.clone());
    match provider.trusted_factor {
        true => {
            let shown = ShownSteps {
                provider: name,
                by_two_factors: true,
                by_passkey: false,
                way: SignInWay::Provider,
                authenticated_at,
            };
            Ok(begin(request, tenant, person, shown).await?.redirect())
        }
        false => after_first_step(request, tenant, person, name, authenticated_at).await,
    }
}

async fn after_first_step(
    request: PageRequest<'_>,
    tenant: &TenantId,
    person: &Person,
    provider: Option<String>,
    authenticated_at: Timestamp,
) -> Result<Response, Trouble> {
    let half = HalfSignedIn::begin(tenant, person, provider, request.auth.now());
    half.comes_from_there(request.auth, request.browser.source).await?;
    if person.second_factor.is_some() {
        return asks_code(request, &half, person, StatusCode::OK, None).await;
    }
    if request.auth.people.requires_second_factor(tenant, person).await? {
        let secret = second_factor::new_secret(request.auth);
        return Ok(asks_first(request, &half, person, &secret, StatusCode::OK, None));
    }
    let way = half.way();
    let shown = ShownSteps { provider: half.provider, by_two_factors: false, by_passkey: false, way, authenticated_at };
    new_password::after_steps(request, tenant, person, shown).await
}

/// What one of the forms here has sent.
pub(super) async fn submitted(request: PageRequest<'_>, half: &str, typed: &Parameters) -> Result<Response, Trouble> {
    let auth = request.auth;
    let from_the_start = || form(request, StatusCode::FORBIDDEN, &Parameters::default(), Some(page::STALE));
    let Some(half) = HalfSignedIn::read(half, auth.now()) else { return Ok(from_the_start()) };
    let Some(person) = auth.people.active(&half.tenant, &half.user).await? else { return Ok(from_the_start()) };
    let texts = ShownTexts::read(typed);
    if !request.browser.has_sent(auth, &half.form(&person, texts), typed) {
        return Ok(from_the_start());
    }
    half.comes_from_there(request.auth, request.browser.source).await?;
    let (code, passkey) = (typed.get("code").unwrap_or_default(), typed.get("passkey"));
    // Who has the key of an app in the form has no second factor: the form is of that too.
    match TotpSecret::parse(texts.secret) {
        Some(secret) if passkey.is_some() => passkey_made(request, &half, &person, &secret, typed).await,
        Some(secret) => app_shown(request, &half, &person, secret, code).await,
        None if passkey.is_some() => passkey_shown(request, &half, &person, typed).await,
        None => code_shown(request, &half, &person, code).await,
    }
}

/// A second factor was shown now.
fn with_second(request: PageRequest<'_>, half: &HalfSignedIn, way: SignInWay) -> ShownSteps {
    let (provider, authenticated_at) = (half.provider.clone(), request.auth.now());
    ShownSteps { provider, by_two_factors: true, by_passkey: way == SignInWay::Passkey, way, authenticated_at }
}

async fn passkey_shown(
    request: PageRequest<'_>,
    half: &HalfSignedIn,
    person: &Person,
    typed: &Parameters,
) -> Result<Response, Trouble> {
    let PageRequest { auth, browser, .. } = request;
    let Some(shown) = PasskeyFields::read(typed) else {
        return asks_code(request, half, person, StatusCode::BAD_REQUEST, Some(NO_PASSKEY)).await;
    };
    let challenge = typed.get("challenge").and_then(|text| PasskeyChallenge::parse(text, auth.now()));
    let Some(challenge) = challenge else {
        return asks_code(request, half, person, StatusCode::FORBIDDEN, Some(page::STALE)).await;
    };
    let checked =
        passkeys::check_after_first_step(auth, &half.tenant, person, &shown, &challenge, browser.source).await?;
    match checked {
        PasskeyLogin::Right => {
            let shown = with_second(request, half, SignInWay::Passkey);
            new_password::after_steps(request, &half.tenant, person, shown).await
        }
        PasskeyLogin::Wrong => asks_code(request, half, person, StatusCode::UNAUTHORIZED, Some(WRONG_PASSKEY)).await,
        PasskeyLogin::Wait(wait) => waits(request, half, person, wait, "passkeys or codes").await,
    }
}

/// Too many of `what` were wrong.
async fn waits(
    request: PageRequest<'_>,
    half: &HalfSignedIn,
    person: &Person,
    wait: Duration,
    what: &str,
) -> Result<Response, Trouble> {
    let seconds = wait.as_secs() + 1;
    let text = format!("There were too many wrong {what}. Please try again in {seconds} seconds.");
    let mut response = asks_code(request, half, person, StatusCode::TOO_MANY_REQUESTS, Some(&text)).await?;
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    Ok(response)
}

async fn code_shown(
    request: PageRequest<'_>,
    half: &HalfSignedIn,
    person: &Person,
    code: &str,
) -> Result<Response, Trouble> {
    match second_factor::check(request.auth, &half.tenant, person, code, request.browser.source).await? {
        CodeLogin::Right(way) => {
            new_password::after_steps(request, &half.tenant, person, with_second(request, half, way)).await
        }
        CodeLogin::Wrong => asks_code(request, half, person, StatusCode::UNAUTHORIZED, Some(WRONG_CODE)).await,
        CodeLogin::Wait(wait) => waits(request, half, person, wait, "codes").await,
    }
}

async fn app_shown(
    request: PageRequest<'_>,
    half: &HalfSignedIn,
    person: &Person,
    secret: TotpSecret,
    code: &str,
) -> Result<Response, Trouble> {
    match second_factor::enrol(request.auth, &half.tenant, person, NOTHING_YET, secret.clone(), code).await? {
        Enrolment::Done(codes) => set_up(request, half, person, SignInWay::SecondFactor, Some(&codes)).await,
        Enrolment::WrongCode => {
            Ok(asks_first(request, half, person, &secret, StatusCode::UNAUTHORIZED, Some(WRONG_FIRST_CODE)))
        }
        Enrolment::Changed => Ok(form(request, StatusCode::CONFLICT, &Parameters::default(), Some(page::STALE))),
    }
}

/// Somebody who has no second factor has made a passkey. If it is not taken, the page stays that of the same app.
async fn passkey_made(
    request: PageRequest<'_>,
    half: &HalfSignedIn,
    person: &Person,
    secret: &TotpSecret,
    typed: &Parameters,
) -> Result<Response, Trouble> {
    match made_passkey::keep(request.auth, &half.tenant, person, NOTHING_YET, typed).await? {
        Ok(codes) => set_up(request, half, person, SignInWay::Passkey, codes.as_ref()).await,
        Err(MakingFault::Changed) => Ok(form(request, StatusCode::CONFLICT, &Parameters::default(), Some(page::STALE))),
        Err(fault) => Ok(asks_first(request, half, person, secret, fault.status(), Some(fault.words()))),
    }
}

/// The person has a second factor now, and has shown it by setting it up: begins the session. Recovery codes are shown this once.
async fn set_up(
    request: PageRequest<'_>,
    half: &HalfSignedIn,
    person: &Person,
    way: SignInWay,
    codes: Option<&NewRecoveryCodes>,
) -> Result<Response, Trouble> {
    let set = SignInRecord::of(SignInEvent::SecondFactorSet).by_way(way);
    request.auth.note(&half.tenant, request.browser.source, set.about_person(&person.user_name));
    let (shown, to) = (with_second(request, half, way), way_on(request.parameters));
    if new_password::is_due(person, &shown) {
        // Codes are shown this once. The way on from them is the sign-in, which then asks for the other password.
        return match codes {
            Some(_) => after_set_up(Ok(BegunSession { to: to.clone(), cookies: [None, None] }), codes, &to),
            None => new_password::after_steps(request, &half.tenant, person, shown).await,
        };
    }
    let begun = begin(request, &half.tenant, person, shown).await;
    after_set_up(begun, codes, &to)
}

/// Goes on, or shows the codes first. They are good by now and are kept nowhere: they are shown also where no session could be begun.
fn after_set_up(
    begun: Result<BegunSession, Trouble>,
    codes: Option<&NewRecoveryCodes>,
    to: &str,
) -> Result<Response, Trouble> {
    let Some(NewRecoveryCodes { codes, left_open }) = codes else { return Ok(begun?.redirect()) };
    let page =
        |signs_in_again| pages::recovery_codes(&pages::ShownCodes { codes, left_open: *left_open, to, signs_in_again });
    Ok(match begun {
        Ok(session) => session.with(page(false)),
        Err(_) => {
            tracing::warn!("a second factor is set up, but its sign-in could not be completed");
            page(true)
        }
    })
}

/// Asks for a code; of who has passkeys, for one of these or a code.
async fn asks_code(
    request: PageRequest<'_>,
    half: &HalfSignedIn,
    person: &Person,
    status: StatusCode,
    error: Option<&str>,
) -> Result<Response, Trouble> {
    let PageRequest { auth, browser, .. } = request;
    // While the database does not answer, codes are taken.
    let held = passkeys::of_person(auth, &half.tenant, person).await.unwrap_or_default();
    let Some(at) = passkeys::relying_party(auth).filter(|_| !held.is_empty()) else {
        return Ok(browser.with_form(auth, &half.form(person, ShownTexts::default()), |token| {
            pages::code(status, &step_form(request, &half.text(), token, error))
        }));
    };
    let ids: Vec<&str> = held.iter().map(|passkey| passkey.id.as_str()).collect();
    let (challenge, ids) = (passkeys::challenge(auth).text(), ids.join(" "));
    let has_app = second_factor::held(auth, &half.tenant, person).has_app;
    let texts = ShownTexts { challenge: &challenge, ..ShownTexts::default() };
    Ok(browser.with_form(auth, &half.form(person, texts), |token| {
        let asked = AskedOfBrowser { challenge: &challenge, host: at.id(), ids: &ids };
        pages::passkey_or_code(status, &step_form(request, &half.text(), token, error), asked, has_app)
    }))
}

/// Asks who must have a second factor and has none to make a passkey, or to take that app over; where there may be no passkeys, the latter
/// alone.
fn asks_first(
    request: PageRequest<'_>,
    half: &HalfSignedIn,
    person: &Person,
    secret: &TotpSecret,
    status: StatusCode,
    error: Option<&str>,
) -> Response {
    let (auth, tenant) = (request.auth, &half.tenant);
    let (text, uri) = (secret.text(), second_factor::app_uri(tenant, person, secret));
    let (label, name) = (second_factor::label(tenant, person), issue::full_name(person));
    // Of who has no second factor no passkey is good.
    let next = made_passkey::next(auth, tenant, person, &[]);
    let (challenge, handle) = next.as_ref().map_or(("", ""), |next| (next.challenge.as_str(), next.handle.as_str()));
    let texts = ShownTexts { secret: &text, challenge, handle };
    request.browser.with_form(auth, &half.form(person, texts), |token| {
        let app = pages::NewApp { secret: &text, uri: &uri };
        let to_make = next.as_ref().map(|next| next.to_make(&label, &name));
        pages::first_factor(status, &step_form(request, &half.text(), token, error), app, to_make)
    })
}

fn step_form<'a>(
    request: PageRequest<'a>,
    half: &'a str,
    token: &'a str,
    error: Option<&'a str>,
) -> pages::StepForm<'a> {
    let setting = request.setting;
    pages::StepForm { query: &setting.query, token, half, error, leads_to: setting.leads_to.as_deref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn codes_of_a_second_factor_are_shown_also_when_the_sign_in_fails_behind_it() {
        let codes = NewRecoveryCodes { codes: vec!["aaaa-bbbb".to_owned()], left_open: false };
        let begun = || Ok(BegunSession { to: "/on".to_owned(), cookies: [None, None] });
        for (begun, way_on) in [(begun(), ">Go on<"), (Err(Trouble::Away), ">Sign in again<")] {
            let shown = after_set_up(begun, Some(&codes), "/on").ok().unwrap();
            assert_eq!(shown.status(), StatusCode::OK);
            let bytes = axum::body::to_bytes(shown.into_body(), 1 << 16).await.unwrap();
            let page = String::from_utf8(bytes.to_vec()).unwrap();
            assert!(page.contains("aaaa-bbbb") && page.contains(way_on) && page.contains("href=\"/on\""), "{page}");
        }
        assert_eq!(after_set_up(begun(), None, "/on").ok().unwrap().status(), StatusCode::SEE_OTHER);
        assert!(after_set_up(Err(Trouble::Away), None, "/on").is_err());
    }
}
