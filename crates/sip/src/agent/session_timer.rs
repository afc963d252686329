//! Session timers (RFC 4028): a session that is not refreshed ends.

use std::time::Duration;

use model::Timestamp;

use super::command::{AgentConfig, CommandError, DialogId, DialogTerms};
use super::event::{Event, Release};
use super::state::{InvitePurpose, LegPhase, RequestPurpose, SessionTimer};
use super::{UserAgent, leg::Leg};
use crate::header::{HeaderName, number};
use crate::{Builder, Message, Method, StatusCode};

/// The smallest interval that RFC 4028 §5 allows.
pub(super) const MIN_SE_FLOOR_S: u32 = 90;
/// The longest interval that is used, in seconds: a day. A longer one protects nothing, and its timers may overflow.
pub(super) const SESSION_MAX_S: u32 = 86_400;
/// How long a refresh is postponed while another transaction is in progress.
const POSTPONEMENT: Duration = Duration::from_secs(2);
/// The side that does not refresh ends the session this long before it expires, or a third of the interval if that is less
/// (§10).
const MARGIN_S: u32 = 32;

/// A Session-Expires value; never more than [`SESSION_MAX_S`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SessionExpires {
    pub(super) interval_s: u32,
    pub(super) refresher: Option<Refresher>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refresher {
    Uac,
    Uas,
}

/// Which end of a transaction we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Client,
    Server,
}

pub(super) fn session_expires(message: &Message) -> Option<SessionExpires> {
    let value = message.header(&HeaderName::SessionExpires)?;
    let mut parts = value.split(';').map(str::trim);
    let interval_s = number::seconds_up_to(parts.next()?, SESSION_MAX_S)?;
    let named =
        |p: &'_ str| p.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("refresher")).is_some();
    let refresher = parts.find(|p| named(p)).and_then(|p| p.split_once('=')).and_then(|(_, who)| match who.trim() {
        who if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
        who if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
        _ => None,
    });
    Some(SessionExpires { interval_s, refresher })
}

/// Min-SE; never more than [`SESSION_MAX_S`].
pub(super) fn min_se(message: &Message) -> Option<u32> {
    number::seconds_up_to(message.header(&HeaderName::MinSe)?.split(';').next()?.trim(), SESSION_MAX_S)
}

impl AgentConfig {
    /// The interval that we request in a dialog.
    fn session_wish_s(&self, terms: DialogTerms) -> Option<u32> {
        let wish = terms.session_expires_s.or(self.session_expires_s);
        wish.map(|wish| wish.clamp(MIN_SE_FLOOR_S, SESSION_MAX_S))
    }

    /// The shortest interval that we accept.
    fn session_least_s(&self) -> u32 {
        self.min_se_s.clamp(MIN_SE_FLOOR_S, SESSION_MAX_S)
    }
}

impl SessionTimer {
    /// Restarts after a refresh. `is_shared`: the peer, or a proxy, counts the interval too.
    fn restart(&mut self, is_shared: bool, now: Timestamp) {
        let interval = self.interval_s;
        self.expires_at = (interval > 0 && is_shared).then(|| now + Duration::from_secs(u64::from(interval)));
        self.due = (interval > 0).then(|| {
            let wait = if self.we_refresh { interval / 2 } else { interval - MARGIN_S.min(interval / 3) };
            now + Duration::from_secs(u64::from(wait))
        });
    }

    /// Applies the 2xx to a request of ours (§7.2): without Session-Expires there is no timer.
    pub(super) fn accept_response(&mut self, response: &Message, now: Timestamp) {
        let agreed = session_expires(response);
        match agreed {
            Some(expires) => {
                self.interval_s = expires.interval_s.clamp(MIN_SE_FLOOR_S, SESSION_MAX_S);
                self.we_refresh = expires.refresher != Some(Refresher::Uas);
            }
            None => self.interval_s = 0,
        }
        self.restart(agreed.is_some(), now);
    }

    /// The peer refreshes no session: this one has no timer.
    pub(super) fn stop(&mut self) {
        *self = Self { min_se_s: self.min_se_s, ..Self::default() };
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Corrects a timer from an earlier release or a damaged record to values that the agent can handle.
    pub(super) fn restored(self, now: Timestamp) -> Self {
        let has_end = self.interval_s > 0;
        let latest = now + Duration::from_secs(u64::from(SESSION_MAX_S));
        Self {
            interval_s: if has_end { self.interval_s.clamp(MIN_SE_FLOOR_S, SESSION_MAX_S) } else { 0 },
            due: self.due.filter(|_| has_end).map(|due| due.min(latest)),
            expires_at: self.expires_at.filter(|_| has_end).map(|at| at.min(latest)),
            min_se_s: self.min_se_s.min(SESSION_MAX_S),
            ..self
        }
    }

    /// Decides on a request (§9) and returns the headers for the 2xx. A peer that requests less than we accept, and does not
    /// understand a 422 ([`UserAgent::interval_fault`]), gets the smallest interval that we accept.
    pub(super) fn accept_request(
        &mut self,
        request: &Message,
        (config, terms): (&AgentConfig, DialogTerms),
        now: Timestamp,
    ) -> TimerHeaders {
        let wish_s = config.session_wish_s(terms);
        let supported = request.has_token(&HeaderName::Supported, "timer");
        let asked = session_expires(request);
        let floor = min_se(request).unwrap_or(MIN_SE_FLOOR_S).max(MIN_SE_FLOOR_S);
        let asked_s = asked.map(|asked| asked.interval_s.max(config.session_least_s()));
        let interval = match (asked_s, wish_s) {
            (Some(asked), Some(wish)) => asked.min(wish.max(floor)),
            (Some(asked), None) => asked,
            (None, Some(wish)) => wish.max(floor),
            (None, None) => 0,
        };
        self.interval_s = interval;
        let asked_refresher = asked.and_then(|a| a.refresher);
        self.we_refresh = !supported || asked_refresher == Some(Refresher::Uas);
        self.restart(supported || asked.is_some(), now);
        if interval == 0 {
            return TimerHeaders::Nothing;
        }
        TimerHeaders::Expires { interval_s: interval, end: if self.we_refresh { End::Server } else { End::Client } }
    }
}

/// The session timer headers of a 2xx.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimerHeaders {
    Nothing,
    Expires { interval_s: u32, end: End },
}

