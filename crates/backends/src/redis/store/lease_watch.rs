//! What others hold, timed by this process alone. A renewal changes a row; a row that is unchanged for its time is held by nobody.
//!
//! So no clock is compared with another. A process that begins to watch waits once for the time of a lease before it takes anything
//! from others.

use std::collections::HashMap;
use std::time::Duration;

use model::Timestamp;

/// Limit of the watched rows: all nodes, jobs, streams and entries that there may be. Beyond it all rows are watched anew, which takes
/// nothing from a running node.
const WATCHED_MAX: usize = 50_000;

/// Rows and since when they have not changed.
#[derive(Default)]
pub(in crate::redis) struct LeaseWatch(HashMap<String, Seen>);

struct Seen {
    row: String,
    since: Timestamp,
}

impl LeaseWatch {
    /// Notes the present row; returns since when it has been unchanged, as far as this process has seen.
    pub(in crate::redis) fn see(&mut self, what: String, row: &str, now: Timestamp) -> Timestamp {
        if self.0.len() >= WATCHED_MAX && !self.0.contains_key(&what) {
            self.0.clear();
        }
        let seen = self.0.entry(what).or_insert_with(|| Seen { row: row.to_owned(), since: now });
        if seen.row != row {
            *seen = Seen { row: row.to_owned(), since: now };
        }
        seen.since
    }

    /// Forgets rows that no longer exist, among those with that prefix.
    pub(in crate::redis) fn retain(&mut self, prefix: &str, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|what, _| what.strip_prefix(prefix).is_none_or(&is_there));
    }

    /// Nobody could renew for a while: all rows are watched anew.
    pub(in crate::redis) fn forget_all(&mut self) {
        self.0.clear();
    }
}

/// Whether a row unchanged since then, and valid for `time`, is held by nobody any more.
pub(in crate::redis) fn is_over(since: Timestamp, time: Duration, now: Timestamp) -> bool {
    now.since(since) >= time + infra::bounds::LEASE_MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_from_the_last_change() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let mut watched = LeaseWatch::default();
        assert_eq!(watched.see("lease:a".to_owned(), "1", at(10)), at(10));
        assert_eq!(watched.see("lease:a".to_owned(), "1", at(12)), at(10));
        assert_eq!(watched.see("lease:a".to_owned(), "2", at(13)), at(13));
        assert_eq!(watched.see("lease:b".to_owned(), "1", at(14)), at(14));
        watched.retain("lease:", |node| node == "b");
        assert_eq!(watched.see("lease:a".to_owned(), "2", at(15)), at(15), "it was gone meanwhile");
        watched.forget_all();
        assert_eq!(watched.see("lease:b".to_owned(), "1", at(16)), at(16));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut watched = LeaseWatch::default();
        for n in 0..=WATCHED_MAX {
            watched.see(n.to_string(), "", Timestamp::default());
        }
        assert!(watched.0.len() <= WATCHED_MAX);
    }
}
