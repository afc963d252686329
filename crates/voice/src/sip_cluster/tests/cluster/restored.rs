//! Restore equals continue: a call read from its record is the same as its owner's.

use infra::{CallWrite, Change};
use model::entropy::Seeded;
use model::{ConnId, Timestamp};
use sip::agent::{AgentConfig, DialogId, DialogSnapshot, Restore, UserAgent};

use super::world::World;
use crate::record_cipher::RecordName;
use crate::sip_cluster::node::calls::call::Entry;
use crate::sip_cluster::node::calls::leg::{Leg, OwedSession};
use crate::sip_cluster::node::calls::records::{self, Decoded};
use crate::test_stores::cipher;
use sip::ConnectionId;

/// Dialogs as they were; no message is sent.
const UNCHANGED: Restore = Restore { stream: None, resend: false, cseq_jump: 0 };

impl World {
    /// After every turn: the record of each changed call decodes to the same call, and that call encodes to the same record.
    pub fn restore_equals_continue(&mut self, at: usize, batch: &[CallWrite]) {
        let now = self.now();
        for write in batch {
            let (Change::Create { state, .. } | Change::Save { state, .. }) = &write.change else { continue };
            let Some(core) = &self.nodes[at].core else { return };
            let Some(entry) = core.table().get(&write.conn_id) else { continue };
            let mut edges = Vec::new();
            let name = records::name(&write.tenant, &write.conn_id);
            let read = records::decode(
                state,
                &name,
                |edge| {
                    edges.push(edge.to_owned());
                    ConnectionId(edges.len() as u64 - 1)
                },
                &cipher(),
            );
            let wrong = match read {
                Err(error) => Some(error.to_string()),
                Ok(read) => lost(entry, core.agent(), &read).or_else(|| {
                    (written_again(&name, read, &edges, now).as_ref() != Ok(state)).then(|| "its record".to_owned())
                }),
            };
            if let Some(wrong) = wrong {
                self.rules.break_rule("restore equals continue", format!("{}: {wrong}", write.conn_id));
            }
        }
    }
}

type Dialogs = Vec<(Option<DialogSnapshot>, Option<DialogSnapshot>)>;

/// The difference between a call at its owner and the same call read from its record.
fn lost(entry: &Entry, agent: &UserAgent, read: &Decoded) -> Option<String> {
    let snapshot = |dialog: Option<DialogId>| agent.snapshot(&[dialog?]).pop();
    let dialogs: Dialogs = entry.legs.iter().map(|leg| (snapshot(leg.phone), snapshot(leg.media))).collect();
    let calls = |entry: &Entry| entry.thread.calls().cloned().collect::<Vec<_>>();
    differs(&calls(entry), &calls(&read.entry))
        .or_else(|| differs(&beside_the_model(entry), &beside_the_model(&read.entry)))
        .or_else(|| differs(&dialogs, &read.dialogs))
}

/// In another run, connections have other numbers and dialogs other handles.
fn beside_the_model(entry: &Entry) -> String {
    let bare = |leg: &Leg| {
        let owed = leg.owed.clone().map(|owed| OwedSession { refused: 0, ..owed });
        let bare =
            Leg { phone: None, media: None, unsure: false, joining: false, refused_moves: 0, owed, ..leg.clone() };
        Leg { link: ConnectionId(0), ..bare }
    };
    let legs: Vec<Leg> = entry.legs.iter().map(bare).collect();
    format!("{legs:?} {:?} {:?} {:?}", entry.media_owner, entry.caller_name, entry.invite)
}

fn differs<T: PartialEq + std::fmt::Debug>(ours: &T, theirs: &T) -> Option<String> {
    (ours != theirs).then(|| format!("{ours:?} became {theirs:?}"))
}

/// The record of a call that was read from a record.
fn written_again(
    name: &RecordName<'_, ConnId>,
    read: Decoded,
    edges: &[String],
    now: Timestamp,
) -> Result<bytes::Bytes, String> {
    let Decoded { mut entry, dialogs } = read;
    let mut agent = UserAgent::new(AgentConfig::default(), Box::new(Seeded::new(0)));
    let mut restore = |snapshot: Option<DialogSnapshot>| match snapshot {
        None => Ok(None),
        Some(snapshot) => agent.restore(vec![snapshot], UNCHANGED, now).map(|mut ids| ids.pop()),
    };
    for (leg, (phone, media)) in entry.legs.iter_mut().zip(dialogs) {
        leg.phone = restore(phone).map_err(|error| error.to_string())?;
        leg.media = restore(media).map_err(|error| error.to_string())?;
    }
    Ok(records::encode(name, &entry, &agent, |link| edges[link.0 as usize].as_str(), &cipher()))
}
