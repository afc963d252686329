use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn request(cseq: u32, headers: &str) -> Message {
    let text = format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{cseq}\r\nMax-Forwards: 70\r\n\
         From: <sip:7101@example.com>;tag=a\r\nTo: <sip:7101@example.com>\r\nCall-ID: reg-1\r\nCSeq: {cseq} REGISTER\r\n\
         {headers}Content-Length: 0\r\n\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap()
}

fn many() -> Policy {
    Policy { contacts_max: 5, ..Policy::default() }
}

fn accepted(request: &Message, known: &[Binding], policy: &Policy) -> Vec<Binding> {
    match register(request, known, policy, NOW) {
        Outcome::Accepted(bindings) => bindings,
        refused => panic!("refused with {refused:?}"),
    }
}

fn contacts(bindings: &[Binding]) -> Vec<(&str, u64)> {
    bindings.iter().map(|binding| (binding.uri.as_str(), binding.expires_at.since(NOW).as_secs())).collect()
}

#[test]
fn each_contact_gets_its_own_time_within_the_limits() {
    let request = request(
        1,
        "Contact: <sip:a@192.0.2.1>;expires=100;q=0.5, <sip:b@192.0.2.1>\r\nContact: <sip:c@192.0.2.1>;expires=99999\r\n\
         Expires: 200\r\nPath: <sip:flow@proxy;lr>\r\n",
    );
    let bindings = accepted(&request, &[], &many());
    let wanted = [("sip:c@192.0.2.1", 3_600), ("sip:b@192.0.2.1", 200), ("sip:a@192.0.2.1", 100)];
    assert_eq!(contacts(&bindings), wanted);
    assert_eq!((bindings[2].q, bindings[1].q), (500, 1_000));
    assert_eq!(bindings[0].path, ["<sip:flow@proxy;lr>"]);
}

#[test]
fn the_newest_contact_wins_when_one_is_allowed() {
    let first = accepted(&request(1, "Contact: <sip:a@192.0.2.1>\r\n"), &[], &Policy::default());
    let second = accepted(&request(2, "Contact: <sip:a@192.0.2.2>\r\n"), &first, &Policy::default());
    assert_eq!(contacts(&second), [("sip:a@192.0.2.2", 600)]);
}

#[test]
fn without_contact_the_bindings_are_told_and_stay() {
    let known = accepted(&request(1, "Contact: <sip:a@192.0.2.1>\r\n"), &[], &many());
    let fetch = request(2, "");
    let outcome = register(&fetch, &known, &many(), NOW);
    assert_eq!(outcome, Outcome::Accepted(known));
    let answer = answer(&fetch, &outcome, &many(), "t", NOW);
    assert_eq!(answer.headers(&HeaderName::Contact).collect::<Vec<_>>(), ["<sip:a@192.0.2.1>;expires=600"]);
    assert_eq!(answer.to().unwrap().tag(), Some("t"));
}

#[test]
fn a_binding_that_is_over_is_forgotten() {
    let mut known = accepted(&request(1, "Contact: <sip:a@192.0.2.1>\r\n"), &[], &many());
    known[0].expires_at = NOW;
    assert_eq!(accepted(&request(2, ""), &known, &many()), []);
}

#[test]
fn zero_removes_one_and_the_star_removes_all() {
    let known = accepted(&request(1, "Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>\r\n"), &[], &many());
    let one = accepted(&request(2, "Contact: <sip:A@192.0.2.1>, <sip:a@192.0.2.1>;expires=0\r\n"), &known, &many());
    assert_eq!(contacts(&one), [("sip:A@192.0.2.1", 600), ("sip:b@192.0.2.1", 600)], "users compare with case");
    assert_eq!(accepted(&request(3, "Contact: *\r\nExpires: 0\r\n"), &one, &many()), []);
}

#[test]
fn a_contact_that_is_named_twice_counts_as_written_last() {
    let twice = "Contact: <sip:a@192.0.2.1>;expires=100, <sip:b@192.0.2.1>, <sip:a@192.0.2.1>;expires=200\r\n";
    let first = accepted(&request(1, twice), &[], &many());
    assert_eq!(contacts(&first), [("sip:a@192.0.2.1", 200), ("sip:b@192.0.2.1", 600)]);
    let refreshed = accepted(&request(2, twice), &first, &many());
    assert_eq!(contacts(&refreshed), contacts(&first));
    let late = register(&request(1, twice), &refreshed, &many(), NOW);
    assert_eq!(late, Outcome::Refused(StatusCode::SERVER_INTERNAL_ERROR), "an outdated one still changes nothing");
}

