//! The trunks by which a number outside was called, in the order in which they were tried, and what has become of each.
//!
//! What a carrier has answered is read from its own messages: the status that a call ends with is often another one. Why a trunk was not
//! asked, the notes of the call's owner say.

use std::collections::HashMap;
use std::ops::Range;

use runtime::trace::entry::{Leg, What};

use super::document::{Finding, Message, Note, Severity, Trace};
use super::media::seconds;
use super::sip::{LegNames, header, is_outside};
use super::{leg_of, text};

/// The trunks by which legs go out, by the numbers of the legs.
pub(super) type TrunkNames = HashMap<u16, String>;

/// The trunks of the legs that were recorded.
pub(super) fn names(entries: &[(String, u64, &What)]) -> TrunkNames {
    let trunk = |what: &What| match what {
        What::Leg(Leg { leg, trunk: Some(trunk), .. }) => Some((*leg, trunk.clone())),
        _ => None,
    };
    entries.iter().filter_map(|(_, _, what)| trunk(what)).collect()
}

/// What has become of a leg by a trunk.
#[derive(Debug)]
pub(super) struct TrunkTry {
    /// The leg.
    pub leg: u16,
    /// Sentences for the summary.
    pub words: Vec<String>,
    /// What is to be looked at.
    pub findings: Vec<Finding>,
    /// Why its carrier was not asked, or not reached.
    pub unasked: Option<String>,
}

/// All attempts of a call to go out, in their order.
pub(super) fn tries(trace: &Trace, names: &LegNames, trunks: &TrunkNames) -> Vec<TrunkTry> {
    let mut legs: Vec<(u16, &str)> = trunks.iter().map(|(leg, trunk)| (*leg, trunk.as_str())).collect();
    legs.sort_unstable();
    let mut notes: Vec<&Note> = trace.notes.iter().collect();
    let one = |(leg, trunk): (u16, &str)| {
        let (party, _) = names.get(&leg)?;
        let asked = Attempt::of(trace, leg);
        let since = asked.as_ref().map_or(0.0, |asked| asked.first.at);
        if asked.as_ref().is_none_or(Attempt::is_silent)
            && let Some(note) = take_unasked(&mut notes, trunk, since)
        {
            let (words, findings) = (vec![format!("{}.", text::capital(&note.text))], vec![warning(note.text.clone())]);
            let unasked = note.text.split_once(": ").map(|(_, why)| why.to_owned());
            return Some(TrunkTry { leg, words, findings, unasked });
        }
        Some(asked?.told(trace, leg, (party.as_str(), trunk)))
    };
    legs.into_iter().filter_map(one).collect()
}

/// The owner's next note that says that the trunk was not asked, or not reached.
fn take_unasked<'a>(notes: &mut Vec<&'a Note>, trunk: &str, since: f64) -> Option<&'a Note> {
    let start = format!("the trunk {trunk} was not ");
    let at = notes.iter().position(|note| note.at >= since && note.text.starts_with(&start))?;
    Some(notes.remove(at))
}

/// How soon after a challenge the end of the call explains that it is not answered, in milliseconds.
const AT_ONCE: f64 = 1_000.0;

/// What has become of an attempt, as far as its carrier does not say it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TrunkOutcome {
    /// Its carrier may still answer.
    GoesOn,
    /// The call was taken back.
    TakenBack,
    /// Nobody waits for its carrier any more.
    Over,
}

/// The INVITEs that a carrier has got by one leg, until it took the call or the last one was refused.
#[derive(Debug)]
struct Attempt<'a> {
    first: &'a Message,
    last: &'a Message,
    /// It rang, or something was heard.
    alerted: Option<&'a Message>,
    /// The final answer to the last one.
    answer: Option<&'a Message>,
    /// The refusals after which it was asked again, other than a challenge.
    before: Vec<&'a Message>,
}

impl<'a> Attempt<'a> {
    fn of(trace: &'a Trace, leg: u16) -> Option<Self> {
        let of_leg = |message: &&Message| message.method == "INVITE" && leg_of(message) == Some(leg);
        let mut asked: Option<Self> = None;
        for message in trace.ladder.messages.iter().filter(of_leg).filter(|message| !message.repeat) {
            let is_asked = message.status.is_none() && is_outside(trace, &message.to);
            let Some(known) = &mut asked else {
                let begun = || Self { first: message, last: message, alerted: None, answer: None, before: Vec::new() };
                asked = is_asked.then(begun);
                continue;
            };
            match message.status {
                None if is_asked => known.again(message),
                Some(180..=199) if is_outside(trace, &message.from) => {
                    known.alerted.get_or_insert(message);
                }
                Some(200..) if is_outside(trace, &message.from) => known.answer = Some(message),
                _ => {}
            }
            // What follows changes the session.
            if known.status().is_some_and(|status| status < 300) {
                break;
            }
        }
        asked
    }

    fn again(&mut self, invite: &'a Message) {
        self.last = invite;
        self.before.extend(self.answer.take().filter(|answer| !is_challenge(answer)));
    }

    fn status(&self) -> Option<u16> {
        self.answer?.status
    }

    fn is_silent(&self) -> bool {
        self.answer.is_none() && self.alerted.is_none()
    }

    /// Whether our user and password were in the last INVITE.
    fn has_credentials(&self) -> bool {
        ["authorization", "proxy-authorization"].into_iter().any(|name| header(&self.last.text, name).is_some())
    }

