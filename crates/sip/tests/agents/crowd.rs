//! Thousands of calls in one agent at a time.

use std::time::Duration;

use simnet::Conditions;
use sip::agent::{Event, Invite, LocalIdentity, Provisionals, Reply};

use crate::pair::{ALICE, BOB, Pair, Wire, invite};

const CALLS: usize = 2_000;

#[test]
fn thousands_of_calls_share_an_agent_and_leave_nothing_behind() {
    let conditions = Conditions { loss_per_mille: 20, ..Conditions::ROUGH };
    let mut pair = Pair::new(11, Wire::Udp, conditions);
    for call in 0..CALLS {
        let request = Invite {
            call_id: format!("call-{call}@alice.example.com"),
            local: LocalIdentity {
                tag: format!("alice-{call}"),
                contact: format!("<sip:alice-{call}@alice.example.com>"),
            },
            ..invite(Wire::Udp, Some("offer"), Provisionals::Plain)
        };
        let now = pair.now();
        pair.agent(ALICE).invite(request, now).expect("room for all");
        pair.run(Duration::from_millis(1));
    }
    let (mut seen, mut told) = (0, 0);
    let (mut answered, mut ended) = (0, 0);
    for _ in 0..4_000 {
        pair.run(Duration::from_millis(50));
        while let Some(event) = pair.events(BOB).get(seen).cloned() {
            seen += 1;
            if let Event::Incoming { dialog, .. } = event {
                let tag = format!("bob-{seen}");
                let contact = format!("<sip:{tag}@bob.example.com>");
                let now = pair.now();
                pair.agent(BOB).identify(dialog, LocalIdentity { tag, contact }).expect("identified once");
                pair.agent(BOB).answer(dialog, Reply::session("answer"), now).expect("answered once");
            }
        }
        while let Some(event) = pair.events(ALICE).get(told).cloned() {
            told += 1;
            match event {
                Event::Answered { dialog, .. } => {
                    answered += 1;
                    let now = pair.now();
                    pair.agent(ALICE).bye(dialog, Vec::new(), now).expect("answered calls end by BYE");
                }
                Event::Released { .. } | Event::Failed { .. } => ended += 1,
                _ => {}
            }
        }
    }
    assert_eq!((answered, ended), (CALLS, CALLS));
    for who in [ALICE, BOB] {
        assert_eq!((pair.agent(who).dialogs(), pair.agent(who).transactions()), (0, (0, 0)));
        assert_eq!(pair.agent(who).refused(), 0);
    }
}
