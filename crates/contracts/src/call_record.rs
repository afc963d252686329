//! Records of calls: those of earlier versions, and what of them is in no log.

use std::fmt;

use model::DnRole;

use crate::v1::call_model_record::Stage;
use crate::v1::{CallModelRecord, ConnectionRecord, GeolocationRecord, NothingRecord, PartyRecord};
use crate::wire::dn_role_to_wire;

impl fmt::Debug for GeolocationRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GeolocationRecord({} bytes)", self.document.len())
    }
}

/// Brings a record to the present form. Before version 0.2 a call had a caller, in fields of its own, and at most one other party.
pub fn upgrade(record: &mut CallModelRecord) {
    if let Some(Stage::Service(service)) = &mut record.stage
        && service.number.is_empty()
    {
        service.number.clone_from(&record.dialled);
    }
    // A call whose own phone does not ring yet, one to a number that has not answered, or one that is over may have no party.
    let may_have_none = matches!(record.stage, Some(Stage::Originating(_) | Stage::Over(_)));
    let is_present = record.caller_leg == i32::from(ConnectionRecord::Unspecified);
    if !record.parties.is_empty() || may_have_none || is_present {
        return;
    }
    record.parties.push(PartyRecord {
        number: 1,
        dn: record.caller_dn.clone(),
        trunk: record.caller_trunk.clone(),
        trunk_number: record.caller_number.clone(),
        role: dn_role_to_wire(DnRole::Origination),
        leg: 1,
        connection: record.caller_leg,
        held: record.caller_held,
        established: record.caller_established,
        ..PartyRecord::default()
    });
    if let Some(Stage::TalkingWith(called)) = record.stage.take_if(|stage| matches!(stage, Stage::TalkingWith(_))) {
        record.parties.push(PartyRecord {
            number: 2,
            leg: called.legs.first().copied().unwrap_or_default(),
            dn: Some(called.dn),
            role: dn_role_to_wire(DnRole::Destination),
            connection: ConnectionRecord::Answered.into(),
            held: called.held,
            established: true,
            agent: called.agent,
            point: called.point,
            ..PartyRecord::default()
        });
        record.stage = Some(Stage::Talking(NothingRecord {}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{OfferRecord, ServiceRecord};

    #[test]
    fn a_service_from_before_has_the_number_that_was_dialled() {
        let stage = Some(Stage::Service(ServiceRecord { announcement: true, ..ServiceRecord::default() }));
        let mut record = CallModelRecord { dialled: "9003".to_owned(), stage, ..CallModelRecord::default() };
        upgrade(&mut record);
        assert!(matches!(&record.stage, Some(Stage::Service(service)) if service.number == "9003"));
    }

    #[test]
    fn a_call_of_two_from_before_has_two_parties() {
        let called = OfferRecord { dn: "7101".to_owned(), legs: vec![4], held: true, ..OfferRecord::default() };
        let mut record = CallModelRecord {
            caller_number: "+15550100".to_owned(),
            caller_leg: ConnectionRecord::Answered.into(),
            stage: Some(Stage::TalkingWith(called)),
            ..CallModelRecord::default()
        };
        upgrade(&mut record);
        assert_eq!(record.stage, Some(Stage::Talking(NothingRecord {})));
        let shown: Vec<_> = record.parties.iter().map(|p| (p.number, p.leg, p.dn.as_deref(), p.held)).collect();
        assert_eq!(shown, [(1, 1, None, false), (2, 4, Some("7101"), true)]);
        let once = record.clone();
        upgrade(&mut record);
        assert_eq!(record, once);
        let stage = Some(Stage::Over(NothingRecord {}));
        let mut over = CallModelRecord { stage, ..CallModelRecord::default() };
        upgrade(&mut over);
        assert!(over.parties.is_empty());
    }

    #[test]
    fn where_somebody_is_is_in_no_log() {
        let document = "<presence>Main Street 7</presence>".into();
        let location = Some(GeolocationRecord { document, may_route: None });
        let shown = format!("{:?}", crate::v1::LegRecord { location, ..Default::default() });
        assert!(shown.contains("GeolocationRecord(34 bytes)") && !shown.contains("Main"), "{shown}");
    }
}
