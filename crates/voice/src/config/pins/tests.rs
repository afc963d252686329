use std::sync::mpsc::sync_channel;

use futures::FutureExt as _;
use futures::future::join_all;
use identity::password::SALT_BYTES;
use infra::ConfigVersion;
use infra::conformance::SetClock;
use serde_json::json;

use super::guessers::{WAIT_FIRST, WRONG_FREE};
use super::*;
use crate::test_stores::set_clock;

/// Agent `a` with a PIN as it is kept now, `b` without one, `c` with one as a release before has kept it, `d` with one that no phone can
/// type.
fn copy() -> TenantCopy {
    let objects = [
        (ObjectKind::Place, json!({"name": "desk-a", "dns": ["7101", "7102"]})),
        (ObjectKind::Place, json!({"name": "desk-b", "dns": ["7103"]})),
        (ObjectKind::Place, json!({"name": "desk-c", "dns": ["7104"]})),
        (ObjectKind::Place, json!({"name": "desk-d", "dns": ["7105"]})),
        (ObjectKind::Person, person("a", Some(&hashed("123456")))),
        (ObjectKind::Person, person("b", None)),
        (ObjectKind::Person, person("c", Some("8150"))),
        (ObjectKind::Person, person("d", Some(&hashed("no digits")))),
        (ObjectKind::AgentLogin, json!({"code": "5001", "person": "a", "wrap_up_s": 20})),
        (ObjectKind::AgentLogin, json!({"code": "5002", "person": "a", "disabled": true})),
    ];
    copy_of(objects)
}

fn person(id: &str, pin: Option<&str>) -> serde_json::Value {
    let agent = json!({"id": id, "login_code": id, "pin": pin, "default_place": format!("desk-{id}"), "skills": []});
    json!({"user_name": id, "first_name": "A", "last_name": "B", "agent": agent})
}

fn copy_of(objects: impl IntoIterator<Item = (ObjectKind, serde_json::Value)>) -> TenantCopy {
    let read = |(kind, json): (ObjectKind, serde_json::Value)| {
        (1, Object::from_json(kind, json.to_string().as_bytes()).unwrap())
    };
    TenantCopy::of(ConfigVersion { generation: 1, revision: 1 }, objects.into_iter().map(read), [])
}

fn hashed(pin: &str) -> String {
    pin::hash(pin, [7; SALT_BYTES]).unwrap()
}

struct Bench {
    clock: Arc<SetClock>,
    pins: Pins,
    copy: TenantCopy,
}

impl Bench {
    fn new() -> Self {
        let clock = set_clock();
        let pins = Pins::new(clock.clone(), Metrics::register(&runtime::Metrics::default()));
        Self { clock, pins, copy: copy() }
    }

    async fn try_to_ask(&self, dn: &str, typed: Option<&str>) -> Result<PinAnswer, Problem> {
        let typed = typed.map(|typed| Secret(typed.to_owned()));
        self.pins.ask(&TenantId::parse("t1").unwrap(), &self.copy, dn, typed.as_ref()).await
    }

    async fn ask(&self, dn: &str, typed: Option<&str>) -> PinAnswer {
        self.try_to_ask(dn, typed).await.unwrap()
    }
}

#[tokio::test]
async fn the_pin_of_the_agent_at_the_phone_is_right_and_no_other() {
    let bench = Bench::new();
    assert_eq!(bench.ask("7102", None).await, PinAnswer::Digits { digits: 6 });
    assert_eq!(bench.ask("7102", Some("123456")).await, PinAnswer::Right);
    assert_eq!(bench.ask("7102", Some("12345")).await, PinAnswer::Wrong);
    assert_eq!(bench.ask("7103", Some("123456")).await, PinAnswer::None, "an agent without a PIN");
    assert_eq!(bench.ask("7199", None).await, PinAnswer::None, "no agent");
    assert_eq!(bench.ask("7105", None).await, PinAnswer::None, "none that a phone can type");
    assert_eq!(bench.ask("7105", Some("no digits")).await, PinAnswer::Right);
}

#[tokio::test]
async fn a_pin_that_a_release_before_has_stored_is_right_until_it_is_hashed() {
    let bench = Bench::new();
    assert_eq!(bench.ask("7104", None).await, PinAnswer::Digits { digits: 4 });
    assert_eq!(bench.ask("7104", Some("8150")).await, PinAnswer::Right);
    assert_eq!(bench.ask("7104", Some("8151")).await, PinAnswer::Wrong);
}

