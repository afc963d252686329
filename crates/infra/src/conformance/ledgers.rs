//! Ledgers: all or nothing, fencing, claims, tombstones.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use model::{AgentId, ConnId, Owner, TenantId, Timestamp, Token};

use super::SetClock;
use super::fixtures::{agents, create, dialog, event, legs, new_call, owner, save, sessions, tenant, write};
use crate::{
    Absorbed, AgentBatch, AgentWrite, CallIndex, CallWrite, Change, Claim, Claimed, Consumed, LedgerKind, Loaded,
    MediaSessionId, NewCall, Position, QueueBatch, Refusal, SessionBatch, SessionId, SessionWrite, Stores, Written,
    bounds,
};

pub(super) async fn a_commit_is_read_back(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    let due = Some(Timestamp::from_millis(1_700_000_005_000));
    let first = CallWrite { due, ..write(&acme, 7, &me, 1, create("one")) };
    let written = stores.calls.commit(vec![first]).await.unwrap();
    assert_eq!(written, [Written::Done { position: None }]);
    let with_event = CallWrite { events: vec![event(&acme, 7, 1, 1)], ..write(&acme, 7, &me, 1, save("two")) };
    let written = stores.calls.commit(vec![with_event]).await.unwrap();
    assert!(matches!(written[..], [Written::Done { position: Some(_) }]), "{written:?}");
    let Loaded::Live(record) = stores.calls.load(&acme, ConnId(7)).await.unwrap() else { panic!("no record") };
    assert_eq!((&record.state[..], &record.intentions[..]), (&b"two"[..], &b"send"[..]));
    assert_eq!((record.owner, record.token, record.due), (me.clone(), Token(1), None));
    let again = stores.calls.commit(vec![write(&acme, 7, &me, 1, create("three"))]).await.unwrap();
    assert_eq!(again, [Written::Exists { owner: me, token: Token(1) }]);
    assert_eq!(stores.calls.load(&acme, ConnId(8)).await.unwrap(), Loaded::Unknown);
}

pub(super) async fn an_older_token_is_fenced_and_nothing_of_the_write_is_done(stores: &Stores) {
    let (acme, old, successor) = (tenant("acme"), owner("node-1.5"), owner("node-2.6"));
    stores.calls.commit(vec![write(&acme, 7, &old, 1, create("one"))]).await.unwrap();
    let claim = Claim { tenant: acme.clone(), key: ConnId(7), seen: Some(Token(1)) };
    let claimed = stores.calls.claim(&successor, vec![claim.clone()]).await.unwrap();
    assert!(matches!(&claimed[..], [Claimed::Yours(r)] if r.token == Token(2) && r.owner == successor), "{claimed:?}");
    let late = CallWrite {
        events: vec![event(&acme, 7, 1, 1)],
        index: vec![dialog("late")],
        new_call: Some(new_call(7)),
        ..write(&acme, 7, &old, 1, save("late"))
    };
    let written = stores.calls.commit(vec![late, write(&acme, 8, &old, 1, create("other"))]).await.unwrap();
    assert_eq!(written[0], Written::Fenced { owner: successor.clone(), token: Token(2) });
    assert!(matches!(written[1], Written::Done { .. }), "a neighbour in the batch is not touched by it");
    assert_eq!(stores.events.read(&acme, Position::START, 10, Duration::ZERO).await.unwrap(), []);
    assert_eq!(stores.calls.lookup(&acme, &dialog("late")).await.unwrap(), None);
    assert_eq!(stores.new_calls.take(&acme, &successor, 10, Duration::ZERO).await.unwrap(), []);
    let again = stores.calls.claim(&successor, vec![claim]).await.unwrap();
    assert!(matches!(&again[..], [Claimed::Yours(r)] if r.token == Token(2)), "a repeated claim changes nothing");
}

