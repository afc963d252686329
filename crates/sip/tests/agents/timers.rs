//! Timer values from a peer, or from a record of an earlier release.

use std::time::Duration;

use model::Timestamp;
use sip::agent::{AgentConfig, Event, Release, Restore, SessionTimer};
use sip::{HeaderName, Message, Method, StatusCode};

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
    assert_eq!(answer.header(&HeaderName::SessionExpires), Some("90;refresher=uas"));
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
    // A peer that has agreed to no timer.
    let wishes = AgentConfig { session_expires_s: Some(90), ..AgentConfig::default() };
    let (mut victim, _) = call("Allow: UPDATE\r\n", wishes);
    for _ in 0..20 {
        victim.run(30 * S);
        let update = victim.sent.iter().rev().find(|m| m.is_request() && m.method() == Method::Update).cloned();
        let Some(update) = update else { continue };
        let refusal = Message::response_to(&update, StatusCode(500)).build();
        victim.receive(refusal);
    }
    let tried = victim.requests(Method::Update);
    assert!((5..=60).contains(&tried), "{tried} messages in ten minutes");
}

/// Lets seconds pass in which the peer answers each refresh, by whichever method, with this status; returns how many there were.
fn refuses(victim: &mut Victim, seconds: u32, status: u16) -> usize {
    let (mut refused, mut seen) = (0, victim.sent.len());
    for _ in 0..seconds {
        victim.run(S);
        while let Some(message) = victim.sent.get(seen).cloned() {
            seen += 1;
            if message.is_request() && matches!(message.method(), Method::Update | Method::Invite) {
                refused += 1;
                victim.receive(Message::response_to(&message, StatusCode(status)).build());
            }
        }
    }
    refused
}

#[test]
fn a_session_ends_after_the_interval_in_which_each_refresh_was_refused() {
    for allow in ["Allow: UPDATE\r\n", ""] {
        for status in [403, 422, 488, 500, 503] {
            let (mut victim, dialog) = call(&format!("Session-Expires: 90\r\n{allow}"), AgentConfig::default());
            let refused = refuses(&mut victim, 60, status);
            assert!(refused > 0 && victim.agent.leg(dialog).is_some(), "{status}: {refused} refreshes");
            // Who takes it over knows when it expires; a record of the release before does not say.
            let (mut successor, same) = victim.restored(dialog, |_| {});
            let (mut later, of_before) = victim.restored(dialog, |snapshot| snapshot.leg.session.expires_at = None);
            for (holder, dialog) in [(&mut victim, dialog), (&mut successor, same)] {
                refuses(holder, 33, status);
                assert!(holder.agent.leg(dialog).is_none(), "{status}");
                assert!(matches!(holder.events.last(), Some(Event::Released { reason: Release::Expired, .. })));
                assert!(holder.requests(Method::Bye) > 0, "{status}");
            }
            refuses(&mut later, 100, status);
            assert!(later.agent.leg(of_before).is_some(), "{status}");
        }
    }
}

#[test]
fn a_refresh_that_passes_at_last_gives_the_session_its_whole_interval() {
    let (mut victim, dialog) = call("Session-Expires: 90\r\nAllow: UPDATE\r\n", AgentConfig::default());
    refuses(&mut victim, 60, 500);
    let ends = |victim: &Victim| victim.agent.leg(dialog).and_then(|leg| leg.session.expires_at);
    let before = ends(&victim);
    victim.run(10 * S);
    let update = victim.sent.iter().rev().find(|m| m.is_request() && m.method() == Method::Update).cloned();
    let ok = Message::response_to(&update.expect("a refresh"), StatusCode(200));
    victim.receive(ok.header(&HeaderName::SessionExpires, "90;refresher=uac").build());
    assert!(ends(&victim) > before);
    refuses(&mut victim, 80, 500);
    assert!(victim.agent.leg(dialog).is_some());
}

