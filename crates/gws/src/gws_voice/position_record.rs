//! Positions of streams in records.

use contracts::v1;
use infra::Position;

/// A position in a record.
pub(super) const fn position(position: Position) -> v1::VoicePositionRecord {
    v1::VoicePositionRecord { major: position.major, minor: position.minor }
}

/// A position of a record; that before all others where there is none.
pub(super) fn position_of(record: Option<v1::VoicePositionRecord>) -> Position {
    record.map_or(Position::START, |record| Position { major: record.major, minor: record.minor })
}
