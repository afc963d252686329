//! A visitor of the web edge, as a browser without scripts is one: curl with a jar of cookies, which fills in the forms that it is shown.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::Installation;

/// A verifier and its challenge (RFC 7636 appendix B).
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The challenge of [`VERIFIER`].
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Where the demo's program has people sent back to; nothing listens there.
pub const REDIRECT: &str = "http://127.0.0.1:9/callback";
/// A good authorization request of the demo's program.
pub const REQUEST: [(&str, &str); 8] = [
    ("response_type", "code"),
    ("client_id", "demo"),
    ("redirect_uri", REDIRECT),
    ("scope", "openid"),
    ("state", "s1"),
    ("nonce", "n1"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];
/// The cookie of a session.
pub const SESSION: &str = "trunkline-session";

const AUTHORIZE: &str = "/auth/v3/oauth/authorize";
const TOKEN: &str = "/auth/v3/oauth/token";
const SIGN_IN: &str = "/auth/v3/sign-in";
/// More redirects than the way of a sign-in has.
const REDIRECTS_MAX: usize = 5;

/// Parameters of a query or a form.
pub type Fields<'f> = &'f [(&'f str, &'f str)];

/// An answer as curl shows it.
#[derive(Debug)]
pub struct CurlAnswer {
    /// Its status.
    pub status: u16,
    /// The lines of its head.
    pub head: String,
    /// Its body.
    pub body: String,
}

impl CurlAnswer {
    fn read(text: &str) -> Result<Self> {
        let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no answer: {text:?}"))?;
        // A large body is sent once the server asks for it.
        if head.starts_with("HTTP/1.1 100") {
            return Self::read(body);
        }
        let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        Ok(Self { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Where it leads.
    pub fn location(&self) -> Option<&str> {
        self.header("location")
    }

    /// Whether it leads to the sign-in page.
    pub fn asks_for_a_password(&self) -> bool {
        self.location().is_some_and(|to| path_of(to).starts_with(SIGN_IN))
    }

    /// The parameters that it sends on to the program at `redirect_uri`; none if it leads elsewhere.
    pub fn sent_to(&self, redirect_uri: &str) -> Option<Vec<(String, String)>> {
        let query = self.location()?.strip_prefix(redirect_uri)?.strip_prefix('?')?;
        Some(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Its body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{}: {}", self.status, self.body))
    }

    /// The name of the error that it says.
    pub fn error(&self) -> String {
        let named = self.json().ok().and_then(|body| Some(body["error"].as_str()?.to_owned()));
        named.unwrap_or_else(|| format!("none, but {}", self.status))
    }

    /// A token in it.
    pub fn token(&self, name: &str) -> Result<String> {
        let found = self.json()?[name].as_str().map(str::to_owned);
        found.with_context(|| format!("no {name}: {} {}", self.status, self.body))
    }
}

/// The value of a parameter.
pub fn value<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
    parameters.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// Parameters with some of them changed or added; one without a value is left out.
pub fn changed<'f>(fields: Fields<'f>, changes: Fields<'f>) -> Vec<(&'f str, &'f str)> {
    let kept = fields.iter().filter(|(name, _)| changes.iter().all(|(other, _)| other != name));
    kept.chain(changes.iter().filter(|(_, value)| !value.is_empty())).copied().collect()
}

/// A visitor of the web edge with a jar of cookies.
pub struct Visitor<'a> {
    site: &'a Installation,
    jar: tempfile::NamedTempFile,
    from: Option<String>,
}

impl<'a> Visitor<'a> {
    /// One without cookies.
    pub fn new(site: &'a Installation) -> Result<Self> {
        Ok(Self { site, jar: tempfile::NamedTempFile::new()?, from: None })
    }

    /// One without cookies who comes from this address.
    pub fn at(site: &'a Installation, address: Ipv4Addr) -> Result<Self> {
        Ok(Self { from: Some(address.to_string()), ..Self::new(site)? })
    }

    /// Asks for a path, with further arguments of curl.
    pub fn ask(&self, path: &str, arguments: &[&str]) -> Result<CurlAnswer> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--include", "--globoff", "--path-as-is", "--max-time", "30"]);
        command.arg("--cookie").arg(self.jar.path()).arg("--cookie-jar").arg(self.jar.path());
        if let Some(address) = &self.from {
            command.args(["--interface", address]);
        }
        let output = command.args(arguments).arg(format!("{}{path}", self.site.demo.web)).output().context("curl")?;
        CurlAnswer::read(&String::from_utf8_lossy(&output.stdout))
    }

    /// Asks for a path with a token.
    pub fn bearing(&self, path: &str, token: &str) -> Result<CurlAnswer> {
        // In lower case, as published clients send it.
        self.ask(path, &["--header", &format!("authorization: bearer {token}")])
    }

    /// Asks for a path with a query.
    pub fn query(&self, path: &str, fields: Fields<'_>) -> Result<CurlAnswer> {
        self.send(path, fields, &["--get"])
    }

    /// Posts a form, with further arguments of curl.
    pub fn post(&self, path: &str, fields: Fields<'_>, arguments: &[&str]) -> Result<CurlAnswer> {
        self.send(path, fields, &[&["--request", "POST"][..], arguments].concat())
    }

    fn send(&self, path: &str, fields: Fields<'_>, arguments: &[&str]) -> Result<CurlAnswer> {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let fields = fields.iter().flat_map(|field| ["--data-urlencode", field.as_str()]);
        self.ask(path, &arguments.iter().copied().chain(fields).collect::<Vec<_>>())
    }

    // === as a program ===

    /// Asks for a token as this client, which shows its secret by Basic.
    pub fn token_as(&self, client: &str, secret: &str, fields: Fields<'_>) -> Result<CurlAnswer> {
        self.post(TOKEN, fields, &["--user", &format!("{client}:{secret}")])
    }

    /// Asks for a token as the demo's client.
    pub fn token(&self, fields: Fields<'_>) -> Result<CurlAnswer> {
        let client = self.site.demo.clients.first().context("the demo has no client")?;
        self.token_as(&client.id, &client.secret, fields)
    }

    /// Redeems a code as the demo's client.
    pub fn redeem(&self, code: &str, verifier: &str) -> Result<CurlAnswer> {
        let grant = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
        self.token(&changed(&grant, &[("code_verifier", verifier)]))
    }

    /// Exchanges a refresh token as the demo's client.
    pub fn refresh(&self, token: &str) -> Result<CurlAnswer> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    /// Asks for a person's token by the password, as the demo's client.
    pub fn by_password(&self, user: &str, password: &str) -> Result<CurlAnswer> {
        self.token(&[("grant_type", "password"), ("username", user), ("password", password)])
    }

    /// Asks about a token as the demo's client.
    pub fn introspect(&self, token: &str) -> Result<CurlAnswer> {
        self.about("introspect", token)
    }

    /// Gives a token back as the demo's client.
    pub fn revoke(&self, token: &str) -> Result<CurlAnswer> {
        self.about("revoke", token)
    }

    fn about(&self, endpoint: &str, token: &str) -> Result<CurlAnswer> {
        let client = self.site.demo.clients.first().context("the demo has no client")?;
        self.about_as(&client.id, &client.secret, endpoint, token)
    }

    /// Posts a token to `introspect` or `revoke` as this client.
    pub fn about_as(&self, client: &str, secret: &str, endpoint: &str, token: &str) -> Result<CurlAnswer> {
        let login = format!("{client}:{secret}");
        self.post(&format!("/auth/v3/oauth/{endpoint}"), &[("token", token)], &["--user", &login])
    }

    // === as a browser ===

    /// Begins a sign-in with [`REQUEST`], changed.
    pub fn authorize(&self, changes: Fields<'_>) -> Result<CurlAnswer> {
        self.query(AUTHORIZE, &changed(&REQUEST, changes))
    }

    /// What the form of a page would send: where to, and the hidden fields.
    pub fn form(&self, page: &str) -> Result<(String, Vec<(String, String)>)> {
        let shown = self.ask(page, &[])?;
        ensure!(shown.status == 200, "{}: {}", shown.status, shown.body);
        let form = shown.body.split("<form").nth(1).and_then(|rest| rest.split('>').next()).context("no form")?;
        Ok((attribute(form, "action").context("the form leads nowhere")?, hidden_fields(&shown.body)))
    }

    /// Fills in the form of a page and sends it, with further arguments of curl.
    pub fn fill_in(&self, page: &str, user: &str, password: &str, arguments: &[&str]) -> Result<CurlAnswer> {
        let (action, hidden) = self.form(page)?;
        let hidden: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&action, &changed(&hidden, &[("username", user), ("password", password)]), arguments)
    }

    /// Fills in that form of a page which has `part` in it, and sends it.
    pub fn send_form(&self, page: &CurlAnswer, part: &str, fields: Fields<'_>) -> Result<CurlAnswer> {
        let mut forms = page.body.split("<form").skip(1).filter_map(|rest| rest.split("</form>").next());
        let form =
            forms.find(|form| form.contains(part)).with_context(|| format!("no form with {part}: {}", page.body))?;
        let (action, hidden) = (attribute(form, "action").context("the form leads nowhere")?, hidden_fields(form));
        let hidden: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&action, &changed(&hidden, fields), &[])
    }

    /// Signs in at the page, for no program.
    pub fn sign_in(&self, user: &str, password: &str) -> Result<CurlAnswer> {
        self.fill_in(SIGN_IN, user, password, &[])
    }

    /// The whole way of a browser with [`REQUEST`], changed: the parameters with which it comes back to the program.
    pub fn comes_back(&self, changes: Fields<'_>, user: &str, password: &str) -> Result<Vec<(String, String)>> {
        let request = changed(&REQUEST, changes);
        let back = request.iter().find(|(name, _)| *name == "redirect_uri").map_or(REDIRECT, |(_, uri)| *uri);
        let mut answer = self.query(AUTHORIZE, &request)?;
        for _ in 0..REDIRECTS_MAX {
            if let Some(parameters) = answer.sent_to(back) {
                return Ok(parameters);
            }
            let to = answer.location().with_context(|| format!("{} {}", answer.status, answer.body))?;
            answer = match answer.asks_for_a_password() {
                true => self.fill_in(&path_of(to), user, password, &[])?,
                false => self.ask(&path_of(to), &[])?,
            };
        }
        bail!("it goes on and on")
    }

    /// The code with which a browser comes back to the demo's program.
    pub fn code(&self, user: &str, password: &str) -> Result<String> {
        self.code_for(&[], user, password)
    }

    /// The code with which a browser comes back from [`REQUEST`], changed.
    pub fn code_for(&self, changes: Fields<'_>, user: &str, password: &str) -> Result<String> {
        let back = self.comes_back(changes, user, password)?;
        Ok(value(&back, "code").with_context(|| format!("no code in {back:?}"))?.to_owned())
    }

    // === the jar ===

    /// A cookie in the jar.
    pub fn cookie(&self, name: &str) -> Result<Option<String>> {
        let jar = fs::read_to_string(self.jar.path())?;
        let mut lines = jar.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let found = lines.find(|fields| fields.get(5) == Some(&name));
        Ok(found.and_then(|fields| Some((*fields.get(6)?).to_owned())))
    }

    /// Puts a cookie into the jar, as somebody could who has a way to the browser, in the place of all that are there.
    pub fn plant(&self, name: &str, value: &str) -> Result<()> {
        let host = self.site.demo.web.trim_start_matches("http://").split(':').next().unwrap_or_default();
        let line = format!("# Netscape HTTP Cookie File\n{host}\tFALSE\t/\tFALSE\t0\t{name}\t{value}\n");
        Ok(fs::write(self.jar.path(), line)?)
    }
}

