//! Passkeys of people: which there are, and whether one that is shown is right.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::provisioning::Person;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::passkey::assertion::{KnownPasskey, ShownPasskey};
use identity::passkey::{AskedPasskey, ID_BYTES_MAX, PasskeyChallenge, PasskeyFault, RelyingParty, UserHandle};
use infra::StoredPasskey;
use model::TenantId;

use super::super::Auth;
use super::super::answers::Trouble;
use super::super::guard::{Guess, TakenGuess};
use super::super::metrics::PasskeyOutcome;
use super::super::request::parameters::Parameters;
use super::super::request::source::RequestSource;
use super::second_factor;

/// The most passkeys of a person.
pub(in crate::auth) const PASSKEYS_MAX: usize = 10;

/// What came of a passkey after the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) enum PasskeyLogin {
    /// It was right.
    Right,
    /// It was wrong, or was shown before.
    Wrong,
    /// It was not looked at.
    Wait(Duration),
}

/// What came of a passkey alone.
pub(in crate::auth) enum PasskeySignIn {
    /// It was right, and says who it is.
    Right(TenantId, Box<Person>),
    /// It was wrong, or is no person's who may sign in: nobody learns which.
    Wrong,
    /// It was right, and the tenant wants a password, or its provider, before it.
    NeedsFirstStep,
    /// It was not looked at.
    Wait(Duration),
}

/// What the script of a page has filled in.
pub(in crate::auth) struct PasskeyFields {
    id: String,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
    handle: Option<UserHandle>,
}

impl PasskeyFields {
    /// `None` unless all of it is there and can be read.
    pub fn read(typed: &Parameters) -> Option<Self> {
        let id = decoded(typed, "credential").filter(|id| id.len() <= ID_BYTES_MAX)?;
        Some(Self {
            // As it is kept, whatever the form's last bits were.
            id: URL_SAFE_NO_PAD.encode(id),
            client_data: decoded(typed, "client_data")?,
            authenticator_data: decoded(typed, "authenticator_data")?,
            signature: decoded(typed, "signature")?,
            handle: typed.get("user_handle").and_then(UserHandle::parse),
        })
    }
}

/// Bytes in a field of a form.
pub(in crate::auth) fn decoded(typed: &Parameters, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(typed.get(name)?).ok()
}

/// Where passkeys are good; none where the issuer's host is an address, for which browsers make none.
pub(in crate::auth) fn relying_party(auth: &Auth) -> Option<RelyingParty> {
    RelyingParty::of(auth.issuer())
}

/// A new challenge.
pub(in crate::auth) fn challenge(auth: &Auth) -> PasskeyChallenge {
    PasskeyChallenge::new(auth.bytes(), auth.now())
}

/// The passkeys of a person that are good, the first one first.
pub(in crate::auth) async fn of_person(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
) -> Result<Vec<StoredPasskey>, Trouble> {
    let Some(handle) = second_factor::held(auth, tenant, person).passkeys else { return Ok(Vec::new()) };
    let mut held = auth.ctx.stores.passkeys.of_person(tenant, &person.user_name).await?;
    held.retain(|passkey| UserHandle::parse(&passkey.handle).as_ref() == Some(&handle));
    held.truncate(PASSKEYS_MAX);
    Ok(held)
}

/// Checks a passkey of somebody whose first step was right. It counts with the codes.
pub(in crate::auth) async fn check_after_first_step(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
    shown: &PasskeyFields,
    challenge: &PasskeyChallenge,
    source: &RequestSource,
) -> Result<PasskeyLogin, Trouble> {
    let user = person.user_name.as_str();
    let guess = match auth.guesses.of_second_factor(tenant, user, source).await? {
        Guess::Taken(guess) => guess,
        Guess::Wait(wait) => {
            tracing::info!(%tenant, user, source = source.address, wait_s = wait.as_secs(), "a passkey was refused: too many wrong ones, or codes");
            note(auth, (tenant, Some(user), SignInWay::Passkey), source, PasskeyOutcome::LockedOut);
            return Ok(PasskeyLogin::Wait(wait));
        }
    };
    let looked_at = async {
        let known = of_person(auth, tenant, person).await?.into_iter().find(|known| known.id == shown.id);
        match known {
            Some(known) => proved(auth, tenant, (tenant, &known), shown, challenge, false).await,
            None => Ok(PasskeyOutcome::Wrong),
        }
    };
    let (outcome, guess) = kept_or_undone(looked_at.await, guess).await?;
    note(auth, (tenant, Some(user), SignInWay::Passkey), source, outcome);
    if outcome != PasskeyOutcome::Right {
        return Ok(PasskeyLogin::Wrong);
    }
    guess.right().await?;
    Ok(PasskeyLogin::Right)
}

