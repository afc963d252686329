//! A peer that keeps to no rule, by seed. Whatever it sends, in any order, its cost is bounded, and everything ends when it
//! falls silent. An agent restored from the snapshot gets the same later inputs and must behave the same.
//!
//! A failing seed prints itself with its inputs; `STORM_SEEDS` sets a larger number of seeds.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use model::entropy::Seeded;
use model::{Entropy, Timestamp};
use sip::agent::{
    AgentConfig, AgentCredentials, Body, DIALOG_BYTES_MAX, DialogId, DialogSnapshot, Event, IncomingId, LegPhase,
    Provisionals, Reliability, Reply, Restore, UserAgent,
};
use sip::header::HeaderName;
use sip::{Message, Method, StatusCode};

use crate::pair::{Dice, Wire, bob_identity, invite};
use crate::storm::seeds;
use crate::victim::{Request, Victim};

/// Inputs of one seed.
const INPUTS: u64 = 60;
/// Characters printed of each input of a failing seed.
const STORY_CHARS: usize = 600;
/// The most messages and events that one input may lead to.
const OUTPUTS_MAX: usize = 48;
/// The most turns after an input, where each is a wake-up that the agent requested: a re-INVITE that waits for an open offer
/// retries every half second.
const TURNS_MAX: u32 = 5_000;

const NUMBERS: [&str; 20] = [
    "0",
    "1",
    "2",
    "89",
    "90",
    "91",
    "1800",
    "32767",
    "65535",
    "65536",
    "2147483646",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999999",
    "-1",
    "+5",
    "",
];
const METHODS: [&str; 14] = [
    "INVITE", "INVITE", "INVITE", "ACK", "BYE", "CANCEL", "INFO", "UPDATE", "UPDATE", "PRACK", "OPTIONS", "REFER",
    "NOTIFY", "NONSENSE",
];
const STATUSES: [u16; 40] = [
    100, 101, 180, 181, 183, 183, 199, 200, 200, 200, 202, 299, 300, 302, 305, 400, 401, 403, 404, 407, 408, 413, 415,
    420, 422, 422, 480, 481, 482, 486, 487, 488, 491, 491, 491, 494, 500, 503, 600, 699,
];

/// An input of the agent.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
enum Input {
    Message(Message),
    Pass(Duration),
    Do(u64, u32),
    FlowFails,
}

struct Hostile {
    fate: Seeded,
    seed: u64,
    config: AgentConfig,
    dice: Dice,
    agent: UserAgent,
    now: Timestamp,
    dialog: Option<DialogId>,
    waiting: Vec<IncomingId>,
    /// The agent's messages, the youngest last.
    sent: Vec<Message>,
    /// Our last INVITE as it was sent.
    invite: Option<String>,
    /// The INVITE that began the dialog.
    began: Option<Message>,
    cseq: u64,
    serial: u32,
    story: String,
    successor: Option<Successor>,
    compared: u64,
}

/// An agent that was restored some inputs ago, and its handle of the dialog.
struct Successor {
    agent: UserAgent,
    dialog: DialogId,
}

#[derive(Default)]
struct Output {
    events: Vec<Event>,
    sent: Vec<(sip::Flow, Bytes)>,
}

impl Hostile {
    fn new(seed: u64) -> Self {
        let mut fate = Seeded::new(seed ^ 0x4057);
        let credentials = Some(AgentCredentials { user: "7101".into(), password: "secret".into() });
        let config = AgentConfig {
            sent_by: "bob.example.com".into(),
            session_expires_s: [None, Some(90), Some(1_800)][fate.below(3) as usize],
            reliability: [Reliability::WhenRequired, Reliability::WhenSupported][fate.below(2) as usize],
            credentials: credentials.filter(|_| fate.below(2) == 0),
            ..AgentConfig::default()
        };
        let dice = Dice::new(seed);
        let mut agent = UserAgent::new(config.clone(), Box::new(dice.clone()));
        let now = Timestamp::from_millis(1_767_225_600_000);
        agent.handle_timeout(now);
        Self {
            fate,
            seed,
            config,
            dice,
            agent,
            now,
            dialog: None,
            waiting: Vec::new(),
            sent: Vec::new(),
            invite: None,
            began: None,
            cseq: 1,
            serial: 0,
            story: String::new(),
            successor: None,
            compared: 0,
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.fate.below(from.len() as u64) as usize]
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.fate.below(n) == 0
    }

    // === Messages of the peer ===

