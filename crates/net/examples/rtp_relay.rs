//! Measures the relay: CPU time of the RTP thread per relayed packet.
//!
//! `cargo run --release -p trunkline-net --example rtp_relay [SESSIONS] [transcode]`: two-way sessions (500 by default), G.711
//! in packets of 20 ms over loopback, each phone with its own sockets. Needs about four file descriptors per leg.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement that a person runs and reads")]

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use infra::{Clock, SystemClock};
use media::codec::OpusTerms;
use media::exchange::Part;
use media::g711::Law;
use media::rtp::Header;
use media::sdp::{AudioStream, Direction, PayloadTypes};
use media::session::{Session, Setup};
use model::AddressFamily;
use net::rtp::{Driver as _, LegId, Order, RtpDriver, Settings};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(10);
/// The phones' packets are spread over the 20 ms of a packet, in steps of a millisecond.
const SLOTS: usize = 20;

struct Phone {
    socket: UdpSocket,
    to: u16,
    law: Law,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let sessions: u64 = args.next().map_or(500, |text| text.parse().unwrap());
    let other = if args.next().is_some_and(|text| text == "transcode") { Law::A } else { Law::Mu };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let addresses = vec!["127.0.0.1".parse().unwrap()];
    let settings =
        Settings { addresses, ports: 40_000..=59_999, threads: 1, clock: clock.clone(), recorded: sync_channel(1).0 };
    let (driver, _news) = RtpDriver::start(settings).unwrap();
    let phones: Vec<Phone> =
        (0..sessions * 2).map(|leg| open(&driver, &clock, leg, if leg % 2 == 0 { Law::Mu } else { other })).collect();

    let mut sequence = 0;
    talk(&phones, &clock, WARM_UP, &mut sequence);
    let relayed = || driver.counters().packets_out.load(Relaxed);
    let (cpu, packets, began) = (cpu_us(), relayed(), clock.now());
    talk(&phones, &clock, MEASURED, &mut sequence);
    let (cpu, packets) = (cpu_us() - cpu, (relayed() - packets) as f64);
    let seconds = clock.now().since(began).as_secs_f64();
    println!(
        "{sessions} two-way sessions: {:.0} packets/s relayed, {:.2} us CPU each, {:.1} % of a core, {} unsent",
        packets / seconds,
        cpu / packets,
        cpu / seconds / 1e4,
        driver.counters().unsent.load(Relaxed),
    );
}

fn open(driver: &RtpDriver, clock: &Arc<dyn Clock>, leg: u64, law: Law) -> Phone {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let ports = driver.ports().bind(AddressFamily::V4).unwrap();
    let to = ports.port();
    let setup = Setup {
        ssrc: leg as u32,
        sequence: 1,
        timestamp: 1,
        cname: "leg".to_owned(),
        quiet_after: Duration::from_secs(60),
    };
    let mut session = Session::new(setup, clock.now());
    let stream = AudioStream {
        remote: socket.local_addr().ok(),
        party: None,
        remote_rtcp: None,
        rtcp_mux: true,
        codec: law.into(),
        numbers: PayloadTypes { pcmu: Some(0), pcma: Some(8), event: Some(101), ..PayloadTypes::default() },
        offered: PayloadTypes::default(),
        opus: OpusTerms::default(),
        direction: Direction::SendRecv,
        packet: None,
        protection: None,
        association: None,
    };
    session.negotiate(stream, clock.now());
    driver.order(0, Order::Open { leg: LegId(leg), ports, session: Box::new(session) }).unwrap();
    driver.order(0, Order::Join(LegId(leg), (leg / 2).to_string(), Part::open(leg.to_string()))).unwrap();
    Phone { socket, to, law }
}

/// Every phone sends a packet each 20 ms and reads what arrives.
fn talk(phones: &[Phone], clock: &Arc<dyn Clock>, time: Duration, sequence: &mut u16) {
    let began = clock.now();
    let per_slot = phones.len().div_ceil(SLOTS);
    let mut heard = [0; 2_000];
    for slot in 0..time.as_millis() as usize {
        let due = began + Duration::from_millis(slot as u64);
        std::thread::sleep(due.since(clock.now()));
        if slot % SLOTS == 0 {
            *sequence = sequence.wrapping_add(1);
        }
        let first = slot % SLOTS * per_slot;
        for (number, phone) in phones.iter().enumerate().skip(first).take(per_slot) {
            let header = Header {
                marker: false,
                payload_type: phone.law.payload_type(),
                sequence: *sequence,
                timestamp: u32::from(*sequence).wrapping_mul(160),
                ssrc: number as u32 + 1,
            };
            let mut packet = [0x55; 172];
            packet[..12].copy_from_slice(&header.to_bytes());
            // A packet dropped by the kernel is only missing in the count of relayed ones.
            let _ = phone.socket.send_to(&packet, ("127.0.0.1", phone.to));
            while phone.socket.recv(&mut heard).is_ok() {}
        }
    }
}

/// CPU time of the RTP thread so far, in microseconds.
fn cpu_us() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let rtp =
        threads.filter(|t| std::fs::read_to_string(t.path().join("comm")).unwrap_or_default().trim() == "media-rtp-0");
    let nanoseconds = rtp.map(|t| {
        let text = std::fs::read_to_string(t.path().join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap()
    });
    nanoseconds.sum::<f64>() / 1e3
}
