use std::ops::{Deref, DerefMut};

use model::entropy::Seeded;
use proptest::prelude::*;

use super::*;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(secs * 1_000)
}

fn ip(host: u8) -> IpAddr {
    IpAddr::from([127, 0, 27, host])
}

fn answer(index: u64, hosts: &[u8]) -> SiftedAnswer {
    SiftedAnswer { index, replicas: hosts.iter().map(|host| ip(*host)).collect(), ..SiftedAnswer::default() }
}

fn incomplete(index: u64, hosts: &[u8]) -> SiftedAnswer {
    SiftedAnswer { is_incomplete: true, ..answer(index, hosts) }
}

fn changed(hosts: &[u8]) -> TakenAnswer {
    TakenAnswer::Changed(hosts.iter().map(|host| ip(*host)).collect())
}

/// A process that follows the role, with the chance that it has.
struct ChancedFollowed {
    followed: Followed,
    entropy: Seeded,
}

impl ChancedFollowed {
    fn takes(&mut self, answer: &SiftedAnswer, now: Timestamp) -> TakenAnswer {
        self.followed.handle_answer(answer, now, &mut self.entropy)
    }
}

impl Deref for ChancedFollowed {
    type Target = Followed;

    fn deref(&self) -> &Followed {
        &self.followed
    }
}

impl DerefMut for ChancedFollowed {
    fn deref_mut(&mut self) -> &mut Followed {
        &mut self.followed
    }
}

fn of(hosts: &[u8]) -> ChancedFollowed {
    ChancedFollowed { followed: Followed::new(hosts.iter().map(|host| ip(*host)), at(0)), entropy: Seeded::new(3) }
}

#[test]
fn a_new_replica_counts_at_once_and_one_that_went_does_a_little_longer() {
    let mut followed = of(&[1]);
    assert_eq!(followed.takes(&answer(5, &[2, 1]), at(1)), changed(&[1, 2]), "in the order of the addresses");
    assert_eq!(followed.takes(&answer(6, &[2, 3]), at(2)), changed(&[1, 2, 3]));
    assert_eq!(followed.next_timeout(), Some(at(22)));
    followed.handle_timeout(at(22));
    assert_eq!(followed.ask(at(22)), None, "it is asked again, and answered at once");
    assert_eq!(followed.takes(&answer(6, &[2, 3]), at(22)), changed(&[2, 3]));
    assert_eq!(followed.next_timeout(), None);
}

#[test]
fn one_that_is_back_in_time_was_never_away() {
    let mut followed = of(&[1, 2]);
    for (second, hosts) in [(0, vec![1]), (10, vec![1]), (19, vec![1, 2]), (20, vec![1]), (39, vec![1])] {
        assert_eq!(followed.takes(&answer(9, &hosts), at(second)), TakenAnswer::Same, "{second}");
    }
    assert_eq!(followed.takes(&answer(9, &[1]), at(40)), changed(&[1]));
}

#[test]
fn an_answer_without_a_replica_changes_nothing() {
    let mut followed = of(&[1, 2]);
    assert_eq!(followed.takes(&answer(3, &[1]), at(1)), TakenAnswer::Same);
    assert_eq!(followed.takes(&answer(4, &[]), at(15)), TakenAnswer::Same);
    assert_eq!(followed.takes(&answer(4, &[1]), at(30)), TakenAnswer::Same, "it is missing anew");
    assert_eq!(followed.takes(&answer(4, &[1]), at(50)), changed(&[1]));
}

#[test]
fn the_next_question_waits_for_a_later_answer_unless_the_index_goes_backwards_or_there_is_none() {
    let mut followed = of(&[1]);
    assert_eq!(followed.ask(at(0)), None);
    followed.takes(&answer(7, &[1]), at(0));
    assert_eq!(followed.ask(at(1)), Some(7));
    followed.takes(&answer(7, &[1]), at(31));
    assert_eq!(followed.ask(at(32)), Some(7), "nothing has changed meanwhile");
    followed.takes(&answer(6, &[1]), at(33));
    assert_eq!(followed.ask(at(34)), None);
    followed.takes(&answer(6, &[1]), at(34));
    assert_eq!(followed.ask(at(35)), Some(6));
    followed.takes(&answer(0, &[1]), at(36));
    assert_eq!(followed.ask(at(37)), None);
}

