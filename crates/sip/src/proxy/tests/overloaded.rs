//! More load than capacity: admitted calls are finished, others are refused at once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use super::phones::{credentials, invite, register, registered_by};
use super::*;
use crate::flow::Transport;

/// The cost of a processed message, and of a refused one.
const WORK: Duration = Duration::from_micros(100);
const REFUSAL: Duration = Duration::from_micros(10);
/// INVITE, 200 and ACK, BYE and 200.
const MESSAGES_OF_CALL: u32 = 5;
/// From one end to the other.
const WAY: Duration = Duration::from_millis(1);
/// From the ACK to the BYE.
const TALK: Duration = Duration::from_millis(500);
const NODE: ConnectionId = ConnectionId(1);
const HELP: &str = "sip:112@127.0.0.1";

/// Arrival time, order, connection (none: from the trunk), and message text.
type Coming = (Timestamp, u64, Option<ConnectionId>, String);

/// A loop with one processor: messages are queued in order, and each takes its time and a turn.
struct Site {
    lab: Lab,
    /// Messages on their way.
    coming: BinaryHeap<Reverse<Coming>>,
    /// Messages in the queue.
    waiting: VecDeque<Coming>,
    sequence: u64,
    /// From then on nothing is done for as long.
    stall: Option<(Timestamp, Duration)>,
    longest_wait: Duration,
    /// Responses that callers got, by call.
    statuses: BTreeMap<u32, Vec<u16>>,
}

impl Site {
    fn new() -> Self {
        let mut lab = Lab::new();
        lab.node(NODE, "sip-cluster", "a.1");
        let (coming, waiting, statuses) = (BinaryHeap::new(), VecDeque::new(), BTreeMap::new());
        Self { lab, coming, waiting, sequence: 0, stall: None, longest_wait: Duration::ZERO, statuses }
    }

    fn comes(&mut self, at: Timestamp, by: Option<ConnectionId>, text: String) {
        self.sequence += 1;
        self.coming.push(Reverse((at, self.sequence, by, text)));
    }

    fn ask(&mut self, at: Timestamp, call: u32, method: &str) {
        let (id, branch) = (format!("{call}@192.0.2.10"), format!("z9hG4bK-{call}-{method}"));
        let to_tag = tag(u64::from(call), "a.1");
        let to_tag = (method != "INVITE").then_some(to_tag.as_str());
        let cseq = 1 + u32::from(method == "BYE");
        let text = Ask { method, to_tag, branch: &branch, call: &id, cseq, ..Ask::default() }.text();
        self.comes(at, None, text);
    }

    fn run(&mut self) {
        while let Some((at, _, by, text)) = self.next() {
            let waited = self.lab.now.since(at);
            self.longest_wait = self.longest_wait.max(waited);
            let turn = TurnLoad { waited, taken: 1, left: self.waiting.len() };
            self.lab.proxy.note_turn(turn, self.lab.now);
            match by {
                Some(connection) => self.lab.by(connection, &text),
                None => self.lab.from(TRUNK, &text),
            }
            let sent = self.lab.take();
            let refused = sent.iter().any(|(_, m)| m.status() == Some(StatusCode::SERVICE_UNAVAILABLE));
            self.lab.now = self.lab.now + if refused { REFUSAL } else { WORK };
            sent.into_iter().for_each(|(flow, message)| self.arrived(flow, &message));
        }
    }

    /// The next message, at its turn.
    fn next(&mut self) -> Option<Coming> {
        if self.waiting.is_empty() {
            let Reverse((at, ..)) = self.coming.peek()?;
            self.lab.now = self.lab.now.max(*at);
        }
        if let Some((_, time)) = self.stall.take_if(|(at, _)| *at <= self.lab.now) {
            self.lab.now = self.lab.now + time;
        }
        while self.coming.peek().is_some_and(|Reverse((at, ..))| *at <= self.lab.now) {
            self.waiting.extend(self.coming.pop().map(|Reverse(message)| message));
        }
        self.waiting.pop_front()
    }

    /// The two ends: a node that answers at once, and a caller that hangs up after a while.
    fn arrived(&mut self, flow: Flow, message: &Message) {
        let at = self.lab.now + WAY;
        if is_keep_alive(message) || message.method() == Method::Ack {
            return;
        }
        let call: u32 = message.call_id().unwrap().split('@').next().unwrap().parse().unwrap();
        if message.is_request() {
            assert_eq!(flow, NODE.into());
            return self.comes(at, Some(NODE), answer(message, 200, &tag(u64::from(call), "a.1")));
        }
        let status = message.status().unwrap().0;
        self.statuses.entry(call).or_default().push(status);
        if message.method() == Method::Invite && status == 200 {
            self.ask(at, call, "ACK");
            self.ask(at + TALK, call, "BYE");
        }
    }
}

