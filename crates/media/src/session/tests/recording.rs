//! A treatment that records: prompts, then what the phone says, until a key, a silence or the longest time.

use super::*;
use crate::session::{RecordingEnd, RecordingOptions};

const PHONE: &str = "192.0.2.1:4000";
/// µ-law for a loud sample, and for silence.
const LOUD: u8 = 0x90;
const QUIET: u8 = 0xFF;

/// 40 ms of a beep, then at most ten seconds, until `#` or two seconds of silence.
fn recording() -> Treatment {
    let record = RecordingOptions {
        longest: Duration::from_secs(10),
        silence: Some(Duration::from_secs(2)),
        end_key: Digit::from_char('#'),
    };
    Treatment { prompts: vec![prompt("beep", 320, 1_000)], record: Some(record), ..Treatment::default() }
}

/// Lets the time pass until then, as its driver does.
fn pass(session: &mut Session, until: Timestamp) {
    while session.next_timeout() <= until {
        let now = session.next_timeout();
        due(session, now);
    }
}

/// A session that records since 40 ms.
fn recorded() -> Session {
    let mut session = session();
    session.play(3, recording(), START);
    pass(&mut session, at(40));
    assert_eq!(events(&mut session), [Event::Recording(3)]);
    session
}

/// The phone says this from one time to another, in packets of 20 ms.
fn says(session: &mut Session, fill: u8, (from, to): (u64, u64)) {
    for ms in (from..to).step_by(20) {
        pass(session, at(ms));
        session.handle_rtp(&mut audio(0, 7, (ms / 20) as u32, fill), address(PHONE), at(ms));
    }
}

fn end_of(session: &mut Session) -> (RecordingEnd, Duration) {
    let recorded = outcome(session).and_then(|outcome| outcome.recorded).expect("a recording");
    (recorded.end, recorded.duration())
}

#[test]
fn a_silence_after_speech_ends_it_and_none_before() {
    let mut session = recorded();
    says(&mut session, QUIET, (60, 3_060));
    assert_eq!(outcome(&mut session), None, "nobody has spoken");
    says(&mut session, LOUD, (3_060, 4_060));
    says(&mut session, QUIET, (4_060, 6_030));
    assert_eq!(outcome(&mut session), None);
    pass(&mut session, at(7_000));
    // Two seconds after the last packet of speech, which came at 4040 ms.
    assert_eq!(end_of(&mut session), (RecordingEnd::Silence, Duration::from_millis(6_000)));
    assert_eq!((session.treatment(), session.records()), (None, false));
}

#[test]
fn a_key_ends_it_and_those_of_the_prompt_do_not() {
    let mut session = session();
    session.play(3, recording(), START);
    press(&mut session, '#', 20);
    pass(&mut session, at(60));
    assert!(events(&mut session).contains(&Event::Recording(3)));
    press(&mut session, '5', 500);
    assert_eq!(outcome(&mut session), None, "another key");
    press(&mut session, '#', 1_040);
    assert_eq!(end_of(&mut session), (RecordingEnd::Key, Duration::from_millis(1_000)));
}

#[test]
fn it_lasts_as_long_as_it_may_at_most_whoever_speaks_or_is_silent() {
    let mut session = recorded();
    says(&mut session, LOUD, (60, 12_000));
    assert_eq!(end_of(&mut session), (RecordingEnd::Longest, Duration::from_secs(10)));
    let mut session = recorded();
    pass(&mut session, at(11_000));
    assert_eq!(end_of(&mut session), (RecordingEnd::Longest, Duration::from_secs(10)), "no packet came");
}

#[test]
fn samples_stand_where_they_were_said_and_what_is_lost_is_silence() {
    let mut session = recorded();
    let packet = |n: u32, fill| audio(0, 7, n, fill);
    // The third overtakes the second, the fourth is lost.
    for (n, fill, ms) in [(0, 0x90, 40), (2, 0x92, 80), (1, 0x91, 85), (4, 0x94, 120)] {
        session.handle_rtp(&mut packet(n, fill), address(PHONE), at(ms));
    }
    let stopped = session.stop(at(140)).and_then(|outcome| outcome.recorded).expect("a recording");
    assert_eq!((stopped.end, stopped.samples.len()), (RecordingEnd::Stopped, 800));
    let said: Vec<i16> = stopped.samples.chunks(160).map(|frame| frame[80]).collect();
    let expected = [0x90, 0x91, 0x92].map(|code| Law::Mu.decode(code));
    assert_eq!(said, [expected[0], expected[1], expected[2], 0, Law::Mu.decode(0x94)]);
}

#[test]
fn a_phone_that_begins_anew_goes_on_where_the_clock_is() {
    let mut session = recorded();
    session.handle_rtp(&mut audio(0, 7, 0, LOUD), address(PHONE), at(40));
    // A second later its timestamps jump by an hour.
    session.handle_rtp(&mut audio(0, 7, 180_000, LOUD), address(PHONE), at(1_040));
    let stopped = session.stop(at(1_060)).and_then(|outcome| outcome.recorded).expect("a recording");
    let is_loud = |ms: usize| stopped.samples[ms * 8] != 0;
    assert_eq!([10, 500, 1_010].map(is_loud), [true, false, true]);
    assert_eq!(stopped.duration(), Duration::from_millis(1_020));
}

#[test]
fn what_is_stopped_before_the_beep_is_over_has_recorded_nothing() {
    let mut session = session();
    session.play(3, recording(), START);
    assert!(session.records());
    let stopped = session.stop(at(20)).unwrap();
    assert_eq!((stopped.id, stopped.recorded), (3, None));
}

#[test]
fn it_is_no_part_of_a_snapshot() {
    let mut before = session();
    before.play(3, recording(), START);
    for session in [before, recorded()] {
        let restored = Session::restore(session.snapshot(at(100)), (7, false), at(200), |_| None);
        assert_eq!((restored.treatment(), restored.records()), (None, false));
    }
}
