//! An RTP endpoint for callers with signalling by SIPp: sends a file in G.711 µ-law and records the received audio.
//!
//! Deliberately independent of the product's media code, so that both cannot share a mistake.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Samples of a packet of 20 ms at 8 kHz.
const FRAME: usize = 160;
const HEADER: usize = 12;
/// The payload type of telephone events in the scenarios.
const EVENTS: u8 = 101;

/// The packets received by an endpoint.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The audio, in the order of arrival, 8 kHz.
    pub samples: Vec<i16>,
    /// Number of packets.
    pub packets: usize,
    /// The source addresses.
    pub sources: Vec<SocketAddr>,
    /// Steps of the sequence number other than one.
    pub jumps: usize,
    /// Number of audio packets by their number of samples.
    pub sizes: std::collections::BTreeMap<usize, usize>,
    /// Packets of telephone events, in the order of arrival.
    pub events: Vec<KeyPacket>,
}

/// A packet of a telephone event (RFC 4733).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyPacket {
    /// Its sequence number.
    pub sequence: u16,
    /// Its timestamp.
    pub timestamp: u32,
    /// Whether its marker is set.
    pub marker: bool,
    /// The event.
    pub code: u8,
    /// Whether the key was released.
    pub end: bool,
    /// Duration so far, in samples.
    pub duration: u16,
}

/// A running endpoint; it stops when dropped.
pub struct Endpoint {
    /// Its local address, to be written into the SDP.
    pub address: SocketAddr,
    socket: UdpSocket,
    running: Arc<AtomicBool>,
    received: Arc<Mutex<Received>>,
    listener: Option<JoinHandle<()>>,
    speaker: Option<JoinHandle<()>>,
    /// Packets sent: sequence numbers and timestamps continue from one speech to the next.
    said: usize,
}

impl Endpoint {
    /// Listens on a free port of this address.
    pub fn listen(address: std::net::IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind((address, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let running = Arc::new(AtomicBool::new(true));
        let received = Arc::default();
        let listener = {
            let (socket, running, received) = (socket.try_clone()?, Arc::clone(&running), Arc::clone(&received));
            std::thread::spawn(move || listen(&socket, &running, &received))
        };
        let address = socket.local_addr()?;
        Ok(Self { address, socket, running, received, listener: Some(listener), speaker: None, said: 0 })
    }

    /// Sends the samples once to `to`, in packets of 20 ms.
    pub fn say(&mut self, samples: &[i16], to: SocketAddr) -> Result<()> {
        let (socket, running) = (self.socket.try_clone()?, Arc::clone(&self.running));
        let (samples, first) = (samples.to_vec(), self.said);
        self.said += samples.len().div_ceil(FRAME);
        self.speaker = Some(std::thread::spawn(move || say(&socket, &running, &samples, first, to)));
        Ok(())
    }

    /// Everything received so far.
    pub fn received(&self) -> Received {
        self.received.lock().map(|received| received.clone()).unwrap_or_default()
    }

    /// Waits until everything is sent.
    pub fn finish_saying(&mut self) -> Result<()> {
        match self.speaker.take().map(JoinHandle::join) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(_)) => anyhow::bail!("the speaker has panicked"),
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.running.store(false, Ordering::Relaxed);
        for thread in [self.listener.take(), self.speaker.take()].into_iter().flatten() {
            let _ = thread.join();
        }
    }
}

fn listen(socket: &UdpSocket, running: &AtomicBool, received: &Mutex<Received>) {
    let mut packet = [0; 1_500];
    let mut last = None;
    while running.load(Ordering::Relaxed) {
        let Ok((length, source)) = socket.recv_from(&mut packet) else { continue };
        let kind = packet[1] & 0x7f;
        let Some(payload) = packet.get(HEADER..length).filter(|_| matches!(kind, 0 | EVENTS)) else { continue };
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let Ok(mut so_far) = received.lock() else { return };
        if kind == EVENTS {
            let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
            if let [code, flags, d0, d1, ..] = *payload {
                let (marker, end) = (packet[1] & 0x80 != 0, flags & 0x80 != 0);
                let duration = u16::from_be_bytes([d0, d1]);
                so_far.events.push(KeyPacket { sequence, timestamp, marker, code, end, duration });
            }
            if last.is_some_and(|last: u16| sequence != last.wrapping_add(1)) {
                so_far.jumps += 1;
            }
            last = Some(sequence);
            continue;
        }
        *so_far.sizes.entry(payload.len()).or_default() += 1;
        so_far.samples.extend(payload.iter().map(|&byte| linear(byte)));
        so_far.packets += 1;
        if !so_far.sources.contains(&source) {
            so_far.sources.push(source);
        }
        if last.is_some_and(|last: u16| sequence != last.wrapping_add(1)) {
            so_far.jumps += 1;
        }
        last = Some(sequence);
    }
}

#[allow(clippy::disallowed_methods, reason = "a talker paces its packets in real time")]
fn say(socket: &UdpSocket, running: &AtomicBool, samples: &[i16], first: usize, to: SocketAddr) {
    let start = Instant::now();
    for (number, frame) in samples.chunks(FRAME).enumerate() {
        if !running.load(Ordering::Relaxed) {
            return;
        }
        let due = start + Duration::from_millis(20 * number as u64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut packet = vec![0x80, if number == 0 { 0x80 } else { 0 }];
        packet.extend_from_slice(&((first + number) as u16).to_be_bytes());
        packet.extend_from_slice(&(((first + number) * FRAME) as u32).to_be_bytes());
        packet.extend_from_slice(&0x1234_5678_u32.to_be_bytes());
        packet.extend(frame.iter().map(|&sample| mu_law(sample)));
        let _ = socket.send_to(&packet, to);
    }
}

/// G.711 µ-law to 16-bit linear, by the formula of the recommendation.
pub fn linear(byte: u8) -> i16 {
    let byte = !byte;
    let (exponent, mantissa) = ((byte >> 4) & 7, i16::from(byte & 15));
    let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

/// 16-bit linear to G.711 µ-law: the code with the nearest value.
pub fn mu_law(sample: i16) -> u8 {
    let magnitude = sample.unsigned_abs().min(32_635) + 0x84;
    let exponent = (15 - magnitude.leading_zeros() as u16).saturating_sub(7);
    let mantissa = (magnitude >> (exponent + 3)) & 15;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// The `c=` address and `m=` port of an SDP.
pub fn address_in_sdp(text: &str) -> Result<SocketAddr> {
    let host = text.lines().find_map(|line| line.strip_prefix("c=IN IP4 ")).context("no c= line")?;
    let port = text.lines().find_map(|line| line.strip_prefix("m=audio ")).context("no m=audio line")?;
    let port = port.split(' ').next().unwrap_or_default();
    Ok(SocketAddr::new(host.trim().parse()?, port.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_way_through_linear() {
        for byte in 0..=255 {
            // 0x7f is the negative zero, which encodes as the positive one.
            assert_eq!(mu_law(linear(byte)), if byte == 0x7f { 0xff } else { byte });
        }
    }
}
