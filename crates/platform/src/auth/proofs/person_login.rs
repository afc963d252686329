//! A person's name and password, at the page or from a program.

use std::time::Duration;

use contracts::provisioning::Person;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use model::TenantId;

use super::super::Auth;
use super::super::answers::Trouble;
use super::super::guard::Guess;
use super::super::guard::hashing::HashAsker;
use super::super::metrics::SignInOutcome;
use super::super::people::tenancy::Named;
use super::super::request::source::RequestSource;

/// What came of a password.
pub(in crate::auth) enum PersonLogin {
    /// It was right.
    Right(TenantId, Box<Person>),
    /// It was wrong, or there is no such person or tenant, or the person is disabled: nobody learns which.
    Wrong,
    /// It was not looked at.
    Wait(Duration),
    /// It was not looked at: people of the tenant sign in with its provider, which is called so.
    AtProvider(String),
}

/// Checks a password. It takes as long for a person or a tenant that does not exist.
pub(in crate::auth) async fn check(
    auth: &Auth,
    who: &Named,
    password: &str,
    source: &RequestSource,
) -> Result<PersonLogin, Trouble> {
    if who.is_undecided(&auth.people.tenants()) {
        return Err(Trouble::away("tenant", &"it has not named the tenants yet"));
    }
    if let Some(tenant) = &who.tenant
        && let Some(provider) = auth.people.upstream(tenant).await?
        && provider.only
    {
        return Ok(PersonLogin::AtProvider(provider.name));
    }
    let tenant = who.tenant.as_ref().unwrap_or(auth.guesses.nowhere());
    let guess = match auth.guesses.of_person(tenant, &who.name, source).await? {
        Guess::Taken(guess) => guess,
        Guess::Wait(wait) => {
            auth.metrics.sign_ins.inc(SignInOutcome::LockedOut);
            tracing::info!(%tenant, source = source.address, wait_s = wait.as_secs(), "a sign-in was refused: too many wrong passwords");
            let record = SignInRecord::of(SignInEvent::LockedOut).by_way(SignInWay::Password);
            // Nobody has looked whether there is such a person.
            auth.note(tenant, source, record);
            return Ok(PersonLogin::Wait(wait));
        }
    };
    let looked_up = look_up(auth, tenant, &who.name, password, guess.is_known()).await;
    let (person, is_right) = match looked_up {
        Ok(looked_up) => looked_up,
        Err(trouble) => {
            guess.undone().await;
            return Err(trouble);
        }
    };
    match person {
        Some(person) if is_right && !person.disabled => {
            guess.right().await?;
            auth.metrics.sign_ins.inc(SignInOutcome::Right);
            tracing::info!(%tenant, user = person.user_name, source = source.address, "a password was right");
            Ok(PersonLogin::Right(tenant.clone(), Box::new(person)))
        }
        person => {
            auth.metrics.sign_ins.inc(if is_right { SignInOutcome::Disabled } else { SignInOutcome::Wrong });
            // Without the name: it may be a password that was typed into the wrong field.
            tracing::info!(%tenant, source = source.address, "a sign-in was refused");
            let record = SignInRecord::of(SignInEvent::Refused).by_way(SignInWay::Password);
            let record = match &person {
                Some(person) => record.about_person(&person.user_name),
                None => record,
            };
            auth.note(tenant, source, record);
            Ok(PersonLogin::Wrong)
        }
    }
}

/// The person of that name, and whether the password is that person's.
async fn look_up(
    auth: &Auth,
    tenant: &TenantId,
    user: &str,
    password: &str,
    is_known: bool,
) -> Result<(Option<Person>, bool), Trouble> {
    let person = auth.people.person(tenant, user).await?;
    let hash = person.as_ref().and_then(|person| person.password.as_ref()).map(|hash| hash.reveal());
    let is_right = auth.hashing.verify(password, hash, HashAsker { tenant, is_known }).await?;
    Ok((person, is_right))
}
