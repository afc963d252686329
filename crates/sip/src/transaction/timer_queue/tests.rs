use proptest::prelude::*;

use super::*;

#[test]
fn what_is_due_at_once_comes_in_the_next_turn() {
    let mut queue = TimerQueue::new();
    let now = Timestamp::from_millis(1_000);
    queue.arm('a', now, &mut Timestamp::MAX.clone());
    let mut served = 0;
    while let Some((_, key)) = queue.pop_due(now) {
        served += 1;
        assert!(served < 2, "the turn does not end");
        let mut armed = Timestamp::MAX;
        queue.arm(key, now - Duration::from_secs(5), &mut armed);
        assert_eq!(armed, now + NEXT_TURN);
    }
    assert_eq!((served, queue.next()), (1, Some(now + NEXT_TURN)));
}

#[test]
fn a_long_wait_among_many_short_ones_leaves_few_entries() {
    let mut queue = TimerQueue::new();
    let mut armed = Timestamp::MAX;
    let mut now = Timestamp::from_millis(1_000);
    let end = now + Duration::from_secs(86_400);
    for _ in 0..10_000 {
        queue.arm('a', now + Duration::from_millis(500), &mut armed);
        now = now + Duration::from_millis(600);
        while let Some((due, _)) = queue.pop_due(now) {
            if due == armed {
                armed = Timestamp::MAX;
                queue.arm('a', end, &mut armed);
            }
        }
        assert!(queue.row.len() + queue.heap.len() <= 200, "{} entries", queue.row.len() + queue.heap.len());
    }
}

#[test]
fn a_clock_that_was_set_back_does_not_put_timers_off() {
    let mut queue = TimerQueue::new();
    let (before, after) = (Timestamp::from_millis(9_000_000), Timestamp::from_millis(1_000));
    assert_eq!(queue.pop_due(before), None::<(Timestamp, char)>);
    assert_eq!(queue.pop_due(after), None);
    let mut armed = Timestamp::MAX;
    queue.arm('a', after + Duration::from_secs(1), &mut armed);
    assert_eq!(armed, after + Duration::from_secs(1));
}

proptest! {
    #[test]
    fn whatever_the_order_of_arming_entries_come_in_the_order_of_time(dues in prop::collection::vec(0..50_u64, 0..60)) {
        let mut queue = TimerQueue::new();
        let mut sorted: Vec<_> = dues.iter().zip(0_u64..).map(|(due, key)| (Timestamp::from_millis(*due * 1_000), key)).collect();
        for (due, key) in &sorted {
            queue.arm(*key, *due, &mut Timestamp::MAX.clone());
        }
        sorted.sort_unstable();
        prop_assert_eq!(queue.next(), sorted.first().map(|(due, _)| *due));
        let (early, late): (Vec<_>, Vec<_>) = sorted.into_iter().partition(|(due, _)| *due <= Timestamp::from_millis(25_000));
        let mut due_by = |ms| std::iter::from_fn(|| queue.pop_due(Timestamp::from_millis(ms))).collect::<Vec<_>>();
        prop_assert_eq!(due_by(25_000), early);
        prop_assert_eq!(due_by(50_000), late);
    }
}
