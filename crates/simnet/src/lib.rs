//! Virtual clock and seeded network for the tests of the protocol cores and engines.
//!
//! A [`Network`] carries payloads of any type between addresses of any type. It holds the only clock of a
//! simulation: time moves when the test asks for the next event, never by itself, so that a day takes
//! milliseconds and equal seeds give equal runs.
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
