//! Structured lines on stdout (telemetry-06): one JSON object for each item. A thread of its own writes them, so that whoever reads them
//! slowly delays nobody; what waits for it is bounded, and what matters least is not taken first.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::telemetry::batch::ItemKind;
use ::telemetry::intake::{KeptBatch, KeptItem};
use ::telemetry::line_budget::LineRoom;
use ::telemetry::tenant_loads::{QueueLoad, TenantLoads};
use anyhow::Context as _;
use contracts::json::rfc3339;
use model::{TenantId, Timestamp};
use runtime::{PeerMeter, RoleContext};
use serde_json::{Map, Value, json};

use super::metrics::{DropReason, Metrics};

/// The most that waits to be written, in bytes.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// The most batches that wait to be written.
const WAITING_BATCHES_MAX: usize = 8_192;
const ROOM: QueueLoad = QueueLoad { bytes: WAITING_BYTES_MAX, batches: WAITING_BATCHES_MAX };
/// The longest lines of one batch, all together, in bytes: its attributes stand in each of them.
pub(super) const BATCH_LINES_BYTES_MAX: usize = 2 << 20;
/// The longest line, in bytes: others log nothing while it is written.
pub(super) const LINE_BYTES_MAX: usize = 128 << 10;
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

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineFate {
    /// Its line will be written.
    Queued,
    /// There is too little room for what matters so little, or for more of its tenant.
    Shed,
    /// Its client, or all of its person or tenant, have caused too many lines by now for what matters so little.
    OverBudget,
    /// Its line is too long, or those of its batch are.
    TooLarge,
}

/// What became of a batch.
pub(super) struct PutLines {
    /// Of each item.
    pub fates: Vec<LineFate>,
    /// The lines that will be written, in bytes.
    pub bytes: usize,
}

/// Lines that wait to be written.
pub(super) struct LineQueue {
    queue: SyncSender<QueuedLines>,
    waiting: Arc<Mutex<TenantLoads>>,
}

/// Lines of a batch, or one of the role itself.
struct QueuedLines {
    of: Option<ClientLines>,
    text: String,
}

/// Whose lines of a batch are, and what is counted of them once they are written.
struct ClientLines {
    tenant: TenantId,
    tenant_name: String,
    app: String,
    /// How many items of each kind, in the order of [`ItemKind::ALL`].
    items: [u64; ItemKind::ALL.len()],
}

impl ClientLines {
    /// What counts of a batch: those of its items that are queued.
    fn of(tenant: &TenantId, head: &LineHead<'_>, queued: &[&KeptItem]) -> Self {
        let of_kind = |kind: ItemKind| queued.iter().filter(|item| item.kind == kind).count() as u64;
        Self {
            tenant: tenant.clone(),
            tenant_name: head.tenant.to_owned(),
            app: head.app.to_owned(),
            items: ItemKind::ALL.map(of_kind),
        }
    }

    fn are_written(&self, metrics: &Metrics, bytes: usize) {
        metrics.line_bytes.add(&[self.tenant_name.as_str()], bytes as u64);
        for (kind, count) in ItemKind::ALL.into_iter().zip(self.items).filter(|(_, count)| *count > 0) {
            metrics.items.add(&[self.app.as_str(), kind.as_str(), self.tenant_name.as_str()], count);
        }
    }

    fn are_lost(&self, metrics: &Metrics) {
        metrics.drops(DropReason::NotWritten, self.items.iter().sum());
    }
}

impl LineQueue {
    /// Starts the thread that writes.
    pub fn start(ctx: &RoleContext, metrics: Metrics) -> anyhow::Result<Self> {
        let (queue, lines) = sync_channel(WAITING_BATCHES_MAX);
        let waiting = Arc::new(Mutex::new(TenantLoads::within(ROOM)));
        let (meter, left) = (ctx.meter("telemetry-06").peer("stdout"), waiting.clone());
        let name = format!("{} lines", ctx.node.as_str());
        let write = move || write_all(&lines, &left, |text| written(text, &meter), &metrics);
        std::thread::Builder::new().name(name).spawn(write).context("the thread that writes lines")?;
        Ok(Self { queue, waiting })
    }

