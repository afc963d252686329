//! Each limit, reached.

use model::Timestamp;
use scxml::{End, LimitKind, Limits, Output, Session, Vocabulary};

use crate::counter::{Counters, T0, limited, start, tell};

fn end(session: &mut Session) -> Option<End> {
    std::iter::from_fn(|| session.poll_output()).find_map(|o| match o {
        Output::Done(end) => Some(end),
        _ => None,
    })
}

fn ends_by(body: &str, limits: Limits) -> Option<End> {
    let body = format!("<scxml version='1.0'>{body}</scxml>");
    end(&mut Session::start(limited(&body, limits), Box::new(Counters::default()), "s1", T0))
}

#[test]
fn an_eventless_loop_is_cut() {
    let body = "<state id='a'><transition target='b'/></state><state id='b'><transition target='a'/></state>";
    assert_eq!(ends_by(body, Limits::default()), Some(End::Limit(LimitKind::Microsteps)));
}

#[test]
fn a_loop_of_raised_events_is_cut() {
    let body = "<state id='a'><onentry><raise event='e'/></onentry><transition event='e' target='a'/></state>";
    assert_eq!(ends_by(body, Limits::default()), Some(End::Limit(LimitKind::Microsteps)));
}

#[test]
fn a_loop_of_events_sent_to_oneself_is_cut() {
    let body = "<state id='a'><onentry><send event='e'/></onentry><transition event='e' target='a'/></state>";
    assert_eq!(ends_by(body, Limits::default()), Some(End::Limit(LimitKind::EventsPerInput)));
}

#[test]
fn a_long_foreach_is_cut_even_when_its_body_is_empty() {
    let body = "<state id='a'><onentry><foreach array='range 30000' item='i'/></onentry></state>";
    assert_eq!(ends_by(body, Limits::default()), Some(End::Limit(LimitKind::Steps)));
}

#[test]
fn queues_delayed_events_and_outputs_are_bounded() {
    let many = |element: &str| {
        format!("<state id='a'><onentry><foreach array='range 400' item='i'>{element}</foreach></onentry></state>")
    };
    for (element, limit) in [
        ("<raise event='e'/>", LimitKind::Queue),
        ("<send event='e'/>", LimitKind::Queue),
        ("<send event='e' delay='1s'/>", LimitKind::Delayed),
        ("<log label='x'/>", LimitKind::Outputs),
    ] {
        assert_eq!(ends_by(&many(element), Limits::default()), Some(End::Limit(limit)), "{element}");
    }
}

const TICKER: &str = "<scxml version='1.0'><state id='a'><onentry><send event='tick' delay='DELAY'/></onentry>
    <transition event='tick' target='a'/></state></scxml>";

/// Number of ticks that a session processes, up to `most`, and how it ended.
fn ticks(delay: &str, most: usize) -> (usize, Option<End>) {
    let mut session = start(&TICKER.replace("DELAY", delay));
    for taken in 0..most {
        let due = session.next_timeout().expect("it has sent itself another one");
        session.handle_timeout(due);
        if let Some(end) = end(&mut session) {
            return (taken, Some(end));
        }
    }
    (most, None)
}

#[test]
fn a_session_that_wakes_itself_all_the_time_is_cut_and_one_with_a_clock_of_its_own_is_not() {
    let burst = Limits::default().own_events as usize;
    for delay in ["0.001ms", "0.5ms", "10ms"] {
        let (taken, how) = ticks(delay, 10 * burst);
        assert_eq!(how, Some(End::Limit(LimitKind::OwnEvents)), "{delay}");
        assert!((burst..2 * burst).contains(&taken), "{delay}: {taken}");
    }
    assert_eq!(ticks("100ms", 10 * burst), (10 * burst, None));
}

#[test]
fn a_clock_that_is_put_back_costs_no_session() {
    let mut session = start(&TICKER.replace("DELAY", "1ms"));
    for _ in 0..100 {
        let due = session.next_timeout().expect("the next");
        session.handle_timeout(due);
    }
    let before = Timestamp::from_millis(1_000);
    session.handle(scxml::Event::external("other", scxml::Value::Undefined), before);
    let photo = session.snapshot().expect("numbers");
    let early = scxml::SnapshotDelayed { due: before, ..photo.delayed[0].clone() };
    let photo = scxml::Snapshot { delayed: vec![early], ..photo };
    let document = limited(&TICKER.replace("DELAY", "1ms"), Limits::default());
    let mut session = Session::restore(photo, document, Box::new(Counters::default()), before).expect("it fits");
    session.handle_timeout(before);
    assert_eq!(end(&mut session), None);
}

#[test]
fn a_data_model_at_its_limit_ends_the_session() {
    let body = "<state id='a'><onentry><log expr='busy'/></onentry></state>";
    assert_eq!(ends_by(body, Limits::default()), Some(End::Limit(LimitKind::ScriptTime)));
    let mut s = start("<scxml version='1.0'><state id='a'><transition event='x' cond='busy'/></state></scxml>");
    tell(&mut s, "x");
    assert_eq!(end(&mut s), Some(End::Limit(LimitKind::ScriptTime)));
}

#[test]
fn documents_are_bounded_in_bytes_states_and_depth() {
    let limits = Limits { document_bytes: 2_000, states: 10, nesting: 8, ..Limits::default() };
    let load = |body: String| {
        let text = format!("<scxml version='1.0'>{body}</scxml>");
        scxml::Document::load(&text, &Vocabulary::NONE, limits.clone(), None).map(|_| ()).map_err(|e| e.to_string())
    };
    assert!(load("<state/>".repeat(9)).is_ok());
    let error = load("<state/>".repeat(40)).expect_err("too many states");
    assert!(error.contains("more than 10 states"), "{error}");
    let error = load("<state>".repeat(20) + &"</state>".repeat(20)).expect_err("too deep");
    assert!(error.contains("nested deeper than 8"), "{error}");
    let error = load("<state/>".repeat(400)).expect_err("too long");
    assert!(error.contains("more than 2000 bytes"), "{error}");
}

