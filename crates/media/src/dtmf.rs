//! Digits: as telephone events (RFC 4733), in a SIP INFO, and as tones in the audio.

mod event;
mod inband;
pub mod info;

pub use event::{EventKey, EventPacket, EventReceiver, Relation};
pub use inband::InbandDetector;

/// A key of a telephone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Digit(u8);

impl Digit {
    const CHARS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

    /// From an event code of RFC 4733 §3.2; `None` for codes beyond the 16 keys.
    pub fn from_event(code: u8) -> Option<Self> {
        (code < 16).then_some(Self(code))
    }

    /// The digit of a character; letters in either case.
    pub fn from_char(c: char) -> Option<Self> {
        let index = Self::CHARS.iter().position(|k| *k == c.to_ascii_uppercase())?;
        u8::try_from(index).ok().map(Self)
    }

    /// The event code.
    pub fn event(self) -> u8 {
        self.0
    }

    /// Its character: `0`-`9`, `*`, `#`, `A`-`D`.
    pub fn as_char(self) -> char {
        Self::CHARS.get(usize::from(self.0)).copied().unwrap_or('0')
    }

    /// Its two tones in Hz, low and high (ITU-T Q.23).
    pub fn tones(self) -> (u16, u16) {
        const ROWS: [u16; 4] = [697, 770, 852, 941];
        const COLUMNS: [u16; 4] = [1_209, 1_336, 1_477, 1_633];
        const KEYPAD: &str = "123A456B789C*0#D";
        let place = KEYPAD.chars().position(|c| c == self.as_char()).unwrap_or(0);
        (ROWS[place / 4 % 4], COLUMNS[place % 4])
    }
}
