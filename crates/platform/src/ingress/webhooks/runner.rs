//! The deliveries of one webhook: reads its events, tries what is due, and keeps what waits.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::Uri;
use contracts::json::snapshot::EventsGap;
use contracts::{json, v1};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::{Subject, TenantId, Timestamp};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::WebhookShop;
use super::dead_letters::DeadLetters;
use super::definition::Webhook;
use super::deliveries::{AttemptOutcome, Dead, Deliveries, WebhookMessage};
use super::signature::{SigningKey, message_id};
use super::store::RecordPart;
use super::target::{self, DeliveryClient};
use crate::ingress::events::follow::{Beginning, FollowRequest, StreamFrame};

/// How often what has changed is written.
const SAVE_EACH: Duration = Duration::from_secs(1);
/// A position alone is written each time so many times that has passed.
const POSITION_EACH: u32 = 30;
/// StreamFrames that wait between the stream and the deliveries.
const FRAMES_MAX: usize = 16;
/// Pause before the stream of events is opened again.
const REOPEN: Duration = Duration::from_secs(1);
/// How long the last write may take.
const LAST_WRITE_WITHIN: Duration = Duration::from_secs(3);

/// What has changed since the last write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unsaved {
    Nothing,
    Position,
    Messages,
}

/// One webhook at work.
pub(super) struct Runner {
    shared: Arc<WebhookShop>,
    tenant: TenantId,
    webhook: Webhook,
    secret: SigningKey,
    url: Uri,
    sender: DeliveryClient,
    deliveries: Deliveries,
    dead: DeadLetters,
    /// Dead letters that wait again, until that is kept.
    leaving: Vec<Dead>,
    /// How often each record was written.
    versions: (u64, u64),
    changed: Unsaved,
    dead_changed: bool,
    ticks: u32,
}

type Attempt = BoxFuture<'static, (u64, AttemptOutcome)>;

impl Runner {
    /// Continues where the webhook's records are.
    pub async fn load(
        shared: Arc<WebhookShop>,
        tenant: TenantId,
        webhook: Webhook,
        sender: DeliveryClient,
    ) -> anyhow::Result<Self> {
        let url = target::check(shared.reach, &webhook.url).map_err(anyhow::Error::msg)?;
        let secret = webhook.secret.opened().cloned().context("its secret cannot be opened")?;
        let store = &shared.store;
        let held = store.read::<v1::WebhookDeliveriesRecord>(&tenant, RecordPart::Deliveries, webhook.place).await?;
        let held_dead =
            store.read::<v1::WebhookDeadLettersRecord>(&tenant, RecordPart::DeadLetters, webhook.place).await?;
        let is_own = |of: &str| of == webhook.id;
        let (deliveries, changed) = match held.record {
            record if is_own(&record.webhook) => (Deliveries::restore(record, shared.retries), Unsaved::Nothing),
            _ => {
                let mut new = Deliveries::new(shared.retries);
                new.reached(webhook.begins_after.clone());
                (new, Unsaved::Messages)
            }
        };
        let dead = match held_dead.record {
            record if is_own(&record.webhook) => DeadLetters::restore(record),
            _ => DeadLetters::default(),
        };
        let versions = (held.version, held_dead.version);
        Ok(Self {
            shared,
            tenant,
            webhook,
            secret,
            url,
            sender,
            deliveries,
            dead,
            leaving: Vec::new(),
            versions,
            changed,
            dead_changed: false,
            ticks: 0,
        })
    }

    /// Works until it is told to stop, or somebody else does its work.
    pub async fn run(mut self, mut defined: watch::Receiver<Arc<Vec<Webhook>>>, stop: CancellationToken) {
        let mut attempts = FuturesUnordered::<Attempt>::new();
        let mut saves = tokio::time::interval(SAVE_EACH);
        let (mut frames, mut reading) = self.read();
        self.deliver_again();
        loop {
            let now = self.shared.clock.now();
            while let Some((number, attempt, message)) = self.deliveries.poll_attempt(now) {
                attempts.push(self.attempt(number, attempt, message, now));
            }
            let due = self.deliveries.next_timeout();
            tokio::select! {
                () = stop.cancelled() => break,
                Some((number, outcome)) = attempts.next() => self.ended(number, outcome),
                Some(frame) = frames.recv(), if self.deliveries.has_room() => self.told(frame),
                () = until(due, now) => {}
                _ = saves.tick() => if !self.save_what_changed().await { break },
                changed = defined.changed() => {
                    let present = defined.borrow_and_update().iter().find(|each| each.id == self.webhook.id).cloned();
                    let (Ok(()), Some(present)) = (changed, present) else { break };
                    if self.redefined(present) {
                        reading.cancel();
                        (frames, reading) = self.read();
                    }
                }
            }
        }
        reading.cancel();
        let _ = tokio::time::timeout(LAST_WRITE_WITHIN, self.save()).await;
    }

