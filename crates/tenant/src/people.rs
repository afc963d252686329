//! People as a table: lists of a personnel department in, and out again. Every line that cannot be taken is named, and then nothing is.

mod csv;
mod row;

use std::collections::{HashMap, HashSet};
use std::fmt;

use contracts::provisioning::{ObjectKey, Person};
use infra::{ChangeNote, ProvisioningStore};
use model::TenantId;

use crate::objects::{self, Batch, BatchOutcome, ChangeRefusal, ObjectEdit, ObjectFault};

/// The largest table, in bytes.
pub const TABLE_BYTES_MAX: usize = 32 << 20;
/// The most people in a table: as many as a tenant may have.
pub const ROWS_MAX: usize = 50_000;
/// The most people who change in the answer to a table.
const CHANGED_MAX: usize = 50;

/// A fault of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableFault {
    /// The line, from 1; none for one that is not in the table but would break a rule with it.
    pub line: Option<usize>,
    /// The column; empty for the line as a whole.
    pub column: String,
    /// The rule, for a human reader.
    pub rule: String,
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column.as_str()) {
            (Some(line), "") => write!(f, "line {line}: {}", self.rule),
            (Some(line), column) => write!(f, "line {line}, column {column}: {}", self.rule),
            (None, _) => write!(f, "outside the table: {}", self.rule),
        }
    }
}

/// Why a table was not imported. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum TableRefusal {
    /// Its faults, by line.
    #[error("{} in the table:{}", count(.0.len()), lines(.0))]
    Faults(Vec<TableFault>),
    /// Another reason.
    #[error(transparent)]
    Change(#[from] ChangeRefusal),
}

fn count(faults: usize) -> String {
    format!("{faults} {}", if faults == 1 { "fault" } else { "faults" })
}

