//! Wrong passwords, stolen credentials, and whom the resulting limits affect.

use super::*;
use crate::digest::{self, Challenge, Credentials as Given};

const OFFICE: &str = "203.0.113.5:40001";
const ELSEWHERE: &str = "198.51.100.9:5060";

/// A request of the phone `dn`; `digest_uri` is the URI in its credentials, `uri` its Request-URI.
#[derive(Clone, Copy)]
struct Try<'a> {
    dn: &'a str,
    password: &'a str,
    method: &'a str,
    uri: &'a str,
    digest_uri: &'a str,
    count: u32,
}

const REGISTER: Try<'static> = Try {
    dn: "7101",
    password: "secret-7101",
    method: "REGISTER",
    uri: "sip:127.0.0.1",
    digest_uri: "sip:127.0.0.1",
    count: 1,
};
const INVITE: Try<'static> =
    Try { method: "INVITE", uri: "sip:9000@127.0.0.1:5060", digest_uri: "sip:9000@127.0.0.1:5060", ..REGISTER };

impl Try<'_> {
    fn text(&self, more: &str, branch: &str) -> String {
        let Self { dn, method, uri, .. } = self;
        let to = if *method == "REGISTER" { format!("sip:{dn}@acme.example") } else { (*uri).to_owned() };
        format!(
            "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.7:5066;rport;branch=z9hG4bK-{branch}\n\
             From: <sip:{dn}@acme.example>;tag=f-{branch}\nTo: <{to}>\nCall-ID: c-{branch}\nCSeq: 1 {method}\n\
             Contact: <sip:{dn}@10.0.0.7:5066>\nMax-Forwards: 70\n{more}Content-Length: 0\n\n"
        )
    }

    fn given(&self, challenge: &Challenge) -> Given<'static> {
        digest::respond(challenge, self.dn, self.password, self.method, self.digest_uri, "cnonce", self.count)
    }

    fn header(&self, given: &Given<'_>) -> String {
        format!("{}: {given}\n", if self.method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" })
    }
}

impl Lab {
    fn with_nodes() -> Self {
        let mut lab = Self::new();
        lab.node(ConnectionId(1), "registrar", "r.1");
        lab.node(ConnectionId(2), "sip-cluster", "a.1");
        lab
    }

    /// A new branch.
    fn branch(&mut self) -> String {
        self.outputs.push(Output::Close { connection: ConnectionId(0) });
        format!("p{}", self.outputs.len())
    }

    /// The challenge to this attempt.
    fn asked(&mut self, remote: &str, attempt: Try<'_>) -> Challenge {
        let branch = self.branch();
        self.from(remote, &attempt.text("", &branch));
        challenge_in(&self.beyond_trying().1)
    }

    /// The answer to a request with these headers; `None` if it is admitted.
    fn outcome(&mut self, remote: &str, attempt: Try<'_>, more: &str) -> Option<Message> {
        let branch = self.branch();
        self.from(remote, &attempt.text(more, &branch));
        extract(&mut self.sent, |m| m.status() == Some(StatusCode::TRYING) || m.method() == Method::Ack);
        let (flow, message) = self.only();
        if message.is_request() {
            assert!(matches!(flow, Flow::Stream { .. }), "{message:?}");
            return None;
        }
        Some(message)
    }

    /// Gets a challenge and answers it.
    fn attempt(&mut self, remote: &str, attempt: Try<'_>) -> Option<Message> {
        let challenge = self.asked(remote, attempt);
        let more = attempt.header(&attempt.given(&challenge));
        self.outcome(remote, attempt, &more)
    }
}

fn challenge_in(answer: &Message) -> Challenge {
    let name = match answer.status() {
        Some(StatusCode::UNAUTHORIZED) => HeaderName::WwwAuthenticate,
        _ => HeaderName::ProxyAuthenticate,
    };
    answer.challenges(name).next().unwrap_or_else(|| panic!("no challenge in {answer:?}")).unwrap()
}