impl TimerHeaders {
    pub(super) fn add_to(self, response: Builder) -> Builder {
        match self {
            Self::Nothing => response,
            Self::Expires { interval_s, end: End::Server } => {
                response.header(&HeaderName::SessionExpires, format_args!("{interval_s};refresher=uas"))
            }
            Self::Expires { interval_s, end: End::Client } => response
                .header(&HeaderName::Require, "timer")
                .header(&HeaderName::SessionExpires, format_args!("{interval_s};refresher=uac")),
        }
    }
}

/// Adds the session timer headers to a request of ours (§7.1, §7.4).
pub(super) fn with_timer_request(request: Builder, leg: &Leg, config: &AgentConfig) -> Builder {
    let session = &leg.state.session;
    let floor = session.min_se_s.max(MIN_SE_FLOOR_S);
    let request = if session.min_se_s > MIN_SE_FLOOR_S { request.header(&HeaderName::MinSe, floor) } else { request };
    if session.interval_s > 0 {
        let who = if session.we_refresh { "uac" } else { "uas" };
        return request
            .header(&HeaderName::SessionExpires, format_args!("{};refresher={who}", session.interval_s.max(floor)));
    }
    match config.session_wish_s(leg.state.terms) {
        Some(wish) if leg.state.phase == LegPhase::Inviting => {
            request.header(&HeaderName::SessionExpires, wish.max(floor))
        }
        _ => request,
    }
}

impl UserAgent {
    /// 422 for an interval that is too small (§8.1), if the peer supports it.
    pub(super) fn interval_fault(&mut self, request: &Message, tag: &str) -> Option<Message> {
        let asked = session_expires(request)?;
        let least = self.config.session_least_s();
        if asked.interval_s >= least || !request.has_token(&HeaderName::Supported, "timer") {
            return None;
        }
        let response = self.plain_response(request, StatusCode::SESSION_INTERVAL_TOO_SMALL, tag);
        Some(response.header(&HeaderName::MinSe, least).build())
    }

    /// The session timer of a dialog ran out.
    pub(super) fn session_due(&mut self, id: DialogId, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        if !leg.state.session.we_refresh {
            self.leave(id, Release::Expired, now);
            return;
        }
        let is_late = leg.state.session.due.is_some_and(|due| now.since(due) > POSTPONEMENT);
        leg.state.session.due = Some(now + POSTPONEMENT);
        if leg.state.phase != LegPhase::Confirmed || leg.state.bye_wanted.is_some() {
            leg.state.session.due = None;
            return;
        }
        // The peer has refused each refresh: to it, and to the proxies on the way, the session is over (§10). A process that slept, or
        // took over, may not have asked it, and asks once more.
        if leg.state.session.has_expired(now) && is_late {
            leg.state.session.expires_at = Some(now + Duration::from_secs(MARGIN_S.into()));
        }
        if leg.state.session.has_expired(now) {
            self.leave(id, Release::Expired, now);
            return;
        }
        let refreshed = if leg.state.peer_updates {
            self.send_update(id, None, Vec::new(), RequestPurpose::Refresh, now).map(|_| ())
        } else {
            self.refresh_by_invite(id, now)
        };
        if refreshed != Err(CommandError::OfferOpen)
            && let Some(leg) = self.dialogs.get_mut(id.0)
        {
            // If the refresh is refused, it is retried before the session ends.
            let session = &mut leg.state.session;
            let quarter = now + Duration::from_secs(u64::from(session.interval_s / 4)).max(POSTPONEMENT);
            session.due = Some(session.expires_at.map_or(quarter, |end| quarter.min(end)));
        }
    }

    /// Repeats our side of the session, as it is now.
    pub(super) fn refresh_by_invite(&mut self, id: DialogId, now: Timestamp) -> Result<(), CommandError> {
        let local = self.dialogs.get(id.0).and_then(|leg| leg.state.offer_answer.local().cloned());
        self.send_reinvite(id, local, Vec::new(), InvitePurpose::Refresh, now)
    }

    /// The peer does not understand the UPDATE of a refresh, whatever its Allow says: it is refreshed by INVITE.
    pub(super) fn refresh_without_update(&mut self, id: DialogId, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        leg.state.peer_updates = false;
        // If it cannot be sent, the session timer comes again.
        let _ = self.refresh_by_invite(id, now);
    }

    /// A refresh of ours was answered.
    pub(super) fn refreshed(&mut self, id: DialogId, response: &Message, now: Timestamp) {
        if let Some(leg) = self.dialogs.get_mut(id.0) {
            leg.state.session.accept_response(response, now);
            self.events.push_back(Event::Refreshed { dialog: id });
        }
    }

    /// Records whether the peer supports UPDATE.
    pub(super) fn note_capabilities(leg: &mut Leg, message: &Message) {
        if message.header(&HeaderName::Allow).is_some() {
            leg.state.peer_updates = message.has_token(&HeaderName::Allow, Method::Update.as_str());
        }
    }
}
