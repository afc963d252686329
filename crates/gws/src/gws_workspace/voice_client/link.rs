//! The reader of a tenant's events at gws-voice: one long poll for all DNs that sessions here follow. Where a replica fails it goes on
//! at the next one, after the last message of each DN.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bayeux::{ChannelName, Consumer, ConsumerNews, ConsumerRequest};
use bytes::Bytes;
use model::{TenantId, Timestamp};
use net::http::{Client, StatusCode};
use percent_encoding::percent_decode_str;
use runtime::RoleContext;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::super::behind::{DnReader, ReaderId};
use super::super::metrics::Metrics;
use super::followed::{FollowedNumber, ReadUntil};
use super::{TenantLinks, encoded};
use crate::voice_api::{DnMessage, DnNews};

/// What the channels of DNs begin with; the number follows, percent-encoded.
const CHANNELS: &str = "/voice/v3/dns/";
/// How long a poll is left alone before a change of what is followed breaks it off: those that come at once go at once.
const UNDISTURBED: Duration = Duration::from_millis(50);
/// A poll that brings a change with it.
const CONNECT: &str = "/connect";
/// How long a link without followers stays.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// After how long a subscription is tried again that was refused.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What is followed of a tenant.
#[derive(Default)]
pub(super) struct TenantLink {
    state: Mutex<LinkState>,
    is_changed: Notify,
}

#[derive(Default)]
struct LinkState {
    consumer: Consumer,
    numbers: HashMap<String, FollowedNumber>,
    /// DNs whose subscription was refused, or that have no picture, and when.
    refused: Vec<(String, Timestamp)>,
}

fn channel_of(dn: &str) -> Option<ChannelName> {
    ChannelName::parse(&format!("{CHANNELS}{}", encoded(dn))).ok()
}

fn dn_of(channel: &ChannelName) -> Option<String> {
    let encoded = channel.as_str().strip_prefix(CHANNELS)?;
    percent_decode_str(encoded).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn extension(until: Option<ReadUntil>) -> Option<Value> {
    until.map(|until| match until.last {
        Some((last, told)) => json!({ "after": until.after, "last": last, "told": told }),
        None => json!({ "after": until.after }),
    })
}

impl LinkState {
    fn subscribe(&mut self, dn: &str, until: Option<ReadUntil>) {
        match channel_of(dn) {
            Some(channel) => self.consumer.subscribe(&channel, extension(until)),
            None => tracing::warn!("a DN has too long a number for its events to be followed"),
        }
    }

    /// Subscribes to all anew, each after its last message.
    fn subscribe_again(&mut self) {
        let dns: Vec<String> = self.numbers.keys().cloned().collect();
        for dn in dns {
            let until = self.numbers.get_mut(&dn).and_then(FollowedNumber::subscribed_again);
            self.subscribe(&dn, until);
        }
    }

    /// Subscribes once more to what was refused a while ago.
    fn try_refused_again(&mut self, now: Timestamp) {
        let is_due = |at: Timestamp| now.since(at) >= TRIED_AGAIN_AFTER;
        let due: Vec<String> = self.refused.iter().filter(|(_, at)| is_due(*at)).map(|(dn, _)| dn.clone()).collect();
        self.refused.retain(|(_, at)| !is_due(*at));
        for dn in due {
            if let Some(number) = self.numbers.get_mut(&dn) {
                let until = number.subscribed_again();
                self.subscribe(&dn, until);
            }
        }
    }

    /// How long until something of that is due, or a look is.
    fn rests_for(&self, now: Timestamp) -> Duration {
        let due = self.refused.iter().map(|(_, at)| (*at + TRIED_AGAIN_AFTER).since(now));
        due.min().unwrap_or(IDLE_MAX).min(IDLE_MAX)
    }

    /// Who is to be told what.
    fn heard(&mut self, news: Vec<ConsumerNews>, now: Timestamp) -> Vec<(Weak<dyn DnReader>, Arc<DnMessage>)> {
        let mut told = Vec::new();
        for one in news {
            match one {
                ConsumerNews::Message { channel, data } => {
                    let Some(dn) = dn_of(&channel) else { continue };
                    let Some(number) = self.numbers.get_mut(&dn) else { continue };
                    match serde_json::from_value::<DnMessage>(data) {
                        Ok(message) => {
                            let message = Arc::new(message);
                            told.extend(number.told(&message).into_iter().map(|reader| (reader, message.clone())));
                            if matches!(message.news, DnNews::NoPicture { .. }) {
                                tracing::debug!("gws-voice has no picture of a DN: it is asked for again");
                                self.refused.push((dn, now));
                            }
                        }
                        Err(error) => tracing::warn!(%error, "a message of gws-voice cannot be read"),
                    }
                }
                ConsumerNews::SubscriptionRefused { channel, error } => {
                    tracing::warn!(error, "gws-voice refuses the events of a DN: they are asked for again");
                    if let Some(dn) = dn_of(&channel)
                        && self.numbers.contains_key(&dn)
                    {
                        self.refused.push((dn, now));
                    }
                }
                ConsumerNews::LostSession => self.subscribe_again(),
                ConsumerNews::Connected => {}
            }
        }
        told
    }
}

impl TenantLink {
    fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a DN for a reader.
    pub fn follow(&self, dn: String, after: Option<String>, id: ReaderId, reader: Weak<dyn DnReader>) {
        let mut state = self.lock();
        let until = state.numbers.entry(dn.clone()).or_default().follow(after, id, reader);
        state.subscribe(&dn, until);
        drop(state);
        self.is_changed.notify_one();
    }

    /// Follows it no longer for that one.
    pub fn unfollow(&self, dn: &str, id: ReaderId) {
        let mut state = self.lock();
        if !state.numbers.get_mut(dn).is_some_and(|number| number.unfollow(id)) {
            return;
        }
        state.numbers.remove(dn);
        state.refused.retain(|(refused, _)| refused != dn);
        if let Some(channel) = channel_of(dn) {
            state.consumer.unsubscribe(&channel);
        }
        // It is told with the next request: nobody waits for it.
    }

    fn is_followed(&self) -> bool {
        !self.lock().numbers.is_empty()
    }

    /// Tells all who follow whether messages come.
    fn tell(&self, is_there: bool) {
        let readers: Vec<Weak<dyn DnReader>> = self.lock().numbers.values().flat_map(FollowedNumber::readers).collect();
        for reader in readers.iter().filter_map(Weak::upgrade) {
            reader.link_is(is_there);
        }
    }
}

/// What reads for a link.
pub(super) struct LinkReading {
    pub ctx: RoleContext,
    pub client: Client,
    pub metrics: Metrics,
    pub tenant: TenantId,
    pub link: Arc<TenantLink>,
}

/// Failures in a row. One replica that ends is no outage: the next one goes on.
#[derive(Default)]
struct LinkOutage {
    failures: usize,
    is_told: bool,
}

impl LinkOutage {
    /// Notes a failure. Returns whether those who follow are told: each replica has failed, and one of them again.
    fn goes_on(&mut self, replicas: usize) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.is_told |= self.failures > replicas;
        self.is_told
    }

    /// Notes an answer. Returns whether those who follow are told.
    fn is_over(&mut self) -> bool {
        std::mem::take(self).is_told
    }
}

