//! The passkeys of somebody who is signed in: another one is made, one is removed.

use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::json::rfc3339;
use contracts::provisioning::Person;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::passkey::registration::{MadePasskey, NewPasskey};
use identity::passkey::{AskedPasskey, PasskeyChallenge, UserHandle};
use infra::{PasskeyKept, PasskeyRemoved, StoredPasskey};
use model::{TenantId, Timestamp};

use super::super::answers::{self, Trouble};
use super::super::page::passkey::{AskedOfBrowser, PasskeyToMake};
use super::super::page::second_factor::{self as pages, PasskeyRow};
use super::super::parameters::Parameters;
use super::super::second_factor::{self, HandleGiven};
use super::super::store::AskingSignIn;
use super::super::{Auth, page, passkeys};
use super::{CHANGED, NOT_LATELY, OwnRequest, PageRefusal, REQUIRED, has_signed_in_lately, shown_codes};

/// The longest name of a passkey, in characters.
const NAME_MAX: usize = 64;
/// What one is called whose name was left out.
const NAME: &str = "Passkey";
const UNREADABLE: &str = "Your browser has not made a passkey. Does it run scripts?";
const REFUSED: &str = "This passkey cannot be used here.";
const TAKEN: &str = "This passkey is there already.";
const TOO_MANY: &str = "You have as many passkeys as there may be.";
const GONE: &str = "This passkey was removed already.";

/// What the page shows of passkeys, and what the next one would be.
pub(super) struct NextPasskey {
    pub rows: Vec<PasskeyRow>,
    pub challenge: String,
    pub handle: String,
    host: String,
    /// The ids of those that there are, with blanks between.
    ids: String,
}

impl NextPasskey {
    /// For the page.
    pub fn to_make<'a>(&'a self, user: &'a str, person: &'a str) -> PasskeyToMake<'a> {
        let asked = AskedOfBrowser { challenge: &self.challenge, host: &self.host, ids: &self.ids };
        PasskeyToMake { asked, handle: &self.handle, user, person }
    }
}

/// What there is, and what the next one would be; none where there may be no passkeys.
pub(super) async fn next(auth: &Auth, tenant: &TenantId, person: &Person) -> Result<Option<NextPasskey>, Trouble> {
    let Some(at) = passkeys::relying_party(auth) else { return Ok(None) };
    let held = passkeys::of_person(auth, tenant, person).await?;
    let handle = second_factor::held(auth, tenant, person).passkeys;
    let ids: Vec<&str> = held.iter().map(|passkey| passkey.id.as_str()).collect();
    Ok(Some(NextPasskey {
        challenge: passkeys::challenge(auth).text(),
        handle: handle.unwrap_or_else(|| UserHandle::new(auth.bytes())).text(),
        host: at.id().to_owned(),
        ids: ids.join(" "),
        rows: held.into_iter().map(row).collect(),
    }))
}

fn row(passkey: StoredPasskey) -> PasskeyRow {
    let StoredPasskey { id, name, created, last_used, .. } = passkey;
    PasskeyRow { id, name, created: day(created), last_used: last_used.map(day) }
}

/// A day as people read it: `2026-07-01`.
fn day(at: Timestamp) -> String {
    rfc3339(at).chars().take(10).collect()
}

/// Keeps the passkey that the browser has made. The form says for whom and until when: its token is of that.
pub(super) async fn made(
    request: OwnRequest<'_>,
    typed: &Parameters,
) -> Result<Result<Response, PageRefusal>, Trouble> {
    let OwnRequest { auth, signed_in, .. } = request;
    let (tenant, person) = (&signed_in.cookie.tenant, &signed_in.person);
    let refused = |status, why| Ok(Err(PageRefusal::of(status, why)));
    if !has_signed_in_lately(auth, signed_in) {
        return refused(StatusCode::FORBIDDEN, NOT_LATELY);
    }
    let challenge = typed.get("challenge").and_then(|text| PasskeyChallenge::parse(text, auth.now()));
    let handle = typed.get("handle").and_then(UserHandle::parse);
    let (Some(challenge), Some(handle)) = (challenge, handle) else {
        return refused(StatusCode::FORBIDDEN, page::STALE);
    };
    if !is_present(auth, tenant, person, &handle).await? {
        return refused(StatusCode::CONFLICT, CHANGED);
    }
    let fields = passkeys::decoded(typed, "client_data").zip(passkeys::decoded(typed, "attestation"));
    let Some((client_data, attestation)) = fields else { return refused(StatusCode::BAD_REQUEST, UNREADABLE) };
    if !auth.store.spend_challenge(tenant, &challenge).await? {
        return refused(StatusCode::FORBIDDEN, page::STALE);
    }
    let Some(at) = passkeys::relying_party(auth) else { return refused(StatusCode::BAD_REQUEST, REFUSED) };
    let asked = AskedPasskey { challenge: &challenge, at: &at, verified: false };
    let new = match (MadePasskey { client_data: &client_data, attestation: &attestation }).check(&asked) {
        Ok(new) => stored(auth, person, &handle, new, name(typed)),
        Err(fault) => {
            tracing::info!(%tenant, user = person.user_name, %fault, "a passkey that was made is refused");
            return refused(StatusCode::BAD_REQUEST, REFUSED);
        }
    };
    match auth.ctx.stores.passkeys.keep(tenant, &new, passkeys::PASSKEYS_MAX).await? {
        PasskeyKept::Kept => {}
        PasskeyKept::IdTaken => return refused(StatusCode::CONFLICT, TAKEN),
        PasskeyKept::TooMany => return refused(StatusCode::CONFLICT, TOO_MANY),
    }
    kept(request, &handle, &new).await
}

