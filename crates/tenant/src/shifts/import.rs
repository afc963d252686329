//! A table of shifts on its way into the store.

use std::collections::BTreeSet;

use contracts::provisioning::{ActionCode, folded_name};
use infra::{ChangeNote, ShiftCounts, ShiftSpan, ShiftTerms, Shifts, ShiftsReplaced, StoreError};
use model::TenantId;

use super::rules::{KnownNames, checked};
use super::table::{TableFormat, read};
use super::{KEPT_AFTER_END, PlannedDays, Shift, ShiftFault};

/// A table, and how it is taken.
#[derive(Clone, Debug)]
pub struct ShiftTable {
    /// The table.
    pub text: String,
    /// How it is written.
    pub format: TableFormat,
    /// The days whose shifts it replaces.
    pub days: PlannedDays,
    /// The people whose shifts it replaces, by user names; none means everybody.
    pub people: Vec<String>,
    /// The names that it may have.
    pub names: KnownNames,
    /// It is checked, and nothing is changed.
    pub is_trial: bool,
}

/// What came of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableTaken {
    /// It was taken, or would be: what became of shifts.
    Replaced(ShiftCounts),
    /// Nothing of it was.
    Faulty(Vec<ShiftFault>),
    /// The tenant would have too many shifts.
    TooMany,
}

impl KnownNames {
    /// Those of a tenant.
    pub fn of<'a>(users: impl Iterator<Item = &'a str>, reasons: impl Iterator<Item = &'a ActionCode>) -> Self {
        Self {
            people: users.map(|user| (folded_name(user), user.to_owned())).collect(),
            reasons: reasons.map(|reason| reason.code.clone()).collect(),
        }
    }

    /// Each of these people once, as the person's name is written: not every store compares names as they are compared here.
    fn as_written(&self, people: &[String]) -> Vec<String> {
        let written = people.iter().map(|user| self.people.get(&folded_name(user)).unwrap_or(user));
        written.collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }
}

impl ShiftTable {
    /// The number of its shifts that can be read, and all of them or what is wrong.
    pub fn shifts(&self) -> (usize, Result<Vec<Shift>, Vec<ShiftFault>>) {
        let (planned, mut faults) = read(&self.text, self.format, &self.days);
        let count = planned.len();
        let is_known = |user: &&String| self.names.people.contains_key(&folded_name(user));
        for user in self.people.iter().filter(|user| !is_known(user)) {
            faults.push(ShiftFault::of(0, "people", format!("there is no person {user:.64}")));
        }
        match checked(planned, &self.days, &self.people, &self.names) {
            Ok(shifts) if faults.is_empty() => (count, Ok(shifts)),
            Ok(_) => (count, Err(faults)),
            Err(further) => {
                faults.extend(further);
                faults.sort();
                (count, Err(faults))
            }
        }
    }

    /// Puts shifts that were read in the place of those of its days, as `note` says who has done it and when.
    ///
    /// # Errors
    /// If the store fails, or refuses the names of people who have gone meanwhile.
    pub async fn put(
        self,
        store: &dyn Shifts,
        tenant: &TenantId,
        shifts: Vec<Shift>,
        note: &ChangeNote,
    ) -> Result<TableTaken, StoreError> {
        let stored = shifts.iter().map(Shift::stored).collect::<Result<Vec<_>, _>>()?;
        let span = ShiftSpan { from: self.days.from, to: self.days.to, people: self.names.as_written(&self.people) };
        let terms = ShiftTerms { is_trial: self.is_trial, forget_before: note.at - KEPT_AFTER_END };
        Ok(match store.replace_shifts(tenant, &span, &stored, terms, note).await? {
            ShiftsReplaced::Replaced(counts) => TableTaken::Replaced(counts),
            ShiftsReplaced::Overlap { id, other } => {
                let rule = format!("the shift {id} is at the same time as {other}, which stays");
                TableTaken::Faulty(vec![ShiftFault::of(0, "shift", rule)])
            }
            ShiftsReplaced::TooMany => TableTaken::TooMany,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_asked_for_once_as_they_are_written() {
        let names = KnownNames::of(["Özlem", "ada"].into_iter(), std::iter::empty());
        let asked = ["özlem", "ADA", "ÖZLEM", "ada"].map(str::to_owned);
        assert_eq!(names.as_written(&asked), ["ada", "Özlem"]);
    }
}
