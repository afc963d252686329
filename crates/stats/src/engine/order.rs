//! Each fact once and in order: by subject, token and number, as the envelope allows.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use model::{ConnId, EventName, Seq, Stamped, Subject, Timestamp, Token};

use super::calls::Call;
use super::snapshot::{HeldSnapshot, MarkSnapshot};

/// How long a fact waits for one that should have come before it.
const GAP: Duration = Duration::from_secs(2);
/// Facts that may wait so; more are folded as they come.
pub(super) const HELD_MAX: usize = 4_096;
/// How long the end of a call is remembered: later repeats of its facts are no new call.
const REMEMBERED: Duration = Duration::from_secs(600);
/// The most ends that are remembered.
const REMEMBERED_MAX: usize = 100_000;

/// The most subjects whose last fact is remembered: calls, those that have ended, agents, DNs and queues of the largest tenant. A client may
/// name DNs in requests that there are not.
pub(super) const MARKS_MAX: usize = 500_000;

/// What becomes of a fact.
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
}

/// Facts that came too early, with the time at which each came.
type Waiting = BTreeMap<(Token, Seq), (Timestamp, Stamped)>;

#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    marks: HashMap<Subject, Mark>,
    held: HashMap<Subject, Waiting>,
    held_count: usize,
    ended: VecDeque<(Timestamp, ConnId)>,
    pub(super) repeated: u64,
}

impl Order {
    /// Says whether the fact is next, too early, or known.
    pub(super) fn admit(&mut self, stamped: &Stamped, now: Timestamp, calls: &HashMap<ConnId, Call>) -> Admitted {
        let id = &stamped.id;
        let is_next = match self.marks.get(&id.subject) {
            Some(mark) if (id.token, id.seq) <= (mark.token, mark.seq) => {
                self.repeated += 1;
                return Admitted::Repeated;
            }
            Some(mark) if id.token == mark.token => mark.seq.0.checked_add(1) == Some(id.seq.0),
            Some(_) => id.seq.0 == 1,
            // A call that nobody has told of begins with its first fact; what else there is may have begun long ago.
            None => match &id.subject {
                Subject::Call(conn_id) => id.seq.0 == 1 || calls.contains_key(conn_id),
                _ => true,
            },
        };
        if !is_next && self.held_count < HELD_MAX {
            let waiting = self.held.entry(id.subject.clone()).or_default();
            if waiting.insert((id.token, id.seq), (now, stamped.clone())).is_none() {
                self.held_count += 1;
            } else {
                self.repeated += 1;
            }
            return Admitted::Held;
        }
        self.mark(stamped, now);
        Admitted::Next
    }

    /// The held fact that has become next.
    pub(super) fn released(&mut self, subject: &Subject) -> Option<Stamped> {
        let mark = *self.marks.get(subject)?;
        // At most as often as facts are held.
        loop {
            let waiting = self.held.get_mut(subject)?;
            let (&(token, seq), _) = waiting.first_key_value()?;
            let known = (token, seq) <= (mark.token, mark.seq);
            let next = if token == mark.token { mark.seq.0.checked_add(1) == Some(seq.0) } else { seq.0 == 1 };
            if !known && !next {
                return None;
            }
            let (_, (since, stamped)) = waiting.pop_first()?;
            self.held_count -= 1;
            if waiting.is_empty() {
                self.held.remove(subject);
            }
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
        let mut out = Vec::new();
        for subject in subjects {
            let waiting = self.held.remove(&subject).unwrap_or_default();
            self.held_count -= waiting.len();
            for (_, stamped) in waiting.into_values() {
                self.mark(&stamped, now);
                out.push(stamped);
            }
        }
        // Those of one time in an order that is the same in every process.
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
        let mark = Mark { token: stamped.id.token, seq: stamped.id.seq };
        // Who is not remembered is folded all the same: a repeat of its facts counts twice.
        if self.marks.len() < MARKS_MAX || self.marks.contains_key(&stamped.id.subject) {
            self.marks.insert(stamped.id.subject.clone(), mark);
        }
        if let (EventName::CallDeleted, Subject::Call(conn_id)) = (stamped.event.name, &stamped.id.subject) {
            self.ended.push_back((now.max(stamped.at), *conn_id));
        }
    }

    /// Whether the call has ended, as far as it is remembered.
    pub(super) fn knows(&self, conn_id: ConnId) -> bool {
        self.marks.contains_key(&Subject::Call(conn_id))
    }

    /// Forgets ends that are long past.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some((at, conn_id)) = self.ended.front().copied() {
            if at + REMEMBERED > now && self.ended.len() <= REMEMBERED_MAX {
                break;
            }
            self.ended.pop_front();
            self.marks.remove(&Subject::Call(conn_id));
        }
    }

    /// Forgets a call that was dropped for want of room.
    pub(super) fn drop_call(&mut self, conn_id: ConnId) {
        let subject = Subject::Call(conn_id);
        self.marks.remove(&subject);
        self.held_count -= self.held.remove(&subject).map_or(0, |waiting| waiting.len());
    }

    // === snapshot ===

    pub(super) fn photograph(&self) -> (Vec<MarkSnapshot>, Vec<HeldSnapshot>) {
        let ended: HashMap<ConnId, Timestamp> = self.ended.iter().map(|(at, id)| (*id, *at)).collect();
        let mut marks: Vec<MarkSnapshot> = self
            .marks
            .iter()
            .map(|(subject, mark)| MarkSnapshot {
                subject: subject.clone(),
                token: mark.token,
                seq: mark.seq,
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
            order.marks.insert(mark.subject, Mark { token: mark.token, seq: mark.seq });
        }
        order.ended.make_contiguous().sort_unstable();
        for HeldSnapshot { since, stamped } in held {
            let waiting = order.held.entry(stamped.id.subject.clone()).or_default();
            waiting.insert((stamped.id.token, stamped.id.seq), (since, stamped));
            order.held_count += 1;
        }
        order
    }
}
