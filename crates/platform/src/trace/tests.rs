use runtime::trace::entry::{self, Audio, Candidate, Entry, Figures, Leg, Message, Routing};

use super::*;

mod outside;

const CALL: &str = "00000000000000ab";
const SECOND: u64 = 1_000_000;

fn at(seconds: f64, what: What) -> Entry {
    Entry { at: (seconds * SECOND as f64) as u64, what }
}

fn sip(seconds: f64, peer: &str, node: Option<&str>, inbound: bool, first: &str, cseq: &str, call_id: &str) -> Entry {
    let text = format!("{first}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n");
    let (peer, node, transport) = (peer.to_owned(), node.map(str::to_owned), "udp".to_owned());
    at(seconds, What::Message(Message { peer, node, transport, inbound, leg: leg_in(call_id), text }))
}

/// The leg of a dialog that we began: here its Call-ID has the number.
fn leg_in(call_id: &str) -> Option<u16> {
    call_id.strip_prefix("ours-")?.parse().ok()
}

fn event(seconds: f64, name: &str, dn: &str, role: Option<&str>) -> Entry {
    let event = entry::Event {
        name: name.to_owned(),
        this_dn: Some(dn.to_owned()),
        role: role.map(str::to_owned),
        ..entry::Event::default()
    };
    at(seconds, What::Event(Box::new(event)))
}

fn answer(role: &str, entries: Vec<Entry>) -> Answer {
    let known = RoleTrace {
        role: role.to_owned(),
        node: format!("{role}-1"),
        since: Some(0),
        conn_ids: vec![CALL.to_owned()],
        entries,
        ..RoleTrace::default()
    };
    Answer { role: role.to_owned(), node: format!("{role}-1"), known: Ok(known) }
}

/// A call that an agent answers, and whose caller hangs up at second 20; the caller's packets are given.
fn routed(caller_packets: u64) -> Vec<Answer> {
    let (caller, agent) = ("192.0.2.7:5060", "198.51.100.9:5060");
    let ours = "ours-2".to_owned();
    let proxy = vec![
        sip(1.0, caller, None, true, "INVITE sip:6001@edge SIP/2.0", "1 INVITE", "theirs"),
        sip(1.0, "127.0.2.1:5080", Some("sip-cluster-1"), false, "INVITE sip:6001@edge SIP/2.0", "1 INVITE", "theirs"),
        sip(1.1, caller, None, false, "SIP/2.0 200 OK", "1 INVITE", "theirs"),
        sip(4.0, agent, None, false, "INVITE sip:7001@a SIP/2.0", "1 INVITE", &ours),
        sip(4.2, agent, None, true, "SIP/2.0 180 Ringing", "1 INVITE", &ours),
        sip(6.2, agent, None, true, "SIP/2.0 200 OK", "1 INVITE", &ours),
        sip(20.0, caller, None, true, "BYE sip:x SIP/2.0", "2 BYE", "theirs"),
        sip(20.0, agent, None, false, "BYE sip:y SIP/2.0", "2 BYE", &ours),
    ];
    let call = entry::Call {
        uuid: "A".repeat(32),
        printed: format!("{CALL}@sip-cluster-1.7"),
        caller: "***21".to_owned(),
        trunk: Some("carrier".to_owned()),
        dialled: "6001".to_owned(),
        began: SECOND,
        taken_over: false,
    };
    let leg =
        |leg, party: &str, caller| What::Leg(Leg { leg, party: party.to_owned(), caller, contact: None, trunk: None });
    let cluster = vec![
        at(1.0, What::Call(call)),
        at(1.0, leg(1, "***21", true)),
        at(4.0, leg(2, "7001", false)),
        event(6.2, "EventEstablished", "7001", Some("Destination")),
        event(20.0, "EventCallDeleted", "6001", None),
    ];
    let audio = |leg: u64, number: u16, offered: &str| {
        What::Audio(Audio {
            leg,
            call_id: format!("{CALL}.{number}.ff@sip-cluster-1"),
            local: "203.0.113.1:20000".to_owned(),
            offered: Some(offered.to_owned()),
            codec: "PCMA".to_owned(),
            direction: "sendrecv".to_owned(),
        })
    };
    let figures = |leg, received: u64| {
        let heard = |second: u64| (received > 0).then_some(second * SECOND);
        let figures =
            Figures { leg, ended: true, received, sent: 700, first: heard(7), last: heard(20), ..Figures::default() };
        What::Figures(Box::new(figures))
    };
    let media = vec![
        at(1.1, audio(4, 1, "192.0.2.7:4000")),
        at(6.2, audio(5, 2, "198.51.100.9:4000")),
        at(20.0, figures(4, caller_packets)),
        at(20.0, figures(5, 690)),
    ];
    let candidate = |agent: &str, reason: Option<&str>| Candidate {
        agent: agent.to_owned(),
        idle_since: reason.is_none().then_some(2 * SECOND),
        passed_over: reason.map(str::to_owned),
    };
    let offered = Routing {
        step: "offered".to_owned(),
        request: "r".to_owned(),
        queue: "Sales".to_owned(),
        agent: Some("ann".to_owned()),
        dn: Some("7001".to_owned()),
        rule: Some("longest-idle-agent".to_owned()),
        candidates: vec![candidate("ann", None), candidate("bob", Some("on-call")), candidate("cyd", Some("skills"))],
        more: 0,
        waiting: 1,
        outcome: None,
    };
    let queued = Routing {
        step: "queued".to_owned(),
        agent: None,
        dn: None,
        rule: None,
        candidates: Vec::new(),
        ..offered.clone()
    };
    let rq = vec![at(2.0, What::Routing(Box::new(queued))), at(3.9, What::Routing(Box::new(offered)))];
    vec![
        answer("sip-proxy", proxy),
        answer("sip-cluster", cluster),
        answer("media", media),
        answer("ors", Vec::new()),
        answer("rq", rq),
        answer("frontend", Vec::new()),
    ]
}

