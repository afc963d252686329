//! The work of a session is bounded, whatever the clock does and whatever a record contains.

use super::*;

/// Number of packets sent in one turn.
fn turn(session: &mut Session, now: Timestamp) -> usize {
    let mut count = 0;
    session.handle_due(now, &mut [0; PACKET_BYTES_MAX], |_, _| count += 1);
    count
}

const HOUR: u64 = 3_600_000;

#[test]
fn hours_that_a_process_was_stopped_are_not_made_up_for() {
    let prompts = vec![prompt("m", 8_000, 1)];
    let music = Treatment { prompts, repeat: Repeat::Forever, ..Treatment::default() };
    let mut played = session();
    played.play(1, music, START);
    turn(&mut played, START);
    let mut pressed = session();
    assert!(pressed.send_key(Digit::from_char('5').unwrap(), Duration::from_secs(6), START));
    turn(&mut pressed, START);
    // The other leg's key, whose end never arrives.
    let mut held = session();
    held.negotiate(deaf_to_events(Law::Mu), START);
    assert_eq!(relay(&mut held, &key(5, 1, 0, '9', false), Content::Event { clock: 8_000 }, START), None);
    turn(&mut held, START);
    for session in [&mut played, &mut pressed, &mut held] {
        let sent = turn(session, at(5 * HOUR));
        assert!(sent <= 7, "{sent}");
        assert!(session.next_timeout() > at(5 * HOUR));
        assert!(!events(session).contains(&Event::Runaway));
    }
    // The clock jumps back.
    for session in [&mut played, &mut pressed, &mut held] {
        assert!(turn(session, at(HOUR)) <= 7);
    }
}

#[test]
fn a_session_that_would_never_be_done_is_halted_and_told() {
    let mut session = session();
    // No input can cause this.
    (session.quiet_after, session.timers.quiet) = (Duration::ZERO, START);
    session.play(1, Treatment { prompts: vec![prompt("m", 8_000, 1)], ..Treatment::default() }, START);
    turn(&mut session, at(20));
    assert!(events(&mut session).contains(&Event::Runaway));
    assert_eq!((turn(&mut session, at(40)), session.next_timeout()), (0, Timestamp::MAX));
    assert!(session.handle_rtp(&mut audio(0, 7, 0, 1), address("192.0.2.1:4000"), at(40)).is_none());
}

#[test]
fn a_patience_of_no_time_at_all_is_not_taken() {
    let setup = Setup { ssrc: 1, sequence: 1, timestamp: 1, cname: String::new(), quiet_after: Duration::ZERO };
    let mut session = Session::new(setup, START);
    session.negotiate(stream(Law::Mu), START);
    turn(&mut session, at(10_000));
    assert!(session.next_timeout() > at(10_000));
}

#[test]
fn more_than_a_phone_can_say_or_press_is_left_out() {
    let mut session = session();
    let phone = address("192.0.2.1:4000");
    let taken = (0..5_000_u32).filter(|n| session.handle_rtp(&mut audio(0, 7, *n, 1), phone, at(0)).is_some()).count();
    assert_eq!(taken, 500);
    events(&mut session);
    let mut digits = 0;
    for n in 0..500_u32 {
        let now = at(1_000 + 10 * u64::from(n));
        session.handle_rtp(&mut key(7, n as u16, n * 8, '1', true), phone, now);
        digits += events(&mut session).len();
    }
    assert!((64 + 80..=64 + 101).contains(&digits), "{digits}");
}

#[test]
fn whatever_times_a_snapshot_holds_nothing_is_due_later_than_it_can_be() {
    let far = Timestamp::from_micros(u64::MAX - 5);
    let mut playing = session();
    let menu = Treatment {
        prompts: vec![prompt("m", 800, 1)],
        interruptible: true,
        collect: Some(collect(4)),
        ..Treatment::default()
    };
    playing.play(1, menu, START);
    let whole = playing.snapshot(START);
    for collecting in [false, true] {
        let mut snapshot = whole.clone();
        (snapshot.alive, snapshot.report_due, snapshot.quiet_due) = (far, far, far);
        (snapshot.quiet_after, snapshot.outbound.anchor) = (Duration::from_micros(u64::MAX), far);
        (snapshot.inbound.source.last_packet, snapshot.inbound.source.described) = (far, far);
        let treatment = snapshot.treatment.as_mut().unwrap();
        treatment.progress.phase =
            if collecting { Phase::Collecting { deadline: far } } else { Phase::Playing { due: far } };
        (treatment.progress.played, treatment.progress.sample) = (u64::MAX, usize::MAX);
        let mut session = Session::restore(snapshot, (7, false), START, |name| Some(prompt(name, 800, 1)));
        let mut sent = 0;
        for ms in (0..12_000).step_by(10) {
            sent += turn(&mut session, at(ms));
        }
        assert!(sent >= 1, "a report at least");
        let told = events(&mut session);
        assert!(told.iter().any(|event| matches!(event, Event::Ended(_))), "{told:?}");
        assert_eq!(say_all(&mut session), 50, "the phone is heard");
    }
}

fn say_all(session: &mut Session) -> usize {
    let phone = address("192.0.2.1:4000");
    (0..50)
        .filter(|n| session.handle_rtp(&mut audio(0, 7, *n, 1), phone, at(13_000 + 20 * u64::from(*n))).is_some())
        .count()
}
