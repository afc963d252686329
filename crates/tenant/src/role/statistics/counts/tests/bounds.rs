//! What one client, or one message, may take of a tenant's statistics.

use contracts::provisioning::{StatisticDefinition, StatisticProfile};

use super::super::PEEKED_PARTS_MAX;
use super::super::room::PROFILES_OF_CLIENTS_MAX;
use super::intervals::sliding;
use super::*;

#[test]
fn the_parts_of_one_question_are_bounded_held_or_not() {
    let group = || named("CurrentReadyAgents", "GroupAgents", "Robots");
    let fits = PEEKED_PARTS_MAX / 4;
    for is_held in [true, false] {
        let mut site = Site::new();
        if is_held {
            site.ask(0, vec![open(1, group())], vec![]);
        }
        let asked = (0..=fits as u64).map(|reference| open(reference, group()));
        let answer = site.counts.peek(asked.collect(), at(1));
        assert_eq!((answer.values.len(), answer.refused.len()), (fits, 1));
        assert_eq!(answer.refused[0].why(), Why::Full);
        assert!(answer.refused[0].message.starts_with("statistics: "), "{}", answer.refused[0].message);
    }
}

/// A tenant whose clients have open as many different profiles as they may, each by its number as reference.
fn full_of_clients() -> Site {
    let mut site = Site::new();
    let asked = (1..=300).map(|steps| open(steps.into(), sliding(5 * steps, 5)));
    site.ask(0, asked.collect(), vec![]);
    let (values, refused) = site.told(0);
    assert_eq!((values.len(), refused.len()), (PROFILES_OF_CLIENTS_MAX, 300 - PROFILES_OF_CLIENTS_MAX));
    assert!(refused.iter().all(|(_, why)| *why == Why::Full));
    site
}

#[test]
fn different_profiles_are_bounded_and_those_that_nobody_has_open_make_room() {
    let mut site = full_of_clients();
    site.ask(1, vec![open(400, sliding(2_000, 5))], vec![7]);
    assert_eq!(site.told(1), (vec![(400, Told::Number(0))], vec![]));
    assert_eq!(site.counts.statistics(), PROFILES_OF_CLIENTS_MAX);
}

#[test]
fn what_finds_no_room_for_its_profile_ends_nothing() {
    let mut site = full_of_clients();
    // Of a profile that somebody else has open, and of the day: without them there are no fewer profiles.
    let shared = v1::StatisticRequest { object_id: "1002".to_owned(), ..sliding(10, 5) };
    site.ask(1, vec![open(500, shared), open(501, named("CallsHandled", "Agent", "1002"))], vec![]);
    site.told(1);
    site.ask(2, vec![], vec![500, 501]);
    site.ask(3, vec![open(600, sliding(2_000, 5))], vec![]);
    assert_eq!(site.told(3), (vec![], vec![(600, Why::Full)]));
    assert_eq!(site.counts.statistics(), PROFILES_OF_CLIENTS_MAX + 2);
}

#[test]
fn the_tenants_own_statistics_find_room_whatever_clients_have_open() {
    let mut site = full_of_clients();
    let own = |n: u32| StatisticDefinition {
        name: format!("Own {n}"),
        category: "TotalNumber".to_owned(),
        subject: "DNAction".to_owned(),
        objects: vec!["Agent".to_owned()],
        main: vec!["CallRingingStarted".to_owned()],
        profile: StatisticProfile::Sliding,
        window_s: Some(10 * n),
        step_s: Some(10),
        ..StatisticDefinition::default()
    };
    site.configure(whole(|objects| objects.statistic_definitions.extend((1..=130).map(own))));
    let asked = (1..=130).map(|n| open(1_000 + n, named(&format!("Own {n}"), "Agent", "1001")));
    site.ask(1, asked.collect(), vec![]);
    let (values, refused) = site.told(1);
    // Route points count over the day, which is a profile too.
    assert_eq!((values.len(), refused.len()), (127, 3));
    site.ask(2, vec![open(2_000, sliding(2_000, 5))], vec![1_001]);
    assert_eq!(site.told(2).1, [(2_000, Why::Full)], "what has a name makes no room for a client's");
    assert_eq!(site.counts.statistics(), PROFILES_OF_CLIENTS_MAX + 127);
}