fn told(answers: &[Answer]) -> Trace {
    explain("acme", answers, true, 30_000.0).unwrap()
}

#[test]
fn a_routed_call_is_told_in_the_order_of_what_happened() {
    let trace = told(&routed(900));
    let story = trace.verdict.summary.join(" ");
    let words = [
        "***21 called 6001",
        "by the trunk carrier",
        "After 1.9 s in Sales the router chose ann on 7001",
        "7001 answered after 2.0 s of ringing",
        "They were connected for 14 s",
        "The caller hung up",
        "Audio passed on every leg",
    ];
    let mut from = 0;
    for word in words {
        let found = story.get(from..).and_then(|rest| rest.find(word));
        from += found.unwrap_or_else(|| panic!("{word:?} is not in {story:?} in its place"));
    }
    assert_eq!((trace.verdict.findings, trace.missing), (vec![], Vec::<String>::new()));
    assert_eq!(trace.call.ended_at, Some(20_000.0));
}

#[test]
fn the_ladder_has_the_caller_left_and_the_phone_that_rings_right() {
    let trace = told(&routed(900));
    let parties: Vec<&str> = trace.ladder.parties.iter().map(|party| party.id.as_str()).collect();
    assert_eq!(parties, ["192.0.2.7:5060", "sip-proxy-1", "sip-cluster-1", "198.51.100.9:5060"]);
    let labels: Vec<&str> = trace.ladder.messages.iter().map(|message| message.label.as_str()).collect();
    assert_eq!(labels.first().copied(), Some("INVITE"));
    assert_eq!(labels.iter().filter(|label| **label == "BYE").count(), 2);
    assert!(trace.ladder.messages.is_sorted_by(|a, b| a.at <= b.at));
    let page = text::page(&trace);
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    assert!(page.contains("caller ***21") && page.contains("-- Routing") && page.contains("> ann"), "{page}");
}