/// How a request has gone.
enum LinkTurn {
    Answered(Bytes),
    Failed,
    /// What is followed has changed meanwhile.
    BrokenOff,
}

impl LinkReading {
    /// Reads until nobody follows anything.
    pub async fn run(self, links: &TenantLinks) {
        let (mut replica, mut is_broken, mut outage) = (0_usize, false, LinkOutage::default());
        let mut unused_since = None;
        loop {
            if self.link.is_followed() {
                unused_since = None;
            } else {
                let now = self.ctx.clock.now();
                if now.since(*unused_since.get_or_insert(now)) >= IDLE_MAX && self.is_ended(links) {
                    return self.disconnect(replica).await;
                }
            }
            let request = self.next_request();
            match self.turn(&request, replica).await {
                LinkTurn::BrokenOff => {}
                LinkTurn::Answered(body) => {
                    let is_read = self.take(&body);
                    if is_read && is_broken {
                        tracing::info!(tenant = %self.tenant, "the events of DNs are followed again");
                    }
                    is_broken = !is_read;
                    replica = replica.wrapping_add(usize::from(!is_read));
                    if is_read && outage.is_over() {
                        self.link.tell(true);
                    }
                }
                LinkTurn::Failed => {
                    self.link.lock().consumer.failed();
                    if !is_broken {
                        self.metrics.links_broken.inc();
                        tracing::warn!(tenant = %self.tenant, "the events of DNs cannot be followed at a replica of gws-voice");
                    }
                    (is_broken, replica) = (true, replica.wrapping_add(1));
                    if outage.goes_on(self.client.replicas().len()) {
                        // Each time: more may follow by now.
                        self.link.tell(false);
                    }
                }
            }
        }
    }

    fn next_request(&self) -> ConsumerRequest {
        let now = self.ctx.clock.now();
        let mut state = self.link.lock();
        state.try_refused_again(now);
        state.consumer.next_request(now)
    }

    /// Sends a request. A poll is broken off where what is followed changes: the next request tells that, and nothing is lost, since each
    /// poll says which answer was the last to arrive.
    async fn turn(&self, request: &ConsumerRequest, replica: usize) -> LinkTurn {
        let is_poll = request.path_suffix == CONNECT;
        let is_changed = async {
            if !is_poll {
                return std::future::pending().await;
            }
            tokio::time::sleep(UNDISTURBED).await;
            // Whoever comes first follows at once; what was refused is tried again in its time; a link that nobody follows looks again
            // from time to time.
            let rest = self.link.lock().rests_for(self.ctx.clock.now());
            let _ = tokio::time::timeout(rest, self.link.is_changed.notified()).await;
        };
        let answered = async {
            tokio::time::sleep(request.wait).await;
            self.send(request, replica).await
        };
        tokio::select! {
            answered = answered => answered.map_or(LinkTurn::Failed, LinkTurn::Answered),
            () = is_changed => LinkTurn::BrokenOff,
        }
    }

