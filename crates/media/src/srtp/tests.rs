use proptest::prelude::*;

use super::*;

pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn keying(suite: Suite) -> Keying {
    let material: Vec<u8> = (0..suite.material_bytes() as u8).collect();
    Keying::new(suite, &material, None).unwrap()
}

fn pair(suite: Suite) -> (SrtpSender, SrtpReceiver) {
    (SrtpSender::new(keying(suite), 0xCAFE_BABE).unwrap(), SrtpReceiver::new(keying(suite)).unwrap())
}

/// A packet with this sequence number, and its text.
fn packet(sequence: u16) -> Vec<u8> {
    let mut packet = bytes("800f1234decafbadcafebabe");
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend([0xAB; 16]);
    packet
}

fn report() -> Vec<u8> {
    [bytes("81c8000bcafebabe"), vec![0xAB; 16]].concat()
}

fn protect(sender: &mut SrtpSender, plain: &[u8]) -> Option<Vec<u8>> {
    let mut room = plain.to_vec();
    room.resize(plain.len() + OVERHEAD_MAX, 0);
    let length = sender.protect(&mut room, plain.len())?;
    room.truncate(length);
    Some(room)
}

fn protect_report(sender: &mut SrtpSender, plain: &[u8]) -> Vec<u8> {
    let mut room = plain.to_vec();
    room.resize(plain.len() + OVERHEAD_MAX, 0);
    let length = sender.protect_report(&mut room, plain.len()).unwrap();
    room.truncate(length);
    room
}

fn open(receiver: &mut SrtpReceiver, sealed: &[u8]) -> Result<Vec<u8>, PacketRefused> {
    receiver.open(&mut sealed.to_vec()).map(|(packet, _)| packet.to_vec())
}

fn open_report(receiver: &mut SrtpReceiver, sealed: &[u8]) -> Result<Vec<u8>, PacketRefused> {
    receiver.open_report(&mut sealed.to_vec()).map(|packet| packet.to_vec())
}

/// Whole packets under the master key of RFC 3711 appendix B.3, as another implementation writes them (the driver of libsrtp).
#[test]
fn packets_are_those_of_another_implementation() {
    let material = bytes("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");
    let keying = Keying::new(Suite::AesCm128Sha1_80, &material, None).unwrap();
    let mut sender = SrtpSender::new(keying, 0xCAFE_BABE).unwrap();
    let sealed = protect(&mut sender, &packet(0x1234)).unwrap();
    let expected = "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb";
    assert_eq!(sealed, bytes(expected));
    let expected = "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798";
    assert_eq!(protect_report(&mut sender, &report()), bytes(expected));
    let material: Vec<u8> = (0..16).chain(0xA0..0xAC).collect();
    let keying = Keying::new(Suite::AesGcm128, &material, None).unwrap();
    let sealed = protect(&mut SrtpSender::new(keying, 0xCAFE_BABE).unwrap(), &packet(0x1234)).unwrap();
    let expected = "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392";
    assert_eq!(sealed, bytes(expected));
}

#[test]
fn a_sender_uses_no_index_twice() {
    for suite in SUITES {
        let (mut sender, _) = pair(suite);
        assert!(protect(&mut sender, &packet(10)).is_some());
        assert!(protect(&mut sender, &packet(12)).is_some());
        assert!(protect(&mut sender, &packet(11)).is_some());
        assert_eq!(protect(&mut sender, &packet(11)), None);
        assert_eq!(protect(&mut sender, &packet(10)), None);
        let mut other = packet(13);
        other[11] = 0;
        assert_eq!(protect(&mut sender, &other), None, "another source is not ours");
        let mut tight = packet(14);
        let length = tight.len();
        assert_eq!(sender.protect(&mut tight, length), None, "no room for the tag");
    }
}

