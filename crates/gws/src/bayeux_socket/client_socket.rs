//! One socket: takes batches one after the other, and tells each answer when there is one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bayeux::{Batch, BatchFault, Exchange};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use runtime::Drain;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::socket_places::SessionPlace;
use super::{SocketEnd, SocketSession};

/// Batches of a socket that wait for their answers: its connect, and what its client sends beside. The next one waits in the network.
const WAITING_MAX: usize = 8;
/// For how long a client may say nothing while nothing of it waits: `CometD` connects again at once.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether the session goes on here, while its client waits: as late it hears that another replica has it.
const LOOKED_AT_EACH: Duration = Duration::from_secs(10);
/// A client that takes nothing for this time is cut off. What it has not taken waits for it.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// For each so many bytes of a message it has a second more.
const BYTES_PER_S_MIN: usize = 128 << 10;
/// How long a client whose session is over has to say something, to which it is told that.
const SPEAKS_WITHIN: Duration = Duration::from_secs(5);
/// How long the end of a socket may take.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

/// A WebSocket, as far as it is needed.
pub(super) trait MessageSocket: Send {
    /// The next message; none if nothing more comes. Nothing is lost if this is dropped before.
    fn hear(&mut self) -> impl Future<Output = Option<Message>> + Send;

    /// Sends a message; `false` if the socket is broken.
    fn say(&mut self, message: Message) -> impl Future<Output = bool> + Send;
}

impl MessageSocket for WebSocket {
    async fn hear(&mut self) -> Option<Message> {
        self.recv().await.and_then(Result::ok)
    }

    async fn say(&mut self, message: Message) -> bool {
        self.send(message).await.is_ok()
    }
}

/// The socket of a client.
pub(super) struct ClientSocket<'p, W, S> {
    socket: W,
    session: Arc<S>,
    drain: Drain,
    place: &'p SessionPlace,
}

/// An exchange whose answer nobody has taken yet. Whoever is gone before has hung up.
struct UntakenAnswer<S: SocketSession> {
    session: Arc<S>,
    exchange: Exchange,
    is_taken: bool,
}

impl<S: SocketSession> Drop for UntakenAnswer<S> {
    fn drop(&mut self) {
        if !self.is_taken {
            self.session.hung_up(self.exchange);
        }
    }
}

/// A batch that waits for its answer.
struct WaitingBatch<S: SocketSession> {
    untaken: UntakenAnswer<S>,
    answer: oneshot::Receiver<String>,
}

impl<S: SocketSession> WaitingBatch<S> {
    async fn answered(self) -> (UntakenAnswer<S>, Option<String>) {
        (self.untaken, self.answer.await.ok())
    }
}

/// What happens next.
enum SocketEvent<S: SocketSession> {
    Answered(UntakenAnswer<S>, Option<String>),
    Heard(Option<Message>),
    Look,
    End(SocketEnd),
}

impl<'p, W: MessageSocket, S: SocketSession> ClientSocket<'p, W, S> {
    pub fn new(socket: W, session: S, drain: Drain, place: &'p SessionPlace) -> Self {
        Self { socket, session: Arc::new(session), drain, place }
    }

    /// Serves it until it ends.
    pub async fn serve(mut self) -> SocketEnd {
        let end = self.exchange_all().await;
        close(&mut self.socket, end).await;
        end
    }

