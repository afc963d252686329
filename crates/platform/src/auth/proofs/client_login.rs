//! Which client asks, and whether it proves itself: by its secret, in Basic or in the form (RFC 6749 section 2.3.1), or by an assertion
//! that it has signed (RFC 7523 section 2.2).

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contracts::provisioning as configured;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::api_key::ShownApiKey;
use identity::built_in_client::SessionClient;
use identity::client::{ClientRules, GrantType};
use identity::client_assertion::AssertionUse;
use identity::oauth_error::ErrorCode;
use identity::scope;
use model::TenantId;

use super::super::Auth;
use super::super::answers::{OAuthError, Trouble};
use super::super::guard::Guess;
use super::super::guard::hashing::HashAsker;
use super::super::people::tenancy::{self, Named};
use super::super::people::{Tenants, first_party, session_client, tenant_host};
use super::super::request::parameters::Parameters;
use super::super::request::source::RequestSource;
use super::client_assertion::{self, AssertingClient, AssertionRefusal};

/// The same whatever is wrong: nobody learns whether there is such a client, or how it proves itself.
const REFUSED: &str = "the client is not known, or does not prove itself";

/// A client that has proved itself, or has nothing to prove it with.
pub(in crate::auth) struct ClientLogin {
    /// Its tenant.
    pub tenant: TenantId,
    /// The client.
    pub client: ClientRules,
    /// The id by which it calls itself: `aud` of its ID tokens.
    pub presented: String,
}

/// What a client shows.
struct ShownClient {
    id: String,
    proof: ClientProof,
    is_basic: bool,
}

/// By what it proves itself.
#[derive(Debug, PartialEq, Eq)]
enum ClientProof {
    Nothing,
    Secret(String),
    Assertion(String),
}

/// An API key that a program shows as the secret of a client whose id is the key's.
pub(in crate::auth) struct KeyAsClient {
    /// The key.
    pub key: String,
    /// Whether it is shown by `Authorization`.
    pub is_basic: bool,
}

