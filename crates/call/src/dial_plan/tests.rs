use model::entropy::Seeded;
use model::plan::{DayLimit, OutgoingLimit, Outside, OutsideLimits, Way};
use proptest::prelude::*;

use super::*;

/// What the plan says of a number, with the rules that led there.
fn answer(plan: &TenantPlan, caller: &Caller, dialled: &str) -> PlanAnswer {
    resolve(
        plan,
        &Question { caller, dialled, now: Timestamp::ZERO, is_forwarded: false, shows: None },
        &mut Seeded::new(1),
    )
}

fn leads_to(plan: &TenantPlan, caller: &Caller, dialled: &str) -> Destination {
    answer(plan, caller, dialled).destination
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}

fn dn(text: &str) -> Dn {
    Dn::parse(text).expect("a DN")
}

fn plan() -> TenantPlan {
    TenantPlan {
        numbers: [
            ("+15550100".to_owned(), NumberTarget::Dn(dn("9000"))),
            ("+15550103".to_owned(), NumberTarget::Service(Service::Echo)),
        ]
        .into(),
        extensions: [(
            "7101".to_owned(),
            Extension { dn: dn("7101"), no_answer_ms: 15_000, call_waiting: true, outgoing_max: None },
        )]
        .into(),
        route_points: [(
            "9000".to_owned(),
            RoutePoint { dn: dn("9000"), application: "sales".to_owned(), default_dn: None },
        )]
        .into(),
        feature_codes: [("*50".to_owned(), DialledCode { code: CodeAction::Login, ask_pin: true })].into(),
        country_prefix: Some("+1".to_owned()),
        national_prefix: Some("0".to_owned()),
        international_prefix: Some("00".to_owned()),
        ..TenantPlan::default()
    }
}

fn outside() -> Caller {
    Caller::Trunk { trunk: "carrier".to_owned(), number: "+4930123456".to_owned() }
}

#[test]
fn every_way_of_writing_a_number_leads_to_the_same_destination() {
    let point = Destination::RoutePoint { dn: dn("9000"), application: "sales".to_owned(), default_dn: None };
    for written in [
        "+15550100",
        "tel:+1-555-0100",
        "TEL:+1(555)0100;phone-context=example.com",
        "sip:+15550100@example.com;user=phone",
        "0015550100",
        "05550100",
        "9000",
    ] {
        assert_eq!(leads_to(&plan(), &outside(), written), point, "{written}");
    }
}

#[test]
fn an_extension_is_found_by_its_number() {
    let got = leads_to(&plan(), &Caller::Phone(dn("7102")), "7101");
    assert_eq!(got, Destination::Extension { dn: dn("7101"), contacts: Vec::new(), no_answer_ms: 15_000 });
}

#[test]
fn a_service_number_needs_no_application() {
    assert_eq!(leads_to(&plan(), &outside(), "+15550103"), Destination::Service(Service::Echo));
}

#[test]
fn feature_codes_are_for_phones_alone() {
    let phone = Caller::Phone(dn("7101"));
    let login = Destination::FeatureCode { code: FeatureCode::Login, ask_pin: true };
    assert_eq!(leads_to(&plan(), &phone, "*50"), login);
    assert!(matches!(leads_to(&plan(), &outside(), "*50"), Destination::Reject { status: 403, .. }));
}

#[test]
fn the_number_behind_a_code_is_where_calls_go() {
    let mut plan = plan();
    let code = |code| DialledCode { code, ask_pin: false };
    plan.feature_codes.insert("*7".to_owned(), code(CodeAction::Forward(ForwardMode::OnBusy)));
    plan.feature_codes.insert("*72".to_owned(), code(CodeAction::Forward(ForwardMode::Unconditional)));
    plan.feature_codes.insert("*73".to_owned(), code(CodeAction::ForwardOff));
    let phone = Caller::Phone(dn("7101"));
    let to = |mode, number| Destination::FeatureCode { code: FeatureCode::Forward(mode, dn(number)), ask_pin: false };
    assert_eq!(leads_to(&plan, &phone, "*727102"), to(ForwardMode::Unconditional, "7102"), "the longest code");
    assert_eq!(leads_to(&plan, &phone, "*72+4930123"), to(ForwardMode::Unconditional, "+4930123"));
    assert_eq!(leads_to(&plan, &phone, "*77102"), to(ForwardMode::OnBusy, "7102"));
    assert!(matches!(leads_to(&plan, &phone, "*72"), Destination::Reject { status: 484, .. }));
    assert!(matches!(leads_to(&plan, &phone, "*731"), Destination::Reject { status: 404, .. }), "no number behind it");
    assert!(matches!(leads_to(&plan, &outside(), "*727102"), Destination::Reject { status: 403, .. }));
}

