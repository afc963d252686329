//! The definition of a statistic. Unsupported parts are refused by name.

use std::fmt;
use std::time::Duration;

use crate::action::{Action, ActionKind, Mask};
use crate::filter::Filter;
use crate::profile::Profile;

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($name:ident $can:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(missing_docs, reason = "the published names say it")]
        pub enum $type { $($name,)+ }

        impl $type {
            /// All variants.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its published name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// Finds a variant by its published name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }

            /// Whether this engine implements it; it refuses the others by name.
            pub const fn is_implemented(self) -> bool {
                match self { $(Self::$name => $can,)+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// The kinds of objects that have statistics.
    ObjectType {
        Agent true, Place false, GroupAgents false, GroupPlaces false, Queue true, RoutePoint true, GroupQueues false, RegDN true, Switch false, Tenant false,
        Campaign false, CampaignGroup false, CallingList false, CampaignCallingList false, StagingArea false, Workbin false,
    }
}

names! {
    /// How a value is computed from actions.
    Category {
        TotalNumber true, TotalAdjustedNumber false, TotalTime true, TotalAdjustedTime true, MaxTime true, MinTime true, MaxNumber true, MinNumber false,
        AverageTime true, AverageNumberPerHour false, AverageNumberPerRelativeHour false, RelativeNumber true, RelativeNumberPercentage true,
        RelativeTime false, RelativeTimePercentage true, ElapsedTimePercentage false, TotalNumberInTimeRange true, TotalNumberInTimeRangePercentage true,
        ServiceFactor1 true, EstimWaitTime false, ExpectedWaitTime2 false, LoadBalance false, TotalCustomValue false, MaxCustomValue false,
        MinCustomValue false, AverageCustomValue false, TotalDistribution false, CurrentNumber true, CurrentRelativeNumber false,
        CurrentRelativeNumberPercentage false, CurrentTime true, CurrentAverageTime true, CurrentMaxTime true, CurrentMinTime true,
        CurrentContinuousTime false, CurrentNumberInTimeRange true, CurrentNumberInTimeRangePercentage false, CurrentState true,
        CurrentTargetState false, ExtendedCurrentStatus false, CurrentStateReasons false, JavaCategory false,
    }
}

names! {
    /// The subject that a category counts.
    Subject {
        DNAction true, DNStatus false, AgentStatus true, PlaceStatus false, GroupStatus false, CampaignAction false, Action false,
    }
}

impl Category {
    /// Whether it describes the present moment, without an interval.
    pub const fn is_current(self) -> bool {
        matches!(
            self,
            Self::CurrentNumber
                | Self::CurrentTime
                | Self::CurrentAverageTime
                | Self::CurrentMaxTime
                | Self::CurrentMinTime
                | Self::CurrentNumberInTimeRange
                | Self::CurrentState
        )
    }

    /// Whether it counts durations within a range; others have no use for one.
    pub const fn needs_range(self) -> bool {
        matches!(
            self,
            Self::TotalNumberInTimeRange
                | Self::TotalNumberInTimeRangePercentage
                | Self::ServiceFactor1
                | Self::CurrentNumberInTimeRange
        )
    }

    /// Whether a relative mask means something to it: those that need one, and `AverageTime`, which divides by it.
    pub const fn uses_relative(self) -> bool {
        self.needs_relative() || matches!(self, Self::AverageTime)
    }

    const fn needs_relative(self) -> bool {
        matches!(
            self,
            Self::RelativeNumber | Self::RelativeNumberPercentage | Self::RelativeTimePercentage | Self::ServiceFactor1
        )
    }
}

/// An object of the tenant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectId {
    /// Its type.
    pub of: ObjectType,
    /// Its id, number or name.
    pub name: String,
}

impl ObjectId {
    /// An object.
    pub fn new(of: ObjectType, name: &str) -> Self {
        Self { of, name: name.to_owned() }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.of, self.name)
    }
}

/// A range of durations, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TimeRange {
    /// The shortest.
    pub from: Duration,
    /// The longest.
    pub to: Duration,
}

impl TimeRange {
    /// From zero to this number of seconds.
    pub const fn up_to_secs(seconds: u64) -> Self {
        Self { from: Duration::ZERO, to: Duration::from_secs(seconds) }
    }

    pub(crate) fn holds(self, duration: Duration) -> bool {
        (self.from..=self.to).contains(&duration)
    }
}

/// A stat type: the counted actions and the kinds of objects.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Definition {
    /// The kinds of objects that may have it.
    pub objects: Vec<ObjectType>,
    /// How the value is computed from actions.
    pub category: Category,
    /// The subject: the actions themselves, or the status that results from them.
    pub subject: Subject,
    /// The counted actions.
    pub main: Mask,
    /// The actions to compare with, for ratios and averages.
    pub relative: Mask,
    /// For custom values. Not implemented.
    pub formula: Option<String>,
}

impl Definition {
    /// A definition without a relative mask.
    pub fn new(objects: &[ObjectType], category: Category, subject: Subject, main: Mask) -> Self {
        Self { objects: objects.to_vec(), category, subject, main, relative: Mask::NONE, formula: None }
    }

    /// Sets the relative mask.
    #[must_use]
    pub fn relative(mut self, mask: Mask) -> Self {
        self.relative = mask;
        self
    }
}

/// When the holder of a statistic is notified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Notification {
    /// At each change.
    #[default]
    Immediate,
    /// When the value has changed by at least this much since the last notification, in units of a count, microseconds of a duration or
    /// hundredths of a ratio.
    Change {
        /// The least change.
        insensitivity: u64,
    },
    /// Never; the holder queries the value.
    None,
    /// At a fixed interval. Not implemented: the holder has a clock of its own.
    Periodic {
        /// The interval.
        every: Duration,
    },
}

