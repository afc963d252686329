use proptest::prelude::*;

use super::super::dead_letters::{DEAD_MAX, DeadLetters};
use super::*;

const RETRIES: Retries = Retries { attempts: 3, first_wait: Duration::from_secs(5) };

fn at(s: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + s * 1_000)
}

fn message(id: &str, lane: &str) -> WebhookMessage {
    WebhookMessage { id: id.to_owned(), lane: lane.to_owned(), body: Bytes::from_static(b"{}") }
}

fn failed() -> AttemptOutcome {
    AttemptOutcome::Failed { why: "status 500".to_owned(), again_after: None }
}

fn tried(deliveries: &mut Deliveries, now: Timestamp) -> Vec<(u64, String)> {
    std::iter::from_fn(|| deliveries.poll_attempt(now)).map(|(number, _, message)| (number, message.id)).collect()
}

#[test]
fn what_is_of_one_call_is_tried_in_its_order_and_does_not_hold_up_others() {
    let mut deliveries = Deliveries::new(RETRIES);
    for (id, lane) in [("a1", "call:a"), ("a2", "call:a"), ("b1", "call:b")] {
        deliveries.add(message(id, lane), at(0));
    }
    assert_eq!(tried(&mut deliveries, at(0)), [(1, "a1".to_owned()), (3, "b1".to_owned())]);
    assert_eq!(deliveries.ended(1, failed(), at(1)), None);
    assert_eq!(deliveries.ended(3, AttemptOutcome::Taken, at(1)), None);
    assert_eq!(tried(&mut deliveries, at(5)), [], "a2 waits for a1");
    assert_eq!(deliveries.next_timeout(), Some(at(6)));
    assert_eq!(tried(&mut deliveries, at(6)), [(1, "a1".to_owned())]);
    deliveries.ended(1, AttemptOutcome::Taken, at(6));
    assert_eq!(tried(&mut deliveries, at(6)), [(2, "a2".to_owned())]);
}

#[test]
fn waits_grow_and_the_last_failure_gives_a_message_up() {
    let mut deliveries = Deliveries::new(RETRIES);
    deliveries.add(message("a1", "call:a"), at(0));
    deliveries.add(message("a2", "call:a"), at(0));
    let mut now = at(0);
    for wait in [5, 20] {
        assert_eq!(tried(&mut deliveries, now).len(), 1);
        assert_eq!(deliveries.ended(1, failed(), now), None);
        now = now + Duration::from_secs(wait);
        assert_eq!(deliveries.next_timeout(), Some(now));
    }
    assert_eq!(tried(&mut deliveries, now).len(), 1);
    let dead = deliveries.ended(1, failed(), now).expect("it is given up");
    assert_eq!((dead.message.id.as_str(), dead.attempts, dead.why.as_str()), ("a1", 3, "status 500"));
    assert_eq!(tried(&mut deliveries, now), [(2, "a2".to_owned())], "the next of the call goes on");
    let refused = deliveries.ended(2, AttemptOutcome::Refused { why: "status 410".to_owned() }, now);
    assert_eq!(refused.map(|dead| dead.attempts), Some(1));
    assert_eq!(deliveries.next_timeout(), None);
}

#[test]
fn a_receiver_that_names_a_time_is_left_alone_until_then() {
    let mut deliveries = Deliveries::new(RETRIES);
    deliveries.add(message("a1", "call:a"), at(0));
    tried(&mut deliveries, at(0));
    let later = |s| AttemptOutcome::Failed { why: "status 429".to_owned(), again_after: Some(Duration::from_secs(s)) };
    deliveries.ended(1, later(60), at(0));
    assert_eq!(deliveries.next_timeout(), Some(at(60)));
    tried(&mut deliveries, at(60));
    deliveries.ended(1, later(1), at(60));
    assert_eq!(deliveries.next_timeout(), Some(at(80)), "not sooner than by itself");
}

