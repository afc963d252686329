//! The audio of a leg, and the timing wheel that serves all legs.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use media::codec::Codec;
use media::dtmf::{Digit, EventPacket};
use media::g711::Law;
use media::rtp::{self, Header, Packet};
use media::sdp::crypto::{LocalKeys, Protection, SECRET_BYTES};
use media::sdp::negotiation::{accept_answer, answer, offer, speaking};
use media::sdp::{AudioStream, Description, Direction, Fingerprint, LocalAudio, LocalEncryption, Preference, parse};
use media::srtp::{OVERHEAD_MAX, SrtpReceiver, SrtpSender};

use crate::ear::{AudioCheck, Ear};
use crate::tones::{FRAME, Pair};

/// Duration of a packet.
pub const PACKET: Duration = Duration::from_millis(20);
/// Spokes of the wheel: each 5 ms, a quarter of all legs has its turn.
const SPOKES: usize = 4;
/// Maximum of packets that a leg sends in one turn when the machine was late.
const CATCH_UP_MAX: usize = 4;
/// Ports that receive audio: even ones, as RTCP has the next.
const PORT_FIRST: u16 = 30_000;
const PORT_LAST: u16 = 59_998;
/// Volume of a key, -dBm0, and its length in packets: 100 ms.
const KEY_VOLUME: u8 = 10;
const KEY_PACKETS: u16 = 5;
/// What a robot speaks.
const SPOKEN: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];
/// How often the last packet of a key is sent (RFC 4733 §2.5.1.4).
const KEY_ENDS: u16 = 3;

/// The audio that a leg sends.
#[derive(Clone, Debug)]
pub enum Say {
    /// No packets.
    Nothing,
    /// Packets of silence.
    Silence,
    /// A pair of tones.
    Pair(Pair),
    /// The audio that it receives: for a party that is no robot.
    Echo,
}

/// An audio leg.
pub struct Leg {
    socket: UdpSocket,
    local: LocalAudio,
    offered: Option<Description>,
    stream: Option<AudioStream>,
    /// What encrypts its audio, with the keys of both sides.
    cipher: Option<(Protection, SrtpSender, SrtpReceiver)>,
    say: Say,
    frame: Vec<u8>,
    keys: VecDeque<(EventPacket, u32)>,
    header: Header,
    due: Instant,
    pub ear: Option<Ear>,
    direction: Direction,
    echo: Option<Vec<u8>>,
    /// Packets that came.
    pub received: u64,
}

/// Index of a leg.
pub type LegId = usize;

/// All legs, on one wheel.
pub struct Legs {
    own: IpAddr,
    legs: Vec<Option<Leg>>,
    free: Vec<LegId>,
    port: u16,
    turn: usize,
    next_turn: Instant,
    running: usize,
}

impl Legs {
    pub const fn new(own: IpAddr, now: Instant) -> Self {
        Self { own, legs: Vec::new(), free: Vec::new(), port: PORT_FIRST, turn: 0, next_turn: now, running: 0 }
    }

    /// Opens a leg with its own port.
    pub fn open(&mut self, session_id: u64, now: Instant) -> Result<LegId> {
        let socket = self.bind()?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        let id = self.free.pop().unwrap_or_else(|| {
            self.legs.push(None);
            self.legs.len() - 1
        });
        let low = session_id as u32;
        self.legs[id] = Some(Leg {
            socket,
            local: LocalAudio {
                address: self.own,
                port,
                session_id: session_id >> 1,
                version: 1,
                encryption: LocalEncryption::Off,
            },
            offered: None,
            stream: None,
            cipher: None,
            say: Say::Silence,
            frame: Vec::new(),
            keys: VecDeque::new(),
            header: Header {
                marker: true,
                payload_type: 0,
                sequence: low as u16,
                timestamp: low,
                ssrc: low ^ 0x5555_aaaa,
            },
            due: now,
            ear: None,
            direction: Direction::SendRecv,
            echo: None,
            received: 0,
        });
        if self.running == 0 {
            self.next_turn = now;
        }
        self.running += 1;
        Ok(id)
    }