#[test]
fn what_changes_is_asked_again_soon_and_a_question_that_has_waited_at_once() {
    let mut followed = of(&[1]);
    followed.ask(at(1));
    assert_eq!(followed.takes(&answer(1, &[1, 2]), at(1)), changed(&[1, 2]));
    assert!(followed.ask_at() >= at(1) + PAUSE_MIN && followed.ask_at() <= at(2));
    assert_eq!(followed.ask(at(2)), Some(1));
    followed.takes(&answer(1, &[1, 2]), at(32));
    assert_eq!(followed.ask_at(), at(32));
}

/// How often a source is asked in five minutes that answers each question in no time, by this, and the longest pause.
fn asked_in_five_minutes(mut answers: impl FnMut(u64, Option<u64>) -> SiftedAnswer) -> (u64, Duration) {
    let (mut followed, mut asked, mut longest) = (of(&[1, 2]), 0, Duration::ZERO);
    let mut now = at(0);
    while now < at(300) {
        let after = followed.ask(now);
        assert_ne!(after, Some(0), "an index of 0 is none");
        let next = answers(asked, after);
        followed.takes(&next, now);
        assert!(followed.ask_at() >= now + PAUSE_MIN, "no two questions without a pause");
        longest = longest.max(followed.ask_at().since(now));
        (asked, now) = (asked + 1, followed.ask_at());
    }
    (asked, longest)
}

#[test]
fn questions_that_come_to_nothing_at_once_grow_rare_but_not_too_rare() {
    // Agents behind one address, whose indexes go back and forth; one without any; one that counts up whatever happens.
    let agents = |turn: u64, _| answer(if turn.is_multiple_of(2) { 100 } else { 90 }, &[1, 2]);
    let without = |_: u64, _| answer(0, &[1, 2]);
    let eager = |turn: u64, _| answer(turn + 1, &[1, 2]);
    let stubborn = |_: u64, after: Option<u64>| answer(after.map_or(7, |index| index - 1), &[1, 2]);
    let contradicting = |turn: u64, _| answer(5, if turn.is_multiple_of(2) { &[1] } else { &[1, 2] });
    let counted = [
        asked_in_five_minutes(agents),
        asked_in_five_minutes(without),
        asked_in_five_minutes(eager),
        asked_in_five_minutes(stubborn),
        asked_in_five_minutes(contradicting),
    ];
    for (asked, longest) in counted {
        assert!((60..130).contains(&asked) && longest <= PAUSE_MAX, "{counted:?}");
        assert!(longest > PAUSE_MAX / 2, "{counted:?}");
    }
}

#[test]
fn a_change_ends_the_long_pauses() {
    let mut followed = of(&[1]);
    for turn in 0..9 {
        followed.ask(at(10 * turn));
        followed.takes(&answer(0, &[1]), at(10 * turn));
    }
    assert!(followed.ask_at() >= at(80) + PAUSE_MAX / 2);
    followed.ask(at(90));
    followed.takes(&answer(0, &[1, 2]), at(90));
    assert!(followed.ask_at() <= at(91));
}

#[test]
fn nobody_is_missing_in_an_answer_that_lacks_what_there_is() {
    let mut followed = of(&[1, 2]);
    assert_eq!(followed.takes(&answer(3, &[1]), at(1)), TakenAnswer::Same);
    for second in [10, 20, 30, 60] {
        assert_eq!(followed.takes(&incomplete(4, &[]), at(second)), TakenAnswer::Same);
        assert_eq!(followed.next_timeout(), None);
    }
    assert_eq!(followed.takes(&incomplete(5, &[1, 3]), at(61)), changed(&[1, 2, 3]), "whom it names is there");
    assert_eq!(followed.takes(&incomplete(5, &[3]), at(90)), TakenAnswer::Same);
    assert_eq!(followed.takes(&answer(6, &[1, 3]), at(91)), TakenAnswer::Same, "it is missing from now on");
    assert_eq!(followed.takes(&answer(6, &[1, 3]), at(111)), changed(&[1, 3]));
}

#[test]
fn what_was_missing_before_the_source_went_away_has_to_be_missing_anew() {
    let (mut followed, mut entropy) = (of(&[1, 2]), Seeded::new(3));
    followed.takes(&answer(3, &[1]), at(0));
    followed.handle_fault(at(5), &mut entropy);
    assert!(followed.ask_at() > at(5) && followed.next_timeout().is_none());
    assert_eq!(followed.ask(at(65)), None, "whoever comes back may have begun anew");
    assert_eq!(followed.takes(&answer(3, &[1]), at(65)), TakenAnswer::Same);
    assert_eq!(followed.takes(&answer(3, &[1, 2]), at(70)), TakenAnswer::Same);
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
                    if let TakenAnswer::Changed(all) = followed.takes(&answer, at(now)) {
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
