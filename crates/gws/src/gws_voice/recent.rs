//! The recent messages of a tenant's DNs, for readers that go on after a position, also one of another replica. Of each DN it is known
//! which message was the last that is not here any more: whoever has had that one has missed nothing, however long ago it was.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use infra::Position;

/// The most messages of a tenant that are kept: with two thousand busy desktops those of about a quarter of a minute, with a hundred those
/// of some minutes. Who comes back later gets pictures.
const MESSAGES_MAX: usize = 20_000;
/// The most bytes of them: a few hundred with the most user data of a call.
const BYTES_MAX: usize = 16 << 20;
/// The most bytes of all tenants' messages together; while there are more, tenants with more than an equal part keep less.
const BYTES_OF_ALL_MAX: usize = 512 << 20;
/// What one costs beside its texts.
const MESSAGE_BYTES: usize = 64;
/// The most DNs of a tenant whose last message is known; when there are more, it is of none of them.
const DNS_MAX: usize = infra::bounds::RECORDS_MAX;

/// A message by its position, and how many of its DN have had that position until then, it among them.
pub(super) type ToldPlace = (Position, u32);

/// How far a reader has come with the messages of a DN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ReadClaim {
    /// It has all up to this position.
    pub after: Position,
    /// And behind it, all at one position, so many.
    pub last: Option<ToldPlace>,
}

/// Which message each DN was told last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ToldDns {
    /// From where on that is known.
    pub since: Position,
    /// By DN; none was told to others.
    pub last: HashMap<String, ToldPlace>,
}

impl ToldDns {
    /// Nothing was told behind that position.
    pub fn since(position: Position) -> Self {
        Self { since: position, last: HashMap::new() }
    }

    fn note(&mut self, dn: &str, position: Position) {
        if let Some((last, count)) = self.last.get_mut(dn) {
            *count = if *last == position { count.saturating_add(1) } else { 1 };
            *last = position;
            return;
        }
        if self.last.len() >= DNS_MAX {
            *self = Self::since(position);
        }
        self.last.insert(dn.to_owned(), (position, 1));
    }
}

/// The room of all rings of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct RecentRoom(Arc<RoomCounts>);

#[derive(Debug)]
struct RoomCounts {
    bytes_max: usize,
    bytes: AtomicUsize,
    rings: AtomicUsize,
}

impl Default for RecentRoom {
    fn default() -> Self {
        Self::of(BYTES_OF_ALL_MAX)
    }
}

impl RecentRoom {
    fn of(bytes_max: usize) -> Self {
        Self(Arc::new(RoomCounts { bytes_max, bytes: AtomicUsize::new(0), rings: AtomicUsize::new(0) }))
    }

    /// Whether a ring of that size has to give something up: all together have too much, and this one more than its part.
    fn is_over(&self, bytes: usize) -> bool {
        let RoomCounts { bytes_max, bytes: of_all, rings } = &*self.0;
        let part = bytes_max / rings.load(Ordering::Relaxed).max(1);
        of_all.load(Ordering::Relaxed) > *bytes_max && bytes > part
    }
}

/// The ring.
pub(super) struct RecentMessages {
    room: RecentRoom,
    /// It has all messages after this position.
    after: Position,
    /// Those that are not here any more.
    gone: ToldDns,
    messages: VecDeque<RecentMessage>,
    bytes: usize,
}

struct RecentMessage {
    position: Position,
    dn: String,
    /// As JSON.
    text: String,
}

impl RecentMessage {
    fn bytes(&self) -> usize {
        self.dn.len() + self.text.len() + MESSAGE_BYTES
    }
}

impl RecentMessages {
    /// Empty: messages after that position come.
    pub fn after(position: Position, room: &RecentRoom) -> Self {
        room.0.rings.fetch_add(1, Ordering::Relaxed);
        let (room, gone) = (room.clone(), ToldDns::since(position));
        Self { room, after: position, gone, messages: VecDeque::new(), bytes: 0 }
    }

    /// Empty again: messages after that position come.
    pub fn begin(&mut self, position: Position) {
        *self = Self::after(position, &self.room);
    }

    /// Empty again: messages after that position come, and which was told last of each DN is known.
    pub fn go_on(&mut self, position: Position, told: ToldDns) {
        self.begin(position);
        self.gone = told;
    }

    /// Which message each DN was told last, until now.
    pub fn told(&self) -> ToldDns {
        let mut told = self.gone.clone();
        for message in &self.messages {
            told.note(&message.dn, message.position);
        }
        told
    }

