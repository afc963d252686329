//! A restored agent behaves like the original: at a time drawn from the seed, a twin is made from the agent's dialogs, and from
//! then on gets the same inputs. Both must send the same messages within those dialogs, report the same events, and end in the
//! same state.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::Timestamp;
use sip::agent::{AgentConfig, DialogId, DialogSnapshot, Event, Restore, UserAgent};
use sip::{Message, Method, StatusCode, Transmit};

use crate::pair::Dice;

/// The number of inputs after which a twin is no longer compared.
const INPUTS_MAX: u32 = 80;

/// An agent that continues another's dialogs.
pub struct Twin {
    pub agent: UserAgent,
    pub dice: Dice,
    /// The dialogs it was made of: our handles and its own, by their tags.
    dialogs: BTreeMap<String, (DialogId, DialogId)>,
    /// The tags of their peers: a fork ended before is no longer compared.
    peers: BTreeSet<String>,
    /// The agent's earlier messages: a record contains only its latest answers, so a twin need not repeat older ones.
    pub said_before: BTreeSet<Bytes>,
    inputs: u32,
    context: String,
}

/// The messages and events of an agent in a turn.
#[derive(Default)]
pub struct Turn {
    pub said: Vec<Transmit>,
    pub told: Vec<String>,
}

impl Twin {
    /// A twin of all dialogs that have a tag; `None` if there are none.
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

    /// Its own handle of our dialog.
    pub fn own(&self, ours: DialogId) -> Option<DialogId> {
        self.dialogs.values().find(|(known, _)| *known == ours).map(|(_, own)| *own)
    }

    /// Drains it, and compares the turn with ours. Returns whether there is more to compare.
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

    /// The messages sent in the dialogs, as text. Refusals that leave the dialog unchanged are skipped: a record does not keep
    /// them, so they are not repeated after a restore, and the peer sends its request again.
    fn within(&self, said: &[Transmit]) -> Vec<String> {
        let ours = |message: &Message| {
            let refused = |status: StatusCode| status.0 >= 300 && message.method() == Method::Invite;
            if message.status().is_some_and(|status| refused(status) || matches!(status.0, 481 | 482 | 500)) {
                return false;
            }
            // A CANCEL long after the answer to its INVITE has no effect: 200 if the INVITE is remembered, 481 if not.
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
        // The order of dialogs due at the same time is not defined.
        let mut texts: Vec<String> =
            read.filter(ours).map(|message| String::from_utf8_lossy(&message.to_bytes()).into_owned()).collect();
        texts.sort();
        texts
    }
}

/// The state of a dialog, without the transactions that only absorb repeats: a younger agent has room for more of them.
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

/// The events of the named dialogs, with their names instead of handles.
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