pub(super) async fn a_repeated_invite_makes_no_second_call(stores: &Stores) {
    let (acme, me, other) = (tenant("acme"), owner("node-1.5"), owner("node-2.6"));
    let first = CallWrite { index: vec![dialog("a")], ..write(&acme, 7, &me, 1, create("one")) };
    let second = CallWrite {
        index: vec![dialog("a")],
        events: vec![event(&acme, 8, 1, 1)],
        ..write(&acme, 8, &other, 1, create("two"))
    };
    let written = stores.calls.commit(vec![first, second.clone()]).await.unwrap();
    assert!(matches!(written[0], Written::Done { .. }));
    assert_eq!(written[1], Written::Exists { owner: me, token: Token(1) });
    assert_eq!(stores.calls.commit(vec![second]).await.unwrap()[0], written[1]);
    assert_eq!(stores.calls.lookup(&acme, &dialog("a")).await.unwrap(), Some(ConnId(7)));
    assert_eq!(stores.calls.load(&acme, ConnId(8)).await.unwrap(), Loaded::Unknown);
    assert_eq!(stores.events.end(&acme).await.unwrap(), Position::START);
}

pub(super) async fn one_of_many_claimers_wins(stores: &Stores) {
    let (acme, dead) = (tenant("acme"), owner("node-1.5"));
    stores.calls.commit(vec![write(&acme, 7, &dead, 1, create("one"))]).await.unwrap();
    let claimers: Vec<_> = (2..12).map(|n| owner(&format!("node-{n}.6"))).collect();
    let claim = Claim { tenant: acme.clone(), key: ConnId(7), seen: Some(Token(1)) };
    let answers = join_all(claimers.iter().map(|by| stores.calls.claim(by, vec![claim.clone()]))).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().remove(0)).collect();
    let won: Vec<_> = answers.iter().filter(|answer| matches!(answer, Claimed::Yours(_))).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|a| matches!(a, Claimed::Yours(r) if r.token == Token(2))
        || matches!(a, Claimed::Raced { token, .. } if *token == Token(2))));
}

pub(super) async fn a_dead_owners_calls_are_found_in_batches(stores: &Stores) {
    let (acme, dead, successor) = (tenant("acme"), owner("node-1.5"), owner("node-2.6"));
    let batch: Vec<_> = (0..450).map(|n| write(&acme, n, &dead, 1, create("x"))).collect();
    stores.calls.commit(batch).await.unwrap();
    assert_eq!(stores.calls.owners(&acme).await.unwrap()[0].records, 450);
    let mut taken = 0;
    loop {
        let orphans = stores.calls.orphans(&acme, &dead, bounds::CLAIM_BATCH).await.unwrap();
        if orphans.is_empty() {
            break;
        }
        let claims = orphans.into_iter().map(|r| Claim { tenant: r.tenant, key: r.key, seen: Some(r.token) }).collect();
        taken += stores.calls.claim(&successor, claims).await.unwrap().len();
    }
    assert_eq!(taken, 450);
    let owners = stores.calls.owners(&acme).await.unwrap();
    assert_eq!((owners.len(), &owners[0].owner, owners[0].records), (1, &successor, 450));
    let page = stores.calls.list(&acme, Some(ConnId(99)), 2).await.unwrap();
    assert_eq!(page.iter().map(|r| r.key.0).collect::<Vec<_>>(), [100, 101]);
}

pub(super) async fn an_ended_call_is_remembered_for_a_while(stores: &Stores, clock: &SetClock) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    let first = CallWrite { index: vec![dialog("a")], ..write(&acme, 7, &me, 1, create("one")) };
    stores.calls.commit(vec![first]).await.unwrap();
    stores.calls.commit(vec![write(&acme, 7, &me, 1, Change::End)]).await.unwrap();
    assert_eq!(stores.calls.load(&acme, ConnId(7)).await.unwrap(), Loaded::Ended);
    assert_eq!(stores.calls.lookup(&acme, &dialog("a")).await.unwrap(), Some(ConnId(7)));
    let again = stores.calls.commit(vec![write(&acme, 7, &me, 1, save("two"))]).await.unwrap();
    assert_eq!(again, [Written::Ended]);
    clock.advance(bounds::TOMBSTONE + Duration::from_secs(1));
    assert_eq!(stores.calls.load(&acme, ConnId(7)).await.unwrap(), Loaded::Unknown);
    assert_eq!(stores.calls.lookup(&acme, &dialog("a")).await.unwrap(), None);
}

