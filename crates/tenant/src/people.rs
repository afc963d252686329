//! People as a table: lists of a personnel department in, and out again. Every line that cannot be taken is named, and then nothing is.

mod check;
pub(crate) mod csv;
mod row;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use contracts::provisioning::{FaultCode, ObjectKey, ObjectKind, Person, folded_name};
use infra::{ChangeNote, ProvisioningStore};
use model::TenantId;

use crate::broken_rule::BrokenRule;
use crate::objects::{
    self, Batch, BatchOutcome, CallerRights, ChangeRefusal, HeldTenants, IndexedTenant, ObjectEdit, ObjectFault,
};

pub use check::CheckedTable;

/// The largest table, in bytes.
pub const TABLE_BYTES_MAX: usize = 96 << 20;
/// The most people in a table: as many as a tenant's file may have.
pub const ROWS_MAX: usize = model::plan::PEOPLE_MAX;
/// The most people who change in the answer to a table.
const CHANGED_MAX: usize = 1_000;

/// A fault of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableFault {
    /// The line, from 1; none for one that is not in the table but would break a rule with it.
    pub line: Option<usize>,
    /// The column; empty for the line as a whole.
    pub column: String,
    /// The rule.
    pub rule: BrokenRule,
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
    #[error("{} in the table:{}", count(.faults.len()), lines(.faults))]
    Faults {
        /// The number of people in the table, as far as it could be read.
        rows: usize,
        /// The faults.
        faults: Vec<TableFault>,
    },
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

/// What came of a table that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOutcome {
    /// The number of people in the table.
    pub rows: usize,
    /// What they have changed.
    pub batch: BatchOutcome,
    /// What was looked at: an import that names it takes what this outcome says, or nothing.
    pub checked: CheckedTable,
}

/// What a table asks for.
#[derive(Default)]
struct ReadTable {
    /// The number of its lines with people.
    rows: usize,
    /// Those of its good lines.
    edits: Vec<ObjectEdit>,
    /// The line of each.
    lines: HashMap<ObjectKey, usize>,
    /// Those of the others.
    faults: Vec<TableFault>,
}

impl ReadTable {
    /// A table of which nothing can be taken.
    fn wrong(line: usize, rule: BrokenRule) -> Self {
        let faults = vec![TableFault { line: Some(line), column: String::new(), rule }];
        Self { faults, ..Self::default() }
    }
}

/// How a table is imported.
#[derive(Clone, Debug)]
pub struct ImportTerms {
    /// Whether it is checked alone, and nothing is stored.
    pub is_trial: bool,
    /// The most people with passwords or PINs in clear.
    pub passwords_max: usize,
    /// Whether the outcome has the documents of the people who change.
    pub with_documents: bool,
    /// The user name of the person whose rights limit it; none for roles, programs and who runs the installation.
    pub person: Option<String>,
    /// What the check of the same table has answered: nothing is taken if one of its people is not as at that time.
    pub checked: Option<CheckedTable>,
}

