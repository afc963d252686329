//! What callers are told of a table of people.

use contracts::v1;
use tonic::Status;

use super::refusals::{refused, wire_values};
use super::{LINES_MAX, answers};
use crate::people::{self, TableFault, TableOutcome, TableRefusal};

/// What came of a table. Its faults are an answer and no refusal: they have lines, and are more than fit into headers.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub(super) fn answer(taken: Result<TableOutcome, TableRefusal>) -> Result<v1::ImportPeopleResponse, Status> {
    match taken {
        Ok(TableOutcome { rows, batch, checked }) => Ok(v1::ImportPeopleResponse {
            rows: count(rows),
            changed: count(batch.changed),
            revision: batch.revision.0,
            checked: checked.to_string(),
            repeated_request: batch.is_repeated,
            objects: answers::answer(people::first_changed(batch)).objects,
            ..v1::ImportPeopleResponse::default()
        }),
        Err(TableRefusal::Faults { rows, faults }) => Ok(v1::ImportPeopleResponse {
            rows: count(rows),
            more_faults: count(faults.len().saturating_sub(LINES_MAX)),
            faults: faults.into_iter().take(LINES_MAX).map(told).collect(),
            ..v1::ImportPeopleResponse::default()
        }),
        Err(TableRefusal::Change(refusal)) => Err(refused(refusal)),
    }
}

fn told(fault: TableFault) -> v1::PeopleTableFault {
    v1::PeopleTableFault {
        line: fault.line.map(count).unwrap_or_default(),
        column: fault.column,
        code: fault.rule.code.as_str().to_owned(),
        values: wire_values(fault.rule.values),
        rule: fault.rule.words,
    }
}

fn count(all: usize) -> u32 {
    u32::try_from(all).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broken_rule::BrokenRule;

    #[test]
    fn faults_that_are_left_out_are_counted() {
        let fault = |line: usize| TableFault { line: Some(line), column: String::new(), rule: BrokenRule::needed() };
        for (all, told, more) in [(LINES_MAX, 1_000, 0), (LINES_MAX + 7, 1_000, 7)] {
            let faults = (1..=all).map(fault).collect();
            let answer = answer(Err(TableRefusal::Faults { rows: all, faults })).unwrap();
            assert_eq!((answer.faults.len(), answer.more_faults), (told, more));
            assert_eq!((answer.faults[6].line, answer.faults[6].code.as_str()), (7, "needed"));
        }
    }
}
