//! Tables of shifts, as text.
//!
//! In CSV (RFC 4180) each activity has a line, and the lines of a shift say its own columns again or leave them empty; a shift without
//! activities has one line. In JSON each shift has its activities within it.

use std::collections::HashMap;
use std::fmt;

use contracts::spreadsheet;
use infra::bounds::SHIFT_ID_MAX;
use jiff::tz::TimeZone;
use model::Timestamp;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{
    ACTIVITIES_MAX, Activity, ActivityType, FAULTS_MAX, PlannedDays, PlannedShift, SHIFTS_MAX, Shift, ShiftFault,
    wall_time,
};
use crate::people::csv::{self, TableRecord};

/// The columns, in the order in which they are told.
const COLUMNS: [&str; 9] =
    ["shift", "person", "zone", "begin", "end", "activity", "activity_begin", "activity_end", "reason"];
/// Those without which nothing can be read.
const NEEDED: [&str; 4] = ["shift", "person", "begin", "end"];
/// The longest rule that quotes a table, in characters.
const RULE_MAX: usize = 300;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Lines of columns.
    Csv,
    /// One document.
    Json,
}

impl TableFormat {
    /// Finds it by its name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A shift whose times are not read yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenShift {
    #[serde(skip)]
    line: usize,
    id: String,
    person: String,
    #[serde(default)]
    zone: Option<String>,
    begin: String,
    end: String,
    #[serde(default)]
    activities: Vec<WrittenActivity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenActivity {
    #[serde(skip)]
    line: usize,
    #[serde(rename = "type")]
    activity_type: String,
    begin: String,
    end: String,
    #[serde(default)]
    reason: Option<String>,
}

/// The shifts of a table, as far as they can be read, and what cannot be. Nothing is read behind the last fault that is looked for.
pub fn read(text: &str, format: TableFormat, days: &PlannedDays) -> (Vec<PlannedShift>, Vec<ShiftFault>) {
    let (written, mut faults) = match format {
        TableFormat::Csv => of_lines(text),
        TableFormat::Json => of_document(text),
    };
    let mut zones = HashMap::from([(days.zone.clone(), days.clocks.clone())]);
    let mut planned = Vec::with_capacity(written.len());
    for shift in written {
        if faults.len() >= FAULTS_MAX {
            break;
        }
        match planned_of(shift, days, &mut zones) {
            Ok(shift) => planned.push(shift),
            Err(found) => faults.extend(found),
        }
    }
    (planned, faults)
}

/// The fault of a table as a whole.
fn whole(rule: impl Into<String>) -> (Vec<WrittenShift>, Vec<ShiftFault>) {
    (Vec::new(), vec![ShiftFault::of(0, "", rule)])
}

fn too_many() -> (Vec<WrittenShift>, Vec<ShiftFault>) {
    whole(format!("there are more than {SHIFTS_MAX} shifts: send them in several spans"))
}

// === JSON ===

#[derive(Deserialize)]
struct WrittenDocument {
    shifts: Option<WrittenList>,
}

/// The shifts of a list. What stands behind the most that may be is not kept.
#[derive(Default)]
struct WrittenList {
    written: Vec<WrittenShift>,
    faults: Vec<ShiftFault>,
    is_too_long: bool,
}

impl<'de> Deserialize<'de> for WrittenList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = WrittenList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of shifts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<WrittenList, A::Error> {
        let mut list = WrittenList::default();
        for line in 1..=SHIFTS_MAX {
            if list.faults.len() >= FAULTS_MAX {
                break;
            }
            // As text: as a value, an element of many parts would need a multiple of its bytes.
            let Some(element) = elements.next_element::<&'de RawValue>()? else { return Ok(list) };
            match shift_of_element(line, element.get()) {
                Ok(shift) => list.written.push(shift),
                Err(fault) => list.faults.push(fault),
            }
        }
        let has_few_faults = list.faults.len() < FAULTS_MAX;
        // The list must be read to its end.
        while elements.next_element::<IgnoredAny>()?.is_some() {
            list.is_too_long = has_few_faults;
        }
        Ok(list)
    }
}

