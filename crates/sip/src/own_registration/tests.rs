use model::entropy::Seeded;
use proptest::prelude::*;

use super::*;
use crate::agent::AgentCredentials;
use crate::digest::{self, Algorithm, Challenge, Secret};
use crate::instance::Instance;
use crate::proxy::headers;
use crate::seal::Seal;
use crate::unreached::Unreached;

mod former;
mod redirection;

const EDGE: &str = "198.51.100.7:5060";
const OTHER_EDGE: &str = "198.51.100.8:5060";
const PASSWORD: &str = "hush-hush";

fn edge(plain: &str) -> EdgeAddresses {
    EdgeAddresses { plain: plain.to_owned(), secure: Some(plain.replace("5060", "5061")), places: Vec::new() }
}

fn instance() -> Instance {
    Instance::of_account(&Seal::new(&[7; 32]), "acme", "carrier.example", "our line")
}

/// A registration with a carrier on virtual time.
struct Lab {
    registration: OwnRegistration,
    now: Timestamp,
    sent: Vec<Message>,
}

impl Lab {
    fn new() -> Self {
        Self::at("203.0.113.9:5062")
    }

    fn at(registrar: &str) -> Self {
        let credentials = AgentCredentials { user: "our line".to_owned(), password: PASSWORD.to_owned() };
        let (user, instance) = (credentials.user.clone(), instance());
        Self::of(Account { registrar: registrar.to_owned(), domain: None, user, credentials, instance })
    }

    fn of(account: Account) -> Self {
        let registration = OwnRegistration::new(account, Box::new(Seeded::new(7)));
        let mut lab = Self { registration, now: Timestamp::from_millis(1_000_000), sent: Vec::new() };
        lab.registration.handle_way(Some(&edge(EDGE)), back_off::AT_ONCE, lab.now);
        lab.go_to_next();
        lab
    }

    /// Lets time pass to what is due next, and takes the request.
    fn go_to_next(&mut self) -> Duration {
        let due = self.registration.next_timeout().expect("something is due");
        let waited = due.since(self.now);
        self.now = due.max(self.now);
        self.registration.handle_timeout(self.now);
        self.take();
        waited
    }

    fn take(&mut self) {
        while let Some(request) = self.registration.poll_request() {
            self.sent.push(request);
        }
    }

    fn last(&self) -> &Message {
        self.sent.last().expect("a request")
    }

    fn answer(&mut self, status: u16, headers: &[(HeaderName, String)]) {
        let mut response = Message::response_to(self.last(), StatusCode(status));
        for (name, value) in headers {
            response = response.header(name, value);
        }
        self.registration.handle_response(&response.build(), &[EDGE, OTHER_EDGE].map(edge), self.now);
        self.take();
    }

    fn challenge(&mut self, nonce: &str, algorithm: Algorithm, stale: bool) {
        let challenge = Challenge {
            realm: "carrier".to_owned(),
            nonce: nonce.to_owned(),
            opaque: None,
            algorithm,
            qop_auth: true,
            stale,
        };
        self.answer(401, &[(HeaderName::WwwAuthenticate, challenge.to_string())]);
    }

    /// Accepts for so many seconds, as a registrar that names the Contact.
    fn accept(&mut self, seconds: u32) {
        let contact = self.last().header(&HeaderName::Contact).unwrap().to_owned();
        let other = "<sip:other@192.0.2.1>;expires=7".to_owned();
        let ours = format!("{contact};expires={seconds}");
        self.answer(200, &[(HeaderName::Contact, other), (HeaderName::Contact, ours)]);
    }

    fn status(&self) -> RegistrationStatus {
        self.registration.status(self.now)
    }

    fn problem(&self) -> Option<Problem> {
        self.status().last.and_then(|last| last.problem)
    }
}

fn proves_itself(request: &Message) -> bool {
    let given: Vec<_> = request.authorizations(HeaderName::Authorization).collect();
    let [Ok(given)] = given.as_slice() else { return false };
    digest::verify(given, "REGISTER", Secret::Password(PASSWORD)) && Some(&*given.uri) == request.request_uri()
}

