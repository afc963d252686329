//! Selection, conflicts, entry and exit order, history, parallel states, done events.

use crate::counter::{logs, start, tell};

/// States that log their entry (`+a`) and exit (`-a`).
fn traced(kind: &str, id: &str, attributes: &str, inside: &str) -> String {
    format!(
        "<{kind} id='{id}' {attributes}><onentry><log label='+{id}'/></onentry><onexit><log label='-{id}'/></onexit>{inside}</{kind}>"
    )
}

fn root(attributes: &str, inside: &str) -> String {
    format!("<scxml version='1.0' {attributes}>{inside}</scxml>")
}

#[test]
fn the_first_state_is_the_default_and_parents_are_entered_first() {
    let inner = traced("state", "b", "", "");
    let mut s = start(&root("", &traced("state", "a", "", &inner)));
    assert_eq!(logs(&mut s), ["+a", "+b"]);
    assert_eq!(s.active(), ["a", "b"]);
}

#[test]
fn a_transition_runs_between_exits_and_entries() {
    let a = traced("state", "a", "", "<transition event='go' target='c'><log label='move'/></transition>");
    let c = traced("state", "c", "", "");
    let mut s = start(&root("", &(a + &traced("state", "b", "", &c))));
    logs(&mut s);
    tell(&mut s, "go");
    assert_eq!(logs(&mut s), ["-a", "move", "+b", "+c"]);
}

#[test]
fn the_inner_transition_wins_over_the_outer_one() {
    let inner = traced("state", "in", "", "<transition event='go' target='y'/>");
    let outer = traced("state", "out", "", &format!("<transition event='go' target='x'/>{inner}"));
    let mut s = start(&root("", &(outer + &traced("state", "x", "", "") + &traced("state", "y", "", ""))));
    logs(&mut s);
    tell(&mut s, "go");
    assert_eq!(logs(&mut s), ["-in", "-out", "+y"]);
}

#[test]
fn an_external_transition_leaves_its_state_and_an_internal_one_does_not() {
    for (kind, expected) in [("external", vec!["-b", "-a", "+a", "+c"]), ("internal", vec!["-b", "+c"])] {
        let inside = format!(
            "<transition event='go' type='{kind}' target='c'/>{}{}",
            traced("state", "b", "", ""),
            traced("state", "c", "", "")
        );
        let mut s = start(&root("", &traced("state", "a", "", &inside)));
        logs(&mut s);
        tell(&mut s, "go");
        assert_eq!(logs(&mut s), expected, "{kind}");
    }
}

#[test]
fn a_transition_without_target_leaves_nothing() {
    let a = traced("state", "a", "", "<transition event='go'><log label='stay'/></transition>");
    let mut s = start(&root("", &a));
    logs(&mut s);
    tell(&mut s, "go");
    assert_eq!(logs(&mut s), ["stay"]);
}

#[test]
fn regions_of_a_parallel_state_are_entered_in_order_and_left_in_reverse() {
    let regions = traced("state", "r1", "", &traced("state", "r1a", "", ""))
        + &traced("state", "r2", "", &traced("state", "r2a", "", ""));
    let p = traced("parallel", "p", "", &format!("<transition event='out' target='end'/>{regions}"));
    let mut s = start(&root("", &(p + &traced("state", "end", "", ""))));
    assert_eq!(logs(&mut s), ["+p", "+r1", "+r1a", "+r2", "+r2a"]);
    tell(&mut s, "out");
    assert_eq!(logs(&mut s), ["-r2a", "-r2", "-r1a", "-r1", "-p", "+end"]);
}

#[test]
fn both_regions_take_an_event_but_one_that_leaves_preempts_the_later_one() {
    let two = |second: &str| {
        let r1 = traced("state", "r1", "", "<transition event='go' target='end'/>");
        let r2 =
            traced("state", "r2", "", &format!("<transition event='go' {second}><log label='second'/></transition>"));
        root("", &(traced("parallel", "p", "", &(r1 + &r2)) + &traced("state", "end", "", "")))
    };
    let mut s = start(&two(""));
    logs(&mut s);
    tell(&mut s, "go");
    // A transition without target has an empty exit set, so it conflicts with nothing.
    assert_eq!(logs(&mut s), ["-r2", "-r1", "-p", "second", "+end"]);
    let mut s = start(&two("target='r2'"));
    logs(&mut s);
    tell(&mut s, "go");
    assert_eq!(logs(&mut s), ["-r2", "-r1", "-p", "+end"]);
}