#[test]
fn a_process_that_slept_over_the_end_of_an_interval_refreshes_before_it_ends_the_session() {
    let (mut victim, dialog) = call("Session-Expires: 90\r\nAllow: UPDATE\r\n", AgentConfig::default());
    victim.run(40 * S);
    victim.sleep(60 * S);
    assert!(victim.agent.leg(dialog).is_some() && victim.requests(Method::Update) == 1, "it is asked");
    refuses(&mut victim, 40, 500);
    assert!(victim.agent.leg(dialog).is_none(), "and has refused that, too");
}

#[test]
fn a_peer_that_has_agreed_to_no_timer_may_refuse_each_refresh() {
    let wishes = AgentConfig { session_expires_s: Some(90), ..AgentConfig::default() };
    let (mut victim, dialog) = call("Allow: UPDATE\r\n", wishes);
    assert!(refuses(&mut victim, 300, 488) > 3, "it is there as long as it says so");
    assert!(victim.agent.leg(dialog).is_some());
}

#[test]
fn a_peer_that_takes_no_update_is_refreshed_by_invite_and_one_that_takes_neither_has_no_timer() {
    for status in [405, 501] {
        let (mut victim, dialog) = call("Session-Expires: 90\r\nAllow: UPDATE\r\n", AgentConfig::default());
        assert_eq!(refuses(&mut victim, 400, status), 2, "an UPDATE, and an INVITE");
        assert_eq!(victim.requests(Method::Update), 1);
        assert!(victim.agent.leg(dialog).is_some());
        assert_eq!(interval(&victim, dialog), 0);
    }
}

#[test]
fn an_interval_that_a_422_asks_for_is_no_shorter_than_the_one_wished_for_and_than_the_least_that_may_be() {
    for (min_se, again) in [
        ("0", Some(("90", "1800"))),
        ("30", Some(("90", "1800"))),
        ("90", Some(("90", "1800"))),
        ("3600", Some(("3600", "3600"))),
        ("", None),
    ] {
        let mut caller = Victim::new(AgentConfig { session_expires_s: Some(1_800), ..AgentConfig::default() });
        let invite = crate::pair::invite(crate::pair::Wire::Udp, Some("offer"), sip::agent::Provisionals::Plain);
        caller.agent.invite(invite, caller.now).expect("room");
        caller.drain();
        let first = caller.sent.last().cloned().expect("an INVITE");
        assert_eq!(first.header(&HeaderName::SessionExpires), Some("1800"));
        let refusal = Message::response_to(&first, StatusCode(422));
        let refusal = if min_se.is_empty() { refusal } else { refusal.header(&HeaderName::MinSe, min_se) };
        caller.receive(refusal.build());
        let number = |m: &Message| m.cseq().expect("a CSeq").number;
        let second = caller.sent.iter().rev().find(|m| m.method() == Method::Invite && number(m) != number(&first));
        let asked = second.map(|invite| {
            let header = |name| invite.header(&name).unwrap_or_default();
            (header(HeaderName::MinSe), header(HeaderName::SessionExpires))
        });
        assert_eq!(asked, again, "Min-SE: {min_se}");
    }
}

#[test]
fn a_record_of_an_earlier_release_with_such_a_timer_goes_on() {
    for (interval_s, due) in
        [(2, Some(Timestamp::ZERO)), (0, Some(Timestamp::ZERO)), (1, Some(Timestamp::MAX)), (u32::MAX, None)]
    {
        for we_refresh in [true, false] {
            let (victim, dialog) = call("Allow: UPDATE\r\n", AgentConfig::default());
            let (mut successor, dialog) = victim.restored(dialog, |snapshot| {
                snapshot.leg.session =
                    SessionTimer { interval_s, we_refresh, due, min_se_s: u32::MAX, expires_at: due };
            });
            let session = successor.agent.leg(dialog).expect("it stands").session;
            assert!(session.interval_s == 0 || (90..=DAY_S).contains(&session.interval_s), "{session:?}");
            for time in [session.due, session.expires_at] {
                assert!(time.is_none_or(|time| time <= successor.now + Duration::from_secs(DAY_S.into())));
            }
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
