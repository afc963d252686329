//! `model` ↔ protobuf. Encoding never fails; decoding names the field that is not valid.

mod event;
mod names;
mod request;

pub use event::{call_ref_from_wire, call_ref_to_wire, subject_from_wire, subject_to_wire};
pub use event::{
    decode_entry, decode_stamped, encode_stamped, event_from_wire, event_to_wire, fact_id_from_wire, fact_id_to_wire,
    stamped_from_wire, stamped_to_wire, told_to_wire,
};
pub use event::{user_data_from_wire, user_data_to_wire};
pub use event::{uuid_from_wire, uuid_to_wire};
pub(crate) use names::WORK_MODES;
pub use names::{
    call_state_from_wire, call_state_to_wire, call_type_from_wire, call_type_to_wire, dn_role_from_wire,
    dn_role_to_wire, event_name_from_wire, event_name_to_wire, forward_mode_from_wire, forward_mode_to_wire,
    monitor_mode_from_wire, monitor_mode_to_wire, monitor_type_from_wire, monitor_type_to_wire, work_mode_by_name,
    work_mode_from_wire, work_mode_name, work_mode_to_wire,
};
pub use request::{request_from_wire, request_to_wire, treatment_from_wire, treatment_to_wire};

/// The version that an envelope carries.
pub const ENVELOPE_VERSION: u32 = 1;

/// The deepest nesting of user data that is read.
const DEPTH_MAX: usize = 16;

/// A message that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes are not protobuf.
    #[error("not a valid record: {0}")]
    Bytes(String),
    /// A field is absent or has a value that it cannot have.
    #[error("{field}: {rule}")]
    Field {
        /// The field's name in `proto/`.
        field: &'static str,
        /// Which rule it breaks.
        rule: String,
    },
}

impl WireError {
    pub(crate) fn field(field: &'static str, rule: impl std::fmt::Display) -> Self {
        Self::Field { field, rule: rule.to_string() }
    }
}
