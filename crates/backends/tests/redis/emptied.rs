//! What those who have written it give back to a Redis that came back empty.

use std::cell::Cell;

use super::*;

fn dn(number: &str) -> Dn {
    Dn::parse(number).unwrap()
}

/// A write of a phone that is at that host, or has gone.
fn phone(number: &str, expected: u64, host: Option<&str>) -> RegistrationWrite {
    let binding = |host: &str| Binding {
        contact: Contact::new(format!("sip:{number}@{host}"), Vec::new()),
        call_id: "c".to_owned(),
        cseq: 1,
        refreshed_at: Timestamp::default(),
        expires_at: Timestamp::from_millis(4_000_000_000_000),
        q: 1_000,
        user_agent: None,
        instance: None,
        reg_id: None,
    };
    let bindings = host.into_iter().map(binding).collect();
    RegistrationWrite { tenant: tenant(), dn: dn(number), expected, bindings, events: Vec::new() }
}

/// Where a phone is.
async fn places(stores: &Stores, number: &str) -> Vec<String> {
    let registration = stores.registrations.load(&tenant(), &dn(number)).await.unwrap();
    assert!(registration.version > 0, "its record is there");
    registration.bindings.into_iter().map(|binding| binding.contact.uri).collect()
}

#[tokio::test]
async fn a_phone_is_where_it_registered_last_whichever_registrar_comes_first() {
    let server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let ((first, _), (second, _)) = (stores(&server, 0, clock.clone()).await, stores(&server, 0, clock).await);
    let all_come = async |order: [&Stores; 2]| {
        for registrar in order {
            let ending = registrar.registrations.ending(Timestamp::from_millis(4_000_000_000_000), 9).await.unwrap();
            assert_eq!(ending, [], "nobody says that a phone is out of service before all have come");
        }
    };
    all_come([&first, &second]).await;
    let write = async |registrar: &Stores, write| registrar.registrations.commit(vec![write]).await.unwrap();
    for number in ["7101", "7102"] {
        write(&first, phone(number, 0, Some("192.0.2.1"))).await;
    }
    write(&second, phone("7101", 1, Some("192.0.2.2"))).await;
    write(&second, phone("7102", 1, None)).await;
    for order in [[&first, &second], [&second, &first]] {
        server.cli(&["FLUSHALL"]);
        all_come(order).await;
        assert_eq!(places(&first, "7101").await, ["sip:7101@192.0.2.2"]);
        assert_eq!(places(&first, "7102").await, [""; 0], "it has gone");
    }
    server.cli(&["FLUSHALL"]);
    write(&first, phone("7102", 0, Some("192.0.2.3"))).await;
    all_come([&first, &second]).await;
    assert_eq!(places(&first, "7102").await, ["sip:7102@192.0.2.3"], "it registered before they came");
}

#[tokio::test]
async fn commits_go_on_while_many_records_are_written_again() {
    const CALLS: u64 = 6_000;
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    stores.calls.commit((1..=CALLS).map(|call| create(call, &owner())).collect()).await.unwrap();
    server.cli(&["FLUSHALL"]);
    let node = owner();
    let renewing = stores.leases.renew(&node, "sip-cluster", Duration::from_secs(2));
    let commits = Cell::new(0);
    let committing = async {
        while commits.get() < CALLS {
            let written = stores.calls.commit(vec![save(1 + commits.get(), "goes on")]).await.unwrap();
            assert!(matches!(written[..], [Written::Done { .. }]), "{written:?}");
            commits.set(commits.get() + 1);
        }
    };
    tokio::select! {
        renewed = renewing => renewed.unwrap(),
        () = committing => panic!("the renewal takes too long"),
    }
    // Each waits for one part of the records, of which there are thirty.
    assert!(commits.get() >= 10, "{}", commits.get());
    let listed = async |after: u64| stores.calls.list(&tenant(), Some(ConnId(after)), 10).await.unwrap();
    assert_eq!(listed(0).await[0].state, "goes on");
    assert_eq!(listed(CALLS - 1).await.len(), 1, "all are there");
    assert_eq!(server.cli(&["ZCARD", "ids:{acme}:call"]).trim(), CALLS.to_string());
}

#[tokio::test]
async fn each_reader_of_a_client_receives_what_was_lost_before_it_had_read_it() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    let acme = tenant();
    // Facts one by one, as for a reader that is far behind.
    let read = async |mut after: Position| {
        let mut numbers = Vec::new();
        loop {
            let entries = stores.events.read(&acme, after, 1, Duration::ZERO).await.unwrap();
            let Some(last) = entries.last() else { return (numbers, after) };
            after = last.position;
            numbers.push(last.event.id.seq.0);
        }
    };
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    let (_, behind) = read(Position::START).await;
    for seq in [2, 3] {
        stores.calls.commit(vec![CallWrite { events: fact(7, seq), ..save(7, "goes on") }]).await.unwrap();
    }
    let (_, ahead) = read(behind).await;
    stores.calls.commit(vec![CallWrite { events: fact(7, 4), ..save(7, "goes on") }]).await.unwrap();
    server.cli(&["FLUSHALL"]);
    stores.calls.commit(vec![CallWrite { events: fact(7, 5), ..save(7, "goes on") }]).await.unwrap();
    until_renewed(&stores).await;
    for _ in 0..2 {
        assert_eq!(read(ahead).await.0, [4, 5]);
        assert_eq!(read(behind).await.0, [2, 3, 4, 5]);
    }
}

#[tokio::test]
async fn queues_of_very_many_agents_come_back_whole_and_with_nothing_that_was_removed() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    let rq: Owner = "rq-1.5".parse().unwrap();
    let token = stores.queues.claim(&rq, &tenant(), None).await.unwrap().unwrap().token;
    let body = |bytes: usize| Some(Bytes::from(vec![b'x'; bytes]));
    let turn = |agents: std::ops::Range<usize>, bytes: Option<usize>| QueueBatch {
        tenant: tenant(),
        owner: rq.clone(),
        token,
        requests: vec![("waits".to_owned(), body(10))],
        reservations: agents.map(|n| (AgentId::parse(&format!("a-{n}")).unwrap(), bytes.and_then(body))).collect(),
        state: body(5),
        events: Vec::new(),
        consumed: None,
        number: 0,
    };
    let write = async |turn: QueueBatch| {
        for part in turn.in_parts(|_| None) {
            let written = stores.queues.commit(part).await.unwrap();
            assert!(matches!(written, Written::Done { .. }), "{written:?}");
        }
    };
    write(turn(0..9_000, Some(600))).await;
    write(turn(0..10, None)).await;
    let before = stores.queues.load(&tenant()).await.unwrap().unwrap();
    assert_eq!(before.reservations.len(), 8_990);
    server.cli(&["FLUSHALL"]);
    until_renewed(&stores).await;
    assert_eq!(stores.queues.load(&tenant()).await.unwrap().unwrap(), before);
    // The next turn comes before anybody has noticed the loss.
    server.cli(&["FLUSHALL"]);
    write(turn(10..20, None)).await;
    let after = stores.queues.load(&tenant()).await.unwrap().unwrap();
    assert_eq!((after.reservations.len(), &after.requests, after.token), (8_980, &before.requests, token));
    let rows = server.cli(&["--raw", "KEYS", "rq:{acme}:*"]);
    let rows: BTreeSet<&str> = rows.split_whitespace().collect();
    assert_eq!(rows, ["rq:{acme}:requests", "rq:{acme}:reservations"].into(), "nothing is left of how they came back");
}
