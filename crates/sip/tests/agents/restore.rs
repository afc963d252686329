//! A restored agent behaves like the original: after every input a successor is made from the snapshot, and both get the next
//! input.

use sip::agent::{DialogSnapshot, Event, Restore, UserAgent};
use sip::{Message, Transmit};

use crate::pair::Dice;
use crate::storm::{Input, Storm, Witness, apply, seeds};

/// Feeds the next input to a successor made from the snapshot before it, and compares the behaviour of both.
#[derive(Default)]
struct Shadow {
    successor: Option<(UserAgent, Vec<DialogSnapshot>)>,
    compared: u64,
}

impl Witness for Shadow {
    fn before(&mut self, storm: &mut Storm, who: u8, _: &Input) {
        let now = storm.pair.now();
        let peer = &storm.pair.peers[usize::from(who)];
        let dialogs: Vec<_> = storm.dialogs[usize::from(who)].into_iter().collect();
        let snapshots = peer.agent.snapshot(&dialogs);
        self.successor = None;
        if snapshots.is_empty() {
            return;
        }
        let mut successor = UserAgent::new(peer.config.clone(), Box::new(Dice::fork(&peer.dice)));
        let ids = successor.restore(snapshots.clone(), Restore::UNCHANGED, now).expect("a fresh agent has room");
        assert_eq!(successor.snapshot(&ids), snapshots, "seed {}: a snapshot of the restored differs", storm.seed);
        assert!(
            successor.poll_transmit().is_none() && successor.poll_event().is_none(),
            "a successor is silent by itself"
        );
        self.successor = Some((successor, snapshots));
    }

    fn after(&mut self, storm: &mut Storm, who: u8, input: &Input) {
        let Some((mut successor, before)) = self.successor.take() else { return };
        let now = storm.pair.now();
        let tag = before.first().map(|s| s.leg.dialog.local_tag.clone()).unwrap_or_default();
        // A dialog without a tag yet is the successor's first.
        let id = successor.dialog_by_tag(&tag).or(storm.dialogs[usize::from(who)]);
        apply(&mut successor, id, input, storm.serial, now);
        let (seed, serial) = (storm.seed, storm.serial);
        let peer = &mut storm.pair.peers[usize::from(who)];
        let ours = outputs(&mut peer.agent);
        let theirs = outputs(&mut successor);
        let context = format!("seed {seed}, input {serial} to {who}: {input:?}\nbefore: {before:#?}");
        assert_eq!(ours.0.len(), theirs.0.len(), "{context}\nevents {:?}\nheir {:?}", ours.0, theirs.0);
        for (a, b) in ours.0.iter().zip(&theirs.0) {
            assert_eq!(told(a), told(b), "{context}");
        }
        assert_eq!(text(&ours.1), text(&theirs.1), "{context}");
        self.compared += 1;
        // Messages drained for the comparison are sent on.
        for event in ours.0 {
            peer.events.push(event);
        }
        for Transmit { bytes, .. } in ours.1 {
            peer.sent.push((now, Message::parse(bytes.clone()).expect("we send what we can read")));
            storm.pair.net.send(who, 1 - who, bytes);
        }
    }
}

fn outputs(agent: &mut UserAgent) -> (Vec<Event>, Vec<Transmit>) {
    let events = std::iter::from_fn(|| agent.poll_event()).collect();
    (events, std::iter::from_fn(|| agent.poll_transmit()).collect())
}

/// An event without the handle, which differs between agents.
pub fn told(event: &Event) -> String {
    let text = format!("{event:?}");
    match (text.find("DialogId("), text.find("Message {")) {
        (Some(at), message) if message.is_none_or(|m| at < m) => {
            let end = text[at..].find(')').map_or(text.len(), |e| at + e);
            format!("{}{}", &text[..at], &text[end..])
        }
        _ => text,
    }
}

fn text(transmits: &[Transmit]) -> Vec<(sip::Flow, String)> {
    transmits.iter().map(|t| (t.flow, String::from_utf8_lossy(&t.bytes).into_owned())).collect()
}

#[test]
fn a_successor_does_what_its_predecessor_would_have_done_after_every_input() {
    let mut shadow = Shadow::default();
    for seed in seeds(400) {
        let mut storm = Storm::new(seed);
        storm.run(&mut shadow);
        storm.judge();
    }
    assert!(shadow.compared > 1_000, "compared {} inputs only", shadow.compared);
}

/// Kills the agent after one input of the call, before any message left; a successor continues.
struct Killer {
    at: u32,
    who: u8,
    cseq_jump: u32,
    done: bool,
}

impl Witness for Killer {
    fn before(&mut self, _: &mut Storm, _: u8, _: &Input) {}

    fn after(&mut self, storm: &mut Storm, who: u8, _: &Input) {
        if self.done || who != self.who || storm.serial < self.at {
            return;
        }
        let now = storm.pair.now();
        let index = usize::from(who);
        let dialogs: Vec<_> = storm.dialogs[index].into_iter().collect();
        let peer = &mut storm.pair.peers[index];
        let snapshots = peer.agent.snapshot(&dialogs);
        if snapshots.is_empty() {
            return;
        }
        self.done = true;
        // The events were committed with the snapshot; the messages are lost.
        while let Some(event) = peer.agent.poll_event() {
            peer.events.push(event);
        }
        let mut successor = UserAgent::new(peer.config.clone(), Box::new(Dice::new(storm.seed ^ 0x4E14)));
        let how = Restore { stream: None, resend: true, cseq_jump: self.cseq_jump };
        let ids = successor.restore(snapshots, how, now).expect("a fresh agent has room");
        storm.dialogs[index] = ids.first().copied();
        peer.agent = successor;
    }
}

#[test]
fn a_call_whose_agent_dies_at_any_input_ends_once_on_both_sides() {
    let mut killed = 0;
    for seed in seeds(2_000) {
        let mut storm = Storm::new(seed);
        let at = u32::try_from(seed % 40).unwrap_or(0);
        let mut killer =
            Killer { at, who: (seed % 2) as u8, cseq_jump: if seed % 3 == 0 { 1_000 } else { 0 }, done: false };
        storm.run(&mut killer);
        storm.judge();
        killed += u32::from(killer.done);
    }
    assert!(killed > 100, "only {killed} were killed");
}
