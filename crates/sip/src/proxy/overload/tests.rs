use std::collections::VecDeque;

use super::*;

/// The cost of a message, unless a test says otherwise, and of one that is refused.
const WORK: Duration = Duration::from_micros(100);
const REFUSAL: Duration = Duration::from_micros(10);
/// The most messages of a turn.
const BATCH: usize = 64;
const SECOND: Duration = Duration::from_secs(1);

/// A loop in virtual time that takes what comes evenly, in batches.
struct Site {
    now: Timestamp,
    work: Duration,
    /// So many messages come at once, at `next` and then in this interval.
    burst: usize,
    interval: Duration,
    next: Timestamp,
    /// Whether a message has no time of arrival but that of its reading, as a datagram that waits in the kernel.
    is_stamped_when_read: bool,
    /// When the waiting ones came.
    waiting: VecDeque<Timestamp>,
    overload: Overload,
    begun: usize,
    longest: Duration,
}

impl Site {
    /// Messages that cost `work` each, at so many per cent of the capacity.
    fn new(work: Duration, percent: u32) -> Self {
        let (now, overload) = (Timestamp::from_millis(1_000), Overload::default());
        Self {
            now,
            work,
            burst: 1,
            interval: work * 100 / percent,
            next: now,
            is_stamped_when_read: false,
            waiting: VecDeque::new(),
            overload,
            begun: 0,
            longest: Duration::ZERO,
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.turn();
        }
    }

    fn turn(&mut self) {
        while self.next <= self.now {
            let came = if self.is_stamped_when_read { self.now } else { self.next };
            self.waiting.extend([came].repeat(self.burst));
            self.next = self.next + self.interval;
        }
        if self.waiting.is_empty() {
            self.now = self.next;
            return;
        }
        let mut turn = TurnLoad::default();
        for came in self.waiting.drain(..BATCH.min(self.waiting.len())) {
            turn.waited = turn.waited.max(self.now.since(came));
            turn.taken += 1;
            self.now = self.now + if self.overload.refuses() { REFUSAL } else { self.work };
        }
        turn.left = self.waiting.len();
        self.longest = self.longest.max(turn.waited);
        self.begun += usize::from(self.overload.observe(turn, self.now));
    }
}

#[test]
fn after_one_stall_of_the_machine_everything_is_late_and_nothing_refused() {
    for (percent, is_stamped_when_read) in [(10, false), (50, false), (80, false), (10, true), (50, true), (80, true)] {
        let mut site = Site { is_stamped_when_read, ..Site::new(WORK, percent) };
        site.run(SECOND);
        assert!(site.longest < IN_TIME);
        site.now = site.now + Duration::from_millis(500);
        site.run(5 * SECOND);
        assert_eq!(site.begun, 0, "{percent} %, {is_stamped_when_read}");
    }
}

#[test]
fn a_queue_that_stays_is_refused_when_it_has_persisted_and_until_it_is_in_time() {
    let turn = |waited| TurnLoad { waited: Duration::from_millis(waited), taken: 10, left: 1_000 };
    let at = |ms| Timestamp::from_millis(1_000 + ms);
    let mut overload = Overload::default();
    let began = (0..1_000).find(|ms| overload.observe(turn(100), at(*ms)));
    assert_eq!(began.map(Duration::from_millis), Some(PERSISTS));
    for (ms, waited, refuses) in
        [(101, 49, true), (102, 200, true), (103, 11, true), (104, 10, false), (105, 49, false)]
    {
        assert!(!overload.observe(turn(waited), at(ms)));
        assert_eq!(overload.refuses(), refuses, "{waited} ms");
    }
}

#[test]
fn a_turn_that_leaves_nothing_ends_an_overload() {
    let mut overload = Overload { refusing: true, ..Overload::default() };
    let turn = TurnLoad { waited: 2 * LATE, taken: 10, left: 0 };
    assert!(!overload.observe(turn, Timestamp::from_millis(1_000)) && !overload.refuses());
}

#[test]
fn one_turn_in_time_ends_the_wait_for_an_overload() {
    let mut overload = Overload::default();
    for ms in 0..1_000 {
        let waited = if ms % 100 == 99 { LATE - Duration::from_millis(1) } else { 2 * LATE };
        assert!(!overload.observe(TurnLoad { waited, taken: 10, left: 1_000 }, Timestamp::from_millis(ms)));
    }
}

#[test]
fn more_load_than_capacity_is_refused_before_callers_repeat_and_accepted_again_when_it_is_less() {
    for percent in [110, 150, 200, 400] {
        let mut site = Site::new(WORK, percent);
        site.run(2 * SECOND);
        assert!(site.begun > 0, "{percent} %");
        assert!(site.longest < Duration::from_millis(250), "{percent} %: {:?}", site.longest);
        (site.interval, site.begun) = (2 * WORK, 0);
        site.run(SECOND);
        assert!(!site.overload.refuses() && site.begun == 0, "{percent} %");
    }
}

#[test]
fn long_turns_are_no_stalls() {
    let mut site = Site::new(20 * WORK, 200);
    site.run(2 * SECOND);
    assert!(site.begun > 0);
}

#[test]
fn bursts_are_an_overload_if_they_are_more_than_is_worked_off_between_them() {
    for (burst, is_overload) in [(800, false), (1_200, true)] {
        let interval = Duration::from_millis(100);
        let mut site = Site { burst, interval, ..Site::new(WORK, 100) };
        site.run(2 * SECOND);
        assert_eq!(site.begun > 0, is_overload, "{burst}");
    }
}
