use super::*;

fn arrivals(seed: u64, conditions: Conditions, count: u32) -> Vec<(Timestamp, u32)> {
    let mut net = Network::new(seed, conditions);
    for number in 0..count {
        net.send(0_u8, 1, number);
    }
    let mut seen = Vec::new();
    while let Step::Arrived(packet) = net.step(None) {
        seen.push((net.now(), packet.payload));
    }
    seen
}

#[test]
fn equal_seeds_give_equal_runs() {
    assert_eq!(arrivals(7, Conditions::ROUGH, 200), arrivals(7, Conditions::ROUGH, 200));
    assert_ne!(arrivals(7, Conditions::ROUGH, 200), arrivals(8, Conditions::ROUGH, 200));
}

#[test]
fn a_rough_link_loses_doubles_and_reorders() {
    let seen = arrivals(3, Conditions::ROUGH, 1_000);
    let mut numbers: Vec<u32> = seen.iter().map(|(_, n)| *n).collect();
    assert!(numbers.windows(2).any(|w| w[0] > w[1]), "nothing was overtaken");
    numbers.sort_unstable();
    assert!(numbers.windows(2).any(|w| w[0] == w[1]), "nothing was doubled");
    numbers.dedup();
    assert!((800..1_000).contains(&numbers.len()), "{} of 1000 arrived", numbers.len());
}

#[test]
fn a_stream_keeps_order_and_loses_nothing() {
    let numbers: Vec<u32> = arrivals(3, Conditions::STREAM, 500).into_iter().map(|(_, n)| n).collect();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
}

#[test]
fn a_cut_node_neither_sends_nor_receives() {
    let mut net = Network::new(1, Conditions::PERFECT);
    net.send(0_u8, 1, "under way");
    net.cut(1);
    net.send(1, 0, "from the dead");
    assert_eq!(net.step(None), Step::Idle);
    net.mend(1);
    net.send(0, 1, "again");
    assert!(matches!(net.step(None), Step::Arrived(p) if p.payload == "again"));
}

#[test]
fn time_moves_to_what_somebody_waits_for() {
    let mut net: Network<u8, ()> = Network::new(1, Conditions::PERFECT);
    let due = net.now() + Duration::from_secs(32);
    assert_eq!(net.step(Some(due)), Step::Due(due));
    assert_eq!(net.now(), due);
}