#[test]
fn a_phone_picks_up_and_fetches_by_codes() {
    let mut plan = plan();
    plan.feature_codes.insert("*8".to_owned(), DialledCode { code: CodeAction::Pickup, ask_pin: false });
    plan.feature_codes.insert("*59".to_owned(), DialledCode { code: CodeAction::Park, ask_pin: false });
    let phone = Caller::Phone(dn("7101"));
    assert_eq!(leads_to(&plan, &phone, "*87102"), Destination::Pickup { dn: dn("7102") });
    assert_eq!(leads_to(&plan, &phone, "*5901"), Destination::Park { slot: dn("*5901") });
    for code in ["*8", "*59"] {
        assert!(matches!(leads_to(&plan, &phone, code), Destination::Reject { status: 484, .. }), "{code}");
    }
    assert!(matches!(leads_to(&plan, &outside(), "*87102"), Destination::Reject { status: 403, .. }));
}

#[test]
fn an_unknown_number_is_404() {
    for dialled in ["1234", "", "@", "tel:", &"9".repeat(DIALLED_MAX + 1)] {
        assert!(matches!(leads_to(&plan(), &outside(), dialled), Destination::Reject { status: 404, .. }), "{dialled}");
    }
}

fn trunk(name: &str, prefix: &str, caller_id: Option<&str>) -> OutsideTrunk {
    OutsideTrunk {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        contact: format!("{name}.example:5060"),
        caller_id: caller_id.map(str::to_owned),
        ..OutsideTrunk::default()
    }
}

/// The trunks by which a phone's call goes out, in order.
fn ways(plan: &TenantPlan, dialled: &str) -> Vec<Way> {
    match leads_to(plan, &Caller::Phone(dn("7101")), dialled) {
        Destination::Outside(outside) => {
            let ways: Vec<Way> = std::iter::once(outside.way).chain(outside.further).collect();
            assert!(ways.iter().all(|way| way.contact.path.is_empty()));
            ways
        }
        _ => Vec::new(),
    }
}

/// The trunk and the URI to which a phone's call goes.
fn goes_out(plan: &TenantPlan, dialled: &str) -> Option<(String, String)> {
    ways(plan, dialled).into_iter().next().map(|way| (way.trunk, way.contact.uri))
}

#[test]
fn a_number_outside_goes_to_the_trunk_with_the_longest_prefix() {
    let mut plan = plan();
    assert_eq!(goes_out(&plan, "+4930123456"), None, "without a trunk there is no way out");
    plan.trunks =
        vec![trunk("world", "+", Some("+15550100")), trunk("berlin", "+4930", None), trunk("again", "+4930", None)];
    let to = |trunk: &str, number: &str| Some((trunk.to_owned(), format!("sip:{number}@{trunk}.example:5060")));
    assert_eq!(goes_out(&plan, "004989123456"), to("world", "+4989123456"));
    assert_eq!(goes_out(&plan, "+49 30 / 12".replace('/', "-").as_str()), to("berlin", "+493012"), "the first of two");
    assert_eq!(goes_out(&plan, "05550199"), to("world", "+15550199"));
    assert_eq!(goes_out(&plan, "+15550100"), None, "the tenant's own numbers stay inside");
    assert_eq!(goes_out(&plan, "7199"), None, "it begins with no trunk's prefix");
    assert_eq!(goes_out(&plan, "+49;x"), to("world", "+49"));
    assert_eq!(goes_out(&plan, "+4930a%0d"), None, "it is no number");
    assert_eq!(goes_out(&plan, "+"), None);
}

#[test]
fn who_calls_from_outside_does_not_go_out_again() {
    let mut plan = plan();
    plan.trunks = vec![trunk("world", "+", None)];
    assert!(matches!(leads_to(&plan, &outside(), "+4930123456"), Destination::Reject { status: 403, .. }));
}

#[test]
fn a_number_that_a_trunk_has_not_written_in_full_is_refused_with_what_to_write() {
    for written in ["15550100", "5550100"] {
        let Destination::Reject { status, reason } = leads_to(&plan(), &outside(), written) else {
            panic!("{written}")
        };
        assert!(status == 404 && reason.contains("`receive`"), "{written}: {reason}");
        let by_phone = leads_to(&plan(), &Caller::Phone(dn("7101")), written);
        assert_eq!(by_phone, unknown(), "a phone has no such rules");
    }
    assert_eq!(leads_to(&plan(), &outside(), "15550199"), unknown());
}

// === trunks of one prefix ===

