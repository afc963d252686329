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

/// Which event a packet belongs to: all packets of an event share source and timestamp (RFC 4733 §2.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventKey {
    /// The synchronisation source.
    pub ssrc: u32,
    /// The RTP timestamp of its start.
    pub timestamp: u32,
    /// The event code.
    pub code: u8,
}

/// What an event is to the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// Another one.
    New,
    /// The same.
    Same,
    /// The next segment of a key that is held longer than a duration can say (RFC 4733 §2.5.1.3).
    Segment,
    /// One that is over: its packet was reordered.
    Earlier,
}

impl EventKey {
    /// What this event is to the one before it. Timestamps of two sources cannot be compared.
    pub fn relation_to(self, before: Option<Self>) -> Relation {
        let Some(before) = before.filter(|before| before.ssrc == self.ssrc) else { return Relation::New };
        match self.timestamp.wrapping_sub(before.timestamp) {
            0 => Relation::Same,
            units if units == u32::from(u16::MAX) && self.code == before.code => Relation::Segment,
            units if (units as i32) < 0 => Relation::Earlier,
            _ => Relation::New,
        }
    }
}

/// Turns event packets into key presses: one per event, whichever packets are lost or repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventReceiver {
    /// The last event.
    pub last: Option<EventKey>,
}

impl EventReceiver {
    /// The key newly pressed by this packet.
    pub fn handle(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<Digit> {
        let code = EventPacket::parse(payload)?.code;
        let digit = Digit::from_event(code)?;
        let event = EventKey { ssrc, timestamp, code };
        let relation = event.relation_to(self.last);
        if matches!(relation, Relation::New | Relation::Segment) {
            self.last = Some(event);
        }
        (relation == Relation::New).then_some(digit)
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
        .filter_map(|(timestamp, payload)| receiver.handle(7, timestamp, &payload))
        .map(Digit::as_char)
        .collect();
        assert_eq!(pressed, ['5', '5', '#']);
    }

    #[test]
    fn a_key_that_is_held_is_one_press_through_all_its_segments() {
        let mut receiver = EventReceiver::default();
        let starts =
            [4_294_960_000_u32, 4_294_960_000_u32.wrapping_add(65_535), 4_294_960_000_u32.wrapping_add(131_070)];
        let pressed = starts.map(|start| receiver.handle(7, start, &packet(1, false, u16::MAX)).map(Digit::as_char));
        assert_eq!(pressed, [Some('1'), None, None]);
        let other = starts[2].wrapping_add(65_535);
        assert_eq!(receiver.handle(7, other, &packet(2, true, 800)).map(Digit::as_char), Some('2'));
    }

    #[test]
    fn the_keys_of_a_new_source_are_heard_whatever_its_timestamps_are() {
        let mut receiver = EventReceiver::default();
        let pressed = [(7, 3_000_000_000), (8, 1_000), (8, 1_000)]
            .map(|(ssrc, timestamp)| receiver.handle(ssrc, timestamp, &packet(4, false, 160)).is_some());
        assert_eq!(pressed, [true, true, false]);
    }

    #[test]
    fn payloads_are_read_as_they_were_built() {
        let built = EventPacket { code: 3, end: true, volume: 63, duration: 65_000 };
        assert_eq!(EventPacket::parse(&built.to_bytes()), Some(built));
        assert_eq!(EventPacket::parse(&[1, 2, 3]), None);
    }
}
