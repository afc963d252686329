//! The order in which several of a kind are tried: by priority, and by a draw among those of equal priority (RFC 2782).

use crate::Entropy;

/// Of those with the lowest priority, each comes first as often as its weight says; those without a weight come last, in the order
/// given. Then those of the next priority.
pub fn in_turn<T>(mut all: Vec<T>, of: impl Fn(&T) -> (u32, u32), entropy: &mut dyn Entropy) -> Vec<T> {
    all.sort_by_key(|one| of(one).0);
    let mut order = Vec::with_capacity(all.len());
    while let Some(first) = all.first() {
        let (priority, _) = of(first);
        let weights: Vec<u64> =
            all.iter().map(&of).take_while(|one| one.0 == priority).map(|one| u64::from(one.1)).collect();
        let mut drawn = entropy.below(weights.iter().sum());
        let at = weights.iter().position(|weight| {
            let is_drawn = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            is_drawn
        });
        order.push(all.remove(at.unwrap_or_default()));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Seeded;

    #[test]
    fn priority_comes_before_weight_and_weight_is_a_share() {
        let all = vec![("backup", 20, 0), ("small", 10, 1), ("big", 10, 3), ("idle", 10, 0)];
        let mut entropy = Seeded::new(7);
        let mut big_first = 0;
        for _ in 0..4_000 {
            let order = in_turn(all.clone(), |one| (one.1, one.2), &mut entropy);
            let names: Vec<&str> = order.iter().map(|one| one.0).collect();
            assert_eq!(names[2..], ["idle", "backup"]);
            big_first += usize::from(names[0] == "big");
        }
        // Three of four; the draw of this seed is always the same.
        assert!((2_850..3_150).contains(&big_first), "{big_first}");
    }
}