    fn bind(&mut self) -> Result<UdpSocket> {
        for _ in (PORT_FIRST..=PORT_LAST).step_by(2) {
            let port = self.port;
            self.port = if port >= PORT_LAST { PORT_FIRST } else { port + 2 };
            match UdpSocket::bind((self.own, port)) {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                bound => return bound.with_context(|| format!("an RTP port on {}", self.own)),
            }
        }
        anyhow::bail!("no RTP port is free on {}", self.own)
    }

    /// Ends a leg.
    pub fn close(&mut self, id: LegId) {
        if self.legs.get_mut(id).and_then(Option::take).is_some() {
            self.free.push(id);
            self.running -= 1;
        }
    }

    pub fn get(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.get_mut(id)?.as_mut()
    }

    /// When the wheel is due; never without legs.
    pub fn next_turn(&self) -> Option<Instant> {
        (self.running > 0).then_some(self.next_turn)
    }

    /// Turns the wheel as far as it is due.
    pub fn turn(&mut self, now: Instant) {
        for _ in 0..SPOKES {
            if self.running == 0 || self.next_turn > now {
                return;
            }
            self.turn = (self.turn + 1) % SPOKES;
            self.next_turn += PACKET / SPOKES as u32;
            self.legs.iter_mut().skip(self.turn).step_by(SPOKES).flatten().for_each(|leg| leg.turn(now));
        }
        // Further behind than a whole turn: each leg makes up for its missed packets.
        self.next_turn = self.next_turn.max(now);
    }
}

impl Leg {
    /// Has its audio encrypted, with keys in the session description (RFC 4568), or none.
    pub fn require_encryption(&mut self, secret: [u8; SECRET_BYTES]) {
        // No handshake takes place: the certificate that is announced does not exist.
        let announced = Fingerprint::of(b"none");
        self.local.encryption = LocalEncryption::Required(LocalKeys::new(secret, announced));
    }

    /// Our offer, with that direction.
    pub fn offer(&mut self, direction: Direction) -> String {
        self.direction = direction;
        let preference = Preference { codec: self.law().into(), direction };
        let description = offer(&self.local, preference, &SPOKEN);
        self.local.version += 1;
        let text = description.to_string();
        self.offered = Some(description);
        text
    }

    /// Applies the answer to our offer.
    pub fn take_answer(&mut self, sdp: &[u8]) -> Result<()> {
        let offered = self.offered.take().context("an answer without an offer")?;
        let preference = Preference { codec: self.law().into(), direction: self.direction };
        let stream = accept_answer(&offered, &parse(sdp)?, preference)?;
        self.connect(stream);
        Ok(())
    }

    /// Answers an offer.
    pub fn answer(&mut self, sdp: &[u8]) -> Result<String> {
        let preference = Preference { codec: self.law().into(), direction: self.direction };
        let (description, stream) = answer(&speaking(parse(sdp)?, &SPOKEN), &self.local, preference)?;
        self.local.version += 1;
        self.connect(stream);
        Ok(description.to_string())
    }

    fn connect(&mut self, stream: AudioStream) {
        let keys = stream.protection;
        if self.cipher.as_ref().map(|(known, ..)| *known) != keys {
            let of = |keys: Protection| {
                let sender = SrtpSender::new(keys.ours, self.header.ssrc)?;
                Some((keys, sender, SrtpReceiver::new(keys.theirs)?))
            };
            self.cipher = keys.and_then(of);
        }
        self.stream = Some(stream);
        self.say(self.say.clone());
    }

    fn law(&self) -> Law {
        self.stream.as_ref().and_then(|stream| stream.codec.law()).unwrap_or(Law::A)
    }

    /// Changes the audio that is sent from now on.
    pub fn say(&mut self, say: Say) {
        let law = self.law();
        self.frame = match say {
            Say::Nothing | Say::Echo => Vec::new(),
            Say::Silence => vec![law.silence(); FRAME],
            Say::Pair(pair) => pair.frame(law).to_vec(),
        };
        self.say = say;
    }