/// The API key of a request, where it shows one as a client shows its secret. Whether it is right is not said.
///
/// # Errors
/// If the request names no client, or shows itself in two ways.
pub(in crate::auth) fn key_as_client(
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<Option<KeyAsClient>, OAuthError> {
    let ShownClient { id, proof, is_basic } = credentials(headers, form)?;
    Ok(match proof {
        ClientProof::Secret(key) if ShownApiKey::read(&key).is_some_and(|shown| shown.id == id) => {
            Some(KeyAsClient { key, is_basic })
        }
        _ => None,
    })
}

/// The client of a request.
///
/// # Errors
/// `invalid_client` if there is none, or it does not prove itself; it takes as long for one that does not exist.
pub(in crate::auth) async fn authenticate(
    auth: &Auth,
    headers: &HeaderMap,
    form: &Parameters,
    source: &RequestSource,
) -> Result<ClientLogin, OAuthError> {
    let shown = credentials(headers, form)?;
    let refused = || OAuthError::new(ErrorCode::InvalidClient, REFUSED).of_basic(shown.is_basic);
    let tenants = auth.people.tenants();
    let named = named(&tenants, &shown.id, form, tenant_host::of_source(auth, source).as_ref());
    if named.is_undecided(&tenants) {
        return Err(Trouble::away("tenant", &"it has not named the tenants yet").into());
    }
    if first_party::is_meant(&named.name) {
        let tenant = named.tenant.filter(|_| first_party::has_proof(auth, headers)).ok_or_else(refused)?;
        let client = of_configured(&first_party::client(auth.issuer()));
        return Ok(ClientLogin { tenant, client, presented: shown.id });
    }
    if let Some(of) = SessionClient::named(&named.name) {
        let is_holder = first_party::is_role(auth, headers, of.holder());
        let tenant = named.tenant.filter(|_| is_holder).ok_or_else(refused)?;
        let client = of_sessions(auth, of, &tenant, form).await?;
        return Ok(ClientLogin { tenant, client, presented: shown.id });
    }
    let tenant = named.tenant.as_ref().unwrap_or(auth.guesses.nowhere());
    let found = auth.people.client(tenant, &named.name).await?;
    let proved = match &shown.proof {
        // Nothing is guessed: a public client has no secret, and others have to show theirs.
        ClientProof::Nothing => found.filter(configured::OAuthClient::is_public),
        ClientProof::Secret(secret) => {
            let is_right = has_secret(auth, tenant, (named.name.as_str(), found.as_ref()), secret, source).await?;
            found.filter(|_| is_right)
        }
        ClientProof::Assertion(token) => {
            let client = AssertingClient { tenant, presented: &shown.id, configured: found.as_ref() };
            let is_right = has_signed(auth, client, token, source).await?;
            found.filter(|_| is_right)
        }
    };
    let client = proved.ok_or_else(refused)?;
    Ok(ClientLogin { tenant: tenant.clone(), client: of_configured(&client), presented: shown.id })
}

/// Whether that is the secret of the client with that name.
async fn has_secret(
    auth: &Auth,
    tenant: &TenantId,
    (name, found): (&str, Option<&configured::OAuthClient>),
    secret: &str,
    source: &RequestSource,
) -> Result<bool, OAuthError> {
    let guess = match auth.guesses.of_client(tenant, name, source).await? {
        Guess::Wait(wait) => {
            auth.note(tenant, source, of_client(SignInEvent::LockedOut, SignInWay::ClientSecret, found));
            return Err(OAuthError::wait(ErrorCode::InvalidClient, wait));
        }
        Guess::Taken(guess) => guess,
    };
    let hash = found.and_then(|client| client.secret.as_ref()).map(configured::Secret::reveal);
    let of = HashAsker { tenant, is_known: guess.is_known() };
    let is_right = match auth.hashing.verify(secret, hash, of).await {
        Ok(is_right) => is_right,
        Err(trouble) => {
            guess.undone().await;
            return Err(trouble.into());
        }
    };
    if is_right && found.is_some() {
        guess.right().await?;
        return Ok(true);
    }
    tracing::info!(%tenant, source = source.address, "a client was refused");
    auth.note(tenant, source, of_client(SignInEvent::Refused, SignInWay::ClientSecret, found));
    Ok(false)
}

/// Whether the client has signed that assertion. Its tries are not counted as those of secrets are: nobody guesses a signature, and to
/// verify one costs less than to count it.
async fn has_signed(
    auth: &Auth,
    client: AssertingClient<'_>,
    token: &str,
    source: &RequestSource,
) -> Result<bool, OAuthError> {
    let (tenant, found) = (client.tenant, client.configured);
    match client_assertion::take(auth, client, AssertionUse::ClientProof, token).await {
        Ok(_) => Ok(true),
        Err(AssertionRefusal::Wrong(fault)) => {
            tracing::info!(%tenant, source = source.address, fault, "the assertion of a client was refused");
            auth.note(tenant, source, of_client(SignInEvent::Refused, SignInWay::ClientAssertion, found));
            Ok(false)
        }
        Err(AssertionRefusal::Wait(wait)) => {
            auth.note(tenant, source, of_client(SignInEvent::LockedOut, SignInWay::ClientAssertion, found));
            Err(OAuthError::wait(ErrorCode::InvalidClient, wait))
        }
        Err(AssertionRefusal::Trouble(trouble)) => Err(trouble.into()),
    }
}

/// What has happened to what a client shows. An id that is none of a client's may be anything.
fn of_client(event: SignInEvent, way: SignInWay, client: Option<&configured::OAuthClient>) -> SignInRecord {
    let record = SignInRecord::of(event).by_way(way);
    match client {
        Some(client) => record.about_client(&client.id),
        None => record,
    }
}

/// The tenant that a client names beside its id, or else that of the host, with which its id must agree; where neither is, the id names it, or
/// `tenant\user` of the password grant, if there is that tenant. A client that has said its tenant learns nothing of others by it.
fn named(tenants: &Tenants, id: &str, form: &Parameters, of_host: Option<&TenantId>) -> Named {
    let said = form.get("tenant").or(of_host.map(TenantId::as_str));
    let named = tenancy::of_client(tenants, id, said);
    if named.tenant.is_some() || said.is_some() {
        return named;
    }
    let of_user = form.get("username").and_then(|user| user.split_once('\\')).map(|(tenant, _)| tenant);
    tenancy::of_client(tenants, id, of_user)
}

/// The client of that id, without any proof: for pages.
pub(in crate::auth) async fn find(
    auth: &Auth,
    parameters: &Parameters,
) -> Result<Option<(TenantId, ClientRules)>, Trouble> {
    let Some(id) = parameters.get("client_id") else { return Ok(None) };
    let named = tenancy::of_client(&auth.people.tenants(), id, parameters.get("tenant"));
    let Some(tenant) = named.tenant else { return Ok(None) };
    if let Some(of) = SessionClient::named(&named.name) {
        let rules = of_sessions(auth, of, &tenant, parameters).await?;
        return Ok(Some((tenant, rules)));
    }
    let client = auth.people.client(&tenant, &named.name).await?;
    Ok(client.map(|client| (tenant, rules_for(&client, parameters))))
}

/// The client of a published API, for a code that is sent to the redirect URI of the request.
async fn of_sessions(
    auth: &Auth,
    of: SessionClient,
    tenant: &TenantId,
    parameters: &Parameters,
) -> Result<ClientRules, Trouble> {
    let (listed, asked) = (auth.people.redirect_uris(tenant).await?, parameters.get("redirect_uri"));
    Ok(session_client::proved(of_configured(&session_client::client(of, &listed, asked)), asked))
}

fn rules_for(client: &configured::OAuthClient, parameters: &Parameters) -> ClientRules {
    let rules = of_configured(client);
    match first_party::is_meant(&client.id) {
        true => first_party::at_this_machine(rules, parameters.get("redirect_uri")),
        false => rules,
    }
}

/// Whether our own pages ask for somebody of a tenant that is not named: it is that of whoever is signed in.
pub(in crate::auth) fn is_for_any_tenant(auth: &Auth, parameters: &Parameters) -> bool {
    let id = parameters.get("client_id").unwrap_or_default();
    let is_named = parameters.get("tenant").is_some() || tenancy::only(&auth.people.tenants()).is_some();
    first_party::is_meant(id) && !is_named
}

/// The client of our own pages in that tenant, without any proof: for pages.
pub(in crate::auth) fn of_our_pages(
    auth: &Auth,
    tenant: &TenantId,
    parameters: &Parameters,
) -> (TenantId, ClientRules) {
    (tenant.clone(), rules_for(&first_party::client(auth.issuer()), parameters))
}

/// What of a configured client decides.
pub(in crate::auth) fn of_configured(client: &configured::OAuthClient) -> ClientRules {
    let grants = client.grants.iter().map(|grant| match grant {
        configured::Grant::AuthorizationCode => GrantType::AuthorizationCode,
        configured::Grant::RefreshToken => GrantType::RefreshToken,
        configured::Grant::ClientCredentials => GrantType::ClientCredentials,
        configured::Grant::Password => GrantType::Password,
        configured::Grant::DeviceCode => GrantType::DeviceCode,
        configured::Grant::JwtBearer => GrantType::JwtBearer,
    });
    ClientRules {
        id: client.id.clone(),
        is_confidential: !client.is_public(),
        grants: grants.collect(),
        redirect_uris: client.redirect_uris.clone(),
        // Also of a client that was stored when more could be configured: none of the installation's own scopes.
        scopes: client.scopes.iter().filter(|scope| scope::is_of_tenant(scope)).cloned().collect(),
        bounds_people: !client.scopes.is_empty(),
    }
}

fn credentials(headers: &HeaderMap, form: &Parameters) -> Result<ShownClient, OAuthError> {
    let invalid = |description| OAuthError::new(ErrorCode::InvalidRequest, description);
    let no_client = |description| OAuthError::new(ErrorCode::InvalidClient, description);
    let (id, secret) = (form.get("client_id"), form.get("client_secret"));
    if let Some(token) = assertion(form)? {
        if secret.is_some() || basic(headers).is_some() {
            return Err(invalid("the client proves itself in two ways"));
        }
        let named = id.map(str::to_owned).or_else(|| client_assertion::named_client(token));
        let proof = ClientProof::Assertion(token.to_owned());
        return Ok(ShownClient { id: named.ok_or(no_client(REFUSED))?, proof, is_basic: false });
    }
    // Some programs without a secret send an empty one.
    let proof = |secret: Option<String>| match secret.filter(|secret| !secret.is_empty()) {
        Some(secret) => ClientProof::Secret(secret),
        None => ClientProof::Nothing,
    };
    match (basic(headers), id) {
        (Some(None), _) => Err(no_client("the Authorization header cannot be read").of_basic(true)),
        (Some(Some(_)), _) if secret.is_some() => Err(invalid("the client shows its secret in two ways")),
        (Some(Some((basic, _))), Some(id)) if basic != id => Err(invalid("client_id is not that of Authorization")),
        (Some(Some((id, secret))), _) => Ok(ShownClient { id, proof: proof(Some(secret)), is_basic: true }),
        (None, Some(id)) => {
            Ok(ShownClient { id: id.to_owned(), proof: proof(secret.map(str::to_owned)), is_basic: false })
        }
        (None, None) => Err(no_client("the request names no client")),
    }
}

/// The assertion of a form (RFC 7521 section 4.2).
fn assertion(form: &Parameters) -> Result<Option<&str>, OAuthError> {
    match (form.get("client_assertion_type"), form.get("client_assertion")) {
        (None, None) => Ok(None),
        (Some(client_assertion::TYPE), Some(token)) => Ok(Some(token)),
        (Some(_), Some(_)) => {
            Err(OAuthError::new(ErrorCode::InvalidClient, "that client_assertion_type is not supported"))
        }
        _ => {
            let description = "client_assertion and client_assertion_type come together";
            Err(OAuthError::new(ErrorCode::InvalidRequest, description))
        }
    }
}

/// Id and secret of an `Authorization: Basic`; the inner `None` is one that cannot be read. Both are form-encoded.
fn basic(headers: &HeaderMap) -> Option<Option<(String, String)>> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Some(decoded.and_then(|pair| pair.split_once(':').map(|(id, secret)| (form_decoded(id), form_decoded(secret)))))
}

