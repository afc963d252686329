//! Requests that a carrier challenges (RFC 3261 §22, RFC 8760).

use std::sync::{Arc, Mutex};

use model::Timestamp;
use model::entropy::Seeded;
use sip::agent::{
    Accounts, AgentConfig, AgentCredentials, Body, DialogId, DialogSnapshot, Event, Invite, Provisionals, Restore,
    UserAgent,
};
use sip::digest::{Algorithm, Secret, verify};
use sip::header::HeaderName;
use sip::{Flow, Message, Method, StatusCode};

use crate::pair::{BOB, Wire, invite};

const NOW: Timestamp = Timestamp::from_millis(1_763_622_000_000);
const PASSWORD: &str = "hush-hush";
const PROXY: HeaderName = HeaderName::ProxyAuthenticate;
const SERVER: HeaderName = HeaderName::WwwAuthenticate;

/// A caller with an account at a carrier, and its messages to it.
struct Line {
    agent: UserAgent,
    dialog: DialogId,
    password: Arc<Mutex<String>>,
}

impl Line {
    fn new(account: Option<&str>) -> Self {
        let password = Arc::new(Mutex::new(PASSWORD.to_owned()));
        let mut agent = agent(&password, 1);
        let call = invite(Wire::Udp, Some("offer"), Provisionals::Plain);
        let call = Invite { account: account.map(str::to_owned), ..call };
        let dialog = agent.invite(call, NOW).expect("an INVITE");
        Self { agent, dialog, password }
    }

    fn flow() -> Flow {
        Wire::Udp.flow_to(BOB)
    }

    /// The messages since the last call.
    fn sent(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.agent.poll_transmit()).map(|sent| Message::parse(sent.bytes).expect("SIP")).collect()
    }

    /// The only request since the last call, apart from an ACK.
    fn request(&mut self) -> Message {
        let mut sent = self.sent();
        sent.retain(|message| message.method() != Method::Ack);
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn answer(&mut self, request: &Message, status: StatusCode, headers: &[(HeaderName, &str)]) {
        let mut response = Message::response_to(request, status).to_tag("carrier");
        for (name, value) in headers {
            response = response.header(name, value);
        }
        if status.is_success() && matches!(request.method(), Method::Invite | Method::Update) {
            response = response.header(&HeaderName::Contact, "<sip:carrier@192.0.2.2>");
            response = response.body("application/sdp", "answer");
        }
        self.agent.receive(response.build(), Self::flow(), NOW);
    }

    /// The carrier challenges the request; returns what follows.
    fn challenged(&mut self, request: &Message, challenge: &str) -> Message {
        self.answer(request, StatusCode::PROXY_AUTHENTICATION_REQUIRED, &[(PROXY, challenge)]);
        self.request()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.agent.poll_event()).collect()
    }

    fn failed(&mut self) -> Option<u16> {
        self.events().into_iter().find_map(|event| match event {
            Event::Failed { status, .. } => Some(status.code()),
            _ => None,
        })
    }

    /// Answers the first INVITE; returns the ACK.
    fn established(&mut self) -> Message {
        let first = self.request();
        let second = self.challenged(&first, &challenge("n1", "MD5"));
        self.answer(&second, StatusCode::OK, &[]);
        assert!(matches!(self.events().last(), Some(Event::Answered { .. })));
        self.sent().pop().expect("a message")
    }

    fn restored(&mut self, cseq_jump: u32) -> Vec<DialogSnapshot> {
        let snapshots = self.agent.snapshot(&[self.dialog]);
        self.agent = agent(&self.password, 2);
        let how = Restore { cseq_jump, ..Restore::UNCHANGED };
        self.dialog = self.agent.restore(snapshots.clone(), how, NOW).expect("a snapshot")[0];
        snapshots
    }
}

fn agent(password: &Arc<Mutex<String>>, seed: u64) -> UserAgent {
    let held = password.clone();
    let accounts = Accounts::new(move |account| {
        (account == "acme/carrier").then(|| {
            let password = held.lock().expect("nobody panics").clone();
            AgentCredentials { user: "trunk-user".to_owned(), password }
        })
    });
    UserAgent::new(AgentConfig { accounts, ..AgentConfig::default() }, Box::new(Seeded::new(seed)))
}

