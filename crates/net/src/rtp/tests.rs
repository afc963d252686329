//! Tests of the driver on loopback sockets.

use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use infra::SystemClock;
use media::codec::OpusTerms;
use media::exchange::Part;
use media::g711::Law;
use media::rtp::{Header, Packet};
use media::sdp::{Direction, PayloadTypes};
use media::session::{Prompt, Setup};
use model::AddressFamily;

use super::*;

const WAIT: Duration = Duration::from_secs(5);

struct Phone {
    socket: UdpSocket,
    ssrc: u32,
    sequence: u16,
}

impl Phone {
    fn new(ssrc: u32) -> Self {
        Self::at("127.0.0.1:0", ssrc).unwrap()
    }

    fn at(address: &str, ssrc: u32) -> std::io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(WAIT)).unwrap();
        Ok(Self { socket, ssrc, sequence: 0 })
    }

    /// Its address, which is that of the driver, too.
    fn ip(&self) -> IpAddr {
        self.socket.local_addr().unwrap().ip()
    }

    fn say(&mut self, to: u16, fill: u8) {
        self.sequence += 1;
        let (sequence, timestamp) = (self.sequence, u32::from(self.sequence) * 160);
        let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: self.ssrc };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend([fill; 160]);
        self.socket.send_to(&bytes, (self.ip(), to)).unwrap();
    }

    fn hear(&self) -> (Header, Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2_000];
        // Reports come all the time and are skipped.
        let clock = SystemClock::start();
        let end = clock.now() + WAIT;
        loop {
            assert!(clock.now() < end, "nothing is heard");
            let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
            if !media::rtp::is_rtcp(&buffer[..length]) {
                let packet = Packet::parse(&buffer[..length]).unwrap();
                return (packet.header, packet.payload.to_vec(), from);
            }
        }
    }
}

/// Starts a driver; its ports must be below the kernel's ephemeral range.
fn driver(ports: RangeInclusive<u16>) -> (RtpDriver, mpsc::Receiver<LegEvent>, Arc<dyn Clock>) {
    driver_at(vec!["127.0.0.1".parse().unwrap()], ports)
}

fn driver_at(
    addresses: Vec<IpAddr>,
    ports: RangeInclusive<u16>,
) -> (RtpDriver, mpsc::Receiver<LegEvent>, Arc<dyn Clock>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (driver, news) =
        RtpDriver::start(Settings { addresses, ports, threads: 2, clock: clock.clone(), recorded: sync_channel(1).0 })
            .unwrap();
    (driver, news, clock)
}

/// Opens a leg for a phone; its RTP port.
fn open(driver: &RtpDriver, clock: &Arc<dyn Clock>, shard: usize, id: u64, phone: &Phone) -> u16 {
    let ports = driver.ports().bind(AddressFamily::of(phone.ip())).unwrap();
    let port = ports.port();
    let setup =
        Setup { ssrc: 77, sequence: 1, timestamp: 1, cname: "t".to_owned(), quiet_after: Duration::from_secs(60) };
    let mut session = Session::new(setup, clock.now());
    session.negotiate(stream_to(phone), clock.now());
    driver.order(shard, Order::Open { leg: LegId(id), ports, session: Box::new(session) }).unwrap();
    port
}

fn stream_to(phone: &Phone) -> AudioStream {
    AudioStream {
        remote: Some(phone.socket.local_addr().unwrap()),
        party: None,
        remote_rtcp: None,
        rtcp_mux: true,
        codec: Law::Mu.into(),
        numbers: PayloadTypes { pcmu: Some(0), pcma: Some(8), event: Some(101), ..PayloadTypes::default() },
        offered: PayloadTypes::default(),
        opus: OpusTerms::default(),
        direction: Direction::SendRecv,
        packet: None,
        protection: None,
        association: None,
    }
}

