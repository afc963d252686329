//! `GET` and `POST /second-factor`: somebody who is signed in takes an app over, makes and removes passkeys, gets other recovery codes, or
//! does without.

mod own_passkeys;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use contracts::provisioning::Person;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::totp::TotpSecret;
use model::TenantId;

use super::super::Auth;
use super::super::answers::{self, Trouble};
use super::super::oauth::issue;
use super::super::page;
use super::super::page::browser::RequestBrowser;
use super::super::page::form_request::FormRequest;
use super::super::page::second_factor::{self as pages, NewApp, OwnPasskeys, OwnSecondFactor, ShownCodes, ShownTexts};
use super::super::people::tenancy::Named;
use super::super::proofs::passkeys::PASSKEYS_MAX;
use super::super::proofs::person_login::{self, PersonLogin};
use super::super::proofs::second_factor::{self, CodeLogin, Enrolment, NewRecoveryCodes};
use super::super::request::cookies::{Cookie, SessionCookie};
use super::super::request::parameters::Parameters;
use super::super::request::session::{self, SignedIn};
use super::super::request::source::RequestSource;
use super::super::store::{AskingSignIn, ShownProof};
use super::made_passkey::CHANGED;
use super::{WRONG_CODE, WRONG_FIRST_CODE};

/// The name of its form, and where the sign-in page leads that was asked for it.
const FORM: &str = "second-factor";
const WRONG_PASSWORD: &str = "The password is wrong.";
const REQUIRED: &str = "You may not sign in with the password alone.";
const NOT_LATELY: &str = "You have signed in too long ago for that, or without a second factor. Please sign in again.";
/// Who has signed in within that time may do what else a code is asked for, and change passkeys.
const LATELY: Duration = Duration::from_secs(600);

/// Somebody who is signed in, and what stands in the forms.
#[derive(Clone, Copy)]
struct OwnRequest<'a> {
    auth: &'a Auth,
    browser: RequestBrowser<'a>,
    signed_in: &'a SignedIn,
    /// That of the app that may be taken over.
    secret: &'a TotpSecret,
}

impl OwnRequest<'_> {
    /// Notes what the person has done.
    fn note(self, record: SignInRecord) {
        let SignedIn { cookie, session, person } = self.signed_in;
        let record = record.about_person(&person.user_name).in_session(&session.id);
        self.auth.note(&cookie.tenant, self.browser.source, record);
    }

    /// Ends what else the person has open: what was taken away may have opened it. Whether it has ended: that it could not be ended is said
    /// of what is done by then, which no second try would do again.
    async fn ends_all_else(self) -> bool {
        let Self { auth, signed_in: SignedIn { cookie, session, person }, .. } = self;
        let asking = AskingSignIn { session: Some(session.id.as_str()), sign_in: None };
        // Besides what it has shown before, this browser shows nothing.
        let proof = ShownProof { credential: session.credential, by_two_factors: false, by_passkey: false };
        let (tenant, user) = (&cookie.tenant, person.user_name.as_str());
        let ended = auth.store.keep_only(tenant, user, asking, proof, auth.now()).await;
        if let Err(error) = &ended {
            tracing::warn!(%tenant, user, %error, "somebody has given a passkey or the second factor up, and what else is open could not be ended");
        }
        ended.is_ok()
    }
}

/// Why nothing was done.
struct PageRefusal {
    status: StatusCode,
    why: String,
    wait_s: Option<u64>,
}

/// The page.
pub(in crate::auth) async fn show(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
) -> Response {
    let browser = RequestBrowser { headers: &headers, source: &source };
    let shown = async {
        let signed_in = session::of_browser(&auth, &headers, &source).await?;
        let Some(signed_in) = signed_in else { return Ok(sign_in(&auth, browser)) };
        let secret = second_factor::new_secret(&auth);
        let request = OwnRequest { auth: &auth, browser, signed_in: &signed_in, secret: &secret };
        own(request, StatusCode::OK, None).await
    };
    shown.await.unwrap_or_else(page::trouble)
}

/// What is sent from it.
pub(in crate::auth) async fn submit(State(auth): State<Arc<Auth>>, form: FormRequest) -> Response {
    let (browser, typed) = (form.browser(), &form.typed);
    let submitted = async {
        let signed_in = session::of_browser(&auth, browser.headers, browser.source).await?;
        let Some(signed_in) = signed_in else { return Ok(sign_in(&auth, browser)) };
        let texts = ShownTexts::read(typed);
        let is_ours = browser.has_sent(&auth, &form_of(&signed_in, texts), typed);
        let shown = TotpSecret::parse(texts.secret);
        let is_ours = is_ours && shown.is_some();
        let secret = shown.filter(|_| is_ours).unwrap_or_else(|| second_factor::new_secret(&auth));
        let request = OwnRequest { auth: &auth, browser, signed_in: &signed_in, secret: &secret };
        if !is_ours {
            return own(request, StatusCode::FORBIDDEN, Some(page::STALE)).await;
        }
        match done(request, typed).await? {
            Ok(response) => Ok(response),
            Err(refusal) => refused(request, &refusal).await,
        }
    };
    submitted.await.unwrap_or_else(page::trouble)
}

