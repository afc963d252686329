//! Keys: those that the phone presses, and those that it is sent.

use std::time::Duration;

use model::Timestamp;

use super::{Event, PacketBuffer, Recorder, Running, Session, Transmit};
use crate::dtmf::Digit;

/// Digits kept while nothing collects them.
pub const DIGITS_BUFFERED_MAX: usize = 32;
/// Keys of other members of a mix that wait for one that is being sent.
const KEYS_IN_MIX_MAX: usize = 2;

impl Session {
    /// The phone has reported a key by its signalling, not in its audio.
    pub fn pressed(&mut self, digit: Digit, now: Timestamp) {
        self.handle_digit(digit, now);
    }

    /// From now on the phone gets keys by signalling: [`Event::Key`] tells each, none is sent in its audio, and none is heard there.
    /// Telephone events must not be agreed on.
    pub fn signal_keys(&mut self) {
        self.signals_keys = true;
    }

    /// Sends the phone a key: as a telephone event if it accepts them, else as a tone. A treatment has precedence.
    /// Returns whether the key will be sent.
    pub fn send_key(&mut self, digit: Digit, duration: Duration, now: Timestamp) -> bool {
        !self.is_treated() && self.destination().is_some() && self.keys.press(digit, duration, now)
    }

    /// The same for a key of another member of a mix. Only few of them wait: nobody's keys may silence the others for long.
    pub fn send_key_in_mix(&mut self, digit: Digit, duration: Duration, now: Timestamp) -> bool {
        self.keys.waiting() < KEYS_IN_MIX_MAX && self.send_key(digit, duration, now)
    }

    pub(super) fn poll_key(&mut self, now: Timestamp, out: &mut PacketBuffer) -> Option<Transmit> {
        if self.keys.next_timeout() > now {
            return None;
        }
        let Some((to, stream)) = self.destination().zip(self.stream.as_ref()) else {
            // The phone has been put on hold: late keys would be wrong.
            self.keys.clear();
            return None;
        };
        if self.signals_keys {
            if let Some((digit, duration)) = self.keys.next_signalled(now) {
                self.tell(Event::Key(digit, duration));
            }
            return None;
        }
        let step = self.keys.next(stream.event().map(|(_, clock)| clock), stream.packet_samples() as u16, now)?;
        let (length, began) = self.outbound.key(stream, step, out)?;
        if let Some(began) = began {
            self.keys.began_at(began);
        }
        self.audio_to(to, length, out)
    }

    pub(super) fn handle_digit(&mut self, digit: Digit, now: Timestamp) {
        if !self.key_rate.allows(now) {
            return;
        }
        if self.digits.len() < DIGITS_BUFFERED_MAX {
            self.digits.push_back(digit);
        }
        self.tell(Event::Digit(digit));
        if let Some(running) = self.treatment.as_mut() {
            running.handle_digit(now);
        }
        self.settle(now);
    }

    /// Keys are detected in the audio only while a treatment waits for digits and the phone has no other way.
    pub(super) fn listens_inband(&self) -> bool {
        let waits = self.treatment.as_ref().is_some_and(Running::wants_digits)
            || self.recorder.as_ref().is_some_and(Recorder::wants_digits);
        self.stream.as_ref().is_some_and(|s| s.event().is_none()) && waits && !self.signals_keys
    }
}
