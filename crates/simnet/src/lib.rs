//! Virtual clock and seeded network for the tests of the protocol cores and engines.
//!
//! A [`Network`] carries payloads of any type between addresses of any type. It has the simulation's only clock. Time
//! advances when the test requests the next event, never by itself. So a day takes milliseconds, and equal seeds give
//! equal runs.
//!
//! ```text
//! loop {
//!     let arrival = net.next_arrival();
//!     let due = cores.iter().filter_map(|c| c.next_timeout()).min();
//!     match net.step(due) {
//!         Step::Arrived(packet) => cores[packet.to].handle(packet.payload, net.now()),
//!         Step::Due(now)        => cores.iter_mut().for_each(|c| c.handle_timeout(now)),
//!         Step::Idle            => break,
//!     }
//! }
//! ```

mod clock;
pub mod hostile;
mod network;
mod watch;

pub use clock::Clock;
pub use network::{Conditions, Delivery, Network, Packet, Step};
pub use watch::Watch;