#[test]
fn trunks_of_one_prefix_are_tried_by_priority_and_in_the_order_of_the_file() {
    let mut plan = plan();
    let of = |name: &str, prefix: &str, priority| OutsideTrunk { priority, ..trunk(name, prefix, None) };
    plan.trunks = vec![of("last", "+", 9), of("first", "+", 1), of("second", "+", 1), of("other", "+49", 0)];
    let names = |dialled: &str| ways(&plan, dialled).into_iter().map(|way| way.trunk).collect::<Vec<_>>();
    assert_eq!(names("+15550199"), ["first", "second", "last"]);
    assert_eq!(names("+4930"), ["other"], "a shorter prefix is another group");
    plan.trunks = (0..20).map(|n| of(&format!("t{n}"), "+", n)).collect();
    assert_eq!(ways(&plan, "+1555").len(), TRUNKS_TRIED_MAX);
}

#[test]
fn among_equals_the_weight_decides_who_is_first() {
    let mut plan = plan();
    let of = |name: &str, weight| OutsideTrunk { weight, ..trunk(name, "+", None) };
    plan.trunks = vec![of("none", 0), of("small", 1), of("large", 3)];
    let caller = Caller::Phone(dn("7101"));
    let mut entropy = Seeded::new(7);
    let mut first = HashMap::<String, usize>::new();
    for _ in 0..4_000 {
        let question =
            Question { caller: &caller, dialled: "+4930", now: Timestamp::ZERO, is_forwarded: false, shows: None };
        let Destination::Outside(outside) = resolve(&plan, &question, &mut entropy).destination else { panic!("out") };
        assert_eq!(outside.further.last().map(|way| way.trunk.as_str()), Some("none"));
        *first.entry(outside.way.trunk).or_default() += 1;
    }
    assert!((2_850..3_150).contains(&first["large"]) && first["small"] + first["large"] == 4_000, "{first:?}");
}

// === rules ===

/// A plan with a rule of each kind, and two trunks.
fn ruled() -> TenantPlan {
    let mut plan = plan();
    plan.trunks = vec![trunk("world", "+", Some("+15550100")), trunk("berlin", "+4930", None)];
    plan.rules = DialRules {
        emergency: vec![
            EmergencyNumber { name: "police".to_owned(), pattern: pattern("11[02]"), trunk: Some("berlin".to_owned()) },
            EmergencyNumber { name: "all".to_owned(), pattern: pattern("911"), trunk: None },
        ],
        translations: vec![
            Translation { name: "line".to_owned(), pattern: pattern("9."), remove: 1, add: String::new() },
            Translation { name: "shop".to_owned(), pattern: pattern("88"), remove: 2, add: "+4930123".to_owned() },
        ],
        blocked: vec![
            Blocked { name: "premium".to_owned(), pattern: pattern("+1900."), reason: "premium numbers".to_owned() },
            Blocked { name: "everything".to_owned(), pattern: pattern("+11[02]."), reason: "never".to_owned() },
        ],
        caller_ids: vec![
            CallerIdRule {
                name: "berlin alone".to_owned(),
                pattern: pattern("+49."),
                trunk: Some("berlin".to_owned()),
                shows: "+4930777".to_owned(),
            },
            CallerIdRule {
                name: "abroad".to_owned(),
                pattern: pattern("+4."),
                trunk: None,
                shows: "+15550177".to_owned(),
            },
        ],
        ..DialRules::default()
    };
    plan
}

#[test]
fn a_typed_number_is_translated_unless_it_is_one_of_ours() {
    let mut plan = ruled();
    let to = |trunk: &str, number: &str| Some((trunk.to_owned(), format!("sip:{number}@{trunk}.example:5060")));
    assert_eq!(goes_out(&plan, "9 00 15550199"), to("world", "+15550199"));
    assert_eq!(goes_out(&plan, "88"), to("berlin", "+4930123"));
    assert_eq!(answer(&plan, &Caller::Phone(dn("7101")), "88").notes[0], "translated by the rule shop");
    assert!(matches!(leads_to(&plan, &outside(), "9000"), Destination::RoutePoint { .. }), "it is ours");
    assert!(matches!(leads_to(&plan, &outside(), "97101"), Destination::Extension { .. }));
    plan.rules.translations[0].remove = 9;
    assert_eq!(goes_out(&plan, "9"), None, "nothing is left of it");
}

#[test]
fn a_blocked_number_is_refused_with_its_reason() {
    let plan = ruled();
    let caller = Caller::Phone(dn("7101"));
    for written in ["+1900555", "0019005", "0900555", "9+1900"] {
        let answer = answer(&plan, &caller, written);
        let reason = "premium numbers".to_owned();
        assert_eq!(answer.destination, Destination::Reject { status: 403, reason }, "{written}");
        assert_eq!(answer.notes.last().map(String::as_str), Some("blocked by the rule premium"));
    }
}