fn challenge(nonce: &str, algorithm: &str) -> String {
    format!("Digest realm=\"carrier.example\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"")
}

/// Algorithm, realm and nonce count of the credentials in a request, if they are right.
fn proofs(request: &Message, header: HeaderName) -> Vec<(Algorithm, String, Option<u32>)> {
    let given = request.authorizations(header).map(Result::unwrap);
    given
        .map(|given| {
            assert!(verify(&given, request.method().as_str(), Secret::Password(PASSWORD)), "{given}");
            assert_eq!((&*given.uri, &*given.username), (request.request_uri().expect("a request"), "trunk-user"));
            (given.algorithm, given.realm.to_string(), given.nc)
        })
        .collect()
}

fn once(request: &Message) -> u32 {
    match &*proofs(request, HeaderName::ProxyAuthorization) {
        [(_, _, Some(count))] => *count,
        other => panic!("one proof is expected: {other:?}"),
    }
}

#[test]
fn a_challenged_invite_is_the_same_request_in_a_new_transaction() {
    let mut line = Line::new(Some("acme/carrier"));
    let first = line.request();
    let second = line.challenged(&first, &challenge("n1", "MD5"));
    assert_eq!(once(&second), 1);
    assert_eq!(second.call_id(), first.call_id());
    assert_eq!(second.from().unwrap().tag(), first.from().unwrap().tag());
    assert_eq!(second.to().unwrap().tag(), None);
    assert_eq!(second.body(), first.body());
    assert_eq!(second.cseq().unwrap().number, first.cseq().unwrap().number + 1);
    assert_ne!(second.header(&HeaderName::Via), first.header(&HeaderName::Via));
    line.answer(&second, StatusCode::OK, &[]);
    let ack = line.sent().pop().unwrap();
    let carried = |message: &Message| message.header(&HeaderName::ProxyAuthorization).map(str::to_owned);
    assert!(carried(&ack).is_some());
    assert_eq!((ack.method(), carried(&ack)), (Method::Ack, carried(&second)));
}

#[test]
fn the_strongest_hash_that_is_known_answers() {
    for (offered, taken) in [
        (vec!["MD5", "SHA-256"], Algorithm::Sha256),
        (vec!["SHA-256", "MD5"], Algorithm::Sha256),
        (vec!["SHA3-999", "MD5"], Algorithm::Md5),
        (vec!["MD5", "SHA-512-256", "SHA-256"], Algorithm::Sha512_256),
    ] {
        let mut line = Line::new(Some("acme/carrier"));
        let first = line.request();
        let challenges: Vec<String> = offered.iter().map(|name| challenge("n1", name)).collect();
        let headers: Vec<_> = challenges.iter().map(|challenge| (PROXY, challenge.as_str())).collect();
        line.answer(&first, StatusCode::PROXY_AUTHENTICATION_REQUIRED, &headers);
        let proofs = proofs(&line.request(), HeaderName::ProxyAuthorization);
        assert_eq!(proofs, [(taken, "carrier.example".to_owned(), Some(1))]);
    }
}

#[test]
fn what_cannot_be_answered_fails() {
    let auth_int = "Digest realm=\"carrier.example\", nonce=\"n1\", algorithm=MD5, qop=\"auth-int\"";
    let long = challenge(&"n".repeat(5_000), "MD5");
    for (account, challenge) in [
        (Some("acme/carrier"), auth_int),
        (Some("acme/carrier"), &*challenge("n1", "SHA3-999")),
        (Some("acme/carrier"), "Basic realm=\"carrier.example\""),
        (Some("acme/carrier"), "Digest nonsense"),
        (Some("acme/carrier"), &*long),
        (Some("acme/other"), &*challenge("n1", "MD5")),
        (None, &*challenge("n1", "MD5")),
    ] {
        let mut line = Line::new(account);
        let first = line.request();
        line.answer(&first, StatusCode::PROXY_AUTHENTICATION_REQUIRED, &[(PROXY, challenge)]);
        assert_eq!(line.failed(), Some(407), "{account:?} {challenge:.80}");
        assert!(line.sent().iter().all(|message| message.method() == Method::Ack));
    }
}

#[test]
fn refused_credentials_are_not_sent_again_but_a_stale_nonce_is_replaced() {
    let mut line = Line::new(Some("acme/carrier"));
    let first = line.request();
    let second = line.challenged(&first, &challenge("n1", "MD5"));
    let third = line.challenged(&second, &format!("{}, stale=true", challenge("n2", "MD5")));
    assert_eq!(third.authorizations(HeaderName::ProxyAuthorization).next().unwrap().unwrap().nonce, "n2");
    assert_eq!(once(&third), 1);
    line.answer(&third, StatusCode::PROXY_AUTHENTICATION_REQUIRED, &[(PROXY, &challenge("n3", "MD5"))]);
    assert_eq!(line.failed(), Some(407));
}

#[test]
fn a_nonce_that_is_always_stale_ends_the_attempt() {
    let mut line = Line::new(Some("acme/carrier"));
    let mut tries = 0;
    loop {
        let sent = line.sent();
        let Some(invite) = sent.iter().find(|message| message.method() == Method::Invite) else { break };
        tries += 1;
        let stale = format!("{}, stale=true", challenge(&format!("n{tries}"), "MD5"));
        line.answer(invite, StatusCode::PROXY_AUTHENTICATION_REQUIRED, &[(PROXY, &stale)]);
    }
    assert_eq!((tries, line.failed()), (4, Some(407)));
}

#[test]
fn a_proxy_and_the_server_behind_it_are_both_answered() {
    let mut line = Line::new(Some("acme/carrier"));
    let first = line.request();
    let second = line.challenged(&first, &challenge("n1", "MD5"));
    let inner = "Digest realm=\"inner.example\", nonce=\"n9\", algorithm=SHA-256, qop=\"auth,auth-int\"";
    line.answer(&second, StatusCode::UNAUTHORIZED, &[(SERVER, inner)]);
    let third = line.request();
    assert_eq!(once(&third), 1, "what the proxy has accepted stays");
    assert_eq!(proofs(&third, HeaderName::Authorization), [(Algorithm::Sha256, "inner.example".to_owned(), Some(1))]);
}

#[test]
fn challenges_of_both_kinds_in_one_response_are_all_answered() {
    let mut line = Line::new(Some("acme/carrier"));
    let first = line.request();
    let other = "Digest realm=\"other.example\", nonce=\"n2\", algorithm=MD5";
    let (md5, sha) = (challenge("n1", "MD5"), challenge("n1", "SHA-256"));
    let headers = [(SERVER, &*md5), (PROXY, &*md5), (PROXY, other), (PROXY, &*sha)];
    line.answer(&first, StatusCode::UNAUTHORIZED, &headers);
    let second = line.request();
    // Both kinds have the nonce n1, so it is used twice.
    assert_eq!(proofs(&second, HeaderName::Authorization), [(Algorithm::Md5, "carrier.example".to_owned(), Some(1))]);
    assert_eq!(
        proofs(&second, HeaderName::ProxyAuthorization),
        [
            (Algorithm::Sha256, "carrier.example".to_owned(), Some(2)),
            (Algorithm::Md5, "other.example".to_owned(), None),
        ]
    );
}

#[test]
fn every_request_within_the_dialog_is_answered_and_uses_of_a_nonce_are_counted() {
    let mut line = Line::new(Some("acme/carrier"));
    line.established();
    let dialog = line.dialog;
    type Ask = fn(&mut UserAgent, DialogId);
    let asks: [(Method, Ask); 5] = [
        (Method::Info, |agent, id| _ = agent.info(id, Body::new("text/plain", "x"), Vec::new(), NOW).unwrap()),
        (Method::Options, |agent, id| _ = agent.options(id, Vec::new(), NOW).unwrap()),
        (Method::Update, |agent, id| agent.update(id, Some("offer 2".into()), Vec::new(), NOW).unwrap()),
        (Method::Invite, |agent, id| agent.reinvite(id, Some("offer 3".into()), Vec::new(), NOW).unwrap()),
        (Method::Bye, |agent, id| agent.bye(id, Vec::new(), NOW).unwrap()),
    ];
    for (used, (method, ask)) in (2..).zip(asks) {
        ask(&mut line.agent, dialog);
        let first = line.request();
        assert_eq!(first.method(), method);
        let second = line.challenged(&first, &challenge("n1", "MD5"));
        assert_eq!(once(&second), used, "{method}");
        assert_eq!(second.cseq().unwrap().number, first.cseq().unwrap().number + 1);
        assert_eq!(second.to().unwrap().tag(), Some("carrier"));
        line.answer(&second, StatusCode::OK, &[]);
        line.sent();
    }
    assert!(matches!(line.events().last(), Some(Event::Released { .. })));
}

#[test]
fn a_successor_answers_too_and_the_password_is_in_no_snapshot() {
    let mut line = Line::new(Some("acme/carrier"));
    let first = line.request();
    let snapshots = line.restored(0);
    assert_eq!(snapshots[0].leg.account.as_deref(), Some("acme/carrier"));
    let second = line.challenged(&first, &challenge("n1", "MD5"));
    assert_eq!(once(&second), 1);
    line.answer(&second, StatusCode::OK, &[]);
    line.sent();
    let snapshots = line.restored(1_000);
    assert!(!format!("{snapshots:?}").contains(PASSWORD));
    let dialog = line.dialog;
    line.agent.bye(dialog, Vec::new(), NOW).unwrap();
    let bye = line.request();
    assert_eq!(once(&line.challenged(&bye, &challenge("n1", "MD5"))), 1_002, "the last uses may be in no record");
}

#[test]
fn a_changed_password_counts_at_once() {
    let mut line = Line::new(Some("acme/carrier"));
    "older".clone_into(&mut line.password.lock().unwrap());
    let first = line.request();
    let second = line.challenged(&first, &challenge("n1", "MD5"));
    let given = second.authorizations(HeaderName::ProxyAuthorization).next().unwrap().unwrap();
    assert!(verify(&given, "INVITE", Secret::Password("older")));
    assert!(!format!("{:?}", line.agent.leg(line.dialog)).contains("older"));
}
