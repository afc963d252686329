use contracts::v1::statistic_reading::Value as Reading;
use proptest::prelude::*;

use super::shares::{
    OF_DESKTOPS_MAX, OF_SUBJECT_MAX, OF_SUBJECTS_MAX, PROFILES_OF_DESKTOPS_MAX, PROFILES_OF_SUBJECT_MAX,
};
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn reader(subject: &str, number: u64) -> ReaderId {
    ReaderId { subject: subject.into(), number }
}

fn ann() -> ReaderId {
    reader("person/ann", 1)
}

fn ben() -> ReaderId {
    reader("person/ben", 2)
}

fn of(subject: &str) -> StatisticsOwner {
    StatisticsOwner::Subject(subject.into())
}

fn request(name: &str) -> v1::StatisticRequest {
    v1::StatisticRequest { name: name.to_owned(), object_id: "1001".to_owned(), ..Default::default() }
}

fn told(values: &[(u64, u64)]) -> v1::FollowStatisticsResponse {
    let value = |number| v1::StatisticReading { value: Some(Reading::Number(number)), ..Default::default() };
    let values = values
        .iter()
        .map(|(reference, number)| v1::StatisticTold { reference: *reference, value: Some(value(*number)) });
    v1::FollowStatisticsResponse { values: values.collect(), ..Default::default() }
}

fn opened(message: &v1::FollowStatisticsRequest) -> Vec<u64> {
    message.open.iter().map(|open| open.reference).collect()
}

#[test]
fn equal_requests_are_one_statistic_until_the_last_reader_has_left() {
    let mut tenant = TenantStatistics::new(NOW);
    let handled = tenant.follow(&request("CallsHandled"), &ann(), NOW).unwrap();
    assert_eq!(tenant.follow(&request("CallsHandled"), &ben(), NOW), Ok(handled));
    let other = tenant.follow(&request("TalkTime"), &ben(), NOW).unwrap();
    assert_ne!(other, handled);
    assert_eq!(opened(&tenant.next_message(0).unwrap()), [handled, other]);
    assert!(!tenant.has_message(0));
    let changes = tenant.told(0, told(&[(handled, 1), (other, 2), (99, 3)]), NOW);
    assert!(changes.is_back);
    assert_eq!(changes.of_readers[&ann()], [handled]);
    assert_eq!(changes.of_readers[&ben()], [handled, other]);
    tenant.forget(&ben(), NOW);
    assert_eq!(tenant.next_message(0).unwrap().close, [other]);
    tenant.unfollow(handled, &ann(), NOW);
    assert_eq!(tenant.next_message(0).unwrap().close, [handled]);
    assert_eq!(tenant.count(), 0);
}

#[test]
fn a_value_that_is_told_again_is_no_change() {
    let mut tenant = TenantStatistics::new(NOW);
    let one = tenant.follow(&request("CallsHandled"), &ann(), NOW).unwrap();
    assert_eq!(tenant.told(0, told(&[(one, 1)]), NOW).of_readers.len(), 1);
    let mut again = told(&[(one, 1)]);
    again.values[0].value.as_mut().unwrap().at_us = 9;
    assert_eq!(tenant.told(0, again, NOW), ToldChanges::default());
    assert!(matches!(tenant.known(one), Some(KnownReading::Value(reading)) if reading.at_us == 9));
    let refused = v1::StatisticRefused { reference: one, message: "gone".to_owned(), why: 3 };
    let refusal = v1::FollowStatisticsResponse { refused: vec![refused], ..Default::default() };
    assert_eq!(tenant.told(0, refusal, NOW).of_readers[&ann()], [one]);
}

#[test]
fn what_is_refused_is_opened_again_after_a_while_and_closed_only_where_it_is_open() {
    let mut tenant = TenantStatistics::new(NOW);
    let refusal = |reference| {
        let refused = v1::StatisticRefused { reference, message: "gone".to_owned(), why: 3 };
        v1::FollowStatisticsResponse { refused: vec![refused], ..Default::default() }
    };
    let one = tenant.follow(&request("CallsHandled"), &ann(), NOW).unwrap();
    tenant.next_message(0);
    assert_eq!(tenant.told(0, refusal(one), NOW).of_readers[&ann()], [one]);
    tenant.handle_timeout(NOW + REOPENED_AFTER / 2);
    assert!(!tenant.has_message(0), "not yet");
    tenant.handle_timeout(NOW + REOPENED_AFTER);
    assert_eq!(opened(&tenant.next_message(0).unwrap()), [one]);
    tenant.handle_timeout(NOW + 3 * REOPENED_AFTER);
    assert!(!tenant.has_message(0), "tenant has not answered");
    assert!(tenant.told(0, refusal(one), NOW + REOPENED_AFTER).of_readers.is_empty(), "the same again is no news");
    tenant.handle_timeout(NOW + 2 * REOPENED_AFTER);
    tenant.next_message(0);
    assert_eq!(tenant.told(0, told(&[(one, 4)]), NOW).of_readers[&ann()], [one], "it is there again");
    tenant.told(0, refusal(one), NOW + 3 * REOPENED_AFTER);
    tenant.unfollow(one, &ann(), NOW);
    assert!(!tenant.has_message(0), "it is not open at tenant");
}