#[test]
fn a_transition_of_an_inner_state_preempts_the_common_ancestors_one() {
    let r1 = "<state id='r1'><state id='r1a'/></state>";
    let r2 = "<state id='r2'><transition event='go' target='r2b'><log label='inner'/></transition><state id='r2a'/><state id='r2b'/></state>";
    let p = format!(
        "<parallel id='p'><transition event='go' target='end'><log label='outer'/></transition>{r1}{r2}</parallel><state id='end'/>"
    );
    let mut s = start(&root("", &p));
    tell(&mut s, "go");
    assert_eq!(logs(&mut s), ["inner"]);
    assert_eq!(s.active(), ["p", "r1", "r1a", "r2", "r2b"]);
}

#[test]
fn shallow_history_remembers_a_child_and_deep_history_the_leaf() {
    for (kind, expected) in [("shallow", ["a", "a2", "a2x"]), ("deep", ["a", "a2", "a2y"])] {
        let body = format!(
            "<state id='a'><history id='h' type='{kind}'><transition target='a1'/></history>
               <transition event='leave' target='away'/>
               <state id='a1'><transition event='next' target='a2'/></state>
               <state id='a2'><state id='a2x'><transition event='next' target='a2y'/></state><state id='a2y'/></state></state>
             <state id='away'><transition event='back' target='h'/></state>"
        );
        let mut s = start(&root("", &body));
        for event in ["next", "next", "leave", "back"] {
            tell(&mut s, event);
        }
        assert_eq!(s.active(), expected, "{kind}");
    }
}

#[test]
fn history_without_a_past_takes_its_default_and_runs_its_content_after_the_parents_entry() {
    let a = traced(
        "state",
        "a",
        "",
        "<history id='h'><transition target='a2'><log label='default'/></transition></history><state id='a1'/>
         <state id='a2'><onentry><log label='+a2'/></onentry></state>",
    );
    let mut s = start(&root("initial='away'", &(a + "<state id='away'><transition event='back' target='h'/></state>")));
    tell(&mut s, "back");
    assert_eq!(logs(&mut s), ["+a", "default", "+a2"]);
}

#[test]
fn history_remembers_all_regions_of_a_parallel_state() {
    let body = "<parallel id='p'><history id='h' type='deep'><transition target='x1 y1'/></history>
          <state id='x'><state id='x1'><transition event='nx' target='x2'/></state><state id='x2'/></state>
          <state id='y'><state id='y1'><transition event='ny' target='y2'/></state><state id='y2'/></state>
          <transition event='leave' target='away'/></parallel>
        <state id='away'><transition event='back' target='h'/></state>";
    let mut s = start(&root("", body));
    for event in ["ny", "leave", "back"] {
        tell(&mut s, event);
    }
    assert_eq!(s.active(), ["p", "x", "x1", "y", "y2"]);
}

#[test]
fn a_history_above_a_parallel_state_enters_no_region_by_its_default() {
    let body = "<state id='a'><history id='h' type='deep'><transition target='p'/></history>
          <parallel id='p'><state id='x'/>
            <state id='y'><state id='y1'><transition event='ny' target='y2'/></state><state id='y2'/></state></parallel>
          <transition event='leave' target='away'/></state>
        <state id='away'><transition event='back' target='h'/></state>";
    let mut s = start(&root("", body));
    for event in ["ny", "leave", "back"] {
        tell(&mut s, event);
    }
    assert_eq!(s.active(), ["a", "p", "x", "y", "y2"]);
}

#[test]
fn an_initial_transition_with_a_target_in_each_region_enters_those() {
    let body = "<state id='a'><initial><transition target='x1 y2'/></initial>
          <parallel id='p'><state id='x'><state id='x1'/></state>
            <state id='y'><state id='y1'/><state id='y2'/></state></parallel></state>";
    assert_eq!(start(&root("", body)).active(), ["a", "p", "x", "x1", "y", "y2"]);
}

#[test]
fn an_initial_element_runs_its_content_between_parent_and_child() {
    let a = traced(
        "state",
        "a",
        "",
        "<initial><transition target='a2'><log label='initial'/></transition></initial><state id='a1'/>
         <state id='a2'><onentry><log label='+a2'/></onentry></state>",
    );
    let mut s = start(&root("", &a));
    assert_eq!(logs(&mut s), ["+a", "initial", "+a2"]);
}

#[test]
fn initial_may_name_states_deep_in_several_regions() {
    let body = "<parallel id='p'>
          <state id='x'><state id='x1'/><state id='x2'/></state>
          <state id='y'><state id='y1'/><state id='y2'/></state></parallel>";
    let s = start(&root("initial='x2 y2'", body));
    assert_eq!(s.active(), ["p", "x", "x2", "y", "y2"]);
}

#[test]
fn a_final_child_makes_its_parent_done_and_all_regions_make_the_parallel_done() {
    let body = "<parallel id='p'><transition event='done.state.p'><log label='p done'/></transition>
          <state id='x'><transition event='done.state.x'><log label='x done'/></transition><state id='x1'><transition event='a' target='xf'/></state><final id='xf'/></state>
          <state id='y'><state id='y1'><transition event='b' target='yf'/></state><final id='yf'/></state></parallel>";
    let mut s = start(&root("", body));
    tell(&mut s, "a");
    assert_eq!(logs(&mut s), ["x done"]);
    tell(&mut s, "b");
    assert_eq!(logs(&mut s), ["p done"]);
}

