//! Responses made by the proxy itself.

use std::fmt::Display;

use model::Timestamp;

use super::branch::loop_mark;
use super::settings::RETRY_AFTER_S;
use super::{Proxy, headers, rendezvous};
use crate::flow::Flow;
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;
use crate::transaction::ServerId;
use crate::unreached::Unreached;

/// A final response made by the proxy itself.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: Vec<(HeaderName, String)>,
}

impl Answer {
    pub(super) const fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new() }
    }

    /// 503 with Retry-After.
    pub(super) fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE).with(HeaderName::RetryAfter, RETRY_AFTER_S)
    }

    /// 503 of a request to a place outside, with the reason why that was not reached.
    pub(super) fn not_reached(why: Option<Unreached>) -> Self {
        let answer = Self::new(StatusCode::SERVICE_UNAVAILABLE);
        match why {
            Some(why) => answer.with(headers::NOT_REACHED, why.as_str()),
            None => answer,
        }
    }

    pub(super) fn with(mut self, name: HeaderName, value: impl Display) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

impl Proxy {
    /// Answers a request in its transaction. An INVITE that is refused before anything else was done for it keeps none: its repeat
    /// is answered from memory, and its ACK is not waited for, so that refused ones cannot fill the table.
    pub(super) fn answer(&mut self, server: ServerId, request: &Message, answer: &Answer, now: Timestamp) {
        if answer.status.is_final() && request.method() == Method::Invite && self.layer.owner_of(server) == Some(0) {
            let response = stateless(request, answer).build();
            return self.layer.respond_and_forget(server, &response, now);
        }
        let response = self.response_to(request, answer);
        // An error means that the transaction is over: the peer stopped waiting.
        let _ = self.layer.respond(server, &response, now);
    }

    /// Answers a stranger, usually with a challenge, without keeping state: a flood of unauthenticated requests fills no
    /// memory, and a repeat gets a challenge of its own. The tag is the same in each (RFC 3261 §8.2.7).
    pub(super) fn answer_stranger(&mut self, flow: Flow, request: &Message, answer: &Answer) {
        self.layer.transmit(flow, stateless(request, answer).into_bytes());
    }

    pub(super) fn response_to(&mut self, request: &Message, answer: &Answer) -> Message {
        let mut response = Message::response_to(request, answer.status);
        if answer.status != StatusCode::TRYING {
            response = response.to_tag(&format!("p{:x}", self.entropy.next_u64()));
        }
        headed(response, answer).build()
    }
}

fn stateless(request: &Message, answer: &Answer) -> crate::Builder {
    let tag = format!("{STRANGERS}{:08x}{}", loop_mark(request), mark_of_branch(request));
    headed(Message::response_to(request, answer.status).to_tag(&tag), answer)
}

/// The prefix of the tags of stateless answers.
const STRANGERS: &str = "p-";

fn mark_of_branch(request: &Message) -> String {
    let branch = request.top_via().ok().and_then(|via| via.branch()).unwrap_or_default();
    format!("{:016x}", rendezvous::hash(branch.as_bytes()))
}

/// Whether an ACK is for a stateless answer: it has the branch of its INVITE (RFC 3261 §17.1.1.3).
pub(super) fn is_strangers_ack(ack: &Message) -> bool {
    let tag = ack.to().ok().and_then(|to| to.tag()).and_then(|tag| tag.strip_prefix(STRANGERS));
    tag.is_some_and(|tag| tag.ends_with(&mark_of_branch(ack)))
}

fn headed(response: crate::Builder, answer: &Answer) -> crate::Builder {
    answer.headers.iter().fold(response, |response, (name, value)| response.header(name, value))
}
