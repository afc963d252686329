//! MSML bodies: requests are carried out or refused with a code, and every answer and notice can be read.

#![no_main]

use ivr::msml::{Connection, Facilities, Outcome, Record, build_request, parse_notice, parse_request};
use libfuzzer_sys::fuzz_target;

/// Where everything is there.
struct Everything;

impl Facilities for Everything {
    fn can_play(&self, _: &str) -> bool {
        true
    }

    fn may_join(&self, _: &str) -> bool {
        true
    }

    fn may_record(&self, _: &Record) -> bool {
        true
    }

    fn is_recorded(&self, _: &str) -> bool {
        true
    }
}

fuzz_target!(|data: &[u8]| {
    let _ = parse_notice(data);
    if let Ok(commands) = parse_request(data) {
        let built = build_request(&commands);
        assert_eq!(parse_request(built.as_bytes()).as_ref(), Ok(&commands));
    }
    let mut connection = Connection::new("x", Some("c"));
    let answer = connection.handle_request(data, &Everything);
    parse_notice(answer.body.as_bytes()).expect("our answer");
    if let Some(begun) = connection.handle_recording() {
        parse_notice(begun.as_bytes()).expect("our notice");
    }
    for notice in answer.notices.into_iter().chain(connection.handle_ended(&Outcome::default())) {
        parse_notice(notice.as_bytes()).expect("our notice");
    }
});