#[test]
fn it_registers_by_digest_and_refreshes_long_before_the_end() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let mut lab = Lab::new();
        let first = lab.last().clone();
        assert_eq!(first.request_uri(), Some("sip:203.0.113.9:5062"));
        assert_eq!(first.header(&HeaderName::To), Some("<sip:our%20line@203.0.113.9>"));
        assert_eq!(first.header(&HeaderName::Contact), Some("<sip:our%20line@198.51.100.7:5060>"));
        lab.challenge("n1", algorithm, false);
        assert!(proves_itself(lab.last()));
        lab.accept(600);
        assert_eq!(lab.status().state, State::Registered);
        assert_eq!(lab.status().registered_until, Some(lab.now + Duration::from_secs(600)));
        let waited = lab.go_to_next();
        assert!((Duration::from_secs(300)..=Duration::from_secs(360)).contains(&waited), "{waited:?}");
        let again = lab.last();
        assert_eq!(again.call_id().ok(), first.call_id().ok());
        assert_eq!(again.cseq().unwrap().number, 3);
        // A nonce that the registrar still takes counts its uses.
        lab.challenge("n1", algorithm, false);
        let given = lab.last().authorizations(HeaderName::Authorization).next().unwrap().unwrap();
        assert_eq!((given.nc, proves_itself(lab.last())), (Some(2), true));
    }
}

#[test]
fn the_time_of_our_contact_counts_and_else_the_headers() {
    let mut lab = Lab::new();
    lab.answer(
        200,
        &[(HeaderName::Contact, "<sip:rewritten@192.0.2.1>".to_owned()), (HeaderName::Expires, "90".to_owned())],
    );
    assert_eq!(lab.status().registered_until, Some(lab.now + Duration::from_secs(90)));
    let mut lab = Lab::new();
    let others = ["<sip:a@192.0.2.1>;expires=700", "<sip:rewritten@10.0.0.1>;expires=60", "<sip:b@192.0.2.2>"];
    lab.answer(200, &others.map(|contact| (HeaderName::Contact, contact.to_owned())));
    assert_eq!(lab.status().registered_until, Some(lab.now + Duration::from_secs(60)), "one of these is ours");
    let mut lab = Lab::new();
    lab.answer(200, &[]);
    assert_eq!(lab.status().registered_until, Some(lab.now + EXPIRES_ASKED));
    let mut lab = Lab::new();
    lab.accept(u32::MAX);
    assert_eq!(lab.status().registered_until, Some(lab.now + EXPIRES_MAX));
    let mut lab = Lab::new();
    lab.accept(0);
    assert_eq!((lab.problem(), lab.status().registered_until), (Some(Problem::EndedAtOnce), None));
}

#[test]
fn a_stale_nonce_is_answered_again_and_not_for_ever() {
    let mut lab = Lab::new();
    lab.challenge("n1", Algorithm::Md5, false);
    lab.challenge("n2", Algorithm::Md5, true);
    assert!(proves_itself(lab.last()));
    lab.challenge("n3", Algorithm::Md5, true);
    lab.challenge("n4", Algorithm::Md5, true);
    assert_eq!((lab.sent.len(), lab.problem()), (4, Some(Problem::WrongPassword)));
}

#[test]
fn a_wrong_password_is_not_tried_again_soon_and_a_new_one_at_once() {
    let mut lab = Lab::new();
    lab.challenge("n1", Algorithm::Md5, false);
    lab.challenge("n2", Algorithm::Md5, false);
    assert_eq!((lab.status().state, lab.sent.len()), (State::WrongPassword, 2));
    let first = lab.registration.next_timeout().unwrap().since(lab.now);
    assert!(first >= WRONG_PASSWORD_PAUSE / 2, "{first:?}");
    // Nor because a proxy has come back.
    lab.registration.handle_way(None, back_off::AT_ONCE, lab.now);
    lab.registration.handle_way(Some(&edge(EDGE)), back_off::AT_ONCE, lab.now);
    assert_eq!(lab.registration.next_timeout().unwrap().since(lab.now), first);
    lab.registration.handle_password("another".to_owned(), lab.now);
    assert_eq!(lab.go_to_next(), Duration::ZERO);
    assert_eq!(lab.sent.len(), 3);
    // It comes while the former one is being refused.
    lab.challenge("n3", Algorithm::Md5, false);
    lab.registration.handle_password(PASSWORD.to_owned(), lab.now);
    lab.challenge("n4", Algorithm::Md5, false);
    assert_eq!(lab.go_to_next(), Duration::ZERO);
}

