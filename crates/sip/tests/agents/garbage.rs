//! Messages of a real call with bytes flipped, cut and swapped: no panic, and the agents keep working.

use std::time::Duration;

use bytes::Bytes;
use model::Entropy;
use model::entropy::Seeded;
use sip::Message;
use sip::agent::{Body, Restore, UserAgent};

use crate::pair::{ALICE, BOB, Dice, Pair, Wire};
use crate::storm::seeds;

fn damage(fate: &mut Seeded, bytes: &Bytes, other: &Bytes) -> Bytes {
    let mut damaged = bytes.to_vec();
    for _ in 0..=fate.below(4) {
        let at = fate.below(damaged.len() as u64) as usize;
        match fate.below(4) {
            0 => damaged[at] = fate.below(256) as u8,
            1 => damaged[at] = b"0129;,<>=\r\n: "[fate.below(13) as usize],
            2 => drop(damaged.drain(at..(at + fate.below(12) as usize).min(damaged.len()))),
            _ => {
                let from = fate.below(other.len() as u64) as usize;
                let until = (from + fate.below(60) as usize).min(other.len());
                damaged.splice(at..at, other[from..until].iter().copied());
            }
        }
        if damaged.is_empty() {
            damaged.push(b' ');
        }
    }
    damaged.into()
}

#[test]
fn damaged_messages_are_answered_or_dropped() {
    let mut readable = 0;
    for seed in seeds(1_500) {
        let mut fate = Seeded::new(seed);
        let wire = if seed % 2 == 0 { Wire::Udp } else { Wire::Stream };
        let mut pair = Pair::perfect(wire);
        let (alice, bob) = pair.call();
        let now = pair.now();
        pair.agent(ALICE).reinvite(alice, Some(Bytes::from_static(b"offer-2")), Vec::new(), now).expect("it stands");
        pair.agent(BOB).info(bob, Body::new("text/plain", "5"), Vec::new(), now).expect("it stands");
        pair.run(Duration::from_millis(50));
        let corpus: Vec<Bytes> = pair.peers.iter().flat_map(|p| &p.sent).map(|(_, m)| m.to_bytes()).collect();
        for _ in 0..20 {
            let one = &corpus[fate.below(corpus.len() as u64) as usize];
            let other = &corpus[fate.below(corpus.len() as u64) as usize];
            let to = fate.below(2) as u8;
            let (now, flow) = (pair.now(), wire.flow_to(1 - to));
            if let Ok(message) = Message::parse(damage(&mut fate, one, other)) {
                readable += 1;
                pair.agent(to).receive(message, flow, now);
            }
            pair.drain();
        }
        pair.run(Duration::from_secs(2));
        for (who, dialog) in [(ALICE, alice), (BOB, bob)] {
            let (now, peer) = (pair.now(), &pair.peers[usize::from(who)]);
            let mut successor = UserAgent::new(peer.config.clone(), Box::new(Dice::new(seed)));
            let ids =
                successor.restore(peer.agent.snapshot(&[dialog]), Restore::UNCHANGED, now).expect("a fresh agent");
            assert_eq!(successor.snapshot(&ids), peer.agent.snapshot(&[dialog]), "seed {seed}");
        }
    }
    assert!(readable > 1_000, "only {readable} damaged messages could be read at all");
}