/// Puts the people of a table; others stay as they are, and so do fields whose columns the table does not have. In a trial nothing is
/// stored. The table is read and checked beside the executor.
///
/// # Errors
/// Every fault of every line, or why the change was refused.
pub async fn import(
    store: &dyn ProvisioningStore,
    held: &HeldTenants,
    tenant: &TenantId,
    table: String,
    note: &ChangeNote,
    terms: ImportTerms,
) -> Result<TableOutcome, TableRefusal> {
    let shared = held.fresh(store, tenant).await.map_err(ChangeRefusal::from)?;
    let shared = shared.ok_or_else(|| ChangeRefusal::NoTenant(tenant.clone()))?;
    let ImportTerms { passwords_max, with_documents, person, checked: expected, .. } = terms;
    let user = person.clone();
    let table = Arc::new(table);
    let lines = table.clone();
    let edits_of = move |people: &HashMap<String, Person>| read(&lines, |user| people.get(&folded_name(user))).edits;
    let look = move |held: &IndexedTenant| {
        let rights = user.map(|user| CallerRights::of(held, &user));
        // Whom the one who asks does not see is not there: what a line needs would tell what they are.
        let is_seen = |user: &str| {
            let found = held.found(&ObjectKey { kind: ObjectKind::Person, id: user.to_owned() });
            rights.as_ref().is_none_or(|rights| found.is_none_or(|found| rights.may_see(found)))
        };
        let mut read = read(&table, |user| held.person(user).filter(|_| is_seen(user)));
        let stale = expected.map(|checked| checked.bind(&mut read, held, rights.as_ref())).unwrap_or_default();
        let checked = CheckedTable::of(&read.edits, held, rights.as_ref());
        (read, stale, checked)
    };
    let (read, mut stale, checked) = shared.look(look).await.ok_or(ChangeRefusal::NoTurn)?;
    let ReadTable { rows, edits, lines, mut faults } = read;
    // With faults in some lines the others are checked all the same, so that all faults are told at once.
    let is_trial = terms.is_trial || !faults.is_empty() || !stale.is_empty();
    let batch = Batch { edits, is_trial, passwords_max, with_documents, person, table: Some(Arc::new(edits_of)) };
    let changed = objects::change_held(store, held, tenant, Arc::new(batch), note).await;
    match changed {
        Err(ChangeRefusal::Faults(broken) | ChangeRefusal::Referred(broken) | ChangeRefusal::NotPermitted(broken)) => {
            faults.extend(broken.into_iter().map(|fault| placed(fault, &lines)));
        }
        Err(ChangeRefusal::Stale(objects)) if expected.is_some() => {
            stale.extend(check::just_changed(&lines, objects));
        }
        Err(other) => return Err(other.into()),
        // Who has changed them since may be the same import, which is repeated.
        Ok(batch) if faults.is_empty() && (stale.is_empty() || batch.is_repeated) => {
            return Ok(TableOutcome { rows, batch, checked });
        }
        Ok(_) => {}
    }
    faults.extend(stale);
    faults.sort();
    Err(TableRefusal::Faults { rows, faults })
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
        // Its words say of whom they are, which no code does.
        None => TableFault { line: None, column: String::new(), rule: BrokenRule::other(fault.to_string()) },
    }
}

/// What a table asks for; `present` finds a person who is there already.
fn read<'a>(table: &str, present: impl Fn(&str) -> Option<&'a Person>) -> ReadTable {
    if table.len() > TABLE_BYTES_MAX {
        let rule = BrokenRule::new(FaultCode::TooLarge, format!("the table has more than {TABLE_BYTES_MAX} bytes"));
        return ReadTable::wrong(1, rule.naming("most", TABLE_BYTES_MAX.to_string()));
    }
    let table = table.trim_start_matches('\u{feff}');
    let mut records = csv::records(table, delimiter_of(table));
    let head = match records.next() {
        Some(Ok(head)) => head,
        Some(Err(wrong)) => return ReadTable::wrong(wrong.line, BrokenRule::new(FaultCode::Quote, wrong.rule)),
        None => return ReadTable::wrong(1, BrokenRule::new(FaultCode::Needed, "the table is empty")),
    };
    let columns = match row::columns(&head.cells) {
        Ok(columns) => columns,
        Err(faults) => {
            let at = |(column, rule): (String, BrokenRule)| TableFault { line: Some(head.line), column, rule };
            let faults = faults.into_iter().map(at).collect();
            return ReadTable { rows: records.filter(Result::is_ok).count(), faults, ..ReadTable::default() };
        }
    };
    let (mut read, mut seen) = (ReadTable::default(), HashMap::new());
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(wrong) => return ReadTable::wrong(wrong.line, BrokenRule::new(FaultCode::Quote, wrong.rule)),
        };
        read.rows += 1;
        if read.rows > ROWS_MAX {
            let rule = BrokenRule::new(FaultCode::TooMany, format!("the table has more than {ROWS_MAX} people"));
            return ReadTable::wrong(1, rule.naming("most", ROWS_MAX.to_string()));
        }
        let mut fault =
            |column: String, rule: BrokenRule| read.faults.push(TableFault { line: Some(record.line), column, rule });
        match row::edit(&columns, &record.cells, &present) {
            Ok(edit) => match seen.insert(folded_name(&edit.key.id), record.line) {
                None => {
                    read.lines.insert(edit.key.clone(), record.line);
                    read.edits.push(edit);
                }
                Some(before) => {
                    let rule = BrokenRule::new(FaultCode::LineTwice, format!("it stands on line {before} already"));
                    fault("user_name".to_owned(), rule.naming("line", before.to_string()));
                }
            },
            Err(wrong) => wrong.into_iter().for_each(|(column, rule)| fault(column, rule)),
        }
    }
    read
}

