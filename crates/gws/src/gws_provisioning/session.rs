//! A session in memory: the clients of Bayeux, what they wait for, and its record in the store. One input after the other goes through its
//! lock; what asks other roles does so outside of it.

mod jobs;
#[cfg(test)]
mod tests;
mod writing;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, Weak};

use bayeux::{Batch, Exchange, Hub, Output};
use bytes::Bytes;
use identity::session_cookie::SessionCookie;
use model::{Entropy, Timestamp};
use runtime::token::TokenVerifier;
use tokio::sync::{Mutex, oneshot};

use super::HUB;
use super::configuration_client::ConfigurationSide;
use super::metrics::{Metrics, SessionEnd};
use super::operation_places::OperationPlaces;
use super::records::KeptProvisioning;
use super::requesting_person::RequestingPerson;
use super::sign_in::ProvisioningSignIn;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::held::HeldSession;
use crate::sessions::notifications::BayeuxSession;
use crate::sessions::parts::ReplicaParts;
use crate::sessions::record_writer::RecordWriter;
use writing::RecordWrites;

/// The most batches of a session that wait for their answers.
const ANSWERS_MAX: usize = 16;

/// What the sessions of a replica share.
pub(super) struct ProvisioningParts {
    /// What the sessions of every API share.
    pub replica: Arc<ReplicaParts<KeptProvisioning>>,
    /// gws-configuration.
    pub configuration: Arc<dyn ConfigurationSide>,
    /// What is known of revoked sign-ins.
    pub tokens: TokenVerifier,
    /// Counts.
    pub metrics: Metrics,
    /// Places of operations that are carried out at once.
    pub operating: OperationPlaces,
}

impl ProvisioningParts {
    pub(super) fn now(&self) -> Timestamp {
        self.replica.now()
    }

    fn entropy(&self) -> MutexGuard<'_, Box<dyn Entropy>> {
        self.replica.entropy()
    }

    /// A new secret, as text.
    pub(super) fn secret(&self) -> String {
        self.replica.secret()
    }
}

/// A session.
pub(super) struct ProvisioningSession {
    /// Its cookie.
    pub cookie: SessionCookie,
    /// What it shares.
    pub parts: Arc<ProvisioningParts>,
    me: Weak<Self>,
    writer: RecordWriter<KeptProvisioning>,
    /// Whether it has ended here, or another replica has it.
    is_over: AtomicBool,
    /// Whether it has ended, and its record is still to.
    is_record_ending: AtomicBool,
    state: Mutex<ProvisioningState>,
}

struct ProvisioningState {
    kept: KeptProvisioning,
    hub: Hub,
    writes: RecordWrites,
    answers: HashMap<u64, oneshot::Sender<String>>,
    exchanges: u64,
    /// The number of the last operation whose outcome was told by this replica, or which all clients have.
    told: u64,
    is_working: bool,
    is_watching: bool,
}

impl ProvisioningSession {
    /// A session whose record has that value in the store. What was begun and not told goes on.
    pub fn new(parts: Arc<ProvisioningParts>, cookie: SessionCookie, kept: KeptProvisioning, seen: Bytes) -> Arc<Self> {
        let hub = Hub::restore(HUB, kept.hub.clone(), parts.now());
        let mut state = ProvisioningState {
            hub,
            writes: RecordWrites::new(seen, kept.clone(), parts.now()),
            answers: HashMap::new(),
            exchanges: 0,
            told: kept.hub.confirmed,
            is_working: false,
            is_watching: false,
            kept,
        };
        jobs::note_lost_import(&mut state.kept);
        let writer = RecordWriter::new(parts.replica.clone(), cookie.clone());
        let of = |me: &Weak<Self>| Self {
            cookie,
            parts,
            me: me.clone(),
            writer,
            is_over: AtomicBool::new(false),
            is_record_ending: AtomicBool::new(false),
            state: Mutex::new(state),
        };
        let session = Arc::new_cyclic(of);
        let working = session.clone();
        tokio::spawn(async move { working.begin_work().await });
        session
    }

    /// Whether it has ended here, or another replica has it.
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    // === requests ===

