//! A hostile user agent: caller, phone or carrier, that says whatever SIP can say, at any moment of a call.
//!
//! A [`Party`] knows enough of SIP to come deep into a call (it acknowledges, follows route sets, keeps tags), and from its seed it
//! draws how it departs from what is expected: boundary values in everything that carries a number, a list or a reference
//! ([`Deviation`]), and requests and responses in odd orders. Equal seeds and equal inputs give equal messages, so a seed is a
//! scenario. It has no I/O and no clock: `receive`, `handle_timeout`, then `poll_transmit`, then `next_timeout`, as the cores.
//!
//! It speaks SIP in text of its own, with no code of the program under test: what that would not say is the point.

mod bodies;
mod body_deviations;
mod deviations;
mod dialog;
mod dice;
mod draft;
mod heard;
mod moves;
mod party;
mod replies;

pub use deviations::{Deviation, Validity};
pub use dice::{Dice, NUMBERS};
pub use draft::Draft;
pub use heard::Heard;
pub use party::{Party, Place, Role, Said};