#[test]
fn a_password_that_was_taken_before_is_tried_again_sooner() {
    let mut lab = Lab::new();
    lab.accept(60);
    lab.go_to_next();
    lab.challenge("n1", Algorithm::Md5, false);
    // Another server of the carrier does not know the nonce, and does not say that it is stale.
    lab.challenge("n2", Algorithm::Md5, false);
    assert!(lab.go_to_next() <= Duration::from_secs(60));
}

#[test]
fn a_refusal_after_a_long_outage_is_the_first_one() {
    let mut lab = Lab::new();
    for _ in 0..10 {
        lab.registration.handle_silence(lab.now);
        lab.go_to_next();
    }
    lab.answer(404, &[]);
    assert!(lab.go_to_next() <= Duration::from_secs(60));
}

#[test]
fn a_registrar_may_want_a_longer_time() {
    let mut lab = Lab::new();
    lab.challenge("n1", Algorithm::Md5, false);
    lab.answer(423, &[(HeaderName::MinExpires, "7200".to_owned())]);
    assert!(lab.last().header(&HeaderName::Authorization).is_none(), "a nonce is used once for each count");
    lab.challenge("n1", Algorithm::Md5, false);
    assert!(proves_itself(lab.last()));
    let mut lab = Lab::new();
    lab.answer(423, &[(HeaderName::MinExpires, "7200".to_owned())]);
    assert_eq!(lab.last().header(&HeaderName::Expires), Some("7200"));
    lab.answer(423, &[(HeaderName::MinExpires, "9000".to_owned())]);
    assert_eq!(lab.problem(), Some(Problem::TooBrief), "once in a round");
    for wanted in ["", "60", "4000000000"] {
        let mut lab = Lab::new();
        lab.answer(423, &[(HeaderName::MinExpires, wanted.to_owned())]);
        assert_eq!((lab.problem(), lab.sent.len()), (Some(Problem::TooBrief), 1), "{wanted}");
    }
}

#[test]
fn a_registrar_says_when_it_has_time_again() {
    let mut lab = Lab::new();
    lab.answer(503, &[(HeaderName::RetryAfter, "600".to_owned())]);
    lab.registration.handle_way(None, back_off::AT_ONCE, lab.now);
    lab.registration.handle_way(Some(&edge(EDGE)), back_off::AT_ONCE, lab.now);
    assert!(lab.go_to_next() >= Duration::from_secs(600), "also if a proxy has come back meanwhile");
    lab.answer(503, &[(HeaderName::RetryAfter, "4000000000".to_owned())]);
    assert!(lab.go_to_next() <= LAST_PAUSE);
}

#[test]
fn silence_is_waited_out_longer_each_time_and_success_forgets_it() {
    let mut lab = Lab::new();
    let mut waits = Vec::new();
    for _ in 0..12 {
        lab.registration.handle_silence(lab.now);
        assert_eq!(lab.status().state, State::Unreachable);
        waits.push(lab.go_to_next());
    }
    assert!(waits[0] <= Duration::from_secs(4) && waits[0] >= Duration::from_secs(2), "{waits:?}");
    assert!(waits[11] <= Duration::from_secs(300) && waits[11] >= Duration::from_secs(150), "{waits:?}");
    lab.accept(60);
    assert!(lab.go_to_next() >= Duration::from_secs(30));
    lab.registration.handle_silence(lab.now);
    assert_eq!(lab.status().state, State::Registered, "until the time is over");
    assert!(lab.registration.next_timeout().unwrap().since(lab.now) <= Duration::from_secs(4));
    lab.now = lab.now + Duration::from_secs(60);
    assert_eq!(lab.status().state, State::Unreachable);
}

#[test]
fn another_way_is_registered_at_once_and_the_former_removed() {
    let mut lab = Lab::at("203.0.113.9:5062;transport=tcp");
    lab.accept(600);
    lab.registration.handle_way(None, back_off::AT_ONCE, lab.now);
    assert_eq!(lab.registration.next_timeout(), None);
    lab.registration.handle_way(Some(&edge("198.51.100.8:5060")), back_off::AT_ONCE, lab.now);
    assert!(lab.go_to_next() <= Duration::from_millis(500));
    let contacts: Vec<_> = lab.last().headers(&HeaderName::Contact).collect();
    let (new, former) =
        ("<sip:our%20line@198.51.100.8:5060;transport=tcp>", "<sip:our%20line@198.51.100.7:5060;transport=tcp>");
    assert_eq!(contacts, [new, &format!("{former};expires=0")]);
}

