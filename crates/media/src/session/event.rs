//! What a session tells its owner.

use std::net::SocketAddr;
use std::time::Duration;

use model::Timestamp;

use super::Outcome;
use crate::dtls::HandshakeError;
use crate::dtmf::Digit;

/// An event that the leg's owner must act on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The phone's packets come from this address.
    Learned(SocketAddr),
    /// [`super::UNPROVEN_BYTES_MAX`] has been sent to this address; no more is sent before something arrives from it.
    Withheld(SocketAddr),
    /// A key was pressed.
    Digit(Digit),
    /// A key of others that the phone is to get by signalling ([`super::Session::signal_keys`]), and how long it was pressed.
    Key(Digit, Duration),
    /// A treatment ended by itself.
    Ended(Outcome),
    /// The prompts of the treatment with this id are over: what the phone says is recorded from now on.
    Recording(u64),
    /// The phone's encrypted packets are counted anew, come from a new source, or have other keys: who goes on with the session must know
    /// of it.
    Counted,
    /// The handshake has failed: there are no keys, and no audio.
    NotAgreed(HandshakeError),
    /// Nothing has come from the phone since `since`.
    Quiet {
        /// The last sign of life.
        since: Timestamp,
        /// The phone need not send (hold), so its silence proves little; the event is reported because the phone may have vanished.
        held: bool,
    },
    /// The phone is heard again after [`Event::Quiet`].
    Resumed,
    /// A turn needed more than [`super::STEPS_MAX`] steps, or had no end. The session sends nothing more; its leg must be
    /// ended.
    Runaway,
}
