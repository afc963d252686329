//! What the sessions need of other roles, apart from how they are reached.

use std::sync::Weak;

use futures::future::BoxFuture;
use model::TenantId;
use net::http::{Method, Problem};
use serde_json::Value;

use super::desk::AskFault;
use super::desk_sign_in::{DeskSignIn, SignInStanding};
use super::reporting::{ReadStatistics, WantedStatistic};
use crate::contact_api::{ContactChange, ContactEntry, ContactQuery};
use crate::interaction_api::OpenInteraction;
use crate::sessions::session_code::{CodeFault, ShownCode};
use crate::setting_api::{Acknowledged, RecentEntry, SavedFavourite, SettingValue};
use crate::voice_api::DnMessage;

/// Who follows the events of DNs.
pub(super) trait DnReader: Send + Sync {
    /// Takes a message about a DN that it follows.
    fn told(&self, message: &DnMessage);
    /// Messages do not come now, or come again.
    fn link_is(&self, is_there: bool);
}

/// One session among those that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ReaderId(pub u64);

/// A DN that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FollowedDn {
    /// The tenant.
    pub tenant: TenantId,
    /// Its number.
    pub dn: String,
}

/// What gws-voice is asked to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VoiceLook {
    /// What the call of that id has come through: a [`crate::course_api::CallCourse`].
    Course(String),
    /// The calls that wait: a [`crate::course_api::WaitingCallList`].
    Waiting,
    /// Why the call of that id waits: a [`crate::course_api::ExplainedWait`].
    WaitingCall(String),
}

/// gws-voice.
pub(super) trait VoiceSide: Send + Sync {
    /// Makes a request about a call or an agent for `requester`, whose frame is as docs/requests.md says.
    fn ask(&self, tenant: TenantId, requester: String, frame: Value) -> BoxFuture<'static, Result<(), AskFault>>;
    /// Asks what calls have come through, and for what they wait.
    fn look(&self, tenant: TenantId, what: VoiceLook) -> BoxFuture<'static, Result<Value, AskFault>>;
    /// Follows a DN: what came after that position, else beginning with a picture.
    fn follow(&self, dn: FollowedDn, after: Option<String>, id: ReaderId, reader: Weak<dyn DnReader>);
    /// Follows it no longer.
    fn unfollow(&self, dn: &FollowedDn, id: ReaderId);
}

/// Why gws-configuration has told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConfigurationFault {
    /// There is no such thing.
    #[error("there is no {0}")]
    Unknown(String),
    /// It is of another kind than is wanted.
    #[error("{0}")]
    OfAnotherKind(String),
    /// Nobody has answered.
    #[error("the configuration cannot be read now")]
    Away,
}

/// What a desktop is told of its person and its tenant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DesktopConfiguration {
    /// The person, as the published API has it.
    pub user: Value,
    /// Action codes, groups, options and more.
    pub configuration: Value,
}

/// A DN as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ConfiguredDn {
    /// Its number.
    pub number: String,
    /// Its type, as `extension`; empty if it is not told.
    pub dn_type: String,
    /// Its switch; empty if it has none.
    pub switch: String,
    /// The place that it is at, if it is known and it is at one.
    pub place: Option<String>,
    /// Whether it is a phone in a browser.
    pub is_browser_phone: bool,
}

/// What was found in the directory of a tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FoundEntries {
    /// Targets or users, as the published API has them, without their availability.
    pub entries: Vec<Value>,
    /// How many there are, those included that are not among them.
    pub total: u64,
}

/// A DN that is a phone in a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BrowserPhone {
    /// Its number.
    pub number: String,
    /// The realm in which it registers, and the host part of its address.
    pub realm: String,
}

