//! Legs and conferences: which leg hears which. Owns the sessions of one thread; the driver owns the sockets.
//!
//! Two members of a conference who speak one codec are relayed, packets untouched; others are mixed ([`crate::mixer`]).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use smallvec::SmallVec;

use crate::dtmf::Digit;
use crate::mixer::{Bridge, Mixer};
pub use crate::mixer::{RecordedAudio, Recording};
use crate::sdp::AudioStream;
use crate::session::{Channel, Content, Event, Frame, PacketBuffer, Session, Transmit};

mod mix;
mod part;

pub use part::{HeardBy, Part};

/// Most members of a conference.
pub const MEMBERS_MAX: usize = 50;
/// Hearers of a leg that need no allocation: two are relayed.
const HEARERS: usize = 2;
/// How long a key of a mixed conference sounds at the other members.
const KEY: Duration = Duration::from_millis(100);
/// In the timer heap, marks the slot of a mixer.
const MIXER: u32 = 1 << 31;
/// Events that wait for [`Exchange::poll_event`]; the driver drains them at every turn.
pub const EVENTS_MAX: usize = 65_536;
/// Pieces of recordings that wait for [`Exchange::poll_recorded`]: those of a thousand conferences.
const RECORDED_MAX: usize = 1_024;

/// A leg: its index in the table and the generation of that slot. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegKey {
    /// The slot: small and dense, for the driver's own tables.
    pub index: u32,
    /// Counts the legs opened, so that a reused slot has a new key.
    pub generation: u32,
}

/// A packet to send from a leg's port.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The slot of the leg.
    pub index: u32,
    /// The leg's port to send from.
    pub channel: Channel,
    /// The destination.
    pub to: SocketAddr,
    /// The packet.
    pub bytes: &'a [u8],
}

/// Why a leg cannot join.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JoinError {
    /// The conference has [`MEMBERS_MAX`] members.
    #[error("the conference is full")]
    Full,
    /// There is no such leg.
    #[error("there is no such leg")]
    NoLeg,
}

struct Leg {
    generation: u32,
    session: Session,
    conference: Option<(Arc<str>, Part)>,
    echo: bool,
    /// The legs that get this leg's audio, kept ready so that a packet needs no search.
    heard_by: SmallVec<[u32; HEARERS]>,
    /// The slot of the mixer that takes its audio, in a conference that is mixed.
    mixer: Option<u32>,
    /// The last packet that was relayed for it: a mix that begins goes on from there.
    recent: mix::Recent,
    /// From a mix that has just ended.
    bridge: Option<Bridge>,
    /// The entry of the timer heap that is valid.
    armed: Timestamp,
}

impl Leg {
    const fn key(&self, index: u32) -> LegKey {
        LegKey { index, generation: self.generation }
    }
}

/// A conference.
#[derive(Default)]
struct Conference {
    /// In the order in which they joined.
    members: Vec<u32>,
    /// The slot of its mixer.
    mixer: Option<u32>,
}

/// The legs of one thread.
pub struct Exchange {
    legs: Vec<Option<Box<Leg>>>,
    free: Vec<u32>,
    generations: u32,
    conferences: HashMap<Arc<str>, Conference>,
    mixers: Vec<Option<Mixer>>,
    timers: BinaryHeap<Reverse<(Timestamp, u32)>>,
    events: VecDeque<(LegKey, Event)>,
    recorded: VecDeque<RecordedAudio>,
    buffer: Box<PacketBuffer>,
    dropped_events: u64,
    /// Encrypted packets refused as forged, and as there before, that nobody has taken note of.
    refused: (u64, u64),
    /// The leg whose session is being processed, or was last.
    in_hand: Option<LegKey>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            legs: Vec::new(),
            free: Vec::new(),
            generations: 0,
            conferences: HashMap::new(),
            mixers: Vec::new(),
            timers: BinaryHeap::new(),
            events: VecDeque::new(),
            recorded: VecDeque::new(),
            buffer: Box::new([0; crate::rtp::PACKET_BYTES_MAX]),
            dropped_events: 0,
            refused: (0, 0),
            in_hand: None,
        }
    }
}

