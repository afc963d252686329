//! The token endpoint and those beside it (RFC 6749, RFC 7009, RFC 7662, RFC 9700): who gets a token, for what, and how often.

use anyhow::{Context, Result, ensure};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use testkit::visitor::{CurlAnswer, Fields, REDIRECT, VERIFIER};
use testkit::{Installation, Visitor};

use super::{add_clients, person};

const TOKEN: &str = "/auth/v3/oauth/token";
const OWN: (&str, &str) = ("grant_type", "client_credentials");
/// Clients of [`add_clients`].
const CRM: (&str, &str) = ("crm", "slow brown teapot");
const REPORTS: (&str, &str) = ("reports", "wide white saucer");

#[test]
fn tokens_are_given_to_who_may_have_them_and_once() -> Result<()> {
    let site = Installation::start()?;
    add_clients(&site)?;
    let visitor = Visitor::new(&site)?;
    let user = person(&site, "supervisor")?;
    clients(&site, &visitor)?;
    forms(&site, &visitor)?;
    methods(&visitor)?;
    let code = |changes: Fields<'_>| visitor.code_for(changes, &user.user, &user.password);
    codes(&visitor, &code)?;
    public_client(&visitor, &code)?;
    refreshed(&visitor, &code)?;
    given_back(&visitor, &code)?;
    verified(&site, &visitor, &code)
}

fn is_refused(what: &str, answer: &CurlAnswer, status: u16, error: &str) -> Result<()> {
    ensure!(answer.status == status && answer.error() == error, "{what}: {} {}", answer.status, answer.body);
    ensure!(answer.header("cache-control") == Some("no-store"), "{what}: {}", answer.head);
    Ok(())
}