    /// Queues the items of a batch for which there is room, within what its client may cause.
    pub fn put(&self, tenant: &TenantId, head: &LineHead<'_>, taken: &KeptBatch, budget: LineRoom) -> PutLines {
        // What is written meanwhile makes more room only.
        let room = lock(&self.waiting).room_of(tenant);
        let refusal = |importance, bytes| match (budget.takes(importance, bytes), room.takes(importance, bytes)) {
            (false, _) => Some(LineFate::OverBudget),
            (true, false) => Some(LineFate::Shed),
            (true, true) => None,
        };
        let mut text = String::new();
        // Lines that were made, those that are dropped too: a batch costs no more time than its longest lines.
        let mut made = 0;
        let put = |item: &KeptItem| {
            let importance = item.importance();
            if made > BATCH_LINES_BYTES_MAX {
                return LineFate::TooLarge;
            }
            if let Some(refused) = refusal(importance, text.len()) {
                return refused;
            }
            let line = line(head, &taken.attributes, item);
            made += line.len();
            if made > BATCH_LINES_BYTES_MAX || line.len() > LINE_BYTES_MAX {
                return LineFate::TooLarge;
            }
            if let Some(refused) = refusal(importance, text.len() + line.len()) {
                return refused;
            }
            text.push_str(&line);
            LineFate::Queued
        };
        let fates: Vec<LineFate> = taken.items.iter().map(put).collect();
        let queued = taken.items.iter().zip(&fates).filter(|(_, fate)| **fate == LineFate::Queued);
        let queued: Vec<&KeptItem> = queued.map(|(item, _)| item).collect();
        let bytes = text.len();
        if self.send(Some(ClientLines::of(tenant, head, &queued)), text) {
            PutLines { fates, bytes }
        } else {
            PutLines { fates: vec![LineFate::Shed; taken.items.len()], bytes: 0 }
        }
    }

