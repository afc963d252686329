use std::net::SocketAddr;

use model::{Entropy as _, TenantId, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::trace_data::entry::{self, Routing, Step};
use crate::trace_data::sip::scan;

fn conn() -> ConnId {
    ConnId(0x00aa_00bb_00cc_00dd)
}

fn uuid() -> CallUuid {
    CallUuid(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

/// Spans that go to a queue of a test, which takes `room` items.
fn collected(room: usize) -> (Spans, mpsc::Receiver<Item>) {
    let (queue, items) = mpsc::channel(room);
    (Spans::of(queue, Arc::default(), Counts::default()), items)
}

fn known(spans: &Spans) {
    spans.identify(&TenantId::parse("acme").unwrap(), conn(), uuid(), at(0));
}

fn taken(items: &mut mpsc::Receiver<Item>) -> Vec<Span> {
    std::iter::from_fn(|| items.try_recv().ok())
        .filter_map(|item| if let Item::Span(span) = item { Some(*span) } else { None })
        .collect()
}

fn text<'a>(span: &'a Span, key: &str) -> Option<std::borrow::Cow<'a, str>> {
    span.attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| pair.value.as_str())
}

fn event(name: &str, dn: &str, role: Option<&str>) -> What {
    let (this_dn, role) = (Some(dn.to_owned()), role.map(str::to_owned));
    What::Event(Box::new(entry::Event { name: name.to_owned(), this_dn, role, ..entry::Event::default() }))
}

fn call() -> What {
    What::Call(entry::Call {
        uuid: uuid().to_string(),
        printed: "00aa00bb00cc00dd@sip-cluster-1.7".to_owned(),
        caller: "+15557654321".to_owned(),
        trunk: Some("carrier".to_owned()),
        dialled: "+15550100".to_owned(),
        began: at(0).as_micros(),
        taken_over: false,
    })
}

#[test]
fn a_call_is_one_trace_whose_own_span_everybody_knows_as_parent() {
    let (spans, mut items) = collected(64);
    known(&spans);
    spans.noted(conn(), at(0), &call());
    spans.noted(conn(), at(10), &event("EventRinging", "7002", Some("Destination")));
    spans.noted(conn(), at(20), &event("EventEstablished", "7002", Some("Destination")));
    spans.noted(conn(), at(30), &event("EventHeld", "7002", None));
    assert_eq!(spans.context_of(conn()).unwrap().span, conn().0);
    spans.noted(conn(), at(40), &event("EventReleased", "7002", None));
    spans.noted(conn(), at(50), &event("EventCallDeleted", "", None));
    let spans_of = taken(&mut items);
    let told: Vec<(&str, u64, u64)> = spans_of
        .iter()
        .map(|span| (&*span.name, span.start / 1_000 - 1_000_000, span.end / 1_000 - 1_000_000))
        .collect();
    assert_eq!(told, [("ringing", 10, 20), ("held", 30, 40), ("talking", 20, 40), ("call", 0, 50)]);
    assert!(spans_of.iter().all(|span| span.trace == uuid()));
    let by_name = |name: &str| spans_of.iter().find(|span| span.name == name).unwrap();
    assert_eq!((by_name("call").id, by_name("call").parent), (conn().0, None));
    assert_eq!(by_name("ringing").parent, Some(conn().0));
    assert_eq!(by_name("held").parent, Some(by_name("talking").id));
    assert_eq!(by_name("call").events.len(), 5);
    assert_eq!(text(by_name("call"), "trunkline.caller").unwrap(), "***21");
    assert_eq!(spans.context_of(conn()), None, "nothing is left of it");
}

