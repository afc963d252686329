//! People and programs sign in at the web edge, asked by curl with its cookies as a browser would have them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use testkit::{Installation, wait};

use crate::conference::SOON;

/// A verifier and its challenge (RFC 7636 appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "http://127.0.0.1:9/callback";

/// An answer as curl shows it.
struct CurlAnswer {
    status: u16,
    head: String,
    body: String,
}

impl CurlAnswer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{}: {}", self.status, self.body))
    }

    fn token(&self, name: &str) -> Result<String> {
        let found = self.json()?[name].as_str().map(str::to_owned);
        found.with_context(|| format!("no {name}: {} {}", self.status, self.body))
    }
}

/// A visitor of the web edge with a jar of cookies.
struct Visitor<'a> {
    site: &'a Installation,
    jar: tempfile::NamedTempFile,
}

impl<'a> Visitor<'a> {
    fn new(site: &'a Installation) -> Result<Self> {
        Ok(Self { site, jar: tempfile::NamedTempFile::new()? })
    }

    fn ask(&self, path: &str, arguments: &[&str]) -> Result<CurlAnswer> {
        let jar: &Path = self.jar.path();
        let mut command = Command::new("curl");
        command.args(["--silent", "--include", "--max-time", "30", "--cookie"]).arg(jar).arg("--cookie-jar").arg(jar);
        let output = command.args(arguments).arg(format!("{}{path}", self.site.demo.web)).output().context("curl")?;
        let text = String::from_utf8(output.stdout)?;
        let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no answer: {text:?}"))?;
        let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        Ok(CurlAnswer { status, head: head.to_owned(), body: body.to_owned() })
    }

    fn bearing(&self, path: &str, token: &str) -> Result<CurlAnswer> {
        // In lower case, as published clients send it.
        self.ask(path, &["--header", &format!("authorization: bearer {token}")])
    }

    /// Asks for a token as the demo's client.
    fn token(&self, fields: &[(&str, &str)]) -> Result<CurlAnswer> {
        let client = self.site.demo.clients.first().context("no client")?;
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let login = format!("{}:{}", client.id, client.secret);
        let mut arguments = vec!["--user", &login];
        for field in &fields {
            arguments.extend(["--data-urlencode", field]);
        }
        self.ask("/auth/v3/oauth/token", &arguments)
    }

    /// Begins a sign-in; what of the request differs from a good one comes last and counts.
    fn authorize(&self, redirect: &str, challenge: &str) -> Result<CurlAnswer> {
        let query = format!(
            "response_type=code&client_id=demo&redirect_uri={redirect}&scope=openid&state=s1&nonce=n1&code_challenge={challenge}&code_challenge_method=S256"
        );
        self.ask(&format!("/auth/v3/oauth/authorize?{query}"), &[])
    }

    /// Fills in the form of the sign-in page to which `authorize` has led.
    fn submit(&self, page: &str, user: &str, password: &str) -> Result<CurlAnswer> {
        let shown = self.ask(page, &[])?;
        ensure!(shown.status == 200, "{}: {}", shown.status, shown.body);
        let mut fields = hidden_fields(&shown.body);
        fields.extend([("username".to_owned(), user.to_owned()), ("password".to_owned(), password.to_owned())]);
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let arguments: Vec<&str> = fields.iter().flat_map(|field| ["--data-urlencode", field.as_str()]).collect();
        let form = shown.body.split("<form").nth(1).and_then(|rest| rest.split('>').next()).context("no form")?;
        self.ask(&attribute(form, "action").context("the form leads nowhere")?, &arguments)
    }

    /// The whole way of a browser: from the program's request to the code that it gets.
    fn code(&self, user: &str, password: &str) -> Result<String> {
        let mut answer = self.authorize(REDIRECT, CHALLENGE)?;
        if let Some(page) = answer.header("location").filter(|to| to.contains("/sign-in")) {
            answer = self.submit(&path_of(page), user, password)?;
        }
        for _ in 0..4 {
            let to = answer.header("location").with_context(|| format!("{} {}", answer.status, answer.body))?;
            if let Some(query) = to.strip_prefix(REDIRECT) {
                ensure!(query.contains("state=s1"), "{query}");
                let code = query.split(['?', '&']).find_map(|part| part.strip_prefix("code="));
                return Ok(code.with_context(|| format!("no code in {query}"))?.to_owned());
            }
            answer = self.ask(&path_of(to), &[])?;
        }
        bail!("it goes on and on")
    }
}

