//! The facts of a call, checked one by one.

use std::collections::BTreeMap;

use call::call::{RECORDING_ID, RECORDING_STATE};
use model::event::Stamped;
use model::{EventName, Seq, Timestamp, Token};

/// State of a call by its facts.
#[derive(Default)]
pub struct Story {
    token: Token,
    seq: Seq,
    at: Timestamp,
    facts: u32,
    queued: bool,
    ringing: bool,
    talking: bool,
    over: bool,
    data: BTreeMap<String, String>,
}

impl Story {
    /// Takes the next fact; the error says what is wrong with it.
    pub fn tell(&mut self, fact: &Stamped, is_shared: bool) -> Result<(), String> {
        let name = fact.event.name;
        let said = format!("{} ({}, {})", name.as_str(), fact.id.token.0, fact.id.seq.0);
        self.is_numbered(fact).map_err(|how| format!("{said}: {how}"))?;
        self.keeps_data(fact).map_err(|how| format!("{said}: {how}"))?;
        let fits = if is_shared { self.begins_and_ends(name) } else { self.fits(name) };
        fits.map_err(|how| format!("{said}: {how}"))
    }

    /// Gapless within a token, tokens grow, time does not go back.
    fn is_numbered(&mut self, fact: &Stamped) -> Result<(), String> {
        let (token, seq) = (fact.id.token, fact.id.seq);
        let follows = if token == self.token { seq.0 == self.seq.0 + 1 } else { token > self.token && seq.0 == 1 };
        if !follows {
            return Err(format!("after ({}, {})", self.token.0, self.seq.0));
        }
        if fact.at < self.at {
            return Err("time goes back".to_owned());
        }
        (self.token, self.seq, self.at) = (token, seq, fact.at);
        Ok(())
    }

    /// Attached data stays, through queues and owners; what tells of the recording may change. A refusal may tell nothing of the call.
    fn keeps_data(&mut self, fact: &Stamped) -> Result<(), String> {
        if fact.event.name == EventName::Error {
            return Ok(());
        }
        let now: BTreeMap<String, String> =
            fact.event.user_data.iter().map(|(key, value)| (key.to_owned(), format!("{value:?}"))).collect();
        let may_change = |key: &str| [RECORDING_ID, RECORDING_STATE].contains(&key);
        let is_kept = |key: &str, value| now.get(key).is_some_and(|other| other == value || may_change(key));
        if let Some(lost) = self.data.iter().find(|(key, value)| !is_kept(key, *value)) {
            return Err(format!("{lost:?} is lost"));
        }
        self.data = now;
        Ok(())
    }

    /// A call of several phones: what its parties may do, the laws of the call model say.
    fn begins_and_ends(&mut self, name: EventName) -> Result<(), String> {
        self.facts += 1;
        let is_answer = matches!(name, EventName::Error | EventName::ACK);
        let is_in_order = (name == EventName::CallCreated) == (self.facts == 1) && (!self.over || is_answer);
        self.over |= name == EventName::CallDeleted;
        if is_in_order { Ok(()) } else { Err("out of order".to_owned()) }
    }

    /// A call's facts come in the order of the book (`docs/events.md`, Sequences).
    fn fits(&mut self, name: EventName) -> Result<(), String> {
        let may = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_owned()) };
        self.facts += 1;
        may(!self.over, "after the end")?;
        match name {
            EventName::CallCreated => may(self.facts == 1, "twice"),
            EventName::CallDeleted => {
                self.over = true;
                may(!self.queued && !self.ringing && !self.talking, "with a party in it")
            }
            EventName::Queued => {
                may(!self.queued && !self.ringing && !self.talking, "while it is somewhere")?;
                self.queued = true;
                Ok(())
            }
            EventName::Diverted => may(std::mem::take(&mut self.queued), "not queued"),
            EventName::Abandoned => {
                let somewhere = std::mem::take(&mut self.queued) || std::mem::take(&mut self.ringing);
                may(somewhere, "neither queued nor ringing")
            }
            EventName::Ringing => {
                may(!self.queued && !self.ringing && !self.talking, "while it is somewhere")?;
                self.ringing = true;
                Ok(())
            }
            EventName::Established => {
                may(std::mem::take(&mut self.ringing), "not ringing")?;
                self.talking = true;
                Ok(())
            }
            EventName::Released => {
                let somewhere = std::mem::take(&mut self.talking) || std::mem::take(&mut self.ringing);
                may(somewhere, "nobody is there")
            }
            EventName::Held | EventName::Retrieved => may(self.talking, "nobody talks"),
            EventName::RouteRequest | EventName::RouteUsed => may(self.queued, "not queued"),
            _ => Ok(()),
        }
    }

    /// What is missing at the end.
    pub fn lacks(&self) -> Option<&'static str> {
        (!self.over).then_some("has no end")
    }
}
