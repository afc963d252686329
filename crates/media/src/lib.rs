//! SDP, RTP, RTCP, DTMF, codecs, prompts and the relay of a call's audio, as state machines. No I/O.

pub mod answer;
pub mod codec;
pub mod dtls;
pub mod dtmf;
pub mod exchange;
pub mod g711;
mod g722;
pub mod ice;
mod mixer;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod srtp;
pub mod tone;
pub mod wav;
