//! Telephone events in RTP (RFC 4733 §2.3).

use super::Digit;

/// The payload of a telephone event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventPacket {
    /// The event code; 0 to 15 are keys.
    pub code: u8,
    /// The key was released.
    pub end: bool,
    /// Power in -dBm0, 0 to 63.
    pub volume: u8,
    /// Duration so far, in timestamp units.
    pub duration: u16,
}

impl EventPacket {
    /// Reads a payload.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [code, flags, d0, d1] = *payload.first_chunk::<4>()?;
        let duration = u16::from_be_bytes([d0, d1]);
        Some(Self { code, end: flags & 0x80 != 0, volume: flags & 0x3F, duration })
    }

    /// The payload's bytes.
    pub fn to_bytes(self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.code, (self.volume & 0x3F) | if self.end { 0x80 } else { 0 }, d0, d1]
    }
}

/// Turns event packets into key presses: one per event, whichever packets are lost or repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventReceiver {
    /// RTP timestamp of the last event: all packets of an event share it (RFC 4733 §2.2.1).
    pub last: Option<u32>,
}

impl EventReceiver {
    /// The key newly pressed by this packet.
    pub fn handle(&mut self, rtp_timestamp: u32, payload: &[u8]) -> Option<Digit> {
        let packet = EventPacket::parse(payload)?;
        let digit = Digit::from_event(packet.code)?;
        // A reordered packet of an earlier event must not press its key again.
        let newer = self.last.is_none_or(|last| (rtp_timestamp.wrapping_sub(last) as i32) > 0);
        newer.then(|| {
            self.last = Some(rtp_timestamp);
            digit
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(code: u8, end: bool, duration: u16) -> [u8; 4] {
        EventPacket { code, end, volume: 10, duration }.to_bytes()
    }

    #[test]
    fn a_key_is_reported_once_whatever_is_lost_or_repeated() {
        let mut receiver = EventReceiver::default();
        // The start of the first event is lost, its end is repeated.
        let pressed: Vec<char> = [
            (1_000, packet(5, false, 320)),
            (1_000, packet(5, false, 480)),
            (1_000, packet(5, true, 800)),
            (1_000, packet(5, true, 800)),
            (3_000, packet(5, false, 160)),
            (1_000, packet(5, true, 800)),
            (3_000, packet(5, true, 800)),
            (5_000, packet(11, true, 800)),
            (6_000, packet(16, true, 800)),
        ]
        .into_iter()
        .filter_map(|(timestamp, payload)| receiver.handle(timestamp, &payload))
        .map(Digit::as_char)
        .collect();
        assert_eq!(pressed, ['5', '5', '#']);
    }

    #[test]
    fn payloads_are_read_as_they_were_built() {
        let built = EventPacket { code: 3, end: true, volume: 63, duration: 65_000 };
        assert_eq!(EventPacket::parse(&built.to_bytes()), Some(built));
        assert_eq!(EventPacket::parse(&[1, 2, 3]), None);
    }
}
