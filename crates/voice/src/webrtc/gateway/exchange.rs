//! Requests that were passed on, each until its transaction is over.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use model::Timestamp;
use sip::transaction::{ClientId, ServerId};
use sip::{HeaderName, Message};

use super::flows::FlowKey;

/// The most reasons that are passed on with a CANCEL (RFC 3326).
const REASONS_MAX: usize = 4;
/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 512;

/// To which side a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Towards {
    /// To sip-proxy.
    Proxy,
    /// To a browser.
    Phone,
}

/// A flow that a phone has had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownFlow {
    pub key: FlowKey,
    pub name: Box<str>,
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct PhoneExchange {
    /// Whose, or to whom.
    pub flow: FlowKey,
    pub towards: Towards,
    /// The transaction in which it has come.
    pub server: ServerId,
    /// That in which it was sent; none while it waits.
    pub client: Option<ClientId>,
    /// The sip-proxy to which it was sent last.
    pub sent_to: Option<SocketAddr>,
    /// As it has come: for an answer of our own.
    pub asked: Message,
    /// Its Vias, topmost first.
    pub vias: Vec<Box<str>>,
    /// As it is sent, without a Via: to be sent again with the answer to a challenge.
    pub request: Option<Message>,
    /// The challenge that waits for credentials.
    pub challenge: Option<Message>,
    /// How many challenges to it were answered.
    pub challenges: u8,
    /// Whether it has had its final answer.
    pub is_answered: bool,
    /// The tag of To in what it was answered last, or is answered from now on by us.
    pub tag: Option<Box<str>>,
    /// Since when it is under way.
    pub begun_at: Timestamp,
    /// The flow that the phone has had before, by whose name a REGISTER goes.
    pub known: Option<KnownFlow>,
    /// The name of the way by which it went to sip-proxy.
    pub way: Option<Box<str>>,
    /// The source that it counts against, where nobody has proved to be a phone.
    pub stranger: Option<IpAddr>,
    /// The reasons of a CANCEL that is yet to be passed on.
    cancel: Option<Vec<(HeaderName, String)>>,
    /// Whether a CANCEL was passed on.
    pub is_cancelled: bool,
}

impl PhoneExchange {
    pub(super) fn new(flow: FlowKey, towards: Towards, server: ServerId, asked: Message, now: Timestamp) -> Self {
        Self {
            flow,
            towards,
            server,
            client: None,
            sent_to: None,
            vias: asked.elements(&HeaderName::Via).map(Into::into).collect(),
            asked,
            request: None,
            challenge: None,
            challenges: 0,
            is_answered: false,
            tag: None,
            begun_at: now,
            known: None,
            way: None,
            stranger: None,
            cancel: None,
            is_cancelled: false,
        }
    }

    /// Whoever has sent it wants it no more.
    pub(super) fn want_cancel(&mut self, cancel: &Message) {
        let short = cancel.headers(&HeaderName::Reason).filter(|reason| reason.len() <= REASON_BYTES_MAX);
        let reasons = short.take(REASONS_MAX).map(|reason| (HeaderName::Reason, reason.to_owned())).collect();
        self.cancel.get_or_insert(reasons);
    }

    /// Nobody wants it any more, for no reason that could be told.
    pub(super) fn want_end(&mut self) {
        self.cancel.get_or_insert_with(Vec::new);
    }

    /// Whether it is to be cancelled, sent or not.
    pub(super) const fn is_unwanted(&self) -> bool {
        self.cancel.is_some()
    }

    /// The reasons of the CANCEL, if it is still to be sent.
    pub(super) fn wanted_cancel(&self) -> Option<Vec<(HeaderName, String)>> {
        self.cancel.clone().filter(|_| !self.is_cancelled && !self.is_answered)
    }
}

/// All of them, each by a number.
#[derive(Debug, Default)]
pub(super) struct ExchangeTable {
    /// By their numbers, so that the earliest stand first.
    all: BTreeMap<u64, PhoneExchange>,
    /// By flow: whatever happens to one phone must not cost a search of all.
    by_flow: BTreeSet<(FlowKey, u64)>,
    /// How many there are of strangers, by their source.
    of_strangers: HashMap<IpAddr, usize>,
    last: u64,
}

impl ExchangeTable {
    /// Takes one in; returns its number.
    pub(super) fn add(&mut self, exchange: PhoneExchange) -> u64 {
        self.last += 1;
        self.by_flow.insert((exchange.flow, self.last));
        if let Some(source) = exchange.stranger {
            *self.of_strangers.entry(source).or_default() += 1;
        }
        self.all.insert(self.last, exchange);
        self.last
    }

    pub(super) fn get(&self, id: u64) -> Option<&PhoneExchange> {
        self.all.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut PhoneExchange> {
        self.all.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<PhoneExchange> {
        let exchange = self.all.remove(&id)?;
        self.by_flow.remove(&(exchange.flow, id));
        self.forget_stranger(exchange.stranger);
        Some(exchange)
    }

    /// The earliest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &PhoneExchange)> {
        self.all.iter().map(|(id, exchange)| (*id, exchange))
    }

    /// Those of a flow, the earliest first.
    pub(super) fn of_flow(&self, key: FlowKey) -> Vec<u64> {
        self.by_flow.range((key, 0)..=(key, u64::MAX)).map(|(_, id)| *id).collect()
    }

    /// One has its answer: from now on it counts against no source.
    pub(super) fn answered(&mut self, id: u64) {
        let stranger = self.all.get_mut(&id).and_then(|exchange| exchange.stranger.take());
        self.forget_stranger(stranger);
    }

    /// How many a source has that are of strangers, and have no answer.
    pub(super) fn of_source(&self, source: IpAddr) -> usize {
        self.of_strangers.get(&source).copied().unwrap_or_default()
    }

    /// Those of a flow are another's from now on, which has proved itself.
    pub(super) fn move_to(&mut self, from: FlowKey, to: FlowKey) {
        for id in self.of_flow(from) {
            if let Some(exchange) = self.all.get_mut(&id) {
                exchange.flow = to;
            }
            self.by_flow.remove(&(from, id));
            self.by_flow.insert((to, id));
        }
        self.prove(to);
    }

    /// Those of a flow are a stranger's no longer.
    pub(super) fn prove(&mut self, key: FlowKey) {
        for id in self.of_flow(key) {
            self.answered(id);
        }
    }

    fn forget_stranger(&mut self, source: Option<IpAddr>) {
        let Some(source) = source else { return };
        let Some(count) = self.of_strangers.get_mut(&source) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.of_strangers.remove(&source);
        }
    }
}
