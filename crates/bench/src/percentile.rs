//! Percentiles of measured times.

/// The value that 99 of 100 do not exceed; none of no values.
pub fn percentile_99(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get((values.len() * 99 / 100).min(values.len().checked_sub(1)?)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_may_be_larger() {
        assert_eq!(percentile_99(Vec::new()), None);
        assert_eq!(percentile_99(vec![3.0]), Some(3.0));
        assert_eq!(percentile_99((0..200).rev().map(f64::from).collect()), Some(198.0));
    }
}
