//! Tokens that nobody issued: refused by every interface that takes tokens.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::events_client::EventsClient;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use testkit::facts::{bearing, connect, runtime, tenant_role};
use testkit::{Installation, Visitor};
use tonic::Code;

use super::person;

const PATIENCE: Duration = Duration::from_secs(45);
/// A port of tenant: its configuration.
pub const CONFIGURATION: u16 = 8_888;
/// A port of tenant: its events.
pub const EVENTS: u16 = 8_000;
/// An interface of each kind at the web edge. What is sent to it changes nothing.
const INTERFACES: [(&str, &str, &str); 7] = [
    ("GET", "/api/voice/v1/example/events", ""),
    ("POST", "/api/voice/v1/example/requests", r#"{"req":"TAgentLogout","ThisDN":"7140"}"#),
    ("GET", "/api/voice/v1/example/webhooks", ""),
    ("GET", "/api/voice/v1/openapi.json", ""),
    ("GET", "/api/operations/v1/topology", ""),
    ("GET", "/api/operations/v1/example/traces", ""),
    ("GET", "/pulse/api/v1/example/wallboard/stream", ""),
];
/// What is before a point of P-256 in a public key (RFC 5480).
const PUBLIC_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Result<Value> {
    let payload = token.split('.').nth(1).context("no payload")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}

#[test]
fn a_forged_token_opens_no_interface() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = person(&site, "administrator")?;
    let operator = site.demo.tokens.get("operator").context("no operator's token")?;
    at_interfaces(&site, operator, true)?;
    for (how, token) in forged(&site, operator)? {
        at_interfaces(&site, &token, false).with_context(|| how.clone())?;
    }
    let persons = visitor.by_password(&user.user, &user.password)?.token("access_token")?;
    at_auth(&visitor, &persons, true)?;
    for (how, token) in forged(&site, &persons)? {
        at_auth(&visitor, &token, false).with_context(|| how.clone())?;
    }
    // What it proves to its program, it proves to nobody else.
    let id_token = visitor.redeem(&visitor.code(&user.user, &user.password)?, testkit::visitor::VERIFIER)?;
    at_interfaces(&site, &id_token.token("id_token")?, false).context("an ID token")
}

/// The status with which a request is answered; its body may have no end.
fn status(to: SocketAddr, (method, path, body): (&str, &str, &str), token: &str) -> Result<u16> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(|| format!("no answer: {line:?}"))
}

/// Every interface that verifies tokens lets it in, or none does.
fn at_interfaces(site: &Installation, token: &str, is_good: bool) -> Result<()> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let further = ("GET", "/metrics", "");
    let places = INTERFACES.map(|interface| (web, interface)).into_iter().chain([
        (site.admin("ingress")?, further),
        (site.admin("tenant")?, further),
        (site.admin("auth")?, further),
    ]);
    for (to, interface) in places {
        let status = status(to, interface, token)?;
        ensure!((status != 401) == is_good, "{interface:?} at {to}: {status}");
    }
    for (port, code) in codes(site, token)? {
        ensure!((code != Code::Unauthenticated) == is_good, "port {port}: {code:?}");
    }
    Ok(())
}

/// How the ports of tenant answer.
fn codes(site: &Installation, token: &str) -> Result<[(u16, Code); 2]> {
    let code = |status: Result<(), tonic::Status>| status.err().map_or(Code::Ok, |status| status.code());
    runtime()?.block_on(async {
        let mut configuration = ConfigurationClient::new(connect(tenant_role(site, CONFIGURATION)).await?);
        let asked =
            bearing(v1::ReadObjectsRequest { kinds: vec!["person".to_owned()], id: "nobody".to_owned() }, token)?;
        let read = configuration.read_objects(asked).await.map(|_| ());
        let mut events = EventsClient::new(connect(tenant_role(site, EVENTS)).await?);
        let subscribed = events.subscribe(bearing(v1::SubscribeRequest::default(), token)?).await.map(|_| ());
        anyhow::Ok([(CONFIGURATION, code(read)), (EVENTS, code(subscribed))])
    })
}

