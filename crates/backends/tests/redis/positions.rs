//! The position of a view is stored with the records into which its facts are folded, and not without them.

use super::*;

/// A batch of ors that has folded the facts up to that number.
fn batch<const N: usize>(folded: u64, writes: [(&str, Change); N]) -> SessionBatch {
    let write = |(session, change): (&str, Change)| SessionWrite {
        session: SessionId(session.to_owned()),
        conn_id: None,
        token: Token(1),
        change,
        due: None,
        events: Vec::new(),
        began_with: None,
    };
    SessionBatch {
        tenant: tenant(),
        owner: ors(),
        writes: writes.map(write).into(),
        consumed: Some(Consumed { view: "ors", position: at(folded) }),
        number: 0,
    }
}

fn ors() -> Owner {
    "ors-1.5".parse().unwrap()
}

fn at(folded: u64) -> Position {
    Position { major: folded, minor: 0 }
}

fn create() -> Change {
    Change::Create { state: Bytes::from_static(b"begun"), intentions: Bytes::new() }
}

fn save() -> Change {
    Change::Save { state: Bytes::from_static(b"goes on"), intentions: Bytes::new() }
}

#[tokio::test]
async fn the_position_is_stored_when_what_redis_has_lost_is_written_again() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let sessions = &stores.sessions;
    sessions.commit(batch(1, [("s1", create())])).await.unwrap();
    assert_eq!(sessions.commit(batch(2, [("s9", save())])).await.unwrap(), [Written::Unknown]);
    assert_eq!(sessions.consumed(&tenant(), "ors").await.unwrap(), at(1), "nothing is written");
    server.cli(&["DEL", "session:{acme}:s1"]);
    let written = sessions.commit(batch(3, [("s1", save()), ("s9", save())])).await.unwrap();
    assert!(matches!(written[..], [Written::Done { .. }, Written::Unknown]), "{written:?}");
    assert_eq!(sessions.consumed(&tenant(), "ors").await.unwrap(), at(3));
}

#[tokio::test]
async fn a_fenced_writer_stores_no_position_though_its_batch_is_written_row_by_row() {
    let server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (stores, _) = stores(&server, 0, clock.clone()).await;
    stores.sessions.commit(batch(1, [("s1", create()), ("s2", create())])).await.unwrap();
    let (other, _) = self::stores(&server, 0, clock).await;
    let claim = Claim { tenant: tenant(), key: SessionId("s1".to_owned()), seen: Some(Token(1)) };
    other.sessions.claim(&"ors-2.6".parse().unwrap(), vec![claim]).await.unwrap();
    // Its second row makes the script fail.
    server.cli(&["SET", "owned:{acme}:session:ors-1.5", "damaged"]);
    let written = stores.sessions.commit(batch(2, [("s1", save()), ("s2", Change::End)])).await.unwrap();
    assert!(matches!(written[..], [Written::Fenced { .. }, Written::Refused(_)]), "{written:?}");
    assert_eq!(stores.sessions.consumed(&tenant(), "ors").await.unwrap(), at(1));
}
