//! The loop that owns the legs' dialogs. Packets do not pass through it: they have threads of their own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use infra::{Claim, Claimed, MediaSessionId, QuarantineRequest, Record};
use model::Timestamp;
use net::rtp::LegEvent;
use net::sip::node::Work;
use net::sip::{LinkEvent, NodeLinks};
use runtime::RoleContext;
use runtime::fault::{FaultReport, FaultReports, InARow};
use runtime::meter::PeerMeter;
use sip::Flow;
use sip::agent::DialogId;
use tokio::sync::mpsc;

use super::PROXY;
use super::announcements::Announcements;
use super::call_data::Asker;
use super::conversations::ConversationWriter;
use super::limits::{INPUTS_PER_TURN, RECORDINGS_MAX};
use super::node::Node;
use super::node::call_data::CallData;
use super::node::commit::Undo;
use super::node::explain::Ask;
use super::node::faults::Doing;
use super::node::recordings::{RecordingKey, Writing};
use super::previous_run::PreviousRunLegs;
use crate::quarantine::until_answered;

/// The loop and its parts.
pub struct EventLoop {
    /// The role's context.
    pub ctx: RoleContext,
    /// The legs.
    pub node: Node,
    /// The connections to the proxies.
    pub links: NodeLinks,
    /// LegEvent of the legs' audio.
    pub news: mpsc::Receiver<LegEvent>,
    /// Queries about the present audio of a call.
    pub asks: mpsc::Receiver<Ask>,
    /// Queries ors about calls.
    pub asker: Asker,
    /// The answers of ors.
    pub call_data: mpsc::Receiver<(DialogId, CallData)>,
    /// Legs of a previous run, until a proxy is connected.
    pub former: PreviousRunLegs,
    /// Legs that were released from quarantine.
    pub released: mpsc::Receiver<Record<MediaSessionId>>,
    /// Performs slow work outside the loop.
    pub shell: Shell,
    /// Recordings that are written, or could not be.
    pub written: mpsc::Receiver<(RecordingKey, io::Result<()>)>,
    /// Writes the recordings of calls, until the node is dropped.
    pub conversations: ConversationWriter,
    /// Counts the traffic with phones.
    pub meter: PeerMeter,
}

/// The longest sleep of the loop: it adds up the packets' counters at least this often.
const SLEEP_MAX: Duration = Duration::from_millis(500);

/// How long an RTP thread may take for snapshots: it checks its orders at each packet.
const SNAPSHOT_WITHIN: Duration = Duration::from_millis(250);

