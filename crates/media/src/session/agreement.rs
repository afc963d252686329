//! How a session comes by its keys where descriptions do not have them: the peer shows the way to it (ICE), and a handshake in the audio's
//! path agrees on the keys (DTLS). Their packets share the port with the audio and are told apart by their first byte (RFC 7983).
//!
//! Packets of a handshake prove nothing until it is over: one that spoils it costs a new beginning, and only a certificate of somebody
//! else, or [`AGREED_WITHIN`], ends the leg.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

use super::rate::Rate;
use super::{Channel, Event, PacketBuffer, Session, Transmit, source};
use crate::dtls::{self, Handshake, HandshakeError, Hello, Identity};
use crate::sdp::{Association, AudioStream};

/// The time in which there must be keys: a browser that asks its user for the microphone has answered by then.
const AGREED_WITHIN: Duration = Duration::from_secs(30);
/// The pause before our own handshake begins again.
const RETRY: Duration = Duration::from_secs(1);
/// Packets that wait to be sent: those of one flight and some checks. A peer whose check is lost makes another.
const WAITING_MAX: usize = 16;
/// Addresses that have passed a check: a browser has some networks and relays.
const FOUND_MAX: usize = 8;
/// Checks that name us and are looked at: burst, then rate per second. A browser makes fewer than 50 a second.
const CHECKS: (u32, u32) = (100, 100);
/// How long a choice keeps one with a lower priority out. A browser repeats its choice more often, and makes another one within seconds if
/// its way has died, which it alone sees.
const CHOICE_HOLDS: Duration = Duration::from_secs(3);
/// Moves to another way, each of which our owner hears of.
const MOVES: (u32, u32) = (8, 1);
/// Handshakes that a peer begins.
const BEGINNINGS: (u32, u32) = (4, 1);

/// The state of the agreement.
#[derive(Debug)]
pub(super) struct Agreement {
    identity: Option<Arc<Identity>>,
    /// With whom, by which beginning of theirs, and how far.
    handshake: Option<(SocketAddr, Option<Hello>, Box<Handshake>)>,
    /// Until when there must be keys.
    agreed_by: Timestamp,
    /// When we begin, again or at first.
    begins_at: Timestamp,
    /// Where the peer has shown that it is.
    way: Option<FoundWay>,
    /// From where else, the earliest first.
    found: VecDeque<SocketAddr>,
    waiting: VecDeque<(SocketAddr, Box<[u8]>)>,
    checks: Rate,
    moves: Rate,
    beginnings: Rate,
}

#[derive(Clone, Copy, Debug)]
struct FoundWay {
    to: SocketAddr,
    /// When the peer has said last that it chooses this one.
    chosen_at: Option<Timestamp>,
    /// Of several that it chooses at once, the one with the highest priority is meant (RFC 8445 §8.1.1).
    priority: u32,
}

impl Default for Agreement {
    fn default() -> Self {
        Self {
            identity: None,
            handshake: None,
            agreed_by: Timestamp::MAX,
            begins_at: Timestamp::MAX,
            way: None,
            found: VecDeque::new(),
            waiting: VecDeque::new(),
            checks: Rate::new(CHECKS.0, CHECKS.1),
            moves: Rate::new(MOVES.0, MOVES.1),
            beginnings: Rate::new(BEGINNINGS.0, BEGINNINGS.1),
        }
    }
}

impl Agreement {
    /// The way that was known to the former process.
    pub fn resume(stream: Option<&AudioStream>, now: Timestamp) -> Self {
        let mut resumed = Self::default();
        if let Some(stream) = stream {
            let finds = stream.association.as_ref().is_some_and(|association| association.ice.is_some());
            resumed.way = stream.remote.filter(|_| finds).map(|to| FoundWay { to, chosen_at: Some(now), priority: 0 });
            resumed.await_keys(stream, now);
        }
        resumed
    }

