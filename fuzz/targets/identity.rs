//! Signatures of calls (STIR): whatever a caller claims, and whatever is found where it says that its certificate is, is read or refused.

#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip::Message;
use sip::stir::{Authorities, CallNumbers, CertificateChain, ClaimedIdentity, passed_on};

/// When the seeds were signed, in seconds since 1970.
const NOW_S: u64 = 1_800_000_000;

fuzz_target!(|data: &[u8]| {
    // A zero byte divides what came with the call from what was fetched.
    let (invite, fetched) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &data[..0]),
    };
    let chain = CertificateChain::parse(fetched).ok().map(Arc::new);
    if let Ok(authorities) = str::from_utf8(fetched).map_err(drop).and_then(|pem| Authorities::parse(pem).map_err(drop))
    {
        let _ = chain.clone().map(|chain| chain.trusted(&authorities, NOW_S));
    }
    let Ok(message) = Message::parse(Bytes::copy_from_slice(invite)) else { return };
    assert!(passed_on(&message).iter().all(|value| !value.contains(['\r', '\n'])));
    let numbers = CallNumbers { orig: vec!["+12155550121"], dest: vec!["+12155550131"] };
    let Ok(claimed) = ClaimedIdentity::read(&message, &numbers, NOW_S) else { return };
    assert!(claimed.certificate_url().starts_with("https://"));
});