#[test]
fn which_number_is_shown_depends_on_the_number_and_the_trunk() {
    let mut plan = ruled();
    let shown = |plan: &TenantPlan, dialled: &str| ways(plan, dialled)[0].caller_id.clone();
    assert_eq!(shown(&plan, "+4930123").as_deref(), Some("+4930777"));
    assert_eq!(shown(&plan, "+4989123").as_deref(), Some("+15550177"), "the first rule is about another trunk");
    assert_eq!(shown(&plan, "+331234").as_deref(), Some("+15550100"), "no rule: the trunk's");
    plan.rules.caller_ids.clear();
    assert_eq!(shown(&plan, "+4930123"), None);
}

#[test]
fn whoever_calls_has_a_number_of_the_tenant_shown_where_neither_trunk_nor_rule_shows_another_one() {
    let mut plan = ruled();
    plan.trunks.push(trunk("other", "+4930", Some("+15550188")));
    plan.rules.caller_ids[0].pattern = pattern("+49301.");
    plan.rules.caller_ids[1].pattern = pattern("+4989.");
    let caller = Caller::Phone(dn("7101"));
    let asked = |dialled: &str, shows: &str| {
        let question =
            Question { caller: &caller, dialled, now: Timestamp::ZERO, is_forwarded: false, shows: Some(shows) };
        resolve(&plan, &question, &mut Seeded::new(1)).destination
    };
    for (dialled, shows, shown) in [
        ("+4930999", "+15550103", vec!["+15550103", "+15550188"]),
        ("+4930999", "05550103", vec!["+15550103", "+15550188"]),
        ("+4930999", "+4930777", vec!["+4930777", "+15550188"]),
        ("+4930999", "+15550188", vec!["+15550188", "+15550188"]),
        ("+4930123", "+15550103", vec!["+4930777", "+15550188"]),
        ("+331234", "+15550103", vec!["+15550100"]),
        ("+4989123", "+15550103", vec!["+15550177"]),
        ("+4989123", "+15550100", vec!["+15550100"]),
    ] {
        let Destination::Outside(outside) = asked(dialled, shows) else { panic!("{shows}: it does not go out") };
        let ways = std::iter::once(&outside.way).chain(&outside.further);
        let told: Vec<&str> = ways.filter_map(|way| way.caller_id.as_deref()).collect();
        assert_eq!(told, shown, "{dialled}, {shows}");
    }
    for strange in ["+4915112345678", "7101", "911", ""] {
        let refused = Destination::Reject { status: 403, reason: NOT_SHOWN.to_owned() };
        assert_eq!(asked("+4989123", strange), refused, "{strange}");
    }
    assert!(matches!(asked("9000", "+4915112345678"), Destination::RoutePoint { .. }), "nothing is shown inside");
    let Destination::Outside(help) = asked("110", "+15550103") else { panic!("help is called") };
    assert_ne!(help.way.caller_id.as_deref(), Some("+15550103"), "who calls for help is found by its own number");
}

#[test]
fn an_emergency_number_tries_its_trunk_and_then_every_other() {
    let plan = ruled();
    let names = |dialled: &str| ways(&plan, dialled).into_iter().map(|way| way.trunk).collect::<Vec<_>>();
    assert_eq!(names("110"), ["berlin", "world"]);
    assert_eq!(names("1-1-2"), ["berlin", "world"]);
    assert_eq!(names("911"), ["world", "berlin"], "it is not read as a line and 11");
    assert_eq!(ways(&plan, "112")[1].contact.uri, "sip:112@world.example:5060", "it is sent as it was typed");
    assert!(matches!(leads_to(&plan, &outside(), "112"), Destination::Reject { status: 404, .. }));
    let mut plan = ruled();
    plan.rules.translations.push(Translation {
        name: "0".to_owned(),
        pattern: pattern("0112"),
        remove: 1,
        add: String::new(),
    });
    assert_eq!(
        ways(&plan, "0112").into_iter().map(|way| way.trunk).collect::<Vec<_>>(),
        ["berlin", "world"],
        "translated"
    );
}

