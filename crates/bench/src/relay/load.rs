//! The phones of the benchmarks of audio: some in each conference, one packet each 20 ms, spread over the 20 ms.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use media::codec::{Codec, Encoder, OpusTerms, SampleRate};
use media::rtp::{self, Header};
use media::sdp::crypto::CryptoLine;
use media::srtp::{Keying, OVERHEAD_MAX, SrtpSender, Suite};
use media::tone;

/// A packet's samples last for 20 ms; the phones are spread over this number of slots of 1 ms.
const SLOTS: usize = 20;
const SLOT: Duration = Duration::from_millis(1);
/// Packets of its codec that a phone repeats: two seconds of a tone.
const PACKETS: usize = 100;
/// Packets read after each packet sent: one arrives for each, besides a report or a late packet now and then. Reading
/// more would double the system calls for nothing. The socket buffers the rest.
const TAKEN_AT_ONCE: usize = 1;
/// Time after the last packet sent in which the last ones arrive.
const TAIL: Duration = Duration::from_millis(200);

/// One member of a conference.
pub struct Phone {
    socket: UdpSocket,
    /// Its local address.
    pub local: SocketAddr,
    codec: Codec,
    /// What protects its audio, and the line that says so.
    protection: Option<(SrtpSender, CryptoLine)>,
}

/// All phones; consecutive ones are the members of a conference.
pub struct Load {
    phones: Vec<Phone>,
    members: usize,
    payloads: Vec<(Codec, Vec<Vec<u8>>)>,
    sequence: u16,
}

/// The results of a period of talking.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    /// Packets that the phones sent.
    pub sent: u64,
    /// Packets that the phones received.
    pub heard: u64,
    /// Slots started later than [`LATE`].
    pub late: u32,
    /// All slots.
    pub slots: u32,
    /// The largest delay of a slot.
    pub lag: Duration,
    seconds: f64,
}

/// Delay after which a slot counts as late: the phones' packets come in bursts then.
const LATE: Duration = Duration::from_millis(5);
/// A load with a larger share of late slots, or a slot later than [`LAG_MAX`], is void.
const LATE_SHARE_MAX: f64 = 0.01;
const LAG_MAX: Duration = Duration::from_millis(20 * 5);
/// With a larger share of lost packets, the offered load was not relayed.
const LOSS_MAX: f64 = 0.001;

impl Talk {
    /// Received packets per second.
    pub fn rate(&self) -> f64 {
        self.heard as f64 / self.seconds
    }

    /// Packets not received.
    pub const fn missing(&self) -> u64 {
        self.sent.saturating_sub(self.heard)
    }

    /// Why a figure of this load is void; `whose` names the program under load.
    pub fn faults(&self, whose: &str) -> Vec<String> {
        let mut faults = Vec::new();
        if self.lag > LAG_MAX || f64::from(self.late) > f64::from(self.slots) * LATE_SHARE_MAX {
            let (late, slots, lag) = (self.late, self.slots, self.lag.as_millis());
            faults.push(format!("{whose}: the sender was late in {late} of {slots} slots, {lag} ms at most"));
        }
        if self.missing() as f64 > self.sent as f64 * LOSS_MAX {
            faults.push(format!("{whose}: {} of {} packets were lost", self.missing(), self.sent));
        }
        faults
    }
}

impl Load {
    /// Phones for this number of conferences, each with a member for each codec.
    pub fn new(address: IpAddr, conferences: usize, codecs: &[Codec]) -> Result<Self> {
        let open = |codec: &Codec| {
            let socket = UdpSocket::bind((address, 0))?;
            socket.set_nonblocking(true)?;
            Ok(Phone { local: socket.local_addr()?, socket, codec: *codec, protection: None })
        };
        let all = (0..conferences).flat_map(|_| codecs);
        let payloads = Codec::ALL.map(|codec| (codec, sound(codec))).to_vec();
        Ok(Self { phones: all.map(open).collect::<io::Result<_>>()?, members: codecs.len(), payloads, sequence: 0 })
    }

    /// The first member of each conference encrypts its audio (RFC 4568), with a key of its own.
    pub fn encrypt_first(&mut self, suite: Suite) -> Result<()> {
        for (number, phone) in self.phones.iter_mut().enumerate().step_by(self.members) {
            let mut material = vec![7; suite.material_bytes()];
            material.iter_mut().zip(number.to_be_bytes()).for_each(|(byte, of)| *byte ^= of);
            let keying = Keying::new(suite, &material, None).context("a key of this length")?;
            let sender = SrtpSender::new(keying, ssrc_of(number)).context("a key of this suite")?;
            phone.protection = Some((sender, CryptoLine { tag: 1, keying }));
        }
        Ok(())
    }

