//! How the sessions of an API begin at a replica, are found there, are taken over from others and handed over to them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use identity::session_cookie::SessionCookie;
use infra::StoreError;
use model::{TenantId, Timestamp};
use runtime::{Directory, Drain, RoleContext};

use super::answers::ApiRefusal;
use super::held::{AdoptionTurn, FoundPlace, HeldLimits, HeldSession, HeldSessions};
use super::parts::ReplicaParts;
use super::record::SessionRecord as _;
use super::store::ReadSession;
use crate::replica_choice;

/// How often a request looks for a session, and for its record, that others take over, write or let go of at the same time.
pub(crate) const LOOKS_MAX: usize = 4;
/// How long the store may take until a session is begun or taken over; so long others wait for who takes it over.
const STORED_WITHIN: Duration = Duration::from_secs(3);
/// Sessions that are handed over at once when the role ends.
const HANDED_OVER_AT_ONCE: usize = 64;

/// The sessions of an API at a replica.
pub(crate) struct ReplicaSessions<S: HeldSession> {
    /// Those in memory.
    pub held: Arc<HeldSessions<S>>,
    /// What they share.
    pub parts: Arc<ReplicaParts<S::Record>>,
    /// The name of the role, to which tokens are shown.
    pub role: &'static str,
    /// Where its replicas are, and this one among them.
    pub directory: Directory,
    /// The address of this one.
    pub address: IpAddr,
    /// Whether it ends.
    pub drain: Drain,
}

/// What comes of looking for a session.
pub(crate) enum SoughtSession<S: HeldSession> {
    /// It is here, perhaps as one that has ended.
    Here(Arc<S>),
    /// It is not: whoever has asked takes it over.
    Elsewhere(AdoptionTurn<S>),
}

/// A place for a new session. It is free again when this is dropped.
pub(crate) struct NewPlace<S: HeldSession> {
    /// The value of the cookie.
    pub value: String,
    /// The session's key.
    pub cookie: SessionCookie,
    /// Whoever has it begins the session.
    pub turn: AdoptionTurn<S>,
}

/// A record that was made this replica's own.
pub(crate) struct TakenRecord<R> {
    /// The session.
    pub kept: R,
    /// Its value in the store.
    pub seen: Bytes,
    /// Whether the session is to end.
    pub is_over: bool,
}

impl<S: HeldSession> ReplicaSessions<S> {
    /// None yet.
    pub(crate) fn new(ctx: &RoleContext, parts: Arc<ReplicaParts<S::Record>>, limits: HeldLimits) -> Self {
        Self {
            held: HeldSessions::new(limits),
            parts,
            role: ctx.spec.name,
            directory: ctx.directory.clone(),
            address: ctx.address,
            drain: ctx.drain.clone(),
        }
    }

    /// Whether requests are still taken here.
    ///
    /// # Errors
    /// 503 for another replica, if this one ends.
    pub(crate) fn takes_requests(&self) -> Result<(), ApiRefusal> {
        if self.drain.is_draining() {
            return Err(ApiRefusal::for_another("this replica ends: ask again"));
        }
        Ok(())
    }

    /// The session of a cookie, perhaps as one that has ended, or the turn to take it over.
    ///
    /// # Errors
    /// If it cannot be had here.
    pub(crate) async fn sought(&self, cookie: &SessionCookie) -> Result<SoughtSession<S>, ApiRefusal> {
        for _ in 0..LOOKS_MAX {
            self.takes_requests()?;
            match self.held.seek(cookie) {
                FoundPlace::Held(session) => {
                    if session.is_still_held().await {
                        return Ok(SoughtSession::Here(session));
                    }
                    // Another replica has it; this one takes it back.
                }
                FoundPlace::UnderWay(mut ends) => {
                    // It ends with an error: the sender is gone.
                    let _ = tokio::time::timeout(STORED_WITHIN, ends.changed()).await;
                }
                FoundPlace::Own(turn) => return Ok(SoughtSession::Elsewhere(turn)),
                FoundPlace::Full => return Err(no_place()),
            }
        }
        Err(ApiRefusal::unavailable("the session cannot be had here now: ask again"))
    }

