//! Limits of a recording on its way in: ingress and agent-setup give it more room and time than other requests.

use std::time::Duration;

use net::http::{Method, WiderLimits};

/// The largest file that comes in, in bytes: as tenant takes it. Nearly three minutes of stereo at 48 kHz, and more of anything else.
const FILE_BYTES_MAX: usize = 32 << 20;
/// The time within which a file must arrive.
const FILE_WITHIN: Duration = Duration::from_secs(60);
/// The time that tenant has for a file.
pub const KEPT_WITHIN: Duration = Duration::from_secs(30);
/// What a hop towards the browser waits longer than the one behind it, so that the innermost one says what is late.
const HOP: Duration = Duration::from_secs(5);

/// The limits of a request that brings a recording, at the listener that is `hops` hops before tenant.
pub fn limits(method: &Method, path: &str, hops: u32) -> Option<WiderLimits> {
    let is_upload = *method == Method::POST && path.starts_with("/agent-setup/api/") && path.ends_with("/prompt-audio");
    is_upload.then(|| WiderLimits {
        body_bytes_max: FILE_BYTES_MAX,
        body_within: FILE_WITHIN,
        answer_within: KEPT_WITHIN + HOP * hops,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recording_that_comes_has_wider_limits_and_outer_hops_wait_longer() {
        let upload = "/agent-setup/api/v1/example/prompt-audio";
        let [inner, outer] = [1, 3].map(|hops| limits(&Method::POST, upload, hops).unwrap());
        assert!(inner.body_bytes_max == FILE_BYTES_MAX && KEPT_WITHIN < inner.answer_within);
        assert!(inner.answer_within < outer.answer_within);
        for (method, path) in [
            (Method::GET, upload),
            (Method::POST, "/agent-setup/api/v1/example/prompt-audio/0a"),
            (Method::POST, "/agent-setup/api/v1/example/changes"),
            (Method::POST, "/x/prompt-audio"),
        ] {
            assert!(limits(&method, path, 1).is_none(), "{method} {path}");
        }
    }
}
