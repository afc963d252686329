//! Uploaded prompts: whatever comes is refused or becomes a file that media plays.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::wav::upload::{SECONDS_MAX, convert};
use media::wav::{build, parse};

fuzz_target!(|data: &[u8]| {
    let Ok(upload) = convert(data) else { return };
    assert!(upload.length_ms() <= SECONDS_MAX * 1_000 && upload.peak_db() <= 0.0);
    assert_eq!(parse(&build(&upload.samples)).as_ref(), Ok(&upload.samples));
});
