use super::*;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Two ends and the packets on their way.
struct Ends {
    ends: [Handshake; 2],
    keys: [Option<Protection>; 2],
    now: Timestamp,
}

impl Ends {
    fn new(one: &Identity, other: &Identity, expected: [Fingerprint; 2]) -> Self {
        let [of_one, of_other] = expected;
        let ends = [Handshake::begin(one, of_other, true, START), Handshake::begin(other, of_one, false, START)];
        Self { ends, keys: [None, None], now: START }
    }

    /// Goes on until both have keys; `loses` says which packets do not arrive.
    fn run(&mut self, mut loses: impl FnMut(usize) -> bool) -> Result<(), HandshakeError> {
        let mut number = 0;
        for _ in 0..400 {
            let mut packets = Vec::new();
            for (at, (end, keys)) in self.ends.iter_mut().zip(&mut self.keys).enumerate() {
                if end.next_timeout() <= self.now {
                    end.handle_timeout(self.now)?;
                }
                *keys = end.poll(self.now, |packet| packets.push((1 - at, packet.to_vec())))?.or(*keys);
            }
            if self.keys.iter().all(Option::is_some) && packets.is_empty() {
                return Ok(());
            }
            for (to, packet) in packets {
                assert!((20..64).contains(&packet[0]) && packet.len() <= PACKET_BYTES_MAX);
                number += 1;
                if !loses(number) {
                    self.ends[to].handle(&packet, self.now)?;
                }
            }
            self.now = self.now + Duration::from_millis(20);
        }
        panic!("no end");
    }
}

fn identities() -> [Identity; 2] {
    [Identity::generate().unwrap(), Identity::generate().unwrap()]
}

fn ends() -> Ends {
    let [one, other] = identities();
    Ends::new(&one, &other, [one.fingerprint().clone(), other.fingerprint().clone()])
}

#[test]
fn both_have_the_same_keys() {
    let mut ends = ends();
    ends.run(|_| false).unwrap();
    let [Some(one), Some(other)] = ends.keys else { panic!("no keys") };
    assert_eq!((one.ours, one.theirs), (other.theirs, other.ours));
    assert_ne!(one.ours, one.theirs);
}

#[test]
fn lost_packets_are_said_again() {
    for lost in 1..=8 {
        let mut ends = ends();
        ends.run(|number| number == lost).unwrap();
        assert!(ends.now > START + Duration::from_millis(100));
    }
}

#[test]
fn another_certificate_than_the_descriptions_is_refused() {
    let [one, other] = identities();
    let stranger = Identity::generate().unwrap();
    for expected in [
        [one.fingerprint().clone(), stranger.fingerprint().clone()],
        [stranger.fingerprint().clone(), other.fingerprint().clone()],
    ] {
        let mut ends = Ends::new(&one, &other, expected);
        assert_eq!(ends.run(|_| false), Err(HandshakeError::Stranger));
    }
}

#[test]
fn a_handshake_that_does_not_go_on_ends() {
    let mut ends = ends();
    let failed = (0..100).find_map(|second| ends.ends[0].handle_timeout(START + Duration::from_secs(second)).err());
    assert!(failed.is_some());
}

#[test]
fn one_that_is_over_is_forgotten_after_a_while() {
    let mut ends = ends();
    ends.run(|_| false).unwrap();
    for end in &ends.ends {
        assert!(!end.is_forgotten(ends.now));
        assert!(end.is_forgotten(end.next_timeout()));
    }
}

#[test]
fn nonsense_never_looks_like_somebody_else() {
    for first in 20..64_u8 {
        let mut ends = ends();
        let packet = [first, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9];
        if ends.ends[1].takes(&packet)
            && let Err(error) = ends.ends[1].handle(&packet, START).and_then(|()| ends.run(|_| false))
        {
            assert!(!error.is_final(), "{first}: {error}");
        }
    }
}
