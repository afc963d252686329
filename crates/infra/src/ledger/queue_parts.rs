//! A turn of the queues in writes of a bounded size: a tenant may get 100,000 agents at once, and one write holds up all others of the
//! store.

use std::collections::HashMap;

use bytes::Bytes;
use model::Stamped;

use super::QueueBatch;
use crate::bounds;

/// What a row or a fact takes beside what is counted of it, in bytes, about: its id, and the work that it makes in the store.
const ITEM_BYTES: usize = 256;
/// What a pair of user data takes beside key and value, in bytes, about.
const PAIR_BYTES: usize = 16;

impl QueueBatch {
    /// Splits the turn into writes to be done in this order; one of usual size is one. An agent's row is for itself: no fact of the turn
    /// tells of it, and a successor folds again what came after the position that it finds. Requests, facts and the position belong
    /// together and come last, in one write as long as they are not larger than that may be. Else whole requests go, each row in one write
    /// with all facts that tell of it: neither is lost without the other, and whoever reads the rows behind a position of the stream has all
    /// that was told up to there. Facts keep their order. `request_of` names the request that a fact tells of. Only where facts of requests
    /// that are larger than a write lie across each other do rows come before facts.
    pub fn in_parts(self, request_of: fn(&Stamped) -> Option<&str>) -> Vec<Self> {
        if self.bytes() <= bounds::QUEUE_PART_BYTES {
            return vec![self];
        }
        let number = self.number;
        let none = self.without_content();
        let mut parts = OpenPart::of(none.clone());
        // Removals first: they make room for the rest.
        let (put, freed): (Vec<_>, Vec<_>) = self.reservations.into_iter().partition(|(_, body)| body.is_some());
        for row in freed.into_iter().chain(put) {
            parts.add(item_bytes(row.1.as_ref()), |part| part.reservations.push(row));
        }
        parts.close();
        let rest = Self {
            requests: self.requests,
            state: self.state,
            events: self.events,
            consumed: self.consumed,
            ..none.clone()
        };
        if rest.bytes() <= bounds::QUEUE_WHOLE_BYTES {
            parts.done.push(rest);
        } else {
            for whole in whole_requests(rest.requests, rest.events, &none, request_of) {
                parts.add_whole(whole);
            }
            parts.close();
            parts.done.push(Self { state: rest.state, consumed: rest.consumed, ..none });
        }
        let mut parts = parts.done;
        if number != 0 {
            let mut next = number;
            for part in &mut parts {
                part.number = next;
                next += part.apart_max() as u64;
            }
        }
        parts
    }

    /// About how many bytes it has.
    fn bytes(&self) -> usize {
        let requests = self.requests.iter().map(|(_, body)| body);
        let bodies = requests.chain(self.reservations.iter().map(|(_, body)| body));
        let rows: usize = bodies.map(|body| item_bytes(body.as_ref())).sum();
        let facts: usize = self.events.iter().map(fact_bytes).sum();
        rows + facts + self.state.as_ref().map_or(0, Bytes::len)
    }
}

fn item_bytes(body: Option<&Bytes>) -> usize {
    ITEM_BYTES + body.map_or(0, Bytes::len)
}

/// Not encoded for that: nearly all turns are small.
fn fact_bytes(fact: &Stamped) -> usize {
    let lists = [&fact.event.user_data, &fact.event.extensions, &fact.event.reasons];
    let of_lists: usize = lists.into_iter().map(|list| list.bytes() + PAIR_BYTES * list.pairs()).sum();
    ITEM_BYTES + of_lists
}

/// The smallest batches that have each row with all facts that tell of it, with the facts in their order. First the rows of which no fact
/// tells, removals before others: they make room.
fn whole_requests(
    requests: Vec<(String, Option<Bytes>)>,
    events: Vec<Stamped>,
    none: &QueueBatch,
    request_of: fn(&Stamped) -> Option<&str>,
) -> Vec<QueueBatch> {
    // The last fact of each request.
    let mut last = HashMap::new();
    for (at, fact) in events.iter().enumerate() {
        if let Some(id) = request_of(fact) {
            last.insert(id.to_owned(), at);
        }
    }
    let (told, untold): (Vec<_>, Vec<_>) = requests.into_iter().partition(|(id, _)| last.contains_key(id));
    let (put, ended): (Vec<_>, Vec<_>) = untold.into_iter().partition(|(_, body)| body.is_some());
    let row_alone = |row| QueueBatch { requests: vec![row], ..none.clone() };
    let mut whole: Vec<QueueBatch> = ended.into_iter().chain(put).map(row_alone).collect();
    let mut rows: HashMap<String, Option<Bytes>> = told.into_iter().collect();
    let (mut open, mut until) = (none.clone(), 0);
    for (at, fact) in events.into_iter().enumerate() {
        if let Some(id) = request_of(&fact) {
            let end = last.get(id).copied().unwrap_or(at);
            until = until.max(end);
            if end == at {
                open.requests.extend(rows.remove_entry(id));
            }
        }
        open.events.push(fact);
        if until <= at {
            whole.push(std::mem::replace(&mut open, none.clone()));
        }
    }
    whole
}

