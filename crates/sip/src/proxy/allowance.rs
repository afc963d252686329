//! Messages admitted beyond their source's rate: those that a stranger cannot send.
//!
//! Anybody can forge a datagram's source, so with only a rate per source a few packets a second could silence an office.
//! Messages that prove their origin therefore have allowances that nobody else can use up:
//!
//! - messages of an existing transaction: its branch is random;
//! - messages on a flow on which a phone, or who calls by a trunk with a password, has recently authenticated;
//! - messages of a dialog of ours: they carry a tag or a flow token that we sealed. Verified ones are remembered by their hash.
//!   Of the others a limited number a second is verified, per source and in all, since that costs more than the rest;
//! - messages on a connection, whose source is not forged.
//!
//! Only proven senders write into the tables of flows and dialogs. Strangers can evict entries of the table of sources; an
//! evicted source has its full allowance again.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use model::Timestamp;

use super::flow_token::PhoneMark;
use super::generations::Generations;
use super::settings::PHONES_MAX;
use super::sources::{block, take};
use super::{Proxy, arrival, flow_token};
use crate::flow::Flow;
use crate::local_tag::LocalTag;
use crate::message::Message;
use crate::uri::Uri;

/// Flows on which phones have authenticated: twice those of the largest measured installation.
const FLOWS_MAX: usize = 131_072;
/// How long an authentication counts for a flow: twice the longest registration that the registrar grants.
const FLOW_PROVEN_FOR: Duration = Duration::from_secs(7_200);
/// Sealed texts that are remembered: ten times the calls of an installation.
const DIALOGS_MAX: usize = 200_000;
/// Sources that have used up their rate.
const SOURCES_MAX: usize = 65_536;
/// Requests of one dialog each second: key presses, hold and retrieve.
const DIALOG_PER_S: u32 = 50;
/// Seals verified each second beyond a source's rate: after our restart, an office's calls come back within seconds.
const CHECKS_PER_S: u32 = 100;
/// The same for all sources together: a few hundredths of a processor.
const CHECKS_OF_ALL_PER_S: u32 = 10_000;
/// Calls for help each second that are let in beside everything that is refused: a few, so that those let in before are finished in time.
const FOR_HELP_PER_S: u32 = 20;
/// The same of one phone, by however many flows: it takes ten of them that repeat such calls to keep those of others out.
const FOR_HELP_OF_PHONE_PER_S: u32 = 2;
/// How long a call that was let in may take to answer our challenge: as long as its INVITE may be repeated.
const CHALLENGE_ANSWERED_WITHIN: Duration = Duration::from_secs(32);
/// Bytes searched for our branch: it is in the topmost Via, which is among the first lines of a response.
const BRANCH_WITHIN: usize = 2_048;

/// The tables.
#[derive(Debug)]
pub(super) struct Allowance {
    /// By flow and, on that of a gateway, by the hash of the name of which of its clients has authenticated; 0 for any other.
    flows: Generations<(Flow, u64), Proven>,
    /// When a phone's allowance of calls for help is full again, by the number of its mark.
    for_help: Generations<u64, Timestamp>,
    /// When the allowance of each is full again.
    dialogs: Generations<u64, Timestamp>,
    sources: Generations<IpAddr, Source>,
    checks_full: Timestamp,
    for_help_full: Timestamp,
    /// Random, so that nobody can choose two texts with the same hash.
    seed: RandomState,
}

#[derive(Clone, Copy, Debug, Default)]
struct Proven {
    at: Timestamp,
    full: Timestamp,
    /// The number of the mark of the phone that has authenticated last; 0 if none has.
    phone: u64,
    /// When the password of a trunk was given last.
    trunk_at: Option<Timestamp>,
    /// When a call for help was let in that has yet to answer our challenge.
    let_in: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Source {
    /// For messages of transactions.
    transactions_full: Timestamp,
    /// For messages on connections.
    connections_full: Timestamp,
    checks_full: Timestamp,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self {
            flows: Generations::new(FLOWS_MAX),
            for_help: Generations::new(PHONES_MAX),
            dialogs: Generations::new(DIALOGS_MAX),
            sources: Generations::new(SOURCES_MAX),
            checks_full: Timestamp::default(),
            for_help_full: Timestamp::default(),
            seed: RandomState::new(),
        }
    }

    /// Records that a phone has authenticated on a flow: `behind` is the name that a gateway has for it.
    pub(super) fn proved(&mut self, flow: Flow, behind: Option<&str>, phone: PhoneMark, now: Timestamp) {
        let way = self.way(flow, behind);
        let proven = self.flows.entry(way);
        (proven.at, proven.phone) = (now, phone.number());
    }

    /// Records that who calls by a trunk has given its password on a flow.
    pub(super) fn proved_trunk(&mut self, flow: Flow, now: Timestamp) {
        let proven = self.flows.entry((flow, 0));
        (proven.at, proven.trunk_at) = (now, Some(now));
    }

    /// Whether the password of a trunk was given on a flow lately.
    pub(super) fn is_trunks(&self, flow: Flow, now: Timestamp) -> bool {
        let given = self.flows.peek((flow, 0)).and_then(|proven| proven.trunk_at);
        given.is_some_and(|at| now.since(at) <= FLOW_PROVEN_FOR)
    }

