//! What is told of one tenant's DNs, and to whom: the picture, the recent messages, and a Bayeux hub for each replica of gws-workspace that
//! reads here. Facts, batches of messages and `now` go in; answers to batches and requests to tenant come out.
//!
//! It begins with tenant's snapshot, or goes on from what a replica has kept (`kept_voices.rs` beside it): then who reads here has missed
//! nothing.

mod reader;

use std::collections::HashMap;
use std::time::Duration;

use bayeux::{Batch, ChannelName, ClientId, Exchange, Output};
use contracts::v1;
use infra::Position;
use model::{Dn, Entropy, Stamped, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::picture::TenantPicture;
use super::position_record;
use super::recent::{ReadClaim, RecentMessages, RecentRoom, ToldDns};
use super::registrations::{AskFailure, DnFault, DnRegistrations, DnStanding, RegistrationAsk};
use crate::voice_api::{DnMessage, DnNews};
use reader::{FollowedFrom, HUB, VoiceReader};

/// What the channel of a DN begins with; the DN follows, percent-encoded.
pub(super) const CHANNELS: &str = "/voice/v3/dns/";
/// What the requester of our own requests begins with.
const OURS: &str = "gws-voice/";
/// The most readers of a tenant: replicas of gws-workspace.
const READERS_MAX: usize = 256;
/// How long a follower may be ahead of what is read here. After that its position is one of another stream, and the picture comes.
const AHEAD_MAX: Duration = Duration::from_secs(10);
/// How long there may be no stream of events before readers are sent to another replica. One that is continued may say nothing for 5 s.
const CUT_OFF_AFTER: Duration = Duration::from_secs(8);
/// How long a tenant is followed after its last reader.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// The largest picture, in bytes: it goes into the queue of a client that is half empty. A DN with a few calls has some thousand.
const PICTURE_BYTES_MAX: usize = HUB.queue_bytes_max / 2;

/// The state of one tenant.
pub(super) struct TenantVoice {
    /// None until tenant's snapshot has come.
    picture: Option<TenantPicture>,
    /// The picture is that of this position.
    position: Position,
    recent: RecentMessages,
    registrations: DnRegistrations,
    readers: HashMap<String, VoiceReader>,
    answers: Vec<(Exchange, String)>,
    has_settled: bool,
    used_at: Timestamp,
    /// Since when there is no stream of events; none while there is one.
    unfed_since: Option<Timestamp>,
}

/// Why a batch of a reader is not taken: another replica may take it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum ReaderRefusal {
    /// There are too many of them.
    #[error("too many replicas read this tenant")]
    TooMany,
    /// There were no events for too long.
    #[error("the events of the tenant cannot be followed here now")]
    CutOff,
}

/// What a replica goes on from.
#[derive(Debug)]
pub(super) struct StoredVoice {
    picture: TenantPicture,
    told: ToldDns,
}

impl StoredVoice {
    /// That of a record; none for one that cannot be read as a whole.
    pub fn of_record(mut record: v1::VoicePictureRecord) -> Option<Self> {
        let since = position_record::position_of(record.told_since);
        let told = std::mem::take(&mut record.told).into_iter();
        let last = told.map(|one| (one.dn, (position_record::position_of(one.position), one.count))).collect();
        Some(Self { picture: TenantPicture::of_record(&mut record)?, told: ToldDns { since, last } })
    }

    /// The facts behind this position come next.
    pub fn position(&self) -> Position {
        self.picture.position()
    }
}

/// What is known of a DN.
#[derive(Debug)]
pub(super) enum DnLook {
    /// All of it: the picture.
    Picture(Box<DnNews>),
    /// Nothing, and this is why.
    Unknown(DnFault),
    /// It is being asked for.
    Waits,
}

impl TenantVoice {
    /// Nothing is known, and nobody reads. The references of its requests count on from that number; its recent messages
    /// are in that room.
    pub fn new(first_reference: u64, room: &RecentRoom, now: Timestamp) -> Self {
        Self {
            picture: None,
            position: Position::START,
            recent: RecentMessages::after(Position::START, room),
            registrations: DnRegistrations::new(first_reference),
            readers: HashMap::new(),
            answers: Vec::new(),
            has_settled: false,
            used_at: now,
            unfed_since: Some(now),
        }
    }

    // === the events of the tenant ===

    /// After which position its events go on; none before the snapshot.
    pub fn position(&self) -> Option<Position> {
        self.picture.is_some().then_some(self.position)
    }

