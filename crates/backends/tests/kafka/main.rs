//! The conformance suite of the reporting log on a real Kafka, and cases of Kafka alone: a broker killed, emptied, unavailable. The log
//! is read back with Kafka's console consumer.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests report by panicking and wait by the clock")]

mod server;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use backends::kafka::{KafkaLog, KafkaSettings};
use infra::{Client, Line, LogRecord, Matter, ReportingLog, StoreError, Watch, conformance};
use model::Entropy as _;
use model::entropy::Seeded;
use server::Server;

const TOPIC: &str = "voice-callthread";
/// As in development.
const PARTITIONS: u16 = 24;
const MIB: u32 = 1 << 20;
/// Ten times what fills the disk.
const LARGE_MAX: usize = 20_000;
/// A broker that is started again answers in seconds; a machine under load may take longer.
const TAKEN_WITHIN: Duration = Duration::from_secs(180);

/// Counts the reports about connections.
#[derive(Default)]
struct Seen {
    attempts: AtomicUsize,
    standing: AtomicUsize,
    failures: AtomicUsize,
    sent: AtomicUsize,
}

impl Watch for Seen {
    fn attempted(&self, _: Line) {
        self.attempts.fetch_add(1, SeqCst);
    }
    fn standing(&self, _: Line, connections: usize) {
        self.standing.store(connections, SeqCst);
    }
    fn failed(&self, _: Line) {
        self.failures.fetch_add(1, SeqCst);
    }
    fn exchanged(&self, _: Matter, sent: usize, _: usize) {
        self.sent.fetch_add(sent, SeqCst);
    }
}

fn log(server: &Server) -> (Arc<KafkaLog>, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let name = "trunkline/sip-cluster-1/voice-50".to_owned();
    let client = Client { wakes: name.clone(), name, source: None, watch: seen.clone() };
    let settings = KafkaSettings { brokers: server.brokers(), partitions: Some(PARTITIONS) };
    (Arc::new(KafkaLog::open(&settings, client).unwrap()), seen)
}

fn record(call: usize, n: usize) -> LogRecord {
    let id = format!("call:{call}:1:{n}");
    LogRecord { topic: TOPIC, key: format!("acme:{call}"), json: format!("{{\"id\":\"{id}\"}}"), id }
}

/// A message as the console consumer prints it.
struct Message {
    partition: String,
    headers: String,
    key: String,
    value: String,
}

fn read(server: &Server, topic: &str) -> Vec<Message> {
    let lines = server.consume(topic);
    let parsed = lines.iter().map(|line| {
        let mut parts = line.splitn(4, " | ").map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Message { partition: next(), headers: next(), key: next(), value: next() }
    });
    parsed.collect()
}

/// The first occurrences of messages for each key, in order.
fn firsts(messages: &[Message]) -> HashMap<String, Vec<String>> {
    let (mut seen, mut of_key) = (HashSet::new(), HashMap::<String, Vec<String>>::new());
    for message in messages {
        if seen.insert(message.value.clone()) {
            of_key.entry(message.key.clone()).or_default().push(message.value.clone());
        }
    }
    of_key
}

/// Appends as an exporter does: repeats until the log has accepted the records.
async fn until_taken(log: &KafkaLog, records: &[LogRecord]) -> usize {
    tokio::time::timeout(TAKEN_WITHIN, taken(log, records)).await.expect("Kafka takes nothing")
}