/// gws-configuration.
pub(super) trait ConfigurationSide: Send + Sync {
    /// What the desktop of a person is told.
    fn desktop(
        &self,
        tenant: TenantId,
        user: String,
    ) -> BoxFuture<'static, Result<DesktopConfiguration, ConfigurationFault>>;
    /// The DNs of a place.
    fn place(
        &self,
        tenant: TenantId,
        name: String,
    ) -> BoxFuture<'static, Result<Vec<ConfiguredDn>, ConfigurationFault>>;
    /// The phone in a browser that a DN is.
    fn browser_phone(
        &self,
        tenant: TenantId,
        number: String,
    ) -> BoxFuture<'static, Result<BrowserPhone, ConfigurationFault>>;
    /// A DN by its number.
    fn dn(&self, tenant: TenantId, number: String) -> BoxFuture<'static, Result<ConfiguredDn, ConfigurationFault>>;
    /// Targets that fit the parameters of a search.
    fn targets(
        &self,
        tenant: TenantId,
        asked: Vec<(&'static str, String)>,
    ) -> BoxFuture<'static, Result<FoundEntries, ConfigurationFault>>;
    /// A target of a type by its number or its name.
    fn target(
        &self,
        tenant: TenantId,
        target_type: String,
        id: String,
    ) -> BoxFuture<'static, Result<FoundEntries, ConfigurationFault>>;
    /// The agents whom somebody looks after.
    fn users(
        &self,
        tenant: TenantId,
        asked: Vec<(&'static str, String)>,
    ) -> BoxFuture<'static, Result<FoundEntries, ConfigurationFault>>;
    /// The shifts of some people that have a part behind the one moment and before the other, in milliseconds since 1970.
    fn shifts(
        &self,
        tenant: TenantId,
        people: Vec<String>,
        span: (u64, u64),
    ) -> BoxFuture<'static, Result<Vec<Value>, ConfigurationFault>>;
}

/// What gws-data-collector has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CollectedEntries {
    /// The targets.
    pub found: FoundEntries,
    /// The states of those of them of which it has one.
    pub states: ReadStatistics,
    /// With what the search goes on behind the last of them; none where there is no further one.
    pub continue_from: Option<String>,
}

/// Why gws-data-collector has found nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CollectorFault {
    /// The question is wrong, as it says itself.
    #[error("{0}")]
    Refused(Problem),
    /// Nobody has answered, or the tenant is not collected yet.
    #[error("the directory is not collected now")]
    Away,
}

/// gws-data-collector.
pub(super) trait CollectorSide: Send + Sync {
    /// Targets that fit the parameters of a search of that person.
    fn search(
        &self,
        tenant: TenantId,
        user: String,
        asked: Vec<(&'static str, String)>,
    ) -> BoxFuture<'static, Result<CollectedEntries, CollectorFault>>;
    /// The states of those of the objects of which it has one; nothing where it is away.
    fn states(&self, tenant: TenantId, wanted: Vec<WantedStatistic>) -> BoxFuture<'static, ReadStatistics>;
}

/// gws-statistics does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("statistics cannot be read now")]
pub(super) struct StatisticsAway;

/// gws-statistics.
pub(super) trait StatisticsSide: Send + Sync {
    /// The values of some statistics, each of which is named once.
    fn values(
        &self,
        tenant: TenantId,
        wanted: Vec<WantedStatistic>,
    ) -> BoxFuture<'static, Result<ReadStatistics, StatisticsAway>>;
}

/// What gws-setting is asked for of a person.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SettingQuestion {
    /// The favourites: a [`crate::setting_api::FavouriteList`].
    Favourites,
    /// A favourite is to be kept.
    SaveFavourite(Box<SavedFavourite>),
    /// The favourite of that type and id is to go.
    RemoveFavourite {
        /// The target's type.
        target_type: String,
        /// Its id.
        id: String,
    },
    /// The recents: a [`crate::setting_api::RecentList`].
    Recents,
    /// A recent is to be noted.
    NoteRecent(Box<RecentEntry>),
    /// The person knows of the missed calls.
    Acknowledge(Acknowledged),
    /// The settings: `{"settings": {name: value}}`.
    Settings,
    /// A setting is to be kept.
    SaveSetting {
        /// Its name.
        name: String,
        /// Its value.
        value: SettingValue,
    },
    /// The setting of that name is to go.
    RemoveSetting {
        /// Its name.
        name: String,
    },
    /// Contacts that the person sees: a [`crate::contact_api::ContactList`].
    Contacts(ContactQuery),
    /// The contact of that id: a [`ContactEntry`].
    Contact(String),
    /// A contact is to be kept among those that the tenant's people share, or else among the person's own.
    AddContact(Box<ContactEntry>),
    /// A contact is to take the place of the one with its id, unless that was changed since.
    ChangeContact(Box<ContactChange>),
    /// The contact of that id is to go.
    RemoveContact {
        /// Its id.
        id: String,
        /// Whether it is among those that are shared.
        is_shared: bool,
    },
}

