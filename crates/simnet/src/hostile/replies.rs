//! A party's answers: correct, forbidden by every RFC, duplicate, or missing.

use model::Timestamp;

use super::bodies::{self, SDP};
use super::dialog::{Begun, Dialog};
use super::heard::Heard;
use super::party::{Party, Todo};

/// The edges of each class, and statuses with a special meaning.
const STATUSES: [u16; 64] = [
    100, 101, 180, 181, 182, 183, 199, 200, 202, 204, 299, 300, 301, 302, 305, 380, 399, 400, 401, 402, 403, 404, 405,
    406, 407, 408, 410, 412, 413, 414, 415, 416, 420, 421, 422, 423, 428, 429, 430, 433, 439, 469, 480, 481, 482, 483,
    484, 486, 487, 488, 489, 491, 493, 494, 500, 501, 503, 504, 513, 580, 600, 603, 604, 699,
];
/// Provisional responses, including an unassigned one.
const PROVISIONALS: [u16; 6] = [100, 180, 181, 183, 199, 150];
/// Most forks of one INVITE.
const FORKS: usize = 20;

impl Party {
    // === requests ===

    pub(super) fn hears_request(&mut self, request: &Heard, now: Timestamp) {
        let known = self.dialog_of(request);
        match (request.method(), known) {
            ("INVITE", None) => self.rings(request, now),
            ("ACK", Some(at)) => {
                if !std::mem::replace(&mut self.dialogs[at].up, true) {
                    self.later(now, 3_000, Todo::Move(at));
                }
            }
            ("ACK", None) => {}
            ("CANCEL", Some(at)) => self.is_cancelled(at, request, now),
            (method, known) => self.answers(known, method, request, now),
        }
    }

    /// A phone rings: it plans its responses, and the plan need not make sense.
    fn rings(&mut self, invite: &Heard, now: Timestamp) {
        let Some(dialog) = self.is_called(invite) else { return };
        let mut steps: Vec<(u64, u16, usize)> = Vec::new();
        for _ in 0..self.dice.below(4) {
            let forks = if self.dice.percent(15) { FORKS } else { 1 };
            let status = PROVISIONALS[self.dice.below(PROVISIONALS.len())];
            steps.extend((0..forks).map(|fork| (1_000, status, fork)));
        }
        match self.dice.below(10) {
            // It never answers.
            0 => {}
            1..=2 => steps.push((4_000, STATUSES[self.dice.below(STATUSES.len())], 0)),
            // Several forks answer.
            3 => (0..1 + self.dice.below(4)).for_each(|fork| steps.push((4_000, 200, fork))),
            _ => steps.push((4_000, 200, 0)),
        }
        // Responses after the final one.
        for _ in 0..self.dice.below(10).saturating_sub(6) {
            let (status, fork) = (STATUSES[self.dice.below(STATUSES.len())], self.dice.below(3));
            steps.push((9_000, status, fork));
        }
        for (within, status, fork) in steps {
            self.later(now, within, Todo::Respond { dialog, status, fork });
        }
    }

    /// Responds to the ringing INVITE as the fork with this number.
    pub(super) fn responds(&mut self, at: usize, status: u16, fork: usize, now: Timestamp) {
        let Some(dialog) = self.dialogs.get(at) else { return };
        let Some(invite) = dialog.invite.clone() else { return };
        let to = if fork == 0 { dialog.local.clone() } else { format!("{}-{fork}", dialog.local) };
        let mut draft = Dialog::response(&invite, status, Some(&to), &self.place);
        let sdp = status == 200 || (status > 100 && status < 300 && self.dice.percent(50));
        if sdp {
            draft = draft.with_body(SDP, bodies::session(&self.place, 1 + fork as u64, false));
        }
        if status > 100 && status < 200 && self.dice.percent(30) {
            draft = draft.with("Require", "100rel").with("RSeq", self.dice.modest());
        }
        match status {
            401 | 407 => draft.deviate(1, true, &mut self.dice, &self.place),
            422 => draft = draft.with("Min-SE", self.dice.digits()),
            300..=399 => draft = draft.with("Contact", format!("<sip:9000@{}>", self.place.edge)),
            _ => {}
        }
        self.say(draft);
        if status == 200 {
            // Its ACK may come late, or may have come already.
            self.later(now, 6_000, Todo::Move(at));
            if self.dice.percent(20) {
                self.later(now, 4_000, Todo::Respond { dialog: at, status, fork });
            }
        }
    }

