//! When the positions of treatments are stored: often at first, then less, so that no caller costs a write each second.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::Timestamp;
use sip::agent::DialogId;

/// When a position is first stored, and how soon again at the earliest.
const FIRST: Duration = Duration::from_secs(1);
/// How soon at the latest.
const LATEST: Duration = Duration::from_secs(10);

/// The treatments whose positions are stored, each when it has lasted twice as long as the last time: after a restart a caller hears at
/// most half of what was played again, and at most [`LATEST`].
#[derive(Debug, Default)]
pub struct Positions {
    due: BTreeSet<(Timestamp, DialogId)>,
    /// When each treatment began, and when its position is due.
    begun: HashMap<DialogId, (Timestamp, Timestamp)>,
}

impl Positions {
    /// A treatment of the leg begins, in place of the one before.
    pub fn begin(&mut self, dialog: DialogId, now: Timestamp) {
        self.end(dialog);
        self.arm(dialog, now, now);
    }

    /// The leg's position need not be stored any more.
    pub fn end(&mut self, dialog: DialogId) {
        if let Some((_, due)) = self.begun.remove(&dialog) {
            self.due.remove(&(due, dialog));
        }
    }

    /// When the next position is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The legs whose positions are due; each is due again later.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<DialogId> {
        let due: Vec<DialogId> =
            self.due.iter().take_while(|(due, _)| *due <= now).map(|(_, dialog)| *dialog).collect();
        for dialog in &due {
            if let Some((begun, at)) = self.begun.remove(dialog) {
                self.due.remove(&(at, *dialog));
                self.arm(*dialog, begun, now);
            }
        }
        due
    }

    fn arm(&mut self, dialog: DialogId, begun: Timestamp, now: Timestamp) {
        let due = now + now.since(begun).clamp(FIRST, LATEST);
        self.begun.insert(dialog, (begun, due));
        self.due.insert((due, dialog));
    }
}
