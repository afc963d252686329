//! What names a call in a query.

use model::{CallUuid, ConnId};

/// Keys by which a call can be queried.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The ConnID.
    Conn(ConnId),
    /// The global id.
    Uuid(CallUuid),
    /// The SIP Call-ID of one of its dialogs.
    CallId(String),
}

impl Key {
    /// Every key that a text can be.
    pub fn all(text: &str) -> Vec<Self> {
        let conn = text.parse().ok().map(Self::Conn);
        let uuid = text.parse().ok().map(Self::Uuid);
        [conn, uuid, Some(Self::CallId(text.to_owned()))].into_iter().flatten().collect()
    }

    pub(in crate::trace) fn conn_id(&self) -> Option<ConnId> {
        if let Self::Conn(conn_id) = self { Some(*conn_id) } else { None }
    }
}