#[test]
fn what_is_asked_for_alone_stays_open_for_a_minute_after_the_last_question() {
    let mut tenant = TenantStatistics::new(NOW);
    let after = |seconds| NOW + Duration::from_secs(seconds);
    let one = tenant.hold(&request("CallsHandled"), &of("person/ann"), NOW).unwrap();
    assert!(!tenant.are_settled(&[one]));
    tenant.next_message(0);
    assert_eq!(tenant.hold(&request("CallsHandled"), &of("person/ann"), after(50)), Ok(one));
    tenant.handle_timeout(after(100));
    assert!(!tenant.has_message(0));
    tenant.handle_timeout(after(110));
    assert_eq!(tenant.next_message(0).unwrap().close, [one]);
    assert!(tenant.are_settled(&[one]), "nobody waits for what is not open");
    assert!(!tenant.is_unused(after(120)) && tenant.is_unused(after(500)));
    tenant.touch(after(490));
    assert!(!tenant.is_unused(after(500)));
}

#[test]
fn everything_is_opened_again_on_a_new_stream() {
    let mut tenant = TenantStatistics::new(NOW);
    assert_eq!(tenant.is_available(), None);
    let one = tenant.follow(&request("CallsHandled"), &ann(), NOW).unwrap();
    tenant.next_message(0);
    tenant.told(0, told(&[(one, 4)]), NOW);
    assert_eq!(tenant.is_available(), Some(true));
    assert!(tenant.are_current(&[one]));
    assert!(tenant.broken(0) && !tenant.broken(0));
    assert!(tenant.known(one).is_some(), "what is known stays so");
    assert!(
        tenant.are_settled(&[one]) && !tenant.are_current(&[one]),
        "nobody waits for it, and it is not as it is now"
    );
    tenant.begun(0);
    assert_eq!(opened(&tenant.next_message(0).unwrap()), [one]);
    // A sign of life says nothing of values.
    assert!(tenant.told(0, told(&[]), NOW).is_back);
    assert!(!tenant.are_settled(&[one]) && !tenant.are_current(&[one]));
    let back = tenant.told(0, told(&[(one, 4)]), NOW);
    assert!(!back.is_back && back.of_readers.is_empty());
    assert!(tenant.are_settled(&[one]) && tenant.are_current(&[one]));
}

/// How many of so many further statistics somebody has room for.
fn taken(tenant: &mut TenantStatistics, owner: &StatisticsOwner, name: &str, count: usize) -> usize {
    (0..count).filter(|n| tenant.hold(&request(&format!("{name} {n}")), owner, NOW).is_ok()).count()
}

#[test]
fn a_stream_has_as_many_as_it_takes_and_a_message_as_many_as_it_may_have() {
    let mut tenant = TenantStatistics::new(NOW);
    assert_eq!(taken(&mut tenant, &StatisticsOwner::Desktops, "a", 2 * LANE_MAX + 1), 2 * LANE_MAX + 1);
    assert_eq!(tenant.lanes_used(), 3);
    for (place, messages_due) in [(0, LANE_MAX / AT_ONCE_MAX), (1, LANE_MAX / AT_ONCE_MAX), (2, 1), (3, 0)] {
        let mut messages = 0;
        while let Some(message) = tenant.next_message(place) {
            assert!(message.open.len() <= AT_ONCE_MAX);
            messages += 1;
        }
        assert_eq!(messages, messages_due, "{place}");
    }
    // What is closed makes room on its stream.
    tenant.handle_timeout(NOW + HELD_FOR);
    assert_eq!(tenant.count(), 0);
    tenant.follow(&request("b"), &ann(), NOW).unwrap();
    assert!(tenant.next_message(0).is_some_and(|message| message.open.len() == 1));
}

