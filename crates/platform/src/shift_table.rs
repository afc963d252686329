//! Limits of a table of shifts on its way in: ingress and wfm-adapter give it more room and time than other requests.

use std::time::Duration;

use net::http::{Method, WiderLimits};

/// The largest table of shifts, in bytes: as tenant takes it.
const TABLE_BYTES_MAX: usize = 16 << 20;
/// The time within which a table must arrive.
const TABLE_WITHIN: Duration = Duration::from_secs(60);
/// The time that tenant has for a table.
pub const IMPORT_WITHIN: Duration = Duration::from_secs(90);
/// What a hop towards the program waits longer than the one behind it, so that the innermost one says what is late.
const HOP: Duration = Duration::from_secs(5);

/// The limits of a request that brings a table of shifts, at the listener that is `hops` hops before tenant.
pub fn limits(method: &Method, path: &str, hops: u32) -> Option<WiderLimits> {
    if *method != Method::PUT || !path.starts_with("/wfm/") || !path.ends_with("/shifts") {
        return None;
    }
    let answer_within = IMPORT_WITHIN + HOP * hops;
    Some(WiderLimits { body_bytes_max: TABLE_BYTES_MAX, body_within: TABLE_WITHIN, answer_within })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_comes_alone_has_wider_limits_and_outer_hops_wait_longer() {
        let table = "/wfm/v1/example/shifts";
        let [inner, outer] = [1, 3].map(|hops| limits(&Method::PUT, table, hops).unwrap());
        assert!(IMPORT_WITHIN < inner.answer_within && inner.answer_within < outer.answer_within);
        for (method, path) in [
            (Method::GET, table),
            (Method::POST, table),
            (Method::PUT, "/wfm/v1/example/agents"),
            (Method::PUT, "/api/voice/v1/example/shifts"),
        ] {
            assert!(limits(&method, path, 1).is_none(), "{method} {path}");
        }
    }
}
