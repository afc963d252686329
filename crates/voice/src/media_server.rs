//! media: announcements, music, digits, recording, echo and the relay of every call's audio (RFC 3550, 4240, 4733, 5707).
//!
//! Connections: SIP to every sip-proxy, kept open (voice-58); audio with phones at the edge (own-19); the names of tenants and
//! their prompts from config (own-04), uploaded recordings of these from tenant (own-37); records of legs (own-06); call data from ors for
//! prompt names (voice-21). A media dialog is one leg of a call: an INVITE to
//! `sip:conf=<id>@...` (two members of a conference are relayed), `sip:annc@...;play=<prompt>` (plays, then BYE) or `sip:msml@...`;
//! treatments are MSML in INFO. What is said in a conference is recorded where a member is joined with a recording.
//!
//! `node` owns the legs; `turn` is the loop that drives it, and what lies beside them talks to other roles and to the ledger.

pub(crate) mod addresses;
mod announcements;
mod call_data;
mod conversations;
mod event_loop;
#[cfg(test)]
pub(crate) mod in_memory;
pub(crate) mod limits;
mod metrics;
pub(crate) mod node;
mod previous_run;
mod prompts;
#[cfg(test)]
mod tests;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use media::dtls::Identity;
use net::rtp::RtpDriver;
use net::sip::{Counters, NodeLinks};
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

pub use prompts::fault as prompt_fault;

use crate::record_cipher::RecordCipher;
use addresses::AudioAddresses;
use conversations::{ConversationStore, ConversationWriter};
use event_loop::EventLoop;
use limits::Limits;
use metrics::Metrics;
use node::{Node, Parts};
use prompts::Prompts;
use uploads::Uploads;

/// The declaration of the media role.
pub const SPEC: RoleSpec = RoleSpec {
    name: "media",
    number: 13,
    summary: "the voice platform: announcements, music, digits, and the relay of calls' audio",
    listens: &[Listen { name: "rtp", protocol: Protocol::Rtp, port: 0, place: Place::Edge, accepts: &["own-19"] }],
    opens: &["voice-21", "voice-58", "own-04", "own-06", "own-37"],
    settings: Settings::TABLE,
    metrics: &[Metrics::declared, net::configuration::Metrics::declared, uploads::Metrics::declared],
    admin_port: 9_090,
    starts: Starts::InTurn,
    drains: Drains::CallService,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

runtime::settings! {
    /// Settings of media.
    pub struct Settings {
        /// First port for RTP; each leg uses an even port and the next higher one.
        rtp_port_first: u16 = 20_000, |p| if *p >= 1_024 { Ok(()) } else { Err("ports below 1024 are not for audio".to_owned()) };
        /// Last port for RTP.
        rtp_port_last: u16 = 29_999 => ports_suffice;
        /// Threads that move packets; each moves about 50,000 packets a second.
        rtp_threads: usize = 1, |n| if (1..=64).contains(n) { Ok(()) } else { Err("it must be 1 to 64".to_owned()) };
        /// The most legs at once; further INVITEs are answered 503.
        legs_max: usize = 4_000;
        /// After this time without a packet from a phone, the call's owner is notified.
        quiet_after: Duration = Duration::from_secs(20);
        /// Calls are recorded only while the disk of the data directory has more MiB free than this: all roles need it.
        recordings_free_mib: u64 = 1_024, |mib| if *mib <= 1 << 30 { Ok(()) } else { Err("it must be 0 to 1073741824".to_owned()) };
    }
}

/// Checks the range: a call of two parties needs two legs, each with an even port and the next higher one.
fn ports_suffice(settings: &Settings) -> Result<(), String> {
    let (first, last) = (settings.rtp_port_first, settings.rtp_port_last);
    if last < first {
        return Err(format!("{last} is below media.rtp_port_first ({first})"));
    }
    let legs = (u32::from(last) + 1 - u32::from(first).next_multiple_of(2)) / 2;
    if legs < 2 {
        let reason = "a call takes two even ports, each with the one above";
        return Err(format!("{last} is too close to media.rtp_port_first ({first}): {reason}"));
    }
    Ok(())
}

/// The condition that at least one proxy has accepted this node.
const PROXY: &str = "sip-proxy";

async fn run(ctx: RoleContext) -> anyhow::Result<()> {
    let settings: Settings = ctx.settings()?;
    ctx.ready.require(PROXY);
    runtime::lease::keep(&ctx);
    let bounds = ctx.bounds("rtp")?;
    let addresses = AudioAddresses::told_by(&bounds)?;
    let metrics = Metrics::register(&ctx.metrics);
    let store = ConversationStore {
        folder: ctx.data_dir.join("recordings"),
        node: ctx.node.to_string(),
        free_min: settings.recordings_free_mib << 20,
        clock: ctx.clock.clone(),
    };
    let (conversations, recorded) =
        ConversationWriter::start(store, metrics.clone()).context("there can be no threads that write recordings")?;
    let (driver, news) = RtpDriver::start(net::rtp::Settings {
        addresses: bounds.all().map(|bound| bound.listen.ip()).collect(),
        ports: settings.rtp_port_first..=settings.rtp_port_last,
        threads: settings.rtp_threads,
        clock: ctx.clock.clone(),
        recorded,
    })
    .context("the RTP threads cannot be started")?;
    let limits = Limits { legs_max: settings.legs_max, quiet_after: settings.quiet_after, ..Limits::default() };
    let uploads = Uploads::follow(&ctx)?;
    let node = Node::new(Parts {
        owner: ctx.owner(),
        seal: sip::Seal::new(ctx.installation_key.bytes()),
        cipher: RecordCipher::of(&ctx.installation_key),
        limits,
        metrics,
        sent_by: ctx.address.to_string(),
        addresses,
        driver: Box::new(driver),
        prompts: Prompts::new(ctx.data_dir.join("prompts")).with_uploads(uploads),
        identity: Arc::new(Identity::generate().context("no certificate for encrypted audio")?),
        entropy: ctx.entropy(),
        agent_entropy: ctx.entropy(),
        trace: ctx.trace.clone(),
    });
    let asks = node::explain::answer_by(&ctx.trace);
    let meter = ctx.meter("own-19").peer("phones");
    ctx.ready.started();
    let former = previous_run::claim(&ctx).await?;
    // Connect only now: the first message of a proxy may belong to one of those legs.
    let links = NodeLinks::of_role(&ctx, net::sip::Limits::default(), Arc::new(Counters::default()))?;
    let (asker, call_data) = call_data::Asker::new(&ctx)?;
    let (shell, written) = event_loop::Shell::new(&ctx, node.announcements().clone());
    let (found, released) = tokio::sync::mpsc::channel(1);
    ctx.spawn("released legs", previous_run::watch_released(ctx.clone(), found));
    let event_loop = EventLoop {
        ctx,
        node,
        links,
        news,
        asks,
        asker,
        call_data,
        former,
        released,
        shell,
        written,
        conversations,
        meter,
    };
    event_loop.run().await
}
