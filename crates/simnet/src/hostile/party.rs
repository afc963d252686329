//! The party itself: its schedule and its answers.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use model::Timestamp;

use super::deviation::Deviation;
use super::deviations::LATIN_1;
use super::dialog::Dialog;
use super::dice::Dice;
use super::draft::{Draft, Validity};
use super::heard::Heard;
use super::place::Place;

/// The role of a party in a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// It calls this number.
    Caller(String),
    /// It is called: as a phone, or as the carrier to which a call leaves.
    Callee,
}

/// A message sent by a party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// The message.
    pub text: String,
    /// The deviations applied to it, by name.
    pub deviations: Vec<&'static str>,
    /// Whether the grammars still allow it.
    pub validity: Validity,
}

impl Said {
    /// The message as sent.
    pub fn bytes(&self) -> Vec<u8> {
        if self.deviations.contains(&LATIN_1) {
            return self.text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        }
        self.text.clone().into_bytes()
    }
}

/// A scheduled action of a party.
#[derive(Clone, Debug)]
pub(super) enum Todo {
    /// Start a call.
    Call,
    /// Make the next move in a dialog.
    Move(usize),
    /// Respond to the INVITE of a dialog with this status, from the fork with this number.
    Respond { dialog: usize, status: u16, fork: usize },
    /// Send this message.
    Say(Box<Draft>),
}

/// Dialogs of one party: beyond this, no dialog is started or answered.
const DIALOGS_MAX: usize = 48;
/// The longest UDP datagram in IPv4 has 65,507 bytes: longer messages are not sent.
const DATAGRAM_MAX: usize = 65_000;

/// A hostile user agent. See the module.
pub struct Party {
    pub(super) place: Place,
    pub(super) dice: Dice,
    pub(super) dialogs: Vec<Dialog>,
    seed: u64,
    role: Role,
    agenda: BTreeMap<(Timestamp, u64), Todo>,
    noted: u64,
    out: VecDeque<Said>,
    silent: bool,
    /// Percentage of messages with deviations, and percentage of those that stay valid.
    wild: usize,
    valid: usize,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hostile seed {} as {:?} at {}", self.seed, self.role, self.place.sent_by)
    }
}

impl Party {
    /// A party that starts at `now`.
    pub fn new(seed: u64, role: Role, place: Place, now: Timestamp) -> Self {
        let mut dice = Dice::new(seed ^ 0x4057_11E5);
        let wild = [0, 20, 50, 90][dice.below(4)];
        let valid = [100, 100, 80, 0][dice.below(4)];
        let mut party = Self {
            place,
            dice,
            dialogs: Vec::new(),
            seed,
            role,
            agenda: BTreeMap::new(),
            noted: 0,
            out: VecDeque::new(),
            silent: false,
            wild,
            valid,
        };
        if let Role::Caller(_) = party.role {
            for _ in 0..=party.dice.below(3) {
                party.later(now, 8_000, Todo::Call);
            }
        }
        party
    }

    /// A caller that starts at once with an INVITE with this deviation only, and then behaves.
    ///
    /// # Panics
    /// If there is no such deviation.
    pub fn calling_with(deviation: &str, seed: u64, number: &str, place: Place) -> Self {
        let mut party = Self::new(seed, Role::Callee, place, Timestamp::ZERO);
        party.wild = 0;
        party.role = Role::Caller(number.to_owned());
        let mut dialog = Dialog::outgoing(number, &party.place, &mut party.dice);
        dialog.moves = 0;
        let mut draft = party.opening(&dialog);
        let deviation = Deviation::named(deviation).expect("a departure of that name");
        deviation.apply(&mut draft, &mut party.dice, &party.place);
        party.dialogs.push(dialog);
        party.put(&draft);
        party
    }

    /// Silences the party; before that it hangs up its answered dialogs, with a chance of one half.
    pub fn fall_silent(&mut self) {
        let hangs_up = self.dice.percent(50);
        for at in 0..self.dialogs.len() {
            if hangs_up && self.dialogs[at].up {
                let bye = self.dialogs[at].next("BYE", &self.place, &mut self.dice);
                self.put(&bye);
            }
        }
        self.silent = true;
        self.agenda.clear();
    }

    /// Whether it has an answered dialog.
    pub fn talks(&self) -> bool {
        self.dialogs.iter().any(|dialog| dialog.up)
    }