/// How a client proves itself, and what it may ask for.
fn clients(site: &Installation, visitor: &Visitor<'_>) -> Result<()> {
    let client = site.demo.clients.first().context("the demo has no client")?;
    let (id, secret) = (client.id.as_str(), client.secret.as_str());
    ensure!(visitor.token(&[OWN])?.status == 200, "a secret by Basic");
    let in_form = visitor.post(TOKEN, &[OWN, ("client_id", id), ("client_secret", secret)], &[])?;
    ensure!(in_form.status == 200, "a secret in the form: {}", in_form.body);

    let wrong = visitor.token_as(id, "tall green kettle", &[OWN])?;
    is_refused("a wrong secret", &wrong, 401, "invalid_client")?;
    ensure!(wrong.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Basic ")), "{}", wrong.head);
    let unknown = visitor.token_as("nobody", "tall green kettle", &[OWN])?;
    ensure!((unknown.status, &unknown.body) == (wrong.status, &wrong.body), "an unknown client: {}", unknown.body);
    let unproven: [(&str, Fields<'_>); 4] = [
        ("a wrong secret in the form", &[OWN, ("client_id", id), ("client_secret", "tall green kettle")]),
        ("no secret", &[OWN, ("client_id", id)]),
        ("no client", &[OWN]),
        ("an unknown tenant", &[OWN, ("client_id", id), ("client_secret", secret), ("tenant", "other")]),
    ];
    for (what, fields) in unproven {
        is_refused(what, &visitor.post(TOKEN, fields, &[])?, 401, "invalid_client")?;
    }
    let twice = visitor.token(&[OWN, ("client_secret", secret)])?;
    is_refused("two secrets", &twice, 400, "invalid_request")?;
    is_refused("two ids", &visitor.token(&[OWN, ("client_id", "crm")])?, 400, "invalid_request")?;
    is_refused("no grant", &visitor.token(&[("scope", "openid")])?, 400, "invalid_request")?;
    for grant in ["implicit", "urn:ietf:params:oauth:grant-type:unknown", "PASSWORD"] {
        is_refused(grant, &visitor.token(&[("grant_type", grant)])?, 400, "unsupported_grant_type")?;
    }
    let password = [("grant_type", "password"), ("username", "ann"), ("password", "tall green kettle")];
    is_refused("another grant", &visitor.token_as(REPORTS.0, REPORTS.1, &password)?, 400, "unauthorized_client")?;
    is_refused("another grant", &visitor.token_as(CRM.0, CRM.1, &[OWN])?, 400, "unauthorized_client")?;
    is_refused(
        "a public client",
        &visitor.post(TOKEN, &[OWN, ("client_id", "desk")], &[])?,
        400,
        "unauthorized_client",
    )?;

    for (asked, granted) in
        [("", "statistics:read"), ("*", "statistics:read"), ("operate statistics:read", "statistics:read")]
    {
        let given = visitor.token_as(REPORTS.0, REPORTS.1, &[OWN, ("scope", asked)])?.json()?;
        ensure!(given["scope"] == granted && given.get("refresh_token").is_none(), "{asked}: {}", given["scope"]);
        ensure!(given.get("id_token").is_none() && given["token_type"] == "bearer", "{asked}");
    }
    for scope in ["operate", "role", "config:secrets", "calls:control"] {
        let answer = visitor.token_as(REPORTS.0, REPORTS.1, &[OWN, ("scope", scope)])?;
        is_refused(scope, &answer, 400, "invalid_scope")?;
    }
    Ok(())
}

/// What is repeated, too long, or no form.
fn forms(site: &Installation, visitor: &Visitor<'_>) -> Result<()> {
    let client = site.demo.clients.first().context("the demo has no client")?;
    let login = format!("{}:{}", client.id, client.secret);
    for twice in ["grant_type=client_credentials&grant_type=password", "grant_type=client_credentials&scope=a&scope=b"]
    {
        let answer = visitor.ask(TOKEN, &["--user", &login, "--data", twice])?;
        is_refused(twice, &answer, 400, "invalid_request")?;
    }
    let json = r#"{"grant_type":"client_credentials"}"#;
    let answer =
        visitor.ask(TOKEN, &["--user", &login, "--header", "content-type: application/json", "--data", json])?;
    is_refused("JSON", &answer, 400, "invalid_request")?;
    let many: String = (0..65).map(|at| format!("&x{at}=1")).collect();
    let answer = visitor.ask(TOKEN, &["--user", &login, "--data", &format!("grant_type=client_credentials{many}")])?;
    is_refused("many parameters", &answer, 400, "invalid_request")?;
    let long = "x".repeat(20_000);
    for (name, path) in [("code", TOKEN), ("token", "/auth/v3/oauth/introspect"), ("token", "/auth/v3/oauth/revoke")] {
        let answer = visitor.post(path, &[(name, &long)], &["--user", &login])?;
        ensure!((400..500).contains(&answer.status), "{path} takes 20 kB: {}", answer.status);
    }
    let answer = visitor.ask("/auth/v3/oauth/jwks", &["--header", &format!("cookie: trunkline-session={long}")])?;
    ensure!(answer.status == 200, "a long cookie: {}", answer.status);
    Ok(())
}

/// Methods that endpoints do not have.
fn methods(visitor: &Visitor<'_>) -> Result<()> {
    for path in [TOKEN, "/auth/v3/oauth/introspect", "/auth/v3/oauth/revoke"] {
        for method in [&["--head"][..], &["--request", "GET"], &["--request", "PUT"], &["--request", "DELETE"]] {
            // Nothing of what belongs into a body is read from a query.
            let answer = visitor.ask(&format!("{path}?grant_type=client_credentials&token=x"), method)?;
            ensure!(answer.status == 405, "{method:?} {path}: {}", answer.status);
            ensure!(answer.header("allow").is_some_and(|allow| allow.contains("POST")), "{}", answer.head);
        }
    }
    for path in ["/auth/v3/oauth/jwks", "/auth/v3/.well-known/openid-configuration", "/auth/v3/ping"] {
        let answer = visitor.post(path, &[], &[])?;
        ensure!(answer.status == 405, "POST {path}: {}", answer.status);
    }
    Ok(())
}

type Codes<'c> = dyn Fn(Fields<'_>) -> Result<String> + 'c;

/// What a code is bound to.
fn codes(visitor: &Visitor<'_>, code: &Codes<'_>) -> Result<()> {
    let grant = |code: &str, changes: Fields<'_>| {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        visitor.token(&testkit::visitor::changed(&fields, changes))
    };
    let lower = VERIFIER.to_lowercase();
    for changes in [
        &[("code_verifier", "")][..],
        &[("code_verifier", lower.as_str())],
        &[("redirect_uri", "")],
        &[("redirect_uri", "http://127.0.0.1:10/callback")],
        &[("redirect_uri", "http://localhost/callback")],
    ] {
        is_refused(&format!("{changes:?}"), &grant(&code(&[])?, changes)?, 400, "invalid_grant")?;
    }
    for changes in [&[("code", "")][..], &[("grant_type", "")]] {
        is_refused(&format!("{changes:?}"), &grant("x", changes)?, 400, "invalid_request")?;
    }
    is_refused("an unknown code", &grant("unknown", &[])?, 400, "invalid_grant")?;
    // RFC 9700 section 4.8.2: whoever took the challenge out of the request is found out.
    let bare = code(&[("code_challenge", ""), ("code_challenge_method", "")])?;
    is_refused("a verifier without a challenge", &grant(&bare, &[])?, 400, "invalid_grant")?;
    // Of another client: refused, and not spoiled.
    let own = code(&[])?;
    let fields = [("grant_type", "authorization_code"), ("code", own.as_str()), ("redirect_uri", REDIRECT)];
    let others = testkit::visitor::changed(&fields, &[("code_verifier", VERIFIER)]);
    is_refused("a code of another client", &visitor.token_as(CRM.0, CRM.1, &others)?, 400, "invalid_grant")?;
    let own = grant(&own, &[])?;
    ensure!(own.status == 200, "another client spoils a code: {}", own.body);
    // The same for its refresh token.
    let refresh = own.token("refresh_token")?;
    let exchange = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    is_refused("another's refresh token", &visitor.token_as(CRM.0, CRM.1, &exchange)?, 400, "invalid_grant")?;
    ensure!(visitor.refresh(&refresh)?.status == 200, "another client spoils a refresh token");
    Ok(())
}

