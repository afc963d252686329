//! A node that looks like sip-cluster to media: one dialog per leg, through sip-proxy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use infra::{Clock, SystemClock};
use model::{Epoch, NodeId, Owner};
use net::sip::{Limits, LinkEvent, NodeIdentity, NodeLinks};
use runtime::RoleSpec;
use runtime::entropy::Strong;
use sip::proxy::headers;
use sip::{ConnectionId, HeaderName, Message, Method};
use tokio::sync::watch;

use super::load::Load;
use crate::site::{Site, TENANT, spec};

const ROLE: &str = "sip-cluster";
/// As far as its tokens need it: its connection to sip-proxy.
static NODE: RoleSpec = RoleSpec { opens: &["voice-51"], ..RoleSpec::bare(ROLE, 2) };
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Keeps the dialogs open: media ends those of a failed node.
pub struct Dialogs {
    _executor: tokio::runtime::Runtime,
}

/// Sets up the legs of every conference, and sets the phones' destinations.
pub fn connect(site: &Site, load: &Load) -> Result<Dialogs> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    executor.block_on(async {
        let mut node = Node::start(site)?;
        node.up().await?;
        for (number, phones) in load.conferences().into_iter().enumerate() {
            let conference = format!("{number:016x}");
            let mut peers = Vec::new();
            for phone in phones {
                let encryption = if phone.contains("RTP/SAVP") { ";encryption=required" } else { "" };
                peers.push(node.invite(&format!("{conference}@media.trunkline.invalid{encryption}"), phone).await?);
            }
            load.answered(number, &peers)?;
        }
        tokio::spawn(node.keep());
        anyhow::Ok(())
    })?;
    Ok(Dialogs { _executor: executor })
}

struct Node {
    links: NodeLinks,
    link: ConnectionId,
    host: IpAddr,
    dialogs: u32,
}

impl Node {
    fn start(site: &Site) -> Result<Self> {
        let host = runtime::address::of_replica(site.instance, spec(ROLE)?.number, 1);
        let proxy = runtime::address::of_replica(site.instance, spec("sip-proxy")?.number, 1);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let service = runtime::key_files::service_issuer(site.data_dir(), &NODE, clock.clone())?;
        let name = format!("{ROLE}-1");
        let owner = Owner { node: NodeId::parse(&name)?, epoch: Epoch(clock.now().as_millis()) };
        let token = move || service.token(&name, "sip-proxy").unwrap_or_default();
        let identity = NodeIdentity { role: ROLE, owner, token: Arc::new(token) };
        // The list of proxies is fixed: its sender may be dropped.
        let (_, proxies) = watch::channel(vec![proxy]);
        let entropy = Box::new(Strong::seeded_by_system());
        let links = NodeLinks::start(identity, host, proxies, Limits::default(), Arc::default(), entropy);
        Ok(Self { links, link: ConnectionId(0), host, dialogs: 0 })
    }

    async fn up(&mut self) -> Result<()> {
        let next = tokio::time::timeout(ANSWER_LIMIT, async {
            loop {
                if let LinkEvent::Up { link, .. } = self.links.next().await {
                    return link;
                }
            }
        });
        self.link = next.await.context("sip-proxy does not take the benchmark as a node")?;
        Ok(())
    }

    /// Requests a leg from media; returns the destination of its phone's audio.
    async fn invite(&mut self, conference: &str, phone: String) -> Result<SocketAddr> {
        self.dialogs += 1;
        let target = format!("sip:conf={conference}");
        let invite = self.request(Method::Invite, &target, &format!("<{target}>"), 1);
        let invite = invite.header(&headers::TENANT, TENANT).body("application/sdp", phone).build();
        self.links.send(self.link, invite.to_bytes())?;
        let answer = tokio::time::timeout(ANSWER_LIMIT, self.answer()).await.context("media does not answer")??;
        let to = answer.header(&HeaderName::To).context("no To")?.to_owned();
        let contact =
            answer.contacts().next().and_then(Result::ok).and_then(|c| c.address().map(|a| a.raw_uri().to_owned()));
        let ack = self.request(Method::Ack, &contact.context("no Contact")?, &to, 1).build();
        self.links.send(self.link, ack.to_bytes())?;
        super::ng::address(&String::from_utf8_lossy(answer.body()))
    }

    /// The final response to the last request.
    async fn answer(&mut self) -> Result<Message> {
        loop {
            match self.links.next().await {
                LinkEvent::Message { message, .. } if message.is_request() => self.keep_alive(&message)?,
                LinkEvent::Message { message, .. } => match message.status() {
                    Some(status) if status.is_success() => return Ok(message),
                    Some(status) if status.0 >= 300 => bail!("media refuses with {}", status.0),
                    _ => {}
                },
                LinkEvent::Down { .. } => bail!("sip-proxy has closed the connection"),
                LinkEvent::Up { .. } => {}
            }
        }
    }

    /// Keeps answering the proxy's keep-alives.
    async fn keep(mut self) {
        loop {
            if let LinkEvent::Message { message, .. } = self.links.next().await
                && self.keep_alive(&message).is_err()
            {
                return;
            }
        }
    }

    fn keep_alive(&mut self, message: &Message) -> Result<()> {
        if let Some(answer) = self.links.keep_alive_answer(message) {
            self.links.send(self.link, answer)?;
        }
        Ok(())
    }

    fn request(&self, method: Method, target: &str, to: &str, number: u32) -> sip::Builder {
        let (host, dialog) = (self.host, self.dialogs);
        let name = method.as_str().to_owned();
        Message::request(method, target)
            .header(&HeaderName::Via, format_args!("SIP/2.0/TCP {host};branch=z9hG4bKbench{name}{dialog}"))
            .header(&HeaderName::MaxForwards, 70)
            .header(&HeaderName::From, format_args!("<sip:bench@{host}>;tag=bench{dialog}"))
            .header(&HeaderName::To, to)
            .header(&HeaderName::CallId, format_args!("bench{dialog}@{host}"))
            .header(&HeaderName::CSeq, format_args!("{number} {name}"))
            .header(&HeaderName::Contact, format_args!("<sip:bench{dialog}@{host}>"))
    }
}