fn shift_of_element(line: usize, text: &str) -> Result<WrittenShift, ShiftFault> {
    let fault = |error: serde_json::Error| {
        let told = error.to_string();
        // The place within the element says nothing of the table.
        let rule = told.rsplit_once(" at line ").map_or(told.as_str(), |(rule, _)| rule);
        ShiftFault::of(line, "", format!("{rule:.RULE_MAX$}"))
    };
    let mut shift: WrittenShift = serde_json::from_str(text).map_err(fault)?;
    shift.line = line;
    shift.activities.iter_mut().for_each(|activity| activity.line = line);
    Ok(shift)
}

fn of_document(text: &str) -> (Vec<WrittenShift>, Vec<ShiftFault>) {
    // A list of fields would do for the reader of documents.
    if text.trim_start().starts_with('[') {
        return whole("it must be an object with shifts");
    }
    match serde_json::from_str(text) {
        Err(error) => {
            let told = error.to_string();
            whole(format!("it cannot be read: {told:.RULE_MAX$}"))
        }
        Ok(WrittenDocument { shifts: None }) => whole("shifts: it must be there, and be a list"),
        Ok(WrittenDocument { shifts: Some(list) }) if list.is_too_long => too_many(),
        Ok(WrittenDocument { shifts: Some(list) }) => (list.written, list.faults),
    }
}

// === CSV ===

/// The place of each column in the lines of a table.
struct TableColumns(HashMap<&'static str, usize>);

impl TableColumns {
    fn of(record: &TableRecord) -> Result<Self, Vec<ShiftFault>> {
        let (mut places, mut faults) = (HashMap::new(), Vec::new());
        for (place, cell) in record.cells.iter().enumerate() {
            if faults.len() >= FAULTS_MAX {
                break;
            }
            let name = cell.trim().trim_start_matches('\u{feff}');
            match COLUMNS.into_iter().find(|column| *column == name) {
                Some(column) if places.insert(column, place).is_some() => {
                    faults.push(ShiftFault::of(record.line, column, "the column is there twice"));
                }
                Some(_) => {}
                None => {
                    let rule = format!("there is no such column: there are {}", COLUMNS.join(", "));
                    faults.push(ShiftFault::of(record.line, format!("{name:.64}"), rule));
                }
            }
        }
        for column in NEEDED.into_iter().filter(|column| !places.contains_key(column)) {
            faults.push(ShiftFault::of(record.line, column, "the column is needed"));
        }
        if faults.is_empty() { Ok(Self(places)) } else { Err(faults) }
    }

    fn cell<'a>(&self, record: &'a TableRecord, column: &str) -> &'a str {
        let cell = self.0.get(column).and_then(|place| record.cells.get(*place));
        cell.map_or("", |cell| spreadsheet::text(cell.trim()))
    }
}

fn of_lines(text: &str) -> (Vec<WrittenShift>, Vec<ShiftFault>) {
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains(';') && !first.contains(',') { ';' } else { ',' };
    let mut records = csv::records(text, delimiter);
    let head = match records.next() {
        Some(Ok(record)) => TableColumns::of(&record),
        Some(Err(wrong)) => Err(vec![ShiftFault::of(wrong.line, "", wrong.rule)]),
        None => Err(vec![ShiftFault::of(0, "", "the table has no head")]),
    };
    let head = match head {
        Ok(head) => head,
        Err(faults) => return (Vec::new(), faults),
    };
    let (mut shifts, mut faults) = (Vec::<WrittenShift>::new(), Vec::new());
    let mut by_id = HashMap::<String, usize>::new();
    for record in records {
        if faults.len() >= FAULTS_MAX {
            break;
        }
        let record = match record {
            Ok(record) => record,
            Err(wrong) => {
                faults.push(ShiftFault::of(wrong.line, "", wrong.rule));
                break;
            }
        };
        match by_id.get(head.cell(&record, "shift")) {
            Some(place) => {
                let shift = &mut shifts[*place];
                faults.extend(differences(&head, &record, shift));
                // One more than may be is refused, as many more are.
                if shift.activities.len() <= ACTIVITIES_MAX {
                    shift.activities.extend(activity_of(&head, &record));
                }
            }
            None if shifts.len() >= SHIFTS_MAX => return too_many(),
            None => {
                let shift = shift_of(&head, &record);
                by_id.insert(shift.id.clone(), shifts.len());
                shifts.push(shift);
            }
        }
    }
    (shifts, faults)
}

fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn shift_of(head: &TableColumns, record: &TableRecord) -> WrittenShift {
    let cell = |column| head.cell(record, column);
    WrittenShift {
        line: record.line,
        id: cell("shift").to_owned(),
        person: cell("person").to_owned(),
        zone: given(cell("zone")),
        begin: cell("begin").to_owned(),
        end: cell("end").to_owned(),
        activities: activity_of(head, record).into_iter().collect(),
    }
}

/// The activity of a line; none where all of its columns are empty.
fn activity_of(head: &TableColumns, record: &TableRecord) -> Option<WrittenActivity> {
    let cell = |column| head.cell(record, column);
    let all = ["activity", "activity_begin", "activity_end", "reason"];
    if all.into_iter().all(|column| cell(column).is_empty()) {
        return None;
    }
    Some(WrittenActivity {
        line: record.line,
        activity_type: cell("activity").to_owned(),
        begin: cell("activity_begin").to_owned(),
        end: cell("activity_end").to_owned(),
        reason: given(cell("reason")),
    })
}

/// What a further line of a shift says otherwise than its first one.
fn differences(head: &TableColumns, record: &TableRecord, shift: &WrittenShift) -> Vec<ShiftFault> {
    let own = [
        ("person", shift.person.as_str()),
        ("zone", shift.zone.as_deref().unwrap_or_default()),
        ("begin", shift.begin.as_str()),
        ("end", shift.end.as_str()),
    ];
    let differs = own.into_iter().filter(|(column, first)| {
        let cell = head.cell(record, column);
        !cell.is_empty() && cell != *first
    });
    let rule = format!("line {} says otherwise of this shift", shift.line);
    differs.map(|(column, _)| ShiftFault::of(record.line, column, rule.clone())).collect()
}

// === times ===

/// Reads times, zones and names; what is wrong is collected, so that a table is mended once.
fn planned_of(
    written: WrittenShift,
    days: &PlannedDays,
    zones: &mut HashMap<String, TimeZone>,
) -> Result<PlannedShift, Vec<ShiftFault>> {
    let WrittenShift { line, id, person, zone, begin, end, activities } = written;
    let mut faults = Vec::new();
    if id.is_empty() || id.len() > SHIFT_ID_MAX || id.chars().any(char::is_control) {
        let rule = format!("it must have 1 to {SHIFT_ID_MAX} bytes, without control characters");
        faults.push(ShiftFault::of(line, "shift", rule));
    }
    if activities.len() > ACTIVITIES_MAX {
        let rule = format!("a shift may have at most {ACTIVITIES_MAX} activities");
        return Err(vec![ShiftFault::of(line, "activity", rule)]);
    }
    let zone = zone.unwrap_or_else(|| days.zone.clone());
    let clocks = match zone_of(&zone, zones) {
        Ok(clocks) => clocks,
        Err(rule) => return Err(vec![ShiftFault::of(line, "zone", rule)]),
    };
    let mut read = |line: usize, field: &str, text: &str| -> Timestamp {
        wall_time::read(text, &clocks).unwrap_or_else(|rule| {
            faults.push(ShiftFault::of(line, field, rule));
            Timestamp::ZERO
        })
    };
    let (begin, end) = (read(line, "begin", &begin), read(line, "end", &end));
    let times: Vec<(Timestamp, Timestamp)> = activities
        .iter()
        .map(|one| (read(one.line, "activity_begin", &one.begin), read(one.line, "activity_end", &one.end)))
        .collect();
    let (mut planned, mut lines) = (Vec::new(), Vec::new());
    for (written, (begin, end)) in activities.into_iter().zip(times) {
        let WrittenActivity { line, activity_type, reason, .. } = written;
        let Some(activity_type) = ActivityType::parse(&activity_type) else {
            let names = ActivityType::ALL.map(ActivityType::as_str).join(", ");
            faults.push(ShiftFault::of(line, "activity", format!("it must be one of {names}")));
            continue;
        };
        planned.push(Activity { activity_type, begin, end, reason });
        lines.push(line);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let shift = Shift { id, person, zone, begin, end, activities: planned };
    Ok(PlannedShift { line, shift, activity_lines: lines })
}

/// The clocks of a zone: a table has few zones and many lines.
fn zone_of(name: &str, zones: &mut HashMap<String, TimeZone>) -> Result<TimeZone, String> {
    if let Some(known) = zones.get(name) {
        return Ok(known.clone());
    }
    let clocks = wall_time::zone(name)?;
    zones.insert(name.to_owned(), clocks.clone());
    Ok(clocks)
}