    /// Makes a record this replica's own; `is_over` says whether the session may go on no more, which its record says then still, until it
    /// has ended. Whoever has it may write it at the same time: then it is read anew.
    ///
    /// # Errors
    /// If there is no such session, or the store does not answer.
    pub(crate) async fn taken(
        &self,
        cookie: &SessionCookie,
        is_over: impl Fn(&S::Record, Timestamp) -> bool,
    ) -> Result<TakenRecord<S::Record>, ApiRefusal> {
        for _ in 0..LOOKS_MAX {
            let read = stored(self.parts.store.read(cookie)).await?;
            let ReadSession { kept, seen } = read.ok_or_else(ApiRefusal::without_session)?;
            let now = self.parts.now();
            let is_over = now.since(kept.used_at()) > self.parts.idle_max || is_over(&kept, now);
            let kept = kept.held_by(self.parts.holder.clone(), (!is_over).then_some(now));
            let until = self.parts.kept_until(now);
            if let Some(seen) = stored(self.parts.store.replace(cookie, &seen, &kept, until)).await? {
                return Ok(TakenRecord { kept, seen, is_over });
            }
        }
        Err(ApiRefusal::unavailable("the session changes hands: ask again"))
    }

    /// The same of a session whose end asks for nothing: one that is over ends at once.
    ///
    /// # Errors
    /// If there is no such session any more, or the store does not answer.
    pub(crate) async fn taken_to_go_on(
        &self,
        cookie: &SessionCookie,
        is_over: impl Fn(&S::Record, Timestamp) -> bool,
    ) -> Result<TakenRecord<S::Record>, ApiRefusal> {
        let taken = self.taken(cookie, is_over).await?;
        if taken.is_over {
            self.end_record(cookie).await?;
            return Err(ApiRefusal::without_session());
        }
        Ok(taken)
    }

    /// The session was taken over, and is here now.
    pub(crate) fn adopted(&self, turn: AdoptionTurn<S>, session: &Arc<S>) {
        turn.holds(session.clone());
        self.parts.counts.adopted.inc();
    }

    /// A place here for a new session of a tenant, with its cookie: asked for before anything is done for it that can be done but once.
    ///
    /// # Errors
    /// 503 for another replica, if there is no room or this one ends.
    pub(crate) fn place(&self, tenant: &TenantId) -> Result<NewPlace<S>, ApiRefusal> {
        self.takes_requests()?;
        // The next request is to come here, too: a session that is taken over while it begins is begun twice.
        let replicas = self.directory.addresses(self.role, 0);
        let drawn = || SessionCookie::write(tenant, &self.parts.secret());
        let value = replica_choice::drawn_for(self.address, &replicas, drawn);
        let cookie = SessionCookie::read(&value).ok_or_else(ApiRefusal::internal)?;
        match self.held.seek(&cookie) {
            FoundPlace::Own(turn) => Ok(NewPlace { value, cookie, turn }),
            _ => Err(no_place()),
        }
    }

    /// Keeps a new session, and returns the value of its record.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(crate) async fn kept(&self, cookie: &SessionCookie, kept: &S::Record) -> Result<Bytes, ApiRefusal> {
        stored(self.parts.store.keep(cookie, kept, self.parts.kept_until(kept.used_at()))).await
    }

    /// The session has begun, and is here now.
    pub(crate) fn begun(&self, turn: AdoptionTurn<S>, session: &Arc<S>) {
        turn.holds(session.clone());
        self.parts.counts.begun.inc();
    }

    /// What somebody has beyond the sessions that there may be with one more, wherever they are.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(crate) async fn surplus(&self, tenant: &TenantId, owner: &str) -> Result<Vec<SessionCookie>, ApiRefusal> {
        stored(self.parts.store.surplus(tenant, owner)).await
    }

    /// Ends the record of a session that is not here. Another replica that has it sees that at its next look.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(crate) async fn end_record(&self, cookie: &SessionCookie) -> Result<(), ApiRefusal> {
        stored(self.parts.store.end(cookie, self.parts.kept_until(self.parts.now()))).await
    }

    /// Forgets sessions that are gone, and counts those that were here.
    pub(crate) fn forget_ended(&self, were_here: usize) {
        self.held.forget_ended();
        self.parts.counts.sessions.set(i64::try_from(were_here).unwrap_or(i64::MAX));
    }

    /// Lets go of all sessions, so that other replicas take them over. Their clients ask again.
    pub(crate) async fn hand_over(&self) {
        let sessions = futures::stream::iter(self.held.all());
        sessions.for_each_concurrent(HANDED_OVER_AT_ONCE, S::hand_over).await;
    }
}

