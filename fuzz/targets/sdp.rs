//! Descriptions: whatever comes is read or refused, what was read prints as something that reads the same, and it can be
//! answered without panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::sdp::crypto::SECRET_BYTES;
use media::sdp::negotiation::{accept_answer, answer, offer};
use media::sdp::{Fingerprint, LocalAudio, LocalEncryption, LocalKeys, Preference, parse};

fuzz_target!(|data: &[u8]| {
    let Ok(description) = parse(data) else { return };
    let printed = description.to_string();
    assert_eq!(parse(printed.as_bytes()).as_ref(), Ok(&description));
    let _ = description.is_hold();
    let encryption = LocalEncryption::Offered(LocalKeys::new([7; SECRET_BYTES], Fingerprint::of(b"ours")));
    let local = LocalAudio { address: [192, 0, 2, 1].into(), port: 20_000, session_id: 1, version: 1, encryption };
    if let Ok((ours, _)) = answer(&description, &local, Preference::default()) {
        assert_eq!(ours.media.len(), description.media.len());
        assert_eq!(parse(ours.to_string().as_bytes()), Ok(ours));
    }
    let offered = offer(&local, Preference::default(), &[]);
    let _ = accept_answer(&offered, &description, Preference::default());
});