    /// Reads the events from the present position on, in a task of its own.
    fn read(&self) -> (mpsc::Receiver<StreamFrame>, CancellationToken) {
        let (tell, frames) = mpsc::channel(FRAMES_MAX);
        let mut request = self.webhook.filter.clone();
        request.after = self.deliveries.position().to_owned();
        let asked = FollowRequest { tenant: self.tenant.clone(), token: None, request, beginning: Beginning::End };
        let (shared, stop) = (self.shared.clone(), CancellationToken::new());
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = read(shared, asked, tell) => {}
            }
        });
        (frames, stop)
    }

    fn attempt(&self, number: u64, attempt: u32, message: WebhookMessage, now: Timestamp) -> Attempt {
        let (shared, url, secret) = (self.shared.clone(), self.url.clone(), self.secret.clone());
        let (tenant, webhook, sender) = (self.tenant.clone(), self.webhook.id.clone(), self.sender.clone());
        Box::pin(async move {
            let outcome = sender.deliver(&url, &secret, &message, now.as_micros() / 1_000_000).await;
            match &outcome {
                AttemptOutcome::Taken => {
                    shared.metrics.delivered.inc();
                }
                AttemptOutcome::Failed { why, .. } | AttemptOutcome::Refused { why } => {
                    shared.metrics.failed.inc();
                    tracing::debug!(%tenant, webhook, message = message.id, attempt, why, "a delivery has failed");
                }
            }
            (number, outcome)
        })
    }

    fn ended(&mut self, number: u64, outcome: AttemptOutcome) {
        self.changed = Unsaved::Messages;
        if let Some(dead) = self.deliveries.ended(number, outcome, self.shared.clock.now()) {
            self.shared.metrics.dead.inc();
            tracing::warn!(tenant = %self.tenant, webhook = self.webhook.id, message = dead.message.id, why = dead.why,
                "a delivery is given up: it is a dead letter");
            self.dead.add(dead);
            self.dead_changed = true;
        }
    }

    fn told(&mut self, frame: StreamFrame) {
        let now = self.shared.clock.now();
        let position = frame.position().map(str::to_owned);
        self.changed = self.changed.max(Unsaved::Position);
        let message = match &frame {
            StreamFrame::Event(_, stamped) => {
                let identity = format!("{}:{}:{}", stamped.id.subject, stamped.id.token.0, stamped.id.seq.0);
                let lane = match (&stamped.event.call, &stamped.id.subject) {
                    (Some(call), _) => Subject::Call(call.conn_id).to_string(),
                    (None, subject) => subject.to_string(),
                };
                Some((identity, lane, json::cloud_event(stamped)))
            }
            StreamFrame::Gap(EventsGap { after, detail }) => {
                self.deliveries.gap();
                Some((format!("gap:{after}"), "gap".to_owned(), gap(&self.tenant, after, detail, now)))
            }
            StreamFrame::Snapshot(_) | StreamFrame::Reached(_) | StreamFrame::End(_) => None,
        };
        if let Some((identity, lane, event)) = message {
            let id = message_id(&self.webhook.id, &identity);
            self.deliveries.add(WebhookMessage { id, lane, body: event.to_string().into() }, now);
            self.changed = Unsaved::Messages;
        }
        if let Some(position) = position {
            if self.deliveries.position().is_empty() {
                // A webhook begins here, whatever happens before the next write.
                self.changed = Unsaved::Messages;
            }
            self.deliveries.reached(position);
        }
    }

    /// Takes over a changed definition. True: other events are to be read.
    fn redefined(&mut self, present: Webhook) -> bool {
        let reads_others = present.filter != self.webhook.filter;
        if let Ok(url) = target::check(self.shared.reach, &present.url) {
            self.url = url;
        }
        // Without one, its deliveries are being stopped.
        if let Some(secret) = present.secret.opened() {
            self.secret.clone_from(secret);
        }
        self.webhook = present;
        self.deliver_again();
        reads_others
    }

    /// Carries out wishes to deliver dead letters again.
    fn deliver_again(&mut self) {
        let done = self.deliveries.again_done();
        let now = self.shared.clock.now();
        for wish in self.webhook.again.clone().into_iter().filter(|wish| wish.number > done) {
            let taken = self.dead.take(&wish.ids);
            let rest = self.deliveries.again(wish.number, taken.clone(), now);
            self.leaving.extend(taken.into_iter().filter(|dead| !rest.contains(dead)));
            rest.into_iter().for_each(|rest| self.dead.add(rest));
            self.changed = Unsaved::Messages;
        }
    }

    async fn save_what_changed(&mut self) -> bool {
        self.ticks = self.ticks.wrapping_add(1);
        let is_due = match self.changed {
            Unsaved::Nothing => self.dead_changed,
            Unsaved::Position => self.ticks.is_multiple_of(POSITION_EACH) || self.dead_changed,
            Unsaved::Messages => true,
        };
        !is_due || self.save().await
    }

    /// Writes both records. What was moved from one to the other is in both rather than in none if only one is written. False: somebody
    /// else has written them.
    async fn save(&mut self) -> bool {
        let (store, place, id) = (self.shared.store.clone(), self.webhook.place, self.webhook.id.as_str());
        if self.dead_changed {
            let record = self.dead.snapshot(id, &self.leaving);
            match store.write(&self.tenant, RecordPart::DeadLetters, place, self.versions.1, &record).await {
                Ok(Some(version)) => (self.versions.1, self.dead_changed) = (version, false),
                Ok(None) => return self.lost(),
                Err(error) => return self.unwritten(&error),
            }
        }
        if self.changed != Unsaved::Nothing {
            let record = self.deliveries.snapshot(id);
            match store.write(&self.tenant, RecordPart::Deliveries, place, self.versions.0, &record).await {
                Ok(Some(version)) => (self.versions.0, self.changed) = (version, Unsaved::Nothing),
                Ok(None) => return self.lost(),
                Err(error) => return self.unwritten(&error),
            }
        }
        if !self.leaving.is_empty() {
            // They are kept as waiting; the next write takes them out of the dead ones.
            self.leaving.clear();
            self.dead_changed = true;
        }
        true
    }

    fn lost(&self) -> bool {
        tracing::info!(tenant = %self.tenant, webhook = self.webhook.id, "another node delivers for this webhook");
        false
    }

    fn unwritten(&self, error: &infra::StoreError) -> bool {
        self.shared.metrics.unwritten.inc();
        tracing::warn!(tenant = %self.tenant, webhook = self.webhook.id, %error,
            "deliveries and dead letters cannot be kept: trying again");
        true
    }
}