/// The path and query of a redirect within the installation.
fn path_of(location: &str) -> String {
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]).to_owned(),
        None => location.to_owned(),
    }
}

/// An attribute of a tag of HTML.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    let value = rest.split('"').next()?;
    let plain = [("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    Some(plain.iter().fold(value.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain)))
}

/// The hidden fields of a page's form.
fn hidden_fields(page: &str) -> Vec<(String, String)> {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!("{name}=\""))?;
        let value = rest.split('"').next()?;
        Some(
            value
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&"),
        )
    };
    let inputs = page.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
    let hidden = inputs.filter(|tag| tag.contains("type=\"hidden\""));
    hidden.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?))).collect()
}

fn redeem<'a>(visitor: &Visitor<'_>, code: &'a str, verifier: &'a str) -> Result<CurlAnswer> {
    let grant = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
    visitor.token(&[&grant[..], &[("code_verifier", verifier)]].concat())
}

fn refresh(visitor: &Visitor<'_>, token: &str) -> Result<CurlAnswer> {
    visitor.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
}

/// own-11, own-09: the whole code flow, and what must not work of it.
#[test]
fn a_person_signs_in_at_the_page_and_a_program_gets_tokens_by_a_code() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let (user, password) = (&site.demo.users[0].user, &site.demo.users[0].password);

    let elsewhere = visitor.authorize("https://evil.example/callback", CHALLENGE)?;
    ensure!(elsewhere.status == 400 && elsewhere.header("location").is_none(), "{}", elsewhere.head);

    let code = visitor.code(user, password)?;
    ensure!(redeem(&visitor, &code, &"x".repeat(43))?.json()?["error"] == "invalid_grant", "a wrong verifier is taken");

    // Signed in: the page is not shown again.
    let code = visitor.code(user, "no longer asked for")?;
    let tokens = redeem(&visitor, &code, VERIFIER)?;
    ensure!(tokens.status == 200 && tokens.header("cache-control") == Some("no-store"), "{}", tokens.head);
    let access = tokens.token("access_token")?;
    let claims = visitor.bearing("/auth/v3/openid/userinfo", &access)?;
    ensure!(claims.json()?["sub"].as_str().is_some_and(|sub| sub.contains(user.as_str())), "{}", claims.body);
    let with_id_token = visitor.bearing("/auth/v3/userinfo", &tokens.token("id_token")?)?;
    ensure!(with_id_token.status == 401, "an ID token opens: {}", with_id_token.status);
    ensure!(visitor.bearing("/auth/v3/ping", &access)?.status == 200, "the bearer is not signed in");

    // A refresh token is good once, but for the last few, whose answers may have been lost; an older one ends what came of it.
    let first = tokens.token("refresh_token")?;
    let mut latest = first.clone();
    for _ in 0..6 {
        latest = refresh(&visitor, &latest)?.token("refresh_token")?;
    }
    ensure!(refresh(&visitor, &first)?.json()?["error"] == "invalid_grant", "an old refresh token is taken");
    ensure!(refresh(&visitor, &latest)?.json()?["error"] == "invalid_grant", "its family lives on");

    // A code is good once, and what it gave ends with the second use.
    let code = visitor.code(user, password)?;
    let given = redeem(&visitor, &code, VERIFIER)?.token("refresh_token")?;
    ensure!(redeem(&visitor, &code, VERIFIER)?.json()?["error"] == "invalid_grant", "a code is taken twice");
    ensure!(refresh(&visitor, &given)?.json()?["error"] == "invalid_grant", "what the code gave lives on");

    // Signed out: a code of before is worth nothing, and the password is asked for again.
    let code = visitor.code(user, password)?;
    ensure!(visitor.ask("/auth/v3/sign-out", &["--request", "POST"])?.status == 200, "no sign-out");
    ensure!(redeem(&visitor, &code, VERIFIER)?.json()?["error"] == "invalid_grant", "a code outlives its session");
    let again = visitor.authorize(REDIRECT, CHALLENGE)?;
    ensure!(again.header("location").is_some_and(|to| to.contains("/sign-in")), "{}", again.head);
    Ok(())
}