/// The part to which rows or facts are added.
struct OpenPart {
    done: Vec<QueueBatch>,
    none: QueueBatch,
    open: QueueBatch,
    bytes: usize,
}

impl OpenPart {
    fn of(none: QueueBatch) -> Self {
        Self { done: Vec::new(), open: none.clone(), none, bytes: 0 }
    }

    fn add(&mut self, bytes: usize, put: impl FnOnce(&mut QueueBatch)) {
        if self.bytes + bytes > bounds::QUEUE_PART_BYTES {
            self.close();
        }
        put(&mut self.open);
        self.bytes += bytes;
    }

    fn add_whole(&mut self, whole: QueueBatch) {
        let bytes = whole.bytes();
        if bytes <= bounds::QUEUE_WHOLE_BYTES {
            self.add(bytes, |part| {
                part.requests.extend(whole.requests);
                part.events.extend(whole.events);
            });
            return;
        }
        let (put, ended): (Vec<_>, Vec<_>) = whole.requests.into_iter().partition(|(_, body)| body.is_some());
        for row in ended.into_iter().chain(put) {
            self.add(item_bytes(row.1.as_ref()), |part| part.requests.push(row));
        }
        self.close();
        for fact in whole.events {
            self.add(fact_bytes(&fact), |part| part.events.push(fact));
        }
        self.close();
    }

