//! Deduplicates and orders facts by subject, token and sequence number.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use model::{ConnId, EventName, Seq, Stamped, Subject, Timestamp, Token};

use super::calls::Call;
use super::snapshot::{HeldSnapshot, MarkSnapshot};

/// How long a fact waits for a missing predecessor.
const GAP: Duration = Duration::from_secs(2);
/// The most facts that wait for a predecessor; further ones are folded on arrival.
pub(super) const HELD_MAX: usize = 4_096;
/// How long the end of a call is remembered: later repeats of its facts do not create a new call.
const REMEMBERED: Duration = Duration::from_secs(600);
/// The most remembered ends.
const REMEMBERED_MAX: usize = 100_000;

/// The most bytes of waiting facts; facts carry user data.
pub(super) const HELD_BYTES_MAX: usize = 16 << 20;
/// How long the last fact of a subject is remembered, in the stream's time: no repeat comes later. After that its next fact is accepted in
/// any order.
pub(super) const SILENT_FOR: Duration = Duration::from_secs(3_600);
/// The most subjects whose last fact is remembered: calls, ended calls, agents, DNs and queues of the largest tenant. Clients may name
/// nonexistent DNs in requests, and an application may name a queue per call. The subject that has been silent for longest is removed
/// first.
pub(super) const MARKS_MAX: usize = 500_000;
/// The most bytes of these marks in a record.
pub(super) const MARKS_BYTES_MAX: usize = 32 << 20;
/// The bytes of a mark in a record, without its name.
const MARK_BYTES: usize = 56;

/// The decision about a fact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admitted {
    Next,
    Held,
    Repeated,
}

/// The last fact of a subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mark {
    token: Token,
    seq: Seq,
    /// The stream's time when that fact came.
    heard: Timestamp,
}

/// Facts that came too early, with their arrival times.
type Waiting = BTreeMap<(Token, Seq), (Timestamp, Stamped)>;

#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    marks: HashMap<Subject, Mark>,
    /// The marks ordered by the time of their last fact.
    silent: BTreeSet<(Timestamp, Subject)>,
    marks_bytes: usize,
    /// The time of the latest marked fact.
    time: Timestamp,
    held: HashMap<Subject, Waiting>,
    held_count: usize,
    held_bytes: usize,
    ended: VecDeque<(Timestamp, ConnId)>,
    pub(super) repeated: u64,
    /// The number of marks removed for lack of room.
    pub(super) forgotten: u64,
}

impl Order {
    /// Whether the fact is next, too early or repeated.
    pub(super) fn admit(&mut self, stamped: &Stamped, now: Timestamp, calls: &HashMap<ConnId, Call>) -> Admitted {
        let id = &stamped.id;
        let is_next = match self.marks.get(&id.subject) {
            Some(mark) if (id.token, id.seq) <= (mark.token, mark.seq) => {
                self.repeated += 1;
                return Admitted::Repeated;
            }
            Some(mark) if id.token == mark.token => mark.seq.0.checked_add(1) == Some(id.seq.0),
            Some(_) => id.seq.0 == 1,
            // An unknown call must begin with its first fact. Any other subject may have begun long ago.
            None => match &id.subject {
                Subject::Call(conn_id) => id.seq.0 == 1 || calls.contains_key(conn_id),
                _ => true,
            },
        };
        let has_room = self.held_count < HELD_MAX && self.held_bytes + weight(stamped) <= HELD_BYTES_MAX;
        if !is_next && has_room {
            self.hold(stamped.clone(), now);
            return Admitted::Held;
        }
        self.mark(stamped, now);
        Admitted::Next
    }

    fn hold(&mut self, stamped: Stamped, since: Timestamp) {
        let waiting = self.held.entry(stamped.id.subject.clone()).or_default();
        self.held_bytes += weight(&stamped);
        match waiting.insert((stamped.id.token, stamped.id.seq), (since, stamped)) {
            None => self.held_count += 1,
            Some((_, same)) => {
                self.held_bytes -= weight(&same);
                self.repeated += 1;
            }
        }
    }

