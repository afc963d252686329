//! How a session comes by its keys where descriptions do not have them: the peer shows the way to it (ICE), and a handshake in the audio's
//! path agrees on the keys (DTLS). Their packets share the port with the audio and are told apart by their first byte (RFC 7983).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use model::Timestamp;

use super::{Channel, Event, PacketBuffer, Session, Transmit};
use crate::dtls::{Handshake, HandshakeError, Identity};
use crate::sdp::{Association, AudioStream};

/// Packets that wait to be sent: those of one flight and some checks. A peer whose check is lost makes another.
const WAITING_MAX: usize = 16;

/// The state of the agreement.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    identity: Option<Arc<Identity>>,
    /// With whom, and how far.
    handshake: Option<(SocketAddr, Box<Handshake>)>,
    /// Where the peer has shown that it is, and whether it has chosen that way.
    way: Option<(SocketAddr, bool)>,
    waiting: VecDeque<(SocketAddr, Box<[u8]>)>,
}

impl Agreement {
    /// The way that was known to the former process.
    pub fn resume(stream: Option<&AudioStream>) -> Self {
        let finds = stream.filter(|stream| stream.association.as_ref().is_some_and(|it| it.ice.is_some()));
        Self { way: finds.and_then(|stream| Some((stream.remote?, true))), ..Self::default() }
    }

    /// Applies a new description: what it does not change goes on.
    pub fn negotiate(&mut self, before: Option<&AudioStream>, next: &mut AudioStream) {
        let Some(association) = &next.association else {
            *self = Self { identity: self.identity.take(), ..Self::default() };
            return;
        };
        if association.ice.is_some() {
            let way = self.way.map(|(way, _)| way);
            (next.remote, next.remote_rtcp) = (way, way);
        }
        let is_same =
            |before: &&AudioStream| before.association.as_ref().is_some_and(|it| it.theirs == association.theirs);
        match before.filter(is_same) {
            Some(before) => next.protection = before.protection,
            None => self.handshake = None,
        }
    }

    pub fn next_timeout(&self) -> Timestamp {
        if !self.waiting.is_empty() {
            return Timestamp::ZERO;
        }
        self.handshake.as_ref().map_or(Timestamp::MAX, |(_, handshake)| handshake.next_timeout())
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self, out: &mut PacketBuffer) -> Option<Transmit> {
        let (to, packet) = self.waiting.pop_front()?;
        out.get_mut(..packet.len())?.copy_from_slice(&packet);
        Some(Transmit { to, channel: Channel::Rtp, length: packet.len() })
    }

    /// Nothing more is sent.
    pub fn end(&mut self) {
        (self.handshake, self.waiting) = (None, VecDeque::new());
    }

    fn send(waiting: &mut VecDeque<(SocketAddr, Box<[u8]>)>, to: SocketAddr, packet: &[u8]) {
        if waiting.len() < WAITING_MAX {
            waiting.push_back((to, packet.into()));
        }
    }
}

impl Session {
    /// Gives the certificate with which keys are agreed on.
    pub fn set_identity(&mut self, identity: Arc<Identity>) {
        self.agreement.identity = Some(identity);
    }

    /// Processes a packet of the RTP port that is neither RTP nor RTCP; false if it is one of these, or no agreement is wanted.
    pub(super) fn handle_agreement(&mut self, bytes: &[u8], from: SocketAddr, now: Timestamp) -> bool {
        let Some(first) = bytes.first().filter(|first| **first < 64) else { return false };
        let Some(association) = self.stream.as_ref().and_then(|stream| stream.association.clone()) else {
            return false;
        };
        match first {
            0..=3 => self.handle_check(&association, bytes, from, now),
            20..=63 if self.is_peer(&association, from) => self.handle_handshake(association, bytes, from, now),
            _ => {}
        }
        true
    }

