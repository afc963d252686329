//! What transcoding costs, and a leg in a conference that is mixed: CPU per packet of 20 ms.
//!
//! The floor is what the kernel takes of whoever receives a packet and sends another: a thread with one socket that returns each packet, under
//! the same phones in the same run. It says how fast the machine is today; the mixer cannot cost less.

use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use media::codec::{Codec, Decoder, Encoder, OpusTerms, SampleRate};

use crate::Options;
use crate::relay::load::{Load, sound};
use crate::relay::{Measured, ours};
use crate::report::{Figure, Goal, Report};
use crate::site::Site;

/// Rooms and the codecs of their members: about 250 legs each, so that each load has 12,500 packets a second.
const ROOMS: [(&str, usize, &[Codec]); 5] = [
    ("a leg in a conference of 3, G.711", 84, &[Codec::Pcmu; 3]),
    ("a leg in a conference of 8, G.711", 31, &[Codec::Pcmu; 8]),
    ("a leg in a conference of 50, G.711", 5, &[Codec::Pcmu; 50]),
    ("a leg of two, G.711 with G.722", 125, &[Codec::Pcmu, Codec::G722]),
    ("a leg of two, G.711 with Opus", 60, &[Codec::Pcmu, Codec::Opus]),
];
/// Pairs that are transcoded alone.
const PAIRS: [(Codec, Codec); 4] =
    [(Codec::Pcmu, Codec::Opus), (Codec::Opus, Codec::Pcmu), (Codec::Pcmu, Codec::G722), (Codec::G722, Codec::Pcmu)];
const FLOOR: &str = "bare sockets";
const WARM_UP: Duration = Duration::from_secs(1);
/// Rounds of transcoding: on a shared machine only the best one measures the code.
const ROUNDS: usize = 30;

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    for (from, to) in PAIRS {
        report.add(Figure {
            bench: "mix",
            what: format!("a packet from {} to {}, decoded and encoded", from.name(), to.name()),
            unit: "µs of CPU",
            ours: transcoding_us(from, to),
            peer: None,
            goal: Goal::None,
            note: format!("the best of {ROUNDS} rounds of two seconds, 8 kHz"),
            void: Vec::new(),
        });
    }
    for (number, (what, rooms, codecs)) in ROOMS.into_iter().enumerate() {
        let folder = folder.join(number.to_string());
        std::fs::create_dir(&folder)?;
        let site = Site::new(options.instance, &folder)?;
        let mut load = Load::new(site.peer(1).into(), rooms, codecs)?;
        let ours = ours(options, &site, &mut load, &folder)?;
        let floor = floor(options, &site, rooms, codecs)?;
        add(report, what, &ours, &floor);
    }
    Ok(())
}

fn add(report: &mut Report, what: &str, ours: &Measured, floor: &Measured) {
    let mut void = ours.talk.faults("ours");
    void.extend(floor.talk.faults(FLOOR));
    report.add(Figure {
        bench: "mix",
        what: format!("{what}, a packet"),
        unit: "µs of CPU",
        ours: ours.us,
        peer: Some((FLOOR, floor.us)),
        goal: Goal::None,
        note: format!("{:.0} packets/s; {} of {} missing", ours.talk.rate(), ours.talk.missing(), ours.talk.sent),
        void,
    });
}

/// Each packet is returned by a thread with one socket.
fn floor(options: &Options, site: &Site, rooms: usize, codecs: &[Codec]) -> Result<Measured> {
    let mut load = Load::new(site.peer(1).into(), rooms, codecs)?;
    let socket = UdpSocket::bind((site.peer(2), 0))?;
    let address = socket.local_addr()?;
    for room in 0..rooms {
        load.answered(room, &vec![address; codecs.len()])?;
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
        if count.is_multiple_of(500) {
            used.store(thread_cpu_ns()?, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// The first number of the kernel's account of this thread.
fn thread_cpu_ns() -> Result<u64> {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    account.split(' ').next().and_then(|ns| ns.parse().ok()).context("no account of the thread's CPU time")
}

/// The cost of a packet from one codec to another.
fn transcoding_us(from: Codec, to: Codec) -> f64 {
    let packets = sound(from);
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let mut decoder = Decoder::new(from, SampleRate::Narrow);
        let mut encoder = Encoder::new(to, SampleRate::Narrow, OpusTerms::default());
        let mut room = [0; 1_500];
        let began = Instant::now();
        for packet in &packets {
            black_box(encoder.encode(decoder.decode(black_box(packet)), &mut room));
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e6 / packets.len() as f64);
    }
    best
}
