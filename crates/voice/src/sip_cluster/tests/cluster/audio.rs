//! Audio: each party sends packets to the address in our description, and the other one must hear them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use media::rtp::{Header, Packet, is_rtcp};
use media::sdp;
use model::{ConnId, Timestamp};

use super::proxies::addr;
use super::world::{Action, World};

/// How often a conversation is listened to.
const EVERY: Duration = Duration::from_millis(700);
/// Within this time the parties of an undisturbed call hear each other, and a caller hears its treatment: longer than a refusal
/// by a proxy that waits for a node (4 s), and the repeats after it.
const WITHIN: Duration = Duration::from_secs(12);
/// Age up to which a packet counts as heard: longer than media's steps.
const JUST_NOW: Duration = Duration::from_millis(200);
/// Samples of a packet.
const SAMPLES: usize = 160;

/// Audio that was heard, where, and when.
#[derive(Default)]
pub struct Audio {
    /// When each word came last to an address. A word is the byte that fills a packet; None is any other packet.
    heard: BTreeMap<(SocketAddr, Option<u8>), Timestamp>,
    /// How many packets each party has sent.
    said: BTreeMap<SocketAddr, u16>,
}

/// A party's phone, for audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ear {
    /// The phone's address.
    pub at: SocketAddr,
    /// Where it sends audio, as our description says.
    pub to: Option<SocketAddr>,
    /// The byte that it sends.
    pub word: u8,
}

/// The phone of a caller.
pub fn caller_ear(call: usize) -> Ear {
    Ear { at: addr(&format!("198.51.100.10:{}", 10_000 + 2 * call)), to: None, word: 0x10 + call as u8 }
}

/// The phone of an agent.
pub fn phone_ear(at: usize) -> Ear {
    Ear { at: addr(&format!("203.0.113.{}:4000", 10 + at)), to: None, word: 0x80 + at as u8 }
}

impl Ear {
    /// Its session, on hold or not.
    pub fn session(&self, held: bool) -> Bytes {
        let (ip, port) = (self.at.ip(), self.at.port());
        let direction = if held { "a=sendonly\r\n" } else { "" };
        Bytes::from(format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n{direction}"
        ))
    }

    /// Learns from our description where to send audio.
    pub fn learns(&mut self, description: &[u8]) {
        let read = sdp::parse(description).ok();
        let audio = read.as_ref().and_then(|read| Some((read.address_of(read.audio()?)?, read.audio()?.port)));
        if let Some((host, port)) = audio.filter(|(_, port)| *port > 0) {
            self.to = Some(SocketAddr::new(host, port));
        }
    }
}

impl World {
    /// Media's packets leave, and are heard at once.
    pub fn carry_audio(&mut self) {
        let now = self.now();
        let Some(core) = &mut self.media.core else { return };
        while let Some(packet) = core.poll_packet() {
            if is_rtcp(&packet.bytes) {
                continue;
            }
            let Ok(read) = Packet::parse(&packet.bytes) else {
                self.rules.break_rule("media sends audio", format!("{:?}", packet.bytes));
                return;
            };
            self.seen.audio += 1;
            let word = read.payload.first().copied().filter(|word| read.payload.iter().all(|byte| byte == word));
            self.audio.heard.insert((packet.to, word), now);
        }
    }

    /// Sends a few packets. They are lost while media is away.
    fn speak(&mut self, ear: Ear) {
        let now = self.now();
        let Some(to) = ear.to else { return };
        if to.ip() != addr(&format!("{}:0", super::media::ADDRESS)).ip() {
            self.seen.direct_audio += 1;
            self.audio.heard.insert((to, Some(ear.word)), now);
            return;
        }
        for _ in 0..3 {
            let said = self.audio.said.entry(ear.at).or_default();
            *said = said.wrapping_add(1);
            let header = Header {
                sequence: *said,
                timestamp: u32::from(*said) * SAMPLES as u32,
                ssrc: u32::from(ear.word),
                ..Header::default()
            };
            let mut bytes = header.to_bytes().to_vec();
            bytes.extend([ear.word; SAMPLES]);
            if let Some(core) = &mut self.media.core {
                core.hear(to.port(), &bytes, ear.at, now);
            }
        }
        self.media_turns();
    }

    fn hears(&self, ear: Ear, word: u8) -> bool {
        let at = self.audio.heard.get(&(ear.at, Some(word)));
        at.is_some_and(|at| self.now().since(*at) <= JUST_NOW)
    }

    fn hears_anything(&self, ear: Ear) -> bool {
        let mut heard = self.audio.heard.range((ear.at, None)..=(ear.at, Some(u8::MAX)));
        heard.any(|(_, at)| self.now().since(*at) <= JUST_NOW)
    }

    /// Whether a fault keeps parties from hearing each other for a while.
    fn is_disturbed(&self) -> bool {
        let works = |node: &super::nodes::SimNode| {
            node.core.is_some() && !node.frozen && node.way.is_open() && node.way.kept().is_empty()
        };
        let all_work = self.nodes.iter().all(works) && self.media.serves();
        !all_work || self.links.is_stalled() || self.proxies.iter().any(|proxy| proxy.is_down)
    }

    /// Listens to a conversation from time to time. `silent` is since when a party that should be heard is not.
    pub fn listen(&mut self, call: usize, silent: Timestamp) {
        let now = self.now();
        let Some((conn_id, caller)) = self.caller_listens(call) else { return };
        let talks_with = self.phone_of(conn_id);
        let heard = match (caller, talks_with) {
            _ if self.is_disturbed() => true,
            (Some(caller), Some(Some(phone))) if self.programs.leaves_alone(conn_id) => {
                self.hear_each_other(caller, phone)
            }
            (Some(caller), None) if self.desk.plays_to(conn_id) => {
                let heard = self.hears_anything(caller);
                self.seen.treated += u64::from(heard);
                heard
            }
            // A party holds, or is just coming or going.
            _ => true,
        };
        let silent = if heard { now } else { silent };
        if now.since(silent) >= WITHIN {
            let how = format!("call {call} ({conn_id}), since {:?}: {caller:?} with {talks_with:?}", silent);
            return self.rules.break_rule("who talks is heard", how);
        }
        self.after(EVERY, Action::Listen(call, silent));
    }

    fn hear_each_other(&mut self, caller: Ear, phone: Ear) -> bool {
        self.speak(caller);
        self.speak(phone);
        let heard = self.hears(phone, caller.word) && self.hears(caller, phone.word);
        self.seen.heard += u64::from(heard);
        heard
    }

    /// The phone that a caller talks with; the inner None while it holds.
    fn phone_of(&self, conn_id: ConnId) -> Option<Option<Ear>> {
        let lines = self.phones.iter().flat_map(|phone| phone.lines.values());
        let mut here = lines.filter(|line| line.conn_id == Some(conn_id));
        let first = here.next()?;
        let stands = here.next().is_none() && first.is_up() && !first.holds && !self.rules.is_withdrawn(&first.call_id);
        Some(stands.then_some(first.ear))
    }
}