pub(super) async fn a_further_call_leads_to_its_thread(stores: &Stores, clock: &SetClock) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    let further = CallIndex::Call(ConnId(8));
    let first = CallWrite { index: vec![dialog("a")], ..write(&acme, 7, &me, 1, create("one")) };
    stores.calls.commit(vec![first]).await.unwrap();
    let next = CallWrite { index: vec![further.clone()], ..write(&acme, 7, &me, 1, save("two")) };
    assert!(matches!(stores.calls.commit(vec![next]).await.unwrap()[..], [Written::Done { .. }]));
    stores.calls.commit(vec![write(&acme, 7, &me, 1, save("three"))]).await.unwrap();
    for index in [&further, &dialog("a")] {
        assert_eq!(stores.calls.lookup(&acme, index).await.unwrap(), Some(ConnId(7)), "{index:?}");
    }
    assert_eq!(stores.calls.load(&acme, ConnId(8)).await.unwrap(), Loaded::Unknown, "it has no record of its own");
    assert_eq!(stores.calls.lookup(&acme, &CallIndex::Call(ConnId(7))).await.unwrap(), None);
    stores.calls.commit(vec![write(&acme, 7, &me, 1, Change::End)]).await.unwrap();
    clock.advance(bounds::TOMBSTONE + Duration::from_secs(1));
    assert_eq!(stores.calls.lookup(&acme, &further).await.unwrap(), None);
}

pub(super) async fn a_record_that_is_absorbed_leads_to_the_other_one(stores: &Stores) {
    let (acme, me, successor) = (tenant("acme"), owner("node-1.5"), owner("node-2.6"));
    let begin = |call, name| CallWrite { index: vec![dialog(name)], ..write(&acme, call, &me, 1, create(name)) };
    stores.calls.commit(vec![begin(7, "a"), begin(8, "b")]).await.unwrap();
    let meet = |token| CallWrite {
        index: vec![CallIndex::Call(ConnId(8))],
        events: vec![event(&acme, 8, 1, 1)],
        absorbs: Some(Absorbed { conn_id: ConnId(8), token: Token(token) }),
        ..write(&acme, 7, &me, 1, save("both"))
    };
    // Somebody else has the other one by then: nothing is done.
    let refused = stores.calls.commit(vec![meet(2)]).await.unwrap();
    assert_eq!(refused, [Written::NotAbsorbed]);
    assert_eq!(stores.calls.lookup(&acme, &dialog("b")).await.unwrap(), Some(ConnId(8)));
    assert_eq!(stores.events.end(&acme).await.unwrap(), Position::START);
    // Both in one write, also beside others of the same records.
    let batch = vec![write(&acme, 8, &me, 1, save("b again")), meet(1), write(&acme, 7, &me, 1, save("on"))];
    let written = stores.calls.commit(batch).await.unwrap();
    assert!(written.iter().all(|written| matches!(written, Written::Done { .. })), "{written:?}");
    assert_eq!(stores.calls.load(&acme, ConnId(8)).await.unwrap(), Loaded::Unknown);
    for index in [dialog("a"), dialog("b"), CallIndex::Call(ConnId(8))] {
        assert_eq!(stores.calls.lookup(&acme, &index).await.unwrap(), Some(ConnId(7)), "{index:?}");
    }
    assert_eq!(stores.calls.owners(&acme).await.unwrap().iter().map(|held| held.records).sum::<usize>(), 1);
    assert_eq!(stores.calls.list(&acme, None, 10).await.unwrap().len(), 1);
    // Who had it before and has not noticed: what that one owned is elsewhere now, and not over.
    let former = owner("node-3.4");
    for change in [save("late"), Change::Keep, Change::End] {
        let late = stores.calls.commit(vec![write(&acme, 8, &former, 1, change)]).await.unwrap();
        assert_eq!(late, [Written::Fenced { owner: me.clone(), token: Token(1) }]);
    }
    // One that is over cannot be absorbed, nor one of another owner.
    stores.calls.commit(vec![begin(9, "c"), begin(10, "d")]).await.unwrap();
    stores.calls.commit(vec![write(&acme, 9, &me, 1, Change::End)]).await.unwrap();
    let claim = Claim { tenant: acme.clone(), key: ConnId(10), seen: None };
    stores.calls.claim(&successor, vec![claim]).await.unwrap();
    for other in [9, 10] {
        let absorbs = Some(Absorbed { conn_id: ConnId(other), token: Token(1) });
        let late = CallWrite { absorbs, ..write(&acme, 7, &me, 1, save("late")) };
        assert_eq!(stores.calls.commit(vec![late]).await.unwrap(), [Written::NotAbsorbed], "{other}");
    }
    let Loaded::Live(record) = stores.calls.load(&acme, ConnId(7)).await.unwrap() else { panic!("no record") };
    assert_eq!(&record.state[..], b"on");
    // The end of the one is that of the other.
    stores.calls.commit(vec![write(&acme, 7, &me, 1, Change::End)]).await.unwrap();
    let late = stores.calls.commit(vec![write(&acme, 8, &former, 1, save("late"))]).await.unwrap();
    assert_eq!(late, [Written::Ended]);
}

