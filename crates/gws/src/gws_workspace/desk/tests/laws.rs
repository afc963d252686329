//! Laws: whatever comes, nothing panics, every operation has exactly one answer, and a restored desk goes on as the one before.

use proptest::prelude::*;

use super::*;

/// Paths of operations with bodies that fit.
const PATHS: [&str; 14] = [
    "ready",
    "not-ready",
    "login",
    "logout",
    "deactivate",
    "make-call",
    "start-monitoring",
    "calls/a1/hold",
    "calls/b2/complete",
    "calls/a1/alternate",
    "calls/b2/complete-transfer",
    "calls/a1/single-step-transfer",
    "calls/a1/switch-to-barge-in",
    "activate",
];
const STATES: [&str; 5] = ["Ringing", "Established", "Held", "Released", "Dialing"];
const FAULTS: [u16; 5] = [404, 422, 503, 504, 500];

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    Operation(usize),
    Activation {
        dn: &'static str,
        by_agent: bool,
    },
    /// gws-voice answers one of the last requests.
    Answer {
        back: usize,
        fault: Option<usize>,
    },
    /// It tells something; with the reference of one of the last requests, or none.
    News {
        news: TestNews,
        back: Option<usize>,
    },
    Poll,
    Client,
    Configured,
    Failed,
    Time(u64),
    End,
}

/// What is told.
#[derive(Clone, Debug)]
enum TestNews {
    Dn { agent: usize },
    Picture { agent: usize, calls: Vec<(bool, usize)> },
    Call { is_main: bool, state: usize },
    Event,
    Error,
}

impl TestNews {
    fn read(&self) -> VoiceNews {
        let of_agent = |agent: usize| match agent {
            0 => dn(None, "LoggedOut"),
            1 => dn(Some("1002"), "Ready"),
            _ => dn(Some("1001"), "NotReady"),
        };
        let of_call = |is_main: bool, state: usize| call(if is_main { "a1" } else { "b2" }, STATES[state]);
        match self {
            Self::Dn { agent } => VoiceNews::Dn(of_agent(*agent)),
            Self::Picture { agent, calls } => {
                let calls = calls.iter().enumerate().map(|(at, (_, state))| of_call(at == 0, *state)).collect();
                VoiceNews::Picture { dn: of_agent(*agent), calls }
            }
            Self::Call { is_main, state } => {
                VoiceNews::Call { call: of_call(*is_main, *state), notification: "StateChange" }
            }
            Self::Event => VoiceNews::Event(json!({"messageType": "EventUserEvent", "userData": []})),
            Self::Error => VoiceNews::Error { code: 93, message: "no".to_owned() },
        }
    }
}

fn news() -> impl Strategy<Value = TestNews> {
    prop_oneof![
        (0_usize..4).prop_map(|agent| TestNews::Dn { agent }),
        (0_usize..4, proptest::collection::vec((any::<bool>(), 0_usize..5), 0..3))
            .prop_map(|(agent, calls)| TestNews::Picture { agent, calls }),
        (any::<bool>(), 0_usize..5).prop_map(|(is_main, state)| TestNews::Call { is_main, state }),
        Just(TestNews::Event),
        Just(TestNews::Error),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (0..PATHS.len()).prop_map(Happening::Operation),
        2 => (prop_oneof![Just("7101"), Just("7102")], any::<bool>())
            .prop_map(|(dn, by_agent)| Happening::Activation { dn, by_agent }),
        6 => (0_usize..4, proptest::option::weighted(0.3, 0..FAULTS.len()))
            .prop_map(|(back, fault)| Happening::Answer { back, fault }),
        8 => (news(), proptest::option::of(0_usize..4)).prop_map(|(news, back)| Happening::News { news, back }),
        3 => Just(Happening::Poll),
        1 => Just(Happening::Client),
        1 => Just(Happening::Configured),
        1 => Just(Happening::Failed),
        2 => (0_u64..40).prop_map(Happening::Time),
        1 => Just(Happening::End),
    ]
}

impl Bench {
    fn reference(&self, back: usize) -> u64 {
        self.asks.iter().rev().nth(back).map_or(0, |(reference, _)| *reference)
    }