    fn request(&mut self) -> String {
        let method = if self.invite.is_none() && self.fate.below(3) > 0 { "INVITE" } else { self.pick(&METHODS) };
        let cseq = match self.fate.below(12) {
            0 => self.pick(&NUMBERS).to_owned(),
            1 => self.cseq.saturating_sub(1).to_string(),
            2 => self.cseq.to_string(),
            3 => {
                self.cseq += 1_000;
                self.cseq.to_string()
            }
            _ if matches!(method, "ACK" | "CANCEL") => self.cseq.to_string(),
            _ => {
                self.cseq += 1;
                self.cseq.to_string()
            }
        };
        let to_tag = match (self.dialog.and_then(|id| self.tag_of(id)), self.fate.below(10)) {
            (Some(_), 0) => ";tag=wrong".to_owned(),
            (Some(_), 1) => String::new(),
            (Some(tag), _) => format!(";tag={tag}"),
            (None, _) => String::new(),
        };
        let from_tag = if self.one_in(12) { "other" } else { "mallory" };
        let branch = match self.fate.below(10) {
            0 => "z9hG4bKsame".to_owned(),
            1 => "old".to_owned(),
            _ => format!("z9hG4bK{:x}", self.fate.next_u64()),
        };
        let body = self.body();
        let mut text = format!(
            "{method} sip:15550100@bob.example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66;branch={branch}\r\n\
             From: <sip:mallory@example.net>;tag={from_tag}\r\nTo: <sip:15550100@example.com>{to_tag}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:mallory@192.0.2.66>\r\n",
            self.call_id()
        );
        self.headers(&mut text);
        let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        if method == "INVITE" && to_tag.is_empty() {
            self.invite = Some(text.clone());
        }
        text
    }

