//! Queues with very many rows go from one owner to the next.

use super::*;

#[tokio::test]
async fn queues_of_very_many_agents_are_taken_over_whole_and_in_pages() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    let (first, second): (Owner, Owner) = ("rq-1.5".parse().unwrap(), "rq-2.6".parse().unwrap());
    let token = stores.queues.claim(&first, &tenant(), None).await.unwrap().unwrap().token;
    let body = |bytes: usize| Some(Bytes::from(vec![b'x'; bytes]));
    let turn = QueueBatch {
        tenant: tenant(),
        owner: first.clone(),
        token,
        requests: (0..100).map(|n| (format!("r-{n}"), body(1_000))).collect(),
        reservations: (0..9_000).map(|n| (AgentId::parse(&format!("a-{n}")).unwrap(), body(300))).collect(),
        state: body(5),
        events: Vec::new(),
        consumed: None,
        number: 0,
    };
    for part in turn.in_parts(|_| None) {
        let written = stores.queues.commit(part).await.unwrap();
        assert!(matches!(written, Written::Done { .. }), "{written:?}");
    }
    let before = stores.queues.load(&tenant()).await.unwrap().unwrap();
    server.cli(&["CONFIG", "RESETSTAT"]);
    let taken = stores.queues.claim(&second, &tenant(), Some(token)).await.unwrap().unwrap();
    assert_eq!((&taken.owner, taken.requests.len(), taken.reservations.len()), (&second, 100, 9_000));
    assert_eq!((taken.state, taken.requests, taken.reservations), (before.state, before.requests, before.reservations));
    let commands = server.cli(&["INFO", "commandstats"]);
    assert!(commands.contains("cmdstat_hscan:"), "{commands}");
    let raced = stores.queues.claim(&first, &tenant(), Some(token)).await.unwrap().unwrap_err();
    assert_eq!((raced.owner, raced.token), (second, taken.token));
}
