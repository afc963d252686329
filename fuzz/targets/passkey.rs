//! Passkeys: whatever a browser and an authenticator say of one that was made, or is shown, is taken or refused.

#![no_main]

use identity::passkey::assertion::{KnownPasskey, ShownPasskey};
use identity::passkey::registration::MadePasskey;
use identity::passkey::{AskedPasskey, CHALLENGE_RANDOM_BYTES, ID_BYTES_MAX, PasskeyChallenge, RelyingParty};
use libfuzzer_sys::fuzz_target;
use model::Timestamp;

/// What a browser says here of a passkey that is made, and of one that is shown.
const SAID: [&str; 2] = ["webauthn.create", "webauthn.get"];

fuzz_target!(|data: &[u8]| {
    let Some(at) = RelyingParty::of("https://centre.example/auth/v3") else { return };
    let challenge = PasskeyChallenge::new([7; CHALLENGE_RANDOM_BYTES], Timestamp::from_millis(1_800_000_000_000));
    let asked = AskedPasskey { challenge: &challenge, at: &at, verified: false };
    let good = SAID.map(|said| {
        let (challenge, origin) = (challenge.text(), at.origin());
        format!("{{\"type\":\"{said}\",\"challenge\":\"{challenge}\",\"origin\":\"{origin}\"}}")
    });
    // Two bytes say how long the first part is.
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let (first, second) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    let known = KnownPasskey { public_key: first, counter: 0 };
    let _ = MadePasskey { client_data: first, attestation: second }.check(&asked);
    let _ = ShownPasskey { client_data: first, authenticator_data: second, signature: second }.check(&known, &asked);
    if let Ok(made) = (MadePasskey { client_data: good[0].as_bytes(), attestation: rest }).check(&asked) {
        assert!(!made.id.is_empty() && made.id.len() <= ID_BYTES_MAX);
        let known = KnownPasskey { public_key: &made.public_key, counter: made.counter };
        let shown = ShownPasskey { client_data: good[1].as_bytes(), authenticator_data: second, signature: first };
        // The key was read once already.
        let _ = shown.check(&known, &asked);
    }
});
