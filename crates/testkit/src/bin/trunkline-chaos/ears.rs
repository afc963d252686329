//! RTP endpoints of callers with signalling by SIPp: a socket per call, which records when packets arrive and sends audio back.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::{self, Micros};

/// Interval of packets.
const EVERY: Duration = Duration::from_millis(20);
/// A socket without packets for this long stops sending, in microseconds.
const SILENT_US: Micros = 2_000_000;
/// Samples of a packet.
const FRAME: usize = 160;

/// Listens on many ports of an address; stops when dropped.
pub struct Ears {
    /// The first port; the others are two apart.
    pub first_port: u16,
    /// Number of ports.
    pub count: u64,
    heard: Arc<Mutex<Vec<Vec<Micros>>>>,
    running: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ears {
    /// Opens the ports.
    pub fn listen(address: std::net::Ipv4Addr, first_port: u16, count: u16) -> Result<Self> {
        let mut sockets = Vec::new();
        for number in 0..count {
            let port = first_port + 2 * number;
            let socket = UdpSocket::bind((address, port)).with_context(|| format!("an ear at port {port}"))?;
            socket.set_nonblocking(true)?;
            sockets.push(socket);
        }
        let heard = Arc::new(Mutex::new(vec![Vec::new(); usize::from(count)]));
        let running = Arc::new(AtomicBool::new(true));
        let thread = {
            let (heard, running) = (Arc::clone(&heard), Arc::clone(&running));
            std::thread::spawn(move || converse(&sockets, &heard, &running))
        };
        Ok(Self { first_port, count: u64::from(count), heard, running, thread: Some(thread) })
    }

    /// The longest silence at a port within a period; `None` if nothing was received in it.
    pub fn longest_silence(&self, port: u16, from: Micros, to: Micros) -> Option<Micros> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let times = heard.get(usize::from((port.checked_sub(self.first_port)?) / 2))?;
        longest_silence(times, from, to)
    }
}

fn longest_silence(times: &[Micros], from: Micros, to: Micros) -> Option<Micros> {
    let within: Vec<Micros> = times.iter().copied().filter(|at| (from..=to).contains(at)).collect();
    within.first()?;
    let ends = [&[from][..], &within, &[to]].concat();
    ends.windows(2).map(|pair| pair[1] - pair[0]).max()
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.running.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Every 20 ms: reads all packets, and sends a frame to each recently heard peer.
#[allow(clippy::disallowed_methods, reason = "a talker paces its packets in real time")]
fn converse(sockets: &[UdpSocket], heard: &Mutex<Vec<Vec<Micros>>>, running: &AtomicBool) {
    let mut peers: Vec<Option<(SocketAddr, Micros)>> = vec![None; sockets.len()];
    let (mut packet, mut number) = ([0; 1_500], 0_u32);
    while running.load(Ordering::Relaxed) {
        let now = clock::now();
        number = number.wrapping_add(1);
        let mut frame = vec![0x80, 0];
        frame.extend_from_slice(&(number as u16).to_be_bytes());
        frame.extend_from_slice(&number.wrapping_mul(FRAME as u32).to_be_bytes());
        frame.extend_from_slice(&0x4321_u32.to_be_bytes());
        frame.extend((0..FRAME).map(|sample| if sample % 16 < 8 { 0x90 } else { 0x10 }));
        for (index, socket) in sockets.iter().enumerate() {
            while let Ok((_, from)) = socket.recv_from(&mut packet) {
                peers[index] = Some((from, now));
                if let Some(times) = heard.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
                    times.push(now);
                }
            }
            if let Some((peer, _)) = peers[index].filter(|(_, at)| now - at < SILENT_US) {
                let _ = socket.send_to(&frame, peer);
            }
        }
        let spent = Duration::from_micros(clock::now().saturating_sub(now));
        std::thread::sleep(EVERY.saturating_sub(spent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_counts_from_both_ends() {
        assert_eq!(longest_silence(&[10, 20, 70, 80], 5, 100), Some(50));
        assert_eq!(longest_silence(&[10, 20], 5, 100), Some(80));
        assert_eq!(longest_silence(&[10, 20], 30, 100), None);
    }
}
