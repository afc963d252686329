//! A passkey that somebody makes, at the page of the second factor or at the sign-in: what the browser is asked for, and whether what it
//! has made is kept and becomes good.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::provisioning::Person;
use identity::passkey::registration::{MadePasskey, NewPasskey};
use identity::passkey::{AskedPasskey, PasskeyChallenge, UserHandle};
use infra::{PasskeyKept, StoredPasskey};
use model::TenantId;

use super::super::answers::Trouble;
use super::super::page::passkey::{AskedOfBrowser, PasskeyToMake};
use super::super::proofs::passkeys;
use super::super::proofs::second_factor::{self, HandleGiven, NewRecoveryCodes};
use super::super::request::parameters::Parameters;
use super::super::store::AskingSignIn;
use super::super::{Auth, page};

/// The longest name of a passkey, in characters.
const NAME_MAX: usize = 64;
/// What one is called whose name was left out.
const NAME: &str = "Passkey";

/// Somebody else was faster.
pub(super) const CHANGED: &str = "The second factor was changed meanwhile. Please try again.";

/// What another passkey of somebody would be.
pub(super) struct NextPasskey {
    pub challenge: String,
    pub handle: String,
    host: String,
    /// The ids of those that there are, with blanks between.
    ids: String,
}

/// Why a passkey is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MakingFault {
    /// The page was open for too long, or its form has come before.
    Stale,
    /// The person's second factor is another one by now.
    Changed,
    /// The script has not filled in the form.
    Unreadable,
    /// It was not made for us, now, or is of a kind that is not verified.
    Refused,
    /// There is one of that id.
    Taken,
    /// The person has as many as there may be.
    TooMany,
}

impl MakingFault {
    /// For whoever has made it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Stale => page::STALE,
            Self::Changed => CHANGED,
            Self::Unreadable => "Your browser has not made a passkey. Does it run scripts?",
            Self::Refused => "This passkey cannot be used here.",
            Self::Taken => "This passkey is there already.",
            Self::TooMany => "You have as many passkeys as there may be.",
        }
    }

    /// The status of the page that says so.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Stale => StatusCode::FORBIDDEN,
            Self::Changed | Self::Taken | Self::TooMany => StatusCode::CONFLICT,
            Self::Unreadable | Self::Refused => StatusCode::BAD_REQUEST,
        }
    }
}

impl NextPasskey {
    /// For the page.
    pub fn to_make<'a>(&'a self, user: &'a str, person: &'a str) -> PasskeyToMake<'a> {
        let asked = AskedOfBrowser { challenge: &self.challenge, host: &self.host, ids: &self.ids };
        PasskeyToMake { asked, handle: &self.handle, user, person }
    }
}

/// What the next passkey would be of who has these; none where there may be none.
pub(super) fn next(auth: &Auth, tenant: &TenantId, person: &Person, held: &[StoredPasskey]) -> Option<NextPasskey> {
    let at = passkeys::relying_party(auth)?;
    let handle = second_factor::held(auth, tenant, person).passkeys;
    let ids: Vec<&str> = held.iter().map(|passkey| passkey.id.as_str()).collect();
    Some(NextPasskey {
        challenge: passkeys::challenge(auth).text(),
        handle: handle.unwrap_or_else(|| UserHandle::new(auth.bytes())).text(),
        host: at.id().to_owned(),
        ids: ids.join(" "),
    })
}

/// Keeps the passkey that the browser has made, and lets it be good. The form says for whom and until when: its token is of that. Returns
/// recovery codes for who had no second factor before; then all else that is open ends, as with an app.
pub(super) async fn keep(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
    asking: AskingSignIn<'_>,
    typed: &Parameters,
) -> Result<Result<Option<NewRecoveryCodes>, MakingFault>, Trouble> {
    let challenge = typed.get("challenge").and_then(|text| PasskeyChallenge::parse(text, auth.now()));
    let handle = typed.get("handle").and_then(UserHandle::parse);
    let (Some(challenge), Some(handle)) = (challenge, handle) else { return Ok(Err(MakingFault::Stale)) };
    if !is_present(auth, tenant, person, &handle).await? {
        return Ok(Err(MakingFault::Changed));
    }
    let fields = passkeys::decoded(typed, "client_data").zip(passkeys::decoded(typed, "attestation"));
    let Some((client_data, attestation)) = fields else { return Ok(Err(MakingFault::Unreadable)) };
    if !auth.store.spend_challenge(tenant, &challenge).await? {
        return Ok(Err(MakingFault::Stale));
    }
    let Some(at) = passkeys::relying_party(auth) else { return Ok(Err(MakingFault::Refused)) };
    let asked = AskedPasskey { challenge: &challenge, at: &at, verified: false };
    let new = match (MadePasskey { client_data: &client_data, attestation: &attestation }).check(&asked) {
        Ok(new) => stored(auth, person, &handle, new, name(typed)),
        Err(fault) => {
            tracing::info!(%tenant, user = person.user_name, %fault, "a passkey that was made is refused");
            return Ok(Err(MakingFault::Refused));
        }
    };
    match auth.ctx.stores.passkeys.keep(tenant, &new, passkeys::PASSKEYS_MAX).await? {
        PasskeyKept::Kept => becomes_good(auth, tenant, person, asking, &handle, &new).await,
        PasskeyKept::IdTaken => Ok(Err(MakingFault::Taken)),
        PasskeyKept::TooMany => Ok(Err(MakingFault::TooMany)),
    }
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
async fn becomes_good(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
    asking: AskingSignIn<'_>,
    handle: &UserHandle,
    new: &StoredPasskey,
) -> Result<Result<Option<NewRecoveryCodes>, MakingFault>, Trouble> {
    match second_factor::give_handle(auth, tenant, person, asking, handle).await? {
        HandleGiven::Given(codes) => {
            tracing::info!(%tenant, user = person.user_name, "somebody has made a passkey");
            second_factor::remove_void_passkeys(auth, tenant, person, Some(handle)).await;
            Ok(Ok(codes))
        }
        HandleGiven::Changed => {
            if let Err(error) = auth.ctx.stores.passkeys.remove(tenant, &person.user_name, &new.id).await {
                tracing::warn!(%tenant, user = person.user_name, %error, "a passkey that is worth nothing is still there");
            }
            Ok(Err(MakingFault::Changed))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passkey_has_the_name_that_was_typed_or_one_of_ours() {
        let name = |form: &str| name(&Parameters::read(form.as_bytes()).unwrap());
        assert_eq!(name("name=+My+%00phone+"), "My phone");
        for unnamed in ["", "name=", "name=++", "name=%01"] {
            assert_eq!(name(unnamed), NAME, "{unnamed}");
        }
        assert_eq!(name(&format!("name={}", "x".repeat(200))).len(), NAME_MAX);
    }
}