#[test]
fn the_end_removes_what_is_registered() {
    let mut lab = Lab::new();
    lab.accept(600);
    lab.registration.end(lab.now);
    lab.take();
    assert_eq!(lab.last().header(&HeaderName::Expires), Some("0"));
    lab.challenge("n1", Algorithm::Md5, false);
    assert!(proves_itself(lab.last()) && !lab.registration.is_over());
    lab.answer(200, &[]);
    assert!(lab.registration.is_over());
    // What is asked for at the end is removed once it is granted.
    let mut lab = Lab::new();
    lab.registration.end(lab.now);
    lab.accept(600);
    assert_eq!((lab.last().header(&HeaderName::Expires), lab.sent.len()), (Some("0"), 2));
    lab.registration.handle_silence(lab.now);
    assert!(lab.registration.is_over());
    // What another replica goes on with stays.
    let mut lab = Lab::new();
    lab.accept(600);
    lab.registration.leave();
    lab.take();
    assert!(lab.registration.is_over() && lab.sent.len() == 1);
}

#[test]
fn the_end_does_not_wait_for_a_registrar_that_has_not_answered() {
    // It has never said a word.
    let mut lab = Lab::new();
    lab.registration.end(lab.now);
    assert_eq!((lab.go_to_next(), lab.registration.is_over()), (END_WITHIN, true));
    // It has fallen silent since it registered us: it is told, and not waited for long.
    let mut lab = Lab::new();
    lab.accept(600);
    lab.go_to_next();
    lab.registration.handle_silence(lab.now);
    lab.registration.end(lab.now);
    lab.take();
    assert_eq!(lab.last().header(&HeaderName::Expires), Some("0"));
    assert_eq!((lab.go_to_next(), lab.registration.is_over()), (END_WITHIN, true));
    // One that has answered has its time.
    let mut lab = Lab::new();
    lab.accept(600);
    lab.registration.end(lab.now);
    lab.take();
    assert_eq!(lab.registration.next_timeout(), None);
}

#[test]
fn a_request_that_nobody_answers_does_not_hold_up_what_takes_its_place() {
    let mut lab = Lab::new();
    let began = lab.now;
    lab.now = lab.now + Duration::from_secs(9);
    assert_eq!((lab.status().next_try, lab.status().asked_since), (None, Some(began)));
    lab.registration.give_way(lab.now);
    assert!(lab.registration.is_over());
    // What is registered is removed, and what is refreshed meanwhile decides first.
    let mut lab = Lab::new();
    lab.accept(600);
    assert!(lab.status().next_try.is_some() && lab.status().asked_since.is_none());
    lab.go_to_next();
    lab.registration.give_way(lab.now);
    assert!(!lab.registration.is_over());
    lab.accept(600);
    assert_eq!(lab.last().header(&HeaderName::Expires), Some("0"));
}

#[test]
fn what_our_own_proxy_says_is_not_taken_for_an_answer_of_the_registrar() {
    let mut lab = Lab::new();
    lab.answer(503, &[(crate::proxy::headers::NOT_REACHED, Unreached::Untrusted.as_str().to_owned())]);
    let status = lab.status();
    let last = status.last.expect("an outcome");
    assert_eq!((status.state, last.answer), (State::Unreachable, None));
    assert_eq!(last.problem, Some(Problem::Unreached(Unreached::Untrusted)));
    assert!(last.problem.is_some_and(|problem| problem.remedy().contains("sip-proxy.server_authorities")));
    // It cannot have been taken: nothing has to be removed later.
    lab.go_to_next();
    assert_eq!(lab.last().headers(&HeaderName::Contact).count(), 1);
    lab.answer(503, &[]);
    assert_eq!(lab.status().last.and_then(|last| last.answer), Some((503, "Service Unavailable".to_owned())));
}

#[test]
fn nothing_shows_the_password() {
    let lab = Lab::new();
    let shown = format!("{:?} {:?} {:?}", lab.registration, lab.status(), lab.registration.account());
    assert!(!shown.contains(PASSWORD), "{shown}");
}