    /// The stream of events has ended, or could not be opened.
    pub fn feed_ended(&mut self, now: Timestamp) {
        self.unfed_since = self.unfed_since.or(Some(now));
    }

    /// Whether there were no events for so long that readers have to go elsewhere.
    pub fn is_cut_off(&self, now: Timestamp) -> bool {
        self.unfed_since.is_some_and(|since| now.since(since) >= CUT_OFF_AFTER)
    }

    /// Begins with a snapshot: the first one, or one after events that are gone, when nothing of before holds.
    pub fn begin(&mut self, snapshot: &v1::Snapshot, now: Timestamp) {
        let picture = TenantPicture::begin(snapshot);
        let told = ToldDns::since(picture.position());
        self.begin_with(picture, told, now);
    }

    /// Goes on from what was kept, also by another replica: the facts behind it come next.
    pub fn continue_from(&mut self, kept: StoredVoice, now: Timestamp) {
        self.begin_with(kept.picture, kept.told, now);
    }

    fn begin_with(&mut self, picture: TenantPicture, told: ToldDns, now: Timestamp) {
        let position = picture.position();
        let is_anew = self.picture.replace(picture).is_some();
        self.unfed_since = None;
        self.position = position;
        self.recent.go_on(position, told);
        if is_anew {
            self.registrations.forget();
        }
        for reader in self.readers.values_mut() {
            reader.settle_claims(&self.recent, now);
        }
        self.begin_again(now, |_, _| is_anew);
        self.has_settled = true;
        self.drain(now);
    }

    /// What is to be kept, so that others go on from it; none before the beginning.
    pub fn kept(&self) -> Option<v1::VoicePictureRecord> {
        let told = self.recent.told();
        let last = told.last.into_iter().map(|(dn, (position, count))| v1::ToldDnRecord {
            dn,
            position: Some(position_record::position(position)),
            count,
        });
        let record = self.picture.as_ref()?.record();
        let (told_since, told) = (Some(position_record::position(told.since)), last.collect());
        // What is read without telling anything moves the position too.
        Some(v1::VoicePictureRecord {
            position: Some(position_record::position(self.position)),
            told_since,
            told,
            ..record
        })
    }

    /// Whether somebody reads here.
    pub fn is_read(&self) -> bool {
        !self.readers.is_empty()
    }

    /// Folds a fact, and tells who follows its DNs.
    pub fn told(&mut self, stamped: &Stamped, position: Position, now: Timestamp) {
        self.reached(position);
        let Some(picture) = &mut self.picture else { return };
        // Several messages of one fact have its position: readers count those that they have had of it.
        let messages = picture.fold(stamped, position);
        for (dn, message) in messages.iter().filter(|(_, message)| !answers_us(message)) {
            let Ok(data) = serde_json::to_value(message) else { continue };
            self.recent.keep(position, dn.as_str(), data.to_string());
            for reader in self.readers.values_mut() {
                reader.tell(dn.as_str(), &data, position, now);
            }
        }
        if let Some(dn) = self.registrations.told(&stamped.event, now) {
            self.settled(&dn, now);
        }
        self.drain(now);
    }

    /// Reads the picture; none before the snapshot.
    pub fn read<T>(&mut self, now: Timestamp, read: impl FnOnce(&TenantPicture) -> T) -> Option<T> {
        self.used_at = now;
        self.picture.as_ref().map(read)
    }

    /// How many entries the picture has left out since this was asked last, for lack of room.
    pub fn take_left_out(&mut self) -> u64 {
        self.picture.as_mut().map(TenantPicture::take_left_out).unwrap_or_default()
    }

    /// Nothing more has happened up to that position.
    pub fn reached(&mut self, position: Position) {
        self.unfed_since = None;
        self.position = position;
    }

    // === requests about DNs ===

    /// Whether there is a request to make.
    pub fn has_ask(&self) -> bool {
        self.picture.is_some() && self.registrations.has_next()
    }

    /// The next request to make.
    pub fn next_ask(&mut self, now: Timestamp) -> Option<RegistrationAsk> {
        self.picture.as_ref()?;
        self.registrations.next(now)
    }

    /// Requests on their way are lost.
    pub fn ask_again(&mut self) {
        self.registrations.ask_again();
    }

    /// A request has failed.
    pub fn ask_failed(&mut self, ask: &RegistrationAsk, failure: AskFailure, now: Timestamp) {
        if self.registrations.failed(ask, failure, now) {
            self.settled(&ask.dn, now);
            self.drain(now);
        }
    }

    /// What is known of a DN now. It is asked for if that is not all of it.
    pub fn look(&mut self, dn: &str, now: Timestamp) -> DnLook {
        self.used_at = now;
        self.look_up(dn, now)
    }

