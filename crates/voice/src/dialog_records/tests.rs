use model::Timestamp;
use model::entropy::Seeded;
use prost::Message as _;
use sip::agent::{AgentConfig, DialogTerms, Event, Invite, LocalIdentity, Provisionals, Reply, UserAgent};
use sip::{ConnectionId, Flow, HeaderName, Message};

use super::*;

const LINK: Flow = Flow::Stream { connection: ConnectionId(3) };

fn agent(seed: u64) -> UserAgent {
    let config = AgentConfig { session_expires_s: Some(1_800), ..AgentConfig::default() };
    UserAgent::new(config, Box::new(Seeded::new(seed)))
}

fn local(tag: &str) -> LocalIdentity {
    LocalIdentity { tag: tag.to_owned(), contact: format!("<sip:{tag}@192.0.2.1>") }
}

/// Passes the messages of one agent to the other.
fn pass(from: &mut UserAgent, to: &mut UserAgent, now: Timestamp) {
    while let Some(transmit) = from.poll_transmit() {
        to.receive(Message::parse(transmit.bytes).expect("SIP"), LINK, now);
    }
}

fn round_trip(agent: &UserAgent, tag: &str) {
    let dialog = agent.dialog_by_tag(tag).expect("a dialog");
    for snapshot in agent.snapshot(&[dialog]) {
        let bytes = dialog_to_record(snapshot.clone()).encode_to_vec();
        let record = contracts::v1::DialogRecord::decode(bytes.as_slice()).expect("a record");
        assert_eq!(dialog_from_record(record), Ok(snapshot));
    }
}

#[test]
fn a_dialog_comes_back_from_its_record_as_it_was_at_each_step() {
    let now = Timestamp::from_millis(1_763_622_000_000);
    let (mut ours, mut theirs) = (agent(1), agent(2));
    let invite = Invite {
        flow: LINK,
        target: "sip:7101@192.0.2.7".to_owned(),
        from: "<sip:+4930@example.com>".to_owned(),
        to: "<sip:7101@example.com>".to_owned(),
        call_id: "a-call".to_owned(),
        local: local("ours"),
        routes: vec!["<sip:192.0.2.3;lr>".to_owned()],
        headers: vec![(HeaderName::from_name("Subject"), "hello".to_owned())],
        offer: Some("v=0".into()),
        max_forwards: sip::dialog::MAX_FORWARDS,
        parts: Vec::new(),
        provisionals: Provisionals::Reliable,
        account: Some("acme/carrier".to_owned()),
        terms: DialogTerms { session_expires_s: Some(600), ..DialogTerms::default() },
    };
    let dialog = ours.invite(invite, now).expect("an INVITE");
    round_trip(&ours, "ours");
    pass(&mut ours, &mut theirs, now);
    let Some(Event::Incoming { dialog: incoming, .. }) = theirs.poll_event() else {
        unreachable!("the INVITE has arrived");
    };
    theirs.identify(incoming, local("theirs")).expect("a dialog");
    theirs.set_terms(incoming, DialogTerms { hides_100rel: true, ..DialogTerms::default() });
    theirs.provisional(incoming, Reply::new(sip::StatusCode::RINGING), now).expect("a dialog");
    round_trip(&theirs, "theirs");
    pass(&mut theirs, &mut ours, now);
    round_trip(&ours, "ours");
    theirs.answer(incoming, Reply::session("v=1"), now).expect("a dialog");
    round_trip(&theirs, "theirs");
    pass(&mut theirs, &mut ours, now);
    round_trip(&ours, "ours");
    pass(&mut ours, &mut theirs, now);
    round_trip(&theirs, "theirs");
    ours.reinvite(dialog, Some("v=2".into()), Vec::new(), now).expect("a dialog");
    round_trip(&ours, "ours");
    ours.bye(dialog, Vec::new(), now).expect("a dialog");
    round_trip(&ours, "ours");
}