pub(super) async fn concurrent_writers_lose_nothing(stores: &Stores) {
    let acme = tenant("acme");
    let writers = (1..=8_u64).map(|node| {
        let (acme, stores) = (acme.clone(), stores.clone());
        async move {
            let me = owner(&format!("node-{node}.5"));
            for n in 0..50 {
                let id = node * 1_000 + n;
                let first = CallWrite { events: vec![event(&acme, id, 1, 1)], ..write(&acme, id, &me, 1, create("x")) };
                let written = stores.calls.commit(vec![first]).await.unwrap();
                assert!(matches!(written[..], [Written::Done { .. }]));
            }
        }
    });
    join_all(writers).await;
    assert_eq!(stores.calls.list(&acme, None, 1_000).await.unwrap().len(), 400);
    let entries = stores.events.read(&acme, Position::START, 1_000, Duration::ZERO).await.unwrap();
    assert_eq!(entries.len(), 400);
    assert!(entries.windows(2).all(|pair| pair[0].position < pair[1].position));
}

pub(super) async fn a_session_takes_its_new_call_with_it(stores: &Stores) {
    let (acme, node, ors) = (tenant("acme"), owner("node-1.5"), owner("ors-1.5"));
    let call = CallWrite { new_call: Some(new_call(7)), ..write(&acme, 7, &node, 1, create("x")) };
    stores.calls.commit(vec![call]).await.unwrap();
    let taken = stores.new_calls.take(&acme, &ors, 10, Duration::ZERO).await.unwrap();
    assert_eq!((taken.len(), &taken[0].call), (1, &new_call(7)));
    let begin = SessionBatch {
        tenant: acme.clone(),
        owner: ors.clone(),
        writes: vec![SessionWrite {
            session: SessionId("s1".to_owned()),
            conn_id: Some(ConnId(7)),
            token: Token(1),
            change: create("session"),
            due: None,
            events: Vec::new(),
            began_with: Some(taken[0].position),
        }],
        consumed: None,
        number: 0,
    };
    stores.sessions.commit(begin).await.unwrap();
    let other = owner("ors-2.5");
    assert_eq!(stores.new_calls.reclaim(&acme, &other, Duration::ZERO, 10).await.unwrap(), []);
    let of_call = stores.sessions.of_call(&acme, ConnId(7)).await.unwrap();
    assert_eq!(of_call.iter().map(|r| r.key.0.as_str()).collect::<Vec<_>>(), ["s1"]);
}

