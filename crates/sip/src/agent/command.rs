//! The application's commands to the user agent.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::header::HeaderName;
use crate::multipart::BodyPart;
use crate::transaction::{Intervals, TransactionError, TransactionLayer};
use crate::{Flow, Message, Method, StatusCode};

/// An INVITE dialog of this agent, from the INVITE to its end. Valid until [`super::Event::Failed`] or
/// [`super::Event::Released`]; never reused in this agent. A successor assigns its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialogId(pub(super) u64);

/// Identifies the response to a request of ours other than INVITE. It stays the same when the request is repeated with
/// credentials.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub(super) u64);

/// A request of the peer other than INVITE that waits for the application's response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IncomingId(pub(super) u64);

/// The agent's settings; the same for all its dialogs.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The base of all timers.
    pub intervals: Intervals,
    /// Host and port of our Via.
    pub sent_by: String,
    /// The value of User-Agent and Server.
    pub product: Option<String>,
    /// The session interval that we request, in seconds (RFC 4028); none: the peer decides.
    pub session_expires_s: Option<u32>,
    /// The shortest session interval that we accept, in seconds; at least 90.
    pub min_se_s: u32,
    /// When provisional responses are sent reliably (RFC 3262).
    pub reliability: Reliability,
    /// Methods outside dialogs that the application answers; all others get 405.
    pub methods: Vec<Method>,
    /// The credentials to answer 401 and 407 with, outside dialogs and in those without an account.
    pub credentials: Option<AgentCredentials>,
    /// The credentials of dialogs with an account ([`Invite::account`]).
    pub accounts: Accounts,
    /// What is changed in INVITEs of such dialogs.
    pub invite_edits: InviteEdits,
    /// The most dialogs.
    pub dialogs_max: usize,
    /// The most transactions of each side.
    pub transactions_max: usize,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            intervals: Intervals::default(),
            sent_by: "localhost.invalid".to_owned(),
            product: None,
            session_expires_s: None,
            min_se_s: 90,
            reliability: Reliability::WhenRequired,
            methods: vec![Method::Options],
            credentials: None,
            accounts: Accounts::default(),
            invite_edits: InviteEdits::default(),
            transactions_max: TransactionLayer::TRANSACTIONS_MAX,
            dialogs_max: 65_536, // what two-leg calls with a media dialog each make of 16,000 calls
        }
    }
}

/// When provisional responses to an INVITE are sent reliably.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reliability {
    /// When the caller requires it.
    WhenRequired,
    /// When the caller supports it.
    WhenSupported,
}

/// A user name and its password.
#[derive(Clone)]
pub struct AgentCredentials {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for AgentCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AgentCredentials({})", self.user)
    }
}

/// Finds the credentials of an account by its name.
type FindAccount = dyn Fn(&str) -> Option<AgentCredentials> + Send + Sync;

/// Looks up the credentials of an account by its name, at the moment of each challenge. A dialog and its snapshot have the
/// name alone: the password is in no record, a changed one counts at once, and a successor looks it up by itself.
#[derive(Clone, Default)]
pub struct Accounts(Option<Arc<FindAccount>>);

impl Accounts {
    /// With this look-up, which must not wait for anything.
    pub fn new(look_up: impl Fn(&str) -> Option<AgentCredentials> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(look_up)))
    }

    /// The credentials of an account, if it is known.
    pub fn credentials(&self, account: &str) -> Option<AgentCredentials> {
        self.0.as_ref()?(account)
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts(..)")
    }
}

/// Changes an INVITE of an account.
type EditInvite = dyn Fn(&str, &mut Message) + Send + Sync;

/// Changes every INVITE of a dialog with an account, re-INVITEs too, as the last thing before it is sent: what the account's carrier
/// wants that is no matter of this agent. It must leave alone what makes the dialog ([`crate::header_rules`]). As with [`Accounts`],
/// a dialog has the account's name alone, so that the edits of the moment count, for a successor too.
#[derive(Clone, Default)]
pub struct InviteEdits(Option<Arc<EditInvite>>);

impl InviteEdits {
    /// With these edits, by the account's name. They must not wait for anything.
    pub fn new(edit: impl Fn(&str, &mut Message) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(edit)))
    }

    pub(super) fn make(&self, account: Option<&str>, invite: &mut Message) {
        if let (Some(edit), Some(account)) = (&self.0, account) {
            edit(account, invite);
        }
    }
}

impl std::fmt::Debug for InviteEdits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InviteEdits(..)")
    }
}

/// Headers that the application adds to a message.
pub type ExtraHeaders = Vec<(HeaderName, String)>;

/// A body with its type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    /// As `application/sdp`.
    pub content_type: Cow<'static, str>,
    /// The bytes.
    pub bytes: Bytes,
}

