//! `send`, `cancel`, `raise`, delays.

use std::time::Duration;

use scxml::{Event, Value};

use crate::counter::{T0, logs, start, tell};

fn run(onentry: &str, rest: &str) -> scxml::Session {
    start(&format!("<scxml version='1.0'><state id='a'><onentry>{onentry}</onentry>{rest}</state></scxml>"))
}

const ECHO: &str = "<transition event='*'><log expr='_event'/></transition>";

#[test]
fn delayed_events_come_in_the_order_of_their_time() {
    let mut s = run("<send event='late' delay='2s'/><send event='soon' delay='500ms'/><send event='now'/>", ECHO);
    assert_eq!(logs(&mut s), ["now"]);
    assert_eq!(s.next_timeout(), Some(T0 + Duration::from_millis(500)));
    s.handle_timeout(T0 + Duration::from_millis(499));
    assert_eq!(logs(&mut s), Vec::<String>::new());
    s.handle_timeout(T0 + Duration::from_secs(3));
    assert_eq!(logs(&mut s), ["soon", "late"]);
    assert_eq!(s.next_timeout(), None);
}

#[test]
fn a_due_event_comes_before_an_input_that_arrives_after_it() {
    let mut s = run("<send event='due' delay='1s'/>", ECHO);
    s.handle(Event::external("input", Value::Undefined), T0 + Duration::from_secs(2));
    assert_eq!(logs(&mut s), ["due", "input"]);
}

#[test]
fn cancel_takes_back_a_delayed_event() {
    let mut s = run("<send event='one' id='x' delay='1s'/><send event='two' delay='1s'/><cancel sendid='x'/>", ECHO);
    s.handle_timeout(T0 + Duration::from_secs(1));
    assert_eq!(logs(&mut s), ["two"]);
}

#[test]
fn delayexpr_and_cancel_by_expression_and_idlocation() {
    let mut s = start(
        "<scxml version='1.0'><datamodel><data id='i'/></datamodel><state id='a'>
          <onentry><send event='gone' idlocation='i' delayexpr=\"'2s'\"/><cancel sendidexpr='i'/><send event='bad' delayexpr=\"'soon'\"/></onentry>
          <transition event='*'><log expr='_event'/></transition></state></scxml>",
    );
    assert_eq!(logs(&mut s), ["error.execution"]);
    assert_eq!(s.next_timeout(), None);
}

#[test]
fn targets_are_the_session_itself_or_an_error() {
    for (target, expected) in [
        ("#_internal", "e"),
        ("#_scxml_s1", "e"),
        ("#_scxml_other", "error.communication"),
        ("#_parent", "error.communication"),
        ("nonsense", "error.execution"),
    ] {
        let mut s = run(&format!("<send event='e' target='{target}'/>"), ECHO);
        assert_eq!(logs(&mut s), [expected], "{target}");
    }
    let mut s = run("<send event='e' type='http://example.com/unknown'/>", ECHO);
    assert_eq!(logs(&mut s), ["error.execution"]);
}

#[test]
fn a_failed_send_names_its_id() {
    let mut s = run(
        "<send event='e' id='mine' target='#_parent'/>",
        "<transition event='error'><log expr='_sendid'/></transition>",
    );
    assert_eq!(logs(&mut s), ["mine"]);
}

#[test]
fn internal_events_overtake_external_ones() {
    let mut s = run("<send event='ext'/><send event='int' target='#_internal'/>", ECHO);
    assert_eq!(logs(&mut s), ["int", "ext"]);
}

#[test]
fn send_carries_params_content_and_namelist() {
    for (inside, namelist, expected) in [
        ("<param name='p' expr='1 + 1'/>", "", "{\"p\":2}"),
        ("<content>12</content>", "", "12"),
        ("<content expr='3 - 1'/>", "", "2"),
        ("", "namelist='n'", "{\"n\":5}"),
        ("<param name='bad' expr='nowhere'/><param name='p' expr='1'/>", "", "{\"p\":1}"),
    ] {
        let mut s = start(&format!(
            "<scxml version='1.0'><datamodel><data id='n' expr='5'/></datamodel><state id='a'>
              <onentry><send event='e' {namelist}>{inside}</send></onentry>
              <transition event='e'><log expr='_data'/></transition><transition event='error'/></state></scxml>"
        ));
        assert_eq!(logs(&mut s), [expected]);
    }
}

#[test]
fn a_namelist_that_cannot_be_evaluated_is_not_sent_and_a_parameter_is_left_out() {
    // W3C SCXML 6.2.3: the message is discarded; 5.7: the parameter is ignored.
    for (send, expected) in [
        ("<send event='e' namelist='n nowhere'/>", vec!["error.execution", "next"]),
        ("<send event='e'><param name='bad' expr='nowhere'/></send><send event='last'/>", {
            vec!["error.execution", "e", "last", "next"]
        }),
    ] {
        let mut s = start(&format!(
            "<scxml version='1.0'><datamodel><data id='n' expr='5'/></datamodel><state id='a'>
              <onentry>{send}</onentry><onentry><send event='next'/></onentry>{ECHO}</state></scxml>"
        ));
        assert_eq!(logs(&mut s), expected, "{send}");
    }
}

#[test]
fn nothing_comes_after_the_end() {
    let mut s = start(
        "<scxml version='1.0'><state id='a'><onentry><send event='late' delay='1s'/></onentry>
          <transition event='stop' target='f'/></state><final id='f'/></scxml>",
    );
    tell(&mut s, "stop");
    assert_eq!(s.next_timeout(), None);
}
