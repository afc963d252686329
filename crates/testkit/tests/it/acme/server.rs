//! An ACME server that a test runs (RFC 8555): as small as one can be; it believes nothing that is not signed, fresh and for its address.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use testkit::Authority;

use super::issuer::{TestIssuer, look_at};
use super::jws::{SignedRequest, SignersKey};

/// A client that says nothing holds nobody up.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// The server. It ends with the test.
pub(super) struct AcmeServer {
    shared: Arc<ServerShared>,
    /// Vouches for the server's own TLS.
    authority: Authority,
}

struct ServerShared {
    base: String,
    issuer: TestIssuer,
    state: Mutex<ServerState>,
}

/// What it knows, and how it behaves.
#[derive(Default)]
struct ServerState {
    nonces: HashSet<String>,
    made: usize,
    accounts: BTreeMap<String, SignersKey>,
    accounts_made: usize,
    /// Accounts that it has ended (RFC 8555 section 7.3.6).
    ended: HashSet<String>,
    orders: Vec<OrderAtTest>,
    issued: Vec<String>,
    /// Requests that were answered by the refusal.
    refused: usize,
    /// Where the domains lead: to all of these.
    edges: Vec<String>,
    life: Duration,
    /// The id and key of the account that it asks for (RFC 8555 section 7.3.4).
    external: Option<(String, Vec<u8>)>,
    is_refusing: bool,
    /// For how long whoever is refused has to wait, in seconds.
    asked_wait: Option<u64>,
    /// How often an order is asked for after its request until it is issued.
    processing: usize,
    /// Whether it hangs up on whoever fetches a certificate.
    is_hanging_up: bool,
    /// How often it has.
    hung_up: usize,
}

struct OrderAtTest {
    account: String,
    domains: Vec<String>,
    /// Those that have been proved.
    proved: HashSet<usize>,
    failed: Option<String>,
    certificate: Option<String>,
    /// How often it is asked for until that is known.
    processing: usize,
}

/// An answer: status, where something is that was made, body.
struct AcmeAnswer {
    status: &'static str,
    location: Option<String>,
    body: String,
}

/// A refusal: status and type of the problem (RFC 8555 section 6.7), and why.
struct AcmeRefusal(&'static str, &'static str, String);

type Answered = Result<AcmeAnswer, AcmeRefusal>;

fn malformed(why: impl ToString) -> AcmeRefusal {
    AcmeRefusal("400 Bad Request", "malformed", why.to_string())
}

fn unauthorized(why: &str) -> AcmeRefusal {
    AcmeRefusal("403 Forbidden", "unauthorized", why.to_owned())
}

fn shown(status: &'static str, location: Option<String>, body: &Value) -> Answered {
    Ok(AcmeAnswer { status, location, body: body.to_string() })
}

impl AcmeServer {
    /// Listens on this machine; its certificates are valid for that time.
    pub fn start(life: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let base = format!("https://{}", listener.local_addr()?);
        let authority = Authority::new()?;
        let tls = Arc::new(own_tls(&fs::read(authority.issue("acme", "IP:127.0.0.1", 30)?)?)?);
        let state = Mutex::new(ServerState { life, ..ServerState::default() });
        let shared = Arc::new(ServerShared { base, issuer: TestIssuer::new()?, state });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (serving, tls) = (serving.clone(), tls.clone());
                // Whoever goes away in between gets no answer.
                std::thread::spawn(move || drop(serve(&serving, tls, stream)));
            }
        });
        Ok(Self { shared, authority })
    }

    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.shared.state()
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("{}/directory", self.shared.base)
    }

    /// The file of who vouches for its TLS.
    pub fn authority(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// The file of the issuer of its certificates.
    pub fn issuer(&self) -> PathBuf {
        self.shared.issuer.certificate()
    }

    /// All domains lead there, by whichever of these addresses.
    pub fn lead_to(&self, edges: &[String]) {
        self.state().edges = edges.to_vec();
    }

    /// Asks for that account of the authority's own.
    pub fn ask_for_account(&self, kid: &str, key: &[u8]) {
        self.state().external = Some((kid.to_owned(), key.to_vec()));
    }

    /// Whether it refuses whatever is ordered from now on.
    pub fn refuse(&self, is_refusing: bool) {
        self.state().is_refusing = is_refusing;
    }

    /// How many orders it has refused so.
    pub fn refused(&self) -> usize {
        self.state().refused
    }

    /// Chains that it has issued.
    pub fn issued(&self) -> Vec<String> {
        self.state().issued.clone()
    }

    /// How many accounts it has made.
    pub fn accounts(&self) -> usize {
        self.state().accounts_made
    }

    /// Forgets all accounts.
    pub fn lose_accounts(&self) {
        self.state().accounts.clear();
    }

    /// Ends all accounts.
    pub fn end_accounts(&self) {
        let mut state = self.state();
        state.ended = state.accounts.keys().cloned().collect();
    }

    /// Whoever is refused has to wait for so many seconds.
    pub fn ask_to_wait(&self, seconds: u64) {
        self.state().asked_wait = Some(seconds);
    }

    /// Whatever is ordered is issued only once it was asked for that often.
    pub fn process_for(&self, polls: usize) {
        self.state().processing = polls;
    }

    /// Whether it hangs up on whoever fetches a certificate.
    pub fn hang_up(&self, is_hanging_up: bool) {
        self.state().is_hanging_up = is_hanging_up;
    }

    /// How often it has hung up.
    pub fn hung_up(&self) -> usize {
        self.state().hung_up
    }

    /// How many orders it has.
    pub fn orders(&self) -> usize {
        self.state().orders.len()
    }
}