    /// Records a verified sealed text: a dialog's tag or a flow token.
    pub(super) fn sealed(&mut self, text: &str) {
        let key = self.seed.hash_one(text);
        self.dialogs.entry(key);
    }

    fn way(&self, flow: Flow, behind: Option<&str>) -> (Flow, u64) {
        (flow, behind.map_or(0, |name| self.seed.hash_one(name)))
    }

    fn of_flow(&mut self, flow: Flow, per_s: u32, now: Timestamp) -> bool {
        let Some(proven) = self.flows.get((flow, 0)) else { return false };
        now.since(proven.at) <= FLOW_PROVEN_FOR && take(&mut proven.full, per_s, now)
    }

    /// Whether one more call for help is let in where no other is, from a flow on which a phone has authenticated, `behind` a gateway under
    /// the same name. An INVITE and the same that `answers` our challenge to it count once.
    pub(super) fn may_call_for_help(
        &mut self,
        flow: Flow,
        behind: Option<&str>,
        answers: bool,
        now: Timestamp,
    ) -> bool {
        // Whoever calls by a trunk reaches no emergency service.
        let is_phones = |proven: &&mut Proven| proven.phone != 0 && now.since(proven.at) <= FLOW_PROVEN_FOR;
        let way = self.way(flow, behind);
        let Some(proven) = self.flows.get(way).filter(is_phones) else { return false };
        if answers && proven.let_in.take().is_some_and(|at| now.since(at) <= CHALLENGE_ANSWERED_WITHIN) {
            return true;
        }
        let is_let_in = take(self.for_help.entry(proven.phone), FOR_HELP_OF_PHONE_PER_S, now)
            && take(&mut self.for_help_full, FOR_HELP_PER_S, now);
        if is_let_in && !answers {
            proven.let_in = Some(now);
        }
        is_let_in
    }

    /// Whether a source may have one more seal verified.
    fn may_check(&mut self, source: IpAddr, now: Timestamp) -> bool {
        take(&mut self.sources.entry(block(source)).checks_full, CHECKS_PER_S, now)
            && take(&mut self.checks_full, CHECKS_OF_ALL_PER_S, now)
    }
}

impl Proxy {
    /// Whether a message is admitted although its source has used up its rate.
    pub(super) fn is_known(&mut self, message: &Message, flow: Flow, source: IpAddr, now: Timestamp) -> bool {
        let per_s = self.requests_per_s(flow, source, now);
        let known = if self.layer.knows(message, now) {
            let per_s = if message.is_request() { per_s } else { self.answers_per_s(flow, source, now) };
            take(&mut self.allowance.sources.entry(block(source)).transactions_full, per_s, now)
        } else if message.is_request() {
            // On the flow of a gateway one phone's password says nothing of the others; but no source is forged there.
            (!flow.is_of_gateway() && self.allowance.of_flow(arrival::way_back(message, flow), per_s, now))
                || ((flow.is_reliable() || flow.is_of_gateway())
                    && take(&mut self.allowance.sources.entry(block(source)).connections_full, per_s, now))
                || self.is_of_dialog(message, source, per_s, now)
        } else {
            false
        };
        self.counts.rate_known += u64::from(known);
        known
    }

    /// Whether a request carries a text that we sealed: a dialog's tag or a flow token.
    fn is_of_dialog(&mut self, request: &Message, source: IpAddr, per_s: u32, now: Timestamp) -> bool {
        let to_tag = request.to().ok().and_then(|to| to.tag());
        let user = request.request_uri().and_then(|uri| Uri::parse(uri).ok()).and_then(|uri| uri.user());
        let tag = to_tag.into_iter().chain(user).find(|text| LocalTag::looks_like_one(text));
        if let Some(tag) = tag {
            return self.is_sealed(tag, DIALOG_PER_S, source, now, |this| LocalTag::decode(tag, &this.seal).is_some());
        }
        let Some(token) = self.own_top_route(request).filter(|user| flow_token::looks_like_one(user)) else {
            return false;
        };
        self.is_sealed(&token, per_s, source, now, |this| flow_token::open(&token, &this.seal).is_some())
    }

    fn is_sealed(
        &mut self,
        text: &str,
        per_s: u32,
        source: IpAddr,
        now: Timestamp,
        verifies: impl FnOnce(&Self) -> bool,
    ) -> bool {
        let key = self.allowance.seed.hash_one(text);
        if let Some(full) = self.allowance.dialogs.get(key) {
            return take(full, per_s, now);
        }
        if !self.allowance.may_check(source, now) {
            return false;
        }
        self.counts.seals_checked += 1;
        verifies(self) && take(self.allowance.dialogs.entry(key), per_s, now)
    }

    /// Records the tag in a node's message as one of our dialogs.
    pub(super) fn note_dialog(&mut self, tag: Option<&str>) {
        if let Some(tag) = tag.filter(|tag| LocalTag::looks_like_one(tag)) {
            self.allowance.sealed(tag);
        }
    }
}

/// Whether a datagram may concern us, judged by its first bytes: a response without our branch does not.
pub(super) fn may_be_known(bytes: &[u8]) -> bool {
    let head = bytes.get(..BRANCH_WITHIN).unwrap_or(bytes);
    !head.starts_with(b"SIP/2.0 ") || memchr::memmem::find(head, super::branch::OUR_BRANCHES.as_bytes()).is_some()
}

#[cfg(test)]
mod tests;
