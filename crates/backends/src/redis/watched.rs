//! What others hold, timed by this process alone: what renews itself changes, and what has not changed for its time is held by nobody.
//!
//! So no clock is compared with another. A process that begins to look waits once for as long as a lease lasts before it takes anything
//! from anybody.

use std::collections::HashMap;
use std::time::Duration;

use model::Timestamp;

/// Rows that are watched: all nodes, jobs, streams and entries that there may be. Beyond it all are watched anew, which takes nothing
/// from anybody who lives.
const WATCHED_MAX: usize = 50_000;

/// Rows and since when they have not changed.
#[derive(Default)]
pub(super) struct Watched(HashMap<String, Seen>);

struct Seen {
    row: String,
    since: Timestamp,
}

impl Watched {
    /// Notes what stands there now; since when that has not changed, as far as this process has looked.
    pub(super) fn see(&mut self, what: String, row: &str, now: Timestamp) -> Timestamp {
        if self.0.len() >= WATCHED_MAX && !self.0.contains_key(&what) {
            self.0.clear();
        }
        let seen = self.0.entry(what).or_insert_with(|| Seen { row: row.to_owned(), since: now });
        if seen.row != row {
            *seen = Seen { row: row.to_owned(), since: now };
        }
        seen.since
    }

    /// Forgets what is not there any more, among what is called like that.
    pub(super) fn retain(&mut self, prefix: &str, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|what, _| what.strip_prefix(prefix).is_none_or(&is_there));
    }

    /// Nobody could renew for a while: all are watched anew.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }
}

/// Whether what has stood unchanged since then, and lasts so long, is held by nobody any more.
pub(super) fn is_over(since: Timestamp, time: Duration, now: Timestamp) -> bool {
    now.since(since) >= time + infra::bounds::LEASE_MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_from_the_last_change() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let mut watched = Watched::default();
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
        let mut watched = Watched::default();
        for n in 0..=WATCHED_MAX {
            watched.see(n.to_string(), "", Timestamp::default());
        }
        assert!(watched.0.len() <= WATCHED_MAX);
    }
}
