//! The courses of calls, as records and back.

use contracts::v1;
use model::{ConnId, Seq, Timestamp, Token};

use super::super::calls::CALLS_MAX;
use super::{CallCourses, KnownCourse, ShortInput};

impl CallCourses {
    /// A record of each.
    pub fn record(&self) -> Vec<v1::CallCourseRecord> {
        self.known.iter().map(|(conn_id, known)| known.record(*conn_id)).collect()
    }

    /// Those of records; none where one cannot be read, or there are too many.
    pub fn of_record(records: Vec<v1::CallCourseRecord>) -> Option<Self> {
        if records.len() > CALLS_MAX {
            return None;
        }
        let known = records.into_iter().map(|record| Some((ConnId(record.conn_id), KnownCourse::of_record(record)?)));
        Some(Self { known: known.collect::<Option<_>>()? })
    }
}

impl KnownCourse {
    fn record(&self, conn_id: ConnId) -> v1::CallCourseRecord {
        let queues = self.queues.iter();
        let queues = queues.map(|(stay, queue)| v1::QueueStayRecord { stay: stay.clone(), queue: queue.clone() });
        let (token, seq) = self.last.map_or((None, 0), |(token, seq)| (Some(token.0), seq.0));
        v1::CallCourseRecord {
            conn_id: conn_id.0,
            ani: self.ani.clone(),
            dnis: self.dnis.clone(),
            course: serde_json::to_string(&self.course).unwrap_or_default(),
            waits_since_us: self.waits_since.map(Timestamp::as_micros),
            at_point: self.is_at_point,
            route_point: self.route_point.clone(),
            queues: queues.collect(),
            token,
            seq,
            changed_us: self.changed.as_micros(),
            latest_input: self.latest_input.record(),
        }
    }

    fn of_record(record: v1::CallCourseRecord) -> Option<Self> {
        Some(Self {
            ani: record.ani,
            dnis: record.dnis,
            course: serde_json::from_str(&record.course).ok()?,
            waits_since: record.waits_since_us.map(Timestamp::from_micros),
            is_at_point: record.at_point,
            route_point: record.route_point,
            queues: record.queues.into_iter().map(|stay| (stay.stay, stay.queue)).collect(),
            last: record.token.map(|token| (Token(token), Seq(record.seq))),
            changed: Timestamp::from_micros(record.changed_us),
            latest_input: ShortInput::of_record(record.latest_input),
        })
    }
}

impl ShortInput {
    fn record(&self) -> Option<v1::ShortInputRecord> {
        match self {
            Self::None => None,
            Self::Part => Some(v1::ShortInputRecord::default()),
            Self::Choice { began_at, key } => Some(v1::ShortInputRecord { key: key.clone(), began_ms: *began_at }),
        }
    }

    fn of_record(record: Option<v1::ShortInputRecord>) -> Self {
        match record {
            None => Self::None,
            Some(record) if record.key.is_empty() => Self::Part,
            Some(v1::ShortInputRecord { key, began_ms }) => Self::Choice { began_at: began_ms, key },
        }
    }
}
