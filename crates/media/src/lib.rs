//! SDP, RTP, RTCP, DTMF, codecs, prompts and the relay of a call's audio, as state machines. No I/O.

pub mod g711;
pub mod sdp;