#[test]
fn who_calls_the_emergency_service_itself_calls_its_number() {
    let called = |patterns: &str| {
        let mut plan = ruled();
        let rule = |text: &str| EmergencyNumber { name: text.to_owned(), pattern: pattern(text), trunk: None };
        plan.rules.emergency = patterns.split(' ').map(rule).collect();
        let way = ways(&plan, EMERGENCY_SERVICE).into_iter().next()?;
        way.is_emergency.then(|| way.contact.uri.split('@').next().unwrap_or_default().to_owned())
    };
    for (patterns, number) in [
        ("11[02]", "sip:112"),
        ("110 112", "sip:112"),
        ("15 17 18", "sip:15"),
        ("+4911[02].", "sip:+49110"),
        ("911 112", "sip:112"),
    ] {
        assert_eq!(called(patterns).as_deref(), Some(number), "{patterns}");
    }
    let mut plan = ruled();
    assert!(matches!(leads_to(&plan, &outside(), EMERGENCY_SERVICE), Destination::Reject { .. }), "a trunk's call");
    plan.rules.emergency.clear();
    let phone = Caller::Phone(dn("7101"));
    assert!(matches!(leads_to(&plan, &phone, EMERGENCY_SERVICE), Destination::Reject { status: 404, .. }));
}

#[test]
fn an_emergency_call_shows_the_number_of_a_rule() {
    let mut plan = ruled();
    let (name, shows) = ("all".to_owned(), "+4930777".to_owned());
    plan.rules.caller_ids.push(CallerIdRule { name, pattern: pattern("1."), trunk: None, shows });
    assert_eq!(ways(&plan, "112")[0].caller_id.as_deref(), Some("+4930777"));
}

#[test]
fn no_spelling_of_a_blocked_number_goes_out() {
    let mut plan = ruled();
    plan.trunks = vec![trunk("all", "", None)];
    (plan.national_prefix, plan.country_prefix) = (Some("0".to_owned()), Some("+49".to_owned()));
    plan.rules.blocked =
        vec![Blocked { name: "premium".to_owned(), pattern: pattern("+49900."), reason: "premium".to_owned() }];
    for blocked in
        ["0900123", "+49900123", "0900123#", "+490900123", "+49900*123", "0900#123*", "+4900900123", "+49000900123"]
    {
        let answer = leads_to(&plan, &Caller::Phone(dn("7101")), blocked);
        assert!(matches!(answer, Destination::Reject { status: 403, .. }), "{blocked}: {answer:?}");
    }
    for no_number in ["49+900123", "0900+123", "++49900123"] {
        let answer = leads_to(&plan, &Caller::Phone(dn("7101")), no_number);
        assert!(matches!(answer, Destination::Reject { status: 404, .. }), "{no_number}: {answer:?}");
    }
    assert_eq!(ways(&plan, "*21#").len(), 1, "a code of the carrier");
}

/// Everything that may stand in the way of a number.
fn obstacles() -> impl Strategy<Value = TenantPlan> {
    let patterns = proptest::sample::select(vec!["1.", "x.", "+.", "112", "11[0-9]", "[0-9]xx", "*."]);
    (proptest::collection::vec(patterns, 1..6), any::<bool>(), any::<bool>(), 0_usize..5).prop_map(
        |(patterns, is_prefixed, is_own, remove)| {
            let mut plan = ruled();
            plan.country_prefix = is_prefixed.then(|| "+1".to_owned());
            plan.national_prefix = is_prefixed.then(|| "1".to_owned());
            let (name, reason) = ("r".to_owned(), "no".to_owned());
            for text in patterns {
                let (pattern, name) = (pattern(text), name.clone());
                plan.rules.blocked.push(Blocked {
                    name: name.clone(),
                    pattern: pattern.clone(),
                    reason: reason.clone(),
                });
                let rule =
                    Translation { name: name.clone(), pattern: pattern.clone(), remove, add: "+1900".to_owned() };
                plan.rules.translations.insert(0, rule);
                let shows = "+1".to_owned();
                plan.rules.caller_ids.insert(0, CallerIdRule { name, pattern, trunk: None, shows });
            }
            if is_own {
                plan.extensions.insert(
                    "112".to_owned(),
                    Extension { dn: dn("112"), no_answer_ms: 1, call_waiting: true, outgoing_max: None },
                );
            }
            plan
        },
    )
}