fn wrong(dn: &'static str) -> Try<'static> {
    Try { dn, password: "wrong", ..REGISTER }
}

#[test]
fn one_phone_with_a_wrong_password_waits_and_its_office_does_not() {
    let mut lab = Lab::with_nodes();
    let statuses: Vec<u16> = (0..8).map(|_| lab.attempt(OFFICE, wrong("7101")).unwrap().status().unwrap().0).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 500, 500]);
    assert_eq!((lab.proxy.counts().wrong_passwords, lab.proxy.counts().wrong_password_refused), (6, 2));
    let said = Output::WrongPassword { from: addr(OFFICE).ip(), dn: Dn::parse("7101").unwrap() };
    assert_eq!(lab.outputs.iter().filter(|output| **output == said).count(), 6);
    let neighbour = Try { dn: "7102", password: "secret-7102", ..REGISTER };
    assert!(lab.attempt(OFFICE, neighbour).is_none(), "another phone of the office");
    assert!(lab.attempt(ELSEWHERE, REGISTER).is_none(), "the same number elsewhere");
    let refused = lab.attempt(OFFICE, REGISTER).expect("it has to wait");
    assert_eq!(header(&refused, &HeaderName::RetryAfter), "1");
    lab.pass(Duration::from_secs(2), &[1, 2].map(ConnectionId));
    assert!(lab.attempt(OFFICE, REGISTER).is_none(), "the wait is over");
    for _ in 0..50 {
        assert_eq!(lab.attempt(OFFICE, wrong("7101")).unwrap().status(), Some(StatusCode::UNAUTHORIZED));
    }
    assert!(lab.attempt(OFFICE, REGISTER).is_none(), "it has proved itself here");
}

#[test]
fn packets_with_a_forged_source_count_for_nobody() {
    let mut lab = Lab::with_nodes();
    // A forger has a nonce of its own, not of the address that it forges.
    let own = lab.asked(ELSEWHERE, wrong("7101"));
    for n in 0..50 {
        let more = REGISTER.header(&wrong("7101").given(&own));
        let answer = lab.outcome(&format!("203.0.113.5:{}", 1_000 + n), wrong("7101"), &more).unwrap();
        assert!(challenge_in(&answer).stale);
    }
    assert_eq!((lab.proxy.counts().wrong_passwords, lab.proxy.counts().wrong_password_refused), (0, 0));
    assert!(lab.attempt(OFFICE, REGISTER).is_none());
}

#[test]
fn a_nonce_of_another_proxy_or_a_former_life_is_stale_and_the_phone_answers_the_new_one() {
    let mut lab = Lab::with_nodes();
    let seeded = |seed| Box::new(Seeded::new(seed));
    for seed in [2, 3] {
        let settings = Lab::new().proxy.settings;
        let mut other = Lab { proxy: Proxy::new(settings, seal(), Box::new(Authority), seeded(seed)), ..Lab::new() };
        other.node(ConnectionId(1), "registrar", "r.1");
        let cached = other.asked(OFFICE, REGISTER);
        let kept = Try { count: 7, ..REGISTER };
        let more = kept.header(&kept.given(&cached));
        let answer =
            lab.outcome(OFFICE, kept, &more).expect("overheard at another proxy it would do for a second call");
        let again = challenge_in(&answer);
        assert!(again.stale);
        let more = REGISTER.header(&REGISTER.given(&again));
        assert!(lab.outcome(OFFICE, REGISTER, &more).is_none());
    }
    assert_eq!(lab.proxy.counts().wrong_passwords, 0);
}