#[test]
fn an_expiration_time_that_is_no_number_counts_as_an_hour() {
    let bindings = accepted(&request(1, "Contact: <sip:a@192.0.2.1>\r\nExpires: abc\r\n"), &[], &many());
    assert_eq!(bindings.len(), 1);
    let hour = accepted(&request(1, "Contact: <sip:a@192.0.2.1>\r\nExpires: 3600\r\n"), &[], &many());
    assert_eq!(bindings, hour);
}

#[test]
fn faults_change_nothing_and_name_themselves() {
    let known = accepted(&request(5, "Contact: <sip:a@192.0.2.1>\r\n"), &[], &many());
    for (cseq, headers, status) in [
        (6, "Contact: *\r\n", 400),
        (6, "Contact: *\r\nExpires: 10\r\n", 400),
        (6, "Contact: *, <sip:b@192.0.2.1>\r\nExpires: 0\r\n", 400),
        (6, "Contact: <sip:a@192.0.2.1>;expires=5\r\n", 423),
        (5, "Contact: <sip:a@192.0.2.1>\r\n", 500),
        (4, "Contact: *\r\nExpires: 0\r\n", 500),
    ] {
        let request = request(cseq, headers);
        let outcome = register(&request, &known, &many(), NOW);
        assert_eq!(outcome, Outcome::Refused(StatusCode(status)), "{headers}");
        let answer = answer(&request, &outcome, &many(), "t", NOW);
        assert_eq!(answer.min_expires().unwrap(), (status == 423).then_some(30));
    }
}

#[test]
fn times_at_the_edge_of_their_range_are_granted_within_the_limits() {
    for (asked, seconds) in [
        ("30", 30),
        ("4294967295", 3_600),
        // RFC 3261 §20.19 and §10.2.1.1: values above 2^32-1, and values that are not numbers, count as an hour.
        ("4294967296", 3_600),
        ("99999999999999999999999999", 3_600),
        ("-1", 3_600),
        ("1e3", 3_600),
    ] {
        for headers in [
            format!("Contact: <sip:a@192.0.2.1>\r\nExpires: {asked}\r\n"),
            format!("Contact: <sip:a@192.0.2.1>;expires={asked}\r\n"),
        ] {
            let bindings = accepted(&request(1, &headers), &[], &many());
            assert_eq!(contacts(&bindings), [("sip:a@192.0.2.1", seconds)], "{headers}");
        }
    }
    for asked in ["1", "29"] {
        let request = request(1, &format!("Contact: <sip:a@192.0.2.1>\r\nExpires: {asked}\r\n"));
        assert_eq!(register(&request, &[], &many(), NOW), Outcome::Refused(StatusCode::INTERVAL_TOO_BRIEF));
    }
}

fn excess(headers: &str) -> Option<Excess> {
    let (request, everything) = (request(1, headers), Policy { contacts_max: usize::MAX, ..many() });
    let outcome = register(&request, &[], &everything, NOW);
    let answer = answer(&request, &outcome, &everything, "t", NOW);
    let Outcome::Excessive(excess) = outcome else { return None };
    assert_eq!(answer.status(), Some(StatusCode::BAD_REQUEST));
    assert!(
        answer
            .header(&HeaderName::Warning)
            .is_some_and(|warning| warning.contains("at most") || warning.contains("At most"))
    );
    Some(excess)
}

#[test]
fn what_is_kept_of_one_phone_has_bounds_that_are_named() {
    let some = |count: usize| (0..count).map(|i| format!("<sip:{i}@192.0.2.1>")).collect::<Vec<_>>().join(",");
    assert_eq!(excess(&format!("Contact: {}\r\n", some(CONTACTS_MAX))), None);
    assert_eq!(excess(&format!("Contact: {}\r\n", some(CONTACTS_MAX + 1))), Some(Excess::Contacts));
    let long = |bytes: usize| format!("Contact: <sip:{}@b>\r\n", "a".repeat(bytes - "sip:@b".len()));
    assert_eq!(excess(&long(CONTACT_BYTES_MAX)), None);
    assert_eq!(excess(&long(CONTACT_BYTES_MAX + 1)), Some(Excess::Contact));
    let path = |count: usize, bytes: usize| {
        let one = format!("<sip:{}@b;lr>", "a".repeat(bytes - "<sip:@b;lr>".len()));
        format!("Contact: <sip:a@192.0.2.1>\r\nPath: {}\r\n", vec![one; count].join(","))
    };
    assert_eq!(excess(&path(PATHS_MAX, PATH_BYTES_MAX / PATHS_MAX)), None);
    assert_eq!(excess(&path(PATHS_MAX + 1, 20)), Some(Excess::Path));
    assert_eq!(excess(&path(1, PATH_BYTES_MAX + 1)), Some(Excess::Path));
    let named = format!("Contact: <sip:a@192.0.2.1>\r\nUser-Agent: {}\r\n", "ä".repeat(1_000));
    let bindings = accepted(&request(1, &named), &[], &many());
    assert_eq!(bindings[0].user_agent.as_ref().map(String::len), Some(USER_AGENT_BYTES_MAX));
}