proptest! {
    /// Whatever a registrar answers: never more than a few requests at once, time goes on, and what is over stays over.
    #[test]
    fn no_registrar_makes_it_hammer(seed in any::<u64>(), answers in proptest::collection::vec((0_u8..12, any::<u32>()), 1..200)) {
        let mut lab = Lab::new();
        lab.registration.entropy = Box::new(Seeded::new(seed));
        let (mut begun, mut at_once) = (lab.now, 0);
        for (kind, number) in answers {
            at_once += 1;
            match kind {
                0 => lab.accept(number),
                1 => lab.challenge(&number.to_string(), Algorithm::Md5, number % 2 == 0),
                2 => lab.answer(423, &[(HeaderName::MinExpires, number.to_string())]),
                3 => lab.answer(302, &[(HeaderName::Contact, format!("<sip:203.0.113.9:{}>", number % 65_536))]),
                4 => lab.answer(503, &[(HeaderName::RetryAfter, number.to_string())]),
                5 => lab.registration.handle_silence(lab.now),
                6 => lab.answer(180, &[]),
                7 => lab.answer(407, &[]),
                _ => lab.answer(400 + u16::try_from(number % 300).unwrap(), &[]),
            }
            lab.take();
            if lab.registration.next_timeout().is_some() {
                let status = lab.status();
                prop_assert!(status.next_try >= Some(lab.now));
                lab.go_to_next();
                prop_assert!(lab.now.since(begun) >= Duration::from_secs(2), "{:?} after {:?}", status, lab.now.since(begun));
                (begun, at_once) = (lab.now, 0);
            }
            prop_assert!(at_once <= 8 || kind == 6, "{at_once} requests without a pause");
        }
    }
}

#[test]
fn an_account_may_have_a_domain_and_a_user_name_of_its_own() {
    let credentials = AgentCredentials { user: "customer-4711".to_owned(), password: PASSWORD.to_owned() };
    let account = Account {
        registrar: "203.0.113.9:5062;transport=tcp".to_owned(),
        domain: Some("carrier.example".to_owned()),
        user: "+4930123".to_owned(),
        credentials,
        instance: instance(),
    };
    let mut lab = Lab::of(account);
    assert_eq!(lab.last().request_uri(), Some("sip:carrier.example"));
    assert_eq!(lab.last().header(&HeaderName::Route), Some("<sip:203.0.113.9:5062;transport=tcp;lr>"));
    assert_eq!(lab.last().header(&HeaderName::To), Some("<sip:+4930123@carrier.example>"));
    assert_eq!(lab.last().header(&HeaderName::Contact), Some("<sip:+4930123@198.51.100.7:5060;transport=tcp>"));
    lab.challenge("n1", Algorithm::Md5, false);
    assert!(proves_itself(lab.last()));
    let given = lab.last().authorizations(HeaderName::Authorization).next().unwrap().unwrap();
    assert_eq!(&*given.username, "customer-4711");
    lab.answer(302, &[(HeaderName::Contact, "<sip:203.0.113.9:5070>".to_owned())]);
    assert_eq!(lab.last().header(&HeaderName::Route), Some("<sip:203.0.113.9:5070;lr>"));
    assert_eq!(lab.last().request_uri(), Some("sip:carrier.example"));
}