    fn is_cancelled(&mut self, at: usize, cancel: &Heard, now: Timestamp) {
        let to = self.dialogs[at].local.clone();
        if self.dice.percent(85) {
            let done = Dialog::response(cancel, 200, Some(&to), &self.place);
            self.say(done);
        }
        match self.dice.below(4) {
            // It has answered at the same time.
            0 => self.responds(at, 200, 0, now),
            1 => {}
            _ => self.responds(at, 487, 0, now),
        }
    }

    /// Answers any other request, including a re-INVITE.
    fn answers(&mut self, known: Option<usize>, method: &str, request: &Heard, now: Timestamp) {
        let session = matches!(method, "INVITE" | "UPDATE");
        if method == "BYE"
            && let Some(at) = known
        {
            self.dialogs[at].up = false;
        }
        let status = match self.dice.below(20) {
            0 => return,
            1..=4 => STATUSES[self.dice.below(STATUSES.len())],
            _ => 200,
        };
        let to = known.filter(|_| request.tag("To").is_none()).map(|at| self.dialogs[at].local.clone());
        let mut draft = Dialog::response(request, status, to.as_deref(), &self.place);
        if status == 200 && session && (method == "INVITE" || !request.body.is_empty()) {
            let version = 2 + self.dice.between(0, 2);
            draft = draft.with_body(SDP, bodies::session(&self.place, version, self.dice.percent(20)));
        }
        if status < 200 || self.dice.percent(5) {
            // The correct answer follows later.
            let again = Dialog::response(request, 200, to.as_deref(), &self.place);
            self.later(now, 5_000, Todo::Say(Box::new(again)));
        }
        if self.dice.percent(15) {
            self.later(now, 4_000, Todo::Say(Box::new(draft)));
        } else {
            self.say(draft);
        }
    }

    // === responses ===

    pub(super) fn hears_response(&mut self, response: &Heard, status: u16, now: Timestamp) {
        let Some(at) = self.dialog_of(response) else { return };
        if response.method() != "INVITE" {
            return;
        }
        if self.dialogs[at].begun == Begun::ByUs && status > 100 && status < 300 {
            self.dialogs[at].learn(response);
        }
        match status {
            100..200 => {
                // An early dialog is a dialog as well.
                if status > 100 && self.dice.percent(25) {
                    self.later(now, 2_000, Todo::Move(at));
                }
            }
            200..300 => self.is_answered(at, response, now),
            _ => {
                if self.dice.percent(92) {
                    let ack = self.dialogs[at].ack(response, &self.place, &mut self.dice);
                    self.say(ack);
                }
            }
        }
    }

    /// A 2xx: usually it is acknowledged each time that it arrives.
    fn is_answered(&mut self, at: usize, response: &Heard, now: Timestamp) {
        let first = !std::mem::replace(&mut self.dialogs[at].up, true);
        let mut ack = self.dialogs[at].ack(response, &self.place, &mut self.dice);
        let offered = self.dialogs[at].said.first().is_some_and(|invite| !invite.ends_with("\r\n\r\n"));
        if !offered || self.dice.percent(3) {
            ack = ack.with_body(SDP, bodies::session(&self.place, 1, false));
        }
        match self.dice.below(20) {
            // Never, late, or twice.
            0 => {}
            1 => self.later(now, 12_000, Todo::Say(Box::new(ack))),
            2 => {
                self.say(ack.clone());
                self.say(ack);
            }
            _ => self.say(ack),
        }
        if first && self.dialogs[at].moves > 0 {
            self.later(now, 2_000, Todo::Move(at));
        }
    }
}