    fn close(&mut self) {
        if self.bytes > 0 {
            self.done.push(std::mem::replace(&mut self.open, self.none.clone()));
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{
        AgentId, Epoch, Event, EventId, EventName, NodeId, Owner, QueueName, Seq, Subject, TenantId, Timestamp, Token,
    };

    use super::*;
    use crate::{Consumed, Position};

    fn turn() -> QueueBatch {
        QueueBatch {
            tenant: TenantId::parse("acme").unwrap(),
            owner: Owner { node: NodeId::parse("rq-1").unwrap(), epoch: Epoch(1) },
            token: Token(1),
            requests: Vec::new(),
            reservations: Vec::new(),
            state: Some(Bytes::from_static(b"phones")),
            events: Vec::new(),
            consumed: Some(Consumed { view: "rq", position: Position { major: 7, minor: 0 } }),
            number: 1_000,
        }
    }

    fn agent(number: usize, bytes: usize) -> (AgentId, Option<Bytes>) {
        (AgentId::parse(&format!("a-{number}")).unwrap(), (bytes > 0).then(|| vec![0; bytes].into()))
    }

    fn request(number: usize, bytes: usize) -> (String, Option<Bytes>) {
        (format!("r-{number}"), (bytes > 0).then(|| vec![0; bytes].into()))
    }

    fn fact(seq: u64, bytes: usize) -> Stamped {
        fact_of(usize::try_from(seq).unwrap(), seq, bytes)
    }

    fn fact_of(request: usize, seq: u64, bytes: usize) -> Stamped {
        let mut event = Event::new(EventName::Queued);
        event.extensions.push("Request", format!("r-{request}"));
        event.user_data.push("Long", "x".repeat(bytes));
        let subject = Subject::Queue(QueueName::parse("sales").unwrap());
        let id = EventId { subject, token: Token(1), seq: Seq(seq) };
        Stamped { id, tenant: TenantId::parse("acme").unwrap(), at: Timestamp::ZERO, trace: None, event }
    }

    fn request_of(fact: &Stamped) -> Option<&str> {
        fact.event.extensions.text("Request")
    }

    /// Checks that the numbers of all writes come in order, and that a part can be split once more between its number and the next one.
    fn assert_numbers_increase(parts: &[QueueBatch], of: &QueueBatch) {
        let numbers = parts.iter().cloned().flat_map(QueueBatch::apart).map(|single| single.number);
        let numbers: Vec<u64> = numbers.collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        assert_eq!(numbers[0], of.number);
        assert!(numbers.last().unwrap() - of.number < of.parts_max() as u64);
    }

    #[test]
    fn a_turn_of_usual_size_is_one_write() {
        let (requests, events) = ((0..256).map(|n| request(n, 1_000)).collect(), (0..256).map(|n| fact(n, 1_000)));
        let usual = QueueBatch { requests, events: events.collect(), reservations: vec![agent(1, 300)], ..turn() };
        assert_eq!(usual.clone().in_parts(request_of), [usual]);
    }

    #[test]
    fn rows_of_agents_go_ahead_and_what_belongs_together_comes_last_as_one() {
        let (agents, gone) = ((1..20_000).map(|n| agent(n, 500)), agent(0, 0));
        let large = QueueBatch {
            reservations: agents.chain([gone.clone()]).collect(),
            requests: (0..500).map(|n| request(n, 1_000)).collect(),
            events: (0..500).map(|n| fact(n, 1_000)).collect(),
            ..turn()
        };
        let parts = large.clone().in_parts(request_of);
        assert_numbers_increase(&parts, &large);
        let (last, ahead) = parts.split_last().unwrap();
        assert!(ahead.len() > 5 && ahead.iter().all(|part| part.bytes() <= bounds::QUEUE_PART_BYTES));
        assert!(ahead.iter().all(|part| part.requests.is_empty() && part.events.is_empty() && part.state.is_none()));
        assert!(ahead.iter().all(|part| part.consumed.is_none()));
        let rows: Vec<_> = ahead.iter().flat_map(|part| part.reservations.clone()).collect();
        assert_eq!((rows.len(), &rows[0]), (20_000, &gone), "a removal makes room");
        assert_eq!((&last.requests, &last.events), (&large.requests, &large.events));
        assert_eq!((&last.state, &last.consumed), (&large.state, &large.consumed));
    }

    #[test]
    fn rows_that_are_small_each_are_refused_where_all_are_larger_than_a_write() {
        let large = QueueBatch { reservations: (1..9_000).map(|n| agent(n, 500)).collect(), ..turn() };
        let refused = large.check(std::iter::empty());
        assert!(matches!(refused, Err(crate::Refusal::TooLarge { .. })), "{refused:?}");
        assert!(large.in_parts(request_of).iter().all(|part| part.check(std::iter::empty()).is_ok()));
    }

    #[test]
    fn what_is_larger_than_a_write_goes_by_whole_requests() {
        // Every third request ends, and every second one has a row of which no fact tells.
        let rows = (0..120_usize).map(|n| request(n, if n.is_multiple_of(3) { 0 } else { 30_000 }));
        let facts = (0..120_u64).filter_map(|n| {
            let of = usize::try_from(n).unwrap();
            n.is_multiple_of(2).then(|| [fact_of(of, 2 * n, 20_000), fact_of(of, 2 * n + 1, 20_000)])
        });
        let large = QueueBatch { requests: rows.collect(), events: facts.flatten().collect(), ..turn() };
        let parts = large.clone().in_parts(request_of);
        assert_numbers_increase(&parts, &large);
        assert!(parts.len() > 4 && parts.iter().all(|part| part.bytes() <= bounds::QUEUE_PART_BYTES));
        assert_eq!(parts.iter().flat_map(|part| part.events.clone()).collect::<Vec<_>>(), large.events);
        assert_eq!(parts.iter().map(|part| part.requests.len()).sum::<usize>(), large.requests.len());
        for part in &parts {
            let ids: Vec<&str> = part.requests.iter().map(|(id, _)| id.as_str()).collect();
            assert!(part.events.iter().all(|fact| ids.contains(&request_of(fact).unwrap())), "{ids:?}");
        }
        let with_position = parts.iter().filter(|part| part.consumed.is_some() || part.state.is_some());
        assert_eq!((with_position.count(), &parts.last().unwrap().consumed), (1, &large.consumed));
    }

    #[test]
    fn requests_that_cannot_be_told_apart_go_with_each_row_before_each_fact() {
        let ended = request(49, 0);
        // The second fact of each comes behind the first ones of all others.
        let facts = (0..50).map(|seq| fact_of(usize::try_from(seq).unwrap() % 25, seq, 60_000));
        let large = QueueBatch {
            requests: (0..49).map(|n| request(n, 50_000)).chain([ended.clone()]).collect(),
            events: facts.collect(),
            ..turn()
        };
        let parts = large.clone().in_parts(request_of);
        assert_numbers_increase(&parts, &large);
        assert!(parts.iter().all(|part| part.bytes() <= bounds::QUEUE_PART_BYTES));
        let rows_until = parts.iter().rposition(|part| !part.requests.is_empty()).unwrap();
        let facts_from = parts.iter().position(|part| !part.events.is_empty()).unwrap();
        assert!(rows_until < facts_from);
        let rows: Vec<_> = parts.iter().flat_map(|part| part.requests.clone()).collect();
        assert_eq!((rows.len(), &rows[0]), (50, &ended));
        assert_eq!(parts.iter().flat_map(|part| part.events.clone()).collect::<Vec<_>>(), large.events);
    }
}
