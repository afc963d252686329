//! `POST /oauth/introspect`: whether a token is good now, and what it says (RFC 7662). For clients that prove themselves, of their own tenant, and for
//! roles of the installation, which show their own token. A role may name the claims of a token in its place: sessions of desktops outlast
//! the token that they have begun by, and have to follow what a refresh of it would say.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use contracts::provisioning::Person;
use identity::oauth_error::ErrorCode;
use identity::scope;
use identity::secret::Digest;
use model::TenantId;
use runtime::token::{ANY_TENANT, Claims};
use serde_json::{Value, json};

use super::super::Auth;
use super::super::answers::{OAuthError, not_stored};
use super::super::people;
use super::super::proofs::client_login::{self, ClientLogin};
use super::super::request::parameters::Parameters;
use super::super::request::session;
use super::super::request::source::RequestSource;
use super::issue::{self, RefreshToken, Rights};

pub(in crate::auth) async fn introspect(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let told = async {
        let form =
            Parameters::of_form(&headers, &body).map_err(|fault| OAuthError::new(ErrorCode::InvalidRequest, fault))?;
        let missing = OAuthError::new(ErrorCode::InvalidRequest, "token is missing");
        if is_role(&auth, &headers) {
            return match (form.get("token"), form.get("sub")) {
                (Some(token), _) => told_to_role(&auth, token).await,
                (None, Some(sub)) => told_of_claims(&auth, sub, &form).await,
                (None, None) => Err(missing),
            };
        }
        let login = client_login::authenticate(&auth, &headers, &form, &source).await?;
        if !login.client.is_confidential {
            return Err(OAuthError::new(ErrorCode::InvalidClient, "only a client that proves itself may ask"));
        }
        told_of(&auth, &login, form.get("token").ok_or(missing)?).await
    };
    match told.await {
        // RFC 7662 section 2.2: of a token that is not good nothing else is said.
        Ok(told) => not_stored(Json(told.unwrap_or_else(|| json!({ "active": false }))).into_response()),
        Err(error) => error.into_response(),
    }
}

/// Whether a role of the installation asks (RFC 7662 section 2.1: by a bearer token of its own).
fn is_role(auth: &Auth, headers: &HeaderMap) -> bool {
    let caller = session::bearer(headers).and_then(|token| auth.ctx.tokens.verify(token, auth.ctx.spec.name, &[]).ok());
    caller.is_some_and(|caller| caller.role().is_some())
}

/// Of an access token of any tenant. Roles take no refresh tokens.
async fn told_to_role(auth: &Auth, token: &str) -> Result<Option<Value>, OAuthError> {
    let Some((tenant, claims)) = session::good_claims(auth, token).await? else { return Ok(None) };
    Ok(bearer_now(auth, &tenant, &claims).await?.map(|now| of_access_token(&claims, &now.scope)))
}

/// Of a person's access token that may be over, by its claims `tenant`, `sub`, `scope`, `client_id` and `sid`: what a refresh would put
/// into the next one. `credential` is another one once the person has another password; it is of no use for another sign-in.
async fn told_of_claims(auth: &Auth, sub: &str, form: &Parameters) -> Result<Option<Value>, OAuthError> {
    let tenant = form.get("tenant").filter(|tenant| *tenant != ANY_TENANT);
    let tenant = tenant.and_then(|tenant| TenantId::parse(tenant).ok());
    let tenant = tenant.ok_or(OAuthError::new(ErrorCode::InvalidRequest, "tenant is missing, or is none"))?;
    let named = |name: &str| form.get(name).map(str::to_owned);
    let claims = Claims {
        tenant: tenant.to_string(),
        sub: sub.to_owned(),
        scope: named("scope").unwrap_or_default(),
        client_id: named("client_id"),
        sid: named("sid"),
        ..Claims::default()
    };
    if auth.store.is_revoked(&tenant, claims.sid.as_deref()).await? {
        return Ok(None);
    }
    let Some(now) = bearer_now(auth, &tenant, &claims).await? else { return Ok(None) };
    let Some((person, rights)) = now.of_person else { return Ok(None) };
    let sign_in = claims.sid.as_deref().unwrap_or_default();
    let credential = Digest::of(&format!("{} {sign_in}", people::credential(&person).text())).text();
    let mut told = json!({
        "active": true,
        "scope": now.scope,
        "sub": claims.sub,
        "tenant": claims.tenant,
        "credential": credential,
    });
    if let Some(tie) = &rights.tie {
        told["dn"] = json!(tie.dn.to_string());
    }
    Ok(Some(told))
}

