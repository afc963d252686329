//! A session of a desktop in memory: its desk, who waits for what of it, and its record in the store.

mod adoption;
mod asking;
mod ending;
mod media_news;
mod phase;
mod phone_right;
mod recents;
mod reporting;
mod standing;
mod writing;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bayeux::{Batch, Exchange};
use bytes::Bytes;
use identity::session_cookie::SessionCookie;
use model::{Entropy, Timestamp};
use serde_json::Value;
use tokio::sync::oneshot;

use super::behind::{
    CollectorSide, ConfigurationSide, DnReader, FollowedDn, InteractionSide, PeerSide, ReaderId, SettingSide,
    StatisticsSide, TokenAuthority, VoiceSide,
};
use super::desk::{Desk, DeskOutput, ReplyId};
use super::desk_sign_in::DeskSignIn;
use super::metrics::Metrics;
use super::records::KeptSession;
use super::reporting::SessionReporting;
use super::shared_configurations::SharedConfigurations;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::notifications::BayeuxSession;
use crate::sessions::parts::ReplicaParts;
use crate::sessions::record_writer::RecordWriter;
use crate::voice_api::DnMessage;
pub(super) use adoption::AdoptedSession;
use asking::AskQueue;
use phase::SessionPhase;
use reporting::ReportingRecord;
use writing::RecordWrites;

/// The most batches of a session that wait for their answers: a poll of each of its clients, and what they send beside.
const ANSWERS_MAX: usize = 32;
/// The most operations of a session that wait for theirs.
const REPLIES_MAX: usize = 64;
/// The most outputs of a desk that wait for a write of its record; those beyond do not wait for it.
const OUTPUTS_MAX: usize = 256;

/// What the sessions of a replica share.
pub(super) struct DeskParts {
    /// What the sessions of every API share.
    pub replica: Arc<ReplicaParts<KeptSession>>,
    /// gws-voice.
    pub voice: Arc<dyn VoiceSide>,
    /// gws-configuration.
    pub configuration: Arc<dyn ConfigurationSide>,
    /// gws-data-collector.
    pub collector: Arc<dyn CollectorSide>,
    /// gws-setting.
    pub setting: Arc<dyn SettingSide>,
    /// gws-statistics.
    pub statistics: Arc<dyn StatisticsSide>,
    /// gws-interaction.
    pub interaction: Arc<dyn InteractionSide>,
    /// Services beside GWS.
    pub peers: Arc<dyn PeerSide>,
    /// auth.
    pub authority: Arc<dyn TokenAuthority>,
    /// What gws-configuration has told.
    pub configurations: SharedConfigurations,
    /// Counts.
    pub metrics: Metrics,
}

impl DeskParts {
    pub(super) fn now(&self) -> Timestamp {
        self.replica.now()
    }

    pub(super) fn entropy(&self) -> MutexGuard<'_, Box<dyn Entropy>> {
        self.replica.entropy()
    }
}

/// The answer to an operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OperationReply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// A session. All its inputs go through its desk one after the other; nothing waits within a turn.
pub(super) struct DeskSession {
    /// Its cookie.
    pub cookie: SessionCookie,
    id: ReaderId,
    parts: Arc<DeskParts>,
    me: Weak<Self>,
    writer: RecordWriter<KeptSession>,
    state: Mutex<SessionState>,
    /// Who has it reads and writes the record of what is open of statistics.
    reporting_record: tokio::sync::Mutex<ReportingRecord>,
}

struct SessionState {
    desk: Desk,
    sign_in: DeskSignIn,
    phase: SessionPhase,
    /// Whether the logout with which it ends takes long, and that was said.
    is_end_late: bool,
    /// Whether its record is another replica's, or has ended with it.
    is_gone: bool,
    /// What the desk wants done behind what is being written.
    outputs: VecDeque<DeskOutput>,
    followed: BTreeSet<String>,
    answers: HashMap<u64, oneshot::Sender<String>>,
    replies: HashMap<u64, oneshot::Sender<OperationReply>>,
    asks: AskQueue,
    /// Recents that gws-setting is being told of.
    recents_under_way: usize,
    writes: RecordWrites,
    /// The DN whose phone a page may have by this session.
    phone: Option<String>,
    reporting: SessionReporting,
    /// Whether the record of that is to be read or written again.
    is_reporting_due: bool,
    reporting_tried_at: Timestamp,
    /// When somebody has asked for values last.
    reporting_wanted_at: Timestamp,
    /// When it was seen last that the sign-in is not revoked.
    checked_at: Timestamp,
    /// When auth is asked next what the person may.
    standing_due: Timestamp,
    /// When it was asked last.
    standing_asked_at: Timestamp,
    used_at: Timestamp,
    numbers: u64,
}