/// Whether the handle is that of the person's passkeys, or a new one. One of before, of which there are some left, would make those good
/// again.
async fn is_present(auth: &Auth, tenant: &TenantId, person: &Person, handle: &UserHandle) -> Result<bool, Trouble> {
    if let Some(present) = second_factor::held(auth, tenant, person).passkeys {
        return Ok(present == *handle);
    }
    let left = auth.ctx.stores.passkeys.of_person(tenant, &person.user_name).await?;
    Ok(left.iter().all(|passkey| passkey.handle != handle.text()))
}

/// It is there: now it becomes good.
async fn kept(
    request: OwnRequest<'_>,
    handle: &UserHandle,
    new: &StoredPasskey,
) -> Result<Result<Response, PageRefusal>, Trouble> {
    let OwnRequest { auth, signed_in, .. } = request;
    let (tenant, person) = (&signed_in.cookie.tenant, &signed_in.person);
    let asking = AskingSignIn { session: Some(signed_in.session.id.as_str()), sign_in: None };
    match second_factor::give_handle(auth, tenant, person, asking, handle).await? {
        HandleGiven::Given(codes) => {
            tracing::info!(%tenant, user = person.user_name, "somebody has made a passkey");
            request.note(SignInRecord::of(SignInEvent::SecondFactorSet).by_way(SignInWay::Passkey));
            second_factor::remove_void_passkeys(auth, tenant, person, Some(handle)).await;
            Ok(Ok(match codes {
                Some(codes) => shown_codes(&codes),
                None => answers::redirect(pages::PATH),
            }))
        }
        HandleGiven::Changed => {
            if let Err(error) = auth.ctx.stores.passkeys.remove(tenant, &person.user_name, &new.id).await {
                tracing::warn!(%tenant, user = person.user_name, %error, "a passkey that is worth nothing is still there");
            }
            Ok(Err(PageRefusal::of(StatusCode::CONFLICT, CHANGED)))
        }
    }
}

fn stored(auth: &Auth, person: &Person, handle: &UserHandle, new: NewPasskey, name: String) -> StoredPasskey {
    StoredPasskey {
        id: URL_SAFE_NO_PAD.encode(new.id),
        user: person.user_name.clone(),
        handle: handle.text(),
        public_key: URL_SAFE_NO_PAD.encode(new.public_key),
        counter: new.counter,
        name,
        created: auth.now(),
        last_used: None,
    }
}

/// What the person calls it.
fn name(typed: &Parameters) -> String {
    let said = typed.get("name").unwrap_or_default();
    let name: String = said.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    let name = name.trim();
    if name.is_empty() { NAME.to_owned() } else { name.to_owned() }
}

/// Removes one, and ends what else is open: it may have opened that. With the last one, of who has no app, goes the second factor.
pub(super) async fn removed(
    request: OwnRequest<'_>,
    typed: &Parameters,
) -> Result<Result<Response, PageRefusal>, Trouble> {
    let OwnRequest { auth, signed_in, .. } = request;
    let (tenant, person) = (&signed_in.cookie.tenant, &signed_in.person);
    let refused = |status, why| Ok(Err(PageRefusal::of(status, why)));
    if !has_signed_in_lately(auth, signed_in) {
        return refused(StatusCode::FORBIDDEN, NOT_LATELY);
    }
    let id = typed.get("id").unwrap_or_default();
    let held = passkeys::of_person(auth, tenant, person).await?;
    if !held.iter().any(|passkey| passkey.id == id) {
        return refused(StatusCode::NOT_FOUND, GONE);
    }
    let (stored, user) = (&auth.ctx.stores.passkeys, person.user_name.as_str());
    let has_app = second_factor::held(auth, tenant, person).has_app;
    let outcome = match has_app {
        // The second factor stays with the app.
        true => match stored.remove(tenant, user, id).await? {
            true => PasskeyRemoved::Removed,
            false => PasskeyRemoved::Missing,
        },
        false => stored.remove_but_last(tenant, user, id).await?,
    };
    match outcome {
        PasskeyRemoved::Missing => return refused(StatusCode::NOT_FOUND, GONE),
        PasskeyRemoved::Removed => tracing::info!(%tenant, user, "somebody has removed a passkey"),
        PasskeyRemoved::Last => {
            if auth.people.requires_second_factor(tenant, person).await? {
                return refused(StatusCode::FORBIDDEN, REQUIRED);
            }
            if !second_factor::remove(auth, tenant, person).await? {
                return refused(StatusCode::CONFLICT, CHANGED);
            }
        }
    }
    request.note(SignInRecord::of(SignInEvent::SecondFactorRemoved).by_way(SignInWay::Passkey));
    request.end_all_else().await?;
    Ok(Ok(if outcome == PasskeyRemoved::Last { pages::removed() } else { answers::redirect(pages::PATH) }))
}