impl Body {
    /// A session description.
    pub fn sdp(bytes: impl Into<Bytes>) -> Self {
        Self { content_type: Cow::Borrowed("application/sdp"), bytes: bytes.into() }
    }

    /// Any body.
    pub fn new(content_type: impl Into<Cow<'static, str>>, bytes: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.into(), bytes: bytes.into() }
    }
}

/// What holds in one dialog in the place of what holds in all ([`AgentConfig`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DialogTerms {
    /// The session interval that we request, and the longest that we grant, in seconds (RFC 4028); none: as in all.
    pub session_expires_s: Option<u32>,
    /// Whether we do not say that we support reliable provisional responses (RFC 3262). With a caller that requires them they are used all
    /// the same.
    pub hides_100rel: bool,
}

/// Our identity in a dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalIdentity {
    /// Our tag; unique in this agent.
    pub tag: String,
    /// Our Contact value, as `<sip:user@host:port>`.
    pub contact: String,
}

/// An INVITE that begins a dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invite {
    /// The flow to send it on.
    pub flow: Flow,
    /// The Request-URI.
    pub target: String,
    /// From without a tag, as `"Sales" <sip:15550100@example.com>`.
    pub from: String,
    /// To.
    pub to: String,
    /// Call-ID; unique.
    pub call_id: String,
    /// Our tag and contact.
    pub local: LocalIdentity,
    /// Route values, nearest first.
    pub routes: Vec<String>,
    /// How many more servers it may pass (RFC 3261 §8.1.1.6): who passes a call on gives what is left of the call's own, so that a call
    /// which comes back by way of others ends.
    pub max_forwards: u8,
    /// Further headers.
    pub headers: ExtraHeaders,
    /// The offer; without one the peer is requested to make it, and [`super::UserAgent::ack`] answers it.
    pub offer: Option<Bytes>,
    /// What its body has behind the offer (RFC 5621); later INVITEs of the dialog have the session alone.
    pub parts: Vec<BodyPart>,
    /// Whether we declare support for reliable provisional responses. Without an offer we never do, nor where `terms` hide it.
    pub provisionals: Provisionals,
    /// The account whose credentials answer challenges of this dialog ([`AgentConfig::accounts`]).
    pub account: Option<String>,
    /// What holds in this dialog alone.
    pub terms: DialogTerms,
}

/// The provisional responses that we support.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Provisionals {
    /// Unreliable ones only.
    Plain,
    /// Also those of RFC 3262: the INVITE says `Supported: 100rel`.
    Reliable,
}

/// A request outside every dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutgoingRequest {
    /// The flow to send it on.
    pub flow: Flow,
    /// The method: not INVITE, ACK or CANCEL.
    pub method: Method,
    /// The Request-URI.
    pub target: String,
    /// From without a tag.
    pub from: String,
    /// To.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// The sequence number; it grows from one request with this Call-ID to the next. A repeat with credentials takes the next
    /// number, so the caller continues after the number in the response.
    pub cseq: u32,
    /// Route values, nearest first.
    pub routes: Vec<String>,
    /// Further headers.
    pub headers: ExtraHeaders,
    /// The body.
    pub body: Option<Body>,
}

/// A response of the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Its reason phrase, where that is not the usual one.
    pub phrase: Option<&'static str>,
    /// Further headers.
    pub headers: ExtraHeaders,
    /// The body; for an INVITE, UPDATE or PRACK the session description.
    pub body: Option<Body>,
}

impl Reply {
    /// A status without headers or body.
    pub const fn new(status: StatusCode) -> Self {
        Self { status, phrase: None, headers: Vec::new(), body: None }
    }

    /// 200 with a session description.
    pub fn session(sdp: impl Into<Bytes>) -> Self {
        Self { body: Some(Body::sdp(sdp)), ..Self::new(StatusCode::OK) }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }
}

impl From<StatusCode> for Reply {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

/// A command that cannot be carried out; always a fault on our side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum CommandError {
    /// There is no such dialog or request (any more).
    #[error("no such dialog or request")]
    Gone,
    /// The dialog's state does not allow it.
    #[error("dialog is not in a state for {0}")]
    WrongState(&'static str),
    /// An offer is open: retry after it is answered.
    #[error("an offer is open")]
    OfferOpen,
    /// The tag belongs to another dialog of this agent.
    #[error("local tag is in use")]
    TagTaken,
    /// The agent is full.
    #[error("too many dialogs")]
    Full,
    /// The transaction layer refused.
    #[error("request cannot be sent")]
    Transaction(#[source] TransactionError),
}

impl From<TransactionError> for CommandError {
    fn from(error: TransactionError) -> Self {
        Self::Transaction(error)
    }
}