/// The path and query of a redirect within the installation.
pub fn path_of(location: &str) -> String {
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]).to_owned(),
        None => location.to_owned(),
    }
}

/// An attribute of a tag of HTML.
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    let value = rest.split('"').next()?;
    let plain = [("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    Some(plain.iter().fold(value.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain)))
}

/// The hidden fields of a page's form.
fn hidden_fields(page: &str) -> Vec<(String, String)> {
    let inputs = page.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
    let hidden = inputs.filter(|tag| tag.contains("type=\"hidden\""));
    hidden.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_their_heads() {
        let location = format!("{REDIRECT}?code=a%26b&state=s1");
        let answer = CurlAnswer::read(&format!("HTTP/1.1 303 See Other\r\nLocation: {location}\r\n\r\n")).unwrap();
        assert_eq!((answer.status, answer.header("LOCATION").is_some()), (303, true));
        let sent = answer.sent_to(REDIRECT).unwrap();
        assert_eq!((value(&sent, "code"), value(&sent, "state"), value(&sent, "iss")), (Some("a&b"), Some("s1"), None));
        assert_eq!(answer.sent_to("http://127.0.0.1:9/other"), None);
    }

    #[test]
    fn forms_are_read_and_requests_changed() {
        let page = r#"<form method="post" action="/x?a=1&amp;b=%22"><input type="hidden" name="t" value="&lt;1&gt;"><input name="u">"#;
        assert_eq!(attribute(page, "action").as_deref(), Some("/x?a=1&b=%22"));
        assert_eq!(hidden_fields(page), [("t".to_owned(), "<1>".to_owned())]);
        assert_eq!(changed(&[("a", "1"), ("b", "2")], &[("b", ""), ("c", "3")]), [("a", "1"), ("c", "3")]);
        assert_eq!(path_of("http://127.0.0.1:8080/a?b"), "/a?b");
    }
}
