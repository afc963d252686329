//! Legs of both families: which address a leg gets, and that they are relayed to each other.

use super::*;

const TARGET: &str = "sip:conf=9@media.trunkline.invalid";
const SIX: &str = "[2001:db8:5::5]:4000";
const FOUR: &str = "198.51.100.7:4000";

/// The last description of media that the owner got.
fn described(world: &mut World) -> String {
    world.settle();
    let description = world.events.drain(..).rev().find_map(|event| match event {
        Event::Answered { session: Session::Answer(sdp) | Session::Offer(sdp), .. } => Some(sdp),
        Event::Renegotiated { answer, .. } => Some(answer),
        _ => None,
    });
    String::from_utf8(description.expect("a description").to_vec()).unwrap()
}

/// The address that a description of media has, which is that of its author, too.
fn address_of(description: &str) -> String {
    let address = description.lines().find_map(|line| line.strip_prefix("c=IN ")).expect("a c= line").to_owned();
    let origin = description.lines().find(|line| line.starts_with("o=")).unwrap_or_default();
    assert!(origin.ends_with(&format!(" IN {address}")), "{description}");
    address
}

fn port_of(description: &str) -> u16 {
    sdp::parse(description.as_bytes()).unwrap().audio().unwrap().port
}

fn offer_of(at: SocketAddr, version: u64) -> String {
    let (address, port) = (at.ip(), at.port());
    let local = LocalAudio { address, port, session_id: 1, version, encryption: LocalEncryption::Off };
    negotiation::offer(&local, Preference::default(), &[]).to_string()
}

/// Sends a packet of speech; returns where media sends audio then, and from where.
fn said(world: &mut World, from: &str, to: u16, n: u16) -> Vec<(SocketAddr, SocketAddr)> {
    world.clock.advance(Duration::from_millis(20));
    let header = Header { sequence: n, timestamp: u32::from(n) * 160, ssrc: 5, ..Header::default() };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend([Law::Mu.encode(900); 160]);
    assert!(world.media.hear(to, &bytes, from.parse().unwrap(), world.clock.now()));
    let packets = std::iter::from_fn(|| world.media.poll_packet());
    let audio = packets.filter(|packet| !media::rtp::is_rtcp(&packet.bytes));
    audio.map(|packet| (packet.from, packet.to)).collect()
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

#[test]
fn a_phone_of_ipv6_and_a_carrier_of_ipv4_hear_each_other_and_so_they_do_after_a_restart() {
    let mut world = World::new();
    world.ask(0, SIX.parse().unwrap());
    let of_six = described(&mut world);
    world.ask(1, FOUR.parse().unwrap());
    let of_four = described(&mut world);
    assert_eq!((address_of(&of_six), address_of(&of_four)), ("IP6 2001:db8::50".into(), "IP4 192.0.2.50".into()));
    let (six, four) = (port_of(&of_six), port_of(&of_four));
    for round in 0..2 {
        for n in 0..5 {
            let n = round * 5 + n;
            assert_eq!(said(&mut world, SIX, six, n), [(at("192.0.2.50", four), FOUR.parse().unwrap())]);
            assert_eq!(said(&mut world, FOUR, four, n), [(at("2001:db8::50", six), SIX.parse().unwrap())]);
        }
        assert_eq!(world.restart(), 2);
    }
}

#[test]
fn an_offer_has_the_family_that_the_owner_asks_for_or_else_that_of_the_signalling_or_else_ipv4() {
    for (parameter, party, expected) in [
        (";family=ip6", None, "IP6 2001:db8::50"),
        ("", Some("2001:db8:5::5"), "IP6 2001:db8::50"),
        ("", Some("198.51.100.7"), "IP4 192.0.2.50"),
        (";family=ip6", Some("198.51.100.7"), "IP6 2001:db8::50"),
        ("", None, "IP4 192.0.2.50"),
    ] {
        let mut world = World::new();
        world.party = party.map(str::to_owned);
        world.ask_at(&format!("{TARGET}{parameter}"), 0, None);
        assert_eq!(address_of(&described(&mut world)), expected, "{parameter} {party:?}");
    }
}

#[test]
fn a_phone_that_goes_to_the_other_family_in_its_call_takes_its_leg_with_it() {
    let mut world = World::new();
    world.ask(0, FOUR.parse().unwrap());
    let (leg, of_four) = (world.dialog.unwrap(), described(&mut world));
    world.ask(1, "198.51.100.9:4002".parse().unwrap());
    let other = port_of(&described(&mut world));
    let now = world.clock.now();
    world.owner.reinvite(leg, Some(offer_of(SIX.parse().unwrap(), 2).into()), Vec::new(), now).unwrap();
    let of_six = described(&mut world);
    assert_eq!((address_of(&of_four), address_of(&of_six)), ("IP4 192.0.2.50".into(), "IP6 2001:db8::50".into()));
    let six = port_of(&of_six);
    let to_six = [(at("2001:db8::50", six), SIX.parse().unwrap())];
    assert_eq!(said(&mut world, "198.51.100.9:4002", other, 1), to_six);
    let to_other = [(at("192.0.2.50", other), at("198.51.100.9", 4_002))];
    assert_eq!(said(&mut world, SIX, six, 1), to_other);
    // A hold by the unspecified address of the old way is none of IPv4.
    let held = offer_of(SIX.parse().unwrap(), 3).replace("c=IN IP6 2001:db8:5::5", "c=IN IP4 0.0.0.0");
    world.owner.reinvite(leg, Some(held.into()), Vec::new(), world.clock.now()).unwrap();
    assert_eq!(address_of(&described(&mut world)), "IP6 2001:db8::50");
}
