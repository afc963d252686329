//! Media's records of the audio of calls, for their explanation: addresses, first packets, figures.

use std::time::Duration;

use media::sdp::{AudioStream, Direction};
use media::session::{Event, Outcome, Statistics};
use model::{ConnId, TenantId, Timestamp};
use net::rtp::{LegId, Order};
use runtime::Recorder;
use runtime::spans::{AUDIO, KeyValue, Opening, TREATMENT, TraceParent};
use runtime::trace::entry::{Audio, Figures};
use runtime::trace::{Entry, What};
use sip::agent::DialogId;
use tokio::sync::{mpsc, oneshot};

use super::Node;
use super::leg::Leg;

/// The most waiting queries; people send them by hand.
const ASKS_MAX: usize = 16;
/// How long an RTP thread may take: it checks its orders at each packet.
const FIGURES_WITHIN: Duration = Duration::from_millis(700);
/// The most ended legs that wait for their last figures; further legs end without figures.
const ENDING_MAX: usize = 4_096;

/// A query about the present audio of a call.
pub struct Ask {
    tenant: TenantId,
    conn_id: ConnId,
    reply: oneshot::Sender<Vec<Entry>>,
}

/// An ended leg whose thread has not reported its figures yet.
pub struct Ending {
    tenant: TenantId,
    conn_id: ConnId,
    figures: oneshot::Receiver<Vec<(LegId, Statistics)>>,
}

/// Connects the recorder with the loop.
pub fn answer_by(trace: &Recorder) -> mpsc::Receiver<Ask> {
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    trace.ask_live(std::sync::Arc::new(move |tenant, conn_id| {
        let asks = asks.clone();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            if asks.try_send(Ask { tenant, conn_id, reply }).is_err() {
                return Vec::new();
            }
            match tokio::time::timeout(FIGURES_WITHIN, answer).await {
                Ok(Ok(entries)) => entries,
                Ok(Err(_)) | Err(_) => Vec::new(),
            }
        })
    }));
    asked
}

impl Node {
    /// Requests the figures of a call's legs from their thread, which answers the query.
    pub fn tell_figures(&mut self, ask: Ask) {
        let Ask { tenant, conn_id, reply } = ask;
        let legs: Vec<(usize, LegId)> = self
            .legs
            .values()
            .filter(|leg| leg.tenant == tenant && leg.call() == Some(conn_id))
            .map(|leg| (leg.shard, leg.id))
            .collect();
        // The members of a conference are on one thread.
        let Some(shard) = legs.first().map(|(shard, _)| *shard) else {
            let _ = reply.send(Vec::new());
            return;
        };
        let (sender, figures) = oneshot::channel();
        self.order(shard, Order::Figures(legs.into_iter().map(|(_, leg)| leg).collect(), sender));
        tokio::spawn(async move {
            let figures = figures.await.unwrap_or_default();
            let entry = |(leg, statistics): &(LegId, Statistics)| Entry {
                // The recipient sorts this entry behind all others.
                at: statistics.last_packet.map_or(0, Timestamp::as_micros),
                what: What::Figures(Box::new(in_full(*leg, statistics, false))),
            };
            // The recipient may have stopped waiting.
            let _ = reply.send(figures.iter().map(entry).collect());
        });
    }

    /// Requests the figures of an ending leg from its thread before the thread closes it.
    pub(super) fn trace_end(&mut self, leg: &Leg) {
        let Some(conn_id) = leg.call().filter(|_| self.trace.is_on() && self.ending.len() < ENDING_MAX) else { return };
        let (sender, figures) = oneshot::channel();
        self.order(leg.shard, Order::Figures(vec![leg.id], sender));
        self.ending.push(Ending { tenant: leg.tenant.clone(), conn_id, figures });
    }

    /// Records the figures of ended legs that have arrived.
    pub fn trace_ended(&mut self, now: Timestamp) {
        let trace = &self.trace;
        self.ending.retain_mut(|ending| match ending.figures.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => true,
            Err(oneshot::error::TryRecvError::Closed) => false,
            Ok(figures) => {
                for (leg, statistics) in figures {
                    let at = statistics.last_packet.or(statistics.first_packet).unwrap_or(Timestamp::ZERO);
                    let figures = What::Figures(Box::new(in_full(leg, &statistics, true)));
                    // A leg lasts longer than its last packet, and has a span even without packets.
                    trace.spans().noted(ending.conn_id, now, &figures);
                    trace.note(&ending.tenant, ending.conn_id, at, figures);
                }
                false
            }
        });
    }

    /// Records an event of a leg's audio.
    pub(super) fn trace_audio(&self, dialog: DialogId, event: &Event, now: Timestamp) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        let Some(conn_id) = leg.call() else { return };
        let id = leg.id.0;
        let what = match event {
            Event::Learned(from) => What::Learned { leg: id, from: from.to_string() },
            Event::Quiet { held: true, .. } => return,
            Event::Quiet { since, .. } => What::Quiet { leg: id, since: since.as_micros() },
            Event::Resumed => What::Resumed { leg: id },
            // The pressed keys are private. The call itself reports the end of a treatment.
            Event::Digit(_)
            | Event::Key(..)
            | Event::Ended(_)
            | Event::Recording(_)
            | Event::Withheld(_)
            | Event::Runaway
            | Event::NotAgreed(_)
            | Event::Counted => return,
        };
        self.trace.note(&leg.tenant, conn_id, now, what);
    }
}

