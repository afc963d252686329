//! The passkeys of somebody who is signed in: another one is made, one is removed.

use axum::http::StatusCode;
use axum::response::Response;
use contracts::json::rfc3339;
use contracts::provisioning::Person;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use infra::{PasskeyRemoved, StoredPasskey};
use model::{TenantId, Timestamp};

use super::super::made_passkey::{self, CHANGED, NextPasskey};
use super::{NOT_LATELY, OwnRequest, PageRefusal, REQUIRED, has_signed_in_lately, shown_codes};
use crate::auth::Auth;
use crate::auth::answers::{self, Trouble};
use crate::auth::page::second_factor::{self as pages, PasskeyRow};
use crate::auth::proofs::{passkeys, second_factor};
use crate::auth::request::parameters::Parameters;
use crate::auth::store::AskingSignIn;

const GONE: &str = "This passkey was removed already.";

/// What the page shows of passkeys, and what the next one would be.
pub(super) struct HeldPasskeys {
    pub rows: Vec<PasskeyRow>,
    pub next: NextPasskey,
}

/// What there is, and what the next one would be; none where there may be no passkeys.
pub(super) async fn held(auth: &Auth, tenant: &TenantId, person: &Person) -> Result<Option<HeldPasskeys>, Trouble> {
    if passkeys::relying_party(auth).is_none() {
        return Ok(None);
    }
    let held = passkeys::of_person(auth, tenant, person).await?;
    let next = made_passkey::next(auth, tenant, person, &held);
    Ok(next.map(|next| HeldPasskeys { rows: held.into_iter().map(row).collect(), next }))
}

fn row(passkey: StoredPasskey) -> PasskeyRow {
    let StoredPasskey { id, name, created, last_used, .. } = passkey;
    PasskeyRow { id, name, created: day(created), last_used: last_used.map(day) }
}

/// A day as people read it: `2026-07-01`.
fn day(at: Timestamp) -> String {
    rfc3339(at).chars().take(10).collect()
}

/// Keeps the passkey that the browser has made.
pub(super) async fn made(
    request: OwnRequest<'_>,
    typed: &Parameters,
) -> Result<Result<Response, PageRefusal>, Trouble> {
    let OwnRequest { auth, signed_in, .. } = request;
    if !has_signed_in_lately(auth, signed_in) {
        return Ok(Err(PageRefusal::of(StatusCode::FORBIDDEN, NOT_LATELY)));
    }
    let (tenant, person) = (&signed_in.cookie.tenant, &signed_in.person);
    let asking = AskingSignIn { session: Some(signed_in.session.id.as_str()), sign_in: None };
    let codes = match made_passkey::keep(auth, tenant, person, asking, typed).await? {
        Ok(codes) => codes,
        Err(fault) => return Ok(Err(PageRefusal::of(fault.status(), fault.words()))),
    };
    request.note(SignInRecord::of(SignInEvent::SecondFactorSet).by_way(SignInWay::Passkey));
    Ok(Ok(match codes {
        Some(codes) => shown_codes(&codes),
        None => answers::redirect(pages::PATH),
    }))
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
    let left_open = !request.ends_all_else().await;
    Ok(Ok(match outcome {
        PasskeyRemoved::Last => pages::removed(left_open),
        _ if left_open => pages::passkey_removed_alone(),
        _ => answers::redirect(pages::PATH),
    }))
}
