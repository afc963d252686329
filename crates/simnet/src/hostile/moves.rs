//! A party's own actions in a dialog, whatever its state.

use model::Timestamp;

use super::bodies::{self, SDP};
use super::dialog::{Begun, Dialog, branch};
use super::draft::Draft;
use super::draft::Validity;
use super::party::{Party, Todo};

/// Requests of one storm: more than an agent can queue at once.
const STORM: usize = 40;

/// An action of a party in a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Move {
    Offer,
    OfferByUpdate,
    AskForOffer,
    Refresh,
    /// A second offer while the first one is unanswered.
    TwoOffers,
    OfferAndBye,
    Key,
    KeyStorm,
    Other(&'static str),
    Prack,
    Cancel,
    AckForNothing,
    Again,
    NumberJumps,
    NumberFallsBack,
    ResponseForNothing,
    InviteThatReplaces,
    Register,
    Bye,
    CancelAndBye,
}

const MOVES: [Move; 30] = [
    Move::Offer,
    Move::Offer,
    Move::Offer,
    Move::OfferByUpdate,
    Move::OfferByUpdate,
    Move::AskForOffer,
    Move::AskForOffer,
    Move::Refresh,
    Move::TwoOffers,
    Move::OfferAndBye,
    Move::Key,
    Move::Key,
    Move::KeyStorm,
    Move::Other("OPTIONS"),
    Move::Other("REFER"),
    Move::Other("SUBSCRIBE"),
    Move::Other("NOTIFY"),
    Move::Other("MESSAGE"),
    Move::Other("PUBLISH"),
    Move::Other("WHATEVER"),
    Move::Prack,
    Move::Cancel,
    Move::AckForNothing,
    Move::Again,
    Move::NumberJumps,
    Move::NumberFallsBack,
    Move::ResponseForNothing,
    Move::InviteThatReplaces,
    Move::Register,
    Move::CancelAndBye,
];

impl Party {
    /// Makes the next move in a dialog, and schedules the one after it.
    pub(super) fn moves(&mut self, at: usize, now: Timestamp) {
        let Some(dialog) = self.dialogs.get_mut(at) else { return };
        let is_last = dialog.moves == 0;
        dialog.moves = dialog.moves.saturating_sub(1);
        let what = if is_last { Move::Bye } else { MOVES[self.dice.below(MOVES.len())] };
        self.does(at, what);
        if !is_last {
            let pause = [0, 20, 500, 4_000][self.dice.below(4)];
            self.later(now, pause, Todo::Move(at));
        }
    }

    fn next(&mut self, at: usize, method: &str) -> Draft {
        self.dialogs[at].next(method, &self.place, &mut self.dice)
    }

    /// A request that offers a session.
    fn offer(&mut self, at: usize, method: &str) -> Draft {
        let (version, held) = (2 + self.dice.between(0, 3), self.dice.percent(30));
        let body = bodies::session(&self.place, version, held);
        self.next(at, method).with_body(SDP, body)
    }

    /// A request with a CSeq already used, and the branch of the INVITE or another.
    fn of_now(&mut self, at: usize, method: &str) -> Draft {
        let other = branch(&mut self.dice);
        let dialog = &self.dialogs[at];
        let of_invite = method == "CANCEL" && !dialog.invite_branch.is_empty();
        dialog.request(method, dialog.cseq, if of_invite { &dialog.invite_branch } else { &other }, &self.place)
    }

