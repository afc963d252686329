//! Structured lines on stdout (telemetry-06): one JSON object for each item. A thread of its own writes them, so that whoever reads them
//! slowly delays nobody; what waits for it is bounded, and what matters least is not taken first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use ::telemetry::intake::{KeptBatch, KeptItem};
use ::telemetry::shed::{Importance, QueueFill};
use anyhow::Context as _;
use contracts::json::rfc3339;
use model::Timestamp;
use runtime::{PeerMeter, RoleContext};
use serde_json::{Map, Value, json};

/// The most that waits to be written, in bytes.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// The most batches that wait to be written.
const WAITING_BATCHES_MAX: usize = 8_192;
/// How long an ending role waits for its last lines.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);
/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What is the same in every line of a batch.
pub(super) struct LineHead<'a> {
    pub app: &'a str,
    pub version: &'a str,
    pub tenant: &'a str,
    pub user: &'a str,
    pub session: &'a str,
    pub client_ip: Option<&'a str>,
}

/// Lines that wait to be written.
pub(super) struct LineQueue {
    queue: SyncSender<String>,
    waiting: Arc<AtomicUsize>,
}

impl LineQueue {
    /// Starts the thread that writes.
    pub fn start(ctx: &RoleContext) -> anyhow::Result<Self> {
        let (queue, lines) = sync_channel(WAITING_BATCHES_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (meter, left) = (ctx.meter("telemetry-06").peer("stdout"), waiting.clone());
        let name = format!("{} lines", ctx.node.as_str());
        let write = move || write_all(&lines, &left, &meter);
        std::thread::Builder::new().name(name).spawn(write).context("the thread that writes lines")?;
        Ok(Self { queue, waiting })
    }

    /// Queues the items of a batch for which there is room; returns whether each was taken.
    pub fn put(&self, head: &LineHead<'_>, taken: &KeptBatch) -> Vec<bool> {
        let mut text = String::new();
        let put = |item: &KeptItem| {
            let line = line(head, &taken.attributes, item);
            let is_taken = self.takes(item.importance(), text.len() + line.len());
            if is_taken {
                text.push_str(&line);
            }
            is_taken
        };
        let are_taken: Vec<bool> = taken.items.iter().map(put).collect();
        if self.send(text) { are_taken } else { vec![false; taken.items.len()] }
    }

    /// Queues a line of the role itself.
    pub fn own(&self, now: Timestamp, what: &str, properties: &Value) {
        let mut line = json!({
            "@timestamp": rfc3339(now), "level": "INFO", "service": "telemetry", "source": "server",
            "msgId": what, "props": properties,
        })
        .to_string();
        line.push('\n');
        if !self.send(line) {
            tracing::warn!(what, "a line was not written: too many wait");
        }
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Waits until all is written, for a while.
    pub async fn written(&self) {
        let all = async {
            while self.waiting() > 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let _ = tokio::time::timeout(WRITTEN_WITHIN, all).await;
    }

    fn takes(&self, importance: Importance, bytes: usize) -> bool {
        QueueFill { waiting: self.waiting(), room: WAITING_BYTES_MAX }.takes(importance, bytes)
    }

    fn send(&self, text: String) -> bool {
        let bytes = text.len();
        if bytes == 0 {
            return true;
        }
        self.waiting.fetch_add(bytes, Relaxed);
        let is_sent = self.queue.try_send(text).is_ok();
        if !is_sent {
            self.waiting.fetch_sub(bytes, Relaxed);
        }
        is_sent
    }
}

fn write_all(lines: &Receiver<String>, waiting: &AtomicUsize, meter: &PeerMeter) {
    while let Ok(text) = lines.recv() {
        match runtime::log::write_lines(&text) {
            Ok(()) => {
                meter.request();
                meter.bytes_out(text.len());
            }
            Err(_) => meter.error(),
        }
        waiting.fetch_sub(text.len(), Relaxed);
    }
}

fn line(head: &LineHead<'_>, attributes: &Map<String, Value>, item: &KeptItem) -> String {
    let mut properties = attributes.clone();
    properties.extend(item.properties.iter().map(|(name, value)| (name.clone(), value.clone())));
    let mut line = json!({
        "@timestamp": rfc3339(item.at),
        "level": item.level.as_str().to_ascii_uppercase(),
        "service": "telemetry",
        "source": "client",
        "type": item.kind.as_str(),
        "app": head.app,
        "version": head.version,
        "tenant": head.tenant,
        "user": head.user,
        "session": head.session,
        "msgId": item.name,
        "props": properties,
    });
    if let Some(value) = item.value {
        line["value"] = json!(value);
    }
    if let Some(client_ip) = head.client_ip {
        line["clientIp"] = json!(client_ip);
    }
    let mut line = line.to_string();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use ::telemetry::batch::{ItemKind, ItemLevel};

    use super::*;

    fn item(kind: ItemKind, level: ItemLevel) -> KeptItem {
        let properties = Map::from_iter([("connId".to_owned(), json!("7"))]);
        let at = Timestamp::from_millis(1_800_000_000_000);
        let counted = ::telemetry::intake::ContractCounts::default();
        KeptItem { kind, at, name: "x".to_owned(), level, value: Some(1.5), properties, counted }
    }

    const HEAD: LineHead<'_> =
        LineHead { app: "wwe_ui", version: "9", tenant: "acme", user: "ann", session: "s1", client_ip: None };

    #[test]
    fn an_item_is_one_line_of_json() {
        let attributes = Map::from_iter([("connId".to_owned(), json!("1")), ("page".to_owned(), json!("/"))]);
        let line = line(&HEAD, &attributes, &item(ItemKind::Metric, ItemLevel::Warn));
        assert!(line.ends_with("}\n") && line.lines().count() == 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&read["level"], &read["service"], &read["value"]),
            (&json!("WARN"), &json!("telemetry"), &json!(1.5))
        );
        assert_eq!(read["props"], json!({ "connId": "7", "page": "/" }), "what an item says itself counts");
        assert_eq!(read["@timestamp"], json!(rfc3339(Timestamp::from_millis(1_800_000_000_000))));
    }

    #[test]
    fn what_matters_least_is_shed_first() {
        let (queue, _lines) = sync_channel(4);
        let lines = LineQueue { queue, waiting: Arc::new(AtomicUsize::new(WAITING_BYTES_MAX * 6 / 10)) };
        let items = vec![item(ItemKind::Span, ItemLevel::Info), item(ItemKind::Log, ItemLevel::Error)];
        let taken = KeptBatch { items, ..KeptBatch::default() };
        assert_eq!(lines.put(&HEAD, &taken), [false, true]);
        for _ in 0..4 {
            lines.put(&HEAD, &taken);
        }
        assert_eq!(lines.put(&HEAD, &taken), [false, false], "there is no place for one more batch");
    }
}
