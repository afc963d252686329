use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const CALL: ConnId = ConnId(0xaf);
const INVITE: &str = "INVITE sip:+15550199@edge.example SIP/2.0\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\n\
    From: \"Ann\" <sip:+4930123;verstat=No@a.example>;tag=1\nTo: <sip:0199@edge.example>\nCall-ID: 00af-1-77@node\nCSeq: 1 INVITE\n\
    Max-Forwards: 70\nX-Way: one\nX-Way: two\nRemote-Party-ID: <sip:+4930999@a.example>\ns: hello\nContent-Length: 0\n\n";

fn invite() -> Message {
    Message::parse(INVITE.replace('\n', "\r\n").into()).unwrap()
}

fn rule(action: EditAction, header: &str) -> RuleText<'_> {
    RuleText { on: RuleDirection::Sent, action, header, value: None, pattern: None, replace: None }
}

fn add<'a>(header: &'a str, value: &'a str) -> RuleText<'a> {
    RuleText { value: Some(value), ..rule(EditAction::Add, header) }
}

fn set<'a>(header: &'a str, value: &'a str) -> RuleText<'a> {
    RuleText { value: Some(value), ..rule(EditAction::Set, header) }
}

fn rewrite<'a>(header: &'a str, pattern: &'a str, replace: &'a str) -> RuleText<'a> {
    RuleText { pattern: Some(pattern), replace: Some(replace), ..rule(EditAction::Rewrite, header) }
}