/// Why gws-setting has not done what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SettingFault {
    /// It has refused it, with the reason.
    #[error("{0}")]
    Refused(Problem),
    /// Nobody has answered.
    #[error("what people keep cannot be read or written now")]
    Away,
}

/// gws-setting.
pub(super) trait SettingSide: Send + Sync {
    /// Asks for something of a person. Null is told where there is nothing to tell.
    fn ask(
        &self,
        tenant: TenantId,
        user: String,
        question: SettingQuestion,
    ) -> BoxFuture<'static, Result<Value, SettingFault>>;
}

/// What gws-interaction is asked for of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InteractionQuestion {
    /// What the person has open: an [`crate::interaction_api::InteractionList`].
    Open,
    /// The person has opened an interaction.
    Note(OpenInteraction),
    /// The person has closed one, which may not have been open.
    Forget {
        /// Its media type.
        media_type: String,
        /// Its id.
        id: String,
    },
    /// An operation is to be carried out, by its path below `/workspace/v3`.
    Operate(String),
}

/// Why gws-interaction has not done what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InteractionFault {
    /// It has refused it, with the reason.
    #[error("{0}")]
    Refused(Problem),
    /// Nobody has answered.
    #[error("gws-interaction does not answer now")]
    Away,
}

/// gws-interaction.
pub(super) trait InteractionSide: Send + Sync {
    /// Asks for something of a person. Null is told where there is nothing to tell.
    fn ask(
        &self,
        tenant: TenantId,
        user: String,
        question: InteractionQuestion,
    ) -> BoxFuture<'static, Result<Value, InteractionFault>>;
}

/// A service beside GWS that desktops need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerService {
    /// The mailboxes of people.
    Voicemail,
    /// Work items.
    Iwd,
    /// Chats.
    DigitalChannels,
    /// Contacts, what there was with them, and standard responses.
    Ucs,
}

/// What one of them is asked for, of the person at a desktop.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PeerQuestion {
    /// Whom.
    pub service: PeerService,
    /// How.
    pub method: Method,
    /// What stands behind the person in the path, with its query: encoded.
    pub below: String,
    /// The body; null for none.
    pub body: Value,
}

/// Why such a service has told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PeerFault {
    /// The installation knows of none: its name, and that of the setting.
    #[error("{0}: there is no such service yet, for gws-workspace.{1} names no address of it")]
    Unset(&'static str, &'static str),
    /// Nobody has answered, and nothing was carried out.
    #[error("{0}: the service does not answer now")]
    Away(&'static str),
    /// Nobody has answered in time, or not in the agreed shape; it may have been carried out.
    #[error("{0}: the service has not answered as it should: it may have carried this out all the same")]
    Late(&'static str),
    /// It has refused it, with the reason.
    #[error("{0}")]
    Refused(Problem),
}

/// voicemail, iwd, digital-channels and ucs.
pub(super) trait PeerSide: Send + Sync {
    /// Whether an address of the service is known.
    fn is_set(&self, service: PeerService) -> bool;
    /// Asks one of them. Null is told where there is nothing to tell.
    fn ask(
        &self,
        tenant: TenantId,
        user: String,
        question: PeerQuestion,
    ) -> BoxFuture<'static, Result<Value, PeerFault>>;
}

/// auth.
pub(super) trait TokenAuthority: Send + Sync {
    /// Whether a token is still good; so it is too where nobody answers.
    fn is_good(&self, token: String) -> BoxFuture<'static, bool>;
    /// What the person may now by a sign-in, whose token may be over.
    fn standing(&self, sign_in: &DeskSignIn) -> BoxFuture<'static, SignInStanding>;
    /// Whether it is told to every role that what was given under a right to a phone before that second is good no longer. It does no harm
    /// twice.
    fn end_phone_right(&self, tenant: TenantId, right: String, before: u64) -> BoxFuture<'static, bool>;
    /// The access token for a code of our own client.
    fn redeem(&self, tenant: TenantId, shown: ShownCode) -> BoxFuture<'static, Result<String, CodeFault>>;
}
