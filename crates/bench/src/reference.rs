//! The peers' costs on the machine on which the goals were set. A peer that costs much more or less in a run shows
//! that the machine was busy, or that the peer did different work: its ratios are void then.

/// Allowed relative difference of a peer.
const TOLERANCE: f64 = 0.25;

/// A peer's figure, or its range over several runs.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// The unit.
    pub unit: &'static str,
}

impl Reference {
    /// Why a row with this figure of the peer is void; `None` if it is valid. `what` names the peer and its work.
    pub fn fault(&self, what: &str, measured: f64) -> Option<String> {
        let Self { low, high, unit } = *self;
        let is_near = measured >= low * (1.0 - TOLERANCE) && measured <= high * (1.0 + TOLERANCE);
        let range = if low < high { format!("{low} to {high}") } else { format!("{low}") };
        let share = TOLERANCE * 100.0;
        let fault = || format!("{what} took {measured:.3} {unit}, more than {share:.0} % off its reference of {range}");
        (!is_near).then(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_held_to_its_reference_within_a_quarter() {
        let reference = Reference { low: 8.0, high: 10.0, unit: "µs" };
        for near in [6.0, 9.0, 12.5] {
            assert_eq!(reference.fault("the peer", near), None);
        }
        for far in [5.9, 12.6] {
            let fault = reference.fault("the peer", far).unwrap_or_default();
            assert!(fault.contains("more than 25 % off its reference of 8 to 10"), "{fault}");
        }
    }
}
