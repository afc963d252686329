//! The party itself: what it does when, and what it answers.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use model::Timestamp;

use super::deviations::{Deviation, LATIN_1, Validity};
use super::dialog::Dialog;
use super::dice::Dice;
use super::draft::Draft;
use super::heard::Heard;

/// What a party is in a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// It calls that number.
    Caller(String),
    /// It is called: as a phone, or as the carrier that a call leaves by.
    Callee,
}

/// Where a party is, and whom it knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Host and port of its Via and Contact.
    pub sent_by: String,
    /// Host and port that it sends to.
    pub edge: String,
    /// The user part of its addresses.
    pub user: String,
    /// What its Call-IDs begin with.
    pub call_ids: String,
    /// Where it says that it hears audio.
    pub audio_port: u16,
}

/// A message of a party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// The message.
    pub text: String,
    /// How it departs from what is expected.
    pub deviations: Vec<&'static str>,
    /// Whether the grammars allow it.
    pub validity: Validity,
}

impl Said {
    /// The message as it leaves.
    pub fn bytes(&self) -> Vec<u8> {
        if self.deviations.contains(&LATIN_1) {
            return self.text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        }
        self.text.clone().into_bytes()
    }
}

/// What a party means to do at a time.
#[derive(Clone, Debug)]
pub(super) enum Todo {
    /// Begin a call.
    Call,
    /// Do the next thing in a dialog.
    Move(usize),
    /// Respond to the INVITE of a dialog: with that status, and as the branch of a fork of that number.
    Respond { dialog: usize, status: u16, fork: usize },
    /// Say it.
    Say(Box<Draft>),
}

/// Dialogs of one party: more are not begun, and not answered.
const DIALOGS_MAX: usize = 48;
/// The longest datagram that IPv4 carries is 65,507 bytes long: what is longer is not sent.
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
    /// How many of a hundred messages depart from what is expected, and how many of those stay valid.
    wild: usize,
    valid: usize,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hostile seed {} as {:?} at {}", self.seed, self.role, self.place.sent_by)
    }
}

impl Party {
    /// A party that begins at `now`.
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

    /// A caller that begins at once by an INVITE with that departure and no other, and then behaves.
    ///
    /// # Panics
    /// When there is no such departure.
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

    /// From now on it says nothing any more; before that it may hang up wherever it talks.
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

    /// Whether it has a dialog that was answered.
    pub fn talks(&self) -> bool {
        self.dialogs.iter().any(|dialog| dialog.up)
    }

    /// Takes a message.
    pub fn receive(&mut self, text: &str, now: Timestamp) {
        let Some(heard) = Heard::read(text).filter(|_| !self.silent) else { return };
        match heard.status() {
            Some(status) => self.hears_response(&heard, status, now),
            None => self.hears_request(&heard, now),
        }
    }

    /// Lets time pass.
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

    /// When [`Self::handle_timeout`] is wanted next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Said> {
        self.out.pop_front()
    }

    // ---- inside

    /// Puts something on the agenda, within so many milliseconds.
    pub(super) fn later(&mut self, now: Timestamp, within_ms: u64, todo: Todo) {
        self.noted += 1;
        let at = now + Duration::from_micros(self.dice.between(0, within_ms * 1_000));
        self.agenda.insert((at, self.noted), todo);
    }

    /// Says it, in whatever way the seed has for it.
    pub(super) fn say(&mut self, mut draft: Draft) {
        if self.dice.percent(self.wild) {
            let (times, valid_only) = (1 + self.dice.below(3), self.dice.percent(self.valid));
            draft.deviate(times, valid_only, &mut self.dice, &self.place);
        }
        self.put(&draft);
    }

    /// Says it as it is.
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
            // It asks for what has no answer yet, or takes it back at once.
            0 => self.later(now, 300, Todo::Move(at)),
            1 => {
                let dialog = &self.dialogs[at];
                let cancel = dialog.request("CANCEL", dialog.cseq, &dialog.invite_branch, &self.place);
                self.later(now, 3_000, Todo::Say(Box::new(cancel)));
            }
            // The same again, as it is and merged (RFC 3261 section 8.2.2.2).
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

    /// A new dialog of the other side's; none where there are too many.
    pub(super) fn is_called(&mut self, invite: &Heard) -> Option<usize> {
        let dialog = Dialog::incoming(invite, &mut self.dice).filter(|_| self.dialogs.len() < DIALOGS_MAX)?;
        self.dialogs.push(dialog);
        Some(self.dialogs.len() - 1)
    }

    pub(super) fn dialog_of(&self, heard: &Heard) -> Option<usize> {
        self.dialogs.iter().rposition(|dialog| dialog.call_id == heard.call_id())
    }
}
