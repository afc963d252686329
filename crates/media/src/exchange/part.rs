//! The part of a leg in a conference: who hears it, and whether it hears the others.

use std::sync::Arc;

use super::Leg;
use crate::mixer::{Hearers, MixPart, Recording};

/// The part of a leg in a conference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// What others call it there.
    pub name: Arc<str>,
    /// Who hears it.
    pub heard_by: HeardBy,
    /// Whether it hears the others.
    pub hears: bool,
    /// The recording that it wants for its conference. One member that wants it is enough; one that wants it over ends it for all.
    pub recording: Option<Recording>,
}

/// Who hears a member of a conference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HeardBy {
    /// Every other member.
    All,
    /// Nobody.
    Nobody,
    /// The member of this name, if there is one.
    Only(Arc<str>),
}

impl Part {
    /// That of a member that speaks to all and hears all.
    pub fn open(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), heard_by: HeardBy::All, hears: true, recording: None }
    }
}

/// The recording of a conference with these members.
pub(super) fn recording(legs: &[Option<Box<Leg>>], members: &[u32]) -> Option<Recording> {
    let part = |index: &u32| legs.get(*index as usize)?.as_ref()?.conference.as_ref().map(|(_, part)| part);
    let words = || members.iter().filter_map(part).filter_map(|part| part.recording.as_ref());
    let is_over = |name: &str| words().any(|word| !word.is_on && &*word.name == name);
    words().find(|word| word.is_on && !is_over(&word.name)).cloned()
}

/// Who hears whom among the members of a conference.
pub(super) fn mix_parts(legs: &[Option<Box<Leg>>], members: &[u32]) -> Vec<MixPart> {
    let part = |index: u32| legs.get(index as usize)?.as_ref()?.conference.as_ref().map(|(_, part)| part);
    let named = |name: &Arc<str>| members.iter().copied().find(|of| part(*of).is_some_and(|part| part.name == *name));
    let in_mix = |index: &u32| {
        let part = part(*index)?;
        let heard_by = match &part.heard_by {
            HeardBy::All => Hearers::All,
            HeardBy::Nobody => Hearers::Nobody,
            HeardBy::Only(name) => named(name).map_or(Hearers::Nobody, Hearers::Only),
        };
        Some(MixPart { leg: *index, heard_by, hears: part.hears })
    };
    members.iter().filter_map(in_mix).collect()
}
