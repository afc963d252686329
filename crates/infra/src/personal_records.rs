//! What people keep for themselves at their desktops: favourites, recents, settings. It belongs to persons of the configuration and goes
//! with them; backups and snapshots of tenants do not have it.

use model::{TenantId, Timestamp};

use crate::Answer;

/// Which target: somebody or something that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetName {
    /// Its type, as `agent`.
    pub target_type: String,
    /// Its id among those of its type.
    pub id: String,
}

/// A favourite of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Favourite {
    /// Which target.
    pub target: TargetName,
    /// When it was saved last.
    pub at: Timestamp,
    /// What is known of it: a JSON object.
    pub document: String,
}

/// A target that a person had to do with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentTarget {
    /// Which target.
    pub target: TargetName,
    /// When that was, or when it began.
    pub at: Timestamp,
    /// Whether a call of it was missed, and the person has not said to know that.
    pub is_missed: bool,
    /// What is known of it: a JSON object.
    pub document: String,
}

/// What is to become of a favourite that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FavouriteAgain {
    /// It stays as it is, and whoever saves it is told so: unless it was saved at the same time, by the same request.
    Refused,
    /// The later one takes its place.
    Replaces,
}

/// What became of a favourite that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FavouriteKept {
    /// It is kept.
    Kept,
    /// It is there already.
    AlreadyThere,
    /// The person has [`crate::bounds::FAVOURITES_MAX`] others.
    TooMany,
}

/// What became of a setting that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKept {
    /// It is kept.
    Kept,
    /// With it the person would have more settings, or more bytes of them, than one may have.
    TooMuch,
}

/// A setting of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalSetting {
    /// Its name.
    pub name: String,
    /// Its value: JSON.
    pub value: String,
}

/// The tables of what people keep. People are found without regard to case; of one that is not there nothing is found.
pub trait PersonalRecords: Send + Sync {
    /// The favourites of a person, the one that was saved last first.
    fn favourites<'a>(&'a self, tenant: &'a TenantId, user: &'a str) -> Answer<'a, Vec<Favourite>>;

    /// Keeps a favourite.
    ///
    /// # Errors
    /// [`crate::StoreError::Invalid`] where there is no such person.
    fn keep_favourite<'a>(
        &'a self,
        tenant: &'a TenantId,
        user: &'a str,
        favourite: &'a Favourite,
        again: FavouriteAgain,
    ) -> Answer<'a, FavouriteKept>;

    /// Removes a favourite; `false` if the person has none of that name.
    fn remove_favourite<'a>(&'a self, tenant: &'a TenantId, user: &'a str, target: &'a TargetName) -> Answer<'a, bool>;

    /// The recents of a person, the latest first.
    fn recents<'a>(&'a self, tenant: &'a TenantId, user: &'a str) -> Answer<'a, Vec<RecentTarget>>;

    /// Notes a recent in place of an earlier one of the same target. Of more than [`crate::bounds::RECENTS_MAX`] the earliest go. `false`
    /// if what is known of the target is as late already: then it stays as it is.
    ///
    /// # Errors
    /// [`crate::StoreError::Invalid`] where there is no such person.
    fn note_recent<'a>(&'a self, tenant: &'a TenantId, user: &'a str, recent: &'a RecentTarget) -> Answer<'a, bool>;

    /// The person knows of the missed calls up to that time; says how many were marked.
    fn acknowledge_missed<'a>(&'a self, tenant: &'a TenantId, user: &'a str, until: Timestamp) -> Answer<'a, u64>;

    /// The settings of a person, by name.
    fn settings<'a>(&'a self, tenant: &'a TenantId, user: &'a str) -> Answer<'a, Vec<PersonalSetting>>;

    /// Keeps a setting in place of the one of its name.
    ///
    /// # Errors
    /// [`crate::StoreError::Invalid`] where there is no such person.
    fn keep_setting<'a>(
        &'a self,
        tenant: &'a TenantId,
        user: &'a str,
        setting: &'a PersonalSetting,
    ) -> Answer<'a, SettingKept>;

    /// Removes a setting; `false` if the person has none of that name.
    fn remove_setting<'a>(&'a self, tenant: &'a TenantId, user: &'a str, name: &'a str) -> Answer<'a, bool>;
}
