//! Who has how much open of a tenant: so much of it at most that others find room.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use contracts::v1;
use contracts::v1::statistic_time_profile::Kind;
use prost::Message as _;

use super::OPEN_MAX;

/// The most statistics of a person or a program, in all its sessions and questions.
pub(super) const OF_SUBJECT_MAX: usize = 1_000;
/// The most of all people and programs together.
pub(super) const OF_SUBJECTS_MAX: usize = 10_000;
/// The most of what desktops show: how available each agent of a large tenant is, and what their people have open.
pub(super) const OF_DESKTOPS_MAX: usize = 16_000;

/// The most different time profiles, beside the day, in definitions of a person or a program, and of all desktops together: tenant has few
/// for all its clients.
pub(super) const PROFILES_OF_SUBJECT_MAX: usize = 16;
pub(super) const PROFILES_OF_DESKTOPS_MAX: usize = 64;

/// A time profile that a definition brings, beside the day: what is equal is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OwnProfile(Vec<u8>);

impl OwnProfile {
    /// That of a request, if it brings one.
    pub fn of(request: &v1::StatisticRequest) -> Option<Self> {
        let profile = request.definition.as_ref()?.profile.as_ref()?;
        match profile.kind.as_ref()? {
            Kind::SinceLogin(false) => None,
            Kind::Growing(resets) if resets == "00:00" => None,
            _ => Some(Self(profile.encode_to_vec())),
        }
    }
}

/// Whose something that is open is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::gws_statistics) enum StatisticsOwner {
    /// Of gws-workspace, for all its desktops.
    Desktops,
    /// Of a person or a program, by the subject of its token.
    Subject(Arc<str>),
}

/// Why a statistic is not opened here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::gws_statistics) enum StatisticsFull {
    /// Whatever there may be is open.
    #[error("there are {OPEN_MAX} statistics of the tenant open here already")]
    Tenant,
    /// All that people and programs may have is open.
    #[error("people and programs have {OF_SUBJECTS_MAX} statistics of the tenant open here already")]
    Subjects,
    /// Whoever asks has so much open.
    #[error("whoever asks has {0} statistics of the tenant open here already")]
    Own(usize),
    /// Whoever asks has so many different time profiles open.
    #[error("profile: whoever asks has statistics of {0} different ones of the tenant open here already")]
    Profiles(usize),
}

/// How many statistics each has open: one that several have counts for each of them.
#[derive(Default)]
pub(super) struct OpenShares {
    of: HashMap<StatisticsOwner, usize>,
    of_subjects: usize,
    /// How many statistics of each time profile each has open.
    profiles: HashMap<StatisticsOwner, BTreeMap<OwnProfile, usize>>,
}

impl OpenShares {
    /// Whether somebody may have one more, which people or programs have open already or not.
    ///
    /// # Errors
    /// Whose share is used up.
    pub fn has_room(
        &self,
        owner: &StatisticsOwner,
        have_subjects: bool,
        profile: Option<&OwnProfile>,
    ) -> Result<(), StatisticsFull> {
        let profiles_max = match owner {
            StatisticsOwner::Desktops => PROFILES_OF_DESKTOPS_MAX,
            StatisticsOwner::Subject(_) => PROFILES_OF_SUBJECT_MAX,
        };
        if let (Some(profile), Some(of_owner)) = (profile, self.profiles.get(owner))
            && of_owner.len() >= profiles_max
            && !of_owner.contains_key(profile)
        {
            return Err(StatisticsFull::Profiles(profiles_max));
        }
        let most = match owner {
            StatisticsOwner::Desktops => OF_DESKTOPS_MAX,
            StatisticsOwner::Subject(_) if !have_subjects && self.of_subjects >= OF_SUBJECTS_MAX => {
                return Err(StatisticsFull::Subjects);
            }
            StatisticsOwner::Subject(_) => OF_SUBJECT_MAX,
        };
        if self.of.get(owner).copied().unwrap_or_default() < most { Ok(()) } else { Err(StatisticsFull::Own(most)) }
    }

    /// Somebody has one more.
    pub fn take(&mut self, owner: &StatisticsOwner, have_subjects: bool, profile: Option<&OwnProfile>) {
        *self.of.entry(owner.clone()).or_default() += 1;
        self.of_subjects += usize::from(*owner != StatisticsOwner::Desktops && !have_subjects);
        if let Some(profile) = profile {
            *self.profiles.entry(owner.clone()).or_default().entry(profile.clone()).or_default() += 1;
        }
    }

    /// Somebody has one less, which people or programs have open still or not.
    pub fn leave(&mut self, owner: &StatisticsOwner, have_subjects: bool, profile: Option<&OwnProfile>) {
        let Some(count) = self.of.get_mut(owner) else { return };
        *count -= 1;
        if *count == 0 {
            self.of.remove(owner);
        }
        self.of_subjects -= usize::from(*owner != StatisticsOwner::Desktops && !have_subjects);
        if let Some(profile) = profile {
            self.leave_profile(owner, profile);
        }
    }

    fn leave_profile(&mut self, owner: &StatisticsOwner, profile: &OwnProfile) {
        let Some(of_owner) = self.profiles.get_mut(owner) else { return };
        if let Some(count) = of_owner.get_mut(profile) {
            *count -= 1;
            if *count == 0 {
                of_owner.remove(profile);
            }
        }
        if of_owner.is_empty() {
            self.profiles.remove(owner);
        }
    }

    /// How many time profiles owners have, each its own.
    #[cfg(test)]
    pub fn profiles(&self) -> usize {
        self.profiles.values().map(BTreeMap::len).sum()
    }

    /// What each has, and how many people and programs have together.
    #[cfg(test)]
    pub fn counts(&self) -> (&HashMap<StatisticsOwner, usize>, usize) {
        (&self.of, self.of_subjects)
    }
}
