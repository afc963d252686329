//! The reporting log: no loss, the order of a key kept, repeats recognised by their identity, records that it never accepts named.

use std::collections::{HashMap, HashSet};

use futures::future::join_all;
use serde_json::Value;

use crate::{LogRecord, ReportingLog, bounds};

/// The topic of the cases.
const TOPIC: &str = "voice-conformance";
/// Text that a careless writer would break.
const TEXT: &str = "tab\t, quote \", backslash \\, line\nbreak, Grüße, 呼叫, \u{1f4de}";

fn record(case: &str, key: &str, n: usize, text: &str) -> LogRecord {
    let id = format!("{case}:{key}:{n}");
    let json = serde_json::json!({ "id": id, "type": case, "subject": key, "data": { "n": n, "text": text } });
    LogRecord { topic: TOPIC, key: format!("acme:{key}"), id, json: json.to_string() }
}

/// Runs the cases on a log. `read_back` gives every record of the topic `voice-conformance` as another program reads them, those of
/// one key in order.
pub async fn run(log: &dyn ReportingLog, read_back: impl AsyncFnOnce() -> Vec<String>) {
    assert_eq!(log.append(Vec::new()).await.unwrap(), []);
    let mut expected = Vec::new();
    write_in_order(log, &mut expected).await;
    write_at_once(log, &mut expected).await;
    write_again(log, &mut expected).await;
    write_long_text(log, &mut expected).await;
    write_what_is_refused(log, &mut expected).await;
    let lines = read_back().await;
    let read: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    every_key_is_in_order_and_complete(&expected, &read);
}

async fn write_in_order(log: &dyn ReportingLog, expected: &mut Vec<LogRecord>) {
    for batch in 0..10 {
        let records = (0..120).map(|n| record("order", &format!("call-{}", n % 3), batch * 120 + n, "x"));
        let records: Vec<LogRecord> = records.collect();
        assert_eq!(log.append(records.clone()).await.unwrap(), []);
        expected.extend(records);
    }
}

async fn write_at_once(log: &dyn ReportingLog, expected: &mut Vec<LogRecord>) {
    let writers = (0..4).map(|writer| async move {
        let mut written = Vec::new();
        for batch in 0..5 {
            let records: Vec<LogRecord> =
                (0..50).map(|n| record("at-once", &format!("writer-{writer}"), batch * 50 + n, "x")).collect();
            assert_eq!(log.append(records.clone()).await.unwrap(), []);
            written.extend(records);
        }
        written
    });
    expected.extend(join_all(writers).await.into_iter().flatten());
}

async fn write_again(log: &dyn ReportingLog, expected: &mut Vec<LogRecord>) {
    let records: Vec<LogRecord> = (0..20).map(|n| record("again", "call-9", n, "x")).collect();
    log.append(records[..12].to_vec()).await.unwrap();
    log.append(records.clone()).await.unwrap();
    expected.extend(records);
}

async fn write_long_text(log: &dyn ReportingLog, expected: &mut Vec<LogRecord>) {
    let texts = [TEXT.to_owned(), TEXT.repeat(5_000)];
    let records: Vec<LogRecord> = texts.iter().enumerate().map(|(n, text)| record("text", "call-7", n, text)).collect();
    assert_eq!(log.append(records.clone()).await.unwrap(), []);
    expected.extend(records);
}

async fn write_what_is_refused(log: &dyn ReportingLog, expected: &mut Vec<LogRecord>) {
    let mut records: Vec<LogRecord> = (0..4).map(|n| record("refused", "call-8", n, "x")).collect();
    records[1] = record("refused", "call-8", 1, &"x".repeat(bounds::LOG_RECORD_BYTES_MAX));
    records[2].json.push('\n');
    let refused = log.append(records.clone()).await.unwrap();
    let ids: Vec<&str> = refused.iter().map(|refused| refused.id.as_str()).collect();
    assert_eq!(ids, ["refused:call-8:1", "refused:call-8:2"]);
    expected.extend([records[0].clone(), records[3].clone()]);
}

fn every_key_is_in_order_and_complete(expected: &[LogRecord], read: &[Value]) {
    let (mut should, mut is) = (HashMap::<String, Vec<Value>>::new(), HashMap::<String, Vec<Value>>::new());
    for record in expected {
        let event: Value = serde_json::from_str(&record.json).unwrap();
        should.entry(record.key.clone()).or_default().push(event);
    }
    let mut seen = HashSet::new();
    for event in read {
        // Repeats may come; the first occurrence counts.
        if seen.insert(event["id"].to_string()) {
            is.entry(format!("acme:{}", event["subject"].as_str().unwrap())).or_default().push(event.clone());
        }
    }
    for (key, events) in should {
        let found = is.remove(&key).unwrap_or_default();
        assert_eq!(found.len(), events.len(), "{key}");
        assert!(found == events, "{key} is not what was written, in its order");
    }
    assert!(is.is_empty(), "nobody wrote {:?}", is.keys());
}
