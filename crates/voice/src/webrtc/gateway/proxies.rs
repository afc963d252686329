//! Which sip-proxies are there: each is asked by OPTIONS, and one that has been silent for a while is not used. Flows are spread over those
//! that take what is new, each with one of them as long as it is there.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use model::Timestamp;
use sip::{HeaderName, Message, Method, StatusCode};

use super::flows::FlowKey;

/// How often each is asked.
pub(super) const ASKED_EACH: Duration = Duration::from_secs(1);
/// Silence after which one is not there: some of its answers may be lost.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// What the branches of our questions begin with: they have no transaction, since only what was heard last matters.
const BRANCH: &str = "z9hG4bKask";

#[derive(Clone, Copy, Debug)]
struct KnownProxy {
    at: SocketAddr,
    heard_at: Option<Timestamp>,
    /// Whether its last answer was 200. One that drains or has too much to do refuses what is new, our question too.
    takes_new: bool,
}

impl KnownProxy {
    fn is_there(&self, now: Timestamp) -> bool {
        self.heard_at.is_some_and(|at| now.since(at) <= SILENT_MAX)
    }
}

/// The sip-proxies.
#[derive(Debug, Default)]
pub(super) struct ProxySet {
    all: Vec<KnownProxy>,
    asked_at: Option<Timestamp>,
    questions: u32,
}

impl ProxySet {
    /// Replaces them; of those that stay it is known whether they are there.
    pub(super) fn set(&mut self, addresses: &[SocketAddr]) {
        let known = |at: SocketAddr| self.all.iter().find(|known| known.at == at).copied();
        let new = |at: SocketAddr| KnownProxy { at, heard_at: None, takes_new: false };
        self.all = addresses.iter().map(|at| known(*at).unwrap_or_else(|| new(*at))).collect();
    }

    /// Whether the address is one of theirs.
    pub(super) fn contains(&self, at: SocketAddr) -> bool {
        self.all.iter().any(|known| known.at == at)
    }

    /// The one for a flow: where one comes or goes, the flows of the others stay (rendezvous). One that takes nothing new is better than none,
    /// since what has begun goes on by it.
    pub(super) fn choice(&self, flow: FlowKey, now: Timestamp) -> Option<SocketAddr> {
        let weight = |known: &KnownProxy| {
            let mut hasher = DefaultHasher::new();
            (flow, known.at).hash(&mut hasher);
            (known.takes_new, hasher.finish())
        };
        self.all.iter().filter(|known| known.is_there(now)).max_by_key(|known| weight(known)).map(|known| known.at)
    }

    /// Whether one of them is there.
    pub(super) fn has_any(&self, now: Timestamp) -> bool {
        self.all.iter().any(|known| known.is_there(now))
    }

    /// Whether this one is there.
    pub(super) fn is_there(&self, at: SocketAddr, now: Timestamp) -> bool {
        self.all.iter().any(|known| known.at == at && known.is_there(now))
    }

    /// Whether all of them are there.
    pub(super) fn are_all_there(&self, now: Timestamp) -> bool {
        self.all.iter().all(|known| known.is_there(now))
    }

    /// Notes its answer to a question of ours.
    pub(super) fn answered(&mut self, from: SocketAddr, answer: &Message, now: Timestamp) {
        self.heard(from, now);
        if let Some(known) = self.all.iter_mut().find(|known| known.at == from) {
            known.takes_new = answer.status() == Some(StatusCode::OK);
        }
    }

    /// Notes a message of one.
    pub(super) fn heard(&mut self, from: SocketAddr, now: Timestamp) {
        if let Some(known) = self.all.iter_mut().find(|known| known.at == from) {
            known.heard_at = Some(now);
        }
    }

    /// When they are to be asked next.
    pub(super) fn due(&self, now: Timestamp) -> Timestamp {
        self.asked_at.map_or(now, |at| at + ASKED_EACH)
    }