/// The sign-in that leads back here: that of the tenant of the session that was here, or else of whichever is typed.
fn sign_in(auth: &Auth, browser: RequestBrowser<'_>) -> Response {
    let before = Cookie::Session.of(browser.headers, browser.source).and_then(SessionCookie::read);
    let tenant = before.map(|before| before.tenant).filter(|tenant| auth.people.tenants().contains(tenant));
    let tenant = tenant.as_ref().map(TenantId::as_str);
    answers::redirect(&answers::with_query(page::SIGN_IN, &[("tenant", tenant), ("then", Some(FORM))]))
}

/// The page with recovery codes, which leads back here.
fn shown_codes(new: &NewRecoveryCodes) -> Response {
    let NewRecoveryCodes { codes, left_open } = new;
    pages::recovery_codes(&ShownCodes { codes, left_open: *left_open, to: pages::PATH, signs_in_again: false })
}

/// The form is the session's and that of what is in it: one of before it, or with another secret, is none of it.
fn form_of(signed_in: &SignedIn, of: ShownTexts<'_>) -> String {
    format!("{FORM}/{}/{}", signed_in.session.id, of.text())
}

/// Whether the person has signed in so lately, and with as much as there is to show, that nothing more is asked for.
fn has_signed_in_lately(auth: &Auth, signed_in: &SignedIn) -> bool {
    let SignedIn { session, person, .. } = signed_in;
    let is_enough = person.second_factor.is_none() || session.by_two_factors;
    is_enough && auth.now().since(session.authenticated_at) < LATELY
}

/// Whether a change needs a code: of who has an app always, and of who has passkeys alone if the sign-in was long ago.
fn needs_code(auth: &Auth, signed_in: &SignedIn) -> bool {
    let SignedIn { cookie, person, .. } = signed_in;
    let has_app = second_factor::held(auth, &cookie.tenant, person).has_app;
    person.second_factor.is_some() && (has_app || !has_signed_in_lately(auth, signed_in))
}

/// Does what the form asks for.
async fn done(request: OwnRequest<'_>, typed: &Parameters) -> Result<Result<Response, PageRefusal>, Trouble> {
    match typed.get("action") {
        Some("enrol") => enrolled(request, typed).await,
        Some("codes") => renewed(request, typed).await,
        Some("remove") => removed(request, typed).await,
        Some("make-passkey") => own_passkeys::made(request, typed).await,
        Some("remove-passkey") => own_passkeys::removed(request, typed).await,
        _ => Ok(Err(PageRefusal::of(StatusCode::BAD_REQUEST, page::STALE))),
    }
}