/// Calls that come evenly for 1.5 s, at `times` the capacity of one processor.
fn offered(times: u32) -> (Site, u32) {
    let (mut site, calls) = offering(WORK * MESSAGES_OF_CALL / times);
    site.run();
    (site, calls)
}

/// Calls in this interval for 1.5 s.
fn offering(each: Duration) -> (Site, u32) {
    let mut site = Site::new();
    let calls = 1_500_000 / u32::try_from(each.as_micros()).unwrap();
    let began = site.lab.now;
    for call in 1..=calls {
        site.ask(began + each * call, call, "INVITE");
    }
    (site, calls)
}

#[test]
fn with_twice_the_load_what_is_let_in_is_finished_and_the_rest_refused() {
    let (site, calls) = offered(2);
    assert_eq!(site.statuses.len(), calls as usize, "everybody is answered");
    let finished = site.statuses.values().filter(|statuses| **statuses == [200, 200]).count();
    let refused = site.statuses.values().filter(|statuses| **statuses == [503]).count();
    assert_eq!(finished + refused, calls as usize, "nothing between the two");
    // The capacity is half of them.
    assert!(finished * 10 > calls as usize * 4, "{finished} of {calls}");
    assert!(site.longest_wait < Duration::from_millis(400), "nobody repeats: {:?}", site.longest_wait);
    let counts = site.lab.proxy.counts();
    assert_eq!(counts.overload_refused, refused as u64);
    assert!(counts.overloads_begun > 0 && !site.lab.proxy.is_overloaded());
}

#[test]
fn what_can_be_done_is_not_refused() {
    let (site, calls) = offered(1);
    assert!(site.statuses.values().all(|statuses| *statuses == [200, 200]));
    assert_eq!((site.statuses.len(), site.lab.proxy.counts().overloads_begun), (calls as usize, 0));
}

#[test]
fn a_moment_in_which_nothing_is_done_is_no_overload() {
    let mut site = Site::new();
    for call in 1..=200 {
        site.ask(site.lab.now, call, "INVITE");
    }
    // All of them have already waited for this long.
    site.lab.now = site.lab.now + 2 * overload::PERSISTS;
    site.run();
    assert!(site.statuses.values().all(|statuses| *statuses == [200, 200]));
    assert_eq!(site.lab.proxy.counts().overloads_begun, 0);
}

#[test]
fn a_longer_stall_at_half_the_load_is_worked_off_without_a_refusal() {
    let (mut site, calls) = offering(2 * WORK * MESSAGES_OF_CALL);
    let time = Duration::from_millis(500);
    site.stall = Some((site.lab.now + Duration::from_secs(1), time));
    site.run();
    assert!(site.longest_wait >= time, "{:?}", site.longest_wait);
    assert!(site.statuses.values().all(|statuses| *statuses == [200, 200]));
    assert_eq!((site.statuses.len(), site.lab.proxy.counts().overloads_begun), (calls as usize, 0));
}

/// From now on more comes than can be done.
pub(super) fn begin_overload(lab: &mut Lab) {
    let turn = TurnLoad { waited: overload::LATE, taken: 1, left: 1 };
    lab.proxy.note_turn(turn, lab.now);
    for passed in [overload::SETTLES, overload::PERSISTS - overload::SETTLES] {
        lab.now = lab.now + passed;
        lab.proxy.note_turn(turn, lab.now);
    }
    assert!(lab.proxy.is_overloaded());
}