async fn taken(log: &KafkaLog, records: &[LogRecord]) -> usize {
    let mut failures = 0;
    loop {
        match log.append(records.to_vec()).await {
            Ok(refused) => {
                assert_eq!(refused, []);
                return failures;
            }
            Err(StoreError::Unavailable { .. }) => failures += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_does_what_every_reporting_log_does() {
    let server = Server::start();
    let (log, seen) = log(&server);
    let read_back = async || {
        let messages = tokio::task::block_in_place(|| read(&server, "voice-conformance"));
        let partitions: HashSet<&str> = messages.iter().map(|message| message.partition.as_str()).collect();
        assert!(partitions.len() > 3, "keys are spread: {partitions:?}");
        for message in &messages {
            assert_eq!(message.headers, "content-type:application/cloudevents+json; charset=UTF-8");
        }
        messages.into_iter().map(|message| message.value).collect()
    };
    conformance::reporting::run(&*log, read_back).await;
    assert_eq!(server.partitions("voice-conformance"), usize::from(PARTITIONS));
    log.ping().await.unwrap();
    let counted = async {
        while seen.attempts.load(SeqCst) == 0 || seen.standing.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.unwrap();
    assert!(seen.sent.load(SeqCst) > 100_000 && seen.failures.load(SeqCst) == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_amid_the_stream_loses_nothing_and_no_order() {
    let server = Arc::new(Server::start());
    let (log, seen) = log(&server);
    until_taken(&log, &[record(0, 0)]).await;
    let ended = Arc::new(AtomicBool::new(false));
    let (killing, told) = (server.clone(), ended.clone());
    let killer = tokio::task::spawn_blocking(move || {
        for _ in 0..2 {
            killing.kill();
            killing.start_again();
        }
        told.store(true, SeqCst);
    });
    // Several appenders with calls of their own, until both kills are over, and a few times more.
    let appenders = (1..=3).map(|appender| {
        let (log, ended) = (log.clone(), ended.clone());
        tokio::spawn(async move {
            let (mut n, mut failures, mut left) = (0, 0, 5);
            while left > 0 {
                left -= usize::from(ended.load(SeqCst));
                let batch: Vec<LogRecord> = (n..n + 50).map(|n| record(appender * 10 + n % 4, n)).collect();
                failures += until_taken(&log, &batch).await;
                n += 50;
            }
            (appender, n, failures)
        })
    });
    let appenders: Vec<_> = appenders.collect();
    let mut expected = HashMap::<String, Vec<String>>::from([("acme:0".to_owned(), vec![record(0, 0).json])]);
    killer.await.unwrap();
    for appender in appenders {
        let (appender, count, failures) = appender.await.unwrap();
        eprintln!("appender {appender}: {count} records, {failures} failures");
        for n in 0..count {
            let record = record(appender * 10 + n % 4, n);
            expected.entry(record.key).or_default().push(record.json);
        }
    }
    let messages = tokio::task::block_in_place(|| read(&server, TOPIC));
    let found = firsts(&messages);
    for (key, records) in &expected {
        assert!(found.get(key) == Some(records), "{key} is not complete or not in order");
    }
    assert_eq!(found.len(), expected.len());
    let repeats = messages.len() - expected.values().map(Vec::len).sum::<usize>();
    eprintln!(
        "{} messages, {repeats} of them repeats; {} attempts to connect",
        messages.len(),
        seen.attempts.load(SeqCst)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_back_empty_takes_records_again() {
    let server = Server::start();
    let (log, _) = log(&server);
    until_taken(&log, &[record(1, 1), record(1, 2)]).await;
    tokio::task::block_in_place(|| server.empty());
    until_taken(&log, &[record(1, 3)]).await;
    assert_eq!(server.partitions(TOPIC), usize::from(PARTITIONS));
    let found = tokio::task::block_in_place(|| firsts(&read(&server, TOPIC)));
    assert_eq!(found, HashMap::from([("acme:1".to_owned(), vec![record(1, 3).json])]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_whose_disk_is_full_ends_and_nothing_is_lost_once_there_is_room() {
    let server = Server::start();
    let (log, _) = log(&server);
    until_taken(&log, &[record(1, 0)]).await;
    server.limit_files(MIB);
    let mut count = 1;
    let untaken: Vec<LogRecord> = loop {
        assert!(count < LARGE_MAX, "the disk is never full");
        let batch: Vec<LogRecord> = (count..count + 200).map(large).collect();
        count += 200;
        match log.append(batch.clone()).await {
            Ok(refused) => assert_eq!(refused, []),
            Err(StoreError::Unavailable { .. }) => break batch,
            Err(error) => panic!("a full disk is mended by an operator: {error}"),
        }
    };
    tokio::task::block_in_place(|| server.ends());
    assert!(server.log().contains("all log dirs"), "it was to end because of its disk");
    let refused = log.append(untaken.clone()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    tokio::task::block_in_place(|| server.start_again());
    until_taken(&log, &untaken).await;
    let found = tokio::task::block_in_place(|| firsts(&read(&server, TOPIC)));
    let all = std::iter::once(record(1, 0)).chain((1..count).map(large)).map(|record| record.json);
    assert!(found["acme:1"] == all.collect::<Vec<_>>(), "not complete or not in order");
}

/// A record of call 1. A few of them fill a file: data that compress well would take no room.
fn large(n: usize) -> LogRecord {
    let (small, mut entropy) = (record(1, n), Seeded::new(n as u64));
    let data: String = (0..32).map(|_| format!("{:016x}", entropy.next_u64())).collect();
    LogRecord { json: format!("{{\"id\":\"{}\",\"data\":\"{data}\"}}", small.id), ..small }
}

#[tokio::test]
async fn a_log_without_a_broker_says_where_it_has_looked_and_gives_up_in_time() {
    let seen = Arc::new(Seen::default());
    let client = Client { name: "trunkline/test".to_owned(), wakes: String::new(), source: None, watch: seen.clone() };
    let settings = KafkaSettings { brokers: "127.253.254.253:9092".to_owned(), partitions: None };
    let log = KafkaLog::open(&settings, client).unwrap();
    let (first, second) = tokio::join!(log.append(vec![record(1, 1)]), log.append(vec![record(2, 1)]));
    for refused in [first, second] {
        let Err(StoreError::Unavailable { reason }) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("127.253.254.253:9092"), "{reason}");
    }
    assert!(matches!(log.ping().await, Err(StoreError::Unavailable { .. })));
    assert_eq!(seen.failures.load(SeqCst), 2);
}