    fn told(&self, trace: &Trace, leg: u16, (party, trunk): (&str, &str)) -> TrunkTry {
        let mut told = TrunkTry { leg, words: Vec::new(), findings: Vec::new(), unasked: None };
        for refusal in &self.before {
            let has_location = |invite: &Message| header(&invite.text, "geolocation").is_some();
            let without =
                if has_location(self.first) && !has_location(self.last) { ", without the location" } else { "" };
            let refused = format!("the trunk {trunk} answered {}, and was asked again{without}", label(refusal));
            told.words.push(format!("{}.", text::capital(&refused)));
            told.findings.push(warning(refused));
        }
        let standing = self.standing(trace, leg);
        told.words.push(format!("{}.", self.outcome(standing, party, trunk)));
        told.findings.extend(self.fault(standing, trunk));
        told
    }

    fn standing(&self, trace: &Trace, leg: u16) -> TrunkOutcome {
        let messages = || trace.ladder.messages.iter().filter(move |message| leg_of(message) == Some(leg));
        let is_cancelled = messages().any(|message| message.method == "CANCEL");
        let has_left = |answer: &Message| caller_hangs_up(trace, &(self.last.at..answer.at + AT_ONCE));
        if is_cancelled || self.answer.is_some_and(has_left) {
            return TrunkOutcome::TakenBack;
        }
        // Our proxy answers the owner when the carrier has not for too long.
        let sent = header(&self.last.text, "cseq");
        let is_final = |message: &Message| message.method == "INVITE" && message.status >= Some(200);
        let is_over = messages().any(|message| is_final(message) && header(&message.text, "cseq") == sent);
        if trace.call.ended_at.is_some() || is_over { TrunkOutcome::Over } else { TrunkOutcome::GoesOn }
    }

    /// What has become of the last INVITE.
    fn outcome(&self, standing: TrunkOutcome, party: &str, trunk: &str) -> String {
        let goes_on = standing == TrunkOutcome::GoesOn;
        let answer = self.answer.map(label).unwrap_or_default();
        let took = seconds(self.answer.map_or(0.0, |answer| answer.at - self.alerted.unwrap_or(self.first).at));
        match (self.status(), self.alerted.is_some()) {
            (None, true) if goes_on => format!("{party} rings by the trunk {trunk}"),
            (None, true) => format!("{party} rang by the trunk {trunk} and did not answer"),
            (None, false) if goes_on => format!("The trunk {trunk} was asked and has said nothing yet"),
            (None, false) => format!("The trunk {trunk} was asked and said nothing"),
            (Some(..300), true) => format!("{party} answered by the trunk {trunk} after {took} of ringing"),
            (Some(..300), false) => format!("{party} answered by the trunk {trunk} after {took}"),
            (Some(487), true) => format!("{party} rang by the trunk {trunk} for {took}, until the call was taken back"),
            (Some(487), false) => format!("The trunk {trunk} said nothing for {took}, until the call was taken back"),
            (Some(486 | 600), _) => format!("{party} is busy ({answer}, by the trunk {trunk})"),
            (Some(603), _) => format!("{party} declined ({answer}, by the trunk {trunk})"),
            (Some(401 | 407), _) if self.has_credentials() => {
                format!("The trunk {trunk} does not take our user and password: it asked for them again ({answer})")
            }
            (Some(401 | 407), _) if standing == TrunkOutcome::TakenBack => {
                format!("The trunk {trunk} asked for a user and a password ({answer}) when the call was taken back")
            }
            (Some(401 | 407), _) => {
                format!("The trunk {trunk} asked for a user and a password and got none ({answer})")
            }
            (Some(_), _) => format!("The trunk {trunk} answered {answer}"),
        }
    }

    /// What is to be looked at. That somebody is busy, or that the call was taken back, is no fault.
    fn fault(&self, standing: TrunkOutcome, trunk: &str) -> Option<Finding> {
        let answer = self.answer.map(label).unwrap_or_default();
        match self.status() {
            None if self.alerted.is_some() || standing == TrunkOutcome::GoesOn => None,
            None => Some(warning(format!("the trunk {trunk} was asked and said nothing"))),
            Some(..300 | 486 | 487 | 600 | 603) => None,
            Some(401 | 407) if standing == TrunkOutcome::TakenBack && !self.has_credentials() => None,
            Some(401 | 407) => Some(self.password_wrong(trunk, answer)),
            Some(_) => Some(warning(format!("the trunk {trunk} answered {answer}"))),
        }
    }

    fn password_wrong(&self, trunk: &str, answer: &str) -> Finding {
        let text = match self.has_credentials() {
            true => format!("the carrier of the trunk {trunk} does not take its `user` and `password` ({answer})"),
            false => format!(
                "the carrier of the trunk {trunk} asks for a password ({answer}): the trunk has no `user` and `password`, or the carrier wants \
                 a proof that we do not know"
            ),
        };
        Finding { severity: Severity::Fault, text }
    }
}

/// Whether who has called hangs up in that time.
fn caller_hangs_up(trace: &Trace, when: &Range<f64>) -> bool {
    trace.ladder.messages.iter().filter(|message| when.contains(&message.at)).any(|message| {
        let is_end = message.status.is_none() && matches!(message.method.as_str(), "CANCEL" | "BYE");
        is_end && leg_of(message) == Some(1) && is_outside(trace, &message.from)
    })
}

fn is_challenge(answer: &Message) -> bool {
    matches!(answer.status, Some(401 | 407))
}

fn label(message: &Message) -> &str {
    message.label.trim_end_matches(" (INVITE)")
}

fn warning(text: String) -> Finding {
    Finding { severity: Severity::Warning, text }
}