#[test]
fn while_too_much_comes_dialogs_responses_and_repetitions_go_on() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    let info = Ask { method: "MESSAGE", branch: "z9hG4bK-m", ..Ask::default() };
    lab.from(TRUNK, &info.text());
    let (_, message) = lab.only();
    lab.by(ConnectionId(1), &answer(&message, 200, "x"));
    lab.take();
    begin_overload(&mut lab);
    for (method, branch) in
        [("INVITE", "z9hG4bK-2"), ("OPTIONS", "z9hG4bK-3"), ("REGISTER", "z9hG4bK-4"), ("SUBSCRIBE", "z9hG4bK-5")]
    {
        lab.from(TRUNK, &Ask { method, branch, ..Ask::default() }.text());
        let (flow, refused) = lab.only();
        assert_eq!((flow, refused.status().unwrap().0), (udp(TRUNK), 503), "{method}");
        assert_eq!(refused.retry_after().unwrap(), Some(5));
    }
    assert_eq!(lab.proxy.sizes().0, 1, "nothing is held of them");
    lab.from(TRUNK, &info.text());
    assert_eq!(lab.statuses(), [200], "the answer is repeated");
    lab.from(TRUNK, &Ask::default().text());
    assert!(lab.take().is_empty(), "it was let in");
    lab.by(ConnectionId(1), &answer(&invite, 180, &tag(1, "a.1")));
    assert_eq!(lab.statuses(), [180]);
    let to_tag = tag(1, "a.1");
    for method in ["PRACK", "UPDATE", "INVITE", "BYE"] {
        let branch = format!("z9hG4bK-d{method}");
        lab.from(TRUNK, &Ask { method, to_tag: Some(&to_tag), branch: &branch, cseq: 2, ..Ask::default() }.text());
        assert_eq!(lab.only().0, tcp(1), "{method}");
    }
    lab.by(
        ConnectionId(1),
        &Ask { uri: "sip:1@192.0.2.10", host: "127.0.2.1", branch: "z9hG4bK-o", ..Ask::default() }.text(),
    );
    assert_eq!(lab.only().0, udp("192.0.2.10:5060"), "what nodes begin is let in already");
    lab.proxy.note_turn(TurnLoad { waited: overload::IN_TIME, taken: 1, left: 1 }, lab.now);
    lab.from(TRUNK, &Ask { branch: "z9hG4bK-6", call: "call-6", ..Ask::default() }.text());
    assert_eq!(lab.beyond_trying().0, tcp(1));
}

#[test]
fn while_too_much_comes_a_phone_that_has_authenticated_may_call_for_help() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(2), "registrar", "registrar-1.1");
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let connection = ConnectionId::accepted(70, Transport::Tcp);
    registered_by(&mut lab, connection, &register("", "z9hG4bK-r"), "secret-7101");
    lab.take();
    begin_overload(&mut lab);
    let mut calls = |uri: &str, branch: &str, remote: Option<&str>| {
        let ask = Ask { uri, branch, call: branch, ..invite("", branch) }.text();
        match remote {
            Some(remote) => lab.from(remote, &ask),
            None => lab.by(connection, &ask),
        }
        lab.only().1.status().map(|status| status.0)
    };
    for (at, (uri, status)) in
        [("sip:112@127.0.0.1", 407), ("urn:service:sos", 407), ("sip:711@127.0.0.1", 503), ("sip:abc@127.0.0.1", 503)]
            .into_iter()
            .enumerate()
    {
        assert_eq!(calls(uri, &format!("z9hG4bK-h{at}"), None), Some(status), "{uri}");
    }
    assert_eq!(calls("sip:112@127.0.0.1", "z9hG4bK-s", Some("198.51.100.1:5060")), Some(503), "a stranger");
}

#[test]
fn who_calls_for_help_without_end_keeps_nobody_else_out() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(2), "registrar", "registrar-1.1");
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let [first, second] = [70, 71].map(|number| ConnectionId::accepted(number, Transport::Tcp));
    registered_by(&mut lab, first, &register("", "z9hG4bK-r1"), "secret-7101");
    let other = Ask { uri: "sip:7102@127.0.0.1", from: "7102", ..register("", "z9hG4bK-r2") };
    registered_by(&mut lab, second, &other, "secret-7102");
    lab.take();
    begin_overload(&mut lab);
    let mut calls = |connection: ConnectionId, from: &str, more: &str, branch: &str| {
        let ask = Ask { uri: HELP, from, call: branch, ..invite(more, branch) };
        lab.by(connection, &ask.text());
        lab.only()
    };
    let status = |(_, message): (Flow, Message)| message.status().map(|status| status.0);
    let of_first = (0..40).map(|at| status(calls(first, "7101", "", &format!("z9hG4bK-a{at}"))));
    assert_eq!(of_first.filter(|status| *status == Some(407)).count(), 2);
    let (_, challenge) = calls(second, "7102", "", "z9hG4bK-b");
    let given = credentials(&challenge, &Ask { uri: HELP, from: "7102", ..invite("", "") }, "secret-7102");
    assert_eq!(calls(second, "7102", &given, "z9hG4bK-c").0, tcp(1));
    // That was one call.
    assert_eq!(status(calls(second, "7102", "", "z9hG4bK-d")), Some(407));
    assert_eq!(status(calls(second, "7102", "", "z9hG4bK-e")), Some(503));
}
