use std::net::SocketAddr;

use super::*;

const START: Timestamp = Timestamp::from_millis(1_000_000);
const SECOND: Duration = Duration::from_secs(1);

struct Lab {
    lockout: Lockout,
    now: Timestamp,
}

fn party(dn: &str, remote: &str) -> Party {
    let remote: SocketAddr = remote.parse().unwrap();
    let flow = Flow::Udp { listener: 0, remote };
    Party::new(&Seal::new(&[9; 32]), "acme.example", dn, remote.ip(), Some(flow))
}

const fn source(n: u32) -> [u8; 4] {
    let [_, b, c, d] = n.to_be_bytes();
    [100, b, c, d]
}

fn at(dn: &str, n: u32) -> Party {
    party(dn, &SocketAddr::from((source(n), 5060)).to_string())
}

impl Lab {
    fn new() -> Self {
        Self { lockout: Lockout::new(&Limits::default()), now: START }
    }

    fn look(&self, party: &Party) -> Look {
        self.lockout.look(party, self.now)
    }

    /// Guesses whenever a password would be checked, until `until`; returns the number of guesses.
    fn guess_until(&mut self, party: &Party, until: Timestamp) -> u32 {
        let mut guesses = 0;
        while self.now < until {
            match self.look(party) {
                Look::Now => {
                    guesses += 1;
                    self.lockout.was_wrong(party, self.now);
                }
                Look::After(wait) => self.now = self.now + wait,
                Look::Again => self.now = self.now + SECOND,
            }
        }
        guesses
    }

    fn fail(&mut self, party: &Party, times: u32) {
        for _ in 0..times {
            self.lockout.was_wrong(party, self.now);
        }
    }
}

#[test]
fn wrong_passwords_for_a_number_cost_it_more_and_more_time_at_its_source_and_are_forgotten() {
    let mut lab = Lab::new();
    let guessed = at("7101", 1);
    lab.fail(&guessed, 5);
    assert_eq!(lab.look(&guessed), Look::Now);
    for seconds in [1, 2, 4, 8, 16, 32, 64, 64, 64] {
        lab.fail(&guessed, 1);
        assert_eq!(lab.look(&guessed), Look::After(SECOND * seconds));
        assert_eq!(lab.look(&at("7102", 1)), Look::Now, "its neighbour in the office");
        assert_eq!(lab.look(&at("7101", 2)), Look::Now, "the same number elsewhere");
    }
    lab.now = lab.now + SECOND * 3_600;
    lab.fail(&guessed, 1);
    assert_eq!(lab.look(&guessed), Look::Now);
}

#[test]
fn a_port_is_no_source_of_its_own_nor_is_an_address_of_an_ipv6_network() {
    let mut lab = Lab::new();
    for port in 1..=6 {
        lab.fail(&party("7101", &format!("192.0.2.1:{port}")), 1);
    }
    assert_eq!(lab.look(&party("7101", "192.0.2.1:9")), Look::After(SECOND));
    for host in 1..=6 {
        lab.fail(&party("7101", &format!("[2001:db8::{host}]:5060")), 1);
    }
    assert_eq!(lab.look(&party("7101", "[2001:db8::ffff:9]:5060")), Look::After(SECOND));
    assert_eq!(lab.look(&party("7101", "[2001:db8:0:1::1]:5060")), Look::Now);
    assert_eq!(lab.look(&party("7101", "[::ffff:192.0.2.1]:9")), Look::After(SECOND));
}

#[test]
fn who_tries_every_number_has_to_wait_and_phones_that_are_known_there_do_not() {
    let mut lab = Lab::new();
    let known = at("7101", 1);
    lab.lockout.proved_itself(&known, lab.now);
    for n in 0..FAILING_MAX {
        let tried = at(&n.to_string(), 1);
        assert_eq!(lab.look(&tried), Look::Now);
        lab.fail(&tried, 1);
    }
    for (n, seconds) in [1, 2, 4, 8, 16, 32, 64, 64].into_iter().enumerate() {
        assert_eq!(lab.look(&at("new", 1)), Look::Now);
        lab.fail(&at(&format!("beyond-{n}"), 1), 1);
        assert_eq!(lab.look(&at("new", 1)), Look::After(SECOND * seconds));
        assert_eq!((lab.look(&known), lab.look(&at("new", 2))), (Look::Now, Look::Now));
        lab.now = lab.now + SECOND * seconds;
    }
    // An attacker who goes on for a day, each time with a number not tried before.
    let (begin, mut tried) = (lab.now, 0_u32);
    while lab.now < begin + SECOND * 24 * 3_600 {
        let next = at(&format!("next-{tried}"), 1);
        match lab.look(&next) {
            Look::After(wait) => lab.now = lab.now + wait,
            _ => {
                tried += 1;
                lab.fail(&next, 1);
            }
        }
    }
    assert!(tried < 5_000, "{tried} numbers in a day");
}

#[test]
fn one_misconfigured_phone_never_makes_its_office_wait() {
    let mut lab = Lab::new();
    let until = START + SECOND * 24 * 3_600;
    while lab.now < until {
        lab.guess_until(&at("7101", 1), lab.now + SECOND);
        lab.now = lab.now + SECOND * 30;
        assert_eq!(lab.look(&at("7102", 1)), Look::Now);
    }
}