    /// Notes a request. Returns whether the session goes on: one that may no longer ends now. A session that is always at something is not
    /// looked at else.
    pub async fn is_used(&self) -> bool {
        let mut state = self.state.lock().await;
        if self.is_over() {
            return false;
        }
        let now = self.parts.now();
        if let Some(why) = self.seen_to_be_over(&mut state, now) {
            self.begin_end(why);
            return false;
        }
        state.kept.used_at = now;
        true
    }

    /// Why it may not go on, whether it is used or not; else that is noted as seen now.
    fn seen_to_be_over(&self, state: &mut ProvisioningState, now: Timestamp) -> Option<SessionEnd> {
        if self.parts.tokens.is_revoked(&state.kept.sign_in.person.claims()) {
            return Some(SessionEnd::Revoked);
        }
        if now >= state.kept.ends_at() {
            return Some(SessionEnd::Old);
        }
        state.kept.checked_at = now;
        None
    }

    /// Goes on by a later sign-in of the same person; `false` if it is another one's.
    ///
    /// # Errors
    /// If the session is not here any more.
    pub async fn renew(&self, sign_in: &ProvisioningSignIn) -> Result<bool, ApiRefusal> {
        let mut state = self.state.lock().await;
        self.expect_here()?;
        if !state.kept.sign_in.person.is_of_same_person(&sign_in.person) {
            return Ok(false);
        }
        state.kept.sign_in = sign_in.clone();
        state.kept.begun_at = self.parts.now();
        state.kept.checked_at = state.kept.begun_at;
        self.settle(&mut state).await;
        self.expect_here()?;
        Ok(true)
    }

    /// Refuses what another replica is to do: the session has ended, or a write has found that it is elsewhere, and nothing was done.
    fn expect_here(&self) -> Result<(), ApiRefusal> {
        if self.is_over() {
            return Err(ApiRefusal::elsewhere());
        }
        Ok(())
    }

    /// The sign-in that it goes by.
    pub async fn sign_in(&self) -> ProvisioningSignIn {
        self.state.lock().await.kept.sign_in.clone()
    }

    /// Shows what is kept.
    pub async fn shown<T>(&self, show: impl FnOnce(&KeptProvisioning) -> T) -> T {
        show(&self.state.lock().await.kept)
    }

    /// Changes what is kept, which is written.
    ///
    /// # Errors
    /// If the session is not here any more: what is kept elsewhere has not changed.
    pub async fn change<T>(&self, change: impl FnOnce(&mut KeptProvisioning) -> T) -> Result<T, ApiRefusal> {
        let mut state = self.state.lock().await;
        self.expect_here()?;
        let outcome = change(&mut state.kept);
        self.settle(&mut state).await;
        self.expect_here()?;
        Ok(outcome)
    }

    /// Takes a batch of Bayeux messages; the answer comes when there is one.
    ///
    /// # Errors
    /// If too many wait, or the session is not here any more.
    pub async fn bayeux(&self, batch: Batch) -> Result<(Exchange, oneshot::Receiver<String>), ApiRefusal> {
        let mut state = self.state.lock().await;
        self.expect_here()?;
        if state.answers.len() >= ANSWERS_MAX {
            return Err(ApiRefusal::unavailable("too many requests of this session wait"));
        }
        let (answer, answered) = oneshot::channel();
        state.exchanges += 1;
        let exchange = Exchange(state.exchanges);
        state.answers.insert(exchange.0, answer);
        let now = self.parts.now();
        state.hub.receive(exchange, batch, &mut **self.parts.entropy(), now);
        self.settle(&mut state).await;
        Ok((exchange, answered))
    }

    // === turns ===

    /// After every input: what has changed is written, then whoever waits is answered.
    async fn settle(&self, state: &mut ProvisioningState) {
        let hub = state.hub.snapshot();
        let (confirmed, told) = (hub.confirmed, state.told);
        state.kept.operations.retain(|one| one.number > confirmed || one.number > told);
        state.kept.hub = hub;
        if !self.is_over() && state.writes.is_other(&state.kept) {
            self.write(state).await;
        }
        if self.is_over() {
            return;
        }
        let now = self.parts.now();
        while let Some(output) = state.hub.poll_output() {
            if let Output::Answer { exchange, body } = output
                && let Some(answer) = state.answers.remove(&exchange.0)
                && answer.send(body).is_err()
            {
                state.hub.hung_up(exchange, now);
            }
        }
    }

