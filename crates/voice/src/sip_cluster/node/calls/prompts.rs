//! Prompts and codecs where the switch itself plays: the tenant's choice, else the prompts that come with the program.

use call::call::{PROMPT_REFUSED, Purpose};
use media::codec::Codec;
use model::request::Treatment;
use model::{ConnId, TenantId};

use crate::sip_cluster::node::Node;

/// A tenant's choice; without one the call's own names apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwitchPrompts {
    /// For a party that is held.
    pub hold_music: Option<String>,
    /// For a feature code that was carried out.
    pub confirmation: Option<String>,
    /// For a feature code that was refused.
    pub refusal: Option<String>,
    /// The prefix of the tenant's country, whose tones callers hear.
    pub country: Option<String>,
    /// The tenant's codecs, preferred first; empty while the tenant is not known: then all are spoken.
    pub codecs: Vec<Codec>,
}

/// Reads a tenant's current choice.
pub type ReadPrompts = Box<dyn Fn(&TenantId) -> SwitchPrompts + Send>;

impl Node {
    /// The treatment, with the tenant's prompts if it is one of the switch's own.
    pub(in crate::sip_cluster::node) fn as_chosen(&self, conn_id: ConnId, id: u32, treatment: Treatment) -> Treatment {
        let Some(entry) = self.calls.get(&conn_id) else {
            return treatment;
        };
        let playing = entry.playing(id);
        let purpose = playing.map(|(_, playing)| &playing.purpose);
        let is_feature = playing.is_some_and(|(call, _)| matches!(call.stage, call::call::Stage::Feature(_)));
        match (purpose, treatment) {
            (Some(Purpose::HoldMusic), Treatment::Music { resource, duration_ms }) => {
                let resource = (self.prompts)(&entry.tenant).hold_music.unwrap_or(resource);
                Treatment::Music { resource, duration_ms }
            }
            (Some(Purpose::Service), Treatment::PlayAnnouncement { prompts }) if is_feature => {
                let chosen = (self.prompts)(&entry.tenant);
                let refused = prompts.first().is_some_and(|prompt| prompt == PROMPT_REFUSED);
                let chosen = if refused { chosen.refusal } else { chosen.confirmation };
                Treatment::PlayAnnouncement { prompts: chosen.map_or(prompts, |prompt| vec![prompt]) }
            }
            (_, treatment) => treatment,
        }
    }
}