pub(super) async fn a_view_keeps_its_place_with_its_state(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("agent-state-1.5"));
    let position = Position { major: 0, minor: 42 };
    let agent = AgentId::parse("1001").unwrap();
    let batch = |token, change, position| AgentBatch {
        tenant: acme.clone(),
        owner: me.clone(),
        writes: vec![AgentWrite { agent: agent.clone(), token: Token(token), change, due: None, events: Vec::new() }],
        consumed: Some(Consumed { view: "agent-state", position }),
        number: 0,
    };
    assert_eq!(stores.agents.consumed(&acme, "agent-state").await.unwrap(), Position::START);
    stores.agents.commit(batch(1, create("ready"), position)).await.unwrap();
    assert_eq!(stores.agents.consumed(&acme, "agent-state").await.unwrap(), position);
    let listed = stores.agents.list(&acme, None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|r| (&r.key, &r.state[..])).collect::<Vec<_>>(), [(&agent, &b"ready"[..])]);
    let claim = Claim { tenant: acme.clone(), key: agent.clone(), seen: Some(Token(1)) };
    stores.agents.claim(&owner("agent-state-2.6"), vec![claim]).await.unwrap();
    let later = Position { major: 0, minor: 43 };
    let late = stores.agents.commit(batch(1, save("late"), later)).await.unwrap();
    assert!(matches!(late[..], [Written::Fenced { .. }]), "{late:?}");
    let reached = stores.agents.consumed(&acme, "agent-state").await.unwrap();
    assert_eq!(reached, position, "the successor has not folded what only its predecessor has read");
    let mut two = batch(1, save("late"), later);
    let other = AgentId::parse("1002").unwrap();
    two.writes.push(AgentWrite {
        agent: other,
        token: Token(1),
        change: create("late"),
        due: None,
        events: Vec::new(),
    });
    let late = stores.agents.commit(two).await.unwrap();
    assert!(
        matches!(late[..], [Written::Fenced { .. }, Written::Fenced { .. }]),
        "who owns none creates none: {late:?}"
    );
    assert_eq!(stores.agents.list(&acme, None, 10).await.unwrap().len(), 1);
    let mut of_none = batch(1, save("late"), later);
    of_none.writes[0].agent = AgentId::parse("1003").unwrap();
    assert_eq!(stores.agents.commit(of_none).await.unwrap(), [Written::Unknown]);
    let reached = stores.agents.consumed(&acme, "agent-state").await.unwrap();
    assert_eq!(reached, position, "nothing was written into which more is folded");
}

pub(super) async fn a_tenants_queues_have_one_writer(stores: &Stores) {
    let (acme, first, second) = (tenant("acme"), owner("rq-1.5"), owner("rq-2.6"));
    let batch = |owner: &model::Owner, token, body: Option<&'static [u8]>| QueueBatch {
        tenant: acme.clone(),
        owner: owner.clone(),
        token: Token(token),
        requests: vec![("r1".to_owned(), body.map(Bytes::from_static))],
        reservations: Vec::new(),
        state: None,
        events: Vec::new(),
        consumed: None,
        number: 0,
    };
    assert_eq!(stores.queues.commit(batch(&first, 1, None)).await.unwrap(), Written::Unknown);
    assert_eq!(stores.queues.holder(&acme).await.unwrap(), None);
    assert_eq!(stores.queues.requests(&acme).await.unwrap(), []);
    let record = stores.queues.claim(&first, &acme, None).await.unwrap().unwrap();
    let [one, two, three] = [0, 1, 2].map(|more| record.token.0 + more);
    let holder = stores.queues.holder(&acme).await.unwrap().unwrap();
    assert_eq!((holder.owner, holder.token), (first.clone(), Token(one)));
    assert!(matches!(stores.queues.commit(batch(&first, one, Some(b"waits"))).await.unwrap(), Written::Done { .. }));
    assert_eq!(stores.queues.requests(&acme).await.unwrap(), [("r1".to_owned(), Bytes::from_static(b"waits"))]);
    let successor = stores.queues.claim(&second, &acme, Some(Token(one))).await.unwrap().unwrap();
    assert_eq!(
        (successor.token, &successor.requests[..]),
        (Token(two), &[("r1".to_owned(), Bytes::from_static(b"waits"))][..])
    );
    let late = stores.queues.commit(batch(&first, one, None)).await.unwrap();
    assert_eq!(late, Written::Fenced { owner: second.clone(), token: Token(two) });
    let raced = stores.queues.claim(&first, &acme, Some(Token(one))).await.unwrap().unwrap_err();
    assert_eq!((raced.owner, raced.token), (second.clone(), Token(two)));
    let anew = stores.queues.claim(&second, &acme, Some(Token(two))).await.unwrap().unwrap();
    assert_eq!(anew.token, Token(three), "events count from 1 within a token");
    let late = stores.queues.commit(batch(&second, two, None)).await.unwrap();
    assert_eq!(late, Written::Fenced { owner: second, token: Token(three) }, "the run before");
}

/// A state of this number of bytes.
fn state_of(bytes: usize) -> Bytes {
    vec![b'x'; bytes].into()
}

