//! Issues tokens: what a person or a client may do, and the answer that says so.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use contracts::provisioning::{self as configured, Person};
use identity::api_key;
use identity::client::{ClientRules, GrantType};
use identity::grant::refresh::Family;
use identity::grant::{ACCESS_LIFE, SIGN_IN_LIFE};
use identity::oauth_error::ErrorCode;
use identity::scope::{self, Privilege};
use identity::secret::Digest;
use model::{TenantId, Timestamp};
use runtime::ApiFamily;
use runtime::caller::Tie;
use runtime::token::{ACCESS_TOKEN, Audience, Claims, ID_TOKEN, TokenError};
use serde::Serialize;

use super::super::Auth;
use super::super::answers::{OAuthError, Trouble, not_stored};
use super::super::metrics::Grant;
use super::super::people::{self, first_party};
use super::super::proofs::client_login::ClientLogin;
use super::super::request::parameters::Parameters;
use super::resource::{self, TokenAccess};

/// Lifetime of an ID token: it is read once, when it comes.
const ID_LIFE: Duration = Duration::from_secs(600);
/// What an exchange issues (RFC 8693 section 3).
pub(super) const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What a person may do.
pub(super) struct Rights {
    /// The scopes.
    pub scopes: BTreeSet<&'static str>,
    /// The DN that they are tied to.
    pub tie: Option<Tie>,
}

/// The answer with tokens (RFC 6749 section 5.1).
#[derive(Serialize)]
struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: String,
    /// Of an exchange alone (RFC 8693 section 2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

/// The claims of an ID token (OpenID Connect Core section 2).
#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    iat: u64,
    exp: u64,
    auth_time: u64,
    /// What was shown (RFC 8176); nothing where a provider has said who it is, and of what it was shown we know nothing. A passkey is two
    /// factors at once, or the second.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'static [&'static str],
    sid: &'a str,
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    /// For our own pages, which show what the person may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    privileges: Option<Vec<&'static str>>,
    #[serde(flatten)]
    profile: PersonClaims,
}

/// What a client learns of a person, by scope.
#[derive(Clone, Default, Serialize)]
pub(super) struct PersonClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// A person's sign-in at a client, as its tokens say it.
pub(super) struct TokenBearer<'a> {
    pub person: &'a Person,
    pub rights: &'a Rights,
    /// Of the sign-in: what its next tokens may have.
    pub scope: &'a str,
    /// Of the access token.
    pub access: &'a TokenAccess,
    /// All that the sign-in may have now, of which this request may ask less.
    pub whole: &'a str,
    /// `sid`
    pub id: &'a str,
    pub authenticated_at: Timestamp,
    pub by_two_factors: bool,
    /// Whether a provider or a passkey has said who the person is.
    pub by_provider_or_passkey: bool,
    pub nonce: Option<&'a str>,
}

/// The subject of a person's tokens.
pub(in crate::auth) fn subject(person: &Person) -> String {
    people::subject_of(&person.user_name)
}

/// A person's full name; the user name of one without any.
pub(in crate::auth) fn full_name(person: &Person) -> String {
    let name = format!("{} {}", person.first_name, person.last_name);
    let name = name.trim();
    if name.is_empty() { person.user_name.clone() } else { name.to_owned() }
}

/// What that scope shows of a person.
pub(super) fn profile(person: &Person, scope: &str) -> PersonClaims {
    let mut profile = PersonClaims::default();
    if scope::contains(scope, "profile") {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        profile.preferred_username = some(&person.user_name);
        profile.name = Some(full_name(person));
        (profile.given_name, profile.family_name) = (some(&person.first_name), some(&person.last_name));
    }
    if scope::contains(scope, "email") {
        profile.email = person.email.clone();
    }
    profile
}

/// The privileges of a person, with those that come with them.
pub(super) fn privileges(person: &Person) -> Vec<Privilege> {
    configured::Privilege::with_implied(&person.privileges).into_iter().map(in_identity).collect()
}

