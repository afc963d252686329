//! Flipped bits and truncated fields in Redis's data: they cost only the record that contains them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use infra::{CallWrite, Change, Claim, Claimed, NewCall, Position, Stores, SystemClock, Written};
use model::{CallUuid, ConnId, Owner, Timestamp, Token};

use super::server::Server;
use super::{create, stores, tenant};

/// Flips a bit of a field of a record, or cuts the field off there.
const DAMAGE: &str = "
    local fields = { 'o', 't', 's', 'i', 'l', 'c', 'd', 'n' }
    local name = fields[ARGV[1] % #fields + 1]
    local held = redis.call('HGET', KEYS[1], name) or ''
    if held == '' then held = ' ' end
    local at = ARGV[1] * 7 % #held + 1
    local flipped = string.char(bit.bxor(string.byte(held, at), bit.lshift(1, ARGV[1] * 5 % 8)))
    local rest = ARGV[1] % 3 == 0 and '' or string.sub(held, at + 1)
    redis.call('HSET', KEYS[1], name, string.sub(held, 1, at - 1) .. flipped .. rest)
    return name";

/// Takes over the calls of an owner, as roles do; returns the result of each claim.
async fn take_over(stores: &Stores, of: &Owner, by: &Owner) -> Vec<Claimed<ConnId>> {
    let mut claimed = Vec::new();
    for _ in 0..10 {
        let orphans = stores.calls.orphans(&tenant(), of, 10).await.unwrap();
        if orphans.is_empty() {
            return claimed;
        }
        let claim =
            |orphan: infra::Record<ConnId>| Claim { tenant: tenant(), key: orphan.key, seen: Some(orphan.token) };
        claimed.extend(stores.calls.claim(by, orphans.into_iter().map(claim).collect()).await.unwrap());
    }
    panic!("a takeover has no end: {claimed:?}");
}

#[tokio::test]
async fn a_damaged_record_costs_that_one() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let successor: Owner = "sip-cluster-2.9".parse().unwrap();
    for seed in 1..=120_u64 {
        let dead: Owner = format!("sip-cluster-1.{}", 1_000 + seed).parse().unwrap();
        let ids = [seed * 10, seed * 10 + 1, seed * 10 + 2];
        let state = format!("state of {seed}");
        let begun = |id| CallWrite {
            change: Change::Create { state: Bytes::from(state.clone()), intentions: Bytes::from_static(b"send") },
            ..create(id, &dead)
        };
        stores.calls.commit(ids.map(begun).to_vec()).await.unwrap();
        let key = format!("call:{{acme}}:{}", ConnId(ids[1]));
        let field = server.cli(&["EVAL", DAMAGE, "1", &key, &seed.to_string()]);
        let case = format!("seed {seed}, field {}", field.trim());
        let listed = stores.calls.list(&tenant(), None, 1_000).await.unwrap();
        for id in [ids[0], ids[2]] {
            assert!(listed.iter().any(|record| record.key == ConnId(id)), "{case}");
        }
        let claimed = take_over(&stores, &dead, &successor).await;
        let ours = |id| claimed.iter().any(|claim| matches!(claim, Claimed::Yours(record) if record.key == ConnId(id)));
        assert!(ours(ids[0]) && ours(ids[2]), "{case}: {claimed:?}");
        let save = |id| CallWrite {
            owner: successor.clone(),
            token: Token(2),
            change: Change::Save { state: Bytes::from_static(b"goes on"), intentions: Bytes::new() },
            events: Vec::new(),
            ..create(id, &successor)
        };
        let written = stores.calls.commit(ids.map(save).to_vec()).await.unwrap();
        assert!(
            matches!(written[0], Written::Done { .. }) && matches!(written[2], Written::Done { .. }),
            "{case}: {written:?}"
        );
        stores.calls.load(&tenant(), ConnId(ids[1])).await.unwrap();
        let ends = |id| CallWrite { change: Change::End, ..save(id) };
        stores.calls.commit(ids.map(ends).to_vec()).await.unwrap();
        let holders = stores.calls.owners(&tenant()).await.unwrap();
        assert!(holders.iter().all(|holding| holding.owner != dead), "{case}: {holders:?}");
    }
    let aside = stores.quarantine.list(&tenant()).await.unwrap();
    assert!(!aside.is_empty(), "what no owner can hold is put aside");
    for one in aside {
        let read = stores.quarantine.read(&tenant(), one.id).await.unwrap().unwrap();
        assert!(!read.state.is_empty(), "with what could be read of it: {one:?}");
    }
}

#[tokio::test]
async fn entries_that_cannot_be_read_hold_up_no_other() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let node: Owner = "sip-cluster-1.5".parse().unwrap();
    let ors: Owner = "ors-1.5".parse().unwrap();
    let with_new_call = |id| {
        let (conn_id, at, body) = (ConnId(id), Timestamp::default(), Bytes::new());
        CallWrite { new_call: Some(NewCall { conn_id, trace: CallUuid(1), at, body }), ..create(id, &node) }
    };
    stores.calls.commit(vec![with_new_call(1)]).await.unwrap();
    server.cli(&["XADD", "newcalls:{acme}", "*", "b", "not an entry"]);
    server.cli(&["XADD", "ev:{acme}", "*", "e", "not a fact"]);
    stores.calls.commit(vec![with_new_call(2)]).await.unwrap();
    let taken = stores.new_calls.take(&tenant(), &ors, 10, Duration::ZERO).await.unwrap();
    assert_eq!(taken.iter().map(|taken| taken.call.conn_id.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(server.cli(&["XLEN", "newcalls:{acme}"]).trim(), "2", "it is not given out again");
    assert_eq!(stores.events.read(&tenant(), Position::START, 10, Duration::ZERO).await.unwrap().len(), 2);
    // And invalid names among valid ones.
    server.cli(&["SADD", "tenants:stream", ""]);
    server.cli(&["HSET", "owners:{acme}:call", "no owner!", "1"]);
    assert_eq!(stores.outbox.tenants().await.unwrap(), [tenant()]);
    assert_eq!(stores.calls.owners(&tenant()).await.unwrap().len(), 1);
}
