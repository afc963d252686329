//! The family of addresses of audio: it goes between two of one family (RFC 6157).

use std::net::IpAddr;

use model::AddressFamily;

use super::{AudioStream, NegotiationError};
use crate::sdp::Description;

/// The family in which the author of a description wants its audio, by its `c=`. `None` where that says nothing: it is the unspecified
/// address, by which older phones hold, or the author finds the way to us by ICE.
pub fn family_of(description: &Description) -> Option<AddressFamily> {
    let audio = description.audio()?;
    let address = description.address_of(audio).filter(|address| !address.is_unspecified())?;
    (!description.looks_for_a_way(audio)).then(|| AddressFamily::of(address))
}

/// A socket of one address family cannot send to an address of the other.
pub(super) fn same_family(stream: &AudioStream, ours: IpAddr) -> Result<(), NegotiationError> {
    let other = stream.remote.is_some_and(|remote| remote.is_ipv4() != ours.is_ipv4());
    if other { Err(NegotiationError::Family) } else { Ok(()) }
}
