//! The node without sockets, threads and clock: for simulations and tests that bring their own.
//!
//! SIP goes in by [`InMemory::receive`] and comes out of [`InMemory::poll_transmit`]; audio goes in by
//! [`InMemory::hear`] and comes out of [`InMemory::poll_packet`]; [`InMemory::handle_timeout`] is wanted at
//! [`InMemory::next_timeout`]. What the ledger is to hold comes out of [`InMemory::stored`], its answers go to
//! [`InMemory::kept`]; a new value on which [`Node::restore`] is called with what [`claim_of`] gives is the node's next life.
//! Time must not fall back.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use infra::{Clock, MediaWrite, Written};
use model::entropy::Seeded;
use model::{Owner, Timestamp};
use net::rtp::News;
use net::rtp::simulated::{Packet, Simulated};
use sip::{Message, Seal, Transmit};
use tokio::sync::mpsc;

use super::commit::Undo;
pub use super::former::{Former, claim_of};
use super::limits::Limits;
use super::metrics::Metrics;
use super::node::{Node, Parts};
use super::prompts::Prompts;

/// See the module.
pub struct InMemory {
    /// The node: links, restoring and draining are done on it.
    pub node: Node,
    audio: Simulated,
    news: mpsc::Receiver<News>,
}

/// Where a node is, and what its chance is made of.
pub struct Place {
    /// Who it is.
    pub owner: Owner,
    /// Seals its tags.
    pub seal: Seal,
    /// The address of its audio; nothing is bound to it.
    pub address: std::net::IpAddr,
    /// Its RTP ports.
    pub ports: RangeInclusive<u16>,
    /// Its randomness.
    pub seed: u64,
    /// The world's time, by which orders to the audio are carried out.
    pub clock: Arc<dyn Clock>,
}

impl InMemory {
    /// A node without legs.
    pub fn start(place: Place, limits: Limits) -> Self {
        let Place { owner, seal, address, ports, seed, clock } = place;
        let (audio, driver, news) = Simulated::start(address, ports, clock);
        let node = Node::new(Parts {
            owner,
            seal,
            limits,
            metrics: Metrics::default(),
            sent_by: address.to_string(),
            advertise: address,
            driver: Box::new(driver),
            // Those that come with the program, and tones.
            prompts: Prompts::new(PathBuf::from("/nonexistent")),
            entropy: Box::new(Seeded::new(seed)),
            agent_entropy: Box::new(Seeded::new(seed ^ 0x5EED)),
            trace: runtime::Recorder::off(),
        });
        Self { node, audio, news }
    }

    /// A SIP message comes by a link that is up.
    pub fn receive(&mut self, message: Message, link: u64, now: Timestamp) {
        self.node.receive(message, link, now);
        self.take_news(now);
    }

    /// A packet comes to a port of ours. Returns whether a leg has it.
    pub fn hear(&mut self, port: u16, bytes: &[u8], from: SocketAddr, now: Timestamp) -> bool {
        let taken = self.audio.receive(port, bytes, from, now);
        self.take_news(now);
        taken
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.audio.handle_timeout(now);
        self.take_news(now);
        self.node.handle_timeout(now);
    }

    /// When [`InMemory::handle_timeout`] is wanted next.
    pub fn next_timeout(&self) -> Timestamp {
        self.node.next_timeout().unwrap_or(Timestamp::MAX).min(self.audio.next_timeout())
    }

    /// The next SIP message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.node.poll_transmit()
    }

    /// The next packet of audio to be sent.
    pub fn poll_packet(&mut self) -> Option<Packet> {
        self.audio.poll_packet()
    }

    /// What has changed since the last time, for the ledger.
    pub fn stored(&mut self, now: Timestamp) -> Vec<MediaWrite> {
        let answers = self.node.photographs();
        let taken = answers.into_iter().filter_map(|mut answer| answer.try_recv().ok()).flatten().collect::<Vec<_>>();
        self.node.batch(&taken, now)
    }

    /// The ledger's answers to what was [stored](Self::stored); none where it does not answer.
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
    }
}