    /// The conferences, each with the descriptions of its members.
    pub fn conferences(&self) -> Vec<Vec<String>> {
        self.phones.chunks_exact(self.members).map(|phones| phones.iter().map(Phone::description).collect()).collect()
    }

    /// Sets the destinations of a conference's phones.
    pub fn answered(&self, conference: usize, peers: &[SocketAddr]) -> Result<()> {
        for (phone, peer) in self.phones.iter().skip(conference * self.members).zip(peers) {
            phone.socket.connect(peer)?;
        }
        Ok(())
    }

    /// Every phone sends a packet each 20 ms and reads its packets.
    pub fn talk(&mut self, time: Duration) -> Talk {
        let began = Instant::now();
        let per_slot = self.phones.len().div_ceil(SLOTS);
        let (mut sent, mut heard, mut late, mut lag) = (0, 0, 0, Duration::ZERO);
        let slots = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        for slot in 0..slots {
            std::thread::sleep((SLOT * slot).saturating_sub(began.elapsed()));
            let behind = began.elapsed().saturating_sub(SLOT * slot);
            late += u32::from(behind > LATE);
            lag = lag.max(behind);
            let turn = slot as usize % SLOTS;
            if turn == 0 {
                self.sequence = self.sequence.wrapping_add(1);
            }
            for number in (turn * per_slot..).take(per_slot) {
                let Some(phone) = self.phones.get(number) else { break };
                let packet = self.packet(number, phone.codec);
                let Some(phone) = self.phones.get_mut(number) else { break };
                sent += u64::from(phone.say(packet));
                heard += phone.take(TAKEN_AT_ONCE);
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        std::thread::sleep(TAIL);
        heard += self.phones.iter().map(|phone| phone.take(usize::MAX)).sum::<u64>();
        Talk { sent, heard, late, slots, lag, seconds }
    }

    fn packet(&self, number: usize, codec: Codec) -> Vec<u8> {
        let header = Header {
            marker: false,
            payload_type: codec.payload_type(),
            sequence: self.sequence,
            timestamp: u32::from(self.sequence).wrapping_mul(codec.clock() / 50),
            ssrc: ssrc_of(number),
        };
        let mut packet = header.to_bytes().to_vec();
        let payloads = self.payloads.iter().find(|(of, _)| *of == codec).map(|(_, payloads)| payloads);
        // Each phone at another place of the sound.
        let place = (usize::from(self.sequence) + number) % PACKETS;
        packet.extend(payloads.and_then(|payloads| payloads.get(place)).into_iter().flatten());
        packet
    }
}

impl Phone {
    /// Its session description.
    pub fn description(&self) -> String {
        let (ip, port, number) = (self.local.ip(), self.local.port(), self.codec.payload_type());
        let (name, parameters) = (self.codec.name(), self.codec.encoding_parameters());
        let (profile, keys) = match &self.protection {
            None => ("RTP/AVP", String::new()),
            Some((_, line)) => ("RTP/SAVP", format!("a=crypto:{line}\r\n")),
        };
        format!(
            "v=0\r\no=- {port} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} {profile} {number}\r\n\
             a=rtpmap:{number} {name}/{parameters}\r\n{keys}"
        )
    }

    /// Sends a packet, encrypted if its audio is; returns whether it is on its way.
    fn say(&mut self, mut packet: Vec<u8>) -> bool {
        if let Some((sender, _)) = &mut self.protection {
            let length = packet.len();
            packet.resize(length + OVERHEAD_MAX, 0);
            let Some(sealed) = sender.protect(&mut packet, length) else { return false };
            packet.truncate(sealed);
        }
        self.socket.send(&packet).is_ok()
    }

    /// Reads at most `most` received packets; counts only audio, not reports.
    fn take(&self, most: usize) -> u64 {
        let mut heard = [0; 2_000];
        let mut count = 0;
        for _ in 0..most {
            let Ok(length) = self.socket.recv(&mut heard) else { break };
            count += u64::from(heard.get(..length).is_some_and(|packet| !rtp::is_rtcp(packet)));
        }
        count
    }
}

const fn ssrc_of(number: usize) -> u32 {
    number as u32 + 1
}

/// A tone in packets of a codec.
pub fn sound(codec: Codec) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, SampleRate::Narrow, OpusTerms::default());
    let samples = tone::pair(440, 620, 20 * PACKETS as u32, 8_000);
    let packet = |frame: &[i16]| {
        let mut room = [0; rtp::PACKET_BYTES_MAX];
        let length = encoder.encode(frame, &mut room);
        room[..length].to_vec()
    };
    samples.chunks_exact(samples.len() / PACKETS).map(packet).collect()
}
