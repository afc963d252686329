//! Follows the facts of one tenant (8000): a snapshot, or what was kept a moment ago, then every fact, which go on after the last one where
//! a stream has ended; asks tenant for the state of DNs, whose answers come among the facts; and has what is known kept.

use std::time::Duration;

use anyhow::Context as _;
use contracts::v1::delivery::What;
use contracts::v1::events_client::EventsClient;
use contracts::v1::waiting_calls_client::WaitingCallsClient;
use contracts::{v1, wire};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use infra::Position;
use model::request::{Request, RequestKind};
use model::{Dn, ReferenceId, TenantId, UserData};
use runtime::RoleContext;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::{Code, Status, Streaming};

use super::followed::FollowedTenant;
use super::kept_voices::{KeptVoices, TakenVoice};
use super::registrations::{AskFailure, DnFault, RegistrationAsk};
use super::{EVENTS, EVENTS_PORT, Metrics};

/// Pause before a stream that has ended is opened again.
const PAUSE: Duration = Duration::from_millis(300);
/// The stream says something at least every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How often it is looked at whether it does.
const TICK: Duration = Duration::from_secs(1);
/// The largest message: a snapshot of 100,000 calls.
const MESSAGE_MAX: usize = 128 << 20;
/// How often what is known is taken to be kept. It is written so long after it was taken: readers have had all until then.
const TAKEN_EACH: Duration = Duration::from_secs(10);
/// How often it is written though nothing has happened: what is too old is of no use.
const KEPT_ANEW_EACH: Duration = Duration::from_secs(60);
/// How often it is looked whether a tenant has ended whose stream does not come.
const LOOKED_EACH: Duration = Duration::from_secs(10);
/// Requests about DNs of a tenant that are on their way at once.
const ASKS_MAX: usize = 32;

/// A client of tenant's events, for requests.
pub(super) type TenantClient = EventsClient<net::grpc::Channel>;

/// A client for requests.
///
/// # Errors
/// If the connection is not in the table.
pub(super) fn tenant_client(ctx: &RoleContext) -> anyhow::Result<TenantClient> {
    Ok(EventsClient::new(net::grpc::channel(ctx, EVENTS, EVENTS_PORT)?))
}

/// A client of tenant's that is asked why calls wait.
pub(super) type WaitingClient = WaitingCallsClient<net::grpc::Channel>;

/// A client that is asked why calls wait.
///
/// # Errors
/// If the connection is not in the table.
pub(super) fn waiting_client(ctx: &RoleContext) -> anyhow::Result<WaitingClient> {
    Ok(WaitingCallsClient::new(net::grpc::channel(ctx, EVENTS, EVENTS_PORT)?))
}

/// Follows a tenant.
pub(super) struct VoiceFeed {
    ctx: RoleContext,
    tenant: TenantId,
    metrics: Metrics,
    client: TenantClient,
    followed: FollowedTenant,
    voices: KeptVoices,
    keeping: KeepingVoice,
    /// When it was looked last whether the tenant has ended.
    looked_at: Option<Instant>,
    /// Facts after the position are gone, or the stream is another one.
    is_lost: bool,
}

impl VoiceFeed {
    pub fn new(
        ctx: &RoleContext,
        tenant: &TenantId,
        metrics: &Metrics,
        client: &TenantClient,
        (followed, voices): (&FollowedTenant, &KeptVoices),
    ) -> Self {
        let (ctx, tenant, metrics) = (ctx.clone(), tenant.clone(), metrics.clone());
        let (client, followed, voices) = (client.clone(), followed.clone(), voices.clone());
        let keeping = KeepingVoice { taken: None, taken_at: Instant::now(), kept: None, writing: None };
        Self { ctx, tenant, metrics, client, followed, voices, keeping, looked_at: None, is_lost: false }
    }

    /// The same behind a fault: it begins with a snapshot, since what was kept may lead to the fault again.
    #[must_use]
    pub fn anew(self) -> Self {
        Self { is_lost: true, ..self }
    }

