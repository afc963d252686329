//! `model` ↔ JSON: the event frame of clients and of the reporting log, the request frame of frontend (9101).

mod event;
mod plan;
mod request;
pub mod snapshot;
mod user_data;

pub use event::{cloud_event, correction, event_frame, read_rfc3339, rfc3339};
pub use plan::{forwarded_by_from_json, plan_answer_from_json, plan_answer_to_json};
pub use request::{RequestFrame, conn_id_with_owner, read_request, request_frame, requests_markdown, requests_openapi};
pub use user_data::{user_data_from_json, user_data_to_json};

use model::event::ErrorCode;

/// A frame that cannot be read: which field, which of the published error numbers, which rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct FrameError {
    /// The field, as the frame names it; `a.b` for a nested one.
    pub field: String,
    /// The number for an `EventError`.
    pub code: ErrorCode,
    /// Which rule it breaks.
    pub rule: String,
}

impl FrameError {
    fn new(field: impl Into<String>, code: ErrorCode, rule: impl std::fmt::Display) -> Self {
        Self { field: field.into(), code, rule: rule.to_string() }
    }

    fn invalid(field: impl Into<String>, rule: impl std::fmt::Display) -> Self {
        Self::new(field, ErrorCode::INVALID_ATTRIBUTE, rule)
    }
}
