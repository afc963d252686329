use model::entropy::Seeded;

use super::*;
use crate::agent::{AgentConfig, DialogTerms, Event, Invite, LocalIdentity, Provisionals};
use crate::{ConnectionId, Flow, Method};

#[test]
fn a_dialog_that_takes_too_many_steps_in_one_turn_is_ended_alone() {
    let now = Timestamp::from_millis(1_000);
    let mut agent = UserAgent::new(AgentConfig::default(), Box::new(Seeded::new(1)));
    let mut call = |tag: &str| {
        let invite = Invite {
            flow: Flow::Stream { connection: ConnectionId(1) },
            target: "sip:a@example.com".into(),
            from: "<sip:b@example.com>".into(),
            to: "<sip:a@example.com>".into(),
            call_id: tag.into(),
            local: LocalIdentity { tag: tag.into(), contact: "<sip:b@example.com>".into() },
            routes: Vec::new(),
            headers: Vec::new(),
            offer: None,
            max_forwards: crate::dialog::MAX_FORWARDS,
            parts: Vec::new(),
            provisionals: Provisionals::Plain,
            account: None,
            terms: DialogTerms::default(),
        };
        agent.invite(invite, now).unwrap()
    };
    let (busy, quiet) = (call("busy"), call("quiet"));
    let invite = agent.poll_transmit().and_then(|sent| crate::Message::parse(sent.bytes).ok()).unwrap();
    let ringing = crate::Message::response_to(&invite, crate::StatusCode::RINGING).to_tag("a").build();
    agent.receive(ringing, Flow::Stream { connection: ConnectionId(1) }, now);
    while agent.poll_event().is_some() {}
    for _ in 0..3 {
        agent.turn += 1;
        assert!((0..STEPS_MAX).all(|_| agent.spend_step(busy, now)), "each turn has its steps");
    }
    assert!(agent.spend_step(quiet, now));
    assert!(!agent.spend_step(busy, now));
    assert!(matches!(agent.poll_event(), Some(Event::Released { dialog, reason: Release::Overrun }) if dialog == busy));
    assert_eq!((agent.bounds_reached().overruns, agent.dialogs()), (1, 1));
    let last =
        std::iter::from_fn(|| agent.poll_transmit()).last().and_then(|sent| crate::Message::parse(sent.bytes).ok());
    assert_eq!(last.map(|message| message.method()), Some(Method::Cancel));
}