/// A privilege as `identity` knows it, which knows no wire.
const fn in_identity(privilege: configured::Privilege) -> Privilege {
    match privilege {
        configured::Privilege::Agent => Privilege::Agent,
        configured::Privilege::Supervisor => Privilege::Supervisor,
        configured::Privilege::Administrator => Privilege::Administrator,
        configured::Privilege::Designer => Privilege::Designer,
        configured::Privilege::Integrator => Privilege::Integrator,
        configured::Privilege::FolderAdministrator => Privilege::FolderAdministrator,
        configured::Privilege::ViewDashboard => Privilege::ViewDashboard,
        configured::Privilege::ViewDashboardRestricted => Privilege::ViewDashboardRestricted,
        configured::Privilege::ManageTabs => Privilege::ManageTabs,
        configured::Privilege::EditWidgetDisplay => Privilege::EditWidgetDisplay,
        configured::Privilege::ManageWidgets => Privilege::ManageWidgets,
        configured::Privilege::ManageSharedDashboards => Privilege::ManageSharedDashboards,
        configured::Privilege::ManageTemplates => Privilege::ManageTemplates,
        configured::Privilege::AddDashboardsWithoutLimit => Privilege::AddDashboardsWithoutLimit,
        configured::Privilege::AddWidgetsWithoutLimit => Privilege::AddWidgetsWithoutLimit,
        configured::Privilege::ManageUsers => Privilege::ManageUsers,
    }
}

/// Their names.
fn privilege_names(person: &Person) -> Vec<&'static str> {
    configured::Privilege::with_implied(&person.privileges).into_iter().map(configured::Privilege::as_str).collect()
}

/// What a person may do now.
pub(super) async fn rights(auth: &Auth, tenant: &TenantId, person: &Person) -> Result<Rights, Trouble> {
    let privileges = privileges(person);
    let dn = if scope::is_tied(&privileges) { auth.people.dn_of(tenant, person).await? } else { None };
    let agent = person.agent.as_ref().and_then(|agent| model::AgentId::parse(&agent.id).ok());
    Ok(Rights { scopes: scope::of_person(&privileges, dn.is_some()), tie: dn.map(|dn| Tie { dn, agent }) })
}

/// What a person may do now with a token of that client.
pub(super) async fn rights_at(
    auth: &Auth,
    tenant: &TenantId,
    client: &ClientRules,
    person: &Person,
) -> Result<Rights, Trouble> {
    let Rights { scopes, tie } = rights(auth, tenant, person).await?;
    Ok(Rights { scopes: client.of_person(scopes), tie })
}

/// Answers with the tokens of a person's sign-in.
pub(super) fn answer(
    auth: &Auth,
    login: &ClientLogin,
    sign_in: &TokenBearer<'_>,
    refresh_token: Option<String>,
    grant: GrantType,
) -> Result<Response, OAuthError> {
    let access_token = access_token(auth, login, sign_in).map_err(unsigned)?;
    let id_token = match scope::contains(sign_in.scope, scope::OPENID) {
        true => Some(id_token(auth, login, sign_in).map_err(unsigned)?),
        false => None,
    };
    let answer =
        TokenAnswer { refresh_token, id_token, ..TokenAnswer::of(access_token, ACCESS_LIFE, &sign_in.access.scope) };
    Ok(answered(auth, &answer, grant))
}

/// Answers with the token of a client itself.
pub(super) fn answer_client(auth: &Auth, login: &ClientLogin, access: &TokenAccess) -> Result<Response, OAuthError> {
    let sub = format!("client/{}", login.client.id);
    let token = auth.token_issuer.sign(&claims(auth, login, sub, access), ACCESS_TOKEN).map_err(unsigned)?;
    let answer = TokenAnswer::of(token, ACCESS_LIFE, &access.scope);
    Ok(answered(auth, &answer, GrantType::ClientCredentials))
}

/// An API key that may be exchanged.
pub(super) struct ApiKeyBearer<'a> {
    pub tenant: &'a TenantId,
    /// Its id: the sign-in of its tokens, by which they are revoked.
    pub id: &'a str,
    /// The client for which it is.
    pub client: Option<&'a str>,
    /// When it ends: no token of it lasts longer.
    pub ends_at: Timestamp,
}

