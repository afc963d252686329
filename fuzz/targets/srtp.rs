//! Encrypted audio: `a=crypto` lines, and packets that come under a key. What is read prints as something that reads the same; nothing
//! that was not sealed is opened, and what was sealed is opened once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::sdp::crypto::CryptoLine;
use media::srtp::{Keying, OVERHEAD_MAX, SUITES, SrtpReceiver, SrtpSender};

const SSRC: u32 = 0xCAFE_BABE;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    if let Ok(text) = std::str::from_utf8(rest)
        && let Ok(line) = CryptoLine::parse(text)
    {
        assert_eq!(CryptoLine::parse(&line.to_string()), Ok(line));
    }
    let suite = SUITES[usize::from(*first) % SUITES.len()];
    let keying = Keying::new(suite, &vec![7; suite.material_bytes()], None).expect("the length of the suite");
    let mut sender = SrtpSender::new(keying, SSRC).expect("a key");
    let mut receiver = SrtpReceiver::new(keying).expect("a key");
    // A length byte before each packet.
    let mut rest = rest;
    while let Some((length, after)) = rest.split_first() {
        let (packet, next) = after.split_at(after.len().min(usize::from(*length)));
        rest = next;
        assert!(receiver.open(&mut packet.to_vec()).is_err());
        assert!(receiver.open_report(&mut packet.to_vec()).is_err());
        let mut sealed = packet.to_vec();
        if let Some(ssrc) = sealed.get_mut(8..12) {
            ssrc.copy_from_slice(&SSRC.to_be_bytes());
        }
        let plain = sealed.clone();
        sealed.resize(plain.len() + OVERHEAD_MAX, 0);
        let Some(length) = sender.protect(&mut sealed, plain.len()) else { continue };
        sealed.truncate(length);
        if let Ok((opened, _)) = receiver.open(&mut sealed.clone()) {
            assert_eq!(opened, plain);
        }
        assert!(receiver.open(&mut sealed).is_err(), "it was there before");
    }
});