#[test]
fn a_number_that_has_proved_itself_at_a_source_is_never_refused_there() {
    let mut lab = Lab::new();
    let phone = at("7101", 1);
    lab.lockout.proved_itself(&phone, lab.now);
    // From its own address, as a second device with a wrong password does; from many others; and at other numbers of its
    // office.
    let second = party("7101", "100.0.0.1:40000");
    lab.fail(&second, 500);
    for n in 2..1_000 {
        lab.fail(&at("7101", n), 5);
    }
    for n in 0..200 {
        lab.fail(&at(&format!("x{n}"), 1), 3);
    }
    assert_eq!(lab.look(&phone), Look::Now);
    assert_eq!(lab.look(&second), Look::Again, "asked anew, not refused");
    lab.now = lab.now + SECOND;
    assert_eq!(lab.look(&second), Look::Now, "one is looked at each second");
    // On another flow, which may belong to another phone.
    let unsure = Party { flow: None, ..second };
    lab.lockout.proved_itself(&unsure, lab.now);
    lab.fail(&unsure, 500);
    assert_eq!(lab.look(&unsure), Look::Again);
    // It stays known there for a weekend.
    lab.now = lab.now + PROVED_FOR;
    assert_eq!(lab.look(&phone), Look::Now);
    lab.fail(&at("7101", 7), 200);
    lab.now = lab.now + SECOND;
    assert!(matches!(lab.look(&phone), Look::After(_)));
}

#[test]
fn a_number_is_not_guessed_faster_from_many_sources_and_no_source_alone_makes_it_wait() {
    let mut lab = Lab::new();
    let day = SECOND * 24 * 3_600;
    let alone = lab.guess_until(&at("7101", 1), START + day);
    assert!((1_000..1_500).contains(&alone), "{alone} guesses in a day");
    assert_eq!(lab.look(&at("7101", 2)), Look::Now);
    // Many sources.
    let (mut lab, mut guesses) = (Lab::new(), 0);
    while lab.now < START + day {
        for n in 0..200 {
            let guess = at("7101", n);
            if lab.look(&guess) == Look::Now {
                guesses += 1;
                lab.fail(&guess, 1);
            }
        }
        lab.now = lab.now + SECOND * 30;
    }
    assert!((2_000..=2_600).contains(&guesses), "{guesses} guesses in a day");
}

#[test]
fn strangers_fill_no_memory_and_nobody_who_has_proved_himself_is_forgotten_for_them() {
    let mut lab = Lab::new();
    let phone = at("7101", 1);
    lab.lockout.proved_itself(&phone, lab.now);
    for n in 0..100_000 {
        lab.fail(&at(&format!("x{n}"), n / 3 + 1), 1);
    }
    assert!(lab.lockout.sources.len() <= SOURCES_MAX && lab.lockout.numbers.len() <= NUMBERS_MAX);
    for n in 0..10_000 {
        lab.fail(&at(&format!("y{n}"), 2), 1);
    }
    let here = lab.lockout.sources.get(&IpAddr::from(source(2))).unwrap();
    assert!(here.numbers.len() <= FAILING_MAX);
    assert_eq!(lab.lockout.proved.len(), 1);
    lab.fail(&party("7101", "100.0.0.1:9"), 200);
    assert_eq!(lab.look(&phone), Look::Now);
    // Knowing a password fills the places of its own number and no other.
    for n in 0..1_000 {
        lab.lockout.proved_itself(&at("7102", n), lab.now);
    }
    assert_eq!(lab.lockout.proved.len(), 2);
    let known = lab.lockout.proved.get(&at("7102", 0).number).unwrap();
    assert_eq!((known.len(), known[7].source), (PROVED_SOURCES_MAX, IpAddr::from(source(999))));
}

#[test]
fn a_right_password_frees_its_number_and_its_place() {
    let mut lab = Lab::new();
    lab.fail(&at("7101", 1), 9);
    lab.fail(&at("7102", 1), 9);
    assert!(matches!(lab.look(&at("7101", 1)), Look::After(_)));
    lab.now = lab.now + SECOND * 64;
    lab.lockout.proved_itself(&at("7101", 1), lab.now);
    assert_eq!(lab.lockout.sources.get(&IpAddr::from(source(1))).unwrap().numbers.len(), 1);
    lab.lockout.proved_itself(&at("7102", 1), lab.now);
    assert_eq!(lab.lockout.sources.len(), 0);
}

#[test]
fn times_at_the_ends_of_the_scale_do_no_harm() {
    for now in [Timestamp::ZERO, Timestamp::MAX, Timestamp::from_micros(u64::MAX - 1)] {
        let mut lab = Lab { now, ..Lab::new() };
        for _ in 0..300 {
            lab.lockout.was_wrong(&at("7101", 1), now);
        }
        let _ = lab.look(&at("7101", 1));
        lab.lockout.proved_itself(&at("7101", 1), now);
        assert_eq!(lab.look(&at("7101", 1)), Look::Now);
    }
}
