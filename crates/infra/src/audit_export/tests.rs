//! Records with all that is declared of them; a log that fails, and nodes that overlap.

use std::sync::{Arc, Mutex};

use contracts::reporting::topic;
use model::TenantId;

use super::*;
use crate::conformance::{NoProvisioning, SetClock};
use crate::embedded::Embedded;
use crate::{Answer, AuditOutbox, ChangeOrigin, ReportingLog, ShiftSpan, StoreError, key_of_shifts};

const AT: Timestamp = Timestamp::from_millis(1_795_169_819_344);

/// Rows that wait, how often they cannot be taken away, and behind which tenants they were asked for.
#[derive(Default)]
struct WaitingRows(Mutex<Vec<AuditEntry>>, Mutex<u32>, Mutex<Vec<String>>);

impl AuditOutbox for WaitingRows {
    fn waiting<'a>(&'a self, at_most: u32, after: &'a str) -> Answer<'a, AuditBatch> {
        self.2.lock().unwrap().push(after.to_owned());
        let entries: Vec<AuditEntry> = self.0.lock().unwrap().iter().take(at_most as usize).cloned().collect();
        let last = entries.last().map(|entry| entry.tenant.clone());
        Box::pin(async { Ok(AuditBatch { entries, last }) })
    }

    fn waits_since(&self) -> Answer<'_, Option<Timestamp>> {
        let first = self.0.lock().unwrap().first().map(|entry| entry.at);
        Box::pin(async move { Ok(first) })
    }

    fn sent<'a>(&'a self, places: &'a [u64]) -> Answer<'a, ()> {
        let mut failures = self.1.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Box::pin(async { Err(StoreError::Unavailable { reason: "database is locked".to_owned() }) });
        }
        self.0.lock().unwrap().retain(|entry| !places.contains(&entry.place));
        Box::pin(async { Ok(()) })
    }
}

/// A log that fails so often, after it has taken half of what it was given.
#[derive(Default)]
struct FailingLog {
    failures: Mutex<u32>,
    lines: Mutex<Vec<LogRecord>>,
}

impl ReportingLog for FailingLog {
    fn append(&self, records: Vec<LogRecord>) -> Answer<'_, Vec<Refused>> {
        let mut failures = self.failures.lock().unwrap();
        let fails = *failures > 0;
        *failures = failures.saturating_sub(1);
        let taken = if fails { records.len() / 2 } else { records.len() };
        self.lines.lock().unwrap().extend(records.into_iter().take(taken));
        Box::pin(async move {
            match fails {
                true => Err(StoreError::Unavailable { reason: "away".to_owned() }),
                false => Ok(Vec::new()),
            }
        })
    }
}

fn stores(rows: &Arc<WaitingRows>, log: &Arc<FailingLog>) -> Stores {
    let clock = SetClock::at(AT);
    let embedded = Arc::new(Embedded::in_memory(clock.clone()));
    let stores = Stores::of(embedded, log.clone(), Arc::new(NoProvisioning), clock);
    Stores { audit_outbox: rows.clone(), ..stores }
}

