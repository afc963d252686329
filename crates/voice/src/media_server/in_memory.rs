//! The node without sockets, threads and clock, for simulations and tests that provide their own.
//!
//! SIP goes in through [`InMemory::receive`] and comes out of [`InMemory::poll_transmit`]. Audio goes in through [`InMemory::hear`] and
//! comes out of [`InMemory::poll_packet`]. Call [`InMemory::handle_timeout`] at [`InMemory::next_timeout`]. Writes for the ledger come out
//! of [`InMemory::stored`]; its answers go to [`InMemory::kept`]. The node's next run is a new value with [`Node::restore`] called for the
//! records of [`claim_of`]. Time must not go back.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use infra::{Clock, MediaWrite, Written};
use media::dtls::Identity;
use model::entropy::Seeded;
use model::{Owner, Timestamp};
use net::rtp::LegEvent;
use net::rtp::simulated::{Packet, Simulated};
use sip::{ConnectionId, Message, Seal, Transmit};
use tokio::sync::mpsc;

use super::addresses::AudioAddresses;
use super::limits::Limits;
use super::metrics::Metrics;
use super::node::commit::Undo;
use super::node::recordings::Writing;
use super::node::{Node, Parts};
pub use super::previous_run::{PreviousRunLegs, claim_of};
use super::prompts::Prompts;
use crate::test_stores::cipher;

/// See the module.
pub struct InMemory {
    /// The node: links, restoring and draining are done on it directly.
    pub node: Node,
    audio: Simulated,
    news: mpsc::Receiver<LegEvent>,
}

/// The identity, address and randomness of a node.
pub struct Place {
    /// The node and its epoch.
    pub owner: Owner,
    /// Seals its tags.
    pub seal: Seal,
    /// The addresses of its audio; nothing is bound to them.
    pub addresses: AudioAddresses,
    /// Its RTP ports.
    pub ports: RangeInclusive<u16>,
    /// Its randomness.
    pub seed: u64,
    /// The folder beside which recorded announcements are kept.
    pub prompts: PathBuf,
    /// The simulation's clock, by which the audio carries out its orders.
    pub clock: Arc<dyn Clock>,
}

impl InMemory {
    /// A node without legs.
    pub fn start(place: Place, limits: Limits) -> Self {
        let Place { owner, seal, addresses, ports, seed, prompts, clock } = place;
        let (audio, driver, news) = Simulated::start(&addresses.all().collect::<Vec<_>>(), ports, clock);
        let node = Node::new(Parts {
            owner,
            seal,
            cipher: cipher(),
            limits,
            metrics: Metrics::default(),
            sent_by: addresses.nearest(None).to_string(),
            addresses,
            driver: Box::new(driver),
            prompts: Prompts::new(prompts),
            identity: Arc::new(Identity::generate().expect("a system with randomness")),
            entropy: Box::new(Seeded::new(seed)),
            agent_entropy: Box::new(Seeded::new(seed ^ 0x5EED)),
            trace: runtime::Recorder::off(),
        });
        Self { node, audio, news }
    }

    /// Receives a SIP message on a link that is up.
    pub fn receive(&mut self, message: Message, link: ConnectionId, now: Timestamp) {
        self.node.receive(message, link, now);
        self.take_news(now);
    }

    /// Receives a packet on one of our ports. Returns whether a leg took it.
    pub fn hear(&mut self, port: u16, bytes: &[u8], from: SocketAddr, now: Timestamp) -> bool {
        let taken = self.audio.receive(port, bytes, from, now);
        self.take_news(now);
        taken
    }

    /// Handles due timers.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.audio.handle_timeout(now);
        self.take_news(now);
        self.node.handle_timeout(now);
    }

    /// When [`InMemory::handle_timeout`] must be called next.
    pub fn next_timeout(&self) -> Timestamp {
        self.node.next_timeout().unwrap_or(Timestamp::MAX).min(self.audio.next_timeout())
    }

    /// The next SIP message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.node.poll_transmit()
    }

    /// The next audio packet to send.
    pub fn poll_packet(&mut self) -> Option<Packet> {
        self.audio.poll_packet()
    }

    /// The changes since the last call, for the ledger.
    pub fn stored(&mut self, now: Timestamp) -> Vec<MediaWrite> {
        let answers = self.node.request_snapshots();
        let taken = answers.into_iter().filter_map(|mut answer| answer.try_recv().ok()).flatten().collect::<Vec<_>>();
        self.node.batch(&taken, now)
    }

    /// The ledger's answers to a batch of [`stored`](Self::stored); `None` if the ledger does not answer.
    pub fn kept(&mut self, batch: &[MediaWrite], answers: Option<Vec<Written>>) {
        match answers {
            Some(answers) => self.node.committed(batch.iter().map(|write| write.session.clone()).zip(answers)),
            None => self.node.not_stored(batch.iter().map(Undo::of).collect()),
        }
    }

    fn take_news(&mut self, now: Timestamp) {
        while let Ok(news) = self.news.try_recv() {
            self.node.news(news, now);
        }
        while let Some(Writing { key, tenant, id, samples }) = self.node.poll_writing() {
            let written = self.node.announcements().keep(&tenant, &id, &samples);
            self.node.recording_written(key, &written, now);
        }
    }
}
