//! `POST /change-password`: a person who knows the password chooses another one, in the shape of the published API. What else is open
//! ends.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::provisioning::{Person, Secret};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::{login_name, password};
use model::TenantId;
use serde::Deserialize;
use serde_json::json;

use super::super::Auth;
use super::super::answers::{self, Trouble};
use super::super::people::tenancy::{self, Named};
use super::super::people::{self, tenant_host};
use super::super::proofs::person_login::{self, PersonLogin};
use super::super::proofs::{second_factor, sign_in_address};
use super::super::request::origin;
use super::super::request::session::{self, Requester};
use super::super::request::source::RequestSource;
use super::super::store::{AskingSignIn, ShownProof};

/// The longest `operationId` that is handed back.
const OPERATION_ID_MAX: usize = 256;
const SHAPE: &str = "the body must be {\"data\": {\"userName\"?, \"oldPassword\", \"newPassword\"}}";
/// The same for whoever does not exist.
const WRONG: &str = "user name or password is wrong";

/// The body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PasswordChange {
    data: ChangedPassword,
    #[serde(default)]
    operation_id: Option<String>,
}

/// What is in it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangedPassword {
    /// Who; without it whoever is signed in.
    #[serde(default)]
    user_name: Option<String>,
    old_password: String,
    new_password: String,
}

pub(in crate::auth) async fn change(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(asked) = serde_json::from_slice::<PasswordChange>(&body) else {
        return answers::refused(StatusCode::BAD_REQUEST, SHAPE);
    };
    changed(&auth, &source, &headers, &asked).await.unwrap_or_else(Trouble::into_response)
}

async fn changed(
    auth: &Auth,
    source: &RequestSource,
    headers: &HeaderMap,
    asked: &PasswordChange,
) -> Result<Response, Trouble> {
    if origin::is_foreign(headers, auth.issuer()) && session::bearer(headers).is_none() {
        return Ok(answers::refused(StatusCode::FORBIDDEN, "a page of another host has sent this"));
    }
    let requester = session::requester(auth, headers, source).await?;
    if requester.is_none() && session::bearer(headers).is_some() {
        return Ok(answers::no_token("there is no valid token of a person, for all APIs of the sign-in"));
    }
    let at_host = tenant_host::of_source(auth, source);
    let who = match named(auth, requester.as_ref(), asked.data.user_name.as_deref(), at_host.as_ref()) {
        Ok(who) => who,
        Err((status, fault)) => return Ok(answers::refused(status, fault)),
    };
    let (before, chosen) = (asked.data.old_password.as_str(), asked.data.new_password.as_str());
    let (tenant, person) = match person_login::check(auth, &who, before, source).await? {
        PersonLogin::Right(tenant, person) => (tenant, person),
        PersonLogin::Wrong => return Ok(answers::refused(StatusCode::UNAUTHORIZED, WRONG)),
        PersonLogin::AtProvider(name) => {
            let why = format!("people of this tenant have no passwords here: they sign in with {name}");
            return Ok(answers::refused(StatusCode::FORBIDDEN, &why));
        }
        PersonLogin::Wait(wait) => {
            let mut response = answers::refused(StatusCode::TOO_MANY_REQUESTS, "too many wrong passwords");
            response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
            return Ok(response);
        }
    };
    // Who is signed in has come from an address of the tenant's people.
    if requester.is_none() {
        let refused = SignInRecord::of(SignInEvent::Refused).by_way(SignInWay::Password);
        sign_in_address::check(auth, &tenant, source, refused.about_person(&person.user_name)).await?;
    }
    // Who is signed in has shown it.
    if requester.is_none() && second_factor::is_needed(auth, &tenant, &person).await? {
        return Ok(answers::refused(StatusCode::FORBIDDEN, "this person has a second factor: sign in first"));
    }
    if let Err(weak) = password::check_change(before, chosen, &person.user_name) {
        return Ok(answers::refused(StatusCode::BAD_REQUEST, &format!("newPassword may not be chosen: {weak}")));
    }
    if !replaced(auth, &tenant, &person, chosen, requester.as_ref()).await? {
        return Ok(answers::refused(StatusCode::CONFLICT, "the password has been changed meanwhile"));
    }
    tracing::info!(%tenant, user = person.user_name, source = source.address, "somebody has another password: all else has ended");
    let session = requester.as_ref().and_then(|one| one.session.clone().or_else(|| one.sign_in.clone()));
    let record = SignInRecord { session, ..SignInRecord::of(SignInEvent::PasswordChanged) };
    auth.note(&tenant, source, record.about_person(&person.user_name));
    let operation = asked.operation_id.as_deref().filter(|id| id.len() <= OPERATION_ID_MAX);
    Ok(match operation {
        Some(operation) => {
            let body = json!({ "status": { "code": 0 }, "operationId": operation });
            answers::not_stored(axum::Json(body).into_response())
        }
        None => answers::done(None),
    })
}

/// Whose password is meant: that of who is named, who must be who is signed in if somebody is.
fn named(
    auth: &Auth,
    requester: Option<&Requester>,
    user_name: Option<&str>,
    at_host: Option<&TenantId>,
) -> Result<Named, (StatusCode, &'static str)> {
    let signed_in = requester.map(|one| (&one.tenant, one.person.user_name.as_str()));
    match (user_name, signed_in) {
        (None, None) => Err((StatusCode::UNAUTHORIZED, "nobody is signed in, and userName is missing")),
        (None, Some((tenant, user))) => Ok(Named { tenant: Some(tenant.clone()), name: user.to_owned() }),
        (Some(typed), None) => Ok(tenancy::of_person(&auth.people.tenants(), typed, at_host.map(TenantId::as_str))),
        (Some(typed), Some((tenant, user))) => {
            let field = if typed.contains('\\') { None } else { Some(tenant.as_str()) };
            let named = tenancy::of_person(&auth.people.tenants(), typed, field);
            let is_own = named.tenant.as_ref() == Some(tenant) && login_name::is_same(&named.name, user);
            if is_own { Ok(named) } else { Err((StatusCode::FORBIDDEN, "userName is not who is signed in")) }
        }
    }
}

/// Writes the new password, and ends what else is open; `false` if the password is another by now.
pub(super) async fn replaced(
    auth: &Auth,
    tenant: &TenantId,
    person: &Person,
    chosen: &str,
    requester: Option<&Requester>,
) -> Result<bool, Trouble> {
    let hash = auth.hashing.hash(chosen, auth.bytes(), tenant).await?;
    let seen = person.password.as_ref().map_or("", Secret::reveal);
    let user = person.user_name.as_str();
    if !auth.people.replace_password(tenant, user, seen, hash.clone()).await? {
        return Ok(false);
    }
    let now_has = Person { password: Some(Secret(hash)), ..person.clone() };
    let asking = AskingSignIn {
        session: requester.and_then(|one| one.session.as_deref()),
        sign_in: requester.and_then(|one| one.sign_in.as_deref()),
    };
    let shown = ShownProof { credential: people::credential(&now_has), by_two_factors: false, by_passkey: false };
    auth.store.keep_only(tenant, user, asking, shown, auth.now()).await?;
    Ok(true)
}