    /// The questions that are due; `us` is our own `host:port`.
    pub(super) fn ask(&mut self, us: &str, now: Timestamp) -> Vec<(SocketAddr, Bytes)> {
        if self.due(now) > now {
            return Vec::new();
        }
        self.asked_at = Some(now);
        self.questions = self.questions % 0x7FFF_FFFE + 1;
        let number = self.questions;
        let question = |known: &KnownProxy| {
            let to = format!("sip:{}", known.at);
            let asked = Message::request(Method::Options, &to)
                .header(&HeaderName::Via, format_args!("SIP/2.0/UDP {us};branch={BRANCH}{number};rport"))
                .header(&HeaderName::MaxForwards, 1)
                .header(&HeaderName::From, format_args!("<sip:{us}>;tag=ask"))
                .header(&HeaderName::To, format_args!("<{to}>"))
                .header(&HeaderName::CallId, format_args!("ask@{us}"))
                .header(&HeaderName::CSeq, format_args!("{number} OPTIONS"));
            (known.at, asked.into_bytes())
        };
        self.all.iter().map(question).collect()
    }
}

/// Whether a message answers a question of ours.
pub(super) fn is_answer(message: &Message) -> bool {
    !message.is_request()
        && message.top_via().is_ok_and(|via| via.branch().is_some_and(|branch| branch.starts_with(BRANCH)))
}

#[cfg(test)]
mod tests {
    use sip::ConnectionId;

    use super::*;

    #[test]
    fn one_that_is_silent_is_not_used_until_it_answers_again() {
        let [first, second] = ["127.0.1.1:5070", "127.0.1.2:5070"].map(|at| at.parse().unwrap());
        let at = |millis: u64| Timestamp::from_millis(1_000_000 + millis);
        let mut proxies = ProxySet::default();
        proxies.set(&[first, second]);
        let flow = FlowKey(ConnectionId(7));
        assert_eq!(proxies.choice(flow, at(0)), None, "nobody has answered");
        assert_eq!(proxies.ask("127.0.14.1:5070", at(0)).len(), 2);
        assert!(proxies.ask("127.0.14.1:5070", at(999)).is_empty());
        proxies.heard(first, at(1));
        proxies.heard(second, at(1));
        let choice = proxies.choice(flow, at(2)).unwrap();
        let other = if choice == first { second } else { first };
        proxies.heard(other, at(5_000));
        assert_eq!(proxies.choice(flow, at(5_002)), Some(other));
        assert!(
            proxies.has_any(at(5_002)) && !proxies.are_all_there(at(5_002)) && !proxies.is_there(choice, at(5_002))
        );
        proxies.set(&[other]);
        assert_eq!((proxies.choice(flow, at(5_002)), proxies.contains(choice)), (Some(other), false));
        assert!(proxies.are_all_there(at(5_002)));
    }

    #[test]
    fn flows_are_spread_over_those_that_take_what_is_new() {
        let all: Vec<SocketAddr> = (1..=3).map(|n| SocketAddr::from(([127, 0, 1, n], 5070))).collect();
        let now = Timestamp::from_millis(1_000_000);
        let mut proxies = ProxySet::default();
        proxies.set(&all);
        let (_, asked) = proxies.ask("127.0.14.1:5070", now).remove(0);
        let asked = Message::parse(asked).unwrap();
        let says = |status| Message::response_to(&asked, status).build();
        all.iter().for_each(|at| proxies.answered(*at, &says(StatusCode::OK), now));
        let choices = |proxies: &ProxySet| -> Vec<SocketAddr> {
            (0..60).map(|flow| proxies.choice(FlowKey(ConnectionId(flow)), now).unwrap()).collect()
        };
        let before = choices(&proxies);
        assert!(all.iter().all(|at| before.contains(at)));
        proxies.answered(all[0], &says(StatusCode::SERVICE_UNAVAILABLE), now);
        let after = choices(&proxies);
        assert!(!after.contains(&all[0]), "it drains");
        assert!(before.iter().zip(&after).all(|(before, after)| before == after || *before == all[0]));
        all.iter().for_each(|at| proxies.answered(*at, &says(StatusCode::SERVICE_UNAVAILABLE), now));
        assert!(choices(&proxies).contains(&all[0]), "better than none");
    }

    #[test]
    fn an_answer_to_a_question_is_known_by_its_branch() {
        let mut proxies = ProxySet::default();
        proxies.set(&["127.0.1.1:5070".parse().unwrap()]);
        let (_, asked) = proxies.ask("127.0.14.1:5070", Timestamp::from_millis(5)).remove(0);
        let asked = Message::parse(asked).unwrap();
        assert!(asked.fault().is_none() && !is_answer(&asked));
        assert!(is_answer(&Message::response_to(&asked, sip::StatusCode::OK).build()));
    }
}
