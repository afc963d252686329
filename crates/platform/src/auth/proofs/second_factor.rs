//! The second factor of people: sealed as tenant keeps it, and whether a code is right.

use std::time::Duration;

use contracts::provisioning::{Person, Secret};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::login_name;
use identity::passkey::UserHandle;
use identity::recovery_code;
use identity::second_factor::{self, SecondFactor, ShownCode};
use identity::secret::Digest;
use identity::totp::TotpSecret;
use model::TenantId;
use runtime::installation_key::InstallationKey;
use runtime::sealed;

use super::super::answers::Trouble;
use super::super::guard::Guess;
use super::super::metrics::CodeOutcome;
use super::super::request::source::RequestSource;
use super::super::store::{AskingSignIn, ShownProof};
use super::super::{Auth, people};

/// What it is sealed for, besides tenant and person.
const SEALED_FOR: &str = "second factor";
/// What apps call us.
const ISSUER: &str = "Trunkline";

/// What came of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) enum CodeLogin {
    /// It was right, and is spent: that of an app, or a recovery code.
    Right(SignInWay),
    /// It was wrong, or was shown before.
    Wrong,
    /// It was not looked at.
    Wait(Duration),
}

/// Other recovery codes, to be shown this once.
pub(in crate::auth) struct NewRecoveryCodes {
    pub codes: Vec<String>,
    /// Whether something is open that was to end with them: the store did not answer.
    pub left_open: bool,
}

/// What came of an app's first code.
pub(in crate::auth) enum Enrolment {
    /// The person has the second factor, with these recovery codes.
    Done(NewRecoveryCodes),
    /// The code is not the app's.
    WrongCode,
    /// Somebody else was faster.
    Changed,
}

/// What came of giving the person's passkeys a handle.
pub(in crate::auth) enum HandleGiven {
    /// It is theirs; of who had no second factor before, with recovery codes.
    Given(Option<NewRecoveryCodes>),
    /// The second factor is another by now, or cannot be opened.
    Changed,
}

/// What a person has as the second factor.
#[derive(Default)]
pub(in crate::auth) struct HeldFactor {
    /// Whether there is an app.
    pub has_app: bool,
    /// How many recovery codes are left.
    pub recovery_left: usize,
    /// What the passkeys that are good are kept under.
    pub passkeys: Option<UserHandle>,
}

/// Whether the person signs in with more than the password.
pub(in crate::auth) async fn is_needed(auth: &Auth, tenant: &TenantId, person: &Person) -> Result<bool, Trouble> {
    Ok(person.second_factor.is_some() || auth.people.requires_second_factor(tenant, person).await?)
}

/// What the person has; nothing for who has no second factor, or one that was sealed elsewhere.
pub(in crate::auth) fn held(auth: &Auth, tenant: &TenantId, person: &Person) -> HeldFactor {
    let held = |factor: SecondFactor| HeldFactor {
        has_app: factor.app.is_some(),
        recovery_left: factor.recovery.len(),
        passkeys: factor.passkeys,
    };
    opened(auth, tenant, person).map(held).unwrap_or_default()
}

/// A secret for another app.
pub(in crate::auth) fn new_secret(auth: &Auth) -> TotpSecret {
    TotpSecret::new(auth.bytes())
}

/// The address by which an app takes a secret over.
pub(in crate::auth) fn app_uri(tenant: &TenantId, person: &Person, secret: &TotpSecret) -> String {
    secret.uri(ISSUER, &label(tenant, person))
}

/// What apps and authenticators show beside what they keep: with several tenants a user name alone does not say whose it is.
pub(in crate::auth) fn label(tenant: &TenantId, person: &Person) -> String {
    format!("{tenant}/{}", person.user_name)
}

/// Checks a code of somebody whose password was right, and spends it.
pub(in crate::auth) async fn check(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
    typed: &str,
    source: &RequestSource,
) -> Result<CodeLogin, Trouble> {
    let user = person.user_name.as_str();
    let noted = |event| SignInRecord::of(event).by_way(SignInWay::SecondFactor).about_person(user);
    let guess = match auth.guesses.of_second_factor(tenant, user, source).await? {
        Guess::Taken(guess) => guess,
        Guess::Wait(wait) => {
            auth.metrics.second_factors.inc(CodeOutcome::LockedOut);
            tracing::info!(%tenant, user, source = source.address, wait_s = wait.as_secs(), "a code was refused: too many wrong codes");
            auth.note(tenant, source, noted(SignInEvent::LockedOut));
            return Ok(CodeLogin::Wait(wait));
        }
    };
    let outcome = match spent(auth, tenant, person, typed).await {
        Ok(outcome) => outcome,
        Err(trouble) => {
            guess.undone().await;
            return Err(trouble);
        }
    };
    auth.metrics.second_factors.inc(outcome);
    if outcome == CodeOutcome::Wrong {
        tracing::info!(%tenant, user, source = source.address, "a code was wrong");
        auth.note(tenant, source, noted(SignInEvent::Refused));
        return Ok(CodeLogin::Wrong);
    }
    let is_recovery = outcome == CodeOutcome::Recovery;
    if is_recovery {
        tracing::warn!(%tenant, user, source = source.address, "a recovery code was used");
    }
    // The code is spent: who is told to try again would have to show another one. What was mistyped stays counted then.
    if guess.right().await.is_err() {
        tracing::debug!(%tenant, user, "a code was right, which could not be counted");
    }
    Ok(CodeLogin::Right(if is_recovery { SignInWay::RecoveryCode } else { SignInWay::SecondFactor }))
}

