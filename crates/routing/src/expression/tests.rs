use super::*;
use proptest::prelude::*;

fn levels<'a>(pairs: &'a [(&'a str, i64)]) -> impl Fn(&str) -> i64 + 'a {
    |name| pairs.iter().find(|(skill, _)| *skill == name).map_or(0, |(_, level)| *level)
}

fn fits(text: &str, pairs: &[(&str, i64)]) -> bool {
    SkillExpression::parse(text).unwrap().matches(levels(pairs))
}

#[test]
fn selects_the_agents_of_the_worked_example() {
    let x = [("Sales", 7), ("Spanish", 5)];
    let y = [("Sales", 9), ("Spanish", 2)];
    let z = [("Sales", 5), ("Spanish", 4)];
    let of = |text| [fits(text, &x), fits(text, &y), fits(text, &z)];
    assert_eq!(of("Spanish>3 & Sales>=5"), [true, false, true]);
    assert_eq!(of("Spanish>3 | Sales>8"), [true, true, true]);
    assert_eq!(of("French = 0"), [true, true, true]);
}

#[test]
fn and_binds_tighter_than_or() {
    assert!(fits("A=1 | B=1 & C=1", &[("A", 1)]));
    assert!(!fits("(A=1 | B=1) & C=1", &[("A", 1)]));
}

#[test]
fn accepts_every_spelling() {
    let agent = [("Sales", 5), ("Tier 2", 3)];
    for text in [
        "Sales == 5 && Skill(\"Tier 2\") >= 3",
        "sales_x <> 1 AND 'Tier 2' > 2 and Skill(Sales) = 5",
        "not (Sales < 5) & !(\"Tier 2\" < 3)",
        "Sales * 2 - 1 = 9 & Sales / 0 = 0 || Nothing > 1",
        "(Sales + \"Tier 2\") >= 8",
    ] {
        assert!(fits(text, &agent), "{text}");
    }
}

#[test]
fn faults_point_at_their_column() {
    for (text, column, reason) in [
        ("", 1, "a skill, a number or '(' is wanted, not the end"),
        ("Sales", 1, "a comparison is wanted, such as Sales >= 5"),
        ("Sales >= ", 10, "a skill, a number or '(' is wanted, not the end"),
        ("Sales >= 5 Spanish > 3", 12, "'&', '|' or the end is wanted, not the name Spanish"),
        ("(Sales >= 5", 12, "')' is wanted, not the end"),
        ("Sales >= 5 & 3", 12, "'&' wants a comparison on both sides, such as Sales >= 5"),
        ("Sales # 5", 7, "'#' has no meaning here"),
        ("\"Sales >= 5", 1, "this quotation mark is never closed"),
        ("Sales >= 99999999999999999999", 10, "the number is too large"),
        ("(A > 1) > 2", 9, "'>' compares levels, not conditions"),
    ] {
        let fault = SkillExpression::parse(text).unwrap_err();
        assert_eq!((fault.column, fault.reason.as_str()), (column, reason), "{text}");
    }
    let text = "Sales # 5";
    assert_eq!(SkillExpression::parse(text).unwrap_err().point_at(text), "Sales # 5\n      ^ '#' has no meaning here");
}

#[test]
fn nesting_and_length_are_bounded() {
    let deep = format!("{}A = 1{}", "(".repeat(200), ")".repeat(200));
    assert!(SkillExpression::parse(&deep).unwrap_err().reason.contains("nested deeper"));
    let nots = format!("{}(A = 1)", "!".repeat(500));
    assert!(SkillExpression::parse(&nots).unwrap_err().reason.contains("nested deeper"));
    let long = "A = 1 & ".repeat(400) + "A = 1";
    assert!(SkillExpression::parse(&long).unwrap_err().reason.contains("longer than"));
}

fn text() -> impl Strategy<Value = String> {
    let level = prop_oneof![Just("A".to_owned()), Just("\"B c\"".to_owned()), (0..10i64).prop_map(|n| n.to_string())];
    let comparison = prop_oneof![Just("="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    let leaf = (level.clone(), comparison, level).prop_map(|(l, c, r)| format!("{l} {c} {r}"));
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("{l} & {r}")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l}) | {r}")),
            inner.prop_map(|i| format!("!({i})")),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_text_parses_to_the_same_expression(text in text()) {
        let parsed = SkillExpression::parse(&text).unwrap();
        prop_assert_eq!(SkillExpression::parse(&parsed.to_string()).unwrap(), parsed);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[A-Za-z0-9 \"'()&|!<>=+*/-]{0,80}") {
        let _ = SkillExpression::parse(&text);
    }
}