/// Takes over the call's own span, which its owner has named in an INVITE.
pub(super) fn belongs(trace: &Recorder, leg: &Leg, invite: &sip::Message, now: Timestamp) {
    let named = invite.header(&sip::proxy::headers::TRACE).and_then(|text| text.parse::<TraceParent>().ok());
    if let (Some(named), Some(conn_id)) = (named, leg.call()) {
        trace.identify(&leg.tenant, conn_id, named.trace, now);
    }
}

/// A treatment of a leg starts.
pub(super) fn treatment_begins(trace: &Recorder, leg: &Leg, number: u64, what: &ivr::msml::Dialog, now: Timestamp) {
    let Some(conn_id) = leg.call().filter(|_| trace.spans().is_on()) else { return };
    // This ends the previous treatment; there is no other report of its end.
    treatment_stopped(trace, leg, number.saturating_sub(1), now);
    let audio = what.play.as_ref().map(|play| play.audio.join(" ")).unwrap_or_default();
    let does = match (&what.play, &what.collect, &what.record) {
        (Some(_), Some(_), _) => "play and collect",
        (None, Some(_), _) => "collect",
        (_, None, Some(_)) => "record",
        (_, None, None) => "play",
    };
    let opening = Opening {
        what: TREATMENT,
        which: format!("{}.{number}", leg.id.0),
        name: does.into(),
        within: Some((AUDIO, leg.id.0.to_string())),
        at: now,
        attributes: vec![
            KeyValue::new("trunkline.leg", leg.id.0.to_string()),
            KeyValue::new("trunkline.prompts", audio),
        ],
    };
    trace.spans().begins(conn_id, opening);
}

/// A treatment was stopped or replaced.
pub(super) fn treatment_stopped(trace: &Recorder, leg: &Leg, number: u64, now: Timestamp) {
    if let Some(conn_id) = leg.call().filter(|_| trace.spans().is_on()) {
        let how = vec![KeyValue::new("trunkline.play_end", "Stopped")];
        trace.spans().ends(conn_id, TREATMENT, &format!("{}.{number}", leg.id.0), now, how);
    }
}

/// A treatment ended by itself. The pressed keys are private.
pub(super) fn treatment_ended(trace: &Recorder, leg: &Leg, outcome: &Outcome, now: Timestamp) {
    let Some(conn_id) = leg.call().filter(|_| trace.spans().is_on()) else { return };
    let mut known = Vec::new();
    known.extend(outcome.play_end.map(|end| KeyValue::new("trunkline.play_end", format!("{end:?}"))));
    known.extend(outcome.collect_end.map(|end| KeyValue::new("trunkline.collect_end", format!("{end:?}"))));
    let record_end = outcome.recorded.as_ref().map(|recorded| format!("{:?}", recorded.end));
    known.extend(record_end.map(|end| KeyValue::new("trunkline.record_end", end)));
    let digits = i64::try_from(outcome.digits.chars().count()).unwrap_or(i64::MAX);
    known.push(KeyValue::new("trunkline.digits", digits));
    trace.spans().ends(conn_id, TREATMENT, &format!("{}.{}", leg.id.0, outcome.id), now, known);
}

/// A stream was agreed.
pub(super) fn audio(trace: &Recorder, leg: &Leg, stream: &AudioStream, call_id: String, now: Timestamp) {
    let Some(conn_id) = leg.call() else { return };
    let what = || {
        What::Audio(Audio {
            leg: leg.id.0,
            call_id,
            local: std::net::SocketAddr::new(leg.local.address, leg.local.port).to_string(),
            offered: stream.remote.map(|remote| remote.to_string()),
            codec: stream.codec.name().to_owned(),
            direction: match stream.direction {
                Direction::SendRecv => "sendrecv",
                Direction::SendOnly => "sendonly",
                Direction::RecvOnly => "recvonly",
                Direction::Inactive => "inactive",
            }
            .to_owned(),
        })
    };
    trace.note_with(&leg.tenant, conn_id, now, what);
}

fn in_full(leg: LegId, figures: &Statistics, ended: bool) -> Figures {
    /// A unit of RTP time of 8 kHz audio, in microseconds.
    const UNIT_US: u64 = 125;
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_micros);
    let told = figures.told;
    Figures {
        leg: leg.0,
        ended,
        learned: figures.learned.map(|from| from.to_string()),
        first: micros(figures.first_packet),
        last: micros(figures.last_packet),
        received: figures.received,
        lost: figures.lost,
        jitter_us: u64::from(figures.jitter) * UNIT_US,
        strangers: figures.strangers,
        invalid: figures.invalid,
        sent: figures.sent,
        remote_lost_256: figures.remote_fraction_lost,
        reported: told.is_some(),
        remote_jitter_us: told.map_or(0, |told| u64::from(told.jitter) * UNIT_US),
        remote_lost: told.map_or(0, |told| i64::from(told.lost)),
        round_trip_us: told.and_then(|told| told.round_trip).and_then(|trip| u64::try_from(trip.as_micros()).ok()),
        unrelayed: figures.unrelayed,
    }
}
