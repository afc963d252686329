use super::*;
use crate::v1;

/// `EventDNBackInService` → `EVENT_DN_BACK_IN_SERVICE`.
fn screaming(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        let after_lower = i > 0 && chars[i - 1].is_lowercase();
        let ends_acronym = i > 0 && chars[i - 1].is_uppercase() && chars.get(i + 1).is_some_and(|n| n.is_lowercase());
        if c.is_uppercase() && (after_lower || ends_acronym) {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

#[test]
fn every_name_has_the_number_of_its_twin_in_proto() {
    for name in EventName::ALL {
        let wire = v1::EventName::try_from(event_name_to_wire(*name)).expect("a number of proto");
        assert_eq!(wire.as_str_name(), screaming(name.as_str()));
        assert_eq!(event_name_from_wire(wire as i32), Ok(*name));
    }
    for state in CallState::ALL {
        let wire = v1::CallState::try_from(call_state_to_wire(*state)).expect("a number of proto");
        assert_eq!(wire.as_str_name(), format!("CALL_STATE_{}", screaming(state.as_str())));
        assert_eq!(call_state_from_wire(wire as i32), Ok(*state));
    }
    for role in DnRole::ALL {
        let wire = v1::DnRole::try_from(dn_role_to_wire(*role)).expect("a number of proto");
        assert_eq!(wire.as_str_name(), format!("DN_ROLE_{}", screaming(role.as_str())));
        assert_eq!(dn_role_from_wire(wire as i32), Ok(*role));
    }
    for call_type in CallType::ALL {
        let wire = v1::CallType::try_from(call_type_to_wire(*call_type)).expect("a number of proto");
        assert_eq!(wire.as_str_name(), format!("CALL_TYPE_{}", screaming(call_type.as_str())));
        assert_eq!(call_type_from_wire(wire as i32), Ok(*call_type));
    }
    for (mode, text) in WORK_MODES {
        let wire = v1::WorkMode::try_from(work_mode_to_wire(*mode)).expect("a number of proto");
        assert_eq!(wire.as_str_name(), format!("WORK_MODE_{}", screaming(text)));
        assert_eq!(work_mode_from_wire(wire as i32), Ok(*mode));
    }
}

#[test]
fn a_number_without_a_name_is_refused() {
    assert!(event_name_from_wire(0).is_err());
    assert!(event_name_from_wire(1000).is_err());
    assert!(call_state_from_wire(32).is_err());
    assert!(work_mode_from_wire(-1).is_err());
}
