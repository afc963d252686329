use proptest::prelude::*;

use super::*;
use crate::whose_numbers::OwnNames;

fn opened(id: &str, agent: &str, name: &str) -> OpenedStatistic {
    OpenedStatistic { id: id.to_owned(), wanted: WantedStatistic::named("Agent", agent, name) }
}

fn read(values: &[(&OpenedStatistic, i64)]) -> ReadStatistics {
    let value = |value: i64| Arc::new(ReadValue { timestamp: json!(value + 1_000), value: json!(value) });
    let values = values.iter().map(|(one, number)| (one.wanted.clone(), value(*number))).collect();
    ReadStatistics { values, ..ReadStatistics::default() }
}

/// The numbers that a message tells, by subscription and statistic.
fn told(message: &Value) -> Vec<(String, String, i64)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let subscriptions = message["subscriptions"].as_array().unwrap();
    let of = |one: &Value| {
        let id = text(&one["subscriptionId"]);
        let statistics = one["statistics"].as_array().unwrap().clone();
        statistics.into_iter().map(move |it| (id.clone(), text(&it["statisticId"]), it["value"].as_i64().unwrap()))
    };
    subscriptions.iter().flat_map(of).collect()
}

#[test]
fn a_subscription_has_its_values_at_once_and_only_changes_are_told_afterwards() {
    let mut reporting = SessionReporting::default();
    let (calls, state) = (opened("1", "1001", "CallsHandled"), opened("2", "1001", "CurrentAgentState"));
    let both = vec![calls.clone(), state.clone()];
    let shown = reporting.open("s".to_owned(), both, &read(&[(&calls, 7)])).unwrap();
    let wanted = json!({"subscriptionId": "s", "statistics": [{
        "statisticId": "1", "objectId": "1001", "objectType": "Agent", "name": "CallsHandled", "timestamp": 1_007, "value": 7,
    }]});
    assert_eq!(shown, wanted);
    assert!(reporting.take(&read(&[(&calls, 7)]), false).is_empty());
    let messages = reporting.take(&read(&[(&calls, 7), (&state, 1)]), false);
    assert_eq!(told(&messages[0]), [("s".to_owned(), "2".to_owned(), 1)]);
    assert_eq!(messages.len(), 1);
    let all = reporting.take(&read(&[(&calls, 7), (&state, 1)]), true);
    assert_eq!(told(&all[0]).len(), 2, "who has begun to listen is told all");
    assert_eq!(reporting.shown("s").unwrap()["statistics"].as_array().unwrap().len(), 2);
}

#[test]
fn that_values_do_not_come_is_told_once_and_so_is_that_they_come_again() {
    let mut reporting = SessionReporting::default();
    let calls = opened("1", "1001", "CallsHandled");
    reporting.open("s".to_owned(), vec![calls.clone()], &read(&[(&calls, 7)])).unwrap();
    assert_eq!(reporting.lose().unwrap()["serviceState"], "UNAVAILABLE");
    assert_eq!(reporting.lose(), None);
    assert_eq!(reporting.shown("s").unwrap()["statistics"][0]["value"], 7, "what was read last stays");
    let messages = reporting.take(&read(&[(&calls, 8)]), false);
    assert_eq!((&messages[0]["serviceState"], told(&messages[1]).len()), (&json!("AVAILABLE"), 1));
}

#[test]
fn a_statistic_that_is_refused_later_has_no_value_but_a_reason() {
    let mut reporting = SessionReporting::default();
    let calls = opened("1", "1001", "CallsHandled");
    reporting.open("s".to_owned(), vec![calls.clone()], &read(&[(&calls, 7)])).unwrap();
    let refused = HashMap::from([(calls.wanted.clone(), "there is no agent 1001".to_owned())]);
    let refused = ReadStatistics { refused, ..ReadStatistics::default() };
    let messages = reporting.take(&refused, false);
    let shown = &messages[0]["subscriptions"][0]["statistics"][0];
    assert_eq!((&shown["message"], shown.get("value")), (&json!("there is no agent 1001"), None));
    assert!(reporting.take(&refused, false).is_empty(), "that is told once");
    assert_eq!(&reporting.shown("s").unwrap()["statistics"][0], shown);
    let again = reporting.take(&read(&[(&calls, 7)]), false);
    assert_eq!(told(&again[0]).len(), 1);
    assert!(reporting.take(&ReadStatistics::default(), false).is_empty());
    assert_eq!(reporting.shown("s").unwrap()["statistics"][0]["value"], 7, "what is not known yet stays as it was");
}