impl Exchange {
    /// Adds a leg.
    pub fn open(&mut self, session: Session) -> LegKey {
        self.generations = self.generations.wrapping_add(1);
        let index = self.free.pop().unwrap_or_else(|| {
            self.legs.push(None);
            (self.legs.len() - 1) as u32
        });
        let key = LegKey { index, generation: self.generations };
        let leg = Leg {
            generation: key.generation,
            session,
            conference: None,
            echo: false,
            heard_by: SmallVec::new(),
            mixer: None,
            recent: mix::Recent::default(),
            bridge: None,
            armed: Timestamp::MAX,
        };
        if let Some(place) = self.legs.get_mut(index as usize) {
            *place = Some(Box::new(leg));
        }
        self.in_hand = Some(key);
        self.arm(index);
        key
    }

    /// The leg whose session is being processed, or was last: tells the handler of a panic which leg caused it.
    pub const fn in_hand(&self) -> Option<LegKey> {
        self.in_hand
    }

    /// Drops a leg whose session has failed, without calling the session. Returns whether the leg existed.
    pub fn discard(&mut self, key: LegKey) -> bool {
        if self.leg(key).is_none() {
            return false;
        }
        self.leave(key);
        if let Some(place) = self.legs.get_mut(key.index as usize) {
            *place = None;
            self.free.push(key.index);
        }
        true
    }

    /// Takes a leg out, to go on elsewhere: its phone notices nothing.
    pub fn take(&mut self, key: LegKey) -> Option<Session> {
        self.leg(key)?;
        self.leave(key);
        let leg = self.legs.get_mut(key.index as usize)?.take()?;
        self.free.push(key.index);
        Some(leg.session)
    }

    /// Ends a leg and sends its phone an RTCP BYE. Returns its session for the final statistics.
    pub fn close(&mut self, key: LegKey, now: Timestamp, send: &mut impl FnMut(Outgoing<'_>)) -> Option<Session> {
        self.leg(key)?;
        self.in_hand = Some(key);
        self.leave(key);
        let mut leg = self.legs.get_mut(key.index as usize)?.take()?;
        self.free.push(key.index);
        if let Some(transmit) = leg.session.goodbye(now, &mut self.buffer) {
            give(key.index, transmit, &self.buffer, send);
        }
        Some(leg.session)
    }

    /// Makes a leg a member of a conference, or changes its part there; it leaves its previous one.
    pub fn join(&mut self, key: LegKey, conference: &str, part: Part, now: Timestamp) -> Result<(), JoinError> {
        if self.leg(key).is_none() {
            return Err(JoinError::NoLeg);
        }
        let members = self.conferences.get(conference).map(|conference| &conference.members);
        let is_in_it = members.is_some_and(|m| m.contains(&key.index));
        if !is_in_it && members.is_some_and(|m| m.len() >= MEMBERS_MAX) {
            return Err(JoinError::Full);
        }
        let name: Arc<str> = conference.into();
        if !is_in_it {
            self.leave(key);
            self.conferences.entry(name.clone()).or_default().members.push(key.index);
        }
        if let Some(leg) = self.leg_mut(key) {
            leg.conference = Some((name.clone(), part));
        }
        self.connect(&name, Some(now));
        Ok(())
    }

    /// Takes a leg out of its conference.
    pub fn leave(&mut self, key: LegKey) {
        let Some(leg) = self.leg_mut(key) else { return };
        let echo = leg.echo;
        leg.mixer = None;
        leg.heard_by.clear();
        if echo {
            leg.heard_by.push(key.index);
        }
        let Some((name, _)) = leg.conference.take() else { return };
        if let Some(conference) = self.conferences.get_mut(&name) {
            conference.members.retain(|m| *m != key.index);
        }
        self.connect(&name, None);
    }

    /// Sets whether the leg hears itself.
    pub fn echo(&mut self, key: LegKey, echo: bool) {
        let Some(leg) = self.leg_mut(key) else { return };
        leg.echo = echo;
        leg.heard_by.retain(|m| *m != key.index);
        if echo {
            leg.heard_by.push(key.index);
        }
    }

    /// Runs `act` on the session of a leg, to give it a description or a treatment. Re-arms the leg's timer.
    pub fn with<T>(&mut self, key: LegKey, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.in_hand = Some(key);
        let result = act(&mut self.leg_mut(key)?.session);
        self.after(key.index);
        Some(result)
    }

    /// Applies a newly negotiated stream to a leg. Its codec may decide whether its conference is mixed.
    pub fn negotiate(&mut self, key: LegKey, stream: AudioStream, now: Timestamp) {
        let codec = stream.codec;
        let before = self.with(key, |session| {
            let before = session.stream().map(|stream| stream.codec);
            session.negotiate(stream, now);
            before
        });
        if let Some(leg) = self.leg_mut(key).filter(|_| before.flatten() != Some(codec)) {
            leg.recent = mix::Recent::default();
        }
        if let Some((name, _)) = self.leg(key).and_then(|leg| leg.conference.clone()) {
            self.connect(&name, Some(now));
        }
    }

    /// All legs.
    pub fn keys(&self) -> impl Iterator<Item = LegKey> + '_ {
        self.legs.iter().enumerate().filter_map(|(index, leg)| leg.as_ref().map(|leg| leg.key(index as u32)))
    }