    /// Applies a new description: what it does not change goes on.
    pub fn negotiate(&mut self, before: Option<&AudioStream>, next: &mut AudioStream, now: Timestamp) {
        let Some(association) = &next.association else {
            *self = Self { identity: self.identity.take(), ..Self::default() };
            return;
        };
        if association.ice.is_some() {
            let is_new = |before: &AudioStream| before.association.as_ref().is_some_and(|it| it.ice != association.ice);
            if let Some(way) = self.way.as_mut().filter(|_| before.is_some_and(is_new)) {
                // It begins anew: what it has chosen before holds until it chooses again, whichever that is (RFC 8445 §9).
                (way.chosen_at, way.priority) = (None, 0);
            }
            let way = self.way.map(|way| way.to);
            (next.remote, next.remote_rtcp) = (way, way);
        }
        let is_same =
            |before: &&AudioStream| before.association.as_ref().is_some_and(|it| it.theirs == association.theirs);
        match before.filter(is_same) {
            Some(before) => next.protection = before.protection,
            None => self.handshake = None,
        }
        self.await_keys(next, now);
    }

    fn await_keys(&mut self, stream: &AudioStream, now: Timestamp) {
        let Some(association) = stream.association.as_ref().filter(|_| stream.protection.is_none()) else {
            (self.agreed_by, self.begins_at) = (Timestamp::MAX, Timestamp::MAX);
            return;
        };
        self.agreed_by = self.agreed_by.min(now + AGREED_WITHIN);
        self.begins_at = if association.connects { now } else { Timestamp::MAX };
    }

    pub fn next_timeout(&self) -> Timestamp {
        if !self.waiting.is_empty() {
            return Timestamp::ZERO;
        }
        let handshake = match &self.handshake {
            Some((.., handshake)) => handshake.next_timeout(),
            None => self.begins_at,
        };
        handshake.min(self.agreed_by)
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self, out: &mut PacketBuffer) -> Option<Transmit> {
        let (to, packet) = self.waiting.pop_front()?;
        out.get_mut(..packet.len())?.copy_from_slice(&packet);
        Some(Transmit { to, channel: Channel::Rtp, length: packet.len() })
    }

    /// Nothing more is sent.
    pub fn end(&mut self) {
        *self = Self::default();
    }

    fn note_found(&mut self, from: SocketAddr) {
        if self.found.contains(&from) {
            return;
        }
        if self.found.len() == FOUND_MAX {
            self.found.pop_front();
        }
        self.found.push_back(from);
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
        // Junk that anybody sends to a guessed port must not use up what is left to the peer's checks.
        let Some(ice) = association.ice.as_ref().filter(|ice| ice.is_named_by(bytes)) else { return };
        if !self.agreement.checks.allows(now) {
            return;
        }
        let Some(check) = ice.check(bytes, from) else { return };
        Agreement::send(&mut self.agreement.waiting, from, &check.answer);
        self.agreement.note_found(from);
        let chosen_at = check.is_chosen.then_some(now);
        let next = FoundWay { to: from, chosen_at, priority: check.priority };
        let holds = |way: FoundWay| way.chosen_at.is_some_and(|at| now.since(at) < CHOICE_HOLDS);
        let is_way = match self.agreement.way {
            // Until it chooses, the first way is as good as any.
            None => true,
            Some(way) if way.to == from => {
                self.agreement.way = Some(FoundWay { chosen_at: chosen_at.or(way.chosen_at), ..next });
                false
            }
            Some(way) if !check.is_chosen || (holds(way) && way.priority > check.priority) => false,
            Some(_) => self.agreement.moves.allows(now),
        };
        if is_way {
            self.take_way(next, now);
        }
    }

    /// The peer is at this address: whoever knows the password has said so from there.
    fn take_way(&mut self, way: FoundWay, now: Timestamp) {
        self.agreement.way = Some(way);
        let Some(before) = self.stream.as_ref() else { return };
        let next = AudioStream { remote: Some(way.to), remote_rtcp: Some(way.to), ..before.clone() };
        self.inbound.source.negotiate(Some(before), &next, now);
        self.inbound.source.find(way.to);
        self.stream = Some(next);
        self.tell(Event::Learned(way.to));
    }

    /// Whether a handshake's packets are taken from this address.
    fn is_peer(&self, association: &Association, from: SocketAddr) -> bool {
        match (&association.ice, self.stream.as_ref()) {
            (Some(_), _) => {
                self.agreement.found.contains(&from) || self.agreement.way.is_some_and(|way| way.to == from)
            }
            (None, Some(stream)) => source::is_named(stream, from),
            (None, None) => false,
        }
    }