#[tokio::test]
async fn the_hash_of_a_pin_is_no_pin() {
    let bench = Bench::new();
    let kept = hashed("123456");
    assert_eq!(bench.ask("7101", Some(&kept)).await, PinAnswer::Wrong);
    assert_eq!(bench.ask("7101", Some(kept.trim_end_matches("#6"))).await, PinAnswer::Wrong);
}

// The clock of these stands still while a PIN is compared: no turn is late because the machine is busy.

#[tokio::test(start_paused = true)]
async fn of_many_wrong_pins_at_a_time_no_more_are_looked_at_than_one_after_the_other() {
    let bench = Bench::new();
    let answers = join_all((0..10).map(|_| bench.ask("7101", Some("000000")))).await;
    let of = |wanted: PinAnswer| answers.iter().filter(|answer| **answer == wanted).count();
    assert_eq!((of(PinAnswer::Wrong), of(PinAnswer::Wait)), (WRONG_FREE as usize, 10 - WRONG_FREE as usize));
    assert_eq!(bench.ask("7102", Some("123456")).await, PinAnswer::Right, "another phone");
}

#[tokio::test(start_paused = true)]
async fn right_pins_that_come_together_are_all_right() {
    let bench = Bench::new();
    let answers = join_all((0..10).map(|_| bench.ask("7101", Some("123456")))).await;
    assert_eq!(answers, [PinAnswer::Right; 10]);
}

fn login(tenant: &str, agent: &str, password: &str) -> (TenantId, LoginQuestion) {
    let (agent, password) = (Some(agent.to_owned()), Secret(password.to_owned()));
    (TenantId::parse(tenant).unwrap(), LoginQuestion { dn: "7101".to_owned(), agent, password })
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_logins_waits_for_its_turns_and_those_of_another_tenant_go_between() {
    let bench = Bench {
        copy: copy_of((0..300).map(|id| (ObjectKind::Person, person(&format!("p{id}"), Some("4711"))))),
        ..Bench::new()
    };
    let asked: Vec<_> =
        (0..300).map(|id| login("t1", &format!("p{id}"), "4711")).chain([login("t2", "p0", "4711")]).collect();
    let answers = join_all(asked.iter().map(|(tenant, question)| bench.pins.ask_login(tenant, &bench.copy, question)));
    let answers: Vec<_> = answers.await.into_iter().map(|answer| answer.unwrap().verdict).collect();
    assert_eq!(answers, [PinAnswer::Right; 301]);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_turn_in_time_is_refused_and_counted_for_nobody() {
    let bench = Bench::new();
    let busy = bench.pins.turns.all().await;
    for _ in 0..=WRONG_FREE {
        let refused = bench.try_to_ask("7101", Some("000000")).await.unwrap_err();
        assert_eq!(refused.status, 503, "{refused:?}");
    }
    assert_eq!(bench.ask("7101", None).await, PinAnswer::Digits { digits: 6 }, "nothing is compared for that");
    drop(busy);
    assert_eq!(bench.ask("7101", Some("123456")).await, PinAnswer::Right);
}

#[test]
fn who_gives_up_keeps_the_turn_until_the_pin_is_compared_and_it_counts() {
    // All that is compared comes after what the test has the one thread do.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let bench = Bench::new();
        let key = (TenantId::parse("t1").unwrap(), Guesser::Phone("7101".to_owned()));
        for _ in 0..WRONG_FREE {
            let (go_on, told) = sync_channel::<()>(0);
            let before = spawn_blocking(move || {
                let _ = told.recv();
            });
            assert!(bench.ask("7101", Some("000000")).now_or_never().is_none(), "it gives up");
            assert!(bench.pins.turns.take(&key).now_or_never().is_none(), "the turn is taken all the same");
            drop(go_on);
            before.await.unwrap();
            drop(bench.pins.turns.all().await);
        }
        assert_eq!(bench.ask("7101", Some("123456")).await, PinAnswer::Wait, "they were wrong");
        bench.clock.advance(WAIT_FIRST);
        assert_eq!(bench.ask("7101", Some("123456")).await, PinAnswer::Right);
    });
}