    /// Queues a line of the role itself.
    pub fn own(&self, now: Timestamp, what: &str, properties: &Value) {
        let mut line = json!({
            "@timestamp": rfc3339(now), "level": "INFO", "service": "telemetry", "source": "server",
            "msgId": what, "props": properties,
        })
        .to_string();
        line.push('\n');
        if !self.send(None, line) {
            tracing::warn!(what, "a line was not written: too many wait");
        }
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        lock(&self.waiting).all().bytes
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

    fn send(&self, of: Option<ClientLines>, text: String) -> bool {
        let bytes = text.len();
        if bytes == 0 {
            return true;
        }
        let tenant = of.as_ref().map(|of| of.tenant.clone());
        lock(&self.waiting).add(tenant.as_ref(), bytes);
        let is_sent = self.queue.try_send(QueuedLines { of, text }).is_ok();
        if !is_sent {
            lock(&self.waiting).remove(tenant.as_ref(), bytes);
        }
        is_sent
    }
}

fn lock(waiting: &Mutex<TenantLoads>) -> MutexGuard<'_, TenantLoads> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes lines where the log goes.
fn written(text: &str, meter: &PeerMeter) -> io::Result<()> {
    let written = runtime::log::write_lines(text);
    match &written {
        Ok(()) => {
            meter.request();
            meter.bytes_out(text.len());
        }
        Err(_) => meter.error(),
    }
    written
}

/// Writes lines as they come. Items count as kept once they are written: where nobody can read the log, the metrics alone tell of it.
fn write_all(
    lines: &Receiver<QueuedLines>,
    waiting: &Mutex<TenantLoads>,
    write: impl Fn(&str) -> io::Result<()>,
    metrics: &Metrics,
) {
    while let Ok(QueuedLines { of, text }) = lines.recv() {
        let is_written = write(&text).is_ok();
        match &of {
            Some(of) if is_written => of.are_written(metrics, text.len()),
            Some(of) => of.are_lost(metrics),
            None => {}
        }
        lock(waiting).remove(of.as_ref().map(|of| &of.tenant), text.len());
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
    use ::telemetry::batch::ItemLevel;
    use ::telemetry::rate::{ClientName, ClientRates};
    use runtime::metrics::Format;

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

    /// A queue that nobody empties, as where nobody reads stdout; with its other end.
    fn stalled() -> (LineQueue, Receiver<QueuedLines>) {
        let (queue, lines) = sync_channel(WAITING_BATCHES_MAX);
        (LineQueue { queue, waiting: Arc::new(Mutex::new(TenantLoads::within(ROOM))) }, lines)
    }

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn batch(items: Vec<KeptItem>) -> KeptBatch {
        KeptBatch { items, ..KeptBatch::default() }
    }

    /// Puts a batch of a client that has caused nothing yet.
    fn put(lines: &LineQueue, tenant: &TenantId, batch: &KeptBatch) -> Vec<LineFate> {
        let client = ClientName { tenant, token: [0; 32], person: None };
        let unused = ClientRates::per_minute(60).line_room(client, Timestamp::ZERO);
        lines.put(tenant, &HEAD, batch, unused).fates
    }

    /// An item of every importance, least first, one batch each.
    fn each_alone(lines: &LineQueue, tenant: &TenantId) -> [LineFate; 4] {
        let items = [
            item(ItemKind::Span, ItemLevel::Info),
            item(ItemKind::Log, ItemLevel::Info),
            item(ItemKind::Log, ItemLevel::Warn),
            item(ItemKind::Log, ItemLevel::Error),
        ];
        items.map(|item| put(lines, tenant, &batch(vec![item]))[0])
    }

    #[test]
    fn what_matters_least_is_shed_first_however_small_the_batches_are() {
        let (lines, _unread) = stalled();
        let acme = tenant("acme");
        let refused_after = |item: &KeptItem| {
            let one = batch(vec![item.clone()]);
            while put(&lines, &acme, &one) == [LineFate::Queued] {}
            lock(&lines.waiting).all().batches
        };
        let usual = refused_after(&item(ItemKind::Log, ItemLevel::Info));
        assert!(lines.waiting() < WAITING_BYTES_MAX / 2, "their number fills the queue");
        assert_eq!(each_alone(&lines, &acme), [LineFate::Shed, LineFate::Shed, LineFate::Queued, LineFate::Queued]);
        let grave = refused_after(&item(ItemKind::Log, ItemLevel::Error));
        assert!(usual < grave && grave < WAITING_BATCHES_MAX, "{usual} {grave}");
        assert_eq!(each_alone(&lines, &acme), [LineFate::Shed; 4]);
        assert_eq!(each_alone(&lines, &tenant("other")), [LineFate::Queued; 4], "others have their share");
    }

    #[test]
    fn the_lines_of_a_batch_are_bounded_however_long_its_attributes_are() {
        let (lines, _unread) = stalled();
        let long = |count: usize| {
            let text = "\u{1}".repeat(::telemetry::limits::TEXT_BYTES_MAX);
            (0..count).map(|at| (format!("p{at}"), Value::from(text.clone()))).collect::<Map<_, _>>()
        };
        let items = vec![item(ItemKind::Log, ItemLevel::Error); 1_000];
        let fates = put(&lines, &tenant("acme"), &KeptBatch { attributes: long(6), ..batch(items.clone()) });
        let of = |fate: LineFate| fates.iter().filter(|other| **other == fate).count();
        assert!(of(LineFate::Queued) > 10 && of(LineFate::TooLarge) > 900 && of(LineFate::Shed) == 0, "{fates:?}");
        assert!(lines.waiting() <= BATCH_LINES_BYTES_MAX);
        let fates = put(&lines, &tenant("acme"), &KeptBatch { attributes: long(64), ..batch(items) });
        assert_eq!(fates, [LineFate::TooLarge; 1_000], "each is too long");
    }

    #[test]
    fn a_tenant_that_floods_the_queue_takes_no_room_from_others() {
        let (lines, unread) = stalled();
        let (greedy, other) = (tenant("greedy"), tenant("other"));
        let many = batch(vec![item(ItemKind::Log, ItemLevel::Error); 1_000]);
        while put(&lines, &greedy, &many).contains(&LineFate::Queued) {}
        assert!(lines.waiting() > WAITING_BYTES_MAX / 2);
        assert_eq!(each_alone(&lines, &greedy), [LineFate::Shed; 4]);
        assert_eq!(each_alone(&lines, &other), [LineFate::Queued; 4]);
        for QueuedLines { of, text } in unread.try_iter() {
            lock(&lines.waiting).remove(of.map(|of| of.tenant).as_ref(), text.len());
        }
        assert_eq!(lock(&lines.waiting).all(), QueueLoad::default(), "nothing waits");
    }

    #[test]
    fn a_client_that_repeats_long_attributes_causes_no_endless_lines() {
        let (lines, unread) = stalled();
        let (acme, other) = (tenant("acme"), tenant("other"));
        let now = Timestamp::from_millis(1_800_000_000_000);
        let of = |tenant, token| ClientName { tenant, token: [token; 32], person: None };
        let (ann, bob) = (of(&acme, 1), of(&other, 2));
        let mut rates = ClientRates::per_minute(60);
        assert_eq!((rates.take(ann, now), rates.take(bob, now)), (Ok(()), Ok(())));
        let attributes = Map::from_iter([("page".to_owned(), Value::from("x".repeat(1_024)))]);
        let small = KeptBatch { attributes, ..batch(vec![item(ItemKind::Log, ItemLevel::Info); 1_000]) };
        let mut send = |client: ClientName<'_>| {
            let put = lines.put(client.tenant, &HEAD, &small, rates.line_room(client, now));
            rates.charge_lines(client, put.bytes, now);
            // The queue is empty again: it is read fast enough.
            for QueuedLines { of, text } in unread.try_iter() {
                lock(&lines.waiting).remove(of.map(|of| of.tenant).as_ref(), text.len());
            }
            (put.fates.contains(&LineFate::Queued), put.fates.contains(&LineFate::OverBudget), put.bytes)
        };
        let first = send(ann);
        assert!(first.0 && !first.1, "{first:?}");
        let caused: usize = (0..60).map(|_| send(ann).2).sum();
        assert!(caused <= ::telemetry::limits::CLIENT_LINES_ROOM / 2, "{caused}");
        assert_eq!(send(ann), (false, true, 0));
        assert!(send(bob).0, "others are not touched");
    }

    #[test]
    fn items_count_as_kept_once_they_are_written() {
        let shown = |write: fn(&str) -> io::Result<()>| {
            let registry = runtime::Metrics::default();
            let metrics = Metrics::register(&registry);
            let (lines, unread) = stalled();
            let three = [ItemKind::Log, ItemKind::Log, ItemKind::Event].map(|kind| item(kind, ItemLevel::Info));
            put(&lines, &tenant("acme"), &batch(three.to_vec()));
            lines.own(Timestamp::ZERO, "started", &json!({}));
            let LineQueue { queue, waiting } = lines;
            drop(queue);
            write_all(&unread, &waiting, write, &metrics);
            assert_eq!(lock(&waiting).all(), QueueLoad::default());
            (metrics.dropped.get(DropReason::NotWritten), registry.encode(Format::Text))
        };
        let (lost, page) = shown(|_| Ok(()));
        assert_eq!(lost, 0);
        assert!(page.contains("telemetry_client_items_total{app=\"wwe_ui\",type=\"log\",tenant=\"acme\"} 2"), "{page}");
        assert!(page.contains("telemetry_line_bytes_total{tenant=\"acme\"} "), "{page}");
        let (lost, page) = shown(|_| Err(io::ErrorKind::BrokenPipe.into()));
        assert_eq!(lost, 3);
        assert!(
            !page.contains("telemetry_client_items_total{") && !page.contains("telemetry_line_bytes_total{"),
            "{page}"
        );
    }
}