#[test]
fn a_nonce_counts_its_uses_within_one_proxy() {
    let mut lab = Lab::with_nodes();
    let challenge = lab.asked(OFFICE, REGISTER);
    let outcomes: Vec<bool> = [1, 1, 2, 5, 4, 6]
        .into_iter()
        .map(|count| {
            let use_of_it = Try { count, ..REGISTER };
            let more = use_of_it.header(&use_of_it.given(&challenge));
            lab.outcome(OFFICE, use_of_it, &more).is_none_or(|answer| {
                assert!(challenge_in(&answer).stale);
                false
            })
        })
        .collect();
    assert_eq!(outcomes, [true, false, true, true, false, true]);
    assert_eq!(lab.proxy.counts().wrong_passwords, 0);
}

#[test]
fn nobody_learns_by_an_old_nonce_whether_a_password_is_right() {
    let mut lab = Lab::with_nodes();
    let old = lab.asked(OFFICE, REGISTER);
    lab.pass(Duration::from_secs(301), &[1, 2].map(ConnectionId));
    for attempt in [REGISTER, wrong("7101")] {
        let more = attempt.header(&attempt.given(&old));
        let answer = lab.outcome(OFFICE, attempt, &more).unwrap();
        assert!(challenge_in(&answer).stale);
    }
    assert_eq!(lab.proxy.counts().wrong_passwords, 0);
}

#[test]
fn credentials_for_one_number_do_not_call_another() {
    let mut lab = Lab::with_nodes();
    for (digest_uri, uri) in [
        ("sip:9000@127.0.0.1:5060", "sip:+19005550100@127.0.0.1:5060"),
        ("sip:9000@127.0.0.1:5060", "sip:9000@192.0.2.99"),
        ("sip:9000@127.0.0.1:5060", "sip:9000@127.0.0.1:5060;maddr=192.0.2.99"),
        ("sip:9000@127.0.0.1:5060", "tel:9000"),
        ("sips:9000@127.0.0.1:5060", "sip:9000@127.0.0.1:5060"),
        ("not a uri", "sip:9000@127.0.0.1:5060"),
        ("", "sip:9000@127.0.0.1:5060"),
    ] {
        let attempt = Try { digest_uri, uri, ..INVITE };
        let answer = lab.attempt(OFFICE, attempt).unwrap_or_else(|| panic!("{digest_uri} calls {uri}"));
        assert!(!challenge_in(&answer).stale, "{digest_uri} {uri}");
    }
    assert_eq!((lab.proxy.counts().wrong_passwords, lab.proxy.counts().credentials_misdirected), (0, 7));
    let long = format!("sip:9000@127.0.0.1:5060;x={}", "y".repeat(8_000));
    assert!(lab.attempt(OFFICE, Try { digest_uri: &long, ..INVITE }).is_some(), "too long to be compared");
    assert!(lab.attempt(OFFICE, Try { digest_uri: &long, uri: &long, ..INVITE }).is_none(), "but the same");
}

#[test]
fn what_phones_write_as_the_uri_of_their_credentials_does() {
    let mut lab = Lab::with_nodes();
    for (digest_uri, uri) in [
        ("sip:127.0.0.1:5060", "sip:127.0.0.1"),
        ("sip:127.0.0.1", "sip:127.0.0.1:5060"),
        ("sip:acme.example", "sip:127.0.0.1:5060"),
        ("sip:127.0.0.1", "sip:acme.example;transport=tcp"),
        ("sip:7101@127.0.0.1", "sip:127.0.0.1"),
        ("sip:127.0.0.1", "sip:7101@127.0.0.1"),
        ("sip:edge.example;transport=udp", "sip:EDGE.example"),
        ("sip:203.0.113.99", "sip:203.0.113.99:5070"),
    ] {
        assert!(lab.attempt(OFFICE, Try { digest_uri, uri, ..REGISTER }).is_none(), "{digest_uri} {uri}");
    }
    for (digest_uri, uri) in [
        ("sip:9000@127.0.0.1", "sip:9000@127.0.0.1:5060"),
        ("sip:9000@acme.example", "sip:9000@127.0.0.1:5060;user=phone"),
        ("sip:%2B15550100@127.0.0.1;transport=tcp", "sip:+15550100@127.0.0.1"),
        ("sip:*50%23@127.0.0.1", "sip:%2a50%23@127.0.0.1:5060"),
        // SIPp gives only the server.
        ("sip:127.0.0.1:5060", "sip:9000@127.0.0.1:5060"),
        ("tel:+1-555-0100", "tel:+1-555-0100"),
    ] {
        assert!(lab.attempt(OFFICE, Try { digest_uri, uri, ..INVITE }).is_none(), "{digest_uri} {uri}");
    }
    assert_eq!(lab.proxy.counts().wrong_passwords, 0);
}

