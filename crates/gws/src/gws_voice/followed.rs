//! A tenant in the hands of several tasks: of the one that follows its events, of requests, and of the one that keeps time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bayeux::{Batch, Exchange};
use contracts::v1;
use infra::{Clock, Position};
use model::{Entropy, Stamped, Timestamp};
use tokio::sync::{Notify, oneshot, watch};

use super::picture::TenantPicture;
use super::recent::RecentRoom;
use super::registrations::{AskFailure, RegistrationAsk};
use super::tenant_voice::{DnLook, ReaderRefusal, StoredVoice, TenantVoice};

/// The tenant. Cheap to clone.
#[derive(Clone)]
pub(super) struct FollowedTenant(Arc<SharedVoice>);

struct SharedVoice {
    state: Mutex<FollowedState>,
    /// There may be a request to make.
    asks: Notify,
    /// More has become known of a DN.
    settled: watch::Sender<()>,
    clock: Arc<dyn Clock>,
}

struct FollowedState {
    voice: TenantVoice,
    /// Who waits for the answer to which batch.
    waiting: HashMap<u64, oneshot::Sender<String>>,
    last_exchange: u64,
    was_cut_off: bool,
    room: RecentRoom,
    entropy: Box<dyn Entropy>,
}

/// How it is with a tenant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TenantStanding {
    /// Nobody has read for so long that it need not be followed.
    pub is_unread: bool,
    /// There were no events for so long that readers are sent to another replica.
    pub is_cut_off: bool,
    /// Whether that was otherwise a moment ago.
    pub has_turned: bool,
}

impl FollowedTenant {
    /// Nothing is known of it. Its recent messages are in the room of all.
    pub fn new(mut entropy: Box<dyn Entropy>, clock: Arc<dyn Clock>, room: &RecentRoom) -> Self {
        let (voice, room) = (TenantVoice::new(entropy.next_u64(), room, clock.now()), room.clone());
        let (waiting, last_exchange, was_cut_off) = (HashMap::new(), 0, false);
        let state = FollowedState { voice, waiting, last_exchange, was_cut_off, room, entropy };
        let (state, settled) = (Mutex::new(state), watch::Sender::new(()));
        Self(Arc::new(SharedVoice { state, asks: Notify::new(), settled, clock }))
    }

    /// A fault may have left it half changed: whoever meets one begins anew.
    fn lock(&self) -> MutexGuard<'_, FollowedState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the state, and passes on what comes of it.
    fn turn<T>(&self, act: impl FnOnce(&mut FollowedState, Timestamp) -> T) -> T {
        let now = self.0.clock.now();
        let mut state = self.lock();
        let outcome = act(&mut state, now);
        for (exchange, body) in state.voice.take_answers() {
            if let Some(waiting) = state.waiting.remove(&exchange.0) {
                // Who has left in this moment has told nothing yet: what was in the answer counts as unconfirmed.
                let _ = waiting.send(body);
            }
        }
        if state.voice.has_ask() {
            self.0.asks.notify_one();
        }
        if state.voice.take_settled() {
            self.0.settled.send_replace(());
        }
        outcome
    }

    // === the events of the tenant ===

    pub fn position(&self) -> Option<Position> {
        self.lock().voice.position()
    }

    /// Begins with a snapshot. Returns how many entries of it were left out, for lack of room.
    pub fn begin(&self, snapshot: &v1::Snapshot) -> u64 {
        self.turn(|state, now| {
            state.voice.begin(snapshot, now);
            state.voice.take_left_out()
        })
    }

    /// Goes on from what was kept; the facts behind it come next.
    pub fn continue_from(&self, kept: StoredVoice) {
        self.turn(|state, now| state.voice.continue_from(kept, now));
    }

    /// What is to be kept, where somebody reads here; none before the beginning.
    pub fn kept(&self) -> Option<v1::VoicePictureRecord> {
        let state = self.lock();
        if state.voice.is_read() { state.voice.kept() } else { None }
    }

    /// Folds a fact. Returns how many entries were left out for it.
    pub fn told(&self, stamped: &Stamped, position: Position) -> u64 {
        self.turn(|state, now| {
            state.voice.told(stamped, position, now);
            state.voice.take_left_out()
        })
    }

    pub fn reached(&self, position: Position) {
        self.turn(|state, _| state.voice.reached(position));
    }

    /// The stream of events has ended, or could not be opened.
    pub fn feed_ended(&self) {
        self.turn(|state, now| state.voice.feed_ended(now));
    }

    /// Whether there were no events for so long that what is known here may be old.
    pub fn is_cut_off(&self) -> bool {
        let now = self.0.clock.now();
        self.lock().voice.is_cut_off(now)
    }

    /// After a fault: nobody reads here any more, and nothing is known. Readers shake hands again.
    pub fn begin_anew(&self) {
        let now = self.0.clock.now();
        let mut state = self.lock();
        let first_reference = state.entropy.next_u64();
        state.voice = TenantVoice::new(first_reference, &state.room, now);
        state.waiting.clear();
    }

    // === requests about DNs ===

    /// Waits until there may be a request to make.
    pub async fn wants_ask(&self) {
        self.0.asks.notified().await;
    }

    pub fn next_ask(&self) -> Option<RegistrationAsk> {
        let now = self.0.clock.now();
        self.lock().voice.next_ask(now)
    }