/// A client without a secret has its code flow, and nothing that needs a secret.
fn public_client(visitor: &Visitor<'_>, code: &Codes<'_>) -> Result<()> {
    let own = code(&[("client_id", "desk")])?;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "desk"),
        ("code", own.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let tokens = visitor.post(TOKEN, &fields, &[])?;
    ensure!(tokens.status == 200, "{} {}", tokens.status, tokens.body);
    let access = tokens.token("access_token")?;
    let asked = [("client_id", "desk"), ("token", access.as_str())];
    is_refused("it asks", &visitor.post("/auth/v3/oauth/introspect", &asked, &[])?, 401, "invalid_client")?;
    let refresh = tokens.token("refresh_token")?;
    let exchange = [("grant_type", "refresh_token"), ("client_id", "desk"), ("refresh_token", refresh.as_str())];
    let exchanged = visitor.post(TOKEN, &exchange, &[])?;
    ensure!(exchanged.token("refresh_token")? != refresh, "a refresh token of a public client is not rotated");
    Ok(())
}

/// A refresh never widens what was granted.
fn refreshed(visitor: &Visitor<'_>, code: &Codes<'_>) -> Result<()> {
    let tokens = visitor.redeem(&code(&[("scope", "openid calls:read statistics:read")])?, VERIFIER)?;
    ensure!(tokens.json()?["scope"] == "openid calls:read statistics:read", "{}", tokens.body);
    let refresh = tokens.token("refresh_token")?;
    let exchange = |token: &str, scope: &str| {
        visitor.token(&[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)])
    };
    is_refused("a wider scope", &exchange(&refresh, "calls:control")?, 400, "invalid_scope")?;
    let narrowed = exchange(&refresh, "calls:read calls:control")?;
    ensure!(narrowed.json()?["scope"] == "calls:read", "{}", narrowed.body);
    ensure!(narrowed.json()?.get("id_token").is_none(), "an ID token that was not asked for");
    is_refused("nonsense", &exchange("no.token", "")?, 400, "invalid_grant")?;
    is_refused("nothing", &exchange("", "")?, 400, "invalid_request")
}