#[test]
fn two_legs_of_a_conference_are_relayed_and_an_echo_comes_back() {
    let (driver, mut news, clock) = driver(22_000..=22_099);
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let shard = driver.shard_of("c");
    let (a, b) = (open(&driver, &clock, shard, 1, &alice), open(&driver, &clock, shard, 2, &bob));
    driver.order(shard, Order::Join(LegId(1), "c".to_owned(), Part::open("1"))).unwrap();
    driver.order(shard, Order::Join(LegId(2), "c".to_owned(), Part::open("2"))).unwrap();
    for n in 0..20 {
        alice.say(a, n);
        let (header, payload, from) = bob.hear();
        assert_eq!((payload, from.port(), header.ssrc), (vec![n; 160], b, 77));
        bob.say(b, 100 + n);
        assert_eq!(alice.hear().1, [100 + n; 160]);
    }
    let learned = news.blocking_recv().unwrap();
    assert_eq!(learned, LegEvent::Event(LegId(1), Event::Learned(alice.socket.local_addr().unwrap())));
    driver.order(shard, Order::Close(LegId(2))).unwrap();
    driver.order(shard, Order::Echo(LegId(1), true)).unwrap();
    let (reply, picture) = oneshot::channel();
    driver.order(shard, Order::LegSnapshot(vec![LegId(1), LegId(2)], reply)).unwrap();
    let pictures = picture.blocking_recv().unwrap();
    assert_eq!(pictures.len(), 1, "the closed leg is gone");
    assert_eq!(pictures[0].statistics.received, 20);
    alice.say(a, 7);
    assert_eq!(alice.hear().1, [7; 160]);
}

/// Waits until a leg is on that thread.
fn arrives(driver: &RtpDriver, shard: usize, leg: LegId) {
    let is_there = |_: &u32| {
        let (reply, snapshots) = oneshot::channel();
        driver.order(shard, Order::LegSnapshot(vec![leg], reply)).unwrap();
        !snapshots.blocking_recv().unwrap().is_empty()
    };
    assert!((0..100_000).any(|attempt| is_there(&attempt)), "it has not come");
}

#[test]
fn a_leg_that_joins_a_conference_of_another_thread_goes_there_with_its_sockets() {
    let (driver, _news, clock) = driver(22_400..=22_499);
    let (mut alice, mut bob) = (Phone::new(1), Phone::new(2));
    let there = driver.shard_of("c");
    let (a, b) = (open(&driver, &clock, there, 1, &alice), open(&driver, &clock, 1 - there, 2, &bob));
    driver.order(there, Order::Join(LegId(1), "c".to_owned(), Part::open("1"))).unwrap();
    for n in 0..20 {
        driver.move_leg(LegId(2), 1 - there, there).unwrap();
        driver.order(there, Order::Join(LegId(2), "c".to_owned(), Part::open("2"))).unwrap();
        arrives(&driver, there, LegId(2));
        alice.say(a, n);
        assert_eq!(bob.hear().1, vec![n; 160], "its orders have waited for it");
        bob.say(b, 100 + n);
        assert_eq!(alice.hear().1, [100 + n; 160]);
        driver.move_leg(LegId(2), there, 1 - there).unwrap();
    }
    // One that is gone is not waited for.
    driver.order(1 - there, Order::Close(LegId(2))).unwrap();
    driver.move_leg(LegId(2), 1 - there, there).unwrap();
    driver.order(there, Order::Echo(LegId(1), true)).unwrap();
    alice.say(a, 7);
    assert_eq!(alice.hear().1, [7; 160]);
}

/// A machine that has `::1` and cannot bind it has a fault; one without it is said to have none, past the harness.
fn says_no_ipv6(error: &std::io::Error) {
    // The kernel writes `::1` so (proc(5)).
    let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    assert!(!addresses.contains("00000000000000000000000000000001"), "the machine has ::1: {error}");
    std::io::stderr().write_all(b"skipped: the machine has no IPv6\n").unwrap();
}