async fn enrolled(request: OwnRequest<'_>, typed: &Parameters) -> Result<Result<Response, PageRefusal>, Trouble> {
    let OwnRequest { auth, browser, signed_in, secret } = request;
    let tenant = &signed_in.cookie.tenant;
    let code = typed.get("code").unwrap_or_default();
    // First what costs no code of the app of before.
    if !second_factor::is_of(auth, secret, code) {
        return Ok(Err(PageRefusal::of(StatusCode::BAD_REQUEST, WRONG_FIRST_CODE)));
    }
    let who = Named { tenant: Some(tenant.clone()), name: signed_in.person.user_name.clone() };
    match person_login::check(auth, &who, typed.get("password").unwrap_or_default(), browser.source).await? {
        PersonLogin::Right(..) => {}
        PersonLogin::Wrong => return Ok(Err(PageRefusal::of(StatusCode::UNAUTHORIZED, WRONG_PASSWORD))),
        PersonLogin::AtProvider(name) => {
            let why = format!("You sign in with {name}: a second factor is set up there, or at the sign-in.");
            return Ok(Err(PageRefusal::of(StatusCode::FORBIDDEN, &why)));
        }
        PersonLogin::Wait(wait) => return Ok(Err(PageRefusal::wait(wait, "passwords"))),
    }
    let person = match proved(request, typed).await? {
        Ok(person) => person,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let asking = AskingSignIn { session: Some(signed_in.session.id.as_str()), sign_in: None };
    Ok(match second_factor::enrol(auth, tenant, &person, asking, secret.clone(), code).await? {
        Enrolment::Done(codes) => {
            request.note(SignInRecord::of(SignInEvent::SecondFactorSet).by_way(SignInWay::SecondFactor));
            Ok(shown_codes(&codes))
        }
        Enrolment::WrongCode => Err(PageRefusal::of(StatusCode::BAD_REQUEST, WRONG_CODE)),
        Enrolment::Changed => Err(PageRefusal::of(StatusCode::CONFLICT, CHANGED)),
    })
}

async fn renewed(request: OwnRequest<'_>, typed: &Parameters) -> Result<Result<Response, PageRefusal>, Trouble> {
    let person = match proved(request, typed).await? {
        Ok(person) => person,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let codes = second_factor::renew_recovery_codes(request.auth, &request.signed_in.cookie.tenant, &person).await?;
    if codes.is_some() {
        request.note(SignInRecord::of(SignInEvent::SecondFactorSet).by_way(SignInWay::RecoveryCode));
    }
    let refusal = PageRefusal::of(StatusCode::CONFLICT, CHANGED);
    Ok(codes.map(|codes| shown_codes(&codes)).ok_or(refusal))
}

async fn removed(request: OwnRequest<'_>, typed: &Parameters) -> Result<Result<Response, PageRefusal>, Trouble> {
    let (auth, tenant) = (request.auth, &request.signed_in.cookie.tenant);
    if auth.people.requires_second_factor(tenant, &request.signed_in.person).await? {
        return Ok(Err(PageRefusal::of(StatusCode::FORBIDDEN, REQUIRED)));
    }
    let person = match proved(request, typed).await? {
        Ok(person) => person,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let is_done = second_factor::remove(auth, tenant, &person).await?;
    if !is_done {
        return Ok(Err(PageRefusal::of(StatusCode::CONFLICT, CHANGED)));
    }
    request.note(SignInRecord::of(SignInEvent::SecondFactorRemoved));
    Ok(Ok(pages::removed(!request.ends_all_else().await)))
}

/// The person, after a code of the second factor that there is; one without any shows none, and neither does one who has shown a passkey
/// lately and has no app.
async fn proved(request: OwnRequest<'_>, typed: &Parameters) -> Result<Result<Person, PageRefusal>, Trouble> {
    let OwnRequest { auth, browser, signed_in, .. } = request;
    let (tenant, person) = (&signed_in.cookie.tenant, &signed_in.person);
    if !needs_code(auth, signed_in) {
        return Ok(Ok(person.clone()));
    }
    let present = typed.get("present").unwrap_or_default();
    match second_factor::check(auth, tenant, person, present, browser.source).await? {
        CodeLogin::Right(_) => {}
        CodeLogin::Wrong => return Ok(Err(PageRefusal::of(StatusCode::UNAUTHORIZED, WRONG_CODE))),
        CodeLogin::Wait(wait) => return Ok(Err(PageRefusal::wait(wait, "codes"))),
    }
    // Without the recovery code that was shown, if it was one.
    let person = auth.people.active(tenant, &person.user_name).await?;
    Ok(person.ok_or_else(|| PageRefusal::of(StatusCode::CONFLICT, CHANGED)))
}

impl PageRefusal {
    fn of(status: StatusCode, why: &str) -> Self {
        Self { status, why: why.to_owned(), wait_s: None }
    }

    fn wait(wait: Duration, what: &str) -> Self {
        let seconds = wait.as_secs() + 1;
        let why = format!("There were too many wrong {what}. Please try again in {seconds} seconds.");
        Self { status: StatusCode::TOO_MANY_REQUESTS, why, wait_s: Some(seconds) }
    }
}

async fn refused(request: OwnRequest<'_>, refusal: &PageRefusal) -> Result<Response, Trouble> {
    let mut response = own(request, refusal.status, Some(&refusal.why)).await?;
    if let Some(seconds) = refusal.wait_s {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

async fn own(request: OwnRequest<'_>, status: StatusCode, error: Option<&str>) -> Result<Response, Trouble> {
    let OwnRequest { auth, browser, signed_in, secret } = request;
    let (tenant, person) = (&signed_in.cookie.tenant, &signed_in.person);
    let may_remove = !auth.people.requires_second_factor(tenant, person).await?;
    let held = second_factor::held(auth, tenant, person);
    let (name, text) = (issue::full_name(person), secret.text());
    let (uri, label) = (second_factor::app_uri(tenant, person, secret), second_factor::label(tenant, person));
    let again = [("tenant", Some(tenant.as_str())), ("then", Some(FORM)), ("prompt", Some("login"))];
    let again = answers::with_query(page::SIGN_IN, &again);
    let passkeys = own_passkeys::held(auth, tenant, person).await?;
    let next = passkeys.as_ref().map(|held| &held.next);
    let (challenge, handle) = next.map_or(("", ""), |next| (next.challenge.as_str(), next.handle.as_str()));
    let form = form_of(signed_in, ShownTexts { secret: &text, challenge, handle });
    let (may_change, needs_code) = (has_signed_in_lately(auth, signed_in), needs_code(auth, signed_in));
    Ok(browser.with_form(auth, &form, |token| {
        let page = OwnSecondFactor {
            person: &name,
            token,
            app: NewApp { secret: &text, uri: &uri },
            has_app: held.has_app,
            recovery_left: person.second_factor.as_ref().map(|_| held.recovery_left),
            needs_code,
            may_remove,
            passkeys: passkeys.as_ref().map(|held| OwnPasskeys {
                rows: &held.rows,
                to_make: held.next.to_make(&label, &name),
                may_change,
                has_room: held.rows.len() < PASSKEYS_MAX,
            }),
            again: &again,
            error,
        };
        pages::own(status, &page)
    }))
}