/// Spreadsheets write semicolons where the comma is in numbers.
fn delimiter_of(table: &str) -> char {
    let head = table.lines().next().unwrap_or_default();
    if head.contains(';') && !head.contains(',') { ';' } else { ',' }
}

/// The people of a tenant as a table, without secrets: what is imported again changes nothing.
pub fn export<'a>(people: impl IntoIterator<Item = &'a Person>) -> String {
    let mut table = csv::line(&row::exported_columns());
    for person in people {
        table.push_str(&csv::line(&row::exported(person)));
    }
    table
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{Folder, FolderPermission, Object, ObjectAnnex, TenantObjects};
    use infra::ObjectChange;

    use super::*;
    use crate::objects::test_one_tenant::OneTenant;

    fn example() -> TenantObjects {
        let text = include_str!("../../../data/example-tenant.yaml");
        crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example")
    }

    fn read(table: &str) -> ReadTable {
        let people = example().people;
        super::read(table, |user| people.iter().find(|person| folded_name(&person.user_name) == folded_name(user)))
    }

    fn told(table: &str) -> Vec<String> {
        read(table).faults.iter().map(ToString::to_string).collect()
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
    fn a_line_is_told_with_all_that_is_wrong_in_it() {
        let table = "user_name,first_name,last_name,agent_id,skills\nann,Ann,,1,Sales=high\n,Bob,,2,Sales\n";
        let expected = [
            "line 2, column skills: Sales=high is not as Sales=5, with | between several",
            "line 2, column last_name: it is needed",
            "line 3, column skills: Sales is not as Sales=5, with | between several",
            "line 3, column user_name: it is needed",
            "line 3, column last_name: it is needed",
        ];
        assert_eq!(told(table), expected);
    }

    #[test]
    fn a_wrong_head_is_told() {
        assert_eq!(
            told("user_name,emial\n"),
            [
                "line 1, column emial: there is no such column; there are user_name, first_name, last_name, email, password, privileges, disabled, agent_id, login_code, pin, place, wrap_up_s, skills, external_id, change_password"
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
        assert!(table.contains("\nada.adler,Ada,Adler,,agent,false,1001,1001,P7101,1,Sales=5,,false\n"), "{table}");
        assert!(!table.contains("generated"), "{table}");
        let read = read(&table);
        assert_eq!((read.edits.len(), read.faults), (example().people.len(), Vec::new()));
        assert_eq!(read.rows, read.edits.len());
    }

    #[test]
    fn a_table_has_as_many_people_as_a_tenant_may_have() {
        let table = |rows: usize| (0..rows).fold("user_name\n".to_owned(), |table, row| table + &format!("u{row}\n"));
        let most = read(&table(ROWS_MAX));
        assert_eq!((most.rows, most.faults.len()), (ROWS_MAX, 0));
        assert_eq!(told(&table(ROWS_MAX + 1)), ["line 1: the table has more than 150000 people"]);
    }

    #[tokio::test]
    async fn a_table_is_tried_and_imported_and_the_tenant_is_read_once() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let at = model::Timestamp::from_millis(1_700_000_000_000);
        let (by, origin) = ("user/test".to_owned(), infra::ChangeOrigin::default());
        let note = ChangeNote { by, way: infra::ChangeWay::Grpc, origin, at, request: None };
        let import = |table: &str, is_trial| {
            let terms = terms(is_trial, None);
            let (store, held, note, table) = (&store, &held, &note, table.to_owned());
            async move { super::import(store, held, &store.id(), table, note, terms).await }
        };
        let table = "user_name,first_name,last_name\nnew1,New,One\nADA.adler,Ada,Adler\n";
        let faults = match import(table, true).await {
            Err(TableRefusal::Faults { rows: 2, faults }) => faults,
            other => panic!("{other:?}"),
        };
        assert!(faults[0].rule.words.ends_with("alone: ada.adler"), "{faults:?}");
        let table = table.replace("ADA", "ada");
        for (is_trial, revision) in [(true, 1), (false, 2)] {
            let outcome = import(&table, is_trial).await.unwrap();
            assert_eq!((outcome.rows, outcome.batch.changed, outcome.batch.revision.0), (2, 1, revision));
        }
        assert_eq!(store.reads(), 1);
    }

    const fn terms(is_trial: bool, checked: Option<CheckedTable>) -> ImportTerms {
        ImportTerms { is_trial, passwords_max: 0, with_documents: false, person: None, checked }
    }

    #[tokio::test]
    async fn a_table_that_is_sent_again_is_told_by_what_its_lines_ask_for() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let at = model::Timestamp::from_millis(1_700_000_000_000);
        let (by, origin) = ("user/test".to_owned(), infra::ChangeOrigin::default());
        let note = ChangeNote { by, way: infra::ChangeWay::Rest, origin, at, request: None };
        let named = ChangeNote { request: Some("hr".to_owned()), ..note.clone() };
        let import = |table: &str, note: &ChangeNote| {
            let terms = ImportTerms { with_documents: true, ..terms(false, None) };
            let (store, held, table, note) = (&store, &held, table.to_owned(), note.clone());
            async move { super::import(store, held, &store.id(), table, &note, terms).await }
        };
        let before = "user_name,first_name,last_name,email,agent_id\nsoon,So,On,so@example.com,\nonce,On,Ce,,3102\n";
        import(before, &note).await.unwrap();
        // One is made, one becomes an agent, one ceases to be one, and one stays as he is.
        let table = "user_name,first_name,last_name,disabled,agent_id\nnew,New,One,true,\nsoon,So,On,false,3101\n\
                     once,On,Ce,false,\nben.brook,Ben,Brook,false,1002\n";
        let done = import(table, &named).await.unwrap().batch;
        assert_eq!((done.changed, done.is_repeated), (3, false));
        for (number, changed) in (1..).zip(done.documents) {
            let objects::ChangedDocuments { key, before, after } = changed;
            let (revision, note, secrets_changed) = (done.revision, named.clone(), false);
            store.has_noted(infra::HistoryEntry { number, revision, note, key, before, after, secrets_changed });
        }
        let corrected = [
            table.replace("One,true", "One,false"),
            table.replace("3101", "3103"),
            table.replace("false,3101", "false,"),
            table.replace("Ce,false,", "Ce,false,3102"),
            table.replace("Ben,", "Benjamin,"),
            table.replace("disabled", "change_password"),
        ];
        let is_told_by_lines = async || {
            let again = import(table, &named).await.unwrap().batch;
            assert_eq!((again.changed, again.is_repeated, again.revision), (3, true, done.revision));
            for other in &corrected {
                let refused = import(other, &named).await.unwrap_err();
                assert!(matches!(refused, TableRefusal::Change(ChangeRefusal::RequestReused)), "{other}: {refused}");
            }
        };
        is_told_by_lines().await;
        // Whoever has changed them since says nothing of it.
        import("user_name,first_name,agent_id\nnew,Newer,\nonce,On,3104\n", &note).await.unwrap();
        let soon = ObjectKey { kind: ObjectKind::Person, id: "soon".to_owned() };
        store.change(vec![ObjectChange::Delete(soon)]);
        is_told_by_lines().await;
    }

    #[tokio::test]
    async fn a_table_takes_what_its_check_has_shown_or_names_who_was_changed_since() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let at = model::Timestamp::from_millis(1_700_000_000_000);
        let (by, origin) = ("user/test".to_owned(), infra::ChangeOrigin::default());
        let note = ChangeNote { by, way: infra::ChangeWay::Grpc, origin, at, request: None };
        let import = |table: &str, terms: ImportTerms| {
            let (store, held, note, table) = (&store, &held, &note, table.to_owned());
            async move { super::import(store, held, &store.id(), table, note, terms).await }
        };
        let table = "user_name,first_name,last_name\nnew1,New,One\nada.adler,Ada,Best\nben.brook,Ben,Brook\n";
        let checked = import(table, terms(true, None)).await.unwrap().checked;
        assert_eq!((checked.to_string().as_str(), CheckedTable::parse("1-2")), ("1-2", Some(checked)));
        // Somebody who is not in the table says nothing of it.
        import("user_name,first_name,last_name\nother,An,Other\n", terms(false, None)).await.unwrap();
        import("user_name,first_name\nada.adler,Augusta\n", terms(false, None)).await.unwrap();
        let faults = match import(table, terms(false, Some(checked))).await {
            Err(TableRefusal::Faults { rows: 3, faults }) => faults,
            other => panic!("{other:?}"),
        };
        let told: Vec<_> = faults.iter().map(|fault| (fault.line, fault.rule.code)).collect();
        assert_eq!(told, [(Some(3), FaultCode::Stale)], "{faults:?}");
        let again = import(table, terms(true, None)).await.unwrap().checked;
        assert_eq!(import(table, terms(false, Some(again))).await.unwrap().batch.changed, 2);
    }

    #[tokio::test]
    async fn a_table_is_not_taken_where_one_of_its_people_is_gone_since_its_check() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let at = model::Timestamp::from_millis(1_700_000_000_000);
        let (by, origin) = ("user/test".to_owned(), infra::ChangeOrigin::default());
        let note = ChangeNote { by, way: infra::ChangeWay::Grpc, origin, at, request: None };
        let made = "user_name,first_name,last_name\nnew1,New,One\n".to_owned();
        super::import(&store, &held, &store.id(), made.clone(), &note, terms(false, None)).await.unwrap();
        let checked = super::import(&store, &held, &store.id(), made.clone(), &note, terms(true, None)).await.unwrap();
        let key = ObjectKey { kind: contracts::provisioning::ObjectKind::Person, id: "new1".to_owned() };
        store.change(vec![infra::ObjectChange::Delete(key)]);
        let taken = super::import(&store, &held, &store.id(), made, &note, terms(false, Some(checked.checked))).await;
        let Err(TableRefusal::Faults { faults, .. }) = taken else { panic!("{taken:?}") };
        assert_eq!(faults[0].to_string(), "outside the table: 1 of its people were removed since it was checked");
    }

    #[tokio::test]
    async fn of_a_line_about_somebody_unseen_no_more_is_told_than_of_one_about_nobody() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let shut =
            FolderPermission { person: Some("ben.brook".to_owned()), no_access: true, ..FolderPermission::default() };
        let folder = Folder { path: "Away".to_owned(), description: None, permissions: vec![shut] };
        let ada = ObjectKey { kind: ObjectKind::Person, id: "ada.adler".to_owned() };
        let away = ObjectAnnex { folder: Some("Away".to_owned()), ..ObjectAnnex::default() };
        store.change(vec![ObjectChange::Put(Object::Folder(Box::new(folder))), ObjectChange::Annex(ada, away)]);
        let at = model::Timestamp::from_millis(1_700_000_000_000);
        let (by, origin) = ("person/ben.brook".to_owned(), infra::ChangeOrigin::default());
        let note = ChangeNote { by, way: infra::ChangeWay::Rest, origin, at, request: None };
        let import = |user: &str, columns: &str| {
            let person = Some("ben.brook".to_owned());
            let terms = ImportTerms { person, ..terms(true, None) };
            let table = format!("user_name,first_name,last_name,{columns}\n{user},A,Person,1\n");
            let (store, held, note) = (&store, &held, &note);
            async move { super::import(store, held, &store.id(), table, note, terms).await.unwrap_err() }
        };
        // She is an agent, and has a wrap-up time: another one would do.
        for columns in ["wrap_up_s", "login_code", "skills"] {
            let (unseen, nobody) = (import("ada.adler", columns).await, import("nobody", columns).await);
            assert!(matches!(&nobody, TableRefusal::Faults { .. }), "{columns}: {nobody}");
            assert_eq!(unseen.to_string(), nobody.to_string(), "{columns}");
        }
        // That the name is taken is told to whoever would make somebody of it.
        let taken = import("ada.adler", "external_id").await;
        let TableRefusal::Faults { faults, .. } = &taken else { panic!("{taken}") };
        assert_eq!((faults[0].line, faults[0].rule.code), (Some(2), FaultCode::NotPermitted), "{taken}");
    }
}