/// What a code is, which is good no more after that.
async fn spent(auth: &Auth, tenant: &TenantId, person: &Person, typed: &str) -> Result<CodeOutcome, Trouble> {
    let Some(factor) = opened(auth, tenant, person) else { return Ok(CodeOutcome::Wrong) };
    let now = auth.now();
    let (is_first, outcome) = match factor.check(typed, now) {
        None => return Ok(CodeOutcome::Wrong),
        Some(ShownCode::App { step }) => {
            let Some(app) = &factor.app else { return Ok(CodeOutcome::Wrong) };
            (auth.store.spend_step(tenant, &person.user_name, app, step, now).await?, CodeOutcome::Right)
        }
        Some(ShownCode::Recovery { left }) => {
            (replace(auth, tenant, person, Some(&left)).await?, CodeOutcome::Recovery)
        }
    };
    Ok(if is_first { outcome } else { CodeOutcome::Wrong })
}

/// Whether a code is one that an app with that secret shows now. It stays good.
pub(in crate::auth) fn is_of(auth: &Auth, secret: &TotpSecret, typed: &str) -> bool {
    secret.step_of(&compact(typed), auth.now()).is_some()
}

/// Gives the person that secret, with other recovery codes, in the place of what there was, if the code is of it. What asks goes on,
/// and all else that the person has open ends: it may have been opened by the password alone.
pub(in crate::auth) async fn enrol(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
    asking: AskingSignIn<'_>,
    secret: TotpSecret,
    typed: &str,
) -> Result<Enrolment, Trouble> {
    let now = auth.now();
    let Some(step) = secret.step_of(&compact(typed), now) else { return Ok(Enrolment::WrongCode) };
    // The code that has shown that the app works signs nobody in.
    if !auth.store.spend_step(tenant, &person.user_name, &secret, step, now).await? {
        return Ok(Enrolment::WrongCode);
    }
    let (shown, recovery) = new_recovery_codes(auth);
    let passkeys = held(auth, tenant, person).passkeys;
    let next = SecondFactor { app: Some(secret), passkeys, recovery };
    if !replace(auth, tenant, person, Some(&next)).await? {
        return Ok(Enrolment::Changed);
    }
    remove_void_passkeys(auth, tenant, person, next.passkeys.as_ref()).await;
    let proof = ShownProof { credential: people::credential(person), by_two_factors: true, by_passkey: false };
    let left_open = !ends_all_else(auth, tenant, person, asking, proof).await;
    Ok(Enrolment::Done(NewRecoveryCodes { codes: shown, left_open }))
}

/// Ends what else the person has open, who has a second factor now; whether it has ended. That it could not be ended keeps nobody from the
/// recovery codes, which are shown once, nor from the audit.
async fn ends_all_else(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
    asking: AskingSignIn<'_>,
    proof: ShownProof,
) -> bool {
    let user = person.user_name.as_str();
    match auth.store.keep_only(tenant, user, asking, proof, auth.now()).await {
        Ok(()) => tracing::info!(%tenant, user, "somebody has a second factor: all else has ended"),
        Err(error) => {
            tracing::warn!(%tenant, user, %error, "somebody has a second factor, and what else is open could not be ended");
            return false;
        }
    }
    true
}

/// Lets the passkeys of that handle be the person's, who has none of another one. Of who had no second factor, what asks goes on, and all
/// else that is open ends, as with an app.
pub(in crate::auth) async fn give_handle(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
    asking: AskingSignIn<'_>,
    handle: &UserHandle,
) -> Result<HandleGiven, Trouble> {
    let passkeys = Some(handle.clone());
    let (next, shown) = match (opened(auth, tenant, person), &person.second_factor) {
        (Some(factor), _) if factor.passkeys == passkeys => {
            // What was read before the passkey was kept may be over. What takes the second factor away after this takes the passkey too.
            let is_named = match auth.people.active_now(tenant, &person.user_name).await {
                Ok(now) => now.is_some_and(|now| held(auth, tenant, &now).passkeys == passkeys),
                // It is kept, and as good as what was read a moment ago.
                Err(_) => true,
            };
            return Ok(if is_named { HandleGiven::Given(None) } else { HandleGiven::Changed });
        }
        (Some(factor), _) if factor.passkeys.is_none() => (SecondFactor { passkeys, ..factor }, None),
        (Some(_), _) | (None, Some(_)) => return Ok(HandleGiven::Changed),
        (None, None) => {
            let (shown, recovery) = new_recovery_codes(auth);
            (SecondFactor { app: None, passkeys, recovery }, Some(shown))
        }
    };
    if !replace(auth, tenant, person, Some(&next)).await? {
        return Ok(HandleGiven::Changed);
    }
    let Some(codes) = shown else { return Ok(HandleGiven::Given(None)) };
    let proof = ShownProof { credential: people::credential(person), by_two_factors: true, by_passkey: true };
    let left_open = !ends_all_else(auth, tenant, person, asking, proof).await;
    Ok(HandleGiven::Given(Some(NewRecoveryCodes { codes, left_open })))
}