proptest! {
    #[test]
    fn nothing_of_the_plan_stops_an_emergency_call(plan in obstacles(), now in any::<u32>()) {
        let caller = Caller::Phone(dn("7101"));
        let question = Question { caller: &caller, dialled: "112", now: Timestamp::from_millis(now.into()), is_forwarded: false, shows: None };
        let answer = resolve(&plan, &question, &mut Seeded::new(now.into()));
        let Destination::Outside(outside) = answer.destination else { panic!("it does not go out") };
        prop_assert_eq!(outside.number.as_str(), "112");
        prop_assert_eq!(outside.way.trunk, "berlin");
        prop_assert_eq!(outside.further.len(), 1);
    }

    #[test]
    fn a_number_that_goes_out_is_not_blocked_and_none_of_ours(digits in "[0-9+*]{1,12}", plan in obstacles()) {
        let caller = Caller::Phone(dn("7101"));
        if let Destination::Outside(outside) = leads_to(&plan, &caller, &digits) {
            let number = outside.number.as_str();
            let is_emergency = plan.rules.emergency(&digits).is_some();
            prop_assert!(is_emergency || plan.rules.blocked(number).is_none(), "{}", number);
            prop_assert!(is_emergency || !plan.extensions.contains_key(number));
        }
    }
}

// === business hours ===

#[test]
fn a_closed_number_leads_elsewhere() {
    let mut plan = plan();
    let schedule = OpeningHours::parse(None, &["Thu 08:00-18:00"], &["1970-01-08 closed"]).expect("a schedule");
    plan.numbers
        .insert("8000".to_owned(), NumberTarget::Service(Service::Announcement { prompts: vec!["closed".to_owned()] }));
    plan.hours
        .insert("+15550100".to_owned(), BusinessHours { name: "office".to_owned(), schedule, closed: dn("8000") });
    let at = |hours: u64, dialled: &str| {
        let question = Question {
            caller: &outside(),
            dialled,
            now: Timestamp::from_millis(hours * 3_600_000),
            is_forwarded: false,
            shows: None,
        };
        resolve(&plan, &question, &mut Seeded::new(1))
    };
    // 1970 began on a Thursday.
    assert!(matches!(at(9, "+15550100").destination, Destination::RoutePoint { .. }));
    for (hours, why) in [(7, "early"), (19, "late"), (24 + 9, "a Friday"), (7 * 24 + 9, "an exception")] {
        let answer = at(hours, "05550100");
        assert!(matches!(answer.destination, Destination::Service(Service::Announcement { .. })), "{why}");
        assert_eq!(answer.notes, ["closed by the schedule office"]);
    }
    assert!(matches!(at(7, "9000").destination, Destination::RoutePoint { .. }), "the route point itself is open");
}

#[test]
fn no_call_is_forwarded_to_an_emergency_number_or_a_code() {
    let mut plan = ruled();
    plan.feature_codes.insert("*73".to_owned(), DialledCode { code: CodeAction::ForwardOff, ask_pin: false });
    for dialled in ["112", "*73", "*50"] {
        let caller = Caller::Phone(dn("7101"));
        let question = Question { caller: &caller, dialled, now: Timestamp::ZERO, is_forwarded: true, shows: None };
        let answer = resolve(&plan, &question, &mut Seeded::new(1));
        assert!(matches!(answer.destination, Destination::Reject { status: 403, .. }), "{dialled}");
    }
}

#[test]
fn a_call_outside_counts_at_the_limit_of_its_phone_unless_it_is_an_emergency() {
    let mut plan = plan();
    plan.trunks = vec![trunk("main", "+", None)];
    plan.rules.emergency = vec![EmergencyNumber { name: "help".to_owned(), pattern: pattern("112"), trunk: None }];
    let own = plan.extensions.get("7101").expect("a phone").clone();
    plan.extensions.insert("7101".to_owned(), Extension { outgoing_max: Some(2), ..own });
    let way = |number: &str| match leads_to(&plan, &Caller::Phone(dn("7101")), number) {
        Destination::Outside(outside) => outside.way,
        other => panic!("{other:?}"),
    };
    let limited = way("+4930123");
    assert_eq!(limited.limits.at_once, Some(OutgoingLimit { phone: dn("7101"), most: 2 }));
    assert!(!limited.is_emergency);
    let emergency = way("112");
    assert!(emergency.is_emergency && emergency.limits == OutsideLimits::default());
}

#[test]
fn a_limit_for_agents_is_about_whoever_is_at_the_phone_that_calls() {
    let mut plan = plan();
    plan.trunks = vec![trunk("main", "+", None)];
    let rule = |per| Spending { name: "day".to_owned(), pattern: pattern("+."), per, calls: Some(3), minutes: None };
    for (per, phone, per_agent) in [
        (SpentBy::Agent, Some(dn("7101")), true),
        (SpentBy::Phone, Some(dn("7101")), false),
        (SpentBy::Tenant, None, false),
    ] {
        plan.rules.spending = vec![rule(per)];
        let Destination::Outside(outside) = leads_to(&plan, &Caller::Phone(dn("7101")), "+4930123") else {
            panic!("it is outside")
        };
        let found: Vec<_> =
            outside.way.limits.a_day.iter().map(|one| (&one.phone, one.per_agent, &one.agent)).collect();
        assert_eq!(found, [(&phone, per_agent, &None)], "{per:?}");
    }
}

