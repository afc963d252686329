//! The course of a thread: who talked with whom, when and in which room, who consulted, transferred, conferred and monitored, and who moved where.

use std::collections::BTreeMap;

use runtime::trace::entry::Event;

use super::document::{ThreadTurn, Trace, TurnKind};
use super::media::seconds;

/// The most turns of one thread; later ones are left out.
const TURNS_MAX: usize = 500;

/// The turns of a thread, in order of time.
pub(super) fn turns(trace: &Trace) -> Vec<ThreadTurn> {
    let mut course = Course { thread: trace.call.conn_id.clone(), ..Course::default() };
    for event in &trace.events {
        course.take(&event.event, event.at, trace);
    }
    course.close();
    course.turns.sort_by(|one, other| one.at.total_cmp(&other.at));
    course.turns.truncate(TURNS_MAX);
    course.turns
}

/// What a party of a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartyDoing {
    Rings,
    Talks,
    Holds,
    Listens,
}

/// A call of the thread.
#[derive(Debug, Default)]
struct ThreadRoom {
    name: String,
    is_consultation: bool,
    parties: BTreeMap<String, PartyDoing>,
    /// Somebody behind a trunk, who has no events.
    outside: Option<String>,
    /// Who talk at present, and the place of their turn.
    talk: Option<(Vec<String>, usize)>,
}

#[derive(Debug, Default)]
struct Course {
    thread: String,
    rooms: BTreeMap<String, ThreadRoom>,
    turns: Vec<ThreadTurn>,
}

impl Course {
    fn take(&mut self, event: &Event, at: f64, trace: &Trace) {
        let conn_id = event.conn_id.clone().unwrap_or_else(|| self.thread.clone());
        let number = self.rooms.len();
        let thread = self.thread.clone();
        let room = self.rooms.entry(conn_id.clone()).or_insert_with(|| ThreadRoom {
            // As media names them: the thread's, and for a further call with its number.
            name: if number == 0 { thread } else { format!("{thread}.{number}") },
            is_consultation: number > 0,
            outside: trace.call.trunk.as_ref().filter(|_| number == 0).map(|_| trace.call.from.clone()),
            ..ThreadRoom::default()
        });
        if event.name == "EventCallDeleted" {
            room.parties.clear();
            room.outside = None;
            return self.settle(&conn_id, at);
        }
        let Some(dn) = event.this_dn.clone() else { return };
        let words = room.words(event, &dn);
        room.change(event, &dn);
        if event.name == "EventPartyChanged" {
            self.came(event, &conn_id, &dn, at);
        }
        if let Some(text) = words {
            self.note(&conn_id, dn, text, at);
        }
        self.settle(&conn_id, at);
    }

    /// A party comes from another call of the thread.
    fn came(&mut self, event: &Event, conn_id: &str, dn: &str, at: f64) {
        let is_here = self.rooms.get(conn_id).is_some_and(|room| room.parties.contains_key(dn));
        let from = event.previous.clone().filter(|_| !is_here);
        let doing = from.as_ref().and_then(|from| self.rooms.get_mut(from)?.parties.remove(dn));
        if let (Some(doing), Some(from)) = (doing, from) {
            if let Some(room) = self.rooms.get_mut(conn_id) {
                room.parties.insert(dn.to_owned(), doing);
            }
            let there = self.rooms.get(conn_id).map(|room| room.name.clone()).unwrap_or_default();
            self.note(conn_id, dn.to_owned(), format!("{dn} came from the consultation into room {there}"), at);
            self.settle(&from, at);
        }
    }

    fn note(&mut self, conn_id: &str, dn: String, text: String, at: f64) {
        let room = self.rooms.get(conn_id).map(|room| room.name.clone()).unwrap_or_default();
        let is_told = self.turns.iter().rev().take_while(|turn| at - turn.at < 1.0).any(|turn| turn.text == text);
        if !is_told {
            self.turns.push(ThreadTurn { at, until: None, room, kind: TurnKind::Move, who: vec![dn], text });
        }
    }

    /// Ends a talk whose parties have changed, and begins the next.
    fn settle(&mut self, conn_id: &str, at: f64) {
        let Some(room) = self.rooms.get_mut(conn_id) else { return };
        let talkers = room.talkers();
        if room.talk.as_ref().is_some_and(|(who, _)| *who == talkers) || room.talk.is_none() && talkers.len() < 2 {
            return;
        }
        if let Some((_, turn)) = room.talk.take()
            && let Some(turn) = self.turns.get_mut(turn)
        {
            turn.until = Some(at);
        }
        if talkers.len() >= 2 {
            room.talk = Some((talkers.clone(), self.turns.len()));
            let turn =
                ThreadTurn { at, room: room.name.clone(), kind: TurnKind::Talk, who: talkers, ..ThreadTurn::default() };
            self.turns.push(turn);
        }
    }

