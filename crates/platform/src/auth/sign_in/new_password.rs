//! Whoever signs in with a password that has to be changed chooses another one before the session begins, after the second factor where
//! there is one.

use axum::http::StatusCode;
use axum::response::Response;
use contracts::provisioning::Person;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::password::{self, Weak};
use identity::secret::Digest;
use model::{TenantId, Timestamp};

use super::super::answers::Trouble;
use super::super::guard::hashing::HashAsker;
use super::super::page;
use super::super::page::new_password::{self as pages, NewPasswordForm};
use super::super::people;
use super::super::request::parameters::Parameters;
use super::half_signed_in::HalfSignedIn;
use super::{PageRequest, ShownSteps, begin, change_password, form};

/// What its forms are called.
const FORM: &str = "new password";
const DIFFERENT: &str = "The two passwords are not the same.";

/// What was shown before, as the form carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StepsBefore {
    way: SignInWay,
    at: Timestamp,
}

impl StepsBefore {
    /// As a field of the form.
    fn text(self) -> String {
        format!("{}.{}", self.way.as_str(), self.at.as_millis())
    }

    /// Reads such a field. It may be anybody's: only the form's token says that it is one of ours.
    fn read(text: &str) -> Option<Self> {
        let (way, at) = text.split_once('.')?;
        Some(Self { way: SignInWay::named(way)?, at: Timestamp::from_millis(at.parse().ok()?) })
    }

    /// The steps, of which the first is the password.
    fn steps(self) -> ShownSteps {
        ShownSteps {
            provider: None,
            by_two_factors: self.way != SignInWay::Password,
            by_passkey: self.way == SignInWay::Passkey,
            way: self.way,
            authenticated_at: self.at,
        }
    }
}

/// Whether somebody who has shown that has to choose another password: who comes from a provider has shown none.
pub(super) fn is_due(person: &Person, shown: &ShownSteps) -> bool {
    person.change_password && shown.provider.is_none()
}

/// All steps were right: begins the session, or asks for another password first.
pub(super) async fn after_steps(
    request: PageRequest<'_>,
    tenant: &TenantId,
    person: &Person,
    shown: ShownSteps,
) -> Result<Response, Trouble> {
    if !is_due(person, &shown) {
        return Ok(begin(request, tenant, person, shown).await?.redirect());
    }
    let half = HalfSignedIn::begin(tenant, person, None, request.auth.now());
    let before = StepsBefore { way: shown.way, at: shown.authenticated_at };
    Ok(asks(request, &half, person, before, StatusCode::OK, None))
}

/// What its form has sent.
pub(super) async fn submitted(
    request: PageRequest<'_>,
    half: &str,
    steps: &str,
    typed: &Parameters,
) -> Result<Response, Trouble> {
    let PageRequest { auth, browser, .. } = request;
    let from_the_start = |status| form(request, status, &Parameters::default(), Some(page::STALE));
    let read = HalfSignedIn::read(half, auth.now()).zip(StepsBefore::read(steps));
    let Some((half, before)) = read else { return Ok(from_the_start(StatusCode::FORBIDDEN)) };
    let Some(person) = auth.people.active(&half.tenant, &half.user).await? else {
        return Ok(from_the_start(StatusCode::FORBIDDEN));
    };
    if !browser.has_sent(auth, &form_of(&half, &person, before), typed) {
        return Ok(from_the_start(StatusCode::FORBIDDEN));
    }
    half.comes_from_there(auth, browser.source).await?;
    let again = |error: &str| asks(request, &half, &person, before, StatusCode::BAD_REQUEST, Some(error));
    let not_taken = |weak: Weak| again(&format!("This password may not be chosen: {weak}."));
    let chosen = typed.get("new_password").unwrap_or_default();
    if typed.get("again") != Some(chosen) {
        return Ok(again(DIFFERENT));
    }
    if let Err(weak) = password::check_choice(chosen, &person.user_name) {
        return Ok(not_taken(weak));
    }
    let present = person.password.as_ref().map(|hash| hash.reveal());
    let of = HashAsker { tenant: &half.tenant, is_known: true };
    if auth.hashing.verify(chosen, present, of).await? {
        return Ok(not_taken(Weak::Same));
    }
    if !change_password::replaced(auth, &half.tenant, &person, chosen, None).await? {
        return Ok(from_the_start(StatusCode::CONFLICT));
    }
    let (tenant, user) = (&half.tenant, person.user_name.as_str());
    let source = browser.source.address.as_str();
    tracing::info!(%tenant, user, source, "somebody has chosen another password at the sign-in: all else has ended");
    auth.note(tenant, browser.source, SignInRecord::of(SignInEvent::PasswordChanged).about_person(user));
    // The session is bound to the password that the person has now.
    let Some(now) = auth.people.active_now(tenant, user).await? else {
        return Ok(from_the_start(StatusCode::CONFLICT));
    };
    Ok(begin(request, tenant, &now, before.steps()).await?.redirect())
}

