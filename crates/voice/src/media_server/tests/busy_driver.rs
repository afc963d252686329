//! RTP threads that take no orders for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use net::rtp::{Counters, Driver, DriverError, LegId, Order, PortPools};

/// A driver that refuses every order while `is_busy` is set.
pub struct BusyDriver {
    pub driver: Box<dyn Driver>,
    pub is_busy: Arc<AtomicBool>,
}

impl BusyDriver {
    fn check(&self) -> Result<(), DriverError> {
        if self.is_busy.load(Ordering::SeqCst) { Err(DriverError::Busy) } else { Ok(()) }
    }
}

impl Driver for BusyDriver {
    fn shard_of(&self, conference: &str) -> usize {
        self.driver.shard_of(conference)
    }

    fn order(&self, shard: usize, order: Order) -> Result<(), DriverError> {
        self.check()?;
        self.driver.order(shard, order)
    }

    fn move_leg(&self, leg: LegId, from: usize, to: usize) -> Result<(), DriverError> {
        self.check()?;
        self.driver.move_leg(leg, from, to)
    }

    fn ports(&self) -> &PortPools {
        self.driver.ports()
    }

    fn counters(&self) -> &Arc<Counters> {
        self.driver.counters()
    }
}
