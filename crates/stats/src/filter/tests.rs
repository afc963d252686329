use super::*;

fn admits(filter: &str) -> bool {
    let user_data: UserData = [("Language", "Spanish"), ("Segment", "gold-1")].into_iter().collect();
    let facts = Facts { user_data: &user_data, call_type: Some(CallType::Inbound), this_queue: Some("9000") };
    Filter::parse(filter).unwrap().admits(&facts)
}

#[test]
fn conditions_are_joined_with_and_before_or() {
    for (filter, wanted) in [
        (r#"PairExists("Language","Spanish")"#, true),
        (r#"PairExists("language","Span*")"#, true),
        (r#"PairExists("Language","*x*")"#, false),
        (r#"~PairExists("Language","Spanish")"#, false),
        (r#"CallType="Inbound" & ThisQueue="9*""#, true),
        (r#"CallType="Internal" & ThisQueue="9000" | PairExists("Segment","gold*")"#, true),
        (r#"CallType="Internal" & (ThisQueue="9000" | PairExists("Segment","gold*"))"#, false),
    ] {
        assert_eq!(admits(filter), wanted, "{filter}");
    }
}

#[test]
fn what_is_no_filter_is_refused_with_the_place() {
    for (bad, says) in [
        ("", "a condition is missing at character 1"),
        ("PairExists(\"a\")", "a comma is missing at character 15"),
        ("MediaType=\"chat\"", "filter attribute MediaType is not implemented at character 10"),
        ("CallType=\"a\" CallType=\"b\"", "there is more than one expression at character 14"),
    ] {
        assert_eq!(Filter::parse(bad).unwrap_err(), says);
    }
    assert!(Filter::parse(&"(".repeat(4_000)).is_err());
}
