//! Reasons for the end of a call, on the wire (RFC 3326).

use std::time::Duration;

use sip::agent::{COMPLETED_ELSEWHERE, Event, Provisionals, Release, Reply, reasons_of};
use sip::header::HeaderName;
use sip::{Method, StatusCode};

use crate::pair::{ALICE, BOB, Dice, Pair, Wire, bob_identity};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn elsewhere() -> sip::agent::ExtraHeaders {
    vec![(HeaderName::Reason, COMPLETED_ELSEWHERE.to_owned())]
}

fn reasons(pair: &Pair, who: u8, method: Method) -> Vec<Option<String>> {
    let sent = pair.peers[usize::from(who)].sent.iter().map(|(_, message)| message);
    let wanted = sent.filter(|message| message.is_request() && message.method() == method);
    wanted.map(|message| message.header(&HeaderName::Reason).map(str::to_owned)).collect()
}

#[test]
fn a_cancel_says_why_also_when_it_had_to_wait_and_when_another_goes_on_with_it() {
    for (rings, dies) in [(true, false), (false, false), (false, true)] {
        let mut pair = Pair::perfect(Wire::Udp);
        let alice = pair.invite(Some("offer"), Provisionals::Plain);
        pair.run(20 * MS);
        let (bob, now) = (pair.incoming(), pair.now());
        pair.agent(BOB).identify(bob, bob_identity()).unwrap();
        if rings {
            pair.agent(BOB).provisional(bob, Reply::new(StatusCode::RINGING), now).unwrap();
            pair.run(20 * MS);
        }
        let now = pair.now();
        pair.agent(ALICE).cancel(alice, elsewhere(), now).unwrap();
        if dies {
            let snapshots = pair.agent(ALICE).snapshot(&[alice]);
            let mut successor = sip::agent::UserAgent::new(pair.peers[0].config.clone(), Box::new(Dice::new(5)));
            successor.restore(snapshots, sip::agent::Restore::UNCHANGED, now).unwrap();
            pair.peers[0].agent = successor;
        }
        pair.run(S);
        assert_eq!(reasons(&pair, ALICE, Method::Cancel), [Some(COMPLETED_ELSEWHERE.to_owned())], "{rings} {dies}");
        let Some(Event::Released { reason: Release::Cancelled(cancel), .. }) = pair.events(BOB).last() else {
            panic!("Bob was cancelled: {:?}", pair.events(BOB));
        };
        assert_eq!(reasons_of(cancel), elsewhere(), "the other leg can be told");
    }
}

#[test]
fn whoever_answers_before_the_cancel_comes_is_told_why_by_the_bye() {
    let mut pair = Pair::perfect(Wire::Udp);
    let alice = pair.invite(Some("offer"), Provisionals::Plain);
    pair.run(20 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).answer(bob, Reply::session("answer"), now).unwrap();
    pair.agent(ALICE).cancel(alice, elsewhere(), now).unwrap();
    pair.run(S);
    assert_eq!(reasons(&pair, ALICE, Method::Bye), [Some(COMPLETED_ELSEWHERE.to_owned())]);
}
