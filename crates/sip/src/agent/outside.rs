//! Requests outside dialogs, both ways.

use std::sync::Arc;

use bytes::Bytes;
use model::Timestamp;

use super::command::{CommandError, IncomingId, OutgoingRequest, Reply, RequestId};
use super::compose::{ALLOW, SDP, SUPPORTED, with_headers, with_reply, with_session};
use super::event::Event;
use super::{OUTSIDE, UserAgent, Waiting};
use crate::dialog::MAX_FORWARDS;
use crate::header::{CSeq, HeaderName};
use crate::transaction::{ClientId, ClientRequest, NewRequest, ServerId};
use crate::{Flow, Message, Method, StatusCode};

/// The most requests of each direction that wait outside dialogs for a response.
pub(super) const OUTSIDE_MAX: usize = 16_384;

/// A request of ours outside every dialog.
#[derive(Debug)]
pub(super) struct Outside {
    id: RequestId,
    request: Bytes,
    flow: Flow,
    challenged: bool,
}

impl UserAgent {
    /// Sends a request outside every dialog. `Responded` follows.
    ///
    /// # Errors
    /// For INVITE, ACK and CANCEL, and when too many requests wait.
    pub fn request(&mut self, request: OutgoingRequest, now: Timestamp) -> Result<RequestId, CommandError> {
        if matches!(request.method, Method::Invite | Method::Ack | Method::Cancel) {
            return Err(CommandError::WrongState("that method"));
        }
        if self.outside.len() >= OUTSIDE_MAX {
            return Err(CommandError::Full);
        }
        let (via, branch) = self.new_via(request.flow);
        let tag = self.random_tag();
        let cseq = format!("{} {}", request.cseq, request.method);
        let mut message = Message::request(request.method, &request.target).header(&HeaderName::Via, via);
        for route in &request.routes {
            message = message.header(&HeaderName::Route, route);
        }
        message = message
            .header(&HeaderName::MaxForwards, MAX_FORWARDS)
            .header(&HeaderName::From, format_args!("{};tag={tag}", request.from))
            .header(&HeaderName::To, &request.to)
            .header(&HeaderName::CallId, &request.call_id)
            .header(&HeaderName::CSeq, cseq);
        if let Some(product) = &self.config.product {
            message = message.header(&HeaderName::UserAgent, product);
        }
        message = with_headers(message, &request.headers);
        if let Some(body) = &request.body {
            message = message.body(&body.content_type, body.bytes.clone());
        }
        let id = RequestId(self.entropy.next_u64());
        let outside = Outside { id, request: Bytes::new(), flow: request.flow, challenged: false };
        self.send_outside(&message.build(), &branch, outside, now)?;
        Ok(id)
    }

    /// Answers a request (`Info`, `Request`).
    ///
    /// # Errors
    /// When it was answered already, timed out (RFC 4320) or ended with its dialog.
    pub fn respond(&mut self, request: IncomingId, reply: Reply, now: Timestamp) -> Result<(), CommandError> {
        let waiting = if reply.status.is_final() {
            self.waiting.remove(&request.0)
        } else {
            self.waiting.get(&request.0).cloned()
        };
        match waiting.ok_or(CommandError::Gone)? {
            Waiting::Outside(server, message) => {
                let response = with_reply(self.plain_response(&message, reply.status, ""), &reply).build();
                Ok(self.layer.respond(server, &response, now)?)
            }
            Waiting::Within(id) => {
                let leg = self.dialogs.get_mut(id.0).ok_or(CommandError::Gone)?;
                let at = leg.state.incoming.iter().position(|p| p.id == request.0).ok_or(CommandError::Gone)?;
                let server = *leg.servers.get(at).ok_or(CommandError::Gone)?;
                let tag = leg.state.dialog.local_tag.clone();
                let message = Message::parse(leg.state.incoming[at].request.clone()).map_err(|_| CommandError::Gone)?;
                if reply.status.is_final() {
                    leg.state.incoming.remove(at);
                    leg.servers.remove(at);
                }
                let mut response = self.plain_response(&message, reply.status, &tag);
                // A REFER begins a subscription (RFC 3515 §2.2).
                if message.method() == Method::Refer
                    && reply.status.is_success()
                    && let Some(leg) = self.dialogs.get(id.0)
                {
                    response = response.header(&HeaderName::Contact, &leg.state.dialog.contact);
                }
                let response = with_reply(response, &reply).build();
                if reply.status.is_final() {
                    self.finish_within(id, server, &message, &response, now);
                    return Ok(());
                }
                Ok(self.layer.respond(server, &response, now)?)
            }
        }
    }