fn change() -> AuditedChange {
    AuditedChange {
        revision: 12,
        by: "person/grace.hopper".to_owned(),
        way: "page".to_owned(),
        origin: ChangeOrigin {
            client: Some("trunkline-pages".to_owned()),
            session: Some("kz2Jx0qbGmQ1c7WlZ5sT3A".to_owned()),
            source: Some("192.0.2.17".to_owned()),
        },
        kind: "skill".to_owned(),
        id: "Sales".to_owned(),
        after: AuditedDocument::Json(r#"{"name":"Sales"}"#.to_owned()),
        ..AuditedChange::default()
    }
}

fn sign_in(event: &str, subject: Option<&str>, by: Option<&str>) -> AuditedSignIn {
    AuditedSignIn {
        event: event.to_owned(),
        subject: subject.map(str::to_owned),
        by: by.map(str::to_owned),
        times: 3,
        ..AuditedSignIn::default()
    }
}

fn entry(place: u64, what: Audited) -> AuditEntry {
    AuditEntry { place, tenant: "example".to_owned(), number: place + 4_000, at: AT, what }
}

fn data(what: Audited) -> Value {
    let record = log_record(entry(1, what));
    serde_json::from_str::<Value>(&record.json).unwrap()["data"].clone()
}

#[test]
fn a_record_has_the_declared_attributes_and_none_besides() {
    let declared = topic(AUDIT).unwrap().records[0];
    let sample: Value = serde_json::from_str(declared.sample.unwrap()).unwrap();
    let record = log_record(entry(711, Audited::Change(change())));
    assert_eq!((record.topic, record.key.as_str()), ("audit", "example"));
    assert_eq!(serde_json::from_str::<Value>(&record.json).unwrap(), sample);
    let mut names: Vec<&str> = declared.data.iter().map(|attribute| attribute.name).collect();
    names.sort_unstable();
    for what in [Audited::Change(change()), Audited::SignIn(sign_in("refused", None, None))] {
        let data = data(what);
        let mut told: Vec<&str> = data.as_object().unwrap().keys().map(String::as_str).collect();
        told.sort_unstable();
        assert_eq!(told, names);
    }
}

#[test]
fn what_was_done_to_an_object_is_told_by_its_documents_and_the_way() {
    let json = || AuditedDocument::Json("{}".to_owned());
    let action = |before, after, way: &str| {
        let change = AuditedChange { before, after, way: way.to_owned(), ..change() };
        data(Audited::Change(change))["Action"].as_str().unwrap().to_owned()
    };
    assert_eq!(action(AuditedDocument::None, json(), "grpc"), "created");
    let snapshot = |before, after| {
        let (kind, id, way) = ("tenant".to_owned(), "before".to_owned(), "snapshot".to_owned());
        let record = log_record(entry(1, Audited::Change(AuditedChange { before, after, way, kind, id, ..change() })));
        let told: Value = serde_json::from_str(&record.json).unwrap();
        [&told["subject"], &told["data"]["Action"], &told["data"]["Kind"]].map(|text| text.as_str().unwrap().to_owned())
    };
    assert_eq!(snapshot(AuditedDocument::None, json()), ["snapshot/before", "created", "snapshot"]);
    assert_eq!(snapshot(json(), AuditedDocument::None), ["snapshot/before", "deleted", "snapshot"]);
    assert_eq!(snapshot(json(), json()), ["snapshot/before", "restored", "snapshot"]);
    let day = ShiftSpan { from: Timestamp::ZERO, to: Timestamp::from_millis(86_400_000), people: Vec::new() };
    let replaced = AuditedChange { kind: "tenant".to_owned(), id: key_of_shifts(&day).id, ..change() };
    let replaced = data(Audited::Change(AuditedChange { before: json(), after: json(), ..replaced }));
    let told = [&replaced["Kind"], &replaced["Action"], &replaced["ObjectID"]].map(|text| text.as_str().unwrap());
    assert_eq!(told, ["shifts", "changed", "1970-01-01T00:00:00.000000Z/1970-01-02T00:00:00.000000Z"]);
    assert_eq!(action(json(), AuditedDocument::TooLong, "telepathy"), "changed");
    assert_eq!(action(AuditedDocument::TooLong, AuditedDocument::None, "snapshot"), "deleted");
    assert_eq!(action(json(), json(), "snapshot"), "restored");
    assert_eq!(action(AuditedDocument::None, json(), "backup"), "restored");
}

#[test]
fn nobody_is_said_to_have_done_what_was_refused() {
    let actor = |event: &str, subject, by| {
        let data = data(Audited::SignIn(sign_in(event, subject, by)));
        (data["Actor"].clone(), data["Kind"].clone(), data["ObjectID"].clone())
    };
    let told = |actor: Option<&str>| (json!(actor), json!("person"), json!("ann"));
    let ann = Some("person/ann");
    assert_eq!(actor("signed_in", ann, None), told(ann));
    assert_eq!(actor("refused", ann, None), told(None));
    assert_eq!(actor("session_ended", ann, None), told(None));
    assert_eq!(actor("session_ended", ann, ann), told(ann));
    assert_eq!(actor("telepathy", ann, None), told(None));
    assert_eq!(actor("refused", None, None), (Value::Null, Value::Null, Value::Null));
}

#[test]
fn documents_that_are_too_long_are_left_out_and_the_record_says_so() {
    let of = |after| data(Audited::Change(AuditedChange { after, ..change() }));
    let whole = of(AuditedDocument::Json(r#"{"name":"Sales"}"#.to_owned()));
    assert_eq!((&whole["Cut"], &whole["After"]["name"]), (&Value::Bool(false), &json!("Sales")));
    let not_read = of(AuditedDocument::TooLong);
    assert_eq!((&not_read["Cut"], &not_read["After"]), (&Value::Bool(true), &Value::Null));
    // Few enough characters, of four bytes each, and escaped on their way.
    let wide = format!(r#"{{"name":"{}"}}"#, "\u{1f4de}".repeat(bounds::LOG_RECORD_BYTES_MAX / 4));
    let cut = of(AuditedDocument::Json(wide));
    assert_eq!((&cut["Cut"], &cut["After"], &cut["Kind"]), (&Value::Bool(true), &Value::Null, &json!("skill")));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_fails_gets_every_record_and_the_first_ones_are_in_order() {
    let (rows, log) = (Arc::new(WaitingRows::default()), Arc::new(FailingLog::default()));
    let stores = stores(&rows, &log);
    let count = u64::from(BATCH) * 2 + 7;
    rows.0.lock().unwrap().extend((0..count).map(|place| entry(place, Audited::Change(change()))));
    *log.failures.lock().unwrap() = 3;
    let me: Owner = "tenant-1.1".parse().unwrap();
    let mut exporter = AuditExporter::default();
    let (mut failed, mut exported) = (0, 0);
    loop {
        match exporter.turn(&stores, &me).await {
            Ok(AuditExported::Here { records, more, .. }) => {
                exported += records as u64;
                if !more {
                    break;
                }
            }
            Ok(AuditExported::Elsewhere) => panic!("nobody else is there"),
            Err(_) => failed += 1,
        }
    }
    assert_eq!((failed, exported, rows.0.lock().unwrap().len()), (3, count, 0));
    let mut first = Vec::new();
    for record in log.lines.lock().unwrap().iter() {
        if !first.contains(&record.id) {
            first.push(record.id.clone());
        }
    }
    let expected: Vec<String> =
        (0..count).map(|place| format!("change:{}:{}", place + 4_000, AT.as_millis())).collect();
    assert_eq!(first, expected);
}

#[tokio::test(start_paused = true)]
async fn a_batch_begins_behind_the_tenant_whose_changes_the_log_has_got_last() {
    let (rows, log) = (Arc::new(WaitingRows::default()), Arc::new(FailingLog::default()));
    let stores = stores(&rows, &log);
    let of = |place, tenant: &str| AuditEntry { tenant: tenant.to_owned(), ..entry(place, Audited::Change(change())) };
    rows.0.lock().unwrap().extend([of(1, "acme"), of(2, "bolt")]);
    *log.failures.lock().unwrap() = 1;
    let me: Owner = "tenant-1.1".parse().unwrap();
    let mut exporter = AuditExporter::default();
    assert!(exporter.turn(&stores, &me).await.is_err());
    for _ in 0..2 {
        exporter.turn(&stores, &me).await.unwrap();
    }
    assert_eq!(*rows.2.lock().unwrap(), ["", "", "bolt"], "after a failure the same rows are next");
}

#[tokio::test(start_paused = true)]
async fn one_node_exports_at_a_time() {
    let (rows, log) = (Arc::new(WaitingRows::default()), Arc::new(FailingLog::default()));
    let stores = stores(&rows, &log);
    rows.0.lock().unwrap().push(entry(1, Audited::SignIn(sign_in("refused", None, None))));
    let (me, other): (Owner, Owner) = ("tenant-1.1".parse().unwrap(), "tenant-2.1".parse().unwrap());
    assert!(stores.leases.take_job(JOB, &other, JOB_FOR).await.unwrap().is_some());
    assert_eq!(AuditExporter::default().turn(&stores, &me).await.unwrap(), AuditExported::Elsewhere);
    assert_eq!((rows.0.lock().unwrap().len(), log.lines.lock().unwrap().len()), (1, 0));
    let exported = AuditExporter::default().turn(&stores, &other).await.unwrap();
    assert_eq!(exported, AuditExported::Here { records: 1, refused: Vec::new(), more: true });
    assert!(TenantId::parse(&log.lines.lock().unwrap()[0].key).is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_the_log_has_got_is_not_appended_again_while_the_tables_cannot_be_told() {
    let (rows, log) = (Arc::new(WaitingRows::default()), Arc::new(FailingLog::default()));
    let stores = stores(&rows, &log);
    rows.0.lock().unwrap().push(entry(1, Audited::Change(change())));
    *rows.1.lock().unwrap() = 3;
    let me: Owner = "tenant-1.1".parse().unwrap();
    let mut exporter = AuditExporter::default();
    assert!(matches!(exporter.turn(&stores, &me).await, Ok(AuditExported::Here { records: 1, more: true, .. })));
    for _ in 0..2 {
        assert!(matches!(exporter.turn(&stores, &me).await, Err(StoreError::Unavailable { .. })));
    }
    rows.0.lock().unwrap().push(entry(2, Audited::Change(change())));
    assert!(matches!(exporter.turn(&stores, &me).await, Ok(AuditExported::Here { records: 1, more: true, .. })));
    let ids: Vec<String> = log.lines.lock().unwrap().iter().map(|record| record.id.clone()).collect();
    assert_eq!(ids, ["change:4001:1795169819344", "change:4002:1795169819344"]);
    assert_eq!(rows.0.lock().unwrap().len(), 0);
}