    /// Begins the handshake where that is ours to do, once it is known where.
    fn begin_handshake(&mut self, now: Timestamp) {
        self.agreement.begins_at = now + RETRY;
        let Some(stream) = self.stream.as_ref() else { return };
        let (Some(association), Some(identity)) = (&stream.association, &self.agreement.identity) else { return };
        let Some(to) = self.inbound.source.destination(stream) else { return };
        let handshake = Handshake::begin(identity, association.theirs.clone(), true, now);
        self.agreement.handshake = Some((to, None, Box::new(handshake)));
        self.advance(Ok(()), now);
    }

    fn handle_handshake(&mut self, association: Association, bytes: &[u8], from: SocketAddr, now: Timestamp) {
        let hello = dtls::hello(bytes);
        let Agreement { identity, handshake, beginnings, .. } = &mut self.agreement;
        let Some(identity) = identity else { return };
        // A peer that begins anew has lost its keys, or goes on elsewhere. So has one whose keys a former process had.
        let is_new = match handshake {
            None => hello.is_some() && !association.connects,
            Some((_, known, _)) => known.is_some() && hello.is_some() && hello != *known,
        };
        if is_new && beginnings.allows(now) {
            let begun = Handshake::begin(identity, association.theirs, false, now);
            *handshake = Some((from, hello, Box::new(begun)));
        }
        let Some((at, _, handshake)) = handshake else { return };
        if !handshake.takes(bytes) {
            return;
        }
        *at = from;
        let handled = handshake.handle(bytes, now);
        self.advance(handled, now);
    }

    /// Does what is due of the agreement.
    pub(super) fn agree_in_time(&mut self, now: Timestamp) {
        if self.agreement.agreed_by <= now {
            self.agreement.end_of_waiting();
            return self.tell(Event::NotAgreed(HandshakeError::Late));
        }
        match &mut self.agreement.handshake {
            None if self.agreement.begins_at <= now => self.begin_handshake(now),
            Some((.., handshake)) if handshake.is_forgotten(now) => self.agreement.handshake = None,
            Some((.., handshake)) if handshake.next_timeout() <= now => {
                let handled = handshake.handle_timeout(now);
                self.advance(handled, now);
            }
            _ => {}
        }
    }

    /// Sends what the handshake has to say, and takes the keys once they are agreed on.
    fn advance(&mut self, handled: Result<(), HandshakeError>, now: Timestamp) {
        let Agreement { handshake: Some((to, _, handshake)), waiting, .. } = &mut self.agreement else { return };
        let polled = handled.and_then(|()| handshake.poll(now, |packet| Agreement::send(waiting, *to, packet)));
        let to = *to;
        match polled {
            Ok(None) => {}
            Ok(Some(agreed)) => {
                let Some(stream) = self.stream.as_mut() else { return };
                stream.protection = Some(agreed);
                let finds = stream.association.as_ref().is_some_and(|association| association.ice.is_some());
                self.agreement.end_of_waiting();
                self.guard.negotiate(Some(&agreed), false, self.outbound.ssrc());
                // The certificate says more than a check: its owner is there.
                if finds && self.agreement.way.is_none_or(|way| way.to != to) {
                    self.take_way(FoundWay { to, chosen_at: Some(now), priority: 0 }, now);
                }
                self.tell(Event::Counted);
            }
            Err(error) => {
                self.agreement.handshake = None;
                let is_awaited = self.agreement.agreed_by != Timestamp::MAX;
                if self.agreement.begins_at != Timestamp::MAX {
                    // Counted from now: a packet that spoils one handshake must not begin the next.
                    self.agreement.begins_at = now + RETRY;
                }
                if is_awaited && error.is_final() {
                    self.agreement.end_of_waiting();
                    self.tell(Event::NotAgreed(error));
                }
            }
        }
    }
}

impl Agreement {
    fn end_of_waiting(&mut self) {
        (self.agreed_by, self.begins_at) = (Timestamp::MAX, Timestamp::MAX);
    }
}
