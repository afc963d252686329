//! A hostile user agent: a caller, phone or carrier that sends anything that SIP can express, at any time in a call.
//!
//! A [`Party`] knows enough SIP to get deep into a call (it acknowledges, follows route sets, keeps tags). From its seed it
//! draws deviations: boundary values in everything that carries a number, a list or a reference ([`Deviation`]), and
//! requests and responses in odd orders. Equal seeds and equal inputs give equal messages, so a seed is a scenario. Like
//! the cores, it has no I/O and no clock: `receive`, `handle_timeout`, then `poll_transmit`, then `next_timeout`.
//!
//! It builds SIP as text, without code of the program under test, which could not express the deviations.

mod bodies;
mod body_deviations;
mod deviation;
mod deviations;
mod dialog;
mod dice;
mod draft;
mod heard;
mod moves;
mod party;
mod place;
mod replies;

pub use deviation::Deviation;
pub use dice::{Dice, NUMBERS};
pub use draft::{Draft, Validity};
pub use heard::Heard;
pub use party::{Party, Role, Said};
pub use place::Place;
