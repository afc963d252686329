//! What a client sees of its socket, and its session of it.

use std::sync::Mutex;

use axum::extract::ws::close_code;
use identity::session_cookie::SessionCookie;
use model::TenantId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::socket_places::SocketPlaces;
use super::*;

/// Both ends of a socket in memory. Ours takes so many messages that nobody reads.
struct SocketInMemory {
    from: mpsc::Receiver<Message>,
    to: mpsc::Sender<Message>,
}

const UNREAD_MAX: usize = 2;

impl MessageSocket for SocketInMemory {
    async fn hear(&mut self) -> Option<Message> {
        self.from.recv().await
    }

    async fn say(&mut self, message: Message) -> bool {
        self.to.send(message).await.is_ok()
    }
}

/// A session that answers when it is told to.
#[derive(Default)]
struct SessionInMemory {
    answers: Mutex<Vec<Option<oneshot::Sender<String>>>>,
    hung_up: Mutex<Vec<u64>>,
    ends: Mutex<Option<SocketEnd>>,
}

impl SocketSession for Arc<SessionInMemory> {
    async fn goes_on(&self) -> Result<(), SocketEnd> {
        self.ends.lock().unwrap().map_or(Ok(()), Err)
    }

    async fn takes(&self, _: Batch) -> Result<(Exchange, oneshot::Receiver<String>), SocketEnd> {
        let (answer, answered) = oneshot::channel();
        let mut answers = self.answers.lock().unwrap();
        answers.push(Some(answer));
        Ok((Exchange(answers.len() as u64 - 1), answered))
    }

    fn hung_up(&self, exchange: Exchange) {
        self.hung_up.lock().unwrap().push(exchange.0);
    }
}

/// A client with its socket.
struct Client {
    says: mpsc::Sender<Message>,
    hears: mpsc::Receiver<Message>,
    session: Arc<SessionInMemory>,
    drain: Drain,
    /// That of another socket of the session.
    beside: SessionPlace,
    served: JoinHandle<SocketEnd>,
}

impl Client {
    fn connected() -> Self {
        let (says, from) = mpsc::channel(1_000);
        let (to, hears) = mpsc::channel(UNREAD_MAX);
        let (session, drain) = (Arc::<SessionInMemory>::default(), Drain::new(Duration::from_secs(30)));
        let tenant = TenantId::parse("acme").unwrap();
        let cookie = SessionCookie::read(&SessionCookie::write(&tenant, "one")).unwrap();
        let place = SocketPlaces::default().of_tenant(&tenant).unwrap().of(&cookie).unwrap();
        let (beside, taken, drained) = (place.beside().unwrap(), session.clone(), drain.clone());
        let served = tokio::spawn(async move {
            ClientSocket::new(SocketInMemory { from, to }, taken, drained, &place).serve().await
        });
        Self { says, hears, session, drain, beside, served }
    }