    /// Looks whether something is due. Thoroughly: whether the session may go on, and whether objects have changed, too.
    pub fn look(&self, is_thorough: bool) {
        // One that is at something is looked at the next time.
        let (Ok(mut state), Some(session)) = (self.state.try_lock(), self.me.upgrade()) else { return };
        if self.is_over() {
            return;
        }
        let now = self.parts.now();
        if is_thorough {
            let is_idle = state.answers.is_empty() && now.since(state.kept.used_at) > self.parts.replica.idle_max;
            let why = self.seen_to_be_over(&mut state, now).or(is_idle.then_some(SessionEnd::Idle));
            if let Some(why) = why {
                self.begin_end(why);
                return;
            }
        }
        self.begin_work_in(&mut state);
        let is_due = state.hub.next_timeout().is_some_and(|at| at <= now);
        if is_due || state.writes.pace.is_time(now) {
            tokio::spawn(async move { session.handle_timeout().await });
        }
    }

    async fn handle_timeout(&self) {
        let mut state = self.state.lock().await;
        let now = self.parts.now();
        state.hub.handle_timeout(now);
        if state.writes.pace.is_time(now) && !self.is_over() {
            self.write(&mut state).await;
        }
        self.settle(&mut state).await;
    }

    // === the end ===

    /// Ends it once nobody else is at it.
    fn begin_end(&self, why: SessionEnd) {
        let Some(session) = self.me.upgrade() else { return };
        tokio::spawn(async move { session.end(why).await });
    }

    /// Ends it, and its record.
    pub async fn end(&self, why: SessionEnd) {
        {
            let mut state = self.state.lock().await;
            if self.is_over() {
                return;
            }
            let now = self.parts.now();
            state.hub.close(now);
            self.settle(&mut state).await;
            self.is_record_ending.store(true, Ordering::Release);
            self.finish(&mut state, why);
        }
        let Some(session) = self.me.upgrade() else { return };
        let ended = tokio::spawn(async move {
            if session.writer.end().await {
                session.is_record_ending.store(false, Ordering::Release);
                return;
            }
            tokio::spawn(async move {
                session.writer.end_later().await;
                session.is_record_ending.store(false, Ordering::Release);
            });
        });
        // Where whoever has asked for it is gone meanwhile, it goes on.
        let _ = ended.await;
    }

    /// It is over here: whoever waits sees that nobody answers any more.
    fn finish(&self, state: &mut ProvisioningState, why: SessionEnd) {
        if self.is_over.swap(true, Ordering::AcqRel) {
            return;
        }
        state.answers.clear();
        self.parts.metrics.ended.inc(why);
        if why != SessionEnd::Moved {
            let user = &state.kept.sign_in.person.user;
            tracing::info!(tenant = %self.cookie.tenant, user, ?why, "a session of the Provisioning API has ended");
        }
    }

    fn asker(&self, state: &ProvisioningState) -> RequestingPerson {
        state.kept.sign_in.asker(None)
    }
}

impl HeldSession for ProvisioningSession {
    type Record = KeptProvisioning;

    fn is_gone(&self) -> bool {
        self.is_over() && !self.is_record_ending.load(Ordering::Acquire)
    }

    async fn is_still_held(&self) -> bool {
        let mut state = self.state.lock().await;
        if self.is_over() {
            return !self.is_gone();
        }
        self.holds_record(&mut state).await
    }

    async fn hand_over(self: Arc<Self>) {
        let mut state = self.state.lock().await;
        if !self.is_over() {
            self.write(&mut state).await;
            self.finish(&mut state, SessionEnd::Moved);
        }
    }
}

impl BayeuxSession for ProvisioningSession {
    fn hung_up(&self, exchange: Exchange) {
        let Some(session) = self.me.upgrade() else { return };
        tokio::spawn(async move {
            let mut state = session.state.lock().await;
            state.answers.remove(&exchange.0);
            let now = session.parts.now();
            state.hub.hung_up(exchange, now);
            session.settle(&mut state).await;
        });
    }
}