#[test]
fn nobody_takes_the_room_of_others() {
    let mut tenant = TenantStatistics::new(NOW);
    assert_eq!(taken(&mut tenant, &of("person/ann"), "ann", OF_SUBJECT_MAX + 1), OF_SUBJECT_MAX);
    // Her sessions and her questions have one share.
    assert_eq!(tenant.follow(&request("one more"), &ann(), NOW), Err(StatisticsFull::Own(OF_SUBJECT_MAX)));
    assert!(tenant.follow(&request("ann 7"), &ann(), NOW).is_ok(), "one that she has open");
    assert!(tenant.follow(&request("one more"), &ben(), NOW).is_ok());
    assert_eq!(tenant.follow(&request("one more"), &ann(), NOW), Err(StatisticsFull::Own(OF_SUBJECT_MAX)));

    let others = OF_SUBJECTS_MAX / OF_SUBJECT_MAX;
    let all: usize =
        (0..others).map(|n| taken(&mut tenant, &of(&format!("person/{n}")), &n.to_string(), OF_SUBJECT_MAX)).sum();
    assert_eq!(all, OF_SUBJECTS_MAX - OF_SUBJECT_MAX - 1, "together they have so many");
    assert_eq!(tenant.hold(&request("late"), &of("person/late"), NOW), Err(StatisticsFull::Subjects));
    assert!(tenant.hold(&request("one more"), &of("person/late"), NOW).is_ok(), "somebody has it open");
    let left = OPEN_MAX - OF_SUBJECTS_MAX;
    assert_eq!(taken(&mut tenant, &StatisticsOwner::Desktops, "desktops", left + 1), left, "desktops find room");
}

/// A statistic over so many hours of the past.
fn sliding(name: &str, hours: u32) -> v1::StatisticRequest {
    let sliding = v1::StatisticSlidingProfile { window_s: hours * 3_600, step_s: 60 };
    let kind = Some(v1::statistic_time_profile::Kind::Sliding(sliding));
    let profile = Some(v1::StatisticTimeProfile { kind });
    let definition = Some(v1::StatisticDefinition { profile, ..Default::default() });
    v1::StatisticRequest { definition, ..request(name) }
}

#[test]
fn nobody_takes_the_time_profiles_of_others() {
    let mut tenant = TenantStatistics::new(NOW);
    let taken = |tenant: &mut TenantStatistics, owner: &StatisticsOwner| {
        (1..=100).filter(|hours| tenant.hold(&sliding("a", *hours), owner, NOW).is_ok()).count()
    };
    assert_eq!(taken(&mut tenant, &of("person/ann")), PROFILES_OF_SUBJECT_MAX);
    assert_eq!(taken(&mut tenant, &of("person/ben")), PROFILES_OF_SUBJECT_MAX);
    assert_eq!(taken(&mut tenant, &StatisticsOwner::Desktops), PROFILES_OF_DESKTOPS_MAX);
    let full = Err(StatisticsFull::Profiles(PROFILES_OF_SUBJECT_MAX));
    assert_eq!(tenant.follow(&sliding("b", 99), &ann(), NOW), full);
    assert!(tenant.follow(&sliding("b", 3), &ann(), NOW).is_ok(), "of a profile that she has");
    assert!(tenant.follow(&request("of the day"), &ann(), NOW).is_ok());
    tenant.handle_timeout(NOW + HELD_FOR);
    assert_eq!(tenant.shares.profiles(), 1);
    assert!(tenant.follow(&sliding("b", 99), &ann(), NOW).is_ok());
    tenant.forget(&ann(), NOW);
    assert_eq!(tenant.shares.profiles(), 0);
}

#[test]
fn desktops_leave_room_for_people() {
    let mut tenant = TenantStatistics::new(NOW);
    assert_eq!(taken(&mut tenant, &StatisticsOwner::Desktops, "a", OPEN_MAX), OF_DESKTOPS_MAX);
    assert!(tenant.follow(&request("b"), &ann(), NOW).is_ok());
    assert_eq!(tenant.is_available(), None);
    tenant.told(0, told(&[]), NOW);
    assert_eq!(tenant.is_available(), Some(true));
    assert!(tenant.broken(7));
    assert!(!tenant.told(0, told(&[]), NOW).is_back, "those of one stream do not come");
    assert!(tenant.told(7, told(&[]), NOW).is_back);
}

