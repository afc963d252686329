//! Timer values from a peer, or from a record of an earlier release.

use std::time::Duration;

use model::Timestamp;
use sip::Method;
use sip::agent::{AgentConfig, Event, Release, Restore, SessionTimer};

use crate::victim::{Request, Victim};

const S: Duration = Duration::from_secs(1);
const DAY_S: u32 = 86_400;

fn call(headers: &str, config: AgentConfig) -> (Victim, sip::agent::DialogId) {
    let mut victim = Victim::new(config);
    let dialog = victim.answered(&Request { headers, body: "offer", ..Request::default() });
    (victim, dialog)
}

fn interval(victim: &Victim, dialog: sip::agent::DialogId) -> u32 {
    victim.agent.leg(dialog).expect("it stands").session.interval_s
}

#[test]
fn an_interval_of_two_seconds_from_a_peer_without_timers_is_raised_and_the_loop_goes_on() {
    let (mut victim, dialog) = call("Session-Expires: 2\r\nAllow: UPDATE\r\n", AgentConfig::default());
    assert_eq!(interval(&victim, dialog), 90);
    let answer = victim.sent.iter().find(|m| m.status().is_some_and(|s| s.is_success())).expect("it was answered");
    assert_eq!(answer.header(&sip::HeaderName::SessionExpires), Some("90;refresher=uas"));
    victim.run(60 * S);
    // A refresh at 45 s; without an answer it is repeated as RFC 3261 demands, and no other one is begun.
    let refreshes: std::collections::BTreeSet<_> =
        victim.sent.iter().filter(|m| m.is_request()).map(|m| m.cseq().unwrap().number).collect();
    assert_eq!(refreshes.len(), 1);
    victim.run(60 * S);
    assert!(matches!(victim.events.last(), Some(Event::Released { reason: Release::Gone(_), .. })));
}

#[test]
fn every_interval_is_clamped_whoever_names_it_and_however_long_the_number() {
    let long = AgentConfig { session_expires_s: Some(u32::MAX), min_se_s: 0, ..AgentConfig::default() };
    for (value, plain, wished) in [
        ("0", 90, 90),
        ("1", 90, 90),
        ("89", 90, 90),
        ("90", 90, 90),
        ("1800", 1_800, 1_800),
        ("4294967295", DAY_S, DAY_S),
        ("4294967296", DAY_S, DAY_S),
        ("99999999999999999999999999", DAY_S, DAY_S),
        ("+5", 0, DAY_S),
        ("-1", 0, DAY_S),
        ("", 0, DAY_S),
    ] {
        for (config, expected) in [(AgentConfig::default(), plain), (long.clone(), wished)] {
            for refresher in ["", ";refresher=uas", ";refresher=uac"] {
                let headers = format!("Session-Expires: {value}{refresher}\r\nAllow: UPDATE\r\n");
                let (mut victim, dialog) = call(&headers, config.clone());
                assert_eq!(interval(&victim, dialog), expected, "{headers}");
                victim.run(200 * S);
            }
        }
    }
}

#[test]
fn a_min_se_beyond_reason_does_not_make_a_session_endless() {
    let headers = "Session-Expires: 100\r\nMin-SE: 4294967295\r\n";
    let (victim, dialog) = call(headers, AgentConfig { session_expires_s: Some(90), ..AgentConfig::default() });
    assert_eq!(interval(&victim, dialog), 100);
    let (victim, dialog) =
        call("Min-SE: 4294967295\r\n", AgentConfig { session_expires_s: Some(90), ..AgentConfig::default() });
    assert_eq!(interval(&victim, dialog), DAY_S);
}

#[test]
fn a_refresh_that_is_always_refused_is_not_tried_without_a_pause() {
    let (mut victim, _) = call("Session-Expires: 2\r\nAllow: UPDATE\r\n", AgentConfig::default());
    for _ in 0..20 {
        victim.run(30 * S);
        let update = victim.sent.iter().rev().find(|m| m.is_request() && m.method() == Method::Update).cloned();
        let Some(update) = update else { continue };
        let refusal = sip::Message::response_to(&update, sip::StatusCode(500)).build();
        victim.receive(refusal);
    }
    let tried = victim.requests(Method::Update);
    assert!((5..=60).contains(&tried), "{tried} messages in ten minutes");
}