/// Revocation and introspection.
fn given_back(visitor: &Visitor<'_>, code: &Codes<'_>) -> Result<()> {
    let tokens = visitor.redeem(&code(&[])?, VERIFIER)?;
    let (access, refresh) = (tokens.token("access_token")?, tokens.token("refresh_token")?);
    let is_active = |token: &str| anyhow::Ok(visitor.introspect(token)?.json()?["active"] == true);
    ensure!(is_active(&access)? && is_active(&refresh)?, "new tokens are not active");
    let id_token = tokens.token("id_token")?;
    for token in [access.as_str(), refresh.as_str(), id_token.as_str(), "no.token", "nonsense"] {
        let others = visitor.about_as(CRM.0, CRM.1, "revoke", token)?;
        ensure!(others.status == 200 && others.body.is_empty(), "RFC 7009 section 2.2: {}", others.status);
    }
    ensure!(is_active(&access)? && is_active(&refresh)?, "another client gives them back");
    ensure!(!is_active(&id_token)?, "an ID token is active");
    is_refused("nothing", &visitor.introspect("")?, 400, "invalid_request")?;
    is_refused(
        "a stranger",
        &visitor.about_as("nobody", "tall green kettle", "introspect", &access)?,
        401,
        "invalid_client",
    )?;
    ensure!(visitor.revoke(&access)?.status == 200 && !is_active(&access)?, "a revoked token is active");
    ensure!(is_active(&refresh)?, "an access token takes its sign-in with it");
    let next = visitor.refresh(&refresh)?;
    ensure!(visitor.revoke(&next.token("refresh_token")?)?.status == 200, "a refresh token is not given back");
    ensure!(!is_active(&next.token("access_token")?)?, "a revoked sign-in has active tokens");
    is_refused("a revoked one", &visitor.refresh(&next.token("refresh_token")?)?, 400, "invalid_grant")
}

/// The published key verifies the ID token, which says what OpenID Connect Core section 2 asks for.
fn verified(site: &Installation, visitor: &Visitor<'_>, code: &Codes<'_>) -> Result<()> {
    let token = visitor.redeem(&code(&[("scope", "openid profile email")])?, VERIFIER)?.token("id_token")?;
    let keys = visitor.ask("/auth/v3/oauth/jwks", &[])?.json()?;
    let kid = jsonwebtoken::decode_header(&token)?.kid;
    let of_kid = |key: &&Value| key["kid"].as_str() == kid.as_deref();
    let key = keys["keys"].as_array().into_iter().flatten().find(of_kid).context("the key is not published")?;
    ensure!(key.get("d").is_none() && key["alg"] == "ES256" && key["use"] == "sig", "{key}");
    let (x, y) = (key["x"].as_str().unwrap_or_default(), key["y"].as_str().unwrap_or_default());
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&["demo"]);
    rules.set_issuer(&[&site.demo.issuer]);
    let told = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_ec_components(x, y)?, &rules)?.claims;
    let number = |name: &str| told[name].as_u64().with_context(|| format!("no {name} in {told}"));
    ensure!(number("iat")? >= number("auth_time")? && number("exp")? > number("iat")?, "{told}");
    ensure!(number("exp")? - number("iat")? <= 600, "{told}");
    ensure!(told["nonce"] == "n1" && told["tenant"] == "example" && told["sid"].is_string(), "{told}");
    ensure!(told["sub"].is_string() && told["preferred_username"].is_string(), "{told}");
    let document = visitor.ask("/auth/v3/.well-known/openid-configuration", &[])?.json()?;
    ensure!(document["issuer"] == site.demo.issuer, "{document}");
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/auth/v3"] {
        ensure!(visitor.ask(path, &[])?.json()? == document, "{path}");
    }
    let again = visitor.ask("/.well-known/openid-configuration", &[])?.json()?;
    ensure!(document == again, "the two descriptions differ");
    Ok(())
}