fn lines(faults: &[TableFault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

/// An edit and the line that asks for it.
struct AskedEdit {
    line: usize,
    edit: ObjectEdit,
}

/// How a table is imported.
#[derive(Clone, Copy, Debug)]
pub struct ImportTerms {
    /// Whether it is checked alone, and nothing is stored.
    pub is_trial: bool,
    /// The most passwords in clear.
    pub passwords_max: usize,
    /// Whether the outcome has the documents of the people who change.
    pub with_documents: bool,
}

/// The number of people in a table; 0 for one that cannot be read.
pub fn rows(table: &str) -> usize {
    let table = table.trim_start_matches('\u{feff}');
    csv::records(table, delimiter_of(table)).map_or(0, |records| records.len().saturating_sub(1))
}

/// Puts the people of a table; others stay as they are, and so do fields whose columns the table does not have. In a trial nothing is stored.
///
/// # Errors
/// Every fault of every line, or why the change was refused.
pub async fn import(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    table: &str,
    note: &ChangeNote,
    terms: ImportTerms,
) -> Result<BatchOutcome, TableRefusal> {
    let held = store.load(tenant).await.map_err(ChangeRefusal::from)?;
    let (_, held) = held.ok_or_else(|| ChangeRefusal::NoTenant(tenant.clone()))?;
    let (rows, mut faults) = read(table, &held.people);
    let lines: HashMap<ObjectKey, usize> = rows.iter().map(|row| (row.edit.key.clone(), row.line)).collect();
    let edits: Vec<ObjectEdit> = rows.into_iter().map(|row| row.edit).collect();
    // With faults in some lines the others are checked all the same, so that all faults are told at once.
    let is_trial = terms.is_trial || !faults.is_empty();
    let batch = Batch { edits, is_trial, passwords_max: terms.passwords_max, with_documents: terms.with_documents };
    let changed = objects::change(store, tenant, &batch, note).await;
    match changed {
        Err(ChangeRefusal::Faults(broken) | ChangeRefusal::Referred(broken)) => {
            faults.extend(broken.into_iter().map(|fault| placed(fault, &lines)));
        }
        Err(other) => return Err(other.into()),
        Ok(outcome) if faults.is_empty() => return Ok(outcome),
        Ok(_) => {}
    }
    faults.sort();
    Err(TableRefusal::Faults(faults))
}

/// The outcome with the first people who change alone, as far as their documents were asked for.
pub fn first_changed(mut outcome: BatchOutcome) -> BatchOutcome {
    outcome.documents.truncate(CHANGED_MAX);
    let shown: HashSet<ObjectKey> = outcome.documents.iter().map(|documents| documents.key.clone()).collect();
    outcome.objects.retain(|(key, _)| shown.contains(key));
    outcome
}

/// A broken rule at its place in the table.
fn placed(fault: ObjectFault, lines: &HashMap<ObjectKey, usize>) -> TableFault {
    match lines.get(&fault.key) {
        Some(line) => TableFault { line: Some(*line), column: row::column_of(&fault.field), rule: fault.rule },
        None => TableFault { line: None, column: String::new(), rule: fault.to_string() },
    }
}

/// The edits of a table's good lines, and the faults of the others.
fn read(table: &str, present: &[Person]) -> (Vec<AskedEdit>, Vec<TableFault>) {
    let whole =
        |line: usize, rule: String| (Vec::new(), vec![TableFault { line: Some(line), column: String::new(), rule }]);
    if table.len() > TABLE_BYTES_MAX {
        return whole(1, format!("the table has more than {TABLE_BYTES_MAX} bytes"));
    }
    let table = table.trim_start_matches('\u{feff}');
    let records = match csv::records(table, delimiter_of(table)) {
        Ok(records) => records,
        Err(wrong) => return whole(wrong.line, wrong.rule.to_owned()),
    };
    let Some((head, records)) = records.split_first() else { return whole(1, "the table is empty".to_owned()) };
    if records.len() > ROWS_MAX {
        return whole(1, format!("the table has more than {ROWS_MAX} people"));
    }
    let columns = match row::columns(&head.cells) {
        Ok(columns) => columns,
        Err(faults) => {
            let at = |(column, rule): (String, String)| TableFault { line: Some(head.line), column, rule };
            return (Vec::new(), faults.into_iter().map(at).collect());
        }
    };
    let present: HashMap<String, &Person> =
        present.iter().map(|person| (person.user_name.to_lowercase(), person)).collect();
    let (mut rows, mut faults, mut seen) = (Vec::new(), Vec::new(), HashMap::new());
    for record in records {
        let mut fault =
            |column: String, rule: String| faults.push(TableFault { line: Some(record.line), column, rule });
        match row::edit(&columns, &record.cells, |user| present.get(&user.to_lowercase()).copied()) {
            Ok(edit) => match seen.insert(edit.key.id.to_lowercase(), record.line) {
                None => rows.push(AskedEdit { line: record.line, edit }),
                Some(before) => fault("user_name".to_owned(), format!("it stands on line {before} already")),
            },
            Err(wrong) => wrong.into_iter().for_each(|(column, rule)| fault(column, rule)),
        }
    }
    (rows, faults)
}

/// Spreadsheets write semicolons where the comma is in numbers.
fn delimiter_of(table: &str) -> char {
    let head = table.lines().next().unwrap_or_default();
    if head.contains(';') && !head.contains(',') { ';' } else { ',' }
}

/// The people of a tenant as a table, without secrets: what is imported again changes nothing.
pub fn export(people: &[Person]) -> String {
    let mut table = csv::line(&row::exported_columns());
    for person in people {
        table.push_str(&csv::line(&row::exported(person)));
    }
    table
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::TenantObjects;

    use super::*;

    fn example() -> TenantObjects {
        let text = include_str!("../../../data/example-tenant.yaml");
        crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example")
    }

    fn told(table: &str) -> Vec<String> {
        read(table, &example().people).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_faulty_line_is_told_with_its_column() {
        let table = "user_name,first_name,disabled,wrap_up_s,skills,agent_id\n\
                     ann,Ann,perhaps,,,\n\
                     bob,Bob,false,ten,Sales=high,1\n\
                     ,Nobody,,,,\n\
                     bob2,Bob,,,,\n\
                     BOB2,Bob,,,,\n\
                     eve,Eve,,5,,\n\
                     joe,Joe\n";
        let expected = [
            "line 2, column disabled: it is true or false",
            "line 3, column wrap_up_s: it is a whole number",
            "line 3, column skills: Sales=high is not as Sales=5, with | between several",
            "line 4, column user_name: it is needed",
            "line 6, column user_name: it stands on line 5 already",
            "line 7, column wrap_up_s: it needs an agent_id",
            "line 8: it has 2 cells, the head has 6",
        ];
        assert_eq!(told(table), expected);
    }

    #[test]
    fn a_wrong_head_is_told() {
        assert_eq!(
            told("user_name,emial\n"),
            [
                "line 1, column emial: there is no such column; there are user_name, first_name, last_name, email, password, privileges, disabled, agent_id, login_code, pin, place, wrap_up_s, skills"
            ]
        );
        assert_eq!(told("email\n"), ["line 1, column user_name: it is needed"]);
        assert_eq!(told("user_name;email;email\n"), ["line 1, column email: it stands there twice"]);
        assert_eq!(told(""), ["line 1: the table is empty"]);
        assert_eq!(told("user_name\n\"ann\n"), ["line 2: a quote is opened and not closed"]);
    }

    #[test]
    fn what_is_exported_has_no_secret_and_a_line_for_each_person() {
        let table = export(&example().people);
        assert_eq!(table.lines().count(), 1 + example().people.len());
        assert!(
            table.starts_with("user_name,first_name,last_name,email,privileges,disabled,agent_id,login_code,place,")
        );
        assert!(table.contains("\nada.adler,Ada,Adler,,agent,false,1001,1001,P7101,1,Sales=5\n"), "{table}");
        assert!(!table.contains("generated"), "{table}");
        let (rows, faults) = read(&table, &example().people);
        assert_eq!((rows.len(), faults), (example().people.len(), Vec::new()));
        assert_eq!(super::rows(&table), rows.len());
    }
}
