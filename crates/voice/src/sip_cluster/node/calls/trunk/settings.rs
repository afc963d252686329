//! What a tenant has set for its trunks, as a node reads it.

use contracts::provisioning::{DiversionForm, DtmfForm};
use media::codec::Codec;
use model::{Encryption, TenantId};

/// What a tenant has set for a trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkRules {
    /// Whether config has told of it.
    pub is_known: bool,
    /// How many calls it takes at a time.
    pub calls_max: Option<u32>,
    /// Whether its carrier hears who calls before it answers.
    pub early_speech: bool,
    /// Whether audio may go between its carrier and a phone directly.
    pub direct_media: bool,
    /// Whether its carrier is asked by OPTIONS whether it is there, and gets no call while it is not.
    pub options: bool,
    /// Whether the audio with its carrier is encrypted.
    pub encryption: Encryption,
    /// The codecs that are spoken with its carrier, preferred first; none: the tenant's.
    pub codecs: Vec<Codec>,
    /// How keys go to its carrier and come from it; none: as is negotiated.
    pub dtmf: Option<DtmfForm>,
    /// The session interval that is asked of its carrier and granted to it, in seconds; none: the installation's.
    pub session_expires_s: Option<u32>,
    /// Whether its carrier is not told that we support reliable provisional responses.
    pub hides_100rel: bool,
    /// How many calls a second go out by it.
    pub calls_per_second: Option<u32>,
    /// Whether no further calls go out by it.
    pub drains: bool,
    /// Whether its carrier is told who calls by P-Asserted-Identity.
    pub asserts_identity: bool,
    /// How its carrier is told who has diverted a call.
    pub diversion: DiversionForm,
    /// Whether its carrier gets User-to-User.
    pub user_to_user: bool,
    /// Whether its carrier is told where the caller of an emergency call is.
    pub location: bool,
    /// Whether we register with its carrier.
    pub registers: bool,
    /// Its carrier's domain, where that is not the host at which it takes calls.
    pub domain: Option<String>,
}

/// Reads what a tenant has set for a trunk.
pub type ReadTrunks = Box<dyn Fn(&TenantId, &str) -> TrunkRules + Send>;

/// Reads what a number that a trunk has sent means; none: itself.
pub type ReadReceived = Box<dyn Fn(&TenantId, &str, &str) -> Option<String> + Send>;
