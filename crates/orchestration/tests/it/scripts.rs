//! The sandbox of scripts, and snapshots of their data.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use infra::conformance::SetClock;
use infra::{Clock, SystemClock};
use model::Timestamp;
use orchestration::ecmascript::{ScriptLimits, SyntaxChecker};
use proptest::prelude::*;
use scxml::document::Syntax;
use scxml::{Document, End, EvalError, Event, Expr, LimitKind, Limits, Output, Session, Value, Vocabulary};

use crate::harness::{T0, data, document, limited, outputs, timed};

fn entry(script: &str) -> String {
    format!(
        "<scxml version='1.0' datamodel='ecmascript'><state id='a'><onentry><script><![CDATA[{script}]]></script></onentry></state></scxml>"
    )
}

fn ends_by(script: &str, limits: ScriptLimits) -> Option<End> {
    let mut session = Session::start(document(&entry(script)), limited(limits), "s1", T0);
    outputs(&mut session).into_iter().find_map(|o| match o {
        Output::Done(end) => Some(end),
        _ => None,
    })
}

#[test]
fn an_endless_script_is_cut_and_cannot_catch_it() {
    let limits = ScriptLimits::default();
    assert_eq!(ends_by("for (;;) {}", limits), Some(End::Limit(LimitKind::ScriptTime)));
    assert_eq!(
        ends_by("for (;;) { try { for (;;) {} } catch (e) {} finally { } }", limits),
        Some(End::Limit(LimitKind::ScriptTime))
    );
    assert_eq!(ends_by("/(a+)+$/.test('a'.repeat(40) + 'b')", limits), Some(End::Limit(LimitKind::ScriptTime)));
}

#[test]
fn many_short_scripts_share_one_allowance_per_input() {
    let limits = ScriptLimits { evaluation: 30, input: 60, ..ScriptLimits::default() };
    let text = |times: &str| {
        format!(
            "<scxml version='1.0' datamodel='ecmascript'><script>function burn() {{ for (var n = 0; n &lt; 100000; n++); }}</script>
            <state id='a'><onentry><foreach array='[{times}]' item='i'><script>burn()</script></foreach></onentry></state></scxml>"
        )
    };
    let ends = |times| {
        let mut session = Session::start(document(&text(times)), limited(limits), "s1", T0);
        outputs(&mut session).contains(&Output::Done(End::Limit(LimitKind::ScriptTime)))
    };
    assert_eq!((ends("1,2"), ends("1,2,3,4,5,6,7,8,9,10")), (false, true));
}

/// Number of rounds until an endless script is interrupted.
fn rounds_until_cut(clock: Arc<dyn Clock>) -> f64 {
    let mut data = timed(ScriptLimits::default(), clock);
    let of = |text: &str| Expr { text: text.into(), line: 1 };
    let cut = data.execute(&of("var rounds = 0; for (;;) rounds++"));
    assert_eq!(cut, Err(EvalError::Limit(LimitKind::ScriptTime)));
    data.begin_input();
    data.evaluate(&of("rounds")).expect("a number").as_number().expect("a number")
}

#[test]
fn an_endless_script_ends_at_the_same_place_whatever_the_clock_says() {
    let standing = rounds_until_cut(SetClock::at(Timestamp::ZERO));
    assert_eq!(rounds_until_cut(SetClock::at(Timestamp::ZERO)), standing);
    assert_eq!(rounds_until_cut(Arc::new(SystemClock::start())), standing);
}

/// A clock that advances by an hour at each reading.
#[derive(Default)]
struct RunningClock(AtomicU64);

impl Clock for RunningClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(3_600_000, Ordering::Relaxed))
    }
}

#[test]
fn a_machine_in_trouble_reaches_the_limit_of_time_first() {
    let standing = rounds_until_cut(SetClock::at(Timestamp::ZERO));
    assert!(rounds_until_cut(Arc::new(RunningClock::default())) < standing / 100.0);
}

#[test]
fn memory_and_stack_are_limited() {
    let limits = ScriptLimits { memory_bytes: 1 << 20, ..ScriptLimits::default() };
    assert_eq!(
        ends_by("var all = []; for (;;) all.push('x'.repeat(1000) + all.length);", limits),
        Some(End::Limit(LimitKind::ScriptMemory))
    );
    assert_eq!(ends_by("(function f() { return f() + 1; })()", limits), Some(End::Limit(LimitKind::ScriptStack)));
}