#[test]
fn a_top_level_final_ends_the_session_with_its_donedata_after_every_onexit() {
    let body = "<state id='a'><transition event='go' target='f'/></state>
        <final id='f'><onexit><log label='-f'/></onexit><donedata><param name='answer' expr='6 + 36'/></donedata></final>";
    let mut s = start(&root("", body));
    tell(&mut s, "go");
    assert_eq!(logs(&mut s), ["-f", "Final(Map([(\"answer\", Number(42.0))]))"]);
    assert!(s.is_over());
    tell(&mut s, "go");
    assert_eq!(logs(&mut s), Vec::<String>::new());
}

#[test]
fn eventless_transitions_run_before_internal_events_and_those_before_external_ones() {
    let body = "<state id='a'><onentry><send event='ext'/><raise event='int'/></onentry>
          <transition event='*' target='wrong'/><transition target='b'/></state>
        <state id='b'><transition event='ext' target='wrong'/><transition event='int' target='c'/></state>
        <state id='c'><transition event='int' target='wrong'/><transition event='ext' target='right'/></state>
        <state id='right'/><state id='wrong'/>";
    assert_eq!(start(&root("", body)).active(), ["right"]);
}

#[test]
fn an_error_skips_the_rest_of_its_block_only() {
    let body = "<datamodel><data id='n' expr='0'/></datamodel>
        <state id='a'><onentry><log label='1'/><assign location='nowhere' expr='1'/><log label='2'/></onentry>
          <onentry><log label='3'/></onentry>
          <transition event='error.execution'><log label='error line ' expr='_event'/></transition></state>";
    assert_eq!(logs(&mut start(&root("", body))), ["1", "3", "error line error.execution"]);
}

#[test]
fn an_error_that_nobody_takes_is_reported() {
    let body = "<state id='a'><onentry><log expr='nowhere'/></onentry></state>";
    assert_eq!(logs(&mut start(&root("", body))), ["!error.execution"]);
}

#[test]
fn a_condition_that_fails_is_false_and_an_error() {
    let body = "<state id='a'><transition cond='nowhere == 1' target='wrong'/><transition event='error.execution' target='right'/></state>
        <state id='wrong'/><state id='right'/>";
    assert_eq!(start(&root("", body)).active(), ["right"]);
}

#[test]
fn if_takes_the_first_branch_that_holds() {
    for (n, expected) in [("1", "one"), ("2", "two"), ("3", "other")] {
        let body = format!(
            "<datamodel><data id='n' expr='{n}'/></datamodel><state id='a'><onentry>
              <if cond='n == 1'><log label='one'/><elseif cond='n == 2'/><log label='two'/><else/><log label='other'/></if>
            </onentry></state>"
        );
        assert_eq!(logs(&mut start(&root("", &body))), [expected]);
    }
}

#[test]
fn foreach_goes_through_a_copy_and_stops_at_an_error() {
    let body = "<datamodel><data id='sum' expr='0'/></datamodel><state id='a'><onentry>
          <foreach array='range 4' item='i' index='k'><assign location='sum' expr='sum + i'/><log expr='k'/></foreach>
          <log label='sum ' expr='sum'/></onentry></state>";
    assert_eq!(logs(&mut start(&root("", body))), ["0", "1", "2", "3", "sum 6"]);
    let body = "<state id='a'><onentry><foreach array='7' item='i'/><log label='not reached'/></onentry></state>";
    assert_eq!(logs(&mut start(&root("", body))), ["!error.execution"]);
}

#[test]
fn data_is_bound_at_the_start_or_at_first_entry() {
    for (binding, expected) in [("early", "7"), ("late", "undefined")] {
        let body = "<state id='a'><onentry><log expr='late'/></onentry><transition event='go' target='b'/></state>
            <state id='b'><datamodel><data id='late' expr='7'/></datamodel><onentry><log expr='late'/><assign location='late' expr='8'/></onentry>
              <transition event='go' target='a'/></state>";
        let mut s = start(&root(&format!("binding='{binding}'"), body));
        assert_eq!(logs(&mut s), [expected]);
        tell(&mut s, "go");
        assert_eq!(logs(&mut s), ["7"]);
        tell(&mut s, "go");
        assert_eq!(logs(&mut s), ["8"], "a second entry does not bind again");
    }
}

#[test]
fn terminate_runs_onexit() {
    let mut s = start(&root("", &traced("state", "a", "", &traced("state", "b", "", ""))));
    logs(&mut s);
    s.terminate(crate::counter::T0);
    assert_eq!(logs(&mut s), ["-b", "-a", "Terminated"]);
}