#[test]
fn legs_of_both_families_are_relayed_and_a_leg_changes_its_family() {
    let mut six = match Phone::at("[::1]:0", 1) {
        Ok(six) => six,
        Err(error) => return says_no_ipv6(&error),
    };
    let (mut four, mut bob) = (Phone::new(3), Phone::new(2));
    let (driver, _news, clock) = driver_at(vec![four.ip(), six.ip()], 22_500..=22_599);
    let shard = driver.shard_of("c");
    let (at_six, at_bob) = (open(&driver, &clock, shard, 1, &six), open(&driver, &clock, shard, 2, &bob));
    driver.order(shard, Order::Join(LegId(1), "c".to_owned(), Part::open("1"))).unwrap();
    driver.order(shard, Order::Join(LegId(2), "c".to_owned(), Part::open("2"))).unwrap();
    for n in 0..20 {
        six.say(at_six, n);
        assert_eq!(bob.hear().1, [n; 160]);
        bob.say(at_bob, 100 + n);
        let (_, payload, from) = six.hear();
        assert_eq!((payload, from), (vec![100 + n; 160], SocketAddr::new(six.ip(), at_six)));
    }
    // The first phone goes on at another address, of the other family.
    let ports = driver.ports().bind(AddressFamily::V4).unwrap();
    let at_four = ports.port();
    driver.order(shard, Order::ChangePorts(LegId(1), ports)).unwrap();
    driver.order(shard, Order::Negotiate(LegId(1), Box::new(stream_to(&four)))).unwrap();
    bob.say(at_bob, 200);
    let (_, payload, from) = four.hear();
    assert_eq!((payload, from), (vec![200; 160], SocketAddr::new(four.ip(), at_four)));
    (0..20).for_each(|_| four.say(at_four, 77));
    assert_eq!(bob.hear().1, [77; 160]);
}

#[test]
fn an_order_holds_for_the_packets_that_are_sent_after_it() {
    let (driver, _news, clock) = driver(22_300..=22_399);
    let mut phone = Phone::new(1);
    let port = open(&driver, &clock, 0, 1, &phone);
    // Often enough that some turn of the thread finds both the order and the packet.
    for n in 0..200 {
        driver.order(0, Order::Echo(LegId(1), true)).unwrap();
        phone.say(port, n);
        assert_eq!(phone.hear().1, [n; 160]);
        driver.order(0, Order::Echo(LegId(1), false)).unwrap();
    }
}

#[test]
fn a_prompt_is_paced_and_its_end_is_told() {
    let (driver, mut news, clock) = driver(22_100..=22_199);
    let phone = Phone::new(1);
    open(&driver, &clock, 0, 5, &phone);
    let prompt = Prompt { name: "p".into(), samples: vec![500; 1_600].into() };
    let treatment = Treatment { prompts: vec![prompt], ..Treatment::default() };
    let began = clock.now();
    driver.order(0, Order::Play(LegId(5), 9, treatment)).unwrap();
    let headers: Vec<Header> = (0..10).map(|_| phone.hear().0).collect();
    let took = clock.now().since(began);
    // The thread may have read the clock slightly before we did.
    assert!(took >= Duration::from_millis(160), "{took:?} for 10 packets");
    assert!(headers.windows(2).all(|w| w[1].sequence == w[0].sequence + 1));
    // A thread that got no processor for long continues at the present time: then the step is larger.
    let steps: Vec<u32> = headers.windows(2).map(|w| w[1].timestamp.wrapping_sub(w[0].timestamp)).collect();
    assert!(steps.iter().all(|step| *step >= 160 && step.is_multiple_of(160)), "{steps:?}");
    match news.blocking_recv().unwrap() {
        LegEvent::Event(LegId(5), Event::Ended(outcome)) => assert_eq!(outcome.id, 9),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ports_are_bounded_and_come_back() {
    let (driver, _news, clock) = driver(22_200..=22_205);
    assert_eq!(driver.ports().total(), 3);
    let phone = Phone::new(1);
    let ports: Vec<u16> = (0..3).map(|n| open(&driver, &clock, 0, n, &phone)).collect();
    assert!(ports.iter().all(|p| p.is_multiple_of(2)));
    let pools = driver.ports();
    assert!(matches!(pools.bind(AddressFamily::V4), Err(PortsError::Exhausted)));
    assert!(matches!(pools.bind_again(AddressFamily::V4, ports[1]), Err(PortsError::Taken(_))));
    assert!(matches!(pools.bind(AddressFamily::V6), Err(PortsError::NoAddress(AddressFamily::V6))));
    driver.order(0, Order::Close(LegId(1))).unwrap();
    let (reply, picture) = oneshot::channel();
    driver.order(0, Order::LegSnapshot(Vec::new(), reply)).unwrap();
    picture.blocking_recv().unwrap();
    assert_eq!(driver.ports().free(), 1);
    assert_eq!(pools.bind_again(AddressFamily::V4, ports[1]).unwrap().port(), ports[1]);
}
