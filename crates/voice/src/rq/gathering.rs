//! The first moments after a takeover: requests that clients submit again are held until all clients had the time, then taken in the order of
//! their age. So their `EventQueued` and their places have the same order, whichever client was first.

use std::collections::VecDeque;

use contracts::v1::queue_command::Command;
use model::Timestamp;

/// The most commands that are held; another one ends the gathering.
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

    /// Until when commands are held, if there is room for them.
    pub const fn due(&self) -> Timestamp {
        self.until
    }

    /// Whether no more commands can be held: those that are held come first.
    pub fn is_full(&self) -> bool {
        self.held.len() >= HELD_MAX
    }

    /// Holds a command.
    pub fn hold(&mut self, command: Command, listener: L) {
        self.held.push((command, listener));
    }

    /// Everything that was held: first the agents that were given back, whom requests of the former owner are still reserved for; then
    /// the submissions by age; then the rest as it came.
    pub fn end(mut self) -> VecDeque<(Command, L)> {
        self.held.sort_by_key(|(command, _)| match command {
            Command::Return(_) => (0, 0),
            Command::Submit(submit) if submit.waiting_since_us > 0 => (1, submit.waiting_since_us),
            Command::Submit(_) => (2, 0),
            _ => (3, 0),
        });
        self.held.into()
    }
}

#[cfg(test)]
mod tests {
    use contracts::v1;

    use super::*;

    #[test]
    fn submissions_are_taken_by_age_and_what_concerns_them_after_them() {
        let mut gathering = Gathering::until(Timestamp::from_millis(10));
        let submit = |id: &str, waiting_since_us| {
            Command::Submit(v1::Submit { request_id: id.to_owned(), waiting_since_us, ..v1::Submit::default() })
        };
        let cancel = |id: &str| Command::Cancel(v1::Cancel { request_id: id.to_owned() });
        let back = |id: &str| Command::Return(v1::Return { request_id: id.to_owned(), ..v1::Return::default() });
        for command in
            [submit("new", 0), submit("b", 2), cancel("a"), submit("c", 3), back("a"), submit("a", 1), cancel("b")]
        {
            gathering.hold(command, ());
        }
        let named = |command| match command {
            Command::Submit(submit) => submit.request_id,
            Command::Cancel(cancel) => format!("-{}", cancel.request_id),
            Command::Return(back) => format!("+{}", back.request_id),
            _ => String::new(),
        };
        let order: Vec<String> = gathering.end().into_iter().map(|(command, _)| named(command)).collect();
        assert_eq!(order, ["+a", "a", "b", "c", "new", "-a", "-b"]);
    }
}
