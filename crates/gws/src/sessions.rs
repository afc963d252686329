//! What the published APIs with sessions have in common: whose a session is, what is kept of it and by whom it is held, what is answered.

pub(crate) mod answers;
pub(crate) mod bearer;
pub(crate) mod held;
pub(crate) mod notifications;
pub(crate) mod openapi_contents;
pub(crate) mod openapi_frame;
pub(crate) mod parts;
pub(crate) mod person_sign_in;
pub(crate) mod record;
pub(crate) mod record_writer;
pub(crate) mod replica;
pub(crate) mod session_code;
pub(crate) mod store;
#[cfg(test)]
mod test_sessions;
pub(crate) mod token_standing;
pub(crate) mod unserved;