#[test]
fn the_way_that_the_registrar_wants_is_that_of_its_last_answer() {
    let mut lab = Lab::new();
    let way = "<sip:p1.carrier.example;lr>";
    assert_eq!(lab.registration.service_route(lab.now), None, "there is no registration yet");
    let accept = |lab: &mut Lab, routes: &[&str]| {
        let contact = lab.last().header(&HeaderName::Contact).unwrap().to_owned();
        let mut headers = vec![(HeaderName::Contact, format!("{contact};expires=600"))];
        headers.extend(routes.iter().map(|route| (HeaderName::ServiceRoute, (*route).to_owned())));
        lab.answer(200, &headers);
    };
    accept(&mut lab, &[way]);
    let until = lab.now + Duration::from_secs(600);
    assert_eq!(lab.registration.service_route(lab.now), Some((Ok(&[way.to_owned()][..]), until)));
    assert_eq!(lab.registration.service_route(until), None, "it ends with the registration");
    let found = |lab: &Lab| lab.registration.service_route(lab.now).map(|(routes, _)| routes.map(<[String]>::len));
    lab.go_to_next();
    accept(&mut lab, &[]);
    assert_eq!(found(&lab), Some(Ok(0)));
    lab.go_to_next();
    accept(&mut lab, &["<sip:p1.carrier.example>"]);
    assert_eq!(found(&lab), Some(Err(Unfollowed::Unreadable)));
    // Nobody is called in the clear by whom we have registered by TLS.
    let mut lab = Lab::at("carrier.example;transport=tls");
    accept(&mut lab, &[way]);
    assert_eq!(found(&lab), Some(Err(Unfollowed::InTheClear)));
    lab.go_to_next();
    accept(&mut lab, &[]);
    assert_eq!(found(&lab), Some(Ok(0)), "no way is none in the clear");
    lab.go_to_next();
    accept(&mut lab, &["<sip:p1.carrier.example;transport=tls;lr>", way]);
    assert_eq!(found(&lab), Some(Ok(2)));
}

#[test]
fn a_connection_that_closes_is_replaced_at_once_and_not_without_end() {
    let mut lab = Lab::new();
    lab.accept(600);
    lab.now = lab.now + Duration::from_secs(100);
    lab.registration.handle_closed(back_off::AT_ONCE, lab.now);
    assert!(lab.go_to_next() <= back_off::AT_ONCE);
    lab.accept(600);
    // A registrar that closes each connection.
    lab.registration.handle_closed(back_off::AT_ONCE, lab.now);
    let waited = lab.go_to_next();
    assert!((AGAIN_MIN..=AGAIN_MIN + back_off::AT_ONCE).contains(&waited), "{waited:?}");
    // The refresh has gone by the connection that closes: its failure says nothing.
    lab.registration.handle_closed(back_off::AT_ONCE, lab.now);
    lab.answer(503, &[]);
    assert!(lab.go_to_next() <= back_off::AT_ONCE);
    lab.answer(503, &[]);
    assert!(lab.go_to_next() > back_off::AT_ONCE, "and that of the next does");
}

#[test]
fn what_a_request_without_an_answer_may_have_registered_is_removed_by_the_next() {
    let (other, third) = (OTHER_EDGE, "198.51.100.9:5060");
    let ours = |edge: &str| format!("<sip:our%20line@{edge}>");
    let removed = |edge: &str| ours(edge) + ";expires=0";
    let contacts = |lab: &Lab| lab.last().headers(&HeaderName::Contact).map(str::to_owned).collect::<Vec<_>>();
    let mut lab = Lab::new();
    assert!(lab.registration.is_asked());
    lab.registration.handle_way(Some(&edge(other)), back_off::AT_ONCE, lab.now);
    assert!(!lab.registration.is_asked());
    lab.go_to_next();
    assert_eq!(contacts(&lab), [ours(other), removed(EDGE)]);
    lab.registration.handle_silence(lab.now);
    lab.registration.handle_way(Some(&edge(third)), back_off::AT_ONCE, lab.now);
    lab.go_to_next();
    assert_eq!(contacts(&lab), [ours(third), removed(EDGE), removed(other)]);
    lab.accept(600);
    assert_eq!(lab.status().state, State::Registered);
    lab.registration.handle_way(Some(&edge(EDGE)), back_off::AT_ONCE, lab.now);
    lab.go_to_next();
    assert_eq!(contacts(&lab), [ours(EDGE), removed(third)], "what was removed is not removed again");
}

#[test]
fn many_that_lose_their_way_together_do_not_come_back_together() {
    assert_eq!(spread(1), back_off::AT_ONCE);
    assert_eq!(spread(1_000), Duration::from_secs(20));
    assert_eq!(spread(usize::MAX), Duration::from_secs(30));
    let due = |seed| {
        let mut lab = Lab::new();
        lab.registration.entropy = Box::new(Seeded::new(seed));
        lab.accept(3_600);
        lab.now = lab.now + Duration::from_secs(100);
        lab.registration.handle_closed(spread(1_000), lab.now);
        lab.go_to_next()
    };
    let waits: Vec<Duration> = (0..20).map(due).collect();
    assert!(waits.iter().all(|wait| *wait <= spread(1_000)), "{waits:?}");
    assert!(waits.iter().filter(|wait| **wait > Duration::from_secs(2)).count() > 10, "{waits:?}");
}