impl EventLoop {
    /// Runs until the role has drained.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let done = self.turn_by_turn().await;
        // With the node end the threads of its audio: what they have recorded is written.
        let Self { node, mut conversations, .. } = self;
        drop(node);
        conversations.finish();
        done
    }

    async fn turn_by_turn(&mut self) -> anyhow::Result<()> {
        loop {
            let now = self.now();
            let sleep = self.node.next_timeout().map_or(SLEEP_MAX, |due| due.since(now)).min(SLEEP_MAX);
            tokio::select! {
                event = self.links.next() => self.take_event(event),
                news = self.news.recv() => match news {
                    Some(news) => self.node.news(news, now),
                    None => anyhow::bail!("the RTP threads have ended"),
                },
                Some(ask) = self.asks.recv() => {
                    self.node.attempt(Doing::Figures, now, |node| node.tell_figures(ask));
                }
                Some(record) = self.released.recv() => self.take_released(record),
                Some((dialog, data)) = self.call_data.recv() => self.node.call_data_came(dialog, &data, now),
                Some((key, written)) = self.written.recv() => self.node.recording_written(key, &written, now),
                () = tokio::time::sleep(sleep) => {}
                () = self.ctx.drain.begun(), if !self.ctx.drain.is_draining() => {}
            }
            self.take_more();
            self.take_suspect().await;
            self.node.handle_timeout(self.now());
            self.store().await;
            self.send();
            while let Some(question) = self.node.poll_question() {
                self.asker.ask(question);
            }
            while let Some(writing) = self.node.poll_writing() {
                self.shell.write(writing);
            }
            while let Some(aside) = self.node.poll_aside() {
                self.shell.put_aside(aside);
            }
            while let Some(report) = self.node.poll_report() {
                self.shell.keep(report);
            }
            self.node.count(&self.meter);
            let now = self.now();
            self.node.attempt(Doing::Figures, now, |node| node.trace_ended(now));
            anyhow::ensure!(
                !self.node.is_beyond_help(),
                "{} faults, and nothing between them that worked",
                InARow::MAX
            );
            if self.drained() {
                return Ok(());
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.ctx.clock.now()
    }

    /// Takes inputs that are available already.
    fn take_more(&mut self) {
        for _ in 0..INPUTS_PER_TURN {
            match self.links.try_next() {
                Some(event) => self.take_event(event),
                None => break,
            }
        }
        for _ in 0..INPUTS_PER_TURN {
            let now = self.now();
            match self.news.try_recv() {
                Ok(news) => self.node.news(news, now),
                Err(_) => break,
            }
        }
    }

    /// A leg released from quarantine waits for its turn like a suspect one. It is found again at each search until it is claimed.
    fn take_released(&mut self, record: Record<MediaSessionId>) {
        let waits =
            self.former.suspects.iter().any(|other| (&other.tenant, &other.key) == (&record.tenant, &record.key));
        if !waits && !self.node.has_leg(&record.key) {
            self.former.suspects.push_back(record);
        }
    }

    /// Processes the next record that may have ended a process: one per turn, whose commit clears the suspicion.
    async fn take_suspect(&mut self) {
        if self.node.is_alone() {
            return;
        }
        let Some(record) = self.former.suspects.pop_front() else { return };
        let claim = Claim { tenant: record.tenant, key: record.key, seen: Some(record.token) };
        match self.ctx.stores.media.claim(&self.ctx.owner(), vec![claim]).await {
            Ok(claimed) => {
                let now = self.now();
                for outcome in claimed {
                    if let Claimed::Yours(record) = outcome {
                        self.node.take_over(&record, now);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a leg of the previous run cannot be claimed now: the next run of this node tries again")
            }
        }
    }

    fn take_event(&mut self, event: LinkEvent) {
        let now = self.now();
        match event {
            LinkEvent::Up { link, edge, proxy, .. } => {
                tracing::info!(%proxy, %edge, "a proxy has accepted this node");
                self.node.link_up(link, &edge, now);
                for record in std::mem::take(&mut self.former.claimed) {
                    self.node.take_over(&record, now);
                }
                self.ctx.ready.holds(PROXY);
            }
            LinkEvent::Message { link, message } => {
                // Answered by this loop, so that a stalled loop counts as failed.
                match self.links.keep_alive_answer(&message) {
                    Some(answer) => {
                        if self.links.send(link, answer).is_err() {
                            self.node.metrics.message_unsent();
                        }
                    }
                    None => self.node.receive(message, link, now),
                }
            }
            LinkEvent::Down { link } => {
                tracing::warn!("the connection to a proxy broke");
                self.node.link_down(link, now);
                if self.node.is_alone() {
                    self.ctx.ready.fails(PROXY, "no proxy has accepted this node");
                }
            }
        }
    }

    /// Stores the turn. Calls continue while the ledger is unavailable: unstored changes are lost only if this node fails, too.
    async fn store(&mut self) {
        let answers = self.node.request_snapshots();
        let mut request_snapshots = Vec::new();
        for answer in answers {
            match tokio::time::timeout(SNAPSHOT_WITHIN, answer).await {
                Ok(Ok(taken)) => request_snapshots.extend(taken),
                Ok(Err(_)) | Err(_) => tracing::warn!("an RTP thread does not keep up"),
            }
        }
        let batch = self.node.batch(&request_snapshots, self.now());
        if batch.is_empty() {
            return;
        }
        let (tags, undo): (Vec<_>, Vec<_>) = batch.iter().map(|write| (write.session.clone(), Undo::of(write))).unzip();
        match self.ctx.stores.media.commit(batch).await {
            Ok(answers) => self.node.committed(tags.into_iter().zip(answers)),
            Err(error) => {
                tracing::warn!(%error, "the ledger cannot store what media has: it is tried again");
                self.node.not_stored(undo);
            }
        }
    }

    fn send(&mut self) {
        while let Some(transmit) = self.node.poll_transmit() {
            let Flow::Stream { connection } = transmit.flow else { continue };
            if self.links.send(connection, transmit.bytes).is_err() {
                self.node.metrics.message_unsent();
            }
        }
    }

    /// Whether draining is over: no leg is left, or its time has passed.
    fn drained(&mut self) -> bool {
        if !self.ctx.drain.is_draining() {
            return false;
        }
        self.links.announce(Work::Draining);
        self.node.drain();
        let late = self.ctx.drain.deadline().is_some_and(|deadline| deadline <= self.now());
        late || (self.node.is_idle() && self.links.flush_all())
    }
}

/// Work outside the loop: disk and stores may be slow.
pub struct Shell {
    ctx: RoleContext,
    reports: Arc<FaultReports>,
    announcements: Announcements,
    written: mpsc::Sender<(RecordingKey, io::Result<()>)>,
}

impl Shell {
    /// A new shell for this role, and the receiver of what it has written.
    pub fn new(
        ctx: &RoleContext,
        announcements: Announcements,
    ) -> (Self, mpsc::Receiver<(RecordingKey, io::Result<()>)>) {
        let reports = Arc::new(FaultReports::new(&ctx.data_dir, ctx.node.as_str()));
        let (written, receiver) = mpsc::channel(RECORDINGS_MAX);
        (Self { ctx: ctx.clone(), reports, announcements, written }, receiver)
    }

    fn write(&self, writing: Writing) {
        let (announcements, written) = (self.announcements.clone(), self.written.clone());
        tokio::task::spawn_blocking(move || {
            let Writing { key, tenant, id, samples } = writing;
            let result = announcements.keep(&tenant, &id, &samples);
            // A loop that has ended reports nothing.
            let _ = written.blocking_send((key, result));
        });
    }

    fn put_aside(&self, aside: QuarantineRequest) {
        let stores = self.ctx.stores.clone();
        tokio::spawn(async move {
            let ask = || stores.quarantine.put_aside(aside.clone());
            until_answered("a leg's record cannot be quarantined now", ask).await
        });
    }

    fn keep(&self, report: FaultReport) {
        let reports = self.reports.clone();
        tokio::task::spawn_blocking(move || reports.keep(&report));
    }
}
