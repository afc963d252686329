//! One stream of events from port 8000 of tenant, as frames that SSE and WebSocket write each in their own way.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use contracts::json::snapshot::{EndReason, EventsGap, StreamEnd, TenantSnapshot, snapshot_from_wire};
use contracts::v1::delivery::What;
use contracts::v1::events_client::EventsClient;
use contracts::{json, v1, wire};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use model::{Stamped, TenantId};
use net::grpc::Channel;
use net::http::{Problem, StatusCode};
use runtime::{Drain, RoleContext};
use serde_json::{Value, json};
use tonic::{Code, Status};

/// Port 8000 of tenant.
const CONNECTION: &str = "own-22";
const PORT: u16 = 8_000;
/// Connections to tenant, each with 512 streams at most: more streams than the edge lets in.
const CHANNELS: usize = 12;
/// The largest message: a snapshot of a hundred thousand calls.
const MESSAGE_MAX: usize = 64 << 20;
/// How long a snapshot may take: it stands at tenant already when the stream is open.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(20);

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

/// Frames up to the end of the stream, which the last one names.
pub(in crate::ingress) type StreamFrames = Pin<Box<dyn Stream<Item = StreamFrame> + Send>>;

/// Who asks for which tenant's events.
#[derive(Clone)]
pub(in crate::ingress) struct FollowRequest {
    pub tenant: TenantId,
    /// The caller's own token; without one it is asked as the role.
    pub token: Option<String>,
    pub request: v1::SubscribeRequest,
    pub beginning: Beginning,
}

/// How a stream without a position begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ingress) enum Beginning {
    /// With the state.
    Snapshot,
    /// With what happens next.
    End,
}

impl Upstream {
    pub fn new(ctx: &RoleContext) -> Result<Self> {
        let channels = net::grpc::channels_of_streams(ctx, CONNECTION, PORT, CHANNELS)?;
        let pooled = channels.into_iter().map(|channel| Pooled { channel, streams: AtomicUsize::new(0) });
        Ok(Self { channels: Arc::new(pooled.collect()), drain: ctx.drain.clone() })
    }

    /// Opens a stream. If the position is not kept any more, it begins with a gap and a snapshot.
    pub async fn follow(&self, asked: FollowRequest) -> Result<StreamFrames, Problem> {
        let following = Following::begin(self.opener(), self.drain.clone(), asked).await?;
        Ok(Box::pin(futures::stream::unfold(following, |mut following| async move {
            let frame = following.next().await?;
            Some((frame, following))
        })))
    }

    /// The present end of a tenant's stream, asked for as the role.
    pub async fn end(&self, tenant: &TenantId) -> Result<String, Problem> {
        end_of(&self.opener(), tenant, None).await.map_err(|status| problem(&status))
    }

    /// Opens streams on one of the connections.
    fn opener(&self) -> Opener {
        let share = self.share();
        let channel = self.channels[share.1].channel.clone();
        Box::new(move |asked| {
            let _held = &share;
            Box::pin(open(channel.clone(), asked))
        })
    }

    /// A place on the connection with the fewest streams.
    fn share(&self) -> ChannelShare {
        let counts = self.channels.iter().enumerate().map(|(at, pooled)| (pooled.streams.load(Ordering::Relaxed), at));
        let at = counts.min().map_or(0, |(_, at)| at);
        self.channels[at].streams.fetch_add(1, Ordering::Relaxed);
        ChannelShare(self.channels.clone(), at)
    }
}

/// What tenant delivers.
type Deliveries = BoxStream<'static, Result<v1::Delivery, Status>>;

/// Opens a stream at tenant.
type Opener = Box<dyn Fn(FollowRequest) -> BoxFuture<'static, Result<Deliveries, Status>> + Send + Sync>;

async fn open(channel: Channel, asked: FollowRequest) -> Result<Deliveries, Status> {
    let request = net::grpc::for_tenant(tonic::Request::new(asked.request), &asked.tenant);
    let request = match &asked.token {
        Some(token) => net::grpc::on_behalf(request, token)?,
        None => request,
    };
    let mut client = EventsClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
    Ok(client.subscribe(request).await?.into_inner().boxed())
}

/// Opens the stream. One that begins at the present end begins with its position.
async fn open_from(
    open: &Opener,
    asked: &mut FollowRequest,
    first: &mut VecDeque<StreamFrame>,
) -> Result<Deliveries, Status> {
    if asked.request.after.is_empty() && asked.beginning == Beginning::End {
        asked.request.after = end_of(open, &asked.tenant, asked.token.clone()).await?;
        first.push_back(StreamFrame::Reached(asked.request.after.clone()));
    }
    open(asked.clone()).await
}