#[test]
fn nothing_outside_the_language_can_be_reached() {
    let text = "<scxml version='1.0' datamodel='ecmascript'><state id='a'><onentry>
        <log expr=\"['require','process','std','os','print','console','setTimeout','fetch','Worker','SharedArrayBuffer','WebAssembly'].filter(function (n) { return typeof globalThis[n] !== 'undefined'; }).join()\"/>
        <log expr='_data.dnis + _genesys.ixn.count'/></onentry></state></scxml>";
    let mut session = Session::start(document(text), data(), "s1", T0);
    let texts: Vec<String> = outputs(&mut session)
        .into_iter()
        .filter_map(|o| match o {
            Output::Log { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["", "+155501001"]);
}

#[test]
fn an_ordinary_error_names_its_reason_and_line() {
    let mut session = Session::start(document(&entry("nothing.here()")), data(), "s1", T0);
    let Some(Output::UnhandledError(event)) = session.poll_output() else { panic!("no error") };
    assert!(event.data.get("reason").and_then(Value::as_text).is_some_and(|r| r.contains("nothing")), "{event:?}");
}

#[test]
fn slips_are_found_when_the_document_is_loaded() {
    let mut checker = SyntaxChecker::new(ScriptLimits::default(), Arc::new(SystemClock::start())).expect("fits");
    let mut check = |syntax: Syntax, text: &str| checker.check(syntax, text);
    let text = "<scxml version='1.0' datamodel='ecmascript'><state id='a'>\n<onentry><assign location='x' expr='1 +'/>
        <assign location='1' expr='2'/><script>if (</script><assign location='ok.there[0]' expr='{a: 1}'/></onentry></state></scxml>";
    let error = Document::load(text, &Vocabulary::NONE, Limits::default(), Some(&mut check)).expect_err("refused");
    let lines: Vec<(u32, &str)> = error.faults.iter().map(|f| (f.line, f.element.as_str())).collect();
    assert_eq!(lines, [(2, "assign"), (3, "assign"), (3, "script")], "{error}");
}

#[test]
fn a_photograph_has_time_of_its_own_however_long_the_last_input_is_past() {
    let clock = SetClock::at(Timestamp::ZERO);
    let text = entry("for (var i = 0; i < 100; i++) globalThis['v' + i] = i");
    let mut session = Session::start(document(&text), timed(ScriptLimits::default(), clock.clone()), "s1", T0);
    // The engine reads the clock only now and then.
    for _ in 1..200 {
        clock.advance(Duration::from_secs(1));
        session.snapshot().expect("a hundred numbers");
    }
}

const KEEPER: &str = "<scxml version='1.0' datamodel='ecmascript' name='keeper'>
    <script>function add(a, b) { return a + b; } var made = {by: 'script'};</script>
    <datamodel><data id='n' expr='0'/><data id='list' expr='[]'/><data id='o' expr='{}'/><data id='none'/><data id='nil' expr='null'/></datamodel>
    <state id='a'>
      <transition event='add'><script>n = add(n, _event.data); list.push({v: _event.data, t: 'äö\"' + n});</script><log expr='n'/></transition>
      <transition event='var'><script>var later = {deep: [n, [n]]};</script></transition>
      <transition event='wait'><send event='tick' delayexpr=\"(n % 5 + 1) + 's'\"><param name='n' expr='n'/></send></transition>
      <transition event='tick'><assign location='o.last' expr='_event.data.n'/><log expr=\"typeof later + JSON.stringify(o) + typeof none + (nil === null) + made.by\"/></transition>
      <transition event='move' target='b'/>
    </state>
    <state id='b'><onentry><log expr=\"'b' + list.length\"/></onentry><transition event='move' target='a'/><transition event='tick'/></state>
  </scxml>";

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn restore_equals_continue_with_scripts(inputs in proptest::collection::vec((0usize..6, -50i32..50), 1..20)) {
        let document = document(KEEPER);
        let mut now = T0;
        let mut kept = Session::start(Arc::clone(&document), data(), "s1", now);
        outputs(&mut kept);
        for (which, number) in inputs {
            let photo = kept.snapshot().expect("JSON data");
            let mut again = Session::restore(photo.clone(), Arc::clone(&document), data(), now).expect("it fits");
            prop_assert_eq!(&again.snapshot().expect("JSON data"), &photo);
            for session in [&mut kept, &mut again] {
                match which {
                    0..=4 => {
                        let name = ["add", "var", "wait", "move", "tick"][which];
                        let data = if name == "tick" { [("n", 7.0)].into_iter().collect() } else { Value::Number(f64::from(number)) };
                        session.handle(Event::external(name, data), now);
                    }
                    _ => session.handle_timeout(now + Duration::from_secs(2)),
                }
            }
            if which == 5 {
                now = now + Duration::from_secs(2);
            }
            prop_assert_eq!(outputs(&mut kept), outputs(&mut again));
            prop_assert_eq!(kept.snapshot().expect("JSON data"), again.snapshot().expect("JSON data"));
        }
    }
}