    fn look_up(&mut self, dn: &str, now: Timestamp) -> DnLook {
        let picture = self.picture.as_ref();
        // Somebody else may have asked.
        let is_known = picture.is_some_and(|picture| picture.is_registered(dn));
        let standing = if is_known { DnStanding::Known } else { self.registrations.want(dn, now) };
        match standing {
            DnStanding::Asked => DnLook::Waits,
            DnStanding::Unknown(fault) => DnLook::Unknown(fault),
            DnStanding::Known => match picture.and_then(|picture| picture.dn(dn)) {
                Some(news) => DnLook::Picture(Box::new(news)),
                None => DnLook::Unknown(DnFault::unknown(dn)),
            },
        }
    }

    /// Whether more became known of a DN since this was asked last.
    pub fn take_settled(&mut self) -> bool {
        std::mem::take(&mut self.has_settled)
    }

    // === readers ===

    /// Takes a batch of a reader.
    ///
    /// # Errors
    /// Why it has to go to another replica.
    pub fn receive(
        &mut self,
        reader: &str,
        exchange: Exchange,
        batch: Batch,
        entropy: &mut dyn Entropy,
        now: Timestamp,
    ) -> Result<(), ReaderRefusal> {
        self.used_at = now;
        if self.is_cut_off(now) {
            return Err(ReaderRefusal::CutOff);
        }
        if self.readers.len() >= READERS_MAX && !self.readers.contains_key(reader) {
            return Err(ReaderRefusal::TooMany);
        }
        let known = self.readers.entry(reader.to_owned());
        let known = known.or_insert_with(VoiceReader::new);
        known.hub.receive(exchange, batch, entropy, now);
        self.drain(now);
        self.go_on(reader, now);
        self.drain(now);
        Ok(())
    }

    /// The peer of that exchange has left before its answer.
    pub fn hung_up(&mut self, reader: &str, exchange: Exchange, now: Timestamp) {
        if let Some(reader) = self.readers.get_mut(reader) {
            reader.hub.hung_up(exchange, now);
        }
        self.drain(now);
    }

    /// The answers that have become ready.
    pub fn take_answers(&mut self) -> Vec<(Exchange, String)> {
        std::mem::take(&mut self.answers)
    }