    fn does(&mut self, at: usize, what: Move) {
        match what {
            Move::Offer => self.says(at, "INVITE", true),
            Move::OfferByUpdate => self.says(at, "UPDATE", true),
            Move::AskForOffer => self.says(at, "INVITE", false),
            Move::Refresh => {
                let draft = self.next(at, "UPDATE").with("Supported", "timer");
                let interval = self.dice.digits();
                let who = self.dice.pick(&["uac", "uas"]);
                self.say(draft.with("Session-Expires", format!("{interval};refresher={who}")));
            }
            Move::TwoOffers => {
                let methods = [["INVITE", "UPDATE"], ["UPDATE", "INVITE"], ["INVITE", "INVITE"]][self.dice.below(3)];
                methods.into_iter().for_each(|method| self.says(at, method, true));
            }
            Move::OfferAndBye => {
                self.says(at, "INVITE", true);
                self.says(at, "BYE", false);
            }
            Move::Key => self.key(at),
            Move::KeyStorm => (0..self.dice.below(STORM)).for_each(|_| self.key(at)),
            Move::Other(method) => {
                let mut draft = self.next(at, method);
                if matches!(method, "REFER" | "NOTIFY" | "SUBSCRIBE") {
                    draft.deviate(2, true, &mut self.dice, &self.place);
                }
                self.say(draft);
            }
            Move::Prack => {
                let (response, cseq) = (self.dice.digits(), self.dialogs[at].cseq);
                let draft = self.next(at, "PRACK");
                self.say(draft.with("RAck", format!("{response} {cseq} INVITE")));
            }
            Move::Cancel | Move::AckForNothing => {
                let draft = self.of_now(at, if what == Move::Cancel { "CANCEL" } else { "ACK" });
                self.say(draft);
            }
            Move::Again => {
                let said = &self.dialogs[at].said;
                if let Some(text) = said.get(self.dice.below(said.len().max(1))).cloned() {
                    self.put_text(text, vec!["again"], Validity::Kept);
                }
            }
            Move::NumberJumps => {
                let to = self.dice.modest().parse().unwrap_or(i32::MAX as u64);
                self.dialogs[at].cseq = self.dialogs[at].cseq.max(to);
                self.says(at, "OPTIONS", false);
            }
            Move::NumberFallsBack => {
                self.dialogs[at].cseq = self.dialogs[at].cseq.saturating_sub(1 + self.dice.between(1, 9));
                self.says(at, "INVITE", true);
            }
            Move::ResponseForNothing => self.response_for_nothing(at),
            Move::InviteThatReplaces => self.replaces(at),
            Move::Register => self.registers(at),
            Move::Bye => self.says(at, "BYE", false),
            Move::CancelAndBye => {
                self.does(at, Move::Cancel);
                self.does(at, Move::Bye);
            }
        }
    }

    fn says(&mut self, at: usize, method: &str, offers: bool) {
        let draft = if offers { self.offer(at, method) } else { self.next(at, method) };
        self.say(draft);
    }

    fn key(&mut self, at: usize) {
        let (kind, body) = bodies::info(&mut self.dice);
        let draft = self.next(at, "INFO").with_body(kind, body);
        self.say(draft);
    }

    /// An unexpected response, to a request that may or may not exist.
    fn response_for_nothing(&mut self, at: usize) {
        let status = [100, 180, 200, 202, 302, 401, 481, 487, 491, 500, 699][self.dice.below(11)];
        let dialog = &self.dialogs[at];
        let draft = match &dialog.invite {
            Some(invite) if self.dice.percent(70) => Dialog::response(invite, status, Some(&dialog.local), &self.place),
            _ => Draft::new(format!("SIP/2.0 {status} Well"))
                .with("Via", format!("SIP/2.0/UDP {};branch=z9hG4bKtk0000000000000000", self.place.edge))
                .with("Via", format!("SIP/2.0/TCP 127.0.2.1;branch={}", branch(&mut self.dice)))
                .with("From", &*dialog.remote)
                .with("To", &*dialog.local)
                .with("Call-ID", &*dialog.call_id)
                .with("CSeq", format!("{} INVITE", dialog.cseq)),
        };
        self.say(draft);
    }

    /// A call that replaces this one, or itself (RFC 3891).
    fn replaces(&mut self, at: usize) {
        let dialog = &self.dialogs[at];
        let tag = |address: &str| address.split(";tag=").nth(1).unwrap_or("0").to_owned();
        let replaces = format!("{};to-tag={};from-tag={}", dialog.call_id, tag(&dialog.remote), tag(&dialog.local));
        let number = if dialog.begun == Begun::ByUs { "9000" } else { "7100" };
        let other = Dialog::outgoing(number, &self.place, &mut self.dice);
        let draft = other.request("INVITE", 1, &other.invite_branch, &self.place).with("Replaces", replaces);
        self.say(draft.with_body(SDP, bodies::session(&self.place, 1, false)));
    }

    /// A REGISTER with more contacts than a registrar expects.
    fn registers(&mut self, at: usize) {
        let other = Dialog::outgoing(&self.place.user, &self.place, &mut self.dice);
        let many = self.dice.length().min(70);
        let expires = self.dice.digits();
        let mut draft = other.request("REGISTER", 1, &branch(&mut self.dice), &self.place);
        let contacts: Vec<String> =
            (0..many).map(|n| format!("<sip:{n}@{}>;expires={expires};q=0.{n}", self.place.sent_by)).collect();
        draft.set("Contact", contacts.join(", "));
        draft.set("Expires", self.dice.digits());
        if self.dice.percent(30) {
            draft.set("Call-ID", &*self.dialogs[at].call_id);
        }
        self.say(draft);
    }
}