    /// Sends a batch, and waits until the session has it.
    async fn sends_batch(&self) {
        let before = self.taken();
        self.says.send(Message::text(r#"[{"channel":"/meta/connect"}]"#)).await.unwrap();
        while self.taken() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn taken(&self) -> usize {
        self.session.answers.lock().unwrap().len()
    }

    fn answer(&self, exchange: usize, answer: &str) {
        let waits = self.session.answers.lock().unwrap()[exchange].take().unwrap();
        waits.send(answer.to_owned()).unwrap();
    }

    async fn hears(&mut self) -> String {
        match self.hears.recv().await.unwrap() {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The code with which it is closed.
    async fn closed(&mut self) -> u16 {
        match self.hears.recv().await.unwrap() {
            Message::Close(Some(frame)) => frame.code,
            other => panic!("{other:?}"),
        }
    }

    fn hung_up(&self) -> Vec<u64> {
        self.session.hung_up.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn answers_come_when_they_are_there_whatever_was_sent_before() {
    let mut client = Client::connected();
    for _ in 0..3 {
        client.sends_batch().await;
    }
    client.answer(2, "[3]");
    assert_eq!(client.hears().await, "[3]");
    client.answer(0, "[1]");
    client.answer(1, "[2]");
    assert_eq!([client.hears().await, client.hears().await], ["[1]", "[2]"]);
    client.says.send(Message::Ping("".into())).await.unwrap();
    client.says.send(Message::Close(None)).await.unwrap();
    assert_eq!(client.served.await.unwrap(), SocketEnd::Left);
    assert_eq!(client.session.hung_up.lock().unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_has_not_taken_what_was_not_there_yet() {
    let client = Client::connected();
    client.sends_batch().await;
    client.sends_batch().await;
    let Client { says, session, served, .. } = client;
    drop(says);
    assert_eq!(served.await.unwrap(), SocketEnd::Left);
    let mut hung_up = session.hung_up.lock().unwrap().clone();
    hung_up.sort_unstable();
    assert_eq!(hung_up, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_cut_off_and_has_not_taken_the_rest() {
    let mut client = Client::connected();
    for _ in 0..UNREAD_MAX + 2 {
        client.sends_batch().await;
    }
    (0..UNREAD_MAX + 2).for_each(|exchange| client.answer(exchange, "[]"));
    // Time passes, and nobody reads.
    assert_eq!((&mut client.served).await.unwrap(), SocketEnd::Unread);
    assert_eq!(client.hung_up(), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_closed_but_not_while_a_batch_waits() {
    let mut client = Client::connected();
    client.sends_batch().await;
    tokio::time::sleep(SILENT_MAX * 3).await;
    client.answer(0, "[1]");
    assert_eq!(client.hears().await, "[1]");
    assert_eq!(client.closed().await, close_code::AWAY);
    assert_eq!((&mut client.served).await.unwrap(), SocketEnd::Silent);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_elsewhere_or_over_closes_the_socket() {
    for (end, code) in [(SocketEnd::Moved, close_code::RESTART), (SocketEnd::Over, close_code::POLICY)] {
        // With its next message, and without one within the time of a look.
        for sends in [true, false] {
            let mut client = Client::connected();
            client.sends_batch().await;
            *client.session.ends.lock().unwrap() = Some(end);
            if sends {
                client.says.send(Message::text(r#"[{"channel":"/meta/connect"}]"#)).await.unwrap();
            }
            assert_eq!(client.closed().await, code);
            assert_eq!((client.taken(), client.hung_up()), (1, vec![0]), "nothing more is taken");
        }
    }
    // Nobody answers any more.
    let mut client = Client::connected();
    client.sends_batch().await;
    client.session.answers.lock().unwrap().clear();
    assert_eq!(client.closed().await, close_code::RESTART);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_ends_closes_its_sockets() {
    let mut client = Client::connected();
    client.sends_batch().await;
    client.drain.end();
    assert_eq!(client.closed().await, close_code::RESTART);
    assert_eq!(client.hung_up(), [0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_batch_closes_the_socket_with_a_code_of_its_own() {
    let large = " ".repeat(bayeux::limits::BATCH_BYTES_MAX + 1);
    for (message, code) in [
        (Message::text("text"), close_code::INVALID),
        (Message::text("[]"), close_code::INVALID),
        (Message::text(large), close_code::SIZE),
        (Message::binary("[]"), close_code::UNSUPPORTED),
    ] {
        let mut client = Client::connected();
        client.says.send(message).await.unwrap();
        assert_eq!(client.closed().await, code);
        assert_eq!(client.taken(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_batches_some_wait_and_the_others_are_not_read() {
    let mut client = Client::connected();
    for _ in 0..WAITING_MAX {
        client.sends_batch().await;
    }
    client.says.send(Message::text(r#"[{"channel":"/meta/connect"}]"#)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(client.taken(), WAITING_MAX);
    client.answer(0, "[1]");
    assert_eq!(client.hears().await, "[1]");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(client.taken(), WAITING_MAX + 1);
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_that_has_no_room_beside_what_nobody_has_taken_waits_and_small_ones_are_told() {
    let mut client = Client::connected();
    client.sends_batch().await;
    client.sends_batch().await;
    let large = "x".repeat(1 << 20);
    {
        let untaken = client.beside.untaken(16 << 20);
        assert!(untaken.is_some());
        client.answer(0, "[1]");
        assert_eq!(client.hears.recv().await, Some(Message::text("[1]")));
        client.answer(1, &large);
        assert!(
            matches!(client.hears.recv().await, Some(Message::Close(Some(frame))) if frame.code == close_code::AGAIN)
        );
    }
    assert_eq!(client.hung_up(), [1]);
    let mut client = Client::connected();
    client.sends_batch().await;
    client.answer(0, &large);
    assert_eq!(client.hears().await, large);
}

#[tokio::test(start_paused = true)]
async fn whose_session_is_over_is_told_by_the_answer_to_what_it_says_and_by_a_close_and_has_no_long_time_to_speak() {
    for speaks in [true, false] {
        let (says, from) = mpsc::channel(1);
        let (to, mut hears) = mpsc::channel(UNREAD_MAX);
        let served = tokio::spawn(tell_over(SocketInMemory { from, to }));
        if speaks {
            let connect = r#"[{"id":"1","channel":"/meta/connect","clientId":"c","connectionType":"websocket"}]"#;
            says.send(Message::text(connect)).await.unwrap();
            let Some(Message::Text(told)) = hears.recv().await else { panic!("it is told nothing") };
            assert!(told.contains(r#""reconnect":"none""#) && told.contains(r#""id":"1""#), "{told}");
        }
        let Some(Message::Close(Some(frame))) = hears.recv().await else { panic!("it is not closed") };
        assert_eq!(frame.code, close_code::POLICY);
        assert_eq!(served.await.unwrap(), SocketEnd::Over);
        drop(says);
    }
}