    pub fn ask_again(&self) {
        self.turn(|state, _| state.voice.ask_again());
    }

    pub fn ask_failed(&self, ask: &RegistrationAsk, failure: AskFailure) {
        self.turn(|state, now| state.voice.ask_failed(ask, failure, now));
    }

    pub fn look(&self, dn: &str) -> DnLook {
        self.turn(|state, now| state.voice.look(dn, now))
    }

    /// Reads the picture at this moment; none before the snapshot.
    pub fn read<T>(&self, read: impl FnOnce(&TenantPicture, Timestamp) -> T) -> Option<T> {
        self.turn(|state, now| state.voice.read(now, |picture| read(picture, now)))
    }

    /// Changes when more has become known of a DN.
    pub fn settled(&self) -> watch::Receiver<()> {
        self.0.settled.subscribe()
    }

    // === readers ===

    /// Takes a batch of a reader.
    ///
    /// # Errors
    /// Why it has to go to another replica.
    pub fn receive(&self, reader: &str, batch: Batch) -> Result<AwaitedAnswer, ReaderRefusal> {
        let (waiting, answer) = oneshot::channel();
        let exchange = self.turn(|state, now| {
            let FollowedState { voice, entropy, waiting: all_waiting, last_exchange, .. } = state;
            *last_exchange += 1;
            voice.receive(reader, Exchange(*last_exchange), batch, &mut **entropy, now)?;
            all_waiting.insert(*last_exchange, waiting);
            Ok(*last_exchange)
        })?;
        let (followed, reader) = (self.clone(), reader.to_owned());
        Ok(AwaitedAnswer { followed, reader, exchange, answer, has_come: false })
    }

    /// What is due by time.
    pub fn handle_timeout(&self) -> TenantStanding {
        self.turn(|state, now| {
            state.voice.handle_timeout(now);
            let is_cut_off = state.voice.is_cut_off(now);
            if is_cut_off {
                // Who waits goes on at another replica.
                state.waiting.clear();
            }
            let has_turned = std::mem::replace(&mut state.was_cut_off, is_cut_off) != is_cut_off;
            TenantStanding { is_unread: state.voice.is_unread(now), is_cut_off, has_turned }
        })
    }
}

/// The answer to a batch, on its way. Whoever drops it before it has come has left.
pub(super) struct AwaitedAnswer {
    followed: FollowedTenant,
    reader: String,
    exchange: u64,
    answer: oneshot::Receiver<String>,
    has_come: bool,
}

impl AwaitedAnswer {
    /// The answer, if it is there already.
    pub fn take(&mut self) -> Option<String> {
        let body = self.answer.try_recv().ok()?;
        self.has_come = true;
        Some(body)
    }

    /// Waits for it; none if the tenant has begun anew, or is cut off.
    pub async fn wait(mut self) -> Option<String> {
        let body = (&mut self.answer).await.ok();
        self.has_come = body.is_some();
        body
    }
}

impl Drop for AwaitedAnswer {
    fn drop(&mut self) {
        if self.has_come {
            return;
        }
        self.followed.turn(|state, now| {
            state.waiting.remove(&self.exchange);
            state.voice.hung_up(&self.reader, Exchange(self.exchange), now);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use infra::conformance::SetClock;
    use model::entropy::Seeded;
    use serde_json::{Value, json};

    use super::*;

    const READER: &str = "gws-workspace-1";

    fn batch(message: &Value) -> Batch {
        Batch::read(message.to_string().as_bytes()).unwrap()
    }

    fn connect(client: &str) -> Batch {
        batch(&json!({"channel": "/meta/connect", "clientId": client, "connectionType": "long-polling"}))
    }

    #[tokio::test]
    async fn who_waits_at_a_tenant_without_events_is_sent_to_another_replica() {
        let clock = SetClock::at(Timestamp::from_millis(1_000));
        let followed = FollowedTenant::new(Box::new(Seeded::new(1)), clock.clone(), &RecentRoom::default());
        followed.begin(&v1::Snapshot { position: "0-10".to_owned(), ..Default::default() });
        let hello =
            json!({"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]});
        let answer = followed.receive(READER, batch(&hello)).ok().unwrap().take().unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let client = answer[0]["clientId"].as_str().unwrap();
        let mut waiting = followed.receive(READER, connect(client)).ok().unwrap();
        assert!(waiting.take().is_none());
        followed.feed_ended();
        clock.advance(Duration::from_secs(7));
        assert!(!followed.handle_timeout().is_cut_off && waiting.take().is_none());
        clock.advance(Duration::from_secs(1));
        let standing = TenantStanding { is_unread: false, is_cut_off: true, has_turned: true };
        assert_eq!(followed.handle_timeout(), standing);
        assert_eq!(waiting.wait().await, None);
        assert_eq!(followed.receive(READER, connect(client)).err(), Some(ReaderRefusal::CutOff));
        assert_eq!(followed.handle_timeout(), TenantStanding { has_turned: false, ..standing }, "it is told once");
        followed.reached(Position { major: 0, minor: 11 });
        assert_eq!(followed.handle_timeout(), TenantStanding { is_cut_off: false, ..standing });
        assert!(followed.receive(READER, connect(client)).is_ok());
    }
}