pub(super) async fn what_is_too_large_is_refused_for_that_write_alone(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    let large = || Change::Create { state: state_of(bounds::STATE_MAX), intentions: Bytes::from_static(b"!") };
    let mut wordy = event(&acme, 3, 1, 1);
    wordy.event.collected_digits = Some("7".repeat(bounds::FACT_MAX));
    let entry = NewCall { body: state_of(bounds::NEW_CALL_MAX + 1), ..new_call(4) };
    let batch = vec![
        write(&acme, 1, &me, 1, create("one")),
        CallWrite { index: vec![dialog("a")], events: vec![event(&acme, 2, 1, 1)], ..write(&acme, 2, &me, 1, large()) },
        CallWrite { events: vec![wordy], ..write(&acme, 3, &me, 1, create("three")) },
        CallWrite { new_call: Some(entry), ..write(&acme, 4, &me, 1, create("four")) },
        CallWrite { index: vec![dialog("a")], ..write(&acme, 5, &me, 1, create("five")) },
    ];
    let written = stores.calls.commit(batch).await.unwrap();
    let refused = |written: &Written| matches!(written, Written::Refused(Refusal::TooLarge { bytes, bound, .. }) if bytes > bound);
    assert_eq!(written.iter().map(refused).collect::<Vec<_>>(), [false, true, true, true, false], "{written:?}");
    let calls = stores.calls.list(&acme, None, 10).await.unwrap();
    assert_eq!(calls.iter().map(|call| call.key.0).collect::<Vec<_>>(), [1, 5]);
    assert_eq!(stores.calls.lookup(&acme, &dialog("a")).await.unwrap(), Some(ConnId(5)));
    assert_eq!(stores.events.end(&acme).await.unwrap(), Position::START);
    assert_eq!(stores.new_calls.take(&acme, &me, 10, Duration::ZERO).await.unwrap(), []);
    let larger = Change::Save { state: state_of(bounds::STATE_MAX + 1), intentions: Bytes::new() };
    let grown = stores.calls.confirm(vec![write(&acme, 1, &me, 1, larger)]).await.unwrap();
    assert!(refused(&grown[0]), "{grown:?}");
    let Loaded::Live(record) = stores.calls.load(&acme, ConnId(1)).await.unwrap() else { panic!("no record") };
    assert_eq!(&record.state[..], b"one", "it stands as it stood");
    let goes_on = vec![write(&acme, 1, &me, 1, save("smaller")), write(&acme, 5, &me, 1, Change::End)];
    let written = stores.calls.commit(goes_on).await.unwrap();
    assert!(written.iter().all(|written| matches!(written, Written::Done { .. })), "{written:?}");
}

pub(super) async fn every_ledger_refuses_what_is_too_large(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    let too_large = || Change::Create { state: state_of(bounds::STATE_MAX + 1), intentions: Bytes::new() };
    let is_right = |written: &[Written]| {
        assert!(matches!(written, [Written::Refused(Refusal::TooLarge { .. }), Written::Done { .. }]), "{written:?}");
    };
    let two = |large: &'static str, small: &'static str| [(large, 1, too_large()), (small, 1, create("x"))];
    is_right(&stores.agents.commit(agents(&acme, &me, two("1001", "1002"))).await.unwrap());
    is_right(&stores.sessions.commit(sessions(&acme, &me, two("s1", "s2"))).await.unwrap());
    is_right(&stores.media.commit(legs(&acme, &me, two("m1", "m2"))).await.unwrap());
    let token = stores.queues.claim(&me, &acme, None).await.unwrap().unwrap().token;
    let turn = QueueBatch {
        tenant: acme.clone(),
        owner: me.clone(),
        token,
        requests: vec![
            ("r1".to_owned(), Some(state_of(bounds::STATE_MAX + 1))),
            ("r2".to_owned(), Some(Bytes::from_static(b"waits"))),
        ],
        reservations: Vec::new(),
        state: None,
        events: vec![event(&acme, 7, 1, 1)],
        consumed: None,
        number: 0,
    };
    let written = stores.queues.commit(turn.clone()).await.unwrap();
    assert!(matches!(written, Written::Refused(Refusal::TooLarge { .. })), "{written:?}");
    assert_eq!(stores.queues.load(&acme).await.unwrap().unwrap().requests, []);
    let mut written = Vec::new();
    for part in turn.apart() {
        written.push(stores.queues.commit(part).await.unwrap());
    }
    let refused = |written: &Written| matches!(written, Written::Refused(Refusal::TooLarge { .. }));
    assert_eq!(written.iter().map(refused).collect::<Vec<_>>(), [false, true, false, false, false], "{written:?}");
    assert_eq!(stores.queues.load(&acme).await.unwrap().unwrap().requests.len(), 1);
}