impl SessionState {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

impl DeskSession {
    /// A session whose record has that value in the store.
    pub fn new(parts: Arc<DeskParts>, cookie: SessionCookie, desk: Desk, kept: &KeptSession, seen: Bytes) -> Arc<Self> {
        let id = ReaderId(parts.entropy().next_u64());
        let state = SessionState {
            desk,
            sign_in: kept.sign_in.clone(),
            phase: kept
                .desk
                .ending
                .as_ref()
                .map_or(SessionPhase::Open, |ending| SessionPhase::Ending(ending.why.into(), ending.since)),
            is_end_late: false,
            is_gone: false,
            outputs: VecDeque::new(),
            followed: BTreeSet::new(),
            answers: HashMap::new(),
            replies: HashMap::new(),
            asks: AskQueue::default(),
            recents_under_way: 0,
            writes: RecordWrites::new(seen, kept.checked_at),
            phone: phone_right::left_with(&kept.desk),
            reporting: SessionReporting::default(),
            is_reporting_due: false,
            reporting_tried_at: kept.checked_at,
            reporting_wanted_at: Timestamp::ZERO,
            checked_at: kept.checked_at,
            standing_due: kept.checked_at,
            standing_asked_at: Timestamp::ZERO,
            used_at: kept.used_at,
            numbers: 0,
        };
        let writer = RecordWriter::new(parts.replica.clone(), cookie.clone());
        let session = Arc::new_cyclic(|me| Self {
            cookie,
            id,
            parts,
            me: me.clone(),
            writer,
            state: Mutex::new(state),
            reporting_record: tokio::sync::Mutex::default(),
        });
        // One that goes on wants to follow its DNs.
        session.carry(&mut session.lock());
        session
    }