#[test]
fn an_application_its_states_and_what_it_asks_for_lie_in_each_other() {
    let (spans, mut items) = collected(64);
    known(&spans);
    let step = |step: &str, name: &str| {
        What::Step(Step { step: step.to_owned(), name: name.to_owned(), text: String::new(), line: Some(7) })
    };
    for (ms, kind, name) in [
        (0, "application", "support"),
        (1, "state", "welcome"),
        (2, "action", "dialog.play"),
        (3, "event", "interaction.udata.changed"),
        (9, "event", "dialog.play.done"),
        (9, "left", "welcome"),
        (9, "state", "queue"),
        (10, "action", "queue.submit"),
    ] {
        spans.noted(conn(), at(ms), &step(kind, name));
    }
    let submitting = spans.doing_in(conn()).unwrap();
    spans.noted(conn(), at(12), &step("event", "error.queue.submit.done"));
    spans.noted(conn(), at(15), &step("error", "failed"));
    spans.noted(conn(), at(15), &step("end", "through"));
    let spans_of = taken(&mut items);
    let told: Vec<(&str, u64)> = spans_of.iter().map(|span| (&*span.name, (span.end - span.start) / 1_000)).collect();
    assert_eq!(told, [("dialog.play", 7), ("state", 8), ("queue.submit", 2), ("state", 6), ("application", 15)]);
    let parents: Vec<Option<u64>> = spans_of.iter().map(|span| span.parent).collect();
    let ids: Vec<u64> = spans_of.iter().map(|span| span.id).collect();
    assert_eq!(parents, [Some(ids[1]), Some(ids[4]), Some(ids[3]), Some(ids[4]), Some(conn().0)]);
    assert_eq!((submitting.trace, submitting.span), (uuid(), ids[2]));
    assert!(spans_of[4].failed.is_some());
}

#[test]
fn waiting_lasts_until_the_queue_is_left_and_a_decision_names_its_reasons() {
    let (spans, mut items) = collected(64);
    known(&spans);
    let routing = |step: &str| Routing {
        step: step.to_owned(),
        request: "r1".to_owned(),
        queue: "support".to_owned(),
        agent: None,
        dn: None,
        rule: None,
        candidates: Vec::new(),
        more: 0,
        waiting: 0,
        outcome: None,
    };
    spans.noted(conn(), at(0), &What::Routing(Box::new(routing("queued"))));
    let passed = |agent: &str, why: Option<&str>| entry::Candidate {
        agent: agent.to_owned(),
        idle_since: None,
        passed_over: why.map(str::to_owned),
    };
    let decided = Routing {
        agent: Some("2002".to_owned()),
        candidates: vec![passed("2002", None), passed("2004", Some("on-call"))],
        more: 3,
        ..routing("offered")
    };
    spans.noted(conn(), at(30), &What::Routing(Box::new(decided)));
    let ended = Routing { outcome: Some("answered".to_owned()), ..routing("ended") };
    spans.noted(conn(), at(40), &What::Routing(Box::new(ended)));
    let [decision, queue] = &taken(&mut items)[..] else { panic!("two spans") };
    assert_eq!((&*decision.name, decision.parent), ("decision", Some(queue.id)));
    assert_eq!(
        (text(decision, "trunkline.agent").unwrap(), text(decision, "trunkline.considered").unwrap()),
        ("2002".into(), "5".into())
    );
    assert!(text(decision, "trunkline.passed_over").unwrap().contains("2004: on-call"));
    assert_eq!((&*queue.name, queue.end - queue.start), ("queue", 40_000));
    assert_eq!(text(queue, "trunkline.outcome").unwrap(), "answered");
}

#[test]
fn without_the_calls_global_id_there_is_no_span_and_without_a_reader_they_are_counted() {
    let (spans, mut items) = collected(1);
    spans.noted(conn(), at(0), &call());
    spans.noted(conn(), at(50), &event("EventCallDeleted", "", None));
    assert_eq!(taken(&mut items), []);
    known(&spans);
    for ms in 0..3 {
        spans.noted(conn(), at(ms), &event("EventRinging", "7002", Some("Destination")));
        spans.noted(conn(), at(ms + 1), &event("EventReleased", "7002", None));
        known(&spans);
    }
    assert_eq!(spans.counts.dropped.get(Lost::QueueFull), 2);
    assert_eq!(taken(&mut items).len(), 1);
}

fn passes(spans: &Spans, ms: u64, inside: bool, inbound: bool, message: &str) {
    let bytes = message.replace('\n', "\r\n");
    let peer: SocketAddr = "192.0.2.7:5060".parse().unwrap();
    let passing = Passing { at: at(ms), peer, inside, udp: !inside, inbound, bytes: bytes.as_bytes() };
    spans.passed(&scan(bytes.as_bytes()).unwrap(), &passing);
}

