//! One stream of events from port 8000 of tenant, as frames that SSE and WebSocket write each in their own way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use contracts::json::snapshot::{EndReason, EventsGap, StreamEnd, TenantSnapshot, snapshot_from_wire};
use contracts::v1::delivery::What;
use contracts::v1::events_client::EventsClient;
use contracts::{json, v1, wire};
use futures::Stream;
use model::{Stamped, TenantId};
use net::grpc::Channel;
use net::http::{Problem, StatusCode};
use runtime::{Drain, RoleContext};
use serde_json::{Value, json};
use tonic::{Code, Status, Streaming};

/// Port 8000 of tenant.
const CONNECTION: &str = "own-22";
const PORT: u16 = 8_000;
/// Connections to tenant, each with 512 streams at most: more streams than the edge lets in.
const CHANNELS: usize = 12;
/// The largest message: a snapshot of a hundred thousand calls.
const MESSAGE_MAX: usize = 64 << 20;

/// Opens streams of events. Cheap to clone.
#[derive(Clone)]
pub(in crate::ingress) struct Upstream {
    channels: Arc<Vec<Pooled>>,
    drain: Drain,
}

struct Pooled {
    channel: Channel,
    streams: AtomicUsize,
}

/// One stream's share of a connection.
struct ChannelShare(Arc<Vec<Pooled>>, usize);

impl Drop for ChannelShare {
    fn drop(&mut self) {
        self.0[self.1].streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a reader is told.
#[derive(Debug)]
pub(in crate::ingress) enum StreamFrame {
    /// The state at the beginning.
    Snapshot(Box<TenantSnapshot>),
    /// A fact, with its position.
    Event(String, Box<Stamped>),
    /// Nothing has happened up to here.
    Reached(String),
    /// What came after this position is not kept any more: a snapshot follows.
    Gap(EventsGap),
    /// The stream is over.
    End(StreamEnd),
}

fn reason_of(status: &Status) -> EndReason {
    match status.code() {
        Code::ResourceExhausted => EndReason::Slow,
        Code::Unauthenticated | Code::PermissionDenied => EndReason::Token,
        _ => EndReason::Unavailable,
    }
}

impl StreamFrame {
    /// The name of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Snapshot(_) => "snapshot",
            Self::Event(..) => "event",
            Self::Reached(_) => "reached",
            Self::Gap(_) => "gap",
            Self::End(_) => "end",
        }
    }

    /// The position from which a reader that has it continues.
    pub fn position(&self) -> Option<&str> {
        match self {
            Self::Snapshot(snapshot) => Some(&snapshot.position),
            Self::Event(position, _) | Self::Reached(position) => Some(position),
            Self::Gap(_) | Self::End(_) => None,
        }
    }

    /// What it says.
    pub fn data(&self) -> Value {
        match self {
            Self::Snapshot(snapshot) => serde_json::to_value(snapshot).unwrap_or_default(),
            Self::Event(_, stamped) => json::event_frame(stamped, None),
            Self::Reached(position) => json!({"position": position}),
            Self::Gap(gap) => serde_json::to_value(gap).unwrap_or_default(),
            Self::End(end) => serde_json::to_value(end).unwrap_or_default(),
        }
    }
}

/// StreamFrames up to the end of the stream, which the last one names.
pub(in crate::ingress) type StreamFrames = Pin<Box<dyn Stream<Item = StreamFrame> + Send>>;

/// Who asks for which tenant's events.
#[derive(Clone)]
pub(in crate::ingress) struct FollowRequest {
    pub tenant: TenantId,
    /// The caller's own token; without one it is asked as the role.
    pub token: Option<String>,
    pub request: v1::SubscribeRequest,
}

impl Upstream {
    pub fn new(ctx: &RoleContext) -> Result<Self> {
        let channels = net::grpc::channels_of_streams(ctx, CONNECTION, PORT, CHANNELS)?;
        let pooled = channels.into_iter().map(|channel| Pooled { channel, streams: AtomicUsize::new(0) });
        Ok(Self { channels: Arc::new(pooled.collect()), drain: ctx.drain.clone() })
    }

    /// Opens a stream. If the position is not kept any more, it begins with a gap and a snapshot.
    pub async fn follow(&self, asked: FollowRequest) -> Result<StreamFrames, Problem> {
        let share = self.share();
        let mut first = Vec::new();
        let opened = match self.open(&share, &asked).await {
            Err(status) if status.code() == Code::OutOfRange => {
                let (again, gap) = after_gap(asked.clone(), &status);
                first.push(gap);
                self.open(&share, &again).await
            }
            opened => opened,
        };
        let deliveries = opened.map_err(|status| problem(&status))?;
        let following = Following { upstream: self.clone(), share, asked, deliveries, first, is_over: false };
        Ok(Box::pin(futures::stream::unfold(following, |mut following| async move {
            let frame = following.next().await?;
            Some((frame, following))
        })))
    }

    /// A place on the connection with the fewest streams.
    fn share(&self) -> ChannelShare {
        let counts = self.channels.iter().enumerate().map(|(at, pooled)| (pooled.streams.load(Ordering::Relaxed), at));
        let at = counts.min().map_or(0, |(_, at)| at);
        self.channels[at].streams.fetch_add(1, Ordering::Relaxed);
        ChannelShare(self.channels.clone(), at)
    }

