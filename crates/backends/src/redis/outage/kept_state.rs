//! The state of a record as a client keeps it: as it was written, and compressed once nobody changes it any more.
//!
//! A call's record is the text of four dialogs, which have much in common. It changes for some seconds, and for the rest of the call's life
//! only an emptied Redis asks for it.

use bytes::Bytes;

/// Smaller states are kept as they are.
const PACKED_FROM_BYTES: usize = 1_024;

/// The state of a record.
pub(super) enum KeptState {
    /// As it was written.
    Whole(Bytes),
    /// As an LZ4 block with its length in front.
    Packed(Box<[u8]>),
}

impl KeptState {
    /// The state if it may be worth compressing.
    pub(super) fn to_pack(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(state) if state.len() >= PACKED_FROM_BYTES => Some(state),
            Self::Whole(_) | Self::Packed(_) => None,
        }
    }

    /// Whether this is still that very state.
    pub(super) fn is(&self, state: &Bytes) -> bool {
        matches!(self, Self::Whole(own) if own.as_ptr() == state.as_ptr() && own.len() == state.len())
    }

    /// The same state, compressed.
    pub(super) fn packed(state: &Bytes) -> Self {
        Self::Packed(lz4_flex::compress_prepend_size(state).into_boxed_slice())
    }

    /// The state as it was written. `None` would be a fault of the compression.
    pub(super) fn state(&self) -> Option<Bytes> {
        match self {
            Self::Whole(state) => Some(state.clone()),
            Self::Packed(packed) => match lz4_flex::decompress_size_prepended(packed) {
                Ok(state) => Some(state.into()),
                Err(error) => {
                    tracing::error!(%error, "a record that was kept for an emptied Redis cannot be read: it is lost");
                    None
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_state_is_smaller_and_the_same() {
        let state = Bytes::from("Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK-7\r\n".repeat(100));
        let whole = KeptState::Whole(state.clone());
        assert!(whole.is(&state) && !whole.is(&Bytes::copy_from_slice(&state)));
        let packed = KeptState::packed(whole.to_pack().unwrap());
        assert_eq!(packed.state(), Some(state.clone()));
        assert!(packed.to_pack().is_none() && !packed.is(&state));
        assert!(matches!(&packed, KeptState::Packed(bytes) if bytes.len() * 10 < state.len()));
        assert!(KeptState::Whole(state.slice(..100)).to_pack().is_none());
    }
}