#[test]
fn a_call_outside_counts_for_every_rule_about_what_is_spent_in_a_day() {
    let mut plan = plan();
    plan.trunks = vec![trunk("main", "+", None)];
    plan.country_prefix = Some("+49".to_owned());
    plan.national_prefix = Some("0".to_owned());
    plan.rules.emergency = vec![EmergencyNumber { name: "help".to_owned(), pattern: pattern("112"), trunk: None }];
    let spending = |name: &str, numbers: &str, per, calls| Spending {
        name: name.to_owned(),
        pattern: pattern(numbers),
        per,
        calls: Some(calls),
        minutes: None,
    };
    let (by_phone, of_all) = (SpentBy::Phone, SpentBy::Tenant);
    plan.rules.spending = vec![spending("premium", "+49900.", by_phone, 3), spending("all", "+.", of_all, 500)];
    let counted = |number: &str| match leads_to(&plan, &Caller::Phone(dn("7101")), number) {
        Destination::Outside(outside) => outside.way.limits.a_day,
        other => panic!("{other:?}"),
    };
    let day_ends = plan.days.end(Timestamp::ZERO);
    let limit = |rule: &str, phone: Option<Dn>, calls| DayLimit {
        rule: rule.to_owned(),
        phone,
        per_agent: false,
        agent: None,
        calls: Some(calls),
        minutes: None,
        day_ends,
    };
    let (premium, all) = (limit("premium", Some(dn("7101")), 3), limit("all", None, 500));
    assert_eq!(counted("+49301234"), std::slice::from_ref(&all));
    // Carriers read all of these as the same number.
    for number in ["+499001234", "+490900123", "+4900900123", "+49*9001234", "09001234"] {
        assert_eq!(counted(number), [premium.clone(), all.clone()], "{number}");
    }
    assert_eq!(counted("112"), []);
    // Without its `+` this would be another number.
    for number in ["+0900123", "+0049900123"] {
        assert!(matches!(leads_to(&plan, &Caller::Phone(dn("7101")), number), Destination::Reject { .. }), "{number}");
    }
    plan.trunks = vec![trunk("main", "+", None), trunk("second", "+", None)];
    let counts: Vec<bool> = ways(&plan, "+49301234").into_iter().map(|way| way.limits.counts).collect();
    assert_eq!(counts, [true, false], "all trunks that a call tries are one call");
}

#[test]
fn who_calls_from_outside_reaches_no_emergency_number_by_a_route_point() {
    let mut plan = ruled();
    plan.rules.emergency[1].pattern = pattern("911.");
    assert!(matches!(leads_to(&plan, &Caller::Phone(dn("7101")), "911"), Destination::Outside(_)));
    assert!(matches!(leads_to(&plan, &Caller::Phone(dn("9000")), "911"), Destination::Reject { .. }));
}