#[test]
fn a_record_of_an_earlier_release_with_such_a_timer_goes_on() {
    for (interval_s, due) in
        [(2, Some(Timestamp::ZERO)), (0, Some(Timestamp::ZERO)), (1, Some(Timestamp::MAX)), (u32::MAX, None)]
    {
        for we_refresh in [true, false] {
            let (victim, dialog) = call("Allow: UPDATE\r\n", AgentConfig::default());
            let (mut successor, dialog) = victim.restored(dialog, |snapshot| {
                snapshot.leg.session = SessionTimer { interval_s, we_refresh, due, min_se_s: u32::MAX };
            });
            let session = successor.agent.leg(dialog).expect("it stands").session;
            assert!(session.interval_s == 0 || (90..=DAY_S).contains(&session.interval_s), "{session:?}");
            assert!(session.due.is_none_or(|due| due <= successor.now + Duration::from_secs(DAY_S.into())));
            successor.run(300 * S);
        }
    }
}

#[test]
fn a_record_without_the_transaction_that_its_dialog_waits_for_comes_to_an_end() {
    let (mut victim, dialog) = call("", AgentConfig::default());
    victim.agent.bye(dialog, Vec::new(), victim.now).expect("it stands");
    let (mut successor, _) = victim.restored(dialog, |snapshot| {
        snapshot.leg.requests.clear();
        snapshot.clients.clear();
    });
    successor.run(64 * S);
    assert!(successor.requests(Method::Bye) > 0, "it is said again");
    assert!(matches!(successor.events.last(), Some(Event::Released { reason: Release::ByUs, .. })));
    let mut caller = Victim::new(AgentConfig::default());
    let invite = crate::pair::invite(crate::pair::Wire::Udp, Some("offer"), sip::agent::Provisionals::Plain);
    let dialog = caller.agent.invite(invite, caller.now).expect("room");
    let (mut successor, _) = caller.restored(dialog, |snapshot| snapshot.invite_client = None);
    successor.drain();
    assert!(matches!(successor.events.last(), Some(Event::Failed { .. })));
    assert_eq!(successor.agent.dialogs(), 0);
}

#[test]
fn a_record_whose_numbers_are_damaged_neither_spins_nor_waits_for_ever() {
    let mut victim = Victim::new(AgentConfig::default());
    victim.receive(Request { body: "offer", ..Request::default() }.message());
    let dialog = victim.incoming();
    victim.agent.identify(dialog, crate::pair::bob_identity()).expect("identified once");
    victim.agent.answer(dialog, sip::agent::Reply::session("answer"), victim.now).expect("answered once");
    for (due, end, interval) in [
        (Timestamp::ZERO, Timestamp::MAX, Duration::ZERO),
        (Timestamp::MAX, Timestamp::MAX, Duration::MAX),
        (Timestamp::ZERO, Timestamp::MAX, Duration::MAX),
    ] {
        let (mut successor, dialog) = victim.restored(dialog, |snapshot| {
            let unacked = snapshot.leg.unacked.as_mut().expect("the 2xx waits for its ACK");
            unacked.repeat = sip::transaction::Repeat { due, interval };
            unacked.end = end;
            snapshot.leg.dialog.local_cseq = u32::MAX;
            let server = snapshot.invite_server.as_mut().expect("its transaction is kept");
            server.schedule.end = None;
        });
        successor.run(200 * S);
        assert!(matches!(successor.events.last(), Some(Event::Released { reason: Release::Unacknowledged, .. })));
        assert_eq!(successor.agent.leg(dialog), None);
        assert_eq!(successor.agent.transactions(), (0, 0));
        let bye = successor.sent.iter().find(|m| m.is_request()).expect("a BYE");
        assert_eq!(bye.cseq().expect("it is a number that may be").number, sip::header::CSeq::MAX);
    }
    let snapshots = victim.agent.snapshot(&[dialog]);
    let how = Restore { cseq_jump: u32::MAX, ..Restore::UNCHANGED };
    let mut successor = Victim::new(AgentConfig::default());
    successor.agent.restore(snapshots, how, victim.now).expect("a fresh agent has room");
}