async fn told_of(auth: &Auth, login: &ClientLogin, token: &str) -> Result<Option<Value>, OAuthError> {
    if let Some((tenant, claims)) = session::good_claims(auth, token).await? {
        if tenant != login.tenant {
            return Ok(None);
        }
        return Ok(bearer_now(auth, &tenant, &claims).await?.map(|now| of_access_token(&claims, &now.scope)));
    }
    of_refresh_token(auth, login, token).await
}

/// What the bearer of a token may now.
struct BearerNow {
    /// What of the token's scope.
    scope: String,
    /// The person, if it is one.
    of_person: Option<(Person, Rights)>,
}

/// What of a token's scope its bearer still may; none if the person is gone or disabled, or the client gone.
async fn bearer_now(auth: &Auth, tenant: &TenantId, claims: &Claims) -> Result<Option<BearerNow>, OAuthError> {
    // Without a client, it was issued by the command `trunkline token`.
    let client = match &claims.client_id {
        Some(id) => match auth.people.client(tenant, id).await? {
            Some(client) => Some(client_login::of_configured(&client)),
            None => return Ok(None),
        },
        None => None,
    };
    let Some(user) = session::user_of(claims) else {
        return Ok(Some(BearerNow { scope: claims.scope.clone(), of_person: None }));
    };
    let Some(person) = auth.people.active(tenant, user).await? else { return Ok(None) };
    let rights = match &client {
        Some(client) => issue::rights_at(auth, tenant, client, &person).await?,
        None => issue::rights(auth, tenant, &person).await?,
    };
    let scope = scope::narrowed(&claims.scope, rights.scopes.iter().copied(), None);
    Ok(scope.map(|scope| BearerNow { scope, of_person: Some((person, rights)) }))
}

fn of_access_token(claims: &Claims, scope: &str) -> Value {
    let mut told = json!({
        "active": true,
        "token_type": "bearer",
        "scope": scope,
        "sub": claims.sub,
        "aud": claims.aud,
        "iss": claims.iss,
        "exp": claims.exp,
        "tenant": claims.tenant,
    });
    let user = session::user_of(claims).map(str::to_owned);
    let further = [
        ("username", user.as_ref()),
        ("client_id", claims.client_id.as_ref()),
        ("sid", claims.sid.as_ref()),
        ("jti", claims.jti.as_ref()),
        ("dn", claims.dn.as_ref()),
        ("agent", claims.agent.as_ref()),
    ];
    for (name, value) in further {
        if let Some(value) = value {
            told[name] = json!(value);
        }
    }
    if let Some(iat) = claims.iat {
        told["iat"] = json!(iat);
    }
    told
}

async fn of_refresh_token(auth: &Auth, login: &ClientLogin, token: &str) -> Result<Option<Value>, OAuthError> {
    let Some(shown) = RefreshToken::read(token) else { return Ok(None) };
    let Some(read) = auth.store.family(&login.tenant, shown.family).await? else { return Ok(None) };
    let family = read.family;
    if family.client != login.client.id || !family.is_good(shown.digest, auth.now()) {
        return Ok(None);
    }
    // What would not be exchanged is not good.
    let (user, by_two_factors) = (&family.user, family.by_two_factors);
    if auth.people.who_may_go_on(&login.tenant, user, family.credential, by_two_factors).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(json!({
        "active": true,
        "scope": family.scope,
        "client_id": family.client,
        "username": family.user,
        "sub": format!("person/{}", family.user),
        "exp": family.until.as_secs(),
        "tenant": login.tenant.as_str(),
        "sid": family.sign_in,
    })))
}