#[test]
fn so_many_wait_and_no_more_are_read_and_so_many_are_tried_at_once() {
    let mut deliveries = Deliveries::new(RETRIES);
    for number in 0..WAITING_MAX {
        assert!(deliveries.has_room());
        deliveries.add(message(&format!("{number}"), &format!("call:{number}")), at(0));
    }
    assert!(!deliveries.has_room());
    assert_eq!(tried(&mut deliveries, at(0)).len(), AT_ONCE_MAX);
    assert_eq!(deliveries.next_timeout(), None);
    deliveries.ended(1, AttemptOutcome::Taken, at(0));
    assert!(deliveries.has_room() && deliveries.next_timeout() == Some(at(0)));
}

#[test]
fn dead_letters_are_bounded_and_can_be_delivered_again() {
    let mut dead = DeadLetters::default();
    let letter = |id: String| Dead { message: message(&id, "call:a"), attempts: 3, at: at(0), why: "ö".repeat(4_000) };
    for number in 0..=DEAD_MAX {
        dead.add(letter(number.to_string()));
    }
    assert_eq!((dead.iter().count(), dead.dropped()), (DEAD_MAX, 1));
    assert!(dead.iter().all(|dead| dead.why.len() <= 512));
    let restored = DeadLetters::restore(dead.snapshot("w", &[]));
    assert!(restored.iter().eq(dead.iter()) && restored.dropped() == 1);
    let taken = dead.take(&["7".to_owned()]);
    let mut deliveries = Deliveries::new(RETRIES);
    assert_eq!(deliveries.again(4, taken, at(9)), []);
    assert_eq!((deliveries.again_done(), tried(&mut deliveries, at(9))), (4, vec![(1, "7".to_owned())]));
    assert_eq!(dead.take(&[]).len(), DEAD_MAX - 1);
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    Try,
    End(u8, u8),
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u8).prop_map(Step::Add),
        Just(Step::Try),
        (any::<u8>(), 0..3_u8).prop_map(|(which, how)| Step::End(which, how)),
        (0..40_u8).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// However attempts end: of one lane none overtakes another, nothing is lost, and a restart changes nothing but that attempts under way
    /// are made again.
    #[test]
    fn each_message_is_taken_or_given_up_in_the_order_of_its_lane(steps in proptest::collection::vec(step(), 1..80)) {
        let mut deliveries = Deliveries::new(RETRIES);
        let (mut now, mut added, mut under_way) = (at(0), 0_u32, Vec::<(u64, String)>::new());
        let mut ended: HashMap<String, Vec<u32>> = HashMap::new();
        let mut steps: VecDeque<Step> = steps.into();
        loop {
            let step = steps.pop_front().unwrap_or(if under_way.is_empty() { Step::Try } else { Step::End(0, 0) });
            match step {
                Step::Add(lane) => {
                    added += 1;
                    deliveries.add(message(&added.to_string(), &format!("call:{lane}")), now);
                }
                Step::Try => {
                    let tried = tried(&mut deliveries, now);
                    if tried.is_empty() && steps.is_empty() && under_way.is_empty() {
                        let Some(due) = deliveries.next_timeout() else { break };
                        now = now.max(due);
                    }
                    under_way.extend(tried);
                }
                Step::End(which, how) if !under_way.is_empty() => {
                    let (number, id) = under_way.swap_remove(usize::from(which) % under_way.len());
                    let outcome = [AttemptOutcome::Taken, failed(), AttemptOutcome::Refused { why: "no".to_owned() }][usize::from(how)].clone();
                    let is_over = outcome != failed();
                    let lane = deliveries.waiting[&number].message.lane.clone();
                    let dead = deliveries.ended(number, outcome, now);
                    if is_over || dead.is_some() {
                        ended.entry(lane).or_default().push(id.parse().unwrap());
                    }
                }
                Step::End(..) => {}
                Step::Pass(s) => now = now + Duration::from_secs(s.into()),
            }
            let restored = Deliveries::restore(deliveries.snapshot("w"), RETRIES);
            prop_assert_eq!(restored.snapshot("w"), deliveries.snapshot("w"));
            prop_assert_eq!(restored.has_room(), deliveries.has_room());
        }
        prop_assert_eq!(ended.values().map(Vec::len).sum::<usize>(), added as usize);
        for lane in ended.values() {
            prop_assert!(lane.is_sorted(), "{:?}", lane);
        }
    }
}