    /// The body of the answer; none if there is none that is of use.
    async fn send(&self, request: &ConsumerRequest, replica: usize) -> Option<Bytes> {
        let replicas = self.client.replicas();
        let at = replicas.get(replica.checked_rem(replicas.len())?)?;
        let path = format!("/voice/v3/{}/notifications{}", encoded(self.tenant.as_str()), request.path_suffix);
        let asked = self.client.post(&path).at(*at).body("application/json", request.body.clone());
        match asked.deadline(request.answer_within).leaves_hung().send_any().await {
            Ok(answer) if answer.status == StatusCode::OK => Some(answer.body),
            Ok(answer) => {
                tracing::debug!(problem = %answer.problem(), "gws-voice refuses to tell events");
                None
            }
            Err(error) => {
                tracing::debug!(%error, "gws-voice does not answer");
                None
            }
        }
    }

    /// Takes an answer. Returns whether it was of use.
    fn take(&self, body: &[u8]) -> bool {
        let now = self.ctx.clock.now();
        let mut state = self.link.lock();
        let news = match state.consumer.answered(body) {
            Ok(news) => news,
            Err(fault) => {
                tracing::debug!(%fault, "an answer of gws-voice is of no use");
                return false;
            }
        };
        let is_lost = news.contains(&ConsumerNews::LostSession);
        let told = state.heard(news, now);
        // A reader may follow more while it is told.
        drop(state);
        for (reader, message) in told {
            if let Some(reader) = reader.upgrade() {
                reader.told(&message);
            }
        }
        if is_lost {
            self.metrics.links_broken.inc();
        }
        true
    }

    /// Takes the link out, unless somebody follows again.
    fn is_ended(&self, links: &TenantLinks) -> bool {
        let mut links = links.lock();
        let is_ended = !self.link.is_followed();
        if is_ended {
            links.remove(&self.tenant);
        }
        is_ended
    }

    /// Tells the replica that nobody reads any more. It would find out by itself.
    async fn disconnect(&self, replica: usize) {
        let last = self.link.lock().consumer.disconnect();
        if let Some(last) = last {
            let _ = self.send(&last, replica).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_due_again_soon_and_a_poll_does_not_outlast_that() {
        let (now, second) = (Timestamp::from_millis(1_700_000_000_000), Duration::from_secs(1));
        let mut state = LinkState::default();
        assert_eq!(state.rests_for(now), IDLE_MAX);
        state.numbers.insert("7101".to_owned(), FollowedNumber::default());
        let (channel, error) = (channel_of("7101").unwrap(), "403::too many".to_owned());
        state.heard(vec![ConsumerNews::SubscriptionRefused { channel, error }], now);
        assert_eq!(state.rests_for(now + second), TRIED_AGAIN_AFTER - second);
        let due = now + TRIED_AGAIN_AFTER;
        assert_eq!(state.rests_for(due), Duration::ZERO);
        state.try_refused_again(due);
        assert_eq!(state.rests_for(due), IDLE_MAX);
    }

    #[test]
    fn a_dn_without_a_picture_is_asked_for_again_soon() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let mut state = LinkState::default();
        state.numbers.insert("7101".to_owned(), FollowedNumber::default());
        let data = json!({"position": "1-0", "news": {"type": "noPicture", "code": 59, "message": "no"}});
        state.heard(vec![ConsumerNews::Message { channel: channel_of("7101").unwrap(), data }], now);
        assert_eq!(state.rests_for(now), TRIED_AGAIN_AFTER);
    }

    #[test]
    fn a_dn_has_a_channel_whatever_it_is_called() {
        for dn in ["7101", "+49 30/1", "a*b", "ü"] {
            assert_eq!(dn_of(&channel_of(dn).unwrap()).as_deref(), Some(dn));
        }
        assert_eq!(channel_of(&"7".repeat(250)), None);
        assert_eq!(dn_of(&ChannelName::parse("/workspace/v3/voice").unwrap()), None);
    }

    #[test]
    fn an_outage_is_one_once_no_replica_is_left_and_ends_with_an_answer() {
        let mut outage = LinkOutage::default();
        assert!(!outage.goes_on(2) && !outage.is_over(), "the other one has gone on");
        assert!(!outage.goes_on(2) && !outage.goes_on(2) && outage.goes_on(2) && outage.goes_on(2));
        assert!(outage.is_over() && !outage.is_over());
        assert!(LinkOutage::default().goes_on(0), "there is none at all");
    }
}
