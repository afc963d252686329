//! A party's state of one dialog, and the requests and responses made from it.

use super::dice::Dice;
use super::draft::Draft;
use super::heard::Heard;
use super::place::Place;

/// The side that started a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begun {
    /// The party.
    ByUs,
    /// The other side.
    ByThem,
}

/// A dialog, early or confirmed.
#[derive(Clone, Debug)]
pub struct Dialog {
    pub begun: Begun,
    pub call_id: String,
    /// Our From or To, with the tag.
    pub local: String,
    /// Their From or To.
    pub remote: String,
    /// The target of our requests.
    pub target: String,
    pub routes: Vec<String>,
    pub cseq: u64,
    /// Branch of the last INVITE, used to cancel it and to acknowledge its refusal.
    pub invite_branch: String,
    /// The INVITE that started the dialog, if the other side sent it.
    pub invite: Option<Heard>,
    /// Whether it was answered.
    pub up: bool,
    /// Moves still to be made in it.
    pub moves: usize,
    /// Some of the messages sent, to be repeated.
    pub said: Vec<String>,
}

/// Messages remembered for repetition.
const SAID_MAX: usize = 8;

/// A value of From or To with our tag.
fn tagged(value: &str, tag: &str) -> String {
    format!("{value};tag={tag}")
}

impl Dialog {
    /// A dialog that we start.
    pub fn outgoing(number: &str, place: &Place, dice: &mut Dice) -> Self {
        let (edge, us) = (&place.edge, &place.sent_by);
        Self {
            begun: Begun::ByUs,
            call_id: format!("{}{}", place.call_ids, dice.token()),
            local: tagged(&format!("<sip:{}@{us}>", place.user), &dice.token()),
            remote: format!("<sip:{number}@{edge}>"),
            target: format!("sip:{number}@{edge}"),
            routes: Vec::new(),
            cseq: 1 + dice.between(0, 3),
            invite_branch: branch(dice),
            invite: None,
            up: false,
            moves: dice.below(12),
            said: Vec::new(),
        }
    }

    /// A dialog that the other side starts.
    pub fn incoming(invite: &Heard, dice: &mut Dice) -> Option<Self> {
        let own = |name| invite.get(name).map(str::to_owned);
        Some(Self {
            begun: Begun::ByThem,
            call_id: own("Call-ID")?,
            local: tagged(&own("To")?, &dice.token()),
            remote: own("From")?,
            target: invite.contact()?.to_owned(),
            routes: invite.record_routes(),
            cseq: dice.between(0, 100),
            invite_branch: String::new(),
            invite: Some(invite.clone()),
            up: false,
            moves: dice.below(12),
            said: Vec::new(),
        })
    }

    /// Takes the remote tag, target and route set from a response to our INVITE.
    pub fn learn(&mut self, response: &Heard) {
        if let Some(to) = response.get("To").filter(|_| response.tag("To").is_some()) {
            to.clone_into(&mut self.remote);
        }
        if let Some(contact) = response.contact() {
            contact.clone_into(&mut self.target);
        }
        let mut routes = response.record_routes();
        if !routes.is_empty() {
            routes.reverse();
            self.routes = routes;
        }
    }

    /// A request within the dialog, or the one that starts it.
    pub fn request(&self, method: &str, cseq: u64, branch: &str, place: &Place) -> Draft {
        let mut draft = Draft::new(format!("{method} {} SIP/2.0", self.target))
            .with("Via", format!("SIP/2.0/UDP {};branch={branch};rport", place.sent_by))
            .with("Max-Forwards", "70")
            .with("From", &*self.local)
            .with("To", &*self.remote)
            .with("Call-ID", &*self.call_id)
            .with("CSeq", format!("{cseq} {method}"));
        for route in &self.routes {
            draft.push("Route", &**route);
        }
        if !matches!(method, "CANCEL" | "BYE" | "ACK" | "PRACK") {
            draft.push("Contact", format!("<sip:{}@{}>", place.user, place.sent_by));
        }
        draft
    }

    /// The next request, with a new CSeq.
    pub fn next(&mut self, method: &str, place: &Place, dice: &mut Dice) -> Draft {
        self.cseq = self.cseq.saturating_add(1);
        let branch = branch(dice);
        if method == "INVITE" {
            self.invite_branch.clone_from(&branch);
        }
        self.request(method, self.cseq, &branch, place)
    }

    /// A response to the other side's request; `to` replaces its To, for responses that add our tag.
    pub fn response(request: &Heard, status: u16, to: Option<&str>, place: &Place) -> Draft {
        let mut draft = Draft::new(format!("SIP/2.0 {status} {}", phrase(status)));
        for via in request.all("Via") {
            draft.push("Via", via);
        }
        for name in ["From", "To", "Call-ID", "CSeq"] {
            let told = request.get(name).unwrap_or_default();
            draft.push(name, if name == "To" { to.unwrap_or(told) } else { told });
        }
        if status > 100 && status < 300 && request.method() == "INVITE" {
            for route in request.all("Record-Route") {
                draft.push("Record-Route", route);
            }
            draft.push("Contact", format!("<sip:{}@{}>", place.user, place.sent_by));
        }
        draft
    }

    /// The ACK to a 2xx (its own transaction) or to a refusal (in the INVITE's transaction).
    pub fn ack(&self, response: &Heard, place: &Place, dice: &mut Dice) -> Draft {
        let of_invite = response.status().is_some_and(|status| status >= 300);
        let branch = if of_invite { self.invite_branch.clone() } else { branch(dice) };
        let cseq = response.cseq().parse().unwrap_or(self.cseq);
        let mut draft = self.request("ACK", cseq, &branch, place);
        if let Some(to) = response.get("To").filter(|_| of_invite) {
            draft.set("To", to);
        }
        draft
    }

    /// Remembers a message for repetition.
    pub fn remember(&mut self, text: &str) {
        if self.said.len() == SAID_MAX {
            self.said.remove(0);
        }
        self.said.push(text.to_owned());
    }
}

/// A unique branch.
pub fn branch(dice: &mut Dice) -> String {
    format!("z9hG4bK{}", dice.token())
}

const fn phrase(status: u16) -> &'static str {
    match status {
        100..200 => "Going On",
        200..300 => "OK",
        300..400 => "Elsewhere",
        _ => "No",
    }
}