/// Reads the events of a webhook until nobody takes them.
async fn read(shared: Arc<WebhookShop>, mut asked: FollowRequest, tell: mpsc::Sender<StreamFrame>) {
    loop {
        match shared.upstream.follow(asked.clone()).await {
            Ok(mut frames) => {
                while let Some(frame) = frames.next().await {
                    match &frame {
                        StreamFrame::End(_) => break,
                        // What is lost is told once, also if the stream ends before the next position.
                        StreamFrame::Gap(_) => asked.request.after.clear(),
                        _ => {}
                    }
                    if let Some(position) = frame.position() {
                        position.clone_into(&mut asked.request.after);
                    }
                    if tell.send(frame).await.is_err() {
                        return;
                    }
                }
            }
            Err(problem) => tracing::debug!(tenant = %asked.tenant, %problem, "a webhook's events cannot be read"),
        }
        tokio::time::sleep(REOPEN).await;
    }
}

async fn until(due: Option<Timestamp>, now: Timestamp) {
    match due {
        Some(due) => tokio::time::sleep(due.since(now)).await,
        None => std::future::pending().await,
    }
}

/// Says that facts were lost.
fn gap(tenant: &TenantId, after: &str, detail: &str, now: Timestamp) -> serde_json::Value {
    json!({
        "specversion": "1.0",
        "id": format!("gap:{after}"),
        "source": format!("/tenants/{tenant}"),
        "type": "EventsLost",
        "time": json::rfc3339(now),
        "datacontenttype": "application/json",
        "data": {"after": after, "detail": detail},
    })
}