    /// Presses a key, by telephone events (RFC 4733).
    pub fn press(&mut self, digit: Digit) {
        let packet = |part: u16, end: bool| EventPacket {
            code: digit.event(),
            end,
            volume: KEY_VOLUME,
            duration: part * FRAME as u16,
        };
        let parts = (1..KEY_PACKETS).map(|part| packet(part, false));
        let ends = (0..KEY_ENDS).map(|_| packet(KEY_PACKETS, true));
        // Every packet of a key has the time at which it was pressed; the first packet sets it.
        self.keys.extend(parts.chain(ends).enumerate().map(|(at, packet)| (packet, at as u32)));
    }

    /// The result of listening for its pair.
    pub fn heard(&self) -> Option<AudioCheck> {
        self.ear.as_ref().map(Ear::heard)
    }

    /// Reads the packets that have arrived, sends those that are due.
    fn turn(&mut self, now: Instant) {
        self.read(now);
        let mut sent = 0;
        while self.due <= now {
            if sent < CATCH_UP_MAX {
                self.send();
            }
            sent += 1;
            self.due += PACKET;
        }
    }

    fn read(&mut self, now: Instant) {
        let mut buffer = [0; rtp::PACKET_BYTES_MAX];
        loop {
            let length = match self.socket.recv_from(&mut buffer) {
                Ok((length, _)) => length,
                // An ICMP error for a packet of ours does not end the reading.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(_) => return,
            };
            let Some(bytes) = buffer.get_mut(..length).filter(|bytes| !rtp::is_rtcp(bytes)) else { continue };
            let clear = match &mut self.cipher {
                Some((.., receiver)) => receiver.open(bytes).ok().map(|(clear, _)| clear),
                None => Some(bytes),
            };
            let Some(bytes) = clear else { continue };
            let Ok(packet) = Packet::parse(bytes) else { continue };
            self.received += 1;
            let law = match packet.header.payload_type {
                0 => Law::Mu,
                8 => Law::A,
                _ => continue,
            };
            if let Some(ear) = &mut self.ear {
                ear.hear(packet.payload, law, now);
            }
            if matches!(self.say, Say::Echo) {
                self.echo = Some(packet.payload.to_vec());
            }
        }
    }

    fn send(&mut self) {
        let Some(stream) = &self.stream else { return };
        let Some(remote) = stream.remote.filter(|_| stream.direction.sends()) else { return };
        let key = stream.numbers.event.and_then(|number| Some((self.keys.pop_front()?, number)));
        if let Some(((event, age), number)) = key {
            // The end packets are repeats: the stream's time advances with them, the event's does not.
            let header = Header {
                marker: age == 0,
                payload_type: number,
                timestamp: self.header.timestamp.wrapping_sub(age * FRAME as u32),
                ..self.header
            };
            self.transmit(header, &event.to_bytes(), remote);
        } else {
            let payload = match self.say {
                Say::Nothing => return,
                Say::Echo => self.echo.take().unwrap_or_default(),
                Say::Silence | Say::Pair(_) => std::mem::take(&mut self.frame),
            };
            if !payload.is_empty() {
                let header = Header { payload_type: stream.codec.payload_type(), ..self.header };
                self.transmit(header, &payload, remote);
                self.header.marker = false;
            }
            if !matches!(self.say, Say::Echo) {
                self.frame = payload;
            }
        }
        self.header.timestamp = self.header.timestamp.wrapping_add(FRAME as u32);
    }

    fn transmit(&mut self, header: Header, payload: &[u8], remote: SocketAddr) {
        let mut packet = Vec::with_capacity(rtp::HEADER_BYTES + payload.len());
        packet.extend_from_slice(&header.to_bytes());
        packet.extend_from_slice(payload);
        if let Some((_, sender, _)) = &mut self.cipher {
            let length = packet.len();
            packet.resize(length + OVERHEAD_MAX, 0);
            let Some(protected) = sender.protect(&mut packet, length) else { return };
            packet.truncate(protected);
        }
        // A packet that the socket refuses is lost, as on any network.
        let _ = self.socket.send_to(&packet, remote);
        self.header.sequence = self.header.sequence.wrapping_add(1);
    }
}
