//! Which rules the shifts of a table keep together.

use std::collections::{BTreeMap, HashMap, HashSet};

use contracts::provisioning::folded_name;
use infra::bounds::SHIFT_LENGTH_MAX;

use super::{ActivityType, FAULTS_MAX, PlannedDays, PlannedShift, Shift, ShiftFault};

/// The names that a table may have.
#[derive(Clone, Debug, Default)]
pub struct KnownNames {
    /// User names as they are written, by their folded forms.
    pub people: HashMap<String, String>,
    /// Codes of reasons.
    pub reasons: HashSet<String>,
}

/// The shifts of a table, each with its person's name as the person writes it and its activities in their order; or all that is wrong.
///
/// `people` are those whose shifts are replaced, by user names; none means everybody.
///
/// # Errors
/// The faults, by line.
pub fn checked(
    planned: Vec<PlannedShift>,
    days: &PlannedDays,
    people: &[String],
    names: &KnownNames,
) -> Result<Vec<Shift>, Vec<ShiftFault>> {
    let mut faults = Vec::new();
    let replaced: HashSet<String> = people.iter().map(|user| folded_name(user)).collect();
    let mut lines = HashMap::<String, usize>::new();
    let mut by_person = BTreeMap::<String, Vec<(usize, Shift)>>::new();
    for one in planned {
        if faults.len() >= FAULTS_MAX {
            break;
        }
        if let Some(first) = lines.insert(one.shift.id.clone(), one.line) {
            faults.push(ShiftFault::of(one.line, "shift", format!("line {first} has a shift of this name")));
        }
        let folded = folded_name(&one.shift.person);
        let written = names.people.get(&folded);
        match written {
            None => faults.push(ShiftFault::of(one.line, "person", "there is no such person")),
            Some(_) if !replaced.is_empty() && !replaced.contains(&folded) => {
                faults.push(ShiftFault::of(one.line, "person", "the shifts of this person are not replaced"));
            }
            Some(_) => {}
        }
        faults.extend(of_shift(&one, days, names));
        let PlannedShift { line, mut shift, .. } = one;
        shift.activities.sort_by_key(|activity| activity.begin);
        if let Some(written) = written {
            shift.person.clone_from(written);
        }
        by_person.entry(folded).or_default().push((line, shift));
    }
    for shifts in by_person.values_mut() {
        shifts.sort_by_key(|(_, shift)| shift.begin);
        faults.extend(shifts.windows(2).filter_map(at_the_same_time));
    }
    if !faults.is_empty() {
        faults.sort();
        return Err(faults);
    }
    Ok(by_person.into_values().flatten().map(|(_, shift)| shift).collect())
}

/// Two shifts of a person, the one that begins first first.
fn at_the_same_time(two: &[(usize, Shift)]) -> Option<ShiftFault> {
    let [(line, first), (other, second)] = two else { return None };
    let rule = format!("the person has another shift then, that of line {line}");
    (second.begin < first.end).then(|| ShiftFault::of(*other, "begin", rule))
}

/// What is wrong with a shift by itself.
fn of_shift(one: &PlannedShift, days: &PlannedDays, names: &KnownNames) -> Vec<ShiftFault> {
    let (line, shift) = (one.line, &one.shift);
    let mut faults = Vec::new();
    if shift.begin < days.from || shift.begin >= days.to {
        faults.push(ShiftFault::of(line, "begin", "it is outside the days that are replaced"));
    }
    if shift.end <= shift.begin {
        faults.push(ShiftFault::of(line, "end", "it must be after the begin"));
    } else if shift.end.since(shift.begin) > SHIFT_LENGTH_MAX {
        let hours = SHIFT_LENGTH_MAX.as_secs() / 3_600;
        faults.push(ShiftFault::of(line, "end", format!("a shift has at most {hours} hours")));
    }
    let mut in_order: Vec<_> = shift.activities.iter().zip(&one.activity_lines).collect();
    in_order.sort_by_key(|(activity, _)| activity.begin);
    for (activity, line) in &in_order {
        if activity.end <= activity.begin {
            faults.push(ShiftFault::of(**line, "activity_end", "it must be after activity_begin"));
        }
        if activity.begin < shift.begin || activity.end > shift.end {
            faults.push(ShiftFault::of(**line, "activity_begin", "the activity is not within its shift"));
        }
        match &activity.reason {
            Some(_) if activity.activity_type == ActivityType::Work => {
                faults.push(ShiftFault::of(**line, "reason", "whoever works is ready: there is no reason"));
            }
            Some(reason) if !names.reasons.contains(reason) => {
                faults.push(ShiftFault::of(**line, "reason", format!("the tenant has no reason {reason:.64}")));
            }
            Some(_) | None => {}
        }
    }
    for two in in_order.windows(2) {
        if let [(first, _), (second, line)] = two
            && second.begin < first.end
        {
            faults.push(ShiftFault::of(**line, "activity_begin", "the shift has another activity then"));
        }
    }
    faults
}