    /// Takes batches and tells answers. For those that still wait at the end there is nobody any more.
    async fn exchange_all(&mut self) -> SocketEnd {
        let begun = Instant::now();
        let (mut waiting, mut since) = (FuturesUnordered::new(), begun);
        let mut looks = interval_at(begun + LOOKED_AT_EACH, LOOKED_AT_EACH);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_full = waiting.len() >= WAITING_MAX;
            let event = tokio::select! {
                biased;
                Some((untaken, answer)) = waiting.next() => SocketEvent::Answered(untaken, answer),
                () = self.drain.begun() => SocketEvent::End(SocketEnd::Moved),
                _ = looks.tick() => SocketEvent::Look,
                () = sleep_until(since + SILENT_MAX), if waiting.is_empty() => SocketEvent::End(SocketEnd::Silent),
                message = heard(&mut self.socket, self.place.opens_at()), if !is_full => SocketEvent::Heard(message),
            };
            let done = match event {
                SocketEvent::Answered(untaken, Some(answer)) => {
                    let told = self.tell(untaken, answer).await;
                    since = Instant::now();
                    told
                }
                // Nobody answers any more: the session is over, or has moved.
                SocketEvent::Answered(_, None) => self.session.goes_on().await.and(Err(SocketEnd::Moved)),
                SocketEvent::Look => self.session.goes_on().await,
                SocketEvent::End(end) => Err(end),
                SocketEvent::Heard(message) => {
                    self.place.note(Instant::now());
                    match taken(&self.session, message).await {
                        Ok(batch) => {
                            waiting.extend(batch.map(WaitingBatch::answered));
                            Ok(())
                        }
                        Err(end) => Err(end),
                    }
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn tell(&mut self, mut untaken: UntakenAnswer<S>, answer: String) -> Result<(), SocketEnd> {
        // What has no room waits for the client, which connects again.
        let _place = self.place.untaken(answer.len()).ok_or(SocketEnd::NotNow)?;
        let within = SENT_WITHIN + Duration::from_secs((answer.len() / BYTES_PER_S_MIN) as u64);
        let said = timeout(within, self.socket.say(Message::text(answer))).await;
        untaken.is_taken = matches!(said, Ok(true));
        match said {
            Ok(true) => Ok(()),
            Ok(false) => Err(SocketEnd::Left),
            Err(_) => Err(SocketEnd::Unread),
        }
    }
}

async fn close<W: MessageSocket>(socket: &mut W, end: SocketEnd) {
    if let Some((code, words)) = end.told() {
        let frame = CloseFrame { code, reason: words.into() };
        let _ = timeout(CLOSED_WITHIN, socket.say(Message::Close(Some(frame)))).await;
    }
    // Reading on sends the answer to the client's Close, or takes its answer to ours (RFC 6455 section 5.5.1).
    let read_out = async { while socket.hear().await.is_some() {} };
    let _ = timeout(CLOSED_WITHIN, read_out).await;
}

/// Tells a client that its session is over: by the answer to its first batch, after which clients ask no more, and by how it is closed.
pub(super) async fn tell_over<W: MessageSocket>(mut socket: W) -> SocketEnd {
    let answered = async {
        if let Some(Message::Text(text)) = socket.hear().await
            && let Ok(batch) = Batch::read(text.as_bytes())
        {
            socket.say(Message::text(batch.answer_of_nobody())).await;
        }
    };
    let _ = timeout(SPEAKS_WITHIN, answered).await;
    close(&mut socket, SocketEnd::Over).await;
    SocketEnd::Over
}

/// The next message, taken from then on.
async fn heard<W: MessageSocket>(socket: &mut W, from: Instant) -> Option<Message> {
    sleep_until(from).await;
    socket.hear().await
}

/// Takes a message of the client; nothing where it says that it lives.
async fn taken<S: SocketSession>(
    session: &Arc<S>,
    message: Option<Message>,
) -> Result<Option<WaitingBatch<S>>, SocketEnd> {
    let text = match message {
        Some(Message::Text(text)) => text,
        // The protocol answers them itself.
        Some(Message::Ping(_) | Message::Pong(_)) => return Ok(None),
        Some(Message::Binary(_)) => return Err(SocketEnd::NoText),
        Some(Message::Close(_)) | None => return Err(SocketEnd::Left),
    };
    let batch = Batch::read(text.as_bytes()).map_err(|fault| match fault {
        BatchFault::TooLarge => SocketEnd::TooLarge,
        BatchFault::NoMessages | BatchFault::Count(_) | BatchFault::Field { .. } => SocketEnd::Unreadable,
    })?;
    session.goes_on().await?;
    let (exchange, answer) = session.takes(batch).await?;
    let untaken = UntakenAnswer { session: session.clone(), exchange, is_taken: false };
    Ok(Some(WaitingBatch { untaken, answer }))
}

#[cfg(test)]
mod tests;