#[test]
fn reports_are_opened_once() {
    for suite in SUITES {
        let (mut sender, mut receiver) = pair(suite);
        let sealed: Vec<_> = (0..3).map(|_| protect_report(&mut sender, &report())).collect();
        for at in [1, 0, 2] {
            assert_eq!(open_report(&mut receiver, &sealed[at]), Ok(report()), "{suite:?}");
            assert_eq!(open_report(&mut receiver, &sealed[at]), Err(PacketRefused::Replayed));
        }
        let mut clear = protect_report(&mut sender, &report());
        let word = clear.len() - if matches!(suite, Suite::AesGcm128 | Suite::AesGcm256) { 4 } else { 14 };
        clear[word] &= 0x7F;
        assert_eq!(
            open_report(&mut receiver, &clear),
            Err(PacketRefused::Forged),
            "nobody has agreed to reports in clear"
        );
    }
}

#[test]
fn a_key_is_named_in_each_packet_if_that_is_agreed() {
    for suite in SUITES {
        let (mut sender, _) = pair(suite);
        let material = keying(suite).material().to_vec();
        let named = Keying::new(suite, &material, Some(Mki { value: 0x0102, length: 3 })).unwrap();
        let tag = if suite == Suite::AesCm128Sha1_32 { 4 } else { 10 };
        let is_gcm = matches!(suite, Suite::AesGcm128 | Suite::AesGcm256);
        let name = |sealed: Vec<u8>, tag: usize| {
            let at = if is_gcm { sealed.len() } else { sealed.len() - tag };
            [&sealed[..at], &[0, 1, 2], &sealed[at..]].concat()
        };
        let mut receiver = SrtpReceiver::new(named).unwrap();
        let sealed = protect(&mut sender, &packet(5)).unwrap();
        assert_eq!(open(&mut receiver, &sealed), Err(PacketRefused::Forged));
        assert_eq!(open(&mut receiver, &name(sealed, tag)), Ok(packet(5)), "{suite:?}");
        let sealed = protect_report(&mut sender, &report());
        assert_eq!(open_report(&mut receiver, &name(sealed, 10)), Ok(report()), "{suite:?}");
    }
}

#[test]
fn a_receiver_goes_on_from_where_another_one_was_and_takes_nothing_twice() {
    for suite in SUITES {
        let (mut sender, mut first) = pair(suite);
        let sealed: Vec<_> = (0..200_000u32).map(|n| protect(&mut sender, &packet(n as u16)).unwrap()).collect();
        open(&mut first, &sealed[100]).unwrap();
        let at = first.sources();
        // Up to a cycle later; within the cycle, or after the rollover.
        for later in [101, 20_000, 60_000, 65_530, 65_540, 80_000] {
            let mut second = SrtpReceiver::resume(*first.keying(), &at).unwrap();
            assert_eq!(open(&mut second, &sealed[50]), Err(PacketRefused::Forged), "old: no index above fits");
            assert_eq!(open(&mut second, &sealed[100]), Err(PacketRefused::Forged));
            assert_eq!(open(&mut second, &sealed[later]), Ok(packet(later as u16)), "{suite:?} {later}");
            assert_eq!(open(&mut second, &sealed[later - 1]), Err(PacketRefused::Replayed));
            assert_eq!(open(&mut second, &sealed[later + 1]), Ok(packet(later as u16 + 1)));
        }
        let mut late = SrtpReceiver::new(keying(suite)).unwrap();
        assert!(open(&mut late, &sealed[70_000]).is_ok(), "it had rolled over before anybody listened");
        assert!(open(&mut late, &sealed[199_999]).is_err(), "too far");
    }
}

#[test]
fn what_is_heard_first_and_after_each_rollover_is_told() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128Sha1_80);
    let told: Vec<u32> = (65_000..131_200u32)
        .filter(|n| {
            let mut sealed = protect(&mut sender, &packet(*n as u16)).unwrap();
            receiver.open(&mut sealed).unwrap().1
        })
        .collect();
    assert_eq!(told, [65_000, 65_536, 131_072]);
}