/// Answers with the token of an API key, got by that grant.
pub(super) fn answer_api_key(
    auth: &Auth,
    key: &ApiKeyBearer<'_>,
    access: &TokenAccess,
    grant: GrantType,
) -> Result<Response, OAuthError> {
    let now = auth.now();
    let life = ACCESS_LIFE.min(key.ends_at.since(now));
    let claims = Claims {
        iss: auth.issuer().to_owned(),
        tenant: key.tenant.to_string(),
        sub: api_key::subject(key.id),
        scope: access.scope.clone(),
        aud: access.audience.clone(),
        exp: (now + life).as_secs(),
        sid: Some(key.id.to_owned()),
        jti: Some(auth.id()),
        iat: Some(now.as_secs()),
        client_id: key.client.map(str::to_owned),
        ..Claims::default()
    };
    let token = auth.token_issuer.sign(&claims, ACCESS_TOKEN).map_err(unsigned)?;
    let issued_token_type = (grant == GrantType::TokenExchange).then_some(ACCESS_TOKEN_TYPE);
    let answer = TokenAnswer { issued_token_type, ..TokenAnswer::of(token, life, &access.scope) };
    Ok(answered(auth, &answer, grant))
}

impl TokenAnswer {
    /// With that access token alone.
    fn of(access_token: String, life: Duration, scope: &str) -> Self {
        Self {
            access_token,
            // In lower case, as the published programs compare it; RFC 6749 section 7.1 lets case not matter.
            token_type: "bearer",
            expires_in: life.as_secs(),
            refresh_token: None,
            id_token: None,
            scope: scope.to_owned(),
            issued_token_type: None,
        }
    }
}

fn answered(auth: &Auth, answer: &TokenAnswer, grant: GrantType) -> Response {
    auth.metrics.tokens.inc(Grant(grant));
    not_stored(Json(answer).into_response())
}

fn unsigned(error: TokenError) -> OAuthError {
    tracing::error!(%error, "no token can be signed");
    OAuthError::from(Trouble::Away)
}

fn claims(auth: &Auth, login: &ClientLogin, sub: String, access: &TokenAccess) -> Claims {
    let now = auth.now();
    Claims {
        iss: auth.issuer().to_owned(),
        tenant: login.tenant.to_string(),
        sub,
        scope: access.scope.clone(),
        aud: access.audience.clone(),
        exp: (now + ACCESS_LIFE).as_secs(),
        jti: Some(auth.id()),
        iat: Some(now.as_secs()),
        client_id: Some(login.client.id.clone()),
        ..Claims::default()
    }
}

fn access_token(auth: &Auth, login: &ClientLogin, sign_in: &TokenBearer<'_>) -> Result<String, TokenError> {
    let tie = sign_in.rights.tie.as_ref();
    let claims = Claims {
        sid: Some(sign_in.id.to_owned()),
        narrowed: sign_in.access.is_for_fewer_than(sign_in.whole),
        dn: tie.map(|tie| tie.dn.to_string()),
        agent: tie.and_then(|tie| Some(tie.agent.as_ref()?.to_string())),
        ..claims(auth, login, subject(sign_in.person), sign_in.access)
    };
    auth.token_issuer.sign(&claims, ACCESS_TOKEN)
}

fn id_token(auth: &Auth, login: &ClientLogin, sign_in: &TokenBearer<'_>) -> Result<String, TokenError> {
    let now = auth.now();
    let claims = IdClaims {
        iss: auth.issuer(),
        sub: subject(sign_in.person),
        aud: &login.presented,
        iat: now.as_secs(),
        exp: (now + ID_LIFE).as_secs(),
        auth_time: sign_in.authenticated_at.as_secs(),
        amr: match (sign_in.by_provider_or_passkey, sign_in.by_two_factors) {
            (false, false) => &["pwd"],
            (false, true) => &["pwd", "otp"],
            (true, false) => &[],
            (true, true) => &["mfa"],
        },
        sid: sign_in.id,
        tenant: login.tenant.as_str(),
        nonce: sign_in.nonce,
        privileges: first_party::is_meant(&login.client.id).then(|| privilege_names(sign_in.person)),
        profile: profile(sign_in.person, sign_in.scope),
    };
    auth.token_issuer.sign(&claims, ID_TOKEN)
}

/// A refresh token: the name of its family, and its secret.
pub(super) struct RefreshToken {
    /// As it is handed out.
    pub text: String,
    /// The digest of the name.
    pub family: Digest,
    /// The digest of the whole.
    pub digest: Digest,
}

impl RefreshToken {
    /// A new one of that family.
    pub fn new(auth: &Auth, name: &str) -> Self {
        let text = format!("{name}.{}", auth.secret());
        Self { family: Digest::of(name), digest: Digest::of(&text), text }
    }

