//! The web edge by HTTPS, judged by curl and openssl: both versions of HTTP, certificates, headers of answers, who asks.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::authority::first_answer;
use testkit::{Authority, Installation, wait};

use super::secure::subjects;

/// The log comes by a pipe.
const SOON: Duration = Duration::from_secs(45);
/// Files are looked at every 5 s.
const RENEWED_WITHIN: Duration = Duration::from_secs(90);
/// More connections than a browser opens, by far.
const STUCK: usize = 100;
const DISCOVERY: &str = "/auth/v3/.well-known/openid-configuration";

/// An answer as curl shows it.
pub(crate) struct WebAnswer {
    /// `HTTP/2 200`, without what may follow.
    pub(crate) status: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl WebAnswer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

pub(crate) fn curl(arguments: &[&str]) -> Result<WebAnswer> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--max-time", "30"])
        .args(arguments)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "curl {arguments:?}: {said}");
    let text = String::from_utf8(output.stdout)?;
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no answer: {text:?}"))?;
    let status = head.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Ok(WebAnswer { status, head: head.to_owned(), body: body.to_owned() })
}

/// The certificate of our own making, as `demo.json` tells it.
fn own_certificate(site: &Installation) -> Result<String> {
    let path = site.demo.webs_ca.as_ref().context("demo.json tells no certificate")?;
    let text = fs::read_to_string(path)?;
    ensure!(text.contains("BEGIN CERTIFICATE") && !text.contains("PRIVATE KEY"), "it has more than a certificate");
    Ok(path.display().to_string())
}

#[test]
fn pages_and_sign_in_come_by_https_in_both_versions_of_http() -> Result<()> {
    let site = Installation::start()?;
    let trusted = own_certificate(&site)?;
    let page = format!("{}{DISCOVERY}", site.demo.webs);
    for (version, status) in [("--http2", "HTTP/2 200"), ("--http1.1", "HTTP/1.1 200")] {
        let answer = curl(&["--cacert", &trusted, version, "--header", "X-Request-Id: order-7", &page])?;
        ensure!(answer.status == status, "{version}: {}", answer.head);
        let issuer = format!("\"{}/auth/v3\"", site.demo.webs);
        ensure!(answer.body.contains(&issuer), "{issuer} is not the issuer: {}", answer.body);
        ensure!(answer.header("x-request-id") == Some("order-7"), "{}", answer.head);
        ensure!(answer.header("strict-transport-security").is_some(), "{}", answer.head);
        ensure!(answer.header("x-content-type-options") == Some("nosniff"), "{}", answer.head);
        ensure!(answer.header("content-security-policy").is_some_and(|policy| policy.contains("frame-ancestors")));
    }
    // A refusal has them too, and an id that is none is replaced.
    let refused =
        curl(&["--cacert", &trusted, "--header", "X-Request-Id: a b", &format!("{}/pulse/x", site.demo.webs)])?;
    ensure!(refused.status == "HTTP/2 401" && refused.header("referrer-policy").is_some(), "{}", refused.head);
    ensure!(refused.header("x-request-id").is_some_and(|id| id != "a b"), "{}", refused.head);

    // A name that no certificate has is answered with the first one.
    let place = site.demo.webs.trim_start_matches("https://");
    let elsewhere = curl(&["--insecure", "--connect-to", &format!("::{place}"), "https://other.example/live"])?;
    ensure!(elsewhere.status == "HTTP/2 200", "{}", elsewhere.head);
    // Who has come by another name signs in at the edge's own: cookies of one are not sent to the other.
    let sign_in = "https://localhost/session/sign-in?to=/trace&tenant=example";
    let alias = curl(&["--insecure", "--connect-to", &format!("::{place}"), sign_in])?;
    let own = format!("{}/session/sign-in?to=%2Ftrace&tenant=example", site.demo.webs);
    ensure!(alias.header("location") == Some(own.as_str()), "{}", alias.head);
    ensure!(alias.header("set-cookie").is_none(), "{}", alias.head);
    // The name may say the tenant: where nothing else does, it goes along.
    let unnamed = "https://localhost/session/sign-in?to=/trace";
    let alias = curl(&["--insecure", "--connect-to", &format!("::{place}"), unnamed])?;
    let carried = format!("{}/session/sign-in?to=%2Ftrace&host=localhost", site.demo.webs);
    ensure!(alias.header("location") == Some(carried.as_str()), "{}", alias.head);
    let begun = curl(&["--cacert", &trusted, &own])?;
    ensure!(begun.header("set-cookie").is_some_and(|cookie| cookie.starts_with("__Host-")), "{}", begun.head);

    // Without TLS, on this machine, it is as ever.
    let plain = curl(&[&format!("{}{DISCOVERY}", site.demo.web)])?;
    ensure!(plain.status == "HTTP/1.1 200" && plain.header("strict-transport-security").is_none(), "{}", plain.head);
    Ok(())
}