    /// Puts the talks into words. Those that nobody could hear are left out.
    fn close(&mut self) {
        self.turns.retain(|turn| turn.kind == TurnKind::Move || turn.until.is_none_or(|until| until > turn.at));
        for turn in self.turns.iter_mut().filter(|turn| turn.kind == TurnKind::Talk) {
            let who = list(&turn.who);
            turn.text = match turn.until {
                Some(until) => format!("{who} talked for {}, in room {}", seconds(until - turn.at), turn.room),
                None => format!("{who} talk, in room {}", turn.room),
            };
        }
    }
}

impl ThreadRoom {
    /// Who hear each other.
    fn talkers(&self) -> Vec<String> {
        let talk = self.parties.iter().filter(|(_, doing)| **doing == PartyDoing::Talks).map(|(dn, _)| dn.clone());
        let talk: Vec<String> = talk.collect();
        let outside = self.outside.iter().filter(|_| !talk.is_empty()).cloned();
        outside.chain(talk.iter().cloned()).collect()
    }

    /// What an event changes.
    fn change(&mut self, event: &Event, dn: &str) {
        let is_observer = event.role.as_deref() == Some("Observer");
        let doing = match event.name.as_str() {
            "EventRinging" | "EventDialing" => PartyDoing::Rings,
            "EventEstablished" if is_observer => PartyDoing::Listens,
            "EventEstablished" => {
                self.meet(event);
                PartyDoing::Talks
            }
            "EventRetrieved" => PartyDoing::Talks,
            "EventHeld" => PartyDoing::Holds,
            // Who took a party in has come back to the call without a fact of its own.
            "EventPartyAdded" if event.third_party_dn.as_deref() == Some(dn) => {
                self.meet(event);
                PartyDoing::Talks
            }
            "EventPartyChanged" => return self.meet(event),
            "EventReleased" | "EventAbandoned" => {
                self.parties.remove(dn);
                return;
            }
            _ => return,
        };
        self.parties.insert(dn.to_owned(), doing);
    }

    /// The other one may be outside: then it has no events of its own.
    fn meet(&mut self, event: &Event) {
        if let Some(other) = &event.other_dn
            && is_outside(other)
            && !self.parties.contains_key(other)
        {
            self.outside = Some(other.clone());
        }
    }

    /// What an event means, if it is more than a change of who talks.
    fn words(&self, event: &Event, dn: &str) -> Option<String> {
        let other = event.other_dn.as_deref().unwrap_or("somebody");
        let third = event.third_party_dn.as_deref();
        let state = event.state.as_deref();
        Some(match event.name.as_str() {
            "EventDialing" if self.is_consultation => format!("{dn} consults {other}, in room {}", self.name),
            "EventHeld" => format!("{dn} holds room {}", self.name),
            "EventRetrieved" => format!("{dn} is back in room {}", self.name),
            "EventRinging" if event.role.as_deref() == Some("Observer") => format!("{dn} rings to monitor {other}"),
            "EventEstablished" if event.role.as_deref() == Some("Observer") => {
                format!("{dn} monitors {other}, in room {}", self.name)
            }
            "EventReleased" if state == Some("Transferred") && !self.is_consultation => {
                format!("{dn} transferred the call to {}", third.unwrap_or("the one consulted"))
            }
            "EventReleased" if state == Some("Redirected") => {
                format!("{dn} sent the call on to {}", third.unwrap_or(other))
            }
            "EventReleased" if matches!(state, Some("Transferred" | "Conferenced")) => return None,
            "EventReleased" => format!("{dn} left room {}", self.name),
            "EventPartyAdded" if third == Some(dn) => format!("{dn} took {other} into room {}", self.name),
            "EventPartyDeleted" if third.is_some() => {
                format!("{} removed {other} from room {}", third.unwrap_or_default(), self.name)
            }
            _ => return None,
        })
    }
}

/// A number with as many digits is one outside.
const OUTSIDE_DIGITS: usize = 5;

/// Whether it is a number outside, whose last digits alone are shown if it is masked. Extensions, feature codes and park
/// slots are none.
fn is_outside(number: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match number.strip_prefix("***") {
        Some(shown) => is_digits(shown),
        None => {
            let digits = number.strip_prefix('+').unwrap_or(number);
            digits.len() >= OUTSIDE_DIGITS && is_digits(digits)
        }
    }
}

fn list(who: &[String]) -> String {
    match who {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests;
