//! Certificates of the web edge that an ACME server issues: a server of the tests that connects back as an authority does, judged by curl
//! and openssl.

mod issuer;
mod jws;
mod server;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use issuer::shown_certificate;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use server::AcmeServer;
use testkit::authority::shake_hands;
use testkit::{Installation, wait};

use super::doctor::visit;

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(180);
/// The life of a certificate that is renewed within the test: after less than 27 s.
const SHORT: Duration = Duration::from_secs(40);
const LONG: Duration = Duration::from_secs(90 * 86_400);
const DOMAIN: &str = "edge.example";
const OTHER: &str = "desk.example";
const THIRD: &str = "page.example";
/// An account of the authority's own, and its key.
const KID: &str = "kid-of-acme";
const EXTERNAL_KEY: &[u8; 32] = b"32 bytes that nobody is to see..";
/// Bytes of a point on P-256, at the end of a public key.
const POINT_BYTES: usize = 65;

/// Where replicas of ingress answer HTTPS.
fn edge(instance: u8, replica: u8) -> String {
    format!("127.{instance}.0.{replica}:8443")
}

/// The settings that order for these domains there.
fn settings(server: &AcmeServer, domains: &[&str]) -> Vec<String> {
    let set = [
        format!("ingress.acme_directory={}", server.directory()),
        format!("ingress.acme_domains={domains:?}"),
        format!("ingress.acme_authorities={}", server.authority().display()),
        "ingress.acme_terms_agreed=true".to_owned(),
        "ingress.acme_contact=[\"mailto:edge@acme.example\"]".to_owned(),
        "ingress.acme_first_wait=1s".to_owned(),
    ];
    set.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// A site that orders at that server, whose domains lead to it.
fn site(server: &AcmeServer, further: &[&str], replicas: u8) -> Result<Installation> {
    Installation::start_numbered(|instance| {
        let edges: Vec<String> = (1..=replicas).map(|replica| edge(instance, replica)).collect();
        server.lead_to(&edges);
        let further = further.iter().map(|&argument| argument.to_owned());
        settings(server, &[DOMAIN]).into_iter().chain(further).collect()
    })
}

/// The certificate that a client is shown there who asks for that name.
fn served(edge: &str, name: &str, server: &AcmeServer) -> Result<String> {
    shown_certificate(&shake_hands(edge, &server.issuer(), &["-servername", name])?)
}

/// Whether a client that believes the issuer of the server, and nobody else, gets an answer.
fn is_believed(edge: &str, name: &str, server: &AcmeServer) -> Result<bool> {
    let status = Command::new("curl")
        .args(["--silent", "--max-time", "30", "--output", "/dev/null", "--fail", "--cacert"])
        .arg(server.issuer())
        .args(["--connect-to", &format!("::{edge}"), &format!("https://{name}/live")])
        .status()?;
    Ok(status.success())
}

/// The last certificate that the server has issued.
fn last_issued(server: &AcmeServer) -> Result<String> {
    shown_certificate(server.issued().last().context("nothing was issued")?)
}

/// Waits until every edge serves the last of that many certificates.
fn serves_issue(edges: &[String], server: &AcmeServer, count: usize) -> Result<()> {
    let looked = wait::until(LATER, || {
        if server.issued().len() < count {
            return Ok(None);
        }
        let last = last_issued(server)?;
        let mut serve = true;
        for edge in edges {
            serve &= served(edge, DOMAIN, server).is_ok_and(|shown| shown == last);
        }
        Ok(serve.then_some(()))
    });
    looked.with_context(|| format!("{} were issued", server.issued().len()))
}

#[test]
fn a_certificate_is_ordered_and_renewed_by_one_of_several_replicas_and_served_by_all() -> Result<()> {
    let server = AcmeServer::start(SHORT)?;
    server.ask_for_account(KID, EXTERNAL_KEY);
    let key = URL_SAFE_NO_PAD.encode(EXTERNAL_KEY);
    let (external, secret) =
        (format!("ingress.acme_external_account={KID}"), format!("ingress.acme_external_key={key}"));
    let further = ["--set", &external, "--set", &secret, "--set", "replicas.ingress=2"];
    let site = site(&server, &further, 2)?;
    let edges = [edge(site.demo.instance, 1), edge(site.demo.instance, 2)];
    ensure!(site.demo.webs == format!("https://{}", edges[0]), "{}", site.demo.webs);
    ensure!(site.demo.webs_ca.is_none(), "browsers need not be told whom to trust");
    serves_issue(&edges, &server, 1)?;
    let (count, first) = (server.issued().len(), last_issued(&server)?);
    wait::until(SOON, || Ok(is_believed(&edges[1], DOMAIN, &server)?.then_some(())))?;

    // Before its end another one takes its place, by the same account.
    serves_issue(&edges, &server, count + 1)?;
    ensure!(last_issued(&server)? != first, "the same again");
    ensure!(server.accounts() == 1, "{} accounts", server.accounts());
    let orders = |replica| site.metric_of("ingress", replica, "ingress_acme_orders_total");
    wait::until(SOON, || Ok((orders(1)? + orders(2)? >= 2.0).then_some(()))).context("the orders are not counted")?;
    ensure!(site.metric("ingress", "ingress_acme_next_order_seconds")? > 0.0);

    let sealed = std::fs::read(site.data_dir().join("acme-certificate.sealed"))?;
    ensure!(!sealed.windows(5).any(|part| part == b"BEGIN"), "the key lies open");
    ensure!(!site.log_lines().join("\n").contains(&key), "the key of the external account is in the log");
    Ok(())
}

#[test]
fn a_restart_orders_nothing_and_a_server_that_refuses_takes_nothing_away() -> Result<()> {
    let server = AcmeServer::start(LONG)?;
    let site = site(&server, &[], 1)?;
    let at = edge(site.demo.instance, 1);
    serves_issue(std::slice::from_ref(&at), &server, 1)?;
    let first = last_issued(&server)?;
    let sound = visit(&site, &words(&settings(&server, &[DOMAIN])))?;
    ensure!(!sound.has("certificates", "ingress.acme_directory"), "{:?}", sound.of("certificates"));

    let again = settings(&server, &[DOMAIN]);
    let site = site.crash_and_restart_with(&words(&again))?;
    // It has looked, and waits for the renewal.
    let knows = || Ok(site.metric("ingress", "ingress_acme_next_order_seconds").ok().filter(|at| *at > 0.0));
    wait::until(SOON, knows).context("it does not know when to order next")?;
    ensure!(served(&at, DOMAIN, &server)? == first, "another certificate is served after a restart");
    ensure!(server.issued().len() == 1, "a restart orders");

    // The settings name one more domain, and the server refuses.
    server.refuse(true);
    let more = settings(&server, &[DOMAIN, OTHER]);
    let site = site.crash_and_restart_with(&words(&more))?;
    wait::until(LATER, || Ok((server.refused() >= 3).then_some(()))).context("it does not try again")?;
    ensure!(served(&at, DOMAIN, &server)? == first && is_believed(&at, DOMAIN, &server)?, "the one before is gone");
    wait::until(SOON, || Ok((site.metric("ingress", "ingress_acme_failing")? > 0.5).then_some(())))?;
    let told = || site.log_lines().into_iter().find(|line| line.contains("no certificate was issued"));
    let line = wait::until(SOON, || Ok(told()))?;
    ensure!(line.contains("not today") && line.contains("remedy"), "{line}");
    let failing = visit(&site, &words(&more))?;
    ensure!(failing.has("certificates", "the last order has failed"), "{:?}", failing.of("certificates"));
    ensure!(failing.has("certificates", "not yet the one that the settings want"), "{:?}", failing.of("certificates"));

    // Once it does not refuse any more, both names are served.
    server.refuse(false);
    serves_issue(std::slice::from_ref(&at), &server, 2)?;
    ensure!(is_believed(&at, OTHER, &server)? && is_believed(&at, DOMAIN, &server)?);
    ensure!(server.accounts() == 1, "{} accounts", server.accounts());
    site.metric_becomes("ingress", "ingress_acme_failing", 0.0, SOON)
}

#[test]
fn whose_domain_leads_elsewhere_gets_no_certificate() -> Result<()> {
    let server = AcmeServer::start(LONG)?;
    let site = Installation::start_numbered(|instance| {
        // Another listener of the same installation, which knows nothing of challenges.
        server.lead_to(&[format!("127.{instance}.0.1:5061")]);
        settings(&server, &[DOMAIN])
    })?;
    let told = || site.log_lines().into_iter().find(|line| line.contains("no certificate was issued"));
    let line = wait::until(LATER, || Ok(told()))?;
    ensure!(line.contains("acme-tls/1") && line.contains("port 443"), "{line}");
    ensure!(server.issued().is_empty(), "it was issued");
    // One of its own making stands in.
    let shown = served(&edge(site.demo.instance, 1), DOMAIN, &server)?;
    ensure!(!shown.is_empty() && !is_believed(&edge(site.demo.instance, 1), DOMAIN, &server)?);
    Ok(())
}

#[test]
fn what_was_issued_and_could_not_be_fetched_is_fetched_later_and_not_ordered_again() -> Result<()> {
    let server = AcmeServer::start(LONG)?;
    server.process_for(2);
    server.hang_up(true);
    let site = site(&server, &[], 1)?;
    let at = edge(site.demo.instance, 1);
    wait::until(LATER, || Ok((server.hung_up() >= 2).then_some(()))).context("it does not try again")?;
    let again = settings(&server, &[DOMAIN]);
    let site = site.crash_and_restart_with(&words(&again))?;
    let before = server.hung_up();
    wait::until(LATER, || Ok((server.hung_up() > before).then_some(()))).context("a crash ends the tries")?;
    server.hang_up(false);
    serves_issue(std::slice::from_ref(&at), &server, 1)?;
    ensure!(is_believed(&at, DOMAIN, &server)?);
    ensure!((server.orders(), server.issued().len()) == (1, 1), "{} orders", server.orders());
    let requested = site.data_dir().join("acme-requested.sealed");
    wait::until(SOON, || Ok((!requested.exists()).then_some(()))).context("the key of the request lies about")?;
    site.metric_becomes("ingress", "ingress_acme_failing", 0.0, SOON)
}

#[test]
fn an_account_that_the_server_has_lost_or_ended_is_made_anew() -> Result<()> {
    let server = AcmeServer::start(LONG)?;
    let site = site(&server, &[], 1)?;
    let at = edge(site.demo.instance, 1);
    serves_issue(std::slice::from_ref(&at), &server, 1)?;
    server.lose_accounts();
    let more = settings(&server, &[DOMAIN, OTHER]);
    let site = site.crash_and_restart_with(&words(&more))?;
    serves_issue(std::slice::from_ref(&at), &server, 2)?;
    ensure!(server.accounts() == 2, "{} accounts", server.accounts());
    server.end_accounts();
    let more = settings(&server, &[DOMAIN, OTHER, THIRD]);
    let _site = site.crash_and_restart_with(&words(&more))?;
    serves_issue(std::slice::from_ref(&at), &server, 3)?;
    ensure!(server.accounts() == 3, "{} accounts", server.accounts());
    is_believed(&at, THIRD, &server)?.then_some(()).context("the third name is missing")
}

/// What `trunkline certificates order` says.
fn order_at_once(site: &Installation, settings: &[String]) -> Result<String> {
    let output = Command::new(testkit::installation::binary()?)
        .args(["certificates", "order", "--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .args(settings)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn people_can_have_it_ordered_at_once_unless_the_server_has_asked_to_wait() -> Result<()> {
    let server = AcmeServer::start(LONG)?;
    server.refuse(true);
    let long = ["--set", "ingress.acme_first_wait=1h"];
    let site = site(&server, &long, 1)?;
    let all: Vec<String> = settings(&server, &[DOMAIN]).into_iter().chain(long.map(str::to_owned)).collect();
    wait::until(LATER, || Ok((server.refused() == 1).then_some(()))).context("it is not ordered")?;
    site.metric_becomes("ingress", "ingress_acme_failing", 1.0, SOON)?;
    // The answer to the first one has to be kept before it can be done away with.
    let told = || site.log_lines().into_iter().find(|line| line.contains("no certificate was issued"));
    wait::until(SOON, || Ok(told()))?;
    server.ask_to_wait(7_200);
    let asked = wait::until(LATER, || Ok(order_at_once(&site, &all)?.contains("asked to wait").then_some(())));
    asked.context("a wait of ours does not end, or one of the server does")?;
    let refused = server.refused();
    ensure!(refused >= 2, "nothing was ordered at once");

    // Nor does another contact end it.
    server.refuse(false);
    let contact = ["--set".to_owned(), "ingress.acme_contact=[\"mailto:other@acme.example\"]".to_owned()];
    let all: Vec<String> = all.into_iter().chain(contact).collect();
    let site = site.crash_and_restart_with(&words(&all))?;
    let knows = || Ok(site.metric("ingress", "ingress_acme_next_order_seconds").ok().filter(|at| *at > 0.0));
    wait::until(SOON, knows).context("it does not know when to order next")?;
    ensure!(order_at_once(&site, &all)?.contains("asked to wait"), "another contact ends the wait");
    ensure!((server.refused(), server.orders()) == (refused, 0), "{} orders", server.orders());
    Ok(())
}

// === the server of these tests ===

/// A key that signs requests, and how a server is told it.
struct ClientKey {
    signs: EncodingKey,
    jwk: Value,
}

impl ClientKey {
    fn new() -> Result<Self> {
        let pem = jws::openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &[])?;
        let public = jws::openssl(&["pkey", "-pubout", "-outform", "DER"], &pem)?;
        let point = &public[public.len().checked_sub(POINT_BYTES).context("no point")?..];
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": part(&point[1..33]), "y": part(&point[33..]) });
        Ok(Self { signs: EncodingKey::from_ec_pem(&pem)?, jwk })
    }
}

/// A client of the server by curl.
struct CurlClient<'a> {
    server: &'a AcmeServer,
}

impl CurlClient<'_> {
    fn base(&self) -> String {
        self.server.directory().replace("/directory", "")
    }

    /// The head and the body of an answer.
    fn ask(&self, arguments: &[&str], path: &str) -> Result<String> {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--include", "--max-time", "30", "--cacert"])
            .arg(self.server.authority())
            .args(arguments)
            .arg(format!("{}{path}", self.base()))
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "curl {arguments:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    fn nonce(&self) -> Result<String> {
        let head = self.ask(&["--head"], "/nonce")?;
        let nonce = head.lines().find_map(|line| line.strip_prefix("Replay-Nonce: "));
        Ok(nonce.context("no nonce")?.trim().to_owned())
    }

    /// A request for an account, signed with that key, for that address.
    fn account(&self, key: &ClientKey, signed_by: &ClientKey, nonce: &str, path: &str) -> Result<Value> {
        let header = json!({ "alg": "ES256", "jwk": key.jwk, "nonce": nonce, "url": format!("{}{path}", self.base()) });
        jws::signed(&signed_by.signs, &header, &json!({ "termsOfServiceAgreed": true }))
    }

    fn post(&self, request: &Value, path: &str) -> Result<String> {
        self.ask(&["--header", "Content-Type: application/jose+json", "--data", &request.to_string()], path)
    }
}