#[test]
fn a_call_id_beyond_its_bound_is_refused() {
    let whole = request(1, "Contact: <sip:a@192.0.2.1>\r\n").to_bytes();
    let text = String::from_utf8(whole.to_vec()).unwrap().replace("reg-1", &"x".repeat(CALL_ID_BYTES_MAX + 1));
    let long = Message::parse(Bytes::from(text)).unwrap();
    assert_eq!(register(&long, &[], &many(), NOW), Outcome::Excessive(Excess::CallId));
}

#[test]
fn a_record_with_more_bindings_than_a_dn_may_have_becomes_one_that_has_as_many() {
    let one = accepted(&request(1, "Contact: <sip:a@192.0.2.1>\r\n"), &[], &many()).remove(0);
    let of = |i: usize| Binding { uri: format!("sip:{i}@192.0.2.1"), ..one.clone() };
    let known: Vec<_> = (0..5_000).map(of).collect();
    let everything = Policy { contacts_max: usize::MAX, ..many() };
    assert_eq!(accepted(&request(2, ""), &known, &everything).len(), CONTACTS_MAX);
}

#[test]
fn a_contact_that_cannot_be_called_is_refused_and_says_why() {
    let known = accepted(&request(1, "Contact: <sip:a@192.0.2.1>\r\n"), &[], &many());
    for (cseq, uri) in [(2, "mailto:ann@example.com"), (3, "tel:+15550100"), (4, "https://example.com/ann")] {
        let request = request(cseq, &format!("Contact: <sip:b@192.0.2.1>, <{uri}>\r\n"));
        let outcome = register(&request, &known, &many(), NOW);
        assert_eq!(outcome, Outcome::Refused(StatusCode::UNSUPPORTED_URI_SCHEME), "{uri}");
        let answer = answer(&request, &outcome, &many(), "t", NOW);
        assert!(answer.header(&HeaderName::Warning).is_some_and(|w| w.starts_with("399 ")), "{uri}");
    }
    // A Contact that is removed has no effect if it was never stored.
    let gone = request(5, "Contact: <tel:+15550100>;expires=0\r\n");
    assert_eq!(register(&gone, &known, &many(), NOW), Outcome::Accepted(known.clone()));
}

#[test]
fn path_is_echoed_to_those_who_know_it() {
    let headers = "Contact: <sip:a@192.0.2.1>\r\nPath: <sip:p1;lr>, <sip:p2;lr>\r\n";
    for (supported, echoed) in [("Supported: path\r\n", 2), ("", 0)] {
        let request = request(1, &format!("{headers}{supported}"));
        let outcome = register(&request, &[], &many(), NOW);
        let answer = answer(&request, &outcome, &many(), "t", NOW);
        assert_eq!(answer.elements(&HeaderName::Path).count(), echoed);
    }
}

#[test]
fn other_methods_and_extensions_are_refused_with_what_would_be_served() {
    let strange = request(1, "Require: outbound-magic\r\n");
    assert_eq!(unserved(&strange).unwrap().status, StatusCode(420));
    assert_eq!(unserved(&request(1, "Require: path\r\n")), None);
}

/// The phone at the desk, and one elsewhere.
const DESK: &str = "urn:uuid:00000000-0000-1000-8000-00000000000a";
const HOME: &str = "urn:uuid:00000000-0000-1000-8000-00000000000b";

/// The headers of a REGISTER for a flow, as our edge passes it on.
fn flow(uri: &str, instance: &str, reg_id: &str) -> String {
    format!(
        "Supported: path, outbound\r\nPath: <sip:token@edge;lr;ob>\r\n\
         Contact: <{uri}>;+sip.instance=\"<{instance}>\";reg-id={reg_id}\r\n"
    )
}