#[test]
fn one_way_audio_is_named_at_the_top() {
    let trace = told(&routed(0));
    let first = trace.verdict.findings.first().unwrap();
    assert_eq!(first.severity, document::Severity::Fault);
    assert!(first.text.contains("no packet ever arrived from the caller's address 192.0.2.7:4000"), "{}", first.text);
    assert!(trace.verdict.summary.join(" ").contains("Audio was not right"));
}

#[test]
fn candidates_have_their_reasons_in_words() {
    let trace = told(&routed(900));
    let texts: Vec<(&str, &str)> =
        trace.routing[1].candidates.iter().map(|one| (one.agent.as_str(), one.text.as_str())).collect();
    assert_eq!(texts, [("ann", "chosen"), ("bob", "is on a call"), ("cyd", "does not have the skills")]);
    assert_eq!(trace.routing[1].candidates[0].idle_ms, Some(1_900.0));
}

#[test]
fn a_phone_that_is_not_registered_is_not_an_agent_who_did_not_take_the_call() {
    let offered = |seconds, step: &str| {
        let routing = Routing {
            step: step.to_owned(),
            request: "r".to_owned(),
            queue: "Sales".to_owned(),
            agent: (step == "offered").then(|| "ann".to_owned()),
            dn: (step == "offered").then(|| "7001".to_owned()),
            rule: None,
            candidates: Vec::new(),
            more: 0,
            waiting: 1,
            outcome: None,
        };
        at(seconds, What::Routing(Box::new(routing)))
    };
    let error = |text: &str| {
        let event =
            entry::Event { name: "EventError".to_owned(), error: Some(text.to_owned()), ..entry::Event::default() };
        at(3.0, What::Event(Box::new(event)))
    };
    let told = |said: &str| {
        let rq = vec![offered(2.0, "queued"), offered(2.5, "offered"), offered(2.99, "returned")];
        let trace = told(&[answer("sip-cluster", vec![error(said)]), answer("rq", rq)]);
        (trace.routing[2].text.clone(), trace.verdict.summary.join(" "))
    };
    let (routing, story) = told("58 the target's phone is not registered");
    assert!(
        routing.starts_with("the call did not reach the agent, the target's phone is not registered: "),
        "{routing}"
    );
    assert!(story.contains("did not reach the agent") && !story.contains("did not take it"), "{story}");
    let (routing, story) = told("232 no answer");
    assert!(routing.starts_with("the agent did not take the call") && story.contains("did not take it"), "{routing}");
}

const PHONES: [&str; 4] = ["192.0.2.1:5060", "192.0.2.2:5060", "192.0.2.3:5060", "192.0.2.5:5060"];

/// The Call-ID of a phone's dialog: 7101 has called and 7103 has fetched the call by dialogs of their own.
fn dialog(phone: usize) -> String {
    match phone {
        1 => "theirs".to_owned(),
        3 => "fetching".to_owned(),
        leg => format!("ours-{leg}"),
    }
}

/// A BYE of the phone `710<n>`, or for it.
fn bye(seconds: f64, phone: usize, is_theirs: bool) -> Entry {
    let first = format!("BYE sip:710{phone}@x SIP/2.0");
    sip(seconds, PHONES[phone.min(4) - 1], None, is_theirs, &first, "2 BYE", &dialog(phone))
}

/// The story of a call of 7101 with 7102, 7103 and the supervisor 7105, who is on leg 5, by these BYEs.
fn story(byes: Vec<Entry>, is_over: bool) -> String {
    let invite = |seconds, phone: usize| {
        let first = format!("INVITE sip:edge SIP/2.0\r\nFrom: \"Phone\" <sip:710{phone}@edge>;tag=a");
        sip(seconds, PHONES[phone - 1], None, true, &first, "1 INVITE", &dialog(phone))
    };
    let call = entry::Call {
        uuid: "A".repeat(32),
        printed: format!("{CALL}@sip-cluster-1.7"),
        caller: "7101".to_owned(),
        trunk: None,
        dialled: "7102".to_owned(),
        began: SECOND,
        taken_over: false,
    };
    let leg =
        |leg, party: &str, caller| What::Leg(Leg { leg, party: party.to_owned(), caller, contact: None, trunk: None });
    let mut cluster = vec![
        at(1.0, What::Call(call)),
        at(1.0, leg(1, "7101", true)),
        at(1.0, leg(2, "7102", false)),
        at(3.0, leg(5, "7105", false)),
        event(2.0, "EventEstablished", "7102", Some("Destination")),
    ];
    if is_over {
        cluster.push(event(200.0, "EventCallDeleted", "7102", None));
    }
    let proxy = [invite(1.0, 1), invite(11.0, 3)].into_iter().chain(byes).collect();
    told(&[answer("sip-proxy", proxy), answer("sip-cluster", cluster)]).verdict.summary.join(" ")
}