fn own_tls(pem: &[u8]) -> Result<ServerConfig> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(pem)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(tls.with_no_client_auth().with_single_cert(chain, key)?)
}

// === HTTP ===

/// Answers the only request of a connection.
fn serve(shared: &ServerShared, tls: Arc<ServerConfig>, stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(READ_WITHIN))?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(tls)?, stream));
    let mut head = String::new();
    while stream.read_line(&mut head)? > 2 {}
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or_default()];
    stream.read_exact(&mut body)?;
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if path.starts_with("/certificate/") && shared.state().is_hanging_up {
        shared.state().hung_up += 1;
        return Ok(());
    }
    let (status, location, body) = match shared.answer(method, path, &body) {
        Ok(answer) => (answer.status, answer.location, answer.body),
        Err(AcmeRefusal(status, kind, why)) => {
            let problem = json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": why });
            (status, None, problem.to_string())
        }
    };
    let location = location.map(|location| format!("Location: {location}\r\n")).unwrap_or_default();
    let wait = shared.state().asked_wait.filter(|_| status.starts_with("503"));
    let wait = wait.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
    let (nonce, length) = (shared.state().new_nonce(), body.len());
    let body = if method == "HEAD" { String::new() } else { body };
    let answer = format!(
        "HTTP/1.1 {status}\r\n{location}{wait}Replay-Nonce: {nonce}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let stream = stream.get_mut();
    stream.write_all(answer.as_bytes())?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}

impl ServerState {
    fn new_nonce(&mut self) -> String {
        self.made += 1;
        let nonce = URL_SAFE_NO_PAD.encode(format!("nonce {}", self.made));
        self.nonces.insert(nonce.clone());
        nonce
    }
}

// === ACME ===