#[test]
fn what_nobody_has_answered_about_is_said_to_whom_it_concerns() {
    let (calls, state) = (opened("1", "1001", "CallsHandled"), opened("2", "1001", "CurrentAgentState"));
    let part = ReadStatistics { unread: HashSet::from([state.wanted.clone()]), ..read(&[(&calls, 8)]) };
    let mut concerned = SessionReporting::default();
    concerned.open("s".to_owned(), vec![calls.clone(), state], &read(&[(&calls, 7)])).unwrap();
    let messages = concerned.take(&part, false);
    assert_eq!((&messages[0]["serviceState"], told(&messages[1])[0].2), (&json!("UNAVAILABLE"), 8));
    let mut other = SessionReporting::default();
    other.open("s".to_owned(), vec![calls.clone()], &read(&[(&calls, 7)])).unwrap();
    assert_eq!(told(&other.take(&part, false)[0])[0].2, 8);
}

#[test]
fn a_message_that_has_not_arrived_is_followed_by_all_values() {
    let mut reporting = SessionReporting::default();
    let calls = opened("1", "1001", "CallsHandled");
    reporting.open("s".to_owned(), vec![calls.clone()], &read(&[(&calls, 7)])).unwrap();
    reporting.owe_all();
    assert_eq!(told(&reporting.take(&read(&[(&calls, 7)]), false)[0]).len(), 1);
    assert!(reporting.take(&read(&[(&calls, 7)]), false).is_empty());
}