#[test]
fn a_phones_web_socket_opens_by_https_and_stuck_handshakes_keep_nobody_away() -> Result<()> {
    let site = Installation::start()?;
    let trusted = own_certificate(&site)?;
    let place = site.demo.webs.trim_start_matches("https://");
    let stuck: Vec<TcpStream> = (0..STUCK).map(|_| TcpStream::connect(place)).collect::<Result<_, _>>()?;
    let opening = format!(
        "GET /sip HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    );
    let answer = first_answer(place, Path::new(&trusted), &["-verify_return_error"], &opening)?;
    ensure!(answer.as_deref() == Some("HTTP/1.1 101 Switching Protocols"), "{answer:?}");
    let live = format!("{}/live", site.demo.webs);
    let page = curl(&["--cacert", &trusted, &live])?;
    ensure!(page.status == "HTTP/2 200", "{}", page.head);
    // TLS before 1.2 is not spoken, and what is no TLS is not answered.
    let old = curl(&["--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0", "--insecure", &live]);
    ensure!(old.is_err(), "TLS 1.1 is spoken");
    ensure!(curl(&[&format!("http://{place}/live")]).is_err(), "HTTP is spoken where TLS is due");
    drop(stuck);
    Ok(())
}

#[test]
fn a_replaced_certificate_is_served_without_a_restart() -> Result<()> {
    let (before, after) = (Authority::new()?, Authority::new()?);
    let file = before.issue("web", &subjects(), 30)?;
    let certificates = format!("ingress.certificates=[{:?}]", file.display().to_string());
    let site = Installation::start_with(&["--set", &certificates])?;
    ensure!(site.demo.webs_ca.is_none(), "no certificate of our own is in use");
    let live = format!("{}/live", site.demo.webs);
    let verified_by = |authority: &Authority| {
        curl(&["--cacert", &authority.certificate().display().to_string(), &live]).map(|answer| answer.status)
    };
    ensure!(verified_by(&before)? == "HTTP/2 200");
    ensure!(verified_by(&after).is_err(), "it is not this authority's yet");
    let renewed = after.issue("web", &subjects(), 30)?;
    let beside = file.with_extension("new");
    fs::copy(renewed, &beside)?;
    fs::rename(beside, &file)?;
    wait::until(RENEWED_WITHIN, || Ok(verified_by(&after).ok())).context("the new certificate is not served")?;
    let ends = site.metric("ingress", "ingress_certificate_ends_seconds")?;
    ensure!(ends > 0.0, "{ends}");
    Ok(())
}

/// The line of the access log about a request.
pub(crate) fn logged(site: &Installation, id: &str) -> Result<String> {
    let found = || site.log().into_iter().find(|line| line.contains("\"access\"") && line.contains(id));
    wait::until(SOON, || Ok(found())).with_context(|| format!("no line about {id}"))
}

#[test]
fn a_web_server_that_is_named_says_who_asks_and_a_stranger_does_not() -> Result<()> {
    let log = ["--set", "ingress.access_log=true"];
    let named = ["--set", "ingress.trusted_proxies=[\"127.0.0.0/8\"]"];
    let site = Installation::start_with(&[&log[..], &named[..]].concat())?;
    let ask = |site: &Installation, id: &str| {
        let id = format!("X-Request-Id: {id}");
        let headers = ["X-Forwarded-For: 198.51.100.1, 203.0.113.7", "X-Forwarded-Proto: https", id.as_str()];
        let headers: Vec<&str> = headers.into_iter().flat_map(|header| ["--header", header]).collect();
        let secret = ["--header", "Authorization: Bearer not-for-the-log", "--cookie", "session=nor-this"];
        let page = format!("{}/pulse/api/v1/example/wallboard?key=nor-that", site.demo.web);
        curl(&[&headers[..], &secret[..], &[page.as_str()]].concat())
    };
    let answer = ask(&site, "by-proxy")?;
    ensure!(answer.header("strict-transport-security").is_some(), "it came by TLS, as the proxy says: {}", answer.head);
    let line = logged(&site, "by-proxy")?;
    ensure!(line.contains("203.0.113.7") && line.contains("\"https\"") && line.contains("401"), "{line}");
    ensure!(line.contains("/pulse/api/v1/example/wallboard"), "{line}");
    let log_text = site.log().join("\n");
    for secret in ["not-for-the-log", "nor-this", "nor-that"] {
        ensure!(!log_text.contains(secret), "{secret} is in the log");
    }
    drop(site);

    let site = Installation::start_with(&log)?;
    let answer = ask(&site, "by-stranger")?;
    ensure!(answer.header("strict-transport-security").is_none(), "{}", answer.head);
    let line = logged(&site, "by-stranger")?;
    ensure!(!line.contains("203.0.113.7") && line.contains("\"127.") && line.contains("\"http\""), "{line}");
    let counted = site.metric("ingress", "ingress_requests_total")?;
    ensure!(counted >= 1.0, "{counted}");
    Ok(())
}