#[test]
fn one_message_is_one_guess_and_few_of_its_headers_are_looked_at() {
    let mut lab = Lab::with_nodes();
    let challenge = lab.asked(OFFICE, REGISTER);
    let guess = |n: u32| {
        let attempt = Try { password: "guess", count: n, ..REGISTER };
        attempt.header(&attempt.given(&challenge))
    };
    let many: String = (1..100).map(guess).chain([REGISTER.header(&REGISTER.given(&challenge))]).collect();
    let answer = lab.outcome(OFFICE, REGISTER, &many).expect("the first is wrong");
    assert_eq!((answer.status(), lab.proxy.counts().wrong_passwords), (Some(StatusCode::UNAUTHORIZED), 1));
    // A phone may also send credentials for other proxies, but not for a hundred.
    let elsewhere = |n: u32| {
        let other = Challenge { realm: format!("other-{n}.example"), ..challenge.clone() };
        REGISTER.header(&REGISTER.given(&other))
    };
    let own = REGISTER.header(&REGISTER.given(&challenge));
    let within: String = (0..7).map(elsewhere).chain([own.clone()]).collect();
    assert!(lab.outcome(OFFICE, REGISTER, &within).is_none());
    let beyond: String = (0..8).map(elsewhere).chain([own]).collect();
    assert!(lab.outcome(OFFICE, REGISTER, &beyond).is_some());
    assert_eq!(lab.proxy.counts().wrong_passwords, 1);
}

#[test]
fn who_may_come_from_a_trunk_is_looked_for_among_the_phones_of_its_tenant() {
    let mut lab = Lab::with_nodes();
    let tenant = |id: &str| TenantId::parse(id).unwrap();
    let trunk = |id: &str, network: &str| Trunk {
        tenant: tenant(id),
        name: "carrier".into(),
        allow: vec![Network::parse("198.51.100.1").unwrap(), Network::parse(network).unwrap()],
        certificate_names: Vec::new(),
        registrar: None,
        inbound: InboundPassword::NotAsked,
        asked: None,
        user: None,
    };
    lab.proxy.set_trunks(
        [
            trunk("acme", "192.0.2.0/24"),
            trunk("wide", "192.0.0.0/16"),
            trunk("shares", "192.0.2.0/24"),
            trunk("acme", "192.0.2.0/24"),
        ],
        lab.now,
    );
    lab.lookups = Lookups::Held;
    for (remote, attempt, expected) in [
        (TRUNK, INVITE, vec!["acme", "shares"]),
        (TRUNK, Try { method: "OPTIONS", ..INVITE }, vec!["acme", "shares"]),
        ("192.0.3.1:5060", INVITE, vec!["wide"]),
        ("192.0.3.1:5060", REGISTER, vec![]),
        (PHONE, INVITE, vec![]),
    ] {
        let branch = lab.branch();
        lab.from(remote, &attempt.text("", &branch));
        let among = lab.outputs.iter().rev().find_map(|o| match o {
            Output::NeedCredentials { among, .. } => Some(among.to_vec()),
            _ => None,
        });
        let expected: Vec<TenantId> = expected.into_iter().map(tenant).collect();
        assert_eq!(among, Some(expected), "{} from {remote}", attempt.method);
    }
}
