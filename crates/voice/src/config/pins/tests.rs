use infra::ConfigVersion;
use infra::conformance::SetClock;
use serde_json::json;

use super::*;
use crate::test_stores::set_clock;

fn copy() -> TenantCopy {
    let person = |id: &str, pin: Option<&str>| {
        let agent =
            json!({"id": id, "login_code": id, "pin": pin, "default_place": format!("desk-{id}"), "skills": []});
        json!({"user_name": id, "first_name": "A", "last_name": "B", "agent": agent})
    };
    let objects = [
        (ObjectKind::Place, json!({"name": "desk-a", "dns": ["7101", "7102"]})),
        (ObjectKind::Place, json!({"name": "desk-b", "dns": ["7103"]})),
        (ObjectKind::Person, person("a", Some("123456"))),
        (ObjectKind::Person, person("b", None)),
        (ObjectKind::AgentLogin, json!({"code": "5001", "person": "a"})),
        (ObjectKind::AgentLogin, json!({"code": "5002", "person": "a", "disabled": true})),
    ];
    let read = |(kind, json): (ObjectKind, serde_json::Value)| {
        (1, Object::from_json(kind, json.to_string().as_bytes()).unwrap())
    };
    TenantCopy::of(ConfigVersion { generation: 1, revision: 1 }, objects.into_iter().map(read), [])
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

    fn ask(&self, dn: &str, typed: Option<&str>) -> PinAnswer {
        let typed = typed.map(|typed| Secret(typed.to_owned()));
        self.pins.ask(&TenantId::parse("t1").unwrap(), &self.copy, dn, typed.as_ref())
    }
}

#[test]
fn the_pin_of_the_agent_at_the_phone_is_right_and_no_other() {
    let bench = Bench::new();
    assert_eq!(bench.ask("7102", None), PinAnswer::Digits { digits: 6 });
    assert_eq!(bench.ask("7102", Some("123456")), PinAnswer::Right);
    assert_eq!(bench.ask("7102", Some("12345")), PinAnswer::Wrong);
    assert_eq!(bench.ask("7103", Some("123456")), PinAnswer::None, "an agent without a PIN");
    assert_eq!(bench.ask("7199", None), PinAnswer::None, "no agent");
}

#[test]
fn a_phone_waits_longer_after_each_wrong_pin_and_no_other_phone_does() {
    let bench = Bench::new();
    for _ in 0..WRONG_FREE {
        assert_eq!(bench.ask("7101", Some("000000")), PinAnswer::Wrong);
    }
    assert_eq!(bench.ask("7101", Some("123456")), PinAnswer::Wait, "even the right one");
    assert_eq!(bench.ask("7101", None), PinAnswer::Wait);
    assert_eq!(bench.ask("7102", Some("123456")), PinAnswer::Right, "the other phone of the same place");
    bench.clock.advance(WAIT_FIRST);
    assert_eq!(bench.ask("7101", Some("000000")), PinAnswer::Wrong);
    bench.clock.advance(WAIT_FIRST);
    assert_eq!(bench.ask("7101", Some("123456")), PinAnswer::Wait, "twice as long now");
    bench.clock.advance(WAIT_FIRST);
    assert_eq!(bench.ask("7101", Some("123456")), PinAnswer::Right);
    assert_eq!(bench.ask("7101", Some("000000")), PinAnswer::Wrong, "and it begins anew");
    assert_eq!(bench.ask("7101", None), PinAnswer::Digits { digits: 6 });
}

#[test]
fn the_wait_has_a_longest() {
    assert_eq!(wait_after(WRONG_FREE - 1), Duration::ZERO);
    assert_eq!(wait_after(u32::MAX), WAIT_MAX);
}

#[test]
fn a_login_is_checked_against_the_agent_that_it_names_and_guesses_are_counted_for_that_one() {
    let bench = Bench::new();
    let ask = |dn: &str, agent: Option<&str>, password: &str| {
        let (dn, agent) = (dn.to_owned(), agent.map(str::to_owned));
        let question = LoginQuestion { dn, agent, password: Secret(password.to_owned()) };
        bench.pins.ask_login(&TenantId::parse("t1").unwrap(), &bench.copy, &question)
    };
    assert_eq!(ask("7199", Some("a"), "123456"), PinAnswer::Right);
    assert_eq!(ask("7102", None, "123456"), PinAnswer::Right, "the agent whose place has the phone");
    assert_eq!(ask("7101", Some("b"), "123456"), PinAnswer::None, "an agent without a PIN");
    assert_eq!(ask("7101", Some("c"), "123456"), PinAnswer::None, "no agent");
    assert_eq!(ask("7101", Some("5001"), "123456"), PinAnswer::Right, "a login code of the agent");
    assert_eq!(ask("7101", Some("5002"), "123456"), PinAnswer::None, "one with which nobody logs in");
    for dn in ["7101", "7102", "7103"] {
        assert_eq!(ask(dn, Some("a"), "000000"), PinAnswer::Wrong);
    }
    assert_eq!(ask("7101", None, "123456"), PinAnswer::Wait, "from whichever DN they came");
    assert_eq!(bench.ask("7101", Some("123456")), PinAnswer::Right, "the phone itself has not guessed");
    bench.clock.advance(WAIT_FIRST);
    assert_eq!(ask("7101", None, "123456"), PinAnswer::Right);
}