#[test]
fn a_session_has_so_many_statistics_and_a_closed_subscription_makes_room() {
    let mut reporting = SessionReporting::default();
    let many = |count: usize| (0..count).map(|n| opened(&n.to_string(), "1", &n.to_string())).collect::<Vec<_>>();
    let none = ReadStatistics::default();
    reporting.open("a".to_owned(), many(STATISTICS_MAX - 1), &none).unwrap();
    assert_eq!(reporting.open("b".to_owned(), many(2), &none), Err(ReportingFault::Statistics));
    assert!(reporting.close("a") && !reporting.close("a") && reporting.is_empty());
    reporting.open("b".to_owned(), many(2), &none).unwrap();
    assert_eq!(reporting.ids().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn what_may_be_seen_no_longer_is_closed_and_told() {
    let mut reporting = SessionReporting::default();
    let (own, others) = (opened("1", "1001", "CallsHandled"), opened("2", "1002", "CallsHandled"));
    let known = read(&[(&own, 1), (&others, 2)]);
    reporting.open("both".to_owned(), vec![own.clone(), others.clone()], &known).unwrap();
    reporting.open("others".to_owned(), vec![others.clone()], &known).unwrap();
    let names = OwnNames { id: "1001".to_owned(), login_code: None, user: "ann".to_owned() };
    let supervisor = NumbersSight { sees_others: true, dn: None, agent: None, own: Some(&names) };
    assert_eq!(reporting.close_hidden(&supervisor), None);
    let agent = NumbersSight { sees_others: false, ..supervisor };
    let message = reporting.close_hidden(&agent).unwrap();
    assert_eq!(message["messageType"], "StatisticsChanged");
    let mut statistic = others.written();
    statistic["message"] = json!("statistics of 1002 are for supervisors");
    for (at, id) in ["both", "others"].into_iter().enumerate() {
        assert_eq!(message["subscriptions"][at], json!({"subscriptionId": id, "statistics": [statistic]}));
    }
    assert_eq!(reporting.ids().collect::<Vec<_>>(), ["both"]);
    assert!(reporting.take(&read(&[(&own, 1), (&others, 3)]), false).is_empty());
    assert_eq!(reporting.close_hidden(&agent), None, "that is told once");
}

#[test]
fn what_was_opened_before_the_record_was_read_stays_beside_it() {
    let (calls, state) = (opened("1", "1001", "CallsHandled"), opened("2", "1001", "CurrentAgentState"));
    let mut kept = SessionReporting::default();
    kept.open("a".to_owned(), vec![calls.clone()], &ReadStatistics::default()).unwrap();
    let mut reporting = SessionReporting::default();
    reporting.open("b".to_owned(), vec![state.clone()], &ReadStatistics::default()).unwrap();
    reporting.join(SessionReporting::of_kept(&kept.kept()).unwrap());
    assert_eq!(reporting.ids().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(told(&reporting.take(&read(&[(&calls, 1), (&state, 2)]), false)[0]).len(), 2);
}

#[test]
fn what_has_no_room_in_the_record_is_not_opened() {
    let mut reporting = SessionReporting::default();
    let long = |n: usize| opened(&n.to_string(), &"x".repeat(250), "CallsHandled");
    let all = (0..STATISTICS_MAX).map(long).collect();
    assert_eq!(reporting.open("a".to_owned(), all, &ReadStatistics::default()), Err(ReportingFault::Bytes));
    assert!(reporting.is_empty());
}

#[test]
fn a_body_is_read_and_what_is_wrong_with_it_is_named() {
    let body = json!({"data": {"statistics": [
        {"objectId": "1001", "objectType": "Agent", "name": "CallsHandled"},
        {"statisticId": "x", "objectId": "sales", "objectType": "Queue", "definition": {"category": "CurrentNumber"}},
    ]}});
    let read = statistics_of(&body).unwrap();
    assert_eq!((read[0].id.as_str(), read[1].id.as_str()), ("1", "x"));
    assert_eq!(read[1].written()["definition"], json!({"category": "CurrentNumber"}));
    let many: Vec<Value> = (0..=STATISTICS_MAX).map(|n| json!({"objectId": n.to_string()})).collect();
    for wrong in [
        json!({}),
        json!({"data": {"statistics": []}}),
        json!({"data": {"statistics": ["x"]}}),
        json!({"data": {"statistics": [{"objectType": "Agent", "name": "n"}]}}),
        json!({"data": {"statistics": [{"objectId": "1", "objectType": "Agent"}]}}),
        json!({"data": {"statistics": [{"objectId": 1, "objectType": "Agent", "name": "n"}]}}),
        json!({"data": {"statistics": [{"objectId": "1", "objectType": "Agent", "definition": "x"}]}}),
        json!({"data": {"statistics": many}}),
    ] {
        let refused = statistics_of(&wrong).unwrap_err();
        assert_eq!(refused.status().as_u16(), 400, "{wrong}");
    }
}

proptest! {
    /// A session that goes on elsewhere has the same open, and tells its clients all of it.
    #[test]
    fn what_is_open_outlives_a_replica(
        subscriptions in prop::collection::btree_map("[a-f0-9]{4}", prop::collection::vec("[a-z]{1,6}", 1..5), 0..5),
    ) {
        let mut before = SessionReporting::default();
        for (id, names) in &subscriptions {
            let statistics = names.iter().enumerate().map(|(n, name)| opened(&n.to_string(), "1001", name)).collect();
            before.open(id.clone(), statistics, &ReadStatistics::default()).unwrap();
        }
        let mut after = SessionReporting::default();
        after.join(SessionReporting::of_kept(&before.kept()).unwrap());
        prop_assert_eq!(&after.subscriptions, &before.subscriptions);
        let all: Vec<OpenedStatistic> = before.subscriptions.values().flatten().cloned().collect();
        let values: Vec<(&OpenedStatistic, i64)> = all.iter().map(|one| (one, 1)).collect();
        let messages = after.take(&read(&values), false);
        prop_assert_eq!(messages.first().map_or(0, |message| told(message).len()), all.len());
    }
}

#[test]
fn a_session_has_so_many_time_profiles() {
    let mut reporting = SessionReporting::default();
    let over = |hours: usize| {
        let times = format!("{}:60", hours * 3_600);
        let definition = json!({"category": "x", "intervalType": "SlidingWindow", "dynamicTimeProfile": times});
        let wanted = WantedStatistic {
            counted: CountedBy::Definition(definition.to_string()),
            ..opened("1", "1001", "x").wanted
        };
        vec![OpenedStatistic { id: "1".to_owned(), wanted }]
    };
    let none = ReadStatistics::default();
    for hours in 1..=PROFILES_MAX {
        reporting.open(hours.to_string(), over(hours), &none).unwrap();
    }
    assert_eq!(reporting.open("more".to_owned(), over(99), &none), Err(ReportingFault::Profiles));
    assert!(reporting.open("known".to_owned(), over(1), &none).is_ok());
    assert!(reporting.open("of the day".to_owned(), vec![opened("1", "1001", "CallsHandled")], &none).is_ok());
    reporting.close("2");
    assert!(reporting.open("more".to_owned(), over(99), &none).is_ok());
}