    fn lock(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // === requests ===

    /// Notes a request. Returns whether the session goes on: it may be over, or about to be.
    pub fn is_used(&self) -> bool {
        let mut state = self.lock();
        state.used_at = self.parts.now();
        state.phase == SessionPhase::Open
    }

    /// The sign-in that it goes by.
    pub fn sign_in(&self) -> DeskSignIn {
        self.lock().sign_in.clone()
    }

    /// Goes on by a later sign-in of the same person.
    pub fn renew(&self, sign_in: DeskSignIn) {
        let mut state = self.lock();
        let now = self.parts.now();
        (state.checked_at, state.standing_due) = (now, now);
        self.go_on_by(&mut state, sign_in);
    }

    /// Begins to initialise the desktop; `is_optimised`: it reads the configuration part by part.
    pub fn initialise(&self, is_optimised: bool) {
        self.turn(|desk, now| {
            desk.optimise(is_optimised);
            desk.initialise(now);
        });
    }

    /// Takes a batch of Bayeux messages; the answer comes when there is one.
    ///
    /// # Errors
    /// If too many wait, or the session is not here any more.
    pub fn bayeux(&self, batch: Batch) -> Result<(Exchange, oneshot::Receiver<String>), ApiRefusal> {
        let mut state = self.lock();
        if state.phase.is_over() {
            return Err(ApiRefusal::elsewhere());
        }
        if state.answers.len() >= ANSWERS_MAX {
            return Err(ApiRefusal::unavailable("too many requests of this session wait"));
        }
        let (answer, answered) = oneshot::channel();
        let exchange = Exchange(state.next_number());
        state.answers.insert(exchange.0, answer);
        let mut entropy = self.parts.entropy();
        state.desk.bayeux(exchange, batch, &mut **entropy, self.parts.now());
        drop(entropy);
        self.carry(&mut state);
        Ok((exchange, answered))
    }

    /// Gives the desk an operation, whose answer comes when there is one.
    ///
    /// # Errors
    /// If too many wait, or the session is not here any more.
    pub fn operate(
        &self,
        operation: impl FnOnce(&mut Desk, ReplyId, Timestamp),
    ) -> Result<oneshot::Receiver<OperationReply>, ApiRefusal> {
        let mut state = self.lock();
        if state.phase.is_over() {
            return Err(ApiRefusal::elsewhere());
        }
        state.replies.retain(|_, reply| !reply.is_closed());
        if state.replies.len() >= REPLIES_MAX {
            return Err(ApiRefusal::unavailable("too many operations of this session are under way"));
        }
        let (reply, replied) = oneshot::channel();
        let id = ReplyId(state.next_number());
        state.replies.insert(id.0, reply);
        operation(&mut state.desk, id, self.parts.now());
        self.carry(&mut state);
        Ok(replied)
    }

    /// What the desk shows.
    pub fn shown<T>(&self, show: impl FnOnce(&Desk) -> T) -> T {
        show(&self.lock().desk)
    }

    // === turns ===

    fn turn(&self, input: impl FnOnce(&mut Desk, Timestamp)) {
        let mut state = self.lock();
        input(&mut state.desk, self.parts.now());
        self.carry(&mut state);
    }

    /// Does what the desk wants done, in its order; what stands behind a write waits for it.
    fn carry(&self, state: &mut SessionState) {
        self.end_phone_right(state);
        loop {
            while let Some(output) = state.desk.poll_output() {
                // The write that waits its turn will have this change, too.
                if output != DeskOutput::Store || !state.outputs.contains(&DeskOutput::Store) {
                    state.outputs.push_back(output);
                }
            }
            if state.writes.is_waited_for() && state.outputs.len() <= OUTPUTS_MAX {
                return;
            }
            let Some(output) = state.outputs.pop_front() else { return };
            if state.phase.is_over() {
                continue;
            }
            self.carry_out(state, output);
        }
    }

    fn carry_out(&self, state: &mut SessionState, output: DeskOutput) {
        match output {
            DeskOutput::Answer { exchange, body } => {
                if let Some(answer) = state.answers.remove(&exchange.0)
                    && answer.send(body).is_err()
                {
                    state.desk.hung_up(exchange, self.parts.now());
                }
            }
            DeskOutput::Reply { reply, status, body } => {
                if let Some(waits) = state.replies.remove(&reply.0) {
                    // Whoever has left does without.
                    let _ = waits.send(OperationReply { status, body });
                }
            }
            DeskOutput::Ask { reference, frame } => self.ask(state, reference, frame),
            DeskOutput::Follow { dn, after } => {
                state.followed.insert(dn.clone());
                let reader: Weak<dyn DnReader> = self.me.clone();
                self.parts.voice.follow(self.followed_dn(dn), after, self.id, reader);
            }
            DeskOutput::Unfollow { dn } => {
                state.followed.remove(&dn);
                self.parts.voice.unfollow(&self.followed_dn(dn), self.id);
            }
            DeskOutput::WantConfiguration => self.configure(state),
            DeskOutput::NoteRecent(call) => self.note_recent(state, call),
            DeskOutput::Store => self.begin_write(state),
            // Each event leads to one; those of a second are one write.
            DeskOutput::StoreSoon => state.writes.pace.is_due = true,
            DeskOutput::AskOthers { dn } => self.ask_others(state, dn),
            DeskOutput::Ended(why) => self.finish(state, why.into()),
        }
    }

    fn followed_dn(&self, dn: String) -> FollowedDn {
        FollowedDn { tenant: self.cookie.tenant.clone(), dn }
    }

    // === gws-configuration ===

    fn configure(&self, state: &SessionState) {
        let Some(session) = self.me.upgrade() else { return };
        let desktop = self.parts.configuration.desktop(self.cookie.tenant.clone(), state.sign_in.person.user.clone());
        tokio::spawn(async move {
            let (tenant, configurations) = (&session.cookie.tenant, &session.parts.configurations);
            let told = desktop.await.map(|told| (told.user, configurations.shared(tenant, told.configuration)));
            session.turn(|desk, now| match told {
                Ok((user, configuration)) => desk.configured(user, configuration, now),
                Err(fault) => desk.configuration_failed(fault.to_string(), now),
            });
            // It may be another agent now.
            session.close_hidden(&mut session.lock());
        });
    }
}

impl BayeuxSession for DeskSession {
    fn hung_up(&self, exchange: Exchange) {
        let mut state = self.lock();
        state.answers.remove(&exchange.0);
        state.desk.hung_up(exchange, self.parts.now());
        self.carry(&mut state);
    }
}

impl DnReader for DeskSession {
    fn told(&self, message: &DnMessage) {
        self.turn(|desk, now| desk.told(message.clone(), now));
    }

    fn link_is(&self, is_there: bool) {
        self.turn(|desk, now| desk.link_is(is_there, now));
    }
}
