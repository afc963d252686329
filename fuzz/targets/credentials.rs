//! Challenges and credentials of digest: whatever comes is read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::digest::{Challenge, Credentials};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Credentials::parse(text);
    let _ = Challenge::parse(text);
});
