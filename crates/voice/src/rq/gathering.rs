//! The first moments after a takeover: requests that clients submit again are held until all clients had the time, then taken in the order of
//! their age. So their `EventQueued` and their places have the same order, whichever client was first.

use contracts::v1::queue_command::Command;
use model::Timestamp;

/// The most commands that are held; further ones are carried out as they come.
const HELD_MAX: usize = 16_384;

/// The commands that are held, each with who hears its outcome.
pub(super) struct Gathering<L> {
    until: Timestamp,
    held: Vec<(Command, L)>,
}

impl<L> Gathering<L> {
    /// Holds commands until then.
    pub fn until(until: Timestamp) -> Self {
        Self { until, held: Vec::new() }
    }

    /// Whether commands are still held.
    pub fn goes_on(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// Holds a command; gives it back if there is no more room.
    pub fn hold(&mut self, command: Command, listener: L) -> Option<(Command, L)> {
        if self.held.len() >= HELD_MAX {
            return Some((command, listener));
        }
        self.held.push((command, listener));
        None
    }

    /// Everything that was held: the submissions by age, then the rest as it came.
    pub fn end(mut self) -> Vec<(Command, L)> {
        self.held.sort_by_key(|(command, _)| match command {
            Command::Submit(submit) if submit.waiting_since_us > 0 => (0, submit.waiting_since_us),
            Command::Submit(_) => (1, 0),
            _ => (2, 0),
        });
        self.held
    }
}

#[cfg(test)]
mod tests {
    use contracts::v1;

    use super::*;

    #[test]
    fn submissions_are_taken_by_age_and_what_concerns_them_after_them() {
        let mut gathering = Gathering::until(Timestamp::from_millis(10));
        assert!(gathering.goes_on(Timestamp::from_millis(9)) && !gathering.goes_on(Timestamp::from_millis(10)));
        let submit = |id: &str, waiting_since_us| {
            Command::Submit(v1::Submit { request_id: id.to_owned(), waiting_since_us, ..v1::Submit::default() })
        };
        let cancel = |id: &str| Command::Cancel(v1::Cancel { request_id: id.to_owned() });
        for command in [submit("new", 0), submit("b", 2), cancel("a"), submit("c", 3), submit("a", 1), cancel("b")] {
            assert!(gathering.hold(command, ()).is_none());
        }
        let named = |command| match command {
            Command::Submit(submit) => submit.request_id,
            Command::Cancel(cancel) => format!("-{}", cancel.request_id),
            _ => String::new(),
        };
        let order: Vec<String> = gathering.end().into_iter().map(|(command, _)| named(command)).collect();
        assert_eq!(order, ["a", "b", "c", "new", "-a", "-b"]);
    }
}
