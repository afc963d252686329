//! The phones of the relay's benchmark: two for each session, a packet each 20 ms, paced over the 20 ms.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Result;
use media::g711::Law;
use media::rtp::Header;

/// A packet's samples last for 20 ms; the phones are spread over so many slots of a millisecond.
const SLOTS: usize = 20;
const SLOT: Duration = Duration::from_millis(1);
const PACKET_BYTES: usize = 172;
const SAMPLES: u32 = 160;
/// After the last packet was sent, the last ones come in within this.
const TAIL: Duration = Duration::from_millis(200);

/// One party of a session.
pub struct Phone {
    socket: UdpSocket,
    /// Where it listens.
    pub local: SocketAddr,
}

/// All phones; two that follow each other talk to each other.
pub struct Load {
    phones: Vec<Phone>,
    sequence: u16,
}

/// What a time of talking came to.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    /// Packets that the phones sent.
    pub sent: u64,
    /// Packets that they heard.
    pub heard: u64,
    seconds: f64,
}

impl Talk {
    /// Heard packets each second.
    pub fn rate(&self) -> f64 {
        self.heard as f64 / self.seconds
    }
}

impl Load {
    /// Phones for so many sessions.
    pub fn new(address: IpAddr, sessions: usize) -> Result<Self> {
        let open = |_| {
            let socket = UdpSocket::bind((address, 0))?;
            socket.set_nonblocking(true)?;
            Ok(Phone { local: socket.local_addr()?, socket })
        };
        Ok(Self { phones: (0..sessions * 2).map(open).collect::<io::Result<_>>()?, sequence: 0 })
    }

    /// The sessions: the addresses of both phones.
    pub fn sessions(&self) -> Vec<[SocketAddr; 2]> {
        self.phones.chunks_exact(2).map(|pair| [pair[0].local, pair[1].local]).collect()
    }

    /// Tells the phones of a session where to send.
    pub fn answered(&self, session: usize, peers: [SocketAddr; 2]) -> Result<()> {
        for (phone, peer) in self.phones.iter().skip(session * 2).zip(peers) {
            phone.socket.connect(peer)?;
        }
        Ok(())
    }

    /// Every phone says a packet each 20 ms and takes what it hears.
    pub fn talk(&mut self, time: Duration) -> Talk {
        let began = Instant::now();
        let per_slot = self.phones.len().div_ceil(SLOTS);
        let (mut sent, mut heard) = (0, 0);
        let slots = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        for slot in 0..slots {
            std::thread::sleep((SLOT * slot).saturating_sub(began.elapsed()));
            let turn = slot as usize % SLOTS;
            if turn == 0 {
                self.sequence = self.sequence.wrapping_add(1);
            }
            for (number, phone) in self.phones.iter().enumerate().skip(turn * per_slot).take(per_slot) {
                sent += u64::from(phone.socket.send(&self.packet(number)).is_ok());
                heard += phone.drain();
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        std::thread::sleep(TAIL);
        heard += self.phones.iter().map(Phone::drain).sum::<u64>();
        Talk { sent, heard, seconds }
    }

    fn packet(&self, number: usize) -> [u8; PACKET_BYTES] {
        let header = Header {
            marker: false,
            payload_type: Law::Mu.payload_type(),
            sequence: self.sequence,
            timestamp: u32::from(self.sequence).wrapping_mul(SAMPLES),
            ssrc: number as u32 + 1,
        };
        let mut packet = [0x55; PACKET_BYTES];
        let bytes = header.to_bytes();
        packet[..bytes.len()].copy_from_slice(&bytes);
        packet
    }
}

impl Phone {
    /// Takes what has come; only audio counts, not reports.
    fn drain(&self) -> u64 {
        let mut heard = [0; 2_000];
        let mut count = 0;
        while let Ok(length) = self.socket.recv(&mut heard) {
            count += u64::from(length == PACKET_BYTES);
        }
        count
    }
}

/// A phone's description.
pub fn description(phone: SocketAddr) -> String {
    let (ip, port) = (phone.ip(), phone.port());
    format!("v=0\r\no=- {port} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
}
