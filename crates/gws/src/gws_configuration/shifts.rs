//! When people work, in the form in which desktops are told of it.

use contracts::v1;
use serde::Deserialize;
use serde_json::{Value, json};

/// Whose shifts are wanted, and of when, in milliseconds since 1970.
#[derive(Deserialize)]
pub(super) struct WantedShifts {
    pub people: Vec<String>,
    pub from: u64,
    pub to: u64,
}

/// Shifts that were read, and whether there are more.
pub(super) fn answer(read: v1::ReadShiftsResponse) -> Value {
    let shifts: Vec<Value> = read.shifts.into_iter().map(shown).collect();
    json!({"shifts": shifts, "isPart": read.more})
}

fn shown(shift: v1::Shift) -> Value {
    let activities: Vec<Value> = shift.activities.into_iter().map(activity).collect();
    json!({
        "id": shift.id, "userName": shift.person, "begin": shift.begin_ms, "end": shift.end_ms,
        "timeZone": shift.zone, "activities": activities,
    })
}

/// Published clients take no null, so that what is not there is left out.
fn activity(activity: v1::ShiftActivity) -> Value {
    let mut shown = json!({"type": activity.r#type, "begin": activity.begin_ms, "end": activity.end_ms});
    if !activity.reason.is_empty() {
        shown["reasonCode"] = activity.reason.into();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_told_with_what_is_planned_within_it() {
        let part = |kind: &str, begin_ms, reason: &str| v1::ShiftActivity {
            r#type: kind.to_owned(),
            begin_ms,
            end_ms: begin_ms + 10,
            reason: reason.to_owned(),
        };
        let shift = v1::Shift {
            id: "s1".to_owned(),
            person: "ada".to_owned(),
            begin_ms: 1,
            end_ms: 100,
            zone: "Europe/Berlin".to_owned(),
            activities: vec![part("break", 20, "Tea"), part("meeting", 40, "")],
        };
        let due = json!({
            "shifts": [{
                "id": "s1", "userName": "ada", "begin": 1, "end": 100, "timeZone": "Europe/Berlin",
                "activities": [
                    {"type": "break", "begin": 20, "end": 30, "reasonCode": "Tea"},
                    {"type": "meeting", "begin": 40, "end": 50},
                ],
            }],
            "isPart": false,
        });
        assert_eq!(answer(v1::ReadShiftsResponse { shifts: vec![shift], more: false }), due);
    }
}
