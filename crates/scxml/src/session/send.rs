//! `<send>` (W3C SCXML 6.2): to the session itself, at once or delayed; any other target raises an error.

use std::time::Duration;

use super::{Cut, Delayed, Run, Session};
use crate::delay::parse_delay;
use crate::document::{Send, SendId, Wording};
use crate::event::{Event, EventKind};
use crate::limits::LimitKind;
use crate::value::Value;

/// The only supported processor, by both of its names (W3C SCXML 6.2.5, C.1).
const PROCESSOR: &str = "http://www.w3.org/TR/scxml/#SCXMLEventProcessor";

impl Session {
    /// Sends; returns false if the rest of the block must be skipped.
    pub(super) fn send(&mut self, send: &Send, line: u32) -> Run<bool> {
        // The id comes first: an error event names the send that failed.
        let send_id = match &send.id {
            Some(SendId::Given(id)) => Some(id.clone()),
            Some(SendId::Location(location)) => {
                let number = self.take_id();
                let id = format!("{}.send.{number}", self.id);
                let stored = self.data.assign_value(location, &Value::from(id.as_str()));
                if self.settle(stored, line)?.is_none() {
                    return Ok(false);
                }
                Some(id)
            }
            None => None,
        };
        let Some(event) = self.optional_wording(send.event.as_ref(), line)? else { return Ok(false) };
        let Some(target) = self.optional_wording(send.target.as_ref(), line)? else { return Ok(false) };
        let Some(processor) = self.optional_wording(send.processor.as_ref(), line)? else { return Ok(false) };
        let Some(delay) = self.optional_wording(send.delay.as_ref(), line)? else { return Ok(false) };
        let Some(data) = self.payload(&send.payload, line)? else { return Ok(false) };

        if processor.as_deref().is_some_and(|p| p != PROCESSOR && p != "scxml") {
            return self.refuse("error.execution", "the type of processor is not supported", line, send_id);
        }
        let Some(delay) = parse_delay(delay.as_deref().unwrap_or("0s")) else {
            return self.refuse("error.execution", "the delay is not a time", line, send_id);
        };
        let own = format!("#_scxml_{}", self.id);
        let internal = match target.as_deref() {
            None | Some("") => false,
            Some("#_internal") => true,
            Some(target) if target == own => false,
            Some(target) if target.starts_with("#_") => {
                return self.refuse("error.communication", "the target cannot be reached", line, send_id);
            }
            Some(_) => return self.refuse("error.execution", "the target is not supported", line, send_id),
        };
        let kind = if internal { EventKind::Internal } else { EventKind::External };
        let mut event = Event::of(kind, event.unwrap_or_default(), data);
        event.send_id = send_id;
        if !internal {
            event.origin = Some(own);
            event.origin_type = Some(PROCESSOR.to_owned());
        }
        self.dispatch(event, internal, delay).map(|()| true)
    }

    fn dispatch(&mut self, event: Event, internal: bool, delay: Duration) -> Run {
        if delay.is_zero() {
            return if internal { self.push_internal(event) } else { self.push_external(event) };
        }
        if self.delayed.len() >= self.document.limits.delayed {
            return Err(Cut(LimitKind::Delayed));
        }
        let order = self.take_id();
        self.delayed.push(Delayed { due: self.now + delay, order, event, internal });
        Ok(())
    }

    fn refuse(&mut self, name: &str, reason: &str, line: u32, send_id: Option<String>) -> Run<bool> {
        self.raise_error(name, reason, line, send_id)?;
        Ok(false)
    }

    /// An absent attribute is `Some(None)`; one that cannot be evaluated is `None`.
    fn optional_wording(&mut self, wording: Option<&Wording>, line: u32) -> Run<Option<Option<String>>> {
        let Some(wording) = wording else { return Ok(Some(None)) };
        Ok(self.wording(wording, line)?.map(Some))
    }
}