    /// Processes a packet of a leg's port and relays it to the legs that hear this one.
    pub fn handle_packet(
        &mut self,
        index: u32,
        channel: Channel,
        bytes: &mut [u8],
        from: SocketAddr,
        now: Timestamp,
        send: &mut impl FnMut(Outgoing<'_>),
    ) {
        let Some(Some(leg)) = self.legs.get_mut(index as usize) else { return };
        self.in_hand = Some(leg.key(index));
        let before = leg.session.refused();
        let frame = match channel {
            Channel::Rtp => leg.session.handle_rtp(bytes, from, now),
            Channel::Rtcp => {
                leg.session.handle_rtcp(bytes, from, now);
                None
            }
        };
        let refused = leg.session.refused();
        self.refused.0 += refused.0 - before.0;
        self.refused.1 += refused.1 - before.1;
        if let Some(frame) = frame {
            if let Content::Audio(codec) = frame.content {
                self.hear(index, codec, &frame, now);
            }
            let Some(Some(leg)) = self.legs.get(index as usize) else { return };
            let hearers = leg.heard_by.clone();
            let leads_over = leg.bridge.is_some() && self.lead_over(index, (&hearers, &frame), now, send);
            if !leads_over {
                self.relay(&hearers, &frame, now, send);
            }
        }
        self.after_input(index, now);
    }

    /// Does everything that is due.
    pub fn handle_timeout(&mut self, now: Timestamp, send: &mut impl FnMut(Outgoing<'_>)) {
        while let Some(Reverse((due, index))) = self.timers.peek().copied()
            && due <= now
        {
            self.timers.pop();
            if index & MIXER != 0 {
                self.mix(index, (due, now), send);
                continue;
            }
            let Some(Some(leg)) = self.legs.get_mut(index as usize) else { continue };
            if leg.armed != due {
                continue;
            }
            leg.armed = Timestamp::MAX;
            self.in_hand = Some(leg.key(index));
            leg.session.handle_due(now, &mut self.buffer, |transmit, buffer| give(index, transmit, buffer, send));
            self.after_input(index, now);
        }
    }

    /// When [`Exchange::handle_timeout`] is due next.
    pub fn next_timeout(&self) -> Timestamp {
        self.timers.peek().map_or(Timestamp::MAX, |Reverse((due, _))| *due)
    }

    /// The next event. Call until `None`.
    pub fn poll_event(&mut self) -> Option<(LegKey, Event)> {
        self.events.pop_front()
    }

    /// The next piece of a conference's recording. Call until `None`.
    pub fn poll_recorded(&mut self) -> Option<RecordedAudio> {
        self.recorded.pop_front()
    }

    /// Events, and pieces of recordings, lost because they were not polled in time.
    pub fn dropped_events(&self) -> u64 {
        self.dropped_events
    }

    /// Encrypted packets refused since the last call: as forged, and as there before.
    pub fn take_refused(&mut self) -> (u64, u64) {
        std::mem::take(&mut self.refused)
    }

    fn relay(&mut self, hearers: &[u32], frame: &Frame<'_>, now: Timestamp, send: &mut impl FnMut(Outgoing<'_>)) {
        for hearer in hearers {
            let Some(Some(leg)) = self.legs.get_mut(*hearer as usize) else { continue };
            self.in_hand = Some(leg.key(*hearer));
            let mut next = leg.session.relay(frame, now, &mut self.buffer);
            while let Some(transmit) = next {
                give(*hearer, transmit, &self.buffer, send);
                next = leg.session.relay_next(now, &mut self.buffer);
            }
            // Only keys that must be turned into tones start a timer here.
            if matches!(frame.content, Content::Event { .. }) {
                self.arm(*hearer);
            }
        }
    }

    /// A leg's phone has reported a key by its signalling: it counts like one in its audio, and each leg that hears
    /// this one gets it in its own way.
    pub fn press(&mut self, key: LegKey, digit: Digit, duration: Duration, now: Timestamp) {
        self.in_hand = Some(key);
        let Some(leg) = self.leg_mut(key) else { return };
        leg.session.pressed(digit, now);
        let hearers = leg.heard_by.clone();
        self.after_input(key.index, now);
        for hearer in hearers {
            if let Some(Some(leg)) = self.legs.get_mut(hearer as usize) {
                self.in_hand = Some(leg.key(hearer));
                leg.session.send_key(digit, duration, now);
                self.arm(hearer);
            }
        }
    }

    /// Collects what an input has caused, and gives keys to the others in a mix.
    fn after_input(&mut self, index: u32, now: Timestamp) {
        for digit in self.after(index) {
            self.press_in_mix(index, digit, now);
        }
    }

    /// Collects a session's events and arms its timer. Returns the keys that others in a mix are to get.
    fn after(&mut self, index: u32) -> SmallVec<[Digit; 1]> {
        let mut pressed = SmallVec::new();
        let Some(Some(leg)) = self.legs.get_mut(index as usize) else { return pressed };
        let key = leg.key(index);
        self.in_hand = Some(key);
        while let Some(event) = leg.session.poll_event() {
            if let (Event::Digit(digit), Some(_)) = (&event, leg.mixer) {
                pressed.push(*digit);
            }
            if self.events.len() < EVENTS_MAX {
                self.events.push_back((key, event));
            } else {
                self.dropped_events += 1;
            }
        }
        self.arm(index);
        pressed
    }

    /// An earlier time needs a new heap entry; a later one is armed when the current entry fires.
    fn arm(&mut self, index: u32) {
        let Some(Some(leg)) = self.legs.get_mut(index as usize) else { return };
        let due = leg.session.next_timeout();
        if due < leg.armed {
            leg.armed = due;
            self.timers.push(Reverse((due, index)));
        }
    }

    fn leg(&self, key: LegKey) -> Option<&Leg> {
        self.legs.get(key.index as usize)?.as_deref().filter(|leg| leg.generation == key.generation)
    }

    fn leg_mut(&mut self, key: LegKey) -> Option<&mut Leg> {
        self.legs.get_mut(key.index as usize)?.as_deref_mut().filter(|leg| leg.generation == key.generation)
    }
}

fn give(index: u32, transmit: Transmit, buffer: &PacketBuffer, send: &mut impl FnMut(Outgoing<'_>)) {
    if let Some(bytes) = buffer.get(..transmit.length) {
        send(Outgoing { index, channel: transmit.channel, to: transmit.to, bytes });
    }
}

#[cfg(test)]
mod tests;