/// What a token opens follows from who bears it; a wrong password tells nothing.
#[test]
fn a_token_opens_what_its_person_may_and_a_wrong_password_tells_nothing() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let by_password = |user: &str, password: &str| {
        visitor.token(&[("grant_type", "password"), ("username", user), ("password", password)])
    };
    let person = |kind: &str| site.demo.users.iter().find(|user| user.kind == kind).context("no such user");
    let (agent, administrator) = (person("agent")?, person("administrator")?);

    let unknown = by_password("nobody.known", "tall green kettle")?;
    let wrong = by_password(&agent.user, "tall green kettle")?;
    ensure!(unknown.status == 400 && unknown.status == wrong.status && unknown.body == wrong.body, "{}", wrong.body);

    let token = by_password(&administrator.user, &administrator.password)?.token("access_token")?;
    let operations = "/api/operations/v1/topology";
    let opened = visitor.bearing(operations, &token)?;
    ensure!(opened.status == 200, "{operations}: {} {}", opened.status, opened.body);
    let token = by_password(&agent.user, &agent.password)?.token("access_token")?;
    ensure!(visitor.bearing(operations, &token)?.status == 403, "an agent sees the topology");

    // An agent's token is tied to the phone at the agent's own place.
    let ask = |dn: &str| {
        let request = format!(
            r#"{{"req":"TAgentLogin","ThisDN":"{dn}","AgentID":"{}","ReferenceID":1}}"#,
            agent.agent.as_deref().unwrap_or_default()
        );
        let authorization = format!("Authorization: Bearer {token}");
        let key = format!("Idempotency-Key: login-{dn}");
        visitor.ask(
            "/api/voice/v1/example/requests",
            &[
                "--header",
                &authorization,
                "--header",
                "Content-Type: application/json",
                "--header",
                &key,
                "--data",
                &request,
            ],
        )
    };
    let own = ask(agent.dn.as_deref().context("no DN")?)?;
    ensure!(own.status == 202, "{} {}", own.status, own.body);
    ensure!(ask("7102")?.status == 403, "an agent's token acts at another phone");

    let program = visitor.token(&[("grant_type", "client_credentials"), ("scope", "statistics:read")])?;
    ensure!(program.json()?["scope"] == "statistics:read", "{}", program.body);
    let introspected =
        visitor.ask("/auth/v3/oauth/token", &["--user", "demo:wrong", "--data", "grant_type=client_credentials"])?;
    ensure!(introspected.status == 401, "a wrong secret is taken: {}", introspected.status);

    // Nothing of it is in the log.
    let log = site.log().join("\n");
    for secret in [&agent.password, &administrator.password, &token, &site.demo.clients[0].secret] {
        ensure!(!log.contains(secret.as_str()), "a secret is in the log");
    }
    Ok(())
}

/// What is given back opens nothing at the other roles either, and takes no other sign-in with it.
#[test]
fn a_revoked_token_is_refused_by_every_role() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = site.demo.users.iter().find(|user| user.kind == "administrator").context("no administrator")?;
    let signed_in = || {
        let fields = [("grant_type", "password"), ("username", &*user.user), ("password", &*user.password)];
        visitor.token(&fields)?.token("access_token")
    };
    let (given_back, kept) = (signed_in()?, signed_in()?);
    let opens = |token: &str| anyhow::Ok(visitor.bearing("/api/operations/v1/topology", token)?.status);
    ensure!(opens(&given_back)? == 200 && opens(&kept)? == 200, "a token opens nothing");
    let client = site.demo.clients.first().context("no client")?;
    let (login, token) = (format!("{}:{}", client.id, client.secret), format!("token={given_back}"));
    let answer = visitor.ask("/auth/v3/oauth/revoke", &["--user", &login, "--data-urlencode", &token])?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    wait::until(SOON, || Ok((opens(&given_back)? == 401).then_some(())))?;
    ensure!(opens(&kept)? == 200, "another sign-in has ended too");

    // Its keys: one for people and programs, which a stranger finds by discovery.
    let keys = visitor.ask("/auth/v3/oauth/jwks", &[])?.json()?;
    ensure!(keys["keys"].as_array().is_some_and(|keys| keys.len() == 1), "{keys}");
    Ok(())
}
