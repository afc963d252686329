//! When people work: what a shift is, how a table of them is read, and which rules hold. Every line that cannot be taken is named, and then
//! nothing is.
//!
//! Whoever plans writes times as clocks on a wall show them, with the time zone beside. A night in which clocks are put forward has no time
//! between two and three: it is refused, not guessed. One in which they are put back has it twice: then the offset says which is meant.

mod import;
mod rules;
mod table;
#[cfg(test)]
mod tests;
mod wall_time;

use std::fmt;
use std::time::Duration;

use infra::{StoreError, StoredShift};
use jiff::tz::TimeZone;
use model::Timestamp;
use serde::{Deserialize, Serialize};

pub use import::{ShiftTable, TableTaken};
pub use rules::KnownNames;
pub use table::TableFormat;

/// The largest table, in bytes: that of as many shifts as may be, each with a few activities.
pub const TABLE_BYTES_MAX: usize = 16 << 20;
/// The most shifts of a table: those of seven hundred people for four weeks.
pub const SHIFTS_MAX: usize = 20_000;
/// The most faults of a table that are looked for: as many as are told, and one by which it is known that there are more.
pub const FAULTS_MAX: usize = 1_001;
/// The time zone of a tenant that has none.
pub const NO_ZONE: &str = "UTC";
/// The most activities of a shift.
pub const ACTIVITIES_MAX: usize = 32;
/// The longest span that is replaced or read, in days: two months.
pub const SPAN_DAYS_MAX: i64 = 62;
/// For how long a shift is kept after its end: as long as somebody compares what was planned with what was done.
pub const KEPT_AFTER_END: Duration = Duration::from_secs(62 * 86_400);

/// What is planned for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityType {
    /// The agent takes calls.
    Work,
    /// A short break.
    Break,
    /// The long break.
    Lunch,
    /// The agent learns something.
    Training,
    /// The agent talks with others.
    Meeting,
}

impl ActivityType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Work, Self::Break, Self::Lunch, Self::Training, Self::Meeting];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Break => "break",
            Self::Lunch => "lunch",
            Self::Training => "training",
            Self::Meeting => "meeting",
        }
    }

    /// Finds it by its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// A part of a shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// What is planned.
    pub activity_type: ActivityType,
    /// When it begins.
    pub begin: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// The code of the reason for which the agent is not ready meanwhile.
    pub reason: Option<String>,
}

/// A shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// What whoever plans calls it.
    pub id: String,
    /// The user name of the person.
    pub person: String,
    /// The name of the time zone in which it was planned.
    pub zone: String,
    /// When it begins.
    pub begin: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// In their order.
    pub activities: Vec<Activity>,
}

/// A shift as it stands in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedShift {
    /// Its line, or its place in a list, from 1.
    pub line: usize,
    /// What is planned.
    pub shift: Shift,
    /// The line of each of its activities.
    pub activity_lines: Vec<usize>,
}

/// A fault of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShiftFault {
    /// The line, from 1; 0 for the table as a whole.
    pub line: usize,
    /// The column or field; empty for the line as a whole.
    pub field: String,
    /// The rule.
    pub rule: String,
}

impl ShiftFault {
    fn of(line: usize, field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { line, field: field.into(), rule: rule.into() }
    }
}

impl fmt::Display for ShiftFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.rule),
            field => write!(f, "line {}, {field}: {}", self.line, self.rule),
        }
    }
}

/// The days that a table is about, in a time zone.
#[derive(Clone, Debug)]
pub struct PlannedDays {
    /// The name of the zone.
    pub zone: String,
    /// Its clocks.
    pub clocks: TimeZone,
    /// The first moment of the first day.
    pub from: Timestamp,
    /// The first moment behind the last day.
    pub to: Timestamp,
}

impl PlannedDays {
    /// From a day, as `2026-03-23`, up to another one, which is no part of it any more.
    ///
    /// # Errors
    /// Which of the three is wrong, and the rule.
    pub fn of(from: &str, to: &str, zone: &str) -> Result<Self, String> {
        let clocks = wall_time::zone(zone).map_err(|rule| format!("zone: {rule}"))?;
        let day = |field: &str, text: &str| {
            let rule = || format!("{field}: it must be a day, as 2026-03-23");
            text.parse::<jiff::civil::Date>().map_err(|_| rule())
        };
        let (first, behind) = (day("from", from)?, day("to", to)?);
        let days = i64::from((behind - first).get_days());
        if !(1..=SPAN_DAYS_MAX).contains(&days) {
            return Err(format!("to: it must be 1 to {SPAN_DAYS_MAX} days after from"));
        }
        let begins = |field: &str, day: jiff::civil::Date| {
            let at = day.to_zoned(clocks.clone()).ok().and_then(|begin| wall_time::moment(begin.timestamp()));
            at.ok_or_else(|| format!("{field}: there is no such day in {zone}"))
        };
        let (from, to) = (begins("from", first)?, begins("to", behind)?);
        Ok(Self { zone: zone.to_owned(), clocks, from, to })
    }
}

// === as it is stored ===

/// What of a shift has no column.
#[derive(Serialize, Deserialize)]
struct ShiftDocument {
    zone: String,
    #[serde(default)]
    activities: Vec<ActivityDocument>,
}

#[derive(Serialize, Deserialize)]
struct ActivityDocument {
    #[serde(rename = "type")]
    activity_type: ActivityType,
    begin_ms: u64,
    end_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Shift {
    /// As the store has it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn stored(&self) -> Result<StoredShift, StoreError> {
        let activity = |one: &Activity| ActivityDocument {
            activity_type: one.activity_type,
            begin_ms: one.begin.as_millis(),
            end_ms: one.end.as_millis(),
            reason: one.reason.clone(),
        };
        let document =
            ShiftDocument { zone: self.zone.clone(), activities: self.activities.iter().map(activity).collect() };
        let document = serde_json::to_string(&document).map_err(|error| StoreError::Invalid(error.to_string()))?;
        Ok(StoredShift { id: self.id.clone(), user: self.person.clone(), begin: self.begin, end: self.end, document })
    }

    /// One that was stored.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of_stored(stored: StoredShift) -> Result<Self, StoreError> {
        let StoredShift { id, user, begin, end, document } = stored;
        let read: ShiftDocument = serde_json::from_str(&document)
            .map_err(|error| StoreError::Corrupt { what: format!("the shift {id}"), reason: error.to_string() })?;
        let activity = |one: ActivityDocument| Activity {
            activity_type: one.activity_type,
            begin: Timestamp::from_millis(one.begin_ms),
            end: Timestamp::from_millis(one.end_ms),
            reason: one.reason,
        };
        let activities = read.activities.into_iter().map(activity).collect();
        Ok(Self { id, person: user, zone: read.zone, begin, end, activities })
    }
}
