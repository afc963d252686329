//! Restore equals continue, by running the restored: at a moment that the seed draws, a twin is made from the agent's dialogs, and
//! from then on it is given whatever the agent is given. What both say within those dialogs, what they tell of them, and what they
//! know of them at the end is the same.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::Timestamp;
use sip::agent::{AgentConfig, DialogId, DialogSnapshot, Event, Restore, UserAgent};
use sip::{Message, Method, StatusCode, Transmit};

use crate::pair::Dice;

/// Inputs after which a twin has shown what it can.
const INPUTS_MAX: u32 = 80;

/// An agent that goes on with another's dialogs.
pub struct Twin {
    pub agent: UserAgent,
    pub dice: Dice,
    /// The dialogs that it was made of: ours and its own, by their tags.
    dialogs: BTreeMap<String, (DialogId, DialogId)>,
    /// The tags of their peers: a fork that was hung up on before is nobody's any more.
    peers: BTreeSet<String>,
    /// What the agent had said before: a record holds only its latest answers, so a repetition of an older one is nothing that a twin
    /// must know.
    pub said_before: BTreeSet<Bytes>,
    inputs: u32,
    context: String,
}

/// What an agent has said and told in a turn.
#[derive(Default)]
pub struct Turn {
    pub said: Vec<Transmit>,
    pub told: Vec<String>,
}

impl Twin {
    /// A twin of all dialogs that have a tag by which they are known; none where there are none.
    pub fn of(agent: &UserAgent, dialogs: &[DialogId], config: AgentConfig, now: Timestamp) -> Option<Self> {
        let tag = |id: &DialogId| Some((agent.leg(*id)?.dialog.local_tag.to_string(), *id));
        let known: Vec<(String, DialogId)> =
            dialogs.iter().filter_map(tag).filter(|(tag, _)| !tag.is_empty()).collect();
        let ours: Vec<DialogId> = known.iter().map(|(_, id)| *id).collect();
        let snapshots = agent.snapshot(&ours);
        let context = format!("{snapshots:#?}");
        if snapshots.is_empty() {
            return None;
        }
        let dice = Dice::new(0);
        let mut twin = UserAgent::new(config, Box::new(dice.clone()));
        let theirs = twin.restore(snapshots, Restore::UNCHANGED, now).expect("a fresh agent has room");
        let dialogs = known.into_iter().zip(theirs).map(|((tag, ours), theirs)| (tag, (ours, theirs))).collect();
        Some(Self {
            agent: twin,
            dice,
            dialogs,
            peers: BTreeSet::new(),
            said_before: BTreeSet::new(),
            inputs: 0,
            context,
        })
    }

    /// Its own handle of a dialog of ours.
    pub fn own(&self, ours: DialogId) -> Option<DialogId> {
        self.dialogs.values().find(|(known, _)| *known == ours).map(|(_, own)| *own)
    }

    /// Drains it, and compares the turn with ours. Says whether there is more to compare.
    pub fn matches(&mut self, ours: &Turn, agent: &UserAgent) -> bool {
        let mut turn = Turn::default();
        turn.told.extend(std::iter::from_fn(|| self.agent.poll_event()).map(|event| shown(&event)));
        turn.said.extend(std::iter::from_fn(|| self.agent.poll_transmit()));
        let first = |(tag, (ours, _)): (&String, &(DialogId, DialogId))| (format!("{ours:?}"), tag.clone());
        let second = |(tag, (_, own)): (&String, &(DialogId, DialogId))| (format!("{own:?}"), tag.clone());
        let our_names: BTreeMap<String, String> = self.dialogs.iter().map(first).collect();
        let own_names: BTreeMap<String, String> = self.dialogs.iter().map(second).collect();
        let context = &self.context;
        assert_eq!(named(&ours.told, &our_names), named(&turn.told, &own_names), "told\n{context}");
        let legs = self.dialogs.values().filter_map(|(ours, _)| agent.leg(*ours));
        self.peers.extend(legs.map(|leg| leg.dialog.remote_tag.to_string()));
        let is_new = |transmit: &&Transmit| !self.said_before.contains(&transmit.bytes) || turn.said.contains(transmit);
        let ours_said: Vec<Transmit> = ours.said.iter().filter(is_new).cloned().collect();
        assert_eq!(self.within(&ours_said), self.within(&turn.said), "said\n{context}");
        for (tag, (ours, own)) in &self.dialogs {
            assert_eq!(known(agent, *ours), known(&self.agent, *own), "known of {tag}\n{context}");
        }
        self.inputs += 1;
        let left = self.dialogs.values().any(|(ours, _)| agent.leg(*ours).is_some());
        left && self.inputs < INPUTS_MAX
    }

    /// What was said in the dialogs, as text. What is refused without touching
    /// the dialog is nothing that a record keeps, so nobody repeats it after a restore: who hears nothing asks again.
    fn within(&self, said: &[Transmit]) -> Vec<String> {
        let ours = |message: &Message| {
            let refused = |status: StatusCode| status.0 >= 300 && message.method() == Method::Invite;
            if message.status().is_some_and(|status| refused(status) || matches!(status.0, 481 | 482 | 500)) {
                return false;
            }
            // A CANCEL that comes when its INVITE is long answered does nothing: 200 where that is remembered, 481 where it is not.
            if !message.is_request() && message.method() == Method::Cancel {
                return false;
            }
            let (ours, theirs) = match message.is_request() {
                true => (message.from(), message.to()),
                false => (message.to(), message.from()),
            };
            ours.is_ok_and(|ours| ours.tag().is_some_and(|tag| self.dialogs.contains_key(tag)))
                && theirs.is_ok_and(|theirs| theirs.tag().is_some_and(|tag| self.peers.contains(tag)))
        };
        let read = said.iter().filter_map(|sent| Message::parse(sent.bytes.clone()).ok());
        // In which order dialogs are served that are due at the same moment is nobody's to say.
        let mut texts: Vec<String> =
            read.filter(ours).map(|message| String::from_utf8_lossy(&message.to_bytes()).into_owned()).collect();
        texts.sort();
        texts
    }
}

/// What is known of a dialog, without the transactions that only absorb repeats: whoever has begun later has room for more of them.
fn known(agent: &UserAgent, id: DialogId) -> Option<DialogSnapshot> {
    let mut snapshot = agent.snapshot(&[id]).pop()?;
    snapshot.servers.truncate(snapshot.leg.incoming.len());
    snapshot.recent_clients.clear();
    Some(snapshot)
}

/// An event as text.
pub fn shown(event: &Event) -> String {
    format!("{event:?}")
}

/// The events of the dialogs that have a name, under that name.
fn named(told: &[String], names: &BTreeMap<String, String>) -> Vec<String> {
    let of_dialog = |event: &String| {
        let at = event.find("DialogId(")?;
        let end = at + event[at..].find(')')? + 1;
        let name = names.get(&event[at..end])?;
        Some(format!("{}{name}{}", &event[..at], &event[end..]))
    };
    let mut named: Vec<String> = told.iter().filter_map(of_dialog).collect();
    named.sort();
    named
}