/// Other recovery codes, to be shown this once; `None` if the second factor is another by now.
pub(in crate::auth) async fn renew_recovery_codes(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
) -> Result<Option<NewRecoveryCodes>, Trouble> {
    let Some(factor) = opened(auth, tenant, person) else { return Ok(None) };
    let (codes, recovery) = new_recovery_codes(auth);
    let is_done = replace(auth, tenant, person, Some(&SecondFactor { recovery, ..factor })).await?;
    Ok(is_done.then_some(NewRecoveryCodes { codes, left_open: false }))
}

/// Takes the second factor away, passkeys too; `false` if it is another by now. What it has opened is for the caller to end.
pub(in crate::auth) async fn remove(auth: &Auth, tenant: &TenantId, person: &Person) -> Result<bool, Trouble> {
    let is_done = replace(auth, tenant, person, None).await?;
    if is_done {
        // The store has removed the passkeys with it.
        tracing::info!(%tenant, user = person.user_name, "somebody has given the second factor up");
    }
    Ok(is_done)
}

/// Removes passkeys that the second factor does not name: whatever comes of it, nobody signs in by them.
pub(in crate::auth) async fn remove_void_passkeys(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
    good: Option<&UserHandle>,
) {
    let (user, good) = (person.user_name.as_str(), good.map(UserHandle::text));
    if let Err(error) = auth.ctx.stores.passkeys.remove_others(tenant, user, good.as_deref()).await {
        tracing::warn!(%tenant, user, %error, "passkeys that are worth nothing are still there");
    }
}

/// A code without the blanks that apps show in it.
fn compact(typed: &str) -> String {
    typed.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Recovery codes as they are shown, and as they are kept.
fn new_recovery_codes(auth: &Auth) -> (Vec<String>, Vec<Digest>) {
    let shown: Vec<String> = (0..recovery_code::COUNT).map(|_| recovery_code::write(auth.bytes())).collect();
    let digests = shown.iter().filter_map(|code| recovery_code::digest(code)).collect();
    (shown, digests)
}

async fn replace(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
    next: Option<&SecondFactor>,
) -> Result<bool, Trouble> {
    let user = person.user_name.as_str();
    let seen = person.second_factor.as_ref().map(|held| held.reveal().to_owned());
    let next = match next {
        Some(next) => {
            let key = &auth.ctx.installation_key;
            let sealed = sealed::seal(key, &bound_to(tenant, user), next.to_bytes());
            let sealed = sealed.ok_or_else(|| Trouble::away("randomness", &"nothing can be sealed"))?;
            Some(second_factor::stored(&sealed))
        }
        None => None,
    };
    auth.people.replace_second_factor(tenant, user, seen, next).await
}

/// The person's second factor; `None` if there is none, or it was sealed elsewhere: then no code is right until it is reset.
fn opened(auth: &Auth, tenant: &TenantId, person: &Person) -> Option<SecondFactor> {
    let user = person.user_name.as_str();
    let stored = person.second_factor.as_ref()?;
    let factor = unsealed(&auth.ctx.installation_key, (tenant, user), stored);
    if factor.is_none() {
        tracing::warn!(%tenant, user, "a second factor cannot be opened: it was sealed by another installation, and has to be reset");
    }
    factor
}

/// A stored second factor of a person of a tenant; `None` if it was sealed elsewhere, or is damaged.
fn unsealed(key: &InstallationKey, (tenant, user): (&TenantId, &str), stored: &Secret) -> Option<SecondFactor> {
    let sealed = second_factor::sealed(stored.reveal())?;
    SecondFactor::from_bytes(&sealed::open(key, &bound_to(tenant, user), &sealed)?)
}

/// Whether the second factor of a person of a tenant can be opened with that key; of somebody without one it cannot.
pub fn opens_second_factor(key: &InstallationKey, tenant: &TenantId, person: &Person) -> bool {
    let stored = person.second_factor.as_ref();
    stored.is_some_and(|stored| unsealed(key, (tenant, &person.user_name), stored).is_some())
}

/// What a second factor is sealed for: that of one person is none of another. Neither id has a control character.
fn bound_to(tenant: &TenantId, user: &str) -> Vec<u8> {
    [SEALED_FOR, tenant.as_str(), login_name::folded(user).as_str()].join("\0").into_bytes()
}