    /// Follows the tenant until it is stopped or the role ends.
    pub async fn run(mut self, mut stopped: watch::Receiver<()>) -> anyhow::Result<()> {
        let drain = self.ctx.drain.clone();
        loop {
            let ended = tokio::select! {
                () = drain.ended() => return Ok(()),
                _ = stopped.changed() => {
                    self.voices.forget(&self.tenant).await;
                    return Ok(());
                }
                ended = self.connected() => ended,
            };
            self.followed.feed_ended();
            if let Err(error) = ended {
                self.metrics.subscriptions_broken.inc();
                tracing::debug!(tenant = %self.tenant, error = format!("{error:#}"), "a stream has ended: opened again");
            }
            self.look_whether_it_is_over();
            tokio::select! {
                () = drain.ended() => return Ok(()),
                _ = stopped.changed() => {
                    self.voices.forget(&self.tenant).await;
                    return Ok(());
                }
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// The stream of a tenant that has ended comes no more, and nobody writes what is kept of it. The stream is not waited for that.
    fn look_whether_it_is_over(&mut self) {
        let now = Instant::now();
        if self.keeping.is_writing() || self.looked_at.is_some_and(|looked_at| now < looked_at + LOOKED_EACH) {
            return;
        }
        self.looked_at = Some(now);
        let (voices, tenant) = (self.voices.clone(), self.tenant.clone());
        self.keeping.writing = Some(tokio::spawn(async move { voices.forget_if_over(&tenant).await }));
    }

    /// Follows the stream until it ends.
    async fn connected(&mut self) -> anyhow::Result<()> {
        let mut facts = self.open().await?;
        let mut heard_at = Instant::now();
        let mut tick = tokio::time::interval(TICK);
        let mut asks = FuturesUnordered::new();
        // Those of the stream before have ended with it.
        self.followed.ask_again();
        loop {
            while asks.len() < ASKS_MAX
                && let Some(ask) = self.followed.next_ask()
            {
                asks.push(registered(self.client.clone(), self.tenant.clone(), ask));
            }
            tokio::select! {
                delivery = facts.message() => {
                    heard_at = Instant::now();
                    let delivery = self.not_lost(delivery)?.context("the stream of facts has ended")?;
                    self.delivered(delivery);
                }
                Some((ask, failure)) = asks.next() => {
                    if let Some(failure) = failure {
                        self.followed.ask_failed(&ask, failure);
                    }
                }
                () = self.followed.wants_ask() => {}
                _ = tick.tick() => {
                    anyhow::ensure!(heard_at + SILENCE_MAX > Instant::now(), "silence");
                    self.keep();
                }
            }
        }
    }

    // === opening ===

    /// Goes on after the last fact, or after what was kept, or begins with a snapshot.
    async fn open(&mut self) -> anyhow::Result<Streaming<v1::Delivery>> {
        match self.followed.position().filter(|_| !self.is_lost) {
            Some(position) => {
                let subscribed = self.subscribe(&position.to_string()).await;
                self.not_lost(subscribed)
            }
            None => match self.go_on().await? {
                Some(facts) => Ok(facts),
                None => self.begin().await,
            },
        }
    }

    /// Goes on from what was kept; none if there is nothing, or its facts are gone.
    async fn go_on(&mut self) -> anyhow::Result<Option<Streaming<v1::Delivery>>> {
        if self.is_lost {
            return Ok(None);
        }
        let Some(kept) = self.voices.load(&self.tenant).await else { return Ok(None) };
        let subscribed = self.subscribe(&kept.position().to_string()).await;
        match self.not_lost(subscribed) {
            Err(_) if self.is_lost => Ok(None),
            Err(error) => Err(error),
            Ok(facts) => {
                tracing::info!(tenant = %self.tenant, position = %kept.position(), "the events of a tenant go on where they were");
                self.metrics.voices_taken_over.inc();
                self.followed.continue_from(kept);
                Ok(Some(facts))
            }
        }
    }

    async fn subscribe(&self, after: &str) -> Result<Streaming<v1::Delivery>, Status> {
        // One of its own, so that no other tenant's facts wait for the reader of this one's.
        let channel = net::grpc::channel(&self.ctx, EVENTS, EVENTS_PORT);
        let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
        let asked = v1::SubscribeRequest { after: after.to_owned(), ..Default::default() };
        let asked = net::grpc::for_tenant(tonic::Request::new(asked), &self.tenant);
        let mut client = EventsClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        client.subscribe(asked).await.map(tonic::Response::into_inner)
    }

    async fn begin(&mut self) -> anyhow::Result<Streaming<v1::Delivery>> {
        let mut facts = self.subscribe("").await?;
        let first = tokio::time::timeout(SILENCE_MAX, facts.message()).await.context("silence")??;
        let Some(What::Snapshot(snapshot)) = first.and_then(|delivery| delivery.what) else {
            anyhow::bail!("a subscription does not begin with a snapshot");
        };
        self.metrics.left_out.inc_by(self.followed.begin(&snapshot));
        self.is_lost = false;
        Ok(facts)
    }

    fn not_lost<T>(&mut self, answer: Result<T, Status>) -> anyhow::Result<T> {
        if let Err(status) = &answer
            && status.code() == Code::OutOfRange
        {
            self.is_lost = true;
            self.metrics.begun_anew.inc();
            tracing::warn!(tenant = %self.tenant, error = status.message(), "facts are gone: the picture begins anew");
        }
        answer.map_err(anyhow::Error::from)
    }

    // === keeping ===

    /// Takes what is known from time to time, and has written what was taken the time before.
    fn keep(&mut self) {
        let now = Instant::now();
        if self.keeping.is_writing() || now < self.keeping.taken_at + TAKEN_EACH {
            return;
        }
        self.keeping.taken_at = now;
        let taken = self.followed.kept().map(|record| self.voices.taken(record));
        let Some(taken) = std::mem::replace(&mut self.keeping.taken, taken) else { return };
        if self.keeping.is_kept(&taken, now) {
            return;
        }
        self.keeping.kept = Some((taken.position(), now));
        let (voices, tenant, metrics) = (self.voices.clone(), self.tenant.clone(), self.metrics.clone());
        self.keeping.writing = Some(tokio::spawn(async move {
            match voices.keep(&tenant, taken).await {
                Ok(()) => {
                    metrics.voices_kept.inc();
                }
                Err(error) => {
                    metrics.voices_unkept.inc();
                    tracing::debug!(%error, %tenant, "what is known of a tenant's DNs is not kept");
                }
            }
        }));
    }

    // === facts ===

    fn delivered(&self, delivery: v1::Delivery) {
        match delivery.what {
            Some(What::Event(event)) => {
                let position = event.position.parse().unwrap_or(Position::START);
                let Some(envelope) = event.envelope else { return };
                match wire::stamped_from_wire(envelope) {
                    Ok(stamped) => {
                        self.metrics.facts.inc();
                        self.metrics.left_out.inc_by(self.followed.told(&stamped, position));
                    }
                    Err(error) => {
                        self.metrics.facts_unreadable.inc();
                        tracing::warn!(tenant = %self.tenant, %error, "a fact cannot be read: left out");
                        self.followed.reached(position);
                    }
                }
            }
            Some(What::Reached(position)) => self.followed.reached(position.parse().unwrap_or(Position::START)),
            // It comes only where no position was given.
            Some(What::Snapshot(_)) | None => {}
        }
    }
}

/// What is to be kept of a tenant, and what was.
struct KeepingVoice {
    /// What was taken last, and when that was.
    taken: Option<TakenVoice>,
    taken_at: Instant,
    /// As of which position something was written last, and when.
    kept: Option<(Position, Instant)>,
    writing: Option<JoinHandle<()>>,
}

impl KeepingVoice {
    /// Whether something is on its way to the store.
    fn is_writing(&self) -> bool {
        self.writing.as_ref().is_some_and(|writing| !writing.is_finished())
    }

    /// Whether it was kept as it is, a moment ago.
    fn is_kept(&self, taken: &TakenVoice, now: Instant) -> bool {
        self.kept.is_some_and(|(position, at)| position == taken.position() && now < at + KEPT_ANEW_EACH)
    }
}

/// Asks for the state of a DN. The answer is a fact; what comes back says that there will be none.
async fn registered(
    mut client: TenantClient,
    tenant: TenantId,
    ask: RegistrationAsk,
) -> (RegistrationAsk, Option<AskFailure>) {
    let Ok(this_dn) = Dn::parse(&ask.dn) else {
        let fault = DnFault::unknown(&ask.dn);
        return (ask, Some(AskFailure::Refused(fault)));
    };
    let request = Request {
        tenant: tenant.clone(),
        requester: String::new(),
        reference: ReferenceId(ask.reference),
        this_dn,
        kind: RequestKind::RegisterAddress,
        reasons: UserData::new(),
        extensions: UserData::new(),
    };
    let asked = v1::AskRequest { request: Some(wire::request_to_wire(&request)) };
    let asked = net::grpc::for_tenant(tonic::Request::new(asked), &tenant);
    let failure = client.ask(asked).await.err().map(|status| failure_of(&status));
    (ask, failure)
}

fn failure_of(status: &Status) -> AskFailure {
    match net::grpc::error_code(status) {
        Some(code) => AskFailure::Refused(DnFault { code, message: status.message().to_owned() }),
        None => AskFailure::Passing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_published_number_is_refused_and_all_else_is_asked_again() {
        let refused = net::grpc::with_error_code(Status::failed_precondition("ThisDN: it is no DN"), 59);
        let fault = DnFault { code: 59, message: "ThisDN: it is no DN".to_owned() };
        assert_eq!(failure_of(&refused), AskFailure::Refused(fault));
        assert_eq!(failure_of(&Status::unavailable("away")), AskFailure::Passing);
        assert_eq!(failure_of(&Status::failed_precondition("too much at once")), AskFailure::Passing);
    }
}