pub(super) async fn a_record_counts_how_often_it_has_changed_hands(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    one_of_each(stores, &acme, &me).await;
    let claims = async |of: &Owner| {
        [
            stores.calls.orphans(&acme, of, 10).await.unwrap()[0].claims,
            stores.agents.orphans(&acme, of, 10).await.unwrap()[0].claims,
            stores.sessions.orphans(&acme, of, 10).await.unwrap()[0].claims,
            stores.media.orphans(&acme, of, 10).await.unwrap()[0].claims,
        ]
    };
    assert_eq!(claims(&me).await, [0; 4]);
    // Two owners that fail while they process it, and one that does not.
    for (node, expected) in [(2, 1), (3, 2), (4, 3)] {
        let by = owner(&format!("node-{node}.6"));
        claim_each(stores, &acme, &by).await;
        claim_each(stores, &acme, &by).await;
        assert_eq!(claims(&by).await, [expected; 4], "one's own record changes no hands");
    }
    let by = owner("node-4.6");
    let Loaded::Live(call) = stores.calls.load(&acme, ConnId(7)).await.unwrap() else { panic!("no call") };
    let listed = stores.agents.list(&acme, None, 10).await.unwrap();
    assert_eq!((call.claims, call.token, listed[0].claims), (3, Token(4), 3));
    let kept = CallWrite { events: vec![event(&acme, 7, 4, 1)], ..write(&acme, 7, &by, 4, Change::Keep) };
    stores.calls.commit(vec![kept]).await.unwrap();
    assert_eq!(claims(&by).await[0], 3, "its state is as it was");
    stores.calls.commit(vec![write(&acme, 7, &by, 4, save("lives"))]).await.unwrap();
    stores.agents.commit(agents(&acme, &by, [(EACH[1].1, 4, save("lives"))])).await.unwrap();
    stores.sessions.commit(sessions(&acme, &by, [(EACH[2].1, 4, save("lives"))])).await.unwrap();
    stores.media.commit(legs(&acme, &by, [(EACH[3].1, 4, save("lives"))])).await.unwrap();
    assert_eq!(claims(&by).await, [0; 4]);
}

/// A record of each ledger, by its key.
pub(super) const EACH: [(LedgerKind, &str); 4] = [
    (LedgerKind::Call, "0000000000000007"),
    (LedgerKind::Agent, "1001"),
    (LedgerKind::Session, "s1"),
    (LedgerKind::Media, "m1"),
];

/// Creates them.
pub(super) async fn one_of_each(stores: &Stores, tenant: &TenantId, by: &Owner) {
    stores.calls.commit(vec![write(tenant, 7, by, 1, create("x"))]).await.unwrap();
    stores.agents.commit(agents(tenant, by, [(EACH[1].1, 1, create("x"))])).await.unwrap();
    stores.sessions.commit(sessions(tenant, by, [(EACH[2].1, 1, create("x"))])).await.unwrap();
    stores.media.commit(legs(tenant, by, [(EACH[3].1, 1, create("x"))])).await.unwrap();
}

async fn claim_each(stores: &Stores, tenant: &TenantId, by: &Owner) {
    fn claim<K>(tenant: &TenantId, key: K) -> Vec<Claim<K>> {
        vec![Claim { tenant: tenant.clone(), key, seen: None }]
    }
    stores.calls.claim(by, claim(tenant, ConnId(7))).await.unwrap();
    stores.agents.claim(by, claim(tenant, AgentId::parse(EACH[1].1).unwrap())).await.unwrap();
    stores.sessions.claim(by, claim(tenant, SessionId(EACH[2].1.to_owned()))).await.unwrap();
    stores.media.claim(by, claim(tenant, MediaSessionId(EACH[3].1.to_owned()))).await.unwrap();
}