    /// Subtracts facts that no longer wait from the counts.
    fn let_go<'a>(&mut self, facts: impl Iterator<Item = &'a Stamped>) {
        for stamped in facts {
            self.held_count -= 1;
            self.held_bytes -= weight(stamped);
        }
    }

    /// The waiting fact that has become next.
    pub(super) fn released(&mut self, subject: &Subject) -> Option<Stamped> {
        let mark = *self.marks.get(subject)?;
        // Loops at most once per waiting fact.
        loop {
            let waiting = self.held.get_mut(subject)?;
            let (&(token, seq), _) = waiting.first_key_value()?;
            let known = (token, seq) <= (mark.token, mark.seq);
            let next = if token == mark.token { mark.seq.0.checked_add(1) == Some(seq.0) } else { seq.0 == 1 };
            if !known && !next {
                return None;
            }
            let (_, (since, stamped)) = waiting.pop_first()?;
            if waiting.is_empty() {
                self.held.remove(subject);
            }
            self.let_go(std::iter::once(&stamped));
            if known {
                self.repeated += 1;
                continue;
            }
            self.mark(&stamped, since);
            return Some(stamped);
        }
    }

    /// Facts that have waited long enough, with all that follow them.
    pub(super) fn overdue(&mut self, now: Timestamp) -> Vec<Stamped> {
        let late = |waiting: &BTreeMap<_, (Timestamp, Stamped)>| waiting.values().any(|(since, _)| *since + GAP <= now);
        let subjects: Vec<Subject> =
            self.held.iter().filter(|(_, waiting)| late(waiting)).map(|(subject, _)| subject.clone()).collect();
        self.release(subjects, now)
    }

    /// All facts that wait, for those before them will not come.
    pub(super) fn all_held(&mut self, now: Timestamp) -> Vec<Stamped> {
        let subjects: Vec<Subject> = self.held.keys().cloned().collect();
        self.release(subjects, now)
    }

    fn release(&mut self, subjects: Vec<Subject>, now: Timestamp) -> Vec<Stamped> {
        let mut out = Vec::new();
        for subject in subjects {
            let waiting = self.held.remove(&subject).unwrap_or_default();
            self.let_go(waiting.values().map(|(_, stamped)| stamped));
            for (_, stamped) in waiting.into_values() {
                self.mark(&stamped, now);
                out.push(stamped);
            }
        }
        // Facts of the same time need an order that is the same in every process.
        out.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        out
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        if self.held_count == 0 {
            return None;
        }
        self.held.values().flat_map(BTreeMap::values).map(|(since, _)| *since + GAP).min()
    }

    fn mark(&mut self, stamped: &Stamped, now: Timestamp) {
        let id = &stamped.id;
        // A sender's clock that runs ahead must not make other subjects look old.
        self.time = self.time.max(stamped.at.min(now));
        self.remember(id.subject.clone(), Mark { token: id.token, seq: id.seq, heard: self.time });
        if let (EventName::CallDeleted, Subject::Call(conn_id)) = (stamped.event.name, &id.subject) {
            self.ended.push_back((now.max(stamped.at), *conn_id));
        }
    }

    fn remember(&mut self, subject: Subject, mark: Mark) {
        self.unmark(&subject);
        self.marks_bytes += mark_bytes(&subject);
        self.silent.insert((mark.heard, subject.clone()));
        self.marks.insert(subject, mark);
        while self.marks.len() > MARKS_MAX || self.marks_bytes > MARKS_BYTES_MAX {
            self.forgotten += 1;
            let Some((_, subject)) = self.silent.first().cloned() else { break };
            self.unmark(&subject);
        }
    }

    fn unmark(&mut self, subject: &Subject) {
        if let Some(mark) = self.marks.remove(subject) {
            self.marks_bytes -= mark_bytes(subject);
            self.silent.remove(&(mark.heard, subject.clone()));
        }
    }

    /// Whether a fact of the call is remembered. A call that is remembered but no longer followed has ended.
    pub(super) fn knows(&self, conn_id: ConnId) -> bool {
        self.marks.contains_key(&Subject::Call(conn_id))
    }

    /// Forgets ended calls and silent subjects after their time.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some((at, conn_id)) = self.ended.front().copied() {
            if at + REMEMBERED > now && self.ended.len() <= REMEMBERED_MAX {
                break;
            }
            self.ended.pop_front();
            self.unmark(&Subject::Call(conn_id));
        }
        while let Some((heard, subject)) = self.silent.first().cloned() {
            if heard + SILENT_FOR > self.time {
                break;
            }
            self.unmark(&subject);
        }
    }

    /// Forgets a call that was dropped for lack of room.
    pub(super) fn drop_call(&mut self, conn_id: ConnId) {
        let subject = Subject::Call(conn_id);
        self.unmark(&subject);
        let waiting = self.held.remove(&subject).unwrap_or_default();
        self.let_go(waiting.values().map(|(_, stamped)| stamped));
    }

    // === snapshot ===

    pub(super) fn snapshot(&self) -> (Vec<MarkSnapshot>, Vec<HeldSnapshot>) {
        let ended: HashMap<ConnId, Timestamp> = self.ended.iter().map(|(at, id)| (*id, *at)).collect();
        let mut marks: Vec<MarkSnapshot> = self
            .marks
            .iter()
            .map(|(subject, mark)| MarkSnapshot {
                subject: subject.clone(),
                token: mark.token,
                seq: mark.seq,
                heard: mark.heard,
                ended_at: if let Subject::Call(id) = subject { ended.get(id).copied() } else { None },
            })
            .collect();
        marks.sort_by(|a, b| a.subject.cmp(&b.subject));
        let held = self.held.values().flat_map(BTreeMap::values);
        let mut held: Vec<HeldSnapshot> =
            held.map(|(since, stamped)| HeldSnapshot { since: *since, stamped: stamped.clone() }).collect();
        held.sort_by(|a, b| a.stamped.id.cmp(&b.stamped.id));
        (marks, held)
    }

    pub(super) fn restore(marks: Vec<MarkSnapshot>, held: Vec<HeldSnapshot>, repeated: u64) -> Self {
        let mut order = Self { repeated, ..Self::default() };
        for mark in marks {
            if let (Some(at), Subject::Call(id)) = (mark.ended_at, &mark.subject) {
                order.ended.push_back((at, *id));
            }
            order.time = order.time.max(mark.heard);
            order.remember(mark.subject, Mark { token: mark.token, seq: mark.seq, heard: mark.heard });
        }
        order.ended.make_contiguous().sort_unstable();
        for HeldSnapshot { since, stamped } in held {
            order.hold(stamped, since);
        }
        order
    }
}

/// The approximate bytes of a waiting fact.
fn weight(stamped: &Stamped) -> usize {
    let event = &stamped.event;
    1_024 + event.user_data.bytes() + event.reasons.bytes() + event.extensions.bytes()
}

fn mark_bytes(subject: &Subject) -> usize {
    let name = match subject {
        Subject::Call(_) => 0,
        Subject::Agent(name) => name.as_str().len(),
        Subject::Queue(name) => name.as_str().len(),
        Subject::Dn(name) => name.as_str().len(),
        Subject::Session(name) => name.as_str().len(),
    };
    MARK_BYTES + name
}