    fn happens(&mut self, happening: &Happening) {
        match happening {
            Happening::Operation(path) => {
                let body = json!({"data": {
                    "destination": "9", "heldConnId": "b2", "phoneNumberToMonitor": "7102", "dn": "7101",
                    "userData": [{"key": "a", "type": "str", "value": "b"}],
                }});
                self.asks_for(PATHS[*path], &body);
            }
            Happening::Activation { dn, by_agent } => {
                self.activates(&json!({"data": {"dn": dn, "autoCompleteCall": !by_agent}}));
            }
            Happening::Answer { back, fault } => {
                let fault = fault.map(|at| AskFault { status: FAULTS[at], code: None, message: "no".to_owned() });
                self.answers(self.reference(*back), fault.map_or(Ok(()), Err));
            }
            Happening::News { news, back } => {
                let reference = back.map_or(0, |back| self.reference(back));
                self.hears_as(reference, if reference == 0 { "" } else { ANN }, news.read());
            }
            Happening::Poll => self.polls(),
            Happening::Client => {
                self.connects();
                self.subscribes("/workspace/v3/**");
            }
            Happening::Configured => self.is_configured(),
            Happening::Failed => {
                self.desk.configuration_failed("away".to_owned(), self.now);
                self.carry();
            }
            Happening::Time(seconds) => self.waits(Duration::from_secs(*seconds)),
            Happening::End => {
                self.ends(DeskEnd::Logout);
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_comes_every_operation_has_exactly_one_answer(
        happenings in proptest::collection::vec(happening(), 1..60),
    ) {
        let mut bench = Bench::initialised();
        bench.desk.renew(ann(&["agents:control", "calls:control", "calls:monitor", "agents:supervise"]));
        for happening in &happenings {
            bench.happens(happening);
        }
        bench.waits(Duration::from_secs(61));
        for id in 1..=bench.replies_begun {
            let answers = bench.replies.iter().filter(|(reply, ..)| *reply == ReplyId(id)).count();
            prop_assert_eq!(answers, 1, "operation {}", id);
        }
    }

    #[test]
    fn a_restored_desk_goes_on_as_the_one_before(
        before in proptest::collection::vec(news(), 0..20),
        after in proptest::collection::vec(news(), 0..20),
        by_agent in any::<bool>(),
    ) {
        let mut bench = Bench::initialised();
        bench.activates(&json!({"data": {"dn": "7101", "autoCompleteCall": !by_agent}}));
        bench.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
        let login = bench.takes();
        bench.hears_as(login, ANN, VoiceNews::Dn(dn(Some("1001"), "NotReady")));
        for news in &before {
            bench.hears_as(0, "", news.read());
        }
        // A DN where another agent is, is asked for its picture anew; both desks get one.
        bench.hears(VoiceNews::Picture { dn: dn(Some("1001"), "Ready"), calls: Vec::new() });
        bench.settles();
        let desk = Desk::restore(ann(&AGENT), settings(), bench.desk.snapshot(), bench.now);
        let mut next = Bench::around(desk);
        (next.client, next.positions) = (bench.client.clone(), bench.positions);
        next.is_configured();
        prop_assert_eq!(next.desk.current_session(), bench.desk.current_session());
        for news in &after {
            bench.hears_as(0, "", news.read());
            next.hears_as(0, "", news.read());
            prop_assert_eq!(next.news(), bench.news());
        }
        prop_assert_eq!(next.desk.calls(), bench.desk.calls());
    }

    #[test]
    fn a_login_is_owned_until_the_agent_is_seen_elsewhere_whatever_other_sessions_of_the_person_do(
        news in proptest::collection::vec(news(), 0..20),
        moves in 0_usize..20,
    ) {
        let mut bench = Bench::active();
        let mut owns = true;
        for (at, one) in news.iter().enumerate() {
            // By the reference of a request that this session does not know.
            bench.hears_as(99, ANN, one.read());
            if let TestNews::Dn { agent } | TestNews::Picture { agent, .. } = one {
                owns &= *agent >= 2;
            }
            if at == moves {
                // Another process goes on, and nothing is known to have arrived.
                let desk = Desk::restore(ann(&AGENT), settings(), bench.desk.snapshot(), bench.now);
                let mut next = Bench::around(desk);
                (next.client, next.positions) = (bench.client.clone(), bench.positions);
                next.is_configured();
                bench = next;
            }
        }
        bench.asks.clear();
        bench.ends(DeskEnd::Idle);
        prop_assert_eq!(!bench.asks.is_empty(), owns);
    }
}
