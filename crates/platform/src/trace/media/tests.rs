use std::collections::HashMap;

use super::*;

const SECOND: u64 = 1_000_000;

fn audio(offered: Option<&str>, direction: &str) -> What {
    What::Audio(Audio {
        leg: 9,
        call_id: "00000000000000ab.2.ff@sip-cluster-1".to_owned(),
        local: "198.51.100.1:20000".to_owned(),
        offered: offered.map(str::to_owned),
        codec: "PCMU".to_owned(),
        direction: direction.to_owned(),
    })
}

fn figures(received: u64, sent: u64, last: u64) -> Figures {
    Figures {
        leg: 9,
        ended: true,
        received,
        sent,
        first: (received > 0).then_some(SECOND),
        last: (received > 0).then_some(last * SECOND),
        learned: (received > 0).then(|| "203.0.113.5:4000".to_owned()),
        ..Figures::default()
    }
}

/// A leg of 7001 from second 1 to 11 whose signalling comes from 203.0.113.5.
fn judged(offered: Option<&str>, direction: &str, figures: Figures) -> Leg {
    let names: LegNames = HashMap::from([(2, ("7001".to_owned(), false))]);
    let (audio, figures) = (audio(offered, direction), What::Figures(Box::new(figures)));
    let entries = [("media-1".to_owned(), SECOND, &audio), ("media-1".to_owned(), 2 * SECOND, &figures)];
    let signalling = |_| Some("203.0.113.5:5060".to_owned());
    legs(&entries, &names, |_| Some(11_000.0), signalling, 20_000.0).remove(0)
}

#[test]
fn a_leg_with_audio_both_ways_is_fine() {
    let leg = judged(Some("203.0.113.5:4000"), "sendrecv", figures(500, 500, 11));
    assert_eq!((leg.leg, leg.party.as_str(), leg.severity), (2, "7001", Some(Severity::Info)));
    assert_eq!(leg.verdict, "audio passed both ways");
    assert!(leg.from_phone.mos.is_some_and(|mos| mos > 4.3), "{:?}", leg.from_phone);
    assert_eq!(leg.to_phone.mos, None, "the phone has told nothing");
}

#[test]
fn a_phone_that_is_never_heard_is_named_with_its_address() {
    let leg = judged(Some("203.0.113.5:4000"), "sendrecv", figures(0, 500, 0));
    assert_eq!(leg.severity, Some(Severity::Fault));
    assert!(
        leg.verdict.starts_with("no packet ever arrived from the phone of 7001's address 203.0.113.5:4000"),
        "{}",
        leg.verdict
    );
}

#[test]
fn a_private_address_is_called_so_where_signalling_comes_from_elsewhere() {
    let silent = judged(Some("192.168.1.20:4000"), "sendrecv", figures(0, 500, 0));
    assert!(silent.verdict.contains("names the private address 192.168.1.20:4000"), "{}", silent.verdict);
    let heard = judged(Some("192.168.1.20:4000"), "sendrecv", figures(500, 500, 11));
    assert_eq!(heard.severity, Some(Severity::Info));
    assert!(heard.verdict.contains("its audio comes from 203.0.113.5:4000"), "{}", heard.verdict);
    let same_net = judged(Some("203.0.113.5:4000"), "sendrecv", figures(500, 500, 11));
    assert!(!same_net.verdict.contains("private"), "{}", same_net.verdict);
}

#[test]
fn audio_that_stops_is_told_with_how_long_it_came() {
    let leg = judged(Some("203.0.113.5:4000"), "sendrecv", figures(150, 500, 4));
    assert_eq!(leg.severity, Some(Severity::Fault));
    assert_eq!(
        leg.verdict,
        "audio of the phone of 7001 arrived for 3.0 s and then stopped, 7.0 s before the leg ended"
    );
}

#[test]
fn a_phone_on_hold_may_be_silent() {
    let leg = judged(Some("203.0.113.5:4000"), "sendonly", figures(0, 500, 0));
    assert_eq!((leg.severity, leg.verdict.as_str()), (Some(Severity::Info), "the phone of 7001 asked not to send"));
}

#[test]
fn loss_is_told_for_each_way() {
    let lossy = Figures { lost: 50, reported: true, remote_lost: 10, ..figures(450, 500, 11) };
    let leg = judged(Some("203.0.113.5:4000"), "sendrecv", lossy);
    assert_eq!(leg.severity, Some(Severity::Fault));
    assert!(leg.verdict.contains("10.0 % of the packets from the phone of 7001"), "{}", leg.verdict);
    assert!(leg.verdict.contains("of the packets to the phone of 7001"), "{}", leg.verdict);
    assert!(leg.from_phone.mos < leg.to_phone.mos);
}

#[test]
fn the_score_falls_with_loss_delay_and_jitter() {
    // G.107: R 93.2 is 4.41; 10 % of loss with Bpl 25.1 leaves R about 66.
    assert!((mos(0.0, 0.0, 0.0) - 4.4).abs() < 0.02, "{}", mos(0.0, 0.0, 0.0));
    assert!((3.2..3.6).contains(&mos(10.0, 0.0, 0.0)), "{}", mos(10.0, 0.0, 0.0));
    let mut before = 5.0;
    for loss in [0.0, 0.5, 1.0, 3.0, 10.0, 30.0, 100.0] {
        let score = mos(loss, 50.0, 5.0);
        assert!(score < before && (1.0..=4.5).contains(&score), "{loss}: {score}");
        before = score;
    }
    assert!(mos(0.0, 400.0, 0.0) < mos(0.0, 100.0, 0.0) && mos(0.0, 0.0, 100.0) < mos(0.0, 0.0, 1.0));
}