    fn handle_check(&mut self, association: &Association, bytes: &[u8], from: SocketAddr, now: Timestamp) {
        let Some(check) = association.ice.as_ref().and_then(|ice| ice.check(bytes, from)) else { return };
        let is_way = match self.agreement.way {
            // Until it chooses, the first way is as good as any.
            None => true,
            Some((way, _)) => check.is_chosen && way != from,
        };
        Agreement::send(&mut self.agreement.waiting, from, &check.answer);
        if is_way {
            self.take_way(from, check.is_chosen, now);
        }
        self.begin_handshake(now);
    }

    /// The peer is at this address: whoever knows the password has said so from there.
    fn take_way(&mut self, from: SocketAddr, is_chosen: bool, now: Timestamp) {
        self.agreement.way = Some((from, is_chosen));
        let Some(before) = self.stream.as_ref() else { return };
        let next = AudioStream { remote: Some(from), remote_rtcp: Some(from), ..before.clone() };
        self.inbound.source.negotiate(Some(before), &next, now);
        self.inbound.source.find(from);
        self.stream = Some(next);
        self.tell(Event::Learned(from));
    }

    /// Whether a handshake's packets are taken from this address.
    fn is_peer(&self, association: &Association, from: SocketAddr) -> bool {
        match (&association.ice, self.stream.as_ref()) {
            (Some(_), _) => self.agreement.way.is_some_and(|(way, _)| way == from),
            (None, Some(stream)) => super::source::is_named(stream, from),
            (None, None) => false,
        }
    }

    /// Begins the handshake where that is ours to do, once it is known where.
    pub(super) fn begin_handshake(&mut self, now: Timestamp) {
        let Some(stream) = self.stream.as_ref().filter(|stream| stream.protection.is_none()) else { return };
        let connects = stream.association.as_ref().filter(|association| association.connects);
        let (Some(association), None, Some(identity)) = (connects, &self.agreement.handshake, &self.agreement.identity)
        else {
            return;
        };
        let Some(to) = self.inbound.source.destination(stream) else { return };
        let handshake = Handshake::begin(identity, association.theirs.clone(), true, now);
        self.agreement.handshake = Some((to, Box::new(handshake)));
        self.advance(Ok(()), now);
    }

    fn handle_handshake(&mut self, association: Association, bytes: &[u8], from: SocketAddr, now: Timestamp) {
        let Agreement { identity, handshake, .. } = &mut self.agreement;
        let Some(identity) = identity else { return };
        // A peer that has lost its keys, or that ours of another process has handed over, begins again.
        let (at, handshake) = handshake.get_or_insert_with(|| {
            (from, Box::new(Handshake::begin(identity, association.theirs, association.connects, now)))
        });
        *at = from;
        let handled = handshake.handle(bytes, now);
        self.advance(handled, now);
    }

    /// Does what is due of the agreement.
    pub(super) fn agree_in_time(&mut self, now: Timestamp) {
        let Some((_, handshake)) = &mut self.agreement.handshake else { return };
        if handshake.next_timeout() > now {
            return;
        }
        if handshake.is_forgotten(now) {
            self.agreement.handshake = None;
            return;
        }
        let handled = handshake.handle_timeout(now);
        self.advance(handled, now);
    }

    /// Sends what the handshake has to say, and takes the keys once they are agreed on.
    fn advance(&mut self, handled: Result<(), HandshakeError>, now: Timestamp) {
        let Agreement { handshake: Some((to, handshake)), waiting, .. } = &mut self.agreement else { return };
        let polled = handled.and_then(|()| handshake.poll(now, |packet| Agreement::send(waiting, *to, packet)));
        let agreed = match polled {
            Ok(agreed) => agreed,
            Err(error) => {
                self.agreement.handshake = None;
                // One that was over, or goes on under the keys of before, has lost nothing.
                if self.stream.as_ref().is_some_and(|stream| stream.protection.is_none()) {
                    self.tell(Event::NotAgreed(error));
                }
                return;
            }
        };
        if let (Some(agreed), Some(stream)) = (agreed, self.stream.as_mut()) {
            stream.protection = Some(agreed);
            self.guard.negotiate(Some(&agreed), false, self.outbound.ssrc());
            self.tell(Event::Counted);
        }
    }
}
