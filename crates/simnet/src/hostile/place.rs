//! Where a party is.

/// The addresses of a party and of its peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Host and port of its Via and Contact.
    pub sent_by: String,
    /// Host and port that it sends to, the edge.
    pub edge: String,
    /// The user part of its addresses.
    pub user: String,
    /// Prefix of its Call-IDs.
    pub call_ids: String,
    /// The audio port in its descriptions.
    pub audio_port: u16,
}