    /// Keeps a message of the fact at that position, which is not before that of the last one. The oldest go for it.
    pub fn keep(&mut self, position: Position, dn: &str, text: String) {
        let message = RecentMessage { position, dn: dn.to_owned(), text };
        let bytes = message.bytes();
        self.bytes += bytes;
        self.room.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.messages.push_back(message);
        self.trim();
    }

    /// Gives up the oldest messages as long as there are too many, also because other tenants have come.
    pub fn trim(&mut self) {
        while self.messages.len() > MESSAGES_MAX || self.bytes > BYTES_MAX || self.room.is_over(self.bytes) {
            let Some(gone) = self.messages.pop_front() else { return };
            let bytes = gone.bytes();
            self.bytes -= bytes;
            self.room.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.after = gone.position;
            self.gone.note(&gone.dn, gone.position);
        }
    }

    /// After which position a reader of that DN goes on by the messages that are here; none if one that it has not had may be gone.
    pub fn goes_on_after(&self, dn: &str, claim: ReadClaim) -> Option<Position> {
        let ReadClaim { after, last } = claim;
        if after >= self.after {
            return Some(after);
        }
        if after < self.gone.since {
            return None;
        }
        match self.gone.last.get(dn) {
            None => Some(after),
            Some((gone, _)) if *gone <= after => Some(after),
            // Some messages at that position may be gone, and others here.
            Some((gone, _)) if *gone == self.after => None,
            Some((gone, count)) => last.filter(|(had, told)| had == gone && told >= count).map(|(had, _)| had),
        }
    }

    /// The messages of that DN after that position, in order, as JSON, each with its position.
    pub fn of<'a>(&'a self, dn: &'a str, after: Position) -> impl Iterator<Item = (Position, &'a str)> {
        let first = self.messages.partition_point(|message| message.position <= after);
        let of_dn = self.messages.range(first..).filter(move |message| message.dn == dn);
        of_dn.map(|message| (message.position, message.text.as_str()))
    }
}