    /// What is due by time.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.recent.trim();
        if !self.readers.is_empty() {
            self.used_at = now;
        }
        for reader in self.readers.values_mut() {
            reader.hub.handle_timeout(now);
        }
        self.drain(now);
        self.readers.retain(|_, reader| reader.hub.has_clients());
        if let Some(position) = self.position() {
            self.begin_again(now, |after, since| after > position && now.since(since) >= AHEAD_MAX);
            self.drain(now);
        }
        let Self { registrations, readers, .. } = self;
        registrations.tick(now, |dn| readers.values().any(|reader| reader.waits_for(dn)));
    }

    /// Whether nobody has read for so long that the tenant need not be followed.
    pub fn is_unread(&self, now: Timestamp) -> bool {
        self.readers.is_empty() && now.since(self.used_at) >= KEPT_FOR
    }

    // === what hubs say ===

    fn drain(&mut self, now: Timestamp) {
        loop {
            let mut outputs = Vec::new();
            for (name, reader) in &mut self.readers {
                while let Some(output) = reader.hub.poll_output() {
                    outputs.push((name.clone(), output));
                }
            }
            if outputs.is_empty() {
                return;
            }
            for (reader, output) in outputs {
                self.perform(&reader, output, now);
            }
        }
    }

    fn perform(&mut self, reader: &str, output: Output, now: Timestamp) {
        match output {
            Output::Answer { exchange, body } => self.answers.push((exchange, body)),
            Output::Subscribed { client, pattern, ext } => {
                // Other channels are silent.
                let Some((dn, channel)) = dn_of(pattern.as_str()) else { return };
                self.subscribed(reader, &client, &dn, channel, claim_of(ext.as_ref()), now);
            }
            Output::Unsubscribed { client, pattern } => {
                let Some((dn, _)) = dn_of(pattern.as_str()) else { return };
                if let Some(reader) = self.readers.get_mut(reader) {
                    reader.unfollow(&client, &dn);
                }
            }
            Output::Ended { client, .. } => {
                if let Some(reader) = self.readers.get_mut(reader) {
                    reader.ended(&client);
                }
            }
        }
    }

    /// A reader has confirmed something: there may be room for more.
    fn go_on(&mut self, reader: &str, now: Timestamp) {
        while let Some((client, dn)) = self.readers.get_mut(reader).and_then(VoiceReader::next_waiting) {
            self.tell_recent(reader, &client, &dn, now);
            self.give_picture(&dn, now);
        }
    }

    fn tell_recent(&mut self, reader: &str, client: &ClientId, dn: &str, now: Timestamp) {
        let Self { readers, recent, .. } = self;
        if let Some(reader) = readers.get_mut(reader) {
            reader.tell_recent(client, dn, recent, now);
        }
    }

    /// A client goes on after what it has claimed to have read, if no message that it lacks is gone; else the picture comes.
    fn subscribed(
        &mut self,
        reader: &str,
        client: &ClientId,
        dn: &str,
        channel: ChannelName,
        claim: Option<ReadClaim>,
        now: Timestamp,
    ) {
        // Also where messages are enough: what they tell of the DN next is complete only if all of it is known here.
        self.look_up(dn, now);
        let Some(known) = self.readers.get_mut(reader) else { return };
        let from = match claim {
            // What is begun with says whether that is known.
            Some(claim) if self.picture.is_none() => FollowedFrom::Claimed(claim),
            Some(claim) => self.recent.goes_on_after(dn, claim).map_or(FollowedFrom::Picture, FollowedFrom::Recent),
            None => FollowedFrom::Picture,
        };
        known.follow(client, dn, channel, from);
        self.tell_recent(reader, client, dn, now);
        self.give_picture(dn, now);
    }

    /// More is known of the DN: whoever waits for its picture gets it.
    fn settled(&mut self, dn: &str, now: Timestamp) {
        self.has_settled = true;
        self.give_picture(dn, now);
    }

    fn give_picture(&mut self, dn: &str, now: Timestamp) {
        let mut is_due = false;
        for reader in self.readers.values_mut() {
            is_due |= reader.takes_picture(dn);
        }
        if !is_due {
            return;
        }
        let news = match self.look_up(dn, now) {
            DnLook::Waits => return,
            DnLook::Picture(news) => *news,
            DnLook::Unknown(DnFault { code, message }) => DnNews::NoPicture { code, message },
        };
        let position = self.position;
        let message = |news| DnMessage { position: position.to_string(), reference: 0, requester: String::new(), news };
        let Ok(mut text) = serde_json::to_string(&message(news)) else { return };
        if text.len() > PICTURE_BYTES_MAX {
            tracing::warn!(
                bytes = text.len(),
                most = PICTURE_BYTES_MAX,
                "the picture of a DN is too large: it is not told"
            );
            let DnFault { code, message: words } = DnFault::too_large(dn);
            let Ok(refusal) = serde_json::to_string(&message(DnNews::NoPicture { code, message: words })) else {
                return;
            };
            text = refusal;
        }
        let Ok(data) = serde_json::from_str::<Value>(&text) else { return };
        for reader in self.readers.values_mut() {
            reader.give(dn, &data, position, now);
        }
    }

    /// Those who follow a DN after a position that is `lost` begin with the picture again.
    fn begin_again(&mut self, now: Timestamp, lost: impl Fn(Position, Timestamp) -> bool) {
        let wanted: Vec<String> = self.readers.values_mut().flat_map(|reader| reader.begin_again(&lost, now)).collect();
        for dn in wanted {
            self.give_picture(&dn, now);
        }
    }
}

/// Whether it is a refusal of a request of gws-voice itself, of this replica or another: no desktop has asked.
fn answers_us(message: &DnMessage) -> bool {
    matches!(message.news, DnNews::Error { .. }) && message.requester.starts_with(OURS)
}

/// The DN of a channel, and the channel.
fn dn_of(pattern: &str) -> Option<(String, ChannelName)> {
    let dn = percent_decode_str(pattern.strip_prefix(CHANNELS)?).decode_utf8().ok()?;
    Some((Dn::parse(&dn).ok()?.to_string(), ChannelName::parse(pattern).ok()?))
}

/// What a subscription claims to have read, if it does: all up to `after`, and of those at one further position, `last`, so many as `told`
/// says.
fn claim_of(ext: Option<&Value>) -> Option<ReadClaim> {
    let position = |name: &str| -> Option<Position> { ext?.get(name)?.as_str()?.parse().ok() };
    let told = || ext?.get("told")?.as_u64().and_then(|told| u32::try_from(told).ok());
    let last = position("last").and_then(|last| Some((last, told()?)));
    Some(ReadClaim { after: position("after")?, last })
}

#[cfg(test)]
mod tests;