/// A definition on an object, over an interval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The stat type.
    pub definition: Definition,
    /// The object.
    pub object: ObjectId,
    /// The time profile; current categories ignore it.
    pub profile: Profile,
    /// The time range of the main mask's actions.
    pub range: Option<TimeRange>,
    /// The second time range; for `ServiceFactor1`, of the abandoned calls that are left out.
    pub second_range: Option<TimeRange>,
    /// Counts only actions that pass this filter.
    pub filter: Option<Filter>,
    /// When to notify the holder.
    pub notification: Notification,
}

/// Why a statistic could not be opened.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// The engine does not implement it.
    #[error("{what} {name} is not implemented")]
    NotImplemented {
        /// The kind of the missing part.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The definition contradicts itself.
    #[error("{0}")]
    Faulty(String),
    /// The limit of statistics or objects is reached.
    #[error("there are {0} statistics or objects already")]
    Full(usize),
    /// The limit of different time profiles is reached.
    #[error("profile: the tenant's statistics have {0} different ones already")]
    ManyProfiles(usize),
}

impl Request {
    /// A request without ranges and filter whose holder is notified of each change.
    pub fn new(definition: Definition, object: ObjectId, profile: Profile) -> Self {
        let notification = Notification::Immediate;
        Self { definition, object, profile, range: None, second_range: None, filter: None, notification }
    }

    /// Sets the time range.
    #[must_use]
    pub fn range(mut self, range: TimeRange) -> Self {
        self.range = Some(range);
        self
    }

    /// Sets the second time range.
    #[must_use]
    pub fn second_range(mut self, range: TimeRange) -> Self {
        self.second_range = Some(range);
        self
    }

    /// The identity of a statistic as a text, for snapshots: requests with equal keys share one statistic.
    pub(crate) fn key(&self) -> String {
        let d = &self.definition;
        let range = |range: Option<TimeRange>| {
            range.map_or_else(String::new, |r| format!("{}-{}", r.from.as_micros(), r.to.as_micros()))
        };
        let profile = if d.category.is_current() { String::new() } else { self.profile.to_string() };
        let filter = self.filter.as_ref().map(ToString::to_string).unwrap_or_default();
        let (first, second) = (range(self.range), range(self.second_range));
        let Definition { category, subject, main, relative, .. } = d;
        format!("{}|{category}|{subject}|{main}|{relative}|{profile}|{first}|{second}|{filter}", self.object)
    }

    /// Refuses parts that this engine does not implement, by name.
    ///
    /// # Errors
    /// What is not implemented, or how the definition contradicts itself.
    pub fn check(&self) -> Result<(), Refused> {
        let d = &self.definition;
        let absent = |what, name: &str| Err(Refused::NotImplemented { what, name: name.to_owned() });
        let faulty = |text: &str| Err(Refused::Faulty(text.to_owned()));
        if !d.category.is_implemented() {
            return absent("category", d.category.as_str());
        }
        if !d.subject.is_implemented() {
            return absent("subject", d.subject.as_str());
        }
        if !self.object.of.is_implemented() {
            return absent("object", self.object.of.as_str());
        }
        if d.formula.is_some() {
            return absent("formula", "of a definition");
        }
        if matches!(self.notification, Notification::Periodic { .. }) {
            return absent("notification", "Periodic");
        }
        if !d.objects.contains(&self.object.of) {
            return faulty("the definition is not for this kind of object");
        }
        if let Some(fault) = self.profile.fault().filter(|_| !d.category.is_current()) {
            return faulty(&fault);
        }
        self.check_parts()
    }

    fn check_parts(&self) -> Result<(), Refused> {
        let d = &self.definition;
        let faulty = |text: String| Err(Refused::Faulty(text));
        let is_agent = self.object.of == ObjectType::Agent;
        if d.category == Category::CurrentState && !is_agent {
            return faulty("category CurrentState is implemented for agents alone".to_owned());
        }
        if d.subject == Subject::AgentStatus && !is_agent {
            return faulty("subject AgentStatus is for agents alone".to_owned());
        }
        if self.profile == Profile::SinceLogin && !is_agent && !d.category.is_current() {
            return faulty("profile SinceLogin is for agents alone".to_owned());
        }
        if d.main.is_empty() && d.category != Category::CurrentState {
            return faulty("the main mask is empty".to_owned());
        }
        if d.category.needs_relative() && d.relative.is_empty() {
            return faulty(format!("category {} needs a relative mask", d.category));
        }
        if d.category.needs_range() && self.range.is_none() {
            return faulty(format!("category {} needs a time range", d.category));
        }
        if d.category.is_current() && self.filter.is_some() {
            return faulty(format!("a filter with category {} is not implemented", d.category));
        }
        let adjusted = d.category == Category::TotalAdjustedTime;
        if adjusted && matches!(self.profile, Profile::Sliding { .. }) {
            return faulty("category TotalAdjustedTime with a sliding profile is not implemented".to_owned());
        }
        let durable = |action: Action| action.kind() == ActionKind::Durable;
        if (adjusted || d.category == Category::MaxNumber) && !d.main.iter().all(durable) {
            return faulty(format!("category {} is for actions that last", d.category));
        }
        if adjusted && self.filter.is_some() {
            return faulty("a filter with category TotalAdjustedTime is not implemented".to_owned());
        }
        Ok(())
    }
}