/// Lets sessions be looked at each `tick` until the role is to end; `true`: thoroughly, each so many times.
pub(crate) async fn looks(drain: &Drain, tick: Duration, thorough_each: u32, mut look: impl FnMut(bool)) {
    let mut tick = tokio::time::interval(tick);
    let mut ticks = 0_u32;
    loop {
        tokio::select! {
            () = drain.begun() => return,
            _ = tick.tick() => {
                ticks = ticks.wrapping_add(1);
                look(ticks.is_multiple_of(thorough_each));
            }
        }
    }
}

/// Why a session that is here takes no requests: it has ended, or has just moved.
pub(crate) fn not_used(session: &impl HeldSession) -> ApiRefusal {
    if session.is_gone() { ApiRefusal::elsewhere() } else { ApiRefusal::without_session() }
}

fn no_place() -> ApiRefusal {
    ApiRefusal::for_another("there are too many sessions here")
}

/// What the store says, if it does in time.
async fn stored<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, ApiRefusal> {
    let late = |_| Err(StoreError::Unavailable { reason: "no answer in time".to_owned() });
    tokio::time::timeout(STORED_WITHIN, answer).await.unwrap_or_else(late).map_err(|error| {
        tracing::warn!(%error, "sessions cannot be read or written");
        ApiRefusal::unavailable("sessions cannot be read now")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::{Relaxed, SeqCst};

    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use infra::Clock as _;
    use infra::conformance::SetClock;
    use runtime::RoleSpec;

    use super::super::store::SessionStore;
    use super::super::test_sessions::{PlainRecord, PlainSession};
    use super::*;
    use crate::test_records::{StoreTrouble, TroubledRecords};

    static SPEC: RoleSpec = RoleSpec::bare("gws-workspace", 27);
    const LIMITS: HeldLimits = HeldLimits { sessions_max: 10, tenants_share: 3 };

    struct TwoReplicas {
        clock: Arc<SetClock>,
        records: Arc<TroubledRecords>,
        one: ReplicaSessions<PlainSession>,
        other: ReplicaSessions<PlainSession>,
    }

    fn replicas() -> TwoReplicas {
        let clock = SetClock::at(Timestamp::from_millis(1_800_000_000_000));
        let records = TroubledRecords::new(&clock);
        let store = SessionStore::<PlainRecord>::of_test(records.clone());
        let replica = |number: u8| ReplicaSessions {
            held: HeldSessions::new(LIMITS),
            parts: Arc::new(ReplicaParts::of_test(&clock, &store, &format!("{number}.1"))),
            role: SPEC.name,
            directory: Directory::of_instance(0, &[&SPEC], |_| 2),
            address: IpAddr::from([127, 0, SPEC.number, number]),
            drain: Drain::new(Duration::from_secs(1)),
        };
        let (one, other) = (replica(1), replica(2));
        TwoReplicas { clock, records, one, other }
    }

    impl ReplicaSessions<PlainSession> {
        /// A session that has begun here.
        async fn begun_by(&self, owner: &str) -> (SessionCookie, Arc<PlainSession>) {
            let acme = TenantId::parse("acme").unwrap();
            let NewPlace { cookie, turn, .. } = self.place(&acme).unwrap();
            let record = PlainRecord::of(owner, &self.parts.holder, self.parts.now());
            self.kept(&cookie, &record).await.unwrap();
            let session = Arc::<PlainSession>::default();
            self.begun(turn, &session);
            (cookie, session)
        }

        /// The turn to take a session over that is not here.
        async fn turn(&self, cookie: &SessionCookie) -> AdoptionTurn<PlainSession> {
            match self.sought(cookie).await {
                Ok(SoughtSession::Elsewhere(turn)) => turn,
                _ => panic!("it is not here"),
            }
        }
    }

    #[tokio::test]
    async fn a_session_is_found_where_it_is_and_taken_over_elsewhere() {
        let TwoReplicas { one, other, .. } = replicas();
        let (cookie, session) = one.begun_by("ann").await;
        let Ok(SoughtSession::Here(found)) = one.sought(&cookie).await else { panic!("it is here") };
        assert!(Arc::ptr_eq(&found, &session) && one.parts.counts.begun.get() == 1);
        let turn = other.turn(&cookie).await;
        let taken = other.taken_to_go_on(&cookie, |_, _| false).await.unwrap();
        assert_eq!((taken.kept.owner.as_str(), taken.kept.holder.as_str()), ("ann", "2.1"));
        other.adopted(turn, &Arc::default());
        assert_eq!((other.parts.counts.adopted.get(), other.held.all().len()), (1, 1));
        // The first replica sees it, and takes it back.
        session.is_elsewhere.store(true, Relaxed);
        drop(one.turn(&cookie).await);
        assert_eq!(not_used(&*session), ApiRefusal::elsewhere());
    }

    #[tokio::test]
    async fn a_record_that_others_write_at_the_same_time_is_read_again_some_times() {
        let TwoReplicas { records, one, other, .. } = replicas();
        let (cookie, _) = one.begun_by("ann").await;
        records.overtaken.store(LOOKS_MAX - 1, SeqCst);
        assert!(other.taken(&cookie, |_, _| false).await.is_ok());
        records.overtaken.store(LOOKS_MAX, SeqCst);
        let refused = other.taken(&cookie, |_, _| false).await.err().unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn what_is_over_is_not_taken_to_go_on_and_ends() {
        let TwoReplicas { clock, one, other, .. } = replicas();
        let (unused, _) = one.begun_by("ann").await;
        let (revoked, _) = one.begun_by("bob").await;
        let refused = other.taken_to_go_on(&revoked, |kept, _| kept.owner == "bob").await.err();
        assert_eq!(refused, Some(ApiRefusal::without_session()));
        assert!(other.parts.store.value(&revoked).await.unwrap().is_some(), "its mark stays");
        clock.advance(other.parts.idle_max + Duration::from_secs(1));
        assert!(other.taken(&unused, |_, _| false).await.unwrap().is_over, "its end may ask for something");
        // It has not ended: whoever asks next finds it so, too.
        assert!(one.taken(&unused, |_, _| false).await.unwrap().is_over);
        assert!(other.taken_to_go_on(&unused, |_, _| false).await.is_err());
        for ended in [unused, revoked] {
            assert!(other.parts.store.read(&ended).await.unwrap().is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_holds_nobody_up_for_long() {
        let TwoReplicas { records, one, other, .. } = replicas();
        let (cookie, _) = one.begun_by("ann").await;
        records.have(StoreTrouble::Hung);
        let begun = tokio::time::Instant::now();
        let refused = other.taken(&cookie, |_, _| false).await.err().unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(other.surplus(&cookie.tenant, "ann").await.is_err() && other.end_record(&cookie).await.is_err());
        assert!(begun.elapsed() <= 3 * STORED_WITHIN + Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_replica_that_ends_lets_go_of_all_sessions_and_takes_no_requests() {
        let TwoReplicas { clock, one, .. } = replicas();
        let (cookie, session) = one.begun_by("ann").await;
        one.drain.begin(clock.now());
        one.hand_over().await;
        assert!(session.is_gone());
        for refused in [one.sought(&cookie).await.err(), one.place(&cookie.tenant).err()] {
            assert!(refused.unwrap().into_response().headers().contains_key(replica_choice::NOT_TAKEN));
        }
        one.forget_ended(1);
        assert_eq!((one.held.all().len(), one.parts.counts.sessions.get()), (0, 1));
    }
}