/// Checks a passkey that is all that somebody shows: the authenticator must know who has touched it. `expected` is the tenant that the
/// sign-in is for, if that is known.
pub(in crate::auth) async fn check_alone(
    auth: &Auth,
    expected: Option<&str>,
    shown: &PasskeyFields,
    challenge: &PasskeyChallenge,
    source: &RequestSource,
) -> Result<PasskeySignIn, Trouble> {
    let way = SignInWay::PasskeyAlone;
    // A passkey that is nobody's is noted where the sign-in is for, or else of the installation.
    let tenants = auth.people.tenants();
    let asked_for = expected.and_then(|named| tenants.get(named)).unwrap_or(auth.guesses.nowhere());
    let guess = match auth.guesses.of_passkey(&shown.id, source).await? {
        Guess::Taken(guess) => guess,
        Guess::Wait(wait) => {
            tracing::info!(
                source = source.address,
                wait_s = wait.as_secs(),
                "a passkey was refused: too many wrong ones"
            );
            note(auth, (asked_for, None, way), source, PasskeyOutcome::LockedOut);
            return Ok(PasskeySignIn::Wait(wait));
        }
    };
    let looked_at = async {
        let found = auth.ctx.stores.passkeys.find_passkey(&shown.id).await?;
        let found = found.filter(|(tenant, _)| expected.is_none_or(|named| tenant.as_str() == named));
        let Some((tenant, known)) = found else { return Ok((None, PasskeyOutcome::Wrong)) };
        // None who is disabled, and whom the audit names all the same.
        let person = auth.people.active(&tenant, &known.user).await?;
        let of_person = person.as_ref().and_then(|person| second_factor::held(auth, &tenant, person).passkeys);
        let is_theirs = of_person.is_some() && shown.handle == of_person && known.handle == text(of_person.as_ref());
        let outcome = match is_theirs {
            true => proved(auth, auth.guesses.nowhere(), (&tenant, &known), shown, challenge, true).await?,
            false => PasskeyOutcome::Wrong,
        };
        Ok::<_, Trouble>((Some((tenant, known.user, person)), outcome))
    };
    let ((found, outcome), guess) = kept_or_undone(looked_at.await, guess).await?;
    let Some((tenant, user, person)) = found else {
        tracing::info!(source = source.address, "a passkey was refused: it is nobody's here");
        note(auth, (asked_for, None, way), source, PasskeyOutcome::Wrong);
        return Ok(PasskeySignIn::Wrong);
    };
    let takes_it = outcome == PasskeyOutcome::Right && auth.people.takes_passkeys_alone(&tenant).await?;
    let told = if outcome == PasskeyOutcome::Right && !takes_it { PasskeyOutcome::Wrong } else { outcome };
    note(auth, (&tenant, Some(&user), way), source, told);
    let Some(person) = person.filter(|_| outcome == PasskeyOutcome::Right) else { return Ok(PasskeySignIn::Wrong) };
    guess.right().await?;
    Ok(if takes_it { PasskeySignIn::Right(tenant, Box::new(person)) } else { PasskeySignIn::NeedsFirstStep })
}

fn text(handle: Option<&UserHandle>) -> String {
    handle.map(UserHandle::text).unwrap_or_default()
}

/// What was found out; if it was not, the try is given back.
async fn kept_or_undone<T>(
    looked_at: Result<T, Trouble>,
    guess: TakenGuess<'_>,
) -> Result<(T, TakenGuess<'_>), Trouble> {
    match looked_at {
        Ok(found) => Ok((found, guess)),
        Err(trouble) => {
            guess.undone().await;
            Err(trouble)
        }
    }
}

/// Whether it is that passkey of the tenant, now and for the first time. Its challenge is spent under `spent_in`, whatever comes of it.
async fn proved(
    auth: &Auth,
    spent_in: &TenantId,
    (tenant, known): (&TenantId, &StoredPasskey),
    shown: &PasskeyFields,
    challenge: &PasskeyChallenge,
    verified: bool,
) -> Result<PasskeyOutcome, Trouble> {
    let (Some(at), Ok(public_key)) = (relying_party(auth), URL_SAFE_NO_PAD.decode(&known.public_key)) else {
        return Ok(PasskeyOutcome::Wrong);
    };
    if !auth.store.spend_challenge(spent_in, challenge).await? {
        return Ok(PasskeyOutcome::Wrong);
    }
    let asked = AskedPasskey { challenge, at: &at, verified };
    let shown = ShownPasskey {
        client_data: &shown.client_data,
        authenticator_data: &shown.authenticator_data,
        signature: &shown.signature,
    };
    let proved = match shown.check(&KnownPasskey { public_key: &public_key, counter: known.counter }, &asked) {
        Ok(proved) => proved,
        Err(PasskeyFault::CounterBack) => return Ok(PasskeyOutcome::Copied),
        Err(fault) => {
            tracing::info!(user = known.user, %fault, "a passkey was refused");
            return Ok(PasskeyOutcome::Wrong);
        }
    };
    let passkeys = &auth.ctx.stores.passkeys;
    if passkeys.note_use(tenant, &known.id, proved.counter, auth.now()).await? {
        return Ok(PasskeyOutcome::Right);
    }
    // It was removed meanwhile, or has signed as often elsewhere.
    let is_there = passkeys.find_passkey(&known.id).await?.is_some();
    Ok(if is_there { PasskeyOutcome::Copied } else { PasskeyOutcome::Wrong })
}

/// Counts what came of a passkey, and notes it unless it is right: who is signed in by it is noted with the session.
fn note(
    auth: &Auth,
    (tenant, user, way): (&TenantId, Option<&str>, SignInWay),
    source: &RequestSource,
    outcome: PasskeyOutcome,
) {
    auth.metrics.passkeys.inc(outcome);
    let event = match outcome {
        PasskeyOutcome::Right => return,
        PasskeyOutcome::Wrong => SignInEvent::Refused,
        PasskeyOutcome::Copied => {
            tracing::warn!(%tenant, user, source = source.address, "the counter of a passkey has gone back: there may be a copy of it");
            SignInEvent::PasskeyCopied
        }
        PasskeyOutcome::LockedOut => SignInEvent::LockedOut,
    };
    let record = SignInRecord::of(event).by_way(way);
    let record = match user {
        Some(user) => record.about_person(user),
        None => record,
    };
    auth.note(tenant, source, record);
}