#[test]
fn what_another_replica_has_left_at_the_registrar_is_removed() {
    let mut lab = Lab::new();
    let left = format!("<sip:our%20line@{OTHER_EDGE}>");
    let lists_both = |lab: &mut Lab| {
        let ours = lab.last().header(&HeaderName::Contact).unwrap().to_owned();
        let contacts = [ours, left.clone(), "<sip:our%20line@192.0.2.1>".to_owned()];
        lab.answer(200, &contacts.map(|contact| (HeaderName::Contact, contact + ";expires=600")));
    };
    lists_both(&mut lab);
    assert!(lab.go_to_next() <= back_off::AT_ONCE);
    let contacts: Vec<_> = lab.last().headers(&HeaderName::Contact).collect();
    assert_eq!(contacts, [format!("<sip:our%20line@{EDGE}>"), format!("{left};expires=0")], "the third is not ours");
    // A registrar that keeps it all the same is not asked without end.
    lists_both(&mut lab);
    assert!(lab.go_to_next() >= Duration::from_secs(300));
}

#[test]
fn what_a_request_that_may_have_arrived_has_registered_is_removed_later() {
    for (why, contacts) in [(Unreached::Closed, 2), (Unreached::Refused, 1)] {
        let mut lab = Lab::new();
        lab.answer(503, &[(crate::proxy::headers::NOT_REACHED, why.as_str().to_owned())]);
        lab.registration.handle_way(Some(&edge(OTHER_EDGE)), back_off::AT_ONCE, lab.now);
        lab.go_to_next();
        assert_eq!(lab.last().headers(&HeaderName::Contact).count(), contacts, "{why:?}");
    }
}

#[test]
fn a_flow_is_asked_for_by_the_same_instance_until_the_first_server_says_that_it_has_none() {
    let asks = |lab: &Lab| lab.last().header(&headers::INSTANCE).map(str::to_owned);
    let ours = Some(instance().to_string());
    let mut lab = Lab::at("203.0.113.9:5062;transport=tcp");
    assert_eq!(asks(&lab), ours);
    lab.challenge("n1", Algorithm::Md5, false);
    assert_eq!(asks(&lab), ours, "the request with credentials is the same one");
    lab.answer(439, &[]);
    assert_eq!((asks(&lab), lab.problem()), (None, None), "it follows at once");
    assert!(lab.last().header(&HeaderName::Authorization).is_none(), "a nonce is used once for each count");
    lab.challenge("n1", Algorithm::Md5, false);
    assert!(proves_itself(lab.last()));
    lab.accept(600);
    assert_eq!(lab.status().state, State::Registered);
    lab.go_to_next();
    assert_eq!(asks(&lab), None, "nor is it asked again with each refresh");
    lab.answer(439, &[]);
    assert_eq!(lab.problem(), Some(Problem::Refused), "who says so without being asked is not asked without end");
    // What is removed is removed as that flow.
    let mut lab = Lab::new();
    lab.accept(600);
    lab.registration.end(lab.now);
    lab.take();
    assert_eq!((lab.last().header(&HeaderName::Expires), asks(&lab)), (Some("0"), ours));
}

#[test]
fn a_registrar_that_repeats_the_parameters_of_a_flow_names_our_contact() {
    let mut lab = Lab::at("203.0.113.9:5062;transport=tcp");
    let flow = |edge: &str, expires: u32| {
        format!("<sip:our%20line@{edge};transport=tcp>;reg-id=1;+sip.instance=\"<{}>\";expires={expires}", instance())
    };
    lab.answer(200, &[(HeaderName::Contact, flow(EDGE, 90)), (HeaderName::Contact, flow(OTHER_EDGE, 80))]);
    assert_eq!(lab.status().registered_until, Some(lab.now + Duration::from_secs(90)));
    lab.go_to_next();
    let contacts: Vec<_> = lab.last().headers(&HeaderName::Contact).collect();
    let left = format!("<sip:our%20line@{OTHER_EDGE};transport=tcp>;expires=0");
    assert_eq!(contacts, [format!("<sip:our%20line@{EDGE};transport=tcp>"), left], "it is found by its address");
}