#[derive(Clone, Debug)]
enum Step {
    Follow(u8, u8),
    Unfollow(u8, u8),
    Hold(u8, u8),
    Forget(u8),
    Break,
    Refuse,
    Send,
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6_u8, 0..3_u8).prop_map(|(name, reader)| Step::Follow(name, reader)),
        (0..6_u8, 0..3_u8).prop_map(|(name, reader)| Step::Unfollow(name, reader)),
        (0..6_u8, 0..3_u8).prop_map(|(name, owner)| Step::Hold(name, owner)),
        (0..3_u8).prop_map(Step::Forget),
        Just(Step::Break),
        Just(Step::Refuse),
        Just(Step::Send),
        (0..90_u8).prop_map(Step::Pass),
    ]
}

/// A session: the first two are of one person.
fn session(number: u8) -> ReaderId {
    reader(if number < 2 { "person/ann" } else { "person/ben" }, number.into())
}

fn owner(number: u8) -> StatisticsOwner {
    if number == 0 { StatisticsOwner::Desktops } else { session(number).owner() }
}

/// Of how many statistics each is an owner, counted anew, and how many people and programs have.
fn counted(tenant: &TenantStatistics) -> (HashMap<StatisticsOwner, usize>, usize) {
    let mut of: HashMap<StatisticsOwner, usize> = HashMap::new();
    let mut of_subjects = 0;
    for statistic in tenant.open.values() {
        let mut owners: BTreeSet<StatisticsOwner> = statistic.readers.iter().map(ReaderId::owner).collect();
        owners.extend(statistic.holders.keys().cloned());
        of_subjects += usize::from(owners.iter().any(|owner| *owner != StatisticsOwner::Desktops));
        for owner in owners {
            *of.entry(owner).or_default() += 1;
        }
    }
    (of, of_subjects)
}

proptest! {
    /// What tenant has open once all messages are sent is exactly what somebody has open here.
    #[test]
    fn what_is_open_at_tenant_is_what_somebody_has_open(steps in prop::collection::vec(step(), 0..60)) {
        let (mut tenant, mut now) = (TenantStatistics::new(NOW), NOW);
        let (mut at_tenant, mut refused) = (BTreeSet::new(), BTreeSet::new());
        let send = |tenant: &mut TenantStatistics, at_tenant: &mut BTreeSet<u64>, refused: &BTreeSet<u64>| {
            while let Some(message) = tenant.next_message(0) {
                for open in message.open {
                    assert!(at_tenant.insert(open.reference) && open.request.is_some());
                }
                for reference in message.close {
                    // Tenant passes over what it has refused meanwhile.
                    assert!(at_tenant.remove(&reference) || refused.contains(&reference), "it was open");
                }
            }
        };
        for step in steps {
            match step {
                Step::Follow(name, reader) => {
                    tenant.follow(&request(&name.to_string()), &session(reader), now).unwrap();
                }
                Step::Unfollow(name, reader) => {
                    let reference = tenant.by_request.get(&request(&name.to_string()).encode_to_vec()).copied();
                    tenant.unfollow(reference.unwrap_or(77_777), &session(reader), now);
                }
                Step::Hold(name, holder) => {
                    tenant.hold(&request(&name.to_string()), &owner(holder), now).unwrap();
                }
                Step::Forget(reader) => tenant.forget(&session(reader), now),
                Step::Break => {
                    tenant.broken(0);
                    at_tenant.clear();
                    tenant.begun(0);
                }
                Step::Refuse => {
                    let Some(reference) = at_tenant.pop_first() else { continue };
                    refused.insert(reference);
                    let refusal = v1::StatisticRefused { reference, ..Default::default() };
                    let told = v1::FollowStatisticsResponse { refused: vec![refusal], ..Default::default() };
                    tenant.told(0, told, now);
                }
                Step::Send => send(&mut tenant, &mut at_tenant, &refused),
                Step::Pass(seconds) => {
                    now = now + Duration::from_secs(seconds.into());
                    tenant.handle_timeout(now);
                }
            }
        }
        tenant.handle_timeout(now + REOPENED_AFTER);
        send(&mut tenant, &mut at_tenant, &refused);
        prop_assert_eq!(at_tenant, tenant.open.keys().copied().collect::<BTreeSet<u64>>());
        prop_assert_eq!(tenant.by_request.len(), tenant.open.len());
        for statistic in tenant.open.values() {
            prop_assert!(!statistic.readers.is_empty() || !statistic.holders.is_empty());
        }
        let (of, of_subjects) = counted(&tenant);
        prop_assert_eq!(tenant.shares.counts(), (&of, of_subjects));
        prop_assert_eq!(tenant.lanes[0].open, tenant.open.len());
    }
}