#[test]
fn an_invite_lasts_from_the_edge_to_its_final_answer_and_only_nodes_name_its_call() {
    let (spans, mut items) = collected(64);
    let head = "Via: x\nFrom: <sip:a@b>;tag=1\nCall-ID: c1\nCSeq: 2 INVITE\n";
    let named = format!("Trunkline-Trace: {}\n", TraceParent { trace: uuid(), span: conn().0, sampled: true });
    let forged = "Trunkline-Trace: 00-00000000000000000000000000000001-0000000000000001-01\n";
    let invite = format!("INVITE sip:+15550100@edge SIP/2.0\nTo: <sip:c@d>\n{head}{forged}\n");
    let answer = |status: &str, more: &str| format!("SIP/2.0 {status}\nTo: <sip:c@d>;tag=2\n{head}{more}\n");
    // The challenged INVITE begins no call.
    passes(&spans, 0, false, true, &invite);
    passes(&spans, 1, false, false, &answer("407 Proxy Authentication Required", ""));
    passes(&spans, 5, false, true, &invite);
    passes(&spans, 6, true, false, &invite);
    passes(&spans, 7, true, true, &answer("180 Ringing", &named));
    passes(&spans, 7, false, false, &answer("180 Ringing", ""));
    passes(&spans, 25, true, true, &answer("200 OK", &named));
    passes(&spans, 25, false, false, &answer("200 OK", ""));
    // A session refresh begins no call.
    passes(&spans, 30, false, true, &format!("INVITE sip:x SIP/2.0\nTo: <sip:c@d>;tag=2\n{head}\n"));
    passes(&spans, 31, true, true, &answer("200 OK", &named));
    let [span] = &taken(&mut items)[..] else { panic!("one span") };
    assert_eq!((&*span.name, span.trace, span.parent), ("INVITE", uuid(), Some(conn().0)));
    assert_eq!((span.start, span.end), (at(5).as_micros(), at(25).as_micros()));
    assert_eq!(span.events.iter().map(|event| &*event.name).collect::<Vec<_>>(), ["180"]);
    assert_eq!(text(span, "url.full").unwrap(), "sip:***00@edge");
    assert_eq!(span.failed, None);
}

#[test]
fn a_context_that_is_none_is_refused() {
    let good = "00-0123456789abcdef0123456789abcdef-00aa00bb00cc00dd-01";
    let read: TraceParent = good.parse().unwrap();
    assert_eq!((read.trace, read.span, read.sampled), (uuid(), conn().0, true));
    assert_eq!(read.to_string(), good);
    assert!("01-0123456789abcdef0123456789abcdef-00aa00bb00cc00dd-00-more".parse::<TraceParent>().is_ok());
    for bad in [
        "",
        "00",
        "ff-0123456789abcdef0123456789abcdef-00aa00bb00cc00dd-01",
        "00-00000000000000000000000000000000-00aa00bb00cc00dd-01",
        "00-0123456789abcdef0123456789abcdef-0000000000000000-01",
        "00-0123456789ABCDEF0123456789abcdef-00aa00bb00cc00dd-01",
        "00-0123456789abcdef0123456789abcdef-00aa00bb00cc00dd-01-more",
        "00-+123456789abcdef0123456789abcdef-00aa00bb00cc00dd-01",
    ] {
        assert_eq!(bad.parse::<TraceParent>(), Err(crate::trace_parent::NoTraceParent), "{bad}");
    }
}

#[test]
fn a_collectors_address_has_a_host_and_a_port_and_no_tls() {
    for good in ["", "http://127.0.0.1:4317", "http://collector.example:4317/", "http://[::1]:4317"] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    for bad in ["127.0.0.1:4317", "http://collector", "https://collector:4317", "http://c:4318/v1/traces", "x y"] {
        assert!(check(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn whatever_can_be_a_context_is_read_as_it_was_written(trace in 1..u128::MAX, span in 1..u64::MAX, sampled: bool) {
        let context = TraceParent { trace: CallUuid(trace), span, sampled };
        prop_assert_eq!(context.to_string().parse(), Ok(context));
    }
}

#[test]
fn ids_of_spans_do_not_come_twice() {
    let ids = Ids { seed: crate::entropy::Strong::seeded_by_system().next_u64(), count: AtomicU64::new(0) };
    let all: std::collections::HashSet<u64> = (0..10_000).map(|_| ids.next()).collect();
    assert_eq!(all.len(), 10_000);
}