/// What these REGISTERs of one phone after the other leave, newest first.
fn after(registers: &[String], policy: &Policy) -> Vec<Binding> {
    let numbered = (1..).zip(registers);
    numbered.fold(Vec::new(), |known, (cseq, headers)| accepted(&request(cseq, headers), &known, policy))
}

fn uris(bindings: &[Binding]) -> Vec<&str> {
    bindings.iter().map(|binding| binding.uri.as_str()).collect()
}

#[test]
fn a_flow_replaces_its_former_registration_and_no_other_flow() {
    let registers = [
        flow("sip:a@192.0.2.1", DESK, "1"),
        flow("sip:b@192.0.2.1", DESK, "2"),
        flow("sip:c@192.0.2.1", &DESK.to_uppercase(), "1"),
    ];
    let bindings = after(&registers, &Policy::default());
    assert_eq!(uris(&bindings), ["sip:c@192.0.2.1", "sip:b@192.0.2.1"], "one phone, though it may have only one");
    assert_eq!(bindings.iter().map(|binding| binding.reg_id).collect::<Vec<_>>(), [Some(1), Some(2)]);
    let gone = flow("sip:c@192.0.2.1", DESK, "1").replace("reg-id=1", "reg-id=1;expires=0");
    assert_eq!(uris(&accepted(&request(9, &gone), &bindings, &many())), ["sip:b@192.0.2.1"]);
    assert_eq!(accepted(&request(9, "Contact: *\r\nExpires: 0\r\n"), &bindings, &many()), []);
}

#[test]
fn two_flows_may_have_one_uri() {
    let registers = [flow("sip:a@x.invalid", DESK, "1"), flow("sip:a@x.invalid", DESK, "2")];
    let bindings = after(&registers, &many());
    assert_eq!(uris(&bindings), ["sip:a@x.invalid", "sip:a@x.invalid"]);
    let plain = "Contact: <sip:a@x.invalid>;expires=0\r\n";
    assert_eq!(accepted(&request(9, plain), &bindings, &many()), [], "without a flow the URI is meant");
}

#[test]
fn phones_are_counted_and_not_their_flows_of_which_each_has_a_few() {
    let two = Policy { contacts_max: 2, ..Policy::default() };
    let mut registers: Vec<String> =
        (1..=FLOWS_MAX + 1).map(|i| flow(&format!("sip:d{i}@192.0.2.1"), DESK, &i.to_string())).collect();
    let many_flows = after(&registers, &two);
    assert_eq!(uris(&many_flows), ["sip:d5@192.0.2.1", "sip:d4@192.0.2.1", "sip:d3@192.0.2.1", "sip:d2@192.0.2.1"]);
    registers.push(flow("sip:h1@192.0.2.2", HOME, "1"));
    registers.push(flow("sip:h2@192.0.2.2", HOME, "2"));
    assert_eq!(after(&registers, &two).len(), FLOWS_MAX + 2, "the second phone has its place");
    registers.push("Contact: <sip:plain@192.0.2.3>\r\n".to_owned());
    assert_eq!(
        uris(&after(&registers, &two)),
        ["sip:plain@192.0.2.3", "sip:h2@192.0.2.2", "sip:h1@192.0.2.2"],
        "the oldest phone is gone with all its flows"
    );
}

#[test]
fn a_reg_id_counts_with_an_instance_at_an_edge_that_keeps_flows_for_a_phone_that_knows_them() {
    let whole = flow("sip:a@192.0.2.1", DESK, "1");
    let flows = |headers: &str| {
        let request = request(1, headers);
        let outcome = register(&request, &[], &many(), NOW);
        let answer = answer(&request, &outcome, &many(), "t", NOW);
        let Outcome::Accepted(bindings) = outcome else { panic!("{outcome:?}") };
        (bindings[0].reg_id, answer.header(&HeaderName::Require).map(str::to_owned))
    };
    assert_eq!(flows(&whole), (Some(1), Some("outbound".to_owned())));
    for without in [
        whole.replace("path, outbound", "path"),
        whole.replace(";ob>", ">"),
        whole.replace("Path: <sip:token@edge;lr;ob>\r\n", ""),
        whole.replace("reg-id=1", "reg-id=0"),
        whole.replace("reg-id=1", "reg-id=2147483648"),
        whole.replace(&format!("+sip.instance=\"<{DESK}>\";"), ""),
        whole.replace("urn:uuid:", "uuid:"),
    ] {
        assert_eq!(flows(&without), (None, None), "{without}");
    }
    assert_eq!(unserved(&request(1, "Require: outbound, gruu, path\r\n")), None);
}