/// The name of the form of that person after those steps, while the password is the same.
fn form_of(half: &HalfSignedIn, person: &Person, before: StepsBefore) -> String {
    let (half, credential, steps) = (half.text(), people::credential(person).text(), before.text());
    let all = [half.as_str(), credential.as_str(), steps.as_str()].join("\0");
    format!("{FORM}/{}", Digest::of(&all).text())
}

fn asks(
    request: PageRequest<'_>,
    half: &HalfSignedIn,
    person: &Person,
    before: StepsBefore,
    status: StatusCode,
    error: Option<&str>,
) -> Response {
    let PageRequest { auth, browser, setting, .. } = request;
    let (half_text, steps) = (half.text(), before.text());
    browser.with_form(auth, &form_of(half, person, before), |token| {
        let form = NewPasswordForm {
            query: &setting.query,
            token,
            half: &half_text,
            steps: &steps,
            user: &person.user_name,
            error,
            leads_to: setting.leads_to.as_deref(),
        };
        pages::ask(status, &form)
    })
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::Secret;

    use super::*;

    fn before(way: SignInWay) -> StepsBefore {
        StepsBefore { way, at: Timestamp::from_millis(1_700_000_000_123) }
    }

    #[test]
    fn what_was_shown_comes_back_with_the_form() {
        for way in [SignInWay::Password, SignInWay::SecondFactor, SignInWay::RecoveryCode, SignInWay::Passkey] {
            assert_eq!(StepsBefore::read(&before(way).text()), Some(before(way)));
            let steps = before(way).steps();
            assert_eq!(
                (steps.by_two_factors, steps.by_passkey),
                (way != SignInWay::Password, way == SignInWay::Passkey)
            );
        }
        for bad in ["", "password", "telepathy.7", "password.x"] {
            assert_eq!(StepsBefore::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_is_due_for_who_has_shown_a_password_and_a_form_is_of_its_password_and_steps() {
        let ann = Person { user_name: "ann".to_owned(), change_password: true, ..Person::default() };
        let by_password = before(SignInWay::Password).steps();
        assert!(is_due(&ann, &by_password) && !is_due(&Person::default(), &by_password));
        let by_provider = ShownSteps { provider: Some("Acme ID".to_owned()), ..before(SignInWay::Provider).steps() };
        assert!(!is_due(&ann, &by_provider));

        let acme = TenantId::parse("acme").unwrap();
        let half = HalfSignedIn::begin(&acme, &ann, None, Timestamp::from_millis(1_700_000_000_000));
        let form = form_of(&half, &ann, before(SignInWay::Password));
        let changed = Person { password: Some(Secret("$argon2id$y".to_owned())), ..ann.clone() };
        assert_ne!(form_of(&half, &changed, before(SignInWay::Password)), form);
        assert_ne!(form_of(&half, &ann, before(SignInWay::Passkey)), form);
    }
}