#[test]
fn who_hung_up_is_who_ended_the_call_not_who_left_it_earlier() {
    let (theirs, ours) = (true, false);
    let monitored = story(vec![bye(12.0, 5, ours), bye(18.0, 2, theirs), bye(18.01, 1, ours)], true);
    assert!(monitored.contains("7102 hung up.") && !monitored.contains("We hung up"), "{monitored}");
    let parked = || bye(10.0, 1, ours);
    let fetched = story(vec![parked(), bye(130.0, 2, theirs), bye(130.01, 3, ours)], true);
    assert!(fetched.contains("7102 hung up.") && !fetched.contains("We hung up"), "{fetched}");
    let fetcher = story(vec![parked(), bye(130.0, 3, theirs), bye(130.01, 2, ours)], true);
    assert!(fetcher.contains("7103 hung up."), "{fetcher}");
    let caller = story(vec![bye(60.0, 1, theirs), bye(60.01, 5, ours), bye(60.01, 2, ours)], true);
    assert!(caller.contains("The caller hung up."), "{caller}");
}

#[test]
fn a_call_that_we_ended_is_not_ended_by_who_left_it_earlier() {
    let (theirs, ours) = (true, false);
    // The last BYE is sent again, because the phone is gone.
    let byes = vec![bye(10.0, 3, theirs), bye(60.0, 1, ours), bye(60.0, 2, ours), bye(64.0, 2, ours)];
    let story = story(byes, true);
    assert!(story.contains("We hung up first, on the caller."), "{story}");
}

#[test]
fn a_call_that_others_go_on_with_has_not_ended() {
    let story = story(vec![bye(10.0, 1, false)], false);
    assert!(story.contains("It has not ended, as far as is known.") && !story.contains("hung up"), "{story}");
}

#[test]
fn a_call_whose_consultation_has_ended_has_not_ended() {
    let of_call = |seconds, name: &str, conn_id: &str| {
        let event =
            entry::Event { name: name.to_owned(), conn_id: Some(conn_id.to_owned()), ..entry::Event::default() };
        at(seconds, What::Event(Box::new(event)))
    };
    let mut facts = vec![
        of_call(1.0, "EventCallCreated", CALL),
        of_call(3.0, "EventCallCreated", "0070000000000001"),
        of_call(5.0, "EventCallDeleted", "0070000000000001"),
    ];
    assert_eq!(told(&[answer("sip-cluster", facts.clone())]).call.ended_at, None);
    facts.push(of_call(9.0, "EventCallDeleted", CALL));
    assert_eq!(told(&[answer("sip-cluster", facts)]).call.ended_at, Some(9_000.0));
}

#[test]
fn what_is_not_known_is_said_with_its_reason() {
    let mut answers = routed(900);
    answers[0].known = Err("it does not run".to_owned());
    if let Ok(media) = &mut answers[2].known {
        media.since = Some(5 * SECOND);
    }
    let missing = told(&answers).missing.join("\n");
    assert!(missing.contains("sip-proxy-1 has not answered (it does not run)"), "{missing}");
    assert!(missing.contains("media-1 remembers only from 00:00:05.000 on"), "{missing}");
    assert!(missing.contains("no SIP message of the call is remembered"), "{missing}");
}

#[test]
fn a_call_that_nobody_knows_has_no_trace() {
    assert_eq!(explain("acme", &[answer("sip-proxy", Vec::new())], true, 0.0), None);
}
