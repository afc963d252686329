use super::*;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn inbox(posted: &[(&str, usize)]) -> Inbox {
    let (sender, receiver) = mpsc::channel(1_000);
    for (name, count) in posted {
        for _ in 0..*count {
            assert!(sender.try_send(Posted::free(Work::Resubmit(tenant(name)))).is_ok());
        }
    }
    let mut inbox = Inbox::new(receiver);
    inbox.gather();
    inbox
}

#[test]
fn a_tenant_whose_turns_are_long_holds_up_none_whose_turns_are_short() {
    let mut inbox = inbox(&[("greedy", 50), ("honest", 10)]);
    let timers = [tenant("greedy")];
    let mut order = Vec::new();
    while let Some((of, _)) = inbox.next(timers.iter()).filter(|_| order.len() < 100) {
        let long = of == tenant("greedy");
        inbox.took(&of, Duration::from_millis(if long { 300 } else { 1 }));
        order.push(of);
    }
    let last = order.iter().rposition(|of| *of == tenant("honest")).unwrap();
    let greedy_before = order.iter().take(last).filter(|of| **of == tenant("greedy")).count();
    assert!(greedy_before <= 1, "{greedy_before} turns of the greedy tenant came before");
}

#[test]
fn whoever_comes_late_has_saved_nothing_up() {
    let mut inbox = inbox(&[("early", 20)]);
    for _ in 0..10 {
        let (of, _) = inbox.next(std::iter::empty()).unwrap();
        inbox.took(&of, Duration::from_secs(1));
    }
    (0..10).for_each(|_| inbox.put(Posted::free(Work::Resubmit(tenant("late")))));
    let mut turns = HashMap::<TenantId, usize>::new();
    for _ in 0..10 {
        let (of, _) = inbox.next(std::iter::empty()).unwrap();
        inbox.took(&of, Duration::from_secs(1));
        *turns.entry(of).or_default() += 1;
    }
    assert_eq!(turns[&tenant("early")], 5);
}

#[test]
fn a_tenants_own_timers_and_inputs_take_turns() {
    let mut inbox = inbox(&[("one", 5)]);
    let due = [tenant("one")];
    let mut turns = (0..10).map(|_| match inbox.next(due.iter()).unwrap() {
        (_, Turn::Timer) => 't',
        (_, Turn::Input(_)) => 'i',
    });
    assert_eq!(turns.by_ref().collect::<String>(), "tititititi");
}
