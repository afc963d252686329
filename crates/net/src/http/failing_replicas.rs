//! Which replicas of a role have failed of late: they are asked last, so that one that is dead or hangs does not cost each request its
//! time. Whoever keeps this says what has come of requests, and what time it is.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

/// How long a replica that has failed is asked last. One request tries it then, while it is asked last for as long again.
pub(super) const ASKED_LAST_FOR: Duration = Duration::from_secs(10);
/// Looks in a row that a replica has not answered before it is taken to hang: a machine that is busy may be late once.
const LOOKS_MISSED_MAX: u32 = 2;
/// The most replicas that are remembered: more than a role has. Where there are more, the one is forgotten that has failed longest ago.
const REPLICAS_MAX: usize = 64;

/// The replicas of a role that have failed of late.
#[derive(Debug, Default)]
pub(super) struct FailingReplicas(HashMap<SocketAddr, FailingReplica>);

#[derive(Debug)]
struct FailingReplica {
    last_until: Instant,
    /// Whether a request has failed there since it answered one.
    has_failed: bool,
    looks_missed: u32,
}

impl FailingReplicas {
    /// Notes that a request has failed at a replica: it is asked last for a while.
    pub fn failed(&mut self, replica: SocketAddr, now: Instant) {
        self.note(replica, now).has_failed = true;
    }

    /// Notes that a replica has not answered a look whether it is there. Returns whether it is taken to hang from now on.
    pub fn missed_look(&mut self, replica: SocketAddr, now: Instant) -> bool {
        let failing = self.note(replica, now);
        failing.looks_missed = failing.looks_missed.saturating_add(1);
        failing.looks_missed == LOOKS_MISSED_MAX
    }

    /// Notes that a replica has answered a request: it is asked in its turn again.
    pub fn answered(&mut self, replica: SocketAddr) {
        self.0.remove(&replica);
    }

    /// Notes that a replica has answered a look: it does not hang. That says nothing of requests that have failed there, which do more.
    pub fn answered_look(&mut self, replica: SocketAddr) {
        if let Some(failing) = self.0.get_mut(&replica) {
            failing.looks_missed = 0;
            if !failing.has_failed {
                self.0.remove(&replica);
            }
        }
    }

    /// Whether a replica is taken to hang.
    pub fn hangs(&self, replica: SocketAddr) -> bool {
        self.0.get(&replica).is_some_and(|failing| failing.looks_missed >= LOOKS_MISSED_MAX)
    }

    /// Whether all stand as they are.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The replicas in their order, but those last that fail. One whose time is over stands at its place: where that is the first, the
    /// request tries it, and others ask it last meanwhile.
    pub fn last(&mut self, replicas: Vec<SocketAddr>, now: Instant) -> Vec<SocketAddr> {
        let is_failing = |replica: &SocketAddr| self.0.get(replica).is_some_and(|failing| now < failing.last_until);
        let (last, mut ordered): (Vec<SocketAddr>, Vec<SocketAddr>) = replicas.into_iter().partition(is_failing);
        if let Some(tried) = ordered.first().and_then(|first| self.0.get_mut(first)) {
            tried.last_until = now + ASKED_LAST_FOR;
        }
        ordered.extend(last);
        ordered
    }

    fn note(&mut self, replica: SocketAddr, now: Instant) -> &mut FailingReplica {
        if self.0.len() >= REPLICAS_MAX && !self.0.contains_key(&replica) {
            let oldest = self.0.iter().min_by_key(|(_, failing)| failing.last_until).map(|(oldest, _)| *oldest);
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
        let until = now + ASKED_LAST_FOR;
        let failing =
            self.0.entry(replica).or_insert(FailingReplica { last_until: until, has_failed: false, looks_missed: 0 });
        failing.last_until = until;
        failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicas(count: u8) -> Vec<SocketAddr> {
        (1..=count).map(|n| SocketAddr::from(([127, 0, 27, n], 8080))).collect()
    }

    #[test]
    fn a_replica_that_has_failed_is_asked_last_until_it_answers() {
        let (mut failing, now, all) = (FailingReplicas::default(), Instant::now(), replicas(3));
        assert_eq!(failing.last(all.clone(), now), all);
        failing.failed(all[0], now);
        let later = now + ASKED_LAST_FOR - Duration::from_millis(1);
        for at in [now, later] {
            assert_eq!(failing.last(all.clone(), at), [all[1], all[2], all[0]]);
        }
        failing.answered_look(all[0]);
        assert_eq!(failing.last(all.clone(), now), [all[1], all[2], all[0]], "that it lives says nothing of requests");
        failing.answered(all[0]);
        assert_eq!(failing.last(all.clone(), now), all);
    }

    #[test]
    fn where_all_fail_they_are_asked_in_their_order() {
        let (mut failing, now, all) = (FailingReplicas::default(), Instant::now(), replicas(3));
        all.iter().rev().for_each(|replica| failing.failed(*replica, now));
        assert_eq!(failing.last(all.clone(), now), all);
    }

    #[test]
    fn once_the_time_is_over_one_request_tries_it_and_the_others_do_not() {
        let (mut failing, now, all) = (FailingReplicas::default(), Instant::now(), replicas(2));
        failing.failed(all[0], now);
        let over = now + ASKED_LAST_FOR;
        let turned = vec![all[1], all[0]];
        assert_eq!(failing.last(turned.clone(), over), turned, "whoever does not ask it first tries nothing");
        assert_eq!(failing.last(all.clone(), over), all);
        assert_eq!(failing.last(all.clone(), over), turned);
        assert_eq!(failing.last(all.clone(), over + ASKED_LAST_FOR), all, "it is tried again and again");
    }

    #[test]
    fn a_replica_hangs_once_it_has_missed_looks_in_a_row_and_no_failed_request_makes_it_so() {
        let (mut failing, now, all) = (FailingReplicas::default(), Instant::now(), replicas(2));
        for _ in 0..9 {
            failing.failed(all[0], now);
        }
        assert!(!failing.hangs(all[0]), "requests may take long");
        assert!(!failing.missed_look(all[1], now) && !failing.hangs(all[1]));
        failing.answered_look(all[1]);
        assert!(!failing.missed_look(all[1], now), "not in a row");
        assert!(failing.missed_look(all[1], now) && failing.hangs(all[1]));
        assert!(!failing.missed_look(all[1], now) && failing.hangs(all[1]), "that is news once");
        failing.answered_look(all[1]);
        assert!(!failing.hangs(all[1]));
        assert_eq!(failing.last(vec![all[1]], now), [all[1]]);
    }

    #[test]
    fn the_replicas_that_are_remembered_are_bounded() {
        let (mut failing, now) = (FailingReplicas::default(), Instant::now());
        let many: Vec<SocketAddr> =
            (0..200).map(|n| SocketAddr::from(([127, 0, 27, n], 8080))).take(REPLICAS_MAX + 9).collect();
        for (n, replica) in (0..).zip(&many) {
            failing.failed(*replica, now + Duration::from_millis(n));
        }
        assert_eq!(failing.0.len(), REPLICAS_MAX);
        let ordered = failing.last(vec![many[REPLICAS_MAX + 8], many[0]], now);
        assert_eq!(ordered, [many[0], many[REPLICAS_MAX + 8]], "the oldest failure is forgotten");
    }
}