    pub(super) fn request_outside(&mut self, new: NewRequest, now: Timestamp) {
        let NewRequest { server, message, flow, .. } = new;
        let method = message.method();
        if message.to().is_ok_and(|to| to.tag().is_some()) {
            self.respond_plain(server, &message, StatusCode::CALL_DOES_NOT_EXIST, "", now);
            return;
        }
        let wanted = self.config.methods.contains(&method);
        if !wanted && method == Method::Options {
            self.respond_options(server, &message, now);
            return;
        }
        if !wanted {
            // Requests valid only inside a dialog belong to none here (§12.2.2).
            match method {
                Method::Bye | Method::Info | Method::Update | Method::Prack => {
                    self.respond_plain(server, &message, StatusCode::CALL_DOES_NOT_EXIST, "", now);
                }
                _ => self.respond_not_allowed(server, &message, "", now),
            }
            return;
        }
        if let Some(response) = self.fault_response(&message, "") {
            let _ = self.layer.respond(server, &response, now);
            return;
        }
        if self.waiting.len() >= OUTSIDE_MAX {
            self.respond_busy(server, &message, "", now);
            return;
        }
        let id = self.entropy.next_u64();
        let message = Arc::new(message);
        self.layer.own(server, OUTSIDE);
        self.waiting.insert(id, Waiting::Outside(server, message.clone()));
        self.events.push_back(Event::Request { request: IncomingId(id), message, flow });
    }

    /// The answer to an OPTIONS outside a dialog that the application does not handle.
    fn respond_options(&mut self, server: ServerId, request: &Message, now: Timestamp) {
        let response = self
            .plain_response(request, StatusCode::OK, "")
            .header(&HeaderName::Allow, ALLOW)
            .header(&HeaderName::Accept, SDP)
            .header(&HeaderName::Supported, SUPPORTED);
        let _ = self.layer.respond(server, &with_session(response, None).build(), now);
    }

    pub(super) fn response_outside(
        &mut self,
        client: ClientId,
        status: StatusCode,
        response: Option<Message>,
        now: Timestamp,
    ) {
        if status.is_provisional() {
            return;
        }
        let Some(outside) = self.outside.remove(&client) else { return };
        let id = outside.id;
        if let Some(response) = &response
            && !outside.challenged
            && let Ok(mut request) = Message::parse(outside.request.clone())
            && self.authorize(None, &mut request, status, response)
        {
            let (via, branch) = self.new_via(outside.flow);
            let cseq = (request.cseq().map_or(1, |c| c.number) + 1).min(CSeq::MAX);
            let method = request.method();
            request.set(&HeaderName::Via, via);
            request.set(&HeaderName::CSeq, format_args!("{cseq} {method}"));
            let again = Outside { challenged: true, request: Bytes::new(), ..outside };
            if self.send_outside(&request, &branch, again, now).is_ok() {
                return;
            }
        }
        let response = response.map(Arc::new);
        self.events.push_back(Event::Responded { dialog: None, request: id, status, response });
    }

    fn send_outside(
        &mut self,
        message: &Message,
        branch: &str,
        outside: Outside,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let flow = outside.flow;
        let client = self.layer.send(ClientRequest { message, branch, flow, owner: OUTSIDE }, now)?;
        let request = self.layer.request_of(client);
        self.outside.insert(client, Outside { request, ..outside });
        Ok(())
    }

    pub(super) fn outside_unanswered(&mut self, server: ServerId) {
        self.waiting.retain(|_, waiting| !matches!(waiting, Waiting::Outside(s, _) if *s == server));
    }
}
