//! Bare sockets: what the kernel alone takes of whoever receives packets and sends others. A relay or mixer in user space cannot
//! cost less, and a slow machine shows there.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use media::codec::Codec;

use crate::Options;
use crate::process::thread_cpu_ns;
use crate::relay::Measured;
use crate::relay::load::Load;
use crate::site::Site;

/// The floor's name as a peer.
pub const NAME: &str = "bare sockets";
const WARM_UP: Duration = Duration::from_secs(1);
/// Packets between two readings of the thread's CPU time.
const READ_EACH: u32 = 500;

/// A thread with one socket returns each packet to the same phones that media would serve.
pub fn returned(options: &Options, site: &Site, conferences: usize, codecs: &[Codec]) -> Result<Measured> {
    let mut load = Load::new(site.peer(1).into(), conferences, codecs)?;
    let socket = UdpSocket::bind((site.peer(2), 0))?;
    let address = socket.local_addr()?;
    for conference in 0..conferences {
        load.answered(conference, &vec![address; codecs.len()])?;
    }
    let (over, used) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (ends, counts) = (over.clone(), used.clone());
    let thread = std::thread::spawn(move || echo(&socket, &ends, &counts));
    load.talk(WARM_UP);
    let before = used.load(Ordering::Relaxed);
    let talk = load.talk(Duration::from_secs(options.seconds().into()));
    let us = (used.load(Ordering::Relaxed) - before) as f64 / 1e3 / talk.heard.max(1) as f64;
    over.store(true, Ordering::Relaxed);
    // Wakes it.
    UdpSocket::bind((site.peer(1), 0))?.send_to(&[0], address)?;
    thread.join().map_err(|_| anyhow::anyhow!("the floor's thread has failed"))??;
    Ok(Measured { us, talk })
}

/// Returns packets, and tells now and then how many nanoseconds of CPU it has used.
fn echo(socket: &UdpSocket, over: &AtomicBool, used: &AtomicU64) -> Result<()> {
    let mut packet = [0; 2_000];
    let mut count = 0_u32;
    while !over.load(Ordering::Relaxed) {
        let (length, from): (usize, SocketAddr) = socket.recv_from(&mut packet)?;
        socket.send_to(packet.get(..length).unwrap_or_default(), from)?;
        count = count.wrapping_add(1);
        if count.is_multiple_of(READ_EACH) {
            used.store(thread_cpu_ns()?, Ordering::Relaxed);
        }
    }
    Ok(())
}