#[tokio::test]
async fn a_phone_waits_longer_after_each_wrong_pin_and_no_other_phone_does() {
    let bench = Bench::new();
    for _ in 0..WRONG_FREE {
        assert_eq!(bench.ask("7101", Some("000000")).await, PinAnswer::Wrong);
    }
    assert_eq!(bench.ask("7101", Some("123456")).await, PinAnswer::Wait, "even the right one");
    assert_eq!(bench.ask("7101", None).await, PinAnswer::Wait);
    assert_eq!(bench.ask("7102", Some("123456")).await, PinAnswer::Right, "the other phone of the same place");
    bench.clock.advance(WAIT_FIRST);
    assert_eq!(bench.ask("7101", Some("000000")).await, PinAnswer::Wrong);
    bench.clock.advance(WAIT_FIRST);
    assert_eq!(bench.ask("7101", Some("123456")).await, PinAnswer::Wait, "twice as long now");
    bench.clock.advance(WAIT_FIRST);
    assert_eq!(bench.ask("7101", Some("123456")).await, PinAnswer::Right);
    assert_eq!(bench.ask("7101", Some("000000")).await, PinAnswer::Wrong, "and it begins anew");
    assert_eq!(bench.ask("7101", None).await, PinAnswer::Digits { digits: 6 });
}

#[tokio::test]
async fn a_login_is_checked_against_the_agent_that_it_names_and_guesses_are_counted_for_that_one() {
    let bench = Bench::new();
    let (pins, copy) = (&bench.pins, &bench.copy);
    let ask = |dn: &str, agent: Option<&str>, password: &str| {
        let (dn, agent) = (dn.to_owned(), agent.map(str::to_owned));
        let question = LoginQuestion { dn, agent, password: Secret(password.to_owned()) };
        async move { pins.ask_login(&TenantId::parse("t1").unwrap(), copy, &question).await.unwrap().verdict }
    };
    assert_eq!(ask("7199", Some("a"), "123456").await, PinAnswer::Right);
    assert_eq!(ask("7102", None, "123456").await, PinAnswer::Right, "the agent whose place has the phone");
    assert_eq!(ask("7101", Some("b"), "123456").await, PinAnswer::None, "an agent without a PIN");
    assert_eq!(ask("7101", Some("x"), "123456").await, PinAnswer::None, "no agent");
    assert_eq!(ask("7101", Some("5001"), "123456").await, PinAnswer::Right, "a login code of the agent");
    assert_eq!(ask("7101", Some("5002"), "123456").await, PinAnswer::None, "one with which nobody logs in");
    for dn in ["7101", "7102", "7103"] {
        assert_eq!(ask(dn, Some("a"), "000000").await, PinAnswer::Wrong);
    }
    assert_eq!(ask("7101", None, "123456").await, PinAnswer::Wait, "from whichever DN they came");
    assert_eq!(bench.ask("7101", Some("123456")).await, PinAnswer::Right, "the phone itself has not guessed");
    bench.clock.advance(WAIT_FIRST);
    assert_eq!(ask("7101", None, "123456").await, PinAnswer::Right);
}

#[tokio::test]
async fn a_right_password_says_whose_it_is() {
    let bench = Bench::new();
    let (pins, copy) = (&bench.pins, &bench.copy);
    let ask = |agent: Option<&str>, password: &str| {
        let question = LoginQuestion {
            dn: "7102".to_owned(),
            agent: agent.map(str::to_owned),
            password: Secret(password.to_owned()),
        };
        async move { pins.ask_login(&TenantId::parse("t1").unwrap(), copy, &question).await.unwrap() }
    };
    let right = |wrap_up_s| LoginAnswer { verdict: PinAnswer::Right, agent: Some("a".to_owned()), wrap_up_s };
    assert_eq!(ask(Some("5001"), "123456").await, right(Some(20)), "by a code with a time of its own");
    assert_eq!(ask(Some("a"), "123456").await, right(None));
    assert_eq!(ask(None, "123456").await, right(None), "the agent whose place has the phone");
    assert_eq!(ask(Some("5001"), "000000").await, LoginAnswer::of(PinAnswer::Wrong), "nobody guesses whose code it is");
    assert_eq!(ask(Some("5002"), "123456").await, LoginAnswer::of(PinAnswer::None));
}