    /// Processes a message.
    pub fn receive(&mut self, text: &str, now: Timestamp) {
        let Some(heard) = Heard::read(text).filter(|_| !self.silent) else { return };
        match heard.status() {
            Some(status) => self.hears_response(&heard, status, now),
            None => self.hears_request(&heard, now),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(first) = self.agenda.first_entry().filter(|first| first.key().0 <= now) {
            match first.remove() {
                Todo::Call => self.call(now),
                Todo::Move(dialog) => self.moves(dialog, now),
                Todo::Respond { dialog, status, fork } => self.responds(dialog, status, fork, now),
                Todo::Say(draft) => self.say(*draft),
            }
        }
    }

    /// When [`Self::handle_timeout`] is due next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Said> {
        self.out.pop_front()
    }

    // ---- inside

    /// Schedules an action at a random time within `within_ms` milliseconds.
    pub(super) fn later(&mut self, now: Timestamp, within_ms: u64, todo: Todo) {
        self.noted += 1;
        let at = now + Duration::from_micros(self.dice.between(0, within_ms * 1_000));
        self.agenda.insert((at, self.noted), todo);
    }

    /// Sends a message, with deviations drawn from the seed.
    pub(super) fn say(&mut self, mut draft: Draft) {
        if self.dice.percent(self.wild) {
            let (times, valid_only) = (1 + self.dice.below(3), self.dice.percent(self.valid));
            draft.deviate(times, valid_only, &mut self.dice, &self.place);
        }
        self.put(&draft);
    }

    /// Sends a message without further deviations.
    pub(super) fn put(&mut self, draft: &Draft) {
        let text = draft.text();
        let call_id = draft.get("Call-ID").or_else(|| draft.get("i"));
        if let Some(dialog) = self.dialogs.iter_mut().find(|dialog| Some(&*dialog.call_id) == call_id) {
            dialog.remember(&text);
        }
        self.put_text(text, draft.deviations.clone(), draft.validity);
    }

    pub(super) fn put_text(&mut self, text: String, deviations: Vec<&'static str>, validity: Validity) {
        if text.len() <= DATAGRAM_MAX {
            self.out.push_back(Said { text, deviations, validity });
        }
    }

    fn opening(&mut self, dialog: &Dialog) -> Draft {
        let draft = dialog.request("INVITE", dialog.cseq, &dialog.invite_branch, &self.place);
        let draft = draft.with("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, INFO, NOTIFY");
        let draft = draft.with("Supported", self.dice.pick(&["timer, 100rel, replaces", "timer", "100rel", ""]));
        if self.dice.percent(85) {
            return draft.with_body(super::bodies::SDP, super::bodies::session(&self.place, 1, false));
        }
        draft
    }

    fn call(&mut self, now: Timestamp) {
        let Role::Caller(number) = &self.role else { return };
        if self.dialogs.len() >= DIALOGS_MAX {
            return;
        }
        let dialog = Dialog::outgoing(number, &self.place, &mut self.dice);
        let draft = self.opening(&dialog);
        let at = self.dialogs.len();
        self.dialogs.push(dialog);
        self.say(draft);
        match self.dice.below(10) {
            // It sends a request in the unanswered dialog, or cancels at once.
            0 => self.later(now, 300, Todo::Move(at)),
            1 => {
                let dialog = &self.dialogs[at];
                let cancel = dialog.request("CANCEL", dialog.cseq, &dialog.invite_branch, &self.place);
                self.later(now, 3_000, Todo::Say(Box::new(cancel)));
            }
            // It repeats the INVITE, unchanged and as a merged request (RFC 3261 section 8.2.2.2).
            2 => {
                let again = self.dialogs[at].said.first().cloned().unwrap_or_default();
                self.put_text(again, vec!["again"], Validity::Kept);
                let other = super::dialog::branch(&mut self.dice);
                let dialog = &self.dialogs[at];
                let merged = dialog.request("INVITE", dialog.cseq, &other, &self.place);
                self.say(merged);
            }
            _ => {}
        }
    }

    /// Adds a dialog started by the other side; `None` if there are too many.
    pub(super) fn is_called(&mut self, invite: &Heard) -> Option<usize> {
        let dialog = Dialog::incoming(invite, &mut self.dice).filter(|_| self.dialogs.len() < DIALOGS_MAX)?;
        self.dialogs.push(dialog);
        Some(self.dialogs.len() - 1)
    }

    pub(super) fn dialog_of(&self, heard: &Heard) -> Option<usize> {
        self.dialogs.iter().rposition(|dialog| dialog.call_id == heard.call_id())
    }
}