/// What auth says of a person's token.
fn at_auth(visitor: &Visitor<'_>, token: &str, is_good: bool) -> Result<()> {
    for path in ["/auth/v3/openid/userinfo", "/auth/v3/userinfo", "/auth/v3/jwt-userinfo", "/auth/v3/ping"] {
        let answer = visitor.bearing(path, token)?;
        let refusal = if path.ends_with("ping") { 403 } else { 401 };
        ensure!(answer.status == if is_good { 200 } else { refusal }, "{path}: {} {}", answer.status, answer.body);
    }
    if token.is_empty() {
        return Ok(());
    }
    let told = visitor.introspect(token)?;
    ensure!(told.json()?["active"] == is_good && (is_good || told.body == r#"{"active":false}"#), "{}", told.body);
    Ok(())
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Forgeries of a token, and how each is made.
pub fn forged(site: &Installation, token: &str) -> Result<Vec<(String, String)>> {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, payload, signature] = parts[..] else { anyhow::bail!("a token has three parts") };
    let told = claims(token)?;
    let kid = jsonwebtoken::decode_header(token)?.kid.context("the token names no key")?;
    let mut forged = vec![
        ("no signature".to_owned(), format!("{head}.{payload}.")),
        ("two parts".to_owned(), format!("{head}.{payload}")),
        ("zeros as signature".to_owned(), format!("{head}.{payload}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
        ("nothing".to_owned(), String::new()),
        ("too long".to_owned(), format!("{token}{}", "A".repeat(8_192))),
    ];
    for algorithm in ["none", "None", "nOnE", "HS256", "RS256", ""] {
        let header = encoded(&json!({ "typ": "JWT", "alg": algorithm, "kid": kid }));
        forged.push((format!("{algorithm:?} without a signature"), format!("{header}.{payload}.")));
        forged.push((format!("{algorithm:?} with the signature"), format!("{header}.{payload}.{signature}")));
    }
    for (name, value) in
        [("scope", "operate config:secrets role"), ("tenant", "*"), ("sub", "auth/auth-1"), ("aud", "x")]
    {
        let mut told = told.clone();
        told[name] = json!(value);
        forged.push((format!("another {name}"), format!("{head}.{}.{signature}", encoded(&told))));
    }
    forged.extend(with_the_public_key(site, &told, &kid)?);
    forged.extend(with_another_key(&told, &kid)?);
    Ok(forged)
}

/// The public key, which anybody has, as the secret of an HMAC (RFC 8725 section 2.1).
fn with_the_public_key(site: &Installation, told: &Value, kid: &str) -> Result<Vec<(String, String)>> {
    let keys = Visitor::new(site)?.ask("/auth/v3/oauth/jwks", &[])?.json()?;
    let key = &keys["keys"][0];
    let coordinate = |name: &str| anyhow::Ok(URL_SAFE_NO_PAD.decode(key[name].as_str().context("no coordinate")?)?);
    let point = [coordinate("x")?, coordinate("y")?].concat();
    let der = [STANDARD.decode(PUBLIC_KEY)?, point.clone()].concat();
    let text = STANDARD.encode(&der);
    let (first, second) = text.split_at(64);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n");
    let secrets = [
        ("its text", key["x"].as_str().unwrap_or_default().as_bytes().to_vec()),
        ("its JWK", key.to_string().into_bytes()),
        ("its point", [&[4_u8][..], point.as_slice()].concat()),
        ("its DER", der),
        ("its PEM", pem.into_bytes()),
    ];
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(kid.to_owned());
    let forge = |(how, secret): &(&str, Vec<u8>)| {
        let token = jsonwebtoken::encode(&header, told, &EncodingKey::from_secret(secret))?;
        anyhow::Ok((format!("an HMAC with the public key: {how}"), token))
    };
    secrets.iter().map(forge).collect()
}

/// A key that is not ours, under the name of ours and its own.
fn with_another_key(told: &Value, kid: &str) -> Result<Vec<(String, String)>> {
    let arguments = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let made = Command::new("openssl").args(arguments).output().context("openssl")?;
    let key = EncodingKey::from_ec_pem(&made.stdout)?;
    let forge = |named: &Option<String>| {
        let mut header = Header::new(Algorithm::ES256);
        header.kid.clone_from(named);
        anyhow::Ok((format!("another key, called {named:?}"), jsonwebtoken::encode(&header, told, &key)?))
    };
    [Some(kid.to_owned()), Some("another".to_owned()), None].iter().map(forge).collect()
}