#[test]
fn one_request_makes_one_flow_and_may_remove_what_was_before() {
    let with = |more: &str| format!("{}Contact: {more}\r\n", flow("sip:new@192.0.2.1", DESK, "1"));
    let second = with(&format!("<sip:b@192.0.2.1>;+sip.instance=\"<{DESK}>\";reg-id=2"));
    let outcome = register(&request(1, &second), &[], &many(), NOW);
    assert_eq!(outcome, Outcome::Refused(StatusCode::BAD_REQUEST));
    let known = after(&["Contact: <sip:old@192.0.2.1>\r\n".to_owned()], &many());
    let moved = accepted(&request(2, &with("<sip:old@192.0.2.1>;expires=0")), &known, &many());
    assert_eq!(uris(&moved), ["sip:new@192.0.2.1"]);
}

#[test]
fn a_phone_that_asks_gets_the_gruu_of_each_instance() {
    let known = after(&[flow("sip:a@192.0.2.1", DESK, "7"), "Contact: <sip:b@192.0.2.1>\r\n".to_owned()], &many());
    for (supported, gruu) in [("gruu", true), ("outbound", false)] {
        let fetch = request(9, &format!("Supported: {supported}\r\n"));
        let answer = answer(&fetch, &Outcome::Accepted(known.clone()), &many(), "t", NOW);
        let contacts: Vec<&str> = answer.headers(&HeaderName::Contact).collect();
        let gruu = if gruu { format!(";pub-gruu=\"sip:7101@example.com;gr={DESK}\"") } else { String::new() };
        let desk = format!("<sip:a@192.0.2.1>;expires=600;+sip.instance=\"<{DESK}>\";reg-id=7{gruu}");
        assert_eq!(contacts, ["<sip:b@192.0.2.1>;expires=600", desk.as_str()]);
    }
}

/// A phone, its flow (0 for none), its port, and whether it goes.
fn step() -> impl Strategy<Value = (u8, u32, u8, bool)> {
    (0..4u8, 0..7u32, 0..3u8, any::<bool>())
}

proptest! {
    /// In any order of arrival, the binding is that of the highest CSeq that has arrived.
    #[test]
    fn an_overtaken_register_never_wins(order in proptest::collection::vec(1..20u32, 1..20)) {
        let mut known = Vec::new();
        let mut highest = 0;
        for cseq in order {
            let request = request(cseq, "Contact: <sip:a@192.0.2.1>\r\n");
            match register(&request, &known, &many(), NOW) {
                Outcome::Accepted(bindings) => known = bindings,
                Outcome::Refused(status) => {
                    prop_assert_eq!(status, StatusCode::SERVER_INTERNAL_ERROR);
                    prop_assert!(cseq <= highest);
                }
                excessive => return Err(TestCaseError::fail(format!("{excessive:?}"))),
            }
            highest = highest.max(cseq);
            prop_assert_eq!(known[0].cseq, highest);
        }
    }

    /// In any order, each phone has at most its flows, each flow one binding, and no more phones are known than may be.
    #[test]
    fn bindings_stay_within_their_bounds(steps in proptest::collection::vec(step(), 1..40)) {
        let policy = Policy { contacts_max: 2, ..Policy::default() };
        let mut known: Vec<Binding> = Vec::new();
        for (cseq, (phone, reg_id, port, goes)) in (1..).zip(steps) {
            let instance = format!("urn:uuid:00000000-0000-1000-8000-00000000000{phone}");
            let headers = flow(&format!("sip:{phone}@192.0.2.1:506{port}"), &instance, &reg_id.to_string());
            let headers = if goes { format!("{headers}Expires: 0\r\n") } else { headers };
            known = accepted(&request(cseq, &headers), &known, &policy);
            let flows = |one: &Binding| known.iter().filter(|other| one.is_flow_beside(other)).count();
            prop_assert!(known.iter().all(|one| flows(one) <= FLOWS_MAX));
            let first = |at: usize| !known[..at].iter().any(|before| before.is_flow_beside(&known[at]));
            prop_assert!((0..known.len()).filter(|at| first(*at)).count() <= policy.contacts_max);
            for (at, one) in known.iter().enumerate() {
                let is_twin = |other: &Binding| match one.reg_id {
                    Some(_) => one.is_flow_beside(other) && one.reg_id == other.reg_id,
                    None => other.reg_id.is_none() && one.uri == other.uri,
                };
                prop_assert!(!known[at + 1..].iter().any(is_twin));
            }
        }
    }
}