#[test]
fn the_server_of_these_tests_believes_nothing_that_is_forged_changed_or_repeated() -> Result<()> {
    let server = AcmeServer::start(LONG)?;
    let client = CurlClient { server: &server };
    let (own, other) = (ClientKey::new()?, ClientKey::new()?);
    let nonce = client.nonce()?;
    let good = client.account(&own, &own, &nonce, "/account")?;
    let made = client.post(&good, "/account")?;
    ensure!(made.starts_with("HTTP/1.1 201"), "{made}");
    let repeated = client.post(&good, "/account")?;
    ensure!(repeated.contains("badNonce"), "{repeated}");
    let forged = client.account(&own, &other, &client.nonce()?, "/account")?;
    ensure!(client.post(&forged, "/account")?.contains("unauthorized"), "a forged request is taken");
    let astray = client.account(&own, &own, &client.nonce()?, "/order")?;
    ensure!(client.post(&astray, "/account")?.contains("another address"), "a request for elsewhere is taken");
    let mut changed = client.account(&own, &own, &client.nonce()?, "/account")?;
    changed["payload"] = json!(URL_SAFE_NO_PAD.encode(r#"{"termsOfServiceAgreed":true,"contact":[]}"#));
    ensure!(client.post(&changed, "/account")?.contains("unauthorized"), "a changed request is taken");
    ensure!(server.accounts() == 1, "{} accounts", server.accounts());
    server.ask_for_account(KID, EXTERNAL_KEY);
    let unbound = client.account(&own, &own, &client.nonce()?, "/account")?;
    ensure!(client.post(&unbound, "/account")?.contains("externalAccountRequired"), "it is bound to nothing");
    Ok(())
}
