//! A picture as a record, and back: whoever goes on from it tells the facts behind it as whoever had it before would have.

use contracts::v1;
use model::{AgentId, Dn, Timestamp};

use super::super::position_record::{position, position_of};
use super::calls::PhoneCalls;
use super::course::CallCourses;
use super::dns::{DnSetup, SetupPositions};
use super::{DNS_MAX, DnInPicture, TenantPicture};

impl TenantPicture {
    /// What a record has of it.
    pub fn record(&self) -> v1::VoicePictureRecord {
        let dns = self.dns.iter().map(|(dn, there)| v1::PicturedDnRecord {
            dn: dn.to_string(),
            since_us: there.since.map(Timestamp::as_micros),
            wraps_up_until_us: there.wraps_up_until.map(Timestamp::as_micros),
            registered: there.is_registered,
            ..there.setup.record(&there.told_at)
        });
        let agents = self.agents.iter();
        let agents =
            agents.map(|(agent, dn)| v1::PicturedAgentPlaceRecord { agent: agent.to_string(), dn: dn.to_string() });
        v1::VoicePictureRecord {
            position: Some(position(self.position)),
            begun_at: Some(position(self.begun_at)),
            dns: dns.collect(),
            agents: agents.collect(),
            calls: self.calls.record(),
            courses: self.courses.record(),
            ..v1::VoicePictureRecord::default()
        }
    }

    /// That of a record; none for one that cannot be read as a whole.
    pub fn of_record(record: &mut v1::VoicePictureRecord) -> Option<Self> {
        if record.dns.len() > DNS_MAX {
            return None;
        }
        let dns = std::mem::take(&mut record.dns).into_iter().map(|record| {
            let (dn, is_registered) = (Dn::parse(&record.dn).ok()?, record.registered);
            let since = record.since_us.map(Timestamp::from_micros);
            let wraps_up_until = record.wraps_up_until_us.map(Timestamp::from_micros);
            let (setup, told_at): (DnSetup, SetupPositions) = DnSetup::of_record(record)?;
            Some((dn, DnInPicture { setup, told_at, since, wraps_up_until, is_registered }))
        });
        let agents = std::mem::take(&mut record.agents).into_iter();
        let agents = agents.map(|place| Some((AgentId::parse(&place.agent).ok()?, Dn::parse(&place.dn).ok()?)));
        Some(Self {
            dns: dns.collect::<Option<_>>()?,
            agents: agents.collect::<Option<_>>()?,
            calls: PhoneCalls::of_record(std::mem::take(&mut record.calls))?,
            courses: CallCourses::of_record(std::mem::take(&mut record.courses))?,
            begun_at: position_of(record.begun_at),
            position: position_of(record.position),
            left_out: 0,
        })
    }
}
