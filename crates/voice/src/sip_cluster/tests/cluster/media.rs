//! Media: real dialogs and real MSML, no audio. It lives on connections that never break.

use bytes::Bytes;
use ivr::msml::{self, Connection, Outcome, PlayEnd};
use model::entropy::Seeded;
use model::{ConnId, Entropy as _, Epoch, LegId, NodeId, Owner};
use sip::agent::{AgentConfig, Body, DialogId, Event, LocalIdentity, Reply, UserAgent};
use sip::{Flow, LocalTag, Message, StatusCode};
use std::collections::BTreeMap;

use super::super::bench::{MEDIA_SDP, seal, tenant};
use super::world::{Action, Addr, Payload, World};

const ROLE: &str = "media";

pub struct Media {
    pub agent: UserAgent,
    pub connections: Vec<u64>,
    owner: Owner,
    legs: u64,
    playing: BTreeMap<DialogId, Connection>,
    chance: Seeded,
}

impl Media {
    pub fn new(seed: u64) -> Self {
        let config = AgentConfig { sent_by: "127.0.2.9".to_owned(), ..AgentConfig::default() };
        Self {
            agent: UserAgent::new(config, Box::new(Seeded::new(seed ^ 0x3ED1_A000))),
            connections: Vec::new(),
            owner: Owner { node: NodeId::parse("media-1").expect("a node"), epoch: Epoch(5) },
            legs: 0,
            playing: BTreeMap::new(),
            chance: Seeded::new(seed ^ 0x3ED1_B000),
        }
    }

    /// The dialogs that stand.
    pub fn dialogs(&self) -> Vec<DialogId> {
        self.playing.keys().copied().collect()
    }
}

impl World {
    pub fn start_media(&mut self) {
        for proxy in 0..2 {
            let connection = self.links.next_number();
            self.media.connections.push(connection);
            let announcement = super::proxies::announcement(ROLE, &self.media.owner, connection);
            self.send(Addr::Media, Addr::Proxy(proxy), Payload::Open(connection));
            self.send(Addr::Media, Addr::Proxy(proxy), Payload::Stream(connection, announcement));
        }
    }

    pub fn media_receives(&mut self, payload: Payload) {
        let now = self.now();
        let Payload::Stream(connection, message) = payload else { return };
        if let Some(answer) = super::proxies::keep_alive_answer(ROLE, &self.media.owner, &message) {
            return self.media_sends(connection, answer);
        }
        self.media.agent.receive(message, Flow::Stream { connection }, now);
        self.drain_media();
    }

    fn media_sends(&mut self, connection: u64, message: Message) {
        if let Some(proxy) = self.media.connections.iter().position(|it| *it == connection) {
            self.send(Addr::Media, Addr::Proxy(proxy), Payload::Stream(connection, message));
        }
    }

    pub fn drain_media(&mut self) {
        let now = self.now();
        self.media.agent.handle_timeout(now);
        while let Some(event) = self.media.agent.poll_event() {
            self.media_event(event);
        }
        while let Some(transmit) = self.media.agent.poll_transmit() {
            let Flow::Stream { connection } = transmit.flow else { continue };
            let message = Message::parse(transmit.bytes).expect("media speaks SIP");
            self.media_sends(connection, message);
        }
    }

    fn media_event(&mut self, event: Event) {
        let now = self.now();
        let media = &mut self.media;
        let done = match event {
            Event::Incoming { dialog, request, .. } => {
                media.legs += 1;
                let leg = LegId(media.legs as u16);
                let tag = LocalTag { call: ConnId(media.legs), leg, tenant: tenant(), owner: media.owner.clone() };
                let tag = tag.seal(&seal());
                let theirs = request.from().ok().and_then(|from| from.tag().map(str::to_owned));
                media.playing.insert(dialog, Connection::new(theirs.unwrap_or_default()));
                let local = LocalIdentity { tag, contact: "<sip:media@192.0.2.5>".to_owned() };
                media
                    .agent
                    .identify(dialog, local)
                    .and_then(|()| media.agent.answer(dialog, Reply::session(MEDIA_SDP), now))
            }
            Event::Info { dialog, request, message } => {
                let Some(connection) = media.playing.get_mut(&dialog) else { return };
                let answer = connection.handle_request(message.body(), |_| true);
                let started = connection.running().map(|running| running.name.clone());
                let body = Body::new(msml::CONTENT_TYPE, answer.body);
                let done = media.agent.respond(request, Reply::new(StatusCode::OK).body(body), now);
                for notice in answer.notices {
                    let _ = media.agent.info(dialog, Body::new(msml::CONTENT_TYPE, notice), Vec::new(), now);
                }
                if let Some(name) = started.filter(|_| media.chance.below(3) > 0) {
                    let pause = self.between(300, 6_000);
                    self.after(pause, Action::TreatmentEnds(dialog, name));
                }
                done
            }
            Event::Offered { dialog, .. } => media.agent.accept_offer(dialog, Bytes::from(MEDIA_SDP), now),
            Event::OfferWanted { dialog } => media.agent.accept_offer(dialog, Bytes::from(MEDIA_SDP), now),
            Event::Request { request, .. } => media.agent.respond(request, Reply::new(StatusCode::OK), now),
            Event::Released { dialog, .. } | Event::Failed { dialog, .. } => {
                media.playing.remove(&dialog);
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = done {
            self.say(|| format!("media: {error}"));
        }
    }

    /// What was played comes to its end.
    pub fn treatment_ends(&mut self, dialog: DialogId, name: &str) {
        let now = self.now();
        let Some(connection) = self.media.playing.get_mut(&dialog) else { return };
        if connection.running().is_none_or(|running| running.name != name) {
            return;
        }
        for notice in connection.handle_ended(&Outcome { play_end: Some(PlayEnd::Complete), ..Outcome::default() }) {
            let _ = self.media.agent.info(dialog, Body::new(msml::CONTENT_TYPE, notice), Vec::new(), now);
        }
        self.drain_media();
    }
}
