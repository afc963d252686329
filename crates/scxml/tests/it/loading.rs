//! Documents refused by the loader: line, element, rule.

use scxml::document::Syntax;
use scxml::vocabulary::{Element, Module, Place, RequestId};
use scxml::{Document, Limits, Output, Session, Vocabulary};

use crate::counter::{Counters, T0};

const PHONE: Vocabulary = Vocabulary {
    modules: &[Module {
        name: "phone",
        segments: &["phone"],
        elements: &[
            Element {
                name: "ring",
                place: Place::Action,
                request_id: RequestId::Stored,
                attributes: &["requestid", "number", "for"],
                required: &["number"],
                children: &["phone:tone", "param"],
            },
            Element {
                name: "tone",
                place: Place::Child,
                request_id: RequestId::Stored,
                attributes: &["hertz"],
                required: &[],
                children: &[],
            },
        ],
    }],
};

fn faults(inside: &str) -> Vec<String> {
    let text = format!("<scxml version='1.0' xmlns:phone='urn:example:phone'>\n{inside}\n</scxml>");
    match Document::load(&text, &PHONE, Limits::default(), None) {
        Ok(_) => Vec::new(),
        Err(error) => error.faults.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn each_fault_names_line_element_and_rule() {
    for (inside, expected) in [
        ("<state id='a'/>\n<state id='a'/>", "line 3, <state>: the id \"a\" is used twice"),
        ("<state><transition target='x' event='e'/></state>", "line 2, <transition>: there is no state \"x\""),
        ("<state><invoke/></state>", "line 2, <invoke>: invoke is not supported"),
        ("<state><onentry>\n<fetch/></onentry></state>", "line 3, <fetch>: is not a known executable element"),
        ("<state colour='red'/>", "line 2, <state>: the attribute \"colour\" is not supported"),
        ("<state><transition/></state>", "line 2, <transition>: needs at least one of event, cond and target"),
        ("<state><onentry><raise/></onentry></state>", "line 2, <raise>: needs the attribute \"event\""),
        (
            "<state><onentry><send event='e' delay='soon'/></onentry></state>",
            "line 2, <send>: \"soon\" is not a time such as \"2.5s\" or \"300ms\"",
        ),
        ("<state><history id='h'/></state>", "line 2, <history>: must have exactly one <transition>: its default"),
        ("<state><onentry><else/></onentry></state>", "line 2, <else>: stands outside <if>"),
        (
            "<state><onentry><assign location='x' expr='1'>2</assign></onentry></state>",
            "line 2, <assign>: has both expr and text inside",
        ),
        (
            "<state><onentry><script src='x.js'/></onentry></state>",
            "line 2, <script>: the attribute \"src\" is not supported",
        ),
        ("<state id='a'><onentry>text</onentry></state>", "line 2, <onentry>: has text where only elements may stand"),
        ("", "line 1, <scxml>: there is no state"),
    ] {
        assert_eq!(faults(inside), [expected]);
    }
}

#[test]
fn every_fault_of_a_document_is_reported_in_order() {
    let found = faults(
        "<state id='a'><onentry><bad1/></onentry></state>\n<state id='a'/>\n<state><onexit><bad2/></onexit></state>",
    );
    assert_eq!(found.len(), 3);
    assert!(found[0].contains("bad1") && found[1].contains("twice") && found[2].contains("bad2"), "{found:?}");
}

#[test]
fn the_hosts_elements_are_checked_against_its_vocabulary() {
    for (inside, expected) in [
        ("<phone:ring/>", "<phone:ring>: needs the attribute \"number\""),
        ("<phone:ring number='1' colour='2'/>", "<phone:ring>: the attribute \"colour\" is not supported"),
        ("<phone:sing/>", "<phone:sing>: the element is not supported in the module \"phone\""),
        ("<phone:tone/>", "<phone:tone>: stands only inside another element"),
        (
            "<phone:ring number='1'><phone:ring number='2'/></phone:ring>",
            "<phone:ring>: is not supported inside <phone:ring>",
        ),
        ("<x:y xmlns:x='urn:example:other'/>", "<x:y>: the namespace \"urn:example:other\" is not supported"),
        ("<z:y/>", "<z:y>: the prefix z is not declared"),
    ] {
        let found = faults(&format!("<state id='a'><onentry>{inside}</onentry></state>"));
        assert_eq!(found, [format!("line 2, {expected}")]);
    }
}

#[test]
fn the_hosts_elements_come_out_with_values_and_a_request_id() {
    let text = "<scxml version='1.0' xmlns:p='http://example.com/modules/phone'><datamodel><data id='r'/></datamodel>
        <state id='a'><onentry><p:ring requestid='r' number='1 + 2'><p:tone hertz='440'/><param name='n' expr='7'/></p:ring>
        <log expr='r'/></onentry></state></scxml>";
    let document = Document::load(text, &PHONE, Limits::default(), None).expect("valid");
    let mut session = Session::start(document.into(), Box::new(Counters::default()), "s1", T0);
    let Some(Output::Action(action)) = session.poll_output() else { panic!("no action") };
    assert_eq!(action.request_id, "s1.1");
    assert_eq!((action.node.module.as_str(), action.node.name.as_str()), ("phone", "ring"));
    assert_eq!(action.node.attribute("number").and_then(|v| v.as_number()), Some(3.0));
    assert_eq!(action.node.children[0].attribute("hertz").and_then(|v| v.as_number()), Some(440.0));
    assert_eq!(action.node.params[0].1.as_number(), Some(7.0));
    assert_eq!(session.poll_output(), Some(Output::Log { label: String::new(), level: None, text: "s1.1".into() }));
}

#[test]
fn broken_xml_is_refused_with_a_line() {
    for text in [
        "",
        "<scxml",
        "<scxml version='1.0'><state>\n</scxml>",
        "<a/><b/>",
        "<scxml version='1.0'>&bad;</scxml>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]><scxml/>",
    ] {
        let error = Document::load(text, &PHONE, Limits::default(), None).expect_err("refused");
        assert!(error.faults[0].line >= 1, "{error}");
    }
}

#[test]
fn illegal_targets_are_refused() {
    let found = faults("<state id='a'><transition event='e' target='b c'/></state><state id='b'/><state id='c'/>");
    assert!(found[0].contains("cannot be active together"), "{found:?}");
    let found = faults("<state id='a' initial='b'><state id='a1'/></state><state id='b'/>");
    assert!(found[0].contains("begins outside itself"), "{found:?}");
}

/// Each level would be entered once for every level above that names it: with 45 levels, practically forever.
#[test]
fn targets_that_contain_each_other_are_refused() {
    let initial = |level: usize| (level + 1..45).take(32).map(|n| format!("s{n} ")).collect::<String>();
    let open: String = (0..45).map(|n| format!("<state id='s{n}' initial='{}'>", initial(n))).collect();
    let open = open.replace(" initial=''", "");
    let found = faults(&format!("{open}{}", "</state>".repeat(45)));
    let rule = "state \"s42\": the targets \"s43\" and \"s44\" contain each other (W3C SCXML 3.11)";
    assert!(found.iter().any(|fault| fault.ends_with(rule)), "{found:?}");
    for target in ["p r1", "r1 a1", "h a1", "h p", "h d"] {
        let found = faults(&format!(
            "<state id='o'><transition event='e' target='{target}'/></state><parallel id='p'><history id='h'>
            <transition target='r1'/></history><history id='d' type='deep'><transition target='r1'/></history>
            <state id='r1'><state id='a1'/></state><state id='r2'/></parallel>"
        ));
        assert!(found.len() == 1 && found[0].contains("contain each other"), "{target}: {found:?}");
    }
}

#[test]
fn a_target_named_twice_counts_once_and_regions_may_be_named_together() {
    let body = "<state id='o'><transition event='e' target='a1 r2 a1'/></state>
        <parallel id='p'><state id='r1'><state id='a1'/></state><state id='r2'/></parallel>";
    assert_eq!(faults(body), Vec::<String>::new());
}

#[test]
fn expressions_are_checked_when_the_document_is_loaded() {
    let mut check = |syntax: Syntax, text: &str| match (syntax, text) {
        (Syntax::Expression, "1 +") => Err("unexpected end".to_owned()),
        _ => Ok(()),
    };
    let text = "<scxml version='1.0'><state id='a'>\n<transition cond='1 +' target='a'/></state></scxml>";
    let error = Document::load(text, &Vocabulary::NONE, Limits::default(), Some(&mut check)).expect_err("refused");
    assert_eq!(error.to_string(), "line 2, <transition>: \"1 +\" is not valid: unexpected end");
}