fn applied(rules: &[RuleText<'_>], on: RuleDirection) -> (Message, Vec<EditOutcome>) {
    let edits = rules.iter().map(|rule| HeaderEdit::compile(rule).unwrap()).collect();
    let mut message = invite();
    let effects = HeaderRules::new("main line", edits).apply(on, &mut message, Some(CALL));
    assert_eq!(Message::parse(message.to_bytes()).unwrap(), message);
    (message, effects.into_iter().map(|effect| effect.outcome).collect())
}

fn values(message: &Message, header: &str) -> Vec<String> {
    message.headers(&HeaderName::from_name(header)).map(str::to_owned).collect()
}

fn refused(rule: RuleText<'_>) -> String {
    HeaderEdit::compile(&rule).unwrap_err().to_string()
}

#[test]
fn each_action_does_what_it_says_and_tells_it() {
    let (message, outcomes) = applied(
        &[
            add("X-Way", "three"),
            set("x-new", "{trunk}"),
            set("Subject", "bye"),
            RuleText { pattern: Some("^two$"), ..rule(EditAction::Remove, "X-WAY") },
            rewrite("X-Way", "(o)(n)", "$2$1"),
            rule(EditAction::Remove, "X-Absent"),
            rewrite("X-Way", "zzz", ""),
            set("X-New", "main%20line"),
        ],
        RuleDirection::Sent,
    );
    assert_eq!(values(&message, "X-Way"), ["noe", "three"]);
    assert_eq!(values(&message, "X-New"), ["main%20line"]);
    assert_eq!(values(&message, "s"), ["bye"], "the compact name is the same header");
    let idle = |why| EditOutcome::Idle(why);
    let one = EditOutcome::Changed(1);
    let expected = [&one, &one, &one, &one, &one, &idle(Idle::Absent), &idle(Idle::Unmatched), &idle(Idle::Same)];
    assert_eq!(outcomes.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn rules_for_the_other_direction_do_nothing() {
    let (message, outcomes) = applied(&[rule(EditAction::Remove, "X-Way")], RuleDirection::Received);
    assert_eq!((message, outcomes), (invite(), vec![]));
}

#[test]
fn variables_are_those_of_the_message_and_escaped() {
    let (message, _) =
        applied(&[set("X-All", "{caller} {called} {call} {header:remote-party-id} {{}}")], RuleDirection::Sent);
    assert_eq!(values(&message, "X-All"), ["+4930123 0199 00000000000000af <sip:+4930999@a.example> {}"]);
    let received = RuleText { on: RuleDirection::Received, ..set("X-All", "{caller} {called}") };
    assert_eq!(values(&applied(&[received], RuleDirection::Received).0, "X-All"), ["+4930123 +15550199"]);
    let mut hostile = invite();
    hostile.set(&HeaderName::From, "<sip:1%0d%0aEvil%3a%20yes%3e,%22@a>;tag=1");
    let edit = HeaderEdit::compile(&set("X-Caller", "<sip:{caller}@b>")).unwrap();
    HeaderRules::new("t", vec![edit]).apply(RuleDirection::Sent, &mut hostile, None);
    assert_eq!(values(&hostile, "X-Caller"), ["<sip:1%0D%0AEvil%3A%20yes%3E%2C%22@b>"]);
}

#[test]
fn a_variable_without_a_value_leaves_the_message_alone() {
    let (message, outcomes) = applied(&[set("P-Asserted-Identity", "{header:X-None}")], RuleDirection::Sent);
    assert_eq!(message, invite());
    assert_eq!(outcomes, [EditOutcome::Idle(Idle::Unknown("header:X-None".to_owned()))]);
}

#[test]
fn a_line_of_which_nothing_is_left_is_removed() {
    assert_eq!(values(&applied(&[rewrite("X-Way", "^one$", "")], RuleDirection::Sent).0, "X-Way"), ["two"]);
}

#[test]
fn protected_headers_are_refused_by_any_name() {
    for header in [
        "Via",
        "v",
        "ROUTE",
        "record-route",
        "From",
        "f",
        "To",
        "t",
        "Call-ID",
        "i",
        "CSeq",
        "Contact",
        "m",
        "Max-Forwards",
        "Content-Type",
        "c",
        "l",
        "Content-Odd",
        "Authorization",
        "Proxy-Authorization",
        "Require",
        "Supported",
        "k",
        "Session-Expires",
        "x",
        "Min-SE",
        "Trunkline-Tenant",
        "trunkline-x",
        "Replaces",
        "Join",
    ] {
        assert!(refused(set(header, "1")).contains(" cannot be changed: "), "{header}");
    }
    assert_eq!(refused(rule(EditAction::Remove, "v")), "Via cannot be changed: it leads messages on their way");
}

#[test]
fn a_signature_is_removed_or_stays_as_it_is() {
    for rule in [add("Identity", "x"), set("y", "x"), rewrite("identity", "shaken", "x")] {
        assert_eq!(refused(rule), "Identity cannot be changed: it is a signature, which a rule can only remove");
    }
    assert!(HeaderEdit::compile(&rule(EditAction::Remove, "Identity")).is_ok());
    assert!(HeaderEdit::compile(&RuleText { pattern: Some("shaken"), ..rule(EditAction::Remove, "y") }).is_ok());
}

#[test]
fn what_is_wrong_with_a_rule_is_said() {
    let long = "x".repeat(VALUE_MAX + 1);
    for (rule, said) in [
        (set("X Y", "1"), "\"X Y\" is not the name of a header"),
        (rule(EditAction::Set, "X-1"), "`set` needs `value`"),
        (RuleText { pattern: Some("a"), ..set("X-1", "1") }, "`set` has no `pattern`"),
        (RuleText { replace: Some("a"), ..rule(EditAction::Rewrite, "X-1") }, "`rewrite` needs `pattern`"),
        (RuleText { value: Some("a"), ..rule(EditAction::Remove, "X-1") }, "`remove` has no `value`"),
        (set("X-1", &long), "`value` has more than 512 bytes"),
        (rewrite("X-1", &long, ""), "`pattern` has more than 256 bytes"),
        (set("X-1", "a\r\nVia: b"), "`value`: it has a control character"),
        (set("X-1", "{who}"), "`value`: there is no variable {who}"),
        (set("X-1", "a}"), "`value`: a brace stands alone"),
        (rewrite("X-1", "(a)", "$2"), "`replace`: the pattern has no group 2"),
        (rewrite("X-1", "(a)", "$x"), "`replace`: a dollar sign stands alone"),
        (rewrite("X-1", "(a", "b"), "`pattern`: unclosed group"),
        (rewrite("X-1", r"\w{200}\w{200}", "b"), "`pattern`: "),
        (RuleText { on: RuleDirection::Received, ..set("X-1", "{call}") }, "`value`: {call} is known of sent"),
    ] {
        assert!(refused(rule).starts_with(said), "{said}: {}", refused(rule));
    }
}

#[test]
fn a_value_or_a_message_that_would_be_too_long_stays_as_it_was() {
    let half = "y".repeat(VALUE_MAX - 3);
    let doubles = rewrite("X-Way", ".+", "$0$0$0$0$0$0$0$0$0$0$0$0");
    let (message, outcomes) = applied(&[set("X-Way", &half), doubles], RuleDirection::Sent);
    assert_eq!(outcomes, [EditOutcome::Changed(2), EditOutcome::Refused(EditRefusal::TooLong)]);
    assert_eq!(values(&message, "X-Way"), [half.as_str()]);
    let mut full = invite();
    for _ in 0..300 {
        full.append(&HeaderName::other("X-Many"), "1");
    }
    let effects = HeaderRules::new("t", vec![HeaderEdit::compile(&add("X-1", "1")).unwrap()]).apply(
        RuleDirection::Sent,
        &mut full,
        None,
    );
    assert_eq!(effects, [Effect { place: 0, outcome: EditOutcome::Refused(EditRefusal::Full) }]);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,20}",
        "(\\$[0-9]|\\{caller\\}|\\{header:(X-Way|From|Via)\\}|[a-z<>@;,\"\r\n\t]){0,8}",
    ]
}

fn header() -> impl Strategy<Value = String> {
    let known: Vec<String> =
        ["Via", "v", "From", "To", "X-Way", "x-way", "Subject", "s", "l", "Content-Type", "Remote-Party-ID"]
            .map(str::to_owned)
            .into();
    prop_oneof![4 => prop::sample::select(known), 1 => "[A-Za-z0-9 :\r\n-]{1,20}"]
}

proptest! {
    /// Whatever is written in rules and in the message: the other headers and the body stay, and the result is a message.
    #[test]
    fn rules_change_no_protected_header_and_leave_a_message(
        rules in prop::collection::vec((0..4u8, header(), text(), text(), text()), 1..8),
        way in "[ -~]{0,60}",
    ) {
        let mut message = invite();
        message.set(&HeaderName::other("X-Way"), way);
        message.set_body("application/sdp", Bytes::from_static(b"v=0\r\n"));
        let before = Message::parse(message.to_bytes()).unwrap();
        let mut after = before.clone();
        let texts = rules.iter().map(|(action, header, value, pattern, replace)| match action {
            0 => add(header, value),
            1 => set(header, value),
            2 => RuleText { pattern: Some(pattern), ..rule(EditAction::Remove, header) },
            _ => rewrite(header, pattern, replace),
        });
        let edits = texts.filter_map(|text| HeaderEdit::compile(&text).ok()).collect();
        HeaderRules::new("trunk", edits).apply(RuleDirection::Sent, &mut after, None);
        let again = Message::parse(after.to_bytes()).unwrap();
        prop_assert_eq!(&again, &after);
        prop_assert_eq!(again.fault(), None);
        prop_assert_eq!((again.start(), again.body()), (before.start(), before.body()));
        let kept = |message: &Message| -> Vec<(String, String)> {
            let lines = message.header_lines().filter(|(name, _)| protected::why(name, EditAction::Remove).is_some());
            lines.map(|(name, value)| (name.as_str().to_owned(), value.to_owned())).collect()
        };
        prop_assert_eq!(kept(&again), kept(&before));
    }
}
