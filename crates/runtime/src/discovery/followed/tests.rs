use model::entropy::Seeded;
use proptest::prelude::*;

use super::*;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(secs * 1_000)
}

fn ip(host: u8) -> IpAddr {
    IpAddr::from([127, 0, 27, host])
}

fn answer(index: u64, hosts: &[u8]) -> RoleAnswer {
    RoleAnswer { index, replicas: hosts.iter().map(|host| ip(*host)).collect() }
}

fn changed(hosts: &[u8]) -> TakenAnswer {
    TakenAnswer::Changed(hosts.iter().map(|host| ip(*host)).collect())
}

fn of(hosts: &[u8]) -> Followed {
    Followed::new(hosts.iter().map(|host| ip(*host)), at(0))
}

#[test]
fn a_new_replica_counts_at_once_and_one_that_went_does_a_little_longer() {
    let mut followed = of(&[1]);
    assert_eq!(followed.handle_answer(&answer(5, &[2, 1]), at(1)), changed(&[1, 2]), "in the order of the addresses");
    assert_eq!(followed.handle_answer(&answer(6, &[2, 3]), at(2)), changed(&[1, 2, 3]));
    assert_eq!(followed.next_timeout(), Some(at(22)));
    followed.handle_timeout(at(22));
    assert_eq!(followed.ask(at(22)), None, "it is asked again, and answered at once");
    assert_eq!(followed.handle_answer(&answer(6, &[2, 3]), at(22)), changed(&[2, 3]));
    assert_eq!(followed.next_timeout(), None);
}

#[test]
fn one_that_is_back_in_time_was_never_away() {
    let mut followed = of(&[1, 2]);
    for (second, hosts) in [(0, vec![1]), (10, vec![1]), (19, vec![1, 2]), (20, vec![1]), (39, vec![1])] {
        assert_eq!(followed.handle_answer(&answer(9, &hosts), at(second)), TakenAnswer::Same, "{second}");
    }
    assert_eq!(followed.handle_answer(&answer(9, &[1]), at(40)), changed(&[1]));
}

#[test]
fn an_answer_without_a_replica_changes_nothing() {
    let mut followed = of(&[1, 2]);
    assert_eq!(followed.handle_answer(&answer(3, &[1]), at(1)), TakenAnswer::Same);
    assert_eq!(followed.handle_answer(&answer(4, &[]), at(15)), TakenAnswer::Same);
    assert_eq!(followed.handle_answer(&answer(4, &[1]), at(30)), TakenAnswer::Same, "it is missing anew");
    assert_eq!(followed.handle_answer(&answer(4, &[1]), at(50)), changed(&[1]));
}

#[test]
fn the_next_question_waits_for_a_later_answer_unless_the_index_goes_backwards_or_there_is_none() {
    let mut followed = of(&[1]);
    assert_eq!(followed.ask(at(0)), None);
    followed.handle_answer(&answer(7, &[1]), at(0));
    assert_eq!(followed.ask(at(1)), Some(7));
    followed.handle_answer(&answer(7, &[1]), at(31));
    assert_eq!(followed.ask(at(32)), Some(7), "nothing has changed meanwhile");
    followed.handle_answer(&answer(6, &[1]), at(33));
    assert_eq!(followed.ask(at(34)), None);
    followed.handle_answer(&answer(6, &[1]), at(34));
    assert_eq!(followed.ask(at(35)), Some(6));
    followed.handle_answer(&answer(0, &[1]), at(36));
    assert_eq!(followed.ask(at(37)), None);
}

#[test]
fn a_source_that_answers_at_once_is_not_asked_more_often_than_twice_a_second() {
    let mut followed = of(&[1]);
    followed.ask(at(1));
    followed.handle_answer(&answer(1, &[1]), at(1));
    assert_eq!(followed.ask_at(), at(1) + PAUSE_MIN);
    followed.ask(at(2));
    followed.handle_answer(&answer(2, &[1]), at(30));
    assert_eq!(followed.ask_at(), at(30), "one that has waited is asked again at once");
}

#[test]
fn what_was_missing_before_the_source_went_away_has_to_be_missing_anew() {
    let (mut followed, mut entropy) = (of(&[1, 2]), Seeded::new(3));
    followed.handle_answer(&answer(3, &[1]), at(0));
    followed.handle_fault(at(5), &mut entropy);
    assert!(followed.ask_at() > at(5) && followed.next_timeout().is_none());
    assert_eq!(followed.ask(at(65)), None, "whoever comes back may have begun anew");
    assert_eq!(followed.handle_answer(&answer(3, &[1]), at(65)), TakenAnswer::Same);
    assert_eq!(followed.handle_answer(&answer(3, &[1, 2]), at(70)), TakenAnswer::Same);
}

#[test]
fn a_role_has_so_many_replicas_whatever_comes() {
    let mut followed = of(&[]);
    let many = |from: u16| (0..400_u16).map(move |n| IpAddr::from([10, 0, ((from + n) >> 8) as u8, (from + n) as u8]));
    for turn in 0..20 {
        let answer = RoleAnswer { index: 1, replicas: many(turn * 400).collect() };
        assert!(Followed::is_cut(&answer));
        let TakenAnswer::Changed(all) = followed.handle_answer(&answer, at(turn.into())) else { panic!("all are new") };
        assert!(all.len() <= FOLLOWED_MAX, "{}", all.len());
    }
    assert!(followed.gone.len() <= FOLLOWED_MAX);
    let none = RoleAnswer { index: 1, replicas: vec![IpAddr::from([0, 0, 0, 0])] };
    assert_eq!(followed.handle_answer(&none, at(99)), TakenAnswer::Same, "that is nobody's address");
}

/// What happens to a process that follows a role.
#[derive(Clone, Debug)]
enum FollowStep {
    Answer(u64, Vec<u8>),
    Fault,
}

fn steps() -> impl Strategy<Value = FollowStep> {
    let answer = (0_u64..9, prop::collection::vec(0_u8..5, 0..4));
    prop_oneof![4 => answer.prop_map(|(index, hosts)| FollowStep::Answer(index, hosts)), 1 => Just(FollowStep::Fault)]
}

proptest! {
    #[test]
    fn nobody_is_forgotten_who_was_in_an_answer_lately_and_nobody_is_made_up(
        steps in prop::collection::vec((0_u64..30, steps()), 1..60),
    ) {
        let (mut followed, mut entropy, mut now) = (of(&[1]), Seeded::new(1), 0);
        let (mut known, mut last_seen) = (vec![ip(1)], BTreeMap::from([(ip(1), 0)]));
        for (pause, step) in steps {
            now += pause;
            followed.ask(at(now));
            match step {
                FollowStep::Fault => followed.handle_fault(at(now), &mut entropy),
                FollowStep::Answer(index, hosts) => {
                    let answer = answer(index, &hosts);
                    last_seen.extend(answer.replicas.iter().map(|address| (*address, now)));
                    let before = known.clone();
                    if let TakenAnswer::Changed(all) = followed.handle_answer(&answer, at(now)) {
                        prop_assert!(all != before && all.is_sorted() && !all.is_empty());
                        known = all;
                    }
                    prop_assert!(answer.replicas.iter().all(|address| known.contains(address)));
                    let lost = before.iter().filter(|address| !known.contains(address));
                    for address in lost {
                        prop_assert!(last_seen[address] + GONE_AFTER.as_secs() <= now);
                    }
                    prop_assert!(known.iter().all(|address| last_seen.contains_key(address)));
                }
            }
            prop_assert!(followed.ask_at() <= at(now) + Duration::from_secs(10));
        }
    }
}