#[test]
fn thousands_of_targets_attributes_and_namespaces_cost_no_more_than_their_bytes() {
    let load = |body: String| {
        let text = format!("<scxml version='1.0'>{body}</scxml>");
        let loaded = scxml::Document::load(&text, &Vocabulary::NONE, Limits::default(), None);
        loaded.map(|_| ()).map_err(|e| e.to_string()).expect_err("refused")
    };
    let error = load(format!("<state id='a'><transition event='e' target='{}'/></state>", "a ".repeat(150_000)));
    assert!(error.contains("more than 32 targets"), "{error}");
    let attributes: String = (0..40_000).map(|n| format!(" a{n}=''")).collect();
    let error = load(format!("<state id='a'{attributes}/>"));
    assert!(error.contains("more than 64 attributes"), "{error}");
    let error = load(format!("<state xmlns='{}'>{}</state>", "n".repeat(200_000), "<a/>".repeat(50_000)));
    assert!(error.contains("more than 256 bytes"), "{error}");
}

#[test]
fn states_that_come_and_go_and_conditions_count_as_steps() {
    let region = |n: usize| {
        format!(
            "<state id='r{n}'><state id='a{n}'><transition target='b{n}'/></state><state id='b{n}'><transition target='a{n}'/></state></state>"
        )
    };
    let regions: String = (0..600).map(region).collect();
    assert_eq!(
        ends_by(&format!("<parallel id='p'>{regions}</parallel>"), Limits::default()),
        Some(End::Limit(LimitKind::Steps))
    );
    let guards = "<transition event='e' cond='In(b)' target='b'/>".repeat(200);
    let body = format!(
        "<state id='a'><onentry><foreach array='range 200' item='i'><raise event='e'/></foreach></onentry>{guards}</state><state id='b'/>"
    );
    assert_eq!(ends_by(&body, Limits::default()), Some(End::Limit(LimitKind::Steps)));
}

#[test]
fn entering_states_is_charged_before_it_is_done() {
    let regions: String = (0..300).map(|n| format!("<state id='r{n}'/>")).collect();
    let body = format!("<parallel id='p'>{regions}</parallel>");
    let few = Limits { steps: 300, ..Limits::default() };
    assert_eq!(ends_by(&body, few), Some(End::Limit(LimitKind::Steps)));
    let enough = Limits { steps: 301, ..Limits::default() };
    assert_eq!(ends_by(&body, enough), None);
}

/// None of these transitions is taken and no condition evaluated: only the search is work.
#[test]
fn a_search_that_finds_nothing_is_charged() {
    let regions: String = (0..500).map(|n| format!("<state id='r{n}'/>")).collect();
    let others = "<transition event='never' target='p'/>".repeat(500);
    let raised = "<raise event='e'/>".repeat(100);
    let body = format!("<parallel id='p'><onentry>{raised}</onentry>{others}{regions}</parallel>");
    assert_eq!(ends_by(&body, Limits::default()), Some(End::Limit(LimitKind::Steps)));
    let once = format!("<parallel id='p'>{others}{regions}</parallel>");
    assert_eq!(ends_by(&once, Limits::default()), None);
}

/// A deep history has one target per region, all of them in the same parallel states.
#[test]
fn a_deep_history_of_many_regions_costs_a_step_for_each() {
    let regions: String =
        (0..400).map(|n| format!("<state id='r{n}'><state id='a{n}'/><state id='b{n}'/></state>")).collect();
    let text = format!(
        "<scxml version='1.0'><state id='s'><history id='h' type='deep'><transition target='p'/></history>
        <parallel id='p'>{regions}</parallel><transition event='leave' target='away'/></state>
        <state id='away'><transition event='back' target='h'/></state></scxml>"
    );
    let limits = Limits { steps: 2_000, ..Limits::default() };
    let mut s = Session::start(limited(&text, limits), Box::new(Counters::default()), "s1", T0);
    tell(&mut s, "leave");
    tell(&mut s, "back");
    assert_eq!(end(&mut s), None);
    assert_eq!(s.active().len(), 802);
}

#[test]
fn what_leaves_the_data_model_is_bounded_in_bytes() {
    let limits = Limits { payload_bytes: 10_000, ..Limits::default() };
    let big = "x".repeat(1_000);
    for delay in ["", "delay='1h'"] {
        let send = format!("<send event='e' {delay}><param name='p' expr=\"'{big}'\"/></send>");
        let body =
            format!("<state id='a'><onentry><foreach array='range 20' item='i'>{send}</foreach></onentry></state>");
        assert_eq!(ends_by(&body.replace("1h", "3600s"), limits.clone()), Some(End::Limit(LimitKind::Payload)));
    }
}

#[test]
fn a_log_line_is_cut_at_a_character() {
    let limits = Limits { log_bytes: 5, ..Limits::default() };
    let body = "<scxml version='1.0'><state id='a'><onentry><log expr=\"'ääää'\"/></onentry></state></scxml>";
    let mut s = Session::start(limited(body, limits), Box::new(Counters::default()), "s1", T0);
    assert_eq!(s.poll_output(), Some(Output::Log { label: String::new(), level: None, text: "ää".into() }));
}