impl Drop for RecentMessages {
    fn drop(&mut self) {
        self.room.0.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.room.0.rings.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(minor: u64) -> Position {
        Position { major: 0, minor }
    }

    /// Whether a reader that has all up to that position goes on by what is here.
    fn reaches_back_to(recent: &RecentMessages, dn: &str, position: u64) -> bool {
        recent.goes_on_after(dn, ReadClaim { after: at(position), last: None }).is_some()
    }

    fn texts(recent: &RecentMessages, dn: &str, after: u64) -> Vec<String> {
        recent.of(dn, at(after)).map(|(_, text)| text.to_owned()).collect()
    }

    #[test]
    fn who_comes_back_within_it_gets_what_came_after_of_its_own_dn() {
        let mut recent = RecentMessages::after(at(10), &RecentRoom::default());
        for (position, dn, text) in [(11, "7101", "a"), (12, "7102", "b"), (13, "7101", "c"), (13, "7101", "d")] {
            recent.keep(at(position), dn, text.to_owned());
        }
        assert!(reaches_back_to(&recent, "7101", 11));
        assert_eq!(texts(&recent, "7101", 11), ["c", "d"]);
        assert_eq!(texts(&recent, "7102", 11), ["b"]);
        assert_eq!(texts(&recent, "7101", 12), ["c", "d"], "both messages of one fact");
        assert!(texts(&recent, "7101", 13).is_empty());
        assert!(reaches_back_to(&recent, "7101", 99) && texts(&recent, "7101", 99).is_empty(), "it is ahead");
    }

    #[test]
    fn at_its_edge_nothing_is_missing_and_before_it_something_may_be() {
        let mut recent = RecentMessages::after(at(10), &RecentRoom::default());
        recent.keep(at(11), "7101", "a".to_owned());
        assert!(reaches_back_to(&recent, "7101", 10));
        assert_eq!(texts(&recent, "7101", 10), ["a"]);
        assert!(!reaches_back_to(&recent, "7101", 9));
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_and_its_edge_moves_with_them() {
        let mut recent = RecentMessages::after(at(0), &RecentRoom::default());
        for position in 1..=(MESSAGES_MAX as u64 + 2) {
            recent.keep(at(position), "7101", "a".to_owned());
        }
        assert!(!reaches_back_to(&recent, "7101", 1), "the second message has gone");
        assert!(reaches_back_to(&recent, "7101", 2));
        assert_eq!(recent.of("7101", at(2)).count(), MESSAGES_MAX);
    }

    #[test]
    fn its_bytes_are_bounded_too() {
        let mut recent = RecentMessages::after(at(0), &RecentRoom::default());
        let large = "a".repeat(BYTES_MAX / 3);
        for position in 1..=4 {
            recent.keep(at(position), "7101", large.clone());
        }
        assert!(recent.bytes <= BYTES_MAX);
        assert_eq!(recent.of("7101", at(2)).count(), 2);
        assert!(!reaches_back_to(&recent, "7101", 1) && reaches_back_to(&recent, "7101", 2));
        recent.keep(at(5), "7101", "a".repeat(BYTES_MAX + 1));
        assert_eq!((recent.bytes, recent.messages.len()), (0, 0), "one that is too large is not kept");
        assert!(!reaches_back_to(&recent, "7101", 4) && reaches_back_to(&recent, "7101", 5));
    }

    #[test]
    fn a_fact_whose_messages_have_gone_in_part_is_behind_the_edge() {
        let mut recent = RecentMessages::after(at(0), &RecentRoom::default());
        recent.keep(at(1), "7101", "a".to_owned());
        for _ in 0..MESSAGES_MAX {
            recent.keep(at(2), "7101", "b".to_owned());
        }
        recent.keep(at(2), "7101", "c".to_owned());
        assert!(!reaches_back_to(&recent, "7101", 1), "one of the messages at 2 has gone");
        assert!(reaches_back_to(&recent, "7101", 2));
    }

    #[test]
    fn who_has_had_the_last_message_of_its_dn_goes_on_however_long_ago_that_was() {
        let mut recent = RecentMessages::after(at(0), &RecentRoom::default());
        for (position, dn) in [(3, "7101"), (5, "7102"), (5, "7102"), (6, "7102")] {
            recent.keep(at(position), dn, "a".to_owned());
        }
        let goes_on = |recent: &RecentMessages, dn, after, last: Option<(u64, u32)>| {
            let last = last.map(|(position, count)| (at(position), count));
            recent.goes_on_after(dn, ReadClaim { after: at(after), last }).map(|position| position.minor)
        };
        // Another replica goes on from there, and has no message of before.
        let told = recent.told();
        assert_eq!((told.since, told.last["7101"], told.last["7102"]), (at(0), (at(3), 1), (at(6), 1)));
        let mut next = RecentMessages::after(at(0), &RecentRoom::default());
        next.go_on(at(9), told);
        next.keep(at(11), "7101", "b".to_owned());
        for (dn, after, last, due) in [
            ("7101", 3, None, Some(3)),
            ("7101", 2, Some((3, 1)), Some(3)),
            ("7101", 2, None, None),
            ("7102", 5, Some((6, 1)), Some(6)),
            ("7102", 5, Some((5, 2)), None),
            ("7102", 3, Some((5, 2)), None),
            ("7103", 1, None, Some(1)),
            ("7101", 9, Some((11, 1)), Some(9)),
            ("7101", 10, None, Some(10)),
        ] {
            assert_eq!(goes_on(&next, dn, after, last), due, "{dn} {after} {last:?}");
        }
        assert_eq!(texts(&next, "7101", 3), ["b"]);
        // Nobody knows what was before the first snapshot.
        next.go_on(at(9), ToldDns::since(at(4)));
        assert_eq!((goes_on(&next, "7103", 3, None), goes_on(&next, "7103", 4, None)), (None, Some(4)));
    }

    #[test]
    fn what_was_told_last_counts_those_that_are_gone_and_those_that_are_here() {
        let mut recent = RecentMessages::after(at(0), &RecentRoom::of(150));
        for position in [1, 2, 2, 2] {
            recent.keep(at(position), "7101", String::new());
        }
        assert!(recent.messages.len() < 4, "some are gone");
        assert_eq!(recent.told().last["7101"], (at(2), 3));
    }

    #[test]
    fn all_rings_share_one_room_and_the_larger_ones_give_way() {
        let room = RecentRoom::of(1_000);
        let mut large = RecentMessages::after(at(0), &room);
        for position in 1..=8 {
            large.keep(at(position), "7101", "a".repeat(100 - MESSAGE_BYTES - 4));
        }
        assert_eq!(large.bytes, 800, "nobody else needs the room");
        let mut small = RecentMessages::after(at(0), &room);
        for position in 1..=3 {
            small.keep(at(position), "7101", "a".repeat(100 - MESSAGE_BYTES - 4));
        }
        assert_eq!(small.bytes, 300, "less than its part");
        large.trim();
        assert_eq!(
            (large.bytes, reaches_back_to(&large, "7101", 0), reaches_back_to(&large, "7101", 1)),
            (700, false, true)
        );
        drop(large);
        small.begin(at(9));
        assert_eq!((room.0.bytes.load(Ordering::Relaxed), room.0.rings.load(Ordering::Relaxed)), (0, 1));
    }
}