impl ServerShared {
    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, method: &str, path: &str, body: &[u8]) -> Answered {
        let base = &self.base;
        match (method, path) {
            ("GET", "/directory") => shown(
                "200 OK",
                None,
                &json!({
                    "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"),
                    "newOrder": format!("{base}/order"), "revokeCert": format!("{base}/revoke"),
                    "keyChange": format!("{base}/key"), "meta": { "termsOfService": format!("{base}/terms") },
                }),
            ),
            ("HEAD", "/nonce") => shown("200 OK", None, &json!({})),
            ("POST", _) => {
                let request = SignedRequest::read(body).map_err(malformed)?;
                self.check_freshness(&request, path)?;
                if path == "/account" { self.new_account(&request) } else { self.signed(&request, path) }
            }
            _ => Err(AcmeRefusal("404 Not Found", "malformed", format!("there is no {path}"))),
        }
    }

    /// A request counts once, and where it was meant to go (RFC 8555 sections 6.4 and 6.5).
    fn check_freshness(&self, request: &SignedRequest, path: &str) -> Result<(), AcmeRefusal> {
        if !request.field("nonce").is_some_and(|nonce| self.state().nonces.remove(nonce)) {
            return Err(AcmeRefusal(
                "400 Bad Request",
                "badNonce",
                "the nonce is none of ours, or was used".to_owned(),
            ));
        }
        if request.field("url") != Some(format!("{}{path}", self.base).as_str()) {
            return Err(unauthorized("it is signed for another address"));
        }
        Ok(())
    }

    fn new_account(&self, request: &SignedRequest) -> Answered {
        let key = SignersKey::read(&request.header["jwk"]).map_err(malformed)?;
        if request.field("kid").is_some() || !request.is_of(&key) {
            return Err(unauthorized("its signature is not by the key in it"));
        }
        let asked = request.json().map_err(malformed)?;
        if asked["termsOfServiceAgreed"] != json!(true) {
            return Err(AcmeRefusal("403 Forbidden", "userActionRequired", "nobody agrees to the terms".to_owned()));
        }
        let mut state = self.state();
        if let Some((kid, secret)) = &state.external {
            let binding = SignedRequest::of(&asked["externalAccountBinding"]);
            let url = format!("{}/account", self.base);
            if !binding.is_ok_and(|binding| binding.binds(&key, kid, secret, &url)) {
                let why = "it is bound to no account of ours".to_owned();
                return Err(AcmeRefusal("403 Forbidden", "externalAccountRequired", why));
            }
        }
        let account = format!("{}/account/{}", self.base, state.accounts_made);
        state.accounts_made += 1;
        state.accounts.insert(account.clone(), key);
        shown("201 Created", Some(account), &json!({ "status": "valid" }))
    }

    /// A request of an account.
    fn signed(&self, request: &SignedRequest, path: &str) -> Answered {
        let kid = request.field("kid").ok_or_else(|| malformed("there is no kid"))?.to_owned();
        let key = self.state().accounts.get(&kid).cloned();
        let Some(key) = key else {
            return Err(AcmeRefusal("400 Bad Request", "accountDoesNotExist", "there is no such account".to_owned()));
        };
        if !request.header["jwk"].is_null() || !request.is_of(&key) {
            return Err(unauthorized("its signature is not by the account's key"));
        }
        if self.state().ended.contains(&kid) {
            return Err(unauthorized("the account is deactivated"));
        }
        if format!("{}{path}", self.base) == kid {
            return shown("200 OK", None, &json!({ "status": "valid" }));
        }
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let number = |at: usize| parts.get(at).and_then(|part| part.parse::<usize>().ok()).unwrap_or(usize::MAX);
        if parts == ["order"] {
            return self.new_order(request, kid);
        }
        let is_own = self.state().orders.get(number(1)).is_some_and(|order| order.account == kid);
        if !is_own {
            return Err(unauthorized("it is nothing of this account"));
        }
        match (parts[0], parts.get(2).copied()) {
            ("order", None) => self.order(number(1), "200 OK"),
            ("order", Some("finalize")) => self.finalize(number(1), request),
            ("authorization", _) => self.authorization(number(1), number(2), &key),
            ("challenge", _) => self.challenge(number(1), number(2), &key),
            ("certificate", None) => {
                let chain = self.state().orders[number(1)].certificate.clone();
                let body = chain.ok_or_else(|| malformed("nothing was issued"))?;
                Ok(AcmeAnswer { status: "200 OK", location: None, body })
            }
            _ => Err(malformed(format!("there is no {path}"))),
        }
    }

    fn new_order(&self, request: &SignedRequest, account: String) -> Answered {
        let asked = request.json().map_err(malformed)?;
        let named = asked["identifiers"].as_array().into_iter().flatten();
        let domains: Vec<String> = named
            .filter(|identifier| identifier["type"] == "dns")
            .filter_map(|identifier| identifier["value"].as_str().map(str::to_owned))
            .collect();
        let mut state = self.state();
        if state.is_refusing {
            state.refused += 1;
            let why = "not today".to_owned();
            return Err(AcmeRefusal("503 Service Unavailable", "serverInternal", why));
        }
        let proved = HashSet::new();
        let order = OrderAtTest { account, domains, proved, failed: None, certificate: None, processing: 0 };
        state.orders.push(order);
        let number = state.orders.len() - 1;
        drop(state);
        self.order(number, "201 Created")
    }

    fn order(&self, number: usize, status: &'static str) -> Answered {
        let (base, mut state) = (&self.base, self.state());
        let order = &mut state.orders[number];
        let is_processing = order.processing > 0;
        order.processing = order.processing.saturating_sub(1);
        let standing = match &*order {
            _ if is_processing => "processing",
            OrderAtTest { certificate: Some(_), .. } => "valid",
            OrderAtTest { failed: Some(_), .. } => "invalid",
            order if order.proved.len() == order.domains.len() => "ready",
            _ => "pending",
        };
        let authorizations: Vec<String> =
            (0..order.domains.len()).map(|at| format!("{base}/authorization/{number}/{at}")).collect();
        let mut body = json!({
            "status": standing, "authorizations": authorizations,
            "identifiers": order.domains.iter().map(|domain| json!({ "type": "dns", "value": domain })).collect::<Vec<_>>(),
            "finalize": format!("{base}/order/{number}/finalize"),
        });
        if order.certificate.is_some() && !is_processing {
            body["certificate"] = json!(format!("{base}/certificate/{number}"));
        }
        shown(status, Some(format!("{base}/order/{number}")), &body)
    }

    fn authorization(&self, number: usize, at: usize, key: &SignersKey) -> Answered {
        let domain = self.domain(number, at)?;
        let challenge = self.challenge_shown(number, at, key)?;
        // A server has several, of which the client takes the one that it can answer.
        let other = json!({ "type": "http-01", "status": "pending", "token": "x", "url": format!("{}/no", self.base) });
        let identifier = json!({ "type": "dns", "value": domain });
        let body = json!({ "identifier": identifier, "status": challenge["status"], "challenges": [other, challenge] });
        shown("200 OK", None, &body)
    }

    /// Looks at the answer to a challenge, by each address to which the domain leads.
    fn challenge(&self, number: usize, at: usize, key: &SignersKey) -> Answered {
        let domain = self.domain(number, at)?;
        let (edges, key_authorization) = (self.state().edges.clone(), key_authorization(number, at, key));
        let look = |edge: &String| look_at(edge, &domain, &key_authorization, &self.issuer.certificate());
        let looked = edges.iter().try_for_each(look);
        let mut state = self.state();
        match looked {
            Ok(()) if !edges.is_empty() => {
                state.orders[number].proved.insert(at);
            }
            Ok(()) => state.orders[number].failed = Some(format!("{domain} leads nowhere")),
            Err(error) => state.orders[number].failed = Some(format!("{error:#}")),
        }
        drop(state);
        shown("200 OK", None, &self.challenge_shown(number, at, key)?)
    }

    fn challenge_shown(&self, number: usize, at: usize, key: &SignersKey) -> Result<Value, AcmeRefusal> {
        let state = self.state();
        let order = state.orders.get(number).ok_or_else(|| malformed("no order"))?;
        let status = match (order.proved.contains(&at), &order.failed) {
            (true, _) => "valid",
            (false, Some(_)) => "invalid",
            (false, None) => "pending",
        };
        let mut challenge = json!({
            "type": "tls-alpn-01", "status": status, "token": token(number, at, key),
            "url": format!("{}/challenge/{number}/{at}", self.base),
        });
        if let Some(why) = order.failed.as_ref().filter(|_| status == "invalid") {
            challenge["error"] = json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": why });
        }
        Ok(challenge)
    }

    fn finalize(&self, number: usize, request: &SignedRequest) -> Answered {
        let csr = request.json().map_err(malformed)?;
        let csr = csr["csr"].as_str().and_then(|csr| URL_SAFE_NO_PAD.decode(csr).ok());
        let csr = csr.ok_or_else(|| malformed("there is no csr"))?;
        let mut state = self.state();
        let (life, processing) = (state.life, state.processing);
        let order = &mut state.orders[number];
        if order.proved.len() != order.domains.len() {
            return Err(AcmeRefusal("403 Forbidden", "orderNotReady", "not all is proved".to_owned()));
        }
        let signed = self.issuer.sign(&csr, &order.domains, life);
        let chain = signed.map_err(|why| AcmeRefusal("400 Bad Request", "badCSR", format!("{why:#}")))?;
        (order.certificate, order.processing) = (Some(chain.clone()), processing);
        state.issued.push(chain);
        drop(state);
        self.order(number, "200 OK")
    }

    fn domain(&self, number: usize, at: usize) -> Result<String, AcmeRefusal> {
        let state = self.state();
        let domain = state.orders.get(number).and_then(|order| order.domains.get(at)).cloned();
        domain.context("no domain").map_err(malformed)
    }
}

/// The token of a challenge: no two are the same, and none follows from another account's.
fn token(number: usize, at: usize, key: &SignersKey) -> String {
    URL_SAFE_NO_PAD.encode(format!("token {number} {at} {}", key.thumbprint))
}

/// RFC 8555 section 8.1.
fn key_authorization(number: usize, at: usize, key: &SignersKey) -> String {
    format!("{}.{}", token(number, at, key), key.thumbprint)
}
