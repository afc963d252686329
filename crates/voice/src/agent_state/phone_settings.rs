//! Do-not-disturb and forwarding of phones: carries out the requests, keeps a record for each phone and publishes the events. dialplan reads
//! the records.

use call::dial_plan::PhoneSettings;
use infra::{AgentWrite, Change, Record};
use model::event::ErrorCode;
use model::request::ForwardMode;
use model::{AgentId, Dn, Event, EventName, Request, RequestKind, Timestamp, Token};

use super::handler::TenantAgents;
use super::phone::SetPhone;
use crate::phone_settings::{self, PhoneRecord};

type Accepted = Result<(), (ErrorCode, &'static str)>;

/// The most records of phones in one batch: a script of Redis must not take long.
const PHONES_PER_BATCH: usize = 64;
/// In the answer to `TQueryAddress`: whether the phone does not want to be disturbed.
const DND: &str = "DND";
/// The same: whether another call rings while it is in one.
const CALL_WAITING: &str = "CallWaiting";
/// Reads one number that calls are forwarded to out of a phone's settings.
type Forward = fn(&PhoneSettings) -> Option<&Dn>;
/// The same: where calls go that find the phone so.
const FORWARDS: [(&str, Forward); 4] = [
    ("ForwardUnconditional", |settings| settings.always.as_ref()),
    ("ForwardOnBusy", |settings| settings.busy.as_ref()),
    ("ForwardOnNoAnswer", |settings| settings.no_answer.as_ref()),
    ("ForwardOnUnregistered", |settings| settings.unregistered.as_ref()),
];

impl TenantAgents {
    /// Carries the request out if it is about such settings. Returns whether it is.
    pub(super) fn set_phone(&mut self, request: &Request, now: Timestamp) -> bool {
        let outcome = match &request.kind {
            RequestKind::SetDndOn => self.change_phone(request, EventName::DNDOn, None, now, |set| set.dnd = true),
            RequestKind::SetDndOff => self.change_phone(request, EventName::DNDOff, None, now, |set| set.dnd = false),
            RequestKind::SetForward(_, ForwardMode::None) | RequestKind::CancelForward => {
                let before = self
                    .phones
                    .get(&request.this_dn)
                    .and_then(|phone| FORWARDS.iter().find_map(|(_, number)| number(&phone.record.settings).cloned()));
                self.change_phone(request, EventName::ForwardCancel, before.as_ref(), now, |set| {
                    *set = PhoneSettings { dnd: set.dnd, ..PhoneSettings::default() };
                })
            }
            RequestKind::SetForward(to, _) if *to == request.this_dn => {
                Err((ErrorCode::INVALID_DESTINATION, "a phone cannot forward calls to itself"))
            }
            RequestKind::SetForward(to, mode) => {
                self.change_phone(request, EventName::ForwardSet, Some(to), now, |set| forward(set, to, *mode))
            }
            _ => return false,
        };
        if let Err((code, text)) = outcome {
            self.refuse(request.clone(), code, text, now);
        }
        true
    }

    fn change_phone(
        &mut self,
        request: &Request,
        name: EventName,
        other: Option<&Dn>,
        now: Timestamp,
        change: impl FnOnce(&mut PhoneSettings),
    ) -> Accepted {
        let dn = &request.this_dn;
        if !self.people.is_phone(dn) || phone_settings::key(dn).is_none() {
            return Err((ErrorCode::DN_NOT_CONFIGURED, "ThisDN is not a phone of the tenant"));
        }
        let mut event = answer(request, name);
        event.other_dn = other.map(Dn::to_string);
        if let RequestKind::SetForward(_, mode) = request.kind
            && name == EventName::ForwardSet
        {
            event.extensions.push("ForwardMode", mode.as_str());
        }
        self.tell_of_dn(event, now);
        let told = self.dn_facts.pop();
        let phone = self.phones.entry(dn.clone()).or_default();
        change(&mut phone.record.settings);
        phone.unwritten.get_or_insert_default().extend(told);
        Ok(())
    }

    /// Adds what the phone has set to an answer to `TQueryAddress`.
    pub(super) fn with_settings(&self, mut event: Event) -> Event {
        let none = PhoneSettings::default();
        let phone = event.this_dn.as_ref().and_then(|dn| self.phones.get(dn));
        let settings = phone.map_or(&none, |phone| &phone.record.settings);
        let lacks_call_waiting = event.this_dn.as_ref().is_some_and(|dn| self.people.lacks_call_waiting(dn));
        event.extensions.push(DND, i64::from(settings.dnd));
        event.extensions.push(CALL_WAITING, i64::from(!lacks_call_waiting));
        for (name, number) in FORWARDS {
            if let Some(number) = number(settings) {
                event.extensions.push(name, number.as_str());
            }
        }
        event
    }

    // === records ===

    /// Continues from a phone's record; returns whether it is one.
    pub(super) fn restore_phone(&mut self, record: &Record<AgentId>) -> bool {
        let Some(dn) = phone_settings::phone_of(&record.key) else { return false };
        let kept = phone_settings::decode(&record.state).unwrap_or_else(|error| {
            tracing::error!(tenant = %self.tenant, %dn, %error, "a phone has nothing set any more");
            PhoneRecord::default()
        });
        self.phones.insert(dn, SetPhone { record: kept, token: Some(record.token), unwritten: None });
        true
    }

    /// The records that have changed, as many as one batch may have. What nobody has asked for waits for the pause after a refusal.
    pub(super) fn phone_writes(&mut self, now: Timestamp) -> Vec<AgentWrite> {
        let is_paused = now < self.again_from;
        let changed = self.phones.iter_mut().filter_map(|(dn, phone)| {
            let events = phone.unwritten.take_if(|events| !is_paused || !events.is_empty())?;
            let (state, intentions) = (phone_settings::encode(&phone.record), bytes::Bytes::new());
            let (token, change) = match phone.token {
                Some(token) => (token, Change::Save { state, intentions }),
                // Counts as stored unless the store refuses it, see `phone_not_stored`.
                None => (*phone.token.insert(Token(1)), Change::Create { state, intentions }),
            };
            Some(AgentWrite { agent: phone_settings::key(dn)?, token, change, due: None, events })
        });
        changed.take(PHONES_PER_BATCH).collect()
    }

    /// Whether a phone's record waits to be written.
    pub(super) fn has_phone_writes(&self) -> bool {
        self.phones.values().any(|phone| phone.unwritten.is_some())
    }

    /// The store has refused a phone's record: it is as stored again. Returns whether it is one.
    pub(super) fn phone_not_stored(&mut self, key: &AgentId, stored: Option<&Record<AgentId>>) -> bool {
        let Some(dn) = phone_settings::phone_of(key) else { return false };
        self.phones.remove(&dn);
        let is_one = stored.is_none_or(|record| self.restore_phone(record));
        self.note_whether_in_call(&dn);
        self.note_who_is_logged_in(&dn);
        is_one
    }
}

fn answer(request: &Request, name: EventName) -> Event {
    Event {
        this_dn: Some(request.this_dn.clone()),
        reference: request.reference,
        requester: Some(request.requester.clone()),
        reasons: request.reasons.clone(),
        extensions: request.extensions.clone(),
        ..Event::new(name)
    }
}

fn forward(settings: &mut PhoneSettings, to: &Dn, mode: ForwardMode) {
    let to = Some(to.clone());
    match mode {
        ForwardMode::None => {}
        ForwardMode::Unconditional | ForwardMode::SendAllCalls => settings.always = to,
        ForwardMode::OnBusy => settings.busy = to,
        ForwardMode::OnNoAnswer => settings.no_answer = to,
        ForwardMode::OnBusyAndNoAnswer => (settings.busy, settings.no_answer) = (to.clone(), to),
        ForwardMode::OnUnregistered => settings.unregistered = to,
    }
}

#[cfg(test)]
mod tests;