/// The names of the trunks by which a phone's call goes out at an hour of 1970, which began on a Thursday.
fn trunks_at(plan: &TenantPlan, hours: u64, dialled: &str) -> Vec<String> {
    let caller = Caller::Phone(dn("7101"));
    let now = Timestamp::from_millis(hours * 3_600_000);
    let question = Question { caller: &caller, dialled, now, is_forwarded: false, shows: None };
    match resolve(plan, &question, &mut Seeded::new(1)).destination {
        Destination::Outside(Outside { way, further, .. }) => {
            std::iter::once(way).chain(further).map(|way| way.trunk).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn routes_go_before_prefixes_the_cheapest_first_and_in_their_hours() {
    let mut plan = plan();
    plan.trunks = vec![trunk("world", "+", None), trunk("austria", "+", None), trunk("night", "+", None)];
    let nights = OpeningHours::parse(None, &["Mon-Sun 20:00-06:00"], &[]).expect("a schedule");
    let route = |name: &str, numbers: &str, trunk: &str, cost, hours| Route {
        name: name.to_owned(),
        pattern: pattern(numbers),
        trunk: trunk.to_owned(),
        cost,
        hours,
    };
    plan.rules.routes = vec![
        route("a", "+43.", "world", 9, None),
        route("b", "+431.", "world", 1, None),
        route("c", "+43.", "austria", 5, None),
        route("d", "+43.", "night", 2, Some(nights)),
        route("e", "+43.", "gone", 0, None),
    ];
    assert_eq!(trunks_at(&plan, 12, "+43222"), ["austria", "world"]);
    assert_eq!(trunks_at(&plan, 22, "+43222"), ["night", "austria", "world"]);
    assert_eq!(trunks_at(&plan, 12, "+49222"), ["world", "austria", "night"], "no rule is about it");
    // Of several rules with one trunk the first of the file counts.
    assert_eq!(trunks_at(&plan, 12, "+431222"), ["austria", "world"]);
    let answer = answer(&plan, &Caller::Phone(dn("7101")), "+43222");
    assert_eq!(answer.notes[0], "by the trunk world at the cost 9 by the rule a");
}

#[test]
fn a_trunk_gets_numbers_as_it_writes_them_and_its_own_are_understood() {
    let mut plan = ruled();
    let of_trunk = |trunk: Option<&str>, numbers: &str, remove, add: &str| OfTrunk {
        trunk: trunk.map(str::to_owned),
        translation: Translation { name: "r".to_owned(), pattern: pattern(numbers), remove, add: add.to_owned() },
    };
    plan.rules.sent = vec![of_trunk(Some("world"), "+49.", 3, "0"), of_trunk(None, "+.", 1, "00")];
    plan.rules.received = vec![of_trunk(Some("world"), "0.", 1, "+1555")];
    let sent = |number: &str| ways(&plan, number).into_iter().map(|way| way.contact.uri).collect::<Vec<_>>();
    assert_eq!(sent("+4989123"), ["sip:089123@world.example:5060"]);
    assert_eq!(sent("+4930123"), ["sip:004930123@berlin.example:5060"]);
    let Destination::Outside(outside) = leads_to(&plan, &Caller::Phone(dn("7101")), "+4989123") else { panic!() };
    assert_eq!(outside.number, dn("+4989123"), "events have the number in full");
    let emergency = ways(&plan, "110").into_iter().map(|way| way.contact.uri).collect::<Vec<_>>();
    assert_eq!(emergency[0], "sip:110@berlin.example:5060");
    let by = |trunk: &str| Caller::Trunk { trunk: trunk.to_owned(), number: "1".to_owned() };
    assert!(matches!(leads_to(&plan, &by("world"), "00100"), Destination::RoutePoint { .. }), "+15550100");
    assert!(matches!(leads_to(&plan, &by("berlin"), "00100"), Destination::Reject { .. }));
}

#[test]
fn a_trunk_group_has_its_own_order_and_goes_before_trunks_of_its_prefix() {
    let mut plan = plan();
    plan.trunks = vec![
        OutsideTrunk { priority: 1, ..trunk("main", "+", None) },
        trunk("second", "+", None),
        trunk("paris", "+331", None),
    ];
    let member = |trunk: &str, order, weight| TrunkOfGroup { trunk: trunk.to_owned(), order, weight };
    let group = |name: &str, prefix: &str, members: Vec<TrunkOfGroup>| TrunkGroup {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        members,
    };
    plan.trunk_groups = vec![
        group("world", "+", vec![member("main", 0, 1), member("gone", 0, 1), member("paris", 1, 0)]),
        group("france", "+33", vec![member("second", 2, 1), member("paris", 1, 1)]),
    ];
    assert_eq!(trunks_at(&plan, 12, "+49222"), ["main", "paris"], "the trunk second is in no group that is meant");
    assert_eq!(trunks_at(&plan, 12, "+33222"), ["paris", "second"]);
    assert_eq!(trunks_at(&plan, 12, "+33122"), ["paris"], "a longer prefix of a trunk");
    plan.trunk_groups.truncate(0);
    assert_eq!(trunks_at(&plan, 12, "+49222"), ["second", "main"]);
}

#[test]
fn the_calls_of_a_trunk_group_are_shared_by_its_weights() {
    let mut plan = plan();
    plan.trunks = vec![trunk("main", "+", None), trunk("second", "+", None)];
    let member = |trunk: &str, weight| TrunkOfGroup { trunk: trunk.to_owned(), order: 0, weight };
    let members = vec![member("main", 3), member("second", 1)];
    plan.trunk_groups = vec![TrunkGroup { name: "world".to_owned(), prefix: "+".to_owned(), members }];
    let caller = Caller::Phone(dn("7101"));
    let question =
        Question { caller: &caller, dialled: "+49222", now: Timestamp::ZERO, is_forwarded: false, shows: None };
    let mut entropy = Seeded::new(7);
    let first = |entropy: &mut Seeded| match resolve(&plan, &question, entropy).destination {
        Destination::Outside(outside) => outside.way.trunk,
        other => panic!("{other:?}"),
    };
    let of_main = (0..1_000).filter(|_| first(&mut entropy) == "main").count();
    assert!((680..820).contains(&of_main), "{of_main}");
}
