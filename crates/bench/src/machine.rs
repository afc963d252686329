//! How fast the machine is: a fixed piece of work and bare sockets, before and after each benchmark. So a figure is judged by the
//! machine of its own run; one of another speed spoils nothing, and one that is busy or changes its speed does.

use std::hint::black_box;
use std::net::{IpAddr, UdpSocket};
use std::time::Instant;

use anyhow::Result;

use crate::process::thread_cpu_ns;

/// A reading of the machine's speed.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// CPU time of the fixed piece of work, in milliseconds: the quickest round.
    pub work_ms: f64,
    /// Time on the clock for all rounds, divided by their CPU time: above 1 others had the processor meanwhile.
    pub stretch: f64,
    /// CPU time of a packet through bare sockets, in microseconds.
    pub packet_us: f64,
}

/// Entries of the table that the work goes through: half a megabyte, about a second-level cache.
const TABLE: usize = 1 << 16;
/// Steps of a round.
const STEPS: u32 = 4_000_000;
const ROUNDS: u32 = 10;
/// Packets through bare sockets.
const PACKETS: u32 = 50_000;
/// Bytes of a packet of G.711 with its header.
const PACKET: [u8; 172] = [0; 172];
/// Work with a greater stretch shares its processor with something else.
const STRETCH_MAX: f64 = 1.25;
/// Two readings that differ by a larger factor are of a machine that has changed its speed.
const DRIFT_MAX: f64 = 1.25;

impl Speed {
    /// Reads it now; takes about half a second.
    pub fn read(address: IpAddr) -> Result<Self> {
        let (mut quickest, mut used, began) = (u64::MAX, 0, Instant::now());
        for round in 0..ROUNDS {
            let before = thread_cpu_ns()?;
            black_box(work(u64::from(round) + 1));
            let taken = thread_cpu_ns()? - before;
            (quickest, used) = (quickest.min(taken), used + taken);
        }
        let stretch = began.elapsed().as_secs_f64() * 1e9 / used.max(1) as f64;
        Ok(Self { work_ms: quickest as f64 / 1e6, stretch, packet_us: passed_us(address, PACKETS)? })
    }
}

/// Dependent steps through a table: arithmetic and caches, no system call.
fn work(seed: u64) -> u64 {
    let mut table = vec![seed; TABLE];
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for _ in 0..STEPS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let entry = &mut table[state as usize % TABLE];
        *entry = entry.wrapping_add(state);
        state = state.wrapping_add(*entry);
    }
    state
}

/// Two sockets of this thread pass `count` packets to each other; returns the CPU of receiving and sending one, in microseconds.
fn passed_us(address: IpAddr, count: u32) -> Result<f64> {
    let (one, other) = (UdpSocket::bind((address, 0))?, UdpSocket::bind((address, 0))?);
    one.connect(other.local_addr()?)?;
    other.connect(one.local_addr()?)?;
    let mut room = [0; 2_000];
    let before = thread_cpu_ns()?;
    for _ in 0..count {
        one.send(&PACKET)?;
        other.recv(&mut room)?;
    }
    Ok((thread_cpu_ns()? - before) as f64 / 1e3 / f64::from(count))
}

/// The machine's speed before and after a benchmark.
#[derive(Clone, Copy, Debug)]
pub struct SpeedSpan {
    /// Before it.
    pub before: Speed,
    /// After it.
    pub after: Speed,
}

impl SpeedSpan {
    /// Why figures of time that were measured between the two readings are void.
    pub fn faults(&self) -> Vec<String> {
        let Self { before, after } = self;
        let mut faults = Vec::new();
        let stretch = before.stretch.max(after.stretch);
        if stretch > STRETCH_MAX {
            faults.push(format!(
                "the machine was busy: the fixed piece of work had a processor {:.0} % of its time",
                100.0 / stretch
            ));
        }
        let floors = [
            ("the fixed piece of work", "ms", before.work_ms, after.work_ms),
            ("a packet through bare sockets", "µs", before.packet_us, after.packet_us),
        ];
        for (what, unit, first, second) in floors {
            if first.max(second) > first.min(second) * DRIFT_MAX {
                faults.push(format!("the machine has changed its speed: {what} took {first:.2} {unit} before and {second:.2} {unit} after"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_machine_spoils_nothing_and_a_busy_or_changing_one_does() {
        let speed = |work_ms, stretch| Speed { work_ms, stretch, packet_us: work_ms / 10.0 };
        for work_ms in [1.0, 500.0] {
            assert!(SpeedSpan { before: speed(work_ms, 1.0), after: speed(work_ms * 1.2, 1.1) }.faults().is_empty());
        }
        let busy = SpeedSpan { before: speed(10.0, 1.0), after: speed(10.0, 2.0) }.faults();
        assert_eq!(busy, ["the machine was busy: the fixed piece of work had a processor 50 % of its time"]);
        let changing = SpeedSpan { before: speed(13.0, 1.0), after: speed(10.0, 1.0) }.faults();
        assert_eq!(changing.len(), 2, "{changing:?}");
        assert!(changing[0].contains("took 13.00 ms before and 10.00 ms after"), "{changing:?}");
    }

    #[test]
    fn a_reading_says_what_the_work_took() {
        let speed = Speed::read([127, 0, 0, 1].into()).unwrap();
        assert!(speed.work_ms > 0.0 && speed.packet_us > 0.0 && speed.stretch > 0.5, "{speed:?}");
    }
}