    /// One that is shown.
    pub fn read(text: &str) -> Option<Self> {
        let (name, _) = text.split_once('.')?;
        Some(Self { family: Digest::of(name), digest: Digest::of(text), text: text.to_owned() })
    }

    /// The name of its family.
    pub fn name(&self) -> &str {
        self.text.split_once('.').map_or("", |(name, _)| name)
    }
}

/// Begins the refresh tokens of a sign-in, if its client may use them.
pub(super) async fn begin_family(
    auth: &Auth,
    login: &ClientLogin,
    sign_in: &TokenBearer<'_>,
    session: Option<String>,
) -> Result<Option<String>, OAuthError> {
    if !login.client.may_use(GrantType::RefreshToken) {
        return Ok(None);
    }
    let token = RefreshToken::new(auth, &auth.id());
    let now = auth.now();
    let ends_at = now + SIGN_IN_LIFE;
    let family = Family {
        client: login.client.id.clone(),
        user: sign_in.person.user_name.clone(),
        credential: people::credential(sign_in.person),
        scope: sign_in.scope.to_owned(),
        sign_in: sign_in.id.to_owned(),
        session,
        authenticated_at: sign_in.authenticated_at,
        by_two_factors: sign_in.by_two_factors,
        by_provider_or_passkey: sign_in.by_provider_or_passkey,
        audience: login.presented.clone(),
        ends_at,
        current: token.digest,
        until: (now + auth.settings.refresh_life).min(ends_at),
        superseded: Vec::new(),
    };
    auth.store.begin_family(&login.tenant, token.family, &family, now).await?;
    Ok(Some(token.text))
}

/// Forgets the refresh tokens that begin with that one, which nobody has got. What the store does not forget lies unused until its end.
pub(super) async fn forget_family(auth: &Auth, login: &ClientLogin, refresh_token: Option<&str>) {
    let Some(token) = refresh_token.and_then(RefreshToken::read) else { return };
    if let Err(error) = auth.store.forget_family(&login.tenant, token.family).await {
        tracing::debug!(tenant = %login.tenant, %error, "refresh tokens that nobody has got are still there");
    }
}

/// The scope of a person's first tokens.
///
/// # Errors
/// `invalid_scope` if nothing of what was asked for may be granted.
pub(super) fn granted(rights: &Rights, asked: Option<&str>) -> Result<String, OAuthError> {
    scope::granted(rights.scopes.iter().copied(), asked)
        .ok_or(OAuthError::new(ErrorCode::InvalidScope, "nothing of that scope may be granted"))
}

/// What an access token opens that a client asks for, of a scope that may be granted: what the request names by `resource`, or all.
///
/// # Errors
/// `invalid_target` if nothing of the scope is for what is named.
pub(super) fn access(
    auth: &Auth,
    login: &ClientLogin,
    form: &Parameters,
    scope: &str,
) -> Result<TokenAccess, OAuthError> {
    if first_party::is_meant(&login.client.id) {
        // Our own pages ask every API, each of which says what the person may not. Their tokens stay within the installation.
        return Ok(TokenAccess { scope: scope.to_owned(), audience: Audience::of_families(ApiFamily::ALL) });
    }
    resource::access(auth.issuer(), form, scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tied_token_keeps_every_scope_that_its_bearer_has() {
        let of_tied = Privilege::ALL.into_iter().filter(|one| !one.is_over_all_agents());
        let is_kept =
            |name: &str| runtime::scope::OF_ONE_DN.contains(&name) || runtime::scope::BESIDE_TIE.contains(&name);
        for privilege in of_tied {
            let lost: Vec<&str> = privilege.scopes().iter().copied().filter(|name| !is_kept(name)).collect();
            assert!(lost.is_empty(), "{privilege:?} beside an agent's: {lost:?}");
        }
    }

    #[test]
    fn each_privilege_is_the_one_of_the_same_name_and_none_is_left_out() {
        let names = configured::Privilege::ALL.map(|one| format!("{one:?}"));
        assert_eq!(configured::Privilege::ALL.map(in_identity).map(|one| format!("{one:?}")), names);
        assert_eq!(Privilege::ALL.map(|one| format!("{one:?}")), names, "those of identity");
    }
}