/// The position of a tenant's present end.
async fn end_of(open: &Opener, tenant: &TenantId, token: Option<String>) -> Result<String, Status> {
    // The snapshot of a call that cannot be has nothing but its position.
    let request = v1::SubscribeRequest { calls: vec![0], ..v1::SubscribeRequest::default() };
    let asked = FollowRequest { tenant: tenant.clone(), token, request, beginning: Beginning::Snapshot };
    let snapshot = first_of(&mut open(asked).await?).await?;
    match snapshot.and_then(|delivery| delivery.what) {
        Some(What::Snapshot(snapshot)) => Ok(snapshot.position),
        _ => Err(Status::unavailable("no snapshot came")),
    }
}

/// The first delivery of a stream that begins with a snapshot.
async fn first_of(deliveries: &mut Deliveries) -> Result<Option<v1::Delivery>, Status> {
    let late = |_| Status::deadline_exceeded("no snapshot came");
    tokio::time::timeout(SNAPSHOT_WITHIN, deliveries.next()).await.map_err(late)?.transpose()
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

/// Why there is no snapshot. Without a position nothing can have been lost, so the message itself was out of range.
fn problem_of_snapshot(status: &Status) -> Problem {
    match status.code() {
        Code::OutOfRange => Problem::unprocessable(TOO_LARGE),
        _ => problem(status),
    }
}

const TOO_LARGE: &str = "the snapshot has more than 64 MiB: name the DNs, agents, queues or calls that are wanted";

/// A stream in progress.
struct Following {
    open: Opener,
    drain: Drain,
    asked: FollowRequest,
    deliveries: Deliveries,
    /// What comes before the next delivery.
    first: VecDeque<StreamFrame>,
    is_over: bool,
}

impl Following {
    async fn begin(open: Opener, drain: Drain, mut asked: FollowRequest) -> Result<Self, Problem> {
        let mut first = VecDeque::new();
        let opened = match open_from(&open, &mut asked, &mut first).await {
            Err(status) if status.code() == Code::OutOfRange => {
                first.push_back(lost_after(&mut asked, &status));
                open_from(&open, &mut asked, &mut first).await
            }
            opened => opened,
        };
        let deliveries = opened.map_err(|status| problem(&status))?;
        let mut following = Self { open, drain, asked, deliveries, first, is_over: false };
        if following.asked.request.after.is_empty() {
            // A stream that ended for want of a snapshot would be asked for again and again.
            let snapshot = first_of(&mut following.deliveries).await.map_err(|status| problem_of_snapshot(&status))?;
            let frame = snapshot.and_then(|delivery| following.frame(delivery));
            following.first.extend(frame);
        }
        Ok(following)
    }

    async fn next(&mut self) -> Option<StreamFrame> {
        if self.is_over {
            return None;
        }
        let frame = match self.first.pop_front() {
            Some(frame) => frame,
            None => self.delivered().await,
        };
        self.is_over = matches!(frame, StreamFrame::End(_));
        Some(frame)
    }

    async fn delivered(&mut self) -> StreamFrame {
        let drain = self.drain.clone();
        loop {
            let delivery = tokio::select! {
                () = drain.begun() => return end(EndReason::Restart, "this server restarts: continue after the last position"),
                delivery = self.deliveries.next() => delivery,
            };
            match delivery {
                Some(Ok(delivery)) => {
                    if let Some(frame) = self.frame(delivery) {
                        return frame;
                    }
                }
                None => return end(EndReason::Unavailable, "the events have ended: continue after the last position"),
                Some(Err(status)) if status.code() != Code::OutOfRange => {
                    return end(reason_of(&status), status.message());
                }
                Some(Err(_)) if self.asked.request.after.is_empty() => return end(EndReason::Unavailable, TOO_LARGE),
                Some(Err(status)) => return self.gap(&status).await,
            }
        }
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

    /// Some facts are gone: says so, and begins again as a stream without a position does.
    async fn gap(&mut self, status: &Status) -> StreamFrame {
        let gap = lost_after(&mut self.asked, status);
        match open_from(&self.open, &mut self.asked, &mut self.first).await {
            Ok(deliveries) => {
                self.deliveries = deliveries;
                gap
            }
            Err(status) => end(reason_of(&status), status.message()),
        }
    }
}

/// Says that what came after its position is lost, and takes the position out of what is asked for.
fn lost_after(asked: &mut FollowRequest, status: &Status) -> StreamFrame {
    let after = std::mem::take(&mut asked.request.after);
    StreamFrame::Gap(EventsGap { after, detail: status.message().to_owned() })
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

#[cfg(test)]
mod tests;