    async fn open(&self, share: &ChannelShare, asked: &FollowRequest) -> Result<Streaming<v1::Delivery>, Status> {
        let request = net::grpc::for_tenant(tonic::Request::new(asked.request.clone()), &asked.tenant);
        let request = match &asked.token {
            Some(token) => net::grpc::on_behalf(request, token)?,
            None => request,
        };
        let channel = self.channels[share.1].channel.clone();
        let mut client = EventsClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        Ok(client.subscribe(request).await?.into_inner())
    }
}

fn after_gap(mut asked: FollowRequest, status: &Status) -> (FollowRequest, StreamFrame) {
    let after = std::mem::take(&mut asked.request.after);
    (asked, StreamFrame::Gap(EventsGap { after, detail: status.message().to_owned() }))
}

/// The answer to a caller whose stream was not opened.
fn problem(status: &Status) -> Problem {
    let detail = status.message();
    match status.code() {
        Code::InvalidArgument => Problem::bad_request(detail),
        Code::Unauthenticated => Problem::unauthorized(detail),
        Code::PermissionDenied => Problem::forbidden(detail),
        Code::ResourceExhausted => Problem::too_many(detail),
        Code::DeadlineExceeded => Problem::new(StatusCode::GATEWAY_TIMEOUT, "tenant-away", "The events cannot be read"),
        _ => Problem::unavailable("the events cannot be read now"),
    }
}

/// A stream in progress.
struct Following {
    upstream: Upstream,
    share: ChannelShare,
    asked: FollowRequest,
    deliveries: Streaming<v1::Delivery>,
    /// What comes before the next delivery.
    first: Vec<StreamFrame>,
    is_over: bool,
}

impl Following {
    async fn next(&mut self) -> Option<StreamFrame> {
        if self.is_over {
            return None;
        }
        if let Some(frame) = self.first.pop() {
            return Some(frame);
        }
        let drain = self.upstream.drain.clone();
        let frame = loop {
            let delivery = tokio::select! {
                () = drain.begun() => break end(EndReason::Restart, "this server restarts: continue after the last position"),
                delivery = self.deliveries.message() => delivery,
            };
            match delivery {
                Ok(Some(delivery)) => match self.frame(delivery) {
                    Some(frame) => break frame,
                    None => continue,
                },
                Ok(None) => {
                    break end(EndReason::Unavailable, "the events have ended: continue after the last position");
                }
                Err(status) if status.code() == Code::OutOfRange => break self.gap(&status).await,
                Err(status) => break end(reason_of(&status), status.message()),
            }
        };
        self.is_over = matches!(frame, StreamFrame::End(_));
        Some(frame)
    }

    fn frame(&mut self, delivery: v1::Delivery) -> Option<StreamFrame> {
        match delivery.what? {
            What::Snapshot(snapshot) => {
                self.asked.request.after.clone_from(&snapshot.position);
                match snapshot_from_wire(snapshot) {
                    Ok(snapshot) => Some(StreamFrame::Snapshot(Box::new(snapshot))),
                    Err(error) => Some(end(EndReason::Unavailable, &format!("the snapshot cannot be read: {error}"))),
                }
            }
            What::Event(event) => {
                self.asked.request.after.clone_from(&event.position);
                match wire::stamped_from_wire(event.envelope?) {
                    Ok(stamped) => Some(StreamFrame::Event(event.position, Box::new(stamped))),
                    Err(error) => {
                        // A newer release knows more kinds of facts than this one.
                        tracing::debug!(%error, "a fact cannot be read: it is left out");
                        None
                    }
                }
            }
            What::Reached(position) => {
                self.asked.request.after.clone_from(&position);
                Some(StreamFrame::Reached(position))
            }
        }
    }

    /// Some facts are gone: says so, and begins again with a snapshot.
    async fn gap(&mut self, status: &Status) -> StreamFrame {
        let (again, gap) = after_gap(self.asked.clone(), status);
        match self.upstream.open(&self.share, &again).await {
            Ok(deliveries) => {
                self.deliveries = deliveries;
                gap
            }
            Err(status) => end(reason_of(&status), status.message()),
        }
    }
}

fn end(reason: EndReason, detail: &str) -> StreamFrame {
    StreamFrame::End(StreamEnd { reason, detail: detail.to_owned() })
}

/// A fact at a position, for tests.
#[cfg(test)]
pub(super) fn held(position: &str) -> StreamFrame {
    use model::{ConnId, Dn, Event, EventId, EventName, Seq, Subject, Timestamp, Token};

    let mut event = Event::new(EventName::Held);
    event.this_dn = Dn::parse("7101").ok();
    event.user_data.set("note", "two\nlines");
    let id = EventId { subject: Subject::Call(ConnId(7)), token: Token(1), seq: Seq(2) };
    let tenant = TenantId::parse("acme").unwrap_or_else(|_| unreachable!("a tenant's name"));
    StreamFrame::Event(
        position.to_owned(),
        Box::new(Stamped { id, tenant, at: Timestamp::from_millis(3), trace: None, event }),
    )
}