/// One form-encoded value, in which `&` and `=` may stand as they are.
fn form_decoded(text: &str) -> String {
    let text = text.replace('=', "%3D").replace('&', "%26");
    form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use identity::api_key::MintedApiKey;
    use model::entropy::Seeded;

    use super::*;

    fn read(authorization: Option<&str>, form: &str) -> Result<(String, Option<String>), OAuthError> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        credentials(&headers, &Parameters::read(form.as_bytes()).unwrap()).map(|shown| match shown.proof {
            ClientProof::Nothing => (shown.id, None),
            ClientProof::Secret(secret) => (shown.id, Some(secret)),
            ClientProof::Assertion(token) => (shown.id, Some(format!("assertion {token}"))),
        })
    }

    fn basic_of(pair: &str) -> String {
        format!("bAsIc {}", STANDARD.encode(pair))
    }

    #[test]
    fn a_client_shows_itself_by_basic_or_in_the_form() {
        let app = |secret: Option<&str>| ("app".to_owned(), secret.map(str::to_owned));
        assert_eq!(read(Some(&basic_of("app:s%3Ae+c")), "").unwrap(), app(Some("s:e c")));
        assert_eq!(read(Some(&basic_of("app:a=b&c")), "client_id=app").unwrap(), app(Some("a=b&c")));
        assert_eq!(read(Some(&basic_of("app:")), "").unwrap(), app(None));
        assert_eq!(read(None, "client_id=app&client_secret=x").unwrap(), app(Some("x")));
        assert_eq!(read(Some("Bearer x"), "client_id=app").unwrap(), app(None));
        let typed = format!("client_assertion_type={}&client_assertion=a.b.c", client_assertion::TYPE);
        assert_eq!(read(None, &format!("{typed}&client_id=app")).unwrap(), app(Some("assertion a.b.c")));
    }

    #[test]
    fn an_api_key_is_a_client_under_its_own_id_alone() {
        let key = MintedApiKey::mint(&mut Seeded::new(7));
        let shown = |authorization: Option<String>, form: String| {
            let mut headers = HeaderMap::new();
            if let Some(value) = authorization {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            let found = key_as_client(&headers, &Parameters::read(form.as_bytes()).unwrap()).ok()??;
            Some((found.key, found.is_basic))
        };
        let (id, text) = (&key.id, &key.text);
        assert_eq!(shown(Some(basic_of(&format!("{id}:{text}"))), String::new()), Some((text.clone(), true)));
        assert_eq!(shown(None, format!("client_id={id}&client_secret={text}")), Some((text.clone(), false)));
        for form in [
            format!("client_id=app&client_secret={text}"),
            format!("client_id={id}&client_secret={text}x"),
            format!("client_id={id}"),
            format!("client_secret={text}"),
        ] {
            assert_eq!(shown(None, form.clone()), None, "{form}");
        }
    }

    #[test]
    fn an_assertion_names_its_client_and_stands_alone() {
        // {"alg":"ES256"} and {"sub":"app"}
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhcHAifQ.AA";
        let typed = format!("client_assertion_type={}&client_assertion={token}", client_assertion::TYPE);
        assert_eq!(read(None, &typed).unwrap(), ("app".to_owned(), Some(format!("assertion {token}"))));
        for (authorization, form) in [
            (Some(basic_of("app:x")), typed.clone()),
            (None, format!("{typed}&client_secret=x")),
            (None, format!("client_assertion={token}")),
            (None, format!("client_assertion_type={}", client_assertion::TYPE)),
            (None, format!("client_assertion_type=urn:ietf:params:oauth:x&client_assertion={token}")),
            (None, typed.replace(token, "a.b.c")),
        ] {
            assert!(read(authorization.as_deref(), &form).is_err(), "{form}");
        }
    }

    #[test]
    fn a_stored_client_gets_no_scope_of_the_installation() {
        let names = |of: &[&str]| of.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let stored = configured::OAuthClient {
            id: "app".to_owned(),
            name: "App".to_owned(),
            grants: vec![configured::Grant::ClientCredentials],
            scopes: names(&["operate", "config:write", "config:secrets", "trace:numbers", "role", "openid"]),
            ..configured::OAuthClient::default()
        };
        assert_eq!(of_configured(&stored).scopes, names(&["config:write"]));
        let of_installation = configured::OAuthClient { scopes: names(&["operate"]), ..stored.clone() };
        assert!(of_configured(&of_installation).bounds_people, "it is not as one that lists nothing");
        assert!(!of_configured(&configured::OAuthClient { scopes: Vec::new(), ..stored }).bounds_people);
        let jwks = Some(configured::ClientKeySet::default());
        let with_keys = configured::OAuthClient { jwks, ..configured::OAuthClient::default() };
        assert!(of_configured(&with_keys).is_confidential, "keys prove it, as a secret does");
        for privilege in scope::Privilege::ALL {
            assert!(privilege.scopes().iter().all(|scope| runtime::scope::find(scope).is_some()), "{privilege:?}");
        }
    }

    #[test]
    fn a_user_names_the_tenant_of_a_client_that_does_not() {
        let tenants: Tenants = std::sync::Arc::new(["acme", "globex"].map(|id| TenantId::parse(id).unwrap()).into());
        let tenant_of = |id: &str, form: &str| {
            let named = named(&tenants, id, &Parameters::read(form.as_bytes()).unwrap(), None);
            named.tenant.map(|tenant| tenant.to_string())
        };
        assert_eq!(tenant_of("desk", "username=acme%5Cann").as_deref(), Some("acme"));
        assert_eq!(tenant_of("desk", "username=ann"), None);
        for user in ["acme%5Cann", "nobody%5Cann"] {
            assert_eq!(tenant_of("globex/desk", &format!("username={user}")).as_deref(), Some("globex"), "{user}");
            let beside = format!("tenant=globex&username={user}");
            assert_eq!(tenant_of("desk", &beside).as_deref(), Some("globex"), "{user}");
        }
    }

    #[test]
    fn the_host_names_the_tenant_of_a_client_that_does_not() {
        let tenants: Tenants = std::sync::Arc::new(["acme", "globex"].map(|id| TenantId::parse(id).unwrap()).into());
        let acme = TenantId::parse("acme").unwrap();
        for (id, form, tenant) in [
            ("desk", "", Some("acme")),
            ("acme/desk", "", Some("acme")),
            ("desk", "username=globex%5Cann", Some("acme")),
            ("globex/desk", "", None),
            ("desk", "tenant=globex", Some("globex")),
        ] {
            let named = named(&tenants, id, &Parameters::read(form.as_bytes()).unwrap(), Some(&acme));
            assert_eq!(named.tenant.as_ref().map(TenantId::as_str), tenant, "{id} {form}");
        }
    }

    #[test]
    fn a_client_shows_itself_once() {
        for (authorization, form) in [
            (Some(basic_of("app:x")), "client_secret=x"),
            (Some(basic_of("app:x")), "client_id=other"),
            (Some("Basic !".to_owned()), "client_id=app"),
            (Some(basic_of("app")), ""),
            (None, "client_secret=x"),
        ] {
            assert!(read(authorization.as_deref(), form).is_err(), "{authorization:?} {form}");
        }
    }
}