    /// A response to some message of the agent, or to nothing.
    fn response(&mut self) -> Option<String> {
        let asked: Vec<&Message> = self.sent.iter().filter(|message| message.is_request()).collect();
        let back = self.fate.below(4) as usize;
        let request = (*asked.iter().rev().nth(back)?).clone();
        let status = StatusCode(self.pick(&STATUSES));
        let fork = self.fate.below(24);
        let mut response = Message::response_to(&request, status).to_tag(&format!("fork{fork}"));
        if self.fate.below(8) > 0 {
            response = response.header(&HeaderName::Contact, format_args!("<sip:{fork}@192.0.2.66>"));
        }
        let body = self.body();
        let mut text = String::from_utf8_lossy(&response.build().to_bytes()).into_owned();
        text = text.split("Content-Length").next().unwrap_or_default().to_owned();
        if self.one_in(12) {
            text = text.replacen("CSeq: ", "CSeq: 9", 1);
        }
        self.headers(&mut text);
        if matches!(status.code(), 401 | 407 | 494) {
            let kind = if status.code() == 401 { "WWW" } else { "Proxy" };
            let nonce = "n".repeat(self.pick(&[1, 100, 3_000, 12_000]));
            let stale = if self.one_in(2) { ",stale=true" } else { "" };
            let _ = write!(
                text,
                "{kind}-Authenticate: Digest realm=\"a\",nonce=\"{nonce}\",algorithm=MD5,qop=\"auth\"{stale}\r\n"
            );
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        Some(text)
    }

    /// Headers with a number, a list or a reference, at their limits.
    fn headers(&mut self, text: &mut String) {
        for _ in 0..self.fate.below(5) {
            let number = self.pick(&NUMBERS);
            let line = match self.fate.below(16) {
                0 | 1 => format!("Session-Expires: {number};refresher={}", self.pick(&["uac", "uas", "both", ""])),
                2 => format!("Min-SE: {number}"),
                3 => format!("RSeq: {}", self.pick(&["1", "2", "3", number])),
                4 => format!("RAck: {number} {} INVITE", self.cseq),
                5 => format!("Max-Forwards: {number}"),
                6 => format!("Retry-After: {number};duration={number}"),
                7 => format!("Expires: {number}"),
                8 => format!("Require: {}", self.pick(&["100rel", "timer", "100rel, timer", "x"])),
                9 => format!("Supported: {}", self.pick(&["100rel", "timer", "100rel, timer", ""])),
                10 => format!("Allow: {}", self.pick(&["UPDATE", "INVITE", ""])),
                11 => {
                    let hops = self.pick(&[1, 4, 31, 40, 200]);
                    let hop = "r".repeat(self.pick(&[5, 120, 400]));
                    vec![format!("Record-Route: <sip:{hop}@p.example.net;lr>"); hops].join("\r\n")
                }
                12 => format!("Contact: <sip:{}@192.0.2.66>", "c".repeat(self.pick(&[1, 1_000, 10_000]))),
                13 => format!("X-Long: {}", "x".repeat(self.pick(&[1_000, 7_000, 15_000]))),
                14 => "Reason: SIP;cause=200, Q.850;cause=16".to_owned(),
                _ => "Allow: UPDATE\r\nSession-Expires: 2".to_owned(),
            };
            let _ = write!(text, "{line}\r\n");
        }
        let kind = self.pick(&[
            "application/sdp",
            "application/sdp",
            "application/sdp",
            "text/plain",
            "multipart/mixed;boundary=b",
        ]);
        let _ = write!(text, "Content-Type: {kind}\r\n");
    }

    fn body(&mut self) -> String {
        let serial = self.serial;
        match self.fate.below(10) {
            0..=2 => String::new(),
            3..=6 => "offer".to_owned(),
            7 => format!("offer {serial}"),
            8 => "x".repeat(self.pick(&[15_000, 16_384, 16_385, 32_768, 32_769])),
            _ => "--b\r\nContent-Type: application/sdp\r\n\r\noffer\r\n--b--\r\n".to_owned(),
        }
    }

    fn call_id(&self) -> String {
        let ours = self.dialog.and_then(|id| self.agent.leg(id)).map(|leg| leg.dialog.call_id.to_string());
        ours.unwrap_or_else(|| "hostile@example.net".to_owned())
    }

    fn tag_of(&self, id: DialogId) -> Option<String> {
        self.agent.leg(id).map(|leg| leg.dialog.local_tag.to_string()).filter(|tag| !tag.is_empty())
    }

    // === Inputs ===

    fn input(&mut self) -> Input {
        let text = match self.fate.below(20) {
            0..=4 => {
                return Input::Pass(Duration::from_millis(
                    self.pick(&[0, 1, 200, 500, 4_000, 33_000, 46_000, 1_000_000]),
                ));
            }
            5..=8 => return Input::Do(self.fate.below(20), self.serial),
            9 if self.one_in(4) => return Input::FlowFails,
            9 => self.invite.clone(),
            10..=14 => self.response(),
            _ => None,
        };
        let text = text.unwrap_or_else(|| self.request());
        Message::parse(text.into()).map_or(Input::Pass(Duration::ZERO), Input::Message)
    }

    fn run(&mut self) {
        if self.one_in(2) {
            let provisionals = self.pick(&[Provisionals::Plain, Provisionals::Reliable]);
            let offer = if self.one_in(4) { None } else { Some("offer") };
            self.dialog = self.agent.invite(invite(Wire::Udp, offer, provisionals), self.now).ok();
            let output = drain(&mut self.agent);
            self.take(output);
        }
        for _ in 0..INPUTS {
            self.serial += 1;
            // No two inputs share a timestamp: the order of two timers due at the same time is not tested.
            self.apply(&Input::Pass(Duration::from_millis(1)));
            self.shadow();
            let input = self.input();
            let said: String = format!("{input:?}").chars().take(STORY_CHARS).collect();
            let _ = writeln!(self.story, "{} {said}", self.serial);
            self.apply(&input);
        }
        self.end();
    }

    /// Begins to compare with a restored agent if the snapshot contains everything that the agent has.
    fn shadow(&mut self) {
        let Some(dialog) = self.dialog.filter(|id| self.agent.leg(*id).is_some()) else {
            self.successor = None;
            return;
        };
        if self.successor.is_some() || !self.one_in(4) {
            return;
        }
        let snapshots = self.agent.snapshot(&[dialog]);
        let mut agent = UserAgent::new(self.config.clone(), Box::new(self.dice.fork()));
        let ids = agent.restore(snapshots.clone(), Restore::UNCHANGED, self.now).expect("a fresh agent has room");
        assert_eq!(agent.snapshot(&ids), snapshots, "{}", self.context());
        let whole = agent.transactions() == self.agent.transactions() && self.agent.dialogs() == 1;
        if let (true, Some(id)) = (whole, ids.first()) {
            if let Some(invite) = &self.began {
                self.agent.expect_again(invite); // as one that was restored does
            }
            self.successor = Some(Successor { agent, dialog: *id });
        }
    }

    fn apply(&mut self, input: &Input) {
        let Input::Pass(duration) = input else {
            step(&mut self.agent, self.dialog, &self.waiting, input, self.now);
            if let Some(successor) = &mut self.successor {
                step(&mut successor.agent, Some(successor.dialog), &self.waiting, input, self.now);
            }
            return self.settle(wire);
        };
        let until = self.now + *duration;
        for turn in 0.. {
            assert!(turn < TURNS_MAX, "no end of turns in {duration:?}: {}", self.context());
            let agents = [Some(&self.agent), self.successor.as_ref().map(|successor| &successor.agent)];
            let due = agents.into_iter().flatten().filter_map(UserAgent::next_timeout).min();
            self.now = due.map_or(until, |due| due.min(until)).max(self.now);
            self.agent.handle_timeout(self.now);
            if let Some(successor) = &mut self.successor {
                successor.agent.handle_timeout(self.now);
            }
            // The order of timers due at the same time is not tested.
            self.settle(|output| {
                let mut sent = wire(output);
                sent.sort_by(|a, b| a.0.cmp(&b.0));
                sent
            });
            if self.now >= until {
                return;
            }
        }
    }

    /// Takes the output of an input, compares it with that of the restored agent, and checks both against the limits.
    fn settle(&mut self, wire: fn(&Output) -> Wired) {
        let output = drain(&mut self.agent);
        if let Some(mut successor) = self.successor.take() {
            let theirs = drain(&mut successor.agent);
            let told = |output: &Output| output.events.iter().map(crate::restore::told).collect::<Vec<_>>();
            assert_eq!(told(&output), told(&theirs), "events differ: {}", self.context());
            assert_eq!(wire(&output), wire(&theirs), "messages differ: {}", self.context());
            self.compared += 1;
            let alone = self.agent.dialogs() == 1 && successor.agent.dialogs() == 1;
            self.successor = Some(successor).filter(|_| alone);
        }
        assert!(output.events.len() <= OUTPUTS_MAX && output.sent.len() <= OUTPUTS_MAX, "{}", self.context());
        self.take(output);
        let kept: usize = self.agent.snapshot(self.dialog.as_slice()).iter().map(DialogSnapshot::bytes).sum();
        assert!(kept <= DIALOG_BYTES_MAX, "{kept} bytes: {}", self.context());
        let (clients, servers) = self.agent.transactions();
        assert!(clients <= 200 && servers <= 200, "{clients} and {servers} transactions: {}", self.context());
    }

    fn take(&mut self, output: Output) {
        for (_, bytes) in output.sent {
            self.sent.push(Message::parse(bytes).expect("we send what we can read"));
        }
        for event in output.events {
            match event {
                Event::Incoming { dialog, request, .. } if self.dialog.is_none() => {
                    self.dialog = Some(dialog);
                    self.began = Some((*request).clone());
                }
                Event::Incoming { dialog, .. } => {
                    let _ = self.agent.reject(dialog, Reply::new(StatusCode::BUSY_HERE), self.now);
                    drain(&mut self.agent);
                }
                Event::Info { request, .. } | Event::Request { request, .. } => self.waiting.push(request),
                Event::Released { dialog, .. } | Event::Failed { dialog, .. } if self.dialog == Some(dialog) => {
                    self.dialog = None;
                }
                _ => {}
            }
        }
    }

    /// The application hangs up, and the peer falls silent.
    fn end(&mut self) {
        self.successor = None;
        if let Some(id) = self.dialog
            && let Some(phase) = self.agent.leg(id).map(|leg| leg.phase)
        {
            let _ = match phase {
                LegPhase::Inviting => self.agent.cancel(id, Vec::new(), self.now),
                LegPhase::Ringing => self.agent.reject(id, Reply::new(StatusCode::BUSY_HERE), self.now),
                LegPhase::Confirmed => self.agent.bye(id, Vec::new(), self.now),
                LegPhase::Leaving => Ok(()),
            };
        }
        // 64*T1 for the ACK that a BYE waits for, or for the cancelled INVITE, as much for the BYE, and for lingering
        // transactions.
        self.apply(&Input::Pass(Duration::from_secs(100)));
        assert_eq!(self.agent.dialogs(), 0, "a dialog is stuck: {}", self.context());
        assert_eq!(self.agent.transactions(), (0, 0), "a transaction is stuck: {}", self.context());
        self.apply(&Input::Pass(Duration::from_secs(64)));
        assert_eq!(self.agent.next_timeout(), None, "a timer is left: {}", self.context());
    }

    fn context(&self) -> String {
        format!("seed {}, after\n{}", self.seed, self.story)
    }
}

fn step(agent: &mut UserAgent, dialog: Option<DialogId>, waiting: &[IncomingId], input: &Input, now: Timestamp) {
    let flow = Wire::Udp.flow_to(crate::pair::BOB);
    match input {
        Input::Message(message) => agent.receive(message.clone(), flow, now),
        Input::FlowFails => agent.flow_failed(flow, now),
        Input::Do(what, serial) => {
            if let Some(id) = dialog {
                act(agent, id, waiting, *what, *serial, now);
            }
        }
        Input::Pass(_) => {}
    }
}

fn act(agent: &mut UserAgent, id: DialogId, waiting: &[IncomingId], what: u64, serial: u32, now: Timestamp) {
    let session = |kind: &str| Bytes::from(format!("{kind} {serial}"));
    let settled = agent.leg(id).is_some_and(|leg| leg.offer_answer.established());
    let _ = match what {
        0..=2 => agent.identify(id, bob_identity()),
        3 => agent.provisional(id, Reply::new(StatusCode::RINGING), now),
        4 => agent.provisional(id, Reply::new(StatusCode::SESSION_PROGRESS).body(Body::sdp("answer")), now),
        5..=7 if settled => agent.answer(id, Reply::new(StatusCode::OK), now),
        5..=7 => agent.answer(id, Reply::session("answer"), now),
        8 => agent.ack(id, session("answer"), now),
        9 => agent.reinvite(id, Some(session("offer")), Vec::new(), now),
        10 => agent.reinvite(id, None, Vec::new(), now),
        11 => agent.update(id, Some(session("offer")), Vec::new(), now),
        12 => agent.info(id, Body::new("text/plain", session("info")), Vec::new(), now).map(|_| ()),
        13 => agent.options(id, Vec::new(), now).map(|_| ()),
        14 | 15 => agent.accept_offer(id, session("answer"), now),
        16 => agent.refuse_offer(id, StatusCode::NOT_ACCEPTABLE_HERE, now),
        17 => agent.notify_ringing(id, &vec![(HeaderName::Event, "talk".to_owned())], now).map(|_| ()),
        18 if serial.is_multiple_of(4) => agent.cancel(id, Vec::new(), now).or_else(|_| agent.bye(id, Vec::new(), now)),
        _ => waiting
            .iter()
            .rev()
            .take(3)
            .try_for_each(|request| agent.respond(*request, Reply::new(StatusCode::OK), now)),
    };
}

fn drain(agent: &mut UserAgent) -> Output {
    let events = std::iter::from_fn(|| agent.poll_event()).collect();
    let sent = std::iter::from_fn(|| agent.poll_transmit()).map(|transmit| (transmit.flow, transmit.bytes)).collect();
    Output { events, sent }
}

/// The messages sent, in a comparable form.
type Wired = Vec<(String, sip::Flow)>;

fn wire(output: &Output) -> Wired {
    output.sent.iter().map(|(flow, bytes)| (String::from_utf8_lossy(bytes).into_owned(), *flow)).collect()
}

#[test]
fn whatever_a_peer_sends_costs_little_ends_and_is_gone_on_with() {
    let (mut compared, mut confirmed, mut oversized) = (0, 0, 0);
    for seed in seeds(2_000) {
        let mut hostile = Hostile::new(seed);
        hostile.run();
        compared += hostile.compared;
        confirmed +=
            u64::from(hostile.sent.iter().any(|message| message.method() == Method::Bye && message.is_request()));
        oversized += hostile.agent.bounds_reached().oversized;
        assert_eq!(hostile.agent.bounds_reached().overruns, 0, "{}", hostile.context());
    }
    assert!(
        compared > 2_000 && confirmed > 100 && oversized > 100,
        "{compared} compared, {confirmed} ended by BYE, {oversized} refused"
    );
}

#[test]
fn an_invite_with_the_number_of_an_info_that_waits_is_no_repetition_of_it() {
    let mut victim = Victim::new(AgentConfig::default());
    let dialog = victim.answered(&Request { body: "offer", ..Request::default() });
    for (method, branch) in [("INFO", "z9hG4bKinfo"), ("INVITE", "z9hG4bKagain")] {
        let request = Request { method, cseq: 2, branch, to_tag: "bob-tag", body: "offer 2", ..Request::default() };
        victim.receive(request.message());
    }
    assert_eq!(victim.sent.last().and_then(Message::status), Some(StatusCode::SERVER_INTERNAL_ERROR));
    victim.run(Duration::from_secs(40));
    victim.agent.bye(dialog, Vec::new(), victim.now).expect("it stands");
    victim.drain();
    victim.run(Duration::from_secs(64));
    assert_eq!((victim.agent.dialogs(), victim.agent.transactions()), (0, (0, 0)));
}