#[test]
fn sources_are_bounded() {
    let mut receiver = SrtpReceiver::new(keying(Suite::AesCm128Sha1_32)).unwrap();
    for ssrc in 0..100u32 {
        let mut sender = SrtpSender::new(keying(Suite::AesCm128Sha1_32), ssrc).unwrap();
        let mut plain = packet(1);
        plain[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let sealed = protect(&mut sender, &plain).unwrap();
        assert_eq!(open(&mut receiver, &sealed), Ok(plain));
    }
    assert_eq!(receiver.sources().len(), SSRCS_MAX);
}

#[test]
fn no_key_is_shown() {
    let (sender, receiver) = pair(Suite::AesCm128Sha1_80);
    assert_eq!(format!("{:?}", sender.keying()), "Keying(AES_CM_128_HMAC_SHA1_80, ***)");
    assert!(!format!("{sender:?}{receiver:?}").contains("material"));
}

fn any_suite() -> impl Strategy<Value = Suite> {
    prop::sample::select(&SUITES)
}

proptest! {
    /// Loss, reordering within the window, repetition, across rollovers: everything arrives once.
    #[test]
    fn packets_arrive_once_whatever_the_network_does(
        suite in any_suite(),
        start in any::<u16>(),
        fates in prop::collection::vec((0..40u32, any::<bool>(), any::<bool>()), 1..400),
    ) {
        let (mut sender, mut receiver) = pair(suite);
        // Ten packets in a row, and then a step.
        let sequence = |n: usize| (start % 0x8000).wrapping_add((n / 10 * 4_000 + n % 10) as u16);
        let plain: Vec<_> = (0..fates.len()).map(|n| packet(sequence(n))).collect();
        let sealed: Vec<_> = plain.iter().map(|plain| protect(&mut sender, plain).unwrap()).collect();
        let mut order: Vec<(usize, usize)> = Vec::new();
        for (at, (delay, lost, twice)) in fates.iter().enumerate() {
            let row = at / 10 * 100;
            if !lost || at == 0 {
                order.push((if at == 0 { 0 } else { row + *delay as usize }, at));
            }
            if *twice {
                order.push((row + 50, at));
            }
        }
        order.sort_unstable();
        let mut arrived = std::collections::BTreeSet::new();
        for (_, at) in order {
            let result = open(&mut receiver, &sealed[at]);
            if arrived.insert(at) {
                prop_assert_eq!(result, Ok(plain[at].clone()));
            } else {
                prop_assert_eq!(result, Err(PacketRefused::Replayed));
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_refused_and_changes_nothing(suite in any_suite(), bit in any::<prop::sample::Index>(), is_report in any::<bool>()) {
        let (mut sender, mut receiver) = pair(suite);
        let first = protect(&mut sender, &packet(99)).unwrap();
        open(&mut receiver, &first).unwrap();
        let before = receiver.sources();
        let sealed = if is_report { protect_report(&mut sender, &report()) } else { protect(&mut sender, &packet(100)).unwrap() };
        let mut forged = sealed.clone();
        let bit = bit.index(forged.len() * 8);
        forged[bit / 8] ^= 1 << (bit % 8);
        let result = if is_report { open_report(&mut receiver, &forged) } else { open(&mut receiver, &forged) };
        prop_assert!(result.is_err());
        prop_assert_eq!(receiver.sources(), before);
        let result = if is_report { open_report(&mut receiver, &sealed) } else { open(&mut receiver, &sealed) };
        prop_assert_eq!(result, Ok(if is_report { report() } else { packet(100) }));
    }

    #[test]
    fn whatever_comes_is_opened_or_refused(suite in any_suite(), mut packet in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_, mut receiver) = pair(suite);
        prop_assert!(receiver.open(&mut packet.clone()).is_err());
        prop_assert!(receiver.open_report(&mut packet).is_err());
        prop_assert!(receiver.sources().is_empty());
    }
}
